"""What is to be forgotten is written again, then erased, and the end comes when nothing is left."""

from datetime import UTC, datetime

from ratoon_flywheel.domain.signals.forgetting import (
    EraseBlobs,
    Forgetting,
    Observation,
    RewriteSegments,
    step,
)

NOW = datetime(2026, 6, 1, tzinfo=UTC)
FORGETTING = Forgetting("projects/p/forgettings/e", NOW, NOW, ("a" * 64,))


def test_the_blobs_are_noted_before_a_segment_is_written_again():
    after, actions = step(FORGETTING, Observation({"s1": "b" * 64, "s2": "c" * 64}))
    assert after.doomed == ("b" * 64, "c" * 64)
    assert actions == (RewriteSegments(("s1", "s2")),)
    again, _ = step(after, Observation({"s2": "c" * 64, "s3": ""}))
    assert again.doomed == after.doomed


def test_it_ends_when_no_segment_and_no_blob_is_left():
    after, _ = step(FORGETTING, Observation({"s1": "b" * 64}))
    assert step(after, Observation({}, ("b" * 64,))) == (after, (EraseBlobs(("b" * 64,)),))
    assert step(after, Observation({})) == (after, ())
