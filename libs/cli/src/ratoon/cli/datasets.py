"""Commands for data: import with a preview, sources, versions, records, rejections."""

import json
import sys
from collections.abc import Iterator, Sequence
from enum import StrEnum
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Annotated, Any

import typer

from ratoon.cli.columns import COLUMNS
from ratoon.cli.context import Session, session
from ratoon.cli.names import name_argument
from ratoon.cli.output import JSON, Output, as_json, follow, say, say_error, show, show_newest, show_rows
from ratoon.cli.resources import LIMIT, Limit, group
from ratoon.client import APIStatusError, RatoonError
from ratoon.client.local_data import (
    Upload,
    create_uploaded,
    format_name,
    format_of,
    preview,
    upload_data,
    with_format,
)
from ratoon.client.records import find_records, lineage_of
from ratoon.tasks.curation import BadStep, parsed_steps
from ratoon.tasks.labels import match_label

_LABELS = 12
_RATED: dict[object, str] = {True: "good", False: "bad", None: "answer"}
_TEXT = 100
_CHANGES = 3
_COLUMN_PROBLEMS = ("COLUMN_MISSING", "COLUMN_TWICE")

Version = Annotated[str, name_argument(help="Version id (v1) or name as tables print it.")]
SourceName = Annotated[str, name_argument(help="Source id or name as tables print it.")]


class SampleBy(StrEnum):
    """Part of a text file or a document that is one record."""

    LINE = "line"
    PARAGRAPH = "paragraph"
    DOCUMENT = "document"
    PAGE = "page"


def _column(what: str, default: str = "detected") -> Any:
    return typer.Option(help=f"Name of the column of the {what}.", show_default=default)


TextColumn = Annotated[str | None, _column("text", "text")]
LabelColumn = Annotated[str | None, _column("label", "label")]
IdColumn = Annotated[str | None, _column("id", "id")]
TimeColumn = Annotated[str | None, _column("time of receipt", "time")]
MessagesColumn = Annotated[str | None, _column("messages of a conversation")]
PromptColumn = Annotated[str | None, _column("prompt: a text or messages")]
AnswerColumn = Annotated[str | None, _column("right answer, or of the chosen one of two")]
RejectedColumn = Annotated[str | None, _column("rejected answer")]
SystemColumn = Annotated[str | None, _column("system prompt")]
ToolsColumn = Annotated[str | None, _column("tools that the assistant may call")]
WeightColumn = Annotated[str | None, _column("weight in training, a number above 0", "none")]
Attributes = Annotated[
    list[str] | None,
    typer.Option(
        help="Column to keep as an attribute, for slices and groups of splits (repeatable; empty: none).",
        show_default="none",
    ),
]
SampleByOption = Annotated[
    SampleBy | None,
    typer.Option(
        help="Part of a text file that is one record; `page`: each page of a PDF, each chapter of an EPUB.",
        show_default="line; of documents the whole",
    ),
]

ArchiveDepth = Annotated[
    int | None,
    typer.Option(
        min=0, max=10, help="Levels of archives within archives to read; 0: none.", show_default="3"
    ),
]


def _existing_path(text: str) -> Path:
    """Return a path; raise typer.BadParameter for one that does not exist, or an empty text."""
    if not text or not Path(text).exists():
        raise typer.BadParameter(f"{text!r} does not exist.")
    return Path(text)


_FORMATS = (
    "mail-archive, mbox, text-archive, jsonl, csv, parquet, text, document, excel, arrow, warc, wikipedia, "
    "media-archive or label-studio"
)

app = group("datasets", "Data sources, dataset versions, records.", deletes=True)
sources = typer.Typer(help="Imported data sources.", invoke_without_command=True)
app.add_typer(sources, name="sources")


@app.command("import")
def import_source(
    context: typer.Context,
    path: Annotated[
        Path,
        typer.Argument(
            help="Directory of texts or documents (subdirectories are labels), mail archive, table, document, "
            "text file, web archive or dump of a wiki.",
            parser=_existing_path,
        ),
    ],
    format: Annotated[
        str,
        typer.Option(help=f"Data format: auto, {_FORMATS}."),
    ] = "auto",
    license: Annotated[str, typer.Option(help="SPDX identifier of the licence of the data.")] = "",
    text: TextColumn = None,
    label: LabelColumn = None,
    id_column: IdColumn = None,
    time: TimeColumn = None,
    messages: MessagesColumn = None,
    prompt: PromptColumn = None,
    answer: AnswerColumn = None,
    rejected: RejectedColumn = None,
    system: SystemColumn = None,
    tools: ToolsColumn = None,
    weight: WeightColumn = None,
    attribute: Attributes = None,
    sample_by: SampleByOption = None,
    archive_depth: ArchiveDepth = None,
    encoding: Annotated[
        str,
        typer.Option(
            help="Character encoding of the file, such as gb18030 or windows-1252.", show_default="detected"
        ),
    ] = "",
    id: Annotated[str, typer.Option(help="Id of the new source.", show_default="generated")] = "",
    step: Annotated[
        list[str] | None,
        typer.Option(
            help="Step of curation to preview: NAME or NAME:PARAMETER=VALUE;PARAMETER=VALUE (repeatable).",
            show_default="none",
        ),
    ] = None,
    only_preview: Annotated[
        bool, typer.Option("--preview", help="Show the preview and exit without importing.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Skip the confirmation.")] = False,
) -> None:
    """Show a preview of your data, then import the data as a source for pipeline runs."""
    if step and not only_preview:
        raise typer.BadParameter(
            "--step goes with --preview; the steps of a version are those of its project."
        )
    steps = step or []
    _check_steps(steps)
    chosen = session(context)
    project = chosen.client.projects.get(chosen.parent())
    named = {
        "text": text,
        "label": label,
        "id": id_column,
        "time": time,
        "messages": messages,
        "prompt": prompt,
        "answer": answer,
        "rejected": rejected,
        "system": system,
        "tools": tools,
        "weight": weight,
    }
    columns = {role: name for role, name in named.items() if name}
    upload = upload_data(
        chosen.client,
        path,
        format,
        columns,
        encoding=encoding,
        attributes=attribute or [],
        sample_by=sample_by.value if sample_by else "",
        archive_depth=archive_depth,
    )
    result = _preview_of(chosen, upload, steps)
    if only_preview:
        _show_preview(result, chosen.output)
        raise typer.Exit(1 if result.get("problem") else 0)
    if result:
        _check_usable(result)
        upload = with_format(upload, format_name(result["format"]))
        _print_preview(result)
        _warn_of_labels(result, project.labels)
        if not yes and chosen.output.is_for_people and sys.stdin.isatty():
            typer.confirm("Import the data with these settings?", default=True, abort=True)
    if not upload.format:
        upload = with_format(upload, format_of(path))
    source = create_uploaded(chosen.client, chosen.parent(), upload, license, id)
    show(source, chosen.output)
    say(f"Next: ratoon --project {chosen.project} pipelines run --source {source.name.rsplit('/', 1)[-1]}")


@sources.callback()
def _sources(context: typer.Context) -> None:
    if context.invoked_subcommand is None:
        list_sources(context)


@sources.command("list")
def list_sources(context: typer.Context, limit: Limit = LIMIT) -> None:
    """List the newest sources, oldest first."""
    chosen = session(context)
    show_newest(
        partial(chosen.client.sources.list, chosen.parent()), limit, COLUMNS["sources"], chosen.output
    )


@sources.command("show")
def show_source(context: typer.Context, source: SourceName) -> None:
    """Show one source: format, columns, licence and digest."""
    chosen = session(context)
    show(chosen.client.sources.get(chosen.name(source, "sources")), chosen.output)


@sources.command("update")
def update_source(
    context: typer.Context,
    source: SourceName,
    text: TextColumn = None,
    label: LabelColumn = None,
    id_column: IdColumn = None,
    time: TimeColumn = None,
    messages: MessagesColumn = None,
    prompt: PromptColumn = None,
    answer: AnswerColumn = None,
    rejected: RejectedColumn = None,
    system: SystemColumn = None,
    tools: ToolsColumn = None,
    weight: WeightColumn = None,
    attribute: Attributes = None,
    sample_by: SampleByOption = None,
    archive_depth: ArchiveDepth = None,
    encoding: Annotated[str | None, typer.Option(help="Character encoding; empty: detect it.")] = None,
    format: Annotated[
        str | None,
        typer.Option(help=f"Data format: {_FORMATS}."),
    ] = None,
    license: Annotated[str | None, typer.Option(help="SPDX identifier of the licence of the data.")] = None,
    name: Annotated[str | None, typer.Option(help="Display name.")] = None,
) -> None:
    """Update how a source is read (until a dataset version is built from it), its licence or its display name."""
    from ratoon.client.types import SourceFormat, SourceSampleBy

    chosen = session(context)
    columns = {
        "text": text,
        "label": label,
        "id": id_column,
        "time": time,
        "messages": messages,
        "prompt": prompt,
        "answer": answer,
        "rejected": rejected,
        "system": system,
        "tools": tools,
        "weight": weight,
        "attributes": None if attribute is None else [name for name in attribute if name],
    }
    changes: JSON = {"encoding": encoding, "license": license, "display_name": name}
    changes = {field: value for field, value in changes.items() if value is not None}
    if named := {role: column for role, column in columns.items() if column is not None}:
        changes["columns"] = named
    if archive_depth is not None:
        changes["archive_depth"] = archive_depth
    if sample_by is not None:
        changes["sample_by"] = SourceSampleBy(f"SAMPLE_BY_{sample_by.value.upper()}")
    if format is not None:
        changes["format"] = SourceFormat(f"FORMAT_{format.upper().replace('-', '_')}")
    if not changes:
        raise typer.BadParameter(
            "Give at least one field to change: --text, --label, --encoding, --license, …"
        )
    full = chosen.name(source, "sources")
    etag = chosen.client.sources.get(full).etag
    show(chosen.client.sources.update(full, **changes, etag=etag), chosen.output)


@sources.command("delete")
def delete_source(
    context: typer.Context,
    source: SourceName,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Skip the confirmation.")] = False,
) -> None:
    """Delete a source. It must not be in use by a dataset version."""
    chosen = session(context)
    full = chosen.name(source, "sources")
    read = chosen.client.sources.get(full)
    if not yes:
        typer.confirm(f"Delete the source {read.display_name or full}?", abort=True)
    chosen.client.sources.delete(full, etag=read.etag)
    say(f"Deleted {full}.")


@app.command("versions")
def list_versions(
    context: typer.Context,
    dataset: Annotated[
        str, name_argument(help="Dataset id or name.", show_default="the project's dataset")
    ] = "",
    limit: Limit = LIMIT,
) -> None:
    """List the newest versions of a dataset, oldest first."""
    chosen = session(context)
    name = chosen.name(dataset or chosen.project, "datasets")
    versions = partial(chosen.client.dataset_versions.list, name)
    show_newest(versions, limit, COLUMNS["dataset_versions"], chosen.output)


@app.command("records")
def list_records(
    context: typer.Context,
    version: Version,
    limit: Annotated[int, typer.Option(min=1, help="Maximum number of records to show.")] = 20,
) -> None:
    """Show records of a version with their text."""
    chosen = session(context)
    rows = chosen.client.records.list(chosen.version(version, "datasets"), page_size=min(limit, 500))
    show_rows(islice(rows, limit), COLUMNS["records"], chosen.output)


@app.command("find")
def find(
    context: typer.Context,
    text: Annotated[str, typer.Argument(help="Text or a part of it; `-` reads standard input.")],
    version: Annotated[str, typer.Option(help="Search only this version.")] = "",
    limit: Annotated[int, typer.Option(min=1, help="Maximum number of records to show.")] = 20,
) -> None:
    """Find the records that contain a text. Prints full ids for `lineage` and `erase`."""
    chosen = session(context)
    sought = sys.stdin.read() if text == "-" else text
    if not sought.strip():
        raise typer.BadParameter("The text to search for is empty.")
    scope = chosen.version(version, "datasets") if version else ""
    matches = islice(find_records(chosen.client, chosen.parent(), sought, scope), limit)
    rows = [{**as_json(record), "version": name} for name, record in matches]
    show_rows(
        rows, ["recordId", "version", "sourceLabel", "text"], chosen.output, "No record contains this text."
    )
    if not rows:
        raise typer.Exit(1)


@app.command("rejections")
def list_rejections(
    context: typer.Context,
    version: Version,
    limit: Annotated[int, typer.Option(min=1, help="Maximum number of items to show.")] = 20,
) -> None:
    """Show the source items that a version rejected, and the reasons."""
    chosen = session(context)
    rows = chosen.client.rejections.list(chosen.version(version, "datasets"), page_size=min(limit, 500))
    show_rows(islice(rows, limit), COLUMNS["rejections"], chosen.output)


@app.command("profile")
def show_profile(context: typer.Context, version: Version) -> None:
    """Show the data profile of a version and what each curation step removed."""
    chosen = session(context)
    name = chosen.version(version, "datasets")
    show(json.loads(chosen.client.dataset_versions.get(name).profile_json or "{}"), chosen.output)


@app.command("lineage")
def show_lineage(
    context: typer.Context,
    record: Annotated[str, name_argument(help="Record id.")],
    reader: Annotated[
        str, typer.Option(help="Reader of a sealed record: a digest or a resource name.", show_default="none")
    ] = "",
    purpose: Annotated[str, typer.Option(help="Purpose of the reading of a sealed record; logged.")] = "",
) -> None:
    """Show the dataset versions, splits and models that contain or contained a record, including an erased one.

    A record of a test part is sealed: it needs a reader and a purpose, and the reading is logged at the split.
    """
    chosen = session(context)
    lineage, versions = lineage_of(chosen.client, chosen.parent(), record, reader, purpose)
    show({**as_json(lineage), "modelVersions": versions}, chosen.output)


@app.command("erase")
def erase_records(
    context: typer.Context,
    records: Annotated[list[str], name_argument(help="Record ids.")],
    reason: Annotated[str, typer.Option(help="Reason. It is stored: do not include personal data.")],
    shared_attachments: Annotated[
        bool,
        typer.Option(
            "--shared-attachments",
            help="Erase, in addition, the records that have an image, audio, video or file of one of these.",
        ),
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Skip the confirmation.")] = False,
) -> None:
    """Erase records permanently from everything that the project stores."""
    chosen = session(context)
    if not yes:
        counted = "1 record" if len(records) == 1 else f"{len(records)} records"
        typer.confirm(f"Erase {counted} of project {chosen.project} permanently?", abort=True)
    created = chosen.client.erasures.create(
        chosen.parent(), record_ids=records, reason=reason, shared_attachments=shared_attachments or None
    )
    erased = follow(chosen.client, created.name, chosen.output)
    show(erased, chosen.output)
    for source in erased.get("unreadSources", []):
        say(
            f"{source} may still contain the texts because it cannot be read completely. Delete it, or correct how it "
            "is read, and erase again."
        )
    if retained := erased.get("retainedAttachments", []):
        say(
            f"Files of these records that stay, because other records have them: {len(retained)}. "
            "`--shared-attachments` erases those records as well."
        )
    say("Models trained on these records are unchanged. List them with `ratoon datasets lineage RECORD`.")


def _check_steps(steps: Sequence[str]) -> None:
    """Raise typer.BadParameter if a step of an option is not valid."""
    try:
        parsed_steps(steps)
    except BadStep as error:
        raise typer.BadParameter(str(error)) from None


def _preview_of(chosen: Session, upload: Upload, steps: Sequence[str]) -> JSON:
    """Return the preview. If no preview is possible, print the reason and return an empty object."""
    try:
        return as_json(preview(chosen.client, chosen.parent(), upload, steps=steps))
    except APIStatusError as error:
        if error.reason != "PREVIEW_FAILED":
            raise
        say(f"No preview is available: {error}")
        return {}


def _check_usable(result: JSON) -> None:
    if not result.get("problem"):
        return
    advice = (
        " (--text COLUMN, --label COLUMN, --prompt COLUMN, --answer COLUMN, …)"
        if result.get("problemReason") in _COLUMN_PROBLEMS
        else ""
    )
    raise RatoonError(f"Nothing was imported. {result['problem']}{advice}")


def _show_preview(result: JSON, output: Output) -> None:
    if not output.is_for_people:
        show(result, output)
        return
    _print_preview(result)
    for line in step_lines(result):
        say(line)
    if result.get("problem"):
        say_error(result["problem"])


def _print_preview(result: JSON) -> None:
    """Print a preview on standard error."""
    for line in preview_lines(result):
        say(line)


def preview_lines(result: JSON) -> Iterator[str]:
    """Yield a preview as lines: format, counts, labels, rejections, first records."""
    read = [format_name(result.get("format", ""))] if result.get("format") else []
    if result.get("encoding"):
        read.append(f"{result['encoding']} ({result['encodingFrom']})")
    if columns := result.get("columns"):
        read.append(f"columns {', '.join(columns)}")
    sample_by = result.get("sampleBy", "").removeprefix("SAMPLE_BY_").lower()
    if sample_by not in ("", "unspecified"):
        read.append(f"one record a {sample_by}")
    yield f"Read as {', '.join(read) or 'nothing'}."
    yield _counts(result)
    yield from _kinds(result)
    labels = result.get("labelCounts", {})
    if labels:
        ranked = sorted(labels.items(), key=lambda pair: -int(pair[1]))
        shown = ", ".join(f"{name} {count}" for name, count in ranked[:_LABELS])
        more = f" and {len(ranked) - _LABELS} more" if len(ranked) > _LABELS else ""
        yield f"Labels: {shown}{more}; without a label: {result.get('unlabelledCount', 0)}."
    for each in result.get("rejections", [])[:3]:
        yield f"  rejected {each['sourcePath']}: {each['reason']} {each.get('detail', '')}".rstrip()
    for row in result.get("records", []):
        label = f"[{row['label']}] " if row.get("label") else ""
        yield f"  {label}{_one_line(row['text'])}"
        yield from _answers(row.get("example", {}))


def step_lines(result: JSON) -> Iterator[str]:
    """Yield what each step of curation does: counts, and up to three texts before and after it."""
    for step in result.get("steps", []):
        removed = ", ".join(f"{count} {reason}" for reason, count in step.get("removedCounts", {}).items())
        yield (
            f"Step {step['name']}: {int(step.get('recordCount', 0)):,} records, {step.get('changedCount', 0)} changed, "
            f"removed: {removed or 'none'}."
        )
        for change in step.get("changes", [])[:_CHANGES]:
            yield f"  - {_one_line(change.get('before', ''))}"
            yield f"  + {_one_line(change.get('after', ''))}"


def _kinds(result: JSON) -> Iterator[str]:
    """Yield how the rows were read and what the records are, unless they are texts alone."""
    kinds = result.get("kindCounts", {})
    if set(kinds) <= {"text"}:
        return
    layouts, records = (
        ", ".join(f"{name.replace('_', ' ')} {count}" for name, count in sorted(counts.items()))
        for counts in (result.get("layoutCounts", {}), kinds)
    )
    yield f"Layouts: {layouts}. Records: {records}."


def _answers(example: JSON) -> Iterator[str]:
    """Yield the answers of a record, each with what it is."""
    rated = _RATED[example.get("good")]
    for answer in example.get("answers", []):
        yield f"    {'chosen' if 'rejected' in example else rated}: {_one_line(answer)}"
    if "rejected" in example:
        yield f"    rejected: {_one_line(example['rejected'])}"


def _one_line(text: str) -> str:
    return " ".join(text.split())[:_TEXT]


def _counts(result: JSON) -> str:
    items, records = int(result.get("itemCount", 0)), int(result.get("recordCount", 0))
    counted = f"{_items(items)} read" if result.get("complete") else f"The first {_items(items)} read"
    whole = int(result.get("estimatedItemCount", 0))
    of = f" (of about {whole:,})" if whole > items else ""
    reasons = ", ".join(f"{count} {reason}" for reason, count in result.get("rejectedCounts", {}).items())
    rejected = f"; rejected: {reasons}" if reasons else ""
    return f"{counted}{of}: {records:,} {'record' if records == 1 else 'records'}{rejected}."


def _items(count: int) -> str:
    return "1 item" if count == 1 else f"{count:,} items"


def _warn_of_labels(result: JSON, known: list[str]) -> None:
    """Warn about labels that the project does not have."""
    counts = result.get("labelCounts", {})
    strange = [name for name in counts if match_label(name, known) is None]
    if known and strange:
        share = "None" if len(strange) == len(counts) else "Only some"
        say(
            f"{share} of the labels in the data are labels of the project ({', '.join(known)}). "
            f"Labels that are not used: {', '.join(strange[:_LABELS])}."
        )
    if known and not counts:
        say("No item has a label. Name the label column (--label), or label the records after the import.")
