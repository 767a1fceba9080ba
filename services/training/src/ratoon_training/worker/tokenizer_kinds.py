"""Tokenizers of each kind, trained on texts: a function of the texts and the settings alone.

The trainers of the library for unigram and WordPiece models are none: their sums and ties follow the order of a hash
table. Only its byte-pair encoding is, from which the pieces of both are taken here.

All but WORD and CHARACTER split texts into pieces that are learned. Those that are not made of bytes have a token for
what they do not know. Each writes a text as it reads it, white space included, except for what is unknown to it.
"""

import math
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import islice
from typing import Any

from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, pre_tokenizers, trainers

from ratoon_training.domain.architectures import TokenizerKind
from ratoon_training.domain.errors import BadRecipe

VOCABULARY = "recipe.architecture.vocab_size"
"""Field that limits the tokenizer of a language model."""
UNKNOWN = "<unk>"
"""Token of what a tokenizer that is not made of bytes does not know."""
_WORDS = Regex(r"\s|\w+|[^\w\s]")
"""Words, signs and white space, one by one."""
_CHARACTERS = Regex(r"[\s\S]")
_DENSE = re.compile(r"[\u3040-\u30ff\u3400-\u9fff]")
_DENSE_SHARE, _DENSE_CHARS, _DENSE_TEXTS = 0.3, 200, 5000
_DENSE_TOKEN_BYTES, _DENSE_TOKEN_CHARS = 9, 3
"""Longest token of texts without spaces between words, three ideographs: longer ones are clauses that never return."""
_TOKEN_CHARS = 16
"""Longest token of other texts."""
_SHRINKING = (1.5, 1.2, 1.0)
"""Sizes of a unigram vocabulary while it is estimated, as shares of the last one."""
_UNUSED = 0.5
"""Count of a character that no likeliest segmentation uses."""
_WORD_CHARS = 64
"""Longest word that WordPiece cuts into pieces."""
_PIECE = "##"
"""Begin of a piece of WordPiece that continues a word."""


def trained(
    kind: TokenizerKind,
    texts: Iterable[str],
    vocab_size: int,
    special: Sequence[str],
    *,
    min_frequency: int = 0,
    digits: bool = False,
    normalizer: Any = None,
    field: str = VOCABULARY,
) -> Tokenizer:
    """Return a tokenizer of these texts; the `special` tokens have the first ids, with `digits` each digit is a token.

    The vocabulary may stay below `vocab_size` where the texts have fewer tokens; `field` is the one of the recipe that
    states it.
    """
    tokenizer = Tokenizer(models.BPE())
    if normalizer is not None:
        tokenizer.normalizer = normalizer
    split = _pre_tokenizer(kind)
    if digits:
        split = pre_tokenizers.Sequence([pre_tokenizers.Digits(individual_digits=True), split])
    tokenizer.pre_tokenizer = split
    tokenizer.decoder = _decoder(kind)
    if kind is TokenizerKind.BYTE_BPE:
        tokenizer.train_from_iterator(
            iter(texts), _byte_trainer(vocab_size, special, min_frequency, dense(texts))
        )
        return tokenizer
    known = [*special, UNKNOWN]
    tokenizer.model = _model(kind, _Corpus(tokenizer, texts, min_frequency), vocab_size, known)
    if tokenizer.get_vocab_size() > vocab_size:
        raise BadRecipe(
            f"{field} is {vocab_size:,}, and the characters of the training part alone are "
            f"{tokenizer.get_vocab_size():,} tokens of {kind}: raise it, or choose the tokenizer BYTE_BPE.",
            field,
        )
    tokenizer.add_special_tokens([AddedToken(each, normalized=False, special=True) for each in known])
    return tokenizer


class _Corpus:
    """Words of texts as a tokenizer splits them, in the order of their letters, with their counts."""

    def __init__(self, tokenizer: Tokenizer, texts: Iterable[str], min_frequency: int) -> None:
        counts: Counter[str] = Counter()
        for text in texts:
            if tokenizer.normalizer is not None:
                text = tokenizer.normalizer.normalize_str(text)
            counts.update(word for word, _ in tokenizer.pre_tokenizer.pre_tokenize_str(text))
        self.words = sorted(counts.items())
        self.min_frequency = max(1, min_frequency)
        self._tokenizer, self._texts = tokenizer, texts

    def pairs(self, vocab_size: int) -> Any:
        """Return a byte-pair encoding of the characters, whose training is a function of the texts alone."""
        encoding = Tokenizer(models.BPE())
        if self._tokenizer.normalizer is not None:
            encoding.normalizer = self._tokenizer.normalizer
        encoding.pre_tokenizer = self._tokenizer.pre_tokenizer
        longest = _DENSE_TOKEN_CHARS if dense(self._texts) else _TOKEN_CHARS
        trainer = trainers.BpeTrainer(
            vocab_size=vocab_size,
            min_frequency=self.min_frequency,
            show_progress=False,
            max_token_length=longest,
        )
        encoding.train_from_iterator(iter(self._texts), trainer)
        return encoding.model

    def chosen(self, counts: Counter[str], required: set[str], size: int) -> list[str]:
        """Return the required tokens and the most frequent others, `size` in all."""
        others = [token for token, count in counts.items() if count >= self.min_frequency]
        ordered = sorted(set(others) - required, key=lambda token: (-counts[token], token))
        return [*sorted(required), *ordered[: max(0, size - len(required))]]


def _model(kind: TokenizerKind, corpus: _Corpus, vocab_size: int, special: list[str]) -> Any:
    size = vocab_size - len(special)
    if kind is TokenizerKind.UNIGRAM:
        return _unigram(corpus, size, special)
    if kind is TokenizerKind.WORDPIECE:
        tokens = _word_pieces(corpus, size)
        vocab = {token: number for number, token in enumerate([*special, *tokens])}
        return models.WordPiece(
            vocab=vocab,
            unk_token=UNKNOWN,
            max_input_chars_per_word=_WORD_CHARS,
            continuing_subword_prefix=_PIECE,
        )
    tokens = corpus.chosen(Counter(dict(corpus.words)), set(), size)
    return models.WordLevel(
        vocab={token: number for number, token in enumerate([*special, *tokens])}, unk_token=UNKNOWN
    )


def _word_pieces(corpus: _Corpus, size: int) -> list[str]:
    """Return pieces of words: those of a byte-pair encoding, marked where they continue a word, and all characters."""
    encoding, counts, required = corpus.pairs(size), Counter[str](), set[str]()
    for word, count in corpus.words:
        for place, piece in enumerate(encoding.tokenize(word)):
            counts[piece.value if place == 0 else _PIECE + piece.value] += count
        required |= {word[0], *(_PIECE + character for character in word[1:])}
    return corpus.chosen(counts, required, size)


def _unigram(corpus: _Corpus, size: int, special: list[str]) -> Any:
    """Return a unigram model: its pieces begin as those of a byte-pair encoding twice as large.

    Probabilities are re-estimated by the likeliest segmentations, and what these use least is left out.
    """
    model, required = corpus.pairs(2 * size), {character for word, _ in corpus.words for character in word}
    for share in _SHRINKING:
        counts: Counter[str] = Counter()
        for word, count in corpus.words:
            for piece in model.tokenize(word):
                counts[piece.value] += count
        tokens = corpus.chosen(counts, required, round(share * size))
        total = sum(counts[token] for token in tokens) + len(tokens) * _UNUSED
        scores = [(token, math.log((counts[token] or _UNUSED) / total)) for token in tokens]
        model = models.Unigram([*((token, 0.0) for token in special), *scores], special.index(UNKNOWN), False)
    return model


def dense(texts: Iterable[str]) -> bool:
    """Return True if the texts are mostly of a script without spaces between words: Chinese, or Japanese."""
    sample = "".join(text[:_DENSE_CHARS] for text in islice(texts, _DENSE_TEXTS))
    return len(_DENSE.findall(sample)) > _DENSE_SHARE * len(sample)


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


def _byte_trainer(vocab_size: int, special: Sequence[str], min_frequency: int, is_dense: bool) -> Any:
    return trainers.BpeTrainer(
        vocab_size=vocab_size,
        special_tokens=list(special),
        show_progress=False,
        min_frequency=min_frequency,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        max_token_length=_DENSE_TOKEN_BYTES if is_dense else None,
    )
