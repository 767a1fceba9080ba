"""Training runs on the command line: plans, changes, measurements, comparisons."""

import pytest

from libs.cli.tests.unit.conftest import watch
from ratoon.cli.runs import live_lines, sparkline

RUN = "projects/p/trainingRuns/r"
PLAN = {
    "admitted": True,
    "measuredBytes": "1073741824",
    "availableBytes": "2147483648",
    "estimate": {
        "steps": "1200",
        "tokens": "64000",
        "seconds": 90.0,
        "basis": "Measured.",
        "device": "1 worker on cpu",
    },
}


def test_a_file_with_changes_is_a_run(ratoon, server, tmp_path):
    file = tmp_path / "run.yaml"
    file.write_text("trainDigest: t\nrecipe: {seed: 3, architecture: {heads: 2}}\n")
    sets = [
        "learningRate=0.01",
        "architecture.layers=2",
        "method=lora",
        "labels=ham, spam",
        "resources.workers=2",
    ]
    status, _, errors = ratoon(
        "runs", "create", "-f", str(file), *(word for each in sets for word in ("--set", each))
    )
    assert status == 0, errors
    [(_, path, query, body)] = server.sent("POST")
    assert (path, query) == ("projects/p/trainingRuns", {})
    assert body == {
        "trainDigest": "t",
        "recipe": {
            "seed": 3,
            "architecture": {"heads": 2, "layers": 2},
            "learningRate": 0.01,
            "method": "METHOD_LORA",
            "labels": ["ham", "spam"],
        },
        "resources": {"workers": 2},
    }


@pytest.mark.parametrize(
    "change", ["learningRat=1", "learningRate", "architecture.depth=1", "learningRate=fast"]
)
def test_a_change_that_no_recipe_has_is_refused_before_anything_is_sent(ratoon, server, change):
    assert ratoon("runs", "clone", "r", "--set", change)[0] == 2
    assert server.sent("POST") == []


def test_a_dry_run_shows_the_plan_and_fails_by_what_would_end_the_run(ratoon, server):
    server.answers["POST", "projects/p/trainingRuns"] = {"name": RUN, "plan": PLAN}
    status, output, _ = ratoon("runs", "create", "--dry-run")
    assert status == 0
    assert server.sent("POST")[0][2] == {"validateOnly": "true"}
    assert "steps: 1,200" in output and "1 min 30 s" in output and "1.0 GiB" in output
    problem = {"reason": "DATA_EMPTY", "message": "Add records.", "blocking": True}
    server.answers["POST", "projects/p/trainingRuns"] = {"name": RUN, "plan": {**PLAN, "problems": [problem]}}
    status, _, errors = ratoon("runs", "create", "--dry-run")
    assert status == 1
    assert "DATA_EMPTY: Add records." in errors


def test_parts_come_from_a_split(ratoon, server):
    split = "projects/p/datasets/p/splits/s"
    server.answers["GET", split] = {"name": split, "trainDigest": "t", "validationDigest": "v"}
    for name in (split, "s"):
        assert ratoon("runs", "create", "--split", name)[0] == 0
    parts = {"trainDigest": "t", "validationDigest": "v"}
    assert [request[3] for request in server.sent("POST")] == [parts, parts]
    server.answers["GET", split] = {"name": split}
    assert ratoon("runs", "create", "--split", split)[0] == 1


def test_a_run_without_a_task_has_that_of_the_project(ratoon, server):
    task = {"classify": {"labels": ["ham", "spam"]}}
    server.answers["GET", "projects/p"] = {"name": "projects/p", "task": task}
    server.answers["POST", "projects/p/trainingRuns:plan"] = PLAN
    assert ratoon("runs", "plan", "--set", "architecture.layers=2")[0] == 0
    assert ratoon("runs", "create", "--set", "labels=a, b")[0] == 0
    planned, created = [request[3] for request in server.sent("POST")]
    recipe = planned["trainingRun"]["recipe"]
    assert recipe["architecture"] == {"layers": 2}
    assert recipe["task"]["classify"]["labels"] == ["ham", "spam"]
    assert created["recipe"] == {"labels": ["a", "b"]}


def test_an_ended_run_is_shown_with_its_forecast(ratoon, server):
    memory = {
        "predictedPeakMemoryBytes": "1073741824",
        "measuredPeakMemoryBytes": "2147483648",
        "memoryError": -0.5,
    }
    server.answers["GET", RUN] = {"name": RUN, "state": "STATE_SUCCEEDED", "planAccuracy": memory}
    status, output, errors = ratoon("runs", "show", "r")
    assert status == 0 and RUN in output
    assert "1.0 GiB predicted, 2.0 GiB measured (-50.0%)" in errors


@pytest.mark.parametrize("verb", ["stop", "resume", "cancel"])
def test_a_run_is_ended_and_resumed(ratoon, server, verb):
    assert ratoon("runs", verb, "r")[0] == 0
    assert server.sent("POST") == [("POST", f"{RUN}:{verb}", {}, {})]


def test_a_clone_and_a_continuation_name_their_changes(ratoon, server):
    assert ratoon("runs", "clone", "r", "--set", "epochs=2", "--id", "next")[0] == 0
    assert ratoon("runs", "continue", "r")[0] == 0
    bodies = [{k: v for k, v in body.items() if k != "requestId"} for _, _, _, body in server.sent("POST")]
    assert bodies == [{"trainingRunId": "next", "recipe": {"epochs": 2}}, {"continueTraining": True}]


def test_a_watched_run_ends_with_its_diagnosis(ratoon, server):
    state = {"name": RUN, "state": "STATE_RUNNING", "progress": {"message": "step 1 of 9, loss 2.00"}}
    diagnosis = {"verdict": "overfit", "evidence": "It rose.", "remedy": "Add data."}
    server.answers["GET", f"{RUN}:watch"] = watch(
        state, {"name": RUN, "state": "STATE_SUCCEEDED", "diagnosis": diagnosis}
    )
    status, _, errors = ratoon("runs", "watch", "r")
    assert status == 0
    assert "running: step 1 of 9" in errors and "Diagnosis: overfit. It rose. Add data." in errors


def series(metric, *values):
    points = [{"step": str(step), "value": value} for step, value in enumerate(values, 1)]
    return {"name": f"{RUN}/metrics/{metric}", "metric": metric, "points": points}


def test_measurements_are_listed_with_their_course(ratoon, server):
    server.listing(f"{RUN}/metrics", "series", [series("loss", 4.0, 2.0, 1.0), series("memory_bytes", 2**30)])
    status, output, _ = ratoon("runs", "metrics", "r")
    assert status == 0
    assert "█" in output and "▁" in output and "1.0 GiB" in output
    assert ratoon("runs", "metrics", "r", "--metric", "los")[0] == 2


def test_runs_are_compared_by_measurements_and_settings(ratoon, server):
    for name, rate in (("a", 0.1), ("b", 0.2)):
        run = f"projects/p/trainingRuns/{name}"
        server.answers["GET", run] = {
            "name": run, "state": "STATE_SUCCEEDED", "recipe": {"learningRate": rate, "seed": "1"}
        }  # fmt: skip
        server.listing(f"{run}/metrics", "series", [series("loss", 4.0, rate)])
    status, output, _ = ratoon("runs", "compare", "a", "b")
    assert status == 0
    assert "learningRate" in output and "seed" not in output and "course of loss" in output
    assert ratoon("runs", "compare", "a")[0] == 2


def test_a_line_of_blocks_shows_the_course():
    assert sparkline([]) == ""
    assert sparkline([1.0, 1.0]) == "▁▁"
    assert sparkline([0.0, 1.0]) == "▁█"
    assert len(sparkline([float(each) for each in range(1000)])) == 40


def test_live_lines_show_the_last_measurements_and_the_course():
    curve = [{"step": str(step), "metrics": {"loss": 1 / step}} for step in range(1, 5)]
    progress = {
        "message": "step 4 of 9",
        "remainingSeconds": 75,
        "metrics": {"loss": 0.25, "memory_bytes": 2**20},
    }
    lines = live_lines({"name": RUN, "state": "STATE_RUNNING", "progress": progress, "curve": curve})
    assert lines[0] == "r  running: step 4 of 9, 1 min 15 s left"
    assert lines[1] == "loss 0.25  memory 1 MiB"
    assert lines[2].strip().startswith("loss  █")


def test_the_layers_and_neighbours_of_a_version(ratoon, server):
    version = "projects/p/models/p/versions/v1.0"
    layer = {
        "name": "embed.weight",
        "dtype": "F32",
        "shape": ["5", "2"],
        "parameterCount": "10",
        "trained": True,
    }
    server.answers["GET", f"{version}:describe"] = {"architecture": "LlamaForCausalLM", "layers": [layer]}
    nearest = [{"token": "Ġqueen", "tokenId": 2, "cosine": 0.9}]
    server.answers["GET", f"{version}:neighbours"] = {"token": "Ġking", "neighbours": nearest}
    assert "LlamaForCausalLM" in ratoon("models", "describe", "v1.0")[1]
    assert "5 × 2" in ratoon("models", "describe", "v1.0", "--layers")[1]
    assert "Ġqueen" in ratoon("models", "neighbours", "v1.0", "king")[1]
