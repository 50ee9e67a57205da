"""The options of `minprune run` and `compare`: default, help and bounds of each, once.

The command line, the checks and the jobs read them here. Imports nothing that is slow, since the
command line sets the number of threads before NumPy is loaded.
"""

import json
import zlib
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, ClassVar, Literal, TypeVar

EPOCHS, EPOCHS_OF_DIGITS = 10, 30  # of training, where --epochs is not given
WEIGHT_DECAY = 5e-4  # of SGD in every training
LAST_RATE = 0.01  # of the first, with --methods
ALL = "all"  # for --methods
FORMS = ("c", "numpy")  # for --export
SIDES = (("lenet_5", 16), ("cnn_small", 4), ("mlp", 0))  # the net for images of at least that side

WORDS = {  # what a setting is called in the name of a folder
    "criteria": "", "sparsities": "at", "seeds": "seeds", "scope": "", "epochs": "epochs",
    "fine_tune": "tune", "samples": "samples", "batch_size": "batch", "lr": "lr", "methods": "",
    "rounds": "rounds", "last_rate": "last", "export": "export",
}  # fmt: skip
LONGEST = 100  # characters of a name
Kind = TypeVar("Kind", bound="Settings")


def option(default: Any, words: str, **how: Any) -> Any:
    """A field of Settings: its default, and what the command line says and accepts

    how: "type", "metavar" and "choices" of argparse; "least": the least integer that is accepted;
    "check": another check, one of those in jobs/checks.py. A default other than None and False is
    added to the help.
    """
    many = isinstance(default, list | dict)
    make = {"default_factory": default.copy} if many else {"default": default}
    return field(**make, metadata={"words": words, **how})


def names(given: str) -> list[str]:
    """ "magnitude,obd" -> ["magnitude", "obd"]"""
    return [name.strip() for name in given.split(",") if name.strip()]


def numbers(given: str) -> list[float]:
    """ "0.5,0.9" -> [0.5, 0.9]"""
    from argparse import ArgumentTypeError

    try:
        return [float(share) for share in given.split(",")]
    except ValueError:
        raise ArgumentTypeError(f"{given!r} must be a list of numbers such as 0.5,0.9") from None


def setting(given: str) -> tuple[str, Any]:
    """ "rounds=3" -> ("rounds", 3): a name, and a value as JSON, else text"""
    from argparse import ArgumentTypeError

    name, equals, value = given.partition("=")
    if not equals or not name.strip():
        raise ArgumentTypeError(f"{given!r} must be NAME=VALUE, such as rounds=3")
    try:
        return name.strip(), json.loads(value)
    except (ValueError, RecursionError):
        return name.strip(), value


def seeds(given: str) -> int | list[int]:
    """ "3" -> 3, that many; "4,5,6" -> [4, 5, 6]"""
    from argparse import ArgumentTypeError

    try:
        found = [int(seed) for seed in given.split(",") if seed.strip() or "," not in given]
        return found if "," in given else found[0]
    except ValueError:
        raise ArgumentTypeError(
            f"{given!r} must be a number of seeds, such as 3, or seeds such as 4,5,6"
        ) from None


@dataclass(frozen=True)
class Settings:
    """The options of both jobs; None: what suits the data."""

    command: ClassVar[str]

    data: str = option(
        "digits", "the embedded 8 x 8 digits, or a .csv file with a column class (or "
        "FILE.csv:COLUMN), an .npz file with x and y, a folder of images by class, or a folder in "
        "the format of MNIST",
        metavar="digits|PATH",
    )  # fmt: skip
    net: str | None = option(
        None, "mlp, lenet_300_100, lenet_5, cnn_small, conv_4 or resnet_small, or "
        "package.module:function, which makes a net of (data, seed=) "
        "(default: lenet_5 for images of at least 16 x 16, cnn_small for smaller ones, mlp for "
        "what is no image)",
        check="net",
    )  # fmt: skip
    unit: bool = option(
        False, "prune units (neurons, filters) with all that is tied to them, not single weights"
    )
    epochs: int | None = option(
        None, f"epochs of training (default: {EPOCHS_OF_DIGITS} on the digits, {EPOCHS} on other "
        "data)", type=int, metavar="N", least=0,
    )  # fmt: skip
    fine_tune: int | None = option(
        None, "epochs after pruning (default: as --epochs)", type=int, metavar="N", least=0
    )
    batch_size: int = option(64, "samples in a step", type=int, metavar="N", least=1)
    lr: float = option(
        0.05, "learning rate of SGD, decreased by a cosine in each phase", type=float,
        metavar="RATE", check="number",
    )  # fmt: skip
    out: str | None = option(
        None, "folder for all files (default: in runs/, named by the settings)", metavar="FOLDER"
    )


@dataclass(frozen=True)
class RunSettings(Settings):
    """The options of `minprune run`."""

    command = "run"

    criterion: str | None = option(
        None, "name of a criterion (the README lists all), or package.module:function (default: "
        "magnitude; with --method, that of the method)", metavar="NAME", check="criterion",
    )  # fmt: skip
    sparsity: float = option(
        0.9, "share of the weights, or units, to prune", type=float, metavar="SHARE",
        check="share",
    )  # fmt: skip
    scope: Literal["global", "layer"] = option(
        "global", "compare all weights with each other, or prune each layer by that share",
        choices=("global", "layer"),
    )  # fmt: skip
    seed: int = option(0, "same seed, same bits", type=int, metavar="N", least=0)
    method: str | None = option(
        None,
        "another procedure; minprune methods lists them; or package.module:name",
        metavar="NAME",
        check="method",
    )
    set: dict[str, Any] = option(  # noqa: RUF009
        {}, "a setting of the method, as JSON or text, such as rounds=3; may be repeated",
        type=setting, metavar="NAME=VALUE",
    )  # fmt: skip
    export: list[str] | None = option(  # noqa: RUF009
        None, "write the last model for other places too, in float32 and int8, and measure it: "
        "c, numpy, or c,numpy", type=names, metavar="FORM,...", check="form",
    )  # fmt: skip


@dataclass(frozen=True)
class CompareSettings(Settings):
    """The options of `minprune compare`; lists, not tuples, as result.json gives them back."""

    command = "compare"

    criteria: list[str] | None = option(  # noqa: RUF009
        None, "criteria to compare, package.module:function among them (default: all that can "
        "score what is pruned and are not too slow)", type=names, metavar="NAME,NAME,...",
        check="criterion",
    )  # fmt: skip
    sparsities: list[float] = option(  # noqa: RUF009
        [0.5, 0.7, 0.8, 0.9, 0.95], "shares of the weights, or units, to prune", type=numbers,
        metavar="S,S,...", check="share",
    )  # fmt: skip
    seeds: int | list[int] = option(  # noqa: RUF009
        3, "number of nets, with seeds 0, 1, ..., or the seeds themselves, such as 4,5,6",
        type=seeds, metavar="N|N,N,...", least=1, each=0,
    )  # fmt: skip
    fine_tune: int = option(10, "epochs after pruning", type=int, metavar="N", least=0)
    samples: int = option(
        1_000, "samples of the training part that scores are computed from (methods score on all)",
        type=int, metavar="N", least=1,
    )  # fmt: skip
    methods: list[str] | None = option(  # noqa: RUF009
        None, "procedures to compare instead, each by every one of --criteria that it takes: "
        "finetune, gradual, ... as minprune methods lists them, package.module:name, or all",
        type=names, metavar="NAME,NAME,...", check="methods",
    )  # fmt: skip
    rounds: int | None = option(
        None, "with --methods: prunings, each followed by --fine-tune epochs (default: 1)",
        type=int, metavar="N", least=1,
    )  # fmt: skip
    last_rate: float | None = option(
        None, "with --methods: the last learning rate of each training, at which finetune "
        f"continues, as a share of --lr (default: {LAST_RATE})", type=float, metavar="SHARE",
        check="share",
    )  # fmt: skip


def seeds_of(s: CompareSettings) -> list[int]:
    """The seeds themselves."""
    return list(range(s.seeds)) if isinstance(s.seeds, int) else list(s.seeds)


def usual_epochs(data: str) -> int:
    """The epochs of training for that data, where --epochs is not given."""
    return EPOCHS_OF_DIGITS if data == "digits" else EPOCHS


def filled(s: Kind, shape: tuple[int, ...]) -> Kind:
    """The settings with what suits data of that shape where they leave net or epochs open."""
    least = min(shape[1:]) if len(shape) == 3 else 0  # of images
    net = s.net or next(net for net, side in SIDES if least >= side)
    epochs = usual_epochs(s.data) if s.epochs is None else s.epochs
    fine_tune = epochs if s.fine_tune is None else s.fine_tune
    found = replace(s, net=net, epochs=epochs, fine_tune=fine_tune)
    if isinstance(found, CompareSettings) and found.methods is not None:
        last = LAST_RATE if found.last_rate is None else found.last_rate
        return replace(found, rounds=found.rounds or 1, last_rate=last)
    return found


def named(base: str, settings: Settings) -> str:
    """runs/base, and what differs from the usual settings: other settings, another folder

    settings: those that `filled` gives.
    digits-mlp-magnitude-0.9-seed0 becomes digits-mlp-magnitude-0.9-seed0-epochs2-lr0.1.
    """
    name, usual = base, type(settings)(epochs=usual_epochs(settings.data))
    if usual.fine_tune is None:
        usual = replace(usual, fine_tune=settings.epochs)
    if isinstance(usual, CompareSettings) and getattr(settings, "methods", None) is not None:
        usual = replace(usual, rounds=1, last_rate=LAST_RATE)
    for key, word in WORDS.items():
        value = getattr(settings, key, None)
        if value != getattr(usual, key, None):
            name += f"-{word}{'+'.join(map(str, value)) if isinstance(value, list) else value}"
    name = name.replace(":", ".")  # of a function of one's own
    if len(name) > LONGEST:
        name = f"{name[: LONGEST - 9]}-{zlib.crc32(name.encode()):08x}"
    return str(Path("runs", name))
