"""An erasure of ingestion reaches captured traffic: segments, the index of answers, feedback."""

import hashlib
import json

import zstandard

from ratoon.events.embedded import EmbeddedLog
from ratoon.flywheel.v1 import flywheel_service_pb2 as pb
from ratoon.flywheel.v1 import project_pb2, signal_pb2
from ratoon.flywheel.v1.flywheel_service_pb2_grpc import FlywheelServiceStub
from ratoon.ingestion.v1.ingestion_events_pb2 import ErasureEvent, RecordsErased
from ratoon.process.clock import SystemClock
from ratoon.service.events import record_of, topics_of
from ratoon.testkit.waiting import until

PARENT = "projects/mail"


def digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def segments(env):
    listed = env.flywheel.ListTrafficSegments(pb.ListTrafficSegmentsRequest(parent=PARENT))
    return {segment.name: segment for segment in listed.traffic_segments}


def plain(env, blob: str) -> str:
    with env.peers.artifacts.open(blob) as raw, zstandard.ZstdDecompressor().stream_reader(raw) as text:
        return text.read().decode()


def test_traffic_with_an_erased_text_is_forgotten_with_its_feedback(env):
    env.flywheel.CreateProject(
        pb.CreateProjectRequest(project_id="mail", project=project_pb2.Project(labels=["ham", "spam"]))
    )
    texts = ["a letter that stays", "a letter that is to go", "another that stays"]
    ids = [*env.answered(texts), *env.answered(["only others"])]
    for answer_id in ids:
        env.send_feedback(answer_id, thumb=-1, comment=f"about {answer_id}")
    before = segments(env)
    touched = next(name for name, segment in before.items() if segment.answer_count == 3)

    log = EmbeddedLog(env.state.folder / "events", SystemClock())
    log.create_topics(topics_of("ingestion"))
    done = RecordsErased(record_ids=["a" * 64], text_digests=[digest(texts[1]), digest("never seen")])
    for revision in (1, 2):  # delivered twice
        event = ErasureEvent(name=f"{PARENT}/erasures/e", revision=revision, completed=done)
        log.append([record_of("ingestion", event)])

    until(lambda: not env.peers.artifacts.exists(before[touched].digest))
    after = segments(env)
    assert after[touched].answer_count == 2
    left = plain(env, after[touched].digest)
    assert texts[1] not in left
    assert texts[0] in left
    assert texts[2] in left
    assert {n: s.digest for n, s in after.items() if n != touched} == {
        n: s.digest for n, s in before.items() if n != touched
    }
    feedback = env.flywheel.ListFeedback(pb.ListFeedbackRequest(parent=PARENT)).feedback
    assert {each.answer_id for each in feedback} == set(ids) - {ids[1]}


def test_the_text_goes_from_failed_answers_earlier_messages_and_unreadable_rows(env):
    """The index of answers has only the last question of an answer that succeeded."""
    env.flywheel.CreateProject(
        pb.CreateProjectRequest(project_id="mail", project=project_pb2.Project(labels=["ham", "spam"]))
    )
    (answer_id,) = env.answered(["a letter that stays"])
    (first,) = segments(env).values()
    (row,) = plain(env, first.digest).splitlines()
    sound, secret = json.loads(row), "a letter that is to go"
    question, others = {"role": "user", "content": secret}, sound["messages"]
    rows = [
        sound | {"answer_id": f"{answer_id}1"},
        sound | {"answer_id": f"{answer_id}2", "messages": [question], "status": 499},
        sound | {"answer_id": f"{answer_id}3", "messages": [question, *others]},
        sound | {"answer_id": "", "messages": [question]},
    ]
    before = announced(env, "".join(f"{json.dumps(each)}\n" for each in rows) + f"no json {secret}\n")
    log = EmbeddedLog(env.state.folder / "events", SystemClock())
    log.create_topics(topics_of("ingestion"))
    done = RecordsErased(record_ids=["a" * 64], text_digests=[digest(secret)])
    log.append(
        [record_of("ingestion", ErasureEvent(name=f"{PARENT}/erasures/e", revision=1, completed=done))]
    )
    until(lambda: not env.peers.artifacts.exists(before.digest))
    after = segments(env)
    left = plain(env, after[before.name].digest)
    assert secret not in left
    assert [json.loads(line)["answer_id"] for line in left.splitlines()] == [f"{answer_id}1"]
    assert (after[before.name].answer_count, after[before.name].set_aside_count) == (1, 0)
    assert after[first.name].digest == first.digest


def test_a_segment_whose_blob_is_gone_holds_up_no_erasure(env):
    env.flywheel.CreateProject(
        pb.CreateProjectRequest(project_id="mail", project=project_pb2.Project(labels=["ham", "spam"]))
    )
    texts = ["the first to go", "the second to go", "one that stays"]
    ids = env.answered(texts)
    for answer_id in ids:
        env.send_feedback(answer_id, thumb=-1)
    (before,) = segments(env).values()
    env.peers.artifacts.erase(before.digest, "it was lost")
    log = EmbeddedLog(env.state.folder / "events", SystemClock())
    log.create_topics(topics_of("ingestion"))

    def answers_with_feedback() -> set[str]:
        listed = env.flywheel.ListFeedback(pb.ListFeedbackRequest(parent=PARENT)).feedback
        return {each.answer_id for each in listed}

    for number in (0, 1):
        done = RecordsErased(record_ids=["a" * 64], text_digests=[digest(texts[number])])
        event = ErasureEvent(name=f"{PARENT}/erasures/e{number}", revision=1, completed=done)
        log.append([record_of("ingestion", event)])
        until(lambda left=set(ids[number + 1 :]): answers_with_feedback() == left, seconds=20)
    assert segments(env)[before.name].digest == before.digest


def announced(env, text: str) -> signal_pb2.TrafficSegment:
    spec = signal_pb2.TrafficSegment(
        deployment=f"{PARENT}/deployments/mail",
        digest=env.peers.artifacts.put_bytes(zstandard.compress(text.encode())),
    )
    gateway = FlywheelServiceStub(env.state.as_service("gateway", "flywheel"))
    return gateway.CreateTrafficSegment(pb.CreateTrafficSegmentRequest(parent=PARENT, traffic_segment=spec))
