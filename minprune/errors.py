"""One family of exceptions. Messages say which thing, what it must be, what it is, what to do."""

__all__ = [
    "ArgumentError", "DataError", "FileError", "MinpruneError", "MinpruneWarning", "MissingError",
    "NonFiniteError", "ShapeError", "UnreachableError",
]  # fmt: skip


class MinpruneError(Exception):
    """Anything minprune refuses to do."""


class MinpruneWarning(UserWarning):
    """Something that a result hides and a reader should know."""


class ArgumentError(MinpruneError, ValueError):
    """A call with a value that it cannot use."""


class ShapeError(ArgumentError):
    """An array whose shape does not fit the place where it is used."""


class UnreachableError(ArgumentError):
    """A sparsity that cannot be met; the message names the nearest one that can."""


class DataError(MinpruneError, ValueError):
    """A data file that is absent, cut, garbled or not of the format that its name says."""


class FileError(MinpruneError, ValueError):
    """A saved model that cannot be read or written."""


class NonFiniteError(MinpruneError, ArithmeticError):
    """A NaN or an infinity; the message names where it appeared."""


class MissingError(MinpruneError, ImportError):
    """An optional package that is not installed; the message says how to install it."""
