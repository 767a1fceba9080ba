"""Starting Ray: a start that times out is tried again, one that never succeeds has a name."""

from pathlib import Path

import pytest

from ratoon.operations.ray import cluster
from ratoon.operations.ray.cluster import RayUnavailable


def starts(monkeypatch: pytest.MonkeyPatch, outcomes: list[str | Exception]) -> None:
    def start(_: Path, __: cluster.NodeSize) -> str:
        outcome = outcomes.pop(0)
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    monkeypatch.setattr(cluster, "_start_head", start)


def test_a_start_that_times_out_is_tried_again(monkeypatch, tmp_path):
    starts(monkeypatch, [Exception("timed out"), Exception("timed out"), "127.0.0.1:1"])
    assert cluster._head_address(tmp_path, cluster.NodeSize()) == "127.0.0.1:1"


def test_a_ray_that_never_starts_is_named(monkeypatch, tmp_path):
    starts(monkeypatch, [Exception("timed out")] * 3)
    with pytest.raises(RayUnavailable, match="Ray did not start"):
        cluster._head_address(tmp_path, cluster.NodeSize())


def test_a_process_that_starts_ray_again_keeps_the_token_that_ray_has_read(tmp_path):
    """Ray's library reads the token once a process; a driver whose first Ray did not come up was refused for ever."""
    tokens = {cluster._token_file(tmp_path).read_text() for _ in range(2)}
    assert len(tokens) == 1
    assert (tmp_path / "ray-token").stat().st_mode & 0o777 == 0o600
