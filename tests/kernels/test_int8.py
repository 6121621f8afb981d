"""Row steps and attention at every level of instructions against plain torch, and the products of codes."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
import torch
import torch.nn.functional as F
from dnabert_fast.kernels import _rowwise, int8, prepacked, reference, rowwise
from dnabert_fast.kernels.frozen import Norm
from dnabert_fast.kernels.rowwise import Codes, Product
from torch import Tensor

ROWS = [1, 15, 16, 17, 100]
WIDTHS = [1, 15, 16, 48, 100]
EPS = 1e-12


def levels() -> list[str]:
    """Those of this machine."""
    found = []
    for level in ("portable", "avx2", "avx512"):
        try:
            _rowwise.convert((draw(1, 1).numpy(),), (draw(1, 1).numpy(),), False, 1, level)
        except ValueError:
            continue
        found.append(level)
    return found


def draw(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


LEVELS = levels()
every_level = pytest.mark.parametrize("level", LEVELS)
needs_int8 = pytest.mark.skipif(int8.why_not() is not None, reason=str(int8.why_not()))


def quantised(x: Tensor) -> Codes:
    """The twin: each row from its least to its largest value."""
    low, high = x.amin(1), x.amax(1)
    scale = (high - low) / 255
    codes = ((x - low[:, None]) / scale.clamp_min(1e-38)[:, None]).round().clamp(0, 255)
    return Codes(codes.to(torch.uint8), scale, low)


def product(rows: int, width: int) -> Product:
    row, column = draw(rows, seed=2).abs() / 100, draw(width, seed=4)
    return Product(draw(rows, width, seed=1) * 100, row, draw(rows, seed=3), column, draw(width, seed=5))


def dequantised(p: Product) -> Tensor:
    values = p.values.double() * p.scale.double()[:, None] + p.low.double()[:, None] * p.sums.double() + p.bias.double()
    return values.float()


def check_codes(found: Codes, x: Tensor) -> None:
    """Half a step off at most (and what rounding adds), and the least and the largest at the ends."""
    step = (x.amax(1) - x.amin(1)) / 255
    assert ((found.values() - x).abs() <= (0.501 * step + 1e-6 * x.abs().amax(1))[:, None]).all()
    assert (found.codes.amin(1) == 0).all()
    if x.shape[1] > 1:
        assert (found.codes.amax(1) == 255).all()


@every_level
@pytest.mark.parametrize("rows", ROWS)
@pytest.mark.parametrize("width", WIDTHS)
def test_rows_of_any_source_to_any_sink(level: str, rows: int, width: int) -> None:
    wide = draw(rows, width)
    for source, x in ((wide, wide), (wide.bfloat16(), wide.bfloat16().float())):
        codes, rounded, exact = Codes.empty(rows, width), torch.empty(rows, width).bfloat16(), torch.empty(rows, width)
        for sink in (codes, rounded, exact):
            rowwise.convert(source, sink, level=level)
        check_codes(codes, x)
        assert torch.equal(exact, x)
        assert torch.equal(rounded, x.bfloat16())
    p = product(rows, width)
    exact = torch.empty(rows, width)
    rowwise.convert(p, exact, level=level)
    torch.testing.assert_close(exact, dequantised(p), atol=1e-5, rtol=1e-6)


@every_level
@pytest.mark.parametrize("rows", ROWS)
def test_gelu(level: str, rows: int) -> None:
    p = product(rows, 100)
    expected = F.gelu(dequantised(p).double())
    codes, exact = Codes.empty(rows, 100), torch.empty(rows, 100)
    rowwise.convert(p, exact, gelu=True, level=level)
    rowwise.convert(p, codes, gelu=True, level=level)
    torch.testing.assert_close(exact.double(), expected, atol=2e-6, rtol=2e-6)
    check_codes(codes, exact)


@every_level
def test_gelu_of_the_whole_range(level: str) -> None:
    x = torch.cat([torch.linspace(-12, 12, 20001), torch.tensor([0.0, -0.0, 1e-30, -1e30, 1e30])])[None]
    found = torch.empty_like(x)
    rowwise.convert(x, found, gelu=True, level=level)
    expected = F.gelu(x.double())
    assert ((found - expected).abs() <= 4e-7 * x.abs().clamp_min(1)).all()


@every_level
@pytest.mark.parametrize("rows", ROWS)
@pytest.mark.parametrize("width", [1, 48, 100])
def test_add_norm(level: str, rows: int, width: int) -> None:
    norm = Norm(draw(width, seed=7), draw(width, seed=8), 1e-5)
    p = product(rows, width)
    stream = draw(rows, width, seed=9)
    y = draw(rows, width, seed=10)
    for source, added in ((p, dequantised(p)), (y, y), (y.bfloat16(), y.bfloat16().float()), (None, torch.zeros(1))):
        total = stream.double() + added.double()
        expected = reference.layer_norm(total, norm.weight.double(), norm.bias.double(), norm.eps)
        sinks = Codes.empty(rows, width), torch.empty(rows, width).bfloat16(), None
        for sink in sinks:
            found = stream.clone()
            rowwise.add_norm(source, found, norm, sink, level=level)
            torch.testing.assert_close(found.double(), expected, atol=2e-5, rtol=2e-5)
            if isinstance(sink, Codes):
                check_codes(sink, found)
            elif sink is not None:
                assert torch.equal(sink, found.bfloat16())


@every_level
def test_extreme_rows(level: str) -> None:
    ramp = torch.linspace(-1, 1, 40)
    outlier = ramp.clone()
    outlier[7] = 1e20
    x = torch.stack([torch.full((40,), 3.25), torch.zeros(40), outlier, ramp * 1e-38, -outlier, ramp])
    found = Codes.empty(6, 40)
    rowwise.convert(x, found, level=level)
    values = found.values()
    assert torch.equal(values[:2], x[:2])
    assert (values[2] == torch.where(x[2] > 1, values[2], -1.0)).all()
    assert values[2, 7] == pytest.approx(1e20, rel=1e-6)
    assert values[3].abs().max() <= 2e-38
    assert values[4, 7] == pytest.approx(-1e20, rel=1e-6)
    check_codes(Codes(found.codes[5:], found.scale[5:], found.low[5:]), x[5:])


@every_level
@pytest.mark.parametrize("bad", [float("nan"), float("inf"), -float("inf")])
@pytest.mark.parametrize("at", [0, 17, 39])
def test_what_is_not_finite_does_not_vanish(level: str, bad: float, at: int) -> None:
    x = draw(3, 40)
    found = Codes.empty(3, 40)
    x[1, 3:5] = torch.tensor([-3e38, 3e38])  # finite, but their difference is not
    rowwise.convert(x, found, level=level)
    assert found.low.isnan().tolist() == [False, True, False]
    x[1, at] = bad
    rowwise.convert(x, found, level=level)
    assert found.low.isnan().tolist() == [False, True, False]
    gelu, stream = torch.empty(3, 40), x.clone()
    rowwise.convert(x, gelu, gelu=True, level=level)
    assert gelu[[0, 2]].isfinite().all()
    # GELU of minus infinity is 0 · infinity.
    assert not gelu[1, at].isfinite()
    rowwise.add_norm(None, stream, Norm(torch.ones(40), torch.zeros(40), EPS), found, level=level)
    assert stream[1].isnan().all()
    assert found.low.isnan().tolist() == [False, True, False]
    bf16 = torch.empty(3, 40).bfloat16()
    rowwise.convert(stream, bf16, level=level)
    assert bf16[1].isnan().all()


@dataclass(frozen=True)
class Layout:
    """As much of a layout as attention reads."""

    bounds: list[int]
    rows: Tensor | None = None
    row_bounds: Tensor | None = None
    key_bias: Tensor | None = None

    @property
    def cu_seqlens(self) -> Tensor:
        return torch.tensor(self.bounds, dtype=torch.int32)


def layout(lengths: list[int], wanted: int | None = None) -> Layout:
    """Pieces one after the other; `wanted`: how many of the first rows of each are wanted at most."""
    bounds = torch.tensor([0, *lengths]).cumsum(0)
    if wanted is None:
        return Layout(bounds.tolist())
    counts = [min(wanted, length) for length in lengths]
    rows = torch.cat([torch.arange(count) + int(a) for a, count in zip(bounds, counts, strict=False)])
    return Layout(bounds.tolist(), rows, torch.tensor([0, *counts]).cumsum(0).int())


@every_level
@pytest.mark.parametrize("lengths", [[1], [5, 17, 1], [63, 64, 65], [98] * 3, [300, 7]], ids=str)
@pytest.mark.parametrize(("heads", "width"), [(2, 64), (3, 16), (2, 20), (1, 130)])
def test_attention(level: str, lengths: list[int], heads: int, width: int) -> None:
    where, hidden = layout(lengths), heads * width
    qkv = draw(sum(lengths), 3 * hidden) * 2
    expected = reference.attention(qkv.double(), where, heads, 0.0)
    found = rowwise.attention(qkv, where, heads, level=level)
    # Scores of up to 20 in fp32, of which e^x is taken.
    torch.testing.assert_close(found.double(), expected, atol=5e-5, rtol=1e-5)
    rounded = qkv.bfloat16()
    expected = reference.attention(rounded.double(), where, heads, 0.0)
    found = rowwise.attention(rounded, where, heads, level=level)
    # Rounded once, at the end.
    assert ((found.double() - expected).abs() <= expected.abs() * 2**-8 + 5e-5).all()


@every_level
@pytest.mark.parametrize("wanted", [1, 30])
def test_attention_of_wanted_rows(level: str, wanted: int) -> None:
    lengths, heads = [1, 98, 33, 7], 3
    where = layout(lengths, wanted)
    assert where.rows is not None
    query, kv = draw(len(where.rows), 48), draw(sum(lengths), 96, seed=1)
    expected = reference.attention_rows(query.double(), kv.double(), where, heads, 0.0)
    found = rowwise.attention_rows(query, kv, where, heads, level=level)
    torch.testing.assert_close(found.double(), expected, atol=1e-5, rtol=1e-5)


@every_level
def test_attention_of_large_scores_and_of_a_nan(level: str) -> None:
    where = layout([40, 40])
    qkv = draw(80, 3 * 32) * 40
    expected = reference.attention(qkv.double(), where, 2, 0.0)
    torch.testing.assert_close(rowwise.attention(qkv, where, 2, level).double(), expected, atol=1e-3, rtol=1e-4)
    qkv[50, 40] = float("nan")  # a key of the second piece, first head
    found = rowwise.attention(qkv, where, 2, level)
    assert found[40:, :16].isnan().all()
    assert found[:40].isfinite().all()
    assert found[40:, 16:].isfinite().all()


def test_the_number_of_threads_changes_nothing() -> None:
    x, threads = draw(3000, 100), torch.get_num_threads()
    qkv, where = draw(500, 3 * 64), layout([100] * 5)
    found = []
    for count in (1, 3):
        torch.set_num_threads(count)
        try:
            codes = Codes.empty(3000, 100)
            rowwise.convert(x, codes, gelu=True)
            found.append((codes.codes, codes.scale, codes.low, rowwise.attention(qkv, where, 4)))
        finally:
            torch.set_num_threads(threads)
    assert all(torch.equal(a, b) for a, b in zip(*found, strict=True))


@needs_int8
@pytest.mark.parametrize("rows", ROWS)
def test_int8_layers_are_exact_on_codes(rows: int) -> None:
    weight, bias = draw(40, 100, seed=1), draw(40, seed=2)
    layer = int8.Int8Linear(weight, bias)
    x = quantised(draw(rows, 100))
    scale = weight.abs().amax(1) / 127
    s8 = (weight / scale[:, None]).round()
    expected = x.values().double() @ (s8 * scale[:, None]).double().t() + bias
    with torch.inference_mode():
        found = dequantised(layer.product(x))
    torch.testing.assert_close(found.double(), expected, atol=2e-5, rtol=1e-5)
    assert (s8 * scale[:, None] - weight).abs().max() <= 0.51 * scale.max()


@needs_int8
def test_int8_layers_take_weights_of_zero() -> None:
    weight = draw(20, 32)
    weight[3] = 0
    layer, x = int8.Int8Linear(weight, torch.ones(20)), quantised(draw(16, 32, seed=1))
    with torch.inference_mode():
        assert torch.equal(dequantised(layer.product(x))[:, 3], torch.ones(16))


@needs_int8
@pytest.mark.parametrize("rows", [1, 17, 600])
def test_steps_of_mixed_layers(rows: int) -> None:
    """Every pair of precisions: each step makes the operand that the next layer takes."""
    names = {"a": (48, 64), "b": (64, 48), "c": (48, 64)}
    weights = {n: (draw(*shape, seed=i) / 8, draw(shape[0], seed=i + 5)) for i, (n, shape) in enumerate(names.items())}
    norm, x, stream = Norm(torch.ones(64), torch.zeros(64), EPS), draw(rows, 64), draw(rows, 64, seed=3)
    y = reference.linear_gelu(x.double(), *(w.double() for w in weights["a"]))
    z = reference.linear(y, *(w.double() for w in weights["b"]))
    expected = reference.layer_norm(z + stream, norm.weight.double(), norm.bias.double(), EPS)
    last = reference.linear(expected, *(w.double() for w in weights["c"]))
    for exceptions in ((), ("a",), ("b",), ("c",), ("a", "b"), ("a", "b", "c")):
        for dtype in (torch.bfloat16, torch.float32):
            steps = int8.Int8(exceptions, dtype)
            a, b, c = (steps.linear(name, *weights[name]) for name in names)
            assert [isinstance(each, int8.Int8Linear) for each in (a, b, c)] == [n not in exceptions for n in names]
            with torch.inference_mode():
                operand = prepacked._operand(x, a)
                wide = steps.gelu(a, operand, b)
                state = steps.add_norm(b, wide, stream.clone(), norm, c)
                torch.testing.assert_close(state[0].double(), expected, atol=0.08, rtol=0)
                taken = steps.take(state, torch.tensor([rows - 1]))
                found = steps.project(c, taken[1])
                assert torch.equal(found, steps.project(c, state[1])[-1:])
            assert found.dtype is dtype
            torch.testing.assert_close(found.double(), last[-1:], atol=0.12, rtol=0)


def test_arrays_that_do_not_fit() -> None:
    x, norm = draw(4, 8), Norm(torch.ones(8), torch.zeros(8), EPS)
    with pytest.raises(ValueError, match="as large as"):
        rowwise.convert(x, torch.empty(4, 9))
    with pytest.raises(ValueError, match="must have 4 elements"):
        rowwise.convert(x, Codes(torch.empty(4, 8, dtype=torch.uint8), torch.empty(3), torch.empty(4)))
    with pytest.raises(ValueError, match="contiguous fp32"):
        rowwise.convert(x.double(), torch.empty(4, 8))
    with pytest.raises(ValueError, match="as large as"):
        rowwise.add_norm(draw(3, 8), x, norm, None)
    with pytest.raises(ValueError, match="must rise"):
        rowwise.attention(draw(8, 24), Layout([0, 9, 8]), 1)
    with pytest.raises(ValueError, match="without keys"):
        rowwise._rowwise.attention(
            draw(2, 8).numpy(),
            draw(8, 16).numpy(),
            torch.tensor([0, 1, 2], dtype=torch.int32).numpy(),
            torch.tensor([0, 8, 8], dtype=torch.int32).numpy(),
            1,
            torch.empty(2, 8).numpy(),
        )
