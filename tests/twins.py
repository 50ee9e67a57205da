"""Every twin under one name: ref.affine, ref.csr_matmul, and the helpers that their files share."""

from importlib import import_module
from types import SimpleNamespace

from places import ROOT

FILES = sorted((ROOT / "minprune" / "kernels").glob("*/*_ref.py"))
MODULES = [import_module(f"minprune.kernels.{f.parent.name}.{f.stem}") for f in FILES]
ref = SimpleNamespace(
    **{name: it for module in MODULES for name, it in vars(module).items() if name[0] != "_"}
)
