"""`python -m gan_core VERB`: the commands, which are the application's."""

import runpy

if __name__ == "__main__":
    runpy.run_module("studio.cli", run_name="__main__", alter_sys=True)
