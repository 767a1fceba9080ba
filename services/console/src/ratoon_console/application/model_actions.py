"""Actions of the page of a model version's exports."""

from ratoon_console.application.forms import Done, Form
from ratoon_console.application.ports import Api
from ratoon_console.domain.model_exports import export_of
from ratoon_console.domain.words import last_part


async def create_model_export(form: Form, api: Api) -> Done:
    """Start an export of a version."""
    body = export_of(form.fields)
    await api.post(f"projects/{form.project}/modelExports", body, requestId=form["request_id"])
    page = f"/p/{form.project}/models/{last_part(form.name)}/exports"
    return Done("The export has started. Its files appear here.", page)


async def delete_model_export(form: Form, api: Api) -> Done:
    """Delete an export that has ended."""
    await api.delete(form.name)
    return Done("The export is deleted.")
