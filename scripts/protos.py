"""Generated code from `protos/`: written into `libs/contracts`, checked to be fresh, well-formed, compatible.

`generate` writes the code, `check` compares it and the contracts with the last release, `release` records the
contracts as those of a release. Owns how protoc and buf are called. Knows nothing of what the messages mean.
"""

import argparse
import filecmp
import hashlib
import json
import os
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import tempfile
import tomllib
from collections.abc import Iterator, Sequence
from importlib import resources
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
PROTOS = ROOT / "protos"
GENERATED = ROOT / "libs/contracts/src"
RELEASE = PROTOS / "release.binpb"
"""Descriptor set of the contracts of the last release, without source information."""
COMMENTS = "ratoon/contracts/comments.json"
"""Comments of the protos by full name, below the generated code: descriptors at run time have none."""
ACCEPTED = PROTOS / "accepted_breaks.toml"
"""Deliberate breaking changes since the last release, each with its reason. Absent: none."""
BUF_FINDINGS = 100
"""Exit status of buf when it ran and reports findings."""
BUF_VERSION = "1.75.0"
BUF_SHA256 = "98b19d4b2b46130e083157490c54dfdcb8ea771e53204d3c6a06a2b12edd0503"


class ProtoError(Exception):
    """A contract problem; the text says what to do."""


def main() -> int:
    """Run the command named on the command line; 0 when the contracts are in order."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    commands = {"generate": lambda: generate(GENERATED), "check": check, "release": release}
    parser.add_argument("command", choices=commands)
    try:
        commands[parser.parse_args().command]()
    except ProtoError as error:
        print(f"protos: {error}", file=sys.stderr)
        return 1
    return 0


def check() -> None:
    """Raise `ProtoError` unless the generated code is fresh and the protos lint clean and are compatible."""
    check_fresh()
    lint(PROTOS)
    check_breaks(breaks(PROTOS, RELEASE), accepted_breaks(ACCEPTED))
    print(
        f"protos: {len(files(PROTOS))} files, generated code fresh, lint clean, compatible with the last release"
    )


def lint(folder: Path) -> None:
    """Raise `ProtoError` unless the protos under `folder` satisfy buf's rules; each public element has a comment."""
    with tempfile.TemporaryDirectory() as scratch:
        image = Path(scratch, "now.binpb")
        describe(folder, image, "--include_source_info")
        run_buf(install_buf(), "lint", str(image))


def release() -> None:
    """Record the contracts as those of a release, after `check`. The accepted breaks end with it."""
    check()
    describe(PROTOS, RELEASE)
    ACCEPTED.unlink(missing_ok=True)
    print(f"protos: {RELEASE.relative_to(ROOT)} holds the contracts of this release; commit it")


def check_breaks(findings: list[str], accepted: dict[str, str]) -> None:
    """Print each accepted break with its reason; raise `ProtoError` if another break exists or one no longer does."""
    for each, reason in accepted.items():
        print(f"protos: accepted break: {each} Reason: {reason}")
    if refused := [each for each in findings if each not in accepted]:
        raise ProtoError(
            "the protos break callers of the last release; undo the changes, or list each deliberate one with its "
            f"reason in {ACCEPTED.relative_to(ROOT)}:\n  " + "\n  ".join(refused)
        )
    if stale := [each for each in accepted if each not in findings]:
        raise ProtoError(
            f"{ACCEPTED.relative_to(ROOT)} lists breaks that do not exist; remove them:\n  "
            + "\n  ".join(stale)
        )


def accepted_breaks(path: Path) -> dict[str, str]:
    """Return the reason of each accepted break."""
    entries = tomllib.loads(path.read_text())["accepted"] if path.exists() else []
    return {entry["break"]: entry["reason"] for entry in entries}


def breaks(folder: Path, released: Path) -> list[str]:
    """Return what the protos under `folder` break for callers of the descriptor set `released`, one sentence each."""
    if not released.exists():
        raise ProtoError(f"{released} is missing; restore it from git: nothing else says what was released")
    with tempfile.TemporaryDirectory() as scratch:
        image = Path(scratch, "now.binpb")
        describe(folder, image)
        lost = promises(released.read_bytes()) - promises(image.read_bytes())
        return [*schema_breaks(image, released), *(f"{promise} no longer holds." for promise in sorted(lost))]


def schema_breaks(image: Path, released: Path) -> list[str]:
    """Return the findings of buf's breaking rules."""
    command = [str(install_buf()), "breaking", str(image), "--against", str(released), "--error-format=json"]
    done = subprocess.run(
        [*command, "--config", str(ROOT / "buf.yaml")], cwd=ROOT, capture_output=True, text=True
    )
    if done.returncode not in (0, BUF_FINDINGS):
        raise ProtoError(f"buf breaking failed: {done.stderr.strip()}")
    findings = [json.loads(line) for line in done.stdout.splitlines()]
    return [f"{each.get('path', 'protos')}: {each['message']}" for each in findings]


def promises(image: bytes) -> set[str]:
    """Return what the options in a descriptor set promise callers: topics, REST routes, roles, changeable fields.

    buf compares no custom options.
    """
    from google.protobuf.descriptor_pb2 import FileDescriptorSet

    from ratoon.common.v1 import options_pb2  # generated code: `generate` works without it

    promised = set()
    for file in FileDescriptorSet.FromString(image).file:
        for message in file.message_type:
            if topic := message.options.Extensions[options_pb2.topic]:
                promised.add(f"{file.package}.{message.name}: topic {topic}")
        for service in file.service:
            for method in service.method:
                name = f"{file.package}.{service.name}.{method.name}"
                promised.update(f"{name}: {promise}" for promise in method_promises(method.options))
    return promised


def method_promises(options: Any) -> Iterator[str]:
    """Yield what the options of one method promise. A role that may call includes all higher roles."""
    from google.api import annotations_pb2

    from ratoon.common.v1 import options_pb2

    rule = options.Extensions[annotations_pb2.http]
    for route in (rule, *rule.additional_bindings):
        if verb := route.WhichOneof("pattern"):
            yield f"route {verb.upper()} {getattr(route, verb)} with body {route.body!r}"
    if required := options.Extensions[options_pb2.required_role]:
        yield from (f"callable by {name}" for name, role in options_pb2.Role.items() if role >= required)
    yield from (f"field {field} changeable" for field in options.Extensions[options_pb2.changeable])
    if options.Extensions[options_pb2.spans_projects]:
        yield "requests span projects"


def generate(target: Path) -> None:
    """Make the code under `target` what `protos/` gives; files that are right already are left alone."""
    messages = files(PROTOS)
    services = [name for name in messages if name.endswith("_service.proto")]
    with tempfile.TemporaryDirectory() as scratch:
        protoc(PROTOS, messages, f"--python_out={scratch}", f"--mypy_out=quiet:{scratch}")
        protoc(PROTOS, services, f"--grpc_python_out={scratch}", f"--mypy_grpc_out=quiet:{scratch}")
        write_comments(PROTOS, Path(scratch, COMMENTS))
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


def write_comments(folder: Path, target: Path) -> None:
    """Write the comment of each service, method, message, field, enum and enum value under `folder` as JSON."""
    from google.protobuf.descriptor_pb2 import FileDescriptorSet

    with tempfile.TemporaryDirectory() as scratch:
        image = Path(scratch, "now.binpb")
        protoc(folder, files(folder), f"--descriptor_set_out={image}", "--include_source_info")
        described = FileDescriptorSet.FromString(image.read_bytes())
    comments = {name: text for file in described.file for name, text in comments_of(file)}
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(json.dumps(comments, indent=0, sort_keys=True, ensure_ascii=False) + "\n")


def comments_of(file: Any) -> Iterator[tuple[str, str]]:
    """Yield full name and comment of what a file descriptor declares. Enum values are named below their enum."""
    for location in file.source_code_info.location:
        comment = location.leading_comments or location.trailing_comments
        if comment and location.path and (name := declared_name(file, location.path)):
            yield name, "\n".join(line.removeprefix(" ").rstrip() for line in comment.splitlines()).strip()


def declared_name(file: Any, path: Sequence[int]) -> str:
    """Return the full name of the declaration at a path of `SourceCodeInfo`; empty for anything else."""
    names, place = [file.package], file
    for number, index in zip(path[::2], path[1::2], strict=False):
        field = type(place).DESCRIPTOR.fields_by_number[number]
        if len(path) % 2 or not field.is_repeated or field.message_type is None:
            return ""
        place = getattr(place, field.name)[index]
        names.append(getattr(place, "name", ""))
    return ".".join(names) if all(names) else ""


def differences(left: Path, right: Path) -> list[str]:
    """Return the paths, relative and sorted, that the two trees do not hold alike (byte-code left out)."""
    ours, theirs = ({path.relative_to(tree) for path in generated(tree)} for tree in (left, right))
    _, changed, lost = filecmp.cmpfiles(left, right, [str(path) for path in ours & theirs], shallow=False)
    return sorted([*changed, *lost, *(str(path) for path in ours ^ theirs)])


def generated(tree: Path) -> Iterator[Path]:
    """Yield every generated file below `tree`."""
    yield from (path for path in tree.rglob("*.*") if path.suffix in (".json", ".py", ".pyi"))


def describe(folder: Path, image: Path, *arguments: str) -> None:
    """Write the descriptor set of all protos under `folder`, imports included, to `image`."""
    protoc(folder, files(folder), "--include_imports", f"--descriptor_set_out={image}", *arguments)


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
    """Run buf with the repository's configuration; `ProtoError` holds its findings as `file:line:column:message`."""
    command = [str(buf), *arguments, "--config", str(ROOT / "buf.yaml")]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    if done.returncode:
        raise ProtoError(f"buf {arguments[0]} refuses the protos:\n{done.stdout}{done.stderr}".rstrip())


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


if __name__ == "__main__":
    sys.exit(main())
