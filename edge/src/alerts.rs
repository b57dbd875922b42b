//! What is wrong at this box, or what staff should look at, from when it was noticed until it is over.
//! Invariant: at most one alert for each code, so the list is as short as the list of codes.
//! Not here: refusals of a scan or a tap (their own views), the words (`screens`).
use std::{collections::BTreeMap, sync::Mutex};

use screens::view::{Alert, Args};

use crate::station::{Station, lock};

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
}
