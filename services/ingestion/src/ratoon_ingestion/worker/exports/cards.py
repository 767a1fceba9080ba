"""Descriptions of exports: the dataset card of Hugging Face, and Croissant (`http://mlcommons.org/croissant/1.0`)."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from ratoon.ingestion.v1.export_pb2 import ExportedFile
from ratoon_ingestion.worker.exports.columns import DESCRIPTIONS

_CONTEXT: dict[str, Any] = {
    "@language": "en",
    "@vocab": "https://schema.org/",
    "citeAs": "cr:citeAs",
    "column": "cr:column",
    "conformsTo": "dct:conformsTo",
    "cr": "http://mlcommons.org/croissant/",
    "rai": "http://mlcommons.org/croissant/RAI/",
    "data": {"@id": "cr:data", "@type": "@json"},
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    "dct": "http://purl.org/dc/terms/",
    "equivalentProperty": "cr:equivalentProperty",
    "examples": {"@id": "cr:examples", "@type": "@json"},
    "extract": "cr:extract",
    "field": "cr:field",
    "fileProperty": "cr:fileProperty",
    "fileObject": "cr:fileObject",
    "fileSet": "cr:fileSet",
    "format": "cr:format",
    "includes": "cr:includes",
    "isLiveDataset": "cr:isLiveDataset",
    "jsonPath": "cr:jsonPath",
    "key": "cr:key",
    "md5": "cr:md5",
    "parentField": "cr:parentField",
    "path": "cr:path",
    "recordSet": "cr:recordSet",
    "references": "cr:references",
    "regex": "cr:regex",
    "repeated": "cr:repeated",
    "replace": "cr:replace",
    "samplingRate": "cr:samplingRate",
    "sc": "https://schema.org/",
    "separator": "cr:separator",
    "source": "cr:source",
    "subField": "cr:subField",
    "transform": "cr:transform",
}
_TYPES = {"int32": "sc:Integer", "int64": "sc:Integer", "timestamp[us, tz=UTC]": "sc:DateTime"}
_HF_TYPES = {"timestamp[us, tz=UTC]": "timestamp[us, tz=UTC]"}
SPLIT_NAMES = {"TRAIN": "train", "VALIDATION": "validation", "TEST": "test"}
"""Names of parts in exports."""


@dataclass(frozen=True)
class About:
    """Facts that descriptions state."""

    title: str
    date: str
    licenses: Sequence[str]
    counts: Mapping[str, int]
    """Number of records by the name of a part."""


def croissant(
    about: About, files: Sequence[ExportedFile], encoding: str, columns: Sequence[tuple[str, str]]
) -> str:
    """Return the JSON-LD; each column is its name and its Arrow type."""
    described: dict[str, Any] = {
        "@context": _CONTEXT,
        "@type": "sc:Dataset",
        "conformsTo": "http://mlcommons.org/croissant/1.0",
        "name": about.title,
        "description": f"Records of {about.title}, curated and exported by Ratoon.",
        "license": list(about.licenses) or ["unknown"],
        "url": f"urn:ratoon:{about.title}",
        "creator": {"@type": "sc:Organization", "name": about.title.split("/")[1]},
        "datePublished": about.date,
        "version": "1.0.0",
        "distribution": [_file(each, encoding) for each in files],
        "recordSet": [_record_set(each, columns) for each in files],
    }
    return json.dumps(described, indent=1, ensure_ascii=False) + "\n"


def _file(file: ExportedFile, encoding: str) -> dict[str, Any]:
    return {
        "@type": "cr:FileObject",
        "@id": file.path,
        "name": file.path,
        "contentUrl": file.path,
        "contentSize": f"{file.size_bytes} B",
        "encodingFormat": encoding,
        "sha256": file.digest,
    }


def _record_set(file: ExportedFile, columns: Sequence[tuple[str, str]]) -> dict[str, Any]:
    name = file.path.rpartition("/")[2].partition(".")[0]
    return {
        "@type": "cr:RecordSet",
        "@id": name,
        "name": name,
        "field": [
            {
                "@type": "cr:Field",
                "@id": f"{name}/{column}",
                "name": column,
                "description": DESCRIPTIONS.get(column, column),
                "dataType": _TYPES.get(kind, "sc:Text"),
                "source": {"fileObject": {"@id": file.path}, "extract": {"column": column}},
            }
            for column, kind in columns
        ],
    }


def dataset_card(about: About, schema: pa.Schema) -> str:
    """Return the README of a dataset directory: its YAML says which files are which split, and their columns."""
    lines = ["---"]
    if about.licenses:
        lines += ["license_name: " + json.dumps(", ".join(about.licenses)), "license: other"]
    lines += ["dataset_info:", "  features:"]
    for field in schema:
        kind = "image" if field.name == "image" else str(field.type)
        lines += [f"  - name: {field.name}", f"    dtype: {_HF_TYPES.get(kind, kind)}"]
    lines.append("  splits:")
    for name, count in about.counts.items():
        lines += [f"  - name: {name}", f"    num_examples: {count}"]
    lines += ["configs:", "- config_name: default", "  data_files:"]
    for name in about.counts:
        lines += [f"  - split: {name}", f"    path: data/{name}-*.parquet"]
    lines += ["---", f"# {about.title}", "", f"Curated and exported by Ratoon on {about.date}.", ""]
    lines += [f"- `{field.name}`: {DESCRIPTIONS[field.name]}" for field in schema]
    return "\n".join(lines) + "\n"
