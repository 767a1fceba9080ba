"""Training whose layers are divided among the stages of a pipeline, by torch's schedules.

The parts of a step (`gradient_accumulation`, at least as many as stages) go through the stages one after the other.
They have one shape: samples are padded to the longest of the share, and the last part with rows that do not count.
"""

from dataclasses import dataclass, replace
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn

from ratoon_training.domain.parallelism import PipelineSchedule
from ratoon_training.domain.recipes import Recipe
from ratoon_training.worker import objective
from ratoon_training.worker.context import WorkerContext
from ratoon_training.worker.corpus import Batch, Corpus
from ratoon_training.worker.mesh import Mesh
from ratoon_training.worker.session import Data, Drawn, Part, Session

_MAX_SHAPES = 64
"""Number of shapes of parts whose schedules are kept."""


@dataclass(frozen=True)
class _Output:
    """Output of a decoder, as transformers has it."""

    last_hidden_state: Tensor


class Stage(nn.Module):
    """The layers of one stage: token ids, or the states of the stage before, to states."""

    def __init__(self, decoder: nn.Module, mesh: Mesh) -> None:
        super().__init__()
        self.decoder, self._is_first = decoder, mesh.is_first

    def forward(self, inputs: Tensor) -> Tensor:
        """Return the states after the stage, (rows, places, width)."""
        named = {"input_ids" if self._is_first else "inputs_embeds": inputs}
        states: Tensor = self.decoder(**named, use_cache=False).last_hidden_state
        return states


class PipelineSession(Session):
    """Training on one worker that holds a stage of the model."""

    def __init__(self, recipe: Recipe, model: Any, data: Data, context: WorkerContext) -> None:
        assert context.mesh is not None, "a pipeline has a grid"
        self._mesh = context.mesh
        self._stage = Stage(model.get_decoder(), self._mesh)
        self._width = int(model.config.get_text_config().hidden_size)
        self._schedules: dict[tuple[int, int, int], Any] = {}
        self._micro_batches: list[Batch] = []
        self._weight = 0.0
        self._norms = (1.0, 1.0)
        self._sums = objective.Losses(torch.zeros(()), torch.zeros(()))
        super().__init__(recipe, model, data, context)

    def _parts(self, samples: Corpus, share: list[int]) -> list[Part]:
        return []

    def _backward(self, drawn: Drawn, weight: float) -> tuple[Tensor, Tensor]:
        share = drawn.share
        nothing = torch.zeros((), device=self.context.device)
        self._sums = objective.Losses(nothing, nothing)
        if not share:
            return nothing, nothing
        self._micro_batches, self._norms, self._weight = self._cut(drawn.samples, share), drawn.norms, weight
        rows, places = self._micro_batches[0].model_inputs()["input_ids"].shape
        schedule = self._schedule(len(self._micro_batches), rows, places)
        with self.context.precision(self.recipe.dtype):
            self._run(schedule, rows)
        sums = self._mesh.sum(torch.stack([self._sums.answer, self._sums.language]), "pipeline")
        return sums[0], sums[1]

    def _run(self, schedule: Any, rows: int) -> None:
        inputs = torch.cat([part.model_inputs()["input_ids"] for part in self._micro_batches])
        numbers = torch.arange(len(inputs), device=self.context.device) // rows
        if self._mesh.is_last:
            schedule.step(*([inputs] if self._mesh.is_first else []), target=numbers, return_outputs=False)
        else:
            schedule.step(*([inputs] if self._mesh.is_first else []))

    def _cut(self, train: Corpus, share: list[int]) -> list[Batch]:
        """Return the parts of a share: of one shape, the last one with rows that have no target."""
        stages = self._mesh.layout.pipeline
        count = max(stages, min(self.recipe.gradient_accumulation, len(share)))
        rows = -(-len(share) // count)
        whole = train.batch([*share, *[share[0]] * (rows * count - len(share))]).to(self.context.device)
        whole.answer[len(share) :] = False
        whole.lengths[len(share) :] = 1
        return [_rows(whole, slice(at, at + rows)) for at in range(0, rows * count, rows)]

    def _schedule(self, count: int, rows: int, places: int) -> Any:
        """Return the schedule of parts of this shape."""
        from torch.distributed.pipelining import PipelineStage, Schedule1F1B, ScheduleGPipe

        if (count, rows, places) not in self._schedules:
            if len(self._schedules) >= _MAX_SHAPES:
                self._schedules.pop(next(iter(self._schedules)))
            device, layout = self.context.device, self._mesh.layout
            states = torch.empty(rows, places, self._width, device=device, requires_grad=True)
            ids = torch.empty(rows, places, device=device, dtype=torch.long)
            stage = PipelineStage(
                self._stage,
                self._mesh.stage,
                layout.pipeline,
                device,
                input_args=(ids if self._mesh.is_first else states,),
                output_args=(states,),
                group=self._mesh.axes.get_group("pipeline"),
            )
            kind = Schedule1F1B if layout.schedule is PipelineSchedule.ONE_F_ONE_B else ScheduleGPipe
            loss = self._part_loss if self._mesh.is_last else _no_loss
            self._schedules[count, rows, places] = kind(stage, count, loss_fn=loss, scale_grads=False)
        return self._schedules[count, rows, places]

    def _part_loss(self, hidden: Tensor, numbers: Tensor) -> Tensor:
        """Return the loss of one part; `numbers` name it."""
        part = self._micro_batches[int(numbers[0])]
        sums = objective.losses_of(
            self.core,
            hidden,
            part,
            language=self._weight > 0,
            smoothing=self.recipe.label_smoothing,
        )
        self._sums = objective.Losses(
            self._sums.answer + sums.answer.detach(), self._sums.language + sums.language.detach()
        )
        return sums.answer / self._norms[0] + self._weight * sums.language / self._norms[1]

    def _scores(self) -> list[float]:
        """Return the scores of the validation part: the last stage computes them, and sends them to the others."""
        passing = _Passing(self._stage, self._mesh, self._width)
        if self._mesh.is_last:
            self.core.get_decoder = lambda: passing
            try:
                scores = super()._scores()
            finally:
                del self.core.get_decoder
        else:
            for batch in self._validation_batches():
                for _ in range(self._passes):
                    passing(**batch.model_inputs())
            scores = []
        return self._from_last(scores)

    def _from_last(self, scores: list[float]) -> list[float]:
        count = len(self.curves.scores)
        values = torch.zeros(count, dtype=torch.float64, device=self.context.device)
        if self._mesh.is_last:
            values = torch.tensor(scores, dtype=torch.float64, device=self.context.device)
        result: list[float] = self._mesh.sum(values, "pipeline").tolist()
        return result


class _Passing(nn.Module):
    """The decoder of the last stage while nothing is learned: states come from stage to stage."""

    def __init__(self, stage: Stage, mesh: Mesh, width: int) -> None:
        super().__init__()
        self._stage, self._mesh, self._width = [stage], mesh, width

    def forward(self, input_ids: Tensor, use_cache: bool = False) -> _Output:
        """Return the states after this stage, which the next one receives."""
        group = self._mesh.axes.get_group("pipeline")
        inputs = input_ids
        if not self._mesh.is_first:
            rows, places = input_ids.shape
            inputs = torch.empty(rows, places, self._width, device=input_ids.device)
            dist.recv(inputs, group=group, group_src=self._mesh.stage - 1)
        states = self._stage[0](inputs)
        if not self._mesh.is_last:
            dist.send(states.contiguous(), group=group, group_dst=self._mesh.stage + 1)
        return _Output(states)


def _rows(batch: Batch, rows: slice) -> Batch:
    """Return some rows of a batch."""
    weights = None if batch.weights is None else batch.weights[rows]
    return replace(
        batch,
        ids=batch.ids[rows],
        lengths=batch.lengths[rows],
        answers=batch.answers[rows],
        labels=batch.labels[rows],
        answer=batch.answer[rows],
        weights=weights,
    )


def _no_loss(_: Tensor, __: Tensor) -> Tensor:
    raise AssertionError("only the last stage has a loss")
