# Generated from protos/ by scripts/client.py; `make proto` writes it again.
"""Models of registry."""

from ratoon.client._generated.common_types import (
    Compute,
    ComputeDtype,
    Failure,
    GenerationDefaults,
    ParityLink,
    ParityLinkVerdict,
    Progress,
)
from ratoon.client._models import Int64, Message, OpenEnum, Timestamp


class Model(Message):
    """Series of model versions."""

    name: str = ""
    """Resource name: `projects/{project}/models/{model}`."""

    revision: Int64 = 0
    """Increases with every stored change."""

    create_time: Timestamp | None = None
    """Time of creation, UTC. Set by the server."""

    update_time: Timestamp | None = None
    """Time of the last change, UTC. Set by the server."""

    display_name: str = ""
    """Name for people. At most 1,024 characters."""

    etag: str = ""
    """Version tag of the model."""


class ModelVersionState(OpenEnum):
    """State of a model version."""

    UNSPECIFIED = "STATE_UNSPECIFIED"
    """Not set."""

    QUEUED = "STATE_QUEUED"
    """Waiting to start."""

    VERIFYING = "STATE_VERIFYING"
    """The artifact is being loaded, verified and signed."""

    READY = "STATE_READY"
    """The version is verified and signed and can be used."""

    FAILED = "STATE_FAILED"
    """The work ended with an error; `failure` holds the reason."""

    CANCELLING = "STATE_CANCELLING"
    """Cancellation was requested; the work is stopping."""

    CANCELLED = "STATE_CANCELLED"
    """Cancelled before the work completed."""


class Lineage(Message):
    """Resources from which a model version was created, by resource name.

    A field is empty where there is none.
    """

    dataset_version: str = ""
    """Resource name of the dataset version."""

    split: str = ""
    """Resource name of the split."""

    label_set: str = ""
    """Resource name of the label set."""

    training_run: str = ""
    """Resource name of the training run."""

    evaluation_run: str = ""
    """Resource name of the evaluation run."""

    pipeline_run: str = ""
    """Resource name of the pipeline run."""

    parent_version: str = ""
    """Resource name of the version from which training continued; it must belong to the same model.

    Empty: trained from scratch.
    """

    derived_from: str = ""
    """Resource name of the version of which this one is another form: its adapter merged, its weights in
    another number format.

    Verification compares both; a version that is not the same model within the tolerance of its format
    fails with the reason of its parity link.
    """


class TrainingUsage(Message):
    """Energy and cost of the training of a model version."""

    energy_wh: float = 0.0
    """Energy in watt-hours, over all workers."""

    energy_basis: str = ""
    """Origin of `energy_wh`, in one sentence: measured, or estimated."""

    device_hours: float = 0.0
    """Hours of one worker: workers times duration."""

    cost: float = 0.0
    """Cost by the prices of the operator. 0: no price."""

    currency: str = ""
    """Currency of the cost. Empty: not stated."""


class ModelVersion(Message):
    """One version of a model: an artifact that was loaded, verified and signed before it can be used."""

    name: str = ""
    """Resource name: `projects/{project}/models/{model}/versions/{version}`.

    Version IDs are `v1.0`, `v1.1`, …
    """

    revision: Int64 = 0
    """Increases with every stored change."""

    create_time: Timestamp | None = None
    """Time of creation, UTC. Set by the server."""

    update_time: Timestamp | None = None
    """Time of the last change, UTC. Set by the server."""

    state: ModelVersionState = ModelVersionState.UNSPECIFIED
    """Current state."""

    artifact_digest: str = ""
    """Digest of the model artifact: a tree of safetensors files, tokenizer, configuration, recipe and
    model card.

    Required. Verification replaces it by the digest of the tree that it signs: with a model card, and
    without files that do not belong to a model.
    """

    lineage: Lineage | None = None
    """Resources from which the version was created."""

    changelog: str = ""
    """Changes since the previous version, at most 262,144 characters."""

    progress: Progress | None = None
    """Progress of the work."""

    failure: Failure | None = None
    """Why the work failed. Set in the state FAILED only."""

    signature_digest: str = ""
    """Digest of the signature over the manifest of the artifact (a blob).

    Empty until the version is READY.
    """

    golden_digest: str = ""
    """Digest of the golden prompts with their tokens and log-probabilities (a JSON blob).

    Empty until the version is READY.
    """

    parameter_count: Int64 = 0
    """Number of parameters. Set by verification."""

    size_bytes: Int64 = 0
    """Size of the artifact in bytes. Set by verification."""

    golden_source_digest: str = ""
    """Digest of the Parquet blob (a validation part) from whose texts the golden prompts are taken."""

    scores: dict[str, float] = {}
    """Scores by name, copied from the evaluation."""

    base_artifact_digest: str = ""
    """For an adapter: digest of the base model (a tree) to which it belongs.

    Set by verification; empty for other models.
    """

    base_signature_digest: str = ""
    """For an adapter: digest of the signature over the manifest of the base model.

    Set by verification; empty for other models.
    """

    generation_defaults: GenerationDefaults | None = None
    """Sampling defaults from `generation_config.json` of the artifact.

    An adapter without one inherits those of its base model. Set by verification.
    """

    max_prompt_characters: int = 0
    """Number of characters of each message that the chat template keeps.

    0: all. Set by verification.
    """

    max_prompt_tokens: int = 0
    """Number of prompt tokens for which the version was trained.

    0: not stated. Set by verification.
    """

    context_tokens: int = 0
    """Context length of the model in tokens, prompt and answer together. Set by verification."""

    verification_compute: Compute | None = None
    """Device of the verification, and a number format for further golden prompts.

    The reference is always recorded in 32-bit floating point. CUDA without an NVIDIA GPU
    (`ACCELERATOR_UNAVAILABLE`), other accelerators and more than one device (`COMPUTE_NOT_SUPPORTED`) are
    refused. Default: CPU, 32-bit floating point.
    """

    serving_dtypes: list[ComputeDtype] = []
    """Number formats in which engines will serve the version.

    The log-probabilities of the golden prompts are recorded in each of them, with which an engine of that
    format is attested. Empty: 32-bit floating point only.
    """

    parity_digest: str = ""
    """Digest of the signed parity certificate (a JSON blob).

    It changes with each link. Empty until the version is READY.
    """

    training_usage: TrainingUsage | None = None
    """Energy and cost of the training, copied from the training run.

    They are stated in the model card.
    """


class ModelSummaryLayer(Message):
    """Tensor of a layer."""

    name: str = ""
    """Name of the tensor."""

    dtype: str = ""
    """Number format, as safetensors names it: `F32`, `BF16`, …."""

    shape: list[Int64] = []
    """Shape."""

    parameter_count: Int64 = 0
    """Number of parameters."""

    trained: bool = False
    """True if the tensor belongs to the version itself; false for one of the base model of an adapter."""


class ModelSummary(Message):
    """Weights of a model version. Of an adapter also those of its base model."""

    name: str = ""
    """Resource name of the model version."""

    architecture: str = ""
    """Class of the model, as `config.json` names it."""

    parameter_count: Int64 = 0
    """Number of parameters, those of the base model included."""

    trained_parameter_count: Int64 = 0
    """Number of parameters of the version itself: of an adapter those of the adapter, otherwise all."""

    size_bytes: Int64 = 0
    """Size of the weights in bytes."""

    layers: list[ModelSummaryLayer] = []
    """Tensors in the order of their names; numbers in them are ordered as numbers."""


class TokenNeighboursNeighbour(Message):
    """One of the nearest tokens."""

    token: str = ""
    """Token, as the vocabulary writes it."""

    token_id: int = 0
    """Number of the token."""

    cosine: float = 0.0
    """Cosine of the angle between the embeddings, from -1 to 1."""


class TokenNeighbours(Message):
    """Tokens whose embeddings are nearest to that of a token."""

    name: str = ""
    """Resource name of the model version."""

    token: str = ""
    """Token, as the vocabulary writes it."""

    token_id: int = 0
    """Number of the token."""

    neighbours: list[TokenNeighboursNeighbour] = []
    """Nearest tokens, the nearest first. The token itself is left out."""


class ParityCertificate(Message):
    """Signed record of the forms of one model version, from training to serving, each compared with the
    form before.
    """

    name: str = ""
    """Resource name of the version: `projects/{project}/models/{model}/versions/{version}`."""

    digest: str = ""
    """Digest of the certificate (a JSON blob): a DSSE envelope around an in-toto statement, signed by
    the registry.

    Empty: the version has none, as it was registered by an earlier release.
    """

    artifact_digest: str = ""
    """Digest of the artifact that the certificate is about."""

    verdict: ParityLinkVerdict = ParityLinkVerdict.UNSPECIFIED
    """WITHIN if all links are; BEYOND if one of them is not. Not set: there is no link."""

    links: list[ParityLink] = []
    """The links in the order of the steps."""


class Alias(Message):
    """Name that points to one version, for example `production`."""

    name: str = ""
    """Resource name: `projects/{project}/models/{model}/aliases/{alias}`."""

    revision: Int64 = 0
    """Increases with every stored change."""

    create_time: Timestamp | None = None
    """Time of creation, UTC. Set by the server."""

    update_time: Timestamp | None = None
    """Time of the last change, UTC. Set by the server."""

    version: str = ""
    """Resource name of the version: `projects/{project}/models/{model}/versions/{version}`."""


class AliasChange(Message):
    """One move of an alias."""

    alias: str = ""
    """Resource name of the alias."""

    change_time: Timestamp | None = None
    """Time of the move, UTC."""

    from_version: str = ""
    """Resource name of the previous version. Empty: the alias was new."""

    to_version: str = ""
    """Resource name of the new version."""

    reason: str = ""
    """Reason for the move, for example the rollout that moved the alias."""

    principal: str = ""
    """Identity of the caller."""
