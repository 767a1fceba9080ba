"""Files that a user names on the command line, read with a sentence where they cannot be."""

import json
from pathlib import Path
from typing import Any

import typer


def read_settings(path: Path | None) -> dict[str, Any]:
    """Return the fields of a JSON file, none without a file; typer.BadParameter names the line of a fault."""
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
        raise typer.BadParameter(f"{path} must hold a JSON object with fields of the resource.")
    return value
