"""The page: one HTML file that needs nothing else."""

from recprune.report.html.page import page

__all__ = ["page"]
