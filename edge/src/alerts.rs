//! What is wrong at this box, or what staff should look at, from when it was noticed until it is over.
//! Invariant: at most one alert for each code, so the list is as short as the list of codes.
//! Not here: refusals of a scan or a tap (their own views), the words (`screens`).
use std::{
    collections::BTreeMap,
    sync::{Mutex, atomic::Ordering},
};

use box_store::{Mended, StoreError};
use screens::view::{Alert, Args};

use crate::station::{Station, lock};

/// What may be wrong with the wristband reader.
const READER: [&str; 3] = ["reader.misconfigured", "reader.unplugged", "reader.failed"];

/// What a disk may say when something is to be written.
const DISK: [&str; 3] = ["box.disk_full", "box.disk_read_only", "box.disk_failed"];

/// All that is raised at present.
#[derive(Default)]
pub(crate) struct Alerts(Mutex<BTreeMap<&'static str, Args>>);

impl Alerts {
    /// For the screens.
    pub(crate) fn shown(&self) -> Vec<Alert> {
        let raised = lock(&self.0);
        raised.iter().map(|(code, args)| Alert { code: (*code).into(), args: args.clone() }).collect()
    }
}

impl Station {
    /// Tells the screens about something.
    pub(crate) fn alert(&self, code: &'static str, args: Args) {
        let before = lock(&self.alerts.0).insert(code, args.clone());
        if before != Some(args) {
            self.changed();
        }
    }

    /// It is over.
    pub(crate) fn is_over(&self, code: &'static str) {
        if lock(&self.alerts.0).remove(code).is_some() {
            self.changed();
        }
    }

    /// Raised or over, as the case is.
    pub(crate) fn alert_while(&self, raised: bool, code: &'static str) {
        if raised {
            self.alert(code, Args::new());
        } else {
            self.is_over(code);
        }
    }

    /// Something was written, or was not: the screens say what is wrong with the disk until something is written again.
    pub(crate) fn disk_answered(&self, failure: Option<&StoreError>) {
        let said = failure.map(StoreError::code);
        for code in DISK {
            self.alert_while(said == Some(code), code);
        }
    }

    /// The disk had changed what it held, and it was put right: told until the next start, so that somebody looks at it.
    pub(crate) fn was_mended(&self, mended: &Mended) {
        if !mended.forgotten.is_empty() {
            self.alert("box.fetched_again", Args::new());
            self.hub_is_to_tell_again();
        }
        if mended.folded.is_some() {
            self.alert("box.sums_made_anew", Args::new());
        }
    }

    /// Whether the wristband reader answers.
    pub(crate) fn reader_ready(&self) -> bool {
        self.reader_answers.load(Ordering::Relaxed)
    }

    /// The reader answers.
    pub(crate) fn reader_is_open(&self) {
        for code in READER {
            self.is_over(code);
        }
        if !self.reader_answers.swap(true, Ordering::Relaxed) {
            self.changed();
        }
    }

    /// The reader does not answer: the reason's code, one of [`READER`], and details for a technician.
    pub(crate) fn reader_failed(&self, code: &'static str, detail: &str) {
        if self.reader_answers.swap(false, Ordering::Relaxed) {
            self.device_failures.inc();
        }
        READER.into_iter().filter(|other| *other != code).for_each(|other| self.is_over(other));
        self.alert(code, Args::from([("detail".into(), detail.into())]));
    }
}
