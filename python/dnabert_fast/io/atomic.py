"""Files that appear under their final name only when they are whole. Knows no format."""

from __future__ import annotations

import hashlib
import itertools
import os
import re
import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

from ..errors import DnabertError, FormatError

if TYPE_CHECKING:
    from typing_extensions import Self

__all__ = [
    "WrittenAside",
    "clear_leftovers",
    "failures",
    "make_folder",
    "publish",
    "publish_first",
    "refuse_file",
    "refuse_folder",
    "writing",
]

_numbers = itertools.count()
_ASIDE = re.compile(r"\.(?P<rest>.+)\.(?P<process>\d+)-\d+(\.\w+)*\.partial(\.\w+)?")


@contextmanager
def writing(path: str | Path) -> Iterator[Path]:
    """Give a temporary path (`*.partial`) in the folder of `path`; rename it to `path` when the block ends well.

    Any exception, KeyboardInterrupt included, removes the temporary file and leaves what `path` was before; so does a
    block that makes no file. The disk holds the file before its name and the name when this returns, so neither a kill
    nor a power cut leaves half of it. Raises FormatError when the folder is missing or not writable, when `path` is not
    a regular file, and when the disk does not take it.
    """
    final = Path(path)
    _check(final)
    partial = final.with_name(f".{final.name}.{_host()}.{os.getpid()}-{next(_numbers)}.partial")
    try:
        yield partial
        with failures(final):
            if not partial.exists():
                return
            _flush(partial)
            os.replace(partial, final)
        with suppress(OSError):  # some file systems of networks flush no folders
            _flush(final.parent)
    except BaseException:
        with suppress(OSError):  # such as a name too long, which the caller has been told of
            partial.unlink(missing_ok=True)
        raise


def publish(path: str | Path, data: bytes) -> None:
    """Write a small file whole; see `writing`."""
    with writing(path) as partial, failures(path):
        partial.write_bytes(data)


def publish_first(path: str | Path, data: bytes) -> None:
    """The same of a file that is begun once: where another process has been faster, what that wrote stays."""
    with writing(path) as partial, failures(path):
        partial.write_bytes(data)
        _flush(partial)
        try:
            os.link(partial, path)
        except FileExistsError:
            pass
        except OSError:  # a file system without links, where the last one wins
            return
        partial.unlink()
        with suppress(OSError):
            _flush(Path(path).parent)


def clear_leftovers(folder: Path, name: str = "") -> None:
    """Remove what writers on this machine that were killed have left in a folder, of the file `name` or of all.

    What a process of another machine writes there looks alike, and stays.
    """
    with suppress(OSError):
        for path in [Path(entry.path) for entry in os.scandir(folder) if entry.name.startswith(f".{name}")]:
            found = _ASIDE.fullmatch(path.name)
            if found and found["rest"].endswith(f"{name}.{_host()}") and not _runs(int(found["process"])):
                path.unlink(missing_ok=True)


@contextmanager
def failures(shown: str | Path) -> Iterator[None]:
    """Turn what a full or vanished disk does into one line; a closed pipe stays what it is."""
    try:
        yield
    except BrokenPipeError:
        raise
    except OSError as error:
        raise FormatError(f"{shown}: cannot be written ({error.strerror or error}); is the disk full?") from error


def _host() -> str:
    """What stands in a file's name for the machine, or the container, in which the number of a process says which.

    Its name alone would not do: containers share that of their machine, and long names of pods differ at their end.
    """
    name = socket.gethostname()
    digest = hashlib.blake2b(name.encode(), digest_size=4)
    with suppress(OSError):
        digest.update(Path("/etc/machine-id").read_bytes())
    with suppress(OSError):  # Linux alone has it
        digest.update(os.readlink("/proc/self/ns/pid").encode())
    return f"{re.sub(r'[^A-Za-z0-9-]', '-', name)[:24]}-{digest.hexdigest()}"


def _runs(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except OSError:  # somebody else's
        pass
    return True


def _flush(path: Path) -> None:
    """Have the disk hold a file, or the names in a folder."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def refuse_folder(path: str | Path) -> None:
    """Raise FormatError for an output that is a folder, where a file is to be written."""
    if Path(path).is_dir():
        raise FormatError(f"{path}: is a folder; give a file name for the output")


def refuse_file(path: str | Path) -> None:
    """Raise FormatError for an output that is a file, where a folder is to be made."""
    if Path(path).exists() and not Path(path).is_dir():
        raise FormatError(f"{path}: is a file; give a folder name for the output")


def make_folder(path: str | Path) -> Path:
    """The folder of an output, made where it is not there; FormatError where it cannot be made or written."""
    folder = Path(path)
    refuse_file(folder)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise FormatError(f"{path}: the folder cannot be made ({error.strerror or error})") from None
    if not os.access(folder, os.W_OK | os.X_OK):
        raise FormatError(f"{path}: this folder cannot be written; choose another")
    return folder


def _check(final: Path) -> None:
    folder = final.parent
    refuse_folder(final)
    if not folder.exists():
        raise FormatError(f"{final}: the folder {folder} does not exist; make it first")
    if not folder.is_dir():
        raise FormatError(f"{final}: {folder} is not a folder")
    if final.exists() and not final.is_file():
        raise FormatError(f"{final}: is not a regular file and cannot be replaced; choose another output")
    if not os.access(folder, os.W_OK | os.X_OK):
        raise FormatError(f"{final}: the folder {folder} is not writable; choose another output")


class WrittenAside:
    """A sink of one file and its index, written aside; `with` publishes both when the block ends well, else neither.

    A subclass writes to `self.partial`, completes it in `_finish` and lets go of it in `_abandon`.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self._stack = ExitStack()
        self.partial = self._stack.enter_context(writing(path))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None, /
    ) -> None:
        if error is not None:
            self._let_go()
            self._stack.__exit__(kind, error, trace)
            return
        with ExitStack() as afterwards, self._stack:
            try:
                self._finish(afterwards)
            except BaseException:
                self._let_go()
                raise

    def _let_go(self) -> None:
        # A disk that is full fails again when files are closed; the first error is the one to show.
        with suppress(DnabertError, OSError):
            self._abandon()

    def _finish(self, afterwards: ExitStack) -> None:
        """Complete the file at `self.partial`; what is entered into `afterwards` (an index) is published after it."""
        raise NotImplementedError

    def _abandon(self) -> None:
        """Let go of the file at `self.partial`, which is about to be removed; may follow a failed `_finish`."""
        raise NotImplementedError
