"""Classical model of the labels so far: TF-IDF and logistic regression, its learning curve, and the records to ask.

Of texts whose letters are mostly Chinese, Japanese or Korean the model sees characters, one to three at a time; of
others words, one and two at a time. Features come from all texts, also those without a label: n-grams that occur once
are left out, and the position of a text among the others by latent semantic analysis is added. So few labels suffice.
"""

import hashlib
import unicodedata
from collections import Counter
from collections.abc import Sequence
from functools import cached_property
from math import sqrt
from typing import Any, Protocol, TypeVar

import numpy as np
from scipy import stats
from scipy.sparse import csr_matrix, hstack
from sklearn.cluster import MiniBatchKMeans
from sklearn.decomposition import TruncatedSVD
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import f1_score
from sklearn.preprocessing import normalize
from threadpoolctl import threadpool_limits

from ratoon_labeling.domain.queues import Strategy
from ratoon_labeling.domain.refills import CurvePoint, Gain

MAX_CHARS = 4_000
"""Characters of a text that the model sees."""
MAX_FITTED = 20_000
"""Labels that the model is fitted on, the first ones by lot of more."""
MAX_MEASURED = 2_000
"""Labels of the learning curve, the first ones by lot of more."""
REPETITIONS = 10
"""Random divisions of the labels into training and test for the learning curve."""
TEST_SHARE = 0.25
MAX_UNLABELLED = 5_000
"""Texts without a label from which features are taken, the first ones."""
MIN_TEXTS = 200
"""Texts from which on rare n-grams are left out and positions are added."""
POSITIONS = 100
"""Dimensions of the latent semantic analysis."""
_MIN_TESTED = 20
"""Records that were drawn at random, from which on they alone are tested on."""
_MIN_FOR_CURVE = 20
_FRACTIONS = (0.25, 0.5, 1.0)
_WIDER = 5
"""Uncertain records among which diversity chooses, in multiples of the number to draw."""
_SAMPLE = 500
_DENSE_SHARE = 0.3


class Record(Protocol):
    """Record with a text."""

    @property
    def text(self) -> str: ...


R = TypeVar("R", bound=Record)


class Encoder:
    """Features of texts, fitted to texts without regard to labels: TF-IDF, and of many texts their positions.

    All works in one thread: the threads of a busy machine wait for each other longer than they work.
    """

    def __init__(self, texts: Sequence[str], seed: int) -> None:
        with threadpool_limits(1):
            self._fit(texts, seed)

    def _fit(self, texts: Sequence[str], seed: int) -> None:
        self._vectorizer = vectorizer_of(texts)
        matrix = self._vectorizer.fit_transform(texts)
        self._analysis = None
        if len(texts) >= MIN_TEXTS and min(matrix.shape) > POSITIONS:
            self._analysis = TruncatedSVD(POSITIONS, random_state=seed).fit(matrix)

    def features(self, texts: Sequence[str]) -> Any:
        """Return the features of texts, a row each."""
        matrix = csr_matrix(self._vectorizer.transform(texts))
        if self._analysis is None or not texts:
            return matrix
        with threadpool_limits(1):
            positions = csr_matrix(normalize(self._analysis.transform(matrix)))
        return csr_matrix(hstack([matrix, positions]))

    def places(self, features: Any) -> Any:
        """Return the part of the features in which texts of one subject are near each other."""
        return features if self._analysis is None else features[:, -POSITIONS:].toarray()


class Learner:
    """Model of labelled texts, of two labels or more; `active` marks those that were drawn by uncertainty.

    Its features are those of an encoder, or are fitted to the labelled and the unlabelled texts.
    """

    def __init__(
        self,
        texts: Sequence[str],
        labels: Sequence[str],
        active: Sequence[bool],
        seed: str,
        unlabelled: Sequence[str] = (),
        encoder: Encoder | None = None,
    ) -> None:
        self._seed = int.from_bytes(hashlib.sha256(seed.encode()).digest()[:4])
        order = np.random.default_rng(self._seed).permutation(len(texts))[:MAX_FITTED]
        shown = [texts[row][:MAX_CHARS] for row in order]
        self._labels = np.array([labels[row] for row in order])
        self._active = np.array([active[row] for row in order])
        self._encoder = encoder or Encoder(
            [*shown, *(each[:MAX_CHARS] for each in unlabelled[:MAX_UNLABELLED])], self._seed
        )
        self._features = self._encoder.features(shown)
        self._model = fitted(self._features, self._labels)

    @cached_property
    def measured(self) -> tuple[tuple[CurvePoint, ...], Gain | None]:
        """The learning curve, and the gain of the second half of the labels; None where there are too few labels."""
        rows = slice(MAX_MEASURED)
        return learning_curve(self._features[rows], self._labels[rows], self._active[rows], self._seed)

    def pays_no_more(self, min_gain: float) -> bool:
        """Return whether doubling the labels gained less than `min_gain` with 95 % confidence."""
        gain = self.measured[1] if min_gain > 0 else None
        return gain is not None and gain.high < min_gain

    def proposals(self, texts: Sequence[str]) -> tuple[list[str], list[float]]:
        """Return the most probable label of each text, and its probability."""
        if not texts:
            return [], []
        probabilities = self._model.predict_proba(self._matrix(texts))
        best = probabilities.argmax(axis=1)
        return [str(self._model.classes_[each]) for each in best], probabilities.max(axis=1).tolist()

    def labels(self, texts: Sequence[str]) -> list[str]:
        """Return the most probable label of each text."""
        return self.proposals(texts)[0]

    def informative(self, records: Sequence[R], count: int, strategy: Strategy) -> list[R]:
        """Return the records that the model is most uncertain about and that differ from each other.

        Of the most uncertain records, five times as many as are drawn, k-means makes as many clusters by positions as
        records are drawn, and the most uncertain record of each is taken.
        """
        if count <= 0 or not records:
            return []
        matrix = self._matrix([each.text for each in records])
        uncertain = uncertainty(self._model.predict_proba(matrix), strategy)
        ranked = np.argsort(-uncertain, kind="stable")[: count * _WIDER]
        if len(ranked) <= count:
            return [records[row] for row in ranked]
        places = self._encoder.places(matrix[ranked])
        with threadpool_limits(1):
            model = MiniBatchKMeans(n_clusters=count, random_state=self._seed, n_init=1)
            clusters = model.fit_predict(places)
        first = list(dict.fromkeys(clusters))
        chosen = [ranked[int(np.argmax(clusters == cluster))] for cluster in first]
        taken = set(chosen)
        chosen += [row for row in ranked if row not in taken][: count - len(chosen)]
        return [records[row] for row in chosen]

    def _matrix(self, texts: Sequence[str]) -> Any:
        return self._encoder.features([text[:MAX_CHARS] for text in texts])


def uncertainty(probabilities: Any, strategy: Strategy) -> Any:
    """Return the uncertainty of each row of probabilities: 1 minus the margin of the best two, or the entropy."""
    if strategy is Strategy.ENTROPY:
        clipped = np.clip(probabilities, 1e-12, 1)
        return -(clipped * np.log(clipped)).sum(axis=1)
    best = np.sort(probabilities, axis=1)
    return 1 - (best[:, -1] - best[:, -2])


def vectorizer_of(texts: Sequence[str]) -> Any:
    """Return the features of texts: characters where most letters belong to scripts without spaces, else words."""
    analyzer = "char" if _dense_share(texts) > _DENSE_SHARE else "word"
    pattern = {"token_pattern": r"(?u)\b\w+\b"} if analyzer == "word" else {}
    return TfidfVectorizer(
        analyzer=analyzer,
        ngram_range=(1, 3 if analyzer == "char" else 2),
        sublinear_tf=True,
        max_features=100_000,
        min_df=2 if len(texts) >= MIN_TEXTS else 1,
        **pattern,
    )


def _dense_share(texts: Sequence[str]) -> float:
    letters = [each for text in texts[:_SAMPLE] for each in text[:200] if each.isalpha()]
    dense = sum(unicodedata.east_asian_width(each) in "WF" for each in letters)
    return dense / len(letters) if letters else 0.0


def fitted(matrix: Any, labels: Any) -> Any:
    """Return a logistic regression of features and labels."""
    with threadpool_limits(1):
        return LogisticRegression(C=10.0, max_iter=500, class_weight="balanced").fit(matrix, labels)


def learning_curve(
    matrix: Any, labels: Any, active: Any, seed: int
) -> tuple[tuple[CurvePoint, ...], Gain | None]:
    """Return macro-F1 by number of labels with 95 % intervals, and the gain between half of the labels and all.

    The labels are divided at random, ten times, into training and test. Records that were drawn by uncertainty are
    harder than the others: where enough were drawn at random, these alone are tested on. The repetitions share records,
    so that the variance is corrected by the ratio of test to training records (C. Nadeau, Y. Bengio, "Inference for the
    generalization error", Machine Learning 52, 2003).
    """
    rows = np.arange(len(labels))
    testable = rows[~active] if (~active).sum() >= _MIN_TESTED else rows
    counts = Counter(labels)
    if len(rows) < _MIN_FOR_CURVE or min(counts.values()) < 2:
        return (), None
    rng, scores = np.random.default_rng(seed), []
    tested_count = max(2, round(len(testable) * TEST_SHARE))
    for _ in range(REPETITIONS):
        tested = rng.choice(testable, tested_count, replace=False)
        rest = rng.permutation(np.setdiff1d(rows, tested))
        scores.append([_score(matrix, labels, rest, tested, share) for share in _FRACTIONS])
    table = np.array(scores)
    trained = len(rows) - tested_count
    ratio = tested_count / trained
    points = tuple(
        CurvePoint(round(trained * share), *_interval(table[:, column], ratio))
        for column, share in enumerate(_FRACTIONS)
    )
    return points, Gain(*_interval(table[:, -1] - table[:, -2], ratio))


def _score(matrix: Any, labels: Any, rest: Any, tested: Any, share: float) -> float:
    chosen = rest[: max(2, round(len(rest) * share))]
    if len(set(labels[chosen])) < 2:
        guess = np.full(len(tested), labels[chosen][0])
    else:
        guess = fitted(matrix[chosen], labels[chosen]).predict(matrix[tested])
    return float(f1_score(labels[tested], guess, average="macro", zero_division=0))


def _interval(values: Any, ratio: float) -> tuple[float, float, float]:
    """Return the mean of repetitions with its corrected 95 % interval."""
    mean, count = float(values.mean()), len(values)
    error = sqrt(float(values.var(ddof=1)) * (1 / count + ratio))
    margin = float(stats.t.ppf(0.975, count - 1)) * error
    return mean, mean - margin, mean + margin
