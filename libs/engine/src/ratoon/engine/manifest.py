"""Signed manifests: which bytes a model consists of, and who says so. It knows no tensors and no engine.

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

from ratoon.chassis.artifacts import TreeFile, manifest_bytes

_PAYLOAD_TYPE = "application/vnd.in-toto+json"
_PREDICATE_TYPE = "https://model_signing/signature/v1.0"
_HASHES: dict[int, type[hashes.HashAlgorithm]] = {256: hashes.SHA256, 384: hashes.SHA384, 521: hashes.SHA512}


class AttestationError(Exception):
    """Bytes that nobody signed, or that are not the ones that were signed."""

    code = "FAILED_PRECONDITION"
    reason = "ATTESTATION_FAILED"


class SignatureInvalid(AttestationError):
    """The manifest was not signed by the registry's key."""

    reason = "SIGNATURE_INVALID"


class FileMismatch(AttestationError):
    """A file is missing, is not in the manifest, or has other bytes than the manifest says."""

    reason = "MODEL_FILE_MISMATCH"


class AdapterRefused(AttestationError):
    """vLLM cannot load an adapter of this kind."""

    reason = "ADAPTER_REFUSED"


@dataclass(frozen=True)
class SignedManifest:
    """The files that were signed: sha256 in hex by relative path."""

    digests: dict[str, str]

    @staticmethod
    def beside(folder: Path, public_key: Path) -> "SignedManifest":
        """The manifest of a folder, from the signature beside it; SignatureInvalid when there is none."""
        signature = folder.with_name(f"{folder.name}.sig")
        if not signature.exists():
            raise SignatureInvalid(f"{signature.name} is missing: a model without a signature is not loaded.")
        return SignedManifest.verified(signature.read_bytes(), public_key.read_bytes())

    @staticmethod
    def verified(bundle: bytes, public_key_pem: bytes) -> "SignedManifest":
        """The manifest inside a signature bundle; SignatureInvalid when the key did not sign it."""
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
        """FileMismatch unless this file has these bytes' sha256."""
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
        """Hash every file of a folder against the manifest; returns the artifact digest of what is there."""
        found = files_of(folder)
        self.check_complete(set(found))
        rows = []
        for path, file in found.items():
            with file.open("rb") as source:
                digest = hashlib.file_digest(source, "sha256").hexdigest()
            self.check(path, digest)
            rows.append(TreeFile(path, digest, file.stat().st_size))
        return tree_digest(rows)

    def check_complete(self, found: set[str]) -> None:
        """FileMismatch when a signed file is missing."""
        if missing := sorted(set(self.digests) - found):
            raise FileMismatch(
                f"The model directory lacks {', '.join(missing)}, which the signed manifest names."
            )


def files_of(folder: Path) -> dict[str, Path]:
    """The files below a folder by their relative POSIX path, sorted; a link is refused."""
    found = {}
    for path in sorted(folder.rglob("*")):
        if path.is_symlink():
            raise FileMismatch(
                f"The model directory contains a link, {path.relative_to(folder)}: only files are loaded."
            )
        if path.is_file():
            found[path.relative_to(folder).as_posix()] = path
    return found


def tree_digest(files: list[TreeFile]) -> str:
    """The artifact digest that these files have in the store."""
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
    """The statement's files; only whole files hashed by sha256 are taken."""
    predicate = statement.get("predicate", {})
    if statement.get("predicateType") != _PREDICATE_TYPE or predicate["serialization"]["method"] != "files":
        raise SignatureInvalid("The signed manifest is of an unknown kind: sign whole files by sha256.")
    rows = predicate["resources"]
    if any(row["algorithm"] != "sha256" for row in rows):
        raise SignatureInvalid("The signed manifest names other hashes than sha256.")
    return {row["name"]: row["digest"] for row in rows}
