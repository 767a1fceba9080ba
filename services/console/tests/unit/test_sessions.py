import asyncio

import pytest

from ratoon_console.application.ports import Grant
from ratoon_console.application.sessions import Sessions
from ratoon_console.domain.errors import NotSignedIn
from ratoon_console.domain.people import Person, Role

LASTS_S, TOKEN_S = 1000.0, 600.0


class Keys:
    """Exchanges `good` for a new token each time, until it is revoked."""

    def __init__(self) -> None:
        self.exchanged, self.revoked = 0, False

    async def exchange(self, api_key: str) -> Grant:
        if api_key != "good" or self.revoked:
            raise NotSignedIn("no such key")
        self.exchanged += 1
        return Grant(Person("projects/p/apiKeys/k", Role.VIEWER, "p"), f"token-{self.exchanged}", TOKEN_S)


class Clock:
    def __init__(self) -> None:
        self.time = 0.0

    def __call__(self) -> float:
        return self.time


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def keys():
    return Keys()


@pytest.fixture
def sessions(keys, clock):
    return Sessions(keys, LASTS_S, clock)


def test_a_cookie_finds_its_session_and_holds_nothing_of_the_key(sessions):
    session, cookie = asyncio.run(sessions.open("good"))
    assert sessions.find(cookie) is session
    assert "good" not in cookie
    assert "token" not in cookie


@pytest.mark.parametrize(
    "change", [lambda c: "", lambda c: c[:-1], lambda c: c.partition(".")[0] + ".", lambda c: "x" + c]
)
def test_a_cookie_that_this_process_did_not_sign_finds_nothing(sessions, change):
    _, cookie = asyncio.run(sessions.open("good"))
    assert sessions.find(change(cookie)) is None


def test_a_wrong_key_opens_nothing(sessions):
    with pytest.raises(NotSignedIn):
        asyncio.run(sessions.open("bad"))


def test_a_session_ends_with_its_time_and_with_the_log_out(sessions, clock):
    session, cookie = asyncio.run(sessions.open("good"))
    clock.time = LASTS_S - 1
    assert sessions.find(cookie) is session
    clock.time = LASTS_S
    assert sessions.find(cookie) is None
    other, other_cookie = asyncio.run(sessions.open("good"))
    sessions.close(other)
    assert sessions.find(other_cookie) is None


def test_a_token_is_renewed_when_half_of_its_life_is_over(sessions, clock, keys):
    session, _ = asyncio.run(sessions.open("good"))
    assert asyncio.run(sessions.bearer(session)) == "token-1"
    clock.time = TOKEN_S / 2
    assert asyncio.run(sessions.bearer(session)) == "token-2"
    assert keys.exchanged == 2


def test_a_revoked_key_ends_its_session(sessions, clock, keys):
    session, cookie = asyncio.run(sessions.open("good"))
    keys.revoked, clock.time = True, TOKEN_S
    with pytest.raises(NotSignedIn):
        asyncio.run(sessions.bearer(session))
    assert sessions.find(cookie) is None


def test_a_notice_is_shown_once(sessions):
    session, _ = asyncio.run(sessions.open("good"))
    session.notice = "Done."
    assert [session.take_notice(), session.take_notice()] == ["Done.", ""]


def test_roles_reach_what_is_below_them_and_say_what_they_lack():
    annotator = Person("k", Role.ANNOTATOR)
    assert annotator.may(Role.VIEWER) and annotator.lacks(Role.ANNOTATOR) == ""
    assert (
        annotator.lacks(Role.OPERATOR) == "This requires the role operator; your key has the role annotator."
    )
