"""The outline of a knee's joint: it lies on the phantom's edges, goes with the picture, and needs a knee."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from paths import KNEES

from gan_core.data import load
from gan_core.errors import UserError
from gan_core.images import save_png, to_float, to_uint8
from gan_core.model import SHIPPED
from studio.knee.phantom import render, sample_params
from studio.knee.phantom.anatomy import edges
from studio.knee.readings import edges_train
from studio.knee.readings.edges import CELLS, load_edges
from studio.knee.readings.outline import FIGURES, LENGTHS, in_mm, outline

shipped = pytest.mark.skipif(
    not all((SHIPPED / name / "config.json").is_file() for name in ("knee-edges", "knee-reader")),
    reason="knee-edges or knee-reader is not there",
)
SIDE = 128


@pytest.fixture(scope="module")
def params():
    return [sample_params(700 + i, i % 4) for i in range(40)]


@pytest.fixture(scope="module")
def images(params):
    return render(params, SIDE)


@pytest.fixture(scope="module")
def found(images):
    return outline(images)


def test_the_edges_told_are_where_the_phantom_changes_from_bone_to_gap():
    healthy = [replace(sample_params(i, 0), side="L") for i in range(12)]
    pictures, true = render(healthy, 256, grain=False)[:, 0].astype(float), edges(healthy)
    for name, into in (("femur", -1), ("tibia", 1)):
        for picture, points in zip(pictures, true[name], strict=True):
            condyle = points[4:12] * 256 - 0.5  # of the medial compartment, away from notch and ends
            x, y = condyle.T.round().astype(int)
            assert (picture[y + 4 * into, x] > picture[y - 4 * into, x]).mean() > 0.9, name


@shipped
def test_the_curves_lie_on_the_phantoms_edges(found, params):
    true = edges(params)
    assert found.found.all()
    for name in ("femur", "tibia"):
        apart = []
        for i, p in enumerate(params):
            curve, points = getattr(found, name)[i].reshape(-1, 2), true[name][i]
            curve = curve[np.isfinite(curve[:, 0])]
            assert len(curve) > 20
            x = curve[:, 0] if p.side == "L" else 1 - curve[:, 0]
            inside = (x > points[1, 0]) & (x < points[-2, 0])
            apart.append(np.abs(curve[inside, 1] - np.interp(x[inside], points[:, 0], points[:, 1])).mean() * 98)
        assert np.mean(apart) < 0.6, name  # mm


@shipped
def test_figures_are_the_phantoms(found, params):
    assert found.side.tolist() == [p.side for p in params]
    figures = in_mm(found.figures, np.array([p.field_mm for p in params]))
    for name, true, error in (
        ("medial_space", [p.jsw_medial_mm for p in params], 0.5),
        ("lateral_space", [p.jsw_lateral_mm for p in params], 0.5),
        ("tilt", [p.jsw_lateral_mm - p.jsw_medial_mm for p in params], 0.7),
        ("rotation", [p.rotation_deg for p in params], 1.0),
        ("size", [80 * p.size for p in params], 3.0),
    ):
        assert np.abs(figures[name] - true).mean() < error, name


@shipped
def test_the_calipers_and_the_joint_line_are_as_long_as_the_figures_say(found):
    lengths = np.linalg.norm(found.calipers[:, :, 1] - found.calipers[:, :, 0], axis=2)
    width = np.linalg.norm(found.joint_line[:, 1] - found.joint_line[:, 0], axis=1)
    assert np.allclose(100 * width, found.figures["size"], atol=1e-3)
    for i, name in enumerate(("medial_space", "lateral_space")):
        assert np.allclose(100 * lengths[:, i] / width, np.abs(found.figures[name]), atol=0.02)


def test_lengths_become_mm_where_the_picture_is_known_to_be_so_wide():
    figures = {name: np.array([5.0]) for name in FIGURES} | {"size": np.array([80.0])}
    told = in_mm(figures, 100.0)
    assert all(told[name] == pytest.approx(4.0) for name in LENGTHS)  # 5% of a plateau of 80 mm
    assert told["size"] == pytest.approx(80.0)
    assert told["rotation"] == 5.0


@shipped
def test_the_mirrored_knee_has_the_same_figures_and_the_other_side(images):
    a, b = outline(images), outline(images[..., ::-1].copy())
    assert (a.side != b.side).all()
    for name in FIGURES:
        assert np.allclose(a.figures[name], b.figures[name], atol=1e-3), name
    assert np.allclose(a.joint_line[..., 0], 1 - b.joint_line[..., 0], atol=1e-5)


@shipped
def test_the_outline_goes_with_the_picture(images):
    turn, shift = 4.0, torch.tensor([4.0, -2.0]) / SIDE
    n = len(images)
    x, _ = edges_train.moved(
        to_float(images), torch.zeros(n, 6, 2, 3), torch.full((n,), turn), torch.ones(n), shift.expand(n, 2)
    )
    a, b = outline(images), outline(to_uint8(x))
    angle = np.deg2rad(turn)
    matrix = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    due = (a.joint_line - 0.5) @ matrix.T + 0.5 + shift.numpy()
    assert np.linalg.norm(b.joint_line - due, axis=2).mean() * SIDE < 1.5  # pixels
    for name in ("medial_space", "lateral_space"):
        assert np.abs(a.figures[name] - b.figures[name]).mean() < 0.7, name  # percent of the plateau's width


@shipped
def test_spurs_alone_are_read_as_spurs():
    """All else the same: the spaces stay, and so does the other side."""
    spaces = {"jsw_medial_mm": 4.5, "jsw_lateral_mm": 5.0}
    none = dict.fromkeys(edges_train._SPURS, 0.0)
    spurs = none | {"osteophyte_tibia_medial_mm": 4.0, "osteophyte_femur_medial_mm": 4.0}
    knees = [replace(edges_train.independent(50 + i), **spaces) for i in range(24)]
    a, b = (outline(render([replace(p, **more) for p in knees], SIDE)) for more in (none, spurs))
    grown = b.figures["osteophytes_medial"] - a.figures["osteophytes_medial"]
    assert np.mean(grown > 0) > 0.95
    assert np.abs(b.figures["osteophytes_lateral"] - a.figures["osteophytes_lateral"]).mean() < 0.25 * grown.mean()
    assert np.abs(b.figures["medial_space"] - a.figures["medial_space"]).mean() < 1.0  # percent of the plateau's width


@shipped
@pytest.mark.parametrize("kind", ["noise", "blobs", "flat"])
def test_what_is_no_knee_gets_neither_lines_nor_figures(kind):
    rng = np.random.default_rng(0)
    if kind == "flat":
        pictures = np.full((4, 1, SIDE, SIDE), 90, np.uint8)
    elif kind == "noise":
        pictures = rng.integers(0, 256, (20, 1, SIDE, SIDE), np.uint8)
    else:
        pictures = rng.integers(0, 256, (20, 1, 8, 8), np.uint8).repeat(16, 2).repeat(16, 3)
    seen = outline(pictures)
    assert not seen.found.any()
    assert (seen.side == "").all()
    for lines in (seen.femur, seen.calipers, seen.joint_line, *seen.figures.values()):
        assert np.isnan(lines).all()


@shipped
@pytest.mark.parametrize(
    ("shape", "words"),
    [
        ((2, 1, 32, 32), "64 pixels or more"),
        ((2, 3, 128, 128), "square gray"),
        ((0, 1, 128, 128), "square gray"),
        ((2, 1, 128, 100), "square gray"),
    ],
)
def test_what_cannot_be_outlined_is_told(shape, words):
    with pytest.raises(UserError, match=words):
        outline(np.zeros(shape, np.uint8))


@shipped
def test_real_knees_have_outlines_and_their_spurs_grow_with_the_grade():
    if not KNEES.is_dir():
        pytest.skip("needs the real knees in ../shared/data/knees/val")
    films = load(str(KNEES / "val"), SIDE)
    some = np.concatenate([np.flatnonzero(films.labels == grade)[:27] for grade in range(5)])
    seen, labels = outline(films.images[some]), films.labels[some]
    assert seen.found.mean() > 0.95
    named = np.array([Path(films.files[i]).stem[-1] for i in some])
    assert (seen.side == named)[seen.found].mean() > 0.98
    for name, way in (("medial_space", -1), ("osteophytes_medial", 1), ("osteophytes_lateral", 1)):
        values = seen.figures[name]
        assert way * (np.nanmean(values[labels >= 3]) - np.nanmean(values[labels == 0])) > 0, name


def test_places_where_a_line_crosses_the_maps_columns_and_rows():
    lines = torch.zeros(1, edges_train.LINES, edges_train.POINTS, 3)
    at = torch.linspace(0.25, 0.75, edges_train.POINTS)
    lines[0, 0] = torch.stack([at, 0.2 + 0.4 * at, torch.ones_like(at)], 1)  # the femur
    lines[0, 4] = torch.stack([0.1 + 0 * at, at, torch.ones_like(at)], 1)  # the tibia's medial margin
    truth = edges_train.crossed(lines)[0]
    column = (torch.arange(CELLS) + 0.5) / CELLS
    inside = (column > 0.25) & (column < 0.75)
    assert torch.allclose(truth[0][inside], 0.2 + 0.4 * column[inside], atol=1e-4)
    assert torch.allclose(truth[2][inside], torch.tensor(0.1), atol=1e-4)
    assert truth[0][~inside].isnan().all()
    assert truth[[1, 3]].isnan().all()


def test_the_margins_that_teach_are_the_phantoms(params):
    left = [replace(p, side="L") for p in params]
    lines, true = edges_train.real_lines(render(left, 256)), edges(left)
    known = lines[:, 4:, 0, 2] > 0
    for i, name in enumerate(("tibia_medial", "tibia_lateral")):
        apart = [
            np.abs(lines[k, 4 + i, :, 0] - np.interp(lines[k, 4 + i, :, 1], points[:, 1], points[:, 0])).mean() * 98
            for k, points in enumerate(true[name])
            if known[k, i]
        ]
        assert len(apart) > 20, name
        assert np.median(apart) < 2.0, name  # mm


def test_a_training_that_was_stopped_goes_on_and_ends_as_one_that_was_not(tmp_path, monkeypatch):
    for name, value in {"PHANTOMS": 6, "SYNTHETIC": 4, "NOTHING": 4, "BATCH": 4, "SAVED": 1}.items():
        monkeypatch.setattr(edges_train, name, value)
    made = render([sample_params(i) for i in range(4)], 128)
    monkeypatch.setattr(edges_train, "load_model", lambda folder: None)
    monkeypatch.setattr(edges_train, "generate_batches", lambda model, seeds: [made])
    others = tmp_path / "others" / "squares"
    others.mkdir(parents=True)
    for i in range(6):
        save_png(others / f"{i}.png", np.full((40, 40), 40 * i, np.uint8))
    edges_train.main("phantom:6", [str(tmp_path / "others")], tmp_path / "once", 3)

    real_loss, calls = edges_train.loss, []

    def loss(*args):
        calls.append(1)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return real_loss(*args)

    monkeypatch.setattr(edges_train, "loss", loss)
    with pytest.raises(KeyboardInterrupt):
        edges_train.main("phantom:6", [str(tmp_path / "others")], tmp_path / "twice", 3)
    edges_train.main("phantom:6", [str(tmp_path / "others")], tmp_path / "twice", 3)
    once, twice = (load_edges(tmp_path / folder).state_dict() for folder in ("once", "twice"))
    for name, tensor in once.items():
        assert torch.equal(tensor, twice[name]), name
