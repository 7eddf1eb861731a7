"""The networks that the benchmarks compare: ours, and those of public packages where they are installed.

Each answers eps_theta(x_t, t) with t from 1…T, and is built with fresh weights. `small` are those of about the size
of the preset cpu, `large` those of about the size of the preset gpu.
"""

from __future__ import annotations

import contextlib
import importlib
import importlib.metadata
import importlib.util
import sys
import types
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from ddpm_edu.configuration import preset
from ddpm_edu.unet import UNet


class Contestant(NamedTuple):
    """One network to measure."""

    name: str
    """How the record calls it."""
    package: str
    """The package on PyPI that it comes from; empty for ours."""
    build: Callable[[], nn.Module]
    """Makes it, with fresh weights."""


class FromZero(nn.Module):
    """A network that counts its steps from 0 and may wrap its answer, made to answer like ours."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, x_t: Tensor, t: Tensor) -> Tensor:
        answer = self.network(x_t, t - 1)
        return answer if isinstance(answer, Tensor) else answer.sample


def small() -> list[Contestant]:
    """The preset cpu (0.63 M parameters), and the others as near to its size as their rules allow."""
    return [
        Contestant("ours, cpu", "", lambda: UNet(preset("cpu").unet)),
        Contestant("diffusers UNet2DModel", "diffusers", lambda: FromZero(unet_2d_model("cpu"))),
        Contestant("lucidrains Unet", "denoising-diffusion-pytorch", lambda: FromZero(_lucidrains(20, (1, 2, 2)))),
        Contestant("labml UNet", "labml-nn", lambda: FromZero(_labml(32, (1, 1, 2), (False,) * 3, 1))),
    ]


def large() -> list[Contestant]:
    """The preset gpu (16 M parameters), the others as near to its size as their rules allow, and the preset cpu again."""
    return [
        Contestant("ours, gpu", "", lambda: UNet(preset("gpu").unet)),
        Contestant("diffusers UNet2DModel", "diffusers", lambda: FromZero(unet_2d_model("gpu"))),
        Contestant("lucidrains Unet", "denoising-diffusion-pytorch", lambda: FromZero(_lucidrains(80, (1, 2, 4)))),
        Contestant("labml UNet", "labml-nn", lambda: FromZero(_labml(64, (1, 2, 2), (False, False, True), 2))),
        Contestant("ours, cpu", "", lambda: UNet(preset("cpu").unet)),
    ]


def present(contestants: list[Contestant]) -> tuple[list[Contestant], list[str]]:
    """Those whose package is installed, and the names of those left out."""
    here = {c.name for c in contestants if not c.package or version(c.package)}
    return [c for c in contestants if c.name in here], [c.name for c in contestants if c.name not in here]


def versions(contestants: list[Contestant]) -> dict[str, str]:
    """The installed version of each package that takes part."""
    return {c.package: version(c.package) for c in contestants if c.package}


def version(package: str) -> str:
    """The installed version of a package, empty where it is not installed."""
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return ""


def fresh(contestant: Contestant, seed: int = 0) -> nn.Module:
    """The contestant with weights that depend on the seed alone."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return contestant.build()


def unet_2d_model(name: str) -> Any:
    """diffusers' UNet2DModel with the widths, blocks and attention of that preset of ours."""
    import diffusers

    shape = preset(name).unet
    attends = [size in shape.attention for size in shape.sizes]
    return diffusers.UNet2DModel(
        sample_size=shape.image_size,
        in_channels=1,
        out_channels=1,
        layers_per_block=shape.blocks,
        block_out_channels=tuple(shape.channels * m for m in shape.multipliers),
        down_block_types=tuple("AttnDownBlock2D" if a else "DownBlock2D" for a in attends),
        up_block_types=tuple("AttnUpBlock2D" if a else "UpBlock2D" for a in reversed(attends)),
        norm_num_groups=shape.groups,
        add_attention=any(attends),
    )


def _lucidrains(width: int, multipliers: tuple[int, ...]) -> nn.Module:
    with _no_need_of("torchvision"):
        package = importlib.import_module("denoising_diffusion_pytorch")
    return package.Unet(dim=width, dim_mults=multipliers, channels=1)


def _labml(width: int, multipliers: tuple[int, ...], attends: tuple[bool, ...], blocks: int) -> nn.Module:
    unet = importlib.import_module("labml_nn.diffusion.ddpm.unet")
    return unet.UNet(1, width, multipliers, attends, blocks)  # each multiplier multiplies the width before it


@contextlib.contextmanager
def _no_need_of(package: str) -> Iterator[None]:
    """An empty stand-in for a package that the import asks for and the network does not use, unless the package is there."""
    if importlib.util.find_spec(package) is not None:
        yield
        return
    names = [package, f"{package}.transforms", f"{package}.utils"]
    sys.modules |= {name: types.ModuleType(name) for name in names}
    for name in names[1:]:
        setattr(sys.modules[package], name.rpartition(".")[2], sys.modules[name])
    try:
        yield
    finally:
        for name in names:
            del sys.modules[name]
