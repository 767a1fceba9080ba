"""Metrics of serving: they count live engines, and read none that ended."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest
from sqlalchemy import event

from ratoon.storage import outbox
from ratoon.storage.database import Database
from ratoon.storage.migrations import migrate
from ratoon.storage.paging import PageTokens
from ratoon.storage.store import Store
from ratoon_serving import mapping
from ratoon_serving.adapters import tables
from ratoon_serving.adapters.metrics import engine_metrics
from ratoon_serving.domain.engine import Engine, EngineState

DEPLOYMENT, VERSION = "projects/p/deployments/mail", "projects/p/models/mail/versions/v1.0"
NOW = datetime(2026, 6, 1, tzinfo=UTC)


@pytest.fixture
def store(tmp_path, databases):
    url = databases.url("serving", tmp_path) or f"sqlite:///{tmp_path}/serving.db"
    migrate("serving", url)
    database = Database(url)
    yield Store(database, tables.RESOURCES, mapping.event, outbox.append, PageTokens(b"secret"))
    database.close()


def engine(number: int, state: EngineState) -> Engine:
    created = Engine(f"{DEPLOYMENT}/engines/e{number}", NOW, NOW, 0, VERSION, "", "", "", "mail")
    return replace(created, state=state)


def test_ended_engines_are_not_read(store):
    with store.write() as tx:
        for number in range(50):
            tx.create(engine(number, EngineState.ABSENT))
        for number, state in enumerate((EngineState.READY, EngineState.READY, EngineState.GONE), 50):
            tx.create(engine(number, state))
    statements = []
    event.listen(
        store.database.engine, "before_cursor_execute", lambda *arguments: statements.append(arguments[2:4])
    )
    counts = {sample.labels: sample.value for sample in engine_metrics(store)()}
    assert counts == {(DEPLOYMENT, VERSION, "READY"): 2, (DEPLOYMENT, VERSION, "GONE"): 1}
    (read,) = [each for each in statements if "FROM engines" in each[0]]
    with store.read() as tx:
        assert len(tx.connection.exec_driver_sql(*read).all()) == 3
        if store.database.is_sqlite:
            plan = tx.connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {read[0]}", read[1]).all()
            assert "ix_engines_live" in plan[0].detail, plan
