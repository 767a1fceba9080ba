"""Both versions of a rollout answered the same requests: feedback scores both, and serving gets the comparison."""

import json
from datetime import UTC, datetime, timedelta

import pytest

from ratoon.common.v1 import metric_pb2, shadow_pb2, task_pb2
from ratoon.events.embedded import EmbeddedLog
from ratoon.flywheel.v1 import flywheel_service_pb2 as pb
from ratoon.flywheel.v1 import project_pb2, signal_pb2
from ratoon.ingestion.v1.ingestion_events_pb2 import ErasureEvent, RecordsErased
from ratoon.process.clock import SystemClock
from ratoon.process.errors import InvalidArgument
from ratoon.service.events import record_of, topics_of
from ratoon.serving.v1 import rollout_pb2
from ratoon.storage.names import uuid7
from ratoon.testkit.waiting import until
from ratoon_flywheel.application import shadows
from ratoon_flywheel.application.examples import read_exchanges
from ratoon_flywheel.domain.signals.traffic import content_digest

PARENT = "projects/mail"
DEPLOYMENT = f"{PARENT}/deployments/mail"
OLD, NEW = (f"{PARENT}/models/mail/versions/{version}" for version in ("v1.0", "v1.1"))
TASKS = {
    "generate": task_pb2.TaskSpec(generate=task_pb2.Generate()),
    "regress": task_pb2.TaskSpec(regress=task_pb2.Regress(min=0, max=10)),
    "classify": task_pb2.TaskSpec(classify=task_pb2.Classify(labels=["ham", "spam"])),
}
CONSENT = signal_pb2.Feedback.Consent


@pytest.fixture(autouse=True)
def eager(monkeypatch):
    """Compare at once what is new: the interval bounds the work of a flywheel, and has tests of its own."""
    monkeypatch.setattr("ratoon_flywheel.domain.signals.monitor.SHADOW_INTERVAL", timedelta(seconds=0.2))
    monkeypatch.setattr("ratoon_flywheel.application.feedback.FEEDBACK_S", 0.1)


@pytest.fixture
def begun(env):
    def begin(kind, **settings):
        project = project_pb2.Project(task=TASKS[kind])
        env.flywheel.CreateProject(pb.CreateProjectRequest(project_id="mail", project=project))
        rollout = rollout_pb2.Rollout(
            name=f"{DEPLOYMENT}/rollouts/r",
            to_version=NEW,
            from_version=OLD,
            shadow=shadow_pb2.ShadowAnalysis(share=1, **settings),
        )
        rollout.create_time.FromDatetime(datetime.now(UTC))
        env.peers.resources[rollout.name] = rollout

    return begin


def shadowed(env, count, live, shadow, version=OLD, failed=0):
    """Answer requests of as many users with one version, and copies with the other; return the live answers' ids."""
    segment, now = f"{PARENT}/trafficSegments/{uuid7()}", datetime.now(UTC)
    other, ids, lines = (NEW if version == OLD else OLD), [], []
    for number in range(count):
        common = {
            "time": now.isoformat(),
            "deployment": DEPLOYMENT,
            "user": f"user {number}",
            "messages": [{"role": "user", "content": f"mail {number} of {segment}"}],
        }
        ids.append(env.answer_id(version, segment))
        sent = {"answer_id": ids[-1], "version": version, "answer": live, "status": 200, "latency_ms": 100.0}
        is_failed = number < failed
        copy = {
            "answer_id": env.answer_id(other, segment),
            "version": other,
            "answer": "" if is_failed else shadow,
            "status": 502 if is_failed else 202,
            "latency_ms": 300.0,
            "completion_tokens": 6,
            "shadow_of": ids[-1],
            "live_version": version,
            "live_latency_ms": 100.0,
            "live_completion_tokens": 2,
        }
        lines += [json.dumps({**common, **row}).encode() + b"\n" for row in (sent, copy)]
    env.announce(segment, lines, now)
    return ids


def newest(env, ready):
    """Return the newest comparison that serving got, once it is ready."""
    until(lambda: env.peers.comparisons and ready(env.peers.comparisons[-1].comparison), 30)
    last = env.peers.comparisons[-1]
    assert last.name == f"{DEPLOYMENT}/rollouts/r"
    return last.comparison


@pytest.mark.parametrize(
    ("kind", "live", "shadow", "right", "metric", "values"),
    [
        ("generate", "a subject", "budget of may", "budget of june", "rouge_l", (2 / 3, 0.0)),
        ("regress", "2", "6", "7", "mae", (1.0, 5.0)),
        ("classify", "ham", "spam", "spam", "macro_f1", (1.0, 0.0)),
    ],
)
def test_corrections_score_both_answers(env, begun, kind, live, shadow, right, metric, values):
    begun(kind)
    ids = shadowed(env, 25, live, shadow, failed=2)
    first = newest(env, lambda c: c.request_count)
    assert (first.request_count, first.agreement) == (23, 0.0)
    assert not first.HasField("by_metric")
    assert first.message.startswith("No right answer is known yet.")
    assert (first.new_version.shadow_count, first.new_version.error_count) == (25, 2)
    assert (first.new_version.latency_p50_seconds, first.old_version.latency_p50_seconds) == (0.3, 0.1)
    assert (first.new_version.mean_tokens, first.old_version.mean_tokens) == (6, 2)
    assert first.HasField("similarity") is (kind != "classify")
    for answer_id in ids:
        env.send_feedback(answer_id, correction=right)
    last = newest(env, lambda c: c.by_metric.pair_count == 23)
    assert last.metric.name == metric
    lower = metric_pb2.Metric.DIRECTION_LOWER
    assert (last.metric.direction == lower) is (kind == "regress")
    result = last.by_metric
    assert (result.new_value, result.old_value) == pytest.approx(values)
    assert result.gain == pytest.approx(abs(values[0] - values[1]))
    assert result.gain_low <= result.gain <= result.gain_high
    assert (result.caller_count, result.new_answered_count) == (23, 0)
    assert "the old one in 23" in last.message


def test_a_confirmed_label_is_right_for_both_and_what_the_new_version_answered_counts_too(env, begun):
    begun("classify", metric="accuracy")
    for version in (OLD, NEW):
        for answer_id in shadowed(env, 5, "ham", "spam", version):
            env.send_feedback(answer_id, thumb=1)
    result = newest(env, lambda c: c.by_metric.pair_count == 10).by_metric
    assert (result.new_value, result.old_value, result.new_answered_count) == (0.5, 0.5, 5)


@pytest.mark.parametrize(
    ("kind", "fields"),
    [
        ("generate", {"thumb": 1}),
        ("regress", {"thumb": 1}),
        ("classify", {"correction": "spam", "consent": CONSENT.CONSENT_NONE}),
        ("classify", {"rating": 3}),
    ],
    ids=["confirmed-text", "confirmed-number", "no-consent", "no-opinion"],
)
def test_feedback_that_is_no_reference_scores_nothing(env, begun, kind, fields):
    begun(kind)
    live = {"regress": "3", "generate": "a text", "classify": "ham"}[kind]
    ids = shadowed(env, 3, live, live)
    for answer_id in ids[:2]:
        env.send_feedback(answer_id, **fields)
    env.send_feedback(ids[2], correction={"classify": "spam"}.get(kind, "4"))
    comparison = newest(env, lambda c: c.by_metric.pair_count)
    assert comparison.by_metric.pair_count == 1
    assert comparison.agreement == 1.0


def test_an_outcome_that_comes_later_is_the_right_number(env, begun):
    begun("regress", reference_outcome="price")
    ids = shadowed(env, 3, "2", "6")
    env.send_feedback(ids[0], outcomes={"price": 7.0, "clicks": 1.0})
    env.send_feedback(ids[1], outcomes={"clicks": 9.0})
    env.send_feedback(ids[2], outcomes={"price": 7.0}, consent=CONSENT.CONSENT_NONE)
    result = newest(env, lambda c: c.by_metric.pair_count).by_metric
    assert (result.pair_count, result.new_value, result.old_value) == (1, 1.0, 5.0)


def test_what_is_erased_leaves_the_comparison(env, begun):
    begun("classify")
    ids = shadowed(env, 4, "ham", "spam")
    for answer_id in ids:
        env.send_feedback(answer_id, correction="spam")
    newest(env, lambda c: c.by_metric.pair_count == 4)
    (segment,) = env.flywheel.ListTrafficSegments(
        pb.ListTrafficSegmentsRequest(parent=PARENT)
    ).traffic_segments
    log = EmbeddedLog(env.state.folder / "events", SystemClock())
    log.create_topics(topics_of("ingestion"))
    done = RecordsErased(text_digests=[content_digest(f"mail 1 of {segment.name}")])
    event = ErasureEvent(name=f"{PARENT}/erasures/e", revision=1, completed=done)
    log.append([record_of("ingestion", event)])
    until(lambda: not env.peers.artifacts.exists(segment.digest), 30)
    shadowed(env, 1, "ham", "spam")
    assert newest(env, lambda c: c.by_metric.pair_count == 3).request_count == 4


def test_late_feedback_counts_for_the_rollout_whose_answers_it_is_about(env, begun):
    begun("classify")
    ids = shadowed(env, 2, "ham", "spam")
    newest(env, lambda c: c.request_count == 2)
    undone = rollout_pb2.Rollout(name=f"{DEPLOYMENT}/rollouts/undo", to_version=OLD, from_version=NEW)
    undone.create_time.FromDatetime(datetime.now(UTC))
    env.peers.resources[undone.name] = undone
    env.send_feedback(ids[0], correction="spam")
    assert newest(env, lambda c: c.by_metric.pair_count == 1).by_metric.gain == 1.0
    assert {request.name for request in env.peers.comparisons} == {f"{DEPLOYMENT}/rollouts/r"}


def test_texts_are_read_in_parts_each_once(env, begun, monkeypatch):
    monkeypatch.setattr(shadows, "_MAX_READ", 2)
    read = []
    monkeypatch.setattr(
        shadows, "read_exchanges", lambda *args: read.append(args[2]) or read_exchanges(*args)
    )
    begun("generate")
    ids = shadowed(env, 5, "a subject", "budget of may")
    newest(env, lambda c: c.request_count == 5)
    read.clear()
    for answer_id in ids:
        env.send_feedback(answer_id, correction="budget of june")
    newest(env, lambda c: c.by_metric.pair_count == 5)
    scored = [answer_id for some in read for answer_id in some if answer_id in ids]
    assert sorted(scored) == sorted(ids)
    assert all(len(some) <= 4 for some in read)


def test_a_metric_that_the_task_does_not_have_is_stated(env, begun):
    begun("classify", metric="rouge_l")
    env.send_feedback(shadowed(env, 1, "ham", "spam")[0], correction="spam")
    comparison = newest(env, lambda c: c.request_count)
    assert not comparison.HasField("by_metric")
    assert comparison.message.startswith("ROUGE-L cannot be computed of answers alone.")


def test_a_project_sets_what_its_rollouts_compare(env):
    settings = shadow_pb2.ShadowAnalysis(share=0.25, min_pairs=50, metric="accuracy", max_loss=0.02)
    project = project_pb2.Project(task=TASKS["classify"], shadow=settings)
    env.flywheel.CreateProject(pb.CreateProjectRequest(project_id="mail", project=project))
    request = pb.CreatePipelineRunRequest(parent=PARENT, pipeline_run={"sources": [f"{PARENT}/sources/s"]})
    env.flywheel.CreatePipelineRun(request)
    (rollout,) = until(lambda: env.peers.created_resources("Rollout"), 30)
    assert rollout.shadow == settings


def test_settings_that_cannot_be_are_refused(env):
    for settings, field in (
        ({"share": 2.0}, "shadow.share"),
        ({"min_pairs": 5}, "shadow.share"),
        ({"share": 0.5, "min_pairs": 2001}, "shadow.min_pairs"),
        ({"share": 0.5, "metric": "log_loss"}, "shadow.metric"),
        ({"share": 0.5, "metric": "rouge_l"}, "shadow.metric"),
        ({"share": 0.5, "reference_outcome": "a b"}, "shadow.reference_outcome"),
    ):
        shadow = shadow_pb2.ShadowAnalysis(**settings)
        project = project_pb2.Project(task=TASKS["classify"], shadow=shadow)
        with pytest.raises(InvalidArgument) as refused:
            env.flywheel.CreateProject(pb.CreateProjectRequest(project_id="mail", project=project))
        assert refused.value.field == field, settings
