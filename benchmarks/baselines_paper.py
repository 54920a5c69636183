"""What baselines.py writes down: the folders for the Runs page, pictures of each group, the tables of BASELINES.md."""

from __future__ import annotations

import json
import math
import shutil
import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from baselines_systems import RESULT, System, figure
from matplotlib.figure import Figure
from PIL import Image

from gan_core.files import write_text
from gan_core.images import ungrid
from gan_core.job import STATUS
from gan_core.presets import change
from gan_core.status import ProcessStatus
from gan_core.train import health
from gan_core.train.run import Run, Status
from studio.runs.media.style import CRITIC, GENERATOR, GRID, INK, MUTED

SHIPPED = Path(__file__).with_name("seeds")
PAPER = Path(__file__).with_name("BASELINES.md")
BASELINES = Path(__file__).resolve().parent.parent / "docs/baselines.md"
MARKS = "<!-- the tables: written by baselines.py --write -->", "<!-- the end of the tables -->"
SHORT = "<!-- the table: written by benchmarks/baselines.py --write -->", "<!-- the end of the table -->"
MOST_BYTES = 1_000_000  # of the sheets of one system
TILE = 56  # pixels of an image in a strip, at least
WIDE = 1500  # pixels of a strip, about


@dataclass(frozen=True)
class Result:
    """A finished system: its run and what was measured of it."""

    system: System
    run: Run
    told: dict[str, Any]  # result.json

    def value(self, key: str) -> float:
        """NaN where it was not or could not be measured."""
        found = self.told["figures"].get(key, {}).get("value")
        return math.nan if found is None else float(found)

    def cell(self, key: str) -> str:
        """The figure for a table, that of reals in brackets."""
        f = self.told["figures"].get(key)
        if f is None or f["value"] is None:
            return "-"
        text = f"{f['value']:,.{f['digits']}f}"
        return text if f["floor"] is None else f"{text} ({f['floor']:,.{f['digits']}f})"

    def epochs(self) -> float:
        """Passes of the generator's batches over the data."""
        return self.run.stats()[-1]["epoch"] / self.run.config().n_critic

    def swing(self) -> float:
        """Standard deviation of the critic's loss from tick to tick over the run's second half."""
        losses = [t["d_loss"] for t in self.run.stats()]
        tail = losses[len(losses) // 2 :]
        return statistics.pstdev(b - a for a, b in pairwise(tail)) if len(tail) > 2 else math.nan

    def insight(self) -> str:
        """What D's accuracy and the variety of the samples went through."""
        n, ticks = self.run.config().n_critic, self.run.stats()
        right = [(t["d_accuracy_real"] + t["d_accuracy_fake"]) / 2 for t in ticks]
        at = int(np.argmax(right))
        varied = next((t["epoch"] / n for t in ticks if t["diversity"] >= health.COLLAPSED), math.nan)
        least = min(t["diversity"] for t in ticks[len(ticks) // 2 :])
        return (
            f"D surest at epoch {ticks[at]['epoch'] / n:.0f} ({right[at]:.0%}); varied from epoch {varied:.0f} on, in "
            f"the second half never less than {least:.2f} of the reals"
        )

    def undone(self) -> health.Setbacks | None:
        return health.setbacks(self.run.stats())

    def setbacks(self) -> str:
        back = self.undone()
        return f"{back.times} ({back.worst:.2f})" if back else "-"

    def figures(self) -> dict[str, Any]:
        """Those measured at the end, and how often it fell back on the way."""
        found = {k: f for k, f in self.told["figures"].items() if k not in ("setbacks", "worst_setback")}
        if back := self.undone():
            found["setbacks"] = figure("Times it undid what it had learnt", back.times, 0)
            found["worst_setback"] = figure("Distance at worst, over its best until then", back.worst, 2)
        return found

    def said(self) -> list[str]:
        """What the studio said on the way: each kind of warning once, as it first stood."""
        config, ticks = self.run.config(), self.run.stats()
        first: dict[str, str] = {}
        for i, tick in enumerate(ticks, 1):
            for text in health.warnings(ticks[:i], config.loss):
                first.setdefault(text.split(":")[0], f"At epoch {tick['epoch'] / config.n_critic:.1f}: {text}")
        return list(first.values())

    def snapshots(self) -> dict[float, Path]:
        """Epoch -> sheet of samples, of those that are shown."""
        config = self.run.config()
        epoch = self.run.stats()[-1]["nimg"] / self.run.stats()[-1]["epoch"] * config.n_critic
        all_of_them = {nimg / epoch: path for nimg, path in self.run.samples().items()}
        if not self.system.shown:
            return all_of_them
        near = [min(all_of_them, key=lambda e: abs(e - wanted)) for wanted in self.system.shown]
        return {e: all_of_them[e] for e in near}


def finished(out: Path, systems: Sequence[System]) -> list[Result]:
    """Those in `out`; of the others what was shipped before, so that one system can be run anew without the rest."""
    results = []
    for system in systems:
        own, shipped = out / system.name, SHIPPED / system.name
        folder, run = (own, own / "run") if (own / RESULT).exists() else (shipped, shipped)
        if (folder / RESULT).exists():
            told = json.loads((folder / RESULT).read_text(encoding="utf-8"))
            results.append(Result(system, Run(run), told))
    return results


def ship(result: Result) -> None:
    """What the Runs page needs of a run: no networks, no state, no path of the machine that made it."""
    target = SHIPPED / result.system.name
    shutil.rmtree(target, ignore_errors=True)
    (target / "samples").mkdir(parents=True)
    run, own = result.run, Run(target)
    own.write_config(change(run.config(), data=result.system.data, init=result.system.start))
    of_process = set(ProcessStatus.model_fields) - {"state", "message", "updated"}
    status = Status(**run.status().model_dump(exclude=of_process | {"warnings"}))  # these are among the remarks
    write_text(target / STATUS, status.model_dump_json(indent=2) + "\n")
    for tick in run.stats():
        own.add_stats({k: float(f"{v:.4g}") if isinstance(v, float) else v for k, v in tick.items()})
    sheets = list(result.snapshots().values())
    while len(sheets) > 2 and sum(path.stat().st_size for path in sheets) > MOST_BYTES:
        sheets = sheets[len(sheets) % 2 == 0 :: 2]  # every other, the last among them
    for path in sheets:
        shutil.copy(path, target / "samples")
    told = result.told | {"title": result.system.title, "remarks": result.said(), "figures": result.figures()}
    write_text(target / RESULT, json.dumps(told, indent=1, ensure_ascii=False) + "\n")


# -- pictures ----------------------------------------------------------------------------------------------------------


def strips(results: Sequence[Result], path: Path) -> None:
    """A row a system, a block of the same seeds at each snapshot."""
    per_row = max(len(r.snapshots()) for r in results)
    side = results[-1].run.config().resolution
    tiles = max(1, round(WIDE / max(side, TILE) / per_row))
    figure = Figure(figsize=(15, 0.3 + len(results) * (15 / per_row / tiles + 0.45)), layout="constrained")
    figure.set_facecolor("white")
    for row, result in enumerate(results):
        for column, (epoch, sheet) in enumerate(result.snapshots().items()):
            with Image.open(sheet) as opened:
                images = ungrid(np.asarray(opened.convert("L")), result.run.config().resolution)
            axes = figure.add_subplot(len(results), per_row, row * per_row + column + 1)
            axes.imshow(np.concatenate(images[:tiles], axis=-1).squeeze(), cmap="gray", vmin=0, vmax=255)
            axes.set_axis_off()
            name = result.system.title if column == 0 else ""
            digits = 0 if epoch >= 3 else 1 if epoch >= 1 else 2
            axes.set_title(f"{name}\nepoch {epoch:.{digits}f}", loc="left", fontsize=8)
    _save(figure, path, gray=True)


def curves(results: Sequence[Result], path: Path) -> None:
    """Losses, accuracies and, where it was judged, the distance to the reals along the epochs, a row a system."""
    columns = 3 if any("kd_knee" in t for r in results for t in r.run.stats()) else 2
    figure = Figure(figsize=(11, 1.7 * len(results)), layout="constrained", facecolor="white")
    for row, result in enumerate(results):
        ticks = result.run.stats()
        x = [t["epoch"] / result.run.config().n_critic for t in ticks]
        for column, (title, drawn) in enumerate(
            (
                ("losses of D (blue), G", (("d_loss", CRITIC, "-"), ("g_loss", GENERATOR, "-"))),
                (
                    "D right on reals (blue), fakes; dashed: class",
                    (
                        ("d_accuracy_real", CRITIC, "-"),
                        ("d_accuracy_fake", GENERATOR, "-"),
                        ("class_accuracy", INK, "--"),
                    ),
                ),
                ("kernel distance", (("kd_knee", INK, ".-"),)),
            )[:columns]
        ):
            axes = figure.add_subplot(len(results), columns, columns * row + column + 1)
            for key, colour, line in drawn:
                at = [(e, t[key]) for e, t in zip(x, ticks, strict=True) if key in t]
                axes.plot(*np.array(at or [(math.nan, math.nan)]).T, line, color=colour, linewidth=1.2)
            name = "" if column else f"{result.system.title}: "
            axes.set_title(f"{name}{title}", loc="left", fontsize=8, color=INK)
            axes.grid(color=GRID)
            axes.tick_params(colors=MUTED, labelsize=7, length=0)
            axes.spines[:].set_visible(False)
            if column == 1:
                axes.set_ylim(-0.03, 1.03)
            if column == 2:
                axes.set_ylim(bottom=0)
    _save(figure, path)


def _save(figure: Figure, path: Path, gray: bool = False) -> None:
    figure.savefig(path, dpi=100)
    with Image.open(path) as drawn:
        small = drawn.convert("L") if gray else drawn.convert("RGB").quantize(32)
        small.save(path, optimize=True)


# -- tables ------------------------------------------------------------------------------------------------------------

Column = tuple[str, Callable[[Result], str]]


def figure_column(title: str, key: str) -> Column:
    return title, lambda r: r.cell(key)


def told_column(title: str, key: str) -> Column:
    return title, lambda r: r.system.reported.get(key, "-")


IMAGES: tuple[Column, ...] = (
    ("images", lambda r: f"{r.run.status().images_seen:,}"),
    ("epochs", lambda r: f"{r.epochs():.1f}"),
)
COST: tuple[Column, ...] = (figure_column("images/s", "speed"), figure_column("minutes", "minutes"))
SMALL: tuple[Column, ...] = (
    figure_column("D loss", "d_loss"),
    told_column("theirs", "D loss"),
    figure_column("G loss", "g_loss"),
    told_column("theirs", "G loss"),
    figure_column("D accuracy", "d_accuracy"),
    told_column("theirs", "D accuracy"),
    figure_column("class loss", "class_loss"),
    figure_column("class accuracy", "class_accuracy"),
    ("swing of D's loss", lambda r: f"{r.swing():.3f}"),
    figure_column("IS (reals)", "is"),
    figure_column("FD (reals)", "fd"),
    ("insight", lambda r: r.insight()),
    told_column("theirs", "Insight"),
    ("quality, by eye", lambda r: r.system.looks or "-"),
    told_column("theirs", "Quality"),
    *COST,
)
LOSSES: tuple[Column, ...] = (
    figure_column("D loss", "d_loss"),
    figure_column("G loss", "g_loss"),
    figure_column("D accuracy", "d_accuracy"),
)
DISTANCES: tuple[Column, ...] = (
    figure_column("FD (reals)", "fd"),
    figure_column("KD (reals)", "kd"),
    figure_column("precision (reals)", "precision"),
    figure_column("recall (reals)", "recall"),
    figure_column("coverage (reals)", "coverage"),
)
KNEES: tuple[Column, ...] = (
    *IMAGES,
    *DISTANCES,
    figure_column("diversity", "diversity"),
    ("setbacks (worst)", lambda r: r.setbacks()),
    *LOSSES,
    *COST,
)
GROWN: tuple[Column, ...] = (
    *IMAGES,
    *DISTANCES,
    figure_column("spectrum, dB (reals)", "spectrum"),
    *LOSSES,
    figure_column("seconds a step", "step_seconds"),
    figure_column("GiB a step", "memory_gib"),
    *COST,
)
CHEST: tuple[Column, ...] = (
    *GROWN,
    figure_column("mark on the left (reals)", "letter_left"),
    figure_column("mark on the right (reals)", "letter_right"),
)


def table(results: Sequence[Result]) -> str:
    first = results[0].system
    kinds = {"chest": CHEST, "clothing": SMALL, "digits": SMALL}
    columns = GROWN if first.name.startswith("style") else kinds.get(first.data, KNEES)
    used = [(title, f) for title, f in columns if any(f(r) != "-" for r in results)]
    lines = [f"| system | {' | '.join(title for title, _ in used)} |", f"| --- |{' ---: |' * len(used)}"]
    lines += [f"| {r.system.title} | {' | '.join(f(r) for _, f in used)} |" for r in results]
    return "\n".join(lines)


# -- what their claims come to here ------------------------------------------------------------------------------------


def claims(group: Sequence[Result]) -> list[str]:
    """A sentence with figures for each claim of the seeds that this group can speak of."""
    by = {r.system.preset: r for r in group}
    first = group[0].system
    if first.data in ("clothing", "digits"):
        return _of_small(by)
    if first.data == "chest":
        return _of_chest(group[-1])
    if "knees-dcgan-126" in {r.system.name for r in group}:
        return _of_unstable(by)
    return _of_knees(by)


def _of_small(by: dict[str, Result]) -> list[str]:
    out = []
    steadier = []
    for name in ("dcgan-28", "acgan-28", "wgan-gp-28"):
        if name in by and (other := by.get(f"{name}+stabilise")):
            before, after = by[name].swing(), other.swing()
            steadier.append(f"{name} {before:.3f} -> {after:.3f} ({after / before - 1:+.0%})")
    if steadier:
        out.append(
            "*Stabilisation reduces variance, 10-15% better stability.* Swing of D's loss: " + ", ".join(steadier) + "."
        )
    off = {r.system.title: abs(r.value("d_accuracy") - 0.5) for r in by.values()}
    nearest = min(off, key=lambda k: off[k])
    out.append(
        f"*WGAN is closest to equilibrium (accuracy 50%).* Nearest to 50% here: {nearest}, {off[nearest]:.0%} away."
    )
    bare, smoothed = by.get("wgan-gp-28"), by.get("wgan-gp-28+stabilise")
    if bare and smoothed:
        out.append(
            "*Labels of -0.9 and 1.1 for WGAN.* Their sum is not zero, so the critic gains by lowering all its scores "
            f"without end: G's loss, minus the mean score, ends at {smoothed.value('g_loss'):,.0f} "
            f"(bare: {bare.value('g_loss'):,.0f}). "
            f"Gradients know nothing of a level: FD {smoothed.value('fd'):.1f} against {bare.value('fd'):.1f}."
        )
    fd = {r.system.title: r.value("fd") for r in by.values()}
    told = ", ".join(f"{k} {v:.1f}" for k, v in sorted(fd.items(), key=lambda p: p[1]))
    out.append(f"*WGAN generates the best quality.* Fréchet distances here, the best first: {told}.")
    return out


def _of_knees(by: dict[str, Result]) -> list[str]:
    out = []
    if "dcgan" in by and "wgan" in by:
        more = {
            k: f"{by[k].cell('diversity')}, FD {by[k].value('fd'):.1f} in {by[k].value('minutes'):.0f} minutes"
            for k in ("dcgan", "wgan", "wgan-gp")
            if k in by
        }
        out.append(
            "*WGAN: more stable learning, less mode collapse.* Diversity of the samples (the reals' is 1): "
            + "; ".join(f"{k} {v}" for k, v in more.items())
            + "."
        )
    if "wgan-gp" in by:
        r = by["wgan-gp"]
        judged = [t for t in r.run.stats() if "kd_knee" in t and t["diversity"] >= health.COLLAPSED]
        if len(judged) > 1:
            first, last = judged[0], judged[-1]
            holds, from_epoch = last["kd_knee"] < first["kd_knee"] / 10, first["epoch"] / r.run.config().n_critic
            out.append(
                f"*WGAN-GP converges quickly, from the very first epochs.* {'So it does' if holds else 'Not'} here: "
                f"its samples vary from epoch {from_epoch:.2f} on (of the generator; kernel distance "
                f"{first['kd_knee']:.2f}) and are at {last['kd_knee']:.2f} at the end, epoch {r.epochs():.1f}."
            )
    cheap = {k: r.value("fd") for k, r in by.items() if "+" in k}
    for base in ("dcgan", "wgan", "wgan-gp"):
        mine = {k: v for k, v in cheap.items() if k.split("+")[0] == base}
        if base in by and mine:
            told = ", ".join(f"{k.removeprefix(base)} {v:.1f}{_less(by[k], by[base])}" for k, v in mine.items())
            out.append(f"*What the additions give {base}.* FD {by[base].value('fd'):.1f} bare; {told}.")
    if "knee-64" in by and "wgan-gp" in by:
        floor = by["knee-64"].told["figures"]["fd"]["floor"]
        ours, theirs = (by[k].value("fd") for k in ("knee-64", "wgan-gp"))
        out.append(
            f"*knee-64 in the same time:* FD {ours:.1f} against WGAN-GP's {theirs:.1f}; above the floor of {floor:.1f} "
            f"that is {(ours - floor) / (theirs - floor):.0%} of WGAN-GP's distance."
        )
    return out


def _less(r: Result, base: Result) -> str:
    return f" (in {r.value('minutes'):.0f} minutes)" if r.told["scale"] < base.told["scale"] else ""


def _of_unstable(by: dict[str, Result]) -> list[str]:
    bare = by.get("dcgan-126")

    def told(r: Result) -> str:
        back = r.undone()
        times = (
            "" if back is None else f", {back.times} setback{'' if back.times == 1 else 's'} (worst {back.worst:.2f})"
        )
        return f"FD {r.value('fd'):.1f}{_less(r, bare or r)}, diversity {r.cell('diversity')}{times}"

    out = []
    if bare:
        said = " ".join(f"“{w}”" for w in bare.said())
        said = f"The studio said of it: {said}" if said else "It undid nothing here."
        out.append(f"*Unstable, undoing what it has learnt, mode collapse.* {told(bare)}. {said}")
    others = {k.removeprefix("dcgan-126"): r for k, r in by.items() if k != "dcgan-126"}
    if bare and others:
        cured = [k for k, r in others.items() if (back := r.undone()) and not back.times]
        best = min(others, key=lambda k: others[k].value("fd"))
        nearer = others[best].value("fd") < bare.value("fd")
        out.append(
            "*Which addition cures it?* "
            + "; ".join(f"{k}: {told(r)}" for k, r in others.items())
            + f". Without a setback: {', '.join(cured) or 'none'}. "
            + (f"The nearest to the reals is {best}." if nearer else "None is nearer to the reals than without.")
        )
    return out


def _of_chest(last: Result) -> list[str]:
    rate = last.value("speed")
    count = last.run.status().dataset_size
    hours = 4000 * count / rate / 3600
    epochs = last.epochs()
    out = [
        f"*4,000 epochs of {count} films in 11 hours.* At 800 pixels one thread here shows {rate:.2f} images a second: "
        f"{epochs:.1f} epochs in the {last.value('minutes'):.0f} minutes of this last step, and 4,000 would take "
        f"{hours:,.0f} hours. Growing from 100 pixels is what makes the minutes count."
        if last.run.config().resolution == 800
        else "The step at 800 pixels has not been run yet.",
        _letter(last),
        f"*Too much noise, too blurry.* The power spectrum of the last step's films is {last.cell('spectrum')} dB from "
        "that of the real ones (in brackets: other real ones).",
    ]
    return out


def _letter(last: Result) -> str:
    fake, real = last.value("letter_left"), last.told["figures"]["letter_left"]["floor"]
    here = "it does" if fake > real / 2 else "it has not come to that"
    return (
        f"*It tries to fit the letter R.* A bright small mark on the left of the film: on {fake:.0%} of the synthetic "
        f"films and {real:.0%} of the real ones, so {here} here; "
        f"on the right {last.cell('letter_right')}."
    )


# -- the paper ---------------------------------------------------------------------------------------------------------


def write_all(out: Path, systems: Sequence[System]) -> None:
    """Ships every finished system and writes the tables and pictures of each group."""
    results = finished(out, systems)
    SHIPPED.mkdir(exist_ok=True)
    parts = []
    for group in dict.fromkeys(s.group for s in systems):
        of_group = [r for r in results if r.system.group == group]
        missing = [s.title for s in systems if s.group == group and s.name not in {r.system.name for r in of_group}]
        parts.append(f"## {group}")
        if missing:
            parts.append(f"Not run yet: {'; '.join(missing)}.")
        if not of_group:
            continue
        shares = sorted({r.told["scale"] for r in of_group if r.system.minutes})
        if shares and shares != [1.0]:
            told = " or ".join(f"{s:.0%}" for s in shares)
            which = "; minutes tell which" if len(shares) > 1 else ""
            parts.append(f"These have had {told} of the time that is meant for them (`--scale`){which}.")
        if all(r.told.get("precision") == "bfloat16" for r in of_group):
            parts.append("Trained in bfloat16, on a CPU that has it.")
        new = [r for r in of_group if SHIPPED not in r.run.path.parents]
        slug = "".join(ch if ch.isalnum() else "-" for ch in of_group[0].system.name.split("-")[0])
        slug += f"-{of_group[0].run.config().resolution}"
        if new:
            strips(of_group, PAPER.with_name(f"seeds-{slug}.png"))
            curves(of_group, PAPER.with_name(f"seeds-{slug}-curves.png"))
        parts += [table(of_group), "\n".join(f"- {c}" for c in claims(of_group))]
        parts += [f"![Synthetic: {group}](seeds-{slug}.png)", f"![Curves: {group}](seeds-{slug}-curves.png)"]
        for r in new:
            ship(r)
    _between(PAPER, MARKS, "\n\n".join(parts))
    _between(BASELINES, SHORT, short_table(results))


def short_table(results: Sequence[Result]) -> str:
    """A line a system, for those who will not read the page."""
    columns: tuple[Column, ...] = (
        ("trained on", lambda r: r.system.group),
        figure_column("FD (reals)", "fd"),
        figure_column("IS (reals)", "is"),
        figure_column("diversity", "diversity"),
        figure_column("D accuracy", "d_accuracy"),
        told_column("theirs", "D accuracy"),
        figure_column("minutes", "minutes"),
    )
    lines = [
        f"| system | {' | '.join(title for title, _ in columns)} |",
        "| --- | --- |" + " ---: |" * (len(columns) - 1),
    ]
    lines += [f"| {r.system.title} | {' | '.join(f(r) for _, f in columns)} |" for r in results]
    shares: dict[str, set[float]] = {}
    for r in results:
        if r.system.minutes and r.told["scale"] < 1:
            shares.setdefault(r.system.group, set()).add(r.told["scale"])
    if shares:
        told = "; ".join(f"{g}: {' or '.join(f'{s:.0%}' for s in sorted(of))}" for g, of in shares.items())
        lines += ["", f"Not given all the time that is meant for them: {told}."]
    return "\n".join(lines)


def _between(path: Path, marks: tuple[str, str], text: str) -> None:
    before, rest = path.read_text(encoding="utf-8").split(marks[0])
    write_text(path, f"{before}{marks[0]}\n\n{text}\n\n{marks[1]}{rest.split(marks[1])[1]}")
