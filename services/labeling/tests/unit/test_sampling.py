"""The review sample: a function of the set, the size and the seed."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ratoon_labeling.domain.errors import BadSampleSize
from ratoon_labeling.domain.sampling import checked_size, review_sample

labelled = st.dictionaries(st.text(max_size=4), st.sampled_from(["ham", "spam", "bulk"]), max_size=30)


@given(labelled, st.integers(0, 40), st.randoms(use_true_random=False))
def test_it_does_not_depend_on_the_order_of_records(labels, size, chance):
    shuffled = dict(chance.sample(list(labels.items()), len(labels)))
    drawn = review_sample(labels, size, "seed")
    assert review_sample(shuffled, size, "seed") == drawn
    assert len(drawn) == len(set(drawn)) == min(size, len(labels))
    assert set(drawn) <= set(labels)


@given(labelled, st.integers(0, 20))
def test_a_larger_sample_begins_with_the_smaller_one(labels, size):
    assert review_sample(labels, size + 5, "seed")[:size] == review_sample(labels, size, "seed")


def test_rare_labels_are_sampled():
    labels = {f"r{n}": "spam" if n % 50 == 0 else "ham" for n in range(500)}
    drawn = review_sample(labels, 20, "seed")
    assert Counter(labels[record] for record in drawn) == {"ham": 10, "spam": 10}


def test_another_seed_draws_others():
    labels = {f"r{n}": "ham" for n in range(100)}
    assert review_sample(labels, 10, "one") != review_sample(labels, 10, "two")


@pytest.mark.parametrize("size", [-1, 10_001])
def test_the_size_has_bounds(size):
    with pytest.raises(BadSampleSize):
        checked_size(size)
