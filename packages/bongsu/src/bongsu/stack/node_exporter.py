"""The node exporter: what it leaves out of the machine that it tells of."""

from bongsu.stack.model import Stack

HOST_ROOT = "/host/root"
"""Where a container has the machine's file system."""
_FILESYSTEMS = r"^/(dev|proc|run|sys|var/lib/(docker|containerd|containers|kubelet)/.+)($|/)"
_DEVICES = r"^(veth.*|cali.*|cilium.*|docker.*|br-.*|lxc.*)$"


def flags(stack: Stack) -> list[str]:
    """Arguments besides those that name addresses.

    File systems and interfaces that come and go with containers would only add series.
    """
    found = [
        f"--collector.filesystem.mount-points-exclude={_FILESYSTEMS}",
        f"--collector.netdev.device-exclude={_DEVICES}",
        f"--collector.netclass.ignored-devices={_DEVICES}",
    ]
    if stack.place == "local":
        return found
    return [
        f"--path.rootfs={HOST_ROOT}",
        f"--path.procfs={HOST_ROOT}/proc",
        f"--path.sysfs={HOST_ROOT}/sys",
        *found,
    ]
