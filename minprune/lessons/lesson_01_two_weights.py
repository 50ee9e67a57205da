"""Removing one of two weights: Optimal Brain Damage against Optimal Brain Surgeon

A neural net computes with numbers that training has found: its weights. To prune it is to set some
of them to 0 for good, so that it becomes smaller. Which ones? This net is so small that the cost of
each can be computed by hand: y = w1 x1 + w2 x2.
"""

import numpy as np

import minprune as mp

# %% A net and its loss
# Four samples x, and right answers y that the weights w = (1, 1) give exactly. The loss says how
# wrong a net is: here, it is the mean of (its answer - right answer)^2, called mse. Lines with
# `assert` check what is said here: the script stops at the first that is not true.
x = np.array([[1.0, 1], [1, 1], [1, 1], [1, 0]])
y = x @ [[1.0], [1.0]]
net = mp.build((2,), [("fc", mp.Dense(2, 1, bias=False))], loss="mse")


def at(w1, w2):
    """The net with these weights"""
    return mp.Model(net, {"fc.weight": np.array([[w1, w2]], float)})


def loss(w1, w2):
    return mp.evaluate(at(w1, w2), (x, y)).loss


print(f"loss at (1, 1): {loss(1, 1):.4f}")
print(f"without w1: {loss(0, 1):.4f}    without w2: {loss(1, 0):.4f}")

# %% The shape of the valley
# Training stops at the bottom of a valley of the loss, where the slope is 0. Around it only the
# curvature matters: H, the matrix of second derivatives, called the Hessian. If w moves by d, the
# loss rises by d^T H d / 2; here exactly, as the loss is a quadratic function of w.
H = mp.curvature.hessian(at(1, 1), (x, y))
print("H =", H.tolist())
d = np.array([-1.0, 0.0])  # w1 goes from 1 to 0
print(f"d^T H d / 2 = {d @ H @ d / 2:.4f}")
assert np.isclose(d @ H @ d / 2, loss(0, 1) - loss(1, 1))

# %% OBD: set one weight to 0, leave the other
# If weight number q goes, d has one entry that is not 0, -w_q, and the rise is h_qq w_q^2 / 2. That
# is Optimal Brain Damage (LeCun, Denker & Solla, 1989). As a score it says how much each weight
# matters: the lowest goes first.
obd = mp.score(at(1, 1), (x, y), "obd")["fc.weight"][0]
print(f"OBD: w1 {obd[0]:.4f}, w2 {obd[1]:.4f}")
assert np.allclose(obd, [loss(0, 1), loss(1, 0)])

# %% OBS: let the other weight make up for it
# With w2 = 0, another w1 is better. Optimal Brain Surgeon (Hassibi & Stork, 1992) finds the best by
# the inverse matrix of H, H^-1. If weight number q goes, w moves by -w_q / [H^-1]_qq times column q
# of H^-1, and the loss rises by w_q^2 / (2 [H^-1]_qq) only.
inverse = np.linalg.inv(H)
move = -1 / inverse[1, 1] * inverse[:, 1]
print(f"w = (1, 1) moves by ({move[0]:.4f}, {move[1]:.4f})")
print(f"loss there: {loss(1 + move[0], 1 + move[1]):.4f}, and with w2 = 0 alone: {loss(1, 0):.4f}")
obs = mp.score(at(1, 1), (x, y), "obs")["fc.weight"][0]
print(f"OBS: w1 {obs[0]:.4f}, w2 {obs[1]:.4f}")
assert np.allclose(obs[1], loss(1 + move[0], 0), rtol=1e-4)  # `mp.score` adds a millionth to H
assert loss(1 + move[0], 0) < min(loss(1.7, 0), loss(1.8, 0))  # w1 = 1.75 is better than both
assert (obs <= obd).all()  # adjusting never costs more

# %% Three weights: they remove different ones
# Of two weights both remove the same one. Not so of three: now x1 and x2 are almost the same, and
# x3 has a smaller weight. OBD removes w3. OBS knows that w1 and w2 can do the work of each other,
# and removes one of these.
assert np.isclose(obs[0] / obs[1], obd[0] / obd[1], rtol=1e-4)
x3 = np.array([[1.0, 1, 0.8], [1, 1, -0.8], [-1, -1, 0.8], [-1, -0.8, -0.8]])
three = mp.build((3,), [("fc", mp.Dense(3, 1, bias=False))], loss="mse")
model = mp.Model(three, {"fc.weight": np.array([[1.0, 1.0, 0.9]])})
both = {name: mp.score(model, (x3, model(x3)), name)["fc.weight"][0] for name in ("obd", "obs")}
for name, s in both.items():
    print(f"{name}: {np.array2string(s, precision=4)} removes w{np.argmin(s) + 1}")
assert np.argmin(both["obd"]) == 2
assert np.argmin(both["obs"]) in (0, 1)

# %% Try it
# Give w3 the value 2 in the last net. Which weight does OBD remove then, and which one OBS? An
# assert that stops the script is an answer, too.


# %% Picture
# Lines of equal loss, from above. OBD goes straight to w2 = 0; OBS ends at the lowest point of the
# line w2 = 0.
def figure(ax):
    angle = np.linspace(0, 2 * np.pi, 100)
    ring = np.linalg.solve(np.linalg.cholesky(H).T, [np.cos(angle), np.sin(angle)])
    for level in (0.05, obs[1], obd[1]):
        around = np.sqrt(2 * level) * ring
        ax.plot(1 + around[0], 1 + around[1], color="C0", label=f"loss {level:.2f}", lw=0.5 + level)
    ax.plot([1, 1], [1, 0], "o--", color="C1", label="OBD: w2 = 0")
    ax.plot([1, 1 + move[0]], [1, 0], "o-", color="C2", label="OBS: w2 = 0, w1 adjusted")
    ax.set_xlabel("w1")
    ax.set_ylabel("w2")
