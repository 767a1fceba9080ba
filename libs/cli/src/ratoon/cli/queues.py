"""Commands of queues: unlabelled records become tasks, and people's answers labels."""

import json
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ratoon.cli.columns import COLUMNS
from ratoon.cli.context import Session, session
from ratoon.cli.documents import read_settings
from ratoon.cli.names import name_argument
from ratoon.cli.output import as_json, follow, say, show, show_newest
from ratoon.cli.resources import LIMIT, Limit, Name, group

if TYPE_CHECKING:
    from ratoon.client.types import ExchangeFormat

app = group("queues", "Queues of records to label.", deletes=True)
_FORMATS = "label-studio, argilla, jsonl or csv."
_WRITTEN = "label-studio, argilla, jsonl or csv; of the work compare: preferences or label-studio; rate: preferences."
QueueName = Annotated[str, name_argument(help="Id or name of the queue.")]


@app.command("create")
def create_queue(
    context: typer.Context,
    queue: Annotated[str, name_argument(help="Id of the new queue.")],
    guideline: Annotated[str, typer.Option(help="Id or name of the guideline.")],
    version: Annotated[
        str,
        typer.Option(help="Dataset version whose records become tasks; empty: answers enter by rules alone."),
    ] = "",
    overlap: Annotated[int, typer.Option(help="Annotators of each task.")] = 1,
    size: Annotated[int, typer.Option(help="Tasks that a refill draws.")] = 50,
    threshold: Annotated[
        int, typer.Option(help="Refill when fewer open tasks are left; 0: on request only.")
    ] = 0,
    strategy: Annotated[str, typer.Option(help="random, margin, entropy or label_errors.")] = "random",
    work: Annotated[str, typer.Option(help="answer; or rate or compare the answers of records.")] = "answer",
    settings: Annotated[Path | None, typer.Option(help="YAML or JSON file with more fields.")] = None,
) -> None:
    """Create a queue. Records without an answer become tasks with the first refill."""
    chosen = session(context)
    fields: dict[str, Any] = {
        "dataset_version": chosen.version(version, "datasets") if version else "",
        "guideline": chosen.name(guideline, "guidelines"),
        "overlap": overlap,
        "work": f"WORK_{work.upper()}",
        "refill_rule": {
            "size": size,
            "threshold": threshold,
            "strategy": f"STRATEGY_{strategy.upper()}",
        },
        **read_settings(settings, "queues"),
    }
    show(chosen.client.queues.create(chosen.parent(), queue_id=queue, **fields), chosen.output)


@app.command("refill")
def refill_queue(
    context: typer.Context,
    queue: QueueName,
    size: Annotated[int, typer.Option(help="Tasks to draw; 0: as many as the rule says.")] = 0,
    wait: Annotated[bool, typer.Option(help="Wait for the end of the refill.")] = True,
) -> None:
    """Draw records into a queue."""
    chosen = session(context)
    refill = chosen.client.refills.create(_name(chosen, queue), size=size)
    show(follow(chosen.client, refill.name, chosen.output) if wait else refill, chosen.output)


@app.command("refills")
def list_refills(context: typer.Context, queue: QueueName, limit: Limit = LIMIT) -> None:
    """List the newest refills of a queue, oldest first."""
    chosen = session(context)
    refills = partial(chosen.client.refills.list, _name(chosen, queue))
    show_newest(refills, limit, COLUMNS["refills"], chosen.output)


@app.command("next")
def claim_next(
    context: typer.Context,
    queue: QueueName,
    to_review: Annotated[bool, typer.Option(help="Claim a task that waits for a reviewer.")] = False,
) -> None:
    """Claim the next task of a queue and show it with its text."""
    chosen = session(context)
    name = _name(chosen, queue)
    claimed = chosen.client.tasks.claim(chosen.parent(), queue=name, to_review=to_review).task
    if claimed is None:
        say(f"No task of {name} waits for you.")
        raise typer.Exit(1)
    text = claimed.text
    if not claimed.answer_id:
        record = chosen.client.records.get(
            claimed.dataset_version or "",
            claimed.record_id or "",
            reader=claimed.name,
            purpose="Answered by an annotator",
        )
        text = as_json(record).get("text", "")
    show({**as_json(claimed), "text": text}, chosen.output)


@app.command("add-rule")
def add_rule(
    context: typer.Context,
    queue: QueueName,
    rule: Annotated[str, typer.Argument(help="Id of the rule; a rule with this id is replaced.")],
    traffic: Annotated[float, typer.Option(help="Share of the answers of a deployment, up to 1.")] = 0.0,
    uncertain: Annotated[
        bool, typer.Option("--uncertain", help="Choose the answers of which the model is least certain.")
    ] = False,
    low_rated: Annotated[
        bool, typer.Option("--low-rated", help="Answers with a thumb down or a low rating.")
    ] = False,
    max_rating: Annotated[int, typer.Option(help="Highest rating of a low-rated answer, 1 to 4.")] = 2,
    conflicts: Annotated[
        bool, typer.Option("--conflicts", help="Also answers to one text whose corrections differ.")
    ] = False,
    bad_cases: Annotated[
        bool, typer.Option("--bad-cases", help="Wrong answers of evaluation runs that succeed from now on.")
    ] = False,
    run: Annotated[str, typer.Option(help="Evaluation run of the bad cases [all]")] = "",
    deployment: Annotated[str, typer.Option(help="Id or name of the deployment [all]")] = "",
    max_per_day: Annotated[int, typer.Option(help="Tasks a day.")] = 100,
    max_tasks: Annotated[int, typer.Option(help="Tasks in all.")] = 1000,
) -> None:
    """Let answers of models enter a queue by a rule."""
    chosen = session(context)
    sources: dict[str, Any] = {}
    if traffic:
        choice = "CHOICE_UNCERTAIN" if uncertain else "CHOICE_RANDOM"
        sources["traffic"] = {"deployment": deployment, "share": traffic, "choice": choice}
    if low_rated:
        sources["lowRated"] = {
            "deployment": deployment,
            "maxRating": max_rating,
            "conflicts": conflicts,
        }
    if bad_cases or run:
        sources["badCases"] = {"evaluationRun": run}
    if len(sources) != 1:
        raise typer.BadParameter("Give one of --traffic, --low-rated and --bad-cases.")
    added = {"id": rule, "maxPerDay": max_per_day, "maxTasks": max_tasks, **sources}
    current = chosen.client.queues.get(_name(chosen, queue))
    rules: list[Any] = [*(each for each in current.intake_rules or () if each.id != rule), added]
    show(
        chosen.client.queues.update(current.name or "", etag=current.etag or "", intake_rules=rules),
        chosen.output,
    )


@app.command("remove-rule")
def remove_rule(
    context: typer.Context,
    queue: QueueName,
    rule: Annotated[str, typer.Argument(help="Id of the rule.")],
) -> None:
    """Remove a rule of a queue; its tasks stay."""
    chosen = session(context)
    current = chosen.client.queues.get(_name(chosen, queue))
    rules = current.intake_rules or []
    if all(each.id != rule for each in rules):
        raise typer.BadParameter(f"{current.name} has no rule {rule}.")
    others = [each for each in rules if each.id != rule]
    show(
        chosen.client.queues.update(current.name or "", etag=current.etag or "", intake_rules=others),
        chosen.output,
    )


@app.command("undo")
def undo_answer(context: typer.Context, task: Name) -> None:
    """Withdraw your answer to a task, so that you can answer it again."""
    chosen = session(context)
    show(chosen.client.tasks.withdraw(chosen.name(task, "tasks")), chosen.output)


@app.command("summary")
def summarize_queue(context: typer.Context, queue: QueueName) -> None:
    """Show the answers of a queue, the agreement of annotators and their quality."""
    chosen = session(context)
    show(chosen.client.queues.summarize(_name(chosen, queue)), chosen.output)


@app.command("gold")
def add_gold_items(
    context: typer.Context,
    queue: QueueName,
    items: Annotated[
        Path, typer.Argument(help="JSON Lines file of objects with recordId and label.", exists=True)
    ],
) -> None:
    """Add records whose answer is known; annotators see them as other tasks."""
    chosen = session(context)
    try:
        lines: list[Any] = [
            json.loads(each) for each in items.read_text("utf-8").splitlines() if each.strip()
        ]
    except ValueError as error:
        raise typer.BadParameter(f"{items} is not a JSON Lines file: {error}") from None
    show(chosen.client.queues.add_gold_items(_name(chosen, queue), items=lines), chosen.output)


@app.command("export")
def export_queue(
    context: typer.Context,
    queue: QueueName,
    file: Annotated[Path, typer.Argument(help="File to write.")],
    format: Annotated[str, typer.Option(help=_WRITTEN)] = "label-studio",
    config: Annotated[
        Path | None, typer.Option(help="Where to write the labeling config of Label Studio.")
    ] = None,
) -> None:
    """Write the tasks of a queue with their answers for another annotation tool."""
    chosen = session(context)
    exported = chosen.client.queues.export(_name(chosen, queue), format=_format(format))
    chosen.client.blobs.download_to(exported.digest or "", file)
    if config:
        config.write_text(exported.label_config or "", "utf-8")
    show(exported, chosen.output)


@app.command("import")
def import_annotations(
    context: typer.Context,
    file: Annotated[Path, typer.Argument(help="File with answers.", exists=True)],
    version: Annotated[str, typer.Option(help="Dataset version that holds the records.")],
    guideline: Annotated[str, typer.Option(help="Id or name of the guideline.")],
    format: Annotated[str, typer.Option(help=_FORMATS)] = "label-studio",
    control: Annotated[str, typer.Option(help="Control or question whose answers count [the first]")] = "",
    human: Annotated[
        bool, typer.Option("--human", help="People gave the answers, and you vouch for it.")
    ] = False,
) -> None:
    """Store the answers in a file of another annotation tool as annotations."""
    from ratoon.client.types import AnnotationSource

    chosen = session(context)
    result = chosen.client.annotations.import_file(
        chosen.parent(),
        dataset_version=chosen.version(version, "datasets"),
        guideline=chosen.name(guideline, "guidelines"),
        digest=chosen.client.blobs.upload(file),
        format=_format(format),
        control=control,
        source=AnnotationSource.HUMAN if human else AnnotationSource.IMPORT,
    )
    show(result, chosen.output)


def _format(name: str) -> "ExchangeFormat":
    from ratoon.client.types import ExchangeFormat

    try:
        return ExchangeFormat(f"EXCHANGE_FORMAT_{name.upper().replace('-', '_')}")
    except ValueError:
        raise typer.BadParameter(f"{name!r} is none of {_FORMATS}") from None


def _name(chosen: Session, queue: str) -> str:
    return chosen.name(queue, "queues")
