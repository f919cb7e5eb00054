"""Batched decoding for concurrent requests.

One thread owns the decoder. It fills each batch with one row of every pending request in turn, so
that a single note does not wait for a whole keyboard that was requested earlier.
"""

import collections
from concurrent import futures
import dataclasses
import logging
import queue
import threading

import numpy as np

from cvae_jax.data import notes as notes_lib
from cvae_jax.synthesis import latent_space
from cvae_jax.synthesis import synthesizer

_log = logging.getLogger("cvae_jax.play")

BATCH_SIZES = (1, 4, 8, 16)
# Griffin-Lim iterations of a draft.
DRAFT_ITERATIONS = 2


class Busy(Exception):  # noqa: N818 - a state, not an error
  """The queue is full, or the result was not ready in time."""


@dataclasses.dataclass(eq=False)  # Requests are compared by identity.
class _Request:
  point: latent_space.Point
  draft: bool
  future: futures.Future
  audio: list[np.ndarray]  # of the rows decoded so far


def make_draft(synth: synthesizer.Synthesizer) -> synthesizer.Synthesizer:
  """The same run with fewer Griffin-Lim iterations: faster, at a lower quality."""
  name = "griffin_lim_iters"
  if name not in synth.config.get("representation", {}):
    return synth
  iterations = min(DRAFT_ITERATIONS, synth.config.representation[name])
  return synth.with_fields({f"representation.{name}": iterations})


class Engine:
  """Decodes points in its own thread.

  Args:
    synth: the run.
    max_rows: rows that may be queued; `submit` raises Busy for more.
  """

  def __init__(self, synth: synthesizer.Synthesizer, max_rows: int = 4096):
    self.synth = synth
    self.draft = make_draft(synth)
    self._max_rows = max_rows
    self._waiting = 0
    self._lock = threading.Lock()
    self._encoding = threading.Lock()  # Encoding keeps all cores busy: one recording at a time.
    self._new: queue.SimpleQueue[_Request | None] = queue.SimpleQueue()
    self._thread = threading.Thread(target=self._work, name="engine", daemon=True)
    self._thread.start()

  def submit(self, point: latent_space.Point, draft: bool = False) -> futures.Future:
    """Queues a point for decoding; the future's result is [M, ...] examples of the run's form.

    Args:
      point: of M notes.
      draft: whether to decode with only `DRAFT_ITERATIONS` Griffin-Lim iterations.

    Raises:
      Busy: if the queue is full.
    """
    rows = len(point.code)
    with self._lock:
      if self._waiting + rows > self._max_rows:
        raise Busy(f"{self._waiting} notes are queued: try again later")
      self._waiting += rows
    request = _Request(self._with_fixed_dtypes(point), draft, futures.Future(), [])
    self._new.put(request)
    return request.future

  def encode(self, example: np.ndarray, **labels) -> latent_space.Point:
    """Encodes an example as a point, in the caller's thread; missing labels are inferred.

    Raises:
      UserError: as `Synthesizer.resolve`.
    """
    with self._encoding:
      return latent_space.encode(self.synth, example, self.synth.infer_labels(example, **labels))

  def close(self) -> None:
    """Stops the thread after its current batch."""
    self._new.put(None)
    self._thread.join()

  def warm_up(self, point: latent_space.Point) -> None:
    """Compiles the decoder for every batch size, with the first note of a point."""
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
      self._decode_batch(requests)

  def _decode_batch(self, requests):
    """Decodes one batch, taking rows of all requests in turn; removes finished requests."""
    for request in [r for r in requests if r.future.cancelled()]:
      self._remove(requests, request, len(request.point.code) - len(request.audio))
    if not requests:
      return
    draft = requests[0].draft
    same_quality = [r for r in requests if r.draft == draft]
    batch_rows: list[tuple[_Request, int]] = []
    for i in range(max(len(r.point.code) for r in same_quality)):
      for request in same_quality:
        row = len(request.audio) + i
        if row < len(request.point.code) and len(batch_rows) < BATCH_SIZES[-1]:
          batch_rows.append((request, row))
      if len(batch_rows) == BATCH_SIZES[-1]:
        break
    batch_rows.sort(key=lambda pair: pair[1])  # Rows of one request stay in order.
    size = next(s for s in BATCH_SIZES if s >= len(batch_rows))
    padded_rows = [batch_rows[i] for i in notes_lib.fill_up(np.arange(len(batch_rows)), size)]
    point = latent_space.Point(
      np.stack([r.point.code[row] for r, row in padded_rows]),
      {
        name: np.stack([r.point.labels[name][row] for r, row in padded_rows])
        for name in self.synth.vocabulary.names
      },
    )
    try:
      audio = latent_space.decode(self.draft if draft else self.synth, point)
    except Exception as e:  # Reported to the clients; the thread must survive.
      _log.exception("decoding a batch failed")
      for request in {id(r): r for r, _ in batch_rows}.values():
        self._remove(requests, request, len(request.point.code) - len(request.audio))
        if not request.future.cancelled():
          request.future.set_exception(e)
      return
    for (request, _), note in zip(batch_rows, audio, strict=False):
      request.audio.append(note)
    with self._lock:
      self._waiting -= len(batch_rows)
    for request in [r for r in requests if len(r.audio) == len(r.point.code)]:
      self._remove(requests, request, 0)
      if request.future.set_running_or_notify_cancel():
        request.future.set_result(np.stack(request.audio))
    requests.rotate(-1)  # Drafts and full-quality notes alternate too.

  def _remove(self, requests, request, num_rows):
    requests.remove(request)
    with self._lock:
      self._waiting -= num_rows

  def _with_fixed_dtypes(self, point):
    """The point with fixed dtypes of labels, so that one compiled function serves all requests."""
    vocabulary = self.synth.vocabulary
    soft = vocabulary.soften(point.labels)
    types = {x.name: np.int32 if x.open_set else np.float32 for x in vocabulary.labels}
    return latent_space.Point(
      np.asarray(point.code, np.float32),
      {name: np.asarray(soft[name], dtype) for name, dtype in types.items()},
    )
