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
    """How Numba passes a Vector: as it is."""

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
def lanes_of(_: Any, array: Any) -> Any:
    """How many entries of the array fill a register      a constant: no division at run time"""

    lanes = Vector(array.dtype).lanes
    return types.int64(array), lambda *_: ir.IntType(64)(lanes)


@intrinsic
def as_written(_: Any) -> Any:
    """Nothing, but the loop around it is not unrolled: short rows would be all remainder"""

    def code(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        nothing = ir.InlineAsm(ir.FunctionType(ir.VoidType(), []), "", "", side_effect=True)
        builder.call(nothing, [], attrs=("convergent",))  # LLVM must not add a branch before it
        return context.get_dummy_value()

    return types.void(), code


@intrinsic
def at(_: Any, array: Any, index: Any) -> Any:
    """array[index]      array: one axis, contiguous"""

    def code(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.load(place(context, builder, signature.args, *args))

    return array.dtype(array, index), code


@intrinsic
def load(_: Any, array: Any, index: Any) -> Any:
    """The register array[index : index + lanes]      of any alignment"""
    kind = Vector(array.dtype)

    def code(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        address = place(context, builder, signature.args, args[0], args[1], kind)
        return builder.load(address, align=array.dtype.bitwidth // 8)

    return kind(array, index), code


@intrinsic
def store(_: Any, array: Any, index: Any, value: Any) -> Any:
    """array[index : index + lanes] = value"""

    def code(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        address = place(context, builder, signature.args, args[0], args[1], value)
        builder.store(args[2], address, align=array.dtype.bitwidth // 8)
        return context.get_dummy_value()

    return types.void(array, index, value), code


@intrinsic
def splat(_: Any, scalar: Any) -> Any:
    """The scalar in all lanes"""
    kind = Vector(scalar)
    return kind(scalar), lambda _, builder, __, args: spread(builder, args[0], kind)


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
def greater(_: Any, a: Any, b: Any) -> Any:
    """b where b > a, else a; a NaN of either stays"""

    def code(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        a_, b_ = args
        beaten = builder.fcmp_unordered(">", b_, a_)  # by a NaN, too
        sound = builder.fcmp_ordered("==", a_, a_)
        return builder.select(builder.and_(beaten, sound), b_, a_)

    return a(a, b), code


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


@intrinsic
def gather_square(
    _: Any, array: Any, index: Any, first: Any, pitch: Any, left: Any, out: Any, to: Any, step: Any
) -> Any:
    """out[to + j*step + i] = array[index[first + i]*pitch + left + j]      i, j below lanes

    Each round interleaves register k with register k + lanes/2, which turns the bits of an entry's
    (row, column) round by one place; after log2(lanes) rounds row and column have changed places.
    """
    kind = Vector(array.dtype)

    def code(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        n, align = kind.lanes, array.dtype.bitwidth // 8
        kinds, wide = signature.args, ir.IntType(64)
        array_, index_, first_, pitch_, left_, out_, to_, step_ = args

        def line(k: int) -> Any:
            at_ = place(context, builder, kinds[1:3], index_, builder.add(first_, wide(k)))
            start = builder.add(builder.mul(builder.load(at_), pitch_), left_)
            address = place(context, builder, (kinds[0], kinds[3]), array_, start, kind)
            return builder.load(address, align=align)

        rows = [line(k) for k in range(n)]
        halves = [
            ir.Constant(ir.VectorType(WORD, n), [j + side for j in part for side in (0, n)])
            for part in (range(n // 2), range(n // 2, n))
        ]
        for _ in range(n.bit_length() - 1):
            rows = [
                builder.shuffle_vector(rows[k], rows[k + n // 2], half)
                for k in range(n // 2)
                for half in halves
            ]
        for k, row in enumerate(rows):
            start = builder.add(to_, builder.mul(step_, wide(k)))
            address = place(context, builder, (kinds[5], kinds[6]), out_, start, kind)
            builder.store(row, address, align=align)
        return context.get_dummy_value()

    return types.void(array, index, first, pitch, left, out, to, step), code
