"""Domain to protobuf and back; entrypoints and adapters use it, nothing else does."""

from collections.abc import Sequence
from dataclasses import asdict

from google.protobuf.message import Message

from ratoon.common.v1 import progress_pb2, task_pb2
from ratoon.events.ports import Record
from ratoon.jobs.v1 import labeling_jobs_pb2 as jobs_pb2
from ratoon.labeling.v1 import annotation_pb2, label_set_pb2, labeling_events_pb2
from ratoon.labeling.v1 import labeling_service_pb2 as pb
from ratoon.operations.job_machine import Cancelled, Failed
from ratoon.process.errors import InvalidArgument
from ratoon.runtime.timestamps import timestamp
from ratoon.service.events import record_of
from ratoon.service.tasks import message_of, requested_task, task_of
from ratoon.tasks.classify import Classify
from ratoon.tasks.kind import BadTask
from ratoon.tasks.kinds import TaskSpec
from ratoon_labeling.application.commands import (
    ClaimTask,
    CompleteTask,
    CreateAnnotation,
    CreateAnnotations,
    CreateGuideline,
    CreateLabelSet,
    CreateTasks,
    DeleteGuideline,
    NewTask,
    ReviewTask,
    SubmitTask,
    UpdateGuideline,
)
from ratoon_labeling.application.ports import FreezingJob
from ratoon_labeling.domain.annotations import Annotation, AnnotationCreated, Selection, Source
from ratoon_labeling.domain.errors import BadExchange
from ratoon_labeling.domain.exchange import spec_of_config
from ratoon_labeling.domain.guidelines import (
    ConflictPolicy,
    EarlierAnswers,
    Example,
    Guideline,
    GuidelineVersion,
    VersionChange,
)
from ratoon_labeling.domain.kinds.table import labels_of
from ratoon_labeling.domain.label_sets import Completed, Frozen, LabelSet
from ratoon_labeling.domain.marks import AnswerSpec, Boxes, Marks, Overlap, Spans, model_task
from ratoon_labeling.domain.ratings import Comparison, Preference, Rating, Work
from ratoon_labeling.domain.refills import QueueDrained, RefillCompleted
from ratoon_labeling.domain.tasks import Answer, Comment, Decision, Review, Task, TaskSummary

_POLICY = annotation_pb2.Guideline.ConflictPolicy
_SOURCE = annotation_pb2.Annotation.Source
_WORK = annotation_pb2.Task.Work
_PREFERENCE = annotation_pb2.Preference
_REFILLS = "/refills/"
_DECISION = annotation_pb2.Task.Review.Decision
_CHANGEABLE = {"instructions", "labels", "conflict_policy", "purpose", "ambiguity", "examples", "change"}
_EARLIER = annotation_pb2.VersionChange.EarlierAnswers
_OVERLAP = annotation_pb2.MarkSpec.Spans.Overlap


def guideline(value: Guideline) -> annotation_pb2.Guideline:
    """A guideline as callers see it."""
    return annotation_pb2.Guideline(
        name=value.name,
        revision=value.revision,
        create_time=timestamp(value.create_time),
        update_time=timestamp(value.update_time),
        instructions=value.instructions,
        labels=labels_of(value.task),
        task=message_of(model_task(value.task)),
        marks=marks(value.task),
        purpose=value.purpose,
        ambiguity=value.ambiguity,
        examples=[annotation_pb2.Guideline.Example(**vars(each)) for each in value.examples],
        change=annotation_pb2.VersionChange(
            earlier_answers=_EARLIER.Value(f"EARLIER_ANSWERS_{value.change.earlier_answers}"),
            labels=value.change.labels,
            note=value.change.note,
        ),
        conflict_policy=_POLICY.Value(f"CONFLICT_POLICY_{value.conflict_policy}"),
        etag=value.etag,
        version=value.version,
    )


def guideline_version(value: GuidelineVersion) -> annotation_pb2.GuidelineVersion:
    """A version of a guideline as callers see it."""
    return annotation_pb2.GuidelineVersion(
        name=value.name,
        revision=value.revision,
        create_time=timestamp(value.create_time),
        update_time=timestamp(value.update_time),
        guideline=guideline(value.guideline),
        applied=value.applied,
        reopened_count=value.reopened_count,
    )


def marks(spec: AnswerSpec) -> annotation_pb2.MarkSpec | None:
    """Return the message of marks; None of a task of a model."""
    match spec:
        case Spans(labels, overlap):
            spans = annotation_pb2.MarkSpec.Spans(labels=labels, overlap=_OVERLAP.Value(f"OVERLAP_{overlap}"))
            return annotation_pb2.MarkSpec(spans=spans)
        case Boxes(labels, image_attribute):
            boxes = annotation_pb2.MarkSpec.Boxes(labels=labels, image_attribute=image_attribute)
            return annotation_pb2.MarkSpec(boxes=boxes)
        case _:
            return None


def read_marks(message: annotation_pb2.MarkSpec) -> Marks | None:
    """Return the marks of a message; None if it names none."""
    match message.WhichOneof("kind"):
        case "spans":
            overlap = _OVERLAP.Name(message.spans.overlap).removeprefix("OVERLAP_")
            return Spans(
                tuple(message.spans.labels), Overlap(overlap) if message.spans.overlap else Overlap.NONE
            )
        case "boxes":
            return Boxes(tuple(message.boxes.labels), message.boxes.image_attribute or "image")
        case _:
            return None


def _requested(spec: annotation_pb2.Guideline) -> AnswerSpec:
    """Return what annotators enter; BadTask if a request names marks and another task than that of their model."""
    marked = read_marks(spec.marks)
    if marked is None:
        return requested_task(spec)
    task = task_of(spec.task) if spec.task.WhichOneof("kind") else model_task(marked)
    if task != model_task(marked) or (spec.labels and tuple(spec.labels) != marked.labels):
        raise BadTask("Give either marks or a task: the task of marks is generate with JSON answers.", "task")
    return marked


def _of_config(request: pb.CreateGuidelineRequest) -> tuple[AnswerSpec, str]:
    """Return what annotators enter by a labeling config, and its instructions."""
    spec = request.guideline
    if spec.labels or spec.task.WhichOneof("kind") or spec.marks.WhichOneof("kind"):
        raise BadExchange("Give label_config, or labels, task or marks.", "label_config")
    return spec_of_config(request.label_config, request.label_control)


def annotation(value: Annotation) -> annotation_pb2.Annotation:
    """An annotation as callers see it."""
    return annotation_pb2.Annotation(
        name=value.name,
        revision=value.revision,
        create_time=timestamp(value.create_time),
        update_time=timestamp(value.update_time),
        record_id=value.record_id,
        content_digest=value.content_digest,
        label=value.label,
        annotator=value.annotator,
        source=_SOURCE.Value(f"SOURCE_{value.source}"),
        queue=value.queue,
        selection=_selection(value.selection),
        guideline=value.guideline,
        guideline_version=value.guideline_version,
        outdated=value.outdated,
    )


def _selection(value: Selection | None) -> annotation_pb2.Selection.ValueType:
    return annotation_pb2.Selection.Value(f"SELECTION_{value or 'UNSPECIFIED'}")


def task(value: Task) -> annotation_pb2.Task:
    """A task as callers see it."""
    return annotation_pb2.Task(
        name=value.name,
        revision=value.revision,
        create_time=timestamp(value.create_time),
        update_time=timestamp(value.update_time),
        state=annotation_pb2.Task.State.Value(f"STATE_{value.state}"),
        record_id=value.record_id,
        content_digest=value.content_digest,
        dataset_version=value.dataset_version,
        proposed_label=value.proposed_label,
        reason=value.reason,
        label=value.label,
        annotator=value.annotator,
        lease_holder=value.lease_holder,
        lease_expire_time=timestamp(value.lease_expire_time) if value.lease_expire_time else None,
        task=message_of(model_task(value.task)),
        marks=marks(value.task),
        overlap=value.overlap,
        answers=map(_answer, value.given),
        work=_WORK.Value(f"WORK_{value.work}"),
        candidates=value.candidates,
        origins=value.origins,
        scales=value.scales,
        queue=value.queue,
        selection=_selection(value.selection),
        proposal_origin=value.proposal_origin,
        guideline=value.guideline,
        comments=map(_comment, value.comments),
        review=_review(value.review) if value.review else None,
        needs_review=value.needs_review,
        guideline_version=value.guideline_version,
        proposal_confidence=value.proposal_confidence,
        earlier_answers=map(_answer, value.earlier_answers),
        suggested_label=value.suggested_label,
        intake_rule=value.intake_rule,
        answer_id=value.answer_id,
        model_version=value.model_version,
        evaluation_run=value.evaluation_run,
        feedback=value.feedback,
    )


def work(value: "annotation_pb2.Task.Work.ValueType") -> Work:
    """Return what annotators do."""
    return Work(_WORK.Name(value).removeprefix("WORK_")) if value else Work.ANSWER


def _comment(value: Comment) -> annotation_pb2.Task.Comment:
    return annotation_pb2.Task.Comment(
        author=value.author, text=value.text, create_time=timestamp(value.time)
    )


def _review(value: Review) -> annotation_pb2.Task.Review:
    return annotation_pb2.Task.Review(
        decision=_DECISION.Value(f"DECISION_{value.decision}"), reviewer=value.reviewer, label=value.label
    )


def _answer(value: Answer) -> annotation_pb2.Task.Answer:
    return annotation_pb2.Task.Answer(
        annotator=value.annotator,
        label=value.label,
        ratings=value.ratings,
        preference=_PREFERENCE.Value(f"PREFERENCE_{value.preference or 'UNSPECIFIED'}"),
        skip_reason=value.skip_reason,
        guideline_version=value.guideline_version,
    )


def ratings(of_scales: Sequence[Rating], comparisons: Sequence[Comparison]) -> pb.SummarizeRatingsResponse:
    """Human ratings as callers see them."""
    return pb.SummarizeRatingsResponse(
        ratings=map(_rating, of_scales), comparisons=map(_comparison, comparisons)
    )


def _rating(value: Rating) -> pb.SummarizeRatingsResponse.Rating:
    return pb.SummarizeRatingsResponse.Rating(
        origin=value.origin,
        scale=value.scale,
        task_count=value.tasks,
        rating_count=value.ratings,
        mean=value.estimate.mean,
        low=value.estimate.low,
        high=value.estimate.high,
        agreement_alpha=value.alpha,
    )


def _comparison(value: Comparison) -> pb.SummarizeRatingsResponse.Comparison:
    return pb.SummarizeRatingsResponse.Comparison(
        first_origin=value.first,
        second_origin=value.second,
        task_count=value.tasks,
        first_count=value.counts.get(Preference.FIRST, 0),
        second_count=value.counts.get(Preference.SECOND, 0),
        tie_count=value.counts.get(Preference.TIE, 0),
        win_rate=value.estimate.mean,
        low=value.estimate.low,
        high=value.estimate.high,
        agreement_alpha=value.alpha,
    )


def task_summary(value: TaskSummary) -> pb.SummarizeTasksResponse:
    """Counts of tasks as callers see them."""
    reviews = [
        pb.SummarizeTasksResponse.Review(proposed_label=before, label=after, count=count)
        for (before, after), count in sorted(value.reviews.items())
    ]
    return pb.SummarizeTasksResponse(
        open_counts=value.open,
        done_count=value.done,
        skipped_count=value.skipped,
        reviews=reviews,
        unchanged_count=value.unchanged,
        changed_count=value.changed,
    )


def label_set(value: LabelSet) -> label_set_pb2.LabelSet:
    """A label set as callers see it."""
    progress = value.progress
    message = label_set_pb2.LabelSet(
        name=value.name,
        revision=value.revision,
        create_time=timestamp(value.create_time),
        update_time=timestamp(value.update_time),
        state=label_set_pb2.LabelSet.State.Value(f"STATE_{value.state}"),
        dataset_version=value.dataset_version,
        dataset_digest=value.dataset_digest,
        guideline=value.guideline,
        import_as=_SOURCE.Value(f"SOURCE_{value.import_as}"),
        review_sample_size=value.review_sample_size,
        progress=progress_pb2.Progress(
            fraction=progress.fraction,
            message=progress.message,
            done=progress.done,
            total=progress.total,
            unit="records",
        ),
        digest=value.digest,
        class_counts=value.class_counts,
        unlabelled_count=value.unlabelled_count,
        unknown_label_count=value.unknown_label_count,
        conflict_count=value.conflict_count,
        agreement_alpha=value.agreement_alpha,
        unknown_labels=value.unknown_labels,
        task=message_of(model_task(value.task)),
        label_count=value.labelled,
        agreement_token_f1=value.agreement_token_f1,
        overlap=value.overlap,
    )
    if value.failure_reason:
        message.failure.reason, message.failure.message = value.failure_reason, value.failure_message
    return message


def create_guideline(request: pb.CreateGuidelineRequest) -> CreateGuideline:
    """Return the command of a request."""
    spec = request.guideline
    task, instructions = _of_config(request) if request.label_config else (_requested(spec), "")
    return CreateGuideline(
        parent=request.parent,
        guideline_id=request.guideline_id,
        instructions=spec.instructions or instructions,
        task=task,
        conflict_policy=_policy(spec.conflict_policy),
        request_id=request.request_id,
        purpose=spec.purpose,
        ambiguity=spec.ambiguity,
        examples=_examples(spec),
    )


def _examples(spec: annotation_pb2.Guideline) -> tuple[Example, ...]:
    return tuple(Example(each.label, each.text, each.explanation) for each in spec.examples)


def update_guideline(request: pb.UpdateGuidelineRequest) -> UpdateGuideline:
    """Return the command of a request; InvalidArgument if the mask names a field that cannot be changed."""
    spec = request.guideline
    carried = {field.name for field, _ in spec.ListFields()}
    paths = set(request.update_mask.paths) or (_CHANGEABLE & carried)
    if paths - _CHANGEABLE:
        raise InvalidArgument(
            f"update_mask may name {', '.join(sorted(_CHANGEABLE))}; not {', '.join(sorted(paths - _CHANGEABLE))}.",
            reason="BAD_UPDATE_MASK",
            field="update_mask",
        )
    return UpdateGuideline(
        name=spec.name,
        etag=spec.etag,
        instructions=spec.instructions if "instructions" in paths else None,
        labels=tuple(spec.labels) if "labels" in paths else None,
        conflict_policy=_policy(spec.conflict_policy) if "conflict_policy" in paths else None,
        purpose=spec.purpose if "purpose" in paths else None,
        ambiguity=spec.ambiguity if "ambiguity" in paths else None,
        examples=_examples(spec) if "examples" in paths else None,
        change=_change(spec.change) if "change" in paths else VersionChange(),
    )


def _change(message: annotation_pb2.VersionChange) -> VersionChange:
    earlier = _EARLIER.Name(message.earlier_answers).removeprefix("EARLIER_ANSWERS_")
    return VersionChange(
        EarlierAnswers(earlier) if message.earlier_answers else EarlierAnswers.KEEP,
        tuple(message.labels),
        message.note,
    )


def delete_guideline(request: pb.DeleteGuidelineRequest) -> DeleteGuideline:
    """Return the command of a request."""
    return DeleteGuideline(request.name, request.etag)


def create_label_set(request: pb.CreateLabelSetRequest) -> CreateLabelSet:
    """Return the command of a request."""
    spec = request.label_set
    return CreateLabelSet(
        parent=request.parent,
        label_set_id=request.label_set_id,
        dataset_version=spec.dataset_version,
        guideline=spec.guideline,
        import_as=_source(spec.import_as, Source.IMPORT),
        review_sample_size=spec.review_sample_size,
        overlap=spec.overlap or 1,
        request_id=request.request_id,
    )


def create_annotation(request: pb.CreateAnnotationRequest, caller: str, by_service: bool) -> CreateAnnotation:
    """Return the command of a request, with its caller."""
    return _new_annotation(
        request.annotation, request.parent, request.annotation_id, request.request_id, caller, by_service
    )


def create_annotations(
    request: pb.BatchCreateAnnotationsRequest, caller: str, by_service: bool
) -> CreateAnnotations:
    """Return the command of a request, with its caller."""
    return CreateAnnotations(
        [
            _new_annotation(
                spec,
                request.parent,
                "",
                f"{request.request_id}/{number}" if request.request_id else "",
                caller,
                by_service,
            )
            for number, spec in enumerate(request.annotations)
        ]
    )


def _new_annotation(
    spec: annotation_pb2.Annotation,
    parent: str,
    annotation_id: str,
    request_id: str,
    caller: str,
    by_service: bool,
) -> CreateAnnotation:
    return CreateAnnotation(
        parent=parent,
        annotation_id=annotation_id,
        record_id=spec.record_id,
        content_digest=spec.content_digest,
        label=spec.label,
        source=_source(spec.source, Source.HUMAN),
        annotator=spec.annotator,
        caller=caller,
        caller_is_service=by_service,
        request_id=request_id,
    )


def claim_task(request: pb.ClaimTaskRequest, caller: str, is_engineer: bool) -> ClaimTask:
    """The claim of a caller."""
    return ClaimTask(
        request.parent,
        request.reason,
        caller,
        request.queue,
        request.to_review,
        frozenset(request.other_than),
        is_engineer,
    )


def review_task(request: pb.ReviewTaskRequest, caller: str, is_engineer: bool) -> ReviewTask:
    """Return the command of a request, with its caller; InvalidArgument without a decision."""
    if not request.decision:
        raise InvalidArgument(
            "decision is missing: ACCEPT, FIX or SEND_BACK.", reason="DECISION_MISSING", field="decision"
        )
    decision = Decision(_DECISION.Name(request.decision).removeprefix("DECISION_"))
    return ReviewTask(request.name, decision, request.label, request.comment, caller, is_engineer)


def submit_task(request: pb.SubmitTaskRequest, caller: str) -> SubmitTask:
    """Return the command of a request, with its caller."""
    return SubmitTask(
        complete_task(request, caller), request.claim_count, frozenset(request.other_than), request.reason
    )


def complete_task(request: pb.CompleteTaskRequest | pb.SubmitTaskRequest, caller: str) -> CompleteTask:
    """Return the command of a request, with its caller."""
    preference = _PREFERENCE.Name(request.preference).removeprefix("PREFERENCE_")
    return CompleteTask(
        request.name,
        request.label,
        caller,
        dict(request.ratings),
        Preference(preference) if request.preference else None,
        request.comment,
        request.skip_reason,
        request.guideline_version,
    )


def create_tasks(request: pb.BatchCreateTasksRequest) -> CreateTasks:
    """Return the command of a request."""
    return CreateTasks(request.parent, [_new_task(each) for each in request.tasks], request.request_id)


def _new_task(spec: annotation_pb2.Task) -> NewTask:
    return NewTask(
        record_id=spec.record_id,
        content_digest=spec.content_digest,
        dataset_version=spec.dataset_version,
        task=task_of(spec.task),
        proposed_label=spec.proposed_label,
        overlap=spec.overlap or 1,
        work=work(spec.work),
        candidates=tuple(spec.candidates),
        origins=tuple(spec.origins),
        scales=tuple(spec.scales),
    )


def freezing_spec(job: FreezingJob) -> jobs_pb2.FreezingSpec:
    """Return the spec of the job that freezes a label set."""
    label_set = job.label_set
    return jobs_pb2.FreezingSpec(
        name=label_set.name,
        dataset_digest=label_set.dataset_digest,
        annotations_digest=job.annotations_digest,
        labels=labels_of(label_set.task),
        task_spec=_beyond_labels(model_task(label_set.task)),
        marks=marks(label_set.task),
        conflict_policy=label_set.conflict_policy.value,
        import_as=label_set.import_as.value,
        review_sample_size=label_set.review_sample_size,
    )


def _beyond_labels(task: TaskSpec) -> task_pb2.TaskSpec | None:
    """Return the message of a task that its labels alone do not describe, as older workers read them."""
    return None if task == Classify(labels_of(task)) else message_of(task)


def freezing_result(value: Frozen) -> jobs_pb2.FreezingResult:
    """Return the result of a job as a message."""
    return jobs_pb2.FreezingResult(**asdict(value))


def frozen(result: jobs_pb2.FreezingResult) -> Frozen:
    """Return the result of a job; unknown labels are in the order of their numbers."""
    unknown = sorted(result.unknown_labels.items(), key=lambda each: (-each[1], each[0]))
    return Frozen(
        digest=result.digest,
        imported_digest=result.imported_digest,
        tasks_digest=result.tasks_digest,
        class_counts=dict(sorted(result.class_counts.items())),
        unlabelled_count=result.unlabelled_count,
        unknown_label_count=result.unknown_label_count,
        conflict_count=result.conflict_count,
        agreement_alpha=result.agreement_alpha if result.HasField("agreement_alpha") else None,
        unknown_labels=dict(unknown),
        label_count=result.label_count,
        agreement_token_f1=result.agreement_token_f1 if result.HasField("agreement_token_f1") else None,
    )


def event(happened: object, name: str, revision: int) -> Record:
    """A domain event as a record of its topic."""
    return record_of("labeling", _envelope(happened, name, revision))


def _envelope(happened: object, name: str, revision: int) -> Message:
    events = labeling_events_pb2
    match happened:
        case Completed(digest, count):
            completed = events.LabelSetCompleted(digest=digest, label_count=count)
            return events.LabelSetEvent(name=name, revision=revision, completed=completed)
        case Failed(reason) if _REFILLS in name:
            return events.QueueEvent(
                name=name, revision=revision, refill_failed=events.RefillFailed(reason=reason)
            )
        case Cancelled() if _REFILLS in name:
            return events.QueueEvent(name=name, revision=revision, refill_cancelled=events.RefillCancelled())
        case Failed(reason):
            return events.LabelSetEvent(
                name=name, revision=revision, failed=events.LabelSetFailed(reason=reason)
            )
        case Cancelled():
            return events.LabelSetEvent(name=name, revision=revision, cancelled=events.LabelSetCancelled())
        case AnnotationCreated(record_id):
            created = events.AnnotationCreated(record_id=record_id)
            return events.AnnotationEvent(name=name, revision=revision, created=created)
        case RefillCompleted(count):
            done = events.RefillCompleted(task_count=count)
            return events.QueueEvent(name=name, revision=revision, refill_completed=done)
        case QueueDrained(count):
            return events.QueueEvent(
                name=name, revision=revision, drained=events.QueueDrained(done_count=count)
            )
    raise TypeError(f"{happened!r} is not an event of labeling")


def _policy(value: annotation_pb2.Guideline.ConflictPolicy.ValueType) -> ConflictPolicy | None:
    """The policy; None where none was named."""
    return ConflictPolicy(_POLICY.Name(value).removeprefix("CONFLICT_POLICY_")) if value else None


def _source(value: annotation_pb2.Annotation.Source.ValueType, default: Source) -> Source:
    return Source(_SOURCE.Name(value).removeprefix("SOURCE_")) if value else default
