"""The same net with other names, as frameworks give them: "4.fc1" for "fc1", "4.fc1.weight"."""

import re
from dataclasses import replace
from typing import Any

import minprune as mp
from minprune.nets.model import Model
from minprune.nets.net import INPUT, Net


def other_names(net: Net) -> dict[str, str]:
    """{name: another one}, with dots and digits, of different depths"""
    ahead = ("{}.", "layer{}.0.", "")
    return {n.name: ahead[k % 3].format(k) + n.name for k, n in enumerate(net.nodes)}


def renamed(model: Model) -> Model:
    names = other_names(model.net) | {INPUT: INPUT}
    nodes = tuple(
        n._replace(name=names[n.name], inputs=tuple(names[i] for i in n.inputs))
        for n in model.net.nodes
    )
    net = replace(model.net, nodes=nodes)
    return mp.Model(net, *(to(model.net, a) for a in (model.params, model.buffers, model.masks)))


def to(net: Net, given: Any) -> Any:
    """What was said about the net, said about the renamed one: a name, a pattern, a dict, a list"""
    if isinstance(given, dict):
        return {to(net, k): v for k, v in given.items()}
    if isinstance(given, tuple | list):
        return type(given)(to(net, one) for one in given)
    if not isinstance(given, str):
        return given
    names = other_names(net)
    layer, dot, rest = given.partition(".")
    star = any(c in given for c in "*?[")
    return f"*{given}" if star else names[layer] + dot + rest if layer in names else given


def back(net: Net, text: str) -> str:
    """A name, or a text with names, of the renamed net, by the names of `net`"""
    for old, new in other_names(net).items():
        text = re.sub(rf"(?<![\w.]){re.escape(new)}\b", old, text)
    return text


def as_named(net: Net, found: dict[str, Any]) -> dict[str, Any]:
    """A dict by full names of the renamed net, by those of `net`"""
    return {back(net, k): v for k, v in found.items()}
