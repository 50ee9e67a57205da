"""The kit on procedures: right ones pass; each law has planted bugs that it rejects."""

from collections.abc import Callable
from typing import Any

import pytest
from planted_procedures import (
    COUNTED_RIGHT,
    COUNTED_WRONG,
    GROW_RIGHT,
    GROW_WRONG,
    REWIND_RIGHT,
    REWIND_WRONG,
    ROUNDS_RIGHT,
    ROUNDS_WRONG,
)

from minprune.errors import ArgumentError
from minprune.verify import check_counted, check_drop_and_grow, check_rewind, check_rounds
from minprune.verify.procedures import counted, drop_and_grow, rewind, rounds
from minprune.verify.verdict import Verdicts

Check = Callable[..., Verdicts]


def of_counted(row: Any, **how: Any) -> Verdicts:
    return check_counted(row[1], **(row[2] if len(row) > 2 else {}), **how)


def of_rounds(row: Any, **how: Any) -> Verdicts:
    return check_rounds(row[1], row[2], **(row[3] if len(row) > 3 else {}), **how)


def of_rewind(row: Any, **how: Any) -> Verdicts:
    return check_rewind(row[1], row[2], **how)


def of_grow(row: Any, **how: Any) -> Verdicts:
    return check_drop_and_grow(row[1], row[2], **(row[3] if len(row) > 3 else {}), **how)


# check: right rows, wrong rows, its laws, and what each law rejects
KINDS: dict[Check, tuple[Any, Any, Any, dict[str, tuple[str, ...]]]] = {
    of_counted: (COUNTED_RIGHT, COUNTED_WRONG, counted.LAWS, {
        "count": ("threshold, ties", "of what is left", "a step behind", "one dict", "floor",
                  "small layers alone", "by layer"),
        "count of many": ("one more of many",), "nothing comes back": ("comes back",),
        "plateau": ("comes back",), "no look ahead": ("looks ahead",), "same bits": ("random",),
        "input untouched": ("zeroes its input",),
    }),
    of_rounds: (ROUNDS_RIGHT, ROUNDS_WRONG, rounds.GENERAL | rounds.LIKE, {
        "count": ("linear targets", "one round short", "power of the round", "last alone",
                  "by layer", "floor"),
        "count of many": ("drift",), "nested": ("revives",), "same bits": ("random",),
        "input untouched": ("in place",), "signs": ("signed",),
        "one shot": ("no weight", "mean of a layer"), "definition": ("dense scores", "magnitude"),
        "definition, larger": ("scores once",), "no collapse": ("scores once",),
    }),
    of_rewind: (REWIND_RIGHT, REWIND_WRONG, rewind.LAWS | rewind.BACK | rewind.STAY, {
        "parts": ("no order",), "masked are 0.0": ("masks forgotten", "masks turned round"),
        "step": ("step of the end", "step 0", "a step further", "schedule stays"),
        "same bits": ("random order",), "input untouched": ("in place",),
        "rewound twice": ("shared order", "shared optimizer"), "live apart": ("rescaled",),
        "weights": ("weights of the end", "through float32"),
        "optimizer": ("momentum of the end", "momentum of zeros", "second moment forgotten"),
        "data order": ("order of the end", "sorted order"), "weights stay": ("weights return",),
    }),
    of_grow: (GROW_RIGHT, GROW_WRONG, drop_and_grow.LAWS | drop_and_grow.RIGL | drop_and_grow.SET, {
        "same count": ("one too few grow", "layers together", "no cap", "drawn with replacement"),
        "moved": ("one too many go", "fraction of all", "regrown"),
        "moved of many": ("drops the largest",),
        "smallest go": ("drops the signed smallest", "regrown at random"),
        "live zeros": ("live zeros tie", "nonzeros are live"),
        "new ones are 0.0": ("new ones at the gradient",),
        "masked are 0.0": ("dropped ones keep weights",),
        "others keep their bits": ("weights doubled",), "state": ("state kept",),
        "nothing to move": ("weights doubled",), "same bits": ("random",),
        "input untouched": ("in place",),
        "where it grows": ("grows the signed largest", "grows the smallest"),
        "where many grow": ("masked gradients",),
        "uniform": ("first free ones", "neighbours", "low ones", "one seed for layers"),
    }),
}  # fmt: skip
RIGHT = [(check, row) for check, (rows, *_) in KINDS.items() for row in rows]
WRONG = [(check, name, law) for check, (*_, told) in KINDS.items()
         for law, names in told.items() for name in names]  # fmt: skip


@pytest.mark.parametrize(("check", "row"), RIGHT, ids=lambda v: v[0] if type(v) is tuple else None)
def test_right_ones_pass(check: Check, row: Any) -> None:
    found = check(row, examples=12)
    assert found.ok, found


@pytest.mark.parametrize(("check", "name", "law"), WRONG)
def test_each_law_rejects_its_planted_bugs(check: Check, name: str, law: str) -> None:
    row = next(row for row in KINDS[check][1] if row[0] == name)
    assert [v.law for v in check(row, examples=40, laws=[law]).broken] == [law]


@pytest.mark.parametrize("check", KINDS)
def test_every_law_and_every_bug_has_a_row(check: Check) -> None:
    _, wrong, laws, told = KINDS[check]
    assert list(told) == list(laws)
    assert {row[0] for row in wrong} == {name for names in told.values() for name in names}


def test_the_sentence_names_the_place() -> None:
    row = next(row for row in REWIND_WRONG if row[0] == "step 0")
    (found,) = check_rewind(row[1], laws=["step"], examples=20).broken
    assert found.sentence == (
        "the schedule continues from the step that was saved, but it continues from step 0, and 1 "
        "was saved"
    )


BAD = (
    (lambda fn: check_counted(fn, scope="net"),  # type: ignore[arg-type]
     "check_counted: scope must be 'global' or 'layer', not 'net'; choose one of them"),
    (lambda fn: check_rounds(fn, "snip"),  # type: ignore[arg-type]
     "check_rounds: like must be None, 'synflow' or 'magnitude', not 'snip'; choose one of them"),
    (lambda fn: check_rewind(fn, "lr"),  # type: ignore[arg-type]
     "check_rewind: like must be 'weights' or 'learning_rate', not 'lr'; choose one of them"),
    (lambda fn: check_drop_and_grow(fn, "rigl", by="size"),  # type: ignore[arg-type]
     "check_drop_and_grow: by must be 'abs' or 'sign', not 'size'; choose one of them"),
)  # fmt: skip


@pytest.mark.parametrize(("call", "text"), BAD, ids=[text.split(":")[0] for _, text in BAD])
def test_what_is_unknown_is_refused(call: Any, text: str) -> None:
    with pytest.raises(ArgumentError) as caught:
        call(lambda *_: {})
    assert caught.value.args == (text,)
