//! The technician's side of bringing a box into a festival, over any stream of bytes.
//! Invariant: a number is written down before it is offered, and a box counts as enrolled only once its receipt was
//! verified. Not here: the protocol (`sync::enrolment`), the box's side, opening the line (`line`).
use std::io::{Read, Write};

use domain::{
    bundle::Bundle,
    id::{BoxNumber, DeviceId, device_id},
    trust::{Purpose, Scope},
    wire::hex,
};
use sync::{
    FrameReader,
    enrolment::{
        BoxConfig, EnrolError, EnrolFrame, GrantPlan, Offered, Refusal, ScreenTls, Technician, TechnicianStep,
    },
};

use crate::{
    Failure, Festival, Issuer, Lang,
    boxes::{self, BoxRecord, Role, Standing},
    random, tls,
};

/// Most hub addresses that a box holds.
const HUBS_MAX: usize = 16;
/// Longest text of a box that is shown, in characters.
const SHOWN_MAX: usize = 200;

/// What the box shall be.
#[derive(Clone, Debug)]
pub struct BoxPlan {
    /// As spoken on a radio.
    pub place: String,
    /// What it does there.
    pub roles: Vec<Role>,
    /// Zone that its gate opens; 0 is the site.
    pub zone: u16,
    /// Whether its gate pairs tickets with wristbands.
    pub pairs_bands: bool,
    /// Language of its screens at start.
    pub lang: Lang,
    /// Hubs, `HOST:PORT`, in the order to try.
    pub hubs: Vec<String>,
    /// Where it serves its screens, `ADDR:PORT`.
    pub https: String,
    /// Further host names of its screens.
    pub names: Vec<String>,
    /// Its wristband reader and scanner.
    pub reader: String,
    /// What its desk may credit altogether.
    pub quota_cents: u64,
    /// The festival bundle to begin with; a box takes no grant without one.
    pub bundle: Bundle,
    /// Its file, as it was verified.
    pub bundle_bytes: Vec<u8>,
    /// Whether a box that is enrolled already gets a new number and epoch.
    pub re_enrol: bool,
}

/// What is written on the box's label.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Label {
    /// What was recorded.
    pub record: BoxRecord,
    /// What the box says that it is, fit for a terminal.
    pub hardware: String,
    /// Where its screens are served.
    pub https: String,
    /// Opens its screens.
    pub screen_key: String,
    /// Number of the bundle it got.
    pub bundle: u64,
}

impl Label {
    /// Path of its screens, with the key that opens them.
    pub fn path(&self) -> String {
        format!("/?key={}", self.screen_key)
    }
}

impl BoxPlan {
    fn check(&self) -> Result<(), Failure> {
        if self.roles.is_empty() {
            return Err(Failure::NoRole);
        }
        if self.place.is_empty() || self.place.len() > 64 {
            return Err(Failure::Place(self.place.len()));
        }
        match self.hubs.len() {
            0 => return Err(Failure::NoHub),
            1..=HUBS_MAX => {}
            count => return Err(Failure::ManyHubs(count)),
        }
        let bad = |address: &&String| {
            address.rsplit_once(':').is_none_or(|(host, port)| host.is_empty() || port.parse::<u16>().is_err())
        };
        if let Some(address) = self.hubs.iter().find(bad) {
            return Err(Failure::Address(address.clone()));
        }
        self.https.parse::<std::net::SocketAddr>().map_err(|_| Failure::Address(self.https.clone()))?;
        Ok(())
    }

    fn scope(&self, box_numbers: (u16, u16), quota_cents: u64) -> Scope {
        let (roles, kinds) = (boxes::roles(&self.roles), boxes::kinds(&self.roles));
        Scope { place: self.place.clone(), roles, kinds, box_numbers, quota_cents }
    }
}

/// Enrols the box at the other end of `line`; `target` names the line for people, `at` is the time in unix seconds.
pub fn enrol<L: Read + Write>(
    festival: &Festival,
    issuer: &Issuer,
    line: &mut L,
    target: &str,
    plan: &BoxPlan,
    at: u64,
) -> Result<Label, Failure> {
    plan.check()?;
    let mut talk = Talk { line, target, reader: FrameReader::new() };
    let mut technician = Technician::new(festival.founding().clone(), random::bytes()?, plan.re_enrol);
    talk.send(&technician.begin())?;
    let TechnicianStep::Offered(offered) = talk.step(&mut technician)? else {
        return Err(Failure::Protocol("a receipt before any grant".into()));
    };
    let prepared = prepare(festival, issuer, plan, &offered, at);
    let (mut record, grant) = match prepared {
        Ok(prepared) => prepared,
        Err(failure) => {
            // The box must not wait for what does not come; why it fails is told here anyway.
            let _ = talk.send(&EnrolFrame::Refusal(Refusal { text: failure.to_string() }));
            return Err(failure);
        }
    };
    for frame in technician.grant(&grant, issuer.signing_key()).map_err(misunderstood)? {
        if let Err(failure) = talk.send(&frame) {
            return Err(talk.last_word(&mut technician).unwrap_or(failure));
        }
    }
    let TechnicianStep::Enrolled(device) = talk.step(&mut technician)? else {
        return Err(Failure::Protocol("a second offer".into()));
    };
    record.standing = Standing::Enrolled;
    festival.update_box(&record)?;
    replace_older(festival, device, record.numbers)?;
    Ok(Label {
        record,
        hardware: shown(&offered.hardware),
        https: plan.https.clone(),
        screen_key: grant.config.screen_key.clone(),
        bundle: plan.bundle.body.number,
    })
}

/// Checks the box against what is known of it, takes numbers for it and signs what it is allowed.
fn prepare(
    festival: &Festival,
    issuer: &Issuer,
    plan: &BoxPlan,
    offered: &Offered,
    at: u64,
) -> Result<(BoxRecord, GrantPlan), Failure> {
    let device = device_id(&offered.public_key);
    admit_offer(festival, plan, device, offered.epoch)?;
    let desk = plan.roles.contains(&Role::TopUp);
    let quota_cents = if desk { plan.quota_cents } else { 0 };
    let record = festival.claim_box(issuer.numbers(), |numbers| {
        let scope = plan.scope(numbers, quota_cents);
        let issue = |purpose| issuer.issue(festival, purpose, offered.public_key, scope.clone());
        let credit_chain = if desk { Some(hex(&issue(Purpose::Credit)?.to_bytes())) } else { None };
        Ok(BoxRecord {
            numbers,
            place: plan.place.clone(),
            roles: plan.roles.clone(),
            zone: plan.zone,
            standing: Standing::Offered,
            device: device.to_hex(),
            epoch: offered.epoch,
            at,
            chain: hex(&issue(Purpose::Device)?.to_bytes()),
            credit_chain,
            without_band_keys: false,
            revoked: false,
        })
    })?;
    let grant = grant(festival, plan, &record)?;
    Ok((record, grant))
}

fn admit_offer(festival: &Festival, plan: &BoxPlan, device: DeviceId, epoch: u32) -> Result<(), Failure> {
    if let Some(known) = festival.enrolled(device)?.filter(|_| !plan.re_enrol) {
        return Err(Failure::AlreadyEnrolled { number: Some(known.numbers.0), place: Some(known.place) });
    }
    let boxes = festival.boxes()?;
    let confirmed =
        boxes.iter().filter(|record| record.device() == Some(device) && record.standing != Standing::Offered);
    match confirmed.map(|record| record.epoch).max() {
        Some(enrolled) if epoch <= enrolled => Err(Failure::JournalLost { offered: epoch, enrolled }),
        Some(_) | None => Ok(()),
    }
}

fn grant(festival: &Festival, plan: &BoxPlan, record: &BoxRecord) -> Result<GrantPlan, Failure> {
    let internal = || Failure::Internal("a chain just made cannot be read".into());
    let unhex = |text: &String| domain::wire::unhex(text).ok_or_else(internal);
    let hosts: Vec<String> = tls::host_of(&plan.https).into_iter().chain(plan.names.iter().cloned()).collect();
    let leaf = festival.screens_ca()?.issue(&format!("Festival box {}", record.numbers.0), &hosts)?;
    let config = BoxConfig {
        version: 1,
        box_number: BoxNumber(record.numbers.0),
        place: plan.place.clone(),
        roles: boxes::roles(&plan.roles),
        zone: plan.zone,
        language: plan.lang.tag().into(),
        hubs: plan.hubs.clone(),
        pairs_bands: plan.pairs_bands,
        screen: ScreenTls { certificate_pem: leaf.certificate, key_pem: leaf.key.to_string() },
        band: festival.band_secrets()?,
        screen_key: hex(random::secret()?.as_slice()),
        listen_https: plan.https.clone(),
        devices: plan.reader.clone(),
        names: if plan.roles.contains(&Role::Gate) { Some(festival.names_key()?) } else { None },
    };
    Ok(GrantPlan {
        chain: unhex(&record.chain)?,
        further: record.credit_chain.iter().map(unhex).collect::<Result<_, _>>()?,
        config,
        bundle_number: plan.bundle.body.number,
        bundle: plan.bundle_bytes.clone(),
    })
}

fn replace_older(festival: &Festival, device: DeviceId, numbers: (u16, u16)) -> Result<(), Failure> {
    for mut older in festival.boxes()? {
        if older.device() == Some(device) && older.standing == Standing::Enrolled && older.numbers != numbers {
            older.standing = Standing::Replaced;
            festival.update_box(&older)?;
        }
    }
    Ok(())
}

fn misunderstood(error: EnrolError) -> Failure {
    match error {
        EnrolError::Refused(text) => Failure::BoxRefused(shown(&text)),
        EnrolError::AlreadyEnrolled(_) => Failure::AlreadyEnrolled { number: None, place: None },
        other @ (EnrolError::OutOfTurn
        | EnrolError::Version(_)
        | EnrolError::Malformed { .. }
        | EnrolError::Founding
        | EnrolError::OtherFestival(_)
        | EnrolError::WrongFestival
        | EnrolError::Replayed
        | EnrolError::Chain(_)
        | EnrolError::Key
        | EnrolError::BoxNumber(_)
        | EnrolError::Roles
        | EnrolError::Damaged
        | EnrolError::Signature(_)
        | EnrolError::Bundle) => Failure::Protocol(other.to_string()),
    }
}

/// A text of the box without what a terminal would obey.
fn shown(text: &str) -> String {
    text.chars().filter(|letter| !letter.is_control()).take(SHOWN_MAX).collect()
}

/// Frames over a blocking line.
struct Talk<'a, L> {
    line: &'a mut L,
    target: &'a str,
    reader: FrameReader,
}

impl<L: Read + Write> Talk<'_, L> {
    fn broken(&self, reason: impl ToString) -> Failure {
        Failure::Line { target: self.target.into(), reason: reason.to_string() }
    }

    fn send(&mut self, frame: &EnrolFrame) -> Result<(), Failure> {
        let bytes = frame.encode().map_err(|error| Failure::Internal(error.to_string()))?;
        self.line.write_all(&bytes).and_then(|()| self.line.flush()).map_err(|error| self.broken(error))
    }

    fn receive(&mut self) -> Result<EnrolFrame, Failure> {
        let unreadable = |error: sync::FrameError| Failure::Protocol(error.to_string());
        let mut buffer = [0; 4096];
        loop {
            if let Some(raw) = self.reader.next_raw().map_err(unreadable)? {
                return EnrolFrame::from_raw(&raw).map_err(unreadable);
            }
            match self.line.read(&mut buffer) {
                Ok(0) => return Err(self.broken("the box ended it, or said nothing for too long")),
                Ok(read) => self.reader.push(buffer.get(..read).unwrap_or_default()),
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                Err(error) => return Err(self.broken(error)),
            }
        }
    }

    /// Why the box ended it, if it said so before it closed the line.
    fn last_word(&mut self, technician: &mut Technician) -> Option<Failure> {
        self.step(technician).err().filter(|failure| matches!(failure, Failure::BoxRefused(_)))
    }

    fn step(&mut self, technician: &mut Technician) -> Result<TechnicianStep, Failure> {
        let frame = self.receive()?;
        technician.frame(frame).map_err(misunderstood)
    }
}

#[cfg(test)]
mod tests;
