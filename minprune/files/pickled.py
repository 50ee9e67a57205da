"""The pickles of PyTorch, read without pickle: dicts, tensors, and what describes them.

A pickle is a program for a machine with a stack. This one knows the instructions that make plain
values and dicts; names of classes and functions are looked up in `KNOWN` alone, which maps them to
descriptions: nothing is imported or called. Anything else is refused by its name.
"""

import struct
from collections.abc import Callable
from typing import Any, NamedTuple

from minprune.errors import FileError

MOST = 2**22  # bytes of a program
STEPS = 2**19  # instructions of one: each makes a small value at most
SAVE = "save the tensors alone, by torch.save(model.state_dict(), path)"


class Name(NamedTuple):
    """A class or function, by name: never imported."""

    text: str


class Storage(NamedTuple):
    """A row of numbers in an entry of its own      kind: as PyTorch calls it, "float32\""""

    kind: str
    key: str
    n: int


class Tensor(NamedTuple):
    """a[i, j] = row[offset + i strides[0] + j strides[1]]"""

    storage: Storage
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]
    kind: str  # of a storage of bytes: what they mean


class Dict(dict[Any, Any]):
    """An OrderedDict, whose attributes are left out."""


# what a storage holds; "": bytes, whose tensor says what they are
STORAGES = {
    "Float": "float32", "Double": "float64", "Half": "float16", "BFloat16": "bfloat16",
    "Long": "int64", "Int": "int32", "Short": "int16", "Char": "int8", "Byte": "uint8",
    "Bool": "bool", "ComplexFloat": "complex64", "ComplexDouble": "complex128",
}  # fmt: skip
TYPES = {f"torch.{kind}": kind for kind in (*STORAGES.values(), "uint16", "uint32", "uint64")}
ROWS = {f"torch.{name}Storage": kind for name, kind in STORAGES.items()}
ROWS |= {"torch.storage.UntypedStorage": "", "torch.UntypedStorage": ""}


def _tensor(storage: Any, offset: Any, shape: Any, strides: Any, *more: Any) -> Tensor:
    """of `_rebuild_tensor_v2` and, where more holds a type, of `_rebuild_tensor_v3`"""
    if not isinstance(storage, Storage) or type(shape) is not tuple or type(strides) is not tuple:
        raise FileError(f"a tensor must have a storage, a shape and strides; {SAVE}")
    if any(type(v) is not int or v < 0 for v in (offset, *shape, *strides)):
        raise FileError(f"the shape of a tensor must hold sizes, not {shape}; {SAVE}")
    if len(shape) != len(strides):
        raise FileError(f"a tensor must have as many strides as sides, not {strides}; {SAVE}")
    named = [TYPES[m.text] for m in more if isinstance(m, Name) and m.text in TYPES]
    kind = storage.kind or (named or [""])[0]
    if not kind:
        raise FileError(f"the dtype of a tensor must be one of {', '.join(TYPES)}; convert it")
    return Tensor(storage, offset, shape, strides, kind)


def _itself(tensor: Any, *more: Any) -> Tensor:
    if not isinstance(tensor, Tensor):
        raise FileError(f"a parameter must be a tensor, not {_said(tensor)}; {SAVE}")
    return tensor


KNOWN: dict[str, Callable[..., Any] | None] = {
    "collections.OrderedDict": lambda: Dict(), "torch._utils._rebuild_tensor_v2": _tensor,
    "torch._utils._rebuild_tensor_v3": _tensor, "torch._utils._rebuild_parameter": _itself,
    "torch.Size": lambda sides=(): sides,
    **dict.fromkeys(ROWS), **dict.fromkeys(TYPES),
}  # fmt: skip
PLAIN = {b"N": None, b"\x88": True, b"\x89": False, b")": ()}
NUMBERS = {b"K": "<B", b"M": "<H", b"J": "<i", b"G": ">d"}
TEXTS = {b"\x8c": 1, b"X": 4}  # how many bytes say how long a text is
PUT = {b"q": 1, b"r": 4}
GET = {b"h": 1, b"j": 4}
TUPLES = {b"\x85": 1, b"\x86": 2, b"\x87": 3}
MARK = object()


class Machine:
    """Runs one program: `result` is the value that it ends with; raises FileError otherwise."""

    def __init__(self, program: bytes) -> None:
        if len(program) > MOST:
            raise FileError(f"its data.pkl must have at most {MOST} bytes; {SAVE}")
        self.program, self.at = program, 0
        self.stack: list[Any] = []
        self.memo: dict[int, Any] = {}
        for _ in range(STEPS):
            code = self.take(1)
            if code == b".":
                self.result = self.stack.pop()
                return
            self.step(code)
        raise FileError(f"its data.pkl must have at most {STEPS} instructions; {SAVE}")

    def take(self, n: int) -> bytes:
        """The next n bytes"""
        found = self.program[self.at : self.at + n]
        if len(found) < n:
            raise FileError("its data.pkl must end with an instruction to stop; fetch it again")
        self.at += n
        return found

    def size(self, n: int) -> int:
        return int.from_bytes(self.take(n), "little")

    def line(self) -> str:
        end = self.program.find(b"\n", self.at)
        return str(self.take(max(end, self.at) + 1 - self.at)[:-1], "utf-8")

    def marked(self) -> list[Any]:
        """What lies above the last mark, which goes too"""
        for k in range(len(self.stack) - 1, -1, -1):
            if self.stack[k] is MARK:
                found = self.stack[k + 1 :]
                del self.stack[k:]
                return found
        raise FileError("its data.pkl must set a mark first; fetch it again")

    def step(self, code: bytes) -> None:
        """One instruction, by the names of the module pickletools"""
        push = self.stack.append
        if code in PLAIN:
            push(PLAIN[code])
        elif code in NUMBERS:
            push(struct.unpack(NUMBERS[code], self.take(struct.calcsize(NUMBERS[code])))[0])
        elif code == b"\x8a":  # LONG1
            push(int.from_bytes(self.take(self.size(1)), "little", signed=True))
        elif code in TEXTS:
            push(str(self.take(self.size(TEXTS[code])), "utf-8"))
        elif code == b"}":
            push({})
        elif code == b"(":
            push(MARK)
        elif code in TUPLES:
            n = TUPLES[code]
            found = tuple(self.stack[-n:])
            del self.stack[-n:]
            push(found)
        elif code == b"t":
            push(tuple(self.marked()))
        elif code in PUT:
            self.memo[self.size(PUT[code])] = self.stack[-1]
        elif code == b"\x94":  # MEMOIZE
            self.memo[len(self.memo)] = self.stack[-1]
        elif code in GET:
            push(self.memo[self.size(GET[code])])
        elif code == b"\x80":  # PROTO
            self.take(1)
        elif code == b"\x95":  # FRAME
            self.take(8)
        elif code in (b"s", b"u"):
            pairs = self.marked() if code == b"u" else [self.stack.pop(-2), self.stack.pop()]
            self.holder().update(zip(pairs[::2], pairs[1::2], strict=True))
        elif code in (b"c", b"\x93"):  # GLOBAL, STACK_GLOBAL
            take = self.line if code == b"c" else self.stack.pop
            pair = [str(take()), str(take())]
            name = ".".join(pair if code == b"c" else pair[::-1])
            if name not in KNOWN:
                raise FileError(f"it must hold tensors and dicts alone, not {name}; {SAVE}")
            push(Name(name))
        elif code == b"Q":  # BINPERSID
            push(_storage(self.stack.pop()))
        elif code == b"R":  # REDUCE
            given, name = self.stack.pop(), self.stack.pop()
            make = KNOWN.get(name.text) if isinstance(name, Name) else None
            if make is None or type(given) is not tuple:
                raise FileError(f"it must hold tensors and dicts alone, not a call; {SAVE}")
            push(make(*given))
        elif code == b"b":  # BUILD: the attributes of a state_dict, which are not needed
            self.stack.pop()
            self.holder(Dict)
        else:
            made = "a list" if code in (b"]", b"l") else f"what instruction {code!r} makes"
            raise FileError(f"it must hold tensors and dicts alone, not {made}; {SAVE}")

    def holder(self, kind: type = dict) -> Any:
        """The dict on top of the stack"""
        found = self.stack[-1]
        if not isinstance(found, kind):
            raise FileError(f"it must hold tensors and dicts alone, not {_said(found)}; {SAVE}")
        return found


def _storage(found: Any) -> Storage:
    word, row, key, _, n = found
    if word != "storage" or not isinstance(row, Name) or row.text not in ROWS:
        raise FileError(f"a storage must be one of numbers, not {_said(row)}; {SAVE}")
    if type(key) is not str or type(n) is not int or n < 0:
        raise FileError(f"a storage must have a key and a size, not {key!r} and {n!r}; {SAVE}")
    return Storage(ROWS[row.text], key, n)


def _said(found: Any) -> str:
    return found.text if isinstance(found, Name) else f"of type {type(found).__name__}"
