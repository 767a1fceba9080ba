"""JSON schemas of answers. jsonschema-rs checks them: its expressions take linear time, and it fetches nothing.

It is loaded when a task has a schema.
"""

import json
from functools import lru_cache
from typing import Any


class BadSchema(ValueError):
    """The text is no JSON schema; the message says why, without an end."""


def schema_fault(schema: str) -> str:
    """Return why a text is no JSON schema; empty if it is one."""
    try:
        _validator(schema)
    except BadSchema as error:
        return str(error)
    return ""


def document_fault(schema: str, document: Any) -> str:
    """Return why a document does not fit a schema, and where; empty if it fits.

    Every document fits what is no schema: an older release accepted such a setting.
    """
    try:
        fault = next(iter(_validator(schema).iter_errors(document)), None)
    except BadSchema:
        return ""
    if fault is None:
        return ""
    place = "".join(f"[{json.dumps(step)}]" for step in fault.instance_path)
    return f"{fault.message[:_CHARS]} at ${place}" if place else fault.message[:_CHARS]


_CHARS = 200
"""Characters of a fault that are shown."""


@lru_cache(maxsize=64)
def _validator(schema: str) -> Any:
    import jsonschema_rs

    try:
        return jsonschema_rs.validator_for(
            json.loads(schema), offline=True, pattern_options=jsonschema_rs.RegexOptions()
        )
    except (ValueError, RecursionError) as error:
        raise BadSchema(str(error).partition("\n")[0][:_CHARS]) from None
