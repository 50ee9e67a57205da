"""The commands: `minprune run`. Parses, prints, and turns errors into one sentence."""

import argparse
import os
import sys
from typing import NoReturn

from minprune.errors import ArgumentError, DataError, MinpruneError, MissingError
from minprune.jobs.settings import Settings

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


# fmt: off
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
        argument_default=argparse.SUPPRESS,  # Settings has the defaults
        help="train a net, prune it, fine-tune it, and show what that cost",
        description="Train a net, prune it, fine-tune it; print one table and write a report.",
    )
    add = run.add_argument
    add("--data", metavar="digits|FOLDER",
        help="the embedded 8 x 8 digits (default), or a folder in the format of MNIST")
    add("--net", help="mlp, lenet_300_100, lenet_5, cnn_small, conv_4 or resnet_small "
        "(default: cnn_small on small images, lenet_5 from 16 x 16 on)")
    add("--criterion", help=f"magnitude, norm or random (default {Settings.criterion})")
    add("--sparsity", type=float,
        help=f"share of the weights to prune (default {Settings.sparsity})")
    add("--scope", choices=("global", "layer"),
        help="compare all weights at once (default), or prune each layer by that share")
    add("--epochs", type=int, help="of training (default: 30 on the digits, 10 elsewhere)")
    add("--fine-tune", type=int, metavar="EPOCHS", help="after pruning (default: as --epochs)")
    add("--batch-size", type=int, metavar="N",
        help=f"samples in a step (default {Settings.batch_size})")
    add("--lr", type=float,
        help=f"learning rate of SGD, falling by a cosine in each phase (default {Settings.lr})")
    add("--seed", type=int, help=f"same seed, same bits (default {Settings.seed})")
    add("--threads", type=count, default=None, metavar="N",
        help="for matrix products (default: OPENBLAS_NUM_THREADS, or 1, which gives the same "
        "bits on any machine and is fast for small nets)")
    add("--out", metavar="FOLDER", help="for all files (default: runs/NAME)")
    add("--quiet", action="store_true", default=False, help="no progress")
    add("--json", action="store_true", default=False,
        help="print the result as JSON in place of the table")
    return top
# fmt: on


def main(argv: list[str] | None = None) -> int:
    """Run a command; 0, or 2 for what was asked in vain, 1 for what went wrong on the way."""
    given = sys.argv[1:] if argv is None else argv
    args = vars(parser().parse_args(given))
    args.pop("command")
    quiet, as_json = args.pop("quiet"), args.pop("json")
    limit_threads(args.pop("threads"))
    try:
        from minprune.jobs import run as job

        result = job.run(Settings(**args), quiet=quiet, command=" ".join(["minprune", *given]))
        print(job.as_json(result) if as_json else job.text(result))
    except MinpruneError as e:
        print(f"minprune: {e}", file=sys.stderr)
        return 2 if isinstance(e, ArgumentError | DataError | MissingError) else 1
    except KeyboardInterrupt:
        print("minprune: stopped; nothing half-written is left", file=sys.stderr)
        return 130
    return 0
