"""Forms of queues and guidelines, the work of one annotator, and marks as people read them."""

import asyncio

import pytest

from ratoon_console.application import label_actions
from ratoon_console.application.forms import Form
from ratoon_console.domain import labels, queues
from ratoon_console.domain.errors import BadForm

FORM = {"version": "mail/v1", "guideline": "projects/p/guidelines/g"}


def test_a_form_of_a_queue_gives_its_settings_and_they_fill_the_form_again():
    rules = "spam: prize, click\nham: /lunch|noon/"
    settings = queues.queue_of(
        {**FORM, "origin": "ORIGIN_RULES", "rules": rules, "gold_share": "5", "deadline": "2026-12-01T08:00"},
        "p",
    )
    assert settings["datasetVersion"] == "projects/p/datasets/mail/versions/v1"
    assert (settings["goldShare"], settings["overlap"], settings["refillRule"]["size"]) == (0.05, 1, 50)
    assert settings["deadline"] == "2026-12-01T08:00:00Z"
    assert queues.rules_text(settings) == rules
    plain = queues.queue_of(FORM, "p")
    assert plain["preLabels"] == {} and "work" not in plain


def test_a_form_of_a_new_queue_says_what_annotators_do():
    settings = queues.queue_of({**FORM, "work": "WORK_RATE", "scales": "tone, clarity"}, "p")
    assert (settings["work"], settings["scales"]) == ("WORK_RATE", ["tone", "clarity"])


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"version": "v1"}, "dataset/version"),
        ({"overlap": "two"}, "not a number"),
        ({"origin": "ORIGIN_RULES", "rules": "spam"}, "no rule"),
        ({"deadline": "soon"}, "no time"),
        ({"intake": "low low-rated"}, "is no rule"),
    ],
)
def test_a_form_that_cannot_be_read_says_why(fields, message):
    with pytest.raises(BadForm, match=message):
        queues.queue_of({**FORM, **fields}, "p")


def test_rules_by_which_answers_enter_are_read_from_their_lines_and_written_again():
    lines = (
        "low: low-rated 2 conflicts, 100 a day, 1000 in all\n"
        "some: traffic 2% uncertain of mail, 20 a day, 300 in all\n"
        "bad: bad-cases first, 50 a day, 500 in all"
    )
    settings = queues.queue_of({"guideline": FORM["guideline"], "intake": lines}, "p")
    assert settings["datasetVersion"] == ""
    low, some, bad = settings["intakeRules"]
    assert (low["lowRated"]["conflicts"], some["traffic"]["share"]) == (True, 0.02)
    assert (bad["badCases"]["evaluationRun"], bad["maxTasks"]) == ("first", 500)
    assert queues.intake_text(settings) == lines
    counts = [{"rule": "low", "taskCount": "7", "dayCount": "3", "day": "2026-06-01", "returnedCount": "2"}]
    rows = queues.intake_rows({**settings, "intakeCounts": counts}, "2026-06-02")
    assert [(row["total"], row["today"], row["returned"]) for row in rows] == [
        (7, 0, 2),
        (0, 0, 0),
        (0, 0, 0),
    ]


@pytest.mark.parametrize(
    ("answers", "expected"),
    [
        ("classify", {"labels": ["a", "b"]}),
        ("several", {"task": {"classify": {"labels": ["a", "b"], "multiLabel": True}}}),
        ("spans", {"marks": {"spans": {"labels": ["a", "b"], "overlap": "OVERLAP_NONE"}}}),
        ("regress", {"task": {"regress": {"min": 1.0, "max": 5.0}}}),
        ("generate", {"task": {"generate": {}}}),
    ],
)
def test_a_guideline_takes_the_answers_that_were_chosen(answers, expected):
    fields = {"answers": answers, "labels": "a,\nb", "min": "1", "max": "5", "examples": "a | A text | Why"}
    created = queues.guideline_of(fields)
    assert {key: created[key] for key in expected} == expected
    assert created["examples"] == [{"label": "a", "text": "A text", "explanation": "Why"}]
    assert queues.examples_text(created) == "a | A text | Why"


def test_a_bad_example_is_refused():
    with pytest.raises(BadForm, match="no example"):
        queues.sections_of({"examples": "only a label"})


def test_own_work_is_that_of_the_person_with_all_others():
    summary = {
        "annotators": [{"name": "projects/-/apiKeys/ann", "answerCount": "9", "acceptedCount": "2"}],
        "pairs": [
            {"first": "projects/-/apiKeys/ann", "second": "b", "taskCount": "3", "rawAgreement": 1.0},
            {"first": "c", "second": "projects/-/apiKeys/ann", "taskCount": "1", "rawAgreement": 0.0},
        ],
    }
    own = labels.own_work_of(summary, "ann")
    assert (own.answered, own.accepted, own.compared, own.agreement) == (9, 2, 4, 0.75)
    assert labels.own_work_of({}, "ann").agreement is None


def test_marks_are_read_as_words():
    marks = '[{"start": 0, "end": 3, "label": "PER", "text": "Zoë"}, {"x": 0.1, "label": "car"}]'
    assert labels.marked_words(marks) == "Zoë (PER), box (car)"
    assert labels.marked_words("a\nb") == "a, b"
    assert labels.marked_words("[{no json") == "[{no json"


def test_what_an_import_did_is_said():
    result = {"createdCount": "1200", "existingCount": "3", "leftOutCounts": {"UNKNOWN_RECORD": "2"}}
    assert queues.imported_words(result) == (
        "1,200 annotations are stored. 3 were stored before. Left out: 2 unknown record."
    )


def test_a_new_version_of_a_guideline_says_what_it_means_for_earlier_answers():
    sent = []

    class Recording:
        async def patch(self, name, body, **query):
            sent.append((name, body, query))
            return {"version": 2}

    fields = {"name": "projects/p/guidelines/g", "etag": "1", "instructions": "Mark.", "note": "Clearer."}
    form = Form("p", {**fields, "earlier": "EARLIER_ANSWERS_ASK_AGAIN"})
    done = asyncio.run(label_actions.change_guideline(form, Recording()))
    assert done.notice == "Version 2 of the guideline is in force."
    ((name, body, query),) = sent
    assert (name, body["etag"], body["instructions"]) == ("projects/p/guidelines/g", "1", "Mark.")
    assert body["change"] == {"earlierAnswers": "EARLIER_ANSWERS_ASK_AGAIN", "note": "Clearer."}
    assert query["updateMask"] == "instructions,purpose,ambiguity,examples,change"
