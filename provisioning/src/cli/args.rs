//! The words of the command line.
use std::{ffi::OsString, path::PathBuf};

use clap::{ArgGroup, Args, Parser, Subcommand, ValueEnum};
use provisioning::{Lang, boxes::Role, inspect::Kind};

const EXIT_CODES: &str = "Exit codes:
  0  done; a checked thing is good; an inspected ticket has a valid signature; nothing in an inspected file is wrong
  1  a checked box, a list of bands, a bundle, an inspected ticket or file is not good, or cannot be read
  2  the command line cannot be understood
  3  a file or folder is missing, damaged, unusable or already there
  4  a box, hub or reader does not answer, or not as it should
  5  a rule says no (already enrolled, beyond the key's rights, no number left, the box refuses)

With --json, one JSON object goes to standard output; after a failure it is {\"error\": CODE, \"message\": TEXT}.";

/// Sets up a festival, its hub and its boxes; checks and revokes boxes; looks into tickets.
#[derive(Parser, Debug)]
#[command(name = "provision", version, after_help = EXIT_CODES)]
pub(crate) struct Arguments {
    /// Print JSON for machines.
    #[arg(long, global = true)]
    pub(crate) json: bool,
    /// Language of the texts, and of a new box's or hub's screens. Otherwise that of this host.
    #[arg(long, global = true, value_enum)]
    pub(crate) lang: Option<LangName>,
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(ValueEnum, Clone, Copy, Debug)]
pub(crate) enum LangName {
    Fr,
    En,
}

impl From<LangName> for Lang {
    fn from(name: LangName) -> Self {
        match name {
            LangName::Fr => Self::Fr,
            LangName::En => Self::En,
        }
    }
}

#[derive(Subcommand, Debug)]
pub(crate) enum Command {
    /// The festival and its root.
    #[command(subcommand)]
    Festival(FestivalCommand),
    /// A hub.
    #[command(subcommand)]
    Hub(HubCommand),
    /// A box.
    #[command(subcommand)]
    Box(BoxCommand),
    /// A key that enrols boxes on site, so that the root stays at home.
    #[command(subcommand)]
    EnrolKey(EnrolKeyCommand),
    /// A further key for the hub to sign tickets with.
    #[command(subcommand)]
    TicketKey(TicketKeyCommand),
    /// Further epochs of the bands' keys.
    #[command(subcommand)]
    BandKeys(BandKeysCommand),
    /// Groups of boxes that decide together on the venue's LAN.
    #[command(subcommand)]
    Lan(LanCommand),
    /// People who work at the festival.
    #[command(subcommand)]
    Staff(StaffCommand),
    /// Makes blank chips wristbands, one after the other, with a reader on this host.
    Bands(Bands),
    /// Checks a proof that a box wrote two histories, or a stretch of a journal, without any secret of the festival.
    /// Exit code 0 only where it holds.
    Verify(Verify),
    /// The support desk's magnifying glass.
    #[command(subcommand)]
    Inspect(InspectCommand),
}

#[derive(Subcommand, Debug)]
pub(crate) enum FestivalCommand {
    /// Founds a festival in a new folder: root, spare root, master secret, screens authority.
    New(FestivalNew),
    /// Shows what was enrolled.
    Show {
        /// The festival's folder.
        #[arg(long)]
        dir: PathBuf,
    },
}

#[derive(Args, Debug)]
pub(crate) struct FestivalNew {
    /// The new folder.
    #[arg(long)]
    pub(crate) dir: PathBuf,
    /// Name for people.
    #[arg(long)]
    pub(crate) name: String,
    /// Currency, three letters.
    #[arg(long, default_value = "EUR")]
    pub(crate) currency: String,
}

#[derive(Subcommand, Debug)]
pub(crate) enum HubCommand {
    /// Makes a hub's folder: keys, chains, console token, first settings.
    Enrol(HubEnrol),
}

#[derive(Args, Debug)]
pub(crate) struct HubEnrol {
    /// The festival's folder.
    #[arg(long)]
    pub(crate) festival: PathBuf,
    /// The hub's new folder.
    #[arg(long)]
    pub(crate) out: PathBuf,
    /// Where it listens to boxes, ADDRESS:PORT; port 0 takes a free one.
    #[arg(long, default_value = "127.0.0.1:0")]
    pub(crate) quic: String,
    /// Where its console listens, ADDRESS:PORT; port 0 takes a free one.
    #[arg(long, default_value = "127.0.0.1:0")]
    pub(crate) https: String,
    /// How boxes reach it, HOST:PORT; otherwise the address of --quic.
    #[arg(long)]
    pub(crate) public_quic: Vec<String>,
    /// Further host name or address of its console.
    #[arg(long)]
    pub(crate) name: Vec<String>,
}

#[derive(Subcommand, Debug)]
pub(crate) enum BoxCommand {
    /// Enrols a blank box, or again with --re-enrol.
    Enrol(Box<BoxEnrol>),
    /// Checks a running box (--url) or a box's folder (--dir).
    Check(BoxCheck),
    /// Revokes a box at the hub.
    Revoke(BoxRevoke),
}

#[derive(ValueEnum, Clone, Copy, Debug)]
pub(crate) enum RoleName {
    Gate,
    Bar,
    TopUp,
}

impl From<RoleName> for Role {
    fn from(name: RoleName) -> Self {
        match name {
            RoleName::Gate => Self::Gate,
            RoleName::Bar => Self::Bar,
            RoleName::TopUp => Self::TopUp,
        }
    }
}

#[derive(Args, Debug)]
pub(crate) struct BoxEnrol {
    /// The festival's folder; a copy without the root does, with --with.
    #[arg(long)]
    pub(crate) festival: PathBuf,
    /// The line to the box: unix:PATH, tcp:ADDRESS:PORT (this host only), serial:PATH or stdio (texts then go to standard error).
    #[arg(long)]
    pub(crate) connect: String,
    /// Where it stands, as spoken on a radio.
    #[arg(long)]
    pub(crate) place: String,
    /// What it does there; several are possible.
    #[arg(long, value_enum, required = true)]
    pub(crate) role: Vec<RoleName>,
    /// Zone that its gate opens; 0 is the site.
    #[arg(long, default_value_t = 0, value_parser = clap::value_parser!(u16).range(0..32))]
    pub(crate) zone: u16,
    /// Its gate pairs tickets with wristbands.
    #[arg(long)]
    pub(crate) pairing: bool,
    /// Address of a hub, HOST:PORT, in the order to try; otherwise those of the hubs enrolled here.
    #[arg(long)]
    pub(crate) hub: Vec<String>,
    /// Festival bundle to begin with: `sync-hub bundle` writes it.
    #[arg(long)]
    pub(crate) bundle: PathBuf,
    /// Where it serves its screens, ADDRESS:PORT; port 0 takes a free one.
    #[arg(long, default_value = "127.0.0.1:0")]
    pub(crate) https: String,
    /// Further host name or address of its screens.
    #[arg(long)]
    pub(crate) name: Vec<String>,
    /// Its wristband reader and scanner.
    #[arg(long, default_value = "virtual")]
    pub(crate) reader: String,
    /// What its top-up desk may credit altogether; otherwise 20,000.00, or what the enrol key may give.
    #[arg(long)]
    pub(crate) quota_cents: Option<u64>,
    /// Gives a box that is enrolled already a new number and a new epoch.
    #[arg(long)]
    pub(crate) re_enrol: bool,
    /// Signs with this enrol key instead of the root.
    #[arg(long, value_name = "KEYFILE")]
    pub(crate) with: Option<PathBuf>,
}

#[derive(Args, Debug)]
#[command(group(ArgGroup::new("place").required(true).args(["url", "dir"])))]
pub(crate) struct BoxCheck {
    /// A running box, https://HOST:PORT.
    #[arg(long, requires = "ca")]
    pub(crate) url: Option<String>,
    /// The folder of a box that is off.
    #[arg(long)]
    pub(crate) dir: Option<PathBuf>,
    /// Screen key from its label; without it only its health is asked for.
    #[arg(long, requires = "url")]
    pub(crate) key: Option<String>,
    /// The screens authority: tls/ca.pem of the festival's folder.
    #[arg(long)]
    pub(crate) ca: Option<PathBuf>,
}

#[derive(Args, Debug)]
pub(crate) struct BoxRevoke {
    /// The hub, https://HOST:PORT.
    #[arg(long)]
    pub(crate) hub: String,
    /// File with the console token.
    #[arg(long)]
    pub(crate) token: PathBuf,
    /// The screens authority: tls/ca.pem of the festival's folder.
    #[arg(long)]
    pub(crate) ca: PathBuf,
    /// Number of the box, any of its own.
    #[arg(long)]
    pub(crate) number: u16,
    /// The festival's folder: the box is revoked by who it is, also where the hub has never heard it.
    #[arg(long)]
    pub(crate) festival: Option<PathBuf>,
    /// Why, for the record.
    #[arg(long)]
    pub(crate) reason: String,
}

#[derive(Subcommand, Debug)]
pub(crate) enum EnrolKeyCommand {
    /// Makes an enrol key with box numbers of its own.
    New(EnrolKeyNew),
}

#[derive(Args, Debug)]
pub(crate) struct EnrolKeyNew {
    /// The festival's folder, with the root.
    #[arg(long)]
    pub(crate) festival: PathBuf,
    /// The new key file.
    #[arg(long)]
    pub(crate) out: PathBuf,
    /// Who keeps it.
    #[arg(long)]
    pub(crate) name: String,
    /// Roles it may give; several are possible.
    #[arg(long, value_enum, required = true)]
    pub(crate) role: Vec<RoleName>,
    /// How many boxes it may enrol.
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u16).range(1..))]
    pub(crate) boxes: u16,
    /// Highest quota that it may give to one top-up desk.
    #[arg(long, default_value_t = 0)]
    pub(crate) quota_cents: u64,
}

#[derive(Subcommand, Debug)]
pub(crate) enum TicketKeyCommand {
    /// Makes a ticket key and its chain, two files for the hub's folder ticket-keys/.
    New(TicketKeyNew),
}

#[derive(Args, Debug)]
pub(crate) struct TicketKeyNew {
    /// The festival's folder, with the root.
    #[arg(long)]
    pub(crate) festival: PathBuf,
    /// The new files, without their endings .key and .chain.
    #[arg(long)]
    pub(crate) out: PathBuf,
    /// Unix seconds from which its tickets count; 0: from the start.
    #[arg(long, default_value_t = 0)]
    pub(crate) valid_from: u64,
    /// Unix seconds until which its tickets count; 0: without end.
    #[arg(long, default_value_t = 0)]
    pub(crate) valid_until: u64,
}

#[derive(Subcommand, Debug)]
pub(crate) enum LanCommand {
    /// Writes a group's list into the hub's folder lan/; a list that is there becomes the one before.
    Group(LanGroupNew),
}

#[derive(Args, Debug)]
pub(crate) struct LanGroupNew {
    /// The festival's folder.
    #[arg(long)]
    pub(crate) festival: PathBuf,
    /// The group's file, NAME.cbor in the hub's folder lan/.
    #[arg(long)]
    pub(crate) out: PathBuf,
    /// Number of the group, never reused.
    #[arg(long, value_parser = clap::value_parser!(u16).range(1..))]
    pub(crate) number: u16,
    /// Where its MQTT broker listens, HOST:PORT.
    #[arg(long)]
    pub(crate) broker: String,
    /// Number of a box of the group; several are needed.
    #[arg(long = "box", required = true)]
    pub(crate) boxes: Vec<u16>,
    /// Number of the box that hosts the broker: it breaks ties.
    #[arg(long)]
    pub(crate) host: Option<u16>,
    /// On how many disks an admission stands before the green light: 1 or 2.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u8).range(1..=2))]
    pub(crate) copies: u8,
}

#[derive(Subcommand, Debug)]
pub(crate) enum StaffCommand {
    /// Makes a member of staff with a PIN; a manager also gets a key, sealed under the PIN.
    New(StaffNew),
}

#[derive(ValueEnum, Clone, Copy, Debug)]
pub(crate) enum StaffRoleName {
    Gate,
    Bar,
    TopUp,
    Supervisor,
    Manager,
}

#[derive(Args, Debug)]
pub(crate) struct StaffNew {
    /// The festival's folder; with the root for a manager.
    #[arg(long)]
    pub(crate) festival: PathBuf,
    /// The new file for the hub.
    #[arg(long)]
    pub(crate) out: PathBuf,
    /// Number that this person logs in with.
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) number: u32,
    /// As colleagues say it.
    #[arg(long)]
    pub(crate) name: String,
    /// What this person may do; several are possible.
    #[arg(long, value_enum, required = true)]
    pub(crate) role: Vec<StaffRoleName>,
    /// Zones that the badge opens, as a bit set (bit 0: the site).
    #[arg(long, default_value_t = 1)]
    pub(crate) zones: u32,
    /// File with the PIN, 4 to 12 digits; at least 6 for a manager are wise.
    #[arg(long)]
    pub(crate) pin_file: PathBuf,
}

#[derive(Args, Debug)]
#[command(args_conflicts_with_subcommands = true, arg_required_else_help = true)]
pub(crate) struct Bands {
    #[command(subcommand)]
    pub(crate) command: Option<BandsCommand>,
    #[command(flatten)]
    pub(crate) issue: Option<BandsIssue>,
}

#[derive(Subcommand, Debug)]
pub(crate) enum BandsCommand {
    /// Says what is on a list: bands, spare ones, bad chips by reason.
    Check {
        /// The list.
        #[arg(long)]
        list: PathBuf,
    },
}

#[derive(Subcommand, Debug)]
pub(crate) enum BandKeysCommand {
    /// Makes the next epoch: a master in the festival's folder, and a file for the hub with a sealed copy for each box.
    New(BandKeysFile),
    /// Makes the file of an epoch that is there again, for the boxes that are enrolled now.
    Seal {
        /// Which epoch.
        #[arg(long)]
        epoch: u8,
        #[command(flatten)]
        file: BandKeysFile,
    },
}

#[derive(Args, Debug)]
pub(crate) struct BandKeysFile {
    /// The festival's folder, with its master secrets.
    #[arg(long)]
    pub(crate) festival: PathBuf,
    /// The file, for the hub's folder `band-keys/`.
    #[arg(long)]
    pub(crate) out: PathBuf,
    /// Number of a box that is not to have it, a stolen one for instance; several are possible.
    #[arg(long)]
    pub(crate) without: Vec<u16>,
}

#[derive(ValueEnum, Clone, Copy, Debug)]
pub(crate) enum KindName {
    Any,
    Uid,
    Ntag21x,
    #[value(name = "ultralight_aes")]
    UltralightAes,
}

#[derive(Args, Debug)]
pub(crate) struct BandsIssue {
    /// The festival's folder, with its master secret.
    #[arg(long)]
    pub(crate) festival: PathBuf,
    /// The hub's folder, whose key for online credits signs a band's first record; otherwise `hub` beside the festival's.
    #[arg(long)]
    pub(crate) hub: Option<PathBuf>,
    /// The reader: pcsc, pcsc:NAME, pn532:CONNSTRING or virtual:SOCKET.
    #[arg(long)]
    pub(crate) reader: String,
    /// The list that each chip is written down on (CSV); it is gone on with if it is there.
    #[arg(long)]
    pub(crate) list: PathBuf,
    /// How many bands in this run; otherwise until Ctrl-C.
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) count: Option<u32>,
    /// Which chips are taken.
    #[arg(long, value_enum, default_value_t = KindName::Any)]
    pub(crate) kind: KindName,
    /// Makes bands anew that are on the list, as long as nobody has used them.
    #[arg(long)]
    pub(crate) again: bool,
    /// Which epoch of the bands' keys; otherwise the newest.
    #[arg(long)]
    pub(crate) epoch: Option<u8>,
    /// Lists them as spare bands, for whoever loses his own.
    #[arg(long)]
    pub(crate) spare: bool,
    /// The program that drives the reader; otherwise `edge` beside this one.
    #[arg(long)]
    pub(crate) edge: Option<PathBuf>,
}

#[derive(Args, Debug)]
pub(crate) struct Verify {
    /// The file, as the hub's console hands it out (.fprf), or a segment of a journal.
    pub(crate) file: PathBuf,
    /// The festival's id as you know it from elsewhere, 32 hexadecimal digits.
    #[arg(long)]
    pub(crate) festival_id: Option<String>,
    /// The festival's founding record (founding.cbor); a segment cannot be checked without it.
    #[arg(long)]
    pub(crate) founding: Option<PathBuf>,
    /// A chain to verify a segment with that does not begin at its journal's first entry.
    #[arg(long)]
    pub(crate) chain: Vec<PathBuf>,
}

#[derive(Subcommand, Debug)]
pub(crate) enum InspectCommand {
    /// Says what the text of a ticket's code is, and whether it can be believed.
    Ticket(InspectTicket),
    /// Says what a file is (band dump, journal segment, bundle, certificate, delta, …), what it says, and whether that
    /// can be believed. Secrets are never shown.
    File(InspectFile),
}

#[derive(Args, Debug)]
pub(crate) struct InspectFile {
    /// The file; - reads standard input. Hexadecimal text and the usual band dump texts are understood.
    pub(crate) file: PathBuf,
    /// What it is; otherwise found out.
    #[arg(long = "as", value_name = "KIND", value_parser = parse_kind)]
    pub(crate) kind: Option<Kind>,
    /// The organiser's folder, to verify with.
    #[arg(long)]
    pub(crate) festival: Option<PathBuf>,
    /// A hub's folder, to verify with.
    #[arg(long)]
    pub(crate) hub_dir: Option<PathBuf>,
    /// A festival bundle, to verify with.
    #[arg(long)]
    pub(crate) bundle: Option<PathBuf>,
    /// A chain, or a box's enrolment.cbor, to verify with; several are possible.
    #[arg(long)]
    pub(crate) chain: Vec<PathBuf>,
}

fn parse_kind(name: &str) -> Result<Kind, String> {
    Kind::from_name(name).ok_or_else(|| format!("one of: {}", Kind::ALL.map(Kind::name).join(", ")))
}

#[derive(Args, Debug)]
#[command(group(ArgGroup::new("what").required(true).args(["text", "text_file"])))]
pub(crate) struct InspectTicket {
    /// The text, taken exactly as it is.
    #[arg(long, allow_hyphen_values = true)]
    pub(crate) text: Option<OsString>,
    /// A file with the text; one line end at its end does not count.
    #[arg(long)]
    pub(crate) text_file: Option<PathBuf>,
    /// Public key of a pretix event, as its API shows it (base64); several are possible.
    #[arg(long)]
    pub(crate) pretix_key: Vec<String>,
    /// Festival bundle: its keys, events, products and lists are used too.
    #[arg(long)]
    pub(crate) bundle: Option<PathBuf>,
}
