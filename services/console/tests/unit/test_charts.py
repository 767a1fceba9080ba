import math
import random

from hypothesis import given
from hypothesis import strategies as st

from ratoon_console.domain.charts import HEIGHT, WIDTH, Series, Threshold, line_chart, thinned

points = st.lists(st.tuples(st.floats(-1e6, 1e6), st.floats(-1e6, 1e6)), min_size=1, max_size=50).map(sorted)


def plain(value):
    return f"{value:g}"


def places(line):
    return [tuple(map(float, pair.split())) for pair in line.removeprefix("M").split(" L")]


@given(points, points)
def test_every_point_lies_in_the_box_whatever_the_numbers(first, second):
    chart = line_chart(
        "t", [Series("a", first), Series("b", second)], plain, plain, [Threshold("limit", 3.0)]
    )
    drawn = [place for each in chart.series for place in places(each.line)]
    assert all(-0.1 <= x <= WIDTH + 0.1 and -0.1 <= y <= HEIGHT + 0.1 for x, y in drawn)
    assert 0 <= chart.thresholds[0][1] <= HEIGHT


def test_higher_values_stand_higher_and_later_ones_further_right():
    (drawn,) = line_chart("t", [Series("a", [(0, 1), (5, 3), (10, 2)])], plain, plain).series
    (x0, y0), (x1, y1), (x2, y2) = places(drawn.line)
    assert (x0, x1, x2) == (0, WIDTH / 2, WIDTH)
    assert y1 < y2 < y0
    assert drawn.last == "2"


def test_zero_stays_on_the_axis_unless_configured_otherwise():
    assert line_chart("t", [Series("a", [(0, 5), (1, 6)])], plain, plain).y_labels[-1] == "0"
    assert line_chart("t", [Series("a", [(0, 5), (1, 6)])], plain, plain, zero=False).y_labels[-1] != "0"


@given(st.floats(1e-6, 1e9))
def test_an_axis_from_zero_ends_at_a_round_number_not_far_above(high):
    (top, _, bottom) = line_chart("t", [Series("a", [(0, high)])], plain, repr).y_labels
    assert bottom == "0"
    assert high <= float(top) * (1 + 1e-9) <= 2.01 * high


def test_numbers_that_are_not_finite_are_left_out_and_nothing_is_an_empty_chart():
    chart = line_chart(
        "t", [Series("a", [(0, math.nan), (1, math.inf), (2, 7.0)]), Series("b", [])], plain, plain
    )
    assert [each.name for each in chart.series] == ["a"]
    assert chart.series[0].dots == "M500 37.5h0"
    assert line_chart("t", [], plain, plain).empty


@given(
    st.lists(st.tuples(st.integers(0, 10**6), st.floats(-1e9, 1e9)), max_size=20),
    st.integers(501, 3000),
    st.integers(0, 2**32),
)
def test_thinning_keeps_the_extremes(values, count, seed):
    draws = random.Random(seed)
    others = [(draws.randint(0, 10**6), draws.uniform(-1e9, 1e9)) for _ in range(count)]
    ordered = sorted(values + others)
    extremes = thinned(ordered, 500)
    assert len(extremes) <= 502
    ys = [y for _, y in ordered]
    assert {min(ys), max(ys)} <= {y for _, y in extremes}


def test_the_summary_and_the_table_say_what_the_picture_shows():
    chart = line_chart("Loss", [Series("a", [(1, 4), (2, 1)]), Series("b", [(2, 3)])], plain, plain)
    assert chart.summary == "Loss: a from 4 to 1, between 1 and 4; b from 3 to 3, between 3 and 3."
    assert chart.head == ("", "a", "b")
    assert chart.rows == (("1", "4", ""), ("2", "1", "3"))
