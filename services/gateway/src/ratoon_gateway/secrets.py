"""Secret files of the gateway: the secret under which answer ids are made and read, shared with flywheel."""

from ratoon.runtime.secret_files import SecretFile
from ratoon.security.answers import SECRET_FILE, new_secret

SECRETS = [SecretFile(SECRET_FILE, new_secret)]
