"""Weights as torch writes them, read to the bit; the README's way there and back."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from test_readme import TEXT, code_blocks

import minprune as mp
from benchmarks import _foreign as foreign
from minprune.errors import FileError

torch = pytest.importorskip("torch", reason="torch, whose files these are, is not installed")
SAVE = "save the tensors alone, by torch.save(model.state_dict(), path)"


def saved(path: Path, what: Any, **how: Any) -> Path:
    torch.save(what, path / "w.pt", **how)
    return path / "w.pt"


def tensors() -> dict[str, Any]:
    """Each type; views with offsets, strides and shared storages; a parameter, a scalar, none"""
    torch.manual_seed(0)
    base = torch.randn(6, 8)
    image = torch.randn(2, 3, 4, 5).to(memory_format=torch.channels_last)
    found = {"base": base, "turned": base.t(), "part": base[1:5:2, 3:], "image": image}
    found |= {"wide": torch.randn(1, 8).expand(3, 8), "number": torch.tensor(3.5)}
    found |= {"none": torch.zeros(0, 3), "parameter": torch.nn.Parameter(torch.randn(2, 2))}
    found |= {"brain": image.bfloat16(), "nan": torch.tensor([float("nan"), -0.0, float("inf")])}
    for name in ("float64", "float16", "int64", "int32", "int16", "int8", "uint8", "bool",
                 "complex64", "complex128", "uint16", "uint32", "uint64"):  # fmt: skip
        found[name] = torch.arange(-3, 3).reshape(2, 3).to(getattr(torch, name))
    return found


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_read_to_the_bit(protocol: int, tmp_path: Path) -> None:
    given = tensors()
    found = mp.read_weights(saved(tmp_path, given, pickle_protocol=protocol))
    assert list(found) == list(given)
    for name, t in given.items():
        t = t.detach().float() if t.dtype == torch.bfloat16 else t.detach()
        want, a = t.contiguous().numpy(), found[name]
        assert (a.dtype, a.shape, a.tobytes()) == (want.dtype, want.shape, want.tobytes()), name
        assert a.flags.c_contiguous


def test_files_of_our_own_making_are_those_of_torch(tmp_path: Path) -> None:
    """What the other tests read, which need no torch, torch reads too"""
    (tmp_path / "w.pt").write_bytes(foreign.pt(foreign.state()))
    theirs = torch.load(tmp_path / "w.pt", weights_only=True)
    assert {k: (t.numpy().dtype, t.shape, t.numpy().tobytes()) for k, t in theirs.items()} == {
        k: (a.dtype, a.shape, a.tobytes()) for k, a in foreign.state().items()
    }


def test_a_module_gives_the_same_outputs(tmp_path: Path) -> None:
    module = torch.nn.Sequential(
        torch.nn.Conv2d(1, 4, 3, padding=1), torch.nn.BatchNorm2d(4), torch.nn.ReLU(),
        torch.nn.Flatten(), torch.nn.Linear(64, 3),
    )  # fmt: skip
    x = torch.randn(5, 1, 4, 4)
    module(x)  # running statistics of their own
    net = mp.build((1, 4, 4), [
        ("0", mp.Conv2d(1, 4, 3, padding=1)), ("1", mp.BatchNorm(4)), ("2", mp.ReLU()),
        ("3", mp.Flatten()), ("4", mp.Dense(64, 3)),
    ])  # fmt: skip
    from torch.nn.utils import prune

    prune.random_unstructured(module[4], "weight", 0.5)
    file = saved(tmp_path, module.state_dict())
    model = mp.from_arrays(net, mp.read_weights(file))
    assert model.masks["4.weight"].mean() == 0.5
    with torch.no_grad():
        want = module.eval()(x).numpy()
    assert np.allclose(model(x.numpy()), want, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (lambda: torch.nn.Linear(2, 2),
         f"it must hold tensors and dicts alone, not torch.nn.modules.linear.Linear; {SAVE}"),
        (lambda: {"model": {}, "epoch": 3},
         f"epoch: must be a tensor or a dict of tensors, not int; {SAVE}"),
        (lambda: torch.optim.Adam([torch.ones(2)]).state_dict(),
         f"it must hold tensors and dicts alone, not a list; {SAVE}"),
        (lambda: torch.ones(2), f"it must be a dict of tensors, not one alone; {SAVE}"),
        (lambda: {"a": torch.ones(2, dtype=torch.complex64).conj()},
         "a tensor must be stored itself, not as the conjugate or negative of another; save "
         "tensor.resolve_conj().resolve_neg()"),
        (lambda: {"a": torch.ones(2).to(torch.float8_e4m3fn)},
         f"it must hold tensors and dicts alone, not torch.float8_e4m3fn; {SAVE}"),
        (lambda: {"a": torch.ones(1, 3).expand(999, 3)},
         "a: the tensors must fit in the bytes of the file, and this one repeats numbers to a "
         "shape of (999, 3); save tensor.clone()"),
    ],
)  # fmt: skip
def test_refused(make: Any, text: str, tmp_path: Path) -> None:
    file = saved(tmp_path, make())
    with pytest.raises(FileError) as e:
        mp.read_weights(file)
    assert str(e.value) == f"{file}: {text}"


def test_old_files_are_refused(tmp_path: Path) -> None:
    file = saved(tmp_path, {"a": torch.ones(2)}, _use_new_zipfile_serialization=False)
    with pytest.raises(FileError, match="not a PyTorch file of the old kind; load it in PyTorch"):
        mp.read_weights(file)


def test_the_readme(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A state_dict, a pruned net, and back into the module, in at most ten lines"""
    monkeypatch.chdir(tmp_path)
    (_, module_of_theirs), (_, first), (_, second) = code_blocks(TEXT, "py")
    assert len(first.splitlines()) <= 10
    names: dict[str, Any] = {"mp": mp, "data": mp.data.digits()}
    exec(module_of_theirs, names)
    exec(first, names)
    module, pruned, x = names["module"], names["pruned"], names["data"].test[0][:50]
    assert np.allclose(module(torch.tensor(x)).detach().numpy(), pruned(x), rtol=1e-4, atol=1e-4)
    live = sum(int(m.weight_mask.sum()) for m in module if hasattr(m, "weight_mask"))
    assert live == round(0.1 * (64 * 32 + 32 * 10))
    module = torch.nn.Sequential(torch.nn.Linear(64, 4), torch.nn.Linear(4, 10))
    module(torch.tensor(x.reshape(50, 64))).square().sum().backward()
    names["module"] = module
    exec(second, names)
    masks = names["masks"]
    assert {k: m.shape for k, m in masks.items()} == {"0.weight": (4, 64), "1.weight": (10, 4)}
    assert sum(int(m.sum()) for m in masks.values()) == 296 - round(0.9 * 296)
