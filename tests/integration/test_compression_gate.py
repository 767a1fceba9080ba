"""A gate on compressed models, from their source to the verdict: real weights, real answers, an interval."""

import json
from io import BytesIO

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from ratoon.jobs.v1.registry_jobs_pb2 import VerificationSpec
from ratoon.operations.job_messages import to_json
from ratoon.operations.jobs import JobFolder
from ratoon.storage.artifacts import ArtifactStore
from ratoon.tasks.classify import Classify
from ratoon.testkit.models import tiny_llama
from ratoon_evaluation.worker import job as evaluation_job
from ratoon_registry.worker.card import model_card
from ratoon_training import compression_messages
from ratoon_training.domain.compressions import CompressionSpec, Method
from ratoon_training.worker.compression import job as compression_job

pytestmark = [
    pytest.mark.thorough,
    pytest.mark.filterwarnings("ignore:`torch.jit.script_method` is deprecated:DeprecationWarning"),
]
LABELS = ("ham", "spam")
TEXTS = {
    "ham": ("The meeting is moved to Monday", "The patch fixes the parser"),
    "spam": ("You have won a free prize", "Cheap loans without any check"),
}
MAILS = [(f"{text} {n}", label) for n in range(15) for label in LABELS for text in TEXTS[label]]
MARGIN = 0.02


class Place:
    """A store with a model that has learned two labels, and the part that it is judged on."""

    def __init__(self, folder):
        self.folder, self.store = folder, ArtifactStore(str(folder / "artifacts"))
        self.source = self.store.put_tree(taught(folder / "source"))
        ids = [f"{n:064x}" for n in range(len(MAILS))]
        texts, labels = zip(*MAILS, strict=True)
        columns = {"record_id": ids, "content_digest": ids, "text": list(texts), "label": list(labels)}
        sink = BytesIO()
        pq.write_table(pa.table(columns), sink)
        self.part = self.store.put_bytes(sink.getvalue())

    def job(self, name):
        (self.folder / name).mkdir()
        return JobFolder(self.folder / name)

    def compressed(self, method, **settings):
        spec = CompressionSpec(
            self.source,
            method,
            validation_digest=self.part,
            task=Classify(LABELS),
            quality_records=20,
            dtype=method.serving_dtype,
            **settings,
        )
        message = to_json(compression_messages.spec_message(spec))
        known = {name: value for name, value in message.items() if value is not None}
        written = {"artifacts": self.store.url, "compression": known, "compress": True}
        return compression_job.run(written, self.job(f"compress-{method}"))

    def evaluated(self, candidate):
        spec = {
            "artifacts": self.store.url,
            "candidate": candidate,
            "reference": self.source,
            "labels": list(LABELS),
            "domains": [{"name": "new", "test": self.part, "train": ""}],
            "rules": [{"kind": "NOT_WORSE", "domain": "new", "threshold": -MARGIN}],
            "resamples": 200,
        }
        return evaluation_job.run(spec, self.job(f"gate-{candidate[:8]}"))["evaluation"]


def taught(folder):
    tiny_llama(folder, LABELS, corpus=[text for text, _ in MAILS], seed=1)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = AutoModelForCausalLM.from_pretrained(folder)
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3)
    turns = [
        [{"role": "user", "content": text}, {"role": "assistant", "content": label}] for text, label in MAILS
    ]
    rows = tokenizer.apply_chat_template(turns, return_dict=True)["input_ids"]
    torch.set_num_threads(1)
    torch.manual_seed(1)
    for step in range(96):
        ids = torch.tensor([rows[step % len(rows)]])
        targets = ids.clone()
        targets[:, :-2] = -100
        model(ids, labels=targets).loss.backward()
        optimizer.step()
        optimizer.zero_grad()
    model.save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    return Place(tmp_path_factory.mktemp("gate"))


@pytest.fixture(autouse=True)
def no_engine(monkeypatch):
    """Let transformers answer: the start of an engine takes most of a minute."""
    monkeypatch.setattr(compression_job, "find_spec", lambda _: None)


def test_the_gate_lets_a_form_replace_its_source_that_answers_as_well(place):
    result = place.compressed(Method.INT8)
    evaluation = place.evaluated(result["artifact_digest"])
    (domain,) = evaluation["measured"]["domains"]
    assert domain["reference"]["macro_f1"]["value"] > 0.9
    assert evaluation["verdict"]["passed"], evaluation["verdict"]
    assert domain["difference"]["low"] > -MARGIN
    assert result["compressed"]["size_bytes"] < result["source"]["size_bytes"]


def test_the_gate_refuses_a_form_that_has_lost_what_it_knew(place):
    result = place.compressed(Method.PRUNED, sparsity=0.98)
    evaluation = place.evaluated(result["artifact_digest"])
    (domain,) = evaluation["measured"]["domains"]
    assert not evaluation["verdict"]["passed"]
    assert domain["difference"]["low"] < -MARGIN
    assert result["difference"]["value"] < 0
    folder = place.folder / "pruned"
    place.store.fetch_tree(result["artifact_digest"], folder)
    card = model_card(folder, VerificationSpec.Card(name="v1.1"), 1, 1)
    assert "| pruned | source | this model |" in card
    assert json.loads((folder / "recipe.json").read_text())["compression"]["method"] == "PRUNED"
