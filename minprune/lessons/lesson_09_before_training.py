"""Pruning before training: SNIP, GraSP, and why SynFlow needs rounds

If a net can be pruned before it is trained, training is cheaper too. But the weights are random
still. What can a score see in them? And what happens if a layer loses all its weights?
"""

import numpy as np

import minprune as mp

# %% SNIP: which connections does the loss feel?
# Give each weight a switch c, 1 for on. abs(dL/dc) says how strongly the loss feels the switch; as
# the net computes with c w, that is abs(g w), g the gradient. SNIP (Lee et al., 2019) divides by
# the sum of all.
data = mp.data.digits(dtype=np.float64)
model = mp.zoo.mlp(data, hidden=(100, 100), seed=0, dtype=np.float64)  # untrained
sizes = {name: w.size for name, w in model.params.items() if w.ndim == 2}
print("weights of each layer:", sizes)
snip = mp.score(model, data.train, "snip")
g = {k: s.mean(axis=0) for k, s in mp.curvature.sample_grads(model, data.train).items()}
total = sum(np.abs(g[k] * model.params[k]).sum() for k in sizes)
print(f"SNIP scores add up to {sum(s.sum() for s in snip.values()):.3f}")
assert all(np.allclose(snip[k], np.abs(g[k] * model.params[k]) / total) for k in sizes)

# %% GraSP: which connections keep the gradient flowing?
# Training needs a gradient g, so GraSP (Wang et al., 2020) asks how norm(g)^2 changes without a
# weight: to first order by -2 w (H g), H the Hessian. It keeps those of large w (H g). The check:
# take a thousandth of one weight away and see what norm(g)^2 does.
grasp = mp.score(model, data.train, "grasp")["fc3.weight"]


def norm(model):
    grads = mp.curvature.sample_grads(model, data.train)
    return sum(float((each.mean(axis=0) ** 2).sum()) for each in grads.values())


k = np.unravel_index(np.argmax(grasp), grasp.shape)
less = model.params["fc3.weight"].copy()
less[k] *= 0.999
change = norm(mp.Model(model.net, {**model.params, "fc3.weight": less})) - norm(model)
print(f"promised {-2 * 0.001 * grasp[k]:.2e}, measured {change:.2e}")
assert np.isclose(change, -2 * 0.001 * grasp[k], rtol=0.02)

# %% SynFlow: how much flows through each weight?
# SynFlow (Tanaka et al., 2020) uses no data at all. Take abs of all weights, feed in ones, leave
# out biases and ReLU, and call the sum of the outputs R. The score abs(w) dR/dabs(w) is what flows
# through w. All that flows into a layer flows out: the scores of each layer have the same sum.
synflow = mp.score(model, None, "synflow")
flow = np.ones(64)
for name in sizes:
    flow = np.abs(model.params[name]) @ flow
for name, s in synflow.items():
    print(f"{name}: sum {s.sum() / flow.sum():.4f} R, mean {s.mean() / flow.sum():.1e} R")
assert all(np.isclose(s.sum(), flow.sum()) for s in synflow.values())

# %% Layer collapse
# The sums are equal, so in a layer of many weights each has little. Remove 98 % at once, and the
# lowest 98 % are all in the two large layers: nothing passes any more, though there were weights
# enough. That is layer collapse.
at_once = mp.prune(model, synflow, sparsity=0.98, minimum=0)
print("kept at once:", [int(mask.sum()) for mask in at_once.masks.values()])
print("collapsed:", mp.collapsed(at_once))
assert mp.collapsed(at_once) == ["fc1.weight", "fc2.weight"]

# %% Rounds
# Remove a little, score again, remove a little, and so on. As a layer gets thin, its few weights
# carry its whole sum, so their scores rise, and the other layers are pruned first. After 100 rounds
# 348 weights are left as before, but in all layers.
in_rounds = mp.methods.in_rounds(model, None, "synflow", sparsity=0.98, rounds=100, progress=False)
print("kept in 100 rounds:", [int(mask.sum()) for mask in in_rounds.masks.values()])
assert mp.collapsed(in_rounds) == []

# %% Then train
# Each net is pruned to 98 %, then trained for 10 epochs. A collapsed net gives the same answer to
# all, which is right in a tenth of the cases.
pruned = {"SynFlow at once": at_once, "SynFlow in rounds": in_rounds}
for name in ("random", "snip", "grasp"):
    scores = mp.score(model, data.train, name, seed=0)
    pruned[name] = mp.prune(model, scores, sparsity=0.98, minimum=0)
accuracy = {}
for name, start in pruned.items():
    trained, _ = mp.fit(start, data, epochs=10, optimizer=mp.Adam(lr=0.01), progress=False)
    accuracy[name] = mp.evaluate(trained, data.test).accuracy
    print(f"{name}: {accuracy[name]:.1%}")
assert accuracy["SynFlow at once"] < 0.15
assert accuracy["SynFlow in rounds"] > accuracy["random"]

# %% Try it
# Use 2, 5 and 10 rounds of SynFlow. Does a layer collapse? And to which accuracy do they train?


# %% Picture
# Weights kept of each layer after each of the 100 rounds. The smallest layer, fc3, loses little at
# first; in the end all three have about as many.
def figure(ax):
    kept, net = {name: [size] for name, size in sizes.items()}, model
    for k in range(1, 101):
        share = 1 - 0.02 ** (k / 100)
        net = mp.prune(net, mp.score(net, None, "synflow"), sparsity=share, minimum=0)
        for name, mask in net.masks.items():
            kept[name].append(int(mask.sum()))
    for name, counts in kept.items():
        ax.plot(counts, label=name)
    ax.set_yscale("log")
    ax.set_xlabel("round")
    ax.set_ylabel("weights kept")
