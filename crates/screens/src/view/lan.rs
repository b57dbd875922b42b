//! How a box stands among its neighbours on the venue's LAN.
use serde::{Deserialize, Serialize};

/// Its group.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct LanView {
    /// Number of the group.
    pub group: u16,
    /// Version of the list under which it decides; 0: none yet.
    pub list: u32,
    /// Whether the broker answers.
    pub connected: bool,
    /// Whether enough of the group are there to decide with it; else the box decides alone.
    pub is_group: bool,
    /// Boxes of the group that were heard lately, this one included.
    pub heard: u32,
    /// Boxes of the group.
    pub voters: u32,
    /// On how many disks an admission is to stand before the green light.
    pub copies: u8,
    /// Claims that the group confirmed, since the start.
    pub confirmed: u64,
    /// Decided alone.
    pub alone: u64,
    /// Of these, claims that the group was there to answer and did not in time.
    pub late: u64,
    /// Refused, since another box had it.
    pub taken: u64,
    /// Messages that were not what they claimed to be.
    pub suspicious: u64,
    /// Half of the last claims that the group was there to answer took at most so long, microseconds, whether it answered
    /// or not.
    pub claim_p50_us: u64,
    /// 99 of 100 of them did.
    pub claim_p99_us: u64,
    /// 99 of 100 of those that it confirmed did.
    pub confirmed_p99_us: u64,
}
