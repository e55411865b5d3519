"""One way to store a tensor in fewer bytes a file."""

BESIDE = ("codes", "faces", "largest", "low_bits", "rotation", "spelled")
"""Files here that are no encodings, but what encodings are made of."""
