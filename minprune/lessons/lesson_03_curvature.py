"""Second derivatives: the Hessian, its diagonal, and products with it

Where training has ended, the gradient is nearly 0, so it says little about what removing a weight
costs. The second derivatives do. For n weights there are n^2 of them: how to do with fewer?
"""

import numpy as np

import minprune as mp

# %% A net that has been trained
# XOR: the class is 1 if one of two inputs is 1, and 0 if none or both are; here the inputs are
# noisy. Four hidden units with ReLU, 16 weights, learn it in 300 epochs, passes over the data.
# After training the slope is small in each direction.
data = mp.data.xor(200, noise=0.3, seed=0, dtype=np.float64)
model = mp.zoo.mlp(data, hidden=(4,), seed=2, dtype=np.float64)
adam, slower = mp.Adam(lr=0.05), mp.rates.cosine()  # the size of steps, which falls to 0
model, _ = mp.fit(
    model, data, epochs=300, batch_size=200, optimizer=adam, rate=slower, progress=False
)
per_sample = mp.curvature.sample_grads(model, data.train)
slope = np.concatenate([g.mean(axis=0).ravel() for g in per_sample.values()])
accuracy = mp.evaluate(model, data.train).accuracy
print(f"{accuracy:.1%} right; largest slope {abs(slope).max():.3f}")
assert abs(slope).max() < 0.01

# %% The Hessian
# H_jk says how much the slope of weight j changes as weight k moves. It is symmetric. Its diagonal
# h_kk is the curvature along one weight, which OBD uses.
H = mp.curvature.hessian(model, data.train)
h = np.diag(H)
print(f"{H.shape[0]} x {H.shape[1]}, largest curvature {h.max():.3f}")
assert np.allclose(H, H.T)

# %% H v without H
# For a million weights H has 10^12 entries. But H v, for one direction v, costs about as much as
# two gradients (Pearlmutter, 1994): the rules of the tape are made of operations that go on a tape
# themselves, so the gradient of (gradient times v) can be taken. v = one weight gives a column.
v = {name: np.zeros_like(w) for name, w in model.params.items() if name.endswith("weight")}
v["fc1.weight"][2, 1] = 1  # the entry number 2 * 2 + 1 = 5 of all
Hv = mp.curvature.hvp(model, data.train, v)
column = np.concatenate([Hv["fc1.weight"].ravel(), Hv["fc2.weight"].ravel()])
print("H v:          ", *(f"{each:8.4f}" for each in column[4:10]), "...")
print("column 5 of H:", *(f"{each:8.4f}" for each in H[4:10, 5]), "...")
assert np.allclose(column, H[:, 5], atol=1e-12)

# %% The diagonal without n products
# The Gauss-Newton matrix is the part of H that comes from the curvature of the loss in the outputs;
# it needs only first derivatives of the net. The other part is the curvature of the outputs in the
# weights. A net of dense layers and ReLU is linear in any ONE weight, as long as no unit switches
# on or off: so its diagonal has no other part, and both diagonals are equal. With tanh they differ.
exact = mp.curvature.diagonal(model, data.train, "exact")
gauss_newton = mp.curvature.diagonal(model, data.train, "gauss_newton")
assert all(np.allclose(exact[k], gauss_newton[k]) for k in exact)
assert np.allclose(np.concatenate([exact[k].ravel() for k in exact]), h)
layers = [("fc1", mp.Dense(2, 4)), ("tanh", mp.Tanh()), ("fc2", mp.Dense(4, 2))]
smooth = mp.Model(mp.build((2,), layers), model.params)
two = [mp.curvature.diagonal(smooth, data.train, kind) for kind in ("exact", "gauss_newton")]
for name, pair in (("ReLU", (exact, gauss_newton)), ("tanh", two)):
    apart = max(abs(pair[0][k] - pair[1][k]).max() for k in exact)
    print(f"{name}: the two diagonals differ by {apart:.3f} at most")
    assert (apart > 0.01) == (name == "tanh")

# %% What it is good for
# OBD scores each weight by h w^2 / 2. Beside it, the true change of the loss without the weight:
# the same order, nearly, though not the same numbers, as the loss is no quadratic that far away.
scores = mp.score(model, data.train, "obd")
changes = mp.curvature.removal(model, data.train)
obd = np.concatenate([scores[k].ravel() for k in scores])
true = np.concatenate([changes[k] for k in scores])
rank = np.corrcoef(np.argsort(np.argsort(obd)), np.argsort(np.argsort(true)))[0, 1]
print(f"correlation of the ranks: {rank:.2f}")
assert rank > 0.9

# %% Try it
# Train for 20 epochs instead of 300. The slope is no longer small. Does OBD still order the weights
# well? Then use `taylor` with `order=2`, the next lesson.


# %% Picture
# Each point is one of the 16 weights. On the line, OBD would be exact.
def figure(ax):
    ax.plot(obd, true, "o", label="a weight")
    ax.plot([0, obd.max()], [0, obd.max()], "--", label="OBD = true change")
    ax.set_xlabel("OBD score, h w^2 / 2")
    ax.set_ylabel("true change of the loss")
