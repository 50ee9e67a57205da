"""The commands: `minprune run`, `compare`, `info`, `verify`; an error is one sentence.

Longer than most files: the options of all commands are read side by side.
"""

import argparse
import os
import re
import shlex
import sys
import warnings
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import fields
from functools import partial
from importlib import import_module
from typing import Any, NoReturn

from minprune import __version__
from minprune.errors import ArgumentError, DataError, MinpruneError, MissingError
from minprune.jobs.settings import CompareSettings, RunSettings, Settings
from minprune.text import tell, told
from minprune.verify.kinds import FUNCTION_KINDS

# How argparse says that a word is not among the choices
CHOICES = re.compile(r"argument (.+): invalid choice: (.+) \(choose from (.+)\)")
THREADS = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS")


class Parser(argparse.ArgumentParser):
    """An argument parser whose errors are one sentence, with exit code 2."""

    def __init__(self, **how: Any) -> None:
        super().__init__(allow_abbrev=False, **how)  # else --resum would pass as --resume

    def parse_known_args(self, *given: Any) -> Any:  # type: ignore[override]
        """The arguments; what a command does not know is refused by that command."""
        self.words = list(given[0]) if given else sys.argv[1:]
        found, rest = super().parse_known_args(*given)
        if rest:
            self.refuse(f"unrecognized arguments: {' '.join(rest)}", rest[0], self.options())
        return found, rest

    def options(self) -> list[str]:
        """All options, as they are written"""
        return [option for action in self._actions for option in action.option_strings]

    def error(self, message: str) -> NoReturn:
        if choices := CHOICES.fullmatch(message):
            what, given, known = choices.groups()
            names = re.findall(r"[\w.-]+", known)
            message = f"{what} must be one of {', '.join(names)}, not {given}"
            self.refuse(message, given.strip("'"), names)
        unknown = [w for w in self.words if w[:1] == "-" and w not in self.options()]
        if "required" in message and unknown:  # argparse says what is missing first
            self.refuse(message, unknown[0], self.options())
        self.refuse(message)

    def refuse(self, message: str, given: str = "", known: Sequence[str] = ()) -> NoReturn:
        """Leaves with a sentence, and the nearest of the known names"""
        near = ""
        if known:
            from minprune.arguments import meant  # which imports NumPy

            near = meant(given.partition("=")[0], known, "")
        self.exit(2, f"{self.prog}: {message}; {near or f'see {self.prog} --help'}\n")


class Collect(argparse.Action):
    """An option that may be repeated, for pairs (name, value): a dict of them, each name once."""

    def __call__(self, parser: Any, found: argparse.Namespace, pair: Any, *more: Any) -> None:
        name, value = pair
        known = getattr(found, self.dest, {})
        if name in known:
            parser.error(f"argument {self.option_strings[0]}: {name} is given twice; keep one")
        setattr(found, self.dest, known | {name: value})


def count(given: str) -> int:
    """An integer of at least 1."""
    if not given.isdecimal() or int(given) < 1:
        raise argparse.ArgumentTypeError(f"{given!r} must be an integer of at least 1")
    return int(given)


def rename(given: str) -> tuple[str, str]:
    """ "features.0=conv1" -> ("features.0", "conv1")"""
    theirs, equals, ours = given.rpartition("=")
    if not equals or not theirs:
        raise argparse.ArgumentTypeError(f"{given!r} must be THEIRS=OURS, such as 0=conv1")
    return theirs, ours


def cores() -> int:
    """How many cores this process may use"""
    if hasattr(os, "sched_getaffinity"):  # not everywhere
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def limit_threads(wanted: int | None) -> None:
    """Set the number of threads of BLAS and Numba, which read it when they are first imported

    Raises ArgumentError for more threads than cores: they wait for each other, and times say
    nothing.
    """
    most = cores()
    given = {"--threads": str(wanted)} if wanted else {n: os.environ.get(n, "1") for n in THREADS}
    for name, value in given.items():
        if value.isdecimal() and int(value) > most:
            raise ArgumentError(
                f"{name} must be at most {most}, the number of cores here, not {value}; "
                f"set it to {most} or fewer"
            )
    if "numpy" not in sys.modules:
        for name in THREADS:
            os.environ[name] = str(wanted or os.environ.get(name, 1))


# fmt: off
def parser() -> Parser:
    """All commands and their options."""
    top = Parser(
        prog="minprune",
        description="Train, prune, fine-tune and measure neural nets.",
        epilog="Example: minprune run --sparsity 0.95 --criterion magnitude",
    )
    top.add_argument("--version", action="version", version=f"minprune {__version__}")
    commands = top.add_subparsers(dest="command", required=True, metavar="COMMAND")
    _job(
        commands, RunSettings,
        help="train a net, prune it, fine-tune it, and show what that cost",
        description="Train a net, prune it, fine-tune it, make it smaller, run it on sparse "
        "kernels; print one table and write a report.",
        epilog="Example: minprune run --criterion taylor --unit --sparsity 0.5",
    )
    compare = _job(
        commands, CompareSettings,
        help="compare criteria, or methods, at several sparsities, over several seeds",
        description="Train one net for each seed; prune it by every criterion at every sparsity, "
        "and fine-tune with equal budgets; or train and prune it by every one of --methods. Print "
        "tables and write compare.html.",
        epilog="Examples: minprune compare --criteria magnitude,taylor,random --seeds 5; "
        "minprune compare --methods finetune,lr_rewind,gradual",
    )
    compare.add_argument("--workers", type=count, metavar="N",
        help="processes that work at the same time, with one thread each (default: 1); the same "
        "result for any number")
    compare.add_argument("--retry", action="store_true", default=False,
        help="as --resume, but cells that failed run again")
    compare.add_argument("--dask", metavar="HOST:PORT",
        help="work on the cluster of that Dask scheduler instead")
    compare.add_argument("--mpi", action="store_true", default=False,
        help="work in the processes of mpiexec -n N minprune compare --mpi instead")
    results = commands.add_parser(
        "results",
        help="print the tables of comparisons from their databases",
        description="Print the tables of a comparison from its runs.db, or of several that were "
        "made with the same settings, on one machine or on several.",
        epilog="Example: minprune results seeds-0-2/runs.db seeds-3-5/runs.db --csv",
    )
    results.add_argument("files", metavar="FILE", nargs="+",
        help="a runs.db of minprune compare, or its folder")
    results.add_argument("--csv", dest="as_csv", action="store_true", default=False,
        help="print a line for each net")
    info = commands.add_parser(
        "info",
        help="describe a saved model",
        description="Print the net, the counts, the sparsity and the bytes of a saved model.",
    )
    info.add_argument("file", metavar="FILE", help="a model, such as fine-tuned.npz")
    _own_layers(info)
    _why(commands)
    _page(commands)
    _export(commands)
    _import(commands)
    commands.add_parser(
        "methods",
        help="list what minprune run --method takes",
        description="Print each method, what it does, and the settings at which it is plain "
        "training.",
        epilog="Example: minprune run --method lottery_ticket --set rounds=3",
    )
    explain = commands.add_parser(
        "explain",
        help="explain a criterion, method, plan, schedule, sparse format or law",
        description="Print what it computes, an example step by step, its code, where it fails, "
        "what it costs and which laws it obeys.",
        epilog="Example: minprune explain obd",
    )
    add = explain.add_argument
    add("name", metavar="NAME", nargs="?", help="such as obd, gradual, cubic, CSR, 'any layout'")
    add("--kind", metavar="KIND", help="where several kinds of thing have the name")
    add("--list", dest="listed", action="store_true", help="print all names")
    add("--html", metavar="FILE", help="write a page, with pictures, instead")
    add("--all", dest="whole", action="store_true", help="write all pages and an index")
    add("--out", metavar="FOLDER", help="where --all writes")
    lesson = commands.add_parser(
        "lesson",
        help="read and run a lesson of the course on pruning",
        description="List the twelve lessons, or run one: words, code and what it prints.",
        epilog="Example: minprune lesson 1",
    )
    lesson.add_argument("number", metavar="NUMBER", nargs="?", type=count, help="from 1 to 12")
    _how_much(commands)
    _verify(commands)
    return top


def _job(commands: Any, kind: type[Settings], **words: str) -> Any:
    """A job's command: its options are the fields of its settings, where the defaults stand too."""
    job = commands.add_parser(kind.command, argument_default=argparse.SUPPRESS, **words)
    for f in fields(kind):
        how = {k: v for k, v in f.metadata.items() if k in ("type", "metavar", "choices")}
        default = f.default_factory() if callable(f.default_factory) else f.default
        shown = ",".join(map(str, default)) if isinstance(default, list) else default
        usual = "" if default in (None, False, {}) else f" (default: {shown})"
        if isinstance(default, bool):
            how = {"action": "store_true"}
        if isinstance(default, dict):
            how |= {"action": Collect}
        job.add_argument(f"--{f.name.replace('_', '-')}", help=f.metadata["words"] + usual, **how)
    add = job.add_argument
    add("--threads", type=count, default=None, metavar="N",
        help="threads for matrix products (default: OPENBLAS_NUM_THREADS, or 1, which gives the "
        "same bits whatever the number of cores and is fast for small nets)")
    add("--resume", action="store_true", default=False,
        help="continue a job that was stopped, from the files in its folder")
    add("--quiet", action="store_true", default=False, help="show no progress")
    add("--json", action="store_true", default=False,
        help="print the result as JSON instead of tables")
    return job


def _own_layers(command: Any) -> None:
    """The option of what reads a saved model."""
    command.add_argument("--import", dest="module", metavar="MODULE",
        help="import this module first, which registers layers of the model by @mp.layer")


def _import(commands: Any) -> None:
    """The options of `minprune import`."""
    command = commands.add_parser(
        "import",
        help="make a saved model of the weights of another program",
        description="Read a .safetensors file, an .npz of arrays, a PyTorch state_dict (.pt) or "
        "an .onnx file, check each name and shape, and save a model. An .onnx file needs no --net.",
        epilog="Example: minprune import state.pt --net mypkg.nets:lenet --out model.npz",
    )
    add = command.add_argument
    add("file", metavar="FILE", help="the weights; their kind is told from what the file holds")
    add("--net", metavar="NAME", help="the net, as for minprune run")
    add("--out", metavar="FILE", required=True, help="the model to write, such as model.npz")
    add("--data", default="digits", metavar="DATA",
        help="the data that the net is sized for, as for minprune run (default: digits)")
    add("--layout", default="torch", metavar="LAYOUT",
        help="how the arrays lie, torch or keras (default: torch)")
    add("--rename", type=rename, action=Collect, default={}, metavar="THEIRS=OURS",
        help="the name of a layer or array there, and ours; may be repeated")


def _why(commands: Any) -> None:
    """The options of `minprune why`."""
    command = commands.add_parser(
        "why",
        help="tell why a weight or a unit of a saved model was removed or kept",
        description="Print the score, rank and threshold of a weight or a unit, what other "
        "criteria say of it, what is tied to it, and how the loss changes without it. In the "
        "folder of minprune run its data, its criterion and dense.npz are used.",
        epilog="Example: minprune why pruned.npz 'conv1.weight[3,0,1,1]'",
    )
    add = command.add_argument
    add("file", metavar="FILE", help="a model with masks, such as pruned.npz")
    add("place", metavar="WEIGHT", nargs="?", help="a weight and its indices, from 0")
    add("--unit", metavar="LAYER:UNIT", help="instead of a weight: a neuron or filter, from 0")
    add("--before", metavar="FILE", help="the model that was scored (default: dense.npz beside it)")
    add("--data", metavar="DATA", help="as for minprune run (default: that of the run, or digits)")
    add("--criterion", dest="by", metavar="NAME",
        help="what the masks were chosen by (default: that of the run, or magnitude)")
    _own_layers(command)


def _page(commands: Any) -> None:
    """The options of `minprune page`."""
    command = commands.add_parser(
        "page",
        help="write a page in which a small net is pruned by hand",
        description="Write one HTML file, without anything from the network, with a slider for the "
        "sparsity: masks, accuracy and confusions of a net of dense layers on the digits.",
        epilog="Example: minprune page --out page.html",
    )
    command.add_argument("file", metavar="FILE", nargs="?",
        help="a model of dense layers on the digits (default: one that is trained now)")
    command.add_argument("--out", metavar="FILE", default="page.html",
        help="the file to write (default: page.html)")


def _export(commands: Any) -> None:
    """The options of `minprune export`."""
    command = commands.add_parser(
        "export",
        help="write a saved model for other programs",
        description="Write a saved model in a form that runs without minprune.",
        epilog="Example: minprune export sparse.npz --to numpy --out numpy",
    )
    add = command.add_argument
    add("file", metavar="FILE", help="a model, such as sparse.npz")
    add("--to", required=True, metavar="TARGET",
        help="numpy: a small .npz and its runner; onnx: a file for onnxruntime and others; c: C99, "
        "with int8 weights; safetensors: the arrays alone")
    add("--name", default="net", metavar="NAME",
        help="of the files, and of what is inside (default: net)")
    add("--format", metavar="FORMAT",
        help="in C: dense, csr, csc, delta8, bitmask, or auto: the smallest of the fast ones")
    add("--out", metavar="DIR", help="the folder (default: FILE-TARGET, beside the file)")
    add("--weights", choices=("float32", "int8"), default="float32",
        help="int8: all of it in integers, which needs --calibrate (default: float32)")
    add("--calibrate", metavar="DATA",
        help="data, as for minprune run, whose values give the ranges of int8")
    add("--check", action="store_true", default=False,
        help="compare the outputs of what was written with those of the model, on samples")
    _own_layers(command)


def _how_much(commands: Any) -> None:
    """The options of `minprune sensitivity` and `minprune find-sparsity`."""
    each = commands.add_parser(
        "sensitivity",
        help="prune each layer of a saved model alone, and show its accuracy",
        description="Prune each layer alone to several sparsities, the others as they are, without "
        "retraining, and print the validation accuracy.",
        epilog="Example: minprune sensitivity dense.npz --criterion taylor --plot layers.svg",
    )
    find = commands.add_parser(
        "find-sparsity",
        help="find a sparsity at which accuracy falls by a tolerance",
        description="Find a sparsity of a saved model at which validation accuracy crosses the "
        "tolerance, by bisection, without retraining. There may be others: --scan.",
        epilog="Example: minprune find-sparsity dense.npz --tolerance 0.02 --out pruned.npz",
    )
    for command in (each, find):
        add = command.add_argument
        add("file", metavar="FILE", help="a model, such as dense.npz")
        add("--data", default="digits", metavar="DATA",
            help="the data, as for minprune run (default: digits)")
        add("--criterion", default="magnitude", metavar="NAME",
            help="what goes first; package.module:function too (default: magnitude)")
        add("--unit", action="store_true", help="prune whole units instead of weights")
        add("--quiet", action="store_true", help="show no progress")
        add("--json", action="store_true", dest="as_json", help="print JSON")
        _own_layers(command)
    each.add_argument("--plot", metavar="FILE", help="write a picture, such as layers.svg")
    add = find.add_argument
    add("--tolerance", type=float, default=0.01, metavar="SHARE",
        help="the loss of accuracy that is allowed (default: 0.01, one point)")
    add("--layer", metavar="NAME", help="prune this layer alone")
    add("--scan", action="store_true", help="list all crossings on a grid of 100 steps")
    add("--out", metavar="FILE", help="save the pruned model")


def _verify(commands: Any) -> None:
    """The options of `minprune verify`."""
    verify = commands.add_parser(
        "verify",
        help="check a pruning function of your own against the laws of its kind",
        description="Run every law of a kind on a function, and show the smallest counterexample "
        "to each law that it breaks. Exit code 0: all laws hold; 1: one is broken; 2: usage error.",
        epilog="Example: minprune verify mypkg.prune:select --kind selector",
    )
    add = verify.add_argument
    add("name", metavar="MODULE:FUNCTION", nargs="?",
        help="a function that can be imported from here, such as mypkg.prune:select")
    add("--kind", metavar="KIND",
        help=f"{', '.join(FUNCTION_KINDS)}; --list describes them")
    add("--as", dest="like", metavar="NAME",
        help="what it must equal: a criterion, schedule, allocation, pattern (2:4, 4x4), step of "
        "OBS, ...; any: a selector with a tie rule of its own")
    add("--against", metavar="MODULE:FUNCTION",
        help="for a kernel: its slow twin; for a gradient: the function that it is the gradient "
        "of; for a Hessian product: the gradient; for a sparse format: what makes it dense again")
    add("--draw", metavar="MODULE:FUNCTION",
        help="a function of a numpy Generator that makes the arguments of a kernel or gradient")
    add("--given", dest="facts", metavar="NAME=VALUE", nargs="+", action="extend", default=[],
        help="final=0.8 span=100 for a schedule; needs=weights,grads unit=yes for a criterion; "
        "scope=layer count=any for a selector")
    add("--torch", action="store_true", default=False,
        help="the functions take and return tensors of torch")
    add("--examples", type=count, metavar="N", help="number of examples for each law")
    add("--seed", type=int, default=0, help="same seed, same examples (default 0)")
    add("--self", dest="own", action="store_true",
        help="check the functions of minprune instead, those of --kind if it is given")
    add("--export", metavar="FILE", help="write oracles.json: small nets and expected results")
    add("--list", dest="listed", action="store_true",
        help="print what a function of each kind takes and returns, and what --as and --given take")
# fmt: on


def say(message: object, *where: object, **more: object) -> None:
    """A warning as one line, without the place in the code."""
    tell(f"minprune: {message}")


def main(argv: list[str] | None = None, begin: Callable[[], object] = list) -> int:
    """Run a command; the exit code: 0; 2: usage error; 1: failure while running

    begin: called once all is imported, when the work begins; from there on Ctrl-C is an exception
    """
    given = sys.argv[1:] if argv is None else argv
    for stream in (sys.stdout, sys.stderr):
        with suppress(AttributeError):  # there may be no console, or one of another kind
            stream.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]
    name = ""
    try:
        args = vars(parser().parse_args(given))
        name = args.pop("command")
        with warnings.catch_warnings():
            warnings.showwarning = say
            limit_threads(args.pop("threads", None))
            told.update(("threads", "compiling"))  # the command sets the threads, and compiles
            work = COMMANDS[name](name, given, **args)
            begin()
            text, ok = work()
    except SystemExit as e:  # --help, or a usage error
        return show("") or int(e.code or 0)
    except MinpruneError as e:
        tell(f"minprune: {e}")
        return 2 if isinstance(e, ArgumentError | DataError | MissingError) else 1
    except KeyboardInterrupt:
        again = f"continue with: {restart(given)} --resume"
        how = again if COMMANDS.get(name) is job else "no half-written file is left"
        tell(f"minprune: stopped; {how}")
        return 130
    except OSError as e:
        tell(f"minprune: {e.filename or name}: {e.strerror or e}")
        return 1
    return show(f"{text}\n") or int(not ok)


def show(text: str) -> int:
    """Print to stdout; the exit code: 0, 141 for a closed pipe, 1 for a full disk"""
    try:
        print(text, end="", flush=True)
    except OSError as e:
        with suppress(OSError, ValueError):  # Python would complain again at its end
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        if isinstance(e, BrokenPipeError):
            return 141
        tell(f"minprune: stdout cannot be written ({e.strerror}); print to another place")
        return 1
    return 0


def restart(given: list[str]) -> str:
    """The command that starts the job from the beginning."""
    return shlex.join(
        ["minprune", *(word for word in given if word not in ("--resume", "--retry"))]
    )


Work = Callable[[], tuple[str, bool]]  # what to print, and whether all is well


def job(
    name: str, given: list[str], /, *, quiet: bool, json: bool, resume: bool, **asked: Any
) -> Work:
    """The tables of a run or of a comparison, or its result as JSON."""
    from minprune.jobs.job import as_json

    module, own = import_module(f"minprune.jobs.{name}"), {f.name for f in fields(JOBS[name])}
    settings = JOBS[name](**{k: v for k, v in asked.items() if k in own})
    how = {k: v for k, v in asked.items() if k not in own}  # where it runs, not what

    def work() -> tuple[str, bool]:
        result = module.run(settings, quiet=quiet, command=restart(given), resume=resume, **how)
        return as_json(result) if json else str(module.text(result)), True

    return work


def results(name: str, given: list[str], /, *, files: list[str], as_csv: bool) -> Work:
    """The tables of a comparison, or all its nets as CSV."""
    from minprune.jobs.results import results as found

    return lambda: (found(files, as_csv), True)


def info(name: str, given: list[str], /, *, file: str, module: str | None) -> Work:
    """A saved model as text."""
    from minprune.arguments import imported
    from minprune.jobs.info import info as about

    if module is not None:
        imported(module)
    return lambda: (about(file), True)


def why(name: str, given: list[str], /, *, module: str | None, **asked: Any) -> Work:
    """Why a weight or a unit was removed or kept."""
    from minprune.arguments import imported
    from minprune.jobs.why import why as found

    if module is not None:
        imported(module)
    return lambda: (found(**asked), True)


def page(name: str, given: list[str], /, *, file: str | None, out: str) -> Work:
    """A page in which a net is pruned."""
    from minprune.jobs.interactive import page as written

    return lambda: (written(file, out), True)


def import_weights(name: str, given: list[str], /, **asked: Any) -> Work:
    """The weights of another program as a saved model."""
    from minprune.jobs.import_weights import import_weights as made

    return lambda: (made(**asked), True)


def export(name: str, given: list[str], /, *, module: str | None, **asked: Any) -> Work:
    """A saved model for other programs."""
    from minprune.arguments import imported
    from minprune.jobs.export import export as written

    if module is not None:
        imported(module)
    return lambda: (written(**asked), True)


def list_methods(name: str, given: list[str], /) -> Work:
    """The methods of `minprune run` as text."""
    from minprune.jobs.procedures import listed

    return lambda: (listed(), True)


def explain(command: str, given: list[str], /, **asked: Any) -> Work:
    """Explanations; their nets are so small that loading Numba would take longer than it saves."""
    os.environ.setdefault("MINPRUNE_KERNELS", "numpy")
    from minprune.jobs import explain as about

    return lambda: (about.run(**asked), True)


def lesson(name: str, given: list[str], /, *, number: int | None) -> Work:
    """A lesson, or the list of all; small nets, as those of explanations."""
    os.environ.setdefault("MINPRUNE_KERNELS", "numpy")
    from minprune.jobs import course

    return lambda: (course.run(number), True)


def how_much(name: str, given: list[str], /, **asked: Any) -> Work:
    """What may go of a saved model, as text or JSON."""
    from minprune.arguments import imported
    from minprune.jobs import how_much

    if (module := asked.pop("module")) is not None:
        imported(module)

    jobs: dict[str, Callable[..., str]] = {
        "sensitivity": how_much.each_layer,
        "find-sparsity": how_much.one_sparsity,
    }
    file, data, criterion = (asked.pop(key) for key in ("file", "data", "criterion"))
    return lambda: (jobs[name](file, data, criterion, **asked), True)


def check(name: str, given: list[str], /, **asked: Any) -> Work:
    """The verdicts as text, and whether all laws hold."""
    from minprune.verify import command

    return partial(command.run, **asked)


JOBS: dict[str, type[Settings]] = {"run": RunSettings, "compare": CompareSettings}
COMMANDS: dict[str, Callable[..., Work]] = {
    "run": job, "compare": job, "results": results, "info": info, "why": why, "page": page,
    "methods": list_methods,
    "export": export, "import": import_weights, "verify": check,
    "explain": explain, "lesson": lesson,
    "sensitivity": how_much, "find-sparsity": how_much,
}  # fmt: skip
