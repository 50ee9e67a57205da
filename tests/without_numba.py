"""What .ci/run tries where Numba is not installed: train, prune, compact, save, export, run."""

import importlib.util
import sys
from contextlib import redirect_stdout
from pathlib import Path

import numpy as np

import minprune as mp
from minprune.cli import main
from minprune.deploy import net_run

assert not Path(mp.__file__).is_relative_to(Path(__file__).parents[1]), "not the installed one"
assert importlib.util.find_spec("numba") is None
data = mp.data.digits()
model, _ = mp.fit(mp.zoo.cnn_small(data, seed=0), data, epochs=1, seed=0, progress=False)
units = mp.score(model, data.train, "taylor", unit=True)
model = mp.compact(mp.prune(model, units, sparsity=0.3))
model = mp.prune(model, mp.score(model, data.train, "taylor"), sparsity=0.8)
model, _ = mp.fit(model, data, epochs=2, seed=1, progress=False)
assert mp.evaluate(model, data.test).accuracy > 0.6
x = data.test[0][:16]
assert np.allclose(mp.sparsify(model, "csr")(x), model(x), atol=1e-4)
mp.save(model, "model.npz")
assert np.array_equal(mp.load("model.npz")(x), model(x))
mp.export_numpy(model, "net.npz")
assert np.allclose(net_run.load("net.npz")(x), model(x), atol=1e-4)
with redirect_stdout(sys.stderr):
    assert main(["info", "model.npz"]) == 0
