"""From a source (folder, zip, DICOM, named set, phantom, Hub) to uint8 images, labels and class names."""

from gan_core.data.dataset import Dataset, Skipped, take
from gan_core.data.load import NAMED, absolute_source, inspect, load, short_source
from gan_core.data.split import split_by_patient

__all__ = [
    "NAMED",
    "Dataset",
    "Skipped",
    "absolute_source",
    "inspect",
    "load",
    "short_source",
    "split_by_patient",
    "take",
]
