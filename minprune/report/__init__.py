"""What a run looks like: plain-text tables, pictures, and one self-contained page."""

from minprune.report.page import page
from minprune.report.stages import comparison
from minprune.report.tables import table

__all__ = ["comparison", "page", "table"]
