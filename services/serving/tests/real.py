"""Serving with real vLLM engines, and tiny models that the registry's own worker verified and signed.

The imports of vLLM and of the worker are most of the time of these tests: all modules share the models and the fork
server.
"""

import json
import os
import shutil
import signal
import time
from collections.abc import Iterable
from pathlib import Path

from ratoon.engine.sockets import remove_sockets
from ratoon.operations.jobs import JobState, LocalJobs
from ratoon.process.identity import ProcessIdentity
from ratoon.security.identity import Role, make_signing_key
from ratoon.service.app import Platform, ServiceRuntime
from ratoon.serving.v1 import deployment_pb2, rollout_pb2, route_pb2
from ratoon.serving.v1 import serving_service_pb2 as pb
from ratoon.serving.v1.serving_service_pb2_grpc import ServingServiceStub
from ratoon.storage.artifacts import ArtifactStore
from ratoon.storage.migrations import migrate
from ratoon.tasks.compute import Dtype
from ratoon.tasks.parity import Link
from ratoon.testkit.models import tiny_adapter, tiny_llama
from ratoon.testkit.services import State, serving
from ratoon_serving.adapters import tables
from ratoon_serving.adapters.engine_http import EngineClient
from ratoon_serving.adapters.local_engine import LocalEngineHost
from ratoon_serving.adapters.models import model_spec
from ratoon_serving.application.ports import ServableVersion
from ratoon_serving.bootstrap import assemble, local_engines
from ratoon_serving.domain.attestation import Recording, recording
from ratoon_serving.settings import Settings

MODEL, LORA = "projects/p/models/mail", "projects/p/models/lora"
DEPLOYMENT = "projects/p/deployments/mail"
S = rollout_pb2.Rollout


class SignedModels:
    """Two tiny versions, recorded in bfloat16 too, and two adapters of one base, verified by the registry's worker."""

    def __init__(self, folder: Path, settings: Settings) -> None:
        self.store = ArtifactStore(settings.artifacts_url)
        self._jobs = LocalJobs(folder / "jobs")
        self._key = make_signing_key(settings.keys)
        base = tiny_llama(folder / "base", seed=7)
        base_digest = self.store.put_tree(base)
        for number in range(2):
            self._begin(f"v{number}", tiny_llama(folder / f"model-{number}", seed=number), "DTYPE_BFLOAT16")
            self._begin(
                f"a{number}", tiny_adapter(folder / f"adapter-{number}", base, base_digest, seed=number)
            )
        self.versions = {f"{MODEL}/versions/v1.{n}": self._registered(f"v{n}") for n in range(2)}
        self.adapters = {f"{LORA}/versions/v1.{n}": self._registered(f"a{n}") for n in range(2)}
        self.alias = ""
        self.links: list[Link] = []

    def version(self, name: str) -> ServableVersion:
        result = {**self.versions, **self.adapters}[name]
        digests = [result[f"{key}_digest"] for key in ("artifact", "signature", "golden", "base_signature")]
        return ServableVersion(
            name, True, *digests, model_spec(self.store, digests[0], result["base_artifact_digest"])
        )

    def golden(self, digest: str, dtype: Dtype) -> Recording:
        return recording(json.loads(self.store.read(digest)), dtype)

    def record_parity(self, version: str, link: Link) -> None:
        self.links.append(link)

    def production(self, model: str) -> str:
        return self.alias

    def move_production(self, model: str, version: str, reason: str, request_id: str) -> None:
        self.alias = version

    def add(self, version: str, folder: Path) -> None:
        """Verify and sign a model directory as this version."""
        name = version.replace("/", "-")
        self._begin(name, folder)
        self.versions[version] = self._registered(name)

    def _begin(self, name: str, folder: Path, *dtypes: str) -> None:
        digest = self.store.put_tree(folder)
        spec = {
            "artifacts": self.store.url,
            "artifact_digest": digest,
            "signing_key": str(self._key),
            "dtypes": dtypes,
        }
        self._jobs.start(name, "ratoon_registry.worker", spec)

    def _registered(self, name: str) -> dict:
        while (status := self._jobs.observe(name)).state is JobState.RUNNING:
            time.sleep(0.1)
        assert status.state is JobState.SUCCEEDED, status.message
        return status.result


class Installation:
    """State directory in which serving can be restarted."""

    def __init__(self, folder: Path) -> None:
        self.state = State(folder)
        self.settings = Settings(state=folder, kv_cache_mib=64)
        migrate("serving", self.settings.database_url)
        self.models = SignedModels(folder, self.settings)
        self.operator = ServingServiceStub(self.state.as_role(Role.OPERATOR, "serving"))
        self.gateway = ServingServiceStub(self.state.as_service("gateway", "serving"))

    def service(self, **overrides):
        """Return a context in which serving runs, with these settings."""
        settings = self.settings.model_copy(update=overrides)
        host = LocalEngineHost(local_engines(settings), ArtifactStore(settings.artifacts_url), EngineClient())
        base = ServiceRuntime(settings, Platform.of_process(), tables.METADATA)
        return serving([assemble(base, host, self.models)])

    def deploy(self, model: str) -> str:
        request = pb.CreateDeploymentRequest(
            parent=model.partition("/models/")[0],
            deployment_id=model.rpartition("/")[2],
            deployment=deployment_pb2.Deployment(model=model),
        )
        return self.operator.CreateDeployment(request).name

    def roll_out(
        self, version: str, seconds: float = 2.0, strategy=S.STRATEGY_SECOND_ENGINE
    ) -> rollout_pb2.Rollout:
        rollout = S(to_version=version, strategy=strategy, bake=S.Bake(seconds=seconds))
        parent = version.partition("/versions/")[0].replace("/models/", "/deployments/")
        return self.operator.CreateRollout(pb.CreateRolloutRequest(parent=parent, rollout=rollout))

    def end(self, rollout: rollout_pb2.Rollout) -> rollout_pb2.Rollout:
        *_, last = self.operator.WatchRollout(pb.WatchRolloutRequest(name=rollout.name), timeout=600)
        return last

    def until(self, rollout: rollout_pb2.Rollout, step: str) -> None:
        for state in self.operator.WatchRollout(pb.WatchRolloutRequest(name=rollout.name), timeout=600):
            if any(s.state == step for s in state.steps):
                return

    def targets(self, deployment: str = DEPLOYMENT) -> list[route_pb2.Target]:
        table = self.gateway.GetRouteTable(pb.GetRouteTableRequest())
        return list(next(r.targets for r in table.routes if r.deployment == deployment))

    def identities(self) -> list[ProcessIdentity]:
        folders = (self.settings.folder / "engines").glob("*/process.json")
        return [ProcessIdentity.read(file.parent) for file in folders]

    def clear(self) -> None:
        """End the engines and delete the database; serving does not run."""
        _end(self.identities())
        for folder in (self.settings.folder / "engines").glob("*"):
            remove_sockets(folder)
            shutil.rmtree(folder)
        for file in self.settings.folder.glob("serving.db*"):
            file.unlink()
        migrate("serving", self.settings.database_url)
        self.models.alias = ""

    def end_processes(self) -> None:
        """End the engines and the fork server."""
        self.clear()
        _end([ProcessIdentity.read(self.settings.folder / "fork-server")])


def _end(identities: Iterable[ProcessIdentity | None]) -> None:
    for identity in identities:
        if identity is not None and identity.alive():
            os.killpg(identity.pid, signal.SIGKILL)
