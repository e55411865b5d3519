import numpy as np
import polars as pl
import pytest

from recprune.data.simulate import simulate
from recprune.errors import DataError

FEEDBACK = ("implicit", "label", "rating")


def small(**options):
    return simulate(200, 80, 3000, 4, **options)


@pytest.mark.parametrize("feedback", FEEDBACK)
def test_the_same_seed_gives_the_same_log_and_another_seed_another(feedback):
    one, two, other = (small(feedback=feedback, seed=s).log.frame.collect() for s in (3, 3, 4))
    assert one.equals(two)
    assert not one.equals(other)


@pytest.mark.parametrize("feedback", FEEDBACK)
def test_the_log_has_as_many_rows_as_asked_for_and_no_pair_twice_and_time_never_falls(feedback):
    frame = small(feedback=feedback).log.frame.collect()
    assert len(frame) == 3000
    assert not frame.select("user", "item").is_duplicated().any()
    assert frame["time"].is_sorted()


def test_redundant_fields_recode_their_original_one_to_one():
    simulation = small(copies=2)
    frame = simulation.log.frame.collect()
    assert len(simulation.truth.copy_of) == 6
    for copy, original in simulation.truth.copy_of.items():
        assert frame.select(copy, original).unique().height == frame[original].n_unique() == frame[copy].n_unique()


def test_every_part_is_what_its_name_says():
    simulation = small(noise=(2, 7), uniques=2)
    frame, truth = simulation.log.frame.collect(), simulation.truth
    assert all(frame[name].n_unique() == 1 for name in truth.playing("constant"))
    assert all(frame[name].n_unique() == 3000 for name in truth.playing("unique"))
    assert [frame[name].n_unique() for name in truth.playing("noise")] == [2, 7]
    assert set(truth.fields) == set(simulation.log.roles.categorical)


def test_fields_of_the_user_and_of_the_item_have_one_value_each():
    simulation = small()
    frame, roles = simulation.log.frame.collect(), simulation.log.roles
    for key, names in (("user", roles.of_user), ("item", roles.of_item)):
        assert len(names) == 2
        assert frame.select(key, *names).unique().height == frame[key].n_unique()


def test_no_score_predicts_the_labels_better_than_the_utility_and_the_fields_that_matter_move_the_click_rate():
    simulation = simulate(400, 200, 20_000, 4, feedback="label")
    frame, truth = simulation.log.frame.collect(), simulation.truth
    label = frame["label"].to_numpy()
    expected = 1 / (1 + np.exp(-truth.utility.astype(float)))
    assert abs(label.mean() - expected.mean()) < 0.02
    assert label[truth.utility > 2].mean() > 0.85 > 0.15 > label[truth.utility < -2].mean()

    def spread(name):
        rates = frame.group_by(name).agg(pl.col("label").mean(), pl.len()).filter(pl.col("len") > 100)["label"]
        return rates.max() - rates.min()

    assert min(spread(name) for name in truth.playing("matters")) > 2 * spread("noise1")


def test_utilities_without_main_effects_have_the_rank_that_was_asked_for():
    truth = simulate(300, 100, 5000, 3, seed=1).truth
    values = np.linalg.svd(truth.user_factors @ truth.item_factors.T, compute_uv=False)
    assert values[2] > 1 > 1e-2 > values[3]


def test_popularity_has_a_long_tail():
    frame = simulate(1000, 300, 20_000, 4, strength=0.0, tail=0.8).log.frame.collect()
    counts = frame["item"].value_counts(sort=True)["count"].to_numpy()
    assert counts[:30].sum() > 0.25 * 20_000
    assert counts[150:].sum() < 0.35 * 20_000


def test_implicit_choices_prefer_what_the_user_likes():
    truth = simulate(500, 200, 5000, 4, strength=2.0).truth
    blind = simulate(500, 200, 5000, 4, strength=2.0, feedback="label").truth
    assert truth.utility.mean() > blind.utility.mean() + 2


def test_ratings_are_whole_numbers_from_1_to_5_and_rise_with_the_utility():
    simulation = small(feedback="rating")
    rating = simulation.log.frame.collect()["rating"].to_numpy()
    assert set(rating) == {1.0, 2.0, 3.0, 4.0, 5.0}
    assert np.corrcoef(rating, simulation.truth.utility)[0, 1] > 0.8


@pytest.mark.parametrize(
    ("options", "part"),
    [
        ({"n_rows": 9000}, "n_rows"),
        ({"rank": 0}, "rank"),
        ({"feedback": "clicks"}, "feedback"),
    ],
)
def test_what_cannot_be_simulated_is_refused(options, part):
    sizes = {"n_users": 200, "n_items": 80, "n_rows": 100, "rank": 2} | options
    with pytest.raises(DataError) as error:
        simulate(**sizes)
    assert part in error.value.parts


def test_pairs_that_never_come_up_are_refused_with_the_number_found():
    with pytest.raises(DataError) as error:
        simulate(2, 1000, 1000, 2, tail=6.0)
    assert 0 < error.value.found < 1000
