"""`python -m gan_core VERB`: all that the app does. Results to stdout, progress to stderr.

Exit codes: 0, 1 for a job that failed, 2 for a call that was wrong.
"""

from __future__ import annotations

import csv
import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table
from tqdm import tqdm

from gan_core import __version__, environment
from gan_core.console import Bar, TrainingReport
from gan_core.errors import UserError

app = typer.Typer(
    help="Train GANs on knee radiographs and generate synthetic ones. Not for diagnosis.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
_AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]


def main() -> None:
    """Runs the verb named on the command line. An error becomes one line: exit code 1 for a `UserError`, 2 for a bad
    call."""
    try:
        sys.exit(app(standalone_mode=False) or 0)
    except typer.TyperException as e:
        message = " ".join(e.format_message().removeprefix("Invalid value: ").split())
        if message:  # none where the help was printed already, for want of a verb
            print(f"error: {message.rstrip('.')}. See --help.", file=sys.stderr)
        sys.exit(e.exit_code)
    except UserError as e:
        print(f"error: {e}", file=sys.stderr)
        sys.exit(1)
    except OSError as e:
        print(f"error: {e}. Check the path, its permissions and the room on the disk.", file=sys.stderr)
        sys.exit(1)


def _out(value: object) -> None:
    print(json.dumps(value, indent=2, ensure_ascii=False))


def _table(columns: list[str], rows: list[list[str]]) -> None:
    table = Table(*columns)
    for row in rows:
        table.add_row(*row)
    Console().print(table)


def _bad_call(message: str) -> typer.BadParameter:
    return typer.BadParameter(message)


def _good_call(make: Callable[[], Any]) -> Any:
    """What `make` gives; what it finds wrong is a wrong call."""
    try:
        return make()
    except UserError as e:
        raise _bad_call(str(e)) from e


def parse_seeds(text: str) -> list[int]:
    """ "0-3,7" as [0, 1, 2, 3, 7]. Raises `typer.BadParameter` where it is no such list."""
    seeds: list[int] = []
    try:
        for part in text.split(","):
            first, _, last = part.partition("-")
            if int(last or first) - int(first) > 10_000_000:
                raise _bad_call("at most ten million seeds at once")
            seeds += range(int(first), int(last or first) + 1)
    except ValueError as e:
        raise _bad_call(f"{text!r} is no list of seeds; write 0-63 or 1,5,9") from e
    if not seeds:
        raise _bad_call(f"{text!r} holds no seed: a range goes from the smaller to the larger")
    return seeds


# -- train ------------------------------------------------------------------------------------------------------------


@app.command()
def train(
    preset: Annotated[
        str | None, typer.Option(help="A recipe, perhaps with additions: dcgan+smooth+noise. Default: knee-64.")
    ] = None,
    data: Annotated[str | None, typer.Option(help="Folder, zip, DICOM, or a named source. Default: phantom.")] = None,
    resolution: Annotated[int | None, typer.Option(help="Side of the images in pixels.")] = None,
    kimg: Annotated[float | None, typer.Option(help="Length of the run, in thousands of images.")] = None,
    epochs: Annotated[float | None, typer.Option(help="Length of the run, in passes over the data.")] = None,
    seed: Annotated[int | None, typer.Option()] = None,
    out: Annotated[
        Path | None, typer.Option(help="The run's directory. Default: a new one, numbered, in runs/.")
    ] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with the run in --out, or the newest.")] = False,
    new: Annotated[
        bool, typer.Option("--new", help="Start a new run though an unfinished one has these settings.")
    ] = False,
    queue: Annotated[
        bool, typer.Option("--queue", help="Wait until the other runs in the same folder have ended.")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print the settings and stop.")] = False,
    settings: Annotated[list[str] | None, typer.Option("--set", help="Any setting, as key=value.")] = None,
) -> None:
    """Train. The same command again goes on where a stopped or killed run left off."""
    from gan_core import data as data_module
    from gan_core import runs
    from gan_core.presets import change, configure, parse_settings

    if kimg is not None and epochs is not None:
        raise _bad_call("give --kimg or --epochs, not both")
    source = None if data is None else data_module.absolute_source(data)
    named = {"data": source, "resolution": resolution, "kimg": kimg, "seed": seed}
    changes = {k: v for k, v in named.items() if v is not None} | _good_call(lambda: parse_settings(settings or []))

    run: runs.Run | None = None
    if resume:
        run = runs.Run(out) if out else next(iter(runs.list_runs()), None)
        if run is None:
            raise _bad_call("there is no run to resume; give its directory with --out")
        old = run.config()
        config = _good_call(lambda: change(old, **changes))
        if not old.same_run(config) or preset not in (None, old.preset):
            raise _bad_call(
                f"{run.path} was trained with other settings; only its length and machine options may change"
            )
    else:
        config = _good_call(lambda: configure(preset or "knee-64", **changes))
    if epochs is not None:
        count = data_module.inspect(config.data, progress=Bar("looking at the files"))["count"]
        changes["kimg"] = epochs * count / 1000
        config = _good_call(lambda: change(config, **changes))
    if dry_run:
        _out(config.model_dump())
        return

    environment.restart_prepared()
    if run is None:
        run = _place(config, out, new)
    _train(run, config, queue)


def _place(config: Any, out: Path | None, new: bool) -> Any:
    """The run directory for `config`: the one asked for, the unfinished one of the same settings, or a new one."""
    from gan_core import runs

    if out is None:
        if int(os.environ.get("WORLD_SIZE", "1")) > 1:
            raise _bad_call("with torchrun give --out, so that all processes share one run")
        unfinished = None if new else runs.find_unfinished(config)
        if unfinished:
            print(f"Going on with {unfinished.path} (--new starts another).", file=sys.stderr)
        return unfinished or runs.create_run(config, Path(config.data).stem)
    run = runs.Run(out)
    if int(os.environ.get("RANK", "0")) > 0:
        return run  # the first process looks and writes
    if (out / "config.json").is_file():
        if not run.config().same_run(config):
            raise _bad_call(f"{out} holds a run with other settings: choose another --out, or --resume it as it is")
    elif out.exists() and any(out.iterdir()):
        raise _bad_call(f"{out} is not empty and holds no run: choose another --out")
    else:
        run.path.mkdir(parents=True, exist_ok=True)
        run.write_config(config)
    return run


def _train(run: Any, config: Any, queue: bool) -> None:
    from gan_core.train.distributed import world
    from gan_core.train.trainer import train as train_run

    if queue and int(os.environ.get("WORLD_SIZE", "1")) > 1:
        raise _bad_call("--queue is for one process: with torchrun start the training when its turn has come")
    if sys.platform == "linux" and not environment.has_tcmalloc():
        print("tcmalloc is not installed: training on the CPU would be faster with it.", file=sys.stderr)
    with world() as processes:
        if processes.rank > 0:
            train_run(run, config, processes)
            return
        with TrainingReport() as report:
            status = train_run(run, config, processes, queue=queue, on_status=report)
    print(f"{status.state} at {status.images_seen:,} images", file=sys.stderr)
    print(run.path)


@app.command()
def presets(as_json: _AsJson = False) -> None:
    """List the recipes and what can be added to them."""
    from gan_core.presets import ADDITIONS, PRESETS

    everything = PRESETS | {f"+{name}": p for name, p in ADDITIONS.items()}
    if as_json:
        _out({name: {"summary": p.summary, "settings": p.settings} for name, p in everything.items()})
    else:
        _table(["preset", "what it does"], [[name, p.summary] for name, p in everything.items()])


# -- look -------------------------------------------------------------------------------------------------------------


@app.command()
def generate(
    model: Annotated[str, typer.Option(help="A model folder, or a run: its directory or its name.")],
    out: Annotated[Path, typer.Option(help="Folder for the images.")],
    seeds: Annotated[str, typer.Option(help="Such as 0-63 or 1,5,9.")] = "0-63",
    class_name: Annotated[str | None, typer.Option("--class", help="A class of the model, such as a grade.")] = None,
    truncation: Annotated[float, typer.Option(min=0, max=1, help="Below 1 less varied, more typical.")] = 1.0,
    grid: Annotated[bool, typer.Option("--grid", help="Also one picture of all, grid.png.")] = False,
) -> None:
    """Make synthetic images: one seed0000.png a seed."""
    import math

    import numpy as np

    from gan_core import images
    from gan_core import model as models
    from gan_core.generate import class_index, generate_batches

    numbers = parse_seeds(seeds)
    loaded = models.load_model(models.find_generator(model))
    _good_call(lambda: class_index(loaded, class_name))
    sheet = []
    bar = tqdm(total=len(numbers), unit="img", file=sys.stderr, leave=False, disable=None)
    done = 0
    for batch in generate_batches(loaded, numbers, class_name, truncation):
        for image in batch:
            images.save_png(out / f"seed{numbers[done]:04d}.png", image[0])
            done += 1
        bar.update(len(batch))
        if grid:
            sheet.append(batch)
    if grid:
        everything = np.concatenate(sheet)
        images.save_png(out / "grid.png", images.grid(everything, math.isqrt(len(everything) - 1) + 1))
    bar.close()
    print(out)


@app.command()
def runs(as_json: _AsJson = False) -> None:
    """List the trainings, the newest first."""
    from gan_core import runs as runs_module

    rows = []
    for run in runs_module.list_runs():
        status = run.status()
        rows.append({"name": run.name, "path": str(run.path), **status.model_dump(exclude={"host", "process_started"})})
    if as_json:
        _out(rows)
        return
    shown = [[r["name"], r["state"], f"{r['images_seen']:,} / {r['images_total']:,}", r["message"]] for r in rows]
    _table(["run", "state", "images", ""], shown)


@app.command()
def stop(run: Annotated[str, typer.Argument(help="A run's name or directory.")]) -> None:
    """Ask a training to end at its next step, with everything saved."""
    from gan_core.runs import find_run

    found = find_run(run)
    if not found.alive():
        raise UserError(f"{found.name} is not training.")
    found.request_stop()
    print(found.path)


@app.command()
def data(source: str, as_json: _AsJson = False) -> None:
    """Say what is in a data source: how many images, of which classes and sizes, and what cannot be read."""
    from gan_core import data as data_module

    found = data_module.inspect(source, progress=Bar("looking at the files"))
    if as_json:
        _out(found)
        return
    print(f"{found['count']:,} images in {source}")
    _table(["class", "images"], [[k, f"{v:,}"] for k, v in found["classes"].items()] or [["(unlabelled)", ""]])
    _table(["size", "images"], [[k, f"{v:,}"] for k, v in found["sizes"].items()])
    if found["skipped"]:
        _table([f"left out: {len(found['skipped'])}", "why"], [[s["file"], s["reason"]] for s in found["skipped"][:20]])


@app.command()
def phantom(
    out: Annotated[Path, typer.Option(help="Folder for the images and labels.csv.")],
    n: Annotated[int, typer.Option("--n", min=1, max=1_000_000)] = 16,
    grade: Annotated[int | None, typer.Option(min=0, max=4, help="A KL grade; by default all of them.")] = None,
    resolution: Annotated[int, typer.Option(min=16, max=1024)] = 256,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the first image.")] = 0,
) -> None:
    """Make procedural knee radiographs and, in labels.csv, the parameters that are their ground truth."""
    from gan_core import images
    from gan_core.phantom import render, sample_params

    rows = []
    out.mkdir(parents=True, exist_ok=True)
    for start in tqdm(range(0, n, 64), unit="batch", file=sys.stderr, leave=False, disable=None):
        params = [sample_params(seed + i, grade) for i in range(start, min(n, start + 64))]
        for i, (image, p) in enumerate(zip(render(params, resolution), params, strict=True), start):
            name = f"phantom{seed + i:06d}.png"
            images.save_png(out / name, image[0])
            rows.append({"file": name, **p.as_row()})
    with (out / "labels.csv").open("w", newline="", encoding="utf-8") as f:
        writer = csv.DictWriter(f, rows[0].keys())
        writer.writeheader()
        writer.writerows(rows)
    print(out)


@app.command()
def media(
    run: Annotated[str, typer.Argument(help="A run's name or directory.")],
    out: Annotated[Path, typer.Option(help="Folder for the files.")],
) -> None:
    """Write what one takes away from a run: animation.gif (and .mp4), curves.png, curves.csv, architecture.png."""
    from gan_core import media as media_module
    from gan_core.files import replacing
    from gan_core.runs import find_run

    found = find_run(run)
    jobs: dict[str, Callable[[], bytes]] = {
        "animation.gif": lambda: media_module.animation_gif(found),
        "curves.png": lambda: media_module.curves_png(found),
        "curves.csv": lambda: media_module.curves_csv(found).encode(),
        "architecture.png": lambda: media_module.architecture_png(*media_module.run_nets(found)),
    }
    if media_module.has_ffmpeg():
        jobs["animation.mp4"] = lambda: media_module.animation_mp4(found)
    missing = []
    for name, make in jobs.items():
        try:
            content = make()
        except UserError as e:
            missing.append(f"{name} is left out. {e}")
            continue
        with replacing(out / name) as temporary:
            temporary.write_bytes(content)
    if len(missing) == len(jobs):
        raise UserError(f"{found.name} has nothing to show yet: let it train until the first samples appear.")
    for line in missing:
        print(line, file=sys.stderr)
    print(out)


@app.command()
def version() -> None:
    """Print the version."""
    print(__version__)
