//! Where a value stands. Every field of every thing has a path of its own, all side by side at the document's root:
//! two people who make the same thing at two places therefore edit the same fields, and no edit is lost with a map.
//! Invariant: `Path::parse(document, text)` reads exactly what [`Path::text`] writes, and nothing else.
use domain::{id::DeviceId, stock::Count};

use crate::{
    document::Document,
    value::{Kind, Value},
};

macro_rules! fields {
    ($(#[$doc:meta])* $name:ident { $($(#[$field:meta])* $variant:ident = $text:literal: $kind:expr,)+ }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum $name { $($(#[$field])* $variant,)+ }

        impl $name {
            const fn text(self) -> &'static str {
                match self { $(Self::$variant => $text,)+ }
            }

            fn parse(text: &str) -> Option<Self> {
                match text { $($text => Some(Self::$variant),)+ _ => None }
            }

            const fn kind(self) -> Kind {
                match self { $(Self::$variant => $kind,)+ }
            }
        }
    };
}

const NAME: Kind = Kind::Text(64);
const SECONDS: Kind = Kind::Int(1 << 40);

fields!(
    /// Field of a product (`product/NUMBER/FIELD`).
    ProductField {
        /// Whether it is on the list.
        Listed = "listed": Kind::Flag,
        /// Name in French.
        NameFr = "name_fr": NAME,
        /// Name in English.
        NameEn = "name_en": NAME,
        /// Group on the till's grid.
        Group = "group": Kind::Text(32),
        /// Price in minor units.
        Price = "price": Kind::Int(0x00ff_ffff),
        /// Whether it goes out in a deposit cup.
        InCup = "in_cup": Kind::Flag,
        /// Nobody sells it any more today.
        SoldOut = "sold_out": Kind::Flag,
        /// Pieces that the whole festival began with.
        Counted = "counted": Kind::Int(0xffff_ffff),
        /// From so many left on it runs out.
        Low = "low": Kind::Int(0xffff_ffff),
        /// Youngest buyer in years.
        MinAge = "min_age": Kind::Int(99),
    }
);

fields!(
    /// Field of a happy hour (`happy_hour/NUMBER/FIELD`).
    HappyHourField {
        /// Whether it is on the list.
        Listed = "listed": Kind::Flag,
        /// Name in French.
        NameFr = "name_fr": NAME,
        /// Name in English.
        NameEn = "name_en": NAME,
        /// First second, Unix.
        From = "from": SECONDS,
        /// First second after it, Unix.
        Until = "until": SECONDS,
        /// By how many per cent, 1 to 100.
        PercentOff = "percent_off": Kind::Int(100),
    }
);

fields!(
    /// Field of a zone (`zone/NUMBER/FIELD`).
    ZoneField {
        /// Whether it is on the list.
        Listed = "listed": Kind::Flag,
        /// Name in French.
        NameFr = "name_fr": NAME,
        /// Name in English.
        NameEn = "name_en": NAME,
        /// Most people inside.
        Capacity = "capacity": Kind::Int(0xffff_ffff),
        /// `once`, `re-entry` or `free`.
        Mode = "mode": Kind::Text(16),
    }
);

fields!(
    /// Field of a member of staff (`member/NUMBER/FIELD`).
    MemberField {
        /// As colleagues say it.
        Name = "name": NAME,
        /// Roles, as a bit set.
        Roles = "roles": Kind::Int(31),
        /// Argon2id hash of the PIN, PHC form.
        Pin = "pin": Kind::Text(160),
        /// Wallet of the badge, 16 bytes.
        Badge = "badge": Kind::Bytes(16),
        /// Zones that the badge opens, as a bit set.
        Zones = "zones": Kind::Int(0xffff_ffff),
        /// Whether this person works here at present.
        Active = "active": Kind::Flag,
        /// The manager's signing key, sealed under the PIN.
        SealedKey = "sealed_key": Kind::Bytes(2_048),
    }
);

fields!(
    /// Field of a reason (`reason/CODE/FIELD`).
    ReasonField {
        /// Whether it can be chosen.
        Listed = "listed": Kind::Flag,
        /// In French.
        Fr = "fr": NAME,
        /// In English.
        En = "en": NAME,
    }
);

/// Where a value stands in its document.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Path {
    /// A product's field.
    Product(u32, ProductField),
    /// What was last counted of a product at a box (`product/NUMBER/count/DEVICE`): the text `PIECES SOLD`, one value,
    /// since its parts make sense together only (`domain::stock::Count`).
    Count(u32, DeviceId),
    /// A happy hour's field.
    HappyHour(u32, HappyHourField),
    /// Whether a happy hour makes a product cheaper (`happy_hour/NUMBER/product/PRODUCT`).
    HappyHourProduct(u32, u32),
    /// A zone's field.
    Zone(u16, ZoneField),
    /// A window of a zone (`zone/NUMBER/window/N`): the text `CATEGORY FROM UNTIL`, one value, since its parts make
    /// sense together only.
    Window(u16, u32),
    /// A field of a member of staff.
    Member(u32, MemberField),
    /// A field of a reason; the code is visible ASCII without `/`, at most 32 bytes.
    Reason(String, ReasonField),
}

/// A number in its one form: no sign, no leading zero.
fn number<N: std::str::FromStr + ToString>(text: &str) -> Option<N> {
    let number: N = text.parse().ok()?;
    (number.to_string() == text).then_some(number)
}

/// A device's id in its one form: 32 hexadecimal digits, lower case.
fn device_of(text: &str) -> Option<DeviceId> {
    DeviceId::from_hex(text).filter(|device| device.to_hex() == text)
}

fn is_code(text: &str) -> bool {
    (1..=32).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'/')
}

impl Path {
    /// The document that it belongs to.
    pub const fn document(&self) -> Document {
        match self {
            Self::Product(..) | Self::Count(..) | Self::HappyHour(..) | Self::HappyHourProduct(..) => {
                Document::Catalogue
            }
            Self::Zone(..) | Self::Window(..) => Document::Zones,
            Self::Member(..) => Document::Staff,
            Self::Reason(..) => Document::Reasons,
        }
    }

    /// What its value may be.
    pub const fn kind(&self) -> Kind {
        match self {
            Self::Product(_, field) => field.kind(),
            Self::Count(..) => Kind::Text(31),
            Self::HappyHour(_, field) => field.kind(),
            Self::HappyHourProduct(..) => Kind::Flag,
            Self::Zone(_, field) => field.kind(),
            Self::Window(..) => Kind::Text(48),
            Self::Member(_, field) => field.kind(),
            Self::Reason(_, field) => field.kind(),
        }
    }

    /// Whether `value` can stand here.
    pub fn admits(&self, value: &Value) -> bool {
        let is_sound = match (self, value) {
            (Self::Zone(_, ZoneField::Mode), Value::Text(mode)) => crate::reading::mode(mode).is_some(),
            (Self::Count(..), Value::Text(count)) => Count::parse(count).is_some(),
            (Self::Window(..), Value::Text(window)) => crate::reading::window(window).is_some(),
            (Self::HappyHour(_, HappyHourField::PercentOff), Value::Int(percent)) => *percent > 0,
            (Self::Member(_, MemberField::Badge), Value::Bytes(badge)) => badge.len() == 16,
            (
                Self::Product(_, ProductField::NameFr | ProductField::NameEn | ProductField::Group)
                | Self::HappyHour(_, HappyHourField::NameFr | HappyHourField::NameEn)
                | Self::Zone(_, ZoneField::NameFr | ZoneField::NameEn)
                | Self::Member(_, MemberField::Name)
                | Self::Reason(_, ReasonField::Fr | ReasonField::En),
                Value::Text(name),
            ) => !name.trim().is_empty(),
            _ => true,
        };
        is_sound && self.kind().admits(value)
    }

    /// The key in the document.
    pub fn text(&self) -> String {
        match self {
            Self::Product(number, field) => format!("product/{number}/{}", field.text()),
            Self::Count(number, device) => format!("product/{number}/count/{device}"),
            Self::HappyHour(number, field) => format!("happy_hour/{number}/{}", field.text()),
            Self::HappyHourProduct(number, product) => format!("happy_hour/{number}/product/{product}"),
            Self::Zone(number, field) => format!("zone/{number}/{}", field.text()),
            Self::Window(zone, window) => format!("zone/{zone}/window/{window}"),
            Self::Member(number, field) => format!("member/{number}/{}", field.text()),
            Self::Reason(code, field) => format!("reason/{code}/{}", field.text()),
        }
    }

    /// Reads a key of `document`.
    pub fn parse(document: Document, text: &str) -> Option<Self> {
        let parts: Vec<&str> = text.splitn(5, '/').collect();
        let path = match *parts.as_slice() {
            ["product", n, "count", device] => Self::Count(number(n)?, device_of(device)?),
            ["product", n, field] => Self::Product(number(n)?, ProductField::parse(field)?),
            ["happy_hour", n, field] => Self::HappyHour(number(n)?, HappyHourField::parse(field)?),
            ["happy_hour", n, "product", product] => Self::HappyHourProduct(number(n)?, number(product)?),
            ["zone", n, field] => Self::Zone(number(n).filter(|n| *n < 32)?, ZoneField::parse(field)?),
            ["zone", n, "window", window] => Self::Window(number(n).filter(|n| *n < 32)?, number(window)?),
            ["member", n, field] => Self::Member(number(n).filter(|n| *n > 0)?, MemberField::parse(field)?),
            ["reason", code, field] if is_code(code) => Self::Reason(code.into(), ReasonField::parse(field)?),
            _ => return None,
        };
        (path.document() == document).then_some(path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_has_one_text_and_belongs_to_one_document() {
        for path in [
            Path::Product(5, ProductField::Price),
            Path::Product(5, ProductField::Low),
            Path::Count(5, DeviceId([0xab; 16])),
            Path::HappyHour(1, HappyHourField::PercentOff),
            Path::HappyHourProduct(1, 5),
            Path::Zone(31, ZoneField::Mode),
            Path::Window(0, 2),
            Path::Member(7, MemberField::SealedKey),
            Path::Reason("gate.lost-ticket".into(), ReasonField::Fr),
        ] {
            for document in Document::ALL {
                let read = Path::parse(document, &path.text());
                assert_eq!(read, (document == path.document()).then(|| path.clone()), "{}", path.text());
            }
        }
    }

    #[test]
    fn another_form_of_a_path_is_no_path() {
        for text in [
            "product/05/price",
            "product/5/count/AB",
            "product/5/count/ABABABABABABABABABABABABABABABAB",
            "product/+5/price",
            "product/5/colour",
            "product/5/price/",
            "product/5",
            "",
            "/",
        ] {
            assert_eq!(Path::parse(Document::Catalogue, text), None, "{text}");
        }
        assert_eq!(Path::parse(Document::Zones, "zone/32/mode"), None);
        assert_eq!(Path::parse(Document::Staff, "member/0/name"), None);
        assert_eq!(Path::parse(Document::Reasons, "reason/é/fr"), None);
    }

    #[test]
    fn a_value_must_fit_its_path() {
        let price = Path::Product(5, ProductField::Price);
        assert!(price.admits(&Value::Int(0x00ff_ffff)));
        assert!(!price.admits(&Value::Int(0x0100_0000)));
        assert!(!price.admits(&Value::Text("4.50".into())));
        let count = Path::Count(5, DeviceId([1; 16]));
        assert!(count.admits(&Value::Text("40 1310".into())));
        assert!(!count.admits(&Value::Text("40".into())) && !count.admits(&Value::Int(40)));
        let name = Path::Product(5, ProductField::NameFr);
        assert!(name.admits(&Value::Text("Bière".into())));
        for bad in ["", "  ", "a\nb", &"x".repeat(65)] {
            assert!(!name.admits(&Value::Text(bad.into())), "{bad:?}");
        }
        assert!(!Path::Window(1, 1).admits(&Value::Text("1 9 5".into())), "it ends before it begins");
    }
}
