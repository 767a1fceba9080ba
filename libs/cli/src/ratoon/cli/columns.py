"""Columns of the tables of resources."""

from ratoon.client.schema import MESSAGES, Method, json_name

COLUMNS = {
    "compressions": ["name", "state", "method", "sourceVersion", "compressed.sizeBytes", "createTime"],
    "alias_changes": ["changeTime", "alias", "fromVersion", "toVersion", "reason", "principal"],
    "api_keys": ["name", "role", "expireTime", "revokeTime", "lastUseTime"],
    "bad_cases": ["domain", "label", "predicted", "referencePredicted", "score", "recordId", "text"],
    "dataset_versions": ["name", "state", "recordCount", "rejectedCount", "merkleRoot", "createTime"],
    "connections": ["name", "kind", "url", "state", "recordCount", "failure.reason", "nextReadTime"],
    "datasets": ["name", "displayName", "createTime"],
    "dead_letters": ["partition", "offset", "time", "reason", "detail", "sizeBytes", "value"],
    "deployments": ["name", "version", "replicas", "minReplicas", "maxReplicas", "activeRollout"],
    "drift_reports": ["name", "version", "drifted", "answerCount", "feedbackCount", "createTime"],
    "evaluation_runs": ["name", "state", "metric", "verdict.passed", "verdict.summary", "createTime"],
    "profiles": ["name", "state", "datasetVersion", "recordCount", "sealedCount", "createTime"],
    "exports": ["name", "state", "format", "recordCount", "sizeBytes", "createTime"],
    "feedback": ["createTime", "version", "thumb", "rating", "correction", "answerId"],
    "guideline_versions": [
        "name",
        "applied",
        "reopenedCount",
        "guideline.change.earlierAnswers",
        "guideline.change.note",
        "createTime",
    ],
    "guidelines": ["name", "labels", "conflictPolicy", "createTime"],
    "judges": ["name", "state", "kind", "agreement.pairCount", "agreement.kappa", "baseUrl", "createTime"],
    "label_sets": ["name", "state", "classCounts", "conflictCount", "createTime"],
    "model_exports": ["name", "state", "format", "ggufType", "sizeBytes", "parity.verdict", "createTime"],
    "model_versions": ["name", "state", "parameterCount", "sizeBytes", "changelog", "createTime"],
    "models": ["name", "displayName", "createTime"],
    "pipeline_runs": ["name", "state", "trigger", "triggerReason", "createTime"],
    "policies": ["name", "paused", "dryRun", "lastDecision", "lastDecisionTime"],
    "projects": ["name", "labels", "suites", "judges", "createTime"],
    "record_differences": ["recordId", "kind", "baseLabel", "label", "basePart", "part", "baseText", "text"],
    "records": ["recordId", "sourceLabel", "language", "chars", "text"],
    "rejections": ["sourcePath", "step", "reason", "detail", "textStart"],
    "rollouts": ["name", "state", "paused", "fromVersion", "toVersion", "progress.message", "createTime"],
    "sources": ["name", "displayName", "format", "license", "createTime"],
    "split_readings": ["readTime", "part", "reader", "purpose"],
    "splits": ["name", "state", "datasetVersion", "createTime"],
    "suites": ["name", "description", "createTime"],
    "queues": ["name", "state", "openCount", "reviewCount", "doneCount", "skippedCount", "stopReason"],
    "refills": ["name", "state", "taskCount", "activeCount", "labelledCount", "candidateCount", "stopReason"],
    "tasks": ["name", "state", "proposedLabel", "reason", "recordId"],
    "sweeps": ["name", "state", "progress.message", "createTime"],
    "training_run_metrics": ["metric", "name"],
    "training_runs": ["name", "state", "progress.message", "createTime"],
}
"""Columns of the table of each resource, as dotted paths of fields in JSON."""
_DEFAULT_COUNT = 6
_UNINTERESTING = frozenset(("etag", "revision", "update_time"))


def columns_of(method: Method) -> list[str]:
    """Return the columns of a listing: those above, else the first short fields of its items."""
    if known := COLUMNS.get(method.resource):
        return known
    fields = MESSAGES[method.items].fields
    short = [
        json_name(each.name)
        for each in fields
        if not each.repeated
        and not each.key
        and each.kind not in MESSAGES
        and each.name not in _UNINTERESTING
    ]
    return short[:_DEFAULT_COUNT]
