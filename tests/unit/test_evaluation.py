"""Drawing digits from a run and measuring them, by loops and by hand."""

import dataclasses
import json
import os

import matplotlib.image
import numpy as np
import pytest
import torch

from ddpm_edu import data, diffusion, distances, distributed, evaluation, likelihood, record, schedules
from ddpm_edu.classifier import Classifier, features_of, labels_of
from ddpm_edu.configuration import TrainingConfig
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
        diffusion, "ddim", lambda net, x, schedule, steps, *rest: asked.append(steps) or ddim(net, x, schedule, 1)
    )
    config = dataclasses.replace(CONFIG, T=60)
    evaluation.draw(network, config, 1, "ddim")
    evaluation.draw(network, config, 1, "ddim", 7)
    assert asked == [50, 7]


def test_a_drawing_follows_its_configuration(network):
    """Another target, another schedule, another σ²; and fresh noise in DDIM."""
    config = dataclasses.replace(CONFIG, target="v", variance="beta_tilde", schedule="cosine")
    schedule = schedules.cosine(6).to("cpu")
    eps_theta = diffusion.NoiseModel(network, schedule, "v")
    for sampler, steps, eta in (("ancestral", None, 0.0), ("ddim", 4, 0.7)):
        rng = torch.Generator().manual_seed(2)
        x_T = torch.randn(2, 1, 28, 28, generator=rng)
        with torch.no_grad():
            if sampler == "ancestral":
                *_, last = diffusion.ancestral(eps_theta, x_T, schedule, rng, "beta_tilde")
            else:
                *_, last = diffusion.ddim(eps_theta, x_T, schedule, 4, 0.7, rng)
        drawn = evaluation.draw(network, config, 2, sampler, steps, seed=2, eta=eta)
        np.testing.assert_allclose(drawn, evaluation.to_grey(last.x_t), atol=1)


def test_a_learned_variance_is_drawn_with():
    unet = dataclasses.replace(CONFIG.unet, outputs=2)
    config = dataclasses.replace(CONFIG, unet=unet, variance="learned")
    network = UNet(unet).eval()
    rng = torch.Generator().manual_seed(0)
    x_T = torch.randn(2, 1, 28, 28, generator=rng)
    schedule = config.make_schedule().to("cpu")
    with torch.no_grad():
        *_, last = diffusion.ancestral(config.noise_model(network, schedule), x_T, schedule, rng, "learned")
    np.testing.assert_allclose(evaluation.draw(network, config, 2), evaluation.to_grey(last.x_t), atol=1)


def test_what_was_drawn_is_not_drawn_again(network, tmp_path):
    """Not even an unfinished batch, if as many are wanted again; the seconds add up, and where they are not known they stay so."""
    config, keep, told = dataclasses.replace(CONFIG, T=1), tmp_path / "drawn.safetensors", []
    first = evaluation.draw(network, config, 70, keep=keep)
    seconds = float(record.load_tensors(keep)["seconds"])
    np.testing.assert_array_equal(evaluation.draw(network, config, 70, keep=keep, progress=told.append), first)
    assert not told
    more = evaluation.draw(network, config, 130, keep=keep, progress=told.append)
    np.testing.assert_array_equal(more, evaluation.draw(network, config, 130))
    assert [line.split(" of ")[0] for line in told] == ["128", "130"]
    kept = record.load_tensors(keep)
    assert float(kept["seconds"]) > seconds > 0
    del kept["seconds"]
    record.save_tensors(keep, kept)
    np.testing.assert_array_equal(
        evaluation.draw(network, config, 131, keep=keep), evaluation.draw(network, config, 131)
    )
    assert np.isnan(float(record.load_tensors(keep)["seconds"]))


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
        ({"eta": 0.5}, ValueError, r"eta must be 0 with the ancestral sampler, whose noise is σ², but it was 0\.5"),
        ({"sampler": "ddim", "eta": 1.5}, ValueError, r"eta must be a number from 0 to 1, but it was 1\.5"),
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


# --- digits are measured ---


def some_digits(split, n):
    digits = data._stand_in(split)
    return data.Digits(digits.images[:n], digits.labels[:n], f"{n} digits")


TRAIN, TEST = some_digits("train", 130), some_digits("test", 50)


@pytest.fixture(scope="module")
def judge():
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(3)
        return Classifier().eval()


def in_order(judge):
    """The features of test and training digits in the order in which they are measured."""
    rng = np.random.default_rng(0)
    train_order, test_order = rng.permutation(130), rng.permutation(50)
    return features_of(TEST.images[test_order], judge), features_of(TRAIN.images[train_order], judge), test_order


def test_measures_by_hand(judge):
    noise = np.random.default_rng(1).normal(0, 30, (20, 28, 28))
    drawn = (TRAIN.images[100:120] + noise).clip(0, 255).astype(np.uint8)
    found = evaluation.measure(drawn, TRAIN, TEST, judge, parts=2)
    real, known, test_order = in_order(judge)
    seen = features_of(drawn, judge)
    references = [known[i : i + 20] for i in range(0, 120, 20)]

    def score(crowd, among):
        return np.mean([distances.frechet_distance(crowd, reference) for reference in among])

    assert found["frechet"] == pytest.approx(score(seen, references))
    assert found["frechet_floor"] == pytest.approx((score(real[:20], references) + score(real[20:40], references)) / 2)
    copies = [distances.frechet_distance(references[i], references[i + 1]) for i in range(5)]
    assert found["frechet_copies"] == pytest.approx(np.mean(copies))
    without = [score(np.delete(seen, [2 * i, 2 * i + 1], axis=0), references) for i in range(10)]
    assert found["frechet_stderr"] == pytest.approx(np.sqrt(0.9 * ((without - np.mean(without)) ** 2).sum()))
    assert found["frechet_n"] == 20
    tens = [known[i : i + 10] for i in range(0, 100, 10)]  # ten of the thirteen that there are
    assert found["frechet_parts"]["n"] == 10
    assert found["frechet_parts"]["drawn"] == pytest.approx([score(seen[:10], tens), score(seen[10:], tens)])
    assert found["frechet_parts"]["real"] == pytest.approx([score(real[i : i + 10], tens) for i in range(0, 50, 10)])
    assert found["frechet_all"]["drawn"] == pytest.approx(score(seen, [known]))
    assert found["frechet_all"]["real"] == pytest.approx(score(real[:20], [known]))
    assert (found["kernel"], found["kernel_stderr"]) == pytest.approx(distances.kernel_distance(seen, known))
    floor = distances.kernel_distance(real, known)
    assert (found["kernel_floor"], found["kernel_floor_stderr"]) == pytest.approx(floor)
    shares = distances.precision_recall(known[:20], seen, 3)
    assert (found["precision"], found["recall"]) == shares
    shares = distances.precision_recall(known[:20], real[:20], 3)
    assert (found["real_precision"], found["real_recall"]) == shares
    labels = labels_of(drawn, judge)
    assert found["labels"]["counts"] == [(labels == digit).sum() for digit in range(10)]
    expected = [20 * (TRAIN.labels == digit).mean() for digit in range(10)]
    assert found["labels"]["expected"] == pytest.approx(expected, abs=0.01)
    assert found["labels"]["p_value"] == distances.label_balance(labels, TRAIN.labels).p_value
    assert found["labels"]["total_variation"] == distances.label_balance(labels, TRAIN.labels).total_variation
    below = {}
    for name, images in (("drawn", drawn), ("real", TEST.images[test_order[:20]])):
        pixels = [min(np.linalg.norm(one / 255.0 - other / 255.0) for other in TRAIN.images) for one in images]
        ends = [0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99]
        assert found["nearest"]["pixels"][name] == pytest.approx(np.quantile(pixels, ends), abs=1e-4)
        assert list(found["nearest"]["quantiles"]) == ends
        features = [min(np.linalg.norm(one - other) for other in known) for one in features_of(images, judge)]
        assert found["nearest"]["features"][name] == pytest.approx(np.quantile(features, ends), abs=1e-4)
        below[name] = pixels
    first = np.quantile(below["real"], 0.01)
    for name, pixels in below.items():
        assert found["nearest"]["pixels"][f"{name}_below"] == (pixels < first).mean()


def test_test_digits_score_the_floor_and_copies_are_found(judge):
    *_, test_order = in_order(judge)
    told = []
    found = evaluation.measure(TEST.images[test_order], TRAIN, TEST, judge, progress=told.append)
    assert len(told) == 3
    assert found["frechet"] == pytest.approx(found["frechet_floor"])
    assert found["kernel"] == pytest.approx(found["kernel_floor"])
    assert (found["precision"], found["recall"]) == (found["real_precision"], found["real_recall"])
    assert found["nearest"]["pixels"]["drawn"] == found["nearest"]["pixels"]["real"]
    found = evaluation.measure(TRAIN.images[:30], TRAIN, TEST, judge)
    for kind in ("pixels", "features"):
        assert max(found["nearest"][kind]["drawn"]) == pytest.approx(0, abs=1e-4)
        assert found["nearest"][kind]["drawn_below"] == 1
        assert found["nearest"][kind]["real_below"] < 0.1


def test_how_many_can_be_measured(judge):
    for n in (19, 51):
        with pytest.raises(ValueError, match=f"n must be a whole number from 20 to 50, but it was {n}"):
            evaluation.measure(TRAIN.images[:n], TRAIN, TEST, judge)
    with pytest.raises(ValueError, match="n must be a whole number from 20 to 25, but it was 30"):
        evaluation.measure(TEST.images[:30], TEST, TRAIN, judge)
    with pytest.raises(ValueError, match="parts must be a whole number from 1 to 5, but it was 6"):
        evaluation.measure(TRAIN.images[:20], TRAIN, TEST, judge, parts=6)


# --- a run is measured ---


@pytest.fixture
def small_world(tmp_path, monkeypatch, network, judge):
    """Few real digits, an untrained classifier and an untrained network, recorded like real ones; returns the run's folder."""
    monkeypatch.setattr(data, "mnist", lambda split="train": {"train": TRAIN, "test": TEST}[split])
    (tmp_path / "classifier").mkdir()
    record.save_tensors(tmp_path / "classifier" / "weights.safetensors", judge.state_dict())
    monkeypatch.setattr(record, "find_run", lambda name: tmp_path / name)
    directory = tmp_path / "run"
    directory.mkdir()
    (directory / "config.json").write_text(CONFIG.to_json())
    record.save_tensors(directory / "weights.safetensors", network.state_dict())
    return directory


def test_evaluation_by_hand(small_world, network, judge):
    (small_world / "metrics.json").write_text('{"steps": 2, "frechet": 99}')
    metrics = evaluation.evaluate(small_world, n=23, seed=3, seeds=2, only="digits")
    assert json.loads((small_world / "metrics.json").read_text(encoding="utf-8")) == json.loads(json.dumps(metrics))
    drawn = np.concatenate([evaluation.draw(network, CONFIG, 11, seed=3), evaluation.draw(network, CONFIG, 12, seed=4)])
    for name, value in evaluation.measure(drawn, TRAIN, TEST, judge, parts=2).items():
        assert metrics[name] == value or name == "frechet_parts" or metrics[name] == pytest.approx(value, rel=1e-6)
    assert metrics["frechet_n"] == 23
    assert metrics["frechet_parts"]["n"] == 11
    assert metrics["steps"] == 2
    assert metrics["seeds"] == [3, 4]
    assert metrics["sampler"] == "ancestral, 6 steps, σ² = β, clipped"
    assert metrics["classifier_sha256"] == record.sha256(small_world.parent / "classifier" / "weights.safetensors")
    assert metrics["measured_sha256"] == record.sha256(small_world / "weights.safetensors")
    assert metrics["seconds"] > 0
    machine = record.machine(torch.device("cpu"))
    assert {"device": metrics["device"], **metrics["versions"]} == machine
    assert list(metrics["samplers"]) == ["ancestral"]
    assert metrics["samplers"]["ancestral"].items() <= metrics.items()
    picture = matplotlib.image.imread(small_world / "samples.png")
    np.testing.assert_allclose(picture[:, :, 0] * 255, evaluation.grid(drawn), atol=1.01)


@pytest.fixture
def quick(monkeypatch):
    """Measuring takes a while and is tested above: here it only says what it was given."""

    def measure(drawn, train, test, judge, parts, progress):
        return {"frechet": float(drawn.sum(dtype=np.int64)), "frechet_n": len(drawn), "parts": parts}

    monkeypatch.setattr(evaluation, "measure", measure)


def test_several_samplers_stand_side_by_side(quick, small_world, network):
    evaluation.evaluate(small_world, n=21, only="digits")
    metrics = evaluation.evaluate(small_world, n=20, only="digits", sampler="ddim", steps=3, eta=0.5, seeds=1)
    assert list(metrics["samplers"]) == ["ancestral", "ddim-3-eta-0.5"]
    assert metrics["sampler"] == "ancestral, 6 steps, σ² = β, clipped"  # it has more digits
    assert metrics["samplers"]["ddim-3-eta-0.5"]["sampler"] == "DDIM, 3 steps, η = 0.5, clipped"
    picture = matplotlib.image.imread(small_world / "samples-ddim-3-eta-0.5.png")
    drawn = evaluation.draw(network, CONFIG, 20, "ddim", 3, eta=0.5)
    np.testing.assert_allclose(picture[:, :, 0] * 255, evaluation.grid(drawn), atol=1.01)
    metrics = evaluation.evaluate(small_world, n=21, only="digits", sampler="ddim", steps=3)
    assert metrics["sampler"] == "DDIM, 3 steps, η = 0, clipped"  # of two with as many digits, the later one
    metrics = evaluation.evaluate(small_world, n=22, only="digits", sampler="ddim", steps=3, eta=0.5)
    assert list(metrics["samplers"]) == ["ancestral", "ddim-3", "ddim-3-eta-0.5"]
    assert metrics["frechet_n"] == metrics["samplers"]["ddim-3-eta-0.5"]["frechet_n"] == 22
    # Other weights: what was measured of the old ones goes.
    with torch.no_grad():
        next(network.parameters()).add_(0.1)
    record.save_tensors(small_world / "weights.safetensors", network.state_dict())
    metrics = evaluation.evaluate(small_world, n=20, only="digits", sampler="ddim", steps=2)
    assert list(metrics["samplers"]) == ["ddim-2"]
    assert metrics["sampler"] == "DDIM, 2 steps, η = 0, clipped"


def test_an_evaluation_goes_on_where_it_was(quick, small_world, monkeypatch):
    """Stopped in the second seed: the first is not drawn again."""
    calls = []
    real = diffusion.ancestral

    def stopping(*arguments):
        calls.append(1)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return real(*arguments)

    monkeypatch.setattr(diffusion, "ancestral", stopping)
    with pytest.raises(KeyboardInterrupt):
        evaluation.evaluate(small_world, n=20, seeds=2, only="digits")
    told = []
    evaluation.evaluate(small_world, n=20, seeds=2, only="digits", progress=told.append)
    assert len(calls) == 3
    assert told[0].startswith("seed 1: 10 of 10 digits drawn, ")


def test_seeds_are_shared_among_processes(quick, small_world, monkeypatch):
    """Two processes, one after the other: what each would draw, joined, is what one process draws."""
    whole = evaluation.evaluate(small_world, n=23, seeds=3, only="digits")
    for file in small_world.glob("drawn-*"):
        file.unlink()
    shares, sent = [slice(0, 1), slice(1, 3)], []
    monkeypatch.setattr(distributed, "share", lambda n: shares[distributed.rank()])
    monkeypatch.setattr(distributed, "rank", lambda: 1)
    monkeypatch.setattr(distributed, "is_first", lambda: False)
    monkeypatch.setattr(distributed, "gather", lambda mine: sent.append(mine) or mine)
    before = (small_world / "metrics.json").read_bytes()
    evaluation.evaluate(small_world, n=23, seeds=3, only="digits")
    assert (small_world / "metrics.json").read_bytes() == before  # only the first process writes
    assert [len(array) for array in sent] == [16, 1]
    later = iter(sent)
    monkeypatch.setattr(distributed, "rank", lambda: 0)
    monkeypatch.setattr(distributed, "is_first", lambda: True)
    monkeypatch.setattr(distributed, "gather", lambda mine: np.concatenate([mine, next(later)]))
    joined = evaluation.evaluate(small_world, n=23, seeds=3, only="digits")
    for name in ("frechet", "frechet_n", "parts", "seeds"):
        assert joined[name] == whole[name]
    assert joined["seconds"] == pytest.approx(sum(float(record.load_tensors(f)["seconds"]) for f in small_world.glob("drawn-*")), abs=0.1)  # fmt: skip


def test_seconds_that_are_not_known_stay_so(quick, small_world):
    evaluation.evaluate(small_world, n=20, seeds=1, only="digits")
    (keep,) = small_world.glob("drawn-*")
    kept = record.load_tensors(keep)
    del kept["seconds"]
    record.save_tensors(keep, kept)
    assert evaluation.evaluate(small_world, n=20, seeds=1, only="digits")["seconds"] is None


def test_the_likelihood_is_measured_beside_the_digits(quick, small_world, monkeypatch):
    asked = []
    monkeypatch.setattr(
        likelihood,
        "evaluate",
        lambda run, device, progress, digits: asked.append((run, device, digits)) or {"bits_per_dim": 1.5},
    )
    metrics = evaluation.evaluate(small_world, only="likelihood", digits=70)
    assert metrics == {"bits_per_dim": 1.5} == json.loads((small_world / "metrics.json").read_text())
    metrics = evaluation.evaluate(small_world, n=20)
    assert asked == [(small_world, "cpu", 70), (small_world, "cpu", 10_000)]
    assert metrics["bits_per_dim"] == 1.5
    assert metrics["frechet_n"] == 20
    assert evaluation.evaluate(small_world, n=20, only="digits")["bits_per_dim"] == 1.5
    assert len(asked) == 2


@pytest.mark.parametrize(
    ("arguments", "match"),
    [
        ({"n": 19}, "n must be a whole number from 20 to 10000, but it was 19$"),
        ({"n": 10_001}, "n must be a whole number from 20 to 10000, but it was 10001$"),
        ({"seeds": 0}, "seeds must be a whole number from 1 to 5, but it was 0"),
        ({"seeds": 6}, "seeds must be a whole number from 1 to 5, but it was 6"),
        ({"only": "bits"}, "only must be one of 'digits', 'likelihood', 'curve', but it was 'bits'"),
        ({"sampler": "ancestral", "steps": 3}, "steps must be left out with the ancestral sampler"),
        ({"sampler": "ddim", "eta": 2}, "eta must be a number from 0 to 1, but it was 2"),
    ],
)
def test_evaluation_refuses(arguments, match, small_world):
    before = sorted(small_world.iterdir())
    with pytest.raises(ValueError, match=match):
        evaluation.evaluate(small_world, **{"n": 20, **arguments})
    assert sorted(small_world.iterdir()) == before


# --- the curve of a run ---


@pytest.fixture
def kept(small_world, network):
    """A run that kept its weights at two steps: those of the end and others; returns its folder."""
    record.save_tensors(small_world / "weights-000004.safetensors", network.state_dict())
    other = UNet(CONFIG.unet).state_dict()
    record.save_tensors(small_world / "weights-000002.safetensors", other)
    lines = [record.Progress(step, 2 * step, 1.5 * step, 0.5, 0.6, 9.0) for step in (1, 2, 3, 4)]
    record.write_log(small_world, lines)
    return small_world


def test_the_curve_by_hand(kept, network, judge):
    _, known, _ = in_order(judge)
    told = []
    metrics = evaluation.evaluate(kept, n=20, seed=1, steps=3, only="curve", progress=told.append)
    assert metrics == json.loads((kept / "metrics.json").read_text(encoding="utf-8"))
    found = metrics["curve"]
    drawn = evaluation.draw(network, CONFIG, 20, "ddim", 3, seed=1)
    references = [known[i : i + 20] for i in range(0, 120, 20)]
    score = np.mean([distances.frechet_distance(features_of(drawn, judge), each) for each in references])
    assert [point["step"] for point in found["points"]] == [2, 4]
    assert [point["seconds"] for point in found["points"]] == [3.0, 6.0]
    assert found["points"][1]["frechet"] == pytest.approx(score, rel=1e-6)
    assert found["points"][0]["frechet"] != pytest.approx(score, rel=1e-3)
    whole = evaluation.measure(drawn, TRAIN, TEST, judge)
    assert found["frechet_floor"] == pytest.approx(whole["frechet_floor"])
    assert found["points"][1]["frechet"] == pytest.approx(whole["frechet"], rel=1e-6)
    assert (found["frechet_n"], found["sampler"]) == (20, "DDIM, 3 steps, η = 0, clipped")
    assert [line.split(":")[0] for line in told] == ["weights-000002.safetensors", "weights-000004.safetensors"]


def test_the_curve_is_shared_among_processes(kept, monkeypatch):
    whole = evaluation.curve(kept, 20, steps=2)
    monkeypatch.setattr(distributed, "share", lambda n: slice(0, 1))
    later = np.array([whole["points"][1]["frechet"]])
    monkeypatch.setattr(distributed, "gather", lambda mine: np.concatenate([mine, later]))
    assert evaluation.curve(kept, 20, steps=2) == whole


def test_a_curve_needs_kept_weights(small_world):
    with pytest.raises(
        FileNotFoundError, match=r"run must hold weights that training kept on its way \(its value keep\)"
    ):
        evaluation.curve(small_world, 20, steps=3)
    with pytest.raises(ValueError, match="n must be a whole number from 20 to 10000, but it was 19"):
        evaluation.curve(small_world, 19)
