"""What readers in published studies could tell, to stand beside one's own figures."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Published:
    """A published figure: the share judged correctly, from the least to the greatest where it is a range."""

    who: str
    what: str
    low: float | None  # None where the study gives the direction alone
    high: float | None
    source: str
    link: str


def _pmc(number: str) -> str:
    return f"https://pmc.ncbi.nlm.nih.gov/articles/{number}/"


PUBLISHED = (
    Published(
        "Experts, StyleGAN3 and DCGAN knees",
        "Experts told real from synthetic knee radiographs 36% to 88% of the time; the networks had been trained on "
        "10,042 radiographs.",
        0.36,
        0.88,
        "BMC Medical Imaging 2026, PMC13067489",
        _pmc("PMC13067489"),
    ),
    Published(
        "Cardiologists, heart scans, no clues",
        "Cardiologists judged 61.1% of myocardial perfusion images correctly: a different kind of image.",
        0.611,
        0.611,
        "Cureus 2022, PMC9683859",
        _pmc("PMC9683859"),
    ),
    Published(
        "Cardiologists, heart scans, with clues",
        "The same readers in a second round, after they had been shown clues: 80.0%.",
        0.8,
        0.8,
        "Cureus 2022, PMC9683859",
        _pmc("PMC9683859"),
    ),
    Published(
        "15 experts, 30 real and 30 synthetic knees",
        "More of the synthetic knee radiographs were taken for real than real ones for synthetic; the network had "
        "been trained on 5,556 radiographs.",
        None,
        None,
        "Scientific Reports 2022, PMC9633706",
        _pmc("PMC9633706"),
    ),
)
