"""Keep the fields that the loss misses when their values stand in the wrong rows."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from recprune.errors import SurveyError
from recprune.importance.fields import column_names, rank_fields
from recprune.importance.probe import Probe
from recprune.tracing.site import Kind, Site

__all__ = ["Permutation"]


@dataclass(frozen=True)
class Permutation:
    """Fields: the rise of the mean loss when the column is shuffled over the probe's rows, mean over `repeats`.

    Breiman 2001 (Random Forests), section 10. Give the probe rows that the model was not trained on. Of two fields that
    say the same, each looks worth little while the other is there: `recprune.recipe.select_fields` drops step by step
    and measures again. `rank_fields` gives the standard errors too.
    Raises SurveyError for other kinds, and for a field whose column is no input of its own.
    """

    repeats: int = 5
    seed: int = 0

    def __call__(self, site: Site, probe: Probe) -> Tensor:
        rows = probe.rows_for(site.kind)
        known = column_names(probe.model, len(rows[0][0]))
        if site.kind is not Kind.FIELD or site.column not in known:
            raise SurveyError(
                f"site {site.name!r} of kind {site.kind} is no column among the inputs of the model "
                f"({', '.join(known)}): permutation scores fields alone. Take kinds={{'field'}}, or the rule taylor.",
                site=site.name,
                kind=site.kind,
            )
        fields = [s.column for s in probe.survey.sites if s.kind is Kind.FIELD and s.column in known]
        groups = {column: (column,) for column in fields if column is not None}
        found = probe.once(
            ("permutation", self.repeats, self.seed),
            lambda: rank_fields(probe.model, rows, probe.criterion, groups, repeats=self.repeats, seed=self.seed),
        )
        return torch.tensor([found.of(site.column or "")[0]], dtype=torch.float64).expand(site.size).clone()
