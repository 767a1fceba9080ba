"""Tokenizers of each kind, trained on texts: a function of the texts and the settings alone.

All but WORD and CHARACTER split texts into pieces that are learned. Those that are not made of bytes have a token for
what they do not know. Each writes a text as it reads it, white space included, except for what is unknown to it.
"""

import re
from collections.abc import Sequence
from typing import Any

from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, pre_tokenizers, trainers

from ratoon_training.domain.architectures import TokenizerKind
from ratoon_training.domain.errors import BadRecipe

UNKNOWN = "<unk>"
"""Token of what a tokenizer that is not made of bytes does not know."""
_WORDS = Regex(r"\s|\w+|[^\w\s]")
"""Words, signs and white space, one by one."""
_CHARACTERS = Regex(r"[\s\S]")
_DENSE = re.compile(r"[\u3040-\u30ff\u3400-\u9fff]")
_DENSE_SHARE, _DENSE_CHARS, _DENSE_TEXTS = 0.3, 200, 5000
_DENSE_TOKEN_BYTES, _DENSE_TOKEN_CHARS = 9, 3
"""Longest token of texts without spaces between words, three ideographs: longer ones are clauses that never return."""
_WORD_CHARS = 64
"""Longest word that WordPiece cuts into pieces."""
_PIECE = "##"
"""Begin of a piece of WordPiece that continues a word."""


def trained(
    kind: TokenizerKind,
    texts: Sequence[str],
    vocab_size: int,
    special: Sequence[str],
    *,
    min_frequency: int = 0,
    digits: bool = False,
    normalizer: Any = None,
) -> Tokenizer:
    """Return a tokenizer of these texts; the `special` tokens have the first ids, with `digits` each digit is a token.

    The vocabulary may stay below `vocab_size` where the texts have fewer tokens.
    """
    tokenizer = Tokenizer(_model(kind))
    if normalizer is not None:
        tokenizer.normalizer = normalizer
    split = _pre_tokenizer(kind)
    if digits:
        split = pre_tokenizers.Sequence([pre_tokenizers.Digits(individual_digits=True), split])
    tokenizer.pre_tokenizer = split
    tokenizer.decoder = _decoder(kind)
    known = list(special) if kind is TokenizerKind.BYTE_BPE else [*special, UNKNOWN]
    tokenizer.train_from_iterator(iter(texts), _trainer(kind, vocab_size, known, min_frequency, dense(texts)))
    if tokenizer.get_vocab_size() > vocab_size:
        raise BadRecipe(
            f"recipe.architecture.vocab_size is {vocab_size:,}, and the characters of the training part alone are "
            f"{tokenizer.get_vocab_size():,} tokens of {kind}: raise it, or choose the tokenizer BYTE_BPE.",
            "recipe.architecture.vocab_size",
        )
    if kind is not TokenizerKind.BYTE_BPE:
        tokenizer.add_special_tokens([AddedToken(UNKNOWN, normalized=False, special=True)])
    return tokenizer


def dense(texts: Sequence[str]) -> bool:
    """Return True if the texts are mostly of a script without spaces between words: Chinese, or Japanese."""
    sample = "".join(text[:_DENSE_CHARS] for text in texts[:_DENSE_TEXTS])
    return len(_DENSE.findall(sample)) > _DENSE_SHARE * len(sample)


def _model(kind: TokenizerKind) -> Any:
    match kind:
        case TokenizerKind.UNIGRAM:
            return models.Unigram()
        case TokenizerKind.WORDPIECE:
            return models.WordPiece(unk_token=UNKNOWN, max_input_chars_per_word=_WORD_CHARS)
        case TokenizerKind.WORD | TokenizerKind.CHARACTER:
            return models.WordLevel(unk_token=UNKNOWN)
    return models.BPE()


def _pre_tokenizer(kind: TokenizerKind) -> Any:
    match kind:
        case TokenizerKind.BYTE_BPE:
            return pre_tokenizers.ByteLevel(add_prefix_space=False)
        case TokenizerKind.UNIGRAM:
            return pre_tokenizers.Metaspace(prepend_scheme="never")
        case TokenizerKind.CHARACTER:
            return pre_tokenizers.Split(_CHARACTERS, "isolated")
    return pre_tokenizers.Split(_WORDS, "isolated")


def _decoder(kind: TokenizerKind) -> Any:
    match kind:
        case TokenizerKind.BYTE_BPE:
            return decoders.ByteLevel()
        case TokenizerKind.UNIGRAM:
            return decoders.Metaspace(prepend_scheme="never")
        case TokenizerKind.WORDPIECE:
            return decoders.Sequence([decoders.Replace(Regex(f"^{_PIECE}(?=.)"), ""), decoders.Fuse()])
    return decoders.Fuse()


def _trainer(
    kind: TokenizerKind, vocab_size: int, special: list[str], min_frequency: int, is_dense: bool
) -> Any:
    usual: dict[str, Any] = {
        "vocab_size": vocab_size,
        "special_tokens": special,
        "show_progress": False,
    }
    match kind:
        case TokenizerKind.BYTE_BPE:
            return trainers.BpeTrainer(
                **usual,
                min_frequency=min_frequency,
                initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
                max_token_length=_DENSE_TOKEN_BYTES if is_dense else None,
            )
        case TokenizerKind.UNIGRAM:
            longest = _DENSE_TOKEN_CHARS if is_dense else 16
            return trainers.UnigramTrainer(**usual, unk_token=UNKNOWN, max_piece_length=longest)
        case TokenizerKind.WORDPIECE:
            return trainers.WordPieceTrainer(
                **usual, min_frequency=min_frequency, continuing_subword_prefix=_PIECE
            )
    return trainers.WordLevelTrainer(**usual, min_frequency=min_frequency)
