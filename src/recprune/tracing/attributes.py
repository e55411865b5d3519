"""Whole numbers that modules keep beside their tensors: num_embeddings, out_features, head_dim and the like."""

from __future__ import annotations

from collections.abc import Iterator

from torch import Tensor, nn

from recprune.tracing.copying import layers, variables

__all__ = ["correct_attributes", "numbers", "set_number"]

_KNOWN: tuple[tuple[type[nn.Module], tuple[tuple[str, str, int], ...]], ...] = (
    (nn.Embedding, (("num_embeddings", "weight", 0), ("embedding_dim", "weight", 1))),
    (nn.EmbeddingBag, (("num_embeddings", "weight", 0), ("embedding_dim", "weight", 1))),
    (nn.Bilinear, (("out_features", "weight", 0), ("in1_features", "weight", 1), ("in2_features", "weight", 2))),
    (nn.Linear, (("out_features", "weight", 0), ("in_features", "weight", 1))),
    (nn.modules.batchnorm._BatchNorm, (("num_features", "weight", 0), ("num_features", "running_mean", 0))),
    (nn.PReLU, (("num_parameters", "weight", 0),)),
    (nn.RNNBase, (("input_size", "weight_ih_l0", 1), ("hidden_size", "weight_hh_l0", 1))),
    (nn.RNNCellBase, (("input_size", "weight_ih", 1), ("hidden_size", "weight_hh", 1))),
)

_NAMED = (
    ("units", "_kernel", -1),
    ("filters", "_kernel", -1),
    ("input_dim", "_embeddings", 0),
    ("output_dim", "_embeddings", 1),
)


def correct_attributes(model: nn.Module) -> None:
    """Make attributes of torch's own modules and of layers with variables say what their tensors are, in place."""
    for module in layers(model):
        if isinstance(module, nn.modules.conv._ConvNd) and module.groups == module.in_channels == module.out_channels:
            module.groups = len(module.weight) if module.groups > 1 else 1
        for kind, attributes in _KNOWN:
            for attribute, tensor, dim in attributes if isinstance(module, kind) else ():
                value = getattr(module, f"{tensor}_orig", getattr(module, tensor, None))  # of torch.nn.utils.prune
                if isinstance(value, Tensor):
                    setattr(module, attribute, value.shape[dim])
        if isinstance(module, nn.modules.conv._ConvNd):
            _correct_channels(module)
        if (
            isinstance(module, nn.LayerNorm | nn.RMSNorm)
            and module.weight is not None
            and len(module.normalized_shape) == 1
        ):
            module.normalized_shape = tuple(module.weight.shape)
        if isinstance(module, nn.RNNBase):
            module._flat_weights = [getattr(module, name) for name in module._flat_weights_names]
        if next(variables(module), None) is not None:
            _correct_named(module)


def _correct_channels(module: nn.modules.conv._ConvNd) -> None:
    """Of a convolution, whose groups are right already."""
    first, second = module.weight.shape[:2]
    module.kernel_size = tuple(module.weight.shape[2:])
    module.in_channels = first if module.transposed else second * module.groups
    module.out_channels = second * module.groups if module.transposed else first


def _correct_named(module: nn.Module) -> None:
    """The same for layers whose variables have names, as Keras has them: units, input_dim, and what goes in."""
    for attribute, variable, dim in _NAMED:
        value = getattr(getattr(module, variable, None), "_value", None)
        if isinstance(value, Tensor) and isinstance(getattr(module, attribute, None), int) and value.dim() > 1:
            setattr(module, attribute, value.shape[dim])
    kernel = getattr(getattr(module, "_kernel", None), "_value", None)
    scale = next((v for v in variables(module) if v._value.dim() == 1), None)
    width = kernel.shape[-2] if isinstance(kernel, Tensor) else scale._value.shape[0] if scale is not None else None
    axes = getattr(getattr(module, "input_spec", None), "axes", None)
    if isinstance(axes, dict) and len(axes) == 1 and width is not None:
        axes.update(dict.fromkeys(axes, width))


def numbers(model: nn.Module, value: int, near: set[str]) -> Iterator[str]:
    """Attributes that hold this whole number, of modules that own a tensor in `near`, then of those around them."""
    for path, module in model.named_modules():
        if (
            isinstance(module, nn.modules.conv._ConvNd)
            and module.groups == value
            and any(_inside(t, path) for t in near)
        ):
            yield f"{path}.groups".lstrip(".")
    for path, module in sorted(model.named_modules(), key=lambda pair: -len(pair[0].split(".")) if pair[0] else 0):
        if type(module).__module__.startswith("torch.nn") or not any(_inside(tensor, path) for tensor in near):
            continue
        for name, held in vars(module).items():
            if isinstance(held, int) and not isinstance(held, bool) and held == value and not name.startswith("_"):
                yield f"{path}.{name}".lstrip(".")


def set_number(model: nn.Module, attribute: str, value: int) -> None:
    """Set one of them, in place."""
    path, _, name = attribute.rpartition(".")
    module = model.get_submodule(path)
    setattr(module, name, value)
    if isinstance(module, nn.modules.conv._ConvNd):
        _correct_channels(module)


def _inside(tensor: str, path: str) -> bool:
    return not path or tensor.startswith(path + ".")
