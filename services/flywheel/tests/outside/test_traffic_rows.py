"""What clients of other people leave in captured traffic: each row is read for itself, none takes others with it."""

import json
from pathlib import Path

import pytest
import zstandard
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ratoon.storage.artifacts import ArtifactStore
from ratoon_flywheel.adapters.traffic import ArtifactSegments
from ratoon_flywheel.domain.errors import BadSegment
from ratoon_flywheel.domain.signals.features import features
from ratoon_flywheel.domain.signals.traffic import (
    Exchange,
    LabelledExample,
    RowFault,
    UnreadableRow,
    content_digest,
    exported,
    noted_texts,
)

ROW = {
    "answer_id": "a1",
    "time": "2026-06-01T12:00:00.000+00:00",
    "deployment": "projects/p/deployments/d",
    "version": "projects/p/models/m/versions/v1.0",
    "user": "",
    "messages": [{"role": "user", "content": "a sound question"}],
    "answer": "ham",
    "status": 200,
    "latency_ms": 3.0,
    "prompt_tokens": 1,
    "completion_tokens": 1,
}


@pytest.fixture
def segments(tmp_path: Path) -> ArtifactSegments:
    return ArtifactSegments(ArtifactStore(str(tmp_path / "artifacts")))


def stored(segments: ArtifactSegments, *lines: bytes) -> str:
    return segments.write([zstandard.compress(b"".join(lines))])


def line(**fields: object) -> bytes:
    return json.dumps({**ROW, **fields}).encode() + b"\n"


SHAPES = [
    ([{"role": "user"}], ""),
    ([{"role": "user", "content": None}], ""),
    ([{"role": "user", "content": ["a", "b"]}], "a\nb"),
    ([{"role": "user", "content": [1, 2, 3]}], ""),
    ([{"role": "user", "content": [[1, 2], [3]]}], ""),
    ([{"role": "user", "content": [{"type": "text", "text": "part"}, {"type": "image_url"}]}], "part"),
    ([{"role": "user", "content": [{"type": "text", "text": 7}, {"type": "text"}, None]}], ""),
    ([{"role": "user", "content": [{"type": "input_text", "text": "as in responses"}]}], "as in responses"),
    ([{"role": "user", "content": {"text": "x"}}], ""),
    ([{"role": "assistant", "tool_calls": []}, {"role": "tool", "content": "42"}], ""),
    ([{"role": "user", "content": "old"}, {"role": "assistant", "content": None}], "old"),
    (["no object", 7, None, {"content": "no role"}], ""),
    ([], ""),
    ([{"role": "user", "content": "lone \ud800 surrogate"}], "lone \ufffd surrogate"),
    ([{"role": "user", "content": "x" * 20_000 + "\udfff"}], "x" * 20_000 + "\ufffd"),
    ([{"role": "user", "content": "\u0000 nul"}], "\u0000 nul"),
]


@pytest.mark.parametrize(("messages", "question"), SHAPES, ids=range(len(SHAPES)))
def test_a_request_of_any_shape_is_an_exchange(segments, messages, question):
    digest = stored(segments, line(), line(answer_id="a2", messages=messages), line(answer_id="a3"))
    rows = list(segments.read(digest))
    assert [row.answer_id for row in rows] == ["a1", "a2", "a3"]
    assert rows[1].text == question
    assert len(content_digest(rows[1].text)) == 64
    features(rows[1].text, 0)
    example = LabelledExample("a2", "s", "v", rows[1].time, "ham")
    assert json.loads(exported(example, rows[1].text))["label"] == "ham"


BROKEN = [
    (b"no json\n", RowFault.NOT_JSON),
    (b'{"answer_id": "a", \n', RowFault.NOT_JSON),
    (b"[" * 100_000 + b"\n", RowFault.NOT_JSON),
    (b'{"status": ' + b"9" * 5000 + b"}\n", RowFault.NOT_JSON),
    (b"[]\n", RowFault.NOT_AN_EXCHANGE),
    (b'"text"\n', RowFault.NOT_AN_EXCHANGE),
    (b"null\n", RowFault.NOT_AN_EXCHANGE),
    (b"{}\n", RowFault.NOT_AN_EXCHANGE),
    (line(messages=None), RowFault.NOT_AN_EXCHANGE),
    (line(messages={"role": "user"}), RowFault.NOT_AN_EXCHANGE),
    (line(status="200"), RowFault.NOT_AN_EXCHANGE),
    (line(answer_id=7), RowFault.NOT_AN_EXCHANGE),
    (line(answer_id=""), RowFault.BAD_ID),
    (line(answer_id="a" * 401), RowFault.BAD_ID),
    (line(version="v\u0000"), RowFault.BAD_ID),
    (line(deployment="\ud800"), RowFault.BAD_ID),
    (line(time="yesterday"), RowFault.BAD_TIME),
    (line(time=1780000000), RowFault.BAD_TIME),
    (line(time="0001-01-01T00:00:00+14:00"), RowFault.BAD_TIME),
    (line(time=None), RowFault.BAD_TIME),
]


@pytest.mark.parametrize(("bad", "fault"), BROKEN, ids=range(len(BROKEN)))
def test_a_row_that_cannot_be_read_is_set_aside_with_its_fault(segments, bad, fault):
    rows = list(segments.read(stored(segments, line(), bad, line(answer_id="a3"))))
    assert [row.answer_id for row in rows if isinstance(row, Exchange)] == ["a1", "a3"]
    assert [row for row in rows if isinstance(row, UnreadableRow)] == [UnreadableRow(2, fault)]


def test_a_row_with_bytes_that_are_no_utf8_counts(segments):
    (row,) = segments.read(stored(segments, line(answer="HAM").replace(b"sound", b"s\xffund")))
    assert row.text == "a s\ufffdund question"


def test_a_time_without_zone_is_utc(segments):
    (row,) = segments.read(stored(segments, line(time="2026-06-01T12:00:00")))
    assert row.time.isoformat() == "2026-06-01T12:00:00+00:00"


def test_of_a_segment_that_breaks_off_the_beginning_counts(segments):
    whole = zstandard.compress(b"".join(line(answer_id=f"a{i}", answer=str(i) * 50) for i in range(20_000)))
    rows = list(segments.read(segments.write([whole[: len(whole) // 2]])))
    assert 100 < sum(isinstance(row, Exchange) for row in rows) < 20_000
    assert all(isinstance(row, Exchange) for row in rows[:-1])
    damaged = whole[: len(whole) // 2] + b"\0" * 100 + whole[len(whole) // 2 + 100 :]
    rows = list(segments.read(segments.write([damaged])))
    assert isinstance(rows[0], Exchange)
    assert isinstance(rows[-1], UnreadableRow)


def test_a_row_without_end_is_set_aside_and_the_next_one_counts(segments, monkeypatch):
    monkeypatch.setattr("ratoon_flywheel.adapters.traffic.MAX_ROW_BYTES", 2000)
    digest = stored(segments, line(), line(answer="x" * 50_000), line(answer_id="a3"))
    rows = list(segments.read(digest))
    assert rows[1] == UnreadableRow(2, RowFault.TOO_LARGE)
    assert [row.answer_id for row in rows if isinstance(row, Exchange)] == ["a1", "a3"]


def test_a_small_blob_does_not_unpack_without_bound(segments, monkeypatch):
    monkeypatch.setattr("ratoon_flywheel.adapters.traffic.MAX_SEGMENT_BYTES", 10_000)
    rows = list(segments.read(stored(segments, *[line()] * 1000)))
    assert rows[-1].fault is RowFault.TOO_LARGE
    assert len(rows) < 50


@pytest.mark.parametrize("data", [b"", b"no zstd", b"\x1f\x8b gzip", b'{"answer_id": 1}\n'])
def test_what_is_no_segment_is_refused_once_in_our_words(segments, data):
    with pytest.raises(
        BadSegment, match="is not a traffic segment: a segment is JSON lines, compressed by zstd"
    ) as no:
        list(segments.read(segments.write([data])))
    assert no.value.code == "INVALID_ARGUMENT"


def test_an_erasure_takes_the_text_wherever_it_stands_and_all_unreadable_rows(segments):
    secret = "the text that goes"
    dialogue = [{"role": "user", "content": f" {secret}\n"}, {"role": "assistant", "content": "ham"}]
    digest = stored(
        segments,
        line(),
        line(answer_id="a2", messages=dialogue),
        line(answer_id="a3", messages=[*dialogue, {"role": "user", "content": "and now?"}]),
        line(answer_id="a4", messages=dialogue, status=499),
        b"unreadable " + secret.encode() + b"\n",
        line(answer_id="a5"),
    )
    noted = {
        (each.presence.value, each.answer_id) for row in segments.read(digest) for each in noted_texts(row)
    }
    assert {("CONTEXT", "a3"), ("FAILED", "a4"), ("UNREADABLE", "")} <= noted
    left = segments.without(digest, [content_digest(secret)])
    assert (left.rows, left.removed) == (2, ("a2", "a3", "a4"))
    assert [row.answer_id for row in segments.read(left.digest)] == ["a1", "a5"]
    assert segments.without(segments.write([b"no zstd"]), []) == segments.without(stored(segments), [])


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(), max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
message = st.fixed_dictionaries(
    {}, optional={"role": st.just("user") | values, "content": values, "name": values}
)


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    st.fixed_dictionaries(
        {}, optional=dict.fromkeys(ROW, values) | {"messages": st.lists(message, max_size=4) | values}
    )
)
def test_no_row_that_a_request_can_cause_raises(segments, fields):
    rows = list(segments.read(stored(segments, line(), line(**fields), line(answer_id="last"))))
    assert [type(rows[0]), type(rows[-1])] == [Exchange, Exchange]
    assert len(rows) == 3
    for row in rows:
        noted_texts(row)
        if isinstance(row, Exchange):
            features(row.text, 0)
            content_digest(row.text)
