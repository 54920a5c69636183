"""The report of an evaluation: it holds what was measured and nothing else, loads nothing, and shows names as text."""

import re
from datetime import date
from html.parser import HTMLParser

import numpy as np
import pytest
from made_evaluation import about, copying, evaluation, figures

from gan_core.metrics.sample import Sample
from studio.evaluate.measures import common_scale
from studio.evaluate.report import report_html
from studio.evaluate.tables import class_gaps, class_rows, confusions, joint_spaces, leads, useful_rows

VOID = {"meta", "img", "br"}


class Page(HTMLParser):
    """What a browser finds: tags with their attributes, and text; tags that do not close are remembered."""

    def __init__(self, html):
        super().__init__()
        self.tags, self.open, self.texts = [], [], []
        self.feed(html)
        assert not self.open

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open[-1:] != ["style"]:
            self.texts.append(data)

    @property
    def text(self):
        return "".join(self.texts)


def page(found):
    return Page(report_html(evaluation(found), date(2026, 1, 2)))


def pictures(found):
    return [a["src"] for tag, a in page(found).tags if tag == "img"]


def test_a_whole_report_says_what_was_compared_and_what_came_out():
    text = page(figures()).text
    for said in (
        "not for diagnosis",
        "0123456789ab:",
        "2026-01-02",
        "826: knees-val, 826 images",
        "12.31",
        "4.20",
        "0.041 ± 0.004",
        "Is it good?",
        "Is it diverse?",
        "Is it new?",
        "Is it useful?",
        "lower is better",
        "No sign of copying",
        "KL grade 4: Only 19 images",
        "train/4/9000009L.png",
        "+0.110",
    ):
        assert said in text


def test_ten_pairs_and_two_sheets_are_inside():
    found = pictures(figures())
    assert len(found) == 22
    assert all(src.startswith("data:image/png;base64,") for src in found)


def test_nothing_is_loaded_from_anywhere_and_nothing_runs():
    html = report_html(evaluation())
    assert "<script" not in html
    assert not re.search(r"https?://|@import|\son[a-z]+=", html)
    links = [v for tag, a in Page(html).tags for k, v in a.items() if k in ("src", "href", "srcset", "data")]
    assert all(v.startswith("data:") for v in links)


def test_drawings_are_in_the_pages_colours_and_none_refers_to_another():
    found = page(figures())
    drawn = [a["aria-label"] for tag, a in found.tags if tag == "svg"]
    assert len(drawn) == 6
    assert drawn.count("joint space, pixels for each KL grade") == 3
    styles = " ".join(a.get("style", "") for _, a in found.tags)
    assert "stroke: var(--real)" in styles
    assert "stroke: var(--fake)" in styles
    assert not re.search(r"(fill|stroke): #", styles)
    ids = [a["id"] for _, a in found.tags if "id" in a]
    asked = {a["xlink:href"].removeprefix("#") for _, a in found.tags if "xlink:href" in a}
    clips = {match for _, a in found.tags for match in re.findall(r"url\(#(\w+)\)", a.get("clip-path", ""))}
    assert asked | clips <= set(ids)


def test_words_with_dollars_are_no_formulas_in_a_drawing():
    names = ["0", "1", "2", "3", "$\\frac{1}$"]
    found = figures() | {"about": about(class_names=names, label_name="$x$ < y")}
    part = found["jsw"]["narrower"]["per_class"]
    part[names[-1]] = part.pop("4")
    assert {"$\\frac{1}$", "$x$ < y"} <= set(page(found).texts)


def test_a_report_of_nothing_still_says_what_was_asked():
    found = page({"about": about(class_names=[], label_name="class")})
    assert "knees-val" in found.text
    for heading in (
        "Figures",
        "Memorisation",
        "Joint space",
        "Augmentation utility",
        "Detail",
        "For each",
        "Grade asked",
    ):
        assert heading not in found.text
    assert not [tag for tag, _ in found.tags if tag in ("svg", "table")]


@pytest.mark.parametrize(
    "name", ["fd", "kd", "prdc", "variety", "spectrum", "copying", "grade", "jsw", "makeup", "detect", "useful"]
)
def test_a_measure_that_could_not_be_taken_says_why(name):
    found = page(figures() | {name: {"value": None, "why": "There were only 3 images."}})
    assert "Not measured: There were only 3 images." in found.text


@pytest.mark.parametrize(
    "name", ["fd", "kd", "prdc", "variety", "spectrum", "copying", "grade", "jsw", "makeup", "detect", "useful"]
)
def test_any_measure_can_stand_alone(name):
    assert "Is it" in page({name: figures()[name], "about": about()}).text


def test_names_are_text_and_never_markup():
    evil = "<script>alert(1)</script><img src=x onerror=alert(1)>\"'&{{ 7*7 }}"
    hostile = copying() | {"verdict": evil}
    for pair in hostile["worst"]:
        pair["seen_name"] = pair["fake_name"] = evil
    classes = ["0", "1", "2", "3", evil]
    classes_of = {evil: {"fake": {"mean": 3.0, "low": 2.5, "high": 3.5, "n": 9}, "real": None}}
    part = {"value": 0.1, "floor": 0.1, "per_class": classes_of}
    missed = {"fake": 0.0, "real": 0.0, "other": 0.0}
    jsw = {"value": 0.1, "floor": 0.1, "n": 9, "unit": "pixels", "not_found": missed}
    jsw |= dict.fromkeys(("narrower", "medial", "lateral"), part)
    described = about(
        model=evil, data=evil, reference=evil, extractor=evil, label_name=evil, class_names=classes, digest=evil
    )
    found = figures() | {"copying": hostile, "about": described, "jsw": jsw, "fd": {"value": None, "why": evil}}
    html = report_html(evaluation(found))
    tags = Page(html).tags
    assert not [tag for tag, a in tags if tag == "script" or "onerror" in a]
    assert all(a["src"].startswith("data:image/png") for tag, a in tags if tag == "img")
    assert "<script" not in html
    assert evil in Page(html).text


def test_class_rows_show_the_floor_and_leave_gaps_open():
    rows = class_rows(figures())
    assert [row["KL grade"] for row in rows] == ["0", "1", "2", "3", "4"]
    assert rows[0]["Fréchet distance"] == "15.00 (6.10)"
    assert rows[4]["Fréchet distance"] == "–"
    assert rows[4]["Likeness (MS-SSIM)"] == "0.400 (0.370)"
    assert class_gaps(figures()) == ["KL grade 4: Only 19 images of this class on one side; 20 are needed."]


def test_without_classes_there_are_no_tables_of_them():
    found = figures() | {"about": about(class_names=[])}
    found = {name: {k: v for k, v in f.items() if k != "per_class"} for name, f in found.items() if name != "jsw"}
    assert class_rows(found) == class_gaps(found) == joint_spaces(found) == []


def test_leads_are_numbers_with_their_floor_and_only_of_what_was_measured():
    found = {lead.title: lead for lead in leads(figures())}
    assert (found["Kernel distance"].value, found["Kernel distance"].floor) == (0.041, 0.003)
    assert found["Copies"].text(found["Copies"].value) == "1.2%"
    assert leads({"kd": {"value": None, "why": "x"}, "about": about()}) == []


def test_a_grade_without_a_joint_line_is_left_out():
    found = figures()
    found["jsw"]["narrower"]["per_class"]["2"]["fake"] = {"mean": None, "low": None, "high": None, "n": 0}
    kept = [(row["group"], row["which"]) for row in joint_spaces(found)[0].rows]
    assert ("2", "synthetic") not in kept
    assert ("2", "real") in kept
    assert len(kept) == 9
    assert "Joint space" in page(found).text


def test_the_joint_space_is_in_mm_where_the_scale_is_known():
    found = figures()
    before = joint_spaces(found)[0]
    found["jsw"]["mm"] = 0.5
    after = joint_spaces(found)[0]
    assert (before.y, after.y) == ("joint space, pixels", "joint space, mm")
    assert [row["mean"] for row in after.rows] == [row["mean"] / 2 for row in before.rows]
    assert "A pixel is 0.5 mm" in page(found).text


@pytest.mark.parametrize(
    ("mm", "scale"), [((0.5, 0.5), 0.5), ((), None), ((0.5, float("nan")), None), ((0.5, 0.6), None)]
)
def test_images_share_a_scale_or_have_none(mm, scale):
    images = np.zeros((2, 1, 8, 8), np.uint8)
    real = Sample(images, np.zeros(2, np.int64), np.empty((2, 0), np.float32), ("a", "b"), mm=mm)
    assert common_scale(real) == scale
    assert common_scale(real.take(np.array([1, 0]))) == scale


def test_confusions_and_usefulness_come_through():
    assert set(confusions(figures())) == {"synthetic", "real"}
    first = useful_rows(figures())[0]
    assert first["Real images"] == "289"
    assert first["Difference"] == "+0.110 (+0.090 to +0.130)"


def test_phantoms_are_not_passed_off_as_films():
    assert "Phantoms" not in report_html(evaluation(figures()))
    html = report_html(evaluation(figures() | {"about": about(data="a half of phantom, 2,000 images")}))
    assert "Phantoms simulated by this program stand in for the real images" in html


def test_files_that_were_left_out_are_told():
    assert "3 files that could not be read" in report_html(evaluation(figures()))
    assert "could not be read" not in report_html(evaluation(figures() | {"about": about(skipped=0)}))
