"""The loop on a small slice of the mails, over the public HTTP API: real Ray, real vLLM, every service, two processes.

The demo's own steps are used, so that what is shown is what is tested; a slice this small teaches too little for the
gate to be sure of the second version, so it may pass or be refused, with the numbers.
"""

import openai
import pytest

from ratoon.client import APIStatusError
from ratoon.client.types import PipelineRunState
from ratoon_examples.demo import steps
from ratoon_examples.demo.following import follow_run, own_runs, wait_for
from ratoon_examples.demo.steps import Demo

pytestmark = [pytest.mark.engine, pytest.mark.ray, pytest.mark.timeout(900)]


@pytest.fixture
def demo(first_loop: Demo) -> Demo:
    return first_loop


def test_mail_becomes_a_version_that_serves(demo):
    assert demo.production().endswith("/versions/v1.0")
    [stage] = [each for each in demo.runs["v1.0"].stages if each.id == "evaluation"]
    assert stage.state == "SUCCEEDED"
    [result] = demo.evaluations["v1.0"].results
    assert result.candidate.macro_f1.lower > result.majority.macro_f1.value
    assert result.tfidf.macro_f1.value > 0
    readings = list(demo.client.split_readings.list(demo.runs["v1.0"].products.split))
    assert readings, "the sealed test part was read, so the reading is logged"


def test_the_unmodified_openai_client_gets_the_version(demo):
    client = openai.OpenAI(base_url=f"{demo.client.base_url}/v1", api_key=demo.client.api_key)
    messages = [{"role": "user", "content": "You have won a free prize, click here to claim your money now!"}]
    raw = client.chat.completions.with_raw_response.create(model="mail", messages=messages, max_tokens=4)
    assert raw.headers["x-ratoon-model"] == "mail@v1.0"
    assert raw.parse().choices[0].message.content in ("ham", "spam")
    stream = client.chat.completions.create(model="mail", messages=messages, max_tokens=4, stream=True)
    assert "".join(chunk.choices[0].delta.content or "" for chunk in stream) in ("ham", "spam")
    assert "mail" in {model.id.split("/")[-1] for model in client.models.list()}
    with pytest.raises(openai.NotFoundError):
        client.chat.completions.create(model="nothing", messages=messages)
    with pytest.raises(openai.AuthenticationError):
        openai.OpenAI(base_url=f"{demo.client.base_url}/v1", api_key="wrong").models.list()


def test_feedback_is_stored_and_invented_ids_are_refused(demo):
    chat = demo.client.chat
    prompt = "Meeting at ten tomorrow, please bring the figures."
    answer_id = chat.completions.create("mail", prompt, max_tokens=4, temperature=0).answer_id
    chat.feedback(answer_id, thumb="up")
    stored = list(demo.client.feedback.list(demo.parent))
    assert [each.answer_id for each in stored] == [answer_id]
    with pytest.raises(APIStatusError):
        chat.feedback(f"{answer_id[:-4]}AAAA", thumb="up")


def test_familiar_traffic_starts_nothing_and_drift_starts_one_retraining(demo):
    held_out = steps.messages_of(demo, "kept-mails", demo.corpus.held_out)
    arriving = steps.messages_of(demo, "arriving-mails", demo.corpus.arriving)
    steps.control(demo, held_out, len(arriving))
    steps.traffic(demo, arriving)
    run = wait_for(demo, "a retraining", lambda: next(iter(own_runs(demo)), None))
    ended = follow_run(demo, run.name, accept={PipelineRunState.REFUSED})
    assert ended.trigger_reason
    assert len(own_runs(demo)) == 1
    verdict = demo.client.evaluation_runs.get(ended.products.evaluation_run).verdict
    assert {each.rule.domain for each in verdict.rules} == {"new", "old"}
    assert verdict.summary


def test_a_version_that_turns_bad_is_rolled_back_automatically(demo):
    steps.roll_back(demo)
    history = demo.client.alias_changes.list(demo.model)
    assert not any(each.to_version == demo.rollback.to_version for each in history)
    assert [exchange.error for exchange in demo.control if not exchange.answer] == []
