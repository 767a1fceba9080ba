"""The loop of preferences, over the public HTTP API: real Ray, real vLLM, every service.

A first version is pre-trained and taught sums by one chain. Users compare its answers, then rate them by thumbs, and no
one names a method: the retrainings are DPO and KTO, and their versions serve. The model is tiny, so the gate lets every
version pass.
"""

import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Literal

import pytest

from ratoon.client import Ratoon, RatoonError
from ratoon.client.types import (
    Generate,
    GenerateForm,
    GenerationDefaults,
    PipelineRun,
    ProjectRolloutDefaults,
    SourceFormat,
    TaskSpec,
)
from ratoon.local.installation import Installation
from ratoon_examples.demo.following import Loop, follow_run
from ratoon_examples.demo.measure import Measured
from ratoon_examples.demo.traffic import Exchange, Message, send

pytestmark = [pytest.mark.engine, pytest.mark.ray, pytest.mark.thorough, pytest.mark.timeout(900)]

SUMS = [(f"{a}+{b}=", str(a + b)) for a in range(12) for b in range(12)]


@dataclass(kw_only=True)
class SumsLoop(Loop):
    """A project of sums."""

    @property
    def wait_s(self) -> float:
        """Longest wait for what Ratoon starts by itself, in seconds."""
        return 240.0


@pytest.fixture(scope="module")
def loop(installation: Installation, ended: Callable[[Loop], None]) -> Iterator[SumsLoop]:
    loop = SumsLoop(
        client=Ratoon(state=installation.state, timeout=120),
        project="sums",
        measured=Measured(installation.processes),
        say=print,
    )
    ended(loop)
    yield loop


def first_version(loop: SumsLoop) -> PipelineRun:
    """Create the project, and run its chain on sums and plain texts."""
    settings: dict[str, Any] = {
        "training": {
            "method": "METHOD_FULL",
            "epochs": 20,
            "continueEpochs": 3,
            "replayCount": 20,
            "learningRate": 0.003,
        },
        "split": {"validationShare": 0.1, "testShare": 0.2},
        "gate": {"baselineMargin": 1, "newDomainThreshold": -1, "oldDomainThreshold": -1},
        "curation": [{"name": "length", "params": {"min_chars": "1"}}],
    }
    loop.client.projects.create(
        project_id=loop.project,
        task=TaskSpec(
            generate=Generate(
                form=GenerateForm.TEXT, defaults=GenerationDefaults(temperature=1, max_tokens=6)
            )
        ),
        recipes=["pretrain", "sft"],
        retraining_recipes=["auto"],
        rollout=ProjectRolloutDefaults(bake_seconds=5),
        request_id="sums",
        **settings,
    )
    rows: list[dict[str, Any]] = [
        {"messages": [{"role": "user", "content": question}, {"role": "assistant", "content": answer}]}
        for question, answer in SUMS
    ]
    rows += [{"text": f"The sum of {q.removesuffix('=').replace('+', ' and ')} is {a}."} for q, a in SUMS]
    source = loop.client.sources.create(
        loop.parent,
        source_id="sums",
        format=SourceFormat.JSONL,
        digest=loop.client.blobs.upload("\n".join(map(json.dumps, rows)).encode()),
        license="CC0-1.0",
        request_id="sums",
    )
    run = loop.client.pipeline_runs.create(loop.parent, sources=[source.name])
    return follow_run(loop, run.name)


def compare(loop: SumsLoop) -> int:
    """Ask a third of the sums four times, and prefer a right or a shorter answer; the number of preferences."""
    messages = [Message(question, answer) for question, answer in SUMS[::3] for _ in range(4)]
    exchanges = send(loop.client, loop.project, messages, temperature=1, max_tokens=6)
    preferred = 0
    for at in range(0, len(exchanges), 4):
        written = sorted(filter(_text, exchanges[at : at + 4]), key=_quality)
        if len(written) < 2 or _text(written[0]) == _text(written[-1]):
            continue
        worst, best = written[0].answer, written[-1].answer
        assert worst is not None
        assert best is not None
        loop.client.chat.prefer(best.answer_id, worst.answer_id)
        preferred += 1
    return preferred


def _text(exchange: Exchange) -> str:
    return exchange.answer.text.strip() if exchange.answer else ""


def _quality(exchange: Exchange) -> tuple[bool, int]:
    return _text(exchange) == exchange.message.truth, -len(_text(exchange))


def rate(loop: SumsLoop) -> int:
    """Ask some sums twice, and rate the answers by thumbs, the better half up; the number of thumbs."""
    messages = [Message(question, answer) for question, answer in SUMS[1::3] for _ in range(2)]
    exchanges = send(loop.client, loop.project, messages, temperature=1, max_tokens=6)
    rated = sorted((exchange for exchange in exchanges if _text(exchange)), key=_error)
    for place, exchange in enumerate(rated):
        assert exchange.answer is not None
        thumb: Literal["up", "down"] = "up" if place < len(rated) / 2 else "down"
        loop.client.chat.feedback(exchange.answer.answer_id, thumb=thumb)
    return len(rated)


def _error(exchange: Exchange) -> float:
    """Return how far an answer is from the sum: the model is too small for many right ones."""
    text = _text(exchange)
    return abs(int(text) - int(exchange.message.truth)) if text.isdecimal() else float("inf")


def retrained(loop: SumsLoop) -> PipelineRun:
    """Start retrainings until one has the feedback: a segment of traffic closes within seconds."""
    deadline = time.monotonic() + loop.wait_s
    while True:
        try:
            return follow_run(loop, loop.client.pipeline_runs.create(loop.parent).name)
        except RatoonError:
            if time.monotonic() > deadline:
                raise
            time.sleep(5)


def test_preferences_become_a_version_without_anyone_naming_a_method(loop: SumsLoop) -> None:
    first = first_version(loop)
    assert first.products is not None
    assert loop.production().endswith("/versions/v1.0")
    assert [each.recipe for each in first.trained_recipes] == ["pretrain"]
    chained = loop.client.training_runs.get(first.products.training_run)
    assert chained.base_artifact_digest == first.trained_recipes[0].artifact_digest, "lineage"
    assert compare(loop) >= 20
    _check_retrained(loop, "dpo", "v1.1")


def test_thumbs_become_the_next_version(loop: SumsLoop) -> None:
    assert rate(loop) >= 40
    _check_retrained(loop, "kto", "v1.2")


def _check_retrained(loop: SumsLoop, recipe: str, version: str) -> None:
    run = retrained(loop)
    assert run.products is not None
    assert run.recipe == recipe
    assert loop.production().endswith(f"/versions/{version}")
    trained = loop.client.training_runs.get(run.products.training_run)
    assert trained.recipe is not None
    assert trained.recipe.objective == f"OBJECTIVE_{recipe.upper()}"
    assert trained.metrics["units"] > 0
    [again] = send(loop.client, loop.project, [Message("1+1=", "2")])
    assert again.answer is not None
    assert again.answer.version.endswith(version)
