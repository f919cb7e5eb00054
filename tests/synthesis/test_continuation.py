"""Sound of any length from RAVE's prior: its length, its start, and what it refuses."""

import itertools

from conftest import run_module
from conftest import sing
import numpy as np
import pytest
import soundfile

from cvae_jax.core import errors
from cvae_jax.synthesis import continuation
from cvae_jax.synthesis import synthesizer

SR = 16_000


@pytest.fixture(scope="module")
def synth(rave_run):
  return synthesizer.load(str(rave_run))


def test_sound_is_as_long_as_it_is_asked_to_be(synth):
  longer = np.concatenate(list(continuation.generate(synth, 1.3, seed=3)))
  shorter = np.concatenate(list(continuation.generate(synth, 0.4, seed=3)))
  assert len(longer) == 1.3 * SR and len(shorter) == 0.4 * SR
  assert np.array_equal(longer[: len(shorter)], shorter) and np.isfinite(longer).all()
  other = np.concatenate(list(continuation.generate(synth, 0.4, seed=4)))
  assert not np.allclose(shorter, other)


def test_windows_go_on_from_codes(synth):
  start = np.full((40, synth.method.code_shape[-1]), 0.5, np.float32)
  windows = list(itertools.islice(continuation.draw_windows(synth, start, seed=1), 3))
  assert [len(window) for window in windows] == [4, 4, 4]  # Of 8 frames, 4 of them known.
  (first,) = itertools.islice(continuation.draw_windows(synth, seed=1), 1)
  assert first.shape == (8, synth.method.code_shape[-1])


def test_a_recording_comes_first_through_the_decoder(synth):
  audio = sing(2.0, 300.0, 500.0)
  codes = continuation.encode_end(synth, audio)
  whole = np.asarray(synth.method.encode(synth.params, {"audio": audio[None, -8000:]}))[0]
  assert np.allclose(codes, whole[: len(codes)], atol=1e-5) and len(codes) == 8000 // 32
  made = np.concatenate(list(continuation.generate(synth, 0.5, audio)))
  assert len(made) == len(codes) * 32 + 8000
  short = continuation.encode_end(synth, audio[:1000])
  assert len(short) == 1000 // 32


def test_the_command(rave_run, tmp_path):
  out, path = tmp_path / "out", tmp_path / "in.wav"
  soundfile.write(path, sing(1.0, 300.0, 500.0), SR)
  soundfile.write(tmp_path / "silence.wav", np.zeros(SR), SR)
  run = lambda *flags: run_module(
    "cvae_jax.generate", f"--workdir={rave_run}", f"--out={out}", *flags
  )
  assert run("--seconds=0.5", "--num=2", "--seed=5").returncode == 0
  assert [soundfile.info(out / f"sample-seed{n}.wav").frames for n in (5, 6)] == [8000, 8000]
  assert run("--seconds=0.5", f"--continue_from={path}", "--seed=7").returncode == 0
  assert soundfile.info(out / "sample-seed7.wav").frames == 8000 + 8000
  for name, line in (
    ("silence.wav", "there is nothing to go on from: the recording is silent"),
    ("none.wav", "none.wav"),
  ):
    result = run("--seconds=0.5", f"--continue_from={tmp_path / name}", "--seed=8")
    assert result.returncode == 2 and line in result.stderr
    assert "Traceback" not in result.stderr
  result = run(f"--continue_from={path}")
  assert result.returncode == 2 and "--continue_from needs --seconds" in result.stderr
  assert not (out / "sample-seed8.wav").exists()


def test_a_run_without_such_a_prior_is_refused(tiny_run):
  with pytest.raises(errors.UserError, match="needs a run that streams"):
    next(continuation.generate(synthesizer.load(str(tiny_run)), 1.0))


def test_lengths_that_are_none(synth):
  for seconds in (0.0, -1.0, float("nan")):
    with pytest.raises(errors.UserError, match="seconds must be positive"):
      next(continuation.generate(synth, seconds))
