"""Secret files of the registry: the key that signs models."""

from ratoon.chassis.identity import new_signing_key, public_half_of_signing_key
from ratoon.chassis.secret_files import SecretFile

SECRETS = [
    SecretFile("model-signing.pem", new_signing_key, "model-signing.pub", public_half_of_signing_key),
]
