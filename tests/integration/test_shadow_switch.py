"""A rollout that waits for corrected pairs: gateway, flywheel and serving for real, engines as mocks.

Callers ask through the gateway while both versions serve, and correct what they get. The new version answers copies.
"""

import importlib.util
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import grpc
import httpx
import pytest

from ratoon.common.v1.shadow_pb2 import ShadowAnalysis
from ratoon.common.v1.task_pb2 import Generate, TaskSpec
from ratoon.flywheel.v1 import flywheel_service_pb2 as flywheel_pb
from ratoon.flywheel.v1.flywheel_service_pb2_grpc import FlywheelServiceStub
from ratoon.flywheel.v1.project_pb2 import Project
from ratoon.registry.v1.registry_service_pb2_grpc import (
    RegistryServiceServicer,
    add_RegistryServiceServicer_to_server,
)
from ratoon.runtime.settings import run_folder, settings_class, socket_address
from ratoon.security.identity import Role
from ratoon.service.app import Platform, ServiceRuntime
from ratoon.service.host import build
from ratoon.serving.v1 import serving_service_pb2 as pb
from ratoon.serving.v1.deployment_pb2 import Deployment
from ratoon.serving.v1.rollout_pb2 import Rollout
from ratoon.serving.v1.serving_service_pb2_grpc import ServingServiceStub
from ratoon.testkit.migrated import migrate_all
from ratoon.testkit.services import State, answering, serving
from ratoon.testkit.waiting import until
from ratoon_serving.adapters import tables
from ratoon_serving.bootstrap import assemble

ROOT = Path(__file__).parents[2]
MODEL, DEPLOYMENT = "projects/p/models/p", "projects/p/deployments/p"
REQUEST = {"model": "p", "messages": [{"role": "user", "content": "a subject"}], "max_tokens": 2}
MIN_PAIRS, TIMEOUT_S = 20, 120
SHADOW = ShadowAnalysis(share=1, min_pairs=MIN_PAIRS, max_wait_seconds=3600, metric="exact_match")


class NoVersions(RegistryServiceServicer):
    """A registry without versions: no drift is measured."""

    def GetModelVersion(self, request, context):
        context.abort(grpc.StatusCode.NOT_FOUND, f"{request.name} does not exist.")


class Installation:
    """Clients of the running services, and one connection for all callers."""

    def __init__(self, state: State, host, models, port: int) -> None:
        self.host, self.models = host, models
        self.serving = ServingServiceStub(state.as_role(Role.OPERATOR, "serving"))
        self.flywheel = FlywheelServiceStub(state.as_role(Role.ENGINEER, "flywheel"))
        key = (state.folder / "keys" / "operator.key").read_text().strip()
        headers = {"authorization": f"Bearer {key}"}
        self.http = httpx.Client(base_url=f"http://127.0.0.1:{port}", headers=headers, timeout=30.0)

    def roll_out(self, version: str, **fields: object) -> Rollout:
        name = self.models.add(f"{MODEL}/versions/{version}")
        rollout = Rollout(to_version=name, bake=Rollout.Bake(seconds=1), **fields)
        return self.serving.CreateRollout(pb.CreateRolloutRequest(parent=DEPLOYMENT, rollout=rollout))

    def rollout(self, name: str) -> Rollout:
        return self.serving.GetRollout(pb.GetRolloutRequest(name=name))

    def ask(self, user: str) -> tuple[str, str]:
        """Return the id and the text of an answer."""
        answer = self.http.post("/v1/chat/completions", json={**REQUEST, "user": user})
        assert answer.status_code == 200, answer.text
        return answer.json()["id"], answer.json()["choices"][0]["message"]["content"]

    def is_waiting(self, name: str) -> bool:
        """Return whether the last step of a rollout is the wait for pairs."""
        return any("answers copies" in step.message for step in self.rollout(name).steps[-1:])


@contextmanager
def simulated(folder: Path) -> Iterator[object]:
    """The module of mock engines of serving's tests."""
    path = ROOT / "services/serving/tests/simulated.py"
    spec = importlib.util.spec_from_file_location("shadow_simulated", path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    yield module


@pytest.fixture
def installation(tmp_path: Path) -> Iterator[Installation]:
    run_folder(tmp_path).mkdir(parents=True, mode=0o700)
    settings = {
        "serving": settings_class("serving")(state=tmp_path),
        "flywheel": settings_class("flywheel")(state=tmp_path),
        "gateway": settings_class("gateway")(state=tmp_path, port=0, grpc="off", drain_s=2, leave_s=0.1),
    }
    migrate_all(settings.values())
    platform = Platform.of_process()
    with (
        simulated(tmp_path) as module,
        State(tmp_path) as state,
        module.SimulatedEngineHost(tmp_path / "e") as host,
    ):
        models = module.FakeModels()
        base = ServiceRuntime(settings["serving"], platform, tables.METADATA)
        apps = [
            assemble(base, host, models),
            *(build(settings[name], platform) for name in ("flywheel", "gateway")),
        ]
        registry = partial(add_RegistryServiceServicer_to_server, NoVersions())
        with answering(socket_address(tmp_path, "registry"), registry), serving(apps):
            installation = Installation(state, host, models, apps[-1].listeners[-1].port)
            yield installation
            installation.http.close()
    platform.traces.close()


@pytest.mark.timeout(400)
@pytest.mark.parametrize(("right", "ending"), [("v1.1", "SUCCEEDED"), ("v1.0", "ROLLED_BACK")])
def test_corrections_of_what_callers_get_decide_on_the_version_that_they_do_not_get(
    installation, right, ending
):
    project = Project(task=TaskSpec(generate=Generate()))
    installation.flywheel.CreateProject(flywheel_pb.CreateProjectRequest(project_id="p", project=project))
    deployment = Deployment(model=MODEL)
    installation.serving.CreateDeployment(
        pb.CreateDeploymentRequest(parent="projects/p", deployment_id="p", deployment=deployment)
    )
    first = installation.roll_out("v1.0")
    until(lambda: installation.rollout(first.name).state == Rollout.STATE_SUCCEEDED, TIMEOUT_S)
    rollout = installation.roll_out("v1.1", shadow=SHADOW)
    until(lambda: installation.is_waiting(rollout.name), TIMEOUT_S)
    texts = []
    while installation.is_waiting(rollout.name):
        user = f"user {len(texts)}"
        answer_id, text = installation.ask(user)
        texts.append(text)
        feedback = {"id": answer_id, "correction": text.replace("v1.0", right).strip(), "user": user}
        created = installation.http.post("/v1/feedback", json=feedback)
        assert created.is_success, created.text
        time.sleep(0.1)
    assert all("v1.0" in text for text in texts[:MIN_PAIRS]), "callers get the version in production alone"
    until(
        lambda: installation.rollout(rollout.name).state == Rollout.State.Value(f"STATE_{ending}"), TIMEOUT_S
    )
    ended = installation.rollout(rollout.name)
    result = ended.shadow_comparison.by_metric
    assert result.pair_count >= MIN_PAIRS
    assert (result.gain > 0) is (right == "v1.1")
    assert (result.gain_low > 0 or result.gain_high < 0) and ended.shadow_comparison.agreement == 0.0
    assert any("exact_match on" in step.message for step in ended.steps)
