"""Records to `ratoon.ingestion.v1.Example`, for the API and for previews."""

from ratoon.ingestion.v1.example_pb2 import Example
from ratoon.tasks.kind import Record, Turn


def example_message(record: Record) -> Example:
    """Return a record as callers see it."""
    message = Example(messages=map(_message, record.turns), answers=record.answers, tools=record.tools)
    if record.rejected is not None:
        message.rejected = record.rejected
    if record.is_good is not None:
        message.good = record.is_good
    if record.weight != 1:
        message.weight = record.weight
    return message


def _message(turn: Turn) -> Example.Message:
    return Example.Message(
        role=turn.role,
        content=turn.content,
        tool_calls=turn.tool_calls,
        tool_call_id=turn.tool_call_id,
        name=turn.name,
        reasoning=turn.reasoning,
    )
