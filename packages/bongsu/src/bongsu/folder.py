"""The data folder, which belongs to one process at a time."""

import fcntl
import os
from pathlib import Path


class FolderInUseError(Exception):
    """Another process works in the folder; the text says which."""


class DataFolder:
    """A folder that is held as long as the process lives: the kernel lets go of it, even after SIGKILL."""

    def __init__(self, path: Path) -> None:
        # What was read of the services may be private: the folder is for its owner alone.
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._file = os.open(path / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            holder = os.pread(self._file, 20, 0).decode(errors="replace").strip()
            os.close(self._file)
            raise FolderInUseError(
                f"{path} is in use by process {holder or 'unknown'}: stop it, or name another folder "
                "with --data"
            ) from None
        os.ftruncate(self._file, 0)
        os.pwrite(self._file, str(os.getpid()).encode(), 0)

    def close(self) -> None:
        os.close(self._file)
