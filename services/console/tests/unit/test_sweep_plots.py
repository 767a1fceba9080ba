"""Plots of sweeps: the best value so far, and trials as lines over their settings."""

import pytest

from ratoon_console.domain.charts import HEIGHT, WIDTH
from ratoon_console.domain.differences import stated
from ratoon_console.domain.sweeps import coordinates, history


def sweep(values: list[float], **more: object) -> dict:
    trials = [
        {
            "number": n,
            "state": "STATE_COMPLETED",
            "value": v,
            "settings": {"rate": repr(10.0**-n), "loss": "AB"[n % 2]},
        }
        for n, v in enumerate(values, 1)
    ]
    parameters = [{"name": "rate", "log": True}, {"name": "loss", "values": ["A", "B"]}]
    return {"metric": "macro_f1", "trials": trials, "parameters": parameters, "bestTrial": 2, **more}


@pytest.mark.parametrize(("direction", "best"), [("MAXIMIZE", "0.9"), ("MINIMIZE", "0.5")])
def test_the_history_shows_the_best_so_far(direction, best):
    chart = history(sweep([0.5, 0.9, 0.7], direction=f"DIRECTION_{direction}"))
    assert chart.series[0].last.endswith(best)
    assert chart.series[1].dots


def test_a_trial_is_a_line_over_its_settings_and_its_value():
    drawn = coordinates(sweep([0.5, 0.9, 0.7]))
    assert [(axis.name, axis.x) for axis in drawn.axes] == [
        ("rate", 0.0),
        ("loss", WIDTH / 2),
        ("macro_f1", WIDTH),
    ]
    assert (drawn.axes[0].top, drawn.axes[0].bottom) == ("0.1", "0.001")
    best = drawn.lines[-1]
    assert (best.number, best.shade, best.is_best) == (2, 0, True)
    heights = [float(point.split()[1]) for point in best.path[1:].split("L")]
    assert heights[0] == pytest.approx(HEIGHT / 2)  # the middle of three rates, by their logarithm
    assert heights[2] == min(heights)


def test_trials_without_a_value_are_left_out():
    one = sweep([0.5, 0.9])
    one["trials"][0] |= {"state": "STATE_PRUNED"}
    assert coordinates(one).lines == ()
    assert coordinates({"metric": "loss"}).lines == () and history({"metric": "loss"}).empty


def test_of_a_recipe_the_page_shows_what_was_stated():
    recipe = {
        "labels": ["ham", "spam"],
        "epochs": 6.0,
        "beta": 0.0,
        "packed": False,
        "method": "METHOD_UNSPECIFIED",
        "optimization": {"optimizer": "OPTIMIZER_LION", "weightDecay": 0},
    }
    assert stated(recipe) == {
        "labels": "ham, spam",
        "epochs": "6.0",
        "optimization.optimizer": "OPTIMIZER_LION",
    }
