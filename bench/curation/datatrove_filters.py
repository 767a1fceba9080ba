"""The same for datatrove, in its own environment: each filter called on documents in memory.

    python bench/curation/datatrove_filters.py TEXTS.jsonl [NAME …]

Readers, writers and the executor are left out, in its favour.
"""

import json
import sys
import time
from pathlib import Path

from datatrove.data import Document
from datatrove.pipeline.filters import (
    C4QualityFilter,
    FineWebQualityFilter,
    GopherQualityFilter,
    GopherRepetitionFilter,
)

_FILTERS = {
    "gopher_quality": GopherQualityFilter,
    "gopher_repetition": GopherRepetitionFilter,
    "c4": C4QualityFilter,
    "fineweb": FineWebQualityFilter,
}


def passes(document: Document, filters: list) -> bool:
    """Return whether a document passes; a division by zero, for a text without words, removes it."""
    try:
        return all(each.filter(document) is True for each in filters)
    except ZeroDivisionError:
        return False


def main(path: str, *names: str) -> None:
    """Measure."""
    texts = [json.loads(line)["text"] for line in Path(path).read_text().splitlines()]
    filters = {name: _FILTERS[name]() for name in names}
    passes(Document(text="One sentence to load the tokenizer.", id=""), list(filters.values()))
    for each in filters.values():
        each.filter(Document(text="One sentence to load the tokenizer.", id=""))
    result = {}
    for name, parts in (*((name, [each]) for name, each in filters.items()), ("all", list(filters.values()))):
        began = time.process_time()
        passed = [passes(Document(text=text, id=""), parts) for text in texts]
        result[name] = {"seconds": time.process_time() - began, "passed": passed}
    print(json.dumps(result))


if __name__ == "__main__":
    main(*sys.argv[1:])
