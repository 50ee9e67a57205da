"""Looking at activations: APoZ, LDA and correlation, and a lossless merge

Weights do not show what a unit does on the data. Its activations do: its outputs over many samples.
Five units with known parts show what three scores see, and what each of them misses.
"""

import numpy as np

import minprune as mp

# %% Five units
# Two classes. x1 tells them apart, except for a tenth of class 1, which x3 marks; x2 is noise.
# Unit 0 never fires (its output is always 0); 1 reads x1; 2 is its twin, twice as strong; 3 reads
# x2 and always fires; 4 reads x3, which is rare.
rng = np.random.default_rng(0)
y = np.arange(400) % 2
rare = (y == 1) & (np.arange(400) % 20 == 1)
x = np.stack([(y & ~rare) + rng.normal(0, 0.1, 400), rng.normal(0, 1, 400), rare], axis=1)
layers = [("fc1", mp.Dense(3, 5)), ("relu", mp.ReLU()), ("fc2", mp.Dense(5, 2))]
params = {
    "fc1.weight": np.array([[1.0, 0, 0], [1, 0, 0], [2, 0, 0], [0, 1, 0], [0, 0, 1]]),
    "fc1.bias": np.array([-9.0, -0.4, -0.8, 5, 0]),
    "fc2.weight": np.array([[0.0, 0, 0, 0.3, 0], [5, 4, 4, 0.3, 9]]),
    "fc2.bias": np.array([2.0, 0]),
}
model = mp.Model(mp.build((3,), layers), params)
data = x, y
print(f"accuracy {mp.evaluate(model, data).accuracy:.1%}")

# %% What each score sees
# APoZ (Hu et al., 2016): the average percentage of zeros; as a score, the share of samples on which
# the unit fires. LDA (Tian et al., 2017): the variance between the class means over the variance
# within the classes. Correlation (Srinivas & Babu, 2015): 1 - the largest correlation with a unit
# that is kept; 0 is a twin. Last, the truth: how much the loss rises without the unit alone.
names = ("apoz", "lda", "correlation", "oracle")
scores = {name: mp.score(model, data, name, unit=True)["fc1.weight"] for name in names}
print("unit  " + "".join(f"{name:>13}" for name in names))
for k in range(5):
    print(f"{k:4d}  " + "".join(f"{scores[name][k]:13.3f}" for name in names))
for name in names[:3]:
    assert np.argmin(scores[name]) == 0  # all three find the unit that is dead

# %% What each one misses
# APoZ keeps unit 3 longest, which always fires and tells nothing, and would remove unit 4 next,
# which fires on a twentieth of the samples and decides them. LDA sees that unit 3 is useless, but
# unit 4 says little on the average, and both twins say much: it keeps two, where one would do if it
# were merged as below. Correlation finds the twins, but it does not know the classes: it keeps the
# noise.
assert np.argmax(scores["apoz"]) == 3
assert np.argsort(scores["apoz"])[1] == 4  # the next to go
assert scores["lda"][3] < scores["lda"][4] < scores["lda"][1] / 10
assert np.isclose(scores["lda"][1], scores["lda"][2])
assert scores["correlation"][2] < 1e-6 < scores["correlation"][3]
assert abs(scores["oracle"][3]) < 1e-9 < scores["oracle"][4]

# %% Merging twins
# A twin need not be thrown away. Unit 2 is 2 times unit 1; so what reads unit 2 can read 2 times
# unit 1 instead. In general unit j is nearly a times unit k, plus b; b goes into the next bias, and
# a regression, the line of least squares through the samples, finds a and b.
pairs = mp.structure.regressions(model, data, "correlation", sparsity=0.4)
for dropped, kept, slope, intercept in pairs:
    print(f"unit {dropped[1]} = {slope:g} unit {kept[1]} + {intercept:g}")
merged = mp.structure.merge(model, pairs)
print(f"5 units become {len(merged.params['fc1.bias'])}; the outputs are the same")
assert np.allclose(merged(x), model(x))

# %% On the digits
# A net of 64 units, half of which go by each of the scores, without further training. One net says
# little about which score is best: `minprune compare --unit` takes several, and trains again.
digits = mp.data.digits(dtype=np.float64)
net = mp.zoo.mlp(digits, hidden=(64,), seed=0, dtype=np.float64)
net, _ = mp.fit(net, digits, epochs=20, seed=0, progress=False)
print(f"whole net: {mp.evaluate(net, digits.test).accuracy:.1%}")
for name in ("random", "apoz", "lda", "correlation", "obd"):
    s = mp.score(net, digits.train, name, unit=True, seed=0)
    left = mp.compact(mp.prune(net, s, sparsity=0.5))
    print(f"32 units left by {name}: {mp.evaluate(left, digits.test).accuracy:.1%}")
    assert left.params["fc1.weight"].shape == (32, 64)

# %% Try it
# Let x3 mark half of class 1 instead of a tenth. What do the three scores say of unit 4?


# %% Picture
# The activations of each unit on 400 samples, sorted. APoZ sees where a line leaves 0. It does not
# see which samples are where on the line, and LDA sees just that.
def figure(ax):
    hidden = np.maximum(x @ params["fc1.weight"].T + params["fc1.bias"], 0)
    for k in range(5):
        ax.plot(np.sort(hidden[:, k]), label=f"unit {k}")
    ax.set_xlabel("samples, sorted for each unit")
    ax.set_ylabel("activation")
