"""Errors that the services raise, read from their sources: reason, code, meaning and messages of each.

An error is a call of a class that has a `reason` (its own, or that of a base class), a call of a function that passes
its parameter `reason` on to such a class, a `Description`, or an error of a validator. Knows nothing of how the errors
are documented.
"""

import ast
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
CALLERS_SIDE = ("cli", "client", "contracts", "local", "testkit")
"""Libraries that callers use; their errors reach no caller of a service."""
LIBRARIES = {"engine": "engines"}
"""What raises the errors of a library, if not all services."""
PLACEHOLDERS = re.compile(r"\{\w+\}")
REASON = re.compile(r"[A-Z][A-Z0-9]*(_[A-Z0-9]+)*")
MIN_WORDS = 2
"""Minimum number of words of a message that is shown: one of placeholders says nothing."""
PLACEHOLDER = "…"
VALIDATOR = "PydanticCustomError"
"""Class of a validator's errors: type, and template of what is wrong with the field that the sentence begins with."""
OF_VALIDATORS = "INVALID_ARGUMENT", "BAD_REQUEST"
"""Code and reason of what validators refuse."""

Key = tuple[str, str]
"""Module and name of a class or function."""


@dataclass
class Raised:
    """Error reason with everything that the sources say about it."""

    codes: set[str] = field(default_factory=set)
    owners: set[str] = field(default_factory=set)
    meanings: list[str] = field(default_factory=list)
    messages: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Kind:
    """Error class, or function that creates errors: code, default reason, meaning, place of the message."""

    code: str = ""
    reason: str = ""
    meaning: str = ""
    message_at: int = 0


@dataclass
class Module:
    """Source file: where its names come from, and its classes and functions."""

    name: str
    owner: str
    tree: ast.Module

    @cached_property
    def imports(self) -> dict[str, Key]:
        """Module and name behind each imported name."""
        return {
            alias.asname or alias.name: (node.module, alias.name)
            for node in ast.walk(self.tree)
            if isinstance(node, ast.ImportFrom) and node.module
            for alias in node.names
        }

    @cached_property
    def classes(self) -> dict[str, ast.ClassDef]:
        """Classes at the top of the module."""
        return {node.name: node for node in self.tree.body if isinstance(node, ast.ClassDef)}

    @cached_property
    def functions(self) -> dict[str, ast.FunctionDef]:
        """Functions at the top of the module."""
        return {node.name: node for node in self.tree.body if isinstance(node, ast.FunctionDef)}


class Sources:
    """Modules of the services and of the libraries that they use."""

    def __init__(self, modules: dict[str, Module]) -> None:
        self.modules = modules

    @staticmethod
    def of_repository() -> "Sources":
        """Return the sources of this repository."""
        modules = {}
        for path in sorted([*ROOT.glob("libs/*/src/**/*.py"), *ROOT.glob("services/*/src/**/*.py")]):
            group, owner, _, *parts = path.relative_to(ROOT).with_suffix("").parts
            if owner in CALLERS_SIDE or owner == "console" or parts[-1].endswith(("_pb2", "_pb2_grpc")):
                continue
            name = ".".join(part for part in parts if part != "__init__")
            raiser = owner if group == "services" else LIBRARIES.get(owner, "all services")
            modules[name] = Module(name, raiser, ast.parse(path.read_text()))
        return Sources(modules)

    def raised(self) -> dict[str, Raised]:
        """Return each reason that is raised, by its name."""
        reasons: dict[str, Raised] = {}
        for module in self.modules.values():
            for call in (node for node in ast.walk(module.tree) if isinstance(node, ast.Call)):
                for code, reason, meaning, message in self._errors(module, call):
                    entry = reasons.setdefault(reason, Raised())
                    entry.codes.add(code)
                    entry.owners.add(module.owner)
                    _add(entry.meanings, meaning)
                    _add(entry.messages, message)
        return dict(sorted(reasons.items()))

    def _errors(self, module: Module, call: ast.Call) -> Iterator[tuple[str, str, str, str]]:
        """Yield code, reason, meaning and message of the error that a call creates."""
        name = call.func.id if isinstance(call.func, ast.Name) else ""
        if name == VALIDATOR and is_sentence(
            template := PLACEHOLDERS.sub(PLACEHOLDER, text_of(call.args[1]))
        ):
            yield *OF_VALIDATORS, "", f"{PLACEHOLDER} {template}."
        if name == "Description" and len(call.args) > 2:
            code, reason, message = map(text_of, call.args[:3])
            if REASON.fullmatch(code) and REASON.fullmatch(reason):
                yield code, reason, "", message if is_sentence(message) else ""
            return
        if not (kind := self.kind(module.name, name)):
            return
        reason = _reason_of(call, kind)
        if reason:
            message = text_of(call.args[kind.message_at]) if len(call.args) > kind.message_at else ""
            message = message if is_sentence(message) else ""
            own = reason == kind.reason or not message
            yield kind.code, reason, kind.meaning if own else "", message

    def kind(self, module: str, name: str) -> Kind | None:
        """Return the error class or function that a name stands for in a module; None if it is none."""
        if module not in self.modules:
            return None
        source = self.modules[module]
        if name in source.classes:
            return self._class(source, source.classes[name])
        if name in source.functions:
            return self._function(source, source.functions[name])
        return self.kind(*source.imports[name]) if name in source.imports else None

    def _class(self, module: Module, node: ast.ClassDef) -> Kind | None:
        bases = [self.kind(module.name, base.id) for base in node.bases if isinstance(base, ast.Name)]
        inherited = next((base for base in bases if base), Kind())
        own = dict(_assigned(node))
        code, reason = own.get("code", inherited.code), own.get("reason", inherited.reason)
        meaning = " ".join((ast.get_docstring(node) or "").partition("\n\n")[0].split())
        return Kind(code or "FAILED_PRECONDITION", reason, meaning) if reason else None

    def _function(self, module: Module, node: ast.FunctionDef) -> Kind | None:
        """Return the kind of a function that creates an error with its parameters `reason` and a message."""
        names = [each.arg for each in node.args.args]
        if "reason" not in names:
            return None
        for call in (each.value for each in node.body if isinstance(each, ast.Return)):
            if isinstance(call, ast.Call) and isinstance(call.func, ast.Name) and call.args:
                kind, message = self.kind(module.name, call.func.id), call.args[0]
                if kind and isinstance(message, ast.Name) and message.id in names:
                    default = text_of(node.args.defaults[-1]) if node.args.defaults else ""
                    return Kind(kind.code, default, kind.meaning, names.index(message.id))
        return None


def _assigned(node: ast.ClassDef) -> Iterator[tuple[str, str]]:
    """Yield the texts that a class assigns to `code` and `reason`, also as `code, reason = "A", "B"`."""
    for each in node.body:
        if isinstance(each, ast.Assign):
            target = each.targets[0]
            names = target.elts if isinstance(target, ast.Tuple) else [target]
            values = each.value.elts if isinstance(each.value, ast.Tuple) else [each.value]
            for name, value in zip(names, values, strict=False):
                if isinstance(name, ast.Name) and name.id in ("code", "reason"):
                    yield name.id, text_of(value)
        elif isinstance(each, ast.FunctionDef) and each.name == "__init__":
            arguments = each.args.args[-len(each.args.defaults) :] if each.args.defaults else []
            for argument, value in zip(arguments, each.args.defaults, strict=True):
                if argument.arg == "reason" and text_of(value):
                    yield argument.arg, text_of(value)


def _reason_of(call: ast.Call, kind: Kind) -> str:
    """Return the reason of an error: that of the call, else that of its kind; empty if the call computes it."""
    for keyword in call.keywords:
        if keyword.arg == "reason":
            reason = text_of(keyword.value).replace(PLACEHOLDER, "KIND")
            return reason if REASON.fullmatch(reason) else ""
    given = (text_of(each) for each in call.args[1:])
    return next((text for text in given if REASON.fullmatch(text)), kind.reason)


def text_of(node: ast.expr) -> str:
    """Return a text with placeholders for what it computes; empty for anything else than a text."""
    if isinstance(node, ast.Constant):
        return node.value if isinstance(node.value, str) else ""
    if isinstance(node, ast.JoinedStr):
        return _joined(node.values)
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
        return _joined((node.left, node.right))
    return ""


def _joined(parts: Iterable[ast.expr]) -> str:
    text = "".join(text_of(part) or PLACEHOLDER for part in parts)
    return re.sub(f"{PLACEHOLDER}+", PLACEHOLDER, text)


def is_sentence(message: str) -> bool:
    """Return whether a message says something without its placeholders."""
    return len(re.findall(r"[A-Za-z]{2,}", message)) >= MIN_WORDS


def _add(texts: list[str], text: str) -> None:
    if text and text not in texts:
        texts.append(text)
