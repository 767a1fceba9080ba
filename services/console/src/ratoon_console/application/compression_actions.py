"""Actions of the page of compressions."""

from ratoon_console.application.forms import Done, Form
from ratoon_console.application.ports import Api
from ratoon_console.domain.words import last_part


async def create_compression(form: Form, api: Api) -> Done:
    """Compress a version; quality is measured on the validation part of its own training."""
    version = await api.get(form.name)
    body = {
        "sourceDigest": version.get("artifactDigest", ""),
        "sourceVersion": version["name"],
        "method": form["method"],
    }
    run = (version.get("lineage") or {}).get("trainingRun", "")
    if run:
        trained = await api.get(run)
        body |= {
            "trainDigest": trained.get("trainDigest", ""),
            "validationDigest": trained.get("validationDigest", ""),
            "task": (trained.get("recipe") or {}).get("task") or {},
        }
    await api.post(f"projects/{form.project}/compressions", body, requestId=form["request_id"])
    return Done("The compression has started.", f"/p/{form.project}/compressions")


async def register_compression(form: Form, api: Api) -> Done:
    """Register a compressed model as the next version of the model of its source."""
    compression = await api.get(form.name)
    source = await api.get(compression["sourceVersion"])
    number = last_part(source["name"])
    method = compression["method"].removeprefix("METHOD_").lower()
    body = {
        "artifactDigest": compression["artifactDigest"],
        "lineage": {
            **(source.get("lineage") or {}),
            "parentVersion": source["name"],
            # A pruned model is another one: its weights are not those of its source, rounded.
            "derivedFrom": "" if method == "pruned" else source["name"],
            "evaluationRun": "",
            "pipelineRun": "",
        },
        "changelog": f"{number} with its weights in {method}.",
        "goldenSourceDigest": source.get("goldenSourceDigest", ""),
        "servingDtypes": [compression["servingDtype"]],
    }
    model = source["name"].rpartition("/versions/")[0]
    created = await api.post(f"{model}/versions", body, requestId=form["request_id"])
    return Done("The version is being verified.", f"/p/{form.project}/models/{last_part(created['name'])}")


async def delete_compression(form: Form, api: Api) -> Done:
    """Delete a compression that has ended."""
    await api.delete(form.name)
    return Done("The compression is deleted.")
