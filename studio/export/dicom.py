"""An image as DICOM Secondary Capture: a synthetic one, which says in the standard's own terms what it is, or a knee
that was cut out of a radiograph.

Conversion Type SYN ("synthetic image"), Synthetic Data YES, a Synthesizing Equipment (DICOM PS3.3 C.8.6.1, C.12.1;
PS3.16 CID 7005). Nothing that was not measured is claimed of it: no date, no side, no pixel spacing, no patient. A real
knee has its side and pixel spacing, where they are known, and no patient's name, number or date.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from io import BytesIO

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.sr.codedict import codes
from pydicom.uid import UID, ExplicitVRLittleEndian, SecondaryCaptureImageStorage

from gan_core import __version__
from gan_core.grades import KL_GRADE
from gan_core.model import NOT_FOR_DIAGNOSIS

MAKER = "Knee GAN studio"
_NAMESPACE = uuid.UUID("d0ef94ce-1517-458a-853d-69128233f096")  # of this program's UIDs
_LO, _LT = 64, 10_240  # the most characters of these value representations; some readers count bytes


@dataclass(frozen=True)
class Origin:
    """Where an image comes from; the same origin and pixels are the same instance."""

    model: str
    digest: str
    seed: int
    truncation: float
    class_name: str  # asked for; "" where the model has no classes
    class_index: int  # -1 where it has none
    label_name: str


def uid(*parts: object) -> UID:
    """A UID that depends on `parts` alone: a UUID of version 5 below 2.25 (PS3.5 B.2)."""
    return UID(f"2.25.{uuid.uuid5(_NAMESPACE, repr((__version__, *parts))).int}")


def instance_uid(image: NDArray[np.uint8], origin: Origin) -> UID:
    """Of the pixels too: a machine that rounds otherwise makes another instance."""
    return uid("instance", origin, image.shape, image.tobytes())


def encode(image: NDArray[np.uint8], origin: Origin) -> bytes:
    """uint8 [H, W] as a DICOM file, the same bytes every time."""
    asked = f"{origin.label_name} {origin.class_name} asked for" if origin.class_name else "no class asked for"
    ds = _capture()
    # SOP Common
    ds.SOPInstanceUID = instance_uid(image, origin)
    ds.SyntheticData = "YES"
    ds.ContributingEquipmentSequence = [_equipment(origin)]
    # Patient: none
    ds.PatientName = "Synthetic^No patient"
    ds.PatientID = f"SYNTHETIC-{origin.digest[:12]}"
    # Study and series
    ds.StudyInstanceUID = uid("study", origin.digest, origin.truncation)
    ds.StudyID = origin.digest[:12]
    ds.StudyDescription = _short(f"Synthetic images by {origin.model}")
    ds.SeriesInstanceUID = uid("series", origin.digest, origin.truncation, origin.class_name)
    ds.SeriesNumber = max(0, origin.class_index) + 1
    ds.SeriesDescription = _short(f"Synthetic, {asked}")
    ds.Laterality = ""
    if origin.label_name == KL_GRADE:
        ds.BodyPartExamined = "KNEE"
    # Equipment
    ds.ManufacturerModelName = _short(origin.model)
    ds.ConversionType = "SYN"
    # Image
    ds.InstanceNumber = origin.seed
    ds.DerivationDescription = f"Drawn from random numbers by a neural network. {NOT_FOR_DIAGNOSIS}"
    ds.ImageComments = _plain(
        f"Synthetic, not for diagnosis. Model {origin.model}, sha256 {origin.digest}, seed {origin.seed}, "
        f"truncation {origin.truncation:g}, {asked}."
    )[:_LT]
    ds.BurnedInAnnotation = "NO"
    return _file(ds, image)


def encode_crop(image: NDArray[np.uint8], study: str, number: int, side: str, mm: float | None, mm_from: str) -> bytes:
    """A knee that was cut out of a radiograph, uint8 [H, W], as a DICOM file, the same bytes every time.

    Args:
        study: what the knees of one patient have in common, and from which nobody learns who that is.
        number: of the knee among those.
        side: "R", "L", or "" where it is not known.
        mm: the side of a pixel, or None where it is not known; `mm_from` says where that is from.
    """
    ds = _capture()
    ds.SOPInstanceUID = uid("crop", study, number, image.shape, image.tobytes())
    ds.PatientName = ds.PatientID = ""
    ds.StudyInstanceUID, ds.SeriesInstanceUID = uid("crops of", study), uid("crops", study)
    ds.StudyID = ""
    ds.SeriesNumber = 1
    ds.SeriesDescription = "Knees cut out of radiographs"
    ds.BodyPartExamined = "KNEE"
    ds.ManufacturerModelName = "crop"
    ds.ConversionType = "WSD"  # a workstation
    ds.InstanceNumber = number
    if side:
        ds.ImageLaterality = side
    ds.DerivationDescription = "A knee cut out of a radiograph, turned upright, resampled, stretched to 8 bits."
    if mm:
        ds.PixelSpacing = [f"{mm:.8g}"] * 2
        ds.ImageComments = _plain(f"Scale from: {mm_from}")[:_LT]
    return _file(ds, image)


def _capture() -> Dataset:
    """What all files have in common. What a file cannot be without is there, and empty where it may be."""
    ds = Dataset()
    ds.file_meta = FileMetaDataset()
    ds.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    ds.SpecificCharacterSet = "ISO_IR 192"
    ds.SOPClassUID = SecondaryCaptureImageStorage
    ds.PatientBirthDate = ds.PatientSex = ""
    ds.StudyDate = ds.StudyTime = ds.ReferringPhysicianName = ds.AccessionNumber = ""
    ds.Modality = "OT"
    ds.Manufacturer = MAKER
    ds.SoftwareVersions = __version__
    ds.PatientOrientation = ""
    ds.ImageType = ["DERIVED", "SECONDARY"]
    return ds


def _file(ds: Dataset, image: NDArray[np.uint8]) -> bytes:
    ds.set_pixel_data(image, "MONOCHROME2", 8, generate_instance_uid=False)
    ds.WindowCenter, ds.WindowWidth = 128, 256  # shown as it is: 0 is black, 255 is white
    file = BytesIO()
    ds.save_as(file, enforce_file_format=True)
    return file.getvalue()


def _equipment(origin: Origin) -> Dataset:
    purpose = Dataset()
    code = codes.DCM.SynthesizingEquipment
    purpose.CodeValue, purpose.CodingSchemeDesignator, purpose.CodeMeaning = code.value, "DCM", code.meaning
    item = Dataset()
    item.PurposeOfReferenceCodeSequence = [purpose]
    item.Manufacturer = MAKER
    item.ManufacturerModelName = _short(origin.model)
    item.SoftwareVersions = __version__
    return item


def _plain(text: str) -> str:
    """Without control characters, and without the backslash, which in DICOM stands between values."""
    return "".join(" " if c == "\\" or not c.isprintable() else c for c in text)


def _short(text: str) -> str:
    return _plain(text).encode()[:_LO].decode(errors="ignore").strip()
