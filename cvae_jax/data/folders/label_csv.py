"""Reader of CSV tables of labels, as spreadsheets and libraries write them."""

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
    cells: text by column, stripped; empty cells are left out.
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

  The delimiter (comma, semicolon or tab) is inferred from the header. Column names ignore case and
  spacing. Columns without a name, such as pandas' index, and empty rows are left out.

  Args:
    path: of the table.
    required: column that every row must have a value in.
    optional: other columns that are allowed; None allows any.
    field: config field that names the table, for messages.
    columns: further columns that the header must have.

  Raises:
    UserError: if the table cannot be read, or its columns or cells are not as required; the message
      names the row.
  """
  text = label_text.read(path, field)
  table_name = f"{field} {path}"
  rows = _read(text, table_name)
  header_row, cells = next(rows, (0, []))
  header_columns = [_column(cell) for cell in cells]
  names = [column for column in header_columns if column]
  unknown = optional is not None and not {required, *optional}.issuperset(names)
  if required not in names or unknown:
    header_text = ", ".join(" ".join(cell.split()) for cell in cells)[:200]
    raise errors.UserError(
      f"{table_name} must have a column '{required}' and any of "
      f"{', '.join(optional or ['others'])}, got {header_text or 'nothing'}"
    )
  repeated = next((column for column in names if names.count(column) > 1), None)
  if repeated:
    raise errors.UserError(
      f"{table_name}, row {header_row}: the column '{repeated}' is there twice"
    )
  missing = next((column for column in columns if column not in names), None)
  if missing:
    raise errors.UserError(f"{table_name} has no column '{missing}': it has {', '.join(names)}")
  table = [
    Row(n, _check_row(cells, header_columns, required, f"{table_name}, row {n}"))
    for n, cells in rows
  ]
  if not table:
    raise errors.UserError(f"{table_name} has no row below its header")
  return table


def _column(cell: str) -> str:
  """A column's name, normalised; empty for an index column."""
  name = " ".join(cell.split()).casefold()
  return "" if name.startswith("unnamed:") else name


def _read(text: str, table_name: str) -> Iterator[tuple[int, list[str]]]:
  """(line, cells) of the non-empty rows, header first."""
  lines = text.split("\n")
  header = next((line for line in lines if line.strip()), "")
  if (
    header.strip().strip('"').casefold().startswith("sep=")
  ):  # Excel's declaration of the delimiter.
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
  except (TypeError, ValueError) as e:  # Not a valid delimiter.
    raise errors.UserError(f"{table_name}, row 1: {errors.one_line(e)}") from None
  line = 0
  while True:
    try:
      cells = next(reader, None)
    except csv.Error as e:
      raise errors.UserError(f"{table_name}, row {line + 1}: {errors.one_line(e)}") from None
    if cells is None:
      return
    if any(cell.strip() for cell in cells):
      yield line + 1, [cell.strip() for cell in cells]
    line = reader.line_num


def _check_row(
  cells: list[str], columns: list[str], required: str, row_name: str
) -> dict[str, str]:
  while len(cells) > len(columns) and not cells[-1]:
    cells.pop()
  while len(cells) < len(columns) and not columns[len(cells)]:
    cells.append("")
  if len(cells) != len(columns):
    raise errors.UserError(f"{row_name}: it has {len(cells)} cells, the header has {len(columns)}")
  row = {column: cell for column, cell in zip(columns, cells, strict=True) if column and cell}
  for column, cell in row.items():
    if len(cell.splitlines()) > 1:
      raise errors.UserError(
        f"{row_name}: the column {column} has a line break; is there an unclosed quote?"
      )
  if required not in row:
    raise errors.UserError(f"{row_name}: it has no {required}")
  return row
