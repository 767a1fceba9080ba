"""Dedicated pods of a run on a real Kubernetes API: as large as the plan, on its pool, gone when the run has ended."""

from ratoon.operations.job_machine import Failure, JobObservation, Phase
from ratoon.training.v1 import training_run_pb2 as run_pb
from ratoon.training.v1 import training_service_pb2 as pb
from ratoon_training.adapters import worker_manifest as manifest
from ratoon_training.domain.plan import MEBI
from ratoon_training.domain.pods import RAY_BYTES

from .conftest import GPUS, Cluster, succeeded

STATE = run_pb.TrainingRun.State


def placed(cluster: Cluster) -> list[str]:
    """The nodes that pods of runs have."""
    return [pod["spec"]["nodeName"] for pod in cluster.pods() if "nodeName" in pod["spec"]]


def gone(cluster: Cluster) -> bool:
    return not cluster.deployments() and not cluster.pods()


def test_a_gpu_runs_pods_land_on_the_gpu_pool_with_the_plans_requests_and_go_with_the_run(cluster):
    with cluster.service():
        run = cluster.create("two", workers=2)
        cluster.until("its pods got no nodes", lambda: placed(cluster) == ["runs-gpu"] * 2)
        planned = cluster.get(run).plan
        name = manifest.object_name(run)
        for pod in cluster.pods():
            assert pod["metadata"]["annotations"]["ratoon.dev/training-run"] == run
            (container,) = pod["spec"]["containers"]
            assert container["resources"]["requests"] == container["resources"]["limits"]
            requests = container["resources"]["requests"]
            assert requests["nvidia.com/gpu"] == "1"
            needed = planned.measured_bytes / 2 + RAY_BYTES
            assert 0 <= int(requests["memory"].removesuffix("Mi")) * MEBI - needed < MEBI
            assert f'--resources={{"{name}": 1}}' in container["args"]
            assert pod["spec"]["priorityClassName"] == "ratoon-training"
        assert (cluster.drivers.places[run].pods, cluster.drivers.places[run].cpus) == (name, 8)
        assert cluster.get(run).progress.message == "Training."
        assert cluster.end(run, succeeded()).state == STATE.STATE_SUCCEEDED
        cluster.until("its pods are still there", lambda: gone(cluster))


def test_a_run_whose_pods_fit_nowhere_says_so_in_the_schedulers_words_and_leaves_nothing(cluster):
    with cluster.service():
        run = cluster.create("many", workers=GPUS + 1)

        def waits() -> bool:
            return "Insufficient nvidia.com/gpu" in cluster.get(run).progress.message

        cluster.until("it waits silently", waits)
        assert f"Waiting for nodes for 1 of {GPUS + 1} pods: " in cluster.get(run).progress.message
        cluster.training.CancelTrainingRun(pb.CancelTrainingRunRequest(name=run))
        assert cluster.end(run).state == STATE.STATE_CANCELLED
        cluster.until("its pods are still there", lambda: gone(cluster))


def test_a_run_that_is_refused_by_the_cluster_says_so(cluster):
    quota = {"kind": "ResourceQuota", "apiVersion": "v1", "metadata": {"name": "q"}}
    cluster.apply({**quota, "spec": {"hard": {"requests.nvidia.com/gpu": "0"}}})
    with cluster.service():
        run = cluster.create("refused")
        cluster.until("it waits silently", lambda: "exceeded quota" in cluster.get(run).progress.message)


def test_a_failed_run_leaves_nothing(cluster):
    with cluster.service():
        run = cluster.create("bad")
        cluster.until("its pod got no node", lambda: placed(cluster) == ["runs-gpu"])
        nan = JobObservation(Phase.FAILED, failure=Failure("LOSS_NOT_FINITE", "The loss is nan."))
        assert cluster.end(run, nan).state == STATE.STATE_FAILED
        cluster.until("its pod is still there", lambda: gone(cluster))


def test_a_lost_job_is_begun_again_on_the_same_pods(cluster):
    with cluster.service():
        run = cluster.create("lost")
        cluster.until("its pod got no node", lambda: placed(cluster) == ["runs-gpu"])
        (before,) = cluster.pods()
        cluster.drivers.ends[run] = JobObservation(Phase.LOST, failure=Failure(message="Killed."))
        cluster.until("it was not begun again", lambda: run not in cluster.drivers.ends)
        assert cluster.get(run).attempt == 2
        assert [pod["metadata"]["uid"] for pod in cluster.pods()] == [before["metadata"]["uid"]]


def test_a_plan_larger_than_a_pod_may_be_is_refused_before_anything_is_created(cluster):
    with cluster.service():
        huge = run_pb.Recipe.Architecture(hidden_size=8192, layers=64, heads=64)
        ended = cluster.end(cluster.create("huge", architecture=huge))
        assert (ended.state, ended.failure.reason) == (STATE.STATE_FAILED, "OUT_OF_MEMORY")
        assert ended.plan.available_bytes == 64 * 1024 * MEBI - RAY_BYTES
        assert "take a smaller model or a larger machine" in ended.failure.message
        assert gone(cluster)


def test_a_run_without_a_template_for_its_accelerator_makes_nothing(cluster):
    with cluster.service():
        run = cluster.create("shared", accelerator="CPU")
        cluster.until("it was not started", lambda: run in cluster.drivers.places)
        assert cluster.drivers.places[run].pods == ""
        assert gone(cluster)


def test_pods_that_a_crash_left_are_collected_by_the_next_start(cluster):
    with cluster.service():
        run = cluster.create("left")
        cluster.until("its pod got no node", lambda: placed(cluster) == ["runs-gpu"])
        (deployment,) = cluster.deployments()
        assert cluster.end(run, succeeded()).state == STATE.STATE_SUCCEEDED
        cluster.until("its pod is still there", lambda: gone(cluster))
    metadata = {key: deployment["metadata"][key] for key in ("name", "labels", "annotations")}
    cluster.apply(
        {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": metadata, "spec": deployment["spec"]}
    )
    assert cluster.deployments()
    with cluster.service():
        cluster.until("it was not collected", lambda: gone(cluster))


def test_pods_of_runs_go_with_training_itself(cluster):
    with cluster.service():
        cluster.create("uninstalled")
        cluster.until("its pod got no node", lambda: placed(cluster) == ["runs-gpu"])
    cluster.plane.kubectl("--namespace", cluster.namespace, "delete", "deployment", "ratoon-training")
    cluster.until("its pod outlives training", lambda: gone(cluster))


def test_training_has_the_rights_that_it_needs_and_no_others(cluster):
    rights = {
        ("create", "deployments.apps"): True,
        ("delete", "deployments.apps"): True,
        ("watch", "pods"): True,
        ("patch", "deployments.apps"): False,
        ("create", "pods"): False,
        ("delete", "pods"): False,
        ("get", "secrets"): False,
    }
    assert {
        right: cluster.plane.can_i(cluster.namespace, "ratoon-training", *right) for right in rights
    } == rights
