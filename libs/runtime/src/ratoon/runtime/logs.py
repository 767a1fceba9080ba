"""Logs of a process: one JSON object a line, or readable text on a terminal. It knows no service.

A line has `time`, `level`, `logger`, `message` and `service`, and where there are such: `resource` (what was worked
on), `trace_id`, `span_id`, `exception`.
"""

import json
import logging
import os
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import TextIO

import structlog
from opentelemetry.trace import get_current_span
from structlog.typing import EventDict, Processor, WrappedLogger

from ratoon.runtime.log_files import OWN_FILE, OwnFile, RotatingHandler

_EXCITABLE = ("asyncio", "grpc", "uvicorn")
"""Loggers of libraries that write a line for what a caller does."""
_NOISY = ("kafka", "alembic.runtime", "urllib3", "fsspec")
_SERVICE_PREFIX = "ratoon_"


@contextmanager
def about(service: str, resource: str = "") -> Iterator[None]:
    """Log lines of this thread or task meanwhile are this service's, about this resource."""
    fields = {key: value for key, value in (("service", service), ("resource", resource)) if value}
    with structlog.contextvars.bound_contextvars(**fields):
        yield


def mark(service: str, resource: str = "") -> None:
    """Log lines of this task are this service's, about this resource, for as long as it lasts."""
    structlog.contextvars.bind_contextvars(service=service, **({"resource": resource} if resource else {}))


def configure(process: str = "ratoon", level: str = "INFO", stream: TextIO | None = None) -> None:
    """Send the process's logs to standard error, or to this stream; a file beneath standard error is rotated."""
    sink, file = stream or sys.stderr, os.environ.pop(OWN_FILE, "")
    own = RotatingHandler(OwnFile(Path(file))) if file and stream is None else None
    handler = own or logging.StreamHandler(sink)
    handler.setFormatter(formatter(process, legible=sink.isatty()))
    handler.addFilter(Repeats(time.monotonic))
    logging.basicConfig(level=level, handlers=[handler], force=True)
    for noisy in _NOISY:
        logging.getLogger(noisy).setLevel(logging.WARNING)


class Repeats(logging.Filter):
    """Lets each kind of line of the network libraries pass some times a minute: callers decide how often they come."""

    def __init__(self, clock: Callable[[], float], max_count: int = 10, window_s: float = 60.0) -> None:
        super().__init__()
        self._clock, self._max_count, self._window_s = clock, max_count, window_s
        self._since, self._counts = clock(), Counter[tuple[str, str]]()

    def filter(self, record: logging.LogRecord) -> bool:
        """Return whether the line passes; the last one that does says so."""
        if not record.name.startswith(_EXCITABLE):
            return True
        if self._clock() - self._since >= self._window_s:
            self._since = self._clock()
            self._counts.clear()
        kind = (record.name, str(record.msg))
        self._counts[kind] += 1
        if self._counts[kind] == self._max_count:
            record.msg = f"{record.msg} (further lines like this are left out for a minute)"
        return self._counts[kind] <= self._max_count


def formatter(process: str, legible: bool) -> logging.Formatter:
    """Return the formatter of the records of the standard library's logging."""

    def whose(_logger: WrappedLogger, _method: str, line: EventDict) -> EventDict:
        """Return the service that a record came from, else the one that is worked for, else the process."""
        package = str(line["logger"]).partition(".")[0]
        service = package.removeprefix(_SERVICE_PREFIX) if package.startswith(_SERVICE_PREFIX) else ""
        return {**line, "service": service or line.get("service") or process}

    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.add_log_level,
        whose,
        _traced,
    ]
    return structlog.stdlib.ProcessorFormatter(
        processors=[
            structlog.stdlib.ProcessorFormatter.remove_processors_meta,
            structlog.processors.TimeStamper("iso", utc=True, key="time"),
            structlog.processors.format_exc_info,
            _ordered,
            _as_text if legible else structlog.processors.JSONRenderer(),
        ],
        foreign_pre_chain=shared,
    )


def readable(line: Mapping[str, object]) -> str:
    """A line of the log for people: local time, level, service, message, and what it is about."""
    fields = {key: str(line.get(key, "")) for key in ("message", "resource", "trace_id", "exception")}
    time = datetime.fromisoformat(str(line["time"])).astimezone()
    about = [fields["resource"]] if fields["resource"] and fields["resource"] not in fields["message"] else []
    about += [f"trace {fields['trace_id']}"] if fields["trace_id"] else []
    end = f" ({', '.join(about)})" if about else ""
    head = (
        f"{time:%H:%M:%S} {line.get('level', ''):<7} {line.get('service', ''):<10} {fields['message']}{end}"
    )
    return f"{head}\n{fields['exception']}" if fields["exception"] else head


def legible(text: str) -> str:
    """A line as it stands in a log file, for people; what is no JSON line of ours stays as it is."""
    try:
        line = json.loads(text)
    except ValueError:
        return text
    ours = isinstance(line, dict) and {"time", "message"} <= line.keys()
    return readable(line) if ours else text


def _traced(_logger: WrappedLogger, _method: str, line: EventDict) -> EventDict:
    span = get_current_span().get_span_context()
    if not span.is_valid:
        return line
    return {**line, "trace_id": f"{span.trace_id:032x}", "span_id": f"{span.span_id:016x}"}


def _ordered(_logger: WrappedLogger, _method: str, line: EventDict) -> EventDict:
    """The same keys first in every line."""
    first = {"time": line.pop("time"), "level": line.pop("level").upper(), "logger": line.pop("logger")}
    return {**first, "message": line.pop("event"), **line}


def _as_text(_logger: WrappedLogger, _method: str, line: EventDict) -> str:
    return readable(line)
