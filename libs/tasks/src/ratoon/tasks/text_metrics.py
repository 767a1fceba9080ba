"""Metrics of generated text against references: exact match, token F1, ROUGE-L, BLEU, chrF, distinct-n, JSON fields.

Values lie in 0..1, and 1 is a perfect answer. Functions of one answer return the best value over its references.
`words` splits a text; BLEU takes the tokens that its caller chose.
"""

import json
import math
import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import Any

Tokens = Sequence[str]

_WORD = re.compile(
    r"[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]|[^\W_\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]+"
)
_ARTICLES = frozenset(("a", "an", "the"))
_CHRF_ORDER, _CHRF_BETA = 6, 2


def words(text: str) -> list[str]:
    """Return the words of a text in lower case, without punctuation; Han, kana and Hangul one by one."""
    return _WORD.findall(unicodedata.normalize("NFC", text).lower())


def exact_match(answer: str, references: Sequence[str]) -> float:
    """Return 1 if the words of the answer are those of a reference, without English articles, else 0."""
    return _best(lambda reference: float(_content(answer) == _content(reference)), references)


def token_f1(answer: str, references: Sequence[str]) -> float:
    """Return the F1 of the words as bags, without English articles (as in SQuAD, Rajpurkar et al., 2016)."""
    return _best(lambda reference: _bag_f1(_content(answer), _content(reference)), references)


def rouge_l_of_texts(answer: str, references: Sequence[str]) -> float:
    """Return ROUGE-L over words."""
    return _best(lambda reference: rouge_l(words(answer), words(reference)), references)


def bleu(candidates: Sequence[Tokens], references: Sequence[Sequence[Tokens]], max_order: int = 4) -> float:
    """Return corpus BLEU, unsmoothed (Papineni et al., 2002); 0 if some order has no match.

    Geometric mean of the clipped n-gram precisions up to `max_order` times the brevity penalty. The reference closest
    in length (the shorter one on a tie) gives the length to reach.
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


def chrf(candidates: Sequence[str], references: Sequence[Sequence[str]]) -> float:
    """Return corpus chrF2 over character n-grams up to 6, white space left out (Popović, 2015), as sacrebleu does.

    Of several references of one answer, the one with the best chrF counts.
    """
    totals = [(0, 0, 0)] * _CHRF_ORDER
    for candidate, alternatives in zip(candidates, references, strict=True):
        counts = max((_char_counts(candidate, each) for each in alternatives), key=_chrf_of)
        totals = [(a + x, b + y, c + z) for (a, b, c), (x, y, z) in zip(totals, counts, strict=True)]
    return _chrf_of(totals)


def rouge_l(candidate: Tokens, reference: Tokens) -> float:
    """Return the F-measure of the longest common subsequence (Lin, 2004), precision and recall weighed the same."""
    if not candidate or not reference:
        return 0.0
    return 2 * _common(candidate, reference) / (len(candidate) + len(reference))


def distinct_n(texts: Sequence[Tokens], order: int) -> float:
    """Return different n-grams by all n-grams of the texts together (Li et al., 2016); 0 when there are none."""
    grams: Counter[tuple[str, ...]] = Counter()
    for tokens in texts:
        grams += _ngrams(tokens, order)
    return len(grams) / grams.total() if grams else 0.0


def json_field_f1(answer: str, reference: str) -> float:
    """Return the F1 of the fields (path and value) of two JSON documents; 0 if one of them is not JSON."""
    try:
        fields, expected = (Counter(_fields(json.loads(text))) for text in (answer, reference))
    except (ValueError, RecursionError):
        return 0.0
    return 2 * (fields & expected).total() / (fields.total() + expected.total())


def _best(score: Callable[[str], float], references: Sequence[str]) -> float:
    if not references:
        raise ValueError("The answer has no reference.")
    return max(map(score, references))


def _content(text: str) -> list[str]:
    return [word for word in words(text) if word not in _ARTICLES]


def _bag_f1(left: Tokens, right: Tokens) -> float:
    if not left or not right:
        return float(list(left) == list(right))
    return 2 * (Counter(left) & Counter(right)).total() / (len(left) + len(right))


def _char_counts(candidate: str, reference: str) -> list[tuple[int, int, int]]:
    """Return n-grams of the candidate, of the reference, and of both, for each order."""
    left, right = ("".join(text.split()) for text in (candidate, reference))
    counts = []
    for order in range(1, _CHRF_ORDER + 1):
        ours, theirs = _ngrams(left, order), _ngrams(right, order)
        counts.append((ours.total(), theirs.total(), (ours & theirs).total()))
    return counts


def _chrf_of(counts: Sequence[tuple[int, int, int]]) -> float:
    """Return the F score of the mean precision and the mean recall over the orders that both texts have."""
    known = [(ours, theirs, matched) for ours, theirs, matched in counts if ours and theirs]
    if not known:
        return 0.0
    precision = math.fsum(matched / ours for ours, _, matched in known) / len(known)
    recall = math.fsum(matched / theirs for _, theirs, matched in known) / len(known)
    if not precision + recall:
        return 0.0
    factor = _CHRF_BETA**2
    return (1 + factor) * precision * recall / (factor * precision + recall)


def _fields(document: Any, path: str = "") -> Iterator[tuple[str, str]]:
    """Yield path and value of each leaf; an empty object or list is a leaf. Lists compare as bags."""
    if isinstance(document, dict) and document:
        for key, value in document.items():
            yield from _fields(value, f"{path}.{key}")
    elif isinstance(document, list) and document:
        for value in document:
            yield from _fields(value, f"{path}[]")
    else:
        yield path, json.dumps(document)


def _ngrams(tokens: Tokens, order: int) -> Counter[tuple[str, ...]]:
    return Counter(tuple(tokens[i : i + order]) for i in range(len(tokens) - order + 1))


def _common(left: Tokens, right: Tokens) -> int:
    """Return the length of the longest common subsequence, in O(len × len) time and O(len) space."""
    row = [0] * (len(right) + 1)
    for token in left:
        diagonal = 0
        for index, other in enumerate(right, start=1):
            above = row[index]
            row[index] = diagonal + 1 if token == other else max(above, row[index - 1])
            diagonal = above
    return row[-1]
