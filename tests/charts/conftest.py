"""The chart as Helm renders it. Helm and the other programs are built from Go modules once: see `scripts/cluster`."""

import pytest

from ratoon.testkit.kubernetes import tools
from tests.charts.manifests import EXAMPLES, Helm


@pytest.fixture(scope="session")
def helm() -> Helm:
    """Helm, aimed at the chart."""
    if lacking := tools.missing():
        pytest.skip(lacking)
    return Helm(tools.programs() / "helm")


@pytest.fixture(scope="session", params=["as it is", *EXAMPLES])
def release(helm, request):
    """A release by the chart's own values, and one by each of the examples."""
    return helm.release(request.param)
