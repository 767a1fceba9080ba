"""The flywheel's gRPC API."""

from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from ratoon.flywheel.v1 import external_event_pb2, pipeline_run_pb2, policy_pb2, project_pb2, signal_pb2
from ratoon.flywheel.v1 import flywheel_service_pb2 as pb
from ratoon.flywheel.v1.flywheel_service_pb2_grpc import FlywheelServiceServicer
from ratoon.operations.operations import Operations
from ratoon.process.clock import Clock
from ratoon.process.errors import InvalidArgument
from ratoon.runtime.server import Threads
from ratoon.security.answers import AnswerIds
from ratoon.security.identity import Role, caller
from ratoon.service.standard_methods import StandardMethods
from ratoon.storage.names import matched
from ratoon.storage.shared_commits import SharedCommits
from ratoon.storage.store import Store
from ratoon.storage.watch import Changes
from ratoon_flywheel import answer_messages, mapping
from ratoon_flywheel.application import collecting, examples, feedback, handlers
from ratoon_flywheel.application.commands import DecideRun
from ratoon_flywheel.application.external_events import EventCounts, receive_event
from ratoon_flywheel.application.ports import (
    AnswerIndex,
    Deployments,
    Devices,
    Judges,
    Lineage,
    RunIndex,
    Segments,
    Suites,
    Sweeps,
)
from ratoon_flywheel.application.watched import WatchedRuns
from ratoon_flywheel.domain.pipelines.budget import Rates
from ratoon_flywheel.domain.pipelines.external_events import ExternalEvent
from ratoon_flywheel.domain.pipelines.policies import Policy
from ratoon_flywheel.domain.pipelines.runs import PipelineRun
from ratoon_flywheel.domain.projects import Project
from ratoon_flywheel.domain.signals.feedback import Feedback
from ratoon_flywheel.domain.signals.monitor import DriftReport
from ratoon_flywheel.domain.signals.traffic import TrafficSegment
from ratoon_flywheel.sweep_settings import update_of

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
    devices: Devices
    rates: Rates
    event_counts: EventCounts
    suites: Suites
    judges: Judges
    sweeps: Sweeps


class FlywheelServicer(FlywheelServiceServicer):
    """Answers `ratoon.flywheel.v1.FlywheelService`."""

    def __init__(self, ports: Ports) -> None:
        self._ports = ports
        self._threads, self._store = ports.threads, ports.store
        store, threads = ports.store, ports.threads
        self._projects = StandardMethods(store, threads, Project, handlers.PROJECT, mapping.project)
        self._policies = StandardMethods(store, threads, Policy, handlers.POLICY, mapping.policy)
        self._runs = StandardMethods(
            store, threads, PipelineRun, handlers.PIPELINE_RUN, mapping.run, lambda run: run.state.ended
        )
        self._events = StandardMethods(
            store, threads, ExternalEvent, handlers.EXTERNAL_EVENT, mapping.external_event
        )
        self._feedback = StandardMethods(
            store, threads, Feedback, handlers.FEEDBACK, answer_messages.feedback
        )
        self._segments = StandardMethods(store, threads, TrafficSegment, handlers.SEGMENT, mapping.segment)
        self._drift_reports = StandardMethods(
            store, threads, DriftReport, handlers.DRIFT_REPORT, mapping.drift_report
        )

    async def CreateProject(self, request: pb.CreateProjectRequest, context: Context) -> project_pb2.Project:
        """Begin a project."""
        ports, command = self._ports, mapping.create_project(request)
        created = await self._threads(
            handlers.create_project,
            command,
            ports.store,
            ports.operations,
            ports.suites,
            ports.judges,
            ports.clock,
        )
        return mapping.project(created)

    async def GetProject(self, request: pb.GetProjectRequest, context: Context) -> project_pb2.Project:
        """One project."""
        return await self._projects.get(request)

    async def ListProjects(
        self, request: pb.ListProjectsRequest, context: Context
    ) -> pb.ListProjectsResponse:
        """All projects."""
        page = await self._projects.page("", request)
        return pb.ListProjectsResponse(projects=page.items, next_page_token=page.next_token)

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
            self._ports.suites,
            self._ports.judges,
        )
        return mapping.project(changed, notices)

    async def ApplySweep(self, request: pb.ApplySweepRequest, context: Context) -> project_pb2.Project:
        """Give a project the settings of a trial; a change of the project in between is refused."""
        matched(request.name, handlers.PROJECT)
        if not request.sweep.startswith(f"{request.name}/sweeps/"):
            raise InvalidArgument(
                f"{request.sweep!r} is no sweep of {request.name}.", reason="BAD_NAME", field="sweep"
            )
        trial = await self._threads(self._ports.sweeps.trial, request.sweep, request.trial)
        project = await self._projects.get(request)
        return await self.UpdateProject(update_of(project, trial, request.etag), context)

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
        return await self._policies.get(request)

    async def ListPolicies(
        self, request: pb.ListPoliciesRequest, context: Context
    ) -> pb.ListPoliciesResponse:
        """The policies of a project."""
        page = await self._policies.list(request)
        return pb.ListPoliciesResponse(policies=page.items, next_page_token=page.next_token)

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
            handlers.create_run,
            command,
            ports.store,
            ports.operations,
            ports.runs,
            ports.devices,
            ports.rates,
            ports.clock,
        )
        return mapping.run(created)

    async def GetPipelineRun(
        self, request: pb.GetPipelineRunRequest, context: Context
    ) -> pipeline_run_pb2.PipelineRun:
        """One pipeline run."""
        return await self._runs.get(request)

    async def ListPipelineRuns(
        self, request: pb.ListPipelineRunsRequest, context: Context
    ) -> pb.ListPipelineRunsResponse:
        """The pipeline runs of a project."""
        page = await self._runs.list(request)
        return pb.ListPipelineRunsResponse(pipeline_runs=page.items, next_page_token=page.next_token)

    async def WatchPipelineRun(
        self, request: pb.WatchPipelineRunRequest, context: Context
    ) -> AsyncIterator[pipeline_run_pb2.PipelineRun]:
        """A run's state, then each newer one, until it has ended."""
        name = request.name
        with self._ports.watched.watching(name):
            await self._threads(handlers.refresh_run, name, self._store, self._ports.operations)
            async for state in self._runs.watch(request, self._ports.changes):
                yield state

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
        ports = self._ports
        remove = partial(handlers.delete_run, runs=ports.runs, clock=ports.clock)
        await self._runs.delete(request, remove)
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

    async def CreateExternalEvent(
        self, request: pb.CreateExternalEventRequest, context: Context
    ) -> external_event_pb2.ExternalEvent:
        """Report an event of another system."""
        ports, command = self._ports, mapping.receive_event(request)
        held = (ports.store, ports.operations, ports.event_counts, ports.clock)
        return mapping.external_event(await self._threads(receive_event, command, *held))

    async def GetExternalEvent(
        self, request: pb.GetExternalEventRequest, context: Context
    ) -> external_event_pb2.ExternalEvent:
        """One external event."""
        return await self._events.get(request)

    async def ListExternalEvents(
        self, request: pb.ListExternalEventsRequest, context: Context
    ) -> pb.ListExternalEventsResponse:
        """The external events of a project."""
        page = await self._events.list(request)
        return pb.ListExternalEventsResponse(external_events=page.items, next_page_token=page.next_token)

    async def CreateFeedback(
        self, request: pb.CreateFeedbackRequest, context: Context
    ) -> signal_pb2.Feedback:
        """Store a user's feedback on an answer."""
        ports, command = self._ports, mapping.create_feedback(request)
        if request.feedback.task and caller().role >= Role.SERVICE:
            command = replace(command, task=request.feedback.task)
        created = await self._threads(
            feedback.create_feedback,
            command,
            ports.commits,
            ports.operations,
            ports.answers,
            ports.ids,
            ports.clock,
        )
        return answer_messages.feedback(created)

    async def ListFeedback(
        self, request: pb.ListFeedbackRequest, context: Context
    ) -> pb.ListFeedbackResponse:
        """The feedback of a project."""
        page = await self._feedback.list(request)
        return pb.ListFeedbackResponse(feedback=page.items, next_page_token=page.next_token)

    async def ExportFeedback(
        self, request: pb.ExportFeedbackRequest, context: Context
    ) -> pb.ExportFeedbackResponse:
        """Store the records that follow from feedback."""
        ports, command = self._ports, mapping.export_feedback(request)
        digest, read = await self._threads(
            examples.export_records, command, ports.store, ports.answers, ports.segments, ports.clock
        )
        counts = Counter(each.form.value for each in read.records)
        return mapping.exported_feedback(digest, counts, read.left_out)

    async def CollectAnswers(
        self, request: pb.CollectAnswersRequest, context: Context
    ) -> pb.CollectAnswersResponse:
        """Captured answers that may be used for training."""
        ports, command = self._ports, answer_messages.collect_answers(request)
        collected = await self._threads(
            collecting.collect_answers, command, ports.store, ports.answers, ports.segments, ports.clock
        )
        return answer_messages.collected_answers(collected)

    async def CompareVersions(
        self, request: pb.CompareVersionsRequest, context: Context
    ) -> signal_pb2.Comparison:
        """Compare two versions by the feedback on their answers."""
        ports, command = self._ports, mapping.compare_versions(request)
        comparison = await self._threads(
            feedback.compare_versions,
            command,
            ports.store,
            ports.answers,
            ports.segments,
            ports.lineage,
            ports.clock,
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
        page = await self._segments.list(request)
        return pb.ListTrafficSegmentsResponse(traffic_segments=page.items, next_page_token=page.next_token)

    async def GetDriftReport(
        self, request: pb.GetDriftReportRequest, context: Context
    ) -> signal_pb2.DriftReport:
        """One drift report."""
        return await self._drift_reports.get(request)

    async def ListDriftReports(
        self, request: pb.ListDriftReportsRequest, context: Context
    ) -> pb.ListDriftReportsResponse:
        """The drift reports of a project."""
        page = await self._drift_reports.list(request)
        return pb.ListDriftReportsResponse(drift_reports=page.items, next_page_token=page.next_token)

    async def DeleteDriftReport(
        self, request: pb.DeleteDriftReportRequest, context: Context
    ) -> pb.DeleteDriftReportResponse:
        """Delete a drift report."""
        await self._drift_reports.delete(request, handlers.delete_drift_report)
        return pb.DeleteDriftReportResponse()
