"""Keep what learns to stay: a gate on every unit, trained against a steady pull to shut it."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from recprune.errors import SurveyError
from recprune.importance.gating import trained_gates
from recprune.importance.probe import Probe
from recprune.tracing.site import Site

__all__ = ["Gates"]


@dataclass(frozen=True)
class Gates:
    """The mean opening of a unit's gate over `steps` steps of training, all units of one kind together.

    Guo et al. 2022 (LPFS: Learnable Polarizing Feature Selection for Click-Through Rate Prediction): a gate
    x² / (x² + eps), Adam, and a proximal step that shuts what does not pay; here with the model's weights frozen, on a
    copy. Units that say the same shut one after the other, which a rule that looks at each alone cannot see. The
    opening is no estimate of a loss: it ranks units of one kind.
    penalty: how steadily the loss must pull a gate open for it to stay, 0 to 1; lr: of a step, the fastest gate shuts
    in 1 / (lr · (1 + penalty)) steps. A step is one forward and backward pass over one of the probe's batches.
    Raises SurveyError for settings that are not above 0.
    """

    steps: int = 200
    lr: float = 0.02
    penalty: float = 0.5
    eps: float = 0.1
    seed: int = 0

    def __post_init__(self) -> None:
        for name in ("steps", "lr", "penalty", "eps"):
            if not getattr(self, name) > 0:
                raise SurveyError(f"{name} of the gates is above 0, not {getattr(self, name)!r}", option=name)

    def __call__(self, site: Site, probe: Probe) -> Tensor:
        sites = [one for one in probe.survey.sites if one.kind is site.kind]
        found = probe.once(
            ("gates", self, site.kind),
            lambda: trained_gates(
                probe.model,
                probe.survey,
                sites,
                probe.rows_for(site.kind),
                probe.criterion,
                steps=self.steps,
                lr=self.lr,
                penalty=self.penalty,
                eps=self.eps,
                seed=self.seed,
            ),
        )
        return found[site.name]
