"""What mkdocs asks while it builds the site: pages that the program writes itself, the navigation, formulas as MathML.

The README, its Chinese twin, CONTRIBUTING and CHANGELOG become pages; so does every command, and the public names with
their docstrings. A page of docs/ that the navigation does not name stands under "More": none is lost, and one that is
not there yet is left out.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from docs_pages import pages
from latex2mathml.converter import convert
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

__all__ = ["on_files", "on_page_content", "on_page_markdown", "on_post_page"]

ROOT = Path(__file__).resolve().parent.parent
READMES = {
    "README.md": "index.md",
    "README.zh-CN.md": "zh/index.md",
    "CONTRIBUTING.md": "contributing.md",
    "CHANGELOG.md": "changelog.md",
}
"""Files beside docs/ -> the pages that they become."""

MORE = "More"
NAV: dict[str, tuple[str, ...]] = {
    "recprune": ("index.md",),
    "Begin": ("quickstart.md", "own_model.md", "which_features.md", "faq.md", "limits.md"),
    "中文": ("zh/index.md", "zh/walkthrough.md"),
    "The street": (
        *("data.md", "sources.md", "models.md", "methods.md", "survey.md", "planning.md", "schedules.md"),
        *("encodings.md", "proof.md", "report.md", "artifact.md", "reliability.md"),
    ),
    "Run it": ("serving.md", "studio.md", "runtimes.md", "kernels.md", "large.md", "scale.md"),
    "Fits in": ("fits_in.md", "extend.md"),
    "Measured": ("benchmarks.md",),
    "Models": ("models/*",),
    "Commands": ("commands.md", "commands/*"),
    "Python": ("catalogue.md", "api/*"),
    MORE: ("contributing.md", "changelog.md"),
}
"""Heading -> its pages; `folder/*` stands for all pages of a folder, by name."""

INLINE = re.compile(r'<span class="arithmatex">\\\((.*?)\\\)</span>', re.DOTALL)
BLOCK = re.compile(r'<div class="arithmatex">\\\[(.*?)\\\]</div>', re.DOTALL)
FENCE = re.compile(r"^(```\w+) (\S+\.\w+)$", re.MULTILINE)
NEEDS = re.compile(r"^(```\w+) needs=\w+$", re.MULTILINE)
ENTITIES = (("&lt;", "<"), ("&gt;", ">"), ("&amp;", "&"))


def on_files(files: Files, *, config: MkDocsConfig) -> Files:
    """Add what is not written in docs/, and say where every page stands."""
    for source, page in READMES.items():
        if (ROOT / source).exists():
            files.append(File.generated(config, page, content=moved((ROOT / source).read_text(encoding="utf-8"), page)))
    for page, text in pages().items():
        files.append(File.generated(config, page, content=text))
    config.nav = navigation({file.src_uri: heading(file.content_string) for file in files.documentation_pages()})
    return files


def navigation(there: Mapping[str, str]) -> list[Any]:
    """The headings with those of their pages that are there (path -> title); under "More" the pages that none names."""
    left, out = dict(there), {}
    for name, wanted in NAV.items():
        found = [page for pattern in wanted for page in _matching(pattern, left)]
        out[name] = {page: left.pop(page) for page in dict.fromkeys(found)}
    out[MORE] |= left
    return [{name: [{title: page} for page, title in found.items()]} for name, found in out.items() if found]


def heading(text: str) -> str:
    """The first heading, up to a colon: long enough for a list of pages."""
    return next(line for line in text.splitlines() if line.startswith("# "))[2:].partition(":")[0]


def _matching(pattern: str, pages: Mapping[str, str]) -> list[str]:
    if pattern.endswith("/*"):
        return [page for page in pages if page.rpartition("/")[0] == pattern[:-2]]
    return [pattern] if pattern in pages else []


def moved(text: str, page: str) -> str:
    """A file from beside docs/ as the page that it becomes: its links lead on, those to what is no page are words."""
    up = "../" * page.count("/")

    def link(found: re.Match[str]) -> str:
        words, target = found.groups()
        path, hash_, place = target.partition("#")
        if path in READMES:
            return f"[{words}]({up}{READMES[path]}{hash_}{place})"
        if path.startswith("docs/"):
            return f"[{words}]({up}{path.removeprefix('docs/')}{hash_}{place})"
        return found[0] if re.match(r"\w+:|#", target) else words

    return re.sub(r"\[([^\]]+)\]\(([^)\s]+)\)", link, text)


def on_page_markdown(markdown: str, **_: Any) -> str:
    """A block that becomes a file shows the file's name; links to what lies beside docs/ become links to its page."""
    markdown = NEEDS.sub(r"\1", FENCE.sub(r'\1 title="\2"', markdown))
    for source, page in READMES.items():
        markdown = re.sub(rf"\]\(\.\./((?:\.\./)*){re.escape(source)}", rf"](\g<1>{page}", markdown)
    return markdown


def on_page_content(html: str, **_: Any) -> str:
    """Formulas as MathML, which browsers show without a script."""
    html = INLINE.sub(lambda found: convert(_plain(found[1])), html)
    return BLOCK.sub(lambda found: convert(_plain(found[1]), display="block"), html)


def _plain(formula: str) -> str:
    for entity, sign in ENTITIES:
        formula = formula.replace(entity, sign)
    return formula.strip()


def on_post_page(output: str, *, page: Page, **_: Any) -> str:
    """A page in Chinese says so, for fonts and for screen readers."""
    return output.replace('<html lang="en"', '<html lang="zh-CN"', 1) if page.file.src_uri.startswith("zh/") else output
