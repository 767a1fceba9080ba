"""A run's split as token arrays in its work directory, created once for all attempts. It does not know torch.

`prepared/` holds `tokenizer/` (with the chat template, as the model is published with them), `base/` (the base model's
files, if any), `adapter/` (an adapter to go on from, if any), `train.npz` and `validation.npz`: all tokens in a row,
where each sample begins, how many of its tokens are the answer, its label and its record id.
"""

import shutil
import uuid
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from tokenizers import Tokenizer

from ratoon.jobs.v1.job_pb2 import JobEnvironment
from ratoon.jobs.v1.training_jobs_pb2 import TrainingSpec
from ratoon.operations.job_messages import from_json
from ratoon.storage.artifacts import ArtifactStore
from ratoon.storage.models import fetch_model
from ratoon.tasks.records import messages
from ratoon_training.domain.errors import BadBaseModel, DataEmpty, DataMalformed
from ratoon_training.domain.lengths import PromptLimit
from ratoon_training.domain.recipes import Method, Objective, Recipe
from ratoon_training.worker import mapped, numbers, text
from ratoon_training.worker.comparisons import save_comparisons
from ratoon_training.worker.documents import save_documents
from ratoon_training.worker.part_files import PartWriter
from ratoon_training.worker.prompts import save_prompts
from ratoon_training.worker.rows import Rows, Values
from ratoon_training.worker.samples import Counts, save_samples
from ratoon_training.worker.taught import PROMPTS, EndpointAccess, answers_of_endpoint, save_answers
from ratoon_training.worker.text import Speech
from ratoon_training.worker.vocabulary import add_tokens, domain_words, save_measured

TEACHER = "teacher"
"""Directory of the prepared one with the teacher of a distillation, named by its digest."""
REWARD_MODELS = "rewards"
"""Directory of the prepared one with the reward models, each named by its digest."""
Report = Callable[[str], None]
_COLUMNS = ("tokens", "offsets", "answers", "labels", "record_ids")
_AT_ONCE = 1000
"""Records whose prompts are encoded at once."""


def prepare(raw_spec: dict[str, Any], recipe: Recipe, folder: Path, report: Report) -> Path:
    """Create the prepared directory of a job's spec atomically, unless it exists."""
    if folder.exists():
        return folder
    spec = from_json(TrainingSpec, raw_spec)
    store = ArtifactStore(from_json(JobEnvironment, raw_spec).artifacts)
    building = folder.with_name(f".{folder.name}.{uuid.uuid4().hex}")
    building.mkdir(parents=True)
    try:
        tokenize(spec, store, recipe, building, report)
        if recipe.taught_answers and recipe.distillation.teacher:
            _fetch_teacher(store, recipe, building, report)
        for digest in recipe.reward_models:
            report("Fetching the reward model.")
            fetch_model(store, digest, building / REWARD_MODELS)
        if recipe.taught_answers and recipe.distillation.base_url:
            access = EndpointAccess(spec.endpoint_listed, spec.endpoint_key_variable)
            texts = answers_of_endpoint(building, recipe, access, partial(_report_answers, report))
            save_answers(building, recipe, texts)
        building.rename(folder)
    finally:
        shutil.rmtree(building, ignore_errors=True)
    return folder


def _report_answers(report: Report, done: int, total: int) -> None:
    report(f"Waiting for the teacher: {done:,} of {total:,} answers.")


def _start(folder: Path) -> Path:
    """Return the directory of the artifact that the run starts from, with its tokenizer as it was."""
    adapter = folder / "adapter"
    return adapter if adapter.exists() else folder / "base"


def tokenize(spec: TrainingSpec, store: ArtifactStore, recipe: Recipe, folder: Path, report: Report) -> None:
    """Write the tokens of both parts, with the tokenizer and the base model, into a directory."""
    report("Reading the split.")
    with TemporaryDirectory(prefix=".parts-", dir=folder) as parts:
        train = read_part(store, spec.train, recipe, Path(parts), "training")
        validation = read_part(store, spec.validation, recipe, Path(parts), "validation")
        speech = _speech(spec, store, recipe, train, folder, report)
        if recipe.new_tokens or recipe.domain_tokens:
            before = text.of_base(_start(folder)).tokenizer
            save_measured(before, speech.tokenizer, validation.corpus, folder)
        report("Turning text into tokens.")
        if recipe.task is not None:
            _save_texts(folder, speech, recipe, train, validation)
        else:
            _save_tokens(folder / "train.npz", speech, recipe, train)
            _save_tokens(folder / "validation.npz", speech, recipe, validation)


def _fetch_teacher(store: ArtifactStore, recipe: Recipe, folder: Path, report: Report) -> Path:
    """Put the teacher into `teacher/`, with its base if it is an adapter; return its directory."""
    report("Fetching the teacher.")
    fetched = fetch_model(store, recipe.distillation.teacher, folder / TEACHER)
    if fetched.base is not None:
        text.complete(fetched.path, fetched.base)
    return fetched.path


def _check_vocabulary(student: Speech, teacher: Speech) -> None:
    """Raise BadBaseModel unless each token has the same number for both: probabilities are compared by number."""
    own = student.tokenizer.get_vocab(with_added_tokens=True)
    others = teacher.tokenizer.get_vocab(with_added_tokens=True)
    if own != others:
        tokens = own.keys() | others.keys()
        different = sum(own.get(token) != others.get(token) for token in tokens)
        raise BadBaseModel(
            f"The tokenizer of the teacher is another one: {different:,} of {len(tokens):,} tokens have not the same "
            "number in both. Choose a teacher of the same family, or the level SEQUENCE, which learns the "
            "teacher's answers in the student's own tokens.",
            "TEACHER_VOCABULARY",
        )


def read_part(store: ArtifactStore, digest: str, recipe: Recipe, folder: Path, part: str) -> Rows:
    """One part of a split; DataEmpty or DataMalformed say what is wrong with it."""
    rows = Rows(store.fetch(digest, folder / f"{part}.parquet"), part, recipe.spec)
    if not len(rows):
        raise DataEmpty(
            f"The {part} part of the split has no record: the labelled records are too few for its share. "
            f"Add labelled records (6 or more of at least two labels at shares of 0.1), or raise the share."
        )
    if recipe.task is None:
        _check_labels(rows.labels, recipe.labels, part)
    return rows


def _check_labels(values: frozenset[str | None], labels: tuple[str, ...], part: str) -> None:
    unknown = sorted({str(label) for label in values} - set(labels))
    if unknown:
        raise DataMalformed(
            f"The {part} part has labels that the recipe does not name ({', '.join(unknown[:5])}): "
            f"add them to recipe.labels, or leave their records out."
        )


def _speech(
    spec: TrainingSpec, store: ArtifactStore, recipe: Recipe, train: Rows, folder: Path, report: Report
) -> Speech:
    if recipe.method is not Method.FROM_SCRATCH:
        report("Fetching the base model.")
        speech = _speech_of_base(_fetch_base(spec, store, folder), recipe, train, folder / "tokenizer")
        if recipe.taught_logits:
            _check_vocabulary(speech, text.of_base(_fetch_teacher(store, recipe, folder, report)))
        return speech
    if recipe.taught_logits:
        return _speech_of_teacher(_fetch_teacher(store, recipe, folder, report), folder / "tokenizer")
    report("Training the tokenizer.")
    shape = recipe.architecture
    if recipe.task is not None:
        scale = numbers.scale_of(recipe.spec, (record for _, record in train.records()))
        speech = text.for_conversations(train.corpus, shape.vocab_size, scale, shape.tokenizer)
        text.save(speech, folder / "tokenizer", shape.max_positions)
        return speech
    tokenizer = text.train_tokenizer(train.texts, recipe.labels, shape.vocab_size, shape.tokenizer)
    limit = _limit(tokenizer, recipe, train)
    speech = text.from_scratch(tokenizer, limit.max_characters)
    text.save(speech, folder / "tokenizer", shape.max_positions)
    text.save_limit(limit, folder / "tokenizer")
    return speech


def _limit(tokenizer: Tokenizer, recipe: Recipe, train: Rows) -> PromptLimit:
    """Return where to cut the texts: as the recipe says, or chosen from the training texts as they are rendered."""
    written = _written(train)
    positions = recipe.architecture.max_positions
    return text.limit_for(tokenizer, written, recipe.prompt_tokens, recipe.max_chars, positions)


def _written(rows: Rows) -> Values[str]:
    return Values(lambda: map(text.as_written, rows.texts), len(rows))


def _fetch_base(spec: TrainingSpec, store: ArtifactStore, folder: Path) -> Path:
    """Put the base model into `base/` and an adapter to start from into `adapter/`; return the requested one."""
    fetched = fetch_model(store, spec.base, folder)
    base = fetched.whole.rename(folder / "base")
    if fetched.base is None:
        return base
    text.complete(fetched.path, base)
    return fetched.path.rename(folder / "adapter")


def _speech_of_teacher(teacher: Path, folder: Path) -> Speech:
    """The teacher's tokenizer and template: a student from scratch reads the same tokens."""
    text.copy(teacher, folder)
    speech = text.of_base(teacher)
    (folder / "chat_template.jinja").write_text(speech.template)
    return speech


def _speech_of_base(base: Path, recipe: Recipe, train: Rows, folder: Path) -> Speech:
    """The base's tokenizer and template; the template of a model from elsewhere is changed to cut texts."""
    speech = text.of_base(base)
    text.copy(base, folder)
    tokens = recipe.domain_tokens
    words = domain_words(speech.tokenizer, train.corpus, tokens) if tokens else []
    add_tokens(folder, recipe.new_tokens, folder.parent, words)
    speech = replace(speech, tokenizer=text.of_base(folder).tokenizer)
    if recipe.task is not None:
        (folder / "chat_template.jinja").write_text(speech.template)
        return speech
    if (base / "recipe.json").exists():
        known = text.limit_of(base).max_characters or recipe.max_chars
        text.save_limit(text.measured_limit(speech.tokenizer, _written(train), known), folder)
        return speech
    limit = _limit(speech.tokenizer, recipe, train)
    speech = text.cutting(speech, limit.max_characters)
    (folder / "chat_template.jinja").write_text(speech.template)
    text.save_limit(limit, folder)
    return speech


def _save_texts(folder: Path, speech: Speech, recipe: Recipe, train: Rows, validation: Rows) -> None:
    """Write the samples of both parts, and the numbers of the training part that did not count."""
    known, spec = numbers.numbers_of(recipe.spec, speech.tokenizer), recipe.spec
    width = numbers.spread(spec, (record for _, record in train.records())) if known else 0.0
    shared = numbers.arrays(known, width)
    for name, rows, part in (("train", train, "training"), ("validation", validation, "validation")):
        pairs = rows.records()
        if known is not None:
            pairs = ((record_id, numbers.on_scale(spec, record, known)) for record_id, record in pairs)
        path = folder / f"{name}.npz"
        if recipe.objective is Objective.GRPO:
            counts: Counts = save_prompts(path, speech, recipe, pairs, part)
        elif recipe.objective is Objective.PRETRAIN:
            counts = save_documents(path, speech, recipe, pairs, part)
        elif recipe.taught_answers and rows is train:
            path = folder / PROMPTS
            counts = save_prompts(path, speech, recipe, pairs, part)
        elif recipe.objective.of_answers:
            counts = save_comparisons(path, speech, recipe, pairs, part)
        else:
            counts = save_samples(path, speech, recipe, pairs, part, shared)
        _check_highest(int(mapped.arrays(path)["tokens"].max(initial=0)), recipe)
        if rows is train:
            counts.save(folder)


def _save_tokens(path: Path, speech: Speech, recipe: Recipe, rows: Rows) -> None:
    answers = {label: speech.answer(label) for label in recipe.labels}
    longest = recipe.architecture.max_positions
    with PartWriter(path, _COLUMNS) as file:
        left = rows.labelled()
        while some := list(islice(left, _AT_ONCE)):
            prompts = speech.waiting(messages(record.turns) for _, _, record in some)
            samples = [prompt + answers[label] for prompt, (_, label, _) in zip(prompts, some, strict=True)]
            _check_tokens(samples, recipe)
            for sample, (record_id, label, _) in zip(samples, some, strict=True):
                number, answer = recipe.labels.index(label), len(answers[label])
                file.add(record_id, sample[-longest:], answers=answer, labels=number)
        file.save(
            {"label_tokens": np.asarray([answers[label][0] for label in recipe.labels], dtype=np.int32)}
        )


def _check_tokens(samples: list[list[int]], recipe: Recipe) -> None:
    """A token that the embeddings do not have would end the run deep inside torch."""
    _check_highest(max((max(sample) for sample in samples if sample), default=0), recipe)


def _check_highest(highest: int, recipe: Recipe) -> None:
    if recipe.method is not Method.FROM_SCRATCH and highest >= recipe.architecture.vocab_size:
        rows = recipe.architecture.vocab_size
        raise BadBaseModel(
            f"The base model's tokenizer gives token {highest:,}, its embeddings have {rows:,} rows: resize "
            "the embeddings and upload the model again, or take its own tokenizer.",
            "TOKENIZER_MISMATCH",
        )


def _first_line(error: Exception) -> str:
    return (str(error) or type(error).__name__).splitlines()[0]
