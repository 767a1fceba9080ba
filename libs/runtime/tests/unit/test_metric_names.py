"""Renamed metrics: both names have the same values until the release that removes the old one."""

import urllib.request
from importlib.metadata import version

import pytest
from packaging.version import Version
from prometheus_client.parser import text_string_to_metric_families

from ratoon.runtime.metric_names import OLD_NAMES
from ratoon.runtime.probes import Probes, Wellness
from ratoon.service.app import Platform


@pytest.fixture
def scrape():
    """Return the samples that `/metrics` of a process shows, by name."""
    platform = Platform.of_process()
    platform.service_metrics.add("works", list)
    platform.operation_metrics.step_failures.labels("works", "Work", "UNAVAILABLE").inc(3)
    probes = Probes("127.0.0.1:0", platform.metrics, Wellness())
    probes.start()
    with urllib.request.urlopen(f"http://127.0.0.1:{probes.port}/metrics", timeout=5) as response:
        families = text_string_to_metric_families(response.read().decode())
        yield {sample.name: (sample.labels, sample.value) for family in families for sample in family.samples}
    probes.stop()


@pytest.mark.parametrize(
    ("name", "old", "value"),
    [
        ("ratoon_service_up", "ratoon_room_up", 1.0),
        ("ratoon_operation_step_failures_total", "ratoon_operation_stumbles_total", 3.0),
    ],
)
def test_a_renamed_metric_is_exported_under_both_names(scrape, name, old, value):
    assert scrape[name] == scrape[old]
    assert scrape[name][1] == value


@pytest.mark.parametrize("old", OLD_NAMES.values(), ids=lambda old: old.name)
def test_an_old_name_is_removed_in_time(old):
    assert Version(Version(version("ratoon-runtime")).base_version) < Version(old.removed_in)
