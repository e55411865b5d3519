"""One way to store a tensor in fewer bytes a file."""

BESIDE = (
    "bits",
    "books",
    "cell",
    "codes",
    "convolution",
    "faces",
    "folded",
    "huffman",
    "largest",
    "low_bits",
    "pairs",
    "placing",
    "quick",
    "recurrent",
    "rotation",
    "run_reader",
    "runs",
    "spelled",
    "watched",
    "words",
)
"""Files here that are no encodings, but what encodings are made of."""
