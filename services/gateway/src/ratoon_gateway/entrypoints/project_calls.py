"""Check of a call's project where calls pass as bytes: the first message is read and forwarded unchanged."""

from collections.abc import AsyncIterator, Iterable

from google.protobuf.descriptor import MethodDescriptor
from google.protobuf.message import DecodeError
from google.protobuf.message_factory import GetMessageClass

from ratoon.security.identity import Principal
from ratoon_gateway.application.projects import ProjectCheck


class ProjectCalls:
    """Checks the first message of each call."""

    def __init__(self, check: ProjectCheck, methods: Iterable[MethodDescriptor]) -> None:
        self._check = check
        self._kinds = {
            f"/{method.containing_service.full_name}/{method.name}": GetMessageClass(method.input_type)
            for method in methods
        }

    async def checked(
        self, rpc: str, principal: Principal | None, requests: AsyncIterator[bytes]
    ) -> AsyncIterator[bytes]:
        """Return the requests of a call; NoSuchProject where the first names a project that does not exist.

        Bytes that are no message of the method are left to the service, which refuses them.
        """
        kind = self._kinds.get(rpc)
        first = await anext(aiter(requests), None)
        if principal is not None and kind is not None and first is not None:
            try:
                request = kind.FromString(first)
            except DecodeError:
                return _again(first, requests)
            await self._check(request, principal)
        return _again(first, requests)


async def _again(first: bytes | None, rest: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    if first is not None:
        yield first
        async for each in rest:
            yield each
