//! Shared documents as pages show and edit them.
use std::collections::BTreeMap;

use documents::{Conflict, Document, Documents, Envelope, Problem, Refusal, Setting, Statement};
use serde::{Deserialize, Serialize};

/// `GET /api/documents/{document}`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct DocumentView {
    /// `catalogue`, `zones`, `staff` or `reasons`.
    pub document: String,
    /// Price revision; 0 for the other documents.
    pub revision: u32,
    /// Every field by its path, as text; PINs and keys are not among them.
    pub fields: BTreeMap<String, String>,
    /// Where people wrote different things at the same time.
    pub conflicts: Vec<FieldConflict>,
    /// What is ignored.
    pub problems: Vec<FieldProblem>,
    /// Edits made here that the hub has not confirmed.
    pub waiting: Vec<EditView>,
    /// Edits that were refused last, the newest first.
    pub refused: Vec<EditView>,
}

/// Different values at one path.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct FieldConflict {
    /// Where.
    pub path: String,
    /// The one that holds, the same everywhere.
    pub in_force: FieldStatement,
    /// The others.
    pub others: Vec<FieldStatement>,
}

/// A value and who put it there.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct FieldStatement {
    /// The value.
    pub value: String,
    /// The change that put it there; names it when it is chosen.
    pub change: String,
    /// Name in the manager's certificate.
    pub name: String,
    /// Staff number; 0 for the hub.
    pub operator: u32,
    /// When, Unix ms there.
    pub at_ms: u64,
}

/// Something that is ignored.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct FieldProblem {
    /// What.
    pub thing: String,
    /// Why: a reason code.
    pub code: String,
}

/// An edit that waits or was refused.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct EditView {
    /// Name of its change.
    pub change: String,
    /// What it sets, by path; `None` takes away.
    pub set: BTreeMap<String, Option<String>>,
    /// Staff number of its author.
    pub operator: u32,
    /// When it was made, Unix ms there.
    pub at_ms: u64,
    /// Reason code, where it was refused.
    pub code: Option<String>,
}

/// `GET /api/managers`: a key that edits are signed with at boxes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ManagerView {
    /// The public key, in hexadecimal.
    pub key: String,
    /// Staff number; 0 where no member of the list has this key any more.
    pub number: u32,
    /// As on the staff list, else as in the certificate.
    pub name: String,
    /// May log in at boxes.
    pub active: bool,
    /// No edit of this key is taken any more.
    pub revoked: bool,
    /// Its edits that are confirmed: they stay whatever happens to the key.
    pub confirmed: u64,
    /// When the last of them was made, Unix ms there.
    pub last_at_ms: Option<u64>,
}

/// `POST /api/documents/edit`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EditBody {
    /// Token of the manager's session; only at a box.
    #[serde(default)]
    pub session: String,
    /// Which document.
    pub document: String,
    /// What stands where; `null` takes away. At most 256.
    pub set: BTreeMap<String, Option<String>>,
}

/// `POST /api/documents/settle`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SettleBody {
    /// Token of the manager's session; only at a box.
    #[serde(default)]
    pub session: String,
    /// Which document.
    pub document: String,
    /// Where.
    pub path: String,
    /// The change whose value shall hold.
    pub change: String,
}

impl DocumentView {
    /// What `documents` show, with what waits there; refused edits are the server's to add.
    pub fn of(documents: &Documents, document: Document) -> Self {
        let (problems, conflicts) = documents.troubles(document);
        let pending = documents.pending().filter(|pending| pending.document == document);
        Self {
            document: document.name().into(),
            revision: if document == Document::Catalogue { documents.revision() } else { 0 },
            fields: documents.fields(document),
            conflicts: conflicts.iter().map(FieldConflict::of).collect(),
            problems: problems.iter().map(FieldProblem::of).collect(),
            waiting: pending.map(|pending| EditView::of(&pending.envelope, None)).collect(),
            refused: Vec::new(),
        }
    }
}

impl FieldConflict {
    fn of(conflict: &Conflict) -> Self {
        Self {
            path: conflict.path.clone(),
            in_force: FieldStatement::of(&conflict.in_force),
            others: conflict.others.iter().map(FieldStatement::of).collect(),
        }
    }
}

impl FieldStatement {
    fn of(statement: &Statement) -> Self {
        Self {
            value: statement.value.to_string(),
            change: statement.change.to_hex(),
            name: statement.name.clone(),
            operator: statement.operator,
            at_ms: statement.at_ms,
        }
    }
}

impl FieldProblem {
    fn of(problem: &Problem) -> Self {
        Self { thing: problem.thing.clone(), code: problem.trouble.code().into() }
    }
}

impl EditView {
    /// What an envelope sets, and why it was refused, if it was.
    pub fn of(envelope: &Envelope, refused: Option<Refusal>) -> Self {
        let set = envelope.intents.iter();
        Self {
            change: envelope.hash.to_hex(),
            set: set.map(|intent| (intent.path.clone(), intent.new.as_ref().map(ToString::to_string))).collect(),
            operator: envelope.operator,
            at_ms: envelope.at_ms,
            code: refused.map(|refusal| refusal.code().into()),
        }
    }
}

impl EditBody {
    /// What it asks for.
    pub fn settings(&self, document: Document) -> Result<Vec<Setting>, Refusal> {
        self.set.iter().map(|(path, value)| Setting::parse(document, path, value.as_deref())).collect()
    }
}
