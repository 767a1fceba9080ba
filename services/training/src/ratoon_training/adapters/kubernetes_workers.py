"""Dedicated worker pods: one Deployment for each run, created from its accelerator's template, deleted with the run.

The Kubernetes API is the source of truth. While it is unavailable, nothing is known of the pods.
"""

import logging
from collections.abc import Collection

from ratoon.kubernetes.cluster_api import Cluster
from ratoon.kubernetes.cluster_watch import Watched
from ratoon.process.errors import RatoonError
from ratoon_training.adapters import worker_manifest as manifest
from ratoon_training.adapters.worker_folder import WorkerFolder
from ratoon_training.domain.places import Place
from ratoon_training.domain.runs import TrainingRun

_LOG = logging.getLogger(__name__)


class KubernetesWorkers:
    """Creates, observes and deletes the pods of runs; `owner` is the name of training's own Deployment."""

    def __init__(self, cluster: Cluster, folder: WorkerFolder, owner: str) -> None:
        self._cluster, self._folder, self._owner = cluster, folder, owner
        labels = manifest.selector(owner)
        self._deployments = Watched(cluster.deployments(labels))
        self._pods = Watched(cluster.pods(labels))

    @property
    def watches(self) -> tuple[Watched, Watched]:
        """Watches that must run before the first request."""
        return self._deployments, self._pods

    def ensure(self, run: TrainingRun) -> Place:
        """Create the run's Deployment unless it exists; a run on an accelerator without a template has none."""
        template = self._folder.template(run.resources.accelerator)
        if template is None:
            return Place()
        body = manifest.deployment(template, run, self._owner_now())
        if (created := self._cluster.create_deployment(body)) is not None:
            self._deployments.put(created)
        return Place(body["metadata"]["name"], manifest.cpus(template))

    def waits_for(self, run: TrainingRun) -> str:
        """Return the reason in the conditions of the run's Deployment and pods; empty: none."""
        name = manifest.object_name(run.name)
        try:
            deployment = self._deployments.get(name)
            pods = [pod for pod in self._pods.all() if pod["metadata"]["labels"].get(manifest.PODS) == name]
        except RatoonError as error:
            _LOG.warning("cannot determine what %s waits for: %s", run.name, error)
            return ""
        return manifest.complaint(deployment, pods)

    def remove(self, run: str) -> None:
        """Delete the run's Deployment and its pods, if they exist."""
        name = manifest.object_name(run)
        deployment = self._cluster.deployment(name)
        if deployment is None or manifest.run_of(deployment) != run:
            return
        self._cluster.delete_deployment(name, deployment["metadata"]["uid"])
        self._deployments.forget(name)

    def runs(self) -> Collection[str]:
        """Return the names of runs that have a Deployment."""
        deployments = self._deployments.all()
        return [name for each in deployments if (name := manifest.run_of(each))]

    def _owner_now(self) -> manifest.Owner:
        own = self._cluster.deployment(self._owner)
        uid = str(own["metadata"]["uid"]) if own is not None else ""
        return manifest.Owner(self._cluster.namespace, self._owner, uid)
