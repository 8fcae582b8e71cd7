"""External generators. They get the right input, and each mistake gives a one-line error."""

from __future__ import annotations

import contextlib
import sys
from pathlib import Path

import pytest
import torch

from bench.core import random_streams
from bench.core.errors import UserError
from bench.evaluation.external_generator import BATCH, sample_module
from bench.evaluation.external_images import ImageRequirements, as_bytes
from bench.evaluation.sampling import WALK_PAIRS, WALK_STEPS
from bench.evaluation.value_checks import Levels

DATA = Levels(upper_share=0.3, highest=255)
REQUIREMENTS = ImageRequirements(dataset="digits", shape=(1, 8, 8), fewest=10, levels=DATA)
CODE = """
import sys
import torch
from torch import nn

print("a module prints this")
LATENTS = []
TF32 = []

class Linear(nn.Module):
    nz = 6
    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(6, 64)
        self.dropout = nn.Dropout(0.5)
    def forward(self, z):
        LATENTS.append(z)
        TF32.append(torch.backends.cudnn.allow_tf32)
        return self.dropout(self.layer(z).sigmoid()).view(-1, 1, 8, 8)

class Deconvolution(nn.Sequential):
    latent_size = 5
    def __init__(self):
        super().__init__(nn.ConvTranspose2d(5, 1, 8), nn.Tanh())

class Noisy(Linear):
    def forward(self, z):
        return super().forward(z) * torch.rand(len(z), 1, 1, 1)

def module_of(function, width=3):
    class Module(nn.Module):
        z_dim = width
        def forward(self, z):
            return function(z)
    return Module

instance = Linear()
number = 3
def make(): return Linear()
def needs(argument): return Linear()
def fails(): raise ValueError("one\\ntwo")
def leaves(): sys.exit(4)
Raises = module_of(lambda z: 1 / 0)
Nothing = module_of(lambda z: None)
Small = module_of(lambda z: torch.zeros(len(z), 1, 4, 4))
Whole = module_of(lambda z: torch.zeros(len(z), 1, 8, 8, dtype=torch.int64))
Symmetric = module_of(lambda z: -torch.ones(len(z), 1, 8, 8))
Broken = module_of(lambda z: torch.full((len(z), 1, 8, 8), float("nan")))
Half = module_of(lambda z: torch.ones(len(z), 1, 8, 8, dtype=torch.bfloat16))
Dark = module_of(lambda z: torch.full((len(z), 1, 8, 8), 0.003))
Odd = module_of(lambda z: z, width="wide")
Huge = module_of(lambda z: z, width=10**15)
Endless = module_of(lambda z: z, width=10**30)
Leaves = module_of(lambda z: sys.exit(0))
Stops = module_of(lambda z: next(iter([])))
Sparse = module_of(lambda z: torch.zeros(len(z), 1, 8, 8).to_sparse())
Meta = module_of(lambda z: torch.zeros(len(z), 1, 8, 8, device="meta"))

class Speechless(BaseException):
    def __str__(self):
        raise RuntimeError

def speechless(z):
    raise Speechless

Mute = module_of(speechless)

class Shy(nn.Module):
    @property
    def z_dim(self):
        raise KeyError("z_dim")
"""


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Change to a new working directory that contains the module `zoo_of_others`."""
    (tmp_path / "zoo_of_others.py").write_text(CODE)
    monkeypatch.chdir(tmp_path)
    monkeypatch.delitem(sys.modules, "zoo_of_others", raising=False)


def sampled(name: str, n: int = 20, latent: int | None = None, value_range: tuple[float, float] | None = None) -> torch.Tensor:
    return sample_module(f"zoo_of_others:{name}", REQUIREMENTS, n=n, latent=latent, value_range=value_range).data


@pytest.mark.usefixtures("here")
def test_latents_are_drawn_at_once_from_the_evaluation_stream(capsys: pytest.CaptureFixture[str]) -> None:
    path = list(sys.path)
    images = sampled("Linear", n=2 * BATCH + 10)
    assert images.shape == (2 * BATCH + 10, 1, 8, 8)
    module = sys.modules["zoo_of_others"]
    latents = torch.cat(module.LATENTS)
    assert [len(z) for z in module.LATENTS[:3]] == [BATCH, BATCH, 10]
    assert set(module.TF32) == {False}
    z = torch.randn(2 * BATCH + 10, 6, generator=random_streams.stream(0, random_streams.EVALUATION))
    assert torch.equal(latents[: len(z)], z)
    assert len(latents) == len(z) + WALK_PAIRS * (WALK_STEPS + 1)
    assert sys.path == path
    out, err = capsys.readouterr()
    assert not out
    assert "a module prints this" in err


@pytest.mark.usefixtures("here")
@pytest.mark.parametrize("name", ["Linear", "Raises"])
def test_the_module_path_is_restored(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    before = ["", *sys.path, ""]  # as in a shell, where the working directory comes first
    monkeypatch.setattr(sys, "path", path := list(before))
    with contextlib.suppress(UserError):
        sampled(name)
    assert sys.path is path
    assert path == before
    Path("zoo_of_others.py").write_text(f"import sys\nsys.path = ['/', *sys.path]\n{CODE}")
    monkeypatch.delitem(sys.modules, "zoo_of_others")
    with contextlib.suppress(UserError):
        sampled(name)
    assert sys.path is path
    assert path == before


@pytest.mark.usefixtures("here")
def test_a_class_a_function_and_an_object_are_the_same_and_repeat() -> None:
    images = sampled("make")
    assert torch.equal(sampled("make"), images)
    assert torch.equal(sampled("Linear"), images)  # initial weights from a separate stream
    assert images.float().std() > 5
    module = sys.modules["zoo_of_others"]
    module.instance.eval()
    module.LATENTS.clear()
    with torch.no_grad():
        assert torch.equal(sampled("instance"), as_bytes(module.instance(module.LATENTS[0]), None))  # dropout is off
    torch.manual_seed(1)
    noisy = sampled("Noisy")
    torch.manual_seed(2)
    assert torch.equal(sampled("Noisy"), noisy)


@pytest.mark.usefixtures("here")
def test_a_first_convolution_gets_latents_of_one_pixel_and_bfloat16_is_accepted() -> None:
    images = sampled("Deconvolution", value_range=(-1.0, 1.0))
    assert images.shape == (20, 1, 8, 8)
    assert images.float().std() > 5
    assert sampled("Half").min() == 255


@pytest.mark.usefixtures("here")
@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("number", "is 'int', not a torch nn.Module"),
        ("needs", "cannot be loaded: TypeError: needs() missing 1 required positional argument"),
        ("fails", "cannot be loaded: ValueError: one two"),
        ("leaves", "cannot be loaded: SystemExit: 4"),
        ("nobody", "has no attribute 'nobody'"),
        ("Raises", "cannot be sampled with latents [20, 3]: ZeroDivisionError: division by zero"),
        ("Leaves", "cannot be sampled with latents [20, 3]: SystemExit: 0"),
        ("Stops", "cannot be sampled with latents [20, 3]: StopIteration"),
        ("Mute", "cannot be sampled with latents [20, 3]: Speechless: Speechless"),
        ("Shy", "the width of the latents of 'zoo_of_others:Shy' cannot be read: KeyError: 'z_dim'"),
        ("Nothing", "returns 'NoneType', not a dense tensor"),
        ("Sparse", "returns 'Tensor', not a dense tensor"),
        ("Meta", "returns 'Tensor', not a dense tensor"),
        ("Endless", "do not fit into memory"),
        ("Small", "returns images of the shape [20, 1, 4, 4], and 'digits' needs [20, 1, 8, 8]"),
        ("Whole", "returns int64, not floats"),
        ("Symmetric", "and [0, 1] is expected: set the values of black and white, e.g. --range -1 1"),
        ("Broken", "infinite or NaN"),
        ("Odd", "must be a positive integer, not 'wide'"),
        ("Huge", "do not fit into memory"),
        ("Dark", "no value above 1/255 of white, which is 1, as if they were divided by 255 twice"),
    ],
)
def test_each_mistake_is_one_line(name: str, message: str) -> None:
    with pytest.raises(UserError) as error:
        sampled(name)
    assert message in str(error.value)
    assert len(str(error.value).splitlines()) == 1


@pytest.mark.usefixtures("here")
def test_invalid_widths_counts_and_modules() -> None:
    with pytest.raises(UserError, match="set the width of its latents with --latent N"):
        sample_module("torch.nn:Identity", REQUIREMENTS, n=20)
    with pytest.raises(UserError, match="positive integer, not 0"):
        sampled("Linear", latent=0)
    with pytest.raises(UserError, match=r"cannot be sampled with latents \[20, 7\]"):
        sampled("Linear", latent=7)
    with pytest.raises(UserError, match="9 images are too few"):
        sampled("Linear", n=9)
    for source in ("no_such_module:x", ":x", "x:", "..a:b", "zoo_of_others:"):
        with pytest.raises(UserError, match="cannot be loaded"):
            sample_module(source, REQUIREMENTS, n=20)
