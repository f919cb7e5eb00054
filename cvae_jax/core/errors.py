"""User-facing errors: bad input, reported in one line."""


def one_line(error: BaseException) -> str:
  """What an error of someone else's says, in one line that is not too long."""
  return " ".join(str(error).split())[:300] or type(error).__name__


class UserError(ValueError):
  """Bad input: the message names the culprit and what would be right.

  The commands print it without a traceback and end with exit status 2.
  """


class TrainingError(RuntimeError):
  """A run that cannot go on, such as one whose loss is no number; exit status 1."""


class Interrupted(Exception):  # noqa: N818 - a request, not an error
  """A run that was asked to stop by a signal, and has saved.

  Attributes:
    signum: the signal, or None where the caller asked.
  """

  def __init__(self, message: str, signum: int | None = None):
    super().__init__(message)
    self.signum = signum
