import functools
import math

from conftest import get_config
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from cvae_jax import evaluate
from cvae_jax import explore
from cvae_jax import export
from cvae_jax import generate
from cvae_jax import methods
from cvae_jax import package
from cvae_jax import reconstruct
from cvae_jax.core import errors
from cvae_jax.data import labels
from cvae_jax.data import pipeline
from cvae_jax.methods import musicvae
from cvae_jax.methods.common import condition as condition_lib
from cvae_jax.methods.common import musicvae_parts as parts_lib
from cvae_jax.methods.common import score_voices
from cvae_jax.models.common import music_vae
from cvae_jax.scores import drum_tokens
from cvae_jax.scores import melody
from cvae_jax.scores import performance
from cvae_jax.scores import trio
from cvae_jax.synthesis import synthesizer
from cvae_jax.training import checkpoint
from cvae_jax.training import loop

VARIANTS = {"flat": "", "conductor": "melody16", "trio": "trio16", "drums": "drums"}


class Example:
  """A method of tiny size on synthetic scores, its parameters, and a batch."""

  def __init__(self, variant, **fields):
    self.config = get_config(
      "musicvae", f"{variant},tiny", **{"method.prior": "standard", **fields}
    )
    if self.config.method.segments > 1:
      self.config.method.segments = self.config.data.scores.bars = 4
    data = pipeline.open_data(self.config.data)
    condition = condition_lib.make_condition(self.config.condition.labels, data.vocabulary)
    self.task = methods.Task(data.form, data.vocabulary, None, condition, 100, len(data.train))
    self.parts = parts_lib.make_parts(self.config, self.task)
    rows = [data.train[i] for i in range(6)]
    keys = (data.form.key, *data.vocabulary.names)
    self.batch = {key: np.stack([row[key] for row in rows]) for key in keys}
    self.state = musicvae.init(self.parts, jax.random.key(0), self.batch)
    # Heads that begin near 0 say next to nothing of z.
    noise = lambda x: x + 0.3 * jax.random.normal(jax.random.key(x.size), x.shape)
    self.params = jax.tree.map(noise, self.state.params)
    self.steps, self.c = self.parts.steps(self.batch), condition.encode(self.batch)
    self.z = jax.random.normal(jax.random.key(1), (6, self.config.method.latent_dim))


@functools.cache
def example(name):
  return Example(VARIANTS[name])


@pytest.mark.parametrize("tokenizer", [melody.Melody(), drum_tokens.Drums(), trio.Trio()])
def test_voices_agree_with_the_tokenizer(tokenizer):
  voices = score_voices.make_voices(tokenizer)
  rng = np.random.default_rng(0)
  steps = np.stack([rng.integers(0, size, (2, 8)) for size in voices.sizes], axis=-1)
  tokens = np.asarray(voices.join(jnp.asarray(steps)))
  np.testing.assert_array_equal(voices.split(jnp.asarray(tokens)), steps)
  if isinstance(tokenizer, trio.Trio):
    np.testing.assert_array_equal(tokens, tokenizer.join(steps))
  features = np.asarray(voices.features(jnp.asarray(steps)))
  assert features.shape[-1] == sum(voices.widths)
  if voices.are_drums[-1]:
    np.testing.assert_array_equal(features[..., -10:-1], drum_tokens.to_roll(steps[..., -1]))
    np.testing.assert_array_equal(features[..., -1], steps[..., -1] == 0)
  else:
    np.testing.assert_array_equal(features.argmax(-1), steps[..., 0])


def test_performances_are_refused():
  with pytest.raises(errors.UserError, match="on a grid of steps"):
    score_voices.make_voices(performance.Performance())


@pytest.mark.parametrize("name", VARIANTS)
def test_steps_one_by_one_are_those_of_all_at_once(name):
  self = example(name)
  uniform = jax.random.uniform(jax.random.key(2), self.steps.shape)
  unroll = jax.jit(functools.partial(parts_lib.unroll, self.parts))
  made = unroll(self.params, self.z, self.c, uniform, jnp.zeros(6))
  teach = jax.jit(self.parts.teach)
  logits = teach(self.params, self.parts.shift(made), self.z, self.c)
  np.testing.assert_array_equal(self.parts.best(logits), made)
  assert len(np.unique(np.asarray(made))) > 3  # Not the same token at every step.
  drawn = unroll(self.params, self.z, self.c, uniform, jnp.ones(6))
  logits = teach(self.params, self.parts.shift(drawn), self.z, self.c)
  flat = lambda x: x.reshape(-1, x.shape[-1])
  again = self.parts.draw(flat(logits), flat(uniform), jnp.ones(uniform[..., 0].size))
  assert np.mean(np.asarray(again) == flat(np.asarray(drawn))) > 0.995  # But for rounding.


def test_a_bar_knows_of_another_by_the_conductor_and_its_last_step_alone():
  self = example("conductor")
  length = self.parts.num_steps // 4
  base = self.parts.shift(self.steps)
  other = base.at[length + 1 : 2 * length].set(jnp.roll(base[length + 1 : 2 * length], 3, axis=-1))
  a, b = (self.parts.teach(self.params, x, self.z, self.c) for x in (base, other))
  differs = np.asarray(jnp.max(jnp.abs(a - b), axis=(1, 2)) > 1e-6)
  assert differs[length + 1 : 2 * length].all()
  assert not differs[: length + 1].any() and not differs[2 * length :].any()


def test_an_encoder_of_segments_encodes_each_by_itself_and_then_their_order():
  net = music_vae.Encoder(units=6, layers=2, latent_dim=3, segments=4, memory_steps=32)
  x = jax.random.normal(jax.random.key(0), (32, 2, 5))
  params = net.init(jax.random.key(1), x)
  order = jnp.array([2, 0, 3, 1])
  swapped = x.reshape(4, 8, 2, 5)[order].reshape(x.shape)

  def codes(x):
    latent, states = net.apply(params, x, capture_intermediates=True)
    _, hidden = states["intermediates"]["segment_forward_1"]["__call__"][0]
    return latent.mean, hidden[-1].reshape(4, 2, 6)

  (mean_a, codes_a), (mean_b, codes_b) = codes(x), codes(swapped)
  np.testing.assert_allclose(codes_b, codes_a[order], atol=1e-6)
  assert jnp.abs(mean_a - mean_b).max() > 1e-5
  last = net.apply(params, x.at[0, 0, 0].add(1.0))
  assert (jnp.abs(last.mean - mean_a).max(axis=1) > 1e-7).tolist() == [True, False]


def test_voices_with_decoders_of_their_own_do_not_see_each_other():
  self = example("trio")
  base = self.parts.shift(self.steps)
  lead = self.parts.voices.widths[0]
  other = base.at[..., :lead].set(jnp.roll(base[..., :lead], 3, axis=-1))
  a, b = (
    self.parts.by_voice(self.parts.teach(self.params, x, self.z, self.c)) for x in (base, other)
  )
  assert np.abs(a[0] - b[0]).max() > 1e-3
  for voice in (1, 2):
    np.testing.assert_array_equal(a[voice], b[voice])


def test_scheduled_sampling_has_the_gradient_of_one_loop():
  """The loss with its steps drawn within the loop that is differentiated, as in the original."""
  self = Example("", **{"method.sampling_constant": 2.0, "method.beta": 0.0})
  inputs = musicvae.training_inputs(self.parts, self.batch, jax.random.key(3))
  step = jnp.int32(2)
  rate = 1.0 - 2.0 / (2.0 + math.e)

  def one_loop(params):
    latent = self.parts.encode(params, self.steps, self.c)
    z = latent.mean + jnp.exp(0.5 * latent.logvar) * inputs["noise"]
    guides = self.parts.apply("guide", params, z, jnp.zeros((6, 0)))
    ((carries, context),) = self.parts.apply("begin", params, guides[0])
    carries, total, before = (carries,), 0.0, jnp.zeros((6, 90))
    for i, truth in enumerate(self.steps):
      timed = jnp.zeros((6, 0))
      carries, logits = self.parts.apply("step", params, before, timed, carries, (context,))
      total += jnp.mean(optax.softmax_cross_entropy_with_integer_labels(logits, truth[:, 0]))
      drawn = self.parts.draw(logits, inputs["uniform"][:, i, :1], jnp.ones(6))
      is_drawn = inputs["uniform"][:, i, 1:] < rate
      before = self.parts.voices.features(jnp.where(is_drawn, drawn, truth))
    return total

  def ours(params):
    return musicvae.loss(self.parts, step, params, inputs)

  (value, metrics), grads = jax.jit(jax.value_and_grad(ours, has_aux=True))(self.params)
  expected, expected_grads = jax.jit(jax.value_and_grad(one_loop))(self.params)
  np.testing.assert_allclose(metrics["drawn"], rate, rtol=1e-5)
  np.testing.assert_allclose(value, expected, rtol=1e-5)
  for a, b in zip(*map(jax.tree.leaves, (grads, expected_grads)), strict=True):
    np.testing.assert_allclose(a, b, atol=2e-4 * float(np.abs(b).max() + 1e-3))
  taught = self.parts.teach(self.params, self.parts.shift(self.steps), self.z, self.c)
  assert abs(float(value) - float(jnp.sum(self.parts.nll(taught, self.steps)) / 6)) > 0.1


@pytest.mark.parametrize("step,rate", [(0, 1 / 1001), (1000, 1 - 1000 / (1000 + math.e)), (1e6, 1)])
def test_the_schedule_is_an_inverse_sigmoid(step, rate):
  np.testing.assert_allclose(musicvae.sampling_rate(jnp.float32(step), 1000.0), rate, rtol=1e-3)
  assert musicvae.sampling_rate(jnp.float32(step), 0.0) == 0.0


def test_bits_of_the_whole_kl_are_free():
  self = example("flat")
  inputs = musicvae.training_inputs(self.parts, self.batch, jax.random.key(0))

  def value(free_bits, beta):
    config = self.config.copy_and_resolve_references()
    config.method.update(free_bits=free_bits, beta=beta, beta_rate=0.0, sampling_constant=0.0)
    parts = self.parts._replace(config=config)
    total, metrics = jax.jit(functools.partial(musicvae.loss, parts, jnp.int32(1)))(
      self.params, inputs
    )
    return float(total), {name: float(x) for name, x in metrics.items()}

  total, metrics = value(0.0, 0.5)
  kl = metrics["kl_bits"] * math.log(2.0)
  assert metrics["kl_bits"] > 1.0
  np.testing.assert_allclose(total, metrics["nll"] + 0.5 * kl, rtol=1e-5)
  np.testing.assert_allclose(value(1000.0, 0.5)[0], metrics["nll"], rtol=1e-6)


def test_draws_have_the_softmax_as_their_frequencies():
  self = example("flat")
  logits = jnp.zeros((20_000, 90)).at[:, 3].set(2.0).at[:, 7:].set(-30.0)
  uniform = jax.random.uniform(jax.random.key(0), (20_000, 1))
  for temperature in (1.0, 0.5):
    tokens = self.parts.draw(logits, uniform, jnp.full(20_000, temperature))[:, 0]
    expected = jax.nn.softmax(logits[0] / temperature)
    shares = np.bincount(np.asarray(tokens), minlength=90) / 20_000
    np.testing.assert_allclose(shares, expected, atol=0.01)
  ends = self.parts.draw(logits[:2], jnp.asarray([[0.0], [1.0]]), jnp.ones(2))[:, 0]
  assert ends[0] == 0 and ends[1] < 90
  np.testing.assert_array_equal(self.parts.draw(logits[:5], uniform[:5], jnp.zeros(5)), 3)


@pytest.mark.parametrize("name", ["flat", "trio"])
def test_the_likeliest_tokens_are_known_without_a_search(name):
  parts = example(name).parts
  logits = jax.random.normal(jax.random.key(0), (50, 4, sum(parts.voices.sizes)))
  rng = np.random.default_rng(0)
  steps = np.stack([rng.integers(0, size, (50, 4)) for size in parts.voices.sizes], axis=-1)
  steps = np.where(rng.random(steps.shape) < 0.5, parts.best(logits), steps)
  right = np.asarray(parts.is_best(logits, jnp.asarray(steps)))
  np.testing.assert_array_equal(right, parts.best(logits) == steps)
  assert 0.4 < right.mean() < 0.6


def test_a_gradient_beyond_measure_changes_nothing():
  self = Example("", **{"method.largest_gradient": 1e-6, "optimizer.warmup_steps": 0})
  before = jax.tree.map(np.asarray, self.state.params)
  state, metrics = jax.jit(functools.partial(musicvae.train_step, self.parts))(
    self.state, self.batch
  )
  assert metrics["grad_norm"] > 1e-6 and int(state.step) == 1
  for a, b in zip(*map(jax.tree.leaves, (before, state.params)), strict=True):
    np.testing.assert_array_equal(a, b)


def test_it_learns_a_batch_by_heart_and_reconstructs_it():
  self = Example("", **{
    "method.latent_dim": 16, "method.encoder_units": 48, "method.decoder_units": 48,
    "method.beta": 0.0, "method.sampling_constant": 0.0, "optimizer.learning_rate": 1e-2,
    "optimizer.schedule": "constant", "optimizer.ema_decay": 0.0, "optimizer.warmup_steps": 10,
  })  # fmt: skip
  step = jax.jit(functools.partial(musicvae.train_step, self.parts))
  state = self.state
  for _ in range(400):
    state, metrics = step(state, self.batch)
  assert metrics["accuracy"] > 0.99
  method = musicvae.make_method(self.config, self.task)
  reconstruct = jax.jit(method.reconstruct)
  made = reconstruct(state.best_params, self.batch, jax.random.key(0))
  assert np.mean(np.asarray(made) == self.batch["tokens"]) > 0.97
  # At temperature 0 the softmax is not drawn from; labels of draws say at which one it is.
  decode = jax.jit(method.decode)
  z = method.encode(state.best_params, self.batch)
  at = lambda t: decode(state.best_params, z, methods.at_temperature({}, 6, t), jax.random.key(0))
  np.testing.assert_array_equal(at(0.0), made)
  assert np.mean(np.asarray(at(20.0)) == np.asarray(made)) < 0.9


def test_labels_condition_encoder_and_decoder():
  self = Example("", **{"condition.labels": ("mode", "density")})
  assert self.c.shape == (6, 5)
  whole = self.parts.conditions(self.c)[1]
  np.testing.assert_array_equal(whole, self.c)
  other = self.c[:, ::-1]
  a, b = (self.parts.teach(self.params, self.parts.shift(self.steps), self.z, c)
          for c in (self.c, other))  # fmt: skip
  assert np.abs(a - b).max() > 1e-2
  assert np.abs(
    self.parts.encode(self.params, self.steps, self.c).mean
    - self.parts.encode(self.params, self.steps, other).mean
  ).max() > 1e-3  # fmt: skip


def test_numbered_labels_hold_for_a_part_of_a_score_each():
  self = example("flat")
  condition = self.parts.condition._replace(
    labels=("mode", "chord_1", "chord_2"), dim=5,
    places={"mode": (0, 1), "chord_1": (1, 3), "chord_2": (3, 5)},
  )  # fmt: skip
  parts = self.parts._replace(condition=condition, timed=(((1, 3), (3, 5)),))
  timed, whole = parts.conditions(jnp.arange(10.0).reshape(2, 5))
  np.testing.assert_array_equal(whole, [[0.0], [5.0]])
  np.testing.assert_array_equal(timed[0], [[1.0, 2.0], [6.0, 7.0]])
  np.testing.assert_array_equal(timed[15], timed[0])
  np.testing.assert_array_equal(timed[16], [[3.0, 4.0], [8.0, 9.0]])
  assert parts_lib.find_series(("chord_2", "mode", "chord_1"), 32) == (("chord_1", "chord_2"),)
  with pytest.raises(errors.UserError, match="all of chord_1 to chord_3"):
    parts_lib.find_series(("chord_1", "chord_3"), 32)
  with pytest.raises(errors.UserError, match="32 steps are not 3 equal parts of chord"):
    parts_lib.find_series(("chord_1", "chord_2", "chord_3"), 32)


@pytest.mark.parametrize(
  "fields,message",
  [
    ({"method.segments": 4}, "go together, got 4 and 0"),
    ({"method.beta_rate": 1.0}, "method.beta_rate must be under 1"),
    ({"method.decoder_layers": 0}, "method.decoder_layers must be positive"),
    ({"method.prior": "gaussian"}, "method.prior must be one of standard, flow"),
  ],
)
def test_values_that_do_not_fit_are_refused(fields, message):
  with pytest.raises(errors.UserError, match=message):
    musicvae.check(get_config("musicvae", "tiny", **fields))


def test_other_examples_are_refused():
  self = example("flat")
  with pytest.raises(errors.UserError, match="needs a data set of scores"):
    parts_lib.make_parts(self.config, self.task._replace(form=labels.FORM))
  config = get_config("musicvae", "tiny", **{"method.segments": 5, "method.conductor_layers": 1})
  with pytest.raises(errors.UserError, match="must divide the 32 steps of a score, got 5"):
    parts_lib.make_parts(config, self.task)


@pytest.mark.parametrize("stop", [2, 7])  # In training, and in that of the flow.
def test_a_run_stopped_in_either_stage_ends_bit_for_bit_the_same(
  melody_run, melody_fields, tmp_path, stop
):
  config = get_config("musicvae", "tiny", **melody_fields)
  with pytest.raises(errors.Interrupted):
    loop.train_and_evaluate(config, str(tmp_path), should_stop=lambda step: step == stop)
  loop.train_and_evaluate(config, str(tmp_path))
  whole, stopped = (checkpoint.restore_params(str(x))[1] for x in (melody_run, tmp_path))
  for a, b in zip(*map(jax.tree.leaves, (whole, stopped)), strict=True):
    np.testing.assert_array_equal(a, b)


def test_a_run_is_used_by_every_command(melody_run, tmp_path):
  run = f"--workdir={melody_run}"
  generate.main([run, "--num=2", f"--out={tmp_path}", "--no_audio"])
  a, b = (str(tmp_path / f"sample-seed0-{i}.mid") for i in (0, 1))
  reconstruct.main([run, a, str(tmp_path / "again.mid"), "--no_audio"])
  assert (tmp_path / "again.mid").read_bytes()[:4] == b"MThd"
  explore.main(
    ["interpolate", run, a, b, "--steps=3", "--no_audio", f"--out={tmp_path / 'between'}"]
  )
  assert len(list((tmp_path / "between").glob("step-*.mid"))) == 3
  explore.main(["neighbours", run, a, "--num=2"])
  export.main([run, "--format=stablehlo", f"--out={tmp_path / 'decoder.stablehlo'}"])
  evaluate.main([run, "--set=eval.latent_notes=16"])
  results = evaluate.load_results(str(melody_run))["eval"]
  assert 0 <= results["free_running"] <= 1 and 0 <= results["teacher_forced"] <= 1
  np.testing.assert_allclose(results["elbo"], -(results["nll"] + results["kl"]), rtol=1e-4)


def test_a_packaged_run_decodes_the_same(melody_run, tmp_path):
  package.main([f"--workdir={melody_run}", f"--out={tmp_path / 'packaged'}", "--bits=32"])
  runs = [synthesizer.load(str(path)) for path in (melody_run, tmp_path / "packaged")]
  a, b = (run.sample(run.draw_labels(4, 0), 0, 1.0, 4) for run in runs)
  np.testing.assert_array_equal(a, b)
