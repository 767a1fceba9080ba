"""Simple answerers of free text, of numbers and of several labels: the answer of the most similar training record, the
mean, a ridge regression on TF-IDF weights of words and characters, the commonest labels, and one logistic regression a
label on TF-IDF weights.

Run as a process of its own, `python -m ratoon_evaluation.worker.answer_baselines <folder>`.
"""

from __future__ import annotations

import sys
import warnings
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from math import inf
from pathlib import Path
from statistics import fmean
from typing import Any

import numpy as np

from ratoon.classical.words import cut, words
from ratoon.tasks import regress
from ratoon.tasks.classify import Classify
from ratoon.tasks.regress import Regress
from ratoon_evaluation.domain.scores import CLASSICAL, MAJORITY
from ratoon_evaluation.worker.baselines import VECTORIZERS, stride
from ratoon_evaluation.worker.classical_fit import best_answers
from ratoon_evaluation.worker.fitting import answer_tasks

NEAREST, MEAN, RIDGE, LABEL_SETS = "nearest_reference", "mean", "ridge_tfidf", "label_sets"
SECONDS = "seconds"
"""Key of the processor time of the answers of baselines, by name."""
_MAX_DECISIONS = 1_000_000
"""Labels times records that regressions are fitted on: of larger parts every n-th record is taken."""
_COMPARED = 500
"""Texts that are compared with the training part at once."""


def nearest_answers(task: dict[str, Any]) -> dict[str, Any]:
    """Return for each test text the answer of the training record with the highest cosine of TF-IDF weights of words.

    Of equals the first one counts. Without a training record that has an answer there is no baseline.
    """
    from sklearn.feature_extraction.text import TfidfVectorizer

    if not task["texts"]:
        return {}
    every = stride(task["texts"])
    vectorizer = TfidfVectorizer(sublinear_tf=True, tokenizer=words, token_pattern=None)
    known = vectorizer.fit_transform(cut(task["texts"][::every])).T.tocsc()
    answers, tests = task["answers"][::every], cut(task["test_texts"])
    nearest: list[int] = []
    for start in range(0, len(tests), _COMPARED):
        rows = vectorizer.transform(tests[start : start + _COMPARED])
        nearest += (rows @ known).toarray().argmax(axis=1).tolist()
    return {NEAREST: [answers[place] for place in nearest]}


def predicted_numbers(task: dict[str, Any]) -> dict[str, Any]:
    """Return the mean of the training part and the predictions of a ridge regression, within the range of the task."""
    texts, numbers, tests = task["texts"], task["answers"], task["test_texts"]
    range_ = Regress(min=task["low"], max=task["high"])
    own = best_answers(range_, texts, [regress.format_number(each) for each in numbers], tests)
    return {
        MEAN: [fmean(numbers)] * len(tests),
        RIDGE: _ridge(task, texts, numbers, tests),
        **(
            {CLASSICAL: [float(each) for each in own["predicted"]], SECONDS: {CLASSICAL: own["seconds"]}}
            if own
            else {}
        ),
    }


def _ridge(
    task: dict[str, Any], texts: Sequence[str], numbers: Sequence[float], tests: Sequence[str]
) -> list[float]:
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import Ridge
    from sklearn.pipeline import make_pipeline, make_union

    weights = make_union(
        TfidfVectorizer(sublinear_tf=True, tokenizer=words, token_pattern=None),
        TfidfVectorizer(sublinear_tf=True, analyzer="char", ngram_range=(1, 3), max_features=200_000),
    )
    every = stride(texts)
    model = make_pipeline(weights, Ridge(alpha=1.0)).fit(cut(texts[::every]), numbers[::every])
    low, high = (
        bound if bound is not None else end for bound, end in ((task["low"], -inf), (task["high"], inf))
    )
    return [float(number) for number in model.predict(cut(tests)).clip(low, high)]


def label_sets(task: dict[str, Any]) -> dict[str, Any]:
    """Return the commonest labels of the training part, and by each regression the labels that are likelier than not.

    Where no label is, the likeliest one: a record has a label.
    """
    sets = Counter("\n".join(each) for each in task["answers"])
    commonest = min(sets, key=lambda each: (-sets[each], each))
    always = [commonest] * len(task["test_texts"])
    if len({label for each in task["answers"] for label in each}) < 2:
        return dict.fromkeys((MAJORITY, *VECTORIZERS), always)
    labels = dict.fromkeys(label for each in task["answers"] for label in each)
    known = Classify(tuple(task.get("labels") or labels), multi_label=True)
    own = best_answers(
        known, task["texts"], ["\n".join(each) for each in task["answers"]], task["test_texts"]
    )
    return {
        MAJORITY: always,
        **{name: _label_sets(task, make()) for name, make in VECTORIZERS.items()},
        **({CLASSICAL: own["predicted"], SECONDS: {CLASSICAL: own["seconds"]}} if own else {}),
    }


def _label_sets(task: dict[str, Any], vectorizer: Any) -> list[str]:
    from sklearn.linear_model import LogisticRegression
    from sklearn.multiclass import OneVsRestClassifier
    from sklearn.preprocessing import MultiLabelBinarizer

    binarizer = MultiLabelBinarizer().fit(task["answers"])
    decisions = len(task["texts"]) * len(binarizer.classes_)
    every = max(stride(task["texts"]), -(-decisions // _MAX_DECISIONS))
    named = binarizer.transform(task["answers"][::every])
    regressions = OneVsRestClassifier(LogisticRegression(C=10.0, max_iter=1000))
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", r"Label .* is present in all training examples")
        regressions.fit(vectorizer.fit_transform(cut(task["texts"][::every])), named)
    shares = regressions.predict_proba(vectorizer.transform(cut(task["test_texts"])))
    return ["\n".join(binarizer.classes_[row > min(0.5, np.nextafter(row.max(), 0))]) for row in shares]


_ANSWERS: Mapping[str, Callable[[dict[str, Any]], dict[str, Any]]] = {
    NEAREST: nearest_answers,
    RIDGE: predicted_numbers,
    LABEL_SETS: label_sets,
}


if __name__ == "__main__":
    answer_tasks(Path(sys.argv[1]), lambda task: _ANSWERS[task["kind"]](task))
