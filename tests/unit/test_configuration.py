"""Configurations: what they refuse, how they are stored, named and changed."""

import dataclasses
import json
import math

import pytest

from ddpm_edu import configuration
from ddpm_edu.configuration import TrainingConfig

from .small_run import CONFIG


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
    ],
)
def test_a_configuration_refuses(change, error, match):
    with pytest.raises(error, match=match):
        dataclasses.replace(CONFIG, **change)


def test_a_configuration_survives_its_file():
    for config in (CONFIG, *configuration.PRESETS.values()):
        assert TrainingConfig.from_json(config.to_json()) == config
    assert json.loads(CONFIG.to_json())["unet"]["attention"] == [4]


def test_presets():
    assert set(configuration.PRESETS) == {"tiny", "cpu", "page", "gpu"}
    for config in configuration.PRESETS.values():
        assert config.T == 1000
        assert (config.beta_1, config.beta_T) == (1e-4, 0.02)
        assert config.unet.image_size == 28
    assert configuration.preset("gpu").unet.attention == (7,)
    assert configuration.preset("gpu").mixed_precision
    with pytest.raises(ValueError, match="preset must be one of 'tiny', 'cpu', 'page', 'gpu', but it was 'huge'"):
        configuration.preset("huge")


def test_override_changes_what_is_given():
    assert configuration.override(CONFIG, steps=None, seed=None) == CONFIG
    assert configuration.override(CONFIG, steps=5, seed=0) == dataclasses.replace(CONFIG, steps=5)
    with pytest.raises(ValueError, match="steps must be at least 1, but it was 0"):
        configuration.override(CONFIG, steps=0)
