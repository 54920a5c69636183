"""The verbs that make: train, presets, runs, stop, media."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer

from gan_core import environment
from gan_core.errors import UserError
from studio.cli.common import AsJson, Crop, Labels, Read, app, bad_call, good_call, print_json, print_table, read_as
from studio.cli.console import Bar, TrainingReport


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
    init: Annotated[
        str | None, typer.Option(help="A model, shipped or a run or a folder, whose weights it starts from.")
    ] = None,
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
    minutes: Annotated[
        float | None, typer.Option(min=0.001, help="Stop after so many minutes; it can be resumed.")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print the settings and stop.")] = False,
    settings: Annotated[list[str] | None, typer.Option("--set", help="Any setting, as key=value.")] = None,
    labels: Labels = "",
    read: Read = None,
    crop: Crop = "",
) -> None:
    """Train. The same command again continues a run that was stopped or killed."""
    from gan_core.presets import change, configure, parse_settings
    from gan_core.train import run as runs

    if kimg is not None and epochs is not None:
        raise bad_call("give --kimg or --epochs, not both")
    if data is None and (labels or read):
        raise bad_call("--labels and --read say how --data is read: give it too")
    source = None if data is None else read_as(data, labels, read, crop)
    named = {"data": source, "resolution": resolution, "kimg": kimg, "seed": seed, "init": init}
    changes = {k: v for k, v in named.items() if v is not None} | good_call(lambda: parse_settings(settings or []))

    run: runs.Run | None = None
    if resume:
        run = runs.Run(out) if out else next(iter(runs.list_runs()), None)
        if run is None:
            raise bad_call("there is no run to resume; give its directory with --out")
        old = run.config()
        config = good_call(lambda: change(old, **changes))
        if not old.same_run(config) or preset not in (None, old.preset):
            raise bad_call(
                f"{run.path} was trained with other settings; only its length and machine options may change"
            )
    else:
        config = good_call(lambda: configure(preset or "knee-64", **changes))
    if epochs is not None:
        from studio.data.survey import inspect

        count = inspect(config.data, progress=Bar("looking at the files"))["count"]
        changes["kimg"] = epochs * count / 1000
        config = good_call(lambda: change(config, **changes))
    if dry_run:
        print_json(config.model_dump())
        return

    environment.restart_prepared()
    if run is None:
        run = _place(config, out, new)
    _train(run, config, queue, minutes)


def _place(config: Any, out: Path | None, new: bool) -> Any:
    """The run directory for `config`: the one asked for, the unfinished one of the same settings, or a new one."""
    from gan_core.train import run as runs
    from studio.data.sources import stem

    if out is None:
        if int(os.environ.get("WORLD_SIZE", "1")) > 1:
            raise bad_call("with torchrun give --out, so that all processes share one run")
        unfinished = None if new else runs.find_unfinished(config)
        if unfinished:
            print(f"Going on with {unfinished.path} (--new starts another).", file=sys.stderr)
        return unfinished or runs.create_run(config, stem(config.data))
    run = runs.Run(out)
    if int(os.environ.get("RANK", "0")) > 0:
        return run  # the first process looks and writes
    if (out / "config.json").is_file():
        if not run.config().same_run(config):
            raise bad_call(f"{out} holds a run with other settings: choose another --out, or --resume it as it is")
    elif out.exists() and any(out.iterdir()):
        raise bad_call(f"{out} is not empty and holds no run: choose another --out")
    else:
        run.path.mkdir(parents=True, exist_ok=True)
        run.write_config(config)
    return run


def _train(run: Any, config: Any, queue: bool, minutes: float | None) -> None:
    from gan_core.train.distributed import world
    from studio.models.ready import prepare_run
    from studio.train.session import train as train_run

    if queue and int(os.environ.get("WORLD_SIZE", "1")) > 1:
        raise bad_call("--queue is for one process: with torchrun start the training when its turn has come")
    if sys.platform == "linux" and not environment.has_tcmalloc():
        print("tcmalloc is not installed: training on the CPU would be faster with it.", file=sys.stderr)
    with world() as processes:
        if processes.rank > 0:
            train_run(run, config, processes, minutes=minutes)
            return
        with TrainingReport() as report:
            status = train_run(run, config, processes, queue=queue, minutes=minutes, on_status=report)
    if queue and status.state == "finished":  # started by the application: who trains by hand has the prompt back
        prepare_run(run)
    print(f"{status.state} at {status.images_seen:,} images", file=sys.stderr)
    print(run.path)


@app.command()
def presets(as_json: AsJson = False) -> None:
    """List the recipes and what can be added to them."""
    from gan_core.presets import ADDITIONS, PRESETS

    everything = PRESETS | {f"+{name}": p for name, p in ADDITIONS.items()}
    if as_json:
        print_json({name: {"summary": p.summary, "settings": p.settings} for name, p in everything.items()})
    else:
        print_table(["preset", "what it does"], [[name, p.summary] for name, p in everything.items()])


@app.command()
def runs(as_json: AsJson = False) -> None:
    """List the trainings, the newest first."""
    from gan_core.train import run as runs_module

    rows = []
    for run in runs_module.list_runs():
        status = run.status()
        rows.append({"name": run.name, "path": str(run.path), **status.model_dump(exclude={"host", "process_started"})})
    if as_json:
        print_json(rows)
        return
    shown = [[r["name"], r["state"], f"{r['images_seen']:,} / {r['images_total']:,}", r["message"]] for r in rows]
    print_table(["run", "state", "images", ""], shown)


@app.command()
def stop(run: Annotated[str, typer.Argument(help="A run's name or directory.")]) -> None:
    """Ask a training to end at its next step, with everything saved."""
    from gan_core.train.run import find_run

    found = find_run(run)
    if not found.alive():
        raise UserError(f"{found.name} is not training.")
    found.request_stop()
    print(found.path)


@app.command()
def media(
    run: Annotated[str, typer.Argument(help="A run's name or directory.")],
    out: Annotated[Path, typer.Option(help="Folder for the files.")],
) -> None:
    """Write the downloads of a run: animation.gif (and .mp4), curves.png, curves.csv, architecture.png."""
    from gan_core.files import replacing
    from gan_core.train.run import find_run
    from studio.runs import media as media_module

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
