"""Times and bodies of signed deliveries: which a sender may repeat, and which are refused."""

import base64
import hashlib
import hmac
from datetime import UTC, datetime

import pytest

from ratoon_gateway.domain.errors import BadSignature, StaleWebhook
from ratoon_gateway.domain.webhooks import Delivery, WebhookSecret

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)
SECRET = WebhookSecret("p", b"k" * 32)
BODY = b'{"id": "e-1",  "data": {}}'


def delivery(skew_s: float, body: bytes = BODY, unit: int = 1) -> Delivery:
    stamp = str(int((NOW.timestamp() + skew_s) * unit))
    digest = hmac.digest(SECRET.key, b".".join((b"msg_1", stamp.encode(), body)), hashlib.sha256)
    return Delivery("msg_1", stamp, f"v1,{base64.b64encode(digest).decode()}")


@pytest.mark.parametrize("skew_s", [-300, -299, 0, 10, 299, 300])
def test_d40_a_delivery_within_the_tolerance_is_its_projects(skew_s):
    signed = delivery(skew_s)
    signed.check(NOW)
    assert signed.project(BODY, [SECRET]) == "p"


@pytest.mark.parametrize("skew_s", [-3600, -301, 301, 3600])
def test_d40_a_delivery_out_of_the_tolerance_is_refused_on_both_sides(skew_s):
    with pytest.raises(StaleWebhook):
        delivery(skew_s).check(NOW)


def test_d40_milliseconds_are_no_seconds():
    with pytest.raises((StaleWebhook, BadSignature)):
        delivery(0, unit=1000).check(NOW)


def test_d40_the_signature_covers_the_bytes_and_the_time():
    signed = delivery(0)
    for body in (BODY.replace(b"  ", b" "), BODY + b"\n", b""):
        with pytest.raises(BadSignature):
            signed.project(body, [SECRET])
    renewed = Delivery(signed.id, delivery(60).timestamp, signed.signatures)
    with pytest.raises(BadSignature):
        renewed.project(BODY, [SECRET])
    retried = delivery(60)
    retried.check(NOW)
    assert retried.project(BODY, [SECRET]) == "p"
