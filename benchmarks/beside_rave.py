"""RAVE beside the original: the same weights in PyTorch and the `acids-rave` package.

pip install torch torchaudio einops gin-config
pip install --no-deps acids-rave cached-conv
python benchmarks/beside_rave.py [--threads=2] [--seconds=4]

The package's v1 and v2 are built from its own configs, at a small capacity with statistics and
weights moved off their start, and give our networks their weights: the greatest differences of each
part follow, then those of causal models block by block. Last, ours and PyTorch's in one run:
decoding and streaming at full size, and training steps at the size of `configs/rave.py:small`, of
32,768 samples, in each phase (of phase 2 the mean of a step of either kind). The package's filter
bank is a row of 16 samples late, which is taken away here; noise is drawn by us for both.
"""

import argparse
import math
import os
import pathlib
import subprocess
import sys
import time
import types
from typing import NamedTuple
import warnings

import jax
import jax.numpy as jnp
import numpy as np
import scipy.signal

from cvae_jax import methods
from cvae_jax.audio import filters
from cvae_jax.audio import pqmf
from cvae_jax.core import config as config_lib
from cvae_jax.data import forms
from cvae_jax.data import vocabulary
from cvae_jax.methods.common import adversarial
from cvae_jax.methods.common import losses
from cvae_jax.models.common import discriminators
from cvae_jax.models.common import rave
from cvae_jax.models.common import rave_stream
from cvae_jax.models.common import streaming
from cvae_jax.training import compilation

BANDS = 16
_ROOT = pathlib.Path(__file__).parent.parent


class Size(NamedTuple):
  """What a model of the package and ours are made to.

  Attributes:
    ratios: strides.
    dilations: of v2's units.
    bands: of the filter bank.
    noise_ratios: strides of the noise synthesizer.
    latent_dim: D.
  """

  ratios: tuple[int, ...] = (4, 4, 4, 2)
  dilations: tuple[tuple[int, ...], ...] = ((1, 3, 9), (1, 3, 9), (1, 3, 9), (1, 3))
  bands: int = BANDS
  noise_ratios: tuple[int, ...] = (4, 4, 4)
  latent_dim: int = 128


TINY = Size((4, 2), ((1, 3), (1,)), 4, (4, 2), 3)
SMALL = Size((4, 4, 2, 2), latent_dim=32)


def load_package():
  """The package, without what it imports only to train."""
  try:
    import torch
  except ImportError:
    raise SystemExit("error: this needs PyTorch and acids-rave; see --help") from None

  def stand_in(name, **attributes):
    sys.modules[name] = types.ModuleType(name)
    sys.modules[name].__dict__.update(attributes)

  stand_in("GPUtil", getAvailable=None)
  stand_in("lmdb")
  stand_in("pytorch_lightning.callbacks", ModelCheckpoint=object)
  lightning = {"LightningModule": torch.nn.Module, "Callback": object}
  stand_in("pytorch_lightning", callbacks=sys.modules["pytorch_lightning.callbacks"], **lightning)
  stand_in("pytorch_lightning.trainer")
  stand_in("pytorch_lightning.trainer.states", RunningStage=object)
  # SciPy's and NumPy's names and rules of its time.
  scipy.signal.kaiser = scipy.signal.windows.kaiser
  stand_in("rave.dataset", split_dataset=lambda max_residual=0: None)
  import rave as package
  import rave.pqmf

  package.dataset = sys.modules["rave.dataset"]

  number = lambda x: float(np.squeeze(x))
  package.pqmf.kaiserord = lambda a, width: scipy.signal.kaiserord(a, number(width))
  package.pqmf.firwin = lambda taps, cutoff, window, scale, nyq: scipy.signal.firwin(
    taps, number(cutoff), window=window, scale=scale, fs=2 * nyq
  )
  return package, torch


class Peer:
  """A model of the package, and our networks with its weights."""

  def __init__(
    self,
    package,
    torch,
    version,
    capacity,
    causal=False,
    cached=False,
    noise=False,
    size=None,
  ):
    import cached_conv
    import gin

    gin.clear_config()
    cached_conv.use_cached_conv(cached)
    folder = pathlib.Path(package.__file__).parent / "configs"
    names = ["v1"] + ["v2"] * (version == "v2") + ["noise"] * noise + ["causal"] * causal
    for name in names:  # v2's include of v1 would be looked for in our configs/.
      text = (folder / f"{name}.gin").read_text().replace('include "configs/v1.gin"', "")
      gin.parse_config(text)
    gin.bind_parameter("%CAPACITY", capacity)
    is_tiny = size == TINY
    ratios, dilations, bands, noise_ratios, self.latent_dim = size or Size()
    if size:
      gin.bind_parameter("%RATIOS", list(ratios))
      gin.bind_parameter("%N_BAND", bands)
      gin.bind_parameter("%LATENT_SIZE", self.latent_dim)
      gin.bind_parameter("NoiseGenerator.ratios", list(noise_ratios))
      if version == "v2":
        gin.bind_parameter("%DILATIONS", [list(x) for x in dilations])
        gin.bind_parameter("NoiseGeneratorV2.hidden_size", 4)
    torch.manual_seed(0)
    self.model = package.RAVE().eval()
    self.torch, self.version = torch, version
    self.model.decoder.set_warmed_up(True)
    with torch.no_grad():
      for name, x in [*self.model.named_parameters(), *self.model.named_buffers()]:
        if "weight_g" in name:
          x.mul_(1.7 + 0.1 * torch.rand_like(x))
        is_noise = "noise" in name or "synth.branches.2" in name
        if is_noise and "weight" in name:
          x.mul_(8.0)  # It begins with next to none.
        if "running" in name:
          x.add_(0.3 * torch.rand_like(x))
    shared = {"num_bands": bands, "capacity": capacity, "ratios": ratios, "causal": causal}
    shared["use_bias"] = False
    encoder_only = {"latent_dim": self.latent_dim}
    if version == "v1":
      self.encoder = rave.EncoderV1(**shared, **encoder_only)
      self.decoder = rave.DecoderV1(**shared, dilations=(1, 3, 5), noise_ratios=noise_ratios)
      self.discriminator = discriminators.make_v1(capacity)
    else:
      self.encoder = rave.EncoderV2(**shared, **encoder_only, dilations=dilations)
      self.decoder = rave.DecoderV2(
        **shared,
        dilations=dilations,
        noise_ratios=(2, 2, 2) if noise else (),
        noise_hidden=4 if is_tiny else 128,
      )
      self.discriminator = discriminators.make_v2(capacity)
    key, rows = jax.random.key(0), jnp.zeros((1, 128, bands))
    z, audio = jnp.zeros((1, 1, self.latent_dim)), jnp.zeros((1, 4096))
    start = lambda module, *inputs: module.init(key, *inputs)
    self.encoder_variables = copy(start(self.encoder, rows), self.model.encoder)
    self.decoder_variables = copy(start(self.decoder, z, key), self.model.decoder)
    self.discriminator_variables = copy(start(self.discriminator, audio), self.model.discriminator)


def layers_of(module):
  """The package's layers with parameters, in the order in which they are called."""
  import torch

  kinds = (torch.nn.modules.conv._ConvNd, torch.nn.BatchNorm1d)
  if getattr(module, "waveform_module", None) is not None:
    parts = (module.net, module.waveform_module, module.noise_module)
    return [layer for part in parts for layer in layers_of(part)]
  return [layer for layer in module.modules() if isinstance(layer, kinds)]


def numbered(params, path=()):
  """Our layers' parameters as (path, parameters), in the order in which they were made."""
  leaves = [k for k, v in params.items() if not isinstance(v, dict)]
  if leaves:
    return [(path, params)]
  return [pair for key in params for pair in numbered(params[key], (*path, key))]


def empty(tree):
  """Zeros of the shapes, in the tree's order, which `jax.tree.map` does not keep."""
  return {k: empty(v) if isinstance(v, dict) else np.zeros(v.shape) for k, v in tree.items()}


def copy(start, module):
  """Variables of the shapes of `start` with the values of the package's module."""
  variables = empty(start)
  layers = layers_of(module)
  ours = numbered(variables["params"])
  assert len(ours) == len(layers), (len(ours), len(layers))
  for (path, params), layer in zip(ours, layers, strict=True):
    values = {name: x.detach().numpy() for name, x in layer.named_parameters()}
    if "weight_g" in values or ("weight" in values and "kernel" in params):
      transposed = "ConvTranspose" in type(layer).__name__
      to_ours = lambda w, t=transposed: np.asarray(w).transpose((0, 2, 1) if t else (2, 1, 0))
      kernel = values.get("weight_v", values.get("weight"))
      kernel = kernel[..., 0] if kernel.ndim == 4 else kernel
      params["kernel"][:] = to_ours(kernel)
      if "weight_g" in values:
        length = values["weight_g"].reshape(-1)
        params["scale"][:] = length.reshape(params["scale"].shape)
      if "bias" in values:
        params["bias"][:] = values["bias"]
    else:
      params["scale"][:], params["bias"][:] = values["weight"], values["bias"]
      statistics = variables["batch_stats"]
      for key in path:
        statistics = statistics[key]
      statistics["mean"][:] = layer.running_mean.numpy()
      statistics["var"][:] = layer.running_var.numpy()
  return jax.tree.map(lambda x: jnp.asarray(x, jnp.float32), variables)


def difference(ours, theirs):
  """The greatest one of [B, N, C] and a tensor of [B, C, N], and the greatest value."""
  theirs = theirs.detach().numpy().swapaxes(1, 2)
  return float(np.abs(np.asarray(ours) - theirs).max()), float(np.abs(theirs).max())


def decode_there(peer, z, rng):
  """The package's bands of latents [B, N, D], with noise of ours."""
  blocks = sys.modules["rave.blocks"]

  def rand_like(x):
    batch_size, count, bands, length = x.shape
    noise = filters.frame_noise(rng, batch_size * bands, count, length)
    noise = np.asarray(noise).reshape(batch_size, bands, count, length).swapaxes(1, 2)
    return peer.torch.from_numpy(0.5 + 0.5 * noise)

  blocks.torch = types.ModuleType("torch")
  blocks.torch.__dict__.update(peer.torch.__dict__, rand_like=rand_like)
  with peer.torch.no_grad():
    bands = peer.model.decoder(peer.torch.from_numpy(np.array(z.swapaxes(1, 2))))
  blocks.torch = peer.torch
  return bands


def compare(package, torch, version):
  """Prints the greatest differences of each part."""
  peer = Peer(package, torch, version, capacity=8, noise=version == "v2")
  generator = np.random.default_rng(0)
  audio, made = 0.1 * generator.normal(size=(2, 2, 32_768)).astype(np.float32)
  tensors = [torch.from_numpy(x[:, None]) for x in (audio, made)]
  found = {}
  bands, made_bands = (pqmf.to_bands(jnp.asarray(x)) for x in (audio, made))
  theirs = peer.model.pqmf(tensors[0])
  found["bands"] = difference(bands, theirs)
  whole = np.asarray(pqmf.from_bands(bands))
  late = peer.model.pqmf.inverse(theirs).detach().numpy()[:, 0]
  found["bands to waveform"] = difference(
    whole[:, :-BANDS, None], torch.from_numpy(late[:, None, BANDS:])
  )
  outputs = peer.encoder.apply(peer.encoder_variables, bands)
  found["encoder"] = difference(outputs, peer.model.encoder(theirs))
  rng, z = jax.random.key(1), generator.normal(size=(2, 8, 128)).astype(np.float32)
  made_by_ours = peer.decoder.apply(peer.decoder_variables, jnp.asarray(z), rng)
  found["decoder"] = difference(made_by_ours, decode_there(peer, z, rng))
  features = [peer.discriminator.apply(peer.discriminator_variables, x) for x in (audio, made)]
  peers = [peer.model.discriminator(x) for x in tensors]

  def unfold(x):  # Periods are an axis of [B, C, n, p] there, and of [B, p, n, C] here.
    x = x.detach().numpy()
    return x.swapaxes(1, 3) if x.ndim == 4 else x.swapaxes(1, 2)

  found["discriminator"] = max(
    float(np.abs(np.asarray(a) - unfold(b)).max())
    for net, other in zip(features[0], peers[0], strict=True)
    for a, b in zip(net, other, strict=True)
  )
  distance = peer.model.audio_distance(*tensors)["spectral_distance"]
  ours = jnp.mean(losses.relative_spectral(audio, made, over_batch=True))
  found["spectral distance"] = abs(float(ours) - float(distance)), float(distance)
  distance = peer.model.multiband_audio_distance(theirs, peer.model.pqmf(tensors[1]))
  swap = lambda x: x.swapaxes(1, 2)
  ours = jnp.mean(losses.relative_spectral(swap(bands), swap(made_bands), over_batch=True))
  theirs = float(distance["spectral_distance"])
  found["spectral distance of bands"] = abs(float(ours) - theirs), theirs
  hinge = [package.core.hinge_gan(r[-1], m[-1]) for r, m in zip(*peers, strict=True)]
  ours = (adversarial.discriminator_hinge(*features), adversarial.generator_hinge(features[1]))
  found["hinge"] = max(
    abs(float(jnp.mean(a)) - float(sum(pair[i] for pair in hinge))) for i, a in enumerate(ours)
  )
  skipped = peer.model.num_skipped_features
  function = peer.model.feature_matching_fun
  theirs = [
    sum(map(function, r[skipped:], m[skipped:])) / len(r[skipped:])
    for r, m in zip(*peers, strict=True)
  ]
  ours = adversarial.feature_matching(
    *features, is_relative=version == "v2", num_skipped=skipped, over_batch=True
  )
  found["feature matching"] = abs(float(jnp.mean(ours)) - float(sum(theirs)) / len(theirs))
  for name, value in found.items():
    largest, of = value if isinstance(value, tuple) else (value, None)
    print(f"{version}, {name}: {largest:.1e}" + (f" of {of:.2g}" if of else ""))


def compare_streams(package, torch, version):
  """Prints the greatest differences of causal models: the package's blocks, ours, ours whole."""
  peer = Peer(package, torch, version, capacity=8, causal=True, cached=True, noise=version == "v2")
  generator = np.random.default_rng(0)
  bands = generator.normal(size=(2, 1024, BANDS)).astype(np.float32)
  z = generator.normal(size=(2, 8, 128)).astype(np.float32)
  for part in peer.model.decoder.modules():
    # Each block there would draw noise of its own. Noise is compared whole.
    if "NoiseGenerator" in type(part).__name__:
      part.forward = lambda x, part=part: torch.zeros(x.shape[0], part.data_size, x.shape[-1])
  for name, module, variables, inputs in (
    ("encoder", peer.encoder, peer.encoder_variables, bands),
    ("decoder", peer.decoder, peer.decoder_variables, z),
  ):
    module_there = getattr(peer.model, name)
    whole = module.apply(variables, jnp.asarray(inputs))
    count = inputs.shape[1] // 4
    carry = streaming.begin(module, variables, jnp.asarray(inputs[:, :count]))
    blocks, theirs = [], []
    for start in range(0, inputs.shape[1], count):
      block = inputs[:, start : start + count]
      output, carry = streaming.advance(module, variables, carry, jnp.asarray(block))
      blocks.append(output)
      with torch.no_grad():
        theirs.append(module_there(torch.from_numpy(block.swapaxes(1, 2).copy())))
    ours = float(np.abs(np.concatenate(blocks, 1) - np.asarray(whole)).max())
    both = difference(whole, torch.cat(theirs, -1))
    print(
      f"{version} causal {name}, blocks: {ours:.1e} from ours whole, {both[0]:.1e} from PyTorch's"
    )


def write_fixture(package, torch, path):
  """Writes tiny models of the package, and what they make, for `tests/models/test_rave.py`."""
  arrays, rng = {}, jax.random.key(1)
  generator = np.random.default_rng(0)
  for version in ("v1", "v2"):
    peer = Peer(package, torch, version, 2, noise=version == "v2", size=TINY)
    bands = generator.normal(size=(1, 32, 4)).astype(np.float32)
    z = generator.normal(size=(1, 4, peer.latent_dim)).astype(np.float32)
    audio = generator.normal(size=(1, 512)).astype(np.float32)
    outputs = peer.model.encoder(torch.from_numpy(bands.swapaxes(1, 2)))
    features = peer.model.discriminator(torch.from_numpy(audio[:, None]))
    found = {
      "bands": bands,
      "z": z,
      "audio": audio,
      "encoded": outputs.detach().numpy().swapaxes(1, 2),
      "decoded": decode_there(peer, z, rng).numpy().swapaxes(1, 2),
      "scores": np.concatenate([net[-1].detach().numpy().reshape(-1) for net in features]),
    }
    arrays |= {f"{version}/{name}": x for name, x in found.items()}
    for name in ("encoder", "decoder", "discriminator"):
      variables = getattr(peer, f"{name}_variables")
      for keys, x in jax.tree_util.tree_leaves_with_path(variables):
        arrays["/".join([version, name, *(k.key for k in keys)])] = np.asarray(x)
  np.savez_compressed(path, **arrays)
  print(f"{path}: {os.path.getsize(path)} bytes")


def fastest(function, repeats=10):
  """The least seconds of a call, after two that warm up."""
  times = []
  for i in range(repeats + 2):
    start = time.perf_counter()
    function()
    if i >= 2:
      times.append(time.perf_counter() - start)
  return min(times)


def without_norms(torch, module):
  """The package's module as it exports it: weights multiplied once."""
  for part in module.modules():
    if hasattr(part, "weight_g"):
      torch.nn.utils.remove_weight_norm(part)
  return module


def fold(variables):
  """Our variables in the same way."""
  return {**variables, "params": streaming.fold_weight_norm(variables["params"])}


def time_decoding(package, torch, version, capacity, seconds, threads, rate=48_000):
  """Prints waveforms a second of both."""
  peer = Peer(package, torch, version, capacity)
  frames = round(seconds * rate / rave.hop_length(peer.decoder))
  z = np.random.default_rng(0).normal(size=(1, frames, 128)).astype(np.float32)
  variables, rng = fold(peer.decoder_variables), jax.random.key(0)
  run = compilation.jit(lambda variables, z: pqmf.from_bands(peer.decoder.apply(variables, z, rng)))
  z_there, model = torch.from_numpy(z.swapaxes(1, 2).copy()), without_norms(torch, peer.model)

  def there():
    with torch.inference_mode():
      model.decode(z_there)

  ours, theirs = fastest(lambda: jax.block_until_ready(run(variables, z))), math.inf
  for count in {1, threads}:  # On busy cores, one thread may be the faster.
    torch.set_num_threads(count)
    theirs = min(theirs, fastest(there))
  count = frames * rave.hop_length(peer.decoder)
  flops = run.lower(variables, z).compile().cost_analysis()["flops"]
  print(
    f"{version}, capacity {capacity}, decoding {seconds:g} s: ours {count / ours / 1e6:.2f} MHz, "
    f"PyTorch {count / theirs / 1e6:.2f} MHz, ratio {theirs / ours:.2f}; {flops / ours / 1e9:.0f} "
    f"and {flops / theirs / 1e9:.0f} GFLOP/s"
  )


def time_product(torch, threads, size=2048):
  """Prints the rate of a product of matrices, which bounds all others."""
  a = np.random.default_rng(0).normal(size=(size, size)).astype(np.float32)
  there = torch.from_numpy(a)
  torch.set_num_threads(threads)
  multiply = compilation.jit(lambda a: a @ a)
  ours = fastest(lambda: jax.block_until_ready(multiply(a)))
  theirs = fastest(lambda: there @ there)
  rates = [2 * size**3 / seconds / 1e9 for seconds in (ours, theirs)]
  print(f"product of matrices: ours {rates[0]:.0f} GFLOP/s, PyTorch {rates[1]:.0f}")


def time_training(package, torch, threads):
  """Prints steps a second of both, at the size of `configs/rave.py:small`, phase by phase."""
  config = config_lib.load(os.path.join(_ROOT, "configs", "rave.py:small"))
  config_lib.override(config, "method.version=v1")
  config_lib.override(config, "method.sequence_flow.steps=0")
  config_lib.override(config, "method.crop=32768")  # The package cannot measure less.
  settings = config.method
  form = forms.Waveform(16_000, settings.crop, is_excerpt=True)
  method = methods.make_method(config, form, vocabulary.Vocabulary(()))
  audio = 0.1 * np.random.default_rng(0).normal(size=(config.train.batch_size, settings.crop))
  audio = audio.astype(np.float32)
  peer = Peer(package, torch, "v1", settings.capacity, size=SMALL)
  model = peer.model
  assert settings.critic_capacity == settings.capacity  # As there.
  parameters = [*model.encoder.parameters(), *model.decoder.parameters()]
  optimizers = (
    torch.optim.Adam(parameters, 1e-3, (0.5, 0.9)),
    torch.optim.Adam(model.discriminator.parameters(), 1e-4, (0.5, 0.9)),
  )
  model.optimizers = lambda: optimizers
  model.log = model.log_dict = lambda *unused: None
  model.train()
  for phase, first in ((1, 0), (2, settings.adversarial_from)):
    model.warmed_up = phase == 2
    state = compilation.jit(method.init)(jax.random.key(0), {"audio": audio})
    kinds = [method.turn(first + i).train_step for i in range(phase)]
    runs = [compilation.jit(kind, donate_argnums=0) for kind in kinds]

    def ours(runs=runs):
      nonlocal state
      for run in runs:
        state, _ = run(state, {"audio": audio})
      jax.block_until_ready(state.step)

    def theirs(phase=phase):
      for i in range(phase):
        model.training_step(torch.from_numpy(audio[:, None].copy()), i)

    seconds, peer_seconds = fastest(ours) / phase, math.inf
    for count in {1, threads}:
      torch.set_num_threads(count)
      peer_seconds = min(peer_seconds, fastest(theirs) / phase)
    print(
      f"v1, capacity {settings.capacity}, training, phase {phase}: ours {1 / seconds:.2f} steps a "
      f"second, PyTorch {1 / peer_seconds:.2f}, ratio {peer_seconds / seconds:.2f}"
    )


def time_stream(package, torch, version, capacity, block=2048, rate=48_000):
  """Prints real-time factors of causal decoders block by block, and of both networks."""
  peer = Peer(package, torch, version, capacity, causal=True, cached=True)
  model, rng = without_norms(torch, peer.model), jax.random.key(0)
  encoder_variables, variables = fold(peer.encoder_variables), fold(peer.decoder_variables)
  frames = block // rave.hop_length(peer.decoder)
  decode = compilation.jit(
    lambda variables, carry, z: rave_stream.decode_block(peer.decoder, variables, carry, z, rng),
    donate_argnums=1,
  )
  encode = compilation.jit(
    lambda variables, carry, audio: rave_stream.encode_block(peer.encoder, variables, carry, audio),
    donate_argnums=1,
  )
  z = np.random.default_rng(0).normal(size=(1, frames, 128)).astype(np.float32)
  audio = np.random.default_rng(0).normal(size=(1, block)).astype(np.float32)
  carries = [
    rave_stream.begin_encoding(peer.encoder, encoder_variables, 1, block),
    rave_stream.begin_decoding(peer.decoder, variables, 1, frames, 128, rng),
  ]

  def decode_ours(z=z):
    output, carries[1] = decode(variables, carries[1], z)
    np.asarray(output)

  def both_ours():
    outputs, carries[0] = encode(encoder_variables, carries[0], audio)
    decode_ours(outputs[..., :128])

  z_there = torch.from_numpy(z.swapaxes(1, 2).copy())
  audio_there = torch.from_numpy(audio[:, None])

  def decode_theirs(z=z_there):
    with torch.inference_mode():
      model.decode(z)

  def both_there():
    with torch.inference_mode():
      outputs = model.encode(audio_there)
    decode_theirs(outputs[:, :128])

  for name, ours, theirs in (
    ("decoding", decode_ours, decode_theirs),
    ("both ways", both_ours, both_there),
  ):
    ours, theirs = fastest(ours, 100), fastest(theirs, 50)
    factor = block / rate / ours
    print(
      f"{version}, capacity {capacity}, blocks of {block}, one core, {name}: ours {factor:.1f} "
      f"times real time at {rate} Hz, PyTorch {block / rate / theirs:.1f}, "
      f"ratio {theirs / ours:.2f}"
    )


def main() -> None:
  """Prints the tables."""
  parser = argparse.ArgumentParser(description=__doc__.partition("\n\n")[0])
  parser.add_argument("--threads", type=int, default=2)
  parser.add_argument("--seconds", type=float, default=4.0, help="of sound to decode")
  parser.add_argument("--fixture", help="where to write the fixture of the tests, and no more")
  parser.add_argument("--stream", action="store_true", help=argparse.SUPPRESS)
  parser.add_argument("--training", action="store_true", help="time training steps, and no more")
  args = parser.parse_args()
  warnings.simplefilter("ignore")
  package, torch = load_package()
  torch.set_num_threads(1 if args.stream else args.threads)
  if args.fixture:
    write_fixture(package, torch, args.fixture)
    return
  if args.training:
    time_training(package, torch, args.threads)
    return
  if args.stream:
    for version, capacity in (("v1", 32), ("v1", 64), ("v2", 48)):
      time_stream(package, torch, version, capacity)
    return
  for version in ("v1", "v2"):
    compare(package, torch, version)
    compare_streams(package, torch, version)
  time_product(torch, args.threads)
  for version, capacity in (("v1", 32), ("v1", 64), ("v2", 96)):
    time_decoding(package, torch, version, capacity, args.seconds, args.threads)
  time_training(package, torch, args.threads)
  command = [sys.executable, __file__, "--stream"]
  subprocess.run(["taskset", "-c", "0", *command], check=True, env=dict(os.environ))


if __name__ == "__main__":
  main()
