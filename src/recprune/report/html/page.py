"""page(): a report as one HTML file, which loads nothing from anywhere."""

from __future__ import annotations

import base64
import hashlib

from recprune.report.blocks import Section
from recprune.report.html.blocks import shown
from recprune.report.make import Report, for_people
from recprune.report.page import SCRIPT, STYLE
from recprune.report.text import safe

__all__ = ["page"]


def page(report: Report) -> str:
    """The whole file. Its policy names the one style and the one script by their checksums, and forbids all else."""
    sections = for_people(report)
    links = "".join(f'<li><a href="#{safe(one.name)}">{safe(one.title)}</a></li>' for one in sections)
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{policy()}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="referrer" content="no-referrer">
<meta name="generator" content="recprune {safe(report.version)}">
<title>{safe(report.title)} · recprune</title>
<style>{STYLE}</style>
</head>
<body>
<header>
<p class="eyebrow">Pruning report</p>
<h1>{safe(report.title)}</h1>
<p class="asked">{safe(report.asked)}</p>
</header>
<nav aria-label="Sections"><ul>{links}</ul></nav>
<main>
{"".join(map(_section, sections))}
</main>
<footer><p>Made by recprune {safe(report.version)} from the folders of the two models and their data.</p></footer>
<script>{SCRIPT}</script>
</body>
</html>
"""


def policy() -> str:
    """No network, no frame, no form, no plugin: nothing but what stands in the page."""
    style, script = (base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() for text in (STYLE, SCRIPT))
    return (
        f"default-src 'none'; style-src 'sha256-{style}'; script-src 'sha256-{script}'; base-uri 'none'; "
        "form-action 'none'"
    )


def _section(section: Section) -> str:
    name = safe(section.name)
    head = f'<h2 id="{name}-title">{safe(section.title)}</h2>'
    return f'<section id="{name}" aria-labelledby="{name}-title">{head}{shown(section.blocks)}</section>\n'
