"""Every system call that the file store makes, in one place.

The calls are module attributes, looked up at each use, so a test can replace one and make the
Nth call fail. Documents become visible whole or not at all: they are staged under a name that no
reader lists, then renamed or linked. Whatever somebody put into the record, reading it ends: only
regular files are opened, without waiting, and what is read whole has a largest size.
"""

from __future__ import annotations

import errno
import io
import os
import stat
import threading
import weakref
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext, suppress
from functools import wraps
from typing import Any, Final, ParamSpec, TypeVar

from tracklet import lazy
from tracklet.errors import StorageError
from tracklet.state import gates, in_child

try:
    import fcntl
except ImportError:  # Windows has no flock; renames still are atomic there
    fcntl = None

open_file = os.open
read = os.read
write = os.write
close = os.close
fsync = os.fsync
truncate = os.ftruncate
replace = os.replace
rename = os.rename
link = os.link
unlink = os.unlink
mkdir = os.mkdir
rmdir = os.rmdir

MAX_BYTES: Final = 64 << 20
"""The largest document, param or tag that is read."""

_CLOEXEC: Final = getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)
# A pipe without a writer would keep a process waiting for ever, in an open as in a read.
_READ: Final = os.O_RDONLY | _CLOEXEC | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_NOCTTY", 0)
_NOFOLLOW: Final = getattr(os, "O_NOFOLLOW", 0)
_CHUNK: Final = 1 << 16
# What says that one path is in trouble; all else is about the disk, this process, or comes from a
# signal handler of the user's.
_OF_THE_PATH: Final = frozenset(
    {
        errno.EACCES,
        errno.EFBIG,
        errno.EINVAL,
        errno.EIO,
        errno.EISDIR,
        errno.ELOOP,
        errno.ENAMETOOLONG,
        errno.ENODEV,
        errno.ENOENT,
        errno.ENOTDIR,
        errno.ENXIO,
        errno.EPERM,
        errno.ESTALE,
    }
)
_LINK_UNSUPPORTED: Final = frozenset(
    {errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK, errno.EXDEV}
)
_WAYS_OUT: Final = {
    errno.ENOSPC: "free some space on that disk and try again",
    errno.EDQUOT: "your disk quota is used up: free some space and try again",
    errno.EROFS: "that file system is read-only: choose a folder that can be written to, "
    "with set_tracking_uri",
    errno.EACCES: "check the owner and permissions of that path, or choose another folder with "
    "set_tracking_uri",
    errno.EPERM: "check the owner and permissions of that path, or choose another folder with "
    "set_tracking_uri",
    errno.EMFILE: "this process has too many open files: raise the limit with 'ulimit -n'",
    errno.ENFILE: "the system has too many open files",
    errno.EIO: "the disk reports an error: check it, then try again",
    errno.ENAMETOOLONG: "use a shorter key or name",
    errno.EINVAL: "move it away, or put a regular file in its place",
    errno.EFBIG: "move it away, or put a smaller file in its place",
    errno.ELOOP: "no link is followed on writing: put what it leads to in its place",
}

_log = lazy.logger(__name__)
P = ParamSpec("P")
T = TypeVar("T")


def storage_error(action: str, error: OSError, path: str | None = None) -> StorageError:
    """A StorageError that names the path, the system's reason and a way out."""
    where = error.filename or path
    reason = error.strerror or str(error)
    way_out = _WAYS_OUT.get(error.errno or 0, "check that path, then try again")
    return StorageError(f"could not {action}: {reason}: {str(where)!r}; {way_out}")


def reporting(verb: Callable[P, T]) -> Callable[P, T]:
    """Have a store's verb turn an OSError into a StorageError that says what was tried."""

    @wraps(verb)
    def call(*args: P.args, **kwargs: P.kwargs) -> T:
        try:
            return verb(*args, **kwargs)
        except OSError as error:
            action = verb.__name__.replace("_", " ")
            raise storage_error(action, error, str(getattr(args[0], "root", ""))) from error

    return call


def spoils(error: OSError) -> bool:
    """Whether an error is about the path, so that all else can still be read."""
    return error.errno in _OF_THE_PATH


def read_bytes(path: str, most: int | None = MAX_BYTES) -> bytes:
    """The content of a file; see :func:`look_and_read`."""
    return look_and_read(path, most)[1]


def look_and_read(path: str, most: int | None = MAX_BYTES) -> tuple[os.stat_result, bytes]:
    """What a file looked like before it was read, and its content.

    Args:
        path: The file.
        most: How many bytes it may have; None for files that grow with what is logged.

    Raises:
        OSError: It cannot be read, is no regular file, or is larger.
    """
    return look_and(_read_whole, path, most)


def look_and(take: Callable[[int], T], path: str, most: int | None) -> tuple[os.stat_result, T]:
    """What a file looked like before it was read, and what its descriptor was made into.

    Raises:
        OSError: As :func:`look_and_read` does.
    """
    fd = open_file(path, _READ)
    try:
        return regular(fd, most), take(fd)
    except OSError as error:
        raise _named(error, path) from error
    finally:
        close(fd)


def _read_whole(fd: int) -> bytes:
    data = read(fd, _CHUNK)
    return data if len(data) < _CHUNK else b"".join([data, *pieces(fd)])


def pieces(fd: int) -> Iterator[bytes]:
    """What a file holds from where it stands, in pieces."""
    data = read(fd, _CHUNK)
    while data:
        yield data
        data = read(fd, _CHUNK) if len(data) == _CHUNK else b""


def opened(path: str) -> io.FileIO:
    """A regular file, open for reading; closed by a ``with`` block."""
    file = io.FileIO(path, "r", opener=lambda path, _: open_file(path, _READ))
    try:
        regular(file.fileno())
    except OSError as error:
        file.close()
        raise _named(error, path) from error
    return file


def regular(fd: int, most: int | None = None) -> os.stat_result:
    """What a descriptor's file looks like.

    Raises:
        OSError: It is no regular file, or larger than that.
    """
    status = os.fstat(fd)
    if stat.S_ISDIR(status.st_mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
    if not stat.S_ISREG(status.st_mode):
        raise OSError(errno.EINVAL, "Not a regular file")
    if most is not None and status.st_size > most:
        raise OSError(errno.EFBIG, f"Larger than {most >> 20} MiB")
    return status


def names_in(folder: str) -> list[str]:
    """What a folder holds; nothing if there is none."""
    try:
        return os.listdir(folder)
    except (FileNotFoundError, NotADirectoryError):
        return []


def is_folder(entry: os.DirEntry[str]) -> bool:
    """Whether an entry is a folder, or a link that leads to one."""
    try:
        return entry.is_dir()
    except OSError:  # a link that leads nowhere
        return False


def is_text(name: str) -> bool:
    """Whether a file's name is UTF-8, as every key and id is."""
    return name.isascii() or not any("\ud800" <= character <= "\udfff" for character in name)


def read_if_there(path: str, most: int | None = MAX_BYTES) -> bytes | None:
    """The content of a file, or None if there is none; see :func:`look_and_read`."""
    try:
        return read_bytes(path, most)
    except FileNotFoundError:
        return None


def write_new(path: str, data: bytes) -> None:
    """Create a file that nobody else can have; it may be left behind torn if this raises."""
    fd = open_file(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | _CLOEXEC, 0o666)
    try:
        rest = data
        while True:
            count = write(fd, rest)
            if count == len(rest):
                return
            rest = rest[count:]
    except OSError as error:
        raise _named(error, path) from error
    finally:
        close(fd)


def stage(directory: str, data: bytes) -> str:
    """Write data to a new file in ``directory`` that no reader lists, and return its path."""
    path = f"{directory}/.tracklet-{os.getpid()}-{os.urandom(6).hex()}.tmp"
    try:
        try:
            write_new(path, data)
        except FileNotFoundError:
            make_dir(directory)  # not those above: the entity may have been moved away
            write_new(path, data)
    except BaseException:
        discard(path)
        raise
    return path


def publish(path: str, data: bytes, staging: str) -> None:
    """Put a document in place, whole; an earlier one is replaced.

    Args:
        path: Where readers find it. Its folder is created when it is missing.
        data: The content.
        staging: A folder on the same file system in which no reader looks.
    """
    staged = stage(staging, data)
    try:
        try:
            replace(staged, path)
        except FileNotFoundError:
            make_dirs(os.path.dirname(path))
            replace(staged, path)
    except BaseException:
        discard(staged)
        raise


def publish_once(staged: str, path: str) -> bool:
    """Give a staged file its name unless the name is taken; say whether that worked.

    The staged file is gone afterwards only if this succeeded.
    """
    try:
        try:
            link(staged, path)
        except FileNotFoundError:
            make_dirs(os.path.dirname(path))
            link(staged, path)
    except FileExistsError:
        return False
    except OSError as error:
        if error.errno not in _LINK_UNSUPPORTED:
            raise
        if os.path.lexists(path):
            return False
        replace(staged, path)
        return True
    discard(staged)
    return True


def make_dir(path: str) -> None:
    """Create a folder; an existing one is fine."""
    try:
        mkdir(path)
    except FileExistsError:
        if not os.path.isdir(path):
            raise


def make_dirs(path: str, below: str = "") -> None:
    """Create a folder and those above it; existing ones are fine.

    Args:
        path: The folder.
        below: A folder above it that is not to be created.
    """
    try:
        make_dir(path)
    except FileNotFoundError:
        parent = os.path.dirname(path)
        if parent == path or len(parent) <= len(below):
            raise
        make_dirs(parent, below)
        make_dir(path)


def discard(path: str) -> None:
    """Remove a file if that is possible."""
    with suppress(OSError):
        unlink(path)


def remove_tree(path: str) -> None:
    """Remove a folder and all in it; what is gone already is fine."""
    try:
        entries = list(os.scandir(path))
    except FileNotFoundError:
        return
    for entry in entries:
        if entry.is_dir(follow_symlinks=False):
            remove_tree(entry.path)
        else:
            with suppress(FileNotFoundError):
                unlink(entry.path)
    with suppress(FileNotFoundError):
        rmdir(path)


def remove_quietly(folder: str) -> None:
    """Remove what a refused call has made, as far as the disk allows."""
    try:
        remove_tree(folder)
    except OSError:
        _log.warning("could not remove %s, which a failed call left behind", folder)


def sync_path(path: str) -> None:
    """Make a file or folder survive a power cut; one that is gone is fine."""
    try:
        fd = open_file(path, _READ)
    except FileNotFoundError:
        return
    try:
        fsync(fd)
    finally:
        close(fd)


def open_append(path: str, below: str = "") -> int:
    """A descriptor that appends to a file, created when missing.

    Args:
        path: The file.
        below: A folder above it that must be there; those between are created.
    """
    return _open_created(path, os.O_APPEND, below)


def _open_created(path: str, how: int = 0, below: str = "") -> int:
    flags = os.O_RDWR | os.O_CREAT | _READ | _NOFOLLOW | how
    try:
        return open_file(path, flags, 0o666)
    except FileNotFoundError:
        make_dirs(os.path.dirname(path), below)
        return open_file(path, flags, 0o666)


def empty(path: str) -> None:
    """Take from a file of ours what is in it."""
    fd = _open_created(path)
    try:
        regular(fd)
        truncate(fd, 0)
    except OSError as error:
        raise _named(error, path) from error
    finally:
        close(fd)


def lock_shared(fd: int) -> None:
    """Say that this descriptor appends to its file; released when it is closed."""
    if fcntl is not None:
        try:  # noqa: SIM105 - faster than suppress, for each file that is opened
            fcntl.flock(fd, fcntl.LOCK_SH)
        except OSError:
            pass


def lock_alone(fd: int) -> bool:
    """Whether no other descriptor appends to the file; until ``lock_shared``, none can."""
    if fcntl is None:
        return False
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


class Lock(io.FileIO):
    """The lock of a file, held while it is open.

    Attributes:
        changes: What the calls under it change: those of one thread, each inside of the other.
    """

    changes: list[Any]


def locked(path: str) -> AbstractContextManager[Lock]:
    """Hold the lock of a file in a block, across threads and processes.

    A signal handler or a finalizer may want it while its thread has it: it gets it as well, and
    whoever reads, changes and writes under it bears that (``contents.edit_meta`` does).
    Where the file system has no locks, the work goes on without.
    """
    key = path, threading.get_ident()
    held = _held.get(key)
    if held is not None and not held.closed:
        return nullcontext(held)
    # A file leaves its block in C, where no interrupt strikes; and it closes when it is forgotten.
    with _opening:  # or a child had a copy that it does not know of
        held = Lock(_open_created(path), "r+")
        held.changes = []
        _held[key] = held
    try:
        if fcntl is not None:
            with suppress(OSError):
                fcntl.flock(held.fileno(), fcntl.LOCK_EX)
    except BaseException:
        held.close()
        raise
    return held


@in_child
def _release() -> None:
    # A lock is held until every copy of its descriptor is closed, and the child has copies.
    for held in tuple(_held.values()):
        held.close()


_held: weakref.WeakValueDictionary[tuple[str, int], Lock] = weakref.WeakValueDictionary()
_opening = gates.add()


def _named(error: OSError, path: str) -> OSError:
    """The error with the path that a descriptor stands for."""
    if error.filename is None:
        return type(error)(error.errno, error.strerror, path)
    return error
