"""Worker configuration of a cluster, as files of a directory: templates of dedicated pods, and the shared pods.

`<accelerator>.yaml` is a Deployment without a name, the template of a run's dedicated pods; the memory in it is the
maximum of one pod. `groups.json` lists the pods that all runs share.
"""

import json
import re
from pathlib import Path
from typing import Any

import yaml

from ratoon.process.errors import FailedPrecondition
from ratoon_training.domain.pods import SharedPods
from ratoon_training.domain.recipes import Accelerator

JSON = dict[str, Any]

CONTAINER = "ray-worker"
_QUANTITY = re.compile(r"([0-9]+(?:\.[0-9]+)?)([KMGTP]i|[kMGTP])?")
_UNITS = {"": 1, **{unit: 1000**power for power, unit in enumerate("kMGTP", 1)}}
_UNITS |= {f"{unit}i": 1024**power for power, unit in enumerate("KMGTP", 1)}


class WorkerFolder:
    """The directory; it is read each time, because the cluster may change it."""

    def __init__(self, path: Path) -> None:
        self._path = path

    @property
    def has_templates(self) -> bool:
        """True if runs of some accelerator get dedicated pods."""
        return any(self._path.glob("*.yaml"))

    def template(self, accelerator: Accelerator) -> JSON | None:
        """Return the template of dedicated pods of runs on this accelerator; None: they use shared pods."""
        path = self._path / f"{accelerator.lower()}.yaml"
        if not path.exists():
            return None
        deployment = yaml.safe_load(path.read_text())
        try:
            container(deployment)["resources"]["limits"]["memory"]
        except (KeyError, TypeError, StopIteration):
            raise FailedPrecondition(
                f"{path} is not a Deployment with a container {CONTAINER!r} that has a memory limit: "
                "check training.workers in the chart's values.",
                reason="WORKER_TEMPLATE_INVALID",
            ) from None
        return dict(deployment)

    def max_bytes(self, accelerator: Accelerator) -> int | None:
        """Return the maximum memory of a dedicated pod, in bytes; None: such runs have no dedicated pods."""
        deployment = self.template(accelerator)
        return (
            None if deployment is None else bytes_of(container(deployment)["resources"]["limits"]["memory"])
        )

    def shared_pods(self) -> list[SharedPods]:
        """Return the pods that all runs share."""
        path = self._path / "groups.json"
        entries = json.loads(path.read_text()) if path.exists() else []
        return [
            SharedPods(
                Accelerator(each["accelerator"]), each["pods"], each["places"], bytes_of(each["memory"])
            )
            for each in entries
        ]


def container(deployment: JSON) -> JSON:
    """Return the container of a Deployment's pods that runs the worker."""
    spec = deployment["spec"]["template"]["spec"]
    worker: JSON = next(each for each in spec["containers"] if each["name"] == CONTAINER)
    return worker


def bytes_of(quantity: object) -> int:
    """Return a Kubernetes quantity of memory, such as 4Gi, in bytes."""
    match = _QUANTITY.fullmatch(str(quantity))
    if match is None:
        raise ValueError(f"{quantity!r} is not a quantity of memory.")
    return int(float(match[1]) * _UNITS[match[2] or ""])
