"""The knees that `crop` has cut out of films, as DICOM."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from pathlib import Path

import numpy as np
from PIL import Image

from gan_core.errors import UserError, why
from gan_core.files import replacing
from studio.data.films import TABLE
from studio.data.tables import MAX_TABLE_BYTES, as_it_is, read_rows
from studio.export.dicom import encode_crop


def write_dicom(crops: Path, out: Path) -> int:
    """Writes each knee of a folder that `crop` has made below `out`, with the same names: how many.

    The knees of one patient are one study. Nothing in a file says who that is: what identifies it is made of the
    pixels.

    Raises:
        UserError: if `crops` has no table or lacks an image, `out` lies in it, or a file cannot be written.
    """
    if out.resolve().is_relative_to(crops.resolve()):
        raise UserError(f"{out} lies in {crops}, where its files would count as knees: name another folder.")
    try:
        with (crops / TABLE).open("rb") as f:
            rows = [row for row in read_rows(f.read(MAX_TABLE_BYTES), TABLE, as_it_is) if row.get("crop")]
    except OSError as e:
        raise UserError(f"{crops} holds no {TABLE}: it is no folder of crops.") from e
    patients = defaultdict[str, list[dict[str, str]]](list)
    for row in rows:
        patients[row.get("patient") or row["file"]].append(row)
    for knees in patients.values():
        images = [_read(crops, row["crop"]) for row in knees]
        study = hashlib.sha256(b"".join(image.tobytes() for image in images)).hexdigest()
        for number, (row, image) in enumerate(zip(knees, images, strict=True), 1):
            mm = float(row["mm"]) * float(row["side_px"]) / len(image) if row.get("mm") else None
            path = (out / row["crop"]).with_suffix(".dcm")
            try:
                path.parent.mkdir(parents=True, exist_ok=True)
                with replacing(path) as temporary:
                    temporary.write_bytes(
                        encode_crop(image, study, number, row.get("side", ""), mm, row.get("mm_from", ""))
                    )
            except OSError as e:
                raise UserError(f"{path} cannot be written: {why(e)}.") from e
    return len(rows)


def _read(crops: Path, name: str) -> np.ndarray:
    path = crops / name
    try:
        if not path.resolve().is_relative_to(crops.resolve()):
            raise UserError(f"{TABLE} names {name[:100]}, which is not in the folder.")
        with Image.open(path, formats=("PNG",)) as image:
            return np.asarray(image.convert("L"))
    except (OSError, ValueError, SyntaxError) as e:
        raise UserError(f"{name[:100]}, which {TABLE} names, cannot be read: {e}.") from e
