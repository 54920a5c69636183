"""One process or many: what a step needs to know of the others. Started by torchrun, or alone."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
import torch.distributed as dist
from torch import Tensor


@dataclass(frozen=True)
class World:
    """`rank` of `size` processes that train one model together."""

    rank: int = 0
    size: int = 1

    def share(self, batch: int) -> slice:
        """This process's part of a batch of `batch` images."""
        each = batch // self.size
        return slice(self.rank * each, (self.rank + 1) * each)

    def mean(self, tensors: list[Tensor]) -> None:
        """Each tensor, in place, becomes its mean over the processes: one message for all."""
        if self.size == 1:
            return
        flat = torch.cat([t.flatten() for t in tensors])
        dist.all_reduce(flat)
        flat /= self.size
        for t, part in zip(tensors, flat.split([t.numel() for t in tensors]), strict=True):
            t.copy_(part.view_as(t))

    def any(self, flag: bool) -> bool:
        """Whether `flag` holds in any process: all must decide alike."""
        if self.size == 1:
            return flag
        t = torch.tensor(float(flag))
        if dist.get_backend() == "nccl":
            t = t.cuda()
        dist.all_reduce(t, op=dist.ReduceOp.MAX)
        return bool(t.item())


@contextmanager
def world() -> Iterator[World]:
    """The processes that torchrun started (gloo on CPUs, nccl on GPUs), or this one alone."""
    size = int(os.environ.get("WORLD_SIZE", "1"))
    if size == 1:
        yield World()
        return
    # An optimizer's first step would import it. Imported while the group lives, it keeps the group's threads alive past
    # `destroy_process_group`, and one that lets go of a tensor while Python shuts down aborts a finished process.
    torch.compiler.reset()
    cuda = torch.cuda.is_available()
    if cuda:
        torch.cuda.set_device(int(os.environ.get("LOCAL_RANK", "0")))
    dist.init_process_group("nccl" if cuda else "gloo")
    try:
        yield World(dist.get_rank(), size)
    finally:
        dist.destroy_process_group()
