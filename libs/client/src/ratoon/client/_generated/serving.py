# Generated from protos/ by scripts/client.py; `make proto` writes it again.
"""Resources of serving."""

from collections.abc import Callable, Sequence

from ratoon.client._generated.common_types import Compute, ShadowAnalysis
from ratoon.client._generated.serving_types import (
    Deployment,
    Engine,
    Rollout,
    RolloutBake,
    RolloutStrategy,
    ServingPlan,
)
from ratoon.client._models import present
from ratoon.client._pagination import AsyncPaginator, SyncPage
from ratoon.client._paths import expand
from ratoon.client._transport import AsyncTransport, Call, SyncTransport, new_request_id
from ratoon.client._watch import AsyncWatch, SyncWatch


class DeploymentsResource:
    """Named endpoint at which a model is served. Callers select it with `model` in a request."""

    def __init__(self, transport: SyncTransport) -> None:
        self._transport = transport

    def create(
        self,
        parent: str,
        *,
        model: str | None = None,
        pool: str | None = None,
        deployment_id: str | None = None,
        request_id: str | None = None,
        timeout: float | None = None,
    ) -> Deployment:
        """Create a deployment.

        It serves no model until the first rollout. Refused: an unknown pool (`ENGINE_POOL_UNKNOWN`).

        Args:
            parent: Resource name of the project: `projects/{project}`.
            model: Resource name of the model: `projects/{project}/models/{model}`. Required.
            pool: Node pool of the engines, by the name that the operator configured. Empty: the default of
                the installation. An unknown pool is refused.
            deployment_id: Last segment of the resource name: 1 to 63 characters of `a-z`, `0-9`, `-` and `.`;
                the first and the last one are a letter or a digit. Empty: the server generates a UUIDv7.
            request_id: Makes a retry safe: the identical request with the same ID returns the resource that
                it created first. A different request with the same ID is refused. At most 256 characters.
            timeout: Seconds that one attempt may take. Default: that of the client.
        """
        return self._transport.call(
            Deployment,
            Call(
                "POST",
                expand("/v1/{parent=projects/*}/deployments", parent=parent),
                query=present({"deploymentId": deployment_id, "requestId": request_id or new_request_id()}),
                body=present({"model": model, "pool": pool}),
                repeatable=True,
            ),
            timeout,
        )

    def delete(
        self,
        name: str,
        *,
        force: bool | None = None,
        allow_missing: bool | None = None,
        timeout: float | None = None,
    ) -> None:
        """Delete a deployment with its engines and rollouts.

        The models that it served are kept. Refused while a rollout of it is in progress (`ROLLOUT_ACTIVE`),
        and while it serves (`IN_USE`) unless `force` is set: then its route is removed and its engines are
        stopped.

        Args:
            name: Resource name of the deployment: `projects/{project}/deployments/{deployment}`.
            force: If true, a deployment that serves is deleted too. Requests that its engines are answering
                end with an error.
            allow_missing: If true, the deletion of a deployment that does not exist succeeds, so that a retry
                does.
            timeout: Seconds that one attempt may take. Default: that of the client.
        """
        self._transport.send(
            Call(
                "DELETE",
                expand("/v1/{name=projects/*/deployments/*}", name=name),
                query=present({"force": force, "allowMissing": allow_missing}),
            ),
            timeout,
        )

    def get(self, name: str, *, timeout: float | None = None) -> Deployment:
        """Return one deployment.

        Args:
            name: Resource name of the deployment: `projects/{project}/deployments/{deployment}`.
            timeout: Seconds that one attempt may take. Default: that of the client.
        """
        return self._transport.call(
            Deployment, Call("GET", expand("/v1/{name=projects/*/deployments/*}", name=name)), timeout
        )

    def inject_fault(
        self,
        name: str,
        *,
        version: str | None = None,
        error_rate: float | None = None,
        seconds: float | None = None,
        request_id: str | None = None,
        timeout: float | None = None,
    ) -> Engine:
        """Let a share of the answers of one version fail for a limited time, to test the analysis.

        Refused when the deployment has no engine of the version (`NO_ENGINE_TO_DISTURB`), and for values out
        of range (`BAD_FAULT`).

        Args:
            name: Resource name of the deployment: `projects/{project}/deployments/{deployment}`.
            version: Resource name of the version: `projects/{project}/models/{model}/versions/{version}`. One
                of its engines must be running.
            error_rate: Share of answers that fail, from 0 to 1. 0 ends the drill.
            seconds: Duration of the drill, in seconds. 0: until the next call. Negative values are refused.
            request_id: Marks the call as safe to retry. At most 256 characters.
            timeout: Seconds that one attempt may take. Default: that of the client.
        """
        return self._transport.call(
            Engine,
            Call(
                "POST",
                expand("/v1/{name=projects/*/deployments/*}:injectFault", name=name),
                body=present(
                    {
                        "version": version,
                        "errorRate": error_rate,
                        "seconds": seconds,
                        "requestId": request_id or new_request_id(),
                    }
                ),
                repeatable=True,
            ),
            timeout,
        )

    def list(
        self,
        parent: str,
        *,
        page_size: int | None = None,
        page_token: str | None = None,
        order_by: str | None = None,
        timeout: float | None = None,
    ) -> SyncPage[Deployment]:
        """List the deployments of a project, oldest first.

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
            Deployment,
            "deployments",
            Call(
                "GET",
                expand("/v1/{parent=projects/*}/deployments", parent=parent),
                query=present({"pageSize": page_size, "pageToken": page_token, "orderBy": order_by}),
            ),
            timeout,
        )

    def plan(
        self,
        name: str,
        *,
        requests_per_second: float | None = None,
        engine_requests_per_second: float | None = None,
        gateway_requests_per_second: float | None = None,
        utilization: float | None = None,
        spare: int | None = None,
        timeout: float | None = None,
    ) -> ServingPlan:
        """Compute how many engines and gateways a rate of requests takes, from rates that were measured.

        Refused: a rate or a utilisation out of range (`BAD_FIELD`), and no rate of an engine, neither in the
        request nor measured in the last half hour (`NO_MEASURED_RATE`).

        Args:
            name: Resource name of the deployment: `projects/{project}/deployments/{deployment}`.
            requests_per_second: Rate to plan for, in requests a second: above 0, at most 10,000,000.
            engine_requests_per_second: Requests a second that one process of an engine answers when it is
                busy. 0: measured from the traffic of the deployment.
            gateway_requests_per_second: Requests a second that one gateway process relays when it is busy. 0:
                the rate of the reference machine.
            utilization: Share of a measured rate to plan with, above 0 and at most 1. 0: 0.7.
            spare: Number of engines and of gateways that may fail at once without loss of capacity, at most
                64. Not set: 1.
            timeout: Seconds that one attempt may take. Default: that of the client.
        """
        return self._transport.call(
            ServingPlan,
            Call(
                "POST",
                expand("/v1/{name=projects/*/deployments/*}:plan", name=name),
                body=present(
                    {
                        "requestsPerSecond": requests_per_second,
                        "engineRequestsPerSecond": engine_requests_per_second,
                        "gatewayRequestsPerSecond": gateway_requests_per_second,
                        "utilization": utilization,
                        "spare": spare,
                    }
                ),
            ),
            timeout,
        )

    def scale(
        self,
        name: str,
        *,
        min_replicas: int | None = None,
        max_replicas: int | None = None,
        request_id: str | None = None,
        timeout: float | None = None,
    ) -> Deployment:
        """Set the minimum and maximum number of replicas of a deployment.

        Refused: numbers outside 0 to 64, or a minimum above the maximum (`SCALE_BOUNDS_INVALID`); a number of
        replicas that the installation cannot run (`SCALING_UNAVAILABLE`).

        Args:
            name: Resource name of the deployment: `projects/{project}/deployments/{deployment}`.
            min_replicas: Minimum number of replicas, at most `max_replicas`. 0: scale to zero without
                requests.
            max_replicas: Maximum number of replicas, 1 to 64.
            request_id: Marks the call as safe to retry. At most 256 characters.
            timeout: Seconds that one attempt may take. Default: that of the client.
        """
        return self._transport.call(
            Deployment,
            Call(
                "POST",
                expand("/v1/{name=projects/*/deployments/*}:scale", name=name),
                body=present(
                    {
                        "minReplicas": min_replicas,
                        "maxReplicas": max_replicas,
                        "requestId": request_id or new_request_id(),
                    }
                ),
                repeatable=True,
            ),
            timeout,
        )


class AsyncDeploymentsResource:
    """Named endpoint at which a model is served. Callers select it with `model` in a request."""

    def __init__(self, transport: AsyncTransport) -> None:
        self._transport = transport

    async def create(
        self,
        parent: str,
        *,
        model: str | None = None,
        pool: str | None = None,
        deployment_id: str | None = None,
        request_id: str | None = None,
        timeout: float | None = None,
    ) -> Deployment:
        """Create a deployment.

        It serves no model until the first rollout. Refused: an unknown pool (`ENGINE_POOL_UNKNOWN`).

        Args:
            parent: Resource name of the project: `projects/{project}`.
            model: Resource name of the model: `projects/{project}/models/{model}`. Required.
            pool: Node pool of the engines, by the name that the operator configured. Empty: the default of
                the installation. An unknown pool is refused.
            deployment_id: Last segment of the resource name: 1 to 63 characters of `a-z`, `0-9`, `-` and `.`;
                the first and the last one are a letter or a digit. Empty: the server generates a UUIDv7.
            request_id: Makes a retry safe: the identical request with the same ID returns the resource that
                it created first. A different request with the same ID is refused. At most 256 characters.
            timeout: Seconds that one attempt may take. Default: that of the client.
        """
        return await self._transport.call(
            Deployment,
            Call(
                "POST",
                expand("/v1/{parent=projects/*}/deployments", parent=parent),
                query=present({"deploymentId": deployment_id, "requestId": request_id or new_request_id()}),
                body=present({"model": model, "pool": pool}),
                repeatable=True,
            ),
            timeout,
        )

    async def delete(
        self,
        name: str,
        *,
        force: bool | None = None,
        allow_missing: bool | None = None,
        timeout: float | None = None,
    ) -> None:
        """Delete a deployment with its engines and rollouts.

        The models that it served are kept. Refused while a rollout of it is in progress (`ROLLOUT_ACTIVE`),
        and while it serves (`IN_USE`) unless `force` is set: then its route is removed and its engines are
        stopped.

        Args:
            name: Resource name of the deployment: `projects/{project}/deployments/{deployment}`.
            force: If true, a deployment that serves is deleted too. Requests that its engines are answering
                end with an error.
            allow_missing: If true, the deletion of a deployment that does not exist succeeds, so that a retry
                does.
            timeout: Seconds that one attempt may take. Default: that of the client.
        """
        await self._transport.send(
            Call(
                "DELETE",
                expand("/v1/{name=projects/*/deployments/*}", name=name),
                query=present({"force": force, "allowMissing": allow_missing}),
            ),
            timeout,
        )

    async def get(self, name: str, *, timeout: float | None = None) -> Deployment:
        """Return one deployment.

        Args:
            name: Resource name of the deployment: `projects/{project}/deployments/{deployment}`.
            timeout: Seconds that one attempt may take. Default: that of the client.
        """
        return await self._transport.call(
            Deployment, Call("GET", expand("/v1/{name=projects/*/deployments/*}", name=name)), timeout
        )

    async def inject_fault(
        self,
        name: str,
        *,
        version: str | None = None,
        error_rate: float | None = None,
        seconds: float | None = None,
        request_id: str | None = None,
        timeout: float | None = None,
    ) -> Engine:
        """Let a share of the answers of one version fail for a limited time, to test the analysis.

        Refused when the deployment has no engine of the version (`NO_ENGINE_TO_DISTURB`), and for values out
        of range (`BAD_FAULT`).

        Args:
            name: Resource name of the deployment: `projects/{project}/deployments/{deployment}`.
            version: Resource name of the version: `projects/{project}/models/{model}/versions/{version}`. One
                of its engines must be running.
            error_rate: Share of answers that fail, from 0 to 1. 0 ends the drill.
            seconds: Duration of the drill, in seconds. 0: until the next call. Negative values are refused.
            request_id: Marks the call as safe to retry. At most 256 characters.
            timeout: Seconds that one attempt may take. Default: that of the client.
        """
        return await self._transport.call(
            Engine,
            Call(
                "POST",
                expand("/v1/{name=projects/*/deployments/*}:injectFault", name=name),
                body=present(
                    {
                        "version": version,
                        "errorRate": error_rate,
                        "seconds": seconds,
                        "requestId": request_id or new_request_id(),
                    }
                ),
                repeatable=True,
            ),
            timeout,
        )

    def list(
        self,
        parent: str,
        *,
        page_size: int | None = None,
        page_token: str | None = None,
        order_by: str | None = None,
        timeout: float | None = None,
    ) -> AsyncPaginator[Deployment]:
        """List the deployments of a project, oldest first.

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
            Deployment,
            "deployments",
            Call(
                "GET",
                expand("/v1/{parent=projects/*}/deployments", parent=parent),
                query=present({"pageSize": page_size, "pageToken": page_token, "orderBy": order_by}),
            ),
            timeout,
        )

    async def plan(
        self,
        name: str,
        *,
        requests_per_second: float | None = None,
        engine_requests_per_second: float | None = None,
        gateway_requests_per_second: float | None = None,
        utilization: float | None = None,
        spare: int | None = None,
        timeout: float | None = None,
    ) -> ServingPlan:
        """Compute how many engines and gateways a rate of requests takes, from rates that were measured.

        Refused: a rate or a utilisation out of range (`BAD_FIELD`), and no rate of an engine, neither in the
        request nor measured in the last half hour (`NO_MEASURED_RATE`).

        Args:
            name: Resource name of the deployment: `projects/{project}/deployments/{deployment}`.
            requests_per_second: Rate to plan for, in requests a second: above 0, at most 10,000,000.
            engine_requests_per_second: Requests a second that one process of an engine answers when it is
                busy. 0: measured from the traffic of the deployment.
            gateway_requests_per_second: Requests a second that one gateway process relays when it is busy. 0:
                the rate of the reference machine.
            utilization: Share of a measured rate to plan with, above 0 and at most 1. 0: 0.7.
            spare: Number of engines and of gateways that may fail at once without loss of capacity, at most
                64. Not set: 1.
            timeout: Seconds that one attempt may take. Default: that of the client.
        """
        return await self._transport.call(
            ServingPlan,
            Call(
                "POST",
                expand("/v1/{name=projects/*/deployments/*}:plan", name=name),
                body=present(
                    {
                        "requestsPerSecond": requests_per_second,
                        "engineRequestsPerSecond": engine_requests_per_second,
                        "gatewayRequestsPerSecond": gateway_requests_per_second,
                        "utilization": utilization,
                        "spare": spare,
                    }
                ),
            ),
            timeout,
        )

    async def scale(
        self,
        name: str,
        *,
        min_replicas: int | None = None,
        max_replicas: int | None = None,
        request_id: str | None = None,
        timeout: float | None = None,
    ) -> Deployment:
        """Set the minimum and maximum number of replicas of a deployment.

        Refused: numbers outside 0 to 64, or a minimum above the maximum (`SCALE_BOUNDS_INVALID`); a number of
        replicas that the installation cannot run (`SCALING_UNAVAILABLE`).

        Args:
            name: Resource name of the deployment: `projects/{project}/deployments/{deployment}`.
            min_replicas: Minimum number of replicas, at most `max_replicas`. 0: scale to zero without
                requests.
            max_replicas: Maximum number of replicas, 1 to 64.
            request_id: Marks the call as safe to retry. At most 256 characters.
            timeout: Seconds that one attempt may take. Default: that of the client.
        """
        return await self._transport.call(
            Deployment,
            Call(
                "POST",
                expand("/v1/{name=projects/*/deployments/*}:scale", name=name),
                body=present(
                    {
                        "minReplicas": min_replicas,
                        "maxReplicas": max_replicas,
                        "requestId": request_id or new_request_id(),
                    }
                ),
                repeatable=True,
            ),
            timeout,
        )


class EnginesResource:
    """One running model server."""

    def __init__(self, transport: SyncTransport) -> None:
        self._transport = transport

    def get(self, name: str, *, timeout: float | None = None) -> Engine:
        """Return one engine.

        Args:
            name: Resource name of the engine: `projects/{project}/deployments/{deployment}/engines/{engine}`.
            timeout: Seconds that one attempt may take. Default: that of the client.
        """
        return self._transport.call(
            Engine, Call("GET", expand("/v1/{name=projects/*/deployments/*/engines/*}", name=name)), timeout
        )

    def list(
        self,
        parent: str,
        *,
        page_size: int | None = None,
        page_token: str | None = None,
        order_by: str | None = None,
        timeout: float | None = None,
    ) -> SyncPage[Engine]:
        """List the current and former engines of a deployment, oldest first.

        Args:
            parent: Resource name of the deployment: `projects/{project}/deployments/{deployment}`.
            page_size: Maximum number of items to return. 0: 100. Values above 1000 are reduced to 1000;
                negative values are refused. A page may hold fewer items.
            page_token: `next_page_token` of the previous page. Empty: the first page. The token of another
                listing is refused.
            order_by: Order of the items: `create_time` (default) or `create_time desc`. The token of another
                order is refused.
            timeout: Seconds that one attempt may take. Default: that of the client.
        """
        return self._transport.page(
            Engine,
            "engines",
            Call(
                "GET",
                expand("/v1/{parent=projects/*/deployments/*}/engines", parent=parent),
                query=present({"pageSize": page_size, "pageToken": page_token, "orderBy": order_by}),
            ),
            timeout,
        )


class AsyncEnginesResource:
    """One running model server."""

    def __init__(self, transport: AsyncTransport) -> None:
        self._transport = transport

    async def get(self, name: str, *, timeout: float | None = None) -> Engine:
        """Return one engine.

        Args:
            name: Resource name of the engine: `projects/{project}/deployments/{deployment}/engines/{engine}`.
            timeout: Seconds that one attempt may take. Default: that of the client.
        """
        return await self._transport.call(
            Engine, Call("GET", expand("/v1/{name=projects/*/deployments/*/engines/*}", name=name)), timeout
        )

    def list(
        self,
        parent: str,
        *,
        page_size: int | None = None,
        page_token: str | None = None,
        order_by: str | None = None,
        timeout: float | None = None,
    ) -> AsyncPaginator[Engine]:
        """List the current and former engines of a deployment, oldest first.

        Args:
            parent: Resource name of the deployment: `projects/{project}/deployments/{deployment}`.
            page_size: Maximum number of items to return. 0: 100. Values above 1000 are reduced to 1000;
                negative values are refused. A page may hold fewer items.
            page_token: `next_page_token` of the previous page. Empty: the first page. The token of another
                listing is refused.
            order_by: Order of the items: `create_time` (default) or `create_time desc`. The token of another
                order is refused.
            timeout: Seconds that one attempt may take. Default: that of the client.
        """
        return self._transport.page(
            Engine,
            "engines",
            Call(
                "GET",
                expand("/v1/{parent=projects/*/deployments/*}/engines", parent=parent),
                query=present({"pageSize": page_size, "pageToken": page_token, "orderBy": order_by}),
            ),
            timeout,
        )


class RolloutsResource:
    """Change of a deployment from one version to another."""

    def __init__(self, transport: SyncTransport) -> None:
        self._transport = transport

    def abort(
        self,
        name: str,
        *,
        reason: str | None = None,
        request_id: str | None = None,
        timeout: float | None = None,
    ) -> Rollout:
        """Abort a rollout and return to the version that served before.

        Refused when the rollout can no longer be changed (`ROLLOUT_ENDED`).

        Args:
            name: Resource name of the rollout:
                `projects/{project}/deployments/{deployment}/rollouts/{rollout}`.
            reason: Reason for the abort. It is stored with the rollout.
            request_id: Marks the call as safe to retry. At most 256 characters.
            timeout: Seconds that one attempt may take. Default: that of the client.
        """
        return self._transport.call(
            Rollout,
            Call(
                "POST",
                expand("/v1/{name=projects/*/deployments/*/rollouts/*}:abort", name=name),
                body=present({"reason": reason, "requestId": request_id or new_request_id()}),
                repeatable=True,
            ),
            timeout,
        )

    def create(
        self,
        parent: str,
        *,
        to_version: str | None = None,
        strategy: RolloutStrategy | None = None,
        bake: RolloutBake | None = None,
        shares: Sequence[int] | None = None,
        step_seconds: float | None = None,
        compute: Compute | None = None,
        shadow: ShadowAnalysis | None = None,
        rollout_id: str | None = None,
        request_id: str | None = None,
        timeout: float | None = None,
    ) -> Rollout:
        """Start a rollout to a version.

        Refused while another rollout of the deployment is in progress (`ROLLOUT_ACTIVE`), when the version is
        not READY (`VERSION_NOT_READY`), when the deployment serves it already (`ALREADY_SERVING`), and when
        the requested strategy cannot serve the two versions (`STRATEGY_UNAVAILABLE`). Settings out of range:
        `ROLLOUT_POLICY_INVALID`.

        Args:
            parent: Resource name of the deployment: `projects/{project}/deployments/{deployment}`.
            to_version: Resource name of the version to roll out. It must be READY and belong to the model of
                the deployment.
            strategy: Rollout strategy. A strategy that cannot serve the two versions is refused. Not set: the
                cheapest safe strategy is chosen.
            bake: Analysis of the new version.
            shares: Traffic shares of the new version in percent, one for each step. They must increase and
                lie between 1 and 99; after the last step, the new version receives all traffic. Empty: all
                traffic at once. Each user stays on one version during this time.
            step_seconds: Duration of the analysis of each of `shares`, in seconds. Default: 10.
            compute: Accelerator and number format of the engine of the new version. If they differ from those
                of the old engine, the new version gets an engine of its own. Not set: those of the
                deployment.
            shadow: Comparison with the old version on the same live requests. With `min_pairs`, the new
                version first answers copies of requests only, and callers get its answers once it is no
                worse. Refused together with the strategy STRATEGY_IN_PLACE, which lets only one version
                answer at a time.
            rollout_id: Last segment of the resource name: 1 to 63 characters of `a-z`, `0-9`, `-` and `.`;
                the first and the last one are a letter or a digit. Empty: the server generates a UUIDv7.
            request_id: Makes a retry safe: the identical request with the same ID returns the resource that
                it created first. A different request with the same ID is refused. At most 256 characters.
            timeout: Seconds that one attempt may take. Default: that of the client.
        """
        return self._transport.call(
            Rollout,
            Call(
                "POST",
                expand("/v1/{parent=projects/*/deployments/*}/rollouts", parent=parent),
                query=present({"rolloutId": rollout_id, "requestId": request_id or new_request_id()}),
                body=present(
                    {
                        "toVersion": to_version,
                        "strategy": strategy,
                        "bake": bake,
                        "shares": shares,
                        "stepSeconds": step_seconds,
                        "compute": compute,
                        "shadow": shadow,
                    }
                ),
                repeatable=True,
            ),
            timeout,
        )

    def get(self, name: str, *, timeout: float | None = None) -> Rollout:
        """Return one rollout.

        Args:
            name: Resource name of the rollout:
                `projects/{project}/deployments/{deployment}/rollouts/{rollout}`.
            timeout: Seconds that one attempt may take. Default: that of the client.
        """
        return self._transport.call(
            Rollout, Call("GET", expand("/v1/{name=projects/*/deployments/*/rollouts/*}", name=name)), timeout
        )

    def list(
        self,
        parent: str,
        *,
        page_size: int | None = None,
        page_token: str | None = None,
        order_by: str | None = None,
        timeout: float | None = None,
    ) -> SyncPage[Rollout]:
        """List the rollouts of a deployment, oldest first.

        Args:
            parent: Resource name of the deployment: `projects/{project}/deployments/{deployment}`.
            page_size: Maximum number of items to return. 0: 100. Values above 1000 are reduced to 1000;
                negative values are refused. A page may hold fewer items.
            page_token: `next_page_token` of the previous page. Empty: the first page. The token of another
                listing is refused.
            order_by: Order of the items: `create_time` (default) or `create_time desc`. The token of another
                order is refused.
            timeout: Seconds that one attempt may take. Default: that of the client.
        """
        return self._transport.page(
            Rollout,
            "rollouts",
            Call(
                "GET",
                expand("/v1/{parent=projects/*/deployments/*}/rollouts", parent=parent),
                query=present({"pageSize": page_size, "pageToken": page_token, "orderBy": order_by}),
            ),
            timeout,
        )

    def pause(
        self,
        name: str,
        *,
        reason: str | None = None,
        request_id: str | None = None,
        timeout: float | None = None,
    ) -> Rollout:
        """Pause a rollout in its current state.

        A failed analysis still rolls it back. Refused when the rollout can no longer be changed
        (`ROLLOUT_ENDED`).

        Args:
            name: Resource name of the rollout:
                `projects/{project}/deployments/{deployment}/rollouts/{rollout}`.
            reason: Reason for the pause.
            request_id: Marks the call as safe to retry. At most 256 characters.
            timeout: Seconds that one attempt may take. Default: that of the client.
        """
        return self._transport.call(
            Rollout,
            Call(
                "POST",
                expand("/v1/{name=projects/*/deployments/*/rollouts/*}:pause", name=name),
                body=present({"reason": reason, "requestId": request_id or new_request_id()}),
                repeatable=True,
            ),
            timeout,
        )

    def resume(
        self,
        name: str,
        *,
        reason: str | None = None,
        request_id: str | None = None,
        timeout: float | None = None,
    ) -> Rollout:
        """Resume a paused rollout.

        Refused when the rollout can no longer be changed (`ROLLOUT_ENDED`).

        Args:
            name: Resource name of the rollout:
                `projects/{project}/deployments/{deployment}/rollouts/{rollout}`.
            reason: Reason for the resumption.
            request_id: Marks the call as safe to retry. At most 256 characters.
            timeout: Seconds that one attempt may take. Default: that of the client.
        """
        return self._transport.call(
            Rollout,
            Call(
                "POST",
                expand("/v1/{name=projects/*/deployments/*/rollouts/*}:resume", name=name),
                body=present({"reason": reason, "requestId": request_id or new_request_id()}),
                repeatable=True,
            ),
            timeout,
        )

    def undo(
        self,
        name: str,
        *,
        reason: str | None = None,
        request_id: str | None = None,
        timeout: float | None = None,
    ) -> Rollout:
        """Return to the version before a rollout.

        A rollout in progress is aborted; otherwise a rollout to the previous version starts and is returned.
        Refused when there is no previous version, or when a later rollout has changed the deployment
        (`NOTHING_TO_UNDO`). Refusals of `CreateRollout` apply.

        Args:
            name: Resource name of the rollout:
                `projects/{project}/deployments/{deployment}/rollouts/{rollout}`.
            reason: Reason for the undo.
            request_id: Marks the call as safe to retry. At most 256 characters.
            timeout: Seconds that one attempt may take. Default: that of the client.
        """
        return self._transport.call(
            Rollout,
            Call(
                "POST",
                expand("/v1/{name=projects/*/deployments/*/rollouts/*}:undo", name=name),
                body=present({"reason": reason, "requestId": request_id or new_request_id()}),
                repeatable=True,
            ),
            timeout,
        )

    def watch(self, name: str, *, revision: int | None = None) -> SyncWatch[Rollout]:
        """Stream a rollout: its current state, then each change.

        States between two reads may be skipped. The stream ends after a final state.

        Args:
            name: Resource name of the rollout:
                `projects/{project}/deployments/{deployment}/rollouts/{rollout}`.
            revision: Send only states with a higher revision, for example than the last one that was
                received; no revision is too old. 0: start with the current state.
        """
        return self._transport.watch(
            Rollout,
            Call(
                "GET",
                expand("/v1/{name=projects/*/deployments/*/rollouts/*}:watch", name=name),
                query=present({"revision": revision}),
            ),
        )

    def wait(
        self, name: str, *, timeout: float | None = None, on_state: Callable[[Rollout], object] | None = None
    ) -> Rollout:
        """Wait for the final state, and return it.

        OperationFailedError if there is no result (failed, cancelled, refused, rolled back);
        OperationTimeoutError after `timeout`.

        Args:
            name: Resource name of the rollout:
                `projects/{project}/deployments/{deployment}/rollouts/{rollout}`.
            timeout: Seconds to wait. Default: no limit.
            on_state: Called with each state, the final one included.
        """
        return self._transport.wait(
            Rollout,
            Call("GET", expand("/v1/{name=projects/*/deployments/*/rollouts/*}:watch", name=name)),
            timeout,
            on_state,
        )


class AsyncRolloutsResource:
    """Change of a deployment from one version to another."""

    def __init__(self, transport: AsyncTransport) -> None:
        self._transport = transport

    async def abort(
        self,
        name: str,
        *,
        reason: str | None = None,
        request_id: str | None = None,
        timeout: float | None = None,
    ) -> Rollout:
        """Abort a rollout and return to the version that served before.

        Refused when the rollout can no longer be changed (`ROLLOUT_ENDED`).

        Args:
            name: Resource name of the rollout:
                `projects/{project}/deployments/{deployment}/rollouts/{rollout}`.
            reason: Reason for the abort. It is stored with the rollout.
            request_id: Marks the call as safe to retry. At most 256 characters.
            timeout: Seconds that one attempt may take. Default: that of the client.
        """
        return await self._transport.call(
            Rollout,
            Call(
                "POST",
                expand("/v1/{name=projects/*/deployments/*/rollouts/*}:abort", name=name),
                body=present({"reason": reason, "requestId": request_id or new_request_id()}),
                repeatable=True,
            ),
            timeout,
        )

    async def create(
        self,
        parent: str,
        *,
        to_version: str | None = None,
        strategy: RolloutStrategy | None = None,
        bake: RolloutBake | None = None,
        shares: Sequence[int] | None = None,
        step_seconds: float | None = None,
        compute: Compute | None = None,
        shadow: ShadowAnalysis | None = None,
        rollout_id: str | None = None,
        request_id: str | None = None,
        timeout: float | None = None,
    ) -> Rollout:
        """Start a rollout to a version.

        Refused while another rollout of the deployment is in progress (`ROLLOUT_ACTIVE`), when the version is
        not READY (`VERSION_NOT_READY`), when the deployment serves it already (`ALREADY_SERVING`), and when
        the requested strategy cannot serve the two versions (`STRATEGY_UNAVAILABLE`). Settings out of range:
        `ROLLOUT_POLICY_INVALID`.

        Args:
            parent: Resource name of the deployment: `projects/{project}/deployments/{deployment}`.
            to_version: Resource name of the version to roll out. It must be READY and belong to the model of
                the deployment.
            strategy: Rollout strategy. A strategy that cannot serve the two versions is refused. Not set: the
                cheapest safe strategy is chosen.
            bake: Analysis of the new version.
            shares: Traffic shares of the new version in percent, one for each step. They must increase and
                lie between 1 and 99; after the last step, the new version receives all traffic. Empty: all
                traffic at once. Each user stays on one version during this time.
            step_seconds: Duration of the analysis of each of `shares`, in seconds. Default: 10.
            compute: Accelerator and number format of the engine of the new version. If they differ from those
                of the old engine, the new version gets an engine of its own. Not set: those of the
                deployment.
            shadow: Comparison with the old version on the same live requests. With `min_pairs`, the new
                version first answers copies of requests only, and callers get its answers once it is no
                worse. Refused together with the strategy STRATEGY_IN_PLACE, which lets only one version
                answer at a time.
            rollout_id: Last segment of the resource name: 1 to 63 characters of `a-z`, `0-9`, `-` and `.`;
                the first and the last one are a letter or a digit. Empty: the server generates a UUIDv7.
            request_id: Makes a retry safe: the identical request with the same ID returns the resource that
                it created first. A different request with the same ID is refused. At most 256 characters.
            timeout: Seconds that one attempt may take. Default: that of the client.
        """
        return await self._transport.call(
            Rollout,
            Call(
                "POST",
                expand("/v1/{parent=projects/*/deployments/*}/rollouts", parent=parent),
                query=present({"rolloutId": rollout_id, "requestId": request_id or new_request_id()}),
                body=present(
                    {
                        "toVersion": to_version,
                        "strategy": strategy,
                        "bake": bake,
                        "shares": shares,
                        "stepSeconds": step_seconds,
                        "compute": compute,
                        "shadow": shadow,
                    }
                ),
                repeatable=True,
            ),
            timeout,
        )

    async def get(self, name: str, *, timeout: float | None = None) -> Rollout:
        """Return one rollout.

        Args:
            name: Resource name of the rollout:
                `projects/{project}/deployments/{deployment}/rollouts/{rollout}`.
            timeout: Seconds that one attempt may take. Default: that of the client.
        """
        return await self._transport.call(
            Rollout, Call("GET", expand("/v1/{name=projects/*/deployments/*/rollouts/*}", name=name)), timeout
        )

    def list(
        self,
        parent: str,
        *,
        page_size: int | None = None,
        page_token: str | None = None,
        order_by: str | None = None,
        timeout: float | None = None,
    ) -> AsyncPaginator[Rollout]:
        """List the rollouts of a deployment, oldest first.

        Args:
            parent: Resource name of the deployment: `projects/{project}/deployments/{deployment}`.
            page_size: Maximum number of items to return. 0: 100. Values above 1000 are reduced to 1000;
                negative values are refused. A page may hold fewer items.
            page_token: `next_page_token` of the previous page. Empty: the first page. The token of another
                listing is refused.
            order_by: Order of the items: `create_time` (default) or `create_time desc`. The token of another
                order is refused.
            timeout: Seconds that one attempt may take. Default: that of the client.
        """
        return self._transport.page(
            Rollout,
            "rollouts",
            Call(
                "GET",
                expand("/v1/{parent=projects/*/deployments/*}/rollouts", parent=parent),
                query=present({"pageSize": page_size, "pageToken": page_token, "orderBy": order_by}),
            ),
            timeout,
        )

    async def pause(
        self,
        name: str,
        *,
        reason: str | None = None,
        request_id: str | None = None,
        timeout: float | None = None,
    ) -> Rollout:
        """Pause a rollout in its current state.

        A failed analysis still rolls it back. Refused when the rollout can no longer be changed
        (`ROLLOUT_ENDED`).

        Args:
            name: Resource name of the rollout:
                `projects/{project}/deployments/{deployment}/rollouts/{rollout}`.
            reason: Reason for the pause.
            request_id: Marks the call as safe to retry. At most 256 characters.
            timeout: Seconds that one attempt may take. Default: that of the client.
        """
        return await self._transport.call(
            Rollout,
            Call(
                "POST",
                expand("/v1/{name=projects/*/deployments/*/rollouts/*}:pause", name=name),
                body=present({"reason": reason, "requestId": request_id or new_request_id()}),
                repeatable=True,
            ),
            timeout,
        )

    async def resume(
        self,
        name: str,
        *,
        reason: str | None = None,
        request_id: str | None = None,
        timeout: float | None = None,
    ) -> Rollout:
        """Resume a paused rollout.

        Refused when the rollout can no longer be changed (`ROLLOUT_ENDED`).

        Args:
            name: Resource name of the rollout:
                `projects/{project}/deployments/{deployment}/rollouts/{rollout}`.
            reason: Reason for the resumption.
            request_id: Marks the call as safe to retry. At most 256 characters.
            timeout: Seconds that one attempt may take. Default: that of the client.
        """
        return await self._transport.call(
            Rollout,
            Call(
                "POST",
                expand("/v1/{name=projects/*/deployments/*/rollouts/*}:resume", name=name),
                body=present({"reason": reason, "requestId": request_id or new_request_id()}),
                repeatable=True,
            ),
            timeout,
        )

    async def undo(
        self,
        name: str,
        *,
        reason: str | None = None,
        request_id: str | None = None,
        timeout: float | None = None,
    ) -> Rollout:
        """Return to the version before a rollout.

        A rollout in progress is aborted; otherwise a rollout to the previous version starts and is returned.
        Refused when there is no previous version, or when a later rollout has changed the deployment
        (`NOTHING_TO_UNDO`). Refusals of `CreateRollout` apply.

        Args:
            name: Resource name of the rollout:
                `projects/{project}/deployments/{deployment}/rollouts/{rollout}`.
            reason: Reason for the undo.
            request_id: Marks the call as safe to retry. At most 256 characters.
            timeout: Seconds that one attempt may take. Default: that of the client.
        """
        return await self._transport.call(
            Rollout,
            Call(
                "POST",
                expand("/v1/{name=projects/*/deployments/*/rollouts/*}:undo", name=name),
                body=present({"reason": reason, "requestId": request_id or new_request_id()}),
                repeatable=True,
            ),
            timeout,
        )

    def watch(self, name: str, *, revision: int | None = None) -> AsyncWatch[Rollout]:
        """Stream a rollout: its current state, then each change.

        States between two reads may be skipped. The stream ends after a final state.

        Args:
            name: Resource name of the rollout:
                `projects/{project}/deployments/{deployment}/rollouts/{rollout}`.
            revision: Send only states with a higher revision, for example than the last one that was
                received; no revision is too old. 0: start with the current state.
        """
        return self._transport.watch(
            Rollout,
            Call(
                "GET",
                expand("/v1/{name=projects/*/deployments/*/rollouts/*}:watch", name=name),
                query=present({"revision": revision}),
            ),
        )

    async def wait(
        self, name: str, *, timeout: float | None = None, on_state: Callable[[Rollout], object] | None = None
    ) -> Rollout:
        """Wait for the final state, and return it.

        OperationFailedError if there is no result (failed, cancelled, refused, rolled back);
        OperationTimeoutError after `timeout`.

        Args:
            name: Resource name of the rollout:
                `projects/{project}/deployments/{deployment}/rollouts/{rollout}`.
            timeout: Seconds to wait. Default: no limit.
            on_state: Called with each state, the final one included.
        """
        return await self._transport.wait(
            Rollout,
            Call("GET", expand("/v1/{name=projects/*/deployments/*/rollouts/*}:watch", name=name)),
            timeout,
            on_state,
        )
