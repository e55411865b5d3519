"""A model on disk: a folder of safetensors and JSON that is written whole, and read only when it is what it says."""

from recprune.artifact.reading import Loaded, inspect, load
from recprune.artifact.recording import record
from recprune.artifact.writing import save

__all__ = ["Loaded", "inspect", "load", "record", "save"]
