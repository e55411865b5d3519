"""Imports follow the street and never turn back; read from the source, also those inside functions."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import recprune

PACKAGE = Path(recprune.__file__).parent
FILES = sorted(PACKAGE.rglob("*.py"))

BASE = {"errors", "discover", "atomic", "plain_json", "dispatch"}
SEES: dict[str, set[str]] = {
    "errors": set(),
    "discover": {"errors"},
    "atomic": {"errors"},
    "plain_json": set(),
    "_native": set(),
    "dispatch": {"errors", "_native"},
    "data": BASE,
    "encodings": BASE | {"tracing", "rewrites"},
    "rewrites": BASE,
    "tracing": BASE | {"rewrites"},
    "importance": BASE | {"tracing"},
    "packing": BASE | {"tracing", "encodings", "rewrites"},
    "planning": BASE | {"tracing", "importance", "encodings"},
    "surgery": BASE | {"rewrites", "tracing", "importance", "planning", "encodings", "packing"},
    "models": BASE | {"data", "encodings", "kernels"},
    "kernels": BASE | {"encodings"},
    "doctor": BASE | {"kernels"},
    "evaluation": BASE | {"data", "encodings", "models", "kernels"},
    "training": BASE | {"data", "encodings", "models", "evaluation", "kernels"},
    "large": BASE | {"data"},
    "importing": BASE | {"data", "tracing", "artifact"},
    "artifact": BASE
    | {"data", "encodings", "models", "tracing", "importance", "planning", "rewrites", "packing", "surgery"},
    "runtimes": BASE | {"rewrites", "encodings", "models", "kernels", "evaluation"},
    "serving": BASE | {"data", "models", "encodings", "kernels", "evaluation", "runtimes"},
}
"""Folder or file right below the package -> those that it may import. A new folder takes its place here."""

SEE_EVERYTHING = {"__init__", "__main__", "cli", "integrations", "recipe", "report", "scale", "studio", "testing"}
NOT_SEEN = {"cli", "integrations", "recipe", "report", "scale", "studio", "testing", "__main__"}
"""What only the front of the house may import: each of these is seen by those that see everything."""


def area(file: Path) -> str:
    """The folder or file right below the package."""
    return file.relative_to(PACKAGE).parts[0].removesuffix(".py")


def name_of(file: Path) -> str:
    return file.relative_to(PACKAGE).as_posix()


def imports(tree: ast.AST, file: Path) -> Iterator[tuple[int, str]]:
    """(line, dotted name) of everything imported; a relative import is made absolute."""
    here = ["recprune", *file.relative_to(PACKAGE).with_suffix("").parts]
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = (
                ".".join([*here[: -node.level], *([node.module] if node.module else [])]) if node.level else node.module
            )
            yield from ((node.lineno, f"{base}.{alias.name}") for alias in node.names)
        elif isinstance(node, ast.Call) and called(node) in ("importlib.import_module", "import_module", "__import__"):
            yield from ((node.lineno, a.value) for a in node.args if isinstance(a, ast.Constant) and a.value)


def called(node: ast.Call) -> str:
    """The dotted name of what is called: "torch.load"; empty for something else."""
    parts, here = [], node.func
    while isinstance(here, ast.Attribute):
        parts.append(here.attr)
        here = here.value
    return ".".join(reversed([*parts, here.id])) if isinstance(here, ast.Name) else ""


def parsed(file: Path) -> ast.Module:
    return ast.parse(file.read_text(encoding="utf-8"), filename=str(file))


def turned_back(tree: ast.AST, file: Path) -> list[str]:
    """Imports of our own that the table does not allow."""
    found, mine = [], area(file)
    for line, name in imports(tree, file):
        parts = name.split(".")
        if parts[0] != "recprune" or len(parts) < 2:
            continue
        target = parts[1]
        root_name = not (PACKAGE / target).is_dir() and not (PACKAGE / f"{target}.py").is_file()
        if mine in SEE_EVERYTHING or target == mine or (root_name and target.startswith("__")):
            continue
        if target not in SEES[mine]:
            found.append(
                f"{name_of(file)}:{line} imports {name}; {mine} sees {', '.join(sorted(SEES[mine])) or 'nothing'}"
            )
    return found


def test_every_folder_has_its_place_in_the_table() -> None:
    new = {area(file) for file in FILES} - SEES.keys() - SEE_EVERYTHING
    assert not new, "give it a place in SEES"


def test_imports_never_turn_back() -> None:
    assert not [line for file in FILES if area(file) in SEES for line in turned_back(parsed(file), file)]


def test_data_knows_no_modules() -> None:
    assert not imported({"data"}, ("torch", "safetensors.torch"))
    names = [dotted(file) for file in FILES if area(file) == "data"]
    code = f"import importlib, sys; [importlib.import_module(n) for n in {names!r}]; print('torch' in sys.modules)"
    assert ran(code) == "False"


def test_the_street_of_modules_holds_no_tables() -> None:
    street = {"tracing", "importance", "planning", "surgery", "encodings", "models", "training"}
    assert not imported(street, ("polars", "pandas", "sklearn"))


def test_what_is_shipped_needs_no_test_runner() -> None:
    assert not imported({area(file) for file in FILES}, ("pytest", "hypothesis"))


def imported(areas: set[str], packages: tuple[str, ...]) -> list[str]:
    """Where files of some areas import some packages."""
    return [
        f"{name_of(file)}:{line} imports {name}"
        for file in FILES
        if area(file) in areas
        for line, name in imports(parsed(file), file)
        if any(name == p or name.startswith(f"{p}.") for p in packages)
    ]


def dotted(file: Path) -> str:
    """The name a file is imported by."""
    parts = ("recprune", *file.relative_to(PACKAGE).with_suffix("").parts)
    return ".".join(parts).removesuffix(".__init__")


def ran(code: str) -> str:
    """What a fresh interpreter prints."""
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip()


def test_every_public_module_says_what_is_public() -> None:
    public = [file for file in FILES if not any(part.startswith("_") for part in file.relative_to(PACKAGE).parts)]
    assert not [line for file in public for line in unsaid(parsed(file), file)]


def unsaid(tree: ast.Module, file: Path) -> list[str]:
    """What is wrong with the `__all__` of a file."""
    said = [
        node.value
        for node in tree.body
        if isinstance(node, ast.Assign) and any(isinstance(t, ast.Name) and t.id == "__all__" for t in node.targets)
    ]
    if len(said) != 1:
        return [f"{name_of(file)} has no __all__"]
    missing = set(ast.literal_eval(said[0])) - set(defined(tree))
    return [f"{name_of(file)}: __all__ names {missing}, which is not there"] if missing else []


def defined(tree: ast.Module) -> Iterator[str]:
    """Names that a module has at its top level."""
    for node in tree.body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            yield node.name
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            yield from (t.id for target in targets for t in ast.walk(target) if isinstance(t, ast.Name))
        elif isinstance(node, ast.Import | ast.ImportFrom):
            yield from (alias.asname or alias.name for alias in node.names)


def test_every_file_begins_with_what_it_is_for() -> None:
    assert not [name_of(file) for file in FILES if not ast.get_docstring(parsed(file))]


def test_the_table_itself_goes_one_way() -> None:
    done: list[str] = []
    left = dict(SEES)
    while left:
        free = [name for name, sees in left.items() if sees <= set(done)]
        assert free, f"these see each other in a circle: {sorted(left)}"
        done += free
        left = {name: sees for name, sees in left.items() if name not in free}
    assert not NOT_SEEN & {name for sees in SEES.values() for name in sees}


def test_importing_the_package_imports_nothing_heavy() -> None:
    heavy = ("torch", "polars", "sklearn", "scipy", "numpy", "matplotlib", "typer", "rich")
    code = f"import sys, recprune; print(sorted(set({heavy!r}) & set(sys.modules)))"
    assert ran(code) == "[]"


@pytest.mark.parametrize(
    "source",
    [
        "def f():\n    from recprune.models import mf",
        "import recprune.recipe",
        "from ..data import log",
        "from recprune import surgery",
        "import importlib\nimportlib.import_module('recprune.data.log')",
    ],
)
def test_an_import_that_turns_back_is_seen(source: str) -> None:
    assert len(turned_back(ast.parse(source), PACKAGE / "importance" / "probe.py")) == 1
