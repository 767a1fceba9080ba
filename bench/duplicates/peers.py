"""Signatures by datasketch, in an environment of its own: prints the seconds that they took, and writes them.

python peers.py TEXTS.json SIGNATURES.npy
"""

import json
import sys
import time
from pathlib import Path

import numpy as np
from datasketch import MinHash
from python_shingles import shingles


def main(path: str, out: str) -> None:
    """Write the signatures, one row a text, and print the CPU seconds that they took."""
    texts = json.loads(Path(path).read_text())
    empty = MinHash(num_perm=128, seed=1)
    began = time.process_time()
    rows = []
    for text in texts:
        signature = empty.copy()
        signature.update_batch([shingle.encode("utf-8", "surrogatepass") for shingle in shingles(text)])
        rows.append(signature.hashvalues)
    print(time.process_time() - began)
    np.save(out, np.array(rows, np.uint64))


if __name__ == "__main__":
    main(*sys.argv[1:])
