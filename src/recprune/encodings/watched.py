"""Whether operations are followed by something: then they have to be torch's own, and nothing may be remembered."""

from __future__ import annotations

import torch

__all__ = ["is_graph", "is_watched"]


def is_graph() -> bool:
    """Whether operations are written down as a graph, where nothing may depend on what is already there."""
    return torch.compiler.is_compiling() or torch.compiler.is_exporting() or torch._C._get_tracing_state() is not None


def is_watched() -> bool:
    """Whether operations are written down, or followed one by one, as by a survey, fake tensors or `torch.func`."""
    if is_graph():  # asked first: a compiler does not know the others
        return True
    return torch._C._len_torch_dispatch_stack() > 0 or torch._C._functorch.peek_interpreter_stack() is not None
