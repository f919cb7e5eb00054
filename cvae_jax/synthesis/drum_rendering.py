"""Renders strokes with the hits of a kit: pieces, and bars that loop."""

from collections.abc import Sequence
import logging

import numpy as np

from cvae_jax.audio import level
from cvae_jax.core import errors
from cvae_jax.data import percussion
from cvae_jax.scores import drum_pattern
from cvae_jax.synthesis import drum_kit
from cvae_jax.synthesis import rendering
from cvae_jax.synthesis import synthesizer

_log = logging.getLogger(__name__)

CHOKE_S = 0.005  # fade of a hit that another one cuts off
Event = drum_pattern.Event


def choke_ends(
  events: Sequence[Event], period_s: float | None = None
) -> list[tuple[Event, float | None]]:
  """Pairs events, sorted by start, with when another of their choke group cuts them off.

  Args:
    events: strokes.
    period_s: after which they repeat; None for a piece.

  Returns:
    Each event with a time, None if nothing cuts it off.
  """
  # By group: the start of the strokes that were seen last, and when they are cut off themselves.
  latest: dict[int, tuple[float, float | None]] = {}
  if period_s is not None:
    for event in reversed(events):
      latest[percussion.KEYS[event.key].choke] = (event.start_s + period_s, None)
  pairs: list[tuple[Event, float | None]] = []
  for event in reversed(events):
    choke = percussion.KEYS[event.key].choke
    end_s = None
    if choke and choke in latest:
      start_s, end_s = latest[choke]
      if start_s > event.start_s:  # Strokes at one time let each other be.
        end_s = start_s
    latest[choke] = (event.start_s, end_s)
    pairs.append((event, end_s))
  return pairs[::-1]


def _sound(hit, event, end_s, rate):
  """The audio of a stroke, up to where it is cut off."""
  audio = np.asarray(hit.audio, np.float64) * float(level.velocity_to_gain(event.velocity))
  if end_s is None:
    return audio
  fade = round(CHOKE_S * rate)
  length = min(audio.size, round(end_s * rate) - round(event.start_s * rate) + fade)
  audio = audio[:length]
  if length < hit.audio.size:
    audio[length - min(fade, length) :] *= np.linspace(1.0, 0.0, min(fade, length))
  return audio


def render_events(
  hits: Sequence[drum_kit.Hit], events: Sequence[Event], sample_rate: int
) -> np.ndarray:
  """Renders strokes to [T] float64, as long as their tails, at the hits' levels.

  Args:
    hits: of a kit; strokes of keys that it does not have are silent.
    events: sorted by start.
    sample_rate: of the hits, in Hz.
  """
  hit_of = {hit.key: hit for hit in hits}
  sounds = [
    (round(event.start_s * sample_rate), _sound(hit_of[event.key], event, end_s, sample_rate))
    for event, end_s in choke_ends(events)
    if event.key in hit_of
  ]
  piece = np.zeros(max((start + audio.size for start, audio in sounds), default=0))
  for start, audio in sounds:
    piece[start : start + audio.size] += audio
  return piece


def render_loop(
  hits: Sequence[drum_kit.Hit], pattern: drum_pattern.Pattern, sample_rate: int
) -> np.ndarray:
  """Renders a pattern to [T] float32 that loops: T is its bar, and what rings on begins it.

  Args:
    hits: a hit for each track, in their order: tracks may share a key.
    pattern: of the bar.
    sample_rate: of the hits, in Hz.

  Raises:
    UserError: as `drum_pattern.check`, or if there are more or fewer hits than tracks.
  """
  drum_pattern.check(pattern)
  if len(hits) != len(pattern.tracks):
    raise errors.UserError(f"{len(pattern.tracks)} tracks need as many hits, got {len(hits)}")
  length = round(pattern.duration_s * sample_rate)
  strokes = [
    (event, number)
    for number, track in enumerate(pattern.tracks)
    for event in drum_pattern.to_events(pattern._replace(tracks=(track,)))
  ]
  strokes.sort()
  pairs = choke_ends([event for event, _ in strokes], pattern.duration_s)
  bar = np.zeros(length)
  for (_, number), (event, end_s) in zip(strokes, pairs, strict=True):
    audio = _sound(hits[number], event, end_s, sample_rate)
    start = round(event.start_s * sample_rate)
    np.add.at(bar, (start + np.arange(audio.size)) % length, audio)
  return rendering.limit_peak(bar)


def draw_for(
  synth: synthesizer.Synthesizer, events: Sequence[Event], seed: int = 0, temperature: float = 1.0
) -> tuple[list[drum_kit.Hit], list[Event]]:
  """Draws the kit that strokes need, and says what of them is left out.

  Args:
    synth: a run of drums.
    events: strokes of any keys.
    seed: of the kit.
    temperature: of the prior.

  Returns:
    A hit for each key, and the strokes of them.

  Raises:
    UserError: if the run makes no drums, or none of these.
  """
  drum_kit.check(synth, "percussion")
  keys = sorted({event.key for event in events})
  known = drum_kit.known_keys(synth, [key for key in keys if key in percussion.KEYS])
  if not known:
    raise errors.UserError(
      f"this run has no drum for any of the percussion keys {', '.join(map(str, keys[:8]))}: it "
      f"knows {', '.join(synth.table.known_names(drum_kit.KIND))}"
    )
  played = [event for event in events if event.key in known]
  missing = [key for key in keys if key not in known]
  if missing:
    _log.warning(
      "percussion keys %s are left out (%d strokes): this run has no such drum",
      ", ".join(map(str, missing)), len(events) - len(played),
    )  # fmt: skip
  return drum_kit.make_kit(synth, known, seed, temperature), played
