"""fit(): train a recommender in place, stop when validation no longer improves, keep the best weights."""

from __future__ import annotations

import contextlib
import math
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict
from typing import Any

import torch
from torch import Tensor, nn

from recprune.data.dataset import Dataset, Split
from recprune.encodings.faces import Packed
from recprune.errors import TrainingError
from recprune.evaluation.inputs import Renumber
from recprune.training.checkpoint import read_checkpoint, write_checkpoint
from recprune.training.make_samples import make_samples
from recprune.training.options import FitOptions
from recprune.training.renumbered import renumbered
from recprune.training.samples import Samples
from recprune.training.state import BeforeEpoch, Epoch, Fit, Progress, State
from recprune.training.teacher import Teacher
from recprune.training.validate import Validation, validation

__all__ = ["Epoch", "Fit", "FitOptions", "Progress", "fit"]


def fit(
    model: nn.Module,
    split: Split,
    options: FitOptions | None = None,
    *,
    progress: Progress | None = None,
    keep_start: bool = False,
    renumber: Renumber | None = None,
    teacher: nn.Module | None = None,
    before_epoch: BeforeEpoch | None = None,
) -> Fit:
    """Train `model` in place on `split.train` and leave it in eval mode with the weights of its best epoch.

    A model with a method `refit_(histories, reg)` is solved in closed form; any other is trained by AdamW on the loss
    of `options`. keep_start: the weights that it came with count as epoch 0, so that it never ends worse on validation
    than it began. progress: called after every epoch. renumber: old code -> new code, for a model that some ids have
    left (`recprune.surgery.renumber`). teacher: a model of the split's own codes whose answers are learned beside what
    was seen, by the weight `options.distill`. before_epoch: what is done to the model before every epoch. The same
    options, data and models give the same weights; an interrupted training that goes on from its checkpoint gives them
    too, bit by bit.
    Raises TrainingError when the loss is not finite or does not suit, ArtifactError for another training's checkpoint.
    """
    options = options or FitOptions()
    _trainable(model)
    begin = time.perf_counter()
    with _threads(options.threads):
        train = renumbered(split.train, renumber) if renumber else split.train
        if hasattr(model, "refit_"):
            return _solve(model, train, options, teacher, begin)
        lessons = _lessons(model, teacher, split.train, renumber, options)
        judge = validation(model, split, options, renumber)
        with torch.random.fork_rng(devices=[]), lessons.at_rest() if lessons else contextlib.nullcontext():
            data = make_samples(model, train, options, lessons)
            if not data.size:
                raise TrainingError("the training part has no sample to learn from; look at how the data was split")
            purpose = _purpose(model, data, options, lessons) | dict(before_epoch.purpose if before_epoch else {})
            prepare = before_epoch.do if before_epoch else _nothing
            state = _train(model, data, judge, options, purpose, prepare, progress, keep_start)
    model.load_state_dict(state.best)
    model.eval()
    return Fit(tuple(state.history), state.best_epoch, time.perf_counter() - begin, judge.name)


def _solve(model: Any, train: Dataset, options: FitOptions, teacher: nn.Module | None, begin: float) -> Fit:
    if teacher is not None:
        raise TrainingError(f"{type(model).__name__} is solved in closed form and takes no teacher; leave it out")
    model.refit_(train.histories(), options.reg)
    model.eval()
    return Fit((), 0, time.perf_counter() - begin)


def _lessons(
    model: nn.Module, teacher: nn.Module | None, train: Dataset, renumber: Renumber | None, options: FitOptions
) -> Teacher | None:
    if teacher is None:
        return None
    _on_the_processor(teacher, "the teacher")
    lessons = Teacher(teacher, train, renumber or {}, options.distill, options.temperature)
    lessons.suits(model)
    return lessons


def _trainable(model: nn.Module) -> None:
    """Raise TrainingError for what AdamW on the processor cannot train."""
    _on_the_processor(model, "the model")
    for name, module in model.named_modules():
        if isinstance(module, Packed):
            raise TrainingError(
                f"{name} is packed, and codes are not trained: fine-tune first and pack then, or train what "
                "recprune.packing.unpack(model) gives",
                module=name,
            )
        if getattr(module, "sparse", False) is True:
            raise TrainingError(f"{name} gives sparse gradients, which AdamW does not take; set its sparse = False")


def _on_the_processor(model: nn.Module, which: str) -> None:
    places = {parameter.device.type for parameter in model.parameters()} - {"cpu"}
    if places:
        raise TrainingError(f"training runs on the processor and {which} is on {places.pop()}; move it: model.cpu()")


def _train(
    model: nn.Module,
    data: Samples,
    judge: Validation,
    options: FitOptions,
    purpose: dict[str, Any],
    prepare: Callable[[int], None],
    progress: Progress | None,
    keep_start: bool,
) -> State:
    torch.manual_seed(options.seed)
    generator = torch.Generator().manual_seed(options.seed)
    learnable = [parameter for parameter in model.parameters() if parameter.requires_grad]
    # dense on purpose: measured on one thread, SparseAdam is slower up to some 60,000 rows at batches of 8,192
    optimizer = torch.optim.AdamW(learnable, lr=options.lr, weight_decay=options.decay, fused=True)
    state = State()
    if options.checkpoint is not None and options.checkpoint.exists():
        facts, state.best = read_checkpoint(options.checkpoint, purpose, model, optimizer, generator)
        state.history = [Epoch(**epoch) for epoch in facts["history"]]
        state.best_epoch, state.best_value = facts["best_epoch"], facts["best_value"]
    elif keep_start and judge.name:
        state.offer(0, judge.sign * judge.value(), model)
    while len(state.history) < options.epochs and len(state.history) - state.best_epoch < options.patience:
        prepare(len(state.history))
        state.note(_epoch(model, data, judge, options, optimizer, generator, len(state.history)), judge.sign, model)
        if options.checkpoint is not None:
            facts = {"history": [asdict(e) for e in state.history], "purpose": purpose}
            facts |= {"best_epoch": state.best_epoch, "best_value": state.best_value}
            write_checkpoint(options.checkpoint, facts, model, state.best, optimizer, generator)
        if progress is not None:
            progress(state.history[-1])
    return state


def _nothing(done: int) -> None:
    pass


def _epoch(
    model: nn.Module, data: Samples, judge: Validation, options: FitOptions, optimizer: Any, generator: Any, done: int
) -> Epoch:
    """One pass over the data in a new order, then validation."""
    begin, total = time.perf_counter(), 0.0
    model.train()
    batches = _batches(data.size, options.batch, generator)
    for step, rows in enumerate(batches):
        for group in optimizer.param_groups:
            group["lr"] = options.lr * _share(options, done + step / len(batches))
        loss = data.loss(rows, generator)
        value = loss.item()
        if not math.isfinite(value):
            raise TrainingError(
                f"the loss became {value} in epoch {done + 1}, step {step + 1}; lower lr ({options.lr:g}) or look "
                "for numbers in the data that are not finite or huge",
                epoch=done + 1,
                step=step + 1,
            )
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        total += value * len(rows)
    model.eval()
    score = judge.value() if judge.name else None
    return Epoch(done + 1, total / data.size, score, time.perf_counter() - begin)


def _batches(size: int, batch: int, generator: torch.Generator) -> list[Tensor]:
    """All rows once, in a drawn order; a single row left over joins the batch before it (a norm needs two)."""
    order = torch.randperm(size, generator=generator)
    batches = [order[begin : begin + batch] for begin in range(0, size, batch)]
    if len(batches) > 1 and len(batches[-1]) == 1:
        batches[-2:] = [torch.cat(batches[-2:])]
    return batches


def _share(options: FitOptions, done: float) -> float:
    """What is left of the learning rate after so many epochs of this training."""
    done = (options.before + done) / (options.of or options.before + options.epochs)
    if options.schedule == "linear":
        return 1.0 - done
    return 0.5 * (1.0 + math.cos(math.pi * done)) if options.schedule == "cosine" else 1.0


def _purpose(model: nn.Module, data: Samples, options: FitOptions, lessons: Teacher | None) -> dict[str, Any]:
    """What must be the same for a training to go on."""
    shapes = {name: list(tensor.shape) for name, tensor in model.state_dict().items()}
    aside = {"checkpoint"} if lessons else {"checkpoint", "distill", "temperature"}
    chosen = {name: value for name, value in asdict(options).items() if name not in aside}
    taught = {"teacher": lessons.checksum()} if lessons else {}
    return {"model": type(model).__name__, "shapes": shapes, "samples": data.size, "data": data.checksum} | {
        **taught,
        **chosen,
    }


@contextlib.contextmanager
def _threads(number: int | None) -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(number or before)
    try:
        yield
    finally:
        torch.set_num_threads(before)
