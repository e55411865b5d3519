"""Ways to run a model, one a file: what answers as the model does, and by measurement faster."""

BESIDE = ("asking", "choice", "measure", "reading", "writer", "writing")
"""Files of this folder that are no runtimes."""
