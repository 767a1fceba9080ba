"""The chart on an empty cluster becomes a platform that works, with nothing but what it brings along."""

from pathlib import Path

import httpx
import pytest

from ..platform import Platform
from ..release import LAPTOP
from ..summary import Summary

VALUES = Path(__file__).with_name("values.yaml")
_READY_S = 600.0
pytestmark = pytest.mark.timeout(900)


def test_an_install_becomes_ready(platform: Platform, summary: Summary) -> None:
    with summary.step("install"):
        platform.release.make_namespace()
        platform.release.install(LAPTOP, VALUES)
    with summary.step("all pods ready"):
        platform.wait_ready(_READY_S)


def test_the_operators_first_key_opens_the_gateway_and_no_other_does(platform: Platform) -> None:
    assert platform.client.chat.served_models() == []
    answer = httpx.get(f"{platform.url}/v1/models", headers={"authorization": "Bearer wrong"}, timeout=30)
    assert answer.status_code == 401


def test_metrics_are_not_on_the_public_port(platform: Platform) -> None:
    assert httpx.get(f"{platform.url}/metrics", timeout=30).status_code == 404


def test_helm_test_runs_a_step_of_the_loop(platform: Platform, summary: Summary) -> None:
    with summary.step("helm test"):
        platform.release.helm("test", "--timeout", "5m", "--logs")
