"""What a run looks like: a table of its stages, pictures, and one self-contained page."""

from minprune.report.page import page
from minprune.report.stages import comparison

__all__ = ["comparison", "page"]
