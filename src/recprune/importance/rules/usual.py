"""To each kind of unit the rule that knows it: items that are answers, who had what, and all else by its error."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from recprune.importance.probe import Probe
from recprune.importance.rules.coherence import Coherence
from recprune.importance.rules.frequency import Frequency
from recprune.importance.rules.mse_increase import MseIncrease
from recprune.importance.rules.taylor import Taylor
from recprune.tracing.site import Kind, Site

__all__ = ["Usual"]


@dataclass(frozen=True)
class Usual:
    """Ids that are read and found in one table: how often they occur. Entries of a matrix that is not of items with
    items: `coherence`. All else: `mse_increase`, and `taylor` where the survey has more than `most` units beside ids
    and entries.

    What a held-out part says of an item rests on the few times that it is the one to find there, if it is at all; how
    often it occurs in train is known of every item, and an item that nobody looks for costs no list anything. What
    walks over users lose with a pair is not what a linear layer loses with a weight. Raises what those rules raise.
    """

    most: int = 1000

    def __call__(self, site: Site, probe: Probe) -> Tensor:
        if site.answers:
            return Frequency()(site, probe)
        if site.kind is Kind.ENTRY and site.matrix is not None and site.matrix[0] != site.matrix[1]:
            return Coherence()(site, probe)
        units = sum(s.size for s in probe.survey.sites if s.kind not in (Kind.ID, Kind.ENTRY))
        return MseIncrease()(site, probe) if units <= self.most else Taylor()(site, probe)
