"""Workers of a run's own as pods: one Deployment for each run, made from its accelerator's template, ended with it.

What the API holds is the truth: there is a Deployment or there is none. It is silent about what runs while it is away,
and so is what is told of it here.
"""

import logging
from collections.abc import Collection

from ratoon.chassis.cluster_api import Cluster
from ratoon.chassis.cluster_watch import Watched
from ratoon.chassis.errors import RatoonError
from ratoon_training.adapters import worker_manifest as manifest
from ratoon_training.adapters.worker_folder import WorkerFolder
from ratoon_training.domain.places import Place
from ratoon_training.domain.runs import TrainingRun

_LOG = logging.getLogger(__name__)


class KubernetesWorkers:
    """Makes, looks at and ends the pods of runs; `owner` is the name of training's own Deployment."""

    def __init__(self, cluster: Cluster, folder: WorkerFolder, owner: str) -> None:
        self._cluster, self._folder, self._owner = cluster, folder, owner
        labels = manifest.selector(owner)
        self._deployments = Watched(cluster.deployments(labels))
        self._pods = Watched(cluster.pods(labels))

    @property
    def watches(self) -> tuple[Watched, Watched]:
        """What has to run before anything is asked."""
        return self._deployments, self._pods

    def ensure(self, run: TrainingRun) -> Place:
        """Make the run's Deployment unless it is there; a run on an accelerator without a template has none."""
        template = self._folder.template(run.resources.accelerator)
        if template is None:
            return Place()
        body = manifest.deployment(template, run, self._owner_now())
        if (made := self._cluster.create_deployment(body)) is not None:
            self._deployments.put(made)
        return Place(body["metadata"]["name"], manifest.cpus(template))

    def waits_for(self, run: TrainingRun) -> str:
        """What the run's Deployment and pods say in their conditions."""
        name = manifest.object_name(run.name)
        try:
            there = self._deployments.get(name)
            pods = [pod for pod in self._pods.all() if pod["metadata"]["labels"].get(manifest.PODS) == name]
        except RatoonError as error:
            _LOG.warning("cannot determine what %s waits for: %s", run.name, error)
            return ""
        return manifest.complaint(there, pods)

    def remove(self, run: str) -> None:
        """End the run's Deployment, and its pods with it; one that is gone already is no error."""
        name = manifest.object_name(run)
        there = self._cluster.deployment(name)
        if there is None or manifest.run_of(there) != run:
            return
        self._cluster.delete_deployment(name, there["metadata"]["uid"])
        self._deployments.forget(name)

    def runs(self) -> Collection[str]:
        """Those that there are Deployments of."""
        there = self._deployments.all()
        return [name for each in there if (name := manifest.run_of(each))]

    def _owner_now(self) -> manifest.Owner:
        there = self._cluster.deployment(self._owner)
        uid = str(there["metadata"]["uid"]) if there is not None else ""
        return manifest.Owner(self._cluster.namespace, self._owner, uid)
