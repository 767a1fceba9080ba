"""Suites on the command line: made from files, and their results."""

import hashlib
import json
import re

RUN = "projects/p/evaluationRuns/r"
TASK = """task: cases
dataset_path: json
dataset_kwargs:
  data_files: {test: cases.jsonl}
test_split: test
doc_to_text: prompt
doc_to_target: answer
"""


def digest_of(text):
    return hashlib.sha256(text.encode()).hexdigest()


def test_files_of_a_suite_are_uploaded(ratoon, server, tmp_path):
    (tmp_path / "tasks").mkdir()
    (tmp_path / "tasks" / "cases.yaml").write_text(TASK)
    (tmp_path / "tasks" / "cases.jsonl").write_text("documents")
    (tmp_path / "own.jsonl").write_text("records")
    suite = tmp_path / "suite.yaml"
    suite.write_text(
        "description: Hard ones\n"
        "tests:\n"
        "- name: own\n"
        "  kind: noise\n"
        "  records: {file: own.jsonl, noise: {perturbations: [typos], rate: 0.1}}\n"
        "- name: field\n"
        "  harness: {task: tasks/cases.yaml, limit: 5}\n"
    )
    status, _, errors = ratoon("suites", "create", "hard", "-f", str(suite))
    assert status == 0, errors
    uploads = {each.url.path.rsplit("/", 1)[-1] for each in server.requests if "/blobs/" in each.url.path}
    assert {digest_of("documents"), digest_of("records")} <= uploads
    (created,) = [each for each in server.requests if each.url.path.endswith("projects/p/suites")]
    assert created.url.params["suiteId"] == "hard"
    own, field = json.loads(created.content)["tests"]
    assert own["kind"] == "KIND_NOISE"
    assert own["records"] == {
        "digest": digest_of("records"),
        "noise": {"perturbations": ["PERTURBATION_TYPOS"], "rate": 0.1},
    }
    assert field["harness"] == {
        "yaml": TASK,
        "files": [{"name": "cases.jsonl", "digest": digest_of("documents")}],
        "limit": 5,
    }


def test_a_file_that_is_missing_is_named(ratoon, tmp_path):
    suite = tmp_path / "suite.yaml"
    suite.write_text("tests: [{name: own, records: {file: gone.jsonl}}]\n")
    status, _, errors = ratoon("suites", "create", "hard", "-f", str(suite))
    assert status != 0
    assert "is no file" in re.sub(r"[\s│]+", " ", errors)


def test_an_update_carries_the_etag(ratoon, server):
    assert ratoon("suites", "update", "hard", "--description", "New")[0] == 0
    [(_, name, _, body)] = server.sent("PATCH")
    assert (name, body) == ("projects/p/suites/hard", {"description": "New", "etag": "e2"})
    assert ratoon("suites", "delete", "hard", "--yes")[0] == 0
    assert server.sent("DELETE") == [("DELETE", "projects/p/suites/hard", {"etag": "e2"}, {})]


def test_results_of_suites_are_listed(ratoon, server):
    estimate = {"value": 0.5, "lower": 0.25, "upper": 0.75}
    tests = [
        {
            "test": "a",
            "kind": "KIND_NOISE",
            "metric": "acc",
            "recordCount": "9",
            "candidate": {"acc": estimate},
            "stepByStep": {
                "candidate": {"acc": estimate},
                "differences": {"acc": {"value": 0.125, "upper": 0.25}},
            },
        },
        {"test": "b", "metric": "pass@1", "unmeasured": {"": "Programs cannot be run here."}},
    ]
    server.answers["GET", RUN] = {
        "name": RUN,
        "suiteResults": [{"suite": "projects/p/suites/hard", "tests": tests}],
    }
    status, printed, errors = ratoon("evaluations", "suites", "r", "-o", "wide")
    assert status == 0, errors
    for part in (
        "hard",
        "noise",
        "acc",
        "0.5 [0.25, 0.75]",
        "Programs cannot be run here.",
        "acc, step by step",
        "0.125 [0, 0.25]",
    ):
        assert part in printed
    server.answers["GET", RUN] = {"name": RUN}
    assert "has no results of suites" in ratoon("evaluations", "suites", "r")[2]
