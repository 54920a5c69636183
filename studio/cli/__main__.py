"""`python -m gan_core VERB`."""

import os

from gan_core import registry
from studio.cli import main

if __name__ == "__main__":
    if "KNEE_GAN_FOR_A_VISITOR" not in os.environ:  # `hosting.BOUND_ENV`; the host's own commands are bound by nothing
        registry.LENDS = ""
    main()
