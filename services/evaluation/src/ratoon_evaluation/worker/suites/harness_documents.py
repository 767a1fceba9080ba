"""Documents of a task of lm-evaluation-harness as prompts, targets and choices. It knows no model and no score."""

from __future__ import annotations

import ast
from collections.abc import Mapping, Sequence
from random import Random
from typing import Any

from jinja2 import TemplateError

from ratoon.storage.artifacts import ArtifactStore
from ratoon_evaluation.domain.harness import Documents, Format, HarnessTask, Sampler
from ratoon_evaluation.domain.suites import HarnessTest
from ratoon_evaluation.harness_yaml import template
from ratoon_evaluation.worker.suites.failures import TestFailed
from ratoon_evaluation.worker.suites.rows import json_objects, read_blob

Document = Mapping[str, Any]
Target = str | int | Sequence[Any]

_SEED = 1234
"""Seed with which the harness draws examples by default."""


class TaskDocuments:
    """Documents of a task, in the order of their files, each with the examples before it."""

    def __init__(self, test: HarnessTest, task: HarnessTask, store: ArtifactStore) -> None:
        self._task, self._files = task, {file.name: file.digest for file in test.files}
        self._few_shot = task.few_shot if test.few_shot is None else test.few_shot
        every = self._read(store, task.documents)
        self.documents: Sequence[Document] = every[: test.limit] if test.limit else every
        pool = self._read(store, task.shots) if self._few_shot and task.shots else []
        self._renderer = Renderer(every[0].keys())
        self._examples = _examples(task, self._few_shot, pool, self.documents)

    def __len__(self) -> int:
        return len(self.documents)

    def contexts(self) -> list[str]:
        """Return the prompt of each document: the description, the examples, its text."""
        return [
            self._context(document, examples)
            for document, examples in zip(self.documents, self._examples, strict=True)
        ]

    def choices(self) -> list[list[str]]:
        """Return the choices of each document."""
        return [self._renderer.choices(document, self._task.format) for document in self.documents]

    def targets(self) -> list[Target]:
        """Return the target of each document: a text, the place of a choice, or a list of them."""
        return [self._renderer.target(document, self._task.format) for document in self.documents]

    def _context(self, document: Document, examples: Sequence[Document]) -> str:
        renderer, task = self._renderer, self._task
        shots = "".join(self._example(example) for example in examples)
        return renderer.description(document, task.description) + shots + renderer.text(document, task.format)

    def _example(self, document: Document) -> str:
        format_ = self._task.shot_format
        target = self._renderer.target(document, format_)
        answer = self._answer(document, format_, target)
        text = self._renderer.text(document, format_)
        return f"{text}{format_.target_delimiter}{answer}{format_.delimiter}" if answer else text

    def _answer(self, document: Document, format_: Format, target: Target) -> str:
        answer: Any = target[0] if isinstance(target, list | tuple) else target
        if isinstance(target, int) and format_.choice is not None:
            answer = self._renderer.choices(document, format_)[target]
        if not isinstance(answer, str):
            raise TestFailed(f"The target {answer!r} of an example is no text: add doc_to_choice.")
        return answer

    def _read(self, store: ArtifactStore, documents: Documents) -> list[dict[str, Any]]:
        """Return the rows of files, each with all fields; a field that a row lacks is None."""
        rows = [row for name in documents.files for row in json_objects(read_blob(store, self._digest(name)))]
        fields = dict.fromkeys(field for row in rows for field in row)
        return [dict.fromkeys(fields) | row for row in rows]

    def _digest(self, name: str) -> str:
        digest = self._files.get(name) or self._files.get(name.rsplit("/", 1)[-1])
        if digest is None:
            raise TestFailed(f"The task reads {name}, which is not among the files of the test.")
        return digest


class Renderer:
    """Renders documents with these fields: a setting that names a field is its value, else a template."""

    def __init__(self, fields: Any) -> None:
        self._fields = frozenset(fields)

    def text(self, document: Document, format_: Format) -> str:
        """Return the text of a document."""
        value = self._value(document, format_.text)
        if not isinstance(value, str) or (value.isdigit() and format_.choice is not None):
            raise TestFailed(f"doc_to_text gives {value!r}: tasks with several inputs are not supported.")
        return value

    def target(self, document: Document, format_: Format) -> Target:
        """Return the target of a document."""
        if not isinstance(format_.target, str):
            return format_.target
        value = self._value(document, format_.target)
        if format_.target in self._fields or not isinstance(value, str):
            return value  # type: ignore[no-any-return]
        if value.isdigit() and format_.choice is not None:
            return int(value)
        return _literal(value) if len(value) >= 2 and value[0] == "[" and value[-1] == "]" else value

    def choices(self, document: Document, format_: Format) -> list[str]:
        """Return the choices of a document."""
        if not isinstance(format_.choice, str):
            return list(format_.choice or ())
        value = self._value(document, format_.choice)
        choices = _literal(value) if isinstance(value, str) else value
        if not isinstance(choices, list) or not choices or not all(isinstance(each, str) for each in choices):
            raise TestFailed(f"doc_to_choice gives {str(choices)[:100]!r}, which is no list of texts.")
        return choices

    def description(self, document: Document, description: str) -> str:
        """Return the text before the examples."""
        return str(self._value(document, description)) if description else ""

    def _value(self, document: Document, setting: str) -> Any:
        if setting in self._fields:
            return document[setting]
        try:
            return template(setting).render(**document)
        except (TemplateError, TypeError, ValueError, LookupError, AttributeError, ArithmeticError) as error:
            raise TestFailed(f"{setting[:100]!r} cannot be rendered: {str(error)[:200]}.") from error


def _literal(text: str) -> Any:
    try:
        return ast.literal_eval(text)
    except (SyntaxError, ValueError, MemoryError, RecursionError):
        return text


def _examples(
    task: HarnessTask, count: int, pool: Sequence[Document], documents: Sequence[Document]
) -> list[Sequence[Document]]:
    """Return the examples of each document, as the harness draws them: one stream of draws for all documents."""
    if not count:
        return [()] * len(documents)
    if len(pool) < count + task.excludes_document:
        raise TestFailed(f"{count} examples are needed, but their split has {len(pool)} documents.")
    random = Random(_SEED)
    return [_of_document(task, count, pool, document, random) for document in documents]


def _of_document(
    task: HarnessTask, count: int, pool: Sequence[Document], document: Document, random: Random
) -> Sequence[Document]:
    others = [each for each in pool if each != document] if task.excludes_document else pool
    if task.sampler is Sampler.FIRST_N:
        drawn = others[:count]
    elif task.excludes_document:
        drawn = [each for each in random.sample(list(pool), count + 1) if each != document][:count]
        drawn = drawn if len(drawn) == count else random.sample(others, min(count, len(others)))
    else:
        drawn = random.sample(list(pool), count)
    if len(drawn) < count:
        raise TestFailed(f"{count} examples are needed, but their split has {len(others)} other documents.")
    return drawn
