//! Takes over an event of pretix: its keys, products, revoked and blocked secrets.
//! Invariant: all or nothing; two events never share a key, and a secret that nobody here can read is an error with its
//! place in the list, since passing it over would open the door to it; so are a page that is not the whole list, and a
//! list of a name that nobody here knows.
//! Not here: the ticket format (`domain::ticket::pretix_sig1`).
use std::collections::{BTreeMap, BTreeSet};

use domain::{
    bundle::PretixProduct,
    id::TicketUid,
    ticket::{
        TicketError,
        pretix_sig1::{ParsedPretix, PretixKey, PretixKeyError, identity_of_secret, uid},
    },
    wire::Malformed,
};
use serde::{Deserialize, Serialize, de::IgnoredAny};
use thiserror::Error;

use crate::{
    config::NAME_MAX,
    hub::{Hub, HubError},
    store::{BarReason, ImportedTicket},
};

/// Most secrets in one import.
const SECRETS_MAX: usize = 500_000;
/// Lists that bar nobody: of pretix's event, and of `tests/interop/pretix_tickets.json`.
const PASSED_OVER: [&str; 5] = ["plugins", "limit_sales_channels", "sales_channels", "tickets", "tampered"];
/// Most characters of a name in an error.
const NAMED_CHARS: usize = 60;

/// An import that was refused; nothing of it was taken.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum PretixError {
    /// Not the JSON of an event.
    #[error("not an export of pretix: {0}")]
    Json(String),
    /// Empty or too long a slug.
    #[error("an event's slug has 1 to {NAME_MAX} bytes, this one has {0}")]
    Slug(usize),
    /// No key at all.
    #[error("event {0} has no pretix_sig1 key: set its ticket secret scheme to \"pretix signature scheme 1\"")]
    NoKey(String),
    /// A key that cannot be read.
    #[error("key {index} of event {slug}: {reason}")]
    Key {
        /// Which event.
        slug: String,
        /// Which key, from 0.
        index: usize,
        /// Why.
        reason: PretixKeyError,
    },
    /// The key of another event.
    #[error("events {slug} and {other} have the same key: a ticket would belong to both")]
    SharedKey {
        /// This event.
        slug: String,
        /// The other.
        other: String,
    },
    /// An item whose number or name cannot be used.
    #[error("item {item} of event {slug}: {reason}")]
    Item {
        /// Which event.
        slug: String,
        /// Which item.
        item: String,
        /// Why.
        reason: &'static str,
    },
    /// A secret that none of the keys signed.
    #[error("entry {index} of the {list} secrets: {reason}; is it a secret of this event, and are all its keys here?")]
    Secret {
        /// `revoked` or `blocked`.
        list: &'static str,
        /// Which, from 0.
        index: usize,
        /// Why.
        reason: TicketError,
    },
    /// A page of the API that is not the whole list.
    #[error(
        "the list of {list} secrets is one page, {held} of {of}: join the \"results\" of all its pages into one list",
        of = count.map_or("more".into(), |count| count.to_string())
    )]
    Page {
        /// `revoked`, `blocked` or `sold`.
        list: &'static str,
        /// How many it holds.
        held: usize,
        /// How many the list has, as far as the page says.
        count: Option<u64>,
    },
    /// A list of a name that nobody here knows.
    #[error(
        "{0:?} is no list that is known: \"revokedsecrets\", \"blockedsecrets\" and \"orderpositions\" stand beside \
         the events; rename it, or take it out if it bars nobody"
    )]
    UnknownList(String),
    /// More secrets than are read.
    #[error("{0} secrets, at most {SECRETS_MAX} are read")]
    TooMany(usize),
}

/// What may be imported: one event, or several with their lists beside them.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Export {
    events: Vec<Event>,
    #[serde(alias = "api_revokedsecrets", alias = "revoked_secrets", alias = "revokedsecrets")]
    revoked: List<Secret>,
    #[serde(alias = "api_blockedsecrets", alias = "blocked_secrets", alias = "blockedsecrets")]
    blocked: List<Secret>,
    #[serde(alias = "api_orderpositions", alias = "orderpositions")]
    positions: List<Position>,
    #[serde(flatten)]
    one: Option<Event>,
    #[serde(flatten)]
    others: BTreeMap<String, Other>,
}

impl Export {
    /// Refuses what would leave somebody out of a list: nobody at the gate would know.
    fn check_lists(&self) -> Result<(), PretixError> {
        self.revoked.check_whole("revoked")?;
        self.blocked.check_whole("blocked")?;
        self.positions.check_whole("sold")?;
        let others = self.events.iter().flat_map(|event| &event.others).chain(&self.others);
        let unknown = others.into_iter().find(|(name, other)| other.is_list() && !PASSED_OVER.contains(&name.as_str()));
        unknown.map_or(Ok(()), |(name, _)| Err(PretixError::UnknownList(name.chars().take(NAMED_CHARS).collect())))
    }
}

/// A field that nobody here knows, by its shape.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Other {
    List(Vec<IgnoredAny>),
    Page { results: IgnoredAny },
    One(IgnoredAny),
}

impl Other {
    const fn is_list(&self) -> bool {
        match self {
            Self::List(entries) => !entries.is_empty(),
            Self::Page { results: IgnoredAny } => true,
            Self::One(IgnoredAny) => false,
        }
    }
}

/// A sold ticket.
#[derive(Debug, Deserialize)]
struct Position {
    secret: String,
    #[serde(default)]
    attendee_name: Option<String>,
}

#[derive(Debug, Deserialize)]
struct Event {
    slug: String,
    valid_keys: BTreeMap<String, Vec<String>>,
    #[serde(default)]
    items: BTreeMap<String, Item>,
    #[serde(flatten)]
    others: BTreeMap<String, Other>,
}

/// An item: its name alone, or with the zones that it opens.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Item {
    Name(String),
    Full {
        name: String,
        /// pretix's own flag: whether it admits anybody.
        #[serde(default = "yes")]
        admission: bool,
        zones: Option<u32>,
    },
}

const fn yes() -> bool {
    true
}

/// A list of pretix, or a page of its API.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum List<T> {
    Whole(Vec<T>),
    Page { count: Option<u64>, next: Option<String>, previous: Option<String>, results: Vec<T> },
}

/// A secret as a string, or as an object.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Secret {
    Text(String),
    Object {
        secret: String,
        #[serde(default = "yes")]
        blocked: bool,
    },
}

impl<T> Default for List<T> {
    fn default() -> Self {
        Self::Whole(Vec::new())
    }
}

impl<T> List<T> {
    fn entries(&self) -> &[T] {
        match self {
            Self::Whole(entries) | Self::Page { results: entries, .. } => entries,
        }
    }

    fn check_whole(&self, list: &'static str) -> Result<(), PretixError> {
        let Self::Page { count, next, previous, results } = self else { return Ok(()) };
        let held = results.len();
        let all = count.is_none_or(|count| usize::try_from(count) == Ok(held));
        match (next, previous) {
            (None, None) if all => Ok(()),
            _ => Err(PretixError::Page { list, held, count: *count }),
        }
    }
}

/// What an import did.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Imported {
    /// Slugs.
    pub events: Vec<String>,
    /// Keys in all.
    pub keys: usize,
    /// Products in all.
    pub products: usize,
    /// Sold tickets that the export names.
    pub tickets: usize,
    /// Those of them with a holder's name.
    pub names: usize,
    /// Tickets that were not revoked before.
    pub revoked: usize,
    /// Tickets that were not blocked before.
    pub blocked: usize,
    /// Tickets that are no longer blocked.
    pub unblocked: usize,
}

struct ReadEvent {
    slug: String,
    keys: Vec<PretixKey>,
    items: Vec<(u64, String, u32)>,
}

fn read_event(event: &Event) -> Result<ReadEvent, PretixError> {
    let slug = event.slug.clone();
    if slug.is_empty() || slug.len() > NAME_MAX {
        return Err(PretixError::Slug(slug.len()));
    }
    let texts = event.valid_keys.get("pretix_sig1").map(Vec::as_slice).unwrap_or_default();
    if texts.is_empty() {
        return Err(PretixError::NoKey(slug));
    }
    let key = |(index, text): (usize, &String)| {
        PretixKey::from_api(text).map_err(|reason| PretixError::Key { slug: event.slug.clone(), index, reason })
    };
    let keys = texts.iter().enumerate().map(key).collect::<Result<_, _>>()?;
    let item = |(number, item): (&String, &Item)| {
        let wrong = |reason| PretixError::Item { slug: event.slug.clone(), item: number.clone(), reason };
        let (name, zones) = match item {
            Item::Name(name) => (name, 1),
            Item::Full { name, admission, zones } => (name, zones.unwrap_or(u32::from(*admission))),
        };
        if name.trim().is_empty() || name.len() > NAME_MAX {
            return Err(wrong("its name is empty or too long"));
        }
        let number = number.parse::<u32>().map_err(|_| wrong("not a number"))?;
        Ok((u64::from(number), name.clone(), zones))
    };
    Ok(ReadEvent { keys, items: event.items.iter().map(item).collect::<Result<_, _>>()?, slug })
}

fn identities(
    list: &List<Secret>,
    name: &'static str,
    keys: &[PretixKey],
) -> Result<(BTreeSet<TicketUid>, BTreeSet<TicketUid>), PretixError> {
    let (mut barred, mut free) = (BTreeSet::new(), BTreeSet::new());
    for (index, secret) in list.entries().iter().enumerate() {
        let (text, holds) = match secret {
            Secret::Text(text) => (text, true),
            Secret::Object { secret, blocked } => (secret, *blocked),
        };
        let ticket =
            identity_of_secret(text, keys).map_err(|reason| PretixError::Secret { list: name, index, reason })?;
        if holds {
            barred.insert(ticket)
        } else {
            free.insert(ticket)
        };
    }
    Ok((barred, free))
}

/// A sold ticket as its secret says, under whichever of the keys signed it.
fn sold(secret: &str, index: usize, keys: &[PretixKey]) -> Result<(PretixKey, ImportedTicket), PretixError> {
    let wrong = |reason| PretixError::Secret { list: "sold", index, reason };
    let parsed = ParsedPretix::parse(secret).map_err(wrong)?;
    let key = keys.iter().find(|key| parsed.verify(key).is_ok()).ok_or(wrong(TicketError::BadSignature))?;
    let ticket = parsed.ticket().map_err(wrong)?;
    let end = |unix_s: Option<u64>| u32::try_from(unix_s.unwrap_or(0)).unwrap_or(0);
    let item = u32::try_from(ticket.item).map_err(|_| wrong(Malformed::Value("item").into()))?;
    let window = (end(ticket.valid_from), end(ticket.valid_until));
    Ok((*key, ImportedTicket { ticket: uid(key, &ticket.seed), event: 0, item, window }))
}

impl Hub {
    /// Imports what pretix exported (JSON).
    pub fn import_pretix(&mut self, json: &[u8]) -> Result<Imported, HubError> {
        let export: Export = serde_json::from_slice(json).map_err(|reason| PretixError::Json(reason.to_string()))?;
        let mut events = export.events.iter().chain(&export.one).map(read_event).collect::<Result<Vec<_>, _>>()?;
        if events.is_empty() {
            return Err(PretixError::Json("it names no event (\"slug\" and \"valid_keys\")".into()).into());
        }
        export.check_lists()?;
        let barred = export.revoked.entries().len().saturating_add(export.blocked.entries().len());
        let secrets = barred.saturating_add(export.positions.entries().len());
        if secrets > SECRETS_MAX {
            return Err(PretixError::TooMany(secrets).into());
        }
        self.check_keys(&events)?;
        // A secret may be signed with a key that the event had at an earlier import.
        let mut keys: Vec<PretixKey> = events.iter().flat_map(|event| event.keys.clone()).collect();
        for held in self.store.pretix_events()?.iter().filter(|held| events.iter().any(|event| event.slug == held.slug))
        {
            keys.extend(held.keys.iter().filter_map(|key| PretixKey::from_bytes(&key.0).ok()));
        }
        let (revoked, _) = identities(&export.revoked, "revoked", &keys)?;
        let (blocked, free) = identities(&export.blocked, "blocked", &keys)?;
        let mut positions = Vec::new();
        for (index, position) in export.positions.entries().iter().enumerate() {
            let (key, ticket) = sold(&position.secret, index, &keys)?;
            let name = position.attendee_name.as_deref().unwrap_or_default();
            positions.push((key, ticket, self.sealed_name(ticket.ticket, name)?));
        }

        let mut imported = Imported::default();
        self.store.transaction::<_, HubError>(|store| {
            for event in &mut events {
                let number = store.pretix_event(&event.slug)?;
                for key in &event.keys {
                    store.add_pretix_key(number, key.as_bytes())?;
                }
                for (item, name, zones) in std::mem::take(&mut event.items) {
                    store.put_pretix_product(&PretixProduct { event: number, item, name, zones })?;
                    imported.products = imported.products.saturating_add(1);
                }
                imported.keys = imported.keys.saturating_add(event.keys.len());
                imported.events.push(event.slug.clone());
            }
            for (key, ticket, name) in positions {
                let slug = store.owner_of_pretix_key(key.as_bytes())?.ok_or(HubError::NotFound("the key's event"))?;
                store.put_imported(&ImportedTicket { event: store.pretix_event(&slug)?, ..ticket })?;
                imported.tickets = imported.tickets.saturating_add(1);
                if let Some(name) = name {
                    store.put_name(ticket.ticket, &name)?;
                    imported.names = imported.names.saturating_add(1);
                }
            }
            Ok(())
        })?;
        self.blobs.changed();
        imported.revoked = self.bar_tickets(&revoked.into_iter().collect::<Vec<_>>(), BarReason::Revoked)?;
        imported.blocked = self.bar_tickets(&blocked.into_iter().collect::<Vec<_>>(), BarReason::Blocked)?;
        for ticket in free {
            imported.unblocked = imported.unblocked.saturating_add(usize::from(self.unblock_ticket(ticket)?));
        }
        Ok(imported)
    }

    fn check_keys(&self, events: &[ReadEvent]) -> Result<(), HubError> {
        let mut owners: BTreeMap<[u8; 32], &str> = BTreeMap::new();
        for event in events {
            for key in &event.keys {
                let here = owners.insert(*key.as_bytes(), &event.slug).map(String::from);
                let held = self.store.owner_of_pretix_key(key.as_bytes())?;
                if let Some(other) = here.into_iter().chain(held).find(|other| *other != event.slug) {
                    return Err(PretixError::SharedKey { slug: event.slug.clone(), other }.into());
                }
            }
        }
        Ok(())
    }
}
