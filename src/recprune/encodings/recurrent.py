"""What stands in the place of a GRU, an LSTM or an RNN of which weights are stored as codes."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence

from recprune.encodings.codes import Codes
from recprune.encodings.faces import Packed
from recprune.errors import SurgeryError

__all__ = ["KINDS", "PackedMatrix", "PackedRecurrent", "matrix_of", "put", "shape_of"]

GATES: dict[type[nn.RNNBase], int] = {nn.GRU: 3, nn.LSTM: 4, nn.RNN: 1}
KINDS = tuple(GATES)


class PackedMatrix(Packed):
    """A weight among several of a module, in the place and under the name of the parameter that it was."""


def put(module: nn.Module, name: str, stored: Codes) -> None:
    """Store a weight of a module that has several as codes, in place."""
    del module._parameters[name]
    module.add_module(name, PackedMatrix(stored).train(module.training))


def matrix_of(module: nn.Module, name: str) -> Tensor:
    """A weight or a bias by the name of its parameter, decoded where it is stored as codes."""
    held: Any = getattr(module, name)
    found: Tensor = held.held() if isinstance(held, PackedMatrix) else held
    return found


def shape_of(module: nn.Module, name: str) -> tuple[int, ...]:
    """The shape of that, which is not decoded for it."""
    held: Any = getattr(module, name)
    return tuple(held.stored.shape if isinstance(held, PackedMatrix) else held.shape)


class PackedRecurrent(nn.Module):
    """Reads sequences as nn.GRU, nn.LSTM and nn.RNN do, and decodes its weights, small ones once.

    plain: torch's own, whose parameters it takes over. What is stored as codes is a `PackedMatrix` under the name of
    the parameter ("weight_ih_l0"), what is not stays that parameter. Its sizes are those of its weights.
    """

    def __init__(self, plain: nn.RNNBase) -> None:
        super().__init__()
        self.kind = type(plain)
        self.num_layers, self.bias, self.batch_first = plain.num_layers, plain.bias, plain.batch_first
        self.dropout, self.bidirectional, self.proj_size = plain.dropout, plain.bidirectional, plain.proj_size
        self.nonlinearity = getattr(plain, "nonlinearity", "")
        self.names: tuple[str, ...] = tuple(plain._flat_weights_names)
        for name in self.names:
            self.register_parameter(name, getattr(plain, name))

    @property
    def input_size(self) -> int:
        """Numbers that are read at a position."""
        return shape_of(self, "weight_ih_l0")[1]

    @property
    def hidden_size(self) -> int:
        """Units of a layer."""
        return shape_of(self, "weight_hh_l0")[0] // GATES[self.kind]

    def forward(self, input: Any, hx: Any = None) -> tuple[Any, Any]:
        """input: (batch, length, input_size) where batch_first, (length, batch, input_size) else, (length, input_size)
        of one alone, or a PackedSequence -> what the last layer says after each position, and all last states."""
        if isinstance(input, PackedSequence):
            order, back = input.sorted_indices, input.unsorted_indices
            state = self._state(hx, input.data, int(input.batch_sizes[0]))
            state = state if order is None else tuple(one.index_select(1, order) for one in state)
            out, *last = self._run(input.data, state, input.batch_sizes)
            last = last if back is None else [one.index_select(1, back) for one in last]
            return PackedSequence(out, input.batch_sizes, order, back), self._told(last)
        if input.dim() == 2:  # one without a batch
            across = 0 if self.batch_first else 1
            state = self._state(None, input, 1) if hx is None else tuple(one.unsqueeze(1) for one in self._states(hx))
            out, *last = self._run(input.unsqueeze(across), state)
            return out.squeeze(across), self._told([one.squeeze(1) for one in last])
        out, *last = self._run(input, self._state(hx, input, input.shape[0 if self.batch_first else 1]))
        return out, self._told(last)

    def opened(self) -> nn.RNNBase:
        """torch's own module with weights still to be put in."""
        said: Any = {name: getattr(self, name) for name in ("num_layers", "bias", "batch_first", "dropout")}
        said |= {name: found for name in ("proj_size", "nonlinearity") if (found := getattr(self, name))}
        kind: Any = self.kind
        made: nn.RNNBase = kind(
            self.input_size, self.hidden_size, device="meta", bidirectional=self.bidirectional, **said
        )
        return made

    def check(self) -> None:
        """Raise SurgeryError where what is stored as codes does not fit together."""
        units, said = self.hidden_size, self.proj_size or self.hidden_size
        high = units * GATES[self.kind]
        for name in self.names:
            wide = self.input_size if name.startswith("weight_ih_l0") else said * (2 if self.bidirectional else 1)
            wanted = {"bias": (high,), "weight_ih": (high, wide), "weight_hh": (high, said), "weight_hr": (said, units)}
            kind = "bias" if name.startswith("bias") else name[:9]
            if shape_of(self, name) != wanted[kind]:
                raise SurgeryError(f"{name!r} is {shape_of(self, name)} beside {units} units of a {self.kind.__name__}")

    def extra_repr(self) -> str:
        """What it stands for, and its sizes."""
        return f"{self.kind.__name__}, {self.input_size}, {self.hidden_size}, num_layers={self.num_layers}"

    def _states(self, hx: Any) -> tuple[Tensor, ...]:
        return tuple(hx) if self.kind is nn.LSTM else (hx,)

    def _state(self, hx: Any, data: Tensor, batch: int) -> tuple[Tensor, ...]:
        """What all layers begin with, (layers * ways, batch, units) each: zeros where nothing is said."""
        if hx is not None:
            return self._states(hx)
        high = self.num_layers * (2 if self.bidirectional else 1)
        sizes = (self.proj_size or self.hidden_size, *((self.hidden_size,) if self.kind is nn.LSTM else ()))
        return tuple(data.new_zeros(high, batch, size) for size in sizes)

    def _run(self, data: Tensor, state: tuple[Tensor, ...], sizes: Tensor | None = None) -> tuple[Tensor, ...]:
        does: Any = getattr(torch, "rnn_" + self.nonlinearity if self.nonlinearity else self.kind.__name__.lower())
        begin = list(state) if self.kind is nn.LSTM else state[0]
        how = self.bias, self.num_layers, self.dropout, self.training, self.bidirectional
        weights = [matrix_of(self, name) for name in self.names]
        if sizes is not None:
            found: tuple[Tensor, ...] = does(data, sizes, begin, weights, *how)
            return found
        found = does(data, begin, weights, *how, self.batch_first)
        return found

    def _told(self, last: Any) -> Any:
        return tuple(last) if self.kind is nn.LSTM else last[0]
