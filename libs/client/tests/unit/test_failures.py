"""Failures: which are tried again, and which error each becomes."""

import asyncio
import pickle
import re
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import httpx
import pytest

import ratoon.client
from ratoon.client import _errors

RUN = "projects/p/trainingRuns/r"


def unavailable(_request: httpx.Request) -> httpx.Response:
    return httpx.Response(503, json={"reason": "SERVICE_UNAVAILABLE", "detail": "away"})


def ok(_request: httpx.Request) -> httpx.Response:
    return httpx.Response(200, json={"name": RUN})


def problem(status: int, **fields) -> httpx.Response:
    return httpx.Response(status, json={"status": status, **fields})


def test_a_read_is_tried_again(server, pauses):
    server.answers = [unavailable, httpx.ConnectError("refused"), ok]
    assert server.client().training_runs.get(RUN).name == RUN
    assert len(server.requests) == 3
    assert 0.3 < pauses[0] <= 0.5 < pauses[1] <= 1.0


def test_a_create_is_tried_again_with_the_same_request_id(server):
    server.answers = [unavailable, ok]
    server.client().training_runs.create("projects/p")
    ids = {request.url.params["requestId"] for request in server.requests}
    assert (len(server.requests), len(ids)) == (2, 1)


def test_a_custom_call_with_a_request_id_in_its_body_is_tried_again(server):
    server.answers = [unavailable, httpx.Response(200, json={})]
    server.client().rollouts.pause("projects/p/deployments/d/rollouts/r", reason="lunch")
    first, second = server.bodies()
    assert first == second
    assert first["requestId"]


@pytest.mark.parametrize("failure", [unavailable, httpx.ReadTimeout("slow")])
def test_a_call_without_a_request_id_is_sent_once(server, failure):
    server.answers = [failure, ok]
    with pytest.raises((ratoon.client.UnavailableError, ratoon.client.APITimeoutError)):
        server.client().training_runs.cancel(RUN)
    assert len(server.requests) == 1


def test_retries_end(server):
    server.answers = [unavailable]
    with pytest.raises(ratoon.client.UnavailableError, match="away"):
        server.client(max_retries=4).training_runs.get(RUN)
    assert len(server.requests) == 5


@pytest.mark.parametrize("status", [400, 401, 403, 404, 409, 500, 501])
def test_what_would_fail_again_is_not_tried_again(server, status):
    server.answers = [problem(status)]
    with pytest.raises(ratoon.client.APIStatusError):
        server.client().training_runs.get(RUN)
    assert len(server.requests) == 1


def test_the_server_says_how_long_to_wait(server, pauses):
    server.answers = [httpx.Response(429, headers={"retry-after": "7"}), ok]
    server.client().training_runs.get(RUN)
    assert pauses == [7.0]


def test_a_date_to_wait_for_is_understood(server, pauses):
    date = format_datetime(datetime.now(UTC) + timedelta(seconds=20), usegmt=True)
    server.answers = [httpx.Response(503, headers={"retry-after": date}), ok]
    server.client().training_runs.get(RUN)
    assert 15 < pauses[0] <= 20


def test_a_quota_of_hours_is_an_error_at_once(server, pauses):
    server.answers = [httpx.Response(429, headers={"retry-after": "7200"})]
    with pytest.raises(ratoon.client.RateLimitError) as refused:
        server.client().training_runs.get(RUN)
    assert (pauses, refused.value.headers["retry-after"]) == ([], "7200")


def test_an_async_read_is_tried_again(server, pauses):
    server.answers = [unavailable, ok]
    assert asyncio.run(server.async_client().training_runs.get(RUN)).name == RUN
    assert len(pauses) == 1


def test_no_connection_and_no_answer_are_named(server):
    client = server.client(max_retries=0)
    server.answers = [httpx.ConnectError("refused")]
    with pytest.raises(ratoon.client.APIConnectionError, match="http://server") as failed:
        client.training_runs.get(RUN)
    assert not isinstance(failed.value, ratoon.client.APITimeoutError)
    server.answers = [httpx.ConnectTimeout("slow")]
    with pytest.raises(ratoon.client.APITimeoutError):
        client.training_runs.get(RUN)


@pytest.mark.parametrize(
    ("status", "code", "kind"),
    [
        (400, "", "BadRequestError"),
        (400, "FAILED_PRECONDITION", "FailedPreconditionError"),
        (400, "OUT_OF_RANGE", "OutOfRangeError"),
        (401, "", "AuthenticationError"),
        (403, "", "PermissionDeniedError"),
        (404, "", "NotFoundError"),
        (409, "ALREADY_EXISTS", "ConflictError"),
        (413, "", "BadRequestError"),
        (429, "", "RateLimitError"),
        (500, "", "InternalServerError"),
        (503, "", "UnavailableError"),
        (504, "", "InternalServerError"),
    ],
)
def test_each_status_has_an_error(server, status, code, kind):
    server.answers = [problem(status, code=code)]
    with pytest.raises(ratoon.client.APIStatusError) as refused:
        server.client(max_retries=0).training_runs.get(RUN)
    assert type(refused.value).__name__ == kind
    assert refused.value.code == code or (not code and refused.value.code)


def test_problem_details_are_attributes(server):
    violations = [{"field": "apiKey.expireTime", "description": "It is past."}]
    body = {
        "type": "urn:ratoon:error:in-the-past",
        "title": "Bad Request",
        "status": 400,
        "detail": "It is past.",
        "reason": "IN_THE_PAST",
        "violations": violations,
        "metadata": {"now": "2026"},
    }
    server.answers = [httpx.Response(400, json=body, headers={"x-request-id": "req-1"})]
    with pytest.raises(ratoon.client.BadRequestError, match=r"^It is past\.$") as refused:
        server.client().api_keys.create("projects/p")
    error = refused.value
    assert (error.reason, error.code, error.request_id) == ("IN_THE_PAST", "INVALID_ARGUMENT", "req-1")
    assert error.field_violations == (ratoon.client.FieldViolation("apiKey.expireTime", "It is past."),)
    assert error.metadata == {"now": "2026"}


def test_an_error_that_is_no_problem_still_says_the_status(server):
    server.answers = [httpx.Response(502, text="<html>bad gateway</html>")]
    with pytest.raises(ratoon.client.InternalServerError, match="HTTP 502"):
        server.client(max_retries=0).training_runs.get(RUN)


def test_the_docstring_draws_the_tree_of_errors():
    drawn: dict[str, str] = {}
    above: list[str] = []
    for line in (_errors.__doc__ or "").splitlines():
        if match := re.match(r"([│├└─ ]*)(\w+Error)\b", line):
            depth = len(match[1]) // 4
            del above[depth:]
            drawn[match[2]] = above[-1] if above else "Exception"
            above.append(match[2])
    errors = {
        name: each.__bases__[0].__name__
        for name, each in vars(_errors).items()
        if isinstance(each, type) and issubclass(each, Exception)
    }
    assert drawn == errors


@pytest.mark.parametrize(
    "error",
    [
        _errors.NotFoundError("gone", status_code=404, reason="GONE", headers={"x-request-id": "r"}),
        _errors.OperationFailedError("r: failed", {"state": "STATE_FAILED"}),
        _errors.InvalidNameError("wrong"),
    ],
)
def test_an_error_passes_between_processes(error):
    received = pickle.loads(pickle.dumps(error))
    assert type(received) is type(error)
    assert (str(received), received.__dict__) == (str(error), error.__dict__)
