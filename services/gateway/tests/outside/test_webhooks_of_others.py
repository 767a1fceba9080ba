"""Webhooks as the library of Standard Webhooks signs them are verified, and it verifies what we would sign."""

import base64
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ratoon_gateway.domain.errors import BadSignature
from ratoon_gateway.domain.webhooks import Delivery, secrets_of

LIBRARY = Path(__file__).resolve().parents[4] / ".data" / "zoo" / "standardwebhooks"
pytestmark = pytest.mark.skipif(not LIBRARY.is_dir(), reason="needs scripts/zoo.py standardwebhooks")
NOW = datetime.fromtimestamp(1_780_000_000, UTC)


@pytest.fixture(scope="module")
def library():
    sys.path.insert(0, str(LIBRARY))
    try:
        import standardwebhooks

        yield standardwebhooks
    finally:
        sys.path.remove(str(LIBRARY))


@given(
    key=st.binary(min_size=24, max_size=64),
    id=st.from_regex(r"msg_[A-Za-z0-9]{1,30}", fullmatch=True),
    body=st.text(st.characters(codec="utf-8"), max_size=200),
    change=st.sampled_from(["", "id", "timestamp", "body", "key"]),
)
def test_what_the_library_signs_is_verified_and_nothing_else(library, key, id, body, change):
    secret = "whsec_" + base64.b64encode(key).decode()
    signature = library.Webhook(secret).sign(id, NOW, body)
    timestamp = str(int(NOW.timestamp()))
    delivery = Delivery(
        id + ("x" if change == "id" else ""),
        timestamp[:-1] + "1" if change == "timestamp" else timestamp,
        signature,
    )
    delivery.check(NOW)
    other = bytes([key[0] ^ 1]) + key[1:] if change == "key" else key
    secrets = secrets_of(f"mail whsec_{base64.b64encode(other).decode()}")
    sent = body.encode() + (b" " if change == "body" else b"")
    if change:
        with pytest.raises(BadSignature):
            delivery.project(sent, secrets)
    else:
        assert delivery.project(sent, secrets) == "mail"
