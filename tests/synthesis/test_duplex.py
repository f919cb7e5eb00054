"""Blocks of an audio device through a function: order, lateness, dropouts."""

import threading
import time

import numpy as np
import pytest

from cvae_jax.synthesis import duplex as duplex_lib


def exchange_until(duplex, blocks, is_ready):
  """What a device plays that hands over these blocks, each once the last one is made."""
  played = []
  for block in blocks:
    played.append(duplex.exchange(block))
    is_ready.acquire(timeout=5.0)
  return played


def test_blocks_come_back_in_order_after_as_many_as_are_ahead():
  ready = threading.Semaphore(0)

  def double(audio):
    ready.release()
    return 2.0 * audio

  blocks = [np.full(4, 0.01 * n, np.float32) for n in range(1, 7)]
  with duplex_lib.Duplex(double, 4, 2) as duplex:
    played = [block[0] for block in exchange_until(duplex, blocks, ready)]
  assert played == pytest.approx([0.0, 0.0, 0.02, 0.04, 0.06, 0.08])
  assert (duplex.played, duplex.dropouts) == (6, 0) and duplex.worst_s > 0.0


def test_what_is_late_is_silent_and_counted_and_no_later_after_it():
  go = threading.Event()

  def slow(audio):
    go.wait(5.0)
    return audio

  blocks = [np.full(4, 0.1 * n, np.float32) for n in range(1, 8)]
  with duplex_lib.Duplex(slow, 4, 1) as duplex:
    first = [duplex.exchange(block)[0] for block in blocks[:3]]  # Two of them are not ready.
    go.set()
    rest = []
    for block in blocks[3:]:
      time.sleep(0.1)
      rest.append(duplex.exchange(block)[0])
  assert first == [0.0, 0.0, 0.0] and duplex.dropouts == 2
  assert rest == pytest.approx([0.3, 0.4, 0.5, 0.6])  # One block late, as before.


def test_sound_stays_within_full_scale_and_a_fault_is_kept():
  def process(audio):
    if audio[0] < 0:
      raise ValueError("no")
    return 3.0 * audio

  with duplex_lib.Duplex(process, 2, 1) as duplex:
    duplex.exchange(np.full(2, 0.9, np.float32))
    time.sleep(0.1)
    assert duplex.exchange(np.full(2, -0.9, np.float32)).max() == 1.0
    time.sleep(0.1)
    assert duplex.exchange(np.zeros(2, np.float32)).max() == 0.0
  assert isinstance(duplex.error, ValueError) and duplex.dropouts == 1
