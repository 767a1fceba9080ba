"""Addresses of pages in one form, and which of them a crawl may visit."""

import re
from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from urllib.parse import SplitResult, quote, urljoin, urlsplit, urlunsplit

MAX_URL_CHARS = 2_000
_PORTS = {"http": 80, "https": 443}
_MAX_REPETITIONS = 3
_MAX_SEGMENTS = 20
_MAX_PARAMETERS = 8
_ESCAPE = re.compile(r"%([0-9a-fA-F]{2})")
_UNRESERVED = re.compile(r"[A-Za-z0-9._~-]")
_SESSION_PATH = re.compile(r";(?:jsessionid|phpsessid|sid)=[^/?#]*", re.IGNORECASE)
_TRACKING = re.compile(
    r"(?:utm_\w+|gclid|dclid|fbclid|msclkid|yclid|mc_[ce]id|jsessionid|phpsessid)", re.IGNORECASE
)
_HOST = re.compile(r"[a-z0-9._-]+|\[[0-9a-f:.]+\]")
_WHITE = re.compile(r"[\t\r\n]")


@dataclass(frozen=True)
class Place:
    """Scheme, host and port of an address."""

    scheme: str
    host: str
    port: int

    @property
    def netloc(self) -> str:
        """Return host and port as they stand in an address."""
        return self.host if self.port == _PORTS[self.scheme] else f"{self.host}:{self.port}"

    @property
    def origin(self) -> str:
        """Return the beginning of all its addresses."""
        return f"{self.scheme}://{self.netloc}"


def canonical(url: str, base: str = "") -> str | None:
    """Return an address in its one form; None if it is no address of a page.

    Scheme and host are lowercase, the port of the scheme, the fragment and parameters of tracking and sessions are left
    out, dots are resolved, and escapes are as RFC 3986 has them.
    """
    try:
        parts = urlsplit(urljoin(base, _WHITE.sub("", url.strip())))
        place = _place(parts)
    except ValueError:
        return None
    if place is None:
        return None
    path = _escaped(_SESSION_PATH.sub("", parts.path)) or "/"
    path = urlsplit(urljoin(f"{place.origin}/", path)).path or "/"
    retained = [
        each for each in parts.query.split("&") if each and not _TRACKING.fullmatch(each.partition("=")[0])
    ]
    full = urlunsplit((place.scheme, place.netloc, path, _escaped("&".join(retained)), ""))
    return full if len(full) <= MAX_URL_CHARS else None


def place_of(url: str) -> Place:
    """Return scheme, host and port of a canonical address."""
    place = _place(urlsplit(url))
    if place is None:
        raise ValueError(f"{url!r} is no canonical address")
    return place


def target_of(url: str) -> str:
    """Return path and query of a canonical address."""
    parts = urlsplit(url)
    return f"{parts.path}?{parts.query}" if parts.query else parts.path


def is_trap(url: str) -> bool:
    """Return whether an address looks as if a program makes up more and more of them."""
    parts = urlsplit(url)
    segments = Counter(filter(None, parts.path.split("/")))
    return (
        segments.total() > _MAX_SEGMENTS
        or any(count > _MAX_REPETITIONS for count in segments.values())
        or parts.query.count("&") >= _MAX_PARAMETERS
    )


@dataclass(frozen=True)
class Scope:
    """Hosts, with their ports, and beginnings of paths that a crawl visits; no beginning: all paths."""

    netlocs: Collection[str]
    path_prefixes: Sequence[str] = ()

    def has_host(self, url: str) -> bool:
        """Return whether the host of a canonical address belongs to it."""
        return place_of(url).netloc in self.netlocs

    def has_path(self, url: str) -> bool:
        """Return whether the path of a canonical address belongs to it."""
        path = urlsplit(url).path
        return not self.path_prefixes or any(map(path.startswith, self.path_prefixes))


def _place(parts: SplitResult) -> Place | None:
    if parts.scheme not in _PORTS or not parts.hostname or "@" in parts.netloc:
        return None
    host = parts.hostname.rstrip(".").lower()
    if not host.isascii():
        host = host.encode("idna").decode()
    if ":" in host:
        host = f"[{host}]"
    if not _HOST.fullmatch(host):
        return None
    port = parts.port or _PORTS[parts.scheme]
    return Place(parts.scheme, host, port)


def _escaped(text: str) -> str:
    """Return a path or query whose escapes are uppercase, and only where they are needed."""
    plain = _ESCAPE.sub(_escape, text)
    return quote(plain, safe="/:@!$&'()*+,;=~?%-._[]|")


def _escape(match: re.Match[str]) -> str:
    character = chr(int(match[1], 16))
    return character if _UNRESERVED.fullmatch(character) else f"%{match[1].upper()}"
