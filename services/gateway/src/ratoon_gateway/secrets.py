"""Secret files of the gateway: the secret under which answer ids are made and read, shared with flywheel."""

from ratoon.chassis.answers import SECRET_FILE, new_secret
from ratoon.chassis.secret_files import SecretFile

SECRETS = [SecretFile(SECRET_FILE, new_secret)]
