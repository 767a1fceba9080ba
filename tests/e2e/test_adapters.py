"""Adapters through the whole loop: a base model is uploaded, a LoRA version of it served, and the next one swapped in.

The base is the small model that another project trained from scratch, with its marks of Ratoon taken away.
"""

from collections.abc import Callable
from pathlib import Path

import pytest

from ratoon.client.types import RecipeMethod, RolloutStrategy
from ratoon.local.installation import Installation
from ratoon.storage.artifacts import ArtifactStore
from ratoon_examples.demo import steps
from ratoon_examples.demo.following import Loop, follow_run
from ratoon_examples.demo.mails import read_corpus
from ratoon_examples.demo.steps import Demo
from ratoon_examples.demo.tiers import Mails, Tier

MAILS = Mails(training=600, held_out=40, arriving=60)
"""Enough that a first version beats the majority class on a tenth of them, whatever their order."""
SETTINGS = {
    "training": {"method": "METHOD_LORA", "learningRate": 2e-3, "loraRank": 4, "maxChars": 200},
    "gate": {"newDomainThreshold": -1.0, "oldDomainThreshold": -1.0, "baselineMargin": 1.0},
    "rollout": {"bakeSeconds": 5},
}
pytestmark = [pytest.mark.engine, pytest.mark.ray, pytest.mark.thorough, pytest.mark.timeout(900)]


@pytest.fixture(scope="module")
def demo(
    first_loop: Demo,
    installation: Installation,
    mails: Path,
    ended: Callable[[Loop], None],
    tmp_path_factory: pytest.TempPathFactory,
) -> Demo:
    base = base_model(first_loop, installation, tmp_path_factory.mktemp("adapters") / "base")
    demo = Demo(
        client=first_loop.client,
        project="adapters",
        measured=first_loop.measured,
        say=print,
        corpus=read_corpus(mails, 1.0, MAILS),
        tier=Tier("test", SETTINGS, base=base),
        base=base,
    )
    ended(demo)
    return demo


def base_model(loop: Demo, installation: Installation, folder: Path) -> Path:
    """A small model from scratch, as if it came from elsewhere."""
    version = loop.client.model_versions.get(f"{loop.model}/versions/v1.0")
    ArtifactStore(str(installation.state / "artifacts")).fetch_tree(version.artifact_digest, folder)
    for name in ("recipe.json", "training.json", "README.md"):
        (folder / name).unlink()
    return folder


def test_an_adapter_becomes_a_version_that_serves(demo):
    steps.create_project(demo)
    steps.first_version(demo)
    version = demo.client.model_versions.get(demo.production())
    base = demo.client.projects.get(demo.parent).training.base_artifact_digest
    assert version.base_artifact_digest == base
    assert version.base_signature_digest
    assert version.size_bytes < (demo.base / "model.safetensors").stat().st_size / 4
    prompt = "You have won a free prize, click here to claim your money!"
    answer = demo.client.chat.completions.create("adapters", prompt, max_tokens=4, temperature=0)
    assert answer.text in ("ham", "spam")
    assert answer.version == "adapters@v1.0"


def test_the_next_adapter_is_swapped_into_the_warm_engine(demo):
    source = steps.upload(demo, "more-mails", demo.corpus.arriving)
    run = demo.client.pipeline_runs.create(demo.parent, sources=[source.name])
    ended = follow_run(demo, run.name)
    rollout = demo.client.rollouts.get(ended.products.rollout)
    assert rollout.strategy == RolloutStrategy.ADAPTER_SWAP
    training = demo.client.training_runs.get(ended.products.training_run)
    first = demo.client.model_versions.get(f"{demo.model}/versions/v1.0")
    assert training.recipe.method == RecipeMethod.LORA
    assert training.base_artifact_digest == first.artifact_digest, "it goes on from the adapter before"
    second = demo.client.model_versions.get(demo.production())
    assert second.name.endswith("/v1.1")
    assert second.base_artifact_digest == first.base_artifact_digest
    prompt = "Meeting at ten, bring the figures."
    answer = demo.client.chat.completions.create("adapters", prompt, max_tokens=4, temperature=0)
    assert answer.version == "adapters@v1.1"
