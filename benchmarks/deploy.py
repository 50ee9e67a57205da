"""A pruned LeNet outside of minprune: bytes, time and accuracy of each exported form, beside peers.

Nets are trained on MNIST, pruned by magnitude to 95 % and trained again, once; they are kept in
runs/benchmarks/deploy. Batch 1 is timed over ROTATED samples in turn, since one that is repeated
flatters code that skips zeros, on one thread; of each the least and the median are told. Times of C
are of calls from C; peers of Python have the call of their own API in theirs. Peers do the work of
a dense net of the same shape, as they have no other.
"""

import shutil
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterable, Mapping
from functools import cache, partial
from io import BytesIO
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np

import minprune as mp
from benchmarks import _litert, _native
from benchmarks.harness import AbsentError, Row, Timing, against, attempt, data_file, peer, within
from minprune.core import Array, Dataset
from minprune.deploy import net_run, program
from minprune.deploy import steps as kinds
from minprune.deploy.c_products import FORMATS
from minprune.nets.model import Model

RUN = "net_run(x + I * k, y + O * k)"
FLAGS = ("-std=c99", "-O3")
STRICT = ("-std=c99", "-Wall", "-Wextra", "-Wpedantic", "-Werror")
CORTEX = Path(__file__).parents[1] / "tests" / "cortex"
KEPT = Path("runs", "benchmarks", "deploy")
SPARSITY, ROTATED, BATCH = 0.95, 256, 64
EPOCHS = {"lenet_300_100": (6, 4), "lenet_5": (3, 2)}  # before pruning, and after


def run(quick: bool, data: Path | None) -> list[Row]:
    """Accuracy and bytes, then times, of both nets."""
    repeats = 7 if quick else 25
    rows: list[Row] = []
    for part in (numpy_files, c_beside_peers, c_on_all_samples, c_checked, c_on_cortex):
        rows += attempt(part.__name__.replace("_", " "), partial(part, data, repeats))
    return rows


def data_of(folder: Path | None) -> Dataset:
    """MNIST"""
    return mp.data.idx(data_file(folder, "mnist"))


@cache
def nets(name: str, folder: Path | None) -> tuple[Model, Model]:
    """(dense, pruned and trained again)"""
    data, (first, again) = data_of(folder), EPOCHS[name]
    paths = [KEPT / f"{name}-{first}-{again}-{kind}.npz" for kind in ("dense", "pruned")]
    if not all(path.exists() for path in paths):
        dense, _ = mp.fit(getattr(mp.zoo, name)(data, seed=0), data, epochs=first, seed=0)
        pruned = mp.prune(dense, mp.score(dense, None, "magnitude"), sparsity=SPARSITY)
        pruned, _ = mp.fit(pruned, data, epochs=again, seed=1)
        for path, model in zip(paths, (dense, pruned), strict=True):
            mp.save(model, path)
    return mp.load(paths[0]), mp.load(paths[1])


def turns(fns: Mapping[str, Callable[[], Any]], repeats: int) -> dict[str, tuple[Timing, float]]:
    """{name: (timing, least)} of one sample, each function a pass over ROTATED of them, in turn"""
    found: dict[str, list[float]] = {name: [] for name in fns}
    for turn in range(-2, repeats):
        for name in list(fns) if turn % 2 == 0 else list(fns)[::-1]:
            begin = time.perf_counter()
            fns[name]()
            if turn >= 0:
                found[name].append((time.perf_counter() - begin) / ROTATED)
    quarters = {k: statistics.quantiles(v, n=4, method="inclusive") for k, v in found.items()}
    return {k: (Timing(q[1], q[2] - q[0], repeats), min(found[k])) for k, q in quarters.items()}


def beside(
    label: str, found: Mapping[str, tuple[Timing, float]], ours: str, other: str,
    target: float | None, note: str = "",
) -> Row:  # fmt: skip
    """A row of two of these"""
    least = f"least {1e6 * found[ours][1]:.3g} of {1e6 * found[other][1]:.3g} us"
    note = f"{least}; {note}" if note else least
    return against(f"{label}: {ours} / {other}", found[ours][0], found[other][0], target, note)


def layers_of(model: Model) -> _litert.Layers:
    """The dense layers of a net that has no others"""
    steps = [s for s in program(model).steps if not isinstance(s, kinds.View)]
    return [(s.weight, s.bias, s.act == "relu") for s in steps if isinstance(s, kinds.Linear)]


def numpy_files(data: Path | None, repeats: int) -> Iterable[Row]:
    """Bytes of the NumPy files, accuracy, and time beside a dense net in NumPy"""
    held = data_of(data)
    x, y = held.test
    for name, limits in (("lenet_300_100", (63_000, 29_000)), ("lenet_5", (None, None))):
        model = nets(name, data)[1]
        small = mp.quantize(model, held.train[0][:1000])
        for made, kind, most in zip((model, small), ("float32", "int8"), limits, strict=True):
            size, alone = numpy_file(made)
            right = f"accuracy {np.mean(alone(x).argmax(1) == y):.2%}"
            right += f", of float32 {mp.evaluate(model, held.test).accuracy:.2%}"
            if kind == "int8":
                same = int((alone(x) == small(x)).all(axis=1).sum())
                right += f"; equal to mp.quantize on {same:,} of {len(x):,}"
            yield within(f"{name}: NumPy file, {kind}", size, most or size, "B", right)
    model = nets("lenet_300_100", data)[1]
    parts, alone = layers_of(model), numpy_file(model)[1]
    batches = [x[i : i + BATCH] for i in range(0, ROTATED, BATCH)]
    found = turns(
        {"runner": lambda: [alone(b) for b in batches],
         "dense NumPy": lambda: [dense_numpy(parts, b) for b in batches]}, repeats,
    )  # fmt: skip
    yield beside(f"lenet_300_100: batch {BATCH}", found, "runner", "dense NumPy", 1.5)


def numpy_file(model: Any) -> tuple[int, Callable[[Array], Array]]:
    """(bytes of the NumPy file, what runs it)"""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "net.npz")
        size = mp.export_numpy(model, path)["bytes"]
        return size, net_run.load(path)


def dense_numpy(layers: _litert.Layers, x: Array) -> Array:
    """The same net as one would write it in NumPy"""
    x = x.reshape(len(x), -1)
    for w, b, relu in layers:
        x = x @ w.T + b
        if relu:
            x = np.maximum(x, 0)
    return x


def onnx_session(model: Model) -> Callable[[Array], Array]:
    """onnxruntime on one thread"""
    runtime, held = peer("onnxruntime"), BytesIO()
    peer("onnx")
    with tempfile.TemporaryDirectory() as folder:
        mp.export_onnx(model, Path(folder, "net.onnx"))
        held.write(Path(folder, "net.onnx").read_bytes())
    how = runtime.SessionOptions()
    how.intra_op_num_threads = how.inter_op_num_threads = 1
    session = runtime.InferenceSession(held.getvalue(), how, providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name
    return lambda x: session.run(None, {name: x})[0]


def exported(
    model: Any, format: str, flags: tuple[str, ...] = FLAGS
) -> tuple[_native.Built, int, int]:
    """(the C of a model, built; bytes of its data; of its working memory)"""
    with tempfile.TemporaryDirectory() as folder:
        made = mp.export_c(model, folder, format=format)
        sizes = (
            int(np.prod(model.net.input_shape)),
            int(np.prod(model.net.shapes[model.net.nodes[-1].name])),
        )
        text = Path(folder, "net.c").read_text()
        built = _native.build(text, RUN, sizes, flags, include=[Path(folder)])
    return built, made["data_bytes"], made["ram_bytes"]


def one_by_one(call: Callable[[Array], Any], x: Array) -> Callable[[], Any]:
    """Calls with one sample each, in turn"""
    rows = [x[i : i + 1] for i in range(len(x))]
    return lambda: [call(row) for row in rows]


def same(label: str, right: bool) -> None:
    """A peer that computes something else is no peer"""
    if not right:
        raise AbsentError(f"{label} does not compute what the model does")


def peers(name: str, data: Path | None) -> tuple[dict[str, Callable[[], Any]], list[str]]:
    """({peer: a pass over ROTATED samples}, what each takes), of those that are there"""
    model, held = nets(name, data)[1], data_of(data)
    x = held.test[0][:ROTATED].astype(np.float32)
    flat, wanted = x.reshape(ROTATED, -1), model(x)
    plain = _native.build(_native.naive(program(model)), RUN, (784, 10), FLAGS)
    same("the naive C", np.allclose(plain.many(flat), wanted, atol=1e-2))
    fns: dict[str, Callable[[], Any]] = {"naive C": partial(plain.many, flat)}
    sizes = [f"naive C {plain.sizes}"]
    onnx = onnx_session(model)
    same("onnxruntime", np.allclose(onnx(x), wanted, atol=1e-2))
    fns["onnxruntime"] = one_by_one(onnx, x)
    if name == "lenet_300_100":
        parts, seen = layers_of(model), held.train[0][:1000].reshape(1000, -1)
        text, where = _native.emlearn(parts)
        call = "y[k] = (float)net_predict(x + I * k, I)"
        theirs = _native.build(text, call, (784, 1), FLAGS, include=[where])
        same("emlearn", bool((theirs.many(flat)[:, 0] == wanted.argmax(1)).all()))
        fns["emlearn"] = partial(theirs.many, flat)
        sizes.append(f"emlearn {theirs.sizes}")
        files = {"float32": _litert.float32(parts), "int8": _litert.int8(parts, seen)}
        for kind, content in files.items():
            made = _litert.interpreter(content)
            scale, zero = made.get_input_details()[0]["quantization"]
            q = np.clip(np.rint(flat / scale) + zero, -128, 127).astype(np.int8) if scale else flat
            fns[f"LiteRT {kind}"] = one_by_one(partial(_litert.call, made), q)
            sizes.append(f"LiteRT {kind} {len(content):,} B file")
    return fns, sizes


def c_beside_peers(data: Path | None, repeats: int) -> Iterable[Row]:
    """C on one sample after another: bytes, and time beside each peer, all built with FLAGS"""
    limits = {("lenet_300_100", "float32"): 70_000, ("lenet_300_100", "int8"): 31_000}
    targets = {
        ("lenet_300_100", "float32"): {"naive C": 0.05, "onnxruntime": 0.35},
        ("lenet_5", "float32"): {"onnxruntime": 0.5},
    }
    for name in EPOCHS:
        model, held = nets(name, data)[1], data_of(data)
        x = held.test[0].astype(np.float32)
        flat = x[:ROTATED].reshape(ROTATED, -1)
        fns, sizes = peers(name, data)
        others = list(fns)
        for kind, made in ("float32", model), ("int8", mp.quantize(model, held.train[0][:1000])):
            wanted = made(x)
            for format in ("delta8", "csr", "csc", "bitmask", "dense", "auto"):
                built, bytes_, ram = exported(made, format)
                small = exported(made, format, ("-std=c99", "-Os"))[0].code
                y = built.many(x.reshape(len(x), -1))
                fns[f"C {kind} {format}"] = partial(built.many, flat)
                right = f"equal to mp.quantize on {int((y == wanted).all(axis=1).sum()):,}"
                if kind == "float32":
                    right = f"answers equal on {int((y.argmax(1) == wanted.argmax(1)).sum()):,}"
                note = f"{built.code:,} B code ({small:,} with -Os), {ram:,} B memory"
                limit = limits.get((name, kind)) if format == "delta8" else None
                label = f"{name}: C {kind} {format}, data"
                yield within(label, bytes_, limit or bytes_, "B", f"{note}; {right} of {len(x):,}")
        found = turns(fns, repeats)
        for kind in ("float32", "int8"):
            forms = [k for k in fns if k.startswith(f"C {kind}")]
            ours = min(forms, key=lambda k: found[k][0].median)
            for other in others:
                note = next((s for s in sizes if s.startswith(f"{other} ")), "")
                most = targets.get((name, kind), {}).get(other)
                yield beside(name, found, ours, other, most, note)
            for form in forms:
                yield beside(name, found, form, "onnxruntime", None)


def c_on_all_samples(data: Path | None, repeats: int) -> Iterable[Row]:
    """Of how many test samples the outputs of C are those of the model, at every level

    int8: bit for bit; float32: the same answer, and how far the outputs are off.
    """
    held = data_of(data)
    x = held.test[0].astype(np.float32)
    for name in EPOCHS:
        model = nets(name, data)[1]
        for kind, made in ("int8", mp.quantize(model, held.train[0][:1000])), ("float32", model):
            wanted, least, far = made(x), len(x), 0.0
            for level, format in product(("-Os", "-O2", "-O3"), FORMATS):
                y = exported(made, format, ("-std=c99", level))[0].many(x.reshape(len(x), -1))
                right = (y == wanted).all(axis=1) if kind == "int8" else (
                    y.argmax(axis=1) == wanted.argmax(axis=1))  # fmt: skip
                least, far = min(least, int(right.sum())), max(far, float(abs(y - wanted).max()))
            note = f"-Os, -O2, -O3, {len(FORMATS)} formats; farthest {far:.2g}"
            yield Row(f"{name}: C {kind}, equal of {len(x):,}", least, None, None, len(x),
                      least == len(x), unit="", note=note)  # fmt: skip


def c_checked(data: Path | None, repeats: int) -> Iterable[Row]:
    """The tests that are written beside C, under sanitizers and valgrind: how many of them fail"""
    held = data_of(data)
    tools = {"sanitizers": (["-fsanitize=address,undefined", "-fno-sanitize-recover"], [])}
    if valgrind := shutil.which("valgrind"):
        tools["valgrind"] = [], [valgrind, "-q", "--error-exitcode=9"]
    made = {}
    for name in EPOCHS:
        model = nets(name, data)[1]
        made |= {f"{name} float32": model,
                 f"{name} int8": mp.quantize(model, held.train[0][:1000])}  # fmt: skip
    for name in ("conv_4", "resnet_small"):
        model = getattr(mp.zoo, name)(((3, 16, 16), 10), seed=0)
        made[f"{name} float32"] = mp.prune(model, mp.score(model, None, "lamp"), sparsity=SPARSITY)
    for label, (flags, before) in tools.items():
        wrong = []
        for (name, model), format in product(made.items(), FORMATS):
            with tempfile.TemporaryDirectory() as folder:
                mp.export_c(model, folder, format=format)
                build = [_native.gcc(), *STRICT, "-O2", *flags, "net.c", "net_test.c", "-o", "t"]
                subprocess.run([*build, "-lm"], cwd=folder, check=True)
                if subprocess.run([*before, "./t"], cwd=folder, check=False).returncode:
                    wrong.append(f"{name} {format}")
        note = f"{len(made)} models in {len(FORMATS)} formats; {', '.join(wrong) or 'all pass'}"
        yield Row(f"C under {label}, tests that fail", len(wrong), None, None, 0, not wrong,
                  unit="", note=note)  # fmt: skip


def c_on_cortex(data: Path | None, repeats: int) -> Iterable[Row]:
    """Instructions of a sample on a Cortex-M4 in qemu, int8, of the pruned net and stored whole"""
    held = data_of(data)
    small = mp.quantize(nets("lenet_300_100", data)[1], held.train[0][:1000])
    x = held.test[0][:4].astype(np.float32).reshape(4, -1)
    found = {f: instructions(small, f, x, 4) - instructions(small, f, x, 2)
             for f in ("delta8", "csr", "csc", "dense")}  # fmt: skip
    for format in ("delta8", "csr", "csc"):
        ratio = found[format] / found["dense"]
        yield Row(f"lenet_300_100: C int8 {format}, Cortex-M4", found[format] / 2,
                  found["dense"] / 2, ratio, 0.1, ratio <= 0.1, unit="instructions",
                  note="of a sample; beside the same stored whole")  # fmt: skip


def instructions(model: Any, format: str, x: Array, count: int) -> int:
    """Those of a program that runs the first `count` samples"""
    for tool in ("arm-none-eabi-gcc", "qemu-system-arm"):
        if shutil.which(tool) is None:
            raise AbsentError(f"{tool} is not on the path")
    rows = "}, {".join(", ".join(f"{v!s}f" for v in row) for row in x)
    main = (
        f'#include "net.c"\nstatic const float x[{len(x)}][{x.shape[1]}] = {{{{{rows}}}}};\n'
        f"int main(void) {{ int i; volatile int seen = 0; for (i = 0; i < {count}; i++) "
        f"seen += net_predict(x[i]); return seen < 0; }}\n"
    )
    with tempfile.TemporaryDirectory() as folder:
        mp.export_c(model, folder, format=format)
        Path(folder, "main.c").write_text(main)
        for name in ("start.c", "mps2.ld"):
            shutil.copy(CORTEX / name, folder)
        flags = ["-mcpu=cortex-m4", "-mfpu=fpv4-sp-d16", "-mfloat-abi=hard", "-mthumb"]
        build = [*flags, "-std=c99", "-O2", "-nostartfiles", "-T", "mps2.ld", "start.c", "main.c"]
        subprocess.run(["arm-none-eabi-gcc", *build, "-o", "run.elf"], cwd=folder, check=True)
        run = ["qemu-system-arm", "-M", "mps2-an386", "-nographic", "-kernel", "run.elf"]
        run += ["-semihosting-config", "enable=on,target=native", "-singlestep"]
        run += ["-d", "exec,nochain", "-D", "log"]
        subprocess.run(run, cwd=folder, stdin=subprocess.DEVNULL, timeout=600, check=True)
        with Path(folder, "log").open("rb") as log:
            return sum(line.startswith(b"Trace") for line in log)
