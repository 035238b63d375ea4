"""The sampler `balanced`, which balances the brackets, comments and literals of generated C."""
