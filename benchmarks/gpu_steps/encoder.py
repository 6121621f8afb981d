"""The 110 M encoder's forward pass: its share of a large product's rate, and transformers on the same weights."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from .bench import Bench
from .inputs import backend, layer_operations, lengths, network, packed, rows
from .machine import ceiling_case, product_rate

TOKENS = 65_536
BATCH = 64
"""Windows of a padded batch of transformers'."""


def encoder(bench: Bench) -> None:
    """Shares and precisions first; torch.compile, which takes longest, last."""
    with torch.no_grad():  # as torch.compile likes it best
        net = network(bench, backend(bench))
        with bench.part("ceiling"):
            _ceiling(bench, net)
        with bench.part("precisions"):
            _precisions(bench, net)
        with bench.part("transformers"):
            _transformers(bench, net)


def _ceiling(bench: Bench, net: Any) -> None:
    each = lengths(bench, "512", TOKENS)
    pack = packed(bench, each)
    seconds = bench.in_turns({"ours": lambda: net.encode(pack), "product": ceiling_case(bench)})
    ceiling, config = product_rate(bench, seconds["product"]), net.config.encoder
    for name, wanted in (("", len(each)), (", skipped counted", sum(each))):
        rate = layer_operations(config, each, wanted) / seconds["ours"]
        bench.record(f"encoder bf16 / ceiling{name}", rate / ceiling)
    bench.record("encoder bf16 tokens/s", sum(each) / seconds["ours"] / 1e6)


def _precisions(bench: Bench, net: Any) -> None:
    pack = packed(bench, lengths(bench, "512", TOKENS))
    others = {
        "fp8": ("fp8", torch.float32),
        "fp16": ("fp16", torch.float32),
        "fp32": ("fp32", torch.float32),
        "bf16 stream": ("bf16", torch.bfloat16),
    }
    cases: dict[str, Callable[[], object]] = {"bf16": lambda: net.encode(pack)}
    states = {"bf16": net.encode(pack)}
    for name, (precision, stream) in others.items():
        with bench.part(name):
            other = network(bench, backend(bench, precision, stream))
            states[name] = other.encode(pack)
            cases[name] = lambda other=other: other.encode(pack)
    seconds = bench.in_turns(cases)
    for name in ("fp8", "fp16"):
        if name in seconds:
            bench.record(f"encoder {name} / bf16", seconds["bf16"] / seconds[name])
    if "bf16 stream" in seconds:
        bench.record("encoder bf16 stream / fp32 stream", seconds["bf16"] / seconds["bf16 stream"])
    if "fp32" in seconds:
        bench.record("encoder bf16 / fp32", seconds["fp32"] / seconds["bf16"])
        for name, state in states.items():
            error = (state.double() - states["fp32"].double()).square().mean().sqrt()
            bench.note(f"root mean square of [CLS] states' differences from fp32: {name} {float(error):.2e}")


def _transformers(bench: Bench, net: Any) -> None:
    theirs = _peer(bench, net)
    shapes = {shape: lengths(bench, shape, TOKENS) for shape in ("512", "mixed")}
    _check(bench, net, theirs, shapes["mixed"][:8])
    ours = {shape: packed(bench, each) for shape, each in shapes.items()}
    batches = {shape: padded(bench, rows(bench, each)) for shape, each in shapes.items()}
    compiled = torch.compile(theirs, backend="eager" if bench.dry else "inductor")
    for kind, model in (("eager ", theirs), ("", compiled)):
        for shape in shapes:
            cases = {"ours": lambda shape=shape: net(ours[shape])}
            for name, peer in (("transformers", model), *([("not compiled", theirs)] if kind == "" else [])):
                cases[name] = lambda peer=peer, shape=shape: [peer(**batch).logits for batch in batches[shape]]
            seconds = bench.in_turns(cases, turns=3)
            if "transformers" in seconds:  # else a note tells why, and what is not compiled does not stand in for it
                mine = seconds.pop("ours")
                bench.record(f"encoder / transformers {kind}{shape}", min(seconds.values()) / mine)


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
    model = transformers.BertForSequenceClassification(config).eval()
    model.load_state_dict(split(net))
    return model.to(bench.device, bench.dtype)


def padded(bench: Bench, given: list[np.ndarray[Any, Any]]) -> list[dict[str, torch.Tensor]]:
    """Batches of BATCH rows as they come, padded to their longest; no mask where nothing is padded."""
    batches = []
    for at in range(0, len(given), BATCH):
        some = given[at : at + BATCH]
        ids = np.zeros((len(some), max(map(len, some))), np.int64)
        mask = np.zeros_like(ids)
        for i, row in enumerate(some):
            ids[i, : len(row)], mask[i, : len(row)] = row, 1
        arrays = {"input_ids": ids} if mask.all() else {"input_ids": ids, "attention_mask": mask}
        batches.append({name: torch.from_numpy(array).to(bench.device) for name, array in arrays.items()})
    return batches


def _check(bench: Bench, net: Any, theirs: Any, each: list[int]) -> None:
    """Logits no farther from fp32 than twice what transformers' are in the same precision."""
    batch = padded(bench, rows(bench, each))[0]
    found, plain = net(packed(bench, each)).double(), theirs(**batch).logits.double()
    exact = theirs.float()(**batch).logits.double()
    theirs.to(bench.dtype)
    ours, peers = ((x - exact).square().mean().sqrt() for x in (found, plain))
    bench.note(
        f"logits' differences from fp32 (root mean square): ours {float(ours):.2e}, transformers {float(peers):.2e}"
    )
    assert ours <= 2 * peers + 1e-5, "logits differ from those of transformers"
