"""Steps of the demo over the public HTTP API: a chat model learns to write subject lines and keeps up with new mail."""

import json
import random
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ratoon.client import RatoonError
from ratoon.client.types import (
    Generate,
    GenerateForm,
    GenerationDefaults,
    Metric,
    PipelineRunState,
    ProjectRolloutDefaults,
    Rollout,
    Source,
    SourceColumns,
    SourceFormat,
    TaskSpec,
)
from ratoon.tasks.text_metrics import rouge_l_of_texts
from ratoon_examples.demo.following import (
    Loop,
    follow_run,
    has_step,
    keep_evaluation,
    own_runs,
    ticker,
    upload_ticker,
    wait_for,
)
from ratoon_examples.demo.traffic import CALLERS, Exchange, Message, OpenStreams, Stream, send
from ratoon_examples.subjects.mails import LICENSE, Corpus, Mail
from ratoon_examples.subjects.sizes import FULL, Size

ANSWER_TOKENS = 24
JUNK_SHARE = 0.05
"""Share of the corrections that are the subject line of another mail."""
TOKENS_TO_COME = 40
_SHUFFLED = 120


@dataclass(kw_only=True)
class Demo(Loop):
    """One run of the demo: mails, and collected results."""

    corpus: Corpus
    base: Path | None = None
    """Directory of the chat model from which the first version starts; None: from scratch."""
    size: Size = FULL
    seed: int = 7
    rollout: Rollout | None = None
    control: list[Exchange] = field(default_factory=list)
    """Answers of the first version to mails of the kind that it learned from."""
    before: list[Exchange] = field(default_factory=list)
    """Answers of the first version to new mail."""
    after: list[Exchange] = field(default_factory=list)
    """Answers of the second version to the later half of the new mail."""
    probes: list[Exchange] = field(default_factory=list)
    streams: list[Stream] = field(default_factory=list)
    pinned: dict[str, dict[str, str]] = field(default_factory=dict)
    """Prompt to the answer of each version when it is asked by name."""
    corrected: int = 0
    liked: int = 0
    junk: int = 0

    @property
    def wait_s(self) -> float:
        """Longest wait for what Ratoon starts by itself, in seconds."""
        return self.size.trigger_within_s


def create_project(demo: Demo) -> None:
    """Upload the chat model, if any, and create the project and its retraining policy."""
    settings = dict(demo.size.settings)
    if demo.base is not None:
        digest = demo.client.blobs.upload_tree(demo.base, on_bytes=upload_ticker(demo, demo.base.name))
        settings["training"] = {**settings["training"], "baseArtifactDigest": digest}
    demo.client.projects.create(
        project_id=demo.project,
        display_name="Subject lines",
        task=TaskSpec(
            generate=Generate(
                form=GenerateForm.TEXT,
                defaults=GenerationDefaults(temperature=0, max_tokens=ANSWER_TOKENS),
                stop=["\n"],
            )
        ),
        primary_metric=Metric(name="rouge_l"),
        group_attribute="thread",
        metrics=["rouge_l", "token_f1", "exact_match", "perplexity"],
        instructions="Write the subject line that the author of the mail would have written.",
        rollout=ProjectRolloutDefaults(bake_seconds=demo.size.bake_s),
        request_id=f"demo-{demo.project}",
        **settings,
    )
    half = max(20, demo.size.arriving // 2)
    demo.client.policies.create(
        demo.parent,
        policy_id="default",
        min_answers=half,
        min_feedback=half,
        settle_seconds=5,
        cooldown_seconds=3600,
        request_id=f"demo-{demo.project}",
    )
    demo.measured.note(f"project {demo.project} and its policy created", "request of the demo")


def first_version(demo: Demo) -> None:
    """Run the first pipeline on spam."""
    source = upload(demo, "known-mails", demo.corpus.training)
    run = demo.client.pipeline_runs.create(demo.parent, sources=[source.name])
    demo.runs["v1.0"] = follow_run(demo, run.name)
    keep_evaluation(demo, "v1.0")


def upload(demo: Demo, name: str, mails: Sequence[Mail], subjects: Sequence[str] = ()) -> Source:
    """Upload mails as conversations, one a line, with their own subject lines or with others."""
    lines = [
        json.dumps(conversation(mail, subject), ensure_ascii=False)
        for mail, subject in zip(mails, subjects or [mail.subject for mail in mails], strict=True)
    ]
    demo.say(f"uploading {len(mails)} mails as {name}")
    return demo.client.sources.create(
        demo.parent,
        source_id=name,
        display_name=name,
        format=SourceFormat.JSONL,
        digest=demo.client.blobs.upload("\n".join(lines).encode()),
        columns=SourceColumns(attributes=["thread"]),
        license=LICENSE,
        request_id=f"demo-{name}",
    )


def conversation(mail: Mail, subject: str) -> dict[str, Any]:
    """Return a mail and a subject line as chat data."""
    return {
        "id": mail.id,
        "thread": mail.thread,
        "messages": [
            {"role": "user", "content": mail.prompt},
            {"role": "assistant", "content": subject},
        ],
    }


def control(demo: Demo) -> None:
    """Send mail of the known kind; no pipeline run may start."""
    messages = [Message(mail.prompt, mail.subject) for mail in demo.corpus.held_out]
    demo.control = answers(demo, messages, "control mails answered")
    time.sleep(10)
    started = own_runs(demo)
    demo.facts["controlStarted"] = len(started)
    if started:
        raise RatoonError(f"The control traffic started {started[0].name}: {started[0].trigger_reason}")
    demo.measured.note(f"control traffic of {len(messages)} mails started no pipeline run")


def traffic(demo: Demo) -> None:
    """Send mail of mailing lists; its readers correct the subject lines, some of them with junk."""
    messages = [Message(mail.prompt, mail.subject) for mail in demo.corpus.arriving]
    demo.before = answers(demo, messages, "mails of a new kind answered")
    _give_feedback(demo)
    demo.measured.note(
        f"{len(messages)} mails of a new kind answered, {demo.corrected} corrected, {demo.junk} of them with junk",
        "traffic from the demo",
    )


def answers(demo: Demo, messages: Sequence[Message], what: str) -> list[Exchange]:
    """Send messages to the deployment and return the exchanges."""
    with demo.measured.answers():
        tick = ticker(demo, what, len(messages))
        return send(demo.client, demo.project, messages, tick, max_tokens=ANSWER_TOKENS, stop=["\n"])


def _give_feedback(demo: Demo) -> None:
    draws = random.Random(demo.seed)
    plans: list[Callable[[], Any]] = []
    for exchange in demo.before:
        if exchange.answer is None:
            continue
        is_junk = draws.random() < JUNK_SHARE
        believed = draws.choice(demo.before).message.truth if is_junk else exchange.message.truth
        right = exchange.answer.text.strip() == believed
        feedback = {"thumb": "up"} if right else {"thumb": "down", "correction": believed}
        demo.liked += right
        demo.corrected += not right
        demo.junk += is_junk and not right
        plans.append(_feedback(demo, exchange.answer.answer_id, feedback))
    with ThreadPoolExecutor(CALLERS) as pool:
        for future in [pool.submit(plan) for plan in plans]:
            future.result()


def _feedback(demo: Demo, answer_id: str, feedback: dict[str, str]) -> Callable[[], Any]:
    return lambda: demo.client.chat.feedback(answer_id, **feedback)  # type: ignore[arg-type]


def second_version(demo: Demo) -> None:
    """Wait for an automatic retraining run, and follow it until its rollout."""
    run = wait_for(demo, "an automatic retraining run", lambda: next(iter(own_runs(demo)), None))
    demo.measured.note(f"{run.name} started automatically", run.trigger_reason)
    demo.say(f"{run.name} started automatically: {run.trigger_reason}")
    demo.runs["v1.1"] = follow_run(demo, run.name, stop_at="rollout")
    keep_evaluation(demo, "v1.1")


def switch(demo: Demo) -> None:
    """Roll out the second version while streams are open on the first, and send requests all the while."""
    run = demo.runs["v1.1"]
    rollout = next(stage.resource for stage in run.stages if stage.id == "rollout")
    rollouts = demo.client.rollouts
    rollouts.pause(rollout, reason="the demo opens streams on the old version first")
    wait_for(demo, "the attestation of the new engine", lambda: has_step(rollouts.get(rollout), "PROBING"))
    messages = [exchange.message for exchange in demo.before]
    later, probed = messages[len(messages) // 2 :], messages[: CALLERS * 2]
    _ask_pinned(demo, "v1.0", probed)
    streams = OpenStreams(demo.client, demo.project, demo.size.stream_tokens)
    streams.open(messages[: demo.size.streams], within_s=180)
    demo.facts["streamsOpenAtSwitch"] = streams.to_come(min(TOKENS_TO_COME, demo.size.stream_tokens // 2))
    rollouts.resume(rollout, reason="streams are open")
    demo.measured.note(
        f"{demo.facts['streamsOpenAtSwitch']} streams open on the old version, rollout resumed"
    )
    baking = False
    while not baking:
        state = rollouts.get(rollout).state
        baking = state not in ("STATE_QUEUED", "STATE_PREPARING", "STATE_SHIFTING")
        demo.probes += answers(demo, probed[:CALLERS], "mails answered during the switch")
    _ask_pinned(demo, "v1.1", probed)
    demo.after = answers(demo, later, "mails answered by the new version")
    streams.join()
    demo.streams = streams.streams
    demo.rollout = rollouts.wait(rollout)
    demo.runs["v1.1"] = follow_run(demo, run.name)
    demo.measured.note(f"production points to {demo.production()}", "the rollout succeeded")


def refuse(demo: Demo) -> None:
    """Train a candidate on subject lines of other mails; the gate must refuse it."""
    mails = demo.corpus.training[:_SHUFFLED]
    subjects = [mail.subject for mail in mails]
    random.Random(demo.seed).shuffle(subjects)
    source = upload(demo, "shuffled-subjects", mails, subjects)
    before = demo.production()
    created = demo.client.pipeline_runs.create(demo.parent, sources=[source.name])
    run = demo.runs["shuffled"] = follow_run(demo, created.name, accept={PipelineRunState.REFUSED})
    keep_evaluation(demo, "shuffled")
    reached = demo.evaluations["shuffled"].verdict
    verdict = reached.summary if reached else ""
    if run.state != PipelineRunState.REFUSED or demo.production() != before:
        raise RatoonError(
            f"The candidate trained on other mails' subject lines was not refused: {run.state}. {verdict}"
        )
    demo.measured.note("a candidate trained on other mails' subject lines was refused", verdict)


def true_scores(demo: Demo) -> dict[str, float]:
    """Return ROUGE-L of both versions on the later half of the new mail, against the real subject lines."""
    half = demo.before[len(demo.before) // 2 :]
    return {
        "mails": len(half),
        "v1.0": rouge_l(half),
        "v1.1": rouge_l(demo.after),
        "v1.0 on the kept mails": rouge_l(demo.control),
    }


def rouge_l(exchanges: Sequence[Exchange]) -> float:
    """Return the mean ROUGE-L of answers; a missing answer counts as 0."""
    scores = [
        rouge_l_of_texts(each.answer.text, [each.message.truth]) if each.answer else 0.0 for each in exchanges
    ]
    return sum(scores) / len(scores) if scores else 0.0


def misattributed(demo: Demo) -> dict[str, int]:
    """Count answers that differ from what the version in their header answers when it is asked by name.

    Only prompts to which the two versions answer differently count.
    """
    distinguishing = {text: words for text, words in demo.pinned.items() if len(set(words.values())) == 2}
    checked = wrong = 0
    for each in demo.probes:
        if each.answer and each.message.text in distinguishing:
            checked += 1
            wrong += each.answer.text != distinguishing[each.message.text].get(each.answer.version)
    return {"prompts": len(distinguishing), "checked": checked, "misattributed": wrong}


def _ask_pinned(demo: Demo, version: str, messages: Sequence[Message]) -> None:
    options: dict[str, Any] = {"max_tokens": ANSWER_TOKENS, "stop": ["\n"]}
    for exchange in send(demo.client, f"{demo.project}@{version}", messages, **options):
        if exchange.answer:
            demo.pinned.setdefault(exchange.message.text, {})[exchange.answer.version] = exchange.answer.text
