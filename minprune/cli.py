"""The commands: `minprune run`, `info`. Parses, prints, and turns errors into one sentence."""

import argparse
import os
import shlex
import sys
from collections.abc import Callable
from typing import Any, NoReturn

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
    add("--unit", action="store_true",
        help="prune units (neurons, filters) with all that is tied to them, not single weights")
    add("--sparsity", type=float,
        help=f"share of the weights, or units, to prune (default {Settings.sparsity})")
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
        "bits whatever the number of cores and is fast for small nets)")
    add("--out", metavar="FOLDER", help="for all files (default: runs/NAME)")
    add("--resume", action="store_true", default=False,
        help="go on with a job that was stopped, from what its folder holds")
    add("--quiet", action="store_true", default=False, help="no progress")
    add("--json", action="store_true", default=False,
        help="print the result as JSON in place of the table")
    info = commands.add_parser(
        "info",
        help="print what a saved model is",
        description="Print the net, the counts, the sparsity and the bytes of a saved model.",
    )
    info.add_argument("file", metavar="FILE", help="a model, such as fine-tuned.npz")
    return top
# fmt: on


def main(argv: list[str] | None = None) -> int:
    """Run a command; 0, or 2 for what was asked in vain, 1 for what went wrong on the way."""
    given = sys.argv[1:] if argv is None else argv
    args = vars(parser().parse_args(given))
    command: Callable[..., str] = run if args.pop("command") == "run" else info
    try:
        print(command(given, **args))
    except MinpruneError as e:
        print(f"minprune: {e}", file=sys.stderr)
        return 2 if isinstance(e, ArgumentError | DataError | MissingError) else 1
    except KeyboardInterrupt:
        resumes = command is run and "--resume" not in given
        again = shlex.join(["minprune", *given, *(["--resume"] if resumes else [])])
        how = f"go on with: {again}" if command is run else "nothing half-written is left"
        print(f"minprune: stopped; {how}", file=sys.stderr)
        return 130
    return 0


def run(
    given: list[str], *, threads: int | None, quiet: bool, json: bool, resume: bool, **asked: Any
) -> str:
    """The table of a job, or its result as JSON."""
    limit_threads(threads)
    from minprune.jobs import run as job

    anew = shlex.join(["minprune", *(word for word in given if word != "--resume")])
    result = job.run(Settings(**asked), quiet=quiet, command=anew, resume=resume)
    return job.as_json(result) if json else job.text(result)


def info(given: list[str], *, file: str) -> str:
    """What a saved model is."""
    limit_threads(None)
    from minprune.jobs.info import info as about

    return about(file)
