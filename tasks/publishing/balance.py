"""clean + quarantine = input: the books of a publish, by count and by an order-free checksum of the rows' content."""

from dataclasses import dataclass

import duckdb
import pyarrow as pa
import pyarrow.compute as pc

from culpa.tasks.errors import CulpaError
from culpa.tasks.runs import Run

# 60 bits of a row's md5 as a number: summed, they tell a set of rows whatever its order.
ROW_CHECKSUM = "CAST('0x' || left(row_hash, 15) AS UBIGINT)"


@dataclass(frozen=True)
class Side:
    """What lies on one side of the books."""

    rows: int = 0
    checksum: int = 0  # exact sum of ROW_CHECKSUM over the rows

    def __add__(self, other: "Side") -> "Side":
        return Side(self.rows + other.rows, self.checksum + other.checksum)


def weigh(checksums: pa.ChunkedArray) -> Side:
    """Rows about to be written, in two halves so that 64 bits suffice for four billion of them."""
    low = pc.sum(pc.bit_wise_and(checksums, pa.scalar(0xFFFFFFFF, pa.uint64()))).as_py() or 0
    high = pc.sum(pc.shift_right(checksums, pa.scalar(32, pa.uint64()))).as_py() or 0
    return Side(len(checksums), (int(high) << 32) + int(low))


def weigh_input(connection: duckdb.DuckDBPyConnection, run: Run) -> Side:
    """The rows as they were ingested."""
    found = connection.execute(
        f"SELECT count(*), coalesce(sum({ROW_CHECKSUM}), 0) FROM rows WHERE run_id = ?", [run.run_id]
    ).fetchall()
    return Side(*map(int, found[0]))


def check_balance(run: Run, given: Side, clean: Side, quarantine: Side) -> None:
    """Refuse to let files appear that together are not the input."""
    both = clean + quarantine
    if both == given and given.rows == run.row_count:
        return
    raise CulpaError(
        f"run {run.run_id} does not add up: {run.row_count} rows came in, the store holds {given.rows} "
        f"(checksum {given.checksum}), clean {clean.rows} + quarantine {quarantine.rows} = {both.rows} "
        f"(checksum {both.checksum}); nothing was written: flag the data again, and report this if it stays"
    )
