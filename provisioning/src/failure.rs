//! Why a command did not do what it was asked: a stable code, an exit code, and a sentence in each language that says
//! what happened and what to do next. Invariant: no sentence holds a secret.
use std::path::{Path, PathBuf};

use domain::{bundle::PackageError, trust::ChainError};
use thiserror::Error;

use crate::{
    Lang,
    inspect::{Place, Unreadable},
};

/// Why a command did not do what it was asked.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{}", self.message(Lang::En))]
pub enum Failure {
    /// Something stands where a new file or folder should go.
    AlreadyThere(PathBuf),
    /// A file or folder is not there.
    Missing(PathBuf),
    /// A file cannot be read or written.
    File {
        /// Which.
        path: PathBuf,
        /// What the system says.
        reason: String,
    },
    /// A file does not hold what it should.
    Damaged {
        /// Which.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// The operating system gives no randomness.
    Randomness(String),
    /// The screens' certificate could not be made.
    Tls(String),
    /// A festival's name is empty or too long.
    Name(usize),
    /// A place's name is too long.
    Place(usize),
    /// A person's name is empty or too long.
    Person(usize),
    /// A group of boxes that cannot be.
    Group(&'static str),
    /// Band keys that cannot be made or used.
    BandKeys(&'static str),
    /// An epoch of band keys was made, and no file for the hub.
    NotSealed {
        /// Which epoch.
        epoch: u8,
        /// Why.
        reason: Box<Failure>,
    },
    /// Nobody was ever given this box number here.
    NoSuchBox(u16),
    /// The hub knows no box of this number.
    NeverHeard(u16),
    /// Not a PIN.
    Pin(String),
    /// A key would end before it starts.
    Dates,
    /// Not a currency that the tool knows.
    Currency(String),
    /// Not an address.
    Address(String),
    /// Not a pretix key.
    PretixKey {
        /// Which one, from 1.
        number: usize,
        /// What is wrong.
        reason: String,
    },
    /// The root is not kept here.
    NoRoot(PathBuf),
    /// The signing key may not issue this.
    BeyondKey(ChainError),
    /// No box number is left.
    NumbersUsedUp {
        /// The last one that may be given out.
        end: u16,
    },
    /// The box is in this festival already.
    AlreadyEnrolled {
        /// Its first number, where this folder knows it.
        number: Option<u16>,
        /// Its place, where this folder knows it.
        place: Option<String>,
    },
    /// The box opens an epoch that it was already enrolled for: its journal was lost.
    JournalLost {
        /// The epoch it offers.
        offered: u32,
        /// The last one that was enrolled.
        enrolled: u32,
    },
    /// Nobody knows where the box finds its hub.
    NoHub,
    /// A box without any role.
    NoRole,
    /// More hubs than a box can hold.
    ManyHubs(usize),
    /// A bundle is not taken.
    Bundle {
        /// Which.
        path: PathBuf,
        /// Why.
        reason: PackageError,
    },
    /// What was to be looked into cannot be read.
    Unreadable(Unreadable),
    /// The connection to the box could not be made or broke.
    Line {
        /// Where to.
        target: String,
        /// What the system says.
        reason: String,
    },
    /// The box says no.
    BoxRefused(String),
    /// What came over the line is not what a blank box says.
    Protocol(String),
    /// A daemon could not be reached.
    Unreachable {
        /// Where.
        url: String,
        /// Why.
        reason: String,
    },
    /// A daemon answered something else than yes.
    Answer {
        /// Where.
        url: String,
        /// HTTP status.
        status: u16,
        /// Its own code, if it gave one.
        reason: String,
    },
    /// A line of a list of bands is not as it was written.
    DamagedList {
        /// Which list.
        path: PathBuf,
        /// Which line, from 1.
        line: usize,
    },
    /// Another run writes to the list.
    ListInUse(PathBuf),
    /// Not the name of a reader.
    ReaderName(String),
    /// The wristband reader cannot be used.
    ReaderAway(String),
    /// A fault of the tool itself.
    Internal(String),
}

impl Failure {
    /// A file that does not hold what it should.
    pub fn damaged(path: &Path, reason: impl ToString) -> Self {
        Self::Damaged { path: path.into(), reason: reason.to_string() }
    }

    /// Stable code.
    pub fn code(&self) -> &'static str {
        match self {
            Self::AlreadyThere(_) => "file.already_there",
            Self::Missing(_) => "file.missing",
            Self::File { .. } => "file.unusable",
            Self::Damaged { .. } => "file.damaged",
            Self::Randomness(_) => "system.no_randomness",
            Self::Tls(_) => "tls.not_made",
            Self::Name(_) => "festival.name",
            Self::Place(_) => "box.place",
            Self::Person(_) => "staff.name",
            Self::Group(_) => "lan.group",
            Self::BandKeys(_) => "band_keys.refused",
            Self::NotSealed { .. } => "band_keys.not_sealed",
            Self::NoSuchBox(_) => "box.no_such_number",
            Self::NeverHeard(_) => "box.never_heard",
            Self::Pin(_) => "staff.pin",
            Self::Dates => "key.dates",
            Self::Currency(_) => "festival.currency",
            Self::Address(_) => "address.unreadable",
            Self::PretixKey { .. } => "pretix_key.unusable",
            Self::NoRoot(_) => "root.not_here",
            Self::BeyondKey(_) => "key.beyond_its_rights",
            Self::NumbersUsedUp { .. } => "numbers.used_up",
            Self::AlreadyEnrolled { .. } => "box.already_enrolled",
            Self::JournalLost { .. } => "box.journal_lost",
            Self::NoHub => "hub.not_named",
            Self::NoRole => "box.no_role",
            Self::ManyHubs(_) => "hub.too_many",
            Self::Bundle { .. } => "bundle.refused",
            Self::Unreadable(_) => "inspect.unreadable",
            Self::Line { .. } => "line.broken",
            Self::BoxRefused(_) => "box.refused",
            Self::Protocol(_) => "box.not_understood",
            Self::Unreachable { .. } => "http.unreachable",
            Self::Answer { .. } => "http.refused",
            Self::DamagedList { .. } => "bands.list_damaged",
            Self::ListInUse(_) => "bands.list_in_use",
            Self::ReaderName(_) => "reader.name",
            Self::ReaderAway(_) => "reader.away",
            Self::Internal(_) => "internal",
        }
    }

    /// Exit code: 1 what was looked at is not good, 2 the command line, 3 files, 4 the line to a box or hub,
    /// 5 a rule says no.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Bundle { .. } | Self::Unreadable(_) | Self::DamagedList { .. } => 1,
            Self::Name(_)
            | Self::Place(_)
            | Self::Person(_)
            | Self::Group(_)
            | Self::BandKeys(_)
            | Self::NoSuchBox(_)
            | Self::Pin(_)
            | Self::Dates
            | Self::Currency(_)
            | Self::Address(_)
            | Self::PretixKey { .. }
            | Self::NoHub
            | Self::NoRole
            | Self::ManyHubs(_)
            | Self::ReaderName(_) => 2,
            Self::AlreadyThere(_)
            | Self::Missing(_)
            | Self::File { .. }
            | Self::Damaged { .. }
            | Self::Randomness(_)
            | Self::Tls(_)
            | Self::NotSealed { .. }
            | Self::Internal(_) => 3,
            Self::Line { .. }
            | Self::Protocol(_)
            | Self::Unreachable { .. }
            | Self::Answer { .. }
            | Self::ReaderAway(_) => 4,
            Self::NoRoot(_)
            | Self::BeyondKey(_)
            | Self::NumbersUsedUp { .. }
            | Self::AlreadyEnrolled { .. }
            | Self::JournalLost { .. }
            | Self::NeverHeard(_)
            | Self::ListInUse(_)
            | Self::BoxRefused(_) => 5,
        }
    }

    /// What happened and what to do next.
    pub fn message(&self, lang: Lang) -> String {
        match lang {
            Lang::Fr => self.french(),
            Lang::En => self.english(),
        }
    }

    /// What happened alone, where what it means is said elsewhere.
    fn cause(&self, lang: Lang) -> String {
        if let Self::Missing(path) = self {
            let path = path.display();
            return lang.pick(
                format!("{path} n'existe pas, ou son dossier manque"),
                format!("{path} or its folder is not there"),
            );
        }
        self.message(lang)
    }

    fn english(&self) -> String {
        match self {
            Self::AlreadyThere(path) => {
                format!("{} is there already; it was left as it is. Name a place that is free.", path.display())
            }
            Self::Missing(path) => format!("{} is not there. Check the path; nothing was changed.", path.display()),
            Self::File { path, reason } => {
                format!("{} cannot be used ({reason}). Check its owner, the disk and its free space.", path.display())
            }
            Self::Damaged { path, reason } => {
                format!("{} does not hold what it should: {reason}. Take the copy from the backup.", path.display())
            }
            Self::Randomness(reason) => {
                format!("The system gives no random bytes ({reason}). Nothing was made; try again.")
            }
            Self::Tls(reason) => {
                format!("The screens' certificate could not be made ({reason}). Check the host names and addresses.")
            }
            Self::Name(length) => {
                format!("A festival's name has 1 to 100 bytes, this one has {length}. Choose another.")
            }
            Self::BandKeys(reason) => format!("No band keys: {reason}."),
            Self::NotSealed { epoch, reason } => format!(
                "Epoch {epoch} of the band keys was made and is not sealed ({}). Mend that, then run `provision band-keys seal --epoch {epoch}`; back up the festival's folder again.",
                reason.cause(Lang::En)
            ),
            Self::NoSuchBox(number) => format!(
                "No box was ever given number {number} in this folder. Nothing was changed: check the number on its label, or take the folder with which it was enrolled."
            ),
            Self::NeverHeard(number) => format!(
                "The hub has never heard a box of number {number}: nobody is revoked. Check the number; if it is right, repeat with --festival FOLDER, so that it is revoked by who it is before it comes."
            ),
            Self::Group(reason) => format!("This group cannot be: {reason}. Nothing is written."),
            Self::Person(length) => {
                format!("A person's name has 1 to 64 bytes, this one has {length}. Choose another.")
            }
            Self::Pin(_) => "A PIN has 4 to 12 digits and nothing else. Write another into the file.".into(),
            Self::Dates => {
                "The key would end before it starts; none was made. Check --valid-from and --valid-until.".into()
            }
            Self::Place(length) => format!("A place's name has at most 64 bytes, this one has {length}. Shorten it."),
            Self::Currency(code) => {
                format!("{code} is not a currency known here. Give its three letters, such as EUR.")
            }
            Self::Address(text) => format!("{text} is not an address. Write ADDRESS:PORT, such as 10.0.0.5:4433."),
            Self::PretixKey { number, reason } => format!(
                "pretix key number {number} cannot be used: {reason}. Copy it whole from pretix, as its API shows it under valid_keys."
            ),
            Self::NoRoot(path) => format!(
                "The root is not here ({}). Work on the organiser's host, or enrol with an enrol key (--with KEYFILE).",
                path.display()
            ),
            Self::BeyondKey(reason) => format!(
                "The signing key may not give this: {reason}. Use an enrol key with wider rights, or the root. Nothing was sent."
            ),
            Self::NumbersUsedUp { end } => format!(
                "No box number is left up to {end}; a number is never used twice. Ask the organiser for a new enrol key."
            ),
            Self::AlreadyEnrolled { number, place } => format!(
                "This box belongs to a festival already{}. Nothing was changed. To give it a new number, repeat with --re-enrol.",
                known(*number, place.as_deref(), "number", "place")
            ),
            Self::JournalLost { offered, enrolled } => format!(
                "The box offers epoch {offered}, but was enrolled for epoch {enrolled} before: it lost its journal. Move everything in its folder away and keep it as evidence, identity key and enrolment included; then run `edge blank` there again: it begins as a new box, with a new number."
            ),
            Self::NoHub => {
                "No hub with a public address was enrolled here. Name its address with --hub ADDRESS:PORT.".into()
            }
            Self::NoRole => "A box needs a role. Name at least one: --role gate, --role bar or --role top-up.".into(),
            Self::ManyHubs(count) => {
                format!("A box holds at most 16 hub addresses, these are {count}. Name the nearest ones.")
            }
            Self::Bundle { path, reason } => format!(
                "The bundle {} is not taken: {reason}. Fetch it again from this festival's hub.",
                path.display()
            ),
            Self::Unreadable(Unreadable { kind, place, reason }) => {
                let place = match place {
                    Place::Offset(offset) => format!("at byte {offset}"),
                    Place::Line(line) => format!("in line {line}"),
                };
                format!(
                    "This cannot be read as {kind}: {place}: {reason}. Check that the file is whole, or say what it is with --as."
                )
            }
            Self::Line { target, reason } => format!(
                "The line to {target} could not be used ({reason}). Check that the box waits (`edge blank`) and try again; a number that was given out is not used again."
            ),
            Self::BoxRefused(reason) => format!(
                "The box says no: {reason}. It keeps what it had. If it is enrolled already and its old journal may end, repeat with --re-enrol."
            ),
            Self::Protocol(reason) => format!(
                "What answers there does not speak as a blank box does ({reason}). Check the address and that both sides have the same software."
            ),
            Self::Unreachable { url, reason } => {
                format!("{url} does not answer ({reason}). Check the address, the network and the CA file.")
            }
            Self::Answer { url, status, reason } => {
                format!("{url} answered {status} ({reason}). Check the key or token, then the daemon's log.")
            }
            Self::DamagedList { path, line } => format!(
                "Line {line} of {} is not as this tool writes it. Nothing was changed. Take the copy from the backup, or go on with a new list: bands that are whole are told by their chips.",
                path.display()
            ),
            Self::ListInUse(path) => {
                format!("Another run writes to {}. End it, or give each reader a list of its own.", path.display())
            }
            Self::ReaderName(name) => {
                format!("{name:?} is no reader. Write pcsc, pcsc:NAME, pn532:CONNSTRING or virtual:SOCKET.")
            }
            Self::ReaderAway(reason) => format!(
                "The reader cannot be used ({reason}). What was issued is on the list. Plug the reader in, then start again with the same list."
            ),
            Self::Internal(reason) => format!("A fault of the tool itself ({reason}). Please report it."),
        }
    }

    fn french(&self) -> String {
        match self {
            Self::AlreadyThere(path) => {
                format!("{} existe déjà et reste tel quel. Indiquez un endroit libre.", path.display())
            }
            Self::Missing(path) => format!("{} n'existe pas. Vérifiez le chemin ; rien n'a changé.", path.display()),
            Self::File { path, reason } => format!(
                "{} est inutilisable ({reason}). Vérifiez son propriétaire, le disque et la place libre.",
                path.display()
            ),
            Self::Damaged { path, reason } => format!(
                "{} ne contient pas ce qu'il devrait : {reason}. Reprenez la copie de la sauvegarde.",
                path.display()
            ),
            Self::Randomness(reason) => {
                format!("Le système ne donne pas d'octets aléatoires ({reason}). Rien n'a été fait ; réessayez.")
            }
            Self::Tls(reason) => format!(
                "Le certificat des écrans n'a pas pu être fait ({reason}). Vérifiez les noms d'hôtes et les adresses."
            ),
            Self::Name(length) => {
                format!("Le nom d'un festival a 1 à 100 octets, celui-ci en a {length}. Choisissez-en un autre.")
            }
            Self::BandKeys(reason) => format!("Pas de clés de bracelets : {reason}."),
            Self::NotSealed { epoch, reason } => format!(
                "La génération {epoch} des clés de bracelets est faite, mais pas scellée ({}). Réglez cela, puis lancez `provision band-keys seal --epoch {epoch}` ; sauvegardez de nouveau le dossier du festival.",
                reason.cause(Lang::Fr)
            ),
            Self::NoSuchBox(number) => format!(
                "Aucun boîtier n'a jamais reçu le numéro {number} dans ce dossier. Rien n'a changé : vérifiez le numéro sur son étiquette, ou prenez le dossier avec lequel il a été enrôlé."
            ),
            Self::NeverHeard(number) => format!(
                "Le hub n'a jamais entendu de boîtier numéro {number} : personne n'est révoqué. Vérifiez le numéro ; s'il est juste, recommencez avec --festival DOSSIER, pour qu'il soit révoqué par son identité avant de se présenter."
            ),
            Self::Group(reason) => format!("Ce groupe n'est pas possible ({reason}). Rien n'est écrit."),
            Self::Person(length) => {
                format!("Le nom d'une personne a 1 à 64 octets, celui-ci en a {length}. Choisissez-en un autre.")
            }
            Self::Pin(_) => "Un code a 4 à 12 chiffres et rien d'autre. Mettez-en un autre dans le fichier.".into(),
            Self::Dates => {
                "La clé finirait avant de commencer ; aucune n'a été faite. Vérifiez --valid-from et --valid-until."
                    .into()
            }
            Self::Place(length) => {
                format!("Le nom d'un lieu a au plus 64 octets, celui-ci en a {length}. Raccourcissez-le.")
            }
            Self::Currency(code) => {
                format!("{code} n'est pas une monnaie connue ici. Donnez ses trois lettres, par exemple EUR.")
            }
            Self::Address(text) => {
                format!("{text} n'est pas une adresse. Écrivez ADRESSE:PORT, par exemple 10.0.0.5:4433.")
            }
            Self::PretixKey { number, reason } => format!(
                "La clé pretix numéro {number} est inutilisable : {reason}. Copiez-la entière depuis pretix, telle que son API la montre sous valid_keys."
            ),
            Self::NoRoot(path) => format!(
                "La racine n'est pas ici ({}). Travaillez sur le poste de l'organisateur, ou enrôlez avec une clé d'enrôlement (--with FICHIER).",
                path.display()
            ),
            Self::BeyondKey(reason) => format!(
                "La clé qui signe n'a pas le droit de donner cela : {reason}. Prenez une clé d'enrôlement plus large, ou la racine. Rien n'a été envoyé."
            ),
            Self::NumbersUsedUp { end } => format!(
                "Plus aucun numéro de boîtier libre jusqu'à {end} ; un numéro ne sert jamais deux fois. Demandez une nouvelle clé d'enrôlement à l'organisateur."
            ),
            Self::AlreadyEnrolled { number, place } => format!(
                "Ce boîtier appartient déjà à un festival{}. Rien n'a changé. Pour lui donner un nouveau numéro, recommencez avec --re-enrol.",
                known(*number, place.as_deref(), "numéro", "lieu")
            ),
            Self::JournalLost { offered, enrolled } => format!(
                "Le boîtier propose l'époque {offered}, mais a déjà été enrôlé pour l'époque {enrolled} : il a perdu son journal. Déplacez tout le contenu de son dossier et gardez-le comme preuve, clé d'identité et enrôlement compris ; puis relancez-y `edge blank` : il repart comme un nouveau boîtier, avec un nouveau numéro."
            ),
            Self::NoHub => {
                "Aucun hub avec une adresse publique n'a été enrôlé ici. Donnez son adresse avec --hub ADRESSE:PORT."
                    .into()
            }
            Self::NoRole => {
                "Un boîtier a besoin d'un rôle. Donnez-en au moins un : --role gate, --role bar ou --role top-up."
                    .into()
            }
            Self::ManyHubs(count) => {
                format!("Un boîtier garde au plus 16 adresses de hub, en voici {count}. Donnez les plus proches.")
            }
            Self::Bundle { path, reason } => format!(
                "Le paquet {} n'est pas accepté : {reason}. Reprenez-le sur le hub de ce festival.",
                path.display()
            ),
            Self::Unreadable(Unreadable { kind, place, reason }) => {
                let place = match place {
                    Place::Offset(offset) => format!("à l'octet {offset}"),
                    Place::Line(line) => format!("à la ligne {line}"),
                };
                format!(
                    "Illisible comme {kind} : {place} : {reason}. Vérifiez que le fichier est entier, ou dites ce qu'il est avec --as."
                )
            }
            Self::Line { target, reason } => format!(
                "La liaison avec {target} est inutilisable ({reason}). Vérifiez que le boîtier attend (`edge blank`) et réessayez ; un numéro donné ne resservira pas."
            ),
            Self::BoxRefused(reason) => format!(
                "Le boîtier refuse : {reason}. Il garde ce qu'il avait. S'il est déjà enrôlé et que son ancien journal peut se terminer, recommencez avec --re-enrol."
            ),
            Self::Protocol(reason) => format!(
                "Ce qui répond là ne parle pas comme un boîtier vierge ({reason}). Vérifiez l'adresse et que les deux côtés ont le même logiciel."
            ),
            Self::Unreachable { url, reason } => {
                format!(
                    "{url} ne répond pas ({reason}). Vérifiez l'adresse, le réseau et le fichier de l'autorité (--ca)."
                )
            }
            Self::Answer { url, status, reason } => {
                format!("{url} a répondu {status} ({reason}). Vérifiez la clé ou le jeton, puis le journal du service.")
            }
            Self::DamagedList { path, line } => format!(
                "La ligne {line} de {} n'est pas telle que cet outil l'écrit. Rien n'a changé. Reprenez la copie de la sauvegarde, ou continuez avec une nouvelle liste : un bracelet fini se reconnaît à sa puce.",
                path.display()
            ),
            Self::ListInUse(path) => format!(
                "Une autre exécution écrit dans {}. Arrêtez-la, ou donnez à chaque lecteur sa propre liste.",
                path.display()
            ),
            Self::ReaderName(name) => {
                format!("{name:?} n'est pas un lecteur. Écrivez pcsc, pcsc:NOM, pn532:CONNEXION ou virtual:SOCKET.")
            }
            Self::ReaderAway(reason) => format!(
                "Le lecteur est inutilisable ({reason}). Ce qui est fait est sur la liste. Branchez le lecteur, puis recommencez avec la même liste."
            ),
            Self::Internal(reason) => format!("Une faute de l'outil lui-même ({reason}). Merci de la signaler."),
        }
    }
}

fn known(number: Option<u16>, place: Option<&str>, number_word: &str, place_word: &str) -> String {
    match (number, place) {
        (Some(number), Some(place)) => format!(" ({number_word} {number}, {place_word} {place})"),
        (Some(number), None) => format!(" ({number_word} {number})"),
        (None, Some(place)) => format!(" ({place_word} {place})"),
        (None, None) => String::new(),
    }
}
