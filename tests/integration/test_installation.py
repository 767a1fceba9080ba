"""`ratoon up` on the database of this test run: state survives a restart, and an upgrade."""

import pytest

from ratoon.client import Ratoon
from ratoon.local.installation import Installation
from ratoon.runtime.services import service_names
from ratoon.storage.database import Database
from ratoon.storage.migrations import migrate
from ratoon.storage.revisions import head_of, revision_of
from ratoon.testkit.ports import free_ports


@pytest.fixture
def installation(tmp_path, databases, monkeypatch):
    """An installation whose databases are set by the environment, as an operator would do."""
    state = tmp_path / "state"
    for service in service_names():
        if url := databases.url(service, state):
            monkeypatch.setenv(f"RATOON_{service.upper()}_DATABASE_URL", url)
    installation = Installation(state)
    yield installation
    installation.down(keep_workers=False, say=print)


def test_an_installation_of_the_first_version_is_brought_up_to_date_and_keeps_its_state(installation):
    for service in service_names():
        migrate(service, installation.settings(service).database_url, "0001")
    for _ in range(2):
        installation.up(isolated=False, host="127.0.0.1", port=free_ports(2)[0], say=print)
        with Ratoon(state=installation.state) as client:
            created = client.projects.create(project_id="mail", labels=["ham", "spam"], request_id="once")
            assert created.name == "projects/mail"
            assert [project.name for project in client.projects.list()] == ["projects/mail"]
        installation.down(keep_workers=False, say=print)
    for service in service_names():
        database = Database(installation.settings(service).database_url)
        assert revision_of(database) == head_of(service)
        database.close()
