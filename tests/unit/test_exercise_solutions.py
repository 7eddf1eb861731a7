"""Every exercise of the book: what the chapters print and what the register knows agree, and every solution is right."""

import re
import time
from dataclasses import dataclass

import numpy as np
import pytest
import torch

from ddpm_edu import configuration, diffusion, exercises, schedules, training, unet
from ddpm_edu.equations import book
from ddpm_edu.exercises import answers, checker, register
from ddpm_edu.exercises.register import CHAPTERS, Prediction, Program

SECONDS = 2.0
"""Of work for one verdict: the clock on the wall would also measure whatever else the machine does."""
BLOCK = re.compile(
    r"^(?P<fence>`{3,})\{(?P<kind>predict|exercise|solution)\}[ \t]*(?P<argument>\S*)\n(?P<body>.*?)^(?P=fence)[ \t]*$",
    re.M | re.S,
)
PYTHON = re.compile(r"^```python\n(.*?)^```[ \t]*$", re.M | re.S)
LABEL = re.compile(r"^:label:[ \t]*(\S+)", re.M)

PREDICTIONS = [each for each in register.exercises() if isinstance(each, Prediction)]
PROGRAMS = [each for each in register.exercises() if isinstance(each, Program)]


@dataclass(frozen=True)
class Block:
    """A directive in a chapter; `label` is the exercise that it is, or that it solves."""

    chapter: str
    kind: str
    label: str
    body: str


def blocks(chapter):
    """The directives of one chapter's exercises, in order."""
    text = (book.folder() / f"{chapter}.md").read_text(encoding="utf-8")
    found = []
    for match in BLOCK.finditer(text):
        label = LABEL.search(match["body"])
        name = {"predict": f"ex-{match['argument']}", "solution": match["argument"]}.get(match["kind"])
        found.append(Block(chapter, match["kind"], name or (label[1] if label else ""), match["body"]))
    return found


PRINTED = [block for chapter in CHAPTERS for block in blocks(chapter.replace("_", "-"))]


def printed(kind, name):
    """The one directive of that kind for the exercise `name`."""
    found = [block for block in PRINTED if block.kind == kind and block.label == f"ex-{name}"]
    assert len(found) == 1, f"{{{kind}}} for {name} stands {len(found)} times"
    return found[0]


def by_name(exercise):
    return exercise.name


@pytest.mark.parametrize("exercise", PREDICTIONS, ids=by_name)
def test_a_prediction_stands_in_its_chapter(exercise):
    assert printed("predict", exercise.name).chapter == exercise.chapter


@pytest.mark.parametrize("exercise", PREDICTIONS, ids=by_name)
def test_the_right_number_is_right_and_each_slip_is_named(exercise):
    right = exercises.answer(exercise.name, exercise.answer)
    assert right
    assert exercise.why in right.sentences
    assert exercises.answer(exercise.name, repr(exercise.answer))
    assert exercise.slips, f"{exercise.name} has no slip"
    for value, says in exercise.wrong:
        verdict = exercises.answer(exercise.name, value)
        assert not verdict, f"{says!r} at {value} is taken for right"
        assert says in str(verdict), f"{says!r} at {value}: {verdict}"
    answers.page_data(exercise.name)


@pytest.mark.parametrize("exercise", PREDICTIONS, ids=by_name)
def test_the_digits_asked_for_are_within_the_tolerance(exercise):
    words = printed("predict", exercise.name).body
    digits = {"one digit": 1, "two digits": 2, "three digits": 3, "four digits": 4}
    asked = next((count for phrase, count in digits.items() if phrase in words.lower()), None)
    if asked is not None and exercise.answer:
        rounded = float(f"{exercise.answer:.{asked - 1}e}")
        assert exercises.answer(exercise.name, rounded), f"{rounded} for {exercise.answer}"


@pytest.mark.parametrize("exercise", PROGRAMS, ids=by_name)
def test_a_printed_solution_passes(exercise):
    asked = printed("exercise", exercise.name)
    assert asked.chapter == exercise.chapter
    call = re.search(rf'exercises\.check\("{exercise.name}",\s*(\w+)\)', asked.body)
    assert call, f"the text of {exercise.name} does not say how to check it"
    for name in exercise.parameters:
        assert name in asked.body, f"the text of {exercise.name} does not name the parameter {name}"
    namespace = {"np": np}
    for code in PYTHON.findall(printed("solution", exercise.name).body):
        exec(compile(code, f"solution of {exercise.name}", "exec"), namespace)
    exercises.check(exercise.name, namespace[call[1]])
    began = time.process_time()
    verdict = exercises.check(exercise.name, namespace[call[1]])
    assert verdict, str(verdict)
    assert time.process_time() - began < SECONDS


@pytest.mark.parametrize("exercise", PROGRAMS, ids=by_name)
def test_each_slip_of_a_program_is_named(exercise):
    assert exercise.slips, f"{exercise.name} has no slip"
    for slip in exercise.slips:
        began = time.process_time()
        verdict = exercises.check(exercise.name, slip.result)
        assert not verdict, f"{slip.says!r} is taken for right"
        assert slip.says in verdict.sentences, f"{slip.says!r} is not recognised: {verdict}"
        assert time.process_time() - began < SECONDS


@pytest.mark.parametrize("exercise", PROGRAMS, ids=by_name)
def test_the_truth_holds_on_every_input_that_is_drawn(exercise):
    drawn = checker.inputs(exercise.name)
    assert len(drawn) > checker.FEWEST
    verdict = exercises.check(exercise.name, exercise.truth)
    assert verdict, str(verdict)
    results = [checker.convert(exercise.truth(**given), 10**9) for given in drawn]
    assert all(
        np.isfinite(part).all() for result in results for part in (result if isinstance(result, tuple) else [result])
    )


@pytest.mark.parametrize("chapter", CHAPTERS)
def test_a_chapter_has_at_least_four_exercises_of_three_kinds(chapter):
    name = chapter.replace("_", "-")
    own = [block for block in PRINTED if block.chapter == name and block.kind != "solution"]
    assert len(own) >= 4
    programs = {f"ex-{each.name}" for each in PROGRAMS if each.chapter == name}
    kinds = {
        "predict" if block.kind == "predict" else "program" if block.label in programs else "prove" for block in own
    }
    assert kinds == {"predict", "prove", "program"}, f"{name} has only {kinds}"


def test_the_chapters_print_what_the_register_knows_and_no_more():
    asked = [block.label for block in PRINTED if block.kind == "predict"]
    assert sorted(asked) == sorted(f"ex-{each.name}" for each in PREDICTIONS)
    checked = re.compile(r'exercises\.(?:check|answer)\("([^"]+)"')
    named = {name for block in PRINTED for name in checked.findall(block.body)}
    assert named <= set(exercises.names()), f"unknown: {named - set(exercises.names())}"


def test_every_exercise_that_is_no_prediction_has_one_solution():
    asked = sorted(block.label for block in PRINTED if block.kind == "exercise")
    assert asked == sorted(set(asked))
    assert asked == sorted(block.label for block in PRINTED if block.kind == "solution" and block.label in asked)


def truth(name):
    """The function that the register takes for right."""
    return register.find(name).truth


def test_the_time_embedding_is_the_networks():
    for t in (1, 10, 999):
        theirs = unet.time_embedding(torch.tensor([t]), 24)[0].numpy()
        np.testing.assert_allclose(truth("time-embedding")(t, 24), theirs, atol=1e-4)


@pytest.mark.parametrize("groups", [1, 2, 4])
def test_the_group_normalisation_is_torchs(groups):
    x = np.random.default_rng(0).normal(size=(4, 3, 2))
    theirs = torch.nn.functional.group_norm(torch.from_numpy(x)[None], groups)[0].numpy()
    np.testing.assert_allclose(truth("group-norm")(x, groups), theirs, rtol=1e-9)


def test_every_step_is_equally_likely():
    steps = [truth("even-times")((k + 0.5) / 1000, 10) for k in range(1000)]
    assert np.bincount(steps).tolist() == [0] + [100] * 10


def test_the_moving_average_is_torchs():
    weights, keep = np.array([1.0, 4.0, -2.0, 0.5]), 0.9
    layer = torch.nn.Linear(1, 1, bias=False).double()
    averaged = torch.optim.swa_utils.AveragedModel(layer, multi_avg_fn=torch.optim.swa_utils.get_ema_multi_avg_fn(keep))
    for weight in weights:
        torch.nn.init.constant_(layer.weight, weight)
        averaged.update_parameters(layer)
    assert truth("moving-average")(weights, keep) == pytest.approx(averaged.module.weight.item(), rel=1e-12)


def test_the_learning_rate_is_the_trainers():
    config = configuration.override(configuration.preset("tiny"), steps=20, warmup=5)
    for step in range(20):
        assert truth("rate-factor")(step, 20, 5) == pytest.approx(training.rate_factor(step, config), rel=1e-12)


def test_the_whole_walk_is_the_samplers():
    rng = np.random.default_rng(1)
    beta, v, z = np.array([0.0, 0.1, 0.3, 0.2, 0.4]), 0.25, rng.standard_normal(5)
    schedule = schedules.from_betas(beta[1:])

    def eps_theta(x_t, t):
        kept = schedule.alpha_bar[t]
        return (1 - kept) ** 0.5 * x_t / (1 + kept * (v - 1))

    x = np.array([1.7])
    for t in range(4, 0, -1):
        x = diffusion.mean_from_eps(x, eps_theta(x, t), t, schedule) + (t > 1) * beta[t] ** 0.5 * z[t]
    assert truth("whole-walk")(1.7, z, beta, v) == pytest.approx(x.item(), rel=1e-9)


def test_the_clipped_noise_says_the_clipped_digit():
    schedule = schedules.linear(10, 0.1, 0.3)
    x_t, eps = np.array([2.5, -0.3, 0.4]), np.array([-1.0, 0.2, 2.0])
    before = diffusion.x_0_from_eps(x_t, eps, 4, schedule)
    after = diffusion.x_0_from_eps(x_t, truth("clipped-eps")(x_t, eps, schedule.alpha_bar[4]), 4, schedule)
    assert np.abs(before).max() > 1 > np.abs(before).min()
    np.testing.assert_allclose(after, np.clip(before, -1, 1), rtol=1e-12)


def test_the_counted_block_and_the_clock_are_right():
    config = unet.UNetConfig()
    assert register.find("block-parameters").answer == unet.parameter_count(unet.ResidualBlock(24, 48, 96, config))
    steps = register.find("slowest-clock").answer
    one, other = unet.time_embedding(torch.tensor([0, round(steps)]), 24)[:, [11, 23]]
    torch.testing.assert_close(one, other, atol=1e-3, rtol=0)


def test_half_of_the_start_is_forgotten_and_the_widest_sigmas_are_these():
    steps = round(register.find("average-half-life").answer)
    assert truth("moving-average")(np.append(1.0, np.zeros(steps)), 0.999) == pytest.approx(0.5, abs=0.001)
    schedule = schedules.linear()
    assert register.find("two-sigmas").answer == pytest.approx(
        (schedule.beta[2:] / schedule.beta_tilde[2:]).max() ** 0.5
    )
