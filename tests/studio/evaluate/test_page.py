"""The Evaluate page: what a person chooses, how an evaluation stands, its figures, and several beside each other."""

import shutil
from functools import partial

import app_page
import pytest
from app_page import button
from app_page import told as texts
from made_evaluation import about, evaluation, figures

from gan_core import data
from gan_core.errors import UserError
from gan_core.images import save_png
from gan_core.model import SHIPPED
from gan_core.train.distributed import World
from gan_core.train.run import Run, create_run
from studio.evaluate.folder import EvaluationFolder, EvaluationRequest, create_evaluation
from studio.jobs import launch
from studio.jobs.work import JobStatus
from studio.train.session import train

needs_encoder = pytest.mark.skipif(
    not (SHIPPED / "knee-encoder" / "config.json").is_file(), reason="the knee encoder is not there"
)
ASKED = EvaluationRequest(model="knee-64", data="/data/knees/val", reference="/data/knees/train")


@pytest.fixture(autouse=True)
def runs(tmp_path, monkeypatch):
    """No runs, no evaluations, no shipped model."""
    from studio.models import ui_models as models

    monkeypatch.setenv("KNEE_GAN_RUNS", str(tmp_path / "runs"))
    monkeypatch.setattr(models, "shipped_generators", list)
    return tmp_path / "runs"


MADE = {}  # by preset: a folder of a run, trained once


@pytest.fixture
def trained(tiny, runs, tmp_path_factory):
    """trained(preset): a run on digits."""

    def make(preset="dcgan"):
        if preset not in MADE:
            config = tiny(preset, kimg=0.1, samples=10)
            run = create_run(config, "digits", tmp_path_factory.mktemp("made"))
            train(run, config, World())
            MADE[preset] = run.path
        return Run(shutil.copytree(MADE[preset], runs / MADE[preset].name))

    return make


def put(found=None, request=ASKED, state="finished", message="", **status):
    """An evaluation's folder, as the job leaves it; `found` None where it has not come to figures."""
    folder = create_evaluation(request)
    if found is not None:
        folder.write_pictures(evaluation(found))
        folder.report_path.write_text("<p>report</p>", encoding="utf-8")
        folder.write_figures(found)
    folder.write_status(JobStatus(state=state, message=message, seconds=30, **status).with_process())
    return folder


page = partial(app_page.page, "evaluate")


def labels(at):
    return [b.label for b in at.button]


def tabs(at):
    return [t.label for t in at.tabs if t.label not in ("Evaluate", "Compare")]


# -- the form ---------------------------------------------------------------------------------------------------------


def test_without_a_model_it_says_what_to_do():
    said = texts(page())
    assert "Train one" in said
    assert "not for diagnosis" in said


def test_without_real_images_it_asks_for_them_and_cannot_start(trained):
    trained()
    at = page()
    assert "Choose the real images" in texts(at)
    assert "Start evaluation" not in labels(at)


def test_start_asks_for_just_what_was_chosen(trained, monkeypatch):
    run = trained("acgan")
    asked = []

    def start(job):
        asked.append(job.request())
        job.write_status(JobStatus(state="running", message="Starting").with_process())

    monkeypatch.setattr(launch, "start", start)
    at = page()
    at.text_input(key="data-path").set_value("digits").run()
    at.number_input[0].set_value(500).run()
    chosen = at.button_group[-1]
    chosen.set_value(["fd", "kd"]).run()
    button(at, "Start evaluation").click().run()
    assert asked == [EvaluationRequest(model=run.name, data="digits", n=500, only=("fd", "kd"))]
    assert not at.exception
    assert "Measuring" in texts(at)
    assert at.selectbox(key="evaluation").value == EvaluationFolder.all()[0].name


def test_what_a_model_cannot_be_asked_is_said_and_not_offered(trained):
    trained("dcgan")
    at = page()
    offered = at.button_group[-1].options
    assert not {"Grades", "Joint space", "Sides and exposures", "Augmentation utility", "Memorisation"} & set(offered)
    assert "Only for models of knees with KL grades: Grades, Joint space, Sides and exposures." in texts(at)
    assert "Augmentation utility" in texts(at)


def test_with_a_reference_copies_can_be_asked_for(trained):
    trained("acgan")
    at = page()
    at.text_input(key="reference-path").set_value("phantom:200").run()
    offered = set(at.button_group[-1].options)
    assert {"Memorisation", "Augmentation utility"} <= offered
    at.button_group[-1].set_value(["useful"]).run()
    assert "ten minutes" in texts(at)


def test_nothing_to_measure_cannot_start(trained):
    trained()
    at = page()
    at.text_input(key="data-path").set_value("digits").run()
    at.button_group[-1].set_value([]).run()
    assert "Choose a measure" in texts(at)
    assert "Start evaluation" not in labels(at)


def test_the_form_goes_on_from_the_last_evaluation(trained):
    trained()
    put(figures())
    at = page()
    assert at.text_input(key="data-path").value == ASKED.data
    assert at.text_input(key="reference-path").value == ASKED.reference


def test_a_start_that_fails_is_explained(trained, monkeypatch):
    trained()

    def refuse(job):
        raise UserError("There is no room.")

    monkeypatch.setattr(launch, "start", refuse)
    at = page()
    at.text_input(key="data-path").set_value("digits").run()
    button(at, "Start evaluation").click().run()
    assert any("There is no room." in e.value.replace("\\", "") for e in at.error)


def test_a_server_that_does_one_thing_at_a_time_offers_no_second(trained, monkeypatch):
    trained()
    at_work = put(state="running", message="Making synthetic images")
    monkeypatch.setenv("KNEE_GAN_WHEN_BUSY", "refuse")
    at = page()
    at.text_input(key="data-path").set_value("digits").run()
    assert button(at, "Start evaluation").disabled
    assert at_work.name in texts(at)


# -- how it stands ----------------------------------------------------------------------------------------------------


def test_at_work_it_shows_how_far_it_is_and_can_be_stopped():
    folder = put(state="running", message="Making synthetic images", done=640, total=2000)
    at = page(evaluation=folder.name)
    assert "Making synthetic images" in texts(at)
    assert "640 of 2,000" in at.get("progress")[0].proto.text
    assert "Delete for good" not in labels(at)
    button(at, "Stop").click().run()
    assert folder.stop_path.exists()
    assert "Stopping …" in labels(at)


def test_the_time_left_of_a_step_is_told():
    folder = put(state="running", message="Making synthetic images", done=500, total=2000, seconds_left=20)
    at = page(evaluation=folder.name)
    assert "500 of 2,000 · 20 s left" in at.get("progress")[0].proto.text


def test_a_failure_is_told_in_words_and_can_be_tried_again(monkeypatch):
    folder = put(state="failed", message="There is no folder /data/[knees].")
    folder.log_path.write_text("Traceback: the rest", encoding="utf-8")
    at = page(evaluation=folder.name)
    assert any("no folder /data/[knees]" in e.value.replace("\\", "") for e in at.error)
    started = []
    monkeypatch.setattr(launch, "start", started.append)
    button(at, "Start again").click().run()
    assert started == [folder]


def test_one_whose_process_is_gone_says_so():
    folder = put(state="running", message="Making synthetic images")
    folder.write_status(folder.status().model_copy(update={"process_started": 1.0}))
    at = page(evaluation=folder.name)
    assert "Interrupted" in texts(at)
    assert "Start again" in labels(at)


@pytest.mark.parametrize("broken", ["{", "[]", '{"about": {}}', '{"fd": 3, "about": null}'])
def test_figures_that_cannot_be_read_do_not_break_the_page(broken):
    folder = put({"fd": figures()["fd"], "about": about()})
    (folder.path / "evaluation.json").write_text(broken, encoding="utf-8")
    at = page(evaluation=folder.name)
    assert "Traceback" not in texts(at)
    page(view="Compare")


# -- what came out ----------------------------------------------------------------------------------------------------


def test_finished_it_leads_with_figures_beside_their_floors_and_the_verdict():
    at = page(evaluation=put(figures()).name)
    shown = {m.label: (m.value, m.delta) for m in at.metric}
    assert shown["Kernel distance"] == ("0.041", "real against real 0.003")
    assert len(shown) == 4
    assert "No sign of copying" in texts(at)
    assert "826 real ones" in texts(at)
    assert tabs(at) == [
        "Figures",
        "Grades",
        "Joint space",
        "Memorisation",
        "Augmentation utility",
        "Detail and brightness",
    ]
    assert {b.proto.label for b in at.get("download_button")} == {"Report (HTML)", "Figures (JSON)"}
    assert "python -m gan_core evaluate --model knee-64 --data /data/knees/val" in at.code[0].value


def test_visitors_who_may_name_no_folder_do_not_see_where_one_lies(monkeypatch):
    monkeypatch.setenv("KNEE_GAN_FOLDERS", "none")
    at = page(evaluation=put(figures()).name)
    assert "--data knees/val" in at.code[0].value


@pytest.mark.parametrize(
    ("section", "charts", "said"),
    [
        ("Figures", 0, "Is it diverse?"),
        ("Grades", 2, "On the diagonal"),
        ("Joint space", 3, "not a diagnosis"),
        ("Memorisation", 0, "nearest to a training image"),
        ("Augmentation utility", 1, "synthetic images help"),
        ("Detail and brightness", 2, "How bright"),
    ],
)
def test_each_section_shows_its_figures(section, charts, said):
    folder = put(figures())
    at = page(evaluation=folder.name)
    at.session_state[f"section-{folder.name}"] = section
    at.run()
    assert not at.exception
    assert said in texts(at)
    assert len(at.get("plotly_chart")) == charts


def test_pairs_show_both_images_marked_and_names_as_they_are():
    found = figures()
    found["copying"]["worst"][0]["seen_name"] = "<img src=x onerror=alert(1)>"
    folder = put(found)
    at = page(evaluation=folder.name)
    at.session_state[f"section-{folder.name}"] = "Memorisation"
    at.run()
    body = next(h.proto.body for h in at.get("html") if "<figure>" in h.proto.body)
    assert body.count("<img src=") == 20
    assert body.count('class="synthetic"') == body.count('class="real"') == 10
    assert "&lt;img src=x" in body


def test_without_classes_there_is_nothing_of_classes_and_the_reason_is_said():
    found = {name: dict(figures()[name]) for name in ("fd", "kd", "spectrum")}
    for of_one in found.values():
        of_one.pop("per_class", None)
    found |= {
        "grade": {"value": None, "why": "This measure needs knees with KL grades"},
        "copying": {"value": None, "why": "This needs a reference."},
        "about": about(class_names=[], label_name="class"),
    }
    at = page(evaluation=put(found).name)
    assert tabs(at) == ["Figures", "Detail and brightness"]
    tables = " ".join(str(cell) for t in at.table for cell in t.value.to_numpy().ravel()).replace("\\", "")
    assert "This measure needs knees with KL grades" in tables
    assert "This needs a reference." in tables


def test_a_verdict_of_copies_is_a_warning():
    found = figures()
    found["copying"] |= {"clean": False, "verdict": "Copies: 40% of the synthetic images."}
    at = page(evaluation=put(found).name)
    assert any("Copies: 40%" in w.value.replace("\\", "") for w in at.warning)


def test_a_link_to_one_that_is_gone_says_so(trained):
    trained()
    at = page(evaluation="00099-**gone**")
    assert "no evaluation 00099-**gone**" in texts(at)
    assert not at.exception
    assert "evaluation" not in page(view="nonsense").query_params
    assert not at.error


def test_delete_asks_first_and_removes_it():
    folder = put(figures())
    at = page(evaluation=folder.name)
    assert folder.path.exists()
    button(at, "Delete for good").click().run()
    assert not folder.path.exists()
    assert not at.exception
    assert not at.warning
    assert at.selectbox(key="evaluation").value == "New evaluation"


# -- several ----------------------------------------------------------------------------------------------------------


def test_nothing_to_compare_says_what_to_do():
    assert "Evaluate two models" in texts(page(view="Compare"))


def test_only_figures_that_compare_stand_in_one_table():
    better = figures()
    better["kd"]["value"] = 0.01
    first, second = put(figures()), put(better)
    other_eyes = put(figures() | {"about": about(extractor="inception")})
    other_count = put(figures() | {"about": about(fakes=100)})
    put(state="failed", message="No.")
    at = page(view="Compare")
    found = [set(d.value["evaluation"]) for d in at.dataframe]
    assert found[0] == {first.name, second.name}
    assert {frozenset(f) for f in found[1:]} == {frozenset([other_eyes.name]), frozenset([other_count.name])}
    table = at.dataframe[0].value.set_index("evaluation")
    assert table.loc[second.name, "Kernel distance"] == 0.01
    assert table.loc[second.name, "Kernel distance, floor"] == 0.003


def test_one_group_can_be_chosen():
    put(figures())
    put(figures() | {"about": about(extractor="inception")})
    at = page(view="Compare")
    at.selectbox[0].set_value(next(o for o in at.selectbox[0].options if "inception" in o)).run()
    assert len(at.dataframe) == 1


def test_what_is_opened_from_the_table_is_in_the_link():
    folder = put(figures())
    at = page(view="Compare")
    assert at.query_params["view"] == "Compare"
    at.session_state.open_evaluation = folder.name
    at.run()
    assert at.selectbox(key="evaluation").value == folder.name
    assert at.query_params["evaluation"] == folder.name
    assert "view" not in at.query_params


def test_evaluations_of_different_measures_stand_side_by_side():
    put({"kd": figures()["kd"], "about": about()})
    put({"spectrum": figures()["spectrum"], "about": about()})
    (table,) = page(view="Compare").dataframe
    assert table.value["Kernel distance"].notna().sum() == 1


def test_the_command_leaves_out_what_stands_at_its_default():
    from studio.evaluate.folder import command_line as command

    plain = EvaluationRequest(model="a b", data="digits")
    assert command(plain) == "python -m gan_core evaluate --model 'a b' --data digits"
    full = EvaluationRequest(
        model="m", data="d", reference="r", n=100, truncation=0.5, only=("fd", "kd"), extractor="inception"
    )
    assert command(full).endswith("--reference r --extractor inception --n 100 --truncation 0.5 --only fd,kd")


@pytest.mark.slow
@needs_encoder
def test_a_real_evaluation_of_digits_shows_its_figures(trained, tmp_path):
    """From the request to the page, with no hand in it."""
    digits = data.load("digits", 16)
    for i, label in enumerate(digits.labels[:300]):
        save_png(tmp_path / f"few/{digits.class_names[label]}/{i}.png", digits.images[i, 0])
    run = trained("acgan")
    folder = create_evaluation(
        EvaluationRequest(
            model=run.name, data=str(tmp_path / "few"), n=100, only=("fd", "kd", "prdc", "spectrum", "copying", "grade")
        )
    )
    seen = []
    assert folder.run(lambda what, done, of: seen.append(what)) is not None
    assert folder.status().state == "finished"
    assert "Making synthetic images" in seen
    at = page(evaluation=folder.name)
    assert {"Kernel distance", "Coverage"} <= {m.label for m in at.metric}
    assert tabs(at) == ["Figures", "Detail and brightness"]
    html = folder.report_path.read_text(encoding="utf-8")
    assert html.count("data:image/png") == 2
    assert "Not measured" in html


@needs_encoder
def test_a_stop_ends_it_without_figures(trained):
    run = trained()
    folder = create_evaluation(EvaluationRequest(model=run.name, data="digits", only=("spectrum",)))

    def stop(what, done, of):
        folder.request_stop()

    assert folder.run(stop) is None
    assert not folder.stop_path.exists()
    assert folder.status().state == "stopped"
    assert not folder.figures()
