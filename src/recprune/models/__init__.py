"""One model a file, each a plain nn.Module."""

BESIDE = ("build", "recommender")
"""Files here that are no models."""
