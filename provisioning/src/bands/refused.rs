//! Why a chip that was laid on the reader is no new band: a stable code, and what to do with the chip.
//! Invariant: only what is wrong with the chip itself puts it on the list as bad.
use domain::wristband::IssueRefusal;

use crate::Lang;

/// Why a chip is no new band.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    /// It is on the list as issued.
    AlreadyIssued,
    /// It is a band of the festival that was topped up, or whose records nobody here can judge.
    InUse,
    /// It is a band of the festival under another epoch's keys.
    OtherEpoch,
    /// Not of the kind that was asked for.
    WrongKind,
    /// A phone, or a chip that shows another UID each time.
    RandomUid,
    /// A MIFARE Ultralight C.
    UltralightC,
    /// Not a chip that can be a band.
    Unsupported,
    /// What came of writing it.
    Chip(IssueRefusal),
}

impl Refused {
    /// Stable code.
    pub const fn code(self) -> &'static str {
        match self {
            Self::AlreadyIssued => "band.already_issued",
            Self::InUse => "band.in_use",
            Self::OtherEpoch => "band.other_epoch",
            Self::WrongKind => "band.wrong_kind",
            Self::RandomUid => "band.random_uid",
            Self::UltralightC => "band.ultralight_c",
            Self::Unsupported => "band.unsupported",
            Self::Chip(refusal) => refusal.code(),
        }
    }

    /// Whether the chip is bad, whoever lays it on a reader. A chip with a random UID cannot be named on a list.
    pub const fn is_bad_chip(self) -> bool {
        match self {
            Self::AlreadyIssued | Self::InUse | Self::OtherEpoch | Self::WrongKind | Self::RandomUid => false,
            Self::UltralightC | Self::Unsupported => true,
            Self::Chip(refusal) => !matches!(refusal, IssueRefusal::Left | IssueRefusal::NoKey),
        }
    }

    /// The reason with this code, as it stands on a list.
    pub(super) fn from_code(code: &str) -> Option<Self> {
        let of_chips =
            [IssueRefusal::NotOurs, IssueRefusal::CounterUsed, IssueRefusal::ConfigLocked, IssueRefusal::RefusedWrite];
        let all = [Self::UltralightC, Self::Unsupported].into_iter().chain(of_chips.map(Self::Chip));
        all.into_iter().find(|refused| refused.code() == code)
    }

    /// What it is and what to do with the chip.
    pub const fn message(self, lang: Lang) -> &'static str {
        let (french, english) = match self {
            Self::AlreadyIssued => (
                "Ce bracelet est déjà sur la liste. Rien n'a changé ; --again le refait.",
                "This band is on the list already. Nothing was changed; --again makes it anew.",
            ),
            Self::InUse => (
                "Ce bracelet du festival a déjà servi : il porte un solde ou un passé. Il reste comme il est.",
                "This band of the festival was used: it bears money or a history. It was left as it is.",
            ),
            Self::OtherEpoch => (
                "Ce bracelet du festival a les clés d'une autre génération (--epoch). Il reste comme il est.",
                "This band of the festival has another epoch's keys (--epoch). It was left as it is.",
            ),
            Self::WrongKind => (
                "Cette puce n'est pas de la sorte demandée (--kind). Elle reste comme elle est.",
                "This chip is not of the kind that was asked for (--kind). It was left as it is.",
            ),
            Self::RandomUid => (
                "Un téléphone, ou une puce qui change de numéro à chaque fois : ce ne peut pas être un bracelet.",
                "A phone, or a chip that shows another number each time: it cannot be a band.",
            ),
            Self::UltralightC => (
                "Une MIFARE Ultralight C : sa protection est cassée. Mettez-la de côté.",
                "A MIFARE Ultralight C: its protection is broken. Put it aside.",
            ),
            Self::Unsupported | Self::Chip(IssueRefusal::NoKey) => (
                "Cette sorte de puce n'est pas connue. Mettez-la de côté.",
                "This kind of chip is not known. Put it aside.",
            ),
            Self::Chip(IssueRefusal::NotOurs) => (
                "La puce est protégée par le mot de passe ou la clé de quelqu'un d'autre. Mettez-la de côté.",
                "The chip is protected by somebody else's password or key. Put it aside.",
            ),
            Self::Chip(IssueRefusal::CounterUsed) => (
                "La puce a déjà été un bracelet : son compteur ne revient pas en arrière. Mettez-la de côté.",
                "The chip was a band before: its counter cannot be set back. Put it aside.",
            ),
            Self::Chip(IssueRefusal::ConfigLocked) => (
                "La configuration de la puce est verrouillée autrement. Mettez-la de côté.",
                "The chip's configuration is locked otherwise. Put it aside.",
            ),
            Self::Chip(IssueRefusal::RefusedWrite) => (
                "La puce ne garde pas ce qu'on lui écrit. Mettez-la de côté.",
                "The chip does not keep what is written to it. Put it aside.",
            ),
            Self::Chip(IssueRefusal::Left) => (
                "La puce est partie avant la fin. Reposez-la.",
                "The chip left before the end. Lay it on the reader again.",
            ),
        };
        match lang {
            Lang::Fr => french,
            Lang::En => english,
        }
    }
}
