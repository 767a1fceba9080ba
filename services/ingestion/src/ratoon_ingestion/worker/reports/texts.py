"""Topics of a sample of texts, and what a classical model finds hard in them."""

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ratoon.ingestion.v1.profile_pb2 import ProfileReport
from ratoon_ingestion.worker.steps.ngrams import words_in

MAX_CHARS = 2_000
"""Characters of a text that are read."""
_VOCABULARY, _WORDS, _MIN_TEXTS = 5_000, 10, 20
_EXAMPLES, _HARDEST = 3, 20
_FOLDS, _MIN_OF_LABEL = 5, 5
_MARGIN_EDGES = np.linspace(-1, 1, 21)

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Sampled:
    """A record of the sample."""

    record_id: str
    text: str
    label: str | None
    cluster: str

    def example(self) -> ProfileReport.ExampleRecord:
        """Return the record as a report names it: without its text."""
        return ProfileReport.ExampleRecord(record_id=self.record_id, label=self.label or "")


class TooFew(Exception):
    """There is too little to compute something; the sentence says what."""


def topics(sample: Sequence[Sampled], count: int) -> list[ProfileReport.Topic]:
    """Return the topics of the texts by non-negative matrix factorisation of TF-IDF, the most frequent first."""
    from sklearn.decomposition import NMF

    if len(sample) < max(_MIN_TEXTS, count):
        raise TooFew(f"Topics need at least {max(_MIN_TEXTS, count)} texts; the sample has {len(sample)}.")
    vectorizer = _vectorizer(max_df=0.5)
    try:
        weights = vectorizer.fit_transform([each.text for each in sample])
    except ValueError:  # scikit-learn: no word is left
        raise TooFew("Topics need words that at least two of the texts share.") from None
    count = min(count, *weights.shape)
    model = NMF(count, init="nndsvda", random_state=0, max_iter=200)
    loadings = model.fit_transform(weights)
    return _topics(sample, loadings, model.components_, vectorizer.get_feature_names_out())


def _topics(
    sample: Sequence[Sampled], loadings: Floats, components: Floats, names: Sequence[str]
) -> list[ProfileReport.Topic]:
    first = np.where(loadings.max(axis=1) > 0, loadings.argmax(axis=1), -1)
    stated = []
    for topic, heaviest in enumerate(np.argsort(-components, axis=1, kind="stable")[:, :_WORDS]):
        members = np.flatnonzero(first == topic)
        if not len(members):
            continue
        typical = members[np.argsort(-loadings[members, topic], kind="stable")][:_EXAMPLES]
        counts = Counter(label for member in members if (label := sample[member].label))
        stated.append(
            ProfileReport.Topic(
                words=[names[place] for place in heaviest if components[topic, place] > 0],
                share=len(members) / len(sample),
                label_counts=counts,
                examples=[sample[member].example() for member in typical],
            )
        )
    return sorted(stated, key=lambda topic: -topic.share)


def difficulty(sample: Sequence[Sampled]) -> ProfileReport.Difficulty:
    """Return what logistic regression on TF-IDF finds hard, each record judged by a model that has not seen it.

    Near duplicates are in one fold. Records of labels with fewer than five records are left out.
    """
    counts = Counter(each.label for each in sample if each.label)
    labelled = [each for each in sample if each.label and counts[each.label] >= _MIN_OF_LABEL]
    labels = sorted({each.label or "" for each in labelled})
    if len(labels) < 2:
        raise TooFew(
            f"The difficulty needs at least two labels with {_MIN_OF_LABEL} records each; there are {len(labels)}."
        )
    truth = np.array([labels.index(each.label or "") for each in labelled])
    probabilities = _cross_validated(labelled, truth, len(labels))
    own = probabilities[np.arange(len(truth)), truth]
    others = probabilities.copy()
    others[np.arange(len(truth)), truth] = -1
    margins, predicted = own - others.max(axis=1), probabilities.argmax(axis=1)
    binned, _ = np.histogram(margins, _MARGIN_EDGES)
    hardest = np.argsort(margins, kind="stable")[:_HARDEST]
    return ProfileReport.Difficulty(
        record_count=len(labelled),
        fold_count=_FOLDS,
        accuracy=float((predicted == truth).mean()),
        majority_share=float(np.bincount(truth).max() / len(truth)),
        margins=ProfileReport.Histogram(edges=_MARGIN_EDGES.tolist(), counts=binned.tolist()),
        labels=_by_label(labels, truth, predicted),
        hardest=[
            ProfileReport.HardRecord(
                record=labelled[place].example(),
                predicted=labels[predicted[place]],
                margin=float(margins[place]),
            )
            for place in hardest
            if margins[place] < 0
        ],
    )


def _cross_validated(sample: Sequence[Sampled], truth: npt.NDArray[np.int64], count: int) -> Floats:
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import StratifiedGroupKFold

    groups = [each.cluster or each.record_id for each in sample]
    texts = np.array([each.text for each in sample], dtype=object)
    probabilities = np.full((len(sample), count), 1 / count)
    folds = StratifiedGroupKFold(_FOLDS, shuffle=True, random_state=0)
    for train, held_out in folds.split(texts, truth, groups):
        if len(set(truth[train])) < 2:
            continue
        vectorizer, model = _vectorizer(max_df=1.0), LogisticRegression(C=10.0, max_iter=300)
        try:
            model.fit(vectorizer.fit_transform(texts[train]), truth[train])
        except ValueError:  # scikit-learn: no word is left
            raise TooFew("The difficulty needs words that at least two of the texts share.") from None
        probabilities[np.ix_(held_out, model.classes_)] = model.predict_proba(
            vectorizer.transform(texts[held_out])
        )
        missing = np.setdiff1d(np.arange(count), model.classes_)
        probabilities[np.ix_(held_out, missing)] = 0
    return probabilities


def _by_label(
    labels: Sequence[str], truth: npt.NDArray[np.int64], predicted: npt.NDArray[np.int64]
) -> list[ProfileReport.LabelDifficulty]:
    confused: dict[int, Counter[int]] = defaultdict(Counter)
    for right, answer in zip(truth.tolist(), predicted.tolist(), strict=True):
        confused[right][answer] += 1
    stated = []
    for place, label in enumerate(labels):
        answers = confused[place]
        wrong = [(other, count) for other, count in answers.most_common() if other != place]
        stated.append(
            ProfileReport.LabelDifficulty(
                label=label,
                record_count=answers.total(),
                recall=answers[place] / answers.total(),
                confused_with=labels[wrong[0][0]] if wrong else "",
            )
        )
    return sorted(stated, key=lambda each: (each.recall, each.label))


def _vectorizer(max_df: float) -> Any:
    from sklearn.feature_extraction.text import TfidfVectorizer

    return TfidfVectorizer(
        analyzer=_words, max_df=max_df, min_df=2, max_features=_VOCABULARY, sublinear_tf=True
    )


def _words(text: str) -> list[str]:
    """Return the words of a text that may make a topic: two letters or more."""
    return [word for word in words_in(text, by_characters=False) if len(word) > 1 and word.isalpha()]
