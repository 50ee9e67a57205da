"""What the commands do, as functions of plain values."""
