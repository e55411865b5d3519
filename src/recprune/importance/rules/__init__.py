"""One rule a file: a frozen dataclass, called with a site and a probe."""
