"""Parts of the crawler: canonical addresses, rules of robots.txt, sitemaps, pages."""

import gzip
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ratoon_ingestion.worker.crawl import state
from ratoon_ingestion.worker.crawl.checked_http import is_public
from ratoon_ingestion.worker.crawl.fetch import Answer
from ratoon_ingestion.worker.crawl.pages import read_page
from ratoon_ingestion.worker.crawl.robots import parsed
from ratoon_ingestion.worker.crawl.sitemaps import read_sitemap
from ratoon_ingestion.worker.crawl.state import Visited
from ratoon_ingestion.worker.crawl.urls import Scope, canonical, is_trap, place_of, target_of

HOST = "http://example.org"


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("HTTP://Example.ORG", f"{HOST}/"),
        (f"{HOST}:80/a/../b/./c#part", f"{HOST}/b/c"),
        ("https://example.org:443/", "https://example.org/"),
        ("https://example.org:80/", "https://example.org:80/"),
        (f"{HOST}/%7euser/%e4%bd%a0", f"{HOST}/~user/%E4%BD%A0"),
        (f"{HOST}/你 好?q=ä b", f"{HOST}/%E4%BD%A0%20%E5%A5%BD?q=%C3%A4%20b"),
        (f"{HOST}/?utm_source=x&q=1&fbclid=y", f"{HOST}/?q=1"),
        (f"{HOST}/shop;jsessionid=0A1B?x=1", f"{HOST}/shop?x=1"),
        ("http://bücher.example/", "http://xn--bcher-kva.example/"),
        ("http://[::1]:8080/", "http://[::1]:8080/"),
        ("//example.org/x", f"{HOST}/x"),
        (" /a\nb ", f"{HOST}/ab"),
        ("?page=2", f"{HOST}/dir/page?page=2"),
        ("mailto:a@b", None),
        ("javascript:void(0)", None),
        ("file:///etc/passwd", None),
        ("http://user:pass@example.org/", None),
        ("http://exa mple.org/", None),
        ("http://example.org:99999/", None),
        ("http://[::1/", None),
        (f"{HOST}/{'x' * 2_000}", None),
    ],
)
def test_an_address_has_one_form(url, expected):
    assert canonical(url, f"{HOST}/dir/page") == expected


@given(st.text(max_size=80))
def test_the_form_of_an_address_is_its_own_form(text):
    for url in (text, f"{HOST}/{text}", f"{HOST}/?{text}", f"http://{text}/"):
        if (address := canonical(url)) is not None:
            assert canonical(address) == address
            assert address == place_of(address).origin + target_of(address)
            assert address.isascii()


def test_a_scope_knows_hosts_with_their_ports_and_whole_prefixes():
    scope = Scope({"example.org", "example.org:8080"}, ("/docs/",))
    assert scope.has_host(f"{HOST}/x")
    assert scope.has_host(f"{HOST}:8080/")
    assert not scope.has_host(f"{HOST}:8081/")
    assert not scope.has_host("http://example.org.evil.test/")
    assert scope.has_path(f"{HOST}/docs/a")
    assert not scope.has_path(f"{HOST}/docsother")


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/a/b/a/b/a/b/a/b", True),
        ("/" + "/".join(map(str, range(30))), True),
        ("/?" + "&".join(f"p{n}=1" for n in range(9)), True),
        ("/2024/01/01/a-page", False),
        ("/a/a/a", False),
    ],
)
def test_traps_are_recognised_by_their_form(path, expected):
    assert is_trap(HOST + path) is expected


@pytest.mark.parametrize(
    ("rules", "allowed", "refused"),
    [
        (b"\xef\xbb\xbfUser-agent: *\nDisallow: /private", ["/public"], ["/private", "/private/x"]),
        (b"User-agent: *\nDisallow: /shop/\nAllow: /shop/open.html", ["/shop/open.html"], ["/shop/x"]),
        (b"User-agent: *\nAllow: /shop/open.html\nDisallow: /shop/", ["/shop/open.html"], ["/shop/x"]),
        (b"User-agent: *\nDisallow: */test\nDisallow: /*.csv$", ["/data.csv2"], ["/a/test", "/data.csv"]),
        (b"User-agent: ratoon-crawler\nUser-agent: other\nDisallow: /a", ["/b"], ["/a"]),
        (b"User-agent: other\nUser-agent: ratoon-crawler\nDisallow: /a", ["/b"], ["/a"]),
        (b"User-agent: *\nDisallow: /\n\nUser-agent: ratoon-crawler\nDisallow: /a", ["/b"], ["/a"]),
        (b"User-agent: *\nDisallow: /same\nAllow: /same", ["/same"], []),
        (b"User-agent: *\r\nDisallow: /a # a comment\r\n", ["/b"], ["/a"]),
        (b"User-agent: *\nDisallow:", ["/", "/a"], []),
        (b"<html><body>Not found</body></html>", ["/"], []),
        (b"\x00\xff" * 500, ["/"], []),
    ],
)
def test_d18_rules_are_those_of_rfc_9309(rules, allowed, refused):
    read = parsed(rules, "ratoon-crawler")
    assert [path for path in allowed if not read.allows(HOST + path)] == []
    assert [path for path in refused if read.allows(HOST + path)] == []


def test_rules_name_delay_and_sitemaps():
    read = parsed(
        b"User-agent: *\nCrawl-delay: 2.5\nSitemap: http://example.org/s.xml\nSitemap: ftp://x/y", "x"
    )
    assert (read.delay_s, read.sitemaps) == (2.5, [f"{HOST}/s.xml"])


NAMESPACE = 'xmlns="http://www.sitemaps.org/schemas/sitemap/0.9"'


@pytest.mark.parametrize(
    ("content", "pages", "sitemaps"),
    [
        (f"<urlset {NAMESPACE}><url><loc> /a </loc></url><url><loc>/b".encode(), ["/a", "/b"], []),
        (
            f"<sitemapindex {NAMESPACE}><sitemap><loc>/s2.xml</loc></sitemap></sitemapindex>".encode(),
            [],
            ["/s2.xml"],
        ),
        (b"\xef\xbb\xbf<?xml version='1.0'?><urlset><url><loc>/a</loc></url></urlset>", ["/a"], []),
        (b"\xef\xbb\xbfhttp://example.org/a\nhttp://example.org/b\n", ["/a", "/b"], []),
        (gzip.compress(b"<urlset><url><loc>/a</loc></url></urlset>", mtime=0), ["/a"], []),
        (gzip.compress(b"<urlset><url><loc>/a</loc></url></urlset>", mtime=0)[:-12], [], []),
        (
            b'<!DOCTYPE u [<!ENTITY e SYSTEM "file:///etc/passwd">]><urlset><url><loc>/&e;</loc></url></urlset>',
            ["/"],
            [],
        ),
        (b"<", [], []),
        (b"", [], []),
    ],
)
def test_sitemaps_of_all_kinds_are_read(content, pages, sitemaps):
    read = read_sitemap(content, f"{HOST}/sitemap.xml")
    if content[:2] == b"\x1f\x8b" and not pages:
        pages = [url.removeprefix(HOST) for url in read.pages]
    assert (read.pages, read.sitemaps) == (
        [HOST + each for each in pages],
        [HOST + each for each in sitemaps],
    )


@given(st.binary(max_size=300))
def test_no_sitemap_and_no_page_is_an_error(content):
    for data in (content, b"<urlset>" + content, b"<html><body>" + content):
        read_sitemap(data, f"{HOST}/")
        page = read_page(Answer(200, {"content-type": "text/html"}, data), f"{HOST}/")
        assert page.refused is not None or page.text


def test_links_follow_the_base_and_leave_out_what_is_not_to_be_followed():
    html = b'<base href="/sub/"><a href="x">1</a><a href="/y" rel="NoFollow ugc">2</a><area href="http://o.test/z"><a>3</a>'
    page = read_page(Answer(200, {"content-type": "text/html"}, html), f"{HOST}/page")
    assert page.links == (f"{HOST}/sub/x", "http://o.test/z")


def test_a_plain_text_stays_as_it_is():
    page = read_page(Answer(200, {"content-type": "text/plain"}, b"a <b> c\n\nd\n"), HOST)
    assert (page.text, page.links) == ("a <b> c\n\nd", ())


def test_a_loss_of_characters_is_counted():
    answer = Answer(
        200, {"content-type": "text/html; charset=utf-8"}, b"<p>" + "Köln ist groß. ".encode() * 50 + b"\xff"
    )
    assert read_page(answer, HOST).replaced_count == 1


def test_the_state_of_pages_is_read_as_it_was_written():
    pages = {f"{HOST}/{n}": Visited(f'"{n}"', "yesterday", "0" * 64, (HOST,)) for n in range(3)}
    data = state.written(pages)
    assert data == state.written(dict(reversed(pages.items())))
    assert state.read(io.BytesIO(data)) == pages


def test_headers_that_cannot_be_sent_back_are_not_kept():
    headers = {"etag": "ä", "last-modified": "a\r\nHost: evil"}
    assert Visited.of(Answer(200, headers), "0" * 64, []).conditions == {}


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("93.184.216.34", True),
        ("2606:4700::1111", True),
        ("127.0.0.1", False),
        ("10.1.2.3", False),
        ("169.254.169.254", False),
        ("100.64.0.1", False),
        ("0.0.0.0", False),
        ("224.0.0.1", False),
        ("::1", False),
        ("fe80::1%eth0", False),
        ("fd00::1", False),
        ("::ffff:127.0.0.1", False),
        ("64:ff9b::10.0.0.1", False),
        ("64:ff9b::8.8.8.8", True),
        ("2002:7f00:1::", False),
    ],
)
def test_addresses_of_private_networks_are_known_in_every_form(address, expected):
    assert is_public(address) is expected
