# Generated from protos/ by scripts/client.py; `make proto` writes it again.
"""Resources of flywheel."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime

from ratoon.client._generated.common_types import Metric, ShadowAnalysis, TaskSpec
from ratoon.client._generated.flywheel_types import (
    Comparison,
    DriftReport,
    ExportFeedbackRequestForm,
    ExportFeedbackResponse,
    ExternalEvent,
    Feedback,
    FeedbackConsent,
    FeedbackImplicit,
    PipelineRun,
    Policy,
    PolicyEventFilter,
    Project,
    ProjectBudget,
    ProjectCompression,
    ProjectCurationStep,
    ProjectDataRequirements,
    ProjectExport,
    ProjectGate,
    ProjectHumanRatings,
    ProjectJudgeRequirements,
    ProjectLabelQueue,
    ProjectMetricGate,
    ProjectRolloutDefaults,
    ProjectSplitDefaults,
    ProjectStageCompute,
    ProjectTrainingDefaults,
    ProjectTuningDefaults,
    TrafficSegment,
)
from ratoon.client._models import changes, present
from ratoon.client._omit import Omit, omit
from ratoon.client._pagination import AsyncPaginator, SyncPage
from ratoon.client._paths import expand
from ratoon.client._transport import AsyncTransport, Call, SyncTransport, new_request_id
from ratoon.client._watch import AsyncWatch, SyncWatch


class DriftReportsResource:
    """Divergence of a window of traffic from the training data, and from the traffic at the promotion of
    the version.
    """

    def __init__(self, transport: SyncTransport) -> None:
        self._transport = transport

    def delete(self, name: str, *, allow_missing: bool | None = None, timeout: float | None = None) -> None:
        """Delete a drift report. The captured traffic that it measured is kept.

        Args:
            name: Resource name of the drift report: `projects/{project}/driftReports/{drift_report}`.
            allow_missing: If true, the deletion of a drift report that does not exist succeeds, so that a
                retry does.
            timeout: Seconds that one attempt may take. Default: that of the client.
        """
        self._transport.send(
            Call(
                "DELETE",
                expand("/v1/{name=projects/*/driftReports/*}", name=name),
                query=present({"allowMissing": allow_missing}),
            ),
            timeout,
        )

    def get(self, name: str, *, timeout: float | None = None) -> DriftReport:
        """Return one drift report.

        Args:
            name: Resource name of the drift report: `projects/{project}/driftReports/{drift_report}`.
            timeout: Seconds that one attempt may take. Default: that of the client.
        """
        return self._transport.call(
            DriftReport, Call("GET", expand("/v1/{name=projects/*/driftReports/*}", name=name)), timeout
        )

    def list(
        self,
        parent: str,
        *,
        page_size: int | None = None,
        page_token: str | None = None,
        order_by: str | None = None,
        timeout: float | None = None,
    ) -> SyncPage[DriftReport]:
        """List the drift reports of a project, oldest first.

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
            DriftReport,
            "driftReports",
            Call(
                "GET",
                expand("/v1/{parent=projects/*}/driftReports", parent=parent),
                query=present({"pageSize": page_size, "pageToken": page_token, "orderBy": order_by}),
            ),
            timeout,
        )


class AsyncDriftReportsResource:
    """Divergence of a window of traffic from the training data, and from the traffic at the promotion of
    the version.
    """

    def __init__(self, transport: AsyncTransport) -> None:
        self._transport = transport

    async def delete(
        self, name: str, *, allow_missing: bool | None = None, timeout: float | None = None
    ) -> None:
        """Delete a drift report. The captured traffic that it measured is kept.

        Args:
            name: Resource name of the drift report: `projects/{project}/driftReports/{drift_report}`.
            allow_missing: If true, the deletion of a drift report that does not exist succeeds, so that a
                retry does.
            timeout: Seconds that one attempt may take. Default: that of the client.
        """
        await self._transport.send(
            Call(
                "DELETE",
                expand("/v1/{name=projects/*/driftReports/*}", name=name),
                query=present({"allowMissing": allow_missing}),
            ),
            timeout,
        )

    async def get(self, name: str, *, timeout: float | None = None) -> DriftReport:
        """Return one drift report.

        Args:
            name: Resource name of the drift report: `projects/{project}/driftReports/{drift_report}`.
            timeout: Seconds that one attempt may take. Default: that of the client.
        """
        return await self._transport.call(
            DriftReport, Call("GET", expand("/v1/{name=projects/*/driftReports/*}", name=name)), timeout
        )

    def list(
        self,
        parent: str,
        *,
        page_size: int | None = None,
        page_token: str | None = None,
        order_by: str | None = None,
        timeout: float | None = None,
    ) -> AsyncPaginator[DriftReport]:
        """List the drift reports of a project, oldest first.

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
            DriftReport,
            "driftReports",
            Call(
                "GET",
                expand("/v1/{parent=projects/*}/driftReports", parent=parent),
                query=present({"pageSize": page_size, "pageToken": page_token, "orderBy": order_by}),
            ),
            timeout,
        )


class ExternalEventsResource:
    """Event of another system, as a CloudEvent 1.0 without its data.

    It starts a run of a policy whose `event_filters` match it, once by `source` and `event_id`. It waits
    while another run is in progress, and for the cool-down, the budget and the data of the policy, at
    most 7 days. One run takes all events that wait for its policy.
    """

    def __init__(self, transport: SyncTransport) -> None:
        self._transport = transport

    def create(
        self,
        parent: str,
        *,
        event_id: str | None = None,
        source: str | None = None,
        type: str | None = None,
        subject: str | None = None,
        event_time: datetime | None = None,
        request_id: str | None = None,
        timeout: float | None = None,
    ) -> ExternalEvent:
        """Report an event of another system to the policies of a project.

        It is durable when the call returns. An event with a known `source` and `event_id` is returned as it
        is stored, and refused if it differs (`EVENT_ID_REUSED`). Refused, too: an invalid event
        (`BAD_EVENT`), one that no policy of the project expects (`EVENT_NOT_EXPECTED`), and one for whose
        policies 100 events wait already (`TOO_MANY_EVENTS`).

        Args:
            parent: Resource name of the project: `projects/{project}`.
            event_id: `id` of the CloudEvent, at most 256 characters. Required.
            source: `source` of the CloudEvent, a URI reference of at most 512 characters. Required.
            type: `type` of the CloudEvent, at most 256 characters. Required.
            subject: `subject` of the CloudEvent, at most 512 characters. Empty: none. The resource name of an
                ingestion source of the project: the run that takes the event builds from it.
            event_time: `time` of the CloudEvent. Not set: it has none.
            request_id: Makes a retry safe: the identical request with the same ID returns the resource that
                it created first. A different request with the same ID is refused. At most 256 characters.
                `source` and `event_id` make a retry safe, too.
            timeout: Seconds that one attempt may take. Default: that of the client.
        """
        return self._transport.call(
            ExternalEvent,
            Call(
                "POST",
                expand("/v1/{parent=projects/*}/externalEvents", parent=parent),
                query=present({"requestId": request_id or new_request_id()}),
                body=present(
                    {
                        "eventId": event_id,
                        "source": source,
                        "type": type,
                        "subject": subject,
                        "eventTime": event_time,
                    }
                ),
                repeatable=True,
            ),
            timeout,
        )

    def get(self, name: str, *, timeout: float | None = None) -> ExternalEvent:
        """Return one external event.

        Args:
            name: Resource name of the external event: `projects/{project}/externalEvents/{external_event}`.
            timeout: Seconds that one attempt may take. Default: that of the client.
        """
        return self._transport.call(
            ExternalEvent, Call("GET", expand("/v1/{name=projects/*/externalEvents/*}", name=name)), timeout
        )

    def list(
        self,
        parent: str,
        *,
        page_size: int | None = None,
        page_token: str | None = None,
        order_by: str | None = None,
        timeout: float | None = None,
    ) -> SyncPage[ExternalEvent]:
        """List the external events of a project, oldest first.

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
            ExternalEvent,
            "externalEvents",
            Call(
                "GET",
                expand("/v1/{parent=projects/*}/externalEvents", parent=parent),
                query=present({"pageSize": page_size, "pageToken": page_token, "orderBy": order_by}),
            ),
            timeout,
        )


class AsyncExternalEventsResource:
    """Event of another system, as a CloudEvent 1.0 without its data.

    It starts a run of a policy whose `event_filters` match it, once by `source` and `event_id`. It waits
    while another run is in progress, and for the cool-down, the budget and the data of the policy, at
    most 7 days. One run takes all events that wait for its policy.
    """

    def __init__(self, transport: AsyncTransport) -> None:
        self._transport = transport

    async def create(
        self,
        parent: str,
        *,
        event_id: str | None = None,
        source: str | None = None,
        type: str | None = None,
        subject: str | None = None,
        event_time: datetime | None = None,
        request_id: str | None = None,
        timeout: float | None = None,
    ) -> ExternalEvent:
        """Report an event of another system to the policies of a project.

        It is durable when the call returns. An event with a known `source` and `event_id` is returned as it
        is stored, and refused if it differs (`EVENT_ID_REUSED`). Refused, too: an invalid event
        (`BAD_EVENT`), one that no policy of the project expects (`EVENT_NOT_EXPECTED`), and one for whose
        policies 100 events wait already (`TOO_MANY_EVENTS`).

        Args:
            parent: Resource name of the project: `projects/{project}`.
            event_id: `id` of the CloudEvent, at most 256 characters. Required.
            source: `source` of the CloudEvent, a URI reference of at most 512 characters. Required.
            type: `type` of the CloudEvent, at most 256 characters. Required.
            subject: `subject` of the CloudEvent, at most 512 characters. Empty: none. The resource name of an
                ingestion source of the project: the run that takes the event builds from it.
            event_time: `time` of the CloudEvent. Not set: it has none.
            request_id: Makes a retry safe: the identical request with the same ID returns the resource that
                it created first. A different request with the same ID is refused. At most 256 characters.
                `source` and `event_id` make a retry safe, too.
            timeout: Seconds that one attempt may take. Default: that of the client.
        """
        return await self._transport.call(
            ExternalEvent,
            Call(
                "POST",
                expand("/v1/{parent=projects/*}/externalEvents", parent=parent),
                query=present({"requestId": request_id or new_request_id()}),
                body=present(
                    {
                        "eventId": event_id,
                        "source": source,
                        "type": type,
                        "subject": subject,
                        "eventTime": event_time,
                    }
                ),
                repeatable=True,
            ),
            timeout,
        )

    async def get(self, name: str, *, timeout: float | None = None) -> ExternalEvent:
        """Return one external event.

        Args:
            name: Resource name of the external event: `projects/{project}/externalEvents/{external_event}`.
            timeout: Seconds that one attempt may take. Default: that of the client.
        """
        return await self._transport.call(
            ExternalEvent, Call("GET", expand("/v1/{name=projects/*/externalEvents/*}", name=name)), timeout
        )

    def list(
        self,
        parent: str,
        *,
        page_size: int | None = None,
        page_token: str | None = None,
        order_by: str | None = None,
        timeout: float | None = None,
    ) -> AsyncPaginator[ExternalEvent]:
        """List the external events of a project, oldest first.

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
            ExternalEvent,
            "externalEvents",
            Call(
                "GET",
                expand("/v1/{parent=projects/*}/externalEvents", parent=parent),
                query=present({"pageSize": page_size, "pageToken": page_token, "orderBy": order_by}),
            ),
            timeout,
        )


class FeedbackResource:
    """Feedback of a user on an answer, on the better one of two answers, or on the answers of a session.

    A correction counts first, then the thumb, then the rating.
    """

    def __init__(self, transport: SyncTransport) -> None:
        self._transport = transport

    def compare(
        self,
        parent: str,
        *,
        version: str | None = None,
        other_version: str | None = None,
        start_time: datetime | None = None,
        end_time: datetime | None = None,
        timeout: float | None = None,
    ) -> Comparison:
        """Compare two model versions by the feedback on their answers in a time range.

        A version of another project is refused (`BAD_FEEDBACK`).

        Args:
            parent: Resource name of the project: `projects/{project}`.
            version: Resource name of the first version:
                `projects/{project}/models/{model}/versions/{version}`.
            other_version: Resource name of the second version. It must belong to the same project.
            start_time: Start of the time range, inclusive. Not set: from the beginning.
            end_time: End of the time range, exclusive. Not set: until now.
            timeout: Seconds that one attempt may take. Default: that of the client.
        """
        return self._transport.call(
            Comparison,
            Call(
                "GET",
                expand("/v1/{parent=projects/*}/feedback:compare", parent=parent),
                query=present(
                    {
                        "version": version,
                        "otherVersion": other_version,
                        "startTime": start_time,
                        "endTime": end_time,
                    }
                ),
            ),
            timeout,
        )

    def create(
        self,
        parent: str,
        *,
        answer_id: str | None = None,
        thumb: int | None = None,
        rating: int | None = None,
        correction: str | None = None,
        comment: str | None = None,
        rejected_answer_id: str | None = None,
        outcomes: Mapping[str, float] | None = None,
        implicit: FeedbackImplicit | None = None,
        consent: FeedbackConsent | None = None,
        session_id: str | None = None,
        user: str | None = None,
        feedback_id: str | None = None,
        request_id: str | None = None,
        timeout: float | None = None,
    ) -> Feedback:
        """Submit feedback on an answer.

        The feedback is durable when the call returns. For several feedbacks on one answer, the latest one
        counts. Refused: empty or invalid feedback (`BAD_FEEDBACK`), an ID that is not one of an answer
        (`BAD_ANSWER_ID`), an answer of another project (`ANSWER_NOT_FOUND`).

        Args:
            parent: Resource name of the project: `projects/{project}`.
            answer_id: `id` of the answer. Required without `session_id`; an unknown ID is refused.
            thumb: Thumb: 1 is up, -1 is down, 0 is none.
            rating: Rating from 1 to 5; 0 is none. 4 and 5 are positive, 1 and 2 are negative, 3 is neutral.
            correction: Right answer, if the user gave it: one of the labels of the project (of several labels
                one a line), a number in range, or the rewritten text or JSON document of at most 65,536
                characters.
            comment: Comment of the user, at most 4,000 characters.
            rejected_answer_id: `id` of another answer to the same prompt, to which the user prefers
                `answer_id`. It says nothing about the other feedback fields: both answers may be good.
            outcomes: Numeric outcomes of the answer by name, for example `resolved: 1`: at most 16 names of 1
                to 64 letters, digits, `_`, `.` and `-`. They may arrive days later and again; the latest
                value of each name counts.
            implicit: Behaviour of the user from which approval or refusal may follow. It is counted and is no
                vote.
            consent: Permitted use of the feedback and of its answer as data. Default: that of the project
                (`default_consent`).
            session_id: Session (`metadata.session_id` of the requests) instead of an answer, at most 256
                characters. A thumb or a rating of a session is a vote on each of its answers up to now that
                has no feedback of its own. It returns as a hash.
            user: User who gives the feedback, at most 256 characters. Default: the `user` of the request. It
                returns as a hash.
            feedback_id: Last segment of the resource name: 1 to 63 characters of `a-z`, `0-9`, `-` and `.`;
                the first and the last one are a letter or a digit. Empty: the server generates a UUIDv7.
            request_id: Makes a retry safe: the identical request with the same ID returns the resource that
                it created first. A different request with the same ID is refused. At most 256 characters.
            timeout: Seconds that one attempt may take. Default: that of the client.
        """
        return self._transport.call(
            Feedback,
            Call(
                "POST",
                expand("/v1/{parent=projects/*}/feedback", parent=parent),
                query=present({"feedbackId": feedback_id, "requestId": request_id or new_request_id()}),
                body=present(
                    {
                        "answerId": answer_id,
                        "thumb": thumb,
                        "rating": rating,
                        "correction": correction,
                        "comment": comment,
                        "rejectedAnswerId": rejected_answer_id,
                        "outcomes": outcomes,
                        "implicit": implicit,
                        "consent": consent,
                        "sessionId": session_id,
                        "user": user,
                    }
                ),
                repeatable=True,
            ),
            timeout,
        )

    def export(
        self,
        parent: str,
        *,
        forms: Sequence[ExportFeedbackRequestForm] | None = None,
        purpose: FeedbackConsent | None = None,
        start_time: datetime | None = None,
        end_time: datetime | None = None,
        timeout: float | None = None,
    ) -> ExportFeedbackResponse:
        """Store what users said about answers as a JSONL blob of records.

        These are rewritten and confirmed answers, preferences, and answers with a thumb. A source is created
        from it, for a dataset version. Feedback that may not be used for the purpose is left out. A purpose
        or a form that does not exist is refused (`BAD_FEEDBACK`).

        Args:
            parent: Resource name of the project: `projects/{project}`.
            forms: Forms to export. Empty: all.
            purpose: Purpose for which the data must be permitted: CONSENT_TRAINING (default) or
                CONSENT_EVALUATION.
            start_time: Start of the time range of the answers, exclusive. Not set: from the beginning.
            end_time: End of the time range of the answers and of their feedback, inclusive. Not set: until
                now.
            timeout: Seconds that one attempt may take. Default: that of the client.
        """
        return self._transport.call(
            ExportFeedbackResponse,
            Call(
                "POST",
                expand("/v1/{parent=projects/*}/feedback:export", parent=parent),
                body=present(
                    {"forms": forms, "purpose": purpose, "startTime": start_time, "endTime": end_time}
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
        order_by: str | None = None,
        timeout: float | None = None,
    ) -> SyncPage[Feedback]:
        """List the feedback of a project, oldest first.

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
            Feedback,
            "feedback",
            Call(
                "GET",
                expand("/v1/{parent=projects/*}/feedback", parent=parent),
                query=present({"pageSize": page_size, "pageToken": page_token, "orderBy": order_by}),
            ),
            timeout,
        )


class AsyncFeedbackResource:
    """Feedback of a user on an answer, on the better one of two answers, or on the answers of a session.

    A correction counts first, then the thumb, then the rating.
    """

    def __init__(self, transport: AsyncTransport) -> None:
        self._transport = transport

    async def compare(
        self,
        parent: str,
        *,
        version: str | None = None,
        other_version: str | None = None,
        start_time: datetime | None = None,
        end_time: datetime | None = None,
        timeout: float | None = None,
    ) -> Comparison:
        """Compare two model versions by the feedback on their answers in a time range.

        A version of another project is refused (`BAD_FEEDBACK`).

        Args:
            parent: Resource name of the project: `projects/{project}`.
            version: Resource name of the first version:
                `projects/{project}/models/{model}/versions/{version}`.
            other_version: Resource name of the second version. It must belong to the same project.
            start_time: Start of the time range, inclusive. Not set: from the beginning.
            end_time: End of the time range, exclusive. Not set: until now.
            timeout: Seconds that one attempt may take. Default: that of the client.
        """
        return await self._transport.call(
            Comparison,
            Call(
                "GET",
                expand("/v1/{parent=projects/*}/feedback:compare", parent=parent),
                query=present(
                    {
                        "version": version,
                        "otherVersion": other_version,
                        "startTime": start_time,
                        "endTime": end_time,
                    }
                ),
            ),
            timeout,
        )

    async def create(
        self,
        parent: str,
        *,
        answer_id: str | None = None,
        thumb: int | None = None,
        rating: int | None = None,
        correction: str | None = None,
        comment: str | None = None,
        rejected_answer_id: str | None = None,
        outcomes: Mapping[str, float] | None = None,
        implicit: FeedbackImplicit | None = None,
        consent: FeedbackConsent | None = None,
        session_id: str | None = None,
        user: str | None = None,
        feedback_id: str | None = None,
        request_id: str | None = None,
        timeout: float | None = None,
    ) -> Feedback:
        """Submit feedback on an answer.

        The feedback is durable when the call returns. For several feedbacks on one answer, the latest one
        counts. Refused: empty or invalid feedback (`BAD_FEEDBACK`), an ID that is not one of an answer
        (`BAD_ANSWER_ID`), an answer of another project (`ANSWER_NOT_FOUND`).

        Args:
            parent: Resource name of the project: `projects/{project}`.
            answer_id: `id` of the answer. Required without `session_id`; an unknown ID is refused.
            thumb: Thumb: 1 is up, -1 is down, 0 is none.
            rating: Rating from 1 to 5; 0 is none. 4 and 5 are positive, 1 and 2 are negative, 3 is neutral.
            correction: Right answer, if the user gave it: one of the labels of the project (of several labels
                one a line), a number in range, or the rewritten text or JSON document of at most 65,536
                characters.
            comment: Comment of the user, at most 4,000 characters.
            rejected_answer_id: `id` of another answer to the same prompt, to which the user prefers
                `answer_id`. It says nothing about the other feedback fields: both answers may be good.
            outcomes: Numeric outcomes of the answer by name, for example `resolved: 1`: at most 16 names of 1
                to 64 letters, digits, `_`, `.` and `-`. They may arrive days later and again; the latest
                value of each name counts.
            implicit: Behaviour of the user from which approval or refusal may follow. It is counted and is no
                vote.
            consent: Permitted use of the feedback and of its answer as data. Default: that of the project
                (`default_consent`).
            session_id: Session (`metadata.session_id` of the requests) instead of an answer, at most 256
                characters. A thumb or a rating of a session is a vote on each of its answers up to now that
                has no feedback of its own. It returns as a hash.
            user: User who gives the feedback, at most 256 characters. Default: the `user` of the request. It
                returns as a hash.
            feedback_id: Last segment of the resource name: 1 to 63 characters of `a-z`, `0-9`, `-` and `.`;
                the first and the last one are a letter or a digit. Empty: the server generates a UUIDv7.
            request_id: Makes a retry safe: the identical request with the same ID returns the resource that
                it created first. A different request with the same ID is refused. At most 256 characters.
            timeout: Seconds that one attempt may take. Default: that of the client.
        """
        return await self._transport.call(
            Feedback,
            Call(
                "POST",
                expand("/v1/{parent=projects/*}/feedback", parent=parent),
                query=present({"feedbackId": feedback_id, "requestId": request_id or new_request_id()}),
                body=present(
                    {
                        "answerId": answer_id,
                        "thumb": thumb,
                        "rating": rating,
                        "correction": correction,
                        "comment": comment,
                        "rejectedAnswerId": rejected_answer_id,
                        "outcomes": outcomes,
                        "implicit": implicit,
                        "consent": consent,
                        "sessionId": session_id,
                        "user": user,
                    }
                ),
                repeatable=True,
            ),
            timeout,
        )

    async def export(
        self,
        parent: str,
        *,
        forms: Sequence[ExportFeedbackRequestForm] | None = None,
        purpose: FeedbackConsent | None = None,
        start_time: datetime | None = None,
        end_time: datetime | None = None,
        timeout: float | None = None,
    ) -> ExportFeedbackResponse:
        """Store what users said about answers as a JSONL blob of records.

        These are rewritten and confirmed answers, preferences, and answers with a thumb. A source is created
        from it, for a dataset version. Feedback that may not be used for the purpose is left out. A purpose
        or a form that does not exist is refused (`BAD_FEEDBACK`).

        Args:
            parent: Resource name of the project: `projects/{project}`.
            forms: Forms to export. Empty: all.
            purpose: Purpose for which the data must be permitted: CONSENT_TRAINING (default) or
                CONSENT_EVALUATION.
            start_time: Start of the time range of the answers, exclusive. Not set: from the beginning.
            end_time: End of the time range of the answers and of their feedback, inclusive. Not set: until
                now.
            timeout: Seconds that one attempt may take. Default: that of the client.
        """
        return await self._transport.call(
            ExportFeedbackResponse,
            Call(
                "POST",
                expand("/v1/{parent=projects/*}/feedback:export", parent=parent),
                body=present(
                    {"forms": forms, "purpose": purpose, "startTime": start_time, "endTime": end_time}
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
        order_by: str | None = None,
        timeout: float | None = None,
    ) -> AsyncPaginator[Feedback]:
        """List the feedback of a project, oldest first.

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
            Feedback,
            "feedback",
            Call(
                "GET",
                expand("/v1/{parent=projects/*}/feedback", parent=parent),
                query=present({"pageSize": page_size, "pageToken": page_token, "orderBy": order_by}),
            ),
            timeout,
        )


class PipelineRunsResource:
    """One run of the pipeline: from data to a served model version, or to a refusal."""

    def __init__(self, transport: SyncTransport) -> None:
        self._transport = transport

    def approve(self, name: str, *, reason: str | None = None, timeout: float | None = None) -> PipelineRun:
        """Approve the rollout of a pipeline run that waits for approval.

        Refused in any other state (`NO_DECISION_WANTED`), and without a reason (`NO_REASON`).

        Args:
            name: Resource name of the pipeline run: `projects/{project}/pipelineRuns/{pipeline_run}`.
            reason: Reason for the decision, 1 to 1,000 characters. It is stored with the run. An empty reason
                is refused.
            timeout: Seconds that one attempt may take. Default: that of the client.
        """
        return self._transport.call(
            PipelineRun,
            Call(
                "POST",
                expand("/v1/{name=projects/*/pipelineRuns/*}:approve", name=name),
                body=present({"reason": reason}),
            ),
            timeout,
        )

    def cancel(self, name: str, *, timeout: float | None = None) -> PipelineRun:
        """Request the cancellation of a pipeline run and of the resource of its current stage.

        Refused when the run has ended (`PIPELINE_RUN_ENDED`).

        Args:
            name: Resource name of the pipeline run: `projects/{project}/pipelineRuns/{pipeline_run}`.
            timeout: Seconds that one attempt may take. Default: that of the client.
        """
        return self._transport.call(
            PipelineRun,
            Call("POST", expand("/v1/{name=projects/*/pipelineRuns/*}:cancel", name=name), body={}),
            timeout,
        )

    def create(
        self,
        parent: str,
        *,
        sources: Sequence[str] | None = None,
        skip_rollout: bool | None = None,
        recipe: str | None = None,
        pipeline_run_id: str | None = None,
        request_id: str | None = None,
        timeout: float | None = None,
    ) -> PipelineRun:
        """Start a pipeline run manually.

        With `sources`, it builds from them; without, it retrains on corrected traffic. Sources of another
        project are refused (`BAD_SOURCE`), and so are a project with a kind of task (`TASK_NOT_SUPPORTED`) or
        with settings (`SETTING_NOT_SUPPORTED`) that pipeline runs do not support yet, and a project that has
        used its budget (`BUDGET_SPENT`). A recipe that the kind of task does not have is refused
        (`BAD_RECIPE`).

        Args:
            parent: Resource name of the project: `projects/{project}`.
            sources: Resource names of the ingestion sources to build from, all of the same project. Empty:
                the run retrains on corrected traffic. Without a version in production, such a run fails.
            skip_rollout: Stop after the registration of the model version. Default: false.
            recipe: Recipe of the training. Default: that of the project (`recipes`, `retraining_recipes`);
                `sft` where it names none. `auto` becomes the chosen recipe as soon as the stage `dataset` has
                started.
            pipeline_run_id: Last segment of the resource name: 1 to 63 characters of `a-z`, `0-9`, `-` and
                `.`; the first and the last one are a letter or a digit. Empty: the server generates a UUIDv7.
            request_id: Makes a retry safe: the identical request with the same ID returns the resource that
                it created first. A different request with the same ID is refused. At most 256 characters.
            timeout: Seconds that one attempt may take. Default: that of the client.
        """
        return self._transport.call(
            PipelineRun,
            Call(
                "POST",
                expand("/v1/{parent=projects/*}/pipelineRuns", parent=parent),
                query=present(
                    {"pipelineRunId": pipeline_run_id, "requestId": request_id or new_request_id()}
                ),
                body=present({"sources": sources, "skipRollout": skip_rollout, "recipe": recipe}),
                repeatable=True,
            ),
            timeout,
        )

    def delete(self, name: str, *, allow_missing: bool | None = None, timeout: float | None = None) -> None:
        """Delete a pipeline run that has ended.

        Resources that it created are kept. Refused while it is in progress, and while a policy of the project
        decides by it: by the time range of its traffic, its end, its drift or its place in the budget
        (`IN_USE`).

        Args:
            name: Resource name of the pipeline run: `projects/{project}/pipelineRuns/{pipeline_run}`.
            allow_missing: If true, the deletion of a pipeline run that does not exist succeeds, so that a
                retry does.
            timeout: Seconds that one attempt may take. Default: that of the client.
        """
        self._transport.send(
            Call(
                "DELETE",
                expand("/v1/{name=projects/*/pipelineRuns/*}", name=name),
                query=present({"allowMissing": allow_missing}),
            ),
            timeout,
        )

    def get(self, name: str, *, timeout: float | None = None) -> PipelineRun:
        """Return one pipeline run.

        Args:
            name: Resource name of the pipeline run: `projects/{project}/pipelineRuns/{pipeline_run}`.
            timeout: Seconds that one attempt may take. Default: that of the client.
        """
        return self._transport.call(
            PipelineRun, Call("GET", expand("/v1/{name=projects/*/pipelineRuns/*}", name=name)), timeout
        )

    def list(
        self,
        parent: str,
        *,
        page_size: int | None = None,
        page_token: str | None = None,
        order_by: str | None = None,
        timeout: float | None = None,
    ) -> SyncPage[PipelineRun]:
        """List the pipeline runs of a project, oldest first.

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
            PipelineRun,
            "pipelineRuns",
            Call(
                "GET",
                expand("/v1/{parent=projects/*}/pipelineRuns", parent=parent),
                query=present({"pageSize": page_size, "pageToken": page_token, "orderBy": order_by}),
            ),
            timeout,
        )

    def reject(self, name: str, *, reason: str | None = None, timeout: float | None = None) -> PipelineRun:
        """Reject a pipeline run that waits for approval: the run ends as REFUSED.

        Refused in any other state (`NO_DECISION_WANTED`), and without a reason (`NO_REASON`).

        Args:
            name: Resource name of the pipeline run: `projects/{project}/pipelineRuns/{pipeline_run}`.
            reason: Reason for the decision, 1 to 1,000 characters. It is stored with the run. An empty reason
                is refused.
            timeout: Seconds that one attempt may take. Default: that of the client.
        """
        return self._transport.call(
            PipelineRun,
            Call(
                "POST",
                expand("/v1/{name=projects/*/pipelineRuns/*}:reject", name=name),
                body=present({"reason": reason}),
            ),
            timeout,
        )

    def watch(self, name: str, *, revision: int | None = None) -> SyncWatch[PipelineRun]:
        """Stream a pipeline run: its current state, then each change.

        States between two reads may be skipped. The stream ends after a final state.

        Args:
            name: Resource name of the pipeline run: `projects/{project}/pipelineRuns/{pipeline_run}`.
            revision: Send only states with a higher revision, for example than the last one that was
                received; no revision is too old. 0: start with the current state.
        """
        return self._transport.watch(
            PipelineRun,
            Call(
                "GET",
                expand("/v1/{name=projects/*/pipelineRuns/*}:watch", name=name),
                query=present({"revision": revision}),
            ),
        )

    def wait(
        self,
        name: str,
        *,
        timeout: float | None = None,
        on_state: Callable[[PipelineRun], object] | None = None,
    ) -> PipelineRun:
        """Wait for the final state, and return it.

        OperationFailedError if there is no result (failed, cancelled, refused, rolled back);
        OperationTimeoutError after `timeout`.

        Args:
            name: Resource name of the pipeline run: `projects/{project}/pipelineRuns/{pipeline_run}`.
            timeout: Seconds to wait. Default: no limit.
            on_state: Called with each state, the final one included.
        """
        return self._transport.wait(
            PipelineRun,
            Call("GET", expand("/v1/{name=projects/*/pipelineRuns/*}:watch", name=name)),
            timeout,
            on_state,
        )


class AsyncPipelineRunsResource:
    """One run of the pipeline: from data to a served model version, or to a refusal."""

    def __init__(self, transport: AsyncTransport) -> None:
        self._transport = transport

    async def approve(
        self, name: str, *, reason: str | None = None, timeout: float | None = None
    ) -> PipelineRun:
        """Approve the rollout of a pipeline run that waits for approval.

        Refused in any other state (`NO_DECISION_WANTED`), and without a reason (`NO_REASON`).

        Args:
            name: Resource name of the pipeline run: `projects/{project}/pipelineRuns/{pipeline_run}`.
            reason: Reason for the decision, 1 to 1,000 characters. It is stored with the run. An empty reason
                is refused.
            timeout: Seconds that one attempt may take. Default: that of the client.
        """
        return await self._transport.call(
            PipelineRun,
            Call(
                "POST",
                expand("/v1/{name=projects/*/pipelineRuns/*}:approve", name=name),
                body=present({"reason": reason}),
            ),
            timeout,
        )

    async def cancel(self, name: str, *, timeout: float | None = None) -> PipelineRun:
        """Request the cancellation of a pipeline run and of the resource of its current stage.

        Refused when the run has ended (`PIPELINE_RUN_ENDED`).

        Args:
            name: Resource name of the pipeline run: `projects/{project}/pipelineRuns/{pipeline_run}`.
            timeout: Seconds that one attempt may take. Default: that of the client.
        """
        return await self._transport.call(
            PipelineRun,
            Call("POST", expand("/v1/{name=projects/*/pipelineRuns/*}:cancel", name=name), body={}),
            timeout,
        )

    async def create(
        self,
        parent: str,
        *,
        sources: Sequence[str] | None = None,
        skip_rollout: bool | None = None,
        recipe: str | None = None,
        pipeline_run_id: str | None = None,
        request_id: str | None = None,
        timeout: float | None = None,
    ) -> PipelineRun:
        """Start a pipeline run manually.

        With `sources`, it builds from them; without, it retrains on corrected traffic. Sources of another
        project are refused (`BAD_SOURCE`), and so are a project with a kind of task (`TASK_NOT_SUPPORTED`) or
        with settings (`SETTING_NOT_SUPPORTED`) that pipeline runs do not support yet, and a project that has
        used its budget (`BUDGET_SPENT`). A recipe that the kind of task does not have is refused
        (`BAD_RECIPE`).

        Args:
            parent: Resource name of the project: `projects/{project}`.
            sources: Resource names of the ingestion sources to build from, all of the same project. Empty:
                the run retrains on corrected traffic. Without a version in production, such a run fails.
            skip_rollout: Stop after the registration of the model version. Default: false.
            recipe: Recipe of the training. Default: that of the project (`recipes`, `retraining_recipes`);
                `sft` where it names none. `auto` becomes the chosen recipe as soon as the stage `dataset` has
                started.
            pipeline_run_id: Last segment of the resource name: 1 to 63 characters of `a-z`, `0-9`, `-` and
                `.`; the first and the last one are a letter or a digit. Empty: the server generates a UUIDv7.
            request_id: Makes a retry safe: the identical request with the same ID returns the resource that
                it created first. A different request with the same ID is refused. At most 256 characters.
            timeout: Seconds that one attempt may take. Default: that of the client.
        """
        return await self._transport.call(
            PipelineRun,
            Call(
                "POST",
                expand("/v1/{parent=projects/*}/pipelineRuns", parent=parent),
                query=present(
                    {"pipelineRunId": pipeline_run_id, "requestId": request_id or new_request_id()}
                ),
                body=present({"sources": sources, "skipRollout": skip_rollout, "recipe": recipe}),
                repeatable=True,
            ),
            timeout,
        )

    async def delete(
        self, name: str, *, allow_missing: bool | None = None, timeout: float | None = None
    ) -> None:
        """Delete a pipeline run that has ended.

        Resources that it created are kept. Refused while it is in progress, and while a policy of the project
        decides by it: by the time range of its traffic, its end, its drift or its place in the budget
        (`IN_USE`).

        Args:
            name: Resource name of the pipeline run: `projects/{project}/pipelineRuns/{pipeline_run}`.
            allow_missing: If true, the deletion of a pipeline run that does not exist succeeds, so that a
                retry does.
            timeout: Seconds that one attempt may take. Default: that of the client.
        """
        await self._transport.send(
            Call(
                "DELETE",
                expand("/v1/{name=projects/*/pipelineRuns/*}", name=name),
                query=present({"allowMissing": allow_missing}),
            ),
            timeout,
        )

    async def get(self, name: str, *, timeout: float | None = None) -> PipelineRun:
        """Return one pipeline run.

        Args:
            name: Resource name of the pipeline run: `projects/{project}/pipelineRuns/{pipeline_run}`.
            timeout: Seconds that one attempt may take. Default: that of the client.
        """
        return await self._transport.call(
            PipelineRun, Call("GET", expand("/v1/{name=projects/*/pipelineRuns/*}", name=name)), timeout
        )

    def list(
        self,
        parent: str,
        *,
        page_size: int | None = None,
        page_token: str | None = None,
        order_by: str | None = None,
        timeout: float | None = None,
    ) -> AsyncPaginator[PipelineRun]:
        """List the pipeline runs of a project, oldest first.

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
            PipelineRun,
            "pipelineRuns",
            Call(
                "GET",
                expand("/v1/{parent=projects/*}/pipelineRuns", parent=parent),
                query=present({"pageSize": page_size, "pageToken": page_token, "orderBy": order_by}),
            ),
            timeout,
        )

    async def reject(
        self, name: str, *, reason: str | None = None, timeout: float | None = None
    ) -> PipelineRun:
        """Reject a pipeline run that waits for approval: the run ends as REFUSED.

        Refused in any other state (`NO_DECISION_WANTED`), and without a reason (`NO_REASON`).

        Args:
            name: Resource name of the pipeline run: `projects/{project}/pipelineRuns/{pipeline_run}`.
            reason: Reason for the decision, 1 to 1,000 characters. It is stored with the run. An empty reason
                is refused.
            timeout: Seconds that one attempt may take. Default: that of the client.
        """
        return await self._transport.call(
            PipelineRun,
            Call(
                "POST",
                expand("/v1/{name=projects/*/pipelineRuns/*}:reject", name=name),
                body=present({"reason": reason}),
            ),
            timeout,
        )

    def watch(self, name: str, *, revision: int | None = None) -> AsyncWatch[PipelineRun]:
        """Stream a pipeline run: its current state, then each change.

        States between two reads may be skipped. The stream ends after a final state.

        Args:
            name: Resource name of the pipeline run: `projects/{project}/pipelineRuns/{pipeline_run}`.
            revision: Send only states with a higher revision, for example than the last one that was
                received; no revision is too old. 0: start with the current state.
        """
        return self._transport.watch(
            PipelineRun,
            Call(
                "GET",
                expand("/v1/{name=projects/*/pipelineRuns/*}:watch", name=name),
                query=present({"revision": revision}),
            ),
        )

    async def wait(
        self,
        name: str,
        *,
        timeout: float | None = None,
        on_state: Callable[[PipelineRun], object] | None = None,
    ) -> PipelineRun:
        """Wait for the final state, and return it.

        OperationFailedError if there is no result (failed, cancelled, refused, rolled back);
        OperationTimeoutError after `timeout`.

        Args:
            name: Resource name of the pipeline run: `projects/{project}/pipelineRuns/{pipeline_run}`.
            timeout: Seconds to wait. Default: no limit.
            on_state: Called with each state, the final one included.
        """
        return await self._transport.wait(
            PipelineRun,
            Call("GET", expand("/v1/{name=projects/*/pipelineRuns/*}:watch", name=name)),
            timeout,
            on_state,
        )


class PoliciesResource:
    """Conditions under which a pipeline run starts automatically.

    A run starts once the trigger window has settled, so that it learns from all of its traffic.
    """

    def __init__(self, transport: SyncTransport) -> None:
        self._transport = transport

    def create(
        self,
        parent: str,
        *,
        drift_threshold: float | None = None,
        error_rate_threshold: float | None = None,
        min_answers: int | None = None,
        min_feedback: int | None = None,
        burst_answers: int | None = None,
        settle_seconds: float | None = None,
        cooldown_seconds: float | None = None,
        schedule_seconds: float | None = None,
        budget_runs: int | None = None,
        paused: bool | None = None,
        dry_run: bool | None = None,
        event_filters: Sequence[PolicyEventFilter] | None = None,
        sources: Sequence[str] | None = None,
        new_data_count: int | None = None,
        policy_id: str | None = None,
        request_id: str | None = None,
        timeout: float | None = None,
    ) -> Policy:
        """Create a policy.

        It takes effect immediately. Settings out of range are refused (`BAD_POLICY`); the error names the
        field. Refused for a project that pipeline runs do not support yet (`TASK_NOT_SUPPORTED`,
        `SETTING_NOT_SUPPORTED`).

        Args:
            parent: Resource name of the project: `projects/{project}`.
            drift_threshold: Divergence from the training data above which traffic counts as drifted, in
                multiples of the noise band. The noise band is the 99th percentile of a single measurement of
                traffic that has not drifted; traffic is measured often. Traffic that is within the threshold
                of the traffic at the promotion of the version has not drifted. A retraining that left the
                drift of a feature at 0.9 to 1.25 times what it was before is not repeated for it. 0 is
                refused. At most 1,000,000. Default: 1.5.
            error_rate_threshold: Share of unhappy callers from which a version counts as failing: above 0, at
                most 1. Each caller counts once, by the share of its answers with feedback that are wrong or
                disliked, and no single caller decides. A retraining whose version is at 0.9 to 1.25 times the
                share of the version before is not repeated, nor one whose version was refused or rolled back
                before there are twice as many corrected or confirmed answers. Default: 0.1.
            min_answers: Minimum number of distinct texts before drift is evaluated, 1 to 1,000,000. Default:
                200.
            min_feedback: Minimum number of corrected or confirmed answers before a retraining starts, 1 to
                1,000,000. Default: 200.
            burst_answers: Minimum number of answers in the trigger window before a run starts, so that all of
                them become one dataset. Traffic that stops short of it is waited for 60 times
                `settle_seconds`. At most 1,000,000. Default: 0, no minimum.
            settle_seconds: Time without new answers after which the trigger window is closed, in seconds.
                Traffic that never pauses is waited for 60 times as long. At most 86,400. Default: 10.
            cooldown_seconds: Minimum time between the end of a pipeline run and the start of the next one, in
                seconds. At most 366 days. Default: 3600.
            schedule_seconds: Interval after which a run starts on corrected answers even without drift, in
                seconds. 0: never. At most 366 days. Default: 604800 (one week).
            budget_runs: Maximum number of pipeline runs that policies start in 30 days, at most 100,000.
                Default: 30.
            paused: The policy starts no runs. Default: false.
            dry_run: Report which run would have started, and why, without starting it. Default: false.
            event_filters: External events that start a run, whatever the drift. An event matches if it
                matches one of the filters, at most 50. Empty: no event does.
            sources: Resource names of the ingestion sources, of the same project, that a run builds from if
                an event starts it; at most 100. Sources that events name as their `subject` are added. Such a
                run does not wait for feedback. Without any source, it retrains on corrected traffic, as each
                other run of a policy does, once there are `min_feedback` answers for it.
            new_data_count: Number of new corrected or confirmed answers from which a run starts even without
                drift or errors. Answers are new if no version has learned from them, and if they did not
                suffice for a version that was refused or rolled back. No single caller decides. New records
                that connections of ingestion read, streams sealed and crawls stored count apart: from as many
                of them a run starts that builds from their sources, and from 100 sources whatever their
                records. At most 1,000,000. Default: 0, never.
            policy_id: Last segment of the resource name: 1 to 63 characters of `a-z`, `0-9`, `-` and `.`; the
                first and the last one are a letter or a digit. Empty: the server generates a UUIDv7.
            request_id: Makes a retry safe: the identical request with the same ID returns the resource that
                it created first. A different request with the same ID is refused. At most 256 characters.
            timeout: Seconds that one attempt may take. Default: that of the client.
        """
        return self._transport.call(
            Policy,
            Call(
                "POST",
                expand("/v1/{parent=projects/*}/policies", parent=parent),
                query=present({"policyId": policy_id, "requestId": request_id or new_request_id()}),
                body=present(
                    {
                        "driftThreshold": drift_threshold,
                        "errorRateThreshold": error_rate_threshold,
                        "minAnswers": min_answers,
                        "minFeedback": min_feedback,
                        "burstAnswers": burst_answers,
                        "settleSeconds": settle_seconds,
                        "cooldownSeconds": cooldown_seconds,
                        "scheduleSeconds": schedule_seconds,
                        "budgetRuns": budget_runs,
                        "paused": paused,
                        "dryRun": dry_run,
                        "eventFilters": event_filters,
                        "sources": sources,
                        "newDataCount": new_data_count,
                    }
                ),
                repeatable=True,
            ),
            timeout,
        )

    def delete(self, name: str, *, etag: str | None = None, timeout: float | None = None) -> None:
        """Delete a policy.

        Refused while a pipeline run that the policy started is in progress (`IN_USE`).

        Args:
            name: Resource name of the policy: `projects/{project}/policies/{policy}`.
            etag: `etag` that was read with the resource. A stale value is refused; an empty value is not
                checked.
            timeout: Seconds that one attempt may take. Default: that of the client.
        """
        self._transport.send(
            Call(
                "DELETE", expand("/v1/{name=projects/*/policies/*}", name=name), query=present({"etag": etag})
            ),
            timeout,
        )

    def get(self, name: str, *, timeout: float | None = None) -> Policy:
        """Return one policy.

        Args:
            name: Resource name of the policy: `projects/{project}/policies/{policy}`.
            timeout: Seconds that one attempt may take. Default: that of the client.
        """
        return self._transport.call(
            Policy, Call("GET", expand("/v1/{name=projects/*/policies/*}", name=name)), timeout
        )

    def list(
        self,
        parent: str,
        *,
        page_size: int | None = None,
        page_token: str | None = None,
        order_by: str | None = None,
        timeout: float | None = None,
    ) -> SyncPage[Policy]:
        """List the policies of a project, oldest first.

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
            Policy,
            "policies",
            Call(
                "GET",
                expand("/v1/{parent=projects/*}/policies", parent=parent),
                query=present({"pageSize": page_size, "pageToken": page_token, "orderBy": order_by}),
            ),
            timeout,
        )

    def update(
        self,
        name: str,
        *,
        drift_threshold: float | Omit = omit,
        error_rate_threshold: float | Omit = omit,
        min_answers: int | Omit = omit,
        min_feedback: int | Omit = omit,
        burst_answers: int | Omit = omit,
        settle_seconds: float | Omit | None = omit,
        cooldown_seconds: float | Omit | None = omit,
        schedule_seconds: float | Omit | None = omit,
        budget_runs: int | Omit | None = omit,
        paused: bool | Omit | None = omit,
        dry_run: bool | Omit | None = omit,
        event_filters: Sequence[PolicyEventFilter] | Omit = omit,
        sources: Sequence[str] | Omit = omit,
        new_data_count: int | Omit = omit,
        etag: str | Omit = omit,
        timeout: float | None = None,
    ) -> Policy:
        """Update a policy.

        The policy is evaluated again immediately. Settings out of range are refused (`BAD_POLICY`); the error
        names the field.

        Args:
            name: Resource name: `projects/{project}/policies/{policy}`.
            drift_threshold: Divergence from the training data above which traffic counts as drifted, in
                multiples of the noise band. The noise band is the 99th percentile of a single measurement of
                traffic that has not drifted; traffic is measured often. Traffic that is within the threshold
                of the traffic at the promotion of the version has not drifted. A retraining that left the
                drift of a feature at 0.9 to 1.25 times what it was before is not repeated for it. 0 is
                refused. At most 1,000,000. Default: 1.5.
            error_rate_threshold: Share of unhappy callers from which a version counts as failing: above 0, at
                most 1. Each caller counts once, by the share of its answers with feedback that are wrong or
                disliked, and no single caller decides. A retraining whose version is at 0.9 to 1.25 times the
                share of the version before is not repeated, nor one whose version was refused or rolled back
                before there are twice as many corrected or confirmed answers. Default: 0.1.
            min_answers: Minimum number of distinct texts before drift is evaluated, 1 to 1,000,000. Default:
                200.
            min_feedback: Minimum number of corrected or confirmed answers before a retraining starts, 1 to
                1,000,000. Default: 200.
            burst_answers: Minimum number of answers in the trigger window before a run starts, so that all of
                them become one dataset. Traffic that stops short of it is waited for 60 times
                `settle_seconds`. At most 1,000,000. Default: 0, no minimum.
            settle_seconds: Time without new answers after which the trigger window is closed, in seconds.
                Traffic that never pauses is waited for 60 times as long. At most 86,400. Default: 10.
            cooldown_seconds: Minimum time between the end of a pipeline run and the start of the next one, in
                seconds. At most 366 days. Default: 3600.
            schedule_seconds: Interval after which a run starts on corrected answers even without drift, in
                seconds. 0: never. At most 366 days. Default: 604800 (one week).
            budget_runs: Maximum number of pipeline runs that policies start in 30 days, at most 100,000.
                Default: 30.
            paused: The policy starts no runs. Default: false.
            dry_run: Report which run would have started, and why, without starting it. Default: false.
            event_filters: External events that start a run, whatever the drift. An event matches if it
                matches one of the filters, at most 50. Empty: no event does.
            sources: Resource names of the ingestion sources, of the same project, that a run builds from if
                an event starts it; at most 100. Sources that events name as their `subject` are added. Such a
                run does not wait for feedback. Without any source, it retrains on corrected traffic, as each
                other run of a policy does, once there are `min_feedback` answers for it.
            new_data_count: Number of new corrected or confirmed answers from which a run starts even without
                drift or errors. Answers are new if no version has learned from them, and if they did not
                suffice for a version that was refused or rolled back. No single caller decides. New records
                that connections of ingestion read, streams sealed and crawls stored count apart: from as many
                of them a run starts that builds from their sources, and from 100 sources whatever their
                records. At most 1,000,000. Default: 0, never.
            etag: Version tag of the changeable fields. Send it with an update or a delete: a stale value is
                refused.
            timeout: Seconds that one attempt may take. Default: that of the client.
        """
        return self._transport.call(
            Policy,
            Call(
                "PATCH",
                expand("/v1/{name=projects/*/policies/*}", name=name),
                body=changes(
                    {
                        "driftThreshold": drift_threshold,
                        "errorRateThreshold": error_rate_threshold,
                        "minAnswers": min_answers,
                        "minFeedback": min_feedback,
                        "burstAnswers": burst_answers,
                        "settleSeconds": settle_seconds,
                        "cooldownSeconds": cooldown_seconds,
                        "scheduleSeconds": schedule_seconds,
                        "budgetRuns": budget_runs,
                        "paused": paused,
                        "dryRun": dry_run,
                        "eventFilters": event_filters,
                        "sources": sources,
                        "newDataCount": new_data_count,
                        "etag": etag,
                    }
                ),
            ),
            timeout,
        )


class AsyncPoliciesResource:
    """Conditions under which a pipeline run starts automatically.

    A run starts once the trigger window has settled, so that it learns from all of its traffic.
    """

    def __init__(self, transport: AsyncTransport) -> None:
        self._transport = transport

    async def create(
        self,
        parent: str,
        *,
        drift_threshold: float | None = None,
        error_rate_threshold: float | None = None,
        min_answers: int | None = None,
        min_feedback: int | None = None,
        burst_answers: int | None = None,
        settle_seconds: float | None = None,
        cooldown_seconds: float | None = None,
        schedule_seconds: float | None = None,
        budget_runs: int | None = None,
        paused: bool | None = None,
        dry_run: bool | None = None,
        event_filters: Sequence[PolicyEventFilter] | None = None,
        sources: Sequence[str] | None = None,
        new_data_count: int | None = None,
        policy_id: str | None = None,
        request_id: str | None = None,
        timeout: float | None = None,
    ) -> Policy:
        """Create a policy.

        It takes effect immediately. Settings out of range are refused (`BAD_POLICY`); the error names the
        field. Refused for a project that pipeline runs do not support yet (`TASK_NOT_SUPPORTED`,
        `SETTING_NOT_SUPPORTED`).

        Args:
            parent: Resource name of the project: `projects/{project}`.
            drift_threshold: Divergence from the training data above which traffic counts as drifted, in
                multiples of the noise band. The noise band is the 99th percentile of a single measurement of
                traffic that has not drifted; traffic is measured often. Traffic that is within the threshold
                of the traffic at the promotion of the version has not drifted. A retraining that left the
                drift of a feature at 0.9 to 1.25 times what it was before is not repeated for it. 0 is
                refused. At most 1,000,000. Default: 1.5.
            error_rate_threshold: Share of unhappy callers from which a version counts as failing: above 0, at
                most 1. Each caller counts once, by the share of its answers with feedback that are wrong or
                disliked, and no single caller decides. A retraining whose version is at 0.9 to 1.25 times the
                share of the version before is not repeated, nor one whose version was refused or rolled back
                before there are twice as many corrected or confirmed answers. Default: 0.1.
            min_answers: Minimum number of distinct texts before drift is evaluated, 1 to 1,000,000. Default:
                200.
            min_feedback: Minimum number of corrected or confirmed answers before a retraining starts, 1 to
                1,000,000. Default: 200.
            burst_answers: Minimum number of answers in the trigger window before a run starts, so that all of
                them become one dataset. Traffic that stops short of it is waited for 60 times
                `settle_seconds`. At most 1,000,000. Default: 0, no minimum.
            settle_seconds: Time without new answers after which the trigger window is closed, in seconds.
                Traffic that never pauses is waited for 60 times as long. At most 86,400. Default: 10.
            cooldown_seconds: Minimum time between the end of a pipeline run and the start of the next one, in
                seconds. At most 366 days. Default: 3600.
            schedule_seconds: Interval after which a run starts on corrected answers even without drift, in
                seconds. 0: never. At most 366 days. Default: 604800 (one week).
            budget_runs: Maximum number of pipeline runs that policies start in 30 days, at most 100,000.
                Default: 30.
            paused: The policy starts no runs. Default: false.
            dry_run: Report which run would have started, and why, without starting it. Default: false.
            event_filters: External events that start a run, whatever the drift. An event matches if it
                matches one of the filters, at most 50. Empty: no event does.
            sources: Resource names of the ingestion sources, of the same project, that a run builds from if
                an event starts it; at most 100. Sources that events name as their `subject` are added. Such a
                run does not wait for feedback. Without any source, it retrains on corrected traffic, as each
                other run of a policy does, once there are `min_feedback` answers for it.
            new_data_count: Number of new corrected or confirmed answers from which a run starts even without
                drift or errors. Answers are new if no version has learned from them, and if they did not
                suffice for a version that was refused or rolled back. No single caller decides. New records
                that connections of ingestion read, streams sealed and crawls stored count apart: from as many
                of them a run starts that builds from their sources, and from 100 sources whatever their
                records. At most 1,000,000. Default: 0, never.
            policy_id: Last segment of the resource name: 1 to 63 characters of `a-z`, `0-9`, `-` and `.`; the
                first and the last one are a letter or a digit. Empty: the server generates a UUIDv7.
            request_id: Makes a retry safe: the identical request with the same ID returns the resource that
                it created first. A different request with the same ID is refused. At most 256 characters.
            timeout: Seconds that one attempt may take. Default: that of the client.
        """
        return await self._transport.call(
            Policy,
            Call(
                "POST",
                expand("/v1/{parent=projects/*}/policies", parent=parent),
                query=present({"policyId": policy_id, "requestId": request_id or new_request_id()}),
                body=present(
                    {
                        "driftThreshold": drift_threshold,
                        "errorRateThreshold": error_rate_threshold,
                        "minAnswers": min_answers,
                        "minFeedback": min_feedback,
                        "burstAnswers": burst_answers,
                        "settleSeconds": settle_seconds,
                        "cooldownSeconds": cooldown_seconds,
                        "scheduleSeconds": schedule_seconds,
                        "budgetRuns": budget_runs,
                        "paused": paused,
                        "dryRun": dry_run,
                        "eventFilters": event_filters,
                        "sources": sources,
                        "newDataCount": new_data_count,
                    }
                ),
                repeatable=True,
            ),
            timeout,
        )

    async def delete(self, name: str, *, etag: str | None = None, timeout: float | None = None) -> None:
        """Delete a policy.

        Refused while a pipeline run that the policy started is in progress (`IN_USE`).

        Args:
            name: Resource name of the policy: `projects/{project}/policies/{policy}`.
            etag: `etag` that was read with the resource. A stale value is refused; an empty value is not
                checked.
            timeout: Seconds that one attempt may take. Default: that of the client.
        """
        await self._transport.send(
            Call(
                "DELETE", expand("/v1/{name=projects/*/policies/*}", name=name), query=present({"etag": etag})
            ),
            timeout,
        )

    async def get(self, name: str, *, timeout: float | None = None) -> Policy:
        """Return one policy.

        Args:
            name: Resource name of the policy: `projects/{project}/policies/{policy}`.
            timeout: Seconds that one attempt may take. Default: that of the client.
        """
        return await self._transport.call(
            Policy, Call("GET", expand("/v1/{name=projects/*/policies/*}", name=name)), timeout
        )

    def list(
        self,
        parent: str,
        *,
        page_size: int | None = None,
        page_token: str | None = None,
        order_by: str | None = None,
        timeout: float | None = None,
    ) -> AsyncPaginator[Policy]:
        """List the policies of a project, oldest first.

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
            Policy,
            "policies",
            Call(
                "GET",
                expand("/v1/{parent=projects/*}/policies", parent=parent),
                query=present({"pageSize": page_size, "pageToken": page_token, "orderBy": order_by}),
            ),
            timeout,
        )

    async def update(
        self,
        name: str,
        *,
        drift_threshold: float | Omit = omit,
        error_rate_threshold: float | Omit = omit,
        min_answers: int | Omit = omit,
        min_feedback: int | Omit = omit,
        burst_answers: int | Omit = omit,
        settle_seconds: float | Omit | None = omit,
        cooldown_seconds: float | Omit | None = omit,
        schedule_seconds: float | Omit | None = omit,
        budget_runs: int | Omit | None = omit,
        paused: bool | Omit | None = omit,
        dry_run: bool | Omit | None = omit,
        event_filters: Sequence[PolicyEventFilter] | Omit = omit,
        sources: Sequence[str] | Omit = omit,
        new_data_count: int | Omit = omit,
        etag: str | Omit = omit,
        timeout: float | None = None,
    ) -> Policy:
        """Update a policy.

        The policy is evaluated again immediately. Settings out of range are refused (`BAD_POLICY`); the error
        names the field.

        Args:
            name: Resource name: `projects/{project}/policies/{policy}`.
            drift_threshold: Divergence from the training data above which traffic counts as drifted, in
                multiples of the noise band. The noise band is the 99th percentile of a single measurement of
                traffic that has not drifted; traffic is measured often. Traffic that is within the threshold
                of the traffic at the promotion of the version has not drifted. A retraining that left the
                drift of a feature at 0.9 to 1.25 times what it was before is not repeated for it. 0 is
                refused. At most 1,000,000. Default: 1.5.
            error_rate_threshold: Share of unhappy callers from which a version counts as failing: above 0, at
                most 1. Each caller counts once, by the share of its answers with feedback that are wrong or
                disliked, and no single caller decides. A retraining whose version is at 0.9 to 1.25 times the
                share of the version before is not repeated, nor one whose version was refused or rolled back
                before there are twice as many corrected or confirmed answers. Default: 0.1.
            min_answers: Minimum number of distinct texts before drift is evaluated, 1 to 1,000,000. Default:
                200.
            min_feedback: Minimum number of corrected or confirmed answers before a retraining starts, 1 to
                1,000,000. Default: 200.
            burst_answers: Minimum number of answers in the trigger window before a run starts, so that all of
                them become one dataset. Traffic that stops short of it is waited for 60 times
                `settle_seconds`. At most 1,000,000. Default: 0, no minimum.
            settle_seconds: Time without new answers after which the trigger window is closed, in seconds.
                Traffic that never pauses is waited for 60 times as long. At most 86,400. Default: 10.
            cooldown_seconds: Minimum time between the end of a pipeline run and the start of the next one, in
                seconds. At most 366 days. Default: 3600.
            schedule_seconds: Interval after which a run starts on corrected answers even without drift, in
                seconds. 0: never. At most 366 days. Default: 604800 (one week).
            budget_runs: Maximum number of pipeline runs that policies start in 30 days, at most 100,000.
                Default: 30.
            paused: The policy starts no runs. Default: false.
            dry_run: Report which run would have started, and why, without starting it. Default: false.
            event_filters: External events that start a run, whatever the drift. An event matches if it
                matches one of the filters, at most 50. Empty: no event does.
            sources: Resource names of the ingestion sources, of the same project, that a run builds from if
                an event starts it; at most 100. Sources that events name as their `subject` are added. Such a
                run does not wait for feedback. Without any source, it retrains on corrected traffic, as each
                other run of a policy does, once there are `min_feedback` answers for it.
            new_data_count: Number of new corrected or confirmed answers from which a run starts even without
                drift or errors. Answers are new if no version has learned from them, and if they did not
                suffice for a version that was refused or rolled back. No single caller decides. New records
                that connections of ingestion read, streams sealed and crawls stored count apart: from as many
                of them a run starts that builds from their sources, and from 100 sources whatever their
                records. At most 1,000,000. Default: 0, never.
            etag: Version tag of the changeable fields. Send it with an update or a delete: a stale value is
                refused.
            timeout: Seconds that one attempt may take. Default: that of the client.
        """
        return await self._transport.call(
            Policy,
            Call(
                "PATCH",
                expand("/v1/{name=projects/*/policies/*}", name=name),
                body=changes(
                    {
                        "driftThreshold": drift_threshold,
                        "errorRateThreshold": error_rate_threshold,
                        "minAnswers": min_answers,
                        "minFeedback": min_feedback,
                        "burstAnswers": burst_answers,
                        "settleSeconds": settle_seconds,
                        "cooldownSeconds": cooldown_seconds,
                        "scheduleSeconds": schedule_seconds,
                        "budgetRuns": budget_runs,
                        "paused": paused,
                        "dryRun": dry_run,
                        "eventFilters": event_filters,
                        "sources": sources,
                        "newDataCount": new_data_count,
                        "etag": etag,
                    }
                ),
            ),
            timeout,
        )


class ProjectsResource:
    """Purpose of a model and the requirements that its versions must meet."""

    def __init__(self, transport: SyncTransport) -> None:
        self._transport = transport

    def apply_sweep(
        self,
        name: str,
        *,
        sweep: str | None = None,
        trial: int | None = None,
        etag: str | None = None,
        timeout: float | None = None,
    ) -> Project:
        """Make the settings of the best trial of a sweep the training settings of the project.

        Pipeline runs use them from then on. Refused: a sweep without a completed trial (`NO_TRIAL`), a
        setting that projects do not have (`SETTING_NOT_SUPPORTED`), a stale `etag`.

        Args:
            name: Resource name of the project: `projects/{project}`.
            sweep: Resource name of the sweep: `projects/{project}/sweeps/{sweep}`.
            trial: Number of the trial. 0: the best one.
            etag: `etag` that was read with the project. A stale value is refused; an empty value is not
                checked.
            timeout: Seconds that one attempt may take. Default: that of the client.
        """
        return self._transport.call(
            Project,
            Call(
                "POST",
                expand("/v1/{name=projects/*}:applySweep", name=name),
                body=present({"sweep": sweep, "trial": trial, "etag": etag}),
            ),
            timeout,
        )

    def create(
        self,
        *,
        display_name: str | None = None,
        labels: Sequence[str] | None = None,
        instructions: str | None = None,
        gate: ProjectGate | None = None,
        training: ProjectTrainingDefaults | None = None,
        rollout: ProjectRolloutDefaults | None = None,
        traffic_retention_days: int | None = None,
        split: ProjectSplitDefaults | None = None,
        require_approval: bool | None = None,
        task: TaskSpec | None = None,
        primary_metric: Metric | None = None,
        metrics: Sequence[str] | None = None,
        metric_gates: Sequence[ProjectMetricGate] | None = None,
        data_requirements: ProjectDataRequirements | None = None,
        budget: ProjectBudget | None = None,
        compute: ProjectStageCompute | None = None,
        recipes: Sequence[str] | None = None,
        retraining_recipes: Sequence[str] | None = None,
        curation: Sequence[ProjectCurationStep] | None = None,
        default_consent: FeedbackConsent | None = None,
        group_attribute: str | None = None,
        tuning: ProjectTuningDefaults | None = None,
        shadow: ShadowAnalysis | None = None,
        suites: Sequence[str] | None = None,
        judges: Sequence[str] | None = None,
        judge_requirements: ProjectJudgeRequirements | None = None,
        human_ratings: ProjectHumanRatings | None = None,
        label_queue: ProjectLabelQueue | None = None,
        compression: ProjectCompression | None = None,
        exports: Sequence[ProjectExport] | None = None,
        project_id: str | None = None,
        request_id: str | None = None,
        timeout: float | None = None,
    ) -> Project:
        """Create a project.

        Monitoring of its traffic starts with the creation. Settings out of range are refused (`BAD_PROJECT`);
        the error names the field.

        Args:
            display_name: Name for people. At most 1,024 characters.
            labels: The same as `task.classify.labels`. A project that is created with labels and without a
                task has the task `classify`. Empty for other tasks.
            instructions: Labeling instructions for annotators, at most 262,144 characters.
            gate: Requirements on a new version.
            training: Training settings of pipeline runs.
            rollout: Rollout settings of pipeline runs.
            traffic_retention_days: Days to keep captured prompts and answers, 1 to 3,650. Default: 30.
            split: Split settings of pipeline runs.
            require_approval: Pipeline runs wait for approval between the gate and the rollout. Default:
                false.
            task: What the model is for. Its kind cannot change.
            primary_metric: Metric that decides between versions. Default: that of the kind of task
                (`macro_f1`, `rouge_l`, `mae`).
            metrics: Names of further metrics to report, at most 32.
            metric_gates: Further requirements on a new version, one for each metric.
            data_requirements: Requirements on the data, checked before training.
            budget: Limits on the resources that pipeline runs use.
            compute: Devices and number formats of the stages.
            recipes: Recipes of the first version, in their order, for example `pretrain`, `sft`, `dpo`.
                Empty: `sft`. Each training begins with the artifact of the one before it: `pretrain`,
                `continued_pretrain`, `sft`, `dpo`, `kto`, `grpo` and `distillation` (from the teacher in
                `tuning.distillation`). `reward_model` trains a model that judges the answers of `dpo` or
                `grpo`, one of which follows it. `classical` (a classical model) and `neural` (a small neural
                model) stand alone.
            retraining_recipes: Recipes of later versions, in their order. Empty: `sft`. Each learns from
                feedback: `sft` and `distillation` from right answers, `dpo` and `reward_model` from
                preferences, `kto` from good and bad answers, `grpo` from prompts whose answers
                `tuning.rewards` check. A run leaves out the recipes that no feedback has come for since the
                last retraining. `classical` and `neural` (right answers, of a classical model and of a small
                neural one) and `auto` stand alone: `auto` takes that one of `sft`, `dpo` and `kto` for which
                the most feedback has come, and `grpo` in the place of `sft` if the project has rewards.
            curation: Settings of the steps of curation. Steps that are not named have their defaults.
            default_consent: Permitted use of feedback that names none. Default: CONSENT_TRAINING.
            group_attribute: Name of the attribute of records whose values stay in one part of a split, for
                tasks whose records are split by group (`generate`). A record without it is a group of its
                own. At most 64 characters. Default: `conversation`.
            tuning: Settings of fine-tuning: which tokens of a conversation are learned, and how much memory
                it takes.
            shadow: Comparison of the new version with the one in production on the same live requests, during
                the rollouts of pipeline runs. Default: none.
            suites: Suites that evaluation applies to each new version in addition to the test parts of its
                data, at most 20: resource names (`projects/{project}/suites/{suite}`) or their last segments.
                A suite must exist and fit the task when it is named (`NOT_FOUND`, `BAD_PROJECT`).
            judges: Judges of the answers of new versions, at most one of each kind: resource names
                (`projects/{project}/judges/{judge}`) or their last segments. Only with a task `generate`. A
                judge must exist and be SUCCEEDED when it is named (`NOT_FOUND`, `BAD_PROJECT`). A judge
                PAIRWISE compares with the version in production: the evaluation of a first version leaves it
                out.
            judge_requirements: What must be known of a judge before a gate names one of its metrics
                (`JUDGE_NOT_TRUSTED`). Not set: the defaults.
            human_ratings: Human ratings that evaluations take in. Only with a task `generate`. Not set: none.
            label_queue: Labelling queue that a pipeline run fills and waits for when its data have too few
                answers. Default: none.
            compression: Compression of the versions that pipeline runs register. A gate decides whether the
                compressed version is rolled out in the place of its source. Default: none.
            exports: Formats in which pipeline runs export the version that they rolled out, in this order; at
                most 8. Default: none.
            project_id: Last segment of the resource name: 1 to 63 characters of `a-z`, `0-9`, `-` and `.`;
                the first and the last one are a letter or a digit. Empty: the server generates a UUIDv7.
            request_id: Makes a retry safe: the identical request with the same ID returns the resource that
                it created first. A different request with the same ID is refused. At most 256 characters.
            timeout: Seconds that one attempt may take. Default: that of the client.
        """
        return self._transport.call(
            Project,
            Call(
                "POST",
                "/v1/projects",
                query=present({"projectId": project_id, "requestId": request_id or new_request_id()}),
                body=present(
                    {
                        "displayName": display_name,
                        "labels": labels,
                        "instructions": instructions,
                        "gate": gate,
                        "training": training,
                        "rollout": rollout,
                        "trafficRetentionDays": traffic_retention_days,
                        "split": split,
                        "requireApproval": require_approval,
                        "task": task,
                        "primaryMetric": primary_metric,
                        "metrics": metrics,
                        "metricGates": metric_gates,
                        "dataRequirements": data_requirements,
                        "budget": budget,
                        "compute": compute,
                        "recipes": recipes,
                        "retrainingRecipes": retraining_recipes,
                        "curation": curation,
                        "defaultConsent": default_consent,
                        "groupAttribute": group_attribute,
                        "tuning": tuning,
                        "shadow": shadow,
                        "suites": suites,
                        "judges": judges,
                        "judgeRequirements": judge_requirements,
                        "humanRatings": human_ratings,
                        "labelQueue": label_queue,
                        "compression": compression,
                        "exports": exports,
                    }
                ),
                repeatable=True,
            ),
            timeout,
        )

    def delete(self, name: str, *, etag: str | None = None, timeout: float | None = None) -> None:
        """Delete a project with its deployments, policies, pipeline runs, captured traffic and feedback.

        Datasets, models and other runs stay in storage but cannot be accessed without the project. Refused
        while a pipeline run is in progress or a deployment serves (`IN_USE`).

        Args:
            name: Resource name of the project: `projects/{project}`.
            etag: `etag` that was read with the resource. A stale value is refused; an empty value is not
                checked.
            timeout: Seconds that one attempt may take. Default: that of the client.
        """
        self._transport.send(
            Call("DELETE", expand("/v1/{name=projects/*}", name=name), query=present({"etag": etag})), timeout
        )

    def get(self, name: str, *, timeout: float | None = None) -> Project:
        """Return one project.

        Args:
            name: Resource name of the project: `projects/{project}`.
            timeout: Seconds that one attempt may take. Default: that of the client.
        """
        return self._transport.call(Project, Call("GET", expand("/v1/{name=projects/*}", name=name)), timeout)

    def list(
        self,
        *,
        page_size: int | None = None,
        page_token: str | None = None,
        order_by: str | None = None,
        timeout: float | None = None,
    ) -> SyncPage[Project]:
        """List all projects, oldest first.

        Args:
            page_size: Maximum number of items to return. 0: 100. Values above 1000 are reduced to 1000;
                negative values are refused. A page may hold fewer items.
            page_token: `next_page_token` of the previous page. Empty: the first page. The token of another
                listing is refused.
            order_by: Order of the items: `create_time` (default) or `create_time desc`. The token of another
                order is refused.
            timeout: Seconds that one attempt may take. Default: that of the client.
        """
        return self._transport.page(
            Project,
            "projects",
            Call(
                "GET",
                "/v1/projects",
                query=present({"pageSize": page_size, "pageToken": page_token, "orderBy": order_by}),
            ),
            timeout,
        )

    def update(
        self,
        name: str,
        *,
        display_name: str | Omit = omit,
        labels: Sequence[str] | Omit = omit,
        instructions: str | Omit = omit,
        gate: ProjectGate | Omit = omit,
        training: ProjectTrainingDefaults | Omit = omit,
        rollout: ProjectRolloutDefaults | Omit = omit,
        split: ProjectSplitDefaults | Omit = omit,
        traffic_retention_days: int | Omit = omit,
        require_approval: bool | Omit = omit,
        task: TaskSpec | Omit | None = omit,
        primary_metric: Metric | Omit | None = omit,
        metrics: Sequence[str] | Omit = omit,
        metric_gates: Sequence[ProjectMetricGate] | Omit = omit,
        data_requirements: ProjectDataRequirements | Omit = omit,
        budget: ProjectBudget | Omit = omit,
        label_queue: ProjectLabelQueue | Omit = omit,
        compute: ProjectStageCompute | Omit = omit,
        recipes: Sequence[str] | Omit = omit,
        retraining_recipes: Sequence[str] | Omit = omit,
        curation: Sequence[ProjectCurationStep] | Omit = omit,
        default_consent: FeedbackConsent | Omit = omit,
        tuning: ProjectTuningDefaults | Omit = omit,
        shadow: ShadowAnalysis | Omit = omit,
        group_attribute: str | Omit = omit,
        suites: Sequence[str] | Omit = omit,
        judges: Sequence[str] | Omit = omit,
        judge_requirements: ProjectJudgeRequirements | Omit | None = omit,
        human_ratings: ProjectHumanRatings | Omit | None = omit,
        compression: ProjectCompression | Omit = omit,
        exports: Sequence[ProjectExport] | Omit = omit,
        etag: str | Omit = omit,
        allow_label_removal: bool | None = None,
        timeout: float | None = None,
    ) -> Project:
        """Update a project.

        Pipeline runs that are in progress keep the settings with which they started. The removal of a label
        with which the version in production answers is refused (`LABEL_SERVED`) unless `allow_label_removal`
        is set. Settings out of range: `BAD_PROJECT`.

        Args:
            name: Resource name: `projects/{project}`.
            display_name: Name for people. At most 1,024 characters.
            labels: The same as `task.classify.labels`. A project that is created with labels and without a
                task has the task `classify`. Empty for other tasks.
            instructions: Labeling instructions for annotators, at most 262,144 characters.
            gate: Requirements on a new version.
            training: Training settings of pipeline runs.
            rollout: Rollout settings of pipeline runs.
            split: Split settings of pipeline runs.
            traffic_retention_days: Days to keep captured prompts and answers, 1 to 3,650. Default: 30.
            require_approval: Pipeline runs wait for approval between the gate and the rollout. Default:
                false.
            task: What the model is for. Its kind cannot change.
            primary_metric: Metric that decides between versions. Default: that of the kind of task
                (`macro_f1`, `rouge_l`, `mae`).
            metrics: Names of further metrics to report, at most 32.
            metric_gates: Further requirements on a new version, one for each metric.
            data_requirements: Requirements on the data, checked before training.
            budget: Limits on the resources that pipeline runs use.
            label_queue: Labelling queue that a pipeline run fills and waits for when its data have too few
                answers. Default: none.
            compute: Devices and number formats of the stages.
            recipes: Recipes of the first version, in their order, for example `pretrain`, `sft`, `dpo`.
                Empty: `sft`. Each training begins with the artifact of the one before it: `pretrain`,
                `continued_pretrain`, `sft`, `dpo`, `kto`, `grpo` and `distillation` (from the teacher in
                `tuning.distillation`). `reward_model` trains a model that judges the answers of `dpo` or
                `grpo`, one of which follows it. `classical` (a classical model) and `neural` (a small neural
                model) stand alone.
            retraining_recipes: Recipes of later versions, in their order. Empty: `sft`. Each learns from
                feedback: `sft` and `distillation` from right answers, `dpo` and `reward_model` from
                preferences, `kto` from good and bad answers, `grpo` from prompts whose answers
                `tuning.rewards` check. A run leaves out the recipes that no feedback has come for since the
                last retraining. `classical` and `neural` (right answers, of a classical model and of a small
                neural one) and `auto` stand alone: `auto` takes that one of `sft`, `dpo` and `kto` for which
                the most feedback has come, and `grpo` in the place of `sft` if the project has rewards.
            curation: Settings of the steps of curation. Steps that are not named have their defaults.
            default_consent: Permitted use of feedback that names none. Default: CONSENT_TRAINING.
            tuning: Settings of fine-tuning: which tokens of a conversation are learned, and how much memory
                it takes.
            shadow: Comparison of the new version with the one in production on the same live requests, during
                the rollouts of pipeline runs. Default: none.
            group_attribute: Name of the attribute of records whose values stay in one part of a split, for
                tasks whose records are split by group (`generate`). A record without it is a group of its
                own. At most 64 characters. Default: `conversation`.
            suites: Suites that evaluation applies to each new version in addition to the test parts of its
                data, at most 20: resource names (`projects/{project}/suites/{suite}`) or their last segments.
                A suite must exist and fit the task when it is named (`NOT_FOUND`, `BAD_PROJECT`).
            judges: Judges of the answers of new versions, at most one of each kind: resource names
                (`projects/{project}/judges/{judge}`) or their last segments. Only with a task `generate`. A
                judge must exist and be SUCCEEDED when it is named (`NOT_FOUND`, `BAD_PROJECT`). A judge
                PAIRWISE compares with the version in production: the evaluation of a first version leaves it
                out.
            judge_requirements: What must be known of a judge before a gate names one of its metrics
                (`JUDGE_NOT_TRUSTED`). Not set: the defaults.
            human_ratings: Human ratings that evaluations take in. Only with a task `generate`. Not set: none.
            compression: Compression of the versions that pipeline runs register. A gate decides whether the
                compressed version is rolled out in the place of its source. Default: none.
            exports: Formats in which pipeline runs export the version that they rolled out, in this order; at
                most 8. Default: none.
            etag: Version tag of the changeable fields. Send it with an update or a delete: a stale value is
                refused.
            allow_label_removal: Allow the removal of labels with which a version in production answers.
                Default: false.
            timeout: Seconds that one attempt may take. Default: that of the client.
        """
        return self._transport.call(
            Project,
            Call(
                "PATCH",
                expand("/v1/{name=projects/*}", name=name),
                query=present({"allowLabelRemoval": allow_label_removal}),
                body=changes(
                    {
                        "displayName": display_name,
                        "labels": labels,
                        "instructions": instructions,
                        "gate": gate,
                        "training": training,
                        "rollout": rollout,
                        "split": split,
                        "trafficRetentionDays": traffic_retention_days,
                        "requireApproval": require_approval,
                        "task": task,
                        "primaryMetric": primary_metric,
                        "metrics": metrics,
                        "metricGates": metric_gates,
                        "dataRequirements": data_requirements,
                        "budget": budget,
                        "labelQueue": label_queue,
                        "compute": compute,
                        "recipes": recipes,
                        "retrainingRecipes": retraining_recipes,
                        "curation": curation,
                        "defaultConsent": default_consent,
                        "tuning": tuning,
                        "shadow": shadow,
                        "groupAttribute": group_attribute,
                        "suites": suites,
                        "judges": judges,
                        "judgeRequirements": judge_requirements,
                        "humanRatings": human_ratings,
                        "compression": compression,
                        "exports": exports,
                        "etag": etag,
                    }
                ),
            ),
            timeout,
        )


class AsyncProjectsResource:
    """Purpose of a model and the requirements that its versions must meet."""

    def __init__(self, transport: AsyncTransport) -> None:
        self._transport = transport

    async def apply_sweep(
        self,
        name: str,
        *,
        sweep: str | None = None,
        trial: int | None = None,
        etag: str | None = None,
        timeout: float | None = None,
    ) -> Project:
        """Make the settings of the best trial of a sweep the training settings of the project.

        Pipeline runs use them from then on. Refused: a sweep without a completed trial (`NO_TRIAL`), a
        setting that projects do not have (`SETTING_NOT_SUPPORTED`), a stale `etag`.

        Args:
            name: Resource name of the project: `projects/{project}`.
            sweep: Resource name of the sweep: `projects/{project}/sweeps/{sweep}`.
            trial: Number of the trial. 0: the best one.
            etag: `etag` that was read with the project. A stale value is refused; an empty value is not
                checked.
            timeout: Seconds that one attempt may take. Default: that of the client.
        """
        return await self._transport.call(
            Project,
            Call(
                "POST",
                expand("/v1/{name=projects/*}:applySweep", name=name),
                body=present({"sweep": sweep, "trial": trial, "etag": etag}),
            ),
            timeout,
        )

    async def create(
        self,
        *,
        display_name: str | None = None,
        labels: Sequence[str] | None = None,
        instructions: str | None = None,
        gate: ProjectGate | None = None,
        training: ProjectTrainingDefaults | None = None,
        rollout: ProjectRolloutDefaults | None = None,
        traffic_retention_days: int | None = None,
        split: ProjectSplitDefaults | None = None,
        require_approval: bool | None = None,
        task: TaskSpec | None = None,
        primary_metric: Metric | None = None,
        metrics: Sequence[str] | None = None,
        metric_gates: Sequence[ProjectMetricGate] | None = None,
        data_requirements: ProjectDataRequirements | None = None,
        budget: ProjectBudget | None = None,
        compute: ProjectStageCompute | None = None,
        recipes: Sequence[str] | None = None,
        retraining_recipes: Sequence[str] | None = None,
        curation: Sequence[ProjectCurationStep] | None = None,
        default_consent: FeedbackConsent | None = None,
        group_attribute: str | None = None,
        tuning: ProjectTuningDefaults | None = None,
        shadow: ShadowAnalysis | None = None,
        suites: Sequence[str] | None = None,
        judges: Sequence[str] | None = None,
        judge_requirements: ProjectJudgeRequirements | None = None,
        human_ratings: ProjectHumanRatings | None = None,
        label_queue: ProjectLabelQueue | None = None,
        compression: ProjectCompression | None = None,
        exports: Sequence[ProjectExport] | None = None,
        project_id: str | None = None,
        request_id: str | None = None,
        timeout: float | None = None,
    ) -> Project:
        """Create a project.

        Monitoring of its traffic starts with the creation. Settings out of range are refused (`BAD_PROJECT`);
        the error names the field.

        Args:
            display_name: Name for people. At most 1,024 characters.
            labels: The same as `task.classify.labels`. A project that is created with labels and without a
                task has the task `classify`. Empty for other tasks.
            instructions: Labeling instructions for annotators, at most 262,144 characters.
            gate: Requirements on a new version.
            training: Training settings of pipeline runs.
            rollout: Rollout settings of pipeline runs.
            traffic_retention_days: Days to keep captured prompts and answers, 1 to 3,650. Default: 30.
            split: Split settings of pipeline runs.
            require_approval: Pipeline runs wait for approval between the gate and the rollout. Default:
                false.
            task: What the model is for. Its kind cannot change.
            primary_metric: Metric that decides between versions. Default: that of the kind of task
                (`macro_f1`, `rouge_l`, `mae`).
            metrics: Names of further metrics to report, at most 32.
            metric_gates: Further requirements on a new version, one for each metric.
            data_requirements: Requirements on the data, checked before training.
            budget: Limits on the resources that pipeline runs use.
            compute: Devices and number formats of the stages.
            recipes: Recipes of the first version, in their order, for example `pretrain`, `sft`, `dpo`.
                Empty: `sft`. Each training begins with the artifact of the one before it: `pretrain`,
                `continued_pretrain`, `sft`, `dpo`, `kto`, `grpo` and `distillation` (from the teacher in
                `tuning.distillation`). `reward_model` trains a model that judges the answers of `dpo` or
                `grpo`, one of which follows it. `classical` (a classical model) and `neural` (a small neural
                model) stand alone.
            retraining_recipes: Recipes of later versions, in their order. Empty: `sft`. Each learns from
                feedback: `sft` and `distillation` from right answers, `dpo` and `reward_model` from
                preferences, `kto` from good and bad answers, `grpo` from prompts whose answers
                `tuning.rewards` check. A run leaves out the recipes that no feedback has come for since the
                last retraining. `classical` and `neural` (right answers, of a classical model and of a small
                neural one) and `auto` stand alone: `auto` takes that one of `sft`, `dpo` and `kto` for which
                the most feedback has come, and `grpo` in the place of `sft` if the project has rewards.
            curation: Settings of the steps of curation. Steps that are not named have their defaults.
            default_consent: Permitted use of feedback that names none. Default: CONSENT_TRAINING.
            group_attribute: Name of the attribute of records whose values stay in one part of a split, for
                tasks whose records are split by group (`generate`). A record without it is a group of its
                own. At most 64 characters. Default: `conversation`.
            tuning: Settings of fine-tuning: which tokens of a conversation are learned, and how much memory
                it takes.
            shadow: Comparison of the new version with the one in production on the same live requests, during
                the rollouts of pipeline runs. Default: none.
            suites: Suites that evaluation applies to each new version in addition to the test parts of its
                data, at most 20: resource names (`projects/{project}/suites/{suite}`) or their last segments.
                A suite must exist and fit the task when it is named (`NOT_FOUND`, `BAD_PROJECT`).
            judges: Judges of the answers of new versions, at most one of each kind: resource names
                (`projects/{project}/judges/{judge}`) or their last segments. Only with a task `generate`. A
                judge must exist and be SUCCEEDED when it is named (`NOT_FOUND`, `BAD_PROJECT`). A judge
                PAIRWISE compares with the version in production: the evaluation of a first version leaves it
                out.
            judge_requirements: What must be known of a judge before a gate names one of its metrics
                (`JUDGE_NOT_TRUSTED`). Not set: the defaults.
            human_ratings: Human ratings that evaluations take in. Only with a task `generate`. Not set: none.
            label_queue: Labelling queue that a pipeline run fills and waits for when its data have too few
                answers. Default: none.
            compression: Compression of the versions that pipeline runs register. A gate decides whether the
                compressed version is rolled out in the place of its source. Default: none.
            exports: Formats in which pipeline runs export the version that they rolled out, in this order; at
                most 8. Default: none.
            project_id: Last segment of the resource name: 1 to 63 characters of `a-z`, `0-9`, `-` and `.`;
                the first and the last one are a letter or a digit. Empty: the server generates a UUIDv7.
            request_id: Makes a retry safe: the identical request with the same ID returns the resource that
                it created first. A different request with the same ID is refused. At most 256 characters.
            timeout: Seconds that one attempt may take. Default: that of the client.
        """
        return await self._transport.call(
            Project,
            Call(
                "POST",
                "/v1/projects",
                query=present({"projectId": project_id, "requestId": request_id or new_request_id()}),
                body=present(
                    {
                        "displayName": display_name,
                        "labels": labels,
                        "instructions": instructions,
                        "gate": gate,
                        "training": training,
                        "rollout": rollout,
                        "trafficRetentionDays": traffic_retention_days,
                        "split": split,
                        "requireApproval": require_approval,
                        "task": task,
                        "primaryMetric": primary_metric,
                        "metrics": metrics,
                        "metricGates": metric_gates,
                        "dataRequirements": data_requirements,
                        "budget": budget,
                        "compute": compute,
                        "recipes": recipes,
                        "retrainingRecipes": retraining_recipes,
                        "curation": curation,
                        "defaultConsent": default_consent,
                        "groupAttribute": group_attribute,
                        "tuning": tuning,
                        "shadow": shadow,
                        "suites": suites,
                        "judges": judges,
                        "judgeRequirements": judge_requirements,
                        "humanRatings": human_ratings,
                        "labelQueue": label_queue,
                        "compression": compression,
                        "exports": exports,
                    }
                ),
                repeatable=True,
            ),
            timeout,
        )

    async def delete(self, name: str, *, etag: str | None = None, timeout: float | None = None) -> None:
        """Delete a project with its deployments, policies, pipeline runs, captured traffic and feedback.

        Datasets, models and other runs stay in storage but cannot be accessed without the project. Refused
        while a pipeline run is in progress or a deployment serves (`IN_USE`).

        Args:
            name: Resource name of the project: `projects/{project}`.
            etag: `etag` that was read with the resource. A stale value is refused; an empty value is not
                checked.
            timeout: Seconds that one attempt may take. Default: that of the client.
        """
        await self._transport.send(
            Call("DELETE", expand("/v1/{name=projects/*}", name=name), query=present({"etag": etag})), timeout
        )

    async def get(self, name: str, *, timeout: float | None = None) -> Project:
        """Return one project.

        Args:
            name: Resource name of the project: `projects/{project}`.
            timeout: Seconds that one attempt may take. Default: that of the client.
        """
        return await self._transport.call(
            Project, Call("GET", expand("/v1/{name=projects/*}", name=name)), timeout
        )

    def list(
        self,
        *,
        page_size: int | None = None,
        page_token: str | None = None,
        order_by: str | None = None,
        timeout: float | None = None,
    ) -> AsyncPaginator[Project]:
        """List all projects, oldest first.

        Args:
            page_size: Maximum number of items to return. 0: 100. Values above 1000 are reduced to 1000;
                negative values are refused. A page may hold fewer items.
            page_token: `next_page_token` of the previous page. Empty: the first page. The token of another
                listing is refused.
            order_by: Order of the items: `create_time` (default) or `create_time desc`. The token of another
                order is refused.
            timeout: Seconds that one attempt may take. Default: that of the client.
        """
        return self._transport.page(
            Project,
            "projects",
            Call(
                "GET",
                "/v1/projects",
                query=present({"pageSize": page_size, "pageToken": page_token, "orderBy": order_by}),
            ),
            timeout,
        )

    async def update(
        self,
        name: str,
        *,
        display_name: str | Omit = omit,
        labels: Sequence[str] | Omit = omit,
        instructions: str | Omit = omit,
        gate: ProjectGate | Omit = omit,
        training: ProjectTrainingDefaults | Omit = omit,
        rollout: ProjectRolloutDefaults | Omit = omit,
        split: ProjectSplitDefaults | Omit = omit,
        traffic_retention_days: int | Omit = omit,
        require_approval: bool | Omit = omit,
        task: TaskSpec | Omit | None = omit,
        primary_metric: Metric | Omit | None = omit,
        metrics: Sequence[str] | Omit = omit,
        metric_gates: Sequence[ProjectMetricGate] | Omit = omit,
        data_requirements: ProjectDataRequirements | Omit = omit,
        budget: ProjectBudget | Omit = omit,
        label_queue: ProjectLabelQueue | Omit = omit,
        compute: ProjectStageCompute | Omit = omit,
        recipes: Sequence[str] | Omit = omit,
        retraining_recipes: Sequence[str] | Omit = omit,
        curation: Sequence[ProjectCurationStep] | Omit = omit,
        default_consent: FeedbackConsent | Omit = omit,
        tuning: ProjectTuningDefaults | Omit = omit,
        shadow: ShadowAnalysis | Omit = omit,
        group_attribute: str | Omit = omit,
        suites: Sequence[str] | Omit = omit,
        judges: Sequence[str] | Omit = omit,
        judge_requirements: ProjectJudgeRequirements | Omit | None = omit,
        human_ratings: ProjectHumanRatings | Omit | None = omit,
        compression: ProjectCompression | Omit = omit,
        exports: Sequence[ProjectExport] | Omit = omit,
        etag: str | Omit = omit,
        allow_label_removal: bool | None = None,
        timeout: float | None = None,
    ) -> Project:
        """Update a project.

        Pipeline runs that are in progress keep the settings with which they started. The removal of a label
        with which the version in production answers is refused (`LABEL_SERVED`) unless `allow_label_removal`
        is set. Settings out of range: `BAD_PROJECT`.

        Args:
            name: Resource name: `projects/{project}`.
            display_name: Name for people. At most 1,024 characters.
            labels: The same as `task.classify.labels`. A project that is created with labels and without a
                task has the task `classify`. Empty for other tasks.
            instructions: Labeling instructions for annotators, at most 262,144 characters.
            gate: Requirements on a new version.
            training: Training settings of pipeline runs.
            rollout: Rollout settings of pipeline runs.
            split: Split settings of pipeline runs.
            traffic_retention_days: Days to keep captured prompts and answers, 1 to 3,650. Default: 30.
            require_approval: Pipeline runs wait for approval between the gate and the rollout. Default:
                false.
            task: What the model is for. Its kind cannot change.
            primary_metric: Metric that decides between versions. Default: that of the kind of task
                (`macro_f1`, `rouge_l`, `mae`).
            metrics: Names of further metrics to report, at most 32.
            metric_gates: Further requirements on a new version, one for each metric.
            data_requirements: Requirements on the data, checked before training.
            budget: Limits on the resources that pipeline runs use.
            label_queue: Labelling queue that a pipeline run fills and waits for when its data have too few
                answers. Default: none.
            compute: Devices and number formats of the stages.
            recipes: Recipes of the first version, in their order, for example `pretrain`, `sft`, `dpo`.
                Empty: `sft`. Each training begins with the artifact of the one before it: `pretrain`,
                `continued_pretrain`, `sft`, `dpo`, `kto`, `grpo` and `distillation` (from the teacher in
                `tuning.distillation`). `reward_model` trains a model that judges the answers of `dpo` or
                `grpo`, one of which follows it. `classical` (a classical model) and `neural` (a small neural
                model) stand alone.
            retraining_recipes: Recipes of later versions, in their order. Empty: `sft`. Each learns from
                feedback: `sft` and `distillation` from right answers, `dpo` and `reward_model` from
                preferences, `kto` from good and bad answers, `grpo` from prompts whose answers
                `tuning.rewards` check. A run leaves out the recipes that no feedback has come for since the
                last retraining. `classical` and `neural` (right answers, of a classical model and of a small
                neural one) and `auto` stand alone: `auto` takes that one of `sft`, `dpo` and `kto` for which
                the most feedback has come, and `grpo` in the place of `sft` if the project has rewards.
            curation: Settings of the steps of curation. Steps that are not named have their defaults.
            default_consent: Permitted use of feedback that names none. Default: CONSENT_TRAINING.
            tuning: Settings of fine-tuning: which tokens of a conversation are learned, and how much memory
                it takes.
            shadow: Comparison of the new version with the one in production on the same live requests, during
                the rollouts of pipeline runs. Default: none.
            group_attribute: Name of the attribute of records whose values stay in one part of a split, for
                tasks whose records are split by group (`generate`). A record without it is a group of its
                own. At most 64 characters. Default: `conversation`.
            suites: Suites that evaluation applies to each new version in addition to the test parts of its
                data, at most 20: resource names (`projects/{project}/suites/{suite}`) or their last segments.
                A suite must exist and fit the task when it is named (`NOT_FOUND`, `BAD_PROJECT`).
            judges: Judges of the answers of new versions, at most one of each kind: resource names
                (`projects/{project}/judges/{judge}`) or their last segments. Only with a task `generate`. A
                judge must exist and be SUCCEEDED when it is named (`NOT_FOUND`, `BAD_PROJECT`). A judge
                PAIRWISE compares with the version in production: the evaluation of a first version leaves it
                out.
            judge_requirements: What must be known of a judge before a gate names one of its metrics
                (`JUDGE_NOT_TRUSTED`). Not set: the defaults.
            human_ratings: Human ratings that evaluations take in. Only with a task `generate`. Not set: none.
            compression: Compression of the versions that pipeline runs register. A gate decides whether the
                compressed version is rolled out in the place of its source. Default: none.
            exports: Formats in which pipeline runs export the version that they rolled out, in this order; at
                most 8. Default: none.
            etag: Version tag of the changeable fields. Send it with an update or a delete: a stale value is
                refused.
            allow_label_removal: Allow the removal of labels with which a version in production answers.
                Default: false.
            timeout: Seconds that one attempt may take. Default: that of the client.
        """
        return await self._transport.call(
            Project,
            Call(
                "PATCH",
                expand("/v1/{name=projects/*}", name=name),
                query=present({"allowLabelRemoval": allow_label_removal}),
                body=changes(
                    {
                        "displayName": display_name,
                        "labels": labels,
                        "instructions": instructions,
                        "gate": gate,
                        "training": training,
                        "rollout": rollout,
                        "split": split,
                        "trafficRetentionDays": traffic_retention_days,
                        "requireApproval": require_approval,
                        "task": task,
                        "primaryMetric": primary_metric,
                        "metrics": metrics,
                        "metricGates": metric_gates,
                        "dataRequirements": data_requirements,
                        "budget": budget,
                        "labelQueue": label_queue,
                        "compute": compute,
                        "recipes": recipes,
                        "retrainingRecipes": retraining_recipes,
                        "curation": curation,
                        "defaultConsent": default_consent,
                        "tuning": tuning,
                        "shadow": shadow,
                        "groupAttribute": group_attribute,
                        "suites": suites,
                        "judges": judges,
                        "judgeRequirements": judge_requirements,
                        "humanRatings": human_ratings,
                        "compression": compression,
                        "exports": exports,
                        "etag": etag,
                    }
                ),
            ),
            timeout,
        )


class TrafficSegmentsResource:
    """Closed segment of captured traffic in the artifact store."""

    def __init__(self, transport: SyncTransport) -> None:
        self._transport = transport

    def list(
        self,
        parent: str,
        *,
        page_size: int | None = None,
        page_token: str | None = None,
        order_by: str | None = None,
        timeout: float | None = None,
    ) -> SyncPage[TrafficSegment]:
        """List the traffic segments of a project, oldest first.

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
            TrafficSegment,
            "trafficSegments",
            Call(
                "GET",
                expand("/v1/{parent=projects/*}/trafficSegments", parent=parent),
                query=present({"pageSize": page_size, "pageToken": page_token, "orderBy": order_by}),
            ),
            timeout,
        )


class AsyncTrafficSegmentsResource:
    """Closed segment of captured traffic in the artifact store."""

    def __init__(self, transport: AsyncTransport) -> None:
        self._transport = transport

    def list(
        self,
        parent: str,
        *,
        page_size: int | None = None,
        page_token: str | None = None,
        order_by: str | None = None,
        timeout: float | None = None,
    ) -> AsyncPaginator[TrafficSegment]:
        """List the traffic segments of a project, oldest first.

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
            TrafficSegment,
            "trafficSegments",
            Call(
                "GET",
                expand("/v1/{parent=projects/*}/trafficSegments", parent=parent),
                query=present({"pageSize": page_size, "pageToken": page_token, "orderBy": order_by}),
            ),
            timeout,
        )
