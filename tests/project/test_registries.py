"""What is entered into a registry is there everywhere, without another file being touched."""

import pytest
import torch
from app_page import component, page
from made_runs import write_run
from streamlit.testing.v1 import AppTest

from gan_core import losses
from gan_core.metrics.registry import METRICS, Metric
from gan_core.model import SHIPPED
from gan_core.train import stats
from gan_core.train.distributed import World
from gan_core.train.run import Run, create_run, runs_root
from studio import runs as lineup
from studio.evaluate.folder import EvaluationFolder
from studio.learn.toy import record as toy
from studio.runs.media import curves_png
from studio.train.session import train


@pytest.fixture(autouse=True)
def runs(tmp_path, monkeypatch):
    monkeypatch.setenv("KNEE_GAN_RUNS", str(tmp_path / "runs"))


@pytest.fixture
def least_squares(monkeypatch):
    """LSGAN's loss (Mao et al. 2017), entered."""
    loss = losses.Loss(
        lambda real, fake, one, zero: (real - one).square().mean() + (fake - zero).square().mean(),
        lambda fake: (fake - 1).square().mean(),
        targets=losses.logit_targets,
        threshold=0.5,
        sentence="The discriminator is a ruler: reals at 1, fakes at 0.",
        d_formula=(r"\mathbb{E}\,[(D(x) - 1)^2]", r"+ \mathbb{E}\,[D(G(z))^2]"),
        g_formula=r"\mathbb{E}\,[(D(G(z)) - 1)^2]",
        terms=((r"(D(x) - 1)^2", "grows with the distance from the mark."),),
    )
    monkeypatch.setitem(losses.LOSSES, "least-squares", loss)
    return loss


def test_a_loss_trains_from_the_command_line_and_stands_in_the_settings(least_squares, tmp_path, tiny, call):
    changed = tiny("dcgan", loss="least-squares", label_smoothing=0.1).model_dump(exclude_defaults=True)
    changed = {k: v for k, v in changed.items() if k not in ("data", "resolution", "kimg")}
    words = [word for k, v in changed.items() for word in ("--set", f"{k}={v}")]
    train = ["train", "--preset", "dcgan", "--data", "digits", "--resolution", "16", "--kimg", "0.4", *words]
    assert "least-squares" in call(*train, "--dry-run")[1]
    assert call(*train, "--out", tmp_path / "run")[0] == 0
    run = Run(tmp_path / "run")
    assert run.config().loss == "least-squares"
    assert run.status().state == "finished"
    last = run.stats()[-1]
    assert 0 < last["d_loss"] < 10
    assert "wasserstein" not in last


def test_a_loss_is_explained_and_played_on_the_page_learn(least_squares, monkeypatch):
    at = page("learn", lesson="The losses", recipe="least-squares")
    text = " ".join(m.value for m in (*at.markdown, *at.get("latex")))
    assert least_squares.sentence in text
    assert least_squares.g_formula in text
    assert all(line in text for line in least_squares.d_formula)
    assert "The discriminator minimises" in text
    assert "least-squares" in page("learn").selectbox(key="game").options
    monkeypatch.setattr(toy, "FRAMES", 1)
    monkeypatch.setattr(toy, "EACH", 2)
    *_, frame = toy.record("least-squares", "ring", 0)
    score = torch.tensor(frame.d_loss)
    assert score.isfinite()


def test_a_statistic_is_drawn_compared_and_tabulated(monkeypatch, tiny):
    stat = stats.Stat("Sharpness", "Sharpness of the samples", level=1.0, digits=1)
    monkeypatch.setitem(stats.STATS, "sharpness", stat)
    run = write_run(runs_root() / "00001-a", tiny(), d_loss=lambda n: 0.5, sharpness=lambda n: n / 1000)

    def draw(path):
        from pathlib import Path

        from gan_core.train.run import Run
        from studio.runs import ui_curves

        ui_curves.of_run(Run(Path(path)))

    live = AppTest.from_function(draw, args=(str(run.path),)).run()
    assert "Sharpness of the samples" in [p["title"] for p in component(live)["panels"]]

    drawn = []
    monkeypatch.setattr(
        "studio.runs.media.curves._draw", lambda axes, shown, ticks: drawn.append(axes.get_title("left"))
    )
    assert curves_png(run)
    assert drawn == ["Losses", "Sharpness of the samples"]

    at = page("runs", runs=run.name, figures="Sharpness")
    assert [p["title"] for p in component(at)["panels"]] == ["Sharpness"]
    found = lineup.table([lineup.read(lineup.find_entry(run.name))])
    assert found.rows[0]["Sharpness"] == 4
    assert next(c.text(4) for c in found.columns if c.title == "Sharpness") == "4.0"


def test_a_link_to_a_statistic_under_its_former_title_opens(tiny):
    write_run(runs_root() / "00001-a", tiny(), d_loss=lambda n: 0.5, diversity=lambda n: 1.0)
    at = page("runs", runs="00001-a", figures=["Variety"])
    assert [p["title"] for p in component(at)["panels"]] == ["Diversity"]


@pytest.mark.skipif(not (SHIPPED / "knee-encoder" / "config.json").is_file(), reason="the knee encoder is not there")
def test_a_metric_is_measured_told_offered_and_compared(call, monkeypatch, tiny, tmp_path):
    """The contrast of images: computed where `evaluate --only` asks for it, and then on every page and paper."""

    def contrast(c, progress):
        fake, other = c.fakes_and_floor()
        return {"value": float(fake.images.std()), "floor": float(other.images.std()), "n": len(fake)}

    metric = Metric(contrast, "Is it good?", "Contrast in gray levels", "Contrast", "How far gray values spread.")
    monkeypatch.setitem(METRICS, "contrast", metric)
    monkeypatch.setattr("studio.models.ui_models.shipped_generators", list)
    config = tiny("dcgan", kimg=0.1)
    run = create_run(config, "digits")
    train(run, config, World())

    words = ["evaluate", "--model", run.name, "--data", "digits", "--n", "50", "--only", "contrast"]
    code, out, _ = call(*words, "--card", "--report", tmp_path / "report.html")
    assert code == 0
    assert "Contrast in gray levels" in out
    assert "| Contrast in gray levels |" in (run.generator_path / "README.md").read_text(encoding="utf-8")
    report = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert report.count("Contrast in gray levels") == 1
    assert "lower is better" in report
    assert metric.meaning in report

    (folder,) = EvaluationFolder.all()
    value = folder.figures()["contrast"]["value"]
    form = page("evaluate")
    assert "Contrast" in form.button_group[-1].options
    assert metric.meaning in page("evaluate", evaluation=folder.name).table[0].value.to_csv()
    compared = page("evaluate", view="Compare").dataframe[0].value
    assert compared["Contrast"].tolist() == [value]
    assert "contrast" in call(*words[:-1], "nothing")[2]
