"""`robots.txt` of one host, as RFC 9309 has it: which pages may be visited, how often, and where the sitemaps are."""

import codecs
from dataclasses import dataclass

from protego import Protego

from ratoon_ingestion.worker.crawl.fetch import Answer, Fetcher, FetchFailed
from ratoon_ingestion.worker.crawl.urls import Place, canonical

MAX_BYTES = 500 << 10
_MAX_REDIRECTS = 5
_REDIRECTS = (301, 302, 303, 307, 308)
_MAX_SITEMAPS = 20


class RobotsUnreachable(Exception):
    """The host does not say what may be visited: nothing may, until it answers."""

    def __init__(self, message: str, retry_after: str = "") -> None:
        super().__init__(message)
        self.retry_after = retry_after


@dataclass(frozen=True)
class Rules:
    """Rules of a host for one crawler; without a text everything may be visited."""

    text: Protego | None
    agent: str

    def allows(self, url: str) -> bool:
        """Return whether a page may be visited."""
        return self.text is None or bool(self.text.can_fetch(url, self.agent))

    @property
    def delay_s(self) -> float:
        """Return the seconds between two requests that the host asks for; 0: it does not."""
        return 0.0 if self.text is None else float(self.text.crawl_delay(self.agent) or 0.0)

    @property
    def sitemaps(self) -> list[str]:
        """Return the addresses of the sitemaps that it names."""
        named = [] if self.text is None else list(self.text.sitemaps)[:_MAX_SITEMAPS]
        return [url for each in named if (url := canonical(each)) is not None]


def read_rules(place: Place, fetcher: Fetcher, agent: str) -> Rules:
    """Return the rules of a host; RobotsUnreachable if it gives no certain answer.

    Without a file (4xx) everything may be visited; after 429, 5xx or silence nothing. Redirects are followed.
    """
    answer = _answer(f"{place.origin}/robots.txt", fetcher)
    if answer.status == 200:
        return parsed(answer.body, agent)
    if 400 <= answer.status < 500 and answer.status != 429:
        return Rules(None, agent)
    raise RobotsUnreachable(
        f"robots.txt answers with status {answer.status}", answer.headers.get("retry-after", "")
    )


def parsed(content: bytes, agent: str) -> Rules:
    """Return the rules in a file."""
    text = content.removeprefix(codecs.BOM_UTF8).decode("utf-8", errors="replace")
    return Rules(Protego.parse(text), agent)


def _answer(url: str, fetcher: Fetcher) -> Answer:
    for _ in range(_MAX_REDIRECTS + 1):
        try:
            answer = fetcher.get(url, MAX_BYTES, lambda each: each.status == 200)
        except FetchFailed as error:
            raise RobotsUnreachable(f"robots.txt cannot be read: {error.detail}") from error
        if answer.status not in _REDIRECTS:
            return answer
        if (target := canonical(answer.headers.get("location", ""), url)) is None:
            break
        url = target
    return Answer(404, {})
