"""One contract, every text architecture: a new file is tested by existing."""

import inspect
from pathlib import Path
from typing import Any

import pytest
import torch
from conftest import make_model
from made_up import LABELS, make_texts, random_lengths, small_arguments
from torch import Tensor, nn

import seqzoo
from seqzoo.catalog import list_architectures, resolve, summary
from seqzoo.models.text_classifier import TextClassifier
from seqzoo.preprocessing.tokenizer import Tokenizer
from seqzoo.specs import TextSpec

SPEC = TextSpec(vocab_size=30)
CLOSE = {"rtol": 1e-5, "atol": 1e-5}


def consumes(name: str) -> type:
    return inspect.signature(resolve("architectures", name), eval_str=True).parameters["spec"].annotation


NAMES = [name for name in list_architectures() if consumes(name) in (TextSpec, TextSpec | seqzoo.SeriesSpec)]
every_architecture = pytest.mark.parametrize("name", NAMES)

VARIANTS = [  # arguments that take another path through a network
    *(("bilstm", {"pooling": pooling, "num_layers": 2}) for pooling in ("last", "max", "mean")),
    *(("bow", {"weighting": weighting, "ngrams": 2}) for weighting in ("multi-hot", "count", "tf-idf")),
    ("bow", {"weighting": "naive-bayes", "ngrams": 3, "hidden_size": 1}),
    ("bow", {"activation": "relu", "hidden_size": 5}),
    *(("bow", {"weighting": weighting, "normalise": True}) for weighting in ("multi-hot", "count", "tf-idf")),
    ("bow", {"weighting": "naive-bayes", "normalise": True, "hidden_size": 1}),
    ("bow", {"weighting": "tf-idf", "sublinear": True, "ngrams": 5}),
    ("bow", {"weighting": "tf-idf", "sublinear": True, "normalise": True, "ngrams": 2}),
    *(("gru", {"pooling": pooling}) for pooling in ("max-mean", "attention")),
    ("lstm", {"reverse": True, "initialisation": "orthogonal"}),
    ("lstm", {"bidirectional": True, "num_layers": 2}),
    ("rnn", {"padded_length": 15}),
    ("lstm", {"inputs": "one-hot", "bidirectional": True}),
    ("cnn", {"num_layers": 2, "pool_size": 1}),
    ("cnn", {"num_layers": 3, "num_kernels": 2, "kernel_size": 2, "pool_size": 2}),
    ("cnn_gru", {"num_layers": 2, "kernel_size": 2, "pool_size": 2}),
    ("transformer", {"causal_attention": True}),
    ("embed_mlp", {"combine": "flatten", "num_words": 5, "hidden_size": 4}),
]
ONE_HOT = [name for name in NAMES if "inputs" in inspect.signature(resolve("architectures", name)).parameters]


def make_batch(batch: int = 6, longest: int = 12) -> tuple[Tensor, Tensor]:
    """Tokens with padding after each length."""
    lengths = random_lengths(batch, longest)
    tokens = torch.randint(1, SPEC.vocab_size, (batch, longest))
    return tokens.masked_fill(torch.arange(longest) >= lengths[:, None], SPEC.pad_index), lengths


def make_network(name: str, **arguments: Any) -> nn.Module:
    """A small network whose output depends on every token, in eval mode."""
    network = resolve("architectures", name)(SPEC, **{**small_arguments(name), **arguments})
    tokens, lengths = make_batch(40)
    if hasattr(network, "fit_statistics"):
        documents = [row[:length].numpy() for row, length in zip(tokens, lengths.tolist(), strict=True)]
        network.fit_statistics(documents, torch.arange(40).numpy() % 2, 2)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(0.3 * torch.randn_like(parameter))
    return network.eval()


def test_there_are_architectures_for_text():
    assert {"bilstm", "bow"} <= set(NAMES)


@every_architecture
def test_arguments_are_named_typed_and_defaulted(name):
    signature = inspect.signature(resolve("architectures", name), eval_str=True)
    first, *others = signature.parameters.values()
    assert first.name == "spec"
    for parameter in others:
        assert parameter.kind is parameter.KEYWORD_ONLY, f"{parameter} must be keyword-only"
        assert parameter.annotation in (int, float, bool, str), f"{parameter} must have a plain type"
        assert type(parameter.default) in (int, float, bool, str), f"{parameter} needs a default of a plain type"


@every_architecture
def test_the_first_line_of_the_file_says_what_it_is(name):
    assert 10 < len(summary("architectures", name)) < 120


@every_architecture
def test_shapes_are_what_output_size_says(name):
    network = resolve("architectures", name)(SPEC).eval()  # at its default sizes
    encoded = network(*make_batch())
    assert encoded.summary.shape == (6, network.output_size) and encoded.summary.dtype == torch.float32
    if encoded.steps is not None:  # fewer where the network pools over time
        assert encoded.steps.shape[0] == 6 and 1 <= encoded.steps.shape[1] <= 12


@every_architecture
def test_the_output_depends_on_the_tokens(name):
    network, (tokens, lengths) = make_network(name), make_batch()
    summary = network(tokens, lengths).summary
    assert not torch.allclose(summary[0], summary[1], atol=1e-3)


@pytest.mark.parametrize(
    ("name", "arguments"), [*((name, {}) for name in NAMES), *VARIANTS], ids=lambda value: str(value).strip("{}")
)
@torch.no_grad()
def test_padding_and_neighbours_do_not_change_a_sequence(name, arguments):
    network, (tokens, lengths) = make_network(name, **arguments), make_batch()
    together = network(tokens, lengths)
    for row, length in enumerate(lengths.tolist()):
        alone = network(tokens[row : row + 1, :length], lengths[row : row + 1])
        torch.testing.assert_close(together.summary[row : row + 1], alone.summary, **CLOSE)
        if alone.steps is not None:
            torch.testing.assert_close(together.steps[row : row + 1, : alone.steps.shape[1]], alone.steps, **CLOSE)
    longer = network(nn.functional.pad(tokens, (0, 9), value=SPEC.pad_index), lengths)
    torch.testing.assert_close(longer.summary, together.summary, **CLOSE)


@every_architecture
@torch.no_grad()
def test_the_order_of_a_batch_does_not_matter(name):
    network, (tokens, lengths) = make_network(name), make_batch()
    order = torch.randperm(len(tokens))
    torch.testing.assert_close(
        network(tokens[order], lengths[order]).summary, network(tokens, lengths).summary[order], **CLOSE
    )


@every_architecture
@torch.no_grad()
def test_a_causal_network_never_looks_ahead_and_carries_its_state(name):
    network = make_network(name)
    if not getattr(network, "causal", False):
        pytest.skip("not causal")
    tokens = torch.randint(1, SPEC.vocab_size, (4, 10))
    full, half = torch.full((4,), 10), torch.full((4,), 5)
    whole = network(tokens, full)
    changed = torch.cat([tokens[:, :5], torch.randint(1, SPEC.vocab_size, (4, 5))], 1)
    torch.testing.assert_close(network(changed, full).steps[:, :5], whole.steps[:, :5], **CLOSE)
    first = network(tokens[:, :5], half)
    if first.state is not None:
        torch.testing.assert_close(network(tokens[:, 5:], half, first.state).steps, whole.steps[:, 5:], **CLOSE)


@every_architecture
@torch.no_grad()
def test_the_state_of_a_split_sequence_changes_what_follows(name):
    """Where a state is given out, it is taken in again: also by networks that read both ways."""
    network, (tokens, lengths) = make_network(name), make_batch()
    encoded = network(tokens, lengths)
    if encoded.state is None:
        pytest.skip("has no state")
    assert not torch.allclose(network(tokens, lengths, encoded.state).summary, encoded.summary, atol=1e-4)


@every_architecture
def test_eval_is_deterministic(name):
    network, batch = make_network(name), make_batch()
    torch.testing.assert_close(network(*batch).summary, network(*batch).summary, rtol=0, atol=0)


@every_architecture
def test_gradients_reach_every_parameter(name, tokenizer):
    model = make_model(name, tokenizer).train()
    documents = tokenizer.encode(make_texts(16)[0])
    model(*model.batch(documents)).logsumexp(-1).sum().backward()
    for key, parameter in model.named_parameters():
        assert parameter.grad is not None and parameter.grad.isfinite().all() and parameter.grad.any(), key


@every_architecture
@torch.no_grad()
def test_half_precision_on_the_cpu_stays_near(name):
    network, batch = make_network(name), make_batch()
    wanted = network(*batch).summary
    with torch.autocast("cpu", torch.bfloat16):
        found = network(*batch).summary
    assert found.dtype == torch.float32
    torch.testing.assert_close(found, wanted, rtol=0.05, atol=0.05 * float(wanted.abs().max()))


@every_architecture
def test_an_unknown_argument_is_refused_with_the_nearest_name(name):
    known = list(inspect.signature(resolve("architectures", name)).parameters)[1]
    with pytest.raises(ValueError, match=f"{name} has no argument '{known}x'; did you mean '{known}'?"):
        seqzoo.create_network(name, SPEC, **{f"{known}x": 1})


@every_architecture
def test_an_argument_of_the_wrong_type_is_refused(name):
    for key, parameter in list(inspect.signature(resolve("architectures", name), eval_str=True).parameters.items())[1:]:
        wrong = 3 if parameter.annotation is str else "3"
        with pytest.raises(ValueError, match=f"{name}: {key} must be {parameter.annotation.__name__}, got {wrong!r}"):
            seqzoo.create_network(name, SPEC, **{key: wrong})


@every_architecture
def test_save_and_load_keep_every_bit(name, tokenizer, tmp_path: Path):
    model = make_model(name, tokenizer)
    again = seqzoo.load(model.save_pretrained(tmp_path / "saved"))
    assert not again.training and type(again) is TextClassifier
    assert again.arguments == model.arguments and again.labels == model.labels and again.tokenizer == tokenizer
    for (key, tensor), (other, wanted) in zip(again.state_dict().items(), model.state_dict().items(), strict=True):
        assert key == other and tensor.dtype == wanted.dtype and torch.equal(tensor, wanted), key
    texts = make_texts(20, seed=9)[0]
    assert again.predict(texts) == model.predict(texts)


@every_architecture
def test_weights_saved_in_half_precision_load_as_float32(name, tokenizer, tmp_path: Path):
    model = make_model(name, tokenizer)
    full = model.save_pretrained(tmp_path / "full")
    half = model.save_pretrained(tmp_path / "half", half=True)
    assert (half / "model.safetensors").stat().st_size < (full / "model.safetensors").stat().st_size
    again, wanted = seqzoo.load(half).state_dict(), model.state_dict()
    for key, tensor in again.items():
        assert tensor.dtype == wanted[key].dtype
        torch.testing.assert_close(tensor, wanted[key], rtol=1e-3, atol=1e-3)
    assert seqzoo.load(half, dtype=torch.bfloat16).head.weight.dtype == torch.bfloat16


@every_architecture
def test_overfits_sixteen_texts(name):
    texts, targets = make_texts(16, seed=4)
    targets = torch.from_numpy(targets).roll(3)  # not what the words say: it must be learned by heart
    tokenizer = Tokenizer.fit(texts, vocab_size=200, min_frequency=1)
    model = TextClassifier(name, small_arguments(name), tokenizer=tokenizer, labels=LABELS)
    documents = tokenizer.encode(texts)
    if hasattr(model.network, "fit_statistics"):
        model.network.fit_statistics(documents, targets.numpy(), 2)
    batch, optimizer = model.batch(documents), torch.optim.Adam(model.parameters(), lr=0.05)
    for _ in range(150):
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(model(*batch), targets)
        loss.backward()
        optimizer.step()
        if loss < 0.01:
            break
    assert [model.labels.index(result.label) for result in model.predict(texts)] == targets.tolist()


@pytest.mark.parametrize("name", ONE_HOT)
def test_one_hot_words_equal_an_embedding_of_unit_vectors(name: str) -> None:
    gathered = make_network(name, inputs="one-hot")
    network = resolve("architectures", name)
    embedded = network(SPEC, **{**small_arguments(name), "inputs": "embedding", "embedding_size": SPEC.vocab_size}).eval()
    units = torch.eye(SPEC.vocab_size)
    units[SPEC.pad_index] = 0.0
    (key,) = set(embedded.state_dict()) - set(gathered.state_dict())
    embedded.load_state_dict({**gathered.state_dict(), key: units})
    tokens, lengths = make_batch()
    with torch.no_grad():
        torch.testing.assert_close(gathered(tokens, lengths).summary, embedded(tokens, lengths).summary, **CLOSE)


@pytest.mark.parametrize("name", ["rnn", "lstm", "gru"])
def test_a_series_is_read_without_an_embedding(name: str) -> None:
    network = resolve("architectures", name)(
        seqzoo.SeriesSpec(n_channels=3, context_length=8, horizon=2), hidden_size=4
    ).eval()
    encoded = network(torch.randn(2, 8, 3), torch.tensor([8, 5]))
    assert encoded.steps.shape == (2, 8, 4) and encoded.summary.shape == (2, 4)


def test_without_masking_padding_is_read_as_data() -> None:
    torch.manual_seed(0)
    arguments = {"embedding_size": 4, "hidden_size": 4}
    masked = resolve("architectures", "lstm")(SPEC, **arguments).eval()
    unmasked = resolve("architectures", "lstm")(SPEC, padded_length=12, **arguments).eval()
    unmasked.load_state_dict(masked.state_dict())
    tokens, lengths = torch.tensor([[3, 4, 0, 0]]), torch.tensor([2])
    longer = unmasked(tokens, lengths).summary
    assert not torch.allclose(longer, masked(tokens, lengths).summary)
    torch.testing.assert_close(longer, unmasked(tokens[:, :2], lengths).summary)
