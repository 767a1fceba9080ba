"""Faults of an installation are found, with a remedy; a sound one passes, and stays untouched."""

import json
import os
import socket
import sqlite3
import subprocess
from contextlib import closing
from dataclasses import asdict
from datetime import UTC, datetime, timedelta

import pytest
from typer.testing import CliRunner

from ratoon.cli import app
from ratoon.events.cloudevents import Event
from ratoon.events.dead_letters import dead_letter
from ratoon.events.embedded import EmbeddedLog
from ratoon.events.ports import Delivery, Partition, Topic, with_dead_letters
from ratoon.local.doctor import Severity, contents, examine
from ratoon.local.installation import Installation
from ratoon.process.clock import SystemClock
from ratoon.process.identity import ProcessIdentity
from ratoon.runtime.services import service_names
from ratoon.runtime.settings import run_folder
from ratoon.security.identity import make_keys
from ratoon.storage import outbox
from ratoon.storage.artifacts import ArtifactStore
from ratoon.storage.database import Database
from ratoon.storage.migrations import migrate_down
from ratoon.testkit.migrated import migrate_all

TOPIC = "ratoon.registry.v1.model-versions"


@pytest.fixture
def installation(tmp_path):
    installation = Installation(tmp_path / "state")
    make_keys(installation.state / "keys", service_names())
    run_folder(installation.state).mkdir(parents=True, mode=0o700)
    installation.state.chmod(0o700)
    (installation.state / "keys").chmod(0o700)
    migrate_all(installation.settings(service) for service in service_names())
    (installation.state / "run" / "gateway.url").write_text("http://127.0.0.1:9")
    return installation


def messages(installation, check, severity, **how):
    """Return the messages of one check; no other check finds a fault."""
    findings = examine(installation, **how)
    assert {f.check for f in findings if f.severity is Severity.FAULT} <= {check}
    matching = [f for f in findings if f.check == check and f.severity is severity]
    assert all(f.remedy for f in matching)
    return " ".join(f.message for f in matching)


def database(installation, service="registry"):
    return closing(Database(installation.settings(service).database_url))


def test_one_that_is_well_and_does_not_run_has_no_fault_and_is_not_touched(installation):
    before = sorted(installation.state.rglob("*"))
    findings = examine(installation, thorough=True)
    assert [f.message for f in findings if f.severity is not Severity.OK] == ["Ratoon is not running."]
    assert [path for path in sorted(installation.state.rglob("*")) if path.suffix != ".db-shm"] == [
        path for path in before if path.suffix != ".db-shm"
    ]


def test_a_folder_without_an_installation(tmp_path):
    [finding] = examine(Installation(tmp_path / "nothing"))
    assert finding.severity is Severity.FAULT


def test_a_key_that_others_can_read(installation):
    (installation.state / "keys" / "registry.key").chmod(0o644)
    assert "registry.key can be read by others" in messages(installation, "keys", Severity.FAULT)


def test_a_public_key_that_is_not_the_services(installation):
    path = installation.state / "keys" / "public.json"
    halves = json.loads(path.read_text())
    path.write_text(json.dumps({**halves, "registry": halves["serving"]}))
    assert "public key of registry" in messages(installation, "keys", Severity.FAULT)


def test_a_database_that_is_missing(installation):
    path = installation.state / "labeling" / "labeling.db"
    path.unlink()
    assert "labeling does not exist" in messages(installation, "databases", Severity.FAULT)
    assert not path.exists()


def test_a_database_of_an_older_and_one_of_a_newer_version(installation):
    migrate_down("serving", installation.settings("serving").database_url, "base")
    with database(installation) as registry, registry.write() as connection:
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = '9999'")
    message = messages(installation, "databases", Severity.FAULT)
    assert "serving is at revision none" in message
    assert "9999, of a newer version" in message


def test_a_damaged_database_and_a_damaged_log(installation):
    (installation.state / "events").mkdir()
    for path in ("registry/registry.db", "events/events.sqlite"):
        (installation.state / path).write_bytes(b"this is no database" * 1000)
    findings = [f.message for f in examine(installation) if f.severity is Severity.FAULT]
    assert any("registry.db is damaged" in message for message in findings)
    assert any("events.sqlite is damaged" in message for message in findings)


def test_events_that_wait_and_events_that_could_not_be_handled(installation):
    event = Event(TOPIC, "t.Happened", "registry", "projects/p", datetime.now(UTC), b"")
    with database(installation) as registry, registry.write() as connection:
        outbox.append(connection, event.record())
    log = EmbeddedLog(installation.state / "events", SystemClock())
    log.create_topics(with_dead_letters([Topic(TOPIC)]))
    parked = Delivery(Partition(TOPIC, 0), 0, datetime.now(UTC), event.record())
    log.append([dead_letter(parked, "flywheel", ValueError("no"), 5, datetime.now(UTC))])
    log.close()
    message = messages(installation, "events", Severity.WARNING)
    assert "1 events of registry have not reached the log" in message
    assert "could not be handled by flywheel (ValueError)" in message


def test_captured_traffic_that_could_not_be_read(installation):
    with database(installation, "flywheel") as flywheel, flywheel.write() as connection:
        columns = "project, segment, answer_id, content_digest, presence"
        for presence in ("UNREADABLE", "CONTEXT"):
            connection.exec_driver_sql(
                f"INSERT INTO noted_texts ({columns}) VALUES ('projects/p', 's', '', '', '{presence}')"
            )
    message = messages(installation, "traffic", Severity.WARNING)
    assert message.startswith("Rows of 1 segment of captured traffic could not be read")


def test_captured_traffic_that_flywheel_refuses(installation):
    spool = installation.state / "gateway" / "segments"
    spool.mkdir(parents=True, exist_ok=True)
    (spool / "01a2.refused").write_text("{}")
    message = messages(installation, "traffic", Severity.WARNING)
    assert message.startswith(
        "1 segment of captured traffic could not be delivered to flywheel (oldest: 01a2)"
    )


def test_an_event_that_waits_too_long_is_named_while_the_platform_runs(installation):
    old = datetime.now(UTC) - timedelta(minutes=5)
    event = Event(TOPIC, "t.Happened", "registry", "projects/p", old, b"x" * 5000)
    with database(installation) as registry, registry.write() as connection:
        outbox.append(connection, event.record())
    trouble = contents._late(installation.settings("registry"))
    assert all(word in trouble.message for word in (event.id, TOPIC, "bytes", "has waited for 30"))
    assert "max.message.bytes" in trouble.remedy
    assert contents._late(installation.settings("flywheel")) is None


def test_a_resource_that_cannot_be_read(installation):
    """A row as a release before this one could write it: a number that is none."""
    with database(installation) as registry, registry.write() as connection:
        connection.exec_driver_sql(
            "INSERT INTO models (name, parent, create_time, revision, body) VALUES "
            "('projects/p/models/m', 'projects/p', '2026-06-01', 1, '{\"name\": \"projects/p/models/m\"}')"
        )
    message = messages(installation, "resources", Severity.FAULT)
    assert "projects/p/models/m cannot be read: create_time (missing)" in message


def test_a_port_that_is_taken(installation):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        (installation.state / "run" / "gateway.url").write_text(f"http://127.0.0.1:{port}")
        assert f"Port {port} on 127.0.0.1 is taken" in messages(installation, "ports", Severity.WARNING)


def test_an_engine_without_an_owner_and_one_that_is_not_restarted(installation):
    engines = installation.state / "serving" / "engines"
    with subprocess.Popen(["sleep", "60"]) as process:
        for name in ("stray", "gone"):
            (engines / name).mkdir(parents=True)
        mark = ProcessIdentity.of(process.pid)
        (engines / "stray" / "process.json").write_text(json.dumps(asdict(mark)))
        (engines / "gone" / "engine.json").write_text("{}")
        assert "stray" in messages(installation, "workers", Severity.FAULT)
        assert "gone" in messages(installation, "workers", Severity.WARNING)
        process.kill()


def test_processes_of_which_one_has_ended(installation):
    for name, pid in (("control", os.getpid()), ("gateway", 2**22 + 1)):
        folder = installation.state / "run" / "processes" / name
        folder.mkdir(parents=True)
        (folder / "process.json").write_text(json.dumps(asdict(ProcessIdentity.of(pid))))
    message = messages(installation, "processes", Severity.FAULT)
    assert "The process gateway has exited" in message
    assert "registry is not ready" in message


def test_a_clock_that_was_set_back(installation):
    later = (datetime.now(UTC) + timedelta(days=1)).isoformat()
    with database(installation) as registry, registry.write() as connection:
        columns = "name, parent, create_time, revision, body"
        body = json.dumps({"name": "m", "create_time": later, "update_time": later})
        connection.exec_driver_sql(f"INSERT INTO models ({columns}) VALUES ('m', '', '{later}', 1, '{body}')")
    assert "set back" in messages(installation, "clock", Severity.WARNING)


def test_a_damaged_artifact_is_found_by_a_thorough_check(installation):
    store = ArtifactStore(str(installation.state / "artifacts"))
    digest = store.put_bytes(b"weights")
    (store.folder / "sha256" / digest[:2] / digest).write_bytes(b"weighty")
    assert digest in messages(installation, "artifacts", Severity.FAULT, thorough=True)


def test_the_command_ends_with_status_1_on_a_fault_alone(installation):
    command = ["doctor", "--state", str(installation.state), "--output", "json"]
    well = CliRunner().invoke(app, command)
    assert (well.exit_code, {row["severity"] for row in json.loads(well.stdout)}) == (0, {"ok", "warning"})
    with closing(sqlite3.connect(installation.state / "registry" / "registry.db")) as connection:
        connection.execute("DROP TABLE alembic_version")
    assert CliRunner().invoke(app, command).exit_code == 1
