"""Suites of a project: tests that evaluation applies to candidates in addition to the parts of their data."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import isfinite

from ratoon.tasks.kind import AnyKind
from ratoon.tasks.suite_metrics import is_suite_metric, suite_metric
from ratoon_flywheel.domain.errors import BadProject
from ratoon_flywheel.domain.project_settings import MetricGate

_MAX_SUITES = 20
_FIELD, _GATES = "suites", "metric_gates"


@dataclass(frozen=True)
class SuiteTest:
    """Test of a suite, as far as it decides whether a project can use it."""

    name: str
    metric: str = ""
    """Metric that sums it up; empty: that of the run."""
    by_records: bool = True
    """Whether it is scored by the metrics of the task."""
    multi_turn: bool = False


@dataclass(frozen=True)
class Suite:
    """Suite of evaluation."""

    name: str
    tests: tuple[SuiteTest, ...]

    @property
    def id(self) -> str:
        """Return the last segment of its name."""
        return _id(self.name)


def full_names(project: str, collection: str, names: Sequence[str]) -> tuple[str, ...]:
    """Return the names of resources of a collection, of which some may be IDs."""
    return tuple(name if "/" in name else f"{project}/{collection}/{name}" for name in names)


def of_suites(gates: Sequence[MetricGate]) -> tuple[MetricGate, ...]:
    """Return the gates on metrics of suites."""
    return tuple(gate for gate in gates if is_suite_metric(gate.metric))


def of_domains(gates: Sequence[MetricGate]) -> tuple[MetricGate, ...]:
    """Return the gates on metrics of the domains of an evaluation."""
    return tuple(gate for gate in gates if not is_suite_metric(gate.metric))


def check_suites(project: str, suites: Sequence[str], gates: Sequence[MetricGate], kind: AnyKind) -> None:
    """Raise BadProject if a suite is of another project, or a gate on a suite is not one that evaluation can hold."""
    if len(suites) > _MAX_SUITES or len(set(suites)) < len(suites):
        raise BadProject(f"suites takes up to {_MAX_SUITES} different suites.", _FIELD)
    for name in suites:
        if name.rpartition("/suites/")[0] != project or not _id(name):
            raise BadProject(
                f"{name[:200]!r} is no suite of {project}: give its ID, or {project}/suites/ID.", _FIELD
            )
    gated = [gate.metric for gate in of_suites(gates)]
    if len(set(gated)) < len(gated):
        raise BadProject("Each metric has at most one gate.", _GATES)
    for gate in of_suites(gates):
        _check_gate(gate, [_id(name) for name in suites], kind)


def check_use(
    suites: Sequence[Suite], gates: Sequence[MetricGate], gated: Sequence[str], kind: AnyKind
) -> None:
    """Raise BadProject if the task does not have what a suite tests, or a gate names a test that there is not.

    `gated` are the metrics of the task that can be bounded.
    """
    for suite in suites:
        for test in suite.tests:
            _check_test(suite, test, gated, kind)
    by_id = {suite.id: suite for suite in suites}
    for gate in of_suites(gates):
        named = suite_metric(gate.metric, by_id)
        tests = by_id[named.suite].tests if named else ()
        chosen = [test for test in tests if named and named.test in ("", test.name)]
        if named and not chosen:
            listed = ", ".join(test.name for test in tests)[:500]
            raise BadProject(
                f"The suite {named.suite} has the tests {listed}, not {named.test[:63]!r}.", _GATES
            )
        if named and named.metric not in gated and all(test.by_records for test in chosen):
            raise BadProject(
                f"{gate.metric[:200]!r} is never measured: the tests have {', '.join(gated)}.", _GATES
            )


def _check_test(suite: Suite, test: SuiteTest, gated: Sequence[str], kind: AnyKind) -> None:
    if test.by_records and test.metric and test.metric not in gated:
        raise BadProject(
            f"{suite.name} does not fit the task: the test {test.name} is summed up by {test.metric}, and the task "
            f"has {', '.join(gated)}. Change the metric of the test, or leave the suite out.",
            _FIELD,
        )
    if test.multi_turn and not kind.FREE_TEXT:
        raise BadProject(
            f"{suite.name} does not fit the task: the test {test.name} is multi-turn, which needs a task generate. "
            "Leave the suite out.",
            _FIELD,
        )


def _check_gate(gate: MetricGate, suites: Sequence[str], kind: AnyKind) -> None:
    named = suite_metric(gate.metric, suites)
    if named is None:
        raise BadProject(
            f"{gate.metric[:200]!r} is no metric of the suites of the project: write suite:ID.metric or "
            f"suite:ID/TEST.metric, where ID is one of {', '.join(suites) or 'suites (there are none)'}.",
            _GATES,
        )
    if gate.max_loss is not None:
        raise BadProject(f"The gate on {gate.metric} takes min_value and max_value, not max_loss.", _GATES)
    bounds = dict(_bounds(gate))
    if not bounds or not all(map(isfinite, bounds.values())):
        raise BadProject(f"The gate on {gate.metric} needs min_value or max_value, finite.", _GATES)
    metric = kind.METRICS.get(named.metric)
    for name, bound in bounds.items():
        if metric is not None and not metric.low <= bound <= metric.high:
            raise BadProject(
                f"{name} of the gate on {gate.metric} must be {metric.low:g} to {metric.high:g}, not {bound:g}.",
                _GATES,
            )


def _bounds(gate: MetricGate) -> Iterator[tuple[str, float]]:
    for name, bound in (("min_value", gate.min_value), ("max_value", gate.max_value)):
        if bound is not None:
            yield name, bound


def _id(name: str) -> str:
    return name.rpartition("/")[2]
