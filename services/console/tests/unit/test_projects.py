"""A project's task and settings on its page."""

import json

import pytest

from ratoon_console.domain.projects import kind_of, settings_of, settings_text, task_rows


@pytest.mark.parametrize(
    ("project", "rows"),
    [
        ({"labels": ["a", "b"]}, [("Task", "classify: labels"), ("Labels", "a, b")]),
        (
            {
                "labels": ["a", "b"],
                "task": {"classify": {"labels": ["a", "b"], "multiLabel": True}},
                "primaryMetric": {"name": "macro_f1", "direction": "DIRECTION_HIGHER"},
            },
            [
                ("Task", "classify: labels"),
                ("Labels", "a, b"),
                ("Labels of a record", "one or more"),
                ("Primary metric", "macro_f1"),
            ],
        ),
        ({"task": {"generate": {"form": "FORM_CHAT"}}}, [("Task", "generate: text"), ("Form", "chat")]),
        (
            {
                "task": {"regress": {"min": 0, "unit": "points", "tolerance": 0.5}},
                "primaryMetric": {"name": "mae", "direction": "DIRECTION_LOWER"},
            },
            [
                ("Task", "regress: number"),
                ("Range", "0 to any"),
                ("Unit", "points"),
                ("Tolerance", "0.5"),
                ("Primary metric", "mae (lower is better)"),
            ],
        ),
        ({"task": {"regress": {}}}, [("Task", "regress: number"), ("Tolerance", "0")]),
    ],
)
def test_the_task_of_a_project_is_shown_in_words(project, rows):
    assert task_rows(project) == rows


def test_settings_are_written_and_read_back_without_what_cannot_be_changed():
    project = {"name": "projects/p", "etag": "7", "budget": {"maxRuns": 5}, "recipes": ["sft"]}
    text = settings_text(project)
    assert settings_of(text) == {"budget": {"maxRuns": 5}, "recipes": ["sft"]}
    assert json.loads(settings_text({})) == {}


def test_a_project_without_a_task_classifies():
    assert kind_of({}) == "classify"
