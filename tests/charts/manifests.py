"""A release as a list of manifests, and what can be looked up in it. It knows no cluster."""

import json
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache, cached_property
from pathlib import Path

import yaml

ROOT = Path(__file__).parents[2]
CHART = ROOT / "charts/ratoon"
EXAMPLES = sorted(path.stem for path in (CHART / "examples").glob("*.yaml"))
NAMESPACE = "ratoon"
# Kinds of other projects, whose schemas are theirs.
OTHERS = {"Certificate", "HTTPRoute", "PrometheusRule", "RayCluster", "ServiceMonitor"}
JSON = dict


class Refused(Exception):
    """Helm refused the values; the text is its message."""


@dataclass(frozen=True)
class Pod:
    """A pod that some manifest makes: its maker, its labels, its specification."""

    kind: str
    name: str
    labels: JSON
    spec: JSON

    @property
    def containers(self) -> list[JSON]:
        """All containers, init containers included."""
        return [*self.spec.get("initContainers", []), *self.spec["containers"]]

    @property
    def part(self) -> str:
        """Its `app.kubernetes.io/name`."""
        return self.labels["app.kubernetes.io/name"]


@dataclass(frozen=True)
class Release:
    """Manifests that Helm would apply, hooks included."""

    name: str
    manifests: list[JSON] = field(repr=False)

    def of(self, kind: str) -> list[JSON]:
        """All of a kind."""
        return [each for each in self.manifests if each["kind"] == kind]

    def one(self, kind: str, name: str) -> JSON:
        """Return the manifest of this kind and name."""
        return next(each for each in self.of(kind) if each["metadata"]["name"] == name)

    @cached_property
    def engines(self) -> dict[str, JSON]:
        """The templates of engines by kind."""
        data = self.one("ConfigMap", "ratoon-engines")["data"]
        return {name.removesuffix(".yaml"): yaml.load(text, yaml.CSafeLoader) for name, text in data.items()}

    @cached_property
    def run_workers(self) -> dict[str, JSON]:
        """The templates of dedicated pods of runs, by accelerator."""
        data = self.one("ConfigMap", "ratoon-run-workers")["data"]
        files = {Path(name): text for name, text in data.items()}
        return {
            path.stem: yaml.load(text, yaml.CSafeLoader)
            for path, text in files.items()
            if path.suffix == ".yaml"
        }

    @property
    def run_groups(self) -> list[JSON]:
        """The shared pods of runs in training's configuration."""
        return json.loads(self.one("ConfigMap", "ratoon-run-workers")["data"]["groups.json"])

    @cached_property
    def pods(self) -> list[Pod]:
        """Every pod, those of Ray's groups, of engines and of runs too."""
        return [*self._own_pods(), *self._ray_pods(), *self._template_pods()]

    @property
    def native(self) -> Iterator[JSON]:
        """Objects of Kubernetes' own kinds, including those in templates and RayClusters."""
        yield from (each for each in self.manifests if each["kind"] not in OTHERS)
        for pod in self.pods:
            metadata = {"name": pod.name, "namespace": NAMESPACE, "labels": pod.labels}
            template = {"metadata": {"labels": pod.labels}, "spec": pod.spec}
            if pod.kind in ("engine", "run"):
                spec = {"selector": {"matchLabels": pod.labels}, "template": template}
                yield {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": metadata, "spec": spec}
            elif pod.kind == "RayCluster":
                yield {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": pod.spec}

    @property
    def plan(self) -> JSON:
        """The plan of the Job before an install."""
        container = self.one("Job", "ratoon-secrets")["spec"]["template"]["spec"]["containers"][0]
        return json.loads(next(each["value"] for each in container["env"] if each["name"].endswith("_PLAN")))

    def _own_pods(self) -> Iterator[Pod]:
        for each in self.manifests:
            kind, name, spec = each["kind"], each["metadata"]["name"], each.get("spec", {})
            if kind == "CronJob":
                kind, spec = "Job", spec["jobTemplate"]["spec"]
            if kind in ("Deployment", "StatefulSet", "Job"):
                template = spec["template"]
                yield Pod(kind, name, template["metadata"]["labels"], template["spec"])
            elif kind == "Pod":
                yield Pod(kind, name, each["metadata"]["labels"], spec)

    def _ray_pods(self) -> Iterator[Pod]:
        for cluster in self.of("RayCluster"):
            for group in [cluster["spec"]["headGroupSpec"], *cluster["spec"]["workerGroupSpecs"]]:
                template = group["template"]
                name = group.get("groupName", "head")
                yield Pod("RayCluster", name, template["metadata"]["labels"], template["spec"])

    def _template_pods(self) -> Iterator[Pod]:
        for kind, templates in (("engine", self.engines), ("run", self.run_workers)):
            for name, manifest in templates.items():
                template = manifest["spec"]["template"]
                yield Pod(kind, name, template["metadata"]["labels"], template["spec"])


class Helm:
    """The program, aimed at the chart."""

    def __init__(self, program: Path) -> None:
        self._program = program
        self.release = cache(self._release)

    def run(self, *arguments: str) -> str:
        """Run Helm and return its output; Refused if it failed."""
        command = [str(self._program), *arguments]
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True)
        if done.returncode:
            raise Refused(done.stderr + done.stdout)
        return done.stdout

    def render(self, *arguments: str, name: str = "ratoon") -> list[JSON]:
        """The manifests of a release, by these flags."""
        printed = self.run("template", name, str(CHART), "--namespace", NAMESPACE, *arguments)
        return [each for each in yaml.load_all(printed, yaml.CSafeLoader) if each]

    def with_values(self, values: JSON) -> Release:
        """Return a release with values in addition to the chart's own."""
        return Release(
            "given", self.render("--set-json", ",".join(f"{k}={json.dumps(v)}" for k, v in values.items()))
        )

    def _release(self, example: str) -> Release:
        values = () if example == "as it is" else ("--values", str(CHART / f"examples/{example}.yaml"))
        return Release(example, self.render(*values))
