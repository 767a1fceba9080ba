"""Which records stand, word for word or nearly, among others: the guard between test and training parts."""

from dataclasses import dataclass

import pyarrow as pa

from ratoon_ingestion.worker.duplicates import near_duplicates
from ratoon_ingestion.worker.normalise import comparable
from ratoon_ingestion.worker.words import shingles_of, simhash, words_of


@dataclass(frozen=True)
class Texts:
    """Records by id, content digest and text, in equal order."""

    record_ids: list[str]
    digests: list[str]
    texts: list[str]

    def __add__(self, other: "Texts") -> "Texts":
        return Texts(
            self.record_ids + other.record_ids, self.digests + other.digests, self.texts + other.texts
        )


def alike(records: Texts, others: Texts, threshold: float) -> set[str]:
    """Ids of those `records` that are, equal or are near duplicates of one of the `others`."""
    if not others.record_ids:
        return set()
    known_ids, known_digests = set(others.record_ids), set(others.digests)
    matches = {
        record_id
        for record_id, digest in zip(records.record_ids, records.digests, strict=True)
        if record_id in known_ids or digest in known_digests
    }
    together = records + others
    shingles = [shingles_of(words_of(comparable(text))) for text in together.texts]
    column = pa.chunked_array([pa.array(shingles, pa.list_(pa.uint64()))])
    roots = near_duplicates(column, [simhash(hashes) for hashes in shingles], threshold).roots
    count = len(records.record_ids)
    known_roots = set(roots[count:])
    return matches | {records.record_ids[row] for row in range(count) if roots[row] in known_roots}
