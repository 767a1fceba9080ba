"""The typed client against the gateway, flywheel and ingestion: a dataset from an upload to its records."""

import asyncio
import json
import re
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from ratoon.client import (
    AsyncRatoon,
    AuthenticationError,
    BadRequestError,
    ConflictError,
    FailedPreconditionError,
    NotFoundError,
    OperationFailedError,
    PermissionDeniedError,
    Ratoon,
    types,
)
from ratoon.runtime.settings import run_folder, settings_class
from ratoon.testkit.services import State, running

PROJECT = "projects/mail"
README = Path(__file__).parents[2] / "libs/client/README.md"
TEXTS = [
    f"Ticket {number}: the printer on floor {number} prints nothing but blank pages." for number in range(25)
]


@pytest.fixture(scope="module")
def installation(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, str]]:
    """Address of the gateway, and an operator key."""
    folder = tmp_path_factory.mktemp("installation")
    State(folder)
    run_folder(folder).mkdir(parents=True, exist_ok=True, mode=0o700)
    options = {"gateway": {"port": 0, "grpc": "off"}}
    settings = [
        settings_class(name)(state=folder, **options.get(name, {}))
        for name in ("flywheel", "ingestion", "gateway")
    ]
    with running(settings) as apps:
        gateway = next(app for app in apps if app.settings.service == "gateway")
        key = (folder / "keys" / "operator.key").read_text().strip()
        yield f"http://127.0.0.1:{gateway.listeners[-1].port}", key


@pytest.fixture(scope="module")
def client(installation: tuple[str, str]) -> Iterator[Ratoon]:
    """A client with the operator's key; the project exists."""
    url, key = installation
    with Ratoon(base_url=url, api_key=key) as client:
        client.projects.create(project_id="mail", labels=["hardware", "other"], display_name="Mail")
        yield client


@pytest.fixture(scope="module")
def version(client: Ratoon, tmp_path_factory: pytest.TempPathFactory) -> types.DatasetVersion:
    """A dataset version of 25 records."""
    path: Path = tmp_path_factory.mktemp("data") / "tickets.jsonl"
    path.write_text("\n".join(json.dumps({"text": text, "label": "hardware"}) for text in TEXTS))
    seen: list[tuple[int, int]] = []
    digest = client.blobs.upload(path, on_bytes=lambda done, total: seen.append((done, total)))
    assert seen[-1] == (path.stat().st_size,) * 2
    source = client.sources.create(
        PROJECT, source_id="tickets", digest=digest, format=types.SourceFormat.JSONL, license="CC0-1.0"
    )
    client.datasets.create(PROJECT, dataset_id="tickets", display_name="Tickets")
    started = client.dataset_versions.create(
        f"{PROJECT}/datasets/tickets",
        version_id="v1",
        sources=[source.name],
        curation=types.Curation(min_chars=10, near_duplicate_threshold=0.0),
    )
    states: list[types.DatasetVersionState] = []
    version = client.dataset_versions.wait(
        started.name, timeout=120, on_state=lambda each: states.append(each.state)
    )
    assert states[-1] is types.DatasetVersionState.READY
    return version


def test_a_dataset_is_built_and_its_records_are_read_page_by_page(client, version):
    assert version.record_count == len(TEXTS)
    assert version.create_time.tzinfo is not None
    assert client.dataset_versions.get(version.name) == version
    records = client.records.list(version.name, page_size=10)
    assert len(records.items) == 10
    assert sorted(record.text for record in records) == sorted(TEXTS)
    lineage = client.records.lineage(PROJECT, records.items[0].record_id)
    assert version.name in lineage.model_dump_json()


def test_nothing_that_the_services_send_is_unknown_to_the_client(client, version):
    for message in (version, client.projects.get(PROJECT), *client.sources.list(PROJECT)):
        assert message.model_extra == {}


def test_the_async_client_sees_the_same(installation, version):
    url, key = installation

    async def texts() -> list[str]:
        async with AsyncRatoon(base_url=url, api_key=key) as client:
            assert (await client.dataset_versions.wait(version.name, timeout=30)).name == version.name
            return [record.text async for record in client.records.list(version.name, page_size=7)]

    assert sorted(asyncio.run(texts())) == sorted(TEXTS)


def test_a_create_with_a_request_id_happens_once(client):
    created = [client.datasets.create(PROJECT, display_name="Once", request_id="one") for _ in range(2)]
    assert created[0].name == created[1].name
    with pytest.raises(ConflictError) as refused:
        client.datasets.create(PROJECT, dataset_id=created[0].name.rsplit("/", 1)[-1])
    assert (refused.value.reason, refused.value.code) == ("DATASET_EXISTS", "ALREADY_EXISTS")


def test_an_update_changes_what_it_names_and_a_stale_one_is_refused(client):
    project = client.projects.get(PROJECT)
    updated = client.projects.update(
        PROJECT, instructions="Read twice.", gate=types.ProjectGate(baseline_margin=0.1), etag=project.etag
    )
    assert (updated.display_name, updated.instructions) == ("Mail", "Read twice.")
    assert updated.gate.baseline_margin == 0.1
    assert updated.gate.old_domain_threshold == project.gate.old_domain_threshold
    with pytest.raises(ConflictError) as refused:
        client.projects.update(PROJECT, instructions="", etag=project.etag)
    assert refused.value.reason == "STALE_ETAG"


def test_errors_say_what_is_wrong(client, version):
    with pytest.raises(NotFoundError, match="projects/mail/datasets/none"):
        client.datasets.get(f"{PROJECT}/datasets/none")
    with pytest.raises(BadRequestError, match="past") as refused:
        client.api_keys.create(PROJECT, role=types.Role.CALLER, expire_time=datetime(2020, 1, 1, tzinfo=UTC))
    assert [each.field for each in refused.value.field_violations] == ["apiKey.expireTime"]
    with pytest.raises(FailedPreconditionError, match="versions"):
        client.datasets.delete(f"{PROJECT}/datasets/tickets")
    with pytest.raises(AuthenticationError):
        client.with_options(api_key="rtn_0_0").projects.get(PROJECT)


def test_a_key_of_a_role_can_do_what_the_role_may(client):
    key = client.api_keys.create(PROJECT, role=types.Role.VIEWER, display_name="dashboard")
    viewer = client.with_options(api_key=key.secret)
    assert viewer.projects.get(PROJECT).name == PROJECT
    with pytest.raises(PermissionDeniedError) as refused:
        viewer.datasets.create(PROJECT)
    assert (refused.value.reason, bool(refused.value.request_id)) == ("ROLE_TOO_LOW", True)
    assert client.api_keys.revoke(key.name).revoke_time is not None


def test_a_build_that_fails_ends_the_wait_with_its_reason(client):
    digest = client.blobs.upload(b'{"text": ""}\n')
    source = client.sources.create(PROJECT, digest=digest, format=types.SourceFormat.JSONL)
    started = client.dataset_versions.create(f"{PROJECT}/datasets/tickets", sources=[source.name])
    with pytest.raises(OperationFailedError) as failed:
        client.dataset_versions.wait(started.name, timeout=120)
    assert failed.value.resource.state is types.DatasetVersionState.FAILED
    client.dataset_versions.delete(started.name)


def test_a_blob_comes_back_as_it_was(client, tmp_path):
    data = bytes(range(256)) * 40_000
    digest = client.blobs.upload(data)
    client.blobs.download_to(digest, tmp_path / "copy")
    assert (tmp_path / "copy").read_bytes() == data
    assert client.blobs.upload(data) == digest
    assert not client.blobs.exists("0" * 64)


def test_the_example_of_the_readme_runs(installation, monkeypatch, capsys):
    url, key = installation
    monkeypatch.setenv("RATOON_ENDPOINT", url)
    monkeypatch.setenv("RATOON_API_KEY", key)
    (example,) = re.findall(r"```python\n(.*?)```", README.read_text(), re.DOTALL)
    exec(compile(example, str(README), "exec"), {})
    printed = capsys.readouterr().out.splitlines()
    assert sorted(printed[:2]) == ["billing I was charged twice", "technical The app crashes"]
    assert printed[2].startswith("DATASET_NOT_FOUND")


def test_one_client_serves_several_threads(client, version):
    counts: list[int] = []
    threads = [
        threading.Thread(
            target=lambda: counts.append(len(list(client.records.list(version.name, page_size=5))))
        )
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert counts == [len(TEXTS)] * 4
