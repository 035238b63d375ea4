"""C as text that may be cut or malformed: tokens, and the conditions of the preprocessor."""
