# Generated from protos/ by scripts/client.py; `make proto` writes it again.
"""Resources of registry."""

from collections.abc import Callable, Mapping, Sequence

from ratoon.client._generated.common_types import Compute, ComputeDtype
from ratoon.client._generated.registry_types import (
    Alias,
    AliasChange,
    Lineage,
    Model,
    ModelSummary,
    ModelVersion,
    ParityCertificate,
    TokenNeighbours,
)
from ratoon.client._models import present
from ratoon.client._pagination import AsyncPaginator, SyncPage
from ratoon.client._paths import expand
from ratoon.client._transport import AsyncTransport, Call, SyncTransport, new_request_id
from ratoon.client._watch import AsyncWatch, SyncWatch


class AliasChangesResource:
    """One move of an alias."""

    def __init__(self, transport: SyncTransport) -> None:
        self._transport = transport

    def list(
        self,
        parent: str,
        *,
        page_size: int | None = None,
        page_token: str | None = None,
        order_by: str | None = None,
        timeout: float | None = None,
    ) -> SyncPage[AliasChange]:
        """List every move of every alias of a model, oldest first.

        Args:
            parent: Resource name of the model: `projects/{project}/models/{model}`.
            page_size: Maximum number of items to return. 0: 100. Values above 1000 are reduced to 1000;
                negative values are refused. A page may hold fewer items.
            page_token: `next_page_token` of the previous page. Empty: the first page. The token of another
                listing is refused.
            order_by: Order of the items: `create_time` (default) or `create_time desc`. The token of another
                order is refused.
            timeout: Seconds that one attempt may take. Default: that of the client.
        """
        return self._transport.page(
            AliasChange,
            "aliasChanges",
            Call(
                "GET",
                expand("/v1/{parent=projects/*/models/*}/aliasChanges", parent=parent),
                query=present({"pageSize": page_size, "pageToken": page_token, "orderBy": order_by}),
            ),
            timeout,
        )


class AsyncAliasChangesResource:
    """One move of an alias."""

    def __init__(self, transport: AsyncTransport) -> None:
        self._transport = transport

    def list(
        self,
        parent: str,
        *,
        page_size: int | None = None,
        page_token: str | None = None,
        order_by: str | None = None,
        timeout: float | None = None,
    ) -> AsyncPaginator[AliasChange]:
        """List every move of every alias of a model, oldest first.

        Args:
            parent: Resource name of the model: `projects/{project}/models/{model}`.
            page_size: Maximum number of items to return. 0: 100. Values above 1000 are reduced to 1000;
                negative values are refused. A page may hold fewer items.
            page_token: `next_page_token` of the previous page. Empty: the first page. The token of another
                listing is refused.
            order_by: Order of the items: `create_time` (default) or `create_time desc`. The token of another
                order is refused.
            timeout: Seconds that one attempt may take. Default: that of the client.
        """
        return self._transport.page(
            AliasChange,
            "aliasChanges",
            Call(
                "GET",
                expand("/v1/{parent=projects/*/models/*}/aliasChanges", parent=parent),
                query=present({"pageSize": page_size, "pageToken": page_token, "orderBy": order_by}),
            ),
            timeout,
        )


class AliasesResource:
    """Name that points to one version, for example `production`."""

    def __init__(self, transport: SyncTransport) -> None:
        self._transport = transport

    def get(self, name: str, *, timeout: float | None = None) -> Alias:
        """Return one alias.

        Args:
            name: Resource name of the alias: `projects/{project}/models/{model}/aliases/{alias}`.
            timeout: Seconds that one attempt may take. Default: that of the client.
        """
        return self._transport.call(
            Alias, Call("GET", expand("/v1/{name=projects/*/models/*/aliases/*}", name=name)), timeout
        )

    def list(
        self,
        parent: str,
        *,
        page_size: int | None = None,
        page_token: str | None = None,
        order_by: str | None = None,
        timeout: float | None = None,
    ) -> SyncPage[Alias]:
        """List the aliases of a model, oldest first.

        Args:
            parent: Resource name of the model: `projects/{project}/models/{model}`.
            page_size: Maximum number of items to return. 0: 100. Values above 1000 are reduced to 1000;
                negative values are refused. A page may hold fewer items.
            page_token: `next_page_token` of the previous page. Empty: the first page. The token of another
                listing is refused.
            order_by: Order of the items: `create_time` (default) or `create_time desc`. The token of another
                order is refused.
            timeout: Seconds that one attempt may take. Default: that of the client.
        """
        return self._transport.page(
            Alias,
            "aliases",
            Call(
                "GET",
                expand("/v1/{parent=projects/*/models/*}/aliases", parent=parent),
                query=present({"pageSize": page_size, "pageToken": page_token, "orderBy": order_by}),
            ),
            timeout,
        )

    def set(
        self,
        name: str,
        *,
        version: str | None = None,
        reason: str | None = None,
        request_id: str | None = None,
        timeout: float | None = None,
    ) -> Alias:
        """Point an alias to a READY version of the model.

        An alias that does not exist is created. The alias `production` can be moved only by the serving
        service, at the end of a rollout or a rollback (`ALIAS_RESERVED`). Refused when the version is not
        READY (`VERSION_NOT_READY`).

        Args:
            name: Resource name of the alias: `projects/{project}/models/{model}/aliases/{alias}`.
            version: Resource name of the version: `projects/{project}/models/{model}/versions/{version}`. It
                must be READY.
            reason: Reason for the move. It is stored in the history.
            request_id: Marks the call as safe to retry. At most 256 characters.
            timeout: Seconds that one attempt may take. Default: that of the client.
        """
        return self._transport.call(
            Alias,
            Call(
                "POST",
                expand("/v1/{name=projects/*/models/*/aliases/*}:set", name=name),
                body=present(
                    {"version": version, "reason": reason, "requestId": request_id or new_request_id()}
                ),
                repeatable=True,
            ),
            timeout,
        )


class AsyncAliasesResource:
    """Name that points to one version, for example `production`."""

    def __init__(self, transport: AsyncTransport) -> None:
        self._transport = transport

    async def get(self, name: str, *, timeout: float | None = None) -> Alias:
        """Return one alias.

        Args:
            name: Resource name of the alias: `projects/{project}/models/{model}/aliases/{alias}`.
            timeout: Seconds that one attempt may take. Default: that of the client.
        """
        return await self._transport.call(
            Alias, Call("GET", expand("/v1/{name=projects/*/models/*/aliases/*}", name=name)), timeout
        )

    def list(
        self,
        parent: str,
        *,
        page_size: int | None = None,
        page_token: str | None = None,
        order_by: str | None = None,
        timeout: float | None = None,
    ) -> AsyncPaginator[Alias]:
        """List the aliases of a model, oldest first.

        Args:
            parent: Resource name of the model: `projects/{project}/models/{model}`.
            page_size: Maximum number of items to return. 0: 100. Values above 1000 are reduced to 1000;
                negative values are refused. A page may hold fewer items.
            page_token: `next_page_token` of the previous page. Empty: the first page. The token of another
                listing is refused.
            order_by: Order of the items: `create_time` (default) or `create_time desc`. The token of another
                order is refused.
            timeout: Seconds that one attempt may take. Default: that of the client.
        """
        return self._transport.page(
            Alias,
            "aliases",
            Call(
                "GET",
                expand("/v1/{parent=projects/*/models/*}/aliases", parent=parent),
                query=present({"pageSize": page_size, "pageToken": page_token, "orderBy": order_by}),
            ),
            timeout,
        )

    async def set(
        self,
        name: str,
        *,
        version: str | None = None,
        reason: str | None = None,
        request_id: str | None = None,
        timeout: float | None = None,
    ) -> Alias:
        """Point an alias to a READY version of the model.

        An alias that does not exist is created. The alias `production` can be moved only by the serving
        service, at the end of a rollout or a rollback (`ALIAS_RESERVED`). Refused when the version is not
        READY (`VERSION_NOT_READY`).

        Args:
            name: Resource name of the alias: `projects/{project}/models/{model}/aliases/{alias}`.
            version: Resource name of the version: `projects/{project}/models/{model}/versions/{version}`. It
                must be READY.
            reason: Reason for the move. It is stored in the history.
            request_id: Marks the call as safe to retry. At most 256 characters.
            timeout: Seconds that one attempt may take. Default: that of the client.
        """
        return await self._transport.call(
            Alias,
            Call(
                "POST",
                expand("/v1/{name=projects/*/models/*/aliases/*}:set", name=name),
                body=present(
                    {"version": version, "reason": reason, "requestId": request_id or new_request_id()}
                ),
                repeatable=True,
            ),
            timeout,
        )


class ModelVersionsResource:
    """One version of a model: an artifact that was loaded, verified and signed before it can be used."""

    def __init__(self, transport: SyncTransport) -> None:
        self._transport = transport

    def cancel(self, name: str, *, timeout: float | None = None) -> ModelVersion:
        """Request the cancellation of a verification.

        A version that has ended is returned unchanged.

        Args:
            name: Resource name of the version: `projects/{project}/models/{model}/versions/{version}`.
            timeout: Seconds that one attempt may take. Default: that of the client.
        """
        return self._transport.call(
            ModelVersion,
            Call("POST", expand("/v1/{name=projects/*/models/*/versions/*}:cancel", name=name), body={}),
            timeout,
        )

    def create(
        self,
        parent: str,
        *,
        artifact_digest: str | None = None,
        lineage: Lineage | None = None,
        changelog: str | None = None,
        golden_source_digest: str | None = None,
        scores: Mapping[str, float] | None = None,
        verification_compute: Compute | None = None,
        serving_dtypes: Sequence[ComputeDtype] | None = None,
        model_version_id: str | None = None,
        request_id: str | None = None,
        timeout: float | None = None,
    ) -> ModelVersion:
        """Register a model artifact as a new version.

        The version is verified, its golden prompts are recorded and it is signed; it is READY when all of
        these steps have succeeded. Refused: a missing digest (`ARTIFACT_MISSING`), an artifact that was not
        uploaded (`ARTIFACT_NOT_FOUND`), an ID that is not `v<major>.<minor>` (`BAD_VERSION_ID`), a parent
        version of another model (`PARENT_OF_OTHER_MODEL`).

        Args:
            parent: Resource name of the model: `projects/{project}/models/{model}`.
            artifact_digest: Digest of the model artifact: a tree of safetensors files, tokenizer,
                configuration, recipe and model card. Required. Verification replaces it by the digest of the
                tree that it signs: with a model card, and without files that do not belong to a model.
            lineage: Resources from which the version was created.
            changelog: Changes since the previous version, at most 262,144 characters.
            golden_source_digest: Digest of the Parquet blob (a validation part) from whose texts the golden
                prompts are taken.
            scores: Scores by name, copied from the evaluation.
            verification_compute: Device of the verification, and a number format for further golden prompts.
                The reference is always recorded in 32-bit floating point. CUDA without an NVIDIA GPU
                (`ACCELERATOR_UNAVAILABLE`), other accelerators and more than one device
                (`COMPUTE_NOT_SUPPORTED`) are refused. Default: CPU, 32-bit floating point.
            serving_dtypes: Number formats in which engines will serve the version. The log-probabilities of
                the golden prompts are recorded in each of them, with which an engine of that format is
                attested. Empty: 32-bit floating point only.
            model_version_id: Last segment of the resource name, for example `v1.2`. Empty: the next minor
                number, or the next major number if the architecture or the base model changed.
            request_id: Makes a retry safe: the identical request with the same ID returns the resource that
                it created first. A different request with the same ID is refused. At most 256 characters.
            timeout: Seconds that one attempt may take. Default: that of the client.
        """
        return self._transport.call(
            ModelVersion,
            Call(
                "POST",
                expand("/v1/{parent=projects/*/models/*}/versions", parent=parent),
                query=present(
                    {"modelVersionId": model_version_id, "requestId": request_id or new_request_id()}
                ),
                body=present(
                    {
                        "artifactDigest": artifact_digest,
                        "lineage": lineage,
                        "changelog": changelog,
                        "goldenSourceDigest": golden_source_digest,
                        "scores": scores,
                        "verificationCompute": verification_compute,
                        "servingDtypes": serving_dtypes,
                    }
                ),
                repeatable=True,
            ),
            timeout,
        )

    def delete(self, name: str, *, allow_missing: bool | None = None, timeout: float | None = None) -> None:
        """Delete a model version that failed or was cancelled.

        Refused while it is in progress, when it is READY, because aliases, deployments and later versions
        refer to it, and while another version continues it (`IN_USE`).

        Args:
            name: Resource name of the version: `projects/{project}/models/{model}/versions/{version}`.
            allow_missing: If true, the deletion of a version that does not exist succeeds, so that a retry
                does.
            timeout: Seconds that one attempt may take. Default: that of the client.
        """
        self._transport.send(
            Call(
                "DELETE",
                expand("/v1/{name=projects/*/models/*/versions/*}", name=name),
                query=present({"allowMissing": allow_missing}),
            ),
            timeout,
        )

    def describe(self, name: str, *, timeout: float | None = None) -> ModelSummary:
        """Describe the weights of a model version: its tensors with their shapes, and which of them were
        trained.

        Args:
            name: Resource name of the model version: `projects/{project}/models/{model}/versions/{version}`.
            timeout: Seconds that one attempt may take. Default: that of the client.
        """
        return self._transport.call(
            ModelSummary,
            Call("GET", expand("/v1/{name=projects/*/models/*/versions/*}:describe", name=name)),
            timeout,
        )

    def get(self, name: str, *, timeout: float | None = None) -> ModelVersion:
        """Return one model version.

        Args:
            name: Resource name of the version: `projects/{project}/models/{model}/versions/{version}`.
            timeout: Seconds that one attempt may take. Default: that of the client.
        """
        return self._transport.call(
            ModelVersion, Call("GET", expand("/v1/{name=projects/*/models/*/versions/*}", name=name)), timeout
        )

    def list(
        self,
        parent: str,
        *,
        page_size: int | None = None,
        page_token: str | None = None,
        order_by: str | None = None,
        timeout: float | None = None,
    ) -> SyncPage[ModelVersion]:
        """List the model versions of a model, oldest first.

        Args:
            parent: Resource name of the model: `projects/{project}/models/{model}`.
            page_size: Maximum number of items to return. 0: 100. Values above 1000 are reduced to 1000;
                negative values are refused. A page may hold fewer items.
            page_token: `next_page_token` of the previous page. Empty: the first page. The token of another
                listing is refused.
            order_by: Order of the items: `create_time` (default) or `create_time desc`. The token of another
                order is refused.
            timeout: Seconds that one attempt may take. Default: that of the client.
        """
        return self._transport.page(
            ModelVersion,
            "modelVersions",
            Call(
                "GET",
                expand("/v1/{parent=projects/*/models/*}/versions", parent=parent),
                query=present({"pageSize": page_size, "pageToken": page_token, "orderBy": order_by}),
            ),
            timeout,
        )

    def neighbours(
        self, name: str, *, token: str | None = None, count: int | None = None, timeout: float | None = None
    ) -> TokenNeighbours:
        """Find the tokens whose embeddings are nearest to that of a token, by cosine.

        Refused: a token that the version does not have (`TOKEN_UNKNOWN`), and a version without an embedding
        of tokens (`NO_EMBEDDINGS`).

        Args:
            name: Resource name of the model version: `projects/{project}/models/{model}/versions/{version}`.
            token: Token as a text, with or without the space before it. Required.
            count: Number of neighbours, at most 100. 0: 10.
            timeout: Seconds that one attempt may take. Default: that of the client.
        """
        return self._transport.call(
            TokenNeighbours,
            Call(
                "GET",
                expand("/v1/{name=projects/*/models/*/versions/*}:neighbours", name=name),
                query=present({"token": token, "count": count}),
            ),
            timeout,
        )

    def parity(self, name: str, *, timeout: float | None = None) -> ParityCertificate:
        """Return the parity certificate of a model version.

        It lists each form in which the model was trained, merged, quantized, exported and served, and how far
        it differs from the form before. Refused: a version that is not READY (`VERSION_NOT_READY`).

        Args:
            name: Resource name of the version: `projects/{project}/models/{model}/versions/{version}`.
            timeout: Seconds that one attempt may take. Default: that of the client.
        """
        return self._transport.call(
            ParityCertificate,
            Call("GET", expand("/v1/{name=projects/*/models/*/versions/*}:parity", name=name)),
            timeout,
        )

    def watch(self, name: str, *, revision: int | None = None) -> SyncWatch[ModelVersion]:
        """Stream a model version: its current state, then each change.

        States between two reads may be skipped. The stream ends after a final state.

        Args:
            name: Resource name of the version: `projects/{project}/models/{model}/versions/{version}`.
            revision: Send only states with a higher revision, for example than the last one that was
                received; no revision is too old. 0: start with the current state.
        """
        return self._transport.watch(
            ModelVersion,
            Call(
                "GET",
                expand("/v1/{name=projects/*/models/*/versions/*}:watch", name=name),
                query=present({"revision": revision}),
            ),
        )

    def wait(
        self,
        name: str,
        *,
        timeout: float | None = None,
        on_state: Callable[[ModelVersion], object] | None = None,
    ) -> ModelVersion:
        """Wait for the final state, and return it.

        OperationFailedError if there is no result (failed, cancelled, refused, rolled back);
        OperationTimeoutError after `timeout`.

        Args:
            name: Resource name of the version: `projects/{project}/models/{model}/versions/{version}`.
            timeout: Seconds to wait. Default: no limit.
            on_state: Called with each state, the final one included.
        """
        return self._transport.wait(
            ModelVersion,
            Call("GET", expand("/v1/{name=projects/*/models/*/versions/*}:watch", name=name)),
            timeout,
            on_state,
        )


class AsyncModelVersionsResource:
    """One version of a model: an artifact that was loaded, verified and signed before it can be used."""

    def __init__(self, transport: AsyncTransport) -> None:
        self._transport = transport

    async def cancel(self, name: str, *, timeout: float | None = None) -> ModelVersion:
        """Request the cancellation of a verification.

        A version that has ended is returned unchanged.

        Args:
            name: Resource name of the version: `projects/{project}/models/{model}/versions/{version}`.
            timeout: Seconds that one attempt may take. Default: that of the client.
        """
        return await self._transport.call(
            ModelVersion,
            Call("POST", expand("/v1/{name=projects/*/models/*/versions/*}:cancel", name=name), body={}),
            timeout,
        )

    async def create(
        self,
        parent: str,
        *,
        artifact_digest: str | None = None,
        lineage: Lineage | None = None,
        changelog: str | None = None,
        golden_source_digest: str | None = None,
        scores: Mapping[str, float] | None = None,
        verification_compute: Compute | None = None,
        serving_dtypes: Sequence[ComputeDtype] | None = None,
        model_version_id: str | None = None,
        request_id: str | None = None,
        timeout: float | None = None,
    ) -> ModelVersion:
        """Register a model artifact as a new version.

        The version is verified, its golden prompts are recorded and it is signed; it is READY when all of
        these steps have succeeded. Refused: a missing digest (`ARTIFACT_MISSING`), an artifact that was not
        uploaded (`ARTIFACT_NOT_FOUND`), an ID that is not `v<major>.<minor>` (`BAD_VERSION_ID`), a parent
        version of another model (`PARENT_OF_OTHER_MODEL`).

        Args:
            parent: Resource name of the model: `projects/{project}/models/{model}`.
            artifact_digest: Digest of the model artifact: a tree of safetensors files, tokenizer,
                configuration, recipe and model card. Required. Verification replaces it by the digest of the
                tree that it signs: with a model card, and without files that do not belong to a model.
            lineage: Resources from which the version was created.
            changelog: Changes since the previous version, at most 262,144 characters.
            golden_source_digest: Digest of the Parquet blob (a validation part) from whose texts the golden
                prompts are taken.
            scores: Scores by name, copied from the evaluation.
            verification_compute: Device of the verification, and a number format for further golden prompts.
                The reference is always recorded in 32-bit floating point. CUDA without an NVIDIA GPU
                (`ACCELERATOR_UNAVAILABLE`), other accelerators and more than one device
                (`COMPUTE_NOT_SUPPORTED`) are refused. Default: CPU, 32-bit floating point.
            serving_dtypes: Number formats in which engines will serve the version. The log-probabilities of
                the golden prompts are recorded in each of them, with which an engine of that format is
                attested. Empty: 32-bit floating point only.
            model_version_id: Last segment of the resource name, for example `v1.2`. Empty: the next minor
                number, or the next major number if the architecture or the base model changed.
            request_id: Makes a retry safe: the identical request with the same ID returns the resource that
                it created first. A different request with the same ID is refused. At most 256 characters.
            timeout: Seconds that one attempt may take. Default: that of the client.
        """
        return await self._transport.call(
            ModelVersion,
            Call(
                "POST",
                expand("/v1/{parent=projects/*/models/*}/versions", parent=parent),
                query=present(
                    {"modelVersionId": model_version_id, "requestId": request_id or new_request_id()}
                ),
                body=present(
                    {
                        "artifactDigest": artifact_digest,
                        "lineage": lineage,
                        "changelog": changelog,
                        "goldenSourceDigest": golden_source_digest,
                        "scores": scores,
                        "verificationCompute": verification_compute,
                        "servingDtypes": serving_dtypes,
                    }
                ),
                repeatable=True,
            ),
            timeout,
        )

    async def delete(
        self, name: str, *, allow_missing: bool | None = None, timeout: float | None = None
    ) -> None:
        """Delete a model version that failed or was cancelled.

        Refused while it is in progress, when it is READY, because aliases, deployments and later versions
        refer to it, and while another version continues it (`IN_USE`).

        Args:
            name: Resource name of the version: `projects/{project}/models/{model}/versions/{version}`.
            allow_missing: If true, the deletion of a version that does not exist succeeds, so that a retry
                does.
            timeout: Seconds that one attempt may take. Default: that of the client.
        """
        await self._transport.send(
            Call(
                "DELETE",
                expand("/v1/{name=projects/*/models/*/versions/*}", name=name),
                query=present({"allowMissing": allow_missing}),
            ),
            timeout,
        )

    async def describe(self, name: str, *, timeout: float | None = None) -> ModelSummary:
        """Describe the weights of a model version: its tensors with their shapes, and which of them were
        trained.

        Args:
            name: Resource name of the model version: `projects/{project}/models/{model}/versions/{version}`.
            timeout: Seconds that one attempt may take. Default: that of the client.
        """
        return await self._transport.call(
            ModelSummary,
            Call("GET", expand("/v1/{name=projects/*/models/*/versions/*}:describe", name=name)),
            timeout,
        )

    async def get(self, name: str, *, timeout: float | None = None) -> ModelVersion:
        """Return one model version.

        Args:
            name: Resource name of the version: `projects/{project}/models/{model}/versions/{version}`.
            timeout: Seconds that one attempt may take. Default: that of the client.
        """
        return await self._transport.call(
            ModelVersion, Call("GET", expand("/v1/{name=projects/*/models/*/versions/*}", name=name)), timeout
        )

    def list(
        self,
        parent: str,
        *,
        page_size: int | None = None,
        page_token: str | None = None,
        order_by: str | None = None,
        timeout: float | None = None,
    ) -> AsyncPaginator[ModelVersion]:
        """List the model versions of a model, oldest first.

        Args:
            parent: Resource name of the model: `projects/{project}/models/{model}`.
            page_size: Maximum number of items to return. 0: 100. Values above 1000 are reduced to 1000;
                negative values are refused. A page may hold fewer items.
            page_token: `next_page_token` of the previous page. Empty: the first page. The token of another
                listing is refused.
            order_by: Order of the items: `create_time` (default) or `create_time desc`. The token of another
                order is refused.
            timeout: Seconds that one attempt may take. Default: that of the client.
        """
        return self._transport.page(
            ModelVersion,
            "modelVersions",
            Call(
                "GET",
                expand("/v1/{parent=projects/*/models/*}/versions", parent=parent),
                query=present({"pageSize": page_size, "pageToken": page_token, "orderBy": order_by}),
            ),
            timeout,
        )

    async def neighbours(
        self, name: str, *, token: str | None = None, count: int | None = None, timeout: float | None = None
    ) -> TokenNeighbours:
        """Find the tokens whose embeddings are nearest to that of a token, by cosine.

        Refused: a token that the version does not have (`TOKEN_UNKNOWN`), and a version without an embedding
        of tokens (`NO_EMBEDDINGS`).

        Args:
            name: Resource name of the model version: `projects/{project}/models/{model}/versions/{version}`.
            token: Token as a text, with or without the space before it. Required.
            count: Number of neighbours, at most 100. 0: 10.
            timeout: Seconds that one attempt may take. Default: that of the client.
        """
        return await self._transport.call(
            TokenNeighbours,
            Call(
                "GET",
                expand("/v1/{name=projects/*/models/*/versions/*}:neighbours", name=name),
                query=present({"token": token, "count": count}),
            ),
            timeout,
        )

    async def parity(self, name: str, *, timeout: float | None = None) -> ParityCertificate:
        """Return the parity certificate of a model version.

        It lists each form in which the model was trained, merged, quantized, exported and served, and how far
        it differs from the form before. Refused: a version that is not READY (`VERSION_NOT_READY`).

        Args:
            name: Resource name of the version: `projects/{project}/models/{model}/versions/{version}`.
            timeout: Seconds that one attempt may take. Default: that of the client.
        """
        return await self._transport.call(
            ParityCertificate,
            Call("GET", expand("/v1/{name=projects/*/models/*/versions/*}:parity", name=name)),
            timeout,
        )

    def watch(self, name: str, *, revision: int | None = None) -> AsyncWatch[ModelVersion]:
        """Stream a model version: its current state, then each change.

        States between two reads may be skipped. The stream ends after a final state.

        Args:
            name: Resource name of the version: `projects/{project}/models/{model}/versions/{version}`.
            revision: Send only states with a higher revision, for example than the last one that was
                received; no revision is too old. 0: start with the current state.
        """
        return self._transport.watch(
            ModelVersion,
            Call(
                "GET",
                expand("/v1/{name=projects/*/models/*/versions/*}:watch", name=name),
                query=present({"revision": revision}),
            ),
        )

    async def wait(
        self,
        name: str,
        *,
        timeout: float | None = None,
        on_state: Callable[[ModelVersion], object] | None = None,
    ) -> ModelVersion:
        """Wait for the final state, and return it.

        OperationFailedError if there is no result (failed, cancelled, refused, rolled back);
        OperationTimeoutError after `timeout`.

        Args:
            name: Resource name of the version: `projects/{project}/models/{model}/versions/{version}`.
            timeout: Seconds to wait. Default: no limit.
            on_state: Called with each state, the final one included.
        """
        return await self._transport.wait(
            ModelVersion,
            Call("GET", expand("/v1/{name=projects/*/models/*/versions/*}:watch", name=name)),
            timeout,
            on_state,
        )


class ModelsResource:
    """Series of model versions."""

    def __init__(self, transport: SyncTransport) -> None:
        self._transport = transport

    def create(
        self,
        parent: str,
        *,
        display_name: str | None = None,
        model_id: str | None = None,
        request_id: str | None = None,
        timeout: float | None = None,
    ) -> Model:
        """Create a model.

        Args:
            parent: Resource name of the project: `projects/{project}`.
            display_name: Name for people. At most 1,024 characters.
            model_id: Last segment of the resource name: 1 to 63 characters of `a-z`, `0-9`, `-` and `.`; the
                first and the last one are a letter or a digit. Empty: the server generates a UUIDv7.
            request_id: Makes a retry safe: the identical request with the same ID returns the resource that
                it created first. A different request with the same ID is refused. At most 256 characters.
            timeout: Seconds that one attempt may take. Default: that of the client.
        """
        return self._transport.call(
            Model,
            Call(
                "POST",
                expand("/v1/{parent=projects/*}/models", parent=parent),
                query=present({"modelId": model_id, "requestId": request_id or new_request_id()}),
                body=present({"displayName": display_name}),
                repeatable=True,
            ),
            timeout,
        )

    def delete(self, name: str, *, allow_missing: bool | None = None, timeout: float | None = None) -> None:
        """Delete a model. Refused while it has versions (`IN_USE`).

        Args:
            name: Resource name of the model: `projects/{project}/models/{model}`.
            allow_missing: If true, the deletion of a model that does not exist succeeds, so that a retry
                does.
            timeout: Seconds that one attempt may take. Default: that of the client.
        """
        self._transport.send(
            Call(
                "DELETE",
                expand("/v1/{name=projects/*/models/*}", name=name),
                query=present({"allowMissing": allow_missing}),
            ),
            timeout,
        )

    def get(self, name: str, *, timeout: float | None = None) -> Model:
        """Return one model.

        Args:
            name: Resource name of the model: `projects/{project}/models/{model}`.
            timeout: Seconds that one attempt may take. Default: that of the client.
        """
        return self._transport.call(
            Model, Call("GET", expand("/v1/{name=projects/*/models/*}", name=name)), timeout
        )

    def list(
        self,
        parent: str,
        *,
        page_size: int | None = None,
        page_token: str | None = None,
        order_by: str | None = None,
        timeout: float | None = None,
    ) -> SyncPage[Model]:
        """List the models of a project, oldest first.

        Args:
            parent: Resource name of the project: `projects/{project}`.
            page_size: Maximum number of items to return. 0: 100. Values above 1000 are reduced to 1000;
                negative values are refused. A page may hold fewer items.
            page_token: `next_page_token` of the previous page. Empty: the first page. The token of another
                listing is refused.
            order_by: Order of the items: `create_time` (default) or `create_time desc`. The token of another
                order is refused.
            timeout: Seconds that one attempt may take. Default: that of the client.
        """
        return self._transport.page(
            Model,
            "models",
            Call(
                "GET",
                expand("/v1/{parent=projects/*}/models", parent=parent),
                query=present({"pageSize": page_size, "pageToken": page_token, "orderBy": order_by}),
            ),
            timeout,
        )


class AsyncModelsResource:
    """Series of model versions."""

    def __init__(self, transport: AsyncTransport) -> None:
        self._transport = transport

    async def create(
        self,
        parent: str,
        *,
        display_name: str | None = None,
        model_id: str | None = None,
        request_id: str | None = None,
        timeout: float | None = None,
    ) -> Model:
        """Create a model.

        Args:
            parent: Resource name of the project: `projects/{project}`.
            display_name: Name for people. At most 1,024 characters.
            model_id: Last segment of the resource name: 1 to 63 characters of `a-z`, `0-9`, `-` and `.`; the
                first and the last one are a letter or a digit. Empty: the server generates a UUIDv7.
            request_id: Makes a retry safe: the identical request with the same ID returns the resource that
                it created first. A different request with the same ID is refused. At most 256 characters.
            timeout: Seconds that one attempt may take. Default: that of the client.
        """
        return await self._transport.call(
            Model,
            Call(
                "POST",
                expand("/v1/{parent=projects/*}/models", parent=parent),
                query=present({"modelId": model_id, "requestId": request_id or new_request_id()}),
                body=present({"displayName": display_name}),
                repeatable=True,
            ),
            timeout,
        )

    async def delete(
        self, name: str, *, allow_missing: bool | None = None, timeout: float | None = None
    ) -> None:
        """Delete a model. Refused while it has versions (`IN_USE`).

        Args:
            name: Resource name of the model: `projects/{project}/models/{model}`.
            allow_missing: If true, the deletion of a model that does not exist succeeds, so that a retry
                does.
            timeout: Seconds that one attempt may take. Default: that of the client.
        """
        await self._transport.send(
            Call(
                "DELETE",
                expand("/v1/{name=projects/*/models/*}", name=name),
                query=present({"allowMissing": allow_missing}),
            ),
            timeout,
        )

    async def get(self, name: str, *, timeout: float | None = None) -> Model:
        """Return one model.

        Args:
            name: Resource name of the model: `projects/{project}/models/{model}`.
            timeout: Seconds that one attempt may take. Default: that of the client.
        """
        return await self._transport.call(
            Model, Call("GET", expand("/v1/{name=projects/*/models/*}", name=name)), timeout
        )

    def list(
        self,
        parent: str,
        *,
        page_size: int | None = None,
        page_token: str | None = None,
        order_by: str | None = None,
        timeout: float | None = None,
    ) -> AsyncPaginator[Model]:
        """List the models of a project, oldest first.

        Args:
            parent: Resource name of the project: `projects/{project}`.
            page_size: Maximum number of items to return. 0: 100. Values above 1000 are reduced to 1000;
                negative values are refused. A page may hold fewer items.
            page_token: `next_page_token` of the previous page. Empty: the first page. The token of another
                listing is refused.
            order_by: Order of the items: `create_time` (default) or `create_time desc`. The token of another
                order is refused.
            timeout: Seconds that one attempt may take. Default: that of the client.
        """
        return self._transport.page(
            Model,
            "models",
            Call(
                "GET",
                expand("/v1/{parent=projects/*}/models", parent=parent),
                query=present({"pageSize": page_size, "pageToken": page_token, "orderBy": order_by}),
            ),
            timeout,
        )
