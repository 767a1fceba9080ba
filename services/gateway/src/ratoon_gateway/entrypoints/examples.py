"""Examples of request bodies, by operation, for the OpenAPI document. A test holds each against its schema."""

from typing import Any


def _example(summary: str, value: dict[str, Any]) -> dict[str, Any]:
    return _named("default", summary, value)


def _named(name: str, summary: str, value: dict[str, Any]) -> dict[str, Any]:
    return {name: {"summary": summary, "value": value}}


CHAT = _example(
    "One turn",
    {"model": "mail-triage", "messages": [{"role": "user", "content": "Your invoice is overdue."}]},
)
TEXT = _example(
    "One prompt", {"model": "mail-triage", "prompt": "Your invoice is overdue.", "max_tokens": 16}
)
FEEDBACK: dict[str, Any] = {
    **_example("A correction", {"id": "chatcmpl-…", "thumb": "down", "correction": "spam"}),
    **_named(
        "rewritten", "A rewritten answer", {"id": "chatcmpl-…", "correction": "Your invoice is due on 3 May."}
    ),
    **_named("number", "The right number", {"id": "chatcmpl-…", "correction": 3.5}),
    **_named(
        "labels", "The right labels of several", {"id": "chatcmpl-…", "correction": ["billing", "urgent"]}
    ),
    **_named(
        "pair",
        "The better of two answers",
        {"preferred_answer_id": "chatcmpl-…1", "rejected_answer_id": "chatcmpl-…2"},
    ),
    **_named("outcome", "An outcome, days later", {"id": "chatcmpl-…", "outcomes": {"resolved": 1}}),
    **_named(
        "session", "A whole session", {"session_id": "ticket-4711", "thumb": "up", "consent": "evaluation"}
    ),
}
_DIGEST = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"
EXAMPLES: dict[str, dict[str, Any]] = {
    "flywheel.CreateProject": _example("A classifier", {"displayName": "Mail", "labels": ["ham", "spam"]}),
    "flywheel.UpdateProject": _example("Approval of each rollout", {"requireApproval": True}),
    "flywheel.CreatePolicy": _example("A retraining a day", {"scheduleSeconds": 86400, "budgetRuns": 30}),
    "flywheel.CreatePipelineRun": _example(
        "A run over one source",
        {"sources": ["projects/mail/sources/inbox"], "triggerReason": "first version"},
    ),
    "gateway.CreateApiKey": _example(
        "A key for callers",
        {"role": "ROLE_CALLER", "displayName": "web shop", "expireTime": "2100-01-01T00:00:00Z"},
    ),
    "gateway.UpdateApiKey": _example("Another limit", {"limits": {"requestsPerMinute": "600"}}),
    "gateway.UpdateSafetyFilter": _example(
        "One word in both directions", {"inputWords": ["secret"], "outputWords": ["secret"]}
    ),
    "gateway.IssueToken": _example("A key for a token", {"apiKey": "rtn_…"}),
    "ingestion.CreateSource": _example(
        "Mails of one directory for each label",
        {
            "format": "FORMAT_MAIL_ARCHIVE",
            "digest": _DIGEST,
            "labelsByFolder": {"inbox": "ham", "junk": "spam"},
        },
    ),
    "ingestion.CreateDatasetVersion": _example(
        "Records of one source", {"sources": ["projects/mail/sources/inbox"]}
    ),
    "labeling.CreateAnnotation": _example("A label", {"recordId": _DIGEST, "label": "spam"}),
    "registry.SetAlias": _example(
        "A pinned version", {"version": "projects/mail/models/triage/versions/v1.0", "reason": "audited"}
    ),
    "serving.CreateRollout": _example(
        "A canary", {"toVersion": "projects/mail/models/triage/versions/v1.1", "shares": [10, 50]}
    ),
    "evaluation.PlanEvaluation": _example(
        "2,000 records, two models", {"recordCount": "2000", "modelCount": 2}
    ),
    "serving.PlanDeployment": _example("10,000 requests a second", {"requestsPerSecond": 10_000}),
    "serving.ScaleDeployment": _example("Two to four engines", {"minReplicas": 2, "maxReplicas": 4}),
}
