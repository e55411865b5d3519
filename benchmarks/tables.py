"""Writes the tables of the README and of docs/ from benchmarks/results/*.json: `python -m benchmarks.tables [--check]`.

Between `<!-- table: NAME -->` and `<!-- end -->` comes the table of results/NAME.json; between `<!-- tables -->` and
`<!-- end -->` come all those that no marker names; between `<!-- measured: MODEL -->` and `<!-- end -->` comes what
there is about one model: whole tables whose title begins with it (or names it after a colon), or that the marker names
behind it, and of other tables of models its rows. A result is an object with `title`, `command`, `columns`, `rows`,
`notes`, `commit`, `machine`, `threads`, `seeds` and `data`. README.zh-CN.md and docs/zh get them in Chinese.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.chinese import chinese

__all__ = ["cell", "main", "measured", "rewrite", "table"]

ROOT = Path(__file__).resolve().parent.parent
NEEDED = ("title", "command", "columns", "rows", "notes", "commit", "machine", "threads", "seeds", "data")
ONE = re.compile(r"(<!-- table: ([\w.-]+) -->\n)(.*?)(<!-- end -->)", re.DOTALL)
ABOUT = re.compile(r"(<!-- measured: ([\w ./-]+?) -->\n)(.*?)(<!-- end -->)", re.DOTALL)
REST = re.compile(r"(<!-- tables -->\n)(.*?)(<!-- end -->)", re.DOTALL)
SHORT = 400
"""Letters of notes that stand below a table as they are; longer ones fold up."""
UNFOLDS = ('<details markdown="1">', "<summary>How it was measured, and what it says</summary>")


def cell(value: object) -> str:
    """A value as it stands in a table: 1234567 -> 1,234,567; 0.123456 -> 0.1235; None -> –."""
    if value is None:
        return "–"
    if isinstance(value, bool | str):
        return str(value).replace("|", "\\|")
    if isinstance(value, float):
        return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}"
    return f"{value:,}"


def table(result: dict[str, Any], *, in_chinese: bool = False) -> str:
    """A result as Markdown: what it is, the command that made it, the numbers, the notes.

    in_chinese: title, columns and words are translated; the notes fold up behind it as they are.
    """
    missing = [key for key in NEEDED if key not in result]
    if missing:
        raise ValueError(f"result {result.get('title', '?')!r} lacks {', '.join(missing)}")
    columns, rows = result["columns"], result["rows"]
    wrong = [row for row in rows if len(row) != len(columns)]
    if wrong:
        raise ValueError(
            f"result {result['title']!r}: {len(columns)} columns, but a row has {len(wrong[0])}: {wrong[0]}"
        )
    said = [*result["notes"], _made(result)]
    if in_chinese:
        said, result = [_folded(result), _made_in_chinese(result)], chinese(result)
        columns, rows = result["columns"], result["rows"]
    numeric = [bool(rows) and all(not isinstance(row[i], str) for row in rows) for i in range(len(columns))]
    lines = [f"**{result['title']}**", "", f"`{result['command']}`", ""]
    lines.append("| " + " | ".join(cell(name) for name in columns) + " |")
    lines.append("|" + "|".join("---:" if right else "---" for right in numeric) + "|")
    lines += ["| " + " | ".join(cell(value) for value in row) + " |" for row in rows]
    if in_chinese:
        return "\n".join([*lines, *("\n" + note for note in said if note), ""])
    if sum(map(len, result["notes"])) > SHORT:
        return "\n".join(
            [*lines, "", *UNFOLDS, "", _sentences(result["notes"]), "", "</details>", "", f"{said[-1]}.", ""]
        )
    return "\n".join([*lines, "", _sentences(said), ""])


def _sentences(notes: Sequence[str]) -> str:
    return " ".join(note.rstrip(".") + "." for note in notes if note)


def _folded(result: dict[str, Any]) -> str:
    """The notes, which the program wrote in English."""
    if not result["notes"]:
        return ""
    return f"<details><summary>说明（程序生成，英文）</summary>{_sentences(result['notes'])}</details>"


def _made_in_chinese(result: dict[str, Any]) -> str:
    data = result["data"] if isinstance(result["data"], str) else "、".join(result["data"])
    seeds = "、".join(str(seed) for seed in result["seeds"])
    parts = {"数据": data, "随机种子": seeds, "线程": result["threads"], "机器": result["machine"]}
    return "；".join(f"{name}：{value}" for name, value in parts.items() if value not in (None, "")) + "。"


def _made(result: dict[str, Any]) -> str:
    seeds = ", ".join(str(seed) for seed in result["seeds"])
    data = result["data"] if isinstance(result["data"], str) else ", ".join(result["data"])
    parts = {"data": data, "seeds": seeds, "threads": result["threads"], "machine": result["machine"]}
    said = "; ".join(f"{name}: {value}" for name, value in parts.items() if value not in (None, ""))
    return said[:1].upper() + said[1:]


def measured(model: str, results: dict[str, dict[str, Any]], whole: Sequence[str] = ()) -> str:
    """What the results say about a model, as Markdown; a sentence where they say nothing yet.

    whole: names of results that are all about it, though their titles do not say so.
    """
    titled = re.compile(rf"(^|: ){re.escape(model)}\b", re.IGNORECASE)
    found = []
    for name in sorted(results):
        about = name in whole or titled.search(str(results[name].get("title", "")))
        part = results[name] if about else _rows_of(model, results[name])
        found += [table(part)] if part["rows"] else []
    return "\n".join(found) or "Not measured yet: no file of `benchmarks/results` has a row of this model.\n"


def _rows_of(model: str, result: dict[str, Any]) -> dict[str, Any]:
    """The rows of a model in a table of several, those of others' versions of it (`published: EASE`) beside them, and
    the notes that are not about the rest. No rows where none is of the model itself."""
    if not result["columns"] or result["columns"][0] != "model":
        return {**result, "rows": []}
    own, any_of = (re.compile(rf"{who}{re.escape(model)}\b", re.IGNORECASE) for who in ("", r"([\w:.-]+ )?"))
    rows = [row for row in result["rows"] if any_of.match(str(row[0]))]
    rows = rows if any(own.match(str(row[0])) for row in rows) else []
    others = tuple(f"{row[0]}:" for row in result["rows"] if row not in rows)
    notes = [note for note in result["notes"] if not note.startswith(others)]
    return {**result, "title": f"{result['title']} (rows of {model})", "rows": rows, "notes": notes}


def rewrite(text: str, results: dict[str, dict[str, Any]], *, in_chinese: bool = False) -> str:
    """A page with its tables made anew. Raises KeyError for a marker that names no result."""
    named = {match[2] for match in ONE.finditer(text)}
    rest = "\n".join(table(results[name]) for name in sorted(results) if name not in named)
    text = ONE.sub(lambda match: match[1] + table(results[match[2]], in_chinese=in_chinese) + match[4], text)
    text = ABOUT.sub(lambda match: match[1] + _about(match[2].split(), results) + match[4], text)
    return REST.sub(lambda match: match[1] + rest + match[3], text)


def _about(said: list[str], results: dict[str, dict[str, Any]]) -> str:
    return measured(said[0], results, said[1:])


def main(arguments: list[str]) -> int:
    """Write the tables, or with `--check` only say whether they stand as they should."""
    found = sorted((ROOT / "benchmarks" / "results").glob("*.json"))
    results = {path.stem: json.loads(path.read_text(encoding="utf-8")) for path in found}
    apart = []
    for page in (*sorted(ROOT.glob("README*.md")), *sorted((ROOT / "docs").rglob("*.md"))):
        before = page.read_text(encoding="utf-8")
        after = rewrite(before, results, in_chinese=page.name == "README.zh-CN.md" or page.parent.name == "zh")
        if after != before:
            apart.append(page.relative_to(ROOT).as_posix())
            if "--check" not in arguments:
                page.write_text(after, encoding="utf-8")
    if "--check" in arguments and apart:
        print(f"{', '.join(apart)} and benchmarks/results differ: run python -m benchmarks.tables", file=sys.stderr)
    return int("--check" in arguments and bool(apart))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
