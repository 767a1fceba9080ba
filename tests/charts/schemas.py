"""Kubernetes' own schemas, as its API server's `/openapi/v3` returns them: recorded in the Go module it is built from.

Made into one strict JSON schema a kind, as kubeconform reads them: what a schema does not name is refused.
"""

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ratoon.testkit.kubernetes import tools

GROUPS = ("api__v1", *(f"apis__{group}__v1" for group in (
    "apps", "batch", "networking.k8s.io", "policy", "rbac.authorization.k8s.io", "scheduling.k8s.io",
)))  # fmt: skip
REFERENCE = "#/components/schemas/"
DEFINITIONS = "#/definitions/"
LOCATION = "{{ .ResourceKind }}{{ .KindSuffix }}.json"
Schema = dict[str, Any]


def recorded() -> Path:
    """The folder of the recording."""
    command = ["go", "list", "-m", "-f", "{{.Dir}}", "k8s.io/kubernetes"]
    done = subprocess.run(command, cwd=tools.SOURCE, check=True, capture_output=True, text=True)
    return Path(done.stdout.strip()) / "api/openapi-spec/v3"


def write(folder: Path) -> None:
    """A file for each kind that a chart may have."""
    source = recorded()
    for group in GROUPS:
        components = json.loads((source / f"{group}_openapi.json").read_text())["components"]["schemas"]
        strict = {name: refused(schema) for name, schema in components.items()}
        for name, schema in strict.items():
            for kind in schema.get("x-kubernetes-group-version-kind", []):
                whole = {"$ref": f"{DEFINITIONS}{name}", "definitions": reached(name, strict)}
                (folder / file_name(kind)).write_text(json.dumps(whole))


def reached(name: str, schemas: dict[str, Schema]) -> dict[str, Schema]:
    """The schema of this name and those that it refers to, which kubeconform reads again in each run."""
    result: dict[str, Schema] = {}
    names = [name]
    while names:
        if (each := names.pop()) not in result:
            result[each] = schemas[each]
            names += [reference.removeprefix(DEFINITIONS) for reference in references(schemas[each])]
    return result


def references(schema: Any) -> Iterator[str]:
    """Each `$ref` in a schema."""
    match schema:
        case list():
            for each in schema:
                yield from references(each)
        case dict():
            if isinstance(reference := schema.get("$ref"), str):
                yield reference
            for each in schema.values():
                yield from references(each)


def file_name(kind: dict[str, str]) -> str:
    """As `LOCATION` has it: `deployment-apps-v1.json`."""
    group = kind["group"].partition(".")[0]
    return "-".join(filter(None, (kind["kind"].lower(), group, kind["version"]))) + ".json"


def refused(schema: Any) -> Any:
    """The schema with local references, refusing fields that it does not name."""
    if isinstance(schema, list):
        return [refused(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    whole = {key: refused(value) for key, value in schema.items() if key not in ("description", "default")}
    if isinstance(properties := schema.get("properties"), dict):
        whole["properties"] = {name: refused(value) for name, value in properties.items()}
        whole.setdefault("additionalProperties", False)
    if "$ref" in whole:
        whole["$ref"] = whole["$ref"].replace(REFERENCE, DEFINITIONS)
    return whole
