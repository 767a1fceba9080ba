"""Who is let in, and with what they call on."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from ratoon.chassis.errors import PermissionDenied, Unauthenticated
from ratoon.chassis.identity import Principal, Signer, Verifier
from ratoon.chassis.identity import Role as Reach
from ratoon.testkit.clock import FakeClock
from ratoon_gateway.application.admission import TOKEN_S, Admission
from ratoon_gateway.domain.errors import BadKey
from ratoon_gateway.domain.keys import Role, Secret, new_key, revoked, rotated

NAME = "projects/p/apiKeys/k"
PRIVATE = Ed25519PrivateKey.generate()
VERIFIER = Verifier({"gateway": PRIVATE.public_key(), "flywheel": PRIVATE.public_key()})


class Now(FakeClock):
    """Tokens are checked against the real time, so this clock starts there."""

    def __init__(self):
        super().__init__()
        self.ahead = timedelta()

    def now(self):
        return datetime.now(UTC) + self.ahead


class Keys:
    def __init__(self, *keys):
        self.put(*keys)

    def put(self, *keys):
        self.keys = {key.selector: key for key in keys}

    def find(self, selector):
        return self.keys.get(selector)

    def named(self, name):
        return next((key for key in self.keys.values() if key.name == name), None)


class House:
    """The gateway's admission with one key that lasts an hour."""

    def __init__(self):
        self.clock, self.secret = Now(), Secret.new()
        self.key = new_key(
            NAME, Role.VIEWER, self.secret, self.clock.now(), expires=self.clock.now() + timedelta(hours=1)
        )
        self.keys = Keys(self.key)
        self.signer = Signer("gateway", PRIVATE, self.clock)
        self.admission = Admission(self.keys, VERIFIER, self.signer, self.clock)


@pytest.fixture
def house():
    return House()


def test_a_key_and_its_token_are_the_same_caller(house):
    holder = house.admission.principal(house.secret.text)
    assert holder == Principal(NAME, Reach.VIEWER, "p")
    token, seconds = house.admission.exchange(house.secret.text)
    assert seconds == TOKEN_S
    assert house.admission.principal(token) == house.admission.principal(token) == holder


def test_tokens_for_services_are_made_again_before_they_end(house):
    holder = house.admission.principal(house.secret.text)
    first = house.admission.token(holder)
    assert house.admission.token(holder) is first
    assert VERIFIER.principal(first) == holder
    house.clock.advance(61)
    second = house.admission.token(holder)
    assert second is not first
    house.clock.ahead = timedelta(minutes=5)
    assert house.admission.token(holder) is not second


def test_no_service_takes_a_callers_token(house):
    token, _ = house.admission.exchange(house.secret.text)
    with pytest.raises(Unauthenticated):
        VERIFIER.principal(token)


@pytest.mark.parametrize(
    ("end", "said"),
    [
        (lambda key: [revoked(key, datetime.now(UTC))], "revoked"),
        (lambda key: [rotated(key, Secret.new())], "rotated"),
        (lambda key: [], "no longer exists"),
        (lambda key: [replace(key, expire_time=datetime.now(UTC))], "expired"),
    ],
)
def test_a_token_ends_with_its_key(house, end, said):
    token, _ = house.admission.exchange(house.secret.text)
    holder = house.admission.principal(token)
    assert house.admission.principal(token) == holder  # the signature is verified once
    house.keys.put(*end(house.key))
    with pytest.raises(BadKey, match=said):
        house.admission.principal(token)
    if said != "rotated":
        with pytest.raises(BadKey, match=said):
            house.admission.check_still(holder)


def test_a_token_lasts_no_longer_than_its_key(house):
    house.keys.put(replace(house.key, expire_time=house.clock.now() + timedelta(seconds=30.5)))
    token, seconds = house.admission.exchange(house.secret.text)
    assert seconds in (29, 30)
    house.admission.principal(token)
    for forwarded in (token, house.admission.token(house.admission.principal(token))):
        claims = VERIFIER.verified(forwarded, "edge" if forwarded == token else "")
        assert claims.expire_time <= datetime.now(UTC) + timedelta(seconds=31)
    house.clock.ahead = timedelta(seconds=31)
    with pytest.raises(BadKey, match="expired"):
        house.admission.principal(token)


def test_a_token_has_the_role_of_its_key_now(house):
    token, _ = house.admission.exchange(house.secret.text)
    house.keys.put(replace(house.key, role=Role.CALLER))
    assert house.admission.principal(token).role is Reach.CALLER


def test_a_token_of_a_key_that_was_made_again_under_its_name_is_not_taken(house):
    token, _ = house.admission.exchange(house.secret.text)
    house.keys.put(new_key(NAME, Role.OPERATOR, Secret.new(), house.clock.now()))
    with pytest.raises(BadKey):
        house.admission.principal(token)


def test_a_service_is_let_in_by_its_own_token(house):
    own = Signer("flywheel", PRIVATE, house.clock).own_token()
    assert house.admission.principal(own).role is Reach.SERVICE


def test_nobody_else_comes_in(house):
    with pytest.raises(Unauthenticated):
        house.admission.principal("")
    with pytest.raises(Unauthenticated):
        house.admission.principal("ey.no.token")
    with pytest.raises(BadKey):
        house.admission.principal(Secret(house.secret.selector, "guess").text)
    with pytest.raises(PermissionDenied):
        house.admission.caller(house.secret.text, Reach.ENGINEER)
