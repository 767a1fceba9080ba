# Generated from protos/ by scripts/client.py; `make proto` writes it again.
"""Models of training."""

from ratoon.client._generated.common_types import Failure, Progress, TaskSpec
from ratoon.client._models import Int64, Message, OpenEnum, Timestamp


class Reward(Message):
    """Reward of an answer."""

    exact_match: bool | None = None
    """1 for an answer that equals a right answer of its record, as the task compares answers; otherwise
    0.

    Records without a right answer are left out.
    """

    pattern: str | None = None
    """1 for an answer in which this regular expression is found, otherwise 0.

    `^` and `$` match the whole answer.
    """

    json_schema: str | None = None
    """1 for an answer that is a JSON document of this JSON schema, otherwise 0."""

    function: str | None = None
    """The number that a Python function returns: source that defines `def reward(messages, completion,
    references)`.

    It gets the conversation, the answer and the right answers of the record. It runs in a sandbox without
    network, files and other processes, at most 2 s for an answer, and returns None for an answer that it
    cannot judge.
    """

    reward_model_artifact_digest: str | None = None
    """The number that the reward model of this artifact gives."""

    weight: float = 0.0
    """Weight of the reward, at most 1,000; below 0 it is a penalty. Default: 1."""


class TrainingRunState(OpenEnum):
    """State of a training run."""

    UNSPECIFIED = "STATE_UNSPECIFIED"
    """Not set."""

    QUEUED = "STATE_QUEUED"
    """Waiting to start."""

    RUNNING = "STATE_RUNNING"
    """The work is in progress."""

    SUCCEEDED = "STATE_SUCCEEDED"
    """The work completed."""

    FAILED = "STATE_FAILED"
    """The work ended with an error; `failure` holds the reason."""

    CANCELLING = "STATE_CANCELLING"
    """Cancellation was requested; the work is stopping."""

    CANCELLED = "STATE_CANCELLED"
    """Cancelled before the work completed."""

    PREPARING = "STATE_PREPARING"
    """The workers start and tokenize the texts."""


class RecipeMethod(OpenEnum):
    """Training method."""

    UNSPECIFIED = "METHOD_UNSPECIFIED"
    """Not set."""

    FROM_SCRATCH = "METHOD_FROM_SCRATCH"
    """Train a new tokenizer and a new Llama model."""

    CONTINUE = "METHOD_CONTINUE"
    """Train all weights of a base model; of an adapter, those of the model that its base is with it
    merged.
    """

    LORA = "METHOD_LORA"
    """Train a low-rank adapter for a base model, whose weights do not change."""

    CLASSICAL = "METHOD_CLASSICAL"
    """Fit a classical model by scikit-learn, such as a logistic regression or a random forest.

    Only `task`, `labels`, `seed` and `classical` apply. Of the tasks `classify` and `regress`.
    """


class RecipeArchitecture(Message):
    """Architecture of a Llama model that is trained from scratch.

    A zero value selects the default.
    """

    vocab_size: int = 0
    """Size of the vocabulary, 300 to 262,144. Default: 4096."""

    hidden_size: int = 0
    """Hidden size. Default: 128."""

    layers: int = 0
    """Number of layers, 1 to 128. Default: 3."""

    heads: int = 0
    """Number of attention heads.

    It must divide the hidden size into heads of a multiple of 32. Default: 4.
    """

    max_positions: int = 0
    """Context length in tokens, 128 to 131,072. Default: 2048."""


class RecipeTrainOn(OpenEnum):
    """Turns of a conversation whose tokens the model learns, each with the token that ends it."""

    UNSPECIFIED = "TRAIN_ON_UNSPECIFIED"
    """Not set."""

    ALL_ASSISTANT_TURNS = "TRAIN_ON_ALL_ASSISTANT_TURNS"
    """Every turn of the assistant."""

    LAST_ANSWER = "TRAIN_ON_LAST_ANSWER"
    """The last answer only."""


class RecipeTruncation(OpenEnum):
    """What becomes of a sample that is too long.

    `truncated_samples` in the metrics of the run is their number.
    """

    UNSPECIFIED = "TRUNCATION_UNSPECIFIED"
    """Not set."""

    LEFT = "TRUNCATION_LEFT"
    """Drop its beginning."""

    RIGHT = "TRUNCATION_RIGHT"
    """Drop its end. An answer that is cut has no end token."""

    MIDDLE = "TRUNCATION_MIDDLE"
    """Drop the middle of what precedes the last answer; if the answer is too long as well, the middle of
    the sample.
    """

    SEGMENT = "TRUNCATION_SEGMENT"
    """Train on its parts as samples of their own."""

    REFUSE = "TRUNCATION_REFUSE"
    """Refuse the run with SAMPLE_TOO_LONG."""


class RecipeDtype(OpenEnum):
    """Number format of the computation."""

    UNSPECIFIED = "DTYPE_UNSPECIFIED"
    """Not set."""

    FLOAT32 = "DTYPE_FLOAT32"
    """32 bits."""

    BFLOAT16 = "DTYPE_BFLOAT16"
    """16 bits with the range of float32.

    The weights of a base model below an adapter are held in it as well.
    """


class RecipeObjective(OpenEnum):
    """What the model learns from the records."""

    UNSPECIFIED = "OBJECTIVE_UNSPECIFIED"
    """Not set."""

    SFT = "OBJECTIVE_SFT"
    """Supervised fine-tuning: the tokens of right answers."""

    DPO = "OBJECTIVE_DPO"
    """Direct preference optimization: a chosen answer rather than a rejected one.

    Records without both are left out.
    """

    KTO = "OBJECTIVE_KTO"
    """Kahneman-Tversky optimization: good answers rather than bad ones.

    The answers of a preference count as one of each. Records that are neither are left out.
    """

    REWARD_MODEL = "OBJECTIVE_REWARD_MODEL"
    """Reward model: a number for each answer, higher for the chosen answer of a preference than for the
    rejected one.

    Its artifact writes no text: it judges answers in other runs. Records without both answers are left
    out.
    """

    GRPO = "OBJECTIVE_GRPO"
    """Group relative policy optimization: answers of its own that get more reward than the others to the
    same prompt.
    """

    DISTILLATION = "OBJECTIVE_DISTILLATION"
    """Distillation: the probabilities, or the answers, of a teacher."""

    PRETRAIN = "OBJECTIVE_PRETRAIN"
    """Pre-training and continued pre-training: every token of plain texts.

    Documents follow one another, each with its end token, in blocks of `max_tokens` tokens.
    """


class RecipePreferenceLoss(OpenEnum):
    """Loss of a preference, of the difference between the log-probability ratios of both answers to the
    base model.
    """

    UNSPECIFIED = "PREFERENCE_LOSS_UNSPECIFIED"
    """Not set."""

    SIGMOID = "PREFERENCE_LOSS_SIGMOID"
    """Logistic loss of the difference (DPO).

    `label_smoothing` is then the share of preferences that are assumed to be reversed, below 0.5.
    """

    IPO = "PREFERENCE_LOSS_IPO"
    """Squared distance of the difference from 1/(2 beta), per token of the answers (IPO).

    It does not push the difference of clear preferences without end.
    """


class GrpoPolicyLoss(OpenEnum):
    """Average over the tokens of the answers."""

    UNSPECIFIED = "POLICY_LOSS_UNSPECIFIED"
    """Not set."""

    TOKEN = "POLICY_LOSS_TOKEN"
    """Mean over all tokens of a step (DAPO)."""

    ANSWER = "POLICY_LOSS_ANSWER"
    """Mean over the tokens of each answer, then over the answers (GRPO).

    A token of a long answer counts less.
    """

    LENGTH = "POLICY_LOSS_LENGTH"
    """Sums over answers, divided by the maximum number of tokens (Dr. GRPO)."""


class Grpo(Message):
    """Settings of group relative policy optimization: the model answers prompts several times and learns
    the answers that get more reward than the others to the same prompt.

    A zero value selects the default.
    """

    rewards: list[Reward] = []
    """Rewards, 1 to 8.

    The reward of an answer is their weighted sum; one that cannot be computed is left out of the sum. An
    answer without any has no part in the step, and is counted (`unscored`). Default: exact match.
    """

    group_size: int = 0
    """Number of answers to each prompt of a step, 2 to 256. Default: 8."""

    temperature: float = 0.0
    """Temperature at which answers are drawn, above 0 and at most 10. Default: 1."""

    max_new_tokens: int = 0
    """Maximum number of tokens of an answer. Default: that of the task, else 256."""

    loss: GrpoPolicyLoss = GrpoPolicyLoss.UNSPECIFIED
    """Average over the tokens of the answers. Default: TOKEN."""

    clip_low: float = 0.0
    """Share by which the probability of a token may fall before it earns nothing more, above 0 and below
    1.

    Default: 0.2.
    """

    clip_high: float = 0.0
    """Share by which the probability of a token may rise before it earns nothing more, above 0, at most
    10.

    Default: 0.2.
    """

    iterations: int = 0
    """Number of optimizer steps with the same answers, 1 to 64. Default: 1."""

    kl_weight: float = 0.0
    """Weight of the divergence from the model that training starts from, 0 to 100. Default: 0."""

    max_correction: float = 0.0
    """The loss of a token is multiplied by its probability by the trainer divided by that by the
    generator, at most by this factor: 1 to 1,000.

    Default: 2.
    """

    unscaled: bool = False
    """Advantages are differences from the mean of the group.

    Default: they are divided by its standard deviation as well.
    """

    max_unscored: float = 0.0
    """Share of answers without a reward, over the last ten steps, beyond which the run ends with
    REWARD_FAILED: above 0, at most 1.

    Default: 0.5.
    """


class DistillationLevel(OpenEnum):
    """What a student learns of its teacher."""

    UNSPECIFIED = "LEVEL_UNSPECIFIED"
    """Not set."""

    LOGITS = "LEVEL_LOGITS"
    """The probabilities of all tokens at each place of the right answers.

    Both models need the same tokens; a student from scratch takes the tokenizer of its teacher.
    """

    SEQUENCE = "LEVEL_SEQUENCE"
    """Answers that the teacher writes to the prompts, in the place of the right ones.

    The tokenizers may differ.
    """


class Distillation(Message):
    """Settings of distillation: the model, the student, learns from another one, its teacher.

    A zero value selects the default.
    """

    teacher_artifact_digest: str = ""
    """Digest of the model artifact of the teacher. Required."""

    level: DistillationLevel = DistillationLevel.UNSPECIFIED
    """What the student learns of its teacher. Default: LOGITS."""

    temperature: float = 0.0
    """Temperature that divides the logits of both models, 0.01 to 100.

    Default: 2. With SEQUENCE, the temperature at which the teacher writes, 0 to 100; default: 0, its
    likeliest tokens.
    """

    weight: float = 0.0
    """Weight of the divergence from the teacher, above 0 and at most 1; the rest is that of the right
    answers.

    Only with LOGITS. Default: 0.5.
    """

    max_new_tokens: int = 0
    """Maximum number of tokens of an answer that the teacher writes.

    Only with SEQUENCE. Default: that of the task, else 256.
    """


class RecipeClassicalFeatures(OpenEnum):
    """What a classical model reads of a record."""

    UNSPECIFIED = "FEATURES_UNSPECIFIED"
    """Not set."""

    WORDS = "FEATURES_WORDS"
    """TF-IDF weights of words. Chinese is cut into words by Jieba."""

    CHARACTERS = "FEATURES_CHARACTERS"
    """TF-IDF weights of one to three characters in a row."""

    TABLE = "FEATURES_TABLE"
    """The fields of a record whose text is a JSON object. It does not go with other features."""


class RecipeClassicalEstimator(OpenEnum):
    """Family of a classical model."""

    UNSPECIFIED = "ESTIMATOR_UNSPECIFIED"
    """Not set."""

    LINEAR = "ESTIMATOR_LINEAR"
    """Logistic regression of labels, ridge regression of numbers."""

    LINEAR_SVM = "ESTIMATOR_LINEAR_SVM"
    """Linear support vector machine; its scores of labels are calibrated to probabilities."""

    TREE = "ESTIMATOR_TREE"
    """One decision tree."""

    FOREST = "ESTIMATOR_FOREST"
    """Random forest of 100 trees."""

    BOOSTING = "ESTIMATOR_BOOSTING"
    """Histogram gradient boosting of 100 trees."""


class RecipeTableMissing(OpenEnum):
    """Replacement of missing values."""

    UNSPECIFIED = "MISSING_UNSPECIFIED"
    """Not set."""

    MEDIAN = "MISSING_MEDIAN"
    """The median of numbers, the most frequent category."""

    MEAN = "MISSING_MEAN"
    """The mean of numbers, the most frequent category."""

    MODE = "MISSING_MODE"
    """The most frequent value."""

    KNN = "MISSING_KNN"
    """The mean of the five most similar rows; the most frequent category."""

    REGRESSION = "MISSING_REGRESSION"
    """The prediction of a regression on the other numbers; the most frequent category."""

    SENTINEL = "MISSING_SENTINEL"
    """The sentinel in place of numbers, a category of its own."""

    DELETE = "MISSING_DELETE"
    """Rows of the training part with a missing value are left out.

    A served row with one gets the median.
    """


class RecipeTableOutliers(OpenEnum):
    """Treatment of outliers."""

    UNSPECIFIED = "OUTLIERS_UNSPECIFIED"
    """Not set."""

    KEEP = "OUTLIERS_KEEP"
    """They stay."""

    DELETE = "OUTLIERS_DELETE"
    """Rows of the training part with an outlier are left out. A served outlier stays."""

    IQR = "OUTLIERS_IQR"
    """The nearest bound takes the place of an outlier."""

    PREDICT = "OUTLIERS_PREDICT"
    """The prediction of a regression on the other numbers takes the place of an outlier."""


class RecipeTableScaling(OpenEnum):
    """Scaling of numbers."""

    UNSPECIFIED = "SCALING_UNSPECIFIED"
    """Not set."""

    STANDARD = "SCALING_STANDARD"
    """Zero mean and unit variance."""

    MIN_MAX = "SCALING_MIN_MAX"
    """From 0 to 1."""

    NONE = "SCALING_NONE"
    """None."""


class RecipeTableEncoding(OpenEnum):
    """Encoding of categories. A category that the training part lacks is no category."""

    UNSPECIFIED = "ENCODING_UNSPECIFIED"
    """Not set."""

    ONE_HOT = "ENCODING_ONE_HOT"
    """A column for each of the 100 most frequent categories, and one for the others."""

    LABEL = "ENCODING_LABEL"
    """The number of the category."""


class RecipeTableDuplicates(OpenEnum):
    """What becomes of equal rows."""

    UNSPECIFIED = "DUPLICATES_UNSPECIFIED"
    """Not set."""

    KEEP = "DUPLICATES_KEEP"
    """They stay."""

    DROP = "DUPLICATES_DROP"
    """The first stays."""

    REFUSE = "DUPLICATES_REFUSE"
    """The run is refused."""


class RecipeTableExpression(Message):
    """A column that is computed of others."""

    name: str = ""
    """Name of the column."""

    expression: str = ""
    """Arithmetic of columns, such as `price / area`, `log(income + 1)` or `(a > 3) * b`.

    A column whose name is no identifier stands in backquotes. At most 500 characters.
    """


class RecipeTable(Message):
    """Preparation of the rows of a table: all numbers that it needs come from the training part.

    Steps in their order: expressions, duplicates, outliers, missing values, encoding, scaling, selection,
    principal components.
    """

    columns: list[str] = []
    """Fields to read. Default: all."""

    missing: RecipeTableMissing = RecipeTableMissing.UNSPECIFIED
    """Replacement of missing values. Default: MEDIAN."""

    sentinel: float | None = None
    """The value that SENTINEL puts in the place of missing numbers. Default: -1."""

    outliers: RecipeTableOutliers = RecipeTableOutliers.UNSPECIFIED
    """Treatment of outliers: numbers more than 1.5 interquartile ranges below the first quartile or
    above the third.

    Default: KEEP.
    """

    scaling: RecipeTableScaling = RecipeTableScaling.UNSPECIFIED
    """Scaling of numbers. Default: STANDARD."""

    encoding: RecipeTableEncoding = RecipeTableEncoding.UNSPECIFIED
    """Encoding of categories. Default: ONE_HOT."""

    duplicates: RecipeTableDuplicates = RecipeTableDuplicates.UNSPECIFIED
    """What becomes of equal rows of the training part with equal answers. Default: KEEP."""

    expressions: list[RecipeTableExpression] = []
    """Columns to compute of others, in their order; a later one may use an earlier one.

    At most 100.
    """

    select: int = 0
    """Number of columns to keep: those with the strongest relation to the answers, by F. 0: all."""

    components: int = 0
    """Number of principal components that take the place of the columns. 0: none."""


class RecipeClassical(Message):
    """Candidates of a classical model.

    The features are compared with the first estimator, the other estimators on the best features, by
    cross-validation on the training part: by macro-F1 of labels, by the mean absolute error of numbers.
    """

    features: list[RecipeClassicalFeatures] = []
    """Features to compare. Default: WORDS and CHARACTERS."""

    estimators: list[RecipeClassicalEstimator] = []
    """Estimators to compare. Default: all."""

    table: RecipeTable | None = None
    """Preparation of the rows of a table. Only with the features TABLE."""


class Recipe(Message):
    """Training recipe. A zero value selects the default."""

    method: RecipeMethod = RecipeMethod.UNSPECIFIED
    """Training method.

    Default: FROM_SCRATCH without a base model, LORA on top of an adapter, otherwise CONTINUE.
    """

    labels: list[str] = []
    """The same as `task.classify.labels`: at least two of at most 64 characters each.

    In a model trained from scratch, each label is one token. Empty: the labels of the base model, unless
    `task` names another kind.
    """

    seed: Int64 = 0
    """Random seed, 0 to 2^63-1."""

    learning_rate: float = 0.0
    """Learning rate: above 0, at most 1.

    Default: 0.002; 0.0002 for LORA. Of texts and of preferences it depends on the size of the model as
    well; a response states it.
    """

    epochs: float = 0.0
    """Number of epochs, at most 1,000. Default: chosen from the data; 1 for LORA."""

    batch_size: int = 0
    """Number of samples in a training step, 1 to 4,096. Default: 16."""

    max_chars: int = 0
    """Maximum length of a text in characters, at most 1,000,000.

    The chat template cuts longer texts of users. A base model that sets its own limit keeps it. Default:
    chosen from the data.
    """

    architecture: RecipeArchitecture | None = None
    """Architecture of a model that is trained from scratch."""

    language_model_weight: float | None = None
    """Weight of the language-model loss relative to the answer loss, from 0 to 1.

    Above 0, the model also learns to predict texts. Default: 0.5 for FROM_SCRATCH, otherwise 0.
    """

    lora_rank: int = 0
    """Rank of the LoRA adapter, 1 to 256. An existing adapter keeps its rank. Default: 8."""

    sweep: str = ""
    """Hyperparameter search before the training: `lr-procedure` searches for a learning rate.

    Empty: none.
    """

    language_model_epochs: float | None = None
    """Number of epochs in which the language-model loss counts; afterwards only the answer loss counts.

    Default: 1.
    """

    prompt_tokens: int = 0
    """Approximate number of tokens that remain of a text when `max_chars` is 0: 8 to 32,768.

    0: chosen from the lengths of the texts.
    """

    packed: bool = False
    """Pack the samples of a step into one row without padding; each sample attends only to itself.

    Default: false.
    """

    label_smoothing: float | None = None
    """Share of the target of an answer that is distributed over all tokens, from 0 to below 1.

    It reduces the effect of wrong labels. Default: 0.05 for CONTINUE with labels, otherwise 0. With DPO
    see `preference_loss`.
    """

    task: TaskSpec | None = None
    """What the model is for.

    A request may give `labels` instead. Neither: the task of the base model.
    """

    train_on: RecipeTrainOn = RecipeTrainOn.UNSPECIFIED
    """Turns of a conversation whose tokens the model learns.

    Default: all turns of the assistant. Tasks with labels have one answer and ignore it.
    """

    truncation: RecipeTruncation = RecipeTruncation.UNSPECIFIED
    """What becomes of a sample of more than `max_tokens` tokens.

    Default: MIDDLE. Tasks with labels cut the text by `max_chars` instead.
    """

    max_tokens: int = 0
    """Maximum length of a sample in tokens, its answers included: 16 to 131,072, at most the positions
    of the model.

    Default: 1,024, or fewer if the model has fewer positions. Tasks with labels ignore it.
    """

    dtype: RecipeDtype = RecipeDtype.UNSPECIFIED
    """Number format of the computation.

    Weights that are trained, their gradients and the optimizer are float32 in either case. Default:
    FLOAT32.
    """

    gradient_accumulation: int = 0
    """Number of parts in which a worker computes its share of a step, one after the other: memory for
    activations falls by this factor, the gradient stays that of the whole step.

    1 to 4,096. Default: 1.
    """

    gradient_checkpointing: bool = False
    """Recompute activations in the backward pass instead of keeping them: less memory, about a third
    more time, the same result.
    """

    new_tokens: list[str] = []
    """Tokens to add to the tokenizer and the embeddings of the base model, at most 10,000 of at most 64
    characters each, for example product names.

    A new token is found exactly as it is written, and begins with the mean of the embeddings of the
    tokens that it was made of. Tokens that the tokenizer has are skipped. Only with CONTINUE.
    """

    objective: RecipeObjective = RecipeObjective.UNSPECIFIED
    """What the model learns from the records.

    Default: SFT. The others need the task `generate`, and DPO, KTO, REWARD_MODEL and GRPO a base model.
    """

    beta: float = 0.0
    """Strength of the tie to the model that training starts from, above 0 and at most 100.

    Only with DPO and KTO. Default: 0.1.
    """

    preference_loss: RecipePreferenceLoss = RecipePreferenceLoss.UNSPECIFIED
    """Loss of a preference. Only with DPO. Default: SIGMOID."""

    good_weight: float | None = None
    """Weight of the loss of good answers, 0 to 1,000. Only with KTO. Default: 1."""

    bad_weight: float | None = None
    """Weight of the loss of bad answers, 0 to 1,000. Only with KTO. Default: 1."""

    grpo: Grpo | None = None
    """Settings of GRPO. Only with GRPO."""

    distillation: Distillation | None = None
    """Settings of distillation. Required with DISTILLATION, refused with other objectives."""

    reward_model_artifact_digest: str = ""
    """Digest of the artifact of a reward model, which judges the preferences before the first step.

    Those whose rejected answer it rewards more are counted in the metrics of the run
    (`contradicted_pairs`), and learned all the same. Only with DPO. Empty: none.
    """

    selection_metric: str = ""
    """Metric of the validation part by which epochs are compared: the best one is published, and the run
    ends after two without a gain.

    One label: `macro_f1`, `accuracy`; numbers: `mae`, `mse`, `rmse`, `r2`, `spearman`; any: `loss`.
    Several labels, free texts, and numbers that are no single tokens of the model are compared by the
    loss. Default: `macro_f1`, `mae`, else `loss`.
    """

    classical: RecipeClassical | None = None
    """Candidates of a classical model. Only with CLASSICAL."""


class ResourcesAccelerator(OpenEnum):
    """Accelerator of the workers."""

    UNSPECIFIED = "ACCELERATOR_UNSPECIFIED"
    """Not set."""

    CPU = "ACCELERATOR_CPU"
    """CPU."""

    CUDA = "ACCELERATOR_CUDA"
    """NVIDIA GPU."""

    NEURON = "ACCELERATOR_NEURON"
    """AWS Trainium. Refused: no recipe supports it yet."""


class Resources(Message):
    """Compute resources of a training run."""

    accelerator: ResourcesAccelerator = ResourcesAccelerator.UNSPECIFIED
    """Accelerator of the workers. Default: CPU."""

    workers: int = 0
    """Number of workers, 1 to 64. Default: 1."""

    threads_per_worker: int = 0
    """Number of threads of each worker, at most 256.

    0: the cores of the machine are divided among the workers.
    """


class TrainingRunDiagnosis(Message):
    """Diagnosis of the training curves."""

    verdict: str = ""
    """`underfit`, `still-improving`, `overfit`, `vanishing-gradients`, `exploding-gradients` or
    `healthy`.
    """

    remedy: str = ""
    """Recommended remedy, in one sentence."""


class ResourcePlan(Message):
    """Memory requirement of a run, by rule of thumb and by the measured model.

    Only the measured model decides about admission.
    """

    rule_of_thumb_bytes: Int64 = 0
    """Memory requirement by rule of thumb, in bytes. For comparison only."""

    measured_bytes: Int64 = 0
    """Memory requirement by the measured model, in bytes, over all workers."""

    available_bytes: Int64 = 0
    """Available memory, in bytes."""

    admitted: bool = False
    """True if the run fits the available memory.

    A run that does not fit fails with OUT_OF_MEMORY.
    """

    reason: str = ""
    """Explanation with the numbers, and what to change if the run is not admitted."""

    machine_families: list[str] = []
    """Suitable machine families, best first."""


class TrainingRunCurvePoint(Message):
    """Measurements at one step.

    Validation values are those of the last epoch that ended before the step.
    """

    step: Int64 = 0
    """Number of the step."""

    metrics: dict[str, float] = {}
    """Measurements by name."""


class TrainingRunPromptLimit(Message):
    """Length to which texts are cut."""

    max_tokens: int = 0
    """Maximum number of tokens that a training text keeps."""

    max_characters: int = 0
    """Maximum length of a text in characters.

    The end of a longer text is cut off. Chosen from the data, or set by `recipe.max_chars`.
    """

    cut_share: float = 0.0
    """Share of the training texts that are cut, from 0 to 1."""


class TrainingRun(Message):
    """Training of one model on one split."""

    name: str = ""
    """Resource name: `projects/{project}/trainingRuns/{training_run}`."""

    revision: Int64 = 0
    """Increases with every stored change."""

    create_time: Timestamp | None = None
    """Time of creation, UTC. Set by the server."""

    update_time: Timestamp | None = None
    """Time of the last change, UTC. Set by the server."""

    state: TrainingRunState = TrainingRunState.UNSPECIFIED
    """Current state."""

    train_digest: str = ""
    """Digest of the training part of the split (a Parquet blob)."""

    validation_digest: str = ""
    """Digest of the validation part of the split (a Parquet blob)."""

    base_artifact_digest: str = ""
    """Digest of the model artifact from which training continues.

    Empty: training from scratch. Required by the methods CONTINUE and LORA, refused with FROM_SCRATCH and
    CLASSICAL.
    """

    recipe: Recipe | None = None
    """Training recipe. In a response, all defaults are filled in."""

    resources: Resources | None = None
    """Compute resources."""

    progress: Progress | None = None
    """Progress of the work."""

    failure: Failure | None = None
    """Why the work failed. Set in the state FAILED only."""

    artifact_digest: str = ""
    """Digest of the trained model artifact (a tree). Empty until the run has succeeded."""

    curves_digest: str = ""
    """Digest of the training curves (a JSON blob). Empty until the run has succeeded."""

    parameter_count: Int64 = 0
    """Number of parameters of the model. 0 until the run has succeeded."""

    diagnosis: TrainingRunDiagnosis | None = None
    """Diagnosis of the training curves. Not set until the run has succeeded."""

    metrics: dict[str, float] = {}
    """Final measurements by name (`train_loss`, `validation_loss`, `seconds`, `tokens_per_second`,
    `peak_memory_bytes`, …).

    Of tasks whose answers are texts also `validation_perplexity`, `learned_tokens`, `records`, and the
    numbers of records and samples that did not count: `invalid_records`, `bad_answers`,
    `rejected_answers`, `truncated_samples`, `samples_without_targets`. Of DPO, KTO and reward models also
    `validation_reward_margin`, of DPO and reward models `validation_pair_accuracy`, of KTO
    `validation_judgement_accuracy`, and `other_records`, `equal_pairs` and `long_answers` that were left
    out. Of GRPO `validation_reward` and that of the base model, `validation_reference_reward`,
    `validation_exact_match`, `long_prompts` and `records_without_reference`. Of distillation
    `validation_teacher_loss` and `validation_teacher_divergence`. Of pre-training `units` (blocks),
    `empty_documents` and `long_documents`. Empty until the run has succeeded.
    """

    plan: ResourcePlan | None = None
    """Memory requirement of the run, computed before it starts."""

    attempt: int = 0
    """Number of times that the workers were started.

    A later attempt resumes from the last checkpoint.
    """

    curve: list[TrainingRunCurvePoint] = []
    """Training curve since the first step, evenly thinned.

    `curves_digest` holds the exact curve.
    """

    prompt_limit: TrainingRunPromptLimit | None = None
    """Length to which the chat template cuts texts of users.

    Not set until the run has succeeded.
    """
