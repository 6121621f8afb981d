"""Score a VCF the straight way: pysam, k-mers in Python, transformers in batches of 32. The peer of `variants`.

    python benchmarks/straight_script.py IN.vcf.gz GENOME.fa.gz MODEL OUT.vcf.gz [bf16]

What a bioinformatician writes who knows the tools: windows from an indexed FASTA, text to ids by the model's fast
tokenizer, attention through SDPA, inference mode, the VCF written by pysam. Every ALT gets its pair of windows, in the
order of the file. It knows nothing of this package, and of records it scores those whose alleles are bases.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Iterator

import pysam
import torch
from transformers import AutoTokenizer, BertForSequenceClassification
from transformers.utils import logging

WINDOW = 101
K = 6
BATCH = 32


def window_pair(genome: pysam.FastaFile, record: pysam.VariantRecord, alt: str) -> tuple[str, str]:
    """The reference window and the one with ALT, the first changed base in the middle, both WINDOW long."""
    ref = record.ref
    shared = 0
    while shared < min(len(ref), len(alt)) and ref[shared] == alt[shared]:
        shared += 1
    centre = record.start + shared
    start = centre - WINDOW // 2
    span = genome.fetch(record.chrom, start, centre + len(ref) + WINDOW).upper()
    left, right = span[: WINDOW // 2], span[WINDOW // 2 + len(ref) - shared :]
    return span[:WINDOW], (left + alt[shared:].upper() + right)[:WINDOW]


def kmers(sequence: str) -> str:
    return " ".join(sequence[i : i + K] for i in range(len(sequence) - K + 1))


def batches(items: list[str]) -> Iterator[list[str]]:
    for i in range(0, len(items), BATCH):
        yield items[i : i + BATCH]


def logits(sequences: list[str], folder: str, dtype: torch.dtype) -> torch.Tensor:
    """The model's logits of each sequence, [n, 2]."""
    logging.disable_progress_bar()
    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = BertForSequenceClassification.from_pretrained(folder, attn_implementation="sdpa").to(dtype).eval()
    found = []
    with torch.inference_mode():
        for batch in batches(sequences):
            inputs = tokenizer([kmers(sequence) for sequence in batch], padding=True, return_tensors="pt")
            found.append(model(**inputs).logits.float())
    return torch.cat(found)


def score(vcf: str, fasta: str, folder: str, out: str, dtype: torch.dtype = torch.float32) -> torch.Tensor:
    """Write the VCF with DIFF and LOGOR of every ALT; returns the logits [2 a, 2], reference and ALT in turn."""
    genome = pysam.FastaFile(fasta)
    with pysam.VariantFile(vcf) as source:
        records = list(source)
        windows = [text for record in records for alt in record.alts for text in window_pair(genome, record, alt)]
        found = logits(windows, folder, dtype)
        p = torch.softmax(found, dim=1)[:, 1]
        log_odds = found[:, 1] - found[:, 0]
        p_ref, p_alt = p[0::2], p[1::2]
        diff = ((p_alt - p_ref) * torch.maximum(p_ref, p_alt)).tolist()
        log_ratio = ((log_odds[0::2] - log_odds[1::2]) / math.log(2)).tolist()
        header = source.header
        header.info.add("DNABERT_DIFF", "A", "Float", "(p_alt - p_ref) * max(p_ref, p_alt)")
        header.info.add("DNABERT_LOGOR", "A", "Float", "log2 odds(ref) - log2 odds(alt)")
        at = 0
        with pysam.VariantFile(out, "w", header=header) as sink:
            for record in records:
                record.translate(header)
                record.info["DNABERT_DIFF"] = diff[at : at + len(record.alts)]
                record.info["DNABERT_LOGOR"] = log_ratio[at : at + len(record.alts)]
                at += len(record.alts)
                sink.write(record)
    pysam.tabix_index(out, preset="vcf", force=True)
    return found


if __name__ == "__main__":
    torch.set_num_threads(2)
    score(*sys.argv[1:5], torch.bfloat16 if sys.argv[5:] == ["bf16"] else torch.float32)
