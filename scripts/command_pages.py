"""Reference pages of the command line: its commands, and which RPCs it, the client and the console reach.

A new RPC that the command line, the client or the console does not reach needs a reason here.
"""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import typer
from google.api import annotations_pb2

from ratoon.cli import app
from ratoon.cli.exit_codes import MEANINGS
from ratoon.cli.names import SHORT_WORDS, plural
from ratoon.cli.verbs import verbs, word
from ratoon.client.schema import METHODS, Method
from ratoon.common.v1 import options_pb2
from scripts.contract_pages import Contracts, cell

ROOT = Path(__file__).resolve().parent.parent
CONSOLE_SOURCES = ROOT / "services/console/src/ratoon_console"
CONSOLE = {
    "AbortRollout": "abort_rollout",
    "ApplySweep": "apply_sweep",
    "ApprovePipelineRun": ":approve",
    "CancelCompression": ":cancel",
    "CancelEvaluationRun": ":cancel",
    "CancelJudge": ":cancel",
    "CancelModelExport": ":cancel",
    "CancelPipelineRun": ":cancel",
    "CancelSweep": ":cancel",
    "CancelTrainingRun": ":cancel",
    "ClaimTask": "/tasks:claim",
    "CompareVersions": "/feedback:compare",
    "CompleteTask": ":complete",
    "CreateCompression": "create_compression",
    "CreateDataset": 'f"{parent}/datasets"',
    "CreateDatasetVersion": '/versions",',
    "CreateJudge": "create_judge",
    "CreateModelExport": "create_model_export",
    "CreatePipelineRun": "/pipelineRuns",
    "CreatePolicy": "/policies",
    "CreateRollout": "/rollouts",
    "CreateSource": 'f"{parent}/sources"',
    "CreateSuite": "create_suite",
    "DeleteCompression": "delete_compression",
    "DeleteDataset": "delete_ended",
    "DeleteDatasetVersion": "delete_ended",
    "DeleteDeployment": "delete_deployment",
    "DeleteEvaluationRun": "delete_ended",
    "DeleteJudge": "delete_ended",
    "DeleteModelExport": "delete_model_export",
    "DeleteModelVersion": "delete_ended",
    "DeletePipelineRun": "delete_ended",
    "DeletePolicy": "delete_policy",
    "DeleteSource": "delete_source",
    "DeleteSuite": "delete_suite",
    "DeleteSweep": "delete_ended",
    "DeleteTrainingRun": "delete_ended",
    "DiffDatasetVersion": ":diff",
    "ExportBadCases": "/badCases:export",
    "ExportFeedback": "/feedback:export",
    "GetCompression": "api.get(form.name)",
    "GetDatasetVersion": "version = await api.get(name)",
    "GetDeployment": 'api.find(project["deployment"])',
    "GetEvaluationRun": "/evaluationRuns/{",
    "GetGuideline": 'sets[0]["guideline"]',
    "GetJudge": "/judges/{place.path['judge']}",
    "GetModel": 'api.find(project["model"])',
    "GetModelExport": 'else "modelExports"',
    "GetModelVersion": "/versions/{place.path['version']}",
    "GetPipelineRun": "/pipelineRuns/{",
    "GetPolicy": "await api.get(form.name)",
    "GetParityCertificate": ":parity",
    "GetProject": "api.get(place.parent)",
    "GetRecord": "/records/{",
    "GetRecordLineage": ":lineage",
    "GetRollout": "/rollouts/{",
    "GetSource": "/sources/{",
    "GetSuite": "/suites/{place.path['suite']}",
    "GetSweep": "/sweeps/{",
    "GetTrainingRun": "/trainingRuns/{",
    "IssueToken": "/v1/token",
    "ListAliasChanges": "/aliasChanges",
    "ListAliases": "/aliases",
    "ListBadCases": "/badCases",
    "ListCompressions": "/compressions",
    "ListDatasetVersions": "/versions",
    "ListDatasets": "/datasets",
    "ListDriftReports": "/driftReports",
    "ListEngines": "/engines",
    "ListEvaluationRuns": "/evaluationRuns",
    "ListExports": "/exports",
    "ListFeedback": '"feedback"',
    "ListGuidelines": "/guidelines",
    "ListJudges": 'f"{place.parent}/judges"',
    "ListLabelSets": "/labelSets",
    "ListModelExports": "/modelExports",
    "ListModelVersions": "/versions",
    "ListPipelineRuns": "/pipelineRuns",
    "ListPolicies": "/policies",
    "ListProjects": '"projects"',
    "ListRecordDifferences": "/recordDifferences",
    "ListRejections": "/rejections",
    "ListRollouts": "/rollouts",
    "ListSources": "/sources",
    "ListSplits": "/splits",
    "ListSuites": 'f"{place.parent}/suites"',
    "ListSweeps": "/sweeps",
    "ListTasks": "/tasks",
    "ListTrafficSegments": '"trafficSegments"',
    "ListTrainingRuns": "/trainingRuns",
    "PauseRollout": "pause_rollout",
    "PreviewSource": "/sources:preview",
    "RejectPipelineRun": ":reject",
    "ResumeRollout": "resume_rollout",
    "ResumeSweep": "resume_sweep",
    "SetAlias": ":set",
    "SummarizeRatings": "/tasks:summarizeRatings",
    "SummarizeTasks": "/tasks:summarize",
    "UndoRollout": ":undo",
    "UpdatePolicy": "change_policy",
    "UpdateProject": "change_project",
    "UpdateSource": "change_source",
    "UpdateSuite": "save_test",
    "WatchCompression": ":watch",
    "WatchEvaluationRun": ":watch",
    "WatchJudge": ":watch",
    "WatchModelExport": ":watch",
    "WatchPipelineRun": ":watch",
    "WatchRollout": ":watch",
    "WatchSweep": ":watch",
    "WatchTrainingRun": ":watch",
    "AppendRecords": ":append",
    "CreateConnection": "create_connection",
    "CreateCrawl": "create_crawl",
    "CreateStream": "create_stream",
    "DeleteConnection": "delete_connection",
    "DeleteCrawl": "delete_ended",
    "DeleteStream": "delete_stream",
    "GetConnection": "/connections/{place",
    "GetCrawl": "/crawls/{place",
    "GetStream": "/streams/{place",
    "ListConnections": 'f"{place.parent}/connections"',
    "ListCrawls": 'f"{place.parent}/crawls"',
    "ListStreams": 'f"{place.parent}/streams"',
    "ReadConnection": ":read",
    "ReplayDeadLetters": ":replayDeadLetters",
    "SealStream": ":seal",
    "UpdateConnection": "change_connection",
    "UpdateStream": "change_stream",
    "WatchCrawl": ":watch",
    "CreateRefill": "/refills",
    "CreateGuideline": "create_guideline",
    "UpdateGuideline": "change_guideline",
    "CreateQueue": "create_queue",
    "UpdateQueue": "change_queue",
    "DeleteQueue": "delete_queue",
    "ExportQueue": "_export_queue",
    "ImportAnnotations": "/annotations:importFile",
    "GetQueue": "/queues/",
    "ListQueues": '/queues"',
    "ListRefills": "/refills",
    "ReviewTask": ":review",
    "SubmitTask": ":submit",
    "SummarizeQueue": ":summarize",
    "WithdrawAnswer": ":withdraw",
    "CancelCrawl": ":cancel",
    "PlanDatasetVersion": "/versions:plan",
    "PlanDeployment": "{deployment}:plan",
    "PlanTraining": "/trainingRuns:plan",
    "PlanEvaluation": "/evaluationRuns:plan",
    "CreateProfile": "create_profile",
    "GetProfile": "/profiles/{place.path['profile']}",
    "GetProfileReport": ":report",
    "ListProfiles": "/profiles",
    "WatchProfile": ":watch",
    "CancelProfile": ":cancel",
    "DeleteProfile": "delete_profile",
    "CreateExport": "create_export",
    "GetExport": "{kind}/{path['export']}",
    "WatchExport": ":watch",
    "CancelExport": ":cancel",
    "DeleteExport": "delete_export",
    "CloneTrainingRun": "{form.name}:clone",
    "StopTrainingRun": "{form.name}:stop",
    "ResumeTrainingRun": "{form.name}:resume",
    "DescribeModelVersion": "{name}:describe",
    "FindTokenNeighbours": "{name}:neighbours",
}
"""RPCs that the console calls, each with a text of its sources that shows it."""
_SHELL = "needs a file or a script: use the command line"
_LOOP = "pipeline runs do it"
_INSTALLATION = "administration of the installation: use the command line"
_SHOWN = "the page shows it in the list of its parent"
CONSOLE_REASONS = {
    "ListTrainingRunMetrics": "the page of a run draws the curve that the run carries, and its exact curves",
    "ListDeadLetters": "the page of a connection shows their number; the command line lists them",
    "CreateSweep": _SHELL,
    "OpenExport": "exports of sealed test parts are opened by the command line",
    "RequestRatings": "the command line creates the tasks; the labelling page shows them",
    **dict.fromkeys(
        ("CreateExternalEvent", "GetExternalEvent", "ListExternalEvents"),
        "other systems send events; a pipeline run shows which one began it",
    ),
    **dict.fromkeys(
        (
            *(
                "BatchCreateTasks",
                "BatchCreateAnnotations",
                "CreateErasure",
                "GetErasure",
                "ListErasures",
                "WatchErasure",
            ),
            *("AddGoldItems", "CancelRefill"),
        ),
        _SHELL,
    ),
    **dict.fromkeys(
        (
            *(
                "CreateProject",
                "DeleteProject",
                "CreateModel",
                "DeleteModel",
                "CreateDeployment",
            ),
            *("ScaleDeployment", "CreateApiKey", "GetApiKey", "ListApiKeys", "UpdateApiKey"),
            *("GetApiKeyUsage", "RotateApiKey", "RevokeApiKey", "DeleteApiKey", "GetSafetyFilter"),
            "UpdateSafetyFilter",
        ),
        _INSTALLATION,
    ),
    **dict.fromkeys(
        (
            *(
                "CreateSplit",
                "CreateLabelSet",
                "CreateTrainingRun",
            ),
            *("CreateEvaluationRun", "CreateModelVersion", "CreateAnnotation", "OpenSplit"),
            *("DeleteGuideline", "CancelDatasetVersion", "CancelSplit", "CancelLabelSet"),
            *(
                "CancelModelVersion",
                "WatchDatasetVersion",
                "WatchSplit",
                "WatchLabelSet",
                "WatchModelVersion",
            ),
            *("DeleteSplit", "DeleteLabelSet", "DeleteDriftReport"),
        ),
        _LOOP,
    ),
    **dict.fromkeys(
        (
            *(
                "GetDataset",
                "GetSplit",
                "GetLabelSet",
                "GetAlias",
                "GetEngine",
                "GetDriftReport",
                "ListModels",
            ),
            *(
                "ListDeployments",
                "ListAnnotations",
                "GetAnnotation",
                "GetTask",
                "ListRecords",
                "ListSplitReadings",
                "GetGuidelineVersion",
                "ListGuidelineVersions",
                "GetRefill",
                "WatchRefill",
                "WatchQueue",
            ),
        ),
        _SHOWN,
    ),
    "CreateFeedback": "the playground uses `POST /v1/feedback`",
    "InjectFault": "for demos and tests",
}
"""Why the console does not call an RPC."""
CLIENT_REASONS: dict[str, str] = {}
"""Why the client, and with it the command line, does not have a public RPC."""
HTTP_ROUTES = (
    ("POST /v1/chat/completions", "ratoon ask", "chat.completions.create, stream", "playground"),
    ("POST /v1/completions", "ratoon ask --continue", "chat.complete_text", "chat only"),
    ("GET /v1/models", "ratoon models served", "chat.served_models", "uses the route of the project"),
    ("POST /v1/feedback", "ratoon feedback give", "chat.feedback", "playground"),
    (
        "PUT, HEAD /v1/blobs/{sha256}",
        "ratoon blobs upload, exists",
        "blobs.upload, upload_tree, exists",
        _SHELL,
    ),
    (
        "GET /v1/blobs/{sha256}",
        "ratoon blobs download",
        "blobs.download, download_to, stream",
        "training curves",
    ),
)
"""Routes of the gateway that are no RPC: command, method of the client, place in the console."""


CONVENTIONS = {
    "names": (
        "An ID, a name as tables print it (`datasets/tickets/versions/v1`), or a full resource name. IDs "
        "between the project and the resource are those of `--in`, else the ID of the project."
    ),
    "`--output`, `-o`": (
        "`table`, `wide` (all short values), `json`, `yaml`, `name`. Progress and advice are printed on "
        "standard error."
    ),
    "`--file`, `-f`": (
        "Fields in YAML or JSON, in camelCase or snake_case; `-` is standard input. The file is checked "
        "before anything is sent: an unknown field or a wrong type is refused with its line. `create` "
        "and `update` take several documents (`---`, or a list) and apply them one after the other; the "
        "exit status is that of the first failure. Fields that the server sets are skipped, so the output of "
        "`get -o yaml` is an input."
    ),
    "`update`": (
        "Sends what differs, with the `etag` of the file, else the one just read. If the resource was "
        "changed meanwhile, the exit status is 5."
    ),
    "`list`": (
        "The newest `--limit` items, oldest first; `--limit 0`: all. `--order-by`, `--filter`; "
        "`--page-size` and `--page-token` show one page."
    ),
    "`--watch`, `watch`": ("Follows long work to its final state; exit status 1 unless it succeeds."),
    "`--request-id`": (
        "Makes a create that is repeated return the first resource. Default: generated for each command."
    ),
    "completion": (
        "`source <(ratoon completion bash)`; also `zsh` and `fish`. Names of resources are completed too."
    ),
}
"""What all commands of resources have in common."""


class UnexplainedHole(Exception):
    """An RPC is not reached by the command line, the client or the console, and no reason says why."""


def commands_page() -> list[str]:
    """Return the lines of the page of commands."""
    return [
        "# Commands",
        "",
        "`ratoon COMMAND --help` shows arguments, options and examples. Global options (`--project`, `--url`, "
        "`--api-key`, `--output`) are accepted in any position.",
        "",
        *_conventions(),
        "## Exit statuses",
        "",
        "| status | meaning |",
        "|---|---|",
        *(f"| {code.value} | {meaning} |" for code, meaning in MEANINGS.items()),
        "",
        "## Resources",
        "",
        "| command | RPC | role | what it does |",
        "|---|---|---|---|",
        *(_method_row(each) for verb in verbs() for each in METHODS if word(each.name) == verb),
        "",
        "## Tasks",
        "",
        "| command | what it does |",
        "|---|---|",
        *_task_rows(),
    ]


def _conventions() -> list[str]:
    short = ", ".join(f"`{name}` ({plural(resource)})" for name, resource in SHORT_WORDS.items())
    return [
        f"`ratoon VERB RESOURCE` exists for every method of the API. Resources are plural or singular; short: {short}.",
        "",
        "| topic | behaviour |",
        "|---|---|",
        *(f"| {topic} | {text} |" for topic, text in CONVENTIONS.items()),
        "",
    ]


def _method_row(method: Method) -> str:
    command = f"ratoon {word(method.name)} {plural(method.resource)}"
    summary = re.split(r"(?<=\.)\s", method.comment, maxsplit=1)[0]
    return f"| `{command}` | `{method.rpc}` | {method.role} | {cell(summary)} |"


def _task_rows() -> Iterator[str]:
    """Yield a row for each command that is no verb of a resource."""
    root = typer.main.get_command(app)
    for name, command in _subcommands(root):
        if name in verbs():
            continue
        subcommands = list(_subcommands(command))
        for path, each in [(f"{name} {sub}", each) for sub, each in subcommands] or [(name, command)]:
            if not list(_subcommands(each)):
                yield _task_row(path, each)
            yield from (_task_row(f"{path} {sub}", inner) for sub, inner in _subcommands(each))


def _subcommands(command: Any) -> list[tuple[str, Any]]:
    return sorted(getattr(command, "commands", {}).items())


def _task_row(path: str, command: Any) -> str:
    summary = (command.help or "").split("\n\n")[0]
    return f"| `ratoon {path}` | {cell(summary)} |"


def coverage_page(contracts: Contracts) -> list[str]:
    """Return the lines of the page of coverage; UnexplainedHole for an RPC without a place or a reason."""
    return [
        "# Coverage of the API",
        "",
        "Every RPC, and where it is reached. RPCs of the role `service` are between services.",
        "",
        "| RPC | command line | `ratoon.client` | console |",
        "|---|---|---|---|",
        *_rpc_rows(contracts),
        "",
        "## Further routes of the gateway",
        "",
        "| route | command line | `ratoon.client` | console |",
        "|---|---|---|---|",
        *(
            f"| `{route}` | `{command}` | `{method}` | {console} |"
            for route, command, method, console in HTTP_ROUTES
        ),
    ]


def _rpc_rows(contracts: Contracts) -> Iterator[str]:
    known = {rpc.name for each in contracts.declared.values() for rpc, _ in each.methods}
    if stale := sorted({*CONSOLE, *CONSOLE_REASONS, *CLIENT_REASONS} - known):
        raise UnexplainedHole(f"scripts/command_pages.py names RPCs that do not exist: {', '.join(stale)}.")
    by_rpc = {(each.service, each.rpc): each for each in METHODS}
    console = "\n".join(path.read_text() for path in sorted(CONSOLE_SOURCES.rglob("*.py")))
    for service in sorted(contracts.declared.values(), key=lambda each: each.full_name):
        for rpc, _ in service.methods:
            name = f"`{service.domain}.{rpc.name}`"
            if (method := by_rpc.get((service.domain, rpc.name))) is None:
                yield f"| {name} | {_unreached(rpc)} | – | – |"
                continue
            command = f"`ratoon {word(method.name)} {plural(method.resource)}`"
            client = f"`{method.resource}.{method.name}`"
            yield f"| {name} | {command} | {client} | {_console(rpc.name, console)} |"


def _unreached(rpc: Any) -> str:
    """Return why an RPC is none of the client; UnexplainedHole without a reason."""
    if rpc.options.Extensions[options_pb2.required_role] == options_pb2.ROLE_SERVICE:
        return "services only"
    if not rpc.options.Extensions[annotations_pb2.http].WhichOneof("pattern") and rpc.name in CLIENT_REASONS:
        return CLIENT_REASONS[rpc.name]
    raise UnexplainedHole(
        f"The client has no method for {rpc.name}: give it an HTTP path, or a reason in scripts/command_pages.py."
    )


def _console(rpc: str, sources: str) -> str:
    """Return whether the console reaches an RPC, else why not; UnexplainedHole without a reason or evidence."""
    if evidence := CONSOLE.get(rpc):
        if evidence not in sources:
            raise UnexplainedHole(
                f"The console no longer contains {evidence!r}, which showed that it calls {rpc}: correct CONSOLE in "
                "scripts/command_pages.py."
            )
        return "yes"
    if rpc in CONSOLE_REASONS:
        return CONSOLE_REASONS[rpc]
    raise UnexplainedHole(
        f"The console does not call {rpc}: add it to CONSOLE, or a reason to CONSOLE_REASONS, in "
        "scripts/command_pages.py."
    )
