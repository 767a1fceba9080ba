"""Examples of request bodies, by operation, for the OpenAPI document. A test holds each against its schema."""

from typing import Any


def _example(summary: str, value: dict[str, Any]) -> dict[str, Any]:
    return {"default": {"summary": summary, "value": value}}


CHAT = _example(
    "One turn",
    {"model": "mail-triage", "messages": [{"role": "user", "content": "Your invoice is overdue."}]},
)
TEXT = _example(
    "One prompt", {"model": "mail-triage", "prompt": "Your invoice is overdue.", "max_tokens": 16}
)
FEEDBACK = _example("A correction", {"id": "chatcmpl-…", "thumb": "down", "correction": "spam"})
EXAMPLES: dict[str, dict[str, Any]] = {
    "flywheel.CreateProject": _example("A classifier", {"displayName": "Mail", "labels": ["ham", "spam"]}),
    "gateway.CreateApiKey": _example(
        "A key for callers",
        {"role": "ROLE_CALLER", "displayName": "web shop", "expireTime": "2100-01-01T00:00:00Z"},
    ),
    "gateway.UpdateApiKey": _example("Another limit", {"limits": {"requestsPerMinute": "600"}}),
    "gateway.UpdateSafetyFilter": _example(
        "Two words", {"inputWords": ["secret"], "outputWords": ["secret"]}
    ),
    "gateway.IssueToken": _example("A key for a token", {"apiKey": "rtn_…"}),
}
