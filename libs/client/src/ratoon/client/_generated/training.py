# Generated from protos/ by scripts/client.py; `make proto` writes it again.
"""Resources of training."""

from collections.abc import Callable, Sequence

from ratoon.client._generated.common_types import ComputeDtype, TaskSpec
from ratoon.client._generated.training_types import (
    Compression,
    CompressionDifference,
    CompressionMethod,
    CompressionRounding,
    MetricSeries,
    ModelExport,
    ModelExportFormat,
    ModelExportGgufType,
    Recipe,
    ResourcePlan,
    Resources,
    Sweep,
    SweepBudget,
    SweepDirection,
    SweepFold,
    SweepKind,
    SweepParameter,
    SweepPruning,
    SweepSampler,
    SweepTrainPart,
    TrainingRun,
)
from ratoon.client._models import present
from ratoon.client._pagination import AsyncPaginator, SyncPage
from ratoon.client._paths import expand
from ratoon.client._transport import AsyncTransport, Call, SyncTransport, new_request_id
from ratoon.client._watch import AsyncWatch, SyncWatch


class CompressionsResource:
    """A model with its weights in a smaller form, measured beside the model from which it was made.

    The result is an artifact; `CreateModelVersion` registers it with the source as
    `lineage.derived_from`, where it is compared with the source within the tolerance of its number
    format.
    """

    def __init__(self, transport: SyncTransport) -> None:
        self._transport = transport

    def cancel(self, name: str, *, timeout: float | None = None) -> Compression:
        """Request the cancellation of a compression. One that has ended is returned unchanged.

        Args:
            name: Resource name of the compression: `projects/{project}/compressions/{compression}`.
            timeout: Seconds that one attempt may take. Default: that of the client.
        """
        return self._transport.call(
            Compression,
            Call("POST", expand("/v1/{name=projects/*/compressions/*}:cancel", name=name), body={}),
            timeout,
        )

    def create(
        self,
        parent: str,
        *,
        source_digest: str | None = None,
        source_version: str | None = None,
        method: CompressionMethod | None = None,
        rounding: CompressionRounding | None = None,
        group_size: int | None = None,
        sparsity: float | None = None,
        train_digest: str | None = None,
        validation_digest: str | None = None,
        task: TaskSpec | None = None,
        calibration_records: int | None = None,
        quality_records: int | None = None,
        seed: int | None = None,
        serving_dtype: ComputeDtype | None = None,
        artifact_digest: str | None = None,
        difference: CompressionDifference | None = None,
        compression_id: str | None = None,
        request_id: str | None = None,
        timeout: float | None = None,
    ) -> Compression:
        """Compress a model.

        Refused: a source that is no language model (`BAD_BASE_MODEL`, or the reason of the inspection), a
        method that cannot be done (`BAD_COMPRESSION`; the error names the field), and a part with erased
        records (`ARTIFACT_ERASED`).

        Args:
            parent: Resource name of the project: `projects/{project}`.
            source_digest: Digest of the model artifact to compress: a whole model, or an adapter, which is
                merged into its base model first. Required.
            source_version: Resource name of the model version of `source_digest`. Empty: the artifact is not
                registered.
            method: Number format of the weights. Required.
            rounding: Choice of the rounded weights. Default: ROUNDING_NEAREST.
            group_size: Number of weights that share a scale, with METHOD_INT4: 16 to 1,024. 0: 128, or the
                largest power of two below it that divides the width of every compressed layer.
            sparsity: Share of the weights of each linear layer that becomes zero, with METHOD_PRUNED: above 0
                and below 1. Zeros save neither memory nor time in engines; they show how much of a model is
                redundant. 0: 0.5.
            train_digest: Digest of the training part of a split (a Parquet blob), whose texts calibrate
                ROUNDING_GPTQ. Required for it.
            validation_digest: Digest of the validation part of a split (a Parquet blob), on which the model
                and its source are measured. Empty: quality is not measured.
            task: Task of the model. It decides the metrics. Default: the task with which the source was
                trained.
            calibration_records: Number of calibration records, 1 to 4,096. 0: 64.
            quality_records: Number of validation records to answer, 1 to 10,000, drawn by the seed. 0: 200.
            seed: Random seed of the drawn records, 0 to 2^31-1.
            serving_dtype: Number format in which an engine of the compressed model computes. Default:
                bfloat16; float16 for METHOD_FLOAT16 and 32-bit floating point for METHOD_PRUNED.
            artifact_digest: Digest of the compressed model (a tree). Empty until the state is SUCCEEDED.
            difference: Comparison of the project's metric on the same records. Not set: quality was not
                measured.
            compression_id: Last segment of the resource name: 1 to 63 characters of `a-z`, `0-9`, `-` and
                `.`; the first and the last one are a letter or a digit. Empty: the server generates a UUIDv7.
            request_id: Makes a retry safe: the identical request with the same ID returns the resource that
                it created first. A different request with the same ID is refused. At most 256 characters.
            timeout: Seconds that one attempt may take. Default: that of the client.
        """
        return self._transport.call(
            Compression,
            Call(
                "POST",
                expand("/v1/{parent=projects/*}/compressions", parent=parent),
                query=present({"compressionId": compression_id, "requestId": request_id or new_request_id()}),
                body=present(
                    {
                        "sourceDigest": source_digest,
                        "sourceVersion": source_version,
                        "method": method,
                        "rounding": rounding,
                        "groupSize": group_size,
                        "sparsity": sparsity,
                        "trainDigest": train_digest,
                        "validationDigest": validation_digest,
                        "task": task,
                        "calibrationRecords": calibration_records,
                        "qualityRecords": quality_records,
                        "seed": seed,
                        "servingDtype": serving_dtype,
                        "artifactDigest": artifact_digest,
                        "difference": difference,
                    }
                ),
                repeatable=True,
            ),
            timeout,
        )

    def delete(self, name: str, *, allow_missing: bool | None = None, timeout: float | None = None) -> None:
        """Delete a compression that has ended.

        A version that was made of its result stays. Refused while it is in progress (`IN_USE`).

        Args:
            name: Resource name of the compression: `projects/{project}/compressions/{compression}`.
            allow_missing: If true, the deletion of a compression that does not exist succeeds, so that a
                retry does.
            timeout: Seconds that one attempt may take. Default: that of the client.
        """
        self._transport.send(
            Call(
                "DELETE",
                expand("/v1/{name=projects/*/compressions/*}", name=name),
                query=present({"allowMissing": allow_missing}),
            ),
            timeout,
        )

    def get(self, name: str, *, timeout: float | None = None) -> Compression:
        """Return one compression with its measurements.

        Args:
            name: Resource name of the compression: `projects/{project}/compressions/{compression}`.
            timeout: Seconds that one attempt may take. Default: that of the client.
        """
        return self._transport.call(
            Compression, Call("GET", expand("/v1/{name=projects/*/compressions/*}", name=name)), timeout
        )

    def list(
        self,
        parent: str,
        *,
        page_size: int | None = None,
        page_token: str | None = None,
        order_by: str | None = None,
        timeout: float | None = None,
    ) -> SyncPage[Compression]:
        """List the compressions of a project, oldest first.

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
            Compression,
            "compressions",
            Call(
                "GET",
                expand("/v1/{parent=projects/*}/compressions", parent=parent),
                query=present({"pageSize": page_size, "pageToken": page_token, "orderBy": order_by}),
            ),
            timeout,
        )

    def watch(self, name: str, *, revision: int | None = None) -> SyncWatch[Compression]:
        """Stream a compression: its current state, then each change.

        States between two reads may be skipped. The stream ends after a final state.

        Args:
            name: Resource name of the compression: `projects/{project}/compressions/{compression}`.
            revision: Send only states with a higher revision, for example than the last one that was
                received; no revision is too old. 0: start with the current state.
        """
        return self._transport.watch(
            Compression,
            Call(
                "GET",
                expand("/v1/{name=projects/*/compressions/*}:watch", name=name),
                query=present({"revision": revision}),
            ),
        )

    def wait(
        self,
        name: str,
        *,
        timeout: float | None = None,
        on_state: Callable[[Compression], object] | None = None,
    ) -> Compression:
        """Wait for the final state, and return it.

        OperationFailedError if there is no result (failed, cancelled, refused, rolled back);
        OperationTimeoutError after `timeout`.

        Args:
            name: Resource name of the compression: `projects/{project}/compressions/{compression}`.
            timeout: Seconds to wait. Default: no limit.
            on_state: Called with each state, the final one included.
        """
        return self._transport.wait(
            Compression,
            Call("GET", expand("/v1/{name=projects/*/compressions/*}:watch", name=name)),
            timeout,
            on_state,
        )


class AsyncCompressionsResource:
    """A model with its weights in a smaller form, measured beside the model from which it was made.

    The result is an artifact; `CreateModelVersion` registers it with the source as
    `lineage.derived_from`, where it is compared with the source within the tolerance of its number
    format.
    """

    def __init__(self, transport: AsyncTransport) -> None:
        self._transport = transport

    async def cancel(self, name: str, *, timeout: float | None = None) -> Compression:
        """Request the cancellation of a compression. One that has ended is returned unchanged.

        Args:
            name: Resource name of the compression: `projects/{project}/compressions/{compression}`.
            timeout: Seconds that one attempt may take. Default: that of the client.
        """
        return await self._transport.call(
            Compression,
            Call("POST", expand("/v1/{name=projects/*/compressions/*}:cancel", name=name), body={}),
            timeout,
        )

    async def create(
        self,
        parent: str,
        *,
        source_digest: str | None = None,
        source_version: str | None = None,
        method: CompressionMethod | None = None,
        rounding: CompressionRounding | None = None,
        group_size: int | None = None,
        sparsity: float | None = None,
        train_digest: str | None = None,
        validation_digest: str | None = None,
        task: TaskSpec | None = None,
        calibration_records: int | None = None,
        quality_records: int | None = None,
        seed: int | None = None,
        serving_dtype: ComputeDtype | None = None,
        artifact_digest: str | None = None,
        difference: CompressionDifference | None = None,
        compression_id: str | None = None,
        request_id: str | None = None,
        timeout: float | None = None,
    ) -> Compression:
        """Compress a model.

        Refused: a source that is no language model (`BAD_BASE_MODEL`, or the reason of the inspection), a
        method that cannot be done (`BAD_COMPRESSION`; the error names the field), and a part with erased
        records (`ARTIFACT_ERASED`).

        Args:
            parent: Resource name of the project: `projects/{project}`.
            source_digest: Digest of the model artifact to compress: a whole model, or an adapter, which is
                merged into its base model first. Required.
            source_version: Resource name of the model version of `source_digest`. Empty: the artifact is not
                registered.
            method: Number format of the weights. Required.
            rounding: Choice of the rounded weights. Default: ROUNDING_NEAREST.
            group_size: Number of weights that share a scale, with METHOD_INT4: 16 to 1,024. 0: 128, or the
                largest power of two below it that divides the width of every compressed layer.
            sparsity: Share of the weights of each linear layer that becomes zero, with METHOD_PRUNED: above 0
                and below 1. Zeros save neither memory nor time in engines; they show how much of a model is
                redundant. 0: 0.5.
            train_digest: Digest of the training part of a split (a Parquet blob), whose texts calibrate
                ROUNDING_GPTQ. Required for it.
            validation_digest: Digest of the validation part of a split (a Parquet blob), on which the model
                and its source are measured. Empty: quality is not measured.
            task: Task of the model. It decides the metrics. Default: the task with which the source was
                trained.
            calibration_records: Number of calibration records, 1 to 4,096. 0: 64.
            quality_records: Number of validation records to answer, 1 to 10,000, drawn by the seed. 0: 200.
            seed: Random seed of the drawn records, 0 to 2^31-1.
            serving_dtype: Number format in which an engine of the compressed model computes. Default:
                bfloat16; float16 for METHOD_FLOAT16 and 32-bit floating point for METHOD_PRUNED.
            artifact_digest: Digest of the compressed model (a tree). Empty until the state is SUCCEEDED.
            difference: Comparison of the project's metric on the same records. Not set: quality was not
                measured.
            compression_id: Last segment of the resource name: 1 to 63 characters of `a-z`, `0-9`, `-` and
                `.`; the first and the last one are a letter or a digit. Empty: the server generates a UUIDv7.
            request_id: Makes a retry safe: the identical request with the same ID returns the resource that
                it created first. A different request with the same ID is refused. At most 256 characters.
            timeout: Seconds that one attempt may take. Default: that of the client.
        """
        return await self._transport.call(
            Compression,
            Call(
                "POST",
                expand("/v1/{parent=projects/*}/compressions", parent=parent),
                query=present({"compressionId": compression_id, "requestId": request_id or new_request_id()}),
                body=present(
                    {
                        "sourceDigest": source_digest,
                        "sourceVersion": source_version,
                        "method": method,
                        "rounding": rounding,
                        "groupSize": group_size,
                        "sparsity": sparsity,
                        "trainDigest": train_digest,
                        "validationDigest": validation_digest,
                        "task": task,
                        "calibrationRecords": calibration_records,
                        "qualityRecords": quality_records,
                        "seed": seed,
                        "servingDtype": serving_dtype,
                        "artifactDigest": artifact_digest,
                        "difference": difference,
                    }
                ),
                repeatable=True,
            ),
            timeout,
        )

    async def delete(
        self, name: str, *, allow_missing: bool | None = None, timeout: float | None = None
    ) -> None:
        """Delete a compression that has ended.

        A version that was made of its result stays. Refused while it is in progress (`IN_USE`).

        Args:
            name: Resource name of the compression: `projects/{project}/compressions/{compression}`.
            allow_missing: If true, the deletion of a compression that does not exist succeeds, so that a
                retry does.
            timeout: Seconds that one attempt may take. Default: that of the client.
        """
        await self._transport.send(
            Call(
                "DELETE",
                expand("/v1/{name=projects/*/compressions/*}", name=name),
                query=present({"allowMissing": allow_missing}),
            ),
            timeout,
        )

    async def get(self, name: str, *, timeout: float | None = None) -> Compression:
        """Return one compression with its measurements.

        Args:
            name: Resource name of the compression: `projects/{project}/compressions/{compression}`.
            timeout: Seconds that one attempt may take. Default: that of the client.
        """
        return await self._transport.call(
            Compression, Call("GET", expand("/v1/{name=projects/*/compressions/*}", name=name)), timeout
        )

    def list(
        self,
        parent: str,
        *,
        page_size: int | None = None,
        page_token: str | None = None,
        order_by: str | None = None,
        timeout: float | None = None,
    ) -> AsyncPaginator[Compression]:
        """List the compressions of a project, oldest first.

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
            Compression,
            "compressions",
            Call(
                "GET",
                expand("/v1/{parent=projects/*}/compressions", parent=parent),
                query=present({"pageSize": page_size, "pageToken": page_token, "orderBy": order_by}),
            ),
            timeout,
        )

    def watch(self, name: str, *, revision: int | None = None) -> AsyncWatch[Compression]:
        """Stream a compression: its current state, then each change.

        States between two reads may be skipped. The stream ends after a final state.

        Args:
            name: Resource name of the compression: `projects/{project}/compressions/{compression}`.
            revision: Send only states with a higher revision, for example than the last one that was
                received; no revision is too old. 0: start with the current state.
        """
        return self._transport.watch(
            Compression,
            Call(
                "GET",
                expand("/v1/{name=projects/*/compressions/*}:watch", name=name),
                query=present({"revision": revision}),
            ),
        )

    async def wait(
        self,
        name: str,
        *,
        timeout: float | None = None,
        on_state: Callable[[Compression], object] | None = None,
    ) -> Compression:
        """Wait for the final state, and return it.

        OperationFailedError if there is no result (failed, cancelled, refused, rolled back);
        OperationTimeoutError after `timeout`.

        Args:
            name: Resource name of the compression: `projects/{project}/compressions/{compression}`.
            timeout: Seconds to wait. Default: no limit.
            on_state: Called with each state, the final one included.
        """
        return await self._transport.wait(
            Compression,
            Call("GET", expand("/v1/{name=projects/*/compressions/*}:watch", name=name)),
            timeout,
            on_state,
        )


class ModelExportsResource:
    """A model as files for another program, compared with the model from which it was made by that
    program.

    The files are a tree of the artifact store; each can be downloaded by its digest.
    """

    def __init__(self, transport: SyncTransport) -> None:
        self._transport = transport

    def cancel(self, name: str, *, timeout: float | None = None) -> ModelExport:
        """Request the cancellation of an export. One that has ended is returned unchanged.

        Args:
            name: Resource name of the export: `projects/{project}/modelExports/{model_export}`.
            timeout: Seconds that one attempt may take. Default: that of the client.
        """
        return self._transport.call(
            ModelExport,
            Call("POST", expand("/v1/{name=projects/*/modelExports/*}:cancel", name=name), body={}),
            timeout,
        )

    def create(
        self,
        parent: str,
        *,
        source_digest: str | None = None,
        source_version: str | None = None,
        format: ModelExportFormat | None = None,
        gguf_type: ModelExportGgufType | None = None,
        model_export_id: str | None = None,
        request_id: str | None = None,
        timeout: float | None = None,
    ) -> ModelExport:
        """Export a model as files for another program, and compare them with it.

        Refused: a source that is no language model (`BAD_BASE_MODEL`, or the reason of the inspection), and a
        format that does not fit it (`BAD_MODEL_EXPORT`; the error names the field). An export fails with
        `EXPORTER_MISSING` where the package of its format is not installed.

        Args:
            parent: Resource name of the project: `projects/{project}`.
            source_digest: Digest of the model artifact to export: a whole model, or an adapter. With every
                format but FORMAT_ADAPTER an adapter is merged into its base model first. Required.
            source_version: Resource name of the model version of `source_digest`. Empty: the artifact is not
                registered.
            format: Format of the files. Required.
            gguf_type: Number format of the weights, with FORMAT_GGUF. Default: GGUF_TYPE_F16.
            model_export_id: Last segment of the resource name: 1 to 63 characters of `a-z`, `0-9`, `-` and
                `.`; the first and the last one are a letter or a digit. Empty: the server generates a UUIDv7.
            request_id: Makes a retry safe: the identical request with the same ID returns the resource that
                it created first. A different request with the same ID is refused. At most 256 characters.
            timeout: Seconds that one attempt may take. Default: that of the client.
        """
        return self._transport.call(
            ModelExport,
            Call(
                "POST",
                expand("/v1/{parent=projects/*}/modelExports", parent=parent),
                query=present(
                    {"modelExportId": model_export_id, "requestId": request_id or new_request_id()}
                ),
                body=present(
                    {
                        "sourceDigest": source_digest,
                        "sourceVersion": source_version,
                        "format": format,
                        "ggufType": gguf_type,
                    }
                ),
                repeatable=True,
            ),
            timeout,
        )

    def delete(self, name: str, *, allow_missing: bool | None = None, timeout: float | None = None) -> None:
        """Delete an export that has ended.

        Its files are collected as garbage. Refused while it is in progress (`IN_USE`).

        Args:
            name: Resource name of the export: `projects/{project}/modelExports/{model_export}`.
            allow_missing: If true, the deletion of an export that does not exist succeeds, so that a retry
                does.
            timeout: Seconds that one attempt may take. Default: that of the client.
        """
        self._transport.send(
            Call(
                "DELETE",
                expand("/v1/{name=projects/*/modelExports/*}", name=name),
                query=present({"allowMissing": allow_missing}),
            ),
            timeout,
        )

    def get(self, name: str, *, timeout: float | None = None) -> ModelExport:
        """Return one export with its files.

        Args:
            name: Resource name of the export: `projects/{project}/modelExports/{model_export}`.
            timeout: Seconds that one attempt may take. Default: that of the client.
        """
        return self._transport.call(
            ModelExport, Call("GET", expand("/v1/{name=projects/*/modelExports/*}", name=name)), timeout
        )

    def list(
        self,
        parent: str,
        *,
        page_size: int | None = None,
        page_token: str | None = None,
        order_by: str | None = None,
        timeout: float | None = None,
    ) -> SyncPage[ModelExport]:
        """List the model exports of a project, oldest first.

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
            ModelExport,
            "modelExports",
            Call(
                "GET",
                expand("/v1/{parent=projects/*}/modelExports", parent=parent),
                query=present({"pageSize": page_size, "pageToken": page_token, "orderBy": order_by}),
            ),
            timeout,
        )

    def watch(self, name: str, *, revision: int | None = None) -> SyncWatch[ModelExport]:
        """Stream an export: its current state, then each change.

        States between two reads may be skipped. The stream ends after a final state.

        Args:
            name: Resource name of the export: `projects/{project}/modelExports/{model_export}`.
            revision: Send only states with a higher revision, for example than the last one that was
                received; no revision is too old. 0: start with the current state.
        """
        return self._transport.watch(
            ModelExport,
            Call(
                "GET",
                expand("/v1/{name=projects/*/modelExports/*}:watch", name=name),
                query=present({"revision": revision}),
            ),
        )

    def wait(
        self,
        name: str,
        *,
        timeout: float | None = None,
        on_state: Callable[[ModelExport], object] | None = None,
    ) -> ModelExport:
        """Wait for the final state, and return it.

        OperationFailedError if there is no result (failed, cancelled, refused, rolled back);
        OperationTimeoutError after `timeout`.

        Args:
            name: Resource name of the export: `projects/{project}/modelExports/{model_export}`.
            timeout: Seconds to wait. Default: no limit.
            on_state: Called with each state, the final one included.
        """
        return self._transport.wait(
            ModelExport,
            Call("GET", expand("/v1/{name=projects/*/modelExports/*}:watch", name=name)),
            timeout,
            on_state,
        )


class AsyncModelExportsResource:
    """A model as files for another program, compared with the model from which it was made by that
    program.

    The files are a tree of the artifact store; each can be downloaded by its digest.
    """

    def __init__(self, transport: AsyncTransport) -> None:
        self._transport = transport

    async def cancel(self, name: str, *, timeout: float | None = None) -> ModelExport:
        """Request the cancellation of an export. One that has ended is returned unchanged.

        Args:
            name: Resource name of the export: `projects/{project}/modelExports/{model_export}`.
            timeout: Seconds that one attempt may take. Default: that of the client.
        """
        return await self._transport.call(
            ModelExport,
            Call("POST", expand("/v1/{name=projects/*/modelExports/*}:cancel", name=name), body={}),
            timeout,
        )

    async def create(
        self,
        parent: str,
        *,
        source_digest: str | None = None,
        source_version: str | None = None,
        format: ModelExportFormat | None = None,
        gguf_type: ModelExportGgufType | None = None,
        model_export_id: str | None = None,
        request_id: str | None = None,
        timeout: float | None = None,
    ) -> ModelExport:
        """Export a model as files for another program, and compare them with it.

        Refused: a source that is no language model (`BAD_BASE_MODEL`, or the reason of the inspection), and a
        format that does not fit it (`BAD_MODEL_EXPORT`; the error names the field). An export fails with
        `EXPORTER_MISSING` where the package of its format is not installed.

        Args:
            parent: Resource name of the project: `projects/{project}`.
            source_digest: Digest of the model artifact to export: a whole model, or an adapter. With every
                format but FORMAT_ADAPTER an adapter is merged into its base model first. Required.
            source_version: Resource name of the model version of `source_digest`. Empty: the artifact is not
                registered.
            format: Format of the files. Required.
            gguf_type: Number format of the weights, with FORMAT_GGUF. Default: GGUF_TYPE_F16.
            model_export_id: Last segment of the resource name: 1 to 63 characters of `a-z`, `0-9`, `-` and
                `.`; the first and the last one are a letter or a digit. Empty: the server generates a UUIDv7.
            request_id: Makes a retry safe: the identical request with the same ID returns the resource that
                it created first. A different request with the same ID is refused. At most 256 characters.
            timeout: Seconds that one attempt may take. Default: that of the client.
        """
        return await self._transport.call(
            ModelExport,
            Call(
                "POST",
                expand("/v1/{parent=projects/*}/modelExports", parent=parent),
                query=present(
                    {"modelExportId": model_export_id, "requestId": request_id or new_request_id()}
                ),
                body=present(
                    {
                        "sourceDigest": source_digest,
                        "sourceVersion": source_version,
                        "format": format,
                        "ggufType": gguf_type,
                    }
                ),
                repeatable=True,
            ),
            timeout,
        )

    async def delete(
        self, name: str, *, allow_missing: bool | None = None, timeout: float | None = None
    ) -> None:
        """Delete an export that has ended.

        Its files are collected as garbage. Refused while it is in progress (`IN_USE`).

        Args:
            name: Resource name of the export: `projects/{project}/modelExports/{model_export}`.
            allow_missing: If true, the deletion of an export that does not exist succeeds, so that a retry
                does.
            timeout: Seconds that one attempt may take. Default: that of the client.
        """
        await self._transport.send(
            Call(
                "DELETE",
                expand("/v1/{name=projects/*/modelExports/*}", name=name),
                query=present({"allowMissing": allow_missing}),
            ),
            timeout,
        )

    async def get(self, name: str, *, timeout: float | None = None) -> ModelExport:
        """Return one export with its files.

        Args:
            name: Resource name of the export: `projects/{project}/modelExports/{model_export}`.
            timeout: Seconds that one attempt may take. Default: that of the client.
        """
        return await self._transport.call(
            ModelExport, Call("GET", expand("/v1/{name=projects/*/modelExports/*}", name=name)), timeout
        )

    def list(
        self,
        parent: str,
        *,
        page_size: int | None = None,
        page_token: str | None = None,
        order_by: str | None = None,
        timeout: float | None = None,
    ) -> AsyncPaginator[ModelExport]:
        """List the model exports of a project, oldest first.

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
            ModelExport,
            "modelExports",
            Call(
                "GET",
                expand("/v1/{parent=projects/*}/modelExports", parent=parent),
                query=present({"pageSize": page_size, "pageToken": page_token, "orderBy": order_by}),
            ),
            timeout,
        )

    def watch(self, name: str, *, revision: int | None = None) -> AsyncWatch[ModelExport]:
        """Stream an export: its current state, then each change.

        States between two reads may be skipped. The stream ends after a final state.

        Args:
            name: Resource name of the export: `projects/{project}/modelExports/{model_export}`.
            revision: Send only states with a higher revision, for example than the last one that was
                received; no revision is too old. 0: start with the current state.
        """
        return self._transport.watch(
            ModelExport,
            Call(
                "GET",
                expand("/v1/{name=projects/*/modelExports/*}:watch", name=name),
                query=present({"revision": revision}),
            ),
        )

    async def wait(
        self,
        name: str,
        *,
        timeout: float | None = None,
        on_state: Callable[[ModelExport], object] | None = None,
    ) -> ModelExport:
        """Wait for the final state, and return it.

        OperationFailedError if there is no result (failed, cancelled, refused, rolled back);
        OperationTimeoutError after `timeout`.

        Args:
            name: Resource name of the export: `projects/{project}/modelExports/{model_export}`.
            timeout: Seconds to wait. Default: no limit.
            on_state: Called with each state, the final one included.
        """
        return await self._transport.wait(
            ModelExport,
            Call("GET", expand("/v1/{name=projects/*/modelExports/*}:watch", name=name)),
            timeout,
            on_state,
        )


class SweepsResource:
    """Search for the settings of a training recipe.

    Each trial is a training run with settings of its own; trials are compared by a metric of the
    validation part. A sweep has no access to a test part.
    """

    def __init__(self, transport: SyncTransport) -> None:
        self._transport = transport

    def cancel(self, name: str, *, timeout: float | None = None) -> Sweep:
        """Request the cancellation of a sweep and of its trials in progress.

        A sweep that has ended is returned unchanged.

        Args:
            name: Resource name of the sweep: `projects/{project}/sweeps/{sweep}`.
            timeout: Seconds that one attempt may take. Default: that of the client.
        """
        return self._transport.call(
            Sweep, Call("POST", expand("/v1/{name=projects/*/sweeps/*}:cancel", name=name), body={}), timeout
        )

    def create(
        self,
        parent: str,
        *,
        train_digest: str | None = None,
        validation_digest: str | None = None,
        base_artifact_digest: str | None = None,
        recipe: Recipe | None = None,
        resources: Resources | None = None,
        kind: SweepKind | None = None,
        parameters: Sequence[SweepParameter] | None = None,
        sampler: SweepSampler | None = None,
        seed: int | None = None,
        pruning: SweepPruning | None = None,
        metric: str | None = None,
        direction: SweepDirection | None = None,
        budget: SweepBudget | None = None,
        parallel_trials: int | None = None,
        folds: Sequence[SweepFold] | None = None,
        train_parts: Sequence[SweepTrainPart] | None = None,
        sweep_id: str | None = None,
        request_id: str | None = None,
        timeout: float | None = None,
    ) -> Sweep:
        """Start a sweep.

        Its trials are training runs of the project. Refused: a recipe, a part or a base model that
        `CreateTrainingRun` refuses, and a search that cannot be done (`BAD_SWEEP`); the error names the
        field.

        Args:
            parent: Resource name of the project: `projects/{project}`.
            train_digest: Digest of the training part of the split (a Parquet blob). Required without `folds`,
                refused with them.
            validation_digest: Digest of the validation part of the split (a Parquet blob). Required without
                `folds`, refused with them.
            base_artifact_digest: Digest of the model artifact from which each trial starts. Empty: training
                from scratch.
            recipe: Recipe of the trials: what no parameter sets. Classical models compare their candidates
                themselves and are refused.
            resources: Compute resources of each trial.
            kind: What is searched. Default: SEARCH.
            parameters: Parameters of a SEARCH, 1 to 20. The other kinds have parameters of their own and take
                none.
            sampler: Choice of the next settings in a SEARCH. Default: TPE.
            seed: Random seed of the sampler, 0 to 2^31-1. Trials of one sweep that run one after another are
                a function of it.
            pruning: Early end of trials. Default: none.
            metric: Metric of the validation part by which trials are compared, for example `macro_f1`, `mae`
                or `loss`. Default: `selection_metric` of the recipe.
            direction: Direction of the metric. Default: the one in which the metric is better. A direction
                that contradicts it is refused.
            budget: Limits. A limit that is reached ends the sweep; its best trial so far stays.
            parallel_trials: Number of trials in progress at the same time, 1 to 64. Default: 1.
            folds: Folds of cross-validation, 2 to 20: each trial trains on every fold, and its value is the
                mean of the folds.
            train_parts: Training parts to choose between, for example of different mixtures, in the place of
                `train_digest`: 2 to 100. The parameter `train_part` has their names as values. All of them
                are compared on one validation part.
            sweep_id: Last segment of the resource name: 1 to 63 characters of `a-z`, `0-9`, `-` and `.`; the
                first and the last one are a letter or a digit. Empty: the server generates a UUIDv7.
            request_id: Makes a retry safe: the identical request with the same ID returns the resource that
                it created first. A different request with the same ID is refused. At most 256 characters.
            timeout: Seconds that one attempt may take. Default: that of the client.
        """
        return self._transport.call(
            Sweep,
            Call(
                "POST",
                expand("/v1/{parent=projects/*}/sweeps", parent=parent),
                query=present({"sweepId": sweep_id, "requestId": request_id or new_request_id()}),
                body=present(
                    {
                        "trainDigest": train_digest,
                        "validationDigest": validation_digest,
                        "baseArtifactDigest": base_artifact_digest,
                        "recipe": recipe,
                        "resources": resources,
                        "kind": kind,
                        "parameters": parameters,
                        "sampler": sampler,
                        "seed": seed,
                        "pruning": pruning,
                        "metric": metric,
                        "direction": direction,
                        "budget": budget,
                        "parallelTrials": parallel_trials,
                        "folds": folds,
                        "trainParts": train_parts,
                    }
                ),
                repeatable=True,
            ),
            timeout,
        )

    def delete(self, name: str, *, allow_missing: bool | None = None, timeout: float | None = None) -> None:
        """Delete a sweep that has ended.

        Its training runs stay. Refused while it is in progress (`IN_USE`).

        Args:
            name: Resource name of the sweep: `projects/{project}/sweeps/{sweep}`.
            allow_missing: If true, the deletion of a sweep that does not exist succeeds, so that a retry
                does.
            timeout: Seconds that one attempt may take. Default: that of the client.
        """
        self._transport.send(
            Call(
                "DELETE",
                expand("/v1/{name=projects/*/sweeps/*}", name=name),
                query=present({"allowMissing": allow_missing}),
            ),
            timeout,
        )

    def get(self, name: str, *, timeout: float | None = None) -> Sweep:
        """Return one sweep with its trials.

        Args:
            name: Resource name of the sweep: `projects/{project}/sweeps/{sweep}`.
            timeout: Seconds that one attempt may take. Default: that of the client.
        """
        return self._transport.call(
            Sweep, Call("GET", expand("/v1/{name=projects/*/sweeps/*}", name=name)), timeout
        )

    def list(
        self,
        parent: str,
        *,
        page_size: int | None = None,
        page_token: str | None = None,
        order_by: str | None = None,
        timeout: float | None = None,
    ) -> SyncPage[Sweep]:
        """List the sweeps of a project, oldest first.

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
            Sweep,
            "sweeps",
            Call(
                "GET",
                expand("/v1/{parent=projects/*}/sweeps", parent=parent),
                query=present({"pageSize": page_size, "pageToken": page_token, "orderBy": order_by}),
            ),
            timeout,
        )

    def resume(self, name: str, *, budget: SweepBudget | None = None, timeout: float | None = None) -> Sweep:
        """Continue a sweep that has ended.

        Cancelled trials run again with their settings, then the search goes on after the last trial. Refused
        while it is in progress (`SWEEP_IN_PROGRESS`), and if its budget leaves no trial (`BUDGET_SPENT`).

        Args:
            name: Resource name of the sweep: `projects/{project}/sweeps/{sweep}`.
            budget: New limits; they replace the former ones. Not set: the limits stay.
            timeout: Seconds that one attempt may take. Default: that of the client.
        """
        return self._transport.call(
            Sweep,
            Call(
                "POST",
                expand("/v1/{name=projects/*/sweeps/*}:resume", name=name),
                body=present({"budget": budget}),
            ),
            timeout,
        )

    def watch(self, name: str, *, revision: int | None = None) -> SyncWatch[Sweep]:
        """Stream a sweep: its current state, then each change.

        States between two reads may be skipped. The stream ends after a final state.

        Args:
            name: Resource name of the sweep: `projects/{project}/sweeps/{sweep}`.
            revision: Send only states with a higher revision, for example than the last one that was
                received; no revision is too old. 0: start with the current state.
        """
        return self._transport.watch(
            Sweep,
            Call(
                "GET",
                expand("/v1/{name=projects/*/sweeps/*}:watch", name=name),
                query=present({"revision": revision}),
            ),
        )

    def wait(
        self, name: str, *, timeout: float | None = None, on_state: Callable[[Sweep], object] | None = None
    ) -> Sweep:
        """Wait for the final state, and return it.

        OperationFailedError if there is no result (failed, cancelled, refused, rolled back);
        OperationTimeoutError after `timeout`.

        Args:
            name: Resource name of the sweep: `projects/{project}/sweeps/{sweep}`.
            timeout: Seconds to wait. Default: no limit.
            on_state: Called with each state, the final one included.
        """
        return self._transport.wait(
            Sweep, Call("GET", expand("/v1/{name=projects/*/sweeps/*}:watch", name=name)), timeout, on_state
        )


class AsyncSweepsResource:
    """Search for the settings of a training recipe.

    Each trial is a training run with settings of its own; trials are compared by a metric of the
    validation part. A sweep has no access to a test part.
    """

    def __init__(self, transport: AsyncTransport) -> None:
        self._transport = transport

    async def cancel(self, name: str, *, timeout: float | None = None) -> Sweep:
        """Request the cancellation of a sweep and of its trials in progress.

        A sweep that has ended is returned unchanged.

        Args:
            name: Resource name of the sweep: `projects/{project}/sweeps/{sweep}`.
            timeout: Seconds that one attempt may take. Default: that of the client.
        """
        return await self._transport.call(
            Sweep, Call("POST", expand("/v1/{name=projects/*/sweeps/*}:cancel", name=name), body={}), timeout
        )

    async def create(
        self,
        parent: str,
        *,
        train_digest: str | None = None,
        validation_digest: str | None = None,
        base_artifact_digest: str | None = None,
        recipe: Recipe | None = None,
        resources: Resources | None = None,
        kind: SweepKind | None = None,
        parameters: Sequence[SweepParameter] | None = None,
        sampler: SweepSampler | None = None,
        seed: int | None = None,
        pruning: SweepPruning | None = None,
        metric: str | None = None,
        direction: SweepDirection | None = None,
        budget: SweepBudget | None = None,
        parallel_trials: int | None = None,
        folds: Sequence[SweepFold] | None = None,
        train_parts: Sequence[SweepTrainPart] | None = None,
        sweep_id: str | None = None,
        request_id: str | None = None,
        timeout: float | None = None,
    ) -> Sweep:
        """Start a sweep.

        Its trials are training runs of the project. Refused: a recipe, a part or a base model that
        `CreateTrainingRun` refuses, and a search that cannot be done (`BAD_SWEEP`); the error names the
        field.

        Args:
            parent: Resource name of the project: `projects/{project}`.
            train_digest: Digest of the training part of the split (a Parquet blob). Required without `folds`,
                refused with them.
            validation_digest: Digest of the validation part of the split (a Parquet blob). Required without
                `folds`, refused with them.
            base_artifact_digest: Digest of the model artifact from which each trial starts. Empty: training
                from scratch.
            recipe: Recipe of the trials: what no parameter sets. Classical models compare their candidates
                themselves and are refused.
            resources: Compute resources of each trial.
            kind: What is searched. Default: SEARCH.
            parameters: Parameters of a SEARCH, 1 to 20. The other kinds have parameters of their own and take
                none.
            sampler: Choice of the next settings in a SEARCH. Default: TPE.
            seed: Random seed of the sampler, 0 to 2^31-1. Trials of one sweep that run one after another are
                a function of it.
            pruning: Early end of trials. Default: none.
            metric: Metric of the validation part by which trials are compared, for example `macro_f1`, `mae`
                or `loss`. Default: `selection_metric` of the recipe.
            direction: Direction of the metric. Default: the one in which the metric is better. A direction
                that contradicts it is refused.
            budget: Limits. A limit that is reached ends the sweep; its best trial so far stays.
            parallel_trials: Number of trials in progress at the same time, 1 to 64. Default: 1.
            folds: Folds of cross-validation, 2 to 20: each trial trains on every fold, and its value is the
                mean of the folds.
            train_parts: Training parts to choose between, for example of different mixtures, in the place of
                `train_digest`: 2 to 100. The parameter `train_part` has their names as values. All of them
                are compared on one validation part.
            sweep_id: Last segment of the resource name: 1 to 63 characters of `a-z`, `0-9`, `-` and `.`; the
                first and the last one are a letter or a digit. Empty: the server generates a UUIDv7.
            request_id: Makes a retry safe: the identical request with the same ID returns the resource that
                it created first. A different request with the same ID is refused. At most 256 characters.
            timeout: Seconds that one attempt may take. Default: that of the client.
        """
        return await self._transport.call(
            Sweep,
            Call(
                "POST",
                expand("/v1/{parent=projects/*}/sweeps", parent=parent),
                query=present({"sweepId": sweep_id, "requestId": request_id or new_request_id()}),
                body=present(
                    {
                        "trainDigest": train_digest,
                        "validationDigest": validation_digest,
                        "baseArtifactDigest": base_artifact_digest,
                        "recipe": recipe,
                        "resources": resources,
                        "kind": kind,
                        "parameters": parameters,
                        "sampler": sampler,
                        "seed": seed,
                        "pruning": pruning,
                        "metric": metric,
                        "direction": direction,
                        "budget": budget,
                        "parallelTrials": parallel_trials,
                        "folds": folds,
                        "trainParts": train_parts,
                    }
                ),
                repeatable=True,
            ),
            timeout,
        )

    async def delete(
        self, name: str, *, allow_missing: bool | None = None, timeout: float | None = None
    ) -> None:
        """Delete a sweep that has ended.

        Its training runs stay. Refused while it is in progress (`IN_USE`).

        Args:
            name: Resource name of the sweep: `projects/{project}/sweeps/{sweep}`.
            allow_missing: If true, the deletion of a sweep that does not exist succeeds, so that a retry
                does.
            timeout: Seconds that one attempt may take. Default: that of the client.
        """
        await self._transport.send(
            Call(
                "DELETE",
                expand("/v1/{name=projects/*/sweeps/*}", name=name),
                query=present({"allowMissing": allow_missing}),
            ),
            timeout,
        )

    async def get(self, name: str, *, timeout: float | None = None) -> Sweep:
        """Return one sweep with its trials.

        Args:
            name: Resource name of the sweep: `projects/{project}/sweeps/{sweep}`.
            timeout: Seconds that one attempt may take. Default: that of the client.
        """
        return await self._transport.call(
            Sweep, Call("GET", expand("/v1/{name=projects/*/sweeps/*}", name=name)), timeout
        )

    def list(
        self,
        parent: str,
        *,
        page_size: int | None = None,
        page_token: str | None = None,
        order_by: str | None = None,
        timeout: float | None = None,
    ) -> AsyncPaginator[Sweep]:
        """List the sweeps of a project, oldest first.

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
            Sweep,
            "sweeps",
            Call(
                "GET",
                expand("/v1/{parent=projects/*}/sweeps", parent=parent),
                query=present({"pageSize": page_size, "pageToken": page_token, "orderBy": order_by}),
            ),
            timeout,
        )

    async def resume(
        self, name: str, *, budget: SweepBudget | None = None, timeout: float | None = None
    ) -> Sweep:
        """Continue a sweep that has ended.

        Cancelled trials run again with their settings, then the search goes on after the last trial. Refused
        while it is in progress (`SWEEP_IN_PROGRESS`), and if its budget leaves no trial (`BUDGET_SPENT`).

        Args:
            name: Resource name of the sweep: `projects/{project}/sweeps/{sweep}`.
            budget: New limits; they replace the former ones. Not set: the limits stay.
            timeout: Seconds that one attempt may take. Default: that of the client.
        """
        return await self._transport.call(
            Sweep,
            Call(
                "POST",
                expand("/v1/{name=projects/*/sweeps/*}:resume", name=name),
                body=present({"budget": budget}),
            ),
            timeout,
        )

    def watch(self, name: str, *, revision: int | None = None) -> AsyncWatch[Sweep]:
        """Stream a sweep: its current state, then each change.

        States between two reads may be skipped. The stream ends after a final state.

        Args:
            name: Resource name of the sweep: `projects/{project}/sweeps/{sweep}`.
            revision: Send only states with a higher revision, for example than the last one that was
                received; no revision is too old. 0: start with the current state.
        """
        return self._transport.watch(
            Sweep,
            Call(
                "GET",
                expand("/v1/{name=projects/*/sweeps/*}:watch", name=name),
                query=present({"revision": revision}),
            ),
        )

    async def wait(
        self, name: str, *, timeout: float | None = None, on_state: Callable[[Sweep], object] | None = None
    ) -> Sweep:
        """Wait for the final state, and return it.

        OperationFailedError if there is no result (failed, cancelled, refused, rolled back);
        OperationTimeoutError after `timeout`.

        Args:
            name: Resource name of the sweep: `projects/{project}/sweeps/{sweep}`.
            timeout: Seconds to wait. Default: no limit.
            on_state: Called with each state, the final one included.
        """
        return await self._transport.wait(
            Sweep, Call("GET", expand("/v1/{name=projects/*/sweeps/*}:watch", name=name)), timeout, on_state
        )


class TrainingRunMetricsResource:
    """Measurements of one name over the steps of a training run."""

    def __init__(self, transport: SyncTransport) -> None:
        self._transport = transport

    def list(
        self,
        parent: str,
        *,
        page_size: int | None = None,
        page_token: str | None = None,
        max_points: int | None = None,
        timeout: float | None = None,
    ) -> SyncPage[MetricSeries]:
        """List the measurements of a training run by name, while it is in progress and after its end.

        Series are thinned evenly; `curves_digest` of the run holds the exact curves.

        Args:
            parent: Resource name of the training run: `projects/{project}/trainingRuns/{training_run}`.
            page_size: Maximum number of series to return. 0: 100. Values above 1000 are reduced to 1000;
                negative values are refused. A page may hold fewer items.
            page_token: `next_page_token` of the previous page. Empty: the first page. The token of another
                listing is refused.
            max_points: Maximum number of points of a series, 2 to 1,000. Of each span of steps the lowest and
                the highest value stay. 0: 200.
            timeout: Seconds that one attempt may take. Default: that of the client.
        """
        return self._transport.page(
            MetricSeries,
            "series",
            Call(
                "GET",
                expand("/v1/{parent=projects/*/trainingRuns/*}/metrics", parent=parent),
                query=present({"pageSize": page_size, "pageToken": page_token, "maxPoints": max_points}),
            ),
            timeout,
        )


class AsyncTrainingRunMetricsResource:
    """Measurements of one name over the steps of a training run."""

    def __init__(self, transport: AsyncTransport) -> None:
        self._transport = transport

    def list(
        self,
        parent: str,
        *,
        page_size: int | None = None,
        page_token: str | None = None,
        max_points: int | None = None,
        timeout: float | None = None,
    ) -> AsyncPaginator[MetricSeries]:
        """List the measurements of a training run by name, while it is in progress and after its end.

        Series are thinned evenly; `curves_digest` of the run holds the exact curves.

        Args:
            parent: Resource name of the training run: `projects/{project}/trainingRuns/{training_run}`.
            page_size: Maximum number of series to return. 0: 100. Values above 1000 are reduced to 1000;
                negative values are refused. A page may hold fewer items.
            page_token: `next_page_token` of the previous page. Empty: the first page. The token of another
                listing is refused.
            max_points: Maximum number of points of a series, 2 to 1,000. Of each span of steps the lowest and
                the highest value stay. 0: 200.
            timeout: Seconds that one attempt may take. Default: that of the client.
        """
        return self._transport.page(
            MetricSeries,
            "series",
            Call(
                "GET",
                expand("/v1/{parent=projects/*/trainingRuns/*}/metrics", parent=parent),
                query=present({"pageSize": page_size, "pageToken": page_token, "maxPoints": max_points}),
            ),
            timeout,
        )


class TrainingRunsResource:
    """Training of one model on one split."""

    def __init__(self, transport: SyncTransport) -> None:
        self._transport = transport

    def cancel(self, name: str, *, timeout: float | None = None) -> TrainingRun:
        """Request the cancellation of a training run. A run that has ended is returned unchanged.

        Args:
            name: Resource name of the training run: `projects/{project}/trainingRuns/{training_run}`.
            timeout: Seconds that one attempt may take. Default: that of the client.
        """
        return self._transport.call(
            TrainingRun,
            Call("POST", expand("/v1/{name=projects/*/trainingRuns/*}:cancel", name=name), body={}),
            timeout,
        )

    def clone(
        self,
        name: str,
        *,
        training_run_id: str | None = None,
        recipe: Recipe | None = None,
        resources: Resources | None = None,
        train_digest: str | None = None,
        validation_digest: str | None = None,
        continue_training: bool | None = None,
        request_id: str | None = None,
        validate_only: bool | None = None,
        timeout: float | None = None,
    ) -> TrainingRun:
        """Start a training run like another one, except for the fields in the request.

        The new run may continue from the model of the other one.

        Args:
            name: Resource name of the training run to clone:
                `projects/{project}/trainingRuns/{training_run}`.
            training_run_id: Last segment of the name of the new run: 1 to 63 characters of `a-z`, `0-9`, `-`
                and `.`; the first and the last one are a letter or a digit. Empty: the server generates a
                UUIDv7.
            recipe: Changes of the recipe. Fields that are set take the place of those of the run; the others
                stay.
            resources: Changes of the compute resources, in the same way.
            train_digest: Digest of another training part. Empty: that of the run.
            validation_digest: Digest of another validation part. Empty: that of the run.
            continue_training: Start from the model of the run instead of from where the run started: the
                method becomes CONTINUE, or LORA if the model is an adapter. Refused if the run has no model
                (`NO_CHECKPOINT`).
            request_id: Makes a retry safe: the identical request with the same ID returns the resource that
                it created first. A different request with the same ID is refused. At most 256 characters.
            validate_only: Plan the new run without starting it, as in `CreateTrainingRun`.
            timeout: Seconds that one attempt may take. Default: that of the client.
        """
        return self._transport.call(
            TrainingRun,
            Call(
                "POST",
                expand("/v1/{name=projects/*/trainingRuns/*}:clone", name=name),
                body=present(
                    {
                        "trainingRunId": training_run_id,
                        "recipe": recipe,
                        "resources": resources,
                        "trainDigest": train_digest,
                        "validationDigest": validation_digest,
                        "continueTraining": continue_training,
                        "requestId": request_id or new_request_id(),
                        "validateOnly": validate_only,
                    }
                ),
                repeatable=True,
            ),
            timeout,
        )

    def create(
        self,
        parent: str,
        *,
        train_digest: str | None = None,
        validation_digest: str | None = None,
        base_artifact_digest: str | None = None,
        recipe: Recipe | None = None,
        resources: Resources | None = None,
        training_run_id: str | None = None,
        request_id: str | None = None,
        validate_only: bool | None = None,
        timeout: float | None = None,
    ) -> TrainingRun:
        """Start a training run.

        Refused: a missing part (`DIGEST_MISSING`), a part with erased records (`ARTIFACT_ERASED`), a value
        that cannot be trained with (`BAD_RECIPE`), an accelerator without a recipe (`ACCELERATOR_REFUSED`),
        and a base model that does not fit the method (`BASE_MISSING`, `BASE_NOT_WANTED`, `BAD_BASE_MODEL`),
        and a kind of task that is not supported yet (`TASK_NOT_SUPPORTED`).

        Args:
            parent: Resource name of the project: `projects/{project}`.
            train_digest: Digest of the training part of the split (a Parquet blob).
            validation_digest: Digest of the validation part of the split (a Parquet blob).
            base_artifact_digest: Digest of the model artifact from which training continues. Empty: training
                from scratch. Required by the methods CONTINUE and LORA, refused with FROM_SCRATCH and
                CLASSICAL. Optional with NEURAL.
            recipe: Training recipe. In a response, all defaults are filled in.
            resources: Compute resources.
            training_run_id: Last segment of the resource name: 1 to 63 characters of `a-z`, `0-9`, `-` and
                `.`; the first and the last one are a letter or a digit. Empty: the server generates a UUIDv7.
            request_id: Makes a retry safe: the identical request with the same ID returns the resource that
                it created first. A different request with the same ID is refused. At most 256 characters.
            validate_only: Check the request, read a sample of the data and plan the run, without starting it.
                The answer is the run as it would be created, with `plan.estimate` and `plan.problems`.
                Nothing is stored.
            timeout: Seconds that one attempt may take. Default: that of the client.
        """
        return self._transport.call(
            TrainingRun,
            Call(
                "POST",
                expand("/v1/{parent=projects/*}/trainingRuns", parent=parent),
                query=present(
                    {
                        "trainingRunId": training_run_id,
                        "requestId": request_id or new_request_id(),
                        "validateOnly": validate_only,
                    }
                ),
                body=present(
                    {
                        "trainDigest": train_digest,
                        "validationDigest": validation_digest,
                        "baseArtifactDigest": base_artifact_digest,
                        "recipe": recipe,
                        "resources": resources,
                    }
                ),
                repeatable=True,
            ),
            timeout,
        )

    def delete(self, name: str, *, allow_missing: bool | None = None, timeout: float | None = None) -> None:
        """Delete a training run that has ended.

        Refused while it is in progress, and while a model version or a pipeline run names a run that
        succeeded (`IN_USE`).

        Args:
            name: Resource name of the training run: `projects/{project}/trainingRuns/{training_run}`.
            allow_missing: If true, the deletion of a training run that does not exist succeeds, so that a
                retry does.
            timeout: Seconds that one attempt may take. Default: that of the client.
        """
        self._transport.send(
            Call(
                "DELETE",
                expand("/v1/{name=projects/*/trainingRuns/*}", name=name),
                query=present({"allowMissing": allow_missing}),
            ),
            timeout,
        )

    def get(self, name: str, *, timeout: float | None = None) -> TrainingRun:
        """Return one training run.

        Args:
            name: Resource name of the training run: `projects/{project}/trainingRuns/{training_run}`.
            timeout: Seconds that one attempt may take. Default: that of the client.
        """
        return self._transport.call(
            TrainingRun, Call("GET", expand("/v1/{name=projects/*/trainingRuns/*}", name=name)), timeout
        )

    def list(
        self,
        parent: str,
        *,
        page_size: int | None = None,
        page_token: str | None = None,
        order_by: str | None = None,
        timeout: float | None = None,
    ) -> SyncPage[TrainingRun]:
        """List the training runs of a project, oldest first.

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
            TrainingRun,
            "trainingRuns",
            Call(
                "GET",
                expand("/v1/{parent=projects/*}/trainingRuns", parent=parent),
                query=present({"pageSize": page_size, "pageToken": page_token, "orderBy": order_by}),
            ),
            timeout,
        )

    def plan(
        self, parent: str, *, training_run: TrainingRun | None = None, timeout: float | None = None
    ) -> ResourcePlan:
        """Compute the resource requirements of a training run without starting it.

        Recipe, resources and base model are checked as by `CreateTrainingRun`.

        Args:
            parent: Resource name of the project: `projects/{project}`.
            training_run: The training run to plan. Only `base_artifact_digest`, `recipe` and `resources` are
                used.
            timeout: Seconds that one attempt may take. Default: that of the client.
        """
        return self._transport.call(
            ResourcePlan,
            Call(
                "POST",
                expand("/v1/{parent=projects/*}/trainingRuns:plan", parent=parent),
                body=present({"trainingRun": training_run}),
            ),
            timeout,
        )

    def resume(self, name: str, *, timeout: float | None = None) -> TrainingRun:
        """Resume a training run that failed or was cancelled, from its last checkpoint.

        A run in progress is returned unchanged. Refused for one that succeeded (`RUN_SUCCEEDED`). Without a
        checkpoint it begins again.

        Args:
            name: Resource name of the training run: `projects/{project}/trainingRuns/{training_run}`.
            timeout: Seconds that one attempt may take. Default: that of the client.
        """
        return self._transport.call(
            TrainingRun,
            Call("POST", expand("/v1/{name=projects/*/trainingRuns/*}:resume", name=name), body={}),
            timeout,
        )

    def stop(self, name: str, *, timeout: float | None = None) -> TrainingRun:
        """Stop a training run early: it validates, and its best weights so far become its result.

        A run that has ended is returned unchanged. Refused before the first step and for a classical model,
        which have no weights yet (`NO_CHECKPOINT`).

        Args:
            name: Resource name of the training run: `projects/{project}/trainingRuns/{training_run}`.
            timeout: Seconds that one attempt may take. Default: that of the client.
        """
        return self._transport.call(
            TrainingRun,
            Call("POST", expand("/v1/{name=projects/*/trainingRuns/*}:stop", name=name), body={}),
            timeout,
        )

    def watch(self, name: str, *, revision: int | None = None) -> SyncWatch[TrainingRun]:
        """Stream a training run: its current state, then each change.

        States between two reads may be skipped. The stream ends after a final state.

        Args:
            name: Resource name of the training run: `projects/{project}/trainingRuns/{training_run}`.
            revision: Send only states with a higher revision, for example than the last one that was
                received; no revision is too old. 0: start with the current state.
        """
        return self._transport.watch(
            TrainingRun,
            Call(
                "GET",
                expand("/v1/{name=projects/*/trainingRuns/*}:watch", name=name),
                query=present({"revision": revision}),
            ),
        )

    def wait(
        self,
        name: str,
        *,
        timeout: float | None = None,
        on_state: Callable[[TrainingRun], object] | None = None,
    ) -> TrainingRun:
        """Wait for the final state, and return it.

        OperationFailedError if there is no result (failed, cancelled, refused, rolled back);
        OperationTimeoutError after `timeout`.

        Args:
            name: Resource name of the training run: `projects/{project}/trainingRuns/{training_run}`.
            timeout: Seconds to wait. Default: no limit.
            on_state: Called with each state, the final one included.
        """
        return self._transport.wait(
            TrainingRun,
            Call("GET", expand("/v1/{name=projects/*/trainingRuns/*}:watch", name=name)),
            timeout,
            on_state,
        )


class AsyncTrainingRunsResource:
    """Training of one model on one split."""

    def __init__(self, transport: AsyncTransport) -> None:
        self._transport = transport

    async def cancel(self, name: str, *, timeout: float | None = None) -> TrainingRun:
        """Request the cancellation of a training run. A run that has ended is returned unchanged.

        Args:
            name: Resource name of the training run: `projects/{project}/trainingRuns/{training_run}`.
            timeout: Seconds that one attempt may take. Default: that of the client.
        """
        return await self._transport.call(
            TrainingRun,
            Call("POST", expand("/v1/{name=projects/*/trainingRuns/*}:cancel", name=name), body={}),
            timeout,
        )

    async def clone(
        self,
        name: str,
        *,
        training_run_id: str | None = None,
        recipe: Recipe | None = None,
        resources: Resources | None = None,
        train_digest: str | None = None,
        validation_digest: str | None = None,
        continue_training: bool | None = None,
        request_id: str | None = None,
        validate_only: bool | None = None,
        timeout: float | None = None,
    ) -> TrainingRun:
        """Start a training run like another one, except for the fields in the request.

        The new run may continue from the model of the other one.

        Args:
            name: Resource name of the training run to clone:
                `projects/{project}/trainingRuns/{training_run}`.
            training_run_id: Last segment of the name of the new run: 1 to 63 characters of `a-z`, `0-9`, `-`
                and `.`; the first and the last one are a letter or a digit. Empty: the server generates a
                UUIDv7.
            recipe: Changes of the recipe. Fields that are set take the place of those of the run; the others
                stay.
            resources: Changes of the compute resources, in the same way.
            train_digest: Digest of another training part. Empty: that of the run.
            validation_digest: Digest of another validation part. Empty: that of the run.
            continue_training: Start from the model of the run instead of from where the run started: the
                method becomes CONTINUE, or LORA if the model is an adapter. Refused if the run has no model
                (`NO_CHECKPOINT`).
            request_id: Makes a retry safe: the identical request with the same ID returns the resource that
                it created first. A different request with the same ID is refused. At most 256 characters.
            validate_only: Plan the new run without starting it, as in `CreateTrainingRun`.
            timeout: Seconds that one attempt may take. Default: that of the client.
        """
        return await self._transport.call(
            TrainingRun,
            Call(
                "POST",
                expand("/v1/{name=projects/*/trainingRuns/*}:clone", name=name),
                body=present(
                    {
                        "trainingRunId": training_run_id,
                        "recipe": recipe,
                        "resources": resources,
                        "trainDigest": train_digest,
                        "validationDigest": validation_digest,
                        "continueTraining": continue_training,
                        "requestId": request_id or new_request_id(),
                        "validateOnly": validate_only,
                    }
                ),
                repeatable=True,
            ),
            timeout,
        )

    async def create(
        self,
        parent: str,
        *,
        train_digest: str | None = None,
        validation_digest: str | None = None,
        base_artifact_digest: str | None = None,
        recipe: Recipe | None = None,
        resources: Resources | None = None,
        training_run_id: str | None = None,
        request_id: str | None = None,
        validate_only: bool | None = None,
        timeout: float | None = None,
    ) -> TrainingRun:
        """Start a training run.

        Refused: a missing part (`DIGEST_MISSING`), a part with erased records (`ARTIFACT_ERASED`), a value
        that cannot be trained with (`BAD_RECIPE`), an accelerator without a recipe (`ACCELERATOR_REFUSED`),
        and a base model that does not fit the method (`BASE_MISSING`, `BASE_NOT_WANTED`, `BAD_BASE_MODEL`),
        and a kind of task that is not supported yet (`TASK_NOT_SUPPORTED`).

        Args:
            parent: Resource name of the project: `projects/{project}`.
            train_digest: Digest of the training part of the split (a Parquet blob).
            validation_digest: Digest of the validation part of the split (a Parquet blob).
            base_artifact_digest: Digest of the model artifact from which training continues. Empty: training
                from scratch. Required by the methods CONTINUE and LORA, refused with FROM_SCRATCH and
                CLASSICAL. Optional with NEURAL.
            recipe: Training recipe. In a response, all defaults are filled in.
            resources: Compute resources.
            training_run_id: Last segment of the resource name: 1 to 63 characters of `a-z`, `0-9`, `-` and
                `.`; the first and the last one are a letter or a digit. Empty: the server generates a UUIDv7.
            request_id: Makes a retry safe: the identical request with the same ID returns the resource that
                it created first. A different request with the same ID is refused. At most 256 characters.
            validate_only: Check the request, read a sample of the data and plan the run, without starting it.
                The answer is the run as it would be created, with `plan.estimate` and `plan.problems`.
                Nothing is stored.
            timeout: Seconds that one attempt may take. Default: that of the client.
        """
        return await self._transport.call(
            TrainingRun,
            Call(
                "POST",
                expand("/v1/{parent=projects/*}/trainingRuns", parent=parent),
                query=present(
                    {
                        "trainingRunId": training_run_id,
                        "requestId": request_id or new_request_id(),
                        "validateOnly": validate_only,
                    }
                ),
                body=present(
                    {
                        "trainDigest": train_digest,
                        "validationDigest": validation_digest,
                        "baseArtifactDigest": base_artifact_digest,
                        "recipe": recipe,
                        "resources": resources,
                    }
                ),
                repeatable=True,
            ),
            timeout,
        )

    async def delete(
        self, name: str, *, allow_missing: bool | None = None, timeout: float | None = None
    ) -> None:
        """Delete a training run that has ended.

        Refused while it is in progress, and while a model version or a pipeline run names a run that
        succeeded (`IN_USE`).

        Args:
            name: Resource name of the training run: `projects/{project}/trainingRuns/{training_run}`.
            allow_missing: If true, the deletion of a training run that does not exist succeeds, so that a
                retry does.
            timeout: Seconds that one attempt may take. Default: that of the client.
        """
        await self._transport.send(
            Call(
                "DELETE",
                expand("/v1/{name=projects/*/trainingRuns/*}", name=name),
                query=present({"allowMissing": allow_missing}),
            ),
            timeout,
        )

    async def get(self, name: str, *, timeout: float | None = None) -> TrainingRun:
        """Return one training run.

        Args:
            name: Resource name of the training run: `projects/{project}/trainingRuns/{training_run}`.
            timeout: Seconds that one attempt may take. Default: that of the client.
        """
        return await self._transport.call(
            TrainingRun, Call("GET", expand("/v1/{name=projects/*/trainingRuns/*}", name=name)), timeout
        )

    def list(
        self,
        parent: str,
        *,
        page_size: int | None = None,
        page_token: str | None = None,
        order_by: str | None = None,
        timeout: float | None = None,
    ) -> AsyncPaginator[TrainingRun]:
        """List the training runs of a project, oldest first.

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
            TrainingRun,
            "trainingRuns",
            Call(
                "GET",
                expand("/v1/{parent=projects/*}/trainingRuns", parent=parent),
                query=present({"pageSize": page_size, "pageToken": page_token, "orderBy": order_by}),
            ),
            timeout,
        )

    async def plan(
        self, parent: str, *, training_run: TrainingRun | None = None, timeout: float | None = None
    ) -> ResourcePlan:
        """Compute the resource requirements of a training run without starting it.

        Recipe, resources and base model are checked as by `CreateTrainingRun`.

        Args:
            parent: Resource name of the project: `projects/{project}`.
            training_run: The training run to plan. Only `base_artifact_digest`, `recipe` and `resources` are
                used.
            timeout: Seconds that one attempt may take. Default: that of the client.
        """
        return await self._transport.call(
            ResourcePlan,
            Call(
                "POST",
                expand("/v1/{parent=projects/*}/trainingRuns:plan", parent=parent),
                body=present({"trainingRun": training_run}),
            ),
            timeout,
        )

    async def resume(self, name: str, *, timeout: float | None = None) -> TrainingRun:
        """Resume a training run that failed or was cancelled, from its last checkpoint.

        A run in progress is returned unchanged. Refused for one that succeeded (`RUN_SUCCEEDED`). Without a
        checkpoint it begins again.

        Args:
            name: Resource name of the training run: `projects/{project}/trainingRuns/{training_run}`.
            timeout: Seconds that one attempt may take. Default: that of the client.
        """
        return await self._transport.call(
            TrainingRun,
            Call("POST", expand("/v1/{name=projects/*/trainingRuns/*}:resume", name=name), body={}),
            timeout,
        )

    async def stop(self, name: str, *, timeout: float | None = None) -> TrainingRun:
        """Stop a training run early: it validates, and its best weights so far become its result.

        A run that has ended is returned unchanged. Refused before the first step and for a classical model,
        which have no weights yet (`NO_CHECKPOINT`).

        Args:
            name: Resource name of the training run: `projects/{project}/trainingRuns/{training_run}`.
            timeout: Seconds that one attempt may take. Default: that of the client.
        """
        return await self._transport.call(
            TrainingRun,
            Call("POST", expand("/v1/{name=projects/*/trainingRuns/*}:stop", name=name), body={}),
            timeout,
        )

    def watch(self, name: str, *, revision: int | None = None) -> AsyncWatch[TrainingRun]:
        """Stream a training run: its current state, then each change.

        States between two reads may be skipped. The stream ends after a final state.

        Args:
            name: Resource name of the training run: `projects/{project}/trainingRuns/{training_run}`.
            revision: Send only states with a higher revision, for example than the last one that was
                received; no revision is too old. 0: start with the current state.
        """
        return self._transport.watch(
            TrainingRun,
            Call(
                "GET",
                expand("/v1/{name=projects/*/trainingRuns/*}:watch", name=name),
                query=present({"revision": revision}),
            ),
        )

    async def wait(
        self,
        name: str,
        *,
        timeout: float | None = None,
        on_state: Callable[[TrainingRun], object] | None = None,
    ) -> TrainingRun:
        """Wait for the final state, and return it.

        OperationFailedError if there is no result (failed, cancelled, refused, rolled back);
        OperationTimeoutError after `timeout`.

        Args:
            name: Resource name of the training run: `projects/{project}/trainingRuns/{training_run}`.
            timeout: Seconds to wait. Default: no limit.
            on_state: Called with each state, the final one included.
        """
        return await self._transport.wait(
            TrainingRun,
            Call("GET", expand("/v1/{name=projects/*/trainingRuns/*}:watch", name=name)),
            timeout,
            on_state,
        )
