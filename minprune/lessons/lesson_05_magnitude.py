"""Magnitude: why it often works, and two ways in which it fails

The simplest score is the size of a weight, abs(w) (Han et al., 2015). It needs no data and no
derivatives, and is hard to beat once a net may train again. But size alone is not importance.
"""

import numpy as np

import minprune as mp

# %% Units of measure
# The same length in metres or in millimetres needs weights that differ by 1,000. Here x1 is small
# and its weight large; x2 is large and its weight small; x2 matters more. Magnitude removes w2.
rng = np.random.default_rng(0)
x = np.stack([rng.normal(0, 0.01, 100), rng.normal(0, 10, 100)], axis=1)
net = mp.build((2,), [("fc", mp.Dense(2, 1, bias=False))], loss="mse")
model = mp.Model(net, {"fc.weight": np.array([[3.0, 0.2]])})
y = model(x)
for name in ("magnitude", "obd"):
    s = mp.score(model, (x, y), name)
    left = mp.prune(model, s, sparsity=0.5)  # half of the weights go
    best = np.argmax(s["fc.weight"]) + 1
    print(f"{name} keeps w{best}: loss {mp.evaluate(left, (x, y)).loss:.4f}")
assert np.argmax(mp.score(model, None, "magnitude")["fc.weight"]) == 0
assert np.argmax(mp.score(model, (x, y), "obd")["fc.weight"]) == 1

# %% Where it works
# Inputs of one kind, such as pixels, have no such problem. A net for digits, trained for 10 epochs;
# then half of the weights go, without further training.
data = mp.data.digits(dtype=np.float64)
dense = mp.zoo.mlp(data, hidden=(32,), seed=0, dtype=np.float64)
dense, _ = mp.fit(dense, data, epochs=10, seed=0, progress=False)
print(f"whole net: {mp.evaluate(dense, data.test).accuracy:.1%} right")


def right(model, name, sparsity):
    """The accuracy without that share of the weights"""
    pruned = mp.prune(model, mp.score(model, data.train, name, seed=0), sparsity=sparsity)
    return mp.evaluate(pruned, data.test).accuracy


for name in ("random", "magnitude", "obd"):
    print(f"half of the weights, by {name}: {right(dense, name, 0.5):.1%} right")
assert right(dense, "magnitude", 0.5) > right(dense, "random", 0.5) + 0.1

# %% The same function, other magnitudes
# A ReLU unit, max(0, z), can be rescaled: its incoming weights and bias times a > 0, its outgoing
# weights divided by a. No output changes. So nothing that matters has changed; magnitudes have.
a = np.exp(np.random.default_rng(1).normal(0, 2, 32))
p = dense.params
scaled = mp.Model(dense.net, {
    "fc1.weight": a[:, None] * p["fc1.weight"], "fc1.bias": a * p["fc1.bias"],
    "fc2.weight": p["fc2.weight"] / a, "fc2.bias": p["fc2.bias"],
})  # fmt: skip
apart = abs(scaled(data.test[0]) - dense(data.test[0])).max()
print(f"factors from {a.min():.2g} to {a.max():.2g}")
assert apart < 1e-9
for name in ("magnitude", "obd", "taylor", "snip", "synflow"):
    same = all(
        np.allclose(s, mp.score(scaled, data.train, name)[k], rtol=1e-6, atol=0)
        for k, s in mp.score(dense, data.train, name).items()
    )
    print(f"{name}: {'the same scores' if same else 'other scores'}")
    assert same == (name != "magnitude")

# %% What that costs
# The rescaled net computes the same, but magnitude now removes what it needs.
for name in ("magnitude", "obd"):
    before, after = (right(net, name, 0.5) for net in (dense, scaled))
    print(f"{name}, half of the weights: {before:.1%} before, {after:.1%} after rescaling")
assert right(scaled, "obd", 0.5) == right(dense, "obd", 0.5)
assert right(scaled, "magnitude", 0.5) < right(dense, "magnitude", 0.5) - 0.1

# %% Try it
# Divide x1 and x2 by their standard deviations, and multiply the weights by them. Which weight does
# magnitude keep now?


# %% Picture
# Accuracy against the share that was removed. From the usual initial weights, training leads to
# units of similar scales: magnitude relies on that. Both curves of OBD are one.
def figure(ax):
    shares = np.linspace(0, 0.95, 20)
    for k, name in enumerate(("magnitude", "obd")):
        for net, style, which in ((dense, "-", ""), (scaled, "--", ", rescaled net")):
            curve = [right(net, name, share) for share in shares]
            ax.plot(100 * shares, curve, style, color=f"C{k}", label=name + which)
    ax.set_xlabel("sparsity in %")
    ax.set_ylabel("accuracy")
