"""The application: a package for each page, what is about knees alone, jobs, and the command line."""

from gan_core import registry

registry.SOURCES["phantom"] = "studio.knee.phantom.source:phantom_source"
registry.EXTRACTORS["knee"] = "studio.knee.extractor:open_knee"
