"""API of one cluster of any origin: kubectl and helm with an administrator's kubeconfig."""

import subprocess
from collections.abc import Sequence
from pathlib import Path

from ratoon.testkit.kubernetes.tools import programs

_COMMAND_S = 300.0


class CommandFailed(Exception):
    """kubectl or helm ended with an error; the message is its output."""


class Api:
    """The API that a kubeconfig names; `folder` keeps what Helm caches."""

    def __init__(self, folder: Path, kubeconfig: Path) -> None:
        self.folder, self.kubeconfig = folder, kubeconfig
        self.programs = programs()

    def kubectl(self, *arguments: str, stdin: str = "", kubeconfig: Path | None = None) -> str:
        """Return what kubectl prints, with `stdin` on its standard input; CommandFailed with its output."""
        options = ["--kubeconfig", str(kubeconfig or self.kubeconfig)]
        return run([self.programs / "kubectl", *options, *arguments], stdin)

    def helm(self, *arguments: str, stdin: str = "") -> str:
        """Return what helm prints; CommandFailed with its output. Its caches lie in this cluster's directory."""
        homes = [f"HELM_{kind}_HOME={self.folder / 'helm'}" for kind in ("CACHE", "CONFIG", "DATA")]
        command = ["env", *homes, self.programs / "helm", "--kubeconfig", self.kubeconfig, *arguments]
        return run(command, stdin)

    def can_i(self, namespace: str, account: str, verb: str, resource: str) -> bool:
        """Return whether the API lets a ServiceAccount do this in its namespace."""
        user = f"system:serviceaccount:{namespace}:{account}"
        arguments = ["auth", "can-i", verb, resource, "--namespace", namespace, "--as", user]
        try:
            return self.kubectl(*arguments).strip() == "yes"
        except CommandFailed as refused:
            if str(refused).strip().endswith("no"):
                return False
            raise


def run(command: Sequence[object], stdin: str = "", seconds: float = _COMMAND_S) -> str:
    """Return what a command prints; CommandFailed with both its outputs when it ends with an error."""
    done = subprocess.run(
        [str(word) for word in command],
        input=stdin,
        capture_output=True,
        text=True,
        timeout=seconds,
        check=False,
    )
    if done.returncode:
        raise CommandFailed(f"{done.stderr}{done.stdout}")
    return done.stdout
