"""The sections of a report, one a file, found by their place: a function from `Found` to `Section`, and PLACE."""

__all__ = ()
