"""Preparation of the rows of a table: fitted on the training part, applied by the same code wherever a model answers.

Steps in their order: expressions, duplicates, outliers, missing values, encoding, scaling, selection, components.
"""

from __future__ import annotations

import json
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from enum import StrEnum
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from ratoon.classical import vault
from ratoon.classical.columns import Column, Row, Type, frame_of, row_of, types_of
from ratoon.classical.errors import BadArtifact, BadTable, CannotFit
from ratoon.classical.expressions import expression

FILE, PARTS = "table.json", "table.skops"
_FENCE = 1.5
"""Interquartile ranges beyond the quartiles from which a number is an outlier (Tukey 1977)."""
_CATEGORIES = 101
_NEIGHBOURS = 5
Floats = npt.NDArray[np.float64]


class Missing(StrEnum):
    """Replacement of missing values."""

    MEDIAN = "median"
    MEAN = "mean"
    MODE = "mode"
    KNN = "knn"
    REGRESSION = "regression"
    SENTINEL = "sentinel"
    DELETE = "delete"


class Outliers(StrEnum):
    """Treatment of outliers."""

    KEEP = "keep"
    DELETE = "delete"
    IQR = "iqr"
    PREDICT = "predict"


class Scaling(StrEnum):
    """Scaling of numbers."""

    STANDARD = "standard"
    MIN_MAX = "min_max"
    NONE = "none"


class Encoding(StrEnum):
    """Encoding of categories."""

    ONE_HOT = "one_hot"
    LABEL = "label"


class Duplicates(StrEnum):
    """What becomes of equal rows with equal answers."""

    KEEP = "keep"
    DROP = "drop"
    REFUSE = "refuse"


@dataclass(frozen=True)
class Preparation:
    """Settings of a preparation."""

    columns: tuple[str, ...] = ()
    """Fields to read; empty: all."""
    missing: Missing = Missing.MEDIAN
    sentinel: float = -1.0
    outliers: Outliers = Outliers.KEEP
    scaling: Scaling = Scaling.STANDARD
    encoding: Encoding = Encoding.ONE_HOT
    duplicates: Duplicates = Duplicates.KEEP
    expressions: tuple[tuple[str, str], ...] = ()
    """Names of computed columns, and their expressions."""
    select: int = 0
    components: int = 0

    @staticmethod
    def of_json(value: Mapping[str, Any]) -> Preparation:
        """Return the settings in a JSON object; names of enums in any case."""
        kinds: Mapping[str, Any] = {
            "missing": Missing,
            "outliers": Outliers,
            "scaling": Scaling,
            "encoding": Encoding,
            "duplicates": Duplicates,
        }
        known = {name: each for name, each in value.items() if name in Preparation.__dataclass_fields__}
        enums = {name: kind(str(known[name]).lower()) for name, kind in kinds.items() if known.get(name)}
        computed = tuple(
            (str(each["name"]), str(each["expression"]))
            if isinstance(each, Mapping)
            else (str(each[0]), str(each[1]))
            for each in known.get("expressions", ())
        )
        return Preparation(
            **{**known, **enums, "columns": tuple(known.get("columns", ())), "expressions": computed}
        )


@dataclass(frozen=True)
class FittedTable:
    """A preparation with the numbers that it took from the training part. It is never fitted again."""

    settings: Preparation
    columns: tuple[Column, ...]
    """Columns of the fields."""
    numbers: tuple[str, ...]
    """Numeric columns that are read: fields, dates and expressions that are not constant."""
    categories: tuple[str, ...]
    low: tuple[float, ...] = ()
    high: tuple[float, ...] = ()
    """Bounds of each numeric column, beyond which a number is an outlier."""
    common: tuple[str, ...] = ()
    """Most frequent category of each column of categories."""
    parts: Mapping[str, Any] = field(default_factory=dict)
    """Fitted transformers of scikit-learn by step."""
    notes: tuple[str, ...] = ()
    """What is worth knowing of the training part, a sentence each."""

    def of_rows(self, texts: Sequence[str]) -> tuple[Floats, dict[int, str]]:
        """Return the columns of records, and why some are no rows, by position; these have no fields."""
        rows: list[Row] = []
        faults: dict[int, str] = {}
        for place, text in enumerate(texts):
            try:
                rows.append(row_of(text))
            except BadTable as error:
                faults[place] = str(error)
                rows.append({})
        return self.matrix(frame(rows, self.columns, self.settings)), faults

    def of_texts(self, texts: Sequence[str]) -> Floats:
        """Return the columns of records."""
        return self.of_rows(texts)[0]

    def matrix(self, data: pl.DataFrame) -> Floats:
        """Return the columns that an estimator reads, (rows, columns)."""
        wide = self._wide(data)
        for step in ("select", "components"):
            if step in self.parts:
                wide = np.asarray(self.parts[step].transform(wide), dtype=np.float64)
        return wide

    def files(self) -> dict[str, bytes]:
        """Return the files of the artifact that belong to the table."""
        stated = {name: each for name, each in asdict(replace(self, parts={})).items() if name != "parts"}
        text = json.dumps(stated, ensure_ascii=False, sort_keys=True, indent=1) + "\n"
        return {FILE: text.encode(), PARTS: vault.dump(dict(self.parts))}

    @staticmethod
    def of_files(files: Mapping[str, bytes]) -> FittedTable:
        """Return the table of an artifact's files; BadArtifact if they are none."""
        try:
            stated = json.loads(files[FILE])
            parts = vault.load(files[PARTS], PARTS)
            if not isinstance(parts, dict):
                raise BadArtifact(f"{PARTS} holds no steps of a table. Train the model again.")
            return FittedTable(
                settings=Preparation.of_json(stated["settings"]),
                columns=tuple(
                    Column(each["name"], Type(each["type"]), each["format"]) for each in stated["columns"]
                ),
                parts=parts,
                **{
                    name: tuple(stated[name])
                    for name in ("numbers", "categories", "low", "high", "common", "notes")
                },
            )
        except (KeyError, TypeError, ValueError) as error:
            if isinstance(error, BadArtifact):
                raise
            raise BadArtifact(f"{FILE} is missing or damaged: {error}. Train the model again.") from None

    def _wide(self, data: pl.DataFrame) -> Floats:
        """Return all columns, before some are selected."""
        numbers = self._filled(self._within(_numbers(data, self.numbers)))
        if "scale" in self.parts:
            numbers = np.asarray(self.parts["scale"].transform(numbers), dtype=np.float64)
        if "encode" not in self.parts:
            return numbers
        encoded = self.parts["encode"].transform(self._named(data))
        return np.hstack([numbers, np.asarray(encoded, dtype=np.float64)])

    def _within(self, numbers: Floats) -> Floats:
        """Return the numbers without outliers, where those are replaced."""
        if not self.low or self.settings.outliers in (Outliers.KEEP, Outliers.DELETE):
            return numbers
        low, high = np.array(self.low), np.array(self.high)
        if self.settings.outliers is Outliers.IQR:
            return np.clip(numbers, low, high)
        strange = (numbers < low) | (numbers > high)
        if not strange.any():
            return numbers
        predicted = self.parts["predict"].transform(np.where(strange, np.nan, numbers))
        return np.where(strange, predicted, numbers)

    def _filled(self, numbers: Floats) -> Floats:
        if "fill" not in self.parts:
            return numbers
        return np.asarray(self.parts["fill"].transform(numbers), dtype=np.float64)

    def _named(self, data: pl.DataFrame) -> npt.NDArray[np.object_]:
        columns = [
            data[name].fill_null(common).to_list()
            for name, common in zip(self.categories, self.common, strict=True)
        ]
        return np.array(columns, dtype=object).T.reshape(data.height, len(self.categories))


def frame(rows: Sequence[Row], columns: Sequence[Column], settings: Preparation) -> pl.DataFrame:
    """Return rows with their computed columns; what is not finite is missing."""
    data = frame_of(rows, columns)
    known = {each.name for each in columns if each.type is not Type.CATEGORY}
    for name, text in settings.expressions:
        if name in data.columns:
            raise BadTable(f"The expression {name!r} has the name of a column: choose another one.")
        computed = expression(text, known)
        value = computed.cast(pl.Float64)
        data = data.with_columns(pl.when(value.is_finite()).then(value).otherwise(None).alias(name))
        known.add(name)
    return data


def fit(
    data: pl.DataFrame,
    columns: Sequence[Column],
    settings: Preparation,
    answers: npt.NDArray[Any],
    seed: int = 0,
    notes: Sequence[str] = (),
) -> tuple[FittedTable, npt.NDArray[np.int64]]:
    """Return a table fitted on training rows, and the rows that count; BadTable or CannotFit if it cannot be.

    `answers` are numbers, or codes of labels: they serve the selection of columns and the comparison of rows.
    """
    return _Fitting(data, tuple(columns), settings, answers, seed, tuple(notes)).fitted()


@dataclass
class _Fitting:
    """One fit of a table."""

    data: pl.DataFrame
    columns: tuple[Column, ...]
    settings: Preparation
    answers: npt.NDArray[Any]
    seed: int
    notes: tuple[str, ...]

    def fitted(self) -> tuple[FittedTable, npt.NDArray[np.int64]]:
        rows = self._without_duplicates()
        data = self.data[rows.tolist()]
        table = self._columns(data)
        rows, data = self._without_outliers(table, rows, data)
        rows, data = self._complete(table, rows, data)
        if not len(rows):
            raise CannotFit(
                "No row of the training part is complete and without outliers: replace missing values and outliers "
                "instead of deleting rows."
            )
        table = self._steps(table, data)
        table = self._reduced(table, table.matrix(data), self.answers[rows])
        return table, rows

    def _without_duplicates(self) -> npt.NDArray[np.int64]:
        places = np.arange(self.data.height, dtype=np.int64)
        if self.settings.duplicates is Duplicates.KEEP:
            return places
        known = [str(each) for each in self.answers.tolist()]
        own = self.data.with_columns(pl.Series("\0answer", known, dtype=pl.String))
        first = _first_of_each(own)
        repeated = self.data.height - len(first)
        if repeated and self.settings.duplicates is Duplicates.REFUSE:
            raise BadTable(
                f"{repeated:,} rows of the training part repeat others: remove them, or set duplicates to DROP or KEEP."
            )
        if repeated:
            self.notes += (f"{repeated:,} rows that repeat others are left out.",)
        return first

    def _columns(self, data: pl.DataFrame) -> FittedTable:
        """Return the table with the columns that are not constant, and their bounds."""
        numeric = [each.name for each in self.columns if each.type is not Type.CATEGORY]
        numeric += [name for name, _ in self.settings.expressions]
        numbers = [name for name in numeric if data[name].drop_nulls().n_unique() > 1]
        categories = [
            each.name
            for each in self.columns
            if each.type is Type.CATEGORY and data[each.name].n_unique() > 1
        ]
        constant = [name for name in data.columns if name not in {*numbers, *categories}]
        notes = [f"The column {name} is constant in the training part, and is left out." for name in constant]
        if not numbers and not categories:
            raise CannotFit(
                "No column of the training part has two values: nothing distinguishes the rows. Add rows or "
                "columns."
            )
        low, high = [], []
        for name in numbers:
            first, third = (float(data[name].quantile(share, "linear") or 0.0) for share in (0.25, 0.75))
            # Where half of the values are equal, every other value would be an outlier.
            reach = _FENCE * (third - first) or np.inf
            low.append(first - reach if np.isfinite(reach) else -1e308)
            high.append(third + reach if np.isfinite(reach) else 1e308)
        return FittedTable(
            self.settings,
            self.columns,
            tuple(numbers),
            tuple(categories),
            tuple(low),
            tuple(high),
            tuple(self._common(data[name]) for name in categories),
            notes=(*self.notes, *notes),
        )

    def _common(self, values: pl.Series) -> str:
        """Return what takes the place of a missing category."""
        if self.settings.missing is Missing.SENTINEL:
            return ""
        counts = values.drop_nulls().value_counts().sort(["count", values.name], descending=[True, False])
        return str(counts[values.name][0])

    def _without_outliers(
        self, table: FittedTable, rows: npt.NDArray[np.int64], data: pl.DataFrame
    ) -> tuple[npt.NDArray[np.int64], pl.DataFrame]:
        if self.settings.outliers is not Outliers.DELETE or not table.numbers:
            return rows, data
        numbers = _numbers(data, table.numbers)
        inside = ~((numbers < np.array(table.low)) | (numbers > np.array(table.high))).any(axis=1)
        return rows[inside], data.filter(
            pl.Series(np.asarray(inside, dtype=np.bool_).tolist(), dtype=pl.Boolean)
        )

    def _complete(
        self, table: FittedTable, rows: npt.NDArray[np.int64], data: pl.DataFrame
    ) -> tuple[npt.NDArray[np.int64], pl.DataFrame]:
        if self.settings.missing is not Missing.DELETE:
            return rows, data
        whole = data.select(
            pl.all_horizontal(pl.col([*table.numbers, *table.categories]).is_not_null())
        ).to_series()
        return rows[whole.to_numpy()], data.filter(whole)

    def _steps(self, table: FittedTable, data: pl.DataFrame) -> FittedTable:
        """Return the table with its transformers, each fitted on what the steps before it make of the rows."""
        from sklearn.preprocessing import OneHotEncoder, OrdinalEncoder

        parts: dict[str, Any] = {}
        if table.numbers:
            numbers = _numbers(data, table.numbers)
            if self.settings.outliers is Outliers.PREDICT:
                strange = (numbers < np.array(table.low)) | (numbers > np.array(table.high))
                parts["predict"] = _regression(self.seed).fit(np.where(strange, np.nan, numbers))
            within = replace(table, parts=parts)._within(numbers)
            parts["fill"] = _filling(self.settings, self.seed).fit(within)
            filled = np.asarray(parts["fill"].transform(within), dtype=np.float64)
            if (scaler := _scaler(self.settings.scaling)) is not None:
                parts["scale"] = scaler.fit(filled)
        if table.categories:
            encoder = (
                OneHotEncoder(
                    handle_unknown="infrequent_if_exist", max_categories=_CATEGORIES, sparse_output=False
                )
                if self.settings.encoding is Encoding.ONE_HOT
                else OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1)
            )
            parts["encode"] = encoder.fit(table._named(data))
        return replace(table, parts=parts)

    def _reduced(self, table: FittedTable, wide: Floats, answers: npt.NDArray[Any]) -> FittedTable:
        """Return the table with the selection of columns and the principal components."""
        from sklearn.decomposition import PCA
        from sklearn.feature_selection import SelectKBest, f_classif, f_regression

        parts, settings = dict(table.parts), self.settings
        if 0 < settings.select < wide.shape[1]:
            scored = f_regression if answers.dtype.kind == "f" else f_classif
            codes = answers if answers.ndim == 1 else answers.argmax(axis=1)
            with warnings.catch_warnings():
                # Of a column that separates all labels by itself, and of constant ones.
                warnings.simplefilter("ignore")
                parts["select"] = SelectKBest(scored, k=settings.select).fit(wide, codes)
            wide = np.asarray(parts["select"].transform(wide), dtype=np.float64)
        if settings.components:
            count = min(settings.components, *wide.shape)
            parts["components"] = PCA(count, svd_solver="full", random_state=self.seed).fit(wide)
        return replace(table, parts=parts)


def columns_of(texts: Sequence[str], settings: Preparation) -> tuple[list[Row], list[Column], list[str]]:
    """Return the rows of training records, their columns and notes; BadTable if one is no row."""
    rows = [row_of(text) for text in texts]
    if len(rows) < 2:
        raise BadTable(
            f"The training part of the table has {len(rows)} row, and a model needs two at least: add rows."
        )
    columns, notes = types_of(rows, settings.columns)
    if absent := [name for name in settings.columns if name not in {each.name for each in columns}]:
        raise BadTable(
            f"No row of the training part has a value of the column {absent[0]!r}: correct its name."
        )
    return rows, columns, notes


def _numbers(data: pl.DataFrame, names: Sequence[str]) -> Floats:
    if not names:
        return np.zeros((data.height, 0))
    return np.asarray(data.select(pl.col(names).fill_null(float("nan"))).to_numpy(), dtype=np.float64)


def _first_of_each(data: pl.DataFrame) -> npt.NDArray[np.int64]:
    """Return the first place of each different row."""
    place = "\0place"
    first = data.with_row_index(place).unique(subset=data.columns, keep="first", maintain_order=True)
    return np.asarray(first[place].to_numpy(), dtype=np.int64)


def _filling(settings: Preparation, seed: int) -> Any:
    from sklearn.impute import KNNImputer, SimpleImputer

    match settings.missing:
        case Missing.KNN:
            return KNNImputer(n_neighbors=_NEIGHBOURS, keep_empty_features=True)
        case Missing.REGRESSION:
            return _regression(seed)
        case Missing.SENTINEL:
            return SimpleImputer(strategy="constant", fill_value=settings.sentinel, keep_empty_features=True)
    strategies = {Missing.MEAN: "mean", Missing.MODE: "most_frequent"}
    return SimpleImputer(strategy=strategies.get(settings.missing, "median"), keep_empty_features=True)


def _regression(seed: int) -> Any:
    from sklearn.experimental import enable_iterative_imputer  # noqa: F401
    from sklearn.impute import IterativeImputer

    return IterativeImputer(random_state=seed, keep_empty_features=True)


def _scaler(scaling: Scaling) -> Any:
    from sklearn.preprocessing import MinMaxScaler, StandardScaler

    match scaling:
        case Scaling.STANDARD:
            return StandardScaler()
        case Scaling.MIN_MAX:
            return MinMaxScaler()
    return None
