"""The encoder frozen for inference: weights laid out once, steps fused. One loop for every precision and device."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

import torch
from torch import Tensor, nn

from .backends import Backend, Frozen, Norm, Ops, State
from .encoder import Encoder, Layer, check_lengths, in_order
from .graphs import CudaRecorder, Graphs
from .packed import Layout, Packed

__all__ = ["PreparedEncoder"]


class PreparedEncoder:
    """A frozen copy of an encoder's weights in the backend's precision; knows no heads."""

    def __init__(self, encoder: Encoder, backend: Backend) -> None:
        assert backend.frozen is not None
        self.config = encoder.config
        self.backend = backend
        self._made_of = _versions(encoder)
        steps = backend.frozen
        with torch.no_grad():
            self._tables = _clone(encoder.word), _clone(encoder.position), _clone(encoder.token_type)
            self._norm = _norm(encoder.norm)
            layers = [layer for layer in encoder.layers if isinstance(layer, Layer)]
            self._layers = [_Layer(f"layers.{i}", layer, steps) for i, layer in enumerate(layers[:-1])]
            self._last = _LastLayer(f"layers.{len(layers) - 1}", layers[-1], steps)
        # Not a method: graphs that held this object, which holds them, would leave both, and the device's memory that
        # they fill, to Python's collector, which knows nothing of that memory.
        self._before = partial(_before_last, steps, self._tables, self._norm, self._layers, self._last)
        self._run = partial(_run, self._before, self._last)
        on_gpu = backend.device.startswith("cuda")
        positions = self.config.max_positions
        self._graphs = Graphs(self._run, CudaRecorder(backend.device), positions) if on_gpu else None

    @property
    def notes(self) -> tuple[str, ...]:
        """What users should know of how it has run."""
        if self._graphs is None or self._graphs.reason is None:
            return ()
        return (f"small batches run without CUDA graphs: {self._graphs.reason}",)

    def made_of(self, encoder: Encoder) -> bool:
        """Whether the encoder's parameters are those this was made of, unchanged since."""
        now = _versions(encoder)
        return all(a is b and old == new for (a, old), (b, new) in zip(self._made_of, now, strict=True))

    @torch.no_grad()
    def encode(self, packed: Packed) -> Tensor:
        """As `Encoder.encode`: states [R, H]."""
        check_lengths(packed, self.config)
        layout = packed.arranged(self.backend.grouped)
        x = self._run(layout) if self._graphs is None else self._graphs(layout)
        return x if layout.restore is None else x.index_select(0, layout.restore)

    @torch.no_grad()
    def attend(self, packed: Packed) -> tuple[Tensor, Tensor]:
        """As `Encoder.attend`: states [m, H] and weights fp32 [T, heads]."""
        check_lengths(packed, self.config)
        layout = packed.wanting("cls").arranged(self.backend.grouped)
        return in_order(layout, *self._last.attended(self._before(layout), layout, self.backend.ops))


class _Block:
    """What follows the attention of a layer."""

    def __init__(self, name: str, layer: Layer, steps: Frozen) -> None:
        self.heads = layer.config.heads
        self.steps = steps
        self.out = steps.linear(f"{name}.out", *layer.effective("out"))
        self.up = steps.linear(f"{name}.up", *layer.effective("up"))
        self.down = steps.linear(f"{name}.down", *layer.effective("down"))
        self.attention_norm = _norm(layer.attention_norm)
        self.norm = _norm(layer.norm)

    def after(self, context: object, stream: Tensor, feeds: object | None) -> State:
        """The state after attention (whose result is `context`) and feed-forward."""
        stream, operand = self.steps.add_norm(self.out, context, stream, self.attention_norm, self.up)
        wide = self.steps.gelu(self.up, operand, self.down)
        return self.steps.add_norm(self.down, wide, stream, self.norm, feeds)


class _Layer(_Block):
    def __init__(self, name: str, layer: Layer, steps: Frozen) -> None:
        super().__init__(name, layer, steps)
        self.qkv = steps.linear(f"{name}.qkv", *layer.effective("qkv"))

    def __call__(self, state: State, layout: Layout, feeds: object) -> State:
        """As `Layer.forward`."""
        stream, operand = state
        context = self.steps.attention(self.steps.project(self.qkv, operand), layout, self.heads, self.out)
        return self.after(context, stream, feeds)


class _LastLayer(_Block):
    def __init__(self, name: str, layer: Layer, steps: Frozen) -> None:
        super().__init__(name, layer, steps)
        hidden = layer.config.hidden_size
        weight, bias = layer.effective("qkv")
        # One name: the two take the same operand, so they are of one precision.
        self.query = steps.linear(f"{name}.qkv", weight[:hidden], bias[:hidden])
        self.kv = steps.linear(f"{name}.qkv", weight[hidden:], bias[hidden:])

    def __call__(self, state: State, layout: Layout) -> Tensor:
        """As `Layer.wanted`."""
        if layout.rows is not None:
            return self._answered(*self._asked(state, layout.rows), layout)
        stream, operand = state
        kv = self.steps.project(self.kv, operand)
        qkv = torch.cat([self.steps.project(self.query, operand), kv], dim=1)
        context = self.steps.attention(qkv, layout, self.heads, self.out)
        states: Tensor = self.after(context, stream, None)[0]
        return states

    def attended(self, state: State, layout: Layout, ops: Ops) -> tuple[Tensor, Tensor]:
        """As `Layer.attended`."""
        assert layout.rows is not None
        stream, query, kv = self._asked(state, layout.rows)
        weights = ops.attention_weights(query, kv, layout, self.heads)
        return self._answered(stream, query, kv, layout), weights

    def _asked(self, state: State, rows: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """The stream of the rows [R, H], their queries [R, H], and keys and values of all tokens [T, 2 H]."""
        kv = self.steps.project(self.kv, state[1])
        stream, operand = self.steps.take(state, rows)
        return stream, self.steps.project(self.query, operand), kv

    def _answered(self, stream: Tensor, query: Tensor, kv: Tensor, layout: Layout) -> Tensor:
        context = self.steps.attention_rows(query, kv, layout, self.heads, self.out)
        states: Tensor = self.after(context, stream, None)[0]
        return states


def _before_last(
    steps: Frozen,
    tables: tuple[Tensor, Tensor, Tensor],
    norm: Norm,
    layers: Sequence[_Layer],
    last: _LastLayer,
    layout: Layout,
) -> State:
    """The state that the last layer takes."""
    fed = [*(layer.qkv for layer in layers), last.kv]
    state = steps.embed(layout, tables, norm, fed[0])
    for layer, feeds in zip(layers, fed[1:], strict=True):
        state = layer(state, layout, feeds)
    return state


def _run(before: Callable[[Layout], State], last: _LastLayer, layout: Layout) -> Tensor:
    """The states of the wanted rows of a layout."""
    return last(before(layout), layout)


def _clone(tensor: Tensor) -> Tensor:
    return tensor.detach().clone()


def _norm(norm: nn.LayerNorm) -> Norm:
    return Norm(_clone(norm.weight), _clone(norm.bias), norm.eps)


def _versions(encoder: Encoder) -> list[tuple[Tensor, int]]:
    # The tensors themselves: a number of one that is gone could be another's.
    return [(parameter, parameter._version) for parameter in encoder.parameters()]
