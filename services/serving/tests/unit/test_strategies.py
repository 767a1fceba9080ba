"""Selection of the strategy for a pair of versions."""

import pytest

from ratoon_serving.domain.errors import StrategyUnavailable
from ratoon_serving.domain.rollouts.adapter_swap import max_rank_for
from ratoon_serving.domain.rollouts.model_spec import ModelSpec
from ratoon_serving.domain.rollouts.rollout import Strategy
from ratoon_serving.domain.rollouts.second_engine import Headroom
from ratoon_serving.domain.rollouts.selection import choose

AMPLE, SHORT = Headroom(8 << 30, 1 << 30), Headroom(1 << 30, 1 << 30)
WHOLE, OTHER = ModelSpec("one", size_bytes=1 << 20), ModelSpec("another", size_bytes=1 << 20)
ADAPTER, STRANGER = ModelSpec("one", "base", 1 << 20, 8), ModelSpec("one", "other base", 1 << 20, 8)
BIG = ModelSpec("one", "base", 1 << 20, 9)
OTHER_TEMPLATE = ModelSpec("another", "base", 1 << 20, 8)


@pytest.mark.parametrize(
    ("old", "new", "headroom", "strategy"),
    [
        (None, WHOLE, AMPLE, Strategy.SECOND_ENGINE),
        (None, ADAPTER, SHORT, Strategy.SECOND_ENGINE),
        (WHOLE, WHOLE, AMPLE, Strategy.SECOND_ENGINE),
        (WHOLE, WHOLE, SHORT, Strategy.IN_PLACE),
        (WHOLE, OTHER, SHORT, Strategy.SECOND_ENGINE),
        (ADAPTER, ADAPTER, AMPLE, Strategy.ADAPTER_SWAP),
        (ADAPTER, ADAPTER, SHORT, Strategy.ADAPTER_SWAP),
        (ADAPTER, BIG, AMPLE, Strategy.SECOND_ENGINE),
        (ADAPTER, STRANGER, SHORT, Strategy.SECOND_ENGINE),
        (ADAPTER, OTHER_TEMPLATE, SHORT, Strategy.SECOND_ENGINE),
        (WHOLE, ADAPTER, SHORT, Strategy.SECOND_ENGINE),
        (ADAPTER, WHOLE, SHORT, Strategy.SECOND_ENGINE),
        (ModelSpec(), ModelSpec(), SHORT, Strategy.SECOND_ENGINE),
    ],
)
def test_the_cheapest_safe_one_is_chosen_and_explained(old, new, headroom, strategy):
    choice = choose(None, old, new, headroom)
    assert choice.strategy is strategy
    assert choice.reason


def test_a_requested_strategy_is_used_where_it_is_safe_whatever_the_headroom():
    assert choose(Strategy.IN_PLACE, WHOLE, WHOLE, AMPLE).strategy is Strategy.IN_PLACE
    assert choose(Strategy.SECOND_ENGINE, ADAPTER, ADAPTER, SHORT).strategy is Strategy.SECOND_ENGINE
    for strategy, old, new in [
        (Strategy.IN_PLACE, WHOLE, OTHER),
        (Strategy.IN_PLACE, None, WHOLE),
        (Strategy.IN_PLACE, ADAPTER, ADAPTER),
        (Strategy.ADAPTER_SWAP, WHOLE, ADAPTER),
        (Strategy.ADAPTER_SWAP, ADAPTER, STRANGER),
    ]:
        with pytest.raises(StrategyUnavailable):
            choose(strategy, old, new, AMPLE)


def test_the_maximum_rank_is_the_next_power_of_two():
    assert [max_rank_for(rank) for rank in (0, 1, 8, 9, 16, 64, 65)] == [0, 8, 8, 16, 16, 64, 128]


def test_too_few_free_processes_lead_to_a_rollout_in_place_with_the_reason():
    full, two, endless = Headroom(free_processes=1), Headroom(free_processes=2), Headroom(unbounded=True)
    in_place = choose(None, WHOLE, WHOLE, full, processes=2)
    assert in_place.strategy is Strategy.IN_PLACE
    assert in_place.reason.startswith("the pool of engines has 1 place left, but a second engine needs 2")
    for headroom in (two, endless):
        assert choose(None, WHOLE, WHOLE, headroom, processes=2).strategy is Strategy.SECOND_ENGINE
    assert choose(None, WHOLE, OTHER, full, processes=2).strategy is Strategy.SECOND_ENGINE
    assert choose(None, None, WHOLE, Headroom(free_processes=0)).strategy is Strategy.SECOND_ENGINE
