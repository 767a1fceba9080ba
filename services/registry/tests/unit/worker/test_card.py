"""Model cards: the table of a compressed model beside its source."""

import json

from ratoon.jobs.v1.registry_jobs_pb2 import VerificationSpec
from ratoon_registry.worker.card import model_card

MEASURED = {
    "size_bytes": 538090408,
    "tokens_per_second": 19.53,
    "dtype": "FLOAT32",
    "metrics": {"macro_f1": 0.93},
}


def card(folder, compression):
    recipe = {"seed": 1, "compression": compression}
    (folder / "recipe.json").write_text(json.dumps(recipe))
    return model_card(folder, VerificationSpec.Card(name="v1.1"), 10, 20)


def test_a_compressed_model_is_shown_beside_its_source(tmp_path):
    small = {**MEASURED, "size_bytes": 163000000, "dtype": "BFLOAT16", "metrics": {"macro_f1": 0.92}}
    text = card(tmp_path, {"method": "INT8", "source": MEASURED, "compressed": small})
    assert "| int8 | source | this model |" in text
    assert "| size_bytes | 538,090,408 | 163,000,000 |" in text
    assert "| macro_f1 | 0.93 | 0.92 |" in text
    assert "| seed | 1 |" in text
    assert "metrics" not in text


def test_other_recipes_have_no_such_table(tmp_path):
    for compression in (None, {}, {"method": "INT8"}, "int8"):
        assert "## Compression" not in card(tmp_path, compression)
