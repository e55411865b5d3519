"""One way to store a tensor in fewer bytes a file."""

BESIDE = (
    "bits",
    "codes",
    "convolution",
    "faces",
    "huffman",
    "largest",
    "low_bits",
    "pairs",
    "placing",
    "recurrent",
    "rotation",
    "run_reader",
    "runs",
    "spelled",
)
"""Files here that are no encodings, but what encodings are made of."""
