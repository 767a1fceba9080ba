"""Recipes of classical models to protobuf and back."""

from typing import Any

from ratoon.training.v1 import training_run_pb2 as pb
from ratoon_training.domain.classical import (
    Classical,
    Duplicates,
    Encoding,
    Estimator,
    Expression,
    Features,
    Missing,
    Outliers,
    Scaling,
    Table,
)

_KINDS: dict[str, tuple[Any, Any]] = {
    "missing": (pb.Recipe.Table.Missing, Missing),
    "outliers": (pb.Recipe.Table.Outliers, Outliers),
    "scaling": (pb.Recipe.Table.Scaling, Scaling),
    "encoding": (pb.Recipe.Table.Encoding, Encoding),
    "duplicates": (pb.Recipe.Table.Duplicates, Duplicates),
}
"""Enums of a table: the message's, and the domain's."""


def message_of(value: Classical) -> pb.Recipe.Classical:
    """Return the message of a recipe."""
    kind = pb.Recipe.Classical
    return kind(
        features=[kind.Features.Value(f"FEATURES_{each}") for each in value.features],
        estimators=[kind.Estimator.Value(f"ESTIMATOR_{each}") for each in value.estimators],
        table=_table_message(value.table) if value.table else None,
    )


def recipe_of(message: pb.Recipe.Classical) -> Classical:
    """Return the recipe of a request; values that are not set are left to their defaults."""
    kind = pb.Recipe.Classical
    table = _table(message.table) if message.HasField("table") else None
    return Classical(
        tuple(
            Features(kind.Features.Name(each).removeprefix("FEATURES_")) for each in message.features if each
        ),
        tuple(
            Estimator(kind.Estimator.Name(each).removeprefix("ESTIMATOR_"))
            for each in message.estimators
            if each
        ),
        table,
    )


def _table_message(value: Table) -> pb.Recipe.Table:
    kinds = {name: enum.Value(f"{name.upper()}_{getattr(value, name)}") for name, (enum, _) in _KINDS.items()}
    return pb.Recipe.Table(
        columns=value.columns,
        sentinel=value.sentinel,
        expressions=[
            pb.Recipe.Table.Expression(name=each.name, expression=each.expression)
            for each in value.expressions
        ],
        select=value.select,
        components=value.components,
        **kinds,
    )


def _table(message: pb.Recipe.Table) -> Table:
    kinds: dict[str, Any] = {
        name: values(enum.Name(getattr(message, name)).removeprefix(f"{name.upper()}_"))
        for name, (enum, values) in _KINDS.items()
        if getattr(message, name)
    }
    if message.HasField("sentinel"):
        kinds["sentinel"] = message.sentinel
    return Table(
        columns=tuple(message.columns),
        expressions=tuple(Expression(each.name, each.expression) for each in message.expressions),
        select=message.select,
        components=message.components,
        **kinds,
    )
