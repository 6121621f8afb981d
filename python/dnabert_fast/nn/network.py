"""An encoder with its head: pieces in, vectors and logits out. Knows no files; prepares weights for inference."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from ..errors import BackendUnavailable, DnabertError
from .backends import Backend, choose
from .config import NetworkConfig
from .encoder import Encoder
from .heads import Head, MaskedLM, Tokens, make_head
from .packed import Packed
from .prepared import PreparedEncoder

__all__ = ["POSITIONS", "Network", "build"]

POSITIONS = ("random", "sinusoidal")
"""How a position table may start; see `build`."""


class Network(nn.Module):
    """Encoder and head on a backend.

    With gradients off and in eval mode a backend runs on frozen weights in its precision; they are made at the first
    call and made again when a parameter has changed. So does an encoder of which no parameter is trained, whatever the
    mode, and then without dropout. Everything else runs on the parameters, which are fp32 and on the backend's device:
    in fp32 on processors, in the precision of the backend on GPUs (the head in fp32).

    `legacy_padding` (reference backend alone): pad each piece to this many tokens and let it attend to the padding as
    the original does since August 2021; for long windows a multiple of 512, whose unused pieces the head sees too.
    `mlm_bias` 2 counts the masked-LM bias twice, as the original does.
    """

    def __init__(
        self,
        config: NetworkConfig,
        backend: Backend,
        *,
        pooler: bool = True,
        legacy_padding: int | None = None,
        mlm_bias: int = 1,
    ) -> None:
        super().__init__()
        if backend.name != "reference" and (legacy_padding is not None or mlm_bias != 1):
            raise DnabertError("legacy_padding and mlm_bias are quirks of the reference backend; ask for that one")
        dimension = config.encoder.hidden_size // config.encoder.heads
        if backend.dimensions and dimension not in backend.dimensions:
            known = ", ".join(map(str, backend.dimensions))
            raise BackendUnavailable(
                f"backend {backend.name}: attention heads have {dimension} dimensions, but its kernels take {known}; "
                "use --device cpu"
            )
        self.config = config
        self.backend = backend
        self.legacy_padding = legacy_padding
        self.encoder = Encoder(config.encoder, backend)
        self.head: Head = make_head(config, backend, pooler=pooler, mlm_bias=mlm_bias)
        self._prepared: PreparedEncoder | None = None

    def encode(self, packed: Packed) -> Tensor:
        """The last layer's states [R, H] of packed.rows (all tokens where None), in their order."""
        return self._encoder().encode(self._padded(packed))

    def attend(self, packed: Packed) -> tuple[Tensor, Tensor]:
        """The last layer's states of [CLS] [m, H], and the attention of [CLS] in it to every token: fp32 [T, heads].

        Raises DnabertError under `legacy_padding`, where [CLS] attends to padding too.
        """
        self._need_own_lengths()
        return self._encoder().attend(packed)

    def attention_map(self, packed: Packed, layer: int = -1) -> Tensor:
        """The attention of each token of one piece to each other, on the parameters: fp32 [heads, L, L], queries first.

        Raises DnabertError under `legacy_padding`, and for a layer that is not there.
        """
        self._need_own_lengths()
        layers = self.config.encoder.layers
        if not -layers <= layer < layers:
            raise DnabertError(f"layer {layer}: this model has {layers} layers, 0 to {layers - 1}, -1 for the last")
        return self.encoder.attention_map(packed, layer)

    def hidden_states(self, packed: Packed) -> list[Tensor]:
        """The states [T, H] of all tokens after the embeddings and after each layer, on the parameters."""
        padded = self._padded(packed.wanting("all"))
        states = self.encoder.hidden_states(padded)
        if padded.rows is None:
            return states
        rows = torch.from_numpy(padded.rows).to(states[0].device)
        return [state[rows] for state in states]

    def pieces(self, packed: Packed) -> Tensor:
        """The head's fp32 vector of each piece [m, D]."""
        return self.head.pieces(self.encode(packed.wanting(self.head.wants)))

    def windows(self, vectors: Tensor, counts: Sequence[int] | np.ndarray[Any, Any]) -> Tensor:
        """fp32 logits [n, C] of n windows: counts[i] neighbouring piece vectors each (see `pieces`)."""
        pieces = np.asarray(counts, dtype=np.int64)
        if self.legacy_padding is not None and self.legacy_padding > self.config.encoder.max_positions:
            vectors, pieces = self._with_unused_pieces(vectors, pieces)
        return self.head.windows(vectors, pieces)

    def token_logits(self, packed: Packed) -> Tensor:
        """fp32 logits of packed.rows (all tokens where None): [R, V] of a masked-LM head, [R, C] of a token head."""
        if isinstance(self.head, Tokens):
            return self.head.logits(self.encode(packed))
        if not isinstance(self.head, MaskedLM):
            raise DnabertError(f"this model has a {self.config.head} head, not one that scores tokens")
        return self.head.logits(self.encode(packed).float(), self.encoder.word)

    def forward(self, packed: Packed, counts: Sequence[int] | np.ndarray[Any, Any] | None = None) -> Tensor:
        """Logits of windows [n, C] (one piece each where counts is None); of tokens [R, C] with a head for these."""
        if isinstance(self.head, (MaskedLM, Tokens)):
            return self.token_logits(packed)
        return self.windows(self.pieces(packed), np.ones(packed.pieces, np.int64) if counts is None else counts)

    def prepare(self) -> PreparedEncoder:
        """The encoder with weights laid out for inference in the backend's precision, as the parameters are now."""
        prepared = self._prepared  # another thread may make it too, at the same time
        if prepared is None or not prepared.made_of(self.encoder):
            prepared = self._prepared = None
            with torch.inference_mode(False):  # what it gives may enter a head that trains
                prepared = self._prepared = PreparedEncoder(self.encoder, self.backend)
        return prepared

    def train(self, mode: bool = True) -> Network:
        """Training mode (dropout, no prepared weights) or evaluation mode."""
        if mode and self._trains():
            self._prepared = None
        super().train(mode)
        return self

    def with_head(self, config: NetworkConfig, seed: int) -> Network:
        """The same encoder and pooler (shared, not copied) under a new head drawn from `seed`."""
        network = build(config, self.backend, seed=seed, pooler=self.head.pooler is not None)
        network.encoder = self.encoder
        if self.head.pooler is not None:
            network.head.pooler = self.head.pooler
        return network.train(self.training)

    def _encoder(self) -> Encoder | PreparedEncoder:
        if self.backend.frozen is None or ((self.training or torch.is_grad_enabled()) and self._trains()):
            return self.encoder
        return self.prepare()

    def _need_own_lengths(self) -> None:
        if self.legacy_padding is not None:
            raise DnabertError("attention is of a sequence's own tokens; read the model without legacy_padding")

    def _trains(self) -> bool:
        """Whether the encoder is trained."""
        return any(parameter.requires_grad for parameter in self.encoder.parameters())

    def _padded(self, packed: Packed) -> Packed:
        if self.legacy_padding is None:
            return packed
        return packed.padded(min(self.legacy_padding, self.config.encoder.max_positions))

    def __getstate__(self) -> dict[str, Any]:
        """Copies and pickles leave the prepared weights out; they are made again when needed."""
        return self.__dict__ | {"_prepared": None}

    def _with_unused_pieces(self, vectors: Tensor, counts: np.ndarray[Any, Any]) -> tuple[Tensor, Any]:
        """The original gives the head its unused pieces too: padding alone, under a mask of zeros."""
        assert self.legacy_padding is not None
        length = self.config.encoder.max_positions
        split = self.legacy_padding // length
        if counts.max() > split:
            raise DnabertError(
                f"a window of {counts.max()} pieces, but legacy_padding {self.legacy_padding} is {split}"
            )
        unused = Packed.from_arrays(np.zeros(length, np.uint16), np.array([0, length], np.int32), vectors.device)
        vector = self.head.pieces(self.encoder.encode(unused))
        index = np.full((len(counts), split), len(vectors))
        index[np.arange(split) < counts[:, None]] = np.arange(len(vectors))
        taken = torch.from_numpy(index.ravel()).to(vectors.device)
        return torch.cat([vectors, vector])[taken], np.full(len(counts), split)


@torch.inference_mode(False)  # the parameters must be fit for training wherever they are made
def build(
    config: NetworkConfig, backend: Backend | None = None, *, seed: int, positions: str = "random", **options: Any
) -> Network:
    """A network with fresh weights: N(0, initializer_range), LayerNorms 1 and 0, biases 0, as BERT begins.

    With `positions` "sinusoidal" the position table starts as Vaswani et al. 2017 (section 3.5) have it, scaled to the
    same deviation, so that attention finds a token's neighbours sooner; it is trained like the rest.

    They are drawn on the processor, so that a seed gives the same ones on every device.
    """
    backend = backend or choose()
    with torch.device("meta"):
        network = Network(config, backend, **options)
    network.to_empty(device="cpu")
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for module in network.modules():
            for name, parameter in module.named_parameters(recurse=False):
                if isinstance(module, nn.RNNBase):
                    _init_recurrent(name, parameter, generator)
                elif parameter.ndim > 1:
                    parameter.normal_(0.0, config.encoder.initializer_range, generator=generator)
                else:
                    parameter.fill_(1.0 if isinstance(module, nn.LayerNorm) and name == "weight" else 0.0)
        if positions == "sinusoidal":
            table = network.encoder.position
            table.copy_(_sinusoids(*table.shape) * (config.encoder.initializer_range * math.sqrt(2)))
    return network.to(backend.device)


def _sinusoids(positions: int, dimensions: int) -> Tensor:
    """sin and cos side by side of each position at wavelengths of 2 pi to 20,000 pi, [positions, dimensions]."""
    pairs = torch.arange(-(-dimensions // 2)) * 2 / dimensions
    angles = torch.arange(positions)[:, None] * 10_000.0**-pairs
    return torch.stack([angles.sin(), angles.cos()], dim=2).flatten(1)[:, :dimensions]


def _init_recurrent(name: str, parameter: Tensor, generator: torch.Generator) -> None:
    # As the original: Xavier-normal matrices; biases start at 0 here (it draws them from N(0, 1), which saturates).
    if name.startswith("weight"):
        nn.init.xavier_normal_(parameter, generator=generator)
    else:
        parameter.zero_()
