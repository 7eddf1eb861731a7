"""Joint laws: every density is the table's own sum, and the shared worlds are what they say."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from scipy.stats import multivariate_normal

from ddpm_edu.equations import worlds
from ddpm_edu.equations.evaluate import UnknownName, World, evaluate
from ddpm_edu.equations.grammar import expression
from ddpm_edu.equations.joints import Normals, Table

# p(a, b): a is 0 or 1, b is 10, 20 or 30.
SHARES = np.array([[0.1, 0.2, 0.1], [0.3, 0.1, 0.2]])
TABLE = Table(("a", "b"), SHARES)
STATES = {"a": TABLE.states("a", np.array([0.0, 1.0])), "b": TABLE.states("b", np.array([10.0, 20.0, 30.0]))}
OTHER = Table(("a", "b"), np.array([[0.2, 0.1, 0.2], [0.1, 0.3, 0.1]]))
WORLD = World(STATES, joints={"q": TABLE, "p": OTHER})


def value(text: str) -> np.ndarray:
    return np.asarray(evaluate(expression(text), WORLD))


def test_a_table_sums() -> None:
    assert value("q(a)").shape == (2, 1)
    np.testing.assert_allclose(value("q(a)").ravel(), [0.4, 0.6])
    np.testing.assert_allclose(value("q(b)").ravel(), [0.4, 0.3, 0.3])
    np.testing.assert_allclose(value("q(a, b)"), SHARES)
    np.testing.assert_allclose(value("q(b, a)"), SHARES)
    np.testing.assert_allclose(value(r"q(a \mid b)")[:, 1], [2 / 3, 1 / 3])
    np.testing.assert_allclose(value(r"q(b \mid a)")[1], [1 / 2, 1 / 6, 1 / 3])
    np.testing.assert_allclose(value(r"\mathbb{E}_{q(b \mid a)}[b]").ravel(), [20, (150 + 20 * 0.5 + 60) / 12])
    np.testing.assert_allclose(value(r"\mathbb{E}_{q(a, b)}[a b]"), 3 + 2 + 6)
    np.testing.assert_allclose(value(r"\mathbb{E}[b \mid a]"), value(r"\mathbb{E}_{q(b \mid a)}[b]"))
    np.testing.assert_allclose(value(r"\mathrm{Var}[b \mid a]").ravel()[0], 50)
    np.testing.assert_allclose(value(r"\mathrm{Var}_{q(a)}[a]"), 0.24)
    divergence = 0.4 * math.log(0.4 / 0.5) + 0.6 * math.log(0.6 / 0.5)
    np.testing.assert_allclose(value(r"\mathrm{KL}(q(a) \,\|\, p(a))"), divergence)
    given = 2 / 3 * math.log(2 / 3 / 0.25) + 1 / 3 * math.log(1 / 3 / 0.75)
    np.testing.assert_allclose(value(r"\mathrm{KL}(q(a \mid b) \,\|\, p(a \mid b))")[0, 1], given)
    np.testing.assert_allclose(
        value(r"\mathrm{KL}(q(a \mid b) \,\|\, p(a))")[0, 1], 2 / 3 * math.log(4 / 3) + 1 / 3 * math.log(2 / 3)
    )


@pytest.mark.parametrize(
    ("text", "error", "message"),
    [
        ("q(a, a)", ValueError, r"a must stand once in a density, but it stands twice in q\left(a, a\right)"),
        (r"q(a \mid a)", ValueError, r"a must stand once in a density, but it stands twice in q\left(a \mid a\right)"),
        (
            r"q(a \mid b, b)",
            ValueError,
            r"b must stand once in a density, but it stands twice in q\left(a \mid b, b\right)",
        ),
        ("q(c)", UnknownName, "c is no letter of q, which is a law of a, b"),
        ("q(2)", ValueError, "a density is of letters, but it was of 2"),
        ("q(a + b)", ValueError, "a density is of letters, but it was of a + b"),
        ("q_t(a)", UnknownName, "q_t has no meaning as a function here (position 0)"),
        (
            r"\mathrm{KL}(q(a) \| p(b))",
            ValueError,
            r"two laws must be of the same letters, but they were q\left(a\right) and p\left(b\right)",
        ),
        (
            r"\mathrm{KL}(q(a) \| \mathcal{N}(a; 0, 1))",
            UnknownName,
            r"no divergence of q\left(a\right) from \mathcal{N}(a; 0, 1) is defined here",
        ),
        (
            r"\mathrm{KL}(q(a) \| f(a))",
            UnknownName,
            r"no divergence of q\left(a\right) from f\left(a\right) is defined here",
        ),
        (r"\mathbb{E}_{f(a)}[a]", UnknownName, "no expectation over f(a) is defined here"),
    ],
)
def test_a_density_refuses(text: str, error: type[Exception], message: str) -> None:
    with pytest.raises(error) as caught:
        value(text)
    assert type(caught.value) is error
    assert str(caught.value) == message


def test_letters_with_indices() -> None:
    joint = Table(("x_0", "x_1", "x_2"), np.arange(1.0, 9.0).reshape(2, 2, 2) / 36)
    x = [joint.states(name, np.array([0.0, 1.0])) for name in joint.names]
    world = World({"t": 2.0, "T": 2.0}, {"x": x}, joints={"q": joint})

    def at(text: str) -> np.ndarray:
        return np.asarray(evaluate(expression(text), world))

    np.testing.assert_allclose(at("q(x_t)").ravel(), [16 / 36, 20 / 36])
    np.testing.assert_allclose(at("q(x_{t-1})"), at("q(x_1)"))
    np.testing.assert_allclose(at("q(x_{0:T})"), joint.probabilities)
    np.testing.assert_allclose(at(r"q(x_{1:T} \mid x_0)"), at("q(x_0, x_1, x_2)") / at("q(x_0)"))
    np.testing.assert_allclose(at(r"q(x_{t-1:t})"), at("q(x_1, x_2)"))
    with pytest.raises(
        ValueError, match=r"^a density must be of one letter at least, but it was q\\left\(x_\{2:1\}\\right\)$"
    ):
        at("q(x_{2:1})")
    with pytest.raises(ValueError, match="twice"):
        at(r"q(x_{1:T} \mid x_t)")
    with pytest.raises(UnknownName, match="x_3 is no letter"):
        at("q(x_3)")
    for text, name in (("q(x_{t/4})", r"x_\{.*\}"), ("q(x_{t/4:T})", r"x_\{.*:T\}"), ("q(x_{0:T/4})", r"x_\{0:.*\}")):
        with pytest.raises(ValueError, match=rf"^the index of {name} must be a whole number, but it was 0\.5$"):
            at(text)


def test_normals_are_those_of_another_library() -> None:
    rng = np.random.default_rng(2)
    roots = rng.normal(size=(2, 3, 3))
    covariances = roots @ roots.transpose(0, 2, 1) + np.eye(3) / 4
    means, weights = rng.normal(size=(2, 3)), np.array([0.3, 0.7])
    joint = Normals(("a", "b", "c"), weights, means, covariances)
    point = {"a": 0.3, "b": -0.8, "c": np.array([0.1, 1.2])}

    def density(places: list[int]) -> np.ndarray:
        columns = np.broadcast_arrays(*([0.3, -0.8, np.array([0.1, 1.2])][place] for place in places))
        at = np.stack(columns, axis=-1)
        return sum(
            weight * multivariate_normal(mean[places], covariance[np.ix_(places, places)]).pdf(at)
            for weight, mean, covariance in zip(weights, means, covariances, strict=True)
        )

    np.testing.assert_allclose(joint.density(["a", "b", "c"], [], point), density([0, 1, 2]))
    np.testing.assert_allclose(joint.density(["c"], [], point), density([2]))
    np.testing.assert_allclose(joint.density(["b"], [], point), density([1]))
    np.testing.assert_allclose(joint.density(["a"], ["c", "b"], point), density([0, 1, 2]) / density([1, 2]))
    with pytest.raises(
        ValueError, match=r"^means over normal laws are not worked out here: use a chain with few states$"
    ):
        joint.average(1.0, ["a"], [])
    with pytest.raises(ValueError, match="shorter"):
        Normals(joint.names, weights, means[:1], covariances).density(["a"], [], point)


@pytest.mark.parametrize("seed", range(6))
def test_the_chain_is_markov_both_ways_and_random(seed: int) -> None:
    it = worlds.chain(np.random.default_rng(seed), t_min=2)
    assert 2 <= it.t <= it.T <= 4
    for joint in (it.q, it.p):
        assert joint.probabilities.shape == (3,) * (it.T + 1)
        assert joint.probabilities.sum() == pytest.approx(1)
        for s in range(2, it.T + 1):
            alone = joint.density([f"x_{s}"], [f"x_{s - 1}"], {})
            with_more = joint.density([f"x_{s}"], [f"x_{r}" for r in range(s)], {})
            np.testing.assert_allclose(with_more, np.broadcast_to(alone, with_more.shape))
        steps = [joint.density([f"x_{s}"], [f"x_{s - 1}"], {}).squeeze() for s in range(1, it.T + 1)]
        assert all(not np.allclose(one, other) for one, other in itertools.combinations(steps, 2))
    assert not np.allclose(it.q.probabilities, it.p.probabilities)
    assert it.world.values == {"t": it.t, "T": it.T}


def test_tight_worlds_attain_the_bound() -> None:
    for seed in range(4):
        for tight in (False, True):
            it = worlds.chain(np.random.default_rng(seed), tight=tight)
            latents = list(it.q.names[1:])
            same = np.allclose(it.q.density(latents, ["x_0"], {}), it.p.density(latents, ["x_0"], {}))
            assert same == tight
            assert not np.allclose(it.q.density(["x_0"], [], {}), it.p.density(["x_0"], [], {}))
            world = worlds.latent(np.random.default_rng(seed), tight)
            p, q = world.joints["p"], world.joints["q"]
            assert np.allclose(q.density(["z"], ["x"], {}), p.density(["z"], ["x"], {})) == tight
            assert not np.allclose(q.density(["x"], [], {}), p.density(["x"], [], {}))


@pytest.mark.parametrize("seed", range(5))
def test_the_line_is_what_its_kernels_say(seed: int) -> None:
    """The joint law, which is built from covariances, against kernels, pushed densities and an integral."""
    it = worlds.line(np.random.default_rng(seed))
    world, t, schedule = it.world, it.t, it.schedule

    def at(text: str) -> np.ndarray:
        return np.asarray(evaluate(expression(text), world))

    np.testing.assert_allclose(
        at(r"q(x_t \mid x_{t-1})"), at(r"\mathcal{N}(x_t; \sqrt{\alpha_t}\,x_{t-1}, \beta_t)"), rtol=1e-9
    )
    np.testing.assert_allclose(at(r"q(x_{t-1})"), it.before.pdf(it.x[t - 1]))
    after = it.before.push(schedule.alpha[t] ** 0.5, schedule.beta[t])
    np.testing.assert_allclose(at("q(x_t)"), after.pdf(it.x[t]))
    np.testing.assert_allclose(at("q_t(x_t)"), after.pdf(it.x[t]))
    np.testing.assert_allclose(at("s_t"), after.score(it.x[t]))
    np.testing.assert_allclose(at("s_t'"), after.score_slope(it.x[t]))
    np.testing.assert_allclose(
        at(r"p_\theta(x_{t-1} \mid x_t)"), at(r"\mathcal{N}(x_{t-1}; \mu_\theta(x_t, t), \sigma_t^2)"), rtol=1e-9
    )
    np.testing.assert_allclose(at("p(x_T)"), at(r"\mathcal{N}(x_T; 0, 1)"))
    assert np.shape(it.x[t - 1]) == (7,)
    grid = np.linspace(-30, 30, 6001)
    joint = world.joints["q"].density([f"x_{t - 1}"], [f"x_{t}"], {f"x_{t - 1}": grid, f"x_{t}": it.x[t]})
    assert joint.sum() * (grid[1] - grid[0]) == pytest.approx(1)
