"""Tables of labels as spreadsheets and libraries write them."""

from collections.abc import Iterator
from collections.abc import Sequence
import csv
import io
from typing import NamedTuple

from cvae_jax.core import errors
from cvae_jax.data.folders import label_text

_DELIMITERS = (",", ";", "\t")


class Row(NamedTuple):
  """A row of a table.

  Attributes:
    number: its line in the file, from 1.
    cells: text by column, without spaces around it; of a cell that is empty, nothing.
  """

  number: int
  cells: dict[str, str]


def read_rows(
  path: str,
  required: str,
  optional: Sequence[str] | None,
  field: str = "data.folder.labels",
  columns: Sequence[str] = (),
) -> list[Row]:
  """The rows of a CSV table that has a header.

  Commas, semicolons and tabs are told by the header, in which case and spaces do not matter.
  Columns without a name, as pandas' index, are left out; so are empty rows.

  Args:
    path: of the table.
    required: the column that every row has a cell of.
    optional: what columns there may be beside it; any without.
    field: of the config that names the table, for messages.
    columns: that must be in the header as well.

  Raises:
    UserError: a table that cannot be read or has other columns, with the number of the row where
      that is to blame.
  """
  text = label_text.read(path, field)
  what = f"{field} {path}"
  rows = _read(text, what)
  number, cells = next(rows, (0, []))
  found = [_column(cell) for cell in cells]
  named = [column for column in found if column]
  unknown = optional is not None and not {required, *optional}.issuperset(named)
  if required not in named or unknown:
    shown = ", ".join(" ".join(cell.split()) for cell in cells)[:200]
    raise errors.UserError(
      f"{what} must have a column '{required}' and any of {', '.join(optional or ['others'])}, got "
      f"{shown or 'nothing'}"
    )
  twice = next((column for column in named if named.count(column) > 1), None)
  if twice:
    raise errors.UserError(f"{what}, row {number}: it has the column '{twice}' twice")
  missing = next((column for column in columns if column not in named), None)
  if missing:
    raise errors.UserError(f"{what} has no column '{missing}': it has {', '.join(named)}")
  table = [Row(n, _check_row(cells, found, required, f"{what}, row {n}")) for n, cells in rows]
  if not table:
    raise errors.UserError(f"{what} has no row beneath its header")
  return table


def _column(cell: str) -> str:
  """A column's name; none for an index."""
  name = " ".join(cell.split()).casefold()
  return "" if name.startswith("unnamed:") else name


def _read(text: str, what: str) -> Iterator[tuple[int, list[str]]]:
  """(line, cells) of the rows that are not empty, the header first."""
  lines = text.split("\n")
  header = next((line for line in lines if line.strip()), "")
  if header.strip().strip('"').casefold().startswith("sep="):  # Excel's own word for it.
    following = lines[lines.index(header) + 1 :]
    delimiter = header.strip().strip('"')[4:5] or "\t"
    header = next((line for line in following if line.strip()), "")
    lines[: len(lines) - len(following)] = [""] * (len(lines) - len(following))
  else:
    delimiter = max(_DELIMITERS, key=header.count)
  try:
    reader = csv.reader(
      io.StringIO("\n".join(lines)), delimiter=delimiter, skipinitialspace=delimiter != "\t"
    )
  except (TypeError, ValueError) as e:  # A sign that no table is parted by.
    raise errors.UserError(f"{what}, row 1: {errors.one_line(e)}") from None
  line = 0
  while True:
    try:
      cells = next(reader, None)
    except csv.Error as e:
      raise errors.UserError(f"{what}, row {line + 1}: {errors.one_line(e)}") from None
    if cells is None:
      return
    if any(cell.strip() for cell in cells):
      yield line + 1, [cell.strip() for cell in cells]
    line = reader.line_num


def _check_row(cells: list[str], columns: list[str], required: str, where: str) -> dict[str, str]:
  while len(cells) > len(columns) and not cells[-1]:
    cells.pop()
  while len(cells) < len(columns) and not columns[len(cells)]:
    cells.append("")
  if len(cells) != len(columns):
    raise errors.UserError(f"{where}: it has {len(cells)} cells, the header has {len(columns)}")
  row = {column: cell for column, cell in zip(columns, cells, strict=True) if column and cell}
  for column, cell in row.items():
    if len(cell.splitlines()) > 1:
      raise errors.UserError(
        f"{where}: its {column} has a line break in it; is there a quote that is not closed?"
      )
  if required not in row:
    raise errors.UserError(f"{where}: it has no {required}")
  return row
