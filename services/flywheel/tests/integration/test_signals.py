"""Traffic and feedback over real sockets: drift starts one retraining, its like does not, feedback is never lost."""

import json

import pytest
import zstandard

from ratoon.chassis.errors import InvalidArgument, NotFound
from ratoon.flywheel.v1 import flywheel_service_pb2 as pb
from ratoon.flywheel.v1 import pipeline_run_pb2, policy_pb2, project_pb2, signal_pb2
from ratoon.flywheel.v1.flywheel_service_pb2_grpc import FlywheelServiceStub
from ratoon.ingestion.v1 import split_pb2
from ratoon.registry.v1 import model_pb2, model_version_pb2
from ratoon.testkit.waiting import until
from ratoon_flywheel.adapters import traffic

PARENT = "projects/mail"
Run = pipeline_run_pb2.PipelineRun


@pytest.fixture(autouse=True)
def served(world):
    """A project whose version v1.0 serves and was trained on texts of the old kind."""
    world.learned("old")
    project = project_pb2.Project(labels=["ham", "spam"], instructions="Ham or spam?")
    world.flywheel.CreateProject(pb.CreateProjectRequest(project_id="mail", project=project))
    split = f"{PARENT}/datasets/mail/splits/first"
    version = model_version_pb2.ModelVersion(name=world.version, artifact_digest="c" * 64)
    version.lineage.split = split
    alias = f"{PARENT}/models/mail/aliases/production"
    world.rooms.resources[world.version] = version
    world.rooms.resources[alias] = model_pb2.Alias(name=alias, version=world.version)
    done = split_pb2.Split(
        name=split, state=split_pb2.Split.STATE_READY, train_digest=world.rooms.train_digest
    )
    world.rooms.resources[split] = done


def policy(world, **settings):
    wanted = policy_pb2.Policy(**{"min_answers": 100, "min_feedback": 50, "settle_seconds": 0.5, **settings})
    return world.flywheel.CreatePolicy(
        pb.CreatePolicyRequest(parent=PARENT, policy_id="default", policy=wanted)
    )


def decision(world):
    return world.flywheel.GetPolicy(pb.GetPolicyRequest(name=f"{PARENT}/policies/default")).last_decision


def runs(world):
    return list(world.flywheel.ListPipelineRuns(pb.ListPipelineRunsRequest(parent=PARENT)).pipeline_runs)


def reports(world):
    return list(world.flywheel.ListDriftReports(pb.ListDriftReportsRequest(parent=PARENT)).drift_reports)


def corrected(world, ids):
    for index, answer_id in enumerate(ids):
        said = {"thumb": -1, "correction": "spam"} if index % 4 == 0 else {"thumb": 1}
        world.say(answer_id, **said)


def segments(world):
    listed = world.flywheel.ListTrafficSegments(pb.ListTrafficSegmentsRequest(parent=PARENT))
    return list(listed.traffic_segments)


def exported(world):
    (source,) = world.rooms.made("Source")
    return [json.loads(line) for line in world.rooms.artifacts.read(source.digest).splitlines()]


def test_drifted_and_corrected_traffic_starts_one_retraining_from_what_was_corrected(world):
    policy(world, settle_seconds=4.0)
    texts = [world.text("new") for _ in range(200)]
    ids = world.answered(texts)
    until(lambda: "50 corrected or confirmed answers, 0 so far" in decision(world))
    corrected(world, ids)
    (run,) = until(lambda: runs(world))
    assert run.trigger == Run.TRIGGER_DRIFT
    assert "tokens" in run.trigger_reason
    assert "times the null band" in run.trigger_reason
    until(lambda: runs(world)[0].state == Run.STATE_SUCCEEDED)
    rows = exported(world)
    assert len(rows) == 200
    assert {row["text"] for row in rows} == set(texts)
    assert sum(row["label"] == "spam" for row in rows) == 50
    (split,) = world.rooms.made("Split")
    assert (split.mode, split.ratios.test) == (split_pb2.Split.MODE_TIME, 0.5)
    assert split.replay.split == f"{PARENT}/datasets/mail/splits/first"
    (registered,) = world.rooms.made("ModelVersion")
    assert registered.lineage.parent_version == world.version
    world.answered([world.text("newer") for _ in range(200)])
    until(lambda: "Cooling down" in decision(world))
    assert len(runs(world)) == 1


def test_traffic_like_the_training_data_starts_nothing_however_often_it_is_repeated(world):
    policy(world)
    kept = [world.text("old") for _ in range(150)]
    for _ in range(3):
        ids = world.answered(kept)
    for answer_id in ids[:60]:
        world.say(answer_id, thumb=1)
    until(lambda: decision(world).startswith(f"No signal from {world.version}: the widest divergence"))
    until(lambda: "0 of 60 judged answers were wrong" in decision(world))
    assert not runs(world)
    until(lambda: reports(world))
    assert not any(report.drifted for report in reports(world))


def test_a_dry_run_says_what_would_have_started(world):
    policy(world, dry_run=True)
    corrected(world, world.answered([world.text("new") for _ in range(120)]))
    until(lambda: decision(world).startswith("Dry run: would have started, because the traffic has drifted"))
    assert not runs(world)
    until(lambda: any(report.drifted for report in reports(world)))


def test_wrong_answers_alone_start_a_retraining(world):
    policy(world, min_answers=10_000)
    corrected(world, world.answered([world.text("old") for _ in range(60)]))
    (run,) = until(lambda: runs(world))
    assert run.trigger == Run.TRIGGER_FEEDBACK
    assert "25.0%" in run.trigger_reason


def test_wrong_answers_of_one_caller_start_nothing_and_those_of_ten_do(world):
    policy(world, min_answers=10_000)
    for answer_id in world.answered([world.text("old") for _ in range(60)], users=["anna"]):
        world.say(answer_id, thumb=-1)
    until(lambda: "60 of 60 judged answers were wrong" in decision(world))
    until(lambda: sum(report.negative_count for report in world.rooms.quality) == 60)
    told = {voter.caller for report in world.rooms.quality for voter in report.callers}
    assert (len(told), "anna" in told) == (1, False)
    assert not runs(world)
    users = [f"user {number}" for number in range(10)]
    for answer_id in world.answered([world.text("old") for _ in range(60)], users=users):
        world.say(answer_id, thumb=-1)
    (run,) = until(lambda: runs(world))
    assert run.trigger == Run.TRIGGER_FEEDBACK
    assert "each of 11 callers counted once" in run.trigger_reason


def test_feedback_may_come_first_and_the_latest_word_on_an_answer_counts(world):
    policy(world, min_answers=10_000, min_feedback=1, error_rate_threshold=0.9)
    (answer_id,) = world.answered([world.text("old")])
    world.say(answer_id, thumb=-1)
    world.say(f"chatcmpl-{answer_id}", thumb=1)
    until(lambda: "0 of 1 judged answers were wrong" in decision(world))
    until(lambda: world.rooms.quality)
    assert (world.rooms.quality[-1].positive_count, world.rooms.quality[-1].negative_count) == (1, 0)
    assert world.rooms.quality[-1].version == world.version
    listed = world.flywheel.ListFeedback(pb.ListFeedbackRequest(parent=PARENT)).feedback
    assert [each.thumb for each in listed] == [-1, 1]


def test_votes_are_told_even_of_a_version_that_nobody_knows_the_training_data_of(world):
    world.rooms.resources[world.version].lineage.split = ""
    (answer_id,) = world.answered([world.text("old")])
    world.say(answer_id, thumb=-1)
    until(lambda: world.rooms.quality)
    assert (world.rooms.quality[-1].positive_count, world.rooms.quality[-1].negative_count) == (0, 1)


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        ({"correction": "eggs"}, "BAD_FEEDBACK"),
        ({}, "BAD_FEEDBACK"),
        ({"rating": 9}, "BAD_FEEDBACK"),
        ({"thumb": 1, "answer_id": "made-up"}, "BAD_ANSWER_ID"),
    ],
)
def test_feedback_that_cannot_be_is_refused_with_a_reason(world, said, reason):
    (answer_id,) = world.answered([world.text("old")])
    with pytest.raises(InvalidArgument) as refused:
        world.say(said.pop("answer_id", answer_id), **said)
    assert refused.value.reason == reason


def test_a_segment_that_is_not_there_or_is_none_is_refused(world):
    with pytest.raises(NotFound) as missing:
        announce(world, "f" * 64)
    assert missing.value.reason == "ARTIFACT_NOT_FOUND"
    with pytest.raises(InvalidArgument) as broken:
        announce(world, world.rooms.artifacts.put_bytes(b"no zstd"))
    assert broken.value.reason == "BAD_TRAFFIC_SEGMENT"


def announce(world, digest):
    told = signal_pb2.TrafficSegment(deployment=f"{PARENT}/deployments/mail", digest=digest)
    gateway = FlywheelServiceStub(world.state.as_service("gateway", "flywheel"))
    return gateway.CreateTrafficSegment(pb.CreateTrafficSegmentRequest(parent=PARENT, traffic_segment=told))


def test_two_versions_are_held_beside_each_other_by_what_was_said(world):
    corrected(world, world.answered([world.text("old") for _ in range(40)]))
    other = world.version.replace("v1.0", "v1.1")
    world.rooms.resources[other] = model_version_pb2.ModelVersion(name=other)
    asked = pb.CompareVersionsRequest(parent=PARENT, version=world.version, other_version=other)
    found = world.flywheel.CompareVersions(asked)
    assert (found.version.positive_count, found.version.negative_count) == (30, 10)
    assert (
        found.version.satisfaction_low < found.version.satisfaction == 0.75 < found.version.satisfaction_high
    )
    assert (found.other_version.version, found.other_version.positive_count) == (other, 0)
    assert not found.conclusive
    asked.end_time.FromSeconds(1)
    assert world.flywheel.CompareVersions(asked).version.positive_count == 0
    asked.other_version = "projects/other/models/m/versions/v1.0"
    with pytest.raises(InvalidArgument):
        world.flywheel.CompareVersions(asked)
    asked.other_version = "v1.1"
    with pytest.raises(InvalidArgument):
        world.flywheel.CompareVersions(asked)
    asked.other_version = world.version.replace("v1.0", "v9.9")
    with pytest.raises(NotFound):
        world.flywheel.CompareVersions(asked)


def test_one_bad_row_loses_no_other_and_is_counted(world):
    (first,) = world.answered(["a sound text"])
    rows = lines(world, segments(world)[0].digest)
    answer_ids = [f"{first[:-2]}{i:02}" for i in range(2)]
    sound = [rows[0].replace(first.encode(), each.encode()) for each in answer_ids]
    cut = json.loads(rows[0]) | {"answer_id": "", "messages": [{"role": "user", "content": "\ud800"}]}
    poisoned = [
        sound[0],
        b"no json\n",
        json.dumps(cut).encode() + b"\n",
        sound[1].replace(b"sound", b"\\ud800"),
    ]
    segment = announce(world, world.rooms.artifacts.put_bytes(zstandard.compress(b"".join(poisoned))))
    assert segment.set_aside_count == 2
    assert dict(segment.set_aside_faults) == {"BAD_ID": 1, "NOT_JSON": 1}
    listed = segments(world)
    assert listed[-1].set_aside_count == 2


def lines(world, digest):
    with world.rooms.artifacts.open(digest) as raw, zstandard.ZstdDecompressor().stream_reader(raw) as plain:
        return plain.read().splitlines(keepends=True)


def test_rows_that_were_set_aside_are_read_again_after_an_upgrade(world, monkeypatch):
    """An earlier version could read no answer of "ham"; this one can."""
    (sound,) = world.answered(["a sound text"])
    (row,) = lines(world, segments(world)[0].digest)
    later = row.replace(sound.encode(), f"{sound[:-2]}00".encode())
    with monkeypatch.context() as earlier:
        earlier.setattr("ratoon_flywheel.adapters.traffic._text_of", refuse)
        segment = announce(world, world.rooms.artifacts.put_bytes(zstandard.compress(later)))
    assert segment.set_aside_count == 1
    monkeypatch.setattr("ratoon_flywheel.domain.signals.monitor.READER_EDITION", 2)
    until(lambda: segments(world)[-1].set_aside_count == 0)


def refuse(_content):
    raise traffic._Unreadable(traffic.RowFault.NOT_JSON)


def test_a_drift_report_is_deleted(world):
    world.learned("old")
    world.answered([world.text("new") for _ in range(120)])
    until(lambda: reports(world), seconds=15.0)
    name = reports(world)[0].name
    world.flywheel.DeleteDriftReport(pb.DeleteDriftReportRequest(name=name))
    assert name not in [report.name for report in reports(world)]
    with pytest.raises(NotFound):
        world.flywheel.DeleteDriftReport(pb.DeleteDriftReportRequest(name=name))
    world.flywheel.DeleteDriftReport(pb.DeleteDriftReportRequest(name=name, allow_missing=True))
