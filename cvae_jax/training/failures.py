"""What ends a run that cannot go on: in one line, with what is kept of it."""

from typing import Any

import numpy as np

from cvae_jax.core import errors


def _kept(saved: int | None) -> str:
  last = "none was saved before" if saved is None else f"the one of step {saved} is kept"
  return f"the run ends here, and of its checkpoints {last}"


def check_finite(
  step: int, losses: np.ndarray, rows: list[np.ndarray], source: Any, saved: int | None
) -> None:
  """Raises TrainingError for a loss that is no number, of the steps that ended with `step`.

  Args:
    step: the last of them.
    losses: of each.
    rows: of each, where in the source its examples are.
    source: of the examples.
    saved: step of the last checkpoint.
  """
  wrong = np.flatnonzero(~np.isfinite(losses))
  if not wrong.size:
    return
  first = wrong[0]
  examples = [source[int(row)] for row in rows[first]]
  key = source.form.key
  bad = [str(example["id"]) for example in examples if not np.isfinite(example[key]).all()]
  if bad:
    why = f"there are samples that are no numbers in {', '.join(bad)}"
    advice = "Leave these examples out"
  else:
    why = f"examples {', '.join(str(x['id']) for x in examples[:4])}, ..., which are sound"
    advice = "A lower optimizer.learning_rate or optimizer.clip_norm may help"
  at = step - len(losses) + 1 + first
  raise errors.TrainingError(
    f"the loss is {losses[first]} at step {at} ({why}): {_kept(saved)}. {advice}"
  )


def draw(iterator: Any, count: int, saved: int | None) -> list[dict[str, np.ndarray]]:
  """The next batches.

  Raises:
    UserError: an example that cannot be read.
    TrainingError: where what reads them has died of something else.
  """
  try:
    return [next(iterator) for _ in range(count)]
  except errors.UserError:
    raise
  except Exception as e:
    why = f"{type(e).__name__}: {errors.one_line(e)}"
    raise errors.TrainingError(f"the next examples cannot be read ({why}): {_kept(saved)}") from e
