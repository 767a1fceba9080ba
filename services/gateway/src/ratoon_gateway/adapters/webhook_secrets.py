"""File of webhook secrets, read again when it changes. It never logs what it holds."""

import logging
from collections.abc import Sequence
from pathlib import Path

from ratoon.process.errors import FailedPrecondition
from ratoon.security.identity import check_private
from ratoon_gateway.domain.errors import BadWebhookSecrets
from ratoon_gateway.domain.webhooks import WebhookSecret, secrets_of

_LOG = logging.getLogger(__name__)
_MAX_BYTES = 1 << 20


class WebhookSecretFile:
    """Webhook secrets of the installation: those of a file and some fixed ones; safe on any thread."""

    def __init__(self, path: Path, fixed: str = "") -> None:
        """`fixed` has lines as the file has; BadWebhookSecrets names the line that cannot be read."""
        self._path, self._fixed = path, tuple(secrets_of(fixed))
        self._known: tuple[object, Sequence[WebhookSecret]] = (None, ())

    def __call__(self) -> Sequence[WebhookSecret]:
        """Return the current secrets; of a file that cannot be read as it is now, those before."""
        return (*self._fixed, *self._of_file())

    def _of_file(self) -> Sequence[WebhookSecret]:
        try:
            status = self._path.stat()
        except FileNotFoundError:
            self._known = (None, ())
            return ()
        mark = (status.st_mtime_ns, status.st_size, status.st_ino, status.st_mode)
        before, secrets = self._known
        if mark != before:
            secrets = self._read(secrets)
            self._known = (mark, secrets)
        return secrets

    def _read(self, before: Sequence[WebhookSecret]) -> Sequence[WebhookSecret]:
        try:
            check_private(self._path)
            with self._path.open(encoding="utf-8") as file:
                secrets = secrets_of(file.read(_MAX_BYTES))
        except (BadWebhookSecrets, FailedPrecondition) as error:
            _LOG.error("%s: %s The secrets before are used.", self._path, error)
            return before
        except (OSError, UnicodeDecodeError) as error:
            _LOG.error(
                "%s cannot be read (%s). The secrets before are used.", self._path, type(error).__name__
            )
            return before
        _LOG.info("%s: %d webhook secrets", self._path, len(secrets))
        return secrets
