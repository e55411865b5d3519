import pytest

from recprune.data.read import read, read_parts
from recprune.data.recognise import parts_of, recognise
from recprune.errors import DataError


def write(folder, **files):
    for name, text in files.items():
        (folder / name.replace("__", ".")).write_text(text)
    return folder


def test_the_only_table_with_users_and_items_is_the_log(tmp_path):
    write(
        tmp_path,
        shop__csv="user_id,item_id,price\n1,7,2.5\n2,7,2.5\n",
        things__csv="item_id,colour\n7,red\n",
        notes__txt="nothing that is parted\n",
        empty__csv="",
    )
    path, kind, options = recognise(tmp_path)
    assert (path.name, kind, options) == ("shop.csv", "delimited", {})
    assert len(read(tmp_path)) == 2


def test_two_tables_with_users_and_items_are_one_too_many(tmp_path):
    write(tmp_path, a__csv="user,item\n1,7\n", b__csv="user,item\n2,7\n")
    with pytest.raises(DataError, match="--split given") as error:
        recognise(tmp_path)
    assert error.value.files == ["a.csv", "b.csv"]


def test_data_beside_test_is_train(tmp_path):
    write(tmp_path, web__data="1,7\n", web__test="1,8\n", web__names="about it")
    assert {part: file.name for part, file in parts_of(tmp_path).items()} == {"train": "web.data", "test": "web.test"}


def test_data_beside_train_and_test_is_neither(tmp_path):
    write(tmp_path, all__data="1,7\n", train__csv="1,7\n", test__csv="1,8\n")
    assert parts_of(tmp_path)["train"].name == "train.csv"


def test_options_that_take_several_values_take_them_with_commas(tmp_path):
    write(tmp_path, clicks__libfm="1 0:1 4:1\n0 1:1 5:1\n")
    for options in (
        {"fields": "user,item"},
        {"fields": ["user", "item"], "starts": "0,4"},
        {"fields": ("user", "item")},
    ):
        log = read(tmp_path / "clicks.libfm", **options)
        assert log.frame.collect()["item"].to_list() == ["4", "5"]
    with pytest.raises(DataError, match="whole numbers"):
        read(tmp_path / "clicks.libfm", starts="0,many")


def test_a_separator_of_a_comma_stays_a_comma(tmp_path):
    write(tmp_path, log__txt="a,x\nb,y\n")
    log = read(tmp_path / "log.txt", separator=",", columns="who,what")
    assert log.frame.collect().columns == ["who", "what"]


def test_sessions_of_two_parts_may_be_named_by_the_caller(tmp_path):
    write(tmp_path, train__txt="1 2\n", test__txt="2 3\n")
    named = read_parts(tmp_path, "sessions", name="s")
    assert {log.frame.collect()["session"][0] for log in named.values()} == {"s1"}


def test_people_of_the_same_number_in_two_files_of_visits_are_different_people(tmp_path):
    lines = 'I,4,"x"\nC,"1",1\nV,7,1\n'
    write(tmp_path, web__data=lines, web__test=lines)
    assert {name: log.frame.collect().rows() for name, log in read_parts(tmp_path).items()} == {
        "train": [("train 1", "7")],
        "test": [("test 1", "7")],
    }
