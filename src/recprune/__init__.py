"""recprune: any recommender and a budget in, a smaller and faster one out, with proof."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from recprune.artifact import load as load
    from recprune.artifact import save as save
    from recprune.data.dataset import Dataset as Dataset
    from recprune.data.dataset import Roles as Roles
    from recprune.data.dataset import Split as Split
    from recprune.data.encode import encode as encode
    from recprune.data.features import FeatureMatrix as FeatureMatrix
    from recprune.data.log import Log as Log
    from recprune.data.log import clean as clean
    from recprune.data.negatives import with_negatives as with_negatives
    from recprune.data.read import read as read
    from recprune.data.select import FeatureSelector as FeatureSelector
    from recprune.data.simulate import simulate as simulate
    from recprune.data.split import split_by_time as split_by_time
    from recprune.data.split import split_by_user_time as split_by_user_time
    from recprune.data.split import split_given as split_given
    from recprune.data.split import split_last as split_last
    from recprune.data.split import split_random as split_random
    from recprune.data.store import load_split as load_split
    from recprune.data.store import save_split as save_split
    from recprune.data.vocabulary import Vocabulary as Vocabulary
    from recprune.errors import ArtifactError as ArtifactError
    from recprune.errors import BudgetError as BudgetError
    from recprune.errors import DataError as DataError
    from recprune.errors import ExtensionError as ExtensionError
    from recprune.errors import PlanError as PlanError
    from recprune.errors import RecpruneError as RecpruneError
    from recprune.errors import SurgeryError as SurgeryError
    from recprune.errors import SurveyError as SurveyError
    from recprune.errors import TrainingError as TrainingError
    from recprune.evaluation.compare import compare as compare
    from recprune.evaluation.evaluate import evaluate as evaluate
    from recprune.importance.probe import Probe as Probe
    from recprune.importance.score import score as score
    from recprune.models.build import build as build
    from recprune.packing import pack as pack
    from recprune.packing import unpack as unpack
    from recprune.planning.budget import Budget as Budget
    from recprune.planning.budget import MaxDrop as MaxDrop
    from recprune.planning.choose import choose as choose
    from recprune.planning.plan import Plan as Plan
    from recprune.recipe.frontier import frontier as frontier
    from recprune.recipe.prune import prune as prune
    from recprune.recipe.run import run as run
    from recprune.surgery import apply as apply
    from recprune.tracing.site import Cut as Cut
    from recprune.tracing.site import Kind as Kind
    from recprune.tracing.site import Site as Site
    from recprune.tracing.site import Survey as Survey
    from recprune.tracing.trace import survey as survey
    from recprune.training.finetune import finetune as finetune
    from recprune.training.fit import FitOptions as FitOptions
    from recprune.training.fit import fit as fit
    from recprune.training.usual import usual_options as usual_options

_HOMES = {
    "ArtifactError": "errors",
    "Budget": "planning.budget",
    "BudgetError": "errors",
    "Cut": "tracing.site",
    "DataError": "errors",
    "Dataset": "data.dataset",
    "ExtensionError": "errors",
    "FeatureMatrix": "data.features",
    "FeatureSelector": "data.select",
    "FitOptions": "training.fit",
    "Kind": "tracing.site",
    "Log": "data.log",
    "MaxDrop": "planning.budget",
    "Plan": "planning.plan",
    "PlanError": "errors",
    "Probe": "importance.probe",
    "RecpruneError": "errors",
    "Roles": "data.dataset",
    "Site": "tracing.site",
    "Split": "data.dataset",
    "SurgeryError": "errors",
    "Survey": "tracing.site",
    "SurveyError": "errors",
    "TrainingError": "errors",
    "Vocabulary": "data.vocabulary",
    "apply": "surgery",
    "build": "models.build",
    "choose": "planning.choose",
    "clean": "data.log",
    "compare": "evaluation.compare",
    "encode": "data.encode",
    "evaluate": "evaluation.evaluate",
    "finetune": "training.finetune",
    "fit": "training.fit",
    "frontier": "recipe.frontier",
    "load": "artifact",
    "load_split": "data.store",
    "pack": "packing",
    "prune": "recipe.prune",
    "read": "data.read",
    "run": "recipe.run",
    "save": "artifact",
    "save_split": "data.store",
    "score": "importance.score",
    "simulate": "data.simulate",
    "split_by_time": "data.split",
    "split_by_user_time": "data.split",
    "split_given": "data.split",
    "split_last": "data.split",
    "split_random": "data.split",
    "survey": "tracing.trace",
    "unpack": "packing",
    "usual_options": "training.usual",
    "with_negatives": "data.negatives",
}
"""Public name -> the module it lives in; imported when it is first asked for, so that `import recprune` stays light."""


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'recprune' has no attribute {name!r}")
    value = getattr(importlib.import_module(f"recprune.{_HOMES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted([*_HOMES, "__version__"])
