//! Counts of a world and of a run, and what is broken on purpose.
//! Not here: who prints them (`main`).
use std::collections::BTreeMap;

/// A rule that the run leaves out, to show that money is lost without it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub(crate) enum Control {
    /// None: the product as it is.
    #[default]
    None,
    /// Taps that did not finish are forgotten: only confirmed writes count.
    ConfirmedOnly,
    /// Accounts are merged by whoever stamped last.
    LastWriter,
    /// The medium says that it flushed and did not.
    LyingDisk,
    /// SQLite runs with `synchronous = NORMAL`.
    SynchronousNormal,
    /// With QUIC: the hub acknowledges what its disk has not got yet, and crashes.
    HubForgets,
}

/// See the module.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tally {
    /// Taps and scans.
    pub(crate) taps: u64,
    /// Of them, taps of a purse.
    pub(crate) purse_taps: u64,
    /// Of them, scans of a ticket.
    pub(crate) scans: u64,
    /// Refused by the rules.
    pub(crate) refused: u64,
    /// Of them those of which the reference was certain that it was right.
    pub(crate) refused_rightly: u64,
    /// Purses that were given back what a sale took and were served it as well.
    pub(crate) carried_and_served: u64,
    /// Sales that staff took back.
    pub(crate) corrections: u64,
    /// Bands that left or refused in a tap.
    pub(crate) tears: u64,
    /// Boxes that lost power.
    pub(crate) power_cuts: u64,
    /// Cuts of the network.
    pub(crate) partitions: u64,
    /// Boxes that went on in a new epoch.
    pub(crate) epochs: u64,
    /// Goods handed over on "tap again".
    pub(crate) handed_over: u64,
    /// Boxes lost with their disk.
    pub(crate) lost_boxes: u64,
    /// Bands whose only C stayed half written: the guest gets another band.
    pub(crate) swapped: u64,
    /// Disks found damaged after a power cut.
    pub(crate) damaged: u64,
    /// Disks set back to an older image.
    pub(crate) restored: u64,
    /// Frauds that must be found, by what.
    pub(crate) frauds: BTreeMap<&'static str, u64>,
    /// Those that were.
    pub(crate) named: BTreeMap<&'static str, u64>,
    /// Guests who were checked to the cent.
    pub(crate) guests_checked: u64,
    /// Guests who were not, by why: whose chip was copied, and whose entries were lost or forged, for whom a bound holds.
    pub(crate) left_out: BTreeMap<&'static str, u64>,
    /// Cents that nobody can explain.
    pub(crate) unexplained: i64,
    /// Green lights whose entry the hub does not have.
    pub(crate) lost_acknowledged: u64,
    /// Promises broken, in words.
    pub(crate) broken: Vec<String>,
}

impl Tally {
    /// Adds another world's.
    pub(crate) fn add(&mut self, other: &Self) {
        let pairs = [
            (&mut self.taps, other.taps),
            (&mut self.purse_taps, other.purse_taps),
            (&mut self.scans, other.scans),
            (&mut self.refused, other.refused),
            (&mut self.refused_rightly, other.refused_rightly),
            (&mut self.carried_and_served, other.carried_and_served),
            (&mut self.corrections, other.corrections),
            (&mut self.tears, other.tears),
            (&mut self.power_cuts, other.power_cuts),
            (&mut self.partitions, other.partitions),
            (&mut self.epochs, other.epochs),
            (&mut self.handed_over, other.handed_over),
            (&mut self.lost_boxes, other.lost_boxes),
            (&mut self.restored, other.restored),
            (&mut self.swapped, other.swapped),
            (&mut self.damaged, other.damaged),
            (&mut self.guests_checked, other.guests_checked),
            (&mut self.lost_acknowledged, other.lost_acknowledged),
        ];
        for (sum, more) in pairs {
            *sum = sum.saturating_add(more);
        }
        self.unexplained = self.unexplained.saturating_add(other.unexplained.abs());
        let by_what =
            [(&mut self.frauds, &other.frauds), (&mut self.named, &other.named), (&mut self.left_out, &other.left_out)];
        for (sums, more) in by_what {
            for (what, count) in more {
                let sum = sums.entry(what).or_default();
                *sum = sum.saturating_add(*count);
            }
        }
        self.broken.extend(other.broken.iter().take(3).cloned());
    }

    /// Whether every promise held.
    pub(crate) fn holds(&self) -> bool {
        self.broken.is_empty() && self.unexplained == 0 && self.lost_acknowledged == 0 && self.frauds == self.named
    }
}
