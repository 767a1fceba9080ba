"""Which records people look at again."""

import hashlib
from collections import defaultdict
from collections.abc import Mapping
from itertools import chain, islice, zip_longest

from ratoon_labeling.domain.errors import BadSampleSize

LARGEST_SAMPLE = 10_000


def checked_size(size: int) -> int:
    """The size of a review sample; BadSampleSize outside 0 to 10,000."""
    if not 0 <= size <= LARGEST_SAMPLE:
        raise BadSampleSize(
            f"review_sample_size is {size}; choose 0 to {LARGEST_SAMPLE:,}.", "review_sample_size"
        )
    return size


def review_sample(labels: Mapping[str, str], size: int, seed: str) -> list[str]:
    """Draw record ids for review from `labels` (record id to label): each label in turn, so that rare ones are sampled.

    Answers that name no label share an empty one. A function of the set, the size and the seed alone; a larger sample
    begins with the smaller one.
    """
    by_label: dict[str, list[str]] = defaultdict(list)
    for record_id in sorted(labels, key=lambda record_id: _lot(record_id, seed)):
        by_label[labels[record_id]].append(record_id)
    rounds = zip_longest(*(by_label[label] for label in sorted(by_label)))
    drawn = (record_id for record_id in chain.from_iterable(rounds) if record_id is not None)
    return list(islice(drawn, size))


def _lot(record_id: str, seed: str) -> bytes:
    return hashlib.sha256(f"{seed}\0{record_id}".encode()).digest()
