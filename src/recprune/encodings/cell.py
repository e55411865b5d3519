"""What stands in the place of a GRUCell, an LSTMCell or an RNNCell of which weights are stored as codes."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from recprune.encodings.recurrent import matrix_of, shape_of
from recprune.errors import SurgeryError

__all__ = ["CELLS", "PackedCell"]

GATES: dict[type[nn.RNNCellBase], int] = {nn.GRUCell: 3, nn.LSTMCell: 4, nn.RNNCell: 1}
CELLS = tuple(GATES)


class PackedCell(nn.Module):
    """Takes one step, as nn.GRUCell, nn.LSTMCell and nn.RNNCell do, by weights that are decoded, small ones once.

    plain: torch's own, whose parameters it takes over. What is stored as codes is a `PackedMatrix` under the name of
    the parameter ("weight_ih"), what is not stays that parameter. Its sizes are those of its weights.
    """

    def __init__(self, plain: nn.RNNCellBase) -> None:
        super().__init__()
        self.kind: Any = next(kind for kind in CELLS if isinstance(plain, kind))
        self.bias, self.nonlinearity = plain.bias, getattr(plain, "nonlinearity", "")
        self.names: tuple[str, ...] = ("weight_ih", "weight_hh", *(("bias_ih", "bias_hh") if plain.bias else ()))
        for name in self.names:
            self.register_parameter(name, getattr(plain, name))

    @property
    def input_size(self) -> int:
        """Numbers that are read at a step."""
        return shape_of(self, "weight_ih")[1]

    @property
    def hidden_size(self) -> int:
        """Units."""
        return shape_of(self, "weight_hh")[1]

    def forward(self, input: Tensor, hx: Any = None) -> Any:
        """input: (batch, input_size), or (input_size,) of one alone; hx: the state before, of an LSTMCell a pair (zeros
        where nothing is said) -> the state behind it."""
        lone, long = input.dim() == 1, self.kind is nn.LSTMCell
        one = input.unsqueeze(0) if lone else input
        if hx is None:
            state: Any = one.new_zeros(len(one), self.hidden_size)
            state = (state, state) if long else state
        elif lone:
            state = tuple(part.unsqueeze(0) for part in hx) if long else hx.unsqueeze(0)
        else:
            state = hx
        does: Any = {nn.GRUCell: torch.gru_cell, nn.LSTMCell: torch.lstm_cell}.get(self.kind)
        does = does or (torch.rnn_relu_cell if self.nonlinearity == "relu" else torch.rnn_tanh_cell)
        found = does(one, state, *(matrix_of(self, name) for name in self.names))
        if lone:
            return tuple(part.squeeze(0) for part in found) if long else found.squeeze(0)
        return found

    def opened(self) -> nn.RNNCellBase:
        """torch's own module with weights still to be put in."""
        said = {"nonlinearity": self.nonlinearity} if self.nonlinearity else {}
        made: nn.RNNCellBase = self.kind(self.input_size, self.hidden_size, bias=self.bias, device="meta", **said)
        return made

    def check(self) -> None:
        """Raise SurgeryError where what is stored as codes does not fit together."""
        high, units = self.hidden_size * GATES[self.kind], self.hidden_size
        wanted = {"weight_ih": (high, self.input_size), "weight_hh": (high, units)}
        for name in self.names:
            if shape_of(self, name) != wanted.get(name, (high,)):
                raise SurgeryError(f"{name!r} is {shape_of(self, name)} beside {units} units of a {self.kind.__name__}")

    def extra_repr(self) -> str:
        """What it stands for, and its sizes."""
        return f"{self.kind.__name__}, {self.input_size}, {self.hidden_size}"
