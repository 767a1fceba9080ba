"""Shadow answers from the gateway to the rollout: each service reads what the one before it writes."""

import json
from dataclasses import replace
from datetime import UTC, datetime

import pytest
import zstandard

from ratoon.storage.artifacts import ArtifactStore
from ratoon.tasks.classify import Classify
from ratoon.tasks.regress import METRICS
from ratoon_flywheel.adapters.serving import RolloutStage, ServingRollouts
from ratoon_flywheel.adapters.traffic import ArtifactSegments
from ratoon_flywheel.application.intake import read_segment
from ratoon_flywheel.domain.pipelines.actions import RollOut
from ratoon_flywheel.domain.project_settings import ShadowSettings
from ratoon_flywheel.domain.projects import Project, checked
from ratoon_flywheel.domain.signals.comparison import Interval
from ratoon_flywheel.domain.signals.shadows import Paired, ShadowAnswer, ShadowComparison, Side
from ratoon_gateway.domain.capture import CUT, OK, SHADOW, Answered, Live, exchanges, line
from ratoon_gateway.domain.completions import CHAT, read_request
from ratoon_serving import mapping
from ratoon_serving.domain.rollouts.shadow import Comparison, Shadow
from ratoon_serving.domain.rollouts.shadow import Paired as ServingPaired
from ratoon_serving.domain.rollouts.shadow import Side as ServingSide

from .test_stage_requests import Requests

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)
DEPLOYMENT = "projects/p/deployments/p"
OLD, NEW = (f"projects/p/models/p/versions/{version}" for version in ("v1.0", "v1.1"))
PROJECT = checked(Project("projects/p", NOW, NOW, Classify(("ham", "spam"))))
ASK = read_request(
    CHAT, json.dumps({"model": "p", "messages": [{"role": "user", "content": "A mail"}]}).encode()
)


def answered(answer_id: str, version: str, text: str, status: int, live: Live | None = None) -> Answered:
    usage = {"prompt_tokens": 9, "completion_tokens": 2}
    raw = json.dumps({"choices": [{"index": 0, "message": {"content": text}}], "usage": usage}).encode()
    return Answered(
        answer_id, NOW, DEPLOYMENT, version, ASK, raw if text else b"", status, 300.0, "key", live
    )


def test_flywheel_reads_the_shadow_answers_that_gateways_capture(tmp_path):
    live = Live("a", OLD, 100.0, 5)
    captured = [
        answered("a", OLD, "ham", OK),
        answered("b", NEW, " Spam ", SHADOW, live),
        answered("c", NEW, "", CUT, live),
    ]
    rows = [line(each, each.answer_id, *exchange) for each in captured for exchange in exchanges(each)]
    segments = ArtifactSegments(ArtifactStore(str(tmp_path)))
    digest = segments.write([zstandard.compress(b"".join(rows))])
    taken = read_segment("segment", digest, PROJECT, segments, 1000)
    answer = ShadowAnswer("b", "a", "segment", DEPLOYMENT, NEW, OLD, NOW, "spam", True, 300.0, 100.0, 2, 5)
    failed = replace(answer, answer_id="c", label="", succeeded=False, tokens=0)
    assert taken.shadows == [answer, failed]
    assert [each.answer_id for each in taken.answers] == ["a"]
    assert not taken.set_aside


@pytest.mark.parametrize("interval", [Interval(1.0, 0.5, 1.5), None], ids=["interval", "one-caller"])
def test_serving_reads_the_comparison_that_flywheel_reports(interval):
    channel = Requests()
    paired = Paired(7, 5, 2, 1.0, 2.0, 1.0, interval)
    comparison = ShadowComparison(
        f"{DEPLOYMENT}/rollouts/r",
        NOW,
        METRICS["mae"],
        9,
        0.5,
        0.25,
        Side(0.3, 7.5, 9, 1),
        Side(0.1, 8.0, 2, 0),
        paired,
        "a sentence",
    )
    ServingRollouts(channel).report(comparison)
    command = mapping.report_shadow_comparison(channel.sent["ReportShadowComparison"])
    bounds = (interval.low, interval.high) if interval else (None, None)
    assert command.name == comparison.rollout
    assert command.comparison == Comparison(
        NOW,
        9,
        0.5,
        "mae",
        True,
        0.25,
        ServingSide(0.3, 7.5, 9, 1),
        ServingSide(0.1, 8.0, 2, 0),
        ServingPaired(7, 5, 2, 1.0, 2.0, 1.0, *bounds),
        "a sentence",
    )


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        (ShadowSettings(), Shadow()),
        (
            ShadowSettings(0.2, 50, 600.0, "accuracy", 0.01, True, "price"),
            Shadow(0.2, 50, 600.0, "accuracy", 0.01, True, "price"),
        ),
        (ShadowSettings(0.2, 50), Shadow(0.2, 50)),
    ],
    ids=["default", "all", "longest-wait-of-serving"],
)
def test_rollouts_of_a_project_compare_as_it_sets(settings, expected):
    channel = Requests()
    project = checked(replace(PROJECT, shadow=settings))
    RolloutStage(channel).create(RollOut(project, NEW, project.compute.serving), "id")
    assert mapping.create_rollout(channel.sent["CreateRollout"]).shadow == expected
