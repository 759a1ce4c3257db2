"""Recurrence over sequences of unequal length, exact and at the speed of one padded call.

Shapes: B batch, T steps, C input_size, H hidden_size, D directions, L layers.

Packing (`torch.nn.utils.rnn.pack_padded_sequence`) leaves the fast kernels, and a padded call reads padding as data. Here
each direction is a padded forward call: the backward one reads every sequence reversed by its own length, so that padding
always comes last and nothing before it can see it. Parameters, their names, shapes and order are those of `torch.nn`.
"""

import torch
from torch import Tensor, nn

__all__ = ["GRU", "LSTM", "RNN", "initialise_orthogonal", "reverse_by_length"]

FREEZE = 1e4  # sigmoid(-FREEZE) is 0 and sigmoid(FREEZE) is 1, exactly, in float32, bfloat16 and float16


class _Permute(torch.autograd.Function):
    """Rows exchanged in pairs; the gradient is the same exchange, which spares autograd its slow scatter."""

    @staticmethod
    def forward(ctx, rows: Tensor, order: Tensor) -> Tensor:
        ctx.save_for_backward(order)
        return rows.index_select(0, order)

    @staticmethod
    def backward(ctx, gradient: Tensor) -> tuple[Tensor, None]:
        return gradient.index_select(0, ctx.saved_tensors[0]), None


def reverse_by_length(steps: Tensor, lengths: Tensor) -> Tensor:
    """(B, T, D) or (B, T), (B,) -> the same shape: each sequence back to front, its padding left where it is."""
    batch, length = steps.shape[:2]
    step = torch.arange(length, device=steps.device)
    end = lengths.to(steps.device)[:, None]
    order = torch.where(step < end, end - 1 - step, step)  # (B, T), its own inverse
    order = (order + torch.arange(batch, device=steps.device)[:, None] * length).reshape(-1)
    rows = steps.flatten(0, 1)
    if torch.is_grad_enabled() and steps.requires_grad:
        return _Permute.apply(rows, order).view_as(steps)
    return rows.index_select(0, order).view_as(steps)


def _has_half() -> bool:
    """Whether oneDNN, which computes a CPU's LSTM, has it in autocast's numbers here: AVX2 alone has neither 16-bit kind."""
    if not torch.backends.mkldnn.is_available():
        return True
    dtype, operators = torch.get_autocast_dtype("cpu"), torch.ops.mkldnn
    if dtype == torch.float16:
        return operators._is_mkldnn_fp16_supported()
    return dtype != torch.bfloat16 or operators._is_mkldnn_bf16_supported()


def _last(steps: Tensor, lengths: Tensor) -> Tensor:
    """(B, T, H), (B,) -> (B, H): the step at each sequence's end."""
    return steps.gather(1, (lengths.to(steps.device) - 1)[:, None, None].expand(-1, 1, steps.shape[2]))[:, 0]


def _check(inputs: Tensor, lengths: Tensor, input_size: int) -> None:
    if not (inputs.dim() == 2 and inputs.dtype == torch.int64) and (inputs.dim() != 3 or inputs.shape[2] != input_size):
        raise ValueError(
            f"inputs must be (B, T, {input_size}), or (B, T) int64 for words, got {tuple(inputs.shape)} {inputs.dtype}"
        )
    if lengths.shape != inputs.shape[:1]:
        raise ValueError(f"lengths must be ({inputs.shape[0]},), one per sequence, got {tuple(lengths.shape)}")
    if lengths.device.type != "cpu" or torch.compiler.is_compiling():
        return  # reading the numbers would stop the device; a wrong one fails in the gather
    if len(lengths) and not 1 <= int(lengths.min()) <= int(lengths.max()) <= inputs.shape[1]:
        raise ValueError(
            f"lengths must be from 1 to T = {inputs.shape[1]}, got {int(lengths.min())} to {int(lengths.max())}; "
            "drop empty sequences or give them one step"
        )


def initialise_orthogonal(recurrence: nn.RNNBase) -> None:
    """Each gate's hidden-to-hidden weights orthogonal, input weights Glorot, biases 0, an LSTM's forget gate 1."""
    size = recurrence.hidden_size
    with torch.no_grad():
        for name, weight in recurrence.named_parameters():
            for gate in range(len(weight) // size):
                rows = weight[gate * size : (gate + 1) * size]
                if name.startswith("weight_hh"):
                    nn.init.orthogonal_(rows)
                elif name.startswith("weight_ih"):
                    nn.init.xavier_uniform_(rows)
                else:
                    forget = isinstance(recurrence, nn.LSTM) and name.startswith("bias_ih") and gate == 1
                    nn.init.constant_(rows, 1.0 if forget else 0.0)


class _VariableLength:
    """What the three recurrences share: directions, layers, dropout. Mixed into torch.nn's own classes."""

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        *,
        bidirectional: bool = False,
        dropout: float = 0.0,
        recurrent_dropout: float = 0.0,
    ):
        """`dropout` stands between layers. `recurrent_dropout` is variational (Gal and Ghahramani, 2016): one mask of
        hidden units for all time steps of a call. It is laid on the columns of the hidden-to-hidden weights, hence
        shared by the batch, which keeps the fast kernel.
        """
        for name, value in (("dropout", dropout), ("recurrent_dropout", recurrent_dropout)):
            if not 0.0 <= value < 1.0:
                raise ValueError(f"{name} must be at least 0 and below 1, got {value}")
        super().__init__(input_size, hidden_size, num_layers, bidirectional=bidirectional, batch_first=True)
        self.dropout = float(dropout)  # set here: torch.nn warns about dropout with one layer
        self.recurrent_dropout = float(recurrent_dropout)

    def _layers(self, inputs: Tensor, lengths: Tensor, state: tuple[Tensor, ...] | None):
        _check(inputs, lengths, self.input_size)
        expected = (self.num_layers * (1 + self.bidirectional), inputs.shape[0], self.hidden_size)
        for part in state or ():
            self.check_hidden_size(part, expected)
        end = lengths.to(inputs.device)
        padding = torch.arange(inputs.shape[1], device=inputs.device) >= end[:, None]  # (B, T)
        if inputs.dim() == 3:
            inputs = inputs.masked_fill(padding[..., None], 0.0)  # NaN there would reach the gradients
        steps, finals = inputs, []
        for layer in range(self.num_layers):
            if layer and self.dropout:
                steps = nn.functional.dropout(steps, self.dropout, self.training)
            outputs = []
            marked = steps if steps.dim() == 2 else self._mark(steps, padding)
            for suffix in ("", "_reverse")[: 1 + self.bidirectional]:
                index = len(finals)
                weights = [
                    getattr(self, f"{name}_l{layer}{suffix}") for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
                ]
                weights[1] = self._drop_columns(weights[1])
                reads = reverse_by_length(marked, lengths) if suffix else marked
                if reads.dim() == 2:  # W_ih times a unit vector is a column of W_ih
                    reads = nn.functional.embedding(reads, weights[0].t())  # (B, T, gates * H)
                    weights[0] = torch.eye(reads.shape[2], dtype=reads.dtype, device=reads.device)
                    reads = self._mark(reads, padding)
                if state is None:
                    start = (reads.new_zeros(1, *expected[1:]),) * self.states
                else:
                    start = tuple(part[index, None] for part in state)
                output, final = self._direction(reads, end, start, weights)
                finals.append(final)
                outputs.append(reverse_by_length(output, lengths) if suffix else output)
            steps = torch.cat(outputs, -1).masked_fill(padding[..., None], 0.0)
        return steps, tuple(torch.stack(parts) for parts in zip(*finals, strict=True))

    def check_hidden_size(self, hx: Tensor, expected_hidden_size: tuple[int, int, int], msg: str = "") -> None:
        """torch.nn asks this of a state as well."""
        if tuple(hx.shape) != expected_hidden_size:
            raise ValueError(f"state must be (L*D, B, H) = {expected_hidden_size}, got {tuple(hx.shape)}")

    def _drop_columns(self, weight: Tensor) -> Tensor:
        if not (self.training and self.recurrent_dropout):
            return weight
        return weight * nn.functional.dropout(weight.new_ones(self.hidden_size), self.recurrent_dropout)

    def _mark(self, steps: Tensor, padding: Tensor) -> Tensor:
        """What a direction needs to know of padding, beside its input; nothing, where the state is the output."""
        return steps

    def _is_plain(self, inputs: Tensor, lengths: Tensor) -> bool:
        """True where no sequence is padded and no weight is dropped, so that torch.nn's own call is already exact."""
        if torch.compiler.is_compiling() or lengths.device.type != "cpu" or inputs.dim() == 2:
            return False
        if self.training and (self.recurrent_dropout or (self.dropout and self.num_layers > 1)):
            return False
        _check(inputs, lengths, self.input_size)
        return len(lengths) > 0 and int(lengths.min()) == inputs.shape[1]


class RNN(_VariableLength, nn.RNN):
    """Elman network: h_t = tanh(W_ih x_t + b_ih + W_hh h_{t-1} + b_hh) (Elman, 1990)."""

    states = 1

    def forward(self, inputs: Tensor, lengths: Tensor, state: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """(B, T, C), (B,), (L*D, B, H) -> steps (B, T, D*H), state (L*D, B, H). Steps past a sequence's end are 0.

        Inputs (B, T) int64 are words as unit vectors of `input_size`, computed as a gather.
        Raises ValueError for lengths outside 1..T and for shapes that do not fit.
        """
        if self._is_plain(inputs, lengths):
            return nn.RNN.forward(self, inputs, state)
        steps, (hidden,) = self._layers(inputs, lengths, None if state is None else (state,))
        return steps, hidden

    def _direction(self, steps, lengths, start, weights):
        output, _ = torch.rnn_tanh(steps, start[0], weights, True, 1, 0.0, self.training, False, True)
        return output, (_last(output, lengths),)


class GRU(_VariableLength, nn.GRU):
    """Gated recurrent unit (Cho et al., 2014; gates as in torch.nn.GRU: reset, update, new)."""

    states = 1

    def forward(self, inputs: Tensor, lengths: Tensor, state: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """(B, T, C), (B,), (L*D, B, H) -> steps (B, T, D*H), state (L*D, B, H). Steps past a sequence's end are 0.

        Inputs (B, T) int64 are words as unit vectors of `input_size`, computed as a gather.
        Raises ValueError for lengths outside 1..T and for shapes that do not fit.
        """
        if self._is_plain(inputs, lengths):
            return nn.GRU.forward(self, inputs, state)
        steps, (hidden,) = self._layers(inputs, lengths, None if state is None else (state,))
        return steps, hidden

    def _direction(self, steps, lengths, start, weights):
        output, _ = torch.gru(steps, start[0], weights, True, 1, 0.0, self.training, False, True)
        return output, (_last(output, lengths),)


class LSTM(_VariableLength, nn.LSTM):
    """Long short-term memory (Hochreiter and Schmidhuber, 1997; gates as in torch.nn.LSTM: input, forget, cell, output).

    The hidden state at a sequence's end is the output there; the cell state is no output, so it is frozen instead: one more
    input channel, 1 on padding, shuts the input gate and opens the forget gate.
    """

    states = 2

    def forward(
        self, inputs: Tensor, lengths: Tensor, state: tuple[Tensor, Tensor] | None = None
    ) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        """(B, T, C), (B,), (h, c) each (L*D, B, H) -> steps (B, T, D*H), (h, c). Steps past a sequence's end are 0.

        Inputs (B, T) int64 are words as unit vectors of `input_size`, computed as a gather.
        Raises ValueError for lengths outside 1..T and for shapes that do not fit.
        """
        if inputs.device.type == "cpu" and torch.is_autocast_enabled("cpu") and not _has_half():
            with torch.autocast("cpu", enabled=False):  # oneDNN would raise a RuntimeError
                inputs = inputs.float() if inputs.is_floating_point() else inputs
                return self.forward(inputs, lengths, state and (state[0].float(), state[1].float()))
        if self._is_plain(inputs, lengths):
            return nn.LSTM.forward(self, inputs, state)
        return self._layers(inputs, lengths, state)

    def _mark(self, steps: Tensor, padding: Tensor) -> Tensor:
        return torch.cat([steps, padding[..., None].to(steps.dtype)], -1)  # (B, T, C + 1)

    def _direction(self, steps, lengths, start, weights):
        gates = weights[0].new_tensor([-FREEZE, FREEZE, 0.0, 0.0]).repeat_interleave(self.hidden_size)  # i, f, g, o
        weights = [torch.cat([weights[0], gates[:, None]], 1), *weights[1:]]
        output, _, cell = torch.lstm(steps, start, weights, True, 1, 0.0, self.training, False, True)
        return output, (_last(output, lengths), cell[0])
