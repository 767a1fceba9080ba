"""Small neural models: initial weights, training to the bit, bases, and what is refused."""

import json
from dataclasses import replace
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from ratoon.neural.model import NeuralModel
from ratoon.neural.networks import head_names
from ratoon.tasks.classify import Classify
from ratoon.tasks.regress import Regress
from ratoon_training.domain.architectures import TokenizerKind
from ratoon_training.domain.errors import BadBaseModel, ConstantWeights, LossNotFinite, Stopped
from ratoon_training.domain.neural import Activation, ClassWeights, EncoderKind, Network, Neural
from ratoon_training.domain.optimization import Optimization, Optimizer, Schedule
from ratoon_training.domain.recipes import Method, Recipe
from ratoon_training.worker.checkpoints import Checkpoints
from ratoon_training.worker.neural_networks import continued, from_scratch, refuse_constants
from ratoon_training.worker.neural_training import Data, NeuralTraining, Reports, label_scores

LABELS = ("ham", "spam")
TASK = Classify(LABELS)
TEXTS = [
    f"{text} {n}"
    for n in range(12)
    for text in ("会议改到周一", "notes of the meeting", "win a prize", "点击领奖")
]
ANSWERS = ["ham", "ham", "spam", "spam"] * 12
IDS = tuple(f"{n:064d}" for n in range(len(TEXTS)))
SIZES = Neural(vocab_size=400, hidden_size=16, max_tokens=24, heads=2).complete()


def recipe_of(neural: Neural = SIZES, task=TASK, **settings) -> Recipe:
    own = {"labels": task.labels} if task == TASK else {"task": task}
    fields = {
        "method": Method.NEURAL,
        "seed": 7,
        "learning_rate": 5e-3,
        "epochs": 4,
        "batch_size": 8,
        "weight_decay": 0.01,
        "patience": 50,
        **settings,
    }
    return Recipe(**{**own, **fields}, neural=neural)


def training_of(recipe: Recipe, model: NeuralModel, answers=ANSWERS) -> NeuralTraining:
    train = Data.of(model, IDS[:40], TEXTS[:40], answers[:40])
    return NeuralTraining(recipe, model, train, Data.of(model, IDS[40:], TEXTS[40:], answers[40:]), None)


def trained(
    folder,
    recipe: Recipe,
    model: NeuralModel | None = None,
    reports: Reports | None = None,
    checkpoint_every_s: float = 10_000.0,
    **settings,
):
    task = recipe.spec
    numbers = [float(each) for each in settings.get("answers", ANSWERS)] if isinstance(task, Regress) else []
    model = model or from_scratch(recipe.neural, task, TEXTS[:40], numbers, recipe.seed)
    training = training_of(recipe, model, **settings)
    checkpoints = Checkpoints(folder, 1)
    checkpoints.claim()
    try:
        training.run(checkpoints, checkpoint_every_s, reports or Reports())
    finally:
        checkpoints.close()
    return model, training


@pytest.mark.parametrize("network", Network)
def test_each_network_learns_to_distinguish_texts(tmp_path, network):
    is_encoder = network is Network.ENCODER
    recipe = recipe_of(
        replace(SIZES, network=network),
        learning_rate=3e-3 if is_encoder else 1e-2,
        epochs=40 if is_encoder else 12,
    )
    model, training = trained(tmp_path, recipe)
    assert training.curves.epochs[training.best_epoch - 1][4] > 0.8, "macro-F1"
    assert training.curves.steps[-1][1] < training.curves.steps[0][1]
    assert sum(a == b for a, b in zip(model.answer(TEXTS[:8]).texts, ANSWERS[:8], strict=True)) > 5


class StopAt(Reports):
    """Ends a training before a step."""

    def __init__(self, step: int) -> None:
        self._left = step

    def stop_requested(self) -> bool:
        self._left -= 1
        return self._left < 0


@pytest.mark.parametrize(
    ("network", "optimizer"), [(Network.CNN, Optimizer.ADAMW), (Network.LSTM, Optimizer.MUON)]
)
def test_a_run_that_was_interrupted_twice_gives_the_same_bytes(tmp_path, network, optimizer):
    neural = replace(SIZES, network=network, class_weights=ClassWeights.BALANCED)
    recipe = recipe_of(neural, optimization=Optimization(optimizer, l1=1e-5))
    whole, at_once = trained(tmp_path / "whole", recipe)
    for steps in (3, 7):
        with pytest.raises(Stopped):
            trained(tmp_path / "parts", recipe, reports=StopAt(steps), checkpoint_every_s=0.0)
    parts, resumed = trained(tmp_path / "parts", recipe)
    assert parts.files() == whole.files()
    assert resumed.curves.as_json() == at_once.curves.as_json() and resumed.tokens < at_once.tokens


def weights_of(seed: int, network: Network = Network.CNN) -> dict[str, torch.Tensor]:
    return from_scratch(replace(SIZES, network=network), TASK, TEXTS, [], seed).module.state_dict()


@pytest.mark.parametrize("network", [Network.CNN, Network.ENCODER])
def test_all_initial_weights_and_the_head_respond_to_the_seed_alone(network):
    first, again, other = (weights_of(seed, network) for seed in (7, 7, 8))
    assert all(torch.equal(first[name], again[name]) for name in first)
    head = next(name for name in first if name.endswith(("head.weight", "classifier.weight")))
    assert not torch.equal(first[head], other[head])


@pytest.mark.parametrize(
    ("settings", "name", "deviation"),
    [
        (Neural(Network.MLP, hidden_size=512), "hidden.0", (2 / 512) ** 0.5),
        (Neural(Network.MLP, hidden_size=512, activation=Activation.TANH), "hidden.0", (2 / 1024) ** 0.5),
        (Neural(Network.CNN, hidden_size=64, widths=(3,)), "convolutions.0", (2 / (64 * 3)) ** 0.5),
        (
            Neural(Network.ENCODER, hidden_size=256, layers=1),
            "bert.encoder.layer.0.intermediate.dense",
            (2 / 256) ** 0.5,
        ),
        (Neural(Network.ENCODER, hidden_size=256, layers=1), "bert.pooler.dense", (2 / 512) ** 0.5),
    ],
)
def test_initial_weights_are_he_before_relu_and_xavier_before_tanh(settings, name, deviation):
    model = from_scratch(replace(settings, vocab_size=300).complete(), TASK, TEXTS, [], 0)
    layer = next(each for full, each in model.module.named_modules() if full.endswith(name))
    assert float(layer.weight.detach().std()) == pytest.approx(deviation, rel=0.05)
    assert not layer.bias.any()


def test_gates_start_as_xavier_proposed_and_biases_at_zero():
    model = from_scratch(replace(SIZES, network=Network.LSTM, hidden_size=128), TASK, TEXTS, [], 0)
    for name, weight in model.module.cells.named_parameters():
        if "bias" in name:
            assert not weight.any()
        else:
            assert float(weight.detach().std()) == pytest.approx((2 / 256) ** 0.5, rel=0.05)


def test_constant_weights_are_refused():
    model = from_scratch(SIZES, TASK, TEXTS, [], 0)
    nn.init.constant_(model.module.convolutions[0].weight, 0.5)
    with pytest.raises(ConstantWeights, match="would stay identical"):
        refuse_constants(model.module)


def test_a_head_for_new_labels_keeps_the_rows_of_the_old_ones_by_name(tmp_path):
    base, _ = trained(tmp_path / "checkpoints", recipe_of())
    base.save(tmp_path)
    more = Classify(("news", "spam", "ham"))
    model = continued(tmp_path, SIZES, more, [], 3)
    assert model is not None
    for name in head_names(model.module):
        own, old = model.module.get_parameter(name), base.module.get_parameter(name)
        assert torch.equal(own[[1, 2]], old[[1, 0]])
    assert model.tokenizer.to_str() == base.tokenizer.to_str()
    assert torch.equal(model.module.embedding.weight, base.module.embedding.weight)
    logits = {
        each: model.outputs(model.reader.ids([each]))[0]
        for each in ("win a prize 3", "notes of the meeting 4")
    }
    assert logits["win a prize 3"][1] > logits["win a prize 3"][2]
    assert logits["notes of the meeting 4"][2] > logits["notes of the meeting 4"][1]


@pytest.mark.parametrize("kind", EncoderKind)
def test_an_encoder_keeps_the_order_of_its_labels_in_its_configuration(tmp_path, kind):
    base = from_scratch(replace(SIZES, network=Network.ENCODER, encoder=kind), TASK, TEXTS, [], 0)
    assert base.about.shape.encoder["id2label"] == {"0": "ham", "1": "spam"}
    base.save(tmp_path)
    model = continued(tmp_path, SIZES, Classify(("spam", "ham", "news")), [], 0)
    assert model is not None
    assert model.about.shape.encoder["id2label"] == {"0": "spam", "1": "ham", "2": "news"}
    read = NeuralModel.of_files(model.files())
    assert torch.equal(read.outputs([[1, 5, 9]]), model.outputs([[1, 5, 9]]))


def test_an_encoder_of_hugging_face_gets_a_head(tmp_path):
    base = from_scratch(replace(SIZES, network=Network.ENCODER), TASK, TEXTS, [], 0)
    own = base.module.model
    own.bert.save_pretrained(tmp_path)
    base.tokenizer.save(str(tmp_path / "tokenizer.json"))
    first, again = (continued(tmp_path, SIZES, TASK, [], 5) for _ in range(2))
    assert first is not None and again is not None
    for name, weight in own.bert.state_dict().items():
        assert torch.equal(weight, first.module.model.bert.state_dict()[name]), name
    assert torch.equal(first.module.model.classifier.weight, again.module.model.classifier.weight)
    model, training = trained(tmp_path / "checkpoints", recipe_of(learning_rate=3e-3, epochs=40), first)
    assert (
        training.curves.epochs[training.best_epoch - 1][4] > 0.8
        and NeuralModel.of_files(model.files()).task == TASK
    )


def test_a_base_of_another_kind_is_refused_or_left_out(tmp_path):
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "llama"}))
    with pytest.raises(BadBaseModel, match="none of the encoders"):
        continued(tmp_path, SIZES, TASK, [], 0)
    assert continued(tmp_path, replace(SIZES, any_base=True), TASK, [], 0) is None
    numbers = tmp_path / "numbers"
    numbers.mkdir()
    from_scratch(SIZES, Regress(), TEXTS, [1.0, 2.0], 0).save(numbers)
    with pytest.raises(BadBaseModel, match="another kind of task"):
        continued(numbers, SIZES, TASK, [], 0)


def test_an_encoder_whose_weights_are_constant_is_refused(tmp_path):
    base = from_scratch(replace(SIZES, network=Network.ENCODER), TASK, TEXTS, [], 0)
    state = {
        f"bert.{name}": torch.full_like(each, 0.1)
        for name, each in base.module.model.bert.state_dict().items()
    }
    base.module.model.config.save_pretrained(tmp_path)
    save_file(state, tmp_path / "model.safetensors", {"format": "pt"})
    base.tokenizer.save(str(tmp_path / "tokenizer.json"))
    with pytest.raises(ConstantWeights, match="would stay identical"):
        continued(tmp_path, SIZES, TASK, [], 0)


def test_numbers_become_a_model(tmp_path):
    values = ["1" if answer == "ham" else "4" for answer in ANSWERS]
    recipe = recipe_of(
        replace(SIZES, network=Network.MLP), Regress(min=0, max=5), learning_rate=1e-2, epochs=24
    )
    model, training = trained(tmp_path, recipe, answers=values)
    assert training.curves.epochs[training.best_epoch - 1][3] < 0.5, "mean absolute error"
    low, high = (float(each) for each in model.answer(["notes of the meeting 3", "win a prize 3"]).texts)
    assert low < 2 < 3 < high


def test_records_have_several_labels(tmp_path):
    task = Classify(("prize", "chinese", "other"), multi_label=True)
    names = {
        "会议改到周一": "chinese",
        "notes of the meeting": "other",
        "win a prize": "prize",
        "点击领奖": "prize\nchinese",
    }
    answers = [names[text.rpartition(" ")[0]] for text in TEXTS]
    recipe = recipe_of(
        replace(SIZES, class_weights=ClassWeights.BALANCED), task, learning_rate=1e-2, epochs=12
    )
    model, training = trained(tmp_path, recipe, answers=answers)
    assert training.curves.epochs[training.best_epoch - 1][4] > 0.8
    assert model.answer(["点击领奖 5"]).texts == ("prize\nchinese",)


def test_balanced_weights_make_labels_count_the_same():
    balanced = replace(SIZES, class_weights=ClassWeights.BALANCED)
    answers = ["ham"] * 30 + ["spam"] * 10 + ["ham"] * 8
    training = training_of(recipe_of(balanced), from_scratch(balanced, TASK, TEXTS, [], 0), answers)
    ham, spam = training._weights.tolist()
    assert ham * 30 == pytest.approx(spam * 10)


def test_penalties_pull_weights_towards_zero(tmp_path):
    def size(name: str, **settings: Any) -> float:
        model, _ = trained(tmp_path / name, recipe_of(SIZES, epochs=8, **settings))
        return float(model.module.convolutions[0].weight.detach().abs().mean())

    usual = size("none")
    l2 = Optimization(Optimizer.ADAM)
    assert size("l1", optimization=Optimization(l1=1e-2)) < usual
    assert size("l2", optimization=l2, weight_decay=1e-1) < usual


class FinishAt(Reports):
    """Requests a training to end with what it has after a step."""

    def __init__(self, step: int) -> None:
        self._step = step

    def finish_requested(self) -> bool:
        self._step -= 1
        return self._step == 0


def test_a_training_that_is_ended_early_publishes_its_best_weights(tmp_path):
    model, training = trained(tmp_path, recipe_of(epochs=40), reports=FinishAt(13))
    assert training.step == 13 and len(training.curves.epochs) == 3, "the part of an epoch counts as one"
    best = max(training.curves.epochs, key=lambda row: (row[4], -row[2]))[0]
    assert training.best_epoch == best
    assert model.answer(TEXTS[:2]).texts


def test_schedule_and_token_budget_decide_rates_and_steps():
    constant = Optimization(schedule=Schedule.CONSTANT, warmup_steps=2, token_budget=1500)
    recipe = recipe_of(optimization=constant, epochs=40)
    training = training_of(recipe, from_scratch(SIZES, TASK, TEXTS, [], 0))
    for _ in range(3):
        training._advance(False)
    assert [row[5] for row in training.curves.steps] == [2.5e-3, 5e-3, 5e-3]
    tokens = sum(map(len, training._train.ids)) / training.per_epoch
    assert training.steps == max(1, round(1500 / tokens))


@pytest.mark.parametrize("kind", [TokenizerKind.UNIGRAM, TokenizerKind.WORD, TokenizerKind.CHARACTER])
def test_each_tokenizer_reads_what_it_does_not_know_too(kind):
    model = from_scratch(replace(SIZES, tokenizer=kind), TASK, TEXTS, [], 0)
    ids = model.reader.ids(["notes of the meeting", "ξένος"])
    unknown = model.tokenizer.token_to_id("<unk>")
    assert unknown not in ids[0] and unknown in ids[1]
    assert NeuralModel.of_files(model.files()).reader.ids(["notes of the meeting"]) == ids[:1]


def test_training_ends_without_a_gain_and_publishes_the_best_epoch(tmp_path):
    recipe = recipe_of(SIZES, learning_rate=1e-2, epochs=60, patience=2)
    _, training = trained(tmp_path, recipe)
    assert training.step < training.steps
    losses = training.curves.validation_losses
    assert training.best_epoch <= len(losses)


def test_a_rate_that_diverges_ends_with_a_sentence(tmp_path):
    model = from_scratch(SIZES, Regress(), TEXTS, [0.0, 1.0], 0)
    recipe = recipe_of(SIZES, Regress())
    model.about = replace(model.about, deviation=1e-30)
    with pytest.raises(LossNotFinite, match="lower recipe"):
        trained(tmp_path, recipe, model, answers=["1e30" if a == "ham" else "-1e30" for a in ANSWERS])


def test_scores_of_several_labels():
    task = Classify(("a", "b", "c"), multi_label=True)
    accuracy, f1 = label_scores(task, ["a\nb", "a"], ["b\na", "b"])
    assert accuracy == 0.5 and f1 == pytest.approx((2 / 3 + 2 / 3) / 2)
    assert label_scores(TASK, ["ham", "spam"], ["ham", "ham"])[0] == 0.5
