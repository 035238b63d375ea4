"""The sampler `balanced`, which keeps the brackets, comments and literals of generated C right."""
