"""Panels: what a click on a point of the frontier shows, the plan above all."""

from __future__ import annotations

from recprune.evaluation.comparison import Side
from recprune.planning.plan import Plan
from recprune.recipe.frontier import Point
from recprune.report.blocks import Block, Cell, Missing, Panel, Table, Value, Words
from recprune.report.found import Found
from recprune.report.lacking import no_plan

__all__ = ["of_models", "of_stops", "plan_table"]

RIVALS = {
    "random": "As many units of every site leave as in the plan, drawn at random; same encodings, same fine-tuning.",
    "from scratch": "The same size, with new weights, trained for as many epochs as both trainings together.",
    "rare ids": "The ids that occur least in train leave until the bytes are met; same fine-tuning.",
    "int8 rows": "The larger model, uncut and trained no further, in 8 bits a number.",
    "int4 rows": "The larger model, uncut and trained no further, in 4 bits a number.",
}


def of_models(found: Found, metric: str) -> tuple[Panel, ...]:
    """One of each model of the comparison."""
    if found.comparison is None:
        return ()
    out, number = [], 0
    for name, side in found.comparison.sides.items():
        blocks: list[Block] = [_facts(side, metric)]
        if name == "after":
            blocks.append(no_plan(found, "The plan") if found.plan is None else plan_table(found.plan))
            out.append(Panel("model-after", "the smaller model", tuple(blocks)))
        elif name == "before":
            out.append(Panel("model-before", "the larger model", (Words("Nothing has left."), *blocks)))
        else:
            number += 1
            told = (Words(RIVALS[name]),) if name in RIVALS else ()
            out.append(Panel(f"model-rival-{number}", name, (*told, *blocks)))
    return tuple(out)


def of_stops(found: Found) -> tuple[Panel, ...]:
    """One of each stop of the frontier."""
    points = () if found.frontier is None else found.frontier.points
    return tuple(
        Panel(f"stop-{n}", point.name, (_stop(point), *_plan_of(found, point))) for n, point in enumerate(points)
    )


def _facts(side: Side, metric: str) -> Table:
    request = None if side.request is None else side.request.median
    cells: tuple[tuple[Cell, ...], ...] = (
        ("features P", Value(side.features, "count")),
        ("network Q", Value(side.network, "count")),
        ("bytes", Value(side.bytes, "bytes")),
        ("a request", Value(request, "ms")),
        (metric, Value(side.metrics[metric], "metric")),
    )
    return Table("", ("", ""), cells)


def _stop(point: Point) -> Table:
    rows: list[tuple[Cell, ...]] = [
        ("features P", Value(point.features, "count")),
        ("network Q", Value(point.network, "count")),
        ("bytes", Value(point.bytes, "bytes")),
        ("a request", Value(point.request, "ms")),
        ("epochs of fine-tuning so far", Value(point.epochs, "count")),
    ]
    main = [(name, value) for name, value in point.metrics.items() if value is not None and name.startswith(MAIN)]
    rows += [(f"{name}, validation", Value(value, "metric")) for name, value in main]
    return Table("", ("", ""), tuple(rows))


MAIN = ("ndcg", "recall", "precision", "auc", "logloss", "rmse")


def _plan_of(found: Found, point: Point) -> tuple[Block, ...]:
    if point.step == 0:
        return (Words("Nothing has left."),)
    if point.step in found.stops:
        return (plan_table(found.stops[point.step]),)
    frontier = found.command("frontier", found.places.big, "-o", "frontier.json", "--steps", "stops")
    how = f"{frontier}, then report with --steps stops"
    return (Missing("The plan of this stop", "the models of the stops were not given", how),)


def plan_table(plan: Plan) -> Table:
    """What stays of every site."""
    rows: list[tuple[Cell, ...]] = []
    for site in plan.survey.sites:
        stays = len(plan.units(site))
        share = Value(1 - stays / site.size if site.size else None, "share")
        rows.append((site.name, str(site.kind), Value(site.size, "count"), Value(stays, "count"), share))
    columns = ("site", "kind", "units", "stay", "leave")
    return Table(f"The plan: {plan.budget.amount}", columns, tuple(rows))
