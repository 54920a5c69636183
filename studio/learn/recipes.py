"""What each recipe's networks lower, as formulas: its loss as `gan_core.losses` tells it, and what the recipe adds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from gan_core.losses import LOSSES

Terms = tuple[tuple[str, str], ...]  # LaTeX, what it does


@dataclass(frozen=True)
class Recipe:
    title: str
    paper: str
    plain: str
    loss: str  # of LOSSES
    discriminator: str  # LaTeX: what D lowers
    generator: str  # LaTeX: what G lowers
    terms: Terms
    watch: str = ""  # what to look for in its game

    @property
    def d_name(self) -> str:
        return LOSSES[self.loss].d_name


def _equation(left: str, lines: Sequence[str]) -> str:
    """A line each, so that it fits a telephone."""
    if len(lines) == 1:
        return f"{left} = {lines[0]}"
    return rf"\begin{{aligned}} {left} = {{}}&" + r" \\ &".join(lines) + r" \end{aligned}"


def _with_loss(
    title: str, paper: str, loss: str, more: Sequence[str] = (), terms: Terms = (), plain: str = "", watch: str = ""
) -> Recipe:
    """The loss of this name, with `more` lines of what D lowers. Its own sentence, unless there is a `plain` one."""
    own = LOSSES[loss]
    return Recipe(
        title,
        paper,
        plain or own.sentence,
        loss,
        _equation("L_D", (*own.d_formula, *more)),
        _equation("L_G", (own.g_formula,)),
        (*own.terms, *terms),
        watch,
    )


def recipes() -> dict[str, Recipe]:
    """The recipes, then whichever losses none of them has."""
    shown = {recipe.loss for recipe in RECIPES.values()}
    return RECIPES | {name: _with_loss(name, "", name) for name in LOSSES if name not in shown}


RECIPES: dict[str, Recipe] = {
    "dcgan": _with_loss(
        "DCGAN",
        "Goodfellow et al. 2014; Radford et al. 2015",
        "non-saturating",
        watch="The discriminator says true or false. Watch fakes crowd onto some clumps, leave, and forget others.",
    ),
    "wgan": _with_loss(
        "WGAN",
        "Arjovsky et al. 2017",
        "wasserstein",
        (r"\text{while } |w| \le c",),
        (
            (
                r"|w| \le c",
                "each weight of the critic is cut to a small range after every step. Without a limit the gap could "
                "grow for ever; with this one the critic stays blunt and learns slowly.",
            ),
        ),
        watch="The critic measures a distance; clipping keeps it blunt. Slow, and blurred between clumps.",
    ),
    "wgan-gp": _with_loss(
        "WGAN-GP",
        "Gulrajani et al. 2017",
        "wasserstein",
        (r"+ \lambda\,\mathbb{E}\,[(\|\nabla D(\hat x)\| - 1)^2]",),
        (
            (
                r"\hat x = t\,x + (1 - t)\,G(z)",
                "a point somewhere on the way from a fake to a real, where the generator has to travel.",
            ),
            (
                r"(\|\nabla D(\hat x)\| - 1)^2",
                "costs wherever the slope is not 1 there: no cliffs, no plains. Each image counts for itself, and so "
                "the critic must not normalise over a batch.",
            ),
            (r"\lambda", "how much that counts: 10 for images."),
        ),
        "WGAN, with a gentler limit: the critic's slope should be 1.",
        "The critic's slope is held near 1 everywhere: every fake is pulled, wherever it is.",
    ),
    "acgan": Recipe(
        "AC-GAN",
        "Odena et al. 2017",
        "DCGAN whose discriminator also names the class, so that one can ask for a class: a knee of grade 3.",
        "non-saturating",
        r"L_D = L_D^{\text{DCGAN}} - w\,\mathbb{E}\,[\log p_D(c \mid x)]",
        r"L_G = L_G^{\text{DCGAN}} - w\,\mathbb{E}\,[\log p_D(c \mid G(z, c))]",
        (
            (r"L^{\text{DCGAN}}", "real or fake, as above."),
            (
                r"-\log p_D(c \mid x)",
                "the discriminator learns to read the class of real images. It does not learn it from fakes here: on "
                "small data that teaches it the generator's mistakes.",
            ),
            (
                r"-\log p_D(c \mid G(z, c))",
                "the generator is paid for images whose class is read as the one asked for. It may overdo that: clear "
                "examples of each class, and fewer doubtful ones.",
            ),
            (r"w", "how much the class counts."),
        ),
    ),
    "knee-64": _with_loss(
        "knee-64: relativistic, R1 + R2",
        "Jolicoeur-Martineau 2018; Mescheder et al. 2018; Huang et al. 2024 (R3GAN)",
        "relativistic",
        (
            r"+ \tfrac{\gamma}{2}\,\mathbb{E}\,\|\nabla D(x)\|^2",
            r"+ \tfrac{\gamma}{2}\,\mathbb{E}\,\|\nabla D(G(z))\|^2",
        ),
        (
            (
                r"\tfrac{\gamma}{2}\|\nabla D(x)\|^2",
                "R1 costs where the discriminator is steep at real images. Once the fakes are there too it has nothing "
                "left to say, and the game comes to rest.",
            ),
            (
                r"\tfrac{\gamma}{2}\|\nabla D(G(z))\|^2",
                "R2, the same at fakes: no cliff to chase a fake back and forth.",
            ),
            (r"\gamma", "how much flatness counts. Too little and it swings; too much and the images stay soft."),
        ),
        "The discriminator compares a real point with a fake beside it, and is kept flat around both.",
        "Each real point must beat a fake, and the discriminator must be flat around both: it settles.",
    ),
    "knee-128": Recipe(
        "knee-128: two discriminators, and grades",
        "as knee-64; Odena et al. 2017; Ishida et al. 2020; Sauer et al. 2021; Kumari et al. 2022",
        "knee-64 grown up: the discriminator also names the grade, and a second one looks through a network trained "
        "on photographs.",
        "relativistic",
        r"\begin{aligned} L_D &= L_D^{\text{knee-64}} + w\,|H - b| \\"
        r" H &= -\mathbb{E}\,[\log p_D(c \mid x)] \end{aligned}",
        r"\begin{aligned} L_G = L_G^{\text{knee-64}} &- w\,\mathbb{E}\,[\log p_D(c \mid G(z, c))] \\"
        r" &- v\,\mathbb{E}\,[F(\phi(G(z)))] \end{aligned}",
        (
            (r"L^{\text{knee-64}}", "which of the two is real, and flatness around both, as above."),
            (
                r"|H - b|",
                "the discriminator learns to read grades, but gains nothing by being surer than a reader of unseen "
                "films can be: it would only memorise its films, and the generator would follow it into caricature.",
            ),
            (
                r"\phi",
                "a network that has learnt from photographs what edges, textures and shapes are. It stays as it is: "
                "it cannot memorise a film.",
            ),
            (
                r"F(\phi(G(z)))",
                "the scores of a small discriminator that sees nothing else. It finds different faults from the one "
                "that looks at pixels. What it lowers itself is a hinge: real images above 1, fakes below -1, no "
                "further.",
            ),
            (r"w, v", "how much the grade and the second discriminator count."),
        ),
    ),
}

# name of studio.learn.toy.seen -> title, what it is for
SEEN = {
    "brightness": ("Brightness", "lighter or darker by up to a quarter of the range, as films differ in exposure."),
    "contrast": ("Contrast", "harder or softer by up to half, as films differ in development."),
    "translation": ("Translation", "moved by up to an eighth of the side; black comes in."),
    "cutout": ("Cutout", "a square of half the side is hidden, so that no single spot gives a fake away."),
    "all four": ("All four", "what the discriminator really sees with **+augment**: never the same image twice."),
    "noise": ("Noise", "grain over everything, at its strongest at the start; with **+noise** it fades to nothing."),
}
