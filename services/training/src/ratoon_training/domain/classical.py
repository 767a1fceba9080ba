"""Recipe of a classical model: what it reads, which estimators are compared, how the rows of a table are prepared."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

MAX_EXPRESSIONS = 100
MAX_EXPRESSION_CHARS = 500
MAX_COLUMNS = 1000


class Features(StrEnum):
    """What a classical model reads of a record."""

    WORDS = "WORDS"
    """TF-IDF weights of words; Jieba cuts Chinese."""
    CHARACTERS = "CHARACTERS"
    """TF-IDF weights of one to three characters in a row."""
    TABLE = "TABLE"
    """The fields of a record whose text is a JSON object."""


class Estimator(StrEnum):
    """Family of a classical model."""

    LINEAR = "LINEAR"
    LINEAR_SVM = "LINEAR_SVM"
    TREE = "TREE"
    FOREST = "FOREST"
    BOOSTING = "BOOSTING"


class Missing(StrEnum):
    """Replacement of missing values."""

    MEDIAN = "MEDIAN"
    MEAN = "MEAN"
    MODE = "MODE"
    KNN = "KNN"
    REGRESSION = "REGRESSION"
    SENTINEL = "SENTINEL"
    DELETE = "DELETE"


class Outliers(StrEnum):
    """Treatment of numbers outside of 1.5 interquartile ranges."""

    KEEP = "KEEP"
    DELETE = "DELETE"
    IQR = "IQR"
    PREDICT = "PREDICT"


class Scaling(StrEnum):
    """Scaling of numbers."""

    STANDARD = "STANDARD"
    MIN_MAX = "MIN_MAX"
    NONE = "NONE"


class Encoding(StrEnum):
    """Encoding of categories."""

    ONE_HOT = "ONE_HOT"
    LABEL = "LABEL"


class Duplicates(StrEnum):
    """What becomes of equal rows of the training part."""

    KEEP = "KEEP"
    DROP = "DROP"
    REFUSE = "REFUSE"


@dataclass(frozen=True)
class Expression:
    """A column that is computed of others."""

    name: str
    expression: str


@dataclass(frozen=True)
class Table:
    """Preparation of the rows of a table; all is fitted on the training part alone."""

    columns: tuple[str, ...] = ()
    """Fields to read; empty: all."""
    missing: Missing = Missing.MEDIAN
    sentinel: float = -1.0
    outliers: Outliers = Outliers.KEEP
    scaling: Scaling = Scaling.STANDARD
    encoding: Encoding = Encoding.ONE_HOT
    duplicates: Duplicates = Duplicates.KEEP
    expressions: tuple[Expression, ...] = ()
    select: int = 0
    """Number of columns to keep, those with the strongest relation to the answers; 0: all."""
    components: int = 0
    """Number of principal components that take the place of the columns; 0: none."""


@dataclass(frozen=True)
class Classical:
    """Candidates of a classical model; several are compared by cross-validation. Empty: all."""

    features: tuple[Features, ...] = ()
    estimators: tuple[Estimator, ...] = ()
    table: Table | None = None

    @property
    def is_table(self) -> bool:
        """Return whether records are rows of a table."""
        return Features.TABLE in self.features

    @staticmethod
    def parse(value: dict[str, Any]) -> "Classical":
        """Return the recipe in a JSON object."""
        table = value.get("table")
        return Classical(
            tuple(map(Features, value.get("features") or ())),
            tuple(map(Estimator, value.get("estimators") or ())),
            _table(table) if table else None,
        )

    def faults(self) -> list[tuple[str, bool, str]]:
        """Return each limit: the field, whether it is broken, and what it is."""
        table = self.table or Table()
        names = [each.name for each in table.expressions]
        return [
            ("features", self.is_table and len(self.features) > 1, "TABLE does not go with other features"),
            ("table", self.table is not None and not self.is_table, "needs the features TABLE"),
            ("table.select", not 0 <= table.select <= MAX_COLUMNS, f"must be 0 to {MAX_COLUMNS:,}"),
            ("table.components", not 0 <= table.components <= MAX_COLUMNS, f"must be 0 to {MAX_COLUMNS:,}"),
            ("table.columns", len(table.columns) > MAX_COLUMNS, f"must be at most {MAX_COLUMNS:,} fields"),
            (
                "table.expressions",
                len(names) > MAX_EXPRESSIONS or len(set(names)) < len(names) or not all(names),
                f"must be at most {MAX_EXPRESSIONS} columns with names of their own",
            ),
            (
                "table.expressions",
                any(len(each.expression) > MAX_EXPRESSION_CHARS for each in table.expressions),
                f"must have at most {MAX_EXPRESSION_CHARS} characters each",
            ),
        ]


def _table(value: dict[str, Any]) -> Table:
    kinds: dict[str, Any] = {
        "missing": Missing,
        "outliers": Outliers,
        "scaling": Scaling,
        "encoding": Encoding,
        "duplicates": Duplicates,
    }
    known = {name: each for name, each in value.items() if each is not None}
    return Table(
        **{
            **known,
            **{name: kind(known[name]) for name, kind in kinds.items() if known.get(name)},
            "columns": tuple(known.get("columns") or ()),
            "expressions": tuple(Expression(**each) for each in known.get("expressions") or ()),
        }
    )
