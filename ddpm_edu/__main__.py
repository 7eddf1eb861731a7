"""The command line: python -m ddpm_edu train | sample | evaluate | classifier | equations."""

from __future__ import annotations

import argparse
import json
import sys
from functools import partial
from pathlib import Path
from typing import NoReturn


def main(argv: list[str] | None = None) -> int:
    """Run one command and return its exit status; bad input is one line on standard error and status 2."""
    arguments = _parser().parse_args(argv)
    try:
        return arguments.command(arguments)
    except KeyboardInterrupt as stop:
        print(f"\n{str(stop) or 'stopped; what is on disk is whole'}", file=sys.stderr)
        return 130
    except (ValueError, TypeError, OSError, RuntimeError, FloatingPointError, MemoryError) as error:
        print(f"ddpm_edu: {' '.join(str(error).split())}", file=sys.stderr)
        return 2


def _train(arguments: argparse.Namespace) -> int:
    from . import configuration, data, distributed, record, training

    device = _device(arguments.device)
    if arguments.resume and arguments.run is not None and arguments.preset is None:
        config = record.read_config(arguments.run)
    else:
        config = configuration.preset("cpu" if arguments.preset is None else arguments.preset)
    start = None
    if arguments.start is not None and not arguments.resume:
        weights = arguments.start / "weights.safetensors"
        start = record.load_tensors(weights)
        config = configuration.override(config, start=record.sha256(weights))
    config = configuration.override(config, steps=arguments.steps, seed=arguments.seed)
    config = configuration.change(config, dict(_pair(text) for text in arguments.changes))
    if arguments.show:
        print(config.to_json(), end="")
        return 0
    if arguments.run is None:
        raise ValueError("--run must name the folder for the record, but it was left out")
    with distributed.join(device):
        distributed.check_device(device)
        images, held_out = data.mnist("train").images, data.mnist("test").images[:2000]
        trainer = training.Trainer(config, images, held_out, device, start)
        machine, processes = record.machine(trainer.device)["device"], distributed.world_size()
        _say(
            f"{len(images):,} digits, {config.steps:,} steps of {config.batch}, on {machine}"
            + (f", {processes} processes" if processes > 1 else "")
        )
        for progress in training.train(trainer, arguments.run, arguments.resume):
            _say(training.in_words(progress, config))
        if distributed.is_first():
            training.describe(trainer, arguments.run)
        distributed.wait()
    return 0


def _sample(arguments: argparse.Namespace) -> int:
    from . import distributed, evaluation, record
    from .arguments import integer

    device = _device(arguments.device)
    with distributed.join(device):
        network, config = record.load_run(arguments.run, device)
        evaluation.check_picture(arguments.out)
        share = distributed.share(integer("n", arguments.n, distributed.world_size()))
        seed = (
            integer("seed", arguments.seed, 0) + 1_000_003 * distributed.rank()
        )  # each process draws digits of its own
        mine = evaluation.draw(
            network, config, share.stop - share.start, arguments.sampler, arguments.steps, seed, eta=arguments.eta
        )
        samples = distributed.gather(mine)
        if distributed.is_first():
            evaluation.save_grid(samples, arguments.out)
        _say(f"{arguments.n} digits in {arguments.out}")
        distributed.wait()
    return 0


def _evaluate(arguments: argparse.Namespace) -> int:
    from . import distributed, evaluation

    device = _device(arguments.device)
    with distributed.join(device):
        metrics = evaluation.evaluate(
            arguments.run,
            arguments.n,
            device,
            arguments.seed,
            partial(print, flush=True),
            arguments.sampler,
            arguments.steps,
            arguments.eta,
            arguments.seeds,
            arguments.only,
            arguments.digits,
        )
        _say(json.dumps(metrics, indent=2, ensure_ascii=False))
        distributed.wait()
    return 0


def _classifier(arguments: argparse.Namespace) -> int:
    from . import classifier

    metrics = classifier.train(arguments.run, _device(arguments.device), progress=print)
    print(json.dumps(metrics, indent=2))
    return 0


def _equations(arguments: argparse.Namespace) -> int:
    from . import equations

    if arguments.misprints:
        return equations.report_misprints()
    return equations.report(as_json=arguments.json)


def _device(name: str | None) -> str:
    """The named device, or where none is named a CUDA card if there is one."""
    if name is not None:
        return name
    import torch

    return "cuda" if torch.cuda.is_available() else "cpu"


def _say(line: str) -> None:
    """Print a line, once for all processes."""
    from . import distributed

    if distributed.is_first():
        print(line, flush=True)


def _pair(text: str) -> tuple[str, str]:
    """The name and the value in name=value."""
    name, equals, value = text.partition("=")
    if not equals:
        raise ValueError(f"set must be given name=value, such as unet.channels=32, but it was {text!r}")
    return name.strip(), value


class _Parser(argparse.ArgumentParser):
    """A parser whose complaint is one line, without the usage before it."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"ddpm_edu: {message}\n")


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(prog="python -m ddpm_edu", description="Train, sample and measure; check the equations.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    train = commands.add_parser("train", help="train a U-Net on MNIST and keep the record in a folder")
    train.add_argument("--preset", help="tiny, cpu, page, gpu or likelihood (default: cpu)")
    train.add_argument("--run", type=Path, help="the folder for the record")
    train.add_argument(
        "--set", dest="changes", nargs="+", action="extend", default=[], metavar="NAME=VALUE",
        help="change any value of the preset, such as batch=32 unet.channels=48",
    )  # fmt: skip
    train.add_argument("--show", action="store_true", help="print the configuration as it would be, and do nothing")
    train.add_argument("--steps", type=int, help="training steps, instead of the preset's")
    train.add_argument("--seed", type=int, help="instead of 0")
    train.add_argument("--from", dest="start", type=Path, help="begin from the weights of this run, of the same shape")
    train.add_argument("--resume", action="store_true", help="go on from the folder's last checkpoint")
    train.set_defaults(command=_train)

    sample = commands.add_parser("sample", help="draw digits from a trained run into a picture")
    sample.add_argument("--run", type=Path, required=True, help="the run's folder")
    sample.add_argument("--out", type=Path, required=True, help="the picture to write, a .png")
    sample.add_argument("--n", type=int, default=64, help="how many digits (default: 64)")
    sample.add_argument("--sampler", default="ancestral", help="ancestral or ddim (default: ancestral)")
    sample.add_argument("--steps", type=int, help="steps of the ddim sampler (default: 50)")
    sample.add_argument("--seed", type=int, default=0, help="the same seed gives the same digits on the same machine")
    sample.add_argument("--eta", type=float, default=0.0, help="share of fresh noise in the ddim sampler (default: 0)")
    sample.set_defaults(command=_sample)

    evaluate = commands.add_parser("evaluate", help="measure how near a run's samples come to real digits")
    evaluate.add_argument("--run", type=Path, required=True, help="the run's folder")
    evaluate.add_argument("--n", type=int, default=10_000, help="how many digits to draw (default: 10000)")
    evaluate.add_argument("--seeds", type=int, default=5, help="from how many seeds, in equal shares (default: 5)")
    evaluate.add_argument("--seed", type=int, default=0, help="the first of them (default: 0)")
    evaluate.add_argument("--sampler", default="ancestral", help="ancestral or ddim (default: ancestral)")
    evaluate.add_argument("--steps", type=int, help="steps of the ddim sampler (default: 50)")
    evaluate.add_argument("--eta", type=float, default=0.0, help="share of fresh noise in it (default: 0)")
    evaluate.add_argument("--digits", type=int, default=10_000, help="test digits for the likelihood (default: 10000)")
    evaluate.add_argument("--only", help="digits, likelihood (default: both) or curve")
    evaluate.set_defaults(command=_evaluate)

    classifier = commands.add_parser("classifier", help="train the classifier whose features measure the samples")
    classifier.add_argument("--run", type=Path, required=True, help="the folder for the record")
    classifier.set_defaults(command=_classifier)

    equations = commands.add_parser("equations", help="check every numbered equation of the book")
    instead = equations.add_mutually_exclusive_group()
    instead.add_argument("--json", action="store_true", help="print the results as JSON")
    instead.add_argument("--misprints", action="store_true", help="count the misprints that the checks catch")
    equations.set_defaults(command=_equations)

    for command in (train, sample, evaluate, classifier):
        command.add_argument("--device", help="cpu or cuda (default: cuda where there is a card)")
    return parser


if __name__ == "__main__":
    sys.exit(main())
