"""A real Apache Kafka for tests: fetched once with Maven, one KRaft broker on loopback for a test session.

Its second listener is a wire of ours, so that a test can take the broker away, or lose an acknowledgement,
without stopping it. Where Java or Maven is missing, tests are skipped with that reason.
"""

import contextlib
import os
import shutil
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from ratoon.security.authority import issue, make_authority

VERSION = "4.1.1"
USER, PASSWORD = "ratoon", "of-tests-alone"
_PRODUCE = 0
_START_S = 120.0
_POM = f"""<project>
  <modelVersion>4.0.0</modelVersion>
  <groupId>ratoon</groupId><artifactId>kafka</artifactId><version>1</version>
  <dependencies>
    <dependency>
      <groupId>org.apache.kafka</groupId><artifactId>kafka_2.13</artifactId><version>{VERSION}</version>
    </dependency>
    <dependency>
      <groupId>org.apache.logging.log4j</groupId><artifactId>log4j-slf4j-impl</artifactId><version>2.25.1</version>
    </dependency>
    <dependency>
      <groupId>org.apache.logging.log4j</groupId><artifactId>log4j-core</artifactId><version>2.25.1</version>
    </dependency>
  </dependencies>
</project>
"""
_PROPERTIES = """
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:{controller}
controller.listener.names=CONTROLLER
listeners=DIRECT://127.0.0.1:{direct},WIRED://127.0.0.1:{wired},SECURED://127.0.0.1:{secured},CONTROLLER://127.0.0.1:{controller}
advertised.listeners=DIRECT://127.0.0.1:{direct},WIRED://127.0.0.1:{wire},SECURED://localhost:{secured}
listener.security.protocol.map=DIRECT:PLAINTEXT,WIRED:PLAINTEXT,SECURED:SASL_SSL,CONTROLLER:PLAINTEXT
listener.name.secured.ssl.keystore.type=PEM
listener.name.secured.ssl.keystore.location={folder}/keystore.pem
listener.name.secured.sasl.enabled.mechanisms=PLAIN
listener.name.secured.plain.sasl.jaas.config={jaas}
inter.broker.listener.name=DIRECT
log.dirs={folder}/data
auto.create.topics.enable=false
offsets.topic.num.partitions=2
offsets.topic.replication.factor=1
transaction.state.log.num.partitions=2
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
group.initial.rebalance.delay.ms=0
group.min.session.timeout.ms=1000
log.retention.check.interval.ms=500
log.initial.task.delay.ms=500
log.segment.delete.delay.ms=100
num.network.threads=2
num.io.threads=2
log.cleaner.threads=1
log.cleaner.backoff.ms=200
log.cleaner.dedupe.buffer.size=4194304
log.cleaner.io.buffer.size=131072
"""
_JAAS = f'org.apache.kafka.common.security.plain.PlainLoginModule required user_{USER}="{PASSWORD}";'
_LOG4J = """
status = error
rootLogger.level = warn
rootLogger.appenderRef.console.ref = console
appender.console.type = Console
appender.console.name = console
appender.console.layout.type = PatternLayout
appender.console.layout.pattern = %d %p %m (%c)%n
"""


def missing() -> str:
    """Return what this machine lacks for a real Kafka, as a sentence; empty when nothing."""
    lacking = [name for name in ("java", "mvn") if shutil.which(name) is None]
    return (
        f"Apache Kafka needs {' and '.join(lacking)}: apt-get install default-jre-headless maven"
        if lacking
        else ""
    )


def fetch() -> Path:
    """The directory of Kafka's jars, fetched with Maven when it is not there yet."""
    cache = Path(os.environ.get("RATOON_CACHE") or Path.home() / ".cache" / "ratoon") / f"kafka-{VERSION}"
    if (cache / "complete").exists():
        return cache
    cache.mkdir(parents=True, exist_ok=True)
    (cache / "pom.xml").write_text(_POM)
    sys.stderr.write(f"Fetching Apache Kafka {VERSION} with Maven (43 MB, about a minute) …\n")
    command = ["mvn", "-q", "-B", "dependency:copy-dependencies", f"-DoutputDirectory={cache}"]
    done = subprocess.run(command, cwd=cache, capture_output=True, text=True, timeout=600, check=False)
    if done.returncode:
        raise RuntimeError(f"Maven could not fetch Apache Kafka:\n{done.stdout[-2000:]}{done.stderr[-2000:]}")
    (cache / "complete").touch()
    return cache


class Broker:
    """One KRaft broker, controller included, in a directory of its own."""

    def __init__(self, folder: Path, jvm: Sequence[str] = ()) -> None:
        """`jvm` are further options of Java."""
        self._folder, self._jars, self._jvm = folder, fetch(), jvm
        direct, wired, controller, secured = _free_ports(4)
        self.wire = Wire(wired)
        self.direct = f"127.0.0.1:{direct}"
        """Address for clients."""
        self.wired = f"127.0.0.1:{self.wire.port}"
        """Address for clients over the wire."""
        self.secured = f"localhost:{secured}"
        """Address for `USER` with `PASSWORD`, by TLS and SASL."""
        self._process: subprocess.Popen[bytes] | None = None
        ports = {
            "direct": direct,
            "wired": wired,
            "wire": self.wire.port,
            "secured": secured,
            "controller": controller,
        }
        self.authority = self._write_keystore()
        """PEM file of who signed the certificate that it shows there."""
        (folder / "server.properties").write_text(_PROPERTIES.format(folder=folder, jaas=_JAAS, **ports))
        (folder / "log4j2.properties").write_text(_LOG4J)
        cluster = self._java("kafka.tools.StorageTool", "random-uuid").strip().splitlines()[-1]
        self._java(
            "kafka.tools.StorageTool", "format", "-t", cluster, "-c", str(folder / "server.properties")
        )

    def _write_keystore(self) -> Path:
        authority = make_authority("kafka")
        own = issue(authority, ["localhost"])
        (self._folder / "keystore.pem").write_bytes(own.key + own.certificate)
        path = self._folder / "authority.pem"
        path.write_bytes(authority.certificate)
        return path

    def start(self) -> None:
        """Start and wait until it answers."""
        with (self._folder / "broker.log").open("ab") as output:
            self._process = subprocess.Popen(
                self._command("kafka.Kafka", str(self._folder / "server.properties")),
                stdout=output,
                stderr=output,
                cwd=self._folder,
            )
        until = time.monotonic() + _START_S
        while time.monotonic() < until and self._process.poll() is None:
            if _answers(self.direct):
                return
            time.sleep(0.2)
        tail = (self._folder / "broker.log").read_text()[-3000:]
        self.kill()
        raise RuntimeError(f"Apache Kafka did not start:\n{tail}")

    def kill(self) -> None:
        """End it at once, as a crash would."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def close(self) -> None:
        """End the broker and the wire."""
        self.kill()
        self.wire.close()

    def _command(self, main: str, *arguments: str) -> list[str]:
        log4j = f"-Dlog4j2.configurationFile={self._folder / 'log4j2.properties'}"
        return [
            "java",
            *self._jvm,
            "-Xmx320m",
            "-XX:+UseSerialGC",
            log4j,
            "-cp",
            f"{self._jars}/*",
            main,
            *arguments,
        ]

    def _java(self, main: str, *arguments: str) -> str:
        done = subprocess.run(
            self._command(main, *arguments), capture_output=True, text=True, timeout=120, check=False
        )
        if done.returncode:
            raise RuntimeError(f"{main} failed:\n{done.stdout[-2000:]}{done.stderr[-2000:]}")
        return done.stdout


class Wire:
    """The way to the broker; it can be cut, and it can lose an acknowledgement."""

    def __init__(self, target: int) -> None:
        self._target = target
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._away = threading.Event()
        self._lose = threading.Event()
        self._pairs: list[socket.socket] = []
        threading.Thread(target=self._accept, name="kafka-wire", daemon=True).start()

    @contextlib.contextmanager
    def away(self) -> Iterator[None]:
        """The broker cannot be reached meanwhile: open connections are cut, new ones are closed at once."""
        self._away.set()
        self._cut()
        try:
            yield
        finally:
            self._away.clear()

    def lose_acknowledgement(self) -> None:
        """Deliver the next batch of records to the broker, but cut the connection instead of its answer."""
        self._lose.set()

    @property
    def lost(self) -> bool:
        """Return whether that has happened."""
        return not self._lose.is_set()

    def close(self) -> None:
        """Stop listening and cut everything."""
        self._away.set()
        self._listener.close()
        self._cut()

    def _cut(self) -> None:
        for each in self._pairs:
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
        self._pairs = []

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            try:
                if self._away.is_set():
                    raise ConnectionRefusedError
                server = socket.create_connection(("127.0.0.1", self._target))
            except OSError:
                client.close()
                continue
            self._pairs += [client, server]
            threading.Thread(target=self._carry, args=(client, server), daemon=True).start()

    def _carry(self, client: socket.socket, server: socket.socket) -> None:
        """Pass on what both sides send, and close both when one of them has ended."""
        produced: set[int] = set()
        requests = threading.Thread(
            target=self._pump, args=(client, server, self._request, produced), daemon=True
        )
        requests.start()
        self._pump(server, client, self._answer, produced)
        requests.join()
        client.close()
        server.close()

    def _pump(self, source: socket.socket, sink: socket.socket, observe: object, produced: set[int]) -> None:
        with contextlib.suppress(OSError):
            while frame := _frame(source):
                if callable(observe) and not observe(frame, produced):
                    break
                sink.sendall(frame)
        for each in (source, sink):
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)

    def _request(self, frame: bytes, produced: set[int]) -> bool:
        """Remember which requests carry records."""
        api, _, correlation = struct.unpack_from(">hhi", frame, 4)
        if api == _PRODUCE:
            produced.add(correlation)
        return True

    def _answer(self, frame: bytes, produced: set[int]) -> bool:
        """Let answers pass, except the one acknowledgement to be lost."""
        (correlation,) = struct.unpack_from(">i", frame, 4)
        if correlation in produced and self._lose.is_set():
            self._lose.clear()
            return False
        return True


@pytest.fixture(scope="session")
def kafka_broker() -> Iterator[Broker]:
    """The one broker of a test session."""
    if reason := missing():
        pytest.skip(reason)
    with tempfile.TemporaryDirectory(prefix="ratoon-kafka-", ignore_cleanup_errors=True) as folder:
        broker = Broker(Path(folder), jvm=["-XX:TieredStopAtLevel=1"])  # starts in half the time
        try:
            broker.start()
            yield broker
        finally:
            broker.close()


def _frame(source: socket.socket) -> bytes:
    """One message of Kafka's protocol, its length included; empty at the end."""
    head = _exactly(source, 4)
    return head + _exactly(source, int.from_bytes(head, "big")) if head else b""


def _exactly(source: socket.socket, size: int) -> bytes:
    parts = bytearray()
    while len(parts) < size:
        part = source.recv(size - len(parts))
        if not part:
            return b""
        parts += part
    return bytes(parts)


def _answers(server: str) -> bool:
    """Return whether a broker completes Kafka's handshake there."""
    host, _, port = server.rpartition(":")
    hello = struct.pack(">hhih", 18, 0, 1, -1)
    try:
        with socket.create_connection((host, int(port)), 1.0) as connection:
            connection.settimeout(2.0)
            connection.sendall(struct.pack(">i", len(hello)) + hello)
            return bool(_frame(connection))
    except OSError:
        return False


def _free_ports(count: int) -> list[int]:
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(count)]
        return [each.getsockname()[1] for each in sockets]


if __name__ == "__main__":
    sys.stdout.write(f"{fetch()}\n")
