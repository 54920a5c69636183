"""`python -m gan_core VERB`."""

from studio.cli import main

if __name__ == "__main__":
    main()
