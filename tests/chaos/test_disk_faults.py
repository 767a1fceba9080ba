"""A disk that is full, read-only, slow, or that damages what lies on it: named, survived, and gone on from."""

import os
import shutil
import sqlite3
import subprocess
from contextlib import closing
from pathlib import Path

import pytest

from ratoon.process.errors import described
from ratoon.testkit.waiting import until

from . import mounts
from .stack import TEXTS, Stack, refused

pytestmark = pytest.mark.timeout(300)
SLOW_C = """
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
static void wait_a_while(void) {
    long milliseconds = 0;
    FILE *file = fopen(getenv("SLOW_DISK"), "r");
    if (file) { if (fscanf(file, "%ld", &milliseconds) != 1) milliseconds = 0; fclose(file); }
    usleep(milliseconds * 1000);
}
int fsync(int fd) { wait_a_while(); return ((int (*)(int))dlsym(RTLD_NEXT, "fsync"))(fd); }
int fdatasync(int fd) { wait_a_while(); return ((int (*)(int))dlsym(RTLD_NEXT, "fdatasync"))(fd); }
"""


def test_a_full_disk(tmp_path):
    mounts.private()
    mounts.tmpfs(tmp_path / "small", 160)
    stack = Stack(tmp_path / "small" / "state")
    try:
        stack.up()
        stack.project("p")
        source = stack.source("p")
        building = stack.dataset("p", source.name)
        filler = mounts.fill(tmp_path / "small")
        created, refusal = ["p"], None
        for number in range(200):
            try:
                stack.project(f"more-{number}")
            except Exception as error:
                refusal = error
                break
            created.append(f"more-{number}")
        assert (refusal.status_code, refusal.reason) == (503, "DISK_FULL")
        assert "free some" in str(refusal)
        assert {each.name for each in stack.client.projects.list()} >= {
            f"projects/{name}" for name in created
        }
        filler.unlink()
        assert stack.end(building).state == "STATE_READY"
        until(lambda: stack.project("after"), 30)
        stack.down()
        stack.up()
        names = {each.name for each in stack.client.projects.list()}
        assert names == {f"projects/{name}" for name in [*created, "after"]}
        stack.down()
    finally:
        stack.census.kill_all()


def test_a_read_only_folder(stack):
    mounts.private()
    stack.up()
    stack.project("p")
    source = stack.source("p")
    artifacts = stack.state / "artifacts"
    mounts.read_only(artifacts)
    building = stack.dataset("p", source.name)
    refusal = refused(lambda: stack.client.blobs.upload(b"something new"))
    assert (refusal.status_code, refusal.reason) == (503, "DISK_READ_ONLY")
    assert "mount it writable" in str(refusal)
    folder = until(lambda: next((stack.state / "ingestion").glob("jobs/*/log.txt"), None), 30)
    until(lambda: "Read-only file system" in folder.read_text(), 60)
    assert stack.client.dataset_versions.get(building).state in ("STATE_QUEUED", "STATE_RUNNING")
    mounts.writable(artifacts)
    assert stack.end(building).state == "STATE_READY"
    blobs = stack.client.blobs
    assert blobs.download(blobs.upload(b"something new")) == b"something new"
    stack.down()


def test_a_slow_disk(stack, tmp_path, monkeypatch):
    if shutil.which("cc") is None:
        pytest.skip("a C compiler makes the disk slow: apt-get install gcc")
    (tmp_path / "slow.c").write_text(SLOW_C)
    library = tmp_path / "slow.so"
    subprocess.run(["cc", "-shared", "-fPIC", "-o", library, tmp_path / "slow.c", "-ldl"], check=True)
    delay = tmp_path / "delay"
    delay.write_text("0")
    monkeypatch.setenv("LD_PRELOAD", str(library))
    monkeypatch.setenv("SLOW_DISK", str(delay))
    stack.up()
    delay.write_text("400")
    stack.project("p")
    source = stack.source("p")
    building = stack.dataset("p", source.name)
    names = [stack.project(f"more-{number}").name for number in range(5)]
    assert {each.name for each in stack.client.projects.list()} == {"projects/p", *names}
    assert stack.end(building).state == "STATE_READY"
    delay.write_text("0")
    stack.down()


def test_a_damaged_artifact(stack):
    stack.up()
    stack.project("p")
    source = stack.source("p")
    digest = stack.client.sources.get(source.name).digest
    blob = stack.state / "artifacts" / "sha256" / digest[:2] / digest
    whole = blob.read_bytes()
    for damage, damaged in {
        "truncated": whole[: len(whole) // 2],
        "corrupt": whole[:-9] + b"!" + whole[-8:],
    }.items():
        blob.write_bytes(damaged)
        failed = stack.end(stack.dataset("p", source.name, damage))
        assert (failed.state, failed.failure.reason) == ("STATE_FAILED", "ARTIFACT_DAMAGED"), damage
        assert digest in failed.failure.message
        assert refused(lambda: stack.client.blobs.download(digest)).reason == "ARTIFACT_NOT_FOUND"
        assert stack.client.blobs.upload(whole) == digest
        assert blob.read_bytes() == whole
        again = stack.end(stack.dataset("p", source.name, f"after-{damage}"))
        assert (again.state, again.record_count) == ("STATE_READY", len(TEXTS)), damage
    stack.down()


def test_a_damaged_database(stack):
    stack.up()
    stack.project("p")
    stack.source("p")
    stack.down()
    path = stack.state / "ingestion" / "ingestion.db"
    backup = Path(f"{path}.backup")
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    shutil.copyfile(path, backup)
    for damaged_page in (2, 0):  # a page of a table, the header
        with path.open("r+b") as file:
            file.seek(damaged_page * 4096)
            file.write(os.urandom(4096))
        with pytest.raises(Exception, match=r"ingestion\.db\) is damaged") as error:
            stack.up()
        assert described(error.value).reason == "DATABASE_DAMAGED", damaged_page
        assert not stack.installation.processes.running()
        for left in path.parent.glob("ingestion.db-*"):
            left.unlink()
        shutil.copyfile(backup, path)
    stack.up()
    assert [each.name for each in stack.client.sources.list("projects/p")] == ["projects/p/sources/texts"]
    stack.down()
