"""Adapters through the whole loop: a base model is uploaded, a LoRA version of it served, and the next one swapped in.

The base is a small model that an earlier project trained from scratch, with its marks of Ratoon taken away.
"""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from ratoon.client import Ratoon
from ratoon.client.types import RecipeMethod, RolloutStrategy
from ratoon.local.installation import Installation
from ratoon.storage.artifacts import ArtifactStore
from ratoon.testkit.ports import free_ports
from ratoon_examples.demo import steps
from ratoon_examples.demo.following import follow_run
from ratoon_examples.demo.mails import read_corpus
from ratoon_examples.demo.measure import Measured
from ratoon_examples.demo.steps import Demo
from ratoon_examples.demo.tiers import Mails, Tier

DATA = Path(__file__).parents[2] / ".data" / "spam-assassin"
MAILS = Mails(training=600, held_out=40, arriving=60)
"""Enough that a first version beats the majority class on a tenth of them, whatever their order."""
LORA = {"method": "METHOD_LORA", "learningRate": 2e-3, "loraRank": 4, "maxChars": 200}
ALWAYS = {"newDomainThreshold": -1.0, "oldDomainThreshold": -1.0, "baselineMargin": 1.0}
pytestmark = [pytest.mark.engine, pytest.mark.ray, pytest.mark.timeout(900)]


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    if not DATA.exists():
        pytest.skip("the mails are not here; run: make data")
    state = tmp_path_factory.mktemp("adapters") / "state"
    installation = Installation(state)
    try:
        installation.up(isolated=False, host="127.0.0.1", port=free_ports(2)[0], say=print)
        corpus = read_corpus(DATA, 1.0, MAILS)
        plain = Demo(
            client=Ratoon(state=state),
            project="plain",
            measured=Measured(installation.processes),
            say=print,
            corpus=corpus,
        )
        base = base_model(plain, ArtifactStore(str(state / "artifacts")), state.parent / "base")
        tier = Tier("test", {"training": LORA, "gate": ALWAYS}, base=base)
        yield replace(plain, project="mail", tier=tier, base=base, runs={}, evaluations={})
    finally:
        installation.down(keep_workers=False, say=print)


def base_model(demo: Demo, store: ArtifactStore, folder: Path) -> Path:
    """A small model from scratch, as if it came from elsewhere."""
    steps.create_project(demo)
    source = steps.upload(demo, "mails", demo.corpus.training)
    created = demo.client.pipeline_runs.create(demo.parent, sources=[source.name], skip_rollout=True)
    run = follow_run(demo, created.name)
    version = demo.client.model_versions.get(run.products.model_version)
    store.fetch_tree(version.artifact_digest, folder)
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
    answer = demo.client.chat.completions.create("mail", prompt, max_tokens=4, temperature=0)
    assert answer.text in ("ham", "spam")
    assert answer.version == "mail@v1.0"


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
    answer = demo.client.chat.completions.create("mail", prompt, max_tokens=4, temperature=0)
    assert answer.version == "mail@v1.1"
