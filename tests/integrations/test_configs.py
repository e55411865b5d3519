"""What configurations of RecBole and FuxiCTR say about data is done to the data, or refused."""

import contextlib
import json
import textwrap

import pytest
from typer.testing import CliRunner

from recprune.cli import app
from recprune.data.store import load_split
from recprune.errors import DataError, RecpruneError
from recprune.integrations.configs import prepare_config
from recprune.integrations.yaml_file import read_yaml

INTER = "user_id:token\titem_id:token\trating:float\ttimestamp:float\n"
ROWS = [(user, item, 1 + (user + item) % 5, 10 * item + user) for user in range(1, 7) for item in range(1, 9)]


@pytest.fixture
def atomic(tmp_path):
    """A folder data/tiny of RecBole atomic files."""
    folder = tmp_path / "data" / "tiny"
    folder.mkdir(parents=True)
    text = "".join(f"u{user}\ti{item}\t{rating}\t{time}\n" for user, item, rating, time in ROWS)
    (folder / "tiny.inter").write_text(INTER + text)
    (folder / "tiny.item").write_text(
        "item_id:token\tgenre:token_seq\tprice:float\n" + "".join(f"i{i}\ta b\t{i}.5\n" for i in range(1, 9))
    )
    return folder


def config(tmp_path, text, name="tiny.yaml"):
    path = tmp_path / name
    path.write_text(textwrap.dedent(text))
    return path


def lengths(split):
    return [len(part) for part in (split.train, split.valid, split.test)]


BY_TIME = """
    data_path: data
    dataset: tiny
    load_col:
      inter: [user_id, item_id, rating, timestamp]
      item: [item_id, genre]
    threshold: {rating: 4}
    eval_args: {split: {RS: [8, 1, 1]}, order: TO, group_by: user, mode: full}
    learning_rate: 0.001
    """


def test_roles_labels_and_split_are_those_that_recbole_is_told(tmp_path, atomic):
    found = prepare_config(config(tmp_path, BY_TIME))
    split = found.prepared.split
    assert found.tool == "recbole"
    assert found.unread == ("learning_rate",)
    assert found.prepared.way == "RS TO by user, as RecBole does"
    assert lengths(split) == [36, 6, 6]
    assert (found.roles.user, found.roles.label, found.roles.multi) == ("user_id", "label", ("genre",))
    assert found.roles.numeric == ()
    assert ((split.train["rating"] >= 4) == (split.train["label"] == 1)).all()
    assert set(split.train["label"].tolist()) == {0.0, 1.0}


def test_without_load_col_only_the_ids_are_loaded_and_with_null_all_columns(tmp_path, atomic):
    args = "eval_args: {split: {RS: [0.8, 0.1, 0.1]}, order: RO, group_by: none}"
    few = prepare_config(config(tmp_path, f"dataset: tiny\ndata_path: data\n{args}\n"))
    assert set(few.prepared.split.train.columns) == {"user", "item"}
    assert few.prepared.way == "RS RO, as RecBole does"
    every = prepare_config(config(tmp_path, f"dataset: tiny\ndata_path: data\nload_col: null\n{args}\n"))
    assert set(every.prepared.split.train.columns) == {"user", "item", "rating", "time", "genre", "price"}


def test_columns_of_other_names_and_rare_users(tmp_path, atomic):
    text = (atomic / "tiny.inter").read_text().replace("user_id", "reader").replace("item_id", "paper")
    (atomic / "tiny.inter").write_text(text + "lonely\ti1\t5\t99\n")
    (atomic / "tiny.item").unlink()
    said = """
    dataset: tiny
    USER_ID_FIELD: reader
    ITEM_ID_FIELD: paper
    load_col: {inter: [reader, paper, timestamp]}
    user_inter_num_interval: "[2,inf)"
    eval_args: {split: {LS: valid_and_test}, order: TO}
    """
    found = prepare_config(config(tmp_path, said), atomic)
    assert "lonely" not in found.prepared.split.vocabularies["user"].ids
    assert lengths(found.prepared.split) == [36, 6, 6]
    assert found.prepared.way == "LS TO by user, as RecBole does"


def test_a_config_that_says_nothing_of_parts_gets_those_that_recbole_makes_by_itself(tmp_path, atomic):
    found = prepare_config(config(tmp_path, "dataset: tiny\ndata_path: data\n"))
    assert found.prepared.way == "RS RO by user, as RecBole does"
    assert lengths(found.prepared.split) == [36, 6, 6]


def test_rows_that_stand_twice_stay_where_nothing_else_is_said(tmp_path, atomic):
    with (atomic / "tiny.inter").open("a") as file:
        file.write("u1\ti1\t5\t999\n")
    said = "dataset: tiny\ndata_path: data\nload_col: null\neval_args: {split: {LS: valid_and_test}, order: TO}\n"
    assert sum(lengths(prepare_config(config(tmp_path, said)).prepared.split)) == len(ROWS) + 1
    once = prepare_config(config(tmp_path, said + "rm_dup_inter: last\n")).prepared.split
    assert sum(lengths(once)) == len(ROWS)


def test_parts_that_were_made_before_are_taken_as_they_are(tmp_path, atomic):
    lines = (atomic / "tiny.inter").read_text().splitlines(keepends=True)
    for word, some in (("part1", lines[1:31]), ("part2", lines[31:40]), ("part3", lines[40:])):
        (atomic / f"tiny.{word}.inter").write_text(lines[0] + "".join(some))
    said = "dataset: tiny\ndata_path: data\nload_col: null\nbenchmark_filename: [part1, part2, part3]\n"
    split = prepare_config(config(tmp_path, said)).prepared.split
    assert lengths(split) == [30, 9, 9]
    assert "genre" in split.train.columns


@pytest.mark.parametrize(
    ("said", "word"),
    [
        ("val_interval: {rating: '[3,inf)'}", "val_interval"),
        ("eval_args: {split: {RS: [8, 2]}, order: RO, group_by: user}", "eval_args"),
        ("eval_args: {split: {LS: valid_only}, order: TO}", "eval_args"),
        ("eval_args: {split: {TS: [8, 1, 1]}, order: RO}", "eval_args"),
        ("eval_args: {split: {RS: [8, 1, 1]}, order: TO}", "TIME_FIELD"),
        ("user_inter_num_interval: '[2,9]'", "upper end"),
        ("field_separator: ','", "field_separator"),
        ("rm_dup_inter: some", "rm_dup_inter"),
        ("dataset: other", "other"),
    ],
)
def test_what_recprune_would_do_otherwise_is_refused_and_named(tmp_path, atomic, said, word):
    with pytest.raises(DataError, match=word):
        prepare_config(config(tmp_path, f"{'' if 'dataset' in said else 'dataset: tiny'}\ndata_path: data\n{said}\n"))


FUXI = """
    tiny_x1:
        data_root: ../data/
        data_format: csv
        train_data: csv/train.csv
        valid_data: csv/valid.csv
        test_data: csv/test.csv
        min_categr_count: 1
        feature_cols:
            - {name: [userid, adgroup], active: true, dtype: str, type: categorical}
            - {name: price, active: true, dtype: float, type: numeric}
            - {name: seen, active: true, dtype: str, type: sequence, splitter: ^, max_len: 3}
            - {name: unused, active: false, dtype: str, type: categorical}
            - {name: group, active: true, dtype: int, type: meta}
        label_col: {name: clk, dtype: float}
    """


@pytest.fixture
def csv(tmp_path):
    folder = tmp_path / "csv"
    folder.mkdir()
    for number, part in enumerate(("train", "valid", "test")):
        rows = "".join(f"{i % 2},u{i % 3},a{i % 4},{i}.5,x^y{i},z,1\n" for i in range(number, number + 8))
        (folder / f"{part}.csv").write_text("clk,userid,adgroup,price,seen,unused,group\n" + rows)
    return folder


def test_features_of_fuxictr_become_fields_of_their_kind(tmp_path, csv):
    found = prepare_config(config(tmp_path, FUXI))
    split = found.prepared.split
    assert found.tool == "fuxictr"
    assert found.unread == ()
    assert lengths(split) == [8, 8, 8]
    assert set(split.train.columns) == {"label", "userid", "adgroup", "price", "seen"}
    assert split.train["seen"].shape == (8, 2)
    assert split.vocabularies["userid"].ids == ("u0", "u1", "u2")
    assert split.train["label"].tolist() == [0, 1] * 4


def test_rare_ids_are_unknown_sequences_are_cut_and_separators_are_as_fuxictr_is_told(tmp_path, csv):
    for part in ("train", "valid", "test"):
        file = csv / f"{part}.csv"
        file.write_text(file.read_text().replace(",", ";"))
    (csv / "test.csv").write_text((csv / "test.csv").read_text().replace("a1", "a9"))
    said = FUXI.replace("min_categr_count: 1", "min_categr_count: 2\n        sep: ;")
    said = said.replace("splitter: ^, max_len: 3", "max_len: 1, padding: pre, share_embedding: adgroup")
    found = prepare_config(config(tmp_path, said))
    split = found.prepared.split
    assert found.unread == ("feature_cols.share_embedding",)
    assert split.vocabularies["adgroup"].ids == ("a0", "a1", "a2", "a3")
    assert set(split.test["adgroup"].tolist()) == {0, 1, 3, 4}, "a9 stands in no row of train"
    assert split.vocabularies.get("seen") is None or not split.vocabularies["seen"].ids, "the last of each stands once"
    whole = prepare_config(config(tmp_path, said.replace("padding: pre, ", ""))).prepared.split
    assert whole.vocabularies["seen"].ids == ("x",), "the first of each"


def test_one_of_several_data_sets_is_named(tmp_path, csv):
    two = textwrap.dedent(FUXI) + textwrap.dedent(FUXI).replace("tiny_x1", "tiny_x2")
    path = config(tmp_path, two)
    assert prepare_config(path, csv, "tiny_x2").tool == "fuxictr"
    with pytest.raises(DataError, match="tiny_x1, tiny_x2"):
        prepare_config(path)


@pytest.mark.parametrize(
    ("old", "new", "word"),
    [
        ("data_format: csv", "data_format: h5", "h5"),
        ("type: numeric", "type: embedding", "embedding"),
        ("test_data: csv/test.csv", "more: 1", "test_data"),
        ("csv/train.csv", "csv/absent.csv", "absent"),
        ("label_col: {name: clk, dtype: float}", "label_col: [a, b]", "label_col"),
        ("type: numeric}", "type: categorical, preprocess: convert_to_bucket}", "preprocess of price"),
        ("type: numeric}", "type: categorical, category_processor: quantile_bucket}", "category_processor of price"),
        ("min_categr_count: 1", "valid_size: 0.1", "valid_size"),
    ],
)
def test_what_fuxictr_has_and_recprune_has_not_is_named(tmp_path, csv, old, new, word):
    with pytest.raises(DataError, match=word):
        prepare_config(config(tmp_path, FUXI.replace(old, new)))


@pytest.mark.parametrize(
    "text",
    ["!!python/object/apply:os.system ['touch owned']", "a: !!python/name:os.system", "- 1", "1: 2", "{", "epochs: 3"],
)
def test_nothing_is_built_or_run_and_other_files_are_told_from_ours(tmp_path, monkeypatch, text):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(DataError):
        prepare_config(config(tmp_path, text))
    assert not (tmp_path / "owned").exists()


BOMB = "a: &a [x,x,x,x,x,x,x,x,x]\n" + "".join(
    f"{new}: &{new} [{','.join([f'*{old}'] * 9)}]\n" for old, new in zip("abcdefgh", "bcdefghi", strict=True)
)


@pytest.mark.parametrize(
    ("text", "word"),
    [
        (BOMB + "dataset: tiny\nbenchmark_filename: *i\n", "aliases"),
        ("base: &b {x: 1}\ndataset: tiny\nmore:\n  <<: *b\n", "aliases"),
        ("dataset: tiny\ndataset: other\n", "'dataset' stands twice"),
        ("dataset: tiny\neval_args: {order: TO, order: RO}\n", "'order' stands twice"),
        ("dataset: !!timestamp x\n", "YAML"),
        ("dataset: !!int ''\n", "YAML"),
        ("dataset: !!bool maybe\n", "YAML"),
        ("? [a]\n: 1\n", "YAML"),
        ("a: " + "[" * 5000, "YAML"),
        ("a: \0", "YAML"),
        ("#" * (1 << 20) + "\na: 1\n", "larger than"),
    ],
)
def test_case_21_a_configuration_says_one_thing_and_in_as_many_words_as_it_has(tmp_path, text, word):
    with pytest.raises(DataError, match=word):
        prepare_config(config(tmp_path, text))


ODD = ("1", "x", "[1]", "[[a]]", "{a: 1}", "{a: {b: c}}", "null", "true", "2024-01-01", "1.5e300", "-1", "[]", "{}")


@pytest.mark.parametrize(
    "key", ["data_path", "load_col", "unload_col", "threshold", "eval_args", "seed", "user_inter_num_interval"]
)
def test_case_21_settings_of_recbole_that_hold_something_else_are_told(tmp_path, atomic, key):
    for odd in ODD:
        text = "dataset: tiny\ndata_path: data\neval_args: {split: {RS: [8, 1, 1]}, order: TO}\n"
        lines = [line for line in text.splitlines() if not line.startswith(f"{key}:")]
        path = config(tmp_path, "\n".join([*lines, f"{key}: {odd}", ""]))
        with contextlib.suppress(RecpruneError):  # and nothing else
            prepare_config(path)


@pytest.mark.parametrize("old", ["[userid, adgroup]", "categorical}", "true", "float}", "csv/train.csv", "3}", "^"])
def test_case_21_settings_of_fuxictr_that_hold_something_else_are_told(tmp_path, csv, old):
    for odd in ODD:
        text = FUXI.replace(old, odd + ("}" if old.endswith("}") else ""), 1)
        assert odd in text
        with contextlib.suppress(RecpruneError):
            prepare_config(config(tmp_path, text))


def test_the_command_prepares_and_says_what_it_did_not_read(tmp_path, atomic):
    path, out = config(tmp_path, BY_TIME), tmp_path / "prepared"
    done = CliRunner().invoke(app(), ["import", str(path), "-o", str(out), "--json"])
    assert done.exit_code == 0, done.output
    said = json.loads(done.stdout)
    assert said["settings not read"] == ["learning_rate"]
    assert said["roles"]["multi"] == ["genre"]
    assert lengths(load_split(out)) == [36, 6, 6]


def test_a_configuration_that_is_not_there_is_told_as_such(tmp_path):
    with pytest.raises(DataError, match=r"none\.yaml cannot be read: No such file"):
        read_yaml(tmp_path / "none.yaml")
