"""Series of measurements: where they come from, and what thinning retains."""

import math

from ratoon_training.domain import series
from ratoon_training.domain.runs import CurvePoint


def test_reports_become_series_in_which_validation_is_not_repeated():
    curve = (
        CurvePoint(1, {"loss": 2.0, "epoch": 0.25}),
        CurvePoint(5, {"loss": 1.0, "validation_loss": 1.5}),
        CurvePoint(9, {"loss": 0.5, "validation_loss": 1.5}),
        CurvePoint(13, {"loss": 0.4, "validation_loss": 1.2}),
    )
    assert series.of_reports(curve) == {
        "loss": [(1, 2.0), (5, 1.0), (9, 0.5), (13, 0.4)],
        "validation_loss": [(5, 1.5), (13, 1.2)],
    }


def test_exact_curves_become_series_with_the_names_of_the_reports():
    curves = {
        "steps": {"columns": ["step", "loss", "learning_rate"], "rows": [[1, 2.0, 0.1], [2, 1.0, 0.2]]},
        "epochs": {"columns": ["epoch", "step", "loss", "macro_f1"], "rows": [[0, 2, 1.1, 0.9]]},
    }
    assert series.of_curves(curves) == {
        "loss": [(1, 2.0), (2, 1.0)],
        "learning_rate": [(1, 0.1), (2, 0.2)],
        "validation_loss": [(2, 1.1)],
        "validation_macro_f1": [(2, 0.9)],
    }
    assert series.of_curves({}) == {}


def test_thinning_retains_peaks_the_last_point_and_the_bound():
    points = [(step, 100.0 if step == 777 else float(step % 7)) for step in range(1, 2001)]
    for bound in (2, 3, 10, 200, 1000):
        thinned = series.thinned(points, bound)
        assert len(thinned) <= bound
        assert thinned[-1] == points[-1]
        assert list(thinned) == sorted(thinned)
    assert (777, 100.0) in series.thinned(points, 10)
    assert series.thinned([(1, math.nan), (2, 1.0)], 10) == ((2, 1.0),)
    assert series.thinned([], 10) == ()
