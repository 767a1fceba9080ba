"""Every reader under coverage-guided fuzzing, from files of others, a bounded number of inputs each."""

import gzip
import io
import os
import subprocess
import sys
from pathlib import Path

import polars as pl
import pytest

from ratoon_ingestion.domain.sources import Format
from services.ingestion.tests.integration.test_media import FILES, archive

ROOT = Path(__file__).resolve().parents[4]
UV = ROOT / ".tools" / "uv" / "bin" / "uv"
ATHERIS = "atheris==3.0.0"
RUNS, MAX_BYTES = 400, 4_096
QUICK = (Format.JSONL, Format.MEDIA_ARCHIVE)
"""Formats of the quick form."""
MAIL = b"From a@example.com Mon Jun  1 12:00:00 2026\nSubject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=\n\nA body.\n\n"
PAGE = (
    b"<mediawiki><page><title>A</title><ns>0</ns><revision><text>Some '''text'''.</text></revision></page>"
    b"</mediawiki>"
)
WARC = (
    b"WARC/1.0\r\nWARC-Type: response\r\nWARC-Target-URI: http://example.com/\r\nContent-Type: application/http;"
    b" msgtype=response\r\nContent-Length: 70\r\n\r\nHTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\n"
    b"<p>A page of a web.</p>\r\n\r\n"
)


def table(write: str) -> bytes:
    buffer = io.BytesIO()
    frame = pl.DataFrame(
        {"text": ["a text", None, "另一个"], "label": ["x", "y", None], "n": [1.5, 2.0, None]}
    )
    getattr(frame, write)(buffer)
    return buffer.getvalue()


SEEDS = {
    Format.JSONL: [
        b'{"text": "a", "label": ["b"]}\n[{"messages": [{"role": "user", "content": "\\u00e9"}]}]\n'
    ],
    Format.CSV: [b'text;label\n"a ""quoted"" text";b\nsep=;', table("write_csv")],
    Format.PARQUET: [table("write_parquet")],
    Format.ARROW: [table("write_ipc")],
    Format.TEXT: ["Ein Satz. 一个句子。\r\n\r\n".encode("utf-16")],
    Format.MBOX: [MAIL * 2],
    Format.WARC: [WARC, gzip.compress(WARC)],
    Format.WIKIPEDIA: [PAGE],
    Format.MAIL_ARCHIVE: [archive({"spam/1": MAIL})],
    Format.TEXT_ARCHIVE: [archive({"a/1.txt": b"A text.", "b.gz": gzip.compress(b"Another one.")})],
    Format.MEDIA_ARCHIVE: [archive({name: data[:900] for name, data in FILES.items()})],
}


@pytest.fixture(scope="module")
def atheris(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Directory of the fuzzer, which is no part of the environment."""
    if not UV.exists():
        pytest.skip("uv is missing; `make env` gets it")
    folder = tmp_path_factory.mktemp("atheris")
    install = [UV, "pip", "install", "--quiet", "--python", sys.executable, "--target", folder, ATHERIS]
    done = subprocess.run([str(each) for each in install], cwd=ROOT, capture_output=True, text=True)
    if done.returncode:
        pytest.skip(f"atheris cannot be installed here: {done.stderr[-200:]}")
    return folder


@pytest.mark.parametrize(
    "format",
    [each if each in QUICK else pytest.param(each, marks=pytest.mark.thorough) for each in SEEDS],
)
def test_a_reader_yields_items_and_rejections_or_says_why_not(atheris, format, tmp_path):
    corpus = tmp_path / "corpus"
    corpus.mkdir()
    for number, seed in enumerate(SEEDS[format]):
        (corpus / f"seed{number}").write_bytes(seed)
    options = [f"-runs={RUNS}", f"-max_len={MAX_BYTES}", "-seed=7", "-timeout=60", "-rss_limit_mb=4096"]
    paths = os.pathsep.join((str(ROOT), str(atheris)))
    done = subprocess.run(
        [sys.executable, Path(__file__).with_name("fuzz_readers.py"), format.value, *options, corpus],
        env={**os.environ, "PYTHONPATH": paths},
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, f"{done.stdout[-1500:]}\n{done.stderr[-2500:]}"
