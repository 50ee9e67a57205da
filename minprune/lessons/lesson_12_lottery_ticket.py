"""A lottery ticket, and the controls that make it one

Frankle & Carbin (2018) found small nets inside large ones that train as well as the whole, if they
start from the SAME initial weights. They called them winning tickets. Whether one has won shows
only beside nets that are alike in all but one thing.
"""

import numpy as np

import minprune as mp

# %% The procedure
# Train the net. Remove the smallest fifth of the weights of each layer (of the last layer a tenth).
# Set those that are left back to their initial values: that is the ticket. Train it, and repeat.
# After 8 rounds 0.8^8, about a sixth, is left.
print("left after each round:", ", ".join(f"{0.8**k:.0%}" for k in range(9)))

# %% The controls
# With the same number of weights in each layer, trained in the same way:
# "reinit" has the mask of the ticket, and new initial weights;
# "shuffle" has its initial weights, and the mask permuted within each layer;
# "random" has both new.
data = mp.data.digits(dtype=np.float64)
controls = ("reinit", "shuffle", "random")
adam, found = mp.Adam(lr=0.003), []
for seed in range(3):
    model = mp.zoo.mlp(data, hidden=(32,), seed=seed, dtype=np.float64)
    result = mp.methods.lottery_ticket(
        model, data, rounds=8, epochs=20, controls=controls, optimizer=adam, seed=seed,
        progress=False,
    )  # fmt: skip
    found.append(result)

# %% The tickets
# Accuracy on the test part, by seed, as the tickets get smaller. Every ticket was trained for as
# long as the whole net.
for k in (0, 2, 4, 6, 8):
    rows = [result.rounds[k] for result in found]
    each = " ".join(f"{row['test_accuracy']:7.1%}" for row in rows)
    print(f"round {k}: {1 - rows[0]['sparsity']:6.1%} of the weights, accuracy {each}")

# %% The verdict
# A ticket has won if it is as good as the whole net, and better than its controls. Three seeds give
# means, and a first idea of how far they can be trusted: the smallest difference of all.
accuracy = {"whole net": np.array([result.rounds[0]["test_accuracy"] for result in found])}
accuracy["ticket"] = np.array([result.rounds[-1]["test_accuracy"] for result in found])
for at, name in enumerate(controls):
    rows = [result.report["controls"][at] for result in found]
    assert all(row["control"] == name for row in rows)
    accuracy[name] = np.array([row["test_accuracy"] for row in rows])
for name, values in accuracy.items():
    least = (accuracy["ticket"] - values).min()
    beside = "" if name == "ticket" else f", ticket better by {100 * least:+.1f} points at least"
    print(f"{name}: mean {values.mean():.1%}{beside}")
for name in controls:
    assert (accuracy["ticket"] > accuracy[name]).all()
assert abs(accuracy["ticket"].mean() - accuracy["whole net"].mean()) < 0.02

# %% What two tickets share
# Do two seeds find the same weights? Two random masks share some weights by chance: of n weights,
# a b / n if one keeps a and the other b.
for name, row in mp.methods.overlap(found[0].masks[-1], found[1].masks[-1]).items():
    print(f"{name}: {row['shared']} shared, {row['expected']:.0f} expected by chance")
    assert row["shared"] < 1.5 * row["expected"]  # hardly more than chance

# %% What this does not show
# A net of 32 units on small images is no large net. On larger ones the ticket has to be set back to
# the weights of an early step, not of step 0 (Frankle et al., 2019: rewind_to=). And finding it
# took nine trainings. What this does show: a sparse net can be trained, if mask and weights fit.
updates = sum(row["updates"] for row in found[0].rounds)
print(f"{updates:,} updates to find a ticket, {found[0].rounds[0]['updates']:,} to train the net")

# %% Try it
# Use 12 rounds instead of 8. At what size does the ticket lose against the whole net?


# %% Picture
# Mean accuracy over the seeds against the share of weights that is left. The controls have the size
# of the last ticket.
def figure(ax):
    rounds = [[row["test_accuracy"] for row in result.rounds] for result in found]
    left = [100 * (1 - row["sparsity"]) for row in found[0].rounds]
    ax.plot(left, np.mean(rounds, axis=0), "o-", label="tickets")
    for name, size in zip(controls, (6, 9, 5), strict=True):  # one may lie on another
        ax.plot(left[-1:], [accuracy[name].mean()], "s", label=name, markersize=size)
    ax.invert_xaxis()
    ax.set_xlabel("weights left in %")
    ax.set_ylabel("accuracy")
