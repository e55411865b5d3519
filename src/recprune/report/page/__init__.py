"""What a report looks like and how it moves: two files that are written into every page."""

from pathlib import Path

__all__ = ["SCRIPT", "STYLE"]

HERE = Path(__file__).parent
STYLE = (HERE / "report.css").read_text(encoding="utf-8")
SCRIPT = (HERE / "report.js").read_text(encoding="utf-8")
