"""The README names the whole control API and every setting; `python <this file>` writes the table of settings."""

import ast
import inspect
import re
from dataclasses import MISSING, Field, fields
from itertools import pairwise
from pathlib import Path

from ratoon.engine import contract, settings
from ratoon.engine.settings import EngineSettings

README = Path(__file__).parents[2] / "README.md"
MARKS = re.compile(r"(?<=<!-- settings -->\n).*(?=<!-- /settings -->)", re.DOTALL)


def table() -> str:
    descriptions = docstrings()
    rows = [
        f"| `{f.name}`{star(f.name)} | {default(f)} | {descriptions[f.name]} |"
        for f in fields(EngineSettings)
    ]
    return "\n".join(["| setting | default | meaning |", "|---|---|---|", *rows, ""])


def star(name: str) -> str:
    return " *" if name in settings._OVERRIDABLE else ""


def default(field: Field) -> str:
    if field.default is MISSING or field.default in ("", ()):
        return ""
    return f"`{field.default}`"


def docstrings() -> dict[str, str]:
    body = ast.parse(inspect.getsource(EngineSettings)).body[0].body
    pairs = pairwise(body)
    return {
        field.target.id: " ".join(text.value.value.split())
        for field, text in pairs
        if isinstance(field, ast.AnnAssign) and isinstance(text, ast.Expr)
    }


def test_the_table_of_settings_is_that_of_the_code():
    assert MARKS.search(README.read_text())[0] == table(), f"run: python {__file__}"


def test_every_path_and_header_of_the_contract_is_documented():
    text = README.read_text()
    headers = [value for name, value in vars(contract).items() if name.endswith("_HEADER")]
    assert len(headers) == 4
    missing = [name for name in [*contract.ControlPath, *headers] if f"{name}`" not in text]
    assert missing == []
    assert all(f"`{reason}`" in text for reason in contract.PERMANENT_REFUSALS)


if __name__ == "__main__":
    README.write_text(MARKS.sub(lambda _: table(), README.read_text()))
