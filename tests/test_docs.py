"""Every page of docs/ is run as it stands: what it says to type is typed, and what it says comes out is compared.

A page is run from top to bottom in an empty folder; those of a folder below docs/ one after the other. Python blocks
share their names; where a block prints, the `text` block behind it is what came out. A line `recprune ...` of a `sh`
block is run as a command. A block with a file name behind its language (```toml log.toml) becomes that file; one with
`needs=PACKAGE` there is run where that package is installed.
"""

import importlib.util
import re
import subprocess
import sys
from pathlib import Path

import pytest

DOCS = Path(__file__).resolve().parent.parent / "docs"
PAGES = sorted(DOCS.glob("*.md"))
BELOW = sorted(DOCS.glob("*/*.md"))
FOLDERS = sorted({page.parent.name for page in BELOW})
BLOCK = re.compile(r"^```(\w+)(?: (\S+))?\n(.*?)^```$", re.DOTALL | re.MULTILINE)

RUNNER = """
import contextlib, io, os, shlex, sys
from pathlib import Path
import torch
from typer.testing import CliRunner
from recprune.cli import app

torch.set_num_threads(1)

def python(code, where):
    said = io.StringIO()
    with contextlib.redirect_stdout(said):
        exec(compile(code, where, "exec"), here)
    return said.getvalue()

def shell(lines, where):
    for line in lines.replace("\\\\\\n", " ").splitlines():
        line = line.partition(" #")[0].strip()
        if line:
            words = shlex.split(line)
            assert words[0] == "recprune", f"{where}: only recprune is run here, not {line}"
            done = CliRunner().invoke(app(), words[1:])
            assert done.exit_code == 0, f"{where}: {line}: {done.output}"

def same(wanted, came, where):
    assert wanted.split() == came.split(), f"{where}: the page says\\n{wanted}\\nand what came out is\\n{came}"
"""


def script(*pages: Path) -> str:
    """The pages as a program, each in a folder of its own, without what those before it named."""
    lines = [RUNNER]
    for page in pages:
        lines += [f"Path({page.stem!r}).mkdir()", f"os.chdir({page.stem!r})"]
        lines += ["here = {'__name__': 'page'}", *program(page), "os.chdir('..')"]
    return "\n".join(lines)


def program(page: Path) -> list[str]:
    """The blocks of a page, line by line."""
    text, lines, printed = page.read_text(encoding="utf-8"), [], False
    for found in BLOCK.finditer(text):
        kind, name, code = found[1], found[2] or "", found[3]
        where = f"{page.name}:{text.count(chr(10), 0, found.start()) + 1}"
        if name.startswith("needs="):
            if importlib.util.find_spec(name.removeprefix("needs=")) is None:
                printed = False
                continue
            name = ""
        if name:
            lines.append(f"Path({name!r}).parent.mkdir(parents=True, exist_ok=True)")
            lines.append(f"Path({name!r}).write_text({code!r}, encoding='utf-8')")
        elif kind == "python":
            lines.append(f"came = python({code!r}, {where!r})")
            printed = "print(" in code
            continue
        elif kind == "sh":
            lines.append(f"shell({code!r}, {where!r})")
        elif kind == "text" and printed:
            lines.append(f"same({code!r}, came, {where!r})")
        printed = False
    return lines


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_a_page_does_what_it_says(page: Path, tmp_path: Path):
    done = subprocess.run([sys.executable, "-c", script(page)], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("folder", FOLDERS)
def test_pages_of_a_folder_do_what_they_say(folder: str, tmp_path: Path):
    pages = [page for page in BELOW if page.parent.name == folder]
    done = subprocess.run([sys.executable, "-c", script(*pages)], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_there_are_pages_and_links_between_them_lead_somewhere():
    assert {"data", "survey", "methods", "artifact"} <= {page.stem for page in PAGES}
    for page in (*PAGES, *BELOW):
        for link in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8")):
            assert (page.parent / link).exists(), f"{page.name}: {link} leads nowhere"
