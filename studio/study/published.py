"""What readers in published studies could tell, to stand beside one's own figures."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Published:
    """A published figure: the share told rightly, from the least to the greatest where it is a range."""

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
        "Experts told real from synthetic knee radiographs 36% to 88% of the time; the networks had learnt from "
        "10,042 of them.",
        0.36,
        0.88,
        "BMC Medical Imaging 2026, PMC13067489",
        _pmc("PMC13067489"),
    ),
    Published(
        "Cardiologists, heart scans, no clues",
        "Cardiologists were right of 61.1% of images of the heart muscle's perfusion: another kind of image.",
        0.611,
        0.611,
        "Cureus 2022, PMC9683859",
        _pmc("PMC9683859"),
    ),
    Published(
        "Cardiologists, heart scans, with clues",
        "The same, in a second round once they had been given clues: 80.0%.",
        0.8,
        0.8,
        "Cureus 2022, PMC9683859",
        _pmc("PMC9683859"),
    ),
    Published(
        "15 experts, 30 real and 30 synthetic knees",
        "More of the synthetic knee radiographs were taken for real than of the real ones for synthetic; the network "
        "had learnt from 5,556.",
        None,
        None,
        "Scientific Reports 2022, PMC9633706",
        _pmc("PMC9633706"),
    ),
)
