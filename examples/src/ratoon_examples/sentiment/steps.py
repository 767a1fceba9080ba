"""Steps of the demo over the public HTTP API: ten people rate words, a model learns their mean, and keeps up."""

import json
import random
import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from statistics import fmean
from typing import Any

from ratoon.client import Ratoon, RatoonError
from ratoon.client.types import (
    Annotation,
    Curation,
    Metric,
    PipelineRunProducts,
    ProjectCurationStep,
    ProjectRolloutDefaults,
    Regress,
    Role,
    Source,
    SourceFormat,
    TaskSpec,
)
from ratoon_examples.demo.following import Loop, follow_run, keep_evaluation, own_runs, ticker, wait_for
from ratoon_examples.demo.traffic import CALLERS, Exchange, Message, send
from ratoon_examples.sentiment.ratings import HIGHEST, LICENSE, LOWEST, Corpus, Item
from ratoon_examples.sentiment.sizes import FULL, Size

TOLERANCE = 1.0
JUNK_SHARE = 0.05
"""Share of the corrections that are a number at random."""
RATERS = 10
BATCH = 500
"""Ratings of one request."""
_ANSWER_TOKENS = 8


@dataclass(kw_only=True)
class Demo(Loop):
    """One run of the demo: items, and collected results."""

    corpus: Corpus
    size: Size = FULL
    seed: int = 7
    control: list[Exchange] = field(default_factory=list)
    before: list[Exchange] = field(default_factory=list)
    """Answers of the first version to what arrives."""
    during: list[Exchange] = field(default_factory=list)
    """Answers while the traffic moves to the second version."""
    after: list[Exchange] = field(default_factory=list)
    """Answers of the second version to the later half of what arrived."""
    corrected: int = 0
    liked: int = 0
    junk: int = 0

    @property
    def wait_s(self) -> float:
        """Longest wait for what Ratoon starts by itself, in seconds."""
        return self.size.trigger_within_s


def create_project(demo: Demo) -> None:
    """Create the project and its retraining policy."""
    demo.client.projects.create(
        project_id=demo.project,
        display_name="Strength of sentiment",
        task=TaskSpec(regress=Regress(min=LOWEST, max=HIGHEST, tolerance=TOLERANCE)),
        primary_metric=Metric(name="mae"),
        metrics=["mae", "rmse", "r2", "spearman"],
        instructions="How strong is the sentiment, from -4 (very negative) to 4 (very positive)?",
        curation=[
            ProjectCurationStep(name="length", params={"min_chars": "1"}),
            ProjectCurationStep(name="near_duplicates", params={"threshold": "0"}),
        ],
        rollout=ProjectRolloutDefaults(bake_seconds=demo.size.bake_s),
        request_id=f"demo-{demo.project}",
        **demo.size.settings,
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


def rate(demo: Demo) -> None:
    """Upload the words without answers, and let ten people rate each of them."""
    source = _upload(demo, "words", demo.corpus.training)
    demo.facts["source"] = source.name
    records = _records(demo, source)
    raters = [_rater(demo, number) for number in range(RATERS)]
    tick = ticker(demo, "ratings given", len(records) * RATERS)
    done = 0
    for first in range(0, len(records), BATCH):
        batch = list(records.items())[first : first + BATCH]
        for number, rater in enumerate(raters):
            given = [
                Annotation(record_id=record_id, label=str(item.ratings[number])) for record_id, item in batch
            ]
            request_id = f"demo-{demo.project}-{number}-{first}"
            rater.annotations.batch_create(demo.parent, annotations=given, request_id=request_id)
            done += len(given)
            tick(done)
    for rater in raters:
        rater.close()
    demo.measured.note(f"{len(records)} words rated by {RATERS} people each", "annotations of the demo")


def first_version(demo: Demo) -> None:
    """Run the first pipeline on the rated words."""
    run = demo.client.pipeline_runs.create(demo.parent, sources=[demo.facts["source"]])
    demo.runs["v1.0"] = follow_run(demo, run.name)
    products = demo.runs["v1.0"].products or PipelineRunProducts()
    label_set = demo.client.label_sets.get(products.label_set)
    demo.facts["agreementAlpha"] = label_set.agreement_alpha
    demo.measured.note(
        f"agreement of the raters: alpha {label_set.agreement_alpha:.3f} over {label_set.label_count} words"
        if label_set.agreement_alpha is not None
        else "the agreement of the raters was not measured"
    )
    keep_evaluation(demo, "v1.0")


def control(demo: Demo) -> None:
    """Ask for words of the known kind; no pipeline run may start."""
    demo.control = _answers(demo, demo.corpus.held_out, "control words answered")
    time.sleep(10)
    if started := own_runs(demo):
        raise RatoonError(f"The control traffic started {started[0].name}: {started[0].trigger_reason}")
    demo.measured.note(f"control traffic of {len(demo.control)} words started no pipeline run")


def traffic(demo: Demo) -> None:
    """Ask for strong complaints; users correct the numbers, some of them at random."""
    demo.before = _answers(demo, demo.corpus.arriving, "complaints answered")
    draws = random.Random(demo.seed)
    plans: list[tuple[str, dict[str, Any]]] = []
    for exchange in demo.before:
        if exchange.answer is None:
            continue
        is_junk = draws.random() < JUNK_SHARE
        believed = f"{draws.uniform(LOWEST, HIGHEST):.1f}" if is_junk else exchange.message.truth
        right = not is_junk and _distance(exchange) <= TOLERANCE
        demo.liked += right
        demo.corrected += not right
        demo.junk += is_junk
        feedback = {"thumb": "up"} if right else {"thumb": "down", "correction": believed}
        plans.append((exchange.answer.answer_id, feedback))
    with ThreadPoolExecutor(CALLERS) as pool:
        list(pool.map(lambda plan: demo.client.chat.feedback(plan[0], **plan[1]), plans))
    demo.measured.note(
        f"{len(demo.before)} complaints answered, {demo.corrected} corrected, {demo.junk} of them at random",
        "traffic from the demo",
    )


def second_version(demo: Demo) -> None:
    """Wait for an automatic retraining run, and send requests until its version serves."""
    run = wait_for(demo, "an automatic retraining run", lambda: next(iter(own_runs(demo)), None))
    demo.measured.note(f"{run.name} started automatically", run.trigger_reason)
    demo.say(f"{run.name} started automatically: {run.trigger_reason}")
    over = threading.Event()
    asking = threading.Thread(target=_ask_until, args=(demo, over), daemon=True)
    asking.start()
    try:
        demo.runs["v1.1"] = follow_run(demo, run.name)
    finally:
        over.set()
        asking.join()
    keep_evaluation(demo, "v1.1")
    later = demo.corpus.arriving[len(demo.corpus.arriving) // 2 :]
    demo.after = _answers(demo, later, "complaints answered by the new version")
    demo.measured.note(f"production points to {demo.production()}", "the rollout succeeded")


def true_scores(demo: Demo) -> dict[str, float]:
    """Return the mean absolute error of both versions on the later half of what arrived."""
    half = demo.before[len(demo.before) // 2 :]
    return {
        "complaints": len(half),
        "v1.0": mean_error(half),
        "v1.1": mean_error(demo.after),
        "v1.0 on the kept words": mean_error(demo.control),
    }


def mean_error(exchanges: Sequence[Exchange]) -> float:
    """Return the mean absolute error of answers; what is no number counts as far off as can be."""
    return fmean(map(_distance, exchanges)) if exchanges else 0.0


def _distance(exchange: Exchange) -> float:
    truth = float(exchange.message.truth)
    try:
        answered = float(exchange.answer.text) if exchange.answer else None
    except ValueError:
        answered = None
    worst = max(HIGHEST - truth, truth - LOWEST)
    return worst if answered is None else min(abs(answered - truth), worst)


def _upload(demo: Demo, name: str, items: Sequence[Item]) -> Source:
    lines = [json.dumps({"text": item.text, "id": str(number)}) for number, item in enumerate(items)]
    return demo.client.sources.create(
        demo.parent,
        source_id=name,
        display_name=name,
        format=SourceFormat.JSONL,
        digest=demo.client.blobs.upload("\n".join(lines).encode()),
        license=LICENSE,
        request_id=f"demo-{name}",
    )


def _records(demo: Demo, source: Source) -> dict[str, Item]:
    """Return the items by the IDs of their records."""
    client, request_id = demo.client, f"demo-{demo.project}-rating"
    dataset = client.datasets.create(demo.parent, dataset_id="rating", request_id=request_id)
    version = client.dataset_versions.create(
        dataset.name,
        sources=[source.name],
        curation=Curation(min_chars=1, near_duplicate_threshold=0),
        request_id=request_id,
    )
    client.dataset_versions.wait(version.name)
    items = {item.text: item for item in demo.corpus.training}
    records = {
        record.record_id: items[record.text]
        for record in client.records.list(version.name, page_size=500)
        if record.text in items
    }
    if len(records) < 0.9 * len(items):
        raise RatoonError(f"Only {len(records)} of {len(items)} words became records; see {version.name}.")
    return records


def _rater(demo: Demo, number: int) -> Ratoon:
    """Return a client with a key of its own: annotations count by the key that gives them."""
    created = demo.client.api_keys.create(
        parent=demo.parent, display_name=f"rater {number + 1}", role=Role.ANNOTATOR
    )
    return Ratoon(base_url=demo.client.base_url, api_key=created.secret, timeout=demo.size.request_timeout_s)


def _answers(demo: Demo, items: Sequence[Item], what: str) -> list[Exchange]:
    messages = [Message(item.text, item.strength) for item in items]
    with demo.measured.answers():
        tick = ticker(demo, what, len(messages))
        return send(demo.client, demo.project, messages, tick, max_tokens=_ANSWER_TOKENS)


def _ask_until(demo: Demo, over: threading.Event) -> None:
    """Send a few requests all the while, as users do."""
    messages = [Message(item.text, item.strength) for item in demo.corpus.held_out[:8]]
    while not over.wait(1.0):
        demo.during += send(demo.client, demo.project, messages, callers=2, max_tokens=_ANSWER_TOKENS)
