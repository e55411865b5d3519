"""`python -m recprune` is the command `recprune`."""

from recprune.cli import main

__all__: list[str] = []

main()
