"""Quality, speed and the comparison of two models."""
