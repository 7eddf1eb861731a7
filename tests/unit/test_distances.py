"""Distances between crowds, against closed forms and brute force."""

import math

import numpy as np
import pytest
import scipy.linalg
from hypothesis import given
from hypothesis import strategies as st

from ddpm_edu.distances import frechet_distance


def points(mean, covariance, n=60, seed=0):
    """Points whose sample mean and sample covariance are exactly the given ones."""
    mean, covariance = np.atleast_1d(mean), np.atleast_2d(covariance)
    d = len(mean)
    raw = np.random.default_rng(seed).standard_normal((n, d))
    raw -= raw.mean(axis=0)
    white = np.linalg.qr(raw)[0] * math.sqrt(n - 1)  # orthonormal columns, still of mean 0
    values, vectors = np.linalg.eigh(covariance)
    return mean + white @ (vectors * np.sqrt(values.clip(0))).T


def random_covariance(seed, d=4, rank=None):
    a = np.random.default_rng(seed).standard_normal((d, rank or d))
    return a @ a.T


# --- the Fréchet distance ---


@given(st.floats(-5, 5), st.floats(0.1, 4), st.floats(-5, 5), st.floats(0.1, 4))
def test_in_one_dimension(m_1, s_1, m_2, s_2):
    distance = frechet_distance(points(m_1, s_1**2), points(m_2, s_2**2, n=33, seed=1))
    assert distance == pytest.approx((m_1 - m_2) ** 2 + (s_1 - s_2) ** 2, rel=1e-9, abs=1e-9)


def test_with_covariances_that_commute():
    s_1, s_2, gap = np.array([1.0, 2.0, 0.5]), np.array([0.3, 2.5, 0.0]), np.array([1.0, -2.0, 0.1])
    rotation = np.linalg.qr(np.random.default_rng(0).standard_normal((3, 3)))[0]
    one = points(np.zeros(3), rotation @ np.diag(s_1**2) @ rotation.T)
    other = points(gap, rotation @ np.diag(s_2**2) @ rotation.T, n=20, seed=1)
    assert frechet_distance(one, other) == pytest.approx((gap**2).sum() + ((s_1 - s_2) ** 2).sum(), rel=1e-9)


@pytest.mark.parametrize("seed", range(5))
def test_against_the_matrix_root_of_scipy(seed):
    c_1, c_2, gap = random_covariance(seed), random_covariance(seed + 100), np.arange(4.0)
    expected = gap @ gap + np.trace(c_1 + c_2 - 2 * scipy.linalg.sqrtm(c_1 @ c_2).real)
    assert frechet_distance(points(np.zeros(4), c_1), points(gap, c_2, seed=9)) == pytest.approx(expected, rel=1e-8)


def test_with_fewer_points_than_features():
    # Covariances without full rank, as with n = 2,000 they almost are: in a plane, known in closed form.
    one, other = points(np.zeros(2), np.diag([4.0, 1.0])), points(np.zeros(2), np.diag([1.0, 9.0]), seed=1)
    wide = np.zeros((2, 60, 70))
    wide[0, :, [3, 50]], wide[1, :, [3, 50]] = one.T, other.T
    assert frechet_distance(wide[0], wide[1]) == pytest.approx(1 + 4, rel=1e-7)


def test_it_is_a_distance():
    one, other = points(np.zeros(4), random_covariance(1)), points(np.ones(4), random_covariance(2), seed=3)
    assert frechet_distance(one, one) == pytest.approx(0, abs=1e-9)
    assert frechet_distance(one, one[::-1] + 0) == pytest.approx(0, abs=1e-9)
    assert frechet_distance(one, other) == pytest.approx(frechet_distance(other, one), rel=1e-9)
    assert frechet_distance(one + 5, other + 5) == pytest.approx(frechet_distance(one, other), rel=1e-9)
    assert frechet_distance(3 * one, 3 * other) == pytest.approx(9 * frechet_distance(one, other), rel=1e-9)


@pytest.mark.parametrize(
    ("one", "other", "match"),
    [
        (
            np.zeros((5, 3)),
            np.zeros((5, 2)),
            r"shapes \(N, D\) and \(M, D\) with N, M ≥ 2, but they had \(5, 3\) and \(5, 2\)",
        ),
        (np.zeros((1, 3)), np.zeros((5, 3)), r"but they had \(1, 3\) and \(5, 3\)"),
        (np.zeros((5, 3)), np.zeros((1, 3)), r"but they had \(5, 3\) and \(1, 3\)"),
        (np.zeros(5), np.zeros((5, 3)), r"features_1 must have 2 axis/axes, but its shape was \(5,\)"),
        (np.zeros((5, 3)), np.zeros((5, 3, 1)), r"features_2 must have 2 axis/axes, but its shape was \(5, 3, 1\)"),
        (
            np.full((5, 3), math.nan),
            np.zeros((5, 3)),
            "features_1 must hold finite numbers only, but one of them was nan",
        ),
    ],
)
def test_features_that_do_not_fit(one, other, match):
    with pytest.raises(ValueError, match=match):
        frechet_distance(one, other)


def test_two_points_are_enough():
    assert frechet_distance(np.array([[0.0], [2.0]]), np.array([[1.0], [1.0]])) == pytest.approx(2)
