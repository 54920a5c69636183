"""What the two networks look like: tables of their layers, and a diagram of both, taken from a forward pass."""

from __future__ import annotations

import io
import textwrap
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.patches import Circle, FancyArrowPatch, Polygon
from torch import Tensor, nn

from gan_core import networks
from gan_core.config import NetConfig
from gan_core.model import read_config
from gan_core.networks.common import PixelNorm
from gan_core.networks.style import StyledConv
from gan_core.train.run import Run
from studio.runs.media.style import CRITIC, GENERATOR, INK, MUTED

Shape = tuple[int, ...]  # of one image's share: (channels, height, width) or (features,)


class Layer(NamedTuple):
    """A layer with weights: its name in the network, its kind in words, its output's shape without the batch."""

    name: str
    kind: str
    shape: Shape
    parameters: int


@dataclass(frozen=True)
class _Trace:
    layers: list[Layer]
    maps: list[Shape]  # the feature maps (channels, height, width) along the main path, from the first to the last
    flat: dict[str, Shape]  # vectors that the network's own modules put out, by the module's name


def run_nets(run: Run) -> tuple[NetConfig, NetConfig]:
    """The generator's and the critic's configuration of a run. Raises `UserError` until it has written its models."""
    return read_config(run.generator_path).net, read_config(run.discriminator_path).net


def architecture(config: NetConfig) -> list[Layer]:
    """The layers that have weights, in the order of a forward pass. Their parameters add up to the network's.

    Nothing is computed and no memory taken: the pass runs on PyTorch's meta device. Raises `UserError` where the
    network would be too large.
    """
    return _trace(config).layers


def _trace(config: NetConfig) -> _Trace:
    trace = _Trace([], [], {})
    c = None
    with torch.device("meta"):
        net = networks.build(config).eval()
        if config.num_classes:
            c = torch.zeros(1, dtype=torch.long)
        side = config.resolution
        x = torch.zeros(1, config.z_dim) if config.role == "generator" else torch.zeros(1, 1, side, side)
    for name, p in net.named_parameters(recurse=False):
        trace.layers.append(Layer(name, "learned constant", tuple(p.shape[1:]), p.numel()))
    for name, module in net.named_modules():
        if not isinstance(module, nn.ModuleList) and name:
            module.register_forward_hook(_recorder(trace, name))
    image = net(x, c)
    if isinstance(image, Tensor):
        _add_map(trace.maps, image)
    return trace


def _recorder(trace: _Trace, name: str) -> Callable[[nn.Module, tuple[Tensor, ...], Any], None]:
    """A forward hook that notes what the module `name` did."""
    _, _, rest = name.partition(".")
    own = not rest or rest.isdigit()  # a part of the network itself, or an item of its lists

    def note(module: nn.Module, inputs: tuple[Tensor, ...], output: Any) -> None:
        if isinstance(output, tuple):  # a level's features come first, beside the image so far
            output = output[0]
        shape = tuple(output.shape[1:])
        parameters = sum(p.numel() for p in module.parameters(recurse=False))
        if parameters:
            trace.layers.append(Layer(name, _kind(module), shape, parameters))
        if own:
            if not trace.maps:
                _add_map(trace.maps, inputs[0])
            _add_map(trace.maps, output)
            if output.dim() == 2:
                trace.flat[name] = shape

    return note


def _add_map(maps: list[Shape], x: Tensor) -> None:
    """Appends x's shape if it is a feature map and a new one; a map cut by a row is replaced by what is left."""
    if x.dim() != 4:
        return
    shape = tuple(x.shape[1:])
    if maps and maps[-1][0] == shape[0] and 0 <= maps[-1][1] - shape[1] <= 1:
        maps[-1] = shape
    else:
        maps.append(shape)


def _kind(module: nn.Module) -> str:
    if isinstance(module, (nn.Conv2d, nn.ConvTranspose2d)):
        what = "transposed convolution" if isinstance(module, nn.ConvTranspose2d) else "convolution"
        stride = f", stride {module.stride[0]}" if module.stride[0] > 1 else ""
        return f"{what} {module.kernel_size[0]} × {module.kernel_size[1]}{stride}"
    names = {
        nn.Linear: "fully connected",
        nn.BatchNorm2d: "batch normalisation",
        nn.GroupNorm: "layer normalisation",
        nn.Embedding: "class embedding",
        PixelNorm: "pixel normalisation",
        StyledConv: "bias of a styled convolution",
    }
    return names.get(type(module), type(module).__name__)


# -- the diagram ------------------------------------------------------------------------------------------------------
# All lengths are inches: the axes' units are the figure's.

TALLEST, WIDEST = 2.5, 0.62  # of a block: at the highest resolution, at the most channels
SHORTEST, THINNEST = 0.22, 0.05
DEPTH = (0.17, 0.12)  # how far a block's back is to the right and up, as shares of its height
GAP = 0.3  # at least so much between neighbours, for the arrow
LABEL_WIDTH = 0.078  # of a character under a block
BETWEEN = 0.95  # the two networks
MARGIN = 0.45
ABOVE, BELOW = 1.3, 1.92  # the drawing: titles, labels and notes
NARROWEST = 4.4  # a network's column, for its title and notes
NOTE_CHARACTER = 0.092  # width in a note, with room to spare
VECTOR = (0.13, 1.3)  # width and height of the bar that stands for z or w
IMAGE = "#15181c"
SCALE = "A block's height stands for the resolution and its width for the channels, both as square roots."


@dataclass(frozen=True)
class _Part:
    """One thing in the row: a block (a feature map), a bar (a vector) or a dot (a number)."""

    kind: str
    label: str
    width: float
    height: float
    colour: str

    @property
    def space(self) -> float:
        """The room it takes sideways, its label included."""
        drawn = self.width + (DEPTH[0] * self.height if self.kind == "block" else 0.0)
        return max(drawn, LABEL_WIDTH * max(len(line) for line in self.label.split("\n")))


def architecture_png(g: NetConfig, d: NetConfig) -> bytes:
    """Both networks side by side as a PNG: a block's height stands for the resolution, its width for the channels.

    Both grow with the square root, so that 4 x 4 x 512 and 256 x 256 x 8 fit in one picture.
    """
    out = io.BytesIO()
    _figure(g, d).savefig(out, format="png", dpi=120)
    return out.getvalue()


def _figure(g: NetConfig, d: NetConfig) -> Figure:
    traces = _trace(g), _trace(d)
    largest = max(shape[1] for t in traces for shape in t.maps)
    most = max(shape[0] for t in traces for shape in t.maps)
    rows = [_generator_parts(g, traces[0], largest, most), _critic_parts(d, traces[1], largest, most)]
    drawn = [sum(p.space + GAP for p in row) - GAP for row in rows]
    widths = [max(NARROWEST, w) for w in drawn]
    total = (2 * MARGIN + BETWEEN + sum(widths), ABOVE + TALLEST * (1 + DEPTH[1]) + BELOW)
    figure = Figure(figsize=total, facecolor="white")
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set(xlim=(0, total[0]), ylim=(0, total[1]))
    axes.axis("off")
    middle = BELOW + TALLEST / 2
    starts = MARGIN, MARGIN + widths[0] + BETWEEN
    titles = "Generator G", "Discriminator D"
    for config, trace, width, x, title in zip((g, d), traces, widths, starts, titles, strict=True):
        note = textwrap.fill(_step_in_words(config), int(width / NOTE_CHARACTER))
        colour = GENERATOR if config.role == "generator" else CRITIC
        count = sum(layer.parameters for layer in trace.layers)
        top = total[1] - 0.3
        axes.text(x, top, title, color=colour, fontsize=20, weight="bold", va="top")
        axes.text(x, top - 0.42, f"{count:,} parameters", color=INK, fontsize=14, va="top")
        axes.text(x, 0.85, note, color=MUTED, fontsize=11.5, va="top", linespacing=1.3)
    # The generator's row ends where its column ends and the critic's begins with its own: the images face each other.
    _draw_row(axes, rows[0], starts[0] + widths[0] - drawn[0], middle)
    _draw_row(axes, rows[1], starts[1], middle)
    _arrow(axes, starts[0] + widths[0] + 0.1, starts[1] - 0.1, middle, colour=INK)
    axes.text(MARGIN, 0.16, SCALE, color=MUTED, fontsize=9.5, va="bottom")
    return figure


def _block(shape: Shape, largest: int, most: int, colour: str, remark: str = "") -> _Part:
    channels, side, _ = shape
    width = max(THINNEST, WIDEST * (channels / most) ** 0.5)
    height = max(SHORTEST, TALLEST * (side / largest) ** 0.5)
    return _Part("block", f"{side} × {side}\n× {channels}{remark}", width, height, colour)


def _generator_parts(config: NetConfig, trace: _Trace, largest: int, most: int) -> list[_Part]:
    classes = f"\n+ class ({config.num_classes})" if config.num_classes else ""
    parts = [_Part("bar", f"z\n{config.z_dim}{classes}", *VECTOR, GENERATOR)]
    if "mapping" in trace.flat:
        parts.append(_Part("bar", f"w\n{trace.flat['mapping'][0]}", *VECTOR, GENERATOR))
    parts += [_block(shape, largest, most, GENERATOR) for shape in trace.maps[:-1]]
    return [*parts, _block(trace.maps[-1], largest, most, IMAGE, "\nsynthetic")]


def _critic_parts(config: NetConfig, trace: _Trace, largest: int, most: int) -> list[_Part]:
    parts = [_block(trace.maps[0], largest, most, IMAGE, "\nreal or\nsynthetic")]
    parts += [_block(shape, largest, most, CRITIC) for shape in trace.maps[1:]]
    if "hidden" in trace.flat:
        parts.append(_Part("bar", f"features\n{trace.flat['hidden'][0]}", *VECTOR, CRITIC))
    answer = {
        "projection": f"score for\nclass ({config.num_classes})",
        "classifier": f"score and\nclass ({config.num_classes})",
        "projection+classifier": f"score for\nand class ({config.num_classes})",
    }
    return [*parts, _Part("dot", answer.get(config.conditioning, "score\n1"), 0.24, 0.24, CRITIC)]


def _step_in_words(config: NetConfig) -> str:
    """What happens between two blocks. Unbreakable spaces keep together what a line's end should not part."""
    norms = {"none": "", "batch": "batch\u00a0norm, ", "layer": "layer\u00a0norm, ", "pixel": "pixel\u00a0norm, "}
    up = config.role == "generator"
    if config.architecture == "style" and up:
        return "Each step: resolution doubled, 2 × (convolution 3 × 3 styled by w, leaky\u00a0ReLU), an image added"
    if config.architecture in ("residual", "style"):  # a style-based generator's critic is the residual one
        style = f"{norms[config.norm]}style from w, " if up else ""
        how = "resolution doubled" if up else "resolution halved"
        return f"Each step: a residual block of 2 × ({style}leaky\u00a0ReLU, convolution 3 × 3), {how}"
    if up:
        return f"Each step: transposed convolution 4 × 4, stride\u00a02, {norms[config.norm]}ReLU"
    return f"Each step: convolution 4 × 4, stride\u00a02, {norms[config.norm]}leaky\u00a0ReLU"


def _draw_row(axes: Axes, parts: list[_Part], x: float, middle: float) -> None:
    """The parts from left to right from `x` on, around the height `middle`, with arrows between."""
    end = None
    for part in parts:
        depth = DEPTH[0] * part.height if part.kind == "block" else 0.0
        left = x + (part.space - part.width - depth) / 2
        if end is not None:
            _arrow(axes, end + 0.04, left - 0.04, middle)
        bottom = middle - part.height / 2
        if part.kind == "dot":
            axes.add_patch(Circle((left + part.width / 2, middle), part.width / 2, color=part.colour, linewidth=0))
        else:
            _box(axes, left, bottom, part, DEPTH if part.kind == "block" else (0.0, 0.0))
        axes.text(
            x + part.space / 2,
            bottom - 0.1,
            part.label,
            color=INK,
            fontsize=11,
            ha="center",
            va="top",
            linespacing=1.25,
        )
        end = left + part.width + depth
        x += part.space + GAP


def _box(axes: Axes, x: float, y: float, part: _Part, depth: tuple[float, float]) -> None:
    """A cuboid whose front's lower left corner is at (x, y)."""
    w, h = part.width, part.height
    dx, dy = depth[0] * h, depth[1] * h
    front = [(x, y), (x + w, y), (x + w, y + h), (x, y + h)]
    top = [(x, y + h), (x + w, y + h), (x + w + dx, y + h + dy), (x + dx, y + h + dy)]
    side = [(x + w, y), (x + w + dx, y + dy), (x + w + dx, y + h + dy), (x + w, y + h)]
    for corners, light in ((side, 0.62), (top, 0.78), (front, 0.4)):
        axes.add_patch(Polygon(corners, facecolor=_tint(part.colour, light), edgecolor=part.colour, linewidth=0.9))


def _tint(colour: str, light: float) -> tuple[float, ...]:
    """`colour` mixed with white: 0 is the colour, 1 is white."""
    return tuple(v + (1 - v) * light for v in to_rgb(colour))


def _arrow(axes: Axes, start: float, end: float, y: float, colour: str = MUTED) -> None:
    axes.add_patch(
        FancyArrowPatch(
            (start, y), (end, y), arrowstyle="-|>", mutation_scale=11, color=colour, linewidth=1.2, zorder=5
        )
    )
