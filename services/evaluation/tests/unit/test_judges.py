"""Judges: what is refused, when a gate may trust one, and what they are compared with."""

import json
from contextlib import nullcontext
from dataclasses import replace
from datetime import UTC, datetime
from types import SimpleNamespace

import pytest
from pydantic import TypeAdapter

from ratoon.operations.job_machine import Failure, JobObservation, Phase
from ratoon.tasks.classify import Classify
from ratoon.tasks.generate import Generate
from ratoon.tasks.judges import JudgeKind, Requirements
from ratoon.tasks.kind import Record, Role, Turn
from ratoon_evaluation.application.handlers import _complete
from ratoon_evaluation.application.judges import agreement_job, with_judges
from ratoon_evaluation.domain.errors import (
    BadEvaluation,
    BadJudge,
    JudgeEndpointNotAllowed,
    JudgeInUse,
    JudgeNotTrusted,
)
from ratoon_evaluation.domain.gate import Rule, RuleKind
from ratoon_evaluation.domain.human import HumanRatings, HumanTask, verdicts_of
from ratoon_evaluation.domain.judges import (
    MAX_CASES,
    Agreement,
    AppliedJudge,
    Judge,
    JudgeSpec,
    State,
    applied,
    check_deletable,
    checked,
    step,
)
from ratoon_evaluation.domain.judging import Choice
from ratoon_evaluation.domain.runs import Domain, EvaluationRun, Question

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)
REMOTE = JudgeSpec(JudgeKind.PAIRWISE, "https://judge.example/v1", "m")
RUBRIC = replace(REMOTE, kind=JudgeKind.RUBRIC)
TRUSTED = Agreement(pairs=50, raw=0.8, kappa=0.4)
JUDGE = Judge("projects/p/judges/j", NOW, NOW, REMOTE, State.SUCCEEDED, agreement=TRUSTED)
QUESTION = Question("a" * 64, "b" * 64, (Domain("new", "projects/p/datasets/d/splits/s"),), (), ())


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"base_url": ""}, "base_url"),
        ({"model_digest": "a" * 64}, "base_url"),
        ({"base_url": "", "model": "", "model_digest": "a"}, "model_digest"),
        ({"model": ""}, "model"),
        ({"base_url": "", "model_digest": "a" * 64}, "model"),
        ({"criteria": "  "}, "criteria"),
        ({"criteria": "x" * 4001}, "criteria"),
        ({"max_tokens": 8193}, "max_tokens"),
        ({"max_records": 0}, "max_record_count"),
        ({"max_records": 10_001}, "max_record_count"),
        ({"base_url": "judge.example/v1"}, "base_url"),
        ({"base_url": "ftp://judge.example/v1"}, "base_url"),
        ({"base_url": "https://user:key@judge.example/v1"}, "base_url"),
        ({"base_url": "https://judge.example/v1?key=1"}, "base_url"),
        ({"base_url": "https://judge.example/v1#x"}, "base_url"),
        ({"base_url": "https://judge.example:0/v1"}, "base_url"),
        ({"base_url": "https://judge.example:70000/v1"}, "base_url"),
        ({"base_url": "https://judge.example/v1\r\nHost: x"}, "base_url"),
        ({"base_url": "https://[::1/v1"}, "base_url"),
    ],
)
def test_a_judge_that_contradicts_itself_is_refused_with_its_field(change, field):
    with pytest.raises(BadJudge) as refused:
        checked(replace(REMOTE, **change), ())
    assert refused.value.field == field


@pytest.mark.parametrize(
    "url",
    [
        "https://judge.example/v1",
        "https://judge.example/v1/",
        "https://judge.example/v2",
        "https://judge.example:8443/v1",
        "https://JUDGE.example/v1",
        "http://judge.example/v1",
        "https://8.8.8.8/v1",
        "https://169.254.169.254/latest",
        "https://[::1]/v1",
        "https://serving/v1",
    ],
)
def test_only_endpoints_that_the_operator_lists_see_texts_of_test_parts(url):
    spec = replace(REMOTE, base_url=url)
    for listed in ((), ("https://judge.example", "https://other.example/v1"), (f"{url}/chat",)):
        with pytest.raises(JudgeEndpointNotAllowed, match="RATOON_EVALUATION_JUDGE_ENDPOINTS") as refused:
            checked(spec, listed)
    assert f"add {url!r}" in str(refused.value)
    assert checked(spec, (url,)) == spec


def test_own_models_need_no_endpoint():
    own = JudgeSpec(JudgeKind.RUBRIC, model_digest="a" * 64)
    assert checked(own, ()) == own


def test_everything_that_verdicts_depend_on_changes_the_identity():
    changes = [
        {},
        {"kind": JudgeKind.RUBRIC},
        {"base_url": "https://x.example/v1"},
        {"model": "n"},
        {"criteria": "c"},
        {"max_tokens": 1},
        {"base_url": "", "model": "", "model_digest": "a" * 64},
    ]
    identities = {replace(REMOTE, **each).identity for each in changes}
    assert len(identities) == len(changes)
    assert REMOTE.identity == replace(REMOTE, max_records=7).identity


def gated(agreement=TRUSTED, metric="judge_win_rate", spec=REMOTE, **more):
    question = replace(
        QUESTION,
        judges=(AppliedJudge("projects/p/judges/j", spec, agreement),),
        rules=(Rule(RuleKind.MIN_VALUE, "new", 0.5, metric),),
        **more,
    )
    return _complete(question, Generate())


@pytest.mark.parametrize(
    ("agreement", "sentence"),
    [
        (Agreement(), "on 0 pairs or answers, and 50 are needed"),
        (replace(TRUSTED, pairs=49), "on 49 pairs or answers, and 50 are needed"),
        (replace(TRUSTED, kappa=0.399), r"kappa of 0.40 on 50 pairs or answers, and 0.4 is needed"),
        (replace(TRUSTED, kappa=None), "all verdicts are the same"),
    ],
)
def test_a_gate_does_not_name_a_judge_that_people_do_not_bear_out(agreement, sentence):
    with pytest.raises(JudgeNotTrusted, match=sentence):
        gated(agreement)
    with pytest.raises(JudgeNotTrusted, match="names judge_consistency"):
        gated(agreement, "judge_consistency")
    assert gated(agreement, "rouge_l").judges


def test_a_project_sets_what_it_requires_of_judges():
    few = replace(TRUSTED, pairs=10, kappa=0.2)
    assert gated(few, judge_requirements=Requirements(10, 0.2)).rules
    with pytest.raises(JudgeNotTrusted):
        gated(judge_requirements=Requirements(51, 0.2))
    with pytest.raises(JudgeNotTrusted):
        gated(judge_requirements=Requirements(50, 0.41))
    for wrong in (Requirements(-1), Requirements(1, 1.1), Requirements(1, float("nan"))):
        with pytest.raises(BadEvaluation):
            gated(judge_requirements=wrong)


def test_rules_name_metrics_of_the_judges_that_a_run_has():
    assert gated(spec=RUBRIC, metric="rubric_score").rules
    better = (Rule(RuleKind.BETTER, "new", 0.0, "rubric_score"),)
    judges = (AppliedJudge("projects/p/judges/j", RUBRIC, TRUSTED),)
    assert _complete(replace(QUESTION, judges=judges, rules=better), Generate()).rules
    with pytest.raises(BadEvaluation, match="judge_win_rate, which needs a judge of the kind PAIRWISE"):
        gated(spec=RUBRIC)
    with pytest.raises(BadEvaluation, match="cannot compare 'judge_win_rate'"):
        _complete(
            replace(
                QUESTION,
                judges=(AppliedJudge("projects/p/judges/j", REMOTE, TRUSTED),),
                rules=(Rule(RuleKind.BETTER, "new", 0.0, "judge_win_rate"),),
            ),
            Generate(),
        )


def test_rules_name_human_ratings_that_a_run_takes_in():
    rules = (Rule(RuleKind.MIN_VALUE, "new", 0.5, "human_win_rate"),)
    both = replace(QUESTION, rules=rules, human=HumanRatings("v2", "v1"))
    assert _complete(both, Generate()).human == HumanRatings("v2", "v1")
    defaults = _complete(replace(both, human=HumanRatings()), Generate())
    assert defaults.human == HumanRatings("a" * 64, "b" * 64)
    alone = replace(both, reference="")
    for question in (replace(both, human=None), replace(alone, human=HumanRatings("v2"))):
        with pytest.raises(BadEvaluation, match="human_ratings and a reference"):
            _complete(question, Generate())
    for human in (HumanRatings("v1", "v1"), HumanRatings("v" * 501)):
        with pytest.raises(BadEvaluation):
            _complete(replace(QUESTION, human=human), Generate())


@pytest.mark.parametrize("change", [{"human": HumanRatings("v2")}, {"judges": (applied(JUDGE),)}])
def test_labels_have_no_judges(change):
    with pytest.raises(BadEvaluation, match="kind `generate`"):
        _complete(replace(QUESTION, **change), Classify(("ham", "spam")))


def taken(*judges, question=QUESTION, parent="projects/p", listed=(REMOTE.base_url,)):
    known = {judge.name: judge for judge in judges}
    tx = SimpleNamespace(get=lambda _, name: known[name])
    return with_judges(tx, parent, list(known), question, listed).judges


def test_a_run_keeps_a_judge_of_each_kind_as_it_is():
    other = replace(JUDGE, name="projects/p/judges/k", spec=RUBRIC)
    assert taken(JUDGE, other) == (applied(JUDGE), applied(other))
    with pytest.raises(BadEvaluation, match="one judge of each kind"):
        taken(JUDGE, replace(other, spec=REMOTE))
    with pytest.raises(BadEvaluation, match="set reference_digest"):
        taken(JUDGE, question=replace(QUESTION, reference=""))
    assert taken(other, question=replace(QUESTION, reference=""))
    with pytest.raises(BadEvaluation, match="another project"):
        taken(JUDGE, parent="projects/q")
    with pytest.raises(JudgeEndpointNotAllowed):
        taken(JUDGE, listed=("https://other.example/v1",))
    with pytest.raises(BadEvaluation, match="is FAILED"):
        taken(replace(JUDGE, state=State.FAILED, agreement=None))


def test_a_judge_is_done_with_its_agreement_and_says_nothing_to_others():
    queued = Judge("projects/p/judges/j", NOW, NOW, REMOTE)
    running = step(queued, JobObservation(Phase.ABSENT), NOW).resource
    done = step(running, JobObservation(Phase.SUCCEEDED, result=TRUSTED), NOW)
    assert (done.resource.state, done.resource.agreement, done.events) == (State.SUCCEEDED, TRUSTED, ())
    failed = step(running, JobObservation(Phase.FAILED, failure=Failure("JUDGE_UNAVAILABLE", "No.")), NOW)
    assert (failed.resource.state, failed.resource.failure_reason) == (State.FAILED, "JUDGE_UNAVAILABLE")
    assert failed.events == ()
    check_deletable(done.resource)
    with pytest.raises(JudgeInUse):
        check_deletable(running)


TASKS = (
    HumanTask("r1", "v", ("x", "y"), ("new", "old"), (Choice.FIRST, Choice.TIE)),
    HumanTask("r2", "v", ("y", "x"), ("old", "new"), (Choice.FIRST,)),
    HumanTask("r3", "v", ("x", "y"), ("new", "other"), (Choice.FIRST,)),
    HumanTask("r4", "v", ("x", "y"), (), (Choice.FIRST,)),
    HumanTask("r5", "v", ("x",), ("new",), (), ({"fluency": 5, "relevance": 3}, {"fluency": 4})),
    HumanTask("r6", "v", ("y",), ("old",), (), ({"fluency": 2},)),
    HumanTask("r7", "v", ("y",), ("other",), (), ({"fluency": 1},)),
)


def test_human_verdicts_of_the_two_origins_are_taken_in_either_order():
    taken_in = verdicts_of(TASKS, HumanRatings("new", "old"))
    assert taken_in.comparisons == (("r1", ("CANDIDATE", "TIE")), ("r2", ("REFERENCE",)))
    assert taken_in.ratings == (
        ("r5", "candidate", {"fluency": (5, 4), "relevance": (3,)}),
        ("r6", "reference", {"fluency": (2,)}),
    )
    assert verdicts_of(TASKS, HumanRatings("new")).comparisons == ()


class Cases:
    def __init__(self):
        self.written = []

    def write(self, judge, cases):
        self.written = list(cases)
        return "c" * 64


def job_of(judge, tasks, erased=()):
    people = SimpleNamespace(
        tasks=lambda project, kind: iter(tasks),
        record=lambda version, record: None if record in erased else Record((Turn(Role.USER, record),)),
    )
    empty = SimpleNamespace(read=lambda: nullcontext(SimpleNamespace(all=lambda *_: [])))
    cases = Cases()
    return agreement_job(empty, people, cases, judge), cases.written


def test_a_judge_is_compared_with_what_people_did_of_its_kind():
    job, cases = job_of(JUDGE, TASKS, erased=("r2",))
    assert (job.missing, job.cases) == (1, "c" * 64)
    assert [(each.record.turns[0].content, each.human) for each in cases] == [
        ("r1", "FIRST"),
        ("r3", "FIRST"),
        ("r4", "FIRST"),
    ]
    _, cases = job_of(replace(JUDGE, spec=RUBRIC), TASKS)
    assert [(each.answers, each.human) for each in cases] == [
        (("x",), "4.0"),
        (("y",), "2.0"),
        (("y",), "1.0"),
    ]


def test_the_number_of_cases_is_bounded():
    _, cases = job_of(JUDGE, [TASKS[0]] * (MAX_CASES + 7))
    assert len(cases) == MAX_CASES


def test_a_stored_judge_and_a_run_of_an_older_release_are_read():
    adapter = TypeAdapter(Judge)
    assert adapter.validate_json(adapter.dump_json(JUDGE)) == JUDGE
    runs = TypeAdapter(EvaluationRun)
    body = json.loads(runs.dump_json(EvaluationRun("projects/p/evaluationRuns/r", NOW, NOW, QUESTION)))
    for added in ("judges", "judge_requirements", "human"):
        del body["question"][added]
    assert runs.validate_python(body).question == QUESTION
