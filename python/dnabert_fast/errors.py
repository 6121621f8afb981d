"""The errors a user can meet. Each message says the file, the place, what is wrong and what to do."""

from __future__ import annotations

__all__ = ["BackendUnavailable", "CheckpointError", "DnabertError", "FormatError", "MissingExtra", "ReferenceMismatch"]


class DnabertError(Exception):
    """Anything wrong with a user's input or machine; the command line prints it as one line and exits with 1."""


class FormatError(DnabertError):
    """A file that is missing, broken or not of the format it should be."""


class ReferenceMismatch(DnabertError):
    """A REF allele that differs from the genome."""


class CheckpointError(DnabertError):
    """A model folder that cannot be read, or that does not fit its configuration."""


class BackendUnavailable(DnabertError):
    """A device, backend or precision that this machine does not have."""


class MissingExtra(DnabertError):
    """An optional dependency that is not installed."""

    def __init__(self, package: str, extra: str, purpose: str) -> None:
        super().__init__(f"{purpose} needs {package}; install it with: pip install 'dnabert-fast[{extra}]'")
