"""Stored bodies across releases: upgrades, unknown fields, newer versions, and two releases over one database."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

import pytest
from sqlalchemy import MetaData, event, text

from ratoon.process.errors import Aborted, DataLoss, described
from ratoon.storage import outbox
from ratoon.storage.bodies import BodyCodec, Unreadable
from ratoon.storage.database import Database
from ratoon.storage.paging import PageTokens
from ratoon.storage.store import Store, WrittenByANewerRelease, resource_table, unreadable_rows

NOW = datetime(2026, 6, 1, tzinfo=UTC)
NAME = "projects/p/runs/r1"


class State(StrEnum):
    READY = "READY"
    FAILED = "FAILED"


class NewerState(StrEnum):
    READY = "READY"
    FAILED = "FAILED"
    PAUSED = "PAUSED"


@dataclass(frozen=True)
class Stage:
    id: str
    message: str = ""


@dataclass(frozen=True)
class NewerStage:
    id: str
    message: str = ""
    attempt: int = 0


@dataclass(frozen=True)
class Config:
    rate: float = 0.1


@dataclass(frozen=True)
class NewerConfig:
    rate: float = 0.1
    warmup: int = 0


@dataclass(frozen=True)
class Run:
    """A kind as release N-1 knows it."""

    name: str
    create_time: datetime
    update_time: datetime
    colour: str = "green"
    state: State = State.READY
    config: Config = Config()
    stages: tuple[Stage, ...] = ()
    scores: Mapping[str, float] = field(default_factory=dict)
    revision: int = 0


@dataclass(frozen=True)
class NewerRun:
    """The same kind in release N: more fields in it and in its parts, one more state, and `colour` has a mirror."""

    name: str
    create_time: datetime
    update_time: datetime
    colour: str = "green"
    color: str = "unset"
    state: NewerState = NewerState.READY
    config: NewerConfig = NewerConfig()
    stages: tuple[NewerStage, ...] = ()
    scores: Mapping[str, float] = field(default_factory=dict)
    owner: str | None = None
    revision: int = 0


def copy_colour_v2(body: dict[str, Any]) -> dict[str, Any]:
    return body | {"color": body.get("colour", "green")}


@dataclass(frozen=True)
class Limits:
    start_s: float = 10.0
    room_s: float = 60.0


@dataclass(frozen=True)
class RenamedLimits:
    start_s: float = 10.0
    placement_timeout_s: float = 60.0


@dataclass(frozen=True)
class Rollout:
    """A kind as release N-1 knows it."""

    name: str
    create_time: datetime
    update_time: datetime
    apart: str = ""
    limits: Limits = Limits()
    revision: int = 0


@dataclass(frozen=True)
class RenamedRollout:
    """The same kind in release N, which renamed a field and one in a part, and added one."""

    name: str
    create_time: datetime
    update_time: datetime
    own_process: str = ""
    limits: RenamedLimits = RenamedLimits()
    owner: str = ""
    revision: int = 0


def rename_v2(body: dict[str, Any]) -> dict[str, Any]:
    limits = body.get("limits", {})
    renamed = limits | {"placement_timeout_s": limits.get("room_s", 60.0)}
    return body | {"own_process": body.get("apart", ""), "limits": renamed}


def mirror_v1(body: dict[str, Any]) -> dict[str, Any]:
    return {"apart": body["own_process"], "limits": {"room_s": body["limits"]["placement_timeout_s"]}}


class Releases:
    """Two releases over one database file."""

    def __init__(self, url: str) -> None:
        self.old, self.database = _store(url, Run)
        self.new, _ = _store(url, NewerRun, copy_colour_v2)

    def insert(self, body: str, name: str = NAME, revision: int = 1) -> None:
        with self.database.write() as connection:
            connection.execute(
                text(
                    "INSERT INTO runs (name, parent, create_time, revision, body) VALUES (:n, :p, :t, :r, :b)"
                ),
                {"n": name, "p": "projects/p", "t": NOW.isoformat(), "r": revision, "b": body},
            )

    def body(self, name: str = NAME) -> dict[str, Any]:
        with self.database.read() as connection:
            return json.loads(
                connection.execute(text("SELECT body FROM runs WHERE name = :n"), {"n": name}).scalar_one()
            )


def _store(url: str, kind: type, *upgrades, mirror=None) -> tuple[Store, Database]:
    metadata = MetaData()
    table = resource_table(metadata, "runs", upgrades, mirror)
    database = Database(url)
    with database.write() as connection:
        metadata.create_all(connection)
    return Store(database, {kind: table}, lambda *_: None, outbox.append, PageTokens(b"s")), database


def get(store: Store, kind: type, name: str = NAME) -> Any:
    with store.read() as tx:
        return tx.get(kind, name)


def save(store: Store, resource: Any) -> Any:
    with store.write() as tx:
        return tx.save(resource)


def create(store: Store, kind: type, name: str = NAME, **values: object) -> Any:
    with store.write() as tx:
        return tx.create(kind(name, NOW, NOW, **values))[0]


@pytest.fixture
def releases(tmp_path):
    releases = Releases(f"sqlite:///{tmp_path / 'runs.db'}")
    yield releases
    for store in (releases.old, releases.new):
        store.database.close()


UNVERSIONED = (
    '{"name":"projects/p/runs/r1","create_time":"2026-06-01T00:00:00Z","update_time":"2026-06-01T00:00:00Z",'
    '"colour":"red","state":"FAILED","config":{"rate":0.5},"stages":[{"id":"train","message":"lost"}],'
    '"scores":{"f1":0.75},"revision":1}'
)
"""A row of the releases before bodies had versions."""


def test_a_row_without_a_version_is_version_one(releases):
    releases.insert(UNVERSIONED)
    run = get(releases.old, Run)
    assert run == Run(
        NAME, NOW, NOW, "red", State.FAILED, Config(0.5), (Stage("train", "lost"),), {"f1": 0.75}, 1
    )
    save(releases.old, replace(run, colour="blue"))
    changed = {"schema_version": 1, "colour": "blue", "revision": 2}
    body = releases.body()
    assert body.pop("update_time") > "2026-06-01"
    assert body == {k: v for k, v in json.loads(UNVERSIONED).items() if k != "update_time"} | changed


def test_a_row_without_a_version_is_upgraded_when_it_is_read_and_stored_so_by_the_next_save(releases):
    releases.insert(UNVERSIONED)
    run = get(releases.new, NewerRun)
    assert (run.color, run.stages) == ("red", (NewerStage("train", "lost"),))
    assert "color" not in releases.body()
    save(releases.new, run)
    assert (releases.body()["color"], releases.body()["schema_version"]) == ("red", 2)


def test_steps_run_in_order_from_the_version_of_the_body():
    codec = BodyCodec(
        Run, [lambda b: b | {"colour": b["colour"] + "2"}, lambda b: b | {"colour": b["colour"] + "3"}]
    )
    whole = json.loads(UNVERSIONED)
    read = [codec.load(json.dumps(whole | version)).colour for version in ({}, {"schema_version": 2})]
    assert (codec.version, read) == (3, ["red23", "red3"])
    assert codec.load(codec.dump(Run(NAME, NOW, NOW))).colour == "green"


def test_two_releases_save_one_resource_alternately_and_neither_loses_a_field(releases):
    create(
        releases.new,
        NewerRun,
        color="mauve",
        owner="ada",
        config=NewerConfig(0.1, 7),
        stages=(NewerStage("train", "", 3), NewerStage("gate", "", 5)),
    )
    states = []
    for number in range(3):
        old = save(releases.old, replace(get(releases.old, Run), colour=f"old{number}"))
        assert releases.body()["schema_version"] == 2
        new = get(releases.new, NewerRun)
        states.append((new.colour, new.color, new.owner, new.config, [each.attempt for each in new.stages]))
        assert new.revision == old.revision
        save(releases.new, replace(new, color=f"new{number}"))
    assert states == [
        (f"old{number}", color, "ada", NewerConfig(0.1, 7), [3, 5])
        for number, color in enumerate(["mauve", "new0", "new1"])
    ]


def test_two_releases_change_a_renamed_field_alternately(tmp_path):
    url = f"sqlite:///{tmp_path / 'runs.db'}"
    (old, _), (new, _) = _store(url, Rollout), _store(url, RenamedRollout, rename_v2, mirror=mirror_v1)
    create(new, RenamedRollout, own_process="green", limits=RenamedLimits(5.0, 30.0), owner="ada")
    for engine, seconds in (("blue", 20.0), ("", 10.0)):
        before = get(old, Rollout)
        save(old, replace(before, apart=engine, limits=replace(before.limits, room_s=seconds)))
        read = get(new, RenamedRollout)
        assert (read.own_process, read.limits, read.owner) == (engine, RenamedLimits(5.0, seconds), "ada")
        save(new, replace(read, own_process="green", limits=replace(read.limits, placement_timeout_s=30.0)))
        read = get(old, Rollout)
        assert (read.apart, read.limits) == ("green", Limits(5.0, 30.0))
    save(old, get(old, Rollout))
    assert get(new, RenamedRollout).own_process == "green"


def test_unknown_fields_are_kept_beside_a_mirror():
    codec = BodyCodec(RenamedRollout, [rename_v2], mirror_v1)
    body = json.loads(codec.dump(RenamedRollout(NAME, NOW, NOW, "green")))
    read = codec.load(json.dumps(body | {"later": 1, "schema_version": 3}))
    assert json.loads(codec.dump(replace(read, own_process="blue"))) == body | {
        "own_process": "blue",
        "apart": "blue",
        "later": 1,
        "schema_version": 3,
    }


def test_saves_in_a_row_and_an_object_that_is_built_again_keep_unknown_fields(releases):
    create(releases.new, NewerRun, owner="ada")
    first = save(releases.old, replace(get(releases.old, Run), colour="red"))
    second = save(releases.old, replace(first, colour="blue"))
    save(releases.old, Run(NAME, NOW, NOW, "black", revision=second.revision))
    new = get(releases.new, NewerRun)
    assert (new.owner, new.colour, new.revision) == ("ada", "black", 4)


def test_a_stale_revision_never_wins_over_a_newer_body(releases):
    stale = create(releases.new, NewerRun, owner="ada")
    old = get(releases.old, Run)
    save(releases.new, replace(stale, owner="bob"))
    with pytest.raises(Aborted):
        save(releases.old, replace(old, colour="red"))
    assert releases.body()["owner"] == "bob"


def test_rows_survive_a_rollback_and_the_next_upgrade(releases):
    create(releases.new, NewerRun, color="mauve", owner="ada")
    save(releases.old, replace(get(releases.old, Run), colour="red"))
    create(releases.old, Run, "projects/p/runs/r2", colour="blue")
    with releases.old.read() as tx:
        assert [each.colour for each in tx.all(Run, "projects/p")] == ["red", "blue"]
    with releases.new.read() as tx:
        runs = tx.all(NewerRun, "projects/p")
    assert [(each.color, each.owner) for each in runs] == [("mauve", "ada"), ("blue", None)]


def test_items_keep_their_unknown_fields_when_others_come_move_change_or_go(releases):
    stages = [NewerStage(name, "", number) for number, name in enumerate("abcd", 1)]
    create(releases.new, NewerRun, stages=(*stages, NewerStage("twin", "", 8), NewerStage("twin", "", 9)))
    old = get(releases.old, Run)
    _, b, c, d, *twins = old.stages
    save(releases.old, replace(old, stages=(d, Stage("e"), replace(b, message="changed"), c, *twins)))
    stages = [(each.id, each.message, each.attempt) for each in get(releases.new, NewerRun).stages]
    assert stages == [
        ("d", "", 4),
        ("e", "", 0),
        ("b", "changed", 2),
        ("c", "", 3),
        ("twin", "", 8),
        ("twin", "", 9),
    ]


def test_a_key_that_the_older_release_removes_from_a_mapping_stays_removed(releases):
    create(releases.new, NewerRun, owner="ada", scores={"f1": 0.5, "recall": 0.25})
    save(releases.old, replace(get(releases.old, Run), scores={"f1": 0.75}))
    assert get(releases.new, NewerRun).scores == {"f1": 0.75}


def test_unknown_fields_of_the_same_version_are_kept(releases):
    unknown = {"later": {"a": [1, None]}, "config": {"rate": 0.5, "deep": 1e-9}}
    releases.insert(json.dumps(json.loads(UNVERSIONED) | unknown))
    save(releases.old, replace(get(releases.old, Run), colour="blue"))
    body = releases.body()
    assert (body["schema_version"], body["colour"]) == (1, "blue")
    assert {key: body[key] for key in unknown} == unknown


def test_a_newer_version_without_unknown_fields_keeps_its_number(releases):
    releases.insert('{"schema_version":7,' + UNVERSIONED[1:])
    save(releases.old, get(releases.old, Run))
    assert releases.body()["schema_version"] == 7


def test_a_value_that_only_a_newer_release_knows_is_refused_on_its_row_alone(releases):
    create(releases.new, NewerRun, state=NewerState.PAUSED)
    create(releases.new, NewerRun, "projects/p/runs/r2")
    before = releases.body()
    with pytest.raises(
        WrittenByANewerRelease, match=r"r1 was written by a newer release.* state \(enum\)"
    ) as error:
        get(releases.old, Run)
    description = described(error.value)
    assert (description.code, description.reason) == ("FAILED_PRECONDITION", "WRITTEN_BY_A_NEWER_RELEASE")
    with releases.old.read() as tx:
        assert [each.name for each in tx.all(Run, "projects/p")] == ["projects/p/runs/r2"]
        assert [each.name for each in tx.page(Run, "projects/p").items] == ["projects/p/runs/r2"]
        assert tx.find_readable(Run, NAME) is None
    assert releases.body() == before
    assert get(releases.new, NewerRun).state is NewerState.PAUSED


@pytest.mark.parametrize(
    ("change", "is_newer"),
    [
        ({"state": "PAUSED"}, True),
        ({"state": "PAUSED", "colour": 3}, False),
        ({"colour": None}, False),
        ({"schema_version": 2, "colour": None}, True),
        ({"schema_version": "2"}, False),
        ({"schema_version": 0}, False),
        ({"schema_version": True}, False),
    ],
)
def test_damage_is_not_taken_for_a_newer_release(change, is_newer):
    with pytest.raises(Unreadable) as error:
        BodyCodec(Run).load(json.dumps(json.loads(UNVERSIONED) | change))
    assert error.value.is_newer is is_newer


@pytest.mark.parametrize("body", ["", "{", "[]", "null", '{"schema_version":1,', '{"schema_version":1,}'])
def test_a_body_that_is_no_document_is_unreadable(body):
    with pytest.raises(Unreadable, match="the whole"):
        BodyCodec(Run).load(body)


def test_a_row_that_a_step_cannot_upgrade_is_named_and_hides_no_other(tmp_path):
    store, database = _store(
        f"sqlite:///{tmp_path / 'runs.db'}", Run, lambda body: body | {"colour": body["paint"]}
    )
    releases = Releases(f"sqlite:///{tmp_path / 'runs.db'}")
    releases.insert(UNVERSIONED)
    create(store, Run, "projects/p/runs/r2")
    with store.read() as tx:
        assert [each.name for each in tx.all(Run, "projects/p")] == ["projects/p/runs/r2"]
        faults = list(unreadable_rows(tx.connection, {Run: store._kinds[Run][0]}))
    assert faults == [(NAME, "the upgrade to version 2 (KeyError)")]
    with pytest.raises(DataLoss, match="upgrade to version 2") as error:
        get(store, Run)
    assert error.value.reason == "UNREADABLE_RESOURCE"
    database.close()


class BadRate(Exception):
    """An error of a domain."""


@dataclass(frozen=True)
class CheckedConfig:
    rate: float = 0.1

    def __post_init__(self) -> None:
        if self.rate > 1:
            raise BadRate("rate")


@dataclass(frozen=True)
class CheckedRun(Run):
    config: CheckedConfig = CheckedConfig()  # type: ignore[assignment]


def test_a_row_that_the_checks_of_its_kind_refuse_hides_no_other(releases, tmp_path):
    create(releases.old, Run, config=Config(2.0))
    create(releases.old, Run, "projects/p/runs/r2")
    store, database = _store(f"sqlite:///{tmp_path / 'runs.db'}", CheckedRun)
    with store.read() as tx:
        assert [each.name for each in tx.all(CheckedRun, "projects/p")] == ["projects/p/runs/r2"]
    with pytest.raises(DataLoss, match=r"the whole \(BadRate\)"):
        get(store, CheckedRun)
    database.close()


def test_keeping_unknown_fields_needs_no_further_query(releases):
    create(releases.new, NewerRun, owner="ada")
    statements = []
    event.listen(
        releases.database.engine, "before_cursor_execute", lambda *arguments: statements.append(arguments[2])
    )
    with releases.old.write() as tx:
        tx.save(replace(tx.get(Run, NAME), colour="red"))
    assert [each.split()[0] for each in statements if not each.startswith("BEGIN")] == ["SELECT", "UPDATE"]
    assert releases.body()["owner"] == "ada"


def test_a_kind_with_a_field_of_that_name_is_refused():
    @dataclass(frozen=True)
    class Bad:
        schema_version: int

    with pytest.raises(ValueError, match=r"Bad\.schema_version"):
        BodyCodec(Bad)
