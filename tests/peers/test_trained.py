"""What its own library trained is imported, pruned, proven and judged by that library again.

Skipped where a library is not installed; RecBole wants numpy<2 and pandas<3, and recprune without its own pins;
FuxiCTR is tried beside numpy 2.
"""

import importlib
import importlib.util
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

import recprune
from recprune.importance.rules.magnitude import Magnitude
from recprune.importing.run import import_file
from recprune.surgery import masked

sys.path.append(str(Path(__file__).parents[2]))
quiet = importlib.import_module("benchmarks.quiet").quiet
NEW_NUMPY = int(np.__version__.partition(".")[0]) > 1
needs_recbole = pytest.mark.skipif(
    importlib.util.find_spec("recbole") is None or NEW_NUMPY, reason="recbole is not installed, or not with numpy<2"
)
needs_fuxictr = pytest.mark.skipif(
    importlib.util.find_spec("fuxictr") is None or not NEW_NUMPY, reason="fuxictr is not installed, or not with numpy 2"
)
WIDTHS = frozenset({recprune.Kind.DIM, recprune.Kind.NEURON})


def halved(model, example):
    """A plan that takes half of the widths that may leave, and the smaller model."""
    survey = recprune.survey(model, example)
    scores = recprune.score(survey, Magnitude(), recprune.Probe(model, survey), kinds=WIDTHS)
    plan = recprune.choose(survey, scores, recprune.Budget(0.45, keep=0.25, kinds=WIDTHS))
    return plan, recprune.apply(model, plan, example)


RECBOLE = """
load_col: {inter: [user_id, item_id, rating, timestamp]}
eval_args: {split: {LS: valid_and_test}, order: TO}
metrics: [Recall, NDCG]
topk: [10]
metric_decimal_place: 12
valid_metric: NDCG@10
epochs: 15
learning_rate: 0.02
train_batch_size: 256
embedding_size: 16
mf_embedding_size: 16
mlp_embedding_size: 16
mlp_hidden_size: [32, 16]
dropout_prob: 0.0
"""


@pytest.fixture(scope="module")
def log(tmp_path_factory):
    """Users of four groups, each with items of its own, in RecBole's format."""
    folder, draw = tmp_path_factory.mktemp("recbole"), np.random.default_rng(0)
    rows = [(u, i, t) for u in range(80) for t, i in enumerate(draw.permutation(20)[:12] + 20 * (u % 4))]
    head = "user_id:token\titem_id:token\trating:float\ttimestamp:float"
    (folder / "tiny").mkdir()
    (folder / "tiny/tiny.inter").write_text("\n".join([head, *(f"u{u}\ti{i}\t1\t{t}" for u, i, t in rows)]) + "\n")
    (folder / "tiny.yaml").write_text(RECBOLE)
    return folder


def trained(name, folder, at):
    """The model after RecBole's own training, its trainer, and the parts."""
    from recbole.config import Config
    from recbole.data import create_dataset, data_preparation
    from recbole.trainer import Trainer
    from recbole.utils import get_model, init_seed

    more = {"data_path": str(folder), "state": "ERROR", "use_gpu": False, "show_progress": False}
    with quiet():
        config = Config(name, "tiny", config_file_list=[str(folder / "tiny.yaml")], config_dict=more)
        init_seed(config["seed"], config["reproducibility"])
        parts = data_preparation(config, create_dataset(config))
        model = get_model(name)(config, parts[0]._dataset)
        trainer = Trainer(config, model)
        trainer.saved_model_file = str(at / f"{name}.pth")
        trainer.fit(parts[0], parts[1], show_progress=False)
    return model, trainer, parts


def judged(trainer, model, test):
    trainer.model, trainer.item_tensor = model, None
    with quiet():
        return dict(trainer.evaluate(test, load_best_model=False))


@needs_recbole
@pytest.mark.parametrize("name", ["BPR", "NeuMF"])
def test_a_model_that_recbole_trained_is_cut_exactly_and_judged_by_recbole_like_the_masked_one(log, tmp_path, name):
    from benchmarks.peers_recbole import Scored

    model, trainer, (_, _, test) = trained(name, log, tmp_path)
    example = ({"user_id": torch.arange(1, 9), "item_id": torch.arange(1, 9)},)
    plan, small = halved(Scored(model, "predict"), example)
    reference = masked(Scored(model, "predict"), plan)
    before = judged(trainer, model, test)
    after = judged(trainer, small.model, test)
    assert after == pytest.approx(judged(trainer, reference.model, test), abs=1e-9)
    assert type(small.model) is type(model)
    assert plan.account().share_removed >= 0.45
    assert sum(p.numel() for p in small.parameters()) == plan.account().parameters_after
    assert before["recall@10"] > 0.3, "it has learned the groups"


@needs_recbole
def test_what_recbole_trained_goes_on_being_trained_by_recbole_when_it_is_smaller(log, tmp_path):
    from benchmarks.peers_recbole import Scored
    from recbole.trainer import Trainer

    model, trainer, (train, valid, test) = trained("BPR", log, tmp_path)
    example = ({"user_id": torch.arange(1, 9), "item_id": torch.arange(1, 9)},)
    _, small = halved(Scored(model, "predict"), example)
    again = Trainer(trainer.config, small.model)
    again.saved_model_file = str(tmp_path / "small.pth")
    with quiet():
        again.fit(train, valid, show_progress=False)
        tuned = dict(again.evaluate(test, load_best_model=False))
    assert small.model.user_embedding.weight.shape[1] < 16
    losses = again.train_loss_dict
    assert losses[max(losses)] < losses[0]
    assert tuned["recall@10"] > 0.3, "it still knows the groups"


@needs_recbole
def test_the_weights_of_a_recbole_model_are_imported_and_its_smaller_one_is_stored_and_loaded(log, tmp_path):
    from benchmarks.peers_recbole import Scored
    from recbole.utils import get_model

    model, trainer, (train, _, _) = trained("BPR", log, tmp_path)
    torch.save(model.state_dict(), tmp_path / "bpr.pt")
    import_file(tmp_path / "bpr.pt", tmp_path / "imported", stands_for="recbole.model.general_recommender:BPR")
    bare = get_model("BPR")(trainer.config, train._dataset)
    big = Scored(recprune.load(tmp_path / "imported", bare).model, "predict")
    columns = {"user_id": torch.arange(1, 9), "item_id": torch.arange(1, 9)}
    assert torch.equal(big(columns), Scored(model, "predict")(columns))
    plan, small = halved(big, (columns,))
    recprune.save(tmp_path / "small", small, plan=plan)
    empty = recprune.apply(Scored(get_model("BPR")(trainer.config, train._dataset), "predict"), plan, (columns,))
    assert torch.equal(recprune.load(tmp_path / "small", empty).model(columns), small(columns))


def clicks(user_of, count, seed):
    """Batches as FuxiCTR's models of long histories take them; who clicks goes by the user and the last item."""
    generator = torch.Generator().manual_seed(seed)
    for _ in range(count):
        user = {name: torch.randint(1, size, (64,), generator=generator) for name, size in user_of.items()}
        item = {name: torch.randint(1, size, (64, 5), generator=generator) for name, size in ITEMS.items()}
        click = ((user["user"] % 2) + (item["item"][:, -1] % 2) >= 1).float()
        yield user | {"click": click}, item, torch.ones(64, 4)


USERS, ITEMS = {"user": 30, "city": 12}, {"item": 40, "kind": 9}


@needs_fuxictr
def test_a_model_that_fuxictr_trained_is_imported_cut_exactly_and_judged_by_fuxictr_like_the_masked_one(
    tmp_path, monkeypatch
):
    from benchmarks.peers_fuxictr import MODELS

    monkeypatch.chdir(tmp_path)
    torch.manual_seed(0)
    model, _ = MODELS["DCNv2"]()
    model.compile("adam", "binary_crossentropy", 1e-2)
    model.checkpoint = str(tmp_path / "fuxictr.model")
    train, valid, test = (list(clicks(USERS, count, seed)) for seed, count in enumerate((60, 8, 8)))
    model.fit(train, epochs=8, validation_data=valid)
    began = model.evaluate(test, metrics=["AUC"])["AUC"]
    assert began > 0.8, "it has learned who clicks"

    import_file(tmp_path / "fuxictr.model", tmp_path / "imported", stands_for="model_zoo.LongCTR.DCNv2:DCNv2")
    again = recprune.load(tmp_path / "imported", MODELS["DCNv2"]()[0]).model
    assert again.evaluate(test, metrics=["AUC"])["AUC"] == pytest.approx(began, abs=1e-12)

    user, item, mask = test[0]
    example = (({name: user[name] for name in USERS}, item, mask),)
    plan, small = halved(again, example)
    reference = masked(again, plan)
    wanted = reference.evaluate(test, metrics=["AUC"])["AUC"]
    assert small.evaluate(test, metrics=["AUC"])["AUC"] == pytest.approx(wanted, abs=1e-4)
    assert plan.account().share_removed >= 0.45
    small.compile("adam", "binary_crossentropy", 1e-2)
    small.checkpoint = str(tmp_path / "small.model")
    small.fit(train, epochs=2, validation_data=valid)
    assert small.evaluate(test, metrics=["AUC"])["AUC"] > max(wanted - 0.02, 0.6)
