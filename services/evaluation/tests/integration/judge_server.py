"""A judge behind OpenAI's chat completions: a function from prompt to reply, over a real socket."""

import json
import re
import ssl
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

ANSWERS = re.compile(r"<answer(?:-[AB])?-[0-9a-f]{8}>\n(.*?)\n</answer", re.DOTALL)


class JudgeServer:
    """What is asked, and how it is answered."""

    def __init__(self, reply: Callable[[str], str]) -> None:
        self.reply = reply
        self.requests: list[dict[str, object]] = []
        self.keys: list[str] = []
        self.statuses: list[int] = []
        """Statuses of the next answers, before any reply."""
        self.headers: dict[str, str] = {}
        self.raw: bytes | None = None
        """Body of every answer in place of a completion."""
        self.url = ""

    def answer(self, body: dict) -> tuple[int, dict]:
        self.requests.append(body)
        status = self.statuses.pop(0) if self.statuses else 200
        if status != 200:
            return status, {"error": {"message": "no"}}
        text = self.reply(body["messages"][0]["content"])
        return 200, {"choices": [{"message": {"role": "assistant", "content": text}}]}


@contextmanager
def judge_server(reply: Callable[[str], str], tls: ssl.SSLContext | None = None) -> Iterator[JudgeServer]:
    """Serve for the length of the context, on 127.0.0.1 or, by TLS, as `localhost`."""
    server = JudgeServer(reply)

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            server.keys.append(self.headers.get("Authorization", ""))
            status, answer = server.answer(body) if self.path == "/v1/chat/completions" else (404, {})
            content = json.dumps(answer).encode() if server.raw is None else server.raw
            self.send_response(status)
            for name, value in server.headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: object) -> None:
            pass

    http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    if tls:
        http.socket = tls.wrap_socket(http.socket, server_side=True)
    thread = Thread(target=http.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    host = "https://localhost" if tls else "http://127.0.0.1"
    server.url = f"{host}:{http.server_address[1]}/v1"
    try:
        yield server
    finally:
        http.shutdown()
        http.server_close()
        thread.join()


def answers_in(prompt: str) -> list[str]:
    """Return the answers that a prompt shows, in their order."""
    return ANSWERS.findall(prompt)
