"""Training and sampling on tensors that have a device but no numbers: whatever would make a card wait, or mixes devices, raises.

No card is needed for this: torch's device "meta" follows shapes, types and devices alone, and has no value to read.
"""

import contextlib

import numpy as np
import pytest
import torch

from ddpm_edu import bounds, configuration, diffusion, training
from ddpm_edu.unet import UNet

HERE = torch.device("meta")
REAL = torch.Generator
CHANGES = {
    "noise": {},
    "v": {"target": "v", "schedule": "cosine", "unet.fourier": "6,7"},
    "bound": {"target": "x_0", "weighting": "bound", "variance": "beta_tilde"},
    "learned variance": {"variance": "learned", "unet.outputs": "2"},
    "attention": {"unet.attention": "14", "times": "stratified"},
}


class Generator:
    """A generator that says it is on the device, where its numbers are not needed; elsewhere, a real one."""

    def __new__(cls, device="cpu"):
        return super().__new__(cls) if torch.device(device) == HERE else REAL(device)

    def __init__(self, device):
        self.device = HERE

    def manual_seed(self, seed):
        return self


@pytest.fixture(autouse=True)
def card(monkeypatch):
    for name in ("randn", "rand", "randint"):
        real = getattr(torch, name)

        def made(*shape, real=real, generator=None, device="cpu", dtype=None):
            if isinstance(generator, Generator):
                assert generator.device == torch.device(device)
                generator = None
            return real(*shape, generator=generator, device=device, dtype=dtype)

        monkeypatch.setattr(torch, name, made)
    monkeypatch.setattr(torch, "autocast", lambda *args, **more: contextlib.nullcontext())
    monkeypatch.setattr(training, "check_device", lambda name: HERE)
    monkeypatch.setattr(bounds, "_on_a_card", lambda value: getattr(value, "device", None) == HERE)
    monkeypatch.setattr(torch, "Generator", Generator)


def config(name, changes):
    return configuration.change(configuration.preset(name), {"batch": "2", "compile": "false", **changes})


CONFIGS = [pytest.param(config("tiny", changes), id=name) for name, changes in CHANGES.items()]
CONFIGS.append(pytest.param(config("likelihood", {}), id="likelihood"))


@pytest.mark.parametrize("chosen", CONFIGS)
def test_a_training_step_never_waits(chosen):
    images = np.zeros((4, 28, 28), np.uint8)
    trainer = training.Trainer(chosen, images, images, "cuda")
    for _ in range(2):
        loss = trainer.step()
    assert loss.device == HERE
    assert loss.shape == ()


@pytest.mark.parametrize("chosen", CONFIGS)
def test_a_step_back_never_waits(chosen):
    schedule = chosen.make_schedule().to(HERE)
    eps_theta = chosen.noise_model(UNet(chosen.unet).to(HERE), schedule)
    x_t = torch.empty(2, 1, 28, 28, device=HERE)
    with torch.inference_mode():
        back = diffusion.p_sample(eps_theta, x_t, 7, schedule, Generator(HERE), chosen.variance)
        *_, last = diffusion.ddim(eps_theta, x_t, schedule, 3, 0.5, Generator(HERE))
    assert back.x_t.device == last.x_t.device == HERE


def test_it_would_be_noticed():
    with pytest.raises(RuntimeError, match=r"item\(\)"):
        bool(torch.ones(1, device=HERE) > 0)
    with pytest.raises(RuntimeError, match="device"):
        torch.ones(1, device=HERE) + torch.ones(1)
