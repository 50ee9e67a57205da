"""Units: removing neurons and filters, and what is tied to them

A weight that is 0 still takes its place in the array. An array gets smaller only where a whole row
or column goes: a unit, that is, a neuron of a dense layer, or a filter of a convolution, whose
output is called a channel.
"""

import numpy as np

import minprune as mp

# %% Single weights: zeros in arrays of the same size
# A mask says of each weight whether it is kept. Half of the weights go, and the arrays are as large
# as before; the net does the same work.
data = mp.data.digits(dtype=np.float64)
dense = mp.zoo.mlp(data, hidden=(16,), seed=0, dtype=np.float64)
weights = mp.prune(dense, mp.score(dense, None, "magnitude"), sparsity=0.5)
for name, mask in weights.masks.items():
    print(f"{name}: {mask.shape}, {mask.sum()} of {mask.size} kept")
assert mp.compact(weights).params["fc1.weight"].size == dense.params["fc1.weight"].size

# %% Units: a row, a bias and a column
# A unit has one score, here the norm of its row: the root of the sum of squares of its incoming
# weights. Without the unit its incoming weights, its bias and its outgoing weights are 0.
# `mp.compact` then leaves them out: every output is that of the masked net.
scores = mp.score(dense, None, "magnitude", unit=True)
silent = mp.prune(dense, scores, sparsity=0.5)
small = mp.compact(silent)
for name in small.params:
    print(f"{name}: {dense.params[name].shape} becomes {small.params[name].shape}")
x = data.test[0]
assert np.allclose(small(x), silent(x), atol=1e-12)
assert small.params["fc1.weight"].shape == (8, 64)

# %% A unit that always gives the same
# With no input left, a sigmoid unit gives 0.5, not 0. It tells nothing of the input, but it still
# adds something: 0.5 times its outgoing weight is added to the next bias before the unit goes.
layers = [("fc1", mp.Dense(1, 2)), ("sigmoid", mp.Sigmoid()), ("fc2", mp.Dense(2, 1))]
params = {
    "fc1.weight": np.array([[2.0], [3.0]]), "fc1.bias": np.zeros(2),
    "fc2.weight": np.array([[1.0, 4.0]]), "fc2.bias": np.zeros(1),
}  # fmt: skip
net = mp.build((1,), layers, loss="mse")
cut = mp.with_masks(mp.Model(net, params), {"fc1.weight": np.array([[True], [False]])})
folded = mp.compact(cut)
bias = folded.params["fc2.bias"]
print(f"one unit of two is left; the bias of fc2 was {params['fc2.bias']} and is {bias}")
at = np.array([[-1.0], [0.0], [5.0]])
assert np.allclose(folded(at), cut(at))
assert np.allclose(bias, 4.0 * 0.5)

# %% Ties: what must go together
# A residual net adds the output of a block to its input, channel by channel. If one of the two lost
# a channel the sum would not fit.
try:
    np.zeros((4, 8, 8)) + np.zeros((3, 8, 8))
except ValueError as error:
    print("numpy:", str(error).strip())
residual = mp.zoo.resnet_small(data, width=4, seed=0, dtype=np.float64)
for group in mp.ties(residual):
    made = ", ".join(m.param.removesuffix(".weight") for m in group.producers)
    print(f"{made or 'nothing'}: {group.size} channels, {group.why or 'may go'}")
assert {g.size for g in mp.ties(residual) if len(g.producers) > 1} == {4, 8}

# %% A smaller residual net
# Tied units have one score and one mask. So the net still fits together afterwards, and computes
# what the masked one did, with fewer bytes and fewer multiply-adds (products that are summed up).
scores = mp.score(residual, None, "magnitude", unit=True)
pruned = mp.prune(residual, scores, sparsity=0.5, scope="layer")  # half of the channels of each
compact = mp.compact(pruned)
before, after = (mp.measure(model, time=False).size for model in (residual, compact))
print(f"parameters {before.parameters:,} -> {after.parameters:,}")
print(f"bytes {before.bytes:,} -> {after.bytes:,}")
print(f"multiply-adds of an image {before.macs:,} -> {after.macs:,}")
assert np.allclose(compact(x), pruned(x), atol=1e-10)
assert after.bytes < before.bytes / 2
assert mp.measure(pruned, time=False).size.bytes == before.bytes  # masks alone save nothing

# %% Try it
# Prune the residual net with `scope="global"`, the default. Which layers lose most, and what
# remains the same?


# %% Picture
# Channels of each layer that has any of its own. The four that are summed have the same number.
def figure(ax):
    names = [name for name, w in residual.params.items() if w.ndim == 4]
    places = np.arange(len(names))
    for k, (model, label) in enumerate(((residual, "before"), (compact, "after"))):
        channels = [len(model.params[name]) for name in names]
        ax.barh(places + 0.4 * k, channels, 0.38, color=f"C{k}", label=label)
    ax.set_yticks(places + 0.2, [name.removesuffix(".weight") for name in names])
    ax.invert_yaxis()
    ax.set_xlabel("channels")
    ax.grid(False)
