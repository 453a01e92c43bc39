"""How much of an LMDB file is in use, read from its meta pages (lmdb.h, struct MDB_meta; 64-bit).

Knot Resolver sets the whole file aside when it starts, so its size says nothing. The page numbered highest
so far does: up to there the file has been written.
"""

import struct

MAGIC = 0xBEEFC0DE
PAGE = 4096
# Behind the page's header of 16 bytes: magic, version, address, size of the map; two trees (the free
# list, the data) with flags, depth, branch, leaf and overflow pages, entries, root; last page, transaction.
META = struct.Struct("=16xIIQQ" + 2 * "IHHQQQQQ" + "QQ")


def used(path):
    """(bytes up to the highest page in use, entries held) of the newest of its two meta pages."""
    metas = []
    with open(path, "rb") as file:
        for page in (0, 1):
            file.seek(page * PAGE)
            metas.append(META.unpack(file.read(META.size)))
    if any(meta[0] != MAGIC for meta in metas):
        raise ValueError(f"{path} is no LMDB file")
    newest = max(metas, key=lambda meta: meta[-1])
    entries, last_page = newest[-4], newest[-2]
    return (last_page + 1) * PAGE, entries
