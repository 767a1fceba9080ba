# Generated from protos/ by scripts/client.py; `make proto` writes it again.
"""Resources of gateway."""

from collections.abc import Sequence
from datetime import datetime

from ratoon.client._generated.common_types import Role
from ratoon.client._generated.gateway_types import ApiKey, ApiKeyUsage, KeyLimits, SafetyFilter, Token
from ratoon.client._models import changes, present
from ratoon.client._omit import Omit, omit
from ratoon.client._pagination import AsyncPaginator, SyncPage
from ratoon.client._paths import expand
from ratoon.client._transport import AsyncTransport, Call, SyncTransport, new_request_id


class ApiKeysResource:
    """API key of a caller. Only a hash of the secret is stored."""

    def __init__(self, transport: SyncTransport) -> None:
        self._transport = transport

    def create(
        self,
        parent: str,
        *,
        role: Role | None = None,
        expire_time: datetime | None = None,
        display_name: str | None = None,
        limits: KeyLimits | None = None,
        api_key_id: str | None = None,
        request_id: str | None = None,
        timeout: float | None = None,
    ) -> ApiKey:
        """Create an API key.

        The response holds its secret, which cannot be read again. A repeated request returns the key without
        the secret. A key with more permissions than the caller is refused (`ROLE_TOO_HIGH`), and so is a key
        of a project that does not exist (`PROJECT_NOT_FOUND`).

        Args:
            parent: Resource name of the project: `projects/{project}`; `projects/-` for a key of the whole
                installation.
            role: Role of the key. A role above that of the caller who creates the key is refused.
            expire_time: Time at which the key expires. Not set: never. A time in the past is refused.
            display_name: Name for people. At most 1,024 characters.
            limits: Limits of the key.
            api_key_id: Last segment of the resource name: 1 to 63 characters of `a-z`, `0-9`, `-` and `.`;
                the first and the last one are a letter or a digit. Empty: the server generates a UUIDv7.
            request_id: Makes a retry safe: the identical request with the same ID returns the resource that
                it created first. A different request with the same ID is refused. At most 256 characters.
            timeout: Seconds that one attempt may take. Default: that of the client.
        """
        return self._transport.call(
            ApiKey,
            Call(
                "POST",
                expand("/v1/{parent=projects/*}/apiKeys", parent=parent),
                query=present({"apiKeyId": api_key_id, "requestId": request_id or new_request_id()}),
                body=present(
                    {"role": role, "expireTime": expire_time, "displayName": display_name, "limits": limits}
                ),
                repeatable=True,
            ),
            timeout,
        )

    def delete(self, name: str, *, etag: str | None = None, timeout: float | None = None) -> None:
        """Delete an API key and its usage records.

        Refused for the last permanent operator key of the installation (`LAST_OPERATOR_KEY`).

        Args:
            name: Resource name of the API key: `projects/{project}/apiKeys/{api_key}`.
            etag: `etag` that was read with the resource. A stale value is refused; an empty value is not
                checked.
            timeout: Seconds that one attempt may take. Default: that of the client.
        """
        self._transport.send(
            Call(
                "DELETE", expand("/v1/{name=projects/*/apiKeys/*}", name=name), query=present({"etag": etag})
            ),
            timeout,
        )

    def get(self, name: str, *, timeout: float | None = None) -> ApiKey:
        """Return one API key.

        Args:
            name: Resource name of the API key: `projects/{project}/apiKeys/{api_key}`.
            timeout: Seconds that one attempt may take. Default: that of the client.
        """
        return self._transport.call(
            ApiKey, Call("GET", expand("/v1/{name=projects/*/apiKeys/*}", name=name)), timeout
        )

    def list(
        self,
        parent: str,
        *,
        page_size: int | None = None,
        page_token: str | None = None,
        order_by: str | None = None,
        timeout: float | None = None,
    ) -> SyncPage[ApiKey]:
        """List the API keys of a project, oldest first.

        `projects/-` lists the keys of the whole installation.

        Args:
            parent: Resource name of the project: `projects/{project}`; `projects/-` for the keys of the whole
                installation.
            page_size: Maximum number of items to return. 0: 100. Values above 1000 are reduced to 1000;
                negative values are refused. A page may hold fewer items.
            page_token: `next_page_token` of the previous page. Empty: the first page. The token of another
                listing is refused.
            order_by: Order of the items: `create_time` (default) or `create_time desc`. The token of another
                order is refused.
            timeout: Seconds that one attempt may take. Default: that of the client.
        """
        return self._transport.page(
            ApiKey,
            "apiKeys",
            Call(
                "GET",
                expand("/v1/{parent=projects/*}/apiKeys", parent=parent),
                query=present({"pageSize": page_size, "pageToken": page_token, "orderBy": order_by}),
            ),
            timeout,
        )

    def revoke(self, name: str, *, timeout: float | None = None) -> ApiKey:
        """Revoke an API key.

        The key and its tokens become invalid immediately. A revoked key is returned unchanged. Refused for
        the last permanent operator key of the installation (`LAST_OPERATOR_KEY`).

        Args:
            name: Resource name of the API key: `projects/{project}/apiKeys/{api_key}`.
            timeout: Seconds that one attempt may take. Default: that of the client.
        """
        return self._transport.call(
            ApiKey,
            Call("POST", expand("/v1/{name=projects/*/apiKeys/*}:revoke", name=name), body={}),
            timeout,
        )

    def rotate(self, name: str, *, timeout: float | None = None) -> ApiKey:
        """Replace the secret of an API key.

        The response holds the new secret, which cannot be read again. The old secret and its tokens become
        invalid immediately. Refused for a revoked key (`API_KEY_REVOKED`).

        Args:
            name: Resource name of the API key: `projects/{project}/apiKeys/{api_key}`.
            timeout: Seconds that one attempt may take. Default: that of the client.
        """
        return self._transport.call(
            ApiKey,
            Call("POST", expand("/v1/{name=projects/*/apiKeys/*}:rotate", name=name), body={}),
            timeout,
        )

    def update(
        self,
        name: str,
        *,
        display_name: str | Omit = omit,
        expire_time: datetime | Omit | None = omit,
        limits: KeyLimits | Omit = omit,
        etag: str | Omit = omit,
        timeout: float | None = None,
    ) -> ApiKey:
        """Update the display name, the expiry or the limits of an API key.

        The change takes effect on every gateway within moments. Refused: an expiry on the last permanent
        operator key of the installation (`LAST_OPERATOR_KEY`), and a new expiry on a revoked key
        (`API_KEY_REVOKED`).

        Args:
            name: Resource name: `projects/{project}/apiKeys/{api_key}`; `projects/-` for keys of the whole
                installation.
            display_name: Name for people. At most 1,024 characters.
            expire_time: Time at which the key expires. Not set: never. A time in the past is refused.
            limits: Limits of the key.
            etag: Version tag of the changeable fields. Send it with an update or a delete: a stale value is
                refused.
            timeout: Seconds that one attempt may take. Default: that of the client.
        """
        return self._transport.call(
            ApiKey,
            Call(
                "PATCH",
                expand("/v1/{name=projects/*/apiKeys/*}", name=name),
                body=changes(
                    {"displayName": display_name, "expireTime": expire_time, "limits": limits, "etag": etag}
                ),
            ),
            timeout,
        )

    def usage(self, name: str, *, days: int | None = None, timeout: float | None = None) -> ApiKeyUsage:
        """Return the usage of an API key by day.

        Args:
            name: Resource name of the API key: `projects/{project}/apiKeys/{api_key}`.
            days: Number of days, including today: 1 to 366. 0: 30.
            timeout: Seconds that one attempt may take. Default: that of the client.
        """
        return self._transport.call(
            ApiKeyUsage,
            Call(
                "GET",
                expand("/v1/{name=projects/*/apiKeys/*}:usage", name=name),
                query=present({"days": days}),
            ),
            timeout,
        )


class AsyncApiKeysResource:
    """API key of a caller. Only a hash of the secret is stored."""

    def __init__(self, transport: AsyncTransport) -> None:
        self._transport = transport

    async def create(
        self,
        parent: str,
        *,
        role: Role | None = None,
        expire_time: datetime | None = None,
        display_name: str | None = None,
        limits: KeyLimits | None = None,
        api_key_id: str | None = None,
        request_id: str | None = None,
        timeout: float | None = None,
    ) -> ApiKey:
        """Create an API key.

        The response holds its secret, which cannot be read again. A repeated request returns the key without
        the secret. A key with more permissions than the caller is refused (`ROLE_TOO_HIGH`), and so is a key
        of a project that does not exist (`PROJECT_NOT_FOUND`).

        Args:
            parent: Resource name of the project: `projects/{project}`; `projects/-` for a key of the whole
                installation.
            role: Role of the key. A role above that of the caller who creates the key is refused.
            expire_time: Time at which the key expires. Not set: never. A time in the past is refused.
            display_name: Name for people. At most 1,024 characters.
            limits: Limits of the key.
            api_key_id: Last segment of the resource name: 1 to 63 characters of `a-z`, `0-9`, `-` and `.`;
                the first and the last one are a letter or a digit. Empty: the server generates a UUIDv7.
            request_id: Makes a retry safe: the identical request with the same ID returns the resource that
                it created first. A different request with the same ID is refused. At most 256 characters.
            timeout: Seconds that one attempt may take. Default: that of the client.
        """
        return await self._transport.call(
            ApiKey,
            Call(
                "POST",
                expand("/v1/{parent=projects/*}/apiKeys", parent=parent),
                query=present({"apiKeyId": api_key_id, "requestId": request_id or new_request_id()}),
                body=present(
                    {"role": role, "expireTime": expire_time, "displayName": display_name, "limits": limits}
                ),
                repeatable=True,
            ),
            timeout,
        )

    async def delete(self, name: str, *, etag: str | None = None, timeout: float | None = None) -> None:
        """Delete an API key and its usage records.

        Refused for the last permanent operator key of the installation (`LAST_OPERATOR_KEY`).

        Args:
            name: Resource name of the API key: `projects/{project}/apiKeys/{api_key}`.
            etag: `etag` that was read with the resource. A stale value is refused; an empty value is not
                checked.
            timeout: Seconds that one attempt may take. Default: that of the client.
        """
        await self._transport.send(
            Call(
                "DELETE", expand("/v1/{name=projects/*/apiKeys/*}", name=name), query=present({"etag": etag})
            ),
            timeout,
        )

    async def get(self, name: str, *, timeout: float | None = None) -> ApiKey:
        """Return one API key.

        Args:
            name: Resource name of the API key: `projects/{project}/apiKeys/{api_key}`.
            timeout: Seconds that one attempt may take. Default: that of the client.
        """
        return await self._transport.call(
            ApiKey, Call("GET", expand("/v1/{name=projects/*/apiKeys/*}", name=name)), timeout
        )

    def list(
        self,
        parent: str,
        *,
        page_size: int | None = None,
        page_token: str | None = None,
        order_by: str | None = None,
        timeout: float | None = None,
    ) -> AsyncPaginator[ApiKey]:
        """List the API keys of a project, oldest first.

        `projects/-` lists the keys of the whole installation.

        Args:
            parent: Resource name of the project: `projects/{project}`; `projects/-` for the keys of the whole
                installation.
            page_size: Maximum number of items to return. 0: 100. Values above 1000 are reduced to 1000;
                negative values are refused. A page may hold fewer items.
            page_token: `next_page_token` of the previous page. Empty: the first page. The token of another
                listing is refused.
            order_by: Order of the items: `create_time` (default) or `create_time desc`. The token of another
                order is refused.
            timeout: Seconds that one attempt may take. Default: that of the client.
        """
        return self._transport.page(
            ApiKey,
            "apiKeys",
            Call(
                "GET",
                expand("/v1/{parent=projects/*}/apiKeys", parent=parent),
                query=present({"pageSize": page_size, "pageToken": page_token, "orderBy": order_by}),
            ),
            timeout,
        )

    async def revoke(self, name: str, *, timeout: float | None = None) -> ApiKey:
        """Revoke an API key.

        The key and its tokens become invalid immediately. A revoked key is returned unchanged. Refused for
        the last permanent operator key of the installation (`LAST_OPERATOR_KEY`).

        Args:
            name: Resource name of the API key: `projects/{project}/apiKeys/{api_key}`.
            timeout: Seconds that one attempt may take. Default: that of the client.
        """
        return await self._transport.call(
            ApiKey,
            Call("POST", expand("/v1/{name=projects/*/apiKeys/*}:revoke", name=name), body={}),
            timeout,
        )

    async def rotate(self, name: str, *, timeout: float | None = None) -> ApiKey:
        """Replace the secret of an API key.

        The response holds the new secret, which cannot be read again. The old secret and its tokens become
        invalid immediately. Refused for a revoked key (`API_KEY_REVOKED`).

        Args:
            name: Resource name of the API key: `projects/{project}/apiKeys/{api_key}`.
            timeout: Seconds that one attempt may take. Default: that of the client.
        """
        return await self._transport.call(
            ApiKey,
            Call("POST", expand("/v1/{name=projects/*/apiKeys/*}:rotate", name=name), body={}),
            timeout,
        )

    async def update(
        self,
        name: str,
        *,
        display_name: str | Omit = omit,
        expire_time: datetime | Omit | None = omit,
        limits: KeyLimits | Omit = omit,
        etag: str | Omit = omit,
        timeout: float | None = None,
    ) -> ApiKey:
        """Update the display name, the expiry or the limits of an API key.

        The change takes effect on every gateway within moments. Refused: an expiry on the last permanent
        operator key of the installation (`LAST_OPERATOR_KEY`), and a new expiry on a revoked key
        (`API_KEY_REVOKED`).

        Args:
            name: Resource name: `projects/{project}/apiKeys/{api_key}`; `projects/-` for keys of the whole
                installation.
            display_name: Name for people. At most 1,024 characters.
            expire_time: Time at which the key expires. Not set: never. A time in the past is refused.
            limits: Limits of the key.
            etag: Version tag of the changeable fields. Send it with an update or a delete: a stale value is
                refused.
            timeout: Seconds that one attempt may take. Default: that of the client.
        """
        return await self._transport.call(
            ApiKey,
            Call(
                "PATCH",
                expand("/v1/{name=projects/*/apiKeys/*}", name=name),
                body=changes(
                    {"displayName": display_name, "expireTime": expire_time, "limits": limits, "etag": etag}
                ),
            ),
            timeout,
        )

    async def usage(self, name: str, *, days: int | None = None, timeout: float | None = None) -> ApiKeyUsage:
        """Return the usage of an API key by day.

        Args:
            name: Resource name of the API key: `projects/{project}/apiKeys/{api_key}`.
            days: Number of days, including today: 1 to 366. 0: 30.
            timeout: Seconds that one attempt may take. Default: that of the client.
        """
        return await self._transport.call(
            ApiKeyUsage,
            Call(
                "GET",
                expand("/v1/{name=projects/*/apiKeys/*}:usage", name=name),
                query=present({"days": days}),
            ),
            timeout,
        )


class SafetyFilterResource:
    """Words and phrases that are not allowed in prompts and answers of a project.

    Matching ignores case, accents and white space.
    """

    def __init__(self, transport: SyncTransport) -> None:
        self._transport = transport

    def get(self, name: str, *, timeout: float | None = None) -> SafetyFilter:
        """Return the word lists of a project. The lists are empty if they were never set.

        Args:
            name: Resource name of the project's safety filter: `projects/{project}/safetyFilter`.
            timeout: Seconds that one attempt may take. Default: that of the client.
        """
        return self._transport.call(
            SafetyFilter, Call("GET", expand("/v1/{name=projects/*/safetyFilter}", name=name)), timeout
        )

    def update(
        self,
        name: str,
        *,
        input_words: Sequence[str] | Omit = omit,
        output_words: Sequence[str] | Omit = omit,
        etag: str | Omit = omit,
        timeout: float | None = None,
    ) -> SafetyFilter:
        """Update the word lists of a project.

        The change takes effect on every gateway within moments, for requests that start after it. A project
        that does not exist is refused (`PROJECT_NOT_FOUND`).

        Args:
            name: Resource name: `projects/{project}/safetyFilter`. The filter of `projects/-` applies to
                every project.
            input_words: Words of the prompt filter, at most 10,000 of 1 to 100 characters each. Repeated
                words are stored once. A prompt that contains one is refused with the reason
                `CONTENT_BLOCKED`.
            output_words: Words of the answer filter, at most 10,000 of 1 to 100 characters each. Repeated
                words are stored once. An answer that would contain one ends before it, with the finish reason
                `content_filter`.
            etag: Version tag of the lists. Send it with an update: a stale value is refused.
            timeout: Seconds that one attempt may take. Default: that of the client.
        """
        return self._transport.call(
            SafetyFilter,
            Call(
                "PATCH",
                expand("/v1/{name=projects/*/safetyFilter}", name=name),
                body=changes({"inputWords": input_words, "outputWords": output_words, "etag": etag}),
            ),
            timeout,
        )


class AsyncSafetyFilterResource:
    """Words and phrases that are not allowed in prompts and answers of a project.

    Matching ignores case, accents and white space.
    """

    def __init__(self, transport: AsyncTransport) -> None:
        self._transport = transport

    async def get(self, name: str, *, timeout: float | None = None) -> SafetyFilter:
        """Return the word lists of a project. The lists are empty if they were never set.

        Args:
            name: Resource name of the project's safety filter: `projects/{project}/safetyFilter`.
            timeout: Seconds that one attempt may take. Default: that of the client.
        """
        return await self._transport.call(
            SafetyFilter, Call("GET", expand("/v1/{name=projects/*/safetyFilter}", name=name)), timeout
        )

    async def update(
        self,
        name: str,
        *,
        input_words: Sequence[str] | Omit = omit,
        output_words: Sequence[str] | Omit = omit,
        etag: str | Omit = omit,
        timeout: float | None = None,
    ) -> SafetyFilter:
        """Update the word lists of a project.

        The change takes effect on every gateway within moments, for requests that start after it. A project
        that does not exist is refused (`PROJECT_NOT_FOUND`).

        Args:
            name: Resource name: `projects/{project}/safetyFilter`. The filter of `projects/-` applies to
                every project.
            input_words: Words of the prompt filter, at most 10,000 of 1 to 100 characters each. Repeated
                words are stored once. A prompt that contains one is refused with the reason
                `CONTENT_BLOCKED`.
            output_words: Words of the answer filter, at most 10,000 of 1 to 100 characters each. Repeated
                words are stored once. An answer that would contain one ends before it, with the finish reason
                `content_filter`.
            etag: Version tag of the lists. Send it with an update: a stale value is refused.
            timeout: Seconds that one attempt may take. Default: that of the client.
        """
        return await self._transport.call(
            SafetyFilter,
            Call(
                "PATCH",
                expand("/v1/{name=projects/*/safetyFilter}", name=name),
                body=changes({"inputWords": input_words, "outputWords": output_words, "etag": etag}),
            ),
            timeout,
        )


class TokenResource:
    """Token."""

    def __init__(self, transport: SyncTransport) -> None:
        self._transport = transport

    def issue(self, *, api_key: str | None = None, timeout: float | None = None) -> Token:
        """Exchange an API key for a short-lived bearer token.

        The token becomes invalid with the key. An unknown, expired or revoked key is refused (`BAD_API_KEY`).

        Args:
            api_key: Secret of the API key.
            timeout: Seconds that one attempt may take. Default: that of the client.
        """
        return self._transport.call(
            Token, Call("POST", "/v1/token", body=present({"apiKey": api_key})), timeout
        )


class AsyncTokenResource:
    """Token."""

    def __init__(self, transport: AsyncTransport) -> None:
        self._transport = transport

    async def issue(self, *, api_key: str | None = None, timeout: float | None = None) -> Token:
        """Exchange an API key for a short-lived bearer token.

        The token becomes invalid with the key. An unknown, expired or revoked key is refused (`BAD_API_KEY`).

        Args:
            api_key: Secret of the API key.
            timeout: Seconds that one attempt may take. Default: that of the client.
        """
        return await self._transport.call(
            Token, Call("POST", "/v1/token", body=present({"apiKey": api_key})), timeout
        )
