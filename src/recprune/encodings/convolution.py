"""What stands in the place of a convolution whose filters are stored as codes."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn

from recprune.encodings.codes import Codes
from recprune.encodings.faces import Packed
from recprune.errors import SurgeryError

__all__ = ["CONVOLUTIONS", "PackedConvolution"]

CONVOLUTIONS = (nn.Conv1d, nn.Conv2d, nn.Conv3d)


class PackedConvolution(Packed):
    """Filters its input as nn.Conv1d, nn.Conv2d and nn.Conv3d do, by filters that are decoded, small ones
    once.

    A row of the codes is one filter, laid flat; what filters see and how they are spread out is said by the shape of
    what is decoded.
    """

    def __init__(self, stored: Codes, plain: nn.Conv1d | nn.Conv2d | nn.Conv3d) -> None:
        super().__init__(stored)
        self.kind: Any = next(kind for kind in CONVOLUTIONS if isinstance(plain, kind))
        self.stride, self.padding, self.dilation = plain.stride, plain.padding, plain.dilation
        self.groups, self.padding_mode = plain.groups, plain.padding_mode
        self._reversed_padding_repeated_twice = plain._reversed_padding_repeated_twice
        bias: Any = plain.bias
        self.register_parameter("bias", bias)
        self.bias: nn.Parameter | None

    @property
    def kernel_size(self) -> tuple[int, ...]:
        """Places that a filter covers, along each axis."""
        return tuple(self.stored.like.shape[2:])

    @property
    def in_channels(self) -> int:
        """Channels that are read."""
        return self.stored.like.shape[1] * self.groups

    @property
    def out_channels(self) -> int:
        """Filters."""
        return self.stored.shape[0]

    def forward(self, input: Tensor) -> Tensor:
        """input: (batch, in_channels, *places) -> (batch, out_channels, *places)."""
        out: Tensor = self.kind._conv_forward(self, input, self.held(), self.bias)
        return out

    def opened(self) -> nn.Module:
        """torch's own module with weights still to be put in."""
        made: Any = self.kind(
            self.in_channels,
            self.out_channels,
            self.kernel_size,
            stride=self.stride,
            padding=self.padding,
            dilation=self.dilation,
            groups=self.groups,
            padding_mode=self.padding_mode,
            bias=self.bias is not None,
            device="meta",
        )
        made.bias = self.bias
        plain: nn.Module = made
        return plain

    def check(self) -> None:
        """Raise SurgeryError where filters are of another number of axes, or the bias of another length."""
        axes = CONVOLUTIONS.index(self.kind) + 3
        if self.stored.like.dim() != axes:
            raise SurgeryError(f"filters of {self.stored.like.dim()} axes where a {self.kind.__name__} has {axes}")
        if self.bias is not None and self.bias.shape != (self.out_channels,):
            raise SurgeryError(f"a bias of shape {tuple(self.bias.shape)} beside {self.out_channels} packed filters")
