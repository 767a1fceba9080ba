"""The report shows the metrics of any kind of task."""

import json
import re
from dataclasses import replace
from html import unescape

from ratoon.tasks.classify import Classify
from ratoon.tasks.generate import Generate
from ratoon.tasks.regress import Regress
from ratoon_evaluation.domain.gate import Outcome, Rule, RuleKind, judge
from ratoon_evaluation.domain.kinds.classify import Confusion
from ratoon_evaluation.domain.scores import (
    DomainScores,
    HumanScores,
    Interval,
    JudgeScores,
    Measurements,
    Scores,
    SliceScore,
    SuiteScores,
    TestScores,
)
from ratoon_evaluation.worker import report
from ratoon_evaluation.worker.cards import Card
from ratoon_evaluation.worker.report import Content

CARD = Card("a" * 64, 1000, 2000)
CONFUSION = Confusion.of(("ham", "spam"), [("ham", "ham"), ("spam", "")])
LABELS = Classify(("ham", "spam"))


def interval(value: float) -> Interval:
    return Interval(value, value - 0.1, value + 0.1)


def scores(**metrics: float) -> Scores:
    return Scores(9, metrics={name: interval(value) for name, value in metrics.items()})


def page(domain: DomainScores, task=LABELS, primary="", **generation) -> str:
    measured = Measurements((domain,))
    outcome = Outcome(measured, judge([Rule(RuleKind.BETTER, domain.domain)], measured, task, primary))
    return unescape(
        re.sub(
            r"<[^>]+>",
            "|",
            report.as_html(Content("Run", {"candidate": CARD}, outcome, task, primary, generation)),
        )
    )


LABELLED = DomainScores(
    "new",
    "0" * 64,
    Scores(2, interval(0.5), interval(0.4), 0.3, 0.2, None, 7.0, CONFUSION.classes(), CONFUSION),
    baselines={"majority": Scores(2, interval(0.9), interval(0.8), 0.5, 0.5, None, None, (), CONFUSION)},
    difference=interval(0.3),
    best_baseline="majority",
)


def test_a_classifier_shows_its_scores_classes_and_confusion():
    text = page(LABELLED)
    for part in (
        "||macro-F1||accuracy||precision||recall||perplexity of the texts||no valid answer|",
        "|candidate||0.400 [0.300, 0.500]||0.500 [0.400, 0.600]||0.300||0.200||7.0||1|",
        "+0.300 [+0.200, +0.400]",
        "Label (rows) by answer (columns)",
        "always the commonest label reaches macro-F1 0.800; the model 0.400.",
    ):
        assert part in text, text


def test_free_text_shows_its_metrics_baselines_slices_and_what_was_not_measured():
    candidate = replace(
        scores(rouge_l=0.5, bleu=0.3, perplexity=12.5, answer_length=20.0),
        unanswered=3,
        unfit=2,
        unmeasured={"json_validity": "The answers are no JSON documents."},
        slices=(SliceScore("language=en", 5, metrics={"rouge_l": interval(0.6)}),),
    )
    domain = DomainScores(
        "new",
        "0" * 64,
        candidate,
        scores(rouge_l=0.4),
        {"zero_shot": scores(rouge_l=0.7)},
        best_baseline="zero_shot",
        differences={"rouge_l": interval(0.1), "perplexity": interval(-2.0)},
        baseline_differences={"rouge_l": interval(-0.2)},
    )
    text = page(domain, Generate(), top_p=0.9, seed=3)
    for part in (
        "||ROUGE-L||BLEU||perplexity (lower is better)||answer length||too long||no valid answer|",
        "|candidate||0.500 [0.400, 0.600]||0.300 [0.200, 0.400]||12.5 [12.4, 12.6]||20 [19.9, 20.1]||2||3|",
        "the base model reaches ROUGE-L 0.700; the model 0.500.",
        "|ROUGE-L||+0.100 [+0.000, +0.200]|",
        "|perplexity (lower is better)||-2 [-2.1, -1.9]|",
        "Candidate minus the base model, paired",
        "|JSON validity: The answers are no JSON documents.|",
        "|language=en||5||0.600 [0.500, 0.700]|",
        "|top p||0.9|",
        "|seed||3|",
    ):
        assert part in text, text
    assert "macro-F1" not in text
    assert "accuracy" not in text


def test_a_lower_error_than_that_of_the_baseline_gets_no_warning():
    better = DomainScores(
        "d", "0" * 64, scores(mae=0.3), baselines={"mean": scores(mae=0.9)}, best_baseline="mean"
    )
    assert "reaches MAE" not in page(better, Regress())
    worse = replace(better, candidate=scores(mae=1.3))
    assert "always the mean reaches MAE 0.9; the model 1.3." in page(worse, Regress())


def test_the_json_names_the_primary_metric_and_its_direction():
    domain = DomainScores("d", "0" * 64, scores(mae=0.3, rmse=0.4))
    outcome = Outcome(Measurements((domain,)), judge([], Measurements()))
    document = json.loads(report.as_json(Content("Run", {"candidate": CARD}, outcome, Regress(), "rmse")))
    assert (document["task"], document["metric"], document["direction"]) == ("regress", "rmse", "LOWER")
    assert document["measured"]["domains"][0]["candidate"]["metrics"]["mae"]["value"] == 0.3


def test_suites_stand_beside_the_domains():
    code = TestScores("code", metric="pass@1", unmeasured={"": "Programs cannot be run here: <refused>."})
    acc = TestScores("typos", "NOISE", "hard", "acc", 7, {"acc": interval(0.5)}, {"acc": interval(0.3)})
    measured = Measurements((), (SuiteScores("own", 2, (acc, code)),))
    content = Content("Run", {"candidate": CARD}, Outcome(measured, judge([], measured)), LABELS)
    text = unescape(re.sub(r"<[^>]+>", "|", report.as_html(content)))
    for part in (
        "Suite own",
        "|typos||noise, hard||7||acc||0.500 [0.400, 0.600]||0.300",
        "pass@1 has no value. Pro",
    ):
        assert part in text, part
    assert "<refused>" not in report.as_html(content)
    assert json.loads(report.as_json(content))["measured"]["suites"][0]["tests"][0]["records"] == 7
    assert (
        "suites"
        not in json.loads(
            report.as_json(replace(content, outcome=Outcome(Measurements(), judge([], Measurements()))))
        )["measured"]
    )


def test_judges_and_people_stand_beside_the_scores():
    judge_scores = JudgeScores(
        "helpful",
        counted=20,
        unparsable=2,
        failed=1,
        wins=11,
        losses=4,
        ties=5,
        inconsistent=3,
        first_position=2,
        second_position=1,
        longer_win_rate=interval(0.8),
        longer=12,
        shorter=1,
    )
    domain = DomainScores(
        "new",
        "0" * 64,
        scores(rouge_l=0.4, judge_win_rate=0.675),
        judges=(judge_scores,),
        human=HumanScores(9, 5, 2, 2, 0.61, 4, 3),
    )
    text = page(domain, Generate())
    for part in (
        "|judge win rate|",
        "|0.675 [0.575, 0.775]|",
        "|helpful||20||2||1||11 / 5 / 4||3||2 / 1||0.800 [0.700, 0.900] of 12||–|",
        "|5 / 2 / 2||4 / 3||0.610||–|",
    ):
        assert part in text, part


def test_a_report_without_judges_is_that_of_before():
    outcome = Outcome(Measurements((LABELLED,)), judge([], Measurements()))
    document = json.loads(report.as_json(Content("Run", {"candidate": CARD}, outcome, LABELS)))
    assert not {"judges", "human"} & document["measured"]["domains"][0].keys()
    assert "Judges" not in page(LABELLED)
    assert "People" not in page(LABELLED)
