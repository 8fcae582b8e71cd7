"""Fast layers against those of torch, and maxout against its closed form."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from variants.networks.layers import Conv2d, ConvTranspose2d, Dropout, Maxout

FORMATS = [torch.contiguous_format, torch.channels_last]


@pytest.mark.parametrize("channels", [1, 3, 16])
@pytest.mark.parametrize(
    ("kernel", "stride", "padding", "size"), [(4, 2, 1, (7, 6)), (7, 1, 0, (7, 6)), (3, 1, 1, (7, 6)), (7, 1, 0, (1, 1)), (5, 2, 2, (1, 1))]
)
@pytest.mark.parametrize("memory_format", FORMATS)
def test_transposed_convolution_and_its_gradients(
    channels: int, kernel: int, stride: int, padding: int, size: tuple[int, int], memory_format: torch.memory_format
) -> None:
    torch.manual_seed(0)
    fast = ConvTranspose2d(5, channels, kernel, stride, padding, bias=False).double()
    slow = nn.ConvTranspose2d(5, channels, kernel, stride, padding, bias=False).double()
    slow.load_state_dict(fast.state_dict())
    fast = fast.to(memory_format=memory_format)
    data = torch.randn(3, 5, *size, dtype=torch.float64)
    inputs = [data.clone().contiguous(memory_format=form).requires_grad_() for form in (memory_format, torch.contiguous_format)]
    outputs = [layer(data) for layer, data in zip((fast, slow), inputs, strict=True)]
    torch.testing.assert_close(*outputs)
    weight = torch.randn_like(outputs[0])
    for output in outputs:
        (output.square() * weight).sum().backward()
    torch.testing.assert_close(inputs[0].grad, inputs[1].grad)
    torch.testing.assert_close(fast.weight.grad, slow.weight.grad)


@pytest.mark.parametrize("channels", [1, 3, 16])
@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize("trained", [False, True])
@pytest.mark.parametrize("memory_format", FORMATS)
def test_convolution_and_the_gradient_of_its_input(channels: int, bias: bool, trained: bool, memory_format: torch.memory_format) -> None:
    torch.manual_seed(0)
    fast = Conv2d(channels, 5, 4, 2, 1, bias=bias).double().requires_grad_(trained)
    slow = nn.Conv2d(channels, 5, 4, 2, 1, bias=bias).double()
    slow.load_state_dict(fast.state_dict())
    fast = fast.to(memory_format=memory_format)
    data = torch.randn(3, channels, 12, 9, dtype=torch.float64)
    inputs = [data.clone().contiguous(memory_format=form).requires_grad_() for form in (memory_format, torch.contiguous_format)]
    outputs = [layer(images) for layer, images in zip((fast, slow), inputs, strict=True)]
    torch.testing.assert_close(*outputs)
    weight = torch.randn_like(outputs[0])
    for output in outputs:
        (output.square() * weight).sum().backward()
    torch.testing.assert_close(inputs[0].grad, inputs[1].grad)
    if trained:
        torch.testing.assert_close(fast.weight.grad, slow.weight.grad)


@pytest.mark.parametrize("more", [0, 1, (0, 1)])
def test_transposed_convolution_from_one_pixel_to_one_or_two(more: int | tuple[int, int]) -> None:
    layer = ConvTranspose2d(5, 6, 5, 2, 2, output_padding=more, bias=False).double()
    plain = nn.ConvTranspose2d(5, 6, 5, 2, 2, output_padding=more, bias=False).double()
    plain.load_state_dict(layer.state_dict())
    data = torch.randn(3, 5, 1, 1, dtype=torch.float64)
    torch.testing.assert_close(layer(data), plain(data))


@pytest.mark.parametrize("kind", [Conv2d, ConvTranspose2d])
@pytest.mark.parametrize("memory_format", FORMATS)
def test_gradients_from_one_pixel_to_one_are_written_in_full(
    kind: type[Conv2d | ConvTranspose2d], memory_format: torch.memory_format
) -> None:
    """In bfloat16, the layers of torch do not initialise most gradients. The test first fills the memory with huge numbers."""
    for seed in range(10):
        torch.manual_seed(seed)
        layer = kind(16, 8, 5, 2, 2, bias=False).to(memory_format=memory_format)
        data = torch.randn(12, 16, 1, 1).contiguous(memory_format=memory_format)
        layer(data).square().mean().backward()
        wanted, layer.weight.grad = layer.weight.grad, None
        junk = [torch.full((size,), 1e30) for size in (64, 256, 1024, 4096, 16384)]
        del junk
        with torch.autocast("cpu", dtype=torch.bfloat16):
            layer(data).float().square().mean().backward()
        torch.testing.assert_close(layer.weight.grad, wanted, rtol=0.1, atol=0.02)


def test_fast_layers_are_not_torchs(monkeypatch: pytest.MonkeyPatch) -> None:
    def slow(*arguments: object) -> None:
        raise AssertionError("the layer called torch's forward")

    pixel, few, first = ConvTranspose2d(5, 16, 7, bias=False), ConvTranspose2d(5, 1, 4, 2, 1, bias=False), Conv2d(1, 5, 4, 2, 1)
    for kind in (nn.Conv2d, nn.ConvTranspose2d):
        monkeypatch.setattr(kind, "forward", slow)
    assert pixel(torch.randn(2, 5, 1, 1)).shape == (2, 16, 7, 7)
    assert few(torch.randn(2, 5, 7, 7)).shape == (2, 1, 14, 14)
    image = torch.randn(2, 1, 8, 8, requires_grad=True)
    with pytest.raises(AssertionError, match="torch's forward"):
        first(image)  # its weights are trained
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert first.requires_grad_(False)(image).dtype == pixel(torch.randn(2, 5, 1, 1)).dtype == torch.bfloat16
    for layer, given in ((first, image.detach()), (pixel, torch.randn(5, 1, 1)), (first, image[0])):
        with pytest.raises(AssertionError, match="torch's forward"):
            layer(given)


def test_transposed_convolution_under_autocast() -> None:
    layer = ConvTranspose2d(5, 1, 4, 2, 1, bias=False)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        output = layer(torch.randn(2, 5, 7, 7))
    assert output.shape == (2, 1, 14, 14)
    assert output.dtype == torch.bfloat16


@pytest.mark.parametrize("p", [0.01, 0.3, 0.5, 0.9])
def test_dropout_drops_a_share_and_keeps_the_mean(p: float) -> None:
    torch.manual_seed(0)
    layer = Dropout(p)
    data = torch.ones(1001, 301, requires_grad=True)  # the number of elements is no multiple of 4
    out = layer(data)
    assert sorted(out.unique().tolist()) == pytest.approx([0.0, 1 / (1 - p)], rel=1e-3)
    assert (out == 0).float().mean().item() == pytest.approx(p, abs=0.003)
    out.sum().backward()
    assert torch.equal(data.grad, out.detach())


def test_dropped_numbers_are_independent_of_their_neighbours() -> None:
    torch.manual_seed(0)
    mask = (Dropout(0.5)(torch.ones(400_000)) > 0).double() - 0.5
    for lag in (1, 2, 3, 4, 8):
        assert abs((mask[:-lag] * mask[lag:]).mean() / 0.25) < 0.01


def test_dropout_does_nothing_in_evaluation() -> None:
    data = torch.randn(5, 5)
    assert torch.equal(Dropout(0.5).eval()(data), data)
    assert torch.equal(Dropout(0.0)(data), data)
    assert not Dropout(1.0)(data).any()


def test_dropout_draws_from_the_global_stream() -> None:
    data = torch.ones(50, 50)
    outs = []
    for seed in (1, 1, 2):
        torch.manual_seed(seed)
        outs.append(Dropout(0.5)(data))
    assert torch.equal(outs[0], outs[1])
    assert not torch.equal(outs[0], outs[2])


def test_maxout_is_the_largest_of_its_affine_maps() -> None:
    torch.manual_seed(0)
    layer, data = Maxout(3, 4, 5).double(), torch.randn(6, 3, dtype=torch.float64)
    weights, biases = layer.affine.weight.detach().view(4, 5, 3), layer.affine.bias.detach().view(4, 5)
    expected = [[max(float(weights[i, j] @ row + biases[i, j]) for j in range(5)) for i in range(4)] for row in data]
    torch.testing.assert_close(layer(data), torch.tensor(expected, dtype=torch.float64))


def test_maxout_can_be_an_absolute_value_and_its_gradient_the_sign() -> None:
    layer = Maxout(1, 1, 2)
    layer.affine.weight.data = torch.tensor([[1.0], [-1.0]])
    layer.affine.bias.data.zero_()
    data = torch.tensor([[-2.0], [3.0]], requires_grad=True)
    assert layer(data).flatten().tolist() == [2.0, 3.0]
    layer(data).sum().backward()
    assert data.grad.flatten().tolist() == [-1.0, 1.0]
