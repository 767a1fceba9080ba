"""`/docs`: the OpenAPI document as a page that needs nothing from elsewhere."""

from base64 import b64encode
from hashlib import sha256
from html import escape
from typing import Any

_STYLE = """
:root { color-scheme: light dark; font: 16px/1.5 system-ui, sans-serif; }
body { max-width: 70rem; margin: 0 auto; padding: 1rem; }
details { border-top: 1px solid #8884; padding: .4rem 0; }
summary { cursor: pointer; overflow-wrap: anywhere; }
code { font-family: ui-monospace, monospace; font-size: .9em; }
b { display: inline-block; min-width: 4.5rem; }
"""


_STYLE_MARK = b64encode(sha256(_STYLE.encode()).digest()).decode()
NO_SNIFFING = (b"x-content-type-options", b"nosniff")
HEADERS = (
    (
        b"content-security-policy",
        f"default-src 'none'; style-src 'sha256-{_STYLE_MARK}'; base-uri 'none'; form-action 'none'; "
        "frame-ancestors 'none'".encode(),
    ),
    NO_SNIFFING,
    (b"referrer-policy", b"no-referrer"),
)


def page(document: dict[str, Any]) -> bytes:
    """The whole page."""
    groups: dict[str, list[str]] = {}
    for path, operations in document["paths"].items():
        for verb, operation in operations.items():
            groups.setdefault(operation["tags"][0], []).append(_operation(verb, path, operation))
    body = "".join(f"<h2>{escape(group)}</h2>{''.join(rows)}" for group, rows in sorted(groups.items()))
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Ratoon API</title>'
        f'<meta name="viewport" content="width=device-width"><style>{_STYLE}</style></head><body>'
        "<h1>Ratoon API</h1><p>Send an API key as <code>Authorization: Bearer rtn_…</code>. The whole document: "
        f'<a href="/openapi.json">/openapi.json</a>.</p>{body}</body></html>'
    ).encode()


def _operation(verb: str, path: str, operation: dict[str, Any]) -> str:
    parameters = "".join(
        f"<li><code>{escape(each['name'])}</code> ({escape(each['in'])})</li>"
        for each in operation.get("parameters", [])
    )
    schema = operation.get("requestBody", {}).get("content", {}).get("application/json", {}).get("schema", {})
    body = (
        f"<p>Body: <code>{escape(schema['$ref'].rpartition('/')[2])}</code></p>" if "$ref" in schema else ""
    )
    return (
        f"<details><summary><b>{verb.upper()}</b> <code>{escape(path)}</code></summary>"
        f"<p>{escape(operation.get('description', ''))}</p>{body}<ul>{parameters}</ul></details>"
    )
