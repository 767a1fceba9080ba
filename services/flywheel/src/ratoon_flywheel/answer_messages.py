"""Captured answers, and feedback with its labeling task, to protobuf and back; entrypoints use it."""

from ratoon.flywheel.v1 import flywheel_service_pb2 as pb
from ratoon.flywheel.v1 import signal_pb2
from ratoon.runtime.timestamps import timestamp
from ratoon_flywheel import mapping
from ratoon_flywheel.application.collecting import Collected, Collection
from ratoon_flywheel.application.commands import CollectAnswers
from ratoon_flywheel.domain.errors import BadFeedback
from ratoon_flywheel.domain.signals.feedback import Feedback


def feedback(value: Feedback) -> signal_pb2.Feedback:
    """Return feedback as callers see it."""
    message = mapping.feedback(value)
    message.task = value.task
    return message


def collect_answers(request: pb.CollectAnswersRequest) -> CollectAnswers:
    """Return the command of a request."""
    if request.selection not in request.Selection.values():
        raise BadFeedback(f"selection has no value {request.selection}.", "selection")
    default = CollectAnswers(request.parent)
    return CollectAnswers(
        request.parent,
        request.deployment,
        request.selection == request.SELECTION_REJECTED,
        request.max_rating or default.max_rating,
        request.conflicts,
        request.position,
        request.page_size or default.size,
        tuple(dict.fromkeys(request.answer_ids)),
    )


def collected_answers(value: Collection) -> pb.CollectAnswersResponse:
    """Return the response of a collection."""
    return pb.CollectAnswersResponse(
        answers=map(_answer, value.answers),
        position=value.position,
        forbidden_count=value.forbidden,
        has_more=value.has_more,
    )


def _answer(value: Collected) -> signal_pb2.CapturedAnswer:
    answer = value.answer
    return signal_pb2.CapturedAnswer(
        answer_id=answer.answer_id,
        create_time=timestamp(answer.time),
        deployment=answer.deployment,
        version=answer.version,
        position=value.position,
        text_digests=value.text_digests or (answer.content_digest,),
        text=value.text,
        label=value.label,
        confidence=value.confidence,
        feedback=value.feedback,
    )
