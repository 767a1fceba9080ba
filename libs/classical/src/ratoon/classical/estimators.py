"""Estimators of scikit-learn by name, with the settings that classical models are fitted with."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from enum import StrEnum
from typing import Any


class Estimator(StrEnum):
    """Family of a classical model."""

    LINEAR = "linear"
    """Logistic regression of labels, ridge regression of numbers."""
    LINEAR_SVM = "linear_svm"
    """Linear support vector machine; its scores of labels are calibrated to probabilities."""
    TREE = "tree"
    """One decision tree."""
    FOREST = "forest"
    """Random forest of 100 trees."""
    BOOSTING = "boosting"
    """Histogram gradient boosting of 100 trees."""


TREES = (Estimator.TREE, Estimator.FOREST, Estimator.BOOSTING)
"""Families that read a few hundred columns at most."""
MIN_CALIBRATED = 3
"""Records of each label that the calibration of a support vector machine needs."""


def classifier(estimator: Estimator, seed: int) -> Any:
    """Return the unfitted estimator of one label."""
    return _CLASSIFIERS[estimator](seed)


def multi_classifier(estimator: Estimator, seed: int) -> Any:
    """Return the unfitted estimator of several labels: one of each label against the rest."""
    from sklearn.multiclass import OneVsRestClassifier

    return OneVsRestClassifier(classifier(estimator, seed))


def regressor(estimator: Estimator, seed: int) -> Any:
    """Return the unfitted estimator of numbers."""
    return _REGRESSORS[estimator](seed)


def _logistic(_seed: int) -> Any:
    from sklearn.linear_model import LogisticRegression

    return LogisticRegression(C=10.0, max_iter=1000)


def _linear_svm(seed: int) -> Any:
    from sklearn.calibration import CalibratedClassifierCV
    from sklearn.svm import LinearSVC

    return CalibratedClassifierCV(LinearSVC(random_state=seed), cv=MIN_CALIBRATED, ensemble=False)


def _tree(seed: int) -> Any:
    from sklearn.tree import DecisionTreeClassifier

    return DecisionTreeClassifier(max_depth=20, random_state=seed)


def _forest(seed: int) -> Any:
    from sklearn.ensemble import RandomForestClassifier

    return RandomForestClassifier(100, random_state=seed)


def _boosting(seed: int) -> Any:
    from sklearn.ensemble import HistGradientBoostingClassifier

    return HistGradientBoostingClassifier(
        max_bins=64, max_leaf_nodes=15, early_stopping=False, random_state=seed
    )


def _ridge(_seed: int) -> Any:
    from sklearn.linear_model import Ridge

    return Ridge(alpha=1.0)


def _linear_svr(seed: int) -> Any:
    from sklearn.svm import LinearSVR

    return LinearSVR(random_state=seed, max_iter=10_000)


def _tree_of_numbers(seed: int) -> Any:
    from sklearn.tree import DecisionTreeRegressor

    return DecisionTreeRegressor(max_depth=20, min_samples_leaf=2, random_state=seed)


def _forest_of_numbers(seed: int) -> Any:
    from sklearn.ensemble import RandomForestRegressor

    return RandomForestRegressor(100, random_state=seed)


def _boosting_of_numbers(seed: int) -> Any:
    from sklearn.ensemble import HistGradientBoostingRegressor

    return HistGradientBoostingRegressor(
        max_bins=64, max_leaf_nodes=15, early_stopping=False, random_state=seed
    )


_CLASSIFIERS: Mapping[Estimator, Callable[[int], Any]] = {
    Estimator.LINEAR: _logistic,
    Estimator.LINEAR_SVM: _linear_svm,
    Estimator.TREE: _tree,
    Estimator.FOREST: _forest,
    Estimator.BOOSTING: _boosting,
}
_REGRESSORS: Mapping[Estimator, Callable[[int], Any]] = {
    Estimator.LINEAR: _ridge,
    Estimator.LINEAR_SVM: _linear_svr,
    Estimator.TREE: _tree_of_numbers,
    Estimator.FOREST: _forest_of_numbers,
    Estimator.BOOSTING: _boosting_of_numbers,
}
