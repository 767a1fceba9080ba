"""Secret files of the registry: the key that signs models."""

from ratoon.runtime.secret_files import SecretFile
from ratoon.security.identity import new_signing_key, public_half_of_signing_key

SECRETS = [
    SecretFile("model-signing.pem", new_signing_key, "model-signing.pub", public_half_of_signing_key),
]
