"""Configurations: what they refuse, how they are stored, named and changed."""

import dataclasses
import json
import math
import re

import numpy as np
import pytest

from ddpm_edu import configuration
from ddpm_edu.configuration import TrainingConfig

from .small_run import CONFIG, TINY_NET


@pytest.mark.parametrize(
    ("change", "error", "match"),
    [
        ({"steps": 0}, ValueError, "steps must be at least 1, but it was 0"),
        ({"steps": 1.5}, TypeError, r"steps must be a whole number, but it was 1\.5"),
        ({"batch": 0}, ValueError, "batch must be at least 1, but it was 0"),
        ({"interval": -1}, ValueError, "interval must be at least 1, but it was -1"),
        ({"warmup": -1}, ValueError, "warmup must be at least 0, but it was -1"),
        ({"seed": -1}, ValueError, "seed must be at least 0, but it was -1"),
        ({"learning_rate": 0}, ValueError, "learning_rate must be a finite number of at least 1e-12, but it was 0"),
        ({"learning_rate": math.nan}, ValueError, "learning_rate must be .* but it was nan"),
        ({"clip": -1.0}, ValueError, r"clip must be .* but it was -1\.0"),
        ({"ema": 1.1}, ValueError, r"ema must be a number from 0 to 1, but it was 1\.1"),
        ({"ema": -0.1}, ValueError, r"ema must be a number from 0 to 1, but it was -0\.1"),
        ({"T": 0}, ValueError, "T must be at least 1, but it was 0"),
        ({"beta_1": 0.0}, ValueError, r"β_1 was 0\.0"),
        ({"beta_T": 1.5}, ValueError, r"beta_T must be a number from 0 to 1, but it was 1\.5"),
        ({"target": "noise"}, ValueError, "target must be one of 'eps', 'x_0', 'v', 'belief', but it was 'noise'"),
        (
            {"schedule": "sigmoid"},
            ValueError,
            "schedule must be one of 'linear', 'cosine', 'log_linear', but it was 'sigmoid'",
        ),
        ({"schedule": "cosine", "s": -1.0}, ValueError, r"s must be a finite number of at least 0, but it was -1\.0"),
        ({"schedule": "log_linear", "log_snr_T": 20.0}, ValueError, r"log_snr_1 must be above log_snr_T \(20\.0\)"),
        ({"weighting": "snr"}, ValueError, "weighting must be one of 'simple', 'bound', but it was 'snr'"),
        (
            {"variance": "fixed"},
            ValueError,
            "variance must be one of 'beta', 'beta_tilde', 'learned', but it was 'fixed'",
        ),
        (
            {"variance": "learned"},
            ValueError,
            "unet.outputs must be 2 where variance is 'learned', .* but it was 1",
        ),
        ({"unet": dataclasses.replace(TINY_NET, outputs=2)}, ValueError, "but it was 2 with variance 'beta'"),
        ({"bound_share": 0.0}, ValueError, r"bound_share must be a finite number of at least 1e-12, but it was 0\.0"),
        ({"samples": 4}, ValueError, r"samples must be a multiple of interval \(3\), but it was 4"),
        ({"keep": 4}, ValueError, r"keep must be a multiple of interval \(3\), but it was 4"),
        ({"keep": -3}, ValueError, "keep must be at least 0, but it was -3"),
    ],
)
def test_a_configuration_refuses(change, error, match):
    with pytest.raises(error, match=match):
        dataclasses.replace(CONFIG, **change)


def test_a_configuration_survives_its_file():
    for config in (CONFIG, *configuration.PRESETS.values()):
        assert TrainingConfig.from_json(config.to_json()) == config
    assert json.loads(CONFIG.to_json())["unet"]["attention"] == [4]


def test_a_stored_configuration_need_not_name_everything():
    values = json.loads(dataclasses.replace(CONFIG, target="v").to_json())
    del values["target"], values["schedule"], values["unet"]["dropout"]
    assert TrainingConfig.from_json(json.dumps(values)) == CONFIG


def test_presets():
    assert set(configuration.PRESETS) == {"tiny", "cpu", "page", "gpu", "likelihood"}
    for name, config in configuration.PRESETS.items():
        assert configuration.preset(name) is config
        assert config.unet.image_size == 28
    assert configuration.preset("gpu").unet.attention == (7,)
    assert configuration.preset("gpu").mixed_precision
    assert not configuration.preset("tiny").samples


@pytest.mark.parametrize(
    ("name", "nearest"), [("GPU", "gpu"), ("gpus", "gpu"), ("liklihood", "likelihood"), ("everything", None)]
)
def test_an_unknown_preset(name, nearest):
    with pytest.raises(ValueError, match=f"preset must be one of 'tiny', .*, but it was '{name}'") as error:
        configuration.preset(name)
    assert str(error.value).endswith(f"(did you mean '{nearest}'?)" if nearest else f"'{name}'")


def test_the_schedule_is_made_of_its_own_values():
    linear = dataclasses.replace(CONFIG, T=3, beta_1=0.1, beta_T=0.3, s=5.0, log_snr_1=-99.0).make_schedule()
    np.testing.assert_allclose(linear.beta, [0, 0.1, 0.2, 0.3])
    cosine = dataclasses.replace(CONFIG, T=4, schedule="cosine", s=0.1, beta_max=0.9).make_schedule()
    f = np.cos((np.arange(5) / 4 + 0.1) / 1.1 * np.pi / 2) ** 2
    np.testing.assert_allclose(cosine.alpha_bar[:4], f[:4] / f[0])
    assert cosine.beta[4] == 0.9
    straight = dataclasses.replace(CONFIG, T=3, schedule="log_linear", log_snr_1=4.0, log_snr_T=-2.0).make_schedule()
    np.testing.assert_allclose(np.log(straight.snr[1:]), [4, 1, -2])


@pytest.mark.parametrize("target", ["eps", "x_0", "v"])
def test_the_noise_model_knows_the_target(target):
    # A network that answers rightly, whatever it was asked, is a model that names the noise.
    config = dataclasses.replace(CONFIG, target=target)
    schedule, rng = config.make_schedule(), np.random.default_rng(0)
    x_0, eps, t = rng.uniform(-1, 1, (5, 1, 8, 8)), rng.standard_normal((5, 1, 8, 8)), np.arange(1, 50, 10)
    a = np.cumprod(1 - np.linspace(1e-4, 0.2, 50))[t - 1][:, None, None, None]
    answer = {"eps": eps, "x_0": x_0, "v": np.sqrt(a) * eps - np.sqrt(1 - a) * x_0}[target]
    model = config.noise_model(lambda x_t, t: answer, schedule)
    np.testing.assert_allclose(model(np.sqrt(a) * x_0 + np.sqrt(1 - a) * eps, t), eps, atol=1e-9)
    assert not model.learned_variance
    learned = dataclasses.replace(config, variance="learned", unet=dataclasses.replace(TINY_NET, outputs=2))
    assert learned.noise_model(lambda x_t, t: answer, schedule).learned_variance


def test_change_reads_values_of_every_kind():
    texts = {
        "steps": "500", "learning_rate": "3e-4", "compile": "True", "target": "v", "unet.channels": "32",
        "unet.multipliers": "(1, 2)", "unet.attention": "", "unet.dropout": "0.1", "mixed_precision": "false",
    }  # fmt: skip
    changed = configuration.change(CONFIG, texts)
    net = dataclasses.replace(TINY_NET, channels=32, multipliers=(1, 2), attention=(), dropout=0.1)
    assert changed == dataclasses.replace(
        CONFIG, steps=500, learning_rate=3e-4, compile=True, target="v", unet=net, mixed_precision=False
    )
    assert type(changed.steps) is int
    assert configuration.change(CONFIG, {}) == CONFIG


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("stepz", "3", "a key must be one of the configuration's, but it was 'stepz' (did you mean 'steps'?)"),
        ("unet.chanels", "3", "but it was 'unet.chanels' (did you mean 'unet.channels'?)"),
        ("channels", "3", "but it was 'channels' (did you mean 'unet.channels'?)"),
        ("unet", "3", "a key must be one of the configuration's, but it was 'unet' (did you mean 'unet.groups'?)"),
        ("qqq", "3", "a key must be one of the configuration's, but it was 'qqq'"),
        ("steps", "2.5", "steps must be a whole number, but it was '2.5'"),
        ("ema", "much", "ema must be a number, but it was 'much'"),
        ("compile", "1", "compile must be true or false, but it was '1'"),
        ("unet.attention", "7;14", "unet.attention must be whole numbers with commas between, but it was '7;14'"),
        ("unet.attention", "5", r"attention must name sizes among (8, 4), but it held [5]"),
        ("steps", "0", "steps must be at least 1, but it was 0"),
    ],
)
def test_change_refuses(name, text, said):
    with pytest.raises(ValueError, match=re.escape(said) + "$"):
        configuration.change(CONFIG, {name: text})


def test_override_changes_what_is_given():
    assert configuration.override(CONFIG, steps=None, seed=None) == CONFIG
    assert configuration.override(CONFIG, steps=5, seed=0) == dataclasses.replace(CONFIG, steps=5)
    with pytest.raises(ValueError, match="steps must be at least 1, but it was 0"):
        configuration.override(CONFIG, steps=0)
