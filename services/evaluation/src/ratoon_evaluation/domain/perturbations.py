"""Errors in prompts, by a seed: the same seed and record give the same errors, whatever stands around the record."""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from random import Random

RATE = 0.05
"""Share of the characters to change, where a test states none."""
_NEIGHBOURS = {
    "q": "wa", "w": "qes", "e": "wrd", "r": "etf", "t": "ryg", "y": "tuh", "u": "yij", "i": "uok", "o": "ipl",
    "p": "ol", "a": "qsz", "s": "adw", "d": "sfe", "f": "dgr", "g": "fht", "h": "gjy", "j": "hku", "k": "jli",
    "l": "kop", "z": "ax", "x": "zcs", "c": "xvd", "v": "cbf", "b": "vng", "n": "bmh", "m": "nj",
}  # fmt: skip
"""Keys beside a key of a keyboard with QWERTY layout."""


class Perturbation(StrEnum):
    """Kind of error."""

    TYPOS = "TYPOS"
    CASE = "CASE"
    WHITE_SPACE = "WHITE_SPACE"
    TRUNCATION = "TRUNCATION"


@dataclass(frozen=True)
class Noise:
    """Errors to put into prompts, in this order; `rate` is a share of the characters."""

    perturbations: tuple[Perturbation, ...]
    rate: float = RATE
    seed: int = 0


def perturbed(text: str, noise: Noise, key: str) -> str:
    """Return the text with errors, which depend on the seed and on the key alone."""
    for place, each in enumerate(noise.perturbations):
        seed = hashlib.sha256(f"{noise.seed}:{place}:{each}:{key}".encode()).digest()
        text = _CHANGES[each](text, noise.rate, Random(seed))
    return text


def _typos(text: str, rate: float, random: Random) -> str:
    letters = list(text)
    for place in _chosen(text, rate, random, str.isalpha):
        letter = letters[place]
        match random.randrange(4):
            case 0 if place + 1 < len(letters) and letters[place + 1].isalpha():
                letters[place], letters[place + 1] = letters[place + 1], letter
            case 1:
                letters[place] = letter * 2
            case 2:
                letters[place] = ""
            case _:
                letters[place] = _beside(letter, random)
    return "".join(letters)


def _beside(letter: str, random: Random) -> str:
    keys = _NEIGHBOURS.get(letter.lower())
    if keys is None:
        return letter * 2
    key = random.choice(keys)
    return key.upper() if letter.isupper() else key


def _case(text: str, rate: float, random: Random) -> str:
    letters = list(text)
    for place in _chosen(text, rate, random, lambda letter: letter.swapcase() != letter):
        letters[place] = letters[place].swapcase()
    return "".join(letters)


def _white_space(text: str, rate: float, random: Random) -> str:
    characters = list(text)
    for place in _chosen(text, rate, random, lambda _character: True):
        character = characters[place]
        if character.isspace():
            characters[place] = random.choice(("", character * 2))
        else:
            characters[place] = f"{character} "
    return "".join(characters)


def _truncation(text: str, rate: float, _random: Random) -> str:
    retained = len(text) - max(1, round(len(text) * rate))
    return text[:retained].rstrip() or text


def _chosen(text: str, rate: float, random: Random, allowed: Callable[[str], bool]) -> list[int]:
    """Return places of such characters in their order: the share of them that is changed, at least one."""
    places = [place for place, character in enumerate(text) if allowed(character)]
    return sorted(random.sample(places, min(len(places), max(1, round(len(places) * rate)))))


_CHANGES: Mapping[Perturbation, Callable[[str, float, Random], str]] = {
    Perturbation.TYPOS: _typos,
    Perturbation.CASE: _case,
    Perturbation.WHITE_SPACE: _white_space,
    Perturbation.TRUNCATION: _truncation,
}
