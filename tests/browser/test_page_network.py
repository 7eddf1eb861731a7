"""The U-Net in the page, in headless Chromium: its layers, answers and walks against PyTorch, and its worker in a file."""

from __future__ import annotations

import base64
import json
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import widget_pages
from playwright.sync_api import Browser, Page
from scipy.stats import ks_2samp, kstest, norm
from torch.nn import functional as F

from ddpm_edu import diffusion, record, schedules
from ddpm_edu.unet import UNet, UNetConfig, time_embedding
from ddpm_edu.widgets import bundle, weights

WIDGETS = Path(weights.__file__).parent

# A map, laid into memory with its border of zeros, and its inside read back.
LAYERS = """async program => {
    const bytes = Uint8Array.from(atob(program), c => c.charCodeAt(0));
    const { instance } = await WebAssembly.instantiate(bytes);
    const layers = instance.exports;
    layers.memory.grow(200);
    window.layer = (name, args) => {
        let end = (layers.__heap_base.value + 15) & ~15;
        const view = (place, count) => new Float32Array(layers.memory.buffer, place, count);
        const room = count => { const place = end; end += 4 * count; view(place, count).fill(0); return place; };
        const keep = values => { const place = room(values.length); view(place, values.length).set(values); return place; };
        let result;
        const put = arg => {
            if (typeof arg === 'number') return arg;
            if (Array.isArray(arg)) return keep(arg);
            const { size, channels, values, answer } = arg;
            if (!size) { result = { place: keep(values), count: values.length }; return result.place; }
            const place = room((size + 2) ** 2 * channels);
            const rows = Array.from({ length: size }, (_, i) => view(place + 4 * ((i + 1) * (size + 2) + 1) * channels, size * channels));
            if (values) rows.forEach((row, i) => row.set(values.slice(i * size * channels, (i + 1) * size * channels)));
            if (answer) result = { rows, place, size, channels };
            return place;
        };
        const places = args.map(put);
        layers[name](...places);
        if (result.count) return Array.from(view(result.place, result.count));
        const all = view(result.place, (result.size + 2) ** 2 * result.channels);
        const inside = result.rows.flatMap(row => Array.from(row));
        const border = all.reduce((sum, value) => sum + Math.abs(value), 0) - inside.reduce((sum, value) => sum + Math.abs(value), 0);
        if (Math.abs(border) > 1e-3) throw new Error('the border was written');
        return inside;
    };
}"""


def random(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


@pytest.fixture(scope="module")
def layers(browser: Browser) -> Page:
    page = browser.new_page()
    page.evaluate(LAYERS, base64.b64encode((WIDGETS / "unet.wasm").read_bytes()).decode())
    return page


def channels_last(x: torch.Tensor) -> dict[str, Any]:
    """(C, H, W) as a map of the program's."""
    return {"size": x.shape[1], "channels": x.shape[0], "values": x.permute(1, 2, 0).flatten().tolist()}


def planar(values: list[float], size: int) -> np.ndarray:
    """The program's map as (C, H, W)."""
    return np.array(values).reshape(size, size, -1).transpose(2, 0, 1)


@pytest.mark.parametrize(("taps", "stride"), [(3, 1), (3, 2), (1, 1)])
@pytest.mark.parametrize(
    ("size", "c_in", "c_out"), [(28, 1, 24), (14, 24, 4), (14, 24, 24), (7, 48, 48), (7, 20, 12), (4, 12, 8), (5, 3, 4)]
)
def test_convolutions_are_torch_s(layers: Page, taps: int, stride: int, size: int, c_in: int, c_out: int) -> None:
    """With and without a map that is added."""
    x, added = random(c_in, stride * size, stride * size), random(c_out, size, size, seed=1)
    weight, bias = random(c_out, c_in, taps, taps, seed=2) / (c_in * taps**2) ** 0.5, random(c_out, seed=3)
    turned = weight.permute(2, 3, 1, 0).flatten().tolist()
    answer = {"size": size, "channels": c_out, "answer": True}
    wanted = F.conv2d(x[None].double(), weight.double(), bias.double(), stride=stride, padding=taps // 2)[0]
    for plus, truth in ((0, wanted), (channels_last(added), wanted + added)):
        arguments = [channels_last(x), c_in, turned, bias.tolist(), taps, stride, plus, answer, size, c_out]
        found = layers.evaluate("args => layer('convolve', args)", arguments)
        np.testing.assert_allclose(planar(found, size), truth, atol=1e-5)


@pytest.mark.parametrize(("size", "channels", "groups"), [(28, 24, 8), (14, 72, 8), (7, 96, 8), (5, 12, 3), (4, 8, 8)])
@pytest.mark.parametrize("offset", [0.0, 300.0])
def test_norm_time_and_silu_are_torch_s(layers: Page, size: int, channels: int, groups: int, offset: float) -> None:
    """Groups that begin in the middle of four channels, and values far from 0, included."""
    x = random(channels, size, size) * torch.linspace(0.2, 3, channels)[:, None, None] + offset
    gamma, beta, time = random(channels, seed=1), random(channels, seed=2), random(2 * channels, seed=3)
    normed = F.group_norm(x[None].double(), groups, gamma.double(), beta.double())[0]
    scale, shift = time[:, None, None].chunk(2)
    answer = {"size": size, "channels": channels, "answer": True}
    for told, truth in ((0, F.silu(normed)), (time.tolist(), F.silu(normed * (1 + scale) + shift))):
        arguments = [
            channels_last(x), size, channels, groups, gamma.tolist(), beta.tolist(), told, [0.0] * 2 * channels, answer,
        ]  # fmt: skip
        found = layers.evaluate("args => layer('norm', args)", arguments)
        np.testing.assert_allclose(planar(found, size), truth, atol=1e-5 if offset == 0 else 2e-3)


def test_silu_is_exact_to_single_precision(layers: Page) -> None:
    x = torch.cat([torch.linspace(-20, 20, 4001), torch.tensor([-1e4, -88.0, -87.0, 0.0, 1e-30, 87.0, 1e4])])
    found = layers.evaluate("args => layer('silu', args)", [{"values": x.tolist()}, len(x)])
    wanted = (x.double() * torch.special.expit(x.double())).numpy()
    np.testing.assert_allclose(found, wanted, rtol=5e-7, atol=1e-33)


def test_linear_upsample_and_join_are_torch_s(layers: Page) -> None:
    x, weight, bias = random(96), random(40, 96, seed=1), random(40, seed=2)
    arguments = [x.tolist(), 96, weight.flatten().tolist(), bias.tolist(), {"values": [0.0] * 40}, 40]
    found = layers.evaluate("args => layer('linear', args)", arguments)
    np.testing.assert_allclose(found, F.linear(x, weight, bias), atol=2e-5)

    x, answer = random(12, 7, 7), {"size": 14, "channels": 12, "answer": True}
    found = layers.evaluate("args => layer('upsample', args)", [channels_last(x), 7, 12, answer])
    np.testing.assert_array_equal(planar(found, 14), torch.nn.Upsample(scale_factor=2)(x[None])[0])

    a, b, answer = random(8, 6, 6), random(12, 6, 6, seed=1), {"size": 6, "channels": 20, "answer": True}
    found = layers.evaluate("args => layer('join', args)", [channels_last(a), 8, channels_last(b), 12, answer, 6])
    np.testing.assert_array_equal(planar(found, 6), torch.cat([a, b]))


def test_the_compiled_file_is_its_source_s(tmp_path: Path) -> None:
    """Compiled by the command that the source names, byte for byte."""
    source = (WIDGETS / "unet.c").read_text("utf8")
    command = re.search(r"^//\s+python -m (ziglang .*)$", source, re.MULTILINE)
    assert command
    shutil.copy(WIDGETS / "unet.c", tmp_path)
    caches = {"ZIG_GLOBAL_CACHE_DIR": str(tmp_path / "global"), "ZIG_LOCAL_CACHE_DIR": str(tmp_path / "local")}
    subprocess.run([sys.executable, "-m", *command[1].split()], cwd=tmp_path, check=True, env=caches)
    assert (tmp_path / "unet.wasm").read_bytes() == (WIDGETS / "unet.wasm").read_bytes()


# ------------------------------------------------------------------------------------------------------ the network


def open_network(page: Page, name: str, description: dict[str, Any], halves: bytes) -> None:
    """Put a network into the page under a name."""
    page.evaluate(
        """async ([name, description, halves, program]) => {
            const bytes = text => Uint8Array.from(atob(text), c => c.charCodeAt(0));
            window[name] = await M.makeUNet(description, new Uint16Array(bytes(halves).buffer), await WebAssembly.compile(bytes(program)));
        }""",
        [
            name,
            description,
            base64.b64encode(halves).decode(),
            base64.b64encode((WIDGETS / "unet.wasm").read_bytes()).decode(),
        ],
    )


def packed(network: UNet) -> tuple[dict[str, Any], bytes]:
    """A network as unet.js takes it."""
    tensors = network.state_dict()
    description = {"unet": asdict(network.config), "tensors": [[key, list(v.shape)] for key, v in tensors.items()]}
    return description, b"".join(value.numpy().astype("<f2").tobytes() for value in tensors.values())


def halved(network: UNet) -> UNet:
    """The same network with its weights rounded to half precision."""
    rounded = UNet(network.config)
    rounded.load_state_dict({name: value.half().float() for name, value in network.state_dict().items()})
    return rounded.eval()


@pytest.fixture(scope="module")
def trained() -> UNet:
    """The network of the page, as PyTorch has it."""
    return record.load_run(record.find_run(weights.RUN))[0]


@pytest.fixture(scope="module")
def page(mathematics: Page) -> Page:
    description, _, halves = weights.parcel()
    open_network(mathematics, "trained", description, halves)
    return mathematics


def answers(page: Page, name: str, x: torch.Tensor, times: list[int]) -> np.ndarray:
    found = page.evaluate(
        """text => {
            const [name, xs, times] = JSON.parse(text);
            return JSON.stringify(xs.map((x, i) => Array.from(window[name].eps(Float32Array.from(x), times[i]))));
        }""",
        json.dumps([name, x.flatten(1).tolist(), times]),
    )
    return np.array(json.loads(found)).reshape(x.shape)


TIMES = [1, 2, 10, 50, 100, 250, 500, 750, 999, 1000]


@torch.inference_mode()
def test_the_trained_network_answers_as_in_torch(page: Page, trained: UNet) -> None:
    """On pictures as noisy as t says: within 1e-4 of PyTorch with the same rounded weights. Rounding itself moves more."""
    schedule = schedules.linear()
    clean = torch.zeros(len(TIMES), 1, 28, 28).sub_(1)
    clean[:, :, 6:22, 12:16] = 1  # a stroke
    abar = torch.tensor(schedule.alpha_bar[TIMES], dtype=torch.float32)[:, None, None, None]
    x = abar.sqrt() * clean + (1 - abar).sqrt() * random(len(TIMES), 1, 28, 28)
    t = torch.tensor(TIMES)
    found = answers(page, "trained", x, TIMES)
    wanted = halved(trained)(x, t).numpy()
    unrounded = trained(x, t).numpy()
    assert np.abs(wanted).max() > 1
    assert np.abs(found - wanted).max() < 1e-4
    rounding = np.sqrt(((wanted - unrounded) ** 2).mean(axis=(1, 2, 3)))
    assert rounding.max() < 3e-3
    assert np.abs(found - wanted).max() < rounding.max()


CONFIGURATIONS = {
    "other sizes": UNetConfig(image_size=20, channels=12, multipliers=(1, 3), blocks=2, groups=6),
    "one resolution": UNetConfig(image_size=9, channels=8, multipliers=(2,), groups=4),
    "four resolutions": UNetConfig(image_size=32, channels=8, multipliers=(1, 1, 2, 3), groups=2, dropout=0.5),
}


@torch.inference_mode()
@pytest.mark.parametrize("name", CONFIGURATIONS)
def test_other_networks_answer_as_in_torch(page: Page, name: str) -> None:
    """With weights that are all random, so that no layer is silent as it is before training."""
    torch.manual_seed(5)
    network = UNet(CONFIGURATIONS[name]).eval()
    for parameter in network.parameters():
        parameter.copy_(torch.randn(parameter.shape) / max(1, parameter[0].numel()) ** 0.5)
    open_network(page, "other", *packed(network))
    size = network.config.image_size
    x = random(3, 1, size, size)
    wanted = halved(network)(x, torch.tensor([1, 300, 1000])).numpy()
    assert np.abs(wanted).mean() > 0.1
    np.testing.assert_allclose(answers(page, "other", x, [1, 300, 1000]), wanted, atol=1e-4)


def test_the_waves_of_t_are_torch_s(page: Page) -> None:
    for channels in (8, 24, 64):
        times = [*range(1, 1001, 37), 1000]
        found = page.evaluate("([ts, c]) => ts.map(t => Array.from(M.timeWaves(t, c)))", [times, channels])
        np.testing.assert_allclose(found, time_embedding(torch.tensor(times), channels), atol=3e-5)


def test_half_precision_is_read_exactly(page: Page) -> None:
    """All 65,536 patterns of bits."""
    halves = np.arange(2**16, dtype=np.uint16)
    found = page.evaluate(
        "() => Array.from(M.halfToFloat(Uint16Array.from({ length: 65536 }, (_, k) => k)), v => Object.is(v, -0) ? '-0' : String(v))"
    )
    with np.errstate(invalid="ignore"):
        wanted = halves.view(np.float16).astype(np.float64)
    read = np.array([float(value.replace("Infinity", "inf")) for value in found])
    np.testing.assert_array_equal(read, wanted)
    assert (np.signbit(read) == np.signbit(wanted))[~np.isnan(wanted)].all()


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"attention": (7,)}, "attention"),
        ({"fourier": (3,)}, "Fourier features"),
        ({"outputs": 2}, "one channel"),
        ({"channels": 18, "groups": 9}, "counts channels in fours"),
        ({"image_size": 12}, "4 × 4 pixels or more"),
    ],
)
def test_other_kinds_of_network_are_refused(page: Page, change: dict[str, Any], said: str) -> None:
    network = UNet(replace(UNetConfig(channels=16, multipliers=(1, 1, 1)), **change))
    with pytest.raises(Exception, match=said):
        open_network(page, "refused", *packed(network))


def test_foreign_and_cut_weights_are_refused(page: Page) -> None:
    description, halves = packed(UNet(CONFIGURATIONS["other sizes"]))
    other, _ = packed(UNet(replace(CONFIGURATIONS["other sizes"], blocks=1)))
    for text, halves_, said in [
        (description, halves[:-2], "weights, but"),
        ({**description, "unet": other["unet"]}, halves, r"lack down\.1\.weight"),
        ({**description, "unet": {**description["unet"], "multipliers": [1, 2]}}, halves, "of shape"),
        ({**description, "tensors": [*description["tensors"], ["more", [1]]]}, halves + b"\0\0", "hold more"),
    ]:
        with pytest.raises(Exception, match=said):
            open_network(page, "refused", text, halves_)


# --------------------------------------------------------------------------------------------------------- the walks

WALK = """text => {
    const [plan, x, which] = JSON.parse(text);
    const schedule = M.scheduleOf(M.linearBetas(1000));
    const model = which === 'trained' ? window.trained.eps : (x, t) => x.map(v => Math.sin(3 * v + t));
    const walk = M.denoise(model, schedule, { seed: 1, number: 0, ...plan, size: x.length, x_T: Float32Array.from(x) });
    return JSON.stringify(Array.from(walk, ({ t, x_t, x_0 }) => [t, Array.from(x_t), x_0 && Array.from(x_0)]));
}"""


def walk(page: Page, plan: dict[str, Any], x: list[float], model: str = "wavy") -> list[tuple[int, Any, Any]]:
    """t, x_t and x̂_0 at the start and after each step; text on the way, since Playwright is slow with arrays."""
    return json.loads(page.evaluate(WALK, json.dumps([plan, x, model])))


def wavy(x: Any, t: Any) -> Any:
    """A model of the noise that anything can compute."""
    return np.sin(3 * x + t[:, None])


def test_the_times_of_ddim_are_the_package_s(page: Page) -> None:
    for T, steps in [(1000, 50), (1000, 16), (1000, 1000), (1000, 1), (1000, 7), (10, 4), (50, 20), (1000, 333)]:
        chain = list(diffusion.ddim(lambda x, t: 0 * x, np.zeros((1, 1)), schedules.linear(T), steps))
        assert page.evaluate("([T, n]) => M.ddimTimes(T, n)", [T, steps]) == [T, *(s.t for s in chain[:-1])]


@pytest.mark.parametrize("clip", [True, False])
@pytest.mark.parametrize("steps", [1, 7, 50])
def test_ddim_is_the_package_s(page: Page, steps: int, clip: bool) -> None:
    x = np.random.default_rng(3).standard_normal(40).astype(np.float32)
    plan = {"sampler": "ddim", "times": page.evaluate("n => M.ddimTimes(1000, n)", steps), "eta": 0, "clip": clip}
    start, *found = walk(page, plan, x.tolist())
    assert start == [1000, x.tolist(), None]
    wanted = diffusion.ddim(wavy, x[None].astype(float), schedules.linear(), steps, clip=clip)
    for (t, x_t, x_0), sample in zip(found, wanted, strict=True):
        assert t == sample.t
        scale = max(1, np.abs(sample.x_0).max())
        np.testing.assert_allclose(x_t, sample.x_t[0], atol=2e-4 * scale)
        np.testing.assert_allclose(x_0, sample.x_0[0], atol=2e-4 * scale)


@torch.inference_mode()
def test_ddim_with_the_trained_network_is_the_package_s(page: Page, trained: UNet) -> None:
    """20 steps from the same noise: digits that differ by less than a grey level."""
    x = random(1, 1, 28, 28, seed=9)
    plan = {"sampler": "ddim", "times": page.evaluate("M.ddimTimes(1000, 20)"), "eta": 0, "clip": True}
    found = walk(page, plan, x.flatten().tolist(), "trained")[1:]
    chain = diffusion.ddim(halved(trained), x, schedules.linear().to("cpu"), 20)
    for (_, x_t, x_0), sample in zip(found, chain, strict=True):
        np.testing.assert_allclose(x_t, sample.x_t.flatten(), atol=2e-3)
        np.testing.assert_allclose(x_0, sample.x_0.flatten(), atol=2e-3)


@pytest.mark.parametrize("variance", ["beta", "beta_tilde"])
def test_ancestral_steps_have_the_package_s_mean_and_variance(page: Page, variance: str) -> None:
    """One step of 4,000 equal entries: where they lie follows the law of `p_sample`; KS at 1e-4 for each of 4 times."""
    schedule = schedules.linear()
    for t in (2, 40, 500, 1000):
        for clip in (True, False):
            plan = {"sampler": "ancestral", "times": [t, t - 1], "variance": variance, "clip": clip, "seed": t}
            x = np.full(4_000, 0.7, np.float32)
            first = np.array(walk(page, plan, x.tolist())[1][1])
            quiet = replace(schedule, beta_tilde=np.zeros(1001), beta=schedule.beta)
            at = diffusion.p_sample(
                wavy, x[None, :1].astype(float), t, quiet, np.random.default_rng(), "beta_tilde", clip
            )
            sigma = getattr(schedule, variance)[t] ** 0.5
            assert kstest((first - at.x_t[0, 0]) / sigma, norm.cdf).pvalue > 1e-4


@pytest.mark.parametrize("eta", [0.3, 0.8])
def test_ddim_s_noise_has_the_package_s_variance(page: Page, eta: float) -> None:
    """One step of 4,000 equal entries follows the law that `ddim` gives to as many of its own; KS at 1e-4 for each of 3."""
    schedule = schedules.linear()
    for steps in (2, 10, 200):
        x = np.full(4_000, 0.7, np.float32)
        plan = {"sampler": "ddim", "times": page.evaluate("n => M.ddimTimes(1000, n)", steps), "eta": eta, "clip": True}
        found = walk(page, {**plan, "times": plan["times"][:2]}, x.tolist())[1]
        # the step that the plan cut short leads to the same time as the package's first one
        drawn = next(diffusion.ddim(wavy, x[None].astype(float), schedule, steps, eta, np.random.default_rng(8)))
        assert found[0] == drawn.t
        assert ks_2samp(found[1], drawn.x_t[0]).pvalue > 1e-4


def test_no_two_noises_are_the_same(page: Page) -> None:
    """The starts and the fresh noise of five images, and of another seed, are uncorrelated."""
    found = page.evaluate(
        """() => {
            const schedule = M.scheduleOf(M.linearBetas(1000));
            const plan = { size: 784, times: [1000, 999, 998], sampler: 'ddim', eta: 1, clip: true };
            return JSON.stringify([[1, 0], [1, 1], [1, 2], [1, 3], [1, 4], [2, 0], [2, 1]].flatMap(([seed, number]) => {
                const walk = Array.from(M.denoise(x => x.map(() => 0), schedule, { ...plan, seed, number }), s => Array.from(s.x_t));
                const x_0 = x => Math.min(1, Math.max(-1, x / Math.sqrt(schedule.alphaBar[1000])));
                const { image, rest } = M.mixture(1000, 999, schedule, plan);
                return [walk[0], walk[1].map((value, i) => value - image * x_0(walk[0][i]) - rest * walk[0][i])];
            }));
        }"""
    )
    correlations = np.corrcoef(np.array(json.loads(found)))
    assert correlations.shape == (14, 14)
    assert np.abs(correlations[np.triu_indices(14, 1)]).max() < 5.5 / np.sqrt(784)


def test_the_last_step_adds_no_noise(page: Page) -> None:
    x = [0.3, -0.2, 1.4]
    for sampler in ({"sampler": "ancestral", "variance": "beta"}, {"sampler": "ddim", "eta": 1}):
        (_, _, _), (t, x_t, x_0) = walk(page, {**sampler, "times": [1], "clip": True}, x)
        assert t == 0
        np.testing.assert_allclose(x_t, x_0, atol=1e-6)


def test_ddim_with_full_noise_is_ancestral_sampling(page: Page) -> None:
    """η = 1 and every step, with the same seed: equation by equation the same as σ² = β̃."""
    x = np.random.default_rng(1).standard_normal(12).tolist()
    times = list(range(1000, 900, -1))
    one = walk(page, {"sampler": "ddim", "eta": 1, "times": times, "clip": False}, x)
    other = walk(page, {"sampler": "ancestral", "variance": "beta_tilde", "times": times, "clip": False}, x)
    for (_, a, _), (_, b, _) in zip(one[:-1], other[:-1], strict=True):  # the last goes on to 0, which is not one step
        np.testing.assert_allclose(a, b, atol=1e-3)


# -------------------------------------------------------------------------------------------------------- the worker


@pytest.fixture
def opened(tmp_path: Path, visit: Callable[..., widget_pages.Visit]) -> widget_pages.Visit:
    """A page opened as a file, offline, in which `E` holds `openUNet` and the weights lie beside it."""
    weights.write_scripts(tmp_path / "_static")
    source = json.dumps(bundle.bundled("digits.js") + "\nexport { openUNet };").replace("</", "<\\/")
    (tmp_path / "page.html").write_text(
        f"""<!doctype html><html lang="en"><meta charset="utf-8"><title>x</title><p id="here">x</p><script>
        window.ddpmWidgetHost = true;
        window.E = import(URL.createObjectURL(new Blob([{source}], {{ type: 'text/javascript' }})));
        </script>""",
        "utf8",
    )
    opened = visit(tmp_path / "page.html", ready="#here")
    opened.page.evaluate("async () => { window.E = await window.E; window.shares = []; }")
    return opened


@pytest.fixture
def engine(opened: widget_pages.Visit) -> Page:
    return opened.page


OPEN = """async () => {
    window.unet = await E.openUNet({ workers: 2, progress: share => shares.push(share) });
    return shares;
}"""
DRAW = """options => new Promise((done, failed) => {
    const steps = [];
    const step = s => steps.push({ ...s, x_t: Array.from(s.x_t), x_0: s.x_0 && Array.from(s.x_0) });
    unet.start(options, { step, failed, done: end => done(JSON.stringify({ steps, end })) });
})"""


def draw(page: Page, options: dict[str, Any]) -> dict[str, Any]:
    """All steps of a walk, and what is said at its end."""
    return json.loads(page.evaluate(DRAW, options))


def test_the_weights_come_at_the_press_and_piece_by_piece(engine: Page) -> None:
    assert engine.evaluate("window.ddpmWeights === undefined && !document.querySelector('script[src]')")
    assert engine.evaluate(OPEN) == [k / weights.PIECES for k in range(1, weights.PIECES + 1)]
    assert engine.evaluate("unet.description") == json.loads(json.dumps(weights.parcel().description))


@torch.inference_mode()
def test_a_page_opened_as_a_file_draws_digits(engine: Page, trained: UNet) -> None:
    engine.evaluate(OPEN)
    found = draw(engine, {"seed": 4, "count": 2, "sampler": "ddim", "steps": 8})
    start, *steps = found["steps"]
    assert (start["step"], start["t"], start["x_0"]) == (0, 1000, None)
    assert [(s["step"], s["of"]) for s in steps] == [(k, 8) for k in range(1, 9)]
    assert found["end"]["evaluations"] == 16
    assert found["end"]["seconds"] >= steps[-1]["seconds"] > 0
    x_T = torch.tensor(start["x_t"]).reshape(2, 1, 28, 28)
    assert kstest(x_T.flatten(), norm.cdf).pvalue > 1e-4
    chain = diffusion.ddim(halved(trained), x_T, schedules.linear().to("cpu"), 8)
    for step, sample in zip(steps, chain, strict=True):
        assert step["t"] == sample.t
        np.testing.assert_allclose(step["x_t"], sample.x_t.flatten(), atol=2e-3)
        np.testing.assert_allclose(step["x_0"], sample.x_0.flatten(), atol=2e-3)


def test_a_digit_depends_on_the_seed_and_its_place_alone(engine: Page) -> None:
    engine.evaluate(OPEN)
    plan = {"seed": 4, "count": 3, "sampler": "ddim", "steps": 3, "eta": 0.5}
    many = draw(engine, plan)["steps"][-1]["x_t"]
    assert draw(engine, {**plan, "count": 1})["steps"][-1]["x_t"] == many[:784]
    assert draw(engine, {**plan, "count": 2, "first": 1})["steps"][-1]["x_t"] == many[784:]
    assert many[:784] != many[784:1568]
    assert draw(engine, {**plan, "seed": 5})["steps"][-1]["x_t"] != many
    engine.evaluate("async () => { unet.close(); window.unet = await E.openUNet({ workers: 1 }); }")
    assert draw(engine, plan)["steps"][-1]["x_t"] == many
    noise = many[::-1]
    assert draw(engine, {**plan, "x_T": noise})["steps"][0]["x_t"] == noise


def test_ancestral_walks_take_every_step(engine: Page) -> None:
    """From t = 30, so that it is quick."""
    engine.evaluate(OPEN)
    found = draw(engine, {"sampler": "ancestral", "variance": "beta", "times": list(range(30, 0, -1))})
    assert [s["t"] for s in found["steps"]] == list(range(30, -1, -1))
    values = np.array(found["steps"][-1]["x_t"])
    assert np.isfinite(values).all()
    assert np.abs(values).max() <= 1


COUNTED = """() => { // how many messages the workers have sent
    window.messages = 0;
    window.Worker = class extends Worker {
        constructor(address) {
            super(address);
            this.addEventListener('message', () => (window.messages += 1));
        }
    };
}"""


def test_a_walk_pauses_goes_on_and_stops(engine: Page) -> None:
    """The same as one that was never stopped; and nothing comes from one that was stopped or replaced.

    The clock is another network at work: while it makes 8 steps, a walk that is not at rest makes about as many.
    """
    engine.evaluate("async () => { window.clock = await E.openUNet({ workers: 1 }); }")
    engine.evaluate(COUNTED)
    engine.evaluate(OPEN)

    def tick() -> None:
        engine.evaluate("() => new Promise((done, failed) => clock.start({ steps: 8 }, { done, failed }))")

    plan = {"seed": 2, "count": 2, "sampler": "ddim", "steps": 40, "eta": 1}
    whole = draw(engine, plan)["steps"][-1]["x_t"]
    engine.evaluate(
        """plan => {
            window.seen = [];
            unet.start(plan, { step: s => { seen.push(Array.from(s.x_t)); if (s.step === 2) unet.pause(); }, done: () => seen.push('done') });
        }""",
        plan,
    )
    engine.wait_for_function("seen.length >= 3")
    tick()
    before = engine.evaluate("[seen.length, messages]")
    assert before[0] < 41
    tick()
    assert engine.evaluate("[seen.length, messages]") == before
    engine.evaluate("unet.resume()")
    engine.wait_for_function("seen.at(-1) === 'done'")
    assert engine.evaluate("seen.length") == 42
    assert engine.evaluate("seen.at(-2)") == whole

    engine.evaluate(
        "plan => { seen = []; unet.start(plan, { step: s => { seen.push(s.step); unet.stop(); }, done: () => seen.push('done') }); }",
        plan,
    )
    engine.wait_for_function("seen.length")
    tick()
    before = engine.evaluate("messages")
    tick()
    assert engine.evaluate("messages") == before
    assert engine.evaluate("seen") == [0]

    engine.evaluate(
        """plan => {
            seen = [];
            const next = { step: s => seen.push(s.of), done: () => seen.push('done') };
            const busy = s => {
                if (s.step !== 1) return;
                const until = performance.now() + 500; // meanwhile more steps of this walk are on their way
                while (performance.now() < until);
                unet.pause();
                unet.start({ ...plan, steps: 3 }, next);
            };
            unet.start(plan, { step: busy });
        }""",
        plan,
    )
    engine.wait_for_function("seen.at(-1) === 'done'")
    assert engine.evaluate("seen") == [3, 3, 3, 3, "done"]
    engine.evaluate("unet.close()")


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        ("delete window.Worker", "it has no workers."),
        ("delete window.WebAssembly", "it has no WebAssembly."),
        ("WebAssembly.validate = () => false", "(SIMD)"),
        ("window.Worker = function () { setTimeout(() => this.onerror()); }; Worker.prototype = { postMessage() {}, terminate() {} }", "could not start"),
        ("ddpmWeights = [{ ...await description(), count: 1 }, 'AAA=']", "weights, but 1 came"),
    ],
)  # fmt: skip
def test_a_browser_that_lacks_something_is_told_what(engine: Page, spoil: str, said: str) -> None:
    """In a sentence, and with nothing loaded where the network cannot run."""
    message = engine.evaluate(
        f"""async () => {{
            const description = () => new Promise(done => {{
                const script = document.createElement('script');
                script.src = '_static/digits-weights-0.js';
                script.onload = () => done(ddpmWeights[0]);
                document.head.append(script);
            }});
            {spoil};
            return E.openUNet({{}}).then(() => '', error => error.message);
        }}"""
    )
    assert said in message
    assert message.endswith(".")
    if "has no" in said or "SIMD" in said:
        assert engine.evaluate("(window.ddpmWeights || []).length") <= 1


def test_missing_weights_are_named(opened: widget_pages.Visit, engine: Page, tmp_path: Path) -> None:
    (tmp_path / "_static" / "digits-weights-3.js").unlink()
    message = engine.evaluate("E.openUNet({}).then(() => '', error => error.message)")
    assert message.startswith("The network’s weights could not be loaded: ")
    assert "digits-weights-3.js" in message
    assert len(opened.errors) == 1  # the browser's own, about the file
    opened.errors.clear()


class Kernel:
    """Catches what a widget would send."""

    def __init__(self) -> None:
        self.sent: list[tuple[Any, Any]] = []

    def send(self, content: Any, buffers: Any = None) -> None:
        self.sent.append((content, buffers))


def test_a_notebook_asks_its_kernel(engine: Page) -> None:
    """The kernel's answer, handed over as a notebook does, makes the same network as the scripts."""
    kernel = Kernel()
    weights.answer(kernel, {"type": "other"}, [])
    assert kernel.sent == []
    weights.answer(kernel, {"type": "weights"}, [])
    ((content, buffers),) = kernel.sent
    plan = {"seed": 4, "count": 1, "sampler": "ddim", "steps": 2}
    engine.evaluate(OPEN)
    wanted = draw(engine, plan)["steps"][-1]["x_t"]
    engine.evaluate(
        """async ([content, buffers]) => {
            window.ddpmWidgetHost = undefined;
            const view = text => { // somewhere inside a longer message
                const bytes = Uint8Array.from('xxxx' + atob(text), c => c.charCodeAt(0));
                return new DataView(bytes.buffer, 4);
            };
            const calls = [];
            const model = {
                on: (name, call) => calls.push([name, call]),
                off: (name, call) => calls.splice(calls.findIndex(c => c[1] === call), 1),
                send: message => setTimeout(() => calls.slice().forEach(([name, call]) => {
                    if (name !== 'msg:custom' || message.type !== 'weights') return;
                    call({ type: 'other' }, []);
                    call(content, buffers.map(view));
                })),
            };
            unet.close();
            window.unet = await E.openUNet({ model });
            if (calls.length) throw new Error('still listening');
        }""",
        [content, [base64.b64encode(part).decode() for part in buffers]],
    )
    assert draw(engine, plan)["steps"][-1]["x_t"] == wanted


def test_a_kernel_that_is_gone_is_given_up(engine: Page) -> None:
    message = engine.evaluate(
        """async () => {
            window.ddpmWidgetHost = undefined;
            const wait = window.setTimeout;
            window.setTimeout = (call, ms) => wait(call, ms / 1000);
            let listening = 0;
            const model = { on: () => (listening += 1), off: () => (listening -= 1), send: () => {} };
            return E.openUNet({ model }).then(() => '', error => `${error.message} ${listening}`);
        }"""
    )
    assert message == "The notebook’s kernel did not answer. Run the cell again, then press once more. 0"


def test_a_worker_that_dies_is_reported(engine: Page) -> None:
    engine.evaluate(
        "() => { window.workers = []; window.Worker = class extends Worker { constructor(a) { super(a); workers.push(this); } }; }"
    )
    engine.evaluate(OPEN)
    message = engine.evaluate(
        """() => new Promise(done => {
            unet.start({ steps: 1000 }, { step: s => s.step === 1 && workers[0].onerror(), failed: done });
        })"""
    )
    assert message == "The network’s worker has stopped working."


def test_a_kernel_without_weights_says_so(engine: Page, monkeypatch: pytest.MonkeyPatch) -> None:
    kernel = Kernel()

    def missing() -> None:
        raise FileNotFoundError("there is no such run")

    monkeypatch.setattr(weights, "parcel", missing)
    weights.answer(kernel, {"type": "weights"}, [])
    message = engine.evaluate(
        """content => {
            window.ddpmWidgetHost = undefined;
            let call;
            const model = { on: (name, f) => (call = f), off: () => {}, send: () => call(content, []) };
            return E.openUNet({ model }).then(() => '', error => error.message);
        }""",
        kernel.sent[0][0],
    )
    assert message == "The network’s weights could not be read: there is no such run"
