"""Signed webhooks over HTTP, as curl sends them: stored, repeated, refused and counted."""

import base64
import hashlib
import hmac
import http.client
import json
import os
import re
import socket
import subprocess
import time
from pathlib import Path

import pytest
from google.protobuf.json_format import MessageToDict

from ratoon.events.foreign import MAX_BYTES
from ratoon.testkit.waiting import until
from ratoon_gateway.entrypoints import webhooks

SECRETS = ["whsec_" + base64.b64encode(name * 8).decode() for name in (b"old.", b"new.", b"spam")]
EVENT = {
    "specversion": "1.0",
    "id": "A234-1234-1234",
    "source": "/buckets/mail",
    "type": "com.example.object.created",
    "subject": "inbox/1.eml",
    "time": "2026-06-01T12:00:00Z",
    "data": {"size": 3},
}
STRUCTURED = "application/cloudevents+json; charset=utf-8"


@pytest.fixture
def received(stack):
    """Requests that flywheel was sent."""
    return stack.flywheel.events


@pytest.fixture
def webhook(stack):
    """Sends a webhook over a plain connection: returns status, headers and body."""
    path = stack.folder / "keys" / "webhook.secrets"
    path.touch(0o600)
    path.write_text(f"p {SECRETS[0]}\np {SECRETS[1]}\nspam {SECRETS[2]}\n")

    def send(body=None, secret=SECRETS[0], id="msg_1", seconds=None, headers=None, sent=None):
        content = json.dumps(EVENT).encode() if body is None else body
        timestamp = str(int(time.time() if seconds is None else seconds))
        key = base64.b64decode(secret.removeprefix("whsec_"))
        signature = hmac.digest(key, f"{id}.{timestamp}.".encode() + content, hashlib.sha256)
        signed = {
            "content-type": STRUCTURED,
            "webhook-id": id,
            "webhook-timestamp": timestamp,
            "webhook-signature": f"v1,{base64.b64encode(signature).decode()}",
            **(headers or {}),
        }
        connection = http.client.HTTPConnection("127.0.0.1", stack.port, timeout=30.0)
        shown = {name: value for name, value in signed.items() if value is not None}
        connection.request("POST", "/v1/events", content if sent is None else sent, shown)
        answer = connection.getresponse()
        answered = answer.status, dict(answer.getheaders()), json.loads(answer.read())
        connection.close()
        return answered

    return send


def counted(stack, outcome: str) -> float:
    """Return the number of webhooks with this outcome."""
    metrics = stack.http("").get("/metrics").text
    name = f'ratoon_gateway_webhooks_total{{outcome="{outcome}"}} '
    return sum(float(row.removeprefix(name)) for row in metrics.splitlines() if row.startswith(name))


def test_a_signed_event_reaches_the_project_of_its_secret(webhook, received):
    status, _, body = webhook()
    assert (status, body) == (202, {"name": "projects/p/externalEvents/e"})
    assert webhook(secret=SECRETS[1])[0] == 202
    assert webhook(secret=SECRETS[2])[0] == 202
    assert [request.parent for request in received] == ["projects/p", "projects/p", "projects/spam"]
    assert MessageToDict(received[0].external_event) == {
        "eventId": "A234-1234-1234",
        "source": "/buckets/mail",
        "type": "com.example.object.created",
        "subject": "inbox/1.eml",
        "eventTime": "2026-06-01T12:00:00Z",
    }


def test_a_payload_of_standard_webhooks_is_taken(webhook, received):
    body = b'{"type": "invoice.paid", "data": {}}'
    assert webhook(body, headers={"content-type": "application/json"})[0] == 202
    event = received[0].external_event
    assert (event.source, event.event_id, event.type) == ("webhook", "msg_1", "invoice.paid")


@pytest.mark.parametrize(
    ("changes", "status", "reason"),
    [
        ({"headers": {"webhook-signature": None}}, 401, "BAD_WEBHOOK_SIGNATURE"),
        ({"headers": {"webhook-signature": "v1,AAAA"}}, 401, "BAD_WEBHOOK_SIGNATURE"),
        ({"secret": "whsec_" + "A" * 32}, 401, "BAD_WEBHOOK_SIGNATURE"),
        ({"sent": b'{"type":"forged"}'}, 401, "BAD_WEBHOOK_SIGNATURE"),
        ({"seconds": 1_700_000_000}, 401, "STALE_WEBHOOK"),
        ({"seconds": 10_000_000_000}, 401, "STALE_WEBHOOK"),
        ({"body": b" " * (MAX_BYTES + 1)}, 413, "BODY_TOO_LARGE"),
        ({"headers": {"content-type": "text/plain"}}, 415, "UNSUPPORTED_MEDIA_TYPE"),
        ({"headers": {"content-encoding": "gzip"}}, 415, "UNSUPPORTED_CONTENT_ENCODING"),
        ({"headers": {"ce-specversion": "1.0", "ce-id": "forged"}}, 400, "EVENT_MODE_NOT_SUPPORTED"),
        ({"body": b"{"}, 400, "BAD_REQUEST"),
        (
            {"body": b"[]", "headers": {"content-type": "application/cloudevents-batch+json"}},
            400,
            "BAD_REQUEST",
        ),
        ({"body": json.dumps({**EVENT, "id": ""}).encode()}, 400, "MALFORMED_EVENT"),
        ({"body": json.dumps({**EVENT, "type": "unknown"}).encode()}, 404, "NOT_FOUND"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_is_refused_has_its_status_and_is_counted(webhook, received, stack, changes, status, reason):
    before = counted(stack, reason.lower())
    answered = webhook(**changes)
    assert (answered[0], answered[2]["reason"]) == (status, reason)
    assert received == []
    assert counted(stack, reason.lower()) == before + 1


def test_a_secret_that_is_removed_signs_no_more(webhook, stack):
    assert webhook()[0] == 202
    (stack.folder / "keys" / "webhook.secrets").write_text(f"p {SECRETS[1]}\n")
    assert webhook()[0] == 401
    assert webhook(secret=SECRETS[1])[0] == 202
    (stack.folder / "keys" / "webhook.secrets").unlink()
    assert webhook()[2]["reason"] == "WEBHOOKS_DISABLED"


@pytest.mark.parametrize("stack", [{"webhooks_per_minute": 2}], indirect=True)
def test_a_flood_is_refused_with_a_time_to_come_back(webhook, received):
    answers = [webhook(id=f"msg_{number}") for number in range(4)]
    assert [status for status, _, _ in answers] == [202, 202, 429, 429]
    assert answers[2][2]["reason"] == "EVENT_RATE_EXCEEDED"
    assert 25 <= int(answers[2][1]["retry-after"]) <= 30
    assert webhook(secret=SECRETS[2])[0] == 202
    assert len(received) == 3


def test_senders_try_again_while_flywheel_is_away(webhook, received, stack):
    stack.flywheel.away = True
    status, headers, _ = webhook()
    assert (status, received) == (503, [])
    assert "retry-after" in headers
    stack.flywheel.away = False
    until(lambda: webhook()[0] == 202)


def test_a_slow_sender_is_left(webhook, received, stack, monkeypatch):
    monkeypatch.setattr(webhooks, "BODY_S", 0.2)
    head = (
        f"POST /v1/events HTTP/1.1\r\nhost: localhost\r\ncontent-type: {STRUCTURED}\r\ncontent-length: 100\r\n"
        f"webhook-id: a\r\nwebhook-timestamp: {int(time.time())}\r\nwebhook-signature: v1,AAAA\r\n\r\n{{"
    )
    with socket.create_connection(("127.0.0.1", stack.port), timeout=10.0) as slow:
        slow.sendall(head.encode())
        assert slow.recv(100).startswith(b"HTTP/1.1 499")
    assert webhook()[0] == 202
    assert counted(stack, "incomplete") == 1


def test_no_secret_is_in_the_log_or_in_an_answer(webhook, caplog):
    with caplog.at_level("DEBUG"):
        answers = [webhook(), webhook(secret=SECRETS[1], sent=b"{}")]
    assert not any(secret.removeprefix("whsec_") in f"{answers} {caplog.text}" for secret in SECRETS)


def test_the_script_of_the_guide_is_accepted(webhook, received, stack):
    guide = (Path(__file__).parents[4] / "docs/guides/events.md").read_text()
    (script,) = re.findall(r"```bash\n(.*?)```", guide, re.DOTALL)
    settings = {"RATOON_ENDPOINT": stack.url, "RATOON_WEBHOOK_SECRET": SECRETS[1], "NO_PROXY": "*"}
    done = subprocess.run(
        ["bash", "-eu", "-o", "pipefail", "-c", script],
        env=os.environ | settings,
        capture_output=True,
        text=True,
        timeout=30,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert json.loads(done.stdout) == {"name": "projects/p/externalEvents/e"}
    assert received[0].external_event.event_id == "2026-06-01/17"
