"""AdamW as BERT is trained with it, the learning rate of a step, gradients side by side. Knows no loss and no data."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor, nn

__all__ = ["FlatGradients", "adamw", "linear_rate", "moments"]

# Where each parameter's gradient begins in the buffer, in elements: whole cache lines, whole vectors.
_ALIGNED = 64


def adamw(
    module: nn.Module, *, learning_rate: float, betas: tuple[float, float], eps: float, weight_decay: float
) -> torch.optim.AdamW:
    """AdamW over the parameters of a module that are trained; vectors (biases, LayerNorms) do not decay."""
    parameters = [parameter for parameter in module.parameters() if parameter.requires_grad]
    groups = [
        {"params": [p for p in parameters if p.ndim > 1], "weight_decay": weight_decay},
        {"params": [p for p in parameters if p.ndim <= 1], "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, lr=learning_rate, betas=betas, eps=eps, fused=True)


def linear_rate(step: int, *, peak: float, warm_up: int, total: int) -> float:
    """The rate of a step, counted from 1: a rise to the peak at step `warm_up`, then a fall that is 0 after `total`."""
    if step <= warm_up:
        return peak * step / warm_up
    return peak * max(0, total - step + 1) / max(1, total - warm_up)


def moments(module: nn.Module, optimizer: torch.optim.AdamW) -> dict[str, Tensor]:
    """The optimizer's running averages, `NAME.first` and `NAME.second` for each parameter it trains, and `NAME.step`.

    The tensors themselves: what is copied into them is the optimizer's state. Made of zeros where it has not begun.
    """
    trained = {id(parameter) for group in optimizer.param_groups for parameter in group["params"]}
    found: dict[str, Tensor] = {}
    for name, parameter in module.named_parameters():
        if id(parameter) not in trained:
            continue
        state = optimizer.state[parameter]
        if not state:
            state["step"] = torch.zeros((), dtype=torch.float32, device=parameter.device)
            state["exp_avg"] = torch.zeros_like(parameter, memory_format=torch.preserve_format)
            state["exp_avg_sq"] = torch.zeros_like(parameter, memory_format=torch.preserve_format)
        found |= {f"{name}.step": state["step"], f"{name}.first": state["exp_avg"]}
        found[f"{name}.second"] = state["exp_avg_sq"]
    return found


class FlatGradients:
    """The gradients of some parameters as views of one buffer, so that one call adds up, clips or clears all.

    `buffer` fp32 on the parameters' device. Backward adds to it for as long as nobody sets a gradient to None.
    """

    def __init__(self, parameters: Iterable[nn.Parameter]) -> None:
        trained = [parameter for parameter in parameters if parameter.requires_grad]
        places, total = [], 0
        for parameter in trained:
            places.append(total)
            total += -(-parameter.numel() // _ALIGNED) * _ALIGNED
        self.buffer = torch.zeros(total, dtype=torch.float32, device=trained[0].device)
        for parameter, at in zip(trained, places, strict=True):
            parameter.grad = self.buffer[at : at + parameter.numel()].view_as(parameter)

    def clear(self) -> None:
        """Set all gradients to 0."""
        self.buffer.zero_()

    def clip(self, most: float) -> Tensor:
        """Scale all gradients down so that their norm together is `most` at most; returns the norm as it was."""
        norm: Tensor = torch.linalg.vector_norm(self.buffer)
        self.buffer.mul_((most / (norm + 1e-6)).clamp(max=1.0))
        return norm
