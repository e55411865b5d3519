"""log_to_mlflow(): a comparison, a plan and an artifact as a run of MLflow."""

from __future__ import annotations

import re
from pathlib import Path

from recprune.errors import DataError
from recprune.evaluation.comparison import Comparison
from recprune.integrations.needed import needed
from recprune.integrations.tracked import numbers_of
from recprune.planning.plan import Plan

__all__ = ["log_to_mlflow"]


def log_to_mlflow(
    comparison: Comparison | None = None,
    plan: Plan | None = None,
    artifact: str | Path | None = None,
    *,
    step: int | None = None,
) -> None:
    """Log into the active run (MLflow begins one where there is none).

    Metrics are those of `numbers_of`, with `_at_` for the `@` that MLflow does not allow: `after/ndcg_at_20`.
    Parameters: the rule and the budget of the plan; with a step they are tags, for a parameter cannot change in a run.
    Files: comparison.json, plan.json and the artifact's folder under `model`. Tags and files are those of the last
    call. Where the numbers go is what `mlflow.set_tracking_uri` says. Raises DataError where nothing is given,
    ExtensionError without MLflow (`pip install 'recprune[mlflow]'`).

    >>> with mlflow.start_run():
    ...     log_to_mlflow(comparison, smaller.plan, "small/")
    """
    if comparison is None and plan is None and artifact is None:
        raise DataError("nothing to log: give a comparison, a plan or an artifact")
    mlflow = needed("mlflow", "mlflow")
    numbers = {_allowed(name): value for name, value in numbers_of(comparison, plan).items()}
    if numbers:
        mlflow.log_metrics(numbers, step=step)
    if comparison is not None:
        mlflow.log_text(comparison.to_json(), "comparison.json")
        mlflow.set_tag("recprune.verdict", comparison.verdict()[:5000])
    if plan is not None:
        asked = {"recprune.rule": plan.rule, "recprune.budget": plan.budget.amount}
        if step is None:
            mlflow.log_params(asked)
        else:
            mlflow.set_tags(asked)
        mlflow.log_text(plan.to_json(), "plan.json")
    if artifact is not None:
        mlflow.log_artifacts(str(artifact), "model")


def _allowed(name: str) -> str:
    return re.sub(r"[^\w\-. /]", "_", name.replace("@", "_at_"))
