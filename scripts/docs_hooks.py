"""Hooks of mkdocs: pages of the repository outside `docs/`, patterns in the navigation, scripts of the site.

Owns the map from files of the repository to pages of the site. Knows nothing of what pages say.
"""

import os
import re
from collections.abc import Iterator
from fnmatch import fnmatch
from pathlib import Path, PurePosixPath
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
SCRIPTS = ROOT / ".tools/site"
"""Directory of the scripts that the site needs without a network; `scripts/docs.py` fetches them."""

FIXED_PAGES = {
    "README.md": "index.md",
    "CONTRIBUTING.md": "contributing.md",
    "SECURITY.md": "security-policy.md",
    "CODE_OF_CONDUCT.md": "code-of-conduct.md",
    "CHANGELOG.md": "changelog.md",
    "charts/ratoon/README.md": "chart.md",
}
LINK = re.compile(r"(?P<image>!?)\[(?P<text>[^\]]*)\]\((?P<target>[^)#\s]+)(?P<anchor>#[^)\s]*)?\)")
FENCE = re.compile(r"(^```.*?^```)", re.MULTILINE | re.DOTALL)
ABSOLUTE = re.compile(r"[a-z]+:")
CELL = re.compile(r"^# %%(?: \[(markdown)\])?\n", re.MULTILINE)
"""Beginning of a cell of a script that editors show as a notebook."""


def outside_pages() -> dict[str, str]:
    """Return the page in the site for each document outside `docs/`, both as paths with slashes."""
    readmes = [*ROOT.glob("services/*/README.md"), *ROOT.glob("libs/*/README.md")]
    places = [path.relative_to(ROOT) for path in sorted(readmes)]
    return FIXED_PAGES | {place.as_posix(): f"{place.parent.as_posix()}.md" for place in places} | notebooks()


def notebooks() -> dict[str, str]:
    """Return the page in the site for each script with cells, both as paths with slashes."""
    scripts = sorted(ROOT.glob("examples/walkthrough/*.py"))
    return {
        path.relative_to(ROOT).as_posix(): f"walkthrough/{path.stem}.md"
        for path in scripts
        if CELL.search(path.read_text())
    }


def notebook_page(script: str) -> str:
    """Return the page of a script with cells: Markdown cells as text, the others as code."""
    _, *parts = CELL.split(script)
    cells = zip(parts[::2], parts[1::2], strict=True)
    return "\n\n".join(
        re.sub(r"^# ?", "", text.strip(), flags=re.MULTILINE) if kind else f"```python\n{text.strip()}\n```"
        for kind, text in cells
    )


def site_paths() -> dict[str, str]:
    """Return the path in the site for each document and image of the repository that the site contains."""
    files = [path for path in (ROOT / "docs").rglob("*") if path.is_file()]
    inside = {path.relative_to(ROOT).as_posix(): path.relative_to(ROOT / "docs").as_posix() for path in files}
    return inside | outside_pages()


def on_config(config: Any) -> Any:
    """Replace each pattern in the navigation by the pages that match it."""
    config.nav = list(expand(config.nav, sorted(site_paths().values())))
    return config


def expand(entries: list[Any], pages: list[str]) -> Iterator[Any]:
    """Yield the entries of a navigation with their patterns replaced."""
    for entry in entries:
        if isinstance(entry, dict):
            yield {title: list(expand(below, pages)) for title, below in entry.items()}
        elif "*" in entry:
            depth = entry.count("/")
            yield from (page for page in pages if fnmatch(page, entry) and page.count("/") == depth)
        else:
            yield entry


def on_files(files: Any, config: Any) -> Any:
    """Add the documents outside `docs/` and the scripts of the site."""
    from mkdocs.structure.files import File

    for source, page in outside_pages().items():
        files.append(File.generated(config, page, abs_src_path=str(ROOT / source)))
    for script in sorted(SCRIPTS.iterdir()):
        files.append(File.generated(config, f"assets/{script.name}", abs_src_path=str(script)))
    return files


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """Turn a script into a page, and point the links of a page to the site."""
    if page.file.src_uri in notebooks().values():
        markdown = notebook_page(markdown)
    return relink(markdown, page.file.src_uri, site_paths())


def relink(markdown: str, page: str, paths: dict[str, str]) -> str:
    """Return a page whose links lead to pages of the site; a link to another file of the repository becomes its text.

    `page` is the path in the site, `paths` maps files of the repository to the site. Blocks of code stay as they are.
    """
    origin = next(source for source, target in paths.items() if target == page)
    parts = FENCE.split(markdown)
    return "".join(
        part if position % 2 else LINK.sub(lambda link: relinked(link, origin, paths), part)
        for position, part in enumerate(parts)
    )


def relinked(link: re.Match[str], origin: str, paths: dict[str, str]) -> str:
    """Return one link of the document `origin` as the site needs it."""
    if ABSOLUTE.match(link["target"]):
        return link[0]
    target = os.path.normpath(PurePosixPath(origin).parent / link["target"])
    if target in paths:
        place = os.path.relpath(paths[target], PurePosixPath(paths[origin]).parent)
        return f"{link['image']}[{link['text']}]({place}{link['anchor'] or ''})"
    return link["text"] if (ROOT / target).exists() else link[0]
