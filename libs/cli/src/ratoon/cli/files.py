"""Read files named on the command line, with an error message for each failure."""

import json
from pathlib import Path
from typing import Any

import typer


def read_settings(path: Path | None) -> dict[str, Any]:
    """Return the fields of a JSON file, or none without a file; raise typer.BadParameter naming the faulty line."""
    if path is None:
        return {}
    try:
        value = json.loads(path.read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise typer.BadParameter(f"{path} cannot be read: {error.strerror}.") from None
    except UnicodeDecodeError:
        raise typer.BadParameter(f"{path} is not UTF-8 text.") from None
    except json.JSONDecodeError as error:
        raise typer.BadParameter(
            f"{path} is not JSON: {error.msg} at line {error.lineno}, column {error.colno}."
        ) from None
    if not isinstance(value, dict):
        raise typer.BadParameter(f"{path} must contain a JSON object with fields of the resource.")
    return value
