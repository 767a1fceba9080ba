"""Table of a compression: measurements of a model and of its smaller form."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

JSON = Mapping[str, Any]

METHODS = {
    "METHOD_INT8": "8-bit integers (W8A8)",
    "METHOD_INT4": "4-bit integers (W4A16)",
    "METHOD_BFLOAT16": "bfloat16",
    "METHOD_FLOAT16": "float16",
    "METHOD_PRUNED": "half of the weights zero",
}
"""Number formats of a form, by their values."""
_MEASURED = (
    ("sizeBytes", "Size on disk", "size"),
    ("weightMemoryBytes", "Memory of the weights", "size"),
    ("tokensPerSecond", "Tokens a second, one request", "decimal"),
    ("batchTokensPerSecond", "Tokens a second, eight requests", "decimal"),
    ("dtype", "Computed in", "text"),
    ("runtime", "Computed by", "text"),
)


def compressible(versions: Sequence[JSON]) -> list[JSON]:
    """Return the versions that can be compressed: those that are ready and no compressed form of another one.

    A merged adapter is derived from another version, too; it has a training run of its own.
    """
    runs = {each["name"]: _lineage(each).get("trainingRun", "") for each in versions}
    return [
        each
        for each in versions
        if each.get("state") == "STATE_READY"
        and not (
            (source := _lineage(each).get("derivedFrom", ""))
            and runs.get(source, runs[each["name"]]) == runs[each["name"]]
        )
    ]


@dataclass(frozen=True)
class Form:
    """A version that is another form of a version, beside it: sizes in bytes, and a score that both have."""

    version: str
    kind: str
    source: str
    size: int
    source_size: int
    metric: str = ""
    score: float = 0.0
    source_score: float = 0.0


def forms(versions: Sequence[JSON], runs: Sequence[JSON], metric: str) -> list[Form]:
    """Return the compressed forms, merged adapters and students among versions whose source is among them.

    A student is trained by a run whose teacher is the artifact of a version. `metric` is the one that decides.
    """
    by_name = {each["name"]: each for each in versions}
    by_digest = {each.get("artifactDigest", ""): each for each in versions}
    by_run = {each["name"]: each for each in runs}
    return [
        _form(each, kind, source, metric)
        for each in versions
        if each.get("state") == "STATE_READY"
        for kind, source in [_source(each, by_name, by_digest, by_run)]
        if source is not None
    ]


def _source(
    version: JSON, by_name: Mapping[str, JSON], by_digest: Mapping[str, JSON], by_run: Mapping[str, JSON]
) -> tuple[str, JSON | None]:
    lineage = _lineage(version)
    run = lineage.get("trainingRun", "")
    source = by_name.get(lineage.get("derivedFrom", ""))
    if source is not None:
        is_compressed = _lineage(source).get("trainingRun", "") == run
        return ("compressed" if is_compressed else "merged adapter"), source
    parent = by_name.get(lineage.get("parentVersion", ""))
    if parent is not None and run and _lineage(parent).get("trainingRun", "") == run:
        return "pruned", parent
    recipe = by_run.get(run, {}).get("recipe") or {}
    teacher = (recipe.get("distillation") or {}).get("teacherArtifactDigest", "")
    return "student", by_digest.get(teacher) if teacher else None


def _form(version: JSON, kind: str, source: JSON, metric: str) -> Form:
    own, others = version.get("scores") or {}, source.get("scores") or {}
    shared = sorted(own.keys() & others.keys(), key=lambda name: (not name.endswith(f".{metric}"), name))
    size, source_size = (int(each.get("sizeBytes") or 0) for each in (version, source))
    form = Form(version["name"], kind, source["name"], size, source_size)
    if not shared:
        return form
    name = shared[0]
    return replace(form, metric=name, score=float(own[name]), source_score=float(others[name]))


def _lineage(version: JSON) -> JSON:
    return version.get("lineage") or {}


def rows(compression: JSON) -> Sequence[tuple[str, Any, Any, str]]:
    """Return label, value of the source, value of the compressed model and kind of value of each measurement."""
    source, compressed = compression.get("source") or {}, compression.get("compressed") or {}
    if not source:
        return []
    measured = [
        (label, _shown(source.get(name)), _shown(compressed.get(name)), kind)
        for name, label, kind in _MEASURED
    ]
    metrics = compressed.get("metrics") or {}
    own = source.get("metrics") or {}
    return [
        *measured,
        *(
            (name.replace("_", " "), own.get(name, 0.0), value, "decimal")
            for name, value in sorted(metrics.items())
        ),
    ]


def _shown(value: Any) -> Any:
    return (
        value.removeprefix("DTYPE_").lower()
        if isinstance(value, str) and value.startswith("DTYPE_")
        else value
    )
