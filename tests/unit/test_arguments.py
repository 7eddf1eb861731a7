"""Bad input is named: the argument, what it was, what is allowed."""

import math

import numpy as np
import pytest
import torch

from ddpm_edu import arguments


@pytest.mark.parametrize("value", [0, 1, 0.5, np.float32(0.25), np.int64(1)])
def test_number_returns_a_float(value):
    result = arguments.number("alpha", value, 0, 1)
    assert type(result) is float
    assert result == value


@pytest.mark.parametrize("value", [-0.001, 1.001, math.nan, math.inf, -math.inf, np.float64("nan")])
def test_number_names_what_is_out_of_range(value):
    with pytest.raises(ValueError, match=r"alpha must be a number from 0 to 1, but it was .*(0\.001|1\.001|nan|inf)"):
        arguments.number("alpha", value, 0, 1)


@pytest.mark.parametrize(
    ("low", "high", "allowed"),
    [
        (-math.inf, math.inf, "a finite number,"),
        (2, math.inf, "a finite number of at least 2,"),
        (-math.inf, 3, "a finite number of at most 3,"),
        (2, 3, "a number from 2 to 3,"),
    ],
)
def test_number_says_what_is_allowed(low, high, allowed):
    with pytest.raises(ValueError, match=f"x must be {allowed} but it was nan"):
        arguments.number("x", math.nan, low, high)


@pytest.mark.parametrize("value", ["red", None, [1.0, 2.0], 1j])
def test_number_refuses_what_is_none(value):
    with pytest.raises(TypeError, match="alpha must be a number, but it was"):
        arguments.number("alpha", value)


def test_number_includes_its_ends():
    assert arguments.number("x", 2, 2, 3) == 2
    assert arguments.number("x", 3, 2, 3) == 3


def test_integer_returns_an_int():
    for value in (1, np.int32(1), np.uint8(1)):
        result = arguments.integer("T", value, 1, 1)
        assert type(result) is int
        assert result == 1


@pytest.mark.parametrize("value", [2.0, "2", True, None, np.float64(2)])
def test_integer_refuses_what_is_none(value):
    with pytest.raises(TypeError, match=r"T must be a whole number, but it was .*(2|True|None)"):
        arguments.integer("T", value, 1)


def test_integer_says_what_is_allowed():
    with pytest.raises(ValueError, match="T must be at least 1, but it was 0"):
        arguments.integer("T", 0, 1)
    with pytest.raises(ValueError, match="T must be a whole number from 1 to 9, but it was 10"):
        arguments.integer("T", 10, 1, 9)
    with pytest.raises(ValueError, match="T must be a whole number from 1 to 9, but it was 0"):
        arguments.integer("T", 0, 1, 9)
    assert arguments.integer("T", 9, 1, 9) == 9


def test_choice():
    assert arguments.choice("sampler", "ddim", ("ancestral", "ddim")) == "ddim"
    with pytest.raises(ValueError, match="sampler must be one of 'ancestral', 'ddim', but it was 'euler'"):
        arguments.choice("sampler", "euler", ("ancestral", "ddim"))
    with pytest.raises(ValueError, match=r"'ddim', but it was 'dim' \(did you mean 'ddim'\?\)$"):
        arguments.choice("sampler", "dim", ("ancestral", "ddim"))


def test_array_returns_float64():
    result = arguments.array("x", [1, 2, 3])
    assert result.dtype == np.float64
    np.testing.assert_array_equal(result, [1, 2, 3])
    assert arguments.array("x", 1.5).shape == ()


@pytest.mark.parametrize(
    ("values", "bad"), [([0, math.nan], "nan"), ([math.inf, 0], "inf"), ([[1], [-math.inf]], "-inf")]
)
def test_array_names_a_value_that_is_not_finite(values, bad):
    with pytest.raises(ValueError, match=f"heights must hold finite numbers only, but one of them was {bad}"):
        arguments.array("heights", values)


def test_array_refuses_what_is_no_number():
    with pytest.raises(TypeError, match=r"heights must be numbers, but it was .*'a'"):
        arguments.array("heights", ["a"])
    with pytest.raises(TypeError, match="heights must be numbers"):
        arguments.array("heights", [[1, 2], [3]])


def test_array_counts_axes():
    with pytest.raises(ValueError, match=r"heights must have 1 axis/axes, but its shape was \(2, 1\)"):
        arguments.array("heights", [[1], [2]], ndim=1)
    assert arguments.array("heights", [1, 2], ndim=1).shape == (2,)


def test_same_shape():
    arguments.same_shape("eps", np.zeros((2, 3)), "x_0", torch.zeros(2, 3))
    arguments.same_shape("eps", 1.0, "x_0", np.float64(2))
    with pytest.raises(ValueError, match=r"eps must have x_0's shape \(3,\), but its shape was \(1, 3\)"):
        arguments.same_shape("eps", torch.zeros(1, 3), "x_0", np.zeros(3))
    with pytest.raises(ValueError, match=r"eps must have x_0's shape \(\), but its shape was \(1,\)"):
        arguments.same_shape("eps", np.zeros(1), "x_0", 0.0)
