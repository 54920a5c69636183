"""The data card of an export, and the table that Hugging Face `datasets` reads beside the images."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from gan_core import __version__
from gan_core.files import replacing
from gan_core.grades import KL_GRADE
from studio.export.plan import FORMATS, Plan, command_line

if TYPE_CHECKING:
    from studio.export.write import Export, Tally

_SIZES = ((1_000, "n<1K"), (10_000, "1K<n<10K"), (100_000, "10K<n<100K"), (1_000_000, "100K<n<1M"))
_YAML = """---
pretty_name: Synthetic images by {model}
tags:
- synthetic
- gan
size_categories:
- {size}
configs:
- config_name: default
  data_files:
  - split: train
    path: data/train/**
---
"""
_DICOM = """
## As DICOM

Each file says what it is in the standard's own terms: Conversion Type `SYN` (synthetic image), Synthetic Data `YES`,
Image Type `DERIVED\\SECONDARY`, and a contributing equipment whose purpose is Synthesizing Equipment. There is no
patient and no date; side, pixel spacing and exposure are unknown and left out. UIDs are derived from the model, the
seed, the class and the pixels (below 2.25): the same image has the same UID, and no two images share one.

The folder `dicom` contains nothing else, so dcmtk sends all of it: `storescu +sd +r HOST PORT dicom`.
"""


def card(export: Export, tally: Tally) -> str:
    """The data card in Markdown. It depends on what is exported alone: there is no date in it."""
    config, request = export.model.config, export.request
    side = config.net.resolution
    kind = "knee radiographs" if config.label_name == KL_GRADE else "images"
    counts = ", ".join(f"{name}: {count:,}" for name, count in tally.counts.items())
    rows = [
        ("Images", f"{tally.images:,}, each {side} x {side} pixels"),
        ("Format", FORMATS[request.format].card),
        *([(f"{config.label_name}, asked for", counts)] if counts else []),
        ("Seeds", f"{export.plan.seeds[0]} to {export.plan.seeds[-1]}"),
        ("Variety (truncation)", f"{request.truncation:g}"),
        ("Model", f"{export.name}, sha256 {export.model.digest[:12]} …, in full in the manifest"),
        ("The model was trained on", config.data or "unnamed data"),
        ("Made with", f"Knee GAN studio {__version__}"),
    ]
    size = next(name for most, name in _SIZES if tally.images < most)
    yaml = _YAML.format(model=export.name, size=size)
    return "".join(
        [
            yaml if request.format == "datasets" else "",
            f"# {tally.images:,} synthetic {kind} by {export.name}\n\n",
            "**Every image here was made by a computer. It shows no patient and is not for diagnosis.**\n\n",
            "| | |\n|---|---|\n",
            *(f"| {_cell(name)} | {_cell(value)} |\n" for name, value in rows),
            f"\n## Nearest-patient check\n\n{_near(export, tally)}\n",
            _DICOM if request.format == "dicom" else "",
            "\n## What to know before use\n\n",
            *(f"- {line}\n" for line in _limits(export)),
            "\n## Files\n\n`manifest.csv` has a line for each image: its file, seed, class, truncation, the model and "
            "its sha256, the file's own sha256, its DICOM UID, and what the nearest-patient check found. "
            "`export.json` has the settings.\n",
            "\nThe same command makes the same files again, byte for byte on the same machine:\n\n```\n",
            command_line(request, export.out.name, places=False),
            "\n```\n",
        ]
    )


def _cell(text: str) -> str:
    return " ".join(text.replace("|", "\\|").split())


def _near(export: Export, tally: Tally) -> str:
    if not export.request.reference:
        return (
            "Not checked. To find out whether an image lies nearer to a patient's than likeness explains, export "
            "with the training images: `--reference FOLDER`."
        )
    left = (
        f"{tally.left_out:,} were left out; their seeds are missing here."
        if export.request.drop_near
        else f"{tally.near:,} are, and are marked in `manifest.csv` (column `near`)."
    )
    return (
        "Each image was compared with the training images: is it nearer to one of them than likeness explains? "
        f"{left} The limit is the 1st percentile of what patients' images are to those of other patients, in the "
        "features of a knee encoder and in the pixels; so about one in a hundred images that copy nothing is marked "
        "in each of the two. The columns `nearest_features` and `nearest_pixels` have the distance to the nearest "
        "training image over that to the third nearest: near 1 where it is like several, near 0 for a copy of one."
    )


def _limits(export: Export) -> list[str]:
    asked = export.model.config.label_name
    return [
        *([f"The {asked} is what the model was asked for, not what a reader has seen."] if export.plan.names else []),
        "How large a pixel is in millimetres is not known, nor which side is shown.",
        "Networks vary less than patients do: see the model's own card for its figures.",
        "All images are of one model: use them to train, and test on images of patients.",
    ]


def write_metadata(out: Path, rows: Iterable[dict[str, str]], plan: Plan) -> None:
    """`data/train/metadata.parquet`, the table beside the images, with the schema that `datasets` itself writes: so a
    column has one type whatever it holds, and the label is a class with its name. Of a CSV `datasets` guesses both."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    prefix = FORMATS[plan.format].root
    folder = out / prefix
    label = [("label", pa.int64(), {"names": list(plan.names), "_type": "ClassLabel"})] if plan.names else []
    columns = [
        ("file_name", pa.string(), {"dtype": "string", "_type": "Value"}),
        *label,
        ("seed", pa.int64(), {"dtype": "int64", "_type": "Value"}),
        ("truncation", pa.float64(), {"dtype": "float64", "_type": "Value"}),
        ("near", pa.string(), {"dtype": "string", "_type": "Value"}),
    ]
    features = {"info": {"features": {name: feature for name, _, feature in columns}}}
    schema = pa.schema([column[:2] for column in columns], {"huggingface": json.dumps(features)})
    table = [
        {
            "file_name": row["file"].removeprefix(prefix),
            "label": plan.names.index(row["class"]) if plan.names else None,
            "seed": int(row["seed"]),
            "truncation": float(row["truncation"]),
            "near": row["near"],
        }
        for row in rows
    ]
    with replacing(folder / "metadata.parquet") as temporary:
        pq.write_table(pa.Table.from_pylist(table, schema), temporary)
    (folder / "metadata.csv").unlink(missing_ok=True)  # of an export begun before: `datasets` takes one table alone
