"""Who is let in, and with what they call on."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from ratoon.process.errors import PermissionDenied, Unauthenticated
from ratoon.security.identity import Principal, Signer, Verifier
from ratoon.security.identity import Role as Reach
from ratoon.testkit.clock import FakeClock
from ratoon_gateway.application.authenticator import TOKEN_S, Authenticator
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


class Stack:
    """The gateway's admission with one key that lasts an hour."""

    def __init__(self):
        self.clock, self.secret = Now(), Secret.new()
        self.key = new_key(
            NAME, Role.VIEWER, self.secret, self.clock.now(), expires=self.clock.now() + timedelta(hours=1)
        )
        self.keys = Keys(self.key)
        self.signer = Signer("gateway", PRIVATE, self.clock)
        self.authenticator = Authenticator(self.keys, VERIFIER, self.signer, self.clock)


@pytest.fixture
def stack():
    return Stack()


def test_a_key_and_its_token_are_the_same_caller(stack):
    holder = stack.authenticator.principal(stack.secret.text)
    assert holder == Principal(NAME, Reach.VIEWER, "p")
    token, seconds = stack.authenticator.exchange(stack.secret.text)
    assert seconds == TOKEN_S
    assert stack.authenticator.principal(token) == stack.authenticator.principal(token) == holder


def test_tokens_for_services_are_made_again_before_they_end(stack):
    holder = stack.authenticator.principal(stack.secret.text)
    first = stack.authenticator.token(holder)
    assert stack.authenticator.token(holder) is first
    assert VERIFIER.principal(first) == holder
    stack.clock.advance(61)
    second = stack.authenticator.token(holder)
    assert second is not first
    stack.clock.ahead = timedelta(minutes=5)
    assert stack.authenticator.token(holder) is not second


def test_no_service_takes_a_callers_token(stack):
    token, _ = stack.authenticator.exchange(stack.secret.text)
    with pytest.raises(Unauthenticated):
        VERIFIER.principal(token)


@pytest.mark.parametrize(
    ("end", "message"),
    [
        (lambda key: [revoked(key, datetime.now(UTC))], "revoked"),
        (lambda key: [rotated(key, Secret.new())], "rotated"),
        (lambda key: [], "no longer exists"),
        (lambda key: [replace(key, expire_time=datetime.now(UTC))], "expired"),
    ],
)
def test_a_token_ends_with_its_key(stack, end, message):
    token, _ = stack.authenticator.exchange(stack.secret.text)
    holder = stack.authenticator.principal(token)
    assert stack.authenticator.principal(token) == holder  # the signature is verified once
    stack.keys.put(*end(stack.key))
    with pytest.raises(BadKey, match=message):
        stack.authenticator.principal(token)
    if message != "rotated":
        with pytest.raises(BadKey, match=message):
            stack.authenticator.check_still(holder)


def test_a_token_lasts_no_longer_than_its_key(stack):
    stack.keys.put(replace(stack.key, expire_time=stack.clock.now() + timedelta(seconds=30.5)))
    token, seconds = stack.authenticator.exchange(stack.secret.text)
    assert seconds in (29, 30)
    stack.authenticator.principal(token)
    for forwarded in (token, stack.authenticator.token(stack.authenticator.principal(token))):
        claims = VERIFIER.verified(forwarded, "edge" if forwarded == token else "")
        assert claims.expire_time <= datetime.now(UTC) + timedelta(seconds=31)
    stack.clock.ahead = timedelta(seconds=31)
    with pytest.raises(BadKey, match="expired"):
        stack.authenticator.principal(token)


def test_a_token_has_the_role_of_its_key_now(stack):
    token, _ = stack.authenticator.exchange(stack.secret.text)
    stack.keys.put(replace(stack.key, role=Role.CALLER))
    assert stack.authenticator.principal(token).role is Reach.CALLER


def test_a_token_of_a_key_that_was_made_again_under_its_name_is_not_taken(stack):
    token, _ = stack.authenticator.exchange(stack.secret.text)
    stack.keys.put(new_key(NAME, Role.OPERATOR, Secret.new(), stack.clock.now()))
    with pytest.raises(BadKey):
        stack.authenticator.principal(token)


def test_a_service_is_let_in_by_its_own_token(stack):
    own = Signer("flywheel", PRIVATE, stack.clock).own_token()
    assert stack.authenticator.principal(own).role is Reach.SERVICE


def test_nobody_else_comes_in(stack):
    with pytest.raises(Unauthenticated):
        stack.authenticator.principal("")
    with pytest.raises(Unauthenticated):
        stack.authenticator.principal("ey.no.token")
    with pytest.raises(BadKey):
        stack.authenticator.principal(Secret(stack.secret.selector, "guess").text)
    with pytest.raises(PermissionDenied):
        stack.authenticator.caller(stack.secret.text, Reach.ENGINEER)
