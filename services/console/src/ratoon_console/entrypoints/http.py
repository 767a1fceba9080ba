"""The routes of the console: log-in, pages and their live streams, buttons, the playground's answers."""

import asyncio
import json
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import quote, urlsplit

from starlette.applications import Starlette
from starlette.datastructures import FormData
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, PlainTextResponse, RedirectResponse, Response, StreamingResponse
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import Message

from ratoon_console.application.actions import ACTIONS
from ratoon_console.application.forms import Action, Form
from ratoon_console.application.live import views
from ratoon_console.application.ports import Api, Place, View
from ratoon_console.application.sessions import Session
from ratoon_console.domain.errors import BadForm, ConsoleError, NotSignedIn, Refused
from ratoon_console.domain.exports import file_of
from ratoon_console.domain.labels import image_type
from ratoon_console.domain.people import Role
from ratoon_console.domain.words import last_part, number
from ratoon_console.entrypoints.request_context import COOKIE, RequestContext, wants_json

Show = Callable[[Place, Api], Awaitable[View]]
_EVENTS = "text/event-stream"
_NO_STORE = {"cache-control": "no-store", "x-content-type-options": "nosniff"}
_TWICE_TEMPERATURE = 0.8
"""Temperature of two answers that are to be compared."""
_MAX_TEXT_CHARS = 100_000
_MAX_FORM_BYTES = 2 << 20
_DEFAULT_TOKENS, _MAX_TOKENS = 64, 2048
_DIGEST = re.compile("[0-9a-f]{64}")
_REQUEST_ID = re.compile(r'name="request_id" value="[^"]*"')


@dataclass(frozen=True)
class Page:
    """A page: its path, its view, the minimum role."""

    path: str
    show: Show
    role: Role = Role.VIEWER


class Site:
    """Everything that the console answers."""

    def __init__(self, context: RequestContext, pages: list[Page], static: Path) -> None:
        self._context, self._pages, self._static = context, pages, static

    def app(self) -> Starlette:
        """The ASGI application."""
        guarded = self._context.guarded
        return Starlette(
            routes=[
                Route("/login", guarded(self._login), methods=["GET", "POST"]),
                Route("/logout", guarded(self._logout), methods=["POST"]),
                Route("/healthz", _healthz),
                *(Route(page.path, guarded(self._shown(page), page.role)) for page in self._pages),
                *(
                    Route(f"/p/{{project}}/do/{name}", guarded(self._done(action)), methods=["POST"])
                    for name, action in ACTIONS.items()
                ),
                Route("/p/{project}/turns/{run}", guarded(_renamed)),
                Route(
                    "/p/{project}/exports/{dataset}/{export}/{file:path}",
                    guarded(self._download, Role.VIEWER),
                ),
                Route(
                    "/p/{project}/model-exports/{export}/{file:path}",
                    guarded(self._download, Role.VIEWER),
                ),
                Route(
                    "/p/{project}/queues/{queue}/export/{format}",
                    guarded(self._export_queue, Role.ENGINEER),
                ),
                Route("/p/{project}/images/{digest}", guarded(self._image, Role.ANNOTATOR)),
                Route("/p/{project}/ask", guarded(self._ask, Role.CALLER), methods=["POST"]),
                Mount("/static", _Immutable(directory=self._static)),
                Route("/{nowhere:path}", guarded(self._nowhere)),
            ],
            exception_handlers={Exception: self._broken},
        )

    def _shown(self, page: Page) -> Callable[[Request], Awaitable[Response]]:
        async def shown(request: Request) -> Response:
            session = self._context.session(request)
            api = self._context.api(session)
            place = _place(request, session)
            if _EVENTS in request.headers.get("accept", ""):
                return StreamingResponse(
                    self._stream(request, session, page, place, api), media_type=_EVENTS, headers=_NO_STORE
                )
            view = await _while_connected(request, page.show(place, api))
            return self._context.page(request, view.template, _values(view))

        return shown

    async def _stream(
        self, request: Request, session: Session, page: Page, place: Place, api: Api
    ) -> AsyncIterator[bytes]:
        """The live part of a page, whenever it has changed."""
        before = ""
        try:
            async for view in views(lambda: page.show(place, api), api, self._context.refresh_s):
                if view is None:
                    yield _event("away", {})
                    before = ""
                    continue
                common = self._context.common(request, replace(session, notice=""))
                html = self._context.templates.live(view.template, {**common, **_values(view)})
                comparable = _without_request_ids(html)
                yield (
                    _event("live", {"html": html, "spoken": view.spoken})
                    if comparable != before
                    else b": \n\n"
                )
                before = comparable
                if not view.live:
                    yield _event("still", {})
                    return
        except (NotSignedIn, Refused) as over:
            yield _event("over", {"said": str(over)})

    def _done(self, action: Action) -> Callable[[Request], Awaitable[Response]]:
        async def done(request: Request) -> Response:
            session = self._context.session(request)
            fields = await _fields(request, session)
            outcome = await action.act(
                Form(request.path_params["project"], fields), self._context.api(session)
            )
            if wants_json(request):
                content = {"message": outcome.notice, "nextTask": outcome.next_task}
                return JSONResponse(content, headers=_NO_STORE)
            session.notice = outcome.notice
            return RedirectResponse(outcome.target or _own_path(fields.get("back", "")), 303, _NO_STORE)

        return done

    async def _download(self, request: Request) -> Response:
        """Send a file of an export, piece by piece."""
        session, path = self._context.session(request), request.path_params
        api = self._context.api(session)
        kind = f"datasets/{path['dataset']}/exports" if "dataset" in path else "modelExports"
        name = f"projects/{path['project']}/{kind}/{path['export']}"
        file = file_of(await api.get(name), path["file"])
        if file is None:
            raise Refused(404, "NO_SUCH_FILE", f"{name} has no file {path['file']}.")
        pieces = api.content(file["digest"])
        first = await anext(pieces, b"")
        headers = {**_NO_STORE, "content-length": str(number(file["sizeBytes"])), **_attachment(path["file"])}
        return StreamingResponse(
            _joined(first, pieces), media_type="application/octet-stream", headers=headers
        )

    async def _export_queue(self, request: Request) -> Response:
        """Write a queue to a file and send it."""
        path, api = request.path_params, self._context.api(self._context.session(request))
        name = f"projects/{path['project']}/queues/{path['queue']}"
        exported = await api.post(f"{name}:export", {"format": f"EXCHANGE_FORMAT_{path['format']}"})
        ending = {"JSONL": "jsonl", "CSV": "csv"}.get(path["format"], "json")
        pieces = api.content(exported["digest"])
        first = await anext(pieces, b"")
        headers = {**_NO_STORE, **_attachment(f"{path['queue']}.{ending}")}
        return StreamingResponse(
            _joined(first, pieces), media_type="application/octet-stream", headers=headers
        )

    async def _image(self, request: Request) -> Response:
        """Send an image of a record; other files are refused, since a browser would show what they claim to be."""
        digest, api = request.path_params["digest"], self._context.api(self._context.session(request))
        if not _DIGEST.fullmatch(digest):
            raise Refused(404, "NO_SUCH_FILE", "An image is named by its SHA-256 digest.")
        pieces = api.content(digest)
        first = await anext(pieces, b"")
        kind = image_type(first)
        if not kind:
            raise Refused(415, "NOT_AN_IMAGE", f"The blob {digest} is no PNG, JPEG, GIF or WebP image.")
        headers = {**_NO_STORE, "cache-control": "private, max-age=3600"}
        return StreamingResponse(_joined(first, pieces), media_type=kind, headers=headers)

    async def _ask(self, request: Request) -> Response:
        """Stream a model's answer as server-sent events."""
        session = self._context.session(request)
        fields = await _fields(request, session)
        text = fields.get("text", "").strip()
        if not text or len(text) > _MAX_TEXT_CHARS:
            raise BadForm(f"The text must have between 1 and {_MAX_TEXT_CHARS:,} characters.")
        model = fields.get("model", "")
        if session.person.project == "-":
            model = f"{request.path_params['project']}/{model}"
        max_tokens = _tokens(fields.get("max_tokens", ""))
        temperature = _TWICE_TEMPERATURE if fields.get("twice") else 0.0
        events = _answer(self._context.api(session), model, text, max_tokens, temperature)
        return StreamingResponse(events, media_type=_EVENTS, headers=_NO_STORE)

    async def _login(self, request: Request) -> Response:
        if request.method != "POST":
            target = _own_path(request.query_params.get("to", "/"))
            return self._context.page(request, "login.html", _login_values(target, ""))
        _check_origin(request)
        form = await _form(request)
        target = _own_path(str(form.get("to", "/")))
        try:
            _, cookie = await self._context.sessions.open(str(form.get("key", "")).strip())
        except NotSignedIn as wrong:
            return self._context.page(request, "login.html", _login_values(target, str(wrong)), 401)
        response = RedirectResponse(target, 303, _NO_STORE)
        response.set_cookie(
            COOKIE, cookie, httponly=True, samesite="strict", path="/", secure=request.url.scheme == "https"
        )
        return response

    async def _logout(self, request: Request) -> Response:
        session = self._context.session(request)
        await _fields(request, session)
        self._context.sessions.close(session)
        response = RedirectResponse("/login", 303, _NO_STORE)
        response.delete_cookie(COOKIE, path="/", httponly=True, samesite="strict")
        return response

    async def _nowhere(self, request: Request) -> Response:
        self._context.session(request)
        raise Refused(404, "NO_SUCH_PAGE", f"The console has no page {request.url.path}.")

    async def _broken(self, request: Request, _error: Exception) -> Response:
        """Answer an internal error; the log contains its traceback."""
        return self._context.problem(
            request, 500, "The console failed with an internal error. See its log: ratoon logs console"
        )


async def _joined(first: bytes, rest: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    yield first
    async for piece in rest:
        yield piece


def _attachment(path: str) -> dict[str, str]:
    """Return the header by which a browser stores a file under its own name."""
    return {"content-disposition": f"attachment; filename*=UTF-8''{quote(last_part(path), safe='')}"}


class _Immutable(StaticFiles):
    """Files whose address carries a mark of what is in them."""

    def file_response(self, *args: object, **kwargs: object) -> Response:
        response = super().file_response(*args, **kwargs)  # type: ignore[arg-type]
        response.headers["cache-control"] = "public, max-age=31536000, immutable"
        return response


async def _while_connected(request: Request, work: Awaitable[View]) -> View:
    """Return the result of the work; stop it and raise ClientDisconnect when the browser leaves."""
    working, gone = asyncio.ensure_future(work), asyncio.create_task(_disconnected(request))
    try:
        await asyncio.wait((working, gone), return_when=asyncio.FIRST_COMPLETED)
        if not working.done():
            raise ClientDisconnect
        return working.result()
    finally:
        working.cancel()
        gone.cancel()
        await asyncio.gather(working, gone, return_exceptions=True)


async def _disconnected(request: Request) -> None:
    """Return when the browser has left."""
    while (await request.receive())["type"] != "http.disconnect":
        pass


async def _healthz(_request: Request) -> Response:
    """The process serves."""
    return PlainTextResponse("ok\n")


async def _renamed(request: Request) -> Response:
    """Redirect the address of a pipeline run in release 0.1, removed in 0.3."""
    project, run = (quote(request.path_params[name], safe="") for name in ("project", "run"))
    query = f"?{request.url.query}" if request.url.query else ""
    return RedirectResponse(f"/p/{project}/pipeline-runs/{run}{query}", 308, _NO_STORE)


async def _answer(
    api: Api, model: str, text: str, max_tokens: int, temperature: float
) -> AsyncIterator[bytes]:
    try:
        async for event in api.ask(model, text, max_tokens, temperature):
            yield _event(event.kind, {"text": event.text})
    except ConsoleError as error:
        yield _event("error", {"text": str(error)})


def _login_values(target: str, wrong: str) -> dict[str, object]:
    return {"title": "Log in", "to": target, "wrong": wrong, "live": False}


def _tokens(text: str) -> int:
    """How long an answer may be; BadForm when that is no number."""
    if text and not text.isdecimal():
        raise BadForm(f"{text!r} is not a number of tokens.")
    return min(max(int(text or _DEFAULT_TOKENS), 1), _MAX_TOKENS)


def _values(view: View) -> dict[str, object]:
    return {"title": view.title, "spoken": view.spoken, "live": view.live, **view.values}


def _place(request: Request, session: Session) -> Place:
    path = {key: str(value) for key, value in request.path_params.items()}
    params = request.query_params
    query = {key: ",".join(params.getlist(key)) for key in params}
    return Place(path.pop("project", ""), path, query, session.person)


def _event(kind: str, data: Mapping[str, object]) -> bytes:
    return f"event: {kind}\ndata: {json.dumps(data)}\n\n".encode()


def _without_request_ids(html: str) -> str:
    """The page without request ids, which differ in each rendering."""
    return _REQUEST_ID.sub("", html)


async def _fields(request: Request, session: Session) -> dict[str, str]:
    """The fields of a form of this log-in; BadForm when another site sent it."""
    _check_origin(request)
    fields = {key: str(value) for key, value in (await _form(request)).items()}
    if fields.pop("form_key", "") != session.form_key:
        message = "This form belongs to another session. Go back, reload the page and submit the form again."
        raise NotSignedIn(message) if wants_json(request) else BadForm(message)
    return fields


async def _form(request: Request) -> FormData:
    """The form that was sent; Refused when it is larger than any of the console's."""
    size = 0

    async def receive() -> Message:
        nonlocal size
        message = await request.receive()
        size += len(message.get("body", b""))
        if size > _MAX_FORM_BYTES:
            raise Refused(
                413, "FORM_TOO_LARGE", f"A form can have at most {_MAX_FORM_BYTES >> 20} MiB. Send less."
            )
        return message

    return await Request(request.scope, receive).form(max_files=0)


def _check_origin(request: Request) -> None:
    """A browser says where a form comes from; it must be here."""
    origin = request.headers.get("origin")
    if origin and urlsplit(origin).netloc != request.headers.get("host"):
        raise BadForm(f"This form was sent from {origin}, which is not this console.")


def _own_path(target: str) -> str:
    """Return the target if it is a path of this console, else `/`."""
    split = urlsplit(target)
    if split.scheme or split.netloc or not target.startswith("/") or target.startswith(("//", "/\\")):
        return "/"
    return target
