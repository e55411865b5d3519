"""Replicas by Ray Serve, asked from here."""

import os
import signal
from functools import partial

import pytest

from recprune import artifact
from recprune.data.store import save_split
from recprune.errors import ArtifactError
from recprune.models.build import build
from recprune.recipe.served import offer_of
from recprune.serving.refusals import Refusal
from recprune.testing.data import tiny_clicks, tiny_split


@pytest.fixture(scope="module")
def replicas(ray):
    pytest.importorskip("ray.serve", reason="Ray Serve is not installed: pip install 'recprune[rayserve]'")
    from recprune.scale import serve

    return serve


@pytest.fixture(scope="module")
def shop(tmp_path_factory):
    at, split, rows = tmp_path_factory.mktemp("served"), tiny_split(), tiny_clicks()
    save_split(split, at / "prepared")
    artifact.save(at / "mf", build("mf", split, dim=4, seed=1), vocabularies=split.vocabularies)
    artifact.save(at / "clicks", build("lr", rows, seed=1), vocabularies=rows.vocabularies)
    return at


def test_replicas_give_what_the_models_give_here_and_refuse_what_they_refuse(shop, replicas):
    clicks, lists = partial(offer_of, shop / "clicks"), partial(offer_of, shop / "mf", shop / "prepared")
    rows = [["u1", "i2", "c1", "n3"], [None, "nothing", "c2", None]]
    with replicas.Replicas(clicks) as made:
        offer = made.offer()
        assert offer.scorer.score(rows[: len(rows)]) == clicks().scorer.score(rows)
    with replicas.Replicas(lists, 2) as made:
        offer, here = made.offer(), lists()
        for user in ("u1", "u2", "u24"):
            assert offer.lists.by_user(user, 5, ("i3",)) == here.lists.by_user(user, 5, ("i3",))
        with pytest.raises(Refusal) as caught:
            offer.lists.by_user("nobody", 5)
        assert caught.value.code == "unknown_user"
        assert (offer.against, offer.scorer, offer.about) == (None, None, here.about)


def deadly(folder, data, mark):
    """An offer whose model kills its process once, when it is asked and not while it is tried out."""
    offer = offer_of(folder, data)
    first = offer.lists.by_user

    def by_user(user, k, exclude=()):
        if user == "u9" and not mark.exists():
            mark.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return first(user, k, exclude)

    kind = type("Deadly", (type(offer.lists),), {"by_user": staticmethod(by_user)})
    lists = kind(offer.lists.recommender, offer.lists.items, offer.lists.known, offer.lists.users)
    return type(offer)(lists, None, None, offer.about)


def test_a_question_whose_replica_dies_is_asked_again(shop, replicas, tmp_path):
    with replicas.Replicas(partial(deadly, shop / "mf", shop / "prepared", tmp_path / "mark"), 2) as made:
        found = made.offer().lists.by_user("u9", 5)
    assert (tmp_path / "mark").exists()
    assert found == offer_of(shop / "mf", shop / "prepared").lists.by_user("u9", 5)


def test_what_cannot_be_loaded_is_told_before_anything_is_started(shop, replicas, tmp_path):
    with replicas.Replicas(partial(offer_of, tmp_path / "none")) as made, pytest.raises(ArtifactError, match="none"):
        made.offer()
    assert made._serve is None
