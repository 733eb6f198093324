"""PyTorch steps of the two GANs of sounds in `gan_jax/benchmarks/nets.py`, to compare speeds with.

    uv run benchmark.py --suite cpu --peer torch/bin/python docs/benchmarks/torch_sounds.py

A step is an Adam update of D, on a real batch and an equal number of fakes, followed by one of G on
fresh fakes. The loss is the nonsaturating one. Real sounds are already on the device.

specgan64: spectrograms 64x64x1 of 4,096 samples, whose computation is a part of the step.
  G: dense 128 -> 4x4x256, then k4 s2 to 128, 64, 32 and 1 channels; batch norm and ReLU between,
  tanh at the end. D: k4 s2 to 32, 64, 128 and 256 channels, batch norm on the last three, leaky
  ReLU 0.2, dense 1. Adam 2e-4 (0.5, 0.999).
wavegan4k: waves of 4,096 samples.
  G: dense 100 -> 16x128, then k25 s4 to 64, 32, 16 and 1 channels; ReLU between, tanh at the end.
  D: k25 s4 to 16, 32, 64 and 128 channels, leaky ReLU 0.2, phase shuffle of 2 steps on the first
  three, dense 1. Adam 1e-4 (0.5, 0.9).

It prints a line of JSON for each mode and precision, with the numbers of parameters, as
`benchmark.py --peer` expects.
"""

from __future__ import annotations

import argparse
import contextlib
import functools
import itertools
import json
import statistics
import time
from collections.abc import Callable
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

SAMPLES, WINDOW, HOP, FLOOR = 4_096, 128, 64, 1e-6
MEAN, SCALE = -5.0, 15.0  # of the logarithms of magnitudes: mean, and three standard deviations


class SpecGanGenerator(nn.Module):
    def __init__(self, width: int = 32, latents: int = 128) -> None:
        super().__init__()
        self.width = width
        self.dense = nn.Linear(latents, 16 * 8 * width, bias=False)
        layers: list[nn.Module] = [nn.BatchNorm2d(8 * width), nn.ReLU()]
        for a, b in ((8, 4), (4, 2), (2, 1)):
            layers.append(nn.ConvTranspose2d(a * width, b * width, 4, 2, 1, bias=False))
            layers += [nn.BatchNorm2d(b * width), nn.ReLU()]
        self.body = nn.Sequential(*layers, nn.ConvTranspose2d(width, 1, 4, 2, 1), nn.Tanh())

    def forward(self, z: Tensor) -> Tensor:
        return self.body(self.dense(z).view(-1, 8 * self.width, 4, 4))


class SpecGanDiscriminator(nn.Module):
    def __init__(self, width: int = 32) -> None:
        super().__init__()
        layers: list[nn.Module] = [nn.Conv2d(1, width, 4, 2, 1), nn.LeakyReLU(0.2)]
        for a, b in ((1, 2), (2, 4), (4, 8)):
            layers.append(nn.Conv2d(a * width, b * width, 4, 2, 1, bias=False))
            layers += [nn.BatchNorm2d(b * width), nn.LeakyReLU(0.2)]
        self.body = nn.Sequential(*layers, nn.Flatten(), nn.Linear(16 * 8 * width, 1))

    def forward(self, x: Tensor) -> Tensor:
        return self.body(x)[:, 0]


class WaveGanGenerator(nn.Module):
    def __init__(self, width: int = 16, latents: int = 100) -> None:
        super().__init__()
        self.width = width
        self.dense = nn.Linear(latents, 16 * 8 * width)
        layers: list[nn.Module] = [nn.ReLU()]
        for a, b in ((8, 4), (4, 2), (2, 1)):
            layers += [_longer(a * width, b * width), nn.ReLU()]
        self.body = nn.Sequential(*layers, _longer(width, 1), nn.Tanh())

    def forward(self, z: Tensor) -> Tensor:
        return self.body(self.dense(z).view(-1, 8 * self.width, 16))


class WaveGanDiscriminator(nn.Module):
    def __init__(self, width: int = 16, most: int = 2) -> None:
        super().__init__()
        widths = (1, width, 2 * width, 4 * width, 8 * width)
        self.layers = nn.ModuleList(
            nn.Conv1d(a, b, 25, 4, 11) for a, b in itertools.pairwise(widths)
        )
        self.dense, self.most = nn.Linear(16 * 8 * width, 1), most

    def forward(self, x: Tensor) -> Tensor:
        for i, layer in enumerate(self.layers):
            x = F.leaky_relu(layer(x), 0.2)
            if i < len(self.layers) - 1:
                x = self._shuffled(x)
        return self.dense(x.flatten(1))[:, 0]

    def _shuffled(self, x: Tensor) -> Tensor:
        start = torch.randint(0, 2 * self.most + 1, (1,), device=x.device)
        places = start + torch.arange(x.shape[-1], device=x.device)
        return F.pad(x, (self.most, self.most), mode="reflect").index_select(-1, places)


def _longer(channels: int, features: int) -> nn.ConvTranspose1d:
    return nn.ConvTranspose1d(channels, features, 25, 4, 11, 1)


def spectrogram(x: Tensor) -> Tensor:
    """``[b, 4096]`` int16 -> ``[b, 1, 64, 64]`` in [-1, 1]."""
    before = (WINDOW - HOP) // 2
    total = (SAMPLES // HOP - 1) * HOP + WINDOW
    waves = F.pad(x.float() / 32_767, (before, total - before - SAMPLES))
    window = torch.hann_window(WINDOW, device=x.device)
    spectra = torch.stft(waves, WINDOW, HOP, window=window, center=False, return_complex=True)
    logarithms = torch.log(spectra.abs()[:, :-1] + FLOOR)
    return ((logarithms - MEAN) / SCALE).clamp(-1, 1).transpose(1, 2)[:, None]


def wave(x: Tensor) -> Tensor:
    """``[b, 4096]`` int16 -> ``[b, 1, 4096]`` in [-1, 1]."""
    return x.float()[:, None] / 32_767


class Net(NamedTuple):
    generator: Callable[[], nn.Module]
    discriminator: Callable[[], nn.Module]
    seen: Callable[[Tensor], Tensor]
    latents: int
    rate: float
    betas: tuple[float, float]


NETS = {
    "specgan64": Net(SpecGanGenerator, SpecGanDiscriminator, spectrogram, 128, 2e-4, (0.5, 0.999)),
    "wavegan4k": Net(WaveGanGenerator, WaveGanDiscriminator, wave, 100, 1e-4, (0.5, 0.9)),
}


def measure(name: str, batch: int, mode: str, precision: str, seconds: float) -> dict[str, object]:
    """Times steps for so many seconds, after three to warm up; milliseconds and images/s."""
    torch.manual_seed(0)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    net = NETS[name]
    g, d = net.generator().to(device), net.discriminator().to(device)
    x = torch.randint(-32_767, 32_768, (batch, SAMPLES), device=device, dtype=torch.int16)
    adam = functools.partial(torch.optim.Adam, lr=net.rate, betas=net.betas, fused=True)
    opt_g, opt_d = adam(g.parameters()), adam(d.parameters())

    def loss_d(x: Tensor, z: Tensor) -> Tensor:
        with torch.no_grad():
            fake = g(z)
        return F.softplus(-d(net.seen(x))).mean() + F.softplus(d(fake)).mean()

    def loss_g(x: Tensor, z: Tensor) -> Tensor:
        return F.softplus(-d(g(z))).mean()

    if mode != "eager":
        how = {"mode": "reduce-overhead"} if mode == "cudagraph" else {}
        loss_d, loss_g = torch.compile(loss_d, **how), torch.compile(loss_g, **how)
    cast = contextlib.nullcontext()
    if precision == "bf16":
        cast = torch.autocast(device.type, torch.bfloat16)

    def step() -> None:
        for loss, own, wanted in ((loss_d, opt_d, True), (loss_g, opt_g, False)):
            for p in d.parameters():
                p.requires_grad_(wanted)
            own.zero_grad(set_to_none=True)
            with cast:
                value = loss(x, torch.randn(batch, net.latents, device=device))
            value.backward()
            own.step()

    wait = torch.cuda.synchronize if device.type == "cuda" else (lambda: None)
    for _ in range(3):
        step()
    times: list[float] = []
    began = time.perf_counter()
    while time.perf_counter() - began < seconds or len(times) < 3:
        wait()
        start = time.perf_counter()
        step()
        wait()
        times.append(time.perf_counter() - start)
    median = statistics.median(times)
    return {
        "ms_median": round(1e3 * median, 3),
        "ms_min": round(1e3 * min(times), 3),
        "images_per_s": round(batch / median, 1),
        "params_g": sum(p.numel() for p in g.parameters()),
        "params_d": sum(p.numel() for p in d.parameters()),
        "device": torch.cuda.get_device_name() if device.type == "cuda" else "cpu",
    }


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--net", choices=NETS, default="specgan64")
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--modes", default="eager", help="eager, compile, cudagraph; with commas")
    parser.add_argument("--precision", default="fp32", help="fp32, bf16; with commas")
    parser.add_argument("--seconds", type=float, default=5.0, help="for each mode")
    args = parser.parse_args()
    for mode in args.modes.split(","):
        for precision in args.precision.split(","):
            line = {"net": args.net, "batch": args.batch, "mode": mode, "precision": precision}
            line["version"] = torch.__version__
            try:
                line |= measure(args.net, args.batch, mode, precision, args.seconds)
            except Exception as e:  # a mode that this PyTorch cannot run is reported
                line["error"] = repr(e)[:300]
            print(json.dumps(line), flush=True)


if __name__ == "__main__":
    main()
