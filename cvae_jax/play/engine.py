"""Notes for many who ask at once: what is asked in the same moment is decoded in one batch.

One thread owns the decoder. It takes a row of every request in turn, so that a single note never
waits for a whole keyboard that somebody else has asked for before.
"""

import collections
from concurrent import futures
import dataclasses
import logging
import queue
import threading

import numpy as np

from cvae_jax import methods
from cvae_jax.data import notes as notes_lib
from cvae_jax.synthesis import latent_space
from cvae_jax.synthesis import synthesizer

_log = logging.getLogger("cvae_jax.play")

BATCH_SIZES = (1, 4, 8, 16)
# Phases are recovered in so many rounds where a note is wanted at once.
DRAFT_ITERATIONS = 2


class Busy(Exception):  # noqa: N818 - a state, not an error
  """More has been asked for than can be made in time."""


@dataclasses.dataclass(eq=False)  # Each is itself alone.
class _Request:
  point: latent_space.Point
  draft: bool
  future: futures.Future
  audio: list[np.ndarray]  # of the rows so far


def make_draft(synth: synthesizer.Synthesizer) -> synthesizer.Synthesizer:
  """The same run with fewer rounds of phase recovery: sooner, and a little rougher."""
  config = synth.config.copy_and_resolve_references()
  if "griffin_lim_iters" not in config.get("representation", {}):
    return synth
  config.representation.griffin_lim_iters = min(
    DRAFT_ITERATIONS, config.representation.griffin_lim_iters
  )
  method = methods.make_method(config, synth.form, synth.vocabulary, statistics=synth.statistics)
  return synthesizer.Synthesizer(
    config, synth.step, synth.params, method, synth.table, synth.form, synth.statistics
  )


class Engine:
  """Decodes points in a thread of its own.

  Args:
    synth: the run.
    max_rows: that may wait; more are refused.
  """

  def __init__(self, synth: synthesizer.Synthesizer, max_rows: int = 4096):
    self.synth = synth
    self.draft = make_draft(synth)
    self._max_rows = max_rows
    self._waiting = 0
    self._lock = threading.Lock()
    self._encoding = threading.Lock()  # A recording takes both cores for a second: one at a time.
    self._new: queue.SimpleQueue[_Request | None] = queue.SimpleQueue()
    self._thread = threading.Thread(target=self._work, name="engine", daemon=True)
    self._thread.start()

  def submit(self, point: latent_space.Point, draft: bool = False) -> futures.Future:
    """Asks for the examples of a point; the future gives [M, ...], of the run's form.

    Args:
      point: of M notes.
      draft: with `DRAFT_ITERATIONS` rounds of phase recovery.

    Raises:
      Busy: where too many wait already.
    """
    rows = len(point.code)
    with self._lock:
      if self._waiting + rows > self._max_rows:
        raise Busy(f"{self._waiting} notes wait to be made: try again in a moment")
      self._waiting += rows
    request = _Request(self._as_floats(point), draft, futures.Future(), [])
    self._new.put(request)
    return request.future

  def encode(self, example: np.ndarray, **asked) -> latent_space.Point:
    """An example as a point, in the caller's thread; labels that are not given are inferred.

    Raises:
      UserError: as `Synthesizer.resolve`.
    """
    with self._encoding:
      return latent_space.encode(self.synth, example, self.synth.infer_labels(example, **asked))

  def close(self) -> None:
    """Ends the thread, after what it is at."""
    self._new.put(None)
    self._thread.join()

  def warm_up(self, point: latent_space.Point) -> None:
    """Compiles what will be asked for, by the first note of a point."""
    for draft in (True, False):
      for size in BATCH_SIZES:
        rows = np.zeros(size, int)
        self.submit(
          latent_space.Point(point.code[rows], {k: v[rows] for k, v in point.labels.items()}),
          draft,
        ).result()

  def _work(self):
    requests: collections.deque[_Request] = collections.deque()
    while True:
      if not requests:
        request = self._new.get()
        if request is None:
          return
        requests.append(request)
      while True:
        try:
          request = self._new.get_nowait()
        except queue.Empty:
          break
        if request is None:
          return
        requests.append(request)
      self._make_batch(requests)

  def _make_batch(self, requests):
    """Makes a batch of rows, of every request one in turn; what is finished leaves the deque."""
    for request in [r for r in requests if r.future.cancelled()]:
      self._leave(requests, request, len(request.point.code) - len(request.audio))
    if not requests:
      return
    draft = requests[0].draft
    of_a_kind = [r for r in requests if r.draft == draft]
    chosen: list[tuple[_Request, int]] = []
    for i in range(max(len(r.point.code) for r in of_a_kind)):
      for request in of_a_kind:
        row = len(request.audio) + i
        if row < len(request.point.code) and len(chosen) < BATCH_SIZES[-1]:
          chosen.append((request, row))
      if len(chosen) == BATCH_SIZES[-1]:
        break
    chosen.sort(key=lambda pair: pair[1])  # Of one request, by rising rows.
    size = next(s for s in BATCH_SIZES if s >= len(chosen))
    filled = [chosen[i] for i in notes_lib.fill_up(np.arange(len(chosen)), size)]
    point = latent_space.Point(
      np.stack([r.point.code[row] for r, row in filled]),
      {
        name: np.stack([r.point.labels[name][row] for r, row in filled])
        for name in self.synth.vocabulary.names
      },
    )
    try:
      audio = latent_space.decode(self.draft if draft else self.synth, point)
    except Exception as e:  # Whoever asked is told; the thread goes on.
      _log.exception("a batch could not be made")
      for request in {id(r): r for r, _ in chosen}.values():
        self._leave(requests, request, len(request.point.code) - len(request.audio))
        if not request.future.cancelled():
          request.future.set_exception(e)
      return
    for (request, _), note in zip(chosen, audio, strict=False):
      request.audio.append(note)
    with self._lock:
      self._waiting -= len(chosen)
    for request in [r for r in requests if len(r.audio) == len(r.point.code)]:
      self._leave(requests, request, 0)
      if request.future.set_running_or_notify_cancel():
        request.future.set_result(np.stack(request.audio))
    requests.rotate(-1)  # Drafts and finished notes take turns too.

  def _leave(self, requests, request, unmade):
    requests.remove(request)
    with self._lock:
      self._waiting -= unmade

  def _as_floats(self, point):
    """A point whose labels have one type each, whoever asked: one compiled function serves all."""
    vocabulary = self.synth.vocabulary
    soft = vocabulary.soften(point.labels)
    types = {x.name: np.int32 if x.open_set else np.float32 for x in vocabulary.labels}
    return latent_space.Point(
      np.asarray(point.code, np.float32),
      {name: np.asarray(soft[name], dtype) for name, dtype in types.items()},
    )
