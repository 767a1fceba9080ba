"""The chart as a release on a control plane: rendered by Helm, applied to the API."""

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from ratoon.testkit.kubernetes import Api

ROOT = Path(__file__).resolve().parents[2]
CHART = ROOT / "charts" / "ratoon"
EXAMPLES = sorted((CHART / "examples").glob("*.yaml"))
LAPTOP = CHART / "examples" / "laptop.yaml"
IMAGES = ("services", "services-next", "postgresql", "kafka", "s3", "worker-cpu")
"""Images of the laptop's values, before and after an upgrade."""
CONTROLLERS = ("deployments", "statefulsets")
Manifest = dict[str, Any]


@dataclass(frozen=True)
class Release:
    """A release by its name, in a namespace under Pod Security *restricted*."""

    plane: Api
    namespace: str
    name: str = "ratoon"

    def make_namespace(self) -> None:
        """Create the namespace; pods that are not restricted are refused there."""
        labels = {f"pod-security.kubernetes.io/{mode}": "restricted" for mode in ("enforce", "warn")}
        manifest = {
            "apiVersion": "v1",
            "kind": "Namespace",
            "metadata": {"name": self.namespace, "labels": labels},
        }
        self.apply(manifest)

    def render(self, *values: Path, **settings: str) -> list[Manifest]:
        """Return the manifests that Helm renders from these values, hooks included."""
        arguments = ["template", self.name, str(CHART), "--namespace", self.namespace]
        text = self.plane.helm(*arguments, *_value_options(values, settings))
        return [each for each in yaml.load_all(text, yaml.CSafeLoader) if each]

    def exists(self) -> bool:
        """Return True if there is a release in the namespace."""
        return bool(json.loads(self.plane.helm("list", "--namespace", self.namespace, "--output", "json")))

    def install(self, *values: Path, **settings: str) -> None:
        """Install or upgrade, without waiting for pods. A file in `RATOON_TEST_VALUES` overrides."""
        if stdin := os.environ.get("RATOON_TEST_VALUES"):
            values = (*values, Path(stdin))
        arguments = ["upgrade", "--install", self.name, str(CHART), "--namespace", self.namespace]
        self.plane.helm(*arguments, "--timeout", "5m", *_value_options(values, settings))

    def helm(self, action: str, *arguments: str) -> str:
        """Run another of Helm's commands on this release."""
        return self.plane.helm(action, self.name, *arguments, "--namespace", self.namespace)

    def apply(self, *manifests: Manifest, options: tuple[str, ...] = ()) -> str:
        """Apply server-side, as an administrator; CommandFailed with the API's reason."""
        listed = json.dumps({"apiVersion": "v1", "kind": "List", "items": list(manifests)})
        arguments = ["apply", "--server-side", "--namespace", self.namespace, *options, "-f", "-"]
        return self.plane.kubectl(*arguments, stdin=listed)

    def get(self, kind: str, *options: str) -> list[Manifest]:
        """All objects of a kind in the namespace."""
        text = self.plane.kubectl("get", kind, "--namespace", self.namespace, "--output", "json", *options)
        objects: list[Manifest] = json.loads(text)["items"]
        return objects

    def one(self, kind: str, name: str) -> Manifest:
        """One object of the namespace."""
        arguments = ["get", kind, name, "--namespace", self.namespace, "--output", "json"]
        manifest: Manifest = json.loads(self.plane.kubectl(*arguments))
        return manifest


def _value_options(values: tuple[Path, ...], settings: dict[str, str]) -> list[str]:
    files = [option for path in values for option in ("--values", str(path))]
    return [*files, *(option for key, value in settings.items() for option in ("--set", f"{key}={value}"))]
