"""Places that the operator allows connections to read, and which of them allows an address."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from ratoon_ingestion.domain.errors import BadConnection, ConnectionNotAllowed

PROJECT = "{project}"
"""Stands for the ID of the project in an entry of the operator's list."""
_MAX_URL_CHARS = 2000
_SCHEME = re.compile(r"[a-z][a-z0-9+.]*://")
_PASSWORD = re.compile(r"://[^/@]*:[^/@]*@")
_UNSAFE = re.compile(r"(^|/)\.\.?(/|$)|::|%2e|%2f|\\|[\x00-\x20\x7f]", re.IGNORECASE)


@dataclass(frozen=True)
class Endpoint:
    """Entry of the operator's list that allows an address."""

    url: str
    credentials: str = ""
    """Environment variable of the workers that holds the credentials; empty: there are none."""


def checked_url(url: str) -> str:
    """Return an address without the `/` at its end; BadConnection if it has credentials or leads elsewhere."""
    if not _SCHEME.match(url) or len(url) > _MAX_URL_CHARS:
        raise BadConnection(f"url {url[:40]!r} is no address such as s3://bucket/prefix.")
    if _PASSWORD.search(url):
        raise BadConnection(
            "url contains a password. Remove it: an operator lists the address with the variable of its credentials."
        )
    if _UNSAFE.search(url.partition("://")[2]):
        raise BadConnection("url may not contain '..', '.', '::', backslashes, white space or encoded dots.")
    return url.rstrip("/") if url.partition("://")[2].strip("/") else url


def endpoint_of(url: str, project: str, listed: Mapping[str, str], exact: bool = False) -> Endpoint:
    """Return the longest entry that allows an address of a project; ConnectionNotAllowed if none does.

    An entry allows itself and, unless `exact`, what is below it.
    """
    entries = sorted(listed.items(), key=lambda entry: -len(entry[0]))
    for entry, credentials in entries:
        allowed = entry.replace(PROJECT, project).rstrip("/")
        if url == allowed or (not exact and url.startswith(f"{allowed}/")):
            return Endpoint(allowed, credentials)
    raise ConnectionNotAllowed(
        f"No entry of RATOON_INGESTION_CONNECTION_ENDPOINTS allows {url}. Ask an operator to add it."
    )
