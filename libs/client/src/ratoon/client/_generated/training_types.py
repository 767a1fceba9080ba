# Generated from protos/ by scripts/client.py; `make proto` writes it again.
"""Models of training."""

from ratoon.client._generated.common_types import ComputeDtype, Failure, ParityLink, Progress, TaskSpec
from ratoon.client._models import Int64, Message, OpenEnum, Timestamp


class OptimizationOptimizer(OpenEnum):
    """Optimizer."""

    UNSPECIFIED = "OPTIMIZER_UNSPECIFIED"
    """Not set."""

    ADAMW = "OPTIMIZER_ADAMW"
    """Adam with decoupled weight decay."""

    ADAM = "OPTIMIZER_ADAM"
    """Adam."""

    SGD = "OPTIMIZER_SGD"
    """Stochastic gradient descent with momentum."""

    RMSPROP = "OPTIMIZER_RMSPROP"
    """RMSprop."""

    ADAGRAD = "OPTIMIZER_ADAGRAD"
    """Adagrad."""

    MUON = "OPTIMIZER_MUON"
    """Muon for the matrices of the layers, with steps as large as those of AdamW; AdamW for embeddings,
    the output layer, stacked experts and vectors.
    """


class OptimizationSchedule(OpenEnum):
    """Course of the learning rate after the warm-up."""

    UNSPECIFIED = "SCHEDULE_UNSPECIFIED"
    """Not set."""

    COSINE = "SCHEDULE_COSINE"
    """Falls to zero as half a cosine."""

    LINEAR = "SCHEDULE_LINEAR"
    """Falls to zero along a line."""

    CONSTANT = "SCHEDULE_CONSTANT"
    """Stays."""

    WARMUP_STABLE_DECAY = "SCHEDULE_WARMUP_STABLE_DECAY"
    """Stays, then falls to zero along a line in the last steps."""


class Optimization(Message):
    """Optimizer and learning-rate schedule of a training run.

    A value that is not set selects the default.
    """

    optimizer: OptimizationOptimizer = OptimizationOptimizer.UNSPECIFIED
    """Optimizer.

    Default: ADAMW. Where a request states no learning rate, that of the recipe is multiplied: by 50 for
    SGD, by 5 for ADAGRAD.
    """

    momentum: float | None = None
    """Momentum of SGD, RMSPROP and MUON, 0 to below 1.

    Default: 0.9 for SGD, 0.95 for MUON, 0 for RMSPROP.
    """

    schedule: OptimizationSchedule = OptimizationSchedule.UNSPECIFIED
    """Course of the learning rate after the warm-up. Default: COSINE."""

    warmup: float | None = None
    """Share of the steps in which the learning rate rises, 0 to 1. Default: 0.05."""

    warmup_steps: int = 0
    """Number of steps in which the learning rate rises, at most 1,000,000, in place of `warmup`.

    0: `warmup` decides.
    """

    decay_share: float = 0.0
    """Share of the steps at the end in which the learning rate falls, above 0 and at most 1.

    Only with WARMUP_STABLE_DECAY. Default: 0.2.
    """

    weight_decay: float | None = None
    """Share of a weight that a step takes away, times the learning rate: 0 to 1.

    Biases and the scales of norms do not decay. ADAM, RMSPROP, ADAGRAD and SGD add it to the gradient
    instead (L2). Default: 0.1, of small neural models 0.01; 0 for these four.
    """

    clip_norm: float = 0.0
    """Maximum norm of the gradient, at most 1,000,000; a longer one is scaled down. Default: 1."""

    dropout: float | None = None
    """Share of the attention weights, and of the outputs of dropout layers where the architecture has
    some, that a step sets to zero: 0 to below 1.

    Refused with DPO, KTO and GRPO, which compare two passes. Default: that of the base model; 0 from
    scratch. Of small neural models, share of the values after each layer. Default of those: that of the
    base model; from scratch 0.3, of an encoder 0.1.
    """

    l1: float = 0.0
    """Weight of the sum of the magnitudes of all weights but biases and the scales of norms, 0 to 1.

    Default: 0.
    """

    patience: int | None = None
    """Number of epochs without a gain on the validation part after which a run ends, at most 1,000.

    0: never. Default: 2, of small neural models 3.
    """

    token_budget: Int64 = 0
    """Maximum number of tokens of the training part that a run reads, repetitions included, at most
    10^15: it shortens `epochs`.

    0: no limit.
    """


class RecipeArchitectureFamily(OpenEnum):
    """Family of the architecture: a class of transformers that engines serve as well."""

    UNSPECIFIED = "FAMILY_UNSPECIFIED"
    """Not set."""

    LLAMA = "FAMILY_LLAMA"
    """Llama: SwiGLU, RMS norms, rotary positions."""

    QWEN3 = "FAMILY_QWEN3"
    """Qwen 3: as Llama, with norms of queries and keys."""

    MISTRAL = "FAMILY_MISTRAL"
    """Mistral: as Llama, with a sliding window if one is stated."""

    GEMMA = "FAMILY_GEMMA"
    """Gemma: GeGLU, scaled embeddings."""

    MIXTRAL = "FAMILY_MIXTRAL"
    """Mixtral: Mistral with experts."""

    QWEN3_MOE = "FAMILY_QWEN3_MOE"
    """Qwen 3 with experts."""

    OLMOE = "FAMILY_OLMOE"
    """OLMoE: experts, with norms of queries and keys over all heads."""


class RecipeArchitectureRopeScaling(OpenEnum):
    """Scaling of the rotary positions."""

    UNSPECIFIED = "ROPE_SCALING_UNSPECIFIED"
    """Not set: none."""

    LINEAR = "ROPE_SCALING_LINEAR"
    """Positions divided by the factor."""

    YARN = "ROPE_SCALING_YARN"
    """YaRN: low frequencies are divided, high ones stay."""

    LLAMA3 = "ROPE_SCALING_LLAMA3"
    """As Llama 3.1 scales them."""


class RecipeArchitectureTokenizer(OpenEnum):
    """Tokenizer."""

    UNSPECIFIED = "TOKENIZER_UNSPECIFIED"
    """Not set."""

    BYTE_BPE = "TOKENIZER_BYTE_BPE"
    """Byte-pair encoding of bytes: no text is unknown to it."""

    UNIGRAM = "TOKENIZER_UNIGRAM"
    """Unigram language model of pieces."""

    WORDPIECE = "TOKENIZER_WORDPIECE"
    """WordPiece: the longest known pieces of a word."""

    WORD = "TOKENIZER_WORD"
    """Whole words, signs and spaces."""

    CHARACTER = "TOKENIZER_CHARACTER"
    """Single characters."""


class RecipeArchitecturePreset(OpenEnum):
    """Published architecture."""

    UNSPECIFIED = "PRESET_UNSPECIFIED"
    """Not set: none."""

    TINY = "PRESET_TINY"
    """1 million weights, the default values of all fields."""

    SMOLLM2_135M = "PRESET_SMOLLM2_135M"
    """SmolLM2-135M, with 134,515,008 weights."""

    SMOLLM2_360M = "PRESET_SMOLLM2_360M"
    """SmolLM2-360M, with 361,821,120 weights."""

    QWEN3_600M = "PRESET_QWEN3_600M"
    """Qwen3-0.6B, with 596,049,920 weights."""


class RecipeArchitecture(Message):
    """Architecture of a model that is trained from scratch.

    A zero value selects the default, or that of the preset.
    """

    vocab_size: int = 0
    """Size of the vocabulary, 300 to 262,144; from 16 for the tokenizers WORD and CHARACTER.

    Default: 4096.
    """

    hidden_size: int = 0
    """Hidden size. Default: 128."""

    layers: int = 0
    """Number of layers, 1 to 128. Default: 3."""

    heads: int = 0
    """Number of attention heads.

    Without `head_size`, it must divide the hidden size into heads of a multiple of 32. Default: one for
    32 of the hidden size.
    """

    max_positions: int = 0
    """Context length in tokens, 128 to 131,072. Default: 2048."""

    family: RecipeArchitectureFamily = RecipeArchitectureFamily.UNSPECIFIED
    """Family of the architecture. Default: LLAMA."""

    key_value_heads: int = 0
    """Number of heads of keys and values, which divides that of queries (grouped-query attention).

    Default: as many.
    """

    head_size: int = 0
    """Width of a head, a multiple of 32, at most 256.

    Default: the hidden size divided by the heads.
    """

    intermediate_size: int = 0
    """Width of the gated layer, or of each expert, 32 to 262,144.

    Default: 8/3 of the hidden size, down to a multiple of 32.
    """

    rope_theta: float = 0.0
    """Base of the rotary positions, 1 to 10^9. Default: 10,000."""

    rope_scaling: RecipeArchitectureRopeScaling = RecipeArchitectureRopeScaling.UNSPECIFIED
    """Scaling of the rotary positions for long contexts. Default: none."""

    rope_factor: float = 0.0
    """Factor by which `max_positions` exceeds the unscaled positions, above 1 and at most 1,024.

    Only with `rope_scaling`.
    """

    sliding_window: int = 0
    """Number of tokens that a token attends to, itself included: 16 to 131,072.

    Only MISTRAL and MIXTRAL. 0: all before.
    """

    tied: bool | None = None
    """Input and output embeddings are the same matrix. Default: true."""

    experts: int = 0
    """Number of experts of a layer, 2 to 256.

    Required of MIXTRAL, QWEN3_MOE and OLMOE, refused of others.
    """

    experts_per_token: int = 0
    """Number of experts that a token uses, at most `experts`. Default: 2."""

    tokenizer: RecipeArchitectureTokenizer = RecipeArchitectureTokenizer.UNSPECIFIED
    """Tokenizer that is trained on the training part. Default: BYTE_BPE."""

    preset: RecipeArchitecturePreset = RecipeArchitecturePreset.UNSPECIFIED
    """Published architecture to take all values from that the request does not state.

    Default: none.
    """


class LoraQuantization(OpenEnum):
    """Number format of frozen weights."""

    UNSPECIFIED = "QUANTIZATION_UNSPECIFIED"
    """Not set: the format of the other weights."""

    NF4 = "QUANTIZATION_NF4"
    """4-bit NormalFloat in blocks whose scales have 8 bits, by bitsandbytes (Dettmers et al.

    2023). It takes a seventh of the memory of float32 and several times as long. The workers need the
    package `bitsandbytes`. Refused with `merge` and for reward models.
    """


class Lora(Message):
    """Settings of a new LoRA adapter beyond its rank.

    A zero value selects the default. An adapter that training continues keeps its own.
    """

    alpha: float = 0.0
    """Scale of the adapter: its product is multiplied by alpha / rank.

    Above 0, at most 4,096. Default: twice the rank.
    """

    dropout: float = 0.0
    """Share of the inputs of the adapter that a step sets to zero, 0 to below 1.

    Refused with DPO, KTO and GRPO. Default: 0.
    """

    targets: list[str] = []
    """Names of the linear layers that get an adapter, as the last parts of their names in the model
    (`q_proj`), at most 64.

    Default: all linear layers of the decoder.
    """

    rank_stabilized: bool = False
    """Multiply by alpha / sqrt(rank) instead (rsLoRA), which keeps the effect of high ranks."""

    dora: bool = False
    """Learn magnitude and direction of the weights apart (DoRA).

    Engines load no such adapter: `merge` is required.
    """

    merge: bool = False
    """Publish the whole model with the adapter merged into its base instead of the adapter.

    It is published only if it answers prompts of the validation part with the same tokens as base and
    adapter do (`MERGE_DIFFERS`).
    """

    quantization: LoraQuantization = LoraQuantization.UNSPECIFIED
    """Number format of the frozen weights of the linear layers while the adapter is trained (QLoRA).

    The adapter is published for the base as it was uploaded.
    """


class RecipeNeuralNetwork(OpenEnum):
    """Architecture of a small neural model."""

    UNSPECIFIED = "NETWORK_UNSPECIFIED"
    """Not set."""

    ENCODER = "NETWORK_ENCODER"
    """Transformer encoder of the library transformers, with a head."""

    CNN = "NETWORK_CNN"
    """Convolutions over tokens, and their maxima over the text (Kim 2014)."""

    RNN = "NETWORK_RNN"
    """Recurrent network (Elman 1990) and the maxima of its states over the text."""

    LSTM = "NETWORK_LSTM"
    """Long short-term memory (Hochreiter and Schmidhuber 1997), pooled in the same way."""

    GRU = "NETWORK_GRU"
    """Gated recurrent units (Cho et al. 2014), pooled in the same way."""

    MLP = "NETWORK_MLP"
    """Hidden layers over the mean of the vectors of tokens."""


class RecipeNeuralEncoder(OpenEnum):
    """Kind of an encoder."""

    UNSPECIFIED = "ENCODER_UNSPECIFIED"
    """Not set."""

    BERT = "ENCODER_BERT"
    """BERT (Devlin et al. 2019)."""

    DISTILBERT = "ENCODER_DISTILBERT"
    """DistilBERT (Sanh et al. 2019)."""

    MODERNBERT = "ENCODER_MODERNBERT"
    """ModernBERT (Warner et al. 2024)."""


class RecipeNeuralActivation(OpenEnum):
    """Function after hidden layers and convolutions.

    It decides about the initial weights: He before RELU and GELU, Xavier before TANH.
    """

    UNSPECIFIED = "ACTIVATION_UNSPECIFIED"
    """Not set."""

    RELU = "ACTIVATION_RELU"
    """Rectified linear units."""

    GELU = "ACTIVATION_GELU"
    """Gaussian error linear units."""

    TANH = "ACTIVATION_TANH"
    """Hyperbolic tangent."""


class RecipeNeuralClassWeights(OpenEnum):
    """Weights of labels in the loss."""

    UNSPECIFIED = "CLASS_WEIGHTS_UNSPECIFIED"
    """Not set."""

    NONE = "CLASS_WEIGHTS_NONE"
    """All records count the same."""

    BALANCED = "CLASS_WEIGHTS_BALANCED"
    """All labels count the same: a record of a rare label counts more.

    Of several labels a record, at most ten times.
    """


class RecipeNeural(Message):
    """Architecture of a small neural model.

    `learning_rate`, `epochs`, `batch_size`, `selection_metric` and `optimization` of the recipe apply as
    well. A run with a neural base keeps its architecture and its tokenizer.
    """

    network: RecipeNeuralNetwork = RecipeNeuralNetwork.UNSPECIFIED
    """Architecture. Default: CNN."""

    encoder: RecipeNeuralEncoder = RecipeNeuralEncoder.UNSPECIFIED
    """Kind of the encoder. Only with the network ENCODER and without a base. Default: BERT."""

    vocab_size: int = 0
    """Number of tokens of the tokenizer, which is trained on the training part: 300 to 65,536.

    Default: 8,192.
    """

    hidden_size: int = 0
    """Length of the vectors of tokens and of hidden states, 8 to 2,048.

    Of an encoder a multiple of `heads`. Default: 128, of a CNN 64.
    """

    layers: int = 0
    """Number of recurrent, hidden or encoder layers, 1 to 24. Default: 1, of an encoder 2."""

    heads: int = 0
    """Number of attention heads of an encoder. Default: 4."""

    max_tokens: int = 0
    """Number of tokens that are read of a text, 8 to 8,192. Default: 256."""

    widths: list[int] = []
    """Widths of the convolutions of a CNN in tokens, 1 to 16 each. Default: 3, 4 and 5."""

    bidirectional: bool | None = None
    """Read texts backwards as well. Only with RNN, LSTM and GRU. Default: true."""

    activation: RecipeNeuralActivation = RecipeNeuralActivation.UNSPECIFIED
    """Function after hidden layers and convolutions. Default: RELU."""

    class_weights: RecipeNeuralClassWeights = RecipeNeuralClassWeights.UNSPECIFIED
    """Weights of labels in the loss. Default: NONE."""

    tokenizer: RecipeArchitectureTokenizer = RecipeArchitectureTokenizer.UNSPECIFIED
    """Tokenizer of a model from scratch, trained on the training part. Default: BYTE_BPE."""

    any_base: bool = False
    """Begin from scratch instead of refusing a base that is neither a neural model of the same task nor
    an encoder.

    For pipelines whose version in production may be a model of another kind.
    """


class ParallelismStrategy(OpenEnum):
    """Storage of the weights."""

    UNSPECIFIED = "STRATEGY_UNSPECIFIED"
    """Not set."""

    DDP = "STRATEGY_DDP"
    """Each worker holds all weights, gradients and optimizer states."""

    FSDP = "STRATEGY_FSDP"
    """Each worker holds its part of them, and gathers the weights of a layer while it computes that
    layer.
    """


class ParallelismSchedule(OpenEnum):
    """Order of the passes of a pipeline."""

    UNSPECIFIED = "SCHEDULE_UNSPECIFIED"
    """Not set."""

    ONE_F_ONE_B = "SCHEDULE_ONE_F_ONE_B"
    """A backward pass follows as soon as it can, so that few activations are kept."""

    GPIPE = "SCHEDULE_GPIPE"
    """All forward passes, then all backward passes."""


class Parallelism(Message):
    """Layout of the workers of a run: shares of the data, parts of each layer, and stages of the model.

    Their product is the number of workers.
    """

    data: int = 0
    """Number of shares of a step's samples.

    0: the number of workers divided by `tensor` times `pipeline`.
    """

    tensor: int = 0
    """Number of workers that divide each layer among them. 0: 1."""

    pipeline: int = 0
    """Number of workers that divide the layers of the model among them. 0: 1."""

    strategy: ParallelismStrategy = ParallelismStrategy.UNSPECIFIED
    """Storage of the weights by the workers that share the data.

    Not set: DDP if it fits into memory, else FSDP.
    """

    schedule: ParallelismSchedule = ParallelismSchedule.UNSPECIFIED
    """Order in which the stages of a pipeline compute the parts of a step. Not set: 1F1B."""

    min_workers: int = 0
    """Number of workers with which the run goes on after it lost others, until they are back.

    0: it waits for all workers.
    """


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
    """Settings of distillation: the model, the student, learns from another one, its teacher: a model
    artifact, or a model behind an endpoint.

    A zero value selects the default.
    """

    teacher_artifact_digest: str = ""
    """Digest of the model artifact of the teacher. Required unless `base_url` is set."""

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

    base_url: str = ""
    """Base URL of the OpenAI-compatible endpoint of a teacher that is no artifact, for example
    `http://127.0.0.1:8080/v1`.

    Only with SEQUENCE. The operator lists the endpoints in `RATOON_TRAINING_ENDPOINTS`; others are
    refused (`ENDPOINT_NOT_ALLOWED`).
    """

    model: str = ""
    """Name of the model at the endpoint, at most 256 characters. Required with `base_url`."""


class CompressionMethod(OpenEnum):
    """Number format of the weights."""

    UNSPECIFIED = "METHOD_UNSPECIFIED"
    """Not set: refused."""

    BFLOAT16 = "METHOD_BFLOAT16"
    """Weights in bfloat16."""

    FLOAT16 = "METHOD_FLOAT16"
    """Weights in float16."""

    INT8 = "METHOD_INT8"
    """Weights and activations of linear layers in 8-bit integers (W8A8): a scale for each output of a
    layer, and for each token.

    The output layer stays as it is.
    """

    INT4 = "METHOD_INT4"
    """Weights of linear layers in 4-bit integers (W4A16): a scale for each group of weights.

    The output layer stays as it is.
    """

    PRUNED = "METHOD_PRUNED"
    """The smallest weights of each linear layer become zero. The output layer stays as it is."""


class CompressionRounding(OpenEnum):
    """Choice of the rounded weights."""

    UNSPECIFIED = "ROUNDING_UNSPECIFIED"
    """Not set: the nearest value."""

    NEAREST = "ROUNDING_NEAREST"
    """Each weight takes the nearest value."""

    GPTQ = "ROUNDING_GPTQ"
    """The error of each rounded weight is made up for by those that follow it, on calibration texts
    (GPTQ, Frantar et al., 2023).

    The inputs of a layer are those of the source.
    """


class ModelExportFormat(OpenEnum):
    """Format of the files."""

    UNSPECIFIED = "FORMAT_UNSPECIFIED"
    """Not set: refused."""

    HUGGING_FACE = "FORMAT_HUGGING_FACE"
    """Directory of Hugging Face: safetensors, tokenizer, chat template, generation defaults with the
    stop tokens.

    transformers, peft, vLLM and the converter of llama.cpp read it.
    """

    ADAPTER = "FORMAT_ADAPTER"
    """The adapter alone, as peft and vLLM read it. Refused for whole models."""

    GGUF = "FORMAT_GGUF"
    """One GGUF file for llama.cpp. It needs the files of `scripts/llama-cpp`."""

    ONNX = "FORMAT_ONNX"
    """ONNX graph with the cache as inputs and outputs, tokenizer and configuration."""

    TENSORRT = "FORMAT_TENSORRT"
    """Engine of TensorRT. It needs an NVIDIA GPU and the package `tensorrt`."""

    CORE_ML = "FORMAT_CORE_ML"
    """Core ML program.

    It needs the package `coremltools`, and macOS to be compared with its source.
    """

    TFLITE = "FORMAT_TFLITE"
    """TensorFlow Lite file. It needs the package `litert-torch`."""


class ModelExportGgufType(OpenEnum):
    """Number format of the weights in a GGUF file."""

    UNSPECIFIED = "GGUF_TYPE_UNSPECIFIED"
    """Not set: GGUF_TYPE_F16."""

    F16 = "GGUF_TYPE_F16"
    """16-bit floating point."""

    Q8_0 = "GGUF_TYPE_Q8_0"
    """8-bit integers, 32 weights a scale."""

    Q4_K_M = "GGUF_TYPE_Q4_K_M"
    """4-bit integers in blocks of 256 weights, some tensors with 6 bits (`Q4_K_M` of llama.cpp)."""


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
    """Train a new tokenizer and a new model."""

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

    NEURAL = "METHOD_NEURAL"
    """Train a small neural model: a network of `neural` with a head, without a base, on from a neural
    model, or on top of an encoder in the layout of Hugging Face.

    Of the tasks `classify` and `regress`.
    """

    MERGE = "METHOD_MERGE"
    """Merge the LoRA adapter that `base_artifact_digest` names into its base, and publish the whole
    model as `lora.merge` does.

    Nothing is trained: the validation part gives the prompts of the comparison.
    """


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


class RecipeExpertGrowthSource(OpenEnum):
    """What a new expert begins as."""

    UNSPECIFIED = "SOURCE_UNSPECIFIED"
    """Not set."""

    COPY = "SOURCE_COPY"
    """A copy, with a little noise, of the experts that the router of the layer gives the most tokens of
    the training part, and of their rows of the router.
    """

    NOISE = "SOURCE_NOISE"
    """Weights at random."""


class RecipeExpertGrowth(Message):
    """Experts to add to each layer that has some."""

    experts: int = 0
    """Number of experts that a layer gets in addition, 1 to 256."""

    source: RecipeExpertGrowthSource = RecipeExpertGrowthSource.UNSPECIFIED
    """What a new expert begins as. Default: COPY."""


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

    optimization: Optimization | None = None
    """Optimizer and learning-rate schedule."""

    lora: Lora | None = None
    """Settings of a new adapter. Only with LORA."""

    domain_tokens: int = 0
    """Number of words of the training part to add to the tokenizer and the embeddings of the base model,
    at most 10,000: those whose tokens become fewest by it, and words that the tokenizer does not
    know.

    Only with CONTINUE. The metrics of the run state tokens a word (`fertility`) and the share of unknown
    tokens (`unknown_share`) of the validation part, and both before.
    """

    expert_growth: RecipeExpertGrowth | None = None
    """Experts to add to a base model with experts.

    Only with CONTINUE. The run trains the new experts and their rows of the routers; all other weights
    stay as they are.
    """

    base_layers: int = 0
    """Number of layers of the base model to start from: evenly spaced, the first and the last among them
    (of 12, 6 are 0, 2, 4, 7, 9 and 11, those of DistilBERT).

    The model has these alone, with the embeddings and the output layer of the base model. Only with
    CONTINUE; an adapter is merged into its base before. 0: all layers.
    """

    neural: RecipeNeural | None = None
    """Architecture and training of a small neural model. Only with NEURAL."""


class ResourcesAccelerator(OpenEnum):
    """Accelerator of the workers."""

    UNSPECIFIED = "ACCELERATOR_UNSPECIFIED"
    """Not set."""

    CPU = "ACCELERATOR_CPU"
    """CPU."""

    CUDA = "ACCELERATOR_CUDA"
    """NVIDIA GPU."""

    NEURON = "ACCELERATOR_NEURON"
    """AWS Trainium: supervised fine-tuning and pre-training on one NeuronCore.

    Other recipes are refused.
    """


class Resources(Message):
    """Compute resources of a training run."""

    accelerator: ResourcesAccelerator = ResourcesAccelerator.UNSPECIFIED
    """Accelerator of the workers. Default: CPU."""

    workers: int = 0
    """Number of workers, 1 to 64; with the accelerator NEURON the number of NeuronCores of one process.

    Default: 1.
    """

    threads_per_worker: int = 0
    """Number of threads of each worker, at most 256.

    0: the cores of the machine are divided among the workers.
    """

    parallelism: Parallelism | None = None
    """Layout of the workers.

    Not set: each has a copy of the model and a share of the data, or a part of the weights if the copies
    do not fit into memory.
    """


class TrainingRunDiagnosisFinding(Message):
    """One property of the curves."""

    verdict: str = ""
    """The same words as `verdict` of the diagnosis."""

    remedy: str = ""
    """Recommended remedy, in one sentence."""

    evidence: str = ""
    """Measurements that the verdict follows from, in one sentence."""


class TrainingRunDiagnosis(Message):
    """Diagnosis of the training curves."""

    verdict: str = ""
    """Verdict of the most severe finding: `loss-not-finite`, `rate-too-high`, `exploding-gradients`,
    `vanishing-gradients`, `dead-units`, `rate-too-low`, `underfit`, `overfit`, `still-improving` or
    `healthy`.
    """

    remedy: str = ""
    """Recommended remedy, in one sentence."""

    evidence: str = ""
    """Measurements that the verdict follows from, in one sentence."""

    findings: list[TrainingRunDiagnosisFinding] = []
    """All findings, the most severe one first."""


class ResourcePlanEstimate(Message):
    """Estimate of the work of a run, from a sample of its records."""

    steps: Int64 = 0
    """Maximum number of training steps. A run ends earlier without a gain."""

    epochs: float = 0.0
    """Maximum number of epochs."""

    records: Int64 = 0
    """Number of records in the training part."""

    samples: Int64 = 0
    """Number of samples in an epoch. A record may give several or none."""

    tokens_per_epoch: Int64 = 0
    """Number of tokens in an epoch."""

    tokens: Int64 = 0
    """Number of tokens of all steps."""

    cut_samples: Int64 = 0
    """Number of samples that are cut, because they are longer than the recipe allows."""

    longest_tokens: Int64 = 0
    """Number of tokens of the longest sample, before it is cut."""

    parameters: Int64 = 0
    """Number of parameters of the model."""

    trained_parameters: Int64 = 0
    """Number of parameters that are trained."""

    seconds: float = 0.0
    """Duration in seconds, from the start of the workers to the stored model."""

    basis: str = ""
    """Origin of the speed that `seconds` is computed with, in one sentence."""

    device: str = ""
    """Workers, accelerator and threads, in words."""

    device_hours: float = 0.0
    """Hours of one worker: workers times duration."""

    cost: float = 0.0
    """Cost: device hours times the price of the accelerator in the settings of training.

    0 without a price.
    """

    sampled_records: Int64 = 0
    """Number of records that were read for this estimate."""


class ResourcePlanProblem(Message):
    """Property of a request or of its data that needs attention."""

    reason: str = ""
    """Stable reason code in UPPER_SNAKE_CASE."""

    message: str = ""
    """Description, with what to change."""

    blocking: bool = False
    """True if the run would be refused, or would fail before its first step."""


class ResourcePlanChange(Message):
    """Change of a run after which it fits."""

    settings: list[str] = []
    """Settings, as `--set` of the command line takes them, for example `recipe.batch_size=8`."""

    description: str = ""
    """Description of the change and of its price, in one sentence."""

    measured_bytes: Int64 = 0
    """Memory requirement with the change, in bytes, over all workers."""


class ResourcePlanRecommendation(Message):
    """Machine family for one kind of work."""

    work: str = ""
    """Kind of work: `light cpu`, `balanced medium`, `gpu-bound`, `energy-conscious llm training`,
    `prototype` or `efficient serving`.
    """

    family: str = ""
    """Family that suits it best, for example `Trn`."""

    chip: str = ""
    """Chip of the family."""

    energy: str = ""
    """Energy efficiency of the family."""

    reason: str = ""
    """Property of the run that makes it this kind of work, in one sentence."""


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

    estimate: ResourcePlanEstimate | None = None
    """Estimate of the work. Only in the answer to a request with `validate_only`."""

    problems: list[ResourcePlanProblem] = []
    """Why the run would be refused or would fail, and what deserves attention.

    Only with `validate_only`.
    """

    changes: list[ResourcePlanChange] = []
    """Changes with each of which the same plan admits the run, the smallest change first.

    Empty if the run is admitted, and if no change is enough.
    """

    recommendations: list[ResourcePlanRecommendation] = []
    """Machine families for the work of the run, by what counts for you."""

    basis: str = ""
    """Origin of the numbers of `measured_bytes`, in one sentence."""

    capacity_bytes: Int64 = 0
    """Memory that the run could use if no other run was in progress, in bytes.

    A run that fits it but not `available_bytes` waits. 0: not known.
    """


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


class PlanAccuracy(Message):
    """Predictions of a run before its first step, next to measurements at its end."""

    predicted_peak_memory_bytes: Int64 = 0
    """Predicted peak memory of all workers, in bytes."""

    measured_peak_memory_bytes: Int64 = 0
    """Measured peak memory of all workers, in bytes: resident memory, of a GPU what torch reserved."""

    memory_error: float = 0.0
    """Difference between the predicted and the measured memory as a share of the measured one."""

    predicted_seconds: float = 0.0
    """Predicted duration of the steps that were trained and of their validations, in seconds."""

    measured_seconds: float = 0.0
    """Measured duration of the steps and of their validations, in seconds."""

    time_error: float = 0.0
    """Difference between the predicted and the measured duration as a share of the measured one."""

    predicted_tokens_per_second: float = 0.0
    """Predicted tokens a second."""

    measured_tokens_per_second: float = 0.0
    """Measured tokens a second."""

    basis: str = ""
    """Origin of the predictions, in one sentence."""


class Usage(Message):
    """Energy and cost of a training run."""

    energy_wh: float = 0.0
    """Energy in watt-hours, over all workers."""

    energy_basis: str = ""
    """Origin of `energy_wh`, in one sentence: measured by RAPL or NVML, or estimated."""

    device_hours: float = 0.0
    """Hours of one worker: workers times duration."""

    cost: float = 0.0
    """Cost: device hours times the price of the accelerator in the settings of training.

    0 without a price.
    """

    currency: str = ""
    """Currency of the cost. Empty: not stated."""


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
    CLASSICAL. Optional with NEURAL.
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
    """Digest of the trained model artifact (a tree).

    Empty until the run has succeeded. Of a run that failed while it trained: the model of its last good
    checkpoint, if it had one.
    """

    curves_digest: str = ""
    """Digest of the training curves (a JSON blob). Empty without an artifact."""

    parameter_count: Int64 = 0
    """Number of parameters of the model. 0 without an artifact."""

    diagnosis: TrainingRunDiagnosis | None = None
    """Diagnosis of the training curves. Not set until the run has ended after its first step."""

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

    sweep: str = ""
    """Resource name of the sweep that the run is a trial of: `projects/{project}/sweeps/{sweep}`.

    Empty: none. Set by the server.
    """

    trial: int = 0
    """Number of the trial. 0: the run is none. Set by the server."""

    stop_requested: bool = False
    """A stop was requested: the run ends early, and its best weights so far are its result."""

    origin: str = ""
    """Training run that this one is a clone or a continuation of. Empty: neither."""

    plan_accuracy: PlanAccuracy | None = None
    """What was predicted before the first step, next to what was measured.

    Not set until the run has succeeded.
    """

    usage: Usage | None = None
    """Energy and cost of the run. Not set until the run has succeeded."""


class MetricSeriesPoint(Message):
    """Measurement at one step."""

    step: Int64 = 0
    """Number of the step."""

    value: float = 0.0
    """Measured value."""


class MetricSeries(Message):
    """Measurements of one name over the steps of a training run."""

    name: str = ""
    """Resource name: `projects/{project}/trainingRuns/{training_run}/metrics/{metric}`."""

    metric: str = ""
    """Name of the measurement: `loss`, `validation_loss`, `learning_rate`, `gradient_norm`,
    `tokens_per_second`, `memory_bytes` and others.
    """

    points: list[MetricSeriesPoint] = []
    """Measurements in the order of the steps."""


class SweepState(OpenEnum):
    """State of a sweep."""

    UNSPECIFIED = "STATE_UNSPECIFIED"
    """Not set."""

    QUEUED = "STATE_QUEUED"
    """Waiting to start."""

    RUNNING = "STATE_RUNNING"
    """Trials are in progress."""

    SUCCEEDED = "STATE_SUCCEEDED"
    """The search is complete, or the budget is used."""

    FAILED = "STATE_FAILED"
    """The sweep ended without a usable trial, or too many trials failed; `failure` holds the reason."""

    CANCELLING = "STATE_CANCELLING"
    """Cancellation was requested; trials are stopping."""

    CANCELLED = "STATE_CANCELLED"
    """Cancelled before the search was complete. `ResumeSweep` continues it."""


class SweepKind(OpenEnum):
    """What is searched."""

    UNSPECIFIED = "KIND_UNSPECIFIED"
    """Not set."""

    SEARCH = "KIND_SEARCH"
    """The best settings in the space of `parameters`."""

    LEARNING_RATE = "KIND_LEARNING_RATE"
    """The learning rate: 0.01 first, a tenth of it while the training loss swings or diverges, at most
    four trials.

    The best trial is the first whose loss falls steadily.
    """

    BATCH_LADDER = "KIND_BATCH_LADDER"
    """The batch size: powers of two from 16 to 512, up to the first that does not fit the memory."""


class SweepParameter(Message):
    """One setting of the recipe and the values that it may have."""

    name: str = ""
    """Field of the recipe with a number, a boolean or an enum value, as in the API: `learning_rate`,
    `lora_rank`, `architecture.layers`, `preference_loss`.
    """

    min: float = 0.0
    """Smallest value of a range."""

    max: float = 0.0
    """Largest value of a range. `min` and `max` are both 0: the parameter has `values`."""

    log: bool = False
    """Search a range by its logarithm. `min` must be above 0. Default: false."""

    step: float = 0.0
    """Distance of neighbouring values of a range; not with `log`.

    0: any value, of an integer field 1.
    """

    values: list[str] = []
    """Values to choose from, 1 to 1,000, as text. Instead of a range."""


class SweepSampler(OpenEnum):
    """Choice of the next settings."""

    UNSPECIFIED = "SAMPLER_UNSPECIFIED"
    """Not set."""

    TPE = "SAMPLER_TPE"
    """Tree-structured Parzen estimator, after ten random trials."""

    RANDOM = "SAMPLER_RANDOM"
    """Independent random settings."""

    GRID = "SAMPLER_GRID"
    """Every combination, in order. Ranges need a `step`, or are stated as `values`."""

    GAUSSIAN_PROCESS = "SAMPLER_GAUSSIAN_PROCESS"
    """Gaussian process with the expected improvement, after ten random trials.

    Meant for few trials of mostly numbers; not compared with SAMPLER_TPE.
    """


class SweepPruningMethod(OpenEnum):
    """Rule of an early end."""

    UNSPECIFIED = "METHOD_UNSPECIFIED"
    """Not set."""

    NONE = "METHOD_NONE"
    """Every trial runs to its end."""

    ASHA = "METHOD_ASHA"
    """Asynchronous successive halving over epochs (Li et al. 2020). Refused with `folds`."""

    WILCOXON = "METHOD_WILCOXON"
    """Signed-rank test against the best trial, over folds. Needs `folds`."""


class SweepPruning(Message):
    """Early end of trials that are unlikely to become the best."""

    method: SweepPruningMethod = SweepPruningMethod.UNSPECIFIED
    """Rule. Default: NONE."""

    min_epochs: int = 0
    """Epochs that a trial has before ASHA judges it, at least 1. Default: 1."""

    reduction_factor: int = 0
    """ASHA keeps one of this many trials at each rung, and rungs are this many times longer, 2 to 16.

    Default: 3.
    """

    threshold: float = 0.0
    """WILCOXON ends a trial that is worse than the best one on the folds so far with this probability of
    error, above 0 and at most 0.5.

    Default: 0.1.
    """


class SweepDirection(OpenEnum):
    """Direction of a metric."""

    UNSPECIFIED = "DIRECTION_UNSPECIFIED"
    """Not set."""

    MAXIMIZE = "DIRECTION_MAXIMIZE"
    """Higher values are better."""

    MINIMIZE = "DIRECTION_MINIMIZE"
    """Lower values are better."""


class SweepBudget(Message):
    """Limits of a sweep."""

    max_trials: int = 0
    """Number of trials with a value or a pruned end, 1 to 500.

    Default: 20 of a SEARCH; a grid and the other kinds end by themselves. Failed trials do not count.
    """

    max_failures: int = 0
    """Number of failed trials after which the sweep ends, 1 to 500. Default: 5."""

    max_hours: float = 0.0
    """Total duration of the training runs in hours, at most 100,000; a trial in progress is stopped when
    it is reached.

    0: no limit.
    """

    max_cost: float = 0.0
    """Total cost, at most 1,000,000,000, in the currency of `hourly_cost`. 0: no limit."""

    hourly_cost: float = 0.0
    """Cost of a worker for an hour.

    Default: the operator's price of the device (`RATOON_TRAINING_HOURLY_COSTS`). `max_cost` needs one of
    them.
    """


class SweepFold(Message):
    """Fold of cross-validation: the parts of a split of the dataset version."""

    train_digest: str = ""
    """Digest of the training part."""

    validation_digest: str = ""
    """Digest of the validation part."""


class SweepTrialState(OpenEnum):
    """State of a trial."""

    UNSPECIFIED = "STATE_UNSPECIFIED"
    """Not set."""

    RUNNING = "STATE_RUNNING"
    """Its training run is in progress."""

    COMPLETED = "STATE_COMPLETED"
    """It has a value."""

    PRUNED = "STATE_PRUNED"
    """It was ended early."""

    FAILED = "STATE_FAILED"
    """Its training run failed, or its value is no finite number."""

    CANCELLED = "STATE_CANCELLED"
    """It was cancelled with the sweep, or by the budget."""

    QUEUED = "STATE_QUEUED"
    """It was cancelled, and runs again with its settings."""


class SweepTrialReport(Message):
    """Value of the metric during a trial."""

    step: int = 0
    """Number of epochs, or of the fold."""

    value: float = 0.0
    """Value."""


class SweepTrial(Message):
    """Settings that are tried."""

    number: int = 0
    """Number, from 1."""

    state: SweepTrialState = SweepTrialState.UNSPECIFIED
    """State of the trial."""

    settings: dict[str, str] = {}
    """Values by parameter, as text."""

    training_runs: list[str] = []
    """Resource names of its training runs: one, or one for each fold so far."""

    value: float | None = None
    """Value of the metric: of the epoch that the run published, or the mean of the folds.

    Of a pruned trial the last one that was known.
    """

    reports: list[SweepTrialReport] = []
    """Values during the trial."""

    message: str = ""
    """Why the trial failed or was pruned, in one sentence."""

    reason: str = ""
    """Reason code of a failure."""

    seconds: float = 0.0
    """Duration of its training runs in seconds."""

    trend: str = ""
    """Course of the training loss in a sweep LEARNING_RATE: `FALLS`, `SWINGS`, `DIVERGES` or `FLAT`."""


class SweepCorrection(Message):
    """Value of the best trial, corrected for the choice among several."""

    value: float = 0.0
    """Corrected value."""

    optimism: float = 0.0
    """Optimism: how much better than `value` the best trial looks, in the unit of the metric."""

    method: str = ""
    """`bootstrap` (BBC-CV, Tsamardinos et al.

    2018, over records) or `folds` (Tibshirani and Tibshirani 2009).
    """

    low: float | None = None
    """Ends of a 95 % interval of `value`. Only of `bootstrap`."""

    high: float | None = None
    """Upper end."""

    units: int = 0
    """Number of records, or of folds, and of trials that it was computed of."""

    trials: int = 0
    """Number of trials."""


class SweepUsage(Message):
    """What a sweep has used."""

    completed_trials: int = 0
    """Number of trials that completed."""

    pruned_trials: int = 0
    """Number of trials that were pruned."""

    failed_trials: int = 0
    """Number of trials that failed."""

    hours: float = 0.0
    """Total duration of the training runs in hours."""

    cost: float = 0.0
    """Total cost by `budget.hourly_cost`."""


class SweepTrainPart(Message):
    """Training part that trials may have."""

    name: str = ""
    """Name: 1 to 63 characters of `a-z`, `0-9`, `-` and `.`."""

    train_digest: str = ""
    """Digest of the training part."""


class Sweep(Message):
    """Search for the settings of a training recipe.

    Each trial is a training run with settings of its own; trials are compared by a metric of the
    validation part. A sweep has no access to a test part.
    """

    name: str = ""
    """Resource name: `projects/{project}/sweeps/{sweep}`."""

    revision: Int64 = 0
    """Increases with every stored change."""

    create_time: Timestamp | None = None
    """Time of creation, UTC. Set by the server."""

    update_time: Timestamp | None = None
    """Time of the last change, UTC. Set by the server."""

    state: SweepState = SweepState.UNSPECIFIED
    """Current state."""

    train_digest: str = ""
    """Digest of the training part of the split (a Parquet blob).

    Required without `folds`, refused with them.
    """

    validation_digest: str = ""
    """Digest of the validation part of the split (a Parquet blob).

    Required without `folds`, refused with them.
    """

    base_artifact_digest: str = ""
    """Digest of the model artifact from which each trial starts. Empty: training from scratch."""

    recipe: Recipe | None = None
    """Recipe of the trials: what no parameter sets.

    Classical models compare their candidates themselves and are refused.
    """

    resources: Resources | None = None
    """Compute resources of each trial."""

    kind: SweepKind = SweepKind.UNSPECIFIED
    """What is searched. Default: SEARCH."""

    parameters: list[SweepParameter] = []
    """Parameters of a SEARCH, 1 to 20.

    The other kinds have parameters of their own and take none.
    """

    sampler: SweepSampler = SweepSampler.UNSPECIFIED
    """Choice of the next settings in a SEARCH. Default: TPE."""

    seed: int = 0
    """Random seed of the sampler, 0 to 2^31-1.

    Trials of one sweep that run one after another are a function of it.
    """

    pruning: SweepPruning | None = None
    """Early end of trials. Default: none."""

    metric: str = ""
    """Metric of the validation part by which trials are compared, for example `macro_f1`, `mae` or
    `loss`.

    Default: `selection_metric` of the recipe.
    """

    direction: SweepDirection = SweepDirection.UNSPECIFIED
    """Direction of the metric.

    Default: the one in which the metric is better. A direction that contradicts it is refused.
    """

    budget: SweepBudget | None = None
    """Limits. A limit that is reached ends the sweep; its best trial so far stays."""

    parallel_trials: int = 0
    """Number of trials in progress at the same time, 1 to 64. Default: 1."""

    folds: list[SweepFold] = []
    """Folds of cross-validation, 2 to 20: each trial trains on every fold, and its value is the mean of
    the folds.
    """

    progress: Progress | None = None
    """Progress of the work."""

    failure: Failure | None = None
    """Why the sweep failed. Set in the state FAILED only."""

    trials: list[SweepTrial] = []
    """The trials, in the order of their numbers. Set by the server."""

    best_trial: int = 0
    """Number of the best trial that completed. 0: none. Set by the server."""

    correction: SweepCorrection | None = None
    """Value of the best trial without the optimism of a best of several: the expected value on records
    that did not choose it.

    Set by the server when the sweep ends, if the trials have comparable scores of records or folds.
    """

    usage: SweepUsage | None = None
    """What the sweep has used. Set by the server."""

    train_parts: list[SweepTrainPart] = []
    """Training parts to choose between, for example of different mixtures, in the place of
    `train_digest`: 2 to 100.

    The parameter `train_part` has their names as values. All of them are compared on one validation part.
    """


class CompressionState(OpenEnum):
    """State of a compression."""

    UNSPECIFIED = "STATE_UNSPECIFIED"
    """Not set."""

    QUEUED = "STATE_QUEUED"
    """Waiting to start."""

    RUNNING = "STATE_RUNNING"
    """The model is being compressed and measured."""

    SUCCEEDED = "STATE_SUCCEEDED"
    """The compressed model is stored and measured."""

    FAILED = "STATE_FAILED"
    """The work ended with an error; `failure` holds the reason."""

    CANCELLING = "STATE_CANCELLING"
    """Cancellation was requested; the work is stopping."""

    CANCELLED = "STATE_CANCELLED"
    """Cancelled before the work completed."""


class CompressionMeasurement(Message):
    """Measurements of one model."""

    size_bytes: Int64 = 0
    """Size of its weights on disk, in bytes."""

    weight_memory_bytes: Int64 = 0
    """Memory of its weights in an engine of `dtype`, in bytes."""

    tokens_per_second: float = 0.0
    """Greedy tokens a second of one request at a time. 0: not measured."""

    batch_tokens_per_second: float = 0.0
    """Greedy tokens a second of eight requests at a time. 0: not measured."""

    dtype: ComputeDtype = ComputeDtype.UNSPECIFIED
    """Number format in which it was computed."""

    runtime: str = ""
    """Program that computed the answers: `vllm` or `transformers`, with its version."""

    metrics: dict[str, float] = {}
    """Metrics on the validation records, by name."""

    records: int = 0
    """Number of validation records that were answered."""

    note: str = ""
    """Why the program is not the one of engines, or what was not measured.

    Empty: nothing to say.
    """


class CompressionDifference(Message):
    """Difference of the metric that decides between versions."""

    metric: str = ""
    """Name of the metric."""

    value: float = 0.0
    """Value of the compressed model less that of its source."""

    low: float = 0.0
    """Lower end of the 95 % interval (paired bootstrap over the records)."""

    high: float = 0.0
    """Upper end of the interval."""

    same_answers: float = 0.0
    """Share of the records to which both give the same answer."""


class Compression(Message):
    """A model with its weights in a smaller form, measured beside the model from which it was made.

    The result is an artifact; `CreateModelVersion` registers it with the source as
    `lineage.derived_from`, where it is compared with the source within the tolerance of its number
    format.
    """

    name: str = ""
    """Resource name: `projects/{project}/compressions/{compression}`."""

    revision: Int64 = 0
    """Increases with every stored change."""

    create_time: Timestamp | None = None
    """Time of creation, UTC. Set by the server."""

    update_time: Timestamp | None = None
    """Time of the last change, UTC. Set by the server."""

    state: CompressionState = CompressionState.UNSPECIFIED
    """Current state."""

    source_digest: str = ""
    """Digest of the model artifact to compress: a whole model, or an adapter, which is merged into its
    base model first.

    Required.
    """

    source_version: str = ""
    """Resource name of the model version of `source_digest`.

    Empty: the artifact is not registered.
    """

    method: CompressionMethod = CompressionMethod.UNSPECIFIED
    """Number format of the weights. Required."""

    rounding: CompressionRounding = CompressionRounding.UNSPECIFIED
    """Choice of the rounded weights. Default: ROUNDING_NEAREST."""

    group_size: int = 0
    """Number of weights that share a scale, with METHOD_INT4: 16 to 1,024.

    0: 128, or the largest power of two below it that divides the width of every compressed layer.
    """

    sparsity: float = 0.0
    """Share of the weights of each linear layer that becomes zero, with METHOD_PRUNED: above 0 and below
    1.

    Zeros save neither memory nor time in engines; they show how much of a model is redundant. 0: 0.5.
    """

    train_digest: str = ""
    """Digest of the training part of a split (a Parquet blob), whose texts calibrate ROUNDING_GPTQ.

    Required for it.
    """

    validation_digest: str = ""
    """Digest of the validation part of a split (a Parquet blob), on which the model and its source are
    measured.

    Empty: quality is not measured.
    """

    task: TaskSpec | None = None
    """Task of the model.

    It decides the metrics. Default: the task with which the source was trained.
    """

    calibration_records: int = 0
    """Number of calibration records, 1 to 4,096. 0: 64."""

    quality_records: int = 0
    """Number of validation records to answer, 1 to 10,000, drawn by the seed. 0: 200."""

    seed: int = 0
    """Random seed of the drawn records, 0 to 2^31-1."""

    serving_dtype: ComputeDtype = ComputeDtype.UNSPECIFIED
    """Number format in which an engine of the compressed model computes.

    Default: bfloat16; float16 for METHOD_FLOAT16 and 32-bit floating point for METHOD_PRUNED.
    """

    progress: Progress | None = None
    """Progress of the work."""

    failure: Failure | None = None
    """Why the work failed. Set in the state FAILED only."""

    artifact_digest: str = ""
    """Digest of the compressed model (a tree). Empty until the state is SUCCEEDED."""

    source: CompressionMeasurement | None = None
    """Measurements of the source. Set by the server."""

    compressed: CompressionMeasurement | None = None
    """Measurements of the compressed model. Set by the server."""

    difference: CompressionDifference | None = None
    """Comparison of the project's metric on the same records. Not set: quality was not measured."""


class ModelExportState(OpenEnum):
    """State of an export."""

    UNSPECIFIED = "STATE_UNSPECIFIED"
    """Not set."""

    QUEUED = "STATE_QUEUED"
    """Waiting to start."""

    RUNNING = "STATE_RUNNING"
    """The files are being written and compared."""

    SUCCEEDED = "STATE_SUCCEEDED"
    """The files are stored, and the same model as the source within the tolerance."""

    FAILED = "STATE_FAILED"
    """The work ended with an error; `failure` holds the reason."""

    CANCELLING = "STATE_CANCELLING"
    """Cancellation was requested; the work is stopping."""

    CANCELLED = "STATE_CANCELLED"
    """Cancelled before the work completed."""


class ModelExportFile(Message):
    """File of an export of a model."""

    path: str = ""
    """Path in the tree."""

    digest: str = ""
    """SHA-256 digest of the file, by which it can be downloaded."""

    size_bytes: Int64 = 0
    """Size in bytes."""


class ModelExport(Message):
    """A model as files for another program, compared with the model from which it was made by that
    program.

    The files are a tree of the artifact store; each can be downloaded by its digest.
    """

    name: str = ""
    """Resource name: `projects/{project}/modelExports/{model_export}`."""

    revision: Int64 = 0
    """Increases with every stored change."""

    create_time: Timestamp | None = None
    """Time of creation, UTC. Set by the server."""

    update_time: Timestamp | None = None
    """Time of the last change, UTC. Set by the server."""

    state: ModelExportState = ModelExportState.UNSPECIFIED
    """Current state."""

    source_digest: str = ""
    """Digest of the model artifact to export: a whole model, or an adapter.

    With every format but FORMAT_ADAPTER an adapter is merged into its base model first. Required.
    """

    source_version: str = ""
    """Resource name of the model version of `source_digest`.

    Empty: the artifact is not registered.
    """

    format: ModelExportFormat = ModelExportFormat.UNSPECIFIED
    """Format of the files. Required."""

    gguf_type: ModelExportGgufType = ModelExportGgufType.UNSPECIFIED
    """Number format of the weights, with FORMAT_GGUF. Default: GGUF_TYPE_F16."""

    progress: Progress | None = None
    """Progress of the work."""

    failure: Failure | None = None
    """Why the work failed. Set in the state FAILED only."""

    artifact_digest: str = ""
    """Digest of the artifact tree with all files. Empty until the state is SUCCEEDED."""

    files: list[ModelExportFile] = []
    """Files of the tree."""

    size_bytes: Int64 = 0
    """Size of all files in bytes."""

    tensor_counts: dict[str, int] = {}
    """Number of tensors of each type that the files really hold.

    Types of GGUF differ within one file: a row whose length is no multiple of 256 cannot have a K-type.
    """

    parity: ParityLink | None = None
    """Comparison with the source: tokens and log-probabilities that the program of the format computes
    from the files, beside those of transformers in float32.
    """

    notes: list[str] = []
    """Facts that a user of the files must know, one sentence each."""
