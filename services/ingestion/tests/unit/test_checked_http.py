"""Connections to addresses that were checked."""

import http.client
import http.server
import socket
import threading
from collections.abc import Iterator

import pytest

from ratoon_ingestion.worker.crawl.checked_http import AddressRefused, NameUnknown, address_of, connection


class Greeting(http.server.BaseHTTPRequestHandler):
    """Answers every request with its `Host`."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()
        self.wfile.write(self.headers["Host"].encode())

    def log_message(self, *_arguments: object) -> None:
        pass


@pytest.fixture
def port() -> Iterator[int]:
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Greeting) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield server.server_port
        server.shutdown()
        thread.join()


def resolving(monkeypatch: pytest.MonkeyPatch, *addresses: str) -> None:
    rows = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, 80)) for address in addresses]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: rows)


@pytest.mark.parametrize("private", ["127.0.0.1", "10.0.0.1", "169.254.169.254", "::ffff:192.168.0.1"])
def test_a_host_with_a_private_address_is_refused_whatever_its_other_addresses_are(monkeypatch, private):
    resolving(monkeypatch, "93.184.216.34", private)
    with pytest.raises(AddressRefused, match="private address"):
        address_of("rebinding.test", 80)
    assert address_of("rebinding.test", 80, is_private_allowed=True) == "93.184.216.34"


def test_a_name_that_does_not_resolve_is_said_to_be_unknown(monkeypatch):
    def unknown(*_arguments: object, **_named: object) -> None:
        raise socket.gaierror

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    with pytest.raises(NameUnknown):
        address_of("unknown.test", 80)


def test_the_checked_address_is_connected_to_and_the_name_is_sent(port):
    opened = connection("http", "name.test", port, "127.0.0.1", 5.0)
    opened.request("GET", "/")
    assert opened.getresponse().read() == f"name.test:{port}".encode()
    opened.close()


def test_a_connection_is_ended_from_another_thread():
    with socket.create_server(("127.0.0.1", 0)) as silent:
        opened = connection("http", "name.test", silent.getsockname()[1], "127.0.0.1", 30.0)
        opened.request("GET", "/")
        timer = threading.Timer(0.1, opened.abort)
        timer.start()
        with pytest.raises((OSError, http.client.HTTPException)):
            opened.getresponse()
        opened.close()
        timer.join()
