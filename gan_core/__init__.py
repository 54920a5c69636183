"""GAN training on radiographs, without a user interface: data -> train -> model -> generate."""

__version__ = "0.1.0"
