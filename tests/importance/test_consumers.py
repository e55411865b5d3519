from torch import nn

from recprune.importance.consumers import input_cuts, output_cuts
from recprune.testing.cases import tiny_factors, tiny_item_item, tiny_mlp
from recprune.tracing.site import Cut, Kind, Site


def test_a_neuron_is_a_row_of_its_layer_and_a_column_of_the_next() -> None:
    case = tiny_mlp()
    site = case.survey.sites[0]
    assert [(cut, layer) for cut, layer in input_cuts(case.model, site)] == [(Cut("3.weight", 1), case.model[3])]
    assert [(cut, layer) for cut, layer in output_cuts(case.model, site)] == [(Cut("0.weight", 0), case.model[0])]


def test_tables_kernels_biases_and_entries_are_no_columns_of_a_linear_layer() -> None:
    conv = nn.Sequential(nn.Conv1d(2, 3, 1))
    site = Site("in", Kind.FILTER, 2, (Cut("0.weight", 1), Cut("0.weight", 0), Cut("0.bias", 0)))
    assert [*input_cuts(conv, site), *output_cuts(conv, site)] == []
    for case in (tiny_factors(), tiny_item_item()):
        assert [*input_cuts(case.model, case.survey.sites[0])] == []
