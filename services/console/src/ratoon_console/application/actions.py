"""Actions of buttons: each takes the form and the API, and returns a notice and the next page."""

from collections.abc import Mapping
from http import HTTPStatus
from urllib.parse import urlencode

from ratoon_console.application import (
    collection_actions,
    compression_actions,
    curation_actions,
    dataset_actions,
    label_actions,
    model_actions,
    run_actions,
    suite_actions,
)
from ratoon_console.application.forms import Action, Done
from ratoon_console.application.forms import Form as Form
from ratoon_console.application.ports import JSON, Api
from ratoon_console.domain.errors import BadForm, Refused
from ratoon_console.domain.judges import judge_of
from ratoon_console.domain.people import Role
from ratoon_console.domain.projects import settings_of
from ratoon_console.domain.words import last_part, number

_RATING = "rating-"
_COLUMN = "column-"
"""Prefix of the fields of columns of a source."""
_SHORT_ANSWER = 64
"""Characters of an answer that a notice repeats."""
POLICY_NUMBERS = (
    "driftThreshold",
    "errorRateThreshold",
    "minAnswers",
    "minFeedback",
    "cooldownSeconds",
    "budgetRuns",
)
"""The fields of a policy that its form can change."""


async def pause_rollout(form: Form, api: Api) -> Done:
    """Hold a rollout where it is."""
    return await _rollout_method(form, api, "pause", "is paused")


async def resume_rollout(form: Form, api: Api) -> Done:
    """Let a rollout go on."""
    return await _rollout_method(form, api, "resume", "is resumed")


async def abort_rollout(form: Form, api: Api) -> Done:
    """Send a rollout back."""
    return await _rollout_method(form, api, "abort", "is aborted; traffic returns to the previous version")


async def undo_rollout(form: Form, api: Api) -> Done:
    """Start a rollout back to the version before."""
    body = {"reason": _reason(form), "requestId": form["request_id"]}
    started = await api.post(f"{form.name}:undo", body)
    return Done(
        f"A rollout to {last_part(started['toVersion'])} has started.",
        f"/p/{form.project}/rollouts/{last_part(started['name'])}",
    )


async def roll_out(form: Form, api: Api) -> Done:
    """Start a rollout to a version."""
    deployment = f"projects/{form.project}/deployments/{form['deployment']}"
    version = form.name
    started = await api.post(
        f"{deployment}/rollouts", {"toVersion": version}, requestId=form["request_id"]
    )  # fmt: skip
    return Done(
        f"The rollout to {last_part(version)} has started.",
        f"/p/{form.project}/rollouts/{last_part(started['name'])}",
    )


async def start_pipeline_run(form: Form, api: Api) -> Done:
    """Start a pipeline run from a source."""
    body = {"sources": [form.name], "skipRollout": form.fields.get("skip_rollout") == "yes"}
    await api.post(f"projects/{form.project}/pipelineRuns", body, requestId=form["request_id"])
    return Done("The pipeline run has started.", f"/p/{form.project}")


async def cancel(form: Form, api: Api) -> Done:
    """Cancel long work."""
    await api.post(f"{form.name}:cancel", {})
    return Done(f"{last_part(form.name)} is being cancelled.")


async def approve_pipeline_run(form: Form, api: Api) -> Done:
    """Approve the version of a pipeline run that awaits approval."""
    await api.post(f"{form.name}:approve", {"reason": _reason(form)})
    return Done("Approved. The version is being rolled out.")


async def reject_pipeline_run(form: Form, api: Api) -> Done:
    """Reject the version of a pipeline run that awaits approval."""
    await api.post(f"{form.name}:reject", {"reason": _reason(form)})
    return Done("Rejected. The version in production does not change.")


async def create_policy(form: Form, api: Api) -> Done:
    """Create a policy that starts retraining automatically, or with `dry_run` only reports what it would start."""
    dry = form.fields.get("dry_run") == "yes"
    query = {"policyId": "default", "requestId": form["request_id"]}
    await api.post(f"projects/{form.project}/policies", {"dryRun": dry}, **query)
    return Done("The policy is active. Its decisions appear on this page.")


async def pause_policy(form: Form, api: Api) -> Done:
    """Hold a policy."""
    await _change(form.name, api, {"paused": True})
    return Done(f"The policy {last_part(form.name)} is paused; it starts no pipeline runs.")


async def resume_policy(form: Form, api: Api) -> Done:
    """Let a policy go on."""
    await _change(form.name, api, {"paused": False})
    return Done(f"The policy {last_part(form.name)} is active again.")


async def start_dry_run(form: Form, api: Api) -> Done:
    """Let a policy only say what it would have started."""
    await _change(form.name, api, {"dryRun": True})
    return Done(f"The policy {last_part(form.name)} is in dry-run mode: it only reports what it would start.")


async def end_dry_run(form: Form, api: Api) -> Done:
    """Let a policy start pipeline runs."""
    await _change(form.name, api, {"dryRun": False})
    return Done(f"The policy {last_part(form.name)} starts pipeline runs from now on.")


async def change_policy(form: Form, api: Api) -> Done:
    """Change the thresholds of a policy; a field that is left empty stays as it is."""
    numbers = {field: form.number(field) for field in POLICY_NUMBERS if form.fields.get(field, "").strip()}
    if not numbers:
        raise BadForm("Nothing to change. Fill in at least one field.")
    await _change(form.name, api, numbers)
    return Done(f"The policy {last_part(form.name)} is updated.")


async def delete_policy(form: Form, api: Api) -> Done:
    """Delete a policy, as it is now."""
    await api.delete(form.name, etag=(await api.get(form.name))["etag"])
    return Done(f"The policy {last_part(form.name)} is deleted.")


async def delete_source(form: Form, api: Api) -> Done:
    """Delete a source that no dataset version uses, as it is now."""
    await api.delete(form.name, etag=(await api.get(form.name))["etag"])
    return Done(f"The source {last_part(form.name)} is deleted.", f"/p/{form.project}/data")


async def delete_deployment(form: Form, api: Api) -> Done:
    """Delete a deployment that does not serve."""
    await api.delete(form.name)
    return Done(f"The deployment {last_part(form.name)} is deleted.")


async def delete_ended(form: Form, api: Api) -> Done:
    """Delete long work that has ended."""
    await api.delete(form.name)
    page = PAGES[form.name.split("/")[2]]
    return Done(f"{last_part(form.name)} is deleted.", f"/p/{form.project}/{page}")


async def resume_sweep(form: Form, api: Api) -> Done:
    """Continue a sweep that has ended."""
    await api.post(f"{form.name}:resume", {})
    return Done("The sweep goes on.")


async def apply_sweep(form: Form, api: Api) -> Done:
    """Make the settings of the best trial those of the project; a change of the project in between is refused."""
    project = form.name.partition("/sweeps/")[0]
    etag = (await api.get(project)).get("etag", "")
    await api.post(f"{project}:applySweep", {"sweep": form.name, "etag": etag})
    return Done("The project trains with the settings of the best trial from the next pipeline run on.")


async def change_project(form: Form, api: Api) -> Done:
    """Change the labels and the instructions of a project."""
    settings: dict[str, object] = {"instructions": form.fields.get("instructions", "").strip()}
    if "labels" in form.fields:
        labels = form["labels"].replace("\n", ",").split(",")
        settings["labels"] = [label.strip() for label in labels if label.strip()]
    allowed = form.fields.get("allow_label_removal") == "yes"
    changed = await _change(f"projects/{form.project}", api, settings, allowLabelRemoval=allowed)
    return Done(" ".join(changed.get("notices") or ["The project is updated."]))


async def change_settings(form: Form, api: Api) -> Done:
    """Change the settings of a project, unless they were changed since the page was read."""
    settings = settings_of(form["settings"])
    allowed = form.fields.get("allow_label_removal") == "yes"
    changed = await api.patch(
        f"projects/{form.project}",
        {"etag": form["etag"], **settings},
        updateMask=",".join(settings),
        allowLabelRemoval=allowed,
    )
    return Done(" ".join(changed.get("notices") or ["The settings are changed."]))


async def complete_task(form: Form, api: Api) -> Done:
    """Answer a review task; without a label it is skipped. The page that names the tasks in work gets the next one."""
    rating = _rating(form)
    label = "" if rating else await _answer(form, api)
    comment = {key: form.fields[key] for key in ("comment",) if form.fields.get(key)}
    answer = {"label": label, **rating, **comment, "requestId": form["request_id"]}
    next_task = ""
    if "in_work" in form.fields:
        tasks = form.name.rpartition("/")[0]
        in_work = [f"{tasks}/{each}" for each in form.fields["in_work"].split(",") if each]
        claim = {"claimCount": 1, "otherThan": in_work, "reason": form.fields.get("reason", "")}
        submitted = await api.post(f"{form.name}:submit", {**answer, **claim})
        next_task = "".join(last_part(each["name"]) for each in submitted.get("nextTasks", []))
    else:
        await api.post(f"{form.name}:complete", answer)
    return Done(_answered(label, rating), _work(form, last=last_part(form.name)), next_task)


def _answered(label: str, rating: Mapping[str, object]) -> str:
    if rating:
        return "The rating is saved."
    if not label:
        return "Skipped."
    is_short = len(label) <= _SHORT_ANSWER and "\n" not in label
    return f"Labelled {label}." if is_short else "The answer is saved."


def _work(form: Form, **query: str) -> str:
    """Return the page on which the work on a queue goes on; empty if the task belongs to none."""
    queue = form.fields.get("queue", "")
    if not queue:
        return ""
    return f"/p/{form.project}/labels/review?{urlencode({'queue': queue, **query})}"


async def withdraw_answer(form: Form, api: Api) -> Done:
    """Withdraw the answer to a task, which then comes again."""
    await api.post(f"{form.name}:withdraw", {})
    return Done("The answer is withdrawn.", _work(form))


async def review_task(form: Form, api: Api) -> Done:
    """Accept the answers to a task, replace them, or send the task back."""
    decision = form["decision"]
    body = {"decision": f"DECISION_{decision}", "comment": form.fields.get("comment", "")}
    if decision == "FIX":
        body["label"] = form.fields.get("label", "")
    await api.post(f"{form.name}:review", body)
    return Done("The review is saved.", _work(form, **{"to-review": "yes"}))


async def create_refill(form: Form, api: Api) -> Done:
    """Draw records into a queue."""
    await api.post(f"{form.name}/refills", {}, requestId=form["request_id"])
    return Done("Records are being drawn.")


def _rating(form: Form) -> dict[str, object]:
    """Return the ratings or the preference of a form; nothing if it holds none or the task is skipped."""
    if "skip" in form.fields:
        return {}
    if preference := form.fields.get("preference"):
        return {"preference": preference}
    rated = [key for key in form.fields if key.startswith(_RATING)]
    if form.fields.get("entry") == "rate" and not rated:
        raise BadForm("There is no rating. Go back and rate the answer, or skip the task.")
    return {"ratings": {key.removeprefix(_RATING): form.number(key) for key in rated}} if rated else {}


async def _answer(form: Form, api: Api) -> str:
    """Return the answer that a form holds: a label, several of them, or a text; empty if the task is skipped."""
    fields = form.fields
    if "skip" in fields:
        return ""
    if "keep" in fields:
        return str((await api.get(form.name)).get("proposedLabel", ""))
    if "entry" not in fields:
        return fields.get("label", "")
    chosen = [value for key, value in fields.items() if key.startswith(_CHOICE)]
    answer = fields.get("text", "").replace("\r\n", "\n") or "\n".join(chosen)
    if not answer.strip():
        raise BadForm("The answer is empty. Go back and enter one, or skip the task.")
    return answer


_CHOICE = "choice-"
"""Prefix of the fields of labels that are ticked; their number follows."""


_COLLECTED = {
    "correction": ["FORM_CORRECTION", "FORM_CONFIRMATION"],
    "preference": ["FORM_PREFERENCE"],
    "thumb": ["FORM_UNPAIRED_PREFERENCE"],
}
"""Forms of records by the choice in the form; another choice: all."""
_FEEDBACK_LICENSE = "Captured traffic with users' feedback; for this project alone."


async def collect_feedback(form: Form, api: Api) -> Done:
    """Make a dataset version of the feedback of a project."""
    forms = _COLLECTED.get(form.fields.get("form", ""), [])
    exported = await api.post(f"projects/{form.project}/feedback:export", {"forms": forms})
    if not exported.get("digest"):
        return Done("No feedback becomes a record yet.")
    source = {
        "displayName": f"Feedback of users of {form.project}",
        "license": _FEEDBACK_LICENSE,
        "columns": {"attributes": ["version", "user", "consent", "feedback"]},
    }
    return await _collected(form, api, exported, source, f"{form.project}-feedback")


async def collect_bad_cases(form: Form, api: Api) -> Done:
    """Make a dataset version of the records that the candidate of an evaluation run answered wrongly."""
    picked = {key: form.fields[key] for key in ("domain", "suite", "test") if form.fields.get(key)}
    exported = await api.post(f"{form.name}/badCases:export", picked)
    if not number(exported.get("recordCount")):
        return Done("There are no wrong answers to collect.")
    source = {
        "displayName": f"Wrong answers of {form.name}",
        "columns": {"attributes": ["domain", "predicted"]},
    }
    return await _collected(form, api, exported, source, f"{form.project}-bad-cases")


async def _collected(form: Form, api: Api, exported: JSON, source: JSON, dataset: str) -> Done:
    """Make a version of a dataset, which is created if it is absent, of exported JSON lines."""
    parent, request_id = f"projects/{form.project}", form["request_id"]
    body = {"format": "FORMAT_JSONL", "digest": exported["digest"], **source}
    created = await api.post(f"{parent}/sources", body, requestId=request_id)
    try:
        await api.post(f"{parent}/datasets", {}, datasetId=dataset)
    except Refused as refused:
        if refused.status != HTTPStatus.CONFLICT:
            raise
    version = await api.post(
        f"{parent}/datasets/{dataset}/versions", {"sources": [created["name"]]}, requestId=request_id
    )
    return Done(
        f"A version of {dataset} is being made of {number(exported['recordCount']):,} records.",
        f"/p/{form.project}/data/{dataset}/{last_part(version['name'])}",
    )


async def change_source(form: Form, api: Api) -> Done:
    """Change how a source is read, unless that was changed since the page was read; an empty field is the default."""
    columns: dict[str, object] = {
        key.removeprefix(_COLUMN): value.strip()
        for key, value in form.fields.items()
        if key.startswith(_COLUMN)
    }
    names = str(columns.pop("attributes", "")).split(",")
    columns["attributes"] = [name.strip() for name in names if name.strip()]
    body = {"columns": columns, "encoding": form.fields.get("encoding", "").strip()}
    if sample_by := form.fields.get("sample_by"):
        body["sampleBy"] = sample_by
    await api.patch(form.name, {"etag": form["etag"], **body}, updateMask=",".join(body))
    return Done("The source is read with these settings from now on.")


async def give_feedback(form: Form, api: Api) -> Done:
    """Send feedback for an answer of the playground, or for the better one of two."""
    if rejected := form.fields.get("rejected_answer_id"):
        body: dict[str, object] = {"preferred_answer_id": form["answer_id"], "rejected_answer_id": rejected}
    else:
        body = {"id": form["answer_id"]}
    body |= {key: form.fields[key] for key in ("thumb", "comment", "consent") if form.fields.get(key)}
    if form.fields.get("rating"):
        body["rating"] = form.number("rating")
    if form.fields.get("outcome"):
        body["outcomes"] = {form["outcome"]: form.number("value")}
    if correction := _correction(form):
        body["correction"] = correction
    await api.post("feedback", body)
    return Done("Your feedback is recorded.")


def _correction(form: Form) -> str:
    """Return the right answer of a form: its text, or the labels that are ticked, one a line."""
    ticked = [form.fields[key] for key in sorted(form.fields, key=_place) if key.startswith(_CHOICE)]
    return "\n".join(ticked) or form.fields.get("correction", "").replace("\r\n", "\n")


def _place(key: str) -> int:
    number = key.removeprefix(_CHOICE)
    return int(number) if number.isdecimal() else 0


async def create_judge(form: Form, api: Api) -> Done:
    """Create a judge, which is then compared with people."""
    created = await api.post(
        f"projects/{form.project}/judges",
        judge_of(form.fields),
        judgeId=form["judge"],
        requestId=form["request_id"],
    )
    return Done(
        "The judge is created and compared with people.",
        f"/p/{form.project}/judges/{last_part(created['name'])}",
    )


async def point_alias(form: Form, api: Api) -> Done:
    """Point an alias of a model at a version."""
    alias, version = form["alias"], form.name
    model = version.rpartition("/versions/")[0]
    body = {"version": version, "reason": _reason(form), "requestId": form["request_id"]}
    await api.post(f"{model}/aliases/{alias}:set", body)
    return Done(f"The alias {alias} points to {last_part(version)}.")


PAGES = {
    "pipelineRuns": "loop",
    "trainingRuns": "training",
    "sweeps": "sweeps",
    "evaluationRuns": "evaluations",
    "judges": "judges",
    "datasets": "data",
    "crawls": "crawls",
    "models": "models",
}
"""Page that lists what is below each collection of a project."""
ACTIONS: dict[str, Action] = {
    "pause-rollout": Action(Role.OPERATOR, pause_rollout),
    "resume-rollout": Action(Role.OPERATOR, resume_rollout),
    "abort-rollout": Action(Role.OPERATOR, abort_rollout),
    "undo-rollout": Action(Role.OPERATOR, undo_rollout),
    "roll-out": Action(Role.OPERATOR, roll_out),
    "start-pipeline-run": Action(Role.ENGINEER, start_pipeline_run),
    "cancel": Action(Role.ENGINEER, cancel),
    "stop-run": Action(Role.ENGINEER, run_actions.stop_run),
    "resume-run": Action(Role.ENGINEER, run_actions.resume_run),
    "clone-run": Action(Role.ENGINEER, run_actions.clone_run),
    "approve-pipeline-run": Action(Role.ENGINEER, approve_pipeline_run),
    "reject-pipeline-run": Action(Role.ENGINEER, reject_pipeline_run),
    "resume-sweep": Action(Role.ENGINEER, resume_sweep),
    "apply-sweep": Action(Role.ENGINEER, apply_sweep),
    "create-policy": Action(Role.ENGINEER, create_policy),
    "pause-policy": Action(Role.ENGINEER, pause_policy),
    "resume-policy": Action(Role.ENGINEER, resume_policy),
    "start-dry-run": Action(Role.ENGINEER, start_dry_run),
    "end-dry-run": Action(Role.ENGINEER, end_dry_run),
    "change-policy": Action(Role.ENGINEER, change_policy),
    "delete-policy": Action(Role.ENGINEER, delete_policy),
    "delete-deployment": Action(Role.OPERATOR, delete_deployment),
    "delete-ended": Action(Role.ENGINEER, delete_ended),
    "change-project": Action(Role.ENGINEER, change_project),
    "change-settings": Action(Role.ENGINEER, change_settings),
    "delete-source": Action(Role.ENGINEER, delete_source),
    "change-source": Action(Role.ENGINEER, change_source),
    "collect-feedback": Action(Role.ENGINEER, collect_feedback),
    "collect-bad-cases": Action(Role.ENGINEER, collect_bad_cases),
    "complete-task": Action(Role.ANNOTATOR, complete_task),
    "withdraw-answer": Action(Role.ANNOTATOR, withdraw_answer),
    "review-task": Action(Role.ANNOTATOR, review_task),
    "create-guideline": Action(Role.ENGINEER, label_actions.create_guideline),
    "change-guideline": Action(Role.ENGINEER, label_actions.change_guideline),
    "create-queue": Action(Role.ENGINEER, label_actions.create_queue),
    "change-queue": Action(Role.ENGINEER, label_actions.change_queue),
    "delete-queue": Action(Role.ENGINEER, label_actions.delete_queue),
    "import-annotations": Action(Role.ENGINEER, label_actions.import_annotations),
    "create-refill": Action(Role.ENGINEER, create_refill),
    "give-feedback": Action(Role.CALLER, give_feedback),
    "add-step": Action(Role.ENGINEER, curation_actions.add_step),
    "set-step": Action(Role.ENGINEER, curation_actions.set_step),
    "move-step-up": Action(Role.ENGINEER, curation_actions.move_step_up),
    "move-step-down": Action(Role.ENGINEER, curation_actions.move_step_down),
    "remove-step": Action(Role.ENGINEER, curation_actions.remove_step),
    "create-connection": Action(Role.ENGINEER, collection_actions.create_connection),
    "change-connection": Action(Role.ENGINEER, collection_actions.change_connection),
    "read-connection": Action(Role.ENGINEER, collection_actions.read_connection),
    "replay-dead-letters": Action(Role.ENGINEER, collection_actions.replay_dead_letters),
    "pause-connection": Action(Role.ENGINEER, collection_actions.pause_connection),
    "resume-connection": Action(Role.ENGINEER, collection_actions.resume_connection),
    "delete-connection": Action(Role.ENGINEER, collection_actions.delete_connection),
    "create-stream": Action(Role.ENGINEER, collection_actions.create_stream),
    "change-stream": Action(Role.ENGINEER, collection_actions.change_stream),
    "append-record": Action(Role.ENGINEER, collection_actions.append_record),
    "seal-stream": Action(Role.ENGINEER, collection_actions.seal_stream),
    "delete-stream": Action(Role.ENGINEER, collection_actions.delete_stream),
    "create-crawl": Action(Role.ENGINEER, collection_actions.create_crawl),
    "repeat-crawl": Action(Role.ENGINEER, collection_actions.repeat_crawl),
    "build-mixture": Action(Role.ENGINEER, dataset_actions.build_mixture),
    "create-export": Action(Role.ENGINEER, dataset_actions.create_export),
    "create-profile": Action(Role.ENGINEER, dataset_actions.create_profile),
    "delete-profile": Action(Role.ENGINEER, dataset_actions.delete_profile),
    "delete-export": Action(Role.ENGINEER, dataset_actions.delete_export),
    "create-compression": Action(Role.ENGINEER, compression_actions.create_compression),
    "register-compression": Action(Role.ENGINEER, compression_actions.register_compression),
    "delete-compression": Action(Role.ENGINEER, compression_actions.delete_compression),
    "create-model-export": Action(Role.ENGINEER, model_actions.create_model_export),
    "delete-model-export": Action(Role.ENGINEER, model_actions.delete_model_export),
    "create-suite": Action(Role.ENGINEER, suite_actions.create_suite),
    "save-test": Action(Role.ENGINEER, suite_actions.save_test),
    "remove-test": Action(Role.ENGINEER, suite_actions.remove_test),
    "describe-suite": Action(Role.ENGINEER, suite_actions.describe_suite),
    "delete-suite": Action(Role.ENGINEER, suite_actions.delete_suite),
    "create-judge": Action(Role.ENGINEER, create_judge),
    "point-alias": Action(Role.ENGINEER, point_alias),
}


async def _rollout_method(form: Form, api: Api, verb: str, became: str) -> Done:
    body = {"reason": _reason(form), "requestId": form["request_id"]}
    rollout = await api.post(f"{form.name}:{verb}", body)
    return Done(f"The rollout to {last_part(rollout['toVersion'])} {became}.")


async def _change(name: str, api: Api, fields: Mapping[str, object], **query: object) -> JSON:
    """Update with the current etag: a button names the target state, so earlier changes of others do not matter."""
    current = await api.get(name)
    return await api.patch(name, {"etag": current["etag"], **fields}, updateMask=",".join(fields), **query)


def _reason(form: Form) -> str:
    return form.fields.get("reason", "").strip() or "from the console"
