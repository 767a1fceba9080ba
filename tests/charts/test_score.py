"""kube-score on every release: each finding is fixed, or listed here with its reason."""

import json
import subprocess

import yaml

from ratoon.testkit.kubernetes import tools

SPREAD = (
    "Pods of a part are spread by topologySpreadConstraints (spreadOver of their pool), which kube-score does not read;"
    " anti-affinity would refuse a second pod where there is one node."
)
# By check: the affected objects (none: any), and the reason.
EXPLAINED = {
    "container-image-pull-policy": (
        None,
        "Images have tags of their own for each version, or digests (global.images.pinned): always pulling would make"
        " a start depend on the registry. The policy is a value.",
    ),
    "deployment-has-host-podantiaffinity": (None, SPREAD),
    "statefulset-has-host-podantiaffinity": (None, SPREAD),
    "deployment-replicas": (
        None,
        "One pod of each service is enough: traffic goes on while it is away, and work is claimed again. The examples"
        " for production have more gateways.",
    ),
    "pod-probes-identical": (
        {"ratoon-console", "ratoon-kafka", "ratoon-postgresql", "ratoon-s3"},
        "The console has no dependency to wait for, and the bundled servers speak no HTTP: an open port is enough.",
    ),
}


def findings(manifests):
    """Yield each (check, object's name) that kube-score reports."""
    manifests_text = yaml.dump_all(manifests, Dumper=yaml.CSafeDumper)
    command = [str(tools.tools() / "kube-score"), "score", "-", "--output-format", "json"]
    done = subprocess.run(command, input=manifests_text, capture_output=True, text=True)
    for scored in json.loads(done.stdout):
        name = scored["object_meta"]["name"]
        for check in scored["checks"]:
            if not check["skipped"] and check["grade"] < 10:
                yield check["check"]["id"], name


def test_no_finding_is_unexplained(release):
    unexplained = {
        (check, name)
        for check, name in findings(release.native)
        if check not in EXPLAINED or (EXPLAINED[check][0] is not None and name not in EXPLAINED[check][0])
    }
    assert unexplained == set()


def test_every_explanation_has_a_finding(helm):
    checks = {
        check for example in ("as it is", "eks-gpu") for check, _ in findings(helm.release(example).native)
    }
    assert checks == set(EXPLAINED)


def test_a_careless_pod_is_detected(helm):
    careless = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "x", "namespace": "ratoon"},
        "spec": {"containers": [{"name": "x", "image": "x:latest"}]},
    }
    checks = {check for check, _ in findings([careless])}
    assert {
        "container-resources",
        "container-security-context-readonlyrootfilesystem",
        "container-image-tag",
    } <= checks
