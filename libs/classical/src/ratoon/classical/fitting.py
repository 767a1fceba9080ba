"""Fitting of classical models: the features and the estimator are chosen by cross-validation on the training part.

The same records and seed give the same bits: folds are drawn by the seed, and one thread computes.
"""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from ratoon.classical import estimators, tables
from ratoon.classical.columns import types_of
from ratoon.classical.errors import CannotFit
from ratoon.classical.estimators import MIN_CALIBRATED, TREES, Estimator
from ratoon.classical.model import TABLE, ClassicalModel, Description, Task, Trial, needs_dense
from ratoon.classical.tables import Preparation, columns_of, frame
from ratoon.classical.words import Terms, Weights, counter, cut, occurring
from ratoon.tasks import classify, regress
from ratoon.tasks.classify import Classify

FOLDS = 3
SELECTION_RECORDS = 4_000
"""Records of the training part that candidates are compared on: of larger parts, as many drawn by the seed."""
MAX_FITTED_CHARS = 20_000_000
"""Characters that a model is fitted on: of larger parts every n-th record is taken."""
TREE_TERMS = 300
"""Terms that trees read: those with the strongest relation to the answers."""
MANY_LABELS = 50
"""Labels beyond which forests and boosting are left out: each of their trees would hold a number for each label."""
Report = Callable[[str], None]


_AS_IS = Preparation()


@dataclass(frozen=True)
class Choice:
    """Candidates of a model: those to compare; one of each means no comparison."""

    features: tuple[Terms, ...] = tuple(Terms)
    estimators: tuple[Estimator, ...] = tuple(Estimator)
    seed: int = 0
    folds: int = FOLDS
    selection_records: int = SELECTION_RECORDS


_ALL = Choice()


@dataclass(frozen=True)
class Examples:
    """Training records: texts, right answers, and groups that stay together in a fold (empty: none)."""

    texts: Sequence[str]
    answers: Sequence[str]
    groups: Sequence[str] = ()

    def at(self, places: Sequence[int]) -> Examples:
        """Return some of the examples."""
        groups = [self.groups[place] for place in places] if self.groups else ()
        return Examples([self.texts[p] for p in places], [self.answers[p] for p in places], groups)


def fit_texts(
    task: Task, examples: Examples, choice: Choice = _ALL, report: Report = lambda _: None
) -> ClassicalModel:
    """Return the best model of texts; CannotFit if the training part gives none."""
    targets = Targets.of(task, examples.answers)
    features = [(terms, lambda terms=terms: TextColumns(terms, examples.texts)) for terms in choice.features]
    return _fit(task, targets, examples.groups, features, choice, report)


Places = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Fitted:
    """Features that were fitted on some records."""

    features: Any
    values: Any
    """Columns of the records that count."""
    rows: Places
    """Records that count: those that were not left out."""
    of_rows: Callable[[Places], Any]
    """Columns of any records of the training part."""


@dataclass(frozen=True)
class Targets:
    """Right answers as an estimator takes them: classes, indicators of several labels, or numbers."""

    values: npt.NDArray[Any]
    classes: tuple[str, ...] = ()
    multi: bool = False

    @staticmethod
    def of(task: Task, answers: Sequence[str]) -> Targets:
        """Return the targets of answers; CannotFit if one is no answer of the task, or none differ."""
        if not answers:
            raise CannotFit("The training part has no record with an answer. Label some records.")
        if not isinstance(task, Classify):
            numbers = [regress.number(task, answer) for answer in answers]
            if None in numbers:
                strange = answers[numbers.index(None)]
                raise CannotFit(f"{strange[:50]!r} is not {regress.valid_answers(task)}: correct the record.")
            return Targets(np.array(numbers, dtype=np.float64))
        named = [classify.parse(task, answer) for answer in answers]
        if None in named:
            strange = answers[named.index(None)]
            raise CannotFit(f"{strange[:50]!r} is not {classify.valid_answers(task)}: correct the record.")
        members = [classify.members(each) for each in named]
        known = {label for each in members for label in each}
        classes = tuple(label for label in task.labels if label in known)
        if not task.multi_label:
            place = {label: number for number, label in enumerate(classes)}
            return Targets(np.array([place[each[0]] for each in members], dtype=np.int64), classes)
        shown = np.array([[label in each for label in classes] for each in members], dtype=np.int64)
        return Targets(shown, classes, True)

    def at(self, places: npt.NDArray[np.int64]) -> npt.NDArray[Any]:
        """Return the targets of some records."""
        return self.values[places]

    @property
    def is_number(self) -> bool:
        """Return whether the targets are numbers."""
        return not self.classes

    @property
    def smallest(self) -> int:
        """Return the number of records of the rarest label."""
        if self.is_number:
            return len(self.values)
        counts = self.values.sum(axis=0) if self.multi else np.bincount(self.values)
        return int(np.min(counts))


def fit_table(
    task: Task,
    examples: Examples,
    preparation: Preparation = _AS_IS,
    choice: Choice = _ALL,
    report: Report = lambda _: None,
) -> ClassicalModel:
    """Return the best model of rows of a table; CannotFit or BadTable if the training part gives none.

    In the cross-validation the table is fitted on the records of each fold alone.
    """
    targets = Targets.of(task, examples.answers)
    columns = TableColumns(preparation, examples.texts, choice.seed)
    return _fit(task, targets, examples.groups, [(TABLE, lambda: columns)], choice, report)


class TableColumns:
    """Rows of all training records, on any part of which a table is fitted."""

    name = TABLE

    def __init__(self, preparation: Preparation, texts: Sequence[str], seed: int) -> None:
        self._settings, self._seed = preparation, seed
        self._rows, _, _ = columns_of(texts, preparation)

    def fitted(self, rows: Places, targets: Targets, estimator: Estimator) -> Fitted:
        """Return the table of some records: types, bounds and all else come from these alone."""
        own = [self._rows[row] for row in rows]
        types, notes = types_of(own, self._settings.columns)
        data = frame(own, types, self._settings)
        table, places = tables.fit(data, types, self._settings, targets.at(rows), self._seed, notes)

        def of_rows(other: Places) -> Any:
            return table.matrix(frame([self._rows[row] for row in other], types, self._settings))

        return Fitted(table, table.matrix(data[places.tolist()]), rows[places], of_rows)


@dataclass
class TextColumns:
    """Counts of the terms of all training texts, from which the weights of any part of them follow."""

    terms: Terms
    texts: Sequence[str]
    _counted: tuple[Any, list[str]] | None = field(default=None, repr=False)

    @property
    def name(self) -> str:
        """Return the name of the features."""
        return self.terms.value

    def fitted(self, rows: Places, targets: Targets, estimator: Estimator) -> Fitted:
        """Return the weights of some records."""
        counts, vocabulary = self._counts()
        part = counts[rows]
        columns = occurring(part)
        if not len(columns):
            raise CannotFit("No text of the training part holds a word. Add records with texts.")
        if estimator in TREES and len(columns) > TREE_TERMS:
            weights = Weights.of_counts(self.terms, vocabulary, part, columns)
            columns = columns[_strongest(weights.of_known(part[:, columns]), targets, rows)]
        weights = Weights.of_counts(self.terms, vocabulary, part, columns)
        values = weights.of_known(part[:, columns])
        return Fitted(weights, values, rows, lambda other: weights.of_known(counts[other][:, columns]))

    def _counts(self) -> tuple[Any, list[str]]:
        if self._counted is None:
            counting = counter(self.terms)
            try:
                counts = counting.fit_transform(cut(self.texts)).tocsr()
            except ValueError:
                raise CannotFit(
                    "No text of the training part holds a word. Add records with texts."
                ) from None
            self._counted = counts, counting.get_feature_names_out().tolist()
        return self._counted


def _fit(
    task: Task,
    targets: Targets,
    groups: Sequence[str],
    features: Sequence[tuple[str, Callable[[], Any]]],
    choice: Choice,
    report: Report,
) -> ClassicalModel:
    # Libraries that are loaded later would not be limited to one thread.
    from threadpoolctl import threadpool_limits

    with threadpool_limits(1), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if len(targets.classes) == 1 or (targets.is_number and np.ptp(targets.values) == 0):
            candidates: list[tuple[Any, Estimator]] = [(features[0][1](), Estimator.LINEAR)]
            trials: list[Trial] = []
        else:
            candidates, trials = _compared(targets, groups, features, choice, report)
        columns, estimator = candidates[0]
        report(f"Fitting {estimator.replace('_', ' ')} on {columns.name}.")
        rows = np.arange(len(targets.values), dtype=np.int64)
        rows = rows[:: _stride(columns)]
        fitted = columns.fitted(rows, targets, estimator)
        rows, values = fitted.rows, fitted.values
        if len(targets.classes) == 1:
            # One label: nothing to learn, and nothing that an estimator would take.
            model = estimators.regressor(Estimator.LINEAR, choice.seed).fit(values[:1], [0.0])
        else:
            model = _estimator(targets, estimator, choice.seed).fit(
                _dense(values, estimator), targets.at(rows)
            )
    about = Description(
        task=task,
        features=columns.name,
        estimator=estimator,
        classes=targets.classes,
        trials=tuple(trials),
        metric="mae" if targets.is_number else "macro_f1",
        records=len(rows),
        columns=int(values.shape[1]),
        seed=choice.seed,
    )
    return ClassicalModel(about, fitted.features, model)


def _compared(
    targets: Targets,
    groups: Sequence[str],
    features: Sequence[tuple[str, Callable[[], Any]]],
    choice: Choice,
    report: Report,
) -> tuple[list[tuple[Any, Estimator]], list[Trial]]:
    """Return the candidates, best first, and all trials.

    The features are compared with the first estimator, and the other estimators on the best features.
    """
    built = [make() for _, make in features]
    allowed = [each for each in choice.estimators if not _fault(each, targets)] or [Estimator.LINEAR]
    trials = [
        Trial(built[0].name, each, 0.0, 0.0, fault)
        for each in choice.estimators
        if (fault := _fault(each, targets)) and len(choice.estimators) > 1
    ]
    if len(built) * len(allowed) == 1:
        return [(built[0], allowed[0])], trials
    folds = _folds(targets, groups, choice)
    if folds is None:
        fault = "There are too few records, or too few of one label, to compare candidates."
        return [(built[0], allowed[0])], [Trial(built[0].name, allowed[0], 0.0, 0.0, fault)]

    def tried(columns: Any, estimator: Estimator) -> Trial:
        report(f"Comparing: {estimator.replace('_', ' ')} on {columns.name}.")
        scores = [_score(columns, estimator, targets, train, test, choice.seed) for train, test in folds]
        return Trial(columns.name, estimator, float(np.mean(scores)), float(np.std(scores)))

    first = {columns.name: tried(columns, allowed[0]) for columns in built}
    best = max(built, key=lambda columns: _gain(first[columns.name], targets))
    others = [tried(best, estimator) for estimator in allowed[1:]]
    ranked = sorted([*first.values(), *others], key=lambda trial: -_gain(trial, targets))
    by_name = {columns.name: columns for columns in built}
    return [(by_name[each.features], Estimator(each.estimator)) for each in ranked], [*ranked, *trials]


def _gain(trial: Trial, targets: Targets) -> float:
    return -trial.score if targets.is_number else trial.score


def _fault(estimator: Estimator, targets: Targets) -> str:
    """Return why an estimator is left out; empty if it is not."""
    if targets.is_number:
        return ""
    if estimator is Estimator.LINEAR_SVM and targets.smallest < 2 * MIN_CALIBRATED:
        return f"A label has fewer than {2 * MIN_CALIBRATED} records, too few to calibrate probabilities."
    if estimator in (Estimator.FOREST, Estimator.BOOSTING) and len(targets.classes) > MANY_LABELS:
        return f"There are more than {MANY_LABELS} labels."
    return ""


def _score(
    columns: Any,
    estimator: Estimator,
    targets: Targets,
    train: npt.NDArray[np.int64],
    test: npt.NDArray[np.int64],
    seed: int,
) -> float:
    """Return the mean absolute error of numbers, or the macro-F1 of labels, on the held-out records of a fold."""
    from sklearn.metrics import f1_score, mean_absolute_error

    fitted = columns.fitted(train, targets, estimator)
    model = _estimator(targets, estimator, seed).fit(
        _dense(fitted.values, estimator), targets.at(fitted.rows)
    )
    predicted = model.predict(_dense(fitted.of_rows(test), estimator))
    if targets.is_number:
        return float(mean_absolute_error(targets.at(test), predicted))
    return float(f1_score(targets.at(test), predicted, average="macro", zero_division=0))


def _estimator(targets: Targets, estimator: Estimator, seed: int) -> Any:
    if targets.is_number:
        return estimators.regressor(estimator, seed)
    return (estimators.multi_classifier if targets.multi else estimators.classifier)(estimator, seed)


def _folds(
    targets: Targets, groups: Sequence[str], choice: Choice
) -> list[tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]] | None:
    """Return the records to fit on and to hold out of each fold; None if there are too few.

    Records of a group are in one fold. Labels have the same shares in each.
    """
    from sklearn.model_selection import GroupKFold, KFold, StratifiedGroupKFold, StratifiedKFold

    places = np.arange(len(targets.values), dtype=np.int64)
    if len(places) > choice.selection_records:
        drawn = np.random.default_rng(choice.seed).choice(
            len(places), choice.selection_records, replace=False
        )
        places = np.sort(drawn).astype(np.int64)
    own = np.array([groups[place] or f"#{place}" for place in places.tolist()]) if any(groups) else None
    stratified = not targets.is_number and not targets.multi
    values = targets.at(places)
    smallest = min(Counter(values.tolist()).values()) if stratified else len(places)
    group_count = len(places) if own is None else len(set(own))
    if len(places) < 2 * choice.folds or group_count < 2:
        return None
    if smallest < 2 or group_count < choice.folds:
        stratified = False
    how: dict[str, Any] = {"shuffle": True, "random_state": choice.seed}
    if own is not None:
        count = min(choice.folds, group_count)
        splitter = StratifiedGroupKFold(count, **how) if stratified else GroupKFold(count)
    else:
        count = min(choice.folds, smallest) if stratified else choice.folds
        splitter = StratifiedKFold(count, **how) if stratified else KFold(choice.folds, **how)
    pairs = [
        (places[train], places[test])
        for train, test in splitter.split(places, values if stratified else None, own)
    ]
    usable = [pair for pair in pairs if targets.is_number or len(np.unique(targets.at(pair[0]), axis=0)) > 1]
    return usable or None


def _strongest(values: Any, targets: Targets, rows: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Return the columns with the strongest relation to the answers: by chi-squared of labels, by F of numbers."""
    from sklearn.feature_selection import chi2, f_regression

    scores, _ = (f_regression if targets.is_number else chi2)(values, targets.at(rows))
    order = np.argsort(-np.nan_to_num(scores, nan=-1.0), kind="stable")[:TREE_TERMS]
    return np.sort(order)


def _dense(values: Any, estimator: Estimator) -> Any:
    return values.toarray() if needs_dense(estimator) and hasattr(values, "toarray") else values


def _stride(columns: Any) -> int:
    """Return one in how many records is fitted on, so that memory and time stay bounded."""
    if columns.name == TABLE:
        return 1
    return -(-sum(map(len, cut(columns.texts))) // MAX_FITTED_CHARS) or 1
