import pytest
import torch

from recprune.errors import DataError
from recprune.models.fgcnn import FGCNN


def convolved(image, kernel):
    """(channels, places, dim) by a loop over filters, places and dims, with zeros around."""
    channels, places, dim = image.shape
    reach = kernel.shape[2] // 2
    out = torch.zeros(len(kernel), places, dim)
    for f in range(len(kernel)):
        for p in range(places):
            for step in range(-reach, reach + 1):
                if 0 <= p + step < places:
                    out[f, p] += sum(kernel[f, c, step + reach, 0] * image[c, p + step] for c in range(channels))
    return out


def test_new_fields_are_made_as_the_equations_say():
    torch.manual_seed(0)
    model = FGCNN(("user", "item", "city"), (4, 6, 3), dim=2, filters=(2, 3), new=2, hidden=(5,)).eval()
    torch.nn.init.normal_(model.table.weight)
    columns = torch.tensor([1]), torch.tensor([5]), torch.tensor([2])
    with torch.no_grad():
        vectors = model.table.weight[torch.cat(columns) + model.offsets]
        image, fields = vectors[None], [*vectors]
        for convolution, layer in zip(model.convolutions, model.recombinations, strict=True):
            image = torch.tanh(convolved(image, convolution.weight))
            places = image.shape[1]
            image = torch.stack([image[:, p : p + 2].amax(1) for p in range(0, places, 2)], 1)
            made = torch.tanh(layer.weight @ image.flatten() + layer.bias)
            fields += made.view(-1, 2)
        assert len(fields) == 3 + 2 * 2 + 2 * 1
        pairs = sum(fields[f] @ fields[g] for f in range(len(fields)) for g in range(f))
        expected = pairs + model.tower(torch.cat(fields)[None]).squeeze()
        assert torch.allclose(model(*columns)[0], expected, atol=1e-5)


def test_an_even_height_is_refused():
    with pytest.raises(DataError, match="odd height"):
        FGCNN(("user",), (4,), height=2)
