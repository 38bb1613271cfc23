"""The tokens that bench/models.ts draws, drawn again."""


def random_tokens(vocabulary, count):
    state, tokens = 12345, []
    for _ in range(count):
        state = (state * 1103515245 + 12345) & 0x7FFFFFFF
        tokens.append((state >> 8) % vocabulary)
    return tokens
