"""Suites as their pages show them, and the tests that forms make."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ratoon_console.domain.errors import BadForm
from ratoon_console.domain.words import JSON, count, last_part

KINDS = {
    "KIND_UNSPECIFIED": "plain",
    "KIND_ADVERSARIAL": "adversarial",
    "KIND_AMBIGUOUS": "ambiguous",
    "KIND_LONG_CONTEXT": "long context",
    "KIND_NOISE": "noise",
}
"""Kinds of tests, as pages name them."""
PERTURBATIONS = {
    "PERTURBATION_TYPOS": "typos",
    "PERTURBATION_CASE": "case",
    "PERTURBATION_WHITE_SPACE": "white space",
    "PERTURBATION_TRUNCATION": "truncation",
}
_PERTURBATION = "noise-"
"""Prefix of the fields of perturbations."""
_CONTENTS = ("records", "harness", "code")


def content_of(test: JSON) -> str:
    """Return what a test consists of: `records`, `harness` or `code`."""
    return next((content for content in _CONTENTS if content in test), "records")


def summary(test: JSON) -> str:
    """Return what models are asked, in one phrase."""
    match content_of(test):
        case "harness":
            limit, shots = test["harness"].get("limit"), test["harness"].get("fewShot")
            given = [f"{shots} examples"] if shots is not None else []
            given += [f"first {limit} documents"] if limit else []
            return ", ".join(["task of lm-evaluation-harness", *given])
        case "code":
            return f"programming problems, {count(test['code'].get('samples', 1))} programs for each"
        case _:
            return ", ".join(["records", *_settings(test["records"])])


def _settings(records: JSON) -> list[str]:
    noise = records.get("noise") or {}
    named = [PERTURBATIONS.get(each, each) for each in noise.get("perturbations", [])]
    return [
        *(["turn by turn"] if records.get("multiTurn") else []),
        *([f"with {', '.join(named)}"] if named else []),
        *(["also step by step"] if "stepByStep" in records else []),
    ]


def pasted(text: str) -> str:
    """Return JSON Lines that a person pasted, with the line ends of files; empty: nothing. BadForm names a bad line."""
    lines = text.replace("\r\n", "\n").split("\n")
    for number, line in enumerate(lines, 1):
        if line.strip() and not isinstance(_parsed(line, number), dict):
            raise BadForm(f"Line {number} is no JSON object. Go back and correct it.")
    return "\n".join(line for line in lines if line.strip())


def _parsed(line: str, number: int) -> object:
    try:
        return json.loads(line)
    except (ValueError, RecursionError) as error:
        raise BadForm(f"Line {number} is not JSON: {error}. Go back and correct it.") from None


def test_of(fields: Mapping[str, str], digests: Mapping[str, str], known: JSON) -> JSON:
    """Return the test of a form; `digests` are those of its pasted files, `known` is the test that it changes.

    BadForm unless the form or the known test has one content.
    """
    plain = {name: fields.get(name, "").strip() for name in ("test", "difficulty", "metric")}
    if not plain["test"]:
        raise BadForm("The test has no name. Go back and enter one.")
    test: JSON = {"name": plain["test"], "difficulty": plain["difficulty"], "metric": plain["metric"]}
    test["kind"] = fields["kind"] if fields.get("kind") in KINDS else "KIND_UNSPECIFIED"
    yaml = fields.get("yaml", "").replace("\r\n", "\n").strip()
    if yaml and "records" in digests:
        raise BadForm("Give records or a task, not both. Go back and clear one of them.")
    if yaml:
        return test | {"harness": _harness(fields, yaml, digests, known.get("harness", {}))}
    digest = digests.get("records") or known.get("records", {}).get("digest", "")
    if digest:
        return test | {"records": _records(fields, digest, known.get("records", {}))}
    if "code" in known:
        return test | {"code": known["code"]}
    raise BadForm("The test is empty. Go back and paste records or a task.")


def _records(fields: Mapping[str, str], digest: str, known: JSON) -> JSON:
    records: JSON = {"digest": digest}
    if fields.get("multi_turn") == "yes":
        records["multiTurn"] = True
    if fields.get("step_by_step") == "yes":
        records["stepByStep"] = known.get("stepByStep", {})
    if chosen := [name for name in PERTURBATIONS if fields.get(f"{_PERTURBATION}{name}") == "yes"]:
        records["noise"] = {**known.get("noise", {}), "perturbations": chosen}
    return records


def _harness(fields: Mapping[str, str], yaml: str, digests: Mapping[str, str], known: JSON) -> JSON:
    """Return a task; a pasted file takes the place of the one of its name."""
    files = {each["name"]: each for each in known.get("files", [])}
    if "documents" in digests:
        name = fields.get("file_name", "").strip()
        if not name:
            raise BadForm("The file has no name. Go back and enter the one that the task gives it.")
        files[name] = {"name": name, "digest": digests["documents"]}
    return {**known, "yaml": yaml, "files": list(files.values())}


@dataclass(frozen=True)
class Result:
    """What one evaluation run measured with a suite, as text."""

    run: str
    time: str
    passed: bool
    metrics: tuple[tuple[str, JSON], ...]


def results_of(runs: Sequence[JSON], suite: str) -> list[Result]:
    """Return the results of the runs that applied a suite: the means of the metrics that sum its tests up."""
    return [
        Result(
            last_part(run["name"]),
            run.get("createTime", ""),
            bool(run.get("verdict", {}).get("passed")),
            tuple(
                (name, result["metrics"][name])
                for name in sorted({test.get("metric", "") for test in result.get("tests", [])})
                if name in result.get("metrics", {})
            ),
        )
        for run in runs
        for result in run.get("suiteResults", [])
        if result["suite"] == suite
    ]
