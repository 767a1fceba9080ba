"""The gateway's own gRPC API: API keys, tokens, safety filters."""

from typing import Any

from ratoon.gateway.v1 import api_key_pb2, safety_filter_pb2
from ratoon.gateway.v1 import gateway_service_pb2 as pb
from ratoon.gateway.v1.gateway_service_pb2_grpc import GatewayServiceServicer
from ratoon.process.clock import Clock
from ratoon.runtime.server import Threads
from ratoon.security.identity import caller
from ratoon.storage.store import Store
from ratoon_gateway import mapping
from ratoon_gateway.application import handlers
from ratoon_gateway.application.authenticator import Authenticator
from ratoon_gateway.application.ports import Keys, Projects, Usage
from ratoon_gateway.domain.keys import ApiKey

Context = Any


class GatewayServicer(GatewayServiceServicer):
    """Answers `ratoon.gateway.v1.GatewayService`."""

    def __init__(
        self,
        store: Store,
        keys: Keys,
        usage: Usage,
        projects: Projects,
        authenticator: Authenticator,
        threads: Threads,
        clock: Clock,
    ) -> None:
        self._store, self._keys, self._usage, self._authenticator = store, keys, usage, authenticator
        self._projects = projects
        self._threads, self._clock = threads, clock

    async def CreateApiKey(self, request: pb.CreateApiKeyRequest, context: Context) -> api_key_pb2.ApiKey:
        """Create a key; its secret is returned once."""
        command = mapping.create_key(request)
        key, secret = await self._threads(
            handlers.create_key, command, caller(), self._projects, self._store, self._clock
        )
        return await self._changed(key, secret)

    async def GetApiKey(self, request: pb.GetApiKeyRequest, context: Context) -> api_key_pb2.ApiKey:
        """One key."""
        return await self._with_usage(await self._threads(self._store.get, ApiKey, request.name))

    async def ListApiKeys(self, request: pb.ListApiKeysRequest, context: Context) -> pb.ListApiKeysResponse:
        """List the keys of a project, or with `projects/-` those of the installation."""
        arguments = (request.parent, request.page_size, request.page_token, request.order_by)
        page = await self._threads(self._store.page, ApiKey, *arguments)
        used = await self._threads(self._usage.of, [key.name for key in page.items])
        keys = [mapping.api_key(key, used[key.name]) for key in page.items]
        return pb.ListApiKeysResponse(api_keys=keys, next_page_token=page.next_token)

    async def UpdateApiKey(self, request: pb.UpdateApiKeyRequest, context: Context) -> api_key_pb2.ApiKey:
        """Change label, expiry or limits of a key."""
        return await self._changed(
            await self._threads(handlers.update_key, mapping.update_key(request), self._store, self._clock)
        )

    async def DeleteApiKey(
        self, request: pb.DeleteApiKeyRequest, context: Context
    ) -> pb.DeleteApiKeyResponse:
        """Remove a key."""
        await self._threads(handlers.delete_key, request.name, request.etag, self._store, self._usage)
        await self._threads(self._keys.refresh)
        return pb.DeleteApiKeyResponse()

    async def GetApiKeyUsage(self, request: pb.GetApiKeyUsageRequest, context: Context) -> pb.ApiKeyUsage:
        """Return the usage of a key, day by day."""
        total, days = await self._threads(
            handlers.key_usage, request.name, request.days, self._store, self._usage, self._clock
        )
        return mapping.key_usage(request.name, total, days)

    async def GetSafetyFilter(
        self, request: pb.GetSafetyFilterRequest, context: Context
    ) -> safety_filter_pb2.SafetyFilter:
        """Return the word lists of a project."""
        stored = await self._threads(handlers.get_filter, request.name, self._store, self._clock)
        return mapping.safety_filter(stored)

    async def UpdateSafetyFilter(
        self, request: pb.UpdateSafetyFilterRequest, context: Context
    ) -> safety_filter_pb2.SafetyFilter:
        """Change the word lists of a project."""
        command = mapping.update_filter(request, self._clock.now())
        stored = await self._threads(
            handlers.update_filter, command, self._projects, self._store, self._clock
        )
        return mapping.safety_filter(stored)

    async def RotateApiKey(self, request: pb.RotateApiKeyRequest, context: Context) -> api_key_pb2.ApiKey:
        """Replace the secret of a key."""
        return await self._changed(*await self._threads(handlers.rotate_key, request.name, self._store))

    async def RevokeApiKey(self, request: pb.RevokeApiKeyRequest, context: Context) -> api_key_pb2.ApiKey:
        """Revoke a key."""
        return await self._changed(
            await self._threads(handlers.revoke_key, request.name, self._store, self._clock)
        )

    async def IssueToken(self, request: pb.IssueTokenRequest, context: Context) -> api_key_pb2.Token:
        """Return a short-lived token for an API key."""
        token, seconds = self._authenticator.exchange(request.api_key)
        return api_key_pb2.Token(access_token=token, token_type="Bearer", expires_in=seconds)

    async def _changed(self, key: ApiKey, secret: str = "") -> api_key_pb2.ApiKey:
        """Return a changed key once this gateway applies the change."""
        await self._threads(self._keys.refresh)
        return await self._with_usage(key, secret)

    async def _with_usage(self, key: ApiKey, secret: str = "") -> api_key_pb2.ApiKey:
        used = await self._threads(self._usage.of, [key.name])
        return mapping.api_key(key, used[key.name], secret)
