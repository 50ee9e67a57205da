"""What a run looks like: a table of its stages, pictures, and one self-contained page."""

from minprune.report.compare import compare_page
from minprune.report.compare_tables import compare_tables, reasons
from minprune.report.page import page
from minprune.report.stages import comparison, headline

__all__ = ["compare_page", "compare_tables", "comparison", "headline", "page", "reasons"]
