"""Forecast of a run by a dry run: near what is measured, without a trace in the result, and exact counts of tensors."""

from pathlib import Path

import pytest
import torch
from peft import LoraConfig, get_peft_model
from transformers import LlamaConfig, LlamaForCausalLM

from ratoon_training.domain.predictions import accuracy_of
from ratoon_training.worker import peaks
from ratoon_training.worker.forecast import Forecast, Predicted, line_at
from ratoon_training.worker.peaks import distinct_bytes

from .conftest import Task, train

ADAM_BYTES = 12
"""Bytes of the gradient and the two moments of a trained weight, in float32."""


def test_a_dry_run_leaves_no_trace_and_is_near_what_is_measured(task: Task, monkeypatch: pytest.MonkeyPatch):
    forecast = train(task, "with-forecast")["result"]
    accuracy = accuracy_of(forecast["metrics"])
    assert accuracy is not None
    assert abs(accuracy.memory_error) < 0.25
    assert accuracy.predicted_seconds > 0
    assert forecast["metrics"]["energy_wh"] > 0
    monkeypatch.setattr(Forecast, "__call__", lambda *_: None)
    plain = train(task, "without-forecast")["result"]
    assert accuracy_of(plain["metrics"]) is None
    assert plain["artifact_digest"] == forecast["artifact_digest"]


def test_steps_of_other_lengths_lie_on_a_line_through_those_that_were_timed():
    assert line_at([(100, 2.0), (300, 4.0)], 200) == pytest.approx(3.0)
    # Noise makes neither longer batches faster nor empty ones negative.
    assert line_at([(100, 4.0), (300, 2.0)], 300) == pytest.approx(3.0)
    assert line_at([(100, 1.0), (300, 9.0)], 100) == pytest.approx(2.5)
    assert line_at([(100, 2.0)], 500) == pytest.approx(2.0)


def test_what_was_measured_corrects_the_time_that_remains():
    predicted = Predicted(memory_bytes=0, seconds=100.0, tokens=0.0, steps=100, rows=0, longest=0)
    assert predicted.remaining_s(0, 0.0) == pytest.approx(100.0)
    assert predicted.remaining_s(50, 50.0) == pytest.approx(50.0)
    # Steps of 3 seconds count five times as much as the forecast of 1 second.
    assert predicted.remaining_s(50, 150.0) == pytest.approx(50 * (150.0 + 10.0) / 60)


@pytest.mark.parametrize(
    ("tied", "adapts", "total", "trained"),
    [(True, False, 106_816, 106_816), (False, False, 139_584, 139_584), (True, True, 106_816, 3_584)],
)
def test_weights_count_once_and_only_trained_ones_have_states(tied, adapts, total, trained):
    """T45: the counts of a tiny Llama, tied, untied and with an adapter of rank 8 on the queries and values."""
    config = LlamaConfig(
        vocab_size=512,
        hidden_size=64,
        intermediate_size=128,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        tie_word_embeddings=tied,
    )
    model = LlamaForCausalLM(config)
    base = distinct_bytes(model.parameters())
    assert base == 4 * total
    if adapts:
        adapter = LoraConfig(r=8, target_modules=["q_proj", "v_proj"], task_type="CAUSAL_LM")
        model = get_peft_model(model, adapter)
    moving = [each for each in model.parameters() if each.requires_grad]
    assert distinct_bytes(moving) == 4 * trained
    optimiser = torch.optim.AdamW(moving)
    model(input_ids=torch.arange(8)[None], labels=torch.arange(8)[None]).loss.backward()
    optimiser.step()
    states = [
        each
        for state in optimiser.state.values()
        for each in state.values()
        if torch.is_tensor(each) and each.ndim
    ]
    gradients = [each.grad for each in moving if each.grad is not None]
    assert distinct_bytes([*states, *gradients]) == ADAM_BYTES * trained


def test_the_peak_of_a_run_does_not_include_the_one_before():
    peak = peaks.PeakMemory(torch.device("cpu"))
    large = torch.ones(64 * 2**20)
    before = peak.read()
    del large
    again = peaks.PeakMemory(torch.device("cpu")).read()
    assert before - again > 128 * 2**20


def test_energy_is_read_from_counters_that_begin_again(tmp_path: Path):
    zone = tmp_path / "intel-rapl:0"
    zone.mkdir()
    (zone / "max_energy_range_uj").write_text("999999999")
    (zone / "energy_uj").write_text("999000000")
    energy = peaks.Energy(torch.device("cpu"), tmp_path)
    (zone / "energy_uj").write_text("35000000")
    watt_hours, source = energy.read()
    assert source is peaks.EnergySource.RAPL
    assert watt_hours == pytest.approx(36.0 / 3600)


def test_energy_is_estimated_where_nothing_measures(tmp_path: Path):
    energy = peaks.Energy(torch.device("cpu"), tmp_path)
    assert energy.read()[1] is peaks.EnergySource.ESTIMATED
