"""The network: its shapes, each part against a recomputation by loops and plain functions, and that time and data get through."""

import dataclasses
import math

import mpmath
import numpy as np
import pytest
import torch
from torch.nn import functional as F

from ddpm_edu.unet import (
    Attention,
    ResidualBlock,
    Stage,
    UNet,
    UNetConfig,
    fourier_features,
    parameter_count,
    time_embedding,
)

SMALL = UNetConfig(image_size=8, channels=8, multipliers=(1, 2), groups=4)
WITH_ATTENTION = UNetConfig(image_size=8, channels=8, multipliers=(1, 2), attention=(4,), groups=4)
CONFIGS = [
    SMALL,
    WITH_ATTENTION,
    UNetConfig(image_size=12, channels=4, multipliers=(1, 2, 3), blocks=2, attention=(3, 12), groups=2),
    UNetConfig(image_size=5, channels=6, multipliers=(2,), groups=3),
    UNetConfig(channels=8, groups=8),
    UNetConfig(image_size=8, channels=8, multipliers=(1, 2), groups=4, fourier=(0, 3)),
]


def network(config, seed=0):
    """A U-Net in which no weight is 0, so that every part has a say."""
    torch.manual_seed(seed)
    net = UNet(config)
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.add_(0.05 * torch.randn(parameter.shape))
    return net


def batch(config, n=3, seed=1):
    rng = torch.Generator().manual_seed(seed)
    size = config.image_size
    return torch.randn(n, 1, size, size, generator=rng), torch.randint(1, 1001, (n,), generator=rng)


@pytest.fixture(autouse=True)
def seeded():
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        yield


# --- the whole ---


@pytest.mark.parametrize("config", CONFIGS)
def test_the_answer_has_the_question_s_shape(config):
    net = network(config)
    for n in (1, 3):
        x_t, t = batch(config, n)
        assert net(x_t, t).shape == x_t.shape
        assert net(x_t, t).dtype == torch.float32


@pytest.mark.parametrize("config", CONFIGS)
def test_items_do_not_mix(config):
    # Permuting the batch permutes the answer, and an item alone gets the same answer as among others.
    net, (x_t, t) = network(config), batch(config, 4)
    together = net(x_t, t)
    order = torch.tensor([2, 0, 3, 1])
    torch.testing.assert_close(net(x_t[order], t[order]), together[order], rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(net(x_t[1:2], t[1:2]), together[1:2], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("config", CONFIGS)
def test_time_matters_and_belongs_to_its_item(config):
    net, (x_t, _) = network(config), batch(config, 3)
    x_t = x_t[:1].expand(3, -1, -1, -1)
    one = net(x_t, torch.tensor([1, 500, 1000]))
    other = net(x_t, torch.tensor([1000, 500, 1]))
    assert (one[0] - one[2]).abs().max() > 1e-3  # another time, another answer
    torch.testing.assert_close(one[0], other[2], rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(one[1], other[1], rtol=1e-4, atol=1e-5)
    near = net(x_t[:2], torch.tensor([500, 501]))
    assert (near[0] - near[1]).abs().max() > 0


def test_every_pixel_can_reach_every_pixel():
    # Through the lowest resolution: with attention there each output depends on each input.
    net, (x_t, t) = network(WITH_ATTENTION), batch(WITH_ATTENTION, 1)
    x_t = x_t.requires_grad_()
    (gradient,) = torch.autograd.grad(net(x_t, t)[0, 0, 0, 0], x_t)
    assert (gradient != 0).all()


def test_a_new_network_answers_the_same_everywhere():
    # The last convolution's weights start at 0, so the first answer is its bias alone, which is small.
    net = UNet(UNetConfig())
    x_t, t = batch(UNetConfig(), 2)
    answer = net(x_t, t)
    bias = net.last[2].bias.item()
    assert (answer == bias).all()
    assert abs(bias) <= 1 / math.sqrt(24 * 9)
    loss = ((torch.randn(x_t.shape) - answer) ** 2).mean()
    assert loss.item() == pytest.approx(1, abs=0.1)


@pytest.mark.parametrize("config", CONFIGS)
def test_gradients_reach_every_parameter(config):
    # At the start only the last layer learns, then what feeds it, since zeroed weights block the way.
    net, (x_t, t) = UNet(config), batch(config, 4)
    target = torch.randn(x_t.shape)
    optimiser = torch.optim.Adam(net.parameters(), 1e-2)
    reached = set()
    for step in range(4):
        optimiser.zero_grad()
        ((net(x_t, t) - target) ** 2).mean().backward()
        now = {name for name, p in net.named_parameters() if p.grad is not None and (p.grad != 0).any()}
        if step == 0:
            assert now == {"last.2.weight", "last.2.bias"}
        reached |= now
        optimiser.step()
    assert reached == {name for name, _ in net.named_parameters()}


def test_a_network_of_one_seed_is_the_same_each_time():
    torch.manual_seed(3)
    one = UNet(SMALL)
    torch.manual_seed(3)
    other = UNet(SMALL)
    assert all(torch.equal(a, b) for a, b in zip(one.state_dict().values(), other.state_dict().values(), strict=True))


def test_it_learns_one_batch_by_heart():
    net, (x_t, t) = UNet(SMALL), batch(SMALL, 4)
    target = torch.randn(x_t.shape, generator=torch.Generator().manual_seed(2))
    optimiser = torch.optim.Adam(net.parameters(), 1e-2)
    for _ in range(150):
        optimiser.zero_grad()
        loss = ((net(x_t, t) - target) ** 2).mean()
        loss.backward()
        optimiser.step()
    assert loss < 0.1


def test_how_many_numbers_it_learns():
    # By hand for one resolution, 4 channels, one block: convolutions are in·out·9 + out, group norms 2·c, linears in·out + out.
    config = UNetConfig(image_size=4, channels=4, multipliers=(1,), groups=2)

    def block(c_in, c_out):
        own = (
            2 * c_in
            + (c_in * c_out * 9 + c_out)
            + (16 * 2 * c_out + 2 * c_out)
            + 2 * c_out
            + (c_out * c_out * 9 + c_out)
        )
        return own + (c_in * c_out + c_out if c_in != c_out else 0)

    time = (4 * 16 + 16) + (16 * 16 + 16)
    first, last = 1 * 4 * 9 + 4, 2 * 4 + (4 * 1 * 9 + 1)
    assert parameter_count(UNet(config)) == time + first + block(4, 4) + 2 * block(4, 4) + 2 * block(8, 4) + last
    attention = 2 * 4 + (4 * 12 + 12) + (4 * 4 + 4)
    with_attention = UNetConfig(image_size=4, channels=4, multipliers=(1,), attention=(4,), groups=2)
    assert parameter_count(UNet(with_attention)) == parameter_count(UNet(config)) + 4 * attention


@pytest.mark.parametrize("config", CONFIGS)
def test_the_structure_follows_the_configuration(config):
    net = UNet(config)
    levels = len(config.multipliers)
    assert sum(isinstance(m, Stage) for m in net.down) == levels * config.blocks
    assert sum(isinstance(m, Stage) for m in net.up) == levels * (config.blocks + 1)
    sizes_seen = []
    for module in net.modules():
        if isinstance(module, Attention):
            module.register_forward_hook(lambda m, inputs, out: sizes_seen.append(inputs[0].shape[-1]))
    net(*batch(config))
    per_size = {size: 2 * config.blocks + 1 + (size == config.sizes[-1]) for size in config.attention}
    assert {size: sizes_seen.count(size) for size in set(sizes_seen)} == per_size


def test_feature_maps_are_joined_to_the_map_of_their_size():
    config = CONFIGS[2]
    net = network(config)
    made, taken = [], []
    for layer in [net.first, *net.down]:
        layer.register_forward_hook(lambda m, inputs, out: made.append(out))
    for layer in net.up:
        if isinstance(layer, Stage):
            layer.register_forward_hook(lambda m, inputs, out: taken.append(inputs[0]))
    net(*batch(config))
    assert len(made) == len(taken)
    for kept, joined in zip(reversed(made), taken, strict=True):
        assert torch.equal(joined[:, -kept.shape[1] :], kept)


# --- the parts ---


@pytest.mark.parametrize("channels", [2, 8, 24])
def test_time_embedding_by_its_formula(channels):
    t = torch.tensor([0, 1, 2, 37, 999, 1000])
    ours = time_embedding(t, channels)
    half = channels // 2
    assert ours.shape == (6, channels)
    assert ours.dtype == torch.float32
    for row, step in enumerate(t.tolist()):
        for i in range(half):
            angle = mpmath.mpf(step) / mpmath.mpf(10000) ** (mpmath.mpf(i) / half)
            assert ours[row, i].item() == pytest.approx(float(mpmath.sin(angle)), abs=2e-4)
            assert ours[row, half + i].item() == pytest.approx(float(mpmath.cos(angle)), abs=2e-4)


def test_time_embedding_tells_all_steps_apart():
    embedded = time_embedding(torch.arange(1, 1001), 24).double()
    distances = torch.cdist(embedded, embedded) + 9 * torch.eye(1000)
    assert distances.min() > 0.05


@pytest.mark.parametrize(("c_in", "c_out"), [(8, 8), (4, 8), (8, 4)])
def test_a_residual_block_by_plain_functions(c_in, c_out):
    block = ResidualBlock(c_in, c_out, 6, SMALL).double()
    for parameter in block.parameters():
        torch.nn.init.normal_(parameter)
    x, time = torch.randn(2, c_in, 3, 5).double(), torch.randn(2, 6).double()
    weights = dict(block.named_parameters())

    def norm(h, name):
        grouped = h.reshape(2, 4, -1)
        mean, variance = grouped.mean(2, keepdim=True), grouped.var(2, correction=0, keepdim=True)
        h = ((grouped - mean) / (variance + 1e-5).sqrt()).reshape(h.shape)
        return h * weights[f"{name}.weight"][:, None, None] + weights[f"{name}.bias"][:, None, None]

    def silu(h):
        return h / (1 + (-h).exp())

    def conv(h, name):
        weight, bias = weights[f"{name}.weight"], weights[f"{name}.bias"]
        padded = F.pad(h, (1, 1, 1, 1)) if weight.shape[-1] == 3 else h
        out = torch.zeros(2, len(weight), 3, 5).double() + bias[:, None, None]
        for i in range(weight.shape[-2]):
            for j in range(weight.shape[-1]):
                out += torch.einsum("oc,bchw->bohw", weight[:, :, i, j], padded[:, :, i : i + 3, j : j + 5])
        return out

    h = conv(silu(norm(x, "norm_1")), "conv_1")
    scale_and_shift = time @ weights["time.weight"].T + weights["time.bias"]
    scale, shift = scale_and_shift[:, :c_out, None, None], scale_and_shift[:, c_out:, None, None]
    h = conv(silu(norm(h, "norm_2") * (1 + scale) + shift), "conv_2")
    expected = h + (x if c_in == c_out else conv(x, "skip"))
    torch.testing.assert_close(block(x, time), expected, rtol=1e-9, atol=1e-9)


def test_attention_by_a_loop_over_pixels():
    attention = Attention(8, SMALL).double()
    for parameter in attention.parameters():
        torch.nn.init.normal_(parameter)
    x = torch.randn(2, 8, 3, 2).double()
    pixels = attention.norm(x).reshape(2, 8, 6)
    weight, bias = attention.query_key_value.weight[:, :, 0, 0], attention.query_key_value.bias
    expected = x.clone()
    for b in range(2):
        vectors = [weight @ pixels[b, :, i] + bias for i in range(6)]
        query, key, value = ([v[part * 8 : part * 8 + 8] for v in vectors] for part in range(3))
        for i in range(6):
            fit = torch.stack([query[i] @ key[j] / math.sqrt(8) for j in range(6)])
            share = fit.exp() / fit.exp().sum()
            gathered = sum(share[j] * value[j] for j in range(6))
            expected[b, :, i // 2, i % 2] += attention.out.weight[:, :, 0, 0] @ gathered + attention.out.bias
    torch.testing.assert_close(attention(x), expected, rtol=1e-9, atol=1e-9)


def test_new_blocks_add_only_their_bias():
    x, time = torch.randn(2, 8, 4, 4), torch.randn(2, 6)
    block, attention = ResidualBlock(8, 8, 6, SMALL), Attention(8, SMALL)
    torch.testing.assert_close(block(x, time), x + block.conv_2.bias[:, None, None])
    torch.testing.assert_close(attention(x), x + attention.out.bias[:, None, None])


# --- bad input ---


@pytest.mark.parametrize(
    ("arguments", "error", "match"),
    [
        ({"channels": 0}, ValueError, "channels must be at least 1, but it was 0"),
        ({"channels": 20}, ValueError, r"channels must be even and a multiple of groups \(8\), but it was 20"),
        ({"channels": 9, "groups": 3}, ValueError, "channels must be even and a multiple of groups .3., but it was 9"),
        ({"channels": 8.0}, TypeError, r"channels must be a whole number, but it was 8\.0"),
        ({"image_size": 0}, ValueError, "image_size must be at least 1, but it was 0"),
        (
            {"image_size": 30},
            ValueError,
            "image_size must be divisible by 4, since multipliers has 3 resolutions, but it was 30",
        ),
        ({"multipliers": ()}, ValueError, "multipliers must hold at least one number, but it was empty"),
        ({"multipliers": (1, 0)}, ValueError, "multipliers must be at least 1, but it was 0"),
        ({"multipliers": (1, 1.5)}, TypeError, r"multipliers must be a whole number, but it was 1\.5"),
        ({"blocks": 0}, ValueError, "blocks must be at least 1, but it was 0"),
        ({"dropout": 1.5}, ValueError, r"dropout must be a number from 0 to 1, but it was 1\.5"),
        ({"fourier": (17,)}, ValueError, "fourier must be a whole number from 0 to 16, but it was 17"),
        ({"outputs": 0}, ValueError, "outputs must be at least 1, but it was 0"),
        ({"groups": 0}, ValueError, "groups must be at least 1, but it was 0"),
        ({"attention": (8,)}, ValueError, r"attention must name sizes among \(28, 14, 7\), but it held \[8\]"),
        ({"attention": (7, 3)}, ValueError, r"attention must name sizes among \(28, 14, 7\), but it held \[3\]"),
    ],
)
def test_a_configuration_refuses(arguments, error, match):
    with pytest.raises(error, match=match):
        UNetConfig(**arguments)


def test_a_configuration_takes_lists_as_tuples():
    config = UNetConfig(multipliers=[1, 2], attention=[14])
    assert config == UNetConfig(multipliers=(1, 2), attention=(14,))
    assert config.sizes == (28, 14)


@pytest.mark.parametrize("shape", [(3, 1, 8, 7), (3, 1, 28, 28), (3, 3, 8, 8), (3, 8, 8)])
def test_images_that_do_not_fit(shape):
    with pytest.raises(ValueError, match=r"x_t must have shape \(B, 1, 8, 8\), but its shape was \(3,"):
        UNet(SMALL)(torch.zeros(shape), torch.ones(3, dtype=torch.long))


@pytest.mark.parametrize("t", [torch.tensor(1), torch.tensor([1]), torch.tensor([1, 2]), torch.tensor([[1], [2], [3]])])
def test_times_that_do_not_fit(t):
    with pytest.raises(ValueError, match=r"t must have shape \(3,\), one for each image, but its shape was \("):
        UNet(SMALL)(torch.zeros(3, 1, 8, 8), t)


def test_fourier_features_by_their_formula():
    x = torch.tensor([[[[0.3, -1.0]]], [[[0.123, 1.0]]]]).double()
    found = fourier_features(x, (0, 7))
    assert found.shape == (2, 5, 1, 2)
    for item, column in np.ndindex(2, 2):
        value = mpmath.mpf(float(x[item, 0, 0, column]))
        waves = [f(2**n * mpmath.pi * value) for n in (0, 7) for f in (mpmath.sin, mpmath.cos)]
        np.testing.assert_allclose(found[item, :, 0, column], [float(v) for v in (value, *waves)], atol=1e-12)


def test_a_second_channel_for_the_variance():
    config = dataclasses.replace(SMALL, outputs=2)
    x_t, t = batch(config)
    assert network(config)(x_t, t).shape == (3, 2, 8, 8)


def test_dropout_forgets_only_while_training():
    net, (x_t, t) = network(dataclasses.replace(SMALL, dropout=0.5)), batch(SMALL)
    still = network(SMALL).eval()(x_t, t)
    torch.testing.assert_close(net.eval()(x_t, t), still)
    assert (net.train()(x_t, t) - still).abs().max() > 0.01


def test_the_embedding_feeds_time_to_every_block():
    # Silencing the time of one block changes the answer: none is told the time in vain.
    net, (x_t, t) = network(SMALL), batch(SMALL)
    answer = net(x_t, t)
    blocks = [m for m in net.modules() if isinstance(m, ResidualBlock)]
    assert len(blocks) == 2 + 2 + 4
    for block in blocks:
        kept = block.time.weight.detach().clone()
        with torch.no_grad():
            block.time.weight.zero_()
            assert (net(x_t, t) - answer).abs().max() > 1e-6
            block.time.weight.copy_(kept)
    np.testing.assert_array_equal(net(x_t, t).detach().numpy(), answer.detach().numpy())
