"""Which project a request lies in, and how often it is looked up."""

import asyncio

import pytest

from ratoon.flywheel.v1 import flywheel_service_pb2, policy_pb2
from ratoon.gateway.v1 import gateway_service_pb2
from ratoon.ingestion.v1 import ingestion_service_pb2
from ratoon.runtime.server import Threads
from ratoon.security.identity import Principal, Role
from ratoon.testkit.clock import FakeClock
from ratoon_gateway.application.projects import KNOWN_S, ProjectCheck, project_of
from ratoon_gateway.domain.errors import NoSuchProject

OPERATOR = Principal("projects/-/apiKeys/o", Role.OPERATOR)


class Flywheel:
    """Knows one project."""

    def __init__(self) -> None:
        self.requests: list[str] = []

    def check(self, name: str) -> None:
        self.requests.append(name)
        if name != "projects/known":
            raise NoSuchProject(f"{name} does not exist.")


@pytest.mark.parametrize(
    ("request_", "project"),
    [
        (flywheel_service_pb2.ListPoliciesRequest(parent="projects/p"), "projects/p"),
        (flywheel_service_pb2.GetPolicyRequest(name="projects/p/policies/d"), "projects/p"),
        (
            flywheel_service_pb2.UpdatePolicyRequest(policy=policy_pb2.Policy(name="projects/p/policies/d")),
            "projects/p",
        ),
        (flywheel_service_pb2.GetProjectRequest(name="projects/p"), ""),
        (flywheel_service_pb2.ListProjectsRequest(), ""),
        (flywheel_service_pb2.CreateProjectRequest(project_id="p"), ""),
        (ingestion_service_pb2.ListSourcesRequest(parent="projects/p"), "projects/p"),
        (gateway_service_pb2.ListApiKeysRequest(parent="projects/-"), ""),
        (ingestion_service_pb2.ListSourcesRequest(parent="nonsense"), ""),
    ],
)
def test_the_project_of_a_request(request_, project):
    assert project_of(request_) == project


def test_a_project_that_exists_is_looked_up_once_in_a_while_and_a_missing_one_each_time():
    flywheel, clock, threads = Flywheel(), FakeClock(), Threads("test", 1)
    check = ProjectCheck(flywheel, threads, clock)

    async def ask(project: str, principal: Principal = OPERATOR) -> None:
        await check(ingestion_service_pb2.ListSourcesRequest(parent=f"projects/{project}"), principal)

    async def story() -> None:
        for _ in range(3):
            await ask("known")
        clock.advance(KNOWN_S + 0.1)
        await ask("known")
        for _ in range(2):
            with pytest.raises(NoSuchProject):
                await ask("nope")
        await ask("nope", Principal("projects/q/apiKeys/k", Role.VIEWER, "q"))

    asyncio.run(story())
    threads.close()
    assert flywheel.requests == ["projects/known"] * 2 + ["projects/nope"] * 2
