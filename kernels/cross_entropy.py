"""The masked language model's loss without its logits: made for some rows at a time, turned into gradients in place."""

# mypy: allow-untyped-defs, allow-untyped-calls, allow-incomplete-defs, allow-untyped-decorators, no-check-untyped-defs

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
import triton
import triton.language as tl
from torch import Tensor
from torch.autograd.function import once_differentiable

from .launch import Ahead
from .rows import Tile, compiled, dense, tile

__all__ = ["CHUNK", "ahead", "mlm_cross_entropy"]

CHUNK = 4096
"""Rows whose logits exist at a time: 34 MB for 6-mers in bf16, and a product large enough to fill a GPU."""

# Logits of a row lie this many apart at least, so that rows and products start at whole cache lines.
ALIGNED = 64
BLOCK = 1024


def mlm_cross_entropy(hidden: Tensor, word: Tensor, bias: Tensor, labels: Tensor) -> Tensor:
    """Mean over rows of -log softmax(hidden [R, H] @ word [V, H]^T + bias [V])[label], fp32; the labels are int64 [R].

    The products are in hidden's dtype, whatever that of word and bias; the gradient of word is summed in fp32.
    Differentiable in hidden, word and bias; the gradients are made along with the loss if any is asked for.
    """
    wanted = torch.is_grad_enabled() and any(x.requires_grad for x in (hidden, word, bias))
    loss: Tensor = _CrossEntropy.apply(hidden, word, bias, labels, wanted)
    return loss


class _CrossEntropy(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, hidden: Tensor, word: Tensor, bias: Tensor, labels: Tensor, wanted: bool) -> Tensor:
        hidden, labels = dense(hidden), dense(labels)
        rows, vocabulary = len(hidden), len(word)
        width = ALIGNED * triton.cdiv(vocabulary, ALIGNED)
        # What fills a row up has logits of -inf, which are 0 in the softmax and in the gradients.
        weight = F.pad(word.to(hidden.dtype), (0, 0, 0, width - vocabulary))
        shift = F.pad(bias.float(), (0, width - vocabulary), value=float("-inf"))
        buffer = torch.empty(min(rows, CHUNK), width, dtype=hidden.dtype, device=hidden.device)
        losses = torch.empty(rows, dtype=torch.float32, device=hidden.device)
        if wanted:
            dhidden = torch.empty_like(hidden)
            dweight = torch.zeros(width, hidden.shape[1], dtype=torch.float32, device=hidden.device)
            dbias = torch.zeros(width, dtype=torch.float32, device=hidden.device)
        for first in range(0, rows, CHUNK):
            some = hidden[first : first + CHUNK]
            logits = torch.mm(some, weight.t(), out=buffer[: len(some)])
            _run(logits, shift, labels[first : first + CHUNK], losses[first : first + CHUNK], wanted)
            if wanted:
                # The logits are by now their own gradients.
                torch.mm(logits, weight, out=dhidden[first : first + CHUNK])
                dbias += logits.sum(0, dtype=torch.float32)
                if hidden.dtype is torch.float32:
                    dweight.addmm_(logits.t(), some)
                else:
                    dweight += logits.t() @ some
        if wanted:
            ctx.save_for_backward(dhidden, dweight[:vocabulary], dbias[:vocabulary])
            ctx.dtypes = word.dtype, bias.dtype
        return losses.mean()

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, dloss: Tensor) -> tuple[Tensor, Tensor, Tensor, None, None]:
        dhidden, dweight, dbias = ctx.saved_tensors
        of_word, of_bias = ctx.dtypes
        # Scaled only here: the mean's 1 / R would be lost below fp16's smallest number.
        scale = dloss / len(dhidden)
        return dhidden * scale, (dweight * scale).to(of_word), (dbias * scale).to(of_bias), None, None


def _plan(width: int) -> Tile:
    plan = tile(min(width, BLOCK))
    return Tile(width, plan.block, plan.rows, plan.warps)


def _run(logits: Tensor, bias: Tensor, labels: Tensor, losses: Tensor, wanted: bool) -> None:
    tokens, width = logits.shape
    plan = _plan(width)
    _losses[(triton.cdiv(tokens, plan.rows),)](
        logits, bias, labels, losses, tokens, **plan.sizes, GRADIENT=wanted, num_warps=plan.warps
    )


@triton.jit
def _block(logits, bias, row, column, inside, H: tl.constexpr):
    """The logits at `row` [ROWS] and `column` [BLOCK] with their biases, fp32; -inf beyond the row."""
    seen = inside[:, None] & (column < H)[None, :]
    z = tl.load(logits + row[:, None] * H + column[None, :], mask=seen, other=0.0).to(tl.float32)
    return z + tl.load(bias + column, mask=column < H, other=float("-inf"))[None, :]


@triton.jit(do_not_specialize=["tokens"])
def _losses(
    logits, bias, labels, losses, tokens,
    H: tl.constexpr, BLOCK: tl.constexpr, ROWS: tl.constexpr, GRADIENT: tl.constexpr,
):  # fmt: skip
    row = (tl.program_id(0) * ROWS + tl.arange(0, ROWS)).to(tl.int64)
    inside = row < tokens
    label = tl.load(labels + row, mask=inside, other=0)
    largest = tl.full([ROWS], float("-inf"), tl.float32)
    total = tl.zeros([ROWS], tl.float32)
    right = tl.zeros([ROWS], tl.float32)
    for start in range(0, H, BLOCK):
        column = start + tl.arange(0, BLOCK)
        z = _block(logits, bias, row, column, inside, H)
        before = largest
        largest = tl.maximum(before, tl.max(z, 1))
        total = total * tl.exp(before - largest) + tl.sum(tl.exp(z - largest[:, None]), 1)
        # Picked from the block: another thread's load could come after the gradient has taken its place.
        right += tl.sum(tl.where(column[None, :] == label[:, None], z, 0.0), 1)
    normaliser = largest + tl.log(total)
    tl.store(losses + row, normaliser - right, mask=inside)
    if GRADIENT:
        # The second reading of a row finds it in the cache.
        for start in range(0, H, BLOCK):
            column = start + tl.arange(0, BLOCK)
            z = _block(logits, bias, row, column, inside, H)
            hit = tl.where(column[None, :] == label[:, None], 1.0, 0.0)
            gradient = tl.exp(z - normaliser[:, None]) - hit
            at = row[:, None] * H + column[None, :]
            tl.store(logits + at, gradient.to(logits.dtype.element_ty), mask=inside[:, None] & (column < H)[None, :])


def ahead(arch: int) -> list[Ahead]:
    """The vocabularies of all k (69, 261, 1,029, 4,101) in fp32 and bf16, with gradients; of 6-mers without too."""
    found = []
    for dtype in (torch.float32, torch.bfloat16):
        types = {"logits": dtype, "bias": torch.float32, "labels": torch.int64, "losses": torch.float32}
        for vocabulary, gradient in ((69, True), (261, True), (1029, True), (4101, True), (4101, False)):
            plan = _plan(ALIGNED * triton.cdiv(vocabulary, ALIGNED))
            found.append(compiled(_losses, plan, types, GRADIENT=gradient))
    return found
