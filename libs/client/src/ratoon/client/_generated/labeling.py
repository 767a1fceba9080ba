# Generated from protos/ by scripts/client.py; `make proto` writes it again.
"""Resources of labeling."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime

from ratoon.client._generated.common_types import TaskSpec
from ratoon.client._generated.labeling_types import (
    AddGoldItemsRequestGoldItem,
    AddGoldItemsResponse,
    Annotation,
    AnnotationSource,
    BatchCreateAnnotationsResponse,
    BatchCreateTasksResponse,
    ClaimTaskResponse,
    ExchangeFormat,
    ExportQueueResponse,
    Guideline,
    GuidelineConflictPolicy,
    GuidelineExample,
    GuidelineVersion,
    ImportAnnotationsResponse,
    LabelSet,
    MarkSpec,
    Preference,
    Queue,
    QueueIntakeRule,
    QueuePreLabels,
    QueueRefillRule,
    Refill,
    SubmitTaskResponse,
    SummarizeQueueResponse,
    SummarizeRatingsResponse,
    SummarizeTasksResponse,
    Task,
    TaskReviewDecision,
    TaskWork,
    VersionChange,
)
from ratoon.client._models import changes, present
from ratoon.client._omit import Omit, omit
from ratoon.client._pagination import AsyncPaginator, SyncPage
from ratoon.client._paths import expand
from ratoon.client._transport import AsyncTransport, Call, SyncTransport, new_request_id
from ratoon.client._watch import AsyncWatch, SyncWatch


class AnnotationsResource:
    """Answer that an annotator gave to a record."""

    def __init__(self, transport: SyncTransport) -> None:
        self._transport = transport

    def batch_create(
        self,
        parent: str,
        *,
        annotations: Sequence[Annotation] | None = None,
        request_id: str | None = None,
        timeout: float | None = None,
    ) -> BatchCreateAnnotationsResponse:
        """Annotate up to 1,000 records, for import from other tools.

        All annotations are created, or none. Refused as by `CreateAnnotation`, and a number of annotations
        out of range (`BAD_BATCH`).

        Args:
            parent: Resource name of the project: `projects/{project}`.
            annotations: The annotations to create, 1 to 1,000. Only `record_id`, `content_digest`, `label`,
                `annotator` and `source` are read.
            request_id: Makes a retry safe: the same annotations with the same ID are created once. At most
                200 characters.
            timeout: Seconds that one attempt may take. Default: that of the client.
        """
        return self._transport.call(
            BatchCreateAnnotationsResponse,
            Call(
                "POST",
                expand("/v1/{parent=projects/*}/annotations:batchCreate", parent=parent),
                body=present({"annotations": annotations, "requestId": request_id or new_request_id()}),
                repeatable=True,
            ),
            timeout,
        )

    def create(
        self,
        parent: str,
        *,
        record_id: str | None = None,
        content_digest: str | None = None,
        label: str | None = None,
        annotator: str | None = None,
        source: AnnotationSource | None = None,
        annotation_id: str | None = None,
        request_id: str | None = None,
        timeout: float | None = None,
    ) -> Annotation:
        """Annotate a record.

        Refused: no record (`RECORD_MISSING`), an empty or too long answer (`BAD_LABEL`), the source FEEDBACK
        unless the caller is a service (`SOURCE_NOT_YOURS`).

        Args:
            parent: Resource name of the project: `projects/{project}`.
            record_id: ID of the record. Required.
            content_digest: Digest of the text that was labelled. Empty: not stated.
            label: The answer, 1 to 65,536 characters: a label (several: one a line), a text or a number.
            annotator: Identity of the person, service or import that labelled. For annotations of people, the
                identity of the caller is used.
            source: Origin of the annotation. Default: HUMAN. FEEDBACK is refused unless the caller is a
                service.
            annotation_id: Last segment of the resource name: 1 to 63 characters of `a-z`, `0-9`, `-` and `.`;
                the first and the last one are a letter or a digit. Empty: the server generates a UUIDv7.
            request_id: Makes a retry safe: the identical request with the same ID returns the resource that
                it created first. A different request with the same ID is refused. At most 256 characters.
            timeout: Seconds that one attempt may take. Default: that of the client.
        """
        return self._transport.call(
            Annotation,
            Call(
                "POST",
                expand("/v1/{parent=projects/*}/annotations", parent=parent),
                query=present({"annotationId": annotation_id, "requestId": request_id or new_request_id()}),
                body=present(
                    {
                        "recordId": record_id,
                        "contentDigest": content_digest,
                        "label": label,
                        "annotator": annotator,
                        "source": source,
                    }
                ),
                repeatable=True,
            ),
            timeout,
        )

    def get(
        self,
        name: str,
        *,
        reader: str | None = None,
        purpose: str | None = None,
        timeout: float | None = None,
    ) -> Annotation:
        """Return one annotation.

        That of a sealed record does not exist for callers, except their own ones, unless an engineer sets
        `reader` and `purpose`: the reading is then logged at the split.

        Args:
            name: Resource name of the annotation: `projects/{project}/annotations/{annotation}`.
            reader: Reader of the annotation of a sealed record: a resource name, for example of a task.
                Engineers alone may read them.
            purpose: Purpose of the reading of sealed records. It is logged at the split.
            timeout: Seconds that one attempt may take. Default: that of the client.
        """
        return self._transport.call(
            Annotation,
            Call(
                "GET",
                expand("/v1/{name=projects/*/annotations/*}", name=name),
                query=present({"reader": reader, "purpose": purpose}),
            ),
            timeout,
        )

    def import_file(
        self,
        parent: str,
        *,
        dataset_version: str | None = None,
        guideline: str | None = None,
        digest: str | None = None,
        format: ExchangeFormat | None = None,
        control: str | None = None,
        source: AnnotationSource | None = None,
        timeout: float | None = None,
    ) -> ImportAnnotationsResponse:
        """Store the answers in a file of another annotation tool as annotations of records of a dataset
        version.

        The same answers are stored once. What is left out is counted by reason. Refused: a file that does not
        have the format (`BAD_EXCHANGE`), one of more than 64 MiB (`FILE_TOO_LARGE`), one that was not
        uploaded (`ARTIFACT_MISSING`), a dataset version that is not READY (`DATASET_NOT_READY`).

        Args:
            parent: Resource name of the project: `projects/{project}`.
            dataset_version: Resource name of the dataset version that holds the records. A record is found by
                its ID, which an export of a queue holds, else by its text; white space does not count.
            guideline: Resource name of the guideline by whose rules the answers are valid.
            digest: SHA-256 digest of the file, which was uploaded before; at most 64 MiB.
            format: Format of the file. Required.
            control: Name of the control of Label Studio, or of the question of Argilla, whose answers count.
                Empty: the first one.
            source: Origin of the annotations. Default: IMPORT. HUMAN: people gave the answers, and the caller
                vouches for it.
            timeout: Seconds that one attempt may take. Default: that of the client.
        """
        return self._transport.call(
            ImportAnnotationsResponse,
            Call(
                "POST",
                expand("/v1/{parent=projects/*}/annotations:importFile", parent=parent),
                body=present(
                    {
                        "datasetVersion": dataset_version,
                        "guideline": guideline,
                        "digest": digest,
                        "format": format,
                        "control": control,
                        "source": source,
                    }
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
        reader: str | None = None,
        purpose: str | None = None,
        timeout: float | None = None,
    ) -> SyncPage[Annotation]:
        """List the annotations of a project, oldest first.

        Those of sealed records are left out, except the caller's own ones, unless an engineer sets `reader`
        and `purpose`: the reading is then logged at the split.

        Args:
            parent: Resource name of the project: `projects/{project}`.
            page_size: Maximum number of items to return. 0: 100. Values above 1000 are reduced to 1000;
                negative values are refused. A page may hold fewer items.
            page_token: `next_page_token` of the previous page. Empty: the first page. The token of another
                listing is refused.
            order_by: Order of the items: `create_time` (default) or `create_time desc`. The token of another
                order is refused.
            reader: Reader of annotations of sealed records: a resource name, for example of a task. Engineers
                alone may read them.
            purpose: Purpose of the reading of sealed records. It is logged at the split.
            timeout: Seconds that one attempt may take. Default: that of the client.
        """
        return self._transport.page(
            Annotation,
            "annotations",
            Call(
                "GET",
                expand("/v1/{parent=projects/*}/annotations", parent=parent),
                query=present(
                    {
                        "pageSize": page_size,
                        "pageToken": page_token,
                        "orderBy": order_by,
                        "reader": reader,
                        "purpose": purpose,
                    }
                ),
            ),
            timeout,
        )


class AsyncAnnotationsResource:
    """Answer that an annotator gave to a record."""

    def __init__(self, transport: AsyncTransport) -> None:
        self._transport = transport

    async def batch_create(
        self,
        parent: str,
        *,
        annotations: Sequence[Annotation] | None = None,
        request_id: str | None = None,
        timeout: float | None = None,
    ) -> BatchCreateAnnotationsResponse:
        """Annotate up to 1,000 records, for import from other tools.

        All annotations are created, or none. Refused as by `CreateAnnotation`, and a number of annotations
        out of range (`BAD_BATCH`).

        Args:
            parent: Resource name of the project: `projects/{project}`.
            annotations: The annotations to create, 1 to 1,000. Only `record_id`, `content_digest`, `label`,
                `annotator` and `source` are read.
            request_id: Makes a retry safe: the same annotations with the same ID are created once. At most
                200 characters.
            timeout: Seconds that one attempt may take. Default: that of the client.
        """
        return await self._transport.call(
            BatchCreateAnnotationsResponse,
            Call(
                "POST",
                expand("/v1/{parent=projects/*}/annotations:batchCreate", parent=parent),
                body=present({"annotations": annotations, "requestId": request_id or new_request_id()}),
                repeatable=True,
            ),
            timeout,
        )

    async def create(
        self,
        parent: str,
        *,
        record_id: str | None = None,
        content_digest: str | None = None,
        label: str | None = None,
        annotator: str | None = None,
        source: AnnotationSource | None = None,
        annotation_id: str | None = None,
        request_id: str | None = None,
        timeout: float | None = None,
    ) -> Annotation:
        """Annotate a record.

        Refused: no record (`RECORD_MISSING`), an empty or too long answer (`BAD_LABEL`), the source FEEDBACK
        unless the caller is a service (`SOURCE_NOT_YOURS`).

        Args:
            parent: Resource name of the project: `projects/{project}`.
            record_id: ID of the record. Required.
            content_digest: Digest of the text that was labelled. Empty: not stated.
            label: The answer, 1 to 65,536 characters: a label (several: one a line), a text or a number.
            annotator: Identity of the person, service or import that labelled. For annotations of people, the
                identity of the caller is used.
            source: Origin of the annotation. Default: HUMAN. FEEDBACK is refused unless the caller is a
                service.
            annotation_id: Last segment of the resource name: 1 to 63 characters of `a-z`, `0-9`, `-` and `.`;
                the first and the last one are a letter or a digit. Empty: the server generates a UUIDv7.
            request_id: Makes a retry safe: the identical request with the same ID returns the resource that
                it created first. A different request with the same ID is refused. At most 256 characters.
            timeout: Seconds that one attempt may take. Default: that of the client.
        """
        return await self._transport.call(
            Annotation,
            Call(
                "POST",
                expand("/v1/{parent=projects/*}/annotations", parent=parent),
                query=present({"annotationId": annotation_id, "requestId": request_id or new_request_id()}),
                body=present(
                    {
                        "recordId": record_id,
                        "contentDigest": content_digest,
                        "label": label,
                        "annotator": annotator,
                        "source": source,
                    }
                ),
                repeatable=True,
            ),
            timeout,
        )

    async def get(
        self,
        name: str,
        *,
        reader: str | None = None,
        purpose: str | None = None,
        timeout: float | None = None,
    ) -> Annotation:
        """Return one annotation.

        That of a sealed record does not exist for callers, except their own ones, unless an engineer sets
        `reader` and `purpose`: the reading is then logged at the split.

        Args:
            name: Resource name of the annotation: `projects/{project}/annotations/{annotation}`.
            reader: Reader of the annotation of a sealed record: a resource name, for example of a task.
                Engineers alone may read them.
            purpose: Purpose of the reading of sealed records. It is logged at the split.
            timeout: Seconds that one attempt may take. Default: that of the client.
        """
        return await self._transport.call(
            Annotation,
            Call(
                "GET",
                expand("/v1/{name=projects/*/annotations/*}", name=name),
                query=present({"reader": reader, "purpose": purpose}),
            ),
            timeout,
        )

    async def import_file(
        self,
        parent: str,
        *,
        dataset_version: str | None = None,
        guideline: str | None = None,
        digest: str | None = None,
        format: ExchangeFormat | None = None,
        control: str | None = None,
        source: AnnotationSource | None = None,
        timeout: float | None = None,
    ) -> ImportAnnotationsResponse:
        """Store the answers in a file of another annotation tool as annotations of records of a dataset
        version.

        The same answers are stored once. What is left out is counted by reason. Refused: a file that does not
        have the format (`BAD_EXCHANGE`), one of more than 64 MiB (`FILE_TOO_LARGE`), one that was not
        uploaded (`ARTIFACT_MISSING`), a dataset version that is not READY (`DATASET_NOT_READY`).

        Args:
            parent: Resource name of the project: `projects/{project}`.
            dataset_version: Resource name of the dataset version that holds the records. A record is found by
                its ID, which an export of a queue holds, else by its text; white space does not count.
            guideline: Resource name of the guideline by whose rules the answers are valid.
            digest: SHA-256 digest of the file, which was uploaded before; at most 64 MiB.
            format: Format of the file. Required.
            control: Name of the control of Label Studio, or of the question of Argilla, whose answers count.
                Empty: the first one.
            source: Origin of the annotations. Default: IMPORT. HUMAN: people gave the answers, and the caller
                vouches for it.
            timeout: Seconds that one attempt may take. Default: that of the client.
        """
        return await self._transport.call(
            ImportAnnotationsResponse,
            Call(
                "POST",
                expand("/v1/{parent=projects/*}/annotations:importFile", parent=parent),
                body=present(
                    {
                        "datasetVersion": dataset_version,
                        "guideline": guideline,
                        "digest": digest,
                        "format": format,
                        "control": control,
                        "source": source,
                    }
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
        reader: str | None = None,
        purpose: str | None = None,
        timeout: float | None = None,
    ) -> AsyncPaginator[Annotation]:
        """List the annotations of a project, oldest first.

        Those of sealed records are left out, except the caller's own ones, unless an engineer sets `reader`
        and `purpose`: the reading is then logged at the split.

        Args:
            parent: Resource name of the project: `projects/{project}`.
            page_size: Maximum number of items to return. 0: 100. Values above 1000 are reduced to 1000;
                negative values are refused. A page may hold fewer items.
            page_token: `next_page_token` of the previous page. Empty: the first page. The token of another
                listing is refused.
            order_by: Order of the items: `create_time` (default) or `create_time desc`. The token of another
                order is refused.
            reader: Reader of annotations of sealed records: a resource name, for example of a task. Engineers
                alone may read them.
            purpose: Purpose of the reading of sealed records. It is logged at the split.
            timeout: Seconds that one attempt may take. Default: that of the client.
        """
        return self._transport.page(
            Annotation,
            "annotations",
            Call(
                "GET",
                expand("/v1/{parent=projects/*}/annotations", parent=parent),
                query=present(
                    {
                        "pageSize": page_size,
                        "pageToken": page_token,
                        "orderBy": order_by,
                        "reader": reader,
                        "purpose": purpose,
                    }
                ),
            ),
            timeout,
        )


class GuidelineVersionsResource:
    """Version of a guideline, and what it means for the answers that were given under earlier ones."""

    def __init__(self, transport: SyncTransport) -> None:
        self._transport = transport

    def get(self, name: str, *, timeout: float | None = None) -> GuidelineVersion:
        """Return one version of a guideline.

        Args:
            name: Resource name of the version:
                `projects/{project}/guidelines/{guideline}/versions/{version}`.
            timeout: Seconds that one attempt may take. Default: that of the client.
        """
        return self._transport.call(
            GuidelineVersion,
            Call("GET", expand("/v1/{name=projects/*/guidelines/*/versions/*}", name=name)),
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
    ) -> SyncPage[GuidelineVersion]:
        """List the versions of a guideline, oldest first.

        Args:
            parent: Resource name of the guideline: `projects/{project}/guidelines/{guideline}`.
            page_size: Maximum number of items to return. 0: 100. Values above 1000 are reduced to 1000;
                negative values are refused. A page may hold fewer items.
            page_token: `next_page_token` of the previous page. Empty: the first page. The token of another
                listing is refused.
            order_by: Order of the items: `create_time` (default) or `create_time desc`. The token of another
                order is refused.
            timeout: Seconds that one attempt may take. Default: that of the client.
        """
        return self._transport.page(
            GuidelineVersion,
            "guidelineVersions",
            Call(
                "GET",
                expand("/v1/{parent=projects/*/guidelines/*}/versions", parent=parent),
                query=present({"pageSize": page_size, "pageToken": page_token, "orderBy": order_by}),
            ),
            timeout,
        )


class AsyncGuidelineVersionsResource:
    """Version of a guideline, and what it means for the answers that were given under earlier ones."""

    def __init__(self, transport: AsyncTransport) -> None:
        self._transport = transport

    async def get(self, name: str, *, timeout: float | None = None) -> GuidelineVersion:
        """Return one version of a guideline.

        Args:
            name: Resource name of the version:
                `projects/{project}/guidelines/{guideline}/versions/{version}`.
            timeout: Seconds that one attempt may take. Default: that of the client.
        """
        return await self._transport.call(
            GuidelineVersion,
            Call("GET", expand("/v1/{name=projects/*/guidelines/*/versions/*}", name=name)),
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
    ) -> AsyncPaginator[GuidelineVersion]:
        """List the versions of a guideline, oldest first.

        Args:
            parent: Resource name of the guideline: `projects/{project}/guidelines/{guideline}`.
            page_size: Maximum number of items to return. 0: 100. Values above 1000 are reduced to 1000;
                negative values are refused. A page may hold fewer items.
            page_token: `next_page_token` of the previous page. Empty: the first page. The token of another
                listing is refused.
            order_by: Order of the items: `create_time` (default) or `create_time desc`. The token of another
                order is refused.
            timeout: Seconds that one attempt may take. Default: that of the client.
        """
        return self._transport.page(
            GuidelineVersion,
            "guidelineVersions",
            Call(
                "GET",
                expand("/v1/{parent=projects/*/guidelines/*}/versions", parent=parent),
                query=present({"pageSize": page_size, "pageToken": page_token, "orderBy": order_by}),
            ),
            timeout,
        )


class GuidelinesResource:
    """Instructions for annotators, and what they enter."""

    def __init__(self, transport: SyncTransport) -> None:
        self._transport = transport

    def create(
        self,
        parent: str,
        *,
        instructions: str | None = None,
        purpose: str | None = None,
        ambiguity: str | None = None,
        examples: Sequence[GuidelineExample] | None = None,
        labels: Sequence[str] | None = None,
        task: TaskSpec | None = None,
        marks: MarkSpec | None = None,
        conflict_policy: GuidelineConflictPolicy | None = None,
        guideline_id: str | None = None,
        request_id: str | None = None,
        label_config: str | None = None,
        label_control: str | None = None,
        timeout: float | None = None,
    ) -> Guideline:
        """Create a guideline.

        Refused: fewer than two labels, empty, padded or repeated ones (`BAD_LABELS`), settings of the task
        that are out of range (`BAD_TASK`), a conflict policy that the kind of task does not have
        (`BAD_CONFLICT_POLICY`).

        Args:
            parent: Resource name of the project: `projects/{project}`.
            instructions: Instructions for annotators, at most 262,144 characters.
            purpose: What the labels are for, at most 262,144 characters.
            ambiguity: How to decide ambiguous records, at most 262,144 characters.
            examples: Examples of answers, at most 1,000.
            labels: The same as `task.classify.labels`: 2 to 1,000 labels to choose from, of at most 200
                characters each. Empty, padded and repeated labels are refused. Other kinds of task have none.
            task: What the model is for, which decides what annotators enter: labels, a text or a number. A
                request may give `labels` instead. An update changes `labels` alone.
            marks: Spans or boxes that annotators mark. The task of the model is then `generate` with JSON
                answers. Not set: the task says what annotators enter. An update changes `labels` alone.
            conflict_policy: How several annotations of one record become one answer. Default: HUMAN_FIRST; of
                numbers MEAN.
            guideline_id: Last segment of the resource name: 1 to 63 characters of `a-z`, `0-9`, `-` and `.`;
                the first and the last one are a letter or a digit. Empty: the server generates a UUIDv7.
            request_id: Makes a retry safe: the identical request with the same ID returns the resource that
                it created first. A different request with the same ID is refused. At most 256 characters.
            label_config: Labeling config of Label Studio, from which labels, task or marks are taken, and
                instructions if `guideline` has none. Refused with `labels`, `task` or `marks`, and without a
                control that Ratoon has (`BAD_EXCHANGE`).
            label_control: Name of the control of `label_config` that annotators use. Empty: the first one.
            timeout: Seconds that one attempt may take. Default: that of the client.
        """
        return self._transport.call(
            Guideline,
            Call(
                "POST",
                expand("/v1/{parent=projects/*}/guidelines", parent=parent),
                query=present(
                    {
                        "guidelineId": guideline_id,
                        "requestId": request_id or new_request_id(),
                        "labelConfig": label_config,
                        "labelControl": label_control,
                    }
                ),
                body=present(
                    {
                        "instructions": instructions,
                        "purpose": purpose,
                        "ambiguity": ambiguity,
                        "examples": examples,
                        "labels": labels,
                        "task": task,
                        "marks": marks,
                        "conflictPolicy": conflict_policy,
                    }
                ),
                repeatable=True,
            ),
            timeout,
        )

    def delete(self, name: str, *, etag: str | None = None, timeout: float | None = None) -> None:
        """Delete a guideline.

        Existing label sets keep the labels and the conflict policy with which they were created. Refused
        while a label set is being created with it (`IN_USE`).

        Args:
            name: Resource name of the guideline: `projects/{project}/guidelines/{guideline}`.
            etag: `etag` that was read with the resource. A stale value is refused; an empty value is not
                checked.
            timeout: Seconds that one attempt may take. Default: that of the client.
        """
        self._transport.send(
            Call(
                "DELETE",
                expand("/v1/{name=projects/*/guidelines/*}", name=name),
                query=present({"etag": etag}),
            ),
            timeout,
        )

    def get(self, name: str, *, timeout: float | None = None) -> Guideline:
        """Return one guideline.

        Args:
            name: Resource name of the guideline: `projects/{project}/guidelines/{guideline}`.
            timeout: Seconds that one attempt may take. Default: that of the client.
        """
        return self._transport.call(
            Guideline, Call("GET", expand("/v1/{name=projects/*/guidelines/*}", name=name)), timeout
        )

    def list(
        self,
        parent: str,
        *,
        page_size: int | None = None,
        page_token: str | None = None,
        order_by: str | None = None,
        timeout: float | None = None,
    ) -> SyncPage[Guideline]:
        """List the guidelines of a project, oldest first.

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
            Guideline,
            "guidelines",
            Call(
                "GET",
                expand("/v1/{parent=projects/*}/guidelines", parent=parent),
                query=present({"pageSize": page_size, "pageToken": page_token, "orderBy": order_by}),
            ),
            timeout,
        )

    def update(
        self,
        name: str,
        *,
        instructions: str | Omit = omit,
        labels: Sequence[str] | Omit = omit,
        conflict_policy: GuidelineConflictPolicy | Omit = omit,
        purpose: str | Omit = omit,
        ambiguity: str | Omit = omit,
        examples: Sequence[GuidelineExample] | Omit = omit,
        change: VersionChange | Omit | None = omit,
        etag: str | Omit = omit,
        timeout: float | None = None,
    ) -> Guideline:
        """Update a guideline: a new version.

        Existing label sets keep the labels and the conflict policy with which they were created. `change`
        says what the version means for earlier answers; with ASK_AGAIN, tasks of queues are opened again.
        Refusals of `CreateGuideline` apply.

        Args:
            name: Resource name: `projects/{project}/guidelines/{guideline}`.
            instructions: Instructions for annotators, at most 262,144 characters.
            labels: The same as `task.classify.labels`: 2 to 1,000 labels to choose from, of at most 200
                characters each. Empty, padded and repeated labels are refused. Other kinds of task have none.
            conflict_policy: How several annotations of one record become one answer. Default: HUMAN_FIRST; of
                numbers MEAN.
            purpose: What the labels are for, at most 262,144 characters.
            ambiguity: How to decide ambiguous records, at most 262,144 characters.
            examples: Examples of answers, at most 1,000.
            change: What this version means for the answers that were given under earlier ones. Of an update:
                what the version means that it creates. Default: they stay valid.
            etag: Version tag of the changeable fields. Send it with an update or a delete: a stale value is
                refused.
            timeout: Seconds that one attempt may take. Default: that of the client.
        """
        return self._transport.call(
            Guideline,
            Call(
                "PATCH",
                expand("/v1/{name=projects/*/guidelines/*}", name=name),
                body=changes(
                    {
                        "instructions": instructions,
                        "labels": labels,
                        "conflictPolicy": conflict_policy,
                        "purpose": purpose,
                        "ambiguity": ambiguity,
                        "examples": examples,
                        "change": change,
                        "etag": etag,
                    }
                ),
            ),
            timeout,
        )


class AsyncGuidelinesResource:
    """Instructions for annotators, and what they enter."""

    def __init__(self, transport: AsyncTransport) -> None:
        self._transport = transport

    async def create(
        self,
        parent: str,
        *,
        instructions: str | None = None,
        purpose: str | None = None,
        ambiguity: str | None = None,
        examples: Sequence[GuidelineExample] | None = None,
        labels: Sequence[str] | None = None,
        task: TaskSpec | None = None,
        marks: MarkSpec | None = None,
        conflict_policy: GuidelineConflictPolicy | None = None,
        guideline_id: str | None = None,
        request_id: str | None = None,
        label_config: str | None = None,
        label_control: str | None = None,
        timeout: float | None = None,
    ) -> Guideline:
        """Create a guideline.

        Refused: fewer than two labels, empty, padded or repeated ones (`BAD_LABELS`), settings of the task
        that are out of range (`BAD_TASK`), a conflict policy that the kind of task does not have
        (`BAD_CONFLICT_POLICY`).

        Args:
            parent: Resource name of the project: `projects/{project}`.
            instructions: Instructions for annotators, at most 262,144 characters.
            purpose: What the labels are for, at most 262,144 characters.
            ambiguity: How to decide ambiguous records, at most 262,144 characters.
            examples: Examples of answers, at most 1,000.
            labels: The same as `task.classify.labels`: 2 to 1,000 labels to choose from, of at most 200
                characters each. Empty, padded and repeated labels are refused. Other kinds of task have none.
            task: What the model is for, which decides what annotators enter: labels, a text or a number. A
                request may give `labels` instead. An update changes `labels` alone.
            marks: Spans or boxes that annotators mark. The task of the model is then `generate` with JSON
                answers. Not set: the task says what annotators enter. An update changes `labels` alone.
            conflict_policy: How several annotations of one record become one answer. Default: HUMAN_FIRST; of
                numbers MEAN.
            guideline_id: Last segment of the resource name: 1 to 63 characters of `a-z`, `0-9`, `-` and `.`;
                the first and the last one are a letter or a digit. Empty: the server generates a UUIDv7.
            request_id: Makes a retry safe: the identical request with the same ID returns the resource that
                it created first. A different request with the same ID is refused. At most 256 characters.
            label_config: Labeling config of Label Studio, from which labels, task or marks are taken, and
                instructions if `guideline` has none. Refused with `labels`, `task` or `marks`, and without a
                control that Ratoon has (`BAD_EXCHANGE`).
            label_control: Name of the control of `label_config` that annotators use. Empty: the first one.
            timeout: Seconds that one attempt may take. Default: that of the client.
        """
        return await self._transport.call(
            Guideline,
            Call(
                "POST",
                expand("/v1/{parent=projects/*}/guidelines", parent=parent),
                query=present(
                    {
                        "guidelineId": guideline_id,
                        "requestId": request_id or new_request_id(),
                        "labelConfig": label_config,
                        "labelControl": label_control,
                    }
                ),
                body=present(
                    {
                        "instructions": instructions,
                        "purpose": purpose,
                        "ambiguity": ambiguity,
                        "examples": examples,
                        "labels": labels,
                        "task": task,
                        "marks": marks,
                        "conflictPolicy": conflict_policy,
                    }
                ),
                repeatable=True,
            ),
            timeout,
        )

    async def delete(self, name: str, *, etag: str | None = None, timeout: float | None = None) -> None:
        """Delete a guideline.

        Existing label sets keep the labels and the conflict policy with which they were created. Refused
        while a label set is being created with it (`IN_USE`).

        Args:
            name: Resource name of the guideline: `projects/{project}/guidelines/{guideline}`.
            etag: `etag` that was read with the resource. A stale value is refused; an empty value is not
                checked.
            timeout: Seconds that one attempt may take. Default: that of the client.
        """
        await self._transport.send(
            Call(
                "DELETE",
                expand("/v1/{name=projects/*/guidelines/*}", name=name),
                query=present({"etag": etag}),
            ),
            timeout,
        )

    async def get(self, name: str, *, timeout: float | None = None) -> Guideline:
        """Return one guideline.

        Args:
            name: Resource name of the guideline: `projects/{project}/guidelines/{guideline}`.
            timeout: Seconds that one attempt may take. Default: that of the client.
        """
        return await self._transport.call(
            Guideline, Call("GET", expand("/v1/{name=projects/*/guidelines/*}", name=name)), timeout
        )

    def list(
        self,
        parent: str,
        *,
        page_size: int | None = None,
        page_token: str | None = None,
        order_by: str | None = None,
        timeout: float | None = None,
    ) -> AsyncPaginator[Guideline]:
        """List the guidelines of a project, oldest first.

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
            Guideline,
            "guidelines",
            Call(
                "GET",
                expand("/v1/{parent=projects/*}/guidelines", parent=parent),
                query=present({"pageSize": page_size, "pageToken": page_token, "orderBy": order_by}),
            ),
            timeout,
        )

    async def update(
        self,
        name: str,
        *,
        instructions: str | Omit = omit,
        labels: Sequence[str] | Omit = omit,
        conflict_policy: GuidelineConflictPolicy | Omit = omit,
        purpose: str | Omit = omit,
        ambiguity: str | Omit = omit,
        examples: Sequence[GuidelineExample] | Omit = omit,
        change: VersionChange | Omit | None = omit,
        etag: str | Omit = omit,
        timeout: float | None = None,
    ) -> Guideline:
        """Update a guideline: a new version.

        Existing label sets keep the labels and the conflict policy with which they were created. `change`
        says what the version means for earlier answers; with ASK_AGAIN, tasks of queues are opened again.
        Refusals of `CreateGuideline` apply.

        Args:
            name: Resource name: `projects/{project}/guidelines/{guideline}`.
            instructions: Instructions for annotators, at most 262,144 characters.
            labels: The same as `task.classify.labels`: 2 to 1,000 labels to choose from, of at most 200
                characters each. Empty, padded and repeated labels are refused. Other kinds of task have none.
            conflict_policy: How several annotations of one record become one answer. Default: HUMAN_FIRST; of
                numbers MEAN.
            purpose: What the labels are for, at most 262,144 characters.
            ambiguity: How to decide ambiguous records, at most 262,144 characters.
            examples: Examples of answers, at most 1,000.
            change: What this version means for the answers that were given under earlier ones. Of an update:
                what the version means that it creates. Default: they stay valid.
            etag: Version tag of the changeable fields. Send it with an update or a delete: a stale value is
                refused.
            timeout: Seconds that one attempt may take. Default: that of the client.
        """
        return await self._transport.call(
            Guideline,
            Call(
                "PATCH",
                expand("/v1/{name=projects/*/guidelines/*}", name=name),
                body=changes(
                    {
                        "instructions": instructions,
                        "labels": labels,
                        "conflictPolicy": conflict_policy,
                        "purpose": purpose,
                        "ambiguity": ambiguity,
                        "examples": examples,
                        "change": change,
                        "etag": etag,
                    }
                ),
            ),
            timeout,
        )


class LabelSetsResource:
    """Frozen answers of a dataset version, one a record: the labels, texts or numbers that training
    uses.
    """

    def __init__(self, transport: SyncTransport) -> None:
        self._transport = transport

    def cancel(self, name: str, *, timeout: float | None = None) -> LabelSet:
        """Request the cancellation of a label set. A label set that has ended is returned unchanged.

        Args:
            name: Resource name of the label set: `projects/{project}/labelSets/{label_set}`.
            timeout: Seconds that one attempt may take. Default: that of the client.
        """
        return self._transport.call(
            LabelSet,
            Call("POST", expand("/v1/{name=projects/*/labelSets/*}:cancel", name=name), body={}),
            timeout,
        )

    def create(
        self,
        parent: str,
        *,
        dataset_version: str | None = None,
        guideline: str | None = None,
        import_as: AnnotationSource | None = None,
        review_sample_size: int | None = None,
        overlap: int | None = None,
        label_set_id: str | None = None,
        request_id: str | None = None,
        timeout: float | None = None,
    ) -> LabelSet:
        """Import the labels that came with a dataset version, resolve conflicts and freeze the result.

        Refused: a dataset version that is not READY (`DATASET_NOT_READY`) or of which records were erased
        (`VERSION_REDACTED`), a review sample or a number of annotators out of range (`BAD_SAMPLE_SIZE`,
        `BAD_OVERLAP`).

        Args:
            parent: Resource name of the project: `projects/{project}`.
            dataset_version: Resource name of the dataset version. It must belong to the same project.
            guideline: Resource name of the guideline. It must belong to the same project.
            import_as: Source of the annotations that are created from the labels that came with the data: an
                import, or feedback of users. Default: IMPORT.
            review_sample_size: Number of records to draw for review, 0 to 10,000: of labels such that no
                person gave, of texts and numbers also records without an answer.
            overlap: Number of annotators who answer each task of this label set, 1 to 20. Default: 1.
            label_set_id: Last segment of the resource name: 1 to 63 characters of `a-z`, `0-9`, `-` and `.`;
                the first and the last one are a letter or a digit. Empty: the server generates a UUIDv7.
            request_id: Makes a retry safe: the identical request with the same ID returns the resource that
                it created first. A different request with the same ID is refused. At most 256 characters.
            timeout: Seconds that one attempt may take. Default: that of the client.
        """
        return self._transport.call(
            LabelSet,
            Call(
                "POST",
                expand("/v1/{parent=projects/*}/labelSets", parent=parent),
                query=present({"labelSetId": label_set_id, "requestId": request_id or new_request_id()}),
                body=present(
                    {
                        "datasetVersion": dataset_version,
                        "guideline": guideline,
                        "importAs": import_as,
                        "reviewSampleSize": review_sample_size,
                        "overlap": overlap,
                    }
                ),
                repeatable=True,
            ),
            timeout,
        )

    def delete(self, name: str, *, allow_missing: bool | None = None, timeout: float | None = None) -> None:
        """Delete a label set that has ended.

        Annotations that it imported are kept. Refused while it is in progress, and while a split, a model
        version or a pipeline run uses the labels of one that succeeded (`IN_USE`).

        Args:
            name: Resource name of the label set: `projects/{project}/labelSets/{label_set}`.
            allow_missing: If true, the deletion of a label set that does not exist succeeds, so that a retry
                does.
            timeout: Seconds that one attempt may take. Default: that of the client.
        """
        self._transport.send(
            Call(
                "DELETE",
                expand("/v1/{name=projects/*/labelSets/*}", name=name),
                query=present({"allowMissing": allow_missing}),
            ),
            timeout,
        )

    def get(self, name: str, *, timeout: float | None = None) -> LabelSet:
        """Return one label set.

        Args:
            name: Resource name of the label set: `projects/{project}/labelSets/{label_set}`.
            timeout: Seconds that one attempt may take. Default: that of the client.
        """
        return self._transport.call(
            LabelSet, Call("GET", expand("/v1/{name=projects/*/labelSets/*}", name=name)), timeout
        )

    def list(
        self,
        parent: str,
        *,
        page_size: int | None = None,
        page_token: str | None = None,
        order_by: str | None = None,
        timeout: float | None = None,
    ) -> SyncPage[LabelSet]:
        """List the label sets of a project, oldest first.

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
            LabelSet,
            "labelSets",
            Call(
                "GET",
                expand("/v1/{parent=projects/*}/labelSets", parent=parent),
                query=present({"pageSize": page_size, "pageToken": page_token, "orderBy": order_by}),
            ),
            timeout,
        )

    def watch(self, name: str, *, revision: int | None = None) -> SyncWatch[LabelSet]:
        """Stream a label set: its current state, then each change.

        States between two reads may be skipped. The stream ends after a final state.

        Args:
            name: Resource name of the label set: `projects/{project}/labelSets/{label_set}`.
            revision: Send only states with a higher revision, for example than the last one that was
                received; no revision is too old. 0: start with the current state.
        """
        return self._transport.watch(
            LabelSet,
            Call(
                "GET",
                expand("/v1/{name=projects/*/labelSets/*}:watch", name=name),
                query=present({"revision": revision}),
            ),
        )

    def wait(
        self, name: str, *, timeout: float | None = None, on_state: Callable[[LabelSet], object] | None = None
    ) -> LabelSet:
        """Wait for the final state, and return it.

        OperationFailedError if there is no result (failed, cancelled, refused, rolled back);
        OperationTimeoutError after `timeout`.

        Args:
            name: Resource name of the label set: `projects/{project}/labelSets/{label_set}`.
            timeout: Seconds to wait. Default: no limit.
            on_state: Called with each state, the final one included.
        """
        return self._transport.wait(
            LabelSet,
            Call("GET", expand("/v1/{name=projects/*/labelSets/*}:watch", name=name)),
            timeout,
            on_state,
        )


class AsyncLabelSetsResource:
    """Frozen answers of a dataset version, one a record: the labels, texts or numbers that training
    uses.
    """

    def __init__(self, transport: AsyncTransport) -> None:
        self._transport = transport

    async def cancel(self, name: str, *, timeout: float | None = None) -> LabelSet:
        """Request the cancellation of a label set. A label set that has ended is returned unchanged.

        Args:
            name: Resource name of the label set: `projects/{project}/labelSets/{label_set}`.
            timeout: Seconds that one attempt may take. Default: that of the client.
        """
        return await self._transport.call(
            LabelSet,
            Call("POST", expand("/v1/{name=projects/*/labelSets/*}:cancel", name=name), body={}),
            timeout,
        )

    async def create(
        self,
        parent: str,
        *,
        dataset_version: str | None = None,
        guideline: str | None = None,
        import_as: AnnotationSource | None = None,
        review_sample_size: int | None = None,
        overlap: int | None = None,
        label_set_id: str | None = None,
        request_id: str | None = None,
        timeout: float | None = None,
    ) -> LabelSet:
        """Import the labels that came with a dataset version, resolve conflicts and freeze the result.

        Refused: a dataset version that is not READY (`DATASET_NOT_READY`) or of which records were erased
        (`VERSION_REDACTED`), a review sample or a number of annotators out of range (`BAD_SAMPLE_SIZE`,
        `BAD_OVERLAP`).

        Args:
            parent: Resource name of the project: `projects/{project}`.
            dataset_version: Resource name of the dataset version. It must belong to the same project.
            guideline: Resource name of the guideline. It must belong to the same project.
            import_as: Source of the annotations that are created from the labels that came with the data: an
                import, or feedback of users. Default: IMPORT.
            review_sample_size: Number of records to draw for review, 0 to 10,000: of labels such that no
                person gave, of texts and numbers also records without an answer.
            overlap: Number of annotators who answer each task of this label set, 1 to 20. Default: 1.
            label_set_id: Last segment of the resource name: 1 to 63 characters of `a-z`, `0-9`, `-` and `.`;
                the first and the last one are a letter or a digit. Empty: the server generates a UUIDv7.
            request_id: Makes a retry safe: the identical request with the same ID returns the resource that
                it created first. A different request with the same ID is refused. At most 256 characters.
            timeout: Seconds that one attempt may take. Default: that of the client.
        """
        return await self._transport.call(
            LabelSet,
            Call(
                "POST",
                expand("/v1/{parent=projects/*}/labelSets", parent=parent),
                query=present({"labelSetId": label_set_id, "requestId": request_id or new_request_id()}),
                body=present(
                    {
                        "datasetVersion": dataset_version,
                        "guideline": guideline,
                        "importAs": import_as,
                        "reviewSampleSize": review_sample_size,
                        "overlap": overlap,
                    }
                ),
                repeatable=True,
            ),
            timeout,
        )

    async def delete(
        self, name: str, *, allow_missing: bool | None = None, timeout: float | None = None
    ) -> None:
        """Delete a label set that has ended.

        Annotations that it imported are kept. Refused while it is in progress, and while a split, a model
        version or a pipeline run uses the labels of one that succeeded (`IN_USE`).

        Args:
            name: Resource name of the label set: `projects/{project}/labelSets/{label_set}`.
            allow_missing: If true, the deletion of a label set that does not exist succeeds, so that a retry
                does.
            timeout: Seconds that one attempt may take. Default: that of the client.
        """
        await self._transport.send(
            Call(
                "DELETE",
                expand("/v1/{name=projects/*/labelSets/*}", name=name),
                query=present({"allowMissing": allow_missing}),
            ),
            timeout,
        )

    async def get(self, name: str, *, timeout: float | None = None) -> LabelSet:
        """Return one label set.

        Args:
            name: Resource name of the label set: `projects/{project}/labelSets/{label_set}`.
            timeout: Seconds that one attempt may take. Default: that of the client.
        """
        return await self._transport.call(
            LabelSet, Call("GET", expand("/v1/{name=projects/*/labelSets/*}", name=name)), timeout
        )

    def list(
        self,
        parent: str,
        *,
        page_size: int | None = None,
        page_token: str | None = None,
        order_by: str | None = None,
        timeout: float | None = None,
    ) -> AsyncPaginator[LabelSet]:
        """List the label sets of a project, oldest first.

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
            LabelSet,
            "labelSets",
            Call(
                "GET",
                expand("/v1/{parent=projects/*}/labelSets", parent=parent),
                query=present({"pageSize": page_size, "pageToken": page_token, "orderBy": order_by}),
            ),
            timeout,
        )

    def watch(self, name: str, *, revision: int | None = None) -> AsyncWatch[LabelSet]:
        """Stream a label set: its current state, then each change.

        States between two reads may be skipped. The stream ends after a final state.

        Args:
            name: Resource name of the label set: `projects/{project}/labelSets/{label_set}`.
            revision: Send only states with a higher revision, for example than the last one that was
                received; no revision is too old. 0: start with the current state.
        """
        return self._transport.watch(
            LabelSet,
            Call(
                "GET",
                expand("/v1/{name=projects/*/labelSets/*}:watch", name=name),
                query=present({"revision": revision}),
            ),
        )

    async def wait(
        self, name: str, *, timeout: float | None = None, on_state: Callable[[LabelSet], object] | None = None
    ) -> LabelSet:
        """Wait for the final state, and return it.

        OperationFailedError if there is no result (failed, cancelled, refused, rolled back);
        OperationTimeoutError after `timeout`.

        Args:
            name: Resource name of the label set: `projects/{project}/labelSets/{label_set}`.
            timeout: Seconds to wait. Default: no limit.
            on_state: Called with each state, the final one included.
        """
        return await self._transport.wait(
            LabelSet,
            Call("GET", expand("/v1/{name=projects/*/labelSets/*}:watch", name=name)),
            timeout,
            on_state,
        )


class QueuesResource:
    """Records that people label: a source of records, rules by which they become tasks, and the counts
    of these tasks.
    """

    def __init__(self, transport: SyncTransport) -> None:
        self._transport = transport

    def add_gold_items(
        self,
        name: str,
        *,
        items: Sequence[AddGoldItemsRequestGoldItem] | None = None,
        timeout: float | None = None,
    ) -> AddGoldItemsResponse:
        """Add up to 1,000 gold items: records of the queue's dataset version whose answer is known.

        Each annotator gets them mixed with other tasks. An item that exists is not added again. Refused: an
        answer that is none (`UNKNOWN_LABEL`, `BAD_ANSWER`).

        Args:
            name: Resource name of the queue: `projects/{project}/queues/{queue}`.
            items: The items, 1 to 1,000.
            timeout: Seconds that one attempt may take. Default: that of the client.
        """
        return self._transport.call(
            AddGoldItemsResponse,
            Call(
                "POST",
                expand("/v1/{name=projects/*/queues/*}:addGoldItems", name=name),
                body=present({"items": items}),
            ),
            timeout,
        )

    def create(
        self,
        parent: str,
        *,
        dataset_version: str | None = None,
        filter: str | None = None,
        record_ids: Sequence[str] | None = None,
        guideline: str | None = None,
        overlap: int | None = None,
        deadline: datetime | None = None,
        paused: bool | None = None,
        gold_share: float | None = None,
        review_share: float | None = None,
        reviewers: Sequence[str] | None = None,
        refill_rule: QueueRefillRule | None = None,
        pre_labels: QueuePreLabels | None = None,
        intake_rules: Sequence[QueueIntakeRule] | None = None,
        work: TaskWork | None = None,
        scales: Sequence[str] | None = None,
        queue_id: str | None = None,
        request_id: str | None = None,
        timeout: float | None = None,
    ) -> Queue:
        """Create a queue.

        With a refill rule, the first refill starts with it if `threshold` is above 0. Refused: a number of
        annotators out of range (`BAD_OVERLAP`), a share, size, rule or filter that is not valid
        (`BAD_QUEUE`), scales that do not fit the work (`BAD_WORK`).

        Args:
            parent: Resource name of the project: `projects/{project}`.
            dataset_version: Resource name of the dataset version whose records become tasks. It must belong
                to the same project. Records that people have answered become no tasks, also those of an
                earlier version of the dataset. Empty: answers enter by `intake_rules` alone.
            filter: Filter of the records, for example `language = zh AND attributes.channel = web`. Fields:
                `source`, `source_path`, `source_label`, `language`, `licence` and `attributes.{name}`. Empty:
                all records.
            record_ids: IDs of the records, at most 10,000. Empty: all records that the filter selects.
            guideline: Resource name of the guideline. It must belong to the same project.
            overlap: Number of annotators who answer each task, each of them once: 1 to 20. Default: 1.
            deadline: Time from which no task can be claimed, UTC. Not set: none.
            paused: True while no task can be claimed and no refill starts.
            gold_share: Share of gold items among the tasks of an annotator, 0 to 0.5. Gold items are added
                with `AddGoldItems`; annotators see them as other tasks.
            review_share: Share of the answered tasks that a second person reviews, 0 to 1.
            reviewers: IDs or resource names of the API keys that review tasks, at most 100. Empty: each key
                with the role ENGINEER.
            refill_rule: How records become tasks.
            pre_labels: Where answers come from that tasks propose. An annotator confirms or corrects them;
                they are no annotations.
            intake_rules: Rules by which answers of models enter the queue by themselves, at most 20. A queue
                with rules may leave `dataset_version` out; then records are not drawn.
            work: What annotators do with a record. RATE and COMPARE need a task of the kind `generate`, and
                the strategy RANDOM without proposed answers: RATE takes records with an answer, COMPARE those
                with two different answers (the first two of several, or the chosen and the rejected one of a
                preference). Default: ANSWER. It cannot be changed.
            scales: Scales from 1 to 5 of the work RATE, at most 10. Default: `fluency`, `relevance` and
                `factuality`.
            queue_id: Last segment of the resource name: 1 to 63 characters of `a-z`, `0-9`, `-` and `.`; the
                first and the last one are a letter or a digit. Empty: the server generates a UUIDv7.
            request_id: Makes a retry safe: the identical request with the same ID returns the resource that
                it created first. A different request with the same ID is refused. At most 256 characters.
            timeout: Seconds that one attempt may take. Default: that of the client.
        """
        return self._transport.call(
            Queue,
            Call(
                "POST",
                expand("/v1/{parent=projects/*}/queues", parent=parent),
                query=present({"queueId": queue_id, "requestId": request_id or new_request_id()}),
                body=present(
                    {
                        "datasetVersion": dataset_version,
                        "filter": filter,
                        "recordIds": record_ids,
                        "guideline": guideline,
                        "overlap": overlap,
                        "deadline": deadline,
                        "paused": paused,
                        "goldShare": gold_share,
                        "reviewShare": review_share,
                        "reviewers": reviewers,
                        "refillRule": refill_rule,
                        "preLabels": pre_labels,
                        "intakeRules": intake_rules,
                        "work": work,
                        "scales": scales,
                    }
                ),
                repeatable=True,
            ),
            timeout,
        )

    def delete(self, name: str, *, allow_missing: bool | None = None, timeout: float | None = None) -> None:
        """Delete a queue with its refills and its tasks.

        Annotations are kept. Refused while a refill is in progress (`IN_USE`).

        Args:
            name: Resource name of the queue: `projects/{project}/queues/{queue}`.
            allow_missing: If true, the deletion of a queue that does not exist succeeds, so that a retry
                does.
            timeout: Seconds that one attempt may take. Default: that of the client.
        """
        self._transport.send(
            Call(
                "DELETE",
                expand("/v1/{name=projects/*/queues/*}", name=name),
                query=present({"allowMissing": allow_missing}),
            ),
            timeout,
        )

    def export(
        self, name: str, *, format: ExchangeFormat | None = None, timeout: float | None = None
    ) -> ExportQueueResponse:
        """Write the tasks of a queue with their answers and proposed answers to a file, for other annotation
        tools.

        Gold items are left out, and so are tasks whose record is not shown, for example because it was
        erased.

        Args:
            name: Resource name of the queue: `projects/{project}/queues/{queue}`.
            format: Format of the file. Required.
            timeout: Seconds that one attempt may take. Default: that of the client.
        """
        return self._transport.call(
            ExportQueueResponse,
            Call(
                "POST",
                expand("/v1/{name=projects/*/queues/*}:export", name=name),
                body=present({"format": format}),
            ),
            timeout,
        )

    def get(self, name: str, *, timeout: float | None = None) -> Queue:
        """Return one queue.

        Args:
            name: Resource name of the queue: `projects/{project}/queues/{queue}`.
            timeout: Seconds that one attempt may take. Default: that of the client.
        """
        return self._transport.call(
            Queue, Call("GET", expand("/v1/{name=projects/*/queues/*}", name=name)), timeout
        )

    def list(
        self,
        parent: str,
        *,
        page_size: int | None = None,
        page_token: str | None = None,
        order_by: str | None = None,
        timeout: float | None = None,
    ) -> SyncPage[Queue]:
        """List the queues of a project, oldest first.

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
            Queue,
            "queues",
            Call(
                "GET",
                expand("/v1/{parent=projects/*}/queues", parent=parent),
                query=present({"pageSize": page_size, "pageToken": page_token, "orderBy": order_by}),
            ),
            timeout,
        )

    def summarize(self, name: str, *, timeout: float | None = None) -> SummarizeQueueResponse:
        """Count the answers of a queue, and measure how far annotators agree.

        Callers below the role ENGINEER see no annotator but themselves.

        Args:
            name: Resource name of the queue: `projects/{project}/queues/{queue}`.
            timeout: Seconds that one attempt may take. Default: that of the client.
        """
        return self._transport.call(
            SummarizeQueueResponse,
            Call("GET", expand("/v1/{name=projects/*/queues/*}:summarize", name=name)),
            timeout,
        )

    def update(
        self,
        name: str,
        *,
        dataset_version: str | Omit = omit,
        filter: str | Omit = omit,
        record_ids: Sequence[str] | Omit = omit,
        guideline: str | Omit = omit,
        overlap: int | Omit = omit,
        deadline: datetime | Omit | None = omit,
        paused: bool | Omit = omit,
        gold_share: float | Omit = omit,
        review_share: float | Omit = omit,
        reviewers: Sequence[str] | Omit = omit,
        refill_rule: QueueRefillRule | Omit | None = omit,
        pre_labels: QueuePreLabels | Omit | None = omit,
        intake_rules: Sequence[QueueIntakeRule] | Omit = omit,
        etag: str | Omit = omit,
        timeout: float | None = None,
    ) -> Queue:
        """Update a queue.

        Tasks that exist keep their overlap. Another dataset version, filter or rule lets a queue that is
        complete draw again. Refusals of `CreateQueue` apply.

        Args:
            name: Resource name: `projects/{project}/queues/{queue}`.
            dataset_version: Resource name of the dataset version whose records become tasks. It must belong
                to the same project. Records that people have answered become no tasks, also those of an
                earlier version of the dataset. Empty: answers enter by `intake_rules` alone.
            filter: Filter of the records, for example `language = zh AND attributes.channel = web`. Fields:
                `source`, `source_path`, `source_label`, `language`, `licence` and `attributes.{name}`. Empty:
                all records.
            record_ids: IDs of the records, at most 10,000. Empty: all records that the filter selects.
            guideline: Resource name of the guideline. It must belong to the same project.
            overlap: Number of annotators who answer each task, each of them once: 1 to 20. Default: 1.
            deadline: Time from which no task can be claimed, UTC. Not set: none.
            paused: True while no task can be claimed and no refill starts.
            gold_share: Share of gold items among the tasks of an annotator, 0 to 0.5. Gold items are added
                with `AddGoldItems`; annotators see them as other tasks.
            review_share: Share of the answered tasks that a second person reviews, 0 to 1.
            reviewers: IDs or resource names of the API keys that review tasks, at most 100. Empty: each key
                with the role ENGINEER.
            refill_rule: How records become tasks.
            pre_labels: Where answers come from that tasks propose. An annotator confirms or corrects them;
                they are no annotations.
            intake_rules: Rules by which answers of models enter the queue by themselves, at most 20. A queue
                with rules may leave `dataset_version` out; then records are not drawn.
            etag: Version tag of the changeable fields. Send it with an update or a delete: a stale value is
                refused.
            timeout: Seconds that one attempt may take. Default: that of the client.
        """
        return self._transport.call(
            Queue,
            Call(
                "PATCH",
                expand("/v1/{name=projects/*/queues/*}", name=name),
                body=changes(
                    {
                        "datasetVersion": dataset_version,
                        "filter": filter,
                        "recordIds": record_ids,
                        "guideline": guideline,
                        "overlap": overlap,
                        "deadline": deadline,
                        "paused": paused,
                        "goldShare": gold_share,
                        "reviewShare": review_share,
                        "reviewers": reviewers,
                        "refillRule": refill_rule,
                        "preLabels": pre_labels,
                        "intakeRules": intake_rules,
                        "etag": etag,
                    }
                ),
            ),
            timeout,
        )

    def watch(self, name: str, *, revision: int | None = None) -> SyncWatch[Queue]:
        """Stream a queue: its current state, then each change.

        States between two reads may be skipped.

        Args:
            name: Resource name of the queue: `projects/{project}/queues/{queue}`.
            revision: Send only states with a higher revision, for example than the last one that was
                received; no revision is too old. 0: start with the current state.
        """
        return self._transport.watch(
            Queue,
            Call(
                "GET",
                expand("/v1/{name=projects/*/queues/*}:watch", name=name),
                query=present({"revision": revision}),
            ),
        )

    def wait(
        self, name: str, *, timeout: float | None = None, on_state: Callable[[Queue], object] | None = None
    ) -> Queue:
        """Wait for the final state, and return it.

        OperationFailedError if there is no result (failed, cancelled, refused, rolled back);
        OperationTimeoutError after `timeout`.

        Args:
            name: Resource name of the queue: `projects/{project}/queues/{queue}`.
            timeout: Seconds to wait. Default: no limit.
            on_state: Called with each state, the final one included.
        """
        return self._transport.wait(
            Queue, Call("GET", expand("/v1/{name=projects/*/queues/*}:watch", name=name)), timeout, on_state
        )


class AsyncQueuesResource:
    """Records that people label: a source of records, rules by which they become tasks, and the counts
    of these tasks.
    """

    def __init__(self, transport: AsyncTransport) -> None:
        self._transport = transport

    async def add_gold_items(
        self,
        name: str,
        *,
        items: Sequence[AddGoldItemsRequestGoldItem] | None = None,
        timeout: float | None = None,
    ) -> AddGoldItemsResponse:
        """Add up to 1,000 gold items: records of the queue's dataset version whose answer is known.

        Each annotator gets them mixed with other tasks. An item that exists is not added again. Refused: an
        answer that is none (`UNKNOWN_LABEL`, `BAD_ANSWER`).

        Args:
            name: Resource name of the queue: `projects/{project}/queues/{queue}`.
            items: The items, 1 to 1,000.
            timeout: Seconds that one attempt may take. Default: that of the client.
        """
        return await self._transport.call(
            AddGoldItemsResponse,
            Call(
                "POST",
                expand("/v1/{name=projects/*/queues/*}:addGoldItems", name=name),
                body=present({"items": items}),
            ),
            timeout,
        )

    async def create(
        self,
        parent: str,
        *,
        dataset_version: str | None = None,
        filter: str | None = None,
        record_ids: Sequence[str] | None = None,
        guideline: str | None = None,
        overlap: int | None = None,
        deadline: datetime | None = None,
        paused: bool | None = None,
        gold_share: float | None = None,
        review_share: float | None = None,
        reviewers: Sequence[str] | None = None,
        refill_rule: QueueRefillRule | None = None,
        pre_labels: QueuePreLabels | None = None,
        intake_rules: Sequence[QueueIntakeRule] | None = None,
        work: TaskWork | None = None,
        scales: Sequence[str] | None = None,
        queue_id: str | None = None,
        request_id: str | None = None,
        timeout: float | None = None,
    ) -> Queue:
        """Create a queue.

        With a refill rule, the first refill starts with it if `threshold` is above 0. Refused: a number of
        annotators out of range (`BAD_OVERLAP`), a share, size, rule or filter that is not valid
        (`BAD_QUEUE`), scales that do not fit the work (`BAD_WORK`).

        Args:
            parent: Resource name of the project: `projects/{project}`.
            dataset_version: Resource name of the dataset version whose records become tasks. It must belong
                to the same project. Records that people have answered become no tasks, also those of an
                earlier version of the dataset. Empty: answers enter by `intake_rules` alone.
            filter: Filter of the records, for example `language = zh AND attributes.channel = web`. Fields:
                `source`, `source_path`, `source_label`, `language`, `licence` and `attributes.{name}`. Empty:
                all records.
            record_ids: IDs of the records, at most 10,000. Empty: all records that the filter selects.
            guideline: Resource name of the guideline. It must belong to the same project.
            overlap: Number of annotators who answer each task, each of them once: 1 to 20. Default: 1.
            deadline: Time from which no task can be claimed, UTC. Not set: none.
            paused: True while no task can be claimed and no refill starts.
            gold_share: Share of gold items among the tasks of an annotator, 0 to 0.5. Gold items are added
                with `AddGoldItems`; annotators see them as other tasks.
            review_share: Share of the answered tasks that a second person reviews, 0 to 1.
            reviewers: IDs or resource names of the API keys that review tasks, at most 100. Empty: each key
                with the role ENGINEER.
            refill_rule: How records become tasks.
            pre_labels: Where answers come from that tasks propose. An annotator confirms or corrects them;
                they are no annotations.
            intake_rules: Rules by which answers of models enter the queue by themselves, at most 20. A queue
                with rules may leave `dataset_version` out; then records are not drawn.
            work: What annotators do with a record. RATE and COMPARE need a task of the kind `generate`, and
                the strategy RANDOM without proposed answers: RATE takes records with an answer, COMPARE those
                with two different answers (the first two of several, or the chosen and the rejected one of a
                preference). Default: ANSWER. It cannot be changed.
            scales: Scales from 1 to 5 of the work RATE, at most 10. Default: `fluency`, `relevance` and
                `factuality`.
            queue_id: Last segment of the resource name: 1 to 63 characters of `a-z`, `0-9`, `-` and `.`; the
                first and the last one are a letter or a digit. Empty: the server generates a UUIDv7.
            request_id: Makes a retry safe: the identical request with the same ID returns the resource that
                it created first. A different request with the same ID is refused. At most 256 characters.
            timeout: Seconds that one attempt may take. Default: that of the client.
        """
        return await self._transport.call(
            Queue,
            Call(
                "POST",
                expand("/v1/{parent=projects/*}/queues", parent=parent),
                query=present({"queueId": queue_id, "requestId": request_id or new_request_id()}),
                body=present(
                    {
                        "datasetVersion": dataset_version,
                        "filter": filter,
                        "recordIds": record_ids,
                        "guideline": guideline,
                        "overlap": overlap,
                        "deadline": deadline,
                        "paused": paused,
                        "goldShare": gold_share,
                        "reviewShare": review_share,
                        "reviewers": reviewers,
                        "refillRule": refill_rule,
                        "preLabels": pre_labels,
                        "intakeRules": intake_rules,
                        "work": work,
                        "scales": scales,
                    }
                ),
                repeatable=True,
            ),
            timeout,
        )

    async def delete(
        self, name: str, *, allow_missing: bool | None = None, timeout: float | None = None
    ) -> None:
        """Delete a queue with its refills and its tasks.

        Annotations are kept. Refused while a refill is in progress (`IN_USE`).

        Args:
            name: Resource name of the queue: `projects/{project}/queues/{queue}`.
            allow_missing: If true, the deletion of a queue that does not exist succeeds, so that a retry
                does.
            timeout: Seconds that one attempt may take. Default: that of the client.
        """
        await self._transport.send(
            Call(
                "DELETE",
                expand("/v1/{name=projects/*/queues/*}", name=name),
                query=present({"allowMissing": allow_missing}),
            ),
            timeout,
        )

    async def export(
        self, name: str, *, format: ExchangeFormat | None = None, timeout: float | None = None
    ) -> ExportQueueResponse:
        """Write the tasks of a queue with their answers and proposed answers to a file, for other annotation
        tools.

        Gold items are left out, and so are tasks whose record is not shown, for example because it was
        erased.

        Args:
            name: Resource name of the queue: `projects/{project}/queues/{queue}`.
            format: Format of the file. Required.
            timeout: Seconds that one attempt may take. Default: that of the client.
        """
        return await self._transport.call(
            ExportQueueResponse,
            Call(
                "POST",
                expand("/v1/{name=projects/*/queues/*}:export", name=name),
                body=present({"format": format}),
            ),
            timeout,
        )

    async def get(self, name: str, *, timeout: float | None = None) -> Queue:
        """Return one queue.

        Args:
            name: Resource name of the queue: `projects/{project}/queues/{queue}`.
            timeout: Seconds that one attempt may take. Default: that of the client.
        """
        return await self._transport.call(
            Queue, Call("GET", expand("/v1/{name=projects/*/queues/*}", name=name)), timeout
        )

    def list(
        self,
        parent: str,
        *,
        page_size: int | None = None,
        page_token: str | None = None,
        order_by: str | None = None,
        timeout: float | None = None,
    ) -> AsyncPaginator[Queue]:
        """List the queues of a project, oldest first.

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
            Queue,
            "queues",
            Call(
                "GET",
                expand("/v1/{parent=projects/*}/queues", parent=parent),
                query=present({"pageSize": page_size, "pageToken": page_token, "orderBy": order_by}),
            ),
            timeout,
        )

    async def summarize(self, name: str, *, timeout: float | None = None) -> SummarizeQueueResponse:
        """Count the answers of a queue, and measure how far annotators agree.

        Callers below the role ENGINEER see no annotator but themselves.

        Args:
            name: Resource name of the queue: `projects/{project}/queues/{queue}`.
            timeout: Seconds that one attempt may take. Default: that of the client.
        """
        return await self._transport.call(
            SummarizeQueueResponse,
            Call("GET", expand("/v1/{name=projects/*/queues/*}:summarize", name=name)),
            timeout,
        )

    async def update(
        self,
        name: str,
        *,
        dataset_version: str | Omit = omit,
        filter: str | Omit = omit,
        record_ids: Sequence[str] | Omit = omit,
        guideline: str | Omit = omit,
        overlap: int | Omit = omit,
        deadline: datetime | Omit | None = omit,
        paused: bool | Omit = omit,
        gold_share: float | Omit = omit,
        review_share: float | Omit = omit,
        reviewers: Sequence[str] | Omit = omit,
        refill_rule: QueueRefillRule | Omit | None = omit,
        pre_labels: QueuePreLabels | Omit | None = omit,
        intake_rules: Sequence[QueueIntakeRule] | Omit = omit,
        etag: str | Omit = omit,
        timeout: float | None = None,
    ) -> Queue:
        """Update a queue.

        Tasks that exist keep their overlap. Another dataset version, filter or rule lets a queue that is
        complete draw again. Refusals of `CreateQueue` apply.

        Args:
            name: Resource name: `projects/{project}/queues/{queue}`.
            dataset_version: Resource name of the dataset version whose records become tasks. It must belong
                to the same project. Records that people have answered become no tasks, also those of an
                earlier version of the dataset. Empty: answers enter by `intake_rules` alone.
            filter: Filter of the records, for example `language = zh AND attributes.channel = web`. Fields:
                `source`, `source_path`, `source_label`, `language`, `licence` and `attributes.{name}`. Empty:
                all records.
            record_ids: IDs of the records, at most 10,000. Empty: all records that the filter selects.
            guideline: Resource name of the guideline. It must belong to the same project.
            overlap: Number of annotators who answer each task, each of them once: 1 to 20. Default: 1.
            deadline: Time from which no task can be claimed, UTC. Not set: none.
            paused: True while no task can be claimed and no refill starts.
            gold_share: Share of gold items among the tasks of an annotator, 0 to 0.5. Gold items are added
                with `AddGoldItems`; annotators see them as other tasks.
            review_share: Share of the answered tasks that a second person reviews, 0 to 1.
            reviewers: IDs or resource names of the API keys that review tasks, at most 100. Empty: each key
                with the role ENGINEER.
            refill_rule: How records become tasks.
            pre_labels: Where answers come from that tasks propose. An annotator confirms or corrects them;
                they are no annotations.
            intake_rules: Rules by which answers of models enter the queue by themselves, at most 20. A queue
                with rules may leave `dataset_version` out; then records are not drawn.
            etag: Version tag of the changeable fields. Send it with an update or a delete: a stale value is
                refused.
            timeout: Seconds that one attempt may take. Default: that of the client.
        """
        return await self._transport.call(
            Queue,
            Call(
                "PATCH",
                expand("/v1/{name=projects/*/queues/*}", name=name),
                body=changes(
                    {
                        "datasetVersion": dataset_version,
                        "filter": filter,
                        "recordIds": record_ids,
                        "guideline": guideline,
                        "overlap": overlap,
                        "deadline": deadline,
                        "paused": paused,
                        "goldShare": gold_share,
                        "reviewShare": review_share,
                        "reviewers": reviewers,
                        "refillRule": refill_rule,
                        "preLabels": pre_labels,
                        "intakeRules": intake_rules,
                        "etag": etag,
                    }
                ),
            ),
            timeout,
        )

    def watch(self, name: str, *, revision: int | None = None) -> AsyncWatch[Queue]:
        """Stream a queue: its current state, then each change.

        States between two reads may be skipped.

        Args:
            name: Resource name of the queue: `projects/{project}/queues/{queue}`.
            revision: Send only states with a higher revision, for example than the last one that was
                received; no revision is too old. 0: start with the current state.
        """
        return self._transport.watch(
            Queue,
            Call(
                "GET",
                expand("/v1/{name=projects/*/queues/*}:watch", name=name),
                query=present({"revision": revision}),
            ),
        )

    async def wait(
        self, name: str, *, timeout: float | None = None, on_state: Callable[[Queue], object] | None = None
    ) -> Queue:
        """Wait for the final state, and return it.

        OperationFailedError if there is no result (failed, cancelled, refused, rolled back);
        OperationTimeoutError after `timeout`.

        Args:
            name: Resource name of the queue: `projects/{project}/queues/{queue}`.
            timeout: Seconds to wait. Default: no limit.
            on_state: Called with each state, the final one included.
        """
        return await self._transport.wait(
            Queue, Call("GET", expand("/v1/{name=projects/*/queues/*}:watch", name=name)), timeout, on_state
        )


class RefillsResource:
    """One drawing of records into a queue, by a job."""

    def __init__(self, transport: SyncTransport) -> None:
        self._transport = transport

    def cancel(self, name: str, *, timeout: float | None = None) -> Refill:
        """Request the cancellation of a refill. A refill that has ended is returned unchanged.

        Args:
            name: Resource name of the refill: `projects/{project}/queues/{queue}/refills/{refill}`.
            timeout: Seconds that one attempt may take. Default: that of the client.
        """
        return self._transport.call(
            Refill,
            Call("POST", expand("/v1/{name=projects/*/queues/*/refills/*}:cancel", name=name), body={}),
            timeout,
        )

    def create(
        self,
        parent: str,
        *,
        size: int | None = None,
        min_labelled: int | None = None,
        refill_id: str | None = None,
        request_id: str | None = None,
        timeout: float | None = None,
    ) -> Refill:
        """Draw records into a queue.

        Refused: a size out of range (`BAD_QUEUE`), a refill in progress (`REFILL_IN_PROGRESS`), a dataset
        version that is not READY (`DATASET_NOT_READY`).

        Args:
            parent: Resource name of the queue: `projects/{project}/queues/{queue}`.
            size: Number of tasks to draw, 1 to 10,000. Default: `size` of the queue's rule.
            min_labelled: Draw only as many tasks as lack to this number of answered records. 0: draw `size`
                tasks.
            refill_id: Last segment of the resource name: 1 to 63 characters of `a-z`, `0-9`, `-` and `.`; the
                first and the last one are a letter or a digit. Empty: the server generates a UUIDv7.
            request_id: Makes a retry safe: the identical request with the same ID returns the resource that
                it created first. A different request with the same ID is refused. At most 256 characters.
            timeout: Seconds that one attempt may take. Default: that of the client.
        """
        return self._transport.call(
            Refill,
            Call(
                "POST",
                expand("/v1/{parent=projects/*/queues/*}/refills", parent=parent),
                query=present({"refillId": refill_id, "requestId": request_id or new_request_id()}),
                body=present({"size": size, "minLabelled": min_labelled}),
                repeatable=True,
            ),
            timeout,
        )

    def get(self, name: str, *, timeout: float | None = None) -> Refill:
        """Return one refill.

        Args:
            name: Resource name of the refill: `projects/{project}/queues/{queue}/refills/{refill}`.
            timeout: Seconds that one attempt may take. Default: that of the client.
        """
        return self._transport.call(
            Refill, Call("GET", expand("/v1/{name=projects/*/queues/*/refills/*}", name=name)), timeout
        )

    def list(
        self,
        parent: str,
        *,
        page_size: int | None = None,
        page_token: str | None = None,
        order_by: str | None = None,
        timeout: float | None = None,
    ) -> SyncPage[Refill]:
        """List the refills of a queue, oldest first.

        Args:
            parent: Resource name of the queue: `projects/{project}/queues/{queue}`.
            page_size: Maximum number of items to return. 0: 100. Values above 1000 are reduced to 1000;
                negative values are refused. A page may hold fewer items.
            page_token: `next_page_token` of the previous page. Empty: the first page. The token of another
                listing is refused.
            order_by: Order of the items: `create_time` (default) or `create_time desc`. The token of another
                order is refused.
            timeout: Seconds that one attempt may take. Default: that of the client.
        """
        return self._transport.page(
            Refill,
            "refills",
            Call(
                "GET",
                expand("/v1/{parent=projects/*/queues/*}/refills", parent=parent),
                query=present({"pageSize": page_size, "pageToken": page_token, "orderBy": order_by}),
            ),
            timeout,
        )

    def watch(self, name: str, *, revision: int | None = None) -> SyncWatch[Refill]:
        """Stream a refill: its current state, then each change.

        States between two reads may be skipped. The stream ends after a final state.

        Args:
            name: Resource name of the refill: `projects/{project}/queues/{queue}/refills/{refill}`.
            revision: Send only states with a higher revision, for example than the last one that was
                received; no revision is too old. 0: start with the current state.
        """
        return self._transport.watch(
            Refill,
            Call(
                "GET",
                expand("/v1/{name=projects/*/queues/*/refills/*}:watch", name=name),
                query=present({"revision": revision}),
            ),
        )

    def wait(
        self, name: str, *, timeout: float | None = None, on_state: Callable[[Refill], object] | None = None
    ) -> Refill:
        """Wait for the final state, and return it.

        OperationFailedError if there is no result (failed, cancelled, refused, rolled back);
        OperationTimeoutError after `timeout`.

        Args:
            name: Resource name of the refill: `projects/{project}/queues/{queue}/refills/{refill}`.
            timeout: Seconds to wait. Default: no limit.
            on_state: Called with each state, the final one included.
        """
        return self._transport.wait(
            Refill,
            Call("GET", expand("/v1/{name=projects/*/queues/*/refills/*}:watch", name=name)),
            timeout,
            on_state,
        )


class AsyncRefillsResource:
    """One drawing of records into a queue, by a job."""

    def __init__(self, transport: AsyncTransport) -> None:
        self._transport = transport

    async def cancel(self, name: str, *, timeout: float | None = None) -> Refill:
        """Request the cancellation of a refill. A refill that has ended is returned unchanged.

        Args:
            name: Resource name of the refill: `projects/{project}/queues/{queue}/refills/{refill}`.
            timeout: Seconds that one attempt may take. Default: that of the client.
        """
        return await self._transport.call(
            Refill,
            Call("POST", expand("/v1/{name=projects/*/queues/*/refills/*}:cancel", name=name), body={}),
            timeout,
        )

    async def create(
        self,
        parent: str,
        *,
        size: int | None = None,
        min_labelled: int | None = None,
        refill_id: str | None = None,
        request_id: str | None = None,
        timeout: float | None = None,
    ) -> Refill:
        """Draw records into a queue.

        Refused: a size out of range (`BAD_QUEUE`), a refill in progress (`REFILL_IN_PROGRESS`), a dataset
        version that is not READY (`DATASET_NOT_READY`).

        Args:
            parent: Resource name of the queue: `projects/{project}/queues/{queue}`.
            size: Number of tasks to draw, 1 to 10,000. Default: `size` of the queue's rule.
            min_labelled: Draw only as many tasks as lack to this number of answered records. 0: draw `size`
                tasks.
            refill_id: Last segment of the resource name: 1 to 63 characters of `a-z`, `0-9`, `-` and `.`; the
                first and the last one are a letter or a digit. Empty: the server generates a UUIDv7.
            request_id: Makes a retry safe: the identical request with the same ID returns the resource that
                it created first. A different request with the same ID is refused. At most 256 characters.
            timeout: Seconds that one attempt may take. Default: that of the client.
        """
        return await self._transport.call(
            Refill,
            Call(
                "POST",
                expand("/v1/{parent=projects/*/queues/*}/refills", parent=parent),
                query=present({"refillId": refill_id, "requestId": request_id or new_request_id()}),
                body=present({"size": size, "minLabelled": min_labelled}),
                repeatable=True,
            ),
            timeout,
        )

    async def get(self, name: str, *, timeout: float | None = None) -> Refill:
        """Return one refill.

        Args:
            name: Resource name of the refill: `projects/{project}/queues/{queue}/refills/{refill}`.
            timeout: Seconds that one attempt may take. Default: that of the client.
        """
        return await self._transport.call(
            Refill, Call("GET", expand("/v1/{name=projects/*/queues/*/refills/*}", name=name)), timeout
        )

    def list(
        self,
        parent: str,
        *,
        page_size: int | None = None,
        page_token: str | None = None,
        order_by: str | None = None,
        timeout: float | None = None,
    ) -> AsyncPaginator[Refill]:
        """List the refills of a queue, oldest first.

        Args:
            parent: Resource name of the queue: `projects/{project}/queues/{queue}`.
            page_size: Maximum number of items to return. 0: 100. Values above 1000 are reduced to 1000;
                negative values are refused. A page may hold fewer items.
            page_token: `next_page_token` of the previous page. Empty: the first page. The token of another
                listing is refused.
            order_by: Order of the items: `create_time` (default) or `create_time desc`. The token of another
                order is refused.
            timeout: Seconds that one attempt may take. Default: that of the client.
        """
        return self._transport.page(
            Refill,
            "refills",
            Call(
                "GET",
                expand("/v1/{parent=projects/*/queues/*}/refills", parent=parent),
                query=present({"pageSize": page_size, "pageToken": page_token, "orderBy": order_by}),
            ),
            timeout,
        )

    def watch(self, name: str, *, revision: int | None = None) -> AsyncWatch[Refill]:
        """Stream a refill: its current state, then each change.

        States between two reads may be skipped. The stream ends after a final state.

        Args:
            name: Resource name of the refill: `projects/{project}/queues/{queue}/refills/{refill}`.
            revision: Send only states with a higher revision, for example than the last one that was
                received; no revision is too old. 0: start with the current state.
        """
        return self._transport.watch(
            Refill,
            Call(
                "GET",
                expand("/v1/{name=projects/*/queues/*/refills/*}:watch", name=name),
                query=present({"revision": revision}),
            ),
        )

    async def wait(
        self, name: str, *, timeout: float | None = None, on_state: Callable[[Refill], object] | None = None
    ) -> Refill:
        """Wait for the final state, and return it.

        OperationFailedError if there is no result (failed, cancelled, refused, rolled back);
        OperationTimeoutError after `timeout`.

        Args:
            name: Resource name of the refill: `projects/{project}/queues/{queue}/refills/{refill}`.
            timeout: Seconds to wait. Default: no limit.
            on_state: Called with each state, the final one included.
        """
        return await self._transport.wait(
            Refill,
            Call("GET", expand("/v1/{name=projects/*/queues/*/refills/*}:watch", name=name)),
            timeout,
            on_state,
        )


class TasksResource:
    """Record that annotators are asked to answer, or whose answers they are asked to rate."""

    def __init__(self, transport: SyncTransport) -> None:
        self._transport = transport

    def batch_create(
        self,
        parent: str,
        *,
        tasks: Sequence[Task] | None = None,
        request_id: str | None = None,
        timeout: float | None = None,
    ) -> BatchCreateTasksResponse:
        """Create up to 1,000 tasks.

        They are records to answer, answers to rate, or pairs of answers to compare. All are created, or none.
        Refused: no record (`RECORD_MISSING`), work that the kind of task does not have or that lacks its
        answers (`BAD_WORK`), an answer that is none (`BAD_ANSWER`, `UNKNOWN_LABEL`), a number of annotators
        out of range (`BAD_OVERLAP`).

        Args:
            parent: Resource name of the project: `projects/{project}`.
            tasks: The tasks to create, at most 1,000. Only `record_id`, `content_digest`, `dataset_version`,
                `proposed_label`, `task`, `overlap`, `work`, `candidates`, `origins` and `scales` are read.
            request_id: Makes a retry safe: the same tasks with the same ID are created once. At most 200
                characters.
            timeout: Seconds that one attempt may take. Default: that of the client.
        """
        return self._transport.call(
            BatchCreateTasksResponse,
            Call(
                "POST",
                expand("/v1/{parent=projects/*}/tasks:batchCreate", parent=parent),
                body=present({"tasks": tasks, "requestId": request_id or new_request_id()}),
                repeatable=True,
            ),
            timeout,
        )

    def claim(
        self,
        parent: str,
        *,
        reason: str | None = None,
        queue: str | None = None,
        to_review: bool | None = None,
        other_than: Sequence[str] | None = None,
        timeout: float | None = None,
    ) -> ClaimTaskResponse:
        """Claim the next open task for ten minutes, the newest tasks first.

        Meanwhile no other annotator can claim or complete it. A repeated call returns the same task while it
        is open, and extends the lease. A task that the caller answered is not returned again, even if it
        waits for other annotators.

        Args:
            parent: Resource name of the project: `projects/{project}`.
            reason: Reason for the task: `review-sample`, `conflict`, `requested` or `queue`. Empty: any,
                unless `queue` is given.
            queue: Resource name of the queue. Its tasks come in the order in which they were drawn, the first
                ones first. Empty: a task that belongs to no queue.
            to_review: True: claim a task of the queue that waits for a reviewer. The caller must be one.
            other_than: Names of tasks that are not returned, at most 100: those in work, to claim further
                ones in advance.
            timeout: Seconds that one attempt may take. Default: that of the client.
        """
        return self._transport.call(
            ClaimTaskResponse,
            Call(
                "POST",
                expand("/v1/{parent=projects/*}/tasks:claim", parent=parent),
                body=present(
                    {"reason": reason, "queue": queue, "toReview": to_review, "otherThan": other_than}
                ),
            ),
            timeout,
        )

    def complete(
        self,
        name: str,
        *,
        label: str | None = None,
        request_id: str | None = None,
        ratings: Mapping[str, int] | None = None,
        preference: Preference | None = None,
        comment: str | None = None,
        skip_reason: str | None = None,
        guideline_version: int | None = None,
        timeout: float | None = None,
    ) -> Task:
        """Answer a task.

        A label, text or number is stored as an annotation; ratings and preferences stay with the task. The
        same answer again changes nothing. Refused when another answer was given before (`TASK_ANSWERED`),
        when another annotator holds a lease on the task (`TASK_CLAIMED`), for a label that the guideline does
        not have (`UNKNOWN_LABEL`), and for what is no answer of the task (`BAD_ANSWER`).

        Args:
            name: Resource name of the task: `projects/{project}/tasks/{task}`.
            label: Answer to give: one of the labels of the guideline (several: one a line), a text or a
                number. Empty: skip the task.
            request_id: Marks the call as safe to retry. At most 256 characters.
            ratings: Ratings of a task of the work RATE: 1 to 5 for each of its scales.
            preference: The better one of the candidates of a task of the work COMPARE.
            comment: Comment for reviewers and engineers, at most 4,096 characters. Empty: none.
            skip_reason: Why the task is skipped, at most 200 characters. Refused with an answer.
            guideline_version: Version of the guideline that the annotator read. Default: the version when the
                task was claimed. An answer that a later version requests again is refused
                (`GUIDELINE_CHANGED`).
            timeout: Seconds that one attempt may take. Default: that of the client.
        """
        return self._transport.call(
            Task,
            Call(
                "POST",
                expand("/v1/{name=projects/*/tasks/*}:complete", name=name),
                body=present(
                    {
                        "label": label,
                        "requestId": request_id or new_request_id(),
                        "ratings": ratings,
                        "preference": preference,
                        "comment": comment,
                        "skipReason": skip_reason,
                        "guidelineVersion": guideline_version,
                    }
                ),
                repeatable=True,
            ),
            timeout,
        )

    def get(
        self,
        name: str,
        *,
        reader: str | None = None,
        purpose: str | None = None,
        timeout: float | None = None,
    ) -> Task:
        """Return one task.

        That of a sealed record does not exist for callers, unless they hold it or answered it, or an engineer
        sets `reader` and `purpose`: the reading is then logged at the split.

        Args:
            name: Resource name of the task: `projects/{project}/tasks/{task}`.
            reader: Reader of the task of a sealed record: a resource name, for example of a task. Engineers
                alone may read them.
            purpose: Purpose of the reading of sealed records. It is logged at the split.
            timeout: Seconds that one attempt may take. Default: that of the client.
        """
        return self._transport.call(
            Task,
            Call(
                "GET",
                expand("/v1/{name=projects/*/tasks/*}", name=name),
                query=present({"reader": reader, "purpose": purpose}),
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
        filter: str | None = None,
        reader: str | None = None,
        purpose: str | None = None,
        timeout: float | None = None,
    ) -> SyncPage[Task]:
        """List the tasks of a project, oldest first.

        Those of sealed records are left out, except those that the caller holds or answered, unless an
        engineer sets `reader` and `purpose`: the reading is then logged at the split.

        Args:
            parent: Resource name of the project: `projects/{project}`.
            page_size: Maximum number of items to return. 0: 100. Values above 1000 are reduced to 1000;
                negative values are refused. A page may hold fewer items.
            page_token: `next_page_token` of the previous page. Empty: the first page. The token of another
                listing is refused.
            order_by: Order of the items: `create_time` (default) or `create_time desc`. The token of another
                order is refused.
            filter: Filter by `state` and `reason`, for example `state = OPEN AND reason = conflict`. Empty:
                all tasks. The token of another filter is refused.
            reader: Reader of tasks of sealed records: a resource name, for example of a task. Engineers alone
                may read them.
            purpose: Purpose of the reading of sealed records. It is logged at the split.
            timeout: Seconds that one attempt may take. Default: that of the client.
        """
        return self._transport.page(
            Task,
            "tasks",
            Call(
                "GET",
                expand("/v1/{parent=projects/*}/tasks", parent=parent),
                query=present(
                    {
                        "pageSize": page_size,
                        "pageToken": page_token,
                        "orderBy": order_by,
                        "filter": filter,
                        "reader": reader,
                        "purpose": purpose,
                    }
                ),
            ),
            timeout,
        )

    def review(
        self,
        name: str,
        *,
        decision: TaskReviewDecision | None = None,
        label: str | None = None,
        comment: str | None = None,
        timeout: float | None = None,
    ) -> Task:
        """Review a task that waits for a reviewer.

        Refused: a caller who is no reviewer of the queue, or who answered the task (`NOT_REVIEWER`), a task
        in another state (`NOT_IN_REVIEW`), a FIX without a label (`BAD_ANSWER`), a SEND_BACK without a
        comment (`BAD_COMMENT`).

        Args:
            name: Resource name of the task: `projects/{project}/tasks/{task}`.
            decision: What the reviewer decides.
            label: The right answer, of the decision FIX.
            comment: Comment for the annotators, at most 4,096 characters. Required for SEND_BACK.
            timeout: Seconds that one attempt may take. Default: that of the client.
        """
        return self._transport.call(
            Task,
            Call(
                "POST",
                expand("/v1/{name=projects/*/tasks/*}:review", name=name),
                body=present({"decision": decision, "label": label, "comment": comment}),
            ),
            timeout,
        )

    def submit(
        self,
        name: str,
        *,
        label: str | None = None,
        request_id: str | None = None,
        ratings: Mapping[str, int] | None = None,
        preference: Preference | None = None,
        comment: str | None = None,
        skip_reason: str | None = None,
        guideline_version: int | None = None,
        claim_count: int | None = None,
        other_than: Sequence[str] | None = None,
        reason: str | None = None,
        timeout: float | None = None,
    ) -> SubmitTaskResponse:
        """Answer a task and claim the next ones, in one transaction.

        Tasks of a queue are followed by tasks of that queue, others by tasks that belong to no queue.
        Refusals of `CompleteTask` apply. The same call again changes no answer. While no task of the queue
        can be claimed, the answer is stored and no task is returned.

        Args:
            name: Resource name of the task: `projects/{project}/tasks/{task}`.
            label: Answer to give: one of the labels of the guideline (several: one a line), a text or a
                number. Empty: skip the task.
            request_id: Marks the call as safe to retry. At most 256 characters.
            ratings: Ratings of a task of the work RATE: 1 to 5 for each of its scales.
            preference: The better one of the candidates of a task of the work COMPARE.
            comment: Comment for reviewers and engineers, at most 4,096 characters. Empty: none.
            skip_reason: Why the task is skipped, at most 200 characters. Refused with an answer.
            guideline_version: Version of the guideline that the annotator read. Default: the version when the
                task was claimed. An answer that a later version requests again is refused
                (`GUIDELINE_CHANGED`).
            claim_count: Number of tasks to claim, 0 to 20.
            other_than: Names of tasks that are not claimed, at most 100: those in work.
            reason: Reason for the next tasks, if the task belongs to no queue: `review-sample`, `conflict` or
                `requested`. Empty: any.
            timeout: Seconds that one attempt may take. Default: that of the client.
        """
        return self._transport.call(
            SubmitTaskResponse,
            Call(
                "POST",
                expand("/v1/{name=projects/*/tasks/*}:submit", name=name),
                body=present(
                    {
                        "label": label,
                        "requestId": request_id or new_request_id(),
                        "ratings": ratings,
                        "preference": preference,
                        "comment": comment,
                        "skipReason": skip_reason,
                        "guidelineVersion": guideline_version,
                        "claimCount": claim_count,
                        "otherThan": other_than,
                        "reason": reason,
                    }
                ),
                repeatable=True,
            ),
            timeout,
        )

    def summarize(self, parent: str, *, timeout: float | None = None) -> SummarizeTasksResponse:
        """Count the tasks of a project by state, and the reviewed ones by the label before and after.

        Args:
            parent: Resource name of the project: `projects/{project}`.
            timeout: Seconds that one attempt may take. Default: that of the client.
        """
        return self._transport.call(
            SummarizeTasksResponse,
            Call("GET", expand("/v1/{parent=projects/*}/tasks:summarize", parent=parent)),
            timeout,
        )

    def summarize_ratings(self, parent: str, *, timeout: float | None = None) -> SummarizeRatingsResponse:
        """Summarize the human ratings of a project.

        Of ratings it gives the means, of comparisons the win rates, with their intervals and the agreement of
        annotators.

        Args:
            parent: Resource name of the project: `projects/{project}`.
            timeout: Seconds that one attempt may take. Default: that of the client.
        """
        return self._transport.call(
            SummarizeRatingsResponse,
            Call("GET", expand("/v1/{parent=projects/*}/tasks:summarizeRatings", parent=parent)),
            timeout,
        )

    def withdraw(self, name: str, *, timeout: float | None = None) -> Task:
        """Withdraw the answer that the caller gave to a task of a queue.

        The annotation is deleted, and the caller holds a lease on the task. Refused: no answer (`NO_ANSWER`),
        a reviewed task (`TASK_REVIEWED`).

        Args:
            name: Resource name of the task: `projects/{project}/tasks/{task}`.
            timeout: Seconds that one attempt may take. Default: that of the client.
        """
        return self._transport.call(
            Task, Call("POST", expand("/v1/{name=projects/*/tasks/*}:withdraw", name=name), body={}), timeout
        )


class AsyncTasksResource:
    """Record that annotators are asked to answer, or whose answers they are asked to rate."""

    def __init__(self, transport: AsyncTransport) -> None:
        self._transport = transport

    async def batch_create(
        self,
        parent: str,
        *,
        tasks: Sequence[Task] | None = None,
        request_id: str | None = None,
        timeout: float | None = None,
    ) -> BatchCreateTasksResponse:
        """Create up to 1,000 tasks.

        They are records to answer, answers to rate, or pairs of answers to compare. All are created, or none.
        Refused: no record (`RECORD_MISSING`), work that the kind of task does not have or that lacks its
        answers (`BAD_WORK`), an answer that is none (`BAD_ANSWER`, `UNKNOWN_LABEL`), a number of annotators
        out of range (`BAD_OVERLAP`).

        Args:
            parent: Resource name of the project: `projects/{project}`.
            tasks: The tasks to create, at most 1,000. Only `record_id`, `content_digest`, `dataset_version`,
                `proposed_label`, `task`, `overlap`, `work`, `candidates`, `origins` and `scales` are read.
            request_id: Makes a retry safe: the same tasks with the same ID are created once. At most 200
                characters.
            timeout: Seconds that one attempt may take. Default: that of the client.
        """
        return await self._transport.call(
            BatchCreateTasksResponse,
            Call(
                "POST",
                expand("/v1/{parent=projects/*}/tasks:batchCreate", parent=parent),
                body=present({"tasks": tasks, "requestId": request_id or new_request_id()}),
                repeatable=True,
            ),
            timeout,
        )

    async def claim(
        self,
        parent: str,
        *,
        reason: str | None = None,
        queue: str | None = None,
        to_review: bool | None = None,
        other_than: Sequence[str] | None = None,
        timeout: float | None = None,
    ) -> ClaimTaskResponse:
        """Claim the next open task for ten minutes, the newest tasks first.

        Meanwhile no other annotator can claim or complete it. A repeated call returns the same task while it
        is open, and extends the lease. A task that the caller answered is not returned again, even if it
        waits for other annotators.

        Args:
            parent: Resource name of the project: `projects/{project}`.
            reason: Reason for the task: `review-sample`, `conflict`, `requested` or `queue`. Empty: any,
                unless `queue` is given.
            queue: Resource name of the queue. Its tasks come in the order in which they were drawn, the first
                ones first. Empty: a task that belongs to no queue.
            to_review: True: claim a task of the queue that waits for a reviewer. The caller must be one.
            other_than: Names of tasks that are not returned, at most 100: those in work, to claim further
                ones in advance.
            timeout: Seconds that one attempt may take. Default: that of the client.
        """
        return await self._transport.call(
            ClaimTaskResponse,
            Call(
                "POST",
                expand("/v1/{parent=projects/*}/tasks:claim", parent=parent),
                body=present(
                    {"reason": reason, "queue": queue, "toReview": to_review, "otherThan": other_than}
                ),
            ),
            timeout,
        )

    async def complete(
        self,
        name: str,
        *,
        label: str | None = None,
        request_id: str | None = None,
        ratings: Mapping[str, int] | None = None,
        preference: Preference | None = None,
        comment: str | None = None,
        skip_reason: str | None = None,
        guideline_version: int | None = None,
        timeout: float | None = None,
    ) -> Task:
        """Answer a task.

        A label, text or number is stored as an annotation; ratings and preferences stay with the task. The
        same answer again changes nothing. Refused when another answer was given before (`TASK_ANSWERED`),
        when another annotator holds a lease on the task (`TASK_CLAIMED`), for a label that the guideline does
        not have (`UNKNOWN_LABEL`), and for what is no answer of the task (`BAD_ANSWER`).

        Args:
            name: Resource name of the task: `projects/{project}/tasks/{task}`.
            label: Answer to give: one of the labels of the guideline (several: one a line), a text or a
                number. Empty: skip the task.
            request_id: Marks the call as safe to retry. At most 256 characters.
            ratings: Ratings of a task of the work RATE: 1 to 5 for each of its scales.
            preference: The better one of the candidates of a task of the work COMPARE.
            comment: Comment for reviewers and engineers, at most 4,096 characters. Empty: none.
            skip_reason: Why the task is skipped, at most 200 characters. Refused with an answer.
            guideline_version: Version of the guideline that the annotator read. Default: the version when the
                task was claimed. An answer that a later version requests again is refused
                (`GUIDELINE_CHANGED`).
            timeout: Seconds that one attempt may take. Default: that of the client.
        """
        return await self._transport.call(
            Task,
            Call(
                "POST",
                expand("/v1/{name=projects/*/tasks/*}:complete", name=name),
                body=present(
                    {
                        "label": label,
                        "requestId": request_id or new_request_id(),
                        "ratings": ratings,
                        "preference": preference,
                        "comment": comment,
                        "skipReason": skip_reason,
                        "guidelineVersion": guideline_version,
                    }
                ),
                repeatable=True,
            ),
            timeout,
        )

    async def get(
        self,
        name: str,
        *,
        reader: str | None = None,
        purpose: str | None = None,
        timeout: float | None = None,
    ) -> Task:
        """Return one task.

        That of a sealed record does not exist for callers, unless they hold it or answered it, or an engineer
        sets `reader` and `purpose`: the reading is then logged at the split.

        Args:
            name: Resource name of the task: `projects/{project}/tasks/{task}`.
            reader: Reader of the task of a sealed record: a resource name, for example of a task. Engineers
                alone may read them.
            purpose: Purpose of the reading of sealed records. It is logged at the split.
            timeout: Seconds that one attempt may take. Default: that of the client.
        """
        return await self._transport.call(
            Task,
            Call(
                "GET",
                expand("/v1/{name=projects/*/tasks/*}", name=name),
                query=present({"reader": reader, "purpose": purpose}),
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
        filter: str | None = None,
        reader: str | None = None,
        purpose: str | None = None,
        timeout: float | None = None,
    ) -> AsyncPaginator[Task]:
        """List the tasks of a project, oldest first.

        Those of sealed records are left out, except those that the caller holds or answered, unless an
        engineer sets `reader` and `purpose`: the reading is then logged at the split.

        Args:
            parent: Resource name of the project: `projects/{project}`.
            page_size: Maximum number of items to return. 0: 100. Values above 1000 are reduced to 1000;
                negative values are refused. A page may hold fewer items.
            page_token: `next_page_token` of the previous page. Empty: the first page. The token of another
                listing is refused.
            order_by: Order of the items: `create_time` (default) or `create_time desc`. The token of another
                order is refused.
            filter: Filter by `state` and `reason`, for example `state = OPEN AND reason = conflict`. Empty:
                all tasks. The token of another filter is refused.
            reader: Reader of tasks of sealed records: a resource name, for example of a task. Engineers alone
                may read them.
            purpose: Purpose of the reading of sealed records. It is logged at the split.
            timeout: Seconds that one attempt may take. Default: that of the client.
        """
        return self._transport.page(
            Task,
            "tasks",
            Call(
                "GET",
                expand("/v1/{parent=projects/*}/tasks", parent=parent),
                query=present(
                    {
                        "pageSize": page_size,
                        "pageToken": page_token,
                        "orderBy": order_by,
                        "filter": filter,
                        "reader": reader,
                        "purpose": purpose,
                    }
                ),
            ),
            timeout,
        )

    async def review(
        self,
        name: str,
        *,
        decision: TaskReviewDecision | None = None,
        label: str | None = None,
        comment: str | None = None,
        timeout: float | None = None,
    ) -> Task:
        """Review a task that waits for a reviewer.

        Refused: a caller who is no reviewer of the queue, or who answered the task (`NOT_REVIEWER`), a task
        in another state (`NOT_IN_REVIEW`), a FIX without a label (`BAD_ANSWER`), a SEND_BACK without a
        comment (`BAD_COMMENT`).

        Args:
            name: Resource name of the task: `projects/{project}/tasks/{task}`.
            decision: What the reviewer decides.
            label: The right answer, of the decision FIX.
            comment: Comment for the annotators, at most 4,096 characters. Required for SEND_BACK.
            timeout: Seconds that one attempt may take. Default: that of the client.
        """
        return await self._transport.call(
            Task,
            Call(
                "POST",
                expand("/v1/{name=projects/*/tasks/*}:review", name=name),
                body=present({"decision": decision, "label": label, "comment": comment}),
            ),
            timeout,
        )

    async def submit(
        self,
        name: str,
        *,
        label: str | None = None,
        request_id: str | None = None,
        ratings: Mapping[str, int] | None = None,
        preference: Preference | None = None,
        comment: str | None = None,
        skip_reason: str | None = None,
        guideline_version: int | None = None,
        claim_count: int | None = None,
        other_than: Sequence[str] | None = None,
        reason: str | None = None,
        timeout: float | None = None,
    ) -> SubmitTaskResponse:
        """Answer a task and claim the next ones, in one transaction.

        Tasks of a queue are followed by tasks of that queue, others by tasks that belong to no queue.
        Refusals of `CompleteTask` apply. The same call again changes no answer. While no task of the queue
        can be claimed, the answer is stored and no task is returned.

        Args:
            name: Resource name of the task: `projects/{project}/tasks/{task}`.
            label: Answer to give: one of the labels of the guideline (several: one a line), a text or a
                number. Empty: skip the task.
            request_id: Marks the call as safe to retry. At most 256 characters.
            ratings: Ratings of a task of the work RATE: 1 to 5 for each of its scales.
            preference: The better one of the candidates of a task of the work COMPARE.
            comment: Comment for reviewers and engineers, at most 4,096 characters. Empty: none.
            skip_reason: Why the task is skipped, at most 200 characters. Refused with an answer.
            guideline_version: Version of the guideline that the annotator read. Default: the version when the
                task was claimed. An answer that a later version requests again is refused
                (`GUIDELINE_CHANGED`).
            claim_count: Number of tasks to claim, 0 to 20.
            other_than: Names of tasks that are not claimed, at most 100: those in work.
            reason: Reason for the next tasks, if the task belongs to no queue: `review-sample`, `conflict` or
                `requested`. Empty: any.
            timeout: Seconds that one attempt may take. Default: that of the client.
        """
        return await self._transport.call(
            SubmitTaskResponse,
            Call(
                "POST",
                expand("/v1/{name=projects/*/tasks/*}:submit", name=name),
                body=present(
                    {
                        "label": label,
                        "requestId": request_id or new_request_id(),
                        "ratings": ratings,
                        "preference": preference,
                        "comment": comment,
                        "skipReason": skip_reason,
                        "guidelineVersion": guideline_version,
                        "claimCount": claim_count,
                        "otherThan": other_than,
                        "reason": reason,
                    }
                ),
                repeatable=True,
            ),
            timeout,
        )

    async def summarize(self, parent: str, *, timeout: float | None = None) -> SummarizeTasksResponse:
        """Count the tasks of a project by state, and the reviewed ones by the label before and after.

        Args:
            parent: Resource name of the project: `projects/{project}`.
            timeout: Seconds that one attempt may take. Default: that of the client.
        """
        return await self._transport.call(
            SummarizeTasksResponse,
            Call("GET", expand("/v1/{parent=projects/*}/tasks:summarize", parent=parent)),
            timeout,
        )

    async def summarize_ratings(
        self, parent: str, *, timeout: float | None = None
    ) -> SummarizeRatingsResponse:
        """Summarize the human ratings of a project.

        Of ratings it gives the means, of comparisons the win rates, with their intervals and the agreement of
        annotators.

        Args:
            parent: Resource name of the project: `projects/{project}`.
            timeout: Seconds that one attempt may take. Default: that of the client.
        """
        return await self._transport.call(
            SummarizeRatingsResponse,
            Call("GET", expand("/v1/{parent=projects/*}/tasks:summarizeRatings", parent=parent)),
            timeout,
        )

    async def withdraw(self, name: str, *, timeout: float | None = None) -> Task:
        """Withdraw the answer that the caller gave to a task of a queue.

        The annotation is deleted, and the caller holds a lease on the task. Refused: no answer (`NO_ANSWER`),
        a reviewed task (`TASK_REVIEWED`).

        Args:
            name: Resource name of the task: `projects/{project}/tasks/{task}`.
            timeout: Seconds that one attempt may take. Default: that of the client.
        """
        return await self._transport.call(
            Task, Call("POST", expand("/v1/{name=projects/*/tasks/*}:withdraw", name=name), body={}), timeout
        )
