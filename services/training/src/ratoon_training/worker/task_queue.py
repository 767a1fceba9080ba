"""What a driver asks of its workers: orders as JSON, and the folder they are queued in. It knows neither Ray nor torch.

An order is taken by every worker of the group. Files of order N: `N.json` (what to do), `N.tries` (one byte each
time the group began it) and `N.done`. A group that is started again goes on with the first order that is not done.
"""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ratoon.chassis.files import write_json
from ratoon_training.domain.recipes import Accelerator, Recipe, Resources


@dataclass(frozen=True)
class Order:
    """One run for the group: where its job and work folders are, and how to train."""

    job: str
    work: str
    artifacts: str
    fence: int
    recipe: Recipe
    resources: Resources
    base: str = ""
    checkpoint_every_s: float = 5.0
    memory_limit_bytes: int = 0
    pods: str = ""
    """Ray's name of the pods that its workers compute in; empty: wherever there is room."""
    shelf: str = ""
    """The name of the shelf that checkpoints lie on; empty: in the work folder."""
    prepared_digest: str = ""
    """The tree of what was prepared, for workers that do not share the work folder."""

    @staticmethod
    def of_spec(spec: dict[str, Any], job: Path) -> "Order":
        """The order in a job's spec."""
        return Order(
            job=str(job),
            work=spec["work"],
            artifacts=spec["artifacts"],
            fence=int(spec["fence"]),
            recipe=Recipe.parse(spec["recipe"]),
            resources=_resources(spec["resources"]),
            base=spec.get("base", ""),
            checkpoint_every_s=float(spec.get("checkpoint_every_s", 5.0)),
            memory_limit_bytes=int(spec.get("memory_limit_bytes", 0)),
            pods=spec.get("pods", ""),
        )

    @property
    def prepared(self) -> Path:
        """Where the tokens are."""
        return Path(self.work) / "prepared"


def _resources(value: dict[str, Any]) -> Resources:
    return Resources(Accelerator(value["accelerator"]), int(value["workers"]), int(value["threads"]))


class Orders:
    """The folder of orders between a driver and one worker group."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def put(self, number: int, order: Order) -> None:
        """Queue an order."""
        value = {**asdict(order), "recipe": order.recipe.as_json(), "resources": _plain(order.resources)}
        write_json(self._folder / f"{number:06d}.json", value, durable=False)

    def get(self, number: int) -> Order | None:
        """The order of this number, if it is there."""
        path = self._folder / f"{number:06d}.json"
        if not path.exists():
            return None
        value = json.loads(path.read_text())
        recipe, resources = Recipe.parse(value.pop("recipe")), _resources(value.pop("resources"))
        return Order(**value, recipe=recipe, resources=resources)

    def next(self) -> int:
        """The first number that is not done."""
        number = 1
        while self.done(number):
            number += 1
        return number

    def begin(self, number: int) -> None:
        """Count that the group begins an order."""
        with (self._folder / f"{number:06d}.tries").open("ab") as tries:
            tries.write(b".")

    def tries(self, number: int) -> int:
        """How often the group began this order."""
        path = self._folder / f"{number:06d}.tries"
        return path.stat().st_size if path.exists() else 0

    def finish(self, number: int) -> None:
        """The order is done, well or badly."""
        (self._folder / f"{number:06d}.done").touch()

    def done(self, number: int) -> bool:
        """Whether the order is done."""
        return (self._folder / f"{number:06d}.done").exists()

    def close(self) -> None:
        """No more orders come: the group may end."""
        (self._folder / "closed").touch()

    @property
    def closed(self) -> bool:
        """Whether no more orders come."""
        return (self._folder / "closed").exists()


def _plain(resources: Resources) -> dict[str, Any]:
    return {**asdict(resources), "accelerator": resources.accelerator.value}


def tell_outcome(job: Path, outcome: dict[str, Any]) -> None:
    """Leave a run's end for the driver: `{"result": …}` or `{"reason": …, "message": …}`."""
    write_json(job / "outcome.json", outcome)


def outcome_of(job: Path) -> dict[str, Any] | None:
    """A run's end, once it is there."""
    path = job / "outcome.json"
    if not path.exists():
        return None
    value: dict[str, Any] = json.loads(path.read_text())
    return value
