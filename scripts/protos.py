"""Generated code from `protos/`: written into `libs/contracts`, checked to be fresh, well-formed, unbroken.

Owns how protoc and buf are called. Knows nothing of what the messages mean.
"""

import argparse
import filecmp
import hashlib
import os
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import tempfile
from importlib import resources
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PROTOS = ROOT / "protos"
GENERATED = ROOT / "libs/contracts/src"
BUF_VERSION = "1.75.0"
BUF_SHA256 = "98b19d4b2b46130e083157490c54dfdcb8ea771e53204d3c6a06a2b12edd0503"


class ProtoError(Exception):
    """A contract problem; the text says what to do."""


def main() -> int:
    """Run the command named on the command line; 0 when the contracts are in order."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("command", choices=["generate", "check"])
    command = parser.parse_args().command
    try:
        generate(GENERATED) if command == "generate" else check()
    except ProtoError as error:
        print(f"protos: {error}", file=sys.stderr)
        return 1
    return 0


def check() -> None:
    """Raise `ProtoError` unless the generated code is fresh, the protos lint clean and break no caller."""
    check_fresh()
    buf = install_buf()
    with tempfile.TemporaryDirectory() as scratch:
        image = Path(scratch, "now.binpb")
        describe(PROTOS, image)
        run_buf(buf, "lint", str(image))
        if tag := last_tag():
            before = Path(scratch, "before.binpb")
            describe(export(tag, Path(scratch, "before")), before)
            run_buf(buf, "breaking", str(image), "--against", str(before))
    print(f"protos: {len(files(PROTOS))} files, generated code fresh, lint clean")


def generate(target: Path) -> None:
    """Make the code under `target` what `protos/` gives; files that are right already are left alone."""
    messages = files(PROTOS)
    services = [name for name in messages if name.endswith("_service.proto")]
    with tempfile.TemporaryDirectory() as scratch:
        protoc(PROTOS, messages, f"--python_out={scratch}", f"--mypy_out=quiet:{scratch}")
        protoc(PROTOS, services, f"--grpc_python_out={scratch}", f"--mypy_grpc_out=quiet:{scratch}")
        for name in differences(Path(scratch), target):
            fresh = Path(scratch, name)
            if fresh.exists():
                (target / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(fresh, target / name)
            else:
                (target / name).unlink()


def check_fresh() -> None:
    """Raise `ProtoError` naming each generated file that is not what `protos/` would give."""
    with tempfile.TemporaryDirectory() as scratch:
        generate(Path(scratch))
        stale = differences(Path(scratch), GENERATED)
    if stale:
        raise ProtoError("generated code is stale, run `make proto` and commit:\n  " + "\n  ".join(stale))


def differences(left: Path, right: Path) -> list[str]:
    """Return the paths, relative and sorted, that the two trees do not hold alike (byte-code left out)."""
    ours = {path.relative_to(left) for path in left.rglob("*.py*") if path.suffix in (".py", ".pyi")}
    theirs = {path.relative_to(right) for path in right.rglob("*.py*") if path.suffix in (".py", ".pyi")}
    _, changed, lost = filecmp.cmpfiles(left, right, [str(path) for path in ours & theirs], shallow=False)
    return sorted([*changed, *lost, *(str(path) for path in ours ^ theirs)])


def describe(folder: Path, image: Path) -> None:
    """Write the descriptor set of all protos under `folder`, imports included, to `image`."""
    protoc(
        folder, files(folder), "--include_imports", "--include_source_info", f"--descriptor_set_out={image}"
    )


def protoc(folder: Path, names: list[str], *arguments: str) -> None:
    """Run protoc of grpcio-tools over the protos `names` under `folder`."""
    includes = [folder, resources.files("grpc_tools") / "_proto", sysconfig.get_path("purelib")]
    command = [sys.executable, "-m", "grpc_tools.protoc", *(f"-I{path}" for path in includes), *arguments]
    environment = os.environ | {"PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
    if subprocess.run([*command, *names], env=environment).returncode:
        raise ProtoError("protoc refused the protos; the lines above say where")


def files(folder: Path) -> list[str]:
    """Return every proto under `folder`, relative to it, sorted."""
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*.proto"))


def run_buf(buf: Path, *arguments: str) -> None:
    """Run buf with the repository's configuration."""
    done = subprocess.run([buf, *arguments, "--config", ROOT / "buf.yaml"], cwd=ROOT)
    if done.returncode:
        raise ProtoError(f"buf {arguments[0]} found what the lines above name; mend the protos")


def install_buf() -> Path:
    """Return the path of the pinned buf under `.tools/`, fetched by npm and verified at first use."""
    buf = ROOT / ".tools" / f"buf-{BUF_VERSION}"
    if buf.exists():
        return buf
    npm = shutil.which("npm")
    if npm is None:
        raise ProtoError("npm is needed to fetch buf: apt-get install npm")
    buf.parent.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(dir=buf.parent) as scratch:
        package = f"@bufbuild/buf-linux-x64@{BUF_VERSION}"
        if subprocess.run([npm, "pack", "--silent", package], cwd=scratch, capture_output=True).returncode:
            raise ProtoError(f"npm could not fetch {package}; check the network and try again")
        archive = next(Path(scratch).glob("*.tgz"))
        if hashlib.sha256(archive.read_bytes()).hexdigest() != BUF_SHA256:
            raise ProtoError(f"{package} is not the package that was pinned; nothing was installed")
        unpack_binary(archive, Path(scratch, "buf"))
        os.replace(Path(scratch, "buf"), buf)
    return buf


def unpack_binary(archive: Path, target: Path) -> None:
    """Write the one binary in the npm package to `target`, executable."""
    with tarfile.open(archive) as package:
        member = package.extractfile("package/bin/buf")
        if member is None:
            raise ProtoError(f"{archive.name} holds no bin/buf")
        target.write_bytes(member.read())
    target.chmod(0o755)


def last_tag() -> str:
    """Return the latest tag before this commit whose tree has protos, or nothing."""
    command = ["git", "describe", "--tags", "--abbrev=0"]
    tag = subprocess.run(command, cwd=ROOT, capture_output=True, text=True).stdout.strip()
    has_protos = ["git", "cat-file", "-e", f"{tag}:protos"]
    found = tag and subprocess.run(has_protos, cwd=ROOT, capture_output=True).returncode == 0
    return tag if found else ""


def export(tag: str, target: Path) -> Path:
    """Write the protos of `tag` under `target` and return their root."""
    target.mkdir()
    archive = target / "protos.tar"
    subprocess.run(["git", "archive", "-o", archive, tag, "protos"], cwd=ROOT, check=True)
    with tarfile.open(archive) as packed:
        packed.extractall(target, filter="data")
    return target / "protos"


if __name__ == "__main__":
    sys.exit(main())
