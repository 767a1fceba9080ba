"""The loop of the task `generate` on a few mails, over the public HTTP API: real Ray, real vLLM, every service.

The steps are those of the demo. The model is trained from scratch, so its answers are poor, and the gate lets every
version pass.
"""

from collections.abc import Callable
from pathlib import Path

import openai
import pytest

from ratoon.client import Ratoon
from ratoon.local.installation import Installation
from ratoon_examples.demo.following import Loop, own_runs
from ratoon_examples.demo.measure import Measured
from ratoon_examples.subjects import report, steps
from ratoon_examples.subjects.mails import read_corpus
from ratoon_examples.subjects.sizes import SCRATCH
from ratoon_examples.subjects.steps import Demo

pytestmark = [pytest.mark.engine, pytest.mark.ray, pytest.mark.timeout(900)]


@pytest.fixture(scope="module")
def demo(installation: Installation, mails: Path, ended: Callable[[Loop], None]) -> Demo:
    demo = Demo(
        client=Ratoon(state=installation.state, timeout=120),
        project="subjects",
        measured=Measured(installation.processes),
        say=print,
        corpus=read_corpus(mails, SCRATCH.training, SCRATCH.held_out, SCRATCH.arriving),
        size=SCRATCH,
    )
    ended(demo)
    return demo


def test_conversations_become_a_version_that_writes(demo: Demo) -> None:
    steps.create_project(demo)
    steps.first_version(demo)
    assert demo.production().endswith("/versions/v1.0")
    [result] = demo.evaluations["v1.0"].results
    assert result.candidate is not None
    measured = result.candidate.metrics["rouge_l"]
    assert measured.lower <= measured.value <= measured.upper
    assert {"rouge_l", "token_f1", "exact_match", "perplexity"} <= result.candidate.metrics.keys()


def test_openai_clients_get_answers_that_end_at_the_stop_text(demo: Demo) -> None:
    client = openai.OpenAI(base_url=f"{demo.client.base_url}/v1", api_key=demo.client.api_key)
    prompt = demo.corpus.held_out[0].prompt
    completion = client.chat.completions.create(
        model="subjects", messages=[{"role": "user", "content": prompt}]
    )
    content = completion.choices[0].message.content or ""
    assert "\n" not in content
    assert completion.usage is not None
    assert completion.usage.completion_tokens <= steps.ANSWER_TOKENS


def test_corrections_start_a_retraining_that_rolls_out_without_a_lost_request(demo: Demo) -> None:
    steps.traffic(demo)
    steps.second_version(demo)
    steps.switch(demo)
    assert demo.production().endswith("/versions/v1.1")
    assert len(own_runs(demo)) == 1
    assert report.complaints(demo) == []
    [new, old] = sorted(demo.evaluations["v1.1"].results, key=lambda result: result.domain)
    assert {new.domain, old.domain} == {"new", "old"}
    assert new.differences["rouge_l"].lower <= new.differences["rouge_l"].upper
