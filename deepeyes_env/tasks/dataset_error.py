"""What is said about a data set that cannot be used."""

from __future__ import annotations

from pathlib import Path

from deepeyes_env.errors import Portable


class DatasetError(Portable, ValueError):
    """A file or a row of a data set that cannot be used; the message names the place and the mend."""

    def __init__(
        self,
        file: Path | str,
        problem: str = "",
        mend: str = "",
        *,
        row: int | None = None,
        column: str = "",
    ) -> None:
        """Describe the problem.

        Args:
            file: The file. Alone it is the whole message: so Gymnasium raises what a process of its raised.
            problem: What is wrong.
            mend: What would be right.
            row: Number of the row in the file, from 0, or None when it is the file itself.
            column: Name of the column or field.
        """
        place = [f"file {str(file)!r}"]
        place += [f"row {row}"] if row is not None else []
        place += [f"column {column!r}"] if column else []
        super().__init__(f"{', '.join(place)}: {problem}; {mend}" if problem else str(file))
        self.file, self.row, self.column = str(file) if problem else "", row, column
