//! What is wrong at this box, or what staff should look at, from when it was noticed until it is over.
//! Invariant: at most one alert for each code, so the list is as short as the list of codes.
//! Not here: refusals of a scan or a tap (their own views), the words (`screens`).
use std::{
    collections::BTreeMap,
    sync::{Mutex, atomic::Ordering},
};

use screens::view::{Alert, Args};

use crate::station::{Station, lock};

/// What may be wrong with the wristband reader.
const READER: [&str; 3] = ["reader.misconfigured", "reader.unplugged", "reader.failed"];

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
