"""Drawing and measuring: the Fréchet distance against closed forms, everything else by loops and by hand."""

import dataclasses
import json
import math
import os

import matplotlib.image
import numpy as np
import pytest
import scipy.linalg
import torch
from hypothesis import given
from hypothesis import strategies as st

from ddpm_edu import data, diffusion, evaluation, schedules, training
from ddpm_edu.evaluation import Classifier, frechet_distance
from ddpm_edu.unet import UNet, UNetConfig

CONFIG = training.TrainingConfig(
    UNetConfig(image_size=28, channels=4, multipliers=(1, 2), groups=2), T=6, beta_T=0.5, steps=2, batch=2, interval=1
)


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


@pytest.fixture(autouse=True)
def seeded():
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        yield


@pytest.fixture
def network():
    net = UNet(CONFIG.unet)
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.add_(0.05 * torch.randn(parameter.shape))
    return net.eval()


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


# --- drawing ---


@pytest.mark.parametrize("sampler", ["ancestral", "ddim"])
def test_a_drawing_is_the_chain_of_its_seed(sampler, network):
    steps = 3 if sampler == "ddim" else None
    drawn = evaluation.draw(network, CONFIG, 3, sampler, steps, seed=5)
    assert drawn.shape == (3, 28, 28)
    assert drawn.dtype == np.uint8
    rng = torch.Generator().manual_seed(5)
    x_T = torch.randn(3, 1, 28, 28, generator=rng)
    schedule = schedules.linear(6, 1e-4, 0.5).to("cpu")
    with torch.no_grad():
        if sampler == "ancestral":
            *_, last = diffusion.ancestral(network, x_T, schedule, rng, "beta", clip=True)
        else:
            *_, last = diffusion.ddim(network, x_T, schedule, 3, 0.0, clip=True)
    expected = np.round((last.x_t[:, 0].clip(-1, 1).numpy() + 1) * 127.5)
    np.testing.assert_allclose(drawn, expected, atol=1)
    assert drawn.std() > 1


def test_drawings_repeat_by_their_seed_alone(network):
    before = torch.get_rng_state()
    one = evaluation.draw(network, CONFIG, 2, seed=1)
    assert torch.equal(torch.get_rng_state(), before)
    torch.manual_seed(77)
    np.testing.assert_array_equal(evaluation.draw(network, CONFIG, 2, seed=1), one)
    assert (evaluation.draw(network, CONFIG, 2, seed=2) != one).any()
    assert (one[0] != one[1]).any()
    np.testing.assert_array_equal(evaluation.draw(network, CONFIG, 2), evaluation.draw(network, CONFIG, 2, seed=0))


def test_many_are_drawn_in_batches(network):
    told = []
    drawn = evaluation.draw(network, dataclasses.replace(CONFIG, T=1), 65, progress=told.append)
    assert drawn.shape == (65, 28, 28)
    assert told[0].startswith("64 of 65 digits drawn, ")
    assert told[1].startswith("65 of 65 digits drawn, ")
    assert (drawn[64] != drawn[0]).any()


def test_a_drawing_that_was_stopped_goes_on_where_it_was(network, tmp_path):
    """Two batches kept, then more: the same digits as in one go, and the kept ones are not drawn again."""
    config = dataclasses.replace(CONFIG, T=2)
    keep = tmp_path / "drawn.safetensors"
    told = []
    evaluation.draw(network, config, 128, keep=keep)
    resumed = evaluation.draw(network, config, 140, keep=keep, progress=told.append)
    np.testing.assert_array_equal(resumed, evaluation.draw(network, config, 140))
    assert len(told) == 1
    assert len(evaluation.draw(network, config, 3, keep=keep)) == 3


def test_ddim_takes_50_steps_unless_told(network, monkeypatch):
    asked = []
    ddim = diffusion.ddim
    monkeypatch.setattr(
        diffusion, "ddim", lambda net, x, schedule, steps: asked.append(steps) or ddim(net, x, schedule, 1)
    )
    config = dataclasses.replace(CONFIG, T=60)
    evaluation.draw(network, config, 1, "ddim")
    evaluation.draw(network, config, 1, "ddim", 7)
    assert asked == [50, 7]


@pytest.mark.parametrize(
    ("arguments", "error", "match"),
    [
        ({"n": 0}, ValueError, "n must be at least 1, but it was 0"),
        ({"n": 1.5}, TypeError, r"n must be a whole number, but it was 1\.5"),
        ({"sampler": "euler"}, ValueError, "sampler must be one of 'ancestral', 'ddim', but it was 'euler'"),
        (
            {"steps": 3},
            ValueError,
            "steps must be left out with the ancestral sampler, which takes all 6, but it was 3",
        ),
        ({"sampler": "ddim", "steps": 0}, ValueError, "steps must be a whole number from 1 to 6, but it was 0"),
        ({"sampler": "ddim", "steps": 7}, ValueError, "steps must be a whole number from 1 to 6, but it was 7"),
        ({"seed": -1}, ValueError, "seed must be at least 0, but it was -1"),
    ],
)
def test_draw_refuses(arguments, error, match, network):
    with pytest.raises(error, match=match):
        evaluation.draw(network, CONFIG, **{"n": 1, **arguments})


def test_ancestral_may_be_told_its_own_number_of_steps(network):
    np.testing.assert_array_equal(evaluation.draw(network, CONFIG, 1, steps=6), evaluation.draw(network, CONFIG, 1))


# --- pictures ---


def test_grey_values_undo_the_scaling():
    every = np.arange(256, dtype=np.uint8).reshape(1, 16, 16)
    np.testing.assert_array_equal(evaluation.to_grey(torch.from_numpy(data.to_unit_range(every))), every)
    beyond = torch.tensor([-9.0, -1.001, 0.0, 0.999, 1.001, 9.0]).reshape(1, 1, 2, 3)
    assert evaluation.to_grey(beyond).ravel().tolist() == [0, 0, 128, 255, 255, 255]


@pytest.mark.parametrize(("n", "columns", "shape"), [(1, None, (1, 1)), (5, None, (2, 3)), (9, None, (3, 3)), (10, None, (3, 4)), (5, 2, (3, 2)), (2, 5, (1, 5))])  # fmt: skip
def test_a_grid_by_loops(n, columns, shape):
    images = np.random.default_rng(0).integers(1, 256, (n, 3, 2), dtype=np.uint8)
    sheet = evaluation.grid(images, columns)
    rows, across = shape
    assert sheet.shape == (rows * 4 - 1, across * 3 - 1)
    assert sheet.dtype == np.uint8
    for y in range(sheet.shape[0]):
        for x in range(sheet.shape[1]):
            k = (y // 4) * across + x // 3
            ink = y % 4 < 3 and x % 3 < 2 and k < n
            assert sheet[y, x] == (images[k, y % 4, x % 3] if ink else 0)


def test_a_grid_needs_images_and_columns():
    with pytest.raises(
        ValueError, match=r"images must have shape \(N, H, W\) with N ≥ 1, but its shape was \(0, 3, 2\)"
    ):
        evaluation.grid(np.zeros((0, 3, 2)))
    with pytest.raises(ValueError, match=r"images must have shape \(N, H, W\) with N ≥ 1, but its shape was \(3, 2\)"):
        evaluation.grid(np.zeros((3, 2)))
    with pytest.raises(ValueError, match="columns must be at least 1, but it was 0"):
        evaluation.grid(np.zeros((4, 3, 2)), 0)


def test_a_saved_grid_holds_its_grey_values(tmp_path):
    images = np.random.default_rng(0).integers(
        100, 156, (4, 5, 5), dtype=np.uint8
    )  # not the whole range: no stretching
    evaluation.save_grid(images, tmp_path / "grid.png")
    read = matplotlib.image.imread(tmp_path / "grid.png")
    for channel in range(3):
        np.testing.assert_allclose(read[:, :, channel] * 255, evaluation.grid(images), atol=1)


def test_where_a_picture_may_go(tmp_path, monkeypatch):
    evaluation.check_picture(tmp_path / "a.png")
    evaluation.check_picture(str(tmp_path / "a.PNG"))
    with pytest.raises(ValueError, match=r"out must end in \.png, but it was 'a\.jpg'"):
        evaluation.check_picture(tmp_path / "a.jpg")
    with pytest.raises(FileNotFoundError, match=r"out must lie in a folder that exists, but there is no '.*nowhere'"):
        evaluation.check_picture(tmp_path / "nowhere" / "a.png")
    monkeypatch.setattr(os, "access", lambda path, mode: mode != os.W_OK)
    with pytest.raises(PermissionError, match=r"out must lie in a folder that can be written to, but '.*' cannot"):
        evaluation.save_grid(np.zeros((1, 2, 2), np.uint8), tmp_path / "a.png")
    assert not list(tmp_path.iterdir())


# --- the classifier and its features ---


def test_features_come_before_the_scores():
    classifier, x = Classifier().eval(), torch.randn(3, 1, 28, 28)
    features = classifier.features(x)
    assert features.shape == (3, 64)
    assert (features >= 0).all()
    scores = features @ classifier.to_scores.weight.T + classifier.to_scores.bias
    torch.testing.assert_close(classifier(x), scores)
    assert torch.equal(classifier(x), classifier(x))
    classifier.train()
    assert not torch.equal(classifier(x), classifier(x))  # dropout


def test_features_of_many_images_in_parts():
    classifier = Classifier().eval()
    images = np.random.default_rng(0).integers(0, 256, (1001, 28, 28), dtype=np.uint8)
    features = evaluation.features_of(images, classifier)
    assert features.shape == (1001, 64)
    assert features.dtype == np.float64
    for k in (0, 999, 1000):
        x = torch.tensor(images[k] / 127.5 - 1, dtype=torch.float32)[None, None]
        with torch.no_grad():
            np.testing.assert_allclose(features[k], classifier.features(x)[0].numpy(), rtol=1e-3, atol=1e-4)


@pytest.fixture
def small_world(tmp_path, monkeypatch, network):
    """Few real digits, an untrained classifier and an untrained network, recorded like real ones."""
    train, test = data._stand_in("train"), data._stand_in("test")
    some = {
        "train": data.Digits(train.images[:60], train.labels[:60], "60 digits"),
        "test": data.Digits(test.images[:50], test.labels[:50], "50 digits"),
    }
    monkeypatch.setattr(data, "mnist", lambda split="train": some[split])
    classifier = Classifier().eval()
    shelf = tmp_path / "classifier"
    shelf.mkdir()
    training.save_tensors(shelf / "weights.safetensors", classifier.state_dict())
    monkeypatch.setattr(training, "find_run", lambda name: tmp_path / name)
    directory = tmp_path / "run"
    directory.mkdir()
    (directory / "config.json").write_text(CONFIG.to_json())
    training.save_tensors(directory / "weights.safetensors", network.state_dict())
    return some, classifier, directory


def test_evaluation_by_hand(small_world, network):
    digits, classifier, directory = small_world
    (directory / "metrics.json").write_text('{"steps": 2, "frechet": 99}')
    metrics = evaluation.evaluate(directory, n=20, seed=3)
    assert metrics == json.loads((directory / "metrics.json").read_text(encoding="utf-8"))

    def features(images):
        return evaluation.features_of(images, classifier)

    reference = features(digits["train"].images)
    drawn = evaluation.draw(network, CONFIG, 20, seed=3)
    assert metrics["frechet"] == pytest.approx(frechet_distance(features(drawn), reference), rel=1e-3)
    order = np.random.default_rng(3).permutation(50)
    parts = [digits["test"].images[order[:20]], digits["test"].images[order[20:40]]]  # disjoint, all that fit
    floor = np.mean([frechet_distance(features(part), reference) for part in parts])
    assert metrics["frechet_floor"] == pytest.approx(floor, rel=1e-6)
    assert metrics["frechet_n"] == 20
    assert metrics["steps"] == 2
    assert metrics["seed"] == 3
    assert metrics["sampler"] == "ancestral, 6 steps, σ² = β, clipped"
    assert metrics["classifier_sha256"] == training.sha256(directory.parent / "classifier" / "weights.safetensors")
    picture = matplotlib.image.imread(directory / "samples.png")
    np.testing.assert_allclose(picture[:, :, 0] * 255, evaluation.grid(drawn), atol=1.01)


@pytest.mark.parametrize(("n", "match"), [(1, "but it was 1$"), (10_001, "but it was 10001$")])
def test_evaluation_refuses(n, match, small_world):
    with pytest.raises(ValueError, match="n must be a whole number from 2 to 10000, " + match):
        evaluation.evaluate(small_world[2], n=n)


def test_a_classifier_that_does_not_fit(small_world):
    shelf = small_world[2].parent / "classifier" / "weights.safetensors"
    training.save_tensors(shelf, {"other": torch.zeros(2)})
    with pytest.raises(ValueError, match=r"weights\.safetensors must fit the classifier, but it does not: ") as error:
        evaluation.load_classifier()
    assert "\n" not in str(error.value)
    shelf.write_bytes(b"cut")
    with pytest.raises(ValueError, match=r"weights\.safetensors must be a whole safetensors file"):
        evaluation.load_classifier()
    shelf.unlink()
    with pytest.raises(FileNotFoundError, match=r"weights\.safetensors must be in the run's folder"):
        evaluation.load_classifier()


def test_the_classifier_learns(small_world, tmp_path, monkeypatch):
    train = data._stand_in("train")
    some = data.Digits(train.images[:384], train.labels[:384], "")
    monkeypatch.setattr(data, "mnist", lambda split="train": some)
    told, before = [], torch.get_rng_state()
    metrics = evaluation.train_classifier(tmp_path / "made" / "here", epochs=4, progress=told.append)
    assert torch.equal(torch.get_rng_state(), before)
    assert len(told) == 4
    assert told[0].startswith("epoch 1 of 4: loss ")
    assert metrics["test_accuracy"] > 0.2  # after twelve steps; chance is 0.1
    assert metrics == json.loads((tmp_path / "made" / "here" / "metrics.json").read_text())
    monkeypatch.setattr(training, "find_run", lambda name: tmp_path / "made" / "here")
    classifier = evaluation.load_classifier()
    assert not classifier.training
    with torch.no_grad():
        scores = classifier(torch.from_numpy(data.to_unit_range(some.images)))
    assert (scores.argmax(1).numpy() == some.labels).mean() == pytest.approx(metrics["test_accuracy"], abs=0.01)


def test_the_classifier_needs_an_epoch_and_a_folder(tmp_path):
    with pytest.raises(ValueError, match="epochs must be at least 1, but it was 0"):
        evaluation.train_classifier(tmp_path, epochs=0)
    (tmp_path / "file").write_text("")
    with pytest.raises(NotADirectoryError, match=r"directory must be a folder, but '.*file' is or lies in a file"):
        evaluation.train_classifier(tmp_path / "file")


def test_the_recorded_classifier_reads_real_digits(mnist_folder, monkeypatch):
    monkeypatch.setenv("DDPM_EDU_DATA", str(mnist_folder))
    try:
        training.find_run("classifier")
    except FileNotFoundError:
        pytest.skip("the classifier is not recorded yet")
    classifier, test = evaluation.load_classifier(), data.mnist("test")
    with torch.no_grad():
        scores = classifier(torch.from_numpy(data.to_unit_range(test.images[:500])))
    assert (scores.argmax(1).numpy() == test.labels[:500]).mean() > 0.98
