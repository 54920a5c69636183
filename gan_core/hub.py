"""The Hugging Face Hub: its client, set up in one place; its errors in plain words; files that are what it declares.

The token is the client's own business: it finds it in `HF_TOKEN`, where Streamlit also puts what its secrets hold, or
where `hf auth login` left it. Nothing here ever holds it, so nothing here can show it, and an error never repeats
what the client said.
"""

from __future__ import annotations

import hashlib
import os
import re
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from tqdm import tqdm

from gan_core import registry
from gan_core.errors import UserError, why

if TYPE_CHECKING:
    from huggingface_hub import HfApi

PATIENCE = 5  # seconds for an answer
_PART = 2**14  # bytes after which progress is told, a wish to cancel is heard, and a cut connection is taken up
_T = TypeVar("_T")


class Unreachable(UserError):
    """The Hub gives no answer: what lies on this computer is all there is."""


@dataclass(frozen=True)
class HubName:
    """`owner/name[@revision]`: a branch, a tag or a commit; without one the newest."""

    repo: str
    revision: str | None = None

    def __str__(self) -> str:
        return f"{self.repo}@{self.revision}" if self.revision else self.repo


_WORD = r"[A-Za-z0-9](?:[\w.-]{0,94}\w)?"
_NAME = re.compile(
    rf"(?:https?://[\w.:-]+/)?(?P<repo>{_WORD}/{_WORD})(?:(?:@|/tree/)(?P<revision>[\w][\w./-]{{0,200}}))?/?", re.ASCII
)


def parse_name(text: str) -> HubName | None:
    """`owner/name[@revision]`, or the address of a model's page; None where it is neither."""
    found = _NAME.fullmatch(text.strip())
    if not found or ".." in found[0] or "--" in found["repo"]:
        return None
    return HubName(found["repo"], found["revision"])


def hub_name(text: str) -> HubName:
    """As `parse_name`. Raises `UserError` where the text names no model."""
    if name := parse_name(text):
        return name
    raise UserError(f"{text[:100]!r} names no model on the Hub: write OWNER/NAME or OWNER/NAME@REVISION.")


@dataclass(frozen=True)
class RemoteFile:
    """A file as the Hub declares it."""

    name: str
    size: int  # bytes
    sha256: str | None  # known of files in large-file storage
    git_sha1: str | None = None  # known of the others


def lends_token(repo: str) -> bool:
    """Whether the Hub may be shown this computer's token for a repository."""
    return not registry.LENDS or bool(registry.resolve(registry.LENDS)(repo))


def check_public(repo: str, closed: bool) -> None:
    """Raises `UserError` where a repository is private or gated (`closed`), and the token may not be shown for it."""
    if closed and not lends_token(repo):
        raise UserError(f"{repo} is private or gated, and this server reads public repositories only.")


def api(repo: str = "") -> HfApi:
    """The client, set up for this program. It shows the token for `repo`, where there is one that may be shown."""
    from huggingface_hub import HfApi, constants

    # Its variables are read as it is first imported, by whomever; these take effect at once.
    constants.HF_HUB_DISABLE_XET = True  # plain HTTP: progress, cancelling, resuming the same for all; models are small
    constants.HF_HUB_DISABLE_TELEMETRY = True
    constants.HF_HUB_DOWNLOAD_TIMEOUT = PATIENCE  # of silence, before it tries again
    constants.DOWNLOAD_CHUNK_SIZE = _PART  # its own, of ten megabytes, would be most of a model in one step
    return HfApi(endpoint=os.environ.get("HF_ENDPOINT"), token=None if lends_token(repo) else False)


def has_token() -> bool:
    """Whether the client would show a token to the Hub."""
    api()
    from huggingface_hub import get_token

    return bool(get_token())


def remote_files(info: Any) -> list[RemoteFile]:
    """The files of a `model_info` or `dataset_info` that was asked for with `files_metadata=True`."""
    return [
        RemoteFile(s.rfilename, s.size or 0, s.lfs.sha256 if s.lfs else None, None if s.lfs else s.blob_id)
        for s in info.siblings or ()
    ]


def is_sound(path: Path, file: RemoteFile) -> bool:
    """Whether what lies at `path` is, bit for bit, what the Hub declares: the client looks at the length alone.

    A file that the Hub declares no sum of is never sound.
    """
    if file.sha256:
        h, expected = hashlib.sha256(), file.sha256
    elif file.git_sha1:  # git's name for it
        h, expected = hashlib.sha1(b"blob %d\0" % path.stat().st_size, usedforsecurity=False), file.git_sha1
    else:
        return False
    with path.open("rb") as f:
        return hashlib.file_digest(f, lambda: h).hexdigest() == expected


@contextmanager
def explained(repo: str, revision: str | None = None, what: str = "model") -> Iterator[None]:
    """Errors of the client become a `UserError`, or an `Unreachable`, about this repository. `what` it is: a "model"
    or a "data set"."""
    from huggingface_hub import errors

    page = f"huggingface.co/{'datasets/' if what == 'data set' else ''}{repo}"
    try:
        yield
    except errors.GatedRepoError:  # first, for it is a RepositoryNotFoundError as well
        check_public(repo, True)
        raise UserError(
            f"{repo} is gated: ask for access on {page}, then set HF_TOKEN to a token of the account that has it."
        ) from None
    except (errors.RepositoryNotFoundError, errors.HFValidationError):
        told = f"There is no public {what} {repo} on the Hugging Face Hub: check its name."
        if lends_token(repo):
            why_not = "the token of this computer does not open it" if has_token() else "it needs a token in HF_TOKEN"
            told += f" If it is private, {why_not}."
        raise UserError(told) from None
    except errors.RevisionNotFoundError:
        raise UserError(f"The {what} {repo} has no revision {revision or 'main'!r}: check it on {page}.") from None
    except errors.RemoteEntryNotFoundError:
        raise UserError(f"{repo} lists a file that the Hub does not have. Tell its owner, or try later.") from None
    except UnicodeError:
        raise UserError("HF_TOKEN does not hold a valid Hub token: set it again.") from None
    except errors.OfflineModeIsEnabled:
        raise Unreachable("The Hugging Face Hub cannot be reached: HF_HUB_OFFLINE is set on this computer.") from None
    except errors.HfHubHTTPError as e:
        code = e.response.status_code
        if code in (401, 403):
            raise UserError(f"The Hub refuses this ({code}): HF_TOKEN needs a token with the right to it.") from None
        if code == 429:
            raise Unreachable("The Hub has been asked too often and wants a pause: try again in a while.") from None
        raise Unreachable(f"The Hugging Face Hub cannot be reached: it answers with error {code}. Try later.") from None
    except ImportError as e:
        if "socksio" not in str(e):
            raise
        raise UserError(
            "The Hugging Face Hub would be asked through a SOCKS proxy, for which a package is missing: pip install "
            "socksio, or unset the variable that names the proxy (ALL_PROXY or HTTPS_PROXY)."
        ) from None
    except (OSError, errors.HTTPError) as e:
        if isinstance(e, OSError) and e.errno:  # of this computer, such as a full disk
            raise UserError(f"{repo} cannot be kept here: {why(e)}.") from None
        raise Unreachable("The Hugging Face Hub cannot be reached: connect to the internet and try again.") from None
    except (ValueError, KeyError, TypeError) as e:
        if "scheme for proxy" in str(e):
            raise UserError(
                "ALL_PROXY or HTTPS_PROXY names a proxy of an unknown kind: it begins with http:// or socks5://."
            ) from None
        raise Unreachable(
            "What answers is not the Hub: a proxy perhaps, or a network that wants a login first. Open any page in a "
            "browser, then try again."
        ) from None


def within(seconds: float, work: Callable[[], _T]) -> _T:
    """What `work` gives. Raises `Unreachable` where that takes longer: a name that resolves slowly, or a proxy that
    hangs, pays no heed to the client's own limits."""
    answer: Future[_T] = Future()

    def run() -> None:
        try:
            answer.set_result(work())
        except BaseException as e:
            answer.set_exception(e)

    threading.Thread(target=run, daemon=True).start()
    try:
        return answer.result(seconds)
    except TimeoutError:
        raise Unreachable(
            f"The Hugging Face Hub cannot be reached: no answer within {seconds:g} seconds. Try later."
        ) from None


def fetch(
    name: HubName, commit: str, file: RemoteFile, folder: Path, report: Callable[[int], None] = lambda n: None
) -> None:
    """Downloads a file into the folder and checks it, bit for bit; `report` gets the bytes as they come.

    Raises `UserError` where it is not what the Hub declares, or cannot be had.
    """
    client = api(name.repo)
    arrived = 0

    def count(n: int) -> None:  # negative where the client begins again
        nonlocal arrived
        arrived += n
        if arrived > file.size:
            raise UserError(f"The Hub sends more of {file.name} than it declares. Nothing was kept.")
        report(n)

    with explained(name.repo, name.revision):
        path = Path(
            client.hf_hub_download(
                name.repo,
                file.name,
                revision=commit,
                local_dir=folder,
                etag_timeout=PATIENCE,
                tqdm_class=meter(count),
            )
        )
    if path.stat().st_size != file.size or not is_sound(path, file):
        path.unlink()
        raise UserError(f"{file.name} of {name} arrived damaged: it is not what the Hub declares. Try again.")


def meter(count: Callable[[int], None]) -> type[tqdm]:
    """The client's way to say how far it is: the class of its progress bar."""

    class Meter(tqdm):
        def __init__(self, **options: Any) -> None:
            super().__init__(disable=True)

        def update(self, n: float | None = 1) -> None:
            count(int(n or 0))

    return Meter
