"""The other services as raw gRPC: bytes in, bytes out, on the event loop. It knows no message."""

from typing import Any

from grpc import aio

from ratoon.runtime.client import NETWORK_OPTIONS
from ratoon.runtime.settings import ServiceSettings
from ratoon.security.tls import Certificates, Mark, certificates_of, is_socket

_OPTIONS = [("grpc.max_receive_message_length", 4 << 20), ("grpc.max_send_message_length", 4 << 20)]


class Peers:
    """Channels by service, opened at first use on the running loop, and again when certificates were replaced."""

    def __init__(self, settings: ServiceSettings) -> None:
        self._settings = settings
        self._certificates = certificates_of(settings.tls)
        self._mark: Mark = self._certificates.mark if self._certificates else ()
        self._channels: dict[str, aio.Channel] = {}
        self._calls: dict[tuple[str, str], Any] = {}

    def unary(self, service: str, rpc: str) -> Any:
        """Return the method `/package.Service/Method`, with one answer."""
        return self._call(service, rpc, "unary_unary")

    def stream(self, service: str, rpc: str) -> Any:
        """Return the method, with a stream of answers."""
        return self._call(service, rpc, "unary_stream")

    def duplex(self, service: str, rpc: str) -> Any:
        """Return the method of any kind: on the wire all four are streams both ways."""
        return self._call(service, rpc, "stream_stream")

    async def close(self) -> None:
        """Close every channel."""
        for channel in self._channels.values():
            await channel.close()
        self._channels.clear()
        self._calls.clear()

    def _call(self, service: str, rpc: str, kind: str) -> Any:
        self._forget_stale()
        if (rpc, kind) not in self._calls:
            self._calls[rpc, kind] = getattr(self._channel(service), kind)(rpc)
        return self._calls[rpc, kind]

    def _forget_stale(self) -> None:
        """Drop channels with replaced certificates; open calls continue."""
        if self._certificates is not None and self._certificates.mark != self._mark:
            self._mark = self._certificates.mark
            self._channels.clear()
            self._calls.clear()

    def _channel(self, service: str) -> aio.Channel:
        if service not in self._channels:
            self._channels[service] = _open(self._settings.peer(service), self._certificates)
        return self._channels[service]


def _open(address: str, certificates: Certificates | None) -> aio.Channel:
    if is_socket(address):
        return aio.insecure_channel(address, options=_OPTIONS)
    options = [*_OPTIONS, *NETWORK_OPTIONS]
    if certificates is None:
        return aio.insecure_channel(address, options=options)
    return aio.secure_channel(address, certificates.calling(), options=options)
