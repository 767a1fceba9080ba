# Generated from protos/ by scripts/client.py; `make proto` writes it again.
"""Resources of training."""

from collections.abc import Callable

from ratoon.client._generated.training_types import Recipe, ResourcePlan, Resources, TrainingRun
from ratoon.client._models import present
from ratoon.client._pagination import AsyncPaginator, SyncPage
from ratoon.client._paths import expand
from ratoon.client._transport import AsyncTransport, Call, SyncTransport, new_request_id
from ratoon.client._watch import AsyncWatch, SyncWatch


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
                CLASSICAL.
            recipe: Training recipe. In a response, all defaults are filled in.
            resources: Compute resources.
            training_run_id: Last segment of the resource name: 1 to 63 characters of `a-z`, `0-9`, `-` and
                `.`; the first and the last one are a letter or a digit. Empty: the server generates a UUIDv7.
            request_id: Makes a retry safe: the identical request with the same ID returns the resource that
                it created first. A different request with the same ID is refused. At most 256 characters.
            timeout: Seconds that one attempt may take. Default: that of the client.
        """
        return self._transport.call(
            TrainingRun,
            Call(
                "POST",
                expand("/v1/{parent=projects/*}/trainingRuns", parent=parent),
                query=present(
                    {"trainingRunId": training_run_id, "requestId": request_id or new_request_id()}
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
                CLASSICAL.
            recipe: Training recipe. In a response, all defaults are filled in.
            resources: Compute resources.
            training_run_id: Last segment of the resource name: 1 to 63 characters of `a-z`, `0-9`, `-` and
                `.`; the first and the last one are a letter or a digit. Empty: the server generates a UUIDv7.
            request_id: Makes a retry safe: the identical request with the same ID returns the resource that
                it created first. A different request with the same ID is refused. At most 256 characters.
            timeout: Seconds that one attempt may take. Default: that of the client.
        """
        return await self._transport.call(
            TrainingRun,
            Call(
                "POST",
                expand("/v1/{parent=projects/*}/trainingRuns", parent=parent),
                query=present(
                    {"trainingRunId": training_run_id, "requestId": request_id or new_request_id()}
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
