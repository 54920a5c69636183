"""The card that goes to the Hub with a model: front matter, how to use it, a picture, its figures."""

from __future__ import annotations

import re
from typing import Any

from gan_core import networks
from gan_core.grades import KL_GRADE
from gan_core.hub import HubName
from gan_core.model import NOT_FOR_DIAGNOSIS, Model
from studio.evaluate.card import HEADING, report_markdown, with_section
from studio.evaluate.folder import EvaluationFolder, command_line
from studio.evaluate.tables import leads
from studio.models.pull import body

TASK = "unconditional-image-generation"  # the Hub's name for images that no text asks for
SAMPLES = "samples.png"
_USE, _TITLE = "## Use", "# "
_PATH = re.compile(r"(?<![\w:/.~])(?:~|[A-Za-z]:)?(?:[\\/][^\\/\s'\"`|<>()]+){2,}")


def evaluation_of(model: Model) -> EvaluationFolder | None:
    """The newest finished evaluation of this very model."""
    for folder in EvaluationFolder.all():
        about = folder.figures().get("about")
        if isinstance(about, dict) and about.get("digest") == model.digest:
            return folder
    return None


def hub_card(model: Model, own: str, name: HubName, licence: str, datasets: list[str]) -> str:
    """README.md in Markdown: the model's own card, brought into the Hub's form. Paths of this machine are cut short."""
    evaluation = evaluation_of(model)
    figures = evaluation.figures() if evaluation else {}
    command = command_line(evaluation.request(), places=False) if evaluation else ""
    text = _PATH.sub(lambda m: re.split(r"[\\/]", m[0])[-1], body(own))
    text = with_section(text, _USE, _use(model, name))
    if figures:
        text = with_section(text, HEADING, report_markdown(figures, command))
    if NOT_FOR_DIAGNOSIS not in text and "not for diagnosis" not in text:
        text = f"{NOT_FOR_DIAGNOSIS}\n\n{text}"
    if not text.startswith(_TITLE):
        text = f"{_TITLE}{name.repo.partition('/')[2]}\n\n{text}"
    return f"---\n{_front_matter(model, name, licence, datasets, figures)}\n---\n\n{text.strip()}\n"


def _front_matter(model: Model, name: HubName, licence: str, datasets: list[str], figures: dict[str, Any]) -> str:
    from huggingface_hub import EvalResult, ModelCardData

    about = figures.get("about", {})
    found = leads(figures) if figures else []
    metrics = [re.sub(r"[^a-z0-9]+", "-", lead.title.lower()).strip("-") for lead in found]
    results = [
        EvalResult(
            task_type=TASK,
            dataset_type="image-folder",
            dataset_name=str(about["data"]),
            metric_type=metric,
            metric_name=f"{lead.title}, {about['extractor']} features",
            metric_value=lead.value,
        )
        for lead, metric in zip(found, metrics, strict=True)
    ]
    knees = ["knee", "radiography"] if model.config.label_name == KL_GRADE else []
    data = ModelCardData(
        license=licence,
        library_name="pytorch",
        pipeline_tag=TASK,
        tags=["gan", "synthetic", "knee-gan-studio", model.config.net.architecture, *knees],
        datasets=datasets or None,
        metrics=metrics or None,
        model_name=name.repo.partition("/")[2] if results else None,
        eval_results=results or None,
    )
    return data.to_yaml()


def _use(model: Model, name: HubName) -> str:
    net = model.config.net
    classes = ", ".join(model.class_names) if model.class_names else "none"
    ask = f" --class {model.class_names[-1]!r}" if model.class_names else ""
    return "\n".join(
        [
            _USE,
            "",
            f"![{NOT_FOR_DIAGNOSIS}]({SAMPLES})",
            "",
            f"{net.resolution} × {net.resolution} pixels, gray; {networks.count_parameters(model.net):,} parameters; "
            f"{model.config.label_name}: {classes}; trained on {model.config.data or 'unnamed data'}.",
            "",
            "```",
            f"python -m gan_core pull {name.repo}",
            f"python -m gan_core generate --model {name.repo} --seeds 0-63{ask} --out synthetic --grid",
            "```",
        ]
    )
