"""Logs of a process: one JSON object a line, or readable text on a terminal. It knows no service."""

import json
import logging
import sys
from datetime import UTC, datetime

from opentelemetry import trace


class _JsonFormatter(logging.Formatter):
    """A line of JSON with time, level, logger, message, trace id and the exception if there is one."""

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, object] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
        }
        span = trace.get_current_span().get_span_context()
        if span.is_valid:
            line["trace_id"] = f"{span.trace_id:032x}"
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line)


def configure(level: str = "INFO") -> None:
    """Send the process's logs to standard error."""
    handler = logging.StreamHandler(sys.stderr)
    readable = logging.Formatter("%(asctime)s %(levelname)-7s %(name)s: %(message)s", "%H:%M:%S")
    handler.setFormatter(readable if sys.stderr.isatty() else _JsonFormatter())
    logging.basicConfig(level=level, handlers=[handler], force=True)
    for noisy in ("kafka", "alembic.runtime", "urllib3", "fsspec"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
