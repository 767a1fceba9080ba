"""Sources of answers that people label: captured traffic over flywheel's gRPC API, bad cases over evaluation's."""

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import grpc

from ratoon.evaluation.v1 import evaluation_run_pb2
from ratoon.evaluation.v1 import evaluation_service_pb2 as evaluation_pb
from ratoon.evaluation.v1.evaluation_service_pb2_grpc import EvaluationServiceStub
from ratoon.flywheel.v1 import flywheel_service_pb2 as flywheel_pb
from ratoon.flywheel.v1 import signal_pb2
from ratoon.flywheel.v1.flywheel_service_pb2_grpc import FlywheelServiceStub
from ratoon.ingestion.v1.ingestion_service_pb2 import GetSplitRequest
from ratoon.ingestion.v1.ingestion_service_pb2_grpc import IngestionServiceStub
from ratoon.process.clock import Clock
from ratoon.serving.v1.serving_service_pb2 import GetDeploymentRequest
from ratoon.serving.v1.serving_service_pb2_grpc import ServingServiceStub
from ratoon_labeling.application.intake import AnswerText
from ratoon_labeling.domain.intake import Batch, IntakeRule, IntakeSource, Item
from ratoon_labeling.domain.tasks import Task

_PAGE, _CASES, _RUNS, _MAX_DONE = 1_000, 1_000, 20, 100
"""Answers of a page, bad cases of a run, runs that are looked at, and names of runs that are kept; each at most."""
_DONE = "done"


class PeerSources:
    """Reads traffic, feedback and evaluation runs."""

    def __init__(
        self,
        flywheel: grpc.Channel,
        evaluation: grpc.Channel,
        ingestion: grpc.Channel,
        serving: grpc.Channel,
        clock: Clock,
    ) -> None:
        self._flywheel, self._evaluation = FlywheelServiceStub(flywheel), EvaluationServiceStub(evaluation)
        self._ingestion, self._serving = IngestionServiceStub(ingestion), ServingServiceStub(serving)
        self._clock = clock

    def check(self, rule: IntakeRule) -> None:
        """Raise NotFound if the deployment or the evaluation run of a rule does not exist."""
        if rule.deployment:
            self._serving.GetDeployment(GetDeploymentRequest(name=rule.deployment))
        if rule.evaluation_run:
            self._run(rule)

    def start(self, project: str, rule: IntakeRule) -> str:
        """Return the position from which a new rule reads."""
        if rule.source is IntakeSource.BAD_CASES:
            return json.dumps({"since": self._clock.now().isoformat(), _DONE: []})
        return str(self._collect(project, rule, -1).position)

    def read(self, project: str, rule: IntakeRule, position: str) -> Batch:
        """Return items that arrived after a position; those that may not be used are left out."""
        if rule.source is IntakeSource.BAD_CASES:
            return self._bad_cases(project, rule, position)
        page = self._collect(project, rule, int(position))
        return Batch([_item(each) for each in page.answers], str(page.position), page.has_more)

    def _collect(self, project: str, rule: IntakeRule, position: int) -> flywheel_pb.CollectAnswersResponse:
        request = flywheel_pb.CollectAnswersRequest
        rejected = rule.source is IntakeSource.LOW_RATED
        return self._flywheel.CollectAnswers(
            request(
                parent=project,
                deployment=rule.deployment,
                selection=request.SELECTION_REJECTED if rejected else request.SELECTION_ALL,
                max_rating=rule.max_rating,
                conflicts=rule.conflicts,
                position=position,
                page_size=_PAGE,
            )
        )

    def detailed(self, project: str, items: Sequence[Item]) -> Sequence[Item]:
        """Return these items with the digests of their texts, without those whose texts are gone."""
        ids = [each.answer_id for each in items if each.answer_id]
        if not ids:
            return items
        request = flywheel_pb.CollectAnswersRequest(parent=project, answer_ids=ids)
        texts = {each.answer_id: each for each in self._flywheel.CollectAnswers(request).answers}
        known = {each.key: each for each in items}
        return [
            replace(
                known[key],
                content_digest=next(iter(each.text_digests), ""),
                text_digests=tuple(each.text_digests),
            )
            for key, each in texts.items()
            if key in known
        ]

    def text_of(self, project: str, answer_id: str) -> AnswerText | None:
        """Return the text of an answer; None if it is gone, or may not be used."""
        request = flywheel_pb.CollectAnswersRequest(parent=project, answer_ids=[answer_id])
        answers = self._flywheel.CollectAnswers(request).answers
        return AnswerText(answers[0].text, answers[0].label) if answers else None

    def give_back(self, task: Task) -> str:
        """Store the label of a task as feedback on its answer; return the name of the feedback."""
        key = hashlib.sha256(f"{task.name}\0{task.label}".encode()).hexdigest()
        feedback = signal_pb2.Feedback(answer_id=task.answer_id, correction=task.label, task=task.name)
        request = flywheel_pb.CreateFeedbackRequest(
            parent=task.name.rsplit("/tasks/", 1)[0], feedback=feedback, request_id=key
        )
        return str(self._flywheel.CreateFeedback(request).name)

    def _bad_cases(self, project: str, rule: IntakeRule, position: str) -> Batch:
        """Return the bad cases of the next run."""
        state = json.loads(position)
        runs = [each for each in self._runs(project, rule, state) if each.name not in state[_DONE]]
        if not runs:
            return Batch((), position)
        run = runs[-1]
        after = json.dumps({**state, _DONE: [*state[_DONE], run.name][-_MAX_DONE:]})
        return Batch(list(self._cases(run, rule))[:_CASES], after, has_more=len(runs) > 1)

    def _runs(
        self, project: str, rule: IntakeRule, state: dict[str, Any]
    ) -> list[evaluation_run_pb2.EvaluationRun]:
        """Return the runs of a rule that have succeeded, newest first."""
        if rule.evaluation_run:
            run = self._run(rule)
            return [run] if run.state == run.STATE_SUCCEEDED else []
        request = evaluation_pb.ListEvaluationRunsRequest(
            parent=project, page_size=_RUNS, order_by="create_time desc"
        )
        since = datetime.fromisoformat(state["since"])
        return [
            each
            for each in self._evaluation.ListEvaluationRuns(request).evaluation_runs
            if each.state == each.STATE_SUCCEEDED and each.update_time.ToDatetime(UTC) >= since
        ]

    def _run(self, rule: IntakeRule) -> evaluation_run_pb2.EvaluationRun:
        return self._evaluation.GetEvaluationRun(
            evaluation_pb.GetEvaluationRunRequest(name=rule.evaluation_run)
        )

    def _cases(self, run: evaluation_run_pb2.EvaluationRun, rule: IntakeRule) -> Iterator[Item]:
        for domain in run.domains:
            if rule.domain in ("", domain.name) and domain.split:
                split = self._ingestion.GetSplit(GetSplitRequest(name=domain.split))
                yield from self._cases_of(run.name, domain.name, split.dataset_version)

    def _cases_of(self, run: str, domain: str, dataset_version: str) -> Iterator[Item]:
        token = ""
        while True:
            request = evaluation_pb.ListBadCasesRequest(
                parent=run, domain=domain, page_size=_CASES, page_token=token
            )
            page = self._evaluation.ListBadCases(request)
            for each in page.bad_cases:
                if each.record_id and each.text:
                    yield Item(
                        key=each.record_id,
                        dataset_version=dataset_version,
                        label=each.label,
                        suggested=each.predicted,
                        evaluation_run=run,
                    )
            token = page.next_page_token
            if not token:
                return


def _item(answer: signal_pb2.CapturedAnswer) -> Item:
    """Return an item without texts; the label of free text is one, and is read when a task is claimed."""
    return Item(
        key=answer.answer_id,
        answer_id=answer.answer_id,
        label=answer.label,
        model_version=answer.version,
        confidence=answer.confidence if answer.HasField("confidence") else None,
        position=answer.position,
    )
