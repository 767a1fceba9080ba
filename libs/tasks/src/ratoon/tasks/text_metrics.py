"""Metrics of generated text against references: exact match, token F1, ROUGE-L, BLEU, chrF, distinct-n, JSON fields.

Values lie in 0..1, and 1 is a perfect answer. Functions of one answer return the best value over its references.
`words` splits a text; BLEU takes tokens, which `bleu_tokens` makes as sacrebleu does. BLEU and chrF are values of a
whole corpus: `bleu_counts` and `chrf_counts` of each answer sum up to those of all, for `bleu_of` and `chrf_of`.
"""

import json
import math
import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

Tokens = Sequence[str]

_WORD = re.compile(
    r"[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]|[^\W_\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]+"
)
_SIGNED = re.compile(rf"(?:(?<![^\W_])-(?=\d))?(?:{_WORD.pattern})")
"""A word; a number with its sign."""
_ARTICLES = frozenset(("a", "an", "the"))
_MINUS = "\u2212"
BLEU_ORDER = 4
_CHRF_ORDER, _CHRF_BETA = 6, 2

_HAN = (
    r"\u2001-\u2a6d\u2e80-\u2fdf\u2ff0-\u303f\u3100-\u312f\u31a0-\u31ef\u3200-\u4db5\u4e00-\u9fbb"
    r"\uf900-\ufad9\ufe10-\ufe1f\ufe30-\ufe4f\uff00-\uffef"
)
"""Characters that sacrebleu's `zh` takes for Chinese; by a mistake of its ranges, U+2001 to U+2A6D are among them."""
_EACH_HAN = re.compile(f"([{_HAN}])")
_HAN_LETTER = re.compile(r"[\u3400-\u4db5\u4e00-\u9fbb\uf900-\ufad9]")
_UNSPACED = re.compile(r"[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff]")
"""Thai, Lao, Burmese, Khmer and kana: scripts without spaces whose tokenizers need a dictionary."""
_PUNCTUATION = (
    (re.compile(r"([\{-\~\[-\` -\&\(-\+\:-\@\/])"), r" \1 "),
    (re.compile(r"([^0-9])([\.,])"), r"\1 \2 "),
    (re.compile(r"([\.,])([^0-9])"), r" \1 \2"),
    (re.compile(r"([0-9])(-)"), r"\1 \2 "),
)
"""Rules of mteval-v13a, in their order."""
_ENTITIES = (
    ("<skipped>", ""),
    ("-\n", ""),
    ("\n", " "),
    ("&quot;", '"'),
    ("&amp;", "&"),
    ("&lt;", "<"),
    ("&gt;", ">"),
)
_REFUSAL_CHARS = 200
_REFUSAL = re.compile(
    r"\bi(?: can't| cannot|'m unable to| am unable to|'m not able to| am not able to| won't| will not)"
    r" (?:help|assist|answer|provide|fulfill|fulfil|comply|comment|discuss|do (?:that|this)|create|generate|write"
    r"|complete|engage|continue|share|offer|give|support)\b|\bas an ai\b"
    r"|(?:不能|无法|無法|不便|不會|不会)(?:为您|為您|为你|回答|提供|协助|協助|帮助|幫助|满足|滿足|完成|生成|讨论|討論)"
)


def words(text: str) -> list[str]:
    """Return the words of a text in lower case, without punctuation; Han, kana and Hangul one by one."""
    return _WORD.findall(unicodedata.normalize("NFC", text).lower())


def exact_match(answer: str, references: Sequence[str]) -> float:
    """Return 1 if the words of the answer are those of a reference, without English articles, else 0.

    A text of articles alone, such as the choice `A`, is those; a text without words is its characters.
    """
    return _best(lambda reference: float(_content(answer) == _content(reference)), references)


def token_f1(answer: str, references: Sequence[str]) -> float:
    """Return the F1 of the words as bags, without English articles (as in SQuAD, Rajpurkar et al., 2016)."""
    return _best(lambda reference: _bag_f1(_content(answer), _content(reference)), references)


def rouge_l_of_texts(answer: str, references: Sequence[str]) -> float:
    """Return ROUGE-L over words."""
    return _best(lambda reference: rouge_l(words(answer), words(reference)), references)


def is_refusal(answer: str) -> bool:
    """Return whether an answer declines to help, in English or Chinese: `I can't help`, `As an AI`, `无法回答`, ….

    The first 200 characters count. It is a rule of thumb: a refusal in other words is missed.
    """
    return _REFUSAL.search(answer[:_REFUSAL_CHARS].lower().replace("\u2019", "'")) is not None


def bleu_tokenizer(references: Iterable[str]) -> str:
    """Return sacrebleu's name of the tokenizer for these references.

    `zh` if some contain Chinese characters, `char` if some contain kana or another script without spaces, else `13a`.
    """
    chosen = "13a"
    for text in references:
        if _UNSPACED.search(text):
            return "char"
        if _HAN_LETTER.search(text):
            chosen = "zh"
    return chosen


def bleu_tokens(text: str, tokenizer: str) -> list[str]:
    """Return the tokens of a text by sacrebleu's tokenizer `13a`, `zh` or `char`; its spelling is kept."""
    if tokenizer == "char":
        return [character for character in text if not character.isspace()]
    if tokenizer == "zh":
        line = _EACH_HAN.sub(r" \1 ", text.strip())
    else:
        line = text.rstrip()
        for old, new in _ENTITIES:
            line = line.replace(old, new)
        line = f" {line} "
    for pattern, replacement in _PUNCTUATION:
        line = pattern.sub(replacement, line)
    return line.split()


def bleu(
    candidates: Sequence[Tokens], references: Sequence[Sequence[Tokens]], max_order: int = BLEU_ORDER
) -> float:
    """Return corpus BLEU (Papineni et al., 2002) with sacrebleu's default smoothing.

    Geometric mean of the clipped n-gram precisions up to `max_order` times the brevity penalty. The reference closest
    in length (the shorter one on a tie) gives the length to reach. An order without a match counts as half a match,
    the next one as a quarter, and so on; without any match, and where no text has `max_order` tokens, the value is 0.
    """
    counts = [
        bleu_counts(each, several, max_order) for each, several in zip(candidates, references, strict=True)
    ]
    return bleu_of([sum(column) for column in zip(*counts, strict=True)])


def bleu_counts(candidate: Tokens, references: Sequence[Tokens], max_order: int = BLEU_ORDER) -> list[int]:
    """Return what BLEU sums up: matched and possible n-grams of each order, the length, and the length to reach."""
    counts = []
    for order in range(1, max_order + 1):
        grams = _ngrams(candidate, order)
        ceiling: Counter[tuple[str, ...]] = Counter()
        for reference in references:
            ceiling |= _ngrams(reference, order)
        counts += [(grams & ceiling).total(), grams.total()]
    closest = min((abs(len(r) - len(candidate)), len(r)) for r in references)[1]
    return [*counts, len(candidate), closest]


def bleu_of(counts: Sequence[float]) -> float:
    """Return BLEU of summed `bleu_counts`."""
    *grams, length, closest = counts
    matched, possible = grams[::2], grams[1::2]
    if not any(matched) or not all(possible):
        return 0.0
    share, logs = 1.0, []
    for match, total in zip(matched, possible, strict=True):
        share = share if match else share / 2
        logs.append(math.log((match or share) / total))
    return math.exp(math.fsum(logs) / len(logs)) * min(1.0, math.exp(1 - closest / length))


def chrf(candidates: Sequence[str], references: Sequence[Sequence[str]]) -> float:
    """Return corpus chrF2 over character n-grams up to 6, white space left out (Popović, 2015), as sacrebleu does.

    Of several references of one answer, the one with the best chrF counts.
    """
    counts = [chrf_counts(each, several) for each, several in zip(candidates, references, strict=True)]
    return chrf_of([sum(column) for column in zip(*counts, strict=True)])


def chrf_counts(candidate: str, references: Sequence[str]) -> list[int]:
    """Return what chrF sums up: n-grams of the answer, of its best reference, and of both, for each order.

    Orders for which the reference is too short count no n-gram of the answer.
    """
    return max((_char_counts(candidate, each) for each in references), key=chrf_of)


def chrf_of(counts: Sequence[float]) -> float:
    """Return chrF2 of summed `chrf_counts`: the F score of mean precision and mean recall.

    The means are over the orders that both texts have.
    """
    orders = zip(counts[::3], counts[1::3], counts[2::3], strict=True)
    known = [(ours, theirs, matched) for ours, theirs, matched in orders if ours and theirs]
    if not known:
        return 0.0
    precision = math.fsum(matched / ours for ours, _, matched in known) / len(known)
    recall = math.fsum(matched / theirs for _, theirs, matched in known) / len(known)
    if not precision + recall:
        return 0.0
    factor = _CHRF_BETA**2
    return (1 + factor) * precision * recall / (factor * precision + recall)


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
    plain = unicodedata.normalize("NFC", text).replace(_MINUS, "-").lower()
    words = _SIGNED.findall(plain)
    return [word for word in words if word not in _ARTICLES] or words or plain.split()


def _bag_f1(left: Tokens, right: Tokens) -> float:
    if not left or not right:
        return float(list(left) == list(right))
    return 2 * (Counter(left) & Counter(right)).total() / (len(left) + len(right))


def _char_counts(candidate: str, reference: str) -> list[int]:
    left, right = ("".join(text.split()) for text in (candidate, reference))
    counts = []
    for order in range(1, _CHRF_ORDER + 1):
        ours, theirs = _ngrams(left, order), _ngrams(right, order)
        counts += [ours.total() if theirs else 0, theirs.total(), (ours & theirs).total()]
    return counts


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


def _ngrams(tokens: Tokens, order: int) -> Counter[Any]:
    """Return the n-grams: parts of a string, tuples of other tokens."""
    if isinstance(tokens, str):
        return Counter(tokens[i : i + order] for i in range(len(tokens) - order + 1))
    return Counter(zip(*(tokens[i:] for i in range(order)), strict=False))


def _common(left: Tokens, right: Tokens) -> int:
    """Return the length of the longest common subsequence, a row of bits at a time (Hyyrö, 2004)."""
    places: dict[str, int] = {}
    for index, token in enumerate(right):
        places[token] = places.get(token, 0) | 1 << index
    everywhere = (1 << len(right)) - 1
    unmatched = everywhere
    for token in left:
        matches = unmatched & places.get(token, 0)
        unmatched = (unmatched + matches | unmatched - matches) & everywhere
    return len(right) - unmatched.bit_count()
