"""Scores of free text: BLEU, ROUGE-L and distinct-n over tokens.

They do not know how the text was split into tokens.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence

Tokens = Sequence[str]


def bleu(candidates: Sequence[Tokens], references: Sequence[Sequence[Tokens]], max_order: int = 4) -> float:
    """Corpus BLEU in 0..1, unsmoothed (Papineni et al., 2002).

    Geometric mean of the clipped n-gram precisions up to `max_order` times the brevity penalty, the reference
    closest in length (the shorter one on a tie) giving the length to reach. 0 when some order has no match.
    """
    matched, possible = [0] * max_order, [0] * max_order
    length = closest = 0
    for candidate, alternatives in zip(candidates, references, strict=True):
        length += len(candidate)
        closest += min((abs(len(r) - len(candidate)), len(r)) for r in alternatives)[1]
        for order in range(1, max_order + 1):
            grams = _ngrams(candidate, order)
            ceiling: Counter[tuple[str, ...]] = Counter()
            for reference in alternatives:
                ceiling |= _ngrams(reference, order)
            matched[order - 1] += (grams & ceiling).total()
            possible[order - 1] += grams.total()
    if not all(matched):
        return 0.0
    logs = math.fsum(math.log(m / p) for m, p in zip(matched, possible, strict=True)) / max_order
    return math.exp(logs) * min(1.0, math.exp(1 - closest / length))


def rouge_l(candidate: Tokens, reference: Tokens) -> float:
    """F-measure in 0..1 of the longest common subsequence (Lin, 2004.

    Precision and recall weigh the same).
    """
    if not candidate or not reference:
        return 0.0
    return 2 * _common(candidate, reference) / (len(candidate) + len(reference))


def distinct_n(texts: Sequence[Tokens], order: int) -> float:
    """Different n-grams by all n-grams of the texts together, in 0..1 (Li et al., 2016).

    0 when there are none.
    """
    grams: Counter[tuple[str, ...]] = Counter()
    for tokens in texts:
        grams += _ngrams(tokens, order)
    return len(grams) / grams.total() if grams else 0.0


def _ngrams(tokens: Tokens, order: int) -> Counter[tuple[str, ...]]:
    return Counter(tuple(tokens[i : i + order]) for i in range(len(tokens) - order + 1))


def _common(left: Tokens, right: Tokens) -> int:
    """Length of the longest common subsequence, in O(len × len) time and O(len) space."""
    row = [0] * (len(right) + 1)
    for token in left:
        diagonal = 0
        for index, other in enumerate(right, start=1):
            above = row[index]
            row[index] = diagonal + 1 if token == other else max(above, row[index - 1])
            diagonal = above
    return row[-1]
