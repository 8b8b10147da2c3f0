"""`python -m symdiff` is the `symdiff` command."""

from symdiff.commands.main import main

if __name__ == "__main__":
    main()
