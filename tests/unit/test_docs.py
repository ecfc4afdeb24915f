"""Generated pages are what their generator gives today, and the README names what exists."""

import importlib.util
import re
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def generate() -> ModuleType:
    specification = importlib.util.spec_from_file_location("generate", ROOT / "docs" / "generate.py")
    assert specification is not None
    assert specification.loader is not None
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module


@pytest.mark.parametrize("page", ["recipe-fields", "results"])
def test_generated_pages_are_up_to_date(generate: ModuleType, page: str) -> None:
    make = {"recipe-fields": generate.fields_page, "results": generate.results_page}[page]
    written = (ROOT / "docs" / f"{page}.md").read_text(encoding="utf-8")
    assert written == make(), "run `make docs`"


@pytest.mark.parametrize(
    "page", ["README.md", "CONTRIBUTING.md", *[str(p.relative_to(ROOT)) for p in ROOT.glob("docs/*.md")]]
)
def test_links_lead_somewhere(page: str) -> None:
    path = ROOT / page
    for target in re.findall(r"\]\(([^)#:]+)\)", path.read_text(encoding="utf-8")):
        assert (path.parent / target).exists(), f"{page} links to {target}"


def test_the_commands_of_the_readme_are_those_that_ci_runs() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    (command,) = re.findall(r"^(python3 -m venv .* make check test)$", readme, flags=re.MULTILINE)
    assert command in (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    for recipe in re.findall(r"recipes/[\w-]+\.yaml", readme):
        assert (ROOT / recipe).exists()
