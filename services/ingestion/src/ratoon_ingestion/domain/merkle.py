"""Merkle trees over records, after RFC 6962 (section 2.1): leaves and nodes hash in domains of their own.

The leaf of a record is its record id followed by its content digest, both as bytes; leaves stand in record id
order.
"""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class ProofStep:
    """One sibling on the way to the root: its hash, and whether it stands to the left."""

    sibling: bytes
    on_left: bool


def leaf_hash(record_id: str, content_digest: str) -> bytes:
    """The leaf of one record; both arguments are 64 lowercase hex characters."""
    return hashlib.sha256(b"\x00" + bytes.fromhex(record_id) + bytes.fromhex(content_digest)).digest()


def root(leaves: Iterable[bytes]) -> bytes:
    """The tree's root; an empty tree has the hash of nothing."""
    peaks: list[tuple[int, bytes]] = []
    for leaf in leaves:
        height, node = 0, leaf
        while peaks and peaks[-1][0] == height:
            node = _node(peaks.pop()[1], node)
            height += 1
        peaks.append((height, node))
    if not peaks:
        return hashlib.sha256(b"").digest()
    _, top = peaks.pop()
    while peaks:
        top = _node(peaks.pop()[1], top)
    return top


def inclusion_proof(leaves: Sequence[bytes], index: int) -> tuple[ProofStep, ...]:
    """The siblings from leaf `index` to the root, lowest first; IndexError when there is no such leaf."""
    if not 0 <= index < len(leaves):
        raise IndexError(f"There is no leaf {index} among {len(leaves)}.")
    steps: list[ProofStep] = []
    low, high = 0, len(leaves)
    while high - low > 1:
        middle = low + _left_size(high - low)
        if index < middle:
            steps.append(ProofStep(root(leaves[middle:high]), on_left=False))
            high = middle
        else:
            steps.append(ProofStep(root(leaves[low:middle]), on_left=True))
            low = middle
    return tuple(reversed(steps))


def verifies(leaf: bytes, proof: Iterable[ProofStep], expected_root: bytes) -> bool:
    """Whether the proof leads from the leaf to the root."""
    node = leaf
    for step in proof:
        node = _node(step.sibling, node) if step.on_left else _node(node, step.sibling)
    return node == expected_root


def _node(left: bytes, right: bytes) -> bytes:
    return hashlib.sha256(b"\x01" + left + right).digest()


def _left_size(size: int) -> int:
    """The largest power of two below `size`."""
    return 1 << (size - 1).bit_length() - 1
