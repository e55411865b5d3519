from pathlib import Path

from recprune.report.places import Places


def test_the_data_of_the_model_stands_in_where_none_was_given():
    places = Places(Path("out/small"), Path("out/big"))
    assert places.with_data(Path("out/big/../prepared")).data == Path("out/prepared")
    assert places.with_data(None).data is None
    given = Places(Path("out/small"), Path("out/big"), Path("mine"))
    assert given.with_data(Path("other")) is given
