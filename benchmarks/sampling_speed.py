"""Sampling, side by side: digits by all steps and by 50, ours and through diffusers' pipelines; and MNIST made ready.

    python benchmarks/sampling_speed.py                   on a CPU, 16 digits, some four minutes; writes sampling_speed.json
    python benchmarks/sampling_speed.py --device cuda     on a card, 64 digits, each network as it is and compiled

Three contestants take turns: this book's samplers; diffusers' DDPMPipeline and DDIMPipeline over this book's network, so
that only scheduler and loop differ (the digits are the same, and the record says how nearly); and the pipelines over
diffusers' own network of the same widths. Then the 60,000 training digits are read and put on the device, in a fresh
process each time.
"""

from __future__ import annotations

import contextlib
import json
import statistics
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import contestants
import diffusers
import measuring
import torch
from diffusers.configuration_utils import register_to_config
from diffusers.models.unets.unet_2d import UNet2DOutput
from torch import Tensor, nn

from ddpm_edu import diffusion, schedules
from ddpm_edu.configuration import preset
from ddpm_edu.unet import UNet

READY = """
import json, sys, time
import torch
from ddpm_edu import data

def peak():
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) / 1024 for line in status if line.startswith("VmHWM"))

device = torch.device(sys.argv[1])
torch.zeros(1, device=device)  # the card's start is not the data's
before, started = peak(), time.perf_counter()
digits = data.digits("train")
x_0 = torch.from_numpy(data.to_unit_range(digits.images)).to(device)
if device.type == "cuda":
    torch.cuda.synchronize()
spent = time.perf_counter() - started
card = torch.cuda.max_memory_allocated() / 2**20 if device.type == "cuda" else None
print(json.dumps({"digits": digits.source, "seconds": spent, "mebibytes_before": before, "mebibytes_peak": peak(), "mebibytes_on_card": card}))
"""

Sampler = Callable[[], Tensor]


class ForPipelines(diffusers.ModelMixin, diffusers.ConfigMixin):  # type: ignore[misc]
    """This book's network as a pipeline wants it: steps counted from 0, one for all images, the answer in a wrapper."""

    @register_to_config  # type: ignore[untyped-decorator]
    def __init__(self, sample_size: int = 28, in_channels: int = 1) -> None:
        super().__init__()
        self.network: nn.Module = nn.Identity()

    def forward(self, sample: Tensor, timestep: Tensor) -> UNet2DOutput:
        t = torch.full((len(sample),), int(timestep) + 1, device=sample.device)
        return UNet2DOutput(self.network(sample, t))


def ours(network: nn.Module, n: int, T: int, steps: int | None, device: torch.device) -> Sampler:
    """This book's sampler: all T steps with σ² = β, or `steps` of DDIM without fresh noise; clipped."""
    schedule = schedules.linear(T).to(device)

    def draw() -> Tensor:
        rng = torch.Generator(device).manual_seed(0)
        x_T = torch.randn(n, 1, 28, 28, generator=rng, device=device)
        with torch.inference_mode():
            if steps is None:
                chain = diffusion.ancestral(network, x_T, schedule, rng)
            else:
                chain = diffusion.ddim(network, x_T, schedule, steps)
            for sample in chain:
                x_0 = sample.x_t
        return (x_0.clip(-1, 1) + 1) / 2

    return draw


def theirs(network: nn.Module, n: int, T: int, steps: int | None, device: torch.device) -> Sampler:
    """diffusers' pipeline for the same walk, from the same generator."""
    shared: dict[str, Any] = {"num_train_timesteps": T, "beta_start": 1e-4, "beta_end": 0.02, "beta_schedule": "linear"}
    if steps is None:
        scheduler = diffusers.DDPMScheduler(**shared, variance_type="fixed_large", clip_sample=True)
        pipeline, extra = diffusers.DDPMPipeline(network, scheduler), {}
    else:
        scheduler = diffusers.DDIMScheduler(**shared, clip_sample=True, timestep_spacing="trailing")
        pipeline, extra = diffusers.DDIMPipeline(network, scheduler), {"use_clipped_model_output": True}
    pipeline.set_progress_bar_config(disable=True)
    pipeline.to(device)

    def draw() -> Tensor:
        rng = torch.Generator(device).manual_seed(0)
        digits = pipeline(batch_size=n, generator=rng, num_inference_steps=steps or T, output_type="np", **extra).images
        return torch.from_numpy(digits).permute(0, 3, 1, 2)

    return draw


def build(name: str, device: torch.device) -> tuple[UNet, ForPipelines, nn.Module]:
    """Our network of that preset, the same for pipelines, and diffusers' of the same widths; with fresh weights.

    The weights do not change what a step costs; ours get a last layer that is not zero, so that the digits can be compared.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network = UNet(preset(name).unet)
        for last in (module for module in network.modules() if isinstance(module, nn.Conv2d)):
            if not last.weight.any():
                nn.init.normal_(last.weight, std=0.02)
        adapted = ForPipelines()
        adapted.network = network
        other = contestants.unet_2d_model(name)
    for module in (network, other):
        module.to(device).to(memory_format=torch.channels_last).eval()
    return network, adapted, other


def sampling(
    name: str, n: int, T: int, ddim_steps: int, rounds: int, device: torch.device, compiled: bool
) -> dict[str, Any]:
    """Seconds and memory for n digits by each contestant; the long walk once round, the short one `rounds` times."""
    network, adapted, other = build(name, device)
    sizes = {"ours": measuring.parameters(network), "diffusers": measuring.parameters(other)}
    if compiled:
        network.compile(dynamic=False)
        other.compile(dynamic=False)
    drawn: dict[str, Tensor] = {}
    result: dict[str, Any] = {"mode": "compiled" if compiled else "eager", "digits": n, "parameters": sizes}
    for walk, steps, times in (
        ("ddim", ddim_steps, rounds),
        ("ancestral", None, rounds if device.type == "cuda" else 1),
    ):
        calls = {
            "ours": ours(network, n, T, steps, device),
            "diffusers pipeline, our network": theirs(adapted, n, T, steps, device),
            "diffusers pipeline, UNet2DModel": theirs(other, n, T, steps, device),
        }
        with measuring.precision(device) if compiled else contextlib.nullcontext():
            if steps is not None:  # the first round of the short walk warms all of them up
                measuring.turns(calls, 1, device)
            kept = {who: lambda who=who, call=call: drawn.update({who: call()}) for who, call in calls.items()}
            spent = measuring.turns(kept, times, device)
            on_card = device.type == "cuda" and steps is not None
            peaks = {who: measuring.peak_mebibytes(call, device) for who, call in calls.items()} if on_card else None
        first, second = (drawn[who].cpu() for who in list(calls)[:2])
        result[walk] = {
            "steps": steps or T,
            "rounds": times,
            "seconds": {who: measuring.figures(statistics.median(taken)) for who, taken in spent.items()},
            "peak_mebibytes": peaks,
            "difference": measuring.figures((first - second).abs().max().item(), 2),
        }
        print(walk, json.dumps(result[walk]), flush=True)
    return result


def ready(device: torch.device, rounds: int) -> dict[str, Any]:
    """The medians over fresh processes: seconds until MNIST is on the device, and the memory that this took."""
    rows = [
        json.loads(
            subprocess.run(
                [sys.executable, "-c", READY, device.type], check=True, capture_output=True, text=True
            ).stdout
        )
        for _ in range(rounds)
    ]
    middle = sorted(rows, key=lambda row: row["seconds"])[rounds // 2]
    return {name: measuring.figures(value) if isinstance(value, float) else value for name, value in middle.items()}


def main(argv: list[str] | None = None) -> int:
    options = measuring.parser(__doc__ or "", __file__).parse_args(argv)
    device = measuring.prepare(options.device)
    on_card = device.type == "cuda"
    name = "tiny" if options.quick else "gpu" if on_card else "cpu"
    n, T, ddim_steps, rounds = (
        (2, 20, 5, 1) if options.quick else (64 if on_card else 16, 1000, 50, 5 if on_card else 3)
    )
    result = {
        "preset": name,
        "sampling": [sampling(name, n, T, ddim_steps, rounds, device, False)],
        "mnist_ready": ready(device, 1 if options.quick else 5),
    }
    versions = {"diffusers": diffusers.__version__}
    measuring.write(options, device, versions, result)
    if on_card:
        result["sampling"].append(sampling(name, n, T, ddim_steps, rounds, device, True))
        measuring.write(options, device, versions, result)
    return 0


if __name__ == "__main__":
    sys.exit(main())
