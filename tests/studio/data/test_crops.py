"""Knees of whole films: what becomes an image, with its side, scale, class and patient; what a person puts right."""

import csv
import io
import zipfile
from dataclasses import replace

import numpy as np
import pytest
from made_dicom import dicom
from made_films import SPACING, whole_film
from PIL import Image
from pydicom.data import get_testdata_file

from gan_core.data import load
from gan_core.data.decode import Taken
from gan_core.errors import UserError
from studio import hosting
from studio.data import crops
from studio.data.crops import look, read_table, sided, write_table
from studio.data.cutting import write_crops
from studio.data.options import Question, with_options
from studio.data.sources import absolute_source
from studio.data.survey import inspect
from studio.data.taken import taken
from studio.knee.localizer import BOX_MM, Knee, cut
from studio.knee.localizer.boxes import overlap

BOTH, TRUE = whole_film("RL")
RIGHT, LEFT, AIR = (whole_film(sides)[0] for sides in ("R", "L", ""))


@pytest.fixture(autouse=True)
def _own_cache(tmp_path_factory, monkeypatch):
    monkeypatch.setenv("KNEE_GAN_CACHE", str(tmp_path_factory.mktemp("cache")))


def folder(root, **films):
    """A folder of films; "0__9000001" is 0/9000001.png."""
    for name, film in films.items():
        path = root / f"{name.replace('__', '/')}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(film).save(path)
    return root


def knees_of(source, resolution=64):
    return load(with_options(str(source), crop="knees"), resolution)


def rows_of(table):
    with table.open(newline="") as f:
        return list(csv.DictReader(f))


def rewrite(table, change):
    """Writes a table again, each row as `change` returns it."""
    rows = [change(row) for row in rows_of(table)]
    with table.open("w", newline="") as f:
        writer = csv.DictWriter(f, rows[0])
        writer.writeheader()
        writer.writerows(rows)


# -- as a source ------------------------------------------------------------------------------------------------------


def test_a_film_of_two_knees_is_two_images_of_one_patient(tmp_path):
    source = folder(tmp_path / "films", a__9000001=BOTH, b__9000002=LEFT)
    found = knees_of(source)
    assert found.sides == ("R", "L", "L")
    assert [found.class_names[i] for i in found.labels] == ["a", "a", "b"]
    assert found.patients == ("patient 9000001", "patient 9000001", "patient 9000002")
    assert len(set(found.files)) == 3
    assert all(np.isnan(mm) for mm in found.mm)
    assert "both have the film's class" in " ".join(found.said)
    (film, _) = look(str(source))
    assert all(overlap(a, b) > 0.7 for a, b in zip(film.knees, TRUE, strict=True))
    assert np.array_equal(found.images[1, 0], cut(film.pixels, film.knees[1], 64))


def test_a_film_without_a_knee_is_left_out_with_the_reason(tmp_path):
    source = folder(tmp_path / "films", a__1=AIR, a__2=RIGHT, b__3=LEFT)
    (source / "a" / "torn.png").write_bytes((source / "a" / "1.png").read_bytes()[:200])
    found = knees_of(source)
    assert {s.file: s.reason for s in found.skipped}["a/1.png"] == "no knee was found"
    assert "damaged" in {s.file: s.reason for s in found.skipped}["a/torn.png"]
    assert len(found.images) == 2
    survey = inspect(with_options(str(source), crop="knees"))
    assert (survey["count"], survey["classes"]) == (2, {"a": 1, "b": 1})
    assert {"a/1.png", "a/torn.png"} == {s["file"] for s in survey["skipped"]}


def test_films_without_any_knee_say_so(tmp_path):
    with pytest.raises(UserError, match="no knee was found"):
        knees_of(folder(tmp_path / "films", one=AIR))


def test_knees_are_found_once(tmp_path, monkeypatch):
    source = folder(tmp_path / "films", one=BOTH)
    looked = []

    def find(pixels, spacing=None):
        looked.append(pixels.shape)
        return [replace(TRUE[0], confidence=0.9)]

    monkeypatch.setattr(crops, "find", find)
    first = list(look(str(source)))
    for resolution in (32, 64):
        assert len(knees_of(source, resolution).images) == 1
    assert list(look(str(source))) == first
    assert len(looked) == 1
    folder(source, two=RIGHT)
    assert [film.name for film in look(str(source))] == ["one.png", "two.png"]
    assert len(looked) == 2


def test_what_is_remembered_may_be_damaged(tmp_path, monkeypatch):
    source = folder(tmp_path / "films", one=BOTH)
    cache = tmp_path / "cache"
    first = list(look(str(source), cache_dir=cache))
    (kept,) = (cache / "knees").iterdir()
    kept.write_bytes(kept.read_bytes()[:-20] + b"\xff")
    assert list(look(str(source), cache_dir=cache)) == first
    monkeypatch.setattr(crops, "find", None)  # by now it has been remembered again
    assert list(look(str(source), cache_dir=cache)) == first


def test_films_in_a_zip(tmp_path):
    packed = io.BytesIO()
    Image.fromarray(BOTH).save(packed, "PNG")
    with zipfile.ZipFile(tmp_path / "films.zip", "w") as archive:
        archive.writestr("a/one.png", packed.getvalue())
    (film,) = look(str(tmp_path / "films.zip"))
    assert [knee.side for knee in film.knees] == ["R", "L"]
    assert np.array_equal(film.pixels, BOTH)


def test_what_is_made_has_no_films():
    with pytest.raises(UserError, match="phantom"):
        load("phantom:3?crop=knees", 32)


def test_each_knee_has_the_class_of_its_side(tmp_path):
    films = {"9000001": BOTH, "9000002": BOTH, "9000003": RIGHT}
    source = folder(tmp_path / "films", **films)
    rows = ["9000001,1,0", "9000001,2,3", "9000002,1,2", "9000003,1,4"]  # 1 is right, as the OAI has it
    (tmp_path / "oai.csv").write_text("ID,SIDE,V00XRKL\n" + "\n".join(rows) + "\n")
    found = load(with_options(str(source), crop="knees", labels=str(tmp_path / "oai.csv")), 32)
    got = [
        (f.split(".")[0], s, found.class_names[i])
        for f, s, i in zip(found.files, found.sides, found.labels, strict=True)
    ]
    assert got == [("9000001", "R", "0"), ("9000001", "L", "3"), ("9000002", "R", "2"), ("9000003", "R", "4")]
    assert {s.file: s.reason for s in found.skipped} == {"9000002.png": "its left knee has no label"}
    assert found.label_name == "KL grade"
    assert "Each knee has the class of its own side" in " ".join(found.said)
    whole = load(with_options(str(source), labels=str(tmp_path / "oai.csv")), 32)
    assert "9000001.png" in {s.file for s in whole.skipped}  # of the whole film the table says two things


def test_an_only_film_is_known_by_its_patient(tmp_path):
    source = folder(tmp_path / "films", **{"9000001__V00__001": BOTH})
    (tmp_path / "oai.csv").write_text("ID,SIDE,V00XRKL\n9000001,1,1\n9000001,2,3\n9000007,1,0\n")
    found = load(with_options(str(source), crop="knees", labels=str(tmp_path / "oai.csv")), 32)
    assert [found.class_names[i] for i in found.labels] == ["1", "3"]


# -- the file's own words ---------------------------------------------------------------------------------------------


def film_file(path, pixels=RIGHT, **attributes):
    path.parent.mkdir(parents=True, exist_ok=True)
    dicom(pixels, **attributes).save_as(path)
    return path


@pytest.mark.parametrize(
    ("said", "spacing", "words"),
    [
        ({"PixelSpacing": [0.2, 0.2]}, 0.2, "Pixel Spacing"),
        ({"PixelSpacing": [0.2, 0.2], "ImagerPixelSpacing": [0.25, 0.25]}, 0.2, "Pixel Spacing"),
        ({"PixelSpacing": [0.2, 0.2], "PixelSpacingCalibrationType": "FIDUCIAL"}, 0.2, "calibrated"),
        (
            {"ImagerPixelSpacing": [0.22, 0.22], "EstimatedRadiographicMagnificationFactor": 1.1},
            0.2,
            "Magnification Factor",
        ),
        (
            {"ImagerPixelSpacing": [0.22, 0.22], "DistanceSourceToDetector": 1100, "DistanceSourceToPatient": 1000},
            0.2,
            "distances",
        ),
        ({"ImagerPixelSpacing": [0.2, 0.2]}, 0.2, "at the detector"),
        ({"PixelSpacing": [0.2, 0.2], "ImagerPixelSpacing": [0.2, 0.2]}, 0.2, "at the detector"),
        ({"PixelSpacing": [0.2, 0.3]}, None, ""),
        ({"PixelSpacing": [0, 0]}, None, ""),
        ({"PixelSpacing": None}, None, ""),
        ({}, None, ""),
    ],
)
def test_the_scale_and_where_it_is_from(said, spacing, words):
    how = taken(dicom(**said))
    assert how.spacing == (pytest.approx(spacing) if spacing else None)
    assert words in how.spacing_from
    assert bool(how.spacing_from) == (spacing is not None)
    assert any("magnified" in remark for remark in how.remarks) == ("detector" in words)


@pytest.mark.parametrize(
    ("said", "side", "mirrored", "remarks"),
    [
        ({"ImageLaterality": "R"}, "R", False, 0),
        ({"Laterality": "L"}, "L", False, 0),
        ({"ImageLaterality": "B"}, "", False, 0),
        ({"Laterality": "L", "ImageLaterality": "R"}, "", False, 1),
        ({"PatientOrientation": ["L", "F"]}, "", False, 0),
        ({"PatientOrientation": ["R", "F"]}, "", True, 1),
        ({"ViewPosition": "PA"}, "", False, 0),
        ({"ViewPosition": "LL"}, "", False, 1),
    ],
)
def test_the_side_that_the_file_says(said, side, mirrored, remarks):
    how = taken(dicom(**said))
    assert (how.side, how.mirrored, len(how.remarks)) == (side, mirrored, remarks)


@pytest.mark.parametrize("name", ["CT_small.dcm", "MR_small.dcm", "JPEG2000.dcm", "rtplan.dcm", "examples_overlay.dcm"])
def test_films_of_others_are_looked_at(tmp_path, name):
    (film,) = look(get_testdata_file(name), cache_dir=tmp_path)
    assert film.reason
    assert not film.knees


def test_a_scale_goes_with_the_crop(tmp_path):
    film_file(tmp_path / "films" / "a.dcm", BOTH, PixelSpacing=[SPACING, SPACING], PatientID="p7")
    found = knees_of(tmp_path / "films")
    assert found.mm == pytest.approx([BOX_MM / 64] * 2)
    assert found.patients == ("patient p7",) * 2
    again = knees_of(tmp_path / "films")  # from the cache
    assert (again.mm, again.sides) == (found.mm, found.sides)


def test_knees_are_as_wide_as_asked_where_the_scale_is_known(tmp_path):
    film_file(tmp_path / "films" / "a.dcm", BOTH, PixelSpacing=[SPACING, SPACING])
    Image.fromarray(RIGHT).save(tmp_path / "films" / "b.png")
    source = with_options(str(tmp_path / "films"), crop="knees")
    wide, asked = load(source, 64), load(with_options(source, width="98"), 64)
    assert "140 mm wide" in " ".join(wide.said)
    assert "140 mm wide" not in " ".join(asked.said)
    assert asked.mm[:2] == pytest.approx([98 / 64] * 2)
    assert wide.mm[:2] == pytest.approx([BOX_MM / 64] * 2)
    assert np.array_equal(asked.images[2], wide.images[2])  # without a scale it is cut as it always was
    for wrong in ("30", "a mile", "nan"):
        with pytest.raises(UserError, match="from 60 to 300"):
            load(with_options(source, width=wrong), 64)


def test_a_scale_that_no_knee_could_have_is_not_used(tmp_path):
    film_file(tmp_path / "a.dcm", RIGHT, PixelSpacing=[3.0, 3.0])
    (film,) = look(str(tmp_path / "a.dcm"))
    assert film.knees[0].mm is None
    assert "not used" in film.remark


def test_the_files_word_counts_and_a_contradiction_is_said(tmp_path):
    film_file(tmp_path / "a.dcm", RIGHT, ImageLaterality="L")
    (film,) = look(str(tmp_path / "a.dcm"))
    assert film.knees[0].side == "L"
    assert "says left" in film.remark
    assert film.side_from(film.knees[0]) == "the file"


def test_an_inverted_film_has_the_same_knees(tmp_path):
    plain = film_file(tmp_path / "plain.dcm", BOTH)
    inverted = film_file(tmp_path / "inverted.dcm", 255 - BOTH, PhotometricInterpretation="MONOCHROME1")
    (a,), (b,) = look(str(plain)), look(str(inverted))
    assert a.knees == b.knees


def test_slices_of_a_file_are_films_of_their_own(tmp_path):
    path = film_file(tmp_path / "a.dcm", np.stack([RIGHT, np.zeros_like(RIGHT), LEFT]))
    films = list(look(str(path)))
    assert [film.name for film in films] == ["a.dcm#0", "a.dcm#1", "a.dcm#2"]
    assert [len(film.knees) for film in films] == [1, 0, 1]
    assert np.array_equal(films[2].pixels, LEFT)
    assert knees_of(path).sides == ("R", "L")


RL = [Knee(100, 100, 90, side="R"), Knee(300, 100, 90, side="L")]


@pytest.mark.parametrize(
    ("seen", "how", "sides", "words"),
    [
        ("RL", Taken(), "RL", ""),
        ("RR", Taken(), "RL", "where the knees stand"),
        ("RL", Taken(side="R"), "RL", "2 knees were found"),
        ("RL", Taken(mirrored=True), "LR", ""),
        ("R", Taken(), "R", ""),
        ("R", Taken(side="L"), "L", "says left"),
        ("R", Taken(mirrored=True), "L", ""),
        ("R", Taken(side="L", mirrored=True), "L", ""),
    ],
)
def test_sides_are_told_by_file_place_and_fibula(seen, how, sides, words):
    knees, remarks = sided([replace(knee, side=side) for knee, side in zip(RL, seen, strict=False)], how)
    assert "".join(knee.side for knee in knees) == sides
    assert words in " ".join(remarks)
    assert bool(remarks) == bool(words)


# -- put right by a person --------------------------------------------------------------------------------------------


def test_a_person_puts_boxes_right(tmp_path):
    source = folder(tmp_path / "films", one=BOTH, two=RIGHT, three=AIR)
    films = {film.name: film for film in look(str(source))}
    drawn = Knee(250, 300, 200, 3, "L", 1.0)
    moved = replace(films["one.png"].knees[0], x=300.0, side="L")
    table = tmp_path / "crops.csv"
    kept = [
        films["one.png"].put_right([moved, films["one.png"].knees[1]], unused=[1]),
        films["two.png"].put_right([films["two.png"].knees[0]], unused=[0]),
        films["three.png"].put_right([drawn]),
    ]
    write_table(table, kept)
    read = read_table(table)
    assert [(f.knees[0].x, f.knees[0].side, f.unused) for f in read.values()] == [
        (300.0, "L", {1}),
        (pytest.approx(films["two.png"].knees[0].x, abs=0.01), "R", {0}),
        (250.0, "L", set()),
    ]
    right = with_options(str(source), crop=str(table))
    found = load(right, 64)
    assert found.sides == ("L", "L")
    assert {s.file for s in found.skipped} == {"two.png"}
    assert np.array_equal(found.images[list(found.files).index("three.png"), 0], cut(AIR, drawn, 64))
    assert found.fingerprint != knees_of(source).fingerprint
    assert {f.name: f.by_hand for f in look(right)} == {"one.png": True, "two.png": True, "three.png": True}


def test_a_table_as_found_changes_no_image(tmp_path):
    source = folder(tmp_path / "films", one=BOTH, two=AIR)
    films = list(look(str(source)))
    write_table(tmp_path / "crops.csv", films)
    right = with_options(str(source), crop=str(tmp_path / "crops.csv"))
    assert list(look(right)) == films
    assert np.array_equal(load(right, 64).images, knees_of(source).images)


def test_films_that_a_table_does_not_name_are_found(tmp_path):
    source = folder(tmp_path / "films", one=RIGHT)
    write_table(tmp_path / "crops.csv", look(str(source)))
    folder(source, two=LEFT)
    assert load(with_options(str(source), crop=str(tmp_path / "crops.csv")), 32).sides == ("R", "L")


def test_a_table_may_come_from_a_spreadsheet(tmp_path):
    (tmp_path / "crops.csv").write_text("file;x;y;side_px;angle;side\none.png;200,5;300;250;-1;right\n")
    assert read_table(tmp_path / "crops.csv")["one.png"].knees == (Knee(200.5, 300, 250, -1, "R"),)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a,b\n1,2\n", "no table of crops"),
        ("file,x,y,side_px\none.png,ten,2,3\n", "'ten' in the column x"),
        ("file,x,y,side_px\none.png,1,2,nan\n", "side_px"),
        ("file,x,y,side_px\none.png,1,2,inf\n", "side_px"),
        ("file,x,y,side_px\none.png,1,2,-5\n", "side_px"),
        ("file,x,y,side_px,mm\none.png,1,2,9,-1\n", "column mm"),
        ("file,x,y,side_px\n" + "one.png,1,2,3\n" * 17, "more than 16 knees"),
    ],
)
def test_a_table_that_is_none_is_told(tmp_path, text, words):
    (tmp_path / "crops.csv").write_text(text)
    with pytest.raises(UserError, match=words):
        read_table(tmp_path / "crops.csv")


def test_a_table_that_is_not_there_is_told(tmp_path):
    source = folder(tmp_path / "films", one=RIGHT)
    with pytest.raises(UserError, match="no such file"):
        load(with_options(str(source), crop=str(tmp_path / "none.csv")), 32)


def test_a_tables_path_is_made_absolute(tmp_path, monkeypatch):
    source = folder(tmp_path / "films", one=RIGHT)
    write_table(tmp_path / "right.csv", look(str(source)))
    monkeypatch.chdir(tmp_path)
    assert absolute_source("films?crop=right.csv") == with_options(str(source), crop=str(tmp_path / "right.csv"))


def test_a_host_shows_no_table_of_its_own(tmp_path, monkeypatch):
    source = folder(tmp_path / "shown" / "films", one=RIGHT)
    monkeypatch.setenv(hosting.FOLDERS_ENV, str(tmp_path / "shown"))
    hosting.visitor_source(with_options(str(source), crop="knees"))
    hosting.visitor_source(with_options(str(source), crop=str(source / "crops.csv")))
    with pytest.raises(UserError, match="only use folders below"):
        hosting.visitor_source(with_options(str(source), crop=str(tmp_path / "secret.csv")))


# -- a folder of knees ------------------------------------------------------------------------------------------------


def test_films_become_a_folder_of_knees(tmp_path):
    source = folder(tmp_path / "films", **{"0__9000001": BOTH, "3__b": LEFT, "3__air": AIR})
    film_file(source / "0" / "scaled.dcm", BOTH, PixelSpacing=[SPACING, SPACING], PatientID="p7")
    out = tmp_path / "knees"
    tally = write_crops(str(source), out, resolution=64)
    names = sorted(p.relative_to(out).as_posix() for p in out.rglob("*.png"))
    assert names == ["0/9000001_L.png", "0/9000001_R.png", "0/scaled_L.png", "0/scaled_R.png", "3/b_L.png"]
    assert (tally.films, tally.knees, tally.new, tally.without) == (4, 5, 5, ["3/air.png"])
    rows = rows_of(out / "crops.csv")
    assert sorted(filter(None, (row["crop"] for row in rows))) == names
    assert [row["why"] for row in rows if row["file"] == "3/air.png"] == ["no knee was found"]
    with Image.open(out / "0" / "scaled_R.png") as image:
        assert 25.4 / image.info["dpi"][0] == pytest.approx(BOX_MM / 64, rel=1e-3)
    found = load(str(out), 32)
    of = dict(zip(found.files, zip(found.sides, found.mm, found.patients, found.labels, strict=True), strict=True))
    assert of["0/scaled_R.png"] == ("R", pytest.approx(BOX_MM / 32, rel=1e-4), "patient p7", 0)
    assert of["0/9000001_L.png"][2] == of["0/9000001_R.png"][2] == "patient 9000001"
    assert of["3/b_L.png"][3] == 1
    assert np.isnan(of["3/b_L.png"][1])


def test_the_same_again_does_only_what_is_new(tmp_path, monkeypatch):
    source = folder(tmp_path / "films", one=BOTH)
    out = tmp_path / "knees"
    write_crops(str(source), out, resolution=64)
    table = (out / "crops.csv").read_text()
    monkeypatch.setattr(crops, "frames", None)  # nothing is decoded
    assert write_crops(str(source), out, resolution=64).new == 0
    assert (out / "crops.csv").read_text() == table
    monkeypatch.undo()
    folder(source, two=RIGHT)
    (out / "one_R.png").unlink()
    assert write_crops(str(source), out, resolution=64).new == 2
    assert write_crops(str(source), out, resolution=32).new == 3


def test_boxes_put_right_in_the_folder_are_taken(tmp_path):
    source = folder(tmp_path / "films", one=BOTH, two=RIGHT)
    out = tmp_path / "knees"
    write_crops(str(source), out, resolution=64)
    own = out / "own_R.png"
    Image.fromarray(RIGHT).save(own)

    def change(row):
        if row["file"] == "two.png":
            return row | {"side": "L", "x": "200"}
        return row | {"use": "no"} if row["side"] == "R" else row

    rewrite(out / "crops.csv", change)
    write_crops(str(source), out, resolution=64)
    assert sorted(p.name for p in out.glob("*.png")) == ["one_L.png", "own_R.png", "two_L.png"]
    with Image.open(out / "two_L.png") as image:
        knee = read_table(out / "crops.csv")["two.png"].knees[0]
        assert knee.x == 200
        assert np.array_equal(np.asarray(image), cut(RIGHT, knee, 64))
    assert [row["use"] for row in rows_of(out / "crops.csv")] == ["no", "yes", "yes"]


def test_knees_are_not_put_among_their_films(tmp_path):
    source = folder(tmp_path / "films", one=RIGHT)
    with pytest.raises(UserError, match="lies in"):
        write_crops(str(source), source / "knees")


def test_films_of_one_name_have_crops_of_their_own(tmp_path):
    source = folder(tmp_path / "films", one=RIGHT)
    film_file(source / "one.dcm", LEFT)
    write_crops(str(source), tmp_path / "knees", resolution=32)
    assert len(list((tmp_path / "knees").glob("*.png"))) == 2


def test_all_splits_are_cropped(tmp_path):
    source = folder(tmp_path / "films", train__0__a=RIGHT, val__0__b=LEFT, train__1__c=RIGHT, val__1__d=LEFT)
    tally = write_crops(str(source), tmp_path / "knees", resolution=32)
    assert tally.knees == 4
    assert load(str(tmp_path / "knees"), 32).splits == ("train", "val")


def test_a_question_is_asked_as_of_whole_films(tmp_path):
    films = {f"thing{chr(97 + i)}__{i}": AIR for i in range(21)}
    with pytest.raises(Question):
        list(look(str(folder(tmp_path / "films", **films))))
