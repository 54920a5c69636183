"""The loop around the game: ticks, pictures, states, stopping. All that a run writes is written here."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils.tensorboard import SummaryWriter

from gan_core import images, networks
from gan_core.config import TrainConfig, check_data, remarks
from gan_core.data.dataset import Dataset, split_by_patient, take
from gan_core.errors import UserError
from gan_core.files import replacing
from gan_core.latent import latents, own_labels
from gan_core.model import NOT_FOR_DIAGNOSIS, Model, ModelConfig, find_generator, load_model, save_model
from gan_core.status import State
from gan_core.train import health
from gan_core.train.distributed import World
from gan_core.train.game import Batches, Game
from gan_core.train.run import Run, Status

PROBE = 64  # images whose variety is watched
STATUS_SECONDS = 1.0
GROWTH = 1.08  # of the images seen, after which there is something new on the curves
EARLY_PICTURES = (0.1, 0.3, 1.0, 2.0, 5.0)  # thousands of images: whoever has just begun has something to look at
STOPPED = "Stopped on request. It can be resumed."
COMPILING = "Compiling the steps: some minutes, once on this machine"
# How near a training comes to the reals, as far as its images of given seeds, uint8 [N, 1, R, R], show it: the kernel
# distance "kd_knee" and its error, {} where nothing can be measured, None where it would take too much time for now.
Judge = Callable[[Callable[[range], np.ndarray]], dict[str, float] | None]


class Trainer:
    """Trains into `run`, going on from its state if it has one. In a run of many processes only rank 0 writes.

    Args:
        run: where everything goes.
        config: all settings; `data` is only a name here.
        dataset: what is learnt from.
        world: the processes that train together, by default this one alone.
        judge: says every `judge_kimg` how near the generator is; the nearest one is kept. None: nobody does.
        command: how somebody else makes the same run, for the cards of its models.

    Raises:
        UserError: where the settings cannot use this data, or the run's state is damaged or of other data.
    """

    def __init__(
        self,
        run: Run,
        config: TrainConfig,
        dataset: Dataset,
        world: World | None = None,
        judge: Judge | None = None,
        command: str = "",
    ) -> None:
        check_data(config, len(dataset.images), len(dataset.class_names))
        self.run, self.config, self.dataset, self.world = run, config, dataset, world or World()
        self.judge, self.command = judge, command
        self.writes = self.world.rank == 0
        if config.threads:
            torch.set_num_threads(config.threads)
        self.num_classes = len(dataset.class_names)
        self.remarks = [*dataset.said, *remarks(config, dataset.class_names, dataset.label_name)]
        shown, unseen = np.arange(len(dataset.images)), None
        if config.held_out:
            shown, held = split_by_patient(dataset.patients, config.held_out)
            unseen = Batches(dataset.images, dataset.labels, config.seed, chosen=held)
        batches = Batches(dataset.images, dataset.labels, config.seed, config.class_balance, shown)
        self.game = Game(config, batches, self.num_classes, self.world, unseen)
        self.shares = tuple(np.bincount(dataset.labels, minlength=self.num_classes) / len(dataset.labels))
        self.total = round(config.kimg * 1000)
        self.seconds = 0.0  # of training in earlier sessions
        self._load_state()
        self.started = time.monotonic()
        self.last_save = self.last_status = self.started
        self.speed_from = (self.started, self.game.nimg)
        self.speed = 0.0
        self.ticks = run.stats()
        self.columns = self._columns()
        some = np.random.default_rng(0).permutation(len(dataset.images))[: PROBE * 4]
        self.real_diversity = health.diversity(take(dataset.images, some))
        self.board: SummaryWriter | None = None
        self.judged = self.game.nimg

    # -- the loop -----------------------------------------------------------------------------------------------------

    def train(self, stop: Callable[[], str], on_status: Callable[[Status], None]) -> Status:
        """The last status, at the end or when `stop()` gives a reason. Raises `UserError` where numbers go wrong."""
        self.on_status = on_status
        if self.writes:
            self.board = SummaryWriter(str(self.run.path), purge_step=self.game.nimg)
        try:
            if self.game.nimg == 0:
                self._picture()
            self._status("running", COMPILING if self.config.compile else "")
            while self.game.nimg < self.total:
                why = stop()
                if self.world.any(bool(why)):
                    return self._end("stopped", why or STOPPED)
                before = self.game.nimg
                self.game.step()
                self._after_step(before)
            return self._end("finished", "")
        finally:
            if self.board:
                self.board.close()

    def _after_step(self, before: int) -> None:
        now = self.game.nimg
        end = now >= self.total
        whole = _crossed(before, now, self.config.tick_kimg) or end
        ticks = whole or _grown(before, now)
        if ticks:
            self._tick(whole)
        if _crossed(before, now, self.config.sample_kimg) or end:
            self._picture()
        elif any(before < 1000 * kimg <= now for kimg in EARLY_PICTURES):
            self._picture(export=False)
        if self.world.any(time.monotonic() - self.last_save > self.config.save_seconds):
            self._save_state()
        if ticks or time.monotonic() - self.last_status > STATUS_SECONDS:
            self._status("running")

    def _tick(self, whole: bool) -> None:
        """A line of statistics; one that is not `whole` leaves out what takes time."""
        self._check_finite()
        stats = self.game.take_stats()
        if whole:
            stats |= self.game.watch(stats)
        self.speed = self._speed_of_late()
        self.speed_from = (time.monotonic(), self.game.nimg)
        if not self.writes:
            return
        tick = {
            "nimg": self.game.nimg,
            "epoch": self.game.nimg / len(self.dataset.images),
            "seconds": self._seconds(),
            "images_per_second": self.speed,
            **(self._looks() if whole else {}),
            **stats,
        }
        self.ticks.append(tick)
        self.run.add_stats(tick)
        assert self.board is not None
        for name, value in tick.items():
            self.board.add_scalar(name, value, self.game.nimg)

    def _looks(self) -> dict[str, float]:
        """What G_ema's images look like."""
        varied = health.diversity(self.game.sample(*self._fixed(range(PROBE))))
        return {"diversity": varied / max(self.real_diversity, 1e-9), **self._judgement()}

    def _judgement(self) -> dict[str, float]:
        """The distance of G_ema to the reals, where one is due; the nearest generator so far is kept."""
        each = self.config.judge_kimg
        if not (self.judge and each and _crossed(self.judged, self.game.nimg, each)):
            return {}
        found = self.judge(lambda seeds: self.game.sample(*self._fixed(seeds)))
        if found is None:
            return {}
        self.judged = self.game.nimg
        if found.get("kd_knee", math.inf) < self.run.best_distance():
            self._export(self.run.best_path, self.game.G_ema)
            self.run.write_best(found["kd_knee"])
        return found

    def _check_finite(self) -> None:
        if self.world.any(not self.game.finite() or not all(math.isfinite(float(s)) for s in self.game.sums.values())):
            kept = f" The last good state, at {self.saved_nimg:,} images, is kept." if self.saved_nimg else ""
            message = (
                f"This training diverged: its numbers became infinite or undefined by {self.game.nimg:,} "
                f"images.{kept} Start again with lower learning rates (g_lr, d_lr), a higher r1_gamma, or a limit on "
                "gradients (grad_clip=1)."
            )
            raise UserError(message)

    def _end(self, state: State, message: str) -> Status:
        self._save_state()
        self._export_both()
        if self.writes:
            self.run.stop_path.unlink(missing_ok=True)
        return self._status(state, message)

    # -- what is written ----------------------------------------------------------------------------------------------

    def _seconds(self) -> float:
        return self.seconds + time.monotonic() - self.started

    def _status(self, state: State, message: str = "") -> Status:
        status = Status(
            state=state,
            message=message,
            warnings=health.warnings([t for t in self.ticks if "diversity" in t], self.config.loss),
            remarks=self.remarks,
            images_seen=self.game.nimg,
            images_total=self.total,
            images_per_second=self.speed or self._speed_of_late(),
            seconds=self._seconds(),
            dataset_size=len(self.dataset.images),
        ).with_process()
        self.last_status = time.monotonic()
        if self.writes:
            self.run.write_status(status)
            self.on_status(status)
        return status

    def _speed_of_late(self) -> float:
        since, nimg = self.speed_from
        return (self.game.nimg - nimg) / max(time.monotonic() - since, 1e-9)

    def _columns(self) -> int:
        """Columns of the samples' grid: a class each where there are a few, else a square."""
        if 2 <= self.game.num_classes <= 12:
            return self.game.num_classes
        return max(1, math.isqrt(self.config.samples))

    def _fixed(self, seeds: range) -> tuple[Tensor, Tensor | None]:
        """z and c of fixed seeds, each with its own class."""
        c = own_labels(seeds, self.shares) if self.game.num_classes else None
        return latents(seeds, self.config.z_dim), c

    def _picture(self, export: bool = True) -> None:
        """The fixed samples and, for `export`, the model folders. Conditional: a row is a seed, a column is a class."""
        self._check_finite()
        if not self.writes:
            return
        rows = max(1, self.config.samples // self.columns)
        if self.game.num_classes == self.columns:
            z = latents(range(rows), self.config.z_dim).repeat_interleave(self.columns, 0)
            c: Tensor | None = torch.arange(self.columns).repeat(rows)
        else:
            z, c = self._fixed(range(rows * self.columns))
        images.save_png(self.run.sample_path(self.game.nimg), images.grid(self.game.sample(z, c), self.columns))
        if export:
            self._export_both()

    def _export_both(self) -> None:
        if self.writes:
            self._export(self.run.generator_path, self.game.G_ema)
            self._export(self.run.discriminator_path, self.game.D)

    def _export(self, folder: Path, net: nn.Module) -> None:
        conditional = bool(self.game.num_classes)
        config = ModelConfig(
            net=net.config,
            class_names=self.dataset.class_names if conditional else (),
            class_shares=self.shares if conditional else (),
            label_name=self.dataset.called(self.config.label_name),
            preset=self.config.preset,
            data=self.dataset.about,
            fit=self.config.fit,
            images_seen=self.game.nimg,
        )
        card = model_card(config, self.config, self._seconds(), networks.count_parameters(net), self.command)
        save_model(folder, net, config, card)

    # -- the state for resuming ---------------------------------------------------------------------------------------

    def _save_state(self) -> None:
        self._check_finite()
        if self.writes:
            state = self.game.state_dict() | {"seconds": self._seconds(), "data": self.dataset.fingerprint}
            state["pixels"] = self.dataset.checksum
            with replacing(self.run.state_path) as temporary, temporary.open("wb") as f:
                torch.save(state, f)  # by itself it does not tell a full disk from any other fault
        self.saved_nimg = self.game.nimg
        self.last_save = time.monotonic()

    def _start_from(self, folder: Path) -> None:
        """G, and D where it lies beside or below, take over from a model folder, growing where these are larger.

        Raises `UserError` where the networks do not go together.
        """
        self._take_over(load_model(folder), self.game.G)
        critics = [folder.parent / "discriminator", folder / "discriminator"]
        if critic := next((p for p in critics if p.is_dir()), None):
            self._take_over(load_model(critic, "discriminator"), self.game.D)
        tensors = [*self.game.G.state_dict().values(), *self.game.D.state_dict().values()]
        self.world.mean([t for t in tensors if t.is_floating_point()])  # what was learnt may differ by rounding
        self.game.G_ema.load_state_dict(self.game.G.state_dict())

    def _take_over(self, model: Model, net: nn.Module) -> None:
        if model.config.net == net.config:
            net.load_state_dict(model.net.state_dict())
            return
        try:
            networks.grow(model.net, net)
        except UserError as e:
            raise UserError(f"{model.path} cannot be this run's start. {e} Set init to nothing to start afresh.") from e

    def _load_state(self) -> None:
        """Goes on from the run's state, if there is one. Raises `UserError` where it is damaged or does not fit."""
        self.saved_nimg = 0
        if not self.run.state_path.exists():
            if self.writes:
                self.run.trim(-1)
            if self.config.init:
                self._start_from(find_generator(self.config.init))
            return
        try:
            state = torch.load(self.run.state_path, map_location=self.game.device, weights_only=True)
            if (
                state["data"] != self.dataset.fingerprint
                or state.get("pixels", self.dataset.checksum) != self.dataset.checksum
            ):
                raise UserError("The data is not what this run was trained on: start a new run.")
            self.game.load_state_dict(state)
            self.seconds = Status(seconds=state["seconds"]).seconds
        except UserError:
            raise
        except Exception as e:  # damaged bytes make its reader raise anything
            raise UserError(
                f"{self.run.state_path} is damaged or has other settings, and cannot be resumed from. The generator/ "
                "folder beside it still works."
            ) from e
        self.saved_nimg = self.game.nimg
        if self.writes:
            self.run.trim(self.game.nimg)


def _crossed(before: int, now: int, kimg: float) -> bool:
    """Whether a multiple of `kimg` thousand images lies in (before, now]."""
    each = max(1, round(kimg * 1000))
    return now // each > before // each


def _grown(before: int, now: int) -> bool:
    """Whether the images seen have grown past another step of `GROWTH`: often at first, hardly ever later."""
    return before < 1 or math.floor(math.log(now, GROWTH)) > math.floor(math.log(before, GROWTH))


def model_card(model: ModelConfig, train: TrainConfig, seconds: float, parameters: int, command: str) -> str:
    """README.md of a model folder, in Markdown."""
    net = model.net
    rows = {
        "Made by": f"preset `{train.preset}`",
        "Data": model.data,
        "Classes": ", ".join(model.class_names) or "none (unlabelled)",
        "Resolution": f"{net.resolution} x {net.resolution}, gray",
        "Pretrained": "a discriminator looked through EfficientNet-Lite0, trained on ImageNet"
        if train.feature_weight
        else "",
        "Images seen": f"{model.images_seen:,}",
        "Training time": f"{seconds / 3600:.2f} h",
        "Parameters": f"{parameters:,}",
        "Command": f"`{command}`" if command else "",
    }
    table = "\n".join(f"| {k} | {v} |" for k, v in rows.items() if v)
    title = f"# {net.role.capitalize()}, {net.resolution} x {net.resolution}"
    return f"{title}\n\n{NOT_FOR_DIAGNOSIS}\n\n| | |\n|---|---|\n{table}\n"
