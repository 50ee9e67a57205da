"""The facts that a job passes to the page, each against numbers computed another way."""

import itertools
import json

import numpy as np
import pytest
from hypothesis import given
from randomnets import models

import minprune as mp
from minprune.jobs.facts import BINS, ROOM, UNITS, costs, facts, first_layer, histograms, layers
from minprune.report.run_page import run_page as page


def pruned(model, sparsity=0.7):
    scores = mp.score(model, None, "random", seed=0)
    return mp.prune(model, scores, sparsity=sparsity, minimum=0)


@pytest.fixture(scope="module")
def stages():
    dense = mp.zoo.cnn_small(((1, 4, 4), 3), seed=1)
    thin = pruned(dense)
    return {"dense": dense, "fine-tuned": thin, "compacted": mp.compact(unit_pruned(thin))}


def unit_pruned(model):
    return mp.prune(model, mp.score(model, None, "magnitude", unit=True), sparsity=0.5)


def test_facts_are_json_and_make_a_page(stages):
    found = facts(stages)
    assert json.loads(json.dumps(found)) == found
    assert (found["before"], found["after"], found["last"]) == ("dense", "fine-tuned", "compacted")
    text = page({"facts": found}, {})
    for part in (
        "Weights and multiply-adds",
        "Weights before and after",
        "Masks of the first layer",
    ):
        assert part in text


@given(models(most=3))
def test_facts_of_any_net(model):
    found = facts({"dense": model, "pruned": pruned(model, 0.5)})
    json.dumps(found, allow_nan=False)
    page({"facts": found}, {})
    assert [one["name"] for one in found["costs"]] == list(model.net.weights)
    for one in found["histograms"]:
        assert sum(one["before"]) == model.params[one["name"]].size


def test_a_histogram_counts_live_weights_between_its_edges(stages):
    dense, thin = stages["dense"], stages["fine-tuned"]
    for one in histograms(dense, thin):
        w, mask = thin.params[one["name"]], thin.masks[one["name"]]
        edges = np.linspace(one["low"], one["high"], len(one["after"]) + 1)
        counts = [((w >= a) & (w < b) & mask).sum() for a, b in itertools.pairwise(edges)]
        counts[-1] += ((w == edges[-1]) & mask).sum()
        assert one["after"] == counts
        assert sum(one["before"]) == w.size
        assert 8 <= len(counts) <= BINS


def test_a_histogram_of_one_value_has_width():
    model = mp.zoo.mlp(((2,), 2), (2,))
    same = mp.Model(model.net, {k: np.zeros_like(w) for k, w in model.params.items()})
    assert [(one["low"], one["high"]) for one in histograms(same, same)] == [(-0.5, 0.5)] * 2


def bits(packed, n):
    return np.unpackbits(np.frombuffer(bytes.fromhex(packed), np.uint8), count=n).astype(bool)


def test_the_first_masks_of_a_convolution(stages):
    found, mask = first_layer(stages["fine-tuned"]), stages["fine-tuned"].masks["conv1.weight"]
    assert found["image"] == [1, 3, 3]
    assert found["used"] is None
    assert found["kept"] == mask.sum()
    held = [bits(packed, 9) for packed in found["masks"]]
    assert (np.array(held) == mask.reshape(16, 9)).all()


def test_the_first_masks_of_a_dense_layer_and_the_inputs_that_it_uses():
    thin = pruned(mp.zoo.mlp(((2, 3, 4), 3), (UNITS + 6,)))
    found, mask = first_layer(thin), thin.masks["fc1.weight"]
    assert found["image"] == [2, 3, 4]
    assert found["used"] == [int(mask[:, k].sum()) for k in range(24)]
    assert (found["units"], len(found["masks"])) == (UNITS + 6, UNITS)
    assert (bits(found["masks"][3], 24) == mask[3]).all()


def test_a_dense_first_layer_that_does_not_see_the_inputs():
    net = mp.build(
        (1, 4, 4), [("pool", mp.MaxPool(2)), ("flat", mp.Flatten()), ("fc", mp.Dense(4, 2))]
    )
    found = first_layer(pruned(mp.initialise(net), 0.5))
    assert (found["image"], found["used"]) == ([1, 1, 4], None)


def test_large_first_layers_are_cut():
    wide = mp.zoo.mlp(((ROOM // 10,), 2), (20,))
    assert len(first_layer(wide)["masks"]) == 10
    huge = mp.zoo.mlp(((ROOM + 1,), 2), (2,))
    found = first_layer(huge)
    assert (found["masks"], found["used"]) == ([], None)
    assert "All" in page({"facts": {"first": found}}, {})
    assert "0 of 2 units" in page({"facts": {"first": first_layer(pruned(huge))}}, {})


def test_costs_by_hand():
    net = mp.build(
        (1, 4, 4),
        [("conv", mp.Conv2d(1, 2, 3, padding=1)), ("flat", mp.Flatten()), ("fc", mp.Dense(32, 3))],
    )
    model = mp.initialise(net)
    mask = np.zeros((2, 1, 3, 3), bool)
    mask[0, 0, 1] = True
    thin = mp.with_masks(model, {"conv.weight": mask})
    other = mp.zoo.mlp(((4,), 2), ())
    conv = {"name": "conv.weight", "kind": "Conv2d", "shape": [2, 1, 3, 3],
            "parameters": 18, "macs": 18 * 16, "kept": 3}  # fmt: skip
    fc = {"name": "fc.weight", "kind": "Dense", "shape": [3, 32], "parameters": 96, "macs": 96,
          "kept": 96}  # fmt: skip
    assert costs(model, thin, thin) == [
        conv | {"live": 3, "live_macs": 48}, fc | {"live": 96, "live_macs": 96},
    ]  # fmt: skip
    gone = {"live": 0, "live_macs": 0}
    assert costs(model, thin, other) == [conv | gone, fc | gone]


def test_layers_are_those_with_parameters():
    found = layers(mp.zoo.resnet_small(((1, 4, 4), 3), 4))
    assert found[:2] == [
        {"name": "stem", "kind": "Conv2d", "shape": [4, 1, 3, 3]},
        {"name": "stem_bn", "kind": "BatchNorm", "shape": [4]},
    ]
    assert len(found) == 13
