"""Limits of texts: chosen from their lengths, within bounds of memory and time."""

from ratoon_training.domain.lengths import (
    EPOCH_TOKENS,
    MAX_PROMPT_TOKENS,
    MIN_PROMPT_TOKENS,
    RESERVED_POSITIONS,
    character_limit,
    fewer,
    token_limit,
)


def test_short_texts_are_kept_whole():
    tokens = [20, 30, 40, 250] * 100
    assert token_limit(tokens, 2048) == 250
    assert character_limit([each * 2 for each in tokens], tokens, 250) == 500


def test_one_endless_text_does_not_set_the_limit():
    tokens = [60] * 199 + [100_000]
    limit = token_limit(tokens, 2048)
    assert limit == 60
    assert character_limit([each * 4 for each in tokens], tokens, limit) == 240


def test_long_texts_are_cut_at_the_bound_of_memory():
    assert token_limit([5_000] * 50, 2048) == MAX_PROMPT_TOKENS


def test_many_long_texts_are_cut_so_that_training_ends_in_minutes():
    limit = token_limit([1_000] * 1_500, 2048)
    assert MIN_PROMPT_TOKENS < limit < MAX_PROMPT_TOKENS
    assert limit * 1_500 <= EPOCH_TOKENS
    assert token_limit([1_000] * 15, 2048, share=100.0) == limit
    assert token_limit([1_000] * 10_000, 2048) == MIN_PROMPT_TOKENS


def test_a_model_with_few_positions_sets_the_limit():
    assert token_limit([5_000] * 50, 128) == 128 - RESERVED_POSITIONS


def test_nothing_to_measure_gives_the_minimum():
    assert token_limit([], 2048) == MIN_PROMPT_TOKENS
    assert character_limit([], [], MIN_PROMPT_TOKENS) == 10


def test_fewer_characters_always_end():
    assert fewer(2_000, 0.5) == 1_000
    assert fewer(100, 0.99) == 90
    assert fewer(20, 0.01) == fewer(10, 0.5) == 10
