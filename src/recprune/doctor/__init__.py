"""What recprune runs on: this machine and what is installed, read and told, nothing changed."""

from __future__ import annotations

from recprune.doctor.examine import examine

__all__ = ["examine"]
