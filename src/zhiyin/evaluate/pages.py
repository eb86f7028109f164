"""Self-contained HTML pages of one make: their style, their figures and how those are drawn.

A page is a template of its own that extends ``page.html``. Values from outside are escaped; figures are JSON
in script elements (``plots.figure``).
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib import resources
from pathlib import Path
from typing import Any

from zhiyin.artifacts import write_text
from zhiyin.extras import require

__all__ = ["write_page"]

HERE = "zhiyin.evaluate"


def write_page(
    path: str | Path, package: str, template: str, *, figures: Mapping[str, tuple[str, str]], **fields: Any
) -> Path:
    """Fill a template and write the page whole or not at all.

    Parameters
    ----------
    path : path
        The HTML file.
    package, template : str
        The template lies in the folder "templates" of the package.
    figures : Mapping
        Name -> heading and figure, as JSON.
    **fields
        For the template.

    Raises
    ------
    MissingExtraError, ArtifactError
    """
    jinja2, offline = require("jinja2"), require("plotly.offline")
    shared = resources.files(HERE) / "templates"
    parts = {one: (shared / one).read_text("utf-8") for one in ("page.html", "figures.html", "again.html")}
    source = (resources.files(package) / "templates" / template).read_text("utf-8")
    environment = jinja2.Environment(
        autoescape=True, undefined=jinja2.StrictUndefined, loader=jinja2.DictLoader(parts)
    )
    page = environment.from_string(source).render(
        **fields, figures=dict(figures), plotly=offline.get_plotlyjs()
    )
    write_text(Path(path), page)
    return Path(path)
