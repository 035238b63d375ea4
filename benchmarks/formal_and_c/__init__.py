"""What cells compute in formal tasks, against the errors in the C that they write."""
