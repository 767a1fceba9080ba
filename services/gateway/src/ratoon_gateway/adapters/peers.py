"""The other services as raw gRPC: bytes in, bytes out, on the event loop. It knows no message."""

from typing import Any

import grpc
from google.rpc import error_details_pb2
from grpc import aio
from grpc_status import rpc_status

from ratoon.chassis.errors import Description
from ratoon.chassis.settings import SERVICES, RoomSettings

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


def service_of(rpc: str) -> str | None:
    """The room that serves `/ratoon.<room>.v1.…/Method`; None for anything else."""
    parts = rpc.removeprefix("/").split(".")
    return parts[1] if len(parts) > 2 and parts[0] == "ratoon" and parts[1] in SERVICES else None


def description_of(error: aio.AioRpcError) -> tuple[Description, list[tuple[str, str]]]:
    """What a service told: the error, and its field violations (field, sentence)."""
    code = error.code().name
    if error.code() is grpc.StatusCode.UNKNOWN:
        code = "INTERNAL"
    info, violations = error_details_pb2.ErrorInfo(), []
    status = rpc_status.from_call(error)  # type: ignore[arg-type, unused-ignore]
    for detail in status.details if status else ():
        request = error_details_pb2.BadRequest()
        if detail.Unpack(request):
            violations = [(each.field, each.description) for each in request.field_violations]
        else:
            detail.Unpack(info)
    reason = info.reason or ("SERVICE_UNAVAILABLE" if code == "UNAVAILABLE" else code)
    message = _sentence(code, error.details() or "") if not info.reason else (error.details() or "")
    return Description(code, reason, message, details=dict(info.metadata)), violations


def _sentence(code: str, details: str) -> str:
    """What to say of an error that no service of ours has worded."""
    if code == "UNAVAILABLE":
        return "The service behind this is away; try again in a moment (`ratoon status` shows what runs)."
    if code == "DEADLINE_EXCEEDED":
        return "The service behind this did not answer in time; try again."
    return details or code
