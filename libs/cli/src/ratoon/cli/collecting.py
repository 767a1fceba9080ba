"""Dataset versions of records that the platform exported."""

from collections.abc import Sequence

from ratoon.cli.context import Session
from ratoon.cli.output import JSON, follow, say
from ratoon.client import ConflictError


def collected_version(
    chosen: Session, digest: str, title: str, attributes: Sequence[str], dataset: str, license: str = ""
) -> JSON:
    """Return the new version of a dataset, made of exported JSON lines, once it is ready.

    `dataset` is created if it is absent; `attributes` are the fields of the lines to keep beside each record.
    """
    from ratoon.client.types import SourceColumns, SourceFormat

    client, parent = chosen.client, chosen.parent()
    source = client.sources.create(
        parent,
        display_name=title,
        format=SourceFormat.JSONL,
        digest=digest,
        license=license or None,
        columns=SourceColumns(attributes=list(attributes)),
    )
    name = chosen.name(dataset, "datasets")
    try:
        client.datasets.create(parent, dataset_id=name.rsplit("/", 1)[-1])
    except ConflictError:
        say(f"Adding a version to {name}.")
    created = client.dataset_versions.create(name, sources=[source.name])
    return follow(client, created.name, chosen.output)
