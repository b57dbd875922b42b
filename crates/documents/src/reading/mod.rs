//! Reading documents, total: what breaks the schema is ignored and named, never an error.
//! Invariant: two sides with the same changes read the same, conflicts included.
//! Not here: how a change gets in (`judge`, `replica`).
mod catalogue;
mod people;
mod zones;

pub(crate) use catalogue::catalogue;
pub(crate) use people::{reasons, staff};
pub(crate) use zones::{mode, window, zones};

use std::collections::BTreeMap;

use domain::id::DeviceId;

use crate::{
    document::{ChangeHash, Document},
    path::Path,
    replica::{Replica, Standing},
    value::Value,
};

/// What a document says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reading<T> {
    /// What holds.
    pub value: T,
    /// What was ignored.
    pub problems: Vec<Problem>,
    /// Where people wrote different things at the same time.
    pub conflicts: Vec<Conflict>,
}

/// What is wrong with something.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Trouble {
    /// A key or a value that this software cannot read.
    Unreadable,
    /// It is on the list and lacks what it needs.
    Incomplete,
    /// It discounts alcohol and no drink without alcohol.
    OnlyAlcohol,
}

impl Trouble {
    /// The code that screens translate.
    pub const fn code(self) -> &'static str {
        match self {
            Self::Unreadable => "document.unreadable",
            Self::Incomplete => "edit.incomplete",
            Self::OnlyAlcohol => "edit.only_alcohol",
        }
    }
}

/// Something that is ignored.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Problem {
    /// Which document.
    pub document: Document,
    /// The thing, or the whole key where it cannot be read.
    pub thing: String,
    /// What is wrong with it.
    pub trouble: Trouble,
}

/// A value and who put it there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Statement {
    /// The value.
    pub value: Value,
    /// The change that put it there.
    pub change: ChangeHash,
    /// The manager's key.
    pub manager: [u8; 32],
    /// Name in the manager's certificate.
    pub name: String,
    /// Staff number; 0 for the hub.
    pub operator: u32,
    /// Where.
    pub device: DeviceId,
    /// When, Unix ms there; for display.
    pub at_ms: u64,
}

/// Different values that were put at one path by people who did not know of each other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Conflict {
    /// Which document.
    pub document: Document,
    /// Where.
    pub path: String,
    /// The one that holds, the same everywhere.
    pub in_force: Statement,
    /// The others.
    pub others: Vec<Statement>,
}

/// The document's keys with the value in force of each, and what was ignored on the way.
pub(crate) struct Fields {
    pub(crate) values: BTreeMap<Path, Value>,
    pub(crate) problems: Vec<Problem>,
    document: Document,
}

impl Fields {
    fn of(document: Document, all: &BTreeMap<String, Vec<Standing>>) -> Self {
        let mut fields = Self { values: BTreeMap::new(), problems: Vec::new(), document };
        for (key, standing) in all {
            let Some(in_force) = standing.last() else { continue };
            let path = Path::parse(document, key);
            match (path, &in_force.value) {
                (Some(path), Some(value)) if path.admits(value) => drop(fields.values.insert(path, value.clone())),
                _ => fields.problem(key.clone(), Trouble::Unreadable),
            }
        }
        fields
    }

    pub(crate) fn problem(&mut self, thing: String, trouble: Trouble) {
        self.problems.push(Problem { document: self.document, thing, trouble });
    }

    pub(crate) fn text(&self, path: &Path) -> Option<String> {
        match self.values.get(path) {
            Some(Value::Text(text)) => Some(text.clone()),
            Some(Value::Int(_) | Value::Flag(_) | Value::Bytes(_)) | None => None,
        }
    }

    pub(crate) fn int(&self, path: &Path) -> Option<u64> {
        match self.values.get(path) {
            Some(Value::Int(n)) => Some(*n),
            Some(Value::Text(_) | Value::Flag(_) | Value::Bytes(_)) | None => None,
        }
    }

    pub(crate) fn small(&self, path: &Path) -> Option<u32> {
        self.int(path).and_then(|n| u32::try_from(n).ok())
    }

    pub(crate) fn flag(&self, path: &Path) -> bool {
        self.values.get(path) == Some(&Value::Flag(true))
    }

    pub(crate) fn bytes(&self, path: &Path) -> Option<&[u8]> {
        match self.values.get(path) {
            Some(Value::Bytes(bytes)) => Some(bytes),
            Some(Value::Text(_) | Value::Flag(_) | Value::Int(_)) | None => None,
        }
    }
}

/// Reads `document` with `read`, as of `heads` or now.
pub(crate) fn read<T>(
    replica: &Replica,
    document: Document,
    heads: Option<&[ChangeHash]>,
    read: impl FnOnce(&mut Fields) -> T,
) -> Reading<T> {
    let all = replica.all(heads);
    let mut fields = Fields::of(document, &all);
    let value = read(&mut fields);
    Reading { value, problems: fields.problems, conflicts: conflicts(replica, document, &all) }
}

fn conflicts(replica: &Replica, document: Document, all: &BTreeMap<String, Vec<Standing>>) -> Vec<Conflict> {
    let conflict = |(path, standing): (&String, &Vec<Standing>)| {
        let mut statements: Vec<Statement> =
            standing.iter().filter_map(|standing| statement(replica, standing)).collect();
        let in_force = statements.pop()?;
        statements.retain(|other| other.value != in_force.value);
        (!statements.is_empty()).then(|| Conflict { document, path: path.clone(), in_force, others: statements })
    };
    all.iter().filter_map(conflict).collect()
}

fn statement(replica: &Replica, standing: &Standing) -> Option<Statement> {
    let known = replica.known(&standing.change)?;
    Some(Statement {
        value: standing.value.clone()?,
        change: standing.change,
        manager: known.manager,
        name: known.name.clone(),
        operator: known.operator,
        device: known.device,
        at_ms: known.at_ms,
    })
}

/// What is ignored in `document` as of `heads`.
pub(crate) fn problems(replica: &Replica, document: Document, heads: &[ChangeHash]) -> Vec<Problem> {
    let all = replica.all(Some(heads));
    let mut fields = Fields::of(document, &all);
    match document {
        Document::Catalogue => drop(catalogue(&mut fields, 0)),
        Document::Zones => drop(zones(&mut fields)),
        Document::Staff => drop(staff(&mut fields)),
        Document::Reasons => drop(reasons(&mut fields)),
    }
    fields.problems
}
