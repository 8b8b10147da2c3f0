"""`python cli.py ...` is the `symdiff` command, for a checkout that is not installed."""

from symdiff.commands.main import main

if __name__ == "__main__":
    main()
