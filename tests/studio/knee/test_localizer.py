"""The localiser: boxes, crops, sides, what it finds on made films, and its model folder."""

from __future__ import annotations

import pickle
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import torch
from made_films import whole_film

from gan_core.errors import UserError
from studio.knee.localizer import BOX_MM, FRAME_MM, Knee, cut, find, framed, side_of
from studio.knee.localizer.boxes import overlap, without_doubles
from studio.knee.localizer.films import NONE, Sources, made
from studio.knee.localizer.find import reduce
from studio.knee.localizer.net import FOLDER, Localizer, LocalizerConfig, load_localizer
from studio.knee.localizer.train import heat_of, train
from studio.knee.nets import save_net
from studio.knee.phantom import phantom


@pytest.fixture(scope="module")
def bilateral() -> tuple[np.ndarray, list[Knee]]:
    """A film of two phantom knees, the right one on the picture's left as radiographs are read."""
    return whole_film("RL")


def test_two_knees_are_found_with_their_sides(bilateral: tuple[np.ndarray, list[Knee]]) -> None:
    film, true = bilateral
    found = find(film)
    assert [k.side for k in found] == ["R", "L"]
    assert all(overlap(a, b) > 0.7 for a, b in zip(found, true, strict=True))


def test_a_film_in_a_mirror_has_its_sides_exchanged(bilateral: tuple[np.ndarray, list[Knee]]) -> None:
    film, _true = bilateral
    one = film[:, :550]
    assert [k.side for k in find(one)] == ["R"]
    assert [k.side for k in find(one[:, ::-1])] == ["L"]


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32, np.float64])
def test_the_depth_of_a_film_does_not_matter(bilateral: tuple[np.ndarray, list[Knee]], dtype: type) -> None:
    film, true = bilateral
    deep = (film.astype(np.float64) * (1 if dtype is np.uint8 else 100)).astype(dtype)
    assert len(find(deep)) == 2
    assert np.abs(cut(deep, true[0], 64).astype(int) - cut(film, true[0], 64).astype(int)).max() <= 2


def test_with_a_spacing_the_box_is_140_mm(bilateral: tuple[np.ndarray, list[Knee]]) -> None:
    film, _ = bilateral
    spacing = FRAME_MM / 270
    for knee in find(film, spacing):
        assert knee.mm == spacing
        assert knee.side_px * spacing == pytest.approx(BOX_MM)
        assert framed(knee).side_px * spacing == pytest.approx(FRAME_MM)
    for knee in find(film, 10 * spacing):  # no knee is that large: the tag is wrong
        assert knee.mm is None
        assert knee.side_px < 400


@pytest.mark.parametrize(
    "film",
    [
        np.zeros((400, 300), np.uint8),
        np.full((400, 300), 65535, np.uint16),
        np.full((50, 4000), np.nan, np.float32),
        np.zeros((1, 1), np.uint8),
        np.random.default_rng(0).integers(0, 256, (500, 400)).astype(np.uint8),
        np.linspace(0, 1, 120_000).reshape(300, 400),
    ],
    ids=["black", "white", "no numbers", "one pixel", "noise", "gradient"],
)
def test_where_there_is_no_knee_nothing_is_found(film: np.ndarray) -> None:
    assert find(film) == []


def test_the_file_s_word_stands_and_a_contradiction_is_said() -> None:
    assert side_of("R", "") == ("R", "")
    assert side_of("", "L") == ("L", "")
    assert side_of("L", "L") == ("L", "")
    assert side_of("", "B") == ("", "")
    side, remark = side_of("R", "L")
    assert side == "L"
    assert "right" in remark
    assert "left" in remark


def test_a_crop_stands_upright() -> None:
    film = np.zeros((300, 300), np.uint8)
    across = np.arange(300) - 150.0
    y, x = np.meshgrid(across, across, indexing="ij")
    turned = np.deg2rad(20)
    film[np.abs(-x * np.sin(turned) + y * np.cos(turned)) < 4] = 200  # a line that falls by 20 degrees to the right
    out = cut(film, Knee(150, 150, 160, angle=20), 80)
    assert out[39:41].min() > 150
    assert out[:34].max() < 20
    assert out[46:].max() < 20


def test_beyond_the_film_a_crop_has_the_border_s_value() -> None:
    film = np.full((100, 100), 7, np.uint8)
    film[40:60, 40:60] = 255
    out = cut(film, Knee(0, 0, 100), 50)
    assert out.shape == (50, 50)
    assert (out[:25] == 7).all()


def test_what_is_no_number_is_black_in_a_crop() -> None:
    film = np.ones((60, 60), np.float32)
    film[:30] = np.nan
    film[50:] = 3
    assert cut(film, Knee(30, 30, 60), 60)[[10, 40, 55], 30].tolist() == [0, 0, 255]


def test_a_reduced_crop_is_the_mean_of_what_it_covers() -> None:
    film = (np.indices((512, 512)).sum(0) % 2 * 255).astype(np.uint8)  # the finest chequers there are
    assert np.abs(cut(film, Knee(256, 256, 512), 64).astype(int) - 127).max() <= 1


def test_a_crop_of_the_whole_film_is_the_film() -> None:
    film = phantom(1, 128)[0][0, 0]
    assert (cut(film, Knee(64, 64, 128), 128) == film).all()


def test_of_boxes_on_each_other_the_surest_stays() -> None:
    a, b, c = Knee(50, 50, 40, confidence=0.6), Knee(52, 50, 40, confidence=0.9), Knee(10, 50, 20, confidence=0.7)
    assert overlap(a, a) == 1
    assert overlap(a, c) == 0
    assert without_doubles([a, b, c]) == [c, b]


def test_a_knee_leaves_its_mark_in_its_cell() -> None:
    knees = torch.zeros(1, 4, 4)
    knees[0, 0] = torch.tensor([100.0, 52.0, 64.0, 15.0])
    heat, boxes, near = heat_of(knees, 32)
    assert (heat == 1).nonzero().tolist() == [[0, 6, 12]]
    assert near.sum() == 9
    assert boxes[0, :, 6, 12].tolist() == pytest.approx([0.0, 0.0, 0.0, 1.0])


@pytest.fixture
def some(tmp_path: Path) -> Sources:
    """Phantoms in the place of crops and of all other pictures."""
    from PIL import Image

    images, params = phantom(6, 256)
    paths = [tmp_path / f"{i}{p.side}.png" for i, p in enumerate(params)]
    for path, image in zip(paths, images[:, 0], strict=True):
        Image.fromarray(image).save(path)
    return Sources(paths, paths, paths, phantoms=2)


def test_a_made_film_is_a_function_of_its_numbers_and_shows_its_knees(some: Sources) -> None:
    for kind in ("two knees", "turned", "hand"):
        a, b = (made(np.random.default_rng(3), some, kind) for _ in range(2))
        assert (a.pixels == b.pixels).all()
        assert a.knees == b.knees
        assert all(0 < k.x < a.pixels.shape[1] and 0 < k.y < a.pixels.shape[0] for k in a.knees)
    assert made(np.random.default_rng(3), some, "hand").knees == ()


def test_a_training_goes_on_where_it_was(some: Sources, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("studio.knee.localizer.train.BATCH", 2)
    monkeypatch.setattr("studio.knee.localizer.train.CHUNK", 4)
    assert pickle.loads(pickle.dumps(some)) == some  # a process that makes films is sent it; here it is a thread
    monkeypatch.setattr("studio.knee.localizer.train.ProcessPoolExecutor", lambda n, _: ThreadPoolExecutor(n))
    train(some, tmp_path / "out", 1, 1)
    net = train(some, tmp_path / "out", 2, 1)
    assert torch.load(tmp_path / "out" / "state.pt", weights_only=True)["step"] == 2
    again, x = load_localizer(tmp_path / "out"), torch.rand(2, 1, 256, 256)
    assert torch.allclose(again.finder(x), net.finder(x), atol=0.02)  # tensors are kept in float16
    assert torch.allclose(again.reader(x[..., :96, :96]), net.reader(x[..., :96, :96]), atol=0.02)


def test_a_training_begins_from_weights_that_it_is_given(
    some: Sources, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("studio.knee.localizer.train.BATCH", 2)
    monkeypatch.setattr("studio.knee.localizer.train.CHUNK", 4)
    monkeypatch.setattr("studio.knee.localizer.train.ProcessPoolExecutor", lambda n, _: ThreadPoolExecutor(n))
    train(some, tmp_path / "out", 1, 1, begin=FOLDER, rate=0.0)
    x = torch.rand(1, 1, 96, 96)
    shipped, begun = load_localizer(FOLDER), load_localizer(tmp_path / "out")
    assert torch.allclose(shipped.reader(x), begun.reader(x), atol=0.3)  # but for the statistics of one batch


@pytest.mark.parametrize("kind", NONE)
def test_a_film_without_a_knee_is_made_of_each_kind(some: Sources, kind: str) -> None:
    film = made(np.random.default_rng(5), some, kind)
    assert film.knees == ()
    assert film.pixels.std() > 0


def test_a_film_of_8_bits_is_reduced_as_any_other(bilateral: tuple[np.ndarray, list[Knee]]) -> None:
    film = np.kron(bilateral[0], np.ones((2, 2), np.uint8))[:-1]  # of an odd height
    (small, times), (other, same) = reduce(film, 400), reduce(film.astype(np.float32), 400)
    assert times == same > 1
    assert small.shape == other.shape
    assert np.abs(small - other).max() < 0.6  # the rounding to whole grey values, in fixed point


def test_a_damaged_folder_is_refused(tmp_path: Path) -> None:
    save_net(tmp_path, Localizer(LocalizerConfig()), LocalizerConfig(), "card")
    (tmp_path / "model.safetensors").write_bytes((FOLDER / "model.safetensors").read_bytes()[:-100])
    with pytest.raises(UserError):
        load_localizer.__wrapped__(tmp_path)
