"""A line of the log: whose it is, what it is about, in which trace; as JSON and for people."""

import json
import logging
import threading

import pytest

from ratoon.runtime import logs, tracing
from ratoon.runtime.logs import formatter, legible, readable

TRACE = "00-0123456789abcdef0123456789abcdef-0123456789abcdef-00"


def record(logger: str = "ratoon.operations.operations", message: str = "it happened") -> logging.LogRecord:
    return logging.LogRecord(logger, logging.WARNING, __file__, 1, "%s", (message,), None)


def line(of: logging.LogRecord) -> dict[str, str]:
    return json.loads(formatter("control", legible=False).format(of))


def test_a_line_says_whose_it_is_what_it_is_about_and_in_which_trace():
    with logs.about("serving", "projects/p/rollouts/r"), tracing.within(TRACE):
        fields = line(record())
    assert list(fields)[:4] == ["time", "level", "logger", "message"]
    assert (fields["level"], fields["message"], fields["service"]) == ("WARNING", "it happened", "serving")
    assert fields["resource"] == "projects/p/rollouts/r"
    assert (fields["trace_id"], fields["span_id"]) == (TRACE[3:35], TRACE[36:52])


def test_what_is_not_known_is_left_out():
    fields = line(record())
    assert set(fields) == {"time", "level", "logger", "message", "service"}
    assert fields["service"] == "control"


def test_the_logger_of_a_service_names_the_service():
    assert line(record("ratoon_gateway.adapters.usage"))["service"] == "gateway"


def test_what_was_said_of_one_thread_is_not_said_of_another():
    other_lines = []
    with logs.about("serving", "projects/p/rollouts/r"):
        thread = threading.Thread(target=lambda: other_lines.append(line(record())))
        thread.start()
        thread.join()
    assert "resource" not in other_lines[0]


def test_an_exception_comes_along_without_the_values_of_variables():
    secret = "rk_very_secret"
    failed = record()
    try:
        raise RuntimeError(f"{len(secret)} characters")
    except RuntimeError as error:
        failed.exc_info = (RuntimeError, error, error.__traceback__)
    for for_people in (True, False):
        text = formatter("control", for_people).format(failed)
        assert "RuntimeError: 14 characters" in text
        assert "rk_very_secret'" not in text


@pytest.mark.parametrize(
    ("extra", "end"),
    [
        ({}, "it happened"),
        ({"resource": "projects/p/rollouts/r"}, "it happened (projects/p/rollouts/r)"),
        ({"resource": "p/r", "message": "p/r failed"}, "p/r failed"),
        ({"resource": "p/r", "trace_id": "ab"}, "it happened (p/r, trace ab)"),
        ({"exception": "Traceback …"}, "it happened\nTraceback …"),
    ],
)
def test_for_people_a_line_is_short(extra, end):
    plain = {"time": "2026-06-01T10:00:00Z", "level": "INFO", "service": "serving", "message": "it happened"}
    text = readable({**plain, **extra})
    assert text[8:] == f" INFO    serving    {end}"


def test_a_log_file_is_shown_for_people_and_foreign_lines_stay_as_they_are():
    text = formatter("control", legible=False).format(record("ratoon_serving.adapters.x"))
    assert legible(text)[8:] == " WARNING serving    it happened"
    for foreign in ("Traceback (most recent call last):", "", "[1]", '{"a": 1}'):
        assert legible(foreign) == foreign
