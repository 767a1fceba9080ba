"""Traffic and feedback over real sockets: drift starts one retraining, its like does not, feedback is never lost."""

import json

import pytest
import zstandard

from ratoon.flywheel.v1 import flywheel_service_pb2 as pb
from ratoon.flywheel.v1 import pipeline_run_pb2, policy_pb2, project_pb2, signal_pb2
from ratoon.flywheel.v1.flywheel_service_pb2_grpc import FlywheelServiceStub
from ratoon.ingestion.v1 import split_pb2
from ratoon.process.errors import InvalidArgument, NotFound
from ratoon.registry.v1 import model_pb2, model_version_pb2
from ratoon.security.identity import Role
from ratoon.testkit.waiting import until
from ratoon_flywheel.adapters import traffic

PARENT = "projects/mail"
Run = pipeline_run_pb2.PipelineRun


@pytest.fixture(autouse=True)
def served(env):
    """A project whose version v1.0 serves and was trained on texts of the old kind."""
    env.learned("old")
    project = project_pb2.Project(labels=["ham", "spam"], instructions="Ham or spam?")
    env.flywheel.CreateProject(pb.CreateProjectRequest(project_id="mail", project=project))
    split = f"{PARENT}/datasets/mail/splits/first"
    version = model_version_pb2.ModelVersion(name=env.version, artifact_digest="c" * 64)
    version.lineage.split = split
    alias = f"{PARENT}/models/mail/aliases/production"
    env.peers.resources[env.version] = version
    env.peers.resources[alias] = model_pb2.Alias(name=alias, version=env.version)
    done = split_pb2.Split(name=split, state=split_pb2.Split.STATE_READY, train_digest=env.peers.train_digest)
    env.peers.resources[split] = done


def policy(env, **settings):
    spec = policy_pb2.Policy(**{"min_answers": 100, "min_feedback": 50, "settle_seconds": 0.5, **settings})
    return env.flywheel.CreatePolicy(pb.CreatePolicyRequest(parent=PARENT, policy_id="default", policy=spec))


def decision(env):
    return env.flywheel.GetPolicy(pb.GetPolicyRequest(name=f"{PARENT}/policies/default")).last_decision


def runs(env):
    return list(env.flywheel.ListPipelineRuns(pb.ListPipelineRunsRequest(parent=PARENT)).pipeline_runs)


def reports(env):
    return list(env.flywheel.ListDriftReports(pb.ListDriftReportsRequest(parent=PARENT)).drift_reports)


def corrected(env, ids):
    for index, answer_id in enumerate(ids):
        fields = {"thumb": -1, "correction": "spam"} if index % 4 == 0 else {"thumb": 1}
        env.send_feedback(answer_id, **fields)


def segments(env):
    listed = env.flywheel.ListTrafficSegments(pb.ListTrafficSegmentsRequest(parent=PARENT))
    return list(listed.traffic_segments)


def exported(env):
    (source,) = env.peers.created_resources("Source")
    return [json.loads(line) for line in env.peers.artifacts.read(source.digest).splitlines()]


def test_drifted_and_corrected_traffic_starts_one_retraining_from_what_was_corrected(env):
    policy(env, settle_seconds=4.0)
    texts = [env.text("new") for _ in range(200)]
    ids = env.answered(texts)
    until(lambda: "50 corrected or confirmed answers, 0 so far" in decision(env))
    corrected(env, ids)
    (run,) = until(lambda: runs(env))
    assert run.trigger == Run.TRIGGER_DRIFT
    assert "tokens" in run.trigger_reason
    assert "times the noise band" in run.trigger_reason
    until(lambda: runs(env)[0].state == Run.STATE_SUCCEEDED)
    rows = exported(env)
    assert len(rows) == 200
    assert {row["text"] for row in rows} == set(texts)
    assert sum(row["label"] == "spam" for row in rows) == 50
    (split,) = env.peers.created_resources("Split")
    assert (split.mode, split.ratios.test) == (split_pb2.Split.MODE_TIME, 0.5)
    assert split.replay.split == f"{PARENT}/datasets/mail/splits/first"
    (registered,) = env.peers.created_resources("ModelVersion")
    assert registered.lineage.parent_version == env.version
    env.answered([env.text("newer") for _ in range(200)])
    until(lambda: "Cooling down" in decision(env))
    assert len(runs(env)) == 1


def test_traffic_like_the_training_data_starts_nothing_however_often_it_is_repeated(env):
    policy(env)
    texts = [env.text("old") for _ in range(150)]
    for _ in range(3):
        ids = env.answered(texts)
    for answer_id in ids[:60]:
        env.send_feedback(answer_id, thumb=1)
    until(lambda: decision(env).startswith(f"No signal from {env.version}: the widest divergence"))
    until(lambda: "0 of 60 answers with feedback were wrong" in decision(env))
    assert not runs(env)
    until(lambda: reports(env))
    assert not any(report.drifted for report in reports(env))


def test_a_dry_run_says_what_would_have_started(env):
    policy(env, dry_run=True)
    corrected(env, env.answered([env.text("new") for _ in range(120)]))
    until(lambda: decision(env).startswith("Dry run: would have started, because the traffic has drifted"))
    assert not runs(env)
    until(lambda: any(report.drifted for report in reports(env)))


def test_wrong_answers_alone_start_a_retraining(env):
    policy(env, min_answers=10_000, min_feedback=60)
    corrected(env, env.answered([env.text("old") for _ in range(60)]))
    (run,) = until(lambda: runs(env))
    assert run.trigger == Run.TRIGGER_FEEDBACK
    assert "25.0%" in run.trigger_reason


def test_wrong_answers_of_one_caller_start_nothing_and_those_of_ten_do(env):
    policy(env, min_answers=10_000)
    for answer_id in env.answered([env.text("old") for _ in range(60)], users=["anna"]):
        env.send_feedback(answer_id, thumb=-1)
    until(lambda: "60 of 60 answers with feedback were wrong" in decision(env))
    until(lambda: sum(report.negative_count for report in env.peers.quality) == 60)
    callers = {voter.caller for report in env.peers.quality for voter in report.callers}
    assert (len(callers), "anna" in callers) == (1, False)
    assert not runs(env)
    users = [f"user {number}" for number in range(10)]
    for answer_id in env.answered([env.text("old") for _ in range(60)], users=users):
        env.send_feedback(answer_id, thumb=-1)
    (run,) = until(lambda: runs(env))
    assert run.trigger == Run.TRIGGER_FEEDBACK
    assert "each of 11 callers counted once" in run.trigger_reason


def test_feedback_may_come_first_and_the_latest_word_on_an_answer_counts(env):
    policy(env, min_answers=10_000, min_feedback=1, error_rate_threshold=0.9)
    (answer_id,) = env.answered([env.text("old")])
    env.send_feedback(answer_id, thumb=-1)
    env.send_feedback(f"chatcmpl-{answer_id}", thumb=1)
    until(lambda: "0 of 1 answers with feedback were wrong" in decision(env))
    until(lambda: env.peers.quality)
    assert (env.peers.quality[-1].positive_count, env.peers.quality[-1].negative_count) == (1, 0)
    assert env.peers.quality[-1].version == env.version
    listed = env.flywheel.ListFeedback(pb.ListFeedbackRequest(parent=PARENT)).feedback
    assert [each.thumb for each in listed] == [-1, 1]


def test_votes_are_reported_even_for_a_version_with_unknown_training_data(env):
    env.peers.resources[env.version].lineage.split = ""
    (answer_id,) = env.answered([env.text("old")])
    env.send_feedback(answer_id, thumb=-1)
    until(lambda: env.peers.quality)
    assert (env.peers.quality[-1].positive_count, env.peers.quality[-1].negative_count) == (0, 1)


def test_feedback_that_cannot_be_is_refused_with_a_reason(env):
    (answer_id,) = env.answered([env.text("old")])
    for about, fields, reason in (
        (answer_id, {"correction": "eggs"}, "BAD_FEEDBACK"),
        (answer_id, {}, "BAD_FEEDBACK"),
        (answer_id, {"rating": 9}, "BAD_FEEDBACK"),
        ("made-up", {"thumb": 1}, "BAD_ANSWER_ID"),
    ):
        with pytest.raises(InvalidArgument) as refused:
            env.send_feedback(about, **fields)
        assert refused.value.reason == reason, fields


def test_a_digest_without_a_blob_or_of_another_blob_is_refused(env):
    with pytest.raises(NotFound) as missing:
        announce(env, "f" * 64)
    assert missing.value.reason == "ARTIFACT_NOT_FOUND"
    with pytest.raises(InvalidArgument) as broken:
        announce(env, env.peers.artifacts.put_bytes(b"no zstd"))
    assert broken.value.reason == "BAD_TRAFFIC_SEGMENT"


def announce(env, digest):
    spec = signal_pb2.TrafficSegment(deployment=f"{PARENT}/deployments/mail", digest=digest)
    gateway = FlywheelServiceStub(env.state.as_service("gateway", "flywheel"))
    return gateway.CreateTrafficSegment(pb.CreateTrafficSegmentRequest(parent=PARENT, traffic_segment=spec))


def test_two_versions_are_compared_by_their_feedback(env):
    corrected(env, env.answered([env.text("old") for _ in range(40)]))
    other = env.version.replace("v1.0", "v1.1")
    env.peers.resources[other] = model_version_pb2.ModelVersion(name=other)
    request = pb.CompareVersionsRequest(parent=PARENT, version=env.version, other_version=other)
    comparison = env.flywheel.CompareVersions(request)
    assert (comparison.version.positive_count, comparison.version.negative_count) == (30, 10)
    assert (
        comparison.version.satisfaction_low
        < comparison.version.satisfaction
        == 0.75
        < comparison.version.satisfaction_high
    )
    assert (comparison.other_version.version, comparison.other_version.positive_count) == (other, 0)
    assert not comparison.conclusive
    request.end_time.FromSeconds(1)
    assert env.flywheel.CompareVersions(request).version.positive_count == 0
    request.other_version = "projects/other/models/m/versions/v1.0"
    with pytest.raises(InvalidArgument):
        env.flywheel.CompareVersions(request)
    request.other_version = "v1.1"
    with pytest.raises(InvalidArgument):
        env.flywheel.CompareVersions(request)
    request.other_version = env.version.replace("v1.0", "v9.9")
    with pytest.raises(NotFound):
        env.flywheel.CompareVersions(request)


def test_one_bad_row_loses_no_other_and_is_counted(env):
    (first,) = env.answered(["a sound text"])
    rows = lines(env, segments(env)[0].digest)
    answer_ids = [f"{first[:-2]}{i:02}" for i in range(2)]
    sound = [rows[0].replace(first.encode(), each.encode()) for each in answer_ids]
    cut = json.loads(rows[0]) | {"answer_id": "", "messages": [{"role": "user", "content": "\ud800"}]}
    poisoned = [
        sound[0],
        b"no json\n",
        json.dumps(cut).encode() + b"\n",
        sound[1].replace(b"sound", b"\\ud800"),
    ]
    segment = announce(env, env.peers.artifacts.put_bytes(zstandard.compress(b"".join(poisoned))))
    assert segment.set_aside_count == 2
    assert dict(segment.set_aside_faults) == {"BAD_ID": 1, "NOT_JSON": 1}
    listed = segments(env)
    assert listed[-1].set_aside_count == 2


def lines(env, digest):
    with env.peers.artifacts.open(digest) as raw, zstandard.ZstdDecompressor().stream_reader(raw) as plain:
        return plain.read().splitlines(keepends=True)


def test_rows_that_were_set_aside_are_read_again_after_an_upgrade(env, monkeypatch):
    """An earlier version could read no answer of "ham"; this one can."""
    (sound,) = env.answered(["a sound text"])
    (row,) = lines(env, segments(env)[0].digest)
    later = row.replace(sound.encode(), f"{sound[:-2]}00".encode())
    with monkeypatch.context() as earlier:
        earlier.setattr("ratoon_flywheel.adapters.traffic._text_of", refuse)
        segment = announce(env, env.peers.artifacts.put_bytes(zstandard.compress(later)))
    assert segment.set_aside_count == 1
    monkeypatch.setattr("ratoon_flywheel.domain.signals.monitor.READER_EDITION", 2)
    until(lambda: segments(env)[-1].set_aside_count == 0)


def refuse(_content):
    raise traffic._Unreadable(traffic.RowFault.NOT_JSON)


def test_a_drift_report_is_deleted(env):
    env.learned("old")
    env.answered([env.text("new") for _ in range(120)])
    until(lambda: reports(env), seconds=15.0)
    name = reports(env)[0].name
    env.flywheel.DeleteDriftReport(pb.DeleteDriftReportRequest(name=name))
    assert name not in [report.name for report in reports(env)]
    with pytest.raises(NotFound):
        env.flywheel.DeleteDriftReport(pb.DeleteDriftReportRequest(name=name))
    env.flywheel.DeleteDriftReport(pb.DeleteDriftReportRequest(name=name, allow_missing=True))


def test_a_version_that_was_promoted_on_other_traffic_has_not_drifted_since(env):
    """The data of v1.1 are old; it was promoted while new texts came, and new texts still come."""
    policy(env)
    env.answered([env.text("new") for _ in range(400)], seconds_ago=60)
    before, promoted = env.version, f"{PARENT}/models/mail/versions/v1.1"
    version = model_version_pb2.ModelVersion(name=promoted, artifact_digest="d" * 64)
    version.lineage.split = env.peers.resources[before].lineage.split
    env.peers.resources[promoted] = version
    env.version = promoted
    ids = env.answered([env.text("new") for _ in range(150)])
    for answer_id in ids[:60]:
        env.send_feedback(answer_id, thumb=1)
    until(lambda: "at its promotion" in decision(env), seconds=40)
    assert not runs(env)

    def both():
        env.answered([env.text("new") for _ in range(110)])
        newest = reports(env)[-1]
        tokens = {m.reference: m for m in newest.measures if m.feature == "tokens" and not m.slice}
        return tokens if len(tokens) == 2 else None

    tokens = until(both, seconds=40)
    Report = signal_pb2.DriftReport
    assert tokens[Report.REFERENCE_TRAINING].drifted
    assert tokens[Report.REFERENCE_TRAINING].js_divergence > tokens[Report.REFERENCE_TRAINING].js_noise_band
    assert not tokens[Report.REFERENCE_PROMOTION].drifted


def write_project(env):
    """Put a project of free text in place of the classifier."""
    project = project_pb2.Project(default_consent=signal_pb2.Feedback.CONSENT_EVALUATION)
    project.task.generate.SetInParent()
    operator = FlywheelServiceStub(env.state.as_role(Role.OPERATOR, "flywheel"))
    operator.DeleteProject(pb.DeleteProjectRequest(name=PARENT))
    env.flywheel.CreateProject(pb.CreateProjectRequest(project_id="mail", project=project))


def test_free_text_takes_rewritten_answers_pairs_outcomes_and_sessions(env):
    write_project(env)
    first, second, other = env.answered(["one", "one", "two"])
    long = "ü" * 65_536
    stored = env.send_feedback(first, correction=long, user="ann")
    assert (stored.correction, stored.consent) == (long, signal_pb2.Feedback.CONSENT_EVALUATION)
    assert stored.user not in ("", "ann")
    pair = env.send_feedback(first, rejected_answer_id=f"chatcmpl-{second}")
    assert pair.rejected_answer_id == second
    with pytest.raises(InvalidArgument, match="different prompts"):
        env.send_feedback(first, rejected_answer_id=other)
    env.send_feedback(other, outcomes={"resolved": 1.0})
    env.send_feedback(other, implicit=signal_pb2.Feedback.IMPLICIT_COPIED)
    env.send_feedback(other, outcomes={"resolved": 0.0, "minutes": 7.5})
    session = env.send_feedback("", session_id="ticket", thumb=-1, consent=signal_pb2.Feedback.CONSENT_NONE)
    assert session.session_id not in ("", "ticket")
    with pytest.raises(InvalidArgument, match="answer_id is missing"):
        env.send_feedback("", thumb=1)
    with pytest.raises(InvalidArgument, match="outcomes is about one answer"):
        env.send_feedback("", session_id="ticket", outcomes={"resolved": 1.0})
    compare = pb.CompareVersionsRequest(parent=PARENT, version=env.version, other_version=env.version)
    compared = env.flywheel.CompareVersions(compare)
    assert {name: each.mean for name, each in compared.version.outcomes.items()} == {
        "resolved": 0,
        "minutes": 7.5,
    }
    assert (compared.version.positive_count, compared.version.negative_count) == (0, 1)
    assert dict(compared.version.implicit_counts) == {"COPIED": 1}
    assert compared.preferred_count == 1


def test_feedback_that_is_sent_again_counts_in_place_of_what_was_said_in_between(env):
    (answer_id,) = env.answered([env.text("old")])
    caller = FlywheelServiceStub(env.state.as_role(Role.CALLER, "flywheel", "mail"))

    def say(thumb: int) -> str:
        feedback = signal_pb2.Feedback(answer_id=answer_id, thumb=thumb)
        request = pb.CreateFeedbackRequest(parent=PARENT, feedback=feedback, request_id=f"thumb {thumb}")
        return caller.CreateFeedback(request).name

    first = say(1)
    say(-1)
    assert say(1) == first
    compare = pb.CompareVersionsRequest(parent=PARENT, version=env.version, other_version=env.version)
    compared = env.flywheel.CompareVersions(compare).version
    assert (compared.positive_count, compared.negative_count) == (1, 0)
