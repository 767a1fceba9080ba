"""Small and large, by both measures."""

import pytest

from ratoon_registry.domain.sizes import SizeClass, size_class


@pytest.mark.parametrize(
    ("parameters", "size_bytes", "expected"),
    [
        (1_200_000, 4_800_000, SizeClass.SMALL),
        (99_999_999, 99_999_999, SizeClass.SMALL),
        (99_999_999, 400_000_000, SizeClass.MEDIUM),
        (100_000_000, 50_000_000, SizeClass.MEDIUM),
        (9_999_999_999, 1, SizeClass.MEDIUM),
        (10_000_000_000, 20_000_000_000, SizeClass.LARGE),
    ],
)
def test_size_class(parameters, size_bytes, expected):
    assert size_class(parameters, size_bytes) is expected
