"""Distances between crowds, against closed forms and brute force."""

import itertools
import math

import numpy as np
import pytest
import scipy.linalg
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from ddpm_edu import distances
from ddpm_edu.distances import (
    frechet_distance,
    jackknife,
    kernel_distance,
    label_balance,
    nearest,
    precision_recall,
)

from .oracles import assert_law, assert_mean


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


# --- the kernel distance ---


def kernel(x, y):
    return (sum(a * b for a, b in zip(x, y, strict=True)) / len(x) + 1) ** 3


def squared_discrepancy(one, other):
    """The unbiased estimate by its definition: double sums over pairs."""
    n, m = len(one), len(other)
    within = sum(kernel(one[i], one[j]) for i in range(n) for j in range(n) if i != j) / (n * (n - 1))
    without = sum(kernel(other[i], other[j]) for i in range(m) for j in range(m) if i != j) / (m * (m - 1))
    return within + without - 2 * sum(kernel(x, y) for x in one for y in other) / (n * m)


@pytest.mark.parametrize(("n", "m", "blocks"), [(12, 12, 3), (9, 15, 2), (4, 7, 2)])
def test_the_kernel_distance_by_double_sums(n, m, blocks):
    rng = np.random.default_rng(n)
    one, other = rng.normal(0, 1, (n, 3)), rng.normal(0.5, 2, (m, 3))
    ends = [[math.ceil(i * size / blocks) for i in range(blocks + 1)] for size in (n, m)]  # the longer parts first
    parts = [
        squared_discrepancy(one[a:b], other[c:d]) for (a, b), (c, d) in zip(*map(itertools.pairwise, ends), strict=True)
    ]
    value, stderr = kernel_distance(one, other, blocks)
    mean = sum(parts) / blocks
    assert value == pytest.approx(mean, rel=1e-12)
    assert stderr == pytest.approx(
        math.sqrt(sum((part - mean) ** 2 for part in parts) / (blocks - 1) / blocks), rel=1e-9
    )


def test_the_kernel_distance_of_one_law_is_0_on_average():
    """Over all samples of a law of two points, each counted with its probability: exactly 0, and for two laws their true distance."""
    values, shares, others = np.array([[0.3, -1.0], [2.0, 0.5]]), (0.3, 0.7), (0.6, 0.4)

    def expectation(shares_1, shares_2):
        total = 0.0
        for which in itertools.product((0, 1), repeat=8):  # two blocks of two and two
            probability = math.prod([shares_1[i] for i in which[:4]] + [shares_2[i] for i in which[4:]])
            total += probability * kernel_distance(values[list(which[:4])], values[list(which[4:])], 2).value
        return total

    assert expectation(shares, shares) == pytest.approx(0, abs=1e-12)
    gram = np.array([[kernel(x, y) for y in values] for x in values])
    gap = np.array(shares) - np.array(others)
    assert expectation(shares, others) == pytest.approx(gap @ gram @ gap, rel=1e-12)


def test_the_standard_error_of_the_kernel_distance():
    """Two samples of one law, many times: the values lie around 0 as far off as their standard errors say."""
    rng = np.random.default_rng(1)
    found = [kernel_distance(*rng.normal(0, 1, (2, 200, 4)), 10) for _ in range(300)]
    z = np.array([estimate.value / estimate.stderr for estimate in found])
    assert_mean(z, 0, stats.t(9).var())
    spread = np.std([estimate.value for estimate in found])
    assert np.sqrt(np.mean([estimate.stderr**2 for estimate in found])) == pytest.approx(spread, rel=0.25)


def test_the_kernel_distance_in_parts(monkeypatch):
    one, other = np.random.default_rng(0).normal(0, 1, (2, 40, 3))
    whole = kernel_distance(one, other, 2)
    monkeypatch.setattr(
        distances, "_in_parts", lambda items, width: (items[i : i + 7] for i in range(0, len(items), 7))
    )
    assert kernel_distance(one, other, 2) == pytest.approx(whole, rel=1e-10)


def test_the_kernel_distance_needs_enough_for_its_blocks():
    few, many = np.zeros((7, 2)), np.zeros((9, 2))
    with pytest.raises(
        ValueError, match="blocks must be at most 3, so that each holds 2 of the 7 features, but it was 4"
    ):
        kernel_distance(few, many, 4)
    with pytest.raises(ValueError, match="blocks must be at most 3"):
        kernel_distance(many, few, 4)
    with pytest.raises(ValueError, match="blocks must be at least 2, but it was 1"):
        kernel_distance(few, many, 1)
    assert kernel_distance(few, many, 3) == (0, 0)
    with pytest.raises(ValueError, match=r"but they had \(7, 2\) and \(9, 3\)"):
        kernel_distance(few, np.zeros((9, 3)), 2)


# --- precision and recall ---


def shares_by_loops(real, drawn, k):
    def covered(point, crowd):
        for i, centre in enumerate(crowd):
            fellows = sorted(math.dist(centre, other) for j, other in enumerate(crowd) if j != i)
            if math.dist(point, centre) <= fellows[k - 1]:
                return True
        return False

    precision = sum(covered(point, real) for point in drawn) / len(drawn)
    return precision, sum(covered(point, drawn) for point in real) / len(real)


@pytest.mark.parametrize(("k", "seed"), [(1, 0), (2, 1), (3, 2), (3, 3)])
def test_precision_and_recall_by_loops(k, seed):
    rng = np.random.default_rng(seed)
    real, drawn = rng.normal(0, 1, (25, 2)), rng.normal(1.5, 1.2, (20, 2))
    expected = shares_by_loops(real, drawn, k)
    assert min(expected) > 0
    assert max(expected) < 1
    assert expected[0] != expected[1]
    assert precision_recall(real, drawn, k) == pytest.approx(expected, rel=1e-12)
    if k == 3:
        assert precision_recall(real, drawn) == precision_recall(real, drawn, 3)


def test_precision_and_recall_of_crowds_made_by_hand():
    heap = np.array([[0.0], [1.0], [2.0], [3.0]])
    assert precision_recall(heap, heap, 1) == (1, 1)
    assert precision_recall(heap, heap + 100, 1) == (0, 0)
    both = np.concatenate([heap, heap + 100])
    assert precision_recall(both, heap, 1) == (1, 0.5)  # all good, and half of what there is
    assert precision_recall(heap, both, 1) == (0.5, 1)
    # The balls around 0 … 3 reach one further: 4 is just inside, and what is beyond is not.
    assert precision_recall(heap, np.array([[4.0], [4.0 + 1e-9], [-1.0], [50.0]]), 1).precision == 0.5


def test_precision_and_recall_in_parts(monkeypatch):
    rng = np.random.default_rng(5)
    real, drawn = rng.normal(0, 1, (30, 2)), rng.normal(0.5, 1, (20, 2))
    whole = precision_recall(real, drawn)
    monkeypatch.setattr(
        distances, "_in_parts", lambda items, width: (items[i : i + 7] for i in range(0, len(items), 7))
    )
    assert precision_recall(real, drawn) == whole


def test_how_many_neighbours_there_can_be():
    five, nine = np.arange(5.0)[:, None], np.arange(9.0)[:, None]
    assert precision_recall(five, nine, 4) == (1, 1)
    for real, drawn in ((five, nine), (nine, five)):
        with pytest.raises(ValueError, match="k must be a whole number from 1 to 4, but it was 5"):
            precision_recall(real, drawn, 5)
    with pytest.raises(ValueError, match="k must be a whole number from 1 to 4, but it was 0"):
        precision_recall(five, nine, 0)
    with pytest.raises(ValueError, match="real and drawn must have shapes"):
        precision_recall(five, np.zeros((9, 2)))


# --- the balance of labels ---


def test_the_balance_of_labels():
    wanted = np.repeat(np.arange(10), 100)
    labels = np.repeat(np.arange(10), 20)
    counts, expected, total_variation, p_value = label_balance(labels, wanted)
    assert counts.tolist() == [20] * 10
    assert expected.tolist() == [20] * 10
    assert (total_variation, p_value) == (0, 1)
    labels[:20] = 1  # no 0 at all, and twice as many 1: a tenth would have to be others
    balance = label_balance(labels.astype(np.uint8), wanted)
    assert balance.counts.tolist() == [0, 40] + [20] * 8
    assert balance.total_variation == pytest.approx(0.1)
    assert balance.p_value == pytest.approx(stats.chisquare(balance.counts, [20] * 10).pvalue, rel=1e-9)


def test_the_balance_against_uneven_proportions():
    rng = np.random.default_rng(0)
    wanted, labels = rng.choice(10, 3000, p=np.arange(1, 11) / 55), rng.choice(10, 400)
    balance = label_balance(labels, wanted)
    shares = np.array([(wanted == digit).mean() for digit in range(10)])
    assert balance.counts.tolist() == [(labels == digit).sum() for digit in range(10)]
    np.testing.assert_allclose(balance.expected, 400 * shares)
    assert balance.p_value == pytest.approx(stats.chisquare(balance.counts, 400 * shares).pvalue, rel=1e-6, abs=1e-300)
    assert balance.total_variation == pytest.approx(sum(abs((labels == d).mean() - shares[d]) for d in range(10)) / 2)


def test_the_p_value_is_uniform_for_fair_draws():
    rng = np.random.default_rng(2)
    wanted = rng.choice(10, 5000, p=np.arange(6, 16) / 105)
    shares = np.bincount(wanted) / 5000
    p_values = [label_balance(rng.choice(10, 2000, p=shares), wanted).p_value for _ in range(400)]
    assert_law(np.array(p_values), stats.uniform.cdf)


@pytest.mark.parametrize(
    ("labels", "match"),
    [
        ([0, 10], r"labels must lie in 0…9, but one of them was 10"),
        ([-1, 3], r"labels must lie in 0…9, but one of them was -1"),
        ([0.5], r"labels must be whole numbers of shape \(N,\) with N ≥ 1, but it was float64 of shape \(1,\)"),
        ([[1]], r"labels must be whole numbers of shape \(N,\) with N ≥ 1, but it was int64 of shape \(1, 1\)"),
        (np.zeros(0, int), r"with N ≥ 1, but it was int64 of shape \(0,\)"),
    ],
)
def test_labels_that_are_none(labels, match):
    with pytest.raises(ValueError, match=match):
        label_balance(labels, np.arange(10))
    with pytest.raises(ValueError, match=match.replace("labels", "wanted")):
        label_balance(np.arange(10), labels)


def test_every_digit_must_be_wanted():
    with pytest.raises(ValueError, match="wanted must hold each digit at least once, but it had no 9"):
        label_balance(np.arange(10), np.arange(9))


# --- the nearest ---


@pytest.mark.parametrize("shape", [(5,), (3, 4), (28, 28)])
def test_the_nearest_by_loops(shape):
    rng = np.random.default_rng(1)
    items, among = rng.integers(0, 256, (2, 13, *shape), dtype=np.uint8)
    which, distance = nearest(items, among[:9])
    for i, item in enumerate(items):
        gaps = [math.dist(item.ravel().tolist(), other.ravel().tolist()) for other in among[:9]]
        assert which[i] == np.argmin(gaps)
        assert distance[i] == pytest.approx(min(gaps), rel=1e-12)


def test_a_copy_is_found_at_distance_0(monkeypatch):
    rng = np.random.default_rng(2)
    among = rng.normal(3000, 1, (50, 6))  # far from 0, where squares would lose their digits
    order = rng.permutation(50)
    which, distance = nearest(among[order], among)
    assert which.tolist() == order.tolist()
    assert (distance == 0).all()
    monkeypatch.setattr(
        distances, "_in_parts", lambda items, width: (items[i : i + 7] for i in range(0, len(items), 7))
    )
    assert nearest(among[order], among).which.tolist() == order.tolist()


@pytest.mark.parametrize(
    ("one", "other"), [((2, 3), (2, 4)), ((2, 3), (0, 3)), ((2,), (2,)), ((2, 3, 4), (2, 12))], ids=str
)
def test_crowds_that_cannot_be_neighbours(one, other):
    with pytest.raises(ValueError, match=r"items and among must have shapes \(N, …\) and \(M, …\) with M ≥ 1"):
        nearest(np.zeros(one), np.zeros(other))


# --- how sure ---


def test_the_jackknife_of_a_mean_is_its_standard_error():
    crowd = np.random.default_rng(0).normal(0, 2, (40, 1))
    classical = crowd.std(ddof=1) / math.sqrt(40)
    assert jackknife(lambda part: float(part.mean()), crowd, 40) == pytest.approx(classical, rel=1e-9)
    blocks = crowd.reshape(10, 4).mean(axis=1)
    assert jackknife(lambda part: float(part.mean()), crowd) == pytest.approx(
        blocks.std(ddof=1) / math.sqrt(10), rel=1e-9
    )


def test_the_jackknife_needs_blocks():
    with pytest.raises(ValueError, match="blocks must be a whole number from 2 to 5, but it was 1"):
        jackknife(np.mean, np.zeros((5, 1)), 1)
    with pytest.raises(ValueError, match="blocks must be a whole number from 2 to 5, but it was 6"):
        jackknife(np.mean, np.zeros((5, 1)), 6)


def test_parts_are_small_enough_and_whole():
    items = np.arange(10)
    assert [part.tolist() for part in distances._in_parts(items, 3_000_000)] == [[0, 1, 2], [3, 4, 5], [6, 7, 8], [9]]
    assert [len(part) for part in distances._in_parts(items, 10**9)] == [1] * 10
