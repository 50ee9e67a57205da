"""The commands: `minprune run`. Parses, prints, and turns errors into one sentence."""

import argparse
import os
import sys
from typing import NoReturn

from minprune.errors import ArgumentError, DataError, MinpruneError, MissingError

THREADS = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS")


class Parser(argparse.ArgumentParser):
    """An argument parser whose errors are one sentence, with exit code 2."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: {message}; see {self.prog} --help\n")


def count(given: str) -> int:
    """An integer of at least 1."""
    if not given.isdecimal() or int(given) < 1:
        raise argparse.ArgumentTypeError(f"{given!r} is no integer of at least 1")
    return int(given)


def limit_threads(wanted: int | None) -> None:
    """Set how many threads BLAS and Numba use; they read it when they are first imported."""
    if "numpy" in sys.modules:
        return
    for name in THREADS:
        if wanted is not None:
            os.environ[name] = str(wanted)
        else:
            os.environ.setdefault(name, "1")


def parser() -> Parser:
    """All commands and their options."""
    top = Parser(
        prog="minprune",
        description="Train, prune, fine-tune and measure neural nets.",
        epilog="Example: minprune run --sparsity 0.95 --criterion magnitude",
    )
    commands = top.add_subparsers(dest="command", required=True, metavar="COMMAND")
    run = commands.add_parser(
        "run",
        help="train a net, prune it, fine-tune it, and show what that cost",
        description="Train a net, prune it, fine-tune it; print one table and write a report.",
    )
    add = run.add_argument
    add(
        "--data",
        default="digits",
        metavar="digits|FOLDER",
        help="the embedded 8 x 8 digits (default), or a folder in the format of MNIST",
    )
    add(
        "--net",
        help="mlp, lenet_300_100, lenet_5, cnn_small, conv_4 or resnet_small "
        "(default: cnn_small on small images, lenet_5 from 16 x 16 on)",
    )
    add("--criterion", default="magnitude", help="magnitude (default), norm or random")
    add("--sparsity", type=float, default=0.9, help="share of the weights to prune (default 0.9)")
    add(
        "--scope",
        choices=("global", "layer"),
        default="global",
        help="compare all weights at once (default), or prune each layer by that share",
    )
    add("--epochs", type=int, help="of training (default: 30 on the digits, 10 elsewhere)")
    add("--fine-tune", type=int, metavar="EPOCHS", help="after pruning (default: as --epochs)")
    add("--batch-size", type=int, default=64, help="samples in a step (default 64)")
    add(
        "--lr",
        type=float,
        default=1e-3,
        help="Adam's learning rate, falling by a cosine in each phase (default 0.001)",
    )
    add("--seed", type=int, default=0, help="same seed, same bits (default 0)")
    add(
        "--threads",
        type=count,
        help="for matrix products (default 1: the same bits on any machine, and fast for small "
        "nets; OPENBLAS_NUM_THREADS is respected)",
    )
    add("--out", metavar="FOLDER", help="for all files (default: runs/NAME)")
    add("--quiet", action="store_true", help="no progress")
    add("--json", action="store_true", help="print the result as JSON in place of the table")
    return top  # fmt: skip


def main(argv: list[str] | None = None) -> int:
    """Run a command; 0, or 2 for what was asked in vain, 1 for what went wrong on the way."""
    given = sys.argv[1:] if argv is None else argv
    args = vars(parser().parse_args(given))
    args.pop("command")
    quiet, as_json = args.pop("quiet"), args.pop("json")
    limit_threads(args.pop("threads"))
    try:
        from minprune.jobs import run as job

        result = job.run(job.Settings(**args), quiet=quiet, command=" ".join(["minprune", *given]))
        print(job.as_json(result) if as_json else job.text(result))
    except MinpruneError as e:
        print(f"minprune: {e}", file=sys.stderr)
        return 2 if isinstance(e, ArgumentError | DataError | MissingError) else 1
    except KeyboardInterrupt:
        print("minprune: stopped; nothing half-written is left", file=sys.stderr)
        return 130
    return 0
