"""A step of masked-LM training of the 110 M network, packed, in bf16, against transformers' with autocast and SDPA."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F

from .bench import Bench
from .inputs import backend, layer_operations, lengths, network, packed, rows
from .machine import ceiling_case, product_rate

TOKENS = 32_768
MASKED = 0.15
RATE = 1e-5


def training(bench: Bench) -> None:
    """Forward, backward and AdamW of one batch of 512-token windows, dropout 0.1 as in training."""
    each = lengths(bench, "512", TOKENS)
    chosen = np.random.default_rng(5).random(sum(each)) < MASKED
    wanted = np.flatnonzero(chosen)
    labels = np.concatenate(rows(bench, each)).astype(np.int64)
    net = network(bench, backend(bench), head="mlm")
    peer = _peer(bench, net)
    mine = _loss(bench, net, packed(bench, each, wanted), torch.from_numpy(labels[wanted]).to(bench.device))
    theirs = _peer_loss(bench, peer, each, labels, chosen)
    net.eval()
    peer.eval()
    with torch.no_grad():
        found, expected = float(mine()), float(theirs())
    bench.note(f"loss before training, without dropout: ours {found:.4f}, transformers {expected:.4f}")
    assert abs(found - expected) < 0.02 * abs(expected), "losses of the same weights differ"
    net.train()
    peer.train()
    steps = {
        "ours": _step(bench, net, mine),
        "transformers": _step(bench, peer, theirs),
        "product": ceiling_case(bench),
    }
    seconds = bench.in_turns(steps, turns=3)
    encoder = net.config.encoder
    head = 2 * len(wanted) * encoder.hidden_size * (encoder.hidden_size + encoder.vocab_size)
    done = 3 * (layer_operations(encoder, each, len(wanted)) + head)
    bench.record("training / ceiling", done / seconds["ours"] / product_rate(bench, seconds["product"]))
    bench.record("training tokens/s", sum(each) / seconds["ours"] / 1e3)
    if "transformers" in seconds:
        bench.record("training / transformers", seconds["transformers"] / seconds["ours"])
    if not bench.dry:
        bench.note(f"most memory: {torch.cuda.max_memory_allocated() / 2**30:.1f} GiB, both networks")


def _loss(bench: Bench, net: Any, pack: Any, labels: torch.Tensor) -> Callable[[], torch.Tensor]:
    """The mean cross-entropy of the masked tokens; nothing is computed for others beyond the last layer's keys."""
    ops, head = net.backend.ops, net.head

    def loss() -> torch.Tensor:
        hidden = net.encoder.encode(pack)
        x = ops.linear_gelu(hidden, head.dense.weight, head.dense.bias)
        x = F.layer_norm(x.float(), x.shape[-1:], head.norm.weight, head.norm.bias, head.norm.eps).to(x.dtype)
        return ops.mlm_cross_entropy(x, net.encoder.word, head.bias, labels)

    return loss


def _peer(bench: Bench, net: Any) -> Any:
    import transformers

    from dnabert_fast.nn.keys import split

    encoder = net.config.encoder
    config = transformers.BertConfig(
        vocab_size=encoder.vocab_size,
        hidden_size=encoder.hidden_size,
        num_hidden_layers=encoder.layers,
        num_attention_heads=encoder.heads,
        intermediate_size=encoder.intermediate_size,
        attn_implementation="sdpa",
    )
    model = transformers.BertForMaskedLM(config)
    unknown = model.load_state_dict(split(net), strict=False)
    assert not [name for name in unknown.missing_keys if "decoder" not in name], unknown
    return model.to(bench.device)


def _peer_loss(
    bench: Bench, model: Any, each: list[int], labels: np.ndarray[Any, Any], chosen: np.ndarray[Any, Any]
) -> Callable[[], torch.Tensor]:
    shape = len(each), each[0]
    ids = torch.from_numpy(labels.reshape(shape)).to(bench.device)
    wanted = torch.from_numpy(np.where(chosen, labels, -100).reshape(shape)).to(bench.device)

    def loss() -> torch.Tensor:
        with torch.autocast(bench.device, torch.bfloat16, enabled=not bench.dry):
            return model(input_ids=ids, labels=wanted).loss

    return loss


def _step(bench: Bench, model: Any, loss: Callable[[], torch.Tensor]) -> Callable[[], None]:
    optimizer = torch.optim.AdamW(model.parameters(), lr=RATE, fused=not bench.dry)

    def step() -> None:
        optimizer.zero_grad(set_to_none=True)
        loss().backward()
        optimizer.step()

    return step
