"""What is taken in of a traffic segment."""

import json
from dataclasses import replace
from datetime import UTC, datetime

import zstandard

from ratoon.storage.artifacts import ArtifactStore
from ratoon.tasks.classify import Classify
from ratoon.tasks.generate import Generate
from ratoon_flywheel.adapters.traffic import ArtifactSegments
from ratoon_flywheel.application.intake import read_segment
from ratoon_flywheel.domain.projects import Project
from ratoon_flywheel.domain.signals.traffic import Presence, content_digest

NOW = datetime(2026, 6, 1, tzinfo=UTC)
PROJECT = Project("projects/p", NOW, NOW, Generate())


def row(answer_id: str, version: str, answer: str, **fields: object) -> bytes:
    row = {
        "answer_id": answer_id,
        "time": NOW.isoformat(),
        "deployment": "projects/p/deployments/d",
        "version": f"projects/p/models/m/versions/{version}",
        "messages": [{"role": "user", "content": "A question of a user"}],
        "answer": answer,
        "status": 200,
        **fields,
    }
    return json.dumps(row).encode() + b"\n"


def test_the_status_of_answers_and_captured_metadata_are_indexed(tmp_path):
    metadata = {"tenant": "acme", "long": "x" * 65, "number": 3, "line": "a\nb"}
    rows = (
        row("a", "v1.0", "Invoice of May", metadata=metadata),
        row("b", "v1.0", "I'm sorry, but I can't help with that.", metadata=["tenant"]),
        row("c", "v1.0", ""),
    )
    segments = ArtifactSegments(ArtifactStore(str(tmp_path)))
    digest = segments.write([zstandard.compress(b"".join(rows))])
    answers = read_segment("segment", digest, PROJECT, segments, 0).answers
    assert [answer.status for answer in answers] == ["VALID", "REFUSAL", "INVALID"]
    assert [dict(answer.slices) for answer in answers] == [{"tenant": "acme"}, {}, {}]
    classify = replace(PROJECT, task=Classify(("ham", "spam")))
    assert {each.status for each in read_segment("segment", digest, classify, segments, 0).answers} == {""}


def test_a_shadow_answer_is_no_signal_and_its_texts_can_be_erased(tmp_path):
    segments = ArtifactSegments(ArtifactStore(str(tmp_path)))
    rows = row("a", "v1.1", "Yours"), row("b", "v1.0", "Mine", status=202, shadow_of="a")
    digest = segments.write([zstandard.compress(b"".join(rows))])
    taken = read_segment("segment", digest, PROJECT, segments, 0)
    assert [answer.answer_id for answer in taken.answers] == ["a"]
    noted = {(text.presence, text.answer_id, text.content_digest) for text in taken.texts}
    assert (Presence.FAILED, "b", content_digest("A question of a user")) in noted
    assert (Presence.WHOLE, "b", content_digest("Mine")) in noted
    assert segments.without(digest, [content_digest("A question of a user")]).removed == ("a", "b")
