"""Contract checks and tiny data makers, shipped, so that other people can check their own rules and models."""
