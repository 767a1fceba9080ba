"""Endpoints of judges over real sockets: what is retried, what is refused, and whom a key reaches."""

import json
import socket
import ssl
import time

import pytest

from ratoon.jobs.v1.evaluation_jobs_pb2 import JudgeSpec
from ratoon.security.authority import make_authority
from ratoon.service import chat_endpoints
from ratoon.testkit.certificates import write_certificates
from ratoon_evaluation.worker.judges.asking import Remote
from ratoon_evaluation.worker.judges.endpoint import Endpoint, NoReply

from .judge_server import judge_server


def connect(url, pauses=None, environment=None, **more):
    spec = JudgeSpec(name="j", base_url=url, model="m", max_tokens=9, **{"listed": True, **more})
    return Endpoint(spec, environment or {}, (pauses if pauses is not None else []).append)


def test_the_pause_is_what_the_endpoint_asks_for_within_a_bound():
    pauses = []
    with judge_server(lambda _: "yes") as server:
        server.statuses, server.headers = [429, 429], {"Retry-After": "7"}
        assert connect(server.url, pauses).reply("?") == "yes"
        assert pauses == [7.0, 7.0]
        server.statuses, server.headers = [429], {"Retry-After": "61"}
        with pytest.raises(NoReply, match="status 429"):
            connect(server.url, pauses).reply("?")
        server.statuses, server.headers = [503] * 9, {"Retry-After": "soon"}
        with pytest.raises(NoReply, match="status 503"):
            connect(server.url, pauses).reply("?")
    assert len(pauses) == 2 + 4
    assert all(0.5 < pause <= 8 for pause in pauses[2:])


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"no json",
        b"[]",
        b"{}",
        b'{"choices": []}',
        b'{"choices": [{"message": null}]}',
        b'{"choices": [{"message": {"content": ["Verdict: A"]}}]}',
        b"[" * 100_000,
        b" " * (chat_endpoints.MAX_REPLY_BYTES + 1),
    ],
)
def test_an_answer_that_is_no_completion_is_no_reply(body):
    with judge_server(lambda _: "yes") as server:
        server.raw = body
        with pytest.raises(NoReply):
            connect(server.url).reply("?")


def test_an_endpoint_that_does_not_know_to_store_nothing_is_asked_without_it():
    with judge_server(lambda _: "yes") as server:
        server.statuses = [422]
        assert connect(server.url).reply("?") == "yes"
        assert [body.get("store") for body in server.requests] == [False, None]
        server.statuses = [400, 400]
        with pytest.raises(NoReply, match="status 400"):
            connect(server.url).reply("?")


def test_a_model_that_writes_nothing_has_replied():
    with judge_server(lambda _: "yes") as server:
        server.raw = json.dumps({"choices": [{"message": {"content": None}}]}).encode()
        assert connect(server.url).reply("?") == ""


def test_a_port_that_nothing_listens_on_gives_no_reply():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        with pytest.raises(NoReply, match="does not answer"):
            connect(f"http://127.0.0.1:{free.getsockname()[1]}/v1").reply("?")


def test_half_a_surrogate_pair_is_sent_as_json_writes_it():
    with judge_server(lambda prompt: repr(prompt)) as server:
        assert connect(server.url).reply("\ud800 好") == repr("\ud800 好")


def test_an_endpoint_that_is_not_listed_gets_no_prompt():
    with judge_server(lambda _: "yes") as server:
        with pytest.raises(NoReply, match="not listed"):
            connect(server.url, listed=False).reply("?")
        assert server.requests == []


@pytest.mark.parametrize(("name", "is_trusted"), [("localhost", True), ("other.example", False)])
def test_the_certificate_is_that_of_the_name(tmp_path, monkeypatch, name, is_trusted):
    folder = write_certificates(tmp_path / "tls", make_authority("test"), name)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "tls.crt", folder / "tls.key")
    monkeypatch.setenv("SSL_CERT_FILE", str(folder / "ca.crt"))
    with judge_server(lambda _: "yes", context) as server:
        judge = connect(server.url, environment={"K": "s3cret"}, key_variable="K")
        if is_trusted:
            assert judge.reply("?") == "yes"
            assert server.keys == ["Bearer s3cret"]
        else:
            with pytest.raises(NoReply, match="SSLCertVerificationError"):
                judge.reply("?")
            assert server.keys == []


class Slow:
    """Replies after a while, and fails on every prompt with an exclamation mark."""

    def __init__(self):
        self.prompts = []

    def reply(self, prompt):
        self.prompts.append(prompt)
        time.sleep(0.002)
        if prompt.endswith("!"):
            raise NoReply("It is down.")
        return prompt.upper()


def test_replies_come_with_their_prompts_and_a_stop_ends_the_asking():
    slow, seen = Slow(), []
    prompts = [f"p{n}" for n in range(40)]
    assert list(Remote(slow).replies(prompts, seen.append)) == [(each, each.upper()) for each in prompts]
    assert seen == list(range(1, 41))

    def stop(done):
        if done == 3:
            raise KeyboardInterrupt

    slow = Slow()
    with pytest.raises(KeyboardInterrupt):
        list(Remote(slow).replies([f"p{n}" for n in range(4000)], stop))
    assert len(slow.prompts) < 400


def test_an_endpoint_that_fails_again_and_again_is_left_alone():
    slow = Slow()
    remote = Remote(slow)
    replies = list(remote.replies([f"p{n}!" for n in range(500)], lambda _: None))
    assert [reply for _, reply in replies] == [None] * 500
    assert len(slow.prompts) < 40
    assert remote.failure == "It is down."
    slow = Slow()
    mixed = [f"p{n}" + "!" * (n % 2) for n in range(100)]
    assert sum(reply is not None for _, reply in Remote(slow).replies(mixed, lambda _: None)) == 50
