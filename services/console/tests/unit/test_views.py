"""What pages show, worked out of what the API answers."""

import pytest

from ratoon.tasks.curation import DEFAULT_STEPS, STEPS, parsed_steps
from ratoon_console.domain import (
    curation,
    curves,
    datasets,
    differences,
    evaluations,
    labels,
    lineage,
    loop,
    rollouts,
    signals,
)

P = "projects/p"


def stage(id_, state, **more):
    return {"id": id_, "state": state, **more}


def test_a_pipeline_run_has_seven_steps_whatever_the_platform_reports():
    assert [step.state for step in loop.steps_of(None, "p")] == ["pending"] * 7
    run = {
        "stages": [
            stage("dataset", "SUCCEEDED", startTime="2026-01-01T00:00:00Z", endTime="2026-01-01T00:00:05Z",
                  resource=f"{P}/datasets/d/versions/v1", message="9 records"),
            stage("labels", "RUNNING", startTime="2026-01-01T00:00:05Z"),
        ],
        "progress": {"message": "3 of 9 labels"},
    }  # fmt: skip
    first, second, third = loop.steps_of(run, "p", "2026-01-01T00:00:12Z")[:3]
    assert (first.seconds, first.link, first.message) == (5.0, "/p/p/data/d/v1", "9 records")
    assert (second.seconds, second.message, second.tone) == (7.0, "3 of 9 labels", "busy")
    assert (third.seconds, third.state) == (None, "pending")


def test_a_stage_that_only_some_projects_have_stands_in_its_place():
    ids = (*loop.STAGES[:-1], "approval", "rollout")
    run = {"stages": [stage(id_, "RUNNING" if id_ == "approval" else "SUCCEEDED") for id_ in ids]}
    assert [step.title.lower() for step in loop.steps_of(run, "p")] == list(ids)
    assert loop.awaits_person(run)
    assert not loop.awaits_person({"stages": [stage("approval", "SUCCEEDED")]})
    assert not loop.awaits_person(None)


@pytest.mark.parametrize(
    ("name", "link"),
    [
        (f"{P}/datasets/d/versions/v1", "/p/p/data/d/v1"),
        (f"{P}/models/m/versions/v1.0", "/p/p/models/v1.0"),
        (f"{P}/trainingRuns/r", "/p/p/training/r"),
        (f"{P}/deployments/d/rollouts/r", "/p/p/rollouts/r"),
        (P, ""),
        ("", ""),
    ],
)
def test_resources_have_pages(name, link):
    assert loop.link_of(name, "p") == link


def test_the_pipeline_run_under_way_comes_before_a_newer_one_that_ended():
    running, done = {"state": "STATE_RUNNING"}, {"state": "STATE_REFUSED"}
    assert loop.current_run([running, done]) is running
    assert loop.current_run([done]) is done
    assert loop.current_run([]) is None


def test_serving_is_shown_with_its_engines_and_the_rollout_under_way():
    deployment = {"version": f"{P}/models/m/versions/v1.0"}
    engine = {"state": "STATE_READY", "attested": True}
    assert loop.serving(None, [], None, "p").value == "none yet"
    assert loop.serving(deployment, [engine], None, "p").tone == "good"
    assert loop.serving(deployment, [], None, "p").tone == "bad"
    rollout = {"toVersion": f"{P}/models/m/versions/v1.1"}
    assert "a rollout to v1.1 is in progress" in loop.serving(deployment, [engine], rollout, "p").message


def test_drift_is_shown_by_its_worst_measure():
    report = {"drifted": True, "measures": [
        {"feature": "length", "divergence": 0.02, "nullBand": 0.02},
        {"feature": "tokens", "divergence": 0.17, "nullBand": 0.01},
    ]}  # fmt: skip
    card = loop.drift(report, "p")
    assert (card.value, card.message) == ("drifted", "tokens: 0.170 nats, 17.0 × noise band")
    assert loop.drift({"measures": []}, "p").value == "not measured"


def test_drift_is_charted_from_the_training_data_and_since_the_promotion():
    common = {"feature": "tokens", "divergence": 0.2, "nullBand": 0.1}
    measures = [
        {**common, "reference": "REFERENCE_TRAINING"},
        {**common, "reference": "REFERENCE_TRAINING", "slice": "de"},
        {**common, "divergence": 0.05, "reference": "REFERENCE_PROMOTION"},
    ]
    assert [loop.measured(each) for each in measures] == ["tokens", "tokens (de)", "tokens since promotion"]
    report = {"createTime": "2026-06-01T12:00:00Z", "measures": measures}
    chart = signals.drift_chart([report], 1.5)
    assert "tokens since promotion" in str(chart)
    assert "(de)" not in str(chart)


def test_the_funnel_goes_from_all_items_to_the_records_that_are_left():
    profile = {"items": 10, "records": 6, "removed": [
        {"step": "exact_duplicate", "reason": "EXACT_DUPLICATE", "count": 3},
        {"step": "near_duplicate", "reason": "NEAR_DUPLICATE", "count": 1},
    ]}  # fmt: skip
    steps = datasets.funnel(profile)
    assert [step.left for step in steps] == [10, 10, 10, 10, 10, 7, 6]
    assert steps[5].removals == (datasets.Removal("exact duplicate", 3),)


def test_each_step_of_the_funnel_has_its_report_and_ten_records_to_look_at():
    profile = {"items": 40, "records": 10, "removed": [
        {"step": "word_list", "reason": "BLOCKED_WORD", "count": 2},
        {"step": "near_duplicate", "reason": "NEAR_DUPLICATE", "count": 28},
    ]}  # fmt: skip
    report = {"name": "word_list", "changedCount": "1", "seconds": 0.5, "removedExamples": ["a"]}
    rejections = [{"step": "word_list", "recordId": "a", "textStart": "one"}]
    rejections += [{"step": "near_duplicate", "recordId": str(n), "textStart": "two"} for n in range(28)]
    steps = datasets.funnel(profile, ["word_list"])
    rows = {row.step.name: row for row in curation.funnel_rows(steps, {"stepReports": [report]}, rejections)}
    assert (rows["word_list"].report.seconds, [each.text for each in rows["word_list"].removed]) == (
        0.5,
        ["one"],
    )
    assert rows["near_duplicate"].report is None
    assert [each.record_id for each in rows["near_duplicate"].removed] == [str(n) for n in range(10)]
    assert not rows["read"].removed


def test_the_funnel_follows_the_steps_that_a_version_ran():
    profile = {"items": 10, "records": 4, "removed": [
        {"step": "word_list", "reason": "BLOCKED_WORD", "count": 2},
        {"step": "decontamination", "reason": "CONTAMINATED", "count": 1},
        {"step": "near_duplicate", "reason": "NEAR_DUPLICATE", "count": 3},
    ]}  # fmt: skip
    names = ["word_list", "decontamination", "personal_data", "language", "length", "garbage"]
    steps = datasets.funnel(profile, names)
    assert [(step.title, step.left) for step in steps[2:5]] == [
        ("Word list", 8),
        ("Decontamination", 7),
        ("Personal data", 7),
    ]
    assert steps[3].removals == (datasets.Removal("text of a test part or benchmark", 1),)
    assert steps[-1].left == 4


def test_reports_of_steps_name_the_records_to_look_at():
    version = {
        "stepReports": [
            {"name": "c4", "recordCount": "5", "removedCounts": {"CODE": "1"}, "removedExamples": ["r1", "r2"],
             "changedExamples": ["r3"], "changedCount": "1", "counts": {"card": "2"}, "seconds": 0.5},
            {"name": "length"},
        ]
    }  # fmt: skip
    rejections = [
        {"recordId": "r1", "sourcePath": "a.txt", "detail": "d", "textStart": "void main()"},
        {"recordId": ""},
    ]
    first, second = curation.reports(version, rejections)
    assert (first.received, first.changed, first.removed_counts, first.counts) == (
        5,
        1,
        {"CODE": 1},
        {"card": 2},
    )
    assert first.removed == [
        curation.Removed("r1", "a.txt", "d", "void main()"),
        curation.Removed("r2", "", "", ""),
    ]
    assert (second.received, second.seconds, second.removed) == (0, 0.0, [])


def test_a_preview_takes_the_steps_of_a_project_without_settings_of_the_whole_curation():
    steps = [
        {"name": "preset", "params": {"name": "zh"}},
        {"name": "language", "params": {"keep": "zh"}},
        {"name": "personal_data", "params": {"mask": "email", "iban": "hash"}},
        {"name": "near_duplicates", "params": {"threshold": "0"}},
        {"name": "c4", "params": {"min_sentences": "1", "end_punctuation": "false"}},
    ]
    taken = curation.previewed({"curation": steps})
    assert taken[0] == "preset:name=zh"
    assert taken[1:] == ["language", "personal_data:iban=hash", "c4:min_sentences=1;end_punctuation=false"]
    parsed_steps(taken[1:])


def test_every_step_of_a_project_can_be_added_and_shows_its_parameters():
    shown = {choice.name: choice.parameters for choice in curation.choices()}
    assert shown["word_list"] == "block (required), min_matches (1)"
    assert shown["normalize"] == "form (NFKC), width (true), whitespace (true)"
    assert shown["personal_data"].startswith("mask, url, email")
    assert set(STEPS) | set(DEFAULT_STEPS) < set(shown)


def test_bars_sum_up_what_is_beyond_the_maximum():
    bars = datasets.bars({"a": 5, "b": 3, "c": 1, "": 1}, max_bars=2)
    assert [(bar.name, bar.count) for bar in bars] == [("a", 5), ("b", 3), ("2 others", 2)]
    assert sum(bar.share for bar in bars) == pytest.approx(1)


def test_the_queue_is_counted_by_reason():
    counts = {"review-sample": "1", "conflict": "3"}
    queue = labels.queue_of({"openCounts": counts, "doneCount": "2", "skippedCount": "1"})
    assert (queue.open, queue.answered, queue.skipped, queue.total) == (4, 2, 1, 7)
    assert queue.reasons == (("conflict", 3), ("review-sample", 1))
    assert labels.queue_of({}).total == 0


def reviews(**counts: int) -> dict[str, object]:
    """A summary whose answers are named `before_after`."""
    pairs = [(*name.split("_"), count) for name, count in counts.items()]
    return {"reviews": [{"proposedLabel": b, "label": a, "count": str(n)} for b, a, n in pairs]}


def test_agreement_is_counted_with_and_without_chance():
    review = labels.review_of(reviews(a_a=20, a_b=5, b_a=10, b_b=15))
    assert review.table == ((20, 5), (10, 15))
    assert review.agreement == pytest.approx(0.7)
    assert review.kappa == pytest.approx(0.4)  # the textbook example
    assert labels.review_of(reviews(a_a=1)).kappa is None
    assert labels.review_of({}) is None


def test_answers_that_people_left_are_counted():
    assert labels.changes_of({"unchangedCount": "3", "changedCount": "1"}) == labels.Changes(3, 1)
    assert labels.Changes(3, 1).share == pytest.approx(0.75)
    assert labels.changes_of({}) is None


@pytest.mark.parametrize(
    ("task", "entry"),
    [
        ({}, labels.Entry("classify", ("a", "b"))),
        (
            {"proposedLabel": "y", "task": {"classify": {"labels": ["x", "y"]}}},
            labels.Entry("classify", ("x", "y"), False, ("y",)),
        ),
        (
            {"proposedLabel": "x\nz", "task": {"classify": {"labels": ["x", "y", "z"], "multiLabel": True}}},
            labels.Entry("classify", ("x", "y", "z"), True, ("x", "z")),
        ),
        ({"task": {"generate": {"form": "FORM_JSON"}}}, labels.Entry("generate", hint="a JSON document")),
        ({"task": {"regress": {}}}, labels.Entry("regress", hint="a number")),
        ({"task": {"regress": {"min": 0, "max": 5}}}, labels.Entry("regress", hint="a number from 0 to 5")),
        (
            {"task": {"regress": {"min": 0.5, "unit": "kg"}}},
            labels.Entry("regress", hint="a number of 0.5 or more (kg)"),
        ),
    ],
)
def test_what_an_annotator_enters_follows_from_the_task(task, entry):
    assert labels.entry_of(task, ["a", "b"]) == entry


def test_two_answers_are_shown_in_an_order_that_is_random_and_stays():
    def shown(number: int, person: str) -> labels.Entry:
        task = {"name": f"projects/p/tasks/{number}", "work": "WORK_COMPARE", "candidates": ["a", "b"]}
        return labels.entry_of(task, [], person)

    first = [shown(number, "ann").candidates[0] for number in range(200)]
    assert {*first} == {("a", "PREFERENCE_FIRST"), ("b", "PREFERENCE_SECOND")}
    assert 70 < sum(text == "a" for text, _ in first) < 130
    assert first != [shown(number, "bob").candidates[0] for number in range(200)]
    assert shown(7, "ann") == shown(7, "ann")


def test_a_guideline_is_headed_by_what_annotators_enter():
    assert labels.answer_words({"labels": ["a", "b"]}) == "a, b"
    assert labels.answer_words({"task": {"generate": {}}}) == "Text"
    assert labels.answer_words({"task": {"regress": {"max": 1}}}) == "Number of 1 or less"


def test_curves_come_from_the_blob_or_grow_from_the_points_of_a_run():
    blob = {"curves": {
        "steps": {"columns": ["step", "loss"], "rows": [[1, 2.0], [2, 1.0]]},
        "epochs": {"columns": ["epoch", "step", "loss"], "rows": [[0, 2, 0.5]]},
    }}  # fmt: skip
    finished = curves.of_blob(blob)
    assert finished["loss"] == [(1, 2), (2, 1)]
    assert finished["validation_loss"] == [(2, 0.5)]
    grown = curves.extended({}, {"done": "3", "metrics": {"loss": 0.9, "validation_loss": 0.5}})
    again = curves.extended(grown, {"done": "3", "metrics": {"loss": 0.9, "validation_loss": 0.5}})
    points = [{"step": "1", "metrics": {"loss": 1.5}}, {"step": "3", "metrics": {"loss": 0.9}}]
    whole = curves.of_run({"curve": points, "progress": {"done": "4", "metrics": {"loss": 0.8}}})
    assert whole == {"loss": [(1.0, 1.5), (3.0, 0.9), (4.0, 0.8)]}
    later = curves.extended(again, {"done": "4", "metrics": {"loss": 0.8, "validation_loss": 0.5}})
    assert later == {"loss": [(3, 0.9), (4, 0.8)], "validation_loss": [(3, 0.5)]}
    assert [chart.title for chart in curves.charts(finished)] == ["Training loss", "Validation loss"]
    assert [each.name for each in curves.compared([("r1", finished), ("r2", finished)])[0].series] == [
        "r1",
        "r2",
    ]


def test_only_differences_are_shown():
    rows = differences.differing([{"a": 1, "b": {"c": 2}}, {"a": 1, "b": {"c": 3}, "d": [1, 2]}])
    assert rows == [("b.c", ["2", "3"]), ("d", ["–", "1, 2"])]


def case(record, label="ham", predicted="spam"):
    return {"recordId": record, "domain": "new", "label": label, "predicted": predicted, "text": record}


def test_wrong_answers_are_compared_on_the_same_test_part_whatever_each_run_calls_it():
    first = {"domains": [{"name": "new", "split": "s1"}], "results": [{"domain": "new", "n": 1}]}
    second = {
        "domains": [{"name": "old", "split": "s1"}, {"name": "new", "split": "s2"}],
        "results": [{"domain": "old", "n": 2}, {"domain": "new", "n": 3}],
    }
    grounds = evaluations.beside([first, second])
    assert [(ground.split, ground.names) for ground in grounds] == [
        ("s1", ("new", "old")),
        ("s2", ("", "new")),
    ]
    assert [result and result["n"] for ground in grounds for result in ground.results] == [1, 2, None, 3]
    of_first = [case("a"), case("b")]
    of_second = [case("b") | {"domain": "old"}, case("c", predicted="") | {"domain": "old"}, case("d")]
    mistakes = evaluations.mistakes([first, second], [of_first, of_second])
    assert [(each.record_id, each.answers) for each in mistakes] == [
        ("a", ("spam", "")),
        ("c", ("", "no valid label")),
        ("b", ("spam", "spam")),
        ("d", ("not evaluated", "spam")),
    ]
    assert [each.differs for each in mistakes] == [True, True, False, False]


def test_wrong_answers_are_counted_by_what_was_taken_for_what():
    assert evaluations.confusions([case("a"), case("b"), case("c", "spam", "")]) == [
        ("ham", "spam", 2), ("spam", "no valid label", 1),
    ]  # fmt: skip


def test_intervals_share_one_scale():
    def scores(value):
        return {"macroF1": {"value": value, "lower": value - 0.05, "upper": value + 0.05}}

    intervals = evaluations.intervals({"candidate": scores(0.9), "majority": scores(0.5)})
    assert {each.low for each in intervals} == {0.4}
    assert intervals[0].place(0.7) == 50.0
    assert intervals[1].place(0.1) == 0.0


def test_a_better_baseline_is_shown_and_so_is_what_was_not_tested():
    def scores(value, **more):
        return {"macroF1": {"value": value, "lower": value - 0.05, "upper": value + 0.05}, **more}

    result = {
        "candidate": scores(0.58, classesWithoutRecords=["other"]),
        "tfidf": scores(0.67),
        "baselines": [
            {"name": name, "scores": scores(value)}
            for name, value in (("majority", 0.33), ("tfidf", 0.67), ("tfidf_chars", 0.86))
        ],
        "bestBaseline": "tfidf_chars",
    }
    assert evaluations.better_baseline(result) == (
        "TF-IDF on characters reaches macro-F1 0.860; the candidate reaches 0.580."
    )
    assert evaluations.better_baseline({**result, "candidate": scores(0.9)}) == ""
    assert evaluations.untested(result) == "Not tested, because the test part has no records: other."
    assert [each.name for each in evaluations.intervals(result)] == [
        "candidate",
        "TF-IDF on words",
        "TF-IDF on characters",
    ]
    assert evaluations.scores_of(result, "TF-IDF on characters")["macroF1"]["value"] == 0.86
    assert evaluations.better_baseline({"candidate": scores(0.5)}) == "", "a result of an earlier release"


def version(id_, training, parent=""):
    return {"name": f"{P}/models/m/versions/{id_}", "lineage": {
        "datasetVersion": f"{P}/datasets/d/versions/v1", "split": f"{P}/datasets/d/splits/s",
        "trainingRun": f"{P}/trainingRuns/{training}", "parentVersion": parent and f"{P}/models/m/versions/{parent}",
    }}  # fmt: skip


def test_what_versions_share_stands_once_and_a_continuation_is_drawn_back():
    drawn = lineage.picture(
        [version("v1.0", "r1"), version("v1.1", "r2", "v1.0")], "p", f"{P}/models/m/versions/v1.1"
    )
    assert [box.text for box in drawn.boxes] == ["v1", "s", "r1", "v1.0", "r2", "v1.1"]
    assert len(drawn.lines) == 5
    assert len(drawn.continued) == 1
    assert [box.kind for box in drawn.boxes if box.tone == "good"] == ["in production"]
    assert drawn.words[1].startswith("v1.1: continues v1.0; dataset version v1")
    assert all(
        box.x + drawn.box_width <= drawn.width and box.y + drawn.box_height <= drawn.height
        for box in drawn.boxes
    )


def offered(state, deployment=None, **more):
    rollout = {"state": f"STATE_{state}", "toVersion": "v2", "fromVersion": "v1", **more}
    return [(button.label, bool(button.why_not)) for button in rollouts.buttons(rollout, deployment)]


def test_only_buttons_that_make_sense_in_a_state_are_offered():
    assert offered("BAKING") == [("Pause", False), ("Abort", False)]
    assert offered("BAKING", paused=True) == [("Resume", False), ("Abort", False)]
    assert offered("ROLLING_BACK") == [("Pause", True), ("Abort", True)]
    assert offered("FAILED") == []
    assert offered("SUCCEEDED", {"version": "v2"}) == [("Undo", False)]
    assert offered("SUCCEEDED", {"version": "v3"}) == [("Undo", True)]
    assert offered("SUCCEEDED", {"version": "v2"}, fromVersion="") == [("Undo", True)]


def vote(minute, verdict, of="v1"):
    return signals.Vote(minute * 60.0, of, verdict)


@pytest.mark.parametrize(
    ("fields", "verdict"),
    [
        ({"thumb": 1}, 1),
        ({"thumb": -1}, -1),
        ({"thumb": 1, "correction": "ham"}, -1),
        ({"rating": 5}, 1),
        ({"rating": 1}, -1),
        ({"rating": 3}, 0),
        ({}, 0),
    ],
)
def test_a_correction_blames_then_the_thumb_counts_then_the_rating(fields, verdict):
    assert signals.vote_of({"createTime": "2026-01-01T00:00:00Z", **fields}).verdict == verdict


def test_votes_are_shares_over_time_a_line_for_each_version():
    votes = [vote(0, 1), vote(0, -1), vote(10, -1), vote(20, 1, "v2"), vote(20, 0, "v2")]
    chart = signals.votes_chart(votes)
    assert [each.name for each in chart.series] == ["v1", "v2"]
    assert chart.series[0].last == "100.0%"
    assert [(s.version, s.good, s.bad) for s in signals.feedback_by_version(votes)] == [
        ("v2", 1, 0),
        ("v1", 1, 2),
    ]
    assert signals.feedback_by_version(votes)[1].bad_share == pytest.approx(2 / 3)


def test_a_pause_in_the_traffic_shows_as_none():
    flows = [signals.Flow(0, 0, 10, 0), signals.Flow(3000, 3000, 20, 1)]
    chart = signals.traffic_chart(flows)
    assert "0.000" in [cell for row in chart.rows for cell in row]
    assert signals.total(flows) == "30 answers captured, 1 lost."
    assert signals.total([signals.Flow(0, 0, 10, 0, 2)]).endswith(
        "none lost. 2 rows could not be read and were set aside."
    )


def test_bins_are_about_forty():
    for span in (1, 100, 5000, 86400, 10**7):
        assert span / signals.bin_width([0, span]) <= 40


def test_feedback_is_the_share_of_unhappy_callers_beside_the_number_of_wrong_answers():
    report = {"feedbackCount": "50", "negativeCount": "48", "errorRate": 0.25}
    shown = loop.feedback(report, "mail")
    assert (shown.value, shown.message) == (
        "25.0% unhappy callers",
        "48 of 50 answers with feedback were wrong",
    )


def test_a_rollout_shows_how_both_versions_answered_the_same_requests():
    comparison = {
        "requestCount": "8",
        "agreement": 0.75,
        "similarity": 0.5,
        "metric": {"name": "rouge_l"},
        "newVersion": {"latencyP50Seconds": 0.25, "meanTokens": 7.5, "shadowCount": "8", "errorCount": "2"},
        "message": "No right answer is known yet.",
    }
    waiting = {"shadow": {"minPairs": 50, "maxWaitSeconds": 600}, "shadowComparison": comparison}
    assert [(row.name, row.new, row.old) for row in rollouts.compared(waiting)] == [
        ("Median latency", "0.250 s", "0.000 s"),
        ("Mean length in tokens", "7.5", "0.0"),
        ("Failed in the shadow", "2 of 8", "–"),
    ]
    assert rollouts.shadow_sentences(waiting) == [
        "No right answer is known yet.",
        "ROUGE-L between both answers: 0.500.",
        "Callers get the new version after 50 pairs without a loss; longest wait: 10 min.",
    ]
    comparison["byMetric"] = {"newValue": 0.4, "gain": 0.4, "pairCount": "1"}
    assert rollouts.compared(waiting)[0] == rollouts.Compared("ROUGE-L", "0.400", "0.000")
    assert "Gain of the new version: 0.400." in rollouts.shadow_sentences(waiting)
    comparison["byMetric"] |= {"gainLow": 0.1, "gainHigh": 0.7}
    assert "Gain of the new version: 0.400 (0.100 to 0.700)." in rollouts.shadow_sentences(waiting)
    assert (rollouts.compared({}), rollouts.shadow_sentences({})) == ([], [])
