"""The jump to x_t and one step back, on 64 digits, beside diffusers' DDPMScheduler: the same numbers, and how long each takes.

Run it with `.venv/bin/python benchmarks/against_diffusers.py`; it writes against_diffusers.json beside itself.
Both sides get the same float32 digits, noise, times and generator; ours and theirs take turns, call by call.
"""

import json
import platform
import statistics
import time
from pathlib import Path

import diffusers
import torch
from diffusers import DDPMScheduler

from ddpm_edu import data, diffusion, forward, record, schedules

N = 64
ROUNDS = 2000
T_TRIED = [*range(1, 21), *range(30, 1001, 10)]


def main() -> None:
    torch.set_num_threads(1)  # 64 digits are too few for a second one to help
    pictures = data.digits("test")
    x_0 = torch.from_numpy(data.to_unit_range(pictures.images[:N]))
    rng = torch.Generator().manual_seed(0)
    eps = torch.randn(x_0.shape, generator=rng)
    ours, theirs = schedules.linear(), scheduler()
    result = {
        "digits": f"{N} of {pictures.source}, float32, 1×28×28",
        "machine": record.machine(torch.device("cpu")) | {"threads": torch.get_num_threads()},
        "versions": {
            "diffusers": diffusers.__version__,
            "torch": torch.__version__,
            "python": platform.python_version(),
        },
        "rounds": ROUNDS,
        "difference": differences(ours, theirs, x_0, eps),
        "microseconds": times(ours.to("cpu"), theirs, x_0, eps),
    }
    text = json.dumps(result, indent=2, ensure_ascii=False)
    Path(__file__).with_suffix(".json").write_text(text + "\n", encoding="utf-8")
    print(text)


def scheduler() -> DDPMScheduler:
    """Theirs, with the linear schedule, σ² = β and x̂_0 clipped, as ours by default."""
    return DDPMScheduler(
        1000, beta_start=1e-4, beta_end=0.02, beta_schedule="linear", variance_type="fixed_large", clip_sample=True
    )


def differences(ours, theirs, x_0, eps) -> dict[str, float]:
    """The largest difference over t = 1…20 and every tenth, in float64 (the formulas) and in float32 (the formulas and rounding).

    In float64 theirs are given our β and ᾱ, since they compute their own in float32; "as shipped" leaves them theirs.
    """
    exact = scheduler()
    exact.betas, exact.alphas_cumprod = torch.tensor(ours.beta[1:]), torch.tensor(ours.alpha_bar[1:])
    double, single = ours.to("cpu", torch.float64), ours.to("cpu")
    cases = {
        "float64": (double, exact, x_0.double(), eps.double()),
        "float32 as shipped": (single, theirs, x_0, eps),
    }
    result = {}
    for name, (schedule, other, x, noise) in cases.items():
        jumps, steps = [], []
        for t in T_TRIED:
            times_t = torch.full((N,), t)
            x_t = forward.q_sample(x, times_t, schedule, noise)
            jumps.append((x_t - other.add_noise(x, noise, times_t - 1)).abs().max().item())
            mine = diffusion.p_sample(lambda x_t, t, e=noise: e, x_t, t, schedule, torch.Generator().manual_seed(t)).x_t
            yours = other.step(noise, t - 1, x_t, generator=torch.Generator().manual_seed(t)).prev_sample
            steps.append((mine - yours).abs().max().item())
        result[f"q_sample, {name}"] = max(jumps)
        result[f"step, {name}"] = max(steps)
        if name != "float64":
            late = T_TRIED.index(100)
            result[f"q_sample, {name}, from t = 100"] = max(jumps[late:])
            result[f"step, {name}, from t = 100"] = max(steps[late:])
    return {name: float(f"{value:.2g}") for name, value in result.items()}


def times(schedule, theirs, x_0, eps) -> dict[str, float]:
    """Medians over many rounds in which the four calls take turns."""
    rng = torch.Generator().manual_seed(1)
    mine, yours = torch.Generator().manual_seed(2), torch.Generator().manual_seed(2)
    spent: dict[str, list[float]] = {
        "q_sample, ours": [],
        "q_sample, diffusers": [],
        "step, ours": [],
        "step, diffusers": [],
    }
    with torch.inference_mode():
        for turn in range(ROUNDS):
            t = torch.randint(1, 1001, (N,), generator=rng)
            before, one = t - 1, int(t[0])
            calls = {
                "q_sample, ours": lambda t=t: forward.q_sample(x_0, t, schedule, eps),
                "q_sample, diffusers": lambda before=before: theirs.add_noise(x_0, eps, before),
                "step, ours": lambda one=one: diffusion.p_sample(lambda x_t, t: eps, x_0, one, schedule, mine),
                "step, diffusers": lambda one=one: theirs.step(eps, one - 1, x_0, generator=yours),
            }
            for name, call in list(calls.items())[:: 1 if turn % 2 else -1]:  # whoever comes first finds colder caches
                started = time.perf_counter()
                call()
                spent[name].append(time.perf_counter() - started)
    return {name: round(1e6 * statistics.median(values), 1) for name, values in spent.items()}


if __name__ == "__main__":
    main()
