"""How Sphinx makes the documentation site out of these folders and the docstrings.

The pages are Markdown that reads well in the repository too. ``nox -s docs`` builds strictly: a
link that leads nowhere, a page that no other lists, a docstring that is no reStructuredText fails.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import crew_core as crew

if TYPE_CHECKING:
    from sphinx.application import Sphinx

HERE = Path(__file__).parent

project = "crew"
copyright = "crew contributors"
version = release = crew.__version__

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
source_suffix = {".md": "markdown"}
exclude_patterns = ["_build"]
html_theme = "furo"
html_title = f"crew {release}"
html_copy_source = False
html_theme_options = {"sidebar_hide_name": False}

myst_heading_anchors = 3
myst_enable_extensions = ["colon_fence", "deflist"]
# Diagrams are text, and outputs are what was printed.
highlight_language = "none"

autodoc_member_order = "bysource"
autodoc_typehints = "none"  # the signature says them; a second list makes pages long
autodoc_class_signature = "mixed"
napoleon_google_docstring = True
napoleon_numpy_docstring = False
napoleon_use_ivar = True

_LINK = re.compile(r"\]\((\.\./[^)#\s]*|[^):#\s]*/\.\./[^)#\s]*)(#[^)]*)?\)")


def _lead_out(_: Sphinx, docname: str, source: list[str]) -> None:
    """Make files of the repository that are no pages into downloads, so that links to them work.

    A folder is its README. What is not there stays as it is, so that the build complains.
    """
    folder = (HERE / docname).parent

    def replaced(found: re.Match[str]) -> str:
        path = (folder / found[1]).resolve()
        if path.is_relative_to(HERE) or not path.exists():
            return found[0]
        target = found[1]
        if path.is_dir():
            target = target.rstrip("/") + "/README.md"
            if not (folder / target).exists():
                return found[0]
        return f"](path:{target})"

    source[0] = _LINK.sub(replaced, source[0])


def setup(app: Sphinx) -> None:
    """Tell Sphinx."""
    app.connect("source-read", _lead_out)
