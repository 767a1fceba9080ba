"""Comments of the protos reach Python by a generated file: each under the full name of what it describes."""

import importlib.util
import json
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parents[2]
PROTO = """syntax = "proto3";
package example.v1;

// Not attached to a declaration.

// Serves shelves.
service Shop {
  // Return a shelf.
  // Its books are not included.
  rpc GetShelf(Shelf) returns (Shelf);
}

// Shelf of books.
message Shelf {
  enum State {
    STATE_UNSPECIFIED = 0;
    STATE_OPEN = 1;  // Readers may come.
  }
  // Length, in metres.
  double length = 1;
  State state = 2;
}
"""


@pytest.fixture(scope="module")
def protos() -> ModuleType:
    spec = importlib.util.spec_from_file_location("protos", ROOT / "scripts/protos.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_each_comment_has_the_full_name_of_its_declaration(protos, tmp_path):
    (tmp_path / "example.proto").write_text(PROTO)
    protos.write_comments(tmp_path, tmp_path / "comments.json")
    assert json.loads((tmp_path / "comments.json").read_text()) == {
        "example.v1.Shop": "Serves shelves.",
        "example.v1.Shop.GetShelf": "Return a shelf.\nIts books are not included.",
        "example.v1.Shelf": "Shelf of books.",
        "example.v1.Shelf.State.STATE_OPEN": "Readers may come.",
        "example.v1.Shelf.length": "Length, in metres.",
    }


def test_changed_comments_make_the_generated_code_stale(protos, tmp_path):
    fresh, stale = tmp_path / "fresh" / protos.COMMENTS, tmp_path / "stale" / protos.COMMENTS
    for path, text in ((fresh, "{}"), (stale, '{"a": "b"}')):
        path.parent.mkdir(parents=True)
        path.write_text(text)
    assert protos.differences(tmp_path / "fresh", tmp_path / "stale") == [protos.COMMENTS]
