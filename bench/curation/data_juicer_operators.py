"""The same for Data-Juicer, in its own environment: its nearest operators, run on a data set in memory by itself.

    python bench/curation/data_juicer_operators.py TEXTS.jsonl [NAME …]

`gopher_quality` is its filters by number of words, share of letters and share of special characters;
`gopher_repetition` its filter of repeated words at the lengths of Gopher, 2 to 10. C4 and FineWeb have no counterpart.
"""

import contextlib
import json
import sys
import time
from pathlib import Path

with contextlib.redirect_stdout(sys.stderr):
    from data_juicer.core.data import NestedDataset
    from data_juicer.ops.filter.alphanumeric_filter import AlphanumericFilter
    from data_juicer.ops.filter.special_characters_filter import SpecialCharactersFilter
    from data_juicer.ops.filter.word_repetition_filter import WordRepetitionFilter
    from data_juicer.ops.filter.words_num_filter import WordsNumFilter

_SHARES = {2: 0.20, 3: 0.18, 4: 0.16, 5: 0.15, 6: 0.14, 7: 0.13, 8: 0.12, 9: 0.11, 10: 0.10}


def operators(name: str) -> list:
    """Return the operators for a step."""
    if name == "gopher_quality":
        return [
            WordsNumFilter(lang="en", min_num=50, max_num=100_000, num_proc=1),
            AlphanumericFilter(min_ratio=0.6, num_proc=1),
            SpecialCharactersFilter(num_proc=1),
        ]
    return [
        WordRepetitionFilter(lang="en", rep_len=size, max_ratio=share, num_proc=1)
        for size, share in _SHARES.items()
    ]


def main(path: str, *names: str) -> None:
    """Measure."""
    texts = [json.loads(line)["text"] for line in Path(path).read_text().splitlines()]
    result = {}
    for name, parts in (*((name, [name]) for name in names), ("all", names)):
        data = NestedDataset.from_list([{"text": text, "row": row} for row, text in enumerate(texts)])
        steps = [each for part in parts for each in operators(part)]
        began = time.process_time()
        with contextlib.redirect_stdout(sys.stderr):
            rows = set(data.process(steps, open_monitor=False)["row"])
        seconds = time.process_time() - began
        result[name] = {"seconds": seconds, "passed": [row in rows for row in range(len(texts))]}
    print(json.dumps(result))


if __name__ == "__main__":
    main(*sys.argv[1:])
