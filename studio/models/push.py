"""Sending a model to the Hub: first what would go, then that and nothing else."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from gan_core import images
from gan_core.errors import UserError
from gan_core.files import read_own
from gan_core.generate import generate
from gan_core.hub import HubName, api, explained, has_token, hub_name
from gan_core.model import CARD, CONFIG, TENSORS, Model, digest, find_generator, load_model
from studio.models.card import SAMPLES, evaluation_of, hub_card
from studio.models.check import CRITIC, TAKEN
from studio.models.store import stored

LICENCES = ("mit", "apache-2.0", "cc0-1.0", "cc-by-4.0", "cc-by-sa-4.0", "cc-by-nc-4.0", "cc-by-nc-sa-4.0")
_PICTURE = 1200  # pixels that the picture of samples is wide at most


@dataclass(frozen=True)
class Plan:
    """All that a push would send, and under which name."""

    name: HubName
    public: bool
    files: dict[str, bytes] = field(repr=False)
    cautions: tuple[str, ...]

    @property
    def card(self) -> str:
        return self.files[CARD].decode()


def plan_push(
    model: str,
    repo: str,
    licence: str,
    *,
    public: bool = False,
    datasets: tuple[str, ...] = (),
    critic: bool = False,
    mine: bool = False,
) -> Plan:
    """What `push` would send of a model: its folder with a card for the Hub and a picture of samples. Asks nobody.

    `licence` is an id of the Hub's, such as "mit"; `datasets` are names on the Hub; `critic` adds the discriminator;
    `mine` says that an uploaded model is the person's own.

    Raises `UserError` where the model has not learnt, is somebody else's, or a name is none.
    """
    name = hub_name(repo)
    if name.revision:
        raise UserError(f"A model is pushed to a repository, not to a revision: write {name.repo}.")
    if not re.fullmatch(r"[a-z0-9][a-z0-9.+-]{1,60}", licence):
        raise UserError(f"State the licence you give, by its id on the Hub, such as {', '.join(LICENCES[:4])}.")
    loaded = load_model(find_generator(model))
    config = loaded.config
    for s in stored():
        if s.folder == loaded.path and s.origin.source == "hub":
            raise UserError(f"{s.origin.repo} is on the Hub already, shared by its maker: share its address instead.")
        if s.folder == loaded.path and not mine:
            raise UserError(f"{s.name} was uploaded: say that it is yours to publish (--mine).")
    if not config.images_seen:
        raise UserError("This generator has not seen an image yet: it would make noise. Train it first.")
    files = {part: (loaded.path / part).read_bytes() for part in (CONFIG, TENSORS)}
    files |= _critic(loaded) if critic else {}
    if digest(loaded.path) != loaded.digest:
        raise UserError("This model is being written by its training just now: try again in a moment.")
    try:
        own = read_own(loaded.path / CARD, loaded.path).decode("utf-8", "replace")
    except OSError:
        own = ""
    files[CARD] = hub_card(loaded, own, name, licence, list(datasets) or _hub_data(loaded.path)).encode()
    files[SAMPLES] = _samples(loaded)
    return Plan(name, public, dict(sorted(files.items())), tuple(_cautions(loaded, public, critic)))


def push(plan: Plan) -> str:
    """Sends it, in one commit. Returns the model's address.

    Raises `UserError` where there is no token, it does not suffice, or what is there would be overwritten.
    """
    from huggingface_hub import CommitOperationAdd, errors

    if not has_token():
        raise UserError("A token with the right to write is needed: set HF_TOKEN, or run hf auth login.")
    client, repo = api(plan.name.repo), plan.name.repo
    with explained(repo):
        client.create_repo(repo, private=not plan.public, exist_ok=True)
        there = client.model_info(repo, timeout=30)
    others = {s.rfilename for s in there.siblings or ()} - {*TAKEN, SAMPLES, ".gitattributes"}
    if others:
        raise UserError(
            f"{repo} exists and holds {min(others)}, so it is not a model of this program. Choose another name."
        )
    if not plan.public and there.private is False:
        raise UserError(f"{repo} exists and everybody can see it. Choose another name, or push it as public.")
    operations = [CommitOperationAdd(path_in_repo=part, path_or_fileobj=data) for part, data in plan.files.items()]
    with explained(repo):
        try:
            client.create_commit(repo, operations, commit_message="A generator and its card")
        except errors.BadRequestError:
            raise UserError("The Hub does not accept this: check the licence and the names of the data sets.") from None
        except ValueError:  # so it says that the card's front matter is not valid
            raise UserError("The Hub does not accept the card: check the licence and the data sets' names.") from None
    return f"{client.endpoint}/{repo}"


def _critic(model: Model) -> dict[str, bytes]:
    for folder in (model.path / CRITIC, model.path.parent / CRITIC):
        if (folder / TENSORS).is_file():
            found = load_model(folder, "discriminator")
            if found.config.net.resolution == model.config.net.resolution:
                return {f"{CRITIC}/{part}": (folder / part).read_bytes() for part in (CONFIG, TENSORS)}
    raise UserError("This model has no discriminator of its size to send with it.")


def _hub_data(folder: Path) -> list[str]:
    """The data set that a run learnt from, where it is one of the Hub's."""
    from gan_core.train.run import Run

    try:
        source = Run(folder.parent).config().data
    except UserError:
        return []
    found = re.fullmatch(r"hf:(\w[\w.-]*/\w[\w.-]*)(?:[@:].*)?", source)
    return [found[1]] if found else []


def _samples(model: Model) -> bytes:
    """A PNG: a row for each class where there are few, the same seeds in each; else of seeds as they come."""
    side, names = model.config.net.resolution, model.class_names
    columns = min(6, max(2, _PICTURE // side))
    if 0 < len(names) <= 8:
        made = generate(model, [*range(columns)] * len(names), np.arange(len(names)).repeat(columns))
    else:
        made = generate(model, range(4 * columns))
    return images.png(images.grid(made, columns))


def _cautions(model: Model, public: bool, critic: bool) -> list[str]:
    """What a person should know before it goes."""
    out = []
    evaluation = evaluation_of(model)
    copying = (evaluation.figures() if evaluation else {}).get("copying") or {}
    if "clean" not in copying:
        out.append("This model has not been checked for copies of training images yet: the Evaluate page does that.")
    elif not copying["clean"]:
        out.append(f"There are signs of copied training images: {copying.get('verdict', '')}")
    if critic:
        out.append("The discriminator reveals more about the training images than the generator does.")
    if public:
        out.append("Everybody will be able to see and copy it, for good.")
    return out
