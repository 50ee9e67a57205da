"""Tied groups worked out by hand: what each unit of a group owns."""

from typing import Any

from minprune.nets.ties import INPUT, OUTPUT

ONE = [[0], [1], [2], [3], [4], [5]]  # unit u owns row u

# name of the group: (what it reaches, {(parameter, axis): index of each unit})
TABLES: dict[str, dict[str, tuple[str, dict[tuple[str, int], Any]]]] = {
    "flatten": {  # a gives 3 channels of 2 x 2
        "a.weight": ("", {("a.weight", 0): ONE[:3], ("a.bias", 0): ONE[:3],
                          ("fc.weight", 1): [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9, 10, 11]]}),
        "fc.weight": (OUTPUT, {("fc.weight", 0): ONE[:2], ("fc.bias", 0): ONE[:2]}),
        INPUT: (INPUT, {("a.weight", 1): ONE[:1]}),
    },
    "grouped": {  # the t-th channel of both groups goes together, on either side of b
        "a.weight": ("", {("a.weight", 0): [[0, 2], [1, 3]], ("a.bias", 0): [[0, 2], [1, 3]],
                          ("b.weight", 1): ONE[:2]}),
        "b.weight": ("", {("b.weight", 0): [[0, 3], [1, 4], [2, 5]],
                          ("b.bias", 0): [[0, 3], [1, 4], [2, 5]],
                          ("fc.weight", 1): [[0, 3], [1, 4], [2, 5]]}),
        "fc.weight": (OUTPUT, {("fc.weight", 0): ONE[:2], ("fc.bias", 0): ONE[:2]}),
        INPUT: (INPUT, {("a.weight", 1): ONE[:2]}),
    },
    "depthwise": {  # two outputs of b for each channel of a
        "a.weight": ("", {("a.weight", 0): ONE[:3], ("a.bias", 0): ONE[:3],
                          ("b.weight", 0): [[0, 1], [2, 3], [4, 5]],
                          ("b.bias", 0): [[0, 1], [2, 3], [4, 5]],
                          ("c.weight", 1): [[0, 1], [2, 3], [4, 5]]}),
        "c.weight": ("", {("c.weight", 0): ONE[:3], ("c.bias", 0): ONE[:3],
                          ("fc.weight", 1): ONE[:3]}),
        "fc.weight": (OUTPUT, {("fc.weight", 0): ONE[:2], ("fc.bias", 0): ONE[:2]}),
        INPUT: (INPUT, {("a.weight", 1): ONE[:2]}),
    },
    "concat": {  # a, b, a: columns 0 1, 2 3 4, 5 6
        "a.weight": ("", {("a.weight", 0): ONE[:2], ("a.bias", 0): ONE[:2],
                          ("fc.weight", 1): [[0, 5], [1, 6]]}),
        "b.weight": ("", {("b.weight", 0): ONE[:3], ("b.bias", 0): ONE[:3],
                          ("fc.weight", 1): [[2], [3], [4]]}),
        "fc.weight": (OUTPUT, {("fc.weight", 0): ONE[:2], ("fc.bias", 0): ONE[:2]}),
        INPUT: (INPUT, {("a.weight", 1): ONE[:2], ("b.weight", 1): ONE[:2]}),
    },
    "shared": {
        "a.weight": ("", {("a.weight", 0): ONE[:3], ("a.bias", 0): ONE[:3],
                          ("b.weight", 1): ONE[:3], ("c.weight", 1): ONE[:3]}),
        "b.weight": ("", {("b.weight", 0): ONE[:2], ("b.bias", 0): ONE[:2],
                          ("c.weight", 0): ONE[:2], ("c.bias", 0): ONE[:2],
                          ("fc.weight", 1): ONE[:2]}),
        "fc.weight": (OUTPUT, {("fc.weight", 0): ONE[:2], ("fc.bias", 0): ONE[:2]}),
        INPUT: (INPUT, {("a.weight", 1): ONE[:2]}),
    },
    "half_tied": {
        "c.weight": (INPUT, {("c.weight", 0): ONE[:2], ("c.bias", 0): ONE[:2],
                             ("c.weight", 1): ONE[:2], ("a.weight", 1): ONE[:2],
                             ("fc.weight", 1): ONE[:2]}),
        "c.weight from row 2": ("", {("c.weight", 0): ONE[2:5], ("c.bias", 0): ONE[2:5],
                                     ("a.weight", 0): ONE[:3], ("a.bias", 0): ONE[:3],
                                     ("fc.weight", 1): ONE[2:5]}),
        "fc.weight": (OUTPUT, {("fc.weight", 0): ONE[:2], ("fc.bias", 0): ONE[:2]}),
    },
    "unread": {
        "a.weight": ("", {("a.weight", 0): ONE[:4], ("a.bias", 0): ONE[:4],
                          ("side.weight", 1): ONE[:4], ("fc.weight", 1): ONE[:4]}),
        "side.weight": ("", {("side.weight", 0): ONE[:3], ("side.bias", 0): ONE[:3]}),
        "fc.weight": (OUTPUT, {("fc.weight", 0): ONE[:2], ("fc.bias", 0): ONE[:2]}),
        INPUT: (INPUT, {("a.weight", 1): ONE[:2]}),
    },
}  # fmt: skip

PRINTED = """\
group            units  may shrink                  made by       read by       with
---------------  -----  --------------------------  ------------  ------------  ----------
conv1.weight        20  yes                         conv1.weight  conv2.weight  conv1.bias
conv2.weight        50  yes                         conv2.weight  fc1.weight    conv2.bias
fc1.weight         500  yes                         fc1.weight    fc2.weight    fc1.bias
fc2.weight          10  no: it is the net's output  fc2.weight    -             fc2.bias
the net's input      1  no: it is the net's input   -             conv1.weight  -"""
