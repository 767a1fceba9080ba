"""Output of the command line: tables and progress for people, JSON, YAML and names for programs."""

import json
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from enum import StrEnum
from itertools import islice
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

from ratoon.cli.names import method_of_name, plural
from ratoon.client import OperationFailedError, Ratoon, RatoonError
from ratoon.client.schema import find_method

if TYPE_CHECKING:
    from pydantic import BaseModel

JSON = dict[str, Any]
MAX_PAGE = 500
"""Items of one page of a listing."""
_WIDE = 10_000
_LISTED_ELSEWHERE = {"curve": "ratoon runs metrics", "trials": "ratoon sweeps trials"}
"""Long lists of a resource that people read by a command of their own."""
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")
console = Console(soft_wrap=True, width=None if sys.stdout and sys.stdout.isatty() else _WIDE)
errors = Console(stderr=True, soft_wrap=True)


class Output(StrEnum):
    """Output format."""

    TABLE = "table"
    WIDE = "wide"
    JSON = "json"
    YAML = "yaml"
    NAME = "name"

    @property
    def is_for_people(self) -> bool:
        """True for tables, next to which progress and advice are printed."""
        return self in (Output.TABLE, Output.WIDE)


def as_json(resource: "BaseModel | JSON") -> JSON:
    """Return a message of the API as JSON: the fields that the server sent."""
    if isinstance(resource, dict):
        return resource
    return resource.model_dump(mode="json", by_alias=True, exclude_unset=True)


def say(line: str) -> None:
    """Print a status line on standard error, so that results can be piped."""
    errors.print(_printable(line), highlight=False, markup=False)


def say_error(error: object) -> None:
    """Print an error on standard error verbatim; brackets are not markup."""
    errors.print(_printable(str(error)), style="red", highlight=False, markup=False)


def show_rows(
    rows: "Iterable[BaseModel | JSON]", columns: Sequence[str], output: Output, empty: str = "No items."
) -> None:
    """Print resources as a table of these columns (dotted paths), or for programs; print `empty` if there are none.

    A wide table also has the columns of the other short values.
    """
    listed = [as_json(each) for each in rows]
    if not output.is_for_people:
        _show_for_programs(listed, output)
        return
    if output is Output.WIDE:
        columns = [*columns, *_further_columns(listed, columns)]
    table = Table(box=None, pad_edge=False)
    for column in columns:
        whole = column == "name" or output is Output.WIDE
        table.add_column(
            column.rpartition(".")[2], no_wrap=not whole, overflow="fold" if whole else "ellipsis"
        )
    for row in listed:
        table.add_row(*[Text(_printable(_cell(_at(row, column)).replace("\n", " "))) for column in columns])
    console.print(table) if listed else say(empty)


def _further_columns(rows: Iterable[JSON], columns: Sequence[str]) -> list[str]:
    keys = dict.fromkeys(
        key for row in rows for key, value in row.items() if not isinstance(value, list | dict)
    )
    return [key for key in keys if key not in columns and key not in ("etag", "revision")]


def show_newest(
    list_of: "Callable[..., Iterable[BaseModel | JSON]]",
    limit: int,
    columns: Sequence[str],
    output: Output,
    empty: str = "No items.",
) -> None:
    """Print the newest `limit` resources, oldest first, or all of them if it is 0.

    `list_of` yields a collection, given `page_size` and `order_by`.
    """
    if not limit:
        show_rows(list_of(page_size=MAX_PAGE), columns, output, empty)
        return
    newest = list_of(page_size=min(limit + 1, MAX_PAGE), order_by="create_time desc")
    rows = list(islice(newest, limit + 1))
    if len(rows) > limit:
        say(f"Showing the newest {limit}. For all of them: --limit 0")
    show_rows(rows[:limit][::-1], columns, output, empty)


def show_first(
    list_of: "Callable[..., Iterable[BaseModel | JSON]]",
    limit: int,
    columns: Sequence[str],
    output: Output,
    empty: str,
) -> None:
    """Print the first `limit` items of a collection in its order, or all of them if it is 0."""
    rows = list_of(page_size=min(limit + 1, MAX_PAGE) if limit else MAX_PAGE)
    listed = list(islice(rows, limit + 1 if limit else None))
    if limit and len(listed) > limit:
        say(f"Showing the first {limit}. For all of them: --limit 0")
    show_rows(listed[:limit] if limit else listed, columns, output, empty)


def show(resource: "BaseModel | JSON", output: Output) -> None:
    """Print one resource, one field a line, or for programs."""
    if not output.is_for_people:
        _show_for_programs(as_json(resource), output)
        return
    value = as_json(resource)
    for name, command in _LISTED_ELSEWHERE.items():
        if isinstance(each := value.get(name), list) and each:
            own = str(value.get("name", "")).rpartition("/")[2]
            value = {**value, name: f"{len(each)}, listed by: {command} {own}"}
    for line in _lines(value, ""):
        console.print(_printable(line), highlight=False, markup=False)


def _show_for_programs(value: JSON | list[JSON], output: Output) -> None:
    if output is Output.JSON:
        print(json.dumps(value, indent=2, ensure_ascii=False))
    elif output is Output.YAML:
        import yaml

        print(yaml.safe_dump(value, sort_keys=False, allow_unicode=True, width=_WIDE), end="")
    else:
        for each in value if isinstance(value, list) else [value]:
            if name := each.get("name") or each.get("recordId"):
                print(_printable(str(name)))


def follow(client: Ratoon, name: str, output: Output) -> JSON:
    """Watch a resource to its final state with a progress bar; return that state. The caller prints it."""
    try:
        if not output.is_for_people or not sys.stderr.isatty():
            last = _follow_lines(client, name, output)
        else:
            with _bar(name) as (bar, task):
                last = _wait(client, name, lambda state: bar.update(task, **_advance(state)))
    except KeyboardInterrupt:
        say(_still_running(name))
        raise
    return last


def _wait(client: Ratoon, name: str, on_state: Callable[[JSON], None]) -> JSON:
    method = method_of_name(name, "watch")
    if method is None or not method.can_wait:
        raise RatoonError(f"{name} cannot be watched. Read it with `ratoon get`.")
    wait = getattr(client, method.resource).wait
    return as_json(wait(name, on_state=lambda state: on_state(as_json(state))))


def _still_running(name: str) -> str:
    """Return the message after Ctrl-C: the operation continues in the platform."""
    method = method_of_name(name, "watch")
    if method is None:
        return f"{name} continues to run; only the watch has ended."
    word = plural(method.resource)
    verb = "abort" if method.resource == "rollouts" else "cancel"
    stop = f" Stop it: ratoon {verb} {word} {name}." if find_method(method.resource, verb) else ""
    return f"{name} continues to run; only the watch has ended. Watch it again: ratoon watch {word} {name}.{stop}"


def _follow_lines(client: Ratoon, name: str, output: Output) -> JSON:
    printed: list[str] = []

    def on_state(state: JSON) -> None:
        message = _progress(state).get("message", "")
        word = state.get("state", "").removeprefix("STATE_").lower()
        line = f"{word}: {message}" if message else word
        if output.is_for_people and line not in printed[-1:]:
            printed.append(line)
            say(line)

    return _wait(client, name, on_state)


@contextmanager
def _bar(name: str) -> Iterator[tuple[Progress, Any]]:
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.fields[message]}"),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=errors, transient=True) as bar:
        yield bar, bar.add_task(name.rsplit("/", 2)[-1], total=1.0, message="")


def _progress(state: JSON) -> JSON:
    """Return the progress of a resource; that of a sweep follows from its trials."""
    if "trials" not in state:
        progress: JSON = state.get("progress", {})
        return progress
    trials, limit = state["trials"], int(state.get("budget", {}).get("maxTrials", 0))
    ended = sum(trial.get("state") not in ("STATE_QUEUED", "STATE_RUNNING") for trial in trials)
    best = [trial for trial in trials if trial.get("number") == state.get("bestTrial")]
    shown = f", best {best[0].get('value', 0.0):.4g} (trial {best[0]['number']})" if best else ""
    message = f"{ended}{f' of {limit}' if limit else ''} trials ended{shown}"
    return {"message": message, "fraction": min(1.0, ended / limit) if limit else 0.0}


def _advance(state: JSON) -> JSON:
    progress = _progress(state)
    message = progress.get("message") or state.get("state", "").removeprefix("STATE_").lower()
    remaining = progress.get("remainingSeconds", 0)
    return {
        "completed": float(progress.get("fraction", 0)),
        "message": f"{message}{f' ({remaining:.0f} s left)' if remaining else ''}",
    }


def explain(error: OperationFailedError, output: Output) -> None:
    """Print an operation that did not succeed: its final state for programs, its error for people."""
    if not output.is_for_people and error.resource is not None:
        _show_for_programs(as_json(error.resource), output)
    say_error(error)


def _at(row: JSON, path: str) -> object:
    value: object = row
    for part in path.split("."):
        value = value.get(part, "") if isinstance(value, dict) else ""
    return value


def _printable(text: str) -> str:
    """Return the text with terminal control characters replaced."""
    return _CONTROL.sub("\ufffd", text)


def _cell(value: object) -> str:
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, list | dict):
        return json.dumps(value, ensure_ascii=False)
    return str(value).removeprefix("STATE_").replace("T", " ", 1)[:19] if _is_time(value) else _short(value)


def _short(value: object) -> str:
    text = str(value)
    if text.startswith("projects/") and text.count("/") > 1:
        return text.split("/", 2)[2]
    return text.partition("_")[2].lower() if text.startswith(("STATE_", "TRIGGER_", "ROLE_")) else text


def _is_time(value: object) -> bool:
    return isinstance(value, str) and len(value) > 19 and value[4:5] == "-" and value[10:11] == "T"


def _lines(value: object, indent: str) -> Iterator[str]:
    if isinstance(value, dict):
        for key, each in value.items():
            if isinstance(each, dict | list) and each:
                yield f"{indent}{key}:"
                yield from _lines(each, indent + "  ")
            elif each not in ({}, []):
                yield f"{indent}{key}: {each}"
    elif isinstance(value, list):
        for each in value:
            first, *rest = list(_lines(each, indent + "  ")) or [indent]
            yield f"{indent}- {first.strip()}"
            yield from rest
    else:
        yield f"{indent}{value}"
