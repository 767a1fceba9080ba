"""Settings of training that projects pass on as they are: messages of training, stored as JSON texts."""

from typing import Any

from google.protobuf import json_format
from google.protobuf.message import Message

from ratoon.training.v1 import lora_pb2, optimization_pb2, training_run_pb2

PASSED_ON: dict[str, type[Message]] = {
    "optimization": optimization_pb2.Optimization,
    "architecture": training_run_pb2.Recipe.Architecture,
    "lora": lora_pb2.Lora,
    "neural": training_run_pb2.Recipe.Neural,
    "parallelism": training_run_pb2.Parallelism,
}
"""Fields of `training` of a project whose messages are those of training, with their kinds."""


def text_of(message: Message) -> str:
    """Return a message as JSON; empty if nothing is set."""
    if not message.ListFields():
        return ""
    return json_format.MessageToJson(message, preserving_proto_field_name=True, indent=None)


def message_of(name: str, text: str) -> Any:
    """Return the message of a field."""
    message = PASSED_ON[name]()
    return json_format.Parse(text, message) if text else message
