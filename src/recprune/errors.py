"""Every error that recprune raises on purpose.

    RecpruneError
    ├ DataError (ValueError)        a row, a column, a file
    ├ SurveyError (ValueError)      the module cannot be traced
    ├ BudgetError (ValueError)      the budget cannot be met, and what stands in the way
    ├ PlanError (ValueError)        a plan for another model
    ├ SurgeryError (RuntimeError)   the smaller model does not run or does not add up
    ├ TrainingError (RuntimeError)  a loss that is not finite, a loss that does not suit the model
    ├ ArtifactError (ValueError)    a file that is not what it says
    └ ExtensionError (LookupError)  no such rule, format, model, runtime

A message says what was expected, what came, where, and the way out. What the message names is an attribute too
(`error.path`, `error.line`, `error.site`, ...), so that a program asks for the part and not for words.
"""

from __future__ import annotations

__all__ = [
    "ArtifactError",
    "BudgetError",
    "DataError",
    "ExtensionError",
    "PlanError",
    "RecpruneError",
    "SurgeryError",
    "SurveyError",
    "TrainingError",
]


class RecpruneError(Exception):
    """The root: catch this to catch every error that recprune raises on purpose.

    Keyword arguments become attributes: `DataError("...", path="u.data", line=7).line == 7`.
    """

    def __init__(self, message: str, **parts: object) -> None:
        super().__init__(message)
        self.parts = parts

    def __getattr__(self, name: str) -> object:
        parts = self.__dict__.get("parts", {})
        if name in parts:
            return parts[name]
        raise AttributeError(name)


class DataError(RecpruneError, ValueError):
    """A row, a column or a file that cannot be used."""


class SurveyError(RecpruneError, ValueError):
    """A module that cannot be traced."""


class BudgetError(RecpruneError, ValueError):
    """A budget that cannot be met."""


class PlanError(RecpruneError, ValueError):
    """A plan that was made for another model, or that is not a plan."""


class SurgeryError(RecpruneError, RuntimeError):
    """A smaller model that does not run, or does not equal the masked one."""


class TrainingError(RecpruneError, RuntimeError):
    """A training that cannot begin or cannot go on."""


class ArtifactError(RecpruneError, ValueError):
    """A stored artifact that is not what its manifest says."""


class ExtensionError(RecpruneError, LookupError):
    """A rule, format, model or encoding that cannot be found."""
