"""Drift of embeddings: sketches by a tiny BERT, their noise bands, and the drift that a flywheel reports of them."""

import json
import random
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
import zstandard
from tokenizers import Tokenizer, models, pre_tokenizers, processors
from transformers import BertConfig, BertModel, PreTrainedTokenizerFast

from ratoon.flywheel.v1 import flywheel_service_pb2 as pb
from ratoon.flywheel.v1 import policy_pb2, project_pb2, signal_pb2
from ratoon.ingestion.v1 import split_pb2
from ratoon.jobs.v1.flywheel_jobs_pb2 import SketchResult
from ratoon.operations.job_messages import from_json
from ratoon.operations.jobs import JobFolder
from ratoon.registry.v1 import model_version_pb2
from ratoon.storage.artifacts import ArtifactStore
from ratoon.testkit.waiting import until
from ratoon_flywheel.adapters.sketches import sketch_of
from ratoon_flywheel.domain.signals.drift import SAMPLE_SIZES, Reference
from ratoon_flywheel.domain.signals.embeddings import measure, squared_mmd
from ratoon_flywheel.worker import sketch as worker
from ratoon_flywheel.worker.embedder import BadModel, Embedder

_SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]")


def save_tiny_bert(directory: Path, words: list[str]) -> Path:
    """Write the model and a tokenizer with a token for each of the words."""
    vocabulary = {word: place for place, word in enumerate((*_SPECIAL, *words))}
    plain = Tokenizer(models.WordLevel(vocabulary, unk_token="[UNK]"))
    plain.pre_tokenizer = pre_tokenizers.Whitespace()
    plain.post_processor = processors.TemplateProcessing(
        "[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    fast = PreTrainedTokenizerFast(tokenizer_object=plain, pad_token="[PAD]", unk_token="[UNK]")
    fast.save_pretrained(directory)
    torch.manual_seed(1)
    config = BertConfig(
        vocab_size=len(vocabulary), hidden_size=32, num_hidden_layers=2, num_attention_heads=2,
        intermediate_size=64, max_position_embeddings=64,
    )  # fmt: skip
    BertModel(config).save_pretrained(directory)
    return directory


WORDS = {kind: [f"{kind}{a}{b}" for a in "abcdefghij" for b in "klmno"] for kind in "xy"}


def texts(kind: str, count: int, seed: int) -> list[str]:
    draws = random.Random(seed)
    return [" ".join(draws.choices(WORDS[kind], k=draws.randint(5, 20))) for _ in range(count)]


@pytest.fixture(scope="module")
def model(tmp_path_factory) -> Path:
    return save_tiny_bert(tmp_path_factory.mktemp("bert"), [*WORDS["x"], *WORDS["y"]])


@pytest.fixture
def store(tmp_path: Path) -> ArtifactStore:
    return ArtifactStore(str(tmp_path / "artifacts"))


def part(store: ArtifactStore, rows: list[str]) -> str:
    sink = pa.BufferOutputStream()
    pq.write_table(pa.table({"text": rows}), sink)
    return store.put_bytes(sink.getvalue().to_pybytes())


def segment(store: ArtifactStore, rows: list[str]) -> dict[str, object]:
    lines = [
        {
            "answer_id": f"a{number}", "time": "2026-05-01T00:00:00Z", "deployment": "d", "version": "v",
            "messages": [{"role": "user", "content": text}], "answer": "ham", "status": 200,
        }
        for number, text in enumerate(rows)
    ]  # fmt: skip
    packed = zstandard.compress("\n".join(map(json.dumps, lines)).encode())
    return {"digest": store.put_bytes(packed), "answer_ids": [f"a{number}" for number in range(len(rows))]}


def sketched(store, model, tmp_path, **spec):
    raw = {"artifacts": store.url, "model": str(model), "max_chars": 1000, **spec}
    result = worker.run(json.loads(json.dumps(raw)), JobFolder(tmp_path))
    assert "text" not in result
    return sketch_of(from_json(SketchResult, result))


def test_traffic_of_another_kind_drifts_and_of_the_same_kind_does_not(store, model, tmp_path):
    base = sketched(store, model, tmp_path, train_digest=part(store, texts("x", 500, 1)), is_reference=True)
    kernel = {"bandwidth": base.kernel.bandwidth, "model_digest": base.kernel.model_digest}
    ratios = []
    for kind, seed in (("x", 2), ("y", 3)):
        window = sketched(
            store, model, tmp_path, segments=[segment(store, texts(kind, 200, seed))], kernel=kernel
        )
        assert (window.texts, window.noise_bands) == (200, ())
        ratios.append(measure(window, base, Reference.TRAINING).ratio)
    assert ratios[0] < 1.2
    assert ratios[1] > 5


def test_a_sketch_is_bounded_and_the_same_again(store, model, tmp_path):
    digest = part(store, texts("x", 120, 1) * 3)
    first, again = (sketched(store, model, tmp_path, train_digest=digest, is_reference=True) for _ in "ab")
    assert first == again
    assert (first.texts, len(first.mean), len(first.noise_bands)) == (120, 512, len(SAMPLE_SIZES))


def test_few_texts_and_bad_models_are_refused(store, model, tmp_path):
    with pytest.raises(worker.FewTexts, match="needs 50"):
        sketched(store, model, tmp_path, train_digest=part(store, ["one", "two"]))
    with pytest.raises(worker.FewTexts, match="there are 0"):
        sketched(store, model, tmp_path, segments=[{"digest": "0" * 64, "answer_ids": ["a1"]}])
    (tmp_path / "pickled").mkdir()
    (tmp_path / "pickled/config.json").write_text((model / "config.json").read_text())
    (tmp_path / "pickled/pytorch_model.bin").write_bytes(b"\x80\x04.")
    with pytest.raises(BadModel, match="safetensors"):
        Embedder(tmp_path / "pickled")


def test_embeddings_do_not_depend_on_the_batch(model):
    some = texts("x", 40, 1)
    embedder = Embedder(model)
    together, alone = embedder.embed(some), np.stack([embedder.embed([text])[0] for text in some])
    np.testing.assert_allclose(together, alone, atol=1e-5)
    np.testing.assert_allclose(np.linalg.norm(together, axis=1), 1.0, atol=1e-6)


def test_squared_distance_of_sketches_is_the_mmd_of_the_gaussian_kernel():
    """Against the definition, with the whole kernel matrix."""
    draws = np.random.default_rng(1)
    one = draws.standard_normal((300, 8)) / np.sqrt(8)
    other = draws.standard_normal((200, 8)) / np.sqrt(8) + 0.3

    def kernel(a, b):
        return np.exp(-np.square(a[:, None] - b[None]).sum(-1) / 2).mean()

    exact = kernel(one, one) + kernel(other, other) - 2 * kernel(one, other)
    means = [worker.fourier_features(each, 1.0).mean(0).tolist() for each in (one, other)]
    assert squared_mmd(*means) == pytest.approx(exact, rel=0.15)


def test_the_noise_band_holds_at_its_rate():
    """1,000 samples of the distribution of a reference, at each size that has a band: 1 % lie beyond it."""
    draws = np.random.default_rng(3)

    def sample(count):
        return worker.fourier_features(draws.standard_normal((count, 6)) / np.sqrt(6), 1.0)

    beyond, drawn = 0, 0
    for _ in range(20):
        reference = sample(300)
        bands, mean = worker.permutation_bands(reference), reference.mean(0)
        for place, size in enumerate(SAMPLE_SIZES):
            for _ in range(10):
                drawn += 1
                beyond += squared_mmd(sample(size).mean(0), mean) > bands[place]
    assert drawn == 1000
    assert beyond <= 20


Report = signal_pb2.DriftReport
PARENT = "projects/mail"


@pytest.fixture
def observed(tmp_path_factory):
    letters = "abcdefghij"
    codes = [a + b + c for a in letters for b in letters for c in letters]
    words = [kind + code for kind in ("old", "new") for code in codes]
    model = save_tiny_bert(tmp_path_factory.mktemp("bert"), words)
    return {"embedding_model": str(model), "embedding_interval_s": 60}


@pytest.fixture
def served(env):
    """A project whose version v1.0 serves and was trained on texts of the old kind."""
    env.learned("old")
    project = project_pb2.Project(labels=["ham", "spam"], instructions="Ham or spam?")
    env.flywheel.CreateProject(pb.CreateProjectRequest(project_id="mail", project=project))
    spec = policy_pb2.Policy(min_answers=100, min_feedback=50, settle_seconds=0.5)
    env.flywheel.CreatePolicy(pb.CreatePolicyRequest(parent=PARENT, policy_id="default", policy=spec))
    split = f"{PARENT}/datasets/mail/splits/first"
    done = split_pb2.Split(name=split, state=split_pb2.Split.STATE_READY, train_digest=env.peers.train_digest)
    env.peers.resources[split] = done
    for number in (0, 1):
        name = f"{PARENT}/models/mail/versions/v1.{number}"
        version = model_version_pb2.ModelVersion(name=name, artifact_digest="c" * 64)
        version.lineage.split = split
        env.peers.resources[name] = version
    return env


def embeddings(env):
    request = pb.ListDriftReportsRequest(parent=PARENT)
    reports = env.flywheel.ListDriftReports(request).drift_reports
    measured = [m for report in reports[-1:] for m in report.measures if m.feature == "embeddings"]
    return {m.reference: m for m in measured}


def test_texts_are_measured_against_the_training_data_and_since_the_promotion(served):
    env = served
    env.answered([env.text("new") for _ in range(400)], seconds_ago=60)
    env.version = f"{PARENT}/models/mail/versions/v1.1"

    env.answered([env.text("new") for _ in range(110)])

    def both():
        measured = embeddings(env)
        return measured if len(measured) == 2 else None

    measured = until(both, seconds=150, message=lambda: embeddings(env), interval_s=0.5)
    training, promotion = measured[Report.REFERENCE_TRAINING], measured[Report.REFERENCE_PROMOTION]
    assert training.drifted
    assert training.divergence > 5 * training.null_band
    assert promotion.divergence < 1.5 * promotion.null_band
    runs = env.flywheel.ListPipelineRuns(pb.ListPipelineRunsRequest(parent=PARENT)).pipeline_runs
    assert not runs
