"""Signed manifests: the files of a model, with their hashes, signed by the registry.

The signature is a Sigstore bundle as OpenSSF model-signing 1.x writes it with an elliptic-curve key: a DSSE
envelope (https://github.com/secure-systems-lab/dsse) over an in-toto statement that lists every file and its
sha256.
"""

import base64
import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from ratoon.storage.artifacts import TreeFile, manifest_bytes

_PAYLOAD_TYPE = "application/vnd.in-toto+json"
_PREDICATE_TYPE = "https://model_signing/signature/v1.0"
_HASHES: dict[int, type[hashes.HashAlgorithm]] = {256: hashes.SHA256, 384: hashes.SHA384, 521: hashes.SHA512}


class AttestationError(Exception):
    """Refusal of bytes that are unsigned or differ from the signed ones."""

    code = "FAILED_PRECONDITION"
    reason = "ATTESTATION_FAILED"


class SignatureInvalid(AttestationError):
    """Refusal of a manifest that the registry's key did not sign."""

    reason = "SIGNATURE_INVALID"


class FileMismatch(AttestationError):
    """Refusal of a file that is missing, is not in the manifest, or differs from it."""

    reason = "MODEL_FILE_MISMATCH"


class AdapterRefused(AttestationError):
    """Refusal of an adapter that vLLM cannot load."""

    reason = "ADAPTER_REFUSED"


@dataclass(frozen=True)
class SignedManifest:
    """Signed files: sha256 in hex by relative path."""

    digests: dict[str, str]

    @staticmethod
    def next_to(folder: Path, public_key: Path) -> "SignedManifest":
        """Return the manifest of a directory, from the signature next to it; SignatureInvalid when there is none."""
        signature = folder.with_name(f"{folder.name}.sig")
        if not signature.exists():
            raise SignatureInvalid(f"{signature.name} is missing: a model without a signature is not loaded.")
        return SignedManifest.verified(signature.read_bytes(), public_key.read_bytes())

    @staticmethod
    def verified(bundle: bytes, public_key_pem: bytes) -> "SignedManifest":
        """Return the manifest in a signature bundle; SignatureInvalid when the key did not sign it."""
        try:
            envelope = json.loads(bundle)["dsseEnvelope"]
            payload = base64.b64decode(envelope["payload"])
            signature = base64.b64decode(envelope["signatures"][0]["sig"])
            payload_type = envelope["payloadType"]
        except (ValueError, KeyError, IndexError, TypeError):
            raise SignatureInvalid("The model's signature is not a model-signing bundle.") from None
        _check_signature(public_key_pem, payload_type, payload, signature)
        return SignedManifest(_resources(json.loads(payload)))

    def check(self, path: str, actual: str) -> None:
        """Raise FileMismatch unless this sha256 was signed for this path."""
        expected = self.digests.get(path)
        if expected is None:
            raise FileMismatch(
                f"The model directory contains {path!r}, which the signed manifest does not name."
            )
        if expected != actual:
            raise FileMismatch(
                f"{path!r} hashes to {actual}, but {expected} was signed: the model is not loaded."
            )

    def check_folder(self, folder: Path) -> str:
        """Check the hash of every file of a directory; returns the artifact digest of these files."""
        files = files_of(folder)
        self.check_complete(set(files))
        rows = []
        for path, file in files.items():
            with file.open("rb") as source:
                digest = hashlib.file_digest(source, "sha256").hexdigest()
            self.check(path, digest)
            rows.append(TreeFile(path, digest, file.stat().st_size))
        return tree_digest(rows)

    def check_complete(self, paths: set[str]) -> None:
        """Raise FileMismatch when a signed file is missing."""
        if missing := sorted(set(self.digests) - paths):
            raise FileMismatch(
                f"The model directory lacks {', '.join(missing)}, which the signed manifest names."
            )


def files_of(folder: Path) -> dict[str, Path]:
    """Return the files below a directory by their relative POSIX path, sorted; FileMismatch for a link."""
    files = {}
    for path in sorted(folder.rglob("*")):
        if path.is_symlink():
            raise FileMismatch(
                f"The model directory contains a link, {path.relative_to(folder)}: only files are loaded."
            )
        if path.is_file():
            files[path.relative_to(folder).as_posix()] = path
    return files


def tree_digest(files: list[TreeFile]) -> str:
    """Return the artifact digest that these files have in the store."""
    return hashlib.sha256(manifest_bytes(files)).hexdigest()


def _check_signature(public_key_pem: bytes, payload_type: str, payload: bytes, signature: bytes) -> None:
    key = load_pem_public_key(public_key_pem)
    if not isinstance(key, ec.EllipticCurvePublicKey) or payload_type != _PAYLOAD_TYPE:
        raise SignatureInvalid(
            "The model's signature is not a signature of an in-toto statement by an elliptic-curve key."
        )
    signed = b"DSSEv1 %d %b %d %b" % (len(payload_type), payload_type.encode(), len(payload), payload)
    try:
        key.verify(signature, signed, ec.ECDSA(_HASHES[key.curve.key_size]()))
    except (InvalidSignature, KeyError):
        raise SignatureInvalid("The registry's key did not sign this model's manifest.") from None


def _resources(statement: dict[str, Any]) -> dict[str, str]:
    """Return the files of a statement; SignatureInvalid unless it lists whole files by sha256."""
    predicate = statement.get("predicate", {})
    if statement.get("predicateType") != _PREDICATE_TYPE or predicate["serialization"]["method"] != "files":
        raise SignatureInvalid("The signed manifest is of an unknown kind: sign whole files by sha256.")
    rows = predicate["resources"]
    if any(row["algorithm"] != "sha256" for row in rows):
        raise SignatureInvalid("The signed manifest names other hashes than sha256.")
    return {row["name"]: row["digest"] for row in rows}
