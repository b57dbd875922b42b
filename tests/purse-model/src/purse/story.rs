//! What happened, in words.
//! Not here: which of it is worth telling (`main` leaves inner pages out).
use std::fmt;

use super::{
    state::{At, Kind},
    steps::{Found, Step, Written},
};

const BOXES: [&str; 4] = ["bar A", "bar B", "desk 1", "desk 2"];

impl Step {
    /// Whether it is a page or read-back of a tap that goes on well.
    pub fn is_inner(&self) -> bool {
        matches!(self, Self::CreditPage { page, .. } | Self::SpentPage { page, .. } if *page != 3)
            || matches!(self, Self::ReadBack { .. })
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tap { by, band, kind, amount, credit } => {
                let what = match kind {
                    Kind::Sale => format!("a sale of {amount}"),
                    Kind::TopUp => format!("a top-up, C{credit}"),
                    Kind::Carry => format!("carries C{credit}"),
                    Kind::Refund => format!("a refund of {amount}"),
                    Kind::Supersede => format!("a payout, C{credit} in front of it"),
                    Kind::Close => "the closing read".into(),
                    Kind::Between => "a record of price 0 in front of a sale".into(),
                    Kind::None | Kind::Forged => String::new(),
                };
                write!(f, "{}: band {} is held there, {what}", BOXES[*by], band + 1)
            }
            Self::Retap { by, k, found } => {
                let found = match found {
                    Found::WritesC => "writes its C again",
                    Found::WritesS => "what it was built on is in force, writes its S again",
                    Found::LastPage => "its record is in force, writes the last page again",
                    Found::Applied => "its record is there",
                    Found::NotApplied => "another record stands there: void",
                    Found::Unclear => "cannot tell: given up",
                };
                write!(f, "{}: again the band of its intent {}, {found}", BOXES[*by], k + 1)
            }
            Self::Complete { by, .. } => write!(f, "{}: completes the half-written C", BOXES[*by]),
            Self::Stored { by } => write!(f, "{}: the intent is durable", BOXES[*by]),
            Self::CutBeforeStored { by } => write!(f, "{}: the power goes before the intent is durable", BOXES[*by]),
            Self::CreditPage { by, page } => write!(f, "{}: {} of C", BOXES[*by], page_name(*page)),
            Self::SpentPage { by, page } => write!(f, "{}: {} of S", BOXES[*by], page_name(*page)),
            Self::ReadBack { by } => write!(f, "{}: reads it back", BOXES[*by]),
            Self::Increment { by } => write!(f, "{}: the chip counts", BOXES[*by]),
            Self::Commit { by } => write!(f, "{}: the commit is durable", BOXES[*by]),
            Self::Green { by } => write!(f, "{}: green, handed over", BOXES[*by]),
            Self::CutBeforeGreen { by } => write!(f, "{}: the power goes between commit and green", BOXES[*by]),
            Self::Broke { by, at, written, power } => {
                let what = if *power { "the power goes" } else { "the band leaves" };
                let stored = match written {
                    Written::Not => "not done",
                    Written::Torn => "torn",
                    Written::Whole => "done, the answer is lost",
                    Written::Weakly => "stored weakly",
                };
                let place = match at {
                    At::WriteC(page) => format!("{} of C {stored}", page_name(*page)),
                    At::WriteS(page) => format!("{} of S {stored}", page_name(*page)),
                    At::ReadBack => "before the read-back".into(),
                    At::Increment => format!("the count {stored}"),
                    At::Idle | At::Drafted | At::Committing | At::Green => "before the commit".into(),
                };
                write!(f, "{}: {what}, {place}", BOXES[*by])
            }
            Self::GiveUp { by, k } => write!(f, "{}: staff give up intent {}", BOXES[*by], k + 1),
            Self::HandOver { by, k } => write!(f, "{}: staff serve intent {} without the light", BOXES[*by], k + 1),
            Self::Sync { by } => write!(f, "{}: the hub has its journal", BOXES[*by]),
            Self::Hear { desk } => write!(f, "{}: has the hub's word", BOXES[*desk]),
            Self::Owe { by } => write!(f, "{}: a correction, 1 is owed", BOXES[*by]),
            Self::PayOut { desk, amount } => write!(f, "{}: pays {amount} out in cash", BOXES[*desk]),
            Self::Sign { credit, amount, .. } => write!(f, "the hub signs C{credit}, {amount} more"),
            Self::Close => f.write_str("the event closes"),
            Self::Flip { slot } => write!(f, "the weak page of slot {slot} flips"),
            Self::Dump => f.write_str("the guest dumps the chip"),
            Self::Swap => f.write_str("the guest swaps chip and dump"),
            Self::Overheard { slot } => write!(f, "the guest writes the C he overheard into slot {slot}"),
            Self::Revoke { by } => write!(f, "{} is gone for good, and revoked", BOXES[*by]),
            Self::WriteOff { by, k } => write!(f, "the hub writes off intent {} of {}", k + 1, BOXES[*by]),
            Self::Forge { spent } => write!(f, "the stolen bar writes a record of {spent} spent"),
        }
    }
}

fn page_name(page: u8) -> &'static str {
    match page {
        1 => "the first page",
        3 => "the last page",
        _ => "the pages between",
    }
}
