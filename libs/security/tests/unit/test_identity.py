"""Keys, tokens and roles."""

import json
import os
import time
from datetime import timedelta

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from ratoon.process.clock import SystemClock
from ratoon.process.errors import FailedPrecondition, Unauthenticated
from ratoon.security import identity
from ratoon.security.identity import (
    Principal,
    Role,
    Signer,
    Verifier,
    load_key,
    load_public_keys,
    make_keys,
    make_signing_key,
)

KEYS = {name: Ed25519PrivateKey.generate() for name in ("gateway", "flywheel")}
VERIFIER = Verifier({name: key.public_key() for name, key in KEYS.items()})


def signer(service: str) -> Signer:
    return Signer(service, KEYS[service], SystemClock())


def test_a_service_is_known_by_its_own_token():
    assert VERIFIER.principal(signer("flywheel").own_token()) == Principal("flywheel", Role.SERVICE)


def test_the_gateway_speaks_for_callers_and_nobody_else_does():
    caller = Principal("projects/p/apiKeys/k", Role.CALLER, "p")
    assert VERIFIER.principal(signer("gateway").token_for(caller, 60)) == caller
    with pytest.raises(Unauthenticated):
        VERIFIER.principal(signer("flywheel").token_for(caller, 60))


def test_an_expired_token_is_refused():
    with pytest.raises(Unauthenticated):
        VERIFIER.principal(signer("gateway").token_for(Principal("x", Role.CALLER), -60))


def fresh() -> tuple[Verifier, list[str]]:
    """A verifier that has verified nothing yet, and the tokens whose signatures it verifies from now on."""
    verifier = Verifier(VERIFIER.keys)
    verified: list[str] = []
    verify = verifier._verify
    verifier._verify = lambda token: (verified.append(token), verify(token))[1]  # type: ignore[method-assign]
    return verifier, verified


def test_a_signature_is_verified_once():
    verifier, verified = fresh()
    token = signer("flywheel").own_token()
    assert verifier.verified(token) == verifier.verified(token) == VERIFIER.verified(token)
    assert verified == [token]


def test_a_token_expires_although_its_signature_was_verified(monkeypatch):
    monkeypatch.setattr(identity, "_LEEWAY_S", 0)
    verifier, _ = fresh()
    token = signer("gateway").token_for(Principal("x", Role.CALLER), 1)
    verifier.principal(token)
    time.sleep(1.1)
    with pytest.raises(Unauthenticated):
        verifier.principal(token)


@pytest.mark.parametrize("keys", [{"flywheel": Ed25519PrivateKey.generate().public_key()}, {}])
def test_a_verified_token_ends_with_the_key_of_its_issuer(keys):
    verifier, _ = fresh()
    token = signer("flywheel").own_token()
    verifier.principal(token)
    verifier._keys = keys
    with pytest.raises(Unauthenticated):
        verifier.principal(token)


def test_the_audience_of_a_verified_token_is_checked_each_time():
    verifier, _ = fresh()
    caller = Principal("projects/p/apiKeys/k", Role.CALLER, "p")
    token = signer("gateway").token_for(caller, 60, audience="edge")
    for _ in range(2):
        assert verifier.verified(token, "edge").principal == caller
        with pytest.raises(Unauthenticated):
            verifier.principal(token)


def test_a_verified_token_does_not_vouch_for_a_forged_one():
    verifier, _ = fresh()
    own, other = (signer("gateway").token_for(Principal("k", Role.ENGINEER, p), 60) for p in ("mail", "news"))
    assert verifier.principal(own).project == "mail"
    assert verifier.principal(other).project == "news"
    forged = ".".join((*other.split(".")[:2], own.split(".")[2]))
    with pytest.raises(Unauthenticated):
        verifier.principal(forged)
    flywheel = signer("flywheel").token_for(Principal("k", Role.ENGINEER, "mail"), 60)
    for _ in range(2):
        with pytest.raises(Unauthenticated):
            verifier.principal(flywheel)


def test_verified_tokens_are_kept_in_a_bounded_number(monkeypatch):
    monkeypatch.setattr(identity, "_MAX_VERIFICATIONS", 3)
    verifier, verified = fresh()
    tokens = [signer("gateway").token_for(Principal(str(n), Role.CALLER), 60) for n in range(5)]
    for token in (*tokens, tokens[4], tokens[0]):
        verifier.principal(token)
    assert len(verifier._verifications) == 3
    assert verified == [*tokens, tokens[0]]


class Moved(SystemClock):
    """The machine's clock, moved by hand."""

    ahead_s = 0.0

    def now(self):
        return super().now() + timedelta(seconds=self.ahead_s)


def test_tokens_stay_good_when_the_clock_is_set_back_or_ahead():
    clock = Moved()
    flywheel = Signer("flywheel", KEYS["flywheel"], clock)
    clock.ahead_s = 3600
    early = flywheel.own_token()
    clock.ahead_s = 0
    assert VERIFIER.principal(early).name == "flywheel"
    clock.ahead_s = -3600
    late = Signer("flywheel", KEYS["flywheel"], clock)
    with pytest.raises(Unauthenticated):
        VERIFIER.principal(late.own_token())
    clock.ahead_s = 0
    assert VERIFIER.principal(late.own_token()).name == "flywheel"


@pytest.mark.parametrize("token", ["", "nonsense", "a.b.c"])
def test_what_is_no_token_is_refused(token):
    with pytest.raises(Unauthenticated):
        VERIFIER.principal(token)


def test_an_unsigned_token_and_one_of_another_algorithm_are_refused():
    claims = {
        "iss": "gateway",
        "sub": "x",
        "role": "SERVICE",
        "project": "-",
        "exp": SystemClock().now() + timedelta(60),
    }
    public = VERIFIER.keys["gateway"].public_bytes_raw()
    for token in (jwt.encode(claims, "", algorithm="none"), jwt.encode(claims, public, algorithm="HS256")):
        with pytest.raises(Unauthenticated):
            VERIFIER.principal(token)


def test_a_principal_touches_its_own_project_only():
    own = Principal("k", Role.ENGINEER, "mail")
    assert own.may_touch("projects/mail/models/m")
    assert own.may_touch("projects/mail")
    assert not own.may_touch("projects/mail-2/models/m")
    assert Principal("k", Role.ENGINEER).may_touch("projects/mail-2")


def test_keys_are_made_once_and_only_for_their_owner(tmp_path):
    assert make_keys(tmp_path / "keys", ["registry", "serving"]) == ["registry", "serving"]
    assert make_keys(tmp_path / "keys", ["registry", "serving"]) == []
    path = tmp_path / "keys" / "registry.key"
    assert path.stat().st_mode & 0o777 == 0o600
    assert set(json.loads((tmp_path / "keys" / "public.json").read_text())) == {"registry", "serving"}
    signed = Signer("registry", load_key(path), SystemClock()).own_token()
    assert Verifier(load_public_keys(tmp_path / "keys" / "public.json")).principal(signed).name == "registry"
    path.chmod(0o644)
    with pytest.raises(FailedPrecondition, match="chmod 600"):
        load_key(path)


@pytest.mark.skipif(os.geteuid() != 0, reason="a mounted Secret belongs to root")
def test_a_mounted_secret_may_be_read_by_its_group_and_by_nobody_else(tmp_path, monkeypatch):
    make_keys(tmp_path, ["registry"])
    path = tmp_path / "registry.key"
    path.chmod(0o440)
    with pytest.raises(FailedPrecondition):
        load_key(path)
    monkeypatch.setattr(os, "geteuid", lambda: 10_001)
    assert load_key(path)
    path.chmod(0o444)
    with pytest.raises(FailedPrecondition):
        load_key(path)


def test_the_key_that_signs_models_is_private(tmp_path):
    path = make_signing_key(tmp_path)
    content = path.read_bytes()
    assert path.stat().st_mode & 0o777 == 0o600
    assert make_signing_key(tmp_path).read_bytes() == content
