"""A disk that is full, read-only, slow, or that damages what lies on it: named, survived, and gone on from."""

import os
import shutil
import sqlite3
import subprocess
from contextlib import closing
from pathlib import Path

import pytest

from ratoon.chassis.errors import described
from ratoon.testkit.waiting import until

from . import mounts
from .house import TEXTS, House, refused

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
    house = House(tmp_path / "small" / "state")
    try:
        house.up()
        house.project("p")
        source = house.source("p")
        building = house.dataset("p", source["name"])
        filler = mounts.fill(tmp_path / "small")
        kept, told = ["p"], None
        for number in range(200):
            try:
                house.project(f"more-{number}")
            except Exception as error:
                told = error
                break
            kept.append(f"more-{number}")
        assert (told.status, told.reason) == (503, "DISK_FULL")
        assert "free some" in str(told)
        assert {each["name"] for each in house.client.list("projects")} >= {
            f"projects/{name}" for name in kept
        }
        filler.unlink()
        assert house.end(building)["state"] == "STATE_READY"
        until(lambda: house.project("after"), 30)
        house.down()
        house.up()
        names = {each["name"] for each in house.client.list("projects")}
        assert names == {f"projects/{name}" for name in [*kept, "after"]}
        house.down()
    finally:
        house.census.sweep()


def test_a_read_only_folder(house):
    mounts.private()
    house.up()
    house.project("p")
    source = house.source("p")
    artifacts = house.state / "artifacts"
    mounts.read_only(artifacts)
    building = house.dataset("p", source["name"])
    told = refused(lambda: house.client.upload(b"something new"))
    assert (told.status, told.reason) == (503, "DISK_READ_ONLY")
    assert "mount it writable" in str(told)
    folder = until(lambda: next((house.state / "ingestion").glob("jobs/*/log.txt"), None), 30)
    until(lambda: "Read-only file system" in folder.read_text(), 60)
    assert house.client.get(building)["state"] in ("STATE_QUEUED", "STATE_RUNNING")
    mounts.writable(artifacts)
    assert house.end(building)["state"] == "STATE_READY"
    assert house.client.download(house.client.upload(b"something new")) == b"something new"
    house.down()


def test_a_slow_disk(house, tmp_path, monkeypatch):
    if shutil.which("cc") is None:
        pytest.skip("a C compiler makes the disk slow: apt-get install gcc")
    (tmp_path / "slow.c").write_text(SLOW_C)
    library = tmp_path / "slow.so"
    subprocess.run(["cc", "-shared", "-fPIC", "-o", library, tmp_path / "slow.c", "-ldl"], check=True)
    delay = tmp_path / "delay"
    delay.write_text("0")
    monkeypatch.setenv("LD_PRELOAD", str(library))
    monkeypatch.setenv("SLOW_DISK", str(delay))
    house.up()
    delay.write_text("400")
    house.project("p")
    source = house.source("p")
    building = house.dataset("p", source["name"])
    names = [house.project(f"more-{number}")["name"] for number in range(5)]
    assert {each["name"] for each in house.client.list("projects")} == {"projects/p", *names}
    assert house.end(building)["state"] == "STATE_READY"
    delay.write_text("0")
    house.down()


@pytest.mark.parametrize("damage", ["truncated", "corrupt"])
def test_a_damaged_artifact(house, damage):
    house.up()
    house.project("p")
    source = house.source("p")
    digest = house.client.get(source["name"])["digest"]
    blob = house.state / "artifacts" / "sha256" / digest[:2] / digest
    whole = blob.read_bytes()
    blob.write_bytes(whole[: len(whole) // 2] if damage == "truncated" else whole[:-9] + b"!" + whole[-8:])
    failed = house.end(house.dataset("p", source["name"]))
    assert (failed["state"], failed["failure"]["reason"]) == ("STATE_FAILED", "ARTIFACT_DAMAGED")
    assert digest in failed["failure"]["message"]
    assert refused(lambda: house.client.download(digest)).reason == "ARTIFACT_NOT_FOUND"
    assert house.client.upload(whole) == digest
    assert blob.read_bytes() == whole
    again = house.end(house.dataset("p", source["name"], "again"))
    assert (again["state"], int(again["recordCount"])) == ("STATE_READY", len(TEXTS))
    house.down()


@pytest.mark.parametrize("damage", ["a page", "the header"])
def test_a_damaged_database(house, damage):
    house.up()
    house.project("p")
    house.source("p")
    house.down()
    path = house.state / "ingestion" / "ingestion.db"
    backup = Path(f"{path}.backup")
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    shutil.copyfile(path, backup)
    with path.open("r+b") as file:
        file.seek(0 if damage == "the header" else 2 * 4096)
        file.write(os.urandom(4096))
    with pytest.raises(Exception, match=r"ingestion\.db\) is damaged") as told:
        house.up()
    assert described(told.value).reason == "DATABASE_DAMAGED"
    assert not house.installation.processes.running()
    for left in path.parent.glob("ingestion.db-*"):
        left.unlink()
    shutil.copyfile(backup, path)
    house.up()
    assert [each["name"] for each in house.client.list("projects/p/sources")] == ["projects/p/sources/texts"]
    house.down()
