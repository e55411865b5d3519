"""Exact rewrites, one a file: model -> model with the same answers."""
