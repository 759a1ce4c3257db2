"""Keras's recurrent layers, with weights copied over, give what ours give (stored outputs of Keras 3, masked)."""

import json
from pathlib import Path

import pytest
import torch
from torch import Tensor

from seqzoo.layers import recurrent

STORED = json.loads((Path(__file__).parent / "data" / "keras" / "recurrent.json").read_text())
GATES = {"rnn": [0], "lstm": [0, 1, 2, 3], "gru": [1, 0, 2]}  # Keras's order z, r, n of the GRU becomes torch's r, z, n


def reordered(weight: Tensor, name: str) -> Tensor:
    """(..., gates * H) of Keras -> (gates * H, ...) of torch."""
    gates = weight.chunk(len(GATES[name]), -1)
    return (
        torch.cat([gates[gate] for gate in GATES[name]], -1).t()
        if weight.dim() == 2
        else torch.cat([gates[gate] for gate in GATES[name]])
    )


@pytest.mark.parametrize("name", ["rnn", "lstm", "gru"])
def test_keras_weights_give_keras_outputs(name: str) -> None:
    stored = STORED["cells"][name]
    kernel, hidden, bias = (torch.tensor(weight) for weight in stored["weights"])
    layer = getattr(recurrent, name.upper())(3, 4)
    biases = bias if bias.dim() == 2 else torch.stack([bias, torch.zeros_like(bias)])  # reset_after has both
    layer.load_state_dict(
        {
            "weight_ih_l0": reordered(kernel, name),
            "weight_hh_l0": reordered(hidden, name),
            "bias_ih_l0": reordered(biases[0], name),
            "bias_hh_l0": reordered(biases[1], name),
        }
    )
    with torch.no_grad():
        steps, state = layer(torch.tensor(STORED["inputs"]), torch.tensor(STORED["lengths"]))
    torch.testing.assert_close(steps, torch.tensor(stored["steps"]), atol=1e-5, rtol=0)
    parts = state if isinstance(state, tuple) else (state,)
    for part, expected in zip(parts, stored["state"], strict=True):
        torch.testing.assert_close(part[0], torch.tensor(expected), atol=1e-5, rtol=0)


@pytest.mark.parametrize(
    ("name", "input_size", "hidden_size", "gates", "lecture"),
    [("RNN", 32, 32, 1, 2_080), ("LSTM", 14, 16, 4, 1_984), ("LSTM", 32, 32, 4, None), ("GRU", 14, 32, 3, None)],
)
def test_parameters_are_the_lectures_and_a_second_bias(
    name: str, input_size: int, hidden_size: int, gates: int, lecture: int | None
) -> None:
    """gates x hidden x (input + hidden + 1), and torch's second bias of gates x hidden."""
    size = sum(parameter.numel() for parameter in getattr(recurrent, name)(input_size, hidden_size).parameters())
    one_bias = gates * hidden_size * (input_size + hidden_size + 1)
    assert lecture in (None, one_bias)
    assert size == one_bias + gates * hidden_size
