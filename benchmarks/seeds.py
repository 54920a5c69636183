"""The former name of `baselines.py`, for those who still type it."""

import typer
from baselines import main

if __name__ == "__main__":
    typer.run(main)
