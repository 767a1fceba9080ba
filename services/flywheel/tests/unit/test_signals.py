"""Feedback, labelled examples and the monitor of traffic."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from ratoon.tasks.classify import Classify
from ratoon.tasks.generate import Form, Generate
from ratoon.tasks.kind import Verdict
from ratoon.tasks.regress import Regress
from ratoon_flywheel.domain.errors import BadFeedback, BadProject, BadSegment, StaleEtag
from ratoon_flywheel.domain.etags import check_etag
from ratoon_flywheel.domain.projects import Gate, Method, Project, SplitDefaults, TrainingDefaults, changed
from ratoon_flywheel.domain.projects import checked as checked_project
from ratoon_flywheel.domain.signals import traffic
from ratoon_flywheel.domain.signals.drift import Feature, Measure
from ratoon_flywheel.domain.signals.features import features
from ratoon_flywheel.domain.signals.feedback import (
    Feedback,
    FeedbackLabel,
    Implicit,
    checked,
    feedback_label,
    indexed_answer,
    is_negative,
    is_vote,
    right_answer,
)
from ratoon_flywheel.domain.signals.monitor import (
    READER_EDITION,
    REPORT_INTERVAL,
    SHADOW_INTERVAL,
    BaselineState,
    DriftReport,
    ForgetProfile,
    MeasureDrift,
    Monitor,
    Observation,
    ProfileTraining,
    Prune,
    ReadAgain,
    ReportQuality,
    ReportShadows,
    is_news,
    measured,
    next_check,
    step,
)
from ratoon_flywheel.domain.signals.shadows import ShadowMark
from ratoon_flywheel.domain.signals.traffic import (
    Answer,
    LabelledExample,
    TrafficSegment,
    content_digest,
    distinct,
    exported,
    labelled_examples,
)

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)
TASK = Classify(("ham", "spam"))
LONG = tuple(f"label-{number:050}" for number in range(2))
V1 = "projects/mail/models/mail/versions/v1.0"


def feedback(**more: object) -> Feedback:
    return Feedback("projects/mail/feedback/f", NOW, NOW, "answer", V1, **more)


def answer(id: str, text: str = "some text", label: str = "ham", seconds: float = 0.0) -> Answer:
    time = NOW + timedelta(seconds=seconds)
    digest = traffic.content_digest(text)
    return Answer(id, "segment", "deployment", V1, time, digest, label, features(text, 0))


def feedback_on(id: str, seconds: float = 0.0, **more: object) -> FeedbackLabel:
    return feedback_label(
        replace(feedback(**more), answer_id=id, create_time=NOW + timedelta(seconds=seconds)), TASK
    )


@pytest.mark.parametrize(
    ("what", "verdict"),
    [
        ({"thumb": 1}, Verdict.POSITIVE),
        ({"thumb": -1}, Verdict.NEGATIVE),
        ({"rating": 5}, Verdict.POSITIVE),
        ({"rating": 3}, Verdict.NEUTRAL),
        ({"rating": 1}, Verdict.NEGATIVE),
        ({"thumb": 1, "rating": 1}, Verdict.POSITIVE),
        ({"thumb": 1, "correction": "spam"}, Verdict.NEGATIVE),
        ({"comment": "hm"}, Verdict.NEUTRAL),
    ],
)
def test_what_a_feedback_says(what, verdict):
    assert checked(feedback(**what), TASK).verdict is verdict
    assert is_vote(feedback_label(feedback(**what), TASK)) is (verdict is not Verdict.NEUTRAL)


def test_a_callers_mark_hides_the_name_and_differs_by_project():
    mark = traffic.caller_mark("projects/mail", "anna@example.org")
    assert mark == traffic.caller_mark("projects/mail", "anna@example.org")
    assert mark != traffic.caller_mark("projects/chat", "anna@example.org")
    assert (len(mark), "anna" in mark) == (16, False)
    assert traffic.caller_mark("projects/mail", "") == ""
    assert traffic.caller_mark("projects/mail", "half \ud800")


def test_a_drift_report_that_counted_answers_only_keeps_its_error_rate():
    before = DriftReport("r", NOW, NOW, "v1", 100, (), 4, 1)
    assert before.error_rate == 0.25
    assert replace(before, unhappy_share=0.5).error_rate == 0.5


@pytest.mark.parametrize(
    ("what", "field"),
    [
        ({}, ""),
        ({"thumb": 2}, "thumb"),
        ({"rating": 6}, "rating"),
        ({"correction": "eggs"}, "correction"),
        ({"comment": "x" * 5000}, "comment"),
    ],
)
def test_what_a_feedback_cannot_be(what, field):
    with pytest.raises(BadFeedback) as refused:
        checked(feedback(**what), TASK)
    assert refused.value.field == field


@pytest.mark.parametrize(
    ("answered", "what", "label", "negative"),
    [
        ("ham", {"thumb": 1}, "ham", False),
        ("ham", {"thumb": -1}, "spam", True),
        ("ham", {"correction": " Spam "}, "spam", True),
        ("ham", {"correction": "ham"}, "ham", False),
        ("", {"thumb": -1}, None, True),
        ("", {"correction": "ham"}, "ham", True),
        ("ham", {"rating": 3}, None, False),
    ],
)
def test_the_right_label_follows_from_answer_and_feedback(answered, what, label, negative):
    meant = feedback_on("a", **what)
    assert right_answer(answered, meant, TASK) == label
    assert is_negative(answered, meant, TASK) is negative


@pytest.mark.parametrize(
    ("task", "correction", "label"),
    [
        (Regress("points", 0, 10), "3.50 points", "3.5"),
        (Classify(("ham", "spam", "news"), multi_label=True), "news\nHAM", "ham\nnews"),
        (
            Generate(),
            "Dear Ann,\nthank you.",
            "sha256:" + content_digest("Dear Ann,\nthank you."),
        ),
        (Generate(Form.JSON), '{"b": 1, "a": 2}', "sha256:" + content_digest('{"a":2,"b":1}')),
    ],
)
def test_a_correction_is_taken_for_every_kind_of_task(task, correction, label):
    taken = checked(feedback(correction=correction), task)
    assert taken.verdict is Verdict.NEGATIVE
    assert feedback_label(taken, task).correction == label


@pytest.mark.parametrize(
    ("task", "correction", "says"),
    [
        (Regress("", 0, 10), "11", "a number from 0 to 10"),
        (Generate(Form.JSON), "{", "a JSON document"),
        (
            Generate(Form.JSON, '{"required": ["due"]}'),
            "{}",
            'is not: "due" is a required property',
        ),
        (Generate(), "  \n", "a text"),
        (Generate(), "x" * 65_537, "65,536 characters, not 65,537"),
        (Classify(("ham", "spam"), multi_label=True), "ham\neggs", "one or more of ham, spam"),
    ],
)
def test_a_correction_that_is_no_answer_of_the_task_is_refused(task, correction, says):
    with pytest.raises(BadFeedback, match=says) as refused:
        checked(feedback(correction=correction), task)
    assert refused.value.field == "correction"


@pytest.mark.parametrize(
    ("what", "field"),
    [
        ({"outcomes": {"": 1.0}}, "outcomes"),
        ({"outcomes": {"resolved": float("nan")}}, "outcomes"),
        ({"outcomes": {f"o{n}": 1.0 for n in range(17)}}, "outcomes"),
        ({"rejected_answer_id": "answer"}, "rejected_answer_id"),
        ({"session": "s", "thumb": 1}, "answer_id"),
    ],
)
def test_outcomes_pairs_and_sessions_that_cannot_be_are_refused(what, field):
    with pytest.raises(BadFeedback) as refused:
        checked(feedback(**what), Generate())
    assert refused.value.field == field


def test_outcomes_preferences_and_implicit_signals_are_no_votes():
    for what in ({"outcomes": {"resolved": 1.0}}, {"rejected_answer_id": "b"}, {"implicit": Implicit.COPIED}):
        taken = checked(feedback(**what), Generate())
        assert (taken.verdict, taken.is_on_answer) == (Verdict.NEUTRAL, False)


def test_a_number_within_the_tolerance_is_not_wrong():
    task = Regress(tolerance=0.5)
    for correction, wrong in (("3.5", False), ("3.6", True)):
        assert is_negative("3", feedback_label(feedback(correction=correction), task), task) is wrong


def test_a_free_text_that_repeats_the_answer_confirms_it():
    for task, text in ((Generate(), "Dear Ann"), (Generate(Form.JSON), '{"a": 1}')):
        meant = feedback_label(feedback(correction=f" {text} "), task)
        assert not is_negative(indexed_answer(text, task), meant, task)
        assert is_negative(indexed_answer("[]", task), meant, task)


def test_of_an_answer_the_index_keeps_the_canonical_form_and_no_free_text():
    assert indexed_answer("HAM ", TASK) == "ham"
    assert indexed_answer("eggs", TASK) == ""
    assert indexed_answer("3.50 points", Regress("points")) == "3.5"
    assert indexed_answer(" Dear Ann", Generate()) == f"sha256:{content_digest('Dear Ann')}"
    assert indexed_answer(" ", Generate()) == ""
    long = indexed_answer("\n".join(LONG), Classify(LONG, multi_label=True))
    assert (long[:7], len(long)) == ("sha256:", 71)


def test_of_three_labels_blame_alone_does_not_name_the_right_one():
    assert right_answer("ham", feedback_on("a", thumb=-1), Classify(("ham", "spam", "news"))) is None


def test_a_text_is_one_example_with_its_latest_label():
    pairs = [
        (answer("a", "one"), feedback_on("a", 1.0, thumb=1)),
        (answer("b", "one", seconds=5), feedback_on("b", 9.0, correction="spam")),
        (answer("c", "two", seconds=3), feedback_on("c", 2.0, thumb=1)),
        (answer("d", "three"), feedback_on("d", rating=3)),
    ]
    examples = labelled_examples(pairs, TASK)
    assert [(example.answer_id, example.label) for example in examples] == [("c", "ham"), ("b", "spam")]


def test_repeated_texts_are_measured_once():
    assert [a.answer_id for a in distinct([answer("a"), answer("b"), answer("c", "other")])] == ["a", "c"]


def test_a_labelled_example_is_a_line_of_a_source():
    line = exported(LabelledExample("a", "segment", V1, NOW, "spam"), "Grüße\nund mehr")
    assert line.count(b"\n") == 1
    assert json.loads(line) == {
        "id": "a",
        "text": "Grüße\nund mehr",
        "label": "spam",
        "time": NOW.isoformat(),
        "attributes": {"version": V1},
    }


def test_several_labels_are_a_list_in_a_line_of_a_source():
    line = exported(LabelledExample("a", "segment", V1, NOW, "billing\nurgent"), "Pay now")
    assert json.loads(line)["label"] == ["billing", "urgent"]


def test_a_segment_that_cannot_be_is_refused():
    segment = TrafficSegment("s", NOW, NOW, "d", "0" * 64, 3, NOW, NOW - timedelta(seconds=1))
    with pytest.raises(BadSegment):
        traffic.checked(segment)


MONITOR = Monitor("projects/mail/monitors/traffic", NOW, NOW, pruned_time=NOW, reader_edition=READER_EDITION)
FLOWING = Observation(V1, 400, 300, NOW, BaselineState.READY)


def actions(monitor: Monitor, observation: Observation, now: datetime = NOW) -> tuple[object, ...]:
    return step(monitor, observation, now)[1]


def test_traffic_without_a_profile_gets_one():
    assert actions(MONITOR, replace(FLOWING, baseline=BaselineState.ABSENT)) == (ProfileTraining(V1),)
    assert actions(MONITOR, replace(FLOWING, baseline=BaselineState.WORKING)) == ()
    assert actions(MONITOR, Observation()) == ()


def test_a_profile_that_failed_is_computed_again_after_a_while():
    failed = replace(FLOWING, baseline=BaselineState.FAILED)
    waiting, at_once = step(MONITOR, failed, NOW)
    assert at_once == ()
    assert actions(waiting, failed, NOW + timedelta(seconds=59)) == ()
    assert actions(waiting, failed, NOW + timedelta(seconds=60)) == (ForgetProfile(V1),)


def test_news_of_shadow_answers_are_reported_at_intervals_until_they_are_noted():
    news = Observation(shadows=ShadowMark(3, 7), has_shadow_news=True)
    reporting, requested = step(MONITOR, news, NOW)
    assert requested == (ReportShadows(ShadowMark(3, 7)),)
    assert actions(reporting, news, NOW + SHADOW_INTERVAL / 2) == ()
    assert actions(reporting, news, NOW + SHADOW_INTERVAL) == requested, "the report may have failed"
    assert next_check(news, NOW) == timedelta(seconds=1)


@pytest.mark.parametrize(("feedback", "passed_over"), [(1000, False), (1001, True)])
def test_feedback_on_other_answers_is_not_looked_through_for_ever(feedback, passed_over):
    observation = Observation(shadows=ShadowMark(3, feedback))
    monitor, requested = step(MONITOR, observation, NOW)
    assert requested == ()
    assert (monitor.shadows == observation.shadows) is passed_over


def test_drift_is_measured_when_enough_came_or_traffic_pauses():
    (first,) = actions(MONITOR, FLOWING)
    assert first == MeasureDrift(V1, 400)
    assert actions(step(MONITOR, FLOWING, NOW)[0], FLOWING) == (first,), "until the report is written"
    noted = measured(MONITOR, first)
    assert actions(noted, FLOWING) == ()
    more = replace(FLOWING, answers=450)
    assert actions(noted, more) == ()
    assert actions(noted, more, NOW + timedelta(seconds=5)) == (MeasureDrift(V1, 450),)
    assert actions(noted, replace(FLOWING, answers=500)) == (MeasureDrift(V1, 500),)
    assert actions(MONITOR, replace(FLOWING, texts=49)) == ()


def test_feedback_is_reported_from_the_end_of_the_last_report():
    observation = Observation(votes_until=NOW + timedelta(seconds=3))
    (report,) = actions(MONITOR, observation)
    assert report == ReportQuality(NOW, NOW + timedelta(seconds=3, microseconds=1))
    (again,) = actions(
        replace(MONITOR, reported_until=report.end),
        replace(observation, votes_until=NOW + timedelta(seconds=9)),
    )
    assert again.start == report.end


def test_old_traffic_is_pruned_now_and_then():
    assert Prune() in actions(replace(MONITOR, pruned_time=None), Observation())
    assert Prune() in actions(MONITOR, Observation(), NOW + timedelta(hours=6))


@pytest.mark.parametrize(
    ("observation", "seconds"),
    [
        (Observation(), 3600),
        (FLOWING, 1),
        (replace(FLOWING, last_time=NOW - timedelta(minutes=6)), 3600),
        (Observation(has_unsettled_votes=True), 1),
        (Observation(V1, 9, 9, NOW - timedelta(minutes=6), BaselineState.WORKING), 20),
        (Observation(V1, 9, 9, NOW - timedelta(minutes=6), BaselineState.FAILED), 20),
    ],
)
def test_a_project_without_traffic_is_checked_each_hour(observation, seconds):
    assert next_check(observation, NOW) == timedelta(seconds=seconds)


def test_a_report_has_drifted_when_one_measure_has():
    report = DriftReport("r", NOW, NOW, V1, 300, (Measure(Feature.WORDS, 0.1, 0.2),), 10, 3)
    assert (report.drifted, report.error_rate) == (False, 0.3)
    assert replace(report, measures=(Measure(Feature.LENGTH, 0.3, 0.2),)).drifted


PROJECT = Project("projects/mail", NOW, NOW, TASK)


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"task": Classify(("ham",))}, "labels"),
        ({"task": Classify(("ham", "ham"))}, "labels"),
        ({"task": Classify(("ham", "two\nlines"))}, "labels"),
        ({"gate": Gate(2.0)}, "gate.new_domain_threshold"),
        ({"gate": Gate(baseline_margin=-0.1)}, "gate.baseline_margin"),
        ({"gate": Gate(baseline_margin=float("nan"))}, "gate.baseline_margin"),
        ({"training": TrainingDefaults(epochs=-1.0)}, "training.epochs"),
        ({"training": TrainingDefaults(method=Method.LORA)}, "training.base_artifact_digest"),
        ({"training": TrainingDefaults(base_artifact_digest="short")}, "training.base_artifact_digest"),
        ({"split": SplitDefaults(0.1, 1.0)}, "split.test_share"),
        ({"split": SplitDefaults(0.4, 0.6)}, "split"),
        ({"traffic_retention_days": 0}, "traffic_retention_days"),
    ],
)
def test_what_a_project_cannot_be(change, field):
    with pytest.raises(BadProject) as refused:
        checked_project(replace(PROJECT, **change))
    assert refused.value.field == field


def test_a_part_of_a_project_can_be_changed_alone():
    update = replace(PROJECT, gate=Gate(0.02, -0.5), display_name="Mail")
    assert changed(PROJECT, update, ("gate.new_domain_threshold",)) == replace(
        PROJECT, gate=Gate(0.02, -0.08)
    )
    for field in ("name", "gate.other", "nothing"):
        with pytest.raises(BadProject):
            changed(PROJECT, update, (field,))


def test_the_etag_of_an_unchanged_project_stays_the_same_across_releases():
    time = datetime(2026, 6, 1, tzinfo=UTC)
    assert Project("projects/mail", time, time, Classify(("ham", "spam"))).etag == "4fd96a7e8e1c4653"


def test_an_etag_marks_what_people_can_change():
    assert replace(PROJECT, revision=9).etag == PROJECT.etag
    with pytest.raises(StaleEtag):
        check_etag(PROJECT.name, replace(PROJECT, display_name="x").etag, PROJECT.etag)


def test_rows_that_were_set_aside_are_read_again_once_by_each_reader_edition():
    upgraded, requested = step(replace(MONITOR, reader_edition=READER_EDITION - 1), Observation(), NOW)
    assert requested == (ReadAgain(),)
    assert step(upgraded, Observation(), NOW) == (upgraded, ())


REPORT = DriftReport("r", NOW, NOW, V1, 300, (Measure(Feature.WORDS, 0.1, 0.2),), 100, 10, unhappy_share=0.1)


def later(seconds: float = 1.0, **changes: object) -> DriftReport:
    return replace(REPORT, create_time=NOW + timedelta(seconds=seconds), **changes)


@pytest.mark.parametrize(
    "report",
    [
        later(version="v2"),
        later(measures=(Measure(Feature.WORDS, 0.21, 0.2),)),
        later(measures=(Measure(Feature.WORDS, 0.151, 0.2),)),
        later(measures=()),
        later(unhappy_share=0.125),
        later(feedback_count=111),
        later(answer_count=331),
        later(REPORT_INTERVAL.total_seconds()),
    ],
)
def test_a_drift_report_is_stored_when_it_has_news_or_the_last_one_is_old(report):
    assert is_news(report, REPORT)


def test_a_drift_report_that_repeats_the_one_before_is_not_stored():
    same = later(299, measures=(Measure(Feature.WORDS, 0.14, 0.2),), unhappy_share=0.11, feedback_count=109)
    assert not is_news(same, REPORT)
    assert is_news(same, None)
    assert is_news(later(feedback_count=1), replace(REPORT, feedback_count=0))


def test_steady_traffic_keeps_a_few_hundred_reports_a_day():
    stored, newest = 0, None
    for second in range(0, 86_400, 10):
        report = later(second)
        if is_news(report, newest):
            stored, newest = stored + 1, report
    assert stored == 288
