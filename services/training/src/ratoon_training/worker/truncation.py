"""Samples that are too long, by the policy of the recipe."""

from dataclasses import replace
from itertools import pairwise

from ratoon_training.domain.errors import SampleTooLong
from ratoon_training.domain.recipes import Truncation
from ratoon_training.worker.conversations import Sample

MIN_PROMPT = 8
"""Tokens of the prompt that MIDDLE leaves on both sides together; below that, it cuts the sample as a whole."""


def truncated(sample: Sample, limit: int, policy: Truncation, bos: int | None) -> list[Sample]:
    """Return a sample of more than `limit` tokens as samples of at most `limit`; SampleTooLong if it must stay whole.

    `bos` is the token that begins every text of the tokenizer: a sample that begins with it keeps it. A token after a
    gap is never learned, since what precedes it is not what preceded it in the record.
    """
    tokens = len(sample.ids)
    match policy:
        case Truncation.REFUSE:
            raise SampleTooLong(
                f"A sample has {tokens:,} tokens, recipe.max_tokens allows {limit:,}: raise it, leave long records "
                f"out, or choose another recipe.truncation."
            )
        case Truncation.RIGHT:
            return [_joined(sample, (0, limit))]
        case Truncation.LEFT:
            first = 1 if sample.ids[0] == bos else 0
            return [_joined(sample, (0, first), (tokens - limit + first, tokens))]
        case Truncation.MIDDLE:
            head = _head_length(sample, limit)
            return [_joined(sample, (0, head), (tokens - limit + head, tokens))]
        case Truncation.SEGMENT:
            starts = range(0, tokens, limit)
            return [_joined(sample, (start, min(tokens, start + limit))) for start in starts]


def _head_length(sample: Sample, limit: int) -> int:
    """Return the tokens to keep before the gap: half of what remains of the text before the last answer."""
    tokens = len(sample.ids)
    remaining = _answer_begin(sample) - (tokens - limit)
    return (remaining if remaining >= MIN_PROMPT else limit) // 2


def _answer_begin(sample: Sample) -> int:
    """Return the place of the first token of the last answer."""
    begins = [place for place, (before, now) in enumerate(pairwise(sample.targets), 1) if now and not before]
    return begins[-1] if begins else 0


def _joined(sample: Sample, *spans: tuple[int, int]) -> Sample:
    """Return the tokens of these spans."""
    ids, targets = list[int](), list[bool]()
    for start, end in spans:
        learned = sample.targets[start:end]
        if ids and learned:
            learned[0] = False
        ids += sample.ids[start:end]
        targets += learned
    return replace(sample, ids=ids, targets=targets)
