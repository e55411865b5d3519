import json
import sys
from dataclasses import asdict

import pytest
from typer.testing import CliRunner

import recprune
from recprune.cli import app
from recprune.data.dataset import Split
from recprune.data.store import save_split
from recprune.errors import ArtifactError, DataError, ExtensionError, TrainingError
from recprune.recipe.once import alone
from recprune.recipe.space import Choices, Range, space_of
from recprune.recipe.train import train
from recprune.recipe.tune import BEST, TRIALS, Tuned, tune
from recprune.testing import tiny_clicks, tiny_split
from recprune.training.options import FitOptions
from recprune.training.usual import FAMILIES, usual_options

SMALL = {"length": 4, "dim": 8}
ONCE = FitOptions(epochs=1, k=3)


def test_the_space_is_that_of_the_family_and_of_what_the_constructor_takes():
    split = tiny_split()
    of = {name: space_of(recprune.build(name, split), ONCE) for name in ("ease", "mf", "fism", "sasrec")}
    assert of["ease"]["fit.reg"] == Range(500 / 30, 500 * 30)
    assert set(of["ease"]) == {"fit.reg", "model.user_power", "model.dropout", "model.item_power"}
    assert set(of["mf"]) == {"fit.lr", "fit.decay", "fit.batch", "model.dim"}
    assert {"fit.hidden", "model.temperature", "model.smooth"} <= set(of["fism"])
    assert {"fit.batch", "model.heads", "model.layers", "model.dropout"} <= set(of["sasrec"])
    assert set(space_of(recprune.build("deepfm", tiny_clicks()), ONCE)) >= {"fit.lr", "model.dropout"}


def test_every_range_holds_what_the_option_is_untuned():
    model = recprune.build("sasrec", tiny_split(), dim=48, dropout=0.7, layers=5)
    space = space_of(model, FitOptions(lr=0.5, batch=7))
    assert space["fit.lr"].high == 0.5
    assert space["fit.batch"] == Choices((7, 64, 128, 256))
    assert space["model.dropout"].high == 0.7
    assert space["model.layers"] == Choices((1, 2, 3, 5))
    assert space["model.dim"] == Choices((24, 48, 96))


FAMILY = {
    **{"clicks": "fm", "pairs": "mf", "graph": "lightgcn", "constraints": "ultragcn", "histories": "fism"},
    **{"positions": "sasrec", "sequences": "caser", "closed": "ease"},
}


@pytest.mark.parametrize("name", FAMILY.values())
def test_every_family_is_tuned_from_its_usual_options(name, tmp_path):
    pytest.importorskip("optuna")
    assert FAMILY.keys() >= FAMILIES.keys() - {"ratings"}  # which are rows, as clicks are
    split = tiny_clicks() if name == "fm" else tiny_split()
    whole = tune(name, split, tmp_path, trials=1)
    usual = usual_options(recprune.build(name, split), split)
    assert (whole.options.decay, whole.options.lr) == (usual.decay, usual.lr)
    found = tune(name, split, tmp_path, trials=2)
    assert found.trials == 2
    if found.trial == 2 and not hasattr(recprune.build(name, split), "refit_"):
        assert 1e-3 <= found.options.decay <= 1.0


def test_what_is_zero_stays_out_of_a_range_by_magnitude():
    space = space_of(recprune.build("mf", tiny_split()), FitOptions(decay=0.0))
    assert space["fit.decay"] == Range(1e-3, 1.0)
    assert not space["fit.decay"].holds(0.0)
    assert Range(0.3, 0.7, log=False).around(0.0).holds(0.0)


@pytest.fixture(scope="module")
def three(tmp_path_factory):
    pytest.importorskip("optuna")
    at = tmp_path_factory.mktemp("tuned")
    return at, tune("sasrec", tiny_split(), at, trials=3, settings=SMALL, options=ONCE, fixed=("epochs",))


def test_the_best_is_at_least_as_good_as_the_model_untuned(three):
    at, found = three
    assert found.trials == 3
    assert found.metric == "valid ndcg@3"
    _, fit = train("sasrec", tiny_split(), settings=SMALL, options=ONCE)
    assert found.value >= fit.history[0].value
    assert Tuned.read(at / BEST) == found


def test_what_is_fixed_is_not_tuned_and_the_options_can_be_trained_by(three):
    _, found = three
    assert found.settings["dim"] == 8
    assert found.options.epochs == 1
    _, fit = train("sasrec", tiny_split(), settings=found.settings, options=found.options)
    assert fit.history[0].value == pytest.approx(found.value)


def tried(at):
    """Options and value of each trial that has ended."""
    optuna = pytest.importorskip("optuna")
    journal = optuna.storages.journal.JournalFileBackend(str(at / TRIALS))
    study = optuna.load_study(study_name="recprune", storage=optuna.storages.JournalStorage(journal))
    return [(trial.params, trial.value) for trial in study.trials if trial.state.is_finished()]


@pytest.mark.parametrize("done", [0, 1])
def test_a_tuning_that_goes_on_ends_as_one_that_never_stopped(three, tmp_path, monkeypatch, done):
    at, whole = three

    def stopped(*_, **__):
        raise KeyboardInterrupt

    say = {"settings": SMALL, "options": ONCE, "fixed": ("epochs",)}
    if done:
        assert tune("sasrec", tiny_split(), tmp_path, trials=done, **say).trial == 1
    with monkeypatch.context() as broken:
        broken.setattr("recprune.recipe.tune.train", stopped)
        with pytest.raises(KeyboardInterrupt):
            tune("sasrec", tiny_split(), tmp_path, trials=3, **say)
    assert tune("sasrec", tiny_split(), tmp_path, trials=3, seconds=600, **say) == whole
    assert tried(tmp_path) == tried(at)


def test_a_tuning_stopped_before_its_first_trial_began_tries_the_model_untuned_once(three, tmp_path, monkeypatch):
    at, whole = three

    def stopped(*_, **__):
        raise KeyboardInterrupt

    say = {"settings": SMALL, "options": ONCE, "fixed": ("epochs",)}
    with monkeypatch.context() as broken:
        broken.setattr("recprune.recipe.tune._try", stopped)
        with pytest.raises(KeyboardInterrupt):
            tune("sasrec", tiny_split(), tmp_path, trials=3, **say)
    assert tune("sasrec", tiny_split(), tmp_path, trials=3, **say) == whole
    assert tried(tmp_path) == tried(at)


def test_a_large_seed_draws_too(tmp_path):
    pytest.importorskip("optuna")
    assert tune("ease", tiny_split(), tmp_path, trials=2, options=FitOptions(seed=2**40)).trials == 2


def test_no_trial_begins_after_its_time_and_one_always_does(tmp_path):
    pytest.importorskip("optuna")
    assert tune("ease", tiny_split(), tmp_path, trials=9, seconds=0.0, options=ONCE).trials == 1


def test_a_folder_of_another_tuning_is_refused(three):
    at, _ = three
    with pytest.raises(ArtifactError, match="another tuning"):
        tune("sasrec", tiny_split(seed=1), at, trials=3, settings=SMALL, options=ONCE, fixed=("epochs",))


def test_two_do_not_tune_in_one_folder_and_a_lock_of_a_killed_tuning_is_nobodys(tmp_path):
    pytest.importorskip("optuna")
    for name in ("trials.journal.lock", "trials.journal.lock0123.rename"):
        (tmp_path / name).symlink_to("nowhere")
    with alone(tmp_path), pytest.raises(ArtifactError, match="another process"):
        tune("ease", tiny_split(), tmp_path, trials=1)
    assert tune("ease", tiny_split(), tmp_path, trials=1).trials == 1
    assert sorted(path.name for path in tmp_path.iterdir()) == ["best.json", "trials.journal"]


def test_a_trial_that_fails_says_why_where_all_do(tmp_path, monkeypatch):
    pytest.importorskip("optuna")

    def refused(*_, **__):
        raise TrainingError("the loss became nan")

    monkeypatch.setattr("recprune.recipe.tune.train", refused)
    with pytest.raises(TrainingError, match=r"2 trials.*became nan"):
        tune("ease", tiny_split(), tmp_path, trials=2)


def test_without_validation_or_with_nothing_to_tune_it_refuses(tmp_path):
    pytest.importorskip("optuna")
    split = tiny_split()
    with pytest.raises(DataError, match="validation"):
        tune("ease", Split(split.train, split.valid.take(split.valid["user"] < 0), split.test), tmp_path)
    with pytest.raises(DataError, match="nothing left"):
        tune("ease", split, tmp_path, fixed=("reg",), settings={"user_power": 0.0, "dropout": 0.0, "item_power": 0.0})


def test_without_optuna_the_error_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "optuna", None)
    with pytest.raises(ExtensionError, match=r"recprune\[tune\]"):
        tune("ease", tiny_split(), tmp_path)


def test_a_file_that_is_none_of_a_tuning_is_refused(tmp_path):
    found = Tuned("ease", {}, {"epochs": "many"}, "", 0.0, 1, 1)
    other = Tuned("ease", [1], {"epochs": 1}, "", 0.0, 1, 1)
    for text in ('{"model": "ease"}', json.dumps(asdict(found)), json.dumps(asdict(other))):
        (tmp_path / "x.json").write_text(text)
        with pytest.raises(ArtifactError, match="tuned options"):
            Tuned.read(tmp_path / "x.json")


def test_the_command_writes_what_train_takes(tmp_path):
    pytest.importorskip("optuna")
    save_split(tiny_split(), tmp_path / "prepared")

    def asked(*words):
        done = CliRunner().invoke(app(), [*(str(word) for word in words), "--json"])
        assert done.exit_code == 0, done.output
        return json.loads(done.stdout)

    said = asked("tune", tmp_path / "prepared", "--model", "ease", "--trials", 2, "-o", tmp_path / "tuned")
    assert said["trials"] == 2
    trained = asked("train", tmp_path / "prepared", "--tuned", said["file"], "-o", tmp_path / "big")
    assert trained["model"] == "ease"
    other = asked("train", tmp_path / "prepared", "--tuned", said["file"], "--fit", "reg=7", "-o", tmp_path / "other")
    assert other["model"] == "ease"
    held = [json.loads((tmp_path / at / "manifest.json").read_text()) for at in ("big", "other")]
    assert [one["notes"]["works"][0]["options"]["reg"] for one in held] == [said["fit"]["reg"], 7]


def test_trials_have_no_checkpoint_in_common(tmp_path):
    pytest.importorskip("optuna")
    options = {"epochs": 1, "checkpoint": tmp_path / "saved"}
    tune("mf", tiny_split(), tmp_path / "out", trials=3, settings={"dim": 2}, options=options, fixed=("epochs",))
    journal = (tmp_path / "out" / TRIALS).read_text()
    assert "belongs to another training" not in journal
    assert not (tmp_path / "saved").exists()


@pytest.mark.parametrize("cut", [1, 20, 400])
def test_a_journal_that_was_cut_off_is_gone_on_with(three, tmp_path, cut):
    at, found = three
    (tmp_path / TRIALS).write_bytes((at / TRIALS).read_bytes()[:-cut])
    assert tune("sasrec", tiny_split(), tmp_path, trials=3, settings=SMALL, options=ONCE, fixed=("epochs",)) == found


def test_a_journal_that_is_none_is_named(tmp_path):
    pytest.importorskip("optuna")
    (tmp_path / TRIALS).write_text("nothing\n" * 3)
    with pytest.raises(ArtifactError, match=r"trials\.journal cannot be read"):
        tune("sasrec", tiny_split(), tmp_path, trials=3, settings=SMALL, options=ONCE, fixed=("epochs",))
