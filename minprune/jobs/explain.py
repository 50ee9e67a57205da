"""`minprune explain`: what a thing is, from its registry, docstring and code, computed live.

Longer than most files: the registries, and one short function a part, are read side by side.

A subject is a named thing of a registry; `explained` gives its parts, in one order for all kinds;
the command prints them, and report/explain_page.py makes pages of them.
"""

import inspect
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from doctest import DocTestParser
from functools import cache, partial
from importlib import import_module
from itertools import pairwise
from pathlib import Path
from textwrap import dedent
from typing import Any, Literal, NamedTuple

import numpy as np

from minprune.arguments import one_of
from minprune.core import EVIDENCE_KINDS
from minprune.errors import ArgumentError
from minprune.files.atomic import write_atomic
from minprune.jobs.steps import Steps, shown, steps
from minprune.text import cell, table, wrapped
from minprune.verify import part
from minprune.verify.kinds import FUNCTION_KINDS
from minprune.verify.words import Told, laws_of

# the four questions, and what must hold of the answers: {kind of thing: its question}
QUESTIONS = {
    "criterion": "What to remove: how much does each weight, or unit, matter?",
    "schedule": "How much: which share is removed after so many steps?",
    "method": "When: before, during or after training, and what happens between?",
    "plan": "When: in which order are training and pruning done?",
    "format": "What for: how is a pruned matrix stored, so that it is smaller and faster?",
    "law": "What must hold of any right answer?",
}
Shape = Literal["words", "formula", "code"]


class Part(NamedTuple):
    """A section: its title, what it says, and whether lines may be broken"""

    title: str
    text: str
    shape: Shape = "words"


@dataclass(frozen=True)
class Subject:
    """thing: what the registry holds; of a law its declarations, one for each kind of function"""

    kind: str
    name: str
    thing: Any

    @property
    def doc(self) -> str:
        """The docstring of what has the equation"""
        return inspect.getdoc(self.code) or ""

    @property
    def code(self) -> Any:
        """The class or function to show: of a one-line call the method that it runs"""
        named = re.search(r"^Train a model with `(\w+)`", inspect.getdoc(self.thing) or "")
        return getattr(import_module("minprune.methods"), named[1]) if named else self.thing


# --- the registries: a criterion needs no import of the others


def all_criteria() -> Mapping[str, Any]:
    """{name: criterion}"""
    found: Mapping[str, Any] = import_module("minprune.criteria").CRITERIA
    return found


def all_schedules() -> Mapping[str, Any]:
    """{name: schedule}"""
    found: Mapping[str, Any] = import_module("minprune.schedule").SCHEDULES
    return found


def all_formats() -> Mapping[str, Any]:
    """{name: the class of a sparse format}"""
    home = import_module("minprune.sparse")
    stored = import_module("minprune.sparse.formats").Stored
    named = {name: getattr(home, name) for name in home.__all__}
    return {n: c for n, c in named.items() if inspect.isclass(c) and issubclass(c, stored)}


def all_plans() -> Mapping[str, Any]:
    """{name: the call of a plan}"""
    home = import_module("minprune.methods")
    return {name: getattr(home, name) for name in home.PLANS}


def all_methods() -> Mapping[str, Any]:
    """{name: the call of a method that is no plan, or the maker of its row of PROCEDURES}"""
    home, rows = import_module("minprune.methods"), import_module("minprune.jobs.procedures")
    calls = {n: getattr(home, n) for n in home.__all__ if inspect.isfunction(getattr(home, n))}
    made = {n: maker(home, n, way) for n, way in rows.PROCEDURES.items()}
    return {n: f for n, f in (made | calls).items() if n not in home.PLANS}


def maker(home: Any, name: str, way: Any) -> Any:
    """The method's own class, where it has one, or what makes its plan"""
    own = {n.lower(): getattr(home, n) for n in home.__all__ if inspect.isclass(getattr(home, n))}
    return own.get(name.replace("_", ""), getattr(way.make, "func", way.make))


def all_laws(name: str = "") -> Mapping[str, Any]:
    """{name: its declarations}; name: only what may have that one, which is quicker"""
    found: dict[str, list[Told]] = {}
    for kind in FUNCTION_KINDS:
        for told in laws_of(kind, name):
            found.setdefault(told.name, []).append(told)
    return found


REGISTRIES: dict[str, Callable[[], Mapping[str, Any]]] = {
    "criterion": all_criteria, "schedule": all_schedules, "format": all_formats,
    "method": all_methods, "plan": all_plans, "law": all_laws,
}  # fmt: skip


def every() -> list[Subject]:
    """All subjects, in the order of the questions"""
    return [Subject(k, n, thing) for k in QUESTIONS for n, thing in REGISTRIES[k]().items()]


def called(name: str, kind: str | None = None) -> list[Subject]:
    """What has that name, of one kind or of all; raises ArgumentError for what has none

    Methods take longest to import, so they come last, and only while nothing is found, or where a
    file of methods/ has the name.
    """
    if kind is not None:
        one_of("explain", "--kind", kind, QUESTIONS)
    found: list[Subject] = []
    filed = Path(__file__).parents[1].joinpath("methods", f"{name.lower()}.py").exists()
    order = sorted(REGISTRIES, key=lambda each: each in WAYS)
    for each in [kind] if kind else order:
        if found and not (each in WAYS and filed):
            continue
        there = all_laws(name.lower()) if each == "law" else REGISTRIES[each]()
        found += [
            Subject(each, n, thing) for n, thing in there.items() if n.lower() == name.lower()
        ]
    if not found:
        names = list(dict.fromkeys(n for k in [kind] if k for n in REGISTRIES[k]()))
        names = names or list(dict.fromkeys(s.name for s in every()))
        what = f"a {kind}" if kind else f"one of {len(names)} names"
        near = get_close_matches(name, names, 3, 0.6)
        advice = f"did you mean {' or '.join(near)}?" if near else "see minprune explain --list"
        raise ArgumentError(f"explain: NAME must be {what}, not {name!r}; {advice}")
    return found


def names() -> str:
    """All names, below the question of their kind"""
    lines = []
    for kind, question in QUESTIONS.items():
        lines += [question, f"    {kind}: {', '.join(REGISTRIES[kind]())}"]
    return wrapped("\n".join(lines))


# --- the parts


def explained(s: Subject) -> list[Part]:
    """The parts of an explanation that have something to say, in the order of PARTS"""
    found = [Part(title, *told) for title, tell in PARTS.items() if (told := tell(s))[0]]
    return found


def head(s: Subject) -> tuple[str]:
    """The question of its kind, and the idea of its file."""
    if s.kind == "law":
        return (QUESTIONS[s.kind],)
    home = inspect.getdoc(inspect.getmodule(s.code)) or ""
    idea = home.partition("\n\n")[0].replace("\n", " ")
    way = row(s)
    return (f"{QUESTIONS[s.kind]}\n{idea}" + (f"\n{s.name}: {way.words}" if way else ""),)


def row(s: Subject) -> Any:
    """Its row of PROCEDURES, if it has one"""
    rows = import_module("minprune.jobs.procedures").PROCEDURES if s.kind in WAYS else {}
    return rows.get(s.name)


WAYS = ("method", "plan")


def equation(s: Subject) -> tuple[str, Shape]:
    """The docstring's first paragraph; of a law its sentences."""
    if s.kind == "law":
        return "\n".join(f"{told.kind}: {told.sentence}" for told in s.thing), "words"
    return s.doc.partition("\n\n")[0], "formula"


def source(s: Subject) -> tuple[str]:
    """The paper, and the version of it that is followed."""
    cite = getattr(getattr(s.thing, "spec", None), "cite", "")
    found = re.search(r"(?s)^Source: (.*?)(\n\n|\Z)", s.doc, re.MULTILINE)
    way = row(s)
    named = re.findall(r"\(([^()]*\d{4})\)", way.words) if way else []
    return (cite or (" ".join(found[1].split()) if found else "; ".join(named)),)


def worked(s: Subject) -> tuple[str, Shape]:
    """Of a criterion its examples by hand, of others the docstring's, and of a method a run."""
    if s.kind == "criterion":
        return "\n\n".join(by_hand(s.thing, example) for example in s.thing.spec.examples), "code"
    run = live().example(s.name) if s.kind in WAYS else ""
    return "\n\n".join(filter(None, [from_doc(s) if s.kind != "law" else "", run])), "code"


def live() -> Any:
    """Methods and plans as they run"""
    return import_module("minprune.jobs.tried")


def by_hand(fn: Any, example: Any) -> str:
    """One example of a criterion: evidence, steps, scores, and whether they are those by hand"""
    lines = [f"{kind} = {shown(np.asarray(a))}" if not isinstance(a, Mapping) else f"{kind} = {a}"
             for kind, a in example.evidence.items()]  # fmt: skip
    asked = ", ".join(f"{k}={v!r}" for k, v in example.options.items())
    head = f"{fn.__name__}({asked}) of {'units' if example.unit else 'single weights'}:"
    code = fn.spec.raw.__code__.co_filename
    scores, found = steps(lambda: fn(example.given(), **example.options), code)
    (score,) = scores.values()
    right = (np.abs(score - np.array(example.want, float)) <= example.within).all()
    said = "as by hand" if right else f"by hand {example.want}"
    return "\n".join([head, *indented(lines, found), f"  s = {shown(score)}    {said}"])


def indented(lines: Iterable[str], found: Steps) -> Iterator[str]:
    """The evidence, and each step as an equation"""
    yield from (f"  {line}" for line in lines)
    yield from (f"  {left} = {right}" for left, right in found)


def from_doc(s: Subject) -> str:
    """The docstring's example; run, with its steps, where it trains no net"""
    tests = DocTestParser().get_examples(s.doc)
    if s.kind in WAYS and not s.name.startswith("prox_"):
        return "\n".join(f"{typed(t.source)}\n{t.want.rstrip()}".rstrip() for t in tests)
    lines: list[str] = []
    world: dict[str, Any] = {}
    file = inspect.getsourcefile(s.code) or ""
    for test in tests:
        run = partial(ran, test.source, world)
        result, found = steps(run, file) if not lines or s.kind != "format" else (run(), [])
        once = ["  (each line where it runs first)"] * bool(found)
        lines += [typed(test.source), *once, *indented([], found)]
        lines += [] if result is None else [repr(result)]
    return "\n".join(lines)


def typed(text: str) -> str:
    """Code as at a prompt"""
    return ">>> " + text.rstrip().replace("\n", "\n... ")


def ran(text: str, world: dict[str, Any]) -> Any:
    """The value of an example's expression; None of a statement"""
    try:
        code = compile(text.strip(), "<example>", "eval")
    except SyntaxError:
        exec(text, world)
        return None
    return eval(code, world)


def code(s: Subject) -> tuple[str, Shape]:
    """The code itself, without its docstring, which the other parts show."""
    if s.kind == "law":
        return "\n\n".join(told.code for told in s.thing), "code"
    raw = getattr(getattr(s.thing, "spec", None), "raw", None) or s.code
    text = dedent(inspect.getsource(raw))
    doc = raw.__doc__ or ""
    bare = re.sub(r'\n *r?"""' + re.escape(doc) + r'"""', "", text) if doc else text
    helpers = list(named(raw))[1:] if inspect.isfunction(raw) else []
    return "\n\n".join([bare.rstrip(), *(inspect.getsource(f).rstrip() for f in helpers)]), "code"


def named(raw: Any) -> Iterator[Any]:
    """A function, and those of its file that it uses, and these use, each once"""
    home, seen, waiting = vars(inspect.getmodule(raw)), {raw}, [raw]
    for function in waiting:
        yield function
        for name in dict.fromkeys(function.__code__.co_names):
            other = home.get(name)
            mine = inspect.isfunction(other) and other.__module__ == raw.__module__
            if mine and other not in seen and not hasattr(other, "spec"):
                seen.add(other)
                waiting.append(other)


def assumed(s: Subject) -> tuple[str]:
    """The docstring's prose, and where a method is plain training."""
    prose = re.split(r"\n(?:Parameters|Returns|Raises|Examples|Source)\b", s.doc)[0]
    prose = prose.partition("\n\n")[2].strip() if s.kind != "law" else ""
    way = row(s)
    plain = import_module("minprune.jobs.procedures").plain(way.null) if way else ""
    return ("\n".join(filter(None, [paragraphs(prose), plain.removeprefix("; ")])),)


def paragraphs(text: str) -> str:
    """Each paragraph in one line"""
    return "\n".join(" ".join(each.split()) for each in text.split("\n\n"))


@cache
def failed(name: str) -> Any:
    """The net on which a criterion fails"""
    return import_module("minprune.jobs.failing").failure(all_criteria()[name])


def fails(s: Subject) -> tuple[str, Shape]:
    """A small case on which it fails, computed."""
    tell = FAILS.get(s.kind)
    return (tell(s) if tell else ""), "code"


def criterion_fails(s: Subject) -> str:
    """The net, a table of scores beside true changes, and a sentence"""
    found = failed(s.name)
    if found is None:
        return ""
    rows = [
        [e, score, change, "taken" * (k in found.taken) + " should go" * (k in found.best)]
        for k, (e, score, change) in enumerate(
            zip(found.entries, found.scores, found.changes, strict=True))
    ]  # fmt: skip
    shown = table(["entry", "score", "true change of the loss", ""], rows)
    return f"{found.case.words}\n\n{shown}\n\n{found}"


SETTINGS = {"final": 0.9, "span": 10, "fraction": 0.3, "at": 5}  # of a schedule that is shown


def curve(fn: Callable[..., float]) -> list[tuple[int, float]]:
    """[(step, sparsity)] of a schedule of ten steps"""
    takes = inspect.signature(fn).parameters
    own = {key: value for key, value in SETTINGS.items() if key in takes}
    return [(step, fn(step, **own)) for step in range(12)]


def schedule_fails(s: Subject) -> str:
    """What each step removes of what is left: where that is most, training has most to repair"""
    values = curve(s.thing)
    left = [(b - a) / (1 - a) for (_, a), (_, b) in pairwise(values)]
    rows = [[t, v, share] for (t, v), share in zip(values[1:], left, strict=True)]
    worst = int(np.argmax(left))
    said = (
        f"Most at step {worst + 1}: {100 * left[worst]:.0f} % of what is left goes at once."
        if max(left)
        else "Nothing goes after step 0, so nothing is learned before it goes."
    )
    header = ["step", "sparsity", "share of what is left that goes"]
    return f"{table(header, rows)}\n\n{said}"  # fmt: skip


SIDE = 64  # of the float32 matrix that formats store


def sizes(kind: Any) -> list[tuple[float, int, int]]:
    """[(sparsity, bytes stored, bytes of the dense matrix)], of whole 4 x 4 blocks

    A format that keeps n of every m takes only its own sparsities.
    """
    rng, found = np.random.default_rng(0), []
    array = rng.standard_normal((SIDE, SIDE)).astype(np.float32)
    if "keep" in inspect.signature(kind.from_dense).parameters:
        masks = [(np.arange(SIDE) % 4 < keep) & np.ones((SIDE, 1), bool) for keep in (3, 2, 1)]
        made = [kind.from_dense(array, m, keep=k) for m, k in zip(masks, (3, 2, 1), strict=True)]
    else:
        places = rng.permutation((SIDE // 4) ** 2).reshape(SIDE // 4, -1)
        masks = [np.kron(places >= share * places.size, np.ones((4, 4))) > 0
                 for share in (0, 0.25, 0.5, 0.75, 0.9, 0.95)]  # fmt: skip
        made = [kind.from_dense(array, m) for m in masks]
    for mask, stored in zip(masks, made, strict=True):
        found.append((1 - float(mask.mean()), stored.bytes, array.nbytes))
    return found


def format_fails(s: Subject) -> str:
    """The bytes of a matrix at several sparsities: where they are more than the dense one's"""
    rows = sizes(s.thing)
    shown = table(["sparsity", "bytes", "dense bytes"], rows)
    big = [share for share, stored, dense in rows if stored >= dense]
    said = f"Not smaller than dense at sparsity {', '.join(map(cell, big))}." if big else ""
    what = f"float32, {SIDE} x {SIDE}, live in whole blocks of 4 x 4, or n of every 4"
    return f"{what}\n\n{shown}\n\n{said}".rstrip()


FAILS: dict[str, Callable[[Subject], str]] = {
    "criterion": criterion_fails, "schedule": schedule_fails, "format": format_fails,
    "method": lambda s: str(live().failing(s.name)), "plan": lambda s: str(live().failing(s.name)),
}  # fmt: skip


def cost(s: Subject) -> tuple[str]:
    """What it needs, as declared."""
    if s.kind == "criterion":
        return ("\n".join(given_to(s.thing)),)
    if s.kind == "format":
        return (f"values, and {', '.join(f'{k} ({v})' for k, v in s.thing.INDICES.items())}",)
    way = row(s)
    if way is None:
        return ("",)
    takes = {"criteria": way.criteria, "units": way.units, "single weights": way.weights}
    return (f"takes {', '.join(k for k, yes in takes.items() if yes) or 'no choice'}"
            + ("; one first training serves all sparsities" if way.shared else ""),)  # fmt: skip


ARRAYS = {  # what the arrays of a unit hold, by the declaration of a criterion
    "incoming": "of a unit, arrays have a row of its incoming weights",
    "incoming and bias": "of a unit, arrays have a row of its incoming weights and its bias",
    "outgoing": "of a unit, arrays have a row of its outgoing weights",
    "gate": "of a unit, arrays have one entry, of a gate at its output: weights are 1",
    "whole": "of a unit, arrays are as below",
}


def given_to(fn: Any) -> Iterator[str]:
    """The function that one would write, what it gets, and what that costs"""
    spec = fn.spec
    asked = dict.fromkeys(
        need for options, unit in variants(fn) for need in spec.asked(options, unit)[0]
    )
    first = spec.asked(*variants(fn)[0])[0]
    yield (
        f"def mine({', '.join(first)}): dicts {{name: array}}, but for single arrays; it returns "
        f"{{name: scores}}, of the shape of the weights; of units (units,)"
    )
    if spec.unit is not None:
        yield ARRAYS[spec.unit]
    for k in asked:
        yield f"{k}: {EVIDENCE_KINDS[k].what}; {EVIDENCE_KINDS[k].cost}"


def variants(fn: Any) -> list[tuple[dict[str, Any], bool]]:
    """(options, whether of units) of its examples, each once, the usual ones first"""
    found: list[tuple[dict[str, Any], bool]] = [({}, not fn.spec.single)]
    for example in fn.spec.examples:
        one = dict(example.options), example.unit
        found += [one] * (one not in found)
    return found


def checked(s: Subject) -> list[Told]:
    """The laws of the kinds of function that know its name"""
    if s.kind == "criterion":
        names = import_module("minprune.verify.words").of_criterion(s.name)
        return [told for told in laws_of("criterion") if told.name in names]
    name = s.name.removeprefix("prox_")
    kinds = [k for k, kind in FUNCTION_KINDS.items() if k != "criterion" and name in kind.names()]
    kinds = [k for k in kinds if (k == "schedule") == (s.kind == "schedule")]
    kinds += ["sparse_format"] * (s.kind == "format")
    return [told for kind in dict.fromkeys(kinds) for told in laws_of(kind)]


def kept(s: Subject) -> tuple[str]:
    """The laws that it obeys, and the wrong variants that each rejects."""
    if s.kind == "law":
        return (told_wrong(w for w in wrong() if w.law == s.name),)
    mine = [w for w in wrong() if w.like == s.name] if s.kind == "criterion" else []
    lines = []
    for told in checked(s):
        lines.append(f"{told.name}: {told.sentence}")
        lines += [f"    rejects: {w.what}" for w in mine if w.law == told.name]
    return ("\n".join(dict.fromkeys(lines)),)


def told_wrong(rows: Iterable[Any]) -> str:
    """What a law rejects"""
    return "\n".join(
        f"rejects: {w.like or 'any'}: {w.what}{f' ({w.project})' if w.project else ''}"
        for w in rows
    )


def wrong() -> tuple[Any, ...]:
    """The wrong variants of criteria that the kit knows"""
    found: tuple[Any, ...] = part("ours.wrong_criteria").PLANTED
    return found


def next_(s: Subject) -> tuple[str, Shape]:
    """Commands and calls that show more, and the lesson that uses it."""
    number = import_module("minprune.jobs.course_uses").taught_in(s.kind, s.name)
    return "\n".join([*TRY[s.kind](s), *([f"minprune lesson {number}"] if number else [])]), "code"


USUAL = ("magnitude", "random")  # what criteria are compared with


def try_criterion(s: Subject) -> list[str]:
    """Run it, compare it, check one's own"""
    unit = "" if s.thing.spec.single else " --unit"
    lines = [
        f"minprune run --criterion {s.name}{unit} --sparsity 0.9",
        f"minprune compare --criteria {','.join(dict.fromkeys([s.name, *USUAL]))}{unit}",
    ]
    for options, of_units in variants(s.thing):
        words = [*(f"{k}={said(v)}" for k, v in options.items()), *["unit=yes"] * of_units]
        given = f" --given {' '.join(words)}" if words else ""
        lines.append(f"minprune verify mypkg.prune:mine --kind criterion --as {s.name}{given}")
    return lines


def said(value: Any) -> str:
    """A setting as the command line takes it"""
    return (
        {True: "yes", False: "no"}.get(value, str(value)) if isinstance(value, bool) else str(value)
    )


def try_method(s: Subject) -> list[str]:
    """Run it, where it has a row; its call"""
    way, there = row(s), hasattr(import_module("minprune.methods"), s.name)
    unit = "" if way is None or way.weights else " --unit"
    lines = [f"minprune run --method {s.name}{unit}"] if way else []
    return [*lines, *([f"mp.methods.{call(s)}"] if there else [])]


def call(s: Subject) -> str:
    """name(what must be given, ...)"""
    takes = inspect.signature(s.thing).parameters.values()
    given = [f"{p.name}=..." if p.kind is p.KEYWORD_ONLY else p.name
             for p in takes if p.default is p.empty and p.kind is not p.VAR_KEYWORD]  # fmt: skip
    more = [", ..."] * (len(given) < len(takes))
    return f"{s.name}({', '.join(given)}{''.join(more)})"


TRY: dict[str, Callable[[Subject], list[str]]] = {
    "criterion": try_criterion, "method": try_method, "plan": try_method,
    "schedule": lambda s: [
        f"mp.schedule.{call(s)}",
        f"minprune verify mypkg.prune:mine --kind schedule --as {s.name}",
    ],
    "format": lambda s: [f"mp.sparse.{s.name}.from_dense(array, mask)",
                         "mp.measure(mp.sparsify(model), data.test)"],
    "law": lambda s: [
        f"minprune verify mypkg.prune:mine --kind {kind}"
        for kind in dict.fromkeys(told.kind for told in s.thing)
    ],
}  # fmt: skip
PARTS: dict[str, Callable[[Subject], Any]] = {
    "Question": head, "Equation": equation, "Source": source, "Worked example": worked,
    "Code": code, "What it assumes": assumed, "Where it fails": fails, "Cost": cost,
    "Laws": kept, "Try next": next_,
}  # fmt: skip


# --- what the command prints


def run(
    name: str | None, kind: str | None, listed: bool, html: str | None, whole: bool,
    out: str | None,
) -> str:  # fmt: skip
    """What `minprune explain` prints; raises ArgumentError for bad use"""
    if [name is not None, listed, whole].count(True) != 1:
        raise ArgumentError("explain: give one of NAME, --list and --all")
    if whole != (out is not None):
        raise ArgumentError("explain: --all and --out FOLDER must be given together; give both")
    if html is not None and name is None:
        raise ArgumentError("explain: --html takes one NAME; use --all --out FOLDER for all pages")
    if out is not None:
        from minprune.jobs.explain_pages import site

        return site(Path(out))
    if name is None:
        return names()
    if html is None:
        return told(name, kind)
    found = called(name, kind)
    if len(found) > 1:
        kinds = " or ".join(s.kind for s in found)
        raise ArgumentError(f"explain: {name} is of several kinds; pass --kind {kinds}")
    from minprune.jobs.explain_pages import page

    write_atomic(html, page(found[0]))
    return html


def told(name: str, kind: str | None = None) -> str:
    """The explanations of all that has that name, as text"""
    return "\n\n\n".join(map(as_text, called(name, kind)))


def as_text(s: Subject) -> str:
    """One explanation: its title, and its parts"""
    parts = [f"{s.kind}: {s.name}"]
    for title, text, shape in explained(s):
        body = text if shape == "code" else wrapped(text)
        parts.append(f"{title}\n{'-' * len(title)}\n{body}")
    return "\n\n".join(parts)
