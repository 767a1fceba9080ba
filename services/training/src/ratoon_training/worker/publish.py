"""Publication of the trained model: a Hugging Face directory that engines load, as a tree in the artifact store.

safetensors only. Every byte is a function of the run's inputs, so that the tree's digest of a resumed run is that of
an uninterrupted one.
"""

import json
import shutil
from dataclasses import asdict
from pathlib import Path
from typing import Any

from ratoon.storage.artifacts import ArtifactStore
from ratoon.storage.models import ADAPTER_CONFIG, base_digest
from ratoon.tasks.kinds import supported
from ratoon_training.domain.kinds.table import KINDS
from ratoon_training.domain.learning_rate import Trial
from ratoon_training.domain.recipes import Method, Objective, Recipe
from ratoon_training.worker.answers import answers_of
from ratoon_training.worker.merging import save_merged
from ratoon_training.worker.samples import end_tokens
from ratoon_training.worker.session import Session
from ratoon_training.worker.task_queue import TrainingTask
from ratoon_training.worker.text import of_base

_SAMPLING = ("temperature", "top_k", "top_p", "min_p", "typical_p", "repetition_penalty", "num_beams")
"""Settings of a base model's sampling, which mean nothing to a classifier that answers greedily."""


def publish(task: TrainingTask, session: Session, trials: list[Trial]) -> dict[str, Any]:
    """Write the folder, store it, and return the digests."""
    folder = Path(task.job) / "model"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    _save_weights(session, task.prepared, folder)
    _copy_speech(task, session.recipe, folder)
    _write(folder / "recipe.json", _recipe(task, session))
    curves = _training(session, trials)
    _write(folder / "training.json", curves | answers_of(session))
    store = ArtifactStore(task.artifacts)
    digests = {
        "artifact_digest": store.put_tree(folder),
        "curves_digest": store.put_bytes(_json(curves).encode()),
    }
    shutil.rmtree(folder)
    return digests


def _save_weights(session: Session, prepared: Path, folder: Path) -> None:
    """The model, or for LoRA the adapter alone or merged, with the configuration of the base that it goes with."""
    model = session.model
    if not session.recipe.method.adapts:
        model.save_pretrained(folder, safe_serialization=True)
        return
    if session.recipe.lora.merge:
        session.model = save_merged(model, session.data.validation, folder)
        return
    model.peft_config["default"].base_model_name_or_path = ""
    model.peft_config["default"].inference_mode = True
    model.save_pretrained(folder, safe_serialization=True)
    (folder / "README.md").unlink(missing_ok=True)
    if session.recipe.objective is Objective.REWARD_MODEL:
        session.core.config.architectures = [type(session.core).__name__]
        session.core.config.save_pretrained(folder)
    else:
        shutil.copyfile(prepared / "base" / "config.json", folder / "config.json")
    _write(folder / ADAPTER_CONFIG, _in_order(json.loads((folder / ADAPTER_CONFIG).read_text())))


def _in_order(config: dict[str, Any]) -> dict[str, Any]:
    """The configuration with its lists sorted: peft keeps sets, whose order differs from process to process."""
    return {key: sorted(value) if isinstance(value, list) else value for key, value in config.items()}


def _copy_speech(task: TrainingTask, recipe: Recipe, folder: Path) -> None:
    """Copy the tokenizer and template that the model was trained with, and write how answers are generated."""
    shutil.copytree(task.prepared / "tokenizer", folder, dirs_exist_ok=True)
    path = folder / "generation_config.json"
    known = json.loads(path.read_text()) if path.exists() else {}
    if recipe.method is Method.FROM_SCRATCH and recipe.objective is not Objective.DISTILLATION:
        known = {"pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2}
    config = {name: value for name, value in known.items() if name not in _SAMPLING}
    speech = of_base(folder)
    longest = max((len(speech.answer(label)) for label in recipe.labels), default=0)
    kind = supported(KINDS, recipe.spec, "Training")
    generation = kind.generation(recipe.spec, longest)
    ends = _end_tokens(config.get("eos_token_id"), speech.end, end_tokens(task.prepared))
    _write(path, {**config, **ends, **generation})


def _end_tokens(known: int | list[int] | None, end: int, learned: list[int]) -> dict[str, Any]:
    """Return all tokens at which engines stop if the model learned other ends than it had."""
    before = known if isinstance(known, list) else [end if known is None else known]
    others = [token for token in learned if token not in before]
    return {"eos_token_id": [*before, *others]} if others else {}


def _recipe(task: TrainingTask, session: Session) -> dict[str, Any]:
    """Return what a continuation and a rebuild of the model need. An adapter's base is the whole model."""
    whole = base_digest(task.prepared / "adapter")
    return {
        **session.recipe.as_json(),
        "base_artifact_digest": whole or task.base,
        "adapter_artifact_digest": task.base if whole else "",
        "accelerator": task.resources.accelerator.value,
        "workers": session.workers,
        "steps": session.steps,
    }


def _training(session: Session, trials: list[Trial]) -> dict[str, Any]:
    """Curves, diagnosis and the trace of the learning-rate procedure."""
    return {
        "curves": session.curves.as_json(),
        "diagnosis": asdict(session.diagnosis()),
        "learning_rate_trials": [_trial(trial) for trial in trials],
        "samples": len(session.units),
        "parameters": session.parameter_count,
    }


def _trial(trial: Trial) -> dict[str, Any]:
    return {"rate": trial.rate, "losses": trial.losses, "judgement": trial.trend}


def _json(value: dict[str, Any]) -> str:
    return json.dumps(value, indent=1, sort_keys=True) + "\n"


def _write(path: Path, value: dict[str, Any]) -> None:
    path.write_text(_json(value))
