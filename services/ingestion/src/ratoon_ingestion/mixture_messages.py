"""Mixtures as messages, for the API and for jobs."""

from ratoon.ingestion.v1 import mixture_pb2 as pb
from ratoon_ingestion.domain.mixtures import Component, Mixture, Strategy, Unit


def mixture_of(message: pb.Mixture) -> Mixture:
    """Return the mixture of a message; BadMixture if a setting is out of range."""
    return Mixture(
        components=tuple(
            Component(each.dataset_version, each.source, each.weight or 1.0, each.max_repeats or 1.0)
            for each in message.components
        ),
        strategy=Strategy(pb.Mixture.Strategy.Name(message.strategy).removeprefix("STRATEGY_"))
        if message.strategy
        else Strategy.TEMPERATURE,
        temperature=message.temperature or 1.0,
        unit=Unit(pb.Mixture.Unit.Name(message.unit).removeprefix("UNIT_")) if message.unit else Unit.TOKENS,
        budget=message.budget,
        seed=message.seed,
        language_shares=dict(sorted(message.language_shares.items())),
        label_shares=dict(sorted(message.label_shares.items())),
        balance_labels=message.balance_labels,
    )


def mixture_message(value: Mixture) -> pb.Mixture:
    """Return a mixture as callers see it."""
    return pb.Mixture(
        components=[pb.Mixture.Component(**vars(each)) for each in value.components],
        strategy=pb.Mixture.Strategy.Value(f"STRATEGY_{value.strategy}"),
        temperature=value.temperature,
        unit=pb.Mixture.Unit.Value(f"UNIT_{value.unit}"),
        budget=value.budget,
        seed=value.seed,
        language_shares=value.language_shares,
        label_shares=value.label_shares,
        balance_labels=value.balance_labels,
    )
