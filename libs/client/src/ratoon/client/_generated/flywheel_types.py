# Generated from protos/ by scripts/client.py; `make proto` writes it again.
"""Models of flywheel."""

from ratoon.client._generated.common_types import Compute, Failure, Metric, Progress, ShadowAnalysis, TaskSpec
from ratoon.client._generated.training_types import (
    CompressionMethod,
    CompressionRounding,
    Distillation,
    Lora,
    ModelExportFormat,
    ModelExportGgufType,
    Optimization,
    Parallelism,
    RecipeArchitecture,
    RecipeNeural,
    Reward,
)
from ratoon.client._models import Int64, Message, OpenEnum, Timestamp


class ProjectGate(Message):
    """Requirements on a new version, as bounds on its gain in the primary metric.

    Of a metric whose lower values are better, such as `mae`, a gain is a decrease. Values lie within the
    range of the metric: from -1 to 1 for `macro_f1` and `rouge_l`; any finite value for `mae`, in the
    unit of the task.
    """

    new_domain_threshold: float = 0.0
    """Value that the lower bound of the gain on the new domain must exceed. Default: 0."""

    old_domain_threshold: float | None = None
    """Value that the lower bound of the gain on the old domain must exceed. Default: -0.08."""

    baseline_margin: float | None = None
    """Accepted distance of the first version from the best baseline of the kind of task, 0 or more.

    The whole range of the metric, 1 for `macro_f1` and `rouge_l`, turns the rule off. Default: 0.02.
    """

    classical_challenger: bool = False
    """Pipeline runs train a classical model on the same split and compare it with the trained model on
    its test part.

    The classical model becomes the candidate unless the other one is shown to be better. Only with a task
    `classify` or `regress`. Default: false.
    """

    challenger_threshold: float = 0.0
    """Value that the lower bound of the gain over the classical challenger must exceed for the trained
    model to be kept, 0 or more.

    Default: 0.
    """


class ProjectTrainingDefaultsMethod(OpenEnum):
    """Training method."""

    UNSPECIFIED = "METHOD_UNSPECIFIED"
    """Not set."""

    FULL = "METHOD_FULL"
    """Train all weights."""

    LORA = "METHOD_LORA"
    """Train a LoRA adapter for `base_artifact_digest`, which is required.

    Later versions continue from the adapter in production.
    """


class ProjectTrainingDefaults(Message):
    """Training settings. A zero value selects the default of the training recipe."""

    seed: Int64 = 0
    """Random seed of training, 0 to 2^53."""

    epochs: float = 0.0
    """Number of epochs of the first version, at most 1,000."""

    continue_epochs: float = 0.0
    """Number of epochs of later versions, at most 1,000."""

    max_chars: int = 0
    """Maximum length of a text in characters; longer texts are cut.

    At most 1,000,000. 0: chosen from the data.
    """

    hidden_size: int = 0
    """Hidden size of a model that is trained from scratch, at most 65,536."""

    layers: int = 0
    """Number of layers of a model that is trained from scratch, at most 128."""

    replay_count: int | None = None
    """Number of records of the previous training part that are mixed into a retraining, at most
    10,000,000.

    Default: 2000.
    """

    workers: int = 0
    """Number of training workers, at most 64."""

    method: ProjectTrainingDefaultsMethod = ProjectTrainingDefaultsMethod.UNSPECIFIED
    """Training method.

    Default: all weights, from scratch or from `base_artifact_digest`; for the task `generate`, a LoRA
    adapter for `base_artifact_digest`.
    """

    base_artifact_digest: str = ""
    """Digest of the model artifact (a tree, uploaded beforehand) from which the first version starts.

    Empty: training from scratch; for the task `generate`, only with the method METHOD_FULL, else runs
    fail (`NO_BASE_MODEL`).
    """

    learning_rate: float = 0.0
    """Learning rate of the first and of later versions, at most 1.

    0: the default of the recipe for each.
    """

    batch_size: int = 0
    """Number of samples in a training step, at most 4,096."""

    prompt_tokens: int = 0
    """Approximate number of tokens to which texts are cut when `max_chars` is 0. At most 32,768."""

    lora_rank: int = 0
    """Rank of a LoRA adapter, at most 256."""

    optimization: Optimization | None = None
    """Optimizer and learning-rate schedule. Training checks it when a run begins."""

    architecture: RecipeArchitecture | None = None
    """Architecture and tokenizer of a model that is trained from scratch; `hidden_size` and `layers`
    take precedence.
    """

    lora: Lora | None = None
    """Settings of a new LoRA adapter beyond its rank."""

    neural: RecipeNeural | None = None
    """Network and training of the recipe `neural`. Training checks it when a run begins."""

    parallelism: Parallelism | None = None
    """Layout of the training workers. Training checks it when a run begins."""


class ProjectRolloutDefaults(Message):
    """Rollout settings."""

    bake_seconds: float = 0.0
    """Bake time in seconds, at most 30 days. 0: the default of the serving service."""


class ProjectSplitDefaultsMode(OpenEnum):
    """Assignment of records to parts, as in `ratoon.ingestion.v1.Split.Mode`."""

    UNSPECIFIED = "MODE_UNSPECIFIED"
    """As the kind of task divides them."""

    STRATIFIED = "MODE_STRATIFIED"
    """Every class has the same shares."""

    TIME = "MODE_TIME"
    """By received time: the newest records are used for the test."""

    GROUPED = "MODE_GROUPED"
    """Records with the same value of `group_attribute` stay in one part."""

    QUANTILES = "MODE_QUANTILES"
    """Labels are numbers, and every tenth of their range has the same shares."""

    RANDOM = "MODE_RANDOM"
    """Regardless of labels."""


class ProjectSplitDefaults(Message):
    """Split of the records of given sources; the remaining records are used for training.

    Corrected traffic is split by time instead. The two shares must sum to less than 1.
    """

    validation_share: float = 0.0
    """Share of validation records: above 0, below 1. Default: 0.1."""

    test_share: float = 0.0
    """Share of test records: above 0, below 1. Default: 0.1."""

    mode: ProjectSplitDefaultsMode = ProjectSplitDefaultsMode.UNSPECIFIED
    """Assignment of records to parts.

    Default: as the kind of task divides them (`classify` STRATIFIED, `generate` GROUPED, `regress`
    QUANTILES).
    """

    fold_count: int = 0
    """Number of folds of the records that are not in the test part, from 2 to 20; one of them is the
    validation part.

    The split then states cross-validated scores of a classical model. 0: no folds. Refused with the mode
    TIME.
    """

    fold: int = 0
    """Fold that is the validation part, from 0 to `fold_count` - 1."""


class ProjectMetricGate(Message):
    """Requirement on one metric of a new version on the new domain.

    The whole confidence interval must lie within the bounds.
    """

    metric: str = ""
    """Name of the metric.

    It is a metric of the kind of task, or one of a suite of the project: `suite:ID.metric` is the mean
    over the tests of a suite, `suite:ID/TEST.metric` one test; these take no `max_loss`. Of the judges
    and human ratings of the project it is `judge_win_rate`, `judge_consistency`, `rubric_score`,
    `human_win_rate` or `human_rating`. Each metric has at most one gate.
    """

    min_value: float | None = None
    """Smallest accepted value. Not set: no bound."""

    max_value: float | None = None
    """Largest accepted value. Not set: no bound."""

    max_loss: float | None = None
    """Accepted loss against the version in production, in the unit of the metric.

    The first version has none to compare with. Not set: any. Pipeline runs support it for the metrics
    that can be compared: `macro_f1` and `accuracy` for `classify`, with several labels also `micro_f1`,
    `precision` and `recall`; all but `answer_length` for the other kinds, `rubric_score` and
    `human_rating`.
    """


class ProjectDataRequirements(Message):
    """Requirements on the data of a pipeline run.

    A run whose data do not meet them fails before it trains (`TOO_FEW_RECORDS`, `FIELDS_MISSING`,
    `LICENSE_NOT_ALLOWED`).
    """

    min_records: Int64 = 0
    """Minimum number of records with an answer, at most 100,000,000.

    0: as many as the split needs.
    """

    min_records_per_label: Int64 = 0
    """Minimum number of records of each label, at most 100,000,000.

    Only with the task `classify`. 0: none.
    """

    required_fields: list[str] = []
    """Fields that each record of the sources of a run has, at most 64: `text`, `time`, `label` (an
    answer in the label set), or the name of an attribute column.
    """

    languages: list[str] = []
    """Languages that records may have, as two-letter codes; curation rejects others. Empty: any."""

    licenses: list[str] = []
    """Licenses that the sources of a run may have, spelled as in `Source.license`. Empty: any."""

    min_completeness: dict[str, float] = {}
    """Minimum share of the records that have a field, above 0 and at most 1, by the name of the field as
    in `required_fields`.

    At most 64.
    """


class ProjectBudget(Message):
    """Limits on the resources that the pipeline runs of the last 30 days used.

    A value of 0 is no limit. While a limit is reached, no run starts. Pipeline runs do not measure cost
    and energy yet: a project with these limits starts none.
    """

    max_runs: int = 0
    """Maximum number of pipeline runs, at most 100,000."""

    max_hours: float = 0.0
    """Maximum total duration of pipeline runs in hours, at most 100,000."""

    max_cost: float = 0.0
    """Maximum cost in `currency`, at most 1,000,000,000.

    Estimated: the time of each stage, times its devices, times the rate of the operator
    (`RATOON_FLYWHEEL_HOURLY_COSTS`). Without a rate, runs are refused (`SETTING_NOT_SUPPORTED`).
    """

    currency: str = ""
    """Currency of `max_cost` as an ISO 4217 code."""

    max_energy_kwh: float = 0.0
    """Maximum energy in kilowatt-hours, at most 1,000,000,000.

    Estimated like the cost, with `RATOON_FLYWHEEL_WATTS`.
    """


class ProjectStageCompute(Message):
    """Devices and number formats of the stages of the loop."""

    training: Compute | None = None
    """Training, in FLOAT32 or BFLOAT16. Each device has a training worker of its own."""

    evaluation: Compute | None = None
    """Evaluation, on CPU or CUDA with one device."""

    verification: Compute | None = None
    """Verification of a version during its registration, on CPU or CUDA with one device.

    Golden prompts are recorded in FLOAT32, and also in this number format and that of `serving`.
    """

    serving: Compute | None = None
    """Engines, each with one device.

    CPU with FLOAT32 leaves both to the pool of engines. A change takes effect with the next rollout.
    """


class ProjectCurationStep(Message):
    """Settings of one step of curation."""

    name: str = ""
    """Name of the step: `length` (`min_chars`), `language` (`keep`: codes such as `en, zh`),
    `near_duplicates` (`threshold`: 0, or 0.3 to 1; `earlier_versions`: `keep`, `mark` or `exclude`
    records that an earlier version of the dataset has), `exact_duplicates` (`keep`: `true` or
    `false`), `personal_data` (`mask`: some of `email, phone, card, ip, url, iban, national_id,
    passport`, or `none`; `regions`; `look_alikes`; and an action for each kind: `mask`, `hash`,
    `drop` or `keep`), `decoding` (`max_replaced_share`, `keep_code`), `preset` (`name`:
    `classification`, `chat`, `mail`, `web` or `zh`), each of the steps of
    `ratoon.ingestion.v1.CurationStep` with its parameters, or the name of a step of an installed
    package, which contains a dot.

    Steps run in the order of the list; `personal_data`, `language`, `length` and `garbage` follow if they
    are not listed.
    """

    params: dict[str, str] = {}
    """Parameters of the step by name, as texts."""


class FeedbackConsent(OpenEnum):
    """Permitted use of feedback as data. Votes are counted in any case."""

    UNSPECIFIED = "CONSENT_UNSPECIFIED"
    """Not set: the default of the project."""

    TRAINING = "CONSENT_TRAINING"
    """Training and evaluation."""

    EVALUATION = "CONSENT_EVALUATION"
    """Evaluation alone."""

    NONE = "CONSENT_NONE"
    """None: it never becomes data."""


class ProjectTuningDefaultsTrainOn(OpenEnum):
    """Turns of a conversation whose tokens the model learns."""

    UNSPECIFIED = "TRAIN_ON_UNSPECIFIED"
    """Not set: all turns of the assistant."""

    ALL_ASSISTANT_TURNS = "TRAIN_ON_ALL_ASSISTANT_TURNS"
    """Every turn of the assistant."""

    LAST_ANSWER = "TRAIN_ON_LAST_ANSWER"
    """The last answer only."""


class ProjectTuningDefaultsTruncation(OpenEnum):
    """What becomes of a sample that is too long."""

    UNSPECIFIED = "TRUNCATION_UNSPECIFIED"
    """Not set: its middle is dropped."""

    LEFT = "TRUNCATION_LEFT"
    """Drop its beginning."""

    RIGHT = "TRUNCATION_RIGHT"
    """Drop its end."""

    MIDDLE = "TRUNCATION_MIDDLE"
    """Drop the middle of what precedes the last answer."""

    SEGMENT = "TRUNCATION_SEGMENT"
    """Train on its parts as samples of their own."""

    REFUSE = "TRUNCATION_REFUSE"
    """Refuse the training run."""


class ProjectTuningDefaultsPreferenceLoss(OpenEnum):
    """Loss of a preference."""

    UNSPECIFIED = "PREFERENCE_LOSS_UNSPECIFIED"
    """Not set: SIGMOID."""

    SIGMOID = "PREFERENCE_LOSS_SIGMOID"
    """Logistic loss (DPO)."""

    IPO = "PREFERENCE_LOSS_IPO"
    """Squared distance from a margin (IPO)."""


class ProjectTuningDefaults(Message):
    """Settings of fine-tuning. A zero value selects the default of the training recipe."""

    train_on: ProjectTuningDefaultsTrainOn = ProjectTuningDefaultsTrainOn.UNSPECIFIED
    """Turns of a conversation whose tokens the model learns."""

    truncation: ProjectTuningDefaultsTruncation = ProjectTuningDefaultsTruncation.UNSPECIFIED
    """What becomes of a sample that is too long."""

    max_tokens: int = 0
    """Maximum length of a sample in tokens, its answers included: 16 to 131,072."""

    packed: bool = False
    """Pack the samples of a step into one row without padding; each sample attends only to itself.

    Default: false.
    """

    gradient_accumulation: int = 0
    """Number of parts in which a worker computes its share of a step, at most 4,096: the memory for
    activations falls by this factor.
    """

    gradient_checkpointing: bool = False
    """Recompute activations in the backward pass instead of keeping them: less memory, more time.

    Default: false.
    """

    new_tokens: list[str] = []
    """Tokens to add to the vocabulary of the base model, at most 10,000 of at most 64 characters each.

    They need `training.method` METHOD_FULL. A version from scratch learns its own tokenizer; later
    versions of it get them.
    """

    preference_learning_rate: float = 0.0
    """Learning rate of the recipes `dpo`, `kto`, `grpo` and `reward_model`, at most 1.

    `training.learning_rate` is that of the others.
    """

    beta: float = 0.0
    """Strength of the tie of `dpo` and `kto` to the model that training starts from, at most 100.

    Default: 0.1.
    """

    preference_loss: ProjectTuningDefaultsPreferenceLoss = ProjectTuningDefaultsPreferenceLoss.UNSPECIFIED
    """Loss of a preference in `dpo`."""

    rewards: list[Reward] = []
    """Rewards of answers in `grpo`, at most 8.

    Empty: exact match. A project with rewards has a task that can be checked: `auto` then takes `grpo` in
    the place of `sft`.
    """

    distillation: Distillation | None = None
    """Teacher of the recipe `distillation`, and how it is learned from."""

    domain_tokens: int = 0
    """Number of words of the training part to add to the vocabulary of the base model of a first
    version, at most 10,000.

    They need `training.method` METHOD_FULL.
    """

    base_layers: int = 0
    """Number of layers of the base model that a first version starts from, evenly spaced; 0: all.

    A student of `distillation` has half of its teacher's layers so. They need `training.method`
    METHOD_FULL.
    """


class ProjectJudgeRequirements(Message):
    """What must be known of a judge before a gate names one of its metrics."""

    min_pair_count: int | None = None
    """Number of pairs, or of rated answers, that people and the judge both judged, at least.

    Not set: 50.
    """

    min_kappa: float | None = None
    """Cohen's kappa with people at least, -1 to 1. Not set: 0.4."""


class ProjectHumanRatings(Message):
    """Human ratings of answers to the records of the test parts, from the tasks of labeling that are
    done when an evaluation starts.
    """

    candidate_origin: str = ""
    """Origin of the candidate's answers, as in `Task.origins`. Empty: its digest."""

    reference_origin: str = ""
    """Origin of the answers of the version in production. Empty: its digest."""


class ProjectLabelQueue(Message):
    """Labelling queue of the pipeline runs of a project: `projects/{project}/queues/pipeline`.

    The time that a run waits for people does not count against `budget.max_hours`. Retraining on feedback
    does not wait.
    """

    min_labels: int = 0
    """Number of answered records that the dataset version of a run needs, at most 10,000.

    If fewer have an answer, the run draws the lacking number into the queue and waits until people have
    answered. 0: no queue.
    """

    max_wait_hours: float = 0.0
    """Maximum time that a run waits for people, in hours, at most 8,760.

    Then it fails (`LABELS_MISSING`); the answers are kept for the next run. Default: 168.
    """

    overlap: int = 0
    """Number of annotators who answer each task, 1 to 20. Default: 1."""

    strategy: str = ""
    """Choice of the records, as in a queue: `RANDOM`, `MARGIN` or `ENTROPY`. Default: `RANDOM`."""

    pre_labels: bool = False
    """Tasks propose the answer of the classical model of the labels so far, which annotators confirm or
    correct.

    Needs a task of the kind `classify` with one label a record. Default: false.
    """


class ProjectCompression(Message):
    """Compression of the versions of pipeline runs.

    A run compresses the version that it has registered, compares the compressed model with it on the test
    part of its split, and registers it as the next version. If the compression fails, its gate refuses
    it, or engines cannot compute its weights, the run rolls out the source. Versions of the recipes
    `classical` and `neural` are not compressed.
    """

    method: CompressionMethod = CompressionMethod.UNSPECIFIED
    """Number format of the weights; METHOD_PRUNED is refused, because zeros save nothing in engines.

    Not set: versions are not compressed.
    """

    rounding: CompressionRounding = CompressionRounding.UNSPECIFIED
    """Choice of the rounded weights. Default: ROUNDING_NEAREST."""

    group_size: int = 0
    """Number of weights that share a scale, with METHOD_INT4: 16 to 1,024.

    0: 128, or as many as fit.
    """

    max_quality_loss: float | None = None
    """Largest accepted loss of the primary metric against the source, 0 or more: the whole confidence
    interval of the gain must be above its negative.

    Default: 0.02.
    """


class ProjectExport(Message):
    """Format in which pipeline runs export the version that they rolled out.

    An export that fails does not change how its run ends. Versions of the recipes `classical` and
    `neural` are not exported; of a compressed version its source is.
    """

    format: ModelExportFormat = ModelExportFormat.UNSPECIFIED
    """Format of the files. Required; FORMAT_ADAPTER needs `training.method` METHOD_LORA."""

    gguf_type: ModelExportGgufType = ModelExportGgufType.UNSPECIFIED
    """Number format of the weights, with FORMAT_GGUF. Default: GGUF_TYPE_F16."""


class Project(Message):
    """Purpose of a model and the requirements that its versions must meet."""

    name: str = ""
    """Resource name: `projects/{project}`."""

    revision: Int64 = 0
    """Increases with every stored change."""

    create_time: Timestamp | None = None
    """Time of creation, UTC. Set by the server."""

    update_time: Timestamp | None = None
    """Time of the last change, UTC. Set by the server."""

    etag: str = ""
    """Version tag of the changeable fields.

    Send it with an update or a delete: a stale value is refused.
    """

    display_name: str = ""
    """Name for people. At most 1,024 characters."""

    labels: list[str] = []
    """The same as `task.classify.labels`.

    A project that is created with labels and without a task has the task `classify`. Empty for other
    tasks.
    """

    instructions: str = ""
    """Labeling instructions for annotators, at most 262,144 characters."""

    gate: ProjectGate | None = None
    """Requirements on a new version."""

    training: ProjectTrainingDefaults | None = None
    """Training settings of pipeline runs."""

    rollout: ProjectRolloutDefaults | None = None
    """Rollout settings of pipeline runs."""

    traffic_retention_days: int = 0
    """Days to keep captured prompts and answers, 1 to 3,650. Default: 30."""

    dataset: str = ""
    """Resource name of the dataset to which pipeline runs add versions. Set by the server."""

    model: str = ""
    """Resource name of the model to which pipeline runs add versions.

    A project has one model. Set by the server.
    """

    deployment: str = ""
    """Resource name of the deployment to which pipeline runs roll out. Set by the server."""

    split: ProjectSplitDefaults | None = None
    """Split settings of pipeline runs."""

    require_approval: bool = False
    """Pipeline runs wait for approval between the gate and the rollout. Default: false."""

    notices: list[str] = []
    """Consequences of an update for existing resources, one sentence each.

    Set only in the response of the update.
    """

    task: TaskSpec | None = None
    """What the model is for. Its kind cannot change."""

    primary_metric: Metric | None = None
    """Metric that decides between versions.

    Default: that of the kind of task (`macro_f1`, `rouge_l`, `mae`).
    """

    metrics: list[str] = []
    """Names of further metrics to report, at most 32."""

    metric_gates: list[ProjectMetricGate] = []
    """Further requirements on a new version, one for each metric."""

    data_requirements: ProjectDataRequirements | None = None
    """Requirements on the data, checked before training."""

    budget: ProjectBudget | None = None
    """Limits on the resources that pipeline runs use."""

    compute: ProjectStageCompute | None = None
    """Devices and number formats of the stages."""

    recipes: list[str] = []
    """Recipes of the first version, in their order, for example `pretrain`, `sft`, `dpo`.

    Empty: `sft`. Each training begins with the artifact of the one before it: `pretrain`,
    `continued_pretrain`, `sft`, `dpo`, `kto`, `grpo` and `distillation` (from the teacher in
    `tuning.distillation`). `reward_model` trains a model that judges the answers of `dpo` or `grpo`, one
    of which follows it. `classical` (a classical model) and `neural` (a small neural model) stand alone.
    """

    retraining_recipes: list[str] = []
    """Recipes of later versions, in their order.

    Empty: `sft`. Each learns from feedback: `sft` and `distillation` from right answers, `dpo` and
    `reward_model` from preferences, `kto` from good and bad answers, `grpo` from prompts whose answers
    `tuning.rewards` check. A run leaves out the recipes that no feedback has come for since the last
    retraining. `classical` and `neural` (right answers, of a classical model and of a small neural one)
    and `auto` stand alone: `auto` takes that one of `sft`, `dpo` and `kto` for which the most feedback
    has come, and `grpo` in the place of `sft` if the project has rewards.
    """

    curation: list[ProjectCurationStep] = []
    """Settings of the steps of curation. Steps that are not named have their defaults."""

    default_consent: FeedbackConsent = FeedbackConsent.UNSPECIFIED
    """Permitted use of feedback that names none. Default: CONSENT_TRAINING."""

    group_attribute: str = ""
    """Name of the attribute of records whose values stay in one part of a split, for tasks whose records
    are split by group (`generate`).

    A record without it is a group of its own. At most 64 characters. Default: `conversation`.
    """

    tuning: ProjectTuningDefaults | None = None
    """Settings of fine-tuning: which tokens of a conversation are learned, and how much memory it takes."""

    shadow: ShadowAnalysis | None = None
    """Comparison of the new version with the one in production on the same live requests, during the
    rollouts of pipeline runs.

    Default: none.
    """

    suites: list[str] = []
    """Suites that evaluation applies to each new version in addition to the test parts of its data, at
    most 20: resource names (`projects/{project}/suites/{suite}`) or their last segments.

    A suite must exist and fit the task when it is named (`NOT_FOUND`, `BAD_PROJECT`).
    """

    judges: list[str] = []
    """Judges of the answers of new versions, at most one of each kind: resource names
    (`projects/{project}/judges/{judge}`) or their last segments.

    Only with a task `generate`. A judge must exist and be SUCCEEDED when it is named (`NOT_FOUND`,
    `BAD_PROJECT`). A judge PAIRWISE compares with the version in production: the evaluation of a first
    version leaves it out.
    """

    judge_requirements: ProjectJudgeRequirements | None = None
    """What must be known of a judge before a gate names one of its metrics (`JUDGE_NOT_TRUSTED`).

    Not set: the defaults.
    """

    human_ratings: ProjectHumanRatings | None = None
    """Human ratings that evaluations take in. Only with a task `generate`. Not set: none."""

    label_queue: ProjectLabelQueue | None = None
    """Labelling queue that a pipeline run fills and waits for when its data have too few answers.

    Default: none.
    """

    compression: ProjectCompression | None = None
    """Compression of the versions that pipeline runs register.

    A gate decides whether the compressed version is rolled out in the place of its source. Default: none.
    """

    exports: list[ProjectExport] = []
    """Formats in which pipeline runs export the version that they rolled out, in this order; at most 8.

    Default: none.
    """


class PolicyEventFilter(Message):
    """Condition on an external event.

    All fields that are set must match: exactly, or, if the text ends in `*`, as a prefix. `type` or
    `source` is required.
    """

    type: str = ""
    """`type` of the CloudEvent. Empty: any."""

    source: str = ""
    """`source` of the CloudEvent. Empty: any."""

    subject: str = ""
    """`subject` of the CloudEvent. Empty: any, or none."""


class Policy(Message):
    """Conditions under which a pipeline run starts automatically.

    A run starts once the trigger window has settled, so that it learns from all of its traffic.
    """

    name: str = ""
    """Resource name: `projects/{project}/policies/{policy}`."""

    revision: Int64 = 0
    """Increases with every stored change."""

    create_time: Timestamp | None = None
    """Time of creation, UTC. Set by the server."""

    update_time: Timestamp | None = None
    """Time of the last change, UTC. Set by the server."""

    etag: str = ""
    """Version tag of the changeable fields.

    Send it with an update or a delete: a stale value is refused.
    """

    drift_threshold: float = 0.0
    """Divergence from the training data above which traffic counts as drifted, in multiples of the noise
    band.

    The noise band is the 99th percentile of a single measurement of traffic that has not drifted; traffic
    is measured often. Traffic that is within the threshold of the traffic at the promotion of the version
    has not drifted. A retraining that left the drift of a feature at 0.9 to 1.25 times what it was before
    is not repeated for it. 0 is refused. At most 1,000,000. Default: 1.5.
    """

    error_rate_threshold: float = 0.0
    """Share of unhappy callers from which a version counts as failing: above 0, at most 1.

    Each caller counts once, by the share of its answers with feedback that are wrong or disliked, and no
    single caller decides. A retraining whose version is at 0.9 to 1.25 times the share of the version
    before is not repeated, nor one whose version was refused or rolled back before there are twice as
    many corrected or confirmed answers. Default: 0.1.
    """

    min_answers: int = 0
    """Minimum number of distinct texts before drift is evaluated, 1 to 1,000,000. Default: 200."""

    min_feedback: int = 0
    """Minimum number of corrected or confirmed answers before a retraining starts, 1 to 1,000,000.

    Default: 200.
    """

    burst_answers: int = 0
    """Minimum number of answers in the trigger window before a run starts, so that all of them become
    one dataset.

    Traffic that stops short of it is waited for 60 times `settle_seconds`. At most 1,000,000. Default: 0,
    no minimum.
    """

    settle_seconds: float | None = None
    """Time without new answers after which the trigger window is closed, in seconds.

    Traffic that never pauses is waited for 60 times as long. At most 86,400. Default: 10.
    """

    cooldown_seconds: float | None = None
    """Minimum time between the end of a pipeline run and the start of the next one, in seconds.

    At most 366 days. Default: 3600.
    """

    schedule_seconds: float | None = None
    """Interval after which a run starts on corrected answers even without drift, in seconds.

    0: never. At most 366 days. Default: 604800 (one week).
    """

    budget_runs: int | None = None
    """Maximum number of pipeline runs that policies start in 30 days, at most 100,000.

    Default: 30.
    """

    paused: bool | None = None
    """The policy starts no runs. Default: false."""

    dry_run: bool | None = None
    """Report which run would have started, and why, without starting it. Default: false."""

    last_decision: str = ""
    """Last decision of the policy, in one sentence with the measured values.

    Empty until the first one. Set by the server.
    """

    last_decision_time: Timestamp | None = None
    """Time of the last decision that differed from the one before it. Set by the server."""

    event_filters: list[PolicyEventFilter] = []
    """External events that start a run, whatever the drift.

    An event matches if it matches one of the filters, at most 50. Empty: no event does.
    """

    sources: list[str] = []
    """Resource names of the ingestion sources, of the same project, that a run builds from if an event
    starts it; at most 100.

    Sources that events name as their `subject` are added. Such a run does not wait for feedback. Without
    any source, it retrains on corrected traffic, as each other run of a policy does, once there are
    `min_feedback` answers for it.
    """

    new_data_count: int = 0
    """Number of new corrected or confirmed answers from which a run starts even without drift or errors.

    Answers are new if no version has learned from them, and if they did not suffice for a version that
    was refused or rolled back. No single caller decides. New records that connections of ingestion read,
    streams sealed and crawls stored count apart: from as many of them a run starts that builds from their
    sources, and from 100 sources whatever their records. At most 1,000,000. Default: 0, never.
    """


class PipelineRunState(OpenEnum):
    """State of a pipeline run."""

    UNSPECIFIED = "STATE_UNSPECIFIED"
    """Not set."""

    QUEUED = "STATE_QUEUED"
    """Waiting to start."""

    RUNNING = "STATE_RUNNING"
    """The work is in progress."""

    SUCCEEDED = "STATE_SUCCEEDED"
    """The work completed."""

    REFUSED = "STATE_REFUSED"
    """The gate or an approver refused the version."""

    FAILED = "STATE_FAILED"
    """The work ended with an error; `failure` holds the reason."""

    CANCELLING = "STATE_CANCELLING"
    """Cancellation was requested; the work is stopping."""

    CANCELLED = "STATE_CANCELLED"
    """Cancelled before the work completed."""

    ROLLED_BACK = "STATE_ROLLED_BACK"
    """The rollout was rolled back to the previous version."""


class PipelineRunTrigger(OpenEnum):
    """Cause of a pipeline run."""

    UNSPECIFIED = "TRIGGER_UNSPECIFIED"
    """Not set."""

    MANUAL = "TRIGGER_MANUAL"
    """Started by a user."""

    DRIFT = "TRIGGER_DRIFT"
    """Started by a policy: the traffic drifted from the training data."""

    FEEDBACK = "TRIGGER_FEEDBACK"
    """Started by a policy: users found too large a share of the answers wrong."""

    SCHEDULE = "TRIGGER_SCHEDULE"
    """Started by the schedule of a policy."""

    EVENT = "TRIGGER_EVENT"
    """Started by a policy: an external event that it expects was received."""

    NEW_DATA = "TRIGGER_NEW_DATA"
    """Started by a policy: there are enough new corrected or confirmed answers."""


class PipelineRunStage(Message):
    """One stage of a pipeline run."""

    id: str = ""
    """ID of the stage: `dataset`, `queue` (where the project has a `label_queue`), `labels`, `split`,
    `training`, `challenger` and `comparison` (where the gate has a `classical_challenger`),
    `evaluation`, `registration`, `compression`, `compression_gate` and `compression_registration`
    (where the project has a `compression`), `approval` (where the project requires it), `rollout` or
    `export` (where the project has `exports`).

    The end of a compression stage or of the exports without success does not change how the run ends.
    """

    state: str = ""
    """State of the stage: `PENDING`, `RUNNING`, `SUCCEEDED`, `REFUSED`, `FAILED`, `CANCELLED`,
    `ROLLED_BACK` or `SKIPPED`.
    """

    resource: str = ""
    """Resource name of the resource that executes the stage.

    Empty until the stage has started, and for `approval`.
    """

    message: str = ""
    """Current activity or result, in one sentence."""

    start_time: Timestamp | None = None
    """Time at which the stage started. Not set before."""

    end_time: Timestamp | None = None
    """Time at which the stage ended. Not set before."""


class PipelineRunProducts(Message):
    """Resources that a pipeline run created.

    A field is empty until its stage has created the resource.
    """

    dataset_version: str = ""
    """Resource name of the dataset version."""

    label_set: str = ""
    """Resource name of the label set."""

    split: str = ""
    """Resource name of the split."""

    training_run: str = ""
    """Resource name of the training run."""

    candidate_digest: str = ""
    """Digest of the model artifact that is the candidate."""

    evaluation_run: str = ""
    """Resource name of the evaluation run."""

    model_version: str = ""
    """Resource name of the model version: that of the compressed model if it takes the place of its
    source.
    """

    rollout: str = ""
    """Resource name of the rollout."""

    challenger_run: str = ""
    """Resource name of the training run of the classical challenger."""

    challenger_digest: str = ""
    """Digest of the model artifact of the classical challenger."""

    comparison_run: str = ""
    """Resource name of the evaluation run that compared the trained model with the challenger."""

    compression: str = ""
    """Resource name of the compression."""

    compressed_digest: str = ""
    """Digest of the compressed model artifact."""

    compression_evaluation_run: str = ""
    """Resource name of the evaluation run that compared the compressed model with its source."""

    compressed_version: str = ""
    """Resource name of the model version of the compressed model.

    It is `model_version` unless engines cannot serve it.
    """

    source_version: str = ""
    """Resource name of the model version of which `model_version` is the compressed form.

    Empty: it is none.
    """


class PipelineRunApproval(Message):
    """Decision about the rollout of a pipeline run."""

    approved: bool = False
    """True: approved. False: rejected."""

    decider: str = ""
    """API key that made the decision."""

    time: Timestamp | None = None
    """Time of the decision."""

    reason: str = ""
    """Reason for the decision."""


class PipelineRunStartingEvent(Message):
    """External event that began a run."""

    external_event: str = ""
    """Resource name of the external event."""

    event_id: str = ""
    """`id` of the CloudEvent."""

    source: str = ""
    """`source` of the CloudEvent."""

    type: str = ""
    """`type` of the CloudEvent."""

    time: Timestamp | None = None
    """`time` of the CloudEvent; the time of receipt if it has none."""


class PipelineRunTrainedRecipe(Message):
    """One of several trainings of a run."""

    recipe: str = ""
    """Recipe of the training."""

    training_run: str = ""
    """Resource name of the training run."""

    artifact_digest: str = ""
    """Digest of the trained model artifact."""


class PipelineRunChoice(Message):
    """Choice of a candidate."""

    is_challenger: bool = False
    """True: the classical challenger is the candidate. False: the trained model is."""

    reason: str = ""
    """Reason with the measured values, in one or two sentences."""


class PipelineRunCompressionOutcome(Message):
    """Outcome of the compression of a version."""

    accepted: bool = False
    """True: the compressed version takes the place of its source.

    False: the source is rolled out.
    """

    reason: str = ""
    """Reason with the measured values, in one or two sentences."""


class PipelineRunExportOutcome(Message):
    """Outcome of one export of the version that was rolled out."""

    model_export: str = ""
    """Resource name of the export. Empty: it was refused."""

    format: ModelExportFormat = ModelExportFormat.UNSPECIFIED
    """Format of the files."""

    gguf_type: ModelExportGgufType = ModelExportGgufType.UNSPECIFIED
    """Number format of the weights, with FORMAT_GGUF."""

    succeeded: bool = False
    """True: the files exist, and are the same model within the tolerance of their format."""

    message: str = ""
    """Size of the files and comparison with the version, or the reason of the failure."""


class PipelineRun(Message):
    """One run of the pipeline: from data to a served model version, or to a refusal."""

    name: str = ""
    """Resource name: `projects/{project}/pipelineRuns/{pipeline_run}`."""

    revision: Int64 = 0
    """Increases with every stored change."""

    create_time: Timestamp | None = None
    """Time of creation, UTC. Set by the server."""

    update_time: Timestamp | None = None
    """Time of the last change, UTC. Set by the server."""

    state: PipelineRunState = PipelineRunState.UNSPECIFIED
    """Current state."""

    trigger: PipelineRunTrigger = PipelineRunTrigger.UNSPECIFIED
    """What started the run."""

    trigger_reason: str = ""
    """Reason for the start, in one sentence with the measured values."""

    policy: str = ""
    """Resource name of the policy that started the run. Empty: it was started manually."""

    sources: list[str] = []
    """Resource names of the ingestion sources to build from, all of the same project.

    Empty: the run retrains on corrected traffic. Without a version in production, such a run fails.
    """

    stages: list[PipelineRunStage] = []
    """Stages of the run, in their order."""

    failure: Failure | None = None
    """Why the run ended without success. Not set for a run that succeeded."""

    products: PipelineRunProducts | None = None
    """Resources that the run has created so far."""

    skip_rollout: bool = False
    """Stop after the registration of the model version. Default: false."""

    progress: Progress | None = None
    """Progress of the work."""

    approval: PipelineRunApproval | None = None
    """Decision of an approver about the version of the run.

    Set where the project requires approval.
    """

    recipe: str = ""
    """Recipe of the training.

    Default: that of the project (`recipes`, `retraining_recipes`); `sft` where it names none. `auto`
    becomes the chosen recipe as soon as the stage `dataset` has started.
    """

    drift: dict[str, float] = {}
    """Divergences of the drift that started the run, by feature, in widths of the noise band.

    Empty for other triggers.
    """

    starting_event: PipelineRunStartingEvent | None = None
    """External event that began the run: the oldest one that waited for its policy.

    Not set: none did.
    """

    event_count: int = 0
    """Number of external events that the run took. List them by `ListExternalEvents`."""

    following_recipes: list[str] = []
    """Recipes of the trainings that follow the one of `recipe`, of a project that names several
    (`recipes`, `retraining_recipes`).

    Those that have no feedback to learn from go when the stage `dataset` has started.
    """

    trained_recipes: list[PipelineRunTrainedRecipe] = []
    """Trainings that have ended, of a project that names several recipes.

    Each begins with the artifact of the one before it that writes answers (`reward_model` writes none);
    the artifact of the last one is the candidate.
    """

    choice: PipelineRunChoice | None = None
    """Choice between the trained model and its classical challenger (`gate.classical_challenger` of the
    project).

    Not set: there is no challenger, or it is not compared yet.
    """

    compression_outcome: PipelineRunCompressionOutcome | None = None
    """Outcome of the compression of the version (`compression` of the project).

    Not set: there is none, or it has not ended yet.
    """

    export_outcomes: list[PipelineRunExportOutcome] = []
    """Exports of the version after its rollout that have ended (`exports` of the project)."""


class ExternalEventState(OpenEnum):
    """State of an external event."""

    UNSPECIFIED = "STATE_UNSPECIFIED"
    """Not set."""

    WAITING = "STATE_WAITING"
    """It waits for a run of a policy that expects it."""

    TAKEN = "STATE_TAKEN"
    """A pipeline run took it."""

    EXPIRED = "STATE_EXPIRED"
    """It waited for 7 days; no run takes it any more."""


class ExternalEvent(Message):
    """Event of another system, as a CloudEvent 1.0 without its data.

    It starts a run of a policy whose `event_filters` match it, once by `source` and `event_id`. It waits
    while another run is in progress, and for the cool-down, the budget and the data of the policy, at
    most 7 days. One run takes all events that wait for its policy.
    """

    name: str = ""
    """Resource name: `projects/{project}/externalEvents/{external_event}`.

    It follows from `source` and `event_id`.
    """

    revision: Int64 = 0
    """Increases with every stored change."""

    create_time: Timestamp | None = None
    """Time of receipt, UTC. Set by the server."""

    update_time: Timestamp | None = None
    """Time of the last change, UTC. Set by the server."""

    event_id: str = ""
    """`id` of the CloudEvent, at most 256 characters. Required."""

    source: str = ""
    """`source` of the CloudEvent, a URI reference of at most 512 characters. Required."""

    type: str = ""
    """`type` of the CloudEvent, at most 256 characters. Required."""

    subject: str = ""
    """`subject` of the CloudEvent, at most 512 characters.

    Empty: none. The resource name of an ingestion source of the project: the run that takes the event
    builds from it.
    """

    event_time: Timestamp | None = None
    """`time` of the CloudEvent. Not set: it has none."""

    topic: str = ""
    """Kafka topic from which it was read. Empty: it came by HTTP or gRPC. Set by the server."""

    state: ExternalEventState = ExternalEventState.UNSPECIFIED
    """Current state. Set by the server."""

    pipeline_run: str = ""
    """Resource name of the pipeline run that took it. Empty: none did. Set by the server."""

    record_count: Int64 = 0
    """Number of records of the ingestion source in `subject`, if a connection read it: the event counts
    as new data of policies with `new_data_count`, and does not expire.

    0 for other events. Set by the server.
    """


class FeedbackImplicit(OpenEnum):
    """Behaviour of a user towards an answer."""

    UNSPECIFIED = "IMPLICIT_UNSPECIFIED"
    """None."""

    COPIED = "IMPLICIT_COPIED"
    """The user copied the answer."""

    REGENERATED = "IMPLICIT_REGENERATED"
    """The user asked for another answer to the same prompt."""

    ABANDONED = "IMPLICIT_ABANDONED"
    """The user left the conversation after the answer."""


class Feedback(Message):
    """Feedback of a user on an answer, on the better one of two answers, or on the answers of a session.

    A correction counts first, then the thumb, then the rating.
    """

    name: str = ""
    """Resource name: `projects/{project}/feedback/{feedback}`."""

    create_time: Timestamp | None = None
    """Time of creation, UTC. Set by the server."""

    answer_id: str = ""
    """`id` of the answer. Required without `session_id`; an unknown ID is refused."""

    thumb: int = 0
    """Thumb: 1 is up, -1 is down, 0 is none."""

    rating: int = 0
    """Rating from 1 to 5; 0 is none. 4 and 5 are positive, 1 and 2 are negative, 3 is neutral."""

    correction: str = ""
    """Right answer, if the user gave it: one of the labels of the project (of several labels one a
    line), a number in range, or the rewritten text or JSON document of at most 65,536 characters.
    """

    comment: str = ""
    """Comment of the user, at most 4,000 characters."""

    version: str = ""
    """Resource name of the model version that answered. Set by the server; empty for a session."""

    rejected_answer_id: str = ""
    """`id` of another answer to the same prompt, to which the user prefers `answer_id`.

    It says nothing about the other feedback fields: both answers may be good.
    """

    outcomes: dict[str, float] = {}
    """Numeric outcomes of the answer by name, for example `resolved: 1`: at most 16 names of 1 to 64
    letters, digits, `_`, `.` and `-`.

    They may arrive days later and again; the latest value of each name counts.
    """

    implicit: FeedbackImplicit = FeedbackImplicit.UNSPECIFIED
    """Behaviour of the user from which approval or refusal may follow.

    It is counted and is no vote.
    """

    consent: FeedbackConsent = FeedbackConsent.UNSPECIFIED
    """Permitted use of the feedback and of its answer as data.

    Default: that of the project (`default_consent`).
    """

    session_id: str = ""
    """Session (`metadata.session_id` of the requests) instead of an answer, at most 256 characters.

    A thumb or a rating of a session is a vote on each of its answers up to now that has no feedback of
    its own. It returns as a hash.
    """

    user: str = ""
    """User who gives the feedback, at most 256 characters.

    Default: the `user` of the request. It returns as a hash.
    """

    task: str = ""
    """Resource name of the labeling task by which annotators gave the feedback.

    Set by the server. Empty: a user gave the feedback.
    """


class ComparisonOutcome(Message):
    """Named outcome of the answers of a version."""

    mean: float = 0.0
    """Mean over the answers that have the outcome."""

    answer_count: Int64 = 0
    """Number of answers that have it."""


class ComparisonArm(Message):
    """Feedback on one version."""

    version: str = ""
    """Resource name of the version: `projects/{project}/models/{model}/versions/{version}`."""

    positive_count: Int64 = 0
    """Number of positive votes."""

    negative_count: Int64 = 0
    """Number of negative votes."""

    satisfaction: float = 0.0
    """Share of satisfied callers, from 0 to 1.

    Each caller counts once, by its share of positive votes.
    """

    satisfaction_low: float = 0.0
    """Lower bound of the 95 % interval of the satisfaction (Wilson)."""

    satisfaction_high: float = 0.0
    """Upper bound of the 95 % interval of the satisfaction (Wilson)."""

    caller_count: Int64 = 0
    """Number of callers with votes. A vote of an unknown caller counts as one caller."""

    outcomes: dict[str, ComparisonOutcome] = {}
    """Outcomes of the answers by name."""

    implicit_counts: dict[str, Int64] = {}
    """Number of answers with each implicit signal: `COPIED`, `REGENERATED`, `ABANDONED`."""


class ComparisonScore(Message):
    """Mean of a metric over callers, each counted once by the mean of its answers."""

    value: float = 0.0
    """The mean. 0 without answers."""

    low: float | None = None
    """Lower bound of the 95 % interval. Not set with fewer than two callers."""

    high: float | None = None
    """Upper bound of the 95 % interval. Not set with fewer than two callers."""

    answer_count: Int64 = 0
    """Number of answers."""

    caller_count: Int64 = 0
    """Number of callers. An unknown caller counts as one for each answer."""


class ComparisonByMetric(Message):
    """Comparison by a metric.

    It counts the newest 300 answers of each version, at most 2,000 characters of each.
    """

    metric: Metric | None = None
    """The metric."""

    version: ComparisonScore | None = None
    """Answers of the first version."""

    other_version: ComparisonScore | None = None
    """Answers of the second version."""

    gain: float = 0.0
    """By how much `version` is better than `other_version`, in the unit of the metric."""

    gain_low: float | None = None
    """Lower bound of the 95 % interval of the gain.

    Not set: a version has answers to fewer than two callers.
    """

    gain_high: float | None = None
    """Upper bound of the 95 % interval of the gain. Not set: as `gain_low`."""

    conclusive: bool = False
    """True if the interval excludes 0 and each version has such answers to at least 20 callers."""


class Comparison(Message):
    """Comparison of two model versions by user feedback."""

    version: ComparisonArm | None = None
    """Feedback on the first version."""

    other_version: ComparisonArm | None = None
    """Feedback on the second version."""

    difference: float = 0.0
    """Satisfaction of `version` minus that of `other_version`."""

    difference_low: float = 0.0
    """Lower bound of the 95 % interval of the difference (Newcombe)."""

    difference_high: float = 0.0
    """Upper bound of the 95 % interval of the difference (Newcombe)."""

    conclusive: bool = False
    """True if the interval excludes 0 and each version has votes of at least 20 callers."""

    by_metric: ComparisonByMetric | None = None
    """Comparison by the primary metric of the project, on answers whose right answer is known by
    feedback: corrected and confirmed ones.

    Not set: the metric has no value for a single answer, as `macro_f1`.
    """

    preferred_count: Int64 = 0
    """Number of pairs of answers of the two versions to the same prompt in which users preferred that of
    `version`.
    """

    rejected_count: Int64 = 0
    """Number of such pairs in which users preferred the answer of `other_version`."""


class ExportFeedbackRequestForm(OpenEnum):
    """Form of the feedback that a record follows from."""

    UNSPECIFIED = "FORM_UNSPECIFIED"
    """Not set."""

    CORRECTION = "FORM_CORRECTION"
    """A right answer that a user gave in place of the answer of the model."""

    CONFIRMATION = "FORM_CONFIRMATION"
    """An answer of a label or a number that a user confirmed."""

    PREFERENCE = "FORM_PREFERENCE"
    """The better and the worse one of two answers to the same prompt."""

    UNPAIRED_PREFERENCE = "FORM_UNPAIRED_PREFERENCE"
    """An answer in free text that a user called good or bad."""


class ExportFeedbackResponse(Message):
    """Response of `ExportFeedback`."""

    digest: str = ""
    """Digest of the blob.

    Each line has the fields `id` (of the answer), `time`, `version`, `user` (a mark, empty if unknown),
    `consent` and `feedback` (the form). Labels and numbers add `text` and `label`. Free text adds
    `messages` for a right answer, `prompt`, `chosen` and `rejected` for a preference, `prompt`,
    `completion` and `label` (true or false) for an answer with a thumb, and `tools`. Empty: there are no
    records.
    """

    record_count: Int64 = 0
    """Number of records."""

    record_counts: dict[str, Int64] = {}
    """Number of records of each form."""

    left_out_counts: dict[str, Int64] = {}
    """Number of feedbacks that became no record, by the reason: `CONSENT`, `SESSION` (feedback on a
    whole session), `NO_RIGHT_ANSWER`, `NO_PAIR`, `SUPERSEDED` (by later feedback), `QUARANTINED` (one
    text for many prompts), `CAPPED` (too many of one user), `OTHER_FORM` (not requested), `NO_TEXT`
    (the text is deleted or erased, or is no answer of the task).
    """


class TrafficSegment(Message):
    """Closed segment of captured traffic in the artifact store."""

    name: str = ""
    """Resource name: `projects/{project}/trafficSegments/{traffic_segment}`."""

    create_time: Timestamp | None = None
    """Time of creation, UTC. Set by the server."""

    deployment: str = ""
    """Resource name of the deployment. Required."""

    digest: str = ""
    """Digest of the segment: JSON lines, compressed with zstd."""

    answer_count: Int64 = 0
    """Number of captured answers."""

    start_time: Timestamp | None = None
    """Time of the first answer."""

    end_time: Timestamp | None = None
    """Time of the last answer."""

    lost_count: Int64 = 0
    """Number of answers that were lost before they reached a segment."""

    set_aside_count: Int64 = 0
    """Number of rows that could not be read.

    The other rows count. Unreadable rows are deleted with the segment, or by the next erasure.
    """

    set_aside_faults: dict[str, Int64] = {}
    """Number of unreadable rows by fault: `NOT_JSON`, `NOT_AN_EXCHANGE`, `BAD_ID`, `BAD_TIME`,
    `TOO_LARGE`, `DAMAGED`.
    """


class DriftReportReference(OpenEnum):
    """Data that traffic is compared with."""

    UNSPECIFIED = "REFERENCE_UNSPECIFIED"
    """Not set."""

    TRAINING = "REFERENCE_TRAINING"
    """Training data of the version."""

    PROMOTION = "REFERENCE_PROMOTION"
    """Newest traffic of other versions when the version was promoted."""


class DriftReportMeasure(Message):
    """Divergence of one feature."""

    feature: str = ""
    """The feature: `tokens`, `length`, `language` or `embeddings` of prompts, `predicted_labels`,
    `predicted_numbers`, `answer_status` (valid, invalid, refusal), or `answer_tokens`,
    `answer_length` or `answer_language` of answers in free text.
    """

    divergence: float = 0.0
    """KL divergence of the traffic from the reference, in nats; of `embeddings`, the squared maximum
    mean discrepancy with a Gaussian kernel, from 0 to 2.
    """

    null_band: float = 0.0
    """Noise band: 99th percentile of the divergence under the null hypothesis, from samples of the
    reference of the same size.

    In slices, the quantile 1 - 0.01/m for the m measures of slices of the report.
    """

    drifted: bool = False
    """True if `divergence` exceeds the noise band."""

    js_divergence: float = 0.0
    """Jensen-Shannon divergence in nats, from 0 to ln 2."""

    js_noise_band: float = 0.0
    """Noise band of the Jensen-Shannon divergence. 0: not computed."""

    psi: float = 0.0
    """Population stability index."""

    psi_noise_band: float = 0.0
    """Noise band of the population stability index. 0: not computed."""

    reference: DriftReportReference = DriftReportReference.UNSPECIFIED
    """Data that the traffic is compared with."""

    slice: str = ""
    """Part of the traffic: the language of the texts, or `name=value` for the value of an attribute,
    `(other)` for all values that are not measured for themselves.

    Empty: all texts.
    """


class DriftReport(Message):
    """Divergence of a window of traffic from the training data, and from the traffic at the promotion of
    the version.
    """

    name: str = ""
    """Resource name: `projects/{project}/driftReports/{drift_report}`."""

    revision: Int64 = 0
    """Increases with every stored change."""

    create_time: Timestamp | None = None
    """Time of creation, UTC. Set by the server."""

    version: str = ""
    """Resource name of the model version that answered."""

    answer_count: Int64 = 0
    """Number of answers in the window."""

    measures: list[DriftReportMeasure] = []
    """Divergence of each feature."""

    drifted: bool = False
    """True if any measure exceeds its threshold."""

    feedback_count: Int64 = 0
    """Number of answers with positive or negative feedback."""

    negative_count: Int64 = 0
    """Number of answers with negative feedback."""

    error_rate: float = 0.0
    """Share of unhappy callers: each caller counts once, by its share of negative feedback.

    0 without feedback.
    """
