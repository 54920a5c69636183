"""Each recipe's loss as a formula, and a sentence for each of its terms."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Recipe:
    title: str
    paper: str
    plain: str
    critic: str  # LaTeX: what D lowers
    generator: str  # LaTeX: what G lowers
    terms: tuple[tuple[str, str], ...]  # LaTeX, what it does


RECIPES: dict[str, Recipe] = {
    "dcgan": Recipe(
        "DCGAN",
        "Goodfellow et al. 2014; Radford et al. 2015",
        "The critic is a judge: real or fake? The generator wants to be called real.",
        r"\begin{aligned} L_D = &-\mathbb{E}\,[\log \sigma(D(x))] \\"
        r" &- \mathbb{E}\,[\log(1 - \sigma(D(G(z))))] \end{aligned}",
        r"L_G = -\mathbb{E}\,[\log \sigma(D(G(z)))]",
        (
            (r"-\log \sigma(D(x))", "is large while the judge doubts a real image: it learns to call reals real."),
            (r"-\log(1 - \sigma(D(G(z))))", "is large while the judge believes a fake: it learns to call fakes fake."),
            (
                r"-\log \sigma(D(G(z)))",
                "is steepest where a fake is seen through, so that even a bad generator learns. The first form, "
                r"$\log(1 - \sigma(D(G(z))))$, is flat just there: it saturates.",
            ),
        ),
    ),
    "wgan": Recipe(
        "WGAN",
        "Arjovsky et al. 2017",
        "The critic gives marks instead of verdicts; the gap between the marks is a distance between the two crowds.",
        r"L_D = \mathbb{E}\,[D(G(z))] - \mathbb{E}\,[D(x)], \quad |w| \le c",
        r"L_G = -\mathbb{E}\,[D(G(z))]",
        (
            (
                r"\mathbb{E}\,[D(G(z))] - \mathbb{E}\,[D(x)]",
                "reals shall get high marks and fakes low ones. Turned round, the gap estimates the Wasserstein "
                "distance: how far the fakes would have to be carried.",
            ),
            (
                r"|w| \le c",
                "each weight of the critic is cut to a small range after every step. Without a limit the gap could "
                "grow for ever; with this one the critic stays blunt and learns slowly.",
            ),
            (r"-\mathbb{E}\,[D(G(z))]", "the generator climbs the marks. There is always a slope, near or far."),
        ),
    ),
    "wgan-gp": Recipe(
        "WGAN-GP",
        "Gulrajani et al. 2017",
        "WGAN, with a gentler limit: the critic's slope shall be 1.",
        r"\begin{aligned} L_D = \mathbb{E}\,[D(G(z))] &- \mathbb{E}\,[D(x)] \\"
        r" &+ \lambda\,\mathbb{E}\,[(\|\nabla D(\hat x)\| - 1)^2] \end{aligned}",
        r"L_G = -\mathbb{E}\,[D(G(z))]",
        (
            (r"\mathbb{E}\,[D(G(z))] - \mathbb{E}\,[D(x)]", "the gap between the marks, as in WGAN."),
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
    ),
    "acgan": Recipe(
        "AC-GAN",
        "Odena et al. 2017",
        "DCGAN whose critic also names the class, so that one can ask for a class: a knee of grade 3.",
        r"L_D = L_D^{\text{DCGAN}} - w\,\mathbb{E}\,[\log p_D(c \mid x)]",
        r"L_G = L_G^{\text{DCGAN}} - w\,\mathbb{E}\,[\log p_D(c \mid G(z, c))]",
        (
            (r"L^{\text{DCGAN}}", "real or fake, as above."),
            (
                r"-\log p_D(c \mid x)",
                "the critic learns to read the class of real images. It does not learn it from fakes here: on small "
                "data that teaches it the generator's mistakes.",
            ),
            (
                r"-\log p_D(c \mid G(z, c))",
                "the generator is paid for images whose class is read as the one asked for. It may overdo that: clear "
                "examples of each class, and fewer doubtful ones.",
            ),
            (r"w", "how much the class counts."),
        ),
    ),
    "knee-64": Recipe(
        "knee-64: relativistic, R1 + R2",
        "Jolicoeur-Martineau 2018; Mescheder et al. 2018; Huang et al. 2024 (R3GAN)",
        "The critic compares a real with a fake beside it, and is kept flat where either of them are.",
        r"\begin{aligned} L_D = \mathbb{E}\,[\log(1 + e^{D(G(z)) - D(x)})] \\"
        r" + \tfrac{\gamma}{2}\,\mathbb{E}\,\|\nabla D(x)\|^2 \\"
        r" + \tfrac{\gamma}{2}\,\mathbb{E}\,\|\nabla D(G(z))\|^2 \end{aligned}",
        r"L_G = \mathbb{E}\,[\log(1 + e^{D(x) - D(G(z))})]",
        (
            (
                r"\log(1 + e^{D(G(z)) - D(x)})",
                "is large while a fake beats the real beside it. There is no mark to be reached, only a partner to be "
                "beaten, and so fakes cannot all hide on one clump: reals elsewhere keep winning.",
            ),
            (
                r"\tfrac{\gamma}{2}\|\nabla D(x)\|^2",
                "R1 costs where the critic is steep at real images. Once the fakes are there too it has nothing left "
                "to say, and the game comes to rest.",
            ),
            (
                r"\tfrac{\gamma}{2}\|\nabla D(G(z))\|^2",
                "R2, the same at fakes: no cliff to chase a fake back and forth.",
            ),
            (r"\gamma", "how much flatness counts. Too little and it swings; too much and the images stay soft."),
        ),
    ),
    "knee-128": Recipe(
        "knee-128: two critics, and grades",
        "as knee-64; Odena et al. 2017; Ishida et al. 2020; Sauer et al. 2021; Kumari et al. 2022",
        "knee-64 grown up: the critic also names the grade, and a second one looks through a network that learnt to "
        "see on photographs.",
        r"\begin{aligned} L_D &= L_D^{\text{knee-64}} + w\,|H - b| \\"
        r" H &= -\mathbb{E}\,[\log p_D(c \mid x)] \end{aligned}",
        r"\begin{aligned} L_G = L_G^{\text{knee-64}} &- w\,\mathbb{E}\,[\log p_D(c \mid G(z, c))] \\"
        r" &- v\,\mathbb{E}\,[F(\phi(G(z)))] \end{aligned}",
        (
            (r"L^{\text{knee-64}}", "which of the two is real, and flatness around both, as above."),
            (
                r"|H - b|",
                "the critic learns to read grades, but gains nothing by being surer than a reader of unseen films can "
                "be: it would only learn its films by heart, and the generator would follow it into caricature.",
            ),
            (
                r"\phi",
                "a network that has learnt from photographs what edges, textures and shapes are. It stays as it is: it "
                "cannot learn a film by heart.",
            ),
            (
                r"F(\phi(G(z)))",
                "the marks of a small critic that sees nothing but that. It finds other faults than the one that looks "
                "at pixels. What it lowers itself is a hinge: reals above 1, fakes below -1, no more.",
            ),
            (r"w, v", "how much the grade and the second critic count."),
        ),
    ),
}

# name of studio.learn.toy.seen -> title, what it is for
SEEN = {
    "brightness": ("Brightness", "lighter or darker by up to a quarter of the range, as films differ in exposure."),
    "contrast": ("Contrast", "harder or softer by up to half, as films differ in development."),
    "translation": ("Translation", "moved by up to an eighth of the side; black comes in."),
    "cutout": ("Cutout", "a square of half the side is hidden, so that no single spot gives a fake away."),
    "all four": ("All four", "what the critic really sees with **+augment**: never the same film twice."),
    "noise": ("Noise", "grain over everything, at its strongest at the start; with **+noise** it fades to nothing."),
}
