"""The engine behind the page: what is asked at once is made at once, for whoever asked."""

import copy
import threading
import time

import numpy as np
import pytest

from cvae_jax.play import engine as engine_lib
from cvae_jax.play import palette as palette_lib
from cvae_jax.play import player as player_lib
from cvae_jax.play import sounds
from cvae_jax.synthesis import latent_space
from cvae_jax.synthesis import synthesizer


@pytest.fixture(scope="module")
def synth(tiny_run):
  return synthesizer.load(tiny_run)


@pytest.fixture(scope="module")
def engine(synth):
  made = engine_lib.Engine(synth)
  yield made
  made.close()


def point(synth, pitches, seed=0, **labels):
  return sounds.to_point(synth, None, sounds.Sound(labels, seed), pitches)


def test_everyone_gets_their_own_notes(engine, synth):
  asked = [point(synth, range(40 + i, 43 + 2 * i), seed=i) for i in range(6)]
  futures = [engine.submit(p) for p in asked]
  for wanted, future in zip(asked, futures, strict=True):
    got = future.result(60)
    assert got.shape == (len(wanted.code), 64_000)
    alone = latent_space.decode(
      synth, latent_space.Point(wanted.code, synth.vocabulary.soften(wanted.labels))
    )
    np.testing.assert_allclose(got, alone, atol=2e-3)


def test_what_waits_is_made_in_one_batch_and_a_single_note_does_not_wait_for_a_keyboard(
  synth, monkeypatch
):
  """Every request has a row in the first batch, and batches have sizes that are compiled."""
  sizes = []
  gate = threading.Event()
  decode = latent_space.decode

  def counted(used, wanted, seed=0):
    gate.wait(30)
    sizes.append(len(wanted.code))
    return np.zeros((len(wanted.code), 8), np.float32) + wanted.labels["pitch"][:, None]

  monkeypatch.setattr(latent_space, "decode", counted)
  engine = engine_lib.Engine(synth)
  first = engine.submit(point(synth, [60]))
  time.sleep(0.2)  # The thread is at it, and waits.
  finished = []
  keyboard = engine.submit(point(synth, range(21, 109)))
  singles = [engine.submit(point(synth, [p])) for p in range(30, 40)]
  for name, future in [("keyboard", keyboard), *((i, f) for i, f in enumerate(singles))]:
    future.add_done_callback(lambda _, name=name: finished.append(name))
  gate.set()
  np.testing.assert_array_equal(keyboard.result(30)[:, 0], np.arange(21, 109))
  assert [f.result(30)[0, 0] for f in singles] == list(range(30, 40)) and first.done()
  assert finished[-1] == "keyboard" and len(finished) == 11
  assert sizes[0] == 1 and set(sizes) <= set(engine_lib.BATCH_SIZES)
  assert len(sizes) == 1 + -(-(88 + 10) // 16)
  engine.close()
  monkeypatch.setattr(latent_space, "decode", decode)


def test_more_than_can_wait_is_refused_and_what_fails_is_told(synth, monkeypatch):
  gate = threading.Event()

  def failing(used, wanted, seed=0):
    gate.wait(30)
    raise RuntimeError("no memory")

  monkeypatch.setattr(latent_space, "decode", failing)
  engine = engine_lib.Engine(synth, max_rows=20)
  first = engine.submit(point(synth, range(60, 76)))
  with pytest.raises(engine_lib.Busy, match="16 notes are queued"):
    engine.submit(point(synth, range(60, 76)))
  cancelled = engine.submit(point(synth, [60]))
  assert cancelled.cancel()
  gate.set()
  with pytest.raises(RuntimeError, match="no memory"):
    first.result(30)
  monkeypatch.setattr(latent_space, "decode", lambda *_: np.ones((16, 8), np.float32))
  assert engine.submit(point(synth, range(60, 76))).result(30).shape == (16, 8)
  assert engine._waiting == 0
  engine.close()


def test_a_draft_is_the_same_note_with_rougher_phases(engine, synth):
  wanted = point(synth, [60, 64])
  full, draft = (engine.submit(wanted, draft).result(60) for draft in (False, True))
  spectra = [np.abs(np.fft.rfft(a[:, 8000:24_000])) for a in (full, draft)]
  alike = np.sum(spectra[0] * spectra[1]) / np.prod([np.linalg.norm(s) for s in spectra])
  assert alike > 0.9 and np.abs(full - draft).max() > 1e-3


def test_a_palette_moves_a_code_where_it_is_told_and_nowhere_else():
  rng = np.random.default_rng(0)
  directions = np.linalg.qr(rng.normal(size=(6, 6)))[0][:3]
  made = palette_lib.Palette(
    1, rng.normal(size=6), directions, np.array([3.0, 2.0, 0.5]), np.zeros((0, 6)),
    np.zeros(0, int), np.zeros(0, str), {},
  )  # fmt: skip
  codes = rng.normal(size=(4, 6)).astype(np.float32)
  moved = made.move(codes, [1.5, None, -2.0])
  places = made.places(moved)
  np.testing.assert_allclose(places[:, 0], 1.5, atol=1e-5)
  np.testing.assert_allclose(places[:, 2], -2.0, atol=1e-5)
  np.testing.assert_allclose(places[:, 1], made.places(codes)[:, 1], atol=1e-5)
  rest = np.eye(6) - directions.T @ directions
  np.testing.assert_allclose(moved @ rest, codes @ rest, atol=1e-5)
  np.testing.assert_array_equal(made.move(codes, []), codes)


def test_a_palette_is_the_principal_components_of_training_codes_and_is_kept(synth, tmp_path):
  import sklearn.decomposition

  made = palette_lib.get_palette(synth, str(tmp_path))
  reference = sklearn.decomposition.PCA(len(made.directions)).fit(made.codes)
  np.testing.assert_allclose(made.deviation**2, reference.explained_variance_, rtol=1e-3)
  alike = np.abs(np.sum(made.directions * reference.components_, axis=1))
  np.testing.assert_allclose(alike[:2], 1.0, atol=1e-3)
  assert made.places(made.codes).std(axis=0, ddof=1) == pytest.approx(1.0, abs=1e-3)
  again = palette_lib.get_palette(synth, str(tmp_path))
  np.testing.assert_array_equal(again.codes, made.codes)
  assert again.ids.tolist() == made.ids.tolist() and made.ids[0].count("-") >= 2
  # Of another checkpoint, or damaged, it is made again.
  path = tmp_path / palette_lib.FILENAME
  path.write_bytes(path.read_bytes()[:500])
  np.testing.assert_allclose(palette_lib.get_palette(synth, str(tmp_path)).codes, made.codes)


def test_dimensions_with_a_meaning_come_first(synth, tmp_path):
  plain = palette_lib.get_palette(synth, str(tmp_path))
  guided = copy.copy(synth)
  guided.method = synth.method._replace(meanings=("brightness", "attack"))
  made = palette_lib.get_palette(guided, str(tmp_path))  # Not the one that is cached.
  np.testing.assert_array_equal(made.directions[:2], np.eye(2, made.codes.shape[1]))
  assert len(made.directions) == len(plain.directions)
  np.testing.assert_allclose(
    made.directions @ made.directions.T, np.eye(len(made.directions)), atol=1e-5
  )
  np.testing.assert_allclose(made.places(made.codes).std(axis=0, ddof=1), 1.0, atol=1e-3)
  moved = made.move(made.codes[:3], [None, 1.5])
  np.testing.assert_array_equal(np.delete(moved - made.codes[:3], 1, axis=1), 0.0)
  card = player_lib.make_card(guided, made, "guided", str(tmp_path))
  assert card.meanings == ["brightness", "attack", *[""] * (len(made.directions) - 2)]
  assert palette_lib.get_palette(guided, str(tmp_path)).ids.tolist() == made.ids.tolist()


def test_measured_dimensions_come_last(synth, tmp_path):
  measuring = copy.copy(synth)
  measuring.method = synth.method._replace(measured=("vibrato", "", "attack time"))
  palette_lib.get_palette(synth, str(tmp_path))
  made = palette_lib.get_palette(measuring, str(tmp_path))  # Not the one that is cached.
  np.testing.assert_array_equal(made.directions[-2:], np.eye(4)[[1, 3]])  # Of four.
  product = made.directions @ made.directions.T
  np.testing.assert_allclose(product, np.eye(len(made.directions)), atol=1e-5)
  card = player_lib.make_card(measuring, made, "measuring", str(tmp_path))
  assert card.meanings == [*[""] * (len(made.directions) - 2), "vibrato", "attack time"]
  assert palette_lib.get_palette(measuring, str(tmp_path)).ids.tolist() == made.ids.tolist()


def test_a_sound_is_what_generate_makes_of_the_same_seed(synth):
  asked = {"family": "organ", "source": "electronic", "velocity": 100}
  wanted = sounds.to_point(synth, None, sounds.Sound(asked, seed=3), [60])
  ours = latent_space.decode(synth, wanted)[0]
  theirs = synth.generate(pitch=60, seed=3, **asked)
  assert np.abs(np.fft.rfft(ours)).argmax() == np.abs(np.fft.rfft(theirs)).argmax()
  np.testing.assert_allclose(ours, theirs, atol=2e-3)
