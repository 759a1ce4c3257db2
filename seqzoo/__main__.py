"""`python -m seqzoo`: the command line where its script is not on the path."""

from seqzoo.cli import main

if __name__ == "__main__":
    raise SystemExit(main())
