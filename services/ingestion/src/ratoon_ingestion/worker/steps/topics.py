"""Topics of texts: by a table of keywords, or of a source, by non-negative matrix factorisation (NMF)."""

import json
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from functools import cache
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl
import pyarrow as pa

from ratoon_ingestion.worker.steps.lists import patterns_of
from ratoon_ingestion.worker.steps.ngrams import words_in
from ratoon_ingestion.worker.steps.references import BadReference, References
from ratoon_ingestion.worker.steps.result import StepResult, attribute
from ratoon_ingestion.worker.steps.text import series

TOPIC, NONE = "topic", "none"
MAX_TEXTS, MAX_CHARS = 20_000, 5_000
"""Number of texts of the reference that are read, and of characters of a text."""
_KEYWORDS, _NAMES, _MODEL = "keywords.json", "topics.json", "topics.npz"
_VOCABULARY, _NAME_WORDS, _MIN_TEXTS = 5_000, 3, 20

Floats = npt.NDArray[np.float64]


def prepare_topics(settings: Mapping[str, Any], references: References, folder: Path) -> None:
    """Write the keywords of each topic, or the topics of the reference."""
    if source := settings["keywords"]:
        words: dict[str, list[str]] = defaultdict(list)
        for text, topic in references.labelled(source):
            if topic:
                words[topic] += [word.strip() for word in text.split(",") if word.strip()]
        if not words:
            raise BadReference(
                f"The source {source} has no keywords with a topic: its rows need a text of keywords, separated by "
                "commas, and the topic as their label."
            )
        (folder / _KEYWORDS).write_text(json.dumps(words))
        return
    texts = list(islice(references.texts(settings["reference"]), MAX_TEXTS))
    if len(texts) < max(_MIN_TEXTS, settings["topics"]):
        raise BadReference(
            f"The source {settings['reference']} has {len(texts)} texts; the step topic needs at least {_MIN_TEXTS}, "
            "and one for each topic."
        )
    _fit(texts, settings["topics"], folder)


def _fit(texts: Sequence[str], topics: int, folder: Path) -> None:
    from sklearn.decomposition import NMF
    from sklearn.feature_extraction.text import TfidfVectorizer

    vectorizer = TfidfVectorizer(
        analyzer=_words, max_df=0.5, min_df=2, max_features=_VOCABULARY, sublinear_tf=True
    )
    weights = vectorizer.fit_transform(texts)
    topics = min(topics, *weights.shape)
    components = NMF(topics, init="nndsvda", random_state=0, max_iter=300).fit(weights).components_
    names = list(vectorizer.get_feature_names_out())
    heaviest = np.argsort(-components, axis=1, kind="stable")[:, :_NAME_WORDS]
    np.savez(folder / _MODEL, topics=_normed(components), idf=vectorizer.idf_)
    titles = [" ".join(names[place] for place in row) for row in heaviest]
    (folder / _NAMES).write_text(json.dumps({"words": names, "topics": titles}))


def topic(
    batch: pa.RecordBatch, keep: Sequence[str], drop: Sequence[str], min_matches: int, model: Path, **_: Any
) -> StepResult:
    """Store the topic as an attribute; remove texts of topics that are dropped, or not kept.

    A topic of a reference has its three heaviest words as its name; `keep` and `drop` may name any of them.
    """
    texts = series(batch)
    titles_of = (
        _by_keywords(texts, min_matches, model)
        if (model / _KEYWORDS).is_file()
        else _by_words(texts.to_list(), model)
    )
    removed = [
        "UNWANTED_TOPIC" if _is_named(each, drop) or (keep and not _is_named(each, keep)) else None
        for each in titles_of
    ]
    return StepResult(
        removed=pa.array(removed, pa.string()),
        attributes=attribute(TOPIC, titles_of),
        counts=Counter(titles_of),
    )


def _is_named(title: str, names: Sequence[str]) -> bool:
    return title in names or not {*title.split()}.isdisjoint(names)


def _by_keywords(texts: pl.Series, min_matches: int, model: Path) -> list[str]:
    topics = _keywords(model)
    counts = []
    for patterns in topics.values():
        matches = pl.zeros(len(texts), pl.UInt32, eager=True)
        for pattern in patterns:
            matches = matches + texts.str.count_matches(pattern)
        counts.append(matches.to_list())
    rows = zip(*counts, strict=True) if len(texts) else ()
    names = list(topics)
    return [names[row.index(max(row))] if max(row) >= min_matches else NONE for row in rows]


@cache
def _keywords(model: Path) -> dict[str, list[str]]:
    words = json.loads((model / _KEYWORDS).read_text())
    return {name: list(patterns_of(words[name])) for name in sorted(words)}


def _by_words(texts: Sequence[str], model: Path) -> list[str]:
    places, titles, idf, topics = _factors(model)
    result = []
    for text in texts:
        counts = Counter(places[word] for word in _words(text) if word in places)
        columns = np.fromiter(counts, np.int64, len(counts))
        weights = (1 + np.log(np.fromiter(counts.values(), np.float64, len(counts)))) * idf[columns]
        scores = topics[:, columns] @ weights
        result.append(titles[int(scores.argmax())] if scores.max(initial=0) > 0 else NONE)
    return result


@cache
def _factors(model: Path) -> tuple[dict[str, int], list[str], Floats, Floats]:
    names = json.loads((model / _NAMES).read_text())
    with np.load(model / _MODEL, allow_pickle=False) as arrays:
        places = {word: place for place, word in enumerate(names["words"])}
        return places, names["topics"], arrays["idf"], arrays["topics"]


def _normed(rows: Floats) -> Floats:
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    result: Floats = rows / np.where(lengths > 0, lengths, 1)
    return result


def _words(text: str) -> list[str]:
    """Return the words that make topics: two letters or more."""
    return [
        word for word in words_in(text[:MAX_CHARS], by_characters=False) if len(word) > 1 and word.isalpha()
    ]
