"""Noise schedules against 50-digit arithmetic, against diffusers, and against the numbers that the book prints."""

import dataclasses
import math
import re

import mpmath
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from ddpm_edu import schedules

from .oracles import betas_of, exact_schedule, floats

NAMES = ("beta", "alpha", "alpha_bar", "noise", "snr", "beta_tilde")
LINEAR = schedules.linear()


def assert_exact(schedule, betas, rtol=1e-12):
    exact = exact_schedule(betas)
    for name in NAMES:
        np.testing.assert_allclose(
            getattr(schedule, name), floats(getattr(exact, name)), rtol=rtol, atol=0, err_msg=name
        )


# --- what follows from β ---


@given(betas_of())
def test_all_fields_to_twelve_digits(betas):
    assert_exact(schedules.from_betas(betas), betas)


@given(betas_of(low=1e-15, high=1e-9, max_size=5))
def test_tiny_betas_keep_their_digits(betas):
    # 1 − ᾱ computed as a difference would have one digit left here; α and ᾱ are 1 to all digits anyway.
    assert_exact(schedules.from_betas(betas), betas)


def test_long_schedules_keep_their_digits():
    for schedule in (
        LINEAR,
        schedules.cosine(1000),
        schedules.constant(1000, 0.01),
        schedules.linear(4000, 1e-5, 5e-3),
    ):
        assert_exact(schedule, schedule.beta[1:], rtol=1e-11)


@given(betas_of(min_size=2))
def test_the_order_of_things(betas):
    schedule = schedules.from_betas(betas)
    assert len(betas) == schedule.T
    np.testing.assert_array_equal(schedule.beta[1:], betas)
    np.testing.assert_allclose(schedule.alpha + schedule.beta, 1, rtol=1e-15)
    assert (np.diff(schedule.alpha_bar) < 0).all()
    assert (np.diff(schedule.snr[1:]) < 0).all()
    assert (schedule.beta_tilde[2:] > 0).all()
    assert (schedule.beta_tilde[1:] < schedule.beta[1:]).all()


def test_index_0_is_the_clean_data():
    for schedule in (LINEAR, schedules.constant(1, 0.5), schedules.cosine(7), schedules.from_betas([0.1, 0.2])):
        for name in NAMES:
            field = getattr(schedule, name)
            assert field.shape == (schedule.T + 1,)
            assert field.dtype == np.float64
        assert schedule.beta[0] == 0
        assert schedule.alpha[0] == schedule.alpha_bar[0] == 1
        assert schedule.snr[0] == math.inf
        assert schedule.beta_tilde[0] == schedule.beta_tilde[1] == 0


def test_a_beta_of_1_leaves_nothing():
    schedule = schedules.from_betas([0.1, 1.0, 0.3])
    np.testing.assert_array_equal(schedule.alpha_bar[2:], 0)
    np.testing.assert_array_equal(schedule.snr[2:], 0)
    assert schedule.beta_tilde[2] == pytest.approx(0.1)  # β̃ = (1 − ᾱ_1)·1/1
    assert schedule.beta_tilde[3] == pytest.approx(0.3)  # nothing known about x_0: one step's variance


# --- the three families ---


@given(st.integers(2, 40), st.floats(1e-6, 0.5), st.floats(1e-6, 0.99))
def test_linear_is_a_straight_line(T, beta_1, beta_T):
    schedule = schedules.linear(T, beta_1, beta_T)
    a, b = mpmath.mpf(beta_1), mpmath.mpf(beta_T)
    expected = [a + mpmath.mpf(t - 1) / (T - 1) * (b - a) for t in range(1, T + 1)]
    np.testing.assert_allclose(schedule.beta[1:], floats(expected), rtol=1e-12)
    assert schedule.beta[1] == beta_1
    assert schedule.beta[T] == beta_T


def test_linear_defaults_are_those_of_ho_et_al():
    assert LINEAR.T == 1000
    assert (LINEAR.beta[1], LINEAR.beta[1000]) == (1e-4, 0.02)
    assert schedules.linear(1).T == 1


@given(st.integers(1, 60), st.floats(1e-6, 0.9))
def test_constant_gives_a_power(T, beta):
    schedule = schedules.constant(T, beta)
    expected = [(1 - mpmath.mpf(beta)) ** t for t in range(T + 1)]
    np.testing.assert_allclose(schedule.alpha_bar, floats(expected), rtol=1e-13)


@given(st.integers(1, 1000), st.floats(0.001, 0.1))
def test_cosine_follows_the_squared_cosine(T, s):
    beta_max = 1.0
    schedule = schedules.cosine(T, s, beta_max)

    def f(t):
        return mpmath.cos((mpmath.mpf(t) / T + mpmath.mpf(s)) / (1 + mpmath.mpf(s)) * mpmath.pi / 2) ** 2

    for t in sorted({0, 1, T // 2, T - 1, T}):
        assert schedule.alpha_bar[t] == pytest.approx(float(f(t) / f(0)), rel=1e-9, abs=1e-12)


def test_cosine_cuts_off_at_beta_max():
    schedule = schedules.cosine(1000)
    assert schedule.beta[1000] == 0.999
    assert schedule.beta[999] < 0.999
    assert schedules.cosine(1000, beta_max=0.02).beta.max() == 0.02
    np.testing.assert_array_equal(schedules.cosine(50).beta, schedules.cosine(50, 0.008, 0.999).beta)


@given(st.integers(2, 400), st.floats(-2, 15), st.floats(0.1, 20))
def test_log_linear_is_a_straight_line_in_log_snr(T, first, fall):
    schedule = schedules.log_linear(T, first, first - fall)
    log_snr = np.log(schedule.snr[1:])
    np.testing.assert_allclose(log_snr, first - fall * np.arange(T) / (T - 1), rtol=1e-9, atol=1e-9)


def test_log_linear_in_fifty_digits():
    schedule = schedules.log_linear()
    log_snr = [mpmath.mpf("13.3") + (mpmath.mpf(-6) - mpmath.mpf("13.3")) * k / 999 for k in range(1000)]
    noise = [mpmath.mpf(0)] + [1 / (1 + mpmath.exp(value)) for value in log_snr]
    np.testing.assert_allclose(schedule.noise, floats(noise), rtol=1e-10)
    beta = [1 - (1 - noise[t]) / (1 - noise[t - 1]) for t in range(1, 1001)]
    np.testing.assert_allclose(schedule.beta[1:], floats(beta), rtol=1e-9)


def test_log_linear_must_fall():
    with pytest.raises(ValueError, match=r"log_snr_1 must be above log_snr_T \(2.0\), but it was 2.0"):
        schedules.log_linear(10, 2, 2)
    with pytest.raises(ValueError, match="T must be at least 2, but it was 1"):
        schedules.log_linear(1)


def test_schedules_by_name():
    for name, make in (
        ("linear", schedules.linear),
        ("cosine", schedules.cosine),
        ("log_linear", schedules.log_linear),
    ):
        np.testing.assert_array_equal(schedules.by_name(name, 30).beta, make(30).beta)
    np.testing.assert_array_equal(schedules.by_name("constant", 3, beta=0.2).beta, [0, 0.2, 0.2, 0.2])
    with pytest.raises(ValueError, match=r"schedule must be one of .* but it was 'cosin' \(did you mean 'cosine'\?\)"):
        schedules.by_name("cosin", 3)
    with pytest.raises(TypeError, match="beta_9"):
        schedules.by_name("linear", 3, beta_9=0.2)


def test_against_diffusers():
    from diffusers import DDPMScheduler

    theirs = DDPMScheduler(1000, beta_start=1e-4, beta_end=0.02, beta_schedule="linear")
    np.testing.assert_allclose(LINEAR.beta[1:], theirs.betas.numpy(), rtol=2e-6)  # theirs are float32, and count from 0
    np.testing.assert_allclose(LINEAR.alpha_bar[1:], theirs.alphas_cumprod.numpy(), rtol=2e-5)
    small = DDPMScheduler(1000, beta_start=1e-4, beta_end=0.02, beta_schedule="linear", variance_type="fixed_small")
    variances = [float(small._get_variance(t - 1)) for t in range(2, 1001)]
    # At t = 2 theirs is a quotient of differences of float32 numbers near 1, good to three digits.
    np.testing.assert_allclose(LINEAR.beta_tilde[2:], variances, rtol=2e-3)
    np.testing.assert_allclose(LINEAR.beta_tilde[50:], variances[48:], rtol=1e-4)
    cosine = DDPMScheduler(1000, beta_schedule="squaredcos_cap_v2")
    np.testing.assert_allclose(schedules.cosine(1000).beta[1:], cosine.betas.numpy(), rtol=1e-5)


# --- the numbers in the book ---


def test_alpha_bar_in_the_middle():
    assert LINEAR.alpha_bar[500] == pytest.approx(0.0786, abs=5e-5)
    assert LINEAR.alpha_bar[1000] == pytest.approx(4.036e-5, rel=1e-4)


def test_when_the_variance_has_settled():
    # v_t = 1 + ᾱ_t (v_0 − 1) is within 1% of |v_0 − 1| of its end when ᾱ_t falls below 0.01.
    assert int(np.argmax(LINEAR.alpha_bar < 0.01)) == 674
    fixed = int(np.argmax(schedules.constant(1000, 0.01).alpha_bar < 0.01))
    assert fixed == 459  # ln 0.01 / ln 0.99 = 458.2
    # Within 1% of the end itself: v_0 = 0 as before; v_0 = 2.5 takes until ᾱ_t < 0.01/1.5.
    assert int(np.argmax(1.5 * schedules.constant(1000, 0.01).alpha_bar < 0.01)) == 499


def test_the_constant_beta_with_the_same_end():
    beta = 1 - LINEAR.alpha_bar[1000] ** (1 / 1000)
    assert beta == pytest.approx(0.010067, abs=5e-7)
    assert schedules.constant(1000, beta).alpha_bar[1000] == pytest.approx(LINEAR.alpha_bar[1000], rel=1e-10)


def test_a_changed_T_without_the_beta_range_leaves_signal():
    assert schedules.linear(300).alpha_bar[300] == pytest.approx(0.048, abs=5e-4)
    assert schedules.linear(50).alpha_bar[50] == pytest.approx(0.60, abs=5e-3)


def test_rms_steps_grow_and_log_snr_steps_shrink():
    rms = np.sqrt(2 * (1 - np.sqrt(LINEAR.alpha)))
    np.testing.assert_allclose(rms[[1, 500, 1000]], [0.010, 0.100, 0.142], atol=5e-4)
    np.testing.assert_allclose(rms**2, (1 - np.sqrt(LINEAR.alpha)) ** 2 + LINEAR.beta, rtol=1e-9, atol=1e-18)
    log_snr = np.log(LINEAR.snr[1:])
    assert log_snr[0] - log_snr[1] == pytest.approx(0.79, abs=5e-3)  # from t = 2 to t = 1
    assert log_snr[498] - log_snr[499] == pytest.approx(0.011, abs=5e-4)  # from t = 500 to t = 499


# --- tensors, printing, freezing ---


def test_to_gives_the_same_numbers_as_tensors():
    schedule = LINEAR.to("cpu")
    double = LINEAR.to(torch.device("cpu"), torch.float64)
    assert schedule.T == double.T == 1000
    for name in NAMES:
        assert getattr(schedule, name).dtype == torch.float32
        np.testing.assert_array_equal(getattr(double, name).numpy(), getattr(LINEAR, name))
        np.testing.assert_array_equal(getattr(schedule, name).numpy(), getattr(LINEAR, name).astype(np.float32))
    assert getattr(LINEAR.to("meta"), "beta").device.type == "meta"  # noqa: B009


def test_a_schedule_does_not_change():
    with pytest.raises(dataclasses.FrozenInstanceError):
        LINEAR.beta = None


def test_schedules_are_told_apart_by_identity():
    assert schedules.linear() != LINEAR  # comparing arrays would have no one answer
    assert len({LINEAR, schedules.linear(), LINEAR}) == 2


def test_repr_says_what_it_is():
    assert repr(LINEAR) == "NoiseSchedule(T=1000, beta_1=0.0001, beta_T=0.02, alpha_bar_T=4.04e-05)"
    assert repr(LINEAR.to("cpu")) == repr(LINEAR)
    assert repr(schedules.from_betas([0.1, 0.25])) == "NoiseSchedule(T=2, beta_1=0.1, beta_T=0.25, alpha_bar_T=0.675)"


# --- bad input ---


@pytest.mark.parametrize(
    ("betas", "error", "match"),
    [
        ([], ValueError, "^betas must hold at least one value, but it was empty$"),
        ([0.1, 0.0], ValueError, r"betas must lie in 0 < β ≤ 1, but β_2 was 0\.0"),
        ([0.1, 0.2, -0.3], ValueError, r"betas must lie in 0 < β ≤ 1, but β_3 was -0\.3"),
        ([1.0, 1.5], ValueError, r"betas must lie in 0 < β ≤ 1, but β_2 was 1\.5"),
        ([1.5, 0.2], ValueError, r"betas must lie in 0 < β ≤ 1, but β_1 was 1\.5"),
        ([0.1, math.nan], ValueError, "betas must hold finite numbers only, but one of them was nan"),
        ([0.1, math.inf], ValueError, "betas must hold finite numbers only, but one of them was inf"),
        ([[0.1, 0.2]], ValueError, r"betas must have 1 axis/axes, but its shape was \(1, 2\)"),
        (0.1, ValueError, r"betas must have 1 axis/axes, but its shape was \(\)"),
        (["a"], TypeError, "betas must be numbers"),
    ],
)
def test_from_betas_refuses(betas, error, match):
    with pytest.raises(error, match=match):
        schedules.from_betas(betas)


@pytest.mark.parametrize("make", [schedules.linear, lambda T: schedules.constant(T, 0.1), schedules.cosine])
@pytest.mark.parametrize(
    ("T", "error", "match"),
    [
        (0, ValueError, "T must be at least 1, but it was 0"),
        (-5, ValueError, "T must be at least 1, but it was -5"),
        (2.5, TypeError, "T must be a whole number, but it was 2.5"),
        (True, TypeError, "T must be a whole number, but it was True"),
    ],
)
def test_T_must_be_a_whole_number(make, T, error, match):
    with pytest.raises(error, match=match):
        make(T)


@pytest.mark.parametrize("bad", [-0.1, 1.1, math.nan])
def test_a_beta_out_of_range_is_named(bad):
    allowed = f"must be a number from 0 to 1, but it was {bad}"
    with pytest.raises(ValueError, match=f"beta_1 {allowed}"):
        schedules.linear(10, bad, 0.1)
    with pytest.raises(ValueError, match=f"beta_T {allowed}"):
        schedules.linear(10, 0.1, bad)
    with pytest.raises(ValueError, match=f"beta {allowed}"):
        schedules.constant(10, bad)
    with pytest.raises(ValueError, match=f"beta_max {allowed}"):
        schedules.cosine(10, beta_max=bad)


def test_a_beta_of_0_is_refused():
    for make in (
        lambda: schedules.linear(3, 0, 0.1),
        lambda: schedules.constant(3, 0),
        lambda: schedules.cosine(3, 0.008, 0),
    ):
        with pytest.raises(ValueError, match=r"β_1 was 0\.0"):
            make()


def test_s_must_not_be_negative():
    with pytest.raises(ValueError, match=r"s must be a finite number of at least 0, but it was -0\.1"):
        schedules.cosine(10, s=-0.1)


# --- looking up a step ---


def test_at_picks_index_t_and_shapes_it():
    values = np.arange(6.0)
    x = np.zeros((3, 2, 4))
    assert schedules.at(values, 5, x) == 5
    assert schedules.at(values, 5, x, back=1) == 4
    picked = schedules.at(values, np.array([1, 5, 2]), x)
    assert picked.shape == (3, 1, 1)
    np.testing.assert_array_equal(picked.ravel(), [1, 5, 2])
    tensor = schedules.at(torch.arange(6.0), torch.tensor([1, 5, 2]), torch.zeros(3, 2, 4), back=1)
    assert tensor.shape == (3, 1, 1)
    assert tensor.ravel().tolist() == [0, 4, 1]
    assert schedules.align(0.5, x) == 0.5


@pytest.mark.parametrize("kind", [np.int64, np.int32, np.uint8])
def test_at_takes_whole_numbers_of_any_width(kind):
    np.testing.assert_array_equal(schedules.at(np.arange(6.0), np.array([1, 5], kind), np.zeros(2), back=1), [0, 4])


@pytest.mark.parametrize("kind", [torch.int32, torch.int64])
def test_at_takes_tensors_of_whole_numbers(kind):
    assert schedules.at(torch.arange(6.0), torch.tensor([1, 5], dtype=kind), torch.zeros(2)).tolist() == [1, 5]


@pytest.mark.parametrize("convert", [lambda t: t, np.array, torch.tensor], ids=["int", "numpy", "torch"])
@pytest.mark.parametrize("t", [0, -1, 6, 7])
def test_t_out_of_range_is_named(convert, t):
    values = torch.arange(6.0) if convert is torch.tensor else np.arange(6.0)
    with pytest.raises(ValueError, match=f"t must lie in 1…5, but it was {t}"):
        schedules.at(values, convert(t), values)


@pytest.mark.parametrize("convert", [np.array, torch.tensor], ids=["numpy", "torch"])
@pytest.mark.parametrize(("t", "bad"), [([1, 5, 0], 0), ([6, 2, 3], 6), ([1, -1, 9], -1), ([1, 2, 9], 9)])
def test_one_bad_t_among_many_is_found(convert, t, bad):
    with pytest.raises(ValueError, match=f"t must lie in 1…5, but it was {bad}"):
        schedules.at(convert(np.arange(6.0)), convert(t), convert(np.zeros(3)))


@pytest.mark.parametrize("t", [1.0, np.array([1.0]), "1", True, np.array([True]), [1, 2], np.array([[1]]), None])
def test_t_must_be_whole_numbers(t):
    with pytest.raises(TypeError, match="t must be whole numbers"):
        schedules.at(np.arange(6.0), t, np.zeros(1))


@pytest.mark.parametrize(
    "t",
    [
        torch.tensor([1.0]),
        torch.tensor([True]),
        torch.tensor([1], dtype=torch.uint8),  # torch would take these as a mask
        torch.tensor([[1]]),
        torch.tensor([1j]),
    ],
)
def test_a_tensor_t_must_hold_whole_numbers(t):
    was = f"it was {t.dtype} of shape {tuple(t.shape)}"
    with pytest.raises(
        TypeError, match=re.escape(f"t must be whole numbers of 32 or 64 bits and shape () or (B,), but {was}")
    ) as error:
        schedules.at(torch.arange(6.0), t, torch.zeros(1))
    assert str(error.value).startswith("t must")


@pytest.mark.parametrize("convert", [np.array, torch.tensor], ids=["numpy", "torch"])
def test_t_must_fit_x(convert):
    values, t = convert(np.arange(6.0)), convert([1, 2, 3])
    with pytest.raises(ValueError, match=r"t had shape \(3,\) and x \(2, 3\)"):
        schedules.at(values, t, convert(np.zeros((2, 3))))
    with pytest.raises(ValueError, match=r"t had shape \(3,\) and x \(\)"):
        schedules.at(values, t, 1.0)
    empty = convert(np.zeros(0, dtype=int))
    assert schedules.at(values, empty, convert(np.zeros((0, 2)))).shape == (0, 1)
