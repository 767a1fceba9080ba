"""Questions of every kind of task: their defaults, and what is refused with its field."""

import json
from dataclasses import replace
from typing import Any

import pytest
from pydantic import TypeAdapter

from ratoon.tasks.classify import Classify
from ratoon.tasks.generate import Generate, Sampling
from ratoon.tasks.kinds import TaskSpec
from ratoon.tasks.regress import Regress
from ratoon_evaluation.application.handlers import _complete
from ratoon_evaluation.domain.errors import BadEvaluation
from ratoon_evaluation.domain.gate import Rule, RuleKind
from ratoon_evaluation.domain.generation import Engine, Generation
from ratoon_evaluation.domain.runs import Domain, Question

QUESTION = Question("a" * 64, "", (Domain("new", "projects/p/datasets/d/splits/s"),), (), ())
LABELS = Classify(("ham", "spam"))


def complete(task: TaskSpec, **fields: Any) -> Question:
    return _complete(replace(QUESTION, **fields), task)


def test_a_question_gets_its_task_and_labels():
    assert complete(LABELS).labels == ("ham", "spam")
    assert complete(LABELS).generation is None
    assert complete(Regress()).spec == Regress()
    assert complete(Regress()).labels == ()


def test_answers_are_greedy_and_short_unless_the_task_or_the_run_says_otherwise():
    def sampling(task: Sampling, run: Sampling | None = None) -> Sampling:
        requested = Generation(run, 7, Engine.VLLM) if run else None
        generation = complete(Generate(defaults=task), generation=requested).generation
        assert generation is not None
        return generation.sampling

    assert sampling(Sampling()) == Sampling(temperature=0.0, max_tokens=256)
    of_task = Sampling(temperature=0.7, top_p=0.9, max_tokens=99)
    assert sampling(of_task) == of_task
    assert sampling(of_task, Sampling(temperature=0.0)) == replace(of_task, temperature=0.0)
    assert complete(Generate(), generation=Generation(seed=7, engine=Engine.VLLM)).generation == Generation(
        Sampling(temperature=0.0, max_tokens=256), 7, Engine.VLLM
    )


@pytest.mark.parametrize(
    ("task", "change", "field"),
    [
        (Generate(), {"metric": "mae"}, "metric"),
        (Generate(), {"metric": "win_rate"}, "metric"),
        (Generate(), {"metric": "answer_length"}, "metric"),
        (Generate(), {"base": "short"}, "base_digest"),
        (Generate(), {"base": "b" * 64, "few_shot": 17}, "few_shot"),
        (Generate(), {"few_shot": -1}, "few_shot"),
        (
            Generate(),
            {"generation": Generation(Sampling(temperature=3.0))},
            "generation.sampling.temperature",
        ),
        (Generate(), {"generation": Generation(Sampling(top_p=0.0))}, "generation.sampling.top_p"),
        (Generate(), {"rules": (Rule(RuleKind.MIN_VALUE, "new", 0.5, "win_rate"),)}, "gate"),
        (Generate(), {"rules": (Rule(RuleKind.NOT_WORSE, "new", 0.5, "answer_length"),)}, "gate"),
        (Generate(), {"rules": (Rule(RuleKind.BEATS_MAJORITY, "new", baseline="mean"),)}, "gate"),
        (Generate(), {"rules": (Rule(RuleKind.BETTER, "new", baseline="zero_shot"),)}, "gate"),
        (Regress(), {"base": "b" * 64}, "base_digest"),
        (Regress(), {"generation": Generation()}, "generation"),
        (Regress(), {"rules": (Rule(RuleKind.BETTER, "new", 0.0, "rouge_l"),)}, "gate"),
        (LABELS, {"metric": "auc"}, "metric"),
        (LABELS, {"base": "b" * 64}, "base_digest"),
        (LABELS, {"generation": Generation()}, "generation"),
    ],
)
def test_what_a_kind_of_task_does_not_have_is_refused_with_its_field(task, change, field):
    with pytest.raises(BadEvaluation) as refused:
        complete(task, **change)
    assert refused.value.field == field
    assert str(refused.value).endswith(".")


def test_rules_may_name_metrics_and_baselines_of_the_kind():
    rules = (
        Rule(RuleKind.BETTER, "new", 0.0, "chrf"),
        Rule(RuleKind.BEATS_MAJORITY, "new", 0.0, "bleu", "few_shot"),
        Rule(RuleKind.MAX_VALUE, "new", 500.0, "answer_length"),
    )
    assert complete(Generate(), rules=rules, metric="bleu", base="b" * 64, few_shot=0).rules == rules


@pytest.mark.parametrize(
    "task",
    [LABELS, Generate(stop=("\n",), defaults=Sampling(top_k=5)), Regress("km", 0.0, 10.0, 0.5)],
    ids=lambda task: str(task.kind),
)
def test_a_stored_question_is_read_as_it_was(task):
    rows = TypeAdapter(Question)
    question = complete(task, generation=Generation(seed=3) if isinstance(task, Generate) else None)
    assert rows.validate_python(json.loads(rows.dump_json(question))) == question


def test_a_question_of_an_older_release_classifies_with_its_labels():
    row = {
        "candidate": "a" * 64,
        "reference": "",
        "domains": [{"name": "new", "split": "projects/p/datasets/d/splits/s"}],
        "labels": ["ham", "spam"],
        "rules": [{"kind": "MIN_VALUE", "domain": "new", "threshold": 0.5, "metric": "auc"}],
        "seed": 0,
    }
    question = TypeAdapter(Question).validate_python(row)
    assert question.spec == LABELS
    assert (question.metric, question.generation) == ("", None)
    assert question.rules == (Rule(RuleKind.MIN_VALUE, "new", 0.5, "auc"),)
