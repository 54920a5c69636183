"""The metrics of the page Evaluate, in the order in which they are told, and the lines of an evaluation."""

from __future__ import annotations

from collections.abc import Iterator

from gan_core.metrics.registry import METRICS, Figure, Figures, Line, Metric

__all__ = ["METRICS", "Figures", "Line", "between", "lines", "quick"]

GOOD, DIVERSE, NEW, USEFUL = "Is it good?", "Is it diverse?", "Is it new?", "Is it useful?"
_HERE = "studio.evaluate.measures"


def lines(figures: Figures) -> list[Line]:
    """All that an evaluation measured, in the order of `METRICS`."""
    return [line for name, metric in METRICS.items() if name in figures for line in metric.lines(figures[name])]


def quick() -> tuple[str, ...]:
    """Names of the metrics that are measured where none are named."""
    return tuple(name for name, metric in METRICS.items() if not metric.slow)


def between(f: Figures, form: str = ".2f") -> str:
    """An estimate with its interval."""
    return f"{f['value']:{form}} ({f['low']:{form}} to {f['high']:{form}})"


def _copying(f: Figures) -> Iterator[Line]:
    for where, part in ((f["extractor"], f["features"]), ("pixels", f["pixels"])):
        n = part["n_fake"]
        for name, title in (
            ("copied", "Nearer to one training image than likeness explains"),
            ("near", "Very near a training image"),
        ):
            share = part[name]
            yield Line(NEW, f"{title}, {where}", between(share, ".1%"), f"{share['expected']:.1%}", "lower", n)
        ratio, known = between(part["ratio"]), between(part["membership"])
        yield Line(NEW, f"Distance to training images over unseen patients', {where}", ratio, "1.00", "near", n)
        yield Line(NEW, f"Training images told from unseen (AUC), {where}", known, "0.50", "near", n)


def _useful(f: Figures) -> Iterator[Line]:
    for part in f["fractions"]:
        title = f"Balanced accuracy gained by adding synthetic images to {part['n']:,} real ones"
        yield Line(USEFUL, title, between(part["difference"]["balanced_accuracy"], "+z.3f"), "0", "higher", f["n"])


def _manifold(name: str, title: str, question: str, column: str, rank: int) -> Figure:
    return Figure(title, column, f"{name}.value", f"{name}.floor", better="near", question=question, rank=rank)


METRICS |= {
    "fd": Metric(
        f"{_HERE}:frechet",
        GOOD,
        "Fréchet distance",
        "Fréchet distance",
        "An FID-like distance: how far the synthetic images are from the real ones in the mean and the covariance of "
        "the extractor's features. It grows as images get fewer: compare only figures from equally many images.",
        (Figure("Fréchet distance", "Fréchet distance", form=".2f"),),
        in_features=True,
        per_class=True,
    ),
    "kd": Metric(
        f"{_HERE}:kernel",
        GOOD,
        "Kernel distance",
        "Kernel distance",
        "The same question without that bias: 0 is as close as real to real. The figure to trust when images are few.",
        (Figure("Kernel distance", "Kernel distance", rank=1),),
        in_features=True,
        per_class=True,
    ),
    "prdc": Metric(
        f"{_HERE}:manifold",
        GOOD,
        "Precision, recall, density, coverage",
        "Precision and recall",
        "Each image reaches as far as its fifth nearest neighbour of its own kind.",
        (
            _manifold("precision", "Precision: synthetic images that lie among real ones", GOOD, "Precision", 8),
            _manifold("recall", "Recall: real images that lie among synthetic ones", DIVERSE, "Recall", 7),
            _manifold("density", "Density: how deep among real images the synthetic ones lie", GOOD, "", 9),
            _manifold("coverage", "Coverage: real images with a synthetic one nearby", DIVERSE, "Coverage", 2),
        ),
        in_features=True,
        per_class=True,
    ),
    "variety": Metric(
        f"{_HERE}:likeness",
        DIVERSE,
        "Likeness within a class (MS-SSIM)",
        "Likeness",
        "How alike two images of one class are; 1 means identical. Above the floor, the synthetic images vary less.",
        (Figure("Likeness within a class (MS-SSIM)", "Likeness (MS-SSIM)", better="near"),),
    ),
    "spectrum": Metric(
        f"{_HERE}:spectrum",
        GOOD,
        "Gap between the power spectra",
        "Detail and brightness",
        "How much the detail at each scale, from coarse to fine, differs from that of real images.",
        (Figure("Gap between the power spectra", "Spectral gap, dB", form=".2f", unit="dB"),),
    ),
    "copying": Metric(
        f"{_HERE}:copies",
        NEW,
        "Copies of training images",
        "Memorisation",
        "A copy lies much nearer to one training image than to any other. The second column is what synthetic images "
        "that copy nothing would give.",
        (Figure("Copies of training images", "Copies", form=".1%", rank=3),),
        floor="expected",
        needs=("training images",),
        in_features=True,
        tell=_copying,
    ),
    "grade": Metric(
        f"{_HERE}:grades",
        GOOD,
        "Agreement of the grade asked for with the grade read (kappa)",
        "Grades",
        "The grade asked for, against the grade that the knee encoder reads. The second column is its reading of real "
        "images against the readers' grades.",
        (
            Figure(
                "Agreement of the grade asked for with the grade read (kappa)",
                "Grade agreement (kappa)",
                "fake.kappa",
                "real.kappa",
                better="near",
                rank=4,
            ),
            Figure("The same, share of equal grades", "", "fake.accuracy", "real.accuracy", better="near"),
            Figure("The same, mean difference in grades", "", "fake.mae", "real.mae", better="near"),
        ),
        needs=("knees",),
        in_features=True,
    ),
    "jsw": Metric(
        f"{_HERE}:joint_spaces",
        GOOD,
        "Joint space",
        "Joint space",
        "The width of the joint space, measured on the images in pixels. It narrows as the grade rises.",
        (
            *(
                Figure(
                    f"Joint space, {part}: difference from real images of the same grade",
                    column,
                    f"{part}.value",
                    f"{part}.floor",
                    ".2f",
                    "px",
                    rank=10,
                )
                for part, column in (("narrower", "Joint space, px"), ("medial", ""), ("lateral", ""))
            ),
            Figure("Images without a joint line", "", "not_found.fake", "not_found.other", ".1%", better="near"),
        ),
        needs=("knees",),
    ),
    "makeup": Metric(
        f"{_HERE}:sides_and_exposures",
        DIVERSE,
        "Left knees, inverted films, exposures",
        "Sides and exposures",
        "How many are left knees and inverted films, and whether bright and dark images are as frequent as among "
        "real ones.",
        (
            Figure("Share of left knees", "", "left.fake", "left.other", ".1%", better="near"),
            Figure("Share of inverted films", "", "inverted.fake", "inverted.other", ".1%", better="near"),
            Figure(
                "Exposures: difference of the brightness of images (Kolmogorov-Smirnov)",
                "Exposures (Kolmogorov-Smirnov)",
            ),
        ),
        needs=("knees",),
    ),
    "detect": Metric(
        f"{_HERE}:told_from_real",
        GOOD,
        "Synthetic told from real by a fresh classifier (AUC)",
        "Two-sample classifier test",
        "A small network learns to tell synthetic from real; on images it has not seen, 0.5 is guessing and 1 is "
        "never wrong.",
        (Figure("Two-sample classifier test (AUC)", "Two-sample classifier test (AUC)", rank=5),),
    ),
    "useful": Metric(
        f"{_HERE}:usefulness",
        USEFUL,
        "What synthetic images add to a grade classifier",
        "Augmentation utility",
        "A classifier learns grades from real images, from synthetic ones and from both, and is tested on real "
        "images of other patients.",
        (
            Figure(
                "What synthetic images add to a grade classifier",
                "Gain from synthetic images (accuracy)",
                form="+z.3f",
                better="higher",
                rank=6,
            ),
        ),
        floor="expected",
        needs=("classes", "training images"),
        slow="Augmentation utility trains many classifiers and takes about ten minutes.",
        tell=_useful,
    ),
}
