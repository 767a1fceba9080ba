"""API keys."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ratoon_gateway.domain.errors import BadKey, BadRequest, KeyEnded, RoleTooHigh, StaleEtag
from ratoon_gateway.domain.etags import check_etag
from ratoon_gateway.domain.keys import (
    Role,
    Secret,
    Used,
    changed,
    check_grant,
    check_secret,
    is_permanent_operator,
    new_key,
    revoked,
    rotated,
)
from ratoon_gateway.domain.limits import Limits

NOW = datetime(2026, 11, 22, tzinfo=UTC)
SECRET = Secret.new()
KEY = new_key("projects/p/apiKeys/k", Role.CALLER, SECRET, NOW)


def test_a_secret_opens_its_key_and_is_not_in_it():
    assert check_secret(KEY, Secret.parse(SECRET.text), NOW) is KEY
    assert SECRET.verifier not in repr(KEY)


def test_others_do_not():
    with pytest.raises(BadKey):
        check_secret(KEY, replace(Secret.new(), selector=SECRET.selector), NOW)
    with pytest.raises(BadKey):
        check_secret(None, SECRET, NOW)
    with pytest.raises(BadKey):
        check_secret(rotated(KEY, Secret.new()), SECRET, NOW)


def test_a_key_ends():
    with pytest.raises(BadKey, match="revoked"):
        check_secret(revoked(KEY, NOW), SECRET, NOW)
    brief = replace(KEY, expire_time=NOW + timedelta(days=1))
    assert check_secret(brief, SECRET, NOW) is brief
    with pytest.raises(BadKey, match="expired"):
        check_secret(brief, SECRET, NOW + timedelta(days=1))
    with pytest.raises(KeyEnded):
        rotated(revoked(KEY, NOW), Secret.new())
    assert revoked(revoked(KEY, NOW), NOW + timedelta(1)).revoke_time == NOW
    with pytest.raises(BadRequest):
        new_key("n", Role.CALLER, SECRET, NOW, expires=NOW)


@given(st.text())
def test_only_what_looks_like_a_key_is_one(text):
    try:
        parsed = Secret.parse(text)
    except BadKey:
        return
    assert parsed.text == text


def test_nobody_grants_more_than_they_have():
    check_grant(Role.OPERATOR, "-", Role.OPERATOR, "p")
    check_grant(7, "-", Role.OPERATOR, "-")
    check_grant(Role.OPERATOR, "p", Role.CALLER, "p")
    with pytest.raises(RoleTooHigh):
        check_grant(Role.ENGINEER, "-", Role.OPERATOR, "p")
    with pytest.raises(RoleTooHigh):
        check_grant(Role.OPERATOR, "p", Role.CALLER, "-")


def test_usage_adds_up():
    assert Used(1, 2, 3).plus(Used(1, 1, 1, NOW)) == Used(2, 3, 4, NOW)


def test_label_and_limits_change_as_far_as_they_are_named():
    limits = Limits(1, 2, 3, 4)
    end = NOW + timedelta(days=1)

    def change(*names):
        return changed(KEY, "demo", limits, end, names, NOW)

    whole = change("display_name", "limits", "expire_time")
    assert (whole.display_name, whole.limits, whole.expire_time) == ("demo", limits, end)
    assert change("limits.tokens_per_day").limits == Limits(tokens_per_day=4)
    assert change("display_name").limits == Limits()
    assert change() == KEY
    for name in ("role", "limits.nothing", "limits.over"):
        with pytest.raises(BadRequest):
            change(name)
    check_etag(KEY.name, KEY.etag, KEY.etag)
    with pytest.raises(StaleEtag):
        check_etag(KEY.name, whole.etag, KEY.etag)


def test_the_end_of_a_key_can_be_moved_while_it_lasts():
    brief = replace(KEY, expire_time=NOW + timedelta(days=1))
    assert changed(brief, "", Limits(), None, ["expire_time"], NOW).expire_time is None
    with pytest.raises(BadRequest, match="past"):
        changed(brief, "", Limits(), NOW, ["expire_time"], NOW)
    with pytest.raises(KeyEnded):
        changed(revoked(KEY, NOW), "", Limits(), None, ["expire_time"], NOW)


def test_which_keys_manage_the_installation_for_good():
    operator = new_key("projects/-/apiKeys/k", Role.OPERATOR, SECRET, NOW)
    assert is_permanent_operator(operator)
    for other in (
        KEY,
        revoked(operator, NOW),
        replace(operator, expire_time=NOW + timedelta(days=1)),
        replace(operator, name="projects/p/apiKeys/k"),
    ):
        assert not is_permanent_operator(other)
