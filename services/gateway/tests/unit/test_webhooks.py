"""Webhooks are those of Standard Webhooks: signed, fresh, and of one project. Secrets stay secret."""

import base64
import hashlib
import hmac
import json
import logging
import os
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ratoon.events.foreign import ForeignEvent
from ratoon.events.ports import MalformedEvent
from ratoon.testkit.clock import FakeClock
from ratoon_gateway.adapters.webhook_secrets import WebhookSecretFile
from ratoon_gateway.application.webhooks import MAX_OPEN, Webhooks, event_of
from ratoon_gateway.domain.errors import (
    BadRequest,
    BadSignature,
    BadWebhookSecrets,
    EventsLimited,
    StaleWebhook,
    TooManyRequests,
    WebhooksDisabled,
)
from ratoon_gateway.domain.webhooks import TOLERANCE_S, Delivery, secrets_of
from ratoon_gateway.settings import Settings

VECTOR_SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
"""The test vector that the libraries of Standard Webhooks share."""
VECTOR_BODY = b'{"test": 2432232314}'
VECTOR = Delivery(
    "msg_p5jXN8AQM9LWM0D4loKWxJek",
    "1614265330",
    "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
)
SIGNED_AT = datetime.fromtimestamp(1614265330, UTC)
SECRETS = secrets_of(f"mail {VECTOR_SECRET}")
OTHER = "whsec_" + base64.b64encode(b"another secret of 28 bytes..").decode()
EVENT = {"specversion": "1.0", "id": "e-1", "source": "/lake", "type": "added"}


def signed(body: bytes, secret: str, now: datetime, id: str = "msg_1") -> Delivery:
    key = base64.b64decode(secret.removeprefix("whsec_"))
    seconds = str(int(now.timestamp()))
    signature = hmac.digest(key, f"{id}.{seconds}.".encode() + body, hashlib.sha256)
    return Delivery(id, seconds, f"v1,{base64.b64encode(signature).decode()}")


def test_the_vector_of_the_specification_is_verified():
    VECTOR.check(SIGNED_AT)
    assert VECTOR.project(VECTOR_BODY, SECRETS) == "mail"


@pytest.mark.parametrize(
    "signatures",
    [
        "v1,AAAA v2,AAAA " + VECTOR.signatures,
        "v1a,AAAA " + VECTOR.signatures.rstrip("="),
    ],
)
def test_one_of_several_signatures_suffices(signatures):
    assert Delivery(VECTOR.id, VECTOR.timestamp, signatures).project(VECTOR_BODY, SECRETS) == "mail"


@pytest.mark.parametrize(
    ("delivery", "body"),
    [
        (VECTOR, VECTOR_BODY + b" "),
        (Delivery("msg_other", VECTOR.timestamp, VECTOR.signatures), VECTOR_BODY),
        (Delivery(VECTOR.id, "1614265331", VECTOR.signatures), VECTOR_BODY),
        (Delivery(VECTOR.id, VECTOR.timestamp, VECTOR.signatures.replace("v1,", "v2,")), VECTOR_BODY),
        (Delivery(VECTOR.id, VECTOR.timestamp, VECTOR.signatures.replace("v1,", "")), VECTOR_BODY),
        (Delivery(VECTOR.id, VECTOR.timestamp, "v1,"), VECTOR_BODY),
        (Delivery(VECTOR.id, VECTOR.timestamp, "v1,g0h"), VECTOR_BODY),
        (Delivery(VECTOR.id, VECTOR.timestamp, "v1,\u00e9"), VECTOR_BODY),
    ],
)
def test_what_was_not_signed_so_is_refused(delivery, body):
    with pytest.raises(BadSignature):
        delivery.project(body, SECRETS)


def test_the_secret_of_another_project_does_not_sign():
    assert VECTOR.project(VECTOR_BODY, secrets_of(f"a {OTHER}\nmail {VECTOR_SECRET}")) == "mail"
    with pytest.raises(BadSignature):
        VECTOR.project(VECTOR_BODY, secrets_of(f"mail {OTHER}"))


@pytest.mark.parametrize("seconds", [TOLERANCE_S + 1, -TOLERANCE_S - 1])
def test_a_replay_and_a_delivery_of_the_future_are_refused(seconds):
    VECTOR.check(SIGNED_AT + timedelta(seconds=seconds - (1 if seconds > 0 else -1)))
    with pytest.raises(StaleWebhook, match="300 s"):
        VECTOR.check(SIGNED_AT + timedelta(seconds=seconds))


@pytest.mark.parametrize(
    ("id", "timestamp", "signatures"),
    [
        ("", "1", "v1,a"),
        ("a", "", "v1,a"),
        ("a", "1", ""),
        ("a b", "1", "v1,a"),
        ("a", "1.5", "v1,a"),
        ("a", "-1", "x"),
    ],
)
def test_headers_that_are_missing_or_unreadable_are_refused(id, timestamp, signatures):
    with pytest.raises(BadSignature):
        Delivery(id, timestamp, signatures).check(SIGNED_AT)


@given(st.text(), st.text(), st.text(), st.binary(max_size=50))
def test_any_headers_are_refused_with_a_reason(id, timestamp, signatures, body):
    delivery = Delivery(id, timestamp, signatures)
    with pytest.raises((BadSignature, StaleWebhook)):
        delivery.check(SIGNED_AT)
        delivery.project(body, SECRETS)


def test_secrets_are_lines_of_project_and_secret():
    text = f"# rotated in June\n\nmail {VECTOR_SECRET}\r\nmail\t{OTHER}\nspam {'whsec_' + 'A' * 32}\n"
    assert [secret.project for secret in secrets_of(text)] == ["mail", "mail", "spam"]


@pytest.mark.parametrize(
    "line",
    [
        VECTOR_SECRET,
        f"Mail {VECTOR_SECRET}",
        "mail MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
        "mail whsec_c2hvcnQ=",
        "mail whsec_" + "A" * 100,
        "mail whsec_*fKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
        f"mail {VECTOR_SECRET} more",
    ],
)
def test_a_bad_line_is_named_by_its_number_without_its_content(line):
    with pytest.raises(BadWebhookSecrets, match=r"(?i)line 2") as refusal:
        secrets_of(f"a {OTHER}\n{line}")
    assert not any(word in str(refusal.value) for word in line.split() if "fKQ9" in word or "AAAA" in word)


def test_a_secret_of_two_projects_is_refused():
    with pytest.raises(BadWebhookSecrets, match="twice"):
        secrets_of(f"a {OTHER}\nb {OTHER}")


def test_a_secret_is_in_no_text_of_it():
    assert "key" not in repr(SECRETS[0])
    assert str(SECRETS[0]) == "WebhookSecret(project='mail')"


def test_the_file_is_read_again_when_it_changes_and_a_bad_one_is_not_used(tmp_path, caplog):
    path = tmp_path / "webhook.secrets"
    secrets = WebhookSecretFile(path)
    assert secrets() == ()
    path.write_text(f"mail {VECTOR_SECRET}\n")
    path.chmod(0o644)
    assert secrets() == ()
    path.chmod(0o600)
    first = secrets()
    assert [each.project for each in first] == ["mail"]
    assert secrets() == first
    path.write_text(f"mail {VECTOR_SECRET}\nmail {OTHER}\n")
    rotated = secrets()
    assert len(rotated) == 2
    with caplog.at_level(logging.DEBUG):
        path.write_text(f"mail {OTHER}\nmail {VECTOR_SECRET}x\n")
        assert secrets() == rotated
        path.write_bytes(b"\xff\xfe" * 50)
        assert secrets() == rotated
    assert "line 2" in caplog.text
    assert VECTOR_SECRET not in caplog.text
    assert OTHER not in caplog.text
    os.unlink(path)
    assert secrets() == ()


def test_secrets_of_the_environment_are_there_without_a_file(tmp_path):
    secrets = WebhookSecretFile(tmp_path / "webhook.secrets", f"mail {VECTOR_SECRET}\n")
    assert [each.project for each in secrets()] == ["mail"]
    (tmp_path / "webhook.secrets").touch(0o600)
    (tmp_path / "webhook.secrets").write_text(f"spam {OTHER}\n")
    assert [each.project for each in secrets()] == ["mail", "spam"]
    with pytest.raises(BadWebhookSecrets):
        WebhookSecretFile(tmp_path / "webhook.secrets", "mail secret")
    settings = Settings(webhook_secret_lines=f"mail {VECTOR_SECRET}")
    assert VECTOR_SECRET not in repr(settings)


class Sink:
    """Remembers the events that it stores."""

    def __init__(self) -> None:
        self.events: list[tuple[str, ForeignEvent]] = []

    def report(self, project: str, event: ForeignEvent) -> str:
        self.events.append((project, event))
        return "projects/mail/externalEvents/e"


def webhooks(sink: Sink, clock: FakeClock, per_minute: int = 60) -> Webhooks:
    return Webhooks(lambda: secrets_of(f"mail {OTHER}"), sink, per_minute, clock)


def test_a_verified_event_is_reported_to_the_project_of_its_secret():
    sink, clock = Sink(), FakeClock()
    body = json.dumps(EVENT).encode()
    delivery = signed(body, OTHER, clock.now())
    hooks = webhooks(sink, clock)
    hooks.check(delivery)
    assert hooks.receive(delivery, body) == "projects/mail/externalEvents/e"
    assert sink.events == [("mail", ForeignEvent("e-1", "/lake", "added"))]


def test_nothing_is_reported_without_a_secret_or_a_signature():
    sink, clock = Sink(), FakeClock()
    body = json.dumps(EVENT).encode()
    with pytest.raises(BadSignature):
        webhooks(sink, clock).receive(signed(body, VECTOR_SECRET, clock.now()), body)
    with pytest.raises(WebhooksDisabled):
        Webhooks(tuple, sink, 60, clock).receive(signed(body, OTHER, clock.now()), body)
    assert sink.events == []


def test_a_flood_of_verified_webhooks_is_refused_until_the_bucket_fills():
    sink, clock = Sink(), FakeClock()
    body = json.dumps(EVENT).encode()
    hooks = webhooks(sink, clock, per_minute=2)
    for _ in range(2):
        hooks.receive(signed(body, OTHER, clock.now()), body)
    with pytest.raises(EventsLimited, match="2 webhooks a minute") as refusal:
        hooks.receive(signed(body, OTHER, clock.now()), body)
    assert refusal.value.details == {"retry_after_s": "30"}
    clock.advance(30.0)
    hooks.receive(signed(body, OTHER, clock.now()), body)
    assert len(sink.events) == 3


def test_unverified_webhooks_do_not_use_up_the_limit_of_a_project():
    sink, clock = Sink(), FakeClock()
    body = json.dumps(EVENT).encode()
    hooks = webhooks(sink, clock, per_minute=1)
    for _ in range(5):
        with pytest.raises(BadSignature):
            hooks.receive(signed(body, VECTOR_SECRET, clock.now()), body)
    hooks.receive(signed(body, OTHER, clock.now()), body)


def test_open_webhooks_have_a_bound():
    hooks = webhooks(Sink(), FakeClock())
    for _ in range(MAX_OPEN):
        hooks.enter()
    with pytest.raises(TooManyRequests):
        hooks.enter()
    hooks.leave()
    hooks.enter()


def test_a_payload_of_standard_webhooks_is_an_event_by_the_id_of_the_webhook():
    body = b'{"type":"invoice.paid","timestamp":"2022-11-03T20:26:10.344522Z","data":{"id":"1"}}'
    at = datetime(2022, 11, 3, 20, 26, 10, 344522, UTC)
    assert event_of(VECTOR, body) == ForeignEvent(VECTOR.id, "webhook", "invoice.paid", "", at)
    assert event_of(VECTOR, b'{"type":"invoice.paid"}').time == SIGNED_AT


@pytest.mark.parametrize("body", [b"", b"[]", b"{", b'"text"'])
def test_a_body_that_is_no_object_is_refused(body):
    with pytest.raises(BadRequest):
        event_of(VECTOR, body)


@pytest.mark.parametrize(
    "body", [b"{}", b'{"type":7}', b'{"specversion":"0.3"}', b'{"type":"a","timestamp":"now"}']
)
def test_an_object_that_is_no_event_is_refused(body):
    with pytest.raises(MalformedEvent):
        event_of(VECTOR, body)
