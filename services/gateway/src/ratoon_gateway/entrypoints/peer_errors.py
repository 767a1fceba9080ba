"""Errors of services behind the gateway as errors of the edge."""

import grpc
from google.rpc import error_details_pb2
from grpc import aio
from grpc_status import rpc_status

from ratoon.process.errors import Description


def description_of(error: aio.AioRpcError) -> tuple[Description, list[tuple[str, str]]]:
    """Return the error of a service, and its field violations (field, sentence)."""
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
    """Return the message for an error that does not come from one of our services."""
    if code == "UNAVAILABLE":
        return (
            "The service that handles this request is unavailable: try again in a moment (`ratoon "
            "status` shows what runs)."
        )
    if code == "DEADLINE_EXCEEDED":
        return "The service that handles this request did not answer in time: try again."
    return details or code
