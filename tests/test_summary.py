"""print(model): one row a layer, counted by hand; the live columns once something is masked."""

import numpy as np

import minprune as mp

RESIDUAL = mp.build(
    (1, 4, 4),
    [("conv1", mp.Conv2d(1, 2, 3, padding=1)), ("bn1", mp.BatchNorm(2)), ("relu1", mp.ReLU()),
     ("conv2", mp.Conv2d(2, 2, 1, bias=False)), ("sum", mp.Add(), ("conv2", "relu1")),
     ("flatten", mp.Flatten()), ("fc", mp.Dense(32, 40))],
)  # fmt: skip
DENSE_TABLE = """\
input 1 x 4 x 4, loss cross_entropy, float32
layer    kind       reads         output     parameters  multiply-adds
-------  ---------  ------------  ---------  ----------  -------------
conv1    Conv2d                   2 x 4 x 4          20            288
bn1      BatchNorm                2 x 4 x 4           4
relu1    ReLU                     2 x 4 x 4
conv2    Conv2d                   2 x 4 x 4           4             64
sum      Add        conv2, relu1  2 x 4 x 4
flatten  Flatten                  32
fc       Dense                    40              1,320          1,280
-------  ---------  ------------  ---------  ----------  -------------
total                                             1,348          1,632"""
MASKED_TABLE = """\
input 1 x 4 x 4, loss cross_entropy, float32
layer    kind       reads         output     parameters   live  multiply-adds   live
-------  ---------  ------------  ---------  ----------  -----  -------------  -----
conv1    Conv2d                   2 x 4 x 4          20      5            288     48
bn1      BatchNorm                2 x 4 x 4           4      4
relu1    ReLU                     2 x 4 x 4
conv2    Conv2d                   2 x 4 x 4           4      4             64     64
sum      Add        conv2, relu1  2 x 4 x 4
flatten  Flatten                  32
fc       Dense                    40              1,320  1,320          1,280  1,280
-------  ---------  ------------  ---------  ----------  -----  -------------  -----
total                                             1,348  1,333          1,632  1,392"""


def test_a_model_prints_as_a_table() -> None:
    model = mp.initialise(RESIDUAL)
    assert str(model) == DENSE_TABLE
    mask = np.zeros((2, 1, 3, 3), bool)
    mask[0, 0, 0] = True  # 3 of 18 weights, and 2 biases; 3 x 16 positions
    assert str(mp.with_masks(model, {"conv1.weight": mask})) == MASKED_TABLE


def test_a_dead_layer_has_0_live_weights() -> None:
    dead = {"conv2.weight": np.zeros((2, 2, 1, 1), bool)}
    (row,) = [r for r in str(mp.with_masks(mp.initialise(RESIDUAL), dead)).split("\n")
              if r.startswith("conv2")]  # fmt: skip
    assert row.split() == ["conv2", "Conv2d", "2", "x", "4", "x", "4", "4", "0", "64", "0"]


def test_sizes_of_numpy_are_sizes() -> None:
    """What y.max() + 1 gives is written with its comma, as other numbers are."""
    net = mp.build((4,), [("fc", mp.Dense(4, np.int64(2000)))])  # type: ignore[arg-type]
    assert "10,000" in str(mp.initialise(net))


def test_a_model_is_one_line_in_a_list() -> None:
    assert repr(mp.zoo.monk(2)) == "Model(fc1, sigmoid1, fc2, sigmoid2; float64)"
