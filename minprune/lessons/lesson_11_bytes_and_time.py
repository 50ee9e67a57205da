"""What for: bytes and time, by sparse storage, removed units and 8-bit integers

Pruning is to make a net smaller or faster. Zeros in an array do neither: something must make use of
them. Here is a net of which 95 % is gone, and three ways to gain from that.
"""

import tempfile

import numpy as np

import minprune as mp

# %% A net without 95 % of its weights
# LeNet-300-100, pruned gradually while it trains (lesson 10). Its numbers become float32, 4 bytes
# each, as is usual. The mask alone changes neither the bytes nor the products that are computed.
data = mp.data.digits(dtype=np.float64)
method = mp.methods.Gradual(sparsity=0.95)
whole = mp.zoo.lenet_300_100(data, seed=0, dtype=np.float64)
trained, _ = mp.fit(whole, data, epochs=15, seed=0, method=method, progress=False)
single = {name: w.astype(np.float32) for name, w in trained.params.items()}
model = mp.Model(trained.net, single, masks=trained.masks)
dense = mp.measure(model, data.test, time=False)
print(f"accuracy {dense.quality.accuracy:.1%}, {dense.size.bytes:,} bytes in memory")
print(f"{dense.size.macs:,} multiply-adds, of which {dense.size.live_macs:,} are not by 0")

# %% Sparse storage
# CSR, compressed sparse rows, stores the values that are left, the column of each, and where each
# row begins. A value and its column take 8 bytes, so CSR is smaller only if more than half is gone.
a = np.array([[0.0, 2, 0, 0], [1, 0, 0, 3], [0, 0, 0, 0]])
stored = mp.sparse.CSR.from_dense(a, a != 0)
print("values", stored.values, " columns", stored.columns, " row starts", stored.row_start)
sparse = mp.sparsify(model, "csr")
size = mp.measure(sparse, time=False).size
print(f"{size.stored:,} bytes in memory: {size.stored / dense.size.bytes:.1%}")
x = data.test[0].astype(np.float32)
assert np.allclose(sparse(x), model(x), atol=1e-4)
half = mp.prune(mp.zoo.mlp(data), mp.score(mp.zoo.mlp(data), None, "magnitude"), sparsity=0.5)
no_gain = mp.measure(mp.sparsify(half, "csr"), time=False).size.stored
assert no_gain > mp.measure(half, time=False).size.stored

# %% Whole units
# Removing units leaves ordinary, smaller arrays: fewer bytes and fewer products, with no sparse
# kernel at all. Half of the units of each layer are half of the rows and half of the columns
# between them. This net was trained for 8 epochs, cut, and trained for 7 more. It is more accurate
# than the masked one, and keeps a third of the weights where that keeps a twentieth.
full, _ = mp.fit(whole, data, epochs=8, seed=0, progress=False)
scores = mp.score(full, data.train, "obd", unit=True)
cut = mp.compact(mp.prune(full, scores, sparsity=0.5, scope="layer"))
small, _ = mp.fit(cut, data, epochs=7, seed=1, progress=False)
units = mp.measure(small, data.test, time=False)
in_single = units.size.parameters * 4
print(f"accuracy {units.quality.accuracy:.1%}, {in_single:,} bytes, {units.size.macs:,} products")
assert units.size.macs < dense.size.macs / 2

# %% 8-bit integers
# A weight w becomes an integer q from -127 to 127 and a scale for its row, w = scale q, nearly. All
# sums are integers then, so that a small processor without floating point computes the same bits.
# The C code stores the live weights alone.
integers = mp.quantize(model, data.train[0].astype(np.float32))
accuracy = mp.evaluate(integers, data.test).accuracy
with tempfile.TemporaryDirectory() as folder:
    made = mp.export_c(integers, folder)
print(f"accuracy {accuracy:.1%}, {made['data_bytes']:,} bytes of constants in C")
assert abs(accuracy - dense.quality.accuracy) < 0.02
assert made["data_bytes"] < size.stored < dense.size.bytes

# %% And time?
# Times differ from machine to machine, so none is printed here. `print(mp.measure(model,
# data.test))` measures them. As a rule, a masked net takes as long as the dense one, CSR is
# faster than dense arrays at a high sparsity alone, and a compacted net is faster everywhere. Bytes
# and multiply-adds are no times: they say what could be gained.
table = {
    "masked": (dense.size.bytes, dense.size.macs), "CSR": (size.stored, size.live_macs),
    "half of the units": (in_single, units.size.macs),
    "int8 in C": (made["data_bytes"], made["multiply_adds"]),
}  # fmt: skip
for name, (count, products) in table.items():
    print(f"{name:18s}{count:9,} bytes{products:9,} multiply-adds")

# %% Try it
# In float64 a value takes 8 bytes, and its column 4 as before. From which sparsity on is CSR
# smaller than the dense matrix?


# %% Picture
# Bytes of a matrix of 300 x 64, for each share that is gone. A bitmask stores a bit for each entry,
# and the values that are left. CSR pays off from a half on, a bitmask nearly at once.
def figure(ax):
    gone = np.linspace(0, 1, 50)
    live = (1 - gone) * 300 * 64
    ax.plot(100 * gone, np.full(50, 4 * 300 * 64), "--", label="dense")
    ax.plot(100 * gone, 8 * live + 4 * 301, label="CSR")
    ax.plot(100 * gone, 4 * live + 300 * 64 / 8, label="bitmask")
    ax.set_xlabel("sparsity in %")
    ax.set_ylabel("bytes")
