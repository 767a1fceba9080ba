"""Labels from the traffic of a real gateway: the version in production proposes, people correct, and labels return.

The model is a classical one of a slice of the mails; the records without a label are mails of another kind.
"""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ratoon.client import NotFoundError, Ratoon
from ratoon.client.types import Role, SourceFormat
from ratoon.local.installation import Installation
from ratoon_examples.demo import steps
from ratoon_examples.demo.following import Loop, follow_run, wait_for
from ratoon_examples.demo.mails import CLASSES, LICENSE, read_corpus
from ratoon_examples.demo.measure import Measured
from ratoon_examples.demo.steps import Demo
from ratoon_examples.demo.tiers import Mails, Tier
from ratoon_examples.demo.traffic import Message, send

pytestmark = [pytest.mark.engine, pytest.mark.thorough, pytest.mark.timeout(600)]
TIER = Tier(
    "desk",
    {
        "split": {"testShare": 0.2},
        "gate": {"newDomainThreshold": -1, "baselineMargin": 1},
        "rollout": {"bakeSeconds": 1},
    },
    mails=Mails(training=150, held_out=5, arriving=40),
    min_signals=100_000,
)

PROPOSED_CHARS = 20_000
"""Characters of a text in a request for a proposed answer."""


@pytest.fixture(scope="module")
def demo(installation: Installation, mails: Path, ended: Callable[[Loop], None]) -> Demo:
    """Return a project whose classical model serves."""
    demo = Demo(
        client=Ratoon(state=installation.state, timeout=120),
        project="desk",
        measured=Measured(installation.processes),
        say=print,
        corpus=read_corpus(mails, 1.0, TIER.mails),
        tier=TIER,
    )
    ended(demo)
    steps.create_project(demo)
    source = steps.upload(demo, "training-mails", demo.corpus.training)
    run = demo.client.pipeline_runs.create(demo.parent, sources=[source.name], recipe="classical")
    follow_run(demo, run.name)
    return demo


@pytest.fixture(scope="module")
def messages(demo: Demo) -> list[Message]:
    """Return mails of another kind."""
    read = steps.messages_of(demo, "arriving-mails", demo.corpus.arriving)
    return list({each.text: each for each in read}.values())


@pytest.fixture(scope="module")
def guideline(demo: Demo) -> str:
    created = demo.client.guidelines.create(demo.parent, instructions="Is it wanted?", labels=list(CLASSES))
    return created.name


@pytest.fixture(scope="module")
def annotator(demo: Demo) -> Ratoon:
    key = demo.client.api_keys.create(demo.parent, role=Role.ANNOTATOR)
    return Ratoon(base_url=demo.client.base_url, api_key=key.secret, timeout=120)


def truths_of(messages: list[Message]) -> dict[str, str]:
    """Return the labels of the mails by the beginnings of their texts."""
    return {each.text[:PROPOSED_CHARS]: each.truth for each in messages}


def answered(demo: Demo, annotator: Ratoon, queue: str, truths: dict[str, str]) -> int:
    """Answer the tasks of a queue as the labels of the mails say; return the number of corrected proposals."""
    corrected = 0
    while task := annotator.tasks.claim(demo.parent, queue=queue).task:
        text = task.text or annotator.records.get(task.dataset_version, task.record_id).text
        assert task.proposed_label in CLASSES
        truth = truths[text[:PROPOSED_CHARS]]
        corrected += task.proposed_label != truth
        annotator.tasks.complete(task.name, label=truth)
    return corrected


def test_the_version_in_production_proposes_answers(
    demo: Demo, messages: list[Message], guideline: str, annotator: Ratoon
) -> None:
    client = demo.client
    lines = "\n".join(json.dumps({"text": each.text}) for each in messages).encode()
    source = client.sources.create(
        demo.parent,
        format=SourceFormat.JSONL,
        digest=client.blobs.upload(lines),
        license=LICENSE,
    )
    dataset = client.datasets.create(demo.parent, dataset_id="bare")
    version = client.dataset_versions.create(dataset.name, sources=[source.name])
    client.dataset_versions.wait(version.name)
    endpoint = {"base_url": f"{client.base_url}/v1", "model": demo.project, "text_only": True}
    queue = client.queues.create(
        demo.parent,
        queue_id="proposed",
        dataset_version=version.name,
        guideline=guideline,
        pre_labels={"origin": "ORIGIN_ENDPOINT", "endpoint": endpoint},
    )
    drawn = client.refills.wait(client.refills.create(queue.name, size=20).name)
    assert (drawn.task_count, drawn.pre_labelled_count, drawn.unanswered_count) == (20, 20, 0), drawn
    tasks = [each for each in client.tasks.list(demo.parent) if each.queue == queue.name]
    assert {each.proposal_origin for each in tasks} == {"desk@v1.0"}
    records = {each.record_id: each.text for each in client.records.list(version.name)}
    assert set(records.values()) == {each.text for each in messages}
    corrected = answered(demo, annotator, queue.name, truths_of(messages))
    proposals = client.queues.summarize(queue.name).proposals
    assert {(each.origin, each.checked_count, each.correct_count) for each in proposals} == {
        ("desk@v1.0", 20, 20 - corrected)
    }


def test_traffic_and_disliked_answers_are_labelled_and_return_as_corrections(
    demo: Demo, messages: list[Message], guideline: str, annotator: Ratoon
) -> None:
    client, deployment = demo.client, demo.deployment
    traffic: dict[str, Any] = {"id": "all", "traffic": {"deployment": deployment, "share": 1}}
    disliked = {"id": "disliked", "low_rated": {"deployment": deployment}}
    queues = [
        client.queues.create(demo.parent, queue_id=rule["id"], guideline=guideline, intake_rules=[rule])
        for rule in (traffic, disliked)
    ]

    def entered() -> list[set[str]]:
        tasks = list(client.tasks.list(demo.parent))
        return [{task.answer_id for task in tasks if task.queue == queue.name} for queue in queues]

    def followed() -> bool:
        """Return whether both rules take answers; those before their first reading do not count."""
        client.chat.feedback(send(client, demo.project, messages[20:21])[0].answer.answer_id, thumb="down")
        return all(entered())

    wait_for(demo, "the first answers in the queues", followed)
    exchanges = send(client, demo.project, messages[:20])
    ids = [each.answer.answer_id for each in exchanges]
    for each in ids[:5]:
        client.chat.feedback(each, thumb="down")
    wait_for(
        demo, "the answers in the queues", lambda: set(ids) <= entered()[0] and set(ids[:5]) <= entered()[1]
    )
    assert not set(ids[5:]) & entered()[1]
    for queue in queues:
        answered(demo, annotator, queue.name, truths_of(messages))

    def returned() -> dict[str, str]:
        stored = client.feedback.list(demo.parent)
        return {each.answer_id: each.correction for each in stored if each.task}

    wait_for(demo, "the labels at their answers", lambda: set(ids) <= returned().keys())
    assert [returned()[each] for each in ids] == [each.message.truth for each in exchanges]


def test_a_rule_of_a_deployment_that_is_not_there_is_refused(demo: Demo, guideline: str) -> None:
    rule = {"id": "a", "traffic": {"deployment": "disk", "share": 1}}
    with pytest.raises(NotFoundError, match="deployments/disk does not exist"):
        demo.client.queues.create(demo.parent, queue_id="typo", guideline=guideline, intake_rules=[rule])
