"""Secret files of ingestion: the secret that record ids are derived from."""

import secrets

from ratoon.runtime.secret_files import SecretFile


def _new_record_secret() -> bytes:
    return secrets.token_hex(32).encode()


SECRETS = [SecretFile("record.secret", _new_record_secret)]
