"""An installation that serves, backed up while it does, restored elsewhere: it serves there, too."""

import time
from contextlib import contextmanager
from io import BytesIO

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ratoon.client import Ratoon, RatoonError
from ratoon.client.types import RolloutBake
from ratoon.local.backup import back_up, restore
from ratoon.local.installation import Installation
from ratoon.runtime.services import service_names
from ratoon.storage.artifacts import ArtifactStore
from ratoon.testkit.models import CORPUS, tiny_llama
from ratoon.testkit.ports import free_ports

pytestmark = [pytest.mark.engine, pytest.mark.thorough, pytest.mark.timeout(900)]


@contextmanager
def running(state):
    installation = Installation(state)
    try:
        installation.up(isolated=False, host="127.0.0.1", port=free_ports(2)[0], say=print)
        yield installation, Ratoon(state=state)
    finally:
        installation.down(keep_workers=False, say=print)


def served(client, artifacts, folder):
    """A tiny model as version v1.0 of a deployment, by the public API."""
    texts = BytesIO()
    pq.write_table(pa.table({"text": list(CORPUS)}), texts)
    client.projects.create(project_id="mail", labels=["ham", "spam"], display_name="Mail")
    client.models.create("projects/mail", model_id="mail", display_name="Mail")
    version = client.model_versions.create(
        "projects/mail/models/mail",
        artifact_digest=artifacts.put_tree(tiny_llama(folder, answer="spam")),
        golden_source_digest=client.blobs.upload(texts.getvalue()),
    )
    assert client.model_versions.wait(version.name).state == "STATE_READY"
    client.deployments.create("projects/mail", deployment_id="mail", model="projects/mail/models/mail")
    rollout = client.rollouts.create(
        "projects/mail/deployments/mail", to_version=version.name, bake=RolloutBake(seconds=2)
    )
    assert client.rollouts.wait(rollout.name).state == "STATE_SUCCEEDED"


def answer(client, within_s=180.0):
    """Wait for the deployment's answer and return it."""
    until = time.monotonic() + within_s
    while True:
        try:
            return client.chat.completions.create("mail/mail", "You have won a free prize", temperature=0)
        except RatoonError:
            if time.monotonic() > until:
                raise
            time.sleep(0.5)


def test_a_restored_installation_serves_as_the_old_one_did(tmp_path):
    with running(tmp_path / "old") as (old, client):
        served(client, ArtifactStore(str(old.state / "artifacts")), tmp_path / "model")
        before = answer(client)
        back_up(old.state, [old.settings(service) for service in service_names()], tmp_path / "backup")
    restore(tmp_path / "backup", tmp_path / "new" / "state")
    with running(tmp_path / "new" / "state") as (_, client):
        after = answer(client)
        history = list(client.alias_changes.list("projects/mail/models/mail"))
    assert (after.text, after.version) == (before.text, before.version) == ("spam", before.version)
    assert len(history) == 1
