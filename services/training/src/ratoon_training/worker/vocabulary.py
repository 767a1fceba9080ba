"""New tokens for a base model's tokenizer. It does not know torch; `models` gives them their embeddings."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from tokenizers import AddedToken, Tokenizer

from ratoon_training.domain.errors import BadRecipe

_FILE = "new_tokens.json"


def add_tokens(tokenizer_folder: Path, tokens: Sequence[str], prepared: Path) -> None:
    """Add the tokens that a tokenizer lacks to its file, and note in `prepared` what they were made of before.

    A token is found exactly as it is written, anywhere in a text. BadRecipe for one that the tokenizer does not write
    as it reads it.
    """
    path = tokenizer_folder / "tokenizer.json"
    tokenizer = Tokenizer.from_file(str(path))
    known = set(tokenizer.get_vocab(with_added_tokens=True).values())
    pieces = {token: tokenizer.encode(token, add_special_tokens=False).ids for token in tokens}
    missing = [
        token for token in tokens if len(pieces[token]) != 1 or tokenizer.decode(pieces[token]) != token
    ]
    if not missing:
        return
    tokenizer.add_tokens([AddedToken(token, normalized=False, special=False) for token in missing])
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


def added_tokens(prepared: Path) -> Mapping[int, list[int]]:
    """Return the new tokens of a run, each with the tokens that it was made of before; none for most runs."""
    path = prepared / _FILE
    if not path.exists():
        return {}
    return {int(number): pieces for number, pieces in json.loads(path.read_text()).items()}
