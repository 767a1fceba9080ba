"""The list of flaky tests is short, true and soon empty."""

import ast
import datetime
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
KEYS = {"id", "cause", "since", "expires"}
MAX_DAYS = 14
NAMED = (ast.ClassDef, ast.FunctionDef)
TODAY = datetime.date(2026, 12, 1)


def faults(flaky: dict[str, Any], today: datetime.date) -> Iterator[str]:
    """Yield what is wrong with a list of flaky tests."""
    entries = flaky.get("test", [])
    if len(entries) > flaky["budget"]:
        yield f"{len(entries)} tests are listed, the budget is {flaky['budget']}"
    for entry in entries:
        yield from (f"{entry.get('id')}: {fault}" for fault in entry_faults(entry, today))


def entry_faults(entry: dict[str, Any], today: datetime.date) -> Iterator[str]:
    if entry.keys() != KEYS:
        yield f"an entry has {', '.join(sorted(KEYS))}"
        return
    if not exists(entry["id"]):
        yield "there is no such test"
    if not entry["cause"].strip():
        yield "no cause"
    if (entry["expires"] - entry["since"]).days > MAX_DAYS:
        yield f"it is listed for more than {MAX_DAYS} days"
    if entry["expires"] < today:
        yield f"it has expired on {entry['expires']}"


def exists(test: str) -> bool:
    """Return whether a test function has this id, which names no parameters."""
    file, *names = test.split("::")
    if not names or not (ROOT / file).is_file():
        return False
    node: ast.AST | None = ast.parse((ROOT / file).read_text())
    for name in names:
        inner = {each.name: each for each in getattr(node, "body", []) if isinstance(each, NAMED)}
        node = inner.get(name)
    return isinstance(node, ast.FunctionDef) and names[-1].startswith("test")


def entry(**changed: object) -> dict[str, Any]:
    day = datetime.timedelta(days=1)
    own = f"tests/contract/test_flaky.py::{test_the_list.__name__}"
    return {"id": own, "cause": "a timeout", "since": TODAY - 7 * day, "expires": TODAY + 7 * day} | changed


def test_the_list():
    flaky = tomllib.loads((ROOT / "tests/flaky.toml").read_text())
    assert list(faults(flaky, datetime.datetime.now(datetime.UTC).date())) == []


def test_an_entry_within_the_budget_is_accepted():
    assert list(faults({"budget": 1, "test": [entry()]}, TODAY)) == []


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"id": "tests/contract/test_flaky.py::test_nothing"}, "no such test"),
        ({"id": "tests/contract/test_flaky.py::faults"}, "no such test"),
        ({"id": "tests/contract/test_nothing.py::test_the_list"}, "no such test"),
        ({"id": "tests/contract/test_flaky.py"}, "no such test"),
        ({"cause": " "}, "no cause"),
        ({"since": TODAY - datetime.timedelta(days=8)}, "more than 14 days"),
        ({"expires": TODAY - datetime.timedelta(days=1)}, "expired"),
        ({"owner": "a team"}, "an entry has"),
    ],
)
def test_a_faulty_entry_is_refused(changed, message):
    (fault,) = faults({"budget": 1, "test": [entry(**changed)]}, TODAY)
    assert message in fault


def test_more_entries_than_the_budget_are_refused():
    assert list(faults({"budget": 0, "test": [entry()]}, TODAY)) == ["1 tests are listed, the budget is 0"]
