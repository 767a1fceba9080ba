"""Merkle roots and inclusion proofs."""

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ratoon_ingestion.domain import merkle

LEAVES = st.lists(st.binary(min_size=32, max_size=32), min_size=1, max_size=40)


def reference_root(leaves: list[bytes]) -> bytes:
    """MTH of RFC 6962, section 2.1, word for word."""
    if len(leaves) == 1:
        return leaves[0]
    k = 1
    while k * 2 < len(leaves):
        k *= 2
    return hashlib.sha256(b"\x01" + reference_root(leaves[:k]) + reference_root(leaves[k:])).digest()


@given(LEAVES)
def test_the_root_is_that_of_the_rfc(leaves):
    assert merkle.root(leaves) == reference_root(leaves)


@given(LEAVES, st.data())
def test_each_leaf_proves_its_inclusion_and_no_other(leaves, data):
    index = data.draw(st.integers(0, len(leaves) - 1))
    root, proof = merkle.root(leaves), merkle.inclusion_proof(leaves, index)
    assert merkle.verifies(leaves[index], proof, root)
    stranger = hashlib.sha256(leaves[index]).digest()
    assert not merkle.verifies(stranger, proof, root)


def test_an_empty_tree_has_the_hash_of_nothing():
    assert merkle.root([]).hex() == hashlib.sha256(b"").hexdigest()


def test_leaves_and_nodes_hash_in_domains_of_their_own():
    leaf = merkle.leaf_hash("11" * 32, "22" * 32)
    assert leaf == hashlib.sha256(b"\x00" + b"\x11" * 32 + b"\x22" * 32).digest()


def test_there_is_no_proof_for_a_leaf_that_is_not_there():
    with pytest.raises(IndexError):
        merkle.inclusion_proof([b"x" * 32], 1)
