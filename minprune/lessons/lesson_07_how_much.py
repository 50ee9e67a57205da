"""How much to remove, and from which layer: thresholds, shares, sensitivity

A score orders the weights. How many of them go is another decision. Programs that take a threshold
for it often remove other numbers than were asked for.
"""

import numpy as np

import minprune as mp

# %% A threshold or a share
# One can remove all weights whose score is below a threshold, and see how many that were; or remove
# a share, the sparsity, and see where the threshold was. A share means the same for any net and any
# score, and the number is known before: round(share * number of weights).
data = mp.data.digits(dtype=np.float64)
model = mp.zoo.mlp(data, hidden=(64, 32), seed=0, dtype=np.float64)
model, _ = mp.fit(model, data, epochs=20, seed=0, progress=False)
scores = mp.score(model, None, "magnitude")


def sparsity(model):
    return mp.measure(model, time=False).size.sparsity


for threshold in (0.05, 0.1, 0.2):
    left = mp.prune(model, scores, threshold=threshold)
    print(f"below {threshold}: {sparsity(left):.1%} go")
half = mp.prune(model, scores, sparsity=0.5)
kept = sum(int(mask.sum()) for mask in half.masks.values())
print(f"sparsity 0.5 keeps {kept:,} of 6,464")
assert kept == 6464 - round(0.5 * 6464)

# %% Equal scores
# Scores are often equal: zeros of dead inputs, weights of few bits. Suppose that 3 of these 6
# should go. The third lowest score is 1. If all scores of at most 1 go, 5 go; if only those below
# 1, then 1 goes. Count first, choose second: 3 go, and of equal ones the first are kept.
tied = {"fc.weight": np.array([[0.0, 1, 1, 1, 1, 2]])}
third = np.sort(tied["fc.weight"].ravel())[2]
print(f"at most {third:g}: {(tied['fc.weight'] <= third).sum()} go")
print(f"below {third:g}: {(tied['fc.weight'] < third).sum()} goes")
net = mp.build((6,), [("fc", mp.Dense(6, 1, bias=False))], loss="mse")
one = mp.Model(net, {"fc.weight": np.ones((1, 6))})
mask = mp.prune(one, tied, sparsity=0.5).masks["fc.weight"]
print(f"prune: {(~mask).sum()} go, mask {mask.astype(int).ravel()}")
assert mask.ravel().tolist() == [False, True, True, False, False, True]

# %% All layers together, or each alike
# "global" compares the scores of all layers and removes the lowest, wherever they are; "layer"
# removes the same share of each. Global leaves more to layers whose weights are large.
for scope in ("global", "layer"):
    left = mp.prune(model, scores, sparsity=0.8, scope=scope)
    shares = ", ".join(f"{name[:3]} {1 - m.mean():.0%}" for name, m in left.masks.items())
    accuracy = mp.evaluate(left, data.test).accuracy
    print(f"{scope}: {shares} go; accuracy {accuracy:.1%}")
    assert abs(sparsity(left) - 0.8) < 1e-3

# %% Which layer bears it?
# Prune one layer alone, leave the others whole, and look at the accuracy on the validation part,
# samples set apart for such decisions: the sensitivity of the layer (Han et al., 2015; Li et al.,
# 2016). A sparsity of each layer follows, on the assumption that losses add up.
sensitivity = mp.sensitivity(model, data, progress=False)
print(f"whole: {sensitivity.accuracy:.1%}")
for name, row in sensitivity.accuracies.items():
    print(f"{name[:3]} without 80 % of its weights: {row[sensitivity.sparsities.index(0.8)]:.1%}")
by_layer = sensitivity.allocate(0.05, of="accuracy")
chosen = mp.prune(model, scores, sparsity=by_layer, scope="layer", minimum=0)
alike = mp.prune(model, scores, sparsity=sparsity(chosen), scope="layer")
print("chosen:", ", ".join(f"{name[:3]} {share:.0%}" for name, share in by_layer.items()))
accuracies = [mp.evaluate(each, data.test).accuracy for each in (chosen, alike)]
print(f"{sparsity(chosen):.1%} of all go: {accuracies[0]:.1%}; each alike: {accuracies[1]:.1%}")

# %% Training again
# Most of what was lost comes back if the net is trained again, with the masks held: fine-tuning.
# So the answer to "how much?" depends on what comes after.
cut = mp.prune(model, scores, sparsity=0.8)
tuned, _ = mp.fit(cut, data, epochs=20, seed=1, progress=False)
before, after = (mp.evaluate(each, data.test).accuracy for each in (cut, tuned))
print(f"80 % removed: {before:.1%}; after 20 epochs: {after:.1%}")
assert sparsity(tuned) == sparsity(cut)
assert after > before + 0.1

# %% Try it
# Score by `obd` instead of magnitude, with `data.train`. How much accuracy is left at 80 %, before
# and after the net is trained again?


# %% Picture
# Accuracy on the validation part with one layer pruned alone.
def figure(ax):
    sensitivity.plot(ax).get_legend().remove()  # the page has its own
