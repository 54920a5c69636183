"""What whoever hosts the app allows its visitors, by environment variables. The command line is not bound by them.

`KNEE_GAN_FOLDERS`: only folders below this one may be named on a page, with "none" not any; unset, all may.
`KNEE_GAN_TRAIN_MINUTES`: a training that is started on a page ends after so many minutes; 0 turns training off.
`KNEE_GAN_KEEP_DAYS`: what visitors bring and begin is kept for so many days after its last use.
`KNEE_GAN_HUB`: repositories of the Hub that visitors may read with the host's token, as owner/name or owner/*.
`KNEE_GAN_MODEL`: the model that pages open with: one of this computer by its name, or one of the Hub's as owner/name or
owner/name@revision, which the server then fetches as it starts.
"""

from __future__ import annotations

import os
from pathlib import Path

from gan_core.errors import UserError
from gan_core.job import runs_root
from studio.data.options import KNEES, split_options
from studio.data.sources import absolute_source
from studio.uploads import UPLOADS

FOLDERS_ENV = "KNEE_GAN_FOLDERS"
MINUTES_ENV = "KNEE_GAN_TRAIN_MINUTES"
KEEP_ENV = "KNEE_GAN_KEEP_DAYS"
HUB_ENV = "KNEE_GAN_HUB"
MODEL_ENV = "KNEE_GAN_MODEL"
BOUND_ENV = "KNEE_GAN_FOR_A_VISITOR"  # of a job's process
KEEP_DAYS = 7.0  # where the host says nothing
NONE = "none"
TABLES = "crops"  # beside the runs: the boxes that people have put right, of films in folders and of the Hub
OFF = "Training is turned off on this server. Run the studio on your own computer to train."


def hosted() -> bool:
    """Whether others than the computer's owner come here, and nobody may see what another has brought."""
    return bool(os.environ.get(FOLDERS_ENV))


def folders_offered() -> bool:
    """Whether a visitor may name any folder of this computer."""
    return os.environ.get(FOLDERS_ENV, "") != NONE


def visitor_source(text: str) -> str:
    """A data source as a visitor names it, a path in it made absolute. "" stays.

    Raises:
        UserError: where it is a path, or a download, that this server does not allow.
    """
    source = absolute_source(text.strip())
    root = os.environ.get(FOLDERS_ENV, "")
    if not root or not source:
        return source
    if source.partition(":")[0].lower() == "hf":
        if root == NONE:
            raise UserError(
                "This server does not download data sets. Upload your images, or choose one of the examples."
            )
        return source
    check_labels(source)
    base = split_options(source)[0]
    path = Path(base)
    if not path.is_absolute():
        # A name, or a path that leads nowhere: what is no path says so itself, with no look at the disk.
        if len(path.parts) > 1 or path.suffix or base.startswith(("~", ".")):
            raise _refused(root)
        return source
    place, shown, runs = path.resolve(), Path(root).resolve(), runs_root().resolve()
    others = place.is_relative_to(runs) and runs.is_relative_to(shown)  # what visitors have brought is theirs
    if root == NONE or not place.is_relative_to(shown) or others:
        raise _refused(root)
    return source


def check_labels(source: str) -> None:
    """Raises `UserError` where a source's labels or crops stand in a table that this server does not show to visitors.

    The app's own tables of crops lie beside what was uploaded, and those of other films in `TABLES`.
    """
    root, options = os.environ.get(FOLDERS_ENV, ""), split_options(source)[1]
    shown = [] if root == NONE else [Path(root)]
    own = [runs_root() / UPLOADS, runs_root() / TABLES]
    for table, usual, places in ((options.labels, NONE, shown), (options.crop, KNEES, [*shown, *own])):
        inside = any(Path(table).resolve().is_relative_to(place.resolve()) for place in places)
        if root and table not in ("", usual) and not inside:
            raise _refused(root)


def _refused(root: str) -> UserError:
    if root == NONE:
        return UserError("Visitors cannot use folders on this server. Upload your images instead.")
    return UserError(f"Visitors can only use folders below {root}. Choose one there, or upload your images.")


def train_minutes() -> float | None:
    """How long a training that is started on a page may take; None without a limit.

    Raises:
        UserError: where the host has set what is no number of minutes.
    """
    text = os.environ.get(MINUTES_ENV, "")
    if not text:
        return None
    try:
        minutes = float(text)
    except ValueError:
        minutes = -1.0
    if not 0 <= minutes < 1e6:
        raise UserError(f"{MINUTES_ENV} is {text!r}; set it to a number of minutes, 0 to turn training off.")
    return minutes


def check_training() -> float | None:
    """`train_minutes`. Raises `UserError` where training is turned off as well."""
    minutes = train_minutes()
    if minutes == 0:
        raise UserError(OFF)
    return minutes


def keep_days() -> float:
    """For how many days after its last use what visitors bring and begin is kept.

    Raises:
        UserError: where the host has set what is no number of days: nothing is deleted on a guess.
    """
    text = os.environ.get(KEEP_ENV, "")
    try:
        days = float(text) if text else KEEP_DAYS
    except ValueError:
        days = -1.0
    if not 0 < days < 1e6:
        raise UserError(f"{KEEP_ENV} is {text!r}; set it to a number of days.")
    return days


def kept_for() -> str:
    """The same in words: "7 days", "1 day", "12 hours"."""
    days = keep_days()
    count, unit = (days, "day") if days >= 1 else (24 * days, "hour")
    return f"{count:g} {unit}{'' if count == 1 else 's'}"


def bound() -> dict[str, str]:
    """What a job's process finds in its environment where a page has started it: it is a visitor's, no command."""
    return {BOUND_ENV: "1"} if hosted() else {}


def lends_token(repo: str) -> bool:
    """Whether a repository of the Hub is read with the token of this computer: on a host one that the host names."""
    if not hosted():
        return True
    named = [first_model().partition("@")[0], *os.environ.get(HUB_ENV, "").replace(",", " ").split()]
    owner, slash, _ = repo.lower().partition("/")
    return bool(slash) and {repo.lower(), f"{owner}/*"} & {name.lower() for name in named} != set()


def first_model() -> str:
    """The model that pages open with, as the host names it; "" where it names none."""
    return os.environ.get(MODEL_ENV, "").strip()
