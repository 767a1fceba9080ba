# Generated from protos/ by scripts/client.py; `make proto` writes it again.
"""Models of common."""

from ratoon.client._models import Int64, Message, OpenEnum


class Progress(Message):
    """Progress of a long-running operation."""

    fraction: float = 0.0
    """Completed share, from 0 to 1."""

    message: str = ""
    """Current activity, in one sentence."""

    done: Int64 = 0
    """Number of completed units."""

    total: Int64 = 0
    """Total number of units."""

    unit: str = ""
    """Unit of `done` and `total`."""

    remaining_seconds: float = 0.0
    """Estimated time to completion, in seconds. 0: not known."""

    metrics: dict[str, float] = {}
    """Latest measurements by name (`loss`, `tokens_per_second`, …)."""


class Failure(Message):
    """Reason for the failure of a long-running operation."""

    reason: str = ""
    """Stable reason code in UPPER_SNAKE_CASE."""

    message: str = ""
    """What failed and what to do next."""


class Role(OpenEnum):
    """Permissions of a caller. Each role includes the permissions of the roles before it."""

    UNSPECIFIED = "ROLE_UNSPECIFIED"
    """Not set."""

    PUBLIC = "ROLE_PUBLIC"
    """No credentials are required."""

    CALLER = "ROLE_CALLER"
    """Send requests to models and submit feedback."""

    VIEWER = "ROLE_VIEWER"
    """Read all resources of the project."""

    ANNOTATOR = "ROLE_ANNOTATOR"
    """Label records."""

    ENGINEER = "ROLE_ENGINEER"
    """Build datasets; train, evaluate and register models."""

    OPERATOR = "ROLE_OPERATOR"
    """Roll out versions, control rollouts and manage API keys."""

    SERVICE = "ROLE_SERVICE"
    """Another service of this installation."""


class GenerationDefaults(Message):
    """Sampling defaults of a model version.

    They apply where a request does not set the value. A field that is not set has no default.
    """

    temperature: float | None = None
    """Sampling temperature. 0 selects greedy decoding: the most probable token each time."""

    top_p: float | None = None
    """Nucleus sampling: share of the probability mass from which tokens are sampled."""

    top_k: int | None = None
    """Number of most probable tokens from which one is sampled."""

    min_p: float | None = None
    """Minimum probability of a token, as a share of the probability of the most probable token."""

    repetition_penalty: float | None = None
    """A value above 1 makes tokens that occurred already less probable."""

    max_tokens: int | None = None
    """Maximum length of an answer, in tokens."""
