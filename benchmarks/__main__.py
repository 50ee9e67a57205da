"""python -m benchmarks NAME [--quick] [--data DIR] [--threads N] [--out FILE]

A benchmark is a module of this folder with run(quick: bool, data: Path | None) -> list[Row].
NumPy and Numba read the number of threads when they are imported, so it is set before that.
"""

import argparse
import importlib
import os
import pkgutil
import sys
from pathlib import Path

from minprune.cli import THREADS

HELPERS = ("__main__", "harness")


def names() -> list[str]:
    """The benchmarks in this folder."""
    here = Path(__file__).parent
    found = [*pkgutil.iter_modules([str(here)])]
    found += pkgutil.iter_modules([str(here / "papers")], "papers.")
    hidden = ("_", "papers._")
    return sorted(
        module.name
        for module in found
        if not (module.ispkg or module.name in HELPERS or module.name.startswith(hidden))
    )


def main(argv: list[str] | None = None) -> int:
    """Run one benchmark; 1 where a target is missed."""
    data = os.environ.get("MINPRUNE_DATA")
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks", description="Time minprune beside its peers."
    )
    parser.add_argument("name", choices=names(), metavar="NAME", help=", ".join(names()))
    parser.add_argument("--quick", action="store_true", help="smaller sizes, fewer repeats")
    parser.add_argument(
        "--data", type=Path, default=Path(data) if data else None, metavar="DIR",
        help="the folder that holds mnist/ and monks/ (default: MINPRUNE_DATA)",
    )  # fmt: skip
    parser.add_argument("--threads", type=int, default=1, metavar="N", help="(default 1)")
    parser.add_argument(
        "--out", type=Path, metavar="FILE", help="JSON (default: runs/benchmarks/NAME.json)"
    )
    args = parser.parse_args(argv)
    if args.threads < 1:
        parser.error(f"--threads must be at least 1, not {args.threads}; pass --threads 1")

    wanted = dict.fromkeys(THREADS, str(args.threads))
    if "numpy" in sys.modules and any(os.environ.get(k) != v for k, v in wanted.items()):
        # something (a site hook) imported NumPy first: begin again with the right environment
        command = [sys.executable, "-m", "benchmarks", *(sys.argv[1:] if argv is None else argv)]
        os.execve(sys.executable, command, {**os.environ, **wanted})
    os.environ.update(wanted)

    from benchmarks import harness

    rows = importlib.import_module(f"benchmarks.{args.name}").run(args.quick, args.data)
    print(harness.show(rows))
    out = args.out or Path("runs", "benchmarks", f"{args.name}.json")
    harness.write(out, args.name, rows, args.quick)
    print(f"\nwritten to {out}")
    missed = [row.name for row in rows if row.ok is False]
    if missed:
        print(f"target missed: {', '.join(missed)}", file=sys.stderr)
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
