import pytest
from hypothesis import given
from hypothesis import strategies as st

from ratoon_console.domain import words


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (None, "–"),
        (0.25, "0.2 s"),
        (41, "41 s"),
        (60, "1 min"),
        (185, "3 min 5 s"),
        (3600, "1 h"),
        (7800, "2 h 10 min"),
    ],
)
def test_durations_are_read_at_a_glance(seconds, text):
    assert words.duration(seconds) == text


@pytest.mark.parametrize(
    ("size", "text"), [("0", "0 B"), (1023, "1023 B"), ("4364824", "4.2 MiB"), (1.7e9, "1.6 GiB")]
)
def test_sizes_are_in_the_unit_that_suits(size, text):
    assert words.size(size) == text


@pytest.mark.parametrize(
    ("value", "text"), [(0.97314, "0.973"), (8546.3, "8,546"), (1.5e-07, "1.50e-07"), (0, "0.000")]
)
def test_measurements_are_short(value, text):
    assert words.decimal(value) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("0.0013847284928374", "0.001385"),
        ("16384", "16384"),
        ("SIGMOID", "SIGMOID"),
        ("–", "–"),
        ("-0.5", "-0.5"),
    ],
)
def test_settings_have_four_digits(value, text):
    assert words.setting(value) == text


def test_states_have_words_and_a_tone():
    assert words.state_words("STATE_ROLLED_BACK") == "rolled back"
    assert [words.tone(s) for s in ("STATE_READY", "BAKING", "STATE_FAILED", "STATE_CANCELLED", "", "STATE_OPEN")] == [
        "good", "busy", "bad", "warn", "idle", "idle",
    ]  # fmt: skip
    assert words.ended("STATE_REFUSED") and not words.ended("STATE_RUNNING")


def test_generated_ids_are_cut_and_slugs_are_not():
    assert words.short("projects/p/pipelineRuns/01a21497-f419-778e-be8b-53f09e3593a9") == "…9e3593a9"
    assert words.short("projects/p/models/m/versions/v1.0") == "v1.0"


def test_names_in_a_sentence_are_cut_to_ids_and_other_words_stay():
    sentence = "Cooling down after projects/p/pipelineRuns/01a21497-f419-778e-be8b-53f09e3593a9 until noon."
    assert words.sentence_of_names(sentence, "p") == "Cooling down after …9e3593a9 until noon."
    assert (
        words.sentence_of_names("answers of projects/p/models/m/versions/v1.0's kin.", "p")
        == "answers of v1.0's kin."
    )
    assert words.sentence_of_names("traffic (projects/p/datasets/d/versions/v2).", "p") == "traffic (v2)."
    assert words.sentence_of_names("projects/other/models/m stays", "p") == "projects/other/models/m stays"


@given(st.datetimes(timezones=st.just(words.UTC)))
def test_times_are_read_back(time):
    assert words.time_of(time.isoformat()) == time
    assert words.when(time.isoformat()).endswith("UTC")


def test_what_started_a_pipeline_run():
    assert [words.trigger(f"TRIGGER_{name}") for name in ("MANUAL", "DRIFT")] == ["manually", "by drift"]


def test_a_start_in_the_future_of_this_clock_is_no_negative_duration():
    assert words.seconds_between("2026-06-01T12:00:05Z", "2026-06-01T12:00:00Z") == 0.0
