# Generated from protos/ by scripts/client.py; `make proto` writes it again.
"""Models of training."""

from ratoon.client._generated.common_types import Failure, Progress, TaskSpec
from ratoon.client._models import Int64, Message, OpenEnum, Timestamp


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

    Default: SFT. DPO and KTO need a base model and the task `generate`.
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

    Empty: training from scratch. Required by the methods CONTINUE and LORA, refused with FROM_SCRATCH.
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
    `rejected_answers`, `truncated_samples`, `samples_without_targets`. Of DPO and KTO also
    `validation_reward_margin`, of DPO `validation_pair_accuracy`, of KTO `validation_judgement_accuracy`,
    and `other_records`, `equal_pairs` and `long_answers` that were left out. Empty until the run has
    succeeded.
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
