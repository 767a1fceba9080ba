"""`ratoon datasets rows`: rows of a CSV file as records, each with the JSON object of its fields as its text."""

import csv
import json
from pathlib import Path
from typing import Annotated

import typer

from ratoon.cli.output import say


def rows(
    file: Annotated[
        Path, typer.Argument(help="CSV file in UTF-8 with a header.", exists=True, dir_okay=False)
    ],
    label: Annotated[str, typer.Option(help="Name of the column with the right answers.")],
    out: Annotated[Path, typer.Option(help="JSONL file to write.")],
    delimiter: Annotated[str, typer.Option(help="Character between the fields.")] = ",",
) -> None:
    """Write the rows of a CSV file as records for a model of a table: import them with `ratoon datasets import`.

    Empty fields are missing values. Rows without an answer have no label.
    """
    try:
        with file.open(encoding="utf-8-sig", newline="") as source:
            reader = csv.DictReader(source, delimiter=delimiter)
            names = list(reader.fieldnames or ())
            _check(file, names, label)
            written = 0
            with out.open("w", encoding="utf-8") as sink:
                for number, row in enumerate(reader, 2):
                    sink.write(_record(file, number, row, label))
                    written += 1
    except (UnicodeDecodeError, csv.Error) as error:
        raise typer.BadParameter(f"{file} is no CSV file in UTF-8: {error}.") from None
    say(f"{written:,} rows with {len(names) - 1} fields each are in {out}.")


def _check(file: Path, names: list[str], label: str) -> None:
    if label not in names:
        raise typer.BadParameter(f"{file} has no column {label!r}; it has {', '.join(names)[:200]}.")
    if repeated := [name for name in names if names.count(name) > 1]:
        raise typer.BadParameter(f"{file} has the column {repeated[0]!r} more than once: rename all but one.")


def _record(file: Path, number: int, row: dict[str | None, str], label: str) -> str:
    if None in row:
        raise typer.BadParameter(f"Line {number} of {file} has more fields than the header: correct it.")
    fields = {name: value or None for name, value in row.items() if name != label}
    record = {"text": json.dumps(fields, ensure_ascii=False), **({"label": row[label]} if row[label] else {})}
    return json.dumps(record, ensure_ascii=False) + "\n"
