"""fit(): train a recommender in place, stop when validation no longer improves, keep the best weights."""

from __future__ import annotations

import contextlib
import math
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.graph import increment_version

from recprune.data.dataset import Dataset, Split
from recprune.data.renumbered import renumbered
from recprune.errors import TrainingError
from recprune.evaluation.inputs import Renumber
from recprune.models._start import Start
from recprune.training.checkpoint import purpose_of, read_checkpoint, write_checkpoint
from recprune.training.dropout import quick_dropout
from recprune.training.make_samples import make_samples, usual_loss
from recprune.training.options import FitOptions
from recprune.training.pace import batches, rate
from recprune.training.propagated import propagated
from recprune.training.samples import Samples
from recprune.training.smoothed import smoothed
from recprune.training.state import BeforeEpoch, Epoch, Fit, Progress, State
from recprune.training.steady import steady
from recprune.training.teacher import Teacher
from recprune.training.together import Alone
from recprune.training.trainable import check_place, check_trainable, place_of
from recprune.training.usual import settled
from recprune.training.validate import Validation, validation

__all__ = ["Epoch", "Fit", "FitOptions", "Progress", "fit"]

NOTHING = "the training part has no sample to learn from; look at how the data was split"


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
    workers: Alone | None = None,
) -> Fit:
    """Train `model` in place on `split.train` and leave it in eval mode with the weights of its best epoch.

    A model with a method `refit_(histories, reg)` is solved in closed form, any other is trained by AdamW on the loss
    of `options` (None: as is usual for models like it, `usual_options`); the tables of one with a method `smoothing` or
    `propagation` learn through the graph of users and items (`smoothed`, `propagated`), rows of one with a method
    `steady` keep their lengths. keep_start: the weights that it came with count as epoch 0, so that it never ends worse
    on validation than it began. progress: called after every epoch. renumber: old code -> new code, for a model that
    some ids have left (`recprune.surgery.renumber`). teacher: a model of the split's own codes whose answers are
    learned beside what was seen, by the weight `options.distill`. before_epoch: what is done to the model before every
    epoch. The same options, data and models give the same weights; an interrupted training that goes on from its
    checkpoint gives them too, bit by bit. It is trained where it is: on the processor, or after `model.cuda()` on a
    graphics card, whose sums may differ in their last bits from run to run. workers: those who train it together
    (`recprune.training.together`), each of whom calls this with the same arguments; None: this one alone.
    Raises TrainingError when the loss or a weight is not finite, or the loss does not suit, ArtifactError for another
    training's checkpoint.
    """
    check_trainable(model)
    options, workers = settled(model, split, options), workers or Alone()
    begin = time.perf_counter()
    with _threads(options.threads):
        train = renumbered(split.train, renumber) if renumber else split.train
        if hasattr(model, "refit_"):
            return _solve(model, train, options, teacher, begin)
        if isinstance(model, Start) and model.fresh:
            model.start_(train.histories())
        lessons = _lessons(model, teacher, split.train, renumber, options)
        judge = validation(model, split, options, renumber)
        with (
            torch.random.fork_rng(devices=_cards(model)),
            _at_rest(lessons),
            smoothed(model, train),
            propagated(model, train),
            steady(model),
            quick_dropout(model),
            workers.across(model),
        ):
            workers.check(options.loss or usual_loss(model, train))
            data = make_samples(model, train, options, lessons)
            if not data.size:
                raise TrainingError(NOTHING)
            purpose = purpose_of(model, data, options, lessons, before_epoch.purpose if before_epoch else {})
            prepare = before_epoch.do if before_epoch else _nothing
            state = _train(model, data, judge, options, purpose, prepare, progress, keep_start, workers)
            model.load_state_dict(state.best)
    model.eval()
    return Fit(tuple(state.history), state.best_epoch, time.perf_counter() - begin, judge.name)


def _solve(model: Any, train: Dataset, options: FitOptions, teacher: nn.Module | None, begin: float) -> Fit:
    if teacher is not None:
        raise TrainingError(f"{type(model).__name__} is solved in closed form and takes no teacher; leave it out")
    if not len(train):
        raise TrainingError(NOTHING)
    model.refit_(train.histories(), options.reg)
    model.eval()
    return Fit((), 0, time.perf_counter() - begin)


def _lessons(
    model: nn.Module, teacher: nn.Module | None, train: Dataset, renumber: Renumber | None, options: FitOptions
) -> Teacher | None:
    if teacher is None:
        return None
    check_place(teacher, "the teacher", place_of(model))
    lessons = Teacher(teacher, train, renumber or {}, options.distill, options.temperature)
    lessons.suits(model)
    return lessons


def _train(
    model: nn.Module,
    data: Samples,
    judge: Validation,
    options: FitOptions,
    purpose: dict[str, Any],
    prepare: Callable[[int], None],
    progress: Progress | None,
    keep_start: bool,
    workers: Alone,
) -> State:
    torch.manual_seed(options.seed)
    generator = workers.generator(options.seed)
    workers.begin(model, options.seed)
    learnable = [parameter for parameter in model.parameters() if parameter.requires_grad]
    # dense on purpose: measured on one thread, SparseAdam is slower up to some 60,000 rows at batches of 8,192
    optimizer = torch.optim.AdamW(learnable, lr=options.lr, weight_decay=options.decay, fused=True)
    state = State()
    if options.checkpoint is not None and options.checkpoint.exists():
        facts, state.best = read_checkpoint(options.checkpoint, purpose, model, optimizer, generator)
        state.history = [Epoch(**epoch) for epoch in facts["history"]]
        state.best_epoch, state.best_value = facts["best_epoch"], facts["best_value"]
    elif keep_start and judge.name:
        state.offer(0, judge.sign * workers.told(judge.value), model)
    while len(state.history) < options.epochs and state.waited() < options.patience:
        prepare(len(state.history))
        epoch = _epoch(model, data, judge, options, optimizer, generator, len(state.history), workers)
        state.note(epoch, judge.sign, model, judged=bool(judge.name))
        if options.checkpoint is not None:
            facts = {"history": [asdict(e) for e in state.history], "purpose": purpose}
            facts |= {"best_epoch": state.best_epoch, "best_value": state.best_value}
            written = partial(write_checkpoint, options.checkpoint, facts, model, state.best, optimizer, generator)
            workers.once(written)
        if progress is not None:
            progress(state.history[-1])
    return state


def _nothing(done: int) -> None:
    pass


def _epoch(
    model: nn.Module,
    data: Samples,
    judge: Validation,
    options: FitOptions,
    optimizer: Any,
    generator: Any,
    done: int,
    workers: Alone,
) -> Epoch:
    """One pass over the data in a new order, then validation where it is due."""
    begin, total = time.perf_counter(), 0.0
    model.train()
    workers.begin_epoch(options.seed, done)
    parts = batches(data.size, options.batch, generator)
    for step, rows in enumerate(parts):
        for group in optimizer.param_groups:
            group["lr"] = rate(options, done + step / len(parts))
        loss, value = _measured(workers, data, rows, generator)
        if not math.isfinite(value):
            raise TrainingError(
                f"the loss became {value} in epoch {done + 1}, step {step + 1}; lower lr ({options.lr:g}) or look "
                "for numbers in the data that are not finite or huge",
                epoch=done + 1,
                step=step + 1,
            )
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        workers.add_up(parameter for group in optimizer.param_groups for parameter in group["params"])
        if options.l2:
            _penalise(optimizer, options.l2)
        optimizer.step()
        for group in optimizer.param_groups:  # a fused step does not say that it has changed them; `mapped` asks
            increment_version(group["params"])
        total += value * len(rows)
    model.eval()
    _check_weights(model, options, done, workers)
    score = workers.told(judge.value) if judge.due(done + 1, options.epochs) else None
    return Epoch(done + 1, total / data.size, score, time.perf_counter() - begin)


def _measured(workers: Alone, data: Samples, rows: Tensor, generator: torch.Generator) -> tuple[Tensor, float]:
    try:
        return workers.measured(data, rows, generator)
    except ValueError as error:
        if "more than 1 value per channel" not in str(error):
            raise
        raise TrainingError(
            f"a batch norm learns from two samples a step or more, not from {len(rows)} of the {data.size:,} of train: "
            "raise batch, give more data, or build the model without norms",
            samples=len(rows),
        ) from error


def _penalise(optimizer: Any, l2: float) -> None:
    """The gradient of l2 / 2 times the sum of squares, added to what each parameter has; those without stay without."""
    with torch.no_grad():
        for group in optimizer.param_groups:
            for parameter in group["params"]:
                if parameter.grad is not None:
                    parameter.grad.add_(parameter, alpha=l2)


def _check_weights(model: nn.Module, options: FitOptions, done: int, workers: Alone) -> None:
    """Raise TrainingError where a gradient that was not finite has gone into the weights: before they are kept."""
    odd = sum(int((~parameter.isfinite()).sum()) for parameter in model.parameters())
    if float(workers.total(torch.tensor([float(odd)], dtype=torch.float64))):
        raise TrainingError(
            f"weights became NaN or infinite in epoch {done + 1}, whose losses were finite; lower lr ({options.lr:g}) "
            "or look for numbers in the data that are huge. A checkpoint is that of the epoch before",
            epoch=done + 1,
        )


def _cards(model: nn.Module) -> list[torch.device]:
    place = place_of(model)
    return [place] if place.type == "cuda" else []


def _at_rest(lessons: Teacher | None) -> contextlib.AbstractContextManager[None]:
    return lessons.at_rest() if lessons else contextlib.nullcontext()


@contextlib.contextmanager
def _threads(number: int | None) -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(number or before)
    try:
        yield
    finally:
        torch.set_num_threads(before)
