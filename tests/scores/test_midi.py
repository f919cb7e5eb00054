"""MIDI files of every kind, damaged ones as well, and the controllers that end or hold notes."""

import struct
import time

from conftest import one_line
import midi_writer as mw
import pytest

from cvae_jax.core import errors
from cvae_jax.scores import midi

# Two beats of half a second; all of these files sound them.
TWO = (mw.on(0, 60), mw.off(480, 60), mw.on(0, 67), mw.off(480, 67))
TWO_SOUND = [(0.0, 0.5, 60), (0.5, 1.0, 67)]


def read(tmp_path, data):
  """(start, end, pitch) of a file's notes."""
  (tmp_path / "song.mid").write_bytes(data)
  notes = midi.read_notes(str(tmp_path / "song.mid"))
  return [(round(n.start_s, 6), round(n.end_s, 6), n.pitch) for n in notes]


def with_event(*data):
  return mw.song(mw.track(mw.event(0, *data), *TWO))


@pytest.mark.parametrize("sharps", [0x08, 0x80, 0x7F])
def test_a_key_signature_out_of_range_is_of_no_bearing(tmp_path, sharps):
  assert read(tmp_path, with_event(0xFF, 0x59, 2, sharps, 0)) == TWO_SOUND


@pytest.mark.parametrize(
  "data",
  [
    (0xFF, 0x59, 1, 0),  # a key signature of one byte
    (0xFF, 0x59, 2, 0, 7),  # in mode 7
    (0xFF, 0x58, 2, 4, 2),  # a time signature of two bytes
    (0xFF, 0x58, 4, 4, 200, 24, 8),  # in beats of 2 ** -200
    (0xFF, 0x51, 2, 7, 161),  # a tempo of two bytes
    (0xFF, 0x51, 0),
    (0xFF, 0x51, 3, 0, 0, 0),  # beats of no length
    (0xFF, 0x54, 5, 0xE7, 0, 0, 0, 0),  # an SMPTE offset of an odd rate
    (0xFF, 0x54, 1, 0),
    (0xFF, 0x00, 1, 0),  # a sequence's number of one byte
    (0xFF, 0x20, 0),  # a channel's prefix of none
    (0xFF, 0x21, 0),  # a port of none
    (0xFF, 0x03, 2, 0xC3, 0x28),  # a name that is not UTF-8
    (0xFF, 0x77, 2, 1, 2),  # an event that there is not
    (0xFF, 0x7F, 0),
    (0xF0, 5, 0x7E, 0x7F, 9, 1, 0xF7),
    (0xF0, 2, 0x7E, 0x7F),  # a system exclusive message that goes on later
    (0xF7, 3, 0xF3, 1, 0xF7),  # bytes to be sent as they are
    (0xF1, 0), (0xF2, 0, 0), (0xF3, 0), (0xF4,), (0xF6,), (0xF8,), (0xFE,),
  ],
)  # fmt: skip
def test_what_has_no_bearing_on_notes_is_skipped(tmp_path, data):
  assert read(tmp_path, with_event(*data)) == TWO_SOUND


def test_a_tempo_that_is_too_long_is_read(tmp_path):
  assert read(tmp_path, with_event(0xFF, 0x51, 4, 0x0F, 0x42, 0x40, 9))[1] == (1.0, 2.0, 67)


@pytest.mark.parametrize("between", [mw.event(0, 0xF0, 2, 1, 0xF7), mw.meta(0, 1, 65)])
def test_running_status_goes_on_after_what_should_end_it(tmp_path, between):
  events = [mw.on(0, 60), between, mw.event(480, 60, 0), mw.event(0, 67, 99), mw.event(480, 67, 0)]
  assert read(tmp_path, mw.song(mw.track(*events))) == TWO_SOUND


@pytest.mark.parametrize("kind", [0, 1, 2, 7])
def test_one_track_is_played_in_any_format(tmp_path, kind):
  assert read(tmp_path, mw.song(mw.track(*TWO), kind=kind)) == TWO_SOUND


def test_the_tracks_of_format_2_sound_one_after_another(tmp_path):
  slow = mw.track(mw.tempo(0, 1_000_000), mw.control(0, 64, 127), *TWO)
  rest = mw.track(mw.on(240, 72), mw.off(240, 72), end=mw.event(480, 0xFF, 0x2F, 0))
  found = read(tmp_path, mw.song(slow, rest, mw.track(*TWO), kind=2))
  assert found == [
    (0.0, 2.0, 60), (1.0, 2.0, 67),  # as long as its pedal is down, which is its own affair
    (2.25, 2.5, 72),
    (3.0, 3.5, 60), (3.5, 4.0, 67),
  ]  # fmt: skip


def test_a_tempo_in_any_track_is_that_of_all(tmp_path):
  conductor = mw.track(mw.tempo(0, 250_000), mw.tempo(480, 1_000_000), mw.tempo(240, 500_000))
  one = mw.track(mw.on(0, 60), mw.off(480, 60))  # a beat of 0.25 s
  other = mw.track(mw.on(480, 67, channel=1), mw.off(480, 67, channel=1))  # 0.5 s and 0.25 s
  late = mw.track(mw.tempo(960, 100_000), mw.on(480, 72), mw.off(480, 72))
  found = read(tmp_path, mw.song(one, other, conductor, late))
  assert found == [(0.0, 0.25, 60), (0.25, 1.0, 67), (1.1, 1.2, 72)]


@pytest.mark.parametrize(
  "rate,ticks,second", [(24, 10, 240), (25, 40, 1000), (30, 4, 120), (29, 100, 2997)]
)
def test_smpte_time_is_of_seconds_whatever_the_tempo(tmp_path, rate, ticks, second):
  division = (256 - rate) << 8 | ticks
  events = [
    mw.tempo(0, 100_000),
    mw.on(0, 60),
    mw.off(second, 60),
    mw.on(0, 67),
    mw.off(second, 67),
  ]
  found = read(tmp_path, mw.song(mw.track(*events), division=division))
  assert [pitch for *_, pitch in found] == [60, 67]
  assert found[1][:2] == pytest.approx((1.0, 2.0), abs=1e-5)


@pytest.mark.parametrize("division", [0, 0xE700, 0x8001, 0xF10A])
def test_a_division_without_time_is_one_line(tmp_path, division):
  with pytest.raises(errors.UserError, match="its time division is") as error:
    read(tmp_path, mw.song(mw.track(*TWO), division=division))
  one_line(error)


ALIEN = mw.chunk(b"XFIH", b"abcd")


@pytest.mark.parametrize(
  "data",
  [
    mw.song(mw.track(), ALIEN, mw.track(*TWO)),
    mw.song(ALIEN, mw.track(*TWO), tracks=1),
    mw.song(mw.track(*TWO), ALIEN),
    mw.song(mw.track(*TWO), tracks=5),
    mw.song(mw.track(*TWO), tracks=0),
    mw.song(mw.track(*TWO), extra=b"\0\0"),
    mw.song(mw.track(*TWO)) + b"\0" * 100,
    mw.song(mw.track(*TWO)) + b"\r\n",
    b"\0" * 128 + mw.song(mw.track(*TWO)),  # MacBinary
    mw.riff(mw.song(mw.track(*TWO))),
    mw.riff(mw.song(mw.track(*TWO)), length=0),
    mw.riff(mw.song(mw.track(*TWO)), length=0xFFFFFFFF),
    mw.riff(b"abc\0" + b"data" + struct.pack("<I", 300) + mw.song(mw.track(*TWO)), name=b"DISP",
            length=4),
    mw.song(mw.track(mw.event(0, 0xFF, 1, 4, *b"MTrk"), *TWO)),  # as a text
    mw.song(mw.chunk(b"XFIH", b"abcd", length=900), mw.track(*TWO)),
  ],
)  # fmt: skip
def test_chunks_and_wrappings_of_other_kinds_are_skipped(tmp_path, data):
  assert read(tmp_path, data) == TWO_SOUND


@pytest.mark.parametrize("length", [0, 1, 4, 8, 12, 30, 31, 32, 40, 2**31, 2**32 - 1])
@pytest.mark.parametrize("following", [b"", mw.track(mw.on(0, 72, 9, 1), mw.off(480, 72, 1))])
def test_a_wrong_length_of_a_track_is_corrected(tmp_path, length, following):
  found = read(tmp_path, mw.song(mw.track(*TWO, length=length)) + following)
  assert found == sorted([*TWO_SOUND, *([(0.0, 0.5, 72)] if following else [])])


def test_a_track_that_is_cut_off_is_played_as_far_as_it_goes(tmp_path, caplog):
  whole = mw.song(mw.track(*TWO))
  assert read(tmp_path, whole[:-4]) == TWO_SOUND  # no end of track
  assert read(tmp_path, whole[:-9]) == [(0.0, 0.5, 60), (0.5, 0.5, 67)]
  assert read(tmp_path, whole[:-5]) == TWO_SOUND  # The time of what is cut is still there.
  assert caplog.messages[-1].endswith(f"track 1 at byte {len(whole) - 5}: it is cut off")
  caplog.clear()
  assert read(tmp_path, mw.song(mw.track(*TWO, end=b""))) == TWO_SOUND and not caplog.messages
  garbled = mw.track(*TWO, mw.event(0, 0xFF, 1, 0x84, 0x80, 0x80, 0), mw.on(0, 99))
  other = mw.track(mw.on(0, 72, channel=1), mw.off(480, 72, channel=1))
  assert read(tmp_path, mw.song(garbled, other)) == sorted([*TWO_SOUND, (0.0, 0.5, 72)])


def test_values_past_127_are_clipped(tmp_path):
  data = mw.song(mw.track(mw.event(0, 0x90, 60, 200), mw.off(480, 60)))
  assert read(tmp_path, data) == [(0.0, 0.5, 60)]
  assert midi.read_notes(str(tmp_path / "song.mid"))[0].velocity == 127


def test_a_port_has_channels_of_its_own(tmp_path):
  program = mw.event(0, 0xC0, 19)
  first = mw.track(mw.meta(0, 0x21, 0), program, mw.on(0, 60), mw.off(960, 60))
  second = mw.track(mw.meta(0, 0x21, 1), mw.on(240, 60), mw.off(240, 60), mw.control(0, 123, 0))
  assert read(tmp_path, mw.song(first, second)) == [(0.0, 1.0, 60), (0.25, 0.5, 60)]
  programs = [n.program for n in midi.read_notes(str(tmp_path / "song.mid"))]
  assert programs == [19, 0]


@pytest.mark.parametrize(
  "data,says",
  [
    (b"", "it is empty"),
    (b"RIFF\4\0\0\0WAVE", "it is a RIFF file of kind 'WAVE'"),
    (b"RIFF\4\0\0\0RMID", "without a data chunk"),
    (b"MThd\0\0", "it is cut off within its header"),
    (b"\x89PNG\r\n\x1a\n", r"it begins with b'\\x89PNG', not b'MThd'"),
    (mw.song(), "it has no track"),
    (mw.song(ALIEN), "it has no track"),
    (mw.song(mw.track(b"\0\x3c\x40")), "byte 24: an event has no status"),
    (mw.song(mw.track(b"\xff\xff\xff\xff\xff")), "byte 26: a number is longer than four bytes"),
    (mw.song(mw.track(b"\0\xff\x01\xff\xff\xff\x7f")), "it is cut off"),
  ],
)
def test_what_is_no_midi_file_is_told_in_words(tmp_path, data, says):
  with pytest.raises(errors.UserError, match=f"cannot be read as a MIDI file .*{says}") as error:
    read(tmp_path, data)
  assert len(one_line(error)) < 200 + len(str(tmp_path))


def test_a_folder_and_a_piece_of_days_are_one_line(tmp_path):
  with pytest.raises(errors.UserError, match="cannot be read as a MIDI file .Is a directory"):
    midi.read_notes(str(tmp_path))
  far = mw.song(mw.track(mw.on(0x0FFFFFFF, 60), mw.off(480, 60)))
  with pytest.raises(errors.UserError, match="lasts 77.7 hours: it must be at most 3"):
    read(tmp_path, far)


def test_a_file_without_an_end_is_one_line():
  with pytest.raises(errors.UserError, match="/dev/zero cannot be read .*larger than 32 MB"):
    midi.read_notes("/dev/zero")


def test_a_million_events_take_seconds(tmp_path):
  note = mw.on(1, 60) + mw.event(1, 60, 0)
  bend = mw.event(0, 0xE0, 0, 64)
  started = time.monotonic()
  found = read(tmp_path, mw.song(mw.track(*[note] * 50_000, *[bend] * 400_000, *TWO)))
  assert len(found) == 50_002 and found[-1][2] == 67
  assert time.monotonic() - started < 20


@pytest.mark.parametrize(
  "events,expected",
  [
    # All notes off, and the changes of mode that imply it.
    *[
      ([mw.on(0, 60), mw.control(480, number, 0), mw.on(2400, 67), mw.off(480, 67)],
       [(0, 0.5, 60), (3, 3.5, 67)])
      for number in (120, 123, 124, 125, 126, 127)
    ],
    # The pedal holds what all notes off lets go; a note-off that comes afterwards is of nothing.
    ([mw.control(0, 64, 127), mw.on(0, 60), mw.control(480, 123, 0), mw.off(480, 60),
      mw.control(480, 64, 0), mw.on(0, 67), mw.off(480, 67)],
     [(0, 1.5, 60), (1.5, 2, 67)]),
    # All sound off ends what a pedal holds too; the pedal stays down.
    ([mw.control(0, 64, 127), mw.on(0, 60), mw.off(480, 60), mw.on(0, 64), mw.control(480, 120, 0),
      mw.on(480, 67), mw.off(480, 67), mw.control(480, 64, 0)],
     [(0, 1, 60), (0.5, 1, 64), (1.5, 2.5, 67)]),
    # A reset lets the pedals go, and no key.
    ([mw.control(0, 64, 127), mw.on(0, 60), mw.off(480, 60), mw.on(0, 67), mw.control(480, 121, 0),
      mw.off(480, 67)],
     [(0, 1, 60), (0.5, 1.5, 67)]),
    # Sostenuto holds the keys that are down when it comes down, and no others.
    ([mw.on(0, 60), mw.control(240, 66, 127), mw.off(240, 60), mw.on(0, 67), mw.control(0, 66, 100),
      mw.off(480, 67), mw.control(480, 66, 0)],
     [(0, 1.5, 60), (0.5, 1, 67)]),
    # Either pedal is enough; a key that is down when both rise sounds on.
    ([mw.on(0, 60), mw.control(0, 66, 127), mw.control(0, 64, 64), mw.off(480, 60), mw.on(0, 67),
      mw.control(480, 64, 63), mw.control(480, 66, 0), mw.off(480, 67)],
     [(0, 1.5, 60), (0.5, 2, 67)]),
    ([mw.on(0, 60), mw.control(0, 66, 127), mw.control(0, 64, 127), mw.off(480, 60),
      mw.control(480, 66, 0), mw.control(480, 64, 0)],
     [(0, 1.5, 60)]),
    # Another channel's are its own.
    ([mw.on(0, 60), mw.control(480, 123, 0, channel=1), mw.control(0, 120, 0, channel=9),
      mw.off(480, 60)],
     [(0, 1, 60)]),
  ],
)  # fmt: skip
def test_controllers_end_and_hold_notes(tmp_path, events, expected):
  assert read(tmp_path, mw.song(mw.track(*events))) == expected
