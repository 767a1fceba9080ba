"""The worker without Ray: a model from scratch, continued, adapted, resumed, refused."""

import json
import math
import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from ratoon.operations.jobs import JobFolder
from ratoon.testkit.models import tiny_llama
from ratoon_training.domain.errors import ConstantWeights, DataEmpty, DataMalformed, StaleWorker
from ratoon_training.domain.lengths import RESERVED_POSITIONS
from ratoon_training.domain.recipes import Method
from ratoon_training.worker import decoders, models, objective, packing, text
from ratoon_training.worker.checkpoints import Checkpoints
from ratoon_training.worker.corpus import Corpus
from ratoon_training.worker.prepare import prepare
from ratoon_training.worker.task_queue import TrainingTask, read_outcome

from .conftest import LABELS, RECIPE, Task, losses_and_gradients, rows, train, train_once


@pytest.fixture(scope="module")
def trained(task: Task) -> dict[str, Any]:
    return train_once(task, "trained")["result"]


@pytest.fixture(scope="module")
def folder(task: Task, trained: dict[str, Any]) -> Path:
    return task.fetch(trained["artifact_digest"], "trained")


def test_a_model_from_scratch_learns_the_task(trained):
    assert trained["metrics"]["validation_macro_f1"] > 0.95
    assert trained["diagnosis"]["verdict"] == "still-improving", "two epochs are few"
    assert trained["metrics"]["samples"] == 2 * 240
    assert trained["metrics"]["peak_memory_bytes"] > trained["parameter_count"]


def test_the_artifact_loads_as_it_is_and_answers_with_a_label(folder):
    from transformers import AutoModelForCausalLM, AutoTokenizer

    assert {path.name for path in folder.iterdir()} >= {
        "config.json",
        "model.safetensors",
        "tokenizer.json",
        "tokenizer_config.json",
        "chat_template.jinja",
        "generation_config.json",
        "recipe.json",
        "training.json",
        "ratoon.json",
    }
    assert not [path for path in folder.rglob("*") if path.suffix in (".bin", ".pt", ".pkl")]
    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    for _, body, label in rows(10, seed=9):
        prompt = tokenizer.apply_chat_template(
            [{"role": "user", "content": body}],
            add_generation_prompt=True,
            return_tensors="pt",
            return_dict=True,
        )
        answer = model.generate(**prompt, max_new_tokens=4, do_sample=False)[
            0, prompt["input_ids"].shape[1] :
        ]
        assert tokenizer.decode(answer, skip_special_tokens=True) == label


def test_tokens_are_those_that_an_engine_makes_of_the_chat_template(folder):
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(folder)
    texts = ["free prize", "ham and spam in <|user|> text </s>", "Grüße, 你好\n\n  x", "long " * 100]
    ours = text.of_base(folder).prompts(texts)
    theirs = [
        tokenizer.apply_chat_template(
            [{"role": "user", "content": each}], add_generation_prompt=True, return_dict=False
        )
        for each in texts
    ]
    assert ours == theirs
    assert [len(text.of_base(folder).answer(label)) for label in LABELS] == [2, 2]


def test_the_same_inputs_give_the_same_bytes(task, trained):
    assert train(task, "again")["result"]["artifact_digest"] == trained["artifact_digest"]


def test_another_seed_gives_another_model(task, trained):
    other = train(task, "seeded", replace(RECIPE, seed=5, epochs=0.2))["result"]
    assert other["artifact_digest"] != trained["artifact_digest"]


def test_a_stopped_run_resumes_to_the_same_bytes_under_the_next_number(task, trained, monkeypatch):
    polls = iter(range(1000))
    monkeypatch.setattr(
        JobFolder, "stop_requested", lambda job: job.path.name == "stopped" and next(polls) >= 17
    )
    assert train(task, "stopped", work="resumed", fence=1)["reason"] == "STOPPED"
    monkeypatch.undo()
    resumed = train(task, "resumed", work="resumed", fence=2)
    assert resumed["result"]["artifact_digest"] == trained["artifact_digest"]
    lines = [json.loads(line) for line in (task.folder / "jobs/resumed/curve.jsonl").read_text().splitlines()]
    assert lines[0]["step"] == 18


DEFAULT = replace(
    RECIPE, epochs=0.0, max_chars=0, prompt_tokens=0, token_dropout=0.3, averaging=0.9, label_prior=1.0
)
"""The default recipe of a model from scratch, in small."""


def test_the_default_recipe_learns_and_resumes_to_the_same_bytes(task, monkeypatch):
    whole = train(task, "default", DEFAULT)["result"]
    assert whole["metrics"]["validation_macro_f1"] > 0.95
    polls = iter(range(1000))
    monkeypatch.setattr(JobFolder, "stop_requested", lambda _: next(polls) >= 47)
    assert train(task, "default-stopped", DEFAULT, work="default-resumed", fence=1)["reason"] == "STOPPED"
    monkeypatch.undo()
    resumed = train(task, "default-resumed", DEFAULT, work="default-resumed", fence=2)["result"]
    assert resumed["artifact_digest"] == whole["artifact_digest"]


def test_a_prior_of_the_labels_shows_before_the_first_step(task, tmp_path):
    spec = task.spec("prior", DEFAULT)
    prepare(spec, DEFAULT, tmp_path / "prepared", lambda _: None)
    corpus = Corpus(tmp_path / "prepared" / "train.npz")
    odds = corpus.label_odds(DEFAULT.architecture.vocab_size)
    spam = text.of_base(tmp_path / "prepared" / "tokenizer").prompts(["free prize winner"])[0][2:-1]
    assert odds.shape == (2, 400)
    assert odds[1, spam].sum() > odds[0, spam].sum() + 1
    assert not odds[:, :5].any(), "special tokens tell nothing"
    assert torch.equal(
        models.build(DEFAULT, tmp_path / "prepared").get_input_embeddings().weight,
        models.build(DEFAULT, tmp_path / "prepared").get_input_embeddings().weight,
    )


def test_tokens_are_left_out_of_texts_alone_and_the_same_ones_whoever_asks(task, trained):
    corpus = Corpus(task.folder / "work" / "trained" / "prepared" / "train.npz")
    thin = corpus.thinned([3, 5, 8], 0.5, 1, 7)
    alone = corpus.thinned([5], 0.5, 1, 7)
    assert thin.lengths[1] == alone.lengths[0] < corpus.lengths[5]
    assert torch.equal(thin.batch([1]).ids, alone.batch([0]).ids)
    whole, thinned = corpus.batch([5]).ids[0].tolist(), alone.batch([0]).ids[0].tolist()
    assert thinned[:2] == whole[:2]
    assert thinned[-3:] == whole[-3:], "the assistant's mark and the answer stay"
    assert corpus.thinned([5], 0.0, 1, 7).batch([0]).ids.tolist() == [whole]


def test_chinese_gets_tokens_of_words_not_of_clauses():
    texts = ["质量非常好，物流也快，下次还来", "服务态度很好，下次还来"] * 20
    chinese = text.train_tokenizer(texts, LABELS, 2000)
    longest = max(len(token) for token in chinese.get_vocab() if not token.startswith("<"))
    assert longest <= 9
    assert max(map(len, text.train_tokenizer(["internationalisation"] * 20, LABELS, 2000).get_vocab())) > 9


def test_where_texts_are_cut_is_chosen_and_stated(task, tmp_path):
    wide = replace(DEFAULT, architecture=replace(DEFAULT.architecture, max_positions=512))
    spec = task.spec("cut", wide)
    prepared = prepare(spec, wide, tmp_path / "prepared", lambda _: None)
    limit = json.loads((prepared / "tokenizer" / "ratoon.json").read_text())
    longest = max(len(body) for _, body, _ in rows(240, seed=1))
    assert longest <= limit["max_prompt_characters"] < longest + 10
    assert limit["cut_share"] == 0.0
    assert 10 <= limit["max_prompt_tokens"] < 120
    short = replace(DEFAULT, max_chars=20)
    prepared = prepare({**spec}, short, tmp_path / "short", lambda _: None)
    limit = json.loads((prepared / "tokenizer" / "ratoon.json").read_text())
    assert (limit["max_prompt_characters"], limit["cut_share"]) == (20, 1.0)


def test_a_worker_that_was_overtaken_publishes_nothing(task, tmp_path):
    old, new = Checkpoints(tmp_path, 1), Checkpoints(tmp_path, 2)
    old.claim()
    old.save("step-000000001", {"w": torch.ones(2)}, {"step": 1})
    new.claim()
    with pytest.raises(StaleWorker):
        old.save("step-000000002", {"w": torch.ones(2)}, {"step": 2})
    with pytest.raises(StaleWorker):
        old.claim()
    assert new.latest().state == {"step": 1}


def test_a_checkpoint_saved_in_the_background_holds_its_own_step(tmp_path):
    checkpoints = Checkpoints(tmp_path, 1)
    checkpoints.claim()
    weights, epochs = torch.ones(2), [[0, 1, 0.5]]
    busy = threading.Event()
    checkpoints._writer.submit(busy.wait)
    checkpoints.save_later(1, {"w": weights}, {"step": 1, "epochs": epochs})
    weights += 1
    epochs.append([1, 2, 0.4])
    busy.set()
    checkpoints.wait()
    assert checkpoints.latest().state == {"step": 1, "epochs": [[0, 1, 0.5]]}
    assert checkpoints.latest().tensors["w"].tolist() == [1.0, 1.0]
    checkpoints.close()


def test_a_damaged_checkpoint_is_passed_over(tmp_path):
    checkpoints = Checkpoints(tmp_path, 1)
    checkpoints.claim()
    for step in (1, 2):
        checkpoints.save_later(step, {"w": torch.full((2,), float(step))}, {"step": step})
    checkpoints.wait()
    newest = sorted(tmp_path.glob("step-*"))[-1]
    newest.write_bytes(newest.read_bytes()[:-1])
    assert checkpoints.latest().state == {"step": 1}
    checkpoints.close()


def test_a_loss_that_is_no_number_is_named(task, monkeypatch):
    usual = objective.losses

    def broken(*args: Any, **named: Any) -> objective.Losses:
        return objective.Losses(usual(*args, **named).answer * math.nan, torch.zeros(()))

    monkeypatch.setattr(objective, "losses", broken)
    outcome = train(task, "nan")
    assert outcome["reason"] == "LOSS_NOT_FINITE"
    assert "lower recipe.learning_rate" in outcome["message"]


def test_a_run_that_needs_more_memory_than_it_may_have_is_named(task, children):
    recipe = replace(RECIPE, batch_size=240, architecture=replace(RECIPE.architecture, vocab_size=20_000))
    spec = task.spec("hungry", recipe, memory_limit_bytes=200_000_000)
    job = task.job("hungry", spec)
    prepare(spec, recipe, TrainingTask.of_spec(spec, job).prepared, lambda _: None)
    children.run(job)
    assert read_outcome(job)["reason"] == "OUT_OF_MEMORY"


@pytest.mark.parametrize(
    ("part", "error", "says"),
    [
        ([], DataEmpty, "has no record: the labelled records are too few"),
        ([("1", "text", "eggs")], DataMalformed, "eggs"),
        ([("1", "text", None)], DataMalformed, "None"),
    ],
)
def test_a_split_that_cannot_be_trained_on_is_refused(task, tmp_path, part, error, says):
    spec = {**task.spec("bad"), "train": task.part("bad", part)}
    with pytest.raises(error, match=says):
        prepare(spec, RECIPE, tmp_path / "prepared", lambda _: None)
    assert not list(tmp_path.iterdir())


def test_bytes_that_are_no_parquet_are_refused(task, tmp_path):
    spec = {**task.spec("bad"), "train": task.store.put_bytes(b"no parquet")}
    with pytest.raises(DataMalformed, match="not a Parquet file"):
        prepare(spec, RECIPE, tmp_path / "prepared", lambda _: None)


def test_a_base_with_constant_weights_is_refused(task, folder, tmp_path):
    from transformers import AutoModelForCausalLM

    model = AutoModelForCausalLM.from_pretrained(folder)
    torch.nn.init.constant_(model.model.layers[0].mlp.up_proj.weight, 0.5)
    model.save_pretrained(tmp_path / "base")
    with pytest.raises(ConstantWeights, match=r"up_proj\.weight are 0\.5"):
        models.build(replace(RECIPE, method=Method.CONTINUE), tmp_path)


def test_a_continued_model_keeps_its_tokenizer_and_moves_its_weights(task, trained, folder):
    recipe = replace(
        RECIPE, method=Method.CONTINUE, epochs=1.0, learning_rate=1e-3, language_model_weight=0.0
    )
    result = train(task, "continued", recipe, base=trained["artifact_digest"])["result"]
    assert result["metrics"]["validation_macro_f1"] > 0.95
    continued = task.fetch(result["artifact_digest"], "continued")
    for name in ("tokenizer.json", "chat_template.jinja", "generation_config.json"):
        assert (continued / name).read_bytes() == (folder / name).read_bytes()
    assert (continued / "model.safetensors").read_bytes() != (folder / "model.safetensors").read_bytes()
    assert (
        json.loads((continued / "recipe.json").read_text())["base_artifact_digest"]
        == trained["artifact_digest"]
    )


def test_an_adapter_is_trained_beside_a_base_that_stays(task, trained, folder):
    from peft import PeftModel
    from transformers import AutoModelForCausalLM

    recipe = replace(RECIPE, method=Method.LORA, lora_rank=4, epochs=1.0, language_model_weight=0.0)
    result = train(task, "adapter", recipe, base=trained["artifact_digest"])["result"]
    adapter = task.fetch(result["artifact_digest"], "adapter")
    assert (adapter / "adapter_model.safetensors").exists()
    assert not (adapter / "model.safetensors").exists()
    loaded = PeftModel.from_pretrained(AutoModelForCausalLM.from_pretrained(folder), adapter)
    moved = [p for name, p in loaded.named_parameters() if "lora_B" in name]
    assert moved
    assert all(bool(p.abs().sum() > 0) for p in moved)
    generation = json.loads((adapter / "generation_config.json").read_text())
    assert (generation["do_sample"], generation["max_new_tokens"]) == (False, 8), "as whole models do"
    assert json.loads((adapter / "ratoon.json").read_text())["max_prompt_characters"] == 80
    config = json.loads((adapter / "adapter_config.json").read_text())
    assert config["target_modules"] == sorted(config["target_modules"]), "the same bytes in every process"
    assert (adapter / "config.json").read_bytes() == (folder / "config.json").read_bytes()


def test_a_run_goes_on_from_an_adapter_beside_the_same_base(task, trained):
    from safetensors.torch import load_file

    recipe = replace(RECIPE, method=Method.LORA, lora_rank=4, epochs=0.5, language_model_weight=0.0)
    first = train(task, "adapter-1", recipe, base=trained["artifact_digest"])["result"]
    slow = replace(recipe, learning_rate=1e-6)
    second = train(task, "adapter-2", slow, base=first["artifact_digest"])["result"]
    folders = [
        task.fetch(each["artifact_digest"], f"adapter-{at}") for at, each in enumerate((first, second))
    ]
    recorded = json.loads((folders[1] / "recipe.json").read_text())
    assert recorded["base_artifact_digest"] == trained["artifact_digest"]
    assert recorded["adapter_artifact_digest"] == first["artifact_digest"]
    before, after = (load_file(each / "adapter_model.safetensors") for each in folders)
    assert before.keys() == after.keys()
    assert any(bool((before[name] != after[name]).any()) for name in before)
    assert all(torch.allclose(before[name], after[name], atol=1e-3) for name in before)


def test_the_template_of_a_model_made_elsewhere_is_made_to_cut(task, tmp_path):
    from transformers import AutoTokenizer

    foreign = tiny_llama(tmp_path / "foreign", hidden=32, layers=1)
    (foreign / "recipe.json").unlink()
    template = foreign / "chat_template.jinja"
    template.write_text(template.read_text().replace("[:400]", ""))
    recipe = replace(RECIPE, method=Method.LORA, max_chars=12)
    spec = task.spec("foreign", recipe, base=task.store.put_tree(foreign))
    prepared = prepare(spec, recipe, Path(spec["work"]) / "prepared", lambda _: None)
    chat = [
        {"role": "user", "content": "mail number one and more"},
        {"role": "assistant", "content": "spam and much more"},
    ]
    rendered = AutoTokenizer.from_pretrained(prepared / "tokenizer").apply_chat_template(chat, tokenize=False)
    assert rendered == "<s><|user|>mail number <|assistant|>spam and much more</s>"
    with np.load(prepared / "train.npz") as arrays:
        tokens = arrays["tokens"][: arrays["offsets"][1]].tolist()
    first = min(rows(240, seed=1))
    assert tokens == text.of_base(prepared / "tokenizer").prompts([first[1]])[0] + tokens[-2:]


def test_packed_samples_have_the_losses_and_gradients_of_samples_alone(task, trained):
    corpus = Corpus(task.folder / "work" / "trained" / "prepared" / "train.npz")
    alone, grads = losses_and_gradients(corpus)
    together, packed_grads = losses_and_gradients(corpus, packed=True)
    assert together == pytest.approx(alone, rel=1e-5)
    for name, grad in grads.items():
        assert torch.allclose(grad, packed_grads[name], rtol=1e-3, atol=1e-4), name


def test_a_sample_in_a_packed_row_does_not_see_the_others(task, trained):
    corpus = Corpus(task.folder / "work" / "trained" / "prepared" / "train.npz")
    model = models.build(replace(RECIPE, packed=True), Path())
    with torch.no_grad():
        alone = [objective.losses(model, corpus.packed([index]), language=True) for index in (0, 1)]
        both = objective.losses(model, corpus.packed([0, 1]), language=True)
    assert float(both.answer) == pytest.approx(sum(float(each.answer) for each in alone), rel=1e-6)
    assert float(both.language) == pytest.approx(sum(float(each.language) for each in alone), rel=1e-6)


def test_samples_side_by_side_attend_to_what_they_do_one_by_one(task, trained, monkeypatch):
    corpus = Corpus(task.folder / "work" / "trained" / "prepared" / "train.npz")
    first, grads = losses_and_gradients(corpus, packed=True)
    monkeypatch.setattr(packing, "one_by_one", packing.side_by_side)
    second, others = losses_and_gradients(corpus, packed=True)
    assert second == pytest.approx(first, rel=1e-5)
    for name, grad in grads.items():
        assert torch.allclose(grad, others[name], rtol=1e-3, atol=1e-4), name


def test_a_packed_run_ends_where_the_unpacked_one_does(task, trained, folder):
    result = train(task, "packed", replace(RECIPE, packed=True))["result"]
    packed = task.fetch(result["artifact_digest"], "packed")
    assert result["metrics"]["tokens"] == trained["metrics"]["tokens"]
    assert result["metrics"]["validation_loss"] == pytest.approx(
        trained["metrics"]["validation_loss"], abs=1e-2
    )
    assert (packed / "config.json").read_bytes() == (folder / "config.json").read_bytes()


def test_a_bad_base_is_named(task, tmp_path):
    (tmp_path / "notes.txt").write_text("no model")
    spec = task.spec("baseless", replace(RECIPE, method=Method.CONTINUE), base=task.store.put_tree(tmp_path))
    with pytest.raises(Exception, match="no readable tokenizer"):
        prepare(
            spec, replace(RECIPE, method=Method.CONTINUE), Path(spec["work"]) / "prepared", lambda _: None
        )


def test_the_learning_rate_procedure_leaves_its_trace(task):
    result = train(task, "searched", replace(RECIPE, sweep="lr-procedure", epochs=0.5))["result"]
    training = json.loads((task.fetch(result["artifact_digest"], "searched") / "training.json").read_text())
    trials = training["learning_rate_trials"]
    assert trials[0]["rate"] == 0.01
    assert result["metrics"]["learning_rate"] == trials[-1]["rate"]
    assert len(trials[0]["losses"]) > 5
    assert trials[0].keys() == {"rate", "losses", "judgement"}, "names of a published file do not change"


def test_weights_begin_by_the_procedures():
    torch.manual_seed(0)
    model = decoders.from_scratch(replace(RECIPE.architecture, hidden_size=128, heads=4))
    layer = model.model.layers[0]
    assert float(layer.mlp.gate_proj.weight.detach().std()) == pytest.approx(math.sqrt(2 / 128), rel=0.05)
    assert float(layer.self_attn.q_proj.weight.detach().std()) == pytest.approx(0.02, rel=0.05)
    assert bool((layer.input_layernorm.weight == 1).all())


def test_a_text_of_many_tokens_a_character_fits_into_the_positions():
    texts = ["the quick brown fox jumps over the lazy dog " * 20] * 400 + ["\U0001f9ff\U0001fac0" * 400] * 30
    tokenizer = text.train_tokenizer(texts[:400], LABELS, 512)
    limit = text.limit_for(tokenizer, texts, 0, 0, positions=128)
    assert 0 < limit.max_tokens <= 128 - RESERVED_POSITIONS
    longest = "xq7" * 1_000
    assert len(tokenizer.encode(longest[: limit.max_characters]).ids) <= 128 - RESERVED_POSITIONS
