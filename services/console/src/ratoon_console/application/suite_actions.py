"""Actions of the pages of suites. A change is refused if the suite was changed since its page was read."""

from ratoon_console.application.forms import Done, Form
from ratoon_console.application.ports import Api
from ratoon_console.domain import suites
from ratoon_console.domain.words import JSON, last_part


async def create_suite(form: Form, api: Api) -> Done:
    """Create a suite with its first test."""
    test = await _test(form, api, {})
    body = {"description": form.fields.get("description", "").strip(), "tests": [test]}
    created = await api.post(
        f"projects/{form.project}/suites", body, suiteId=form["suite"], requestId=form["request_id"]
    )
    return Done("The suite is created.", _page(form, created["name"]))


async def save_test(form: Form, api: Api) -> Done:
    """Add a test to a suite, or change the one of this name; content that is left empty stays as it is."""
    tests = (await api.get(form.name)).get("tests", [])
    known: JSON = next((test for test in tests if test["name"] == form["test"]), {})
    changed = await _test(form, api, known)
    if known:
        tests = [changed if test is known else test for test in tests]
    else:
        tests = [*tests, changed]
    await _change(form, api, {"tests": tests})
    return Done(f"The test {form['test']} is saved.", _page(form, form.name))


async def remove_test(form: Form, api: Api) -> Done:
    """Remove a test from a suite."""
    tests = (await api.get(form.name)).get("tests", [])
    await _change(form, api, {"tests": [test for test in tests if test["name"] != form["test"]]})
    return Done(f"The test {form['test']} is removed.", _page(form, form.name))


async def describe_suite(form: Form, api: Api) -> Done:
    """Change the description of a suite."""
    await _change(form, api, {"description": form.fields.get("description", "").strip()})
    return Done("The description is saved.", _page(form, form.name))


async def delete_suite(form: Form, api: Api) -> Done:
    """Delete a suite, unless it was changed since the page was read."""
    await api.delete(form.name, etag=form["etag"])
    return Done(f"The suite {last_part(form.name)} is deleted.", f"/p/{form.project}/suites")


async def _test(form: Form, api: Api, known: JSON) -> JSON:
    """Return the test of a form, after its pasted files are stored."""
    pasted = {field: suites.pasted(form.fields.get(field, "")) for field in ("records", "documents")}
    digests = {field: await api.put_blob(text.encode()) for field, text in pasted.items() if text}
    return suites.test_of(form.fields, digests, known)


async def _change(form: Form, api: Api, fields: JSON) -> None:
    await api.patch(form.name, {"etag": form["etag"], **fields}, updateMask=",".join(fields))


def _page(form: Form, suite: str) -> str:
    return f"/p/{form.project}/suites/{last_part(suite)}"
