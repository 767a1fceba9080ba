"""Steps of the demo over the public HTTP API: requests, waits, and data for the report."""

import json
import random
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ratoon.client import RatoonError
from ratoon.client.states import has_ended
from ratoon.client.types import (
    Curation,
    Lineage,
    PipelineRunState,
    Rollout,
    RolloutBake,
    RolloutState,
    Source,
    SourceFormat,
)
from ratoon_examples.demo.following import (
    Loop,
    follow_run,
    has_step,
    in_state,
    keep_evaluation,
    own_runs,
    short,
    ticker,
    upload_ticker,
    wait_for,
)
from ratoon_examples.demo.mails import CLASSES, LABELS, LICENSE, Corpus, Mail, archive
from ratoon_examples.demo.tiers import NANO, Tier
from ratoon_examples.demo.traffic import (
    Exchange,
    FeedbackCounts,
    Message,
    OpenStreams,
    Stream,
    give_feedback,
    macro_f1,
    send,
)

JSON = dict[str, Any]
TOKENS_TO_COME = 200
BAKE_S = 20.0
_CONTROL_WAIT_S = 6.0


@dataclass(kw_only=True)
class Demo(Loop):
    """One run of the demo: mails, and collected results."""

    corpus: Corpus
    tier: Tier = NANO
    base: Path | None = None
    """Base model directory of the first version, if any."""
    seed: int = 7
    rollout: Rollout | None = None
    """Final state of the rollout of the second version."""
    rollback: Rollout | None = None
    """Final state of the rollout that was rolled back."""
    exchanges: list[Exchange] = field(default_factory=list)
    after: list[Exchange] = field(default_factory=list)
    control: list[Exchange] = field(default_factory=list)
    feedback: FeedbackCounts = field(default_factory=FeedbackCounts)
    streams: list[Stream] = field(default_factory=list)
    probes: list[Exchange] = field(default_factory=list)
    faults: list[Exchange] = field(default_factory=list)
    first_words: dict[str, dict[str, str]] = field(default_factory=dict)

    @property
    def wait_s(self) -> float:
        """Longest wait for what Ratoon starts by itself, in seconds."""
        return self.tier.trigger_within_s


def create_project(demo: Demo) -> None:
    """Upload the base model, if any, and create the project and its retraining policy."""
    settings: dict[str, Any] = {"rollout": {"bakeSeconds": BAKE_S}, **demo.tier.settings}
    if demo.base is not None:
        digest = demo.client.blobs.upload_tree(demo.base, on_bytes=upload_ticker(demo, demo.base.name))
        settings["training"] = {**settings.get("training", {}), "baseArtifactDigest": digest}
    demo.client.projects.create(
        project_id=demo.project,
        display_name="Mail triage",
        labels=list(CLASSES),
        instructions="Is this mail wanted (ham) or not (spam)? Answer with one word.",
        request_id=f"demo-{demo.project}",
        **settings,
    )
    demo.client.policies.create(
        demo.parent,
        policy_id="default",
        min_answers=demo.tier.min_signals,
        min_feedback=demo.tier.min_signals,
        settle_seconds=5,
        cooldown_seconds=3600,
        request_id=f"demo-{demo.project}",
    )
    demo.measured.note(f"project {demo.project} and its policy created", "request of the demo")


def first_version(demo: Demo) -> None:
    """Run the first pipeline: dataset, labels, split, training, evaluation, gate, registration, rollout."""
    source = upload(demo, "training-mails", demo.corpus.training)
    run = demo.client.pipeline_runs.create(demo.parent, sources=[source.name])
    demo.runs["v1.0"] = follow_run(demo, run.name)
    keep_evaluation(demo, "v1.0")


def upload(demo: Demo, name: str, mails: list[Mail]) -> Source:
    """Upload mails as a source of the project."""
    digest = demo.client.blobs.upload(archive(mails))
    demo.say(f"uploaded {len(mails)} mails as {name}")
    return demo.client.sources.create(
        demo.parent,
        source_id=name,
        display_name=name,
        format=SourceFormat.MAIL_ARCHIVE,
        digest=digest,
        license=LICENSE,
        labels_by_folder=LABELS,
        request_id=f"demo-{name}",
    )


def messages_of(demo: Demo, name: str, mails: list[Mail]) -> list[Message]:
    """Return mails as a mail server would send them: decoded and cleaned by ingestion, with duplicates."""
    source = upload(demo, name, mails)
    client, request_id = demo.client, f"demo-{name}"
    dataset = client.datasets.create(demo.parent, dataset_id=name, display_name=name, request_id=request_id)
    curation = Curation(keep_exact_duplicates=True, near_duplicate_threshold=0, min_chars=1)
    version = client.dataset_versions.create(
        dataset.name, sources=[source.name], curation=curation, request_id=request_id
    )
    client.dataset_versions.wait(version.name)
    texts = {
        record.source_path: Message(record.text, record.source_label)
        for record in client.records.list(version.name, page_size=500)
    }
    ordered = [texts[path] for mail in mails if (path := f"{mail.folder}/{mail.name}") in texts]
    if not ordered:
        raise RatoonError(f"Ingestion accepted no mail of {name}; see {version.name}.")
    return ordered


def control(demo: Demo, messages: list[Message], count: int) -> None:
    """Send the same amount of traffic from the training population; no pipeline run may start."""
    repeated = [messages[i % len(messages)] for i in range(count)]
    random.Random(demo.seed).shuffle(repeated)
    with demo.measured.answers():
        demo.control = send(
            demo.client, demo.project, repeated, ticker(demo, "control mails answered", count)
        )
    demo.say("checking that no pipeline run starts …")
    until = time.monotonic() + _CONTROL_WAIT_S + 2 * 5
    while time.monotonic() < until:
        time.sleep(1)
    started = own_runs(demo)
    demo.facts["controlStarted"] = len(started)
    policy = demo.client.policies.get(f"{demo.parent}/policies/default")
    demo.facts["controlDecision"] = policy.last_decision
    demo.measured.note(
        f"control traffic of {count} mails started {len(started)} pipeline runs",
        demo.facts["controlDecision"],
    )
    if started:
        raise RatoonError(f"The control traffic started {started[0].name}: {started[0].trigger_reason}")


def traffic(demo: Demo, arriving: list[Message]) -> None:
    """Send mail of another kind, with corrections of its readers."""
    tick = ticker(demo, "mails answered", len(arriving))
    with demo.measured.answers():
        demo.exchanges = send(demo.client, demo.project, arriving, tick)
    demo.feedback = give_feedback(demo.client, demo.exchanges, CLASSES, demo.seed)
    demo.measured.note(
        f"{len(arriving)} mails of a new kind answered, {demo.feedback.corrected} corrected",
        "traffic from the demo",
    )


def second_version(demo: Demo) -> None:
    """Wait for an automatic retraining run, and follow it until its rollout."""
    run = wait_for(demo, "an automatic retraining run", lambda: next(iter(own_runs(demo)), None))
    started = run.create_time.isoformat(timespec="milliseconds") if run.create_time else ""
    demo.measured.note(f"{run.name} started automatically", run.trigger_reason, started)
    demo.say(f"{run.name} started automatically: {run.trigger_reason}")
    demo.runs["v1.1"] = follow_run(demo, run.name, stop_at="rollout")
    keep_evaluation(demo, "v1.1")


def switch(demo: Demo) -> None:
    """Roll out the second version while long streams are open on the first."""
    run = demo.runs["v1.1"]
    rollout = next(stage.resource for stage in run.stages if stage.id == "rollout")
    rollouts = demo.client.rollouts
    rollouts.pause(rollout, reason="the demo opens streams on the old version first")
    wait_for(demo, "the attestation of the new engine", lambda: has_step(rollouts.get(rollout), "PROBING"))
    demo.measured.note(
        "the new engine passed attestation of its weights", f"rollout {rollout.rsplit('/', 1)[-1]}"
    )
    count = demo.tier.streams
    wrong = [e.message for e in demo.exchanges[: len(demo.exchanges) // 2] if not _right(e)]
    held, probed = wrong[:count], (wrong[count:] or wrong)[:64]
    _learn_first_words(demo, "v1.0", [*probed, *held])
    streams = OpenStreams(demo.client, demo.project, demo.tier.stream_tokens)
    streams.open(held)
    demo.facts["streamsOpenAtSwitch"] = streams.to_come(TOKENS_TO_COME)
    rollouts.resume(rollout, reason="streams are open")
    opened = f"{demo.facts['streamsOpenAtSwitch']} streams open on the old version"
    demo.measured.note(f"{opened}, rollout resumed")
    demo.say(f"{opened}; requests continue while traffic moves to the new version")
    _ask_across(demo, rollout, probed)
    demo.say("the new version serves; recording the first words of its answers to check attribution")
    _learn_first_words(demo, "v1.1", [*probed, *held])
    later = [e.message for e in demo.exchanges[len(demo.exchanges) // 2 :]]
    with demo.measured.answers():
        tick = ticker(demo, "mails answered by the new version", len(later))
        demo.after = send(demo.client, demo.project, later, tick)
        streams.join()
    demo.streams = streams.streams
    demo.rollout = rollouts.wait(rollout)
    demo.runs["v1.1"] = follow_run(demo, run.name)
    demo.measured.note(
        f"production points to {demo.production()}", f"rollout {rollout.rsplit('/', 1)[-1]} succeeded"
    )


def refuse(demo: Demo) -> None:
    """Train a candidate on flipped labels; the gate must refuse it."""
    flipped = [
        json.dumps(
            {"text": e.message.text, "label": CLASSES[1 - CLASSES.index(e.message.truth)], "id": str(i)}
        )
        for i, e in enumerate(demo.control[: demo.tier.flipped])
    ]
    source = demo.client.sources.create(
        demo.parent,
        source_id="flipped-labels",
        display_name="flipped labels",
        format=SourceFormat.JSONL,
        digest=demo.client.blobs.upload("\n".join(flipped).encode()),
        license=LICENSE,
    )
    before = demo.production()
    created = demo.client.pipeline_runs.create(demo.parent, sources=[source.name])
    run = demo.runs["flipped"] = follow_run(demo, created.name, accept={PipelineRunState.REFUSED})
    keep_evaluation(demo, "flipped")
    reached = demo.evaluations["flipped"].verdict
    verdict = reached.summary if reached else ""
    if run.state != PipelineRunState.REFUSED or demo.production() != before:
        raise RatoonError(f"The candidate trained on flipped labels was not refused: {run.state}. {verdict}")
    demo.measured.note("a candidate trained on flipped labels was refused", verdict)


def roll_back(demo: Demo) -> None:
    """Inject errors into a new version after the switch; it must be rolled back automatically."""
    good = demo.production()
    served = demo.client.model_versions.get(good)
    lineage = served.lineage.to_json() if served.lineage else {}
    version = demo.client.model_versions.create(
        demo.model,
        artifact_digest=served.artifact_digest,
        golden_source_digest=served.golden_source_digest,
        lineage=Lineage.model_validate({**lineage, "parentVersion": good}),
        changelog="Same weights, for the test of a rollback.",
    )
    demo.client.model_versions.wait(version.name)
    rollout = demo.client.rollouts.create(
        demo.deployment, to_version=version.name, bake=RolloutBake(seconds=BAKE_S)
    )
    wait_for(
        demo,
        "the switch to the version that will fail",
        lambda: in_state(demo, rollout, RolloutState.BAKING),
    )
    demo.client.deployments.inject_fault(demo.deployment, version=version.name, error_rate=0.5, seconds=60)
    demo.measured.note(f"errors injected into {short(version.name)}", "the demo tests a rollback")
    began = time.monotonic()
    while (
        not has_ended(state := demo.client.rollouts.get(rollout.name))
        and time.monotonic() - began < demo.tier.trigger_within_s
    ):
        demo.faults += send(demo.client, demo.project, [e.message for e in demo.control[:40]])
    demo.rollback = state
    if state.state != RolloutState.ROLLED_BACK or demo.production() != good:
        raise RatoonError(f"The failing version was not rolled back: {state.state}. {state.reason}")
    demo.measured.note(f"{short(version.name)} was rolled back to {short(good)}", state.reason)


def true_scores(demo: Demo) -> JSON:
    """Return macro-F1 of both versions on the later half of the traffic, against the labels of the corpus."""
    half = demo.exchanges[len(demo.exchanges) // 2 :]
    return {
        "mails": len(half),
        "v1.0": _score(half),
        "v1.1": _score(demo.after),
        "v1.0 on the kept mails": _score(demo.control),
    }


def misattributed(demo: Demo) -> JSON:
    """Count answers that do not match the version in their header, for prompts that distinguish the versions."""
    distinguishing = {
        text for text, words in demo.first_words.items() if len(set(words.values())) == len(words) == 2
    }
    answers = [(e.message.text, e.answer.version, e.answer.text) for e in demo.probes if e.answer]
    answers += [(s.message.text, s.version, s.text) for s in demo.streams]
    checked = [(text, version, answer) for text, version, answer in answers if text in distinguishing]
    wrong = [c for c in checked if not c[2].strip().startswith(demo.first_words[c[0]].get(c[1], "\0"))]
    return {"prompts": len(distinguishing), "checked": len(checked), "misattributed": len(wrong)}


def _ask_across(demo: Demo, rollout: str, messages: list[Message]) -> None:
    """Repeat the same prompts while the traffic moves, until the new version bakes."""
    baking = False
    while not baking:
        state = demo.client.rollouts.get(rollout).state
        baking = state not in (RolloutState.QUEUED, RolloutState.PREPARING, RolloutState.SHIFTING)
        demo.probes += send(demo.client, demo.project, messages[:16], max_tokens=2, ignore_eos=True)
    demo.probes += send(demo.client, demo.project, messages, max_tokens=2, ignore_eos=True)


def _learn_first_words(demo: Demo, version: str, messages: list[Message]) -> None:
    """Record the first word that a version answers to each prompt, by a request to that version."""
    for exchange in send(demo.client, f"{demo.project}@{version}", messages, max_tokens=2, ignore_eos=True):
        if exchange.answer:
            word = _first_word(exchange.answer.text)
            demo.first_words.setdefault(exchange.message.text, {})[exchange.answer.version] = word


def _first_word(text: str) -> str:
    return next((label for label in CLASSES if text.strip().startswith(label)), text.strip()[:4])


def _score(exchanges: list[Exchange]) -> float:
    answered = [e for e in exchanges if e.answer]
    answers = [e.answer.text.strip() for e in answered if e.answer]
    return macro_f1([e.message.truth for e in answered], answers, CLASSES)


def _right(exchange: Exchange) -> bool:
    return exchange.answer is not None and exchange.answer.text.strip() == exchange.message.truth
