"""Feedback and drift reports that the previous release stored are read as they were, and new ones come back whole."""

import json
from datetime import UTC, datetime

from ratoon.storage.store import codec_of
from ratoon.tasks.kind import Verdict
from ratoon_flywheel.adapters.tables import RESOURCES
from ratoon_flywheel.domain.consent import Consent
from ratoon_flywheel.domain.signals.drift import Feature, Measure, Reference
from ratoon_flywheel.domain.signals.feedback import Feedback, Implicit
from ratoon_flywheel.domain.signals.monitor import DriftReport

FEEDBACK = codec_of(Feedback, RESOURCES[Feedback])
REPORTS = codec_of(DriftReport, RESOURCES[DriftReport])
TIMES = '"create_time":"2026-01-01T00:00:00Z","update_time":"2026-01-01T00:00:00Z"'
STORED_FEEDBACK = (
    '{"schema_version":1,"name":"projects/mail/feedback/f",' + TIMES + ',"answer_id":"a",'
    '"version":"projects/mail/models/mail/versions/v1.0","thumb":-1,"rating":0,"correction":"spam","comment":"",'
    '"revision":1}'
)
STORED_REPORT = (
    '{"schema_version":1,"name":"projects/mail/driftReports/r",'
    + TIMES
    + ',"version":"v1","answer_count":300,'
    '"measures":[{"feature":"tokens","divergence":0.2,"null_band":0.1}],"feedback_count":4,"negative_count":1,'
    '"unhappy_share":0.25,"revision":1}'
)
NOW = datetime(2026, 6, 1, tzinfo=UTC)


def test_feedback_of_the_previous_release_may_be_used_for_training():
    feedback = FEEDBACK.load(STORED_FEEDBACK)
    assert (feedback.correction, feedback.verdict) == ("spam", Verdict.NEGATIVE)
    assert (feedback.consent, feedback.outcomes, feedback.implicit) == (Consent.TRAINING, {}, None)
    saved = json.loads(FEEDBACK.dump(feedback))
    assert json.loads(STORED_FEEDBACK).items() <= saved.items()


def test_a_report_of_the_previous_release_was_measured_against_the_training_data():
    (measure,) = REPORTS.load(STORED_REPORT).measures
    assert measure == Measure(Feature.WORDS, 0.2, 0.1)
    assert (measure.reference, measure.slice, measure.ratio) == (Reference.TRAINING, "", 2.0)


def test_every_form_of_feedback_and_every_measure_is_stored_and_read_back():
    feedback = Feedback(
        *("projects/mail/feedback/f", NOW, NOW, "a", "v1", 1, 5, "ü\n\U0001f600", "c", "b"),
        *({"resolved": 0.5}, Implicit.ABANDONED, Consent.NONE, "s", "u"),
    )
    assert FEEDBACK.load(FEEDBACK.dump(feedback)) == feedback
    measure = Measure(Feature.ANSWER_WORDS, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, Reference.PROMOTION, "de")
    report = DriftReport("projects/mail/driftReports/r", NOW, NOW, "v1", 300, (measure,))
    assert REPORTS.load(REPORTS.dump(report)) == report
