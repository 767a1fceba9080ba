"""The registry's signature over the result of a job: the private key never leaves this process.

A job leaves a Sigstore bundle as OpenSSF model-signing writes it, a DSSE envelope around the hashes of a model's files,
signed with a key that is discarded. The registry signs it again here.
"""

import hashlib
import json
from base64 import b64decode, b64encode
from pathlib import Path

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key

from ratoon.process.errors import FailedPrecondition


class Sealer:
    """Signs with the key in a file (ECDSA P-256)."""

    def __init__(self, private_key: Path) -> None:
        """FailedPrecondition when it holds another kind of key."""
        key = load_pem_private_key(private_key.read_bytes(), password=None)
        if not isinstance(key, ec.EllipticCurvePrivateKey) or key.curve.name != "secp256r1":
            raise FailedPrecondition(f"{private_key} is not an EC key on P-256.", reason="KEY_UNSUITABLE")
        self._key = key
        public = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
        self._hint = hashlib.sha256(public).hexdigest()

    def sealed(self, bundle: bytes) -> bytes:
        """The bundle with this key's signature in place of the one that it has."""
        document = json.loads(bundle)
        envelope = document["dsseEnvelope"]
        signed = _encoded(envelope["payloadType"].encode(), b64decode(envelope["payload"]))
        signature = b64encode(self._key.sign(signed, ec.ECDSA(hashes.SHA256()))).decode()
        envelope["signatures"] = [{"sig": signature}]
        document["verificationMaterial"]["publicKey"]["hint"] = self._hint
        return json.dumps(document).encode()

    def envelope(self, payload: bytes, payload_type: str) -> bytes:
        """Return a DSSE envelope around a payload, signed with this key."""
        signature = self._key.sign(_encoded(payload_type.encode(), payload), ec.ECDSA(hashes.SHA256()))
        document = {
            "payload": b64encode(payload).decode(),
            "payloadType": payload_type,
            "signatures": [{"keyid": self._hint, "sig": b64encode(signature).decode()}],
        }
        return json.dumps(document, sort_keys=True).encode()


def _encoded(kind: bytes, payload: bytes) -> bytes:
    """What DSSE signs: its pre-authentication encoding of type and payload."""
    return b"DSSEv1 %d %b %d %b" % (len(kind), kind, len(payload), payload)
