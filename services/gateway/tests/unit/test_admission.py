"""Who is let in, and with what they call on."""

from datetime import UTC, datetime, timedelta

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from ratoon.chassis.errors import PermissionDenied, Unauthenticated
from ratoon.chassis.identity import Principal, Signer, Verifier
from ratoon.chassis.identity import Role as Reach
from ratoon.testkit.clock import FakeClock
from ratoon_gateway.application.admission import TOKEN_S, Admission
from ratoon_gateway.domain.errors import BadKey
from ratoon_gateway.domain.keys import Role, Secret, new_key

NAME = "projects/p/apiKeys/k"


class Now(FakeClock):
    """Tokens are checked against the real time, so this clock starts there."""

    def now(self):
        return datetime.now(UTC)


class Keys:
    def __init__(self, *keys):
        self.keys = {key.selector: key for key in keys}

    def find(self, selector):
        return self.keys.get(selector)


@pytest.fixture
def house():
    clock, private, secret = Now(), Ed25519PrivateKey.generate(), Secret.new()
    key = new_key(NAME, Role.VIEWER, secret, clock.now(), expires=clock.now() + timedelta(hours=1))
    signer = Signer("gateway", private, clock)
    admission = Admission(Keys(key), Verifier({"gateway": private.public_key()}), signer, clock)
    return admission, secret, clock


def test_a_key_and_its_token_are_the_same_caller(house):
    admission, secret, _ = house
    holder = admission.principal(secret.text)
    assert holder == Principal(NAME, Reach.VIEWER, "p")
    token = admission.token(holder)
    assert admission.principal(token) == admission.principal(token) == holder


def test_tokens_are_made_anew_before_they_end(house):
    admission, secret, clock = house
    holder = admission.principal(secret.text)
    first = admission.token(holder)
    assert admission.token(holder) is first
    clock.advance(TOKEN_S / 2 + 1)
    assert admission.token(holder) is not first


def test_nobody_else_comes_in(house):
    admission, secret, _ = house
    with pytest.raises(Unauthenticated):
        admission.principal("")
    with pytest.raises(Unauthenticated):
        admission.principal("ey.no.token")
    with pytest.raises(BadKey):
        admission.principal(Secret(secret.selector, "guess").text)
    with pytest.raises(PermissionDenied):
        admission.caller(secret.text, Reach.ENGINEER)
