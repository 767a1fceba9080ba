"""What the commands of `ratoon VERB RESOURCE` do: resolve names, read options and files, call the client, print."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property, partial
from math import isfinite
from typing import Any

import typer

from ratoon.cli.columns import columns_of
from ratoon.cli.context import Session
from ratoon.cli.documents import Document, read_documents, read_value
from ratoon.cli.exit_codes import exit_code, sentence
from ratoon.cli.names import patterns, plural, singular
from ratoon.cli.output import (
    MAX_PAGE,
    as_json,
    follow,
    say,
    say_error,
    show,
    show_first,
    show_newest,
    show_rows,
)
from ratoon.client import APIConnectionError, RatoonError
from ratoon.client.schema import MESSAGES, Field, Method, find_method, json_name

JSON = dict[str, Any]
_PAGING = ("page_size", "page_token")
_SERVER_FIELDS = frozenset(
    ("name", "revision", "create_time", "update_time", "etag", "state", "progress", "failure")
)
_EMPTY: tuple[object, ...] = (None, "", 0, False, [], {})
"""Values that the server leaves out of its answers."""
_SET_BY_SERVER = ("Set by the server", "Set only in the response")


@dataclass(frozen=True)
class Command:
    """How the command line calls one method.

    `name_pattern` and `parent_pattern` are those of the names in its path, `id_field` holds the ID of a new resource.
    """

    method: Method
    name_pattern: str
    parent_pattern: str
    id_field: str
    has_file: bool

    @cached_property
    def options(self) -> list[Field]:
        """Fields that are options."""
        hidden = {self.id_field, *(("revision",) if self.method.name == "watch" else ())}
        return [each for each in self.method.fields if each.name not in hidden]

    @cached_property
    def can_watch(self) -> bool:
        """True if the answer is a resource that can be watched to a final state."""
        watch = find_method(self.method.resource, "watch")
        return bool(
            watch
            and watch.can_wait
            and self.method.name not in ("watch", "list", "delete")
            and self.method.result == watch.result
        )


def run(chosen: Session, command: Command, values: dict[str, Any]) -> None:
    """Run a command with the values of its arguments and options."""
    actions = {
        "list": _list,
        "get": _get,
        "watch": _watch,
        "create": _create,
        "update": _update,
        "delete": _delete,
    }
    actions.get(command.method.name, _call)(chosen, command, values)


def _list(chosen: Session, command: Command, values: dict[str, Any]) -> None:
    method = command.method
    given = _given(command, values)
    parent = _parent(chosen, command, values)
    list_of = partial(_function(chosen, method), **parent)
    columns, limit = columns_of(method), values["limit"]
    empty = f"No {plural(method.resource).replace('-', ' ')} in {parent.get('parent', 'the installation')}."
    if any(name in given for name in _PAGING):
        page = list_of(**{"page_size": limit or MAX_PAGE, **given})
        show_rows(page.items, columns, chosen.output, empty)
        if page.next_page_token:
            say(f"Next page: --page-token {page.next_page_token}")
    elif "order_by" in given or not any(each.name == "order_by" for each in method.fields):
        show_first(partial(list_of, **given), limit, columns, chosen.output, empty)
    else:
        show_newest(partial(list_of, **given), limit, columns, chosen.output, empty)


def _get(chosen: Session, command: Command, values: dict[str, Any]) -> None:
    arguments = _arguments(chosen, command, values)
    if values.get("watch"):
        show(follow(chosen.client, arguments["name"], chosen.output), chosen.output)
        return
    show(_function(chosen, command.method)(**arguments, **_given(command, values)), chosen.output)


def _watch(chosen: Session, command: Command, values: dict[str, Any]) -> None:
    name = _arguments(chosen, command, values)["name"]
    show(follow(chosen.client, name, chosen.output), chosen.output)


def _create(chosen: Session, command: Command, values: dict[str, Any]) -> None:
    documents, given = _documents(command, values), _given(command, values)
    _check_alone(documents, bool(given or values["id"]), values)
    targets: list[Document | None] = [*documents] or [None]
    requests = [_new(chosen, command, values, each, given) for each in targets]
    create = _function(chosen, command.method)
    if len(requests) == 1:
        _show_or_follow(chosen, create(**requests[0]), values)
        return
    _apply_all(chosen, command, documents, [partial(create, **each) for each in requests], "Created")


def _check_alone(documents: list[Document], has_options: bool, values: dict[str, Any]) -> None:
    """Refuse options next to several documents: it is not clear which of them they are for."""
    if len(documents) > 1 and has_options:
        raise typer.BadParameter(
            f"{values['file']} holds {len(documents)} documents: set fields and names in the file, not by options."
        )


def _apply_all(
    chosen: Session, command: Command, documents: list[Document], calls: list[Callable[[], Any]], done: str
) -> None:
    """Make a call for each document; a refused one does not stop the others, a server that is away does."""
    results, failure = [], None
    for document, call in zip(documents, calls, strict=True):
        try:
            results.append(as_json(call()))
        except RatoonError as error:
            say_error(f"{document.place}: {sentence(error)}")
            failure = failure or error
            if isinstance(error, APIConnectionError):
                break
    listing = find_method(command.method.resource, "list")
    if results or not chosen.output.is_for_people:
        show_rows(results, columns_of(listing) if listing else ["name"], chosen.output)
    if failure is not None:
        say(f"{done} {len(results)} of {len(documents)}.")
        raise typer.Exit(exit_code(failure))


def _new(
    chosen: Session,
    command: Command,
    values: dict[str, Any],
    document: Document | None,
    given: dict[str, Any],
) -> dict[str, Any]:
    """Return the arguments of a create: those of a document, and options, which take precedence."""
    fields = dict(document.fields) if document else {}
    name, id_ = str(fields.pop("name", None) or ""), values["id"]
    parent = _parent(chosen, command, values)
    if document and name:
        parent, id_ = _place_of_name(chosen, command, document, name, values)
    taken = {each.name for each in command.method.fields}
    skipped = [each for each in fields if each not in taken]
    if document:
        _check_skipped(command, document, skipped, "are set by the server", {})
    body = {each: value for each, value in fields.items() if each in taken and value is not None}
    return {**parent, **body, **given, **({command.id_field: id_} if id_ else {})}


def _place_of_name(
    chosen: Session, command: Command, document: Document, name: str, values: dict[str, Any]
) -> tuple[dict[str, str], str]:
    """Return parent and ID of the resource that a document names."""
    getter = find_method(command.method.resource, "get")
    pattern = (
        _name_pattern(getter) if getter else f"{command.parent_pattern}/{plural(command.method.resource)}/*"
    )
    full = chosen.scope(values.get("within", "")).resolve(name, pattern, command.method.resource)
    if values["id"] and full.rpartition("/")[2] != values["id"]:
        raise typer.BadParameter(f"{document.place} is named {name}, the command line says {values['id']}.")
    parent = "/".join(full.split("/")[:-2])
    return ({"parent": parent} if command.parent_pattern else {}), full.rpartition("/")[2]


def _update(chosen: Session, command: Command, values: dict[str, Any]) -> None:
    documents, given = _documents(command, values), _given(command, values)
    _check_alone(documents, bool(given or values["name"]), values)
    fields = _resource_fields(command)
    if not documents and not any(name in fields and name != "etag" for name in given):
        offered = ", ".join(f"--{name.replace('_', '-')}" for name in fields if name != "etag")
        raise typer.BadParameter(f"Give at least one field to change: {offered}, or --file.")
    targets: list[Document | None] = [*documents] or [None]
    calls = [_update_of(chosen, command, values, each, given) for each in targets]
    if len(calls) > 1:
        _apply_all(chosen, command, documents, calls, "Updated")
        return
    updated = as_json(calls[0]())
    show(updated, chosen.output)
    for notice in updated.get("notices", []):
        say(notice)


def _update_of(
    chosen: Session,
    command: Command,
    values: dict[str, Any],
    document: Document | None,
    given: dict[str, Any],
) -> Callable[[], Any]:
    """Return the call that updates a resource, which has been read; the options take precedence over the document."""
    fields = _resource_fields(command)
    name = _name_of_update(chosen, command, values, document)
    read = as_json(_getter(chosen, command)(name))
    changes = {**(_changes(command, document, read) if document else {}), **given}
    if not any(each in fields and each != "etag" for each in changes):
        say(f"{name} is unchanged.")
        return lambda: read
    if "etag" in fields:
        changes.setdefault("etag", read.get("etag", ""))
    return partial(_function(chosen, command.method), name, **changes)


def _name_of_update(
    chosen: Session, command: Command, values: dict[str, Any], document: Document | None
) -> str:
    """Return the full name of the resource to update: that of the argument, else that of the document."""
    scope, resource = chosen.scope(values.get("within", "")), command.method.resource
    written = document.fields.get("name") if document else None
    names = {
        scope.resolve(each, command.name_pattern, resource) for each in (values["name"], written) if each
    }
    if len(names) > 1:
        raise typer.BadParameter(f"The file is of {written}, the command line says {values['name']}.")
    if not names and command.name_pattern.endswith("*"):
        raise typer.BadParameter(f"Give the name of the {singular(resource)}, or set `name` in the file.")
    return names.pop() if names else scope.resolve("", command.name_pattern, resource)


def _changes(command: Command, document: Document, read: JSON) -> dict[str, Any]:
    """Return the fields of a document that differ from the resource as read, and the etag of the document."""
    fields = [each.name for each in command.method.fields]
    differing = {
        name: value
        for name, value in document.fields.items()
        if name != "name" and not _is_same(read.get(json_name(name)), value)
    }
    skipped = [name for name in differing if name not in fields]
    _check_skipped(command, document, skipped, "cannot be changed", read)
    changes = {name: value for name, value in differing.items() if name in fields}
    return changes | ({"etag": document.fields["etag"]} if document.fields.get("etag") else {})


def _is_same(left: Any, right: Any) -> bool:
    """Return True if two JSON values mean the same: 64-bit integers may be texts, empty values missing."""
    if isinstance(left, dict) or isinstance(right, dict):
        left, right = left or {}, right or {}
        return all(_is_same(left.get(key), right.get(key)) for key in {*left, *right})
    if isinstance(left, list) and isinstance(right, list):
        return len(left) == len(right) and all(map(_is_same, left, right))
    if left == right or (left in _EMPTY and right in _EMPTY):
        return True
    is_integer = any(isinstance(each, int) and not isinstance(each, bool) for each in (left, right))
    return is_integer and str(left or 0) == str(right or 0)


def _check_skipped(
    command: Command, document: Document, names: Iterable[str], why: str, read: Mapping[str, Any]
) -> None:
    """Say which fields of a document are skipped because the server sets them; refuse others."""
    comments = {each.name: each.comment for each in MESSAGES[command.method.message].fields}
    skipped = []
    for name in names:
        if name not in _SERVER_FIELDS and not any(each in comments[name] for each in _SET_BY_SERVER) and read:
            place = f"{document.place.rpartition(':')[0]}:{document.lines[name]}"
            raise typer.BadParameter(
                f"{place}: {json_name(name)} {why}; it is {read.get(json_name(name), 'not set')!r}."
            )
        skipped.append(json_name(name))
    if interesting := [
        name for name in skipped if name not in ("revision", "createTime", "updateTime", "etag")
    ]:
        say(f"{document.place}: skipped {', '.join(interesting)}, which {why}.")


def _delete(chosen: Session, command: Command, values: dict[str, Any]) -> None:
    """Delete the resources that are named; all are read before the first one is deleted."""
    names, given = _names_to_delete(chosen, command, values), _given(command, values)
    if len(names) > 1 and given.get("etag"):
        raise typer.BadParameter("--etag is that of one resource; give one name.")
    calls = [_deletion(chosen, command, name, given) for name in names]
    if not values["yes"]:
        typer.confirm(f"Delete {', '.join(names)}?", abort=True)
    failure = None
    for name, call in zip(names, calls, strict=True):
        try:
            call()
        except RatoonError as error:
            if len(names) == 1 or isinstance(error, APIConnectionError):
                raise
            say_error(f"{name}: {sentence(error)}")
            failure = failure or error
        else:
            say(f"Deleted {name}.")
    if failure is not None:
        raise typer.Exit(exit_code(failure))


def _names_to_delete(chosen: Session, command: Command, values: dict[str, Any]) -> list[str]:
    """Return the full names in the arguments and in the documents of the file."""
    written = []
    for document in _documents(command, values):
        if not document.fields.get("name"):
            raise typer.BadParameter(f"{document.place}: set `name`, the resource to delete.")
        written.append(document.fields["name"])
    scope, resource = chosen.scope(values.get("within", "")), command.method.resource
    names = [
        scope.resolve(each, command.name_pattern, resource) for each in [*(values["name"] or []), *written]
    ]
    if not names:
        raise typer.BadParameter(f"Give the name of a {singular(resource)}, or --file.")
    return list(dict.fromkeys(names))


def _deletion(chosen: Session, command: Command, name: str, given: dict[str, Any]) -> Callable[[], object]:
    """Return the call that deletes a resource, in the state in which it has been read."""
    etag = {}
    if not given.get("allow_missing"):
        read = as_json(_getter(chosen, command)(name))
        if any(each.name == "etag" for each in command.method.fields):
            etag = {"etag": read.get("etag", "")}
    return partial(_function(chosen, command.method), name, **{**etag, **given})


def _call(chosen: Session, command: Command, values: dict[str, Any]) -> None:
    """Call a method of one resource (`cancel`, `approve`, …)."""
    documents, given = _documents(command, values), _given(command, values)
    if len(documents) > 1:
        raise typer.BadParameter(
            f"{values['file']} holds {len(documents)} documents; {command.method.name} takes one."
        )
    for document in documents:
        taken = {each.name for each in command.method.fields}
        given = {name: value for name, value in document.fields.items() if name in taken} | given
    if any(each.name == "api_key" for each in command.options):
        given.setdefault("api_key", chosen.client.api_key)
    arguments = {**_parent(chosen, command, values), **_arguments(chosen, command, values)}
    result = _function(chosen, command.method)(**arguments, **given)
    if result is None:
        say(f"Done: {command.method.name} {arguments.get('name', plural(command.method.resource))}.")
        return
    _show_or_follow(chosen, result, values)


def _show_or_follow(chosen: Session, result: Any, values: dict[str, Any]) -> None:
    resource = as_json(result)
    if values.get("watch"):
        say(f"Watching {resource['name']}.")
        resource = follow(chosen.client, resource["name"], chosen.output)
    show(resource, chosen.output)


def _function(chosen: Session, method: Method) -> Any:
    return getattr(getattr(chosen.client, method.resource), method.name)


def _getter(chosen: Session, command: Command) -> Any:
    return getattr(chosen.client, command.method.resource).get


def _name_pattern(method: Method) -> str:
    return patterns(method)["name"]


def _resource_fields(command: Command) -> list[str]:
    """Return the fields of an update that belong to the resource."""
    own = {each.name for each in MESSAGES[command.method.message].fields}
    return [each.name for each in command.method.fields if each.name in own]


def _documents(command: Command, values: dict[str, Any]) -> list[Document]:
    if not values.get("file"):
        return []
    getter = find_method(command.method.resource, "get")
    read = getter.result if getter and command.method.name == "delete" else ""
    message = command.method.message or read
    fields = MESSAGES[message].fields if message else command.method.fields
    known = {each.name for each in fields}
    further = [
        each for each in command.method.fields if each.name not in known and each.name != command.id_field
    ]
    return read_documents(values["file"], (*fields, *further), message or singular(command.method.resource))


def _arguments(chosen: Session, command: Command, values: dict[str, Any]) -> dict[str, str]:
    """Return the values in the path of a method, the parent apart."""
    arguments = {
        each.name: values[each.name]
        for each in command.method.arguments
        if each.name not in ("name", "parent")
    }
    if command.name_pattern:
        scope = chosen.scope(values.get("within", ""))
        arguments["name"] = scope.resolve(values["name"], command.name_pattern, command.method.resource)
    elif command.parent_pattern:
        arguments |= _parent(chosen, command, values)
    return arguments


def _parent(chosen: Session, command: Command, values: dict[str, Any]) -> dict[str, str]:
    if not command.parent_pattern:
        return {}
    within, resource = values.get("within", ""), command.method.resource
    return {"parent": chosen.scope().resolve(within, command.parent_pattern, resource)}


def _given(command: Command, values: dict[str, Any]) -> dict[str, Any]:
    """Return the options that were given, as values of the method's parameters."""
    given = {}
    for field in command.options:
        value = values.get(field.name)
        if value is not None and value != []:
            given[field.name] = _value(field, value)
    return given


def _value(field: Field, value: Any) -> Any:
    label = f"--{field.name.replace('_', '-')}"
    one = Field(field.name, field.kind, field.comment)
    if field.key:
        pairs = [each.partition("=") for each in value]
        if wrong := next((key for key, equals, _ in pairs if not equals), ""):
            raise typer.BadParameter(f"{label} takes KEY=VALUE; it is {wrong!r}.")
        return {key: read_value(each, one, label) for key, _, each in pairs}
    if field.repeated:
        return [read_value(each, one, label) for each in value]
    if isinstance(value, float) and not isfinite(value):
        raise typer.BadParameter(f"{label} must be a finite number; it is {value}.")
    return read_value(value, one, label) if isinstance(value, str) else value
