"""A synthetic image as DICOM Secondary Capture, which says in the standard's own terms what it is.

Conversion Type SYN ("synthetic image"), Synthetic Data YES, a Synthesizing Equipment (DICOM PS3.3 C.8.6.1, C.12.1;
PS3.16 CID 7005). Nothing that was not measured is claimed: no date, no side, no pixel spacing, no patient.
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
    ds = Dataset()
    ds.file_meta = FileMetaDataset()
    ds.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    # SOP Common
    ds.SpecificCharacterSet = "ISO_IR 192"
    ds.SOPClassUID = SecondaryCaptureImageStorage
    ds.SOPInstanceUID = instance_uid(image, origin)
    ds.SyntheticData = "YES"
    ds.ContributingEquipmentSequence = [_equipment(origin)]
    # Patient: none. What a file cannot be without is there, and empty where it may be.
    ds.PatientName = "Synthetic^No patient"
    ds.PatientID = f"SYNTHETIC-{origin.digest[:12]}"
    ds.PatientBirthDate = ds.PatientSex = ""
    # Study and series
    ds.StudyInstanceUID = uid("study", origin.digest, origin.truncation)
    ds.StudyDate = ds.StudyTime = ds.ReferringPhysicianName = ds.AccessionNumber = ""
    ds.StudyID = origin.digest[:12]
    ds.StudyDescription = _short(f"Synthetic images by {origin.model}")
    ds.Modality = "OT"
    ds.SeriesInstanceUID = uid("series", origin.digest, origin.truncation, origin.class_name)
    ds.SeriesNumber = max(0, origin.class_index) + 1
    ds.SeriesDescription = _short(f"Synthetic, {asked}")
    ds.Laterality = ""
    if origin.label_name == KL_GRADE:
        ds.BodyPartExamined = "KNEE"
    # Equipment
    ds.Manufacturer = MAKER
    ds.ManufacturerModelName = _short(origin.model)
    ds.SoftwareVersions = __version__
    ds.ConversionType = "SYN"
    # Image
    ds.InstanceNumber = origin.seed
    ds.PatientOrientation = ""
    ds.ImageType = ["DERIVED", "SECONDARY"]
    ds.DerivationDescription = f"Drawn from random numbers by a neural network. {NOT_FOR_DIAGNOSIS}"
    ds.ImageComments = _plain(
        f"Synthetic, not for diagnosis. Model {origin.model}, sha256 {origin.digest}, seed {origin.seed}, "
        f"truncation {origin.truncation:g}, {asked}."
    )[:_LT]
    ds.BurnedInAnnotation = "NO"
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
