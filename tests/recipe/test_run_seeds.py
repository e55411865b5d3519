import contextlib
from statistics import fmean

import pytest

from recprune.errors import DataError
from recprune.evaluation.comparison import Comparison
from recprune.recipe.run import run
from recprune.recipe.run_seeds import run_seeds
from recprune.recipe.shelf import take


@pytest.fixture(scope="module")
def walk(log, order):
    """Walks the street with these seeds; gives what was found and the names of the stages."""

    def walked(out, *seeds):
        stages = []

        @contextlib.contextmanager
        def noting(name):
            stages.append(name)
            yield lambda words: None

        found = run_seeds(lambda: {"log": log}, order, out, seeds, source="log", stage=noting)
        return found, stages

    return walked


@pytest.fixture(scope="module")
def made(walk, tmp_path_factory):
    """A folder with two seeds, and the names of the stages that were walked."""
    out = tmp_path_factory.mktemp("seeds") / "out"
    return out, walk(out, 0, 1)


def test_each_seed_walks_the_whole_street_on_the_same_data(made):
    out, (found, stages) = made
    assert stages.count("encode and split") == 1
    assert stages.count("train mf") == stages.count("fine-tune") == stages.count("compare") == 2
    assert {take(found.results[seed].folder / "big").works[0].options["seed"] for seed in (0, 1)} == {0, 1}
    assert found.small == out / "seed-0" / "small"


def test_the_proof_of_all_is_the_mean_and_surer_than_text_alone_can_say(made):
    out, (found, _) = made
    each = [result.comparison for result in found.results.values()]
    together = found.comparison
    assert together.seeds == (0, 1)
    assert together.difference("ndcg@5").value == pytest.approx(fmean(c.difference("ndcg@5").value for c in each))
    assert "over 2 seeds" in together.verdict()
    assert Comparison.from_json((out / "comparison.json").read_text(encoding="utf-8")) == together


def test_what_stands_is_not_done_again_and_a_seed_can_be_added(walk, made):
    out, (found, _) = made
    again, stages = walk(out, 0, 1)
    assert stages == []
    assert again.comparison == found.comparison
    more, stages = walk(out, 0, 1, 2)
    assert stages.count("train mf") == 1
    assert "encode and split" not in stages
    assert more.comparison.seeds == (0, 1, 2)


def test_what_each_user_adds_is_made_again_where_it_was_lost_and_damage_is_said(walk, made):
    out, (found, _) = made
    (out / "seed-1" / "cases.npz").unlink()
    again, stages = walk(out, 0, 1)
    assert stages == ["compare"]
    assert again.comparison.differences == found.comparison.differences
    whole = (out / "seed-1" / "cases.npz").read_bytes()
    (out / "seed-1" / "cases.npz").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(DataError, match="remove it"):
        walk(out, 0, 1)


def test_the_proof_of_one_seed_is_not_that_of_several_where_both_were_asked_of_a_folder(walk, log, order, tmp_path):
    alone = run(lambda: {"log": log}, order, tmp_path / "out", source="log").comparison
    together = walk(tmp_path / "out", 0, 1)[0].comparison
    again = run(lambda: {"log": log}, order, tmp_path / "out", source="log").comparison
    assert (alone.seeds, together.seeds) == (again.seeds, (0, 1))
    assert again.differences == alone.differences


@pytest.mark.parametrize("seeds", [(0,), (1, 1)])
def test_one_seed_is_not_several(seeds, log, order, tmp_path):
    with pytest.raises(DataError, match="several seeds"):
        run_seeds(lambda: {"log": log}, order, tmp_path / "out", seeds)
