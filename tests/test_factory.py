"""Networks, models, tasks and corpora from names and plain arguments."""

import inspect

import lightning as L
import pytest
import torch
from made_up import LABELS, TinyCorpus, make_texts, small_arguments, write_imdb

import seqzoo
from seqzoo import TextSpec, create_datamodule, create_model, create_network, create_task
from seqzoo.catalog import UnknownName
from seqzoo.models.text_classifier import TextClassifier
from seqzoo.tasks.text_classification import TextClassification

SMALL = {"embedding_size": 8, "hidden_size": 8}


def make_trainer(tmp_path, epochs: int = 4) -> L.Trainer:
    return L.Trainer(
        max_epochs=epochs,
        accelerator="cpu",
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        default_root_dir=tmp_path,
    )


def accuracy(model: TextClassifier, corpus: TinyCorpus) -> float:
    test = corpus.read("test")
    results = model.predict(test.texts)
    return sum(LABELS.index(result.label) == target for result, target in zip(results, test.targets, strict=True)) / 60


@pytest.mark.parametrize("function", [create_network, create_model, create_task, create_datamodule])
def test_signatures_are_the_designs(function):
    wanted = {
        "create_network": "architecture spec **arguments",
        "create_model": "architecture task= corpus= preprocessor= labels= options= **arguments",
        "create_task": "model optimizer= lr_scheduler= **options",
        "create_datamodule": "corpus **arguments",
    }
    found = []
    for name, parameter in inspect.signature(function).parameters.items():
        marks = {parameter.KEYWORD_ONLY: f"{name}=", parameter.VAR_KEYWORD: f"**{name}"}
        found.append(marks.get(parameter.kind, name))
    assert " ".join(found) == wanted[function.__name__]


def test_a_network_needs_no_corpus():
    network = create_network("bilstm", TextSpec(vocab_size=20_000), hidden_size=64)
    assert isinstance(network, torch.nn.Module) and network.output_size == 4 * 64


@pytest.mark.parametrize(
    ("error", "words", "call"),
    [
        (UnknownName, "did you mean 'bilstm'?", lambda: create_network("bilst", TextSpec(9))),
        (ValueError, "did you mean 'hidden_size'?", lambda: create_network("bilstm", TextSpec(9), hidden=3)),
        (ValueError, "hidden_size must be int", lambda: create_network("bilstm", TextSpec(9), hidden_size="3")),
        (UnknownName, "did you mean 'imdb'?", lambda: create_datamodule("imbd")),
        (ValueError, "did you mean 'batch_size'?", lambda: create_datamodule("imdb", batchsize=3)),
        (ValueError, "batch_size must be int", lambda: create_datamodule("imdb", batch_size=3.5)),
        (ValueError, "batch_size must be at least 1, got 0", lambda: create_datamodule("imdb", batch_size=0)),
        (UnknownName, "did you mean 'text-classification'?", lambda: create_model("bow", task="text-clasification")),
        (ValueError, "either corpus=, or preprocessor= and labels=", lambda: create_model("bow")),
        (ValueError, "both preprocessor= and labels=", lambda: create_model("bow", labels=LABELS)),
        (ValueError, "either corpus=", lambda: create_model("bow", corpus="imdb", labels=LABELS)),
        (UnknownName, "architectures holds no 'bo'", lambda: create_model("bo", corpus="imdb")),
        (ValueError, "bow has no argument 'size'", lambda: create_model("bow", corpus="imdb", size=3)),
    ],
)
def test_what_is_wrong_is_named_before_any_data_is_read(error, words, call, monkeypatch):
    monkeypatch.setattr(TinyCorpus, "read", lambda *_: pytest.fail("data was read"))
    with pytest.raises(error) as caught:
        call()
    assert words in str(caught.value)


def test_a_model_from_a_preprocessor_and_labels(tokenizer):
    model = create_model("bilstm", preprocessor=tokenizer, labels=["bad", "good", "so-so"], **SMALL)
    assert isinstance(model, TextClassifier) and model.tokenizer is tokenizer
    assert set(model.predict("a film").scores) == {"bad", "good", "so-so"}


def test_a_model_from_a_corpus_takes_its_tokenizer_labels_and_preprocessing(tmp_path, monkeypatch):
    monkeypatch.setenv("SEQZOO_DATA", str(write_imdb(tmp_path / "data" / "imdb", 3000).parent))
    model = create_model("bilstm", task="text-classification", corpus="imdb", hidden_size=4, embedding_size=4)
    data = create_datamodule("imdb")
    data.setup("fit")
    assert model.tokenizer == data.tokenizer and model.labels == ["negative", "positive"]
    assert {"max_tokens": model.max_tokens, "keep": model.keep} == data.preprocessing


def test_a_model_from_a_datamodule_of_ones_own(corpus):
    model = create_model("bilstm", corpus=corpus, **SMALL)
    assert model.tokenizer is corpus.tokenizer and model.labels == corpus.labels


def test_a_task_trains_this_very_model_which_then_predicts(tmp_path):
    corpus = TinyCorpus(batch_size=16, validation_size=40)
    model = create_model("bilstm", corpus=corpus, **SMALL)
    before = accuracy(model, corpus)
    task = create_task(model, optimizer=lambda parameters: torch.optim.Adam(parameters, lr=0.05))
    assert isinstance(task, TextClassification) and task.model is model
    trainer = make_trainer(tmp_path)
    trainer.fit(task, datamodule=corpus)
    assert accuracy(model, corpus) > max(0.95, before)
    assert 0.9 < float(trainer.callback_metrics["val_accuracy"]) <= 1.0
    assert {"val_loss", "val_accuracy", "val_macro_f1", "train_loss"} <= set(trainer.callback_metrics)
    (measured,) = trainer.test(task, datamodule=corpus, verbose=False)
    assert measured["test_accuracy"] == pytest.approx(accuracy(model, corpus))
    again = seqzoo.load(model.save_pretrained(tmp_path / "mine"))
    assert accuracy(again, corpus) == accuracy(model, corpus)


def test_a_loaded_model_can_be_trained_on(tmp_path, corpus):
    saved = create_model("bilstm", corpus=corpus, **SMALL).save_pretrained(tmp_path / "first")
    model, fresh = seqzoo.load(saved), TinyCorpus(batch_size=16, validation_size=40)
    fresh.tokenizer = model.tokenizer
    make_trainer(tmp_path, 3).fit(create_task(model, optimizer=lambda p: torch.optim.Adam(p, lr=0.05)), datamodule=fresh)
    assert accuracy(model, fresh) > 0.9


def test_a_loaded_model_trains_with_its_dropout(tmp_path, corpus):
    model = create_model("bilstm", corpus=corpus, **SMALL, summary_dropout=0.5)
    model, modes = seqzoo.load(model.save_pretrained(tmp_path / "first")), []
    corpus.tokenizer = model.tokenizer
    model.register_forward_hook(lambda module, *_: modes.append((torch.is_grad_enabled(), module.network.training)))
    make_trainer(tmp_path, 1).fit(create_task(model), datamodule=corpus)
    assert set(modes) == {(True, True), (False, False)}, "training with dropout, validation without"


def test_a_corpus_with_another_tokenizer_is_refused(tmp_path, tokenizer):
    model = create_model("bow", preprocessor=tokenizer, labels=LABELS, **small_arguments("bow"))
    with pytest.raises(ValueError, match="another tokenizer or other labels"):
        make_trainer(tmp_path).fit(create_task(model), datamodule=TinyCorpus(vocab_size=10, validation_size=40))


def test_the_optimiser_and_its_schedule_are_adamw_or_what_was_given(tokenizer):
    model = create_model("bilstm", preprocessor=tokenizer, labels=LABELS, **SMALL)
    optimizer = create_task(model).configure_optimizers()
    assert type(optimizer) is torch.optim.AdamW and optimizer.param_groups[0]["lr"] == 1e-3
    task = create_task(
        model,
        optimizer=lambda parameters: torch.optim.SGD(parameters, lr=0.5),
        lr_scheduler=lambda optimizer: torch.optim.lr_scheduler.StepLR(optimizer, 3),
        lr_scheduler_interval="step",
    )
    configured = task.configure_optimizers()
    assert type(configured["optimizer"]) is torch.optim.SGD and configured["lr_scheduler"]["interval"] == "step"


@pytest.mark.parametrize("options", [{"lr_scheduler_interval": "day"}, {"label_smoothing": 1.0}])
def test_a_wrong_option_of_a_task_is_refused(tokenizer, options):
    model = create_model("bow", preprocessor=tokenizer, labels=LABELS)
    with pytest.raises(ValueError, match=next(iter(options))):
        create_task(model, **options)


def test_the_models_loss_is_the_mean_over_texts(corpus):
    corpus.setup("fit")
    model = create_model("bilstm", preprocessor=corpus.tokenizer, labels=LABELS, **SMALL)
    task, batch = create_task(model), next(iter(corpus.val_dataloader()))
    task.log = lambda *_, **__: None
    texts, targets = corpus.texts("validation"), corpus.targets("validation")
    loss = task.training_step(batch, 0)
    assert len(batch.targets) == 32 and loss.requires_grad
    probabilities = [model.eval().predict(text).scores for text in texts]
    nats = {text: -torch.tensor(p[LABELS[t]]).log() for text, p, t in zip(texts, probabilities, targets, strict=True)}
    shortest = sorted(texts, key=lambda text: len(corpus.tokenizer.encode([text])[0]))[:32]
    assert float(loss.detach()) == pytest.approx(float(sum(nats[text] for text in shortest) / 32), abs=1e-5)


def test_made_up_texts_are_what_the_tests_take_them_for():
    texts, targets = make_texts(100)
    assert len(set(texts)) > 90 and targets.sum() == 50
