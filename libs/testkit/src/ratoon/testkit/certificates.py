"""Directories of TLS files for tests, as a `kubernetes.io/tls` Secret shows them to a pod."""

from pathlib import Path

from ratoon.process.files import replace_file
from ratoon.security.authority import Pair, issue
from ratoon.security.tls import AUTHORITY, CERTIFICATE, KEY


def write_certificates(folder: Path, authority: Pair, *dns_names: str) -> Path:
    """Put a certificate for these names into the directory, each file replaced whole; the directory."""
    folder.mkdir(parents=True, exist_ok=True)
    pair = issue(authority, list(dns_names))
    for name, content in (
        (AUTHORITY, authority.certificate),
        (CERTIFICATE, pair.certificate),
        (KEY, pair.key),
    ):
        replace_file(folder / name, content, durable=False)
    return folder
