"""One contract, every architecture that reads series: a new file is tested by existing."""

import inspect
from typing import Any

import pytest
import torch
from made_up import random_lengths, small_arguments
from torch import Tensor, nn

import seqzoo
from seqzoo.catalog import list_architectures, resolve, summary
from seqzoo.layers.normalisation import StepBatchNorm
from seqzoo.preprocessing.tokenizer import Tokenizer
from seqzoo.specs import Encoded, SeriesSpec, TextSpec

SPEC = SeriesSpec(n_channels=3, context_length=24, horizon=24)
CLOSE = {"rtol": 1e-5, "atol": 1e-5}


def consumes(name: str) -> Any:
    return inspect.signature(resolve("architectures", name), eval_str=True).parameters["spec"].annotation


def gives(name: str) -> str:
    return getattr(resolve("architectures", name), "gives", "encoded")


NAMES = [name for name in list_architectures() if consumes(name) in (SeriesSpec, TextSpec | SeriesSpec)]
ENCODING = [name for name in NAMES if gives(name) == "encoded"]
FORECASTING = [name for name in NAMES if gives(name) == "forecast"]
OF_UNEQUAL_LENGTH = [name for name in NAMES if gives(name) != "forecast"]
every_network = pytest.mark.parametrize("name", NAMES)
every_encoding = pytest.mark.parametrize("name", ENCODING)
every_forecasting = pytest.mark.parametrize("name", FORECASTING)

VARIANTS = [  # arguments that take another path through a network
    *(("lstm", {"pooling": pooling, "bidirectional": True}) for pooling in ("last", "max-mean", "attention")),
    ("gru", {"reverse": True}),
    ("gru", {"num_layers": 2, "recurrent_dropout": 0.5, "dropout": 0.5, "embedding_dropout": 0.2}),
    ("lstm", {"padded_length": 24, "initialisation": "orthogonal"}),
    ("cnn", {"num_layers": 3, "kernel_size": 12, "kernel_shrink": 2, "pool_size": 2, "pooling": "mean"}),
    ("cnn_gru", {"num_layers": 2, "pool_size": 2, "bidirectional": True}),
    ("transformer", {"causal_attention": True}),
    ("dense", {"num_layers": 0}),
    ("dense", {"num_layers": 3, "dropout": 0.2}),
    ("lstm_fcn", {"dimension_shuffle": True}),
    ("crnn", {"time_pool": 4, "num_layers": 1, "frequency_pool": 1}),
    ("lstm_autoencoder", {"decoder": "feedback"}),
]


def make_network(name: str, **arguments: Any) -> nn.Module:
    """A small network whose output depends on every value, in eval mode, with statistics of some batches."""
    network = resolve("architectures", name)(SPEC, **{**small_arguments(name, series=True), **arguments})
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(0.3 * torch.randn_like(parameter))
        for _ in range(3):
            output(network.train(), *make_batch())
    return network.eval()


def make_batch(batch: int = 6, longest: int = 24) -> tuple[Tensor, Tensor]:
    """Values and lengths; something stands past each series' end, which nothing may depend on."""
    return torch.randn(batch, longest, SPEC.n_channels), random_lengths(batch, longest)


def output(network: nn.Module, values: Tensor, lengths: Tensor) -> Tensor:
    """A summary, a forecast or a reconstruction, by what the network gives."""
    if getattr(network, "gives", "encoded") == "forecast":
        return network(values)
    found = network(values, lengths)
    return found.summary if isinstance(found, Encoded) else found


def test_there_are_networks_of_each_kind():
    assert {"dense", "fcn", "lstm_fcn", "crnn", "lstm", "transformer"} <= set(ENCODING)
    assert set(FORECASTING) == {"dlinear", "persistence", "seasonal_naive", "segrnn"}
    assert {gives(name) for name in NAMES} == {"encoded", "forecast", "reconstruction"}


@every_network
def test_arguments_are_named_typed_and_defaulted(name: str) -> None:
    first, *others = inspect.signature(resolve("architectures", name), eval_str=True).parameters.values()
    assert first.name == "spec"
    for parameter in others:
        assert parameter.kind is parameter.KEYWORD_ONLY, f"{parameter} must be keyword-only"
        assert parameter.annotation in (int, float, bool, str), f"{parameter} must have a plain type"
        assert type(parameter.default) in (int, float, bool, str), f"{parameter} needs a default of a plain type"


@every_network
def test_the_first_line_of_the_file_says_what_it_is(name: str) -> None:
    assert 10 < len(summary("architectures", name)) < 120


@every_network
@torch.no_grad()
def test_shapes_are_those_of_its_kind(name: str) -> None:
    network = resolve("architectures", name)(SPEC).eval()  # at its default sizes
    values, lengths = make_batch()
    found = output(network, values, lengths)
    assert found.dtype == torch.float32
    if gives(name) == "forecast":
        assert found.shape == (6, SPEC.horizon, SPEC.n_channels)
    elif gives(name) == "reconstruction":
        assert found.shape == values.shape
    else:
        assert found.shape == (6, network.output_size)
        steps = network(values, lengths).steps
        assert steps is None or (steps.shape[0] == 6 and 1 <= steps.shape[1] <= 24)


@every_network
@torch.no_grad()
def test_one_channel_is_enough(name: str) -> None:
    network = resolve("architectures", name)(SPEC._replace(n_channels=1)).eval()
    assert output(network, torch.randn(2, 24, 1), torch.tensor([24, 3])).isfinite().all()


@every_network
@torch.no_grad()
def test_the_output_depends_on_the_values(name: str) -> None:
    found = output(make_network(name), *make_batch())
    assert not torch.allclose(found[0], found[1], atol=1e-3)


@pytest.mark.parametrize(
    ("name", "arguments"), [*((name, {}) for name in OF_UNEQUAL_LENGTH), *VARIANTS], ids=lambda value: str(value).strip("{}")
)
@torch.no_grad()
def test_padding_and_neighbours_do_not_change_a_series(name: str, arguments: dict[str, Any]) -> None:
    network, (values, lengths) = make_network(name, **arguments), make_batch()
    together = network(values, lengths)
    longer = network(nn.functional.pad(values, (0, 0, 0, 9), value=7.0), lengths)
    if gives(name) == "reconstruction":
        torch.testing.assert_close(longer[:, :24], together, **CLOSE)
        assert not longer[:, 24:].any()
        together = Encoded(together, together[:, 0])
    else:
        torch.testing.assert_close(longer.summary, together.summary, **CLOSE)
    for row, length in enumerate(lengths.tolist()):
        alone = network(values[row : row + 1, :length], lengths[row : row + 1])
        if gives(name) == "reconstruction":
            alone = Encoded(alone, alone[:, 0])
        torch.testing.assert_close(together.summary[row : row + 1], alone.summary, **CLOSE)
        if alone.steps is not None:
            torch.testing.assert_close(together.steps[row : row + 1, : alone.steps.shape[1]], alone.steps, **CLOSE)
            assert arguments.get("padded_length") or not together.steps[row, alone.steps.shape[1] :].any()


@every_network
@torch.no_grad()
def test_the_order_of_a_batch_does_not_matter(name: str) -> None:
    network, (values, lengths) = make_network(name), make_batch()
    order = torch.randperm(len(values))
    torch.testing.assert_close(
        output(network, values[order], lengths[order]), output(network, values, lengths)[order], **CLOSE
    )


@pytest.mark.parametrize(
    ("name", "arguments"), [*((name, {}) for name in ENCODING), ("transformer", {"causal_attention": True})]
)
@torch.no_grad()
def test_a_causal_network_never_looks_ahead_and_carries_its_state(name: str, arguments: dict[str, Any]) -> None:
    network = make_network(name, **arguments)
    if not getattr(network, "causal", False):
        pytest.skip("not causal")
    values, full, half = torch.randn(4, 24, 3), torch.full((4,), 24), torch.full((4,), 12)
    whole = network(values, full)
    changed = torch.cat([values[:, :12], torch.randn(4, 12, 3)], 1)
    torch.testing.assert_close(network(changed, full).steps[:, :12], whole.steps[:, :12], **CLOSE)
    first = network(values[:, :12], half)
    if first.state is not None:
        torch.testing.assert_close(network(values[:, 12:], half, first.state).steps, whole.steps[:, 12:], **CLOSE)


@pytest.mark.parametrize("name", ["rnn", "lstm", "gru", "stacked_gru", "leaky_rnn", "skip_rnn", "jordan_rnn"])
@torch.no_grad()
def test_a_series_read_in_two_halves_is_read_as_one(name: str) -> None:
    network, (values, _) = make_network(name), make_batch(4)
    full, half = torch.full((4,), 24), torch.full((4,), 12)
    first = network(values[:, :12], half)
    torch.testing.assert_close(network(values[:, 12:], half, first.state).summary, network(values, full).summary, **CLOSE)


@every_network
@torch.no_grad()
def test_eval_is_deterministic(name: str) -> None:
    network, batch = make_network(name), make_batch()
    torch.testing.assert_close(output(network, *batch), output(network, *batch), rtol=0, atol=0)


@pytest.mark.parametrize(
    ("name", "arguments"), [*((name, {}) for name in NAMES), ("lstm_autoencoder", {"decoder": "feedback"})]
)
def test_gradients_reach_every_parameter(name: str, arguments: dict[str, Any]) -> None:
    network = make_network(name, **arguments).train()
    if not list(network.parameters()):
        pytest.skip("learns nothing")
    found = output(network, *make_batch(16))
    if gives(name) == "encoded":
        found = nn.Linear(network.output_size, 4)(found)
    (found - torch.randn_like(found)).square().sum().backward()
    for key, parameter in network.named_parameters():
        assert parameter.grad is not None and parameter.grad.isfinite().all() and parameter.grad.any(), key


@every_network
@torch.no_grad()
def test_half_precision_on_the_cpu_stays_near(name: str) -> None:
    network, batch = make_network(name), make_batch()
    wanted = output(network, *batch)
    with torch.autocast("cpu", torch.bfloat16):
        found = output(network, *batch)
    assert found.dtype == torch.float32
    torch.testing.assert_close(found, wanted, rtol=0.05, atol=0.05 * float(wanted.abs().max()))


@every_network
def test_an_unknown_argument_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match=f"{name} has no argument 'hidden_sise'"):
        seqzoo.create_network(name, SPEC, hidden_sise=1)


@every_network
def test_an_argument_of_the_wrong_type_is_refused(name: str) -> None:
    for key, parameter in list(inspect.signature(resolve("architectures", name), eval_str=True).parameters.items())[1:]:
        wrong = 3 if parameter.annotation is str else "3"
        with pytest.raises(ValueError, match=f"{name}: {key} must be {parameter.annotation.__name__}, got {wrong!r}"):
            seqzoo.create_network(name, SPEC, **{key: wrong})


@pytest.mark.parametrize("name", [name for name in NAMES if consumes(name) is SeriesSpec])
def test_a_network_for_series_alone_refuses_text(name: str, tokenizer: Tokenizer) -> None:
    with pytest.raises(ValueError, match=f"{name} reads series and cannot serve text"):
        seqzoo.create_network(name, TextSpec(9))
    with pytest.raises(ValueError, match=f"{name} reads series and cannot serve text"):
        seqzoo.create_model(name, preprocessor=tokenizer, labels=["a", "b"])


def test_a_network_for_text_alone_refuses_series() -> None:
    with pytest.raises(ValueError, match="bow reads text and cannot serve series"):
        seqzoo.create_network("bow", SPEC)


@pytest.mark.parametrize(
    ("name", "spec", "arguments", "words"),
    [
        ("dense", SPEC, {"hidden_size": 0}, "hidden_size must be at least 1 and num_layers 0, got 0 and 1"),
        ("fcn", SPEC, {"channels": 0}, "channels must be at least 1, got 0"),
        ("fcn", SPEC, {"dropout": 1.0}, "a dropout rate must be at least 0 and below 1, got 1.0"),
        ("lstm_fcn", SPEC, {"hidden_size": 0}, "hidden_size must be at least 1, got 0"),
        ("crnn", SPEC, {"kernel_size": 4}, "kernel_size must be odd to keep T steps, got 4"),
        ("crnn", SPEC, {"time_pool": 0}, "time_pool must be at least 1, got 0"),
        ("cnn", SPEC, {"kernel_shrink": 0}, "kernel_shrink must be at least 1, got 0"),
        ("lstm_autoencoder", SPEC, {"decoder": "sumary"}, "decoder must be one of summary, feedback, got 'sumary'"),
        ("dlinear", SPEC, {"kernel_size": 24}, "kernel_size must be odd to keep L steps, got 24"),
        ("seasonal_naive", SPEC, {"period": 25}, "period must be from 1 to the context_length of 24 steps, got 25"),
        ("segrnn", SPEC._replace(context_length=25), {}, "context_length must be a multiple of segment_length = 24, got 25"),
        ("segrnn", SPEC._replace(horizon=12), {}, "horizon must be a multiple of segment_length = 24, got 12 steps"),
        ("segrnn", SPEC, {"hidden_size": 7}, "hidden_size must be even, half for position and half for channel, got 7"),
        *((name, SPEC._replace(horizon=0), {}, "needs a horizon of at least 1 step, got 0") for name in FORECASTING),
        *((name, SPEC, {"embedding_size": 8}, "a series has no words") for name in ("gru", "bilstm", "cnn", "transformer")),
        ("lstm", SPEC, {"inputs": "one-hot"}, "leave inputs, embedding_size and word_dropout at their defaults"),
        ("tdnn", SPEC, {"word_dropout": 0.1}, "leave inputs, embedding_size and word_dropout at their defaults"),
    ],
)
def test_a_wrong_value_is_named_with_its_rule(name: str, spec: SeriesSpec, arguments: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError) as caught:
        seqzoo.create_network(name, spec, **arguments)
    assert words in str(caught.value)


@pytest.mark.parametrize(("name", "arguments"), [("dense", {}), ("lstm_fcn", {"dimension_shuffle": True})])
def test_a_series_longer_than_the_context_is_refused(name: str, arguments: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="at most its context_length of 24 steps, got 30"):
        make_network(name, **arguments)(torch.randn(2, 30, 3), torch.tensor([30, 4]))


# Batch normalisation


@pytest.mark.parametrize("extra", [(), (5,)])
def test_statistics_are_those_of_the_true_steps(extra: tuple[int, ...]) -> None:
    ours, plain = StepBatchNorm(3), nn.BatchNorm1d(3)
    steps, lengths = torch.randn(4, 9, 3, *extra) * 2 + 1, torch.tensor([9, 5, 1, 7])
    rows = torch.cat([row[:length] for row, length in zip(steps, lengths.tolist(), strict=True)])
    for _ in range(2):
        found, wanted = ours(steps, lengths), plain(rows)
        found = [row[:length] for row, length in zip(found, lengths.tolist(), strict=True)]
        torch.testing.assert_close(torch.cat(found), wanted, **CLOSE)
    torch.testing.assert_close(dict(ours.named_buffers()), dict(plain.named_buffers()), **CLOSE)
    inside = ours.eval()(steps, lengths)
    torch.testing.assert_close(inside[1, :5], plain.eval()(steps[1, :5]), **CLOSE)
    assert not inside[1, 5:].any()


@pytest.mark.parametrize("name", ["fcn", "lstm_fcn", "crnn"])
def test_padding_does_not_change_a_batch_in_training(name: str) -> None:
    without = {"dropout": 0.0} if name == "lstm_fcn" else {}
    network, (values, lengths) = make_network(name, **without).train(), make_batch()
    longer = network(nn.functional.pad(values, (0, 0, 0, 9), value=7.0), lengths).summary
    torch.testing.assert_close(longer, network(values, lengths).summary, **CLOSE)


# Forecasting


def test_persistence_repeats_the_last_value() -> None:
    past = torch.randn(2, 24, 3)
    found = seqzoo.create_network("persistence", SPEC)(past)
    assert torch.equal(found, past[:, -1:].repeat(1, 24, 1))


def test_the_seasonal_forecast_repeats_the_last_period() -> None:
    past = torch.arange(24.0)[None, :, None]
    network = seqzoo.create_network("seasonal_naive", SPEC._replace(horizon=7), period=5)
    assert network(past)[0, :, 0].tolist() == [19.0, 20.0, 21.0, 22.0, 23.0, 19.0, 20.0]


@torch.no_grad()
def test_segrnn_computes_what_its_paper_says() -> None:
    """Against a plain transcription: the state and the embeddings repeated, one call of the GRU for all segments ahead."""
    network, past = make_network("segrnn", segment_length=6), torch.randn(2, 24, 3)
    last = past[:, -1:]
    segments = (past - last).permute(0, 2, 1).reshape(2 * 3, 4, 6)
    _, hidden = network.recurrence(network.project(segments).relu())  # (1, B C, d)
    asked = torch.cat([network.position[None].repeat(3, 1, 1), network.channel[:, None].repeat(1, 4, 1)], -1)  # (C, m, d)
    asked = asked.reshape(3 * 4, 1, -1).repeat(2, 1, 1)
    _, hidden = network.recurrence(asked, hidden.repeat(1, 1, 4).view(1, 2 * 3 * 4, -1))
    wanted = network.predict(hidden[0]).view(2, 3, 24).permute(0, 2, 1) + last
    torch.testing.assert_close(network(past), wanted, **CLOSE)


@pytest.mark.parametrize("name", ["persistence", "seasonal_naive", "segrnn"])
@torch.no_grad()
def test_the_level_of_a_series_only_shifts_its_forecast(name: str) -> None:
    network, past = make_network(name), torch.randn(2, 24, 3)
    torch.testing.assert_close(network(past + 5.0), network(past) + 5.0, **CLOSE)


@every_forecasting
@torch.no_grad()
def test_a_channel_is_forecast_from_itself_alone(name: str) -> None:
    network, past = make_network(name), torch.randn(2, 24, 3)
    changed = past.clone()
    changed[:, :, 1:] = torch.randn(2, 24, 2)
    torch.testing.assert_close(network(changed)[..., 0], network(past)[..., 0], **CLOSE)


# Reconstruction


@pytest.mark.parametrize("decoder", ["summary", "feedback"])
def test_an_autoencoder_learns_to_give_back_what_it_reads(decoder: str) -> None:
    phase = torch.rand(16, 1, 1) * 6.3
    values, lengths = (torch.arange(8.0)[:, None] + phase).sin(), random_lengths(16, 8)
    inside = (torch.arange(8) < lengths[:, None])[..., None]
    network = seqzoo.create_network("lstm_autoencoder", SeriesSpec(1, 8, 0), hidden_size=16, decoder=decoder)
    optimizer = torch.optim.Adam(network.parameters(), lr=0.02)
    for _ in range(150):
        optimizer.zero_grad()
        ((network(values, lengths) - values) * inside).square().sum().backward()
        optimizer.step()
    error = ((network.eval()(values, lengths) - values) * inside).square().sum() / inside.sum()
    assert error < 0.05


@torch.no_grad()
def test_the_first_step_told_is_the_last_step_read() -> None:
    """The paper's first output: a linear map of the encoder's last state, in training and in eval alike."""
    network, (values, lengths) = make_network("lstm_autoencoder", decoder="feedback"), make_batch()
    _, (hidden, _) = network.encoder(values, lengths)
    wanted = network.output(hidden[0])
    for found in (network(values, lengths), network.train()(values, lengths)):
        torch.testing.assert_close(found[torch.arange(6), lengths - 1], wanted, **CLOSE)
