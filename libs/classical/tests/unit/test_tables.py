"""Tables: columns, missing values, outliers, encoding, expressions, selection; what a bad table says."""

import json

import numpy as np
import polars as pl
import pytest

from ratoon.classical import tables
from ratoon.classical.analysis import association_rules, clusters, items_of
from ratoon.classical.columns import Type, frame_of, row_of, types_of
from ratoon.classical.errors import BadTable, CannotFit
from ratoon.classical.estimators import Estimator
from ratoon.classical.expressions import expression
from ratoon.classical.fitting import Choice, Examples, TableColumns, Targets, fit_table
from ratoon.classical.model import ClassicalModel
from ratoon.classical.tables import Missing, Preparation, columns_of, fit, frame
from ratoon.tasks.classify import Classify
from ratoon.tasks.regress import Regress

LINEAR = Choice(estimators=(Estimator.LINEAR,))
ROWS = [
    {"age": 20 + n, "city": ("Ulm", "Bonn", "Köln")[n % 3], "since": f"2020-01-{n + 1:02d}", "constant": 7}
    for n in range(12)
]
TEXTS = [json.dumps(row) for row in ROWS]
LABELS = ["old" if row["age"] > 25 else "young" for row in ROWS]
TASK = Classify(("old", "young"))


def fitted(rows, **settings):
    """Return a fitted table, the frame of its rows, and the rows that count."""
    preparation = Preparation.of_json(settings)
    texts = [json.dumps(row) for row in rows]
    known, columns, notes = columns_of(texts, preparation)
    data = frame(known, columns, preparation)
    table, rows_used = fit(data, columns, preparation, np.arange(len(rows)) % 2, notes=notes)
    return table, data, rows_used


def matrix(rows, **settings):
    table, data, rows_used = fitted(rows, **{"scaling": "none", **settings})
    return table.matrix(data[rows_used.tolist()])


def test_columns_have_types():
    columns, _ = types_of(ROWS)
    assert {each.name: each.type for each in columns} == {
        "age": Type.NUMBER,
        "city": Type.CATEGORY,
        "since": Type.DATE,
        "constant": Type.NUMBER,
    }
    assert frame_of([{"since": "1970-01-03"}], columns)["since"].to_list() == [2.0]


def test_a_table_is_learned_and_answers_rows_in_any_order_of_their_fields():
    model = fit_table(TASK, Examples(TEXTS, LABELS), choice=LINEAR)
    again = ClassicalModel.of_files(model.files())
    assert again.files() == model.files()
    assert again.answer(['{"city": "Bonn", "age": 60}', '{"age": 3}']).texts == ("old", "young")
    assert again.answer(TEXTS).texts == tuple(LABELS)


def test_numbers_are_learned_of_a_table():
    model = fit_table(Regress(), Examples(TEXTS, [str(2 * row["age"]) for row in ROWS]), choice=LINEAR)
    assert float(
        model.answer(['{"age": 25, "city": "Ulm", "since": "2020-01-06"}']).texts[0]
    ) == pytest.approx(50, abs=2)


@pytest.mark.parametrize(
    ("missing", "value"), [("mean", 2.0), ("median", 1.0), ("mode", 1.0), ("sentinel", -1.0), ("knn", 2.0)]
)
def test_missing_numbers_are_replaced(missing, value):
    rows = [{"a": each} for each in (1, 1, 1, 5, None)]
    assert matrix(rows, missing=missing)[4, 0] == value


def test_a_missing_number_is_predicted_by_a_regression_on_the_others():
    rows = [{"a": n, "b": 3.0 * n} for n in range(20)] + [{"a": 7, "b": None}]
    assert matrix(rows, missing="regression")[-1, 1] == pytest.approx(21, abs=0.5)


def test_rows_with_a_missing_value_are_left_out_of_training_and_still_answered():
    rows = [{"a": n, "b": n % 3} for n in range(6)] + [{"a": None, "b": 1}]
    table, _, rows_used = fitted(rows, missing="delete")
    assert rows_used.tolist() == [0, 1, 2, 3, 4, 5]
    assert np.isfinite(table.of_texts(['{"b": 1}'])).all()


def test_outliers_are_kept_deleted_clipped_or_predicted():
    rows = [{"a": n % 10, "b": 2.0 * (n % 10)} for n in range(20)] + [{"a": 5, "b": 1000.0}]
    assert matrix(rows)[-1, 1] == 1000
    assert len(matrix(rows, outliers="delete")) == 20
    assert matrix(rows, outliers="iqr")[-1, 1] < 40
    assert matrix(rows, outliers="predict")[-1, 1] == pytest.approx(10, abs=1)


def test_categories_are_one_hot_or_numbered_and_unknown_ones_are_none():
    rows = [{"c": each} for each in ("a", "b", "a", "b")]
    table, _, _ = fitted(rows)
    assert table.of_texts(['{"c": "a"}', '{"c": "b"}', '{"c": "z"}']).tolist() == [[1, 0], [0, 1], [0, 0]]
    table, _, _ = fitted(rows, encoding="label")
    assert table.of_texts(['{"c": "b"}', '{"c": "z"}']).tolist() == [[1], [-1]]


def test_d37_columns_travel_by_name_and_an_empty_or_unknown_one_moves_no_other():
    turned = [json.dumps(dict(reversed(json.loads(text).items()))) for text in TEXTS]
    one, other = (fit_table(TASK, Examples(each, LABELS), choice=LINEAR) for each in (TEXTS, turned))
    assert one.answer(turned).texts == other.answer(TEXTS).texts == tuple(LABELS)
    rows = [{"a": n, "e": None, "c": "xy"[n % 2], "b": n % 3} for n in range(9)]
    table, _, _ = fitted(rows, scaling="none")
    without, filled = table.of_texts(['{"a": 4, "c": "x", "b": 1}', '{"a": 4, "e": 9, "c": "x", "b": 1}'])
    assert without.tolist() == filled.tolist()
    assert any("The column e has no value" in note for note in table.notes)
    known, unknown = table.of_texts(['{"a": 4, "c": "x", "b": 1}', '{"a": 4, "c": "z", "b": 1}'])
    assert known.sum() == unknown.sum() + 1


def test_numbers_are_scaled():
    rows = [{"a": each} for each in (0, 5, 10)]
    assert matrix(rows, scaling="min_max")[:, 0].tolist() == [0, 0.5, 1]
    assert matrix(rows, scaling="standard")[:, 0].mean() == pytest.approx(0)


def test_columns_are_selected_and_turned_into_components():
    rows = [{"a": n % 2, "b": n, "c": (n * 7) % 5} for n in range(20)]
    assert matrix(rows, select=1)[:, 0].tolist() == [n % 2 for n in range(20)]
    assert matrix(rows, components=2).shape == (20, 2)


def test_duplicates_are_kept_dropped_or_refused():
    rows = [{"a": 1}, {"a": 2}, {"a": 1}, {"a": 2}]
    assert len(matrix(rows)) == 4
    assert len(matrix(rows, duplicates="drop")) == 2
    with pytest.raises(BadTable, match="2 rows of the training part repeat others"):
        matrix(rows, duplicates="refuse")


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("a / b", 2.0),
        ("log(b) + -a ** 2", np.log(2) - 16),
        ("`unit price` * 2", 6.0),
        ("where(a > 3, max(a, b), 0)", 4.0),
        ("month(day)", 1.0),
        ("round(a // 3 + a % 3)", 2.0),
    ],
)
def test_expressions_compute_columns(text, value):
    data = pl.DataFrame({"a": [4.0], "b": [2.0], "unit price": [3.0], "day": [2.0]})
    assert data.select(expression(text, data.columns).alias("x"))["x"][0] == pytest.approx(value)


@pytest.mark.parametrize(
    "text",
    [
        "__import__('os').system('id')",
        "a.__class__",
        "open('x')",
        "[a for a in b]",
        "lambda: 1",
        "a if b else 1",
        "'text'",
        "a and b",
        "f(a)",
        "log(a, b)",
        "a +",
        "(" * 300 + "a" + ")" * 300,
        "unknown + 1",
        "a < b < c",
        "exp(a, **b)",
        "9" * 400,
    ],
)
def test_an_expression_that_is_no_arithmetic_is_refused(text):
    with pytest.raises(BadTable, match="expression"):
        expression(text, ["a", "b"])


def test_a_computed_column_that_is_infinite_is_missing():
    rows = [{"a": n, "b": n % 2} for n in range(6)]
    computed = [{"name": "c", "expression": "a / b"}, {"name": "d", "expression": "c + 1"}]
    table, data, _ = fitted(rows, expressions=computed)
    assert data["c"].to_list() == [None, 1, None, 3, None, 5] and "d" in table.numbers
    assert np.isfinite(table.matrix(data)).all()


@pytest.mark.parametrize(
    ("rows", "sentence"),
    [
        ([{"a": 1}], "has 1 row, and a model needs two"),
        ([{"a": 1}, {"a": 1}], "No column of the training part has two values"),
        ([{"d": "2024-01-31"}, {"d": "31.01.2024"}, {"d": "01/31/2024"}], "dates in several formats"),
        ([{"d": "01/02/2024"}, {"d": "03/04/2024"}], "may begin with the day or with the month"),
        ([{}, {}], "No column of the training part has two values"),
    ],
)
def test_a_bad_table_is_refused_with_a_sentence(rows, sentence):
    with pytest.raises((BadTable, CannotFit), match=sentence):
        fitted(rows)


def test_what_is_strange_about_a_table_is_noted():
    rows = [{"id": f"k{n}", "a": n, "b": 1e999 if n == 3 else n % 4, "c": 5, "e": None} for n in range(400)]
    rows[7] = {**rows[7], "a": "seven"}
    notes = " ".join(fitted(rows)[0].notes)
    for sentence in (
        "1 infinite numbers of the column b count as missing",
        "The column c is constant",
        "The column e has no value",
        "1 values of the column a are no numbers, such as 'seven'",
        "The column id has 400 categories",
    ):
        assert sentence in notes


def test_ten_thousand_categories_make_a_hundred_and_one_columns():
    rows = [{"c": f"k{n % 10_000}"} for n in range(20_000)]
    assert matrix(rows).shape == (20_000, 101)


def test_a_table_takes_nothing_from_records_that_it_is_not_fitted_on():
    texts = [
        json.dumps({"a": 1_000_000 if n > 9 else n, "c": "test" if n > 9 else "train"}) for n in range(14)
    ]
    columns = TableColumns(Preparation(), texts, 0)
    targets = Targets.of(TASK, ["old", "young"] * 7)
    both = columns.fitted(np.arange(10), targets, Estimator.LINEAR).features
    alone = (
        TableColumns(Preparation(), texts[:10], 0).fitted(np.arange(10), targets, Estimator.LINEAR).features
    )
    assert both.files() == alone.files()
    assert b"1000000" not in both.files()[tables.FILE]


def test_a_fitted_table_is_not_fitted_again():
    table, _, _ = fitted(ROWS)
    with pytest.raises(AttributeError):
        table.high = (0.0,)
    assert not hasattr(table, "fit")


def test_a_record_that_is_no_row_has_no_answer_and_says_why():
    model = fit_table(TASK, Examples(TEXTS, LABELS), choice=LINEAR)
    answers = model.answer(["hello", TEXTS[0]])
    assert answers.texts == ("", "young")
    assert "JSON object of a row" in answers.faults[0]
    with pytest.raises(BadTable):
        row_of("[1]")


def test_a_label_that_only_the_test_part_has_is_never_answered():
    task = Classify(("old", "young", "unborn"))
    model = fit_table(task, Examples(TEXTS, LABELS), choice=LINEAR)
    assert "unborn" not in model.answer(['{"age": -5}']).texts


def test_every_treatment_survives_its_files():
    for missing in Missing:
        rows = [{"a": n, "b": n % 3, "c": "xy"[n % 2]} for n in range(12)]
        table, data, _ = fitted(rows, missing=missing, outliers="predict", select=2, components=1)
        again = tables.FittedTable.of_files(table.files())
        assert (again.matrix(data) == table.matrix(data)).all()


def test_association_rules_are_found_by_their_lift():
    rows = [{"bread": "yes", "butter": "yes" if n % 10 else "no", "rain": "yn"[n % 2]} for n in range(100)]
    rows += [{"bread": "no", "butter": "no", "rain": "yn"[n % 2]} for n in range(100)]
    columns, _ = types_of(rows)
    items = items_of(frame_of(rows, columns), columns, ["a"] * 200)
    rule = next(
        r
        for r in association_rules(items)
        if r.conditions == ("butter = yes",) and r.outcome == "bread = yes"
    )
    assert (rule.support, rule.confidence, rule.lift) == pytest.approx((0.45, 1.0, 2.0))
    assert not any("rain" in r.outcome for r in association_rules(items) if len(r.conditions) == 1)


def test_clusters_are_groups_of_similar_rows():
    values = np.concatenate([np.zeros((20, 2)), np.full((10, 2), 9.0)]) + np.arange(30)[:, None] / 100
    groups = clusters(values, {"x": values[:, 0]}, ["a"] * 20 + ["b"] * 10)
    assert [group.rows for group in groups] == [20, 10]
    assert groups[0].answers == {"a": 20} and groups[1].means["x"] > 9
    assert clusters(values[:1], {}, ["a"]) == []
