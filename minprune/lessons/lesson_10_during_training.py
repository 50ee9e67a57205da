"""Pruning during training: masks that leak, gradual pruning, and RigL

A net that is pruned while it trains can adapt at each step. Two things are needed: masks that hold,
so that what was removed stays removed, and a schedule that says how much goes when.
"""

from functools import partial

import numpy as np

import minprune as mp

# %% The leak
# Training by momentum: a velocity v remembers earlier gradients g, v = 0.9 v + g + decay w, and
# w moves by -0.1 v. After 3 steps the second weight is set to 0, and its gradient too from then
# on. That is not enough: its velocity is still there, and the weight comes back.
target = np.array([1.0, 0.2])  # the loss is the sum of (w - target)^2 / 2


def follow(mask_each_step):
    """The second weight after each of 8 steps"""
    w, v, mask, seen = np.array([0.0, 1.0]), np.zeros(2), np.ones(2), []
    for step in range(8):
        if step == 3:
            mask = np.array([1.0, 0.0])
            w = mask * w
        v = 0.9 * v + mask * (w - target) + 0.001 * w
        w = w - 0.1 * v
        if mask_each_step:
            w, v = mask * w, mask * v
        seen.append(float(w[1]) + 0.0)  # 0 without a sign
    return seen


leaked, held = follow(False), follow(True)
print("masked once:     ", " ".join(f"{w:6.3f}" for w in leaked))
print("masked each step:", " ".join(f"{w:6.3f}" for w in held))
assert all(leaked[3:])
assert held[3:] == [0.0] * 5

# %% Masks that hold
# `mp.fit` applies the masks in the update itself, to the weight and to the velocity. After an epoch
# with momentum and weight decay every masked weight is exactly 0.
data = mp.data.digits(dtype=np.float64)
model = mp.zoo.mlp(data, hidden=(64, 32), seed=0, dtype=np.float64)
cut = mp.prune(model, mp.score(model, None, "magnitude"), sparsity=0.5)
sgd = mp.SGD(0.1, momentum=0.9, weight_decay=0.001)
trained, _ = mp.fit(cut, data, epochs=1, optimizer=sgd, progress=False)
masked = np.concatenate([trained.params[k][~mask] for k, mask in cut.masks.items()])
print(f"{masked.size:,} masked weights, {np.count_nonzero(masked)} of them are not 0")
assert not masked.any()

# %% A schedule
# Gradual pruning (Zhu & Gupta, 2017) removes much early, while much is left, and little at the end:
# the sparsity after step t of n is final - final (1 - t / n)^3.
cubic = partial(mp.schedule.cubic, final=0.95, span=400)
print("sparsity:", ", ".join(f"{cubic(t):.1%} after {t}" for t in (0, 50, 100, 200, 400)))
assert cubic(400) == 0.95

# %% At once, or gradually
# The same number of updates for both, 30 epochs: either 20, then remove 95 % at once, and 10 more
# with the masks held; or remove the smallest weights a few at a time over three quarters of the 30.
dense, _ = mp.fit(model, data, epochs=20, seed=0, progress=False)
once = mp.prune(dense, mp.score(dense, None, "magnitude"), sparsity=0.95)
once, _ = mp.fit(once, data, epochs=10, seed=1, progress=False)
method = mp.methods.Gradual(sparsity=0.95)
gradual, history = mp.fit(model, data, epochs=30, seed=0, method=method, progress=False)

# %% Sparse from the start
# RigL (Evci et al., 2020) never trains the dense net. It starts from a random mask. Every 20
# updates it drops the smallest weights, three tenths at first and fewer later, and as many others
# start at 0, where the gradient is largest. Their number stays the same. The control is the first
# mask, held.
start = mp.methods.start_sparse(model, 0.95)
static, _ = mp.fit(start, data, epochs=30, seed=0, progress=False)
rigl, _ = mp.fit(start, data, epochs=30, seed=0, method=mp.methods.RigL(every=20), progress=False)
for name, mask in start.masks.items():
    new = int((rigl.masks[name] & ~mask).sum())
    print(f"{name}: {mask.sum()} weights, {new} of them elsewhere than at the start")
    assert rigl.masks[name].sum() == mask.sum()

# %% The outcome
# One net and one seed show what is possible, not what is usual: `minprune compare --methods` takes
# several seeds, with the same updates for each method.
nets = {"dense, 20 epochs": dense, "at once": once, "gradual": gradual}
nets |= {"random mask, held": static, "RigL": rigl}
accuracy = {name: mp.evaluate(net, data.test).accuracy for name, net in nets.items()}
for name, value in accuracy.items():
    print(f"{name}: {value:.1%}")
assert accuracy["gradual"] > accuracy["at once"] + 0.1
assert accuracy["RigL"] > accuracy["random mask, held"] + 0.1

# %% Try it
# Write 0 for 0.9 in the first cell: training without momentum. Does the weight still come back?
# Then write 0.5 for 0.001, the decay: does that bring it back?


# %% Picture
# The sparsity of the gradually pruned net after each update.
def figure(ax):
    ax.plot(history.steps["step"], history.steps["sparsity"], label="gradual")
    at_once = [0.95 * (step > 380) for step in history.steps["step"]]
    ax.plot(history.steps["step"], at_once, "--", label="at once")
    ax.set_xlabel("update")
    ax.set_ylabel("sparsity")
