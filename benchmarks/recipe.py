"""What each choice of the knee recipe gives in the same processor time: the search behind the presets knee-*.

`python benchmarks/recipe.py --data knees/train --unseen knees/val --out FOLDER` trains each trial for `--minutes` of
processor time on one thread, measures it, and goes on where it was cut off. Processor time, not the clock's: a machine
that is shared does not favour the trial that had it alone. Then `--write` puts a table of each group that has results
into benchmarks/RECIPE.md, and its trials' knees (the same twelve seeds, a row each) into benchmarks/recipe-GROUP.png.

A trial differs from the base of its group in the one thing it is named for. The groups "start" and "features" begin
from nothing, the group "late" goes on from the shipped knee-64: what helps a fresh network may hurt one that already
draws.

The figures are those of `gan_core evaluate`, in the features of the shipped knee encoder, against knees of patients
that no trial has seen; one seed each, so differences of a tenth are noise.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

import typer

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "benchmarks")]

from pace import thousand_images  # noqa: E402

from gan_core import environment  # noqa: E402
from gan_core.files import write_text  # noqa: E402

PAPER = Path(__file__).with_name("RECIPE.md")
MARKS = "<!-- {}: written by recipe.py --write -->", "<!-- the end of {} -->"

FAKES = 1656
SHOWN = 12
# What all trials of a group have beyond knee-64. Gamma's course stands here so that they remain what they were when the
# preset has learnt from them.
BASES: dict[str, dict[str, Any]] = {
    "start": {"gamma_final": 1.0},
    "late": {
        "init": "knee-64",
        "gamma_final": 1.0,
        "g_lr": 5e-4,
        "d_lr": 5e-4,
        "r1_gamma": 0.1,
        "r2_gamma": 0.1,
        "class_balance": 0.5,
        "lr_final": 0.05,
        "lr_decay_from": 0.2,
    },
    "features": {"gamma_final": 0.1},
}


def one_convolution() -> None:
    """Blocks of one 3x3 convolution beside the skip, in place of two."""
    from torch.nn import functional as F

    from gan_core.networks import residual
    from gan_core.networks.common import crop

    def up(self: Any, x: Any, w: Any) -> Any:
        h = crop(self.conv1(F.leaky_relu(self.style1(x, w), 0.2)), self.size)
        skip = F.interpolate(self.skip(x), scale_factor=2, mode="nearest")
        return (crop(skip, self.size) + h) * residual.SUM_GAIN

    def down(self: Any, x: Any) -> Any:
        h = self.conv2(F.leaky_relu(x, 0.2))
        return (h + self.skip(F.avg_pool2d(x, 2))) * residual.SUM_GAIN

    residual.UpBlock.forward, residual.DownBlock.forward = up, down  # type: ignore[method-assign]


@dataclass(frozen=True)
class Trial:
    name: str
    settings: dict[str, Any] = field(default_factory=dict)
    patch: Callable[[], None] | None = None  # for what is no setting, because it did not earn one


TRIALS: dict[str, tuple[Trial, ...]] = {
    "start": (
        Trial("knee-64 with gamma 1 throughout"),
        Trial("gamma falls to a tenth", {"gamma_final": 0.1}),
        Trial("gamma 0.1 throughout", {"r1_gamma": 0.1, "r2_gamma": 0.1}),
        Trial("twice the channels", {"g_channels": 16, "d_channels": 16, "max_channels": 256}),
        Trial("no normalisation in G", {"g_norm": "none"}),
        Trial("one convolution a block", patch=one_convolution),
        Trial("discriminator also names the grade", {"conditioning": "projection+classifier"}),
        Trial("DiffAugment", {"augment": ("brightness", "contrast", "translation", "cutout")}),
        Trial("without grades", {"conditioning": "none"}),
    ),
    "late": (
        Trial("as the shipped model's last stage"),
        Trial(
            "discriminator also names the grade, weight 0.1",
            {"conditioning": "projection+classifier", "class_weight": 0.1},
        ),
        Trial("discriminator also names the grade, weight 1", {"conditioning": "projection+classifier"}),
        Trial("gamma 1", {"r1_gamma": 1.0, "r2_gamma": 1.0}),
        Trial("gamma 0.02", {"r1_gamma": 0.02, "r2_gamma": 0.02}),
        Trial("batch 64, rate doubled", {"batch": 64, "g_lr": 1e-3, "d_lr": 1e-3}),
        Trial("DiffAugment", {"augment": ("brightness", "contrast", "translation", "cutout")}),
        Trial(
            "DiffAugment of a quarter", {"augment": ("brightness", "contrast", "translation"), "augment_share": 0.25}
        ),
        Trial("grown to twice the channels", {"g_channels": 16, "d_channels": 16}),
    ),
    "features": (
        Trial("knee-64 with gamma falling to a tenth"),
        Trial("feature discriminator, weight 0.1", {"feature_weight": 0.1}),
        Trial("feature discriminator, weight 1", {"feature_weight": 1.0}),
    ),
}


def configure(group: str, trial: Trial, data: str, kimg: float) -> Any:
    from gan_core.presets import configure as preset

    quiet = {"threads": 1, "judge_kimg": 0.0, "sample_kimg": 1e6, "tick_kimg": 1.0, "samples": SHOWN}
    return preset("knee-64", **{"data": data, "kimg": kimg, **quiet, **BASES[group], **trial.settings})


def run_trial(group: str, trial: Trial, data: str, unseen: str, minutes: float, folder: Path) -> dict[str, Any]:
    """Trains and measures one trial in this process."""
    import torch

    from gan_core import images, networks
    from gan_core.generate import generate
    from gan_core.model import load_model
    from gan_core.train.distributed import World
    from gan_core.train.run import Run
    from studio.evaluate.evaluate import evaluate
    from studio.evaluate.folder import EvaluationRequest
    from studio.train.session import train

    torch.set_num_threads(1)
    if trial.patch:
        trial.patch()
    kimg_path = folder / "kimg"
    if not kimg_path.exists():
        write_text(kimg_path, str(thousand_images(configure(group, trial, data, 1e3), minutes)))
    config = configure(group, trial, data, float(kimg_path.read_text(encoding="utf-8")))
    run = Run(folder / "run")
    run.path.mkdir(parents=True, exist_ok=True)
    run.write_config(config)
    start = time.process_time()
    status = train(run, config, World())
    spent = time.process_time() - start
    model = load_model(run.generator_path)
    request = EvaluationRequest(
        model=str(run.generator_path), data=unseen, reference=data, n=FAKES, only=("fd", "kd", "prdc", "grade")
    )
    figures = evaluate(request).as_json()
    sheet = generate(model, range(SHOWN), truncation=1.0)
    images.save_png(folder / "knees.png", images.grid(sheet, SHOWN))
    return {
        "name": trial.name,
        "images": status.images_seen,
        "minutes": spent / 60,
        "parameters": networks.count_parameters(model.net),
        **{k: {"value": figures[k]["value"], "floor": figures[k]["floor"]} for k in ("fd", "kd")},
        **{k: figures["prdc"][k] for k in ("precision", "recall", "coverage")},
        "grade": {"value": figures["grade"].get("value"), "floor": figures["grade"].get("floor")},
        "diverged": not all(abs(t["g_loss"]) < 1e3 for t in run.stats()),
    }


def slug(text: str) -> str:
    return "".join(ch if ch.isalnum() else "-" for ch in text.lower())


def table(group: str, results: list[dict[str, Any]]) -> str:
    """The results of one group, a row each, over those of films."""
    columns = ("FD", "KD", "precision", "recall", "coverage", "grade kappa")
    keys = ("fd", "kd", "precision", "recall", "coverage", "grade")
    digits = (1, 3, 2, 2, 2, 2)

    def cells(r: dict[str, Any], what: str) -> str:
        each = (r[k][what] for k in keys)
        return " | ".join("-" if v is None else f"{v:.{d}f}" for v, d in zip(each, digits, strict=True))

    lines = [f"### {group}", "", f"| trial | images | minutes | {' | '.join(columns)} |"]
    lines.append(f"| --- |{' ---: |' * (2 + len(columns))}")
    lines += [f"| {r['name']} | {r['images']:,} | {r['minutes']:.1f} | {cells(r, 'value')} |" for r in results]
    films = next((r for r in results if r["grade"]["floor"] is not None), results[0])
    return "\n".join([*lines, f"| *real against real* | | | {cells(films, 'floor')} |"])


def write_paper(group: str, text: str, sheets: list[Path]) -> None:
    """A group's table between its marks, and its trials' knees below each other."""
    import numpy as np
    from PIL import Image

    from gan_core.images import save_png

    first, last = (mark.format(group) for mark in MARKS)
    before, rest = PAPER.read_text(encoding="utf-8").split(first)
    after = rest.split(last)[1]
    write_text(PAPER, f"{before}{first}\n{text}\n{last}{after}")
    save_png(PAPER.with_name(f"recipe-{group}.png"), np.concatenate([np.asarray(Image.open(p)) for p in sheets]))


def main(
    out: Annotated[Path, typer.Option(help="Where the runs and results are kept.")],
    data: Annotated[str, typer.Option(help="Knees to learn from.")] = "knees/train",
    unseen: Annotated[str, typer.Option(help="Knees of other patients, to measure against.")] = "knees/val",
    minutes: Annotated[float, typer.Option(min=0.01, help="Processor time of each trial.")] = 8.0,
    only: Annotated[str, typer.Option(help="Only the group, or GROUP/TRIAL, of this name.")] = "",
    write: Annotated[bool, typer.Option("--write", help="Put what there is into benchmarks/RECIPE.md.")] = False,
    here: Annotated[bool, typer.Option("--here", hidden=True)] = False,
) -> None:
    """Compare choices of the knee recipe at equal processor time."""
    for group, trials in TRIALS.items():
        results = []
        for trial in trials:
            key = f"{group}/{slug(trial.name)}"
            folder = out / key
            result = folder / "result.json"
            if not write and only in ("", group, key) and not result.exists():
                if here:
                    found = run_trial(group, trial, data, unseen, minutes, folder)
                    write_text(result, json.dumps(found, indent=2))
                    return
                print(f"{group}: {trial.name} ...", file=sys.stderr)
                options = ["--data", data, "--unseen", unseen, "--minutes", str(minutes), "--only", key]
                command = [sys.executable, str(Path(__file__).resolve()), "--out", str(out), *options, "--here"]
                subprocess.run(command, env=environment.for_training(), check=False)
            if result.exists():
                results.append(json.loads(result.read_text(encoding="utf-8")))
        if results:
            print(table(group, results))
        if results and write:
            write_paper(group, table(group, results), [out / group / slug(r["name"]) / "knees.png" for r in results])


if __name__ == "__main__":
    typer.run(main)
