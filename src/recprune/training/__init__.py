"""Training as functions."""
