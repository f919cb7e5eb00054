from conftest import FIXTURES
from conftest import get_config
from conftest import one_line
from conftest import run_module
import numpy as np
import pytest
import soundfile

from cvae_jax import explore
from cvae_jax.audio import files
from cvae_jax.data import labels
from cvae_jax.data import pipeline
from cvae_jax.synthesis import latent_space
from cvae_jax.synthesis import note_codes
from cvae_jax.synthesis import synthesizer
from cvae_jax.training import loop


@pytest.fixture(scope="module")
def synth(tiny_run):
  return synthesizer.load(tiny_run)


@pytest.fixture(scope="module")
def points(synth, real_note):
  """A guitar note, and an organ note two octaves up."""
  given = synth.draw_labels(1, 0, pitch=48, family="bass", source="acoustic", velocity=100)
  other = synth.draw_labels(1, 0, pitch=72, family="organ", source="synthetic", velocity=50)
  return (
    latent_space.encode(synth, real_note, given),
    latent_space.encode(synth, real_note[::-1].copy(), other),
  )


def test_encoding_and_decoding_is_reconstruction_but_for_the_level(synth, points, real_note):
  decoded = latent_space.decode(synth, points[0])[0]
  reconstructed = synth.reconstruct(real_note, points[0].labels)
  scale = np.abs(reconstructed).max() / np.abs(decoded).max()
  np.testing.assert_allclose(decoded * scale, reconstructed, atol=2e-3)
  assert np.abs(decoded).max() == pytest.approx(0.89 * (100 / 127) ** 2, rel=1e-3)


def test_an_interpolation_begins_and_ends_with_the_notes(synth, points):
  a, b = points
  between = latent_space.interpolate(synth, a, b, 5)
  audio = latent_space.decode(synth, between)
  assert audio.shape == (5, labels.NUM_SAMPLES) and np.isfinite(audio).all()
  np.testing.assert_allclose(audio[0], latent_space.decode(synth, a)[0], atol=1e-4)
  np.testing.assert_allclose(audio[-1], latent_space.decode(synth, b)[0], atol=1e-4)
  np.testing.assert_allclose(between.labels["pitch"], [48, 54, 60, 66, 72])
  family = between.labels["family"][2]
  assert family[labels.FAMILIES.index("bass")] == family[labels.FAMILIES.index("organ")] == 0.5
  assert between.labels["velocity"][1] == pytest.approx(87.5)


def test_parts_go_over_by_themselves(synth, points):
  a, b = points
  code = latent_space.interpolate(synth, a, b, 3, part="code")
  assert (code.labels["pitch"] == 48).all()
  np.testing.assert_allclose(code.code[-1], b.code[0], rtol=1e-5)
  of_labels = latent_space.interpolate(synth, a, b, 3, part="labels")
  np.testing.assert_allclose(of_labels.code, np.repeat(a.code, 3, axis=0), rtol=1e-6)
  assert of_labels.labels["pitch"].tolist() == [48, 60, 72]


def test_the_spherical_path_keeps_the_length_and_the_angle_even():
  a, b = np.asarray([[3.0, 0.0]]), np.asarray([[0.0, 1.0]])
  arc = latent_space.mix(a, b, np.linspace(0, 1, 4), "spherical")
  np.testing.assert_allclose(np.linalg.norm(arc, axis=1), [3, 7 / 3, 5 / 3, 1], rtol=1e-6)
  np.testing.assert_allclose(
    np.degrees(np.arctan2(arc[:, 1], arc[:, 0])), [0, 30, 60, 90], atol=1e-5
  )
  # On one line, and between equal codes, it is the straight way.
  for end in (2 * a, a):
    np.testing.assert_allclose(
      latent_space.mix(a, end, np.asarray([0.5]), "spherical"), (a + end) / 2, rtol=1e-6
    )


def test_a_note_sounds_as_another(synth, points):
  moved = latent_space.relabel(synth, points[0], semitones=7, family="organ")
  assert moved.labels["pitch"].tolist() == [55] and moved.labels["family"].tolist() == [6]
  np.testing.assert_array_equal(moved.code, points[0].code)
  a, b = (latent_space.decode(synth, p) for p in (points[0], moved))
  assert np.abs(a - b).max() > 0.01
  for arguments, says in (
    ({"semitones": 100}, "lead to pitch 148, out of 0-127"),
    ({"family": "piano"}, "family must be one of"),
  ):
    with pytest.raises(Exception) as error:
      latent_space.relabel(synth, points[0], **arguments)
    assert says in one_line(error)


@pytest.fixture(scope="module")
def codes(synth):
  return note_codes.encode_notes(synth, pipeline.open_data(synth.config.data).train, 40)


def test_the_nearest_note_to_a_code_is_its_own(synth, codes):
  assert codes.code.shape == (40, 4)
  places, distances = note_codes.neighbours(codes, codes.code[7], 3)
  assert places[0] == 7 and distances[0] == 0 and (np.diff(distances) >= 0).all()
  note = codes.source[int(codes.rows[7])]
  point = latent_space.encode(synth, note["audio"], {
    name: np.asarray(codes.labels()[name][[7]]) for name in synth.vocabulary.names
  })  # fmt: skip
  np.testing.assert_allclose(point.code[0], codes.code[7], atol=1e-4)


def test_an_attribute_is_the_way_between_the_means(codes):
  bass = codes.labels()["family"] == labels.FAMILIES.index("bass")
  vector = note_codes.attribute_vector(codes, bass)
  wanted = codes.code[bass].mean(axis=0) - codes.code[~bass].mean(axis=0)
  np.testing.assert_allclose(vector, wanted, rtol=1e-6)
  with pytest.raises(Exception) as error:
    note_codes.attribute_vector(codes, np.zeros(40, bool))
  assert "0 of 40 notes have the attribute" in one_line(error)


def test_mixes_of_labels_can_be_asked_for(synth):
  half = synth.generate(pitch=60.5, family={"bass": 1, "organ": 3}, velocity=100, seed=3)
  low, high = (synth.generate(pitch=p, family="organ", velocity=100, seed=3) for p in (60, 61))
  assert np.isfinite(half).all() and np.abs(half - low).max() > 1e-3
  assert np.abs(half - high).max() > 1e-3
  whole = synth.generate(pitch=60.0, family={"organ": 2.0}, velocity=100, seed=3)
  drawn = synth.draw_labels(1, 3, pitch=60, family={"organ": 2.0}, velocity=100)
  assert drawn["family"].shape == (1, 11) and drawn["family"].sum() == 1
  # One family is a mix of itself; the source, which is drawn, is drawn in the same way.
  np.testing.assert_allclose(whole, low, atol=1e-4)
  for asked, says in (
    ({"family": {"organ": -1}}, "the weight of family organ must be positive, got -1"),
    ({"family": {"piano": 1}}, "family must be one of"),
    ({"pitch": 127.5}, "pitch must be 0-127, got 127.5"),
  ):
    with pytest.raises(Exception) as error:
      synth.generate(**asked)
    assert says in one_line(error)


def test_temperature_is_the_spread_of_what_is_generated(synth):
  asked = {"pitch": 60, "family": "bass", "source": "acoustic", "velocity": 100, "num": 4}
  cold = synth.generate(**asked, temperature=0.0)
  warm = synth.generate(**asked)
  spread = lambda audio: np.abs(np.abs(np.fft.rfft(audio))).std(axis=0).mean()
  assert spread(cold) < 0.5 * spread(warm)
  with pytest.raises(Exception) as error:
    synth.generate(pitch=60, temperature=-1.0)
  assert "temperature must be 0 or more, got -1.0" in one_line(error)


@pytest.mark.slow
def test_a_run_with_labels_at_times_unknown_is_left_free_in_what_is_not_asked(tmp_path, tfds_dir):
  config = get_config(
    "cvae", "tiny",
    **{"data.tfds_dir": tfds_dir, "condition.drop_rate": 0.3, "train.steps": 4,
       "eval.baselines": False, "eval.pitch_notes": 0, "eval.sample_notes": 0},
  )  # fmt: skip
  loop.train_and_evaluate(config, str(tmp_path))
  free = synthesizer.load(str(tmp_path))
  drawn = free.draw_labels(2, 0, pitch=60)
  assert drawn["pitch"].tolist() == [60, 60]
  assert all((drawn[name] == -1).all() for name in ("family", "source", "velocity"))
  audio = free.sample(drawn, 0)
  # A velocity that nobody asked for is the loudest.
  np.testing.assert_allclose(np.abs(audio).max(axis=1), 0.89, rtol=1e-3)
  assert np.isfinite(free.generate(seed=1)).all()  # Of nothing at all.


def test_a_traversal_moves_one_dimension_at_a_time(synth, points, codes):
  point = points[0]
  widest = note_codes.widest_dimensions(codes, 2)
  spread = codes.code.std(axis=0)
  assert spread[widest[0]] == spread.max() and spread[widest[0]] >= spread[widest[1]]
  values = np.asarray([[-1.0, 0.0, 1.0], [5.0, 6.0, 7.0]], np.float32)
  along = latent_space.traverse(point, widest, values)
  assert along.code.shape == (6, 4) and along.labels["pitch"].tolist() == [48] * 6
  np.testing.assert_array_equal(along.code[:3, widest[0]], values[0])
  np.testing.assert_array_equal(along.code[3:, widest[1]], values[1])
  others = np.delete(along.code[:3], widest[0], axis=1)
  np.testing.assert_array_equal(others, np.repeat(np.delete(point.code, widest[0], axis=1), 3, 0))
  assert latent_space.decode(synth, along).shape == (6, labels.NUM_SAMPLES)


def test_dimensions_that_mean_something_come_first(synth, codes):
  widest = note_codes.widest_dimensions(codes, 4).tolist()
  guided = synth.method._replace(meanings=("tilt", "attack"))
  named = note_codes.main_dimensions(codes, 3, guided)
  third = next(d for d in widest if d > 1)
  assert named == {0: "tilt", 1: "attack", third: f"dimension {third}"}
  assert list(note_codes.main_dimensions(codes, 2, synth.method)) == widest[:2]
  measured = synth.method._replace(measured=("vibrato", ""))  # Of the last two, by their deviation.
  named = {d: f"dimension {d}" for d in widest} | {2: "vibrato"}
  assert note_codes.main_dimensions(codes, 4, measured) == named


def test_a_traversal_is_a_wav_for_each_dimension_and_a_figure(tmp_path, tiny_run):
  explore.main(
    ["traverse", f"--workdir={tiny_run}", "--pitch=60", "--family=organ", "--num=2", "--steps=3",
     f"--out={tmp_path}"]
  )  # fmt: skip
  wavs = sorted(tmp_path.glob("dimension-00?.wav"))
  assert len(wavs) == 2 and (tmp_path / "traversal.png").stat().st_size > 10_000
  assert all(soundfile.info(str(path)).frames == 3 * 64_000 for path in wavs)


@pytest.mark.slow
def test_the_commands_write_what_they_say(tmp_path, tiny_run, synth):
  share = synth.table.columns["qualities"].mean(axis=0)
  quality = labels.QUALITIES[
    int(np.argmin(np.abs(share - 0.5)))
  ]  # Some have it, and some have not.
  a, b = sorted((FIXTURES / "nsynth-valid" / "audio").glob("*.flac"))[:2]
  done = run_module(
    "cvae_jax.explore", "interpolate", f"--workdir={tiny_run}", a, b, "--steps=3",
    f"--out={tmp_path}",
  )  # fmt: skip
  assert done.returncode == 0, done.stderr
  assert sorted(p.name for p in tmp_path.glob("*.wav")) == [f"step-0{i}.wav" for i in range(3)]
  done = run_module(
    "cvae_jax.explore", "interpolate", f"--workdir={tiny_run}", a, b, "--steps=3", "--join",
    f"--out={tmp_path / 'one'}",
  )  # fmt: skip
  assert soundfile.info(str(tmp_path / "one" / "interpolation.wav")).frames == 3 * 64_000
  out = tmp_path / "converted.wav"
  done = run_module(
    "cvae_jax.explore", "convert", f"--workdir={tiny_run}", a, out, "--family=organ",
    "--semitones=-3", f"--attribute={quality}:0.5",
  )  # fmt: skip
  assert done.returncode == 0, done.stderr
  assert np.abs(files.read_note(str(out), 64_000, 16_000).audio).max() > 0.01
  done = run_module("cvae_jax.explore", "neighbours", f"--workdir={tiny_run}", a, "--num=3")
  assert done.returncode == 0 and len(done.stdout.strip().splitlines()) == 3


@pytest.mark.parametrize(
  "arguments,says",
  [
    (["interpolate", "A", "A", "--steps=1"], "the number of steps must be 2 or more, got 1"),
    (["interpolate", "A", "A", "--path=round"], "path must be one of linear, spherical"),
    (["convert", "A", "OUT", "--attribute=loud"], "attribute must be one of bass, brass"),
    (["convert", "A", "OUT", "--attribute=bright:x"], "--attribute must be NAME:AMOUNT"),
    (["neighbours", "A", "--num=0"], "--num must be 1 or more, got 0"),
  ],
)
def test_what_cannot_be_explored_is_one_line(tmp_path, tiny_run, arguments, says):
  note = str(sorted((FIXTURES / "nsynth-valid" / "audio").glob("*.flac"))[0])
  places = {"A": note, "OUT": str(tmp_path / "out.wav")}
  command = [places.get(argument, argument) for argument in arguments]
  done = run_module("cvae_jax.explore", *command, f"--workdir={tiny_run}")
  assert done.returncode == 2 and done.stderr.count("\n") == 1 and says in done.stderr
  assert not list(tmp_path.iterdir())
