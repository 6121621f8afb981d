"""Operations of the encoder on tensors. Knows nothing of DNA, files or models."""

from __future__ import annotations
