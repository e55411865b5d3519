"""Keep what the loss would miss, to second order: the curvature that the gradients of single rows show."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from recprune.errors import SurveyError
from recprune.importance.curvature import second_moments
from recprune.importance.probe import Probe
from recprune.tracing.site import Kind, Site

__all__ = ["Fisher"]


@dataclass(frozen=True)
class Fisher:
    """1/2 · mean over the rows of (sum of g · (w - w afterwards))² over everything learnable that leaves.

    Where the loss is at its minimum its slope is zero, and this is the estimated rise: the Hessian is taken to be the
    mean outer product of the rows' gradients g. LeCun et al. 1990 (Optimal Brain Damage), section 2; Theis et al. 2018
    (Faster Gaze Prediction with Dense Networks and Fisher Pruning), section 3; sums over a group before the square as
    in Liu et al. 2021 (Group Fisher Pruning), section 3. w afterwards is the fallback row's number for an id, else 0.
    The rows go through in `passes` backward passes, each over some of them (`curvature` says how); a batch ends a
    piece, so that there may be up to one more a batch. A batch whose rows cannot be parted goes through whole. Ids are
    rated on the rows that the probe has for ids. Raises SurveyError for fewer than 2 passes, and where there is one
    batch that cannot be parted.
    """

    passes: int = 256

    def __post_init__(self) -> None:
        if self.passes < 2:
            raise SurveyError(
                f"passes is 2 or more, for a variance between them; got {self.passes}", passes=self.passes
            )

    def __call__(self, site: Site, probe: Probe) -> Tensor:
        of_ids = site.kind is Kind.ID
        sites = [one for one in probe.survey.sites if (one.kind is Kind.ID) == of_ids]
        found = probe.once(
            ("fisher", self.passes, of_ids),
            lambda: second_moments(
                probe.model, sites, probe.survey.features, probe.rows_for(site.kind), probe.criterion, self.passes
            ),
        )
        return 0.5 * found[site.name]
