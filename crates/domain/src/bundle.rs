//! The signed festival bundle: everything a box must know before doors, in one file.
//! Invariant: read only after its signature was verified over the raw bytes; a box never goes back to an older number.
//! Not here: state that changes by the minute (`sync::delta`), secrets (`secrets`, delivered at enrolment).
//!
//! File: magic `FBUN` · version u8 = 1 · body length u32 LE · body · chain length u32 LE · chain · signature 64.
//! The body is a canonical CBOR array; the signature (`SignatureTag::Bundle`) covers it; the chain is that of the
//! `Bundle` key that signs.
use alloc::{string::String, vec::Vec};

use ed25519_dalek::{SigningKey, VerifyingKey};
use thiserror::Error;

mod blob;
mod package;

pub use blob::{
    AccountRule, BLOB_MAX, BlobRef, SECTION_ACCOUNTS, SECTION_BAND_KEYS, SECTION_LAN, SECTION_NAMES,
    SECTION_RETIRED_EPOCHS, SECTION_RETIRED_KEYS, SECTION_TICKETS, WrongBlob,
};
pub use package::{NamedBlobs, PACKAGE_MAX, Package, PackageError};

use crate::{
    id::{BoxNumber, FestivalId, TicketUid},
    money::{Cents, Currency},
    ticket::{PretixEvent, TicketKey, Verifier, pretix_sig1::PretixKey},
    trust::{CertificateChain, ChainError, Founding, FoundingError, Purpose, SignatureTag, sign, verify},
    wire::{Malformed, Reader, Writer, from_canonical_cbor, to_cbor},
};

const MAGIC: &[u8; 4] = b"FBUN";
/// Longest bundle file; a longer one is refused before it is looked at.
pub const BUNDLE_MAX: usize = 32 << 20;

/// What a festival has decided.
#[derive(Clone, Debug, PartialEq, Eq, minicbor::Encode, minicbor::Decode)]
#[cbor(array)]
pub struct Policy {
    /// Most that a wristband may hold.
    #[n(0)]
    pub maximum_balance: Cents,
    /// Most that one island may take from one band that can be copied (an account, or a purse in mere memory) before it has
    /// heard from the hub again.
    #[n(1)]
    pub offline_limit: Cents,
    /// Deposit for one cup.
    #[n(2)]
    pub cup_deposit: Cents,
    /// A clock that may be off by more than this many seconds is too uncertain for a validity window.
    #[n(3)]
    pub time_uncertainty_s: u32,
    /// Then: `true` admit and mark, `false` ask a supervisor.
    #[n(4)]
    pub admit_when_time_uncertain: bool,
    /// Knowledge of tickets older than this many seconds is stale; 0: never.
    #[n(5)]
    pub stale_after_s: u32,
    /// Then: `true` admit and mark, `false` ask a supervisor.
    #[n(6)]
    pub admit_when_stale: bool,
    /// Most that one person may correct, void or give away in one shift; above it a supervisor's PIN is asked.
    #[n(7)]
    pub correction_quota: Cents,
    /// Kept from each top-up's cash.
    #[n(8)]
    pub top_up_fee: Cents,
}

/// A ticket category of our own tickets.
#[derive(Clone, Debug, PartialEq, Eq, minicbor::Encode, minicbor::Decode)]
#[cbor(array)]
pub struct Category {
    /// Number in tickets.
    #[n(0)]
    pub number: u16,
    /// Name in French.
    #[n(1)]
    pub name_fr: String,
    /// Name in English.
    #[n(2)]
    pub name_en: String,
    /// Price when sold by us.
    #[n(3)]
    pub price: Cents,
    /// Zones it opens, as a bit set (bit 0: the site).
    #[n(4)]
    pub zones: u32,
    /// Not a ticket that lets in but a voucher for this product of the catalogue.
    #[n(5)]
    pub voucher_product: Option<u32>,
    /// For how many of it.
    #[n(6)]
    pub voucher_quantity: u32,
}

/// A product of an imported pretix event that opens the gate.
#[derive(Clone, Debug, PartialEq, Eq, minicbor::Encode, minicbor::Decode)]
#[cbor(array)]
pub struct PretixProduct {
    /// Imported event.
    #[n(0)]
    pub event: u16,
    /// pretix item.
    #[n(1)]
    pub item: u64,
    /// Name.
    #[n(2)]
    pub name: String,
    /// Zones it opens, as a bit set; 0: an add-on that opens nothing.
    #[n(3)]
    pub zones: u32,
}

/// An event imported from pretix.
#[derive(Clone, Debug, PartialEq, Eq, minicbor::Encode, minicbor::Decode)]
#[cbor(array)]
pub struct ImportedEvent {
    /// Our number for it.
    #[n(0)]
    pub index: u16,
    /// Its slug.
    #[n(1)]
    pub slug: String,
    /// Its `pretix_sig1` public keys, 32 bytes each.
    #[cbor(n(2))]
    pub keys: Vec<RawKey>,
}

/// An Ed25519 public key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, minicbor::Encode, minicbor::Decode)]
#[cbor(transparent)]
pub struct RawKey(#[cbor(n(0), with = "minicbor::bytes")] pub [u8; 32]);

/// A product of the catalogue.
#[derive(Clone, Debug, PartialEq, Eq, minicbor::Encode, minicbor::Decode)]
#[cbor(array)]
pub struct Product {
    /// Number in sale lines.
    #[n(0)]
    pub number: u32,
    /// Name in French.
    #[n(1)]
    pub name_fr: String,
    /// Name in English.
    #[n(2)]
    pub name_en: String,
    /// Group on the till's grid.
    #[n(3)]
    pub group: String,
    /// Price without deposit.
    #[n(4)]
    pub price: Cents,
    /// Whether it goes out in a deposit cup.
    #[n(5)]
    pub in_cup: bool,
}

/// Where a box stands.
#[derive(Clone, Debug, PartialEq, Eq, minicbor::Encode, minicbor::Decode)]
#[cbor(array)]
pub struct Place {
    /// The box's number.
    #[n(0)]
    pub box_number: BoxNumber,
    /// As spoken on a radio.
    #[n(1)]
    pub name: String,
}

/// What the bundle says. Ticket revocations and blocks are identities (`TicketUid`), 16 bytes each.
#[derive(Clone, Debug, PartialEq, Eq, minicbor::Encode, minicbor::Decode)]
#[cbor(array)]
pub struct BundleBody {
    /// 1.
    #[n(0)]
    pub version: u8,
    /// Founding record, canonical bytes.
    #[cbor(n(1), with = "minicbor::bytes")]
    pub founding: Vec<u8>,
    /// Number, only ever rising.
    #[n(2)]
    pub number: u64,
    /// Unix seconds when it was signed.
    #[n(3)]
    pub issued: u64,
    /// Decisions.
    #[n(4)]
    pub policy: Policy,
    /// Chains of the ticket keys in use and of the next ones.
    #[n(5)]
    pub ticket_keys: Vec<CertificateChain>,
    /// Chains of the credit keys, desks' and hub's, spare ones too.
    #[n(6)]
    pub credit_keys: Vec<CertificateChain>,
    /// Categories of our own tickets.
    #[n(7)]
    pub categories: Vec<Category>,
    /// Imported events.
    #[n(8)]
    pub events: Vec<ImportedEvent>,
    /// Their products.
    #[n(9)]
    pub products: Vec<PretixProduct>,
    /// Revision of the price list below.
    #[n(10)]
    pub price_revision: u32,
    /// Catalogue.
    #[n(11)]
    pub catalogue: Vec<Product>,
    /// Tickets that were revoked when it was signed, sorted.
    #[n(12)]
    pub revoked: Vec<TicketUid>,
    /// Tickets that were blocked when it was signed, sorted.
    #[n(13)]
    pub blocked: Vec<TicketUid>,
    /// Names of the places, for "first scanned at".
    #[n(14)]
    pub places: Vec<Place>,
    /// Typed sections: 1 names the blob of the encrypted names, 2 that of the ticket snapshot ([`BlobRef`]), 3 lists
    /// keys that count no more, 4 the groups on the venue's LANs, 5 later epochs' band keys, 6 epochs that are refused,
    /// 7 the rule for accounts. Others are kept as they are.
    #[n(15)]
    pub sections: Vec<BundleSection>,
}

/// A typed section; one that is not known is kept.
#[derive(Clone, Debug, PartialEq, Eq, minicbor::Encode, minicbor::Decode)]
#[cbor(array)]
pub struct BundleSection {
    /// What it is.
    #[n(0)]
    pub number: u16,
    /// Its bytes.
    #[cbor(n(1), with = "minicbor::bytes")]
    pub bytes: Vec<u8>,
}

/// A verified bundle.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bundle {
    /// The festival.
    pub festival: FestivalId,
    /// Its founding record.
    pub founding: Founding,
    /// The `Purpose::Bundle` key that signed it, and that may sign state deltas.
    pub signer: [u8; 32],
    /// What it says.
    pub body: BundleBody,
}

/// A bundle that is not taken.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum BundleError {
    /// Longer than [`BUNDLE_MAX`].
    #[error("a bundle has at most {BUNDLE_MAX} bytes, this one has {0}")]
    TooLong(usize),
    /// Not of the layout.
    #[error("not a bundle: {0}")]
    Malformed(#[from] Malformed),
    /// Newer than this software.
    #[error("bundle of version {0}, this software knows 1")]
    Version(u8),
    /// Its founding record is not one.
    #[error(transparent)]
    Founding(#[from] FoundingError),
    /// Another festival's.
    #[error("bundle of festival {found}, this box belongs to {wanted}")]
    Festival {
        /// In the bundle.
        found: FestivalId,
        /// Expected.
        wanted: FestivalId,
    },
    /// Its signer has no right to sign bundles.
    #[error("the bundle's signer: {0}")]
    Chain(#[from] ChainError),
    /// The signature does not hold.
    #[error("the bundle's signature does not hold")]
    Signature,
    /// Older than what the box already verified.
    #[error("bundle {found} is older than bundle {held}, which this box already has; it keeps the newer one")]
    Older {
        /// Offered.
        found: u64,
        /// Held.
        held: u64,
    },
    /// A certificate in it is not one, or is for something else.
    #[error("a key in the bundle: {0}")]
    Key(ChainError),
}

impl BundleBody {
    /// Signs; `chain` is that of `key`, for `Purpose::Bundle`.
    pub fn sign(&self, festival: &FestivalId, key: &SigningKey, chain: &CertificateChain) -> Vec<u8> {
        let body = to_cbor(self);
        let signature = sign(key, SignatureTag::Bundle, festival, &[&body]);
        let chain = chain.to_bytes();
        let mut out = Writer::new();
        out.bytes(MAGIC);
        out.u8(1);
        out.u32(u32::try_from(body.len()).unwrap_or(u32::MAX));
        out.bytes(&body);
        out.u32(u32::try_from(chain.len()).unwrap_or(u32::MAX));
        out.bytes(&chain);
        out.bytes(&signature);
        out.finish()
    }
}

impl Bundle {
    /// Verifies a bundle file. `wanted` is the festival that the reader belongs to; without one the bundle's own
    /// founding record is taken, as a technician's tool does for a file it was handed.
    pub fn verify(bytes: &[u8], wanted: Option<FestivalId>) -> Result<Self, BundleError> {
        if bytes.len() > BUNDLE_MAX {
            return Err(BundleError::TooLong(bytes.len()));
        }
        let mut input = Reader::new(bytes);
        if input.take(4)? != MAGIC {
            return Err(Malformed::Value("magic").into());
        }
        match input.u8()? {
            1 => {}
            other => return Err(BundleError::Version(other)),
        }
        let length = input.u32()? as usize;
        let raw = input.take(length)?;
        let length = input.u32()? as usize;
        let chain = CertificateChain::from_bytes(input.take(length)?)?;
        let signature = input.array()?;
        input.end()?;

        let body: BundleBody = from_canonical_cbor(raw)?;
        if body.version != 1 {
            return Err(BundleError::Version(body.version));
        }
        body.check_sections()?;
        let founding = Founding::from_bytes(&body.founding)?;
        let festival = founding.festival();
        if let Some(wanted) = wanted.filter(|wanted| *wanted != festival) {
            return Err(BundleError::Festival { found: festival, wanted });
        }
        let signer = chain.verify_for(&founding, Purpose::Bundle)?;
        verify(&signer.subject, SignatureTag::Bundle, &festival, &[raw], &signature)
            .map_err(|_| BundleError::Signature)?;
        for chain in &body.ticket_keys {
            chain.verify_for(&founding, Purpose::Ticket).map_err(BundleError::Key)?;
        }
        for chain in &body.credit_keys {
            let certificate = chain.verify(&founding).map_err(BundleError::Key)?;
            if !matches!(certificate.purpose, Purpose::Credit | Purpose::CreditOnline) {
                let (found, wanted) = (certificate.purpose, Purpose::Credit);
                return Err(BundleError::Key(ChainError::Purpose { found, wanted }));
            }
        }
        Ok(Self { festival, founding, signer: signer.subject, body })
    }

    /// As [`Self::verify`], for a box that already holds bundle `held`.
    pub fn verify_newer(bytes: &[u8], wanted: FestivalId, held: Option<u64>) -> Result<Self, BundleError> {
        let bundle = Self::verify(bytes, Some(wanted))?;
        match held {
            Some(held) if bundle.body.number < held => Err(BundleError::Older { found: bundle.body.number, held }),
            _ => Ok(bundle),
        }
    }

    /// Currency of every amount.
    pub fn currency(&self) -> Currency {
        self.founding.currency
    }

    /// What reads and verifies a ticket's text at this festival. `revoked` names ticket keys revoked since.
    pub fn verifier(&self, revoked: &[[u8; 32]]) -> Verifier {
        let retired = self.retired_keys();
        let certificates = self.body.ticket_keys.iter().filter_map(|chain| chain.verify(&self.founding).ok());
        let ticket_keys = certificates.filter_map(|certificate| {
            let key = TicketKey::new(VerifyingKey::from_bytes(&certificate.subject).ok()?);
            let bound = |unix_s: u64| Some(unix_s).filter(|s| *s != 0);
            Some(TicketKey {
                valid_from: bound(certificate.valid_from),
                valid_until: bound(certificate.valid_until),
                revoked: revoked.contains(&certificate.subject) || retired.contains(&certificate.subject),
                ..key
            })
        });
        Verifier { festival: self.festival, ticket_keys: ticket_keys.collect(), pretix_events: self.pretix_events() }
    }

    fn pretix_events(&self) -> Vec<PretixEvent> {
        let read = |event: &ImportedEvent| PretixEvent {
            index: event.index,
            keys: event.keys.iter().filter_map(|key| PretixKey::from_bytes(&key.0).ok()).collect(),
        };
        self.body.events.iter().map(read).collect()
    }

    /// Zones that one of our categories opens.
    pub fn category(&self, number: u16) -> Option<&Category> {
        self.body.categories.iter().find(|category| category.number == number)
    }

    /// Name of the place where box `number` stands; its number while the bundle does not know it yet.
    pub fn place(&self, number: BoxNumber) -> String {
        let known = self.body.places.iter().find(|place| place.box_number == number);
        known.map_or_else(|| alloc::format!("#{}", number.0), |place| place.name.clone())
    }

    /// The product of the catalogue with this number.
    pub fn product(&self, number: u32) -> Option<&Product> {
        self.body.catalogue.iter().find(|product| product.number == number)
    }

    /// The pretix product, if it was imported.
    pub fn pretix_product(&self, event: u16, item: u64) -> Option<&PretixProduct> {
        self.body.products.iter().find(|product| product.event == event && product.item == item)
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::trust::{Certificate, Scope, SignedCertificate};

    fn key(n: u8) -> SigningKey {
        SigningKey::from_bytes(&[n; 32])
    }

    fn founding() -> Founding {
        Founding {
            version: 1,
            root: key(1).verifying_key().to_bytes(),
            spare_root_hash: [0; 32],
            name: "Test".into(),
            currency: Currency::EUR,
            founded: 0,
        }
    }

    fn chain(purpose: Purpose, subject: &SigningKey, root: &SigningKey) -> CertificateChain {
        let certificate = Certificate {
            version: 1,
            festival: founding().festival(),
            purpose,
            subject: subject.verifying_key().to_bytes(),
            issuer: [0; 32],
            serial: [0; 16],
            valid_from: 0,
            valid_until: 0,
            scope: Scope::nothing("hub"),
        };
        CertificateChain(alloc::vec![SignedCertificate::issue(certificate, root)])
    }

    fn cents(n: u32) -> Cents {
        Cents::new(n).unwrap()
    }

    /// A small festival, for the tests of the rules that read a bundle.
    pub(crate) fn body(number: u64) -> BundleBody {
        BundleBody {
            version: 1,
            founding: founding().to_bytes(),
            number,
            issued: 1_800_000_000,
            policy: Policy {
                maximum_balance: cents(30_000),
                offline_limit: cents(5_000),
                cup_deposit: cents(100),
                time_uncertainty_s: 300,
                admit_when_time_uncertain: false,
                stale_after_s: 3_600,
                admit_when_stale: true,
                correction_quota: cents(5_000),
                top_up_fee: Cents::ZERO,
            },
            ticket_keys: alloc::vec![chain(Purpose::Ticket, &key(3), &key(1))],
            credit_keys: alloc::vec![chain(Purpose::Credit, &key(4), &key(1))],
            categories: alloc::vec![Category {
                number: 1,
                name_fr: "Festival entier".into(),
                name_en: "Full festival".into(),
                price: cents(12_000),
                zones: 1,
                voucher_product: None,
                voucher_quantity: 0,
            }],
            events: alloc::vec![],
            products: alloc::vec![PretixProduct { event: 1, item: 4, name: "Camping".into(), zones: 0 }],
            price_revision: 7,
            catalogue: alloc::vec![
                Product {
                    number: 1,
                    name_fr: "Bière".into(),
                    name_en: "Beer".into(),
                    group: "drinks".into(),
                    price: cents(350),
                    in_cup: true,
                },
                Product {
                    number: 2,
                    name_fr: "Frites".into(),
                    name_en: "Chips".into(),
                    group: "food".into(),
                    price: cents(400),
                    in_cup: false,
                },
            ],
            revoked: alloc::vec![],
            blocked: alloc::vec![],
            places: alloc::vec![],
            sections: alloc::vec![BundleSection { number: 900, bytes: alloc::vec![1, 2] }],
        }
    }

    fn signed(number: u64) -> Vec<u8> {
        sign_body(&body(number))
    }

    /// A body as the hub of these tests signs it.
    pub(crate) fn sign_body(body: &BundleBody) -> Vec<u8> {
        body.sign(&founding().festival(), &key(2), &chain(Purpose::Bundle, &key(2), &key(1)))
    }

    /// [`body`], as a box holds it.
    pub(crate) fn bundle() -> Bundle {
        Bundle::verify(&signed(1), None).unwrap()
    }

    #[test]
    fn a_bundle_reads_back_with_sections_it_does_not_know() {
        let bundle = Bundle::verify(&signed(3), Some(founding().festival())).unwrap();
        assert_eq!(bundle.body, body(3));
    }

    #[test]
    fn an_older_bundle_is_refused_and_the_newer_kept() {
        let festival = founding().festival();
        assert_eq!(Bundle::verify_newer(&signed(3), festival, Some(4)), Err(BundleError::Older { found: 3, held: 4 }));
        assert!(Bundle::verify_newer(&signed(4), festival, Some(4)).is_ok());
    }

    #[test]
    fn a_bundle_of_another_festival_is_refused() {
        let wanted = FestivalId([9; 16]);
        let found = founding().festival();
        assert_eq!(Bundle::verify(&signed(1), Some(wanted)), Err(BundleError::Festival { found, wanted }));
    }

    #[test]
    fn a_bundle_signed_by_a_ticket_key_is_refused() {
        let bytes = body(1).sign(&founding().festival(), &key(3), &chain(Purpose::Ticket, &key(3), &key(1)));
        assert!(matches!(Bundle::verify(&bytes, None), Err(BundleError::Chain(ChainError::Purpose { .. }))));
    }

    #[test]
    fn a_bundle_with_any_changed_byte_is_refused() {
        let bytes = signed(1);
        for at in 0..bytes.len() {
            let mut changed = bytes.clone();
            changed[at] ^= 1;
            assert!(Bundle::verify(&changed, None).is_err(), "byte {at}");
        }
        for cut in 0..bytes.len() {
            assert!(Bundle::verify(&bytes[..cut], None).is_err(), "cut at {cut}");
        }
    }

    #[test]
    fn a_bundle_whose_ticket_key_the_root_never_signed_is_refused() {
        let mut body = body(1);
        body.ticket_keys = alloc::vec![chain(Purpose::Ticket, &key(3), &key(8))];
        let bytes = body.sign(&founding().festival(), &key(2), &chain(Purpose::Bundle, &key(2), &key(1)));
        assert!(matches!(Bundle::verify(&bytes, None), Err(BundleError::Key(_))));
    }
}
