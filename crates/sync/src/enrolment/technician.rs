//! The tool's end of an enrolment.
use super::{
    Begin, BoxConfig, BundlePart, ByteVec, EnrolError, EnrolFrame, Founding, Grant, GrantBody, Offer, PROTOCOL,
    SignatureTag, SigningKey, device_certificate, device_id, offer_signature_parts, sign, to_cbor, verify,
};
use crate::frame::BUNDLE_PART;
use domain::id::DeviceId;

/// A box that showed its key and proved that it holds it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Offered {
    /// Its key: certify this.
    pub public_key: [u8; 32],
    /// The epoch that it will write; more than 0 where it was enrolled before.
    pub epoch: u32,
    /// Model and serial number, for people.
    pub hardware: String,
}

/// What the technician's machine came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TechnicianStep {
    /// The box is ready: certify its key and call [`Technician::grant`].
    Offered(Offered),
    /// The box has stored everything.
    Enrolled(DeviceId),
}

/// What is granted to the box that made the offer.
#[derive(Clone, Debug)]
pub struct GrantPlan {
    /// Its certificate chain; the leaf is for the offered key.
    pub chain: Vec<u8>,
    /// Chains of further keys.
    pub further: Vec<Vec<u8>>,
    /// What it is and does.
    pub config: BoxConfig,
    /// Number of the bundle.
    pub bundle_number: u64,
    /// The festival bundle, as it is signed.
    pub bundle: Vec<u8>,
}

#[derive(Clone, Debug)]
enum State {
    AwaitingOffer,
    Offered(Offer),
    AwaitingReceipt { public_key: [u8; 32], grant: [u8; 32] },
    Done,
}

/// The state machine.
#[derive(Clone, Debug)]
pub struct Technician {
    founding: Founding,
    nonce: [u8; 32],
    re_enrol: bool,
    state: State,
}

impl Technician {
    /// An attempt; `nonce` is random and used once.
    pub fn new(founding: Founding, nonce: [u8; 32], re_enrol: bool) -> Self {
        Self { founding, nonce, re_enrol, state: State::AwaitingOffer }
    }

    /// What to send first.
    pub fn begin(&self) -> EnrolFrame {
        EnrolFrame::Begin(Begin {
            version: PROTOCOL,
            founding: self.founding.to_bytes(),
            nonce: self.nonce,
            re_enrol: self.re_enrol,
        })
    }

    /// A frame of the box.
    pub fn frame(&mut self, frame: EnrolFrame) -> Result<TechnicianStep, EnrolError> {
        match (self.state.clone(), frame) {
            (_, EnrolFrame::Refusal(refusal)) => Err(EnrolError::Refused(refusal.text)),
            (State::AwaitingOffer, EnrolFrame::Offer(offer)) => {
                let epoch = offer.epoch.to_le_bytes();
                verify(
                    &offer.public_key,
                    SignatureTag::EnrolOffer,
                    &self.founding.festival(),
                    &offer_signature_parts(&self.nonce, &offer, &epoch),
                    &offer.signature,
                )
                .map_err(|_| EnrolError::Signature("offer"))?;
                let offered =
                    Offered { public_key: offer.public_key, epoch: offer.epoch, hardware: offer.hardware.clone() };
                self.state = State::Offered(offer);
                Ok(TechnicianStep::Offered(offered))
            }
            (State::AwaitingReceipt { public_key, grant }, EnrolFrame::Receipt(receipt)) => {
                verify(
                    &public_key,
                    SignatureTag::EnrolReceipt,
                    &self.founding.festival(),
                    &[&grant],
                    &receipt.signature,
                )
                .map_err(|_| EnrolError::Signature("receipt"))?;
                self.state = State::Done;
                Ok(TechnicianStep::Enrolled(device_id(&public_key)))
            }
            (State::AwaitingOffer | State::Offered(_) | State::AwaitingReceipt { .. } | State::Done, _) => {
                Err(EnrolError::OutOfTurn)
            }
        }
    }

    /// Grants `plan` to the box that made the offer, signed by the key that issued its certificate. Send all of it.
    pub fn grant(&mut self, plan: &GrantPlan, issuer: &SigningKey) -> Result<Vec<EnrolFrame>, EnrolError> {
        let State::Offered(offer) = self.state.clone() else { return Err(EnrolError::OutOfTurn) };
        let certificate = device_certificate(&plan.chain, &self.founding, &offer.public_key)?;
        if certificate.issuer != issuer.verifying_key().to_bytes() {
            return Err(EnrolError::Signature("grant"));
        }
        plan.config.check(&certificate)?;
        let festival = self.founding.festival();
        let body = to_cbor(&GrantBody {
            festival,
            public_key: offer.public_key,
            nonce: offer.nonce,
            epoch: offer.epoch,
            chain: plan.chain.clone(),
            further: plan.further.iter().cloned().map(ByteVec::from).collect(),
            config: plan.config.to_bytes(),
            bundle_hash: *blake3::hash(&plan.bundle).as_bytes(),
        });
        let total = u32::try_from(plan.bundle.len()).map_err(|_| EnrolError::Bundle)?;
        let mut frames = Vec::new();
        let mut offset = 0u32;
        for piece in plan.bundle.chunks(BUNDLE_PART) {
            frames.push(EnrolFrame::Bundle(BundlePart {
                number: plan.bundle_number,
                offset,
                total,
                bytes: piece.to_vec(),
            }));
            offset = offset.saturating_add(u32::try_from(piece.len()).unwrap_or(u32::MAX));
        }
        let signature = sign(issuer, SignatureTag::EnrolGrant, &festival, &[&body]);
        self.state = State::AwaitingReceipt { public_key: offer.public_key, grant: *blake3::hash(&body).as_bytes() };
        frames.push(EnrolFrame::Grant(Grant { body, signature }));
        Ok(frames)
    }
}
