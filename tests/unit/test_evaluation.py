"""Drawing digits from a run and measuring them, by loops and by hand."""

import dataclasses
import json
import os

import matplotlib.image
import numpy as np
import pytest
import torch

from ddpm_edu import data, diffusion, evaluation, record, schedules
from ddpm_edu.classifier import Classifier, features_of
from ddpm_edu.configuration import TrainingConfig
from ddpm_edu.distances import frechet_distance
from ddpm_edu.unet import UNet, UNetConfig

CONFIG = TrainingConfig(
    UNetConfig(image_size=28, channels=4, multipliers=(1, 2), groups=2), T=6, beta_T=0.5, steps=2, batch=2, interval=1
)


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


# --- a run is measured ---


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
    record.save_tensors(shelf / "weights.safetensors", classifier.state_dict())
    monkeypatch.setattr(record, "find_run", lambda name: tmp_path / name)
    directory = tmp_path / "run"
    directory.mkdir()
    (directory / "config.json").write_text(CONFIG.to_json())
    record.save_tensors(directory / "weights.safetensors", network.state_dict())
    return some, classifier, directory


def test_evaluation_by_hand(small_world, network):
    digits, classifier, directory = small_world
    (directory / "metrics.json").write_text('{"steps": 2, "frechet": 99}')
    metrics = evaluation.evaluate(directory, n=20, seed=3)
    assert metrics == json.loads((directory / "metrics.json").read_text(encoding="utf-8"))

    def features(images):
        return features_of(images, classifier)

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
    assert metrics["classifier_sha256"] == record.sha256(directory.parent / "classifier" / "weights.safetensors")
    picture = matplotlib.image.imread(directory / "samples.png")
    np.testing.assert_allclose(picture[:, :, 0] * 255, evaluation.grid(drawn), atol=1.01)


@pytest.mark.parametrize(("n", "match"), [(1, "but it was 1$"), (10_001, "but it was 10001$")])
def test_evaluation_refuses(n, match, small_world):
    with pytest.raises(ValueError, match="n must be a whole number from 2 to 10000, " + match):
        evaluation.evaluate(small_world[2], n=n)
