"""Judges in whole jobs: an endpoint over a socket, and a model of the platform."""

import json
from io import BytesIO

import pyarrow.parquet as pq
import pytest

from ratoon.operations.jobs import JobFolder
from ratoon.process.backoff import Backoff
from ratoon.tasks.kind import Record, Role, Turn
from ratoon.tasks.records import to_json
from ratoon_evaluation.worker import job as evaluation_job
from ratoon_evaluation.worker.judges import agreement_job, endpoint
from ratoon_evaluation.worker.judges.agreement_job import JudgeUnavailable

from .conftest import mails, part_blob
from .judge_server import answers_in, judge_server

COUNT = 18


def right_first(prompt):
    """Prefer the answer `spam`: the candidate gives it for every third mail, the reference never."""
    first, second = answers_in(prompt)
    return f"It is better.\nVerdict: {'A' if first == 'spam' else 'B' if second == 'spam' else 'TIE'}"


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch):
    monkeypatch.setattr(endpoint, "BACKOFF", Backoff(0.001, 0.002))


@pytest.fixture(scope="module")
def spec(store, taught, always_ham):
    return {
        "artifacts": store.url,
        "candidate": taught,
        "reference": always_ham,
        "task_spec": {"generate": {"defaults": {"max_tokens": 6}}},
        "domains": [{"name": "new", "test": store.put_bytes(part_blob(mails(COUNT)))}],
        "rules": [{"kind": "MIN_VALUE", "domain": "new", "metric": "judge_win_rate", "threshold": 0.5}],
        "resamples": 500,
    }


@pytest.fixture(scope="module")
def stored(spec, tmp_path_factory):
    """The answers of both models, so that each test scores them at once."""
    folder = tmp_path_factory.mktemp("answers") / "job"
    domain = scores_of(run(spec | {"rules": []}, folder))
    return [
        {
            "model": spec[role],
            "test": domain["test"],
            "predictions": domain[role]["predictions"],
            "answer_settings": domain[role]["answer_settings"],
        }
        for role in ("candidate", "reference")
    ]


def run(spec, folder):
    folder.mkdir()
    return evaluation_job.run(spec, JobFolder(folder))


def scores_of(result):
    return result["evaluation"]["measured"]["domains"][0]


def judge(server, kind="PAIRWISE", **more):
    return {
        "name": "j",
        "kind": kind,
        "base_url": server.url,
        "model": "m",
        "criteria": "Right",
        "max_tokens": 64,
        "listed": True,
        **more,
    }


def test_a_pair_is_asked_in_both_orders_and_the_better_candidate_wins(spec, stored, store, tmp_path):
    with judge_server(right_first) as server:
        result = run(spec | {"stored_answers": stored, "judges": [judge(server)]}, tmp_path / "job")
        domain = scores_of(result)
        (scores,) = domain["judges"]
        assert (scores["wins"], scores["losses"], scores["ties"]) == (6, 0, 12)
        assert (scores["counted"], scores["identical"], scores["inconsistent"]) == (COUNT, 12, 0)
        assert len(server.requests) == 12
        assert {(each["temperature"], each["model"], each["max_tokens"]) for each in server.requests} == {
            (0, "m", 64)
        }
        metrics = domain["candidate"]["metrics"]
        assert metrics["judge_win_rate"]["value"] == pytest.approx((6 + 12 / 2) / COUNT)
        assert metrics["judge_win_rate"]["low"] < metrics["judge_win_rate"]["value"]
        assert metrics["judge_consistency"]["value"] == 1
        assert result["evaluation"]["verdict"]["passed"] == (metrics["judge_win_rate"]["low"] >= 0.5)
        assert (scores["longer"], scores["longer_win_rate"]["value"]) == (6, 1.0)
        assert (scores["shorter"], scores["shorter_win_rate"]) == (0, None)
        rows = pq.read_table(BytesIO(store.read(scores["verdicts"]))).to_pylist()
        assert {tuple(row) for row in rows} == {("key", "verdict")}
        assert {row["verdict"] for row in rows} == {"FIRST", "SECOND"}
        assert b"judge win rate" in store.read(result["report_html"])
        again = judge(server, stored_verdicts=[scores["verdicts"]])
        repeated = run(spec | {"stored_answers": stored, "judges": [again]}, tmp_path / "again")
        assert len(server.requests) == 12
        assert scores_of(repeated)["judges"] == domain["judges"]
        other = judge(server, stored_verdicts=[scores["verdicts"]], criteria="Short")
        run(spec | {"stored_answers": stored, "judges": [other]}, tmp_path / "other")
        assert len(server.requests) == 24


def test_a_judge_is_asked_about_a_sample_that_is_always_the_same(spec, stored, tmp_path):
    few = {"max_records": 9}
    with judge_server(right_first) as server:
        result = run(spec | {"stored_answers": stored, "judges": [judge(server, **few)]}, tmp_path / "job")
        (first,) = scores_of(result)["judges"]
        count = len(server.requests)
        assert first["counted"] == 9
        assert count == 2 * (9 - first["identical"])
        known = judge(server, stored_verdicts=[first["verdicts"]], max_records=12)
        result = run(spec | {"stored_answers": stored, "judges": [known]}, tmp_path / "more")
        (more,) = scores_of(result)["judges"]
        assert more["counted"] == 12
        assert len(server.requests) == 2 * (12 - more["identical"])
    win_rate = scores_of(result)["candidate"]["metrics"]["judge_win_rate"]
    assert win_rate["value"] == pytest.approx((more["wins"] + more["ties"] / 2) / 12)


def test_a_judge_that_always_prefers_the_first_answer_decides_nothing(spec, stored, tmp_path):
    """T42."""
    with judge_server(lambda _: "Verdict: A") as server:
        result = run(spec | {"stored_answers": stored, "judges": [judge(server)]}, tmp_path / "job")
    domain = scores_of(result)
    (scores,) = domain["judges"]
    assert (scores["wins"], scores["losses"], scores["inconsistent"]) == (0, 0, 6)
    assert (scores["first_position"], scores["second_position"]) == (6, 0)
    assert "judge_win_rate" not in domain["candidate"]["metrics"]
    assert domain["candidate"]["metrics"]["judge_consistency"]["value"] == 0
    assert not result["evaluation"]["verdict"]["passed"]
    assert "changed with the order" in result["evaluation"]["verdict"]["findings"][0]["sentence"]


@pytest.mark.parametrize(
    ("reply", "statuses", "unparsable", "failed", "sentence"),
    [
        (lambda _: "INCORRECT", [], 6, 0, "6 replies could not be read"),
        (lambda _: "Verdict: A", [401] * 20, 0, 6, "status 401"),
        (lambda _: "Verdict: A", [503] * 999, 0, 6, "status 503"),
    ],
)
def test_a_judge_that_says_nothing_gives_no_score(
    spec, stored, tmp_path, reply, statuses, unparsable, failed, sentence
):
    """T42."""
    with judge_server(reply) as server:
        server.statuses = statuses
        result = run(spec | {"stored_answers": stored, "judges": [judge(server)]}, tmp_path / "job")
    domain = scores_of(result)
    (scores,) = domain["judges"]
    assert (scores["unparsable"], scores["failed"]) == (unparsable, failed)
    assert (scores["wins"], scores["losses"], scores["counted"], scores["identical"]) == (
        0,
        0,
        COUNT - 6,
        COUNT - 6,
    )
    assert not result["evaluation"]["verdict"]["passed"]
    reason = domain["candidate"]["unmeasured"]["judge_win_rate"]
    assert sentence in reason
    assert "judge_win_rate" not in domain["candidate"]["metrics"]


def test_passing_failures_are_retried(spec, stored, tmp_path):
    with judge_server(right_first) as server:
        server.statuses = [429, 503, 500]
        result = run(spec | {"stored_answers": stored, "judges": [judge(server)]}, tmp_path / "job")
        assert len(server.requests) == 15
    assert scores_of(result)["judges"][0]["wins"] == 6


def test_a_rubric_scores_both_models_and_their_difference(spec, stored, tmp_path):
    rules = [
        {"kind": "BETTER", "domain": "new", "metric": "rubric_score", "threshold": 0.0},
        {"kind": "MIN_VALUE", "domain": "new", "metric": "rubric_score", "threshold": 1.5},
    ]
    with judge_server(lambda prompt: f"Score: {5 if answers_in(prompt) == ['spam'] else 2}/5") as server:
        spec = spec | {"stored_answers": stored, "judges": [judge(server, "RUBRIC")], "rules": rules}
        result = run(spec, tmp_path / "job")
        assert len(server.requests) == COUNT + 6
    domain = scores_of(result)
    assert domain["candidate"]["metrics"]["rubric_score"]["value"] == pytest.approx((6 * 5 + 12 * 2) / COUNT)
    assert domain["reference"]["metrics"]["rubric_score"]["value"] == 2
    assert domain["differences"]["rubric_score"]["value"] == pytest.approx(1)
    assert domain["differences"]["rubric_score"]["low"] > 0
    assert result["evaluation"]["verdict"]["passed"]


def test_the_key_comes_from_the_environment_of_the_worker(spec, stored, tmp_path, monkeypatch):
    with judge_server(right_first) as server:
        named = judge(server, key_variable="JUDGE_KEY")
        result = run(spec | {"stored_answers": stored, "judges": [named]}, tmp_path / "without")
        assert "JUDGE_KEY is not set" in scores_of(result)["candidate"]["unmeasured"]["judge_win_rate"]
        assert server.requests == []
        monkeypatch.setenv("JUDGE_KEY", "s3cret")
        run(spec | {"stored_answers": stored, "judges": [named]}, tmp_path / "with")
        assert set(server.keys) == {"Bearer s3cret"}


def test_an_endpoint_that_is_not_listed_any_more_is_not_asked(spec, stored, tmp_path):
    with judge_server(right_first) as server:
        hidden = judge(server, listed=False)
        result = run(spec | {"stored_answers": stored, "judges": [hidden]}, tmp_path / "job")
        assert server.requests == []
    assert "not listed" in scores_of(result)["candidate"]["unmeasured"]["judge_win_rate"]


def test_redirects_are_not_followed(spec, stored, tmp_path):
    with judge_server(right_first) as other, judge_server(right_first) as server:
        server.statuses, server.headers = [307] * 99, {"Location": f"{other.url}/chat/completions"}
        run(spec | {"stored_answers": stored, "judges": [judge(server)]}, tmp_path / "job")
        assert other.requests == []


def test_a_model_of_the_platform_judges(spec, stored, untaught, tmp_path):
    own = {"name": "j", "kind": "PAIRWISE", "model_digest": untaught, "criteria": "Right", "max_tokens": 4}
    result = run(spec | {"stored_answers": stored, "judges": [own]}, tmp_path / "job")
    (scores,) = scores_of(result)["judges"]
    assert scores["unparsable"] + scores["failed"] == 6
    assert not (tmp_path / "job" / "judge").exists()


def cases(store, rows):
    """Store human verdicts of (text, answers, verdict)."""
    lines = [
        json.dumps({"prompt": to_json(Record((Turn(Role.USER, text),))), "answers": answers, "human": human})
        for text, answers, human in rows
    ]
    return store.put_bytes("\n".join([json.dumps({"judge": "j"}), *lines]).encode())


def agreement(store, folder, judge, rows):
    folder.mkdir()
    spec = {
        "artifacts": store.url,
        "task": "agreement",
        "judge": judge,
        "cases": cases(store, rows),
        "missing": 3,
    }
    try:
        return agreement_job.run(spec, JobFolder(folder))
    finally:
        assert not store.exists(spec["cases"])


def test_agreement_with_people_is_that_of_the_verdicts(store, tmp_path):
    rows = [(f"mail {n}", ["spam", "ham"], "FIRST") for n in range(6)]
    rows += [(f"mail {n}", ["ham", "spam"], "SECOND") for n in range(6, 10)]
    rows += [("mail 10", ["spam", "ham"], "SECOND"), ("mail 11", ["ham", "eggs"], "FIRST")]
    with judge_server(right_first) as server:
        result = agreement(store, tmp_path / "job", judge(server), rows)
    assert (result["pairs"], result["missing"], result["consistency"]) == (12, 3, 1.0)
    assert result["raw"] == pytest.approx(10 / 12)
    assert result["kappa"] == pytest.approx((10 / 12 - 69 / 144) / (1 - 69 / 144))


def test_agreement_of_ratings_weighs_the_distance(store, tmp_path):
    rows = [
        ("mail 1", ["one"], "1"),
        ("mail 2", ["two"], "2.5"),
        ("mail 3", ["three"], "3"),
        ("m", ["?"], "5"),
    ]
    known = {"one": "Score: 1", "two": "Score: 3", "three": "Score: 4", "?": "?"}
    with judge_server(lambda prompt: known[answers_in(prompt)[0]]) as server:
        result = agreement(store, tmp_path / "job", judge(server, "RUBRIC"), rows)
    assert (result["pairs"], result["unparsable"], result["consistency"]) == (3, 1, None)
    assert result["raw"] == pytest.approx(2 / 3)
    assert 0.5 < result["kappa"] < 1


def test_without_human_verdicts_nothing_is_asked_and_nothing_is_known(store, tmp_path):
    with judge_server(right_first) as server:
        result = agreement(store, tmp_path / "job", judge(server), [])
        assert server.requests == []
    assert (result["pairs"], result["raw"], result["kappa"]) == (0, None, None)


def test_a_judge_that_is_down_has_no_agreement(store, tmp_path):
    with judge_server(right_first) as server:
        server.statuses = [404] * 99
        with pytest.raises(JudgeUnavailable, match="status 404"):
            agreement(store, tmp_path / "job", judge(server), [("mail", ["a", "b"], "FIRST")])


def test_human_comparisons_and_ratings_have_intervals_and_agreement(spec, stored, tmp_path):
    ids = [f"{n:064x}" for n in range(COUNT)]
    comparisons = [
        {"record_id": each, "verdicts": ["CANDIDATE", "CANDIDATE" if n % 2 else "TIE"]}
        for n, each in enumerate(ids[:6])
    ]
    comparisons += [{"record_id": ids[6], "verdicts": ["REFERENCE"]}]
    comparisons += [{"record_id": "f" * 64, "verdicts": ["REFERENCE"]}]
    ratings = [
        {"record_id": each, "role": role, "scales": [{"scale": "fluency", "ratings": [high, high - 1]}]}
        for n, each in enumerate(ids[:5])
        for role, high in (("candidate", 5 - n % 2), ("reference", 3))
    ]
    rules = [
        {"kind": "MIN_VALUE", "domain": "new", "metric": "human_win_rate", "threshold": 0.5},
        {"kind": "BETTER", "domain": "new", "metric": "human_rating", "threshold": 0.0},
    ]
    human = {"comparisons": comparisons, "ratings": ratings}
    result = run(spec | {"stored_answers": stored, "rules": rules, "human": human}, tmp_path / "job")
    domain = scores_of(result)
    people, metrics = domain["human"], domain["candidate"]["metrics"]
    assert (people["pairs"], people["wins"], people["losses"], people["ties"]) == (7, 6, 1, 0)
    assert metrics["human_win_rate"]["value"] == pytest.approx((3 * 1 + 3 * 0.75 + 0) / 7)
    assert 0.3 < metrics["human_win_rate"]["low"] < metrics["human_win_rate"]["value"]
    assert metrics["human_rating"]["value"] == pytest.approx(4.1)
    assert domain["differences"]["human_rating"]["value"] == pytest.approx(1.6)
    assert people["candidate_ratings"] == people["reference_ratings"] == 5
    assert 0 < people["rating_alpha"] < 1
    few, enough = (each["passed"] for each in result["evaluation"]["verdict"]["findings"])
    assert (few, enough) == (metrics["human_win_rate"]["low"] >= 0.5, True)


def test_a_run_without_human_verdicts_of_its_records_says_so(spec, stored, tmp_path):
    rules = [{"kind": "MIN_VALUE", "domain": "new", "metric": "human_win_rate", "threshold": 0.5}]
    result = run(
        spec | {"stored_answers": stored, "rules": rules, "human": {"comparisons": [], "ratings": []}},
        tmp_path / "job",
    )
    assert "No person compared" in result["evaluation"]["verdict"]["findings"][0]["sentence"]
