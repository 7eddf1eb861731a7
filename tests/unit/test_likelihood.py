"""The ledger against laws whose bound is known: Gaussians in closed form, grids of few levels by quadrature."""

import math

import numpy as np
import pytest
import torch
from scipy import stats

from ddpm_edu import data, diffusion, likelihood, record, schedules
from ddpm_edu.configuration import TrainingConfig
from ddpm_edu.unet import UNet, UNetConfig

SHORT = schedules.log_linear(40, 3.5, -5.0)
LEVELS = np.linspace(-1, 1, 5)
LAW = np.array([0.5, 0.05, 0.1, 0.15, 0.2])


def guess_of_gaussian(schedule, m, v):
    """The best guess of the noise when each entry is N(m, v)."""

    def eps_theta(x_t, t):
        a, noise = (values[t].reshape(-1, *[1] * (x_t.ndim - 1)) for values in (schedule.alpha_bar, schedule.noise))
        return noise**0.5 * (x_t - a**0.5 * m) / (a * v + noise)

    return eps_theta


def guess_of_levels(schedule):
    """The best guess of the noise when each entry is one of LEVELS, drawn from LAW."""

    def eps_theta(x_t, t):
        a, noise = (values[t].reshape(-1, *[1] * x_t.ndim) for values in (schedule.alpha_bar, schedule.noise))
        evidence = LAW * np.exp(-((x_t[..., None] - a**0.5 * LEVELS) ** 2) / (2 * noise))
        x_0 = (evidence * LEVELS).sum(-1) / evidence.sum(-1)
        return (x_t - a[..., 0] ** 0.5 * x_0) / noise[..., 0] ** 0.5

    return eps_theta


def terms_by_quadrature(schedule, variance):
    """L_T, L_{t−1} for t = 2…T and L_0 of `guess_of_levels`, in bits per dimension, by sums over x_0 and an integral over ε."""
    eps = np.linspace(-9, 9, 6001)
    weight = stats.norm.pdf(eps) * (eps[1] - eps[0])
    model = guess_of_levels(schedule)

    def mean_over_noise(f):
        return sum(p * (weight * f(np.full(len(eps), v))).sum() for v, p in zip(LEVELS, LAW, strict=True))

    def squared(t):
        a, noise = schedule.alpha_bar[t], schedule.noise[t]
        times = np.full(len(eps), t)
        return mean_over_noise(lambda x_0: (model(a**0.5 * x_0 + noise**0.5 * eps, times) - eps) ** 2)

    steps = []
    for t in range(2, schedule.T + 1):
        # KL of two Gaussians, written out: the means lie β/√(α·(1−ᾱ)) times the error of the noise apart.
        ratio = schedule.beta_tilde[t] / variance[t]
        apart = schedule.beta[t] ** 2 / (schedule.alpha[t] * schedule.noise[t]) * squared(t)
        steps.append((ratio - 1 - math.log(ratio) + apart / variance[t]) / 2)

    def last(x_0):
        a, noise = schedule.alpha_bar[1], schedule.noise[1]
        x_1 = a**0.5 * x_0 + noise**0.5 * eps
        mean = (x_1 - noise**0.5 * model(x_1, np.ones(len(eps), dtype=int))) / a**0.5
        edges = np.array([-np.inf, -0.75, -0.25, 0.25, 0.75, np.inf])
        index = np.searchsorted(LEVELS, x_0[0])
        side = np.where(mean > x_0, -1, 1)  # the interval is looked at from the side where its law is small, and exact
        low, high = ((edges[index + k] - mean) * side / variance[1] ** 0.5 for k in (0, 1))
        low, high = np.minimum(low, high), np.maximum(low, high)
        return -np.log(stats.norm.sf(low) - stats.norm.sf(high))

    a, noise = schedule.alpha_bar[-1], schedule.noise[-1]
    prior = sum(p * (a * v**2 + noise - 1 - math.log(noise)) / 2 for v, p in zip(LEVELS, LAW, strict=True))
    return prior / math.log(2), np.array(steps) / math.log(2), mean_over_noise(last) / math.log(2)


def draw_levels(rng, items, dimensions=3):
    return rng.choice(LEVELS, p=LAW, size=(items, dimensions))


VARIANCES = {
    "beta": SHORT.beta,
    "beta_tilde": np.concatenate([[0, SHORT.beta_tilde[2]], SHORT.beta_tilde[2:]]),
    "own": np.concatenate([[0, 0.004], 1.3 * SHORT.beta_tilde[2:]]),
}


@pytest.mark.parametrize("name", list(VARIANCES))
def test_every_term_by_quadrature(name):
    rng = np.random.default_rng(1)
    x_0 = draw_levels(rng, 6000)
    found = likelihood.errors(guess_of_levels(SHORT), SHORT, x_0, 10, rng, levels=5)
    ledger = found.ledger(VARIANCES[name] if name == "own" else name)
    first, middle, last = terms_by_quadrature(SHORT, VARIANCES[name])
    assert ledger.bits_per_dim == pytest.approx(ledger.L_T + ledger.L_t.sum() + ledger.L_0, rel=1e-12)
    assert ledger.bits_per_dim == pytest.approx(first + middle.sum() + last, abs=4 * ledger.stderr)
    assert 0 < ledger.stderr < 0.02 * ledger.bits_per_dim
    assert abs(ledger.L_T / first - 1) < 0.02
    assert abs(ledger.L_0 / last - 1) < 0.1
    assert ledger.L_t == pytest.approx(middle, rel=0.15)


def test_the_bound_of_the_ideal_model_nears_the_entropy():
    """With the best guess at every step and small steps, all that is left of the bound is the data's own entropy."""
    rng = np.random.default_rng(2)
    schedule = schedules.log_linear(400, 7.0, -7.0)
    found = likelihood.errors(guess_of_levels(schedule), schedule, draw_levels(rng, 6000), 10, rng, levels=5)
    entropy = float(-(LAW * np.log2(LAW)).sum())
    ledger = found.ledger("beta_tilde")
    assert ledger.bits_per_dim == pytest.approx(entropy, abs=0.02 * entropy + 3 * ledger.stderr)
    assert ledger.bits_per_dim > entropy - 3 * ledger.stderr


@pytest.mark.parametrize(("items", "measurements"), [(300, 80), (20, 200)])
def test_the_standard_error_is_that_of_repeats(items, measurements):
    """On fresh pictures every time, the distance from the truth in standard errors is a unit normal's; also where each time is asked but twice."""
    first, middle, last = terms_by_quadrature(SHORT, VARIANCES["beta"])
    distances = []
    for seed in range(measurements):
        rng = np.random.default_rng([3, seed])
        ledger = likelihood.ledger(guess_of_levels(SHORT), SHORT, draw_levels(rng, items), "beta", 4, rng, levels=5)
        distances.append((ledger.bits_per_dim - first - middle.sum() - last) / ledger.stderr)
    low, high = stats.chi2(measurements).ppf([1e-3, 1 - 1e-3])
    assert low < (np.array(distances) ** 2).sum() < high
    assert abs(np.mean(distances)) < 4 / math.sqrt(measurements)


def test_the_standard_error_when_pictures_differ_as_wholes():
    """Entries that are all equal: a picture that is hard at one time is hard at all, L_T included where x_T keeps much of it."""
    schedule = schedules.log_linear(40, 3.5, 1.5)
    first, middle, last = terms_by_quadrature(schedule, schedule.beta)
    distances = []
    for seed in range(80):
        rng = np.random.default_rng([4, seed])
        x_0 = draw_levels(rng, 300, 1).repeat(30, axis=1)
        ledger = likelihood.ledger(guess_of_levels(schedule), schedule, x_0, "beta", 4, rng, levels=5)
        distances.append((ledger.bits_per_dim - first - middle.sum() - last) / ledger.stderr)
    low, high = stats.chi2(80).ppf([1e-3, 1 - 1e-3])
    assert low < (np.array(distances) ** 2).sum() < high


@pytest.mark.parametrize("kind", ["array", "tensor"])
def test_gaussian_data_in_closed_form(kind):
    m, v, levels = 0.1, 0.04, 2**14 + 1
    rng = np.random.default_rng(5)
    normal = (m + math.sqrt(v) * rng.standard_normal((4000, 2, 3))).clip(-1, 1)
    x_0 = np.round((normal + 1) * (levels - 1) / 2) * 2 / (levels - 1) - 1
    schedule, generator = SHORT, rng
    if kind == "tensor":
        x_0, schedule = torch.from_numpy(x_0), SHORT.to("cpu", torch.float64)
        generator = torch.Generator().manual_seed(5)
    found = likelihood.errors(
        guess_of_gaussian(schedule, m, v), schedule, x_0, 10, generator, levels=levels, clip=False
    )
    t = np.arange(2, SHORT.T + 1)
    mse = SHORT.alpha_bar[t] * v / (SHORT.alpha_bar[t] * v + SHORT.noise[t])
    apart = SHORT.beta[t] ** 2 / (SHORT.alpha[t] * SHORT.noise[t]) * mse
    best = SHORT.beta_tilde[t] + apart
    assert found.best_variance()[2:] == pytest.approx(best, rel=0.01)
    # The true step back is Gaussian here, and the best σ² is its variance, so its cost is the mutual information: ½ ln of a ratio.
    at_best = found.ledger(found.best_variance())
    assert at_best.L_t == pytest.approx(np.log2(best / SHORT.beta_tilde[t]) / 2, rel=0.1)
    for name in ("beta", "beta_tilde"):
        other = getattr(SHORT, name)[t]
        exact = (SHORT.beta_tilde[t] / other - 1 - np.log(SHORT.beta_tilde[t] / other) + apart / other) / 2
        ledger = found.ledger(name)
        assert ledger.L_t == pytest.approx(exact / math.log(2), rel=0.1)
        assert at_best.L_t.sum() <= ledger.L_t.sum()


def test_the_best_last_variance_is_best():
    rng = np.random.default_rng(6)
    found = likelihood.errors(guess_of_levels(SHORT), SHORT, draw_levels(rng, 900), 2, rng, levels=5)
    best = found.best_variance()
    assert best[0] == 0
    for factor in (0.8, 1.25):
        other = best.copy()
        other[1] *= factor
        assert found.ledger(best).L_0 < found.ledger(other).L_0


def test_a_learned_variance_that_is_everywhere_the_same():
    """A network that answers one share for all entries has the ledger of the array of those variances."""
    schedule = SHORT.to("cpu", torch.float64)
    known = guess_of_gaussian(schedule, 0.0, 0.1)

    def network(x_t, t):
        return torch.cat([known(x_t, t), torch.full_like(x_t, 0.4)], dim=1)

    x_0 = torch.from_numpy(draw_levels(np.random.default_rng(7), 300)).reshape(300, 1, 3)
    model = diffusion.NoiseModel(network, schedule, learned_variance=True)
    found = likelihood.errors(model, schedule, x_0, 5, torch.Generator().manual_seed(1), levels=5, clip=False)
    floor = VARIANCES["beta_tilde"]
    array = np.zeros(SHORT.T + 1)
    array[1:] = SHORT.beta[1:] ** 0.7 * floor[1:] ** 0.3
    ours, same = found.ledger("learned"), found.ledger(array)
    assert ours.L_t == pytest.approx(same.L_t, rel=1e-9)
    assert ours[2:] == pytest.approx(same[2:], rel=1e-7)  # `gap` is kept in float32


def test_times_are_spread():
    rng = np.random.default_rng(8)
    t = likelihood.spread_times(70, 6, 50, rng)
    assert t.shape == (70, 6)
    assert (t.min(), t.max()) == (2, 50)
    counts = np.bincount(t.ravel(), minlength=51)[2:]
    assert counts.max() - counts.min() <= 1
    part = (t - 2) * 6 // 49
    assert (abs(part - np.arange(6)) <= 1).all()
    assert (np.diff(t, axis=1) >= 0).all()


def test_each_single_time_is_uniform():
    rng = np.random.default_rng(9)
    times = np.stack([likelihood.spread_times(5, 2, 11, rng) for _ in range(4000)])
    counts = np.bincount(times[:, 0].ravel(), minlength=12)[
        2:7
    ]  # the first picture, the first half; t = 7 is shared by both
    assert stats.chisquare(counts).pvalue > 1e-4


def test_a_stopped_measurement_goes_on(tmp_path):
    keep = tmp_path / "found.npz"
    x_0 = draw_levels(np.random.default_rng(10), 100)
    model, asked = guess_of_levels(SHORT), []

    def counting(x_t, t):
        asked.append(len(t))
        return model(x_t, t)

    def stopping(x_t, t):
        if len(asked) >= 8:
            raise KeyboardInterrupt
        return counting(x_t, t)

    whole = likelihood.errors(model, SHORT, x_0, 2, np.random.default_rng(1), levels=5, batch=25)
    with pytest.raises(KeyboardInterrupt):
        likelihood.errors(stopping, SHORT, x_0, 2, np.random.default_rng(1), levels=5, batch=25, keep=keep)
    asked.clear()
    lines = []
    again = likelihood.errors(
        counting, SHORT, x_0, 2, np.random.default_rng(1), levels=5, batch=25, keep=keep, progress=lines.append
    )
    assert (len(asked), len(lines)) == (6, 2)  # two batches of four were done: two times each, and t = 1
    assert np.array_equal(again.squared, whole.squared)
    assert np.array_equal(again.gap, whole.gap)
    with pytest.raises(ValueError, match="keep must be a file of this measurement"):
        likelihood.errors(model, SHORT, x_0, 2, np.random.default_rng(2), levels=5, batch=25, keep=keep)


def test_clipping_is_part_of_the_model():
    rng = np.random.default_rng(11)
    x_0 = draw_levels(rng, 400)

    def wild(x_t, t):
        return np.zeros_like(x_t)  # no noise seen: x̂_0 is x_t/√ᾱ, far outside at large t

    held = likelihood.errors(wild, SHORT, x_0, 2, np.random.default_rng(0), levels=5)
    free = likelihood.errors(wild, SHORT, x_0, 2, np.random.default_rng(0), levels=5, clip=False)
    assert held.ledger().bits_per_dim < free.ledger().bits_per_dim
    assert free.squared.mean() == pytest.approx(3.0, rel=0.1)  # ‖ε‖² of three entries


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"repeats": 0}, ValueError, "repeats must be a whole number from 1 to 39, but it was 0"),
        (
            {"repeats": 1},
            ValueError,
            "repeats must be at least 2, so that 50 pictures ask each of 39 times twice, but it was 1",
        ),
        ({"x_0": np.full((50, 2), 0.3)}, ValueError, "x_0 must be among 5 equally spaced values"),
        ({"x_0": np.full((50, 2), 1.5)}, ValueError, "x_0 must be among 5 equally spaced values"),
        ({"rng": 3}, TypeError, "rng must be a numpy.random.Generator or a torch.Generator, but it was int"),
        ({"model": lambda x, t: x[:1]}, ValueError, "model's answer must have x_0's shape"),
    ],
)
def test_bad_input(changes, error, message):
    values = {"model": guess_of_levels(SHORT), "x_0": np.ones((50, 2)), "repeats": 4, "rng": np.random.default_rng(0)}
    values |= changes
    with pytest.raises(error, match=message):
        likelihood.errors(values["model"], SHORT, values["x_0"], values["repeats"], values["rng"], levels=5)


@pytest.mark.parametrize(
    ("variance", "message"),
    [
        ("best", "variance must be one of 'beta', 'beta_tilde', 'learned', but it was 'best'"),
        ("learned", "variance must be fixed with a network that answers for none, but it was 'learned'"),
        (np.ones(3), "variance must be a name or 41 numbers, above 0 from t = 1 on, but it was 3 numbers"),
        (np.zeros(41), "variance must be a name or 41 numbers"),
    ],
)
def test_bad_variances(variance, message):
    found = likelihood.errors(
        guess_of_levels(SHORT), SHORT, draw_levels(np.random.default_rng(0), 50), 4, np.random.default_rng(0), levels=5
    )
    with pytest.raises(ValueError, match=message):
        found.ledger(variance)


@pytest.fixture
def small_run(tmp_path, monkeypatch):
    """An untrained network of 50 steps, and 60 digits of 8×8; returns the run's folder."""
    rng = np.random.default_rng(0)
    digits = data.Digits(rng.integers(0, 256, (60, 8, 8), dtype=np.uint8), np.zeros(60, np.uint8), "noise")
    monkeypatch.setattr(data, "mnist", lambda split="train": digits)
    config = TrainingConfig(UNetConfig(image_size=8, channels=8, multipliers=(1,), outputs=2), T=50, variance="learned")
    (tmp_path / "config.json").write_text(config.to_json())
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        record.save_tensors(tmp_path / "weights.safetensors", UNet(config.unet).state_dict())
    return tmp_path


def test_the_record_of_a_run(small_run):
    lines = []
    results = likelihood.evaluate(small_run, progress=lines.append, repeats=4)
    assert "test digits: 60 of 60 pictures asked about" in lines[-1]
    assert len(results["ledger"]["L_t"]) == 49
    assert len(results["likelihood"]["best_variance"]) == 51
    total = results["ledger"]["L_T"] + sum(results["ledger"]["L_t"]) + results["ledger"]["L_0"]
    assert results["bits_per_dim"] == pytest.approx(total, rel=1e-5)
    choices = results["likelihood"]["variances"]
    assert set(choices) == {"beta", "beta_tilde", "best", "learned"}
    assert choices["best"]["bits_per_dim"] == results["bits_per_dim"]
    for one in choices.values():
        assert one["bits_per_dim"] == pytest.approx(one["L_T"] + one["L_t"] + one["L_0"])
        assert one["bits_per_dim"] > 7.5  # noise of 8 bits cannot be told shorter
    assert results["likelihood"]["evaluations"] == 300
    asked = sorted(path.name for path in small_run.glob("asked-*"))
    assert len(asked) == 2
    again = likelihood.evaluate(small_run, repeats=4)  # from what was kept
    assert again["bits_per_dim"] == results["bits_per_dim"]
    fewer = likelihood.evaluate(small_run, digits=40, repeats=4)
    assert fewer["likelihood"]["digits"] == 40
