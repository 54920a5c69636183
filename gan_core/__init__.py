"""GAN training on radiographs, without a user interface: data -> train -> model -> generate."""

import os

__version__ = "0.1.0"

# Nothing goes out. ONNX Runtime reads this as it is imported, which nothing here does before this package; and whatever
# is started from here, as trainings are, inherits it.
os.environ["ORT_DISABLE_TELEMETRY"] = "1"
