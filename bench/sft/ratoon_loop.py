"""`python ratoon_loop.py <spec>`: a training run of Ratoon in this process; its curve lies beside the spec."""

import json
import sys
from pathlib import Path

from ratoon_training.worker.prepare import prepare
from ratoon_training.worker.running import execute
from ratoon_training.worker.task_queue import TrainingTask, read_outcome

if __name__ == "__main__":
    path = Path(sys.argv[1])
    spec = json.loads(path.read_text())
    task = TrainingTask.of_spec(spec, path.parent)
    prepare(spec, task.recipe, task.prepared, lambda _: None)
    execute(task, 0, 1)
    outcome = read_outcome(path.parent) or {}
    if "result" not in outcome:
        sys.exit(f"the training failed: {outcome}")
