from conftest import FIXTURES
import numpy as np
import pytest

from cvae_jax.audio import files
from cvae_jax.evaluation.metrics import pitch as pitch_metric
from cvae_jax.synthesis import loops

RATE = 16_000
T = np.arange(4 * RATE) / RATE


def held(tone):
  """A tone that is let go after 3 s."""
  return tone * np.minimum(T / 0.01, 1) * np.exp(-np.maximum(T - 3, 0) / 0.1)


def roughness(audio):
  """The largest second difference: what a click has and a tone has not."""
  return np.abs(np.diff(audio, 2)).max()


@pytest.mark.parametrize("f0", [61.7, 220.3, 1234.5, 3951.0])
def test_a_tone_is_held_without_a_click_and_at_its_pitch(f0):
  audio = held(sum(0.3 / k * np.sin(2 * np.pi * k * f0 * T + k) for k in (1, 2) if k * f0 < 7900))
  loop = loops.find_loop(audio, RATE)
  assert loop is not None and loop.likeness > 0.98
  assert 0.6 * RATE < loop.start < loop.end <= 2.9 * RATE
  long = loops.hold(loops.blend(audio, loop, RATE), loop, 10 * RATE)
  steady = audio[RATE // 2 : 5 * RATE // 2]
  assert roughness(long[RATE:]) < 1.1 * roughness(steady)
  level = [np.sqrt(np.mean(long[i : i + RATE // 4] ** 2)) for i in range(RATE, 9 * RATE, RATE // 4)]
  assert max(level) / min(level) < 1.15
  found = pitch_metric.median_pitch(long[3 * RATE :].astype(np.float32), RATE)
  assert found == pytest.approx(pitch_metric.median_pitch(audio.astype(np.float32), RATE), abs=0.02)


def test_vibrato_comes_round():
  cycles = np.cumsum(220 * (1 + 0.01 * np.sin(2 * np.pi * 5 * T))) / RATE
  audio = held(0.5 * np.sin(2 * np.pi * cycles))
  loop = loops.find_loop(audio, RATE)
  assert loop is not None
  turns = (loop.end - loop.start) / RATE * 5
  assert abs(turns - round(turns)) < 0.12


@pytest.mark.parametrize(
  "audio",
  [
    0.5 * np.sin(2 * np.pi * 220 * T) * np.exp(-T / 0.5),  # plucked
    0.1 * np.random.default_rng(0).normal(size=T.size),  # never comes back
    np.zeros(T.size),
    0.5 * np.sin(2 * np.pi * 220 * T[: RATE // 2]),  # too short
  ],
  ids=["plucked", "noise", "silence", "short"],
)
def test_what_cannot_be_held_has_no_loop(audio):
  assert loops.find_loop(audio, RATE) is None


def test_no_real_note_clicks_where_it_is_looped():
  found = 0
  for path in sorted((FIXTURES / "nsynth-train" / "audio").glob("*.flac")):
    audio = files.read_note(str(path), 64_000, RATE).audio
    loop = loops.find_loop(audio, RATE)
    if loop is None:
      continue
    found += 1
    blended = loops.blend(audio, loop, RATE)
    long = loops.hold(blended, loop, loop.end + 2 * (loop.end - loop.start))
    near = slice(loop.end - 64, loop.end + 64)
    assert roughness(long[near]) <= 1.3 * roughness(audio[loop.start - 2048 : loop.end]), path.stem
  assert found >= 5


def test_before_the_fade_and_after_the_loop_nothing_is_changed():
  audio = held(0.5 * np.sin(2 * np.pi * 220 * T))
  loop = loops.find_loop(audio, RATE)
  blended = loops.blend(audio, loop, RATE)
  changed = np.flatnonzero(blended != audio)
  assert changed.min() >= loop.end - 512 and changed.max() < loop.end
  # The sample before the end is the one before the start: what follows is what followed there.
  assert blended[loop.end - 1] == audio[loop.start - 1]
