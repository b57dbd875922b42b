//! Deciding about a matter: an entry of the hub's own journal, beside the entries that do what was decided.
//! Invariant: nothing is edited; whoever decides is named (`deciders`), with a reason, and has seen what holds; a ruling
//! replaces the earlier ones of its sort that it knew of, and does what it says in one commit wherever that is the hub's
//! own doing.
use domain::{
    id::{DeviceId, EntryRef},
    journal::{
        Block, BlockedKind, Countersignature, Detail, Effect, Entry, Kind, PreviousHead, Revocation, Ruling,
        RulingAction,
    },
    ledger::{MatterId, Ruled, RulingSort, unlifted},
    money::Cents,
    wire::unhex,
};
use screens::view::{MatterSeen, MatterView};

use super::{By, Found, UNDO, actions, deciders::Signed, seen};
use crate::{
    hub::{Hub, HubError},
    journal::RULED,
    leaving::Way,
    store::BarReason,
};

/// What somebody decides.
#[derive(Clone, Debug)]
pub struct Asked {
    /// What.
    pub action: RulingAction,
    /// Takes back what that action booked here, all of it.
    pub undo: bool,
    /// Who.
    pub by: By,
    /// Why.
    pub reason: String,
    /// How much of it, for money; all where nothing is said.
    pub amount: Option<Cents>,
    /// Which branch, by the hash of its head, for a fork.
    pub head: String,
    /// What the matter showed when this was asked.
    pub seen: MatterSeen,
    /// Pays out although boxes that have not been heard may still sell to the band.
    pub accept_risk: bool,
}

/// What became of it.
#[derive(Clone, Debug)]
pub struct Resolved {
    /// The matter as it is now.
    pub matter: MatterView,
    /// Whether the next bundle says something else.
    pub bundle: bool,
}

impl Asked {
    /// An action by its word, and whether it is undone.
    pub fn named(word: &str) -> Option<(RulingAction, bool)> {
        match word.strip_prefix(UNDO) {
            Some(undone) => {
                RulingAction::from_code(undone).filter(|action| RulingSort::of(*action).is_money()).map(|it| (it, true))
            }
            None => RulingAction::from_code(word).map(|action| (action, false)),
        }
    }

    /// Whether whoever decides saw what there is now. A request that comes twice, or from an old page, would undo or add
    /// to money that it never saw, or answer what nobody looked at. Less than was seen matters only to who moves all of it.
    fn saw(&self, now: &MatterSeen) -> bool {
        let MatterSeen { rulings, cents, places } = &self.seen;
        let moves_all = match self.action {
            RulingAction::ChargeBack | RulingAction::Forgive => self.amount.is_none() && !self.undo,
            RulingAction::WriteOff | RulingAction::PayOut => true,
            RulingAction::Accept
            | RulingAction::Block
            | RulingAction::Lift
            | RulingAction::Revoke
            | RulingAction::ConfirmBranch
            | RulingAction::AcceptEntries => false,
        };
        let as_much = if moves_all { now.cents == *cents } else { now.cents <= *cents };
        *rulings == now.rulings && as_much && now.places <= *places
    }
}

impl Hub {
    /// Decides about a matter.
    pub fn resolve(&mut self, id: &MatterId, asked: &Asked) -> Result<Resolved, HubError> {
        self.publish()?;
        self.may_rule()?;
        let signed = self.signer(&asked.by)?;
        if !Ruling::is_text(&asked.reason, Ruling::MAX_REASON) {
            return Err(HubError::Refused("hub.ruling_reason"));
        }
        if !actions(id.kind, id.what).contains(&asked.action) {
            return Err(HubError::Refused("hub.ruling_action"));
        }
        let (found, before) = (self.found_of(id)?, self.rulings()?.remove(id));
        if found.is_none() && before.is_none() {
            return Err(HubError::NotFound("The matter"));
        }
        if !asked.saw(&seen(found.as_ref(), before.as_ref())) {
            return Err(HubError::Refused("hub.ruling_changed"));
        }
        let mut amount = self.amount_of(asked, found.as_ref(), before.as_ref())?;
        let (mut entries, mut bundle) = (Vec::new(), false);
        match asked.action {
            RulingAction::Accept | RulingAction::ChargeBack | RulingAction::Forgive => {}
            RulingAction::Block => bundle = self.blocking(id, &mut entries)?,
            RulingAction::Lift => {
                if self.keeper(id.subject.wallet())?.0.flags.has(domain::ledger::WalletFlags::EMPTIED) {
                    return Err(HubError::Refused("hub.band_emptied"));
                }
                if !self.is_blocked_by_ruling(id.subject.wallet(), Some(id))? {
                    let blocks = self.blocks_on(BlockedKind::Wallet, id.subject)?.into_iter();
                    let ruled = blocks.filter(|block| block.by_ruling);
                    entries = self.lifting_of(BlockedKind::Wallet, id.subject, ruled);
                }
            }
            RulingAction::WriteOff => entries.push(self.writing_off(id, found.as_ref())?),
            RulingAction::Revoke => {
                self.revoke_device(id.subject.device(), &asked.reason)?;
                bundle = true;
            }
            RulingAction::ConfirmBranch => entries.push(self.confirming(id, &asked.head)?),
            RulingAction::AcceptEntries => entries = self.accepting(id.subject.device(), &asked.reason)?,
            RulingAction::PayOut => {
                let left = self.empty_band(id.subject.wallet(), Way::Refund, asked.accept_risk)?;
                if left.moved_cents == 0 {
                    let waits = !left.may_sell.is_empty();
                    return Err(HubError::Refused(if waits { "hub.ruling_risk" } else { "hub.ruling_nothing" }));
                }
                amount = Cents::try_from(left.moved_cents).map_err(|_| HubError::Invalid("the amount"))?;
            }
        }
        let entry = self.ruling_entry(id, asked, &signed, amount, found.as_ref(), before.as_ref());
        entries.push(entry);
        entries.iter_mut().for_each(|entry| entry.operator = signed.operator);
        self.act(entries)?;
        self.dirty.revocations |= bundle;
        self.publish()?;
        Ok(Resolved { matter: self.matter(id)?, bundle })
    }

    /// A hub that was set up before there were rulings has a certificate without them.
    fn may_rule(&self) -> Result<(), HubError> {
        let certificate = self.identity.hub.chain.verify(&self.identity.founding);
        let rights = certificate.map(|certificate| domain::ledger::Rights::of(&certificate));
        match rights.map(|rights| rights.allows(Kind::RULING, Effect::None)) {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) | Err(_) => Err(HubError::Refused("hub.ruling_certificate")),
        }
    }

    /// How much a ruling moves in all, what it replaces included.
    fn amount_of(&self, asked: &Asked, found: Option<&Found>, before: Option<&Ruled>) -> Result<Cents, HubError> {
        let sort = RulingSort::of(asked.action);
        if !sort.is_money() {
            return Ok(Cents::ZERO);
        }
        let moved = before.and_then(|before| before.of(sort)).map_or(Cents::ZERO, |one| one.entry.amount);
        if asked.undo {
            return if moved == Cents::ZERO { Err(HubError::Refused("hub.ruling_nothing")) } else { Ok(Cents::ZERO) };
        }
        let left = found.and_then(|found| found.amount).unwrap_or(0).max(0);
        let left = Cents::try_from(left).map_err(|_| HubError::Invalid("the amount"))?;
        let now = asked.amount.unwrap_or(left);
        if now > left || now == Cents::ZERO {
            return Err(HubError::Refused("hub.ruling_amount"));
        }
        now.plus(moved).ok_or(HubError::Refused("hub.ruling_amount"))
    }

    fn ruling_entry(
        &mut self,
        id: &MatterId,
        asked: &Asked,
        signed: &Signed,
        amount: Cents,
        found: Option<&Found>,
        before: Option<&Ruled>,
    ) -> Entry {
        let moved = before.map_or(0, Ruled::moved);
        let seen = found.map_or(0, Found::cents);
        let places = found.map_or(0, |found| found.total);
        let told = before.iter().flat_map(|before| &before.holds).map(|one| one.ruling.places_seen).max();
        let places = places.max(told.unwrap_or(0));
        // those that count, of every sort: what they replaced is out already
        let replaces = before.map(|before| {
            let all = before.holds.iter().chain(&before.beside).map(|one| one.at);
            all.take(Ruling::MAX_REPLACES).collect::<Vec<EntryRef>>()
        });
        let ruling = Ruling {
            matter: id.kind,
            action: asked.action,
            what: id.what,
            places_seen: places,
            cents_seen: seen.saturating_add(moved),
            replaces: replaces.unwrap_or_default(),
            by: signed.by.clone(),
            reason: asked.reason.trim().into(),
        };
        let part = Detail::Ruling(ruling).to_bytes();
        let entry = self.entry(Kind::RULING, Effect::None, id.subject);
        Entry { amount, refers_to: id.about, part, ..entry }
    }

    /// Blocks band or ticket; whether the bundle changes with it.
    fn blocking(&mut self, id: &MatterId, entries: &mut Vec<Entry>) -> Result<bool, HubError> {
        if id.what == BlockedKind::Ticket {
            return Ok(self.bar_tickets(&[id.subject.ticket()], BarReason::Blocked)? > 0);
        }
        entries.push(self.block_entry(BlockedKind::Wallet, id.subject, RULED));
        Ok(false)
    }

    fn writing_off(&mut self, id: &MatterId, found: Option<&Found>) -> Result<Entry, HubError> {
        let (Some(intent), Some(found)) = (id.about, found) else {
            return Err(HubError::Refused("hub.ruling_nothing"));
        };
        if !matches!(found.waits, Some("read_or_write_off" | "revoked_box")) {
            return Err(HubError::Refused("hub.ruling_its_box"));
        }
        let bodies = self.entry_at(intent.device, intent.epoch, intent.seq)?;
        let amount = bodies.first().map(|(body, _, _)| body.entry().amount).ok_or(HubError::NotFound("The intent"))?;
        let entry = self.entry(Kind::WRITTEN_OFF, Effect::None, id.subject);
        Ok(Entry { amount, refers_to: Some(intent), ..entry })
    }

    /// The head of the branch that shall hold.
    fn confirming(&mut self, id: &MatterId, head: &str) -> Result<Entry, HubError> {
        let wanted = unhex(head.trim()).filter(|hash| hash.len() == 32);
        let wanted = wanted.ok_or(HubError::Refused("hub.ruling_branch"))?;
        let Some(about) = id.about else { return Err(HubError::NotFound("The matter")) };
        let journal = self.journals.get(about.device, about.epoch).ok_or(HubError::NotFound("The journal"))?;
        let run = journal.tree.runs().iter().find(|run| run.hash.as_slice() == wanted.as_slice());
        let run = run.ok_or(HubError::Refused("hub.ruling_branch"))?;
        if !journal.may_confirm(run.run, run.last) {
            return Err(HubError::Refused("hub.ruling_confirmed"));
        }
        let (seq, hash, term) = (run.last, run.hash, self.term());
        let detail = Countersignature { epoch: about.epoch, seq, hash, term, archived: false };
        let part = Detail::Countersignature(detail).to_bytes();
        Ok(Entry { part, ..self.entry(Kind::COUNTERSIGNATURE, Effect::None, about.device.into()) })
    }

    /// Lifts the revocations of a device and revokes it again behind the heads held now: it stays out, and what it
    /// delivered counts.
    fn accepting(&mut self, device: DeviceId, reason: &str) -> Result<Vec<Entry>, HubError> {
        self.project()?;
        let currency = self.identity.founding.currency;
        let about = self.journals.entries_about(&device.0, &self.store, currency)?;
        let about: Vec<(EntryRef, Entry)> = about
            .into_iter()
            .map(|(at, place, body)| (self.journals.at(at).entry_ref(place.seq), body.entry().clone()))
            .collect();
        let holding = unlifted(BlockedKind::Device, about.iter().map(|(at, entry)| (*at, entry)));
        if holding.is_empty() {
            return Err(HubError::Refused("hub.ruling_nothing"));
        }
        let heads = self.journals.of_device(device).filter_map(|journal| {
            let head = journal.last_head()?;
            Some(PreviousHead { epoch: journal.epoch, seq: head.seq, hash: head.hash })
        });
        let revocation = Revocation { heads: heads.collect(), reason: reason.into() };
        let part = Detail::Block(Block { of: BlockedKind::Device, reason: String::new() }).to_bytes();
        let mut entries: Vec<Entry> = Vec::new();
        for at in holding {
            let lift = self.entry(Kind::UNBLOCK, Effect::Unblock, device.into());
            entries.push(Entry { refers_to: Some(at), part: part.clone(), ..lift });
        }
        let part = Detail::Revocation(BlockedKind::Device, revocation).to_bytes();
        let again = self.entry(Kind::REVOCATION, Effect::Block, device.into());
        entries.push(Entry { part, ..again });
        Ok(entries)
    }
}
