"""Every system that the seed documents describe, trained on real images, and what came out beside what they report.

`python benchmarks/baselines.py --data FOLDER --out WORK` trains and measures one system after the other, each in a
process of its own on one thread, and goes on where it was cut off; FOLDER holds knees/train, knees/val, chest, clothing
and digits, a folder for each class. `--only NAME` takes those whose names begin so, `--quick` smoke-tests all in two
minutes, `--scale 0.3` gives each a share of its time. `--write` then puts figures and pictures of fakes of all that is
finished into benchmarks/seeds/, where the Runs page finds them, and the tables into benchmarks/BASELINES.md.

Time is that of the processor, so that a shared machine favours none; baselines_systems.py says how much each has.
"""

from __future__ import annotations

import json
import multiprocessing
import resource
import shutil
import subprocess
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "benchmarks")]

from baselines_systems import RESULT, SYSTEMS, System, figure  # noqa: E402
from pace import images_a_second  # noqa: E402

from gan_core import environment  # noqa: E402
from gan_core.files import write_text  # noqa: E402

SEEN, UNSEEN = {"knees": "knees/train"}, {"knees": "knees/val"}  # of the others there is one folder
FAKES = 1600
FEW_FAKES, FEW = 50, 20  # and images of a class, for `--quick`
SNAPSHOTS = 5  # of a run that is counted in minutes, after its beginning
SMALL = 28


def configure(system: System, data: Path, kimg: float, quick: bool = False, **more: Any) -> Any:
    from gan_core.presets import configure as preset

    each: dict[str, Any] = {"threads": 1, "data": str(data / SEEN.get(system.data, system.data)), "kimg": kimg}
    if system.epochs:
        epoch = kimg / system.epochs
        each |= {"tick_kimg": epoch, "sample_kimg": epoch, "samples": 20}
    else:
        each |= {"tick_kimg": max(0.1, kimg / 100), "sample_kimg": kimg / SNAPSHOTS, "judge_kimg": kimg / 100}
        each |= {"samples": 20 if system.preset.startswith("knee-64") else 12 if system.data == "knees" else 4}
    if quick:
        each |= {"batch": 4, "samples": 4, "judge_kimg": 0.0}
    return preset(system.preset, **(each | system.settings | more))


def length(system: System, data: Path, scale: float, folder: Path) -> tuple[float, dict[str, float]]:
    """How many thousand images the system sees, and what was measured to know it."""

    if system.epochs:
        from studio.data.survey import inspect

        count = inspect(str(data / system.data))["count"]
        config = configure(system, data, 1.0)
        return system.epochs * count * config.n_critic / 1000, {}
    path = folder / "length.json"
    minutes = system.minutes * scale
    known = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    if "rate" not in known:
        config = configure(system, data, 1e3)
        rate = images_a_second(config)
        step = config.batch * config.n_critic / rate
        memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
        known = {"rate": rate, "step_seconds": step, "memory_gib": memory}
        write_text(path, json.dumps(known))
    return round(known["rate"] * minutes * 60 / 1000, 3), known


def last_epoch(ticks: list[dict[str, Any]]) -> dict[str, float]:
    """Means over the last tenth of a run: one batch is noise."""
    tail = ticks[-max(1, len(ticks) // 10) :]
    keys = {k for t in tail for k, v in t.items() if isinstance(v, float)}
    return {k: sum(t[k] for t in tail if k in t) / sum(k in t for t in tail) for k in keys}


def measure(system: System, run: Any, data: Path, n: int) -> dict[str, dict[str, Any]]:
    from benchmarks.inception_score import class_scores
    from benchmarks.letters import marked
    from gan_core import data as data_module
    from gan_core.generate import generate
    from gan_core.model import load_model
    from studio.evaluate.evaluate import evaluate
    from studio.evaluate.folder import EvaluationRequest

    seen, unseen = (str(data / which.get(system.data, system.data)) for which in (SEEN, UNSEEN))
    if system.epochs:
        reals = data_module.load(seen, SMALL)
        fakes = generate(load_model(run.generator_path), range(len(reals.images)), truncation=1.0)
        steps = {"steps": 5} if n < FAKES else {}
        found = class_scores(reals.images, reals.labels, len(reals.class_names), fakes, **steps)
        return {
            "is": figure("Inception score (own classifier)", found.score, 2, found.score_of_reals, "higher"),
            "fd": figure("Fréchet distance (own classifier)", found.fd, 1, found.fd_of_reals, "lower"),
            "classifier": figure("That classifier's accuracy on unseen reals", found.accuracy, 2),
        }
    names = ("fd", "kd", "prdc", "spectrum")
    reference = seen if seen != unseen else ""
    request = EvaluationRequest(model=str(run.generator_path), data=unseen, reference=reference, n=n, only=names)
    got = evaluate(request).as_json()
    out = {
        "fd": figure("Fréchet distance (knee encoder)", got["fd"]["value"], 1, got["fd"]["floor"], "lower"),
        "kd": figure("Kernel distance (knee encoder)", got["kd"]["value"], 3, got["kd"]["floor"], "lower"),
    }
    found = got["spectrum"]
    out["spectrum"] = figure("Gap between the power spectra, dB", found["value"], 2, found.get("floor"), "lower")
    for key in ("precision", "recall", "coverage"):
        found = got["prdc"].get(key, {})
        out[key] = figure(key.capitalize(), found.get("value"), 2, found.get("floor"), "higher")
    if system.data == "chest":
        model = load_model(run.generator_path)
        reals = data_module.load(seen, model.config.net.resolution, fit="pad").images[:100]
        fakes = generate(model, range(min(n, 100)), truncation=1.0)
        for key, right in (("letter_left", False), ("letter_right", True)):
            title = f"Share with a bright small mark on the {'right' if right else 'left'}"
            out[key] = figure(title, float(marked(fakes, right).mean()), 2, float(marked(reals, right).mean()))
    return out


def run_system(system: System, data: Path, out: Path, scale: float, quick: bool) -> None:
    """Trains and measures one system in this process, and keeps what was found."""
    import torch

    from gan_core import networks
    from gan_core.model import load_model
    from gan_core.train.distributed import World
    from gan_core.train.game import pick_precision
    from gan_core.train.run import Run
    from studio.train.session import train

    torch.set_num_threads(1)
    folder = out / system.name
    run, spent_path = Run(folder / "run"), folder / "spent.json"
    more = {"init": str(out / system.start / "run")} if system.start else {}
    kimg, known = (0.008, {}) if quick else length(system, data, scale, folder)
    config = configure(system, data, kimg, quick, **more)
    if run.state_path.exists() and not goes_on(run.config(), config):
        shutil.rmtree(run.path)
        spent_path.unlink(missing_ok=True)
    run.path.mkdir(parents=True, exist_ok=True)
    run.write_config(config)
    before = json.loads(spent_path.read_text()) if spent_path.exists() else 0.0
    start = time.process_time()

    def spent() -> float:
        return before + time.process_time() - start

    # Written on the way: what a run had before it was cut off has been spent too.
    status = train(run, config, World(), on_status=lambda status: write_text(spent_path, json.dumps(spent())))
    if status.state != "finished":
        raise SystemExit(status.message)
    seconds = spent()
    write_text(spent_path, json.dumps(seconds))
    ticks = run.stats()
    means = last_epoch(ticks)
    figures = measure(system, run, data, FEW_FAKES if quick else FAKES)
    # Each loss as Keras reports it, the mean over reals and fakes; ours is their sum.
    half = 2 if config.loss == "non-saturating" else 1
    figures["d_loss"] = figure("D loss, last tenth", means["d_loss"] / half, 2)
    figures["g_loss"] = figure("G loss, last tenth", means["g_loss"], 2)
    accuracy = (means["d_accuracy_real"] + means["d_accuracy_fake"]) / 2
    figures["d_accuracy"] = figure("D accuracy, last tenth", accuracy, 2)
    if "class_accuracy" in means:
        figures["class_loss"] = figure("D class loss, last tenth", means["d_class_loss"], 2)
        figures["class_accuracy"] = figure("D class accuracy on reals, last tenth", means["class_accuracy"], 2)
    figures["diversity"] = figure("Diversity of the samples (the reals' is 1)", means["diversity"], 2)
    figures["minutes"] = figure("Processor minutes", seconds / 60, 1)
    figures["speed"] = figure("Images a second of processor time", status.images_seen / max(seconds, 1e-9), 1)
    for key, title, digits in (("step_seconds", "Seconds a step", 3), ("memory_gib", "Memory of a step, GiB", 2)):
        if key in known:
            figures[key] = figure(title, known[key], digits)
    count = networks.count_parameters(load_model(run.generator_path).net)
    figures["parameters"] = figure("Parameters of G", float(count), 0)
    found = {
        "title": system.title,
        "group": system.group,
        "source": f"Seed {system.seed}" if system.seed != "-" else "This project",
        "figures": figures,
        "reported": system.reported,
        "columns": columns(config, len(run_labels(run))),
        "scale": scale,
        "precision": pick_precision(config.precision, torch.device("cpu")),
    }
    write_text(folder / RESULT, json.dumps(found, indent=1, ensure_ascii=False))


def few(data: Path, out: Path) -> Path:
    """A folder like `data` with the first images of each class alone."""
    for source in ("knees/train", "knees/val", "chest", "clothing", "digits"):
        for folder in filter(Path.is_dir, (data / source).glob("*")):
            copy = out / source / folder.name
            copy.mkdir(parents=True, exist_ok=True)
            for path in sorted(folder.iterdir())[:FEW]:
                shutil.copy(path, copy)
    return out


def try_all(systems: list[System], data: Path, out: Path) -> None:
    """A few steps of each, two at a time; one that grows out of another comes after it in the same process."""
    chains: list[list[System]] = []
    for system in systems:
        if system.start and chains and chains[-1][-1].name == system.start:
            chains[-1].append(system)
        else:
            chains.append([system])
    with ProcessPoolExecutor(2, mp_context=multiprocessing.get_context("spawn")) as pool:
        list(pool.map(partial(try_chain, data=data, out=out), sorted(chains, key=len, reverse=True)))


def try_chain(chain: list[System], data: Path, out: Path) -> None:
    for system in chain:
        if not finished(system, out):
            print(f"{system.name} ...", file=sys.stderr, flush=True)
            run_system(system, data, out, 1.0, quick=True)


def finished(system: System, out: Path) -> float:
    """The share of its time that the system has had, once measured; 0 before."""
    result = out / system.name / RESULT
    return float(json.loads(result.read_text(encoding="utf-8"))["scale"]) if result.exists() else 0.0


def goes_on(old: Any, new: Any) -> bool:
    """Whether a longer run may go on from a shorter one: not where something fades along the whole of it."""
    from gan_core.config import CADENCE

    fades = new.input_noise or new.lr_final < 1 or new.gamma_final < 1
    # Ticks and pictures come as often as the length says.
    often = {name: getattr(new, name) for name in CADENCE}
    return old.kimg == new.kimg or (not fades and old.model_copy(update=often).same_run(new))


def run_labels(run: Any) -> tuple[str, ...]:
    from gan_core.model import read_config

    return read_config(run.generator_path).class_names


def columns(config: Any, classes: int) -> int:
    """Of the sample sheets, as the trainer lays them out."""
    import math

    return classes if 2 <= classes <= 12 else max(1, math.isqrt(config.samples))


def main(
    data: Annotated[Path, typer.Option(help="Holds knees/train, knees/val, chest, clothing, digits.")] = Path(),
    out: Annotated[Path, typer.Option(help="Where runs and results are kept.")] = Path("seeds-work"),
    only: Annotated[str, typer.Option(help="Only systems whose names begin so.")] = "",
    scale: Annotated[float, typer.Option(min=0.001, max=10, help="Share of each system's time.")] = 1.0,
    quick: Annotated[bool, typer.Option("--quick", help="A few steps of each: does everything run?")] = False,
    write: Annotated[bool, typer.Option("--write", help="Put what is finished into benchmarks/.")] = False,
    here: Annotated[bool, typer.Option("--here", hidden=True)] = False,
) -> None:
    """Train every system of the seeds and write down what comes of it."""
    chosen = [s for s in SYSTEMS if s.name.startswith(only)]
    if here:
        (system,) = (s for s in SYSTEMS if s.name == only)
        run_system(system, data, out, scale, quick)
        return
    if quick and not write:
        out = out / "quick"  # a trial is no result
        try_all(chosen, few(data, out / "few"), out)
        return
    for system in () if write else chosen:
        if finished(system, out) >= scale:
            continue
        print(f"{system.name} ...", file=sys.stderr, flush=True)
        command = [sys.executable, str(Path(__file__).resolve()), "--data", str(data), "--out", str(out)]
        command += ["--only", system.name, "--scale", str(scale), "--here"]
        subprocess.run(command, env=environment.for_training(), check=False)
    if write:
        from baselines_paper import write_all

        write_all(out, SYSTEMS)


if __name__ == "__main__":
    typer.run(main)
