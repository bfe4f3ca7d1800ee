"""Random trees of files, the same for the same number."""

import hashlib
import random

# Not in front, where it would hide the entry: a dot.
LETTERS = ["a", "b", "Z", "0", "-", "_", " ", "é", "日", "😀", "%", "+", "."]
# Where a profile begins another chunk.
EDGES = [262144, 1048576]
# Around the size at which a folder is sharded in either profile.
MANY = (3500, 5000)


def content(source, size):
    return hashlib.shake_128(source.randbytes(16)).digest(size)


def entry_name(source):
    return source.choice(LETTERS[:-1]) + "".join(source.choices(LETTERS, k=source.randrange(12)))


def grow(source, folder, depth):
    folder.mkdir()
    for _ in range(source.randrange(7)):
        path = folder / entry_name(source)
        if path.exists():
            continue
        kind = source.randrange(20)
        if kind < 6 and depth > 0:
            grow(source, path, depth - 1)
        elif kind == 19:
            path.write_bytes(content(source, source.choice(EDGES) * source.randint(1, 2) + source.randint(-1, 1)))
        elif kind == 18:
            path.symlink_to(entry_name(source))
        else:
            path.write_bytes(content(source, source.randrange(3000)))


def make(number, folder):
    source = random.Random(number)
    grow(source, folder, 4)
    if number % 40 == 7:
        many = folder / "many"
        many.mkdir()
        for _ in range(source.randint(*MANY)):
            (many / source.randbytes(14).hex()).write_text("x")


def read(folder):
    """What is in it: paths, with a file's bytes, a link's target, or None for a folder."""
    out = {}
    for path in folder.rglob("*"):
        name = str(path.relative_to(folder))
        if path.is_symlink():
            out[name] = path.readlink()
        else:
            out[name] = None if path.is_dir() else path.read_bytes()
    return out
