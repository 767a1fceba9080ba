"""New tokens for a base model's tokenizer. It does not know torch; `models` gives them their embeddings.

Words of the domain are chosen by the tokens that they save in the training part; those with unknown pieces go first.
"""

import json
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from tokenizers import AddedToken, Encoding, Tokenizer

from ratoon.classical.words import words as words_of
from ratoon_training.domain.errors import BadRecipe

_FILE = "new_tokens.json"
_MEASURED = "vocabulary.json"
_IDEOGRAPHS = "\\u3040-\\u30ff\\u3400-\\u9fff"
_WORD = re.compile(f"[{_IDEOGRAPHS}]|[^\\s{_IDEOGRAPHS}]+")
"""A word of fertility: an ideograph, or what stands between spaces."""
_CANDIDATE = re.compile(r"[^\W\d_]+")
"""A word that may become a token: letters alone."""
_MIN_CHARS, _MAX_CHARS, _MIN_COUNT = 2, 32, 3
_UNKNOWN_WEIGHT = 100
"""Tokens that an unknown piece counts as: a word that cannot be read is worse than a long one."""


def domain_words(tokenizer: Tokenizer, texts: Iterable[str], count: int) -> list[str]:
    """Return up to `count` words of these texts whose tokens become fewest by a token of their own.

    Words of fewer than three occurrences are left out: a model does not learn a token that it hardly sees.
    """
    counts = Counter(word for text in texts for word in _candidates(text))
    words = [word for word, number in counts.items() if number >= _MIN_COUNT]
    unknown = _unknown(tokenizer)
    saved = {
        word: counts[word] * _saved(encoding.ids, unknown)
        for word, encoding in zip(words, _encoded(tokenizer, words), strict=True)
    }
    best = sorted(saved.items(), key=lambda each: (-each[1], each[0]))
    return [word for word, tokens in best[:count] if tokens > 0]


def _candidates(text: str) -> list[str]:
    return [
        word
        for word in words_of(text)
        if _MIN_CHARS <= len(word) <= _MAX_CHARS and _CANDIDATE.fullmatch(word)
    ]


def _saved(ids: Sequence[int], unknown: int | None) -> int:
    """Return the tokens that a token of its own saves after a space, which many tokenizers write as a part of words."""
    return max(0, len(ids) - 2) + _UNKNOWN_WEIGHT * sum(each == unknown for each in ids)


def _encoded(tokenizer: Tokenizer, words: Sequence[str]) -> list[Encoding]:
    """Return the tokens of words as they stand in a text, after a space."""
    return list(tokenizer.encode_batch([f" {word}" for word in words], add_special_tokens=False))


def _unknown(tokenizer: Tokenizer) -> int | None:
    """Return the id of the token of what the tokenizer does not know; None if there is no such token."""
    model = json.loads(tokenizer.to_str())["model"]
    if isinstance(model.get("unk_id"), int):
        return int(model["unk_id"])
    token = model.get("unk_token")
    return tokenizer.token_to_id(token) if isinstance(token, str) else None


def fertility(tokenizer: Tokenizer, texts: Iterable[str]) -> tuple[float, float]:
    """Return the tokens a word, and the share of tokens that are unknown, of some texts."""
    unknown, words, tokens, unread = _unknown(tokenizer), 0, 0, 0
    for text in texts:
        ids = tokenizer.encode(text, add_special_tokens=False).ids
        words, tokens = words + len(_WORD.findall(text)), tokens + len(ids)
        unread += sum(each == unknown for each in ids)
    return tokens / max(1, words), unread / max(1, tokens)


def save_measured(before: Tokenizer, after: Tokenizer, texts: Iterable[str], prepared: Path) -> None:
    """Write what new tokens change in texts that chose none of them."""
    values: dict[str, float] = {}
    for suffix, tokenizer in (("_before", before), ("", after)):
        values[f"fertility{suffix}"], values[f"unknown_share{suffix}"] = fertility(tokenizer, texts)
    values["new_tokens"] = float(len(added_tokens(prepared)))
    (prepared / _MEASURED).write_text(json.dumps(values, sort_keys=True))


def measured(prepared: Path) -> Mapping[str, float]:
    """Return the metrics of a run's new tokens; none of most runs."""
    path = prepared / _MEASURED
    values: dict[str, float] = json.loads(path.read_text()) if path.exists() else {}
    return values


def add_tokens(
    tokenizer_folder: Path, tokens: Sequence[str], prepared: Path, words: Sequence[str] = ()
) -> None:
    """Add the tokens that a tokenizer lacks to its file, and note in `prepared` what they were made of before.

    A token is found exactly as it is written, anywhere in a text; one of the `words` only as a whole word, if its
    script has spaces. BadRecipe for one that the tokenizer does not write as it reads it, except for words,
    which are left out.
    """
    path = tokenizer_folder / "tokenizer.json"
    tokenizer = Tokenizer.from_file(str(path))
    words = _writable(str(path), [word for word in words if word not in tokens])
    known = set(tokenizer.get_vocab(with_added_tokens=True).values())
    pieces = {token: tokenizer.encode(token, add_special_tokens=False).ids for token in (*tokens, *words)}
    missing = [
        token for token in pieces if len(pieces[token]) != 1 or tokenizer.decode(pieces[token]) != token
    ]
    if not missing:
        return
    tokenizer.add_tokens([_added(token, is_word=token in words) for token in missing])
    added: dict[int, list[int]] = {}
    for token in missing:
        ids = tokenizer.encode(token, add_special_tokens=False).ids
        is_new = pieces[token] and len(ids) == 1 and known.isdisjoint(ids)
        if not is_new or tokenizer.decode(ids) != token:
            raise BadRecipe(
                f"The base model's tokenizer cannot write the new token {token!r} as it reads it: leave it out, or "
                "spell it with other characters.",
                "recipe.new_tokens",
            )
        added[ids[0]] = pieces[token]
    tokenizer.save(str(path))
    (prepared / _FILE).write_text(json.dumps(added, sort_keys=True))


def _writable(path: str, words: Sequence[str]) -> list[str]:
    """Return the words that the tokenizer writes as it reads them: one of bytes does not with letters such as é."""
    probe = Tokenizer.from_file(path)
    probe.add_tokens([_added(word, is_word=True) for word in words])
    ids = [probe.encode(word, add_special_tokens=False).ids for word in words]
    return [word for word, own in zip(words, ids, strict=True) if len(own) == 1 and probe.decode(own) == word]


def _added(token: str, *, is_word: bool) -> AddedToken:
    whole = is_word and re.search(f"[{_IDEOGRAPHS}]", token) is None
    return AddedToken(token, single_word=whole, normalized=False, special=False)


def added_tokens(prepared: Path) -> Mapping[int, list[int]]:
    """Return the new tokens of a run, each with the tokens that it was made of before; none for most runs."""
    path = prepared / _FILE
    if not path.exists():
        return {}
    return {int(number): pieces for number, pieces in json.loads(path.read_text()).items()}
