"""From a source (folder, archive, DICOM, table, named set, phantom, Hub) to uint8 images, labels and patients."""

from gan_core.data.dataset import Dataset, Skipped, take
from gan_core.data.load import absolute_source, is_named, load, short_source, stem
from gan_core.data.options import Options, Question, split_options, with_options
from gan_core.data.split import split_by_patient

__all__ = [
    "Dataset",
    "Options",
    "Question",
    "Skipped",
    "absolute_source",
    "is_named",
    "load",
    "short_source",
    "split_by_patient",
    "split_options",
    "stem",
    "take",
    "with_options",
]
