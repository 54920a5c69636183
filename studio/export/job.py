"""An export as a job: reads its request, writes its files and how it stands."""

from __future__ import annotations

from studio.export.folder import ExportFolder
from studio.export.write import Export, Tally
from studio.jobs.work import Progress, run_job


def run_export(folder: ExportFolder, show: Progress) -> Tally | None:
    """Exports what `folder` asks for; None where somebody asked it to stop. `show` gets the progress too.

    Raises `UserError`, after writing it into the folder's status, where something is wrong.
    """
    return run_job(
        folder,
        lambda progress: Export(folder.request(), folder.files_path).run(progress),
        show,
        lambda tally: {"images": tally.images, "near": tally.near, "left_out": tally.left_out},
        "What is made so far is kept.",
    )
