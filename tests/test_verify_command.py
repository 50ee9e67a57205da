"""`minprune verify` as a user has it: a package of one's own, exit codes, words, files."""

import subprocess
import sys
from pathlib import Path

import pytest

from minprune.verify.kinds import FUNCTION_KINDS, listing

HERE = Path(__file__).parent
ROOT = HERE.parent


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "mypkg").mkdir()
    (tmp_path / "mypkg" / "prune.py").write_text((HERE / "strangers.py").read_text("utf-8"))
    (tmp_path / "mypkg" / "cut.py").write_text("def f(:")
    (tmp_path / "mypkg" / "script.py").write_text("raise SystemExit(2)")
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
    "mypkg.prune:fast_softmax --kind kernel --against mypkg.prune:softmax --draw "
    "mypkg.prune:logits --given relative=1e-14",
    "mypkg.prune:shuffled --kind shuffle",
    "mypkg.prune:uniform --kind allocation",
    "mypkg.prune:joint --kind obs",
    "mypkg.prune:saliency --kind criterion --as obs",
    "mypkg.prune:floor --kind selector --given count=any",
    "mypkg.prune:two_of_four --kind pattern --as 2:4",
    "mypkg.prune:trained --kind steps",
    "mypkg.prune:d_of_two --kind gradient --against mypkg.prune:of_two --draw mypkg.prune:point",
    "mypkg.prune:uniform --kind allocation --as uniform",
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


def test_defects_of_other_projects_are_told_apart(folder: Path) -> None:
    words = ("mypkg.prune:as_in_sparseml", "--kind", "pattern", "--as", "2:4", "--examples", "60")
    code, out, _ = run(folder, *words)
    assert code == 1
    assert "N of each M          BROKEN\n" in out
    assert "which keeps 2 of every 4 in the order of memory\n" in out
    code, out, _ = run(folder, "mypkg.prune:as_in_open_lth", "--kind", "steps", "--examples", "60")
    assert code == 1
    assert [line for line in out.splitlines() if "BROKEN" in line] == ["masked stay 0.0  BROKEN"]


KIND = ", ".join(FUNCTION_KINDS)
EITHER = " or ".join(KIND.rsplit(", ", 1))
BAD = (
    ("mypkg.nope:f --kind selector",
     "mypkg.nope cannot be imported: ModuleNotFoundError: No module named 'mypkg.nope'; "
     "run from the folder that holds it, or install it"),
    ("mypkg.cut:f --kind selector",
     "mypkg.cut cannot be imported: SyntaxError: invalid syntax (cut.py, line 1); fix it first"),
    ("mypkg.script:f --kind selector",
     "mypkg.script cannot be imported: SystemExit: 2; fix it first"),
    ("mypkg/prune.py:right --kind selector",
     "mypkg/prune.py is a file; write it as one imports it, mypkg.prune:right"),
    ("mypkg.prune:nope --kind selector",
     "mypkg.prune has no nope; it has as_in_open_lth, as_in_sparseml, cubic, d_of_two, "
     "fast_softmax, floor, gradient, hashed, joint, logits, loss, magnitude, no_point, of_two, "
     "order, pair, point, product, right, saliency and 8 more"),
    ("mypkg.prune:order --kind selector",
     "order(flat) is called as order(scores, sparsity): too many positional arguments; "
     "wrap it in a function that takes these"),
    ("mypkg.prune:right --kind selector --draw mypkg.prune:pair",
     "--draw says nothing about a selector; leave it out"),
    ("mypkg.prune:two_of_four --kind pattern",
     "a pattern needs --as, N:M or ROWSxCOLUMNS; give it"),
    ("mypkg.prune:gradient --kind gradient --against mypkg.prune:number",
     "mypkg.prune:number must be a function, not of type int"),
    ("mypkg.prune:gradient --kind gradient --against mypkg.prune:loss --draw mypkg.prune:no_point",
     "mypkg.prune:no_point must make arguments of a Generator, but "
     "raised OSError: no data; fix it first"),
    ("mypkg.prune:number --kind selector",
     "mypkg.prune:number must be a function, not of type int"),
    ("mypkg.prune --kind selector",
     "'mypkg.prune' names no function; write package.module:function"),
    ("mypkg.prune:right", f"--kind is missing; it must be one of {KIND}"),
    ("mypkg.prune:right --kind mask",
     f"verify: --kind must be {EITHER}, not 'mask'; choose one of them"),
    ("--self --kind selectors",
     f"verify: --kind must be one of {len(FUNCTION_KINDS)} names, not 'selectors'; did you mean "
     f"selector?"),
    ("mypkg.prune:right --kind selector --as obd",
     "check_selector: tie must be 'lower' or 'any', not 'obd'; choose one of them"),
    ("mypkg.prune:cubic --kind schedule --given last=1",
     "--given has 'last', and this kind takes initial, final, start, span, every"),
    ("mypkg.prune:cubic --kind schedule --given final",
     "--given must be NAME=VALUE, not 'final'; write final=0.8"),
    ("mypkg.prune:right --kind criterion --given order=2,hessian=row",
     "--given must be NAME=VALUE, not 'order=2,hessian=row'; write order=2 hessian=row"),
    ("mypkg.prune:right --kind criterion --given order=2 --given order=1",
     "--given has 'order' twice; give it once"),
    ("mypkg.prune:gradient --kind gradient",
     "a gradient needs --against, the function whose gradient it is; give it"),
    ("", "verify: give one of MODULE:FUNCTION, --self, --export FILE and --list"),
    ("--self --list", "verify: give one of MODULE:FUNCTION, --self, --export FILE and --list"),
)  # fmt: skip


def test_a_gradient_of_something_else_is_told_of_draw(folder: Path) -> None:
    words = "mypkg.prune:d_of_two --kind gradient --against mypkg.prune:of_two"
    code, out, err = run(folder, *words.split())
    assert (code, out) == (2, "")
    assert err.startswith(
        "minprune: check_gradient: f and grad were called with an array, and the call raised "
        "IndexError: "
    )
    assert err.endswith(
        "; where x is something else, pass x, or give --draw package.module:function, which "
        "makes one\n"
    )


@pytest.mark.parametrize(("words", "text"), BAD, ids=[words or "none" for words, _ in BAD])
def test_bad_use_is_one_sentence(folder: Path, words: str, text: str) -> None:
    assert run(folder, *words.split()) == (2, "", f"minprune: {text}\n")


def test_the_export_is_told(tmp_path: Path) -> None:
    code, out, err = run(tmp_path, "--export", "oracles.json")
    assert (code, err) == (0, "")
    assert out.startswith("wrote oracles.json: 3 nets (")
    assert [p.name for p in tmp_path.iterdir()] == ["oracles.json"]


def test_the_list_names_what_there_is() -> None:
    lines = [line for line in listing().splitlines() if not line.startswith(" ")]
    assert [line.partition(": ")[0] for line in lines] == list(FUNCTION_KINDS)
    assert "obd" in FUNCTION_KINDS["criterion"].names()
    assert "    --given form=array signed=no scope=layer count=any" in listing().splitlines()
