"""The pickles of PyTorch, read without pickle: dicts, tensors, and what describes them.

A pickle is a program for a machine with a stack. pickletools takes it apart and runs nothing; the
few instructions that make plain values, dicts and tensors are carried out here. Names of classes
and functions are looked up in KNOWN alone: nothing is imported or called. All else is refused by
its name.
"""

import pickletools
from collections.abc import Callable
from typing import Any, NamedTuple

from minprune.errors import FileError
from minprune.files.numbers import numbers_in

MOST = 2**22  # bytes of a program
STEPS = 2**19  # instructions of one: each makes a small value at most
SAVE = "save the tensors alone, by torch.save(model.state_dict(), path)"
MARK = object()
LISTS = ("EMPTY_LIST", "LIST")


class Name(NamedTuple):
    """A class or function, by name: never imported."""

    text: str


class Storage(NamedTuple):
    """A row of numbers in an entry of its own      kind: as NumPy calls it; "": bytes"""

    kind: str
    key: str
    n: int


class Tensor(NamedTuple):
    """a[i, j] = row[offset + i strides[0] + j strides[1]]"""

    storage: Storage
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]
    kind: str  # what its numbers are, also where the storage is one of bytes


# what a storage holds
STORAGES = {
    "Float": "float32", "Double": "float64", "Half": "float16", "BFloat16": "bfloat16",
    "Long": "int64", "Int": "int32", "Short": "int16", "Char": "int8", "Byte": "uint8",
    "Bool": "bool", "ComplexFloat": "complex64", "ComplexDouble": "complex128",
}  # fmt: skip
TYPES = {f"torch.{kind}": kind for kind in (*STORAGES.values(), "uint16", "uint32", "uint64")}
ROWS = {f"torch.{name}Storage": kind for name, kind in STORAGES.items()}
ROWS |= {"torch.storage.UntypedStorage": "", "torch.UntypedStorage": ""}


def _tensor(storage: Any, offset: Any, shape: Any, strides: Any, *more: Any) -> Tensor:
    """Of `_rebuild_tensor_v2`, and of `_rebuild_tensor_v3`, where `more` holds a type too"""
    if not isinstance(storage, Storage) or type(shape) is not tuple or type(strides) is not tuple:
        raise FileError(f"a tensor must have a storage, a shape and strides; {SAVE}")
    numbers_in("a tensor", shape)
    if len(shape) != len(strides) or any(type(v) is not int or v < 0 for v in (offset, *strides)):
        raise FileError(f"a tensor of shape {shape} must have a place and a stride a side; {SAVE}")
    if any(isinstance(m, dict) and m for m in more[2:]):  # what comes after the hooks
        raise FileError(
            "a tensor must be stored itself, not as the conjugate or negative of another; save "
            "tensor.resolve_conj().resolve_neg()"
        )
    named = [TYPES[m.text] for m in more if isinstance(m, Name) and m.text in TYPES]
    kind = storage.kind or (named or [""])[0]
    if not kind:
        raise FileError(f"the dtype of a tensor must be one of {', '.join(TYPES)}; convert it")
    return Tensor(storage, offset, shape, strides, kind)


def _itself(tensor: Any, *more: Any) -> Tensor:
    if not isinstance(tensor, Tensor):
        raise FileError(f"a parameter must be a tensor, not {_said(tensor)}; {SAVE}")
    return tensor


KNOWN: dict[str, Callable[..., Any] | None] = {  # None: only mentioned
    "collections.OrderedDict": lambda: {}, "torch._utils._rebuild_tensor_v2": _tensor,
    "torch._utils._rebuild_tensor_v3": _tensor, "torch._utils._rebuild_parameter": _itself,
    **dict.fromkeys(ROWS), **dict.fromkeys(TYPES),
}  # fmt: skip


class Machine:
    """Runs one program: `result` is the value that it ends with; raises FileError otherwise."""

    def __init__(self, program: bytes) -> None:
        if len(program) > MOST:
            raise FileError(f"its data.pkl must have at most {MOST} bytes; {SAVE}")
        self.stack: list[Any] = []
        self.memo: dict[int, Any] = {}
        for k, (op, arg, _) in enumerate(pickletools.genops(program)):
            if k == STEPS:
                raise FileError(f"its data.pkl must have at most {STEPS} instructions; {SAVE}")
            if op.name in MAKES:
                self.stack.append(MAKES[op.name](self, arg))
            elif op.name in DOES:
                DOES[op.name](self, arg)
            else:
                raise _refused("a list" if op.name in LISTS else f"what {op.name} makes")
        self.result = self.stack.pop()

    def marked(self) -> tuple[Any, ...]:
        """What lies above the last mark, which goes too"""
        found: list[Any] = []
        while (top := self.stack.pop()) is not MARK:
            found.append(top)
        return tuple(found[::-1])

    def last(self, n: int) -> tuple[Any, ...]:
        return tuple(self.stack.pop() for _ in range(n))[::-1]

    def put(self, key: int | None) -> None:
        self.memo[len(self.memo) if key is None else key] = self.stack[-1]

    def fill(self, pairs: tuple[Any, ...]) -> None:
        """Put keys and values into the dict on top of the stack"""
        if type(self.stack[-1]) is not dict:
            raise _refused(_said(self.stack[-1]))
        for key, value in zip(pairs[::2], pairs[1::2], strict=True):
            if type(key) is not str:  # numbers can be chosen to have one hash
                raise FileError(f"its keys must be texts, not {_said(key)}; {SAVE}")
            self.stack[-1][key] = value

    def build(self) -> None:
        """Leave out the attributes of a dict, such as the versions of its layers"""
        self.stack.pop()
        self.fill(())


MAKES: dict[str, Callable[[Machine, Any], Any]] = {  # what an instruction puts on the stack
    "NONE": lambda m, arg: None, "NEWTRUE": lambda m, arg: True, "NEWFALSE": lambda m, arg: False,
    "EMPTY_TUPLE": lambda m, arg: (), "EMPTY_DICT": lambda m, arg: {}, "MARK": lambda m, arg: MARK,
    **dict.fromkeys(
        ("BININT", "BININT1", "BININT2", "LONG1", "BINFLOAT", "BINUNICODE", "SHORT_BINUNICODE"),
        lambda m, arg: arg,
    ),
    "TUPLE": lambda m, arg: m.marked(), "TUPLE1": lambda m, arg: m.last(1),
    "TUPLE2": lambda m, arg: m.last(2), "TUPLE3": lambda m, arg: m.last(3),
    "BINGET": lambda m, arg: m.memo[arg], "LONG_BINGET": lambda m, arg: m.memo[arg],
    "GLOBAL": lambda m, arg: _name(arg.replace(" ", ".", 1)),
    "STACK_GLOBAL": lambda m, arg: _name(".".join(m.last(2))),
    "BINPERSID": lambda m, arg: _storage(*m.last(1)),
    "REDUCE": lambda m, arg: _called(*m.last(2)),
}  # fmt: skip
DOES: dict[str, Callable[[Machine, Any], Any]] = {
    **dict.fromkeys(("PROTO", "FRAME", "STOP"), lambda m, arg: None),
    **dict.fromkeys(("BINPUT", "LONG_BINPUT", "MEMOIZE"), Machine.put),
    "SETITEM": lambda m, arg: m.fill(m.last(2)),
    "SETITEMS": lambda m, arg: m.fill(m.marked()),
    "BUILD": lambda m, arg: m.build(),
}


def _name(text: str) -> Name:
    if text not in KNOWN:
        raise _refused(text)
    return Name(text)


def _called(name: Any, given: Any) -> Any:
    """What a known function makes of its arguments"""
    make = KNOWN[name.text] if isinstance(name, Name) else None
    if make is None or type(given) is not tuple:
        raise _refused("a call")
    return make(*given)


def _storage(found: Any) -> Storage:
    word, row, key, _, n = found
    if word != "storage" or not isinstance(row, Name) or row.text not in ROWS:
        raise FileError(f"a storage must be one of numbers, not {_said(row)}; {SAVE}")
    if type(key) is not str or type(n) is not int or n < 0:
        raise FileError(f"a storage must have a key and a size, not {key!r} and {n!r}; {SAVE}")
    return Storage(ROWS[row.text], key, n)


def _refused(what: str) -> FileError:
    return FileError(f"it must hold tensors and dicts alone, not {what}; {SAVE}")


def _said(found: Any) -> str:
    return found.text if isinstance(found, Name) else f"of type {type(found).__name__}"
