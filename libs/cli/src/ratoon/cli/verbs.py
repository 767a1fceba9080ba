"""`ratoon VERB RESOURCE`: a command for every method of every resource of the API, made from the client's schema.

A verb is a group whose commands are made when they are first used: `get`, `list`, `create`, `update`, `delete`,
`watch`, and the verbs of single resources (`cancel`, `approve`, …). Options are the fields of the request.
"""

from collections.abc import Callable, Iterator
from functools import cache
from inspect import Parameter, Signature
from typing import Annotated, Any

import typer
from rich.markup import escape
from typer.core import TyperGroup

from ratoon.cli.actions import Command, run
from ratoon.cli.completions import complete_names
from ratoon.cli.context import session
from ratoon.cli.documents import enum_words
from ratoon.cli.names import name_argument, nearest, patterns, plural, refuse_empty, resource_of, singular
from ratoon.client.schema import ENUMS, MESSAGES, METHODS, Field, Method, find_method, json_name

STANDARD = ("get", "list", "create", "update", "delete", "watch")
_SUMMARIES = {
    "get": "Show one resource.",
    "list": "List resources.",
    "create": "Create a resource from options or a file.",
    "update": "Change fields of a resource; the other fields keep their values.",
    "delete": "Delete a resource.",
    "watch": "Watch a resource to its final state.",
}
_PLAIN_TYPES: dict[str, type] = {"integer": int, "number": float, "bool": bool}
_METAVARS = {
    "string": "TEXT",
    "integer": "INTEGER",
    "number": "NUMBER",
    "time": "TIME",
    "duration": "DURATION",
    "bytes": "BASE64",
}
_HELP_WIDTH = 300


def verbs() -> list[str]:
    """Return all verbs as words, the standard ones first."""
    return [*STANDARD, *sorted({word(each.name) for each in METHODS} - set(STANDARD))]


def word(name: str) -> str:
    """Return the word of a method: `inject-fault`."""
    return name.replace("_", "-")


def methods_of(verb: str) -> dict[str, Method]:
    """Return the methods with this verb by resource."""
    return {each.resource: each for each in METHODS if word(each.name) == verb}


def add_verbs(app: typer.Typer) -> None:
    """Add a group for each verb."""
    for verb in verbs():
        resources = ", ".join(plural(each) for each in methods_of(verb))
        panel = "Resources" if verb in STANDARD else "Methods of resources"
        app.add_typer(
            typer.Typer(cls=_group_class(verb), no_args_is_help=True, context_settings={}),
            name=verb,
            help=f"{_SUMMARIES.get(verb) or f'`{verb}` of {resources}.'}\n\nExamples:\n{_first_examples(verb)}",
            short_help=_SUMMARIES.get(verb) or resources,
            rich_help_panel=panel,
        )


def _first_examples(verb: str) -> str:
    method = next(iter(methods_of(verb).values()))
    known = find_method("datasets", verb) or find_method("training_runs", verb) or method
    return "\n".join(f"  {each}" for each in examples(known))


def _group_class(verb: str) -> type[TyperGroup]:
    return type(f"{verb.title()}Group", (_VerbGroup,), {"verb": verb})


class _VerbGroup(TyperGroup):
    """Commands of one verb, one for each resource that has it."""

    verb: str

    def list_commands(self, ctx: Any) -> list[str]:
        """Return the resources."""
        return [plural(each) for each in methods_of(self.verb)]

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """Return the command of a resource, in any of its spellings; a usage error offers the nearest one."""
        methods = methods_of(self.verb)
        resource = resource_of(cmd_name, methods)
        if resource is not None:
            return _typer_command(methods[resource])
        if not ctx.resilient_parsing:
            ctx.fail(_unknown(cmd_name, self.verb))
        return None


def _unknown(name: str, verb: str) -> str:
    """Return the message for a resource that does not exist or does not have this verb."""
    if (other := resource_of(name, {each.resource for each in METHODS})) is not None:
        offered = ", ".join(word(each.name) for each in METHODS if each.resource == other)
        return f"{plural(other)} have no {verb!r}. They have: {offered}."
    names = [plural(each) for each in methods_of(verb)]
    return f"There is no resource {name!r}.{nearest(name, names) or ' Resources: ' + ', '.join(names) + '.'}"


@cache
def _typer_command(method: Method) -> Any:
    single = typer.Typer(add_completion=False, rich_markup_mode="rich")
    single.command(plural(method.resource), help=help_of(method), no_args_is_help=False)(_callback(method))
    return typer.main.get_command(single)


def command_of(method: Method) -> Command:
    """Return how the command line calls a method."""
    paths = patterns(method)
    has_file = (
        bool(method.message)
        or method.name == "delete"
        or (method.http == "POST" and bool(_own_fields(method)))
    )
    return Command(
        method=method,
        name_pattern=paths.get("name", ""),
        parent_pattern=paths.get("parent", ""),
        id_field=_id_field(method),
        has_file=has_file,
    )


def _id_field(method: Method) -> str:
    """Return the field with the ID of the new resource; empty if only the server gives IDs."""
    if method.name != "create":
        return ""
    own = {"request_id", *(each.name for each in MESSAGES[method.message].fields)}
    return next(
        (each.name for each in method.fields if each.name.endswith("_id") and each.name not in own), ""
    )


def _own_fields(method: Method) -> list[Field]:
    return [each for each in method.fields if each.name != "request_id"]


def _callback(method: Method) -> Callable[..., None]:
    """Return the function of a command; its signature has the arguments and options."""
    command = command_of(method)

    def call(context: typer.Context, **values: Any) -> None:
        run(session(context), command, values)

    parameters = [
        Parameter("context", Parameter.KEYWORD_ONLY, annotation=typer.Context),
        *_parameters(command),
    ]
    call.__signature__ = Signature(parameters)  # type: ignore[attr-defined]
    call.__annotations__ = {each.name: each.annotation for each in parameters}
    return call


def _parameters(command: Command) -> Iterator[Parameter]:
    """Yield arguments and options of a command."""
    method = command.method
    if command.name_pattern:
        is_single = not command.name_pattern.endswith("*")
        one = singular(method.resource).replace("-", " ")
        about = "Full resource name." if is_single else f"ID or full resource name of the {one}."
        is_optional = is_single or method.name == "update"
        several = method.name == "delete"
        yield _argument("name", about, is_optional, method.resource, list[str] if several else str)
    for each in method.arguments:
        if each.name not in ("name", "parent"):
            yield _argument(each.name, each.comment)
    if command.id_field:
        field = next(each for each in method.fields if each.name == command.id_field)
        yield _argument("id", field.comment, is_optional=True)
    if parent := _parent_word(command):
        about = (
            f"{parent.capitalize()}: ID or full resource name. Default: the one with the ID of the project."
        )
        yield _option("within", str, "", about, "--in", metavar="PARENT", callback=refuse_empty)
    for each in command.options:
        yield _field_option(each)
    yield from _further_options(command)


def _parent_word(command: Command) -> str:
    """Return the collection between the project and the resource, in words; empty if there is none."""
    parent = command.parent_pattern or command.name_pattern.rpartition("/")[0].rpartition("/")[0]
    segments = parent.split("/")
    return " of a ".join(_one(each) for each in segments[2::2][::-1]) if len(segments) > 3 else ""


def _one(collection: str) -> str:
    return {"versions": "version", "policies": "policy"}.get(collection, collection.removesuffix("s"))


def _further_options(command: Command) -> Iterator[Parameter]:
    method = command.method
    if command.has_file:
        about = "File with fields in YAML or JSON; `-`: standard input. Options take precedence."
        if method.name == "delete":
            about = "File that names the resources, in YAML or JSON; `-`: standard input."
        if method.name in ("create", "update"):
            about += " Several documents are applied one after the other."
        yield _option("file", str, "", about, "--file", "-f", metavar="FILE", callback=refuse_empty)
    if method.name == "delete":
        yield _option("yes", bool, False, "Skip the confirmation.", "--yes", "-y")
    if method.name == "list":
        about = "Maximum number of items, the newest ones; 0: all."
        yield _option("limit", int, 100, about, "--limit", min=0)
    if command.can_watch:
        about = "Watch the resource to its final state. Exit status 1 unless it succeeds."
        yield _option("watch", bool, False, about, "--watch", "-w")


def _field_option(field: Field) -> Parameter:
    """Return the option of a field."""
    name = flag(field)
    about = _about(field)
    if field.kind == "bool" and not field.repeated:
        return _option(field.name, bool | None, None, about, f"{name}/--no-{name.removeprefix('--')}")
    if field.repeated or field.key:
        metavar = f"KEY={_metavar(field)}" if field.key else _metavar(field)
        return _option(field.name, list[str] | None, None, f"{about} Repeatable.", name, metavar=metavar)
    kind = _PLAIN_TYPES.get(field.kind, str)
    return _option(field.name, kind | None, None, about, name, metavar=_metavar(field))


_RENAMED = {"api_key": "--key", "url": "--address"}


def flag(field: Field) -> str:
    """Return the option of a field: `--display-name`; one that every command has already stands for itself."""
    return _RENAMED.get(field.name) or f"--{field.name.replace('_', '-')}"


def _metavar(field: Field) -> str:
    if field.kind in ENUMS:
        return f"[{'|'.join(enum_words(field.kind))}]"
    return _METAVARS.get(field.kind, "OBJECT")


def _about(field: Field) -> str:
    """Return the help of a field: its comment, and of a message its fields."""
    text = _shortened(field.comment)
    if message := MESSAGES.get(field.kind):
        text += f" YAML or JSON with: {', '.join(json_name(each.name) for each in message.fields)}."
    return text


def _shortened(text: str) -> str:
    """Return the leading sentences of a long comment."""
    if len(text) <= _HELP_WIDTH:
        return text
    return text[: text.rfind(". ", 0, _HELP_WIDTH) + 1] or text


def help_of(method: Method) -> str:
    """Return the help of a command: the comment of the RPC, the role that it needs, and examples."""
    lines = [
        f"Requires the role {method.role}.",
        "",
        "Examples:",
        *(f"  {each}" for each in examples(method)),
    ]
    return escape(f"{method.comment}\n\n" + "\n".join(lines))


def examples(method: Method) -> list[str]:
    """Return command lines that call a method."""
    command = command_of(method)
    start = f"ratoon {word(method.name)} {plural(method.resource)}"
    if method.name == "list":
        further = (
            [f"{start} --filter 'state = OPEN'"] if any(e.name == "filter" for e in method.fields) else []
        )
        return [start, f"{start} --limit 0 --output json", *further]
    arguments = [f"MY-{singular(method.resource).upper()}"] if command.name_pattern.endswith("*") else []
    arguments += [
        each.name.replace("_", "-").upper()
        for each in method.arguments
        if each.name not in ("name", "parent")
    ]
    line = " ".join([start, *arguments])
    if method.name == "create":
        return [
            f"{line} {_first_options(command)}".rstrip(),
            f"{line} --file {singular(method.resource)}.yaml",
        ]
    if method.name == "update":
        return [f"{line} {_first_options(command)}".rstrip(), f"{line} --file changes.yaml"]
    if method.name == "delete":
        return [line, f"{line} --yes", f"{start} --file {singular(method.resource)}.yaml"]
    if method.name == "get":
        return [line, f"{line} --output yaml"]
    return [f"{line} {_first_options(command)}".rstrip()]


def _first_options(command: Command) -> str:
    """Return an example of the first options that take a plain value."""
    plain = [
        each
        for each in command.options
        if each.kind not in MESSAGES and each.name not in ("etag", "request_id")
    ]
    return " ".join(f"{flag(each)} {_example_value(each)}".rstrip() for each in plain[:2])


def _example_value(field: Field) -> str:
    if field.kind in ENUMS:
        return enum_words(field.kind)[0]
    values = {"bool": "", "integer": "3", "number": "0.5", "time": "2030-12-31T18:00:00Z", "duration": "30s"}
    value = values.get(field.kind, "TEXT")
    return f"KEY={value}" if field.key else value


def _argument(
    name: str, about: str, is_optional: bool = False, completes: str = "", kind: Any = str
) -> Parameter:
    complete = (lambda ctx, incomplete: complete_names(ctx, completes, incomplete)) if completes else None
    info = name_argument(
        help=escape(_shortened(about)), metavar=name.replace("_", "-").upper(), autocompletion=complete
    )
    default: Any = "" if is_optional else Parameter.empty
    if kind is not str:
        default, kind = None, kind | None
    return Parameter(_safe(name), Parameter.KEYWORD_ONLY, default=default, annotation=Annotated[kind, info])


def _option(name: str, kind: Any, default: Any, about: str, *flags: str, **settings: Any) -> Parameter:
    info = typer.Option(*flags, help=escape(about), show_default=default not in (None, "", False), **settings)
    return Parameter(_safe(name), Parameter.KEYWORD_ONLY, default=default, annotation=Annotated[kind, info])


def _safe(name: str) -> str:
    """Return the name of a parameter; the other one would be the context."""
    return f"{name}_" if name == "context" else name
