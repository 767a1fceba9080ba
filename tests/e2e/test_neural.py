"""The loop of a project of small neural models on a slice of the mails, over the public HTTP API: no vLLM runs.

The steps are those of the demo. The model is a convolutional network. The first version has to be better than the
majority class. The gate lets the second one pass: how many mails arrive before the drift is noticed depends on the
load, and some hundred do not show every gain.
"""

from collections.abc import Callable
from pathlib import Path

import pytest

from ratoon.client import Ratoon
from ratoon.client.types import RecipeMethod
from ratoon.local.installation import Installation
from ratoon_examples.demo import steps
from ratoon_examples.demo.following import Loop, follow_run, own_runs, wait_for
from ratoon_examples.demo.mails import read_corpus
from ratoon_examples.demo.measure import Measured
from ratoon_examples.demo.steps import Demo
from ratoon_examples.demo.tiers import Mails, Tier
from ratoon_examples.demo.traffic import send

pytestmark = [pytest.mark.engine, pytest.mark.thorough, pytest.mark.timeout(600)]
TIER = Tier(
    "neural",
    {
        "recipes": ["neural"],
        "retraining_recipes": ["neural"],
        "split": {"testShare": 0.2},
        "training": {
            "learningRate": 0.003,
            "epochs": 12,
            "continueEpochs": 6,
            "replayCount": 100,
            "neural": {"network": "NETWORK_CNN", "tokenizer": "TOKENIZER_BYTE_BPE", "vocabSize": 4096},
            "optimization": {"schedule": "SCHEDULE_LINEAR", "patience": 4},
        },
        "gate": {"newDomainThreshold": -0.5, "oldDomainThreshold": -0.5, "baselineMargin": 1},
        "rollout": {"bakeSeconds": 5},
    },
    mails=Mails(training=300, held_out=50, arriving=120),
    min_signals=120,
)


@pytest.fixture(scope="module")
def demo(installation: Installation, mails: Path, ended: Callable[[Loop], None]) -> Demo:
    demo = Demo(
        client=Ratoon(state=installation.state, timeout=120),
        project="neural",
        measured=Measured(installation.processes),
        say=print,
        corpus=read_corpus(mails, 1.0, TIER.mails),
        tier=TIER,
    )
    ended(demo)
    return demo


def test_mails_become_a_small_model_that_serves(demo: Demo) -> None:
    steps.create_project(demo)
    steps.first_version(demo)
    assert demo.production().endswith("/versions/v1.0")
    products = demo.runs["v1.0"].products
    assert products is not None
    run = demo.client.training_runs.get(products.training_run)
    assert run.recipe is not None
    assert run.recipe.method is RecipeMethod.NEURAL
    [result] = demo.evaluations["v1.0"].results
    assert result.candidate is not None
    assert result.candidate.metrics["macro_f1"].value > 0.8
    answer = demo.client.chat.completions.create("neural", "Congratulations, you have won a free prize!")
    assert answer.text in ("ham", "spam")


def test_drift_and_corrections_start_a_retraining_whose_version_takes_over(demo: Demo) -> None:
    steps.traffic(demo, steps.messages_of(demo, "arriving-mails", demo.corpus.arriving))
    run = wait_for(demo, "a retraining", lambda: next(iter(own_runs(demo)), None))
    ended = follow_run(demo, run.name)
    assert ended.trigger_reason
    assert demo.production().endswith("/versions/v1.1")
    assert ended.products is not None
    second = demo.client.training_runs.get(ended.products.training_run)
    first = demo.client.model_versions.get(f"{demo.model}/versions/v1.0")
    assert second.base_artifact_digest == first.artifact_digest, "it continues the version in production"
    assert second.recipe is not None
    assert second.recipe.method is RecipeMethod.NEURAL
    assert all(exchange.answer for exchange in demo.exchanges)
    [again] = send(demo.client, demo.project, [demo.exchanges[0].message])
    assert again.answer is not None
    assert again.answer.version.endswith("v1.1")
