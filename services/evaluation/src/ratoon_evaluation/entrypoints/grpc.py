"""Evaluation's gRPC API."""

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from ratoon.evaluation.v1 import evaluation_run_pb2, judge_pb2, suite_pb2
from ratoon.evaluation.v1 import evaluation_service_pb2 as pb
from ratoon.evaluation.v1.evaluation_service_pb2_grpc import EvaluationServiceServicer
from ratoon.operations.operations import Operations
from ratoon.process.clock import Clock
from ratoon.runtime.server import Threads
from ratoon.security.identity import Role, caller
from ratoon.service.restricted_fields import restricted
from ratoon.service.standard_methods import StandardMethods
from ratoon.storage.paging import PageTokens
from ratoon.storage.store import Store
from ratoon.storage.watch import Changes
from ratoon_evaluation import judge_messages, mapping, suite_messages
from ratoon_evaluation.application import bad_cases, handlers, judges, ratings, suites
from ratoon_evaluation.application.ports import Answers, Devices, Exports, Models, RatingTasks, Splits
from ratoon_evaluation.domain.costs import Rates
from ratoon_evaluation.domain.judges import Judge
from ratoon_evaluation.domain.runs import EvaluationRun
from ratoon_evaluation.domain.suites import Suite
from ratoon_evaluation.harness_yaml import read_yaml

Context = Any

_SEALED_DIGESTS = ("predictions_digest", "wrong_answers_digest", "verdicts_digest", "answers_digest")
"""Fields with digests of blobs that reveal which records are in a test part."""


@dataclass(frozen=True)
class Ports:
    """What the handlers need."""

    store: Store
    operations: Operations
    changes: Changes
    threads: Threads
    clock: Clock
    splits: Splits
    answers: Answers
    tokens: PageTokens
    exports: Exports
    devices: Devices
    rating_tasks: RatingTasks
    models: Models
    judge_endpoints: Mapping[str, str] = field(default_factory=dict)
    """Base URLs that judges may have, with the variables of their keys."""
    rates: Rates = Rates()


class EvaluationServicer(EvaluationServiceServicer):
    """Answers `ratoon.evaluation.v1.EvaluationService`."""

    def __init__(self, ports: Ports) -> None:
        self._ports = ports
        self._runs = StandardMethods(
            ports.store,
            ports.threads,
            EvaluationRun,
            handlers.RUN,
            restricted(mapping.run, _SEALED_DIGESTS, Role.ENGINEER),
            lambda run: run.state.ended,
        )
        self._judges = StandardMethods(
            ports.store,
            ports.threads,
            Judge,
            judges.JUDGE,
            judge_messages.judge,
            lambda judge: judge.state.ended,
        )
        self._suites = StandardMethods(ports.store, ports.threads, Suite, suites.SUITE, suite_messages.suite)

    async def CreateEvaluationRun(
        self, request: pb.CreateEvaluationRunRequest, context: Context
    ) -> evaluation_run_pb2.EvaluationRun:
        """Begin an evaluation."""
        ports = self._ports
        command = mapping.create_run(request)
        run = await ports.threads(
            handlers.create_run,
            command,
            ports.store,
            ports.operations,
            ports.devices,
            ports.judge_endpoints,
            ports.clock,
        )
        return mapping.run(run)

    async def GetEvaluationRun(
        self, request: pb.GetEvaluationRunRequest, context: Context
    ) -> evaluation_run_pb2.EvaluationRun:
        """One run."""
        return await self._runs.get(request)

    async def ListEvaluationRuns(
        self, request: pb.ListEvaluationRunsRequest, context: Context
    ) -> pb.ListEvaluationRunsResponse:
        """The runs of a project."""
        page = await self._runs.list(request)
        return pb.ListEvaluationRunsResponse(evaluation_runs=page.items, next_page_token=page.next_token)

    async def WatchEvaluationRun(
        self, request: pb.WatchEvaluationRunRequest, context: Context
    ) -> AsyncIterator[evaluation_run_pb2.EvaluationRun]:
        """A run's state, then each newer one, until it has ended."""
        async for state in self._runs.watch(request, self._ports.changes):
            yield state

    async def CancelEvaluationRun(
        self, request: pb.CancelEvaluationRunRequest, context: Context
    ) -> evaluation_run_pb2.EvaluationRun:
        """Cancel a run."""
        return await self._runs.cancel(request, self._ports.operations)

    async def DeleteEvaluationRun(
        self, request: pb.DeleteEvaluationRunRequest, context: Context
    ) -> pb.DeleteEvaluationRunResponse:
        """Delete a run that failed or was cancelled."""
        await self._runs.delete(request, handlers.delete_run)
        return pb.DeleteEvaluationRunResponse()

    async def PlanEvaluation(self, request: pb.PlanEvaluationRequest, context: Context) -> pb.EvaluationPlan:
        """Time, memory and cost of an evaluation."""
        ports = self._ports
        planned = await ports.threads(
            handlers.plan_evaluation,
            request.parent,
            mapping.demand(request),
            request.candidate_digest,
            ports.store,
            ports.models,
            ports.rates,
        )
        return mapping.plan(planned)

    async def ListBadCases(
        self, request: pb.ListBadCasesRequest, context: Context
    ) -> pb.ListBadCasesResponse:
        """The candidate's wrong answers."""
        ports = self._ports
        who = caller()
        query = mapping.list_bad_cases(request, who.name, who.role >= Role.ENGINEER)
        page = await ports.threads(
            bad_cases.list_bad_cases, query, ports.store, ports.answers, ports.splits, ports.tokens
        )
        cases = map(mapping.bad_case, page.items)
        return pb.ListBadCasesResponse(bad_cases=cases, next_page_token=page.next_token)

    async def ExportBadCases(
        self, request: pb.ExportBadCasesRequest, context: Context
    ) -> pb.ExportBadCasesResponse:
        """Store the records of the candidate's wrong answers."""
        ports = self._ports
        query = mapping.export_bad_cases(request, caller().name)
        export = await ports.threads(
            bad_cases.export_bad_cases, query, ports.store, ports.exports, ports.splits, ports.answers
        )
        return pb.ExportBadCasesResponse(digest=export.digest, record_count=export.records)

    async def RequestRatings(
        self, request: pb.RequestRatingsRequest, context: Context
    ) -> pb.RequestRatingsResponse:
        """Ask people about answers of a run."""
        ports = self._ports
        command = mapping.request_ratings(request, caller().name)
        requested = await ports.threads(
            ratings.request_ratings, command, ports.store, ports.answers, ports.splits, ports.rating_tasks
        )
        return pb.RequestRatingsResponse(task_count=requested.tasks, left_out_count=requested.left_out)

    async def CreateSuite(self, request: pb.CreateSuiteRequest, context: Context) -> suite_pb2.Suite:
        """Create a suite."""
        ports, command = self._ports, suite_messages.create_suite(request)
        created = await ports.threads(suites.create_suite, command, ports.store, read_yaml, ports.clock)
        return suite_messages.suite(created)

    async def GetSuite(self, request: pb.GetSuiteRequest, context: Context) -> suite_pb2.Suite:
        """One suite."""
        return await self._suites.get(request)

    async def ListSuites(self, request: pb.ListSuitesRequest, context: Context) -> pb.ListSuitesResponse:
        """The suites of a project."""
        page = await self._suites.list(request)
        return pb.ListSuitesResponse(suites=page.items, next_page_token=page.next_token)

    async def UpdateSuite(self, request: pb.UpdateSuiteRequest, context: Context) -> suite_pb2.Suite:
        """Change a suite."""
        ports, command = self._ports, suite_messages.update_suite(request)
        return suite_messages.suite(await ports.threads(suites.update_suite, command, ports.store, read_yaml))

    async def DeleteSuite(self, request: pb.DeleteSuiteRequest, context: Context) -> pb.DeleteSuiteResponse:
        """Delete a suite."""
        command = suite_messages.delete_suite(request)
        await self._ports.threads(suites.delete_suite, command, self._ports.store)
        return pb.DeleteSuiteResponse()

    async def CreateJudge(self, request: pb.CreateJudgeRequest, context: Context) -> judge_pb2.Judge:
        """Create a judge, which is compared with people."""
        ports, command = self._ports, judge_messages.create_judge(request)
        created = await ports.threads(
            judges.create_judge, command, ports.store, ports.operations, ports.judge_endpoints, ports.clock
        )
        return judge_messages.judge(created)

    async def GetJudge(self, request: pb.GetJudgeRequest, context: Context) -> judge_pb2.Judge:
        """One judge."""
        return await self._judges.get(request)

    async def ListJudges(self, request: pb.ListJudgesRequest, context: Context) -> pb.ListJudgesResponse:
        """The judges of a project."""
        page = await self._judges.list(request)
        return pb.ListJudgesResponse(judges=page.items, next_page_token=page.next_token)

    async def WatchJudge(
        self, request: pb.WatchJudgeRequest, context: Context
    ) -> AsyncIterator[judge_pb2.Judge]:
        """A judge's state, then each newer one, until it has ended."""
        async for state in self._judges.watch(request, self._ports.changes):
            yield state

    async def CancelJudge(self, request: pb.CancelJudgeRequest, context: Context) -> judge_pb2.Judge:
        """Cancel a judge."""
        return await self._judges.cancel(request, self._ports.operations)

    async def DeleteJudge(self, request: pb.DeleteJudgeRequest, context: Context) -> pb.DeleteJudgeResponse:
        """Delete a judge that has ended."""
        await self._judges.delete(request, judges.delete_judge)
        return pb.DeleteJudgeResponse()
