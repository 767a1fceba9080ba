"""Columns that are computed of others: a small grammar of arithmetic, turned into expressions of polars.

The grammar is that of Python's arithmetic, comparisons and the functions below. Nothing is evaluated by Python: an
expression that names anything else is refused.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Collection, Mapping
from functools import reduce
from typing import Any

import polars as pl

from ratoon.classical.errors import BadTable

MAX_CHARS = 500
_QUOTED = re.compile(r"`([^`]+)`")


def expression(text: str, columns: Collection[str]) -> pl.Expr:
    """Return the expression of polars that a text means; BadTable if it is none, or names an unknown column."""
    if len(text) > MAX_CHARS:
        raise BadTable(f"An expression has at most {MAX_CHARS} characters; this one has {len(text):,}.")
    quoted: dict[str, str] = {}

    def placeholder(match: re.Match[str]) -> str:
        name = f"_column_{len(quoted)}"
        quoted[name] = match[1]
        return name

    try:
        tree = ast.parse(_QUOTED.sub(placeholder, text.strip()), mode="eval")
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        raise BadTable(
            f"The expression {text[:60]!r} is not arithmetic, such as `price / area`: correct it."
        ) from None
    return _Reader(text, set(columns), quoted).read(tree.body)


class _Reader:
    """Turns the tree of one expression into an expression of polars."""

    def __init__(self, text: str, columns: set[str], quoted: Mapping[str, str]) -> None:
        self._text, self._columns, self._quoted = text, columns, quoted

    def read(self, node: ast.expr) -> pl.Expr:
        match node:
            case ast.Constant(value=bool() | int() | float() as value):
                return pl.lit(self._number(value))
            case ast.Name(id=name):
                return self._column(self._quoted.get(name, name))
            case ast.UnaryOp(op=ast.USub(), operand=operand):
                return -self.read(operand)
            case ast.UnaryOp(op=ast.UAdd(), operand=operand):
                return self.read(operand)
            case ast.BinOp(left=left, op=op, right=right) if type(op) in _BINARY:
                return _BINARY[type(op)](self.read(left), self.read(right))
            case ast.Compare(left=left, ops=[op], comparators=[right]) if type(op) in _COMPARED:
                return _COMPARED[type(op)](self.read(left), self.read(right)).cast(pl.Float64)
            case ast.Call(func=ast.Name(id=name), args=args, keywords=[]) if name in _FUNCTIONS:
                count, function = _FUNCTIONS[name]
                if count and len(args) != count:
                    raise self._wrong(
                        f"{name} takes {count} value{'s' if count > 1 else ''}, not {len(args)}"
                    )
                computed: pl.Expr = function(*(self.read(each) for each in args))
                return computed
        raise self._wrong(
            f"it may use numbers, columns, + - * / // % **, comparisons and {', '.join(_FUNCTIONS)}"
        )

    def _number(self, value: float) -> float:
        try:
            return float(value)
        except OverflowError:
            raise self._wrong("it has a number beyond 1e308") from None

    def _column(self, name: str) -> pl.Expr:
        if name not in self._columns:
            known = ", ".join(sorted(self._columns)[:20])
            raise self._wrong(
                f"there is no number or date {name[:60]!r} before it; there are {known or 'none'}"
            )
        return pl.col(name)

    def _wrong(self, why: str) -> BadTable:
        return BadTable(f"The expression {self._text[:60]!r} cannot be computed: {why}.")


_BINARY: Mapping[type[ast.operator], Callable[[pl.Expr, pl.Expr], pl.Expr]] = {
    ast.Add: lambda a, b: a + b,
    ast.Sub: lambda a, b: a - b,
    ast.Mult: lambda a, b: a * b,
    ast.Div: lambda a, b: a / b,
    ast.FloorDiv: lambda a, b: (a / b).floor(),
    ast.Mod: lambda a, b: a % b,
    ast.Pow: lambda a, b: a.pow(b),
}
_COMPARED: Mapping[type[ast.cmpop], Callable[[pl.Expr, pl.Expr], pl.Expr]] = {
    ast.Lt: lambda a, b: a < b,
    ast.LtE: lambda a, b: a <= b,
    ast.Gt: lambda a, b: a > b,
    ast.GtE: lambda a, b: a >= b,
    ast.Eq: lambda a, b: a == b,
    ast.NotEq: lambda a, b: a != b,
}


def _days(value: pl.Expr) -> pl.Expr:
    return pl.from_epoch(value.cast(pl.Int64), time_unit="d")


def _minimum(*values: pl.Expr) -> pl.Expr:
    return reduce(lambda a, b: pl.when(a <= b).then(a).otherwise(b), values)


def _maximum(*values: pl.Expr) -> pl.Expr:
    return reduce(lambda a, b: pl.when(a >= b).then(a).otherwise(b), values)


_FUNCTIONS: Mapping[str, tuple[int, Callable[..., Any]]] = {
    "abs": (1, lambda a: a.abs()),
    "exp": (1, lambda a: a.exp()),
    "floor": (1, lambda a: a.floor()),
    "log": (1, lambda a: a.log()),
    "max": (2, _maximum),
    "min": (2, _minimum),
    "round": (1, lambda a: a.round(0)),
    "sqrt": (1, lambda a: a.sqrt()),
    "where": (3, lambda test, a, b: pl.when(test != 0).then(a).otherwise(b)),
    "is_missing": (1, lambda a: a.is_null().cast(pl.Float64)),
    "year": (1, lambda a: _days(a).dt.year().cast(pl.Float64)),
    "month": (1, lambda a: _days(a).dt.month().cast(pl.Float64)),
    "weekday": (1, lambda a: _days(a).dt.weekday().cast(pl.Float64)),
}
"""Functions by name, with the number of their values."""
