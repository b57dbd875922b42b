//! The box's end of an enrolment.
use super::{
    Begin, BoxConfig, BundlePart, EnrolError, EnrolFrame, Enrolled, FestivalId, Founding, Grant, GrantBody, Offer,
    PROTOCOL, Receipt, SignatureTag, SigningKey, device_certificate, from_canonical_cbor, offer_signature_parts, sign,
    verify,
};
use domain::bundle::PACKAGE_MAX;

/// What the box does next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BlankStep {
    /// Send it.
    Send(EnrolFrame),
    /// Store both in one go, then send what [`BlankBox::stored`] gives.
    Store {
        /// Its identity.
        enrolled: Box<Enrolled>,
        /// Festival bundle or package; nothing of it is verified here.
        bundle: Vec<u8>,
    },
    /// Nothing yet.
    Wait,
}

#[derive(Clone, Debug)]
enum State {
    Blank,
    Offered { founding: Founding, epoch: u32, bundle: Vec<u8> },
    Storing { festival: FestivalId, grant: [u8; 32] },
    Done,
}

/// The state machine.
#[derive(Clone, Debug)]
pub struct BlankBox {
    enrolled: Option<(FestivalId, u32)>,
    hardware: String,
    nonce: [u8; 32],
    state: State,
}

impl BlankBox {
    /// A box that waits for a technician. `enrolled` is the festival it belongs to and the last epoch it wrote;
    /// `nonce` is random and used for one attempt.
    pub fn new(enrolled: Option<(FestivalId, u32)>, hardware: String, nonce: [u8; 32]) -> Self {
        Self { enrolled, hardware, nonce, state: State::Blank }
    }

    /// A frame of the tool. After an error the attempt is over.
    pub fn frame(&mut self, frame: EnrolFrame, key: &SigningKey) -> Result<BlankStep, EnrolError> {
        match (std::mem::replace(&mut self.state, State::Done), frame) {
            (_, EnrolFrame::Refusal(refusal)) => Err(EnrolError::Refused(refusal.text)),
            (State::Blank, EnrolFrame::Begin(begin)) => self.begun(&begin, key),
            (State::Offered { founding, epoch, mut bundle }, EnrolFrame::Bundle(part)) => {
                take_part(&mut bundle, &part)?;
                self.state = State::Offered { founding, epoch, bundle };
                Ok(BlankStep::Wait)
            }
            (State::Offered { founding, epoch, bundle }, EnrolFrame::Grant(grant)) => {
                self.granted(&grant, &founding, epoch, bundle, &key.verifying_key().to_bytes())
            }
            (State::Blank | State::Offered { .. } | State::Storing { .. } | State::Done, _) => {
                Err(EnrolError::OutOfTurn)
            }
        }
    }

    /// What was given with [`BlankStep::Store`] is on disk: the receipt to send.
    pub fn stored(&mut self, key: &SigningKey) -> Result<EnrolFrame, EnrolError> {
        let State::Storing { festival, grant } = self.state else { return Err(EnrolError::OutOfTurn) };
        self.state = State::Done;
        Ok(EnrolFrame::Receipt(Receipt { signature: sign(key, SignatureTag::EnrolReceipt, &festival, &[&grant]) }))
    }

    fn begun(&mut self, begin: &Begin, key: &SigningKey) -> Result<BlankStep, EnrolError> {
        if begin.version != PROTOCOL {
            return Err(EnrolError::Version(begin.version));
        }
        let founding = Founding::from_bytes(&begin.founding).map_err(|_| EnrolError::Founding)?;
        let festival = founding.festival();
        let epoch = match self.enrolled {
            None => 0,
            Some((mine, _)) if mine != festival => return Err(EnrolError::OtherFestival(mine)),
            Some((mine, _)) if !begin.re_enrol => return Err(EnrolError::AlreadyEnrolled(mine)),
            Some((_, epoch)) => epoch.saturating_add(1),
        };
        let mut offer = Offer {
            public_key: key.verifying_key().to_bytes(),
            nonce: self.nonce,
            epoch,
            hardware: self.hardware.clone(),
            signature: [0; 64],
        };
        let parts = epoch.to_le_bytes();
        offer.signature =
            sign(key, SignatureTag::EnrolOffer, &festival, &offer_signature_parts(&begin.nonce, &offer, &parts));
        self.state = State::Offered { founding, epoch, bundle: Vec::new() };
        Ok(BlankStep::Send(EnrolFrame::Offer(offer)))
    }

    fn granted(
        &mut self,
        grant: &Grant,
        founding: &Founding,
        epoch: u32,
        bundle: Vec<u8>,
        public_key: &[u8; 32],
    ) -> Result<BlankStep, EnrolError> {
        let festival = founding.festival();
        let body: GrantBody =
            from_canonical_cbor(&grant.body).map_err(|reason| EnrolError::Malformed { field: "grant", reason })?;
        if body.festival != festival {
            return Err(EnrolError::WrongFestival);
        }
        if body.nonce != self.nonce || body.public_key != *public_key || body.epoch != epoch {
            return Err(EnrolError::Replayed);
        }
        let certificate = device_certificate(&body.chain, founding, public_key)?;
        verify(&certificate.issuer, SignatureTag::EnrolGrant, &festival, &[&grant.body], &grant.signature)
            .map_err(|_| EnrolError::Signature("grant"))?;
        if *blake3::hash(&bundle).as_bytes() != body.bundle_hash {
            return Err(EnrolError::Bundle);
        }
        let config = BoxConfig::from_bytes(&body.config)
            .map_err(|reason| EnrolError::Malformed { field: "configuration", reason })?;
        let enrolled = Enrolled {
            version: 1,
            founding: founding.to_bytes(),
            epoch,
            chain: body.chain,
            further: body.further,
            config,
        };
        enrolled.check(public_key)?;
        self.state = State::Storing { festival, grant: *blake3::hash(&grant.body).as_bytes() };
        Ok(BlankStep::Store { enrolled: Box::new(enrolled), bundle })
    }
}

fn take_part(bundle: &mut Vec<u8>, part: &BundlePart) -> Result<(), EnrolError> {
    let at = usize::try_from(part.offset).unwrap_or(usize::MAX);
    if at != bundle.len() || at.saturating_add(part.bytes.len()) as u64 > PACKAGE_MAX {
        return Err(EnrolError::Bundle);
    }
    bundle.extend_from_slice(&part.bytes);
    Ok(())
}
