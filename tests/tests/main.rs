//! What needs several parts: hub, boxes, virtual readers, brokers. One program, since each would be built and linked with
//! all of it; those with requirements of their own stand beside it.
mod an_evening;
mod band_epochs;
mod browsers_are_answered;
mod decided_at_the_console;
mod enrolment;
mod escrow;
mod every_reason_has_its_texts;
mod found_by_name;
mod issued_bands;
mod key_rotation;
mod lan_gates;
mod lan_halves;
mod lan_hostile;
mod measures;
mod owed_money;
mod places_of_a_zone;
mod pure_crates_stay_pure;
mod reconciliation;
mod shared_documents;
mod sync_at_size;
mod two_daemons;
mod ultralight_aes;
mod watched_by_systemd;
