"""Causes of failed starts and refused adapters, explained so that a user can act; and detection of hung engines."""

import pytest

from ratoon.engine.contract import LOG_START, ControlPath
from ratoon.process.errors import FailedPrecondition, Unavailable
from ratoon_serving.adapters.engine_http import Answer, EngineClient
from ratoon_serving.adapters.engine_log import cause_of_end, explain

POSITIONS = """\
(APIServer pid=81) INFO 11-28 08:00:00 [config.py:12] Resolved architecture: LlamaForCausalLM
Traceback (most recent call last):
  File "/opt/ratoon/engine/launch.py", line 103, in launch
    entry.main()
pydantic_core._pydantic_core.ValidationError: 1 validation error for ModelConfig
  Value error, User-specified max_model_len (2048) is greater than the derived max_model_len \
(max_position_embeddings=512.0 or model_max_length=None). [type=value_error, input_value=ArgsKwargs(())]
    For further information visit https://errors.pydantic.dev/2.14/v/value_error
"""
CACHE = """\
(EngineCore pid=9) ERROR 11-28 08:00:00 [core.py:1100] EngineCore failed to start.
(EngineCore pid=9) ERROR 11-28 08:00:00 [core.py:1100] Traceback (most recent call last):
(EngineCore pid=9) ERROR 11-28 08:00:00 [core.py:1100] ValueError: To serve at least one request with the models's max \
seq len (2048), 0.5 GiB KV cache is needed, which is larger than the available KV cache memory (0.25 GiB).
(APIServer pid=8) RuntimeError: Engine core initialization failed. See root cause above. Failed core proc(s): {}
"""
LORA = "(APIServer pid=8) ValueError: GPT2LMHeadModel does not support LoRA yet.\n"
FILES = "ratoon.engine.manifest.FileMismatch: 'config.json' hashes to 1, but 2 was signed: not loaded.\n"
UNKNOWN = "OSError: cannot read /srv/someone/.ratoon/serving/models/abc/config.json: it is odd.\n"


@pytest.mark.parametrize(
    ("log", "expected"),
    [
        (POSITIONS, "the model has 512 positions, and the engine is configured for 2048"),
        (CACHE, "RATOON_SERVING_KV_CACHE_MIB"),
        (LORA, "GPT2LMHeadModel"),
        (FILES, "config.json' hashes to 1"),
        (
            "RuntimeError: [enforce fail] DefaultCPUAllocator: can't allocate memory\n",
            "not have enough memory",
        ),
        (UNKNOWN, "cannot read …: it is odd"),
    ],
)
def test_the_root_cause_is_explained_without_details_of_a_library(tmp_path, log, expected):
    file = tmp_path / "log.txt"
    file.write_text(LOG_START + "ValueError: an older start\n" + LOG_START + log)
    cause = cause_of_end(file)
    assert expected in cause
    for raw in ("pydantic", "Traceback", "older start", "/srv", "/opt", "\n", "See root cause"):
        assert raw not in cause


def test_a_log_without_an_exception_has_no_cause(tmp_path):
    file = tmp_path / "log.txt"
    assert cause_of_end(file) == ""
    file.write_text(
        LOG_START + "ValueError: an older start\n" + LOG_START + "INFO 11-28 08:00:00 [a.py:1] all is well\n"
    )
    assert cause_of_end(file) == ""


REFUSED = (
    "Call to add_lora method failed: Loading lora /x/y failed: vLLM only supports modules_to_save being either None "
    'or ["classifier", "score"]. Unsupported modules_to_save: [\'lm_head\']'
)


@pytest.mark.parametrize(
    ("code", "error"),
    [
        ("ADAPTER_REFUSED", FailedPrecondition),
        ("MODEL_FILE_MISMATCH", FailedPrecondition),
        ("ATTESTATION_FAILED", Unavailable),
        ("INVALID_ARGUMENT", Unavailable),
    ],
)
def test_permanent_refusals_and_temporary_ones_are_different_errors(monkeypatch, code, error):
    body = {"error": {"message": REFUSED, "code": code}}
    monkeypatch.setattr(EngineClient, "_call", lambda *_: Answer(409, {}, body))

    class Any:
        name, version = "e", "projects/p/models/m/versions/v1.2"

    with pytest.raises(error, match=r"v1\.2 refused: engines cannot load an adapter .* \(lm_head\)"):
        EngineClient().control(Any(), ControlPath.LOAD_ADAPTER)


@pytest.mark.parametrize(
    ("silent_s", "status", "hung"),
    [
        (59, None, False),
        (61, None, True),
        (61, 503, True),
        (61, 200, False),
        (299, 200, False),
        (301, 200, True),
    ],
)
def test_an_engine_in_a_long_computation_is_not_hung(monkeypatch, silent_s, status, hung):
    def answer(*_):
        if status is None:
            raise TimeoutError
        return Answer(status, {}, {})

    monkeypatch.setattr(EngineClient, "_call", answer)
    assert EngineClient().is_hung(None, silent_s) is hung
    assert EngineClient(70.0).is_hung(None, silent_s) is (hung and silent_s > 70)


def test_a_rank_above_the_maximum_is_explained_with_both_numbers():
    assert explain("LoRA rank 64 is greater than max_lora_rank 8.").startswith("the adapter's rank is 64")
