"""Context of every request: the session, the headers, errors as pages that say what to do."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from urllib.parse import quote

from starlette.requests import ClientDisconnect, Request
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response

from ratoon_console.application.ports import Api, Templates
from ratoon_console.application.sessions import Session, Sessions
from ratoon_console.domain.errors import Away, BadForm, NotSignedIn, Refused
from ratoon_console.domain.people import Role

COOKIE = "ratoon_console"
_HEADERS = {
    "cache-control": "no-store",
    "content-security-policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self';"
        " form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
    ),
    "cross-origin-opener-policy": "same-origin",
    "referrer-policy": "same-origin",
    "x-content-type-options": "nosniff",
    "vary": "accept",
}
_GONE = 499
Handler = Callable[[Request], Awaitable[Response]]


@dataclass(frozen=True)
class RequestContext:
    """Sessions, API access and templates that pages, buttons and streams share."""

    sessions: Sessions
    speak: Callable[[Callable[[], Awaitable[str]]], Api]
    """The API, spoken with the tokens that a function gives."""
    templates: Templates
    refresh_s: float

    def session(self, request: Request) -> Session:
        """The caller's session; NotSignedIn without one."""
        session = self.sessions.find(request.cookies.get(COOKIE, ""))
        if session is None:
            raise NotSignedIn("Log in with an API key.")
        return session

    def api(self, session: Session) -> Api:
        """The API, spoken as this person."""
        return self.speak(lambda: self.sessions.bearer(session))

    def page(
        self, request: Request, template: str, values: Mapping[str, object], status: int = 200
    ) -> HTMLResponse:
        """A page with what all pages know."""
        session = self.sessions.find(request.cookies.get(COOKIE, ""))
        known = {**self.common(request, session), **values}
        return HTMLResponse(self.templates.whole(template, known), status, _HEADERS)

    def common(self, request: Request, session: Session | None) -> dict[str, object]:
        """The values that every template may use."""
        return {
            "person": session.person if session else None,
            "form_key": session.form_key if session else "",
            "notice": session.take_notice() if session else "",
            "project": request.path_params.get("project", ""),
            "here": request.url.path + (f"?{request.url.query}" if request.url.query else ""),
            "path": request.url.path,
        }

    def guarded(self, handler: Handler, needed: Role | None = None) -> Handler:
        """A handler whose errors become pages; `needed`: the minimum role."""

        async def guarded(request: Request) -> Response:
            try:
                if needed is not None:
                    _check_role(self.session(request), needed)
                return await handler(request)
            except NotSignedIn as unknown:
                if wants_json(request):
                    return JSONResponse({"message": str(unknown)}, 401, _HEADERS)
                return RedirectResponse(f"/login?to={quote(request.url.path)}", 303, _HEADERS)
            except Refused as refused:
                return self.problem(request, refused.status, str(refused))
            except BadForm as wrong:
                return self.problem(request, 400, str(wrong))
            except Away as away:
                return self.problem(request, 503, str(away))
            except ClientDisconnect:
                return Response(status_code=_GONE)  # the client is gone

        return guarded

    def problem(self, request: Request, status: int, message: str) -> Response:
        """A page that says what happened and what to do, or the same as JSON."""
        if wants_json(request):
            return JSONResponse({"message": message}, status, _HEADERS)
        values = {
            "title": _TITLES.get(status, "Request refused"),
            "message": message,
            "status": status,
            "live": False,
        }
        return self.page(request, "problem.html", values, status)


def wants_json(request: Request) -> bool:
    """Return whether a script sent the form, which takes the result as JSON."""
    return request.headers.get("accept", "") == "application/json"


def _check_role(session: Session, needed: Role) -> None:
    lacking = session.person.lacks(needed)
    if lacking:
        raise Refused(403, "ROLE_TOO_LOW", lacking)


_TITLES = {
    400: "Invalid request",
    403: "Permission denied",
    404: "Not found",
    409: "Conflict",
    500: "Internal error",
    503: "Ratoon is not responding",
}
