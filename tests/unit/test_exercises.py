"""The engine of exercises: what `check` and `answer` say to every kind of answer, on made-up exercises."""

import asyncio
import math
import os
import signal
import subprocess
import sys
import threading
import time
import warnings
from fractions import Fraction

import numpy as np
import pytest
import torch
from hypothesis import find

from ddpm_edu import exercises
from ddpm_edu.exercises import answers, calls, checker, given, register
from ddpm_edu.exercises.register import Slip


def jump(x_0, t, alpha_bar, eps):
    return alpha_bar[t] ** 0.5 * x_0 + (1 - alpha_bar[t]) ** 0.5 * eps


@pytest.fixture(autouse=True)
def made_up():
    """Four exercises that no chapter has."""
    register.program("made-up-square", lambda x: x * x, {"x": given.numbers(-5, 5)}, why="Squares are nice.")
    register.program(
        "made-up-jump",
        jump,
        {
            "alpha_bar": given.alpha_bars(),
            "t": lambda alpha_bar: given.steps(len(alpha_bar) - 1),
            "x_0": given.number_or_array(-3, 3),
            "eps": lambda x_0: given.like(x_0, -3, 3),
        },
        [
            Slip(
                "A root is missing.",
                lambda x_0, t, alpha_bar, eps: alpha_bar[t] ** 0.5 * x_0 + (1 - alpha_bar[t]) * eps,
            ),
            Slip("You count from 0.", lambda x_0, t, alpha_bar, eps: jump(x_0, t - 1, alpha_bar, eps)),
        ],
    )
    register.program("made-up-pair", lambda x: (x.mean(), x - x.mean()), {"x": given.arrays(-5, 5)})
    register.program("made-up-draw", lambda rng: rng.standard_normal(), {"rng": given.generators()})
    register.predict(
        "made-up-share",
        lambda: 0.3,
        [Slip("You forgot a root.", lambda: 0.09), Slip("You doubled it.", 0.6)],
        why="It is.",
    )
    register.predict("made-up-percent", lambda: 30.0, [Slip("Both.", 60)], absolute=0.5, why="It is.")
    yield
    for name in [name for name in register._known if name.startswith("made-up")]:
        del register._known[name]
    checker.inputs.cache_clear()
    answers.page_data.cache_clear()


def said(name, function):
    """What a wrong function is told; the verdict is false, comes in time, and no part of the checker shows in it."""
    checker.inputs(name)
    began = time.process_time()
    verdict = exercises.check(name, function)
    assert time.process_time() - began < 2
    assert not verdict
    text = str(verdict)
    assert text.startswith("Not yet. ")
    assert "Traceback" not in text
    assert "checker" not in text
    return text


def test_a_right_function_is_told_so_and_what_it_was_for():
    verdict = exercises.check("made-up-square", lambda x: x**2)
    assert verdict
    assert str(verdict) == "Right: it agrees with the book's own function on 100 random inputs.\nSquares are nice."
    assert repr(verdict) == str(verdict)


@pytest.mark.parametrize(
    "function",
    [
        lambda x, t, a, e: jump(x, t, a, e),
        lambda eps, alpha_bar, t, x_0: jump(x_0, t, alpha_bar, eps),
        lambda *all_of_them: jump(*all_of_them),
        lambda **by_name: jump(**by_name),
        lambda x_0, t, alpha_bar, eps, more=3: jump(x_0, t, alpha_bar, eps),
        lambda x_0, t, alpha_bar, eps: torch.as_tensor(jump(x_0, t, alpha_bar, eps)),
        lambda x_0, t, alpha_bar, eps: torch.as_tensor(jump(x_0, t, alpha_bar, eps)).float().requires_grad_(),
        lambda x_0, t, alpha_bar, eps: np.float32(jump(x_0, t, alpha_bar, eps)),
        lambda x_0, t, alpha_bar, eps: np.asarray(jump(x_0, t, alpha_bar, eps)).tolist(),
    ],
)
def test_other_ways_to_write_the_same_are_right(function):
    verdict = exercises.check("made-up-jump", function)
    assert verdict, str(verdict)


def test_fractions_pairs_and_given_generators_are_understood():
    assert exercises.check("made-up-square", lambda x: Fraction(x) ** 2)
    assert exercises.check("made-up-pair", lambda x: (np.mean(x), x - np.mean(x)))
    assert exercises.check("made-up-draw", lambda rng: rng.normal())
    text = said("made-up-draw", lambda rng: rng.uniform())
    assert "rng = np.random.default_rng(0)" in text


@pytest.mark.parametrize(
    ("function", "smallest"),
    [
        (lambda x: x * x if x <= 3 else x, "x = 4.0"),
        (lambda x: x * x if x > -2 else x, "x = -2.0"),
        (lambda x: x, "x = -1.0"),
        (lambda x: x * x if x != 2 else 0, "x = 2.0"),
        (lambda x: x * x if x == round(x) else 0, "x = 0.1"),
    ],
)
def test_the_counterexample_is_the_smallest(function, smallest):
    assert f"`{smallest}`, the smallest" in said("made-up-square", function)


def test_expected_and_returned_are_both_named():
    assert "`16` is expected, but your function returned `4`." in said(
        "made-up-square", lambda x: x * x if x <= 3 else x
    )


def test_numbers_that_look_alike_get_more_digits():
    assert "`1` is expected, but your function returned `1.0000001`" in said(
        "made-up-square", lambda x: x * x + 1e-7 * abs(x)
    )


def test_of_a_long_array_the_first_wrong_place_is_named():
    register.program("made-up-long", lambda n: np.arange(20.0) * n, {"n": given.whole(1, 9)})
    text = said("made-up-long", lambda n: np.arange(20.0) * n + (np.arange(20) == 17))
    assert "At index 17, `17` is expected, but your function returned `18`." in text


def test_each_slip_is_named():
    assert "A root is missing." in said("made-up-jump", lambda x, t, a, e: a[t] ** 0.5 * x + (1 - a[t]) * e)
    assert "You count from 0." in said("made-up-jump", lambda x, t, a, e: jump(x, t - 1, a, e))


def test_half_a_slip_is_not_named():
    def half(x_0, t, alpha_bar, eps):
        return jump(x_0, t - (t > 2), alpha_bar, eps)

    text = said("made-up-jump", half)
    assert "You count from 0." not in text
    assert "A root is missing." not in text


@pytest.mark.parametrize(
    ("function", "where"),
    [
        (lambda x_0, t, alpha_bar, eps: jump(x_0, t, alpha_bar, eps) + (t == 1), "`t = 1`"),
        (
            lambda x_0, t, alpha_bar, eps: jump(x_0, t, alpha_bar, eps) + (t == len(alpha_bar) - 1),
            "`t` is the last index of `alpha_bar`",
        ),
        (lambda x_0, t, alpha_bar, eps: jump(x_0, t, alpha_bar, eps) + (np.ndim(x_0) > 0), "`x_0` is an array"),
        (lambda x_0, t, alpha_bar, eps: jump(x_0, t, alpha_bar, eps) + (np.ndim(x_0) == 0), "`x_0` is a single number"),
        (
            lambda x_0, t, alpha_bar, eps: jump(x_0, t, alpha_bar, eps) + (np.size(x_0) > 1),
            "`x_0` holds more than one value",
        ),
    ],
)
def test_where_it_is_wrong_is_told(function, where):
    assert f"and wrong only where {where}." in said("made-up-jump", function)


def test_where_a_number_is_wrong_is_told():
    assert "wrong only where `x` is negative." in said("made-up-square", lambda x: x * abs(x))
    assert "It is right on" not in said("made-up-square", lambda x: x * x + 1)


def test_an_exception_comes_with_its_line_and_its_input():
    def divides(x):
        y = x - 2
        return x * x * y / y

    text = said("made-up-square", divides)
    assert "raises `ZeroDivisionError: float division by zero` in line 3, `return x * x * y / y`." in text
    assert "`x = 2.0`" in text


def helper(x):
    raise KeyError("no such thing")


def test_the_line_may_stand_in_another_function_of_the_reader():
    text = said("made-up-square", lambda x: helper(x))
    assert "`KeyError: 'no such thing'` in line 2 of `helper`" in text


def endless(x):
    while True:
        pass


def stubborn(x):
    while True:
        try:
            time.sleep(1)
        except BaseException:  # a bare except in a loop catches the alarm too
            continue


@pytest.mark.parametrize("function", [endless, stubborn, lambda x: time.sleep(60)])
def test_an_endless_loop_is_stopped(function):
    checker.inputs("made-up-square")
    began = time.monotonic()
    assert "did not come to an end within 1 second and was stopped" in said("made-up-square", function)
    assert time.monotonic() - began < 10


def test_a_loop_that_is_endless_for_some_inputs_names_one():
    def some(x):
        while x > 3:
            pass
        return x * x

    text = said("made-up-square", some)
    assert "was stopped" in text
    assert float(text.partition("`x = ")[2].partition("`")[0]) > 3


def test_an_alarm_set_earlier_rings_later():
    rung = []
    before = signal.signal(signal.SIGALRM, lambda *_: rung.append(1))
    signal.setitimer(signal.ITIMER_REAL, 30)
    try:
        exercises.check("made-up-square", lambda x: x)
        left, _ = signal.setitimer(signal.ITIMER_REAL, 0.05)
        assert 15 < left < 30
        time.sleep(0.2)
        assert rung
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def test_without_signals_a_thread_does_the_same():
    texts, before = [], threading.active_count()

    def work():
        texts.append(str(exercises.check("made-up-square", lambda x: x**2)))
        texts.append(str(exercises.check("made-up-square", endless)))
        texts.append(str(exercises.check("made-up-square", lambda x: 1 / 0)))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join(30)
    assert len(texts) == 3
    assert texts[0].startswith("Right")
    assert "was stopped" in texts[1]
    assert "`ZeroDivisionError: division by zero` in line 1" in texts[2]
    time.sleep(0.1)
    assert threading.active_count() == before, "the endless function still runs"


def raises(error):
    def function(x):
        raise error

    return function


class Sphinx(Exception):
    def __str__(self):
        raise ValueError("I do not say")


def recursive(x):
    return recursive(x)


def twice(x):
    yield x * x


async def coming(x):
    return x * x


class Odd:
    def __float__(self):
        raise RuntimeError("no")

    def __repr__(self):
        raise RuntimeError("no")


@pytest.mark.parametrize(
    ("function", "sentence"),
    [
        (lambda x: None, "returns nothing: did you forget `return`?"),
        (lambda x: print(x * x), "prints its result instead of returning it"),
        (lambda x: f"{x * x}", "returns the text `'0.0'`"),
        (lambda x: np.array([x * x]), "returns an array of shape `(1,)`, where one number is expected"),
        (lambda x: [x * x, 1], "returns an array of shape `(2,)`, where one number is expected"),
        (lambda x: [[1], [1, 2]], "a list whose rows differ in length"),
        (lambda x: {"x": x}, "returns a `dict`"),
        (lambda x: {x}, "returns a `set`"),
        (lambda x: Odd(), "returns a `Odd`"),
        (lambda x: x > 0, "a truth value"),
        (lambda x: len, "returns a function: are parentheses missing"),
        (lambda x: map(abs, [x]), "returns a `map`, which holds no numbers yet"),
        (twice, "returns a `generator`"),
        (coming, "is `async`"),
        (lambda x: x**0.5 * x**1.5, "complex numbers"),
        (lambda x: np.sqrt(np.float64(x)) ** 4, "`nan` (not a number) where `1` is expected"),
        (lambda x: np.float64(x * x) / (x != 1), "an infinite number where `1` is expected"),
        (lambda x: 10**400, "a number with more digits than a float can hold"),
        (lambda x: [0.0] * 10**6, "returns 1000000 values, where 1 value is expected"),
        (lambda x: np.zeros(10**6), "returns an array of shape `(1000000,)`, where 1 value is expected"),
        (lambda x: "a" * 10**6, "returns the text `'aaa"),
        (recursive, "calls itself without end in line 2"),
        (lambda x: sys.exit(3), "ends the program in line 1"),
        (lambda x: exit(), "ends the program"),
        (raises(Sphinx()), "raises `Sphinx` in line 2"),
        (raises(MemoryError()), "raises `MemoryError`"),
        (raises(asyncio.CancelledError()), "raises `CancelledError`"),
        (raises(GeneratorExit()), "raises `GeneratorExit`"),
        (raises(calls.TooLong()), "was stopped"),
        (lambda x: float("x"), "raises `ValueError: could not convert string to float: 'x'` in line 1"),
        (dict, "raises `TypeError"),
        (abs, "`4` is expected, but your function returned `2`."),
    ],
)
def test_every_fault_has_its_sentence(function, sentence):
    assert sentence in said("made-up-square", function)


def test_a_pair_is_taken_apart():
    assert "returns 1 value, where 2 values are expected" in said("made-up-pair", lambda x: x.sum())
    assert "Value 2 of the 2 that it returns:" in said("made-up-pair", lambda x: (x.mean(), x))


def test_arguments_that_are_changed_are_noticed():
    def changes(x_0, t, alpha_bar, eps):
        result = jump(x_0, t, alpha_bar, eps)
        alpha_bar *= 2
        return result

    text = said("made-up-jump", changes)
    assert "changes its argument `alpha_bar`, from `np.array([1, 0.9])` to `np.array([2, 1.8])`" in text


def test_random_numbers_and_memory_are_noticed():
    calls_made = []

    def remembers(x):
        calls_made.append(x)
        return x * x + len(calls_made)

    rng = np.random.default_rng(0)
    assert "Called twice with the same arguments" in said("made-up-square", lambda x: x * x + rng.random())
    assert "Called twice with the same arguments" in said("made-up-square", remembers)


def test_what_a_wrong_function_prints_is_told_and_kept_short(capsys):
    def talks(x):
        print("x is", x, "and so on" * 10000)
        print("error", file=sys.stderr)
        return x

    text = said("made-up-square", talks)
    assert "It printed `'x is -1.0 and so on" in text
    assert len(text) < 500
    assert capsys.readouterr() == ("", "")


def test_warnings_are_neither_shown_nor_raised():
    def warns(x):
        warnings.warn("careful", stacklevel=1)
        np.float64(1) / np.float64(0)
        return x * x

    assert exercises.check("made-up-square", warns)
    before = list(warnings.filters)
    exercises.check("made-up-square", lambda x: warnings.simplefilter("error") or x * x)
    assert warnings.filters == before


def test_a_call_keeps_the_beginning_of_what_is_printed_and_no_warning():
    def talks():
        for _ in range(1000):
            print("and so on")
        warnings.warn("careful", stacklevel=1)
        return 3

    with calls.Guard() as guard:
        outcome = guard.run(talks, 1)
    assert outcome.value == 3
    assert outcome.printed.startswith("and so on\nand so on\n")
    assert len(outcome.printed) == calls.KEPT


@pytest.mark.parametrize("value", [4.0, None, "my_function", np.zeros(3)])
def test_what_is_no_function_is_refused(value):
    assert "without parentheses behind it: `exercises.check('made-up-square', my_function)`" in said(
        "made-up-square", value
    )


@pytest.mark.parametrize(
    ("function", "own"), [(lambda: 1, "none"), (lambda x, y: 1, "x, y"), (lambda x, *, z: 1, "x, *, z")]
)
def test_wrong_parameters_are_named(function, own):
    text = said("made-up-square", function)
    assert "must take 1 argument, `x`, but its parameters are" in text
    assert own.split(", ")[-1] in text


def test_the_order_of_the_arguments_is_told_where_the_names_are_others():
    text = said("made-up-jump", lambda x, alpha, t, e: jump(x, t, alpha, e))
    assert "The arguments were handed over in the order `x_0, t, alpha_bar, eps`." in text


def test_a_name_that_is_unknown_gets_the_nearest():
    assert "There is no exercise called 'made-up-squar' (did you mean 'made-up-square'?)" in said_of_names(
        "made-up-squar", abs
    )
    assert "The name comes first, then the function." in said_of_names(abs, "made-up-square")
    assert "in quotation marks, but it was `3`" in said_of_names(3, abs)
    assert "hand it to `exercises.answer('made-up-share', your_number)`" in said_of_names("made-up-share", abs)


def said_of_names(name, function):
    verdict = exercises.check(name, function)
    assert not verdict
    return str(verdict)


@pytest.fixture
def interruptible():
    """What a shell starts in the background ignores Ctrl-C; here it must not."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def test_ctrl_c_still_works(interruptible):
    with pytest.raises(KeyboardInterrupt):
        exercises.check("made-up-square", raises(KeyboardInterrupt()))
    timer = threading.Timer(0.3, lambda: os.kill(os.getpid(), signal.SIGINT))
    timer.start()
    with pytest.raises(KeyboardInterrupt):
        exercises.check("made-up-square", endless)
    timer.join()
    assert exercises.check("made-up-square", lambda x: x * x)


def test_a_slow_function_is_judged_on_fewer_inputs():
    def slow(x):
        time.sleep(0.3)
        return x * x

    verdict = exercises.check("made-up-square", slow)
    assert verdict
    assert "as many as there was time for; it is slow" in str(verdict)
    assert "is expected" in said("made-up-square", lambda x: slow(x) * x)


def test_a_huge_result_is_not_kept():
    def huge(x):
        return np.zeros(10**7)

    trial = checker._try(
        register.find("made-up-square"), huge, checker._Way(True, True), calls.Guard().__enter__(), {"x": 1.0}, 1.0
    )
    assert not isinstance(trial.outcome.value, np.ndarray)


def test_every_machine_draws_the_same_inputs():
    first = checker.inputs("made-up-square")
    checker.inputs.cache_clear()
    assert [each["x"] for each in first] == [each["x"] for each in checker.inputs("made-up-square")]


def test_a_check_leaves_no_folder_behind_and_needs_no_torch(tmp_path):
    code = (
        "import sys\n"
        "from ddpm_edu import exercises\n"
        "assert not {'torch', 'hypothesis', 'scipy'} & set(sys.modules), 'the import is not cheap'\n"
        "assert exercises.check('q-sample', lambda x_0, t, alpha_bar, eps: "
        "alpha_bar[t] ** 0.5 * x_0 + (1 - alpha_bar[t]) ** 0.5 * eps)\n"
        "assert 'torch' not in sys.modules\n"
        "assert not exercises.check('q-sample', lambda x_0, t, alpha_bar, eps: x_0)\n"
    )
    subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        cwd=tmp_path,
        check=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    assert list(tmp_path.iterdir()) == []


def test_a_verdict_in_a_notebook_is_safe_html():
    html = exercises.check("made-up-square", lambda x: "<b>`")._repr_html_()
    assert "<b>" not in html
    assert "<code>&#x27;&lt;b&gt;" in html
    assert 'class="verdict verdict-wrong"' in html


# ---- numbers that are typed ----

READ = {
    "0.3": 0.3,
    " 0,3 ": 0.3,
    ",3": 0.3,
    ".3": 0.3,
    "3.": 3,
    "+3": 3,
    "-3": -3,
    "−3": -3,
    "–3": -3,
    "30 %": 0.3,
    "30%": 0.3,
    "30 per cent": 0.3,
    "30 percent": 0.3,
    "3/10": 0.3,
    "3 / 10": 0.3,
    "-3/10": -0.3,
    "1.5/0,5": 3,
    "≈ 0.3": 0.3,
    "~0.3": 0.3,
    "= 0.3": 0.3,
    "about 0.3": 0.3,
    "3e-1": 0.3,
    "3E-1": 0.3,
    "0,3e0": 0.3,
    "3*10^-1": 0.3,
    "3·10⁻¹": 0.3,
    "3 × 10^(-1)": 0.3,
    "3x10**-1": 0.3,
    "10^-4": 1e-4,
    "-10^2": -100,
    "1 000": 1000,
    "12 345.6": 12345.6,
    "1\u202f000": 1000,
    "1'000": 1000,
    "1,000,000": 1e6,
    "1,234.5": 1234.5,
    "0,125": 0.125,
    "12,5": 12.5,
}

REFUSED = {
    "": "nothing to judge yet",
    "   ": "nothing to judge yet",
    "one half": "no number that I can read",
    "x": "no number that I can read",
    "693 steps": "no number that I can read",
    "0.5,3": "no number that I can read",
    "1.2.3": "no number that I can read",
    "1 2": "no number that I can read",
    "1/2/3": "no number that I can read",
    "/": "no number that I can read",
    "%": "no number that I can read",
    "30 %%": "no number that I can read",
    "1,000": "can be read in two ways: type `1000` or `1.000`",
    "1/0": "divides by 0",
    "nan": "not a finite number",
    "-inf": "not a finite number",
    "1e999": "not a finite number",
    "__import__('os')": "no number that I can read",
    "３": "no number that I can read",
}


@pytest.mark.parametrize(("text", "number"), READ.items())
def test_a_number_is_read_as_people_type_it(text, number):
    assert answers.read(text)[0] == pytest.approx(number, rel=1e-12)


@pytest.mark.parametrize(("text", "why"), REFUSED.items())
def test_what_is_no_number_is_explained(text, why):
    verdict = exercises.answer("made-up-share", text)
    assert not verdict
    assert why in str(verdict)


@pytest.mark.parametrize(
    "value",
    [
        0.3,
        np.float64(0.3),
        np.float32(0.3),
        np.array(0.3),
        np.array([[0.3]]),
        [0.3],
        torch.tensor(0.3),
        Fraction(3, 10),
    ],
)
def test_a_number_of_any_kind_is_read(value):
    assert exercises.answer("made-up-share", value)


@pytest.mark.parametrize(
    ("value", "why"),
    [
        (None, "does your function `return` what it computes?"),
        (True, "a truth value, not a number"),
        (np.True_, "a truth value, not a number"),
        (len, "That is a function."),
        (float("nan"), "not a finite number"),
        (np.inf, "not a finite number"),
        (10**400, "is no number"),
        (3j, "is a complex number"),
        (np.complex128(3j), "is a complex number"),
        ([0.3, 0.3], "one number, but you gave 2 of them"),
        ([], "one number, but you gave 0 of them"),
        (np.zeros((3, 2)), "one number, but you gave 6 of them"),
        (torch.zeros(5), "one number, but you gave 5 of them"),
        ({"x": 1}, "is no number"),
        (object(), "is no number"),
        (Odd(), "something of the type `Odd` is no number"),
    ],
)
def test_other_values_are_explained(value, why):
    verdict = exercises.answer("made-up-share", value)
    assert not verdict
    assert why in str(verdict)


@pytest.mark.parametrize(
    ("value", "says"),
    [
        (0.305, "Right. More exactly: 0.3."),
        (0.0901, "You forgot a root."),
        ("60 %", "You doubled it."),
        (0.31, "Close: you are off by 3.3 %, and 2 % is asked."),
        (0.29, "Close: you are off by 3.3 %, and 2 % is asked."),
        (-0.3, "The size is right, the sign is not."),
        (30, "Off by a factor of 100: is that in per cent"),
        (0.003, "Off by a factor of 100: is that the share"),
        (0.7, "That is one minus the number"),
        (1 / 0.3, "That is the reciprocal"),
        (0.3**0.5, "That is the square root"),
        (0.3 / math.log(10), "Off by the factor ln 10: did you take the decimal"),
        (0.3 / math.log(2), "Off by the factor ln 2: are these bits"),
        (0.3 * math.log(2), "Off by the factor ln 2: are these nats"),
        (0.4, "Too large."),
        (0.2, "Too small."),
        (400, "Too large, by more than a factor of ten."),
        (0.0002, "Too small, by more than a factor of ten."),
        (-200, "Too small."),
        (0, "Too small."),
    ],
)
def test_a_wrong_number_gets_the_first_hint_that_fits(value, says):
    verdict = exercises.answer("made-up-share", value)
    assert bool(verdict) == says.startswith("Right")
    assert says in str(verdict)


def test_a_per_cent_sign_is_right_where_per_cent_are_asked():
    assert exercises.answer("made-up-percent", "30 %")
    assert exercises.answer("made-up-percent", 30)
    assert "Both." in str(exercises.answer("made-up-percent", "60 %"))
    assert "is that the share" in str(exercises.answer("made-up-percent", 0.3))
    assert "no more than 0.5 is asked" in str(exercises.answer("made-up-percent", 31))


def test_a_confusion_that_is_a_named_slip_gives_way_to_it():
    register.predict("made-up-root", lambda: 0.3, [Slip("My own root.", lambda: 0.3**0.5)], why="It is.")
    assert "My own root." in str(exercises.answer("made-up-root", 0.3**0.5))
    assert all(abs(each["value"] - 0.3**0.5) > 0.01 for each in answers.page_data("made-up-root")["confusions"])


def test_a_confusion_beside_the_answer_is_left_out():
    register.predict("made-up-one", lambda: 1.0, [Slip("No.", 3)], why="It is.")
    confusions = answers.page_data("made-up-one")["confusions"]
    assert {round(each["value"], 3) for each in confusions} == {-1, 100, 0.01, 0, 2.303, 0.434, 1.443, 0.693}


def test_large_numbers_are_written_out():
    register.predict("made-up-large", lambda: 41856, [Slip("No.", 3)], absolute=0.5, why="It is.")
    assert "More exactly: 41856." in str(exercises.answer("made-up-large", "41 856"))
    assert "Close: you are off by 1, and no more than 0.5 is asked." in str(exercises.answer("made-up-large", 41857))


def test_bad_names_are_explained_to_predictions_too():
    assert "did you mean 'made-up-share'?" in str(exercises.answer("made-up-shar", 1))
    assert "in quotation marks" in str(exercises.answer(0.3, "made-up-share"))
    assert "asks for a function of (x)" in str(exercises.answer("made-up-square", 1))


def test_the_page_gets_all_that_it_needs():
    data = answers.page_data("made-up-share")
    assert data["answer"] == 0.3
    assert data["tolerance"] == pytest.approx(0.006)
    assert data["near"] == pytest.approx(0.024)
    assert data["slips"][0] == {"value": 0.09, "tolerance": pytest.approx(0.0018), "says": "You forgot a root."}
    assert data["why"] == "It is."
    with pytest.raises(ValueError, match="asks for a function"):
        answers.page_data("made-up-square")


# ---- the register ----


def test_a_name_can_be_taken_once():
    with pytest.raises(ValueError, match="must be unique"):
        register.predict("made-up-square", lambda: 1.0, why="It is.")


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        ({"name": "Made Up"}, "kebab case"),
        ({"name": "made-up-x", "why": "$x$"}, "plain text"),
        ({"name": "made-up-x", "relative": 0.1, "absolute": 0.1}, "must not both"),
        ({"name": "made-up-x", "relative": 0.0}, "must be above 0"),
    ],
)
def test_a_bad_prediction_is_refused(arguments, why):
    with pytest.raises(ValueError, match=why):
        register.predict(**{"answer": lambda: 1.0, "why": "It is.", **arguments})


@pytest.mark.parametrize(("value", "sound"), [(0.303, False), (0.31, False), (0.32, True)])
def test_a_slip_must_differ_from_the_answer(value, sound):
    register.predict("made-up-near", lambda: 0.3, [Slip("No.", value)], why="It is.")
    if sound:
        assert answers.page_data("made-up-near")
    else:
        with pytest.raises(ValueError, match="must differ by more than the tolerance"):
            answers.page_data("made-up-near")


def test_a_program_must_fit_its_parameters():
    with pytest.raises(ValueError, match="must have made-up-x's parameters"):
        register.program("made-up-x", lambda x: x, {"y": given.numbers(0, 1)})
    with pytest.raises(ValueError, match="must have the parameters"):
        register.program("made-up-x", lambda x: x, {"x": given.numbers(0, 1)}, [Slip("No.", lambda x, y: x)])
    with pytest.raises(TypeError, match="must have a function"):
        register.program("made-up-x", lambda x: x, {"x": given.numbers(0, 1)}, [Slip("No.", 3)])


def test_a_chapter_is_found_under_its_page_or_its_module():
    assert exercises.names("closed-form") == exercises.names("closed_form")
    assert "q-sample" in exercises.names("closed-form")
    assert set(exercises.names("closed-form")) < set(exercises.names())
    with pytest.raises(ValueError, match="did you mean 'closed_form'"):
        exercises.names("closed-forms")


# ---- how arguments are drawn ----


@pytest.mark.parametrize(
    ("strategy", "condition", "smallest"),
    [
        (given.numbers(-5, 5), lambda x: x > 3.2, 4),
        (given.numbers(0.2, 0.9), lambda x: True, 0.2),
        (given.numbers(1e-4, 0.02), lambda x: x > 0.0131, 0.02),
        (given.numbers(2, 3), lambda x: x > 2.5, 3),
        (given.steps(10), lambda t: True, 1),
        (given.steps(10), lambda t: t > 6, 7),
        (given.one_of("ba"), lambda letter: True, "b"),
    ],
)
def test_strategies_shrink_to_the_simplest(strategy, condition, smallest):
    assert find(strategy, condition) == smallest


def test_the_smallest_schedule_has_one_step():
    assert find(given.alpha_bars(), lambda alpha_bar: True).tolist() == [1, 0.9]
    assert find(given.betas(), lambda beta: len(beta) > 3).shape == (4,)
    assert find(given.tensors(-1, 1, (2, 3)), lambda x: True).shape == (2, 3)


def test_numbers_keep_to_their_range():
    assert all(-0.5 <= each["x"] <= 0.25 for each in drawn(given.numbers(-0.5, 0.25)))
    with pytest.raises(ValueError, match="high must be"):
        given.numbers(1, 0)


def drawn(strategy):
    register.program("made-up-range", lambda x: x, {"x": strategy})
    return checker.inputs("made-up-range")
