"""`minprune verify` as a user has it: a package of one's own, exit codes, words, files."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import minprune as mp
from minprune.verify.command import KINDS, likes, listing
from minprune.verify.ours import checks, ours
from minprune.verify.ours_export import oracles
from minprune.verify.ours_formula import formula_nets

ROOT = Path(__file__).parent.parent
CODE = '''
import numpy as np

def order(flat):
    return np.lexsort((-np.arange(flat.size), flat))

def right(scores, sparsity):
    flat = np.concatenate([s.ravel() for s in scores.values()])
    keep = np.ones(flat.size, bool)
    keep[order(flat)[:round(sparsity * flat.size)]] = False
    parts = np.split(keep, np.cumsum([s.size for s in scores.values()])[:-1])
    return {n: p.reshape(s.shape) for (n, s), p in zip(scores.items(), parts)}

def floor(scores, sparsity):
    flat = np.concatenate([s.ravel() for s in scores.values()])
    return right(scores, int(sparsity * flat.size) / max(flat.size, 1))

def hashed(scores, sparsity):
    """Ties by a seed that is the hash of a name, as in rigl."""
    masks = {}
    for name, s in scores.items():
        tie = np.random.default_rng(hash(name) % 2**32).permutation(s.size)
        keep = np.ones(s.size, bool)
        keep[np.lexsort((tie, s.ravel()))[:round(sparsity * s.size)]] = False
        masks[name] = keep.reshape(s.shape)
    return masks

def magnitude(weights):
    return {n: abs(w) for n, w in weights.items()}

def signed(weights):
    return dict(weights)

def cubic(step):
    return 0.9 * (1 - (1 - min(step, 100) / 100) ** 3) if step < 100 else 0.9

def loss(x):
    return (x**3).sum()

def gradient(x):
    return 3 * x**2

def product(a, b):
    return a @ b

def slow(a, b):
    return np.einsum("mn,np->mp", a, b)

def pair(rng):
    return rng.standard_normal((3, 2)), rng.standard_normal((2, 4))

def shuffled(masks, rng):
    return {n: rng.permuted(m.ravel()).reshape(m.shape) for n, m in masks.items()}

def singles(w, inverse, q):
    """Single-weight updates added up, as in SparseML."""
    new = w - sum(w[k] / inverse[k, k] * inverse[:, k] for k in q)
    new[q] = 0
    return new

def joint(w, inverse, q):
    new = w - inverse[:, q] @ np.linalg.solve(inverse[np.ix_(q, q)], w[q])
    new[q] = 0
    still = np.abs(inverse[:, q]).sum(axis=1) == 0
    return np.where(still, w, new)

def saliency(weights, inverse_diag):
    return {n: (0.5 * w**2 / inverse_diag[n]).astype(w.dtype) for n, w in weights.items()}

def uniform(shapes, sparsity):
    return dict.fromkeys(shapes, sparsity)

number = 3
'''


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "mypkg").mkdir()
    (tmp_path / "mypkg" / "prune.py").write_text(CODE)
    (tmp_path / "mypkg" / "cut.py").write_text("def f(:")
    return tmp_path


def run(folder: Path, *words: str) -> tuple[int, str, str]:
    """(exit code, what is printed, what is said of errors) of the command in that folder."""
    code = f"import sys; sys.path.append({str(ROOT)!r}); from minprune.cli import main; "
    done = subprocess.run(
        [sys.executable, "-P", "-c", code + "sys.exit(main(sys.argv[1:]))", "verify", *words],
        cwd=folder,
        capture_output=True,
        text=True,
    )
    return done.returncode, done.stdout, done.stderr


RIGHT = (
    "mypkg.prune:right --kind selector",
    "mypkg.prune:magnitude --kind criterion --as magnitude",
    "mypkg.prune:cubic --kind schedule --as cubic --given final=0.9 span=100",
    "mypkg.prune:gradient --kind gradient --against mypkg.prune:loss",
    "mypkg.prune:product --kind kernel --against mypkg.prune:slow --draw mypkg.prune:pair",
    "mypkg.prune:shuffled --kind shuffle",
    "mypkg.prune:uniform --kind allocation",
    "mypkg.prune:joint --kind obs",
    "mypkg.prune:saliency --kind criterion --as obs",
)


@pytest.mark.parametrize("words", RIGHT)
def test_right_code_is_told_so(folder: Path, words: str) -> None:
    code, out, err = run(folder, *words.split(), "--examples", "30")
    assert (code, err) == (0, ""), out
    assert out.splitlines()[-1].split()[0] == out.splitlines()[-1].split()[2]
    assert out.endswith(" laws hold\n")
    assert {p.name for p in folder.iterdir()} == {"mypkg"}  # nothing is left behind


def test_a_wrong_selector_is_told_what_is_wrong(folder: Path) -> None:
    code, out, err = run(folder, "mypkg.prune:floor", "--kind", "selector")
    assert (code, err) == (1, "")
    assert "exact count          BROKEN\n" in out
    assert (
        "exact count: round(sparsity * n) of n entries are pruned, half to even, what was masked "
        "included, but "
    ) in out
    assert "    sparsity = " in out
    assert out.endswith(" laws hold\n")


def test_a_seed_from_a_hash_is_seen_in_a_new_process(folder: Path) -> None:
    words = "mypkg.prune:hashed --kind selector --as any --given scope=layer --examples 30"
    code, out, _ = run(folder, *words.split())
    assert code == 1
    assert [line for line in out.splitlines() if "BROKEN" in line] == ["new process       BROKEN"]
    assert "another process gives the same bits, but two processes differ" in out


def test_a_wrong_criterion_and_a_wrong_schedule(folder: Path) -> None:
    words = "mypkg.prune:signed --kind criterion --as magnitude"
    assert run(folder, *words.split())[0] == 1
    words = "mypkg.prune:cubic --kind schedule --as linear"
    code, out, _ = run(folder, *words.split())
    assert code == 1
    assert "like linear: it is the linear formula, but step 1 has " in out


def test_a_sum_of_single_updates_is_told_what_it_costs(folder: Path) -> None:
    code, out, _ = run(folder, "mypkg.prune:singles", "--kind", "obs", "--as", "update")
    assert code == 1
    assert [line.split("  ")[0] for line in out.splitlines() if "BROKEN" in line] == [
        "least rise", "exact",
    ]  # fmt: skip
    assert "the loss rises no more than it must, but it rises by " in out


KIND = "criterion, selector, schedule, kernel, gradient, allocation, shuffle, obs"
BAD = (
    ("mypkg.nope:f --kind selector",
     "mypkg.nope cannot be imported: ModuleNotFoundError: No module named 'mypkg.nope'; "
     "run from the folder that holds it, or install it"),
    ("mypkg.cut:f --kind selector",
     "mypkg.cut cannot be imported: SyntaxError: invalid syntax (cut.py, line 1); "
     "run from the folder that holds it, or install it"),
    ("mypkg.prune:nope --kind selector",
     "mypkg.prune has no nope; it has cubic, floor, gradient, hashed, joint, loss, magnitude, np, "
     "number, order, pair, product, right, saliency, shuffled, signed, singles, slow, uniform"),
    ("mypkg.prune:number --kind selector",
     "mypkg.prune:number is of type int, expected a function"),
    ("mypkg.prune --kind selector",
     "'mypkg.prune' is no function; write package.module:function"),
    ("mypkg.prune:right", f"--kind is missing, expected one of {KIND}; choose one"),
    ("mypkg.prune:right --kind mask", f"--kind is 'mask', expected one of {KIND}; choose one"),
    ("mypkg.prune:right --kind selector --as obd",
     "--as is 'obd', and a selector may be checked as lower, any"),
    ("mypkg.prune:cubic --kind schedule --given last=1",
     "--given has 'last', and this kind takes initial, final, start, span, every"),
    ("mypkg.prune:cubic --kind schedule --given final",
     "--given has 'final', expected NAME=VALUE; write final=0.8"),
    ("mypkg.prune:gradient --kind gradient",
     "a gradient needs --against package.module:name, the function that it derives; give it"),
    ("", "verify takes one of MODULE:FUNCTION, --self, --export FILE and --list; give one"),
    ("--self --list", "verify takes one of MODULE:FUNCTION, --self, --export FILE and --list; "
     "give one"),
)  # fmt: skip


@pytest.mark.parametrize(("words", "text"), BAD, ids=[words or "none" for words, _ in BAD])
def test_bad_use_is_one_sentence(folder: Path, words: str, text: str) -> None:
    assert run(folder, *words.split()) == (2, "", f"minprune: {text}\n")


def test_the_list_names_what_there_is() -> None:
    assert [line.split()[0] for line in listing().splitlines()] == list(KINDS)
    assert "obd" in likes()["criterion"]


def test_ours_holds() -> None:
    for start in ("selector", "schedule", "kernel", "gradient", "hvp", "compaction", "obs"):
        for name, found in ours(10, only=start).items():
            assert found.ok, (name, found)
    assert len({name for name, _ in checks()}) == len(list(checks()))


def test_the_formula_net_is_that_of_the_page(tmp_path: Path) -> None:
    found = oracles()
    net = found["nets"]["tanh, cross-entropy"]
    assert net["loss"] == pytest.approx(0.7526966241546514, rel=1e-15)
    assert net["params"]["fc1.weight"]["shape"] == [4, 3]
    assert net["params"]["fc1.weight"]["values"][:2] == [0.7 * np.sin(1), 0.7 * np.sin(2)]
    synflow = found["nets"]["relu without biases, mse"]["scores"]["synflow"]
    for scores in synflow.values():
        assert sum(scores["values"]) == pytest.approx(4.683040952299719, rel=1e-14)


def test_every_criterion_that_draws_no_numbers_is_in_the_file() -> None:
    every = {*mp.criteria.CRITERIA} - {"random"}
    for name, net in oracles()["nets"].items():
        refused = {"lda", "lda_joint"} if "mse" in name else set()  # which want classes
        found = {label.removesuffix(" of units") for label in net["scores"]}
        assert found == every - refused, name


def test_every_criterion_is_checked_against_its_definition() -> None:
    names = {name for name, _ in checks()}
    for name, fn in mp.criteria.CRITERIA.items():
        mark = fn.mark  # type: ignore[attr-defined]
        assert (f"criterion {name}" in names) == mark.single
        assert (f"criterion {name} of units" in names) == (mark.unit is not None)
        assert name in likes()["criterion"]


def test_the_file_is_plain_and_round_trips(tmp_path: Path) -> None:
    path = tmp_path / "oracles.json"
    code, out, _ = run(tmp_path, "--export", "oracles.json")
    assert code == 0
    assert out.startswith("wrote oracles.json: 3 nets (")
    read = json.loads(path.read_text("utf-8"), parse_constant=pytest.fail)
    assert (read["format"], read["version"]) == ("minprune-oracles", 1)
    for name, (model, data) in formula_nets().items():
        given = read["nets"][name]
        x = np.array(given["inputs"]["values"]).reshape(given["inputs"]["shape"])
        assert np.array_equal(x, data[0])
        outputs = np.array(given["outputs"]["values"]).reshape(given["outputs"]["shape"])
        assert np.array_equal(outputs, model(x))
        for share, masks in given["masks"]["magnitude"].items():
            scores = mp.score(model, data, "magnitude")
            pruned = mp.prune(model, scores, sparsity=float(share), minimum=0)
            for key, mask in masks.items():
                assert pruned.masks[key].ravel().astype(int).tolist() == mask["values"]


def test_best_subsets_are_no_worse_than_greedy_ones() -> None:
    found = oracles()["best_subsets"]
    H = np.array(found["hessian"]["values"]).reshape(5, 5)
    w, inverse = np.array(found["weights"]["values"]), np.linalg.inv(H)
    rise, gone = 0.0, np.zeros(5, bool)
    assert found["best"][5]["rise"] == 0
    for kept in (4, 3, 2, 1):  # OBS, one weight at a time
        scores = np.where(gone, np.inf, w**2 / (2 * np.where(gone, 1, np.diag(inverse))))
        q = int(np.argmin(scores))
        rise, gone = rise + scores[q], gone | (np.arange(5) == q)
        column = inverse[:, q] / inverse[q, q]
        w = w - w[q] * column
        inverse = inverse - np.outer(column, inverse[q])
        assert found["best"][kept]["rise"] <= rise * (1 + 1e-9)
    assert found["best"][4]["rise"] == pytest.approx(
        min(np.array(found["weights"]["values"]) ** 2 / (2 * np.diag(np.linalg.inv(H))))
    )
