"""Offsets of a text through changes: which span of the original a span of the changed text came from.

Offsets are Unicode code points. Texts are compared by words, which is exact where words are kept, inserted, removed
or replaced, as masks, line ends and control characters are. A span that begins or ends within a replaced part takes the
whole part.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher

_TOKEN = re.compile(r"\w+|[^\w]", re.DOTALL)
MAX_TOKENS = 20_000
"""Tokens of a text that are compared between its equal beginning and end; a longer part counts as one replacement."""

Span = tuple[int, int]
_END = 1 << 62
"""End of a text of any length."""


@dataclass(frozen=True)
class Block:
    """A part that is equal in both texts (`is_equal`) or that took the place of another."""

    before: Span
    after: Span
    is_equal: bool


@dataclass(frozen=True)
class Alignment:
    """Blocks of a text and of what it became, in their order, without gaps."""

    blocks: tuple[Block, ...]

    def original(self, start: int, end: int) -> Span:
        """Return the span of the original that `start` to `end` (exclusive) of the changed text came from."""
        first = next((each for each in self.blocks if start < each.after[1]), self.blocks[-1])
        last = next((each for each in reversed(self.blocks) if each.after[0] < end), self.blocks[0])
        begin = first.before[0] + (start - first.after[0] if first.is_equal else 0)
        stop = last.before[0] + (end - last.after[0]) if last.is_equal else last.before[1]
        return begin, max(begin, stop)


def replacements(blocks: Sequence[Block]) -> Alignment:
    """Return the alignment of a text in which parts were replaced, in their order, and all else stayed."""
    whole: list[Block] = []
    before = after = 0
    for each in blocks:
        whole.append(Block((before, each.before[0]), (after, each.after[0]), True))
        whole.append(each)
        before, after = each.before[1], each.after[1]
    rest = Block((before, _END), (after, after + _END - before), True)
    return Alignment((*(each for each in whole if each.before[0] < each.before[1]), rest))


def aligned(before: str, after: str) -> Alignment:
    """Return how two texts correspond."""
    same = _shared(before, after)
    tail = min(_shared(before[::-1], after[::-1]), len(before) - same, len(after) - same)
    middle = _compared(before[same : len(before) - tail], after[same : len(after) - tail], same)
    ends = (
        Block((0, same), (0, same), True),
        *middle,
        Block((len(before) - tail, len(before)), (len(after) - tail, len(after)), True),
    )
    blocks = tuple(each for each in ends if each.before[0] < each.before[1] or each.after[0] < each.after[1])
    return Alignment(blocks or (Block((0, 0), (0, 0), True),))


def _compared(before: str, after: str, offset: int) -> tuple[Block, ...]:
    """Return the blocks of the parts between what both texts begin and end with."""
    one, other = _TOKEN.findall(before), _TOKEN.findall(after)
    if max(len(one), len(other)) > MAX_TOKENS:
        whole = Block((offset, offset + len(before)), (offset, offset + len(after)), False)
        return (whole,)
    places, changed = _places(one, offset), _places(other, offset)
    return tuple(
        Block((places[i], places[j]), (changed[k], changed[n]), tag == "equal")
        for tag, i, j, k, n in SequenceMatcher(None, one, other, autojunk=False).get_opcodes()
    )


def _places(tokens: list[str], offset: int) -> list[int]:
    places = [offset]
    for token in tokens:
        places.append(places[-1] + len(token))
    return places


def _shared(one: str, other: str) -> int:
    """Return the number of characters that two texts begin with alike."""
    low, high = 0, min(len(one), len(other))
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if one[:middle] == other[:middle] else (low, middle - 1)
    return low
