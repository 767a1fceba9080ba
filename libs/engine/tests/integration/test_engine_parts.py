"""Manifest, middleware and control API of an engine, with real signatures and files, without vLLM."""

import asyncio
import json
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from model_signing import signing

from ratoon.engine import fetch
from ratoon.engine.launch import vllm_arguments
from ratoon.engine.manifest import FileMismatch, SignatureInvalid, SignedManifest
from ratoon.engine.middleware import EngineMiddleware
from ratoon.engine.settings import SETTINGS_VARIABLE, EngineSettings
from ratoon.storage.artifacts import ArtifactStore

PEM = serialization.Encoding.PEM
SECRET = "s3cret"


@pytest.fixture
def keys(tmp_path: Path) -> tuple[Path, Path]:
    return make_key(tmp_path, "ours")


def make_key(folder: Path, name: str) -> tuple[Path, Path]:
    key = ec.generate_private_key(ec.SECP256R1())
    private, public = folder / f"{name}.pem", folder / f"{name}.pub"
    none = serialization.NoEncryption()
    private.write_bytes(key.private_bytes(PEM, serialization.PrivateFormat.PKCS8, none))
    form = serialization.PublicFormat.SubjectPublicKeyInfo
    public.write_bytes(key.public_key().public_bytes(PEM, form))
    return private, public


def signed_model(folder: Path, private: Path, weights: bytes = b"w" * 100) -> Path:
    (folder / "sub").mkdir(parents=True)
    (folder / "config.json").write_text("{}")
    (folder / "model.safetensors").write_bytes(weights)
    (folder / "sub" / "note.txt").write_text("hello")
    signing.Config().use_elliptic_key_signer(private_key=private).sign(
        folder, folder.with_name(f"{folder.name}.sig")
    )
    return folder


def test_a_signed_folder_has_the_digest_that_the_store_gives_it(tmp_path, keys):
    folder = signed_model(tmp_path / "model", keys[0])
    digest = SignedManifest.next_to(folder, keys[1]).check_folder(folder)
    assert digest == ArtifactStore(str(tmp_path / "store")).put_tree(folder)


@pytest.mark.parametrize("spoil", ["change", "remove", "add", "link"])
def test_any_other_byte_is_refused(tmp_path, keys, spoil):
    folder = signed_model(tmp_path / "model", keys[0])
    weights = folder / "model.safetensors"
    if spoil == "change":
        weights.write_bytes(b"w" * 99 + b"x")
    elif spoil == "remove":
        weights.unlink()
    elif spoil == "add":
        (folder / "extra.py").write_text("import os")
    else:
        (folder / "link").symlink_to(weights)
    with pytest.raises(FileMismatch):
        SignedManifest.next_to(folder, keys[1]).check_folder(folder)


def test_another_key_an_altered_manifest_and_no_signature_are_refused(tmp_path, keys):
    folder = signed_model(tmp_path / "model", keys[0])
    with pytest.raises(SignatureInvalid):
        SignedManifest.next_to(folder, make_key(tmp_path, "theirs")[1])
    bundle = json.loads((tmp_path / "model.sig").read_text())
    bundle["dsseEnvelope"]["payload"] = bundle["dsseEnvelope"]["payload"][:-8] + "AAAAAAA="
    (tmp_path / "model.sig").write_text(json.dumps(bundle))
    with pytest.raises(SignatureInvalid):
        SignedManifest.next_to(folder, keys[1])
    (tmp_path / "model.sig").unlink()
    with pytest.raises(SignatureInvalid, match="without a signature"):
        SignedManifest.next_to(folder, keys[1])


class FakeClient:
    """vLLM's engine client, as far as an engine uses it."""

    errored = False
    silent = False
    """True once its core was killed: calls in flight are never answered."""

    def __init__(self, digest: str) -> None:
        self.digest, self.reloaded = digest, []

    async def collective_rpc(self, method: str, **options):
        if self.silent:
            await asyncio.Event().wait()
        if self.errored:
            raise RuntimeError("EngineCore encountered an issue.")
        if method == "ratoon_loaded":
            return [{"artifact_digest": self.digest}]
        self.reloaded.append(options["kwargs"]["weights_path"])
        return [None]

    async def reset_prefix_cache(self) -> bool:
        return True


@dataclass(frozen=True)
class Named:
    """One of the names by which vLLM knows its model."""

    name: str


class Engine:
    """Middleware of an engine around a small application, called without a server."""

    def __init__(self, directory: Path, keys: tuple[Path, Path], monkeypatch, **place) -> None:
        self.model = signed_model(directory / "v1", keys[0])
        self.digest = SignedManifest.next_to(self.model, keys[1]).check_folder(self.model)
        settings = EngineSettings(
            engine="e1",
            version="v1",
            artifact_digest=self.digest,
            model=str(self.model),
            served_names=("m",),
            socket=str(directory / "s"),
            secret=SECRET,
            public_key=str(keys[1]),
            **place,
        )
        settings.write(directory / "engine.json")
        monkeypatch.setenv(SETTINGS_VARIABLE, str(directory / "engine.json"))
        self.client = FakeClient(self.digest)
        self.models = SimpleNamespace(
            base_model_paths=[Named("m"), Named("m@v1")], registry=SimpleNamespace()
        )
        self.reached: list[str] = []
        self.hold = asyncio.Event()
        self.hold.set()
        self.middleware = EngineMiddleware(self._application)

    async def _application(self, scope, receive, send) -> None:
        self.reached.append(scope["path"])
        await self.hold.wait()
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"{}"})

    async def call(self, method: str, path: str, body=None, secret: str = SECRET, control: bool = False):
        sent: list[dict] = []

        async def receive():
            return {"type": "http.request", "body": json.dumps(body or {}).encode()}

        async def send(message):
            sent.append(message)

        headers = [(b"x-ratoon-engine-secret", secret.encode())] if secret else []
        headers += [(b"x-ratoon-control", b"1")] if control else []
        state = SimpleNamespace(engine_client=self.client, openai_serving_models=self.models)
        scope = {
            "type": "http",
            "method": method,
            "path": path,
            "headers": headers,
            "app": SimpleNamespace(state=state),
        }
        await self.middleware(scope, receive, send)
        return sent[0]["status"], dict(sent[0]["headers"]), json.loads(sent[1]["body"])


@pytest.fixture
def engine(tmp_path, keys, monkeypatch) -> Engine:
    return Engine(tmp_path, keys, monkeypatch)


def test_only_the_list_is_reached_and_only_with_the_secret(engine):
    async def walk():
        for method, path in [("GET", "/version"), ("POST", "/invocations"), ("GET", "/v1/completions")]:
            assert (await engine.call(method, path))[0] == 404
        assert (await engine.call("POST", "/v1/completions", secret=""))[0] == 404
        assert (await engine.call("POST", "/v1/completions", secret="guess"))[0] == 404
        assert engine.reached == []
        status, headers, _ = await engine.call("POST", "/v1/completions")
        assert (status, headers[b"x-ratoon-version"]) == (200, b"v1")
        assert (await engine.call("GET", "/health"))[0] == 200

    asyncio.run(walk())


def test_a_closed_engine_finishes_what_is_inside_and_takes_nothing_new(engine):
    async def walk():
        engine.hold.clear()
        pending = asyncio.ensure_future(engine.call("POST", "/v1/completions"))
        await asyncio.sleep(0)
        _, _, status = await engine.call("POST", "/ratoon/close")
        assert (status["accepting"], status["in_flight"]) == (False, 1)
        refused, headers, _ = await engine.call("POST", "/v1/completions")
        assert (refused, headers[b"x-ratoon-engine-closed"]) == (503, b"1")
        attesting = asyncio.ensure_future(engine.call("POST", "/v1/completions", control=True))
        await asyncio.sleep(0)
        assert not attesting.done()
        engine.hold.set()
        assert (await pending)[0] == (await attesting)[0] == 200
        assert (await engine.call("POST", "/ratoon/open"))[2]["accepting"]

    asyncio.run(walk())


def test_weights_change_only_in_a_closed_and_empty_engine_and_only_for_signed_ones(engine, tmp_path, keys):
    new = signed_model(tmp_path / "v2", keys[0], b"n" * 100)
    digest = SignedManifest.next_to(new, keys[1]).check_folder(new)
    request = {"model": str(new), "version": "v2", "artifact_digest": digest, "served_names": ["m", "m@v2"]}

    async def walk():
        assert (await engine.call("POST", "/ratoon/reload", request))[0] == 409
        await engine.call("POST", "/ratoon/close")
        assert (await engine.call("POST", "/ratoon/reload", {**request, "artifact_digest": "0" * 64}))[
            0
        ] == 409
        assert (await engine.call("POST", "/ratoon/reload", {"version": "v2"}))[0] == 400
        status, _, report = await engine.call("POST", "/ratoon/reload", request)
        assert (status, report["version"], engine.client.reloaded) == (200, "v2", [str(new)])
        assert [path.name for path in engine.models.base_model_paths] == ["m", "m@v2"]
        (new / "model.safetensors").write_bytes(b"x" * 100)
        assert (await engine.call("POST", "/ratoon/reload", request))[0] == 409

    asyncio.run(walk())


def test_a_drill_fails_the_configured_share(engine):
    async def walk():
        await engine.call("POST", "/ratoon/faults", {"error_rate": 0.25})
        statuses = [(await engine.call("POST", "/v1/completions"))[0] for _ in range(8)]
        assert statuses.count(500) == 2
        await engine.call("POST", "/ratoon/faults", {"error_rate": 0})
        assert (await engine.call("POST", "/v1/completions"))[0] == 200

    asyncio.run(walk())


def test_an_engine_that_starts_closed_opens_for_the_load_that_was_attested_and_for_no_other(
    tmp_path, keys, monkeypatch
):
    engine = Engine(tmp_path, keys, monkeypatch, starts_closed=True)

    async def walk():
        assert (await engine.call("GET", "/ratoon/ready", secret=""))[0] == 200
        assert (await engine.call("POST", "/v1/completions"))[0] == 503
        assert (await engine.call("POST", "/v1/completions", control=True))[0] == 200
        report = (await engine.call("GET", "/ratoon/status"))[2]
        assert (await engine.call("POST", "/ratoon/open", {"load_id": "another start's"}))[0] == 409
        assert (await engine.call("POST", "/ratoon/open", {"load_id": report["load_id"]}))[0] == 200
        assert (await engine.call("POST", "/v1/completions"))[0] == 200
        engine.client.errored = True
        assert (await engine.call("GET", "/ratoon/ready", secret=""))[0::2] == (503, {})

    asyncio.run(walk())


def test_control_requests_end_with_the_engine_core(engine):
    async def walk():
        engine.client.silent = True
        pending = asyncio.ensure_future(engine.call("GET", "/ratoon/status"))
        await asyncio.sleep(0)
        engine.client.errored = True
        status, _, body = await pending
        assert (status, body["error"]["code"]) == (503, "ENGINE_CORE_ENDED")
        engine.client.silent = False
        assert (await engine.call("POST", "/ratoon/close"))[0::2] == (503, body)

    asyncio.run(walk())


def test_a_draining_engine_stays_closed(engine):
    async def walk():
        assert not (await engine.call("POST", "/ratoon/drain"))[2]["accepting"]
        assert (await engine.call("POST", "/ratoon/open"))[0] == 409
        assert (await engine.call("POST", "/v1/completions"))[0] == 503

    asyncio.run(walk())


def test_weights_that_are_named_by_digests_are_fetched_before_they_are_loaded(tmp_path, keys, monkeypatch):
    store = ArtifactStore(str(tmp_path / "store"))
    engine = Engine(tmp_path, keys, monkeypatch, folder=str(tmp_path / "pod"), artifacts_url=store.url)
    request = {"version": "v2", **stored_model(tmp_path / "v2", keys, store)}
    fetched = tmp_path / "pod" / "models" / request["artifact_digest"]

    async def walk():
        before = (await engine.call("POST", "/ratoon/close"))[2]["load_id"]
        missing = {**request, "artifact_digest": "0" * 64}
        assert (await engine.call("POST", "/ratoon/reload", missing))[0] == 409
        status, _, report = await engine.call("POST", "/ratoon/reload", request)
        assert (status, report["version"], engine.client.reloaded) == (200, "v2", [str(fetched)])
        assert report["load_id"] != before

    asyncio.run(walk())


def stored_model(folder: Path, keys: tuple[Path, Path], store: ArtifactStore) -> dict[str, str]:
    signed_model(folder, keys[0], b"n" * 100)
    signature = store.put_file(folder.with_name(f"{folder.name}.sig"))
    return {"artifact_digest": store.put_tree(folder), "signature_digest": signature}


def test_a_pod_fetches_what_it_is_to_load_and_starts_with_nothing_else(tmp_path, keys, monkeypatch, caplog):
    store = ArtifactStore(str(tmp_path / "store"))
    named = stored_model(tmp_path / "v2", keys, store)
    digest, file = named["artifact_digest"], tmp_path / "engine.json"
    theirs = make_key(tmp_path, "theirs")[1]

    def settings(key: Path, trees: dict[str, str]) -> None:
        EngineSettings("e", "v2", digest, digest, ("m",), "", SECRET, str(key), trees=trees).write(file)

    for name, value in {"SETTINGS": file, "FOLDER": tmp_path / "pod", "ARTIFACTS_URL": store.url}.items():
        monkeypatch.setenv(f"RATOON_ENGINE_{name}", str(value))
    settings(keys[1], {digest: named["signature_digest"]})
    assert fetch.main() == 0
    assert (tmp_path / "pod" / "models" / digest / "sub" / "note.txt").read_text() == "hello"
    settings(theirs, {digest: named["signature_digest"]})
    assert fetch.main() == 3
    settings(keys[1], {"0" * 64: named["signature_digest"]})
    assert fetch.main() == 1
    assert "is not in the store" in caplog.text


def test_what_a_pool_says_of_its_engines_wins_over_their_file(tmp_path):
    file = tmp_path / "engine.json"
    EngineSettings("e", "v", "d" * 64, "d" * 64, ("m",), "", SECRET, "key", chat_template="t").write(file)
    variables = {
        "FOLDER": "/var/lib/ratoon",
        "KV_CACHE_MIB": "0",
        "ARGUMENTS": '["--seed", "1"]',
        "DTYPE": "",
    }
    read = EngineSettings.read(file, {f"RATOON_ENGINE_{name}": value for name, value in variables.items()})
    assert (read.model, read.chat_template) == (
        f"/var/lib/ratoon/models/{'d' * 64}",
        "/var/lib/ratoon/models/t",
    )
    assert (read.kv_cache_mib, read.arguments, read.dtype) == (0, ("--seed", "1"), "float32")
    arguments = vllm_arguments(read)
    assert "--kv-cache-memory-bytes" not in arguments
    assert arguments[arguments.index("--port") + 1] == "8000"
