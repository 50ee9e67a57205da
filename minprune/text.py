"""Plain-text tables: one row a line, numbers to the right."""

from collections.abc import Sequence


def table(header: Sequence[str], rows: Sequence[Sequence[object]], total: bool = False) -> str:
    """Columns as wide as their widest cell; a column of numbers is right aligned.

    `total=True` sets the last row off by a rule.
    """
    cells = [list(header), *([str(c) for c in row] for row in rows)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    right = [all(_numeric(c) for c in column[1:]) for column in zip(*cells, strict=True)]

    def line(row: Sequence[str]) -> str:
        parts = (
            c.rjust(w) if r else c.ljust(w) for c, w, r in zip(row, widths, right, strict=True)
        )
        return "  ".join(parts).rstrip()

    rule = "  ".join("-" * w for w in widths)
    lines = [line(cells[0]), rule, *map(line, cells[1:])]
    if total:
        lines.insert(-1, rule)
    return "\n".join(lines)


def _numeric(cell: str) -> bool:
    return not cell or cell[0] in "0123456789.-+<>~"
