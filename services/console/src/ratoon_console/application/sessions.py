"""Who is logged in. Keys and tokens stay in this process's memory; a browser holds a signed, meaningless id.

A restart of the console ends every log-in.
"""

import hashlib
import hmac
import secrets
from collections.abc import Callable
from dataclasses import dataclass

from ratoon_console.application.ports import Grant, Keys
from ratoon_console.domain.errors import NotSignedIn
from ratoon_console.domain.people import Person

_MAX_SESSIONS = 1000


@dataclass
class Session:
    """One log-in. Times are seconds of the clock of `Sessions`."""

    id: str
    api_key: str
    grant: Grant
    renew_at: float
    ends_at: float
    form_key: str
    """What every form of this log-in carries, so that another site cannot send one."""
    notice: str = ""
    """Message that the next page shows once."""

    @property
    def person(self) -> Person:
        """Whose key it is."""
        return self.grant.person

    def take_notice(self) -> str:
        """The notice, which is then gone."""
        notice, self.notice = self.notice, ""
        return notice


class Sessions:
    """All log-ins of this process."""

    def __init__(self, keys: Keys, lasts_s: float, now: Callable[[], float]) -> None:
        self._keys, self._lasts_s, self._now = keys, lasts_s, now
        self._secret = secrets.token_bytes(32)
        self._open: dict[str, Session] = {}

    async def open(self, api_key: str) -> tuple[Session, str]:
        """Log in: the session and its cookie; NotSignedIn for an invalid key."""
        grant = await self._keys.exchange(api_key)
        self._forget_ended()
        now = self._now()
        session = Session(
            secrets.token_urlsafe(24),
            api_key,
            grant,
            now + grant.seconds / 2,
            now + self._lasts_s,
            secrets.token_urlsafe(24),
        )
        self._open[session.id] = session
        return session, f"{session.id}.{self._mark(session.id)}"

    def find(self, cookie: str) -> Session | None:
        """The session of a cookie that this process signed, while it lasts."""
        id_, _, mark = cookie.partition(".")
        if not hmac.compare_digest(mark.encode(), self._mark(id_).encode()):
            return None
        session = self._open.get(id_)
        return session if session is not None and session.ends_at > self._now() else None

    def close(self, session: Session) -> None:
        """Log out."""
        self._open.pop(session.id, None)

    async def bearer(self, session: Session) -> str:
        """A token that is good for a while yet; NotSignedIn, and logged out, when the key has ended."""
        if session.renew_at <= self._now():
            try:
                session.grant = await self._keys.exchange(session.api_key)
            except NotSignedIn:
                self.close(session)
                raise
            session.renew_at = self._now() + session.grant.seconds / 2
        return session.grant.token

    def _mark(self, id_: str) -> str:
        return hmac.digest(self._secret, id_.encode(), hashlib.sha256).hex()

    def _forget_ended(self) -> None:
        """Drop what has ended, and the oldest when there are too many."""
        now = self._now()
        for session in [each for each in self._open.values() if each.ends_at <= now]:
            self.close(session)
        while len(self._open) >= _MAX_SESSIONS:
            self.close(next(iter(self._open.values())))
