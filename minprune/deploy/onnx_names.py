"""Names of layers from an ONNX file: "layer1.0.conv1" of a weight or of a node."""

import re
from collections.abc import Iterable

from minprune.deploy.onnx_patterns import Op
from minprune.nets.net import INPUT


def layer_names(rows: Iterable[tuple[str, Op]]) -> list[str]:
    """A name for each layer, by the name of its weight, or "", and its node; each once"""
    given, ops = zip(*rows, strict=True)
    taken = {INPUT}
    names: list[str] = [""] * len(ops)
    weights = [name.removesuffix(".weight") * name.endswith(".weight") for name in given]
    paths = [w or _path(op) for w, op in zip(weights, ops, strict=True)]
    for k in sorted(range(len(ops)), key=lambda k: not weights[k]):  # weights first
        wanted, op = paths[k], ops[k]
        module = "/" in op.name and any(p.startswith(f"{wanted}.") for p in paths)
        if not wanted or (module and not weights[k]):  # a sum in a module of layers, for example
            wanted = ".".join(filter(None, (wanted, op.kind.lower())))
        names[k] = _free(_legal(wanted), taken)
        taken.add(names[k])
    return names


def _legal(name: str) -> str:
    """Words of letters, digits and _, with dots between them"""
    words = [re.sub(r"[^A-Za-z0-9_]+", "_", word) for word in name.split(".")]
    return ".".join(filter(None, words)) or "layer"


def _path(op: Op) -> str:
    """ "layer1.0.conv1" of "/layer1/layer1.0/conv1/Conv", as PyTorch names nodes by modules"""
    parts = [part for part in op.name.split("/") if part]
    if "/" in op.name and re.fullmatch(rf"{re.escape(op.kind)}(_\d+)?", parts[-1] if parts else ""):
        parts.pop()
    found: list[str] = []
    for part in parts:
        if found and part.startswith(f"{found[-1]}."):
            found.pop()
        found.append(part)
    return ".".join(found)


def _free(wanted: str, taken: Iterable[str]) -> str:
    """The name, or the first of name_1, name_2, ... that is free"""
    name, k = wanted, 0
    while name in taken:
        k += 1
        name = f"{wanted}_{k}"
    return name
