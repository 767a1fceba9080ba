"""The crawl: one page after another, host by host in turn, until no page or no time is left.

Its state is what the journal says: `Crawl.apply` is the only place that changes it, for entries that are new and for
those that are replayed after a kill.
"""

import time
from collections import Counter, deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from itertools import islice
from pathlib import Path
from typing import Any

from ratoon.ingestion.v1.crawl_pb2 import Crawl as CrawlMessage
from ratoon.jobs.v1.ingestion_jobs_pb2 import CrawlResult, CrawlSpec
from ratoon.process.backoff import Backoff
from ratoon.process.files import replace_file
from ratoon.storage.artifacts import ArtifactStore
from ratoon_ingestion.worker.crawl import state, urls
from ratoon_ingestion.worker.crawl.fetch import Answer, Fetcher, FetchFailed
from ratoon_ingestion.worker.crawl.journal import Entry, Journal
from ratoon_ingestion.worker.crawl.pages import Page, is_readable, read_page
from ratoon_ingestion.worker.crawl.robots import RobotsUnreachable, Rules, read_rules
from ratoon_ingestion.worker.crawl.sitemaps import MAX_BYTES as SITEMAP_BYTES
from ratoon_ingestion.worker.crawl.sitemaps import read_sitemap
from ratoon_ingestion.worker.crawl.state import Visited
from ratoon_ingestion.worker.curate import Progress

_BACKOFF = Backoff(1.0, 60.0)
_ATTEMPTS = 4
_MAX_RETRY_AFTER_S = 3_600.0
_MAX_HOPS = 10
_MAX_SITEMAPS = 50
_REDIRECTS = (301, 302, 303, 307, 308)
_PASSING = (408, 425, 429, 500, 502, 503, 504)
_STATUS_REASONS = {401: "FORBIDDEN", 403: "FORBIDDEN", 404: "NOT_FOUND", 410: "NOT_FOUND", 451: "FORBIDDEN"}
_STORED, _UNCHANGED = "", "UNCHANGED"
_EXAMPLES = 20
_SEEN_FACTOR, _MIN_SEEN = 20, 10_000
"""Addresses that are remembered for each page that may be requested, and at least: further links are not followed."""
_SLICE_S = 0.5
"""Seconds of waiting after which a request to stop is noticed."""


@dataclass(frozen=True)
class Candidate:
    """A page to visit: links and redirects that led to it."""

    url: str
    depth: int = 0
    hops: int = 0


@dataclass
class Host:
    """Earliest time of the next request to a host, whatever its scheme and port."""

    ready_at: float = 0.0


@dataclass
class Site:
    """Scheme, host and port: its pages to visit and its rules."""

    place: urls.Place
    host: Host
    queue: deque[Candidate] = field(default_factory=deque)
    sitemaps: deque[str] = field(default_factory=deque)
    sitemap_count: int = 0
    rules: Rules | None = None
    failures: int = 0
    """Failures in a row, of `robots.txt` or of the page at the head of the queue."""


class Crawl:
    """One crawl. Times are seconds of `now`."""

    def __init__(
        self,
        spec: CrawlSpec,
        journal: Journal,
        previous: Mapping[str, Visited],
        fetcher: Fetcher,
        now: Callable[[], float] = time.monotonic,
        pause: Callable[[float], None] = time.sleep,
    ) -> None:
        self._spec, self._journal, self._previous, self._fetcher = spec, journal, previous, fetcher
        self._now, self._pause = now, pause
        starts = [url for each in spec.start_urls if (url := urls.canonical(each)) is not None]
        named = filter(None, (urls.canonical(f"http://{host}/") for host in spec.hosts))
        hosts = {urls.place_of(url).netloc for url in (*starts, *named)}
        self._scope = urls.Scope(hosts, tuple(spec.path_prefixes))
        self._max_seen = _SEEN_FACTOR * spec.max_pages + _MIN_SEEN
        self._agent = spec.user_agent.partition("/")[0]
        self._sites: dict[str, Site] = {}
        self._hosts: dict[str, Host] = {}
        self._seen: set[str] = set()
        self._texts: dict[str, str] = {}
        """Address by the digest of the text that is stored from it."""
        self.visited: dict[str, Visited] = dict(previous)
        self.counts: Counter[str] = Counter()
        self.refusals: list[CrawlMessage.Refusal] = []
        self.page_count = 0
        self.stopped_by = ""
        for url in starts:
            self._enqueue(Candidate(url), is_start=True)
        for entry in journal.replay():
            self.apply(entry)

    def run(self, report: Progress) -> None:
        """Visit pages until none is left, or a bound is reached."""
        while (site := self._next_site()) is not None:
            self.stopped_by = self._bound()
            if self.stopped_by:
                return
            self._report(report)
            if site.host.ready_at > self._now():
                self._pause(min(_SLICE_S, site.host.ready_at - self._now()))
            else:
                self._advance(site)

    def apply(self, entry: Entry) -> None:
        """Change the state as an entry of the journal says."""
        if "sitemap" in entry:
            for url in entry["links"]:
                self._enqueue(Candidate(url))
            return
        url, reason = entry["url"], entry["reason"]
        self._seen.add(url)
        site = self._site(url)
        if site.queue and site.queue[0].url == url:
            site.queue.popleft()
        elif candidate := next((each for each in site.queue if each.url == url), None):
            site.queue.remove(candidate)
        self.page_count += entry.get("requested", 1)
        self._count(url, reason, entry.get("detail", ""))
        if "visited" in entry:
            visited = Visited.from_json(entry["visited"])
            self.visited[url] = visited
            self._texts.setdefault(visited.digest, url)
        elif reason == "NOT_FOUND":
            self.visited.pop(url, None)
        for link in entry.get("links", ()):
            self._enqueue(Candidate(link, entry["depth"] + 1))
        if target := entry.get("target"):
            self._enqueue(Candidate(target, entry["depth"], entry["hops"] + 1))

    def _site(self, url: str) -> Site:
        place = urls.place_of(url)
        if (site := self._sites.get(place.origin)) is None:
            host = self._hosts.setdefault(place.host, Host())
            site = self._sites[place.origin] = Site(place, host)
        return site

    def _enqueue(self, candidate: Candidate, is_start: bool = False) -> None:
        url = candidate.url
        if url in self._seen or not self._scope.has_host(url):
            return
        if not (is_start or self._scope.has_path(url)) or len(self._seen) >= self._max_seen:
            return
        self._seen.add(url)
        if candidate.depth > self._spec.max_depth:
            self._count(url, "TOO_DEEP")
        elif urls.is_trap(url):
            self._count(url, "TRAP")
        elif candidate.hops > _MAX_HOPS:
            self._count(url, "TOO_MANY_REDIRECTS")
        else:
            self._site(url).queue.append(candidate)

    def _count(self, url: str, reason: str, detail: str = "") -> None:
        self.counts[reason] += 1
        is_example = reason not in (_STORED, _UNCHANGED, "REDIRECTED")
        if is_example and len(self.refusals) < _EXAMPLES:
            self.refusals.append(CrawlMessage.Refusal(url=url[:500], reason=reason, detail=detail[:200]))

    def _next_site(self) -> Site | None:
        """Return the site with work whose next request may come first."""
        waiting = (site for site in self._sites.values() if site.queue or site.sitemaps)
        return min(waiting, key=lambda site: site.host.ready_at, default=None)

    def _bound(self) -> str:
        if self.page_count >= self._spec.max_pages:
            return "pages"
        if time.time() - self._journal.begun_time >= self._spec.max_seconds:
            return "seconds"
        return "bytes" if self._journal.size >= self._spec.max_total_bytes else ""

    def _report(self, report: Progress) -> None:
        done, limit = self.page_count, self._spec.max_pages
        waiting = sum(len(site.queue) for site in self._sites.values())
        total = min(limit, done + waiting)
        report(0.95 * done / max(1, total), "Visiting pages", done=done, total=total, unit="pages")

    def _advance(self, site: Site) -> None:
        """Make one request to a site."""
        if site.rules is None:
            self._read_rules(site)
        elif site.sitemaps:
            self._read_sitemap(site)
        else:
            self._visit(site, site.rules)

    def _read_rules(self, site: Site) -> None:
        try:
            site.rules = read_rules(site.place, self._fetcher, self._agent)
        except RobotsUnreachable as error:
            self._defer(site, error.retry_after)
            if site.failures >= _ATTEMPTS:
                self._give_up(site, str(error))
            return
        site.failures = 0
        self._wait(site)
        if not self._spec.skip_sitemaps:
            site.sitemaps.extend(dict.fromkeys((*site.rules.sitemaps, f"{site.place.origin}/sitemap.xml")))

    def _give_up(self, site: Site, detail: str) -> None:
        for candidate in list(site.queue):
            self._done(candidate, "ROBOTS_UNREACHABLE", detail, requested=0)

    def _read_sitemap(self, site: Site) -> None:
        url = site.sitemaps.popleft()
        self._wait(site)
        if not self._scope.has_host(url):
            return
        site.sitemap_count += 1
        try:
            answer = self._fetcher.get(url, SITEMAP_BYTES, lambda each: each.status == 200)
        except FetchFailed:
            return
        if answer.status != 200:
            return
        sitemap = read_sitemap(answer.body, url)
        within = (each for each in sitemap.pages if self._scope.has_host(each) and self._scope.has_path(each))
        links = list(islice((each for each in within if each not in self._seen), self._spec.max_pages))
        entry = {"sitemap": url, "links": links}
        self._journal.add(entry)
        self.apply(entry)
        capacity = max(0, _MAX_SITEMAPS - site.sitemap_count - len(site.sitemaps))
        site.sitemaps.extend(sitemap.sitemaps[:capacity])

    def _visit(self, site: Site, rules: Rules) -> None:
        candidate = site.queue[0]
        if not rules.allows(candidate.url):
            self._done(candidate, "ROBOTS_DISALLOWED", "robots.txt disallows it", requested=0)
            return
        before = self._previous.get(candidate.url)
        try:
            answer = self._fetcher.get(
                candidate.url,
                self._spec.max_page_bytes,
                lambda each: each.status == 200 and is_readable(each),
                {} if before is None else before.conditions,
            )
        except FetchFailed as error:
            if error.is_passing and self._is_repeated(site):
                return
            self._wait(site)
            self._done(candidate, error.reason, error.detail)
            return
        if answer.status in _PASSING and self._is_repeated(site, answer.headers.get("retry-after", "")):
            return
        self._wait(site)
        self._store(candidate, answer, before)

    def _is_repeated(self, site: Site, retry_after: str = "") -> bool:
        """Return whether the page at the head of the queue is tried again later."""
        if site.failures + 1 >= _ATTEMPTS:
            return False
        self._defer(site, retry_after)
        return True

    def _defer(self, site: Site, retry_after: str = "") -> None:
        site.failures += 1
        requested_s = min(_seconds(retry_after), _MAX_RETRY_AFTER_S)
        site.host.ready_at = self._now() + max(
            requested_s, _BACKOFF.delay_s(site.failures), self._spec.delay_seconds
        )

    def _wait(self, site: Site) -> None:
        """Let the next request to a site come after its delay."""
        stated = 0.0 if site.rules is None else site.rules.delay_s
        site.host.ready_at = self._now() + max(self._spec.delay_seconds, stated)

    def _store(self, candidate: Candidate, answer: Answer, before: Visited | None) -> None:
        """Decide what an answer means."""
        if answer.status == 304 and before is not None:
            self._done(candidate, _UNCHANGED, visited=before, links=before.links)
        elif answer.status in _REDIRECTS:
            target = urls.canonical(answer.headers.get("location", ""), candidate.url)
            self._redirected(candidate, target)
        elif answer.status != 200:
            reason = _STATUS_REASONS.get(answer.status, f"HTTP_{answer.status}")
            self._done(candidate, reason, f"status {answer.status}")
        elif not is_readable(answer):
            self._done(candidate, "CONTENT_TYPE", answer.content_type[:80] or "no content type")
        else:
            self._read(candidate, answer, read_page(answer, candidate.url), before)

    def _redirected(self, candidate: Candidate, target: str | None) -> None:
        if target is None or not self._scope.has_host(target):
            self._done(candidate, "OUT_OF_SCOPE", f"it redirects to {target or 'no page'}")
        elif target in self._seen:
            self._done(candidate, "REDIRECTED", target)
        else:
            self._done(candidate, "REDIRECTED", target, target=target)

    def _read(self, candidate: Candidate, answer: Answer, page: Page, before: Visited | None) -> None:
        links = [each for each in page.links if self._scope.has_host(each) and self._scope.has_path(each)]
        if page.refused is not None:
            self._done(candidate, *page.refused, links=links)
            return
        visited = Visited.of(answer, page.digest, links)
        if before is not None and before.digest == page.digest:
            self._done(candidate, _UNCHANGED, visited=visited, links=links)
        elif page.digest in self._texts:
            detail = f"its text is that of {self._texts[page.digest]}"
            self._done(candidate, "DUPLICATE", detail, links=links)
        elif (own := page.canonical) and own != candidate.url and own in self.visited and own in self._seen:
            self._done(candidate, "DUPLICATE", f"it names {own} as its own address", links=links)
        else:
            row = _row(candidate.url, answer, page)
            self._done(candidate, _STORED, visited=visited, links=links, row=row)

    def _done(
        self,
        candidate: Candidate,
        reason: str,
        detail: str = "",
        *,
        requested: int = 1,
        visited: Visited | None = None,
        links: "list[str] | tuple[str, ...]" = (),
        target: str = "",
        row: dict[str, Any] | None = None,
    ) -> None:
        """Write down that a page is done, and go on from there."""
        capacity = max(0, self._max_seen - len(self._seen))
        new = [each for each in dict.fromkeys(links) if each not in self._seen][:capacity]
        entry: dict[str, Any] = {
            "url": candidate.url,
            "depth": candidate.depth,
            "hops": candidate.hops,
            "reason": reason,
            "detail": detail,
            "requested": requested,
            "links": new,
        }
        if visited is not None:
            entry["visited"] = visited.to_json()
        if target:
            entry["target"] = target
        self._journal.add(entry, row)
        self._site(candidate.url).failures = 0
        self.apply(entry)


def crawl(spec: CrawlSpec, store: ArtifactStore, folder: Path, report: Progress) -> CrawlResult:
    """Crawl, and store the pages and the state for the next crawl; a crawl that was killed goes on in its directory.

    Once the pages are in the store, the directory holds the result alone: an erasure does not search it.
    """
    finished = folder / "result.binpb"
    if not finished.exists():
        result = _crawled(spec, store, folder, report)
        replace_file(finished, result.SerializeToString())
    for path in folder.iterdir():
        if path != finished:
            path.unlink()
    return CrawlResult.FromString(finished.read_bytes())


def _crawled(spec: CrawlSpec, store: ArtifactStore, folder: Path, report: Progress) -> CrawlResult:
    previous: dict[str, Visited] = {}
    if spec.previous_state:
        with store.open(spec.previous_state) as stream:
            previous = state.read(stream)
    journal = Journal(folder)
    running = Crawl(spec, journal, previous, Fetcher(spec.user_agent, spec.private_hosts))
    running.run(report)
    counts = Counter(running.counts)
    stored, unchanged = counts.pop(_STORED, 0), counts.pop(_UNCHANGED, 0)
    report(0.97, "Storing the pages", done=running.page_count, total=running.page_count, unit="pages")
    return CrawlResult(
        pages_digest=store.put_file(journal.pages_path) if stored else "",
        state_digest=store.put_bytes(state.written(running.visited)),
        page_count=running.page_count,
        stored_count=stored,
        unchanged_count=unchanged,
        refused_counts=counts,
        refusals=running.refusals,
        stopped_by=running.stopped_by,
    )


def _row(url: str, answer: Answer, page: Page) -> dict[str, Any]:
    """Return the row of a page in the source."""
    return {
        "id": url,
        "text": page.text,
        "time": datetime.now(UTC).isoformat(timespec="seconds"),
        "url": url,
        "host": urls.place_of(url).netloc,
        "title": page.title or None,
        "last_modified": answer.headers.get("last-modified") or None,
        "content_type": answer.content_type,
        "charset": page.charset,
        "charset_from": page.charset_from,
        "charset_replaced": str(page.replaced_count) if page.replaced_count else None,
    }


def _seconds(retry_after: str) -> float:
    """Return the seconds of a `Retry-After`; 0 without a valid one."""
    try:
        return max(0.0, float(retry_after))
    except ValueError:
        pass
    try:
        return max(0.0, parsedate_to_datetime(retry_after).timestamp() - time.time())
    except (ValueError, TypeError):
        return 0.0
