"""Signatures over a model's files, by OpenSSF model-signing: a manifest of hashes, signed with an EC key."""

from __future__ import annotations

from pathlib import Path

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)
from model_signing import signing, verifying


class BadSignature(ValueError):
    """The files are not those that were signed, or another key signed them."""

    reason = "SIGNATURE_MISMATCH"


def passing_key(path: Path) -> Path:
    """A new EC key in a file that only its owner reads; its signatures say what was signed, not who did."""
    key = ec.generate_private_key(ec.SECP256R1())
    path.touch(mode=0o600)
    path.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    return path


def sign(folder: Path, private_key: Path, signature: Path) -> Path:
    """Sign every file of the folder into `signature` (outside of it), and verify that at once; returns it."""
    signing.Config().use_elliptic_key_signer(private_key=private_key).sign(folder, signature)
    public_key = signature.with_suffix(".pub")
    key = load_pem_private_key(private_key.read_bytes(), password=None)
    public_key.write_bytes(key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
    verify(folder, public_key, signature)
    return signature


def verify(folder: Path, public_key: Path, signature: Path) -> None:
    """Raise BadSignature unless the folder holds exactly the files that this key signed."""
    try:
        verifying.Config().use_elliptic_key_verifier(public_key=public_key).verify(folder, signature)
    except Exception as error:  # the library raises ValueError, InvalidSignature and json's errors alike
        raise BadSignature(f"The signature is not valid: {error or type(error).__name__}.") from error
