"""Secret files of flywheel: the secret under which answer ids are made and read, shared with the gateway."""

from ratoon.chassis.answers import SECRET_FILE, new_secret
from ratoon.chassis.secret_files import SecretFile

SECRETS = [SecretFile(SECRET_FILE, new_secret)]
