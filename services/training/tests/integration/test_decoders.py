"""Decoders of every family from scratch, optimizers stopped and resumed, tokenizers, growth, vocabulary, merging."""

import json
import sys
from dataclasses import replace
from typing import Any

import pytest
import torch

from ratoon_training.domain.architectures import (
    PRESETS,
    Architecture,
    ExpertGrowth,
    Family,
    GrowthSource,
    Preset,
    RopeScaling,
    TokenizerKind,
)
from ratoon_training.domain.errors import BadBaseModel, BadRecipe
from ratoon_training.domain.optimization import Lora, Optimization, Optimizer, Quantization, Schedule
from ratoon_training.domain.recipes import Method, Recipe
from ratoon_training.worker import decoders, models, packing, vocabulary
from ratoon_training.worker.corpus import Corpus
from ratoon_training.worker.optimizers import Pair
from ratoon_training.worker.tokenizer_kinds import trained

from .architectures import tiny
from .conftest import RECIPE, TINY, Task, rows, train, train_once
from .test_resume import Runs

GROUPED = replace(TINY, hidden_size=64, heads=2, key_value_heads=1, layers=2, gate_size=96)
MOE = replace(GROUPED, experts=4, experts_per_token=2)
SHAPES = {
    "llama": replace(GROUPED, rope_scaling=RopeScaling.LLAMA3, rope_factor=2.0, tied=False),
    "linear": replace(GROUPED, rope_scaling=RopeScaling.LINEAR, rope_factor=4.0),
    "yarn": replace(GROUPED, rope_scaling=RopeScaling.YARN, rope_factor=2.0, rope_theta=5e5),
    "qwen3": replace(GROUPED, family=Family.QWEN3, head_size=64),
    "mistral": replace(GROUPED, family=Family.MISTRAL, sliding_window=16),
    "gemma": replace(GROUPED, family=Family.GEMMA, head_size=64),
    "mixtral": replace(MOE, family=Family.MIXTRAL, sliding_window=16),
    "qwen3_moe": replace(MOE, family=Family.QWEN3_MOE, tied=False),
    "olmoe": replace(MOE, family=Family.OLMOE),
}


def weights(model: Any) -> int:
    return sum(parameter.numel() for parameter in model.parameters())


@pytest.mark.parametrize("name", SHAPES)
def test_the_plan_knows_the_exact_number_of_weights(name):
    torch.manual_seed(0)
    shape = SHAPES[name]
    model = decoders.from_scratch(shape)
    assert weights(model) == shape.parameters
    gates = [p for key, p in model.named_parameters() if key.endswith("gate_proj.weight")]
    stacked = [p.chunk(2, dim=1)[0] for key, p in model.named_parameters() if key.endswith("gate_up_proj")]
    for gate in (each.detach() for each in (*gates, *stacked)):
        assert float(gate.std()) == pytest.approx((2 / shape.hidden_size) ** 0.5, rel=0.05), "He before SiLU"
    for key, parameter in model.named_parameters():
        if parameter.ndim > 1:
            assert not torch.equal(parameter.min(), parameter.max()), key


@pytest.mark.parametrize("preset", [Preset.SMOLLM2_135M, Preset.QWEN3_600M])
def test_presets_are_the_published_models(preset):
    """The configuration of SmolLM2-135M and Qwen3-0.6B, as their publishers state it."""
    shape = PRESETS[preset]
    with torch.device("meta"):
        config = decoders.config_of(shape)
        model = models.loader(config.model_type)
        built = model.from_config(config) if hasattr(model, "from_config") else model(config)
    assert weights(built) == shape.parameters


@pytest.mark.parametrize("name", ["mistral", "mixtral", "olmoe"])
def test_packed_rows_have_the_states_of_rows_of_their_own(name):
    torch.manual_seed(0)
    model = decoders.from_scratch(SHAPES[name]).eval()
    ids = torch.randint(5, 300, (1, 40))
    with torch.no_grad():
        plain = model(input_ids=ids, use_cache=False).logits
        packing.allow(model)
        assert (model(input_ids=ids, use_cache=False).logits - plain).abs().max() < 1e-4


def test_a_window_hides_what_is_before_it():
    torch.manual_seed(0)
    model = decoders.from_scratch(replace(SHAPES["mistral"], layers=1)).eval()
    ids = torch.randint(5, 300, (1, 40))
    other = ids.clone()
    other[0, 0] += 1
    with torch.no_grad():
        before, after = (model(input_ids=each, use_cache=False).logits[0] for each in (ids, other))
    assert not torch.equal(before[15], after[15])
    assert torch.equal(before[16:], after[16:])


OPTIMIZERS = {
    "ADAMW": Optimization(schedule=Schedule.LINEAR),
    "ADAM": Optimization(Optimizer.ADAM, l1=1e-5),
    "SGD": Optimization(Optimizer.SGD, schedule=Schedule.CONSTANT),
    "RMSPROP": Optimization(Optimizer.RMSPROP, momentum=0.9, warmup_steps=3),
    "ADAGRAD": Optimization(Optimizer.ADAGRAD, dropout=0.1),
    "MUON": Optimization(Optimizer.MUON, schedule=Schedule.WARMUP_STABLE_DECAY),
}


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_each_optimizer_resumes_with_the_bits_of_a_run_that_was_not_stopped(task, monkeypatch, name):
    """T13, for the state of every optimizer; the loss falls as well."""
    recipe = replace(
        RECIPE,
        architecture=SHAPES["qwen3_moe" if name == "MUON" else "llama"],
        batch_size=4,
        epochs=2.0,
        weight_decay=0.01,
        learning_rate=0.1 if name == "SGD" else 0.005,
        optimization=OPTIMIZERS[name],
    )
    runs = Runs(task, "", recipe, monkeypatch)
    whole = runs.run(f"{name}-whole")
    losses = [loss for _, (loss, _) in sorted(runs.curve(f"{name}-whole").items())]
    assert losses[-1] < losses[0]
    assert runs.run(f"{name}-a", f"{name}-cut", stop_after=3)["reason"] == "STOPPED"
    resumed = runs.run(f"{name}-b", f"{name}-cut", fence=2)
    assert resumed["result"]["artifact_digest"] == whole["result"]["artifact_digest"]


def test_muon_leaves_embeddings_and_vectors_to_adamw(task):
    from ratoon_training.worker import optimizers

    model = decoders.from_scratch(SHAPES["llama"])
    named = dict(model.named_parameters())
    recipe = replace(RECIPE, optimization=Optimization(Optimizer.MUON))
    pair = optimizers.build(named, recipe, models.embeddings(model))
    assert isinstance(pair, Pair)
    muon = {id(p) for group in pair.members[0].param_groups for p in group["params"]}
    names = {name for name, parameter in named.items() if id(parameter) in muon}
    assert names == {name for name in named if "_proj" in name}


def test_a_budget_of_tokens_ends_a_run(task):
    corpus_tokens = train(task, "budget-all", replace(RECIPE, epochs=2.0))["result"]["metrics"]["tokens"]
    budget = replace(RECIPE, epochs=2.0, optimization=Optimization(token_budget=round(corpus_tokens / 2)))
    cut = train(task, "budget-half", budget)["result"]["metrics"]
    assert cut["tokens"] == pytest.approx(corpus_tokens / 2, rel=0.15)


@pytest.mark.parametrize("kind", list(TokenizerKind))
def test_a_model_learns_the_task_with_each_tokenizer(task, kind):
    """Its tokenizer is loaded by transformers, and gives the same tokens."""
    from transformers import AutoTokenizer

    shape = replace(TINY, tokenizer=kind, vocab_size=400)
    outcome = train(task, f"tokens-{kind}", replace(RECIPE, architecture=shape, epochs=4.0))
    assert outcome["result"]["metrics"]["validation_accuracy"] > 0.9
    folder = task.fetch(outcome["result"]["artifact_digest"], f"tokens-{kind}")
    loaded = AutoTokenizer.from_pretrained(folder)
    ids = loaded.apply_chat_template([{"role": "user", "content": "Cheap loan: agenda 7 ж"}], tokenize=True)
    ids = ids["input_ids"] if not isinstance(ids, list) else ids
    from ratoon_training.worker.text import of_base

    speech = of_base(folder)
    assert list(ids) == speech.encode(
        speech.rendered([{"role": "user", "content": "Cheap loan: agenda 7 ж"}])
    )
    unknown = speech.tokenizer.token_to_id("<unk>")
    assert (unknown in ids) == (kind is not TokenizerKind.BYTE_BPE)


@pytest.mark.parametrize("kind", list(TokenizerKind))
def test_a_tokenizer_is_a_function_of_its_texts_and_writes_what_it_reads(kind):
    texts = [
        f"{text} ## 数据库 x_{number}\n\tдва  слова" for number, (_, text, _) in enumerate(rows(150, seed=4))
    ]
    first, second = (trained(kind, texts, 700, ["<pad>", "<s>"], digits=True) for _ in range(2))
    assert first.to_str() == second.to_str()
    assert first.get_vocab_size() <= 700
    assert [first.id_to_token(number) for number in range(2)] == ["<pad>", "<s>"]
    for text in texts:
        ids = first.encode(text, add_special_tokens=False).ids
        assert first.decode(ids, skip_special_tokens=False) == text


def mixtral(task: Task) -> str:
    """The digest of a tiny Mixtral."""
    recipe = replace(RECIPE, architecture=SHAPES["mixtral"], epochs=1.0)
    digest: str = train_once(task, "moe", recipe)["result"]["artifact_digest"]
    return digest


def grown(task: Task, name: str, source: GrowthSource, **changes: Any) -> tuple[dict[str, Any], Any, Any]:
    """The outcome of a growth of a tiny Mixtral by two experts, and the weights before and after."""
    first, shape = mixtral(task), SHAPES["mixtral"]
    recipe = replace(
        RECIPE,
        method=Method.CONTINUE,
        architecture=shape,
        epochs=1.0,
        weight_decay=0.0,
        averaging=0.9,
        expert_growth=ExpertGrowth(2, source),
        **changes,
    ).checked()
    outcome = train(task, name, recipe, base=first)
    before, after = (
        models.whole(task.fetch(digest, f"{name}-{place}"), None)
        for place, digest in enumerate((first, outcome["result"]["artifact_digest"]))
    )
    return outcome["result"], before, after


@pytest.mark.parametrize(
    "source", [GrowthSource.COPY, pytest.param(GrowthSource.NOISE, marks=pytest.mark.thorough)]
)
def test_experts_are_added_and_all_else_stays_bit_by_bit(task, source):
    result, before, after = grown(task, f"grown-{source}", source)
    old, new = before.state_dict(), after.state_dict()
    assert old.keys() == new.keys()
    changed = {name for name in old if old[name].shape != new[name].shape}
    assert changed == {
        name for name in old if ".experts." in name or name.endswith(("gate.weight", "router.weight"))
    }
    for name, tensor in old.items():
        assert torch.equal(new[name][: len(tensor)], tensor), name
    assert after.config.num_local_experts == 6
    assert result["parameter_count"] == replace(SHAPES["mixtral"], experts=6).parameters


def test_the_loss_of_balance_is_that_of_transformers(task):
    """All experts alike busy cost nothing; places of padding do not count."""
    from ratoon_training.worker import balance
    from ratoon_training.worker.corpus import Batch

    torch.manual_seed(0)
    model = decoders.from_scratch(SHAPES["olmoe"])
    loss_of = balance.of(model)
    assert loss_of is not None
    ids = torch.randint(5, 300, (2, 12))
    expected = model(input_ids=ids, output_router_logits=True, use_cache=False).aux_loss
    none = torch.zeros(2, dtype=torch.long)
    whole = Batch(ids, torch.tensor([12, 12]), none, none, ids[:, 1:] > 0)
    weight = model.config.router_aux_loss_coef
    assert float(loss_of.loss(whole).detach()) == pytest.approx(weight * float(expected.detach()), rel=1e-6)
    padded = torch.cat([ids, torch.zeros(2, 5, dtype=torch.long)], dim=1)
    model(input_ids=padded, use_cache=False)
    cut = Batch(padded, torch.tensor([12, 12]), none, none, padded[:, 1:] > 0)
    assert float(loss_of.loss(cut).detach()) == pytest.approx(weight * float(expected.detach()), rel=1e-5)
    assert balance.of(decoders.from_scratch(SHAPES["llama"])) is None


def test_a_growth_resumes_with_the_same_bits(task, monkeypatch):
    recipe = replace(
        RECIPE, method=Method.CONTINUE, weight_decay=0.0, epochs=2.0, expert_growth=ExpertGrowth(1)
    )
    runs = Runs(task, "", recipe, monkeypatch)
    runs.options["base"] = mixtral(task)
    whole = runs.run("growth-whole")["result"]["artifact_digest"]
    assert runs.run("growth-a", "growth-cut", stop_after=3)["reason"] == "STOPPED"
    assert runs.run("growth-b", "growth-cut", fence=2)["result"]["artifact_digest"] == whole


def test_a_model_without_experts_does_not_grow(task, tmp_path):
    base = task.store.put_tree(tiny(tmp_path / "base", "qwen2"))
    recipe = replace(RECIPE, method=Method.CONTINUE, weight_decay=0.0, expert_growth=ExpertGrowth(1))
    assert train(task, "no-experts", recipe, base=base)["reason"] == "NO_EXPERTS"


def test_words_of_the_domain_make_texts_shorter_and_known(task):
    shape = replace(TINY, tokenizer=TokenizerKind.WORD, vocab_size=60)
    base = train(task, "few-words", replace(RECIPE, architecture=shape))["result"]["artifact_digest"]
    train_part = task.part(
        "new-words",
        [
            (f"{number:064x}", f"the zeppelin orbits {text}", label)
            for number, (_, text, label) in enumerate(rows(60, seed=8))
        ],
    )
    validation = task.part(
        "new-words-validation",
        [
            (f"{number:064x}", f"a zeppelin orbits {text}", label)
            for number, (_, text, label) in enumerate(rows(20, seed=9))
        ],
    )
    recipe = replace(
        RECIPE, method=Method.CONTINUE, domain_tokens=20, architecture=replace(shape, vocab_size=80)
    ).checked()
    outcome = train(task, "domain", recipe, base=base, train=train_part, validation=validation)
    metrics = outcome["result"]["metrics"]
    assert metrics["unknown_share_before"] > metrics["unknown_share"]
    folder = task.fetch(outcome["result"]["artifact_digest"], "domain")
    tokenizer = json.loads((folder / "tokenizer.json").read_text())
    added = {token["content"] for token in tokenizer["added_tokens"]}
    assert {"zeppelin", "orbits"} <= added
    assert metrics["new_tokens"] == len(added & set(vocabulary_words()))


def vocabulary_words() -> set[str]:
    """Words that the texts of the test above have."""
    from .conftest import _WORDS

    return {"zeppelin", "orbits", "mail", "the", *(word for words in _WORDS.values() for word in words)}


def test_words_are_chosen_by_the_tokens_that_they_save(task):
    tokenizer = trained(TokenizerKind.BYTE_BPE, ["the cat and the dog"] * 5, 300, ["<pad>"])
    texts = [
        "the kubernetes cluster",
        "a kubernetes cluster",
        "kubernetes once",
        "the 数据库 数据库 数据库 system",
    ]
    words = vocabulary.domain_words(tokenizer, texts, 3)
    assert words[0] == "kubernetes"
    assert "数据库" in words
    assert "once" not in words


@pytest.mark.parametrize(
    "lora",
    [
        Lora(alpha=4, merge=True),
        pytest.param(
            Lora(rank_stabilized=True, alpha=16, merge=True, targets=("q_proj", "down_proj")),
            marks=pytest.mark.thorough,
        ),
        Lora(dora=True, merge=True, dropout=0.1),
    ],
)
@pytest.mark.parametrize("kind", ["llama", pytest.param("qwen3", marks=pytest.mark.thorough)])
def test_a_merged_adapter_is_published_as_a_whole_model(task, tmp_path, lora, kind):
    """T24, T26: what is published is one model, which has the answers of base and adapter."""
    base = task.store.put_tree(tiny(tmp_path / "base", kind))
    recipe = replace(RECIPE, method=Method.LORA, lora_rank=4, lora=lora, learning_rate=0.01).checked()
    outcome = train(task, f"merged-{kind}-{hash(lora)}", recipe, base=base)
    folder = task.fetch(outcome["result"]["artifact_digest"], f"merged-{kind}-{hash(lora)}")
    assert not list(folder.glob("adapter*"))
    merged, original = models.whole(folder, None), models.whole(tmp_path / "base", None)
    changed = {
        name.rpartition(".")[0].rpartition(".")[2]
        for name, tensor in merged.state_dict().items()
        if not torch.equal(tensor, original.state_dict()[name])
    }
    assert changed == set(lora.targets) if lora.targets else len(changed) == 7


def test_an_adapter_is_merged_without_training(task, tmp_path):
    """The whole model has the logits of base and adapter (T24); it is the one that training would have published."""
    base = task.store.put_tree(tiny(tmp_path / "base", "qwen3"))
    recipe = replace(RECIPE, method=Method.LORA, lora_rank=4, learning_rate=0.01)
    adapter = train(task, "to-merge", recipe, base=base)["result"]["artifact_digest"]
    merge = replace(RECIPE, method=Method.MERGE, lora=Lora(merge=True)).checked()
    result = train(task, "merge", merge, base=adapter)["result"]
    assert result["metrics"]["steps"] == 0
    assert 0 <= result["metrics"]["validation_accuracy"] <= 1
    merged = models.whole(task.fetch(result["artifact_digest"], "merge"), None)
    expected = models.whole(task.fetch(adapter, "to-merge"), tmp_path / "base")
    for name, tensor in expected.state_dict().items():
        assert torch.equal(merged.state_dict()[name], tensor), name
    again = train(task, "merge-again", merge, base=adapter)["result"]
    assert again["artifact_digest"] == result["artifact_digest"]


def test_a_merge_that_differs_is_not_published(task, tmp_path, monkeypatch):
    base = task.store.put_tree(tiny(tmp_path / "base", "llama"))
    recipe = replace(RECIPE, method=Method.LORA, lora_rank=4, learning_rate=0.05, lora=Lora(merge=True))
    monkeypatch.setattr(models, "merged", lambda adapted: adapted.unload())
    assert train(task, "differs", recipe, base=base)["reason"] == "MERGE_DIFFERS"


def test_a_rank_stabilized_adapter_has_its_scale(task, tmp_path):
    """T26 b: 16 / sqrt(16) = 4."""
    folder = tiny(tmp_path / "base", "llama").parent
    model = models.build(
        Recipe(method=Method.LORA, lora_rank=16, lora=Lora(alpha=16, rank_stabilized=True)), folder
    )
    scales = {
        module.scaling["default"]
        for module in model.modules()
        if hasattr(module, "scaling") and isinstance(module.scaling, dict) and module.scaling
    }
    assert scales == {4.0}


NF4 = replace(
    RECIPE, method=Method.LORA, lora_rank=4, learning_rate=0.01, lora=Lora(quantization=Quantization.NF4)
)


def test_an_adapter_of_a_base_in_4_bits_fits_the_base_as_it_is(task, tmp_path):
    """QLoRA: the adapter learns, is the same in a second run, and answers on the base in float32."""
    pytest.importorskip("bitsandbytes")
    base = task.store.put_tree(tiny(tmp_path / "base", "llama"))
    first, again = (train(task, f"nf4-{at}", NF4.checked(), base=base)["result"] for at in range(2))
    assert again["artifact_digest"] == first["artifact_digest"]
    plain = train(task, "float32", replace(NF4, lora=Lora()).checked(), base=base)["result"]
    losses = [each["metrics"]["validation_loss"] for each in (first, plain)]
    assert losses[0] == pytest.approx(losses[1], rel=0.05)
    assert first["metrics"]["validation_accuracy"] > 0.5
    adapter = task.fetch(first["artifact_digest"], "nf4-0")
    merged, original = models.whole(adapter, tmp_path / "base"), models.whole(tmp_path / "base", None)
    name = "model.layers.0.self_attn.q_proj.weight"
    assert not torch.equal(merged.state_dict()[name], original.state_dict()[name])


def test_4_bits_need_a_package_that_the_error_names(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "bitsandbytes", None)
    with pytest.raises(BadRecipe, match="needs the package bitsandbytes"):
        models.build(NF4, tiny(tmp_path / "base", "llama").parent)


def test_targets_that_a_model_lacks_are_refused(tmp_path):
    """T26 e: `q_proj` on GPT-NeoX."""
    folder = tiny(tmp_path / "base", "gpt_neox").parent
    with pytest.raises(BadRecipe, match="q_proj, which gpt_neox does not have"):
        models.build(Recipe(method=Method.LORA, lora=Lora(targets=("q_proj",))), folder)


def test_growth_of_a_dense_model_names_the_models_that_can(tmp_path):
    folder = tiny(tmp_path / "base", "llama").parent
    from ratoon_training.worker import growth

    model = models.build(Recipe(method=Method.CONTINUE), folder)
    with pytest.raises(BadBaseModel, match="mixtral"):
        growth.grow(model, ExpertGrowth(1), object.__new__(Corpus))


def test_an_architecture_beyond_its_tokenizer_is_refused():
    with pytest.raises(BadRecipe, match="raise it, or choose the tokenizer BYTE_BPE"):
        trained(
            TokenizerKind.WORDPIECE, ["".join(chr(0x4E00 + number) for number in range(600))], 320, ["<pad>"]
        )


def test_the_default_is_the_llama_of_earlier_releases():
    assert decoders.config_of(Architecture()).model_type == "llama"
