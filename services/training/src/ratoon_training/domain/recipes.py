"""Recipes of training as values, with defaults and limits. This module knows no library.

A recipe travels as JSON from the control process to the worker; `Recipe.parse` reads it there.
"""

from dataclasses import asdict, dataclass, replace
from enum import StrEnum
from typing import Any

from ratoon.tasks.classify import Classify
from ratoon.tasks.generate import Form, Generate, Sampling
from ratoon.tasks.kind import Kind
from ratoon.tasks.kinds import SPECS, TaskSpec, kind_of, supported
from ratoon_training.domain import architectures, rewards
from ratoon_training.domain import distillation as distilling
from ratoon_training.domain.architectures import Architecture as Architecture
from ratoon_training.domain.architectures import ExpertGrowth
from ratoon_training.domain.classical import Classical
from ratoon_training.domain.distillation import Distillation, Level
from ratoon_training.domain.errors import BadRecipe
from ratoon_training.domain.kinds.table import KINDS
from ratoon_training.domain.neural import SAMPLES_SHOWN, Neural
from ratoon_training.domain.optimization import USUAL_DECAY, Lora, Optimization, Optimizer
from ratoon_training.domain.parallelism import Layout, Parallelism, Strategy
from ratoon_training.domain.rewards import Grpo

BATCH_LADDER = (16, 32, 64, 128, 256, 512)
"""Batch sizes that are tried: powers of two from 16 to 512."""
LR_PROCEDURE = "lr-procedure"
"""The sweep that looks for a learning rate before it trains."""
LOSS = "loss"
"""Mean loss of the validation part, by which the epochs of any training can be compared."""
CLASSICAL = "classical"
"""Recipe of a kind of task for which there are classical models."""
NEURAL = "neural"
"""Recipe of a kind of task for which there are small neural models."""
USUAL_MAX_TOKENS = 1024
"""Default maximum of the tokens of a sample."""
MAX_NEW_TOKENS = 10_000
_MIN_PROMPT_TOKENS = 8
MAX_TOKEN_CHARS = 64
SMALL_MODEL = 50_000_000
"""Parameters below which all weights of a base model learn at the rate of models from scratch."""


@dataclass(frozen=True)
class Defaults:
    """Default values of a method."""

    learning_rate: float
    epochs: float
    language_model_weight: float
    label_smoothing: float = 0.0
    token_dropout: float = 0.0
    averaging: float = 0.0
    label_prior: float = 0.0
    samples_shown: int = 4_000
    """Samples that a run without a number of epochs shows at most; its learning rate falls to zero over them."""


class Method(StrEnum):
    """Method of training: which weights change."""

    FROM_SCRATCH = "FROM_SCRATCH"
    """A tokenizer and a Llama of its own."""
    CONTINUE = "CONTINUE"
    """All weights of a base model; what users corrected is sometimes wrong, so answers are smoothed."""
    LORA = "LORA"
    """A low-rank adapter of a base model that does not change."""
    CLASSICAL = "CLASSICAL"
    """A classical model by scikit-learn, which has neither tokens nor a base model."""
    NEURAL = "NEURAL"
    """A small neural model with a head, from scratch or on from another one."""
    MERGE = "MERGE"
    """A low-rank adapter that becomes a part of its base. Nothing is trained."""

    @property
    def adapts(self) -> bool:
        """Return True if the model is a base with an adapter."""
        return self in (Method.LORA, Method.MERGE)

    @property
    def is_small(self) -> bool:
        """Return True if the model is served without vLLM, and is trained in one process of its own."""
        return self in (Method.CLASSICAL, Method.NEURAL)

    @property
    def defaults(self) -> Defaults:
        """Return the default values of this method."""
        return _DEFAULTS[self]

    def defaults_of_texts(self, parameters: int, lists_labels: bool = False) -> Defaults:
        """Return the default values for answers that are texts, of a model with this many parameters.

        Of answers that list labels, the words of the prompt are left out as for one label.
        """
        defaults = _TEXT_DEFAULTS[self]
        if lists_labels:
            defaults = replace(defaults, token_dropout=self.defaults.token_dropout)
        if self is Method.CONTINUE and parameters >= SMALL_MODEL:
            return replace(defaults, learning_rate=2e-5)
        return defaults


_DEFAULTS = {
    Method.FROM_SCRATCH: Defaults(
        learning_rate=2e-3,
        epochs=0.0,
        language_model_weight=0.5,
        token_dropout=0.3,
        averaging=0.99,
        label_prior=1.0,
        samples_shown=30_000,
    ),
    Method.CONTINUE: Defaults(
        learning_rate=2e-3,
        epochs=0.0,
        language_model_weight=0.0,
        label_smoothing=0.05,
        token_dropout=0.3,
        averaging=0.99,
    ),
    Method.LORA: Defaults(learning_rate=2e-4, epochs=1.0, language_model_weight=0.0),
    Method.MERGE: Defaults(learning_rate=2e-4, epochs=1.0, language_model_weight=0.0),
    Method.NEURAL: Defaults(
        learning_rate=1e-3, epochs=0.0, language_model_weight=0.0, samples_shown=SAMPLES_SHOWN
    ),
}
"""Chosen by `bench/quality`: a continued model need not learn again what it has learned of texts."""
_TEXT_DEFAULTS = {
    Method.FROM_SCRATCH: Defaults(
        learning_rate=2e-3, epochs=0.0, language_model_weight=0.5, averaging=0.99, samples_shown=30_000
    ),
    Method.CONTINUE: Defaults(learning_rate=5e-4, epochs=0.0, language_model_weight=0.0),
    Method.LORA: Defaults(learning_rate=2e-4, epochs=1.0, language_model_weight=0.0),
    Method.MERGE: Defaults(learning_rate=2e-4, epochs=1.0, language_model_weight=0.0),
}
"""Defaults where answers are texts: every token of a text counts, so none is dropped or smoothed."""


class Objective(StrEnum):
    """What a model learns from the records."""

    SFT = "SFT"
    """The tokens of right answers."""
    DPO = "DPO"
    """A chosen answer rather than a rejected one (Rafailov et al. 2023)."""
    KTO = "KTO"
    """Good answers rather than bad ones (Ethayarajh et al. 2024)."""
    REWARD_MODEL = "REWARD_MODEL"
    """Rewards of answers: the chosen answer of a preference gets the higher one (Bradley and Terry 1952)."""
    GRPO = "GRPO"
    """Answers of its own that get more reward than the others to the same prompt (Shao et al. 2024)."""
    DISTILLATION = "DISTILLATION"
    """The probabilities, or the answers, of a teacher (Hinton et al. 2015)."""
    PRETRAIN = "PRETRAIN"
    """Every token of plain texts, whose documents follow one another without padding."""

    @property
    def compares(self) -> bool:
        """Return True if the model is compared with the one that training starts from."""
        return self in (Objective.DPO, Objective.KTO)

    @property
    def of_pairs(self) -> bool:
        """Return True if a unit of a step is a preference: two answers to the same prompt."""
        return self in (Objective.DPO, Objective.REWARD_MODEL)

    @property
    def of_answers(self) -> bool:
        """Return True if whole answers are compared or judged, each after its prompt."""
        return self.compares or self.of_pairs

    @property
    def aligns(self) -> bool:
        """Return True if a model learns which of its answers are better: it must answer already."""
        return self.of_answers or self is Objective.GRPO


class PreferenceLoss(StrEnum):
    """Loss of a preference."""

    SIGMOID = "SIGMOID"
    """Logistic loss of the difference, as DPO has it; smoothed for preferences that may be reversed (cDPO)."""
    IPO = "IPO"
    """Squared distance of the difference a token from 1/(2 beta) (Azar et al. 2023)."""


class TrainOn(StrEnum):
    """Turns of a conversation whose tokens are learned, each with its end token."""

    ALL_ASSISTANT_TURNS = "ALL_ASSISTANT_TURNS"
    LAST_ANSWER = "LAST_ANSWER"


class Truncation(StrEnum):
    """What becomes of a sample that is too long."""

    LEFT = "LEFT"
    """Its beginning is dropped."""
    RIGHT = "RIGHT"
    """Its end is dropped; an answer that is cut has no end token."""
    MIDDLE = "MIDDLE"
    """The middle of what precedes the last answer is dropped; of the sample, if the answer is too long as well."""
    SEGMENT = "SEGMENT"
    """Its parts are samples of their own."""
    REFUSE = "REFUSE"
    """The run is refused."""


class Dtype(StrEnum):
    """Number format of the computation; trained weights, gradients and optimiser are float32 in either case."""

    FLOAT32 = "FLOAT32"
    BFLOAT16 = "BFLOAT16"


class Accelerator(StrEnum):
    """Device kind of workers."""

    CPU = "CPU"
    CUDA = "CUDA"
    NEURON = "NEURON"


def preference_defaults(objective: Objective, method: Method, parameters: int) -> Defaults:
    """Return the default values of objectives of whole answers.

    Rates of DPO and KTO are far below those of SFT, since the base answers well already. The head of a reward model is
    new, so that it learns at the rates of SFT.
    """
    if objective is Objective.GRPO and method is Method.LORA:
        return Defaults(learning_rate=1e-4, epochs=3.0, language_model_weight=0.0)
    if objective is Objective.REWARD_MODEL:
        return replace(method.defaults_of_texts(parameters), epochs=3.0, averaging=0.0)
    if method is Method.LORA:
        rate = 5e-5
    else:
        rate = 1e-6 if parameters >= SMALL_MODEL else 1e-4
    return Defaults(learning_rate=rate, epochs=3.0, language_model_weight=0.0)


@dataclass(frozen=True)
class Recipe:
    """Recipe of a training run. Rates are per step of AdamW; the chat template cuts the user's text at `max_chars`.

    Zero `epochs`, `max_chars` and `prompt_tokens` are chosen from the data, when the run begins.
    """

    method: Method = Method.FROM_SCRATCH
    labels: tuple[str, ...] = ()
    seed: int = 0
    learning_rate: float = 3e-3
    epochs: float = 2.0
    batch_size: int = 16
    max_chars: int = 0
    prompt_tokens: int = 96
    architecture: Architecture = Architecture()
    language_model_weight: float = 0.5
    label_smoothing: float = 0.0
    """Share of an answer's target that is spread over all tokens."""
    language_model_epochs: float = 1.0
    weight_decay: float = USUAL_DECAY
    clip_norm: float = 1.0
    warmup: float = 0.05
    patience: int = 2
    lora_rank: int = 8
    sweep: str = ""
    packed: bool = False
    """True if the samples of a step share one row without padding; each attends only to itself."""
    token_dropout: float = 0.0
    """Share of a text's tokens that a step leaves out, others at each step: against learning texts by heart."""
    averaging: float = 0.0
    """Decay of the moving average of the weights that is validated and published; 0: the weights themselves."""
    label_prior: float = 0.0
    """Weight of each token's log-odds of the labels in initial embeddings (naive Bayes); 0: random only."""
    task: TaskSpec | None = None
    """Task of a model that answers with texts; None: classify with `labels`."""
    train_on: TrainOn = TrainOn.ALL_ASSISTANT_TURNS
    truncation: Truncation = Truncation.MIDDLE
    max_tokens: int = USUAL_MAX_TOKENS
    """Maximum number of tokens of a sample whose answers are texts."""
    dtype: Dtype = Dtype.FLOAT32
    gradient_accumulation: int = 1
    """Parts in which a worker computes its share of a step, one after the other."""
    new_tokens: tuple[str, ...] = ()
    """Tokens that the base model's tokenizer and embeddings get in addition."""
    gradient_checkpointing: bool = False
    """True if activations are computed again in the backward pass instead of being kept."""
    selection_metric: str = ""
    """Metric of the validation part by which epochs are compared; empty: the default of the kind of task."""
    objective: Objective = Objective.SFT
    beta: float = 0.1
    """Strength of the tie to the model that training starts from."""
    preference_loss: PreferenceLoss = PreferenceLoss.SIGMOID
    good_weight: float = 1.0
    bad_weight: float = 1.0
    """Weights of the losses of good and of bad answers in KTO."""
    grpo: Grpo = Grpo()
    distillation: Distillation = Distillation()
    reward_model: str = ""
    """Digest of a reward model that says which preferences it would reverse; empty: none."""

    classical: Classical | None = None
    """Candidates of a classical model; None: the method is another one."""
    optimization: Optimization = Optimization()
    lora: Lora = Lora()
    domain_tokens: int = 0
    """Number of words of the training part that the base model's tokenizer and embeddings get in addition."""
    expert_growth: ExpertGrowth = ExpertGrowth()
    base_layers: int = 0
    """Number of layers of the base model to start from, evenly spaced; 0: all."""
    neural: Neural | None = None
    """Settings of a small neural model; None: the method is another one."""

    @property
    def spec(self) -> TaskSpec:
        """Task of the model."""
        return self.task or Classify(self.labels)

    @property
    def selection(self) -> str:
        """Metric of the validation part by which epochs are compared: `loss` where no metric is cheap enough."""
        known = kind_of(self.spec).SELECTION if self.objective is Objective.SFT else ()
        return self.selection_metric or next(iter(known), LOSS)

    @property
    def reward_models(self) -> tuple[str, ...]:
        """Return the digests of the reward models that judge answers."""
        kind = rewards.RewardKind.REWARD_MODEL
        named = (reward.value for reward in self.grpo.rewards if reward.kind is kind)
        return tuple(filter(None, dict.fromkeys((*named, self.reward_model))))

    @property
    def taught_logits(self) -> bool:
        """Return True if the model learns the probabilities of a teacher."""
        return self._taught(Level.LOGITS)

    @property
    def taught_answers(self) -> bool:
        """Return True if the model learns answers that a teacher writes."""
        return self._taught(Level.SEQUENCE)

    def _taught(self, level: Level) -> bool:
        return self.objective is Objective.DISTILLATION and self.distillation.level is level

    @staticmethod
    def parse(value: dict[str, Any]) -> "Recipe":
        """The recipe in a JSON object as `as_json` makes it."""
        fields = dict(value)
        fields["method"] = Method(fields["method"])
        fields["labels"] = tuple(fields["labels"])
        fields["architecture"] = Architecture.parse(fields["architecture"])
        tokens = fields.get("new_tokens") or ()
        fields["new_tokens"] = tuple(tokens["tokens"] if isinstance(tokens, dict) else tokens)
        fields["dtype"] = Dtype(fields.get("dtype", Dtype.FLOAT32))
        fields["objective"] = Objective(fields.get("objective", Objective.SFT))
        fields["preference_loss"] = PreferenceLoss(fields.get("preference_loss", PreferenceLoss.SIGMOID))
        if fields.get("classical") is not None:
            fields["classical"] = Classical.parse(fields["classical"])
        if fields.get("neural") is not None:
            fields["neural"] = Neural.parse(fields["neural"])
        if fields.get("grpo") is not None:
            fields["grpo"] = Grpo.parse(fields["grpo"])
        if fields.get("distillation") is not None:
            fields["distillation"] = Distillation.parse(fields["distillation"])
        for name, kind in _NESTED.items():
            if fields.get(name) is not None:
                fields[name] = kind.parse(fields[name])
            else:
                fields.pop(name, None)
        if fields.get("task"):
            fields["task"] = task_of_json(fields["task"])
            fields["train_on"] = TrainOn(fields["train_on"])
            fields["truncation"] = Truncation(fields["truncation"])
        return Recipe(**fields)

    def as_json(self) -> dict[str, Any]:
        """A JSON object that `parse` reads. Recipes with labels have no settings of texts.

        Settings of the computation are left out at their defaults, so that earlier recipes have the same bytes.
        """
        fields = {**asdict(self), "labels": list(self.labels), "method": self.method.value}
        fields["architecture"] = self.architecture.as_json()
        for name, kind in _NESTED.items():
            value = getattr(self, name)
            fields[name] = None if value == kind() else asdict(value)
        fields["grpo"] = self.grpo.as_json() if self.objective is Objective.GRPO else None
        distils = self.objective is Objective.DISTILLATION
        fields["distillation"] = self.distillation.as_json() if distils else None
        left_out = {name for name, usual in _COMPUTATION.items() if fields[name] == usual}
        if self.task is None:
            left_out |= set(_TEXT_FIELDS)
        return {name: value for name, value in fields.items() if name not in left_out}

    def checked(self) -> "Recipe":
        """Return this recipe if it is valid; BadRecipe or BadTask name the field otherwise."""
        supported(KINDS, self.spec, "Training").check(self.spec)
        faults = [(f"recipe.{name}", says) for name, wrong, says in _limits(self) if wrong]
        if faults:
            raise BadRecipe(" ".join(f"{name} {says}." for name, says in faults), faults[0][0])
        return self


_TEXT_FIELDS = ("task", "train_on", "truncation", "max_tokens")
_COMPUTATION: dict[str, object] = {
    "dtype": Dtype.FLOAT32,
    "gradient_accumulation": 1,
    "gradient_checkpointing": False,
    "new_tokens": (),
    "selection_metric": "",
    "objective": Objective.SFT,
    "beta": 0.1,
    "preference_loss": PreferenceLoss.SIGMOID,
    "good_weight": 1.0,
    "bad_weight": 1.0,
    "grpo": None,
    "distillation": None,
    "reward_model": "",
    "classical": None,
    "optimization": None,
    "lora": None,
    "domain_tokens": 0,
    "expert_growth": None,
    "base_layers": 0,
    "neural": None,
}

_NESTED: dict[str, type[Optimization] | type[Lora] | type[ExpertGrowth]] = {
    "optimization": Optimization,
    "lora": Lora,
    "expert_growth": ExpertGrowth,
}
"""Settings that have values of their own; at their defaults they are left out."""


def task_of_json(value: dict[str, Any]) -> TaskSpec:
    """Return the task of a recipe's JSON."""
    fields = dict(value)
    kind = Kind(fields["kind"])
    if "labels" in fields:
        fields["labels"] = tuple(fields["labels"])
    if SPECS[kind] is Generate:
        fields |= {"form": Form(fields["form"]), "defaults": Sampling(**fields["defaults"])}
        fields["stop"] = tuple(fields["stop"])
    return SPECS[kind](**{**fields, "kind": kind})


@dataclass(frozen=True)
class Resources:
    """Workers of a run and the threads of each (0: an equal share of the machine's cores)."""

    accelerator: Accelerator = Accelerator.CPU
    workers: int = 1
    threads: int = 0
    parallelism: Parallelism = Parallelism()

    @property
    def layout(self) -> Layout:
        """Layout of the workers."""
        return self.parallelism.layout(self.workers)

    @property
    def processes(self) -> int:
        """Number of processes of the workers: XLA computes on all NeuronCores of a run in one."""
        return 1 if self.accelerator is Accelerator.NEURON else self.workers

    @property
    def devices(self) -> int:
        """Number of devices of each process."""
        return self.workers // self.processes

    def storing(self, strategy: Strategy | None) -> "Resources":
        """Return the resources with this storage of the weights; None: as they are."""
        if strategy is None:
            return self
        return replace(self, parallelism=replace(self.parallelism, strategy=strategy))

    def checked(self) -> "Resources":
        """These resources, when recipes can use them."""
        if not 1 <= self.workers <= 64:
            raise BadRecipe("resources.workers must be 1 to 64.", "resources.workers")
        if not 0 <= self.threads <= 256:
            raise BadRecipe("resources.threads_per_worker must be 0 to 256.", "resources.threads_per_worker")
        for field, wrong, says in self.parallelism.limits(self.workers):
            if wrong:
                raise BadRecipe(f"resources.parallelism.{field} {says}.", f"resources.parallelism.{field}")
        return self


def iterations(samples: int, batch_size: int) -> int:
    """Steps that show `samples` samples: samples = batch × iterations (25,600 = 256 × 100); the last may be smaller."""
    return -(-samples // batch_size)


def _limits(recipe: Recipe) -> list[tuple[str, bool, str]]:
    """Field, whether it is out of its limits, and what they are; a base model's shape is what it is."""
    if recipe.classical is not None:
        return [*_classical_limits(recipe, recipe.classical), *_training_limits(recipe)]
    if recipe.neural is not None:
        return [
            *_neural_limits(recipe, recipe.neural),
            *_training_limits(recipe),
            *_optimization_limits(recipe),
        ]
    shape = architectures.limits(recipe.architecture) if recipe.method is Method.FROM_SCRATCH else []
    return [
        *_training_limits(recipe),
        *_objective_limits(recipe),
        *_token_limits(recipe),
        *_optimization_limits(recipe),
        *_lora_limits(recipe),
        *_growth_limits(recipe),
        *shape,
    ]


def _classical_limits(recipe: Recipe, classical: Classical) -> list[tuple[str, bool, str]]:
    known = kind_of(recipe.spec).RECIPES
    return [
        (
            "method",
            CLASSICAL not in known,
            "CLASSICAL needs a task with labels or numbers (classify, regress): choose another method",
        ),
        *((f"classical.{name}", wrong, says) for name, wrong, says in classical.faults()),
    ]


def _neural_limits(recipe: Recipe, neural: Neural) -> list[tuple[str, bool, str]]:
    known = kind_of(recipe.spec)
    metrics = ("", LOSS, *known.SELECTION)
    return [
        (
            "method",
            NEURAL not in known.RECIPES,
            "NEURAL needs a task with labels or numbers (classify, regress): choose another method",
        ),
        (
            "selection_metric",
            recipe.selection_metric not in metrics,
            f"must be empty or one of {', '.join(metrics[1:])}",
        ),
        *((f"neural.{name}", wrong, says) for name, wrong, says in neural.faults()),
    ]


def _objective_limits(recipe: Recipe) -> list[tuple[str, bool, str]]:
    objective, is_dpo = recipe.objective, recipe.objective is Objective.DPO
    aligns = objective.aligns
    known = kind_of(recipe.spec).RECIPES
    ipo = recipe.preference_loss is PreferenceLoss.IPO
    metrics = ("", LOSS, *(kind_of(recipe.spec).SELECTION if objective is Objective.SFT else ()))
    return [
        (
            "selection_metric",
            recipe.selection_metric not in metrics,
            f"must be empty or one of {', '.join(metrics[1:])}",
        ),
        (
            "objective",
            objective.lower() not in known,
            f"{objective} needs a task whose answers are compared (generate): choose SFT",
        ),
        (
            "objective",
            aligns and recipe.method is Method.FROM_SCRATCH,
            f"{objective} needs a model that answers already: train one with SFT and name it as base_artifact_digest",
        ),
        (
            "truncation",
            aligns and recipe.truncation is Truncation.SEGMENT,
            f"SEGMENT does not go with {objective}, which compares whole answers: choose another one",
        ),
        (
            "language_model_weight",
            aligns and recipe.language_model_weight > 0,
            f"must be 0 with {objective}",
        ),
        ("batch_size", objective is Objective.KTO and recipe.batch_size < 2, "must be at least 2 with KTO"),
        ("beta", not 0 < recipe.beta <= 100, "must be above 0 and at most 100"),
        (
            "label_smoothing",
            objective.of_pairs and not recipe.label_smoothing < 0.5,
            f"must be below 0.5 with {objective}: at 0.5 a preference says nothing",
        ),
        (
            "label_smoothing",
            recipe.label_smoothing > 0 and (objective is Objective.KTO or (is_dpo and ipo)),
            "must be 0 with KTO and IPO, which have no such share",
        ),
        ("preference_loss", ipo and not is_dpo, "IPO needs the objective DPO"),
        (
            "reward_model_artifact_digest",
            bool(recipe.reward_model) and not is_dpo,
            "needs the objective DPO; of GRPO, name it in grpo.rewards",
        ),
        (
            "packed",
            recipe.packed and objective is Objective.REWARD_MODEL,
            "does not go with REWARD_MODEL, which reads the reward at the last token of each answer: leave it out",
        ),
        *_grpo_limits(recipe),
        *_distillation_limits(recipe),
        *_pretraining_limits(recipe),
        ("good_weight", not 0 <= recipe.good_weight <= 1000, "must be 0 to 1,000"),
        ("bad_weight", not 0 <= recipe.bad_weight <= 1000, "must be 0 to 1,000"),
    ]


def _grpo_limits(recipe: Recipe) -> list[tuple[str, bool, str]]:
    if recipe.objective is not Objective.GRPO:
        return [("grpo", recipe.grpo != Grpo(), "needs the objective GRPO")]
    grpo = recipe.grpo
    return [
        ("packed", recipe.packed, "does not go with GRPO, which writes and learns padded rows: leave it out"),
        ("label_smoothing", recipe.label_smoothing > 0, "must be 0 with GRPO, which has no such share"),
        ("sweep", bool(recipe.sweep), "does not go with GRPO, whose loss does not fall: leave it out"),
        (
            "grpo.max_new_tokens",
            grpo.max_new_tokens + _MIN_PROMPT_TOKENS > recipe.max_tokens,
            f"must leave {_MIN_PROMPT_TOKENS} of the {recipe.max_tokens:,} recipe.max_tokens to prompts",
        ),
        *((f"grpo.{name}", wrong, says) for name, wrong, says in rewards.limits(grpo)),
    ]


def _distillation_limits(recipe: Recipe) -> list[tuple[str, bool, str]]:
    settings = recipe.distillation
    if recipe.objective is not Objective.DISTILLATION:
        return [("distillation", settings != Distillation(), "needs the objective DISTILLATION")]
    writes = settings.level is Level.SEQUENCE
    return [
        ("language_model_weight", recipe.language_model_weight > 0, "must be 0 with DISTILLATION"),
        ("token_dropout", recipe.token_dropout > 0, "must be 0 with DISTILLATION"),
        (
            "distillation.max_new_tokens",
            writes and settings.max_new_tokens + _MIN_PROMPT_TOKENS > recipe.max_tokens,
            f"must leave {_MIN_PROMPT_TOKENS} of the {recipe.max_tokens:,} recipe.max_tokens to prompts",
        ),
        (
            "new_tokens",
            bool(recipe.new_tokens or recipe.domain_tokens) and not writes,
            "must be empty, and domain_tokens 0: teacher and student share their tokens",
        ),
        *((f"distillation.{name}", wrong, says) for name, wrong, says in distilling.limits(settings)),
    ]


def _pretraining_limits(recipe: Recipe) -> list[tuple[str, bool, str]]:
    if recipe.objective is not Objective.PRETRAIN:
        return []
    return [
        (
            "language_model_weight",
            recipe.language_model_weight > 0,
            "must be 0 with PRETRAIN, which learns every token already",
        )
    ]


def _token_limits(recipe: Recipe) -> list[tuple[str, bool, str]]:
    tokens = recipe.new_tokens
    bad = [each for each in tokens if not _is_token(each)]
    return [
        (
            "new_tokens",
            bool(tokens) and recipe.method is not Method.CONTINUE,
            "needs the method CONTINUE, which trains the embeddings: an engine loads no adapter with embeddings of its "
            "own, and a model from scratch learns its own tokenizer",
        ),
        ("new_tokens", len(tokens) > MAX_NEW_TOKENS, f"must be at most {MAX_NEW_TOKENS:,} tokens"),
        (
            "domain_tokens",
            not 0 <= recipe.domain_tokens <= MAX_NEW_TOKENS,
            f"must be 0 to {MAX_NEW_TOKENS:,}",
        ),
        (
            "domain_tokens",
            bool(recipe.domain_tokens) and recipe.method is not Method.CONTINUE,
            "needs the method CONTINUE, which trains the embeddings",
        ),
        ("base_layers", recipe.base_layers < 0, "must be 0 (all layers) or more"),
        (
            "base_layers",
            bool(recipe.base_layers) and recipe.method is not Method.CONTINUE,
            "needs the method CONTINUE, which trains all weights of a base model",
        ),
        (
            "base_layers",
            bool(recipe.base_layers and recipe.expert_growth.experts),
            "does not go with expert_growth, which leaves the other weights as they are: use runs of their own",
        ),
        ("new_tokens", len(set(tokens)) < len(tokens), "must not name a token twice"),
        (
            "new_tokens",
            bool(bad),
            f"must be texts of 1 to {MAX_TOKEN_CHARS} printable characters without white space around them, not "
            f"{''.join(bad[:1])[:MAX_TOKEN_CHARS]!r}",
        ),
    ]


def _is_token(text: str) -> bool:
    return 0 < len(text) <= MAX_TOKEN_CHARS and text == text.strip() and text.isprintable()


def _training_limits(recipe: Recipe) -> list[tuple[str, bool, str]]:
    return [
        ("learning_rate", not 0 < recipe.learning_rate <= 1, "must be above 0 and at most 1"),
        ("epochs", not 0 <= recipe.epochs <= 1000, "must be 0 (chosen from the data) to 1,000"),
        ("batch_size", not 1 <= recipe.batch_size <= 4096, "must be 1 to 4,096"),
        (
            "max_chars",
            not 0 <= recipe.max_chars <= 1_000_000,
            "must be 0 (chosen from the data) to 1,000,000",
        ),
        (
            "prompt_tokens",
            recipe.prompt_tokens != 0 and not 8 <= recipe.prompt_tokens <= 32_768,
            "must be 0 (chosen from the data), or 8 to 32,768",
        ),
        ("language_model_weight", not 0 <= recipe.language_model_weight <= 1, "must be 0 to 1"),
        ("label_smoothing", not 0 <= recipe.label_smoothing < 1, "must be 0 to below 1"),
        ("token_dropout", not 0 <= recipe.token_dropout < 1, "must be 0 to below 1"),
        ("averaging", not 0 <= recipe.averaging < 1, "must be 0 to below 1"),
        ("label_prior", not 0 <= recipe.label_prior <= 10, "must be 0 to 10"),
        (
            "max_tokens",
            not 16 <= recipe.max_tokens <= 131_072,
            "must be 16 to 131,072",
        ),
        (
            "max_tokens",
            recipe.task is not None and recipe.max_tokens > recipe.architecture.max_positions,
            f"must be at most {recipe.architecture.max_positions:,}, the positions of the model",
        ),
        ("gradient_accumulation", not 1 <= recipe.gradient_accumulation <= 4096, "must be 1 to 4,096"),
        ("lora_rank", not 1 <= recipe.lora_rank <= 256, "must be 1 to 256"),
        ("seed", not 0 <= recipe.seed < 2**63, "must be 0 to 2^63-1"),
        ("sweep", recipe.sweep not in ("", LR_PROCEDURE), f"must be empty or {LR_PROCEDURE}"),
    ]


def _optimization_limits(recipe: Recipe) -> list[tuple[str, bool, str]]:
    settings = recipe.optimization
    return [
        *((f"optimization.{name}", wrong, says) for name, wrong, says in settings.limits()),
        ("optimization.weight_decay", not 0 <= recipe.weight_decay <= 1, "must be 0 to 1"),
        (
            "optimization.clip_norm",
            not 0 < recipe.clip_norm <= 1_000_000,
            "must be above 0 and at most 1,000,000",
        ),
        ("optimization.warmup", not 0 <= recipe.warmup <= 1, "must be 0 to 1"),
        ("optimization.patience", not 0 <= recipe.patience <= 1000, "must be 0 (never) to 1,000"),
        (
            "optimization.dropout",
            bool(settings.dropout) and (recipe.objective.compares or recipe.objective is Objective.GRPO),
            f"must be 0 with {recipe.objective}, which compares two passes of the same model",
        ),
    ]


def _lora_limits(recipe: Recipe) -> list[tuple[str, bool, str]]:
    lora = recipe.lora
    if not recipe.method.adapts:
        return [("lora", lora != Lora(), "needs the method LORA")]
    return [
        (
            "method",
            recipe.method is Method.MERGE and (recipe.objective is not Objective.SFT or bool(recipe.sweep)),
            "MERGE trains nothing: leave objective and sweep out",
        ),
        *((f"lora.{name}", wrong, says) for name, wrong, says in lora.limits()),
        (
            "lora.dropout",
            lora.dropout > 0 and (recipe.objective.compares or recipe.objective is Objective.GRPO),
            f"must be 0 with {recipe.objective}, which compares two passes of the same model",
        ),
        (
            "lora.merge",
            lora.merge and recipe.objective is Objective.REWARD_MODEL,
            "does not go with REWARD_MODEL, whose head is a part of the adapter",
        ),
        (
            "lora.quantization",
            bool(lora.quantization) and recipe.objective is Objective.REWARD_MODEL,
            "does not go with REWARD_MODEL: leave it out",
        ),
    ]


def _growth_limits(recipe: Recipe) -> list[tuple[str, bool, str]]:
    growth = recipe.expert_growth
    if not growth.experts:
        return [("expert_growth", growth != ExpertGrowth(), "needs a number of experts")]
    return [
        ("expert_growth.experts", not 1 <= growth.experts <= 256, "must be 1 to 256"),
        ("expert_growth", recipe.method is not Method.CONTINUE, "needs the method CONTINUE"),
        (
            "optimization.weight_decay",
            recipe.weight_decay > 0,
            "must be 0 with expert_growth, which leaves the other weights as they are",
        ),
        (
            "expert_growth",
            bool(recipe.new_tokens or recipe.domain_tokens),
            "does not go with new tokens, whose embeddings it would not train: add them in a run of their own",
        ),
        (
            "expert_growth",
            recipe.optimization.optimizer is Optimizer.MUON,
            "does not go with MUON, whose steps mix the rows of a matrix: choose ADAMW",
        ),
    ]
