"""Secret files of flywheel: the secret under which answer ids are made and read, shared with the gateway."""

from ratoon.runtime.secret_files import SecretFile
from ratoon.security.answers import SECRET_FILE, new_secret

SECRETS = [SecretFile(SECRET_FILE, new_secret)]
