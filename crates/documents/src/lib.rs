//! What people edit at several places at once: catalogue, zones, staff, block reasons, as Automerge documents.
//! Invariant: a change reaches Automerge only after its envelope was verified and its limits were checked.
//! Not here: money (`domain::ledger`), storage (`box-store`, `sync-hub`), who may connect (`sync`).
