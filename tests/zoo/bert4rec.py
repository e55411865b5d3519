"""BERT4Rec: torch's own encoder layers, both ways, with padding hidden."""

import torch
from torch import Tensor, nn


class Model(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.item, self.position = nn.Embedding(14, 8), nn.Embedding(5, 8)
        layer = nn.TransformerEncoderLayer(8, 2, 12, batch_first=True, activation="gelu")
        self.encoder = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)
        self.fc, self.out = nn.Linear(8, 6), nn.Linear(6, 14)

    def forward(self, sequence: Tensor) -> Tensor:
        x = self.item(sequence) + self.position.weight[: sequence.shape[1]]
        padded = (sequence == 0).masked_fill(torch.arange(sequence.shape[1]) == 0, False)
        x = self.encoder(x, src_key_padding_mask=padded)
        return self.out(torch.nn.functional.gelu(self.fc(x)))


def make() -> tuple[nn.Module, tuple[Tensor, ...]]:
    return Model(), (torch.randint(1, 14, (3, 5)),)
