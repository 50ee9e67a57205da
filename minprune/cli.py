"""The commands: `minprune run`, `compare`, `info`, `verify`; errors are told in one sentence."""

import argparse
import os
import shlex
import sys
import warnings
from collections.abc import Callable
from typing import Any, NoReturn

from minprune.errors import ArgumentError, DataError, MinpruneError, MissingError
from minprune.jobs.compare_settings import CompareSettings
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


def names(given: str) -> list[str]:
    """ "magnitude,obd" -> ["magnitude", "obd"]"""
    return [name.strip() for name in given.split(",") if name.strip()]


def shares(given: str) -> list[float]:
    """ "0.5,0.9" -> [0.5, 0.9]"""
    try:
        return [float(share) for share in given.split(",")]
    except ValueError:
        raise argparse.ArgumentTypeError(
            f"{given!r} is no list of numbers such as 0.5,0.9"
        ) from None


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
    add("--criterion", metavar="NAME",
        help=f"magnitude, obd, taylor, snip ...: all are in the README (default "
        f"{Settings.criterion})")
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
    _compare(commands)
    info = commands.add_parser(
        "info",
        help="print what a saved model is",
        description="Print the net, the counts, the sparsity and the bytes of a saved model.",
    )
    info.add_argument("file", metavar="FILE", help="a model, such as fine-tuned.npz")
    verify = commands.add_parser(
        "verify",
        help="check a pruning function of your own against the laws of its kind",
        description="Run every law of a kind on a function, and show the smallest counterexample "
        "of each that it breaks. Exit code 0: all hold; 1: one is broken; 2: bad use.",
        epilog="Example: minprune verify mypkg.prune:select --kind selector",
    )
    add = verify.add_argument
    add("name", metavar="MODULE:FUNCTION", nargs="?",
        help="importable from here, mypkg.prune:select for example")
    add("--kind", metavar="KIND",
        help="criterion, selector, schedule, kernel, gradient, allocation, shuffle or obs")
    add("--as", dest="like", metavar="NAME",
        help="the criterion or schedule to equal, or any: a selector with a tie rule of its own")
    add("--against", metavar="MODULE:FUNCTION",
        help="of a kernel its slow twin, of a gradient the function that it derives")
    add("--draw", metavar="MODULE:FUNCTION",
        help="a function of a numpy Generator that makes the arguments of a kernel or gradient")
    add("--given", dest="facts", metavar="NAME=VALUE", nargs="+", default=[],
        help="final=0.8 span=100 for a schedule; needs=weights,grads unit=yes for a criterion")
    add("--examples", type=count, metavar="N", help="how many to try for each law")
    add("--seed", type=int, default=0, help="same seed, same examples (default 0)")
    add("--self", dest="own", action="store_true", help="check minprune's own functions instead")
    add("--export", metavar="FILE", help="write oracles.json: small nets and what they must give")
    add("--list", dest="listed", action="store_true", help="print what --as takes for each kind")
    return top


def _compare(commands: Any) -> None:
    """The options of `minprune compare`."""
    compare = commands.add_parser(
        "compare",
        argument_default=argparse.SUPPRESS,  # CompareSettings has the defaults
        help="compare criteria on the same nets, at several sparsities, over several seeds",
        description="Train one net a seed; prune it by every criterion at every sparsity, and "
        "fine-tune with equal budgets; print tables and write compare.html.",
        epilog="Example: minprune compare --criteria magnitude,taylor,random --seeds 5",
    )
    had, add = CompareSettings, compare.add_argument
    add("--data", metavar="digits|FOLDER",
        help="the embedded 8 x 8 digits (default), or a folder in the format of MNIST")
    add("--net", help="mlp, lenet_300_100, lenet_5, cnn_small, conv_4 or resnet_small "
        "(default: cnn_small on small images, lenet_5 from 16 x 16 on)")
    add("--criteria", type=names, metavar="NAME,NAME,...",
        help="which to compare (default: all that score what is pruned and are not too slow)")
    add("--unit", action="store_true",
        help="prune units (neurons, filters) with all that is tied to them, not single weights")
    add("--sparsities", type=shares, metavar="S,S,...",
        help="shares of the weights, or units, to prune (default 0.5,0.7,0.8,0.9,0.95)")
    add("--seeds", type=int, metavar="N", help=f"nets, of seeds 0, 1, ... (default {had.seeds})")
    add("--epochs", type=int, help="of training (default: 30 on the digits, 10 elsewhere)")
    add("--fine-tune", type=int, metavar="EPOCHS", help=f"after pruning (default {had.fine_tune})")
    add("--samples", type=int, metavar="N",
        help=f"of the training part, for the scores to look at (default {had.samples:,})")
    add("--batch-size", type=int, metavar="N", help=f"samples in a step (default {had.batch_size})")
    add("--lr", type=float,
        help=f"learning rate of SGD, falling by a cosine in each phase (default {had.lr})")
    add("--threads", type=count, default=None, metavar="N",
        help="for matrix products (default: OPENBLAS_NUM_THREADS, or 1)")
    add("--out", metavar="FOLDER", help="for all files (default: runs/compare-...)")
    add("--resume", action="store_true", default=False,
        help="go on with a comparison that was stopped, from what its folder holds")
    add("--quiet", action="store_true", default=False, help="no progress")
    add("--json", action="store_true", default=False, help="print JSON in place of the tables")
# fmt: on


def say(message: object, *where: object, **more: object) -> None:
    """A warning as one line, without the place in the code."""
    print(f"minprune: {message}", file=sys.stderr)


def main(argv: list[str] | None = None) -> int:
    """Run a command; 0, or 2 for what was asked in vain, 1 for what went wrong on the way."""
    given = sys.argv[1:] if argv is None else argv
    args = vars(parser().parse_args(given))
    command: Callable[..., str] = COMMANDS[args.pop("command")]
    try:
        with warnings.catch_warnings():
            warnings.showwarning = say
            print(command(given, **args))
    except BrokenError as e:
        print(e)
        return 1
    except MinpruneError as e:
        print(f"minprune: {e}", file=sys.stderr)
        return 2 if isinstance(e, ArgumentError | DataError | MissingError) else 1
    except KeyboardInterrupt:
        resumes = command in (run, compare) and "--resume" not in given
        again = shlex.join(["minprune", *given, *(["--resume"] if resumes else [])])
        how = (
            f"go on with: {again}" if command in (run, compare) else "nothing half-written is left"
        )
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


def compare(
    given: list[str], *, threads: int | None, quiet: bool, json: bool, resume: bool, **asked: Any
) -> str:
    """The tables of a comparison, or its result as JSON."""
    limit_threads(threads)
    from minprune.jobs import compare as job
    from minprune.jobs.run import as_json

    anew = shlex.join(["minprune", *(word for word in given if word != "--resume")])
    result = job.run(CompareSettings(**asked), quiet=quiet, command=anew, resume=resume)
    return as_json(result) if json else job.text(result)


def info(given: list[str], *, file: str) -> str:
    """What a saved model is."""
    limit_threads(None)
    from minprune.jobs.info import info as about

    return about(file)


def check(given: list[str], **asked: Any) -> str:
    """The verdicts; raises BrokenError, which carries them, where a law is broken."""
    limit_threads(None)
    from minprune.verify import command

    text, ok = command.run(**asked)
    if not ok:
        raise BrokenError(text)
    return text


class BrokenError(Exception):
    """A law is broken; the text is the verdicts."""


COMMANDS: dict[str, Callable[..., str]] = {
    "run": run,
    "compare": compare,
    "info": info,
    "verify": check,
}
