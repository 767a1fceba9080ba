"""The documentation: links lead somewhere, each page is in the navigation, fragments and decisions have their form."""

import json
import re
from pathlib import Path

import pytest
import yaml

from scripts import docs_hooks, line_coverage

ROOT = Path(__file__).parents[2]
CONFIG = ROOT / "mkdocs.yml"
PAGES = [
    *ROOT.glob("*.md"),
    *ROOT.glob("docs/**/*.md"),
    *ROOT.glob("services/*/README.md"),
    *ROOT.glob("libs/*/README.md"),
    *ROOT.glob("charts/ratoon/README.md"),
    *ROOT.glob("changes/README.md"),
]
DECISIONS = sorted(ROOT.glob("docs/decisions/*.md"))
FRAGMENT = re.compile(r"\+[a-z0-9-]+\.(security|removed|added|changed|fixed)\.md")


class _Loader(yaml.SafeLoader):
    """YAML with the tags that mkdocs reads as Python objects."""


_Loader.add_multi_constructor("tag:yaml.org,2002:python/", lambda *_: None)


def prose(path: Path) -> str:
    return docs_hooks.FENCE.sub("", path.read_text())


def anchors(path: Path) -> set[str]:
    """Anchors of a page, as mkdocs and code hosts form them from headings."""
    headings = re.findall(r"(?m)^#+ (.+)$", prose(path))
    plain = [re.sub(r"[`*]|\[([^\]]*)\]\([^)]*\)", r"\1", heading).lower() for heading in headings]
    return {re.sub(r"[^\w\- ]", "", heading).strip().replace(" ", "-") for heading in plain}


def broken_links(path: Path) -> list[str]:
    broken = []
    for target, anchor in re.findall(r"\]\(([^)#\s]*)(#[^)\s]*)?\)", prose(path)):
        if docs_hooks.ABSOLUTE.match(target):
            continue
        place = (path.parent / target).resolve() if target else path
        if not place.exists() or (anchor and place.suffix == ".md" and anchor[1:] not in anchors(place)):
            broken.append(f"{target}{anchor}")
    return broken


@pytest.mark.parametrize("path", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_the_links_of_a_page_lead_to_files_and_headings(path):
    assert broken_links(path) == []


def test_each_page_is_in_the_navigation_once():
    config = yaml.load(CONFIG.read_text(), _Loader)
    pages = sorted(page for page in docs_hooks.site_paths().values() if page.endswith(".md"))
    assert sorted(leaves(list(docs_hooks.expand(config["nav"], pages)))) == pages


def leaves(entries: list) -> list[str]:
    pages = []
    for entry in entries:
        pages += leaves(next(iter(entry.values()))) if isinstance(entry, dict) else [entry]
    return pages


def test_a_pattern_stands_for_the_pages_of_its_directory():
    pages = ["a/b.md", "a/c.md", "a/d/e.md", "f.md"]
    assert list(docs_hooks.expand(["f.md", {"A": ["a/*.md"]}], pages)) == [
        "f.md",
        {"A": ["a/b.md", "a/c.md"]},
    ]


@pytest.mark.parametrize(
    ("markdown", "expected"),
    [
        ("[tour](docs/tutorial.md#start)", "[tour](tutorial.md#start)"),
        ("[serving](services/serving/README.md)", "[serving](services/serving.md)"),
        ("[protos](protos)", "protos"),
        ("![page](docs/images/a.png)", "![page](images/a.png)"),
        ("[missing](docs/missing.md)", "[missing](docs/missing.md)"),
        ("[site](https://example.org/docs/a.md)", "[site](https://example.org/docs/a.md)"),
        ("```\n[a](docs/tutorial.md)\n```", "```\n[a](docs/tutorial.md)\n```"),
    ],
)
def test_links_of_a_document_outside_docs_lead_to_the_site(markdown, expected):
    paths = docs_hooks.site_paths() | {"docs/images/a.png": "images/a.png"}
    assert docs_hooks.relink(markdown, "index.md", paths) == expected


def test_a_link_out_of_docs_leads_to_the_page_in_the_site():
    relinked = docs_hooks.relink(
        "[it](../../services/serving/README.md)", "operations/engines.md", docs_hooks.site_paths()
    )
    assert relinked == "[it](../services/serving.md)"


def test_a_script_with_cells_becomes_a_page():
    script = (
        '"""Docstring."""\n\n# %% [markdown]\n# # Title\n#\n# [A](b.py) link.\n\n'
        "# %%\nprint(1)  # one\n\n\n# %%\nx = 2\n"
    )
    assert docs_hooks.notebook_page(script) == (
        "# Title\n\n[A](b.py) link.\n\n```python\nprint(1)  # one\n```\n\n```python\nx = 2\n```"
    )


def test_links_of_the_walkthroughs_lead_to_pages():
    pages = docs_hooks.notebooks()
    assert len(pages) == 3
    for source, page in pages.items():
        text = docs_hooks.notebook_page((ROOT / source).read_text())
        links = docs_hooks.LINK.findall(docs_hooks.relink(text, page, docs_hooks.site_paths()))
        assert all(link[2].endswith(".md") for link in links)
        assert text.startswith("# ")


@pytest.mark.parametrize("path", DECISIONS, ids=lambda path: path.stem)
def test_a_decision_has_its_form_and_its_number(path):
    text = path.read_text()
    number = DECISIONS.index(path) + 1
    assert path.name.startswith(f"{number:04d}-")
    assert text.startswith(f"# {number}. ")
    assert re.findall(r"(?m)^## (.+)$", text) == ["Context", "Decision", "Consequences"]


def test_fragments_of_the_changelog_have_a_type_and_a_text():
    fragments = [path for path in (ROOT / "changes").iterdir() if path.name != "README.md"]
    assert [path.name for path in fragments if not FRAGMENT.fullmatch(path.name)] == []
    assert [path.name for path in fragments if not path.read_text().strip()] == []


def test_coverage_is_summed_by_package():
    files = {
        "libs/tasks/src/ratoon/tasks/labels.py": {"summary": {"num_statements": 10, "covered_lines": 9}},
        "libs/tasks/src/ratoon/tasks/votes.py": {"summary": {"num_statements": 30, "covered_lines": 21}},
        "services/serving/src/ratoon_serving/mapping.py": {
            "summary": {"num_statements": 0, "covered_lines": 0}
        },
    }
    packages = line_coverage.by_package(json.loads(json.dumps(files)))
    assert list(line_coverage.table(packages))[2:] == [
        "| libs/tasks | 40 | 75.0 % |",
        "| services/serving | 0 | 100.0 % |",
        "| all | 40 | 75.0 % |",
    ]


def test_the_table_of_coverage_replaces_the_one_before():
    page = f"# Lines\n{line_coverage.BEGIN}\n| old |\n{line_coverage.END}\nafter\n"
    assert line_coverage.with_table(page, ["| new |"]) == page.replace("old", "new")
    assert line_coverage.BEGIN in (ROOT / "docs/coverage.md").read_text()
