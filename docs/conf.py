"""How Sphinx builds these pages: ``tox -e docs``, where every warning is an error."""

import re
from pathlib import Path

from docutils import nodes
from sphinx.transforms import SphinxTransform
from sphinx.util import logging

ROOT = Path(__file__).parents[1]
ELSEWHERE = {"saved-files": "RESULTS.md", "changes": "CHANGELOG.md", "contributing": "CONTRIBUTING.md"}

project = "pytest-duet"
extensions = ["myst_parser"]
exclude_patterns = ["_build"]
html_theme = "furo"
html_title = "pytest-duet"
myst_heading_anchors = 4


def take_in(app, name, source):
    """Let some files of the repository's root be pages, and links to them lead to these."""
    text = source[0]
    if name in ELSEWHERE:
        text = re.sub(r"\]\((?!https?:|#)", "](../", (ROOT / ELSEWHERE[name]).read_text()).replace("](../docs/", "](")
    for page, file in ELSEWHERE.items():
        text = text.replace(f"](../{file}", f"]({page}.md")
    source[0] = text


class RepositoryLinks(SphinxTransform):
    """Holds links to files of the repository against what is there: as the pages stand in it, they can be followed.

    On the site, where these files are not, their names stand as text.
    """

    default_priority = 5  # before MyST looks for documents of that name

    def apply(self):
        for link in reversed(list(self.document.findall(_is_link))):  # the inner one of two first
            target = link.get("refuri") or link.get("reftarget") or ""
            if target.startswith("../"):
                path = ROOT / target.removeprefix("../").partition("#")[0]
                if not path.exists():
                    logging.getLogger(__name__).warning("there is no %s", target, location=link)
                link.replace_self(link.children)


def _is_link(node):
    return isinstance(node, nodes.Element) and node.tagname in ("reference", "pending_xref", "download_reference")


def setup(app):
    app.connect("source-read", take_in)
    app.add_transform(RepositoryLinks)
