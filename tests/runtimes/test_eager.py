import torch

from recprune.runtimes.eager import eager


def test_eager_is_the_model_itself(mixed, trained, asked):
    model = trained("deepfm", mixed).train()
    columns = asked(model, mixed)
    found = eager(model, columns)(columns)
    assert not model.training
    assert torch.equal(torch.from_numpy(found), model(*map(torch.from_numpy, columns)).detach())
