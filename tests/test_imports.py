"""Who may import whom, read from the code; each check must also reject a small wrong tree.

Longer than most files: the checks and the trees that they must reject are read side by side.
"""

import ast
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from reading import Import, imports, sources, unit

ROOT = Path(__file__).parent.parent

# Each may import only what stands above it, and itself.
# fmt: off
ORDER = (
    "errors", "arguments", "core", "text", "schedule", "data", "kernels", "autograd", "nets",
    "masking", "files", "measures", "train", "curvature", "criteria", "evidence", "structure",
    "sparse", "methods", "deploy", "verify", "report", "amount", "jobs", "__init__", "lessons",
    "cli", "__main__",
)
SLOW = (
    "numba", "llvmlite", "matplotlib", "tqdm", "hypothesis", "json", "gzip", "csv", "zipfile",
    "hashlib", "tempfile", "html", "base64", "argparse", "asyncio", "multiprocessing", "PIL",
)
# fmt: on
OF_VALUES = ("errors", "arguments", "core", "text")  # what criteria/ and verify/ may use
LAZY = {"matplotlib", "tqdm", "PIL"}  # optional, so inside functions only
NUMBA = {"numba", "llvmlite"}
PICKLE = {"pickle", "_pickle", "shelve", "marshal", "dill", "cloudpickle", "joblib"}
GENERATORS = {"default_rng", "Generator", "SeedSequence", "BitGenerator", "PCG64", "Philox"}


def ours(found: Import) -> str | None:
    """The entry of ORDER that is imported, or None for somebody else's module."""
    top, _, rest = found.target.partition(".")
    return (rest.split(".")[0] or "__init__") if top == "minprune" else None


def every_file_has_a_place(tree: Path) -> list[str]:
    """Each file and folder of the package stands in ORDER."""
    return [
        f"{file} has no place in the order" for file, _ in sources(tree) if unit(file) not in ORDER
    ]


def only_from_above(tree: Path) -> list[str]:
    """Each file imports from entries above its own, or from its own."""
    rank = {name: place for place, name in enumerate(ORDER)}
    return [
        f"{found}, which does not stand above it"
        for found in imports(tree)
        if (name := ours(found)) and rank.get(name, len(rank)) > rank.get(unit(found.file), -1)
    ]


def values_only(tree: Path) -> list[str]:
    """criteria/ and verify/ (but for verify/ours/) use values, and text for tables, alone."""
    return [
        f"{found}, but may use {' and '.join(OF_VALUES)} alone"
        for found in imports(tree)
        if (here := unit(found.file)) in ("criteria", "verify")
        and not found.file.startswith("verify/ours/")
        and ours(found) not in (None, here, *OF_VALUES)
    ]


def numba_in_jit_files(tree: Path) -> list[str]:
    """Numba is imported in kernels/*_jit.py alone: everything works without it."""
    return [
        f"{found} outside kernels/*_jit.py"
        for found in imports(tree)
        if found.target.split(".")[0] in NUMBA
        and not (found.file.startswith("kernels/") and found.file.endswith("_jit.py"))
    ]


def kernels_by_the_door(tree: Path) -> list[str]:
    """Outside kernels/ nobody imports a part of minprune.kernels."""
    return [
        f"{found}: only minprune.kernels is imported elsewhere"
        for found in imports(tree)
        if found.target.startswith("minprune.kernels.") and unit(found.file) != "kernels"
    ]


def known_third_parties(tree: Path) -> list[str]:
    """NumPy, Numba; others in functions; hypothesis in verify/, torch and Dask in a file each."""
    wrong = []
    for found in imports(tree):
        top = found.target.split(".")[0]
        allowed = (
            top in {"minprune", "numpy", *NUMBA, *sys.stdlib_module_names} - PICKLE
            or (top in LAZY and found.lazy)
            or (top == "hypothesis" and unit(found.file) == "verify")
            or (
                top in ("distributed", "mpi4py")
                and found.file == "jobs/executors.py"
                and found.lazy
            )
            or (top == "torch" and found.file == "verify/tensors.py" and found.lazy)
            or (top in ("onnx", "onnxruntime") and "onnx" in found.file and found.lazy)
        )
        if not allowed:
            wrong.append(f"{found}{'' if found.lazy else ' at the top of the file'}")
    return wrong


def no_pickle_in_arrays(tree: Path) -> list[str]:
    """numpy.load and numpy.save are never told to allow pickle."""
    return [
        f"{file}:{node.value.lineno} sets allow_pickle"
        for file, code in sources(tree)
        for node in ast.walk(code)
        if isinstance(node, ast.keyword)
        and node.arg == "allow_pickle"
        and not (isinstance(node.value, ast.Constant) and node.value.value is False)
    ]


def randomness_is_an_argument(tree: Path) -> list[str]:
    """No global generator, no generator without a seed, not the standard library's either."""
    return [wrong for package in ("minprune", "benchmarks") for wrong in _random(tree, package)]


def _random(tree: Path, package: str) -> list[str]:
    wrong = [str(found) for found in imports(tree, package) if found.target == "random"]
    wrong += [
        f"{file}:{node.lineno} gives numpy.random a name of its own"
        for file, code in sources(tree, package)
        for node in ast.walk(code)
        if (isinstance(node, ast.ImportFrom) and node.module == "numpy")
        and any(alias.name == "random" for alias in node.names)
    ]
    for file, code in sources(tree, package):
        for node in ast.walk(code):
            at = f"{file}:{getattr(node, 'lineno', 0)}"
            if isinstance(node, ast.ImportFrom) and node.module == "numpy.random":
                names = {alias.name for alias in node.names}
            elif isinstance(node, ast.Attribute) and ast.unparse(node.value) in (
                "np.random",
                "numpy.random",
            ):
                names = {node.attr}
            else:
                names = set()
            wrong += [f"{at} uses numpy.random.{name}" for name in sorted(names - GENERATORS)]
            if (
                isinstance(node, ast.Call)
                and ast.unparse(node.func).endswith("default_rng")
                and not (node.args or node.keywords)
            ):
                wrong.append(f"{at} makes a generator without a seed")
    return wrong


def functions_are_not_folders(tree: Path) -> list[str]:
    """No public function shares a name with a folder: one would hide the other."""
    folders = {path.name for path in (tree / "minprune").iterdir() if path.is_dir()}
    return [
        f"{file}: function {node.name} has the name of a folder"
        for file, code in sources(tree)
        for node in code.body
        if isinstance(node, ast.FunctionDef) and node.name in folders
    ]


def import_is_cheap(tree: Path) -> list[str]:
    """`import minprune` loads nothing of SLOW beyond what numpy itself loads."""
    code = (
        "import sys, numpy.random, numpy.typing; before = set(sys.modules); import minprune\n"
        "print(*sorted(set(sys.modules) - before))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "PYTHONPATH": str(tree)},
        cwd=tree,
        capture_output=True,
        text=True,
        check=True,
    )
    return [f"import minprune loads {name}" for name in done.stdout.split() if name in SLOW]


# Each check beside trees that it must reject, as {file: code}.
Tree = dict[str, str]
CHECKS: list[tuple[Callable[[Path], list[str]], list[Tree]]] = [
    (every_file_has_a_place, [{"helpers.py": ""}, {"utils/text.py": ""}]),
    (
        only_from_above,
        [
            {"core.py": "from minprune.nets import Model", "nets/__init__.py": ""},
            {"core.py": "from minprune import nets", "nets/__init__.py": ""},
            {"core.py": "from . import nets", "nets/__init__.py": ""},
            {"masking/apply.py": "from ..train.loop import fit", "train/loop.py": ""},
            {"masking/apply.py": "def f():\n    import minprune.train"},
            {"masking/apply.py": "import importlib\nimportlib.import_module('minprune.train')"},
            {"core.py": "import minprune as mp"},
            {"core.py": "from minprune import fit"},
        ],
    ),
    (
        values_only,
        [
            {"criteria/norms.py": "from minprune import kernels", "kernels/__init__.py": ""},
            {"verify/laws_mask.py": "from minprune.masking.count import keep"},
            {"verify/plain/ours.py": "from minprune import nets", "nets/__init__.py": ""},
        ],
    ),
    (
        numba_in_jit_files,
        [{"kernels/dense.py": "import numba"}, {"train/x_jit.py": "import numba"}],
    ),
    (
        kernels_by_the_door,
        [
            {
                "nets/layers.py": "from minprune.kernels import dense_ref",
                "kernels/dense_ref.py": "",
            },
            {"nets/layers.py": "from minprune.kernels.dense_ref import relu"},
        ],
    ),
    (
        known_third_parties,
        [
            {"train/loop.py": "import tqdm"},
            {"train/loop.py": "def f():\n    import torch"},
            {"verify/tensors.py": "import torch"},
            {"jobs/executors.py": "import distributed"},
            {"train/loop.py": "def f():\n    from hypothesis import given"},
            {"files.py": "import pickle"},
            {"curvature/products.py": "from scipy.linalg import solve"},
        ],
    ),
    (
        no_pickle_in_arrays,
        [
            {"files.py": "import numpy\nnumpy.load('x.npz', allow_pickle=True)"},
            {"files.py": "import numpy\nmay = True\nnumpy.load('x.npz', allow_pickle=may)"},
        ],
    ),
    (
        randomness_is_an_argument,
        [
            {"core.py": "import numpy as np\nnp.random.seed(0)"},
            {"core.py": "import numpy\nx = numpy.random.rand(3)"},
            {"core.py": "from numpy.random import randn"},
            {"core.py": "from numpy import random as r"},
            {"core.py": "import numpy as np\nrng = np.random.default_rng()"},
            {"core.py": "import random"},
            {"../benchmarks/kills.py": "import random"},
        ],
    ),
    (
        functions_are_not_folders,
        [{"core.py": "def train():\n    pass", "train/__init__.py": ""}],
    ),
    (
        import_is_cheap,
        [
            {"__init__.py": "import json"},
            {"__init__.py": "from .core import x", "core.py": "import csv; x = 1"},
        ],
    ),
]
WRONG = [(check, tree) for check, trees in CHECKS for tree in trees]


def write(tree: Tree, folder: Path) -> None:
    """Makes folder/minprune of {file: code}."""
    for file, code in tree.items():
        path = folder / "minprune" / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(code, "utf-8")


@pytest.mark.parametrize("check", [check for check, _ in CHECKS], ids=lambda check: check.__name__)
def test_ours(check):
    assert check(ROOT) == []


@pytest.mark.parametrize(
    ("check", "tree"), WRONG, ids=lambda value: getattr(value, "__name__", None)
)
def test_a_wrong_tree_is_rejected(check, tree, tmp_path):
    write(tree, tmp_path)
    assert check(tmp_path)


RIGHT = {
    "__init__.py": "from minprune import nets\nfrom minprune.core import stream",
    "core.py": "import numpy as np\ndef stream(s):\n    return np.random.default_rng(s)",
    "kernels/__init__.py": "def f():\n    import_module('minprune.kernels.x_jit')",
    "kernels/x_jit.py": "from numba import njit",
    "nets/__init__.py": "from minprune import kernels\nfrom minprune.nets.model import Model",
    "nets/model.py": "from ..core import stream\nclass Model: ...",
    "report/plots.py": "def curves():\n    from matplotlib.figure import Figure",
    "verify/ours/nets.py": "from minprune import nets\nimport hypothesis",
}


def test_a_right_tree_passes_every_check(tmp_path):
    write(RIGHT, tmp_path)
    assert {check.__name__: check(tmp_path) for check, _ in CHECKS} == {
        check.__name__: [] for check, _ in CHECKS
    }
