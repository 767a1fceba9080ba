"""Parts of the demo: how a tier cuts the corpus, what its steps send, how they end."""

import json
import time
from collections import Counter

import httpx
import pytest

from ratoon.client import OperationFailedError, Ratoon, RatoonError
from ratoon.client.types import PipelineRunState
from ratoon.storage.artifacts import ArtifactStore
from ratoon_examples.demo import steps
from ratoon_examples.demo.following import follow_run, own_runs
from ratoon_examples.demo.mails import Corpus, Mail, read_corpus
from ratoon_examples.demo.measure import Measured
from ratoon_examples.demo.progress import ProgressPrinter
from ratoon_examples.demo.steps import Demo
from ratoon_examples.demo.tiers import NANO, Mails
from ratoon_examples.demo.traffic import Message, OpenStreams, give_feedback, send


@pytest.fixture
def mails(tmp_path):
    for folder in ("easy-ham-1", "spam-1", "hard-ham-1", "spam-2"):
        (tmp_path / folder).mkdir()
        for number in range(60):
            (tmp_path / folder / f"{number:05d}.txt").write_text(f"{folder} {number}")
    return tmp_path


def test_a_tier_takes_as_many_mails_of_each_class_and_always_the_same(mails):
    cut = read_corpus(mails, 1.0, Mails(training=20, held_out=5, arriving=30))
    sizes = [Counter(mail.label for mail in part) for part in (cut.training, cut.held_out, cut.arriving)]
    assert sizes == [{"ham": size, "spam": size} for size in (20, 5, 30)]
    assert not {*cut.training} & {*cut.held_out}
    assert cut == read_corpus(mails, 1.0, Mails(training=20, held_out=5, arriving=30))
    quick = read_corpus(mails, 0.5, Mails(training=20, held_out=4, arriving=30))
    assert [len(part) for part in (quick.training, quick.held_out, quick.arriving)] == [20, 4, 30]


def test_progress_is_printed_again_without_news(capfd):
    say = ProgressPrinter(quiet_s=0.04)
    say("working")
    until, output = time.monotonic() + 10, ""
    while output.count("working") < 3 and time.monotonic() < until:
        time.sleep(0.02)
        output += capfd.readouterr().err
    say.close()
    assert output.count("working") >= 3


def test_a_log_is_not_flooded_by_lines_that_a_terminal_replaces(capfd):
    say = ProgressPrinter()
    for line in ("starts", "\r1 of 3", "\r1 of 3", "\r2 of 3", "done"):
        say(line)
    say.close()
    assert [line.split("s  ")[1] for line in capfd.readouterr().err.splitlines()] == [
        "starts",
        "1 of 3",
        "done",
    ]


class Server:
    """Answers by method and path; stores uploads."""

    def __init__(self):
        self.answers, self.sent, self.blobs = {}, [], {}

    def __call__(self, request):
        path = request.url.path.removeprefix("/v1/")
        if path.startswith("blobs/"):
            return self._blob(request, path.removeprefix("blobs/"))
        self.sent.append((path, json.loads(request.content) if request.content else {}))
        answer = self.answers[request.method, path]
        return answer(request) if callable(answer) else httpx.Response(200, json=answer)

    def _blob(self, request, digest):
        if request.method == "HEAD":
            return httpx.Response(200 if digest in self.blobs else 404)
        self.blobs[digest] = request.content
        return httpx.Response(201)


@pytest.fixture
def server():
    return Server()


@pytest.fixture
def client(server):
    http = httpx.Client(transport=httpx.MockTransport(server))
    return Ratoon(base_url="http://server", api_key="key", http_client=http, max_retries=0)


@pytest.fixture
def demo(client):
    return Demo(
        client=client,
        project="mail",
        measured=Measured(None),
        say=lambda _line: None,
        corpus=Corpus([], [], []),
    )


def events(*states):
    text = "".join(f"id: {n}\ndata: {json.dumps(each)}\n\n" for n, each in enumerate(states, 1))
    return lambda _request: httpx.Response(200, text=text)


def test_an_uploaded_folder_is_named_as_the_store_names_it(tmp_path, client, server):
    folder = tmp_path / "model"
    (folder / "inner").mkdir(parents=True)
    (folder / "config.json").write_text("{}")
    (folder / "inner" / "weights.bin").write_bytes(bytes(100))
    reports = []
    digest = client.blobs.upload_tree(folder, on_bytes=lambda done, total: reports.append((done, total)))
    assert digest == ArtifactStore(str(tmp_path / "store")).put_tree(folder)
    assert reports == [(2, 102), (102, 102)]


def test_mails_are_answered_and_corrected(client, server):
    def answer(request):
        text = json.loads(request.content)["messages"][0]["content"]
        choices = [{"message": {"content": "spam" if "prize" in text else "ham"}}]
        headers = {"x-ratoon-model": "mail@v1.0", "x-ratoon-answer-id": text}
        return httpx.Response(200, json={"id": "x", "choices": choices}, headers=headers)

    server.answers["POST", "chat/completions"] = answer
    server.answers["POST", "feedback"] = {"name": "projects/mail/feedback/f"}
    exchanges = send(client, "mail", [Message("a prize", "spam"), Message("hello", "spam")], callers=1)
    assert [each.answer.text for each in exchanges] == ["spam", "ham"]
    assert server.sent[0][1] == {
        "model": "mail",
        "messages": [{"role": "user", "content": "a prize"}],
        "temperature": 0,
        "max_tokens": 4,
    }
    counts = give_feedback(client, exchanges, ("ham", "spam"), seed=1)
    given = sorted((body["id"], body["thumb"], body.get("correction", "")) for _, body in server.sent[2:])
    assert given == [("a prize", "up", ""), ("hello", "down", "spam")]
    assert (counts.up, counts.corrected) == (1, 1)


def test_a_request_that_fails_is_an_exchange_with_an_error(client, server):
    server.answers["POST", "chat/completions"] = lambda _request: httpx.Response(503, json={"detail": "away"})
    [exchange] = send(client, "mail", [Message("a", "ham")])
    assert (exchange.answer, exchange.error) == (None, "UnavailableError: away")


@pytest.mark.parametrize(
    ("end", "ended"),
    [
        (
            'data: {"id": "c", "choices": [{"delta": {}, "finish_reason": "length"}]}\n\ndata: [DONE]\n\n',
            "length",
        ),
        ("", "cut: the connection closed before the answer was complete"),
        ('data: {"error": {"message": "gone"}}\n\n', "InternalServerError: gone"),
    ],
)
def test_a_stream_says_how_it_ended(client, server, end, ended):
    text = 'data: {"id": "c", "choices": [{"delta": {"content": "sp"}}]}\n\n' + end
    headers = {"x-ratoon-model": "mail@v1.0"}
    server.answers["POST", "chat/completions"] = lambda _request: httpx.Response(
        200, text=text, headers=headers
    )
    streams = OpenStreams(client, "mail", 640)
    streams.open([Message("a", "ham")])
    streams.join()
    [stream] = streams.streams
    assert (stream.text, stream.version, stream.ended) == ("sp", "mail@v1.0", ended)
    assert server.sent[0][1]["ignore_eos"] is True


RUN = "projects/mail/pipelineRuns/r"


def test_a_pipeline_run_is_followed_to_its_end(demo, server):
    stage = {"id": "rollout", "state": "RUNNING", "resource": "projects/mail/deployments/mail/rollouts/x"}
    server.answers["GET", f"{RUN}:watch"] = events(
        {"name": RUN, "state": "STATE_RUNNING", "stages": [{"id": "training", "state": "RUNNING"}]},
        {"name": RUN, "state": "STATE_RUNNING", "stages": [stage]},
        {"name": RUN, "state": "STATE_REFUSED", "failure": {"message": "too bad"}},
    )
    assert follow_run(demo, RUN, stop_at="rollout").stages[0].resource == stage["resource"]
    assert follow_run(demo, RUN, accept={PipelineRunState.REFUSED}).state == "STATE_REFUSED"
    with pytest.raises(OperationFailedError, match="ended as STATE_REFUSED: too bad"):
        follow_run(demo, RUN)


def test_runs_of_a_person_are_not_its_own(demo, server):
    runs = [
        {"name": "a", "trigger": "TRIGGER_MANUAL"},
        {"name": "b", "trigger": "TRIGGER_DRIFT"},
        {"name": "c"},
    ]
    server.answers["GET", "projects/mail/pipelineRuns"] = {"pipelineRuns": runs}
    assert [each.name for each in own_runs(demo)] == ["b"]


def test_arriving_mails_are_those_that_ingestion_took(demo, server):
    version = "projects/mail/datasets/kept/versions/v1"
    server.answers |= {
        ("POST", "projects/mail/sources"): {"name": "projects/mail/sources/kept"},
        ("POST", "projects/mail/datasets"): {"name": "projects/mail/datasets/kept"},
        ("POST", "projects/mail/datasets/kept/versions"): {"name": version},
        ("GET", f"{version}:watch"): events({"name": version, "state": "STATE_READY"}),
        ("GET", f"{version}/records"): {
            "records": [{"sourcePath": "spam-1/2", "text": "B", "sourceLabel": "spam"}]
        },
    }
    mails = [Mail("spam-1", "1", b"a"), Mail("spam-1", "2", b"b")]
    assert steps.messages_of(demo, "kept", mails) == [Message("B", "spam")]
    bodies = dict(server.sent)
    assert bodies["projects/mail/sources"]["format"] == "FORMAT_MAIL_ARCHIVE"
    assert bodies["projects/mail/datasets/kept/versions"] == {
        "sources": ["projects/mail/sources/kept"],
        "curation": {"keepExactDuplicates": True, "nearDuplicateThreshold": 0.0, "minChars": 1},
    }
    server.answers["GET", f"{version}/records"] = {"records": []}
    with pytest.raises(RatoonError, match="Ingestion accepted no mail of kept"):
        steps.messages_of(demo, "kept", mails)


def test_a_project_is_created_with_its_policy(demo, server):
    server.answers["POST", "projects"] = {"name": "projects/mail"}
    server.answers["POST", "projects/mail/policies"] = {"name": "projects/mail/policies/default"}
    demo.tier = NANO
    steps.create_project(demo)
    bodies = dict(server.sent)
    assert bodies["projects"] == {
        "displayName": "Mail triage",
        "labels": ["ham", "spam"],
        "instructions": "Is this mail wanted (ham) or not (spam)? Answer with one word.",
        "rollout": {"bakeSeconds": 20.0},
        **NANO.settings,
    }
    assert bodies["projects/mail/policies"]["settleSeconds"] == 5
