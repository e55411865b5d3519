"""SASRec, GRU4Rec and NextItNet: what they compute, what training sees of them, and how they shrink."""

import numpy as np
import pytest
import torch
from torch.nn import functional as F

import recprune
from recprune.artifact import load, save
from recprune.data.dataset import Histories
from recprune.errors import DataError
from recprune.evaluation.inputs import example
from recprune.models.gru4rec import GRU4Rec
from recprune.models.nextitnet import NextItNet
from recprune.models.sasrec import SASRec
from recprune.packing import pack
from recprune.planning.budget import Budget
from recprune.planning.choose import choose
from recprune.planning.plan import Plan
from recprune.surgery import apply, masked, shrink_inputs, shrink_outputs
from recprune.testing import tiny_split
from recprune.tracing.site import Kind

ITEMS, LENGTH = 17, 6
MAKE = {
    "sasrec": lambda **o: SASRec(ITEMS, **{"length": LENGTH, "dim": 8, "layers": 2, "heads": 2, **o}),
    "gru4rec": lambda **o: GRU4Rec(ITEMS, **{"length": LENGTH, "dim": 8, "hidden": 6, "layers": 2, **o}),
    "gru4rec, last clicks": lambda **o: MAKE["gru4rec"](**{**LAST, **o}),
    "nextitnet": lambda **o: NextItNet(ITEMS, **{"length": LENGTH, "dim": 8, "filters": 6, "dilations": (1, 2), **o}),
}
LAST = {"residual": True, "norm": True, "even": True}
KINDS = {
    "sasrec": {Kind.ID, Kind.DIM, Kind.NEURON, Kind.HEAD},
    "gru4rec": {Kind.ID, Kind.DIM, Kind.NEURON},
    "gru4rec, last clicks": {Kind.ID, Kind.DIM, Kind.NEURON},
    "nextitnet": {Kind.ID, Kind.DIM, Kind.FILTER},
}


def made(name, **options):
    torch.manual_seed(0)
    model = MAKE[name](**options).eval()
    for parameter in model.parameters():
        parameter.data.add_(0.2 * torch.randn_like(parameter))
    model.item.weight.data[0] = 0.0
    return model


def sequences(rows=9):
    found = torch.randint(1, ITEMS, (rows, LENGTH), generator=torch.Generator().manual_seed(1))
    for row in range(rows):
        found[row, : row % (LENGTH + 1)] = 0
    return found


@pytest.mark.parametrize("name", MAKE)
def test_padding_that_all_have_in_front_can_be_left_out(name):
    model, shown = made(name), sequences()
    shown[:, :2] = 0
    assert torch.allclose(model.states(shown)[:, 2:], model.states(shown[:, 2:]), atol=1e-5)


@pytest.mark.parametrize("name", MAKE)
def test_the_last_of_all_states_is_the_query(name):
    model = made(name)
    assert torch.allclose(model.states(sequences())[:, -1], model.query(sequences()), atol=1e-5)


@pytest.mark.parametrize("options", [{"dilations": (1,)}, {"kernel": 1}, {"dilations": (1, 4, 2), "kernel": 2}])
def test_convolutions_give_the_last_position_from_those_that_it_depends_on(options):
    model = made("nextitnet", **options)
    assert torch.allclose(model.states(sequences())[:, -1], model.query(sequences()), atol=1e-5)


@pytest.mark.parametrize("name", MAKE)
def test_no_position_sees_a_later_one(name):
    model, early = made(name), sequences()
    late = early.clone()
    late[:, -1] = late[:, -1] % (ITEMS - 1) + 1
    assert torch.allclose(model.states(early)[:, :-1], model.states(late)[:, :-1], atol=1e-5)
    assert not torch.allclose(model.states(early)[:, -1], model.states(late)[:, -1], atol=1e-3)


@pytest.mark.parametrize("name", MAKE)
def test_what_stands_for_padding_says_nothing(name):
    model = made(name)
    before = model.query(sequences())
    with torch.no_grad():
        if name == "sasrec":
            model.position.weight[0, 0] += 5.0  # row 0 of the sequences has an item there, the others padding
        else:
            short = sequences()[:, 2:]
            whole = F.pad(short, (2, 0))
            assert torch.allclose(model.query(short), model.query(whole), atol=1e-5)
            return
    padded = sequences()[:, 0] == 0
    assert torch.allclose(model.query(sequences())[padded], before[padded], atol=1e-5)
    assert not torch.allclose(model.query(sequences())[~padded], before[~padded], atol=1e-3)


@pytest.mark.parametrize("name", MAKE)
def test_an_empty_history_has_finite_scores(name):
    assert torch.isfinite(made(name)(torch.zeros(2, LENGTH, dtype=torch.long))).all()


@pytest.mark.parametrize("name", MAKE)
def test_some_items_score_as_they_do_among_all(name):
    model = made(name)
    scores, query = model(sequences(6)), model.query(sequences(6))
    shared, own = torch.tensor([8, 1, 3]), torch.arange(12).view(6, 2) % ITEMS
    assert torch.allclose(model.match(query, shared), scores[:, shared], atol=1e-5)
    assert torch.allclose(model.match(query, own), scores.gather(1, own), atol=1e-5)
    assert torch.allclose(query @ model.catalogue().T, scores, atol=1e-5)


def test_attention_is_its_equations():
    model = made("sasrec", layers=1, heads=1)
    sequence, block = torch.tensor([[0, 0, 3, 1, 2, 5]]), model.blocks[0]
    x = (model.item(sequence) + model.position.weight)[0, 2:]
    y = block.before(x)
    q, k, v = block.q(y[-1]), block.k(y), block.v(y)
    x = x[-1] + block.o(torch.softmax(k @ q / 8**0.5, 0) @ v)
    x = x + block.down(torch.relu(block.up(block.after(x))))
    assert torch.allclose(model.norm(x), model.query(sequence)[0], atol=1e-5)


def test_the_last_click_is_added_before_the_norm():
    model, sequence = made("gru4rec, last clicks"), sequences()
    plain = MAKE["gru4rec"]().eval()
    plain.load_state_dict(model.state_dict(), strict=False)
    wanted = model.norm(plain.query(sequence) + model.item(sequence[:, -1]))
    assert torch.allclose(model.query(sequence), wanted, atol=1e-5)


@pytest.mark.parametrize("make", [MAKE["sasrec"], MAKE["gru4rec"]])
@pytest.mark.parametrize("start", ["random", "spectral"])
def test_even_rows_have_one_length_however_they_begin(make, start):
    split = tiny_split()
    model = make(even=True, start=start)
    if start == "spectral":
        model.start_(split.train.histories())
    lengths = model.item.weight.detach().norm(dim=1)
    assert lengths[0] == 0
    assert torch.allclose(lengths[1:], torch.ones(ITEMS - 1), atol=1e-5)


def test_a_convolution_is_its_equation():
    model = made("nextitnet", dilations=(1,), kernel=2)
    sequence, block = torch.tensor([[0, 0, 3, 1, 2, 5]]), model.blocks[0]
    x = model.item(sequence)[0]
    first = [torch.relu(block.inner(_at(block.first, x, place, 1))) for place in (3, 5)]
    second = block.second.weight[..., 0] @ first[0] + block.second.weight[..., 1] @ first[1] + block.second.bias
    wanted = model.norm(x[5] + torch.relu(block.outer(second)))
    assert torch.allclose(wanted, model.query(sequence)[0], atol=1e-5)


def _at(convolution, x, place, back):
    weight = convolution.weight
    return weight[..., 0] @ x[place - back] + weight[..., 1] @ x[place] + convolution.bias


@pytest.mark.parametrize("name", MAKE)
@pytest.mark.parametrize("seed", range(3))
def test_random_plans_are_exact_and_leave_all_positions_alike(name, seed):
    model, split = made(name), tiny_split()
    found = recprune.survey(model, example(model, split))
    assert {s.kind for s in found.sites} == KINDS[name]
    generator = torch.Generator().manual_seed(seed)
    scores = {s.name: torch.rand(s.size, generator=generator) for s in found.sites}
    plan = choose(found, scores, Budget((0.2, 0.4, 0.6)[seed]))
    small, reference = apply(model, plan, example(model, split)).eval(), masked(model, plan).eval()
    assert sum(p.numel() for p in small.parameters()) == plan.account().parameters_after
    (shown,) = shrink_inputs(plan, (sequences(),))
    with torch.no_grad():
        assert torch.allclose(small(shown), shrink_outputs(plan, reference(sequences())), atol=1e-4, rtol=1e-4)
        assert torch.allclose(small.states(shown)[:, -1], small.query(shown), atol=1e-5)


@pytest.mark.parametrize("name", MAKE)
def test_every_site_leaves_by_itself(name):
    model, split = made(name), tiny_split()
    found = recprune.survey(model, example(model, split))
    for site in found.sites:
        small = apply(model, Plan(found, {site.name: np.arange(0, site.size, 2)}, Budget(0.1)), example(model, split))
        assert sum(p.numel() for p in small.parameters()) < sum(p.numel() for p in model.parameters())


@pytest.mark.parametrize("encoding", ["int8_rows", "int4_rows", "int2_rotated_rows", "product_rows(m=4)"])
@pytest.mark.parametrize("name", MAKE)
def test_items_that_stay_are_read_and_found_in_one_table_of_codes(name, encoding, monkeypatch):
    monkeypatch.setitem(globals(), "ITEMS", 1001)
    model, split = made(name, dim=16), tiny_split()
    found = recprune.survey(model, example(model, split))
    kept = {"sequence.id": np.arange(0, 1000, 2)}
    plan = Plan(found, kept, Budget(0.1), encodings={"item.weight": encoding})
    small = apply(model, plan, example(model, split)).eval()
    plain = apply(model, Plan(found, kept, Budget(0.1)), example(model, split)).eval()
    assert not torch.equal(plain.item.weight, small.catalogue())
    plain.item.weight.data.copy_(small.catalogue())
    (shown,) = shrink_inputs(plan, (sequences(),))
    some = torch.tensor([3, 500, 77])
    with torch.no_grad():
        assert small(shown).shape == (len(shown), 501)
        assert torch.allclose(small(shown), plain(shown), atol=1e-3, rtol=1e-4)
        assert torch.allclose(small.states(shown), plain.states(shown), atol=1e-3, rtol=1e-4)
        assert torch.allclose(small.match(small.query(shown), some), plain(shown)[:, some], atol=1e-3, rtol=1e-4)


@pytest.mark.parametrize("name", MAKE)
def test_it_is_pruned_trained_on_packed_and_comes_back_from_a_folder(name, tmp_path):
    split = tiny_split()
    options = LAST if "last" in name else {}
    model = recprune.build(name.partition(",")[0], split, length=LENGTH, dim=8, **options)
    smaller = recprune.prune(model, split, factor=0.5)
    packed = pack(smaller.model, {"item.weight": "int8_rows"})
    (shown,) = shrink_inputs(smaller.plan, (sequences(),), ("sequence",))
    for number, one in enumerate((smaller.model.eval(), packed.eval())):
        save(tmp_path / str(number), one, vocabularies=smaller.vocabularies, plan=smaller.plan)
        again = load(tmp_path / str(number)).model.eval()
        with torch.no_grad():
            assert torch.equal(again(shown), one(shown))


@pytest.mark.parametrize(
    "make",
    [
        lambda: SASRec(9, dim=6, heads=4),
        lambda: SASRec(9, layers=0),
        lambda: GRU4Rec(9, hidden=0),
        lambda: NextItNet(9, dilations=()),
        lambda: NextItNet(9, kernel=0),
    ],
)
def test_sizes_that_make_no_network_are_refused(make):
    with pytest.raises(DataError):
        make()


@pytest.mark.parametrize("name", MAKE)
def test_rows_begin_with_what_is_had_together(name):
    histories = Histories(np.array([0, 0, 3, 6, 9]), np.array([1, 2, 3, 1, 2, 3, 4, 5, 6], dtype=np.int32), ITEMS)
    torch.manual_seed(0)
    model = MAKE[name](dim=4, start="spectral")
    drawn = model.item.weight.detach().clone()
    assert model.fresh
    model.start_(histories)
    rows = model.item.weight.detach()
    assert not model.fresh
    assert not rows[0].any()
    together, apart = F.cosine_similarity(rows[1], rows[2], dim=0), F.cosine_similarity(rows[1], rows[4], dim=0)
    assert together > apart + 0.3
    assert 0.1 < rows[1:7].norm(dim=1).mean() / drawn[1:].norm(dim=1).mean() < 10
    assert not MAKE[name](start="random").fresh
    with pytest.raises(DataError, match="start is one of"):
        MAKE[name](start="warm")
