"""Recordings as codes of any length, and back; curves that are added to them over time."""

from conftest import run_module
from conftest import sing
import numpy as np
import pytest
import soundfile

from cvae_jax import explore
from cvae_jax.core import errors
from cvae_jax.core import flag_types
from cvae_jax.synthesis import latent_conversion
from cvae_jax.synthesis import latent_streams
from cvae_jax.synthesis import synthesizer

SR = 16_000


@pytest.fixture(scope="module")
def synth(rave_run):
  return synthesizer.load(str(rave_run)).with_fields({"method.fidelity": 1.0})


def parts(audio, size):
  return [audio[n : n + size] for n in range(0, len(audio), size)]


def test_codes_are_those_of_the_whole_recording(synth):
  audio = sing(0.5, 300.0, 500.0)  # An example of the run.
  codes = latent_streams.encode(synth, parts(audio, 777))
  whole = np.asarray(synth.method.encode(synth.params, {"audio": audio[None]}))[0]
  assert codes.shape == whole.shape == (250, 4)
  np.testing.assert_allclose(codes[8:-8], whole[8:-8], atol=1e-4)  # The ends see silence or none.
  np.testing.assert_array_equal(codes, latent_streams.encode(synth, [audio]))
  drawn = [latent_streams.encode(synth, [audio], True, seed) for seed in (1, 1, 2)]
  assert np.array_equal(drawn[0], drawn[1]) and not np.allclose(drawn[0], drawn[2])


def test_a_recording_is_converted_to_the_sound_of_its_codes(synth):
  audio = sing(1.2, 300.0, 500.0)
  codes = latent_streams.encode(synth, [audio])
  made = np.concatenate(list(latent_streams.decode(synth, parts(codes, 13), len(audio))))
  converted = np.concatenate(list(latent_conversion.convert(synth, [audio])))
  assert made.shape == converted.shape == audio.shape
  inner = slice(2000, -2000)
  spectra = [np.fft.rfft(x[inner], 4 * SR) for x in (made, converted)]
  assert np.argmax(np.fft.irfft(spectra[0] * np.conj(spectra[1]))) == 0


def test_a_curve_bends_a_dimension_where_it_says(synth):
  audio = sing(2.0, 300.0, 500.0)
  curve = latent_conversion.Curve(1, (1.0, 1.2), (0.0, 8.0))
  plain, level, bent = (
    np.concatenate(list(latent_conversion.convert(synth, [audio], **settings)))
    for settings in (
      {},
      {"change": latent_conversion.make_change(4, bias=[(1, 8.0)])},
      {"curves": [curve]},
    )
  )
  np.testing.assert_allclose(bent[: round(0.95 * SR)], plain[: round(0.95 * SR)], atol=1e-5)
  np.testing.assert_allclose(bent[round(1.3 * SR) :], level[round(1.3 * SR) :], atol=1e-5)
  assert np.abs(plain - level)[round(1.3 * SR) :].max() > 1e-3
  with pytest.raises(errors.UserError, match="must be 0-3, got 4"):
    next(latent_conversion.convert(synth, [audio], curves=[curve._replace(dimension=4)]))


def test_codes_between_two_recordings_repeat_the_shorter():
  a, b = np.zeros((2, 3), np.float32), np.arange(15, dtype=np.float32).reshape(5, 3)
  np.testing.assert_array_equal(latent_streams.mix(a, b, 0.5), b / 2)
  np.testing.assert_array_equal(latent_streams.mix(b[:2], b, 0.0)[2:4], b[:2])
  np.testing.assert_allclose(latent_streams.mix(a, b, np.linspace(0, 1, 5))[-1], b[-1])


def test_blocks_are_cut_filled_and_trimmed():
  given = [np.arange(n, dtype=np.float32) for n in (0, 3, 5)]
  blocks = list(latent_streams.cut(given, 4))
  assert [x.tolist() for x in blocks] == [[0, 1, 2, 0], [1, 2, 3, 4]]
  assert list(latent_streams.cut([np.ones(1)], 4))[0].tolist() == [1, 0, 0, 0]
  rest = np.concatenate(list(latent_streams.trim(blocks, 5, 2)))
  assert rest.tolist() == [2, 3]
  assert not list(latent_streams.trim(iter(()), 0, 0))


@pytest.mark.parametrize(
  ("text", "line"),
  [
    ("0", "0"),
    ("0:1", "0:1"),
    ("0:1=x", "1=x"),
    ("0:2=1,1=1", "times that rise"),
    ("-1:0=1", "-1"),
  ],
)
def test_curves_that_are_none_are_one_line(text, line, rave_run, tmp_path):
  out = tmp_path / "out.wav"
  done = run_module("cvae_jax.convert", f"--workdir={rave_run}", f"--curve={text}", "in.wav", out)
  assert done.returncode == 2 and line in done.stderr and "Traceback" not in done.stderr
  assert not out.exists()


def test_curves_of_the_command(rave_run, tmp_path):
  assert flag_types.curve("0:1.5=-2,4=2") == (0, (1.5, 4.0), (-2.0, 2.0))
  soundfile.write(tmp_path / "in.wav", sing(0.6, 300.0, 500.0), SR)
  for name, flags in (("plain", ()), ("bent", ("--curve=0:0=-8,0.6=8",))):
    done = run_module("cvae_jax.convert", f"--workdir={rave_run}", tmp_path / "in.wav",
                      tmp_path / f"{name}.wav", *flags)  # fmt: skip
    assert done.returncode == 0, done.stderr
  plain, bent = (soundfile.read(tmp_path / f"{name}.wav")[0] for name in ("plain", "bent"))
  assert len(plain) == len(bent) == round(0.6 * SR) and not np.allclose(plain, bent, atol=1e-4)


@pytest.fixture
def recordings(tmp_path):
  paths = tmp_path / "a.wav", tmp_path / "b.wav"
  for path, seconds in zip(paths, (0.5, 0.8), strict=True):
    soundfile.write(path, sing(seconds, 300.0, 500.0), SR)
  return list(map(str, paths))


def test_explore_goes_from_a_recording_to_another(rave_run, recordings, tmp_path):
  out = tmp_path / "out"
  run = lambda *flags: explore.main(
    ["interpolate", f"--workdir={rave_run}", *recordings, f"--out={out}", *flags]
  )
  run("--steps=2")
  run("--join")
  steps = [soundfile.read(out / f"step-{n:02d}.wav")[0] for n in range(2)]
  glide = soundfile.read(out / "interpolation.wav")[0]
  assert len(steps[0]) == len(steps[1]) == len(glide) == round(0.8 * SR)
  first, last = slice(0, 200), slice(-200, None)  # Of three seconds of weights: near the ends.
  for part, near, far in ((first, 0, 1), (last, 1, 0)):
    off = [np.abs(glide - steps[n])[part].max() for n in (near, far)]
    assert off[0] < off[1]
  with pytest.raises(errors.UserError, match="--path means nothing to this run"):
    run("--path=linear")


def test_explore_moves_one_latent_after_the_other(rave_run, recordings, tmp_path):
  out = tmp_path / "out"
  run = lambda *flags: explore.main(["traverse", f"--workdir={rave_run}", f"--out={out}", *flags])
  run(recordings[0], "--num=2", "--span=4")
  plain, *moved = (
    soundfile.read(out / f"{name}.wav")[0]
    for name in ("as-it-is", "dimension-000", "dimension-001")
  )
  assert len(plain) == round(0.5 * SR) and (out / "traversal.png").exists()
  assert not np.allclose(plain, moved[0], atol=1e-4) and not np.allclose(*moved, atol=1e-4)
  run("--num=1")  # Of what the prior draws.
  assert soundfile.info(out / "as-it-is.wav").frames == 250 * 32
  for flags, line in ((["--num=5"], "--num must be 1 to 4"), (["--steps=3"], "--steps means")):
    with pytest.raises(errors.UserError, match=line):
      run(*flags)
