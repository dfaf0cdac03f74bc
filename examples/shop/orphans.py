"""No process of the shop outlives its supervisor, not even one that was killed with SIGKILL."""

import ctypes
import os
import signal
import sys
import threading
import time

PARENT_VARIABLE = "SHOP_PARENT_PID"
_PR_SET_PDEATHSIG = 1


def die_with_parent() -> None:
    """Tie this process to the supervisor named in the environment, if there is one.

    On Linux the kernel sends SIGKILL when the supervisor's *thread* that started us ends, so a
    supervisor in a thread has to live as long as its shop. Elsewhere a thread watches the parent.
    """
    parent = int(os.environ.get(PARENT_VARIABLE, "0"))
    if not parent:
        return
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    else:
        threading.Thread(target=_watch, args=(parent,), daemon=True).start()
    if os.getppid() != parent:  # it died before we asked
        os._exit(1)


def _watch(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(0.5)
    os._exit(1)
