"""The survey: which units of a module can leave, and what must leave with them."""
