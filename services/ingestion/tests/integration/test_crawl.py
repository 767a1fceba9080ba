"""The crawler against web sites on this machine, with the traps that sites have."""

import gzip
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from ratoon.jobs.v1.ingestion_jobs_pb2 import CrawlResult, CrawlSpec
from ratoon.storage.artifacts import ArtifactStore
from ratoon_ingestion.worker.crawl.crawl import Crawl, crawl
from ratoon_ingestion.worker.crawl.fetch import Fetcher
from ratoon_ingestion.worker.crawl.journal import Journal
from services.ingestion.tests.integration.web_site import HTML, Reply, Site, linked, served

AGENT = "ratoon-crawler/1.0 (+mailto:owner@example.org)"


@pytest.fixture
def store(tmp_path: Path) -> ArtifactStore:
    return ArtifactStore(str(tmp_path / "artifacts"))


def spec(*sites: Site, path: str = "/", **fields: object) -> CrawlSpec:
    defaults = {
        "max_pages": 100,
        "max_depth": 10,
        "max_page_bytes": 100_000,
        "max_total_bytes": 1 << 20,
        "max_seconds": 30,
        "user_agent": AGENT,
        "private_hosts": [site.netloc for site in sites],
        "start_urls": [sites[0].url(path)],
    }
    return CrawlSpec(**(defaults | fields))


def crawled(store: ArtifactStore, tmp_path: Path, chosen: CrawlSpec, name: str = "one") -> CrawlResult:
    return crawl(chosen, store, tmp_path / name, lambda *_, **__: None)


def rows(store: ArtifactStore, result: CrawlResult) -> list[dict]:
    if not result.pages_digest:
        return []
    return [json.loads(line) for line in store.read(result.pages_digest).splitlines()]


def stored_paths(store: ArtifactStore, result: CrawlResult) -> list[str]:
    return sorted("/" + row["url"].split("/", 3)[3] for row in rows(store, result))


def test_it_follows_links_within_the_host_and_says_who_it_is(store, tmp_path):
    pages = {
        "/": linked("/a", "b#part", "http://elsewhere.invalid/", "mailto:x@y"),
        "/a": linked("/"),
        "/b": linked(),
    }
    with served(pages) as site:
        result = crawled(store, tmp_path, spec(site))
    assert stored_paths(store, result) == ["/", "/a", "/b"]
    assert (result.page_count, result.stored_count, result.stopped_by) == (3, 3, "")
    assert {headers["user-agent"] for _, headers in site.requests} == {AGENT}
    (row,) = (row for row in rows(store, result) if row["url"].endswith("/a"))
    assert (row["title"], row["charset"], row["charset_from"]) == ("Title", "ascii", "ascii")
    assert "This page speaks of / in a few plain words." in row["text"]


def test_d18_robots_are_read_first_and_obeyed(store, tmp_path):
    pages = {
        "/robots.txt": Reply(b"\xef\xbb\xbfUser-agent: *\nDisallow: /private\nAllow: /private/open$\n"),
        "/": linked("/private/x", "/private/open", "/free"),
        "*": lambda _site, path, _headers: linked(text=f"Words of {path} that stand nowhere else."),
    }
    with served(pages) as site:
        result = crawled(store, tmp_path, spec(site))
    assert site.paths[0] == "/robots.txt"
    assert stored_paths(store, result) == ["/", "/free", "/private/open"]
    assert "/private/x" not in site.paths
    assert dict(result.refused_counts) == {"ROBOTS_DISALLOWED": 1}
    assert result.refusals[0].url == site.url("/private/x")


@pytest.mark.parametrize(
    ("robots", "is_visited"),
    [
        (Reply(b""), True),
        (Reply(b"<html>not found</html>", 404), True),
        (Reply(b"", 403), True),
        (Reply(b"", 301, {"Location": "/rules.txt"}), False),
        (Reply(b"", 301, {"Location": "/robots.txt"}), True),
    ],
)
def test_d19_what_an_answer_for_robots_means(store, tmp_path, robots, is_visited):
    pages = {"/robots.txt": robots, "/rules.txt": Reply(b"User-agent: *\nDisallow: /"), "/": linked()}
    with served(pages) as site:
        result = crawled(store, tmp_path, spec(site))
    assert ("/" in site.paths) is is_visited
    assert result.stored_count == is_visited


@pytest.mark.parametrize("status", [429, 500, 503])
def test_d19_a_host_that_does_not_say_what_is_allowed_is_not_visited_until_it_does(store, tmp_path, status):
    def robots(site: Site, _path: str, _headers: object) -> Reply:
        is_early = site.paths.count("/robots.txt") < 3
        return Reply(b"<html>User-agent: * Allow: /", status) if is_early else Reply(b"")

    with served({"/robots.txt": robots, "/": linked()}) as site:
        result = run_fast(store, tmp_path, spec(site))
    assert site.paths[:3] == ["/robots.txt"] * 3
    assert site.visited() == ["/"]
    assert result.counts[""] == 1


def test_d19_a_connection_that_breaks_is_no_answer(store, tmp_path):
    def robots(site: Site, _path: str, _headers: object) -> Reply:
        if site.paths.count("/robots.txt") < 3:
            raise ConnectionResetError
        return Reply(b"User-agent: *\nDisallow: /a")

    with served({"/robots.txt": robots, "/": linked("/a")}) as site:
        result = run_fast(store, tmp_path, spec(site))
    assert site.paths[:3] == ["/robots.txt"] * 3
    assert site.visited() == ["/"]
    assert result.counts[""] == 1


def test_d19_a_host_that_never_says_what_is_allowed_is_given_up(store, tmp_path):
    with served({"/robots.txt": Reply(b"", 503), "/": linked("/a")}) as site:
        result = run_fast(store, tmp_path, spec(site))
    assert site.visited() == []
    assert result.counts == {"ROBOTS_UNREACHABLE": 1}


def run_fast(store: ArtifactStore, tmp_path: Path, chosen: CrawlSpec) -> Crawl:
    """Crawl on a clock that waits do not take time on."""
    clock = [0.0]

    def pause(seconds: float) -> None:
        clock[0] += seconds

    fetcher = Fetcher(chosen.user_agent, chosen.private_hosts)
    running = Crawl(chosen, Journal(tmp_path / "fast"), {}, fetcher, lambda: clock[0], pause)
    running.run(lambda *_, **__: None)
    running.waited_s = clock[0]  # type: ignore[attr-defined]
    return running


def test_requests_to_one_host_keep_their_distance(store, tmp_path):
    with served({"/": linked("/a", "/b"), "/a": linked("1"), "/b": linked("2")}) as site:
        crawled(store, tmp_path, spec(site, delay_seconds=0.2, skip_sitemaps=True))
    gaps = [after - before for before, after in zip(site.times, site.times[1:], strict=False)]
    assert len(gaps) >= 3
    assert min(gaps) >= 0.19


def test_a_crawl_delay_takes_precedence(store, tmp_path):
    pages = {"/robots.txt": Reply(b"User-agent: *\nCrawl-delay: 7\n"), "/": linked("/a"), "/a": linked()}
    with served(pages) as site:
        running = run_fast(store, tmp_path, spec(site, skip_sitemaps=True, delay_seconds=1))
    assert running.waited_s == pytest.approx(14, abs=0.6)


def test_retry_after_is_obeyed(store, tmp_path):
    def busy(site: Site, path: str, _headers: object) -> Reply | str:
        return Reply(b"", 429, {"Retry-After": "120"}) if site.paths.count(path) < 2 else linked()

    with served({"/": busy}) as site:
        running = run_fast(store, tmp_path, spec(site, skip_sitemaps=True))
    assert running.counts[""] == 1
    assert running.waited_s >= 120


def test_a_host_that_stays_broken_is_not_asked_for_ever(store, tmp_path):
    with served({"/": Reply(b"", 502)}) as site:
        running = run_fast(store, tmp_path, spec(site, skip_sitemaps=True))
    assert running.counts == {"HTTP_502": 1}
    assert site.visited() == ["/"] * 4


def test_an_endless_calendar_ends(store, tmp_path):
    def calendar(_site: Site, path: str, _headers: object) -> str:
        month = int(path.partition("=")[2] or 0)
        return linked(f"/calendar?month={month + 1}", text=f"Nothing happens in the month number {month}.")

    with served({"*": calendar}) as site:
        deep = crawled(store, tmp_path, spec(site, path="/calendar", max_depth=5, skip_sitemaps=True), "deep")
        many = crawled(store, tmp_path, spec(site, path="/calendar", max_pages=3, skip_sitemaps=True), "many")
    assert (deep.page_count, dict(deep.refused_counts)) == (6, {"TOO_DEEP": 1})
    assert (many.page_count, many.stopped_by) == (3, "pages")


def test_paths_that_repeat_themselves_are_a_trap(store, tmp_path):
    def deeper(_site: Site, path: str, _headers: object) -> str:
        return linked(f"{path.rstrip('/')}/more/", text=f"A page at {path}, one of very many.")

    with served({"*": deeper}) as site:
        result = crawled(store, tmp_path, spec(site, max_depth=50, skip_sitemaps=True))
    assert result.page_count == 4
    assert dict(result.refused_counts) == {"TRAP": 1}


def test_redirects_are_checked_again_and_loops_end(store, tmp_path):
    hop = {f"/hop/{n}": Reply(b"", 302, {"Location": f"/hop/{n + 1}"}) for n in range(30)}
    pages = {
        "/robots.txt": Reply(b"User-agent: *\nDisallow: /secret\n"),
        "/": linked("/moved", "/loop", "/out", "/tosecret", "/hop/0"),
        "/moved": Reply(b"", 301, {"Location": "/target"}),
        "/target": linked("x", text="The page that has moved to another place."),
        "/loop": Reply(b"", 302, {"Location": "/loop2"}),
        "/loop2": Reply(b"", 302, {"Location": "/loop"}),
        "/out": Reply(b"", 302, {"Location": "http://169.254.169.254/latest/meta-data/"}),
        "/tosecret": Reply(b"", 302, {"Location": "/secret"}),
        "/secret": linked(text="Nobody may read this."),
        **hop,
    }
    with served(pages) as site:
        result = crawled(store, tmp_path, spec(site, skip_sitemaps=True))
    assert stored_paths(store, result) == ["/", "/target"]
    assert "/secret" not in site.paths
    counts = dict(result.refused_counts)
    assert counts.pop("REDIRECTED") == 15
    assert counts == {"OUT_OF_SCOPE": 1, "ROBOTS_DISALLOWED": 1, "TOO_MANY_REDIRECTS": 1, "NOT_FOUND": 1}


@pytest.mark.parametrize("name", ["127.0.0.1", "localhost"])
def test_private_addresses_are_refused_unless_the_operator_lists_the_host(store, tmp_path, name):
    with served({"/": linked()}) as site:
        url = f"http://{name}:{site.port}/"
        refused = crawled(store, tmp_path, spec(site, start_urls=[url], private_hosts=[]), "refused")
        listed = crawled(store, tmp_path, spec(site, start_urls=[url], private_hosts=[name]), "listed")
        assert site.visited() == ["/"]
    assert (refused.stored_count, listed.stored_count) == (0, 1)
    assert "private address" in refused.refusals[0].detail


def test_bombs_large_pages_and_other_types_are_counted(store, tmp_path):
    bomb = gzip.compress(b"<p>" + b"a" * 50_000_000)
    pages = {
        "/": linked("/bomb", "/large", "/image", "/pdf", "/brotli", "/cut", "/gzip", "/empty", "/binary"),
        "/bomb": Reply(bomb, headers={**HTML, "Content-Encoding": "gzip"}),
        "/large": Reply(b"x" * 200_000),
        "/image": Reply(b"\x89PNG", headers={"Content-Type": "image/png"}),
        "/pdf": Reply(b"%PDF-1.7", headers={"Content-Type": "application/pdf"}),
        "/brotli": Reply(b"?", headers={**HTML, "Content-Encoding": "br"}),
        "/cut": Reply(
            gzip.compress(linked("never").encode())[:-9], headers={**HTML, "Content-Encoding": "gzip"}
        ),
        "/gzip": Reply(
            gzip.compress(linked("packed").encode()), headers={**HTML, "Content-Encoding": "gzip"}
        ),
        "/empty": Reply(b"<html><body><script>x()</script></body></html>"),
        "/binary": Reply(b"\x7fELF\x02\x01\x01" + bytes(100)),
    }
    with served(pages) as site:
        result = run_fast(store, tmp_path, spec(site, skip_sitemaps=True))
    assert result.counts.pop("") == 2
    assert result.counts == {
        "TOO_LARGE": 2,
        "CONTENT_TYPE": 2,
        "CONTENT_ENCODING": 2,
        "NO_TEXT": 1,
        "NOT_TEXT": 1,
        "NOT_FOUND": 1,
    }


def test_a_page_that_drips_is_given_up(store, tmp_path):
    drip = Reply([b"<p>slow "] * 200, pause_s=0.05)
    with served({"/": linked("/drip", "/after"), "/drip": drip, "/after": linked("1")}) as site:
        chosen = spec(site, skip_sitemaps=True)
        running = Crawl(chosen, Journal(tmp_path / "drip"), {}, Fetcher(AGENT, chosen.private_hosts, 0.5))
        began = time.monotonic()
        running.run(lambda *_, **__: None)
    assert time.monotonic() - began < 5
    assert running.counts == {"": 2, "TIMEOUT": 1, "NOT_FOUND": 1}


def test_a_page_that_was_cut_is_not_stored(store, tmp_path):
    cut = Reply(b"<p>Only the beginning", headers={**HTML, "Content-Length": "500", "Connection": "close"})
    with served({"/": cut}) as site:
        running = run_fast(store, tmp_path, spec(site, skip_sitemaps=True))
    assert running.counts == {"UNREACHABLE": 1}


def test_the_time_and_the_bytes_of_a_crawl_are_bounded(store, tmp_path):
    with served(
        {"*": lambda _site, path, _headers: linked(f"{path}x", text=f"Page {path} says this.")}
    ) as site:
        slow = crawled(
            store, tmp_path, spec(site, max_seconds=1, delay_seconds=0.3, skip_sitemaps=True), "slow"
        )
        small = crawled(store, tmp_path, spec(site, max_total_bytes=500, skip_sitemaps=True), "small")
    assert (slow.stopped_by, small.stopped_by) == ("seconds", "bytes")
    assert 1 <= slow.page_count <= 4
    assert small.page_count == 2


def test_one_text_is_stored_once(store, tmp_path):
    own = '<link rel="canonical" href="/a">'
    pages = {
        "/": linked("/a", "/a?utm_source=x", "/copy", "/A/../a", "/%61", "/variant"),
        "/a": linked(text="The one and only text of this site, which stands here."),
        "/copy": linked(text="The one and only text of this site, which stands here."),
        "/variant": linked(text="Nearly the text of this site, with another greeting.", head=own),
    }
    with served(pages) as site:
        result = crawled(store, tmp_path, spec(site, skip_sitemaps=True))
    assert site.visited() == ["/", "/a", "/copy", "/variant"]
    assert stored_paths(store, result) == ["/", "/a"]
    assert dict(result.refused_counts) == {"DUPLICATE": 2}


def test_pages_that_ask_not_to_be_stored_or_followed_are_obeyed(store, tmp_path):
    pages = {
        "/": linked("/noindex", "/nofollow", "/header", "/reserved"),
        "/noindex": linked("/from-noindex", head='<meta name="ROBOTS" content="NoIndex">'),
        "/nofollow": linked("/hidden", head='<meta name="robots" content="nofollow">'),
        "/header": Reply(linked("h").encode(), headers={**HTML, "X-Robots-Tag": "noindex"}),
        "/reserved": linked("r", head='<meta name="tdm-reservation" content="1">'),
        "/from-noindex": linked(text="Linked from a page that is not stored."),
        "/hidden": linked("/y"),
    }
    with served(pages) as site:
        result = crawled(store, tmp_path, spec(site, skip_sitemaps=True))
    assert stored_paths(store, result) == ["/", "/from-noindex", "/nofollow"]
    assert "/hidden" not in site.paths
    assert result.refused_counts["NOINDEX"] == 2
    assert result.refused_counts["RIGHTS_RESERVED"] == 1


def test_sitemaps_lead_to_pages_without_links(store, tmp_path):
    def sitemaps(site: Site, path: str, _headers: object) -> Reply:
        index = f"<sitemapindex><sitemap><loc>{site.url('/sitemap-2.xml.gz')}</loc></sitemap></sitemapindex>"
        urls = "".join(
            f"<url><loc>{url}</loc></url>" for url in (site.url("/lonely"), "http://elsewhere.invalid/")
        )
        packed = gzip.compress(f"<?xml version='1.0'?><urlset>{urls}</urlset>".encode())
        return Reply(packed if "gz" in path else index.encode(), headers={"Content-Type": "application/xml"})

    bomb = (
        b'<!DOCTYPE x [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;&a;">]><urlset><url><loc>&b;</loc></url></urlset>'
    )
    pages = {
        "/robots.txt": lambda site, *_: Reply(f"Sitemap: {site.url('/sitemap-1.xml')}\n".encode()),
        "/sitemap-1.xml": sitemaps,
        "/sitemap-2.xml.gz": sitemaps,
        "/sitemap.xml": Reply(bomb, headers={"Content-Type": "application/xml"}),
        "/": linked(),
        "/lonely": linked("x", text="No page links to this one."),
    }
    with served(pages) as site:
        result = crawled(store, tmp_path, spec(site))
    assert "/lonely" in stored_paths(store, result)


def test_the_next_crawl_asks_for_changes_alone(store, tmp_path):
    texts = {
        "/a": "The first page as it was at the beginning.",
        "/b": "The second page, which never changes.",
    }

    def page(site: Site, path: str, headers: object) -> Reply:
        etag = f'"{hash(texts[path])}"'
        if headers.get("if-none-match") == etag:  # type: ignore[attr-defined]
            return Reply(b"", 304, {"ETag": etag})
        return Reply(linked(text=texts[path]).encode(), headers={**HTML, "ETag": etag})

    with served({"/": linked("/a", "/b"), "/a": page, "/b": page}) as site:
        first = crawled(store, tmp_path, spec(site, skip_sitemaps=True), "first")
        texts["/a"] = "The first page as it is today, which is new."
        chosen = spec(site, skip_sitemaps=True, previous_state=first.state_digest)
        second = crawled(store, tmp_path, chosen, "second")
        third_spec = spec(site, skip_sitemaps=True, previous_state=second.state_digest)
        third = crawled(store, tmp_path, third_spec, "third")
    assert (first.stored_count, second.stored_count, third.stored_count) == (3, 1, 0)
    assert (second.unchanged_count, third.unchanged_count, third.pages_digest) == (2, 3, "")
    assert [row["text"].split(" to 0")[0] for row in rows(store, second)] == [texts["/a"]]
    assert third.state_digest == second.state_digest


@pytest.mark.parametrize(
    ("body", "content_type", "text", "origin"),
    [
        ("<meta charset=iso-8859-1><p>Käse für Köln".encode("latin-1"), "text/html", "Käse für Köln", "meta"),
        (
            "<meta charset=utf-8><p>Käse für Köln".encode("cp1252"),
            "text/html; charset=windows-1252",
            "Käse für Köln",
            "header",
        ),
        ('<meta content="text/html; charset=gbk"><p>中文'.encode("gbk"), "text/html", "中文", "meta"),
        (
            b"\xef\xbb\xbf<p>" + "Köln ist schön".encode(),
            "text/html; charset=latin-1",
            "Köln ist schön",
            "byte order mark",
        ),
    ],
)
def test_d16_the_charset_is_the_declared_one(store, tmp_path, body, content_type, text, origin):
    with served({"/": Reply(body, headers={"Content-Type": content_type})}) as site:
        (row,) = rows(store, crawled(store, tmp_path, spec(site, skip_sitemaps=True)))
    assert (row["text"], row["charset_from"]) == (text, origin)


def test_prefixes_and_hosts_bound_a_crawl(store, tmp_path):
    with served({"*": linked(text="A page on the other host.")}) as other:
        pages = {
            "/docs/": linked("/docs/a", "/blog/b", other.url("/docs/c")),
            "/docs/a": linked("x", text="Within."),
            "/blog/b": linked("y", text="Without."),
        }
        with served(pages) as site:
            chosen = spec(
                site, other, path="/docs/", hosts=[other.netloc], path_prefixes=["/docs/"], skip_sitemaps=True
            )
            result = crawled(store, tmp_path, chosen)
    assert stored_paths(store, result) == ["/docs/", "/docs/a", "/docs/c"]


def test_a_crawl_that_is_killed_goes_on_where_it_was(store, tmp_path):
    """Killed twice, in the middle of writing; each page is stored once, and visited at most once more for each kill."""

    def page(_site: Site, path: str, _headers: object) -> str:
        number = int(path.strip("/") or 0)
        return linked(
            f"/{2 * number + 1}", f"/{2 * number + 2}", text=f"The text of page number {number}, no other."
        )

    with served({"*": page, "/robots.txt": Reply(b"")}) as site:
        chosen = spec(site, max_depth=4, skip_sitemaps=True)
        for kills in (5, 12):
            assert in_a_process(tmp_path, chosen, kills).returncode == -signal.SIGKILL
        with (tmp_path / "killed" / "pages.jsonl").open("ab") as pages:
            pages.write(b'{"id": "cut')
        result = crawl(chosen, store, tmp_path / "killed", lambda *_, **__: None)
    assert stored_paths(store, result) == sorted(f"/{n or ''}" for n in range(31))
    assert result.page_count == 31
    assert dict(result.refused_counts) == {"TOO_DEEP": 32}
    assert crawl(chosen, store, tmp_path / "killed", lambda *_, **__: None) == result
    assert len(site.visited()) <= 31 + 2
    assert [path.name for path in (tmp_path / "killed").iterdir()] == ["result.binpb"]


def in_a_process(tmp_path: Path, chosen: CrawlSpec, writes: int) -> subprocess.CompletedProcess[bytes]:
    """Crawl in a process that is killed within its n-th write to the pages, before the journal knows of it."""
    script = f"""
import os, signal, sys
from pathlib import Path
from ratoon.jobs.v1.ingestion_jobs_pb2 import CrawlSpec
from ratoon.storage.artifacts import ArtifactStore
from ratoon_ingestion.worker.crawl import crawl, journal
plain, left = journal._write, [{writes}]
def write(path, data):
    plain(path, data)
    if path.name == "pages.jsonl":
        left[0] -= 1
        if not left[0]:
            os.kill(os.getpid(), signal.SIGKILL)
journal._write = write
folder = Path(sys.argv[1])
chosen = CrawlSpec.FromString(bytes.fromhex(sys.argv[2]))
crawl.crawl(chosen, ArtifactStore(str(folder / "artifacts")), folder / "killed", lambda *_, **__: None)
"""
    command = [sys.executable, "-c", script, str(tmp_path), chosen.SerializeToString().hex()]
    return subprocess.run(command, env=dict(os.environ), capture_output=True, check=False)
