"""`ratoon suites`: named lists of tests, made from files of this machine."""

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer
import yaml

from ratoon.cli.changes import change, delete, provided
from ratoon.cli.context import session
from ratoon.cli.documents import read_settings
from ratoon.cli.names import name_argument
from ratoon.cli.output import as_json, show
from ratoon.cli.resources import Yes, group

Name = Annotated[str, name_argument(help="Id or full resource name.")]
File = Annotated[Path, typer.Option("--file", "-f", help="YAML or JSON file with description and tests.")]

app = group("suites", "Named lists of tests for evaluations.")

_UPLOADED = ("records", "code")


@app.command("create")
def create_suite(context: typer.Context, suite: Name, file: File) -> None:
    """Create a suite. Files that it names are uploaded: `file: PATH` stands for a digest, and `task: PATH` for the
    YAML of a task of lm-evaluation-harness, whose data files are uploaded too. Paths are relative to the file.

    Example:
      ratoon suites create hard -f hard.yaml
    """
    chosen = session(context)
    fields = _read(file, chosen.client.blobs.upload)
    name = chosen.name(suite, "suites")
    created = chosen.client.suites.create(chosen.parent(), suite_id=name.rsplit("/", 1)[-1], **fields)
    show(created, chosen.output)


@app.command("update")
def update_suite(
    context: typer.Context,
    suite: Name,
    file: Annotated[
        Path | None, typer.Option("--file", "-f", help="YAML or JSON file with the fields to change.")
    ] = None,
    description: Annotated[str | None, typer.Option(help="Purpose of the suite.")] = None,
) -> None:
    """Update a suite. Existing evaluations keep the tests with which they were created.

    Files are uploaded as by `ratoon suites create`.
    """
    chosen = session(context)
    fields = _read(file, chosen.client.blobs.upload) if file else {}
    read = as_json(chosen.client.suites.get(chosen.name(suite, "suites")))
    change(context, "suites", read, fields | provided(description=description), "--file, --description")


@app.command("delete")
def delete_suite(context: typer.Context, suite: Name, yes: Yes = False) -> None:
    """Delete a suite. Existing evaluations keep its tests and results."""
    chosen = session(context)
    read = as_json(chosen.client.suites.get(chosen.name(suite, "suites")))
    delete(context, "suites", read, "", yes)


def _read(path: Path, upload: Callable[[Path], str]) -> dict[str, Any]:
    """Return the fields of a suite in a file, with the digests of the files that it names."""
    settings = _yaml(path)
    tests = settings.get("tests") if isinstance(settings, dict) else None
    if not isinstance(tests, list):
        return read_settings(path, "suites")
    for test in tests:
        if isinstance(test, dict):
            _resolve(test, path.parent, upload)
    with tempfile.TemporaryDirectory() as folder:
        resolved = Path(folder) / path.name
        resolved.write_text(yaml.safe_dump(settings, sort_keys=False), encoding="utf-8")
        return read_settings(resolved, "suites")


def _resolve(test: dict[str, Any], folder: Path, upload: Callable[[Path], str]) -> None:
    """Replace the paths of a test by digests, and the path of a task by its YAML."""
    for kind in _UPLOADED:
        content = test.get(kind)
        if isinstance(content, dict) and "file" in content:
            content["digest"] = upload(_existing(folder / content.pop("file")))
    harness = test.get("harness")
    if not isinstance(harness, dict):
        return
    if "task" in harness:
        task = _existing(folder / harness.pop("task"))
        harness["yaml"] = task.read_text(encoding="utf-8")
        beside = [{"name": name, "file": str(task.parent.absolute() / name)} for name in _data_files(task)]
        harness.setdefault("files", beside)
    for file in harness.get("files", []):
        if isinstance(file, dict) and "file" in file:
            file["digest"] = upload(_existing(folder / file.pop("file")))


def _data_files(task: Path) -> list[str]:
    """Return the files that a task of lm-evaluation-harness reads."""
    settings = _yaml(task)
    files = (settings.get("dataset_kwargs") or {}).get("data_files") if isinstance(settings, dict) else None
    each = list(files.values()) if isinstance(files, dict) else [files]
    names = [name for one in each for name in (one if isinstance(one, list) else [one])]
    return list(dict.fromkeys(name for name in names if isinstance(name, str)))


class _Loader(yaml.SafeLoader):
    """Reads tags of Python code as nothing: the API refuses them with a sentence."""


_Loader.add_multi_constructor("!", lambda _loader, _suffix, _node: None)


def _yaml(path: Path) -> Any:
    try:
        return yaml.load(_existing(path).read_text(encoding="utf-8"), Loader=_Loader)
    except (yaml.YAMLError, UnicodeDecodeError, RecursionError) as error:
        raise typer.BadParameter(f"{path} is not YAML: {' '.join(str(error).split())[:300]}.") from None


def _existing(path: Path) -> Path:
    if not path.is_file():
        raise typer.BadParameter(f"{path} is no file.")
    return path
