"""RNN, LSTM and GRU against torch.nn's own on packed sequences.

What padding may hold: any finite values, infinities and NaN; it never reaches a result or a gradient.
"""

import itertools
from typing import Any

import pytest
import torch
from made_up import random_lengths
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from seqzoo.layers import recurrent
from seqzoo.layers.recurrent import GRU, LSTM, RNN, reverse_by_length

CLASSES = [RNN, LSTM, GRU]
B, T, C, H = 5, 9, 3, 4
CLOSE = {"rtol": 1e-5, "atol": 1e-5}


def parts(state: Any) -> tuple[Tensor, ...]:
    """A state as a tuple, whatever the class."""
    return state if isinstance(state, tuple) else (state,)


def as_state(layer: nn.Module, *tensors: Tensor) -> Any:
    return tensors if isinstance(layer, nn.LSTM) else tensors[0]


def random_state(layer: nn.Module, batch: int = B) -> Any:
    shape = (layer.num_layers * (1 + layer.bidirectional), batch, layer.hidden_size)
    return as_state(layer, torch.randn(shape), torch.randn(shape))


def packed(layer: nn.Module, inputs: Tensor, lengths: Tensor, state: Any = None) -> tuple[Tensor, Any]:
    """torch.nn's own answer, of the same weights."""
    base = getattr(nn, type(layer).__name__)
    sequence = pack_padded_sequence(inputs, lengths, batch_first=True, enforce_sorted=False)
    output, final = base.forward(layer, sequence, state)
    return pad_packed_sequence(output, batch_first=True, total_length=inputs.shape[1])[0], final


def gradients(layer: nn.Module, inputs: Tensor, outputs: tuple[Tensor, ...]) -> dict[str, Tensor]:
    """Of inputs and of every parameter, for a loss that weighs every output differently."""
    layer.zero_grad()
    inputs.grad = None
    loss = sum((output * torch.linspace(0.5, 2.0, output.numel()).view_as(output)).sum() for output in outputs)
    loss.backward()
    return {"inputs": inputs.grad, **{name: parameter.grad.clone() for name, parameter in layer.named_parameters()}}


@pytest.mark.parametrize("given", [False, True], ids=["from-zero", "from-a-state"])
@pytest.mark.parametrize("bidirectional", [False, True], ids=["one-way", "both-ways"])
@pytest.mark.parametrize("num_layers", [1, 2])
@pytest.mark.parametrize("cls", CLASSES)
def test_equals_pack_padded_sequence_with_gradients(cls, num_layers, bidirectional, given):
    layer = cls(C, H, num_layers, bidirectional=bidirectional)
    inputs, lengths = torch.randn(B, T, C, requires_grad=True), random_lengths(B, T)
    state = random_state(layer) if given else None
    wanted, wanted_state = packed(layer, inputs, lengths, state)
    wanted_gradients = gradients(layer, inputs, (wanted, *parts(wanted_state)))
    steps, final = layer(inputs, lengths, state)
    torch.testing.assert_close(steps, wanted, **CLOSE)
    torch.testing.assert_close(parts(final), parts(wanted_state), **CLOSE)
    torch.testing.assert_close(gradients(layer, inputs, (steps, *parts(final))), wanted_gradients, **CLOSE)


@pytest.mark.parametrize("cls", CLASSES)
def test_gradients_reach_the_initial_state(cls):
    layer, inputs, lengths = cls(C, H, 2, bidirectional=True), torch.randn(B, T, C), random_lengths(B, T)
    found = []
    for call in (layer, lambda *given: packed(layer, *given)):
        torch.manual_seed(3)
        state = [part.requires_grad_() for part in parts(random_state(layer))]
        steps, final = call(inputs, lengths, as_state(layer, *state))
        found.append(torch.autograd.grad(steps.square().sum() + sum(part.sum() for part in parts(final)), state))
    torch.testing.assert_close(found[0], found[1], **CLOSE)
    assert all(gradient.abs().sum() > 0 for gradient in found[0])


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
@pytest.mark.parametrize("where", ["cpu", "cuda"])
@pytest.mark.parametrize("cls", CLASSES)
def test_equals_pack_padded_sequence_on_the_gpu(cls, where):
    layer = cls(C, H, 2, bidirectional=True).cuda()
    inputs, lengths = torch.randn(B, T, C, device="cuda"), random_lengths(B, T)
    wanted, wanted_state = packed(layer, inputs, lengths)
    steps, final = layer(inputs, lengths.to(where))
    torch.testing.assert_close(steps, wanted, rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(parts(final), parts(wanted_state), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("num_layers", [1, 2])
@pytest.mark.parametrize("cls", CLASSES)
def test_state_carries_a_split_sequence_on_at_unequal_lengths(cls, num_layers):
    layer = cls(C, H, num_layers)
    first, second = random_lengths(B, T), random_lengths(B, T, seed=1).flip(0)
    heads, tails = torch.randn(B, T, C), torch.randn(B, T, C)
    head_steps, state = layer(heads, first)
    tail_steps, final = layer(tails, second, state)
    for row, (m, n) in enumerate(zip(first.tolist(), second.tolist(), strict=True)):
        whole = torch.cat([heads[row, :m], tails[row, :n]])[None]
        steps, wanted = layer(whole, torch.tensor([m + n]))
        torch.testing.assert_close(torch.cat([head_steps[row, :m], tail_steps[row, :n]])[None], steps, **CLOSE)
        for part, other in zip(parts(final), parts(wanted), strict=True):
            torch.testing.assert_close(part[:, row : row + 1], other, **CLOSE)


@pytest.mark.parametrize("cls", CLASSES)
def test_state_dict_goes_both_ways(cls):
    theirs = getattr(nn, cls.__name__)(C, H, 2, bidirectional=True, batch_first=True)
    ours = cls(C, H, 2, bidirectional=True)
    shapes = [(name, tuple(tensor.shape)) for name, tensor in theirs.state_dict().items()]
    assert [(name, tuple(tensor.shape)) for name, tensor in ours.state_dict().items()] == shapes
    assert [name for name, _ in ours.named_parameters()] == [name for name, _ in theirs.named_parameters()]
    inputs, full = torch.randn(B, T, C), torch.full((B,), T)
    ours.load_state_dict(theirs.state_dict())
    torch.testing.assert_close(ours(inputs, full)[0], theirs(inputs)[0], **CLOSE)
    fresh = getattr(nn, cls.__name__)(C, H, 2, bidirectional=True, batch_first=True)
    fresh.load_state_dict(ours.state_dict())
    torch.testing.assert_close(fresh(inputs)[0], theirs(inputs)[0], rtol=0, atol=0)


@pytest.mark.parametrize("content", [1.0, -1e8, torch.inf, torch.nan])
@pytest.mark.parametrize("cls", CLASSES)
def test_what_stands_in_the_padding_changes_nothing(cls, content):
    layer, lengths = cls(C, H, 2, bidirectional=True), random_lengths(B, T)
    padding = torch.arange(T) >= lengths[:, None]
    clean = torch.randn(B, T, C).masked_fill(padding[..., None], 0.0)
    dirty = clean.masked_fill(padding[..., None], content)
    found = []
    for inputs in (clean, dirty):
        inputs.requires_grad_()
        steps, final = layer(inputs, lengths)
        found.append((steps, *parts(final), gradients(layer, inputs, (steps, *parts(final)))))
    torch.testing.assert_close(found[1], found[0], rtol=1e-6, atol=1e-6)
    assert not found[1][-1]["inputs"][padding].any()


@pytest.mark.parametrize("cls", CLASSES)
def test_steps_past_the_end_are_zero(cls):
    lengths = random_lengths(B, T)
    steps, _ = cls(C, H, bidirectional=True)(torch.randn(B, T, C), lengths)
    assert not steps[torch.arange(T) >= lengths[:, None]].any()
    assert steps[torch.arange(T) < lengths[:, None]].all()


@pytest.mark.parametrize("cls", CLASSES)
def test_more_padding_and_other_neighbours_change_nothing(cls):
    layer, lengths = cls(C, H, 2, bidirectional=True), random_lengths(B, T)
    inputs = torch.randn(B, T, C)
    steps, final = layer(inputs, lengths)
    for row, length in enumerate(lengths.tolist()):
        alone, state = layer(inputs[row : row + 1, :length], lengths[row : row + 1])
        torch.testing.assert_close(steps[row : row + 1, :length], alone, **CLOSE)
        for part, other in zip(parts(final), parts(state), strict=True):
            torch.testing.assert_close(part[:, row : row + 1], other, **CLOSE)


@pytest.mark.parametrize("cls", CLASSES)
def test_equal_lengths_give_the_padded_call(cls, monkeypatch):
    layer, full = cls(C, H, 2, bidirectional=True), torch.full((B,), T)
    inputs, state = torch.randn(B, T, C), random_state(layer)
    steps, final = layer(inputs, full, state)
    wanted, wanted_state = getattr(nn, cls.__name__).forward(layer, inputs, state)
    torch.testing.assert_close(steps, wanted, rtol=0, atol=0)
    torch.testing.assert_close(parts(final), parts(wanted_state), rtol=0, atol=0)
    monkeypatch.setattr(recurrent._VariableLength, "_is_plain", lambda *_: False)  # and without the short cut
    steps, final = layer(inputs, full, state)
    torch.testing.assert_close(steps, wanted, **CLOSE)
    torch.testing.assert_close(parts(final), parts(wanted_state), **CLOSE)


@pytest.mark.parametrize("cls", CLASSES)
def test_recurrent_dropout_is_one_mask_for_all_time_steps(cls, monkeypatch):
    layer = cls(C, H, recurrent_dropout=0.5)
    masks = []
    drop = nn.functional.dropout

    def recorded(*arguments: Any, **options: Any) -> Tensor:
        masks.append(drop(*arguments, **options))
        return masks[-1]

    monkeypatch.setattr(nn.functional, "dropout", recorded)
    torch.manual_seed(1)
    inputs, lengths = torch.randn(B, T, C), random_lengths(B, T)
    steps, final = layer(inputs, lengths)
    (mask,) = masks  # a single one was drawn, of one number per hidden unit
    assert mask.shape == (H,) and 0 < int((mask == 0).sum()) < H
    same = cls(C, H)
    same.load_state_dict(layer.state_dict())
    with torch.no_grad():
        same.weight_hh_l0.mul_(mask)  # dropping a unit's hidden state at every step is dropping its column
    wanted, wanted_state = packed(same, inputs, lengths)
    torch.testing.assert_close(steps, wanted, **CLOSE)
    torch.testing.assert_close(parts(final), parts(wanted_state), **CLOSE)


@pytest.mark.parametrize("cls", CLASSES)
def test_recurrent_dropout_draws_anew_for_each_call_layer_and_direction(cls):
    layer = cls(C, 16, 2, bidirectional=True, recurrent_dropout=0.5)
    inputs, lengths = torch.randn(B, T, C), random_lengths(B, T)
    assert not torch.equal(layer(inputs, lengths)[0], layer(inputs, lengths)[0])
    torch.manual_seed(5)
    once = layer(inputs, lengths)[0]
    torch.manual_seed(5)
    torch.testing.assert_close(layer(inputs, lengths)[0], once, rtol=0, atol=0)


@pytest.mark.parametrize("lengths", [random_lengths(B, T), torch.full((B,), T)], ids=["unequal", "equal"])
@pytest.mark.parametrize("cls", CLASSES)
def test_recurrent_dropout_does_nothing_in_eval_or_at_rate_zero(cls, lengths):
    inputs, dropping, plain = torch.randn(B, T, C), cls(C, H, 2, dropout=0.5, recurrent_dropout=0.5), cls(C, H, 2)
    plain.load_state_dict(dropping.state_dict())
    wanted = plain.eval()(inputs, lengths)[0]
    assert not torch.allclose(dropping(inputs, lengths)[0], wanted, atol=1e-3)
    torch.testing.assert_close(dropping.eval()(inputs, lengths)[0], wanted, rtol=0, atol=0)
    torch.testing.assert_close(plain.train()(inputs, lengths)[0], wanted, **CLOSE)


@pytest.mark.parametrize("cls", CLASSES)
def test_dropout_stands_between_layers_only(cls):
    inputs, lengths = torch.randn(B, T, C), random_lengths(B, T)
    one = cls(C, H, 1, dropout=0.9)
    torch.testing.assert_close(one(inputs, lengths)[0], one.eval()(inputs, lengths)[0], **CLOSE)
    two = cls(C, H, 2, dropout=0.9)
    assert not torch.allclose(two(inputs, lengths)[0], two.eval()(inputs, lengths)[0], atol=1e-3)


@pytest.mark.parametrize("cls", CLASSES)
@pytest.mark.parametrize(
    ("shape", "lengths", "message"),
    [
        ((2, 5, C), [0, 5], r"lengths must be from 1 to T = 5, got 0 to 5"),
        ((2, 5, C), [6, 5], r"lengths must be from 1 to T = 5, got 5 to 6"),
        ((2, 5, C), [-1, 5], r"lengths must be from 1 to T"),
        ((2, 5, C), [5], r"lengths must be \(2,\)"),
        ((2, 5, C), [[5, 5]], r"lengths must be \(2,\)"),
        ((2, 5, C + 1), [5, 4], r"inputs must be \(B, T, 3\)"),
        ((5, C), [5, 4], r"inputs must be \(B, T, 3\)"),
    ],
)
def test_wrong_lengths_and_shapes_are_refused(cls, shape, lengths, message):
    with pytest.raises(ValueError, match=message):
        cls(C, H)(torch.randn(shape), torch.tensor(lengths))


@pytest.mark.parametrize("lengths", [[5, 3], [5, 5]], ids=["unequal", "equal"])
@pytest.mark.parametrize("cls", CLASSES)
def test_a_state_of_the_wrong_shape_is_refused(cls, lengths):
    layer = cls(C, H, bidirectional=True)
    bad = as_state(layer, torch.zeros(1, 2, H), torch.zeros(1, 2, H))
    with pytest.raises(ValueError, match="state must be"):
        layer(torch.randn(2, 5, C), torch.tensor(lengths), bad)


@pytest.mark.parametrize("option", ["dropout", "recurrent_dropout"])
@pytest.mark.parametrize("rate", [-0.1, 1.0, 1.5])
def test_a_dropout_rate_outside_its_range_is_refused(option, rate):
    with pytest.raises(ValueError, match=f"^{option} must be"):
        LSTM(C, H, 1, **{option: rate})


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float64])
@pytest.mark.parametrize("cls", CLASSES)
def test_other_precisions_stay_near_float32_and_exact_at_the_end(cls, dtype):
    layer, inputs, lengths = cls(C, H, 2, bidirectional=True), torch.randn(B, T, C), random_lengths(B, T)
    wanted, wanted_state = layer(inputs, lengths)
    low = cls(C, H, 2, bidirectional=True).to(dtype)
    low.load_state_dict(layer.state_dict())
    with torch.no_grad():
        steps, final = low(inputs.to(dtype), lengths)
        _, longer = low(nn.functional.pad(inputs, (0, 0, 0, 7)).to(dtype), lengths)
    assert steps.dtype == dtype and all(part.dtype == dtype for part in parts(final))
    torch.testing.assert_close(steps.float(), wanted, rtol=0.05, atol=0.05)
    torch.testing.assert_close(tuple(part.float() for part in parts(final)), parts(wanted_state), rtol=0.05, atol=0.05)
    torch.testing.assert_close(parts(longer), parts(final), rtol=1e-3, atol=1e-3)  # seven more steps of padding


@pytest.mark.parametrize("bidirectional", [False, True], ids=["one-way", "both-ways"])
@pytest.mark.parametrize("cls", CLASSES)
@pytest.mark.filterwarnings("ignore:.*were assigned during export")
def test_exports_with_any_batch(cls, bidirectional):
    """Of one number of steps: torch.nn's own recurrences unroll them too. Shorter sequences are padded to it."""
    layer, batch = cls(C, H, bidirectional=bidirectional).eval(), torch.export.Dim("batch", min=2, max=64)
    example = (torch.randn(B, T, C), random_lengths(B, T))
    program = torch.export.export(layer, example, dynamic_shapes=({0: batch}, {0: batch})).module()
    for size, seed in ((B, 0), (3, 1), (7, 2)):
        inputs, lengths = torch.randn(size, T, C), random_lengths(size, T, seed)
        found, wanted = program(inputs, lengths), layer(inputs, lengths)
        torch.testing.assert_close((found[0], *parts(found[1])), (wanted[0], *parts(wanted[1])), **CLOSE)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
@pytest.mark.parametrize("lengths", [[5, 5, 5], [5, 2, 3]])
def test_under_autocast_a_cpu_without_16_bit_lstm_computes_in_float32(lengths, dtype, monkeypatch):
    monkeypatch.setattr(recurrent, "_has_half", lambda: False)
    layer, inputs, lengths = LSTM(4, 6, bidirectional=True), torch.randn(3, 5, 4).to(dtype), torch.tensor(lengths)
    state = (torch.randn(2, 3, 6), torch.randn(2, 3, 6))
    for given in (inputs, torch.randint(4, (3, 5))):  # numbers, and words as unit vectors
        wanted = layer(given.float() if given.is_floating_point() else given, lengths, state)
        with torch.autocast("cpu", dtype):
            found = layer(given, lengths, state)
        assert found[0].dtype == torch.float32
        torch.testing.assert_close(found, wanted, rtol=0, atol=0)
        found[0].sum().backward()
    assert layer.weight_hh_l0.grad.abs().sum() > 0


def test_reversing_by_length_twice_changes_nothing():
    steps, lengths = torch.randn(B, T, C, requires_grad=True), random_lengths(B, T)
    reversed_ = reverse_by_length(steps, lengths)
    for row, length in enumerate(lengths.tolist()):
        torch.testing.assert_close(reversed_[row, :length], steps[row, :length].flip(0))
    torch.testing.assert_close(reverse_by_length(reversed_, lengths), steps)
    weights = torch.randn(B, T, C)
    (gradient,) = torch.autograd.grad((reversed_ * weights).sum(), steps)
    torch.testing.assert_close(gradient, reverse_by_length(weights, lengths))


def test_an_empty_batch_is_no_crash():
    for cls, bidirectional in itertools.product(CLASSES, (False, True)):
        steps, _ = cls(C, H, bidirectional=bidirectional)(torch.zeros(0, 4, C), torch.zeros(0, dtype=torch.int64))
        assert steps.shape == (0, 4, H * (1 + bidirectional))
