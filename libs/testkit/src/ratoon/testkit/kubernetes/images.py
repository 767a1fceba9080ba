"""Images in a node's containerd: the one that holds a pod's namespaces, made here, and Ratoon's own.

Owns how an image gets into containerd, and that it is done once for each build of it.
"""

import hashlib
import io
import json
import os
import subprocess
import tarfile
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[6]
PAUSE = "docker.io/ratoon/pause:1"
_SCRIPT = ROOT / "scripts" / "images"
_IMPORT_S = 1800.0


class Images:
    """The images of one containerd."""

    def __init__(self, ctr: Sequence[str | Path], stamps: Path) -> None:
        """`ctr` is the command that speaks to it; in the directory `stamps` is noted what was imported."""
        self._ctr, self._stamps = [*ctr, "--namespace", "k8s.io"], stamps

    def add_pause(self, program: Path) -> None:
        """The image that every pod starts with: one static program."""
        archive = _archive(PAUSE, program)
        if self._is_new("pause", hashlib.sha256(archive).hexdigest()):
            self._import(archive)
            self._note("pause", hashlib.sha256(archive).hexdigest())

    def add(self, name: str, tag: str = "") -> None:
        """An image by the name that `scripts/images` knows; nothing happens where containerd has this build of it.

        `tag` is its version, the chart's where it is empty.
        """
        known = {"VERSION": tag} if tag else {}
        built = _ask("id", name, **known)
        if not self._is_new(f"{name}-{tag}", built):
            return
        environment = {**os.environ, **known}
        with subprocess.Popen([_SCRIPT, "save", name], stdout=subprocess.PIPE, env=environment) as saving:
            subprocess.run(
                [*self._ctr, "images", "import", "-"], stdin=saving.stdout, check=True, timeout=_IMPORT_S
            )
        if saving.returncode:
            raise RuntimeError(f"scripts/images save {name} ended with status {saving.returncode}")
        self._note(f"{name}-{tag}", built)

    def name(self, image: str, further: str) -> None:
        """A further name for an image that is there: what a release of the same content would be called."""
        subprocess.run(
            [*self._ctr, "images", "tag", "--force", image, further], check=True, capture_output=True
        )

    def _import(self, archive: bytes) -> None:
        subprocess.run([*self._ctr, "images", "import", "-"], input=archive, check=True, timeout=_IMPORT_S)

    def _is_new(self, name: str, digest: str) -> bool:
        note = self._stamps / name
        return not note.exists() or note.read_text() != digest

    def _note(self, name: str, digest: str) -> None:
        self._stamps.mkdir(parents=True, exist_ok=True)
        (self._stamps / name).write_text(digest)


def _ask(*arguments: str, **variables: str) -> str:
    done = subprocess.run(
        [_SCRIPT, *arguments],
        env={**os.environ, **variables},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(f"scripts/images {' '.join(arguments)}: {done.stderr.strip()}")
    return done.stdout.strip()


def _archive(name: str, program: Path) -> bytes:
    """An image of one static program, as `docker save` writes it."""
    layer = _tar({"pause": (program.read_bytes(), 0o755)})
    configuration = {
        "architecture": "amd64",
        "os": "linux",
        "config": {"Entrypoint": ["/pause"], "User": "65535:65535"},
        "rootfs": {"type": "layers", "diff_ids": [f"sha256:{hashlib.sha256(layer).hexdigest()}"]},
    }
    manifest = [{"Config": "config.json", "RepoTags": [name], "Layers": ["layer.tar"]}]
    return _tar(
        {
            "config.json": (json.dumps(configuration).encode(), 0o644),
            "layer.tar": (layer, 0o644),
            "manifest.json": (json.dumps(manifest).encode(), 0o644),
        }
    )


def _tar(files: dict[str, tuple[bytes, int]]) -> bytes:
    """Files by name, with their mode, as a tar that is the same each time."""
    written = io.BytesIO()
    with tarfile.open(fileobj=written, mode="w") as tar:
        for name, (content, mode) in files.items():
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode = len(content), mode
            tar.addfile(entry, io.BytesIO(content))
    return written.getvalue()
