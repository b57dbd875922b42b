//! What the operator writes for the hub: `hub.toml` (addresses) and `festival.toml` (policy, categories, catalogue).
//! Invariant: money is integer cents, and a file that names something unknown is refused rather than half understood.
//! Not here: keys (`identity`), what was added at the console (`store`).
use std::{
    collections::BTreeSet,
    net::SocketAddr,
    path::{Path, PathBuf},
};

use domain::{
    bundle::{AccountRule, Category, Policy, Product},
    catalogue,
    money::Cents,
    staff::Reason,
    zones::{PassageMode, Zone},
};
use serde::{Deserialize, Serialize};
use thiserror::Error;

/// A configuration file that cannot be used.
#[derive(Debug, Error)]
pub enum ConfigError {
    /// Not readable.
    #[error("{path}: {reason}")]
    Read {
        /// Which file.
        path: PathBuf,
        /// Why.
        reason: std::io::Error,
    },
    /// Not TOML, or not of this layout.
    #[error("{path}: {reason}")]
    Toml {
        /// Which file.
        path: PathBuf,
        /// Why.
        reason: Box<toml::de::Error>,
    },
    /// An amount that no wristband can hold.
    #[error("{field} is {cents} cents, more than {max}", max = Cents::MAX.get())]
    Amount {
        /// Which field.
        field: &'static str,
        /// What stands there.
        cents: u32,
    },
    /// Two things with one number.
    #[error("{what} {number} is there twice")]
    Twice {
        /// What.
        what: &'static str,
        /// Its number.
        number: u32,
    },
    /// A name that is empty or too long.
    #[error("{what} {number} has a name of {len} bytes; 1 to {NAME_MAX} are allowed")]
    Name {
        /// What.
        what: &'static str,
        /// Its number.
        number: u32,
        /// Its length.
        len: usize,
    },
}

/// Longest name of a category, product or group, in bytes.
pub const NAME_MAX: usize = 100;

/// `hub.toml`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HubConfig {
    /// Where boxes connect; port 0 picks a free one.
    pub listen_quic: SocketAddr,
    /// Where the console and the API listen; port 0 picks a free one.
    pub listen_https: SocketAddr,
    /// Addresses under which boxes reach this hub.
    #[serde(default)]
    pub public_quic: Vec<String>,
    /// Language of the console for a browser that asks for none: `fr` or `en`.
    #[serde(default = "french")]
    pub language: String,
    /// How long changes are gathered before a state delta goes out.
    #[serde(default = "delta_ms")]
    pub delta_ms: u64,
}

fn french() -> String {
    "fr".into()
}

const fn delta_ms() -> u64 {
    150
}

/// `festival.toml`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FestivalConfig {
    /// Raised with each change of a price; the hub raises its own count too where somebody forgot.
    #[serde(default)]
    pub price_revision: u32,
    /// What the festival has decided.
    #[serde(default)]
    pub policy: PolicyConfig,
    /// Ticket categories.
    #[serde(default)]
    pub category: Vec<CategoryConfig>,
    /// What is sold, until somebody edits the catalogue.
    #[serde(default)]
    pub product: Vec<ProductConfig>,
    /// Zones, until somebody edits them.
    #[serde(default)]
    pub zone: Vec<ZoneConfig>,
    /// Reasons to choose from, until somebody edits them.
    #[serde(default)]
    pub reason: Vec<ReasonConfig>,
}

/// `[policy]`; amounts in cents.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct PolicyConfig {
    /// Most that a wristband may hold.
    pub maximum_balance: u32,
    /// Most that an island takes from one UID-only wallet before it hears from the hub again.
    pub offline_limit: u32,
    /// Deposit for one cup.
    pub cup_deposit: u32,
    /// A clock that may be off by more is too uncertain for a validity window.
    pub time_uncertainty_s: u32,
    /// Then: `true` admit and mark, `false` ask a supervisor.
    pub admit_when_time_uncertain: bool,
    /// Seconds after which a gate's knowledge of tickets is stale; 0: never.
    pub stale_after_s: u32,
    /// Whether a gate with stale knowledge admits, and marks the admission, or asks a supervisor.
    pub admit_when_stale: bool,
    /// Most cents that one person may correct, void or give away in one shift without a supervisor.
    pub correction_quota: u32,
    /// Cents kept from each top-up's cash.
    pub top_up_fee: u32,
    /// Epochs of the bands' keys whose bands boxes refuse.
    pub retired_band_epochs: Vec<u8>,
    /// What bounds accounts at boxes that are apart.
    pub accounts: AccountsConfig,
}

/// `accounts` of `[policy]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum AccountsConfig {
    /// Each box takes up to `offline_limit`.
    #[default]
    Limit,
    /// The hub deals out shares; each box takes what it holds.
    Escrow,
}

impl Default for PolicyConfig {
    fn default() -> Self {
        Self {
            maximum_balance: 30_000,
            offline_limit: 5_000,
            cup_deposit: 100,
            time_uncertainty_s: 300,
            admit_when_time_uncertain: true,
            stale_after_s: 0,
            admit_when_stale: true,
            correction_quota: 5_000,
            top_up_fee: 0,
            retired_band_epochs: Vec::new(),
            accounts: AccountsConfig::Limit,
        }
    }
}

/// `[[category]]`, also the body of `POST /api/categories`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CategoryConfig {
    /// Number in tickets.
    pub number: u16,
    /// Name in French.
    pub name_fr: String,
    /// Name in English.
    pub name_en: String,
    /// Price when sold by us.
    #[serde(default)]
    pub price_cents: u32,
    /// Zones it opens, as a bit set (bit 0: the site).
    #[serde(default = "site")]
    pub zones: u32,
    /// Not a ticket that lets in but a voucher for this product.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub voucher_product: Option<u32>,
    /// For how many of it.
    #[serde(default = "one")]
    pub voucher_quantity: u32,
}

const fn one() -> u32 {
    1
}

const fn site() -> u32 {
    1
}

/// `[[product]]`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProductConfig {
    /// Number in sale lines.
    pub number: u32,
    /// Name in French.
    pub name_fr: String,
    /// Name in English.
    pub name_en: String,
    /// Group on the till's grid.
    pub group: String,
    /// Price without deposit.
    pub price_cents: u32,
    /// Whether it goes out in a deposit cup.
    #[serde(default)]
    pub in_cup: bool,
    /// Youngest buyer in years; 0 for anybody.
    #[serde(default)]
    pub min_age: u8,
}

/// `[[zone]]`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ZoneConfig {
    /// 0 is the site, up to 31.
    pub number: u16,
    /// Name in French.
    pub name_fr: String,
    /// Name in English.
    pub name_en: String,
    /// Most people inside; none for no bound.
    #[serde(default)]
    pub capacity: Option<u32>,
    /// May they come back?
    #[serde(default)]
    pub mode: ModeConfig,
}

/// `mode` of a `[[zone]]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ModeConfig {
    /// One admission for ever.
    #[default]
    Once,
    /// In again after having been out.
    ReEntry,
    /// Counts only.
    Free,
}

/// `[[reason]]`: what people choose from for blocks, overrides and corrections.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReasonConfig {
    /// Code in entries.
    pub code: String,
    /// In French.
    pub fr: String,
    /// In English.
    pub en: String,
}

fn read<T: for<'a> Deserialize<'a>>(path: &Path) -> Result<T, ConfigError> {
    let text = std::fs::read_to_string(path).map_err(|reason| ConfigError::Read { path: path.into(), reason })?;
    toml::from_str(&text).map_err(|reason| ConfigError::Toml { path: path.into(), reason: Box::new(reason) })
}

fn cents(field: &'static str, cents: u32) -> Result<Cents, ConfigError> {
    Cents::new(cents).ok_or(ConfigError::Amount { field, cents })
}

fn name(what: &'static str, number: u32, names: [&str; 2]) -> Result<(), ConfigError> {
    let bad = names.into_iter().find(|name| name.trim().is_empty() || name.len() > NAME_MAX);
    bad.map_or(Ok(()), |name| Err(ConfigError::Name { what, number, len: name.len() }))
}

impl HubConfig {
    /// Reads `hub.toml`.
    pub fn read(path: &Path) -> Result<Self, ConfigError> {
        read(path)
    }
}

impl PolicyConfig {
    /// What bounds accounts.
    pub const fn account_rule(&self) -> AccountRule {
        match self.accounts {
            AccountsConfig::Limit => AccountRule::Limit,
            AccountsConfig::Escrow => AccountRule::Escrow,
        }
    }

    /// As in the bundle.
    pub fn policy(&self) -> Result<Policy, ConfigError> {
        Ok(Policy {
            maximum_balance: cents("maximum_balance", self.maximum_balance)?,
            offline_limit: cents("offline_limit", self.offline_limit)?,
            cup_deposit: cents("cup_deposit", self.cup_deposit)?,
            time_uncertainty_s: self.time_uncertainty_s,
            admit_when_time_uncertain: self.admit_when_time_uncertain,
            stale_after_s: self.stale_after_s,
            admit_when_stale: self.admit_when_stale,
            correction_quota: cents("correction_quota", self.correction_quota)?,
            top_up_fee: cents("top_up_fee", self.top_up_fee)?,
        })
    }
}

impl CategoryConfig {
    /// As in the bundle.
    pub fn category(&self) -> Result<Category, ConfigError> {
        name("category", self.number.into(), [&self.name_fr, &self.name_en])?;
        Ok(Category {
            number: self.number,
            name_fr: self.name_fr.clone(),
            name_en: self.name_en.clone(),
            price: cents("price_cents", self.price_cents)?,
            zones: self.zones,
            voucher_product: self.voucher_product,
            voucher_quantity: if self.voucher_product.is_some() { self.voucher_quantity.max(1) } else { 0 },
        })
    }
}

impl ProductConfig {
    /// As in the bundle.
    pub fn product(&self) -> Result<Product, ConfigError> {
        name("product", self.number, [&self.name_fr, &self.name_en])?;
        name("product", self.number, [&self.group, &self.group])?;
        Ok(Product {
            number: self.number,
            name_fr: self.name_fr.clone(),
            name_en: self.name_en.clone(),
            group: self.group.clone(),
            price: cents("price_cents", self.price_cents)?,
            in_cup: self.in_cup,
        })
    }
}

impl FestivalConfig {
    /// Reads `festival.toml`.
    pub fn read(path: &Path) -> Result<Self, ConfigError> {
        let config: Self = read(path)?;
        config.categories()?;
        config.products()?;
        config.policy.policy()?;
        Ok(config)
    }

    /// Categories, each number once.
    pub fn categories(&self) -> Result<Vec<Category>, ConfigError> {
        once("category", self.category.iter().map(|category| category.number.into()))?;
        self.category.iter().map(CategoryConfig::category).collect()
    }

    /// What the catalogue's document begins with.
    pub fn catalogue(&self) -> Result<Vec<catalogue::Product>, ConfigError> {
        let product = |(config, product): (&ProductConfig, Product)| catalogue::Product {
            number: product.number,
            name_fr: product.name_fr,
            name_en: product.name_en,
            group: product.group,
            price: product.price,
            in_cup: product.in_cup,
            sold_out: false,
            counted: None,
            counts: std::collections::BTreeMap::new(),
            low: 0,
            min_age: config.min_age,
        };
        Ok(self.product.iter().zip(self.products()?).map(product).collect())
    }

    /// What the zones' document begins with.
    pub fn zones(&self) -> Result<Vec<Zone>, ConfigError> {
        once("zone", self.zone.iter().map(|zone| zone.number.into()))?;
        let zone = |config: &ZoneConfig| {
            name("zone", config.number.into(), [&config.name_fr, &config.name_en])?;
            Ok(Zone {
                number: config.number,
                name_fr: config.name_fr.clone(),
                name_en: config.name_en.clone(),
                capacity: config.capacity,
                mode: match config.mode {
                    ModeConfig::Once => PassageMode::Once,
                    ModeConfig::ReEntry => PassageMode::ReEntry,
                    ModeConfig::Free => PassageMode::Free,
                },
                windows: Vec::new(),
            })
        };
        self.zone.iter().map(zone).collect()
    }

    /// What the reasons' document begins with.
    pub fn reasons(&self) -> Result<Vec<Reason>, ConfigError> {
        let reason = |config: &ReasonConfig| {
            name("reason", 0, [&config.fr, &config.en])?;
            Ok(Reason { code: config.code.clone(), fr: config.fr.clone(), en: config.en.clone() })
        };
        self.reason.iter().map(reason).collect()
    }

    /// Catalogue, each number once.
    pub fn products(&self) -> Result<Vec<Product>, ConfigError> {
        once("product", self.product.iter().map(|product| product.number))?;
        self.product.iter().map(ProductConfig::product).collect()
    }
}

fn once(what: &'static str, numbers: impl Iterator<Item = u32>) -> Result<(), ConfigError> {
    let mut seen = BTreeSet::new();
    for number in numbers {
        if !seen.insert(number) {
            return Err(ConfigError::Twice { what, number });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> Result<FestivalConfig, ConfigError> {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("festival.toml");
        std::fs::write(&path, text).unwrap();
        FestivalConfig::read(&path)
    }

    const BEER: &str = "[[product]]\nnumber = 1\nname_fr = \"Bière\"\nname_en = \"Beer\"\ngroup = \"drinks\"\nprice_cents = 350\nin_cup = true\n";

    #[test]
    fn a_festival_reads_with_its_prices_in_cents() {
        let config = parsed(&format!("[policy]\nmaximum_balance = 20000\n{BEER}")).unwrap();
        assert_eq!(config.policy.policy().unwrap().maximum_balance, Cents::new(20_000).unwrap());
        assert_eq!(config.products().unwrap()[0].price, Cents::new(350).unwrap());
    }

    #[test]
    fn two_products_of_one_number_an_unknown_field_and_a_price_beyond_the_chip_are_refused() {
        assert!(matches!(parsed(&format!("[policy]\n{BEER}{BEER}")), Err(ConfigError::Twice { number: 1, .. })));
        assert!(matches!(parsed(&format!("[policy]\ncolour = 3\n{BEER}")), Err(ConfigError::Toml { .. })));
        let dear = BEER.replace("350", "16777216");
        assert!(matches!(parsed(&format!("[policy]\n{dear}")), Err(ConfigError::Amount { cents: 16_777_216, .. })));
        let float = BEER.replace("350", "3.5");
        assert!(matches!(parsed(&format!("[policy]\n{float}")), Err(ConfigError::Toml { .. })));
    }
}
