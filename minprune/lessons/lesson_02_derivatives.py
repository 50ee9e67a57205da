"""Where derivatives come from: the tape, and how to check it

Most scores ask how the loss L changes if a weight changes a little: its derivative. Nobody derives
formulas for a whole net. Each small step has a rule of its own, and the chain rule joins them.
"""

import numpy as np

import minprune as mp
from minprune import autograd as ag

# %% A computation, and its tape
# One weight w, one sample: L = (sigmoid(w x) - y)^2. A Tensor is an array that remembers which
# operation made it, of what. These memories, followed back from L, are called the tape. The
# sigmoid, 1 / (1 + e^-z), is one of the operations called act, for activation.
w, x, y = mp.Tensor(np.array([0.5])), 4.0, 0.2
L = (ag.sigmoid(w * x) - y) ** 2
print(f"L = {L.value[0]:.4f}")
step = L
while step.op is not None:
    print(f"{step.value[0]:.4f} was made by {step.op.name}")
    step = next(each for each in step.inputs if isinstance(each, mp.Tensor))
print(f"{step.value[0]:.4f} is w itself")

# %% The chain rule, backwards
# From L back to w: the square gives 2 (s - y), the subtraction 1, the sigmoid s (1 - s), the
# product x. The derivative is the product of these four. `mp.grad` walks the tape and multiplies.
s = 1 / (1 + np.exp(-0.5 * x))
by_hand = 2 * (s - y) * 1 * s * (1 - s) * x
by_tape = mp.grad(L, [w])[0][0]
print(f"by hand {by_hand:.6f}, by the tape {by_tape:.6f}")
assert np.isclose(by_hand, by_tape)

# %% A check that needs no rule
# Move w a little to both sides and see how L changes: (L(w + e) - L(w - e)) / (2 e), the central
# difference. Its error shrinks with e^2, until rounding takes over.


def value(at):
    return float((1 / (1 + np.exp(-at * x)) - y) ** 2)


errors = {}
for e in (1e-1, 1e-2, 1e-3, 1e-5, 1e-13):
    errors[e] = abs((value(0.5 + e) - value(0.5 - e)) / (2 * e) - by_tape)
for e in (1e-1, 1e-2, 1e-3):
    print(f"e = {e:g}: wrong by {errors[e]:.1e}")
assert errors[1e-5] < 1e-8  # about the best that 16 digits allow
assert errors[1e-13] > 1e-5  # the two losses agree in most digits, which the subtraction loses

# %% It finds mistakes
# A rule with a mistake, such as a sigmoid whose derivative is s instead of s (1 - s), gives a
# number that looks like any other. The comparison shows it.
wrong = 2 * (s - y) * s * x
difference = (value(0.5 + 1e-5) - value(0.5 - 1e-5)) / 2e-5
print(f"wrong rule {wrong:.4f}, right rule {by_tape:.4f}, difference {difference:.4f}")
assert not np.isclose(wrong, difference, rtol=1e-3)

# %% The same for a net
# A net that reads digits, images of 8 x 8 pixels. Each of 16 hidden units sums up weight times
# pixel, adds a number of its own, its bias, and passes on max(0, sum), called ReLU; 10 outputs do
# the same with the units, without ReLU. The loss is the cross-entropy: the mean of -log(probability
# of the right class). One walk back gives all derivatives at once, the gradient. Here its
# largest entry is checked, on 32 samples.
data = mp.data.digits(dtype=np.float64)
batch = data.train[0][:32], data.train[1][:32]
model = mp.zoo.mlp(data, hidden=(16,), seed=0, dtype=np.float64)  # same seed, same weights
gradient = {k: g.mean(axis=0) for k, g in mp.curvature.sample_grads(model, batch).items()}
g = gradient["fc1.weight"]
k = np.unravel_index(np.argmax(abs(g)), g.shape)
losses = []
for e in (1e-5, -1e-5):
    moved = model.params["fc1.weight"].copy()
    moved[k] += e
    other = mp.Model(model.net, {**model.params, "fc1.weight": moved})
    losses.append(mp.evaluate(other, batch).loss)
difference = (losses[0] - losses[1]) / 2e-5
print(f"unit {k[0]}, pixel {k[1]}: by the tape {g[k]:.6f}, difference {difference:.6f}")
assert np.isclose(difference, g[k], rtol=1e-5)

# %% What the gradient cannot say
# Removing a weight is no little change. Here w = 0.5 becomes 0: the slope promises one change of
# the loss, and the curve makes another one. Lesson 3 adds the curvature; lesson 4 uses both.
promised, true = -by_tape * 0.5, value(0.0) - value(0.5)
print(f"promised {promised:.4f}, true {true:.4f}")
assert abs(promised - true) > 0.01

# %% Try it
# Use e = 1e-17 in the central difference. What does it give, and why?


# %% Picture
# The loss, and the line that has its slope at w = 0.5. Without the weight, at w = 0, the line is
# not where the loss is.
def figure(ax):
    along = np.linspace(-1.5, 1.5, 100)
    ax.plot(along, [value(float(each)) for each in along], label="loss L(w)")
    ax.plot(along, value(0.5) + by_tape * (along - 0.5), "--", label="slope at w = 0.5")
    ax.plot([0.5], [value(0.5)], "o", color="C2", label="w = 0.5")
    ax.plot([0.0], [value(0.0)], "s", color="C3", label="removed: w = 0")
    ax.set_xlabel("w")
    ax.set_ylabel("loss")
