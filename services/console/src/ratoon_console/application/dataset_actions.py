"""Actions of the pages of mixtures, exports and profiles."""

from ratoon_console.application.forms import Done, Form
from ratoon_console.application.ports import Api
from ratoon_console.domain import exports, mixtures
from ratoon_console.domain.errors import BadForm
from ratoon_console.domain.words import last_part


async def build_mixture(form: Form, api: Api) -> Done:
    """Build the mixture whose plan the page shows as a version of a dataset."""
    dataset, mixture = form["dataset"], mixtures.mixture_of(form.fields)
    if not mixture["components"]:
        raise BadForm("The mixture has no component. Go back and choose a version.")
    version = await api.post(
        f"projects/{form.project}/datasets/{dataset}/versions",
        {"mixture": mixture},
        requestId=form["request_id"],
    )
    return Done(
        "The mixture is being built.", f"/p/{form.project}/data/{dataset}/{last_part(version['name'])}"
    )


async def create_export(form: Form, api: Api) -> Done:
    """Start an export of a version or of parts of a split."""
    body = exports.export_of(form.fields)
    await api.post(f"{form.name}/exports", body, requestId=form["request_id"])
    return Done("The export has started. Its files appear here.", _exports(form, form.name))


async def delete_export(form: Form, api: Api) -> Done:
    """Delete an export that has ended, and its files."""
    await api.delete(form.name)
    return Done("The export and its files are deleted.", _exports(form, form.name.rpartition("/exports/")[0]))


async def create_profile(form: Form, api: Api) -> Done:
    """Start a profile of a version."""
    topics = form.fields.get("topics", "").strip()
    body = {"datasetVersion": form["of"], **({"topicCount": int(topics)} if topics.isdecimal() else {})}
    await api.post(f"{form.name}/profiles", body, requestId=form["request_id"])
    return Done("The profile has started. Its report appears here.", _profiles(form, form.name))


async def delete_profile(form: Form, api: Api) -> Done:
    """Delete a profile that has ended, with its report."""
    await api.delete(form.name)
    return Done("The profile is deleted.", _profiles(form, form.name.rpartition("/profiles/")[0]))


def _profiles(form: Form, dataset: str) -> str:
    return f"/p/{form.project}/profiles/{last_part(dataset)}"


def _exports(form: Form, dataset: str) -> str:
    return f"/p/{form.project}/exports/{last_part(dataset)}"
