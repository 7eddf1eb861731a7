"""`check` judges a reader's function: it runs it beside the right one, and looks for the smallest input on which it is wrong.

Inputs are drawn and shrunk by hypothesis, always the same ones. All together takes well under two seconds: drawing ends, and
so does shrinking, when the time is used up. What a function may do wrong beside being wrong (raising, looping, returning
nothing, printing, changing its arguments, drawing random numbers) is met with a sentence.
"""

from __future__ import annotations

import copy
import inspect
import math
import random
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from functools import cache, partial
from typing import Any
from unittest import mock

import numpy as np

from . import register
from .answers import shown
from .calls import Guard, Outcome, where
from .register import Prediction, Program
from .verdict import Verdict, not_yet

INPUTS = 100
"""On how many random inputs a function is tried."""
CALL, TRYING, ALL = 1.0, 0.5, 1.2
"""Seconds: for one call, until no further input is tried, and until the search for a smaller input ends."""
ALWAYS = {"none", "type"}
"""Faults that say all, without an input, where a function has them everywhere."""
FEWEST = 10
"""How many inputs are tried even if it takes longer, and how many right ones must lie elsewhere before a verdict says that
a function is wrong in one place only."""
FLOOR = 1e-3
"""Results below this are compared with its share, so that a rounding error beside an exact 0 does no harm."""

Given = Mapping[str, Any]
"""The arguments, by name."""
Test = Callable[[Given], bool]
"""Whether an input has some property."""


@dataclass(frozen=True)
class Fault:
    """What is wrong with a function on one input. kind: one word, the same while the input is shrunk."""

    kind: str
    sentences: tuple[str, ...]


@dataclass(frozen=True)
class Trial:
    """One input, what the function made of it (None if no numbers) and what is wrong with that, if anything."""

    given: Given
    outcome: Outcome
    result: Any
    fault: Fault | None


Attempt = Callable[[Given, float], Trial]
"""Calls the function on an input, for so many seconds at most."""


class Unfit(Exception):
    """A result that cannot be compared with numbers. Its arguments: the kind of fault, and a sentence."""


def check(name: str, function: Any) -> Verdict:
    """Judge `function` as the answer to the exercise `name`; `exercises.names()` lists the names.

    Never raises for a bad name or a bad function; the verdict says what was wrong with it. Takes under two seconds.
    """
    if not isinstance(name, str):
        swapped = " The name comes first, then the function." if callable(name) else ""
        return not_yet(
            f"The first argument is the exercise's name, in quotation marks, but it was {shown(name)}.{swapped}"
        )
    try:
        exercise = register.find(name)
    except LookupError as error:
        return not_yet(str(error))
    if isinstance(exercise, Prediction):
        return not_yet(
            f"The exercise `{name}` asks for a number: hand it to `exercises.answer({name!r}, your_number)`."
        )
    if not callable(function):
        return not_yet(_no_function(name, function))
    way = _way(exercise, function)
    if isinstance(way, str):
        return not_yet(way)
    with Guard() as guard, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        drawn = inputs(name)
        began = time.monotonic()
        attempt = partial(_try, exercise, function, way, guard)
        trials = _tried(drawn, attempt, began)
        wrong = [trial for trial in trials if trial.fault]
        if not wrong:
            return _right(exercise, len(trials))
        smallest = min(wrong, key=lambda trial: len(_inputs_typed(trial.given)))
        if not smallest.outcome.endless:
            smallest = _smallest(exercise, smallest, attempt, began + ALL)
        slip = next((slip.says for slip in exercise.slips if _is(exercise, slip.result, trials)), None)
    return _verdict(exercise, way, smallest, trials, slip)


@cache
def inputs(name: str) -> tuple[Given, ...]:
    """The inputs on which the answers to the program `name` are tried; the first is the simplest."""
    exercise = register.find(name)
    assert isinstance(exercise, Program)
    drawn: list[Given] = []

    def collect(given: Given) -> bool:
        drawn.append(given)
        return False

    _search(exercise, collect)
    return tuple(drawn)


def convert(value: Any, size: int = 1) -> np.ndarray | tuple[np.ndarray, ...]:
    """The numbers of a result, as float64: an array, or one for each part of a tuple.

    Raises Unfit, with the kind and a sentence, if they are no numbers. size: how many are expected; a list that is
    very much longer is not read.
    """
    if isinstance(value, tuple) and any(hasattr(part, "__len__") and np.ndim(part) for part in value):
        return tuple(_numbers(part, size) for part in value)
    return _numbers(value, size)


class _Enough(BaseException):
    """The time for shrinking is used up."""


@dataclass(frozen=True)
class _Way:
    """How the arguments are handed over: by keyword, or in the order of the exercise."""

    by_keyword: bool
    same_names: bool

    def call(self, function: Any, given: Given) -> Any:
        return function(**given) if self.by_keyword else function(*given.values())


def _way(exercise: Program, function: Any) -> _Way | str:
    """How to call the function, or what to say where it cannot be called with these parameters."""
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError):
        return _Way(False, True)
    for way in (_Way(True, True), _Way(False, len(exercise.parameters) == 1)):
        try:
            if way.by_keyword:
                signature.bind(**dict.fromkeys(exercise.parameters))
            else:
                signature.bind(*exercise.parameters)
        except TypeError:
            continue
        return way
    own = ", ".join(map(str, signature.parameters.values())) or "none"
    wanted = ", ".join(exercise.parameters)
    count = len(exercise.parameters)
    return f"Your function must take {count} argument{'s' * (count != 1)}, `{wanted}`, but its parameters are: `{own}`."


def _no_function(name: str, value: Any) -> str:
    hint = f"Hand over the function itself, without parentheses behind it: `exercises.check({name!r}, my_function)`."
    if value is None:
        return f"You handed over `None`, not a function. {hint}"
    return f"You handed over {shown(value)}, which is not a function. {hint}"


def _tried(drawn: tuple[Given, ...], attempt: Attempt, began: float) -> list[Trial]:
    """What the function makes of the inputs, as many as there is time for.

    The simplest comes first, then those furthest from it: a slow function meets few, and they should tell something.
    """
    trials: list[Trial] = []
    for given in [drawn[0], *reversed(drawn[1:])]:
        trials.append(attempt(given, CALL))
        used = time.monotonic() - began
        enough = len(trials) >= FEWEST
        if trials[-1].outcome.endless or used > (TRYING if enough else ALL):
            break
        if enough and all(trial.outcome.error for trial in trials):
            break
    return trials


def _try(exercise: Program, function: Any, way: _Way, guard: Guard, given: Given, seconds: float) -> Trial:
    """Call the function on copies of the arguments and judge what comes."""
    expected = _expected(exercise, given)
    size = sum(part.size for part in expected) if isinstance(expected, tuple) else expected.size

    def work(mine: Given) -> Any:
        value = way.call(function, mine)
        try:
            return convert(value, size)
        except Unfit as unfit:
            return unfit
        except Exception:
            return Unfit("type", f"Your function returns a `{type(value).__name__}`; it must return numbers.")

    mine = copy.deepcopy(dict(given))
    outcome = guard.run(lambda: work(mine), seconds)
    if outcome.endless:
        return Trial(given, outcome, None, Fault("endless", (_endless(seconds),)))
    if outcome.error is not None:
        return Trial(given, outcome, None, Fault("raised", (_raised(outcome.error, function),)))
    result = outcome.value
    if isinstance(result, Unfit):
        kind, sentence = result.args
        if kind == "none" and outcome.printed.strip():
            sentence = "Your function prints its result instead of returning it: write `return` for `print`."
        return Trial(given, outcome, None, Fault(kind, (sentence,)))
    fault = _compare(expected, result, exercise.relative)
    if fault is not None and fault.kind == "value":
        again = guard.run(lambda: work(copy.deepcopy(dict(given))), seconds).value
        if isinstance(again, (np.ndarray, tuple)) and _compare(result, again, 0) is not None:
            fault = Fault("random", (_random(result, again),))
    if fault is None:
        changed = [name for name in given if not _same(given[name], mine[name])]
        if changed:
            fault = Fault("changed", (_changed(changed[0], given[changed[0]], mine[changed[0]]),))
    return Trial(given, outcome, result, fault)


def _expected(exercise: Program, given: Given) -> Any:
    return convert(exercise.truth(**copy.deepcopy(dict(given))), 10**9)


def _numbers(value: Any, size: int) -> np.ndarray:
    if value is None:
        raise Unfit("none", "Your function returns nothing: did you forget `return`?")
    kind = type(value).__name__
    if isinstance(value, (str, bytes)):
        raise Unfit("type", f"Your function returns the text {shown(value)}; it must return numbers.")
    if inspect.isawaitable(value):
        if inspect.iscoroutine(value):
            value.close()
        raise Unfit("type", "Your function is `async`, so that it returns no number: write `def` alone.")
    if callable(value) and not hasattr(value, "detach"):
        raise Unfit("type", "Your function returns a function: are parentheses missing behind its name?")
    if hasattr(value, "__next__"):
        raise Unfit(
            "type",
            f"Your function returns a `{kind}`, which holds no numbers yet: did you write `yield`, or is a `list(…)` missing?",
        )
    if isinstance(value, (dict, set, frozenset)):
        raise Unfit("type", f"Your function returns a `{kind}`; it must return numbers.")
    if isinstance(value, (list, tuple)) and len(value) > 10 * size + 1000:
        raise Unfit(
            "shape", f"Your function returns {_count(len(value))}, where {_count(size, ' is', ' are')} expected."
        )
    if hasattr(value, "detach") and hasattr(value, "cpu"):
        value = value.detach().cpu()
        value = value.resolve_conj().numpy() if value.is_complex() else _from_tensor(value)
    try:
        array = np.asarray(value)
        if array.dtype.kind == "O":
            array = array.astype(np.float64)
    except OverflowError:
        raise Unfit("nan", "Your function returns a number with more digits than a float can hold.") from None
    except Exception:
        rows = isinstance(value, (list, tuple)) and len({np.shape(row) for row in value}) > 1
        why = "a list whose rows differ in length" if rows else f"a `{kind}`"
        raise Unfit("type", f"Your function returns {why}; it must return numbers.") from None
    if array.size > 10 * size + 1000:
        raise Unfit("shape", f"Your function returns {_form(array)}, where {_count(size, ' is', ' are')} expected.")
    if array.dtype.kind == "c":
        raise Unfit(
            "complex", f"Your function returns complex numbers, {_text(array)}: is there the root of a negative number?"
        )
    if array.dtype.kind not in "fiub":
        raise Unfit("type", f"Your function returns {shown(value)}, of the type `{kind}`; it must return numbers.")
    return array if array.dtype in (np.float32, np.float16, np.bool_) else array.astype(np.float64)


def _from_tensor(tensor: Any) -> np.ndarray:
    return np.asarray(tensor.numpy() if str(tensor.dtype) != "torch.bfloat16" else tensor.float().half().numpy())


def _compare(expected: Any, result: Any, relative: float) -> Fault | None:
    """What is wrong with the numbers `result`, or None."""
    if isinstance(expected, tuple) or isinstance(result, tuple):
        return _compare_tuples(expected, result, relative)
    if result.dtype == np.bool_ and expected.dtype != np.bool_:
        return Fault("type", (f"Your function returns {_text(result)}, a truth value; it must return numbers.",))
    if result.shape != expected.shape:
        return Fault("shape", (f"Your function returns {_form(result)}, where {_form(expected)} is expected.",))
    came, right = result.astype(np.float64), expected.astype(np.float64)
    bad = ~np.isfinite(came) & np.isfinite(right)
    if bad.any():
        what = "`nan` (not a number)" if np.isnan(came[bad]).any() else "an infinite number"
        cause = (
            "is 0 divided by 0, or the root or logarithm of a negative number taken?"
            if "nan" in what
            else "is something divided by 0, or too large an exponent taken?"
        )
        return Fault("nan", (f"Your function returns {what} where {_text(right, bad)} is expected: {cause}",))
    if relative and result.dtype in (np.float32, np.float16):
        relative = max(relative, 1e-5 if result.dtype == np.float32 else 5e-3)
    finite = np.isfinite(right)
    scale = max(FLOOR, float(np.abs(right[finite]).max())) if finite.any() else FLOOR
    with np.errstate(invalid="ignore"):
        off = np.where(
            finite, np.abs(came - right) > relative * scale, ~((came == right) | (np.isnan(came) & np.isnan(right)))
        )
    if not off.any():
        return None
    return Fault("value", (_differs(right, came, off),))


def _compare_tuples(expected: Any, result: Any, relative: float) -> Fault | None:
    wanted = len(expected) if isinstance(expected, tuple) else 1
    if wanted > 1 and isinstance(result, np.ndarray) and result.ndim and len(result) == wanted:
        result = tuple(np.asarray(part) for part in result)
    came = len(result) if isinstance(result, tuple) else 1
    if wanted != came:
        return Fault(
            "shape", (f"Your function returns {_count(came)}, where {_count(wanted, ' is', ' are')} expected.",)
        )
    for place, (right, mine) in enumerate(zip(expected, result, strict=True)):
        fault = _compare(right, mine, relative)
        if fault is not None:
            return Fault(fault.kind, (f"Value {place + 1} of the {wanted} that it returns:", *fault.sentences))
    return None


def _same(one: Any, other: Any) -> bool:
    if isinstance(one, np.random.Generator):
        return True
    try:
        return np.shape(one) == np.shape(other) and bool(np.array_equal(np.asarray(one), np.asarray(other)))
    except Exception:
        return True


def _is(exercise: Program, slip: Callable[..., Any], trials: list[Trial]) -> bool:
    """Whether the function did on every input what the slip does."""
    return all(_alike(exercise, slip, trial) for trial in trials)


def _alike(exercise: Program, slip: Callable[..., Any], trial: Trial) -> bool:
    try:
        theirs = convert(slip(*copy.deepcopy(dict(trial.given)).values()), 10**9)
    except Exception as error:
        return type(error) is type(trial.outcome.error)
    if trial.result is None:
        return False
    try:
        return _compare(theirs, trial.result, exercise.relative) is None
    except Exception:
        return False


def _smallest(exercise: Program, first: Trial, attempt: Attempt, until: float) -> Trial:
    """The trial with the smallest input that is wrong in the same way as `first`."""
    assert first.fault is not None
    kind, best = first.fault.kind, first

    def wrong(given: Given) -> bool:
        nonlocal best
        left = until - time.monotonic()
        if left <= 0:
            raise _Enough
        trial = attempt(given, left)
        if trial.fault is None or trial.fault.kind != kind:
            return False
        best = trial
        return True

    with suppress(Exception, _Enough):
        _search(exercise, wrong)
    return best


def _search(exercise: Program, condition: Callable[[Given], bool]) -> None:
    """Let hypothesis draw inputs until the condition holds, and shrink the one on which it does."""
    import hypothesis
    from hypothesis import Phase, Verbosity, errors

    settings = hypothesis.settings(
        max_examples=INPUTS,
        database=None,
        deadline=None,
        phases=(Phase.generate, Phase.shrink),
        suppress_health_check=list(hypothesis.HealthCheck),
        verbosity=Verbosity.quiet,
    )
    with _undisturbed():
        try:
            hypothesis.find(_drawn(exercise), condition, settings=settings, random=random.Random(0))
        except errors.NoSuchExample:
            return


def _drawn(exercise: Program) -> Any:
    from hypothesis import strategies

    @strategies.composite
    def drawn(draw: Any) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for name, how in exercise.given.items():
            if not isinstance(how, strategies.SearchStrategy):
                how = how(**{known: found[known] for known in inspect.signature(how).parameters})
            found[name] = draw(how)
        return {name: found[name] for name in exercise.parameters}

    return drawn()


@contextmanager
def _undisturbed() -> Iterator[None]:
    """Keep hypothesis from reading constants out of the reader's modules, and from leaving a folder where they work.

    It would otherwise draw other inputs on every machine, spend half a second on reading, and write `.hypothesis`.
    """
    from hypothesis import configuration
    from hypothesis.internal.conjecture import providers

    with tempfile.TemporaryDirectory(prefix="ddpm-edu-") as folder, ExitStack() as stack:
        stack.callback(
            configuration.set_hypothesis_home_dir, getattr(configuration, "__hypothesis_home_directory", None)
        )
        configuration.set_hypothesis_home_dir(folder)
        if hasattr(providers, "_get_local_constants"):
            stack.enter_context(mock.patch.object(providers, "_get_local_constants", providers.Constants))
        yield


def _right(exercise: Program, tried: int) -> Verdict:
    where = f"{tried} random input{'s' * (tried != 1)}"
    if tried < FEWEST < len(inputs(exercise.name)):
        where += ", as many as there was time for; it is slow"
    first = f"Right: it agrees with the book's own function on {where}."
    return Verdict(True, (first, exercise.why) if exercise.why else (first,))


def _verdict(exercise: Program, way: _Way, smallest: Trial, trials: list[Trial], slip: str | None) -> Verdict:
    assert smallest.fault is not None
    sentences = list(smallest.fault.sentences)
    if smallest.fault.kind not in ALWAYS or any(trial.fault is None for trial in trials):
        sentences.append(f"This is for `{_inputs_typed(smallest.given)}`, the smallest such input that was found.")
    if slip is not None:
        sentences.append(slip)
    else:
        sentences += _only(smallest, trials)
        if not way.same_names:
            sentences.append(f"The arguments were handed over in the order `{', '.join(exercise.parameters)}`.")
    printed = " ".join(smallest.outcome.printed.split())
    if printed and smallest.fault.kind != "none":
        sentences.append(f"It printed {shown(printed)}.")
    return not_yet(*sentences)


def _only(smallest: Trial, trials: list[Trial]) -> list[str]:
    """Where the function is wrong, if it is right elsewhere."""
    wrong = [smallest.given, *(trial.given for trial in trials if trial.fault)]
    right = [trial.given for trial in trials if not trial.fault]
    if not right:
        return []
    share = f"It is right on {len(right)} of {len(trials)} inputs"
    if smallest.outcome.endless:
        return [f"{share}."]
    for words, has in _places(wrong):
        within = sum(map(has, right))
        # A place explains the faults if all of them lie there, much of what lies there is wrong, and enough lies elsewhere.
        if all(map(has, wrong)) and len(right) - within >= FEWEST and within <= 2 * len(wrong):
            return [f"{share}, and wrong only where {words}."]
    return [f"{share}."]


def _places(wrong: list[Given]) -> Iterator[tuple[str, Test]]:
    """What wrong inputs may have in common: in words, and as a test of an input."""
    for name in wrong[0]:
        values = [given[name] for given in wrong]
        numbers = all(isinstance(value, (int, float)) for value in values)
        if numbers:
            yield f"`{name} = {_typed(values[0])}`", _with(name, partial(_equal, values[0]))
        if numbers and isinstance(values[0], int):
            for other in wrong[0]:
                if all(np.ndim(given[other]) == 1 for given in wrong):
                    yield f"`{name}` is the last index of `{other}`", partial(_last, name, other)
        yield f"`{name}` holds more than one value", _with(name, lambda value: np.size(value) > 1)
        yield f"`{name}` is an array", _with(name, lambda value: np.ndim(value) > 0)
        yield f"`{name}` is a single number", _with(name, lambda value: np.ndim(value) == 0)
        if numbers:
            yield f"`{name}` is negative", _with(name, lambda value: np.ndim(value) == 0 and value < 0)
            yield f"`{name}` is at least {_typed(min(values))}", _with(name, partial(_at_least, min(values)))
            yield f"`{name}` is at most {_typed(max(values))}", _with(name, partial(_at_most, max(values)))


def _with(name: str, test: Callable[[Any], bool]) -> Test:
    return lambda given: test(given[name])


def _equal(value: Any, other: Any) -> bool:
    return np.ndim(other) == 0 and bool(value == other)


def _at_least(least: Any, value: Any) -> bool:
    return np.ndim(value) > 0 or bool(value >= least)


def _at_most(most: Any, value: Any) -> bool:
    return np.ndim(value) > 0 or bool(value <= most)


def _last(name: str, other: str, given: Given) -> bool:
    return bool(given[name] == np.size(given[other]) - 1)


def _endless(seconds: float) -> str:
    return f"Your function did not come to an end within {seconds:.2g} second{'s' * (seconds != 1)} and was stopped: does a loop never end?"


def _raised(error: BaseException, function: Any) -> str:
    place = where(error, function)
    if isinstance(error, SystemExit):
        return f"Your function ends the program{place}: leave out `exit()`."
    if isinstance(error, RecursionError):
        return f"Your function calls itself without end{place} (`RecursionError`)."
    try:
        message = " ".join(str(error)[:300].split())
    except Exception:
        message = ""
    return f"Your function raises `{type(error).__name__}{': ' + message if message else ''}`{place}."


def _random(result: Any, again: Any) -> str:
    one, other = ((part[0] if isinstance(part, tuple) else part) for part in (result, again))
    return (
        f"Called twice with the same arguments, your function returned {_text(one)} and {_text(other)}: it must use "
        "nothing but its arguments, no random numbers of its own and nothing that it keeps between calls."
    )


def _changed(name: str, before: Any, after: Any) -> str:
    return (
        f"The result is right, but your function changes its argument `{name}`, from `{_typed(before)}` to `{_typed(after)}`; "
        "whoever calls it may still need it. Make a new array in place of `+=` and the like."
    )


def _differs(right: np.ndarray, came: np.ndarray, off: np.ndarray) -> str:
    if right.ndim and right.size > 6:
        place = tuple(int(k) for k in np.argwhere(off)[0])
        at = place[0] if len(place) == 1 else place
        right, came = right[place], came[place]
        return f"At index {at}, {_pair(right, came)}."
    return f"{_pair(right, came)}."


def _pair(right: np.ndarray, came: np.ndarray) -> str:
    for digits in (4, 6, 9, 12):
        texts = _text(right, digits=digits), _text(came, digits=digits)
        if texts[0] != texts[1]:
            break
    return f"{texts[0]} is expected, but your function returned {texts[1]}"


def _form(array: np.ndarray) -> str:
    return f"an array of shape `{array.shape}`" if array.ndim else "one number"


def _count(values: int, one: str = "", more: str = "") -> str:
    return f"1 value{one}" if values == 1 else f"{values} values{more}"


def _text(array: np.ndarray, where: Any = None, digits: int = 6) -> str:
    """Some numbers, between backticks, at most six of them; those of the mask `where`, if it is given."""
    flat = np.asarray(array)
    if where is not None and flat.ndim:
        flat = flat[where][:1].reshape(())
    return f"`{_nested(flat, digits)}`"


def _nested(array: np.ndarray, digits: int) -> str:
    if array.ndim == 0:
        return _number(array.item(), digits)
    parts = [_nested(part, digits) for part in array[:6]]
    return f"[{', '.join(parts)}{', …' * (len(array) > 6)}]"


def _number(value: Any, digits: int) -> str:
    if isinstance(value, complex):
        return f"{value:.{digits}g}"
    return str(value) if isinstance(value, (bool, int)) else f"{value:.{digits}g}"


def _inputs_typed(given: Given) -> str:
    return ", ".join(f"{name} = {_typed(value)}" for name, value in given.items())


def _typed(value: Any) -> str:
    """An argument as one would type it, long arrays cut short."""
    if hasattr(value, "detach"):
        return f"torch.tensor({_nested(value.detach().cpu().numpy(), 6)})"
    if isinstance(value, np.ndarray) and value.ndim:
        more = f" of shape {value.shape}" if value.size > 6 else ""
        return f"np.array({_nested(value, 6)}){more}"
    if isinstance(value, float) and not isinstance(value, np.floating):
        return repr(value) if math.isfinite(value) else str(value)
    return shown(value.item() if isinstance(value, np.generic) else value)[1:-1]
