"""A register of 64 bytes as a value: fma(a, b, c) = a * b + c in all lanes, rounded once.

Numba keeps the sums of a loop in memory when there are several to a row; a value of this type
stays in a register. On a processor with narrower registers LLVM uses two or four for one value.
`at`, `load` and `store` trust their index: they check nothing, and count from 0 only.
"""

from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic, models, register_model

BYTES = 64  # of a register: 16 lanes of float32, 8 of float64
WORD = ir.IntType(32)


class Vector(types.Type):  # type: ignore[misc]
    """A register of floats of one dtype."""

    def __init__(self, dtype: Any) -> None:
        self.dtype, self.lanes = dtype, 8 * BYTES // dtype.bitwidth
        super().__init__(name=f"Vector({dtype})")


def machine(kind: Any) -> Any:
    """LLVM's type of a Vector: <16 x float> or <8 x double>"""
    return ir.VectorType(ir.FloatType() if kind.lanes == 16 else ir.DoubleType(), kind.lanes)


@register_model(Vector)
class VectorModel(models.PrimitiveModel):  # type: ignore[misc]
    """How Numba passes a Vector on: as it is."""

    def __init__(self, manager: Any, kind: Any) -> None:
        super().__init__(manager, kind, machine(kind))


def place(context: Any, builder: Any, kinds: Any, array: Any, index: Any, kind: Any = None) -> Any:
    """The address of array[index], as a pointer to `kind` if there is one"""
    wide = ir.IntType(64)
    if index.type != wide:
        index = (builder.sext if kinds[1].signed else builder.zext)(index, wide)
    data = context.make_array(kinds[0])(context, builder, array).data
    address = builder.gep(data, [index])
    return address if kind is None else builder.bitcast(address, machine(kind).as_pointer())


def spread(builder: Any, scalar: Any, kind: Any) -> Any:
    """A register with the scalar in all lanes"""
    nothing = ir.Constant(machine(kind), ir.Undefined)
    first = builder.insert_element(nothing, scalar, WORD(0))
    zeros = ir.Constant(ir.VectorType(WORD, kind.lanes), [0] * kind.lanes)
    return builder.shuffle_vector(first, nothing, zeros)


@intrinsic
def at(_: Any, array: Any, index: Any) -> Any:
    """array[index]      array: one axis, contiguous"""

    def code(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        array_, index_ = args
        return builder.load(place(context, builder, signature.args, array_, index_))

    return array.dtype(array, index), code


@intrinsic
def load(_: Any, array: Any, index: Any) -> Any:
    """The register array[index : index + lanes]      of any alignment"""
    kind = Vector(array.dtype)

    def code(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        array_, index_ = args
        address = place(context, builder, signature.args, array_, index_, kind)
        return builder.load(address, align=array.dtype.bitwidth // 8)

    return kind(array, index), code


@intrinsic
def store(_: Any, array: Any, index: Any, value: Any) -> Any:
    """array[index : index + lanes] = value"""

    def code(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        array_, index_, value_ = args
        address = place(context, builder, signature.args, array_, index_, value)
        builder.store(value_, address, align=array.dtype.bitwidth // 8)
        return context.get_dummy_value()

    return types.void(array, index, value), code


@intrinsic
def splat(_: Any, scalar: Any) -> Any:
    """The scalar in all lanes"""
    kind = Vector(scalar)

    def code(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return spread(builder, args[0], kind)

    return kind(scalar), code


@intrinsic
def fma(_: Any, a: Any, b: Any, c: Any) -> Any:
    """a * b + c, rounded once"""

    def code(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        kind = machine(a)
        name = f"llvm.fma.v{a.lanes}f{a.dtype.bitwidth}"
        fn = cgutils.get_or_insert_function(builder.module, ir.FunctionType(kind, [kind] * 3), name)
        return builder.call(fn, args)

    return a(a, b, c), code


@intrinsic
def least(_: Any, a: Any, floor: Any) -> Any:
    """floor where a < floor, else a: NaN stays      floor: a scalar"""

    def code(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        below = spread(builder, args[1], a)
        return builder.select(builder.fcmp_ordered("<", args[0], below), below, args[0])

    return a(a, floor), code


@intrinsic
def total(_: Any, a: Any) -> Any:
    """The sum of the lanes, by halves"""

    def code(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        (value,), lanes = args, a.lanes
        while lanes > 1:
            lanes //= 2
            low, high = (
                ir.Constant(ir.VectorType(WORD, lanes), list(range(k, k + lanes)))
                for k in (0, lanes)
            )
            value = builder.fadd(
                builder.shuffle_vector(value, value, low),
                builder.shuffle_vector(value, value, high),
            )
        return builder.extract_element(value, WORD(0))

    return a.dtype(a), code
