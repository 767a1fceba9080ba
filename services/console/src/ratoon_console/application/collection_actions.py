"""Actions of the pages of connections, streams and crawls."""

from ratoon_console.application.forms import Done, Form
from ratoon_console.application.ports import JSON, Api
from ratoon_console.domain import collection
from ratoon_console.domain.words import last_part, number


async def create_connection(form: Form, api: Api) -> Done:
    """Create a connection."""
    query = {"connectionId": form["connection"], "requestId": form["request_id"]}
    body = collection.connection_of(form.fields)
    created = await api.post(f"projects/{form.project}/connections", body, **query)
    return Done("The connection is created.", _page(form, "connections", created))


async def change_connection(form: Form, api: Api) -> Done:
    """Change a connection, unless it was changed since the page was read."""
    changes = collection.changes_of_connection(form.fields, form["kind"])
    await api.patch(form.name, {"etag": form["etag"], **_present(changes)}, updateMask=",".join(changes))
    return Done("The connection is changed.")


async def read_connection(form: Form, api: Api) -> Done:
    """Request a reading of a connection."""
    await api.post(f"{form.name}:read", {})
    return Done("The connection is being read.")


async def replay_dead_letters(form: Form, api: Api) -> Done:
    """Request a reading of the dead letters of a connection."""
    await api.post(f"{form.name}:replayDeadLetters", {})
    return Done("The dead letters are read again.")


async def pause_connection(form: Form, api: Api) -> Done:
    """Suspend the schedule of a connection."""
    await api.patch(form.name, {"etag": form["etag"], "paused": True}, updateMask="paused")
    return Done("The schedule is suspended. The connection can be read on request.")


async def resume_connection(form: Form, api: Api) -> Done:
    """Let the schedule of a connection go on."""
    await api.patch(form.name, {"etag": form["etag"], "paused": False}, updateMask="paused")
    return Done("The schedule is active again.")


async def delete_connection(form: Form, api: Api) -> Done:
    """Delete a connection, unless it was changed since the page was read."""
    await api.delete(form.name, etag=form["etag"])
    return Done(
        f"The connection {last_part(form.name)} is deleted. Its sources stay.",
        f"/p/{form.project}/connections",
    )


async def create_stream(form: Form, api: Api) -> Done:
    """Create a stream."""
    query = {"streamId": form["stream"], "requestId": form["request_id"]}
    created = await api.post(f"projects/{form.project}/streams", collection.stream_of(form.fields), **query)
    return Done("The stream is created. Programs can append records to it.", _page(form, "streams", created))


async def change_stream(form: Form, api: Api) -> Done:
    """Change a stream, unless it was changed since the page was read."""
    changes = collection.changes_of_stream(form.fields)
    await api.patch(form.name, {"etag": form["etag"], **changes}, updateMask=",".join(changes))
    return Done("The stream is changed.")


async def append_record(form: Form, api: Api) -> Done:
    """Append one record to a stream."""
    record = {"id": form["record_id"], "text": form["text"], "label": form.fields.get("label", "").strip()}
    appended = await api.post(f"{form.name}:append", {"records": [record]})
    known = number(appended.get("duplicateCount"))
    return Done("The stream has this record already." if known else "The record is appended.")


async def seal_stream(form: Form, api: Api) -> Done:
    """Make a source of the records of a stream that are in none yet."""
    sealed = await api.post(f"{form.name}:seal", {})
    source = sealed.get("latestSource", "")
    return Done(f"The latest source is {last_part(source)}." if source else "There are no records to seal.")


async def delete_stream(form: Form, api: Api) -> Done:
    """Delete a stream whose records are all in sources."""
    await api.delete(form.name)
    return Done(
        f"The stream {last_part(form.name)} is deleted. Its sources stay.", f"/p/{form.project}/streams"
    )


async def create_crawl(form: Form, api: Api) -> Done:
    """Start a crawl."""
    return await _crawled(form, api, collection.crawl_of(form.fields))


async def repeat_crawl(form: Form, api: Api) -> Done:
    """Start a crawl that asks for what has changed since an earlier one."""
    return await _crawled(form, api, collection.again(await api.get(form.name)))


async def _crawled(form: Form, api: Api, body: JSON) -> Done:
    query = {"crawlId": form["crawl"], "requestId": form["request_id"]}
    created = await api.post(f"projects/{form.project}/crawls", body, **query)
    return Done("The crawl has started.", _page(form, "crawls", created))


def _present(fields: JSON) -> JSON:
    return {name: value for name, value in fields.items() if value is not None}


def _page(form: Form, kind: str, created: JSON) -> str:
    return f"/p/{form.project}/{kind}/{last_part(created['name'])}"
