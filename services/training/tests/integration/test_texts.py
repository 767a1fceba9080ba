"""Runs whose answers are texts: from scratch, continued, adapted; what is learned, counted, cut and published."""

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from transformers import LlamaConfig, LlamaForCausalLM

from ratoon.operations.jobs import JobFolder
from ratoon.tasks.classify import Classify, members
from ratoon.tasks.generate import Generate, Sampling
from ratoon.tasks.kind import Record, Role, Turn
from ratoon.tasks.kinds import parse
from ratoon.tasks.records import prompt_text, to_json
from ratoon.tasks.regress import Regress
from ratoon_training.domain.errors import BadChatTemplate, DataEmpty, DataMalformed, SampleTooLong
from ratoon_training.domain.recipes import Architecture, Method, Recipe, TrainOn, Truncation
from ratoon_training.worker import models, objective, text
from ratoon_training.worker.context import WorkerContext
from ratoon_training.worker.corpus import Corpus
from ratoon_training.worker.prepare import prepare
from ratoon_training.worker.session import Data, Drawn, Session

from .conftest import TINY, Row, Task, train
from .templates import GEMMA, SMOLLM, write_tokenizer

TASK = Generate(defaults=Sampling(max_tokens=12))
RECIPE = Recipe(
    task=TASK,
    architecture=TINY,
    batch_size=8,
    epochs=4.0,
    learning_rate=0.01,
    max_tokens=256,
    language_model_weight=0.0,
)
ANIMALS = ("cat", "dog", "cow", "hen", "pig")
SOUNDS = ("Meow!", "Woof!", "Moo.", "Cluck?", "Oink")


def row(record: Record, number: int = 0) -> Row:
    """Return a record as ingestion writes it: the label is the first answer."""
    label = record.answers[0] if record.answers else None
    example = to_json(record).replace("\ud800", "\\ud800")
    return (f"{number:03d}", prompt_text(record.turns), label, example)


def conversation(number: int) -> Record:
    """Two questions, the second of which needs the first."""
    kind = number % len(ANIMALS)
    turns = (
        Turn(Role.SYSTEM, "You are an animal."),
        Turn(Role.USER, f"Are you a {ANIMALS[kind]} {number}?"),
        Turn(Role.ASSISTANT, "Yes"),
        Turn(Role.USER, "Say something."),
    )
    return Record(turns, (SOUNDS[kind],))


def rows(first: int, count: int) -> list[Row]:
    """Return conversations, and single questions without an example."""
    chats = [row(conversation(number), number) for number in range(first, first + count)]
    single = [
        (f"{number:03d}-s", f"Sound of a {ANIMALS[number % 5]}?", SOUNDS[number % 5], None)
        for number in range(first, first + count)
    ]
    return [*chats, *single]


@pytest.fixture(scope="module")
def chat(task: Task) -> dict[str, str]:
    return {
        "train": task.part("chat", rows(0, 100)),
        "validation": task.part("chat-validation", rows(500, 10)),
    }


@pytest.fixture(scope="module")
def trained(task: Task, chat: dict[str, str]) -> dict[str, Any]:
    return train(task, "chat", RECIPE, **chat)["result"]


@pytest.fixture(scope="module")
def folder(task: Task, trained: dict[str, Any]) -> Path:
    return task.fetch(trained["artifact_digest"], "chat")


def test_a_model_from_scratch_learns_to_converse(trained):
    metrics = trained["metrics"]
    assert metrics["validation_loss"] < 0.2
    assert metrics["validation_perplexity"] == pytest.approx(np.exp(metrics["validation_loss"]))
    assert "validation_macro_f1" not in metrics
    assert (metrics["records"], metrics["samples_without_targets"]) == (200, 0)
    assert metrics["learned_tokens"] > 3 * 200


def test_the_artifact_answers_and_stops(folder):
    from transformers import AutoModelForCausalLM, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    for number in range(5):
        prompt = tokenizer.apply_chat_template(
            [{"role": "user", "content": f"Sound of a {ANIMALS[number]}?"}],
            add_generation_prompt=True,
            return_tensors="pt",
            return_dict=True,
        )
        answer = model.generate(**prompt)[0, prompt["input_ids"].shape[1] :]
        assert tokenizer.decode(answer, skip_special_tokens=True) == SOUNDS[number % 5]
        assert answer[-1] == tokenizer.eos_token_id


def test_the_artifact_states_its_task_and_answers_greedily(folder):
    recipe = json.loads((folder / "recipe.json").read_text())
    assert recipe["task"]["kind"] == "generate"
    assert Recipe.parse({name: recipe[name] for name in RECIPE.as_json()}).task == TASK
    generation = json.loads((folder / "generation_config.json").read_text())
    assert (generation["do_sample"], generation["max_new_tokens"]) == (False, 12)
    curves = json.loads((folder / "training.json").read_text())["curves"]
    assert curves["epochs"]["columns"] == ["epoch", "step", "loss", "perplexity"]
    assert len(curves["epochs"]["rows"][0]) == 4


def test_a_stopped_run_resumes_to_the_same_bytes(task, chat, trained, monkeypatch):
    polls = iter(range(1000))
    monkeypatch.setattr(JobFolder, "stop_requested", lambda _: next(polls) >= 37)
    assert train(task, "chat-stopped", RECIPE, work="chat-again", fence=1, **chat)["reason"] == "STOPPED"
    monkeypatch.undo()
    resumed = train(task, "chat-resumed", RECIPE, work="chat-again", fence=2, **chat)["result"]
    assert resumed["artifact_digest"] == trained["artifact_digest"]


QUESTION = (Turn(Role.USER, "What is it?"),)


def prepared_with(
    task: Task, folder: Path, records: list[Record], recipe: Recipe = RECIPE, **spec: Any
) -> Path:
    """Prepare these records as training part, and a usual validation part."""
    part = task.part("records", [row(record, number) for number, record in enumerate(records)])
    digests = {"train": part, "validation": task.part("other", rows(500, 10)), **spec}
    return prepare(task.spec("records", recipe, **digests), recipe, folder, lambda _: None)


def test_what_is_not_learned_is_counted(task, tmp_path):
    prepared = prepared_with(
        task,
        tmp_path / "prepared",
        [
            Record(QUESTION, ("two", "references")),
            Record(QUESTION, ("better",), rejected="worse"),
            Record(QUESTION, ("liked",), is_good=True),
            Record(QUESTION, ("disliked",), is_good=False),
            Record(QUESTION),
            Record(QUESTION, ("What is it?",)),
            Record(QUESTION, ("weightless",), weight=0.0),
            Record((*QUESTION, Turn(Role.ASSISTANT, "", reasoning="\ud800"), *QUESTION), ("half",)),
            Record((), ("A plain text.",)),
            Record(QUESTION, ("long " * 400,)),
        ],
    )
    counts = json.loads((prepared / "learned.json").read_text())["counts"]
    assert counts == {
        "records": 10,
        "invalid_records": 3,
        "bad_answers": 1,
        "rejected_answers": 1,
        "truncated_samples": 1,
        "samples_without_targets": 1,
        "learned_tokens": counts["learned_tokens"],
        "unanswered_prompts": 0,
    }
    corpus = Corpus(prepared / "train.npz")
    assert corpus.record_ids == ["000", "000#1", "001", "002", "008", "009"]
    learned = text.of_base(prepared / "tokenizer").decode(corpus.batch([2]).ids[0].tolist())
    assert learned.endswith("<|assistant|>better</s>")
    assert counts["learned_tokens"] == int(corpus.batch(list(range(6))).answer.sum())


def test_only_samples_that_exceed_the_limit_are_cut(task, tmp_path):
    """T03: a sample of exactly the limit is whole."""
    short = prepared_with(task, tmp_path / "whole", [Record(QUESTION, ("a b c d e f g h",))])
    (length,) = Corpus(short / "train.npz").lengths
    records = [Record(QUESTION, ("a b c d e f g h" + " i" * more,)) for more in (0, 1, 6)]
    recipe = replace(RECIPE, max_tokens=length + 1, truncation=Truncation.RIGHT)
    cut = prepared_with(task, tmp_path / "cut", records, recipe)
    corpus = Corpus(cut / "train.npz")
    assert corpus.lengths == [length, length + 1, length + 1]
    assert json.loads((cut / "learned.json").read_text())["counts"]["truncated_samples"] == 1
    ends = corpus.batch([0, 1, 2])
    last = [int(ends.ids[row, size - 1]) for row, size in enumerate(corpus.lengths)]
    assert last[:2] == [2, 2] and last[2] != 2, "an answer that is cut has no end"
    with pytest.raises(SampleTooLong, match=r"The first such record is 002\."):
        prepared_with(task, tmp_path / "refused", records, replace(recipe, truncation=Truncation.REFUSE))


@pytest.mark.parametrize(
    ("records", "says"),
    [
        ([Record(QUESTION)] * 3, "3 samples without targets"),
        ([Record(QUESTION, ("bad",), is_good=False)], "1 bad answers"),
        ([Record(QUESTION, ("What is it?",))], r"The answer repeats the prompt\."),
        ([Record((Turn(Role.USER, "word " * 300),), ("answer",))], "1 samples without targets"),
    ],
)
def test_a_part_without_anything_to_learn_is_refused(task, tmp_path, records, says):
    """T04: a part of such samples alone does not begin to train."""
    recipe = replace(RECIPE, truncation=Truncation.RIGHT)
    with pytest.raises(DataEmpty, match=rf"would learn nothing of the training part.*{says}"):
        prepared_with(task, tmp_path / "prepared", records, recipe)
    assert not list(tmp_path.iterdir())


def test_an_example_that_is_no_record_is_refused(task, tmp_path):
    part = task.part("broken", [("1", "text", "label", '{"messages": 3}')])
    with pytest.raises(DataMalformed, match=r"Record 1 of the split cannot be read"):
        prepare(task.spec("broken", RECIPE, train=part), RECIPE, tmp_path / "prepared", lambda _: None)


def losses(corpus: Corpus, indices: list[int], *, packed: bool = False) -> tuple[float, float]:
    """Return the mean losses of answers and texts of samples, as a step has them."""
    model = models.build(replace(RECIPE, packed=packed), Path())
    chosen = corpus.thinned(indices, 0.0, 0, 0)
    every = list(range(len(indices)))
    with torch.no_grad():
        sums = objective.losses(model, chosen.packed(every) if packed else chosen.batch(every), language=True)
    answers, texts = chosen.norms()
    return float(sums.answer) / answers, float(sums.language) / texts


def weighted(task: Task, folder: Path) -> Corpus:
    """Return samples of different lengths and weights."""
    records = [
        Record(QUESTION, ("a",)),
        Record(QUESTION, ("a much longer answer than that",)),
        Record(QUESTION, ("half", "of it"), weight=1.0),
        Record((*QUESTION, Turn(Role.ASSISTANT, "This"), *QUESTION), ("That",), weight=3.0),
    ]
    return Corpus(prepared_with(task, folder / "prepared", records) / "train.npz")


@pytest.mark.parametrize("packed", [False, True])
def test_the_loss_of_a_step_is_the_mean_over_tokens_by_the_weights_of_their_samples(task, tmp_path, packed):
    corpus = weighted(task, tmp_path)
    assert corpus._weights.tolist() == [1.0, 1.0, 0.5, 0.5, 3.0]
    single = [losses(corpus, [index]) for index in range(5)]
    tokens = [corpus.tokens_of([index]) for index in range(5)]
    for kind, place in ((0, 1), (1, 0)):
        weights = [weight * count[place] for weight, count in zip(corpus._weights, tokens, strict=True)]
        mean = sum(w * each[kind] for w, each in zip(weights, single, strict=True)) / sum(weights)
        assert losses(corpus, list(range(5)), packed=packed)[kind] == pytest.approx(mean, rel=1e-5)


def test_the_loss_is_that_of_transformers(task, tmp_path):
    corpus = weighted(task, tmp_path)
    model = models.build(RECIPE, Path())
    for index in range(len(corpus)):
        batch = corpus.batch([index])
        labels = batch.ids.clone()
        labels[:, 1:][~batch.answer] = -100
        labels[:, 0] = -100
        with torch.no_grad():
            theirs = float(model(input_ids=batch.ids, labels=labels).loss)
        assert losses(corpus, [index])[0] == pytest.approx(theirs, rel=1e-5)


def test_parts_of_a_step_have_the_gradient_of_the_whole_step(task, tmp_path):
    records = [Record(QUESTION, ("a",)), Record(QUESTION, ("a much longer answer than the other one has",))]
    corpus = Corpus(prepared_with(task, tmp_path / "prepared", records) / "train.npz")
    assert corpus.tokens_of([0])[1] * 4 < corpus.tokens_of([1])[1]

    def gradients(parts: list[list[int]]) -> tuple[float, torch.Tensor]:
        session = Session(RECIPE, models.build(RECIPE, Path()), Data(corpus, corpus), WorkerContext())
        drawn = [Drawn(corpus, corpus.norms(), 0, part, session._parts(corpus, part)) for part in parts]
        sums = [session._backward(each, 0.0)[0] for each in drawn]
        flat = torch.cat([p.grad.reshape(-1) for p in session.trainable.values() if p.grad is not None])
        return float(sum(sums)) / corpus.norms()[0], flat

    loss, whole = gradients([[0, 1]])
    parted_loss, parted = gradients([[0], [1]])
    assert parted_loss == pytest.approx(loss, rel=1e-6)
    assert torch.allclose(parted, whole, rtol=1e-4, atol=1e-6)
    means = [(losses(corpus, [index])[0], corpus.tokens_of([index])[1]) for index in (0, 1)]
    assert loss == pytest.approx(sum(each * n for each, n in means) / sum(n for _, n in means), rel=1e-6)
    assert loss != pytest.approx(sum(each for each, _ in means) / 2, rel=1e-3), "no mean of means"


def test_a_packed_sample_does_not_change_with_its_neighbour(task, tmp_path):
    corpus = weighted(task, tmp_path)
    model = models.build(replace(RECIPE, packed=True), Path())

    def hidden(indices: list[int], first: int) -> torch.Tensor:
        batch = corpus.packed(indices)
        batch.ids[0, 3] = first
        with torch.no_grad():
            return model.get_decoder()(**batch.model_inputs(), use_cache=False).last_hidden_state[0]

    alone, places = hidden([1], 9), corpus.lengths[1] - 1
    together, changed = hidden([4, 1], 9), hidden([4, 1], 11)
    assert torch.allclose(together[-places : -places + 3], alone[:3], atol=1e-5)
    assert torch.equal(together[-places:], changed[-places:])
    assert not torch.equal(together[:-places], changed[:-places])
    packed = corpus.packed([4, 1])
    assert packed.ids.shape[1] == corpus.lengths[4] + corpus.lengths[1] - 2, (
        "no place predicts the next sample"
    )


def test_a_sample_without_targets_has_the_loss_0_and_changes_no_other(task, tmp_path):
    """T04: the mean is over the samples with targets."""
    corpus = weighted(task, tmp_path)
    before = losses(corpus, [1])[0]
    corpus._targets = corpus._targets.copy()
    corpus._targets[corpus._offsets[0] : corpus._offsets[1]] = False
    corpus._answers[0] = 0
    assert losses(corpus, [0, 1])[0] == pytest.approx(before, rel=1e-5)
    assert losses(corpus, [0])[0] == 0.0


@pytest.fixture(scope="module")
def foreign(task: Task) -> Path:
    """A chat model made elsewhere, whose text ends with another token than its turns."""
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=512,
        hidden_size=64,
        intermediate_size=128,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=512,
        eos_token_id=1,
    )
    folder = write_tokenizer(task.folder / "foreign", SMOLLM)
    LlamaForCausalLM(config).save_pretrained(folder)
    return folder


@pytest.mark.parametrize("method", [Method.CONTINUE, Method.LORA])
def test_a_model_made_elsewhere_learns_by_its_own_template_and_stops_where_its_turns_end(
    task, chat, foreign, method
):
    from transformers import AutoModelForCausalLM, AutoTokenizer

    whole = method is Method.CONTINUE
    recipe = replace(
        RECIPE,
        method=method,
        architecture=Architecture(512, 64, 2, 4, 512),
        epochs=10.0 * whole or 1.0,
        learning_rate=0.003,
    )
    result = train(task, f"elsewhere-{method}", recipe, base=task.store.put_tree(foreign), **chat)["result"]
    assert result["metrics"]["validation_loss"] < (0.3 if whole else np.log(512))
    folder = task.fetch(result["artifact_digest"], f"elsewhere-{method}")
    assert (folder / "chat_template.jinja").read_text() == SMOLLM, "what was trained is what is served"
    end = AutoTokenizer.from_pretrained(folder).convert_tokens_to_ids("<|im_end|>")
    assert json.loads((folder / "generation_config.json").read_text())["eos_token_id"] == [1, end]
    if not whole:
        return
    model = AutoModelForCausalLM.from_pretrained(folder)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    prompt = tokenizer.apply_chat_template(
        [{"role": "user", "content": "Sound of a hen?"}],
        add_generation_prompt=True,
        return_tensors="pt",
        return_dict=True,
    )
    answer = model.generate(**prompt, max_new_tokens=12, do_sample=False, eos_token_id=[1, end])
    assert tokenizer.decode(answer[0, prompt["input_ids"].shape[1] :]) == "Cluck?<|im_end|>"


def test_the_end_of_an_answer_is_learned_beside_padding_of_the_same_token(task, foreign, tmp_path):
    """T01: the token of the padding is told from the end of an answer by its place, not by its id."""
    base = task.folder / "ends-as-it-pads"
    shutil.copytree(foreign, base)
    write_tokenizer(base, SMOLLM, eos="<|im_end|>", pad="<|im_end|>")
    recipe = replace(RECIPE, method=Method.LORA, architecture=Architecture(512, 64, 2, 4, 512))
    records = [Record(QUESTION, ("b",)), Record(QUESTION, ("b " * 40 + "c",))]
    prepared = prepared_with(task, tmp_path / "prepared", records, recipe, base=task.store.put_tree(base))
    speech = text.of_base(prepared / "tokenizer")
    batch = Corpus(prepared / "train.npz").batch([0, 1])
    assert batch.lengths[1] > 1.5 * batch.lengths[0]
    for ids, learned, length, (answer,) in zip(
        batch.targets, batch.answer, batch.lengths.tolist(), (each.answers for each in records), strict=True
    ):
        assert speech.decode(ids[learned].tolist()) == f"{answer}<|im_end|>"
        assert not learned[length - 1 :].any(), "no place of the padding is learned"


def test_a_template_that_does_not_fit_the_records_ends_a_run_by_name(task, foreign):
    gemma = task.folder / "gemma"
    shutil.copytree(foreign, gemma)
    (gemma / "chat_template.jinja").write_text(GEMMA)
    recipe = replace(RECIPE, method=Method.LORA, architecture=Architecture(512, 64, 2, 4, 512))
    part = task.part("with-system", rows(0, 10))
    spec = task.spec("gemma", recipe, base=task.store.put_tree(gemma), train=part, validation=part)
    with pytest.raises(BadChatTemplate, match=r"System role not supported.* record is 000\.") as refused:
        prepare(spec, recipe, task.folder / "gemma-prepared", lambda _: None)
    assert refused.value.reason == "BAD_CHAT_TEMPLATE"


def test_eight_rows_that_are_learned_by_heart_all_end(task):
    part = task.part("eight", [(str(n), f"Say {n}", "word " * (1 + n % 3), None) for n in range(8)])
    ten_times = task.part(
        "eight-ten-times", [(str(n), f"Say {n % 8}", "word " * (1 + n % 8 % 3), None) for n in range(80)]
    )
    recipe = replace(RECIPE, epochs=6.0, batch_size=4, patience=0)
    result = train(task, "eight", recipe, train=ten_times, validation=part)["result"]
    folder = task.fetch(result["artifact_digest"], "eight")
    from transformers import AutoModelForCausalLM, AutoTokenizer

    tokenizer, model = AutoTokenizer.from_pretrained(folder), AutoModelForCausalLM.from_pretrained(folder)
    for number in range(8):
        prompt = tokenizer.apply_chat_template(
            [{"role": "user", "content": f"Say {number}"}],
            add_generation_prompt=True,
            return_tensors="pt",
            return_dict=True,
        )
        answer = model.generate(**prompt, max_new_tokens=32)[0, prompt["input_ids"].shape[1] :]
        assert answer[-1] == tokenizer.eos_token_id
        assert len(answer) < 32


def test_a_number_is_learned_as_its_text(task):
    words = ("awful", "bad", "fine", "good", "great")
    rows = [(f"{n:03d}", f"It is {words[n % 5]}.", str(n % 5 - 2), None) for n in range(150)]
    part, few = task.part("numbers", rows), task.part("numbers-few", rows[:10])
    recipe = replace(RECIPE, task=Regress("points", -2.0), epochs=10.0)
    result = train(task, "numbers", recipe, train=part, validation=few)["result"]
    assert result["metrics"]["validation_loss"] < 0.1
    assert "validation_mae" not in result["metrics"], "digits are no numbers of one token"
    folder = task.fetch(result["artifact_digest"], "numbers")
    assert json.loads((folder / "generation_config.json").read_text())["max_new_tokens"] == 32
    with pytest.raises(DataEmpty, match="is not a number of -2 or more"):
        bad = task.part("bad-numbers", [("1", "It is fine.", "-7", None)])
        prepare(task.spec("bad-numbers", recipe, train=bad), recipe, task.folder / "bad", lambda _: None)


def test_several_labels_are_learned_as_a_list_in_the_order_of_the_project(task):
    from transformers import AutoModelForCausalLM, AutoTokenizer

    labels = Classify(("urgent", "billing", "shipping", "other"), multi_label=True)
    sets = ("billing", "shipping", "Billing;urgent", '["shipping", "urgent"]', "other")
    rows = [
        (f"{n:03d}", f"About {' and '.join(members(parse(labels, sets[n % 5])))}.", sets[n % 5], None)
        for n in range(150)
    ]
    part, few = task.part("label-sets", rows), task.part("label-sets-few", rows[:10])
    recipe = replace(RECIPE, task=labels, epochs=10.0)
    result = train(task, "label-sets", recipe, train=part, validation=few)["result"]
    folder = task.fetch(result["artifact_digest"], "label-sets")
    limit = json.loads((folder / "generation_config.json").read_text())["max_new_tokens"]
    tokenizer, model = AutoTokenizer.from_pretrained(folder), AutoModelForCausalLM.from_pretrained(folder)
    prompt = tokenizer.apply_chat_template(
        [{"role": "user", "content": "About urgent and shipping."}],
        add_generation_prompt=True,
        return_tensors="pt",
        return_dict=True,
    )
    answer = model.generate(**prompt, max_new_tokens=limit)[0, prompt["input_ids"].shape[1] :]
    assert tokenizer.decode(answer, skip_special_tokens=True).strip() == "urgent\nshipping"
    with pytest.raises(DataEmpty, match="is not one of the labels"):
        bad = task.part("bad-sets", [("1", "About it.", "urgent;gone", None)])
        prepare(task.spec("bad-sets", recipe, train=bad), recipe, task.folder / "bad-sets", lambda _: None)


def test_the_last_answer_alone_is_learned_if_the_recipe_says_so(task, tmp_path):
    records = [conversation(number) for number in range(5)]
    every = prepared_with(task, tmp_path / "all", records)
    last = prepared_with(task, tmp_path / "last", records, replace(RECIPE, train_on=TrainOn.LAST_ANSWER))
    counts = [json.loads((each / "learned.json").read_text())["counts"] for each in (every, last)]
    assert counts[0]["learned_tokens"] > counts[1]["learned_tokens"]


def test_long_texts_are_learned_in_segments(task, tmp_path):
    recipe = replace(RECIPE, truncation=Truncation.SEGMENT, max_tokens=32)
    prepared = prepared_with(task, tmp_path / "prepared", [Record((), ("wörter " * 200,))], recipe)
    corpus = Corpus(prepared / "train.npz")
    assert set(corpus.lengths[:-1]) == {32}
    assert corpus.record_ids[:2] == ["000", "000#1"]


def test_a_classifier_reads_a_whole_conversation(task, folder, tmp_path):
    from transformers import AutoTokenizer

    labels = ("ham", "spam")
    chats = [
        row(replace(conversation(number), answers=(labels[number % 2],)), number) for number in range(10)
    ]
    recipe = replace(RECIPE, task=None, labels=labels, max_chars=40)
    part = task.part("labelled-chats", chats)
    spec = task.spec("labelled-chats", recipe, train=part, validation=part)
    prepared = prepare(spec, recipe, tmp_path / "prepared", lambda _: None)
    tokenizer = AutoTokenizer.from_pretrained(prepared / "tokenizer")
    messages = [{"role": turn.role, "content": turn.content} for turn in conversation(3).turns]
    prompt = tokenizer.apply_chat_template(messages, add_generation_prompt=True, return_dict=False)
    corpus = Corpus(prepared / "train.npz")
    assert corpus.batch([3]).ids[0].tolist() == [*prompt, tokenizer.convert_tokens_to_ids("spam"), 2]
