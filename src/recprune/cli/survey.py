"""recprune survey: what could leave a model, and what stays whole and why."""

from __future__ import annotations

from typing import Any

from recprune.cli._guard import Answer
from recprune.cli._options import Common, Data, Model, Own

__all__ = ["survey"]
PLACE = 3


def survey(model: Model, common: Common, data: Data = None, own: Own = None) -> Answer:
    """List the units that can leave a model, what each costs, and what stays whole."""
    from recprune.cli._show import share, table
    from recprune.recipe.shelf import take
    from recprune.tracing.trace import survey

    shelved = take(model, own, data)
    found = survey(shelved.model, shelved.example(shelved.split_if_there(data)))
    sites = [_site(found, site) for site in found.sites]
    facts = {"model": str(model), "fingerprint": found.fingerprint, "sites": sites, "whole": dict(found.whole)}
    rows = [[s["name"], s["kind"], s["units"], s["entries a unit"], share(s["share"])] for s in sites]
    shown = [table(["site", "kind", "units", "parameters a unit", "share of all"], rows, "What can leave")]
    if found.whole:
        shown.append(table(["stays whole", "because"], list(found.whole.items())))
    return Answer(facts, tuple(shown))


def _site(found: Any, site: Any) -> dict[str, Any]:
    import math

    from recprune.planning.costs import unit_costs

    total = sum(math.prod(shape) for name, shape in found.shapes.items() if name not in found.buffers)
    each = unit_costs(found, site)
    share = each * site.size / total if total else 0.0
    return {"name": site.name, "kind": str(site.kind), "units": site.size, "entries a unit": each, "share": share}
