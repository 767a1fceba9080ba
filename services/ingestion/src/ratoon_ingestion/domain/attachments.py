"""Attachments of records: their references in attributes, of which `sha256:` and a digest is a stored file."""

import re
from collections.abc import Mapping

MEDIA = ("images", "audios", "videos", "files")
"""Attributes that hold references to attachments, by their type, separated by commas."""
FOLDER = "attachments/"
"""Path of attachments in the tree of a version and of an export."""
_DIGEST = re.compile(r"sha256:([0-9a-f]{64})")


def references(attributes: Mapping[str, str]) -> str:
    """Return all references of a record, as one text; empty if it has none."""
    return "\n".join(f"{name}: {attributes[name]}" for name in MEDIA if attributes.get(name))


def digests_in(attributes: Mapping[str, str]) -> list[str]:
    """Return the digests that a record refers to, in their order."""
    return [digest for name in MEDIA for digest in _DIGEST.findall(attributes.get(name) or "")]
