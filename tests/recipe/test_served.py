import pytest

from recprune import artifact
from recprune.data.store import save_split
from recprune.errors import ArtifactError, DataError
from recprune.models.build import build
from recprune.recipe.served import made_from, offer_of
from recprune.testing import tiny_clicks, tiny_split


@pytest.fixture(scope="module")
def at(tmp_path_factory):
    at, split, clicks = tmp_path_factory.mktemp("served"), tiny_split(), tiny_clicks()
    save_split(split, at / "prepared")
    save_split(tiny_split(users=30), at / "others")
    artifact.save(at / "mf", build("mf", split, dim=4), vocabularies=split.vocabularies)
    artifact.save(at / "bare", build("mf", split, dim=4))
    artifact.save(at / "clicks", build("deepfm", clicks, dim=4), vocabularies=clicks.vocabularies)
    artifact.save(
        at / "trained", build("mf", split, dim=4), vocabularies=split.vocabularies, notes={"data": "../prepared"}
    )
    return at


def test_the_data_that_a_model_was_trained_on_is_taken_where_none_is_named(at):
    assert offer_of(at / "trained").lists.known is not None
    assert offer_of(at / "mf").lists.known is None


def test_a_click_model_is_offered_as_scores_and_stands_beside_nothing(at):
    offer = offer_of(at / "clicks")
    assert offer.lists is None
    assert set(offer.scorer.columns) == {"user", "item", "city", "noise"}
    with pytest.raises(ArtifactError, match="beside"):
        offer_of(at / "clicks", against=at / "mf")


def test_a_model_without_ids_or_for_other_data_is_refused(at):
    with pytest.raises(ArtifactError, match="without the ids"):
        offer_of(at / "bare")
    fewer = tiny_split(users=9)
    save_split(fewer, at / "fewer")
    with pytest.raises(DataError, match="not in this data"):
        offer_of(at / "mf", at / "fewer")


def test_each_model_can_be_asked_once_before_it_serves(at):
    for offer in (offer_of(at / "mf", at / "prepared", at / "trained"), offer_of(at / "mf"), offer_of(at / "clicks")):
        for ask in offer.questions():
            ask()
    assert len(offer_of(at / "mf", None, at / "trained").questions()) == 2


def test_folders_are_told_apart_by_what_they_hold(at):
    first = made_from(at / "mf", at / "prepared")
    assert first == made_from(at / "mf", at / "prepared")
    assert len({first, made_from(at / "bare", at / "prepared"), made_from(at / "mf", at / "others")}) == 3
