"""Connections, streams and crawls: what their pages show, and the resources that their forms describe."""

import math
from collections.abc import Callable, Mapping
from urllib.parse import urlsplit

from ratoon_console.domain.errors import BadForm
from ratoon_console.domain.words import JSON, duration

KINDS = {
    "KIND_FSSPEC": "files or objects",
    "KIND_SQL": "rows of a database",
    "KIND_KAFKA": "messages of a Kafka topic",
}
"""Kinds of connections, as pages name them."""
FORMATS = {
    "FORMAT_JSONL": "JSON Lines",
    "FORMAT_CSV": "CSV or TSV",
    "FORMAT_PARQUET": "Parquet",
    "FORMAT_ARROW": "Arrow",
    "FORMAT_EXCEL": "Excel",
    "FORMAT_TEXT": "text files",
    "FORMAT_DOCUMENT": "documents",
    "FORMAT_MAIL_ARCHIVE": "mails",
    "FORMAT_MBOX": "mbox",
    "FORMAT_TEXT_ARCHIVE": "archives of texts",
    "FORMAT_WARC": "WARC or WET",
    "FORMAT_WIKIPEDIA": "Wikipedia dumps",
    "FORMAT_MEDIA_ARCHIVE": "Images, audio and video",
    "FORMAT_LABEL_STUDIO": "Label Studio",
}
"""Formats of the objects of a connection."""
COLUMNS = ("text", "label", "id", "time", "messages", "prompt", "answer")
"""Columns that the form of a connection names."""
STOPPED_BY = {
    "pages": "the number of pages",
    "seconds": "the time",
    "bytes": "the size of the texts",
}
"""Bounds that end a crawl."""
_TEXT_FIELDS = (
    ("display_name", "displayName"),
    ("license", "license"),
    ("consent", "consent"),
    ("domain", "domain"),
)
_SQL_FIELDS = (("query", "query"), ("cursor_column", "cursorColumn"), ("key_column", "keyColumn"))
_CRAWL_NUMBERS = (
    ("max_pages", "maxPages"),
    ("max_depth", "maxDepth"),
    ("max_page_bytes", "maxPageBytes"),
    ("max_seconds", "maxSeconds"),
)
_COLUMN = "column-"
"""Prefix of the fields of columns."""


def schedule_words(connection: JSON) -> str:
    """Return when a connection is read: `every 1 h`, `at 0 3 * * * (UTC)`, `on request`."""
    schedule = connection.get("schedule") or {}
    words = "on request"
    if schedule.get("cron"):
        words = f"at {schedule['cron']} (UTC)"
    elif schedule.get("intervalSeconds"):
        words = f"every {duration(schedule['intervalSeconds'])}"
    return f"{words}, paused" if connection.get("paused") else words


def connection_of(fields: Mapping[str, str]) -> JSON:
    """Return the connection of a form for a new one; BadForm if a number is none or both schedules are set."""
    kind = _text(fields, "kind")
    if kind not in KINDS:
        raise BadForm(f"The kind {kind!r} is none of {', '.join(KINDS)}. Go back and choose one.")
    body: JSON = {"kind": kind, "url": _text(fields, "url"), **_set(fields, _TEXT_FIELDS)}
    if kind == "KIND_FSSPEC":
        body |= _set(fields, (("pattern", "pattern"), ("format", "format"), ("encoding", "encoding")))
    if kind == "KIND_SQL":
        body |= _set(fields, _SQL_FIELDS) | _numbers(fields, (("overlap", "overlap"),), _decimal)
    if columns := columns_of(fields):
        body["columns"] = columns
    return body | _bounds(fields) | ({"schedule": schedule} if (schedule := _schedule(fields)) else {})


def changes_of_connection(fields: Mapping[str, str], kind: str) -> JSON:
    """Return the changeable fields of a form for an existing connection; an empty one takes its default."""
    changes: JSON = {name: _text(fields, key) for key, name in _TEXT_FIELDS}
    if kind == "KIND_FSSPEC":
        changes["pattern"] = _text(fields, "pattern")
    if kind == "KIND_SQL":
        changes["query"] = _text(fields, "query")
        changes["overlap"] = _numbers(fields, (("overlap", "overlap"),), _decimal).get("overlap", 0)
    if "vanished" in fields:
        changes["vanished"] = fields["vanished"]
    bounds = {"maxItems": 0, "maxBytes": 0} | _bounds(fields)
    return changes | bounds | {"schedule": _schedule(fields) or None}


def columns_of(fields: Mapping[str, str]) -> JSON:
    """Return the columns that a form names; empty if it names none."""
    columns: JSON = {name: value for name in COLUMNS if (value := fields.get(f"{_COLUMN}{name}", "").strip())}
    retained = [name.strip() for name in fields.get(f"{_COLUMN}attributes", "").split(",") if name.strip()]
    return columns | ({"attributes": retained} if retained else {})


def stream_of(fields: Mapping[str, str]) -> JSON:
    """Return the stream of a form for a new one."""
    body = _set(fields, _TEXT_FIELDS[:2]) | _segments(fields)
    return body | ({"columns": columns} if (columns := columns_of(fields)) else {})


def changes_of_stream(fields: Mapping[str, str]) -> JSON:
    """Return the changeable fields of a form for an existing stream; an empty number takes its default."""
    texts = {name: _text(fields, key) for key, name in _TEXT_FIELDS[:2]}
    return texts | {"segmentRecords": 0, "segmentSeconds": 0} | _segments(fields)


def crawl_of(fields: Mapping[str, str]) -> JSON:
    """Return the crawl of a form. BadForm unless each line of the first pages is a web address."""
    addresses = _lines(fields, "start_urls")
    for address in addresses:
        if urlsplit(address).scheme not in ("http", "https") or not urlsplit(address).netloc:
            raise BadForm(f"{address[:80]!r} is no address of a web page. Go back and write one a line.")
    if not addresses:
        raise BadForm("No first page. Go back and write at least one address.")
    body: JSON = {"startUrls": addresses, **_set(fields, (("license", "license"),))}
    lists = {"hosts": _lines(fields, "hosts"), "pathPrefixes": _lines(fields, "path_prefixes")}
    body |= {name: values for name, values in lists.items() if values}
    body |= _numbers(fields, _CRAWL_NUMBERS, _whole)
    body |= _numbers(fields, (("delay_seconds", "delaySeconds"),), _decimal)
    return body | ({"skipSitemaps": True} if fields.get("skip_sitemaps") == "yes" else {})


def again(crawl: JSON) -> JSON:
    """Return a crawl that visits the same pages as one that has succeeded, for what has changed."""
    same = ("startUrls", "hosts", "pathPrefixes", "license", "maxPages", "maxDepth", "maxPageBytes",
            "maxSeconds", "delaySeconds", "skipSitemaps")  # fmt: skip
    return {name: crawl[name] for name in same if name in crawl} | {"previous": crawl["name"]}


def _segments(fields: Mapping[str, str]) -> JSON:
    names = (("segment_records", "segmentRecords"), ("segment_seconds", "segmentSeconds"))
    return _numbers(fields, names, _whole)


def _bounds(fields: Mapping[str, str]) -> JSON:
    return _numbers(fields, (("max_items", "maxItems"), ("max_bytes", "maxBytes")), _whole)


def _schedule(fields: Mapping[str, str]) -> JSON:
    """Return the schedule of a form; empty: on request."""
    interval, cron = _text(fields, "interval_seconds"), _text(fields, "cron")
    if interval and cron:
        raise BadForm("Fill in the interval or the times of cron, not both. Go back and clear one.")
    if cron:
        return {"cron": cron}
    return {"intervalSeconds": _decimal(interval)} if interval else {}


def _set(fields: Mapping[str, str], names: tuple[tuple[str, str], ...]) -> JSON:
    return {name: value for key, name in names if (value := _text(fields, key))}


def _numbers(
    fields: Mapping[str, str], names: tuple[tuple[str, str], ...], read: Callable[[str], int | float]
) -> JSON:
    return {name: read(text) for key, name in names if (text := _text(fields, key))}


def _whole(text: str) -> int:
    digits = text.replace(",", "").replace("_", "")
    if not (digits.isascii() and digits.isdecimal()):
        raise BadForm(f"{text[:40]!r} is not a whole number. Go back and correct it.")
    return int(digits)


def _decimal(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise BadForm(f"{text[:40]!r} is not a number. Go back and correct it.")
    return value


def _lines(fields: Mapping[str, str], key: str) -> list[str]:
    return [line.strip() for line in fields.get(key, "").splitlines() if line.strip()]


def _text(fields: Mapping[str, str], key: str) -> str:
    return fields.get(key, "").replace("\r\n", "\n").strip()
