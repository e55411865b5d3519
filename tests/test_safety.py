"""Nothing of ours can run somebody else's code: no pickle, eval, exec, shell, unsafe YAML; read from the source.

Looked at are the package, the scripts, the examples, the benchmarks and the build; names count as what they were
imported as.
"""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import recprune

PACKAGE = Path(recprune.__file__).parent
ROOT = Path(__file__).resolve().parent.parent
FOLDERS = ("scripts", "examples", "benchmarks")
FILES = sorted(PACKAGE.rglob("*.py"))
BESIDE = sorted([*(file for folder in FOLDERS for file in (ROOT / folder).rglob("*.py")), *ROOT.glob("*.py")])

FORBIDDEN_MODULES = {
    *("pickle", "cPickle", "_pickle", "dill", "cloudpickle", "joblib", "shelve", "marshal", "jsonpickle"),
    *("runpy", "code", "codeop", "pty", "commands", "xmlrpc", "torch.package", "torch.hub"),
}
FETCHES = {"urllib.request", "urllib3", "http.client", "requests", "httpx", "aiohttp", "ftplib", "telnetlib", "smtplib"}
"""What the package never does by itself: where a log lives elsewhere, its driver or fsspec is asked."""
FORBIDDEN_CALLS = {
    "eval",
    "exec",
    "compile",
    "__import__",
    *(f"yaml.{how}{many}" for how in ("load", "unsafe_load", "full_load") for many in ("", "_all")),
    *("torch.load", "torch.save", "torch.jit.load", "torch.export.load", "torch.serialization.load"),
    *("os.system", "os.popen", "os.startfile", "os.posix_spawn", "os.posix_spawnp"),
    *(f"os.{kind}{how}" for kind in ("exec", "spawn") for how in ("l", "le", "lp", "lpe", "v", "ve", "vp", "vpe")),
    *("subprocess.getoutput", "subprocess.getstatusoutput", "asyncio.create_subprocess_shell"),
    *("pandas.read_pickle", "pandas.eval", "numpy.lib.npyio.NpzFile", "sklearn.utils._joblib.load"),
}
UNSAFE_METHODS = {
    *("read_pickle", "to_pickle", "unsafe_load", "full_load", "extractall", "unpack_archive"),
    *("all_gather_object", "gather_object", "broadcast_object_list", "scatter_object_list"),
    *("send_object_list", "recv_object_list"),
}
"""Whatever they are called on; the last ones are those of torch.distributed, which pickle."""
LOADERS = {"Loader", "UnsafeLoader", "FullLoader", "CLoader", "CFullLoader"}
ALLOWED = {
    "benchmarks/item_item.py": {"torch.load", "torch.save"},  # of its own runs, in benchmarks/runs
    "scripts/make_notebook.py": {"exec", "compile"},  # of the cells of our own examples
}
"""File beside the package -> what it may call, and why."""
DYNAMIC = {"__init__.py", "discover.py", "data/needed.py"}
"""Files that import by a name that is no constant: our own names, what a person names, packages of extras."""


def name_of(file: Path) -> str:
    """As it is named in the package, or beside it."""
    return file.relative_to(PACKAGE if file.is_relative_to(PACKAGE) else ROOT).as_posix()


def parsed(file: Path) -> ast.Module:
    return ast.parse(file.read_text(encoding="utf-8"), filename=str(file))


def imported_as(tree: ast.AST) -> dict[str, str]:
    """Name in the file -> dotted name of what it stands for."""
    found = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {
                a.asname or a.name.partition(".")[0]: a.name if a.asname else a.name.partition(".")[0]
                for a in node.names
            }
        elif isinstance(node, ast.ImportFrom) and not node.level:
            found |= {alias.asname or alias.name: f"{node.module}.{alias.name}" for alias in node.names}
    return found


def modules(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """(line, dotted name) of all that is imported."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and not node.level:
            yield from ((node.lineno, f"{node.module}.{alias.name}") for alias in node.names)


def dotted(node: ast.AST, names: dict[str, str]) -> str:
    """The dotted name of an expression, as it was imported; empty for something else."""
    parts = []
    while isinstance(node, ast.Attribute):
        parts.append(node.attr)
        node = node.value
    if not isinstance(node, ast.Name):
        return f"?.{'.'.join(reversed(parts))}" if parts else ""
    whole = ".".join([names.get(node.id, node.id), *reversed(parts)])
    return whole.removeprefix("builtins.")


def unsafe(tree: ast.AST, name: str) -> list[str]:
    """What could run somebody else's code, by file and line."""
    names, found = imported_as(tree), []
    for line, module in modules(tree):
        inside = [module[: len(m)] for m in FORBIDDEN_MODULES if module == m or module.startswith(f"{m}.")]
        if inside or module in FORBIDDEN_CALLS:
            found.append(f"{name}:{line} imports {module}")
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and (odd := unsafe_call(node, names, name)):
            found.append(f"{name}:{node.lineno} {odd}: {ast.unparse(node)[:80]}")
        elif isinstance(node, ast.Attribute) and node.attr in LOADERS and dotted(node, names).startswith("yaml."):
            found.append(f"{name}:{node.lineno} names {ast.unparse(node)}")
    return found


def unsafe_call(node: ast.Call, names: dict[str, str], name: str) -> str:
    """Why a call is none of ours; empty where it is."""
    said, told = dotted(node.func, names), {k.arg: k.value for k in node.keywords}
    if any(
        key in told and not (isinstance(told[key], ast.Constant) and not told[key].value)
        for key in ("shell", "allow_pickle")
    ):
        return "asks for a shell or a pickle"
    if said == "getattr" and len(node.args) > 1 and isinstance(node.args[1], ast.Constant):
        hidden = f"{dotted(node.args[0], names)}.{node.args[1].value}"
        return "calls what is forbidden" if hidden in FORBIDDEN_CALLS else ""
    if said in FORBIDDEN_CALLS and not allowed(said, told, name):
        return "calls what is forbidden"
    last = said.rpartition(".")[2]
    return "calls what is unsafe on anything" if "." in said and last in UNSAFE_METHODS else ""


def allowed(said: str, told: dict[str | None, ast.expr], name: str) -> bool:
    """torch.load where it builds nothing but tensors, in the one process that reads foreign files; and ALLOWED."""
    only = isinstance(v := told.get("weights_only"), ast.Constant) and v.value is True
    return (said == "torch.load" and only and name == "importing/pt.py") or said in ALLOWED.get(name, set())


def test_nothing_unpickles_evaluates_or_opens_a_shell() -> None:
    assert len(FILES) > 300
    assert not [line for file in [*FILES, *BESIDE] for line in unsafe(parsed(file), name_of(file))]


@pytest.mark.skipif(not (ROOT / "scripts").is_dir(), reason="the scripts are not part of this installation")
def test_scripts_examples_and_benchmarks_are_looked_at_too() -> None:
    seen = {name_of(file) for file in BESIDE}
    assert {"scripts/fuzz_artifact.py", "examples/quickstart.py", "benchmarks/tables.py", "hatch_build.py"} <= seen


def test_the_package_fetches_nothing_by_itself() -> None:
    found = [(name_of(file), m) for file in FILES for _, m in modules(parsed(file))]
    assert not [(f, m) for f, m in found if any(m == one or m.startswith(f"{one}.") for one in FETCHES)]
    sockets = {f for f, m in found if m.partition(".")[0] == "socket"}
    assert sockets == {"serving/process.py", "scale/engines/ray.py"}  # who serves, and who asks if the head is there
    assert {f for f, m in found if m.partition(".")[0] == "subprocess"} == {"importing/run.py"}


def test_what_is_imported_by_name_is_named_in_few_places() -> None:
    found = set()
    for file in FILES:
        tree = parsed(file)
        names = imported_as(tree)
        calls = [n for n in ast.walk(tree) if isinstance(n, ast.Call)]
        some = [n for n in calls if dotted(n.func, names) == "importlib.import_module"]
        found |= {name_of(file) for n in some if not isinstance(n.args[0], ast.Constant)}
    assert found == DYNAMIC


@pytest.mark.parametrize(
    "source",
    [
        "import pickle",
        "import pickle as p",
        "from joblib import load",
        "import torch.hub",
        "eval('1')",
        "import builtins\nbuiltins.eval('1')",
        "from builtins import exec as run\nrun('1')",
        "import torch as t\nt.load(path)",
        "import torch\ntorch.load(path)",
        "from torch import load",
        "from torch import load as fetch\nfetch(path)",
        "import torch\ntorch.load(path, weights_only=True)",
        "import torch\ngetattr(torch, 'load')(path)",
        "import subprocess\nsubprocess.run('ls', shell=True)",
        "import subprocess\nsubprocess.run('ls', shell=flag)",
        "import numpy as np\nnp.load(path, allow_pickle=True)",
        "import os\nos.system('ls')",
        "from os import system\nsystem('ls')",
        "import os\nos.execv(path, [])",
        "compile('1', '', 'eval')",
        "import runpy",
        "import yaml\nyaml.load(text, Loader=yaml.FullLoader)",
        "import yaml as y\ny.load(text, Loader=y.SafeLoader)",
        "import yaml\nclass Mine(yaml.UnsafeLoader): pass",
        "import pandas as pd\npd.read_pickle(path)",
        "frame.to_pickle(path)",
        "import zipfile\nzipfile.ZipFile(path).extractall()",
        "import shutil\nshutil.unpack_archive(path)",
        "import torch.distributed as dist\ndist.broadcast_object_list(values)",
    ],
)
def test_what_could_run_foreign_code_is_seen(source: str) -> None:
    assert unsafe(ast.parse(source), "artifact.py")


@pytest.mark.parametrize(
    "source",
    [
        "model.eval()\nnp.load(path, allow_pickle=False)",
        "import yaml\nyaml.safe_load(text)",
        "import subprocess\nsubprocess.run(['ls'], check=True)",
        "import re\nre.compile('x')",
        "import torch\ntorch.compile(model)",
        "loader.load(path)",
    ],
)
def test_what_is_called_alike_is_not(source: str) -> None:
    assert not unsafe(ast.parse(source), "artifact.py")
