"""Writes the tables of the README from benchmarks/results/*.json: `python -m benchmarks.tables [--check]`.

Between `<!-- table: NAME -->` and `<!-- end -->` comes the table of results/NAME.json; between `<!-- tables -->` and
`<!-- end -->` come all those that no marker names. A result is an object with `title`, `command`, `columns`, `rows`,
`notes`, `commit`, `machine`, `threads`, `seeds` and `data`.
"""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import Any

__all__ = ["cell", "main", "rewrite", "table"]

ROOT = Path(__file__).resolve().parent.parent
NEEDED = ("title", "command", "columns", "rows", "notes", "commit", "machine", "threads", "seeds", "data")
ONE = re.compile(r"(<!-- table: ([\w.-]+) -->\n)(.*?)(<!-- end -->)", re.DOTALL)
REST = re.compile(r"(<!-- tables -->\n)(.*?)(<!-- end -->)", re.DOTALL)


def cell(value: object) -> str:
    """A value as it stands in a table: 1234567 -> 1,234,567; 0.123456 -> 0.1235; None -> –."""
    if value is None:
        return "–"
    if isinstance(value, bool | str):
        return str(value).replace("|", "\\|")
    if isinstance(value, float):
        return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}"
    return f"{value:,}"


def table(result: dict[str, Any]) -> str:
    """A result as Markdown: what it is, the command that made it, the numbers, the notes."""
    missing = [key for key in NEEDED if key not in result]
    if missing:
        raise ValueError(f"result {result.get('title', '?')!r} lacks {', '.join(missing)}")
    columns, rows = result["columns"], result["rows"]
    wrong = [row for row in rows if len(row) != len(columns)]
    if wrong:
        raise ValueError(
            f"result {result['title']!r}: {len(columns)} columns, but a row has {len(wrong[0])}: {wrong[0]}"
        )
    numeric = [bool(rows) and all(not isinstance(row[i], str) for row in rows) for i in range(len(columns))]
    lines = [f"**{result['title']}**", "", f"`{result['command']}`", ""]
    lines.append("| " + " | ".join(cell(name) for name in columns) + " |")
    lines.append("|" + "|".join("---:" if right else "---" for right in numeric) + "|")
    lines += ["| " + " | ".join(cell(value) for value in row) + " |" for row in rows]
    said = [*result["notes"], _made(result)]
    return "\n".join([*lines, "", " ".join(note.rstrip(".") + "." for note in said if note), ""])


def _made(result: dict[str, Any]) -> str:
    seeds = ", ".join(str(seed) for seed in result["seeds"])
    data = result["data"] if isinstance(result["data"], str) else ", ".join(result["data"])
    parts = {"data": data, "seeds": seeds, "threads": result["threads"], "machine": result["machine"]}
    said = "; ".join(f"{name}: {value}" for name, value in parts.items() if value not in (None, ""))
    return said[:1].upper() + said[1:]


def rewrite(text: str, results: dict[str, dict[str, Any]]) -> str:
    """The README with its tables made anew. Raises KeyError for a marker that names no result."""
    named = {match[2] for match in ONE.finditer(text)}
    rest = "\n".join(table(results[name]) for name in sorted(results) if name not in named)
    text = ONE.sub(lambda match: match[1] + table(results[match[2]]) + match[4], text)
    return REST.sub(lambda match: match[1] + rest + match[3], text)


def main(arguments: list[str]) -> int:
    """Write the tables, or with `--check` only say whether they stand as they should."""
    found = sorted((ROOT / "benchmarks" / "results").glob("*.json"))
    readme = ROOT / "README.md"
    before = readme.read_text(encoding="utf-8")
    after = rewrite(before, {path.stem: json.loads(path.read_text(encoding="utf-8")) for path in found})
    if "--check" in arguments:
        if after != before:
            print("README.md and benchmarks/results differ: run python -m benchmarks.tables", file=sys.stderr)
        return int(after != before)
    readme.write_text(after, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
