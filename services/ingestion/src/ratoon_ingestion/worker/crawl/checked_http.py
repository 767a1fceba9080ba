"""HTTP connections whose address was checked: the name is resolved once, and the checked address is connected to.

A name that resolves to another address a moment later, or a redirect, cannot lead into a private network.
"""

import http.client
import socket
import ssl
from contextlib import suppress
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

_NAT64 = ip_network("64:ff9b::/96")


class NameUnknown(Exception):
    """The name of the host does not resolve; another attempt may help."""


class AddressRefused(Exception):
    """An address of the host is not public."""


def address_of(host: str, port: int, is_private_allowed: bool = False) -> str:
    """Return an address of a host; AddressRefused if any of its addresses is not public."""
    try:
        known = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise NameUnknown(f"{host} does not resolve: {type(error).__name__}.") from error
    addresses = [str(each[4][0]) for each in known]
    if not is_private_allowed and not all(map(is_public, addresses)):
        raise AddressRefused(f"{host} has a private address.")
    return addresses[0]


def is_public(address: str) -> bool:
    """Return whether an address is one of the internet, as are the addresses embedded in it."""
    each = ip_address(address.split("%")[0])
    return all(part.is_global and not part.is_multicast for part in (each, *_embedded(each)))


class Connection(http.client.HTTPConnection):
    """Connection to a checked address."""

    def __init__(self, host: str, port: int, address: str, timeout_s: float) -> None:
        """`timeout_s` limits the connection and each wait for bytes."""
        super().__init__(host, port, timeout=timeout_s)
        self._address, self._timeout_s = address, timeout_s
        self._alias: socket.socket | None = None

    def connect(self) -> None:
        """Connect to the address."""
        self.sock = self._connected()

    def abort(self) -> None:
        """End the connection at once, from any thread; whatever reads from it stops."""
        if (alias := self._alias) is not None:
            with suppress(OSError):
                alias.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """Close the connection."""
        super().close()
        alias, self._alias = self._alias, None
        if alias is not None:
            alias.close()

    def _connected(self) -> socket.socket:
        plain = socket.create_connection((self._address, self.port), self._timeout_s)
        self._alias = plain.dup()
        return plain


class TlsConnection(Connection):
    """Connection with TLS to a checked address, by the certificate of the host's name."""

    default_port = http.client.HTTPS_PORT

    def connect(self) -> None:
        """Connect to the address and check the certificate."""
        plain = self._connected()
        try:
            self.sock = ssl.create_default_context().wrap_socket(plain, server_hostname=self.host)
        except BaseException:
            plain.close()
            raise


def connection(scheme: str, host: str, port: int, address: str, timeout_s: float) -> Connection:
    """Return a connection, not connected yet, for a scheme (`http` or `https`)."""
    kind = TlsConnection if scheme == "https" else Connection
    return kind(host, port, address, timeout_s)


def _embedded(address: IPv4Address | IPv6Address) -> list[IPv4Address]:
    """Return the IPv4 addresses that an IPv6 address stands for."""
    if isinstance(address, IPv4Address):
        return []
    embedded = [address.ipv4_mapped, address.sixtofour, *(address.teredo or ())]
    if address in _NAT64:
        embedded.append(IPv4Address(int(address) & 0xFFFFFFFF))
    return [each for each in embedded if each is not None]
