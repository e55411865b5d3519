"""Names that a benchmark is asked for on its command line."""

from __future__ import annotations

import argparse
from collections.abc import Collection

__all__ = ["names_asked"]


def names_asked(program: str, there: Collection[str]) -> list[str]:
    """Those that were named, none for all. Ends the program with one line where one is not there."""
    parser = argparse.ArgumentParser(prog=f"python -m benchmarks.{program}")
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"one of: {', '.join(there)}; all without")
    names: list[str] = parser.parse_args().names
    if not set(names) <= set(there):
        parser.error(f"names are {', '.join(there)}")
    return names
