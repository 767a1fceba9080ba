"""Actions of the steps of curation. A change is refused if the project was changed since its page was read."""

from ratoon_console.application.forms import Done, Form
from ratoon_console.application.ports import Api
from ratoon_console.domain import curation
from ratoon_console.domain.words import JSON


async def add_step(form: Form, api: Api) -> Done:
    """Add a step at the end of the list."""
    steps = curation.with_step(await _project(form, api), form["step"], form.fields.get("params", ""))
    return await _change(form, api, steps, f"The step {form['step']} is added.")


async def set_step(form: Form, api: Api) -> Done:
    """Change the parameters of a step."""
    params = form.fields.get("params", "")
    steps = curation.with_params(await _project(form, api), _place(form), params)
    return await _change(form, api, steps, "The parameters are saved.")


async def move_step_up(form: Form, api: Api) -> Done:
    """Let a step run earlier."""
    return await _change(form, api, curation.moved(await _project(form, api), _place(form), -1), "Moved.")


async def move_step_down(form: Form, api: Api) -> Done:
    """Let a step run later."""
    return await _change(form, api, curation.moved(await _project(form, api), _place(form), 1), "Moved.")


async def remove_step(form: Form, api: Api) -> Done:
    """Remove a step from the list."""
    steps = curation.without(await _project(form, api), _place(form))
    return await _change(form, api, steps, "The step is removed.")


async def _project(form: Form, api: Api) -> JSON:
    return await api.get(f"projects/{form.project}")


def _place(form: Form) -> int:
    return int(form.number("place"))


async def _change(form: Form, api: Api, steps: list[JSON], notice: str) -> Done:
    body = {"etag": form["etag"], "curation": steps}
    await api.patch(f"projects/{form.project}", body, updateMask="curation")
    return Done(notice, f"/p/{form.project}/curation")
