"""Devices of a project's stages, held against those of the machine."""

from ratoon_flywheel.application.ports import Devices
from ratoon_flywheel.domain.projects import Project


def check_devices(project: Project, devices: Devices) -> None:
    """Raise FailedPrecondition if a stage after training needs an accelerator that is known to be missing.

    Training itself reports what it lacks.
    """
    compute = project.compute
    for each in (compute.evaluation, compute.verification, compute.serving):
        devices.check(each)
