"""Captured traffic and feedback: what callers were answered reaches flywheel, and what is acknowledged is kept."""

import json
from datetime import UTC, datetime

import openai
import pytest
import zstandard

from ratoon.flywheel.v1 import signal_pb2
from ratoon.process.clock import SystemClock
from ratoon.security.answers import AnswerIds
from ratoon.storage.artifacts import ArtifactStore
from ratoon.testkit.engine import Faults
from ratoon.testkit.waiting import until
from ratoon_gateway.adapters.segments import SegmentCapture
from ratoon_gateway.domain.capture import Answered
from ratoon_gateway.domain.completions import CHAT, read_request

ASK = {"model": "mail-triage", "messages": [{"role": "user", "content": "Buy now"}]}


@pytest.fixture(autouse=True)
def nothing_spooled(request):
    """Wait until flywheel has the segments of earlier tests."""
    if "stack" in request.fixturenames:
        stack = request.getfixturevalue("stack")
        until(lambda: not stack.spooled())
        stack.flywheel.clear()


def key_of(stack) -> tuple[str, str]:
    """Return the name and the secret of a new key."""
    key = stack.http().post("/v1/projects/p/apiKeys", json={"role": "ROLE_CALLER"}).json()
    return key["name"], key["secret"]


def lines_of(stack):
    store = ArtifactStore(str(stack.folder / "artifacts"))
    blobs = [store.read(request.traffic_segment.digest) for request in stack.flywheel.segments]
    return [json.loads(row) for blob in blobs for row in zstandard.decompress(blob).splitlines()]


def test_each_answer_becomes_a_line_of_the_segment_its_id_names(stack):
    engine = stack.engines.start("blue", "v1.0")
    stack.route(stack.target("blue", "v1.0"))
    client = stack.client()
    whole = client.chat.completions.create(**ASK, user="anna", max_tokens=2)
    pieces = client.chat.completions.create(**ASK, stream=True, max_tokens=3)
    streamed = {chunk.id for chunk in pieces}.pop()
    engine.faults = Faults(die_after_tokens=1)
    with pytest.raises(openai.APIError):
        list(client.chat.completions.create(**ASK, stream=True))
    until(lambda: sum(r.traffic_segment.answer_count for r in stack.flywheel.segments) == 3)
    first, second, cut = lines_of(stack)
    ids = AnswerIds.of_folder(stack.folder / "keys")
    named = ids.read(whole.id)
    assert named.version == "projects/p/models/mail/versions/v1.0"
    announced = {f"{r.parent}/trafficSegments/{r.traffic_segment_id}" for r in stack.flywheel.segments}
    assert named.segment in announced
    assert first["answer_id"] == named.id
    assert second["answer_id"] == ids.read(streamed).id
    assert first["answer"] == "v1.0:0 v1.0:1 "
    assert second["answer"] == "v1.0:0 v1.0:1 v1.0:2 "
    assert (first["user"], first["messages"], first["status"]) == ("anna", ASK["messages"], 200)
    assert (first["prompt_tokens"], first["completion_tokens"], second["completion_tokens"]) == (8, 2, 3)
    assert (cut["status"], cut["answer"]) == (502, "v1.0:0 ")
    assert not any(r.traffic_segment.lost_count for r in stack.flywheel.segments)


@pytest.mark.parametrize("stack", [{"shadow_share": 1.0}], indirect=True)
def test_a_request_that_is_not_to_be_stored_is_paid_and_not_captured(stack):
    stack.engines.start("blue", "v1.0")
    stack.engines.start("green", "v1.1")
    stack.route(stack.target("blue", "v1.0", weight=0), stack.target("green", "v1.1"))
    name, secret = key_of(stack)
    client = stack.client(api_key=secret)
    for stream in (False, True):
        answer = client.chat.completions.create(**ASK, store=False, stream=stream, max_tokens=2)
        assert not stream or len(list(answer)) > 1
    stored = client.chat.completions.create(**ASK, store=True, max_tokens=2)
    until(lambda: sum(r.traffic_segment.answer_count for r in stack.flywheel.segments) == 2)
    named = AnswerIds.of_folder(stack.folder / "keys").read(stored.id).id
    assert {row.get("shadow_of", row["answer_id"]) for row in lines_of(stack)} == {named}
    assert not any(r.traffic_segment.lost_count for r in stack.flywheel.segments)
    until(lambda: stack.http().get(f"/v1/{name}").json()["usage"]["requestCount"] == "3")


def test_what_a_key_used_is_counted(stack):
    stack.engines.start("blue", "v1.0")
    stack.route(stack.target("blue", "v1.0"))
    name, secret = key_of(stack)
    client = stack.client(api_key=secret)
    for stream in (False, True):
        answer = client.chat.completions.create(**ASK, stream=stream, max_tokens=5)
        if stream:
            list(answer)

    def used():
        return stack.http().get(f"/v1/{name}").json()

    until(lambda: used()["usage"]["requestCount"] == "2")
    assert (used()["usage"]["promptTokenCount"], used()["usage"]["completionTokenCount"]) == ("8", "10")
    assert used()["lastUseTime"]


def shadow_answers(stack) -> dict[str, float]:
    """Return the count of each kind of answer in the shadow."""
    rows = stack.http().get("/metrics").text.splitlines()
    counts = (row.rsplit(" ", 1) for row in rows if row.startswith("ratoon_gateway_shadow_answers_total{"))
    return {name: float(count) for name, count in counts}


@pytest.mark.parametrize("stack", [{"shadow_share": 1.0}], indirect=True)
@pytest.mark.parametrize("stream", [False, True])
def test_the_other_version_answers_in_the_shadow_while_both_serve(stack, stream):
    stack.engines.start("blue", "v1.0")
    stack.engines.start("green", "v1.1")
    stack.route(stack.target("blue", "v1.0", weight=0), stack.target("green", "v1.1"))
    name, secret = key_of(stack)
    before = shadow_answers(stack)
    answer = stack.client(api_key=secret).chat.completions.create(**ASK, stream=stream, max_tokens=2)
    answer_id = {chunk.id for chunk in answer}.pop() if stream else answer.id
    until(lambda: sum(r.traffic_segment.answer_count for r in stack.flywheel.segments) == 2)
    rows = {row["status"]: row for row in lines_of(stack)}
    assert (rows[200]["answer"], rows[202]["answer"]) == ("v1.1:0 v1.1:1 ", "v1.0:0 v1.0:1 ")
    assert rows[202]["shadow_of"] == rows[200]["answer_id"]
    assert rows[202]["live_version"] == rows[200]["version"]
    assert rows[202]["live_latency_ms"] == rows[200]["latency_ms"]
    assert rows[202]["live_completion_tokens"] == rows[200]["completion_tokens"]
    assert AnswerIds.of_folder(stack.folder / "keys").read(answer_id).id == rows[200]["answer_id"]
    assert rows[202]["messages"] == rows[200]["messages"]
    assert "shadow_of" not in rows[200]
    usage = stack.http().get(f"/v1/{name}").json()["usage"]
    assert usage["requestCount"] == "1", "no key pays for a shadow answer"
    (counted,) = shadow_answers(stack).items()
    assert 'outcome="different"' in counted[0] and counted[1] == before.get(counted[0], 0) + 1


def test_a_version_that_no_caller_gets_answers_the_share_of_its_route_and_its_failure_is_noted(stack):
    stack.engines.start("blue", "v1.0")
    stack.engines.start("green", "v1.1")
    routed = stack.target("blue", "v1.0"), stack.target("green", "v1.1", weight=0)
    stack.route(*routed, shadow_share=1.0)
    client = stack.client()
    assert client.chat.completions.create(**ASK).choices[0].message.content.startswith("v1.0")
    until(lambda: sum(r.traffic_segment.answer_count for r in stack.flywheel.segments) == 2)
    gone = stack.target("green", "v1.1", weight=0)
    gone.endpoint += ".gone"
    stack.route(routed[0], gone, shadow_share=1.0)
    assert client.chat.completions.create(**ASK).choices[0].message.content.startswith("v1.0")
    until(lambda: sum(r.traffic_segment.answer_count for r in stack.flywheel.segments) == 4)
    rows = lines_of(stack)
    assert sorted((row["status"], row["version"][-4:]) for row in rows) == [
        (200, "v1.0"),
        (200, "v1.0"),
        (202, "v1.1"),
        (502, "v1.1"),
    ]
    (failed,) = (row for row in rows if row["status"] == 502)
    assert failed["answer"] == "" and failed["shadow_of"] in {
        r["answer_id"] for r in rows if r["status"] == 200
    }


def test_segments_wait_in_the_spool_while_flywheel_is_away(stack):
    stack.engines.start("blue", "v1.0")
    stack.route(stack.target("blue", "v1.0"))
    stack.flywheel.away = True
    stack.client().chat.completions.create(**ASK)
    until(lambda: list((stack.folder / "gateway" / "segments").glob("*.json")))
    assert not stack.flywheel.segments
    stack.flywheel.away = False
    until(lambda: stack.flywheel.segments)
    until(lambda: not stack.spooled())


def test_a_killed_gateway_loses_little_and_says_how_much(tmp_path):
    keys, spool = tmp_path / "keys", tmp_path / "spool"
    store, ids = ArtifactStore(str(tmp_path / "artifacts")), AnswerIds.of_folder(keys)

    class Usage:
        def add(self, key, used):
            pass

    def capture():
        return SegmentCapture(spool, store, ids, Usage(), SystemClock(), lambda: None)

    killed = capture()
    killed.start()
    version, deployment = "projects/p/models/mail/versions/v1.0", "projects/p/deployments/d"
    ask = read_request(CHAT, json.dumps(ASK).encode())
    stored, lost = killed.begin(deployment, version), killed.begin(deployment, version)
    killed.keep(Answered(stored, datetime.now(UTC), deployment, version, ask, b"{}", 200, 1.0, "key"))
    path = next(spool.glob("*.lines"))
    until(lambda: path.read_bytes().count(b"\n") == 3)
    with path.open("ab") as torn:
        torn.write(b'{"answer_id": "never fini')

    capture().start()
    until(lambda: list(spool.glob("*.json")))
    announced = json.loads(next(spool.glob("*.json")).read_text())
    assert (announced["answers"], announced["lost"]) == (1, 1)
    row = json.loads(zstandard.decompress(store.read(announced["digest"])))
    assert row["answer_id"] == stored != lost
    assert announced["name"] == ids.read(stored).segment


def test_feedback_is_acknowledged_only_when_it_is_stored(stack):
    stack.engines.start("blue", "v1.0")
    stack.route(stack.target("blue", "v1.0"))
    answer = stack.client().chat.completions.create(**ASK)
    http = stack.http()
    words = {"id": answer.id, "thumb": "down", "correction": "spam"}
    stack.flywheel.away = True
    assert http.post("/v1/feedback", json=words).status_code == 503
    stack.flywheel.away = False
    for _ in range(2):  # said twice, it is still one
        assert http.post("/v1/feedback", json=words).status_code == 200
    (stored,) = stack.flywheel.feedback.values()
    assert (stored.parent, stored.feedback.thumb, stored.feedback.correction) == ("projects/p", -1, "spam")
    assert stored.feedback.version == "projects/p/models/mail/versions/v1.0"
    assert stored.feedback.answer_id == answer.id.removeprefix("chatcmpl-")


def test_every_form_of_feedback_reaches_flywheel(stack):
    ids = AnswerIds.of_folder(stack.folder / "keys")
    version = "projects/p/models/mail/versions/v1.0"
    better, worse = (ids.mint(version, "projects/p/trafficSegments/s") for _ in range(2))
    http = stack.http()

    def stored(**body: object) -> signal_pb2.Feedback:
        before = set(stack.flywheel.feedback)
        response = http.post("/v1/feedback", json=body)
        assert response.status_code == 200, response.text
        (new,) = stack.flywheel.feedback.keys() - before
        return stack.flywheel.feedback[new].feedback

    text = "ü\n" * 32_768
    assert stored(id=better, correction=text).correction == text
    assert stored(id=better, correction=3.5).correction == "3.5"
    assert stored(id=better, correction=["billing", "urgent"]).correction == "billing\nurgent"
    assert json.loads(stored(id=better, correction={"due": "3 May"}).correction) == {"due": "3 May"}
    pair = stored(preferred_answer_id=f"chatcmpl-{better}", rejected_answer_id=f"chatcmpl-{worse}")
    assert (pair.answer_id, pair.rejected_answer_id, pair.version) == (better, worse, version)
    later = stored(id=better, outcomes={"resolved": 1, "minutes": 12.5}, user="ann", consent="evaluation")
    assert dict(later.outcomes) == {"resolved": 1.0, "minutes": 12.5}
    assert (later.user, later.consent) == ("ann", signal_pb2.Feedback.CONSENT_EVALUATION)
    assert stored(id=better, implicit="copied").implicit == signal_pb2.Feedback.IMPLICIT_COPIED
    session = stored(sessionId="ticket-4711", project="p", thumb="up")
    assert (session.session_id, session.answer_id) == ("ticket-4711", "")
    problem = http.post("/v1/feedback", json={"session_id": "s", "thumb": "up"}).json()
    assert problem["violations"][0]["field"] == "project"
    problem = http.post("/v1/feedback", json={"preferred_answer_id": better, "thumb": "up"}).json()
    assert problem["violations"][0]["field"] == "rejectedAnswerId"
    assert stack.http("").post("/v1/feedback", json={"session_id": "s", "thumb": "up"}).status_code == 401


@pytest.mark.parametrize(
    ("words", "field"),
    [
        ({"id": "made~up~by~some~body~else", "thumb": "up"}, "id"),
        ({"thumb": "up"}, "id"),
        ({"thumb": "sideways"}, "thumb"),
        ({"rating": 6}, "rating"),
        ({"rating": True}, "rating"),
        ({"correction": True}, "correction"),
        ({"correction": [7]}, "correction"),
        ({"correction": "x" * 100_001}, "correction"),
        ({"outcomes": {"resolved": "yes"}}, "outcomes"),
        ({"outcomes": {"re solved": 1}}, "outcomes"),
        ({"outcomes": {"resolved": 10**400}}, "outcomes"),
        ({"implicit": "smiled"}, "implicit"),
        ({"consent": "all"}, "consent"),
        ({"rejected_answer_id": "made~up"}, "rejectedAnswerId"),
        ({"preferred_answer_id": "another", "rejected_answer_id": "made~up"}, "id"),
        ({"session_id": 7, "thumb": "up"}, "sessionId"),
        ({}, "thumb"),
    ],
)
def test_invalid_feedback_names_its_field(stack, words, field):
    ids = AnswerIds.of_folder(stack.folder / "keys")
    answer_id = ids.mint("projects/p/models/mail/versions/v1.0", "projects/p/trafficSegments/s")
    body = {"id": answer_id, **words} if field != "id" else words
    problem = stack.http().post("/v1/feedback", json=body)
    assert problem.status_code == 400
    assert problem.headers["content-type"] == "application/problem+json"
    assert problem.json()["violations"][0]["field"] == field


def test_answers_go_on_while_the_spool_cannot_be_written_and_what_was_lost_is_counted(tmp_path, caplog):
    spool, folder = tmp_path / "spool", tmp_path / "artifacts"
    store, ids = ArtifactStore(str(folder)), AnswerIds.of_folder(tmp_path / "keys")

    class Usage:
        def add(self, key, used):
            pass

    capture = SegmentCapture(spool, store, ids, Usage(), SystemClock(), lambda: None)
    capture.start()
    spool.rmdir()
    version, deployment = "projects/p/models/mail/versions/v1.0", "projects/p/deployments/d"
    ask = read_request(CHAT, json.dumps(ASK).encode())
    lost = capture.begin(deployment, version)
    capture.keep(Answered(lost, datetime.now(UTC), deployment, version, ask, b"{}", 200, 1.0, "key"))
    until(lambda: "could not be written" in caplog.text)
    spool.mkdir()
    stored = capture.begin(deployment, version)
    capture.keep(Answered(stored, datetime.now(UTC), deployment, version, ask, b"{}", 200, 1.0, "key"))
    capture.stop()
    announced = [
        json.loads(path.read_text()) for path in spool.glob("*.json")
    ]  # one, or that of the loss before
    assert [sum(each[count] for each in announced) for count in ("answers", "lost")] == [1, 1]
    digest = next(each["digest"] for each in announced if each["answers"])
    assert json.loads(zstandard.decompress(store.read(digest)))["answer_id"] == stored
    assert {path.suffix for path in spool.iterdir()} == {".json"}
