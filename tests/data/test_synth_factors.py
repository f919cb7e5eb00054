from conftest import get_config
import jax
import numpy as np
import pytest
import scipy.signal

from cvae_jax.data import data_sets
from cvae_jax.data import labels
from cvae_jax.data import pipeline
from cvae_jax.data.builders import synth_factors
from cvae_jax.data.synthetic import factor_methods
from cvae_jax.data.synthetic import factors
from cvae_jax.evaluation.metrics import pitch as pitch_metric

SR = labels.SAMPLE_RATE
MIDDLE = {"vibrato_depth": 0.0, "noise": 0.0, "inharmonicity": 0.0, "attack": 0.2, "decay": 0.9}


def values_at(**positions):
  """A note's factors, each at a position between its lowest (0) and its highest (1) value."""
  positions = {**MIDDLE, **positions}
  return [factor.at(positions.get(name, 0.5)) for name, factor in factors.FACTORS.items()]


@pytest.fixture(scope="module", params=factors.METHODS)
def extremes(request):
  """A method's notes of pitch 57, 220 Hz, with each factor at either end: {factor: (low, high)}."""
  rows = [values_at(**{name: end}) for name in factors.NAMES for end in (0.0, 1.0)]
  # Vibrato that is not there has no rate.
  rows[2 * factors.NAMES.index("vibrato_rate")] = values_at(vibrato_rate=0.0, vibrato_depth=1.0)
  rows[2 * factors.NAMES.index("vibrato_rate") + 1] = values_at(vibrato_rate=1.0, vibrato_depth=1.0)
  count = len(rows)
  audio = factor_methods.render(
    request.param,
    np.asarray(rows, np.float32),
    np.full(count, 57),
    np.full(count, 100),
    jax.random.key(0),
  )
  audio = np.asarray(audio, np.float64).reshape(-1, 2, labels.NUM_SAMPLES)
  return request.param, dict(zip(factors.NAMES, audio, strict=True))


def envelope(audio):
  """RMS of every 10 ms."""
  return np.sqrt(np.mean(audio.reshape(-1, SR // 100) ** 2, axis=1))


def spectrum(audio):
  """Magnitudes from 0.5 to 2.5 s, a bin every half hertz."""
  held = audio[SR // 2 : SR * 5 // 2]
  return np.abs(np.fft.rfft(held * scipy.signal.get_window("flattop", held.size)))


def cents(audio):
  """Deviation of the first partial's frequency from its middle, at every sample from 0.5 to 2 s."""
  sos = scipy.signal.butter(4, [150.0, 300.0], "bandpass", fs=SR, output="sos")
  phase = np.unwrap(np.angle(scipy.signal.hilbert(scipy.signal.sosfiltfilt(sos, audio))))
  frequency = np.diff(phase)[SR // 2 : 2 * SR]
  return 1200 * np.log2(np.maximum(frequency, 1e-6) / np.median(frequency))


def level_of(audio, number):
  bins = spectrum(audio)
  return bins[int(number * 440) - 30 : int(number * 440) + 31].max()


def test_brightness_is_the_slope_of_the_spectrum(extremes):
  _, notes = extremes
  low, high = (20 * np.log10(level_of(a, 7) / level_of(a, 1) + 1e-6) for a in notes["brightness"])
  assert high > low + 10


def test_attack_is_the_time_to_the_full_level(extremes):
  _, notes = extremes
  low, high = (np.argmax(envelope(a) > 0.8 * envelope(a).max()) for a in notes["attack"])
  assert low <= 12 and 20 <= high <= 60


def test_decay_is_the_levels_time_constant(extremes):
  method, notes = extremes
  for audio, wanted in zip(notes["decay"], (0.3, 6.0), strict=True):
    level = np.log(envelope(audio)[20:120])
    measured = -1.0 / np.polyfit(np.arange(100) / 100, level, 1)[0]
    if method == "plucked_string":  # The string loses of itself: the upper partials go first.
      assert 0.5 * wanted < measured < 1.05 * wanted
    elif method in ("additive", "fm_pair", "fm_stack", "fm_branch", "blown_pipe"):
      assert measured == pytest.approx(wanted, rel=0.1)
  low, high = (envelope(a)[100:200].mean() / envelope(a).max() for a in notes["decay"])
  assert high > 5 * low


def test_vibrato_has_its_depth_and_its_rate(extremes):
  method, notes = extremes
  rough = method in ("granular", "spectral")
  low, high = (np.abs(cents(a)) for a in notes["vibrato_depth"])
  if not rough:
    assert np.percentile(high, 95) == pytest.approx(60, rel=0.15)
    assert np.percentile(low, 95) < 15
  for audio, rate in zip(notes["vibrato_rate"], (3.0, 8.0), strict=True):
    swing = np.abs(np.fft.rfft(cents(audio) * np.hanning(cents(audio).size), 4 * 32_000))
    strongest = np.argmax(swing[8:160]) + 8
    assert strongest * SR / (4 * 32_000) == pytest.approx(rate, abs=0.3)


def test_noise_lies_between_the_partials(extremes):
  _, notes = extremes

  def between(audio):
    bins = spectrum(audio)
    return np.median(bins[12_000:]) / bins.max()

  low, high = (between(a) for a in notes["noise"])
  assert high > 3 * low


def test_inharmonicity_stretches_the_partials(extremes):
  method, notes = extremes
  if method == "blown_pipe" or method.startswith("fm"):
    pytest.skip("what is blown is periodic, and FM's partials are those of its operators")
  for audio, inharmonicity in zip(notes["inharmonicity"], (1e-5, 2e-3), strict=True):
    bins = spectrum(audio)
    wanted = 5 * 440 * np.sqrt((1 + 25 * inharmonicity) / (1 + inharmonicity))
    found = int(wanted) - 60 + np.argmax(bins[int(wanted) - 60 : int(wanted) + 61])
    assert abs(found - wanted) < (40 if method == "granular" else 3)


def test_fm_is_inharmonic_by_its_modulator(extremes):
  method, notes = extremes
  if not method.startswith("fm"):
    pytest.skip("no FM")
  # Away from the multiples of 220 Hz there is something, or nothing.
  share = []
  for audio in notes["inharmonicity"]:
    power = spectrum(audio) ** 2
    off = np.abs((np.arange(power.size) + 220) % 440 - 220) > 6
    share.append(power[off].sum() / power.sum())
  assert share[1] > 10 * share[0]


def test_harmonic_balance_is_the_level_of_even_partials(extremes):
  _, notes = extremes
  low, high = (level_of(a, 2) / level_of(a, 1) for a in notes["harmonic_balance"])
  assert low < 0.1 and high > 0.1 and high > 3 * low


def test_every_note_is_in_tune_whatever_it_is_made_from():
  table = factors.draw(180, 5, labels.VELOCITIES)
  audio = np.zeros((180, labels.NUM_SAMPLES), np.float32)
  for row, samples in synth_factors.render_table(table, 0):
    audio[row] = samples / 32_768
  agrees = pitch_metric.pitch_agreement(audio, table.pitch, SR)
  assert agrees.mean() > 0.97
  assert np.abs(audio[:, -1]).max() == 0.0
  peaks = np.abs(audio).max(axis=1) / (0.89 * (table.velocity / 127) ** 2)
  np.testing.assert_allclose(peaks, 1.0, atol=0.03)


def test_independent_factors_are_independent_and_fill_their_ranges():
  table = factors.draw(20_000, 0, labels.VELOCITIES)
  columns = np.stack([*table.values.T, table.method, table.pitch, table.velocity])
  correlation = np.corrcoef(columns) - np.eye(len(columns))
  assert np.abs(correlation).max() < 0.03
  for (name, factor), column in zip(factors.FACTORS.items(), table.values.T, strict=True):
    position = np.log(column / factor.low) / np.log(factor.high / factor.low) if factor.log else (
      (column - factor.low) / (factor.high - factor.low)
    )  # fmt: skip
    counts = np.histogram(position, 10, (0, 1))[0]
    assert counts.sum() == 20_000 and counts.min() > 1_800, name
  assert set(table.pitch) == set(range(36, 85)) and set(table.method) == set(range(9))


def test_the_grid_holds_every_combination_once():
  grid = factors.make_grid()
  rows = {(m, p, *v) for m, p, v in zip(grid.method, grid.pitch, map(tuple, grid.values))}  # noqa: B905
  sizes = [len(factors.METHODS), len(factors.GRID_PITCHES)]
  sizes += [factor.levels for factor in factors.FACTORS.values()]
  assert len(rows) == grid.method.size == np.prod(sizes) == 10_368


def test_variants_are_as_large_as_they_say():
  sizes = {
    config.name: {split: t.method.size for split, t in synth_factors.make_tables(config).items()}
    for config in synth_factors.SynthFactors.BUILDER_CONFIGS
  }
  assert sizes["factors"] == {"train": 10_000, "valid": 1_000, "test": 1_000}
  assert sizes["full"] == {"train": 289_205, "valid": 12_678, "test": 4_096}
  assert sizes["grid"] == {"train": 8_296, "valid": 1_036, "test": 1_036}


def test_prepared_notes_come_with_their_factors(tfds_dir):
  config = get_config(
    "cvae", "tiny", **{"data.tfds_dir": tfds_dir, "data.name": "synth_notes/factors_tiny"}
  )
  builder = data_sets.load(config.data)
  source = pipeline.open_split(builder, "valid")
  table = synth_factors.make_tables(
    next(c for c in synth_factors.SynthFactors.BUILDER_CONFIGS if c.name == "factors_tiny")
  )["valid"]
  made = dict(synth_factors.render_table(table, 1))
  assert len(source) == 12
  seen = set()
  for i in range(len(source)):
    note = source[i]
    row = int(note["id"].split("_")[-1].split("-")[0])
    seen.add(row)
    np.testing.assert_array_equal(note["factors"], table.values[row])
    assert note["method"] == table.method[row] and note["pitch"] == table.pitch[row]
    np.testing.assert_array_equal(note["audio"], made[row] / np.float32(32_768))
    family = labels.FAMILIES[note["family"]]
    assert family == factors.FAMILIES[factors.METHODS[table.method[row]]]
  assert seen == set(range(12))
  np.testing.assert_array_equal(source.labels["factors"][3], source[3]["factors"])
  again = pipeline.open_split(builder, "valid")  # From the file beside the notes.
  np.testing.assert_array_equal(again.labels["method"], source.labels["method"])
