import importlib
import importlib.util
import json
import re
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest

from recprune.data.simulate import simulate

ROOT = Path(__file__).resolve().parent.parent


def load_tables():
    sys.path.insert(0, str(ROOT))  # it asks benchmarks.chinese for words
    spec = importlib.util.spec_from_file_location("benchmarks_tables", ROOT / "benchmarks" / "tables.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


tables = load_tables()
RESULT = {
    "title": "A small thing",
    "command": "python -m benchmarks.small",
    "columns": ["model", "parameters", "recall@20"],
    "rows": [["dense", 1234567, 0.19841234], ["pruned", 70000, None]],
    "notes": ["Higher is better"],
    "commit": "abc",
    "machine": "2 cores",
    "threads": 1,
    "seeds": [0, 1, 2],
    "data": "simulated",
}


def test_the_readme_and_the_pages_say_what_the_results_say():
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.tables", "--check"], cwd=ROOT, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr


def test_a_table_shows_every_number_as_a_person_reads_it():
    text = tables.table(RESULT)
    assert "| dense | 1,234,567 | 0.1984 |" in text
    assert "| pruned | 70,000 | – |" in text
    assert "|---|---:|---:|" in text
    assert "Higher is better. Data: simulated; seeds: 0, 1, 2; threads: 1; machine: 2 cores." in text


def test_long_notes_fold_up_and_what_was_measured_on_what_stays():
    text = tables.table({**RESULT, "notes": ["Higher is better " * 30]})
    notes, last = text.index("<details"), text.index("Data: simulated")
    assert notes < text.index("Higher is better Higher") < text.index("</details>") < last
    assert text.count("Data: simulated") == 1


def test_a_named_marker_takes_its_table_and_the_open_one_takes_the_rest():
    text = "a\n<!-- table: one -->\nold\n<!-- end -->\nb\n<!-- tables -->\nold\n<!-- end -->\n"
    out = tables.rewrite(text, {"one": RESULT, "two": {**RESULT, "title": "Another"}})
    head, rest = out.split("\nb\n")
    assert "A small thing" in head
    assert "Another" not in head
    assert "Another" in rest
    assert "A small thing" not in rest
    assert "old" not in out
    assert tables.rewrite(out, {"one": RESULT, "two": {**RESULT, "title": "Another"}}) == out


def test_a_changed_number_parts_the_readme_from_the_results():
    text = tables.rewrite("<!-- table: one -->\n<!-- end -->\n", {"one": RESULT})
    changed = {**RESULT, "rows": [["dense", 1234568, 0.19841234], ["pruned", 70000, None]]}
    assert tables.rewrite(text, {"one": changed}) != text


def test_a_page_of_a_model_has_its_rows_and_the_tables_that_are_all_about_it():
    rows = [["published: FM", None, 0.3], ["fm", 1, 0.1], ["deepfm", 2, 0.2]]
    models = {**RESULT, "rows": rows, "notes": ["Both", "deepfm: deep"]}
    own = {**RESULT, "title": "FM in a tenth"}
    small = {**RESULT, "title": "Somewhere: fm, 64 dims"}
    named = {**RESULT, "title": "By its file"}
    results = {"many": models, "own": own, "small": small, "named": named, "other": {**RESULT, "title": "About fm"}}
    out = tables.rewrite("<!-- measured: fm named -->\nold\n<!-- end -->\n", results)
    places = [out.index(what) for what in ("| published: FM |", "| fm |", "By its file", "FM in a tenth", "Somewhere")]
    assert places == sorted(places)
    assert out.count("| dense |") == 3
    assert "A small thing (rows of fm)" in out
    assert "Both." in out
    for away in ("old", "deepfm", "About fm"):
        assert away not in out
    assert tables.rewrite(out, results) == out


def test_a_page_of_a_model_without_a_result_says_so():
    sizes = {**RESULT, "columns": ["module", "parameters", "recall@20"], "rows": [["fm", 1, 0.1]]}
    others = {**RESULT, "rows": [["published: FM", None, 0.3]]}
    out = tables.rewrite("<!-- measured: fm -->\n<!-- end -->\n", {"one": RESULT, "sizes": sizes, "others": others})
    assert out.splitlines()[1].startswith("Not measured yet")


def test_a_row_of_another_width_is_refused():
    with pytest.raises(ValueError, match="3 columns, but a row has 1"):
        tables.table({**RESULT, "rows": [["dense"]]})


def blocks():
    """The Python of the README, block by block."""
    return re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(encoding="utf-8"), re.DOTALL)


def test_a_foreign_module_is_pruned_as_the_readme_shows():
    done = subprocess.run([sys.executable, "-c", blocks()[0]], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    before, after = map(int, done.stdout.split())
    assert 0 < after <= before / 2


def test_the_whole_street_in_python_runs_as_the_readme_shows(tmp_path):
    log = simulate(60, 40, 900, 3, feedback="rating").log.frame.select("user", "item", "rating", "time")
    log.collect().write_csv(tmp_path / "ratings.csv")
    done = subprocess.run([sys.executable, "-c", blocks()[1]], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "ndcg@20" in done.stdout


ENGLISH, CHINESE = "README.md", "README.zh-CN.md"


def text_of(name):
    return (ROOT / name).read_text(encoding="utf-8")


def tables_of(name):
    """Name of a table -> its rows of cells, header and rule left out."""
    found = re.findall(r"<!-- table: ([\w.-]+) -->\n(.*?)<!-- end -->", text_of(name), re.DOTALL)
    lines = {table: [line for line in text.splitlines() if line.startswith("|")] for table, text in found}
    return {
        table: [[cell.strip() for cell in line.strip("|").split("|")] for line in rows] for table, rows in lines.items()
    }


def test_both_readmes_have_the_same_tables_with_the_same_numbers():
    english, chinese = tables_of(ENGLISH), tables_of(CHINESE)
    assert list(english) == list(chinese)
    for name, rows in english.items():
        assert len(rows) == len(chinese[name]) > 3
        for one, other in zip(rows[1:], chinese[name][1:], strict=True):
            numbers = [(a, b) for a, b in zip(one, other, strict=True) if re.fullmatch(r"[-\d.,e]+", a)]
            assert numbers
            assert all(a == b for a, b in numbers), name


def test_every_word_of_a_chinese_table_is_chinese_or_the_name_of_a_thing():
    names = {"ease", "onnx", "kernels", "F1@20", "NDCG@20", "NDCG@10", "AUC", "caser", "select_fields", "–", ""}
    for table, (head, _, *rows) in tables_of(CHINESE).items():
        for cell in [*head, *(cell for row in rows for cell in row)]:
            plain = re.fullmatch(r"[-:\d.,/%e]+|\d+\.\d+ of \d+", cell)
            assert plain or cell in names or re.search(r"[\u4e00-\u9fff]", cell), f"{table}: {cell}"


def test_both_readmes_say_the_same_numbers_run_the_same_code_and_lead_to_each_other():
    english, chinese = text_of(ENGLISH), text_of(CHINESE)
    assert f"]({CHINESE})" in english
    assert f"]({ENGLISH})" in chinese
    pages = [set(re.findall(r"\]\((docs/[^)#]+)", text)) for text in (english, chinese)]
    assert pages[0] == pages[1]
    numbers = [set(re.findall(r"\d+\.\d+", text)) for text in (english, chinese)]
    assert numbers[0] == numbers[1]
    code = [
        re.sub(r" *#.*", "", "".join(re.findall(r"```(?:python|sh|toml)\n(.*?)```", text, re.DOTALL)))
        for text in (english, chinese)
    ]
    assert code[0] == code[1]


def test_links_of_both_readmes_lead_somewhere():
    for name in (ENGLISH, CHINESE):
        for link in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", text_of(name)):
            assert (ROOT / link).exists(), f"{name}: {link} leads nowhere"


def result(name):
    return json.loads((ROOT / "benchmarks" / "results" / f"{name}.json").read_text(encoding="utf-8"))


def test_the_numbers_on_top_are_those_of_the_results():
    english, told = text_of(ENGLISH), []
    for name, metric, before, after in (
        ("lists_small_ml-1m", "ndcg@10", "ease", "1/50"),
        ("gowalla", "ndcg@20", "mixture: 64 dims and all pairs", "1/20, recprune"),
        ("sequences_small_beauty", "recall@10", "sasrec", "1/10"),
        ("sequences_small_yoochoose", "recall@20", "gru4rec", "1/10"),
        ("few_bytes_deepfm", "auc", "dense", "10%, pruned"),
        ("few_bytes_adult", "auc", "dense", "5%, pruned"),
        ("few_bytes_anime", "auc", "dense", "10%, pruned"),
    ):
        found = result(name)
        rows = {row[0]: dict(zip(found["columns"], row, strict=True)) for row in found["rows"]}
        size = [rows[which]["bytes"] for which in (before, after)]
        unit, digits = (1e6, 3) if size[0] > 1e6 else (1e3, 3)
        sizes = [f"{number / unit:#.{digits}g}".rstrip(".") for number in size]
        told += [f"{text} {'MB' if unit == 1e6 else 'kB'}" for text in sizes]
        told += [f"{rows[which][metric]:.4f}" for which in (before, after)]
    top = english.partition("```sh")[0]
    assert [one for one in told if one not in top] == []
    for name, before, after in (("lists_small_ml-1m", "ease", "1/50"), ("sequences_small_beauty", "sasrec", "1/10")):
        speed, columns = {row[0]: row for row in result(name)["rows"]}, result(name)["columns"]
        assert f"{speed[before][columns.index('ms by torch')]} ms in torch" in top
        assert f"{speed[after][columns.index('ms a request')]} ms as served" in top


def test_the_picture_on_top_is_that_of_the_results():
    drawn = importlib.import_module("benchmarks.headline").drawn()
    assert (ROOT / "docs" / "headline.svg").read_text(encoding="utf-8") == drawn, "python -m benchmarks.headline"
    tree = ElementTree.fromstring(drawn)
    assert len(list(tree.iter("{http://www.w3.org/2000/svg}circle"))) > 20


def test_what_is_said_of_results_in_words_is_so():
    demo = {tuple(row[:2]): row[-1] for row in result("demo")["rows"]}
    assert abs(demo["caser", "random pruning"] / demo["caser", "pruned"] - 1) < 0.01
    assert demo["caser", "same size from scratch"] > demo["caser", "pruned"] > demo["caser", "before"]
    assert demo["ease", "pruned"] > 1.2 * demo["ease", "random pruning"]
    assert demo["ease", "pruned"] > 0.99 * demo["ease", "before"]
    column = result("demo")["columns"].index("ms as served")
    before, after = (
        row[column] for row in result("demo")["rows"] if row[0] == "ease" and row[1] in ("before", "pruned")
    )
    assert f"served {before / after:.1f} times as fast" in text_of(ENGLISH)
    small = {row[0]: row for row in result("few_bytes_deepfm")["rows"]}
    auc = result("few_bytes_deepfm")["columns"].index("auc")
    assert min(small["20%, pruned"][auc], small["10%, pruned"][auc]) > small["dense"][auc]
    assert 0.0035 < small["dense"][auc] - small["5%, pruned"][auc] < 0.0045
    assert 0.0195 < small["dense"][auc] - small["2%, pruned"][auc] < 0.0205
    for share in ("20%", "10%", "5%"):
        assert small[f"{share}, pruned"][auc] > small[f"{share}, same size from scratch"][auc]
    lastfm = {row[0].split(" (")[0]: row[3] for row in result("sequences_lastfm")["rows"]}
    short = [
        name
        for name in ("caser", "gru4rec", "sasrec")
        for row in lastfm
        if row.lower() == f"published: {name}" and lastfm[name] < lastfm[row]
    ]
    assert short == ["caser"]
    assert lastfm["item_knn"] == max(lastfm.values())
    for name in ("diginetica", "yoochoose"):
        rows = {row[0]: row[3:5] for row in result(f"sequences_{name}")["rows"]}
        published, ours = rows["published: SR-GNN"], rows["gru4rec"]
        assert all(one > other for one, other in zip(ours, published, strict=True))
