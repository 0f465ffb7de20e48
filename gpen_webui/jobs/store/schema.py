"""The tables of the store's SQLite file, as this version of the program makes them.

The counters in a job's row are kept by transactions.Change, in the same transaction as the
items that they count. The CHECK constraints are what `PRAGMA integrity_check` looks at
besides the file's own structure: a row that breaks one was damaged.
"""

from __future__ import annotations

import re
from functools import partial

from gpen_webui.states import ItemState

# How text is read: a damaged letter must not hide the rest.
READ_TEXT = partial(str, encoding="utf-8", errors="replace")
VERSION = 3

COUNTED_STATES = tuple(ItemState)

JOBS = """
CREATE TABLE jobs (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    key TEXT UNIQUE,          -- the client's own name for the request that made it
    kind TEXT NOT NULL CHECK (kind IN ('photo', 'album')),
    name TEXT NOT NULL,
    state TEXT NOT NULL
        CHECK (state IN ('collecting', 'waiting', 'running', 'paused', 'done', 'cancelled')),
    reason TEXT,              -- why it paused itself
    options TEXT NOT NULL CHECK (json_valid(options)),
    folder TEXT,              -- of the results, in the outputs folder
    created REAL NOT NULL,
    started REAL,
    finished REAL,
    seq INTEGER NOT NULL DEFAULT 0,   -- of its last event
    turn INTEGER NOT NULL DEFAULT 0,  -- when it was last served; the lowest is next
    pace REAL,                -- seconds from one finished item to the next
    parent TEXT,              -- the job that it runs again
    report_due INTEGER NOT NULL DEFAULT 0,  -- it ended, but its report is not written
    deleted INTEGER NOT NULL DEFAULT 0      -- -number: its files are being removed
        CHECK (deleted IN (0, -number)),    -- so that no flipped bit deletes an album
    total INTEGER NOT NULL DEFAULT 0,       -- of its items; then how many are in each state
    waiting INTEGER NOT NULL DEFAULT 0,
    running INTEGER NOT NULL DEFAULT 0,
    done INTEGER NOT NULL DEFAULT 0,
    no_face INTEGER NOT NULL DEFAULT 0,
    failed INTEGER NOT NULL DEFAULT 0,
    cancelled INTEGER NOT NULL DEFAULT 0,
    bytes INTEGER NOT NULL DEFAULT 0,       -- of our copies of its originals, and its results
    CHECK (total = waiting + running + done + no_face + failed + cancelled)
)
"""

ITEMS = """
CREATE TABLE items (
    job TEXT NOT NULL REFERENCES jobs (id),
    n INTEGER NOT NULL,
    key TEXT,                 -- the client's own name for the upload
    name TEXT NOT NULL,
    state TEXT NOT NULL
        CHECK (state IN ('waiting', 'running', 'done', 'no_face', 'failed', 'cancelled')),
    stage TEXT,
    attempt INTEGER NOT NULL DEFAULT 0,
    crashes INTEGER NOT NULL DEFAULT 0,  -- how often the process died while it was restored
    source TEXT NOT NULL      -- the original: a path, relative to the store where it is our copy
        CHECK (NOT owned OR source GLOB 'uploads/*/*'),
    owned INTEGER NOT NULL CHECK (owned IN (0, 1)),  -- whether it is our copy
    size INTEGER NOT NULL,
    sha256 TEXT NOT NULL,
    planned TEXT,             -- where its result goes, in the job's folder
    folded TEXT,              -- the same in lower case: no two of a job may be equal
    placed INTEGER NOT NULL DEFAULT 0,   -- whether a file there, if any, is its result
    result TEXT,              -- where it is
    result_size INTEGER NOT NULL DEFAULT 0,
    faces INTEGER,
    seconds REAL,
    error TEXT CHECK (error IS NULL OR json_valid(error)),
    warnings TEXT NOT NULL DEFAULT '[]' CHECK (json_valid(warnings)),
    report TEXT CHECK (report IS NULL OR json_valid(report)),
    options TEXT              -- its own; NULL: the job's
        CHECK (options IS NULL OR json_valid(options)),
    PRIMARY KEY (job, n),
    UNIQUE (job, key)
)
"""

EVENTS = """
CREATE TABLE events (
    job INTEGER NOT NULL,     -- its number
    seq INTEGER NOT NULL,
    item INTEGER,             -- its n; NULL where the event is the job's
    type TEXT NOT NULL CHECK (type IN ('job', 'item', 'stage')),
    state TEXT,
    stage TEXT,
    counts TEXT NOT NULL      -- of the job's items, in the order of COUNTED_STATES
        CHECK (counts NOT GLOB '*[^0-9 ]*'),
    eta INTEGER,              -- seconds
    detail TEXT               -- what else is not null; an item's name is in its row
        CHECK (detail IS NULL OR json_valid(detail)),
    PRIMARY KEY (job, seq)
) WITHOUT ROWID
"""

INDEXES = """
CREATE INDEX jobs_by_turn ON jobs (turn);
CREATE INDEX jobs_by_state ON jobs (state);
CREATE INDEX items_by_state ON items (job, state, crashes, n);
CREATE INDEX items_by_result ON items (job, folded);
CREATE INDEX items_to_redo ON items (job, n) WHERE state = 'waiting' AND options IS NOT NULL
"""

# What several machines need; empty while there is one.
CLUSTER = """
CREATE TABLE workers (        -- machines that have joined
    id TEXT PRIMARY KEY,
    machine TEXT NOT NULL,    -- the name that its own folder keeps
    name TEXT NOT NULL,
    token TEXT,               -- SHA-256
    state TEXT NOT NULL,
    drained INTEGER NOT NULL,
    reason TEXT,
    kind TEXT NOT NULL,
    about TEXT CHECK (json_valid(about))
) WITHOUT ROWID;
CREATE TABLE remote_claims (  -- valid while the item is running in this attempt
    id TEXT,
    job TEXT,
    n INTEGER,
    attempt INTEGER,
    worker TEXT,
    PRIMARY KEY (job, n)
) WITHOUT ROWID;
CREATE TABLE crashes (        -- of a worker's process, with this item in progress
    job TEXT,
    n INTEGER,
    worker TEXT,
    number INTEGER,
    PRIMARY KEY (job, n, worker)
) WITHOUT ROWID;
CREATE TABLE shares (         -- who restored how many photos of a job
    job TEXT,
    machine TEXT,
    kind TEXT,
    photos INTEGER,
    PRIMARY KEY (job, machine, kind)
) WITHOUT ROWID;
CREATE TABLE join_keys (hash TEXT PRIMARY KEY) WITHOUT ROWID
"""


def _compact(statement: str) -> str:
    """Without comments: SQLite keeps what it is given, and all of it must fit into one page.

    That page can be replaced where it is damaged (see salvage.py).
    """
    return " ".join(re.sub(r"--.*", "", statement).split())


PHOTO_STATEMENTS = tuple(map(_compact, (JOBS, ITEMS, EVENTS, *INDEXES.split(";"))))
CLUSTER_STATEMENTS = tuple(map(_compact, CLUSTER.split(";")))
STATEMENTS = PHOTO_STATEMENTS + CLUSTER_STATEMENTS
TABLES = ("jobs", "items", "events")  # those that hold what cannot be made again
