"""Training against one step by hand; what a run leaves; what stops it."""

import dataclasses
import json
import math

import numpy as np
import pytest
import torch
from scipy import stats
from torch.utils._python_dispatch import TorchDispatchMode

from ddpm_edu import bounds, diffusion, evaluation, objective, record, schedules, training
from ddpm_edu.record import Progress
from ddpm_edu.training import Trainer
from ddpm_edu.unet import UNet, UNetConfig, parameter_count

from .oracles import FALSE_ALARM, assert_law
from .small_run import CONFIG, HELD_OUT, IMAGES, TINY_NET, bits, run, run_steps, trainer


def test_steps_by_hand():
    # Adam with β = (0.9, 0.999), warm-up and cosine, clipping, and the average of the weights, as written in the papers.
    config = dataclasses.replace(CONFIG, clip=0.05, steps=6, warmup=2)
    made = trainer(config)
    rng = torch.Generator().manual_seed(config.seed)
    beta = np.linspace(1e-4, 0.2, 50)
    alpha_bar = torch.tensor(np.cumprod(1 - beta), dtype=torch.float32)
    net = UNet(config.unet)
    net.load_state_dict(made.network.state_dict())
    names = [name for name, _ in net.named_parameters()]
    m = {name: 0.0 for name in names}
    v = {name: 0.0 for name in names}
    average = {}
    shortened = 0
    for k in range(6):
        x_0 = torch.tensor(IMAGES / 127.5 - 1, dtype=torch.float32)[torch.randint(40, (4,), generator=rng)][:, None]
        t = torch.randint(50, (4,), generator=rng) + 1
        eps = torch.randn(4, 1, 8, 8, generator=rng)
        a = alpha_bar[t - 1][:, None, None, None]  # this array counts from t = 1
        loss = ((eps - net(a.sqrt() * x_0 + (1 - a).sqrt() * eps, t)) ** 2).mean()
        gradients = dict(zip(names, torch.autograd.grad(loss, list(net.parameters())), strict=True))
        length = math.sqrt(sum(float((g.double() ** 2).sum()) for g in gradients.values()))
        shortened += length > 0.05
        rate = 1e-3 * ((k + 1) / 2 if k < 2 else 0.5 * (1 + math.cos(math.pi * (k - 2) / 4)))
        with torch.no_grad():
            for name, parameter in net.named_parameters():
                g = gradients[name].double() * min(1.0, 0.05 / length)
                m[name] = 0.9 * m[name] + 0.1 * g
                v[name] = 0.999 * v[name] + 0.001 * g**2
                mean, square = m[name] / (1 - 0.9 ** (k + 1)), v[name] / (1 - 0.999 ** (k + 1))
                parameter -= rate * mean / (square.sqrt() + 1e-8)
                average[name] = parameter.clone() if k == 0 else 0.8 * average[name] + 0.2 * parameter
        assert made.step().item() == pytest.approx(loss.item(), rel=1e-4)
        for name, parameter in made.network.named_parameters():
            # Where a gradient is about 1e-8, Adam's quotient amplifies rounding: hence the small absolute part.
            torch.testing.assert_close(parameter, dict(net.named_parameters())[name], rtol=1e-4, atol=2e-5)
        for name, parameter in made.averaged.module.named_parameters():
            torch.testing.assert_close(parameter, average[name], rtol=1e-4, atol=2e-5)
    assert shortened == 6


@pytest.mark.parametrize(("step", "factor"), [(0, 0.25), (1, 0.5), (3, 1.0), (4, 1.0), (54, 0.5), (104, 0.0)])
def test_the_rate_rises_in_a_line_and_falls_along_a_cosine(step, factor):
    config = dataclasses.replace(CONFIG, warmup=4, steps=104)
    assert training.rate_factor(step, config) == pytest.approx(factor, abs=1e-12)


def test_the_rate_without_a_warm_up_and_with_nothing_but():
    assert training.rate_factor(0, dataclasses.replace(CONFIG, warmup=0)) == 1
    short = dataclasses.replace(CONFIG, warmup=12, steps=12)
    assert [training.rate_factor(k, short) for k in (0, 11)] == [1 / 12, 1]
    falling = [training.rate_factor(k, dataclasses.replace(CONFIG, steps=100)) for k in range(3, 100)]
    assert falling == sorted(falling, reverse=True)
    assert 0 < falling[-1] < 0.01


def test_what_the_loss_is_given(monkeypatch):
    # Data in [−1, 1], each t from 1…T equally often, noise from N(0, 1), all images: nothing left out, nothing twice.
    asked = []

    def loss(config, model, x_0, t, schedule, eps):
        asked.append((x_0, t, eps))
        return next(model.parameters()).sum()

    monkeypatch.setattr(objective, "loss", loss)
    config = dataclasses.replace(CONFIG, T=6, batch=20, steps=200)
    made = trainer(config)
    for _ in range(200):
        made.step()
    x_0, t, eps = (torch.cat(parts) for parts in zip(*asked, strict=True))
    assert x_0.shape == (4000, 1, 8, 8)
    assert (x_0.min(), x_0.max()) == (-1, 1)
    assert set(t.tolist()) == {1, 2, 3, 4, 5, 6}
    assert stats.chisquare(np.bincount(t)[1:]).pvalue > FALSE_ALARM
    seen = np.unique(((x_0 + 1) * 127.5).round().numpy().astype(np.uint8).reshape(4000, -1), axis=0, return_counts=True)
    assert len(seen[0]) == 40
    assert stats.chisquare(seen[1]).pvalue > FALSE_ALARM
    assert_law(eps.flatten()[:50_000].numpy(), "norm")
    assert not torch.equal(eps[0], eps[1])
    assert {tuple(row) for row in seen[0].tolist()} == {tuple(image.ravel().tolist()) for image in IMAGES}


def test_the_schedule_is_the_configured_one():
    made = trainer()
    expected = schedules.linear(50, 1e-4, 0.2)
    np.testing.assert_allclose(made.schedule.alpha_bar.numpy(), expected.alpha_bar, rtol=1e-6)


def test_the_seed_decides_everything_and_nothing_else_is_touched():
    before = torch.get_rng_state()
    one, other = trainer(), trainer()
    losses = [made.step().item() for made in (one, other)]
    torch.manual_seed(99)  # global state has no say
    losses += [made.step().item() for made in (one, other)]
    torch.set_rng_state(before)
    one.step()
    other.step()
    assert torch.equal(torch.get_rng_state(), before)
    assert losses[0] == losses[1]
    assert losses[2] == losses[3]
    assert bits(one.state()) == bits(other.state())
    third = trainer(dataclasses.replace(CONFIG, seed=1))
    assert third.step().item() != losses[0]


def test_a_state_is_not_moved_by_later_steps():
    made = run_steps(trainer(), 3)
    state, weights = made.state(), made.weights()
    before = bits(state), bits(weights)
    on = [made.step().item() for _ in range(4)]
    assert (bits(state), bits(weights)) == before
    other = trainer()
    other.load_state(state)
    assert [other.step().item() for _ in range(4)] == on
    assert bits(state) == before[0]
    assert bits(other.state()) == bits(made.state())


def test_one_batch_can_be_learnt():
    # Four pictures, again and again: the loss falls far below 1, what a model that answers 0 gets.
    config = dataclasses.replace(CONFIG, unet=UNetConfig(image_size=8, channels=16, multipliers=(1, 2)), T=10, beta_T=0.6, steps=200, batch=16, learning_rate=1e-2)  # fmt: skip
    made = Trainer(config, IMAGES[:4], HELD_OUT)
    losses = [made.step().item() for _ in range(200)]
    assert losses[0] == pytest.approx(1, abs=0.25)
    assert np.mean(losses[-20:]) < 0.35


def test_the_validation_loss_by_hand():
    made = run_steps(trainer(), 3)
    eps = torch.randn(7, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    schedule = schedules.linear(50, 1e-4, 0.2)
    total = 0.0
    for i, t in enumerate([1, 8, 15, 22, 29, 36, 43]):  # evenly over 1…50
        a = schedule.alpha_bar[t]
        x_0 = torch.tensor(HELD_OUT[i] / 127.5 - 1, dtype=torch.float32)
        x_t = math.sqrt(a) * x_0 + math.sqrt(1 - a) * eps[i]
        with torch.no_grad():
            total += float(((made.averaged.module(x_t[None], torch.tensor([t])) - eps[i]) ** 2).mean())
    assert made.validation_loss() == pytest.approx(total / 7, rel=1e-5)
    assert made.validation_loss() == made.validation_loss()


def test_validation_takes_all_of_many_digits_and_leaves_training_alone():
    many = np.random.default_rng(2).integers(0, 256, (501, 8, 8), dtype=np.uint8)
    one, other = Trainer(CONFIG, IMAGES, many), Trainer(CONFIG, IMAGES, many)
    x_0, t, eps = one._validation
    assert (t.min(), t.max()) == (1, 50)
    whole = diffusion.training_loss(one.averaged.module, x_0, t, one.schedule, eps).item()
    assert one.validation_loss() == pytest.approx(whole, rel=1e-5)
    run_steps(one, 2)
    run_steps(other, 2)
    assert bits(one.state()) == bits(other.state())


def test_a_run_leaves_a_whole_record(tmp_path):
    directory = tmp_path / "new" / "run"
    made = trainer()
    entries = list(training.train(made, directory))
    assert [e.step for e in entries] == [3, 6, 9, 12]
    assert [e.images for e in entries] == [12, 24, 36, 48]
    assert all(e.rate > 0 for e in entries)
    assert [e.seconds for e in entries] == sorted(e.seconds for e in entries)
    assert record.read_log(directory) == entries
    assert {p.name for p in directory.iterdir()} == {
        "config.json",
        "log.jsonl",
        "weights.safetensors",
        "checkpoint.safetensors",
    }
    assert record.read_config(directory) == CONFIG
    network, config = record.load_run(directory)
    assert config == CONFIG
    assert not network.training
    assert bits(network.state_dict()) == bits(made.averaged.module.state_dict()) == bits(made.weights())
    lines = (directory / "log.jsonl").read_text().splitlines()
    assert [json.loads(line)["step"] for line in lines] == [3, 6, 9, 12]


def test_the_log_averages_the_interval(tmp_path):
    made, losses = trainer(), []
    step = made.step
    made.step = lambda: losses.append(step()) or losses[-1]
    entries = list(training.train(made, tmp_path))
    for i, entry in enumerate(entries):
        assert entry.loss == pytest.approx(np.mean([loss.item() for loss in losses[3 * i : 3 * i + 3]]), rel=1e-6)
    assert entries[-1].validation_loss == made.validation_loss()


def test_an_interval_that_does_not_divide_the_steps(tmp_path):
    entries = list(training.train(trainer(dataclasses.replace(CONFIG, steps=7)), tmp_path))
    assert [e.step for e in entries] == [3, 6, 7]


def test_the_metrics_of_a_finished_run(tmp_path):
    made = run(tmp_path)
    metrics = training.describe(made, tmp_path)
    assert metrics == json.loads((tmp_path / "metrics.json").read_text())
    last = record.read_log(tmp_path)[-1]
    assert metrics["steps"] == 12
    assert metrics["images"] == 48
    assert metrics["loss"] == last.loss
    assert metrics["validation_loss"] == last.validation_loss
    assert metrics["training_seconds"] == last.seconds
    assert metrics["parameters"] == parameter_count(made.network)
    assert metrics["weights_sha256"] == record.sha256(tmp_path / "weights.safetensors")
    assert metrics["trained_on"]["torch"] == torch.__version__
    assert set(metrics["trained_on"]) == {"device", "python", "torch", "numpy", "date"}
    assert str(tmp_path) not in (tmp_path / "metrics.json").read_text()


def test_what_was_measured_of_the_same_weights_is_kept(tmp_path):
    made = run(tmp_path)
    measured = training.describe(made, tmp_path) | {"frechet": 12.5}
    (tmp_path / "metrics.json").write_text(json.dumps(measured))
    assert training.describe(made, tmp_path) == measured
    assert json.loads((tmp_path / "metrics.json").read_text()) == measured
    (tmp_path / "metrics.json").write_text(json.dumps(measured | {"weights_sha256": "0" * 64}))
    assert "frechet" not in training.describe(made, tmp_path)


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_a_loss_that_is_no_number_stops_the_run(bad, tmp_path):
    made = trainer()
    step = made.step
    made.step = lambda: step() * (bad if made.steps_made == 8 else 1)
    with pytest.raises(FloatingPointError, match=f"the loss was {bad} between steps 6 and 9"):
        list(training.train(made, tmp_path))
    assert int(record.load_tensors(tmp_path / "checkpoint.safetensors")["steps_made"]) == 6
    assert [entry.step for entry in record.read_log(tmp_path)] == [3, 6]


def test_weights_that_are_no_numbers_are_not_written(tmp_path):
    # The last step of an interval ruins the weights: its own loss is still a number.
    made = trainer()
    step = made.step

    def ruin():
        loss = step()
        if made.steps_made == 6:
            with torch.no_grad():
                for parameter in made.averaged.module.parameters():
                    parameter.fill_(math.nan)
        return loss

    made.step = ruin
    with pytest.raises(FloatingPointError, match="and nan on the held-out digits"):
        list(training.train(made, tmp_path))
    assert [entry.step for entry in record.read_log(tmp_path)] == [3]
    for name in ("weights", "checkpoint"):
        tensors = record.load_tensors(tmp_path / f"{name}.safetensors")
        assert all(torch.isfinite(value.float()).all() for value in tensors.values())


def test_the_type_to_compute_in(monkeypatch):
    assert training.precision(torch.device("cpu")) == torch.float32
    for has_bf16, expected in ((True, torch.bfloat16), (False, torch.float16)):
        monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation: has_bf16)  # noqa: B023
        assert training.precision(torch.device("cuda")) == expected
    made = trainer(dataclasses.replace(CONFIG, mixed_precision=True, compile=True))
    assert made.precision == torch.float32  # both are for a card
    assert made.model is made.network


@pytest.mark.parametrize("shape", [(5, 8, 7), (5, 28, 28), (0, 8, 8), (5, 1, 8, 8), (8, 8)])
def test_pictures_that_do_not_fit_the_network(shape):
    pictures = np.zeros(shape, np.uint8)
    with pytest.raises(ValueError, match=r"images must have shape \(N, 8, 8\) with N ≥ 1, but its shape was \("):
        Trainer(CONFIG, pictures, HELD_OUT)
    with pytest.raises(ValueError, match=r"held_out must have shape \(N, 8, 8\) with N ≥ 1, but its shape was \("):
        Trainer(CONFIG, IMAGES, pictures)


def test_pictures_that_were_already_scaled():
    with pytest.raises(TypeError, match="images must be uint8, but it was float64"):
        Trainer(CONFIG, IMAGES / 255, HELD_OUT)


def test_a_network_of_one_resolution_trains():
    made = Trainer(
        dataclasses.replace(CONFIG, unet=UNetConfig(image_size=8, channels=4, multipliers=(1,), groups=2)),
        IMAGES,
        HELD_OUT,
    )
    first = made.step().item()
    assert math.isfinite(first)


@pytest.mark.parametrize(
    "change",
    [
        {"target": "x_0"},
        {"target": "v", "schedule": "cosine"},
        {"weighting": "bound", "variance": "beta_tilde", "schedule": "log_linear"},
        {"variance": "learned", "unet": dataclasses.replace(TINY_NET, outputs=2)},
        {"target": "v", "variance": "learned", "weighting": "bound", "unet": dataclasses.replace(TINY_NET, outputs=2)},
        {"unet": dataclasses.replace(TINY_NET, fourier=(1, 2), dropout=0.1)},
    ],
)
def test_every_kind_of_training_learns_and_is_recorded(change, tmp_path):
    config = dataclasses.replace(CONFIG, **change, steps=30, interval=15, batch=16, samples=30, ema=0.5)
    made = trainer(config)
    fresh = made.validation_loss()
    log = [*training.train(made, tmp_path)]
    assert log[-1].validation_loss < fresh
    network, read = record.load_run(tmp_path)
    assert read == config
    model = read.noise_model(network, read.make_schedule().to("cpu"))
    with torch.inference_mode():
        assert model(torch.zeros(2, 1, 8, 8), torch.tensor([1, 50])).shape == (2, 1, 8, 8)
    assert (tmp_path / "samples.png").is_file()


def test_validation_is_the_noises_whatever_the_target():
    # The loss in training is the target's; the one on held-out digits is comparable between targets.
    config = dataclasses.replace(CONFIG, target="x_0")
    made = run_steps(trainer(config), 2)
    x_0, t, eps = made._validation
    a = made.schedule.alpha_bar[t][:, None, None, None]
    x_t = a.sqrt() * x_0 + (1 - a).sqrt() * eps
    with torch.inference_mode():
        guess = (x_t - a.sqrt() * made.averaged.module(x_t, t)) / (1 - a).sqrt()
    assert made.validation_loss() == pytest.approx(((guess - eps) ** 2).mean().item(), rel=1e-3)


def test_samples_and_kept_weights_on_the_way(tmp_path):
    config = dataclasses.replace(CONFIG, samples=6, keep=6)
    made, seen = trainer(config), []
    for progress in training.train(made, tmp_path):
        picture = tmp_path / "samples.png"
        seen.append(picture.read_bytes() if picture.exists() else b"")
        if progress.step == 6:
            weights = bits(made.weights())
    assert seen[0] == b""
    assert seen[1] == seen[2] != seen[3]
    assert {path.name for path in tmp_path.glob("weights-*")} == {
        "weights-000006.safetensors",
        "weights-000012.safetensors",
    }
    assert bits(record.load_tensors(tmp_path / "weights-000006.safetensors")) == weights
    import matplotlib.image

    drawn = evaluation.grid(evaluation.to_grey(made.draw()))
    np.testing.assert_allclose(matplotlib.image.imread(tmp_path / "samples.png")[:, :, 0] * 255, drawn, atol=1)


def test_looking_leaves_training_alone(tmp_path):
    plain = run(tmp_path / "plain")
    looked = run(tmp_path / "looked", dataclasses.replace(CONFIG, samples=3, keep=3))
    assert bits(looked.state()) == bits(plain.state())


@pytest.mark.parametrize(("room", "said"), [(5, "4 would fit: --set batch=4"), (0, "not even one digit would fit")])
def test_a_memory_too_small_says_which_batch_would_do(room, said, tmp_path, monkeypatch):
    config = dataclasses.replace(CONFIG, batch=16)
    made = trainer(config)
    forward, tried = UNet.forward, []

    def small(self, x_t, t):
        tried.append(len(x_t))
        if len(x_t) > room:
            raise torch.cuda.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")
        return forward(self, x_t, t)

    monkeypatch.setattr(UNet, "forward", small)
    before = bits(made.weights())
    with pytest.raises(MemoryError, match="batch must fit the device's memory, but 16 was too large; " + said):
        list(training.train(made, tmp_path))
    assert tried == ([16, 8, 4] if room else [16, 8, 4, 2, 1])
    assert bits(made.weights()) == before
    assert all(parameter.grad is None for parameter in made.network.parameters())


def test_a_step_asks_the_device_for_nothing(monkeypatch):
    # Each value read from a tensor would keep a card waiting. On a CPU the check of t and Adam's count of steps do read;
    # and the averages keep the count of their updates on the host.
    class Listening(TorchDispatchMode):
        read = 0

        def __torch_dispatch__(self, function, types, args=(), kwargs=None):
            Listening.read += function is torch.ops.aten._local_scalar_dense.default
            return function(*args, **(kwargs or {}))

    for change in (
        {},
        {"variance": "learned", "unet": dataclasses.replace(TINY_NET, outputs=2)},
        {"weighting": "bound"},
    ):
        made = trainer(dataclasses.replace(CONFIG, **change))
        made.step()
        monkeypatch.setattr(schedules, "_check_t", lambda t, T: None)
        monkeypatch.setattr(bounds, "_on_a_card", lambda value: True)
        monkeypatch.setattr(made.optimiser, "step", lambda *args, **kwargs: None)
        monkeypatch.setattr(made.averaged, "update_parameters", lambda network: None)
        Listening.read = 0
        with Listening():
            made.step()
        assert Listening.read == 0, change
        with Listening():
            made.step().item()
        assert Listening.read == 1


def test_a_line_of_the_log_in_words():
    config = dataclasses.replace(CONFIG, steps=10_000, batch=64)
    line = training.in_words(Progress(1000, 64_000, 100.0, 0.05, 0.06, 640.0), config)
    assert line == "step  1,000 of 10,000   loss 0.0500   held out 0.0600   640 digits/s   15 min left"
    ends = [
        training.in_words(Progress(step, 1, 1.0, 1.0, 1.0, 64.0), config).split("   ")[-1]
        for step in (10_000, 9_940, 4_000)
    ]
    assert ends == ["0 s left", "60 s left", "1.7 h left"]
