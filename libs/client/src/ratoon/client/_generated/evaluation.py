# Generated from protos/ by scripts/client.py; `make proto` writes it again.
"""Resources of evaluation."""

from collections.abc import Callable, Sequence

from ratoon.client._generated.common_types import Compute, TaskSpec
from ratoon.client._generated.evaluation_types import (
    BadCase,
    Domain,
    EvaluationPlan,
    EvaluationRun,
    ExportBadCasesResponse,
    GateRule,
    GenerationSettings,
    HumanRatings,
    Judge,
    JudgeKind,
    JudgeRequirements,
    RequestRatingsRequestWork,
    RequestRatingsResponse,
    Suite,
    SuiteTest,
)
from ratoon.client._models import changes, present
from ratoon.client._omit import Omit, omit
from ratoon.client._pagination import AsyncPaginator, SyncPage
from ratoon.client._paths import expand
from ratoon.client._transport import AsyncTransport, Call, SyncTransport, new_request_id
from ratoon.client._watch import AsyncWatch, SyncWatch


class BadCasesResource:
    """One wrong answer of the candidate."""

    def __init__(self, transport: SyncTransport) -> None:
        self._transport = transport

    def export(
        self,
        parent: str,
        *,
        domain: str | None = None,
        max_record_count: int | None = None,
        suite: str | None = None,
        test: str | None = None,
        timeout: float | None = None,
    ) -> ExportBadCasesResponse:
        """Store the records of wrong answers as a JSONL blob.

        A source is created from it, for a labelling queue or for a dataset version. The reading is logged at
        the split. Refused until the run has succeeded (`NOT_EVALUATED`), and for a domain that it does not
        have (`BAD_EVALUATION`).

        Args:
            parent: Resource name of the evaluation run: `projects/{project}/evaluationRuns/{evaluation_run}`.
            domain: Name of the domain. Empty: all domains.
            max_record_count: Maximum number of records, 1 to 10,000, in the order of `ListBadCases`. 0:
                10,000.
            suite: Resource name of a suite, or its last segment. Set: the wrong answers to its tests are
                exported in place of those on domains. Together with `domain` it is refused
                (`BAD_EVALUATION`).
            test: Name of a test of the suite. Empty: all tests.
            timeout: Seconds that one attempt may take. Default: that of the client.
        """
        return self._transport.call(
            ExportBadCasesResponse,
            Call(
                "POST",
                expand("/v1/{parent=projects/*/evaluationRuns/*}/badCases:export", parent=parent),
                body=present(
                    {"domain": domain, "maxRecordCount": max_record_count, "suite": suite, "test": test}
                ),
            ),
            timeout,
        )

    def list(
        self,
        parent: str,
        *,
        page_size: int | None = None,
        page_token: str | None = None,
        domain: str | None = None,
        suite: str | None = None,
        test: str | None = None,
        timeout: float | None = None,
    ) -> SyncPage[BadCase]:
        """List the wrong answers of the candidate, domain by domain.

        Of labels, those with the highest confidence come first, else those with the worst score. Each reading
        of the texts is logged at the split. Callers below the role ENGINEER see neither IDs nor texts of the
        records of a test part, and of generated texts no answers. Refused until the run has succeeded
        (`NOT_EVALUATED`), and for a domain that it does not have (`BAD_EVALUATION`).

        Args:
            parent: Resource name of the evaluation run: `projects/{project}/evaluationRuns/{evaluation_run}`.
            page_size: Maximum number of items to return. 0: 100. Values above 1000 are reduced to 1000;
                negative values are refused. A page may hold fewer items.
            page_token: `next_page_token` of the previous page. Empty: the first page. The token of another
                listing is refused.
            domain: Name of the domain. Empty: all domains. The token of another domain is refused.
            suite: Resource name of a suite, or its last segment. Set: the wrong answers to its tests are
                listed in place of those on domains; the token of another suite is refused. Together with
                `domain` it is refused (`BAD_EVALUATION`).
            test: Name of a test of the suite. Empty: all tests. The token of another test is refused.
            timeout: Seconds that one attempt may take. Default: that of the client.
        """
        return self._transport.page(
            BadCase,
            "badCases",
            Call(
                "GET",
                expand("/v1/{parent=projects/*/evaluationRuns/*}/badCases", parent=parent),
                query=present(
                    {
                        "pageSize": page_size,
                        "pageToken": page_token,
                        "domain": domain,
                        "suite": suite,
                        "test": test,
                    }
                ),
            ),
            timeout,
        )


class AsyncBadCasesResource:
    """One wrong answer of the candidate."""

    def __init__(self, transport: AsyncTransport) -> None:
        self._transport = transport

    async def export(
        self,
        parent: str,
        *,
        domain: str | None = None,
        max_record_count: int | None = None,
        suite: str | None = None,
        test: str | None = None,
        timeout: float | None = None,
    ) -> ExportBadCasesResponse:
        """Store the records of wrong answers as a JSONL blob.

        A source is created from it, for a labelling queue or for a dataset version. The reading is logged at
        the split. Refused until the run has succeeded (`NOT_EVALUATED`), and for a domain that it does not
        have (`BAD_EVALUATION`).

        Args:
            parent: Resource name of the evaluation run: `projects/{project}/evaluationRuns/{evaluation_run}`.
            domain: Name of the domain. Empty: all domains.
            max_record_count: Maximum number of records, 1 to 10,000, in the order of `ListBadCases`. 0:
                10,000.
            suite: Resource name of a suite, or its last segment. Set: the wrong answers to its tests are
                exported in place of those on domains. Together with `domain` it is refused
                (`BAD_EVALUATION`).
            test: Name of a test of the suite. Empty: all tests.
            timeout: Seconds that one attempt may take. Default: that of the client.
        """
        return await self._transport.call(
            ExportBadCasesResponse,
            Call(
                "POST",
                expand("/v1/{parent=projects/*/evaluationRuns/*}/badCases:export", parent=parent),
                body=present(
                    {"domain": domain, "maxRecordCount": max_record_count, "suite": suite, "test": test}
                ),
            ),
            timeout,
        )

    def list(
        self,
        parent: str,
        *,
        page_size: int | None = None,
        page_token: str | None = None,
        domain: str | None = None,
        suite: str | None = None,
        test: str | None = None,
        timeout: float | None = None,
    ) -> AsyncPaginator[BadCase]:
        """List the wrong answers of the candidate, domain by domain.

        Of labels, those with the highest confidence come first, else those with the worst score. Each reading
        of the texts is logged at the split. Callers below the role ENGINEER see neither IDs nor texts of the
        records of a test part, and of generated texts no answers. Refused until the run has succeeded
        (`NOT_EVALUATED`), and for a domain that it does not have (`BAD_EVALUATION`).

        Args:
            parent: Resource name of the evaluation run: `projects/{project}/evaluationRuns/{evaluation_run}`.
            page_size: Maximum number of items to return. 0: 100. Values above 1000 are reduced to 1000;
                negative values are refused. A page may hold fewer items.
            page_token: `next_page_token` of the previous page. Empty: the first page. The token of another
                listing is refused.
            domain: Name of the domain. Empty: all domains. The token of another domain is refused.
            suite: Resource name of a suite, or its last segment. Set: the wrong answers to its tests are
                listed in place of those on domains; the token of another suite is refused. Together with
                `domain` it is refused (`BAD_EVALUATION`).
            test: Name of a test of the suite. Empty: all tests. The token of another test is refused.
            timeout: Seconds that one attempt may take. Default: that of the client.
        """
        return self._transport.page(
            BadCase,
            "badCases",
            Call(
                "GET",
                expand("/v1/{parent=projects/*/evaluationRuns/*}/badCases", parent=parent),
                query=present(
                    {
                        "pageSize": page_size,
                        "pageToken": page_token,
                        "domain": domain,
                        "suite": suite,
                        "test": test,
                    }
                ),
            ),
            timeout,
        )


class EvaluationRunsResource:
    """Scores of a model artifact and of baselines on test parts, and the verdict of a gate on these
    scores.
    """

    def __init__(self, transport: SyncTransport) -> None:
        self._transport = transport

    def cancel(self, name: str, *, timeout: float | None = None) -> EvaluationRun:
        """Request the cancellation of an evaluation run. A run that has ended is returned unchanged.

        Args:
            name: Resource name of the evaluation run: `projects/{project}/evaluationRuns/{evaluation_run}`.
            timeout: Seconds that one attempt may take. Default: that of the client.
        """
        return self._transport.call(
            EvaluationRun,
            Call("POST", expand("/v1/{name=projects/*/evaluationRuns/*}:cancel", name=name), body={}),
            timeout,
        )

    def create(
        self,
        parent: str,
        *,
        candidate_digest: str | None = None,
        reference_digest: str | None = None,
        domains: Sequence[Domain] | None = None,
        task: TaskSpec | None = None,
        labels: Sequence[str] | None = None,
        metric: str | None = None,
        gate: Sequence[GateRule] | None = None,
        seed: int | None = None,
        generation: GenerationSettings | None = None,
        base_digest: str | None = None,
        few_shot: int | None = None,
        suites: Sequence[str] | None = None,
        compute: Compute | None = None,
        judges: Sequence[str] | None = None,
        judge_requirements: JudgeRequirements | None = None,
        human_ratings: HumanRatings | None = None,
        evaluation_run_id: str | None = None,
        request_id: str | None = None,
        timeout: float | None = None,
    ) -> EvaluationRun:
        """Start an evaluation run.

        It opens the sealed test parts, which is logged, and scores the candidate on them. A request that
        contradicts itself is refused (`BAD_EVALUATION`); the error names the field. Refused too: a task that
        is not supported yet (`TASK_NOT_SUPPORTED`), one that differs from `labels` (`BAD_TASK`), and a rule
        on the metric of a judge whose agreement with people is not known or too low (`JUDGE_NOT_TRUSTED`).

        Args:
            parent: Resource name of the project: `projects/{project}`.
            candidate_digest: Digest of the model artifact to evaluate. Required.
            reference_digest: Digest of the model artifact in production. Empty: there is none.
            domains: Domains to score. At least one is required; their names must be unique.
            task: What the model is for. A request may give `labels` instead.
            labels: The same as `task.classify.labels`. A task `classify` needs at least two; empty or
                repeated labels are refused.
            metric: Metric that decides between versions: rules that name no metric compare it. Default: that
                of the kind of task, `macro_f1`, `rouge_l` or `mae`.
            gate: Rules of the gate. A rule of an unknown domain is refused. The candidate passes if all rules
                hold; a gate without rules does not pass.
            seed: Seed of the resampling that computes the confidence intervals.
            generation: How answers are generated. Only with a task `generate`.
            base_digest: Digest of the base model of the candidate, for the baselines `zero_shot` and
                `few_shot`. Only with a task `generate`. Empty: these baselines are not scored.
            few_shot: Number of records of the training part that the baseline `few_shot` shows before each
                prompt, at most 16. Not set: 3. 0: the baseline is not scored.
            suites: Suites to apply in addition to the domains: `projects/{project}/suites/{suite}` of the
                same project. The run keeps each suite as it was when the run was created.
            compute: Device and number format in which the models answer. CUDA without an NVIDIA GPU
                (`ACCELERATOR_UNAVAILABLE`), other accelerators and more than one device
                (`COMPUTE_NOT_SUPPORTED`) are refused. Default: CPU, 32-bit floating point.
            judges: Judges of the answers, at most one of each kind: `projects/{project}/judges/{judge}` of
                the same project, in the state SUCCEEDED. Only with a task `generate`. A judge PAIRWISE needs
                a reference. It measures `judge_win_rate` and `judge_consistency`, a judge RUBRIC
                `rubric_score`.
            judge_requirements: What must be known of a judge before a rule names one of its metrics; else the
                run is refused (`JUDGE_NOT_TRUSTED`). Not set: the defaults.
            human_ratings: Human ratings to take in. Only with a task `generate`. Not set: none.
            evaluation_run_id: Last segment of the resource name: 1 to 63 characters of `a-z`, `0-9`, `-` and
                `.`; the first and the last one are a letter or a digit. Empty: the server generates a UUIDv7.
            request_id: Makes a retry safe: the identical request with the same ID returns the resource that
                it created first. A different request with the same ID is refused. At most 256 characters.
            timeout: Seconds that one attempt may take. Default: that of the client.
        """
        return self._transport.call(
            EvaluationRun,
            Call(
                "POST",
                expand("/v1/{parent=projects/*}/evaluationRuns", parent=parent),
                query=present(
                    {"evaluationRunId": evaluation_run_id, "requestId": request_id or new_request_id()}
                ),
                body=present(
                    {
                        "candidateDigest": candidate_digest,
                        "referenceDigest": reference_digest,
                        "domains": domains,
                        "task": task,
                        "labels": labels,
                        "metric": metric,
                        "gate": gate,
                        "seed": seed,
                        "generation": generation,
                        "baseDigest": base_digest,
                        "fewShot": few_shot,
                        "suites": suites,
                        "compute": compute,
                        "judges": judges,
                        "judgeRequirements": judge_requirements,
                        "humanRatings": human_ratings,
                    }
                ),
                repeatable=True,
            ),
            timeout,
        )

    def delete(self, name: str, *, allow_missing: bool | None = None, timeout: float | None = None) -> None:
        """Delete an evaluation run that failed or was cancelled.

        Refused while it is in progress, and when it succeeded, because it is the evidence of a gate
        (`IN_USE`).

        Args:
            name: Resource name of the evaluation run: `projects/{project}/evaluationRuns/{evaluation_run}`.
            allow_missing: If true, the deletion of an evaluation run that does not exist succeeds, so that a
                retry does.
            timeout: Seconds that one attempt may take. Default: that of the client.
        """
        self._transport.send(
            Call(
                "DELETE",
                expand("/v1/{name=projects/*/evaluationRuns/*}", name=name),
                query=present({"allowMissing": allow_missing}),
            ),
            timeout,
        )

    def get(self, name: str, *, timeout: float | None = None) -> EvaluationRun:
        """Return one evaluation run.

        Args:
            name: Resource name of the evaluation run: `projects/{project}/evaluationRuns/{evaluation_run}`.
            timeout: Seconds that one attempt may take. Default: that of the client.
        """
        return self._transport.call(
            EvaluationRun, Call("GET", expand("/v1/{name=projects/*/evaluationRuns/*}", name=name)), timeout
        )

    def list(
        self,
        parent: str,
        *,
        page_size: int | None = None,
        page_token: str | None = None,
        order_by: str | None = None,
        timeout: float | None = None,
    ) -> SyncPage[EvaluationRun]:
        """List the evaluation runs of a project, oldest first.

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
            EvaluationRun,
            "evaluationRuns",
            Call(
                "GET",
                expand("/v1/{parent=projects/*}/evaluationRuns", parent=parent),
                query=present({"pageSize": page_size, "pageToken": page_token, "orderBy": order_by}),
            ),
            timeout,
        )

    def plan(
        self,
        parent: str,
        *,
        record_count: int | None = None,
        model_count: int | None = None,
        max_answer_tokens: int | None = None,
        seconds_per_answer: float | None = None,
        compute: Compute | None = None,
        candidate_digest: str | None = None,
        timeout: float | None = None,
    ) -> EvaluationPlan:
        """Compute time, memory and cost of an evaluation without starting it, from what earlier runs of the
        project took.

        Refused without a run that succeeded on this device (`NO_MEASURED_RATE`), unless `seconds_per_answer`
        is stated.

        Args:
            parent: Resource name of the project: `projects/{project}`.
            record_count: Number of records that each model answers, at most 10,000,000. 0: those of the
                newest run that succeeded.
            model_count: Number of models that answer: 2 with a reference, at most 16. 0: 1.
            max_answer_tokens: Maximum number of tokens of an answer, at most 1,000,000. Measured times are
                scaled by it. 0: as in earlier runs.
            seconds_per_answer: Seconds of an answer. 0: measured by earlier runs.
            compute: Device and number format of the models. Default: CPU, 32-bit floating point.
            candidate_digest: Digest of the model artifact to evaluate, for the memory of its weights. Empty:
                memory is not planned.
            timeout: Seconds that one attempt may take. Default: that of the client.
        """
        return self._transport.call(
            EvaluationPlan,
            Call(
                "POST",
                expand("/v1/{parent=projects/*}/evaluationRuns:plan", parent=parent),
                body=present(
                    {
                        "recordCount": record_count,
                        "modelCount": model_count,
                        "maxAnswerTokens": max_answer_tokens,
                        "secondsPerAnswer": seconds_per_answer,
                        "compute": compute,
                        "candidateDigest": candidate_digest,
                    }
                ),
            ),
            timeout,
        )

    def request_ratings(
        self,
        name: str,
        *,
        domain: str | None = None,
        work: RequestRatingsRequestWork | None = None,
        max_record_count: int | None = None,
        overlap: int | None = None,
        scales: Sequence[str] | None = None,
        timeout: float | None = None,
    ) -> RequestRatingsResponse:
        """Create labeling tasks in which people compare or rate answers of a run.

        They are about a random sample of a test part, and the two answers of a pair are in random order. The
        reading is logged at the split. Repeating a call creates no further tasks. Refused until the run has
        succeeded (`NOT_EVALUATED`), and for a domain or work that it does not have (`BAD_EVALUATION`).

        Args:
            name: Resource name of the evaluation run: `projects/{project}/evaluationRuns/{evaluation_run}`.
            domain: Name of the domain. Required.
            work: What people do. Required.
            max_record_count: Maximum number of records, 1 to 1,000. 0: 100.
            overlap: Number of people for each task, 1 to 20. 0: 1.
            scales: Scales of ratings. Empty: those of labeling, `fluency`, `relevance` and `factuality`.
            timeout: Seconds that one attempt may take. Default: that of the client.
        """
        return self._transport.call(
            RequestRatingsResponse,
            Call(
                "POST",
                expand("/v1/{name=projects/*/evaluationRuns/*}:requestRatings", name=name),
                body=present(
                    {
                        "domain": domain,
                        "work": work,
                        "maxRecordCount": max_record_count,
                        "overlap": overlap,
                        "scales": scales,
                    }
                ),
            ),
            timeout,
        )

    def watch(self, name: str, *, revision: int | None = None) -> SyncWatch[EvaluationRun]:
        """Stream an evaluation run: its current state, then each change.

        States between two reads may be skipped. The stream ends after a final state.

        Args:
            name: Resource name of the evaluation run: `projects/{project}/evaluationRuns/{evaluation_run}`.
            revision: Send only states with a higher revision, for example than the last one that was
                received; no revision is too old. 0: start with the current state.
        """
        return self._transport.watch(
            EvaluationRun,
            Call(
                "GET",
                expand("/v1/{name=projects/*/evaluationRuns/*}:watch", name=name),
                query=present({"revision": revision}),
            ),
        )

    def wait(
        self,
        name: str,
        *,
        timeout: float | None = None,
        on_state: Callable[[EvaluationRun], object] | None = None,
    ) -> EvaluationRun:
        """Wait for the final state, and return it.

        OperationFailedError if there is no result (failed, cancelled, refused, rolled back);
        OperationTimeoutError after `timeout`.

        Args:
            name: Resource name of the evaluation run: `projects/{project}/evaluationRuns/{evaluation_run}`.
            timeout: Seconds to wait. Default: no limit.
            on_state: Called with each state, the final one included.
        """
        return self._transport.wait(
            EvaluationRun,
            Call("GET", expand("/v1/{name=projects/*/evaluationRuns/*}:watch", name=name)),
            timeout,
            on_state,
        )


class AsyncEvaluationRunsResource:
    """Scores of a model artifact and of baselines on test parts, and the verdict of a gate on these
    scores.
    """

    def __init__(self, transport: AsyncTransport) -> None:
        self._transport = transport

    async def cancel(self, name: str, *, timeout: float | None = None) -> EvaluationRun:
        """Request the cancellation of an evaluation run. A run that has ended is returned unchanged.

        Args:
            name: Resource name of the evaluation run: `projects/{project}/evaluationRuns/{evaluation_run}`.
            timeout: Seconds that one attempt may take. Default: that of the client.
        """
        return await self._transport.call(
            EvaluationRun,
            Call("POST", expand("/v1/{name=projects/*/evaluationRuns/*}:cancel", name=name), body={}),
            timeout,
        )

    async def create(
        self,
        parent: str,
        *,
        candidate_digest: str | None = None,
        reference_digest: str | None = None,
        domains: Sequence[Domain] | None = None,
        task: TaskSpec | None = None,
        labels: Sequence[str] | None = None,
        metric: str | None = None,
        gate: Sequence[GateRule] | None = None,
        seed: int | None = None,
        generation: GenerationSettings | None = None,
        base_digest: str | None = None,
        few_shot: int | None = None,
        suites: Sequence[str] | None = None,
        compute: Compute | None = None,
        judges: Sequence[str] | None = None,
        judge_requirements: JudgeRequirements | None = None,
        human_ratings: HumanRatings | None = None,
        evaluation_run_id: str | None = None,
        request_id: str | None = None,
        timeout: float | None = None,
    ) -> EvaluationRun:
        """Start an evaluation run.

        It opens the sealed test parts, which is logged, and scores the candidate on them. A request that
        contradicts itself is refused (`BAD_EVALUATION`); the error names the field. Refused too: a task that
        is not supported yet (`TASK_NOT_SUPPORTED`), one that differs from `labels` (`BAD_TASK`), and a rule
        on the metric of a judge whose agreement with people is not known or too low (`JUDGE_NOT_TRUSTED`).

        Args:
            parent: Resource name of the project: `projects/{project}`.
            candidate_digest: Digest of the model artifact to evaluate. Required.
            reference_digest: Digest of the model artifact in production. Empty: there is none.
            domains: Domains to score. At least one is required; their names must be unique.
            task: What the model is for. A request may give `labels` instead.
            labels: The same as `task.classify.labels`. A task `classify` needs at least two; empty or
                repeated labels are refused.
            metric: Metric that decides between versions: rules that name no metric compare it. Default: that
                of the kind of task, `macro_f1`, `rouge_l` or `mae`.
            gate: Rules of the gate. A rule of an unknown domain is refused. The candidate passes if all rules
                hold; a gate without rules does not pass.
            seed: Seed of the resampling that computes the confidence intervals.
            generation: How answers are generated. Only with a task `generate`.
            base_digest: Digest of the base model of the candidate, for the baselines `zero_shot` and
                `few_shot`. Only with a task `generate`. Empty: these baselines are not scored.
            few_shot: Number of records of the training part that the baseline `few_shot` shows before each
                prompt, at most 16. Not set: 3. 0: the baseline is not scored.
            suites: Suites to apply in addition to the domains: `projects/{project}/suites/{suite}` of the
                same project. The run keeps each suite as it was when the run was created.
            compute: Device and number format in which the models answer. CUDA without an NVIDIA GPU
                (`ACCELERATOR_UNAVAILABLE`), other accelerators and more than one device
                (`COMPUTE_NOT_SUPPORTED`) are refused. Default: CPU, 32-bit floating point.
            judges: Judges of the answers, at most one of each kind: `projects/{project}/judges/{judge}` of
                the same project, in the state SUCCEEDED. Only with a task `generate`. A judge PAIRWISE needs
                a reference. It measures `judge_win_rate` and `judge_consistency`, a judge RUBRIC
                `rubric_score`.
            judge_requirements: What must be known of a judge before a rule names one of its metrics; else the
                run is refused (`JUDGE_NOT_TRUSTED`). Not set: the defaults.
            human_ratings: Human ratings to take in. Only with a task `generate`. Not set: none.
            evaluation_run_id: Last segment of the resource name: 1 to 63 characters of `a-z`, `0-9`, `-` and
                `.`; the first and the last one are a letter or a digit. Empty: the server generates a UUIDv7.
            request_id: Makes a retry safe: the identical request with the same ID returns the resource that
                it created first. A different request with the same ID is refused. At most 256 characters.
            timeout: Seconds that one attempt may take. Default: that of the client.
        """
        return await self._transport.call(
            EvaluationRun,
            Call(
                "POST",
                expand("/v1/{parent=projects/*}/evaluationRuns", parent=parent),
                query=present(
                    {"evaluationRunId": evaluation_run_id, "requestId": request_id or new_request_id()}
                ),
                body=present(
                    {
                        "candidateDigest": candidate_digest,
                        "referenceDigest": reference_digest,
                        "domains": domains,
                        "task": task,
                        "labels": labels,
                        "metric": metric,
                        "gate": gate,
                        "seed": seed,
                        "generation": generation,
                        "baseDigest": base_digest,
                        "fewShot": few_shot,
                        "suites": suites,
                        "compute": compute,
                        "judges": judges,
                        "judgeRequirements": judge_requirements,
                        "humanRatings": human_ratings,
                    }
                ),
                repeatable=True,
            ),
            timeout,
        )

    async def delete(
        self, name: str, *, allow_missing: bool | None = None, timeout: float | None = None
    ) -> None:
        """Delete an evaluation run that failed or was cancelled.

        Refused while it is in progress, and when it succeeded, because it is the evidence of a gate
        (`IN_USE`).

        Args:
            name: Resource name of the evaluation run: `projects/{project}/evaluationRuns/{evaluation_run}`.
            allow_missing: If true, the deletion of an evaluation run that does not exist succeeds, so that a
                retry does.
            timeout: Seconds that one attempt may take. Default: that of the client.
        """
        await self._transport.send(
            Call(
                "DELETE",
                expand("/v1/{name=projects/*/evaluationRuns/*}", name=name),
                query=present({"allowMissing": allow_missing}),
            ),
            timeout,
        )

    async def get(self, name: str, *, timeout: float | None = None) -> EvaluationRun:
        """Return one evaluation run.

        Args:
            name: Resource name of the evaluation run: `projects/{project}/evaluationRuns/{evaluation_run}`.
            timeout: Seconds that one attempt may take. Default: that of the client.
        """
        return await self._transport.call(
            EvaluationRun, Call("GET", expand("/v1/{name=projects/*/evaluationRuns/*}", name=name)), timeout
        )

    def list(
        self,
        parent: str,
        *,
        page_size: int | None = None,
        page_token: str | None = None,
        order_by: str | None = None,
        timeout: float | None = None,
    ) -> AsyncPaginator[EvaluationRun]:
        """List the evaluation runs of a project, oldest first.

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
            EvaluationRun,
            "evaluationRuns",
            Call(
                "GET",
                expand("/v1/{parent=projects/*}/evaluationRuns", parent=parent),
                query=present({"pageSize": page_size, "pageToken": page_token, "orderBy": order_by}),
            ),
            timeout,
        )

    async def plan(
        self,
        parent: str,
        *,
        record_count: int | None = None,
        model_count: int | None = None,
        max_answer_tokens: int | None = None,
        seconds_per_answer: float | None = None,
        compute: Compute | None = None,
        candidate_digest: str | None = None,
        timeout: float | None = None,
    ) -> EvaluationPlan:
        """Compute time, memory and cost of an evaluation without starting it, from what earlier runs of the
        project took.

        Refused without a run that succeeded on this device (`NO_MEASURED_RATE`), unless `seconds_per_answer`
        is stated.

        Args:
            parent: Resource name of the project: `projects/{project}`.
            record_count: Number of records that each model answers, at most 10,000,000. 0: those of the
                newest run that succeeded.
            model_count: Number of models that answer: 2 with a reference, at most 16. 0: 1.
            max_answer_tokens: Maximum number of tokens of an answer, at most 1,000,000. Measured times are
                scaled by it. 0: as in earlier runs.
            seconds_per_answer: Seconds of an answer. 0: measured by earlier runs.
            compute: Device and number format of the models. Default: CPU, 32-bit floating point.
            candidate_digest: Digest of the model artifact to evaluate, for the memory of its weights. Empty:
                memory is not planned.
            timeout: Seconds that one attempt may take. Default: that of the client.
        """
        return await self._transport.call(
            EvaluationPlan,
            Call(
                "POST",
                expand("/v1/{parent=projects/*}/evaluationRuns:plan", parent=parent),
                body=present(
                    {
                        "recordCount": record_count,
                        "modelCount": model_count,
                        "maxAnswerTokens": max_answer_tokens,
                        "secondsPerAnswer": seconds_per_answer,
                        "compute": compute,
                        "candidateDigest": candidate_digest,
                    }
                ),
            ),
            timeout,
        )

    async def request_ratings(
        self,
        name: str,
        *,
        domain: str | None = None,
        work: RequestRatingsRequestWork | None = None,
        max_record_count: int | None = None,
        overlap: int | None = None,
        scales: Sequence[str] | None = None,
        timeout: float | None = None,
    ) -> RequestRatingsResponse:
        """Create labeling tasks in which people compare or rate answers of a run.

        They are about a random sample of a test part, and the two answers of a pair are in random order. The
        reading is logged at the split. Repeating a call creates no further tasks. Refused until the run has
        succeeded (`NOT_EVALUATED`), and for a domain or work that it does not have (`BAD_EVALUATION`).

        Args:
            name: Resource name of the evaluation run: `projects/{project}/evaluationRuns/{evaluation_run}`.
            domain: Name of the domain. Required.
            work: What people do. Required.
            max_record_count: Maximum number of records, 1 to 1,000. 0: 100.
            overlap: Number of people for each task, 1 to 20. 0: 1.
            scales: Scales of ratings. Empty: those of labeling, `fluency`, `relevance` and `factuality`.
            timeout: Seconds that one attempt may take. Default: that of the client.
        """
        return await self._transport.call(
            RequestRatingsResponse,
            Call(
                "POST",
                expand("/v1/{name=projects/*/evaluationRuns/*}:requestRatings", name=name),
                body=present(
                    {
                        "domain": domain,
                        "work": work,
                        "maxRecordCount": max_record_count,
                        "overlap": overlap,
                        "scales": scales,
                    }
                ),
            ),
            timeout,
        )

    def watch(self, name: str, *, revision: int | None = None) -> AsyncWatch[EvaluationRun]:
        """Stream an evaluation run: its current state, then each change.

        States between two reads may be skipped. The stream ends after a final state.

        Args:
            name: Resource name of the evaluation run: `projects/{project}/evaluationRuns/{evaluation_run}`.
            revision: Send only states with a higher revision, for example than the last one that was
                received; no revision is too old. 0: start with the current state.
        """
        return self._transport.watch(
            EvaluationRun,
            Call(
                "GET",
                expand("/v1/{name=projects/*/evaluationRuns/*}:watch", name=name),
                query=present({"revision": revision}),
            ),
        )

    async def wait(
        self,
        name: str,
        *,
        timeout: float | None = None,
        on_state: Callable[[EvaluationRun], object] | None = None,
    ) -> EvaluationRun:
        """Wait for the final state, and return it.

        OperationFailedError if there is no result (failed, cancelled, refused, rolled back);
        OperationTimeoutError after `timeout`.

        Args:
            name: Resource name of the evaluation run: `projects/{project}/evaluationRuns/{evaluation_run}`.
            timeout: Seconds to wait. Default: no limit.
            on_state: Called with each state, the final one included.
        """
        return await self._transport.wait(
            EvaluationRun,
            Call("GET", expand("/v1/{name=projects/*/evaluationRuns/*}:watch", name=name)),
            timeout,
            on_state,
        )


class JudgesResource:
    """Language model that judges answers: by an OpenAI-compatible endpoint, or a model artifact of the
    platform.

    Its creation compares it with the human ratings of the project; it cannot be changed.
    """

    def __init__(self, transport: SyncTransport) -> None:
        self._transport = transport

    def cancel(self, name: str, *, timeout: float | None = None) -> Judge:
        """Request the cancellation of a judge. A judge that has ended is returned unchanged.

        Args:
            name: Resource name of the judge: `projects/{project}/judges/{judge}`.
            timeout: Seconds that one attempt may take. Default: that of the client.
        """
        return self._transport.call(
            Judge, Call("POST", expand("/v1/{name=projects/*/judges/*}:cancel", name=name), body={}), timeout
        )

    def create(
        self,
        parent: str,
        *,
        kind: JudgeKind | None = None,
        base_url: str | None = None,
        model: str | None = None,
        model_digest: str | None = None,
        criteria: str | None = None,
        max_tokens: int | None = None,
        max_record_count: int | None = None,
        judge_id: str | None = None,
        request_id: str | None = None,
        timeout: float | None = None,
    ) -> Judge:
        """Create a judge.

        It judges the pairs or answers that people compared or rated, at most 500, the newest first, and keeps
        its agreement with them. A judge that contradicts itself is refused (`BAD_JUDGE`), and so is an
        endpoint that the operator has not listed (`JUDGE_ENDPOINT_NOT_ALLOWED`).

        Args:
            parent: Resource name of the project: `projects/{project}`.
            kind: How the judge judges. Required.
            base_url: Base URL of an OpenAI-compatible endpoint, such as `https://judge.example/v1`. The
                platform appends `/chat/completions`. A judge is sent texts of sealed test parts, so the
                operator must have listed the URL in `RATOON_EVALUATION_JUDGE_ENDPOINTS`, which also names the
                variable of its API key. Empty: `model_digest` is set.
            model: Name of the model at the endpoint. Required with `base_url`.
            model_digest: Digest of a model artifact that judges in place of an endpoint, by transformers on
                the CPU.
            criteria: What makes an answer good, 1 to 4,000 characters. Default: helpful, correct and clear.
            max_tokens: Tokens of a reply at most, 1 to 8,192. 0: 512.
            max_record_count: Number of records of each test part that a run asks the judge about at most, 1
                to 10,000: a random sample, the same for all runs. 0: 500.
            judge_id: Last segment of the resource name: 1 to 63 characters of `a-z`, `0-9`, `-` and `.`; the
                first and the last one are a letter or a digit. Empty: the server generates a UUIDv7.
            request_id: Makes a retry safe: the identical request with the same ID returns the resource that
                it created first. A different request with the same ID is refused. At most 256 characters.
            timeout: Seconds that one attempt may take. Default: that of the client.
        """
        return self._transport.call(
            Judge,
            Call(
                "POST",
                expand("/v1/{parent=projects/*}/judges", parent=parent),
                query=present({"judgeId": judge_id, "requestId": request_id or new_request_id()}),
                body=present(
                    {
                        "kind": kind,
                        "baseUrl": base_url,
                        "model": model,
                        "modelDigest": model_digest,
                        "criteria": criteria,
                        "maxTokens": max_tokens,
                        "maxRecordCount": max_record_count,
                    }
                ),
                repeatable=True,
            ),
            timeout,
        )

    def delete(self, name: str, *, allow_missing: bool | None = None, timeout: float | None = None) -> None:
        """Delete a judge.

        Existing evaluation runs keep its results. Refused while it is in progress (`IN_USE`).

        Args:
            name: Resource name of the judge: `projects/{project}/judges/{judge}`.
            allow_missing: If true, the deletion of a judge that does not exist succeeds, so that a retry
                does.
            timeout: Seconds that one attempt may take. Default: that of the client.
        """
        self._transport.send(
            Call(
                "DELETE",
                expand("/v1/{name=projects/*/judges/*}", name=name),
                query=present({"allowMissing": allow_missing}),
            ),
            timeout,
        )

    def get(self, name: str, *, timeout: float | None = None) -> Judge:
        """Return one judge.

        Args:
            name: Resource name of the judge: `projects/{project}/judges/{judge}`.
            timeout: Seconds that one attempt may take. Default: that of the client.
        """
        return self._transport.call(
            Judge, Call("GET", expand("/v1/{name=projects/*/judges/*}", name=name)), timeout
        )

    def list(
        self,
        parent: str,
        *,
        page_size: int | None = None,
        page_token: str | None = None,
        order_by: str | None = None,
        timeout: float | None = None,
    ) -> SyncPage[Judge]:
        """List the judges of a project, oldest first.

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
            Judge,
            "judges",
            Call(
                "GET",
                expand("/v1/{parent=projects/*}/judges", parent=parent),
                query=present({"pageSize": page_size, "pageToken": page_token, "orderBy": order_by}),
            ),
            timeout,
        )

    def watch(self, name: str, *, revision: int | None = None) -> SyncWatch[Judge]:
        """Stream a judge: its current state, then each change.

        States between two reads may be skipped. The stream ends after a final state.

        Args:
            name: Resource name of the judge: `projects/{project}/judges/{judge}`.
            revision: Send only states with a higher revision, for example than the last one that was
                received; no revision is too old. 0: start with the current state.
        """
        return self._transport.watch(
            Judge,
            Call(
                "GET",
                expand("/v1/{name=projects/*/judges/*}:watch", name=name),
                query=present({"revision": revision}),
            ),
        )

    def wait(
        self, name: str, *, timeout: float | None = None, on_state: Callable[[Judge], object] | None = None
    ) -> Judge:
        """Wait for the final state, and return it.

        OperationFailedError if there is no result (failed, cancelled, refused, rolled back);
        OperationTimeoutError after `timeout`.

        Args:
            name: Resource name of the judge: `projects/{project}/judges/{judge}`.
            timeout: Seconds to wait. Default: no limit.
            on_state: Called with each state, the final one included.
        """
        return self._transport.wait(
            Judge, Call("GET", expand("/v1/{name=projects/*/judges/*}:watch", name=name)), timeout, on_state
        )


class AsyncJudgesResource:
    """Language model that judges answers: by an OpenAI-compatible endpoint, or a model artifact of the
    platform.

    Its creation compares it with the human ratings of the project; it cannot be changed.
    """

    def __init__(self, transport: AsyncTransport) -> None:
        self._transport = transport

    async def cancel(self, name: str, *, timeout: float | None = None) -> Judge:
        """Request the cancellation of a judge. A judge that has ended is returned unchanged.

        Args:
            name: Resource name of the judge: `projects/{project}/judges/{judge}`.
            timeout: Seconds that one attempt may take. Default: that of the client.
        """
        return await self._transport.call(
            Judge, Call("POST", expand("/v1/{name=projects/*/judges/*}:cancel", name=name), body={}), timeout
        )

    async def create(
        self,
        parent: str,
        *,
        kind: JudgeKind | None = None,
        base_url: str | None = None,
        model: str | None = None,
        model_digest: str | None = None,
        criteria: str | None = None,
        max_tokens: int | None = None,
        max_record_count: int | None = None,
        judge_id: str | None = None,
        request_id: str | None = None,
        timeout: float | None = None,
    ) -> Judge:
        """Create a judge.

        It judges the pairs or answers that people compared or rated, at most 500, the newest first, and keeps
        its agreement with them. A judge that contradicts itself is refused (`BAD_JUDGE`), and so is an
        endpoint that the operator has not listed (`JUDGE_ENDPOINT_NOT_ALLOWED`).

        Args:
            parent: Resource name of the project: `projects/{project}`.
            kind: How the judge judges. Required.
            base_url: Base URL of an OpenAI-compatible endpoint, such as `https://judge.example/v1`. The
                platform appends `/chat/completions`. A judge is sent texts of sealed test parts, so the
                operator must have listed the URL in `RATOON_EVALUATION_JUDGE_ENDPOINTS`, which also names the
                variable of its API key. Empty: `model_digest` is set.
            model: Name of the model at the endpoint. Required with `base_url`.
            model_digest: Digest of a model artifact that judges in place of an endpoint, by transformers on
                the CPU.
            criteria: What makes an answer good, 1 to 4,000 characters. Default: helpful, correct and clear.
            max_tokens: Tokens of a reply at most, 1 to 8,192. 0: 512.
            max_record_count: Number of records of each test part that a run asks the judge about at most, 1
                to 10,000: a random sample, the same for all runs. 0: 500.
            judge_id: Last segment of the resource name: 1 to 63 characters of `a-z`, `0-9`, `-` and `.`; the
                first and the last one are a letter or a digit. Empty: the server generates a UUIDv7.
            request_id: Makes a retry safe: the identical request with the same ID returns the resource that
                it created first. A different request with the same ID is refused. At most 256 characters.
            timeout: Seconds that one attempt may take. Default: that of the client.
        """
        return await self._transport.call(
            Judge,
            Call(
                "POST",
                expand("/v1/{parent=projects/*}/judges", parent=parent),
                query=present({"judgeId": judge_id, "requestId": request_id or new_request_id()}),
                body=present(
                    {
                        "kind": kind,
                        "baseUrl": base_url,
                        "model": model,
                        "modelDigest": model_digest,
                        "criteria": criteria,
                        "maxTokens": max_tokens,
                        "maxRecordCount": max_record_count,
                    }
                ),
                repeatable=True,
            ),
            timeout,
        )

    async def delete(
        self, name: str, *, allow_missing: bool | None = None, timeout: float | None = None
    ) -> None:
        """Delete a judge.

        Existing evaluation runs keep its results. Refused while it is in progress (`IN_USE`).

        Args:
            name: Resource name of the judge: `projects/{project}/judges/{judge}`.
            allow_missing: If true, the deletion of a judge that does not exist succeeds, so that a retry
                does.
            timeout: Seconds that one attempt may take. Default: that of the client.
        """
        await self._transport.send(
            Call(
                "DELETE",
                expand("/v1/{name=projects/*/judges/*}", name=name),
                query=present({"allowMissing": allow_missing}),
            ),
            timeout,
        )

    async def get(self, name: str, *, timeout: float | None = None) -> Judge:
        """Return one judge.

        Args:
            name: Resource name of the judge: `projects/{project}/judges/{judge}`.
            timeout: Seconds that one attempt may take. Default: that of the client.
        """
        return await self._transport.call(
            Judge, Call("GET", expand("/v1/{name=projects/*/judges/*}", name=name)), timeout
        )

    def list(
        self,
        parent: str,
        *,
        page_size: int | None = None,
        page_token: str | None = None,
        order_by: str | None = None,
        timeout: float | None = None,
    ) -> AsyncPaginator[Judge]:
        """List the judges of a project, oldest first.

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
            Judge,
            "judges",
            Call(
                "GET",
                expand("/v1/{parent=projects/*}/judges", parent=parent),
                query=present({"pageSize": page_size, "pageToken": page_token, "orderBy": order_by}),
            ),
            timeout,
        )

    def watch(self, name: str, *, revision: int | None = None) -> AsyncWatch[Judge]:
        """Stream a judge: its current state, then each change.

        States between two reads may be skipped. The stream ends after a final state.

        Args:
            name: Resource name of the judge: `projects/{project}/judges/{judge}`.
            revision: Send only states with a higher revision, for example than the last one that was
                received; no revision is too old. 0: start with the current state.
        """
        return self._transport.watch(
            Judge,
            Call(
                "GET",
                expand("/v1/{name=projects/*/judges/*}:watch", name=name),
                query=present({"revision": revision}),
            ),
        )

    async def wait(
        self, name: str, *, timeout: float | None = None, on_state: Callable[[Judge], object] | None = None
    ) -> Judge:
        """Wait for the final state, and return it.

        OperationFailedError if there is no result (failed, cancelled, refused, rolled back);
        OperationTimeoutError after `timeout`.

        Args:
            name: Resource name of the judge: `projects/{project}/judges/{judge}`.
            timeout: Seconds to wait. Default: no limit.
            on_state: Called with each state, the final one included.
        """
        return await self._transport.wait(
            Judge, Call("GET", expand("/v1/{name=projects/*/judges/*}:watch", name=name)), timeout, on_state
        )


class SuitesResource:
    """Named list of tests that evaluation runs apply to models in addition to the test parts of their
    domains.

    A run uses the suite as it was when the run was created.
    """

    def __init__(self, transport: SyncTransport) -> None:
        self._transport = transport

    def create(
        self,
        parent: str,
        *,
        description: str | None = None,
        tests: Sequence[SuiteTest] | None = None,
        suite_id: str | None = None,
        request_id: str | None = None,
        timeout: float | None = None,
    ) -> Suite:
        """Create a suite of tests.

        A suite that contradicts itself, and a task of lm-evaluation-harness that is not supported, are
        refused (`BAD_SUITE`); the error names the field.

        Args:
            parent: Resource name of the project: `projects/{project}`.
            description: Purpose of the suite, at most 1,000 characters.
            tests: Tests, 1 to 100, each with its own name.
            suite_id: Last segment of the resource name: 1 to 63 characters of `a-z`, `0-9`, `-` and `.`; the
                first and the last one are a letter or a digit. Empty: the server generates a UUIDv7.
            request_id: Makes a retry safe: the identical request with the same ID returns the resource that
                it created first. A different request with the same ID is refused. At most 256 characters.
            timeout: Seconds that one attempt may take. Default: that of the client.
        """
        return self._transport.call(
            Suite,
            Call(
                "POST",
                expand("/v1/{parent=projects/*}/suites", parent=parent),
                query=present({"suiteId": suite_id, "requestId": request_id or new_request_id()}),
                body=present({"description": description, "tests": tests}),
                repeatable=True,
            ),
            timeout,
        )

    def delete(self, name: str, *, etag: str | None = None, timeout: float | None = None) -> None:
        """Delete a suite. Existing evaluation runs keep its tests and results.

        Args:
            name: Resource name of the suite: `projects/{project}/suites/{suite}`.
            etag: `etag` that was read with the resource. A stale value is refused; an empty value is not
                checked.
            timeout: Seconds that one attempt may take. Default: that of the client.
        """
        self._transport.send(
            Call(
                "DELETE", expand("/v1/{name=projects/*/suites/*}", name=name), query=present({"etag": etag})
            ),
            timeout,
        )

    def get(self, name: str, *, timeout: float | None = None) -> Suite:
        """Return one suite.

        Args:
            name: Resource name of the suite: `projects/{project}/suites/{suite}`.
            timeout: Seconds that one attempt may take. Default: that of the client.
        """
        return self._transport.call(
            Suite, Call("GET", expand("/v1/{name=projects/*/suites/*}", name=name)), timeout
        )

    def list(
        self,
        parent: str,
        *,
        page_size: int | None = None,
        page_token: str | None = None,
        order_by: str | None = None,
        timeout: float | None = None,
    ) -> SyncPage[Suite]:
        """List the suites of a project, oldest first.

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
            Suite,
            "suites",
            Call(
                "GET",
                expand("/v1/{parent=projects/*}/suites", parent=parent),
                query=present({"pageSize": page_size, "pageToken": page_token, "orderBy": order_by}),
            ),
            timeout,
        )

    def update(
        self,
        name: str,
        *,
        description: str | Omit = omit,
        tests: Sequence[SuiteTest] | Omit = omit,
        etag: str | Omit = omit,
        timeout: float | None = None,
    ) -> Suite:
        """Update a suite.

        Existing evaluation runs keep the tests with which they were created. Refusals of `CreateSuite` apply.

        Args:
            name: Resource name: `projects/{project}/suites/{suite}`.
            description: Purpose of the suite, at most 1,000 characters.
            tests: Tests, 1 to 100, each with its own name.
            etag: Version tag of the changeable fields. Send it with an update or a delete: a stale value is
                refused.
            timeout: Seconds that one attempt may take. Default: that of the client.
        """
        return self._transport.call(
            Suite,
            Call(
                "PATCH",
                expand("/v1/{name=projects/*/suites/*}", name=name),
                body=changes({"description": description, "tests": tests, "etag": etag}),
            ),
            timeout,
        )


class AsyncSuitesResource:
    """Named list of tests that evaluation runs apply to models in addition to the test parts of their
    domains.

    A run uses the suite as it was when the run was created.
    """

    def __init__(self, transport: AsyncTransport) -> None:
        self._transport = transport

    async def create(
        self,
        parent: str,
        *,
        description: str | None = None,
        tests: Sequence[SuiteTest] | None = None,
        suite_id: str | None = None,
        request_id: str | None = None,
        timeout: float | None = None,
    ) -> Suite:
        """Create a suite of tests.

        A suite that contradicts itself, and a task of lm-evaluation-harness that is not supported, are
        refused (`BAD_SUITE`); the error names the field.

        Args:
            parent: Resource name of the project: `projects/{project}`.
            description: Purpose of the suite, at most 1,000 characters.
            tests: Tests, 1 to 100, each with its own name.
            suite_id: Last segment of the resource name: 1 to 63 characters of `a-z`, `0-9`, `-` and `.`; the
                first and the last one are a letter or a digit. Empty: the server generates a UUIDv7.
            request_id: Makes a retry safe: the identical request with the same ID returns the resource that
                it created first. A different request with the same ID is refused. At most 256 characters.
            timeout: Seconds that one attempt may take. Default: that of the client.
        """
        return await self._transport.call(
            Suite,
            Call(
                "POST",
                expand("/v1/{parent=projects/*}/suites", parent=parent),
                query=present({"suiteId": suite_id, "requestId": request_id or new_request_id()}),
                body=present({"description": description, "tests": tests}),
                repeatable=True,
            ),
            timeout,
        )

    async def delete(self, name: str, *, etag: str | None = None, timeout: float | None = None) -> None:
        """Delete a suite. Existing evaluation runs keep its tests and results.

        Args:
            name: Resource name of the suite: `projects/{project}/suites/{suite}`.
            etag: `etag` that was read with the resource. A stale value is refused; an empty value is not
                checked.
            timeout: Seconds that one attempt may take. Default: that of the client.
        """
        await self._transport.send(
            Call(
                "DELETE", expand("/v1/{name=projects/*/suites/*}", name=name), query=present({"etag": etag})
            ),
            timeout,
        )

    async def get(self, name: str, *, timeout: float | None = None) -> Suite:
        """Return one suite.

        Args:
            name: Resource name of the suite: `projects/{project}/suites/{suite}`.
            timeout: Seconds that one attempt may take. Default: that of the client.
        """
        return await self._transport.call(
            Suite, Call("GET", expand("/v1/{name=projects/*/suites/*}", name=name)), timeout
        )

    def list(
        self,
        parent: str,
        *,
        page_size: int | None = None,
        page_token: str | None = None,
        order_by: str | None = None,
        timeout: float | None = None,
    ) -> AsyncPaginator[Suite]:
        """List the suites of a project, oldest first.

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
            Suite,
            "suites",
            Call(
                "GET",
                expand("/v1/{parent=projects/*}/suites", parent=parent),
                query=present({"pageSize": page_size, "pageToken": page_token, "orderBy": order_by}),
            ),
            timeout,
        )

    async def update(
        self,
        name: str,
        *,
        description: str | Omit = omit,
        tests: Sequence[SuiteTest] | Omit = omit,
        etag: str | Omit = omit,
        timeout: float | None = None,
    ) -> Suite:
        """Update a suite.

        Existing evaluation runs keep the tests with which they were created. Refusals of `CreateSuite` apply.

        Args:
            name: Resource name: `projects/{project}/suites/{suite}`.
            description: Purpose of the suite, at most 1,000 characters.
            tests: Tests, 1 to 100, each with its own name.
            etag: Version tag of the changeable fields. Send it with an update or a delete: a stale value is
                refused.
            timeout: Seconds that one attempt may take. Default: that of the client.
        """
        return await self._transport.call(
            Suite,
            Call(
                "PATCH",
                expand("/v1/{name=projects/*/suites/*}", name=name),
                body=changes({"description": description, "tests": tests, "etag": etag}),
            ),
            timeout,
        )
