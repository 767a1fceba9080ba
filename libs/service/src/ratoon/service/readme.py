"""Keeps the settings tables of READMEs true: `python -m ratoon.service.readme [--check] services/*/README.md`.

The table of `libs/service/README.md` is the job worker's.
"""

import sys
from pathlib import Path

from ratoon.runtime.settings import ProcessSettings, settings_class
from ratoon.service import job_worker

_BEGIN, _END = "<!-- settings -->\n", "<!-- /settings -->"


def table(settings: type[ProcessSettings]) -> str:
    """Return the Markdown table of a service's environment variables."""
    prefix = settings.model_config.get("env_prefix", "")
    rows = [
        f"| `{prefix}{name.upper()}` | {_default(field.default)} | {field.description} |"
        for name, field in settings.model_fields.items()
        if name != "service"
    ]
    return "\n".join(["| variable | default | meaning |", "|---|---|---|", *rows, ""])


def _default(value: object) -> str:
    return "" if value in ("", {}, None) else f"`{value}`"


def updated(readme: str, settings: type[ProcessSettings]) -> str:
    """The README with a fresh table between its two marks."""
    before, _, rest = readme.partition(_BEGIN)
    _, _, after = rest.partition(_END)
    return f"{before}{_BEGIN}{table(settings)}{_END}{after}"


def settings_beside(readme: Path) -> type[ProcessSettings]:
    """Return the settings that a README documents: those of the service, or in a library those of the job worker."""
    home = readme.absolute().parent
    return job_worker.Settings if home.parent.name == "libs" else settings_class(home.name)


def main(arguments: list[str]) -> int:
    """Write the tables, or with `--check` only say which are stale; the exit status."""
    stale = []
    for path in (Path(a) for a in arguments if a != "--check"):
        fresh = updated(path.read_text(), settings_beside(path))
        if fresh != path.read_text():
            stale.append(str(path))
            if "--check" not in arguments:
                path.write_text(fresh)
    if stale and "--check" in arguments:
        print(
            f"Stale settings tables: {', '.join(stale)}; run: python -m ratoon.service.readme services/*/README.md"
        )
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
