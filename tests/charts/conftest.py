"""The chart as Helm renders it. Helm and the other programs are built from Go modules once: see `scripts/cluster`."""

import json
import subprocess

import pytest

from ratoon.testkit.kubernetes import tools
from tests.charts import schemas
from tests.charts.manifests import EXAMPLES, Helm


@pytest.fixture(scope="session")
def helm() -> Helm:
    """Helm, aimed at the chart."""
    if lacking := tools.missing():
        pytest.skip(lacking)
    return Helm(tools.programs() / "helm")


@pytest.fixture(scope="session", params=["as it is", *EXAMPLES])
def release(helm, request):
    """A release by the chart's own values, and one by each of the examples."""
    return helm.release(request.param)


@pytest.fixture(scope="session")
def conformity(helm, tmp_path_factory):
    """Check manifests by kubeconform; return a list of faults."""
    folder = tmp_path_factory.mktemp("schemas")
    schemas.write(folder)
    options = ["-strict", "-output", "json", "-schema-location", f"{folder}/{schemas.LOCATION}"]

    def faults(manifests):
        manifest_list = json.dumps({"apiVersion": "v1", "kind": "List", "items": manifests})
        command = [str(tools.tools() / "kubeconform"), *options]
        done = subprocess.run(command, input=manifest_list, capture_output=True, text=True)
        return json.loads(done.stdout)["resources"]

    return faults
