"""A classical challenger on a slice of the mails: the gate chooses it, a language model replaces it, and it comes back.

Then it is retrained by feedback. The rollouts are those of another kind of model each time, by a second engine. The
gate lets every candidate pass.
"""

from collections.abc import Callable
from pathlib import Path

import pytest

from ratoon.client import Ratoon
from ratoon.client.types import PipelineRunState, RecipeMethod, Rollout, RolloutState
from ratoon.local.installation import Installation
from ratoon_examples.demo import steps
from ratoon_examples.demo.following import Loop, follow_run, own_runs, wait_for
from ratoon_examples.demo.mails import read_corpus
from ratoon_examples.demo.measure import Measured
from ratoon_examples.demo.steps import Demo
from ratoon_examples.demo.tiers import Mails, Tier

pytestmark = [pytest.mark.engine, pytest.mark.thorough, pytest.mark.timeout(900)]
GATE = {"newDomainThreshold": -1, "oldDomainThreshold": -1, "baselineMargin": 1}
TIER = Tier(
    "challenger",
    {
        "split": {"testShare": 0.3},
        "training": {"epochs": 1, "replayCount": 100, "maxChars": 200, "layers": 1, "hiddenSize": 32},
        "gate": {**GATE, "classicalChallenger": True},
        "rollout": {"bakeSeconds": 2},
    },
    mails=Mails(training=240, held_out=50, arriving=100),
    min_signals=100_000,
)
TEXT = "Congratulations, you have won a free prize!"


@pytest.fixture(scope="module")
def demo(installation: Installation, mails: Path, ended: Callable[[Loop], None]) -> Demo:
    demo = Demo(
        client=Ratoon(state=installation.state, timeout=120),
        project="challenger",
        measured=Measured(installation.processes),
        say=print,
        corpus=read_corpus(mails, 1.0, TIER.mails),
        tier=TIER,
    )
    ended(demo)
    return demo


def answered(demo: Demo) -> None:
    assert demo.client.chat.completions.create("challenger", TEXT).text in ("ham", "spam")


def completed(demo: Demo, rollout: Rollout) -> None:
    ended = demo.client.rollouts.wait(rollout.name)
    assert ended.state == RolloutState.SUCCEEDED, ended.reason


def test_a_model_that_has_hardly_learned_loses_to_a_bag_of_words(demo: Demo) -> None:
    steps.create_project(demo)
    steps.first_version(demo)
    run = demo.runs["v1.0"]
    assert run.state == PipelineRunState.SUCCEEDED and run.choice.is_challenger, run.choice
    trained = demo.client.training_runs.get(run.products.training_run)
    assert trained.recipe.method is RecipeMethod.CLASSICAL
    version = demo.client.model_versions.get(run.products.model_version)
    assert run.choice.reason in version.changelog and "A million answers cost" in version.changelog
    evaluation = demo.client.evaluation_runs.get(run.products.evaluation_run)
    assert evaluation.candidate_note == run.choice.reason
    assert evaluation.results[0].candidate.cost.core_seconds_per_million > 0
    comparison = demo.client.evaluation_runs.get(run.products.comparison_run)
    assert "A bag of words beats the language model." in comparison.results[0].notes
    answered(demo)


def test_a_language_model_replaces_it_and_a_rollback_returns_to_it(demo: Demo) -> None:
    first = demo.production()
    demo.client.projects.update(demo.parent, gate=GATE | {"classicalChallenger": False})
    source = steps.upload(demo, "arriving-mails", demo.corpus.arriving)
    run = demo.client.pipeline_runs.create(demo.parent, sources=[source.name])
    ended = follow_run(demo, run.name)
    assert ended.state == PipelineRunState.SUCCEEDED and not ended.choice, ended.failure
    trained = demo.client.training_runs.get(ended.products.training_run)
    assert trained.recipe.method is RecipeMethod.FROM_SCRATCH
    second = demo.production()
    assert second == ended.products.model_version != first
    answered(demo)
    completed(demo, demo.client.rollouts.undo(ended.products.rollout))
    assert demo.production() == first
    answered(demo)
    canary = demo.client.rollouts.create(demo.deployment, to_version=second, shares=[50], step_seconds=2)
    completed(demo, canary)
    back = demo.client.rollouts.create(demo.deployment, to_version=first, shares=[50], step_seconds=2)
    completed(demo, back)
    assert demo.production() == first
    answered(demo)


def test_feedback_on_its_answers_retrains_it_against_a_language_model(demo: Demo) -> None:
    first = demo.production()
    demo.client.projects.update(demo.parent, gate=GATE | {"classicalChallenger": True})
    policy = f"{demo.parent}/policies/default"
    demo.client.policies.update(policy, min_answers=60, min_feedback=60, drift_threshold=0.1)
    steps.traffic(demo, steps.messages_of(demo, "mails-of-callers", demo.corpus.arriving))
    run = wait_for(demo, "a retraining run", lambda: next(iter(own_runs(demo)), None))
    ended = follow_run(demo, run.name)
    assert ended.state == PipelineRunState.SUCCEEDED, ended.failure
    assert ended.choice.is_challenger, ended.choice
    dataset = demo.client.dataset_versions.get(ended.products.dataset_version)
    titles = {demo.client.sources.get(each).display_name for each in dataset.sources}
    assert "Corrected traffic" in titles
    trained = demo.client.training_runs.get(ended.products.training_run)
    assert trained.recipe.method is RecipeMethod.CLASSICAL
    retrained = demo.production()
    assert retrained == ended.products.model_version != first
    answered(demo)
