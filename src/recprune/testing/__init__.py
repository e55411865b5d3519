"""Contract checks and tiny data makers, shipped, so that other people can check their own rules and models.

data.py: tiny splits. cases.py: tiny modules with their survey. The checks: rules.py, models.py, formats.py,
structures.py; each raises AssertionError with a sentence that says what does not hold.
"""
