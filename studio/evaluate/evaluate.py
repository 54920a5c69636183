"""Is it good, diverse, new and useful? Each measure of a comparison as plain figures, ready for JSON.

Every figure comes with that of real against other real patients, the floor that a perfect model would reach. What
cannot be measured is {"value": None, "why": a sentence}, never a silent number.
"""

from __future__ import annotations

import time
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gan_core.data import short_source
from gan_core.errors import UserError
from gan_core.metrics.registry import Figures, Metric, or_why
from gan_core.metrics.sample import Sample
from gan_core.model import find_generator, load_model
from studio.evaluate.comparison import Comparison, Progress, compare
from studio.evaluate.extractors import open_extractor
from studio.evaluate.folder import EvaluationRequest
from studio.evaluate.measures import MIN_PER_CLASS
from studio.evaluate.metrics import METRICS, quick

SHOWN = 32  # fakes and reals in the report's pictures


@dataclass(frozen=True)
class Evaluation:
    """The figures of each measure by its name, what they are of, and pictures for a report."""

    about: Figures
    results: dict[str, Figures]
    fakes: NDArray[np.uint8]  # [<= SHOWN, 1, R, R]
    reals: NDArray[np.uint8]
    worst: NDArray[np.uint8]  # [2 * pairs, 1, R, R]: a fake, then its nearest training image

    def as_json(self) -> Figures:
        return {**self.results, "about": self.about}


def evaluate(request: EvaluationRequest, progress: Progress = lambda what, done, of: None) -> Evaluation:
    """Measures what is asked for. `progress` is called with what is being done, how much of it and of how much; what it
    raises ends the evaluation.

    Raises:
        UserError: where the model, the data or the names of measures are wrong; a single measure that does not apply
            gives its reason in place of a figure.
    """
    if unknown := [name for name in request.only if name not in METRICS]:
        raise UserError(f"There is no measure {unknown[0]!r}. Available: {', '.join(METRICS)}.")
    start = time.monotonic()
    model = load_model(find_generator(request.model))
    extractor = open_extractor(request.extractor)
    c = compare(model, extractor, request, progress)
    results = {}
    for name in request.only or quick():
        metric = METRICS[name]
        progress(metric.title, 0, 0)
        results[name] = _measured(metric, c, progress)
        if metric.in_features:
            results[name]["extractor"] = extractor.name
    pairs = results.get("copying", {}).get("worst", [])
    about = {
        "model": short_source(request.model),
        "digest": model.digest,
        "images_seen": model.config.images_seen,
        "resolution": model.config.net.resolution,
        "data": c.real.name,
        "reference": c.other.name,
        "extractor": extractor.name,
        "extractor_digest": extractor.digest,
        "truncation": request.truncation,
        "fakes": len(c.fake),
        "reals": len(c.real),
        "others": len(c.other),
        "skipped": c.skipped,
        "class_names": list(c.fake.class_names),
        "label_name": c.fake.label_name,
        "seconds": round(time.monotonic() - start, 1),
    }
    return Evaluation(about, results, c.fake.images[:SHOWN], _some_of(c.real, SHOWN), _pictures(c, pairs))


def _some_of(sample: Sample, n: int) -> NDArray[np.uint8]:
    return sample.images[np.random.default_rng(1).permutation(len(sample))[:n]]


def _pictures(c: Comparison, pairs: list[Figures]) -> NDArray[np.uint8]:
    both = [image for p in pairs if c.seen for image in (c.fake.images[p["fake"]], c.seen.images[p["seen"]])]
    return np.stack(both) if both else np.empty((0, *c.fake.images.shape[1:]), np.uint8)


def _measured(metric: Metric, c: Comparison, progress: Progress) -> Figures:
    """Over all, and of each class where the metric is for that."""
    out = or_why(lambda: metric(c, progress))
    if metric.per_class and c.fake.class_names and not out.get("why"):
        out["per_class"] = {name: _of_class(metric, c, i, progress) for i, name in enumerate(c.fake.class_names)}
    return out


def _of_class(metric: Metric, c: Comparison, index: int, progress: Progress) -> Figures:
    part = c.of_class(index)
    fewest = min(len(part.fake), len(part.real), len(part.other))
    if fewest < MIN_PER_CLASS:
        return {"value": None, "why": f"Only {fewest} images of this class on one side; {MIN_PER_CLASS} are needed."}
    return or_why(lambda: metric(part, progress))
