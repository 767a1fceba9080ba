"""A web site of a test: pages by path, on a loopback port, with a log of its requests."""

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

HTML = {"Content-Type": "text/html; charset=utf-8"}


@dataclass
class Reply:
    """One answer; a body of several parts is sent with `pause_s` between them."""

    body: bytes | list[bytes] = b""
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=lambda: dict(HTML))
    pause_s: float = 0.0


Page = Reply | str | Callable[["Site", str, Mapping[str, str]], Reply | str]


@dataclass
class Site:
    """Pages by path, with the query; `*` answers every other path."""

    pages: dict[str, Page]
    port: int = 0
    requests: list[tuple[str, Mapping[str, str]]] = field(default_factory=list)
    times: list[float] = field(default_factory=list)

    @property
    def netloc(self) -> str:
        return f"127.0.0.1:{self.port}"

    def url(self, path: str = "/") -> str:
        return f"http://{self.netloc}{path}"

    @property
    def paths(self) -> list[str]:
        return [path for path, _ in self.requests]

    def visited(self) -> list[str]:
        """Paths of pages, without robots.txt and sitemaps."""
        return [path for path in self.paths if not path.startswith(("/robots.txt", "/sitemap"))]

    def reply(self, path: str, headers: Mapping[str, str]) -> Reply:
        page = self.pages.get(path, self.pages.get("*", Reply(b"not here", 404)))
        if callable(page) and not isinstance(page, Reply):
            page = page(self, path, headers)
        return Reply(page.encode()) if isinstance(page, str) else page


def linked(*links: str, text: str = "", head: str = "") -> str:
    """A page with a text of its own and links."""
    anchors = " ".join(f'<a href="{link}">to {number}</a>' for number, link in enumerate(links))
    words = (
        text or f"This page speaks of {' and '.join(links) or 'nothing else at all'} in a few plain words."
    )
    return f"<html><head><title>Title</title>{head}</head><body><main><p>{words}</p></main>{anchors}</body></html>"


@contextmanager
def served(pages: dict[str, Page]) -> Iterator[Site]:
    """Serve a site until the block ends."""
    site = Site(pages)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            site.requests.append((self.path, {name.lower(): value for name, value in self.headers.items()}))
            site.times.append(time.monotonic())
            reply = site.reply(self.path, site.requests[-1][1])
            parts = [reply.body] if isinstance(reply.body, bytes) else reply.body
            self.send_response(reply.status)
            for name, value in reply.headers.items():
                self.send_header(name, value)
            if reply.status != 304 and "Content-Length" not in reply.headers:
                self.send_header("Content-Length", str(sum(map(len, parts))))
            self.end_headers()
            with suppress(OSError):
                for part in parts:
                    self.wfile.write(part)
                    self.wfile.flush()
                    if reply.pause_s:
                        time.sleep(reply.pause_s)

        def log_message(self, *_arguments: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    site.port = server.server_port
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield site
    finally:
        server.shutdown()
        server.server_close()
