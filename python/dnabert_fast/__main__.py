"""`python -m dnabert_fast` is `dnabert-fast`."""

from .cli import main

if __name__ == "__main__":
    main()
