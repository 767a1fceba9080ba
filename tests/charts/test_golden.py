"""Manifests that a person has looked at, word by word: one of each kind of workload."""

import pytest
import yaml

from tests.charts import golden

LOOKED_AT = [
    ("as it is", "Deployment", "ratoon-serving"),
    ("as it is", "StatefulSet", "ratoon-worker"),
    ("as it is", "StatefulSet", "ratoon-ray-head"),
    ("eks-gpu", "RayCluster", "ratoon-ray"),
    ("eks-gpu", "Ingress", "ratoon-gateway"),
    ("onprem-gpu", "HTTPRoute", "ratoon-gateway"),
    ("onprem-gpu", "Deployment", "ratoon-flywheel"),
]


@pytest.mark.parametrize(("example", "kind", "name"), LOOKED_AT)
def test_a_manifest(helm, example, kind, name):
    written = yaml.safe_dump(helm.release(example).one(kind, name), sort_keys=False, width=160)
    golden.check(f"{example.replace(' ', '-')}.{kind.lower()}.{name}.yaml", written)


@pytest.mark.parametrize(
    ("example", "kind"), [("as it is", "cpu"), ("eks-gpu", "gpu"), ("eks-trainium", "trn")]
)
def test_an_engine(helm, example, kind):
    written = yaml.safe_dump(helm.release(example).engines[kind], sort_keys=False, width=160)
    golden.check(f"engine.{kind}.yaml", written)


def test_pods_of_a_runs_own(helm):
    written = yaml.safe_dump(helm.release("eks-gpu").run_workers["cuda"], sort_keys=False, width=160)
    golden.check("run-worker.cuda.yaml", written)
