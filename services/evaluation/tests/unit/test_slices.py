"""Which slices are made of which records."""

import pytest

from ratoon_evaluation.domain.slices import MAX_VALUES, length_bucket, slices_of


@pytest.mark.parametrize(
    ("characters", "bucket"),
    [(0, "0-199"), (199, "0-199"), (200, "200-499"), (4999, "2000-4999"), (5000, "5000+"), (10**6, "5000+")],
)
def test_length_buckets(characters, bucket):
    assert length_bucket(characters) == bucket


def test_slices_by_language_length_and_attribute():
    lengths = [100] * 5 + [1000] * 5
    languages = ["en"] * 10
    attributes = [{"html": "yes"} if index % 2 else {"html": "no"} for index in range(10)]
    slices = slices_of(lengths, languages, attributes)
    assert list(slices) == ["chars=0-199", "chars=1000-1999", "html=no", "html=yes"]
    assert slices["chars=0-199"] == [0, 1, 2, 3, 4]


def test_identifiers_and_small_slices_are_left_out():
    count = 5 * (MAX_VALUES + 1)
    attributes = [
        {"id": str(index % (MAX_VALUES + 1)), "rare": "yes" if index < 4 else ""} for index in range(count)
    ]
    assert slices_of([10] * count, ["en"] * count, attributes) == {}
