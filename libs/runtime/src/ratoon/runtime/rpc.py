"""gRPC errors on the wire: our errors to google.rpc.Status with ErrorInfo, and back. It knows no service."""

from typing import cast

import grpc
from google.protobuf.any_pb2 import Any as AnyMessage
from google.rpc import error_details_pb2, status_pb2
from grpc_status import rpc_status

from ratoon.process import errors
from ratoon.process.errors import Description, RatoonError

DOMAIN = "ratoon"
_MESSAGE_BYTES, _DETAIL_BYTES = 1_000, 200
_BY_CODE: dict[str, type[RatoonError]] = {
    kind.code: kind
    for kind in vars(errors).values()
    if isinstance(kind, type) and issubclass(kind, RatoonError)
}


def status_of(description: Description) -> status_pb2.Status:
    """The google.rpc.Status of an error: code, sentence, ErrorInfo, and the field at fault.

    All of it goes into the trailers of a call, which clients bound at 8 KiB: what is longer, a name that a sentence
    repeats, is cut.
    """
    message = _cut(description.message, _MESSAGE_BYTES)
    metadata = {key: _cut(value, _DETAIL_BYTES) for key, value in description.details.items()}
    details = [
        _packed(error_details_pb2.ErrorInfo(reason=description.reason, domain=DOMAIN, metadata=metadata))
    ]
    if description.field:
        field = _cut(description.field, _DETAIL_BYTES)
        violation = error_details_pb2.BadRequest.FieldViolation(field=field, description=message)
        details.append(_packed(error_details_pb2.BadRequest(field_violations=[violation])))
    return status_pb2.Status(
        code=grpc.StatusCode[description.code].value[0], message=message, details=details
    )


def _cut(text: str, max_bytes: int) -> str:
    """The text, or its start with an ellipsis; what UTF-8 cannot hold is replaced."""
    data = text.encode(errors="replace")
    return data.decode() if len(data) <= max_bytes else data[:max_bytes].decode(errors="ignore") + "…"


def error_of(failed: grpc.RpcError) -> RatoonError:
    """Error that another service returned."""
    call = cast(grpc.Call, failed)
    code = call.code()
    kind = _BY_CODE.get(
        code.name, errors.Unavailable if code is grpc.StatusCode.DEADLINE_EXCEEDED else RatoonError
    )
    info, field = error_details_pb2.ErrorInfo(), ""
    status = rpc_status.from_call(call)
    for detail in status.details if status is not None else ():
        detail.Unpack(info)
        request = error_details_pb2.BadRequest()
        if detail.Unpack(request):
            field = request.field_violations[0].field
    message = call.details() or str(failed)
    return kind(message, reason=info.reason or code.name, field=field, **dict(info.metadata))


def _packed(message: error_details_pb2.ErrorInfo | error_details_pb2.BadRequest) -> AnyMessage:
    packed = AnyMessage()
    packed.Pack(message)
    return packed
