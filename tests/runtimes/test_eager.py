import torch

from recprune.runtimes.eager import eager


def test_eager_is_the_model_itself(mixed, trained, asked):
    model = trained("deepfm", mixed).train()
    columns = asked(model, mixed)
    found = eager(model, columns)(columns)
    assert not model.training
    assert torch.equal(torch.from_numpy(found), model(*map(torch.from_numpy, columns)).detach())


def test_answers_in_bfloat16_come_out_as_float32(clicks, trained, asked):
    model = trained("deepfm", clicks).to(torch.bfloat16)
    columns = asked(model, clicks)
    found = eager(model, columns)(columns)
    assert found.dtype == "float32"
    assert torch.equal(torch.from_numpy(found), model(*map(torch.from_numpy, columns)).detach().float())
