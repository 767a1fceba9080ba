# Generated from protos/ by scripts/client.py; `make proto` writes it again.
"""Models of common."""

from ratoon.client._models import Int64, Message, OpenEnum, Timestamp


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


class Classify(Message):
    """Task of a model that answers with labels out of a list."""

    labels: list[str] = []
    """Labels that the model answers with: 2 to 1,000 words of at most 64 characters each.

    Repeated labels and invisible characters are refused.
    """

    multi_label: bool = False
    """A record may have several labels.

    The model lists them, one a line, in the order of `labels`. Default: false.
    """


class GenerateForm(OpenEnum):
    """Form of the answers."""

    UNSPECIFIED = "FORM_UNSPECIFIED"
    """Not set: text."""

    TEXT = "FORM_TEXT"
    """Text on a single prompt."""

    CHAT = "FORM_CHAT"
    """The next turn of a conversation, which may have a system prompt, several turns and tool calls."""

    JSON = "FORM_JSON"
    """A JSON document."""


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


class Generate(Message):
    """Task of a model that answers with text, with the next turn of a conversation, or with JSON."""

    form: GenerateForm = GenerateForm.UNSPECIFIED
    """Form of the answers. Default: text."""

    json_schema: str = ""
    """JSON schema of the answers, at most 65,536 characters.

    It may refer to itself only. A document that does not fit it is no answer. Only with `FORM_JSON`;
    empty: any JSON document.
    """

    reference_free: bool = False
    """Records of an evaluation may lack a reference answer. Default: false."""

    defaults: GenerationDefaults | None = None
    """Sampling defaults of answers, in evaluation and in production."""

    stop: list[str] = []
    """Texts that end an answer, at most 4 of at most 64 characters each."""


class Regress(Message):
    """Task of a model that answers with a number."""

    unit: str = ""
    """Unit of the number, at most 32 characters. Empty: none."""

    min: float | None = None
    """Smallest valid number. Not set: no bound."""

    max: float | None = None
    """Largest valid number. Not set: no bound."""

    tolerance: float = 0.0
    """Accepted distance of an answer from the right number.

    A larger distance counts as a wrong answer. Default: 0.
    """


class TaskSpec(Message):
    """What a model is for.

    The kind decides which records are valid, what annotators enter, which feedback callers give, which
    recipes train the model, which metrics judge it and which baselines stand beside it.
    """

    classify: Classify | None = None
    """The model answers with labels out of a list."""

    generate: Generate | None = None
    """The model answers with text, with the next turn of a conversation, or with JSON."""

    regress: Regress | None = None
    """The model answers with a number."""


class ComputeAccelerator(OpenEnum):
    """Kind of device."""

    UNSPECIFIED = "ACCELERATOR_UNSPECIFIED"
    """Not set: CPU."""

    CPU = "ACCELERATOR_CPU"
    """CPU."""

    CUDA = "ACCELERATOR_CUDA"
    """NVIDIA GPU."""

    NEURON = "ACCELERATOR_NEURON"
    """AWS Trainium or Inferentia."""


class ComputeDtype(OpenEnum):
    """Number format of weights and activations."""

    UNSPECIFIED = "DTYPE_UNSPECIFIED"
    """Not set: 32-bit floating point."""

    FLOAT32 = "DTYPE_FLOAT32"
    """32-bit floating point."""

    BFLOAT16 = "DTYPE_BFLOAT16"
    """16-bit brain floating point."""

    FLOAT16 = "DTYPE_FLOAT16"
    """16-bit IEEE floating point."""


class Compute(Message):
    """Devices and number format of one stage of the loop."""

    accelerator: ComputeAccelerator = ComputeAccelerator.UNSPECIFIED
    """Kind of device. Default: CPU."""

    dtype: ComputeDtype = ComputeDtype.UNSPECIFIED
    """Number format. Default: 32-bit floating point."""

    devices: int = 0
    """Number of devices, at most 64. 0: the default of the stage."""


class MetricDirection(OpenEnum):
    """Which values of a metric are better."""

    UNSPECIFIED = "DIRECTION_UNSPECIFIED"
    """Not set: the direction that the metric always has."""

    HIGHER = "DIRECTION_HIGHER"
    """Higher values are better."""

    LOWER = "DIRECTION_LOWER"
    """Lower values are better."""

    NONE = "DIRECTION_NONE"
    """The metric describes answers; no value is better than another.

    Such a metric cannot be the primary one.
    """


class Metric(Message):
    """Metric by which versions of a model are judged."""

    name: str = ""
    """Name of the metric, for example `macro_f1`, `rouge_l` or `mae`.

    The kind of the task decides which metrics exist.
    """

    direction: MetricDirection = MetricDirection.UNSPECIFIED
    """Which values are better. A value that contradicts the metric is refused."""


class ShadowAnalysis(Message):
    """Settings of the comparison of two versions on the same live requests during a rollout.

    The version that does not answer a caller answers a copy of the request; its answer is stored and
    never sent.
    """

    share: float = 0.0
    """Share of the answered requests that the other version answers too, from 0 to 1.

    0: none, unless gateways are set to a share.
    """

    min_pairs: int = 0
    """Number of pairs of answers with a known right answer that the rollout waits for before callers get
    answers of the new version; they must come from at least 20 callers.

    At most 2,000. It needs a share. 0: the rollout does not wait.
    """

    max_wait_seconds: float = 0.0
    """Maximum time to wait for `min_pairs`, in seconds, at most 30 days. Default: 3600."""

    metric: str = ""
    """Metric by which the versions are compared. Empty: the primary metric of the project."""

    max_loss: float = 0.0
    """Accepted loss in the metric, 0 or more: a new version that is worse by more than this, beyond
    chance, is rolled back.

    Default: 0.
    """

    require_pairs: bool = False
    """If true, the rollout is rolled back when the wait ends with too few pairs.

    Default: it goes on, and says so.
    """

    reference_outcome: str = ""
    """Name of the outcome in feedback whose value is the right answer, for tasks that answer with a
    number or a label.

    Empty: none; right answers are corrections, and labels that users confirm.
    """


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


class ParityLinkVerdict(OpenEnum):
    """Result of a comparison."""

    UNSPECIFIED = "VERDICT_UNSPECIFIED"
    """Not set."""

    WITHIN = "VERDICT_WITHIN"
    """The same model within the tolerance."""

    BEYOND = "VERDICT_BEYOND"
    """Not the same model; `reason` names the cause."""


class ParityLinkStep(OpenEnum):
    """Step of the lifecycle."""

    UNSPECIFIED = "STEP_UNSPECIFIED"
    """Not set."""

    TRAIN = "STEP_TRAIN"
    """The trained model, reloaded from its files."""

    MERGE = "STEP_MERGE"
    """The adapter merged into its base model."""

    QUANTIZE = "STEP_QUANTIZE"
    """Another number format of the weights."""

    EXPORT = "STEP_EXPORT"
    """Files of another program."""

    SERVE = "STEP_SERVE"
    """An engine that answers requests."""


class ParityLinkInputs(Message):
    """What turns a conversation into tokens, and tokens into an answer."""

    template_digest: str = ""
    """SHA-256 of the chat template's text. Empty: none."""

    tokenizer_digest: str = ""
    """SHA-256 of the tokenizer's file. Empty: none."""

    rendering_digest: str = ""
    """SHA-256 of the token ids of fixed conversations, rendered by the template.

    Forms that agree have the same one.
    """

    begin_token: str = ""
    """Begin-of-sequence token that begins a rendered prompt. Empty: none."""

    stop_tokens: list[str] = []
    """Tokens that end an answer."""

    generation: GenerationDefaults | None = None
    """Sampling defaults."""


class ParityLinkFirstDifference(Message):
    """First position at which the choices differ."""

    prompt: int = 0
    """Number of the prompt, from 0."""

    position: int = 0
    """Number of the generated token, from 0."""

    reference_token: int = 0
    """Token that the reference chooses."""

    token: int = 0
    """Token that this form chooses."""

    lead: float = 0.0
    """Lead of the reference's token over the second best one, in nats."""

    near_tie: bool = False
    """True if the lead is too small to decide."""


class ParityLinkComparison(Message):
    """Comparison of greedy tokens and of log-probabilities."""

    prompts: int = 0
    """Number of prompts."""

    equal_prompts: int = 0
    """Number of prompts whose tokens are all equal."""

    places: int = 0
    """Number of compared positions."""

    equal_places: int = 0
    """Number of positions at which both choose the same token."""

    near_ties: int = 0
    """Number of positions at which the choices differ, but the two best tokens of the reference are
    nearly tied.
    """

    max_difference: float = 0.0
    """Largest difference of a log-probability, in nats."""

    mean_difference: float = 0.0
    """Mean difference of the log-probabilities, in nats."""

    first_difference: ParityLinkFirstDifference | None = None
    """First position at which the choices differ. Not set: none."""


class ParityLinkMetricDifference(Message):
    """Metric of the task on the same records."""

    metric: str = ""
    """Name of the metric."""

    reference: float = 0.0
    """Value of the reference."""

    value: float = 0.0
    """Value of this form."""

    low: float = 0.0
    """Lower end of the 95 % interval of the difference (this form less the reference)."""

    high: float = 0.0
    """Upper end of the interval."""

    records: int = 0
    """Number of records."""


class ParityLinkTolerance(Message):
    """Accepted differences of a number format."""

    token: float | None = None
    """Accepted difference of one log-probability, in nats. Not set: any."""

    mean: float | None = None
    """Accepted mean difference, in nats. Not set: any."""

    agreement: float = 0.0
    """Smallest share of the positions at which both must choose the same token, near-ties left out."""

    near_tie: float = 0.0
    """Lead of the best token over the second one, in nats, below which either may be chosen."""


class ParityLink(Message):
    """One link of a parity certificate: one form of a model (an artifact, an export or an engine),
    compared with the form from which it was made.
    """

    step: ParityLinkStep = ParityLinkStep.UNSPECIFIED
    """Step of the lifecycle that made this form."""

    format: str = ""
    """Number format of this form: `float32`, `bfloat16`, `float16`, `int8`, `int4`, `gguf_f16`,
    `gguf_q8_0`, `gguf_q4_k` or `onnx`.

    It selects the tolerance.
    """

    runtime: str = ""
    """Program that computed this form, with its version, for example `vllm 0.32.0`."""

    artifact_digest: str = ""
    """Digest of the artifact that was compared."""

    reference_digest: str = ""
    """Digest of the artifact that is the reference.

    Equal to `artifact_digest` where the same artifact was computed by another program or in another
    number format.
    """

    source: str = ""
    """Resource name of the work that made or measured this form: a training run, a compression, an
    export, an engine.

    Empty: the verification of the version.
    """

    inputs: ParityLinkInputs | None = None
    """Chat template, tokenizer and defaults that this form uses."""

    comparison: ParityLinkComparison | None = None
    """Result of the comparison of tokens and log-probabilities."""

    metrics: list[ParityLinkMetricDifference] = []
    """Metrics of the task on a slice of labelled records."""

    tolerance: ParityLinkTolerance | None = None
    """Accepted differences."""

    verdict: ParityLinkVerdict = ParityLinkVerdict.UNSPECIFIED
    """Whether the form is the same model within the tolerance."""

    reason: str = ""
    """Stable reason code in UPPER_SNAKE_CASE of the verdict BEYOND, which names the cause:
    `TEMPLATE_DIFFERS`, `BOS_MISSING`, `BOS_DOUBLED`, `TOKENIZER_DIFFERS`, `STOP_TOKENS_DIFFER`,
    `DEFAULTS_DIFFER`, `ROPE_DIFFERS`, `CONFIG_DIFFERS`, `HEAD_LOST`, `BIAS_DROPPED`,
    `TENSORS_MISSING`, `TENSORS_SWAPPED`, `NORMS_SWAPPED`, `ROPE_LAYOUT_DIFFERS`,
    `ADAPTER_NOT_MERGED`, `ADAPTER_MERGED_TWICE`, `ADAPTER_SCALE_DIFFERS`, `HEAD_QUANTIZED`,
    `WEIGHTS_DIFFER`, `LAYER_DIFFERS`, `TOKENS_DIFFER`, `LOGPROBS_DIFFER`, `METRIC_DIFFERS` or
    `TOO_FEW_PLACES`.
    """

    message: str = ""
    """The verdict in one sentence: what differs, where it begins, and by how much."""

    layer: str = ""
    """First layer whose output differs, as the model names it. Empty: not determined."""

    measure_time: Timestamp | None = None
    """Time of the measurement, UTC."""
