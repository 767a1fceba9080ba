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


def test_energy_and_cost_of_the_training_are_stated_with_their_origin(tmp_path):
    usage = VerificationSpec.TrainingUsage(
        energy_wh=12.345678, energy_basis="Measured by RAPL.", device_hours=0.5, cost=0.25
    )
    details = VerificationSpec.Card(name="v1.1")
    text = model_card(tmp_path, details, 10, 20, usage=usage)
    assert "| energy | 12.35 Wh. Measured by RAPL. |" in text
    assert "| device hours | 0.5 |" in text
    assert "| cost | 0.25, by the prices of the operator |" in text
    assert "Energy" not in model_card(tmp_path, VerificationSpec.Card(name="v1.1"), 10, 20)
