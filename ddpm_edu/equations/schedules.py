"""Checks of the chapter schedules."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from .. import forward, schedules
from ..densities import Histogram, Mixture
from .evaluate import World
from .register import Case, parsed
from .worlds import histogram, scheduled


@parsed("alpha-from-beta", r"\alpha_t", how="The printed value is compared with the schedule's α_t.")
def _(rng: np.random.Generator) -> Case:
    it = scheduled(rng)
    return Case(it.world, [it.schedule.alpha[it.t]])


@parsed(
    "alpha-bar",
    r"\bar\alpha_t",
    how="The printed product is compared with the schedule's ᾱ_t.",
    harmless={"begun one early": "A product from s = 0 is the same, since α_0 = 1."},
)
def _(rng: np.random.Generator) -> Case:
    it = scheduled(rng)
    return Case(it.world, [it.schedule.alpha_bar[it.t]])


@parsed(
    "linear-schedule", r"\beta_t", how="The printed line is compared with schedules.linear at random T, t, β_1 and β_T."
)
def _(rng: np.random.Generator) -> Case:
    T = int(rng.integers(2, 40))
    t = int(rng.integers(1, T + 1))
    schedule = schedules.linear(T, rng.uniform(1e-4, 0.1), rng.uniform(0.1, 0.9))
    return Case(World({"t": t, "T": T}, _sequences(schedule)), [schedule.beta[t]])


@parsed(
    "cosine-schedule",
    r"\bar\alpha_t",
    how="The printed curve is compared with schedules.cosine at random T, t < T and s, where no β is cut off.",
    harmless={"a factor 2": "It is in f(t) and in f(0) alike, and their ratio is the same."},
)
def _(rng: np.random.Generator) -> Case:
    T = int(rng.integers(4, 40))
    t = int(rng.integers(1, T))
    s = rng.uniform(0.001, 0.3)
    schedule = schedules.cosine(T, s, beta_max=1.0)
    return Case(World({"t": t, "T": T, "s": s}, _sequences(schedule)), [schedule.alpha_bar[t]])


@parsed(
    "log-linear-schedule",
    r"\bar\alpha_t",
    how="The printed curve is compared with schedules.log_linear at random T, t and ends.",
)
def _(rng: np.random.Generator) -> Case:
    T = int(rng.integers(2, 40))
    t = int(rng.integers(1, T + 1))
    first, last = rng.uniform(1, 6), rng.uniform(-6, 0.9)
    schedule = schedules.log_linear(T, first, last)
    lambdas = np.concatenate([[np.nan], np.linspace(first, last, T)])
    return Case(World({"t": t, "T": T}, {**_sequences(schedule), "lambda": lambdas}), [schedule.alpha_bar[t]])


@parsed("snr", r"\mathrm{SNR}_t", how="The printed ratio is compared with the schedule's SNR.")
def _(rng: np.random.Generator) -> Case:
    it = scheduled(rng)
    return Case(it.world, [it.schedule.snr[it.t]])


@parsed(
    "rms-step",
    r"\mathbb{E}\left[(x_t - x_{t-1})^2\right]",
    how="Every side is compared with the mean square of one step of forward.q_sample, "
    "summed exactly over the nodes of a Gauss–Hermite quadrature for ε and data of unit variance.",
)
def _(rng: np.random.Generator) -> Case:
    it = scheduled(rng)
    nodes, weights = np.polynomial.hermite_e.hermegauss(5)
    before, eps = np.meshgrid([-1.0, 1.0], nodes, indexing="ij")
    one_step = schedules.from_betas([it.schedule.beta[it.t]])
    after = forward.q_sample(before, 1, one_step, eps)
    weight = np.broadcast_to(weights / weights.sum() / 2, before.shape)
    values = {**it.world.values, "x_t": after, "x_{t-1}": before, "eps": eps}
    return Case(replace(it.world, values=values, weights=weight), [np.sum(weight * (after - before) ** 2)])


@parsed(
    "variance-along-schedule",
    "v_t",
    how="The printed variance is compared with that of a histogram pushed through the schedule's steps one by one.",
)
def _(rng: np.random.Generator) -> Case:
    it = scheduled(rng)
    chain: list[Histogram | Mixture] = [histogram(rng)]
    for alpha, beta in zip(it.schedule.alpha[1:], it.schedule.beta[1:], strict=True):
        chain.append(chain[-1].push(alpha**0.5, beta))
    v = [density.variance for density in chain]
    return Case(replace(it.world, sequences={**it.world.sequences, "v": v}), [v[it.t]])


def _sequences(schedule: schedules.NoiseSchedule) -> dict[str, Any]:
    return {"alpha": schedule.alpha, "beta": schedule.beta, "alpha_bar": schedule.alpha_bar, "SNR": schedule.snr}
