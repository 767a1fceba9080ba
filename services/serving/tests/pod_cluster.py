"""Namespace of a real or small cluster with serving in it: the service, a pool's template, a kubelet."""

import importlib.util
import json
import sys
from pathlib import Path
from typing import Protocol

from kubernetes import client, config

from ratoon.process.errors import Unavailable
from ratoon.security.identity import Role
from ratoon.service.app import Platform, ServiceRuntime
from ratoon.serving.v1 import deployment_pb2, rollout_pb2, route_pb2
from ratoon.serving.v1 import serving_service_pb2 as pb
from ratoon.serving.v1.serving_service_pb2_grpc import ServingServiceStub
from ratoon.storage.artifacts import ArtifactStore
from ratoon.storage.migrations import migrate
from ratoon.testkit.services import State, serving
from ratoon.testkit.waiting import until
from ratoon_serving.adapters import tables
from ratoon_serving.bootstrap import assemble, engine_host
from ratoon_serving.domain.scaling import Policy
from ratoon_serving.settings import Settings


def load_module(name: str):
    spec = importlib.util.spec_from_file_location(f"serving_{name}", Path(__file__).with_name(f"{name}.py"))
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


simulated, kubelet = load_module("simulated"), load_module("kubelet")

MODEL = "projects/p/models/mail"
S = rollout_pb2.Rollout
OWNER = {
    "kind": "Deployment",
    "apiVersion": "apps/v1",
    "metadata": {"name": "ratoon-serving"},
    "spec": {
        "replicas": 0,
        "selector": {"matchLabels": {"app": "serving"}},
        "template": {
            "metadata": {"labels": {"app": "serving"}},
            "spec": {"containers": [{"name": "c", "image": "i"}]},
        },
    },
}
"""Serving's own Deployment, which owns its engines."""


class Api(Protocol):
    """Kubernetes API, real or small."""

    admin: str
    """Kubeconfig of an administrator."""

    def account(self, namespace: str) -> str:
        """Return the kubeconfig of serving's account."""
        ...

    def prepare(self, namespace: str) -> None:
        """Create the namespace and serving's rights in it."""
        ...

    def stop(self) -> None:
        """Stop the API."""
        ...

    def start(self) -> None:
        """Start it again."""
        ...


class Cluster:
    """Namespace with serving's account and owner, a kubelet, and serving in this process."""

    def __init__(self, api: Api, folder: Path, namespace: str) -> None:
        self.api, self.namespace, self.folder = api, namespace, folder
        self.state, self.models = State(folder), simulated.FakeModels()
        (folder / "templates").mkdir()
        api.prepare(namespace)
        api_client = config.new_client_from_config(api.admin)
        self.core, self.apps = client.CoreV1Api(api_client), client.AppsV1Api(api_client)
        self.apps.create_namespaced_deployment(namespace, OWNER)
        self.template()
        self.kubelet = kubelet.Kubelet(api.admin, namespace, simulated.golden_of(simulated.GOLDEN))
        self._count = 0

    def settings(self, **overrides) -> Settings:
        return Settings(
            state=self.folder,
            engines="kubernetes",
            engine_templates=self.folder / "templates",
            namespace=self.namespace,
            kubeconfig=self.api.account(self.namespace),
            **{"engine_start_s": 60.0, **overrides},
        )

    def service(self, settings: Settings):
        """Return a context in which serving runs."""
        migrate("serving", settings.database_url)
        base = ServiceRuntime(settings, Platform.of_process(), tables.METADATA)
        self.host, watches = engine_host(settings, ArtifactStore(settings.artifacts_url))
        self.operator = ServingServiceStub(self.state.as_role(Role.OPERATOR, "serving"))
        self.gateway = ServingServiceStub(self.state.as_service("gateway", "serving"))
        rules = Policy(idle_s=settings.idle_s)
        return serving([assemble(base, self.host, self.models, watches, rules)])

    def template(self, capacity: int | None = None, pool: str = "cpu") -> None:
        own = {
            "name": "engine",
            "image": "mock",
            "ports": [{"containerPort": 19_100}],
            "resources": {"requests": {"memory": "1Gi"}},
        }
        taken = {"key": "ratoon.dev/test", "operator": "Exists"}
        pod = {
            "nodeSelector": {"ratoon.dev/test": self.namespace},
            "tolerations": [taken],
            "terminationGracePeriodSeconds": 5,
            "containers": [own],
            "volumes": [{"name": "engine", "secret": {"secretName": ""}}],
        }
        annotations = {} if capacity is None else {"ratoon.dev/capacity": str(capacity)}
        template = {
            "kind": "Deployment",
            "metadata": {"annotations": annotations},
            "spec": {"template": {"spec": pod}},
        }
        (self.folder / "templates" / f"{pool}.yaml").write_text(json.dumps(template))

    def deployment(self, pool: str = "") -> str:
        self._count += 1
        request = pb.CreateDeploymentRequest(
            parent="projects/p",
            deployment_id=f"d{self._count}",
            deployment=deployment_pb2.Deployment(model=MODEL, pool=pool),
        )
        return self.operator.CreateDeployment(request).name

    def version(self, number: str) -> str:
        return self.models.add(f"{MODEL}/versions/{number}")

    def begin(self, deployment: str, version: str, strategy=S.STRATEGY_UNSPECIFIED) -> rollout_pb2.Rollout:
        rollout = S(to_version=version, strategy=strategy, bake=S.Bake(seconds=0.1))
        return self.operator.CreateRollout(pb.CreateRolloutRequest(parent=deployment, rollout=rollout))

    def end(self, rollout: rollout_pb2.Rollout) -> rollout_pb2.Rollout:
        states = [rollout]
        try:
            states.extend(self.operator.WatchRollout(pb.WatchRolloutRequest(name=rollout.name), timeout=120))
        except Unavailable:
            pods = self.items(self.core.list_namespaced_pod)
            raise AssertionError(f"it did not end: {states[-1]}\n{[pod['status'] for pod in pods]}") from None
        return states[-1]

    def serve(self, number: str) -> tuple[str, str]:
        deployment, version = self.deployment(), self.version(number)
        ended = self.end(self.begin(deployment, version))
        assert ended.state == S.STATE_SUCCEEDED, ended.reason
        return deployment, version

    def route(self, deployment: str) -> route_pb2.Route:
        table = self.gateway.GetRouteTable(pb.GetRouteTableRequest())
        return next((r for r in table.routes if r.deployment == deployment), route_pb2.Route())

    def engines(self) -> list[dict]:
        """The Deployments of engines."""
        return self.items(self.apps.list_namespaced_deployment, "app.kubernetes.io/component=engine")

    def pods(self) -> list[str]:
        pods = self.items(self.core.list_namespaced_pod, "app.kubernetes.io/component=engine")
        return [each["metadata"]["name"] for each in pods]

    def end_pod(self, name: str) -> None:
        self.core.delete_namespaced_pod(name, self.namespace)

    def items(self, call, selector: str = "") -> list[dict]:
        answer = call(self.namespace, label_selector=selector, _preload_content=False)
        return json.loads(answer.data)["items"]

    def observed(self, count: int) -> None:
        """Wait until serving has observed engines `count` more times."""
        views, view = [], self.host.view

        def counted(engine):
            views.append(engine.name)
            return view(engine)

        self.host.view = counted
        try:
            self.until("serving does not observe its engines", lambda: len(views) >= count)
        finally:
            self.host.view = view

    def until(self, what: str, condition) -> None:
        until(condition, 90, what, 0.2)
