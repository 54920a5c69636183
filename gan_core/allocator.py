"""The memory allocator of a training process.

With glibc's malloc a convolution step on a CPU spends much of its time in page faults; under tcmalloc it does not. A
preloaded library must be there when a process starts, so a training starts itself again with it.
"""

from __future__ import annotations

import ctypes.util
import os
import sys

_NAMES = ("tcmalloc_minimal", "tcmalloc")
_MARK = "KNEE_GAN_ALLOCATOR"


def environment() -> dict[str, str]:
    """This environment with tcmalloc preloaded, if this is Linux and has it; marked, so that it is tried once."""
    env = dict(os.environ) | {_MARK: "1"}
    library = next((found for name in _NAMES if (found := ctypes.util.find_library(name))), None)
    if sys.platform == "linux" and library and "tcmalloc" not in env.get("LD_PRELOAD", ""):
        env["LD_PRELOAD"] = f"{library} {env.get('LD_PRELOAD', '')}".strip()
    return env


def in_use() -> bool:
    return "tcmalloc" in os.environ.get("LD_PRELOAD", "")


def restart_under_tcmalloc() -> None:
    """Replaces this process by the same command under tcmalloc, where that is possible and has not been done."""
    if sys.platform != "linux" or in_use() or _MARK in os.environ:
        return
    env = environment()
    if "LD_PRELOAD" in env:
        os.execve(sys.executable, [sys.executable, *sys.orig_argv[1:]], env)
