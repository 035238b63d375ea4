"""The tables. Each module selects the programs to compare and the columns to show."""
