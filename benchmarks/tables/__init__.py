"""The tables: which sides each compares, and what it says of them."""
