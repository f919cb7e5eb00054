"""Synthetic drums: what a seed gives, what is held out, and that each kind has its marks."""

from conftest import get_config
from conftest import one_line
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.special

from cvae_jax.data import data_sets
from cvae_jax.data import drums
from cvae_jax.data import pipeline
from cvae_jax.data import store
from cvae_jax.data.synthetic import drum_kits
from cvae_jax.data.synthetic import drum_layers
from cvae_jax.data.synthetic import drum_models

RATE, SIZE = 16_000, 16_000


def data_config(folder, **fields):
  config = get_config("ae", **{"data.name": "synth_drums/tiny"}).data
  config.update_from_flattened_dict(
    {"tfds_dir": str(folder), "drums.sample_rate": RATE, "drums.duration_s": SIZE / RATE, **fields}
  )
  return config


@pytest.fixture(scope="module")
def data_set(tmp_path_factory):
  return data_sets.load(data_config(tmp_path_factory.mktemp("store")))


def test_every_kit_has_every_kind_and_is_in_one_split(data_set):
  assert data_set.splits == {"train": 20, "valid": 20, "test": 20}
  assert data_set.vocabulary.names == ("kind", "source", "kit")
  assert data_set.vocabulary.get("kind").names == drums.KINDS
  assert data_set.vocabulary.main.name == "kind" and data_set.vocabulary.get("kit").open_set
  kits = set()
  for split in store.SPLITS:
    source = pipeline.open_split(data_set, split)
    assert np.bincount(source.labels["kind"]).tolist() == [2] * 10
    assert np.bincount(source.labels["source"]).tolist() == [10, 10]
    assert not kits & set(source.labels["kit"])
    kits |= set(source.labels["kit"])
    for row in range(len(source)):
      kit, name = source.labels["id"][row].split("/")
      assert kit == data_set.vocabulary.get("kit").names[source.labels["kit"][row]]
      assert name.startswith(drums.KINDS[source.labels["kind"][row]])
  assert len(kits) == 6


def test_no_sound_clips_clicks_or_has_an_offset(data_set):
  for split in store.SPLITS:
    source = pipeline.open_split(data_set, split)
    for row in range(len(source)):
      audio = source[row]["audio"]
      peak = np.abs(audio).max()
      assert audio.shape == (SIZE,) and 0.2 < peak < 0.9, source.labels["id"][row]
      assert np.abs(audio[-16:]).max() < 1e-3 * peak and abs(audio.mean()) < 2e-3 * peak


def test_a_seed_gives_the_same_drums_and_another_seed_others(data_set):
  source = pipeline.open_split(data_set, "test")
  plan = drum_kits.make_plan(range(6), 1, 0)
  order, sounds = drum_kits.render(plan, SIZE, RATE)
  again = {plan.names[row]: audio for row, audio in zip(order, sounds, strict=True)}
  assert sorted(order) == list(range(60))
  for row in range(len(source)):
    audio = source[row]["audio"]
    np.testing.assert_allclose(audio, again[source.labels["id"][row]], atol=2.0**-15)
  other = drum_kits.make_plan(range(6), 1, 1)
  assert not np.array_equal(other.parameters["f0_hz"], plan.parameters["f0_hz"])
  # The kits of a larger set are those of a smaller one, and more.
  more = drum_kits.make_plan(range(8), 1, 0)
  np.testing.assert_array_equal(more.parameters["tone_s"][:60], plan.parameters["tone_s"])


def test_the_hits_of_a_drum_are_alike_and_toms_are_tuned_apart():
  plan = drum_kits.make_plan(range(40), 3, 0)
  models = np.asarray([name.rsplit("-", 1)[0] for name in plan.names]).reshape(40, 10, 3)
  f0_hz = plan.parameters["f0_hz"].reshape(40, 10, 3)
  several = [drums.KINDS.index(kind) for kind in ("cymbal", "percussion")]
  for kind in range(10):
    same = (models[:, kind] == models[:, kind, :1]).all()
    assert same == (kind not in several)
  tom = drums.KINDS.index("tom")
  assert (np.diff(f0_hz[:, tom], axis=1) > 0.0).all()
  kick = f0_hz[:, 0]
  assert np.ptp(np.log(kick), axis=1).max() < np.ptp(np.log(kick.mean(axis=1)))


def test_every_kind_has_models_of_both_sources_and_only_parameters_that_exist():
  for kind in drums.KINDS:
    for source in drums.SOURCES:
      models = [m for m in drum_models.MODELS if (m.kind, m.source) == (kind, source)]
      assert models, (kind, source)
  for model in drum_models.MODELS:
    assert set(model.ranges) <= set(drum_layers.SILENT), model.name


@pytest.fixture(scope="module")
def sounds():
  """Drums of twelve kits, by kind: [M, T]."""
  plan = drum_kits.make_plan(range(12), 1, 3)
  order, rendered = drum_kits.render(plan, SIZE, RATE)
  audio = np.stack(list(rendered))
  return {kind: audio[plan.columns["kind"][order] == i] for i, kind in enumerate(drums.KINDS)}


def decay_s(audio):
  """Time from the peak to the last sample that is louder than -30 dB."""
  return (np.flatnonzero(audio > 10**-1.5 * audio.max())[-1] - np.abs(audio).argmax()) / RATE


def centroid_hz(audio):
  power = np.square(np.abs(np.fft.rfft(audio)))
  return power @ np.fft.rfftfreq(audio.size, 1 / RATE) / power.sum()


def test_kinds_differ_as_drums_do(sounds):
  decays = {kind: np.median([decay_s(x) for x in audio]) for kind, audio in sounds.items()}
  centroids = {kind: [centroid_hz(x) for x in audio] for kind, audio in sounds.items()}
  assert decays["hihat_closed"] < 0.5 * decays["hihat_open"] < decays["cymbal"]
  assert decays["rim"] < decays["snare"] < decays["tom"]
  assert max(centroids["kick"]) < 250.0 < min(centroids["hihat_closed"])
  middle = {kind: np.median(values) for kind, values in centroids.items()}
  assert middle["kick"] < middle["tom"] < middle["snare"] < middle["clap"] < middle["hihat_open"]


def render_one(**parameters):
  full = {**drum_layers.SILENT, **parameters}
  columns = {name: jnp.full(16, value, jnp.float32) for name, value in full.items()}
  seeds = np.zeros(16, np.uint32)
  return np.asarray(drum_layers.render(columns, seeds, seeds, SIZE, RATE, True))[0]


def peaks_hz(audio, count):
  spectrum = np.abs(np.fft.rfft(audio * np.hanning(audio.size)))
  rows = np.flatnonzero((spectrum[1:-1] > spectrum[:-2]) & (spectrum[1:-1] > spectrum[2:])) + 1
  return np.sort(rows[np.argsort(-spectrum[rows])[:count]]) * RATE / audio.size


def test_a_membrane_has_the_zeros_of_bessel_functions():
  zeros = sorted(z for order in range(5) for z in scipy.special.jn_zeros(order, 3))[:8]
  np.testing.assert_allclose(drum_layers.RATIOS["membrane"], np.divide(zeros, zeros[0]), atol=2e-3)
  audio = render_one(
    ratios=drum_layers.RATIO_NAMES.index("membrane"), tone_db=0.0, f0_hz=200.0, tone_s=0.5,
    damping=0.0, slope=0.0, drive=0.01,
  )  # fmt: skip
  np.testing.assert_allclose(peaks_hz(audio, 8), 200.0 * np.divide(zeros, zeros[0]), atol=2.0)


def test_the_frequency_falls_as_asked():
  audio = render_one(tone_db=0.0, f0_hz=50.0, sweep=5.0, sweep_s=0.05, tone_s=10.0, drive=0.01)
  crossings = np.flatnonzero((audio[:-1] < 0) & (audio[1:] >= 0)) / RATE
  frequency, time = 1.0 / np.diff(crossings), (crossings[1:] + crossings[:-1]) / 2
  keep = (time > 0.02) & (time < 0.8)
  wanted = 50.0 * (1.0 + 5.0 * np.exp(-time / 0.05))
  np.testing.assert_allclose(frequency[keep], wanted[keep], rtol=0.03)


def test_metal_is_six_square_waves():
  audio = render_one(
    metal_db=0.0, squares=1.0, metal_hz=200.0, metal_s=5.0, metal_octaves=20.0, drive=0.01
  )
  ratios = np.asarray(drum_layers._SQUARE_RATIOS)
  np.testing.assert_allclose(peaks_hz(audio, 6), 200.0 * ratios, atol=2.0)


def test_a_clap_comes_in_bursts():
  audio = render_one(
    noise1_db=0.0, noise1_s=0.003, bursts=4.0, burst_gap_s=0.03, burst_s=0.003, drive=0.01
  )
  envelope = np.sqrt(np.convolve(np.square(audio), np.ones(80) / 80, "same"))
  loud = np.append(False, envelope > 0.25 * envelope.max())
  assert np.count_nonzero(loud[1:] & ~loud[:-1]) == 4


@pytest.mark.parametrize(
  "fields,says",
  [
    ({"drums.kits": (3, 0, 1)}, "data.drums.kits must be three positive numbers"),
    ({"drums.hits": 0}, "data.drums.kits must be three positive numbers and data.drums.hits one"),
    ({"drums.sample_rate": 10}, "data.drums.sample_rate must be 1000-384000 Hz, got 10"),
    ({"drums.duration_s": -1.0}, "data.drums.duration_s must be over 0"),
    ({"name": "synth_drums/x"}, "the variant of synth_drums must be one of default, tiny"),
  ],
)
def test_what_makes_no_drums_is_one_line(tmp_path, fields, says):
  config = data_config(tmp_path, **{"name": "synth_drums", **fields})
  with pytest.raises(Exception) as error:
    data_sets.load(config)
  assert says in one_line(error)
