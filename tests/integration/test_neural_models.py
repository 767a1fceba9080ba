"""A small neural model from the split to an answer: trained, killed and resumed, verified, evaluated, served.

Texts in two languages; the engine is a process of its own, behind the middleware of vLLM.
"""

import json
import os
import signal
import subprocess
import sys
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ratoon.operations.job_messages import to_json
from ratoon.operations.jobs import JobFolder
from ratoon.process.files import write_json
from ratoon.storage.artifacts import ArtifactStore
from ratoon.storage.scratch import ScratchStore
from ratoon.testkit.waiting import until
from ratoon_evaluation.worker import job as evaluation_job
from ratoon_registry.worker import job as registry_job
from ratoon_serving.adapters.engine_http import EngineClient
from ratoon_serving.domain.attestation import compare, recording
from ratoon_serving.domain.engine import Engine, EngineState
from ratoon_training.adapters.curves import StoredCurves
from ratoon_training.adapters.drivers import recipe_message
from ratoon_training.domain.errors import BadBaseModel, DataMalformed
from ratoon_training.domain.neural import Neural
from ratoon_training.domain.places import FINISH, finish_request, scratch_name
from ratoon_training.domain.recipes import Method, Recipe
from ratoon_training.worker import estimating, neural_job

LABELS = ("ham", "spam")
NOW = datetime(2026, 6, 1, tzinfo=UTC)
VERSION = "projects/p/models/mail/versions/v1.0"
MAILS = [
    f"{text} {n}"
    for n in range(20)
    for text in ("会议改到周一", "meeting notes of the review", "win a prize now", "点击领取大奖")
]
ANSWERS = ["ham", "ham", "spam", "spam"] * 20


SMALL = Neural(vocab_size=500, hidden_size=32, max_tokens=32).complete()
RECIPE = Recipe(
    Method.NEURAL,
    LABELS,
    seed=3,
    learning_rate=5e-3,
    epochs=8,
    batch_size=16,
    weight_decay=0.01,
    neural=SMALL,
)


@dataclass(frozen=True)
class Place:
    """A store, and directories of jobs."""

    folder: Path
    store: ArtifactStore

    def part(self, texts: list[str], labels: list[str], name: str) -> str:
        ids = [f"{name}{n:062d}" for n in range(len(texts))]
        table = pa.table({"record_id": ids, "content_digest": ids, "text": texts, "label": labels})
        path = self.folder / f"{name}.parquet"
        pq.write_table(table, path)
        return self.store.put_file(path)

    def run(self, entry: Any, name: str, spec: dict[str, Any]) -> dict[str, Any]:
        folder = self.folder / name
        folder.mkdir()
        result: dict[str, Any] = entry(
            {"artifacts": self.store.url, "work": str(folder), **spec}, JobFolder(folder)
        )
        return result


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    folder = tmp_path_factory.mktemp("neural")
    return Place(folder, ArtifactStore(str(folder / "artifacts")))


def spec_of(recipe: Recipe, train: str, validation: str, base: str = "") -> dict[str, Any]:
    return {
        "train": train,
        "validation": validation,
        "base": base,
        "recipe": to_json(recipe_message(recipe)),
        "resources": {"accelerator": "CPU", "workers": 1, "threads": 1},
    }


def trained(place: Place, name: str, recipe: Recipe, train: str, held: str, base: str = "") -> dict[str, Any]:
    return place.run(neural_job.run, name, spec_of(recipe, train, held, base))


def verified(place: Place, name: str, digest: str, texts: str) -> dict[str, Any]:
    return place.run(registry_job.run, name, {"artifact_digest": digest, "golden_source_digest": texts})


@pytest.fixture(scope="module")
def mails(place):
    train, held = place.part(MAILS[:60], ANSWERS[:60], "a"), place.part(MAILS[60:], ANSWERS[60:], "b")
    return train, held, trained(place, "training", RECIPE, train, held)


@pytest.fixture(scope="module")
def registered(place, mails):
    _, held, result = mails
    return verified(place, "verification", result["artifact_digest"], held)


def test_a_run_gives_a_model_with_its_curves_and_measurements(place, mails):
    result = mails[2]
    assert result["metrics"]["validation_macro_f1"] == 1
    assert result["metrics"]["core_seconds_per_million_answers"] > 0 and result["parameter_count"] > 0
    curves = StoredCurves(place.store).read(result["curves_digest"])
    assert len(curves["epochs"]["rows"]) == result["metrics"]["epochs"]
    assert curves["steps"]["rows"][-1][1] < curves["steps"]["rows"][0][1]
    files = {file.path for file in place.store.tree(result["artifact_digest"])}
    assert files == {"model.safetensors", "neural.json", "recipe.json", "tokenizer.json", "training.json"}


@pytest.mark.thorough
def test_a_run_that_is_killed_gives_the_same_digest(place, mails):
    train, held, result = mails
    folder = place.folder / "killed"
    folder.mkdir()
    spec = {**spec_of(RECIPE, train, held), "checkpoint_every_s": 0.0}
    spec = {"artifacts": place.store.url, "work": str(folder / "work"), **spec}
    write_json(folder / "spec.json", spec)
    code = (
        "import json, sys; from pathlib import Path; from ratoon.operations.jobs import JobFolder; "
        "from ratoon_training.worker import neural_job; folder = Path(sys.argv[1]); "
        "neural_job.run(json.loads((folder / 'spec.json').read_text()), JobFolder(folder))"
    )
    process = subprocess.Popen([sys.executable, "-c", code, str(folder)])
    try:
        until(lambda: len(list((folder / "work" / "checkpoints").glob("step-*"))) > 1, 120)
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait(20)
    assert neural_job.run(spec, JobFolder(folder))["artifact_digest"] == result["artifact_digest"]


def test_a_run_ends_early_with_the_answers_that_a_sweep_compares(place, mails):
    train, held, _ = mails
    folder = place.folder / "finished"
    ScratchStore(place.store.url, scratch_name(folder.name)).put(FINISH, finish_request(0))
    recipe = replace(RECIPE, epochs=500.0, patience=0)
    spec = {**spec_of(recipe, train, held), "record_scores": True}
    result = place.run(neural_job.run, "finished", spec)
    assert result["metrics"]["epochs"] < 500
    scores = json.loads(place.store.read(result["scores_digest"]))
    assert scores["right"] == [LABELS.index(each) for each in ANSWERS[60:]]
    hits = sum(a == b for a, b in zip(scores["right"], scores["predicted"], strict=True))
    assert hits / 20 == result["metrics"]["validation_accuracy"]


def test_a_plan_counts_the_tokens_that_the_network_reads(place, mails):
    train, held, result = mails
    texts = [" ".join(["meeting"] * 100), "short"] * 10
    long = place.part(texts, ["ham", "spam"] * 10, "long")
    planned = place.run(estimating.run, "planned", spec_of(RECIPE, long, held))
    assert (planned["records"], planned["cut_samples"]) == (20, 10)
    assert planned["longest_tokens"] > 32 and planned["tokens"] < 20 * 32
    again = place.run(estimating.run, "planned-on", spec_of(RECIPE, train, held, result["artifact_digest"]))
    assert 60 < again["tokens"] < 60 * 32


def test_it_is_evaluated_next_to_baselines(place, mails):
    train, held, result = mails
    spec = {
        "candidate": result["artifact_digest"],
        "reference": result["artifact_digest"],
        "labels": list(LABELS),
        "domains": [{"name": "d", "test": held, "train": train}],
        "rules": [{"kind": "NEAR_BASELINE", "domain": "d", "threshold": -0.02}],
        "resamples": 50,
    }
    scored = place.run(evaluation_job.run, "evaluation", spec)
    domain = scored["evaluation"]["measured"]["domains"][0]
    assert domain["candidate"]["accuracy"]["value"] == 1
    assert "classical" in domain["baselines"]
    assert "network" in place.store.read(scored["report_html"]).decode()


def test_training_goes_on_from_a_version_with_a_new_label(place, mails):
    train, held, result = mails
    more = place.part(
        [*MAILS[:60], *[f"daily news {n}" for n in range(20)]], [*ANSWERS[:60], *["news"] * 20], "n"
    )
    recipe = Recipe(**{**vars(RECIPE), "labels": ("news", *LABELS), "epochs": 3.0})
    continued = trained(place, "continued", recipe, more, held, result["artifact_digest"])
    assert continued["metrics"]["validation_macro_f1"] == 1
    assert "Trained on from" in continued["diagnosis"]["remedy"]
    with pytest.raises(BadBaseModel, match="no model that this run can train on"):
        other = place.folder / "other"
        other.mkdir()
        (other / "config.json").write_text('{"model_type": "llama"}')
        trained(place, "refused", RECIPE, train, held, place.store.put_tree(other))


def test_a_part_with_one_label_or_with_strange_ones_is_refused(place, mails):
    held = mails[1]
    one = place.part(MAILS[:8], ["ham"] * 8, "one")
    with pytest.raises(DataMalformed, match="nothing to distinguish"):
        trained(place, "one-label", RECIPE, one, held)
    strange = place.part(MAILS[:8], ["ham", "news"] * 4, "strange")
    with pytest.raises(DataMalformed, match="none of recipe"):
        trained(place, "strange-label", RECIPE, strange, held)


@pytest.fixture(scope="module")
def engine(place, registered):
    """Return an engine of the registered model, and its client."""
    folder = place.folder / "engine"
    folder.mkdir()
    model = place.store.fetch_tree(registered["artifact_digest"], folder / "model")
    place.store.fetch(registered["signature_digest"], folder / "model.sig")
    key = next(place.folder.glob("verification/**/*.pub"))
    engine = Engine(
        name="projects/p/deployments/d/engines/e",
        create_time=NOW,
        update_time=NOW,
        revision=1,
        version=VERSION,
        artifact_digest=registered["artifact_digest"],
        signature_digest=registered["signature_digest"],
        golden_digest=registered["golden_digest"],
        endpoint=f"unix://{folder}/s.sock",
        served_name="mail",
        secret="secret",
    )
    settings = {
        "engine": engine.name,
        "version": VERSION,
        "artifact_digest": registered["artifact_digest"],
        "model": str(model),
        "served_names": ["mail", "mail@v1.0"],
        "socket": f"{folder}/s.sock",
        "secret": "secret",
        "public_key": str(key),
    }
    write_json(folder / "engine.json", settings)
    with (folder / "log.txt").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "ratoon.engine", str(folder / "engine.json")],
            stdout=log,
            stderr=log,
            env={**os.environ, "OMP_NUM_THREADS": "1"},
        )
    client = EngineClient()
    try:
        until(lambda: client.status(engine), 120, lambda: (folder / "log.txt").read_text())
        yield engine, client
    finally:
        process.terminate()
        process.wait(20)


def test_an_engine_serves_it_and_passes_attestation(place, registered, engine):
    engine, client = engine
    view = client.view(engine)
    assert (view.state, view.loaded_digest) == (EngineState.READY, registered["artifact_digest"])
    golden = recording(json.loads(place.store.read(registered["golden_digest"])))
    assert golden.places > 4
    check = compare(golden, client.continue_prompts(engine, golden.prompts))
    assert check.passed, check.message
    check = client.probe(engine)
    assert check.passed, check.message


def test_it_answers_with_a_label_and_its_probabilities(engine):
    engine, client = engine
    request = {
        "model": "mail",
        "messages": [{"role": "user", "content": "你好，会议改到周一"}],
        "logprobs": True,
        "top_logprobs": 2,
    }
    answer = client._ask(engine, "/v1/chat/completions", request)
    (choice,) = answer.body["choices"]
    assert choice["message"]["content"] == "ham" and choice["finish_reason"] == "stop"
    ranked = choice["logprobs"]["content"][0]["top_logprobs"]
    assert [each["token"] for each in ranked] == ["ham", "spam"] and ranked[0]["logprob"] > ranked[1][
        "logprob"
    ]
    assert answer.headers["x-ratoon-version"] == VERSION


def test_weights_of_another_version_do_not_pass_attestation(place, mails, engine):
    engine, client = engine
    swapped = ["spam" if answer == "ham" else "ham" for answer in ANSWERS]
    parts = place.part(MAILS[:60], swapped[:60], "c"), place.part(MAILS[60:], swapped[60:], "d")
    other = trained(place, "other-version", RECIPE, *parts)
    golden_digest = verified(place, "other-verification", other["artifact_digest"], mails[1])["golden_digest"]
    golden = recording(json.loads(place.store.read(golden_digest)))
    assert not compare(golden, client.continue_prompts(engine, golden.prompts)).passed
