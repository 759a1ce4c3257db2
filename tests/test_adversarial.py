"""Adversarial training: the worst nearby word vectors, found and trained on."""

import pytest
import torch
from made_up import LABELS, make_texts, small_arguments

import seqzoo
from seqzoo.preprocessing.tokenizer import Tokenizer
from seqzoo.specs import TextBatch
from seqzoo.tasks.text_classification import TextClassification


def make_task(architecture: str = "bilstm", **arguments: float) -> tuple[TextClassification, TextBatch]:
    torch.manual_seed(0)
    texts, targets = make_texts(8)
    tokenizer = Tokenizer.fit(texts, min_frequency=1)
    small = {**small_arguments(architecture), **arguments}
    model = seqzoo.create_model(architecture, preprocessor=tokenizer, labels=LABELS, **small)
    task = seqzoo.create_task(model, adversarial_norm=5.0)
    task.log = lambda *_, **__: None
    return task.train(), TextBatch(*model.batch(tokenizer.encode(texts)), torch.from_numpy(targets))


def gradients(task, loss):
    task.zero_grad()
    loss.backward()
    return {name: weight.grad.clone() for name, weight in task.named_parameters() if weight.grad is not None}


def moved(task, batch: TextBatch):
    """The loss on moved word vectors and the move itself, step by step as the paper has it."""
    embedding, seen = task.model.network.embedding, []
    with embedding.register_forward_hook(lambda _, __, output: seen.append(output)):
        loss = task._training_loss(batch)
    (slope,) = torch.autograd.grad(loss, seen)
    shift = 5.0 * embedding.weight.std().detach() * slope / slope.flatten(1).norm(dim=1)[:, None, None]
    with embedding.register_forward_hook(lambda _, __, output: output + shift):
        return task._training_loss(batch), shift


def test_the_gradient_is_that_of_both_losses():
    task, batch = make_task()
    got = gradients(task, task.training_step(batch, 0))
    worst, _ = moved(task, batch)
    expected = gradients(task, task._training_loss(batch) + worst)
    assert set(got) == set(expected)
    for name, gradient in expected.items():
        torch.testing.assert_close(got[name], gradient, rtol=1e-4, atol=1e-6)


def test_the_move_makes_the_loss_worse_and_has_the_length_asked_for():
    task, batch = make_task()
    worst, shift = moved(task, batch)
    assert worst > task._training_loss(batch)
    spread = task.model.network.embedding.weight.std().item()
    torch.testing.assert_close(shift.flatten(1).norm(dim=1), torch.full((8,), 5.0 * spread))


def test_both_passes_drop_the_same_units_and_draw_from_the_generator_once():
    task, batch = make_task(word_dropout=0.3, embedding_dropout=0.3, dropout=0.3)
    torch.manual_seed(1)
    loss, _ = task._adversarial(batch)
    after = torch.rand(3)
    torch.manual_seed(1)
    assert task._training_loss(batch).item() == pytest.approx(loss.item(), rel=1e-6)
    torch.testing.assert_close(torch.rand(3), after)


def test_a_frozen_embedding_is_moved_too_and_stays_as_it_is():
    task, batch = make_task()
    task.model.network.embedding.weight.requires_grad_(False)
    got = gradients(task, task.training_step(batch, 0))
    assert "model.network.embedding.weight" not in got and all(bool(gradient.any()) for gradient in got.values())


def test_it_is_refused_where_nothing_is_embedded():
    with pytest.raises(ValueError, match="needs a network with an embedding; bow has none"):
        make_task("bow")[0].on_fit_start()


@pytest.mark.parametrize("norm", [-1.0, float("nan"), float("inf")])
def test_a_norm_that_is_no_length_is_refused(norm):
    with pytest.raises(ValueError, match="adversarial_norm must be at least 0"):
        TextClassification("bilstm", adversarial_norm=norm)
