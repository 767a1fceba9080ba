"""A classical model from the split to an answer: trained, verified, evaluated, served by an engine of its own.

Texts in two languages, and rows of scikit-learn's wine table.
"""

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from sklearn.datasets import load_wine

from ratoon.operations.job_messages import to_json
from ratoon.operations.jobs import JobFolder
from ratoon.process.files import write_json
from ratoon.storage.artifacts import ArtifactStore
from ratoon.tasks.generate import Generate
from ratoon.tasks.regress import Regress
from ratoon.testkit.waiting import until
from ratoon_evaluation.worker import job as evaluation_job
from ratoon_registry.worker import job as registry_job
from ratoon_serving.adapters.engine_http import EngineClient
from ratoon_serving.domain.attestation import compare, recording
from ratoon_serving.domain.engine import Engine, EngineState
from ratoon_training.adapters.drivers import recipe_message
from ratoon_training.domain.classical import Classical, Estimator, Features, Table
from ratoon_training.domain.errors import BadRecipe, DataMalformed
from ratoon_training.domain.recipes import Method, Recipe
from ratoon_training.worker import classical_job

LABELS = ("ham", "spam")
NOW = datetime(2026, 6, 1, tzinfo=UTC)
VERSION = "projects/p/models/mail/versions/v1.0"
MAILS = [
    f"{text} {n}"
    for n in range(20)
    for text in ("会议改到周一", "meeting notes of the review", "win a prize now", "点击领取大奖")
]
ANSWERS = ["ham", "ham", "spam", "spam"] * 20


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
    folder = tmp_path_factory.mktemp("classical")
    return Place(folder, ArtifactStore(str(folder / "artifacts")))


def trained(place: Place, name: str, recipe: Recipe, train: str, validation: str) -> dict[str, Any]:
    spec = {
        "train": train,
        "validation": validation,
        "recipe": to_json(recipe_message(recipe)),
        "resources": {"accelerator": "CPU", "workers": 1, "threads": 1},
    }
    return place.run(classical_job.run, name, spec)


def verified(place: Place, name: str, digest: str, texts: str) -> dict[str, Any]:
    return place.run(registry_job.run, name, {"artifact_digest": digest, "golden_source_digest": texts})


@pytest.fixture(scope="module")
def mails(place):
    train, held = place.part(MAILS[:60], ANSWERS[:60], "a"), place.part(MAILS[60:], ANSWERS[60:], "b")
    recipe = Recipe(
        Method.CLASSICAL, LABELS, classical=Classical(estimators=(Estimator.LINEAR, Estimator.LINEAR_SVM))
    )
    return train, held, trained(place, "training", recipe, train, held)


@pytest.fixture(scope="module")
def registered(place, mails):
    _, held, result = mails
    return verified(place, "verification", result["artifact_digest"], held)


def test_a_run_gives_a_model_with_its_measurements(mails):
    result = mails[2]
    assert result["metrics"]["validation_macro_f1"] == 1
    assert result["metrics"]["core_seconds_per_million_answers"] > 0
    assert result["parameter_count"] > 0 and "Chosen by cross-validation" in result["diagnosis"]["remedy"]


def test_the_same_run_gives_the_same_digest(place, mails):
    train, held, result = mails
    recipe = Recipe(
        Method.CLASSICAL, LABELS, classical=Classical(estimators=(Estimator.LINEAR, Estimator.LINEAR_SVM))
    )
    assert trained(place, "again", recipe, train, held)["artifact_digest"] == result["artifact_digest"]


def test_it_is_evaluated_beside_baselines_with_what_a_million_answers_cost(place, mails):
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
    assert set(domain["baselines"]) == {"majority", "tfidf", "tfidf_chars", "classical"}
    report = place.store.read(scored["report_html"]).decode()
    assert "The best classical model, " in report


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


def test_it_answers_as_openai_clients_ask(engine):
    engine, client = engine
    request = {
        "model": "mail",
        "messages": [{"role": "system", "content": "x"}, {"role": "user", "content": "你好，会议改到周一"}],
        "logprobs": True,
        "top_logprobs": 2,
    }
    answer = client._ask(engine, "/v1/chat/completions", request)
    (choice,) = answer.body["choices"]
    assert choice["message"]["content"] == "ham" and choice["finish_reason"] == "stop"
    assert {each["token"] for each in choice["logprobs"]["content"][0]["top_logprobs"]} == set(LABELS)
    assert answer.headers["x-ratoon-version"] == VERSION and answer.body["usage"]["completion_tokens"] == 1
    streamed = client._ask(
        engine, "/v1/chat/completions", {**request, "stream": True, "stream_options": {"include_usage": True}}
    )
    events = [json.loads(line[6:]) for line in streamed.text.splitlines() if line.startswith("data: {")]
    assert "".join(c["delta"].get("content", "") for event in events for c in event["choices"]) == "ham"
    assert events[-1]["usage"]["total_tokens"] > 1 and streamed.text.rstrip().endswith("[DONE]")
    refused = client._ask(
        engine, "/v1/chat/completions", {**request, "response_format": {"type": "json_object"}}
    )
    assert refused.status == 400 and "follows no schema" in refused.body["error"]["message"]


def test_weights_of_another_version_do_not_pass_attestation(place, mails, registered, engine):
    engine, client = engine
    other = trained(
        place,
        "other",
        Recipe(Method.CLASSICAL, LABELS, classical=Classical((Features.WORDS,), (Estimator.TREE,))),
        place.part(MAILS[:60], ["spam", "ham", "ham", "spam"] * 15, "c"),
        mails[1],
    )
    golden_digest = verified(place, "other-verification", other["artifact_digest"], mails[1])["golden_digest"]
    golden = recording(json.loads(place.store.read(golden_digest)))
    assert not compare(golden, client.continue_prompts(engine, golden.prompts)).passed


def test_rows_of_a_table_become_a_model(place):
    wine = load_wine(as_frame=True).frame
    names = [str(name) for name in wine.columns[:-1]]
    rows = [json.dumps({name: float(row[name]) for name in names}) for _, row in wine.iterrows()]
    labels = [f"c{int(each)}" for each in wine["target"]]
    order = sorted(range(len(rows)), key=lambda n: (n * 7919) % len(rows))
    texts, answers = [rows[n] for n in order], [labels[n] for n in order]
    recipe = Recipe(
        Method.CLASSICAL,
        ("c0", "c1", "c2"),
        classical=Classical((Features.TABLE,), (Estimator.LINEAR, Estimator.FOREST), Table(select=8)),
    )
    result = trained(
        place,
        "wine",
        recipe,
        place.part(texts[:140], answers[:140], "e"),
        place.part(texts[140:], answers[140:], "f"),
    )
    assert result["metrics"]["validation_macro_f1"] > 0.9
    analysed = json.loads(place.store.read(result["curves_digest"]))
    assert any("answer = c" in rule["outcome"] for rule in analysed["rules"])
    assert sum(group["rows"] for group in analysed["clusters"]) == 140
    assert verified(
        place, "wine-verification", result["artifact_digest"], place.part(texts[140:], answers[140:], "g")
    )


def test_numbers_of_texts_become_a_model(place):
    words = ("awful", "bad", "fine", "good", "great")
    texts = [f"{word} {n}" for n in range(12) for word in words]
    answers = [str(words.index(text.split()[0])) for text in texts]
    part = place.part(texts, answers, "h")
    recipe = Recipe(
        Method.CLASSICAL,
        task=Regress(min=0, max=4),
        classical=Classical((Features.WORDS,), (Estimator.LINEAR,)),
    )
    result = trained(place, "numbers", recipe, part, place.part(texts[:5], answers[:5], "i"))
    assert result["metrics"]["validation_mae"] < 0.2
    assert verified(place, "numbers-verification", result["artifact_digest"], part)["golden_digest"]


def test_a_record_in_both_parts_is_refused(place, mails):
    with pytest.raises(DataMalformed, match="in the training part and in the validation part"):
        trained(place, "leak", Recipe(Method.CLASSICAL, LABELS, classical=Classical()), mails[0], mails[0])


def test_a_task_without_classical_models_is_refused():
    with pytest.raises(BadRecipe, match="CLASSICAL needs a task with labels or numbers"):
        Recipe(Method.CLASSICAL, task=Generate(), classical=Classical()).checked()
    with pytest.raises(BadRecipe, match="TABLE does not go with other features"):
        Recipe(Method.CLASSICAL, LABELS, classical=Classical((Features.TABLE, Features.WORDS))).checked()
