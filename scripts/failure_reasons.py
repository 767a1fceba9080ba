"""Reasons of failed resources, read from the sources: who sets each, and what its messages say.

A failure is created by a call of a class, function or own method that takes a `reason` and a `message` and is no error
with a fixed reason, or of the method `fail` of a job. Knows nothing of how the reasons are documented.
"""

import ast
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from scripts.raised_errors import REASON, Module, Raised, Sources, is_sentence, text_of

_METHOD, _OF_METHOD = "fail", ("reason", "message")
_OF_ERRORS = {"code", "status"}
"""Parameters of what describes an error of a call."""
_MEANINGS = {
    "GATE_REFUSED": "The candidate did not pass the gate. The message is the verdict.",
    "LABELS_MISSING": "People did not label enough records in time. The message says how many tasks wait, and where.",
    "OUT_OF_MEMORY": "The resource plan does not fit the memory. The message names the amounts.",
    "FIELDS_MISSING": "The message says which fields that the project requires are missing, and in how many records.",
    "READING_FAILED": "The message names the error with which a place with data could not be read.",
    "TOO_FEW_RECORDS": "The message says how many labelled records are missing, of which label.",
    "WEIGHTS_DAMAGED": "A safetensors file is truncated or damaged. The message names it.",
}
"""Meanings of reasons whose messages are computed."""


class NoMeaning(Exception):
    """A reason has neither a message nor a meaning, or a meaning has no reason."""


@dataclass(frozen=True)
class _Call:
    """A call with the function that contains it."""

    module: Module
    function: ast.FunctionDef
    node: ast.Call


def failures(sources: Sources, meanings: Mapping[str, str] = _MEANINGS) -> dict[str, Raised]:
    """Return each reason that a failed resource may have, by its name."""
    reasons: dict[str, Raised] = {}
    for call in _calls(sources):
        reason, message = _arguments(sources, call)
        for name in filter(REASON.fullmatch, _texts(call, reason)):
            entry = reasons.setdefault(name, Raised())
            entry.owners.add(call.module.owner)
            texts = (text for text in _texts(call, message) if is_sentence(text))
            entry.messages += [text for text in texts if text not in entry.messages]
    for name in reasons.keys() & meanings.keys():
        reasons[name].meanings.append(meanings[name])
    unclear = [name for name, entry in reasons.items() if not entry.messages and not entry.meanings]
    if unclear := sorted({*unclear, *(meanings.keys() - reasons.keys())}):
        raise NoMeaning(f"mend the meanings in scripts/failure_reasons.py: {', '.join(unclear)}")
    return dict(sorted(reasons.items()))


def _calls(sources: Sources) -> Iterator[_Call]:
    for module in sources.modules.values():
        for function in (node for node in ast.walk(module.tree) if isinstance(node, ast.FunctionDef)):
            for node in ast.walk(function):
                if isinstance(node, ast.Call):
                    yield _Call(module, function, node)


def _arguments(sources: Sources, call: _Call) -> tuple[ast.expr | None, ast.expr | None]:
    """Return the reason and the message that a call passes; None for what it does not pass."""
    names = _parameters(sources, call.module.name, call.node.func)
    passed = dict(zip(names, call.node.args, strict=False))
    passed |= {each.arg: each.value for each in call.node.keywords if each.arg in names}
    return passed.get("reason"), passed.get("message")


def _parameters(sources: Sources, module: str, callee: ast.expr) -> tuple[str, ...]:
    """Return the parameters of a callee that creates failures; none of any other."""
    if isinstance(callee, ast.Attribute) and not _is_name(callee.value, "self"):
        return _OF_METHOD if callee.attr == _METHOD else ()
    if isinstance(callee, ast.Attribute):
        names = _parameters_of(sources.modules[module].tree, callee.attr)
    elif isinstance(callee, ast.Name) and not sources.kind(module, callee.id):
        names = _declared(sources, module, callee.id)
    else:
        return ()
    return names if {*_OF_METHOD} <= {*names} and not _OF_ERRORS & {*names} else ()


def _declared(sources: Sources, module: str, name: str) -> tuple[str, ...]:
    """Return the parameters of a function, or the fields of a class, that a name stands for in a module."""
    source = sources.modules.get(module)
    if source is None:
        return ()
    if name in source.functions:
        return _parameters_of(source.tree, name)
    if name in source.classes:
        class_ = source.classes[name]
        fields = (each.target for each in class_.body if isinstance(each, ast.AnnAssign))
        names = tuple(each.id for each in fields if isinstance(each, ast.Name))
        return _parameters_of(class_, "__init__") or names
    return _declared(sources, *source.imports[name]) if name in source.imports else ()


def _parameters_of(scope: ast.AST, name: str) -> tuple[str, ...]:
    """Return the parameters of a function or method in a scope, without `self`; none if there is no such function."""
    functions = (each for each in ast.walk(scope) if isinstance(each, ast.FunctionDef) and each.name == name)
    function = next(functions, None)
    return tuple(each.arg for each in function.args.args if each.arg != "self") if function else ()


def _texts(call: _Call, node: ast.expr | None) -> Iterator[str]:
    """Yield the texts that an expression may have: alternatives, and what its name was last assigned."""
    if isinstance(node, ast.BoolOp):
        for value in node.values:
            yield from _texts(call, value)
    elif isinstance(node, ast.Name):
        earlier = [each for each in ast.walk(call.function) if isinstance(each, ast.Assign)]
        values = [
            each.value
            for each in earlier
            if each.lineno <= call.node.lineno and _is_name(each.targets[0], node.id)
        ]
        yield from _texts(call, values[-1]) if values else ()
    elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
        yield text_of(node.func.value)
    elif node is not None:
        yield text_of(node)


def _is_name(node: ast.expr, name: str) -> bool:
    return isinstance(node, ast.Name) and node.id == name
