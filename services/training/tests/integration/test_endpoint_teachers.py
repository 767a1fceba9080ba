"""Teachers behind endpoints: their answers become the training part, over a real socket."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

import pytest

from ratoon.service import chat_endpoints
from ratoon_training.domain.distillation import Distillation, Level, check_endpoint
from ratoon_training.domain.errors import EndpointNotAllowed, TeacherFailed
from ratoon_training.domain.recipes import Objective
from ratoon_training.worker.corpus import Corpus
from ratoon_training.worker.prepare import prepare
from ratoon_training.worker.taught import PROMPTS
from ratoon_training.worker.text import of_base

from .conftest import TINY, Task, train
from .test_grpo import BASE, rows_of

QUESTIONS = [(f"{a}+{b}=", str(a + b)) for a in range(6) for b in range(6)]
Request = dict[str, Any]


@contextmanager
def endpoint(answer: Callable[[str], str | None]) -> Iterator[tuple[str, list[tuple[Request, str]]]]:
    """Serve chat completions; yield the base URL, and the requests with their keys. None: status 400."""
    requests: list[tuple[Request, str]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            requests.append((body, self.headers.get("Authorization", "")))
            text = answer(body["messages"][-1]["content"])
            content = json.dumps({"choices": [{"message": {"content": text}}]}).encode()
            self.send_response(400 if text is None else 200)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: object) -> None:
            """Write nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}/v1", requests
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def student(url: str, **changes: Any) -> Any:
    """Return the recipe of a student from scratch that learns from the model behind an endpoint."""
    teacher = Distillation("", Level.SEQUENCE, 0.5, max_new_tokens=4, base_url=url, model="large")
    shape = replace(TINY, vocab_size=BASE.architecture.vocab_size)
    return replace(
        BASE,
        objective=Objective.DISTILLATION,
        architecture=shape,
        distillation=teacher,
        epochs=1.0,
        **changes,
    ).checked()


def part(task: Task) -> dict[str, str]:
    """Return parts whose right answers are wrong: what is learned comes from the teacher."""
    digest = task.part("endpoint-questions", rows_of([(question, "0") for question, _ in QUESTIONS]))
    return {"train": digest, "validation": digest}


def test_a_student_learns_the_answers_of_an_endpoint(task, monkeypatch, tmp_path):
    monkeypatch.setenv("TEACHER_KEY", "s3cret")
    recipe_of = dict(QUESTIONS)
    with endpoint(lambda question: "" if question == "0+0=" else recipe_of[question]) as (url, requests):
        access = {"endpoint_listed": True, "endpoint_key_variable": "TEACHER_KEY"}
        outcome = train(task, "by-endpoint", student(url), **part(task), **access)
        metrics = outcome["result"]["metrics"]
        assert (metrics["records"], metrics["unanswered_prompts"]) == (len(QUESTIONS) - 1, 1)
        assert len(requests) == len(QUESTIONS)
        (body, key) = requests[0]
        assert key == "Bearer s3cret"
        assert (body["model"], body["temperature"], body["max_tokens"]) == ("large", 0.5, 4)
        again = train(task, "by-endpoint", student(url), **part(task), **access)
        assert len(requests) == len(QUESTIONS), "an attempt that resumes sends no prompt again"
        assert again["result"]["artifact_digest"] == outcome["result"]["artifact_digest"]
    folder = task.folder / "work" / "by-endpoint" / "prepared"
    speech, learned = of_base(folder / "tokenizer"), Corpus(folder / "train.npz")
    prompts = Corpus(folder / PROMPTS)
    assert len(prompts) == len(QUESTIONS)
    batch = learned.batch(list(range(len(learned))))
    texts = [
        speech.tokenizer.decode(ids[1:][answer].tolist(), skip_special_tokens=True).strip()
        for ids, answer in zip(batch.ids, batch.answer, strict=True)
    ]
    assert set(texts) == {recipe_of[question] for question, _ in QUESTIONS[1:]}


@pytest.mark.parametrize(
    ("access", "says"),
    [
        ({}, "is no longer one of the endpoints of RATOON_TRAINING_ENDPOINTS"),
        ({"endpoint_listed": True, "endpoint_key_variable": "NO_SUCH_KEY"}, "NO_SUCH_KEY with the key of"),
        ({"endpoint_listed": True}, "large at .* answers 0 of 36 prompts. The last failure: .*status 400"),
    ],
)
def test_a_run_ends_before_its_first_step_without_answers(task, tmp_path, access, says):
    with endpoint(lambda _: None) as (url, requests):
        recipe = student(url)
        spec = task.spec("no-answers", recipe, **part(task), **access)
        with pytest.raises(TeacherFailed, match=says):
            prepare(spec, recipe, tmp_path / "prepared", lambda _: None)
    assert not (tmp_path / "prepared").exists()
    assert (
        sum("store" in body for body, _ in requests)
        <= chat_endpoints._MAX_FAILURES + chat_endpoints._PARALLEL
    ), "no more prompts are sent"


def test_only_listed_endpoints_are_teachers():
    settings = Distillation("", Level.SEQUENCE, base_url="http://127.0.0.1:9/v1", model="large")
    check_endpoint(settings, {"http://127.0.0.1:9/v1": ""})
    check_endpoint(Distillation("a" * 64), ())
    with pytest.raises(EndpointNotAllowed, match="RATOON_TRAINING_ENDPOINTS"):
        check_endpoint(settings, ())
