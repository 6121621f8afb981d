"""The C++ core. Arrays are one-dimensional, contiguous, of exactly the dtype given; outputs are the caller's."""

from .seq.types import F32, F64, I16, I32, I64, U8, U16, U32

# k-mers, rows, distinct pieces, alleles, tracks

def kmer_ids(bases: U8, k: int, out: U16, reverse: bool, threads: int = 1, level: str = "auto") -> None: ...
def row_sizes(lengths: I64, k: int, piece: int = 510) -> tuple[int, int]: ...
def rows(
    bases: U8,
    starts: I64,
    ends: I64,
    reverse: U8,
    k: int,
    piece: int,
    cu_seqlens: I32,
    owner: I32,
    ids: U16,
    threads: int = 1,
) -> None: ...
def gather_rows(ids: U16, cu_seqlens: I32, which: I32) -> tuple[U16, I32]: ...
def distinct(ids: U16, cu_seqlens: I32) -> tuple[I32, I32]: ...
def copy_spans(bases: U8, starts: I64, ends: I64, out: U8) -> None: ...
def edit_windows(
    bases: U8,
    offsets: I64,
    at: I64,
    deleted: I64,
    alt: U8,
    alt_offsets: I64,
    length: I64,
    out: U8,
    threads: int = 1,
) -> None: ...
def match_reference(bases: U8, offsets: I64, ref: U8, ref_offsets: I64, out: U8) -> None: ...
def trim(ref: U8, ref_offsets: I64, alt: U8, alt_offsets: I64, prefix: I32, suffix: I32) -> None: ...
def left_align(
    flank: U8,
    flank_offsets: I64,
    ref: U8,
    ref_offsets: I64,
    alt: U8,
    alt_offsets: I64,
    shift: I64,
    hit_edge: U8,
) -> None: ...
def reverse_complement(bases: U8, offsets: I64, out: U8) -> None: ...
def overlap_add(starts: I64, ends: I64, scores: F32, origin: int, sums: F64, counts: I32) -> None: ...
def count_containing(
    patterns: U8,
    pattern_offsets: I64,
    texts: U8,
    text_offsets: I64,
    marked: U8,
    both_strands: bool,
    all: I64,
    chosen: I64,
    threads: int = 1,
) -> None: ...
def cpu_features() -> dict[str, bool]: ...
def kmer_level() -> str: ...

# genomes, FASTA streams, VCF text, tables

class Genome:
    names: list[str]
    lengths: I64
    kind: str
    notes: list[str]
    def __init__(self, path: bytes, index_dir: bytes, temp_dir: bytes) -> None: ...
    def fetch(self, contig: I32, start: I64, end: I64, out: U8) -> None: ...

class FastaStream:
    def __init__(self, path: bytes, overlap: int = 0) -> None: ...
    def next(self, out: U8) -> tuple[str, int, int, int] | None: ...

class VcfText:
    header: bytes
    taken: int
    def __init__(self, path: bytes, section_bytes: int) -> None: ...
    def next(self, max_records: int) -> tuple[U8, int, int] | None: ...
    def enter(self, first: int, end: int, stored: int, within: int) -> None: ...

def find_sections(path: bytes, bytes: int) -> tuple[int, I64, I64]: ...
def vcf_split(text: U8, first_line: int, path: str) -> tuple[I64, I64]: ...
def vcf_alleles(text: U8, columns: I64) -> tuple[I32, I64, I64, U8]: ...
def genotypes(text: U8, columns: I64, samples: int, alleles: I16, phased: U8, phase_set: I64) -> int: ...
def vcf_contigs(text: U8, columns: I64) -> tuple[list[str], I32]: ...
def vcf_splice(
    text: U8,
    columns: I64,
    record: I32,
    names: list[str],
    values: F32,
    flags: U32,
    reasons: list[str],
    flag_field: str,
    overwrite: bool,
    path: str,
) -> U8: ...
def format_table(columns: list[tuple[U8, I64] | I64 | I32 | F32], rows: int) -> U8: ...

# tables of scores

class ScoreTable:
    header: bytes
    contigs: list[str]
    def __init__(self, path: bytes, index: bytes) -> None: ...
    def find(
        self,
        contig: int,
        start: I64,
        deleted: U8,
        deleted_offsets: I64,
        inserted: U8,
        inserted_offsets: I64,
        columns: I32,
        values: F32,
        hits: U8,
    ) -> None: ...

# samples of a corpus, masking

def clean_runs(bases: U8) -> I64: ...
def split_runs(edges: I64, shortest: int, longest: int, seed: int, stream: int) -> I64: ...
def place_samples(
    edges: I64,
    cuts: I64,
    random: int,
    shortest: int,
    longest: int,
    both_strands: bool,
    seed: int,
    stream: int,
    first: int,
    run: I64,
    start: I64,
    length: I64,
    reverse: U8,
) -> None: ...
def orient(bases: U8, offsets: I64, reverse: U8) -> None: ...
def mask(
    ids: U16,
    cu_seqlens: I32,
    owner: I32,
    k: int,
    span: int,
    rate: float,
    whole_spans: bool,
    seed: int,
    first: int,
    stream: int,
) -> tuple[I64, I64]: ...
