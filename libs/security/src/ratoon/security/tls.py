"""Mutual TLS from a directory of three files, which are read again when they were replaced. It knows no service.

`tls.crt` and `tls.key` are the process's own certificate and key, `ca.crt` is the authority that signed everybody's:
the names of a `kubernetes.io/tls` Secret. Both sides show a certificate. Open connections stay with the one that they
began with; new ones take the files as they are.
"""

import time
from pathlib import Path

import grpc

from ratoon.process.errors import FailedPrecondition

CERTIFICATE, KEY, AUTHORITY = "tls.crt", "tls.key", "ca.crt"
_CHECK_EVERY_S = 1.0
Mark = tuple[tuple[int, int], ...]


class Certificates:
    """The files of one directory."""

    def __init__(self, folder: Path) -> None:
        """FailedPrecondition when one of them is missing."""
        self._folder = folder
        self._checked_at, self._mark = 0.0, self._stat()

    @property
    def mark(self) -> Mark:
        """Changes when a file was replaced; checked once a second."""
        if time.monotonic() - self._checked_at >= _CHECK_EVERY_S:
            self._checked_at, self._mark = time.monotonic(), self._stat()
        return self._mark

    def serving(self) -> grpc.ServerCredentials:
        """For a server that takes callers with a certificate of the same authority alone."""
        shown = self.mark

        def changed() -> grpc.ServerCertificateConfiguration | None:
            nonlocal shown
            if self.mark == shown:
                return None
            shown = self.mark
            return self._configuration()

        return grpc.dynamic_ssl_server_credentials(self._configuration(), changed, True)  # type: ignore[arg-type]

    def calling(self) -> grpc.ChannelCredentials:
        """For a channel that is opened now."""
        return grpc.ssl_channel_credentials(
            self._read(AUTHORITY), private_key=self._read(KEY), certificate_chain=self._read(CERTIFICATE)
        )

    def _configuration(self) -> grpc.ServerCertificateConfiguration:
        pair = (self._read(KEY), self._read(CERTIFICATE))
        return grpc.ssl_server_certificate_configuration([pair], root_certificates=self._read(AUTHORITY))

    def _read(self, name: str) -> bytes:
        return (self._folder / name).read_bytes()

    def _stat(self) -> Mark:
        try:
            stats = [(self._folder / name).stat() for name in (CERTIFICATE, KEY, AUTHORITY)]
        except FileNotFoundError as error:
            raise FailedPrecondition(
                f"{error.filename} is missing: a directory of TLS files holds {CERTIFICATE}, {KEY} and {AUTHORITY}.",
                reason="CERTIFICATE_MISSING",
            ) from None
        return tuple((each.st_ino, each.st_mtime_ns) for each in stats)


def certificates_of(folder: Path | None) -> Certificates | None:
    """The certificates in a directory; none where no directory is named."""
    return Certificates(folder) if folder is not None else None


def is_socket(address: str) -> bool:
    """Return whether an address is a Unix socket: only this machine's user reaches it, so no TLS is spoken there."""
    return address.startswith("unix:")
