"""Taylor scores: why a sum is squared, and what the second order adds

Removing a weight changes the loss. Its slope and its curvature say nearly by how much: that is the
Taylor expansion. Molchanov et al. (2019) made a score of it, which needs no net at a minimum.
"""

import numpy as np

import minprune as mp

# %% One weight
# Let w go to 0, a step of -w. With slope g and curvature h the loss changes by -g w + h w^2 / 2,
# and on a quadratic loss exactly so. A change for the better counts as much as one for the worse:
# both say that the weight does something. So the score is the square: (g w)^2 to the first order,
# (g w - h w^2 / 2)^2 to the second. Near the bottom of the valley, as here, the slope is small: the
# first order misses most.
x = np.array([[1.0, 1], [1, 1], [1, 1], [1, 0]])
y = x @ [[1.0], [1.0]]
net = mp.build((2,), [("fc", mp.Dense(2, 1, bias=False))], loss="mse")
model = mp.Model(net, {"fc.weight": np.array([[1.3, 0.4]])})  # the minimum is at (1, 1)
first = mp.score(model, (x, y), "taylor")["fc.weight"][0]
second = mp.score(model, (x, y), "taylor", order=2)["fc.weight"][0]
change = mp.curvature.removal(model, (x, y))["fc.weight"]
for k in (0, 1):
    print(f"w{k + 1}: true change {change[k]:.4f}, its square {change[k] ** 2:.4f},", end=" ")
    print(f"order 1 {first[k]:.4f}, order 2 {second[k]:.4f}")
assert np.allclose(second, change**2)
assert not np.allclose(first, change**2, rtol=0.5)

# %% A unit: first the sum, then the square
# A unit is a neuron: remove it, and all its outgoing weights go at once. Their effects add up, and
# may cancel. Unit A pushes one answer up and the other down by 0.1, which changes the loss little;
# unit B pushes one answer alone, by 0.07.
layers = [("fc1", mp.Dense(1, 2)), ("relu", mp.ReLU()), ("fc2", mp.Dense(2, 2))]
params = {
    "fc1.weight": np.ones((2, 1)), "fc1.bias": np.zeros(2),
    "fc2.weight": np.array([[0.1, 0.07], [0.1, 0.0]]), "fc2.bias": np.zeros(2),
}  # fmt: skip
pair = mp.Model(mp.build((1,), layers, loss="mse"), params)
one = np.array([[1.0]]), np.array([[-0.83, 1.1]])  # one answer is 1 too high, one 1 too low
each = mp.score(pair, one, "taylor")["fc2.weight"]
sum_of_squares = each.sum(axis=0)
square_of_sum = mp.score(pair, one, "taylor", unit=True)["fc1.weight"]
true = mp.score(pair, one, "oracle", unit=True)["fc1.weight"]
for k, name in enumerate("AB"):
    print(f"unit {name}: sum of squares {sum_of_squares[k]:.4f},", end=" ")
    print(f"square of the sum {square_of_sum[k]:.4f}, true change squared {true[k] ** 2:.4f}")
assert np.argmin(sum_of_squares) == 1  # it would remove B
assert np.argmin(square_of_sum) == np.argmin(true**2) == 0  # A costs less

# %% A square for each minibatch
# At a minimum the mean slope over all samples is 0, so (g w)^2 would be too. But each minibatch,
# the few samples that one step of training looks at, pulls another way. Squared for each minibatch
# and then averaged, the score still tells weights apart. It depends on the size of the batches,
# though: say which you used.
data = mp.data.digits(dtype=np.float64)
digits = mp.zoo.mlp(data, hidden=(32,), seed=0, dtype=np.float64)
digits, _ = mp.fit(digits, data, epochs=30, seed=0, progress=False)
for size in (1197, 64, 8):  # 1,197 are all
    total = mp.score(digits, data.train, "taylor", batch_size=size)["fc1.weight"].sum()
    print(f"batches of {size}: scores of the first layer add up to {total:.4f}")
fine = mp.score(digits, data.train, "taylor", batch_size=8)["fc1.weight"]
coarse = mp.score(digits, data.train, "taylor", batch_size=1197)["fc1.weight"]
assert (coarse <= fine + 1e-15).all()  # the square of a mean is at most the mean of squares

# %% Which comes closer to the truth?
# The size of the true change of the loss, without each of the 320 weights of the last layer, beside
# the scores: do they put the weights in the same order? 1 is the same order, 0 is chance.
last = mp.curvature.removal(digits, data.train, {"fc2.weight": np.arange(320)})["fc2.weight"]
agreement = {}
found = {
    "magnitude": mp.score(digits, None, "magnitude"),
    "taylor, order 1": mp.score(digits, data.train, "taylor"),
    "taylor, order 2": mp.score(digits, data.train, "taylor", order=2),
}
for name, scores in found.items():
    places = np.argsort(np.argsort(scores["fc2.weight"].ravel()))
    agreement[name] = np.corrcoef(places, np.argsort(np.argsort(abs(last))))[0, 1]
    print(f"{name}: {agreement[name]:.2f}")
assert agreement["magnitude"] < agreement["taylor, order 1"] < agreement["taylor, order 2"]

# %% Try it
# Make the weights of unit A larger, step by step. From which size on is it right to keep A rather
# than B, and which of the two scores sees that?


# %% Picture
# The loss along w1 of the first net, and what its slope at w1 = 1.3 promises. The second
# order meets the loss at w1 = 0; it is a quadratic.
def figure(ax):
    at = np.linspace(-0.2, 1.6, 60)
    g = mp.curvature.sample_grads(model, (x, y))["fc.weight"].mean(axis=0)[0, 0]
    h = mp.curvature.hessian(model, (x, y))[0, 0]
    here = mp.evaluate(model, (x, y)).loss
    ax.plot(at, here + g * (at - 1.3) + h / 2 * (at - 1.3) ** 2, label="loss = order 2")
    ax.plot(at, here + g * (at - 1.3), "--", label="order 1")
    ax.plot([1.3, 0], [here, here + change[0]], "o", label="w1 = 1.3, and w1 = 0")
    ax.set_xlabel("w1")
    ax.set_ylabel("loss")
