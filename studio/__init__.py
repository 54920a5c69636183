"""The application: a package for each page, what is about knees alone, jobs, and the command line.

It brings to the core what a good training program need not know: radiographs in the formats of hospitals, tables of
images, the Hub's data sets, phantoms, models by their names.
"""

from gan_core import registry

registry.OPEN = "studio.data.sources:open_source"
registry.DECODERS |= {
    "studio.data.dicom": ("pydicom", "imagecodecs"),
    "studio.data.tiff": ("tifffile", "imagecodecs"),
    "studio.data.deep": ("imagecodecs",),
}
registry.UNREAD = "studio.data.formats:unread"
registry.MODELS.append("studio.models.store:find_model")
registry.LENDS = "studio.hosting:lends_token"
