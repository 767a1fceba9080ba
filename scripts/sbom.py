"""A bill of materials of one image, CycloneDX 1.6: `sbom.py NAME VERSION [PROGRAM] <dpkg-status`.

Owns where each image's parts are listed: the lock it was installed from, Debian's status file, the jars' digests, the
modules in a Go program; and where the licenses of Python packages are found: in the metadata of this environment, if it
has the version of the lock. Knows nothing of how images are built.
"""

import json
import re
import subprocess
import sys
import tomllib
import uuid
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, metadata
from pathlib import Path

from packaging.licenses import InvalidLicenseExpression, canonicalize_license_expression
from packaging.requirements import Requirement

ROOT = Path(__file__).resolve().parent.parent
IMAGES = ROOT / "charts/images"
TARGET = {"python_full_version": "3.11.2", "python_version": "3.11", "sys_platform": "linux"}
"""The interpreter of the base image, for the lock's markers."""
LICENSES = {
    "Apache Software License": "Apache-2.0",
    "ISC License (ISCL)": "ISC",
    "MIT License": "MIT",
    "Mozilla Public License 2.0 (MPL 2.0)": "MPL-2.0",
}
"""SPDX identifiers of classifiers that name one license."""

Component = dict[str, object]


def main() -> int:
    """Print the bill of materials of the image that the command line names."""
    name, version = sys.argv[1:3]
    components = list(debian(sys.stdin.read()))
    lock = ROOT / "requirements" / f"{name}.txt"
    if lock.exists():
        components += [*map(licensed, python(lock.read_text())), *own()]
    if name == "kafka":
        components += jars((IMAGES / "kafka/jars.sha256").read_text())
    if len(sys.argv) > 3:
        components += go(Path(sys.argv[3]))
    json.dump(bill(name, version, components), sys.stdout, indent=1)
    return 0


def bill(name: str, version: str, components: list[Component]) -> dict[str, object]:
    """The document; its serial number follows from what it lists."""
    listed = json.dumps(components, sort_keys=True)
    image: Component = {"type": "container", "name": f"ratoon/{name}", "version": version}
    return {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "serialNumber": f"urn:uuid:{uuid.uuid5(uuid.NAMESPACE_URL, listed)}",
        "version": 1,
        "metadata": {"component": image},
        "components": components,
    }


def debian(status: str) -> Iterator[Component]:
    """Yield the packages that a dpkg status file lists as installed."""
    for paragraph in status.split("\n\n"):
        fields = dict(re.findall(r"^([A-Za-z-]+): (.*)$", paragraph, re.MULTILINE))
        if fields.get("Status", "").endswith(" installed"):
            name, version, machine = fields["Package"], fields["Version"], fields["Architecture"]
            yield part(name, version, f"pkg:deb/debian/{name}@{version}?arch={machine}")


def python(lock: str) -> Iterator[Component]:
    """Yield what a lock installs on the target, with the digests that it allows."""
    for entry in re.split(r"\n(?=[a-z0-9])", lock):
        if "==" not in entry or entry.startswith("#"):
            continue
        requirement = Requirement(re.split(r"\s*\\?\n", entry, maxsplit=1)[0].rstrip("\\ "))
        if requirement.marker is None or requirement.marker.evaluate(TARGET):
            version = next(iter(requirement.specifier)).version
            component = part(requirement.name, version, f"pkg:pypi/{requirement.name}@{version}")
            component["hashes"] = [digest(each) for each in re.findall(r"sha256:([0-9a-f]{64})", entry)]
            yield component


def own() -> Iterator[Component]:
    """Ratoon's own packages."""
    for path in sorted([*ROOT.glob("libs/*/pyproject.toml"), *ROOT.glob("services/*/pyproject.toml")]):
        project = tomllib.loads(path.read_text())["project"]
        name, version = project["name"], project["version"]
        if name != "ratoon-testkit":
            component = part(name, version, f"pkg:generic/{name}@{version}")
            yield component | {"licenses": [{"expression": project["license"]}]}


def licensed(component: Component) -> Component:
    """Return the component of a Python package with its licenses, as far as they are known here."""
    try:
        fields = metadata(str(component["name"]))
    except PackageNotFoundError:
        return component
    classifiers = [each for each in fields.get_all("Classifier") or [] if each.startswith("License :: ")]
    stated = fields.get_all("License-Expression") or fields.get_all("License") or [""]
    licenses = license_choice(stated[0], classifiers) if fields["Version"] == component["version"] else []
    return component | {"licenses": licenses} if licenses else component


def license_choice(stated: str, classifiers: list[str]) -> list[Component]:
    """Return licenses as the document has them: an SPDX expression, else classifiers, else a statement of one line."""
    try:
        return [{"expression": canonicalize_license_expression(stated)}]
    except InvalidLicenseExpression:
        names = [each.rpartition(" :: ")[2] for each in classifiers]
    if not names and "\n" not in stated.strip():
        names = [stated.strip()]
    return [{"license": license_of(name)} for name in names if name]


def license_of(name: str) -> Component:
    """Return a license by its SPDX identifier, if its name has one."""
    return {"id": LICENSES[name]} if name in LICENSES else {"name": name}


def jars(digests: str) -> Iterator[Component]:
    """The jars that a list of digests names."""
    for line in digests.splitlines():
        sha256, file = line.split()
        name, version = re.fullmatch(r"(.+?)-(\d.*)\.jar", file).groups()  # type: ignore[union-attr]
        component = part(name, version, f"pkg:generic/{name}@{version}")
        component["hashes"] = [digest(sha256)]
        yield component


def go(program: Path) -> Iterator[Component]:
    """The modules that a Go program was built from."""
    done = subprocess.run(["go", "version", "-m", program], capture_output=True, text=True, check=True)
    for line in done.stdout.splitlines():
        kind, *words = line.split()
        if kind in {"mod", "dep"}:
            yield part(words[0], words[1], f"pkg:golang/{words[0]}@{words[1]}")


def part(name: str, version: str, purl: str) -> Component:
    """A component as the document has it."""
    return {"type": "library", "name": name, "version": version, "purl": purl, "bom-ref": purl}


def digest(sha256: str) -> Component:
    """A digest as the document has it."""
    return {"alg": "SHA-256", "content": sha256}


if __name__ == "__main__":
    sys.exit(main())
