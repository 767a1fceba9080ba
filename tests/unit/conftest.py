"""Fixtures of tests of pages, charts and scripts."""

import importlib.util
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest
from prometheus_client import CollectorRegistry

from ratoon.runtime.telemetry import OperationMetrics, RpcMetrics
from ratoon.service import metrics
from ratoon_flywheel.adapters.metrics import EVENTS, SET_ASIDE
from ratoon_gateway.adapters.metrics import (
    GatewayMetrics,
    segment_metrics,
    shadow_counter,
    token_counter,
    webhook_counter,
)
from ratoon_gateway.domain.traffic import Traffic
from ratoon_gateway.entrypoints.watched import EdgeMetrics
from ratoon_serving.adapters.metrics import ENGINES

TEST_SCRIPT = Path(__file__).parents[2] / "scripts/test.py"


@pytest.fixture(scope="module")
def script() -> Iterator[ModuleType]:
    """`scripts/test.py` as a module."""
    spec = importlib.util.spec_from_file_location("ratoon_test_script", TEST_SCRIPT)
    assert spec is not None and spec.loader is not None
    module = sys.modules[spec.name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    yield module
    del sys.modules[spec.name]


@pytest.fixture(scope="session")
def known_metrics() -> frozenset[str]:
    """Every metric by the name that a query uses."""
    registry = CollectorRegistry()
    for make in (RpcMetrics, OperationMetrics, EdgeMetrics, token_counter, shadow_counter, webhook_counter):
        make(registry)
    registry.register(GatewayMetrics(Traffic(None), lambda: 0, lambda: 0, lambda: 0))
    segment_metrics(registry, Path())
    families = [each for each in vars(metrics).values() if isinstance(each, metrics.Family)]
    ours = {
        f"{each.name}_total" if each.counts else each.name for each in [*families, ENGINES, EVENTS, SET_ASIDE]
    }
    theirs = {f"{each.name}_total" if each.type == "counter" else each.name for each in registry.collect()}
    return frozenset(ours | theirs)
