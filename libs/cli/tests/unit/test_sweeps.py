"""`ratoon sweeps`: parts of splits, trials as a table, a larger budget, the best settings for the project."""

import json

from libs.cli.tests.unit.conftest import watch

SWEEP = "projects/p/sweeps/rate"
TRIALS = [
    {
        "number": 1,
        "state": "STATE_COMPLETED",
        "value": 0.5,
        "settings": {"learning_rate": "0.0123456", "batch_size": "8"},
    },
    {"number": 2, "state": "STATE_FAILED", "message": "No value.", "settings": {"dtype": "BFLOAT16"}},
]


def test_a_sweep_is_created_of_a_file_and_the_parts_of_a_split(ratoon, server, tmp_path):
    file = tmp_path / "sweep.yaml"
    file.write_text(
        "recipe: {labels: [ham, spam]}\nparameters: [{name: learning_rate, min: 0.001, max: 0.1, log: true}]\n"
    )
    server.answers["GET", "projects/p/datasets/p/splits/s1"] = {
        "trainDigest": "1" * 64,
        "validationDigest": "2" * 64,
    }
    status, _, _ = ratoon("sweeps", "create", "-f", str(file), "--split", "s1", "--id", "rate")
    assert status == 0
    (method, path, query, body) = server.sent("POST")[0]
    assert (method, path, query) == ("POST", "projects/p/sweeps", {"sweepId": "rate"})
    assert body["trainDigest"] == "1" * 64 and body["validationDigest"] == "2" * 64
    assert body["parameters"] == [{"name": "learning_rate", "min": 0.001, "max": 0.1, "log": True}]
    server.answers["GET", "projects/p/datasets/p/splits/s1"] = {"trainDigest": ""}
    status, _, errors = ratoon("sweeps", "create", "-f", str(file), "--split", "s1")
    assert status == 1 and "s1 is not ready" in errors


def test_folds_are_made_of_a_split(ratoon, server, tmp_path):
    """Each fold is a split with the settings of the one that is named, and with an ID that a second command finds."""
    file = tmp_path / "sweep.yaml"
    file.write_text("recipe: {labels: [ham, spam]}\nparameters: [{name: epochs, values: ['1', '2']}]\n")
    splits, version = "projects/p/datasets/p/splits", "projects/p/datasets/p/versions/v1"
    server.answers["GET", f"{splits}/s1"] = {
        "name": f"{splits}/s1",
        "datasetVersion": version,
        "labelSetDigest": "f" * 64,
        "seed": "7",
    }
    for fold in range(2):
        name = f"{splits}/s1-fold-{fold}-of-2"
        ready = {
            "name": name,
            "state": "STATE_READY",
            "trainDigest": str(fold) * 64,
            "validationDigest": str(fold + 2) * 64,
        }
        server.answers["GET", name], server.answers["GET", f"{name}:watch"] = ready, watch(ready)
    server.answers["POST", splits] = lambda request: {"name": f"{splits}/{request.url.params['splitId']}"}
    status, _, errors = ratoon("sweeps", "create", "-f", str(file), "--split", "s1", "--fold-count", "2")
    assert status == 0, errors
    *created, (_, path, _, body) = server.sent("POST")
    assert [each[2]["splitId"] for each in created] == ["s1-fold-0-of-2", "s1-fold-1-of-2"]
    assert created[1][3]["folds"] == {"count": 2, "fold": 1}
    assert created[1][3]["datasetVersion"] == version
    assert path == "projects/p/sweeps"
    assert [fold["train_digest"] for fold in body["folds"]] == ["0" * 64, "1" * 64]
    status, _, errors = ratoon("sweeps", "create", "-f", str(file), "--fold-count", "2")
    assert status == 2 and "--fold-count needs --split" in errors


def test_trials_are_listed_with_their_settings(ratoon, server):
    server.answers["GET", SWEEP] = {"name": SWEEP, "trials": TRIALS}
    status, shown, _ = ratoon("sweeps", "trials", "rate", "-o", "json")
    assert status == 0
    rows = json.loads(shown)
    assert [row["settings"] for row in rows] == ["batch_size=8, learning_rate=0.01235", "dtype=BFLOAT16"]


def test_a_watched_sweep_reports_its_trials_and_the_best_one(ratoon, server):
    running = {"name": SWEEP, "state": "STATE_RUNNING", "budget": {"maxTrials": 4}, "trials": []}
    ended = {**running, "trials": [*TRIALS, {"number": 3, "state": "STATE_RUNNING"}], "bestTrial": 1}
    done = {**ended, "state": "STATE_SUCCEEDED"}
    server.answers["GET", f"{SWEEP}:watch"] = watch(running, ended, done)
    status, _, shown = ratoon("sweeps", "watch", "rate")
    assert status == 0
    assert "running: 0 of 4 trials ended running: 2 of 4" in shown
    assert "running: 2 of 4 trials ended, best 0.5 (trial 1)" in shown


def test_a_sweep_is_shown_with_the_command_that_lists_its_trials(ratoon, server):
    server.answers["GET", SWEEP] = {"name": SWEEP, "trials": TRIALS}
    _, shown, _ = ratoon("sweeps", "show", "rate")
    assert "trials: 2, listed by: ratoon sweeps trials rate" in shown
    _, shown, _ = ratoon("sweeps", "show", "rate", "-o", "json")
    assert len(json.loads(shown)["trials"]) == 2


def test_a_larger_budget_keeps_the_other_limits(ratoon, server):
    server.answers["GET", SWEEP] = {"name": SWEEP, "budget": {"maxTrials": 5, "maxHours": 2.0}}
    assert ratoon("sweeps", "resume", "rate", "--max-trials", "9")[0] == 0
    assert server.sent("POST")[0][3] == {"budget": {"maxTrials": 9, "maxHours": 2.0}}


def test_the_best_settings_become_those_of_the_project_that_was_read(ratoon, server):
    server.answers["GET", "projects/p"] = {"name": "projects/p", "etag": "e7"}
    assert ratoon("sweeps", "apply", "rate")[0] == 0
    (_, path, _, body) = server.sent("POST")[0]
    assert (path, body) == ("projects/p:applySweep", {"sweep": SWEEP, "etag": "e7"})
