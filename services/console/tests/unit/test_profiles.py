"""Pictures of profiles: bars, boxes and points stand where their numbers say, for one report and for two."""

import pytest

from ratoon_console.domain import profiles
from services.console.tests.reports import report

VERSION = "projects/p/datasets/d/versions/v1"


def test_bars_of_two_reports_share_an_axis_and_show_shares():
    drawn = profiles.histogram("characters", [report(VERSION, 34), report(VERSION, 340)])
    assert drawn is not None
    assert {bar.report for bar in drawn.bars} == {0, 1}
    assert drawn.axes.x[0] == "1" and drawn.axes.x[-1] == "1,000"
    first = [bar for bar in drawn.bars if bar.report == 0]
    assert [bar.x for bar in first] == pytest.approx([0, 333.3, 666.7], abs=0.1)
    assert first[0].tip == "1 to 10: 10 records, 29.4 %"
    assert max(bar.height for bar in drawn.bars) == profiles.HEIGHT


def test_a_column_without_values_has_no_picture():
    assert profiles.histogram("attributes.priority", [report(VERSION, 34)]) is None
    assert profiles.boxes("attributes.priority", [report(VERSION, 34)]) is None


def test_a_constant_column_is_one_bar_in_the_middle():
    column = {"name": "x", "histogram": {"edges": [7, 7], "counts": ["3"]}}
    drawn = profiles.histogram("x", [{"numericColumns": [column]}])
    assert drawn is not None and [bar.x for bar in drawn.bars] == [500]


def test_boxes_stand_in_order_of_their_numbers():
    drawn = profiles.boxes("characters", [report(VERSION, 34)])
    assert drawn is not None
    for box in drawn.boxes:
        assert box.lower < box.first < box.median < box.third < box.upper
    assert [box.label for box in drawn.boxes] == ["<ham>", "spam"]


def test_points_of_a_scatter_plot_stay_in_the_box():
    (drawn,) = profiles.scatters(report(VERSION, 34))
    assert [(dot.x, dot.y) for dot in drawn.dots] == [(0, 0), (1000, 300)]
    assert drawn.dots[0].tip == "characters 1, tokens 2, label spam"


def test_a_matrix_and_a_cross_table_are_rows():
    ((name, cells), _) = profiles.matrix(report(VERSION, 34))
    assert (name, [cell.value for cell in cells]) == ("characters", [1, -0.5])
    assert cells[1].is_negative
    assert profiles.table(report(VERSION, 34)["crossTables"][0]) == [("spam", [20, 1]), ("<ham>", [10, 3])]


def test_values_of_two_reports_are_compared_by_share():
    rows = profiles.values_of("language", [report(VERSION, 40), report(VERSION, 60)])
    assert rows[0] == ("en", [(30, 0.75), (30, 0.5)])
