# Generated from protos/ by scripts/client.py; `make proto` writes it again.
"""Models of serving."""

from ratoon.client._generated.common_types import Compute, Failure, Metric, Progress, ShadowAnalysis
from ratoon.client._models import Int64, Message, OpenEnum, Timestamp


class Deployment(Message):
    """Named endpoint at which a model is served. Callers select it with `model` in a request."""

    name: str = ""
    """Resource name: `projects/{project}/deployments/{deployment}`."""

    revision: Int64 = 0
    """Increases with every stored change."""

    create_time: Timestamp | None = None
    """Time of creation, UTC. Set by the server."""

    update_time: Timestamp | None = None
    """Time of the last change, UTC. Set by the server."""

    model: str = ""
    """Resource name of the model: `projects/{project}/models/{model}`. Required."""

    version: str = ""
    """Resource name of the version that serves. Empty until the first rollout has completed."""

    previous_version: str = ""
    """Resource name of the previous version, the target of a rollback. Empty: none."""

    active_rollout: str = ""
    """Resource name of the rollout in progress. Empty: none."""

    min_replicas: int = 0
    """Minimum number of replicas of the engine.

    0: scale to zero without requests; the first request then waits for a replica.
    """

    max_replicas: int = 0
    """Maximum number of replicas of the engine, at most 64."""

    replicas: int = 0
    """Desired number of replicas."""

    pool: str = ""
    """Node pool of the engines, by the name that the operator configured.

    Empty: the default of the installation. An unknown pool is refused.
    """

    compute: Compute | None = None
    """Accelerator and number format of the engines, for rollouts that set none.

    The accelerator selects the node pool, unless `pool` names one. Not set: those of the pool. An
    accelerator that the installation does not have is refused (`ACCELERATOR_UNAVAILABLE`), and more than
    one device (`COMPUTE_NOT_SUPPORTED`).
    """


class ServingPlan(Message):
    """Number of engines and gateways for a rate of requests, from measured rates."""

    requests_per_second: float = 0.0
    """Rate that was planned for, in requests a second."""

    engines: int = 0
    """Number of processes of engines, spare ones included."""

    gateways: int = 0
    """Number of gateway processes, spare ones included."""

    engine_requests_per_second: float = 0.0
    """Requests a second that one busy engine answers."""

    gateway_requests_per_second: float = 0.0
    """Requests a second that one busy gateway relays."""

    engine_basis: str = ""
    """Origin of the rate of an engine, in one sentence."""

    gateway_basis: str = ""
    """Origin of the rate of a gateway, in one sentence."""

    utilization: float = 0.0
    """Share of these rates that the plan uses."""

    spare: int = 0
    """Engines and gateways each that may fail at once."""

    expected_utilization: float = 0.0
    """Share of the rates that is used if nothing fails."""

    notes: list[str] = []
    """What the plan does not cover, and limits of the installation that it exceeds."""


class EngineState(OpenEnum):
    """State of an engine."""

    UNSPECIFIED = "STATE_UNSPECIFIED"
    """Not set."""

    STARTING = "STATE_STARTING"
    """The engine is starting."""

    READY = "STATE_READY"
    """The engine can serve requests."""

    DRAINING = "STATE_DRAINING"
    """The engine accepts no new requests and finishes open streams."""

    STOPPED = "STATE_STOPPED"
    """The engine is stopped."""

    FAILED = "STATE_FAILED"
    """The engine ended unexpectedly or does not answer."""


class Engine(Message):
    """One running model server."""

    name: str = ""
    """Resource name: `projects/{project}/deployments/{deployment}/engines/{engine}`."""

    revision: Int64 = 0
    """Increases with every stored change."""

    create_time: Timestamp | None = None
    """Time of creation, UTC. Set by the server."""

    update_time: Timestamp | None = None
    """Time of the last change, UTC. Set by the server."""

    version: str = ""
    """Resource name of the model version that the engine serves."""

    state: EngineState = EngineState.UNSPECIFIED
    """Current state."""

    attested: bool = False
    """True if the engine passed attestation: it serves the weights of the version."""

    message: str = ""
    """Status of the engine, in one sentence."""

    compute: Compute | None = None
    """Accelerator and number format that were requested. Not set: those of the pool."""


class RolloutState(OpenEnum):
    """State of a rollout.

    The engine of the new version is called green, that of the old version blue.
    """

    UNSPECIFIED = "STATE_UNSPECIFIED"
    """Not set."""

    QUEUED = "STATE_QUEUED"
    """Waiting to start."""

    PREPARING = "STATE_PREPARING"
    """Green starts, passes attestation, is probed and warmed up."""

    SHIFTING = "STATE_SHIFTING"
    """Traffic moves to green."""

    BAKING = "STATE_BAKING"
    """Green serves, blue stays warm, and the analysis runs."""

    DRAINING = "STATE_DRAINING"
    """Blue finishes its open streams and stops; then the alias `production` is moved."""

    SUCCEEDED = "STATE_SUCCEEDED"
    """The new version serves."""

    ROLLING_BACK = "STATE_ROLLING_BACK"
    """Traffic moves back to blue, and green stops."""

    ROLLED_BACK = "STATE_ROLLED_BACK"
    """The old version serves again."""

    FAILED = "STATE_FAILED"
    """The new version never served, or the old version could not be restored; `failure` holds the
    reason.
    """

    CANCELLED = "STATE_CANCELLED"
    """The rollout was aborted; the old version serves."""


class RolloutStrategy(OpenEnum):
    """Rollout strategy."""

    UNSPECIFIED = "STRATEGY_UNSPECIFIED"
    """Not set."""

    SECOND_ENGINE = "STRATEGY_SECOND_ENGINE"
    """Green runs in its own process next to blue (blue-green)."""

    ADAPTER_SWAP = "STRATEGY_ADAPTER_SWAP"
    """Green is an adapter in the process of blue.

    Both versions can answer at the same time. Refused unless the running engine holds the base model of
    the adapter and accepts its rank.
    """

    IN_PLACE = "STRATEGY_IN_PLACE"
    """The weights of green replace those of blue in its process.

    Requests wait during the change. Refused together with `shares`, and unless the versions differ only
    in their weights.
    """


class RolloutBake(Message):
    """Analysis settings of a rollout. A zero value selects the default."""

    seconds: float = 0.0
    """Bake time: duration of the analysis after the shift, in seconds. Default: 30."""

    max_error_rate: float = 0.0
    """Share of failed answers from which the version is rolled back: above 0, at most 1.

    Default: 0.05.
    """

    max_latency_ratio: float = 0.0
    """Ratio of the median latency to that of the old version from which the version is rolled back.

    Values below 1 are refused. Default: 3.
    """

    max_negative_rate: float = 0.0
    """Share of unhappy callers, over at least 20 votes, above which the version is rolled back: above 0,
    at most 1.

    Each caller counts once, by its share of negative votes, and no single caller decides. Default: 0.5.
    """


class RolloutStep(Message):
    """Log entry of a rollout."""

    time: Timestamp | None = None
    """Time of the entry, UTC."""

    state: str = ""
    """Phase of the rollout, for example `ATTESTING` or `BAKING`."""

    message: str = ""
    """What happened, in one sentence."""


class RolloutSide(Message):
    """Answers of one version to requests that both versions were to answer."""

    latency_p50_seconds: float = 0.0
    """Median latency, in seconds.

    Shadow answers have the lowest priority in an engine, and are slower for it.
    """

    mean_tokens: float = 0.0
    """Mean length of the answers in tokens, as the engines count them."""

    shadow_count: Int64 = 0
    """Number of requests that the version was to answer in the shadow."""

    error_count: Int64 = 0
    """Number of these requests that it did not answer."""


class RolloutPairedResult(Message):
    """Comparison by a metric on pairs of answers whose right answer is known by feedback.

    Each caller counts once. The interval is a 95 % interval over callers.
    """

    pair_count: Int64 = 0
    """Number of pairs."""

    caller_count: Int64 = 0
    """Number of callers."""

    new_answered_count: Int64 = 0
    """Number of pairs of which the caller got the answer of the new version."""

    new_value: float = 0.0
    """Value of the metric for the new version."""

    old_value: float = 0.0
    """Value of the metric for the old version."""

    gain: float = 0.0
    """By how much the new version is better.

    Of a metric whose lower values are better, a gain is a decrease.
    """

    gain_low: float | None = None
    """Lower bound of the gain. Not set: fewer than two callers."""

    gain_high: float | None = None
    """Upper bound of the gain. Not set: fewer than two callers."""


class RolloutShadowComparison(Message):
    """Comparison of the new version with the old one on the same live requests."""

    update_time: Timestamp | None = None
    """Time of the last change, UTC."""

    request_count: Int64 = 0
    """Number of requests that both versions answered."""

    agreement: float = 0.0
    """Share of these requests to which both gave the same answer, from 0 to 1.

    It says which answers changed, not which are better.
    """

    metric: Metric | None = None
    """Metric of the comparison."""

    similarity: float | None = None
    """Mean value of the metric for the answers of one version if those of the other were right.

    Not set: the metric has no value for a single answer.
    """

    new_version: RolloutSide | None = None
    """Answers of the new version."""

    old_version: RolloutSide | None = None
    """Answers of the old version."""

    by_metric: RolloutPairedResult | None = None
    """Comparison by the metric, on requests whose right answer is known.

    Not set: there are none.
    """

    message: str = ""
    """State of the comparison, in one or two sentences."""


class Rollout(Message):
    """Change of a deployment from one version to another."""

    name: str = ""
    """Resource name: `projects/{project}/deployments/{deployment}/rollouts/{rollout}`."""

    revision: Int64 = 0
    """Increases with every stored change."""

    create_time: Timestamp | None = None
    """Time of creation, UTC. Set by the server."""

    update_time: Timestamp | None = None
    """Time of the last change, UTC. Set by the server."""

    state: RolloutState = RolloutState.UNSPECIFIED
    """Current state."""

    to_version: str = ""
    """Resource name of the version to roll out.

    It must be READY and belong to the model of the deployment.
    """

    from_version: str = ""
    """Resource name of the version that served before. Empty for the first rollout."""

    strategy: RolloutStrategy = RolloutStrategy.UNSPECIFIED
    """Rollout strategy.

    A strategy that cannot serve the two versions is refused. Not set: the cheapest safe strategy is
    chosen.
    """

    bake: RolloutBake | None = None
    """Analysis of the new version."""

    progress: Progress | None = None
    """Progress of the work."""

    failure: Failure | None = None
    """Why the rollout failed, was rolled back or was aborted: `ROLLOUT_FAILED`, `ROLLED_BACK` or
    `ROLLOUT_ABORTED`, with an explanation.

    Not set otherwise.
    """

    paused: bool = False
    """True if the rollout is paused."""

    steps: list[RolloutStep] = []
    """Log of the rollout, oldest entry first."""

    reason: str = ""
    """Reason for the choice of the strategy, or for the end of the rollout."""

    etag: str = ""
    """Version tag of the rollout."""

    shares: list[int] = []
    """Traffic shares of the new version in percent, one for each step.

    They must increase and lie between 1 and 99; after the last step, the new version receives all
    traffic. Empty: all traffic at once. Each user stays on one version during this time.
    """

    step_seconds: float = 0.0
    """Duration of the analysis of each of `shares`, in seconds. Default: 10."""

    compute: Compute | None = None
    """Accelerator and number format of the engine of the new version.

    If they differ from those of the old engine, the new version gets an engine of its own. Not set: those
    of the deployment.
    """

    shadow: ShadowAnalysis | None = None
    """Comparison with the old version on the same live requests.

    With `min_pairs`, the new version first answers copies of requests only, and callers get its answers
    once it is no worse. Refused together with the strategy STRATEGY_IN_PLACE, which lets only one version
    answer at a time.
    """

    shadow_comparison: RolloutShadowComparison | None = None
    """Result of the comparison so far.

    It also counts feedback that arrives after the rollout. Not set: no request was answered by both
    versions. Set by the server.
    """
