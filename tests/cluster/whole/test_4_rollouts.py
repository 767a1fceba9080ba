"""Blue-green on pods under streaming load, without and with a fault in the middle: it ends, and nothing is lost.

Versions are tiny and say one word, so an answer that another version wrote than its header says is noticed.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from ratoon.client.states import has_ended, has_succeeded
from ratoon.client.types import Rollout
from ratoon.testkit.waiting import until

from ...chaos.served import Served, Traffic, adapter, excused
from ...chaos.victims import Victim
from ..platform import Platform
from ..release import LAPTOP
from ..summary import Step, Summary
from ..traffic import PodTraffic

VALUES = Path(__file__).with_name("values.yaml")
STREAMS, TOKENS = 4, 900
_AWAY_S, _LOST_S = 60.0, 30.0
pytestmark = pytest.mark.timeout(900)


@pytest.fixture(scope="module")
def served(platform: Platform, summary: Summary, tmp_path_factory: pytest.TempPathFactory) -> Served:
    """A deployment of two tiny versions; the first one serves."""
    served = Served(platform)
    with summary.step("first engine serves"):
        served.set_up(tmp_path_factory.mktemp("models"))
    return served


def test_second_version_takes_over_and_nothing_is_lost(served: Served, summary: Summary) -> None:
    with summary.step("rollout v1.0 to v1.1") as step, traffic(served, step) as callers:
        ended = roll(served, callers)
    assert ended.state == "STATE_SUCCEEDED", ended
    assert_nothing_lost(callers, step, None)


def kill_serving(platform: Platform, _: Served) -> None:
    """The pod that executes the rollout dies at once."""
    for pod in platform.pods("serving"):
        platform.cluster.kill(pod, platform.release.namespace)


def kill_engine(platform: Platform, served: Served) -> None:
    """The engine that answers dies at once."""
    platform.cluster.kill(engine_of(platform, served.serving()), platform.release.namespace)


def lose_node(platform: Platform, served: Served) -> None:
    """The kubelet is away and the engine that answers dies: it is not started again meanwhile."""
    platform.own.node.stop_kubelet()
    kill_engine(platform, served)
    time.sleep(_LOST_S)
    platform.own.node.start_kubelet()


def api_away(platform: Platform, _: Served) -> None:
    """The API server is away."""
    platform.own.plane.stop_apiserver()
    time.sleep(_AWAY_S)
    platform.own.plane.start_apiserver()


def upgrade(platform: Platform, _: Served) -> None:
    """Helm replaces the platform's own pods in the middle."""
    platform.release.install(LAPTOP, VALUES, **{"serving.podAnnotations.again": "once"})


FAULTS: dict[str, tuple[Callable[[Platform, Served], None], Victim | None]] = {
    "serving pod killed": (kill_serving, None),
    "engine killed": (kill_engine, Victim.ENGINE),
    "node lost": (lose_node, Victim.ENGINE),
    "API away for a minute": (api_away, None),
    "helm upgrade": (upgrade, None),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_rollout_with_a_fault_ends_in_one_version_and_says_why(
    platform: Platform, served: Served, summary: Summary, fault: str
) -> None:
    strike, victim = FAULTS[fault]
    if strike in (lose_node, api_away):
        assert platform.own, "skipped where it is another's"
    with summary.step(f"rollout, {fault}") as step, traffic(served, step) as callers:
        ended = roll(served, callers, lambda: strike(platform, served))
        serving = served.serving()
    assert has_ended(ended)
    assert serving == (ended.to_version if has_succeeded(ended) else ended.from_version)
    assert ended.reason, ended
    platform.wait_ready(300)
    assert_nothing_lost(callers, step, victim)


def test_first_request_wakes_an_engine_that_was_scaled_to_none(
    platform: Platform, served: Served, summary: Summary
) -> None:
    def engines() -> list[str]:
        return [pod for pod in platform.pods("engine") if pod.startswith(f"engine-{served.project}-")]

    deployments = platform.client.deployments
    deployments.scale(served.deployment, min_replicas=0, max_replicas=1)
    with summary.step("nobody asks: scaled to none"):
        until(lambda: not engines(), 180)
    with summary.step("first request, held until a pod answers") as step:
        step.sent = 1
        completions = platform.client.chat.completions
        model, prompt = f"{served.project}/{served.project}", "What is this mail?"
        answer = completions.create(model, prompt, max_tokens=1, temperature=0, timeout=300.0)
    assert answer.version.endswith(served.serving().rsplit("/", 1)[-1])
    assert len(engines()) == 1
    deployments.scale(served.deployment, min_replicas=1, max_replicas=1)


def test_adapter_is_swapped_in_the_engine_that_serves(
    platform: Platform, summary: Summary, tmp_path: Path
) -> None:
    served = Served(platform, "notes")
    with summary.step("first adapter serves"):
        served.set_up(tmp_path, adapter)
    engines = platform.pods("engine")
    with summary.step("rollout, adapter swap") as step, traffic(served, step) as callers:
        callers.open_streams(STREAMS, TOKENS)
        ended = served.end(served.roll_out(served.other(), "ADAPTER_SWAP", bake_s=5.0))
    assert (ended.state, ended.strategy) == ("STATE_SUCCEEDED", "STRATEGY_ADAPTER_SWAP"), ended
    assert platform.pods("engine") == engines
    assert_nothing_lost(callers, step, None)


def roll(served: Served, callers: Traffic, strike: Callable[[], None] | None = None) -> Rollout:
    """A rollout to the other version with streams open across it; the fault strikes when its engine is on its way."""
    callers.open_streams(STREAMS, TOKENS)
    name = served.roll_out(served.other(), bake_s=5.0)
    if strike is not None:
        until(lambda: served.rollout(name).steps, 120)
        strike()
    return served.end(name)


@contextmanager
def traffic(served: Served, step: Step) -> Iterator[Traffic]:
    """Run callers until the block ends; the step gets their counts."""
    callers = PodTraffic(served)
    callers.start()
    try:
        yield callers
    finally:
        callers.stop()
        step.sent = (
            sum(callers.answered.values()) + len(callers.failed) + len(callers.unheard) + len(callers.streams)
        )
        step.failed = len(callers.failed) + len(callers.unheard)
        step.cut, step.misattributed = len(callers.cut()), len(callers.mixed)


def assert_nothing_lost(callers: Traffic, step: Step, victim: Victim | None) -> None:
    """Only streams whose own engine was killed may have ended early, with the error that says so."""
    step.excused = sum(1 for stream in callers.cut() if excused(stream, victim))
    step.cut -= step.excused
    assert callers.mixed == []
    assert [*callers.failed, *callers.unheard] == []
    assert [stream.ended for stream in callers.cut() if not excused(stream, victim)] == []


def engine_of(platform: Platform, version: str) -> str:
    """The pod of the engine that holds a version."""
    deployments = platform.release.get("deployments", "--selector", "app.kubernetes.io/component=engine")
    name = next(
        each["metadata"]["name"]
        for each in deployments
        if each["metadata"]["annotations"]["ratoon.dev/version"] == version
    )
    (pod,) = platform.release.get("pods", "--selector", f"ratoon.dev/engine={name}")
    return str(pod["metadata"]["name"])
