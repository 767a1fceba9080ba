"""The flywheel's gRPC API."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

from ratoon.flywheel.v1 import flywheel_service_pb2 as pb
from ratoon.flywheel.v1 import pipeline_run_pb2, policy_pb2, project_pb2, signal_pb2
from ratoon.flywheel.v1.flywheel_service_pb2_grpc import FlywheelServiceServicer
from ratoon.operations.operations import Operations
from ratoon.process.clock import Clock
from ratoon.runtime.server import Threads
from ratoon.security.answers import AnswerIds
from ratoon.security.identity import caller
from ratoon.storage.store import Store
from ratoon.storage.watch import Changes, watch
from ratoon_flywheel import mapping
from ratoon_flywheel.application import handlers
from ratoon_flywheel.application.commands import DecideRun
from ratoon_flywheel.application.ports import AnswerIndex, Deployments, Lineage, RunIndex, Segments
from ratoon_flywheel.application.together import SharedCommits
from ratoon_flywheel.application.watched import WatchedRuns
from ratoon_flywheel.domain.pipelines.runs import PipelineRun

Context = Any


@dataclass(frozen=True)
class Ports:
    """What the handlers need."""

    store: Store
    commits: SharedCommits
    operations: Operations
    changes: Changes
    threads: Threads
    clock: Clock
    answers: AnswerIndex
    runs: RunIndex
    segments: Segments
    ids: AnswerIds
    lineage: Lineage
    deployments: Deployments
    max_chars: int
    watched: WatchedRuns


class FlywheelServicer(FlywheelServiceServicer):
    """Answers `ratoon.flywheel.v1.FlywheelService`."""

    def __init__(self, ports: Ports) -> None:
        self._ports = ports
        self._threads, self._store = ports.threads, ports.store

    async def CreateProject(self, request: pb.CreateProjectRequest, context: Context) -> project_pb2.Project:
        """Begin a project."""
        ports, command = self._ports, mapping.create_project(request)
        created = await self._threads(
            handlers.create_project, command, ports.store, ports.operations, ports.clock
        )
        return mapping.project(created)

    async def GetProject(self, request: pb.GetProjectRequest, context: Context) -> project_pb2.Project:
        """One project."""
        return mapping.project(await self._threads(handlers.get_project, request.name, self._store))

    async def ListProjects(
        self, request: pb.ListProjectsRequest, context: Context
    ) -> pb.ListProjectsResponse:
        """All projects."""
        page = await self._threads(
            handlers.list_projects, request.page_size, request.page_token, self._store, request.order_by
        )
        return pb.ListProjectsResponse(
            projects=map(mapping.project, page.items), next_page_token=page.next_token
        )

    async def UpdateProject(self, request: pb.UpdateProjectRequest, context: Context) -> project_pb2.Project:
        """Change a project."""
        command = mapping.update_project(request)
        changed, notices = await self._threads(
            handlers.update_project,
            command,
            self._store,
            self._ports.operations,
            self._ports.answers,
            self._ports.lineage,
        )
        return mapping.project(changed, notices)

    async def DeleteProject(
        self, request: pb.DeleteProjectRequest, context: Context
    ) -> pb.DeleteProjectResponse:
        """Delete a project."""
        ports, command = self._ports, mapping.delete(request)
        held = (ports.store, ports.operations, ports.runs, ports.answers, ports.segments, ports.deployments)
        await self._threads(handlers.delete_project, command, *held)
        return pb.DeleteProjectResponse()

    async def CreatePolicy(self, request: pb.CreatePolicyRequest, context: Context) -> policy_pb2.Policy:
        """Begin a policy."""
        ports, command = self._ports, mapping.create_policy(request)
        created = await self._threads(
            handlers.create_policy, command, ports.store, ports.operations, ports.clock
        )
        return mapping.policy(created)

    async def GetPolicy(self, request: pb.GetPolicyRequest, context: Context) -> policy_pb2.Policy:
        """One policy."""
        return mapping.policy(await self._threads(handlers.get_policy, request.name, self._store))

    async def ListPolicies(
        self, request: pb.ListPoliciesRequest, context: Context
    ) -> pb.ListPoliciesResponse:
        """The policies of a project."""
        page = await self._threads(
            handlers.list_policies,
            request.parent,
            request.page_size,
            request.page_token,
            self._store,
            request.order_by,
        )
        return pb.ListPoliciesResponse(
            policies=map(mapping.policy, page.items), next_page_token=page.next_token
        )

    async def UpdatePolicy(self, request: pb.UpdatePolicyRequest, context: Context) -> policy_pb2.Policy:
        """Change a policy."""
        ports, command = self._ports, mapping.update_policy(request)
        return mapping.policy(
            await self._threads(handlers.update_policy, command, ports.store, ports.operations)
        )

    async def DeletePolicy(
        self, request: pb.DeletePolicyRequest, context: Context
    ) -> pb.DeletePolicyResponse:
        """Delete a policy."""
        ports, command = self._ports, mapping.delete(request)
        await self._threads(handlers.delete_policy, command, ports.store, ports.operations, ports.runs)
        return pb.DeletePolicyResponse()

    async def CreatePipelineRun(
        self, request: pb.CreatePipelineRunRequest, context: Context
    ) -> pipeline_run_pb2.PipelineRun:
        """Start a pipeline run by hand."""
        ports, command = self._ports, mapping.create_run(request)
        created = await self._threads(
            handlers.create_run, command, ports.store, ports.operations, ports.runs, ports.clock
        )
        return mapping.run(created)

    async def GetPipelineRun(
        self, request: pb.GetPipelineRunRequest, context: Context
    ) -> pipeline_run_pb2.PipelineRun:
        """One pipeline run."""
        return mapping.run(await self._threads(handlers.get_run, request.name, self._store))

    async def ListPipelineRuns(
        self, request: pb.ListPipelineRunsRequest, context: Context
    ) -> pb.ListPipelineRunsResponse:
        """The pipeline runs of a project."""
        page = await self._threads(
            handlers.list_runs,
            request.parent,
            request.page_size,
            request.page_token,
            self._store,
            request.order_by,
        )
        return pb.ListPipelineRunsResponse(
            pipeline_runs=map(mapping.run, page.items), next_page_token=page.next_token
        )

    async def WatchPipelineRun(
        self, request: pb.WatchPipelineRunRequest, context: Context
    ) -> AsyncIterator[pipeline_run_pb2.PipelineRun]:
        """A run's state, then each newer one, until it has ended."""
        changes, name = self._ports.changes, request.name
        states = watch(
            self._store,
            changes,
            self._threads,
            PipelineRun,
            name,
            request.revision,
            lambda run: run.state.ended,
        )
        with self._ports.watched.watching(name):
            await self._threads(handlers.refresh_run, name, self._store, self._ports.operations)
            async for value in states:
                yield mapping.run(value)

    async def CancelPipelineRun(
        self, request: pb.CancelPipelineRunRequest, context: Context
    ) -> pipeline_run_pb2.PipelineRun:
        """Cancel a run."""
        ports = self._ports
        return mapping.run(
            await self._threads(handlers.cancel_run, request.name, ports.store, ports.operations)
        )

    async def DeletePipelineRun(
        self, request: pb.DeletePipelineRunRequest, context: Context
    ) -> pb.DeletePipelineRunResponse:
        """Delete a run that has ended."""
        ports, command = self._ports, mapping.delete_ended(request)
        await self._threads(handlers.delete_run, command, ports.store, ports.runs, ports.clock)
        return pb.DeletePipelineRunResponse()

    async def ApprovePipelineRun(
        self, request: pb.ApprovePipelineRunRequest, context: Context
    ) -> pipeline_run_pb2.PipelineRun:
        """Let the version of a run be rolled out."""
        return await self._decide(mapping.approve_run(request))

    async def RejectPipelineRun(
        self, request: pb.RejectPipelineRunRequest, context: Context
    ) -> pipeline_run_pb2.PipelineRun:
        """End a run as refused."""
        return await self._decide(mapping.reject_run(request))

    async def _decide(self, command: DecideRun) -> pipeline_run_pb2.PipelineRun:
        ports = self._ports
        run = await self._threads(
            handlers.decide_run, command, caller().name, ports.store, ports.operations, ports.clock
        )
        return mapping.run(run)

    async def CreateFeedback(
        self, request: pb.CreateFeedbackRequest, context: Context
    ) -> signal_pb2.Feedback:
        """Store a user's feedback on an answer."""
        ports, command = self._ports, mapping.create_feedback(request)
        created = await self._threads(
            handlers.create_feedback,
            command,
            ports.commits,
            ports.operations,
            ports.answers,
            ports.ids,
            ports.clock,
        )
        return mapping.feedback(created)

    async def ListFeedback(
        self, request: pb.ListFeedbackRequest, context: Context
    ) -> pb.ListFeedbackResponse:
        """The feedback of a project."""
        page = await self._threads(
            handlers.list_feedback,
            request.parent,
            request.page_size,
            request.page_token,
            self._store,
            request.order_by,
        )
        return pb.ListFeedbackResponse(
            feedback=map(mapping.feedback, page.items), next_page_token=page.next_token
        )

    async def CompareVersions(
        self, request: pb.CompareVersionsRequest, context: Context
    ) -> signal_pb2.Comparison:
        """Compare two versions by the feedback on their answers."""
        ports, command = self._ports, mapping.compare_versions(request)
        comparison = await self._threads(
            handlers.compare_versions, command, ports.store, ports.answers, ports.lineage, ports.clock
        )
        return mapping.comparison(comparison)

    async def CreateTrafficSegment(
        self, request: pb.CreateTrafficSegmentRequest, context: Context
    ) -> signal_pb2.TrafficSegment:
        """Take a traffic segment in."""
        ports, command = self._ports, mapping.create_segment(request)
        taken = await self._threads(
            handlers.create_segment,
            command,
            ports.store,
            ports.operations,
            ports.answers,
            ports.segments,
            ports.max_chars,
            ports.clock,
        )
        return mapping.segment(taken)

    async def ListTrafficSegments(
        self, request: pb.ListTrafficSegmentsRequest, context: Context
    ) -> pb.ListTrafficSegmentsResponse:
        """The traffic segments of a project."""
        page = await self._threads(
            handlers.list_segments,
            request.parent,
            request.page_size,
            request.page_token,
            self._store,
            request.order_by,
        )
        return pb.ListTrafficSegmentsResponse(
            traffic_segments=map(mapping.segment, page.items), next_page_token=page.next_token
        )

    async def GetDriftReport(
        self, request: pb.GetDriftReportRequest, context: Context
    ) -> signal_pb2.DriftReport:
        """One drift report."""
        return mapping.drift_report(await self._threads(handlers.get_drift_report, request.name, self._store))

    async def ListDriftReports(
        self, request: pb.ListDriftReportsRequest, context: Context
    ) -> pb.ListDriftReportsResponse:
        """The drift reports of a project."""
        page = await self._threads(
            handlers.list_drift_reports,
            request.parent,
            request.page_size,
            request.page_token,
            self._store,
            request.order_by,
        )
        return pb.ListDriftReportsResponse(
            drift_reports=map(mapping.drift_report, page.items), next_page_token=page.next_token
        )

    async def DeleteDriftReport(
        self, request: pb.DeleteDriftReportRequest, context: Context
    ) -> pb.DeleteDriftReportResponse:
        """Delete a drift report."""
        await self._threads(handlers.delete_drift_report, mapping.delete_ended(request), self._store)
        return pb.DeleteDriftReportResponse()
