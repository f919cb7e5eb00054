import mido
import numpy as np

from cvae_jax.scores import expression


def write(path, messages):
  track = mido.MidiTrack([mido.MetaMessage("set_tempo", tempo=500_000, time=0), *messages])
  mido.MidiFile(tracks=[track], ticks_per_beat=480).save(path)  # 960 ticks a second.


def test_bends_have_the_range_that_the_file_sets_and_gain_is_of_two_controllers(tmp_path):
  control = lambda number, value, time=0: mido.Message(
    "control_change", control=number, value=value, time=time
  )
  write(tmp_path / "a.mid", [
    mido.Message("note_on", note=60, velocity=90, time=0),
    mido.Message("pitchwheel", pitch=4096, time=480),
    control(101, 0, 480), control(100, 0), control(6, 12),
    control(11, 64, 480), control(7, 64), control(1, 127),
    mido.Message("note_off", note=60, time=480),
    control(121, 0), mido.Message("note_on", note=62, velocity=90, channel=9),
  ])  # fmt: skip
  (part,) = expression.read_parts(str(tmp_path / "a.mid"))
  assert [(n.start_s, n.end_s, n.pitch) for n in part.notes] == [(0.0, 2.0, 60)]
  times = np.asarray([0.1, 0.6, 1.1, 1.6, 2.5])
  np.testing.assert_allclose(part.bend.at(times), [0.0, 1.0, 6.0, 6.0, 0.0])
  half = 40.0 * np.log10(64 / 127)
  np.testing.assert_allclose(part.gain_db.at(times), [0, 0, 0, 2 * half, half], atol=1e-9)
  np.testing.assert_allclose(part.modulation.at(times), [0, 0, 0, 1, 0])
  assert not part.bend.is_constant


def test_every_channel_is_a_part_of_its_own(tmp_path):
  write(tmp_path / "a.mid", [
    mido.Message("note_on", note=60, channel=0, time=0),
    mido.Message("note_on", note=72, channel=1, time=480),
    mido.Message("pitchwheel", pitch=-8192, channel=1, time=0),
    mido.Message("note_off", note=60, channel=0, time=480),
    mido.Message("note_off", note=72, channel=1, time=480),
  ])  # fmt: skip
  first, second = expression.read_parts(str(tmp_path / "a.mid"))
  assert first.bend.is_constant and first.notes[0].end_s == 1.0
  assert (second.notes[0].start_s, second.notes[0].end_s) == (0.5, 1.5)
  assert second.bend.at(np.asarray([1.0])) == -2.0
