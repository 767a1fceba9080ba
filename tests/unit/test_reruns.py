"""Failures that `scripts/test.py` repeats, and their outcome."""

import signal
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

FLAKY = '[[test]]\nid = "tests/integration/test_pods.py::TestPods::test_labels"\n'


@pytest.fixture(autouse=True)
def flaky(script: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "flaky.toml").write_text(FLAKY)
    monkeypatch.setattr(script, "FLAKY", tmp_path / "flaky.toml")


class FakeProcess:
    """A pytest whose first run fails the given tests, or ends by a signal, and whose second passes those it runs."""

    def __init__(self, script: ModuleType, folder: Path, *failed: str, status: int = 1, passes: bool = True):
        self._outcome, self._failed, self._status, self._passes = script.Outcome, failed, status, passes
        self.results = folder / "results.xml"
        self.runs: list[tuple[str, ...]] = []

    def run(self, _output: object, *options: str) -> Any:
        self.runs.append(options)
        cases = "".join(f"<testcase {self._named(test)}><failure/></testcase>" for test in self._failed)
        self.results.write_text(
            f'<testsuites><testsuite><testcase name="well"/>{cases}</testsuite></testsuites>'
        )
        count = len(self._failed)
        if len(self.runs) == 1 or not self._passes:
            return self._outcome("part", self._status, 1.0, 1, count, 0)
        return self._outcome("part", 0, 1.0, count, 0, 0)

    def _named(self, test: str) -> str:
        kind, _, name = test.rpartition(".")
        return f'classname="{kind}" name="{name}"'


LISTED = "tests.integration.test_pods.TestPods.test_labels"
PARAMETERS = f"{LISTED}[s3]"
OTHER = "tests.integration.test_pods.TestPods.test_models"
MANY = tuple(f"tests.integration.test_{number}.test_it" for number in range(4))


@pytest.mark.parametrize(
    ("options", "failed", "repeated"),
    [
        ([], (LISTED,), False),
        (["--listed-only"], (LISTED,), False),
        (["--again"], (LISTED,), True),
        (["--again"], (OTHER,), True),
        (["--again"], MANY, False),
        (["--again", "--listed-only"], (LISTED, PARAMETERS), True),
        (["--again", "--listed-only"], (OTHER,), False),
        (["--again", "--listed-only"], (LISTED, OTHER), False),
    ],
)
def test_failures_are_repeated_alone(script, tmp_path, options, failed, repeated):
    process = FakeProcess(script, tmp_path, *failed)
    (outcome,) = script.run_lane([process], None, script.repeats(options))
    assert len(process.runs) == 1 + repeated
    assert outcome.status == (0 if repeated else 1)
    assert outcome.unsettled == (failed if repeated else ())
    if repeated:
        assert "--last-failed" in process.runs[1]


@pytest.mark.parametrize(
    ("options", "repeated"), [(["--again"], True), (["--again", "--listed-only"], False)]
)
def test_a_process_that_died_is_a_failure_where_a_test_must_be_listed(script, tmp_path, options, repeated):
    process = FakeProcess(script, tmp_path, status=-signal.SIGSEGV)
    (outcome,) = script.run_lane([process], None, script.repeats(options))
    assert process.runs == [(), ()][: 1 + repeated]
    assert outcome.status == (0 if repeated else -signal.SIGSEGV)


def test_a_listed_test_that_fails_twice_fails(script, tmp_path):
    process = FakeProcess(script, tmp_path, LISTED, passes=False)
    (outcome,) = script.run_lane([process], None, script.repeats(["--again", "--listed-only"]))
    assert (outcome.status, outcome.unsettled) == (1, ())
