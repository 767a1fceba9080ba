"""What a cluster's operator says of workers, as files of a folder: templates of pods made for a run, and pods for all.

`<accelerator>.yaml` is a Deployment without a name, from which pods of a run's own are made; the memory in it is the
most that one may have. `groups.json` lists the pods that are there for all runs.
"""

import json
import re
from pathlib import Path
from typing import Any

import yaml

from ratoon.chassis.errors import FailedPrecondition
from ratoon_training.domain.pods import Group
from ratoon_training.domain.recipes import Accelerator

JSON = dict[str, Any]

CONTAINER = "ray-worker"
_QUANTITY = re.compile(r"([0-9]+(?:\.[0-9]+)?)([KMGTP]i|[kMGTP])?")
_UNITS = {"": 1, **{unit: 1000**power for power, unit in enumerate("kMGTP", 1)}}
_UNITS |= {f"{unit}i": 1024**power for power, unit in enumerate("KMGTP", 1)}


class WorkerFolder:
    """The folder; it is read anew each time, for the cluster may change it."""

    def __init__(self, path: Path) -> None:
        self._path = path

    @property
    def has_templates(self) -> bool:
        """Whether runs of some accelerator get pods of their own."""
        return any(self._path.glob("*.yaml"))

    def template(self, accelerator: Accelerator) -> JSON | None:
        """The template of pods for runs on this accelerator; None: they take what is there for all."""
        path = self._path / f"{accelerator.lower()}.yaml"
        if not path.exists():
            return None
        told = yaml.safe_load(path.read_text())
        try:
            container(told)["resources"]["limits"]["memory"]
        except (KeyError, TypeError, StopIteration):
            raise FailedPrecondition(
                f"{path} is not a Deployment with a container {CONTAINER!r} that has a memory limit: "
                "check training.workers in the chart's values.",
                reason="WORKER_TEMPLATE_INVALID",
            ) from None
        return dict(told)

    def most_bytes(self, accelerator: Accelerator) -> int | None:
        """The most memory that a pod of a run's own may have; None: such runs have none."""
        told = self.template(accelerator)
        return None if told is None else bytes_of(container(told)["resources"]["limits"]["memory"])

    def groups(self) -> list[Group]:
        """The pods that are there for all."""
        path = self._path / "groups.json"
        told = json.loads(path.read_text()) if path.exists() else []
        return [
            Group(Accelerator(each["accelerator"]), each["pods"], each["places"], bytes_of(each["memory"]))
            for each in told
        ]


def container(deployment: JSON) -> JSON:
    """The container of a Deployment's pods in which a worker computes."""
    spec = deployment["spec"]["template"]["spec"]
    found: JSON = next(each for each in spec["containers"] if each["name"] == CONTAINER)
    return found


def bytes_of(quantity: object) -> int:
    """A Kubernetes quantity of memory, such as 4Gi, in bytes."""
    match = _QUANTITY.fullmatch(str(quantity))
    if match is None:
        raise ValueError(f"{quantity!r} is not a quantity of memory.")
    return int(float(match[1]) * _UNITS[match[2] or ""])
