"""What a training process needs in its environment before it starts.

tcmalloc: with glibc's malloc a convolution step on a CPU spends much of its time in page faults. And threads that sleep
while they wait: those that spin take the processor from whoever else is at work on it, and two such jobs on two cores
cost ten times, not two.
"""

from __future__ import annotations

import ctypes.util
import os
import sys

_TCMALLOC = ("tcmalloc_minimal", "tcmalloc")
_PREPARED = "KNEE_GAN_PREPARED"


def for_training() -> dict[str, str]:
    """This environment, prepared as far as the machine allows, and marked as prepared."""
    env = {"OMP_WAIT_POLICY": "PASSIVE"} | os.environ | {_PREPARED: "1"}
    library = next((found for name in _TCMALLOC if (found := ctypes.util.find_library(name))), None)
    if sys.platform == "linux" and library and "tcmalloc" not in env.get("LD_PRELOAD", ""):
        env["LD_PRELOAD"] = f"{library} {env.get('LD_PRELOAD', '')}".strip()
    return env


def has_tcmalloc() -> bool:
    """Whether this process runs under it."""
    return "tcmalloc" in os.environ.get("LD_PRELOAD", "")


def restart_prepared() -> None:
    """Replaces this process by the same command in an environment `for_training`, unless it is in one."""
    if sys.platform == "linux" and _PREPARED not in os.environ:
        os.execve(sys.executable, [sys.executable, *sys.orig_argv[1:]], for_training())
