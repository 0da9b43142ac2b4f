"""``python -m constate``: the command line."""

from constate.cli import main

if __name__ == "__main__":
    main()
