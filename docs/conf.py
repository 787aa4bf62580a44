"""How Sphinx builds the site: the Markdown pages beside this file, and a reference generated from the docstrings.

`make docs` runs it with warnings as errors and without the internet. Nothing of a page is fetched from elsewhere by its
reader's browser either: the theme brings all it needs.
"""

from __future__ import annotations

import ast
import functools
import importlib
import os
import pkgutil
import re
from functools import partial
from pathlib import Path
from typing import Any

import tomllib
from pygments.lexers.special import TextLexer
from sphinx.application import Sphinx

ROOT = Path(__file__).parents[1]
DOCS = Path(__file__).parent

project = "Leeway"
version = release = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
copyright = "the authors of Leeway"  # noqa: A001  # Sphinx's own name for it

extensions = ["myst_parser", "sphinx.ext.apidoc", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
exclude_patterns = ["_build", "reference/*/modules.rst"]
html_theme = "furo"
html_title = f"Leeway {version}"
html_copy_source = False

# Pages link to headings of others, as GitHub names them.
myst_heading_anchors = 3

# The reference: one page a package, made from docstrings, the rooms from the top down. Types are in the signatures.
ROOMS = ("leeway", "retrain_flows", "serving", "alerts", "dashboards", "registry", "monitors", "features")
apidoc_modules = [{"path": f"../{room}", "destination": f"reference/{room}", "module_first": True} for room in ROOMS]
apidoc_automodule_options = {"members", "undoc-members", "show-inheritance"}
autodoc_member_order = "bysource"
autodoc_default_options = {"exclude-members": "model_config"}  # the same frozen one everywhere
autodoc_inherit_docstrings = False
napoleon_attr_annotations = False  # they are in the signatures; as text, `numpy.object_` would be read as a reference
autodoc_typehints_format = "short"
autodoc_preserve_defaults = True
autodoc_use_type_comments = False  # there are none, and looking for them takes a twentieth of the time
napoleon_use_ivar = True  # attributes that a class docstring lists are described there, not twice
toc_object_entries = False  # thousands of entries, copied for each page's navigation, would take most of the time

# A reference to a module, function or constant that is gone is a warning, and so an error. Annotations are not looked
# up: most of them name types of other projects, and one name may be that of several fields.
nitpicky = True
nitpick_ignore_regex = [
    ("py:(class|obj)", ".*"),
    ("py:exc", r"struct\.error|KafkaError|sqlite3\.Error|ArrowInvalid|typer\.BadParameter"),
]
suppress_warnings = ["ref.python"]

# Python looks a class up by parsing its whole module, for each class again.
ast.parse = functools.lru_cache(maxsize=64)(ast.parse)

# All modules are imported before any is read: autodoc writes evaluated annotations into pydantic's BaseModel, and the
# models of frameworks that are imported after that (Prefect's, FastAPI's) cannot be made.
for _room in ROOMS:
    for _module in pkgutil.walk_packages([str(ROOT / _room)], f"{_room}."):
        if not _module.name.endswith("__main__"):
            importlib.import_module(_module.name)

PAGES = {
    "README.md": "index.md",
    "CHANGELOG.md": "changelog.md",
    "CONTRIBUTING.md": "contributing.md",
    "SECURITY.md": "reporting.md",
    "deploy/README.md": "deploy.md",
    "examples/flights/README.md": "examples/flights.md",
    "examples/sea/README.md": "examples/sea.md",
}
"""Files of the repository that are pages of the site too: each is included by the page that stands beside its name."""
_LINK = re.compile(r"(?<=\]\()(?!https?:|#|mailto:)([^)\s#]+)")


def _link(link: re.Match[str], *, file: Path, page: Path) -> str:
    """Return the target of a link in *file* as *page*, which shows it, has to write it."""
    target = (file.parent / link[1]).resolve()
    inside = PAGES.get(str(target.relative_to(ROOT)))
    return os.path.relpath(DOCS / inside if inside else target, page.parent)


def _included(app: Sphinx, path: Path, parent: str, content: list[str]) -> None:
    """Let the links of an included file lead to where they lead in the repository."""
    file = (DOCS / path).resolve()
    page = DOCS / PAGES[str(file.relative_to(ROOT))]  # *parent* is its name without its folder
    content[0] = _LINK.sub(partial(_link, file=file, page=page), content[0])


def _read(app: Sphinx, name: str, content: list[str]) -> None:
    """Let the links of a page to a file outside the folder lead to the page that includes the file."""
    page = DOCS / f"{name}.md"
    if page.is_file():
        content[0] = _LINK.sub(partial(_link, file=page, page=page), content[0])


def setup(app: Sphinx) -> dict[str, Any]:
    """Connect what is said above to the build."""
    app.connect("include-read", _included)
    app.connect("source-read", _read)
    app.add_lexer("mermaid", TextLexer)  # GitHub draws these diagrams; here their text is shown
    return {"parallel_read_safe": True, "parallel_write_safe": True}
