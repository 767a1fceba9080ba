"""The other services as raw gRPC: bytes in, bytes out, on the event loop. It knows no message."""

from typing import Any

from grpc import aio

from ratoon.chassis.settings import RoomSettings

_OPTIONS = [("grpc.max_receive_message_length", 4 << 20), ("grpc.max_send_message_length", 4 << 20)]


class Peers:
    """Channels by service, opened at first use on the running loop."""

    def __init__(self, settings: RoomSettings) -> None:
        self._settings = settings
        self._channels: dict[str, aio.Channel] = {}
        self._calls: dict[tuple[str, str], Any] = {}

    def unary(self, service: str, rpc: str) -> Any:
        """The method `/package.Service/Method`, one answer."""
        return self._call(service, rpc, "unary_unary")

    def stream(self, service: str, rpc: str) -> Any:
        """The method, a stream of answers."""
        return self._call(service, rpc, "unary_stream")

    def duplex(self, service: str, rpc: str) -> Any:
        """The method, whatever kind it is: on the wire all four are streams both ways."""
        return self._call(service, rpc, "stream_stream")

    async def close(self) -> None:
        """Close every channel."""
        for channel in self._channels.values():
            await channel.close()
        self._channels.clear()
        self._calls.clear()

    def _call(self, service: str, rpc: str, kind: str) -> Any:
        if (rpc, kind) not in self._calls:
            self._calls[rpc, kind] = getattr(self._channel(service), kind)(rpc)
        return self._calls[rpc, kind]

    def _channel(self, service: str) -> aio.Channel:
        if service not in self._channels:
            self._channels[service] = aio.insecure_channel(self._settings.peer(service), options=_OPTIONS)
        return self._channels[service]
