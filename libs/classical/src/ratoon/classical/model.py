"""A fitted classical model: from records to answers, with their probabilities, and its files.

An artifact is a directory: `classical.json` (task, choice, cross-validation), `estimator.skops`, and for texts
`vocabulary.json` with `model.safetensors` (the inverse document frequencies), for tables `table.json` with
`table.skops`. Nothing is pickled.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from ratoon.classical import vault
from ratoon.classical.errors import BadArtifact
from ratoon.classical.estimators import Estimator
from ratoon.classical.words import Terms, Weights, words
from ratoon.tasks import regress
from ratoon.tasks.classify import Classify
from ratoon.tasks.kind import Kind
from ratoon.tasks.regress import Regress

DESCRIPTION = "classical.json"
ESTIMATOR = "estimator.skops"
VOCABULARY = "vocabulary.json"
IDF = "model.safetensors"
FORMAT = 1
"""Version of the artifact."""
TABLE = "table"
"""Features of records that are rows of a table."""
_MIN_SHARE = 1e-12
"""Probability of a label that the training part lacks, so that its logarithm is finite."""
_MAX_VOCABULARY_BYTES = 256 << 20

Task = Classify | Regress
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Trial:
    """A candidate of the cross-validation: the mean and the standard deviation of its score over the folds."""

    features: str
    estimator: str
    score: float
    deviation: float
    fault: str = ""
    """Why it has no score."""


@dataclass(frozen=True)
class Description:
    """Facts about a model."""

    task: Task
    features: str
    estimator: Estimator
    classes: tuple[str, ...] = ()
    """Labels in the order of the estimator's columns; none of numbers."""
    trials: tuple[Trial, ...] = ()
    metric: str = ""
    """Metric of the cross-validation."""
    records: int = 0
    """Records that it was fitted on."""
    columns: int = 0
    seed: int = 0


@dataclass(frozen=True)
class Answers:
    """Answers to records, and log-probabilities of the labels, (records, labels of the task); none of numbers."""

    texts: tuple[str, ...]
    logprobs: Floats | None = None
    faults: Mapping[int, str] = field(default_factory=dict)
    """Why a record has no answer, by its position; its text is empty."""


class SmallModel(Protocol):
    """A model that is served without vLLM: it answers with labels or numbers."""

    @property
    def task(self) -> Task:
        """Task that it answers."""
        ...

    @property
    def parameters(self) -> int:
        """Number of the numbers that it learned."""
        ...

    @property
    def reads_rows(self) -> bool:
        """True if a record is a row of a table, which is not cut."""
        ...

    @property
    def library(self) -> str:
        """Library that its card names."""
        ...

    def answer(self, texts: Sequence[str]) -> Answers:
        """Answers to texts."""
        ...


class Features(Protocol):
    """Columns of records."""

    def of_texts(self, texts: Sequence[str]) -> Any:
        """Return the columns of records, (records, columns)."""
        ...


@dataclass(frozen=True)
class ClassicalModel:
    """A model with all that it needs to answer."""

    about: Description
    features: Any
    """`Weights` of texts, or a fitted table."""
    estimator: Any

    def answer(self, texts: Sequence[str]) -> Answers:
        """Return the answers to texts, or to rows of a table as JSON objects."""
        if not texts:
            return Answers(())
        faults: dict[int, str] = {}
        if self.about.features == TABLE:
            rows, faults = self.features.of_rows(texts)
        else:
            rows = self.features.of_texts(texts)
        answered = self._answers(rows)
        if not faults:
            return answered
        known = [("" if place in faults else text) for place, text in enumerate(answered.texts)]
        return replace(answered, texts=tuple(known), faults=faults)

    @property
    def task(self) -> Task:
        """Return the task that it answers."""
        return self.about.task

    @property
    def reads_rows(self) -> bool:
        """Return True if a record is a row of a table."""
        return self.about.features == TABLE

    @property
    def library(self) -> str:
        """Return the library that its card names."""
        return "scikit-learn"

    @property
    def parameters(self) -> int:
        """Number of the numbers that the estimator learned."""
        return count_parameters(self.estimator)

    def files(self) -> dict[str, bytes]:
        """Return the artifact: equal models give equal bytes."""
        about = {"format": FORMAT, **asdict(self.about)}
        files = {DESCRIPTION: _json(about), ESTIMATOR: vault.dump(self.estimator)}
        if isinstance(self.features, Weights):
            from safetensors.numpy import save

            vocabulary = {"terms": self.features.terms, "vocabulary": list(self.features.vocabulary)}
            return files | {VOCABULARY: _json(vocabulary), IDF: save({"idf": self.features.idf})}
        table: dict[str, bytes] = self.features.files()
        return files | table

    def save(self, folder: Path) -> None:
        """Write the artifact into a directory."""
        for name, data in self.files().items():
            (folder / name).write_bytes(data)

    @staticmethod
    def load(folder: Path) -> ClassicalModel:
        """Return the model of a directory; BadArtifact if it is none, or holds what may not be loaded."""
        names = (DESCRIPTION, ESTIMATOR, VOCABULARY, IDF, "table.json", "table.skops")
        return ClassicalModel.of_files(
            {name: (folder / name).read_bytes() for name in names if (folder / name).is_file()}
        )

    @staticmethod
    def of_files(files: Mapping[str, bytes]) -> ClassicalModel:
        """Return the model of an artifact's files by name; BadArtifact as `load`."""
        about = _description(_object(files, DESCRIPTION))
        estimator = vault.load(_file(files, ESTIMATOR), ESTIMATOR)
        if not hasattr(estimator, "predict"):
            raise BadArtifact(f"{ESTIMATOR} holds no estimator. Train the model again.")
        if about.features == TABLE:
            from ratoon.classical.tables import FittedTable

            features: Any = FittedTable.of_files(files)
        else:
            features = _weights(files, about)
        model = ClassicalModel(about, features, estimator)
        _check_fit(model)
        return model

    def _answers(self, rows: Any) -> Answers:
        if needs_dense(self.about.estimator) and hasattr(rows, "toarray"):
            rows = rows.toarray()
        task = self.about.task
        if isinstance(task, Regress):
            low, high = (
                bound if bound is not None else end
                for bound, end in ((task.min, -np.inf), (task.max, np.inf))
            )
            numbers = np.asarray(self.estimator.predict(rows), dtype=np.float64).ravel().clip(low, high)
            return Answers(tuple(regress.format_number(float(f"{number:.6g}")) for number in numbers))
        shares = self._shares(rows)
        columns = {label: column for column, label in enumerate(self.about.classes)}
        ordered = np.full((len(shares), len(task.labels)), _MIN_SHARE)
        for place, label in enumerate(task.labels):
            if label in columns:
                ordered[:, place] = shares[:, columns[label]].clip(_MIN_SHARE, 1.0)
        if task.multi_label:
            # A record has a label: where none is likelier than not, the likeliest one.
            named = ordered > np.minimum(0.5, np.nextafter(ordered.max(axis=1), 0))[:, None]
            texts = [
                "\n".join(label for label, own in zip(task.labels, row, strict=True) if own) for row in named
            ]
        else:
            texts = [task.labels[place] for place in ordered.argmax(axis=1)]
        return Answers(tuple(texts), np.log(ordered))

    def _shares(self, rows: Any) -> Floats:
        """Return the probabilities of the classes, (records, classes)."""
        if len(self.about.classes) == 1:
            return np.ones((rows.shape[0], 1))
        return np.asarray(self.estimator.predict_proba(rows), dtype=np.float64)


def needs_dense(estimator: Estimator) -> bool:
    """Return whether the estimator takes no sparse matrix."""
    return estimator is Estimator.BOOSTING


def title(features: str, estimator: str, task: Task) -> str:
    """Return what a model is, for people."""
    is_number = isinstance(task, Regress)
    families = {
        Estimator.LINEAR: "ridge regression" if is_number else "logistic regression",
        Estimator.LINEAR_SVM: "linear support vector machine",
        Estimator.TREE: "decision tree",
        Estimator.FOREST: "random forest",
        Estimator.BOOSTING: "gradient boosting",
    }
    where = {Terms.WORDS: "words", Terms.CHARACTERS: "characters", TABLE: "the table"}
    return f"{families[Estimator(estimator)]} on {where.get(features, features)}"


def count_parameters(estimator: Any) -> int:
    """Return the number of the numbers that an estimator learned: coefficients, or nodes of trees."""
    total = 0
    for each in vault.objects_below(estimator, set()):
        if type(each).__name__ == "Tree":
            total += int(each.node_count)
        elif type(each).__name__ == "TreePredictor":
            total += len(each.nodes)
        else:
            for name in ("coef_", "intercept_"):
                total += int(np.size(getattr(each, name, ())))
    return total


def _check_fit(model: ClassicalModel) -> None:
    """Raise BadArtifact unless the parts of a model belong together: it answers an empty text."""
    task = model.about.task
    if isinstance(task, Classify) and not set(model.about.classes) <= set(task.labels):
        raise BadArtifact(
            f"{DESCRIPTION} names classes that are no labels of its task. Train the model again."
        )
    try:
        model.answer(["{}" if model.about.features == TABLE else "text"])
    except Exception as error:
        raise BadArtifact(
            f"The files of the model do not fit together: {vault.first_line(error)}. Train the model again."
        ) from error


def _weights(files: Mapping[str, bytes], about: Description) -> Weights:
    from safetensors import SafetensorError
    from safetensors.numpy import load

    stated = _object(files, VOCABULARY)
    try:
        terms = Terms(stated["terms"])
        vocabulary = tuple(stated["vocabulary"])
        idf = np.asarray(load(_file(files, IDF))["idf"], dtype=np.float64)
    except (KeyError, ValueError, TypeError, SafetensorError) as error:
        raise BadArtifact(f"{VOCABULARY} or {IDF} is damaged: {error}. Train the model again.") from None
    texts = all(isinstance(term, str) for term in vocabulary)
    if not texts or len(set(vocabulary)) < len(vocabulary) or idf.shape != (len(vocabulary),):
        raise BadArtifact(f"{VOCABULARY} and {IDF} do not fit together. Train the model again.")
    if not np.isfinite(idf).all() or terms != about.features:
        raise BadArtifact(f"{IDF} holds numbers that are not finite. Train the model again.")
    return Weights(terms, vocabulary, idf)


def _description(value: Mapping[str, Any]) -> Description:
    if value.get("format") != FORMAT:
        raise BadArtifact(
            f"{DESCRIPTION} is of the format {value.get('format')!r}, this release reads {FORMAT}: upgrade Ratoon, or "
            "train the model again."
        )
    try:
        fields = {name: each for name, each in value.items() if name in Description.__dataclass_fields__}
        return Description(
            **{
                **fields,
                "task": task_of_json(value["task"]),
                "estimator": Estimator(value["estimator"]),
                "classes": tuple(value["classes"]),
                "trials": tuple(Trial(**each) for each in value.get("trials", ())),
            }
        )
    except (KeyError, TypeError, ValueError) as error:
        raise BadArtifact(f"{DESCRIPTION} is damaged: {error}. Train the model again.") from None


def task_of_json(value: Mapping[str, Any]) -> Task:
    """Return the task in a description."""
    if value.get("kind") == Kind.CLASSIFY:
        return Classify(tuple(map(str, value["labels"])), bool(value.get("multi_label")))
    if value.get("kind") == Kind.REGRESS:
        return Regress(**{name: value[name] for name in ("unit", "min", "max", "tolerance") if name in value})
    raise ValueError(f"the kind of task {value.get('kind')!r} has no classical model")


def _object(files: Mapping[str, bytes], name: str) -> dict[str, Any]:
    data = _file(files, name)
    if len(data) > _MAX_VOCABULARY_BYTES:
        raise BadArtifact(f"{name} has more than {_MAX_VOCABULARY_BYTES >> 20} MiB.")
    try:
        value = json.loads(data)
    except (ValueError, RecursionError):
        value = None
    if not isinstance(value, dict):
        raise BadArtifact(f"{name} holds no JSON object. Train the model again.")
    return value


def _file(files: Mapping[str, bytes], name: str) -> bytes:
    if name not in files:
        raise BadArtifact(f"{name} is missing. Train the model again, or copy all of its files.")
    return files[name]


def _json(value: Any) -> bytes:
    return (json.dumps(value, ensure_ascii=False, sort_keys=True, indent=1) + "\n").encode()


__all__ = [
    "Answers",
    "ClassicalModel",
    "Description",
    "Estimator",
    "SmallModel",
    "Task",
    "Terms",
    "Trial",
    "Weights",
    "words",
]
