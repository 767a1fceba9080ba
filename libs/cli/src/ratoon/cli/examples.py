"""Examples in the help of commands."""

import inspect
from collections.abc import Iterator
from typing import Annotated, get_args, get_origin

import typer
from rich.markup import escape
from typer.models import ArgumentInfo, CommandInfo

EXAMPLES = {
    "ask": [
        'ratoon ask "You have won a prize"',
        "ratoon ask - < letter.txt",
        "ratoon ask hello --model tickets@v1.1",
    ],
    "backup": ["ratoon backup ratoon.backup"],
    "datasets erase": ['ratoon datasets erase RECORD --reason "asked for by its author"'],
    "datasets find": [
        'ratoon datasets find "part of a text"',
        "ratoon datasets find - --version v1 < text.txt",
    ],
    "datasets import": [
        "ratoon datasets import tickets.csv --text message --label category --preview",
        "ratoon datasets import mails/ --license CC-BY-4.0 --yes",
    ],
    "datasets records": ["ratoon datasets records v1 --limit 5"],
    "datasets sources update": ["ratoon datasets sources update SOURCE --text message --encoding gb18030"],
    "demo": ["make demo", "ratoon demo --slice 0.5"],
    "deployments scale": ["ratoon deployments scale 0 3"],
    "feedback compare": ["ratoon feedback compare v1.1 v1.0"],
    "feedback give": [
        "ratoon feedback give ANSWER --thumb down --correction spam",
        "ratoon feedback give ANSWER --outcome resolved=1",
    ],
    "feedback prefer": ["ratoon feedback prefer BETTER OTHER"],
    "gc": ["ratoon gc --dry-run", "ratoon gc --keep-days 1"],
    "keys create": ["ratoon keys create build --role engineer --expires 30d"],
    "keys limit": ["ratoon keys limit build --requests-per-minute 600"],
    "keys update": ["ratoon keys update build --expires 2030-12-31"],
    "labels complete": ["ratoon labels complete TASK spam"],
    "labels tasks": ["ratoon labels tasks --state done --limit 20"],
    "logs": ["ratoon logs gateway --follow", "ratoon logs control --json"],
    "models upload": [
        "ratoon models upload models/smollm2",
        "ratoon models upload models/pythia-160m --chat-template plain",
    ],
    "pipelines approve": ['ratoon pipelines approve RUN --reason "reviewed by two people"'],
    "pipelines reject": ['ratoon pipelines reject RUN --reason "too slow"'],
    "pipelines run": [
        "ratoon pipelines run --source tickets",
        "ratoon pipelines run --source tickets --no-rollout",
    ],
    "policies create": ["ratoon policies create --dry-run", "ratoon policies create --settings policy.yaml"],
    "policies update": [
        "ratoon policies update --no-dry-run",
        "ratoon policies update --settings policy.yaml",
    ],
    "projects create": ["ratoon projects create tickets --labels billing,technical,other"],
    "projects update": ["ratoon projects update tickets --add-label refund"],
    "restore": ["ratoon restore ratoon.backup --state .ratoon"],
    "rollouts create": [
        "ratoon rollouts create v1.1 --share 10 --share 50 --step-seconds 60",
        "ratoon rollouts create v1.1 --shadow-share 0.2 --min-pairs 100 --max-wait 7200",
    ],
    "rollouts undo": ['ratoon rollouts undo --reason "more complaints"'],
    "safety set": ["ratoon safety set --prompts words.txt"],
    "up": ["ratoon up", "ratoon up --port 9000 --watch"],
}
"""Command lines by command. Other commands have one with their required arguments."""


def add_examples(app: typer.Typer) -> None:
    """Add examples to the help of all commands of an application that have none."""
    for path, command in _commands(app, ""):
        callback = command.callback
        assert callback is not None, path
        text = command.help or inspect.getdoc(callback) or ""
        if "Example" not in text:
            lines = EXAMPLES.get(path) or [" ".join(["ratoon", path, *_required(callback)])]
            title = "Example" if len(lines) == 1 else "Examples"
            command.help = f"{text}\n\n{title}:\n" + "\n".join(f"  {escape(each)}" for each in lines)


def _commands(app: typer.Typer, prefix: str) -> Iterator[tuple[str, CommandInfo]]:
    for command in app.registered_commands:
        name = command.name or getattr(command.callback, "__name__", "")
        yield f"{prefix}{name}", command
    for group in app.registered_groups:
        if group.typer_instance is not None:
            yield from _commands(group.typer_instance, f"{prefix}{group.name} ")


def _required(callback: object) -> Iterator[str]:
    """Yield the required arguments of a command as an example has them: `NAME`."""
    for name, parameter in inspect.signature(callback, eval_str=True).parameters.items():  # type: ignore[arg-type]
        if get_origin(parameter.annotation) is not Annotated or parameter.default is not parameter.empty:
            continue
        if any(isinstance(each, ArgumentInfo) for each in get_args(parameter.annotation)[1:]):
            yield name.upper().replace("_", "-")
