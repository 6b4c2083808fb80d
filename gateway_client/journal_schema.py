"""The tables of the journal, and what makes those of an older version the present ones, in place."""

from __future__ import annotations

SCHEMA_VERSION = 17
#: Objects that were corrected, or are deleted.
_CORRECTIONS = """
CREATE TABLE correction (
  name TEXT PRIMARY KEY, new_values TEXT NOT NULL, tried_at REAL NOT NULL, original_digest TEXT NOT NULL,
  open INTEGER NOT NULL DEFAULT 1, deleting INTEGER NOT NULL DEFAULT 0, kept INTEGER NOT NULL DEFAULT 0
) WITHOUT ROWID;
CREATE INDEX correction_open ON correction (open) WHERE open;
CREATE INDEX correction_kept ON correction (kept) WHERE kept;
"""
#: Where objects from media came from; their rows go with those of the objects.
_IMPORTED = """
CREATE TABLE imported (name TEXT PRIMARY KEY, old_path TEXT NOT NULL, origin TEXT NOT NULL) WITHOUT ROWID;
CREATE TRIGGER imported_forgotten AFTER DELETE ON instance BEGIN DELETE FROM imported WHERE name=old.name; END;
"""
_STUDY_WAITS = """
CREATE TABLE study_wait (
  study TEXT PRIMARY KEY, since REAL NOT NULL, until REAL NOT NULL, locked INTEGER NOT NULL
) WITHOUT ROWID;
CREATE INDEX instance_waiting ON instance (study_instance_uid) WHERE state='WAITING';
"""
#: Transactions of storage commitment (commitments.py).
_COMMITMENT = """
CREATE TABLE commitment (
  id INTEGER PRIMARY KEY, role TEXT NOT NULL, peer TEXT NOT NULL, transaction_uid TEXT NOT NULL, ours TEXT NOT NULL,
  state TEXT NOT NULL, asked_at REAL NOT NULL, tries INTEGER NOT NULL DEFAULT 0, next_try REAL NOT NULL DEFAULT 0,
  reason TEXT NOT NULL DEFAULT '', changed_at REAL NOT NULL
);
CREATE INDEX commitment_state ON commitment (role, state, peer, next_try);
CREATE INDEX commitment_uid ON commitment (role, transaction_uid, peer);
CREATE TABLE commitment_reference (
  commitment INTEGER NOT NULL, place INTEGER NOT NULL, sop_class_uid TEXT NOT NULL, sop_instance_uid TEXT NOT NULL,
  reason INTEGER, PRIMARY KEY (commitment, place)
) WITHOUT ROWID;
CREATE INDEX commitment_unchecked ON commitment_reference (commitment, place) WHERE reason IS NULL;
"""
#: Which objects came together.
_FOLDERS = """
CREATE TABLE folder (
  number INTEGER PRIMARY KEY AUTOINCREMENT, study TEXT NOT NULL, step TEXT NOT NULL, association TEXT NOT NULL,
  last_at REAL NOT NULL
);
CREATE INDEX folder_key ON folder (study, step, number);
CREATE INDEX folder_age ON folder (last_at);
"""
#: What the gateway asks others to commit to (commitment_requests.py).
_REQUESTED = """
ALTER TABLE transmission ADD COLUMN sop_class_uid TEXT NOT NULL DEFAULT '';
ALTER TABLE commitment_reference ADD COLUMN image INTEGER;
CREATE UNIQUE INDEX commitment_gathering ON commitment (peer) WHERE state='GATHERING';
"""
#: What objects were, by the SHA-256 of their data sets, before the names of their patients were normalised.
_NORMALISED = """
CREATE TABLE normalised (name TEXT PRIMARY KEY, received_digest TEXT NOT NULL) WITHOUT ROWID;
CREATE TRIGGER normalised_forgotten AFTER DELETE ON instance BEGIN DELETE FROM normalised WHERE name=old.name; END;
"""
#: Whole folders are sent, and what came again with its folder is marked (transmissions.py).
_WHOLE_FOLDERS = """
ALTER TABLE transmission ADD COLUMN repeated INTEGER NOT NULL DEFAULT 0;
CREATE INDEX instance_folder ON instance (folder) WHERE folder IS NOT NULL;
"""
#: What is kept until destinations have committed to it (kept.py).
_KEPT = """
CREATE TABLE kept (
  place TEXT NOT NULL, file TEXT NOT NULL, image INTEGER NOT NULL, kept_at REAL NOT NULL, due INTEGER NOT NULL DEFAULT 0,
  PRIMARY KEY (place, file)
) WITHOUT ROWID;
CREATE INDEX kept_image ON kept (image);
CREATE INDEX kept_age ON kept (place, kept_at);
CREATE INDEX kept_due ON kept (place, kept_at) WHERE due;
CREATE INDEX commitment_image ON commitment_reference (image) WHERE image IS NOT NULL;
"""
#: What had been received when something was asked to be committed (arrivals.py).
_ARRIVALS = "ALTER TABLE commitment ADD COLUMN received TEXT NOT NULL DEFAULT '';"
#: Prior studies that archives are asked for (priors/searches.py).
_PRIORS = """
CREATE TABLE prior_search (
  id INTEGER PRIMARY KEY, archive TEXT NOT NULL, destination TEXT NOT NULL, export INTEGER NOT NULL, image INTEGER NOT NULL,
  sop_instance_uid TEXT NOT NULL, study TEXT NOT NULL, patient_id TEXT NOT NULL, birth_date TEXT NOT NULL,
  study_date TEXT NOT NULL, modality TEXT NOT NULL, body_part TEXT NOT NULL, state TEXT NOT NULL,
  tries INTEGER NOT NULL DEFAULT 0, next_try REAL NOT NULL DEFAULT 0, changed_at REAL NOT NULL, UNIQUE (destination, study)
);
CREATE INDEX prior_search_due ON prior_search (archive, state);
CREATE TABLE prior_move (
  archive TEXT NOT NULL, destination TEXT NOT NULL, study TEXT NOT NULL, search INTEGER NOT NULL, place INTEGER NOT NULL,
  told TEXT NOT NULL, state TEXT NOT NULL, tries INTEGER NOT NULL DEFAULT 0, next_try REAL NOT NULL DEFAULT 0,
  reason TEXT NOT NULL DEFAULT '', changed_at REAL NOT NULL, PRIMARY KEY (destination, study)
) WITHOUT ROWID;
CREATE INDEX prior_move_due ON prior_move (archive, state, next_try);
"""
#: When studies begin for which priors are looked for.
_STUDY_TIMES = "ALTER TABLE prior_search ADD COLUMN study_time TEXT NOT NULL DEFAULT '';"
#: What makes a journal of a version one of the next.
NEWER = {
    1: "DROP INDEX instance_state; CREATE INDEX instance_state ON instance (state);",
    2: _CORRECTIONS,
    3: _IMPORTED,
    4: "ALTER TABLE instance ADD COLUMN instrument TEXT NOT NULL DEFAULT '';",
    5: _STUDY_WAITS,
    6: "ALTER TABLE instance ADD COLUMN taken_back INTEGER NOT NULL DEFAULT 0;",
    7: _COMMITMENT,
    8: f"ALTER TABLE instance ADD COLUMN folder INTEGER; {_FOLDERS}",
    9: "ALTER TABLE transmission ADD COLUMN next_try REAL NOT NULL DEFAULT 0;",
    10: _REQUESTED,
    11: _NORMALISED,
    12: _WHOLE_FOLDERS,
    13: _KEPT,
    14: _ARRIVALS,
    15: _PRIORS,
    16: _STUDY_TIMES,
}
SCHEMA = f"""
CREATE TABLE instance (
  id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, sop_instance_uid TEXT NOT NULL, sop_class_uid TEXT NOT NULL,
  study_instance_uid TEXT NOT NULL DEFAULT '', transfer_syntax TEXT NOT NULL, size INTEGER NOT NULL, digest TEXT NOT NULL,
  received_at REAL NOT NULL, calling TEXT NOT NULL, called TEXT NOT NULL, peer TEXT NOT NULL, state TEXT NOT NULL,
  ien INTEGER, directory TEXT NOT NULL DEFAULT '', file TEXT NOT NULL DEFAULT '', placed TEXT NOT NULL DEFAULT '',
  reason TEXT NOT NULL DEFAULT '', tries INTEGER NOT NULL DEFAULT 0, next_try REAL NOT NULL DEFAULT 0,
  alone INTEGER NOT NULL DEFAULT 0, changed_at REAL NOT NULL DEFAULT 0, instrument TEXT NOT NULL DEFAULT '',
  taken_back INTEGER NOT NULL DEFAULT 0, folder INTEGER
);
CREATE INDEX instance_state ON instance (state);
CREATE INDEX instance_uid ON instance (sop_instance_uid);
CREATE TABLE request (
  id INTEGER PRIMARY KEY, uuid TEXT NOT NULL UNIQUE, kind TEXT NOT NULL, lines TEXT NOT NULL, instances TEXT NOT NULL,
  state TEXT NOT NULL, answer TEXT NOT NULL DEFAULT ''
);
CREATE INDEX request_open ON request (state, id);
CREATE TABLE event (id INTEGER PRIMARY KEY, line TEXT NOT NULL);
CREATE TABLE transmission (
  entry INTEGER NOT NULL, sequence INTEGER NOT NULL, image INTEGER NOT NULL, destination TEXT NOT NULL, study TEXT NOT NULL,
  path TEXT NOT NULL, sop_instance_uid TEXT NOT NULL, state TEXT NOT NULL, tries INTEGER NOT NULL, doubts INTEGER NOT NULL,
  reason TEXT NOT NULL, changed_at REAL NOT NULL, next_try REAL NOT NULL DEFAULT 0, PRIMARY KEY (entry, sequence)
) WITHOUT ROWID;
CREATE INDEX transmission_state ON transmission (state);
{_CORRECTIONS}{_IMPORTED}{_STUDY_WAITS}{_COMMITMENT}{_FOLDERS}{_REQUESTED}{_NORMALISED}{_WHOLE_FOLDERS}{_KEPT}{_ARRIVALS}{_PRIORS}
{_STUDY_TIMES}"""
