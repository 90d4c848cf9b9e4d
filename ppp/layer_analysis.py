"""LayerAnalysis: one layer on its way from blocks to a result."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import numpy as np

from ppp.controls import check_frame
from ppp.counting import PlaneCounter
from ppp.engines import chosen_engine
from ppp.frame import Frame, as_frame, haar_rotation
from ppp.kernels.compiling import said_while_compiling
from ppp.planes import Planes
from ppp.preprocessing import Changed, Preprocessing
from ppp.reservoir import Reservoir, Sampled
from ppp.result import NullPlan, PPPResult
from ppp.rule import Rule
from ppp.scan import PILOT_BLOCKS, Scan, Sink, pilot_half_width, run
from ppp.settings import Settings, chosen_epsilon
from ppp.streams import Rows
from ppp.threads import one_blas_thread


@dataclass
class LayerAnalysis:
    """One layer on its way from blocks to a result.

    Parameters
    ----------
    settings : Settings
        What was asked for.
    rows_ahead, inputs_ahead : int or None
        Rows or inputs to come, where that is known.
    provenance : dict
        Where the rows come from.
    preprocessing : Preprocessing or None
        Fitted steps that rows go through before any plane is looked at.
    """

    settings: Settings
    rows_ahead: int | None = None
    inputs_ahead: int | None = None
    provenance: dict[str, Any] = field(default_factory=dict)
    preprocessing: Preprocessing | None = None
    _own: int = field(default=0, init=False)
    _theirs: list[int] = field(default_factory=list, init=False)

    def count(self, blocks: Iterable[Any], workers: int | None = None) -> PPPResult:
        """Count blocks from first to last and return the result."""
        with said_while_compiling(self.settings.progress):
            return self.result(run(blocks, self.plan, workers))

    def plan(self, pilot: Sequence[Any]) -> list[Sink]:
        """Choose frame, epsilon and grid from the first blocks; return the sinks."""
        if not sum(len(block.rows) for block in pilot):
            raise ValueError(f"no activations{self._of()}: the input is empty")
        asked, change = self.settings, self.preprocessing
        if change is not None:
            pilot = [Rows(change.apply(block.rows), block.sample) for block in pilot]
        frame = as_frame(asked.frame, int(pilot[0].rows.shape[1]), asked.seed)
        if change is not None and frame.is_standard and isinstance(asked.frame, str):
            # a unit keeps its name where others before it were dropped
            frame = Frame.standard(frame.n, [f"neuron {unit}" for unit in change.units])
        planes = Planes.of(frame, asked.pairs)
        rule = self._rule(planes, pilot)
        half_width = pilot_half_width(pilot)
        if asked.null is not None:
            check_frame(asked.null, frame)
        self.planes, self.rule = planes, rule
        engine = chosen_engine(asked.engine, pilot[0].rows if change is None else np.empty(0))
        self.provenance |= engine.record
        counter: Sink = PlaneCounter(planes, rule, half_width, engine=engine)
        # the tests fit the steps anew in every turned frame: they need the rows as they came
        sinks = [counter if change is None else Changed(counter, change), Reservoir(asked.seed)]
        if asked.null == "rotation" and (change is None or change.equivariant):
            for index in _under_a_bar(min(asked.null_draws, asked.null_repeats), asked.progress):
                # the very rotations that the tests draw, so that picture k is draw k
                q = haar_rotation(frame.n, np.random.default_rng([asked.seed, index]))
                turned = Planes(frame.rotated(q), planes.ordered)
                drawn: Sink = PlaneCounter(turned, rule, half_width, engine=engine)
                sinks.append(drawn if change is None else Changed(drawn, change))
        self._own = len(sinks)
        for companion in asked.also:
            theirs = list(companion.plan(planes, rule))
            self._theirs.append(len(theirs))
            sinks += theirs if change is None else [Changed(sink, change) for sink in theirs]
        return sinks

    def result(self, gathered: Sequence[Any]) -> PPPResult:
        """Make the result of what the sinks gathered."""
        tally, sampled, drawn = gathered[0], gathered[1], gathered[2 : self._own]
        if not tally.valid:
            steps = [] if self.preprocessing is None else self.preprocessing.record["steps"]
            after = f" after preprocessing ({', '.join(steps)})" if steps else ""
            raise ValueError(
                f"no activation{self._of()} can be projected{after}: of {tally.rows:,} rows "
                f"{tally.zero:,} are all zero and {tally.nonfinite:,} hold NaN or infinity. "
                "Check the layer, the input and the dtype (float16 overflows at 65 504)"
            )
        asked = self.settings
        plan = None
        if asked.null is not None:
            plan = NullPlan(
                asked.null,
                asked.null_repeats,
                asked.seed,
                asked.progress,
                self.preprocessing,
                asked.null_limit,
            )
        provenance = self._provenance(sampled)
        also, start = [], self._own
        for companion, count in zip(asked.also, self._theirs, strict=True):
            also.append(companion.result(gathered[start : start + count]))
            start += count
        return PPPResult(
            self.planes, self.rule, tally, provenance, plan, sampled, tuple(drawn), tuple(also)
        )

    def _rule(self, planes: Planes, pilot: Sequence[Any]) -> Rule:
        asked = self.settings
        if not isinstance(asked.epsilon, str):
            self.provenance["epsilon_rule"] = "given"
            return Rule(asked.epsilon, asked.bins, distance=asked.distance)
        epsilon, why = chosen_epsilon(asked.epsilon, self._rows(pilot), planes)
        self.provenance["epsilon_rule"] = why
        return Rule(epsilon, asked.bins, distance=asked.distance)

    def _rows(self, pilot: Sequence[Any]) -> int:
        """Rows to come: known, or as many an input as the first blocks have."""
        if self.rows_ahead is not None:
            return self.rows_ahead
        seen = sum(len(block.rows) for block in pilot)
        if self.inputs_ahead is None or len(pilot) < PILOT_BLOCKS:
            return seen
        inputs = len(np.unique(np.concatenate([np.asarray(block.sample) for block in pilot])))
        return round(self.inputs_ahead * seen / inputs)

    def _provenance(self, sampled: Sampled) -> dict[str, Any]:
        return {
            "version": _version(),
            "seed": self.settings.seed,
            "tested_rows": len(sampled),
            "preprocess": {} if self.preprocessing is None else self.preprocessing.record,
            **self.provenance,
        }

    def _of(self) -> str:
        layer = self.provenance.get("layer")
        return f" of layer {layer!r}" if layer is not None else ""


def analyse_flow(
    flow: Iterable[tuple[str, Any]], layers: Mapping[str, LayerAnalysis]
) -> dict[str, PPPResult]:
    """Analyse several layers whose blocks come interleaved, as a live capture gives them.

    Parameters
    ----------
    flow : iterable of (str, block)
        Blocks by the names of their layers.
    layers : mapping of str to LayerAnalysis
        What becomes of them.

    Returns
    -------
    dict of str to PPPResult
    """
    # the model's forward needs the cores too: one counting thread a layer
    scans = {name: Scan(layer.plan, workers=1) for name, layer in layers.items()}
    progress = any(layer.settings.progress for layer in layers.values())
    with one_blas_thread(), said_while_compiling(progress):
        try:
            for name, block in flow:
                scans[name].append(block)
            return {name: layers[name].result(scan.finish()) for name, scan in scans.items()}
        finally:
            for scan in scans.values():
                scan.close()


def _under_a_bar(draws: int, progress: bool) -> Iterable[int]:
    """Return the numbers of the draws, under a bar: in wide spaces each takes many seconds."""
    from tqdm import tqdm

    hidden = not (progress and draws)
    return tqdm(range(draws), desc="rotations to draw beside", disable=hidden, leave=False)


@cache
def _version() -> str:
    try:
        return version("privileged-planes")
    except PackageNotFoundError:
        return "source tree, not installed"
