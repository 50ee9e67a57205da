"""int8 C: every accumulator equal to NumPy's, in every format, on this machine and on Cortex-M."""

import json
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from test_quantize import whole

import minprune as mp
from minprune.deploy.c_numbers import listed
from minprune.deploy.places import Bits, Columns, Everything, Rows, Steps8
from minprune.errors import ArgumentError

FORMATS = ("dense", "csr", "csc", "delta8", "bitmask")
STRICT = ("-std=c99", "-Wall", "-Wextra", "-Wpedantic", "-Werror")
SAFE = ("-O2", "-fsanitize=address,undefined", "-fno-sanitize-recover")
CORTEX = Path(__file__).parent / "cortex"
SAMPLES = 5
MACHINES = {
    "mps2-an386": ("-mcpu=cortex-m4", "-mfpu=fpv4-sp-d16", "-mfloat-abi=hard"),
    "mps2-an385": ("-mcpu=cortex-m3",),
}


def absent(*programs: str) -> pytest.MarkDecorator:
    missing = [p for p in programs if shutil.which(p) is None]
    return pytest.mark.skipif(bool(missing), reason=f"{' and '.join(missing)} not installed")


@given(st.integers(0, 2**32 - 1), st.integers(1, 5), st.integers(1, 900), st.floats(0, 1))
def test_every_encoding_is_the_matrix(seed, rows, columns, density):
    rng = np.random.default_rng(seed)
    matrix = rng.integers(-127, 128, (rows, columns)).astype(np.int8)
    matrix[rng.random(matrix.shape) >= density**4] = 0
    for kind in (Everything, Rows, Columns, Steps8, Bits):
        stored = kind.encode(matrix)
        assert (stored.decode() == matrix).all()
        assert stored.decode().dtype == np.int8


def print_of(numbers: np.ndarray) -> int:
    """FNV-1a of int32 numbers"""
    h = 2166136261
    for byte in numbers.astype("<i4").tobytes():
        h = ((h ^ byte) * 16777619) % 2**32
    return h


def exported(folder: Path) -> None:
    """The net of every step in all formats, and main.c: 0 where all accumulators are NumPy's"""
    rng = np.random.default_rng(1)
    model = mp.prune(whole(), mp.score(whole(), None, "magnitude"), sparsity=0.5)
    small = mp.quantize(model, rng.standard_normal((50, 2, 6, 6)).astype(np.float32))
    x = (2 * rng.standard_normal((SAMPLES, 2, 6, 6))).astype(np.float32)
    values = small.program.values(x)
    adding = [s for s in small.program.steps if hasattr(s, "sums")]
    sums = [s.sums(values[s.reads[0]]).reshape(SAMPLES, -1) for s in adding]
    bits = values[-1].view(np.int32)
    want = print_of(np.concatenate([*sums, bits], axis=1))
    lines = [
        "#include <stdint.h>", "#include <string.h>", "static uint32_t h;",
        "static void seen(int32_t a) { uint32_t u = (uint32_t)a; int i; for (i = 0; i < 4; i++) {"
        " h = (h ^ (u & 255u)) * 16777619u; u >>= 8; } }",
        *(f"#define N_{f.upper()}_WATCH(a) seen(a)\n#include \"n_{f}.c\"" for f in FORMATS),
        f"static const float x[{SAMPLES}][72] = {{{{",
        "}, {".join(listed(row) for row in x.reshape(SAMPLES, -1)), "}};",
        "int main(void) {", "float y[3]; int i, k; int32_t u;",
    ]  # fmt: skip
    for k, f in enumerate(FORMATS, 1):
        made = mp.export_c(small, folder, name=f"n_{f}", format=f)
        assert json.loads((folder / f"n_{f}.json").read_text()) == made
        lines.append(
            f"h = 2166136261u; for (i = 0; i < {SAMPLES}; i++) {{ n_{f}_run(x[i], y); "
            f"for (k = 0; k < 3; k++) {{ memcpy(&u, &y[k], 4); seen(u); }} }}\n"
            f"if (h != {want}u) return {k};"
        )
    (folder / "main.c").write_text("\n".join([*lines, "return 0; }", ""]))


@absent("gcc")
def test_c_is_numpy_bit_for_bit(tmp_path):
    exported(tmp_path)
    subprocess.run(["gcc", *STRICT, "-Os", "-c", "n_csr.c"], cwd=tmp_path, check=True)
    main = ["main.c", "-Wno-unused-function", "-o", "run"]
    subprocess.run(["gcc", *STRICT, *SAFE, *main], cwd=tmp_path, check=True)
    assert subprocess.run(["./run"], cwd=tmp_path, check=False).returncode == 0
    test = ["n_delta8.c", "n_delta8_test.c", "-o", "own"]
    subprocess.run(["gcc", *STRICT, "-O3", *test], cwd=tmp_path, check=True)
    assert subprocess.run(["./own"], cwd=tmp_path, check=False).returncode == 0


@absent("arm-none-eabi-gcc", "qemu-system-arm")
@pytest.mark.parametrize("machine", MACHINES)
def test_the_same_source_is_bit_for_bit_equal_on_a_cortex_m(tmp_path, machine):
    exported(tmp_path)
    flags = [*MACHINES[machine], "-mthumb", "-std=c99", "-Os", "-nostartfiles", "-T", "mps2.ld"]
    for name in ("start.c", "mps2.ld"):
        shutil.copy(CORTEX / name, tmp_path)
    build = ["arm-none-eabi-gcc", *flags, "start.c", "main.c", "-o", "run.elf"]
    subprocess.run(build, cwd=tmp_path, check=True)
    run = ["qemu-system-arm", "-M", machine, "-nographic", "-kernel", "run.elf"]
    run += ["-semihosting-config", "enable=on,target=native"]
    done = subprocess.run(run, cwd=tmp_path, stdin=subprocess.DEVNULL, timeout=60, check=False)
    assert done.returncode == 0


def test_the_law_sees_one_wrong_accumulator():
    a = np.arange(7)
    assert print_of(a) != print_of(a + (a == 3))


def test_a_sequence_that_is_too_long_for_16_bits_is_refused(tmp_path):
    layers = [("conv", mp.Conv1d(1, 1, 1)), ("mean", mp.GlobalAvgPool())]
    model = mp.initialise(mp.build((1, 70_000), layers, loss="mse"), seed=0)
    small = mp.quantize(model, np.ones((1, 1, 70_000)))
    with pytest.raises(ArgumentError) as found:
        mp.export_c(small, tmp_path)
    assert str(found.value) == (
        "export_c: conv: sides of its output must be at most 65,535, as C has them in 16 bits, not "
        "70000; use shorter inputs or a larger stride"
    )


@pytest.mark.parametrize(
    ("options", "text"),
    [
        (
            {"name": "a-b"},
            "export_c: name must be letters, digits and _, not 'a-b'; pass name='net', for example",
        ),
        (
            {"format": "coo"},
            "export_c: format must be 'auto', 'dense', 'csr', 'csc', 'delta8' or 'bitmask', not "
            "'coo'; choose one of them",
        ),
    ],
)
def test_what_is_refused(tmp_path, options, text):
    small = mp.quantize(mp.zoo.mlp(((3,), 2), hidden=(4,)), np.eye(3))
    with pytest.raises(ArgumentError) as found:
        mp.export_c(small, tmp_path, **options)
    assert str(found.value) == text
    assert not list(tmp_path.iterdir())


def test_views_alone_are_refused(tmp_path):
    net = mp.build((2, 3), [("flat", mp.Flatten())], loss="mse")
    with pytest.raises(ArgumentError) as found:
        mp.export_c(mp.quantize(mp.Model(net, {}), np.ones((1, 2, 3))), tmp_path)
    assert str(found.value) == "export_c: the model must compute something; add a layer to it"
