"""From steps to one vector: pooling over time that never sees padding."""

import torch
from torch import Tensor, nn

__all__ = ["POOLINGS", "Pooling", "ends", "last_step", "step_mask"]

POOLINGS = ("last", "max", "mean", "max-mean", "attention")


def step_mask(steps: Tensor, lengths: Tensor) -> Tensor:
    """(B, T, D), (B,) -> (B, T) bool: True on the sequence, False on its padding."""
    return torch.arange(steps.shape[1], device=steps.device) < lengths.to(steps.device)[:, None]


def last_step(steps: Tensor, lengths: Tensor) -> Tensor:
    """(B, T, D) -> (B, D): the step at each sequence's end."""
    index = (lengths.to(steps.device) - 1)[:, None, None].expand(-1, 1, steps.shape[2])
    return steps.gather(1, index)[:, 0]


def ends(tokens: Tensor, lengths: Tensor, most: int) -> tuple[Tensor, Tensor]:
    """(B, T), (B,) -> at most `most` steps of each sequence, half from its start and half from its end, and their number."""
    if tokens.shape[1] <= most:
        return tokens, lengths
    step, end = torch.arange(most, device=tokens.device), lengths.to(tokens.device)[:, None]
    late = (end > most) & (step >= (most + 1) // 2)
    return tokens.gather(1, torch.where(late, step + end - most, step)), lengths.clamp(max=most)


class Pooling(nn.Module):
    """One vector per sequence, float32, by what `how` says.

    - `last`: the step at the end; `max`, `mean`: over all steps; `max-mean`: both, the maximum first.
    - `attention`: steps weighted by softmax_t(u . tanh(W h_t + b)) (Yang et al., 2016, equations 5 to 7).
    """

    def __init__(self, size: int, how: str):
        super().__init__()
        if how not in POOLINGS:
            raise ValueError(f"pooling must be one of {', '.join(POOLINGS)}, got {how!r}")
        self.how, self.output_size = how, 2 * size if how == "max-mean" else size
        if how == "attention":
            self.hidden, self.score = nn.Linear(size, size), nn.Linear(size, 1, bias=False)

    def forward(self, steps: Tensor, lengths: Tensor) -> Tensor:
        """(B, T, D), (B,) -> (B, output_size)."""
        if self.how == "last":
            return last_step(steps, lengths).float()
        inside = step_mask(steps, lengths)[..., None]  # (B, T, 1)
        parts = []
        if self.how in ("max", "max-mean"):
            parts.append(steps.masked_fill(~inside, -torch.inf).max(1).values.float())
        if self.how in ("mean", "max-mean"):
            total = steps.masked_fill(~inside, 0.0).sum(1, dtype=torch.float32)
            parts.append(total / lengths.to(steps.device)[:, None])
        if self.how == "attention":
            scores = self.score(self.hidden(steps).tanh()).float().masked_fill(~inside, -torch.inf)
            parts.append((scores.softmax(1) * steps.float().masked_fill(~inside, 0.0)).sum(1))
        return torch.cat(parts, -1)
