"""Actions of the pages of guidelines and labelling queues."""

from ratoon_console.application.forms import Done, Form
from ratoon_console.application.ports import Api
from ratoon_console.domain import queues
from ratoon_console.domain.words import last_part


async def create_guideline(form: Form, api: Api) -> Done:
    """Create a guideline, by its form or by a labeling config of Label Studio."""
    config = form.fields.get("label_config", "").strip()
    body = queues.sections_of(form.fields) if config else queues.guideline_of(form.fields)
    query = {"guidelineId": form["guideline"], "requestId": form["request_id"]}
    if config:
        query["labelConfig"] = config
    await api.post(f"projects/{form.project}/guidelines", body, **query)
    return Done("The guideline is created.", _labels(form))


async def change_guideline(form: Form, api: Api) -> Done:
    """Change the sections of a guideline: a new version, which says what it means for earlier answers."""
    sections = queues.sections_of(form.fields)
    change = {"earlierAnswers": form["earlier"], "note": form.fields.get("note", "")}
    changed = await api.patch(
        form.name,
        {"etag": form["etag"], **sections, "change": change},
        updateMask=",".join((*sections, "change")),
    )
    return Done(f"Version {changed.get('version', '')} of the guideline is in force.", _labels(form))


async def create_queue(form: Form, api: Api) -> Done:
    """Create a queue."""
    created = await api.post(
        f"projects/{form.project}/queues",
        queues.queue_of(form.fields, form.project),
        queueId=form["queue"],
        requestId=form["request_id"],
    )
    return Done("The queue is created.", _queue(form, created["name"]))


async def change_queue(form: Form, api: Api) -> Done:
    """Change the settings of a queue, unless they were changed since the page was read."""
    settings = queues.queue_of(form.fields, form.project)
    mask = ",".join({**settings, "deadline": ""})
    await api.patch(form.name, {"etag": form["etag"], **settings}, updateMask=mask)
    return Done("The settings of the queue are changed.", _queue(form, form.name))


async def delete_queue(form: Form, api: Api) -> Done:
    """Delete a queue with its tasks; annotations stay."""
    await api.delete(form.name)
    return Done(f"The queue {last_part(form.name)} is deleted.", _labels(form))


async def import_annotations(form: Form, api: Api) -> Done:
    """Store the answers of a pasted file of another annotation tool."""
    digest = await api.put_blob(form["content"].encode())
    dataset, _, version = form["version"].partition("/")
    body = {
        "datasetVersion": f"projects/{form.project}/datasets/{dataset}/versions/{version}",
        "guideline": form["guideline"],
        "digest": digest,
        "format": form["format"],
        "source": form.fields.get("source", "SOURCE_IMPORT"),
    }
    result = await api.post(f"projects/{form.project}/annotations:importFile", body)
    return Done(queues.imported_words(result), _labels(form))


def _labels(form: Form) -> str:
    return f"/p/{form.project}/labels"


def _queue(form: Form, name: str) -> str:
    return f"/p/{form.project}/queues/{last_part(name)}"
