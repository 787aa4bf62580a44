"""The documentation site: built from pages and docstrings with warnings as errors, without requests to the internet."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.unit.repo.test_repo import ROOT, tracked

NOWHERE = "http://127.0.0.1:9"
pytestmark = [pytest.mark.slow, pytest.mark.timeout(1200)]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of a site that was built anew, as `make docs` does."""
    folder = tmp_path_factory.mktemp("site")
    proxies = dict.fromkeys(("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY", "all_proxy"), NOWHERE)
    options = ["-b", "html", "-W", "--keep-going", "-q", "-d", str(folder / "doctrees")]
    command = [sys.executable, "-m", "sphinx", *options, "docs", str(folder / "html")]
    done = subprocess.run(
        command, cwd=ROOT, env={**os.environ, **proxies}, capture_output=True, text=True, check=False
    )  # fmt: skip

    assert 0 == done.returncode, "\n".join(line for line in done.stderr.splitlines() if "WARNING" in line)
    return folder / "html"


def test_every_page_has_become_one(site: Path) -> None:
    """Each Markdown page is there, README as the first of them."""
    pages = [path.relative_to("docs").with_suffix(".html") for path in tracked(r"^docs/.*\.md$")]

    assert [] == [str(page) for page in pages if not (site / page).is_file()]
    assert "Two commands" in (site / "index.html").read_text()


def test_every_package_has_its_reference(site: Path) -> None:
    """A page each, on which its modules are."""
    text = "".join(path.read_text() for path in (site / "reference").rglob("*.html"))
    rooms = [
        line.split("/")[0] for line in re.findall(r"^(\w+/\w+)$", (ROOT / "docs/reference/index.md").read_text(), re.M)
    ]
    modules = [p.relative_to(ROOT).with_suffix("") for room in rooms for p in (ROOT / room).rglob("*.py")]
    names = [".".join(m.parts) for m in modules if m.stem not in ("__init__", "__main__")]

    assert len(rooms) == 8
    assert [] == [name for name in names if f'id="module-{name}"' not in text]


def test_a_page_loads_nothing_from_elsewhere(site: Path) -> None:
    """No script, style, font or picture of another host: the site can be read where there is no network."""
    loaded = re.compile(r"""<(?:script|link|img|iframe)\b[^>]*?(?:src|href)=["'](?:https?:)?//[^"']+""")

    assert [] == [f"{path.name}: {m}" for path in site.rglob("*.html") for m in loaded.findall(path.read_text())]
