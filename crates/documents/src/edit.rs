//! What people set: a value at a path. One function for each thing that is made whole.
//! Not here: the change that comes of it (`author`).
use domain::{
    catalogue::{HappyHour, Product},
    staff::{Member, Reason},
    zones::{PassageMode, Zone},
};

use crate::{
    document::Document,
    path::{HappyHourField, MemberField, Path, ProductField, ReasonField, ZoneField},
    refusal::Refusal,
    value::Value,
};

/// A value that shall stand at a path; `None` for nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Setting {
    /// Where.
    pub path: Path,
    /// What.
    pub value: Option<Value>,
}

impl Setting {
    /// This value there.
    pub fn to(path: Path, value: impl Into<Value>) -> Self {
        Self { path, value: Some(value.into()) }
    }

    /// Nothing there.
    pub fn none(path: Path) -> Self {
        Self { path, value: None }
    }

    /// What a screen or a file says: a path and its value as a text ([`Value`]'s own form), or none.
    pub fn parse(document: Document, path: &str, value: Option<&str>) -> Result<Self, Refusal> {
        let path = Path::parse(document, path).ok_or(Refusal::BadValue)?;
        let value = match value {
            Some(text) => Some(path.kind().parse(text).filter(|value| path.admits(value)).ok_or(Refusal::BadValue)?),
            None => None,
        };
        Ok(Self { path, value })
    }

    fn maybe(path: Path, value: Option<impl Into<Value>>) -> Self {
        Self { path, value: value.map(Into::into) }
    }
}

impl From<u64> for Value {
    fn from(n: u64) -> Self {
        Self::Int(n)
    }
}

impl From<u32> for Value {
    fn from(n: u32) -> Self {
        Self::Int(n.into())
    }
}

impl From<u8> for Value {
    fn from(n: u8) -> Self {
        Self::Int(n.into())
    }
}

impl From<bool> for Value {
    fn from(flag: bool) -> Self {
        Self::Flag(flag)
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::Text(text.into())
    }
}

impl From<&[u8]> for Value {
    fn from(bytes: &[u8]) -> Self {
        Self::Bytes(bytes.into())
    }
}

/// A product whole, on the list.
pub fn product(product: &Product) -> Vec<Setting> {
    let at = |field| Path::Product(product.number, field);
    vec![
        Setting::to(at(ProductField::Listed), true),
        Setting::to(at(ProductField::NameFr), product.name_fr.as_str()),
        Setting::to(at(ProductField::NameEn), product.name_en.as_str()),
        Setting::to(at(ProductField::Group), product.group.as_str()),
        Setting::to(at(ProductField::Price), product.price.get()),
        Setting::to(at(ProductField::InCup), product.in_cup),
        Setting::to(at(ProductField::SoldOut), product.sold_out),
        Setting::maybe(at(ProductField::Counted), product.counted),
        Setting::maybe(at(ProductField::Low), Some(product.low).filter(|low| *low > 0)),
        Setting::to(at(ProductField::MinAge), product.min_age),
    ]
}

/// A happy hour whole, on the list; `before` names the products that it made cheaper until now.
pub fn happy_hour(hour: &HappyHour, before: &[u32]) -> Vec<Setting> {
    let at = |field| Path::HappyHour(hour.number, field);
    let mut settings = vec![
        Setting::to(at(HappyHourField::Listed), true),
        Setting::to(at(HappyHourField::NameFr), hour.name_fr.as_str()),
        Setting::to(at(HappyHourField::NameEn), hour.name_en.as_str()),
        Setting::to(at(HappyHourField::From), hour.from),
        Setting::to(at(HappyHourField::Until), hour.until),
        Setting::to(at(HappyHourField::PercentOff), hour.percent_off),
    ];
    let product = |number: &u32| Path::HappyHourProduct(hour.number, *number);
    settings.extend(hour.products.iter().map(|number| Setting::to(product(number), true)));
    let gone = before.iter().filter(|number| !hour.products.contains(number));
    settings.extend(gone.map(|number| Setting::none(product(number))));
    settings
}

/// A zone whole, on the list; `windows_before` is how many windows it had.
pub fn zone(zone: &Zone, windows_before: usize) -> Vec<Setting> {
    let at = |field| Path::Zone(zone.number, field);
    let mode = match zone.mode {
        PassageMode::Once => "once",
        PassageMode::ReEntry => "re-entry",
        PassageMode::Free => "free",
    };
    let mut settings = vec![
        Setting::to(at(ZoneField::Listed), true),
        Setting::to(at(ZoneField::NameFr), zone.name_fr.as_str()),
        Setting::to(at(ZoneField::NameEn), zone.name_en.as_str()),
        Setting::maybe(at(ZoneField::Capacity), zone.capacity),
        Setting::to(at(ZoneField::Mode), mode),
    ];
    for index in 0..zone.windows.len().max(windows_before) {
        let path = Path::Window(zone.number, u32::try_from(index).unwrap_or(u32::MAX));
        let text = zone.windows.get(index).map(|w| Value::Text(format!("{} {} {}", w.category, w.from, w.until)));
        settings.push(Setting { path, value: text });
    }
    settings
}

/// A member of staff whole.
pub fn member(member: &Member) -> Vec<Setting> {
    let at = |field| Path::Member(member.number, field);
    let sealed = (!member.sealed_key.is_empty()).then_some(member.sealed_key.as_slice());
    vec![
        Setting::to(at(MemberField::Name), member.name.as_str()),
        Setting::to(at(MemberField::Roles), member.roles.0),
        Setting::maybe(at(MemberField::Pin), member.pin.as_deref()),
        Setting::maybe(at(MemberField::Badge), member.badge.as_ref().map(|badge| badge.0.as_slice())),
        Setting::to(at(MemberField::Zones), member.zones),
        Setting::to(at(MemberField::Active), member.active),
        Setting::maybe(at(MemberField::SealedKey), sealed),
    ]
}

/// A reason whole, on the list.
pub fn reason(reason: &Reason) -> Vec<Setting> {
    let at = |field| Path::Reason(reason.code.clone(), field);
    vec![
        Setting::to(at(ReasonField::Listed), true),
        Setting::to(at(ReasonField::Fr), reason.fr.as_str()),
        Setting::to(at(ReasonField::En), reason.en.as_str()),
    ]
}
