"""What `scripts/test.py` runs side by side: every test once; the quick form of a tier leaves thorough tests out."""

from collections import deque
from itertools import product

MARKERS = ("engine", "ray", "kafka", "thorough")


def lanes_with(lanes: tuple[str, ...], markers: dict[str, bool]) -> int:
    """Return how many lanes have a test with these markers."""
    return sum(bool(eval(lane, {}, markers)) if lane else True for lane in lanes)


def test_every_test_runs_in_one_lane_and_the_quick_form_has_a_part_of_them(script):
    for tier in script.TIERS.values():
        for values in product((False, True), repeat=len(MARKERS)):
            markers = dict(zip(MARKERS, values, strict=True))
            assert lanes_with(tier.lanes, markers) == 1
            assert lanes_with(tier.quick_lanes, markers) <= 1
            if tier.quick_lanes and not any(values):
                assert lanes_with(tier.quick_lanes, markers) == 1


def test_the_loops_run_after_the_tests_with_engines_and_beside_the_others(script):
    _, _, stage = script.stages(["unit", "contract", "integration", "e2e"], True, [])
    assert stage.tiers == ["integration", "e2e"]
    light, heavy = stage.lanes
    assert [process.folders for process in heavy[-1:]] == [["tests/e2e"]]
    assert heavy[-1].options == ["-m", "not thorough"]
    assert not {"tests/e2e"} & {folder for process in light for folder in process.folders}
    names = [process.name for lane in stage.lanes for process in lane]
    assert len(set(names)) == len(names)


def test_a_lane_that_has_ended_takes_the_last_processes_of_the_first(script):
    first, second = deque(["a", "b", "c"]), deque(["engine", "loops"])
    light, heavy = script.in_turn(first, first), script.in_turn(second, first)
    assert [next(light), *heavy, *light] == ["a", "engine", "loops", "c", "b"]


def test_a_tier_that_joins_another_runs_alone_too(script):
    (stage,) = script.stages(["e2e"], False, [])
    ((process,),) = stage.lanes
    assert (process.folders, process.options) == (["tests/e2e"], [])


def test_options_of_the_caller_go_to_one_process_of_the_chosen_form(script):
    (stage,) = script.stages(["chaos"], True, ["-k", "kill"])
    ((process,),) = stage.lanes
    assert process.options[-2:] == ["-k", "kill"]
    assert "thorough" in process.options[1]
    (stage,) = script.stages(["integration"], False, ["-m", "gpu"])
    assert stage.lanes[0][0].options == ["-m", "gpu"]


def test_files_are_shared_among_processes_and_repeated_one_by_one(script, monkeypatch):
    commands = []

    class Done:
        returncode = 0

    def run(command: list[str], **_options: object) -> Done:
        commands.append(command)
        return Done()

    monkeypatch.setattr(script.subprocess, "run", run)
    process = script.Process("unit", ["tests/unit"], [], workers=2)
    process.run(None)
    process.run(None, "--last-failed")
    assert "loadfile" in commands[0]
    assert "loadfile" not in commands[1]
    assert "--last-failed" in commands[1]
