"""How fast each preset trains on this machine, and what share that is of what the machine's measured limits allow.

`python benchmarks/throughput.py` prints a Markdown table; `--json` prints the same as JSON. Every preset is measured in
a process of its own, under tcmalloc where it is installed, on random images in memory: whole training steps as the
trainer takes them, without its pictures, statistics and saved states. Leave the machine idle meanwhile.

- images/s: images shown to D a second; the median of several windows, each of whole cycles, so that a penalty that is
  due only every so many steps is in each. In brackets the slowest and the fastest window.
- of peak: the floating-point operations of the step's matrix products and convolutions, forward and backward, as
  PyTorch's own counter gives them, a second, over the rate of a large matrix product in the same precision, with the
  same threads, in the same process.
- of roofline: the least time that the step could take over what it takes. The least is the larger of its operations
  over that rate, and its least traffic over the measured bandwidth of memory: every convolution, matrix product and
  optimizer step reads its operands and writes its result once, and all else (activations, norms, penalties) rides along
  for nothing.
- where the time goes: by PyTorch's profiler, each operation's own time.
- peak memory: of the process, with PyTorch itself in it; on a GPU also what the GPU held.
- with --compare: the same networks the plain way: float32, contiguous tensors, the system's malloc, optimizers unfused,
  resampling apart from its convolution.
- with --compile: the same with compile=true, which needs some minutes a preset before its first step.
"""

from __future__ import annotations

import json
import math
import platform
import statistics
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from gan_core import environment  # noqa: E402  (torch only in the processes that measure: see peak_memory)
from gan_core.errors import UserError  # noqa: E402
from gan_core.presets import configure  # noqa: E402

if TYPE_CHECKING:
    import torch

    from gan_core.train.game import Game

CLASSES = 5
IMAGES = 2048
WINDOWS = 5
ORDER = ("dcgan", "wgan", "wgan-gp", "acgan", "knee-64")
# Parts of operators' names, in the order in which they are tried, by the kind of work they are.
KINDS = {
    "convolution": ("conv",),
    "normalisation": ("norm", "var", "std"),
    "resampling": ("pool", "upsample"),
    "optimizer": ("adam", "rmsprop", "foreach", "lerp", "addcdiv"),
    "matrix product": ("mm", "linear", "matmul"),
    "element by element": (
        "relu",
        "add",
        "mul",
        "div",
        "sub",
        "tanh",
        "sigmoid",
        "softplus",
        "dropout",
        "square",
        "pow",
    ),
    "copies and fills": ("copy", "fill", "zero", "cat", "contiguous", "clone", "flip", "pad", "empty", "index"),
}


@dataclass(frozen=True)
class Options:
    resolution: int
    batch: int
    seconds: float
    threads: int


# -- measuring, in a process of its own -------------------------------------------------------------------------------


def measure(preset: str, options: Options, way: str) -> dict[str, Any]:
    """All figures of one preset, done the "fast", the "plain" or the "compiled" way."""
    import numpy as np
    import torch

    from gan_core import networks
    from gan_core.train.game import Batches, Game

    if options.threads:
        torch.set_num_threads(options.threads)
    settings = {"precision": "float32" if way == "plain" else "auto", "compile": way == "compiled"}
    config = configure(preset, resolution=options.resolution, batch=options.batch, kimg=1e6, **settings)
    rng = np.random.default_rng(0)
    side = options.resolution
    images = rng.integers(0, 256, (max(IMAGES, options.batch), 1, side, side), np.uint8)
    labels = rng.integers(0, CLASSES, len(images))
    game = Game(config, Batches(images, labels, 0), CLASSES)
    if way == "plain":
        make_plain(game)
    cycle = math.lcm(config.penalty_every, config.n_critic) // config.n_critic

    run_steps(game, cycle)  # the first steps choose kernels and make the optimizers' state
    once = run_steps(game, cycle)
    cycles = max(1, round(options.seconds / WINDOWS / once))
    shown = cycles * cycle * config.n_critic * config.batch
    rates = sorted(shown / run_steps(game, cycles * cycle) for _ in range(WINDOWS))
    memory = peak_memory()  # before the counting and the matrices below add theirs
    gpu = torch.cuda.max_memory_allocated() if game.device.type == "cuda" else None
    if not game.finite():
        raise SystemExit(f"{preset}: the networks' weights became infinite or undefined; no figure is given.")

    game.fast_G, game.fast_D = game.G, game.D  # what is fused cannot be told apart
    flops, traffic = count_work(game, cycle)
    shares = time_shares(game, cycle)
    dtype = torch.bfloat16 if game.bfloat16 else torch.float32
    peak = matmul_rate(game.device, dtype, max(0.1, min(2.0, options.seconds / 4)))
    bandwidth = copy_rate(game.device, max(0.1, min(1.0, options.seconds / 4)))
    each = cycle * config.n_critic * config.batch
    flops_per_image, bytes_per_image = flops / each, traffic / each
    least = max(flops_per_image / peak, bytes_per_image / bandwidth)
    images_per_second = statistics.median(rates)
    return {
        "preset": preset,
        "images_per_second": images_per_second,
        "images_per_second_range": [rates[0], rates[-1]],
        "gflop_per_image": flops_per_image / 1e9,
        "gflops": images_per_second * flops_per_image / 1e9,
        "peak_gflops": peak / 1e9,
        "share_of_peak": images_per_second * flops_per_image / peak,
        "megabytes_per_image": bytes_per_image / 1e6,
        "bandwidth_gb": bandwidth / 1e9,
        "bound_by": "operations" if flops_per_image / peak > bytes_per_image / bandwidth else "memory",
        "share_of_roofline": images_per_second * least,
        "time_shares": shares,
        "precision": "bfloat16" if game.bfloat16 else "float32",
        "peak_memory_mib": memory / 2**20,
        "gpu_memory_mib": None if gpu is None else gpu / 2**20,
        "g_parameters": networks.count_parameters(game.G),
        "d_parameters": networks.count_parameters(game.D),
        "n_critic": config.n_critic,
        "device": device_name(game.device),
        "threads": torch.get_num_threads(),
        "torch": torch.__version__,
        "tcmalloc": environment.has_tcmalloc(),
    }


def run_steps(game: Game, count: int) -> float:
    """Seconds of `count` whole steps: n_critic of D, one of G."""
    wait_for(game.device)
    start = time.perf_counter()
    for _ in range(count):
        game.step()
    wait_for(game.device)
    return time.perf_counter() - start


def wait_for(device: torch.device) -> None:
    import torch

    if device.type != "cpu":
        torch.accelerator.synchronize(device)


def count_work(game: Game, steps: int) -> tuple[int, int]:
    """Floating-point operations (a product and a sum are two) and least bytes of memory traffic of `steps` whole steps,
    double backward included.

    By PyTorch's formulas for matrix products and convolutions. Its own FlopCounterMode also watches which module each
    belongs to, and that fails where a step asks for a gradient's gradient.
    """
    import torch
    from torch.utils._python_dispatch import TorchDispatchMode
    from torch.utils._pytree import tree_leaves
    from torch.utils.flop_counter import flop_registry

    def size(x: Any) -> int:
        return sum(t.nbytes for t in tree_leaves(x) if isinstance(t, torch.Tensor))

    class Counter(TorchDispatchMode):
        flops = traffic = 0

        def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            out = func(*args, **(kwargs or {}))
            if formula := flop_registry.get(func._overloadpacket):
                self.flops += formula(*args, **(kwargs or {}), out_val=out)
                self.traffic += size(args) + size(out)
            elif "adam" in func.__name__:
                self.traffic += 2 * size(args)  # parameters, gradients and moments, read and written in place
            return out

    with Counter() as counter:
        run_steps(game, steps)
    return counter.flops, counter.traffic


def time_shares(game: Game, steps: int) -> dict[str, float]:
    """The share of the time of `steps` whole steps that each kind of work takes, the largest first."""
    from torch.profiler import ProfilerActivity, profile

    gpu = game.device.type == "cuda"
    activities = [ProfilerActivity.CPU, *([ProfilerActivity.CUDA] if gpu else [])]
    with profile(activities=activities, acc_events=True) as record:
        run_steps(game, steps)
    times: dict[str, float] = {}
    for event in record.key_averages():
        kind = next((k for k, parts in KINDS.items() if any(p in event.key.lower() for p in parts)), "the rest")
        own = event.self_device_time_total if gpu else event.self_cpu_time_total
        times[kind] = times.get(kind, 0.0) + own
    whole = sum(times.values())
    return {kind: t / whole for kind, t in sorted(times.items(), key=lambda item: -item[1])}


def matmul_rate(device: torch.device, dtype: torch.dtype, seconds: float) -> float:
    """The best rate, in operations a second, of square matrix products within about `seconds`."""
    import torch

    side = 2048 if device.type == "cpu" else 8192
    a, b = (torch.randn(side, side, device=device).to(dtype) for _ in range(2))
    out = a @ b
    best, end = math.inf, time.perf_counter() + seconds
    while best == math.inf or time.perf_counter() < end:
        wait_for(device)
        start = time.perf_counter()
        torch.matmul(a, b, out=out)
        wait_for(device)
        best = min(best, time.perf_counter() - start)
    return 2 * side**3 / best


def copy_rate(device: torch.device, seconds: float) -> float:
    """The best rate, in bytes read and written a second, of copying what no cache holds, within about `seconds`."""
    import torch

    source = torch.ones(64 * 2**20, device=device)
    target = torch.empty_like(source)
    best, end = math.inf, time.perf_counter() + seconds
    while best == math.inf or time.perf_counter() < end:
        wait_for(device)
        start = time.perf_counter()
        target.copy_(source)
        wait_for(device)
        best = min(best, time.perf_counter() - start)
    return 2 * source.nbytes / best


def peak_memory() -> int:
    """The most memory that this process has held, in bytes.

    Linux hands a parent's peak on to its child, so the process that starts this one must not have loaded torch.
    """
    try:
        import resource
    except ImportError:
        import psutil

        return psutil.Process().memory_info().peak_wset  # Windows
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def make_plain(game: Game) -> None:
    """Undoes, in place, the choices of layout, optimizer and fused resampling that make the game fast."""
    import torch
    from torch.nn import functional as F

    from gan_core.networks.residual import DownConv, UpConv

    contiguous = torch.contiguous_format

    def relay(_: torch.nn.Module, inputs: tuple[torch.Tensor]) -> tuple[torch.Tensor]:
        # By the strides and not by is_contiguous(): with one channel a channels_last tensor passes for both.
        (x,) = inputs
        return (x if x.stride(1) == x.shape[2] * x.shape[3] else x.clone(memory_format=contiguous),)

    for net in (game.G, game.D, game.G_ema):
        for module in net.modules():
            if isinstance(module, (torch.nn.Conv2d, torch.nn.ConvTranspose2d)):
                module.weight.data = module.weight.detach().clone(memory_format=contiguous)
                module.register_forward_pre_hook(relay)
            if isinstance(module, UpConv):
                module.forward = lambda x, m=module: F.conv2d(
                    F.interpolate(x, scale_factor=2, mode="nearest"), m.weight, m.bias, padding=1
                )
            if isinstance(module, DownConv):
                module.forward = lambda x, m=module: F.avg_pool2d(F.conv2d(x, m.weight, m.bias, padding=1), 2)
    for optimizer in (game.g_opt, game.d_opt):
        for group in optimizer.param_groups:
            group["fused"] = False


def device_name(device: torch.device) -> str:
    import torch

    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        return next(line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()


# -- asking for it ----------------------------------------------------------------------------------------------------


def ask(preset: str, options: Options, way: str) -> dict[str, Any]:
    """`measure` in a fresh process, whose peak memory and allocator are its own."""
    command = [
        sys.executable,
        str(Path(__file__).resolve()),
        "--presets",
        preset,
        "--measure",
        way,
    ]
    for name in ("resolution", "batch", "seconds", "threads"):
        command += [f"--{name}", str(getattr(options, name))]
    env = environment.for_training()
    if way == "plain":
        preloaded = [p for p in env.pop("LD_PRELOAD", "").split() if "tcmalloc" not in p]
        env |= {"LD_PRELOAD": " ".join(preloaded)} if preloaded else {}
    done = subprocess.run(command, env=env, stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{preset}: measuring failed with exit code {done.returncode}; what it said is above.")
    return json.loads(done.stdout)


def markdown(results: list[dict[str, Any]], options: Options) -> str:
    """The table, over a line that says on what it was measured."""
    one = results[0]
    malloc = "tcmalloc" if one["tcmalloc"] else "the system's malloc (tcmalloc is not installed)"
    compare, compiled = (any(way in r for r in results) for way in ("plain", "compiled"))
    columns = [
        "preset",
        "images/s",
        "GFLOP/image",
        "of peak",
        "of roofline",
        "where the time goes",
        "peak memory",
        "parameters G + D",
    ]
    columns += ["plain images/s", "faster by"] if compare else []
    columns += ["compiled images/s", "of roofline"] if compiled else []
    rows = [columns, ["---", *["---:"] * (len(columns) - 1)]]
    for r in results:
        low, high = r["images_per_second_range"]
        gpu = f" + {r['gpu_memory_mib']:,.0f} on the GPU" if r["gpu_memory_mib"] is not None else ""
        row = [r["preset"], f"{r['images_per_second']:.1f} ({low:.1f} to {high:.1f})", f"{r['gflop_per_image']:.2f}"]
        most = [f"{kind} {share:.0%}" for kind, share in r["time_shares"].items() if share >= 0.05]
        row += [
            f"{r['share_of_peak']:.0%}",
            f"{r['share_of_roofline']:.0%} ({r['bound_by']})",
            ", ".join(most),
            f"{r['peak_memory_mib']:,.0f} MiB{gpu}",
        ]
        row += [f"{r['g_parameters'] / 1e6:.2f} M + {r['d_parameters'] / 1e6:.2f} M"]
        if compare:
            plain = r["plain"]["images_per_second"]
            row += [f"{plain:.1f}", f"{r['images_per_second'] / plain:.1f} times"]
        if compiled:
            row += [f"{r['compiled']['images_per_second']:.1f}", f"{r['compiled']['share_of_roofline']:.0%}"]
        rows.append(row)
    table = "\n".join(f"| {' | '.join(row)} |" for row in rows)
    peaks = {
        r["precision"]: max(s["peak_gflops"] for s in results if s["precision"] == r["precision"]) for r in results
    }
    rates = " and ".join(f"{peak:,.0f} GFLOP/s in {precision}" for precision, peak in peaks.items())
    where = f"{one['device']}, {one['threads']} thread{'s' * (one['threads'] != 1)}"
    return (
        f"{options.resolution}x{options.resolution}, batch {options.batch}, on {where}, torch {one['torch']}, "
        f"{malloc}. "
        f"Matrix products reach {rates}, memory {max(r['bandwidth_gb'] for r in results):.0f} GB/s.\n\n{table}"
    )


def main(
    resolution: Annotated[int, typer.Option(min=16, max=1024)] = 64,
    batch: Annotated[int, typer.Option(min=4, help="A multiple of 4, as knee-64 needs it.")] = 64,
    seconds: Annotated[float, typer.Option(min=0.01, help="Of each preset; at least five cycles are run.")] = 20.0,
    presets: Annotated[str, typer.Option(help="Separated by commas.")] = ",".join(ORDER),
    threads: Annotated[int, typer.Option(min=0, help="0: as PyTorch chooses.")] = 0,
    compare: Annotated[bool, typer.Option("--compare", help="Also the plain way of doing the same steps.")] = False,
    compiled: Annotated[bool, typer.Option("--compile", help="Also with compile=true.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    measure_here: Annotated[str, typer.Option("--measure", hidden=True)] = "",
) -> None:
    """Measure how fast each preset trains on this machine."""
    options = Options(resolution, batch, seconds, threads)
    names = presets.split(",")
    for name in names:
        try:
            configure(name, resolution=resolution, batch=batch)
        except UserError as e:
            raise typer.BadParameter(f"{name}: {e}") from e
    if measure_here:
        print(json.dumps(measure(names[0], options, measure_here)))
        return
    results = []
    for name in names:
        print(f"measuring {name} ...", file=sys.stderr)
        results.append(ask(name, options, "fast"))
        if compare:
            results[-1]["plain"] = ask(name, options, "plain")
        if compiled:
            results[-1]["compiled"] = ask(name, options, "compiled")
    print(json.dumps(results, indent=2) if as_json else markdown(results, options))


if __name__ == "__main__":
    typer.run(main)
