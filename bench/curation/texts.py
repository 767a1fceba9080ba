"""Texts of the benchmark: the mails of `make data`, and the PostgreSQL manual if its Debian package is installed."""

import json
from collections.abc import Iterator
from pathlib import Path

from ratoon_ingestion.worker.decoding import decoded
from ratoon_ingestion.worker.markup import text_of
from ratoon_ingestion.worker.normalise import cleaned
from ratoon_ingestion.worker.readers import Kind

_ROOT = Path(__file__).resolve().parents[2]
_MAILS = _ROOT / ".data/spam-assassin"
_MANUAL = Path("/usr/share/doc/postgresql-doc-15/html")


def write(path: Path, every: int) -> None:
    """Write each `every`-th text as a line of JSON."""
    files = [(file, Kind.MAIL) for file in sorted(_MAILS.rglob("*.txt"))]
    files += [(file, Kind.HTML) for file in sorted(_MANUAL.glob("*.html"))]
    if not files:
        raise SystemExit(f"There are no mails in {_MAILS}: run `make data`.")
    with path.open("w") as sink:
        sink.writelines(f"{json.dumps({'text': text})}\n" for text in _texts(files[::every]))


def read(path: Path) -> list[str]:
    """Return the texts of a file of JSON lines."""
    return [json.loads(line)["text"] for line in path.read_text().splitlines()]


def _texts(files: list[tuple[Path, Kind]]) -> Iterator[str]:
    for file, kind in files:
        payload = file.read_bytes()
        text = (
            text_of(payload.decode(errors="replace")) if kind is Kind.HTML else decoded(kind, payload).text()
        )
        if (clean := cleaned(text)).strip():
            yield clean
