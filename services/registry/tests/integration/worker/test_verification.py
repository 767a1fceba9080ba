"""Verification of real artifacts: what passes, what each fault is called, and that signatures and goldens hold."""

import json
import pickle
import shutil
import time
from io import BytesIO

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from peft import PeftModel
from safetensors.torch import load_file, save_file
from transformers import AutoModelForCausalLM

from ratoon.neural.parity import load, read
from ratoon.operations.jobs import JobFolder
from ratoon.process.errors import FailedPrecondition
from ratoon.storage.artifacts import ArtifactStore
from ratoon.storage.models import ModelFolder, fetch_model
from ratoon.tasks.compute import Dtype
from ratoon.testkit.models import tiny_adapter, tiny_llama
from ratoon.testkit.parity import write_packed
from ratoon_registry.adapters.seals import Sealer
from ratoon_registry.worker import golden, signature
from ratoon_registry.worker import job as verification
from ratoon_registry.worker.golden import NEAR_TIE, NoStablePrompt
from ratoon_registry.worker.inspection import UnfitArtifact
from ratoon_registry.worker.reload import AcceleratorMissing, Reloaded


def write_key(path):
    key = ec.generate_private_key(ec.SECP256R1())
    private = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    path.write_bytes(key.private_bytes(*private))
    public = (serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    path.with_suffix(".pub").write_bytes(key.public_key().public_bytes(*public))
    return path


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    return ArtifactStore(str(tmp_path_factory.mktemp("artifacts")))


@pytest.fixture(scope="module")
def key(tmp_path_factory):
    return write_key(tmp_path_factory.mktemp("keys") / "signing.pem")


@pytest.fixture(scope="module")
def source(store):
    sink = BytesIO()
    pq.write_table(
        pa.table({"text": [f"A sentence of its own, number {n}." for n in range(30)] + [None, "…"]}), sink
    )
    return store.put_bytes(sink.getvalue())


@pytest.fixture
def folder(tmp_path):
    return tiny_llama(tmp_path / "model", seed=3)


def verify(store, folder, key, tmp_path, **more):
    spec = {
        "artifacts": store.url,
        "artifact_digest": store.put_tree(folder),
        "signing_key": str(key),
        **more,
    }
    place = tmp_path / f"job-{time.monotonic_ns()}"
    place.mkdir()
    return verification.run(spec, JobFolder(place))


def test_a_sound_artifact_is_reloaded_described_signed_and_recorded(store, folder, key, source, tmp_path):
    card = {
        "name": "projects/p/models/mail/versions/v1.0",
        "changelog": "First.",
        "scores": {"macro_f1": 0.98},
    }
    result = verify(store, folder, key, tmp_path, card=card, golden_source_digest=source, golden_count=8)
    assert result["parameter_count"] == AutoModelForCausalLM.from_pretrained(folder).num_parameters()
    assert result["size_bytes"] == (folder / "model.safetensors").stat().st_size
    assert result["size_class"] == "SMALL"
    fetched = store.fetch_tree(result["artifact_digest"], tmp_path / "fetched")
    signed = store.fetch(result["signature_digest"], tmp_path / "model.sig")
    signature.verify(fetched, key.with_suffix(".pub"), signed)
    card = (fetched / "README.md").read_text()
    assert "# projects/p/models/mail/versions/v1.0" in card
    assert "| macro_f1 | 0.98 |" in card


def test_without_a_key_of_its_own_a_job_leaves_what_the_registry_signs(store, folder, key, tmp_path):
    result = verify(store, folder, "", tmp_path, golden_count=4)
    fetched = store.fetch_tree(result["artifact_digest"], tmp_path / "fetched")
    passing = store.fetch(result["signature_digest"], tmp_path / "passing.sig")
    with pytest.raises(signature.BadSignature):
        signature.verify(fetched, key.with_suffix(".pub"), passing)
    sealed = tmp_path / "model.sig"
    sealed.write_bytes(Sealer(key).sealed(passing.read_bytes()))
    signature.verify(fetched, key.with_suffix(".pub"), sealed)


@pytest.mark.parametrize("dtype", [Dtype.BFLOAT16, Dtype.FLOAT16])
def test_further_number_formats_record_the_same_tokens_in_that_format(
    store, folder, key, source, tmp_path, dtype
):
    spec = {"golden_source_digest": source, "golden_count": 8}
    plain = json.loads(store.read(verify(store, folder, key, tmp_path, **spec)["golden_digest"]))
    result = verify(store, folder, key, tmp_path, **spec, dtypes=[f"DTYPE_{dtype}", "DTYPE_FLOAT32"])
    recorded = json.loads(store.read(result["golden_digest"]))
    formats = recorded.pop("formats")
    assert (recorded, list(formats)) == (plain, [dtype.lower()])
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=getattr(torch, dtype.lower())).eval()
    for prompt, row in zip(recorded["prompts"], formats[dtype.lower()], strict=True):
        length, tokens = len(prompt["prompt_token_ids"]), prompt["tokens"]
        with torch.no_grad():
            ids = torch.tensor([prompt["prompt_token_ids"] + tokens])
            logprobs = model(ids).logits[0, length - 1 : -1].float().log_softmax(-1)
        assert row["logprobs"] == pytest.approx([float(logprobs[n, t]) for n, t in enumerate(tokens)])
        others = [
            max(float(p) for t, p in enumerate(logprobs[n]) if t != own) for n, own in enumerate(tokens)
        ]
        assert row["second_logprobs"] == pytest.approx(others)
        assert row["logprobs"] != prompt["logprobs"]


def test_an_adapter_is_merged_before_it_is_rounded(store, tmp_path):
    base = tiny_llama(tmp_path / "base", seed=1)
    adapter = tiny_adapter(tmp_path / "adapter", base, store.put_tree(base), seed=2)
    fetched = fetch_model(store, store.put_tree(adapter), tmp_path / "models")
    reloaded = Reloaded(fetched)
    exact = reloaded.continuation_logprobs([1, 5, 9], [7, 8])
    with reloaded.cast(Dtype.BFLOAT16):
        cast = reloaded.continuation_logprobs([1, 5, 9], [7, 8])
    merged = PeftModel.from_pretrained(AutoModelForCausalLM.from_pretrained(base), adapter).merge_and_unload()
    merged.save_pretrained(tmp_path / "merged")
    rounded = AutoModelForCausalLM.from_pretrained(tmp_path / "merged", dtype=torch.bfloat16).eval()
    with torch.no_grad():
        expected = rounded(torch.tensor([[1, 5, 9, 7, 8]])).logits[0, 2:-1].float().log_softmax(-1)
    assert torch.equal(cast, expected)
    assert not torch.equal(exact, cast)
    assert torch.equal(reloaded.continuation_logprobs([1, 5, 9], [7, 8]), exact)


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is an NVIDIA GPU here")
def test_a_missing_gpu_is_refused_before_the_artifact_is_fetched(store, key, tmp_path):
    place = tmp_path / "job"
    place.mkdir()
    spec = {"artifacts": store.url, "artifact_digest": "0" * 64, "signing_key": str(key)}
    with pytest.raises(AcceleratorMissing, match="no NVIDIA GPU") as refused:
        verification.run(spec | {"compute": {"accelerator": "ACCELERATOR_CUDA"}}, JobFolder(place))
    assert refused.value.reason == "ACCELERATOR_UNAVAILABLE"


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no NVIDIA GPU here")
def test_a_gpu_records_what_the_cpu_does(store, folder, key, source, tmp_path):
    spec = {"golden_source_digest": source, "golden_count": 8, "dtypes": ["DTYPE_BFLOAT16"]}
    results = [
        verify(store, folder, key, tmp_path, **spec, compute={"accelerator": f"ACCELERATOR_{kind}"})
        for kind in ("CPU", "CUDA")
    ]
    cpu, gpu = (json.loads(store.read(result["golden_digest"])) for result in results)
    for ours, theirs in zip(cpu["prompts"], gpu["prompts"], strict=True):
        assert ours["tokens"] == theirs["tokens"]
        assert ours["logprobs"] == pytest.approx(theirs["logprobs"], abs=1e-3)
    for ours, theirs in zip(cpu["formats"]["bfloat16"], gpu["formats"]["bfloat16"], strict=True):
        assert ours["logprobs"] == pytest.approx(theirs["logprobs"], abs=0.25)


def test_golden_prompts_are_what_transformers_says(store, folder, key, source, tmp_path):
    result = verify(store, folder, key, tmp_path, golden_source_digest=source, golden_count=8)
    prompts = json.loads(store.read(result["golden_digest"]))["prompts"]
    model = AutoModelForCausalLM.from_pretrained(folder).eval()
    assert 4 <= len(prompts) <= 8
    assert any(prompt["prompt_token_ids"][-1] != 4 for prompt in prompts), "some break off in a text"
    for prompt in prompts:
        ids = prompt["prompt_token_ids"] + prompt["tokens"]
        with torch.no_grad():
            logprobs = model(torch.tensor([ids])).logits[0].log_softmax(-1)
        places = range(len(prompt["prompt_token_ids"]) - 1, len(ids) - 1)
        for place, token, best, second in zip(
            places, prompt["tokens"], prompt["logprobs"], prompt["second_logprobs"], strict=True
        ):
            assert int(logprobs[place].argmax()) == token
            assert float(logprobs[place, token]) == pytest.approx(best, abs=1e-3)
            assert best - second >= NEAR_TIE


def test_other_weights_give_other_golden_prompts(store, folder, key, source, tmp_path):
    other = tiny_llama(tmp_path / "other", seed=4)
    digests = {
        verify(store, each, key, tmp_path, golden_source_digest=source)["golden_digest"]
        for each in (folder, other)
    }
    assert len(digests) == 2


def test_verifying_twice_gives_the_same_artifact(store, folder, key, tmp_path):
    first, second = (verify(store, folder, key, tmp_path) for _ in range(2))
    assert first["artifact_digest"] == second["artifact_digest"]
    assert first["golden_digest"] == second["golden_digest"]
    again = tmp_path / "again"
    store.fetch_tree(first["artifact_digest"], again)
    assert verify(store, again, key, tmp_path)["artifact_digest"] == first["artifact_digest"]


def test_a_changed_file_breaks_the_signature(store, folder, key, tmp_path):
    signed = signature.sign(folder, key, tmp_path / "model.sig")
    (folder / "config.json").write_text((folder / "config.json").read_text() + " ")
    with pytest.raises(signature.BadSignature, match=r"config\.json"):
        signature.verify(folder, key.with_suffix(".pub"), signed)


def test_an_added_file_breaks_the_signature(folder, key, tmp_path):
    signed = signature.sign(folder, key, tmp_path / "model.sig")
    (folder / "more.txt").write_text("more")
    with pytest.raises(signature.BadSignature):
        signature.verify(folder, key.with_suffix(".pub"), signed)


def test_another_key_does_not_verify(folder, key, tmp_path):
    signed = signature.sign(folder, key, tmp_path / "model.sig")
    stranger = write_key(tmp_path / "stranger.pem")
    with pytest.raises(signature.BadSignature):
        signature.verify(folder, stranger.with_suffix(".pub"), signed)


def truncate(folder):
    weights = folder / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-100])


def spoil(folder, change):
    tensors = load_file(folder / "model.safetensors")
    change(tensors)
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})


def with_auto_map(folder):
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"auto_map": {"AutoModel": "own.Model"}}))


def with_more_tokens(folder, more):
    file = folder / "tokenizer.json"
    tokenizer = json.loads(file.read_text())
    last = max(token["id"] for token in tokenizer["added_tokens"])
    for number in range(last + 1, last + 1 + more):
        tokenizer["added_tokens"].append(
            {**tokenizer["added_tokens"][-1], "id": number, "content": f"<more{number}>"}
        )
    file.write_text(json.dumps(tokenizer))


FAULTS = {
    "PICKLE_FOUND": lambda folder: (folder / "model.safetensors").rename(folder / "pytorch_model.bin"),
    "CODE_FOUND": with_auto_map,
    "CHAT_TEMPLATE_FAILS": lambda folder: (folder / "chat_template.jinja").write_text(
        "{{ raise_exception(1) }}"
    ),
    "TOKENIZER_MISMATCH": lambda folder: with_more_tokens(folder, 9),
    "FILE_MISSING": lambda folder: (folder / "tokenizer.json").unlink(),
    "WEIGHTS_MISSING": lambda folder: (folder / "model.safetensors").unlink(),
    "WEIGHTS_DAMAGED": truncate,
    "JSON_DAMAGED": lambda folder: (folder / "config.json").write_text("{"),
    "NOT_LOADABLE": lambda folder: (folder / "config.json").write_text('{"model_type": "no-such-thing"}'),
    "WEIGHTS_MISMATCH": lambda folder: spoil(folder, lambda tensors: tensors.pop("model.norm.weight")),
    "WEIGHTS_NOT_FINITE": lambda folder: spoil(
        folder, lambda tensors: tensors["model.norm.weight"].fill_(torch.nan)
    ),
}


@pytest.mark.parametrize("reason", FAULTS)
def test_each_fault_is_refused_by_its_name(store, folder, key, tmp_path, reason):
    FAULTS[reason](folder)
    with pytest.raises(UnfitArtifact) as refused:
        verify(store, folder, key, tmp_path)
    assert refused.value.reason == reason


def test_other_peoples_words_and_our_paths_stay_out_of_a_refusal(store, folder, key, tmp_path):
    FAULTS["NOT_LOADABLE"](folder)
    with pytest.raises(UnfitArtifact, match="no-such-thing") as refused:
        verify(store, folder, key, tmp_path)
    assert str(tmp_path) not in str(refused.value)
    assert "pip install" not in str(refused.value)


def test_what_hubs_and_trainers_leave_is_no_part_of_the_version_and_is_reported(store, folder, key, tmp_path):
    strange = {
        "optimizer.pt": pickle.dumps({}),
        "modeling.py": b"pass",
        "LICENSE": b"free",
        "notes.txt": b"-",
    }
    for name, data in strange.items():
        (folder / name).write_bytes(data)
    result = verify(store, folder, key, tmp_path)
    files = {file.path for file in store.tree(result["artifact_digest"])}
    assert not files & strange.keys()
    assert {"model.safetensors", "config.json", "README.md"} <= files
    assert "Left out" in result["notice"] and "LICENSE" in result["notice"]


def test_an_adapter_that_holds_a_whole_layer_is_refused_before_any_rollout(store, adapter, key, tmp_path):
    config = json.loads((adapter / "adapter_config.json").read_text())
    (adapter / "adapter_config.json").write_text(json.dumps({**config, "modules_to_save": ["lm_head"]}))
    with pytest.raises(UnfitArtifact, match="lm_head") as refused:
        verify(store, adapter, key, tmp_path)
    assert refused.value.reason == "ADAPTER_UNSUPPORTED"


def test_an_adapter_with_another_tokenizer_is_refused_and_one_written_otherwise_is_not(
    store, adapter, key, tmp_path
):
    full = verify(store, adapter, key, tmp_path)
    file = adapter / "tokenizer.json"
    file.write_text(json.dumps(json.loads(file.read_text()), indent=7))
    same = verify(store, adapter, key, tmp_path)
    assert same["golden_digest"] == full["golden_digest"]
    assert "tokenizer.json" not in {file.path for file in store.tree(same["artifact_digest"])}
    tokenizer = json.loads(file.read_text())
    tokenizer["added_tokens"][-1]["content"] = "<other>"
    file.write_text(json.dumps(tokenizer))
    with pytest.raises(UnfitArtifact, match=r"tokenizer\.json differs") as refused:
        verify(store, adapter, key, tmp_path)
    assert refused.value.reason == "ADAPTER_UNSUPPORTED"


def test_an_adapter_without_a_tokenizer_of_its_own_speaks_its_bases(store, adapter, key, tmp_path):
    full = verify(store, adapter, key, tmp_path)
    for name in ("config.json", "tokenizer.json", "tokenizer_config.json", "chat_template.jinja"):
        (adapter / name).unlink(missing_ok=True)
    assert verify(store, adapter, key, tmp_path)["golden_digest"] == full["golden_digest"]


def test_a_template_that_loops_for_ever_ends_and_is_reported(store, folder, key, tmp_path, monkeypatch):
    monkeypatch.setattr(golden, "RENDER_S", 0.3)
    loops = "{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}"
    (folder / "chat_template.jinja").write_text(loops)
    with pytest.raises(UnfitArtifact, match="takes longer") as refused:
        verify(store, folder, key, tmp_path)
    assert refused.value.reason == "CHAT_TEMPLATE_FAILS"


def test_a_template_that_renders_nothing_and_a_model_without_positions_are_named(
    store, folder, key, tmp_path
):
    config = json.loads((folder / "config.json").read_text())
    template = (folder / "chat_template.jinja").read_text()
    (folder / "chat_template.jinja").write_text("{# nothing #}")
    with pytest.raises(UnfitArtifact, match="renders nothing"):
        verify(store, folder, key, tmp_path)
    (folder / "chat_template.jinja").write_text(template)
    (folder / "config.json").write_text(json.dumps({**config, "max_position_embeddings": 4}))
    with pytest.raises(UnfitArtifact, match="4 positions"):
        verify(store, folder, key, tmp_path)


def test_a_configuration_of_a_giant_is_refused_before_it_is_built(store, folder, key, tmp_path):
    config = json.loads((folder / "config.json").read_text())
    giant = {**config, "num_hidden_layers": 1 << 20, "vocab_size": 1 << 30}
    (folder / "config.json").write_text(json.dumps(giant))
    with pytest.raises(UnfitArtifact, match="the weights have 2"):
        verify(store, folder, key, tmp_path)


def test_a_model_that_cannot_decide_is_refused(store, folder, key, tmp_path):
    spoil(folder, lambda tensors: tensors["lm_head.weight"].zero_())
    with pytest.raises(NoStablePrompt):
        verify(store, folder, key, tmp_path)


def test_a_stop_request_ends_the_job(store, folder, key, tmp_path):
    place = tmp_path / "job"
    place.mkdir()
    (place / "stop").touch()
    spec = {"artifacts": store.url, "artifact_digest": store.put_tree(folder), "signing_key": str(key)}
    with pytest.raises(verification.Stopped):
        verification.run(spec, JobFolder(place))


@pytest.fixture
def adapter(store, folder, tmp_path):
    return tiny_adapter(tmp_path / "adapter", folder, store.put_tree(folder), seed=5)


def test_an_adapter_is_recorded_with_its_base_and_both_are_signed(
    store, folder, adapter, key, source, tmp_path
):
    result = verify(store, adapter, key, tmp_path, golden_source_digest=source)
    assert result["base_artifact_digest"] == store.put_tree(folder)
    base = store.fetch_tree(result["base_artifact_digest"], tmp_path / "base")
    signed = store.fetch(result["base_signature_digest"], tmp_path / "base.sig")
    signature.verify(base, key.with_suffix(".pub"), signed)
    assert result["size_bytes"] == (adapter / "adapter_model.safetensors").stat().st_size
    model = PeftModel.from_pretrained(AutoModelForCausalLM.from_pretrained(folder), adapter).eval()
    for prompt in json.loads(store.read(result["golden_digest"]))["prompts"]:
        with torch.no_grad():
            logprobs = model(torch.tensor([prompt["prompt_token_ids"]])).logits[0, -1].log_softmax(-1)
        assert int(logprobs.argmax()) == prompt["tokens"][0]
        assert float(logprobs.max()) == pytest.approx(prompt["logprobs"][0], abs=1e-3)


def test_an_adapter_of_a_deeper_base_is_refused(store, adapter, key, tmp_path):
    other = store.put_tree(tiny_llama(tmp_path / "shallow", layers=1))
    recipe = json.loads((adapter / "recipe.json").read_text())
    (adapter / "recipe.json").write_text(json.dumps({**recipe, "base_artifact_digest": other}))
    with pytest.raises(UnfitArtifact) as refused:
        verify(store, adapter, key, tmp_path)
    assert refused.value.reason == "WEIGHTS_MISMATCH"


def test_an_adapter_that_names_no_base_is_refused(store, adapter, key, tmp_path):
    (adapter / "recipe.json").unlink()
    with pytest.raises(FailedPrecondition) as refused:
        verify(store, adapter, key, tmp_path)
    assert refused.value.reason == "BASE_UNKNOWN"


def links_of(result):
    return {(link["step"], link["format"]): link for link in result["parity_links"]}


def test_a_version_has_a_link_with_its_inputs_and_one_for_each_number_format(
    store, folder, key, source, tmp_path
):
    spec = {"golden_source_digest": source, "golden_count": 8, "dtypes": ["DTYPE_BFLOAT16"]}
    result = verify(store, folder, key, tmp_path, **spec)
    links = links_of(result)
    train, rounded = links["STEP_TRAIN", "float32"], links["STEP_QUANTIZE", "bfloat16"]
    assert train["inputs"]["begin_token"] == "<s>"
    assert (train["inputs"]["stop_tokens"], train["artifact_digest"]) == (["</s>"], result["artifact_digest"])
    assert (rounded["verdict"], rounded["tolerance"]["token"]) == ("VERDICT_WITHIN", 1.0)
    assert 0 < rounded["comparison"]["max_difference"] < 1


def test_a_merged_adapter_is_compared_with_the_adapter_on_its_base(store, adapter, folder, key, tmp_path):
    reference = verify(store, adapter, key, tmp_path)["artifact_digest"]
    base = AutoModelForCausalLM.from_pretrained(folder)
    merged = PeftModel.from_pretrained(base, adapter).merge_and_unload()
    whole = tmp_path / "whole"
    shutil.copytree(folder, whole)
    merged.save_pretrained(whole)
    result = verify(store, whole, key, tmp_path, reference_digest=reference)
    link = links_of(result)["STEP_MERGE", "float32"]
    assert (link["verdict"], link["reference_digest"]) == ("VERDICT_WITHIN", reference)
    assert link["artifact_digest"] == result["artifact_digest"]
    assert link["comparison"]["max_difference"] < 1e-3
    with pytest.raises(UnfitArtifact, match="adapter has no effect") as refused:
        verify(store, folder, key, tmp_path, reference_digest=reference)
    assert refused.value.reason == "ADAPTER_NOT_MERGED"


def written_answers(folder, **changes):
    """Write what the model answered before it was saved."""
    model = AutoModelForCausalLM.from_pretrained(folder).eval()
    texts = [vars(each) for each in read(model, [[1, 3, 7, 9, 11, 13], [1, 4, 8, 20]])]
    answers = {"dtype": "float32", "texts": texts} | changes
    stated = json.loads((folder / "training.json").read_text())
    (folder / "training.json").write_text(json.dumps(stated | {"answers": answers}))


def test_the_reloaded_model_is_compared_with_the_one_that_was_trained(store, folder, key, tmp_path):
    written_answers(folder)
    link = links_of(verify(store, folder, key, tmp_path))["STEP_TRAIN", "float32"]
    assert (link["verdict"], link["comparison"]["places"]) == ("VERDICT_WITHIN", 8)
    other = tiny_llama(tmp_path / "other", seed=11)
    shutil.copyfile(other / "model.safetensors", folder / "model.safetensors")
    link = links_of(verify(store, folder, key, tmp_path))["STEP_TRAIN", "float32"]
    assert (link["verdict"], link["reason"]) == ("VERDICT_BEYOND", "TOKENS_DIFFER")


@pytest.mark.parametrize("changes", [{"dtype": "int3"}, {"texts": [{"ids": [1, 10**9]}]}, {"texts": None}])
def test_answers_that_cannot_be_read_are_no_comparison(store, folder, key, tmp_path, changes):
    written_answers(folder, **changes)
    link = links_of(verify(store, folder, key, tmp_path))["STEP_TRAIN", "float32"]
    assert (link["verdict"], link.get("comparison")) == ("VERDICT_WITHIN", None)


@pytest.mark.parametrize("number_format", ["int4", pytest.param("int8", marks=pytest.mark.thorough)])
def test_stored_integers_are_compared_with_their_parent(store, folder, key, tmp_path, number_format):
    parent = verify(store, folder, key, tmp_path)
    reference = parent["artifact_digest"]
    rounded = tmp_path / "rounded"
    shutil.copytree(folder, rounded)
    write_packed(load(ModelFolder(folder)), number_format, rounded)
    result = verify(store, rounded, key, tmp_path, reference_digest=reference)
    link = links_of(result)["STEP_QUANTIZE", number_format]
    assert (link["verdict"], link["reference_digest"]) == ("VERDICT_WITHIN", reference)
    assert link["comparison"]["mean_difference"] > 0
    assert result["parameter_count"] == parent["parameter_count"]
    assert result["size_bytes"] < parent["size_bytes"]
