"""What tests of selection share; its definition and laws are those of the kit for other code."""

from hypothesis import Phase, settings

from minprune.verify.plain.rules import half_even, slow
from minprune.verify.selection.cases import Case, Select, cases, same
from minprune.verify.selection.laws import LAWS

__all__ = ["LAWS", "SEARCH", "Case", "Select", "cases", "half_even", "same", "slow"]
SEARCH = settings(
    derandomize=True, database=None, max_examples=5000, phases=[Phase.generate], deadline=None
)  # for a counterexample; any one will do
