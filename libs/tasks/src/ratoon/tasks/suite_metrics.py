"""Names of the metrics of suites, as rules of a gate have them: `suite:NAME.metric` and `suite:NAME/TEST.metric`."""

from collections.abc import Collection
from dataclasses import dataclass

_PREFIX = "suite:"


@dataclass(frozen=True)
class SuiteMetric:
    """Metric of a suite, or of one of its tests."""

    suite: str
    metric: str
    test: str = ""
    """Empty: the mean over the tests that have the metric."""


def is_suite_metric(metric: str) -> bool:
    """Return whether a rule names a metric of a suite."""
    return metric.startswith(_PREFIX)


def suite_metric(metric: str, suites: Collection[str]) -> SuiteMetric | None:
    """Return the metric `suite:NAME.metric` or `suite:NAME/TEST.metric` of one of these suites; None: of none of them.

    Names of suites may contain dots: the longest one that fits counts.
    """
    rest = metric.removeprefix(_PREFIX)
    for suite in sorted(suites, key=len, reverse=True):
        if rest.startswith(f"{suite}/"):
            test, _, name = rest[len(suite) + 1 :].partition(".")
            return SuiteMetric(suite, name, test) if test and name else None
        if rest.startswith(f"{suite}.") and len(rest) > len(suite) + 1:
            return SuiteMetric(suite, rest[len(suite) + 1 :])
    return None
